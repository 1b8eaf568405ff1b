//! The parts that a kiosk is built of, so that a test can put a faulty one in.

use pawl_core::session::StorableSession;
use pawl_core::{Device, Persistence, VodozemacSession};
use rand_chacha::ChaCha20Rng;

use crate::power::{Flash, Rtc};
use crate::ratchet_index::RatchetIndex;
use crate::scenario::Crypto;
use crate::seeded_session::seeded_session;

/// What a kiosk is built of besides the core. [`SoundParts`] is what the simulation runs with; tests replace one
/// part by a faulty one to show that the [observer](crate::observer) finds it.
pub trait Parts {
    /// The outbound Megolm session.
    type Session: StorableSession;

    /// How deep a simulation with such sessions goes: whether receiving devices can decrypt what they encrypt.
    const CRYPTO: Crypto = Crypto::Vodozemac;

    /// Makes an outbound session for the room at this place in the scenario, with secrets from `random`.
    ///
    /// # Errors
    /// No session can be made.
    fn make_session(
        &mut self,
        room: usize,
        random: &mut ChaCha20Rng,
    ) -> Result<Self::Session, SessionNotMade>;

    /// How many milliseconds the kiosk's counter takes to have passed since the kiosk was switched on, when so many have.
    /// What it then shows, with the faults that the scenario gives it, is worked out from these.
    fn counter_at(&self, since_boot_ms: u64) -> u64;

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
    fn meddle<K: Persistence<Self::Session>>(
        &mut self,
        true_ms: u64,
        room: &str,
        device: &mut Device<'_, Self::Session, K>,
    );

    /// The ciphertext of a message that the session made behind the core's back, if it did.
    fn uncounted_ciphertext(&mut self) -> Option<String>;
}

/// No outbound session can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionNotMade;

/// Writes what sound parts have in common, whatever their sessions: clocks that keep time, flash that keeps what is
/// written, room keys that arrive.
macro_rules! sound_but_for_sessions {
    () => {
        fn counter_at(&self, since_boot_ms: u64) -> u64 {
            since_boot_ms
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

        fn meddle<K: Persistence<Self::Session>>(
            &mut self,
            _true_ms: u64,
            _room: &str,
            _device: &mut Device<'_, Self::Session, K>,
        ) {
        }

        fn uncounted_ciphertext(&mut self) -> Option<String> {
            None
        }
    };
}

pub(crate) use sound_but_for_sessions;

/// Parts that work, with vodozemac's sessions.
#[derive(Clone, Copy, Debug, Default)]
pub struct SoundParts;

impl Parts for SoundParts {
    type Session = VodozemacSession;

    fn make_session(
        &mut self,
        _room: usize,
        random: &mut ChaCha20Rng,
    ) -> Result<VodozemacSession, SessionNotMade> {
        Ok(seeded_session(random))
    }

    sound_but_for_sessions!();
}

/// Parts that work, with sessions that encrypt nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct WithoutCryptography {
    sessions_made: u32,
}

impl Parts for WithoutCryptography {
    type Session = RatchetIndex;

    const CRYPTO: Crypto = Crypto::None;

    fn make_session(
        &mut self,
        _room: usize,
        _random: &mut ChaCha20Rng,
    ) -> Result<RatchetIndex, SessionNotMade> {
        self.sessions_made = self.sessions_made.checked_add(1).ok_or(SessionNotMade)?;
        Ok(RatchetIndex::numbered(self.sessions_made))
    }

    sound_but_for_sessions!();
}
