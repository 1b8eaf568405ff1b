//! What of a device outlives a restart, and how (B1–B3).
//!
//! There are three answers, and a [`Device`](crate::Device) is made with one of them: [`NothingStored`], [`RoomsStored`]
//! in a [`Store`], or [`SessionsStored`] as well, which takes a clock that outlives restarts. What is written when is
//! decided by the device; here is how.

use core::num::NonZeroU32;

use rand_core::TryCryptoRng;
use zeroize::Zeroize;

use crate::record::RecordError;
use crate::sealed::{self, Binding, SEALED_OVERHEAD, SealedHeader, SealedUsage, Stamp, StoreKey};
use crate::session::StorableSession;
use crate::store::{Item, Store, StoreError};

/// What of a device with sessions of type `S` outlives a restart: [`NothingStored`], [`RoomsStored`] or
/// [`SessionsStored`]. It cannot be implemented elsewhere.
pub trait Persistence<S>: sealed_trait::Keeps<S> {}

impl<S, P: sealed_trait::Keeps<S>> Persistence<S> for P {}

pub(crate) mod sealed_trait {
    use super::{Binding, Item, SealedHeader, SealedUsage, Stamp, StoreError};

    /// What the device asks of it.
    pub trait Keeps<S> {
        /// Whether anything is stored at all.
        const STORES: bool;
        /// Whether sessions are, given a stamp.
        const SESSIONS: bool;

        fn load(&mut self, item: Item, buffer: &mut [u8]) -> Result<Option<usize>, StoreError>;
        fn store(&mut self, item: Item, bytes: &[u8]) -> Result<(), StoreError>;

        // What follows is about sessions. As it stands here, none is ever stored.

        /// Whether a sealed session fits the buffer for it.
        fn has_room_for_sessions(&self) -> bool {
            true
        }

        /// The clock that outlives restarts, if there is one and it can be read.
        fn stamp(&mut self) -> Option<Stamp> {
            None
        }

        /// R of B2.
        fn reservation(&self) -> u32 {
            0
        }

        /// Stores a session, advanced to `index`; as it stands where that is `None`.
        #[expect(private_interfaces, reason = "nobody outside implements or calls it")]
        fn store_session(
            &mut self,
            _session: &S,
            _index: Option<u32>,
            _usage: &SealedUsage,
            _binding: &Binding<'_>,
        ) -> Result<(), StoreError> {
            Ok(())
        }

        /// Which session is stored at a place; an error when what is there does not check out.
        #[expect(private_interfaces, reason = "nobody outside implements or calls it")]
        fn session_header(&mut self, _place: u16) -> Result<Option<SealedHeader>, super::LoadError> {
            Ok(None)
        }

        /// The session that is stored at the place of `binding`; an error when it is not that one.
        #[expect(private_interfaces, reason = "nobody outside implements or calls it")]
        fn load_session(&mut self, _binding: &Binding<'_>) -> Result<(SealedUsage, S), super::LoadError> {
            Err(super::LoadError::Damaged)
        }
    }
}

use sealed_trait::Keeps;

/// Why an item could not be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// The store could not be read.
    Store(StoreError),
    /// What is there does not check out (B5).
    Damaged,
}

impl From<StoreError> for LoadError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Damaged => LoadError::Damaged,
            other => LoadError::Store(other),
        }
    }
}

impl From<RecordError> for LoadError {
    fn from(_: RecordError) -> Self {
        LoadError::Damaged
    }
}

/// Nothing outlives a restart: each start is a first start.
#[derive(Clone, Copy, Debug, Default)]
pub struct NothingStored;

impl<S> Keeps<S> for NothingStored {
    const STORES: bool = false;
    const SESSIONS: bool = false;

    fn load(&mut self, _: Item, _: &mut [u8]) -> Result<Option<usize>, StoreError> {
        Ok(None)
    }

    fn store(&mut self, _: Item, _: &[u8]) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Rooms and knowledge outlive a restart, sessions do not: for a device without a clock that goes on while it is off,
/// which could not know a session's age (B3).
#[derive(Debug)]
pub struct RoomsStored<T> {
    store: T,
}

impl<T: Store> RoomsStored<T> {
    /// With this store, which is this device's alone.
    pub const fn new(store: T) -> Self {
        RoomsStored { store }
    }

    /// The store, for its own errors and figures.
    pub fn store(&mut self) -> &mut T {
        &mut self.store
    }
}

impl<S, T: Store> Keeps<S> for RoomsStored<T> {
    const STORES: bool = true;
    const SESSIONS: bool = false;

    fn load(&mut self, item: Item, buffer: &mut [u8]) -> Result<Option<usize>, StoreError> {
        self.store.load(item, buffer)
    }

    fn store(&mut self, item: Item, bytes: &[u8]) -> Result<(), StoreError> {
        self.store.store(item, bytes)
    }
}

/// A clock that outlives restarts, such as a battery-backed real-time clock (B3).
pub trait StampClock {
    /// The present moment; `None` when the clock cannot be read or does not know the time. Sessions that begin without
    /// a stamp are not stored, and a restart without one discards those that are.
    fn stamp(&mut self) -> Option<Stamp>;
}

impl<T: StampClock + ?Sized> StampClock for &mut T {
    fn stamp(&mut self) -> Option<Stamp> {
        (**self).stamp()
    }
}

/// How far ahead sessions are stored unless told otherwise: R of B2, in messages.
pub const DEFAULT_RESERVATION: NonZeroU32 = NonZeroU32::new(16).unwrap();

/// Rooms, knowledge and sessions outlive a restart.
///
/// `T` is the store, `C` the clock that goes on while the device is off, `G` a cryptographic random number generator.
pub struct SessionsStored<'b, T, C, G> {
    store: T,
    key: StoreKey,
    clock: C,
    random: G,
    reservation: u32,
    buffer: &'b mut [u8],
}

impl<'b, T: Store, C: StampClock, G: TryCryptoRng> SessionsStored<'b, T, C, G> {
    /// With a store that is this device's alone. Sessions are sealed under `key` in `buffer`, which holds
    /// [`sealed_length`] bytes, and is wiped after each use; only what a failed load left in it stays, which is sealed.
    pub const fn new(store: T, key: StoreKey, clock: C, random: G, buffer: &'b mut [u8]) -> Self {
        let reservation = DEFAULT_RESERVATION.get();
        SessionsStored { store, key, clock, random, reservation, buffer }
    }

    /// Stores sessions this many messages ahead, but never more than a quarter of a room's limit (B2). More spares the
    /// flash; after a power cut, up to this many messages of a session's limit are lost.
    #[must_use]
    pub fn with_reservation(mut self, messages: NonZeroU32) -> Self {
        self.reservation = messages.get();
        self
    }

    /// The store, for its own errors and figures.
    pub fn store(&mut self) -> &mut T {
        &mut self.store
    }

    /// The clock.
    pub fn clock(&mut self) -> &mut C {
        &mut self.clock
    }
}

/// How many bytes a session of type `S` takes at most when it is sealed.
#[must_use]
pub const fn sealed_length<S: StorableSession>() -> usize {
    S::MAX_SECRET_LENGTH + SEALED_OVERHEAD
}

#[expect(private_interfaces, reason = "nobody outside calls it")]
impl<S: StorableSession, T: Store, C: StampClock, G: TryCryptoRng> Keeps<S> for SessionsStored<'_, T, C, G> {
    const STORES: bool = true;
    const SESSIONS: bool = true;

    fn has_room_for_sessions(&self) -> bool {
        self.buffer.len() >= sealed_length::<S>()
    }

    fn stamp(&mut self) -> Option<Stamp> {
        self.clock.stamp()
    }

    fn reservation(&self) -> u32 {
        self.reservation
    }

    fn load(&mut self, item: Item, buffer: &mut [u8]) -> Result<Option<usize>, StoreError> {
        self.store.load(item, buffer)
    }

    fn store(&mut self, item: Item, bytes: &[u8]) -> Result<(), StoreError> {
        self.store.store(item, bytes)
    }

    fn store_session(
        &mut self,
        session: &S,
        index: Option<u32>,
        usage: &SealedUsage,
        binding: &Binding<'_>,
    ) -> Result<(), StoreError> {
        let index = index.unwrap_or_else(|| session.message_index());
        let length = sealed::seal(session, index, usage, binding, &self.key, &mut self.random, self.buffer)?;
        let bytes = self.buffer.get(..length).ok_or(StoreError::Sealing)?;
        let stored = self.store.store(Item::Session(binding.place), bytes);
        self.buffer.zeroize();
        stored
    }

    fn session_header(&mut self, place: u16) -> Result<Option<SealedHeader>, LoadError> {
        let Some(length) = self.store.load(Item::Session(place), self.buffer)? else {
            return Ok(None);
        };
        let bytes = self.buffer.get(..length).ok_or(LoadError::Damaged)?;
        let header = SealedHeader::read(bytes, place);
        self.buffer.zeroize();
        Ok(Some(header?))
    }

    fn load_session(&mut self, binding: &Binding<'_>) -> Result<(SealedUsage, S), LoadError> {
        let length = self.store.load(Item::Session(binding.place), self.buffer)?;
        let sealed = length.and_then(|length| self.buffer.get_mut(..length)).ok_or(LoadError::Damaged)?;
        sealed::unseal(sealed, binding, &self.key).ok_or(LoadError::Damaged)
    }
}
