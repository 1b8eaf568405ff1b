//! The kiosk: a device built on pawl-core, with its Olm channels to the receiving devices.
//!
//! It decides nothing about encryption itself. It hands events to the core, asks it before each message, and turns
//! what the core writes into the bytes that a homeserver would be sent. The [`Kiosk`] is what outlives a restart; the
//! device, which it is handed for each call, lives from one start to the loss of power.

use std::collections::HashMap;
use std::num::NonZeroU32;

use pawl_core::clock::{TickRate, TimeError};
use pawl_core::event::{Event, SendingDevice};
use pawl_core::session::{OutboundSession, SESSION_ID_LENGTH};
use pawl_core::settings::{ChangePolicy, Limits};
use pawl_core::{
    BlockReason, Config, DecideError, Decision, Device, Moment, OpenError, RoomId, ShareRequest, SharedError,
    StoreKey,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::clock::Counter;
use crate::olm::{Identity, OlmChannel};
use crate::parts::{Parts, SessionNotMade};
use crate::power::{Chip, Keeping, KioskDevice, Memory, Rtc, RtcReading};
use crate::ratchet_index::{Use, last_use};
use crate::receiver::Receiver;
use crate::scenario::{Crypto, Policy, Scenario, Stores};

/// What came of an attempt to send a message.
#[derive(Debug)]
pub enum Attempt {
    /// It goes out as it is.
    Plaintext,
    /// It does not go out.
    Blocked(BlockReason),
    /// A session was needed and could not be made; the next message tries again.
    NoSession,
    /// The room key has to be shared first.
    Share(ShareRequest),
    /// It goes out as `m.room.encrypted`; [`Kiosk::encrypted`] has its content.
    Encrypted,
    /// It goes out, with that index of its session, and is not encrypted.
    Unencrypted(Use),
    /// Something had to be stored first and could not be.
    NotStored,
}

/// What counts of the content of an `m.room_key` event beside the key.
#[derive(Debug, Deserialize)]
pub struct RoomKeyContent {
    /// The session's ID.
    pub session_id: String,
    /// Whether it may be passed on to those who join later; false if not said.
    #[serde(default)]
    pub shared_history: bool,
}

/// The power is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerFailed;

/// What of a kiosk built of `P` outlives a restart.
pub struct Kiosk<P: Parts> {
    parts: P,
    identity: Identity,
    /// By the receiving device's Curve25519 key. A client keeps them in a store of its own.
    channels: HashMap<String, OlmChannel>,
    config: Config,
    scratch: Vec<u8>,
    out: Vec<u8>,
    /// How much of `out` the last message that was encrypted takes.
    encrypted: usize,
    rotation_checks: u64,
    /// The ID of the session that was made last, until somebody asks for it.
    session_made: Option<[u8; SESSION_ID_LENGTH]>,
    chip: Chip,
    counter: Counter,
    rate: TickRate,
    rtc: Rtc,
    key: StoreKey,
    /// Where its secrets and its nonces come from.
    random: ChaCha20Rng,
    reserve: NonZeroU32,
    booted_ms: u64,
    off_since_ms: u64,
    /// For how long it was off, in all.
    off_ms: u64,
}

/// How many bytes the payload of a message that says nothing has beside the ID of its room, at most.
const EMPTY_PAYLOAD: usize = 48;

impl<P: Parts> Kiosk<P> {
    /// A kiosk that has just been installed. It stores sessions `reserve` messages ahead; the secrets and nonces that are in
    /// its flash, and what a power cut leaves there, come from `random`.
    ///
    /// # Panics
    /// When the scenario was not checked.
    pub fn new(parts: P, scenario: &Scenario, reserve: NonZeroU32, mut random: ChaCha20Rng) -> Self {
        let device = &scenario.device;
        let counter = Counter::new(&scenario.clock);
        let (messages, period) = (device.limit_messages, device.limit_period);
        let limits =
            Limits::new(messages.0..=messages.1, period.0.0..=period.1.0).expect("the scenario was checked");
        let policy = match device.policy {
            Policy::Ratchet => ChangePolicy::Ratchet,
            Policy::Follow => ChangePolicy::Follow,
            Policy::Freeze => ChangePolicy::Freeze,
        };
        let places = if device.stores == Stores::Nothing { 0 } else { device.places };
        Kiosk {
            parts,
            identity: Identity::new("@kiosk:example.org", "KIOSK"),
            channels: HashMap::new(),
            config: Config { limits, policy, plaintext: device.plaintext },
            scratch: vec![0; 8_192],
            out: vec![0; 8_192],
            encrypted: 0,
            rotation_checks: 0,
            session_made: None,
            chip: Chip::new(random.random(), places),
            rate: counter.rate(),
            counter,
            rtc: Rtc::new(),
            key: StoreKey::new(random.random()),
            random,
            reserve,
            booted_ms: 0,
            off_since_ms: 0,
            off_ms: 0,
        }
    }

    /// How many times the core was asked whether and how a message may be sent.
    pub fn rotation_checks(&self) -> u64 {
        self.rotation_checks
    }

    /// The flash.
    pub fn chip(&self) -> &Chip {
        &self.chip
    }

    /// The counter, and for how long the kiosk has been on.
    pub fn counter(&mut self, true_ms: u64) -> (&mut Counter, u64) {
        (&mut self.counter, true_ms - self.booted_ms)
    }

    /// What the counter shows; a fault in how the kiosk reads it is not in that.
    pub fn ticks(&self, true_ms: u64) -> u64 {
        self.counter.ticks_at(true_ms - self.booted_ms)
    }

    // ---- on and off ----

    /// Switches the kiosk on: the device as it was stored.
    ///
    /// # Errors
    /// The power failed in the midst of it.
    pub fn boot<'m, K: Keeping<P::Session>>(
        &mut self,
        true_ms: u64,
        memory: &'m mut Memory<P::Session>,
    ) -> Result<KioskDevice<'m, P::Session, K>, PowerFailed> {
        self.off_ms += true_ms - self.off_since_ms;
        self.booted_ms = true_ms;
        self.counter.boot();
        let reading = self.rtc_reading(true_ms);
        let random = ChaCha20Rng::from_rng(&mut self.random);
        let (places, with) = memory.split(&self.chip, self.key.clone(), reading, random, self.reserve);
        let ticks = self.reading(true_ms);
        match Device::open_at_ticks(places, self.config, K::keep(with), ticks, self.rate) {
            Ok(device) => Ok(device),
            Err(OpenError::Store(_)) if self.has_no_power() => Err(PowerFailed),
            Err(error) => panic!("the kiosk does not start: {error}"),
        }
    }

    /// Stores what the device knows, for a restart that is announced.
    ///
    /// # Errors
    /// The power failed in the midst of it.
    pub fn shut_down<K: Keeping<P::Session>>(
        &mut self,
        true_ms: u64,
        device: &mut KioskDevice<'_, P::Session, K>,
    ) -> Result<(), PowerFailed> {
        self.show_time::<K>(true_ms, device);
        let stored = device.shut_down_at_ticks(self.reading(true_ms), self.rate);
        self.unless_power_failed(stored)
    }

    /// The power goes off; where it is cut in the midst of a write it is off already.
    pub fn switched_off(&mut self, true_ms: u64) {
        self.off_since_ms = true_ms;
        self.chip.with(|flash| {
            flash.power_on();
            self.parts.while_off(true_ms, flash);
        });
    }

    /// Somebody sets the real-time clock while the kiosk is off.
    pub fn set_rtc(&mut self) {
        self.parts.set_rtc(&mut self.rtc);
    }

    /// The real-time clock's battery is flat; it is set at this time.
    pub fn rtc_loses_time_until(&mut self, true_ms: u64) {
        self.rtc.loses_time_until(true_ms);
    }

    /// What a call that may store something came to.
    ///
    /// # Errors
    /// The power failed in the midst of it.
    ///
    /// # Panics
    /// When it failed for another reason. Sound flash gives none.
    pub fn unless_power_failed<T, E: std::fmt::Display>(
        &self,
        result: Result<T, E>,
    ) -> Result<T, PowerFailed> {
        result.map_err(|error| {
            assert!(self.has_no_power(), "the kiosk's core or its store failed: {error}");
            PowerFailed
        })
    }

    fn has_no_power(&self) -> bool {
        !self.chip.with(|flash| flash.is_powered())
    }

    /// What the kiosk takes its counter to show.
    fn reading(&self, true_ms: u64) -> u64 {
        self.counter.ticks_at(self.parts.counter_at(true_ms - self.booted_ms))
    }

    fn rtc_reading(&mut self, true_ms: u64) -> RtcReading {
        RtcReading(self.rtc.stamp(self.parts.rtc_count(true_ms, self.off_ms)))
    }

    fn show_time<K: Keeping<P::Session>>(
        &mut self,
        true_ms: u64,
        device: &mut KioskDevice<'_, P::Session, K>,
    ) {
        if K::CLOCKED {
            K::show_time(device.persistence(), self.rtc_reading(true_ms));
        }
    }

    /// Reads the counter, and nothing else.
    ///
    /// # Errors
    /// The power failed in the midst of it.
    pub fn read_counter<K: Keeping<P::Session>>(
        &self,
        true_ms: u64,
        device: &mut KioskDevice<'_, P::Session, K>,
    ) -> Result<(), PowerFailed> {
        let read = device.at_ticks(self.reading(true_ms), self.rate).map(|_moment| ());
        self.unless_power_failed(read)
    }

    // ---- sending ----

    /// Makes the kiosk and a receiving device known to each other, with an Olm channel.
    pub fn meet(&mut self, receiver: &mut Receiver) {
        receiver.know_device(self.identity.keys());
        let one_time_key = receiver.identity().one_time_key();
        let channel = OlmChannel::open(&self.identity, receiver.keys(), one_time_key)
            .expect("both sides have just made their keys");
        self.channels.insert(receiver.keys().curve25519.clone(), channel);
    }

    /// A receiving device is gone for good.
    pub fn part(&mut self, receiver: &Receiver) {
        self.channels.remove(&receiver.keys().curve25519);
    }

    /// Tries to send an event of type `m.room.message` to the room at this place in the scenario.
    ///
    /// # Errors
    /// The power failed in the midst of it; nothing was sent.
    ///
    /// # Panics
    /// When the buffers do not hold the message.
    #[inline]
    pub fn try_send<K: Keeping<P::Session>>(
        &mut self,
        true_ms: u64,
        device: &mut KioskDevice<'_, P::Session, K>,
        place: usize,
        room: RoomId<'_>,
        content: &[u8],
    ) -> Result<Attempt, PowerFailed> {
        self.parts.meddle(true_ms, room.as_str(), device);
        self.rotation_checks += 1;
        self.show_time::<K>(true_ms, device);
        let moment: Result<Moment<'_, '_, P::Session, K::Kept<'_>>, TimeError> =
            device.at_ticks(self.reading(true_ms), self.rate);
        let moment = match moment {
            Ok(moment) => moment,
            Err(error) => return self.unless_power_failed(Err(error)),
        };
        let made = || {
            let session = self.parts.make_session(place, &mut self.random)?;
            session.write_session_id(self.session_made.insert([0; SESSION_ID_LENGTH]));
            Ok::<_, SessionNotMade>(session)
        };
        let decision = match moment.decide(room, made) {
            Ok(decision) => decision,
            Err(DecideError::Store(_)) if self.has_no_power() => return Err(PowerFailed),
            Err(DecideError::Store(_)) => return Ok(Attempt::NotStored),
            Err(_) => return Ok(Attempt::NoSession),
        };
        Ok(match decision {
            // The simulation hands it to everybody at once: nothing happens to the room in between.
            Decision::Plaintext(_permit) => Attempt::Plaintext,
            Decision::Blocked(reason) => Attempt::Blocked(reason),
            Decision::Share(request) => Attempt::Share(request),
            Decision::Encrypt(permit) => {
                let keys = self.identity.keys();
                let sender = SendingDevice { sender_key: &keys.curve25519, device_id: &keys.device_id };
                if P::CRYPTO == Crypto::None {
                    // The core wipes all of the scratch, so there is no more than the payload needs. There is no place
                    // for the event, which nobody would read: the core finds that out last of all, when the message is
                    // counted and the session has moved on.
                    let scratch = &mut self.scratch[..EMPTY_PAYLOAD + room.as_str().len()];
                    let event = Event { event_type: "m", content };
                    let _not_written = permit.encrypt(&event, &sender, scratch, &mut []);
                    return Ok(Attempt::Unencrypted(last_use().expect("the payload has its place")));
                }
                let event = Event { event_type: "m.room.message", content };
                let encrypted = permit
                    .encrypt(&event, &sender, &mut self.scratch, &mut self.out)
                    .expect("the buffers hold any message of a scenario");
                self.encrypted = encrypted.length;
                Attempt::Encrypted
            }
        })
    }

    /// The ID of the session that the last attempt to send made, if it did.
    #[inline]
    pub fn session_made(&mut self) -> Option<[u8; SESSION_ID_LENGTH]> {
        self.session_made.take()
    }

    /// The content of the message that was encrypted last.
    pub fn encrypted(&self) -> &[u8] {
        &self.out[..self.encrypted]
    }

    /// The content of a message that was encrypted behind the core's back; only faulty parts make one.
    pub fn uncounted_message(&mut self) -> Option<Vec<u8>> {
        let ciphertext = self.parts.uncounted_ciphertext()?;
        let mut content: serde_json::Value = serde_json::from_slice(self.encrypted()).ok()?;
        content["ciphertext"] = ciphertext.into();
        serde_json::to_vec(&content).ok()
    }

    /// The to-device content that gives the session of `request` to a receiving device from its current index on;
    /// `None` if it does not go out, or the session was replaced.
    pub fn room_key_for<K: Keeping<P::Session>>(
        &mut self,
        device: &KioskDevice<'_, P::Session, K>,
        request: &ShareRequest,
        place: usize,
        number: usize,
        receiver: &Receiver,
    ) -> Option<Vec<u8>> {
        if !self.parts.delivers_room_key(place, number) {
            return None;
        }
        let mut content = Zeroizing::new([0; 1_024]);
        let length = device.room_key(request, content.as_mut_slice()).ok()?;
        let channel = self.channels.get_mut(&receiver.keys().curve25519)?;
        let event = channel.encrypt_room_key(&content[..length]).expect("the core writes JSON");
        Some(event)
    }

    /// Whether the session of `request` is still there to be shared.
    #[must_use]
    pub fn has_room_key<K: Keeping<P::Session>>(
        device: &KioskDevice<'_, P::Session, K>,
        request: &ShareRequest,
    ) -> bool {
        let mut content = Zeroizing::new([0; 1_024]);
        device.room_key(request, content.as_mut_slice()).is_ok()
    }

    /// What the room key of `request` says of its session; `None` if it was replaced.
    pub fn room_key_content<K: Keeping<P::Session>>(
        &self,
        device: &KioskDevice<'_, P::Session, K>,
        request: &ShareRequest,
    ) -> Option<RoomKeyContent> {
        let mut content = Zeroizing::new([0; 1_024]);
        let length = device.room_key(request, content.as_mut_slice()).ok()?;
        serde_json::from_slice(&content[..length]).ok()
    }

    /// The room key has reached everybody it was for.
    ///
    /// # Errors
    /// The power failed in the midst of it.
    pub fn shared<K: Keeping<P::Session>>(
        &mut self,
        device: &mut KioskDevice<'_, P::Session, K>,
        request: &ShareRequest,
    ) -> Result<(), PowerFailed> {
        match device.shared(request) {
            // A session that was replaced in the meantime was shared for nothing, and one that could not be stored is
            // not used yet; the core asks again.
            Err(SharedError::Store(_)) if self.has_no_power() => Err(PowerFailed),
            _ => Ok(()),
        }
    }
}
