//! The kiosk: a device built on pawl-core, with its Olm channels to the receiving devices.
//!
//! It decides nothing about encryption itself. It hands events to the core, asks it before each message, and turns
//! what the core writes into the bytes that a homeserver would be sent. The [`Kiosk`] is what outlives a restart; the
//! device, which it is handed for each call, lives from one start to the loss of power.

use std::collections::HashMap;
use std::num::NonZeroU32;

use pawl_core::event::{Event, SendingDevice};
use pawl_core::{
    BlockReason, Config, DecideError, Decision, Device, OpenError, RoomId, SessionsStored, ShareRequest,
    SharedError, StoreKey,
};
use zeroize::Zeroizing;

use crate::clock::MillisecondCounter;
use crate::olm::{Identity, OlmChannel};
use crate::parts::Parts;
use crate::power::{Chip, KeepingDevice, Memory, Rtc, RtcReading};
use crate::receiver::Receiver;

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
    /// It goes out as `m.room.encrypted` with this content.
    Encrypted(Vec<u8>),
    /// Something had to be stored first and could not be.
    NotStored,
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
    scratch: Vec<u8>,
    out: Vec<u8>,
    rotation_checks: u64,
    chip: Chip,
    rtc: Rtc,
    key: StoreKey,
    reserve: NonZeroU32,
    booted_ms: u64,
    off_since_ms: u64,
    /// For how long it was off, in all.
    off_ms: u64,
}

impl<P: Parts> Kiosk<P> {
    /// A kiosk that has just been installed. It stores sessions `reserve` messages ahead; what a power cut leaves in its
    /// flash comes from the seed.
    pub fn new(parts: P, reserve: NonZeroU32, seed: u64) -> Self {
        Kiosk {
            parts,
            identity: Identity::new("@kiosk:example.org", "KIOSK"),
            channels: HashMap::new(),
            scratch: vec![0; 8_192],
            out: vec![0; 8_192],
            rotation_checks: 0,
            chip: Chip::new(seed),
            rtc: Rtc::new(),
            key: StoreKey::new(rand::random()),
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

    // ---- on and off ----

    /// Switches the kiosk on: the device as it was stored.
    ///
    /// # Errors
    /// The power failed in the midst of it.
    pub fn boot<'m>(
        &mut self,
        true_ms: u64,
        memory: &'m mut Memory<P::Session>,
    ) -> Result<KeepingDevice<'m, P::Session>, PowerFailed> {
        self.off_ms += true_ms - self.off_since_ms;
        self.booted_ms = true_ms;
        let (places, store, buffer) = memory.split(&self.chip);
        let reading = self.rtc_reading(true_ms);
        let persistence = SessionsStored::new(store, self.key.clone(), reading, rand::rng(), buffer)
            .with_reservation(self.reserve);
        match Device::open(places, Config::default(), persistence, &self.counter(true_ms)) {
            Ok(device) => Ok(device),
            Err(OpenError::Store(_)) if self.has_no_power() => Err(PowerFailed),
            Err(error) => panic!("the kiosk does not start: {error}"),
        }
    }

    /// Stores what the device knows, for a restart that is announced.
    ///
    /// # Errors
    /// The power failed in the midst of it.
    pub fn shut_down(
        &mut self,
        true_ms: u64,
        device: &mut KeepingDevice<'_, P::Session>,
    ) -> Result<(), PowerFailed> {
        self.show_time(true_ms, device);
        let stored = device.shut_down(&self.counter(true_ms));
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

    fn counter(&self, true_ms: u64) -> MillisecondCounter {
        MillisecondCounter::showing(self.parts.counter_at(true_ms - self.booted_ms))
    }

    fn rtc_reading(&mut self, true_ms: u64) -> RtcReading {
        RtcReading(self.rtc.stamp(self.parts.rtc_count(true_ms, self.off_ms)))
    }

    fn show_time(&mut self, true_ms: u64, device: &mut KeepingDevice<'_, P::Session>) {
        *device.persistence().clock() = self.rtc_reading(true_ms);
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

    /// Tries to send an event of type `m.room.message` to the room at this place in the scenario.
    ///
    /// # Errors
    /// The power failed in the midst of it; nothing was sent.
    pub fn try_send(
        &mut self,
        true_ms: u64,
        device: &mut KeepingDevice<'_, P::Session>,
        place: usize,
        room: RoomId<'_>,
        content: &[u8],
    ) -> Result<Attempt, PowerFailed> {
        self.parts.meddle(true_ms, room.as_str(), device);
        self.rotation_checks += 1;
        self.show_time(true_ms, device);
        let moment = device.at(&self.counter(true_ms));
        let moment = self.unless_power_failed(moment)?;
        let decision = match moment.decide(room, || self.parts.make_session(place)) {
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
                let event = Event { event_type: "m.room.message", content };
                let keys = self.identity.keys();
                let sender = SendingDevice { sender_key: &keys.curve25519, device_id: &keys.device_id };
                let encrypted = permit
                    .encrypt(&event, &sender, &mut self.scratch, &mut self.out)
                    .expect("the buffers hold any message of a scenario");
                Attempt::Encrypted(self.out[..encrypted.length].to_vec())
            }
        })
    }

    /// The content of a message that was encrypted behind the core's back; only faulty parts make one.
    pub fn uncounted_message(&mut self, encrypted: &[u8]) -> Option<Vec<u8>> {
        let ciphertext = self.parts.uncounted_ciphertext()?;
        let mut content: serde_json::Value = serde_json::from_slice(encrypted).ok()?;
        content["ciphertext"] = ciphertext.into();
        serde_json::to_vec(&content).ok()
    }

    /// The to-device content that gives the session of `request` to a receiving device from its current index on;
    /// `None` if it does not go out, or the session was replaced.
    pub fn room_key_for(
        &mut self,
        device: &KeepingDevice<'_, P::Session>,
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

    /// The room key has reached everybody it was for.
    ///
    /// # Errors
    /// The power failed in the midst of it.
    pub fn shared(
        &mut self,
        device: &mut KeepingDevice<'_, P::Session>,
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
