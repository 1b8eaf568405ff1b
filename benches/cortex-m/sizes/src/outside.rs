//! The world outside an image: session, store, flash, clocks, randomness.

use core::ffi::c_void;
use core::fmt;

use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};
use embedded_time::{Clock, Instant, clock, fraction::Fraction};
use pawl_core::session::{OutboundSession, SESSION_ID_LENGTH, SESSION_KEY_LENGTH, StorableSession};
use pawl_core::store::{Item, Store, StoreError};
use pawl_core::{Stamp, StampClock};

unsafe extern "C" {
    /// Where the next value from outside is.
    fn pawl_next() -> *const c_void;
    /// Takes a value.
    fn pawl_answer(value: *const c_void);
    /// A failure of the device.
    fn pawl_panic() -> !;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: nothing of this ever runs. So it is below.
    unsafe { pawl_panic() }
}

/// A value from outside.
pub fn next<T>() -> T {
    // SAFETY: as above.
    unsafe { core::ptr::read(pawl_next().cast::<T>()) }
}

/// The memory for a table.
pub fn places<T>() -> &'static mut T {
    next()
}

/// Hands a value out.
pub fn answer<T>(value: T) {
    // SAFETY: as above.
    unsafe { pawl_answer((&raw const value).cast()) };
}

/// Why something failed out there.
#[derive(Clone, Copy)]
pub struct Failure(#[expect(dead_code, reason = "only outside knows what it is")] u32);

impl fmt::Debug for Failure {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

impl core::error::Error for Failure {}

/// An outbound session that lies elsewhere.
pub struct Session(u32);

impl Drop for Session {
    fn drop(&mut self) {
        answer(self.0);
    }
}

impl OutboundSession for Session {
    type Error = Failure;

    fn write_session_id(&self, out: &mut [u8; SESSION_ID_LENGTH]) {
        answer((self.0, out));
    }

    fn write_session_key(&self, out: &mut [u8; SESSION_KEY_LENGTH]) {
        answer((self.0, out));
    }

    fn message_index(&self) -> u32 {
        answer(self.0);
        next()
    }

    fn encrypt<'o>(&mut self, plaintext: &[u8], out: &'o mut [u8]) -> Result<&'o str, Failure> {
        answer((self.0, plaintext, out));
        next()
    }
}

impl StorableSession for Session {
    const MAX_SECRET_LENGTH: usize = 1_000;

    fn write_secret(&self, message_index: u32, key: &[u8; 32], out: &mut [u8]) -> Option<usize> {
        answer((self.0, message_index, key, out));
        next()
    }

    fn read_secret(secret: &[u8], key: &[u8; 32]) -> Option<Self> {
        answer((secret, key));
        next()
    }
}

/// A store.
pub struct Elsewhere;

impl Store for Elsewhere {
    fn load(&mut self, item: Item, buffer: &mut [u8]) -> Result<Option<usize>, StoreError> {
        answer((item, buffer));
        next()
    }

    fn store(&mut self, item: Item, bytes: &[u8]) -> Result<(), StoreError> {
        answer((item, bytes));
        next()
    }
}

/// NOR flash with pages of 4 KiB, written in words of 4 bytes.
pub struct Flash;

impl ErrorType for Flash {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        answer((offset, bytes));
        next()
    }

    fn capacity(&self) -> usize {
        next()
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = 4_096;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        answer((from, to));
        next()
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        answer((offset, bytes));
        next()
    }
}

/// A clock of 32 bits at 1 kHz.
pub struct Counter;

impl Clock for Counter {
    type T = u32;
    const SCALING_FACTOR: Fraction = Fraction::new(1, 1_000);

    fn try_now(&self) -> Result<Instant<Self>, clock::Error> {
        Ok(Instant::new(next()))
    }
}

/// The clock that outlives restarts.
pub struct Calendar;

impl StampClock for Calendar {
    fn stamp(&mut self) -> Option<Stamp> {
        next()
    }
}

/// A source of randomness.
pub struct Random;

impl rand_core::TryRng for Random {
    type Error = Failure;

    fn try_next_u32(&mut self) -> Result<u32, Failure> {
        next()
    }

    fn try_next_u64(&mut self) -> Result<u64, Failure> {
        next()
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Failure> {
        answer(bytes);
        next()
    }
}

impl rand_core::TryCryptoRng for Random {}
