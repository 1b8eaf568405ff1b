//! A receiving device: takes up the room keys that the simulated sender shares, and decrypts what it sends.
//!
//! It shows that the sender's events are what a Matrix client can read, so it checks all that the specification
//! has a client check. It is patient with nothing: whatever is wrong is an error that names it. It does not keep
//! timelines, ask for missing keys, or hand keys on.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;
use vodozemac::megolm::{
    self, InboundGroupSession, MegolmMessage, SessionConfig, SessionKey, SessionKeyDecodeError,
    SessionOrdering,
};
use vodozemac::olm::{self, OlmMessage, Session, SessionCreationError};
use vodozemac::{Curve25519PublicKey, DecodeError};

use crate::olm::{DeviceKeys, Identity, OLM_ALGORITHM};

/// The algorithm of a room's `m.room.encrypted` content.
const MEGOLM_ALGORITHM: &str = "m.megolm.v1.aes-sha2";

/// How many Olm sessions are kept for one sender. A sender opens a new one only when it has lost the last.
const OLM_SESSIONS_PER_SENDER: usize = 4;

/// A receiving device, with the Olm and Megolm sessions it has been given.
pub struct Receiver {
    identity: Identity,
    /// Whose messages are taken, by Curve25519 key.
    known_devices: HashMap<String, DeviceKeys>,
    /// By the sender's Curve25519 key; the newest is last.
    olm_sessions: HashMap<String, Vec<Session>>,
    /// By room ID, then by session ID.
    rooms: HashMap<String, HashMap<String, RoomSession>>,
    /// How many Megolm sessions have been taken up so far.
    sessions_taken_up: u64,
}

impl Receiver {
    /// A device that knows nobody and has no sessions.
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            known_devices: HashMap::new(),
            olm_sessions: HashMap::new(),
            rooms: HashMap::new(),
            sessions_taken_up: 0,
        }
    }

    /// The identity of this device, to take a one-time key from.
    pub fn identity(&mut self) -> &mut Identity {
        &mut self.identity
    }

    /// What others know of this device.
    pub fn keys(&self) -> &DeviceKeys {
        self.identity.keys()
    }

    /// Makes another device's keys known, as a query to the server would. Messages of unknown devices are
    /// refused.
    pub fn know_device(&mut self, keys: &DeviceKeys) {
        self.known_devices.insert(keys.curve25519.clone(), keys.clone());
    }

    /// Decrypts the `content` of a to-device `m.room.encrypted` event and takes up the room key in it.
    ///
    /// A session that is already there is replaced only by the same one from an earlier index.
    ///
    /// # Errors
    /// If the event is not a room key from a known device for this one. No Megolm session is then taken up.
    pub fn receive_to_device(&mut self, content: &[u8]) -> Result<RoomKey, ReceiveError> {
        let event: ToDeviceContent<'_> =
            serde_json::from_slice(content).map_err(ReceiveError::MalformedEvent)?;
        require_algorithm(&event.algorithm, OLM_ALGORITHM)?;
        let message = event.ciphertext.get(&self.keys().curve25519).ok_or(ReceiveError::NotForThisDevice)?;
        let message: OlmMessage =
            serde_json::from_str(message.get()).map_err(ReceiveError::MalformedOlmMessage)?;
        let sender = self
            .known_devices
            .get(event.sender_key.as_ref())
            .cloned()
            .ok_or_else(|| ReceiveError::UnknownSender(event.sender_key.clone().into_owned()))?;

        let plaintext = self.decrypt_olm(&sender, &message)?;
        let payload: OlmPayload<'_> =
            serde_json::from_slice(&plaintext).map_err(ReceiveError::MalformedPlaintext)?;
        self.check_binding(&payload, &sender)?;
        if payload.event_type != "m.room_key" {
            return Err(ReceiveError::NotARoomKey(payload.event_type.into_owned()));
        }
        let room_key: RoomKeyContent<'_> =
            serde_json::from_str(payload.content.get()).map_err(ReceiveError::MalformedRoomKey)?;
        require_algorithm(&room_key.algorithm, MEGOLM_ALGORITHM)?;
        self.take_up(&room_key, &sender)
    }

    /// Decrypts the `content` of an `m.room.encrypted` event that was sent into `room_id`.
    ///
    /// # Errors
    /// If the content is not well-formed Megolm, its session is not known in this room, it was not made by that
    /// session for this room, or it was decrypted before.
    pub fn receive_room_event(&mut self, room_id: &str, content: &[u8]) -> Result<Decrypted, ReceiveError> {
        let event: RoomEventContent<'_> =
            serde_json::from_slice(content).map_err(ReceiveError::MalformedEvent)?;
        require_algorithm(&event.algorithm, MEGOLM_ALGORITHM)?;
        let message =
            MegolmMessage::from_base64(&event.ciphertext).map_err(ReceiveError::MalformedMegolmMessage)?;
        let held = self
            .rooms
            .get_mut(room_id)
            .and_then(|sessions| sessions.get_mut(event.session_id.as_ref()))
            .ok_or_else(|| ReceiveError::UnknownSession(event.session_id.clone().into_owned()))?;

        let decrypted = held.session.decrypt(&message).map_err(ReceiveError::Megolm)?;
        let payload: MegolmPayload<'_> =
            serde_json::from_slice(&decrypted.plaintext).map_err(ReceiveError::MalformedPlaintext)?;
        if payload.room_id != room_id {
            return Err(ReceiveError::RoomMismatch(payload.room_id.into_owned()));
        }
        if !held.agrees_with(&event) {
            return Err(ReceiveError::ClaimedSenderMismatch);
        }
        let message_index = decrypted.message_index;
        if !held.decrypted.insert(message_index) {
            return Err(ReceiveError::Replay { session_id: event.session_id.into_owned(), message_index });
        }
        Ok(Decrypted {
            event_type: payload.event_type.into_owned(),
            content: payload.content.to_owned(),
            session_id: event.session_id.into_owned(),
            message_index,
        })
    }

    /// Drops all but the `newest` Megolm sessions of each room, in the order they came in. What is still under
    /// way on a dropped one can no longer be decrypted. Sorts the sessions of each room it drops some of.
    pub fn forget_older_sessions(&mut self, newest: usize) {
        for sessions in self.rooms.values_mut().filter(|sessions| sessions.len() > newest) {
            let mut places: Vec<u64> = sessions.values().map(|held| held.place).collect();
            places.sort_unstable();
            let first_kept = places.get(places.len() - newest).copied().unwrap_or(u64::MAX);
            sessions.retain(|_, held| held.place >= first_kept);
        }
        self.rooms.retain(|_, sessions| !sessions.is_empty());
    }

    /// How many Megolm sessions are held, in all rooms.
    pub fn session_count(&self) -> usize {
        self.rooms.values().map(HashMap::len).sum()
    }

    fn decrypt_olm(&mut self, sender: &DeviceKeys, message: &OlmMessage) -> Result<Vec<u8>, ReceiveError> {
        let sessions = self.olm_sessions.entry(sender.curve25519.clone()).or_default();
        if let OlmMessage::PreKey(pre_key) = message {
            let session_id = pre_key.session_id();
            if let Some(session) = sessions.iter_mut().find(|session| session.session_id() == session_id) {
                return session.decrypt(message).map_err(ReceiveError::Olm);
            }
            let sender_key = Curve25519PublicKey::from_base64(&sender.curve25519)
                .map_err(|_| ReceiveError::UnknownSender(sender.curve25519.clone()))?;
            let opened = self
                .identity
                .accept_olm_session(sender_key, pre_key)
                .map_err(ReceiveError::OlmSessionCreation)?;
            if sessions.len() == OLM_SESSIONS_PER_SENDER {
                sessions.remove(0);
            }
            sessions.push(opened.session);
            return Ok(opened.plaintext);
        }
        // A normal message does not say which session it is of. A failed attempt leaves a session unchanged.
        let mut failure = ReceiveError::NoOlmSession;
        for session in sessions.iter_mut().rev() {
            match session.decrypt(message) {
                Ok(plaintext) => return Ok(plaintext),
                Err(error) => failure = ReceiveError::Olm(error),
            }
        }
        Err(failure)
    }

    /// Whether an Olm plaintext names the two devices it went between. Without this a recipient could pass a
    /// message on to others as if it had been sent to them.
    fn check_binding(&self, payload: &OlmPayload<'_>, sender: &DeviceKeys) -> Result<(), ReceiveError> {
        if payload.sender != sender.user_id {
            return Err(ReceiveError::SenderMismatch);
        }
        if payload.keys.ed25519 != sender.ed25519 {
            return Err(ReceiveError::SenderKeyMismatch);
        }
        if payload.recipient != self.keys().user_id {
            return Err(ReceiveError::RecipientMismatch);
        }
        if payload.recipient_keys.ed25519 != self.keys().ed25519 {
            return Err(ReceiveError::RecipientKeyMismatch);
        }
        Ok(())
    }

    fn take_up(
        &mut self,
        room_key: &RoomKeyContent<'_>,
        sender: &DeviceKeys,
    ) -> Result<RoomKey, ReceiveError> {
        let key =
            SessionKey::from_base64(&room_key.session_key).map_err(ReceiveError::MalformedSessionKey)?;
        let mut session = InboundGroupSession::new(&key, SessionConfig::version_1());
        let session_id = session.session_id();
        if session_id != room_key.session_id {
            return Err(ReceiveError::SessionIdMismatch);
        }
        let learnt = RoomKey {
            room_id: room_key.room_id.clone().into_owned(),
            session_id,
            first_known_index: session.first_known_index(),
            shared_history: room_key.shared_history,
        };

        let sessions = self.rooms.entry(learnt.room_id.clone()).or_default();
        if let Some(held) = sessions.get_mut(&learnt.session_id) {
            match session.compare(&mut held.session) {
                SessionOrdering::Better => held.session = session,
                SessionOrdering::Equal | SessionOrdering::Worse => {}
                SessionOrdering::Unconnected => return Err(ReceiveError::SessionConflict),
            }
        } else {
            let held = RoomSession {
                session,
                sender_key: sender.curve25519.clone(),
                device_id: sender.device_id.clone(),
                decrypted: MessageIndices::default(),
                place: self.sessions_taken_up,
            };
            self.sessions_taken_up += 1;
            sessions.insert(learnt.session_id.clone(), held);
        }
        Ok(learnt)
    }
}

/// What a device learns from a room key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomKey {
    /// The room the session is for.
    pub room_id: String,
    /// The Megolm session's ID.
    pub session_id: String,
    /// The ratchet index from which this key can decrypt; one that was there may start earlier.
    pub first_known_index: u32,
    /// Whether the session may be passed on to those who join later (MSC3061); false if not said.
    pub shared_history: bool,
}

/// A room event that was decrypted.
#[derive(Debug, Clone)]
pub struct Decrypted {
    /// The event's own type, as `m.room.message`.
    pub event_type: String,
    /// Its content, JSON as it was written.
    pub content: Box<RawValue>,
    /// The Megolm session it was encrypted with.
    pub session_id: String,
    /// Its index in that session.
    pub message_index: u32,
}

/// Why an event was not taken.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The content is not JSON, or a field is missing, twice there or of the wrong type.
    MalformedEvent(serde_json::Error),
    /// The content names another algorithm than the one that belongs in its place.
    UnsupportedAlgorithm(String),
    /// The to-device event holds no ciphertext for this device's key.
    NotForThisDevice,
    /// The to-device event is from a Curve25519 key that no known device has.
    UnknownSender(String),
    /// The ciphertext for this device is not an Olm message.
    MalformedOlmMessage(serde_json::Error),
    /// A pre-key message opens no Olm session.
    OlmSessionCreation(SessionCreationError),
    /// A normal Olm message came from a device with which there is no Olm session.
    NoOlmSession,
    /// The Olm session does not decrypt the message.
    Olm(olm::DecryptionError),
    /// What was decrypted is not JSON, or a field is missing, twice there or of the wrong type.
    MalformedPlaintext(serde_json::Error),
    /// The Olm plaintext names a sender other than the user whose key encrypted it.
    SenderMismatch,
    /// The Olm plaintext names an Ed25519 key other than the sending device's.
    SenderKeyMismatch,
    /// The Olm plaintext is for another user.
    RecipientMismatch,
    /// The Olm plaintext is for another device.
    RecipientKeyMismatch,
    /// The Olm plaintext is an event of another type.
    NotARoomKey(String),
    /// A field of the `m.room_key` content is missing, twice there or of the wrong type.
    MalformedRoomKey(serde_json::Error),
    /// The room key's `session_key` is not a signed Megolm session key.
    MalformedSessionKey(SessionKeyDecodeError),
    /// The room key's `session_id` is not that of its `session_key`.
    SessionIdMismatch,
    /// The room key has the ID of a session that is there, but is not the same session.
    SessionConflict,
    /// The room event's ciphertext is not a Megolm message.
    MalformedMegolmMessage(DecodeError),
    /// No room key for this session and room has come in.
    UnknownSession(String),
    /// The session does not decrypt the message.
    Megolm(megolm::DecryptionError),
    /// The decrypted event was meant for another room.
    RoomMismatch(String),
    /// The room event names another device than the one its room key came from.
    ClaimedSenderMismatch,
    /// A message with this index of this session was decrypted before.
    Replay {
        /// The session's ID.
        session_id: String,
        /// The index that came twice.
        message_index: u32,
    },
}

impl fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MalformedEvent(error) => write!(f, "malformed event content: {error}"),
            Self::UnsupportedAlgorithm(name) => write!(f, "unsupported algorithm {name:?}"),
            Self::NotForThisDevice => f.write_str("no ciphertext for this device"),
            Self::UnknownSender(key) => write!(f, "no known device has the key {key:?}"),
            Self::MalformedOlmMessage(error) => write!(f, "malformed Olm message: {error}"),
            Self::OlmSessionCreation(error) => write!(f, "no Olm session can be opened: {error}"),
            Self::NoOlmSession => f.write_str("there is no Olm session with the sender"),
            Self::Olm(error) => write!(f, "Olm: {error}"),
            Self::MalformedPlaintext(error) => write!(f, "malformed plaintext: {error}"),
            Self::SenderMismatch => f.write_str("the plaintext names another sender"),
            Self::SenderKeyMismatch => f.write_str("the plaintext names another sending device"),
            Self::RecipientMismatch => f.write_str("the plaintext is for another user"),
            Self::RecipientKeyMismatch => f.write_str("the plaintext is for another device"),
            Self::NotARoomKey(event_type) => write!(f, "not a room key but {event_type:?}"),
            Self::MalformedRoomKey(error) => write!(f, "malformed room key: {error}"),
            Self::MalformedSessionKey(error) => write!(f, "malformed session key: {error}"),
            Self::SessionIdMismatch => f.write_str("the session ID is not that of the session key"),
            Self::SessionConflict => f.write_str("another session has the same ID"),
            Self::MalformedMegolmMessage(error) => write!(f, "malformed Megolm message: {error}"),
            Self::UnknownSession(session_id) => write!(f, "no room key for session {session_id:?}"),
            Self::Megolm(error) => write!(f, "Megolm: {error}"),
            Self::RoomMismatch(room_id) => {
                write!(f, "the event was encrypted for room {room_id:?}")
            }
            Self::ClaimedSenderMismatch => f.write_str("the event names another sending device"),
            Self::Replay { session_id, message_index } => {
                write!(f, "index {message_index} of session {session_id:?} came twice")
            }
        }
    }
}

impl std::error::Error for ReceiveError {}

/// An inbound Megolm session and what came in on it.
struct RoomSession {
    session: InboundGroupSession,
    /// The Curve25519 key of the device that shared it.
    sender_key: String,
    /// The ID of that device.
    device_id: String,
    decrypted: MessageIndices,
    /// Its place in the order in which sessions came in.
    place: u64,
}

impl RoomSession {
    /// Whether the device that an event names is the one that shared the session. Clients are told not to rely
    /// on these fields, but a sender that writes them must write the truth.
    fn agrees_with(&self, event: &RoomEventContent<'_>) -> bool {
        event.sender_key.as_ref().is_none_or(|key| *key == self.sender_key)
            && event.device_id.as_ref().is_none_or(|id| *id == self.device_id)
    }
}

/// A set of message indices, kept as ranges: small as long as few messages are missing between them.
#[derive(Default)]
struct MessageIndices {
    /// First to last index of each range. Ranges neither touch nor overlap.
    ranges: BTreeMap<u32, u32>,
}

impl MessageIndices {
    /// Adds an index; false if it was there.
    fn insert(&mut self, index: u32) -> bool {
        let before = self.ranges.range(..=index).next_back().map(|(&first, &last)| (first, last));
        if before.is_some_and(|(_, last)| index <= last) {
            return false;
        }
        let after = index.checked_add(1).and_then(|next| self.ranges.remove(&next));
        let first = before.filter(|&(_, last)| last + 1 == index).map_or(index, |(first, _)| first);
        self.ranges.insert(first, after.unwrap_or(index));
        true
    }
}

fn require_algorithm(found: &str, required: &str) -> Result<(), ReceiveError> {
    if found == required { Ok(()) } else { Err(ReceiveError::UnsupportedAlgorithm(found.to_owned())) }
}

/// The content of a to-device `m.room.encrypted` event.
#[derive(Deserialize)]
struct ToDeviceContent<'a> {
    #[serde(borrow)]
    algorithm: Cow<'a, str>,
    #[serde(borrow)]
    sender_key: Cow<'a, str>,
    /// By the recipient's Curve25519 key. Others' need not make sense to this device.
    #[serde(borrow)]
    ciphertext: HashMap<String, &'a RawValue>,
}

/// The plaintext of an Olm message.
#[derive(Deserialize)]
struct OlmPayload<'a> {
    #[serde(borrow, rename = "type")]
    event_type: Cow<'a, str>,
    #[serde(borrow)]
    content: &'a RawValue,
    #[serde(borrow)]
    sender: Cow<'a, str>,
    #[serde(borrow)]
    recipient: Cow<'a, str>,
    #[serde(borrow)]
    recipient_keys: SigningKey<'a>,
    #[serde(borrow)]
    keys: SigningKey<'a>,
}

#[derive(Deserialize)]
struct SigningKey<'a> {
    #[serde(borrow)]
    ed25519: Cow<'a, str>,
}

/// The content of an `m.room_key` event.
#[derive(Deserialize)]
struct RoomKeyContent<'a> {
    #[serde(borrow)]
    algorithm: Cow<'a, str>,
    #[serde(borrow)]
    room_id: Cow<'a, str>,
    #[serde(borrow)]
    session_id: Cow<'a, str>,
    #[serde(borrow)]
    session_key: Cow<'a, str>,
    #[serde(default)]
    shared_history: bool,
}

/// The content of a room's `m.room.encrypted` event.
#[derive(Deserialize)]
struct RoomEventContent<'a> {
    #[serde(borrow)]
    algorithm: Cow<'a, str>,
    #[serde(borrow)]
    ciphertext: Cow<'a, str>,
    #[serde(borrow)]
    session_id: Cow<'a, str>,
    #[serde(borrow)]
    sender_key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    device_id: Option<Cow<'a, str>>,
}

/// The plaintext of a Megolm message.
#[derive(Deserialize)]
struct MegolmPayload<'a> {
    #[serde(borrow)]
    room_id: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    event_type: Cow<'a, str>,
    #[serde(borrow)]
    content: &'a RawValue,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use vodozemac::megolm::{GroupSession, GroupSessionPickle};
    use vodozemac::olm::{Account, SessionConfig as OlmSessionConfig};

    use super::*;
    use crate::olm::OlmChannel;

    const ROOM: &str = "!lobby:example.org";

    /// A kiosk and a phone that know each other, with an Olm channel between them.
    struct Pair {
        kiosk: Identity,
        channel: OlmChannel,
        phone: Receiver,
    }

    impl Pair {
        fn new() -> Self {
            let kiosk = Identity::new("@kiosk:example.org", "KIOSK");
            let mut phone = Receiver::new(Identity::new("@alice:example.org", "PHONE"));
            phone.know_device(kiosk.keys());
            let one_time_key = phone.identity().one_time_key();
            let channel = OlmChannel::open(&kiosk, phone.keys(), one_time_key).unwrap();
            Self { kiosk, channel, phone }
        }

        /// A pair whose phone has the room key of the session returned.
        fn sharing_a_session() -> (Self, GroupSession) {
            let mut pair = Self::new();
            let session = GroupSession::new(SessionConfig::version_1());
            pair.share(&session).unwrap();
            (pair, session)
        }

        fn share(&mut self, session: &GroupSession) -> Result<RoomKey, ReceiveError> {
            self.share_content(&room_key(session))
        }

        fn share_content(&mut self, content: &Value) -> Result<RoomKey, ReceiveError> {
            let sent = self.channel.encrypt_room_key(content.to_string().as_bytes()).unwrap();
            self.phone.receive_to_device(&sent)
        }

        /// What the kiosk would send for `payload`.
        fn room_event(&self, session: &mut GroupSession, payload: &Value) -> Value {
            let session_id = session.session_id();
            json!({
                "algorithm": "m.megolm.v1.aes-sha2",
                "ciphertext": session.encrypt(payload.to_string()).to_base64(),
                "session_id": session_id,
                "sender_key": self.kiosk.keys().curve25519,
                "device_id": self.kiosk.keys().device_id,
            })
        }

        fn receive(&mut self, event: &Value) -> Result<Decrypted, ReceiveError> {
            self.phone.receive_room_event(ROOM, event.to_string().as_bytes())
        }
    }

    fn room_key(session: &GroupSession) -> Value {
        json!({
            "algorithm": "m.megolm.v1.aes-sha2",
            "room_id": ROOM,
            "session_id": session.session_id(),
            "session_key": session.session_key().to_base64(),
        })
    }

    fn payload(body: &str) -> Value {
        json!({ "room_id": ROOM, "type": "m.room.message", "content": { "body": body } })
    }

    /// A sender that puts whatever it likes into an Olm message.
    struct Forger {
        session: Session,
        keys: DeviceKeys,
    }

    impl Forger {
        /// A forger that `phone` knows as a device of `@mallory:example.org`.
        fn new(phone: &mut Receiver) -> Self {
            let account = Account::new();
            let one_time_key = phone.identity().one_time_key();
            let identity_key = Curve25519PublicKey::from_base64(&phone.keys().curve25519).unwrap();
            let session = account
                .create_outbound_session(OlmSessionConfig::version_1(), identity_key, one_time_key)
                .unwrap();
            let keys = DeviceKeys {
                user_id: "@mallory:example.org".to_owned(),
                device_id: "FORGE".to_owned(),
                curve25519: account.curve25519_key().to_base64(),
                ed25519: account.ed25519_key().to_base64(),
            };
            phone.know_device(&keys);
            Self { session, keys }
        }

        /// A plaintext that `phone` takes.
        fn plaintext(&self, phone: &Receiver) -> Value {
            json!({
                "type": "m.room_key",
                "content": room_key(&GroupSession::new(SessionConfig::version_1())),
                "sender": self.keys.user_id,
                "recipient": phone.keys().user_id,
                "recipient_keys": { "ed25519": phone.keys().ed25519 },
                "keys": { "ed25519": self.keys.ed25519 },
            })
        }

        fn event(&mut self, phone: &Receiver, plaintext: &str) -> Value {
            let message = self.session.encrypt(plaintext).unwrap();
            json!({
                "algorithm": OLM_ALGORITHM,
                "sender_key": self.keys.curve25519,
                "ciphertext": { phone.keys().curve25519.as_str(): message },
            })
        }

        fn send(&mut self, phone: &mut Receiver, plaintext: &Value) -> Result<RoomKey, ReceiveError> {
            let event = self.event(phone, &plaintext.to_string());
            phone.receive_to_device(event.to_string().as_bytes())
        }
    }

    /// What comes of a forged plaintext in which one field is changed.
    fn forged(pointer: &str, value: Value) -> ReceiveError {
        let mut phone = Receiver::new(Identity::new("@alice:example.org", "PHONE"));
        let mut forger = Forger::new(&mut phone);
        let mut plaintext = forger.plaintext(&phone);
        *plaintext.pointer_mut(pointer).unwrap() = value;
        forger.send(&mut phone, &plaintext).unwrap_err()
    }

    /// Flips a bit of one byte of what a base64 string stands for.
    fn tampered(base64: &Value, byte_from_the_end: usize) -> Value {
        let mut bytes = vodozemac::base64_decode(base64.as_str().unwrap()).unwrap();
        let at = bytes.len() - byte_from_the_end;
        bytes[at] ^= 1;
        json!(vodozemac::base64_encode(bytes))
    }

    macro_rules! assert_error {
        ($result:expr, $pattern:pat) => {
            match $result {
                Err($pattern) => {}
                Err(error) => panic!("another error: {error}"),
                Ok(_) => panic!("no error"),
            }
        };
    }

    #[test]
    fn a_room_key_and_a_message_make_the_round_trip() {
        let mut pair = Pair::new();
        let mut session = GroupSession::new(SessionConfig::version_1());
        let learnt = pair.share(&session).unwrap();
        assert_eq!(
            learnt,
            RoomKey {
                room_id: ROOM.to_owned(),
                session_id: session.session_id(),
                first_known_index: 0,
                shared_history: false,
            }
        );

        for index in 0..3 {
            let event = pair.room_event(&mut session, &payload(&format!("ticket {index}")));
            let decrypted = pair.receive(&event).unwrap();
            assert_eq!(decrypted.event_type, "m.room.message");
            assert_eq!(decrypted.content.get(), format!(r#"{{"body":"ticket {index}"}}"#));
            assert_eq!(decrypted.session_id, session.session_id());
            assert_eq!(decrypted.message_index, index);
        }
    }

    #[test]
    fn one_olm_channel_carries_many_room_keys() {
        let mut pair = Pair::new();
        for _ in 0..5 {
            pair.share(&GroupSession::new(SessionConfig::version_1())).unwrap();
        }
        assert_eq!(pair.phone.olm_sessions.values().map(Vec::len).sum::<usize>(), 1);
        assert_eq!(pair.phone.session_count(), 5);
    }

    #[test]
    fn only_the_newest_olm_sessions_of_a_sender_are_kept() {
        let mut pair = Pair::new();
        for _ in 0..2 * OLM_SESSIONS_PER_SENDER {
            let one_time_key = pair.phone.identity().one_time_key();
            pair.channel = OlmChannel::open(&pair.kiosk, pair.phone.keys(), one_time_key).unwrap();
            pair.share(&GroupSession::new(SessionConfig::version_1())).unwrap();
        }
        assert_eq!(pair.phone.olm_sessions[&pair.kiosk.keys().curve25519].len(), OLM_SESSIONS_PER_SENDER);
        pair.share(&GroupSession::new(SessionConfig::version_1())).unwrap();
    }

    #[test]
    fn normal_olm_messages_follow_once_the_phone_has_answered() {
        let mut pair = Pair::new();
        let mut forger = Forger::new(&mut pair.phone);
        let plaintext = forger.plaintext(&pair.phone);
        forger.send(&mut pair.phone, &plaintext).unwrap();
        let answer =
            pair.phone.olm_sessions.get_mut(&forger.keys.curve25519).unwrap()[0].encrypt("{}").unwrap();
        forger.session.decrypt(&answer).unwrap();

        let event = forger.event(&pair.phone, &forger.plaintext(&pair.phone).to_string());
        assert_eq!(event["ciphertext"][&pair.phone.keys().curve25519]["type"], 1);
        pair.phone.receive_to_device(event.to_string().as_bytes()).unwrap();
    }

    #[test]
    fn shared_history_is_learnt() {
        let mut pair = Pair::new();
        let mut content = room_key(&GroupSession::new(SessionConfig::version_1()));
        content["shared_history"] = json!(true);
        assert!(pair.share_content(&content).unwrap().shared_history);
    }

    #[test]
    fn a_to_device_event_that_is_not_json_is_malformed() {
        assert_error!(Pair::new().phone.receive_to_device(b"{"), ReceiveError::MalformedEvent(_));
    }

    #[test]
    fn a_to_device_event_of_another_algorithm_is_unsupported() {
        let mut pair = Pair::new();
        let mut forger = Forger::new(&mut pair.phone);
        let mut event = forger.event(&pair.phone, "{}");
        event["algorithm"] = json!("m.olm.v2");
        let result = pair.phone.receive_to_device(event.to_string().as_bytes());
        assert_error!(result, ReceiveError::UnsupportedAlgorithm(_));
    }

    #[test]
    fn an_olm_message_for_another_device_is_refused() {
        let mut pair = Pair::new();
        let mut tablet = Receiver::new(Identity::new("@alice:example.org", "TABLET"));
        tablet.know_device(pair.kiosk.keys());
        let sent = pair.channel.encrypt_room_key(b"{}").unwrap();
        assert_error!(tablet.receive_to_device(&sent), ReceiveError::NotForThisDevice);
    }

    #[test]
    fn an_unknown_sender_is_refused() {
        let mut pair = Pair::new();
        let sent = pair.channel.encrypt_room_key(b"{}").unwrap();
        pair.phone.known_devices.clear();
        assert_error!(pair.phone.receive_to_device(&sent), ReceiveError::UnknownSender(_));
    }

    #[test]
    fn a_body_that_is_no_olm_message_is_malformed() {
        let mut pair = Pair::new();
        let mut forger = Forger::new(&mut pair.phone);
        let mut event = forger.event(&pair.phone, "{}");
        event["ciphertext"][&pair.phone.keys().curve25519]["body"] = json!("AAAA");
        let result = pair.phone.receive_to_device(event.to_string().as_bytes());
        assert_error!(result, ReceiveError::MalformedOlmMessage(_));
    }

    #[test]
    fn a_one_time_key_opens_one_olm_session_only() {
        let mut pair = Pair::new();
        let one_time_key = pair.phone.identity().one_time_key();
        for attempt in 0..2 {
            pair.channel = OlmChannel::open(&pair.kiosk, pair.phone.keys(), one_time_key).unwrap();
            let result = pair.share(&GroupSession::new(SessionConfig::version_1()));
            if attempt == 0 {
                result.unwrap();
            } else {
                assert_error!(
                    result,
                    ReceiveError::OlmSessionCreation(SessionCreationError::MissingOneTimeKey(_))
                );
            }
        }
    }

    #[test]
    fn a_pre_key_message_under_another_senders_key_opens_no_session() {
        let mut pair = Pair::new();
        let mut forger = Forger::new(&mut pair.phone);
        let mut event = forger.event(&pair.phone, "{}");
        event["sender_key"] = json!(pair.kiosk.keys().curve25519);
        let result = pair.phone.receive_to_device(event.to_string().as_bytes());
        assert_error!(
            result,
            ReceiveError::OlmSessionCreation(SessionCreationError::MismatchedIdentityKey(..))
        );
    }

    #[test]
    fn a_normal_message_without_an_olm_session_is_refused() {
        let mut pair = Pair::new();
        let mut forger = Forger::new(&mut pair.phone);
        let plaintext = forger.plaintext(&pair.phone);
        forger.send(&mut pair.phone, &plaintext).unwrap();
        let session = &mut pair.phone.olm_sessions.get_mut(&forger.keys.curve25519).unwrap()[0];
        forger.session.decrypt(&session.encrypt("{}").unwrap()).unwrap();
        pair.phone.olm_sessions.clear();
        assert_error!(forger.send(&mut pair.phone, &plaintext), ReceiveError::NoOlmSession);
    }

    #[test]
    fn an_olm_message_that_comes_twice_is_refused() {
        let mut pair = Pair::new();
        let content = room_key(&GroupSession::new(SessionConfig::version_1())).to_string();
        let sent = pair.channel.encrypt_room_key(content.as_bytes()).unwrap();
        pair.phone.receive_to_device(&sent).unwrap();
        assert_error!(
            pair.phone.receive_to_device(&sent),
            ReceiveError::Olm(olm::DecryptionError::MissingMessageKey(_))
        );
    }

    #[test]
    fn a_tampered_olm_message_is_refused() {
        let mut pair = Pair::new();
        let mut forger = Forger::new(&mut pair.phone);
        let plaintext = forger.plaintext(&pair.phone);
        forger.send(&mut pair.phone, &plaintext).unwrap();
        let mut event = forger.event(&pair.phone, &plaintext.to_string());
        let body = &mut event["ciphertext"][&pair.phone.keys().curve25519]["body"];
        // The inner message's MAC is the end of the pre-key message.
        *body = tampered(body, 4);
        let result = pair.phone.receive_to_device(event.to_string().as_bytes());
        assert_error!(result, ReceiveError::Olm(olm::DecryptionError::InvalidMAC(_)));
    }

    #[test]
    fn an_olm_plaintext_that_is_not_an_event_is_malformed() {
        let mut pair = Pair::new();
        let mut forger = Forger::new(&mut pair.phone);
        assert_error!(forger.send(&mut pair.phone, &json!([])), ReceiveError::MalformedPlaintext(_));
    }

    #[test]
    fn an_olm_plaintext_with_a_field_twice_is_malformed() {
        let mut pair = Pair::new();
        let mut forger = Forger::new(&mut pair.phone);
        let plaintext = forger.plaintext(&pair.phone).to_string();
        let twice = format!(r#"{{"sender":"@kiosk:example.org",{}"#, &plaintext[1..]);
        let event = forger.event(&pair.phone, &twice);
        let result = pair.phone.receive_to_device(event.to_string().as_bytes());
        assert_error!(result, ReceiveError::MalformedPlaintext(_));
    }

    #[test]
    fn a_sender_other_than_the_keys_owner_is_refused() {
        let error = forged("/sender", json!("@kiosk:example.org"));
        assert!(matches!(error, ReceiveError::SenderMismatch), "{error}");
    }

    #[test]
    fn a_signing_key_other_than_the_senders_is_refused() {
        let error = forged("/keys/ed25519", json!("A".repeat(43)));
        assert!(matches!(error, ReceiveError::SenderKeyMismatch), "{error}");
    }

    #[test]
    fn a_message_for_another_user_is_refused() {
        let error = forged("/recipient", json!("@bob:example.org"));
        assert!(matches!(error, ReceiveError::RecipientMismatch), "{error}");
    }

    #[test]
    fn a_message_for_another_signing_key_is_refused() {
        let error = forged("/recipient_keys/ed25519", json!("A".repeat(43)));
        assert!(matches!(error, ReceiveError::RecipientKeyMismatch), "{error}");
    }

    #[test]
    fn an_event_that_is_no_room_key_is_refused() {
        let error = forged("/type", json!("m.dummy"));
        assert!(matches!(error, ReceiveError::NotARoomKey(_)), "{error}");
    }

    #[test]
    fn a_room_key_without_its_fields_is_malformed() {
        let error = forged("/content", json!({ "algorithm": "m.megolm.v1.aes-sha2" }));
        assert!(matches!(error, ReceiveError::MalformedRoomKey(_)), "{error}");
    }

    #[test]
    fn a_room_key_of_another_algorithm_is_unsupported() {
        let error = forged("/content/algorithm", json!("m.megolm.v1-aes-sha2"));
        assert!(matches!(error, ReceiveError::UnsupportedAlgorithm(_)), "{error}");
    }

    #[test]
    fn a_session_key_whose_signature_fails_is_malformed() {
        let session = GroupSession::new(SessionConfig::version_1());
        let mut content = room_key(&session);
        content["session_key"] = tampered(&content["session_key"], 100);
        assert_error!(Pair::new().share_content(&content), ReceiveError::MalformedSessionKey(_));
    }

    #[test]
    fn a_session_key_under_another_id_is_refused() {
        let mut content = room_key(&GroupSession::new(SessionConfig::version_1()));
        content["session_id"] = json!(GroupSession::new(SessionConfig::version_1()).session_id());
        assert_error!(Pair::new().share_content(&content), ReceiveError::SessionIdMismatch);
    }

    #[test]
    fn another_ratchet_under_a_known_session_id_is_refused() {
        let (mut pair, session) = Pair::sharing_a_session();
        let mut pickle = serde_json::to_value(session.pickle()).unwrap();
        let byte = &mut pickle["ratchet"]["inner"][127];
        *byte = json!(byte.as_u64().unwrap() ^ 1);
        let pickle: GroupSessionPickle = serde_json::from_value(pickle).unwrap();
        assert_error!(pair.share(&GroupSession::from_pickle(pickle)), ReceiveError::SessionConflict);
    }

    #[test]
    fn a_later_starting_key_does_not_replace_an_earlier_one() {
        let (mut pair, mut session) = Pair::sharing_a_session();
        let first = pair.room_event(&mut session, &payload("first"));
        assert_eq!(pair.share(&session).unwrap().first_known_index, 1);
        assert_eq!(pair.receive(&first).unwrap().message_index, 0);
    }

    #[test]
    fn an_earlier_starting_key_replaces_a_later_one_but_not_the_replay_memory() {
        let mut pair = Pair::new();
        let mut session = GroupSession::new(SessionConfig::version_1());
        let from_the_start = room_key(&session);
        let first = pair.room_event(&mut session, &payload("first"));
        pair.share(&session).unwrap();
        let second = pair.room_event(&mut session, &payload("second"));
        pair.receive(&second).unwrap();

        pair.share_content(&from_the_start).unwrap();
        pair.receive(&first).unwrap();
        assert_error!(pair.receive(&second), ReceiveError::Replay { message_index: 1, .. });
    }

    #[test]
    fn a_message_before_the_shared_index_cannot_be_decrypted() {
        let mut pair = Pair::new();
        let mut session = GroupSession::new(SessionConfig::version_1());
        let before = pair.room_event(&mut session, &payload("before"));
        pair.share(&session).unwrap();
        assert_error!(
            pair.receive(&before),
            ReceiveError::Megolm(megolm::DecryptionError::UnknownMessageIndex(1, 0))
        );
    }

    #[test]
    fn a_room_event_with_a_field_missing_is_malformed() {
        let (mut pair, _) = Pair::sharing_a_session();
        assert_error!(pair.receive(&json!({ "algorithm": "x" })), ReceiveError::MalformedEvent(_));
    }

    #[test]
    fn a_room_event_of_another_algorithm_is_unsupported() {
        let (mut pair, mut session) = Pair::sharing_a_session();
        let mut event = pair.room_event(&mut session, &payload("x"));
        event["algorithm"] = json!("m.megolm.v2.aes-sha2");
        assert_error!(pair.receive(&event), ReceiveError::UnsupportedAlgorithm(_));
    }

    #[test]
    fn a_ciphertext_that_is_no_megolm_message_is_malformed() {
        let (mut pair, mut session) = Pair::sharing_a_session();
        let mut event = pair.room_event(&mut session, &payload("x"));
        event["ciphertext"] = json!("AwgA");
        assert_error!(pair.receive(&event), ReceiveError::MalformedMegolmMessage(_));
    }

    #[test]
    fn a_session_that_was_not_shared_is_unknown() {
        let mut pair = Pair::new();
        let mut session = GroupSession::new(SessionConfig::version_1());
        let event = pair.room_event(&mut session, &payload("x"));
        assert_error!(pair.receive(&event), ReceiveError::UnknownSession(_));
    }

    #[test]
    fn a_session_of_another_room_is_unknown() {
        let (mut pair, mut session) = Pair::sharing_a_session();
        let event = pair.room_event(&mut session, &payload("x")).to_string();
        let result = pair.phone.receive_room_event("!other:example.org", event.as_bytes());
        assert_error!(result, ReceiveError::UnknownSession(_));
    }

    #[test]
    fn a_tampered_signature_is_refused() {
        let (mut pair, mut session) = Pair::sharing_a_session();
        let mut event = pair.room_event(&mut session, &payload("x"));
        event["ciphertext"] = tampered(&event["ciphertext"], 40);
        assert_error!(pair.receive(&event), ReceiveError::Megolm(megolm::DecryptionError::Signature(_)));
    }

    #[test]
    fn a_plaintext_without_its_fields_is_malformed() {
        let (mut pair, mut session) = Pair::sharing_a_session();
        let event = pair.room_event(&mut session, &json!({ "room_id": ROOM }));
        assert_error!(pair.receive(&event), ReceiveError::MalformedPlaintext(_));
    }

    #[test]
    fn a_plaintext_for_another_room_is_refused() {
        let (mut pair, mut session) = Pair::sharing_a_session();
        let elsewhere = json!({ "room_id": "!other:example.org", "type": "m.x", "content": {} });
        let event = pair.room_event(&mut session, &elsewhere);
        assert_error!(pair.receive(&event), ReceiveError::RoomMismatch(_));
    }

    #[test]
    fn an_event_that_names_another_device_is_refused() {
        let (mut pair, mut session) = Pair::sharing_a_session();
        for (field, value) in [("sender_key", "A".repeat(43)), ("device_id", "PHONE".to_owned())] {
            let mut event = pair.room_event(&mut session, &payload("x"));
            event[field] = json!(value);
            assert_error!(pair.receive(&event), ReceiveError::ClaimedSenderMismatch);
        }
    }

    #[test]
    fn an_event_need_not_name_its_device() {
        let (mut pair, mut session) = Pair::sharing_a_session();
        let mut event = pair.room_event(&mut session, &payload("x"));
        event.as_object_mut().unwrap().retain(|field, _| field != "sender_key" && field != "device_id");
        pair.receive(&event).unwrap();
    }

    #[test]
    fn an_event_that_comes_twice_is_a_replay() {
        let (mut pair, mut session) = Pair::sharing_a_session();
        let event = pair.room_event(&mut session, &payload("x"));
        pair.receive(&event).unwrap();
        assert_error!(pair.receive(&event), ReceiveError::Replay { message_index: 0, .. });
    }

    #[test]
    fn messages_may_come_out_of_order() {
        let (mut pair, mut session) = Pair::sharing_a_session();
        let events: Vec<Value> = (0..4).map(|_| pair.room_event(&mut session, &payload("x"))).collect();
        for index in [2, 0, 3, 1] {
            assert_eq!(pair.receive(&events[index]).unwrap().message_index, u32::try_from(index).unwrap());
        }
    }

    #[test]
    fn older_sessions_are_forgotten_and_the_newest_stay() {
        let (mut pair, mut oldest) = Pair::sharing_a_session();
        let mut newer: Vec<_> = (0..2).map(|_| GroupSession::new(SessionConfig::version_1())).collect();
        for session in &newer {
            pair.share(session).unwrap();
        }
        pair.phone.forget_older_sessions(2);

        assert_eq!(pair.phone.session_count(), 2);
        let event = pair.room_event(&mut oldest, &payload("x"));
        assert_error!(pair.receive(&event), ReceiveError::UnknownSession(_));
        for session in &mut newer {
            let event = pair.room_event(session, &payload("x"));
            pair.receive(&event).unwrap();
        }
        pair.phone.forget_older_sessions(0);
        assert_eq!(pair.phone.session_count(), 0);
    }

    #[test]
    fn message_indices_are_a_set_kept_as_ranges() {
        let mut indices = MessageIndices::default();
        for index in [5, 0, 7, 1, u32::MAX, 6] {
            assert!(indices.insert(index), "{index} is new");
        }
        assert_eq!(indices.ranges, BTreeMap::from([(0, 1), (5, 7), (u32::MAX, u32::MAX)]));
        for index in [0, 1, 5, 6, 7, u32::MAX] {
            assert!(!indices.insert(index), "{index} was there");
        }
        for index in [4, 3, 2] {
            assert!(indices.insert(index), "{index} is new");
        }
        assert_eq!(indices.ranges, BTreeMap::from([(0, 7), (u32::MAX, u32::MAX)]));
    }

    #[test]
    fn the_forger_is_believed_when_it_tells_the_truth() {
        let mut phone = Receiver::new(Identity::new("@alice:example.org", "PHONE"));
        let mut forger = Forger::new(&mut phone);
        let plaintext = forger.plaintext(&phone);
        forger.send(&mut phone, &plaintext).unwrap();
    }
}
