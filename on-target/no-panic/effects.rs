//! Part of every image of the proof: arguments, and a world outside the core, of which the optimiser knows nothing.
//!
//! [`opaque`] is any value of its type that there can be: a slice of any length, a `Device` whose table holds whatever
//! rooms and sessions, one that no sequence of calls would ever make included. What is proved for it holds for every value. The images are linked and never run, so that nothing of this has to exist.

use core::ffi::c_void;
use core::fmt;

use embedded_time::{Clock, Instant, clock, fraction::Fraction};
use pawl_core::session::{OutboundSession, SESSION_ID_LENGTH, SESSION_KEY_LENGTH, StorableSession};
use pawl_core::store::{Item, StoreError};
use pawl_core::{Stamp, StampClock};

unsafe extern "C" {
    /// Where a value is of which nothing is known.
    fn pawl_opaque() -> *const c_void;
    /// Takes a value, and does with it what nobody knows.
    fn pawl_sink(value: *const c_void);
    /// Exists nowhere: an image that may panic does not link.
    fn pawl_a_panic_can_be_reached() -> !;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe { pawl_a_panic_can_be_reached() }
}

/// Any value of this type.
pub(crate) fn opaque<T>() -> T {
    unsafe { core::ptr::read(pawl_opaque().cast::<T>()) }
}

/// How many places a `RoomStorage` has. One copy of the code serves every number.
pub(crate) const PLACES: usize = 8;

/// Uses a value, then drops it.
pub(crate) fn sink<T>(value: T) {
    unsafe { pawl_sink((&raw const value).cast()) };
}

/// Uses whatever an iterator yields.
pub(crate) fn drain<T: Iterator>(items: T) {
    items.for_each(sink);
}

/// Every type of the world outside: its values, and what becomes of them, are not known.
macro_rules! outside {
    ($($name:ident)*) => {$(
        pub(crate) struct $name([usize; 4]);

        impl Drop for $name {
            fn drop(&mut self) {
                sink(&mut self.0);
            }
        }

        impl Clone for $name {
            fn clone(&self) -> Self {
                sink(&self.0);
                opaque()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                sink((self, f));
                opaque()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                sink((self, f));
                opaque()
            }
        }

        impl core::error::Error for $name {}

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                sink((self, other));
                opaque()
            }
        }

        impl Eq for $name {}

        impl core::hash::Hash for $name {
            fn hash<H: core::hash::Hasher>(&self, hasher: &mut H) {
                sink((self, hasher));
            }
        }
    )*};
}

outside!(Error Hasher Random Session Stamps Store Clock32 Clock64 SlowClock);

impl core::hash::Hasher for Hasher {
    fn finish(&self) -> u64 {
        sink(self);
        opaque()
    }

    fn write(&mut self, bytes: &[u8]) {
        sink((self, bytes));
    }
}

impl OutboundSession for Session {
    type Error = Error;

    fn write_session_id(&self, out: &mut [u8; SESSION_ID_LENGTH]) {
        sink((self, out));
    }

    fn write_session_key(&self, out: &mut [u8; SESSION_KEY_LENGTH]) {
        sink((self, out));
    }

    fn message_index(&self) -> u32 {
        sink(self);
        opaque()
    }

    fn encrypt<'o>(&mut self, plaintext: &[u8], out: &'o mut [u8]) -> Result<&'o str, Error> {
        sink((self, plaintext, out));
        opaque()
    }
}

impl StorableSession for Session {
    const MAX_SECRET_LENGTH: usize = 1_000;

    fn write_secret(&self, message_index: u32, key: &[u8; 32], out: &mut [u8]) -> Option<usize> {
        sink((self, message_index, key, out));
        opaque()
    }

    fn read_secret(secret: &[u8], key: &[u8; 32]) -> Option<Self> {
        sink((secret, key));
        opaque()
    }
}

impl pawl_core::store::Store for Store {
    fn load(&mut self, item: Item, buffer: &mut [u8]) -> Result<Option<usize>, StoreError> {
        sink((self, item, buffer));
        opaque()
    }

    fn store(&mut self, item: Item, bytes: &[u8]) -> Result<(), StoreError> {
        sink((self, item, bytes));
        opaque()
    }
}

impl StampClock for Stamps {
    fn stamp(&mut self) -> Option<Stamp> {
        sink(self);
        opaque()
    }
}

impl rand_core::TryRng for Random {
    type Error = Error;

    fn try_next_u32(&mut self) -> Result<u32, Error> {
        sink(self);
        opaque()
    }

    fn try_next_u64(&mut self) -> Result<u64, Error> {
        sink(self);
        opaque()
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        sink((self, bytes));
        opaque()
    }
}

impl rand_core::TryCryptoRng for Random {}

/// A clock of so many bits at this rate.
macro_rules! clocks {
    ($($name:ident: $ticks:ty, $numerator:literal / $denominator:literal;)*) => {$(
        impl Clock for $name {
            type T = $ticks;
            const SCALING_FACTOR: Fraction = Fraction::new($numerator, $denominator);

            fn try_now(&self) -> Result<Instant<Self>, clock::Error> {
                sink(self);
                opaque::<Result<$ticks, clock::Error>>().map(Instant::new)
            }
        }
    )*};
}

clocks! {
    Clock32: u32, 1 / 32_768;
    Clock64: u64, 1 / 1_000_000;
    SlowClock: u32, 1 / 100;
}
