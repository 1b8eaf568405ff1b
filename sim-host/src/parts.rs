//! The parts that a kiosk is built of, so that a test can put a faulty one in.

use pawl_core::session::OutboundSession;
use pawl_core::{Device, VodozemacSession};

/// What a kiosk is built of besides the core. [`SoundParts`] is what the simulation runs with; tests replace one
/// part by a faulty one to show that the [observer](crate::observer) finds it.
pub trait Parts {
    /// The outbound Megolm session.
    type Session: OutboundSession;

    /// Makes an outbound session for the room at this place in the scenario.
    ///
    /// # Errors
    /// No session can be made.
    fn make_session(&mut self, room: usize) -> Result<Self::Session, SessionNotMade>;

    /// What the kiosk's millisecond counter shows at a true time, in milliseconds since the start.
    fn counter_at(&self, true_ms: u64) -> u32;

    /// Whether the room key that is being shared in a room goes out to the receiving device at this place in it.
    fn delivers_room_key(&mut self, room: usize, receiver: usize) -> bool;

    /// A chance to do to the kiosk's core what nobody should, before a message is sent.
    fn meddle(&mut self, true_ms: u64, room: &str, device: &mut Device<'_, Self::Session>);

    /// The ciphertext of a message that the session made behind the core's back, if it did.
    fn uncounted_ciphertext(&mut self) -> Option<String>;
}

/// No outbound session can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionNotMade;

/// Parts that work: vodozemac's sessions, a counter that keeps time, room keys that arrive.
#[derive(Clone, Copy, Debug, Default)]
pub struct SoundParts;

impl SoundParts {
    /// What the counter shows at the start: three weeks before it wraps, so a run of four weeks sees it wrap.
    pub const COUNTER_AT_START: u32 = u32::MAX - 21 * 86_400_000;
}

impl Parts for SoundParts {
    type Session = VodozemacSession;

    fn make_session(&mut self, _room: usize) -> Result<VodozemacSession, SessionNotMade> {
        Ok(VodozemacSession::new())
    }

    fn counter_at(&self, true_ms: u64) -> u32 {
        // What does not fit is what the counter loses by wrapping.
        let since_start = u32::try_from(true_ms & u64::from(u32::MAX)).unwrap_or_default();
        Self::COUNTER_AT_START.wrapping_add(since_start)
    }

    fn delivers_room_key(&mut self, _room: usize, _receiver: usize) -> bool {
        true
    }

    fn meddle(&mut self, _true_ms: u64, _room: &str, _device: &mut Device<'_, VodozemacSession>) {}

    fn uncounted_ciphertext(&mut self) -> Option<String> {
        None
    }
}
