//! The parts that a kiosk is built of, so that a test can put a faulty one in.

use pawl_core::VodozemacSession;
use pawl_core::session::StorableSession;

use crate::power::{Flash, KeepingDevice, Rtc};

/// What a kiosk is built of besides the core. [`SoundParts`] is what the simulation runs with; tests replace one
/// part by a faulty one to show that the [observer](crate::observer) finds it.
pub trait Parts {
    /// The outbound Megolm session.
    type Session: StorableSession;

    /// Makes an outbound session for the room at this place in the scenario.
    ///
    /// # Errors
    /// No session can be made.
    fn make_session(&mut self, room: usize) -> Result<Self::Session, SessionNotMade>;

    /// What the kiosk's millisecond counter shows so many milliseconds after the kiosk was switched on.
    fn counter_at(&self, since_boot_ms: u64) -> u32;

    /// How many milliseconds the real-time clock has counted since the start, when so many have passed, in some of which
    /// the kiosk was off.
    fn rtc_count(&self, true_ms: u64, off_ms: u64) -> u64;

    /// Somebody sets the real-time clock to another time, while the kiosk is off.
    fn set_rtc(&mut self, rtc: &mut Rtc);

    /// A chance to do to the flash what nobody should, whenever the kiosk's power has gone off.
    fn while_off(&mut self, true_ms: u64, flash: &mut Flash);

    /// Whether the room key that is being shared in a room goes out to the receiving device at this place in it.
    fn delivers_room_key(&mut self, room: usize, receiver: usize) -> bool;

    /// A chance to do to the kiosk's core what nobody should, before a message is sent.
    fn meddle(&mut self, true_ms: u64, room: &str, device: &mut KeepingDevice<'_, Self::Session>);

    /// The ciphertext of a message that the session made behind the core's back, if it did.
    fn uncounted_ciphertext(&mut self) -> Option<String>;
}

/// No outbound session can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionNotMade;

/// Parts that work: vodozemac's sessions, clocks that keep time, flash that keeps what is written, room keys that arrive.
#[derive(Clone, Copy, Debug, Default)]
pub struct SoundParts;

impl SoundParts {
    /// What the counter shows when the kiosk is switched on: a day before it wraps, so that it does not take seven weeks
    /// of running to see it wrap.
    pub const COUNTER_AT_BOOT: u32 = u32::MAX - 86_400_000;
}

impl Parts for SoundParts {
    type Session = VodozemacSession;

    fn make_session(&mut self, _room: usize) -> Result<VodozemacSession, SessionNotMade> {
        Ok(VodozemacSession::new())
    }

    fn counter_at(&self, since_boot_ms: u64) -> u32 {
        // What does not fit is what the counter loses by wrapping.
        let since_boot = u32::try_from(since_boot_ms & u64::from(u32::MAX)).unwrap_or_default();
        Self::COUNTER_AT_BOOT.wrapping_add(since_boot)
    }

    fn rtc_count(&self, true_ms: u64, _off_ms: u64) -> u64 {
        true_ms
    }

    fn set_rtc(&mut self, rtc: &mut Rtc) {
        rtc.set_anew();
    }

    fn while_off(&mut self, _true_ms: u64, _flash: &mut Flash) {}

    fn delivers_room_key(&mut self, _room: usize, _receiver: usize) -> bool {
        true
    }

    fn meddle(&mut self, _true_ms: u64, _room: &str, _device: &mut KeepingDevice<'_, VodozemacSession>) {}

    fn uncounted_ciphertext(&mut self) -> Option<String> {
        None
    }
}
