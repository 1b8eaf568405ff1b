//! A store in memory that can fail and tells what was written, a clock that outlives restarts, and a world in which a
//! device is restarted.

use core::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use embedded_time::Clock;
use pawl_core::store::{Item, Store, StoreError};
use pawl_core::{
    Config, Device, OpenError, RoomStorage, RoomsStored, SessionsStored, Stamp, StampClock, StoreKey,
    sealed_length,
};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{Millis, Session, Storage};

/// A store in memory.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) items: RefCell<BTreeMap<Item, Vec<u8>>>,
    /// Every item that was stored, in order.
    pub(crate) written: RefCell<Vec<Item>>,
    /// What the next stores come to: the first so many succeed, the others fail.
    fails_after: Cell<Option<(usize, Failure)>>,
}

/// How a store that fails leaves the item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// As it was.
    Before(StoreError),
    /// As it was to be.
    After(StoreError),
}

impl Memory {
    /// The next `successes` stores succeed, and all after them fail.
    pub(crate) fn fail_after(&self, successes: usize, failure: Failure) {
        self.fails_after.set(Some((successes, failure)));
    }

    pub(crate) fn work_again(&self) {
        self.fails_after.set(None);
    }

    /// What was written since this was asked last.
    pub(crate) fn written(&self) -> Vec<Item> {
        self.written.take()
    }

    pub(crate) fn get(&self, item: Item) -> Vec<u8> {
        self.items.borrow()[&item].clone()
    }

    pub(crate) fn set(&self, item: Item, bytes: &[u8]) {
        self.items.borrow_mut().insert(item, bytes.to_vec());
    }

    pub(crate) fn copy(&self) -> BTreeMap<Item, Vec<u8>> {
        self.items.borrow().clone()
    }
}

impl Store for &Memory {
    fn load(&mut self, item: Item, buffer: &mut [u8]) -> Result<Option<usize>, StoreError> {
        let items = self.items.borrow();
        let Some(bytes) = items.get(&item) else {
            return Ok(None);
        };
        buffer.get_mut(..bytes.len()).ok_or(StoreError::Damaged)?.copy_from_slice(bytes);
        Ok(Some(bytes.len()))
    }

    fn store(&mut self, item: Item, bytes: &[u8]) -> Result<(), StoreError> {
        assert!(!bytes.is_empty());
        let failure = match self.fails_after.get() {
            Some((0, failure)) => Some(failure),
            Some((successes, failure)) => {
                self.fails_after.set(Some((successes - 1, failure)));
                None
            }
            None => None,
        };
        if let Some(Failure::Before(error)) = failure {
            return Err(error);
        }
        self.items.borrow_mut().insert(item, bytes.to_vec());
        self.written.borrow_mut().push(item);
        match failure {
            Some(Failure::After(error)) => Err(error),
            _ => Ok(()),
        }
    }
}

/// A clock that outlives restarts and shows what it is set to.
pub(crate) struct Rtc(Cell<Option<Stamp>>);

impl Rtc {
    pub(crate) fn show(&self, ms: u64, setting: u32) {
        self.0.set(Some(Stamp { ms, setting }));
    }

    pub(crate) fn fail(&self) {
        self.0.set(None);
    }

    pub(crate) fn ms(&self) -> u64 {
        self.0.get().map_or(0, |stamp| stamp.ms)
    }
}

impl StampClock for &Rtc {
    fn stamp(&mut self) -> Option<Stamp> {
        self.0.get()
    }
}

/// What is around a device and outlives its restarts.
pub(crate) struct Outside {
    pub(crate) memory: Memory,
    pub(crate) rtc: Rtc,
    pub(crate) clock: Millis,
}

impl Outside {
    /// Time passes, on the device's clock and on the other.
    pub(crate) fn pass(&self, ms: u64) {
        let now = self.clock.try_now().unwrap().duration_since_epoch().integer();
        self.clock.show(now + ms);
        let stamp = self.rtc.0.get();
        self.rtc.0.set(stamp.map(|stamp| Stamp { ms: stamp.ms + ms, ..stamp }));
    }
}

/// A device's storage and what is around it.
pub(crate) struct World<const N: usize> {
    pub(crate) outside: Outside,
    pub(crate) storage: Storage<N>,
    pub(crate) buffer: Vec<u8>,
    pub(crate) config: Config,
    pub(crate) reservation: u32,
    pub(crate) key: [u8; 32],
}

pub(crate) type WithSessions<'a> = SessionsStored<'a, &'a Memory, &'a Rtc, StdRng>;

impl<const N: usize> World<N> {
    /// A device that was never started, on a day when its clocks show something.
    pub(crate) fn new() -> Self {
        let rtc = Rtc(Cell::new(Some(Stamp { ms: 1_700_000_000_000, setting: 1 })));
        World {
            outside: Outside { memory: Memory::default(), rtc, clock: Millis::showing(0) },
            storage: RoomStorage::new(),
            buffer: vec![0; sealed_length::<Session>()],
            config: Config::default(),
            reservation: 16,
            key: [7; 32],
        }
    }

    /// The device starts, and its clock shows 0. Nobody shut it down: see [`Device::shut_down`].
    pub(crate) fn boot(&mut self) -> (Device<'_, Session, WithSessions<'_>>, &Outside) {
        let (device, outside) = self.try_boot();
        (device.unwrap(), outside)
    }

    pub(crate) fn try_boot(
        &mut self,
    ) -> (Result<Device<'_, Session, WithSessions<'_>>, OpenError>, &Outside) {
        let World { outside, storage, buffer, config, reservation, key } = self;
        outside.clock.show(0);
        let persistence = SessionsStored::new(
            &outside.memory,
            StoreKey::new(*key),
            &outside.rtc,
            StdRng::seed_from_u64(1),
            buffer,
        )
        .with_reservation((*reservation).try_into().unwrap());
        (Device::open(storage, *config, persistence, &outside.clock), outside)
    }

    /// The same for a device without a clock that outlives restarts.
    pub(crate) fn boot_without_sessions(
        &mut self,
    ) -> (Device<'_, Session, RoomsStored<&'_ Memory>>, &Outside) {
        let World { outside, storage, config, .. } = self;
        outside.clock.show(0);
        let persistence = RoomsStored::new(&outside.memory);
        (Device::open(storage, *config, persistence, &outside.clock).unwrap(), outside)
    }

    /// Time passes while the device is off.
    pub(crate) fn stay_off(&self, ms: u64) {
        let rtc = &self.outside.rtc;
        let stamp = rtc.0.get();
        rtc.0.set(stamp.map(|stamp| Stamp { ms: stamp.ms + ms, ..stamp }));
    }
}
