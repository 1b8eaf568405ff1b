//! The kiosk: a device built on pawl-core, with its Olm channels to the receiving devices.
//!
//! It decides nothing about encryption itself. It hands events to the core, asks it before each message, and turns
//! what the core writes into the bytes that a homeserver would be sent.

use std::collections::HashMap;

use pawl_core::event::{Event, SendingDevice};
use pawl_core::{BlockReason, Config, Decision, Device, RoomId, RoomStorage, ShareRequest};
use zeroize::Zeroizing;

use crate::clock::MillisecondCounter;
use crate::olm::{Identity, OlmChannel};
use crate::parts::Parts;
use crate::receiver::Receiver;

/// How many encrypted rooms the kiosk has a place for.
pub const CAPACITY: usize = 16;

/// The rooms' storage of a kiosk built of `P`.
pub type Storage<P> = RoomStorage<<P as Parts>::Session, CAPACITY>;

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
}

/// A kiosk built of `P`, whose core keeps its rooms in storage that lives for `'a`.
pub struct Kiosk<'a, P: Parts> {
    device: Device<'a, P::Session>,
    parts: P,
    identity: Identity,
    /// By the receiving device's Curve25519 key.
    channels: HashMap<String, OlmChannel>,
    scratch: Vec<u8>,
    out: Vec<u8>,
    rotation_checks: u64,
}

impl<'a, P: Parts> Kiosk<'a, P> {
    /// A kiosk that has just been installed.
    pub fn new(parts: P, storage: &'a mut Storage<P>) -> Self {
        Kiosk {
            device: Device::new(storage, Config::default()),
            parts,
            identity: Identity::new("@kiosk:example.org", "KIOSK"),
            channels: HashMap::new(),
            scratch: vec![0; 8_192],
            out: vec![0; 8_192],
            rotation_checks: 0,
        }
    }

    /// The kiosk's core, to hand it events.
    pub fn core(&mut self) -> &mut Device<'a, P::Session> {
        &mut self.device
    }

    /// How many times the core was asked whether and how a message may be sent.
    pub fn rotation_checks(&self) -> u64 {
        self.rotation_checks
    }

    /// Makes the kiosk and a receiving device known to each other, with an Olm channel.
    pub fn meet(&mut self, receiver: &mut Receiver) {
        receiver.know_device(self.identity.keys());
        let one_time_key = receiver.identity().one_time_key();
        let channel = OlmChannel::open(&self.identity, receiver.keys(), one_time_key)
            .expect("both sides have just made their keys");
        self.channels.insert(receiver.keys().curve25519.clone(), channel);
    }

    /// Tries to send an event of type `m.room.message` to the room at this place in the scenario.
    pub fn try_send(&mut self, true_ms: u64, place: usize, room: RoomId<'_>, content: &[u8]) -> Attempt {
        self.parts.meddle(true_ms, room.as_str(), &mut self.device);
        self.rotation_checks += 1;
        let clock = MillisecondCounter::showing(self.parts.counter_at(true_ms));
        let moment = self.device.at(&clock).expect("the counter can always be read and never goes back");
        let decision = match moment.decide(room, || self.parts.make_session(place)) {
            Ok(decision) => decision,
            Err(_) => return Attempt::NoSession,
        };
        match decision {
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
        }
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
        request: &ShareRequest,
        place: usize,
        number: usize,
        receiver: &Receiver,
    ) -> Option<Vec<u8>> {
        if !self.parts.delivers_room_key(place, number) {
            return None;
        }
        let mut content = Zeroizing::new([0; 1_024]);
        let length = self.device.room_key(request, content.as_mut_slice()).ok()?;
        let channel = self.channels.get_mut(&receiver.keys().curve25519)?;
        let event = channel.encrypt_room_key(&content[..length]).expect("the core writes JSON");
        Some(event)
    }
}
