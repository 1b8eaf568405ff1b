//! An outbound session without cryptography: it has a number, by which one tells whether a session is the same or a new
//! one, and counts.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use pawl_core::session::{OutboundSession, SESSION_ID_LENGTH, SESSION_KEY_LENGTH, StorableSession};

/// What is common to all sessions of a device between two restarts.
#[derive(Debug, Default)]
pub(crate) struct Bench {
    /// The number of the latest session.
    pub(crate) made: Cell<u64>,
    /// How many there are.
    pub(crate) live: Cell<usize>,
    /// Whether they refuse to encrypt.
    pub(crate) refuses: Cell<bool>,
}

thread_local! {
    /// The bench of sessions that are read back from what was stored: that is asked of a type, so it has to be here.
    static OF_STORED: RefCell<Rc<Bench>> = RefCell::default();
}

impl Bench {
    /// The bench of a device that starts when so many sessions were made. Sessions that are read back are on it, until
    /// there is a newer one.
    pub(crate) fn new(made: u64) -> Rc<Self> {
        let bench = Rc::new(Bench { made: Cell::new(made), ..Bench::default() });
        OF_STORED.set(Rc::clone(&bench));
        bench
    }
}

/// An outbound session that counts.
pub(crate) struct CountingSession {
    number: u64,
    index: u32,
    bench: Rc<Bench>,
}

impl CountingSession {
    /// The next one.
    pub(crate) fn new(bench: &Rc<Bench>) -> Self {
        bench.made.set(bench.made.get() + 1);
        Self::on(Rc::clone(bench), bench.made.get(), 0)
    }

    fn on(bench: Rc<Bench>, number: u64, index: u32) -> Self {
        bench.live.set(bench.live.get() + 1);
        CountingSession { number, index, bench }
    }
}

impl Drop for CountingSession {
    fn drop(&mut self) {
        self.bench.live.set(self.bench.live.get() - 1);
    }
}

/// The session refuses.
#[derive(Debug)]
pub(crate) struct Refused;

impl core::fmt::Display for Refused {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the session refuses")
    }
}

impl core::error::Error for Refused {}

/// Writes a number in as many digits as there is room for.
fn write_digits(mut number: u64, out: &mut [u8]) {
    for digit in out.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
}

/// Reads a number from the last ten digits of a text, which has no other characters.
pub(crate) fn digits(text: &str) -> u64 {
    text.get(text.len() - 10..).and_then(|last| last.parse().ok()).expect("digits")
}

impl OutboundSession for CountingSession {
    type Error = Refused;

    fn write_session_id(&self, out: &mut [u8; SESSION_ID_LENGTH]) {
        write_digits(self.number, out);
    }

    fn write_session_key(&self, out: &mut [u8; SESSION_KEY_LENGTH]) {
        let (number, index) = out.split_at_mut(SESSION_ID_LENGTH);
        write_digits(self.number, number);
        write_digits(self.index.into(), index);
    }

    fn message_index(&self) -> u32 {
        self.index
    }

    fn encrypt<'o>(&mut self, _: &[u8], out: &'o mut [u8]) -> Result<&'o str, Refused> {
        let out = out.get_mut(..10).ok_or(Refused)?;
        write_digits(self.index.into(), out);
        self.index += 1;
        if self.bench.refuses.get() {
            return Err(Refused);
        }
        Ok(str::from_utf8(out).expect("digits"))
    }
}

/// The length of what is stored of a session: its number and its index.
pub(crate) const SECRET_LENGTH: usize = 12;

impl StorableSession for CountingSession {
    const MAX_SECRET_LENGTH: usize = SECRET_LENGTH;

    fn write_secret(&self, message_index: u32, _: &[u8; 32], out: &mut [u8]) -> Option<usize> {
        if message_index < self.index {
            return None;
        }
        let (number, index) = out.get_mut(..SECRET_LENGTH)?.split_at_mut(8);
        number.copy_from_slice(&self.number.to_le_bytes());
        index.copy_from_slice(&message_index.to_le_bytes());
        Some(SECRET_LENGTH)
    }

    fn read_secret(secret: &[u8], _: &[u8; 32]) -> Option<Self> {
        let secret: &[u8; SECRET_LENGTH] = secret.try_into().ok()?;
        let (number, index) = secret.split_at(8);
        let number = u64::from_le_bytes(number.try_into().ok()?);
        let index = u32::from_le_bytes(index.try_into().ok()?);
        Some(Self::on(OF_STORED.with_borrow(Rc::clone), number, index))
    }
}
