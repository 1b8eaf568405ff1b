//! Simulated devices' identities and the Olm channels on which room keys travel.
//!
//! The cryptography is vodozemac's and real: identity keys, one-time keys, pre-key messages. What a homeserver
//! would carry is handed over directly, so device keys and one-time keys come without the signatures that a
//! client checks before it trusts a server's copy of them. Reading the messages made here is the business of
//! [`receiver`](crate::receiver).

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::value::RawValue;
use vodozemac::Curve25519PublicKey;
use vodozemac::olm::{
    Account, EncryptionError, InboundCreationResult, OlmMessage, PreKeyMessage, Session, SessionConfig,
    SessionCreationError,
};

/// The algorithm of a to-device `m.room.encrypted` content.
pub const OLM_ALGORITHM: &str = "m.olm.v1.curve25519-aes-sha2";

/// The Matrix identity of one simulated device: whose it is, and its Olm account.
pub struct Identity {
    keys: DeviceKeys,
    account: Account,
}

impl Identity {
    /// A device with new identity keys.
    pub fn new(user_id: impl Into<String>, device_id: impl Into<String>) -> Self {
        let account = Account::new();
        let keys = DeviceKeys {
            user_id: user_id.into(),
            device_id: device_id.into(),
            curve25519: account.curve25519_key().to_base64(),
            ed25519: account.ed25519_key().to_base64(),
        };
        Self { keys, account }
    }

    /// What others know of this device.
    pub fn keys(&self) -> &DeviceKeys {
        &self.keys
    }

    /// Hands out a one-time key that nobody else gets. It opens one Olm session to this device.
    pub fn one_time_key(&mut self) -> Curve25519PublicKey {
        let made = self.account.generate_one_time_keys(1);
        self.account.mark_keys_as_published();
        *made.created.first().expect("one key was asked for and the account makes as many as it is asked for")
    }

    /// Takes up the other end of the Olm session that `message` opens, and decrypts that message.
    ///
    /// # Errors
    /// If `message` is not for one of this device's unused one-time keys, not from `sender`, or tampered with.
    pub fn accept_olm_session(
        &mut self,
        sender: Curve25519PublicKey,
        message: &PreKeyMessage,
    ) -> Result<InboundCreationResult, SessionCreationError> {
        self.account.create_inbound_session(SessionConfig::version_1(), sender, message)
    }
}

/// What other devices know of a device: its names and the public halves of its identity keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceKeys {
    /// The user whose device it is.
    pub user_id: String,
    /// The device's ID, unique only among its user's devices.
    pub device_id: String,
    /// The Curve25519 identity key, in unpadded base64.
    pub curve25519: String,
    /// The Ed25519 fingerprint key, in unpadded base64.
    pub ed25519: String,
}

/// An outbound Olm session from one device to one other, and how room keys are put into it.
///
/// The other side never answers in a simulation, so every message stays a pre-key message (type 0).
pub struct OlmChannel {
    sender: DeviceKeys,
    recipient: DeviceKeys,
    session: Session,
}

impl OlmChannel {
    /// Opens a channel from `sender` to the device that `recipient` describes, with a one-time key of that
    /// device.
    ///
    /// # Errors
    /// If the recipient's identity key is not a Curve25519 key, or no shared secret can be made with its keys.
    pub fn open(
        sender: &Identity,
        recipient: &DeviceKeys,
        one_time_key: Curve25519PublicKey,
    ) -> Result<Self, ChannelError> {
        let identity_key =
            Curve25519PublicKey::from_base64(&recipient.curve25519).map_err(|_| ChannelError::IdentityKey)?;
        let session = sender
            .account
            .create_outbound_session(SessionConfig::version_1(), identity_key, one_time_key)
            .map_err(ChannelError::Session)?;
        Ok(Self { sender: sender.keys.clone(), recipient: recipient.clone(), session })
    }

    /// The device at the other end.
    pub fn recipient(&self) -> &DeviceKeys {
        &self.recipient
    }

    /// Encrypts an `m.room_key` event with this `content` (JSON, taken verbatim): returns the content of the
    /// to-device `m.room.encrypted` event.
    ///
    /// # Errors
    /// If `content` is not JSON, or Olm has no sending chain to encrypt with.
    pub fn encrypt_room_key(&mut self, content: &[u8]) -> Result<Vec<u8>, ChannelError> {
        let payload = OlmPayload {
            event_type: "m.room_key",
            content: serde_json::from_slice(content).map_err(ChannelError::Json)?,
            sender: &self.sender.user_id,
            recipient: &self.recipient.user_id,
            recipient_keys: SigningKey { ed25519: &self.recipient.ed25519 },
            keys: SigningKey { ed25519: &self.sender.ed25519 },
        };
        let plaintext = serde_json::to_vec(&payload).map_err(ChannelError::Json)?;
        let message = self.session.encrypt(plaintext).map_err(ChannelError::Olm)?;
        let event = ToDeviceContent {
            algorithm: OLM_ALGORITHM,
            sender_key: &self.sender.curve25519,
            ciphertext: BTreeMap::from([(self.recipient.curve25519.as_str(), message)]),
        };
        serde_json::to_vec(&event).map_err(ChannelError::Json)
    }
}

/// Why an [`OlmChannel`] could not be opened or used.
#[derive(Debug)]
pub enum ChannelError {
    /// The recipient's identity key is not a Curve25519 key in base64.
    IdentityKey,
    /// No Olm session could be made with the recipient's keys.
    Session(SessionCreationError),
    /// The content to send is not JSON.
    Json(serde_json::Error),
    /// Olm could not encrypt.
    Olm(EncryptionError),
}

impl fmt::Display for ChannelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IdentityKey => f.write_str("the recipient's identity key is not a Curve25519 key"),
            Self::Session(error) => write!(f, "no Olm session: {error}"),
            Self::Json(error) => write!(f, "the content is not JSON: {error}"),
            Self::Olm(error) => write!(f, "Olm cannot encrypt: {error}"),
        }
    }
}

impl std::error::Error for ChannelError {}

/// The content of a to-device `m.room.encrypted` event, as it is sent.
#[derive(Serialize)]
struct ToDeviceContent<'a> {
    algorithm: &'a str,
    sender_key: &'a str,
    /// By the recipient's Curve25519 key; vodozemac writes the `type` and the `body`.
    ciphertext: BTreeMap<&'a str, OlmMessage>,
}

/// The plaintext of an Olm message: an event, bound to the two devices it goes between.
#[derive(Serialize)]
struct OlmPayload<'a> {
    #[serde(rename = "type")]
    event_type: &'a str,
    content: &'a RawValue,
    sender: &'a str,
    recipient: &'a str,
    recipient_keys: SigningKey<'a>,
    keys: SigningKey<'a>,
}

#[derive(Serialize)]
struct SigningKey<'a> {
    ed25519: &'a str,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn kiosk() -> Identity {
        Identity::new("@kiosk:example.org", "KIOSK")
    }

    fn phone() -> Identity {
        Identity::new("@alice:example.org", "PHONE")
    }

    fn open(sender: &Identity, recipient: &mut Identity) -> OlmChannel {
        let one_time_key = recipient.one_time_key();
        OlmChannel::open(sender, recipient.keys(), one_time_key).unwrap()
    }

    /// What the phone reads out of the to-device content.
    fn decrypt(content: &[u8], recipient: &mut Identity) -> (Value, Vec<u8>) {
        let event: Value = serde_json::from_slice(content).unwrap();
        let message = &event["ciphertext"][&recipient.keys().curve25519];
        let OlmMessage::PreKey(message) = serde_json::from_value(message.clone()).unwrap() else {
            panic!("the first message of a channel is a pre-key message");
        };
        let plaintext = recipient.accept_olm_session(message.identity_key(), &message).unwrap().plaintext;
        (event, plaintext)
    }

    #[test]
    fn identity_keys_are_unpadded_base64() {
        let identity = kiosk();
        for key in [&identity.keys().curve25519, &identity.keys().ed25519] {
            assert_eq!(key.len(), 43);
            assert!(!key.contains('='));
        }
    }

    #[test]
    fn no_one_time_key_is_handed_out_twice() {
        let mut phone = phone();
        assert_ne!(phone.one_time_key(), phone.one_time_key());
    }

    #[test]
    fn a_room_key_becomes_a_to_device_event_as_the_specification_has_it() {
        let (kiosk, mut phone) = (kiosk(), phone());
        let mut channel = open(&kiosk, &mut phone);
        assert_eq!(channel.recipient(), phone.keys());

        let sent = channel.encrypt_room_key(br#"{"room_id":"!r:example.org","x":1.50}"#).unwrap();
        let (event, plaintext) = decrypt(&sent, &mut phone);

        assert_eq!(event["algorithm"], "m.olm.v1.curve25519-aes-sha2");
        assert_eq!(event["sender_key"], kiosk.keys().curve25519);
        assert_eq!(event["ciphertext"].as_object().unwrap().len(), 1);
        assert_eq!(event["ciphertext"][&phone.keys().curve25519]["type"], 0);
        assert_eq!(
            serde_json::from_slice::<Value>(&plaintext).unwrap(),
            json!({
                "type": "m.room_key",
                "content": { "room_id": "!r:example.org", "x": 1.50 },
                "sender": "@kiosk:example.org",
                "recipient": "@alice:example.org",
                "recipient_keys": { "ed25519": phone.keys().ed25519 },
                "keys": { "ed25519": kiosk.keys().ed25519 },
            })
        );
        assert!(plaintext.windows(4).any(|w| w == b"1.50"), "the content is passed on as it was written");
    }

    #[test]
    fn content_that_is_not_json_is_refused() {
        let (kiosk, mut phone) = (kiosk(), phone());
        let mut channel = open(&kiosk, &mut phone);
        for content in [&b"{"[..], b"{} {}", b"", b"\xff"] {
            assert!(matches!(channel.encrypt_room_key(content), Err(ChannelError::Json(_))));
        }
    }

    #[test]
    fn a_recipient_without_a_curve25519_key_is_refused() {
        let (kiosk, mut phone) = (kiosk(), phone());
        let one_time_key = phone.one_time_key();
        let keys = DeviceKeys { curve25519: "short".to_owned(), ..phone.keys().clone() };
        assert!(matches!(OlmChannel::open(&kiosk, &keys, one_time_key), Err(ChannelError::IdentityKey)));
    }

    #[test]
    fn a_recipient_with_an_all_zero_key_is_refused() {
        let (kiosk, mut phone) = (kiosk(), phone());
        let one_time_key = phone.one_time_key();
        let keys = DeviceKeys { curve25519: "A".repeat(43), ..phone.keys().clone() };
        assert!(matches!(OlmChannel::open(&kiosk, &keys, one_time_key), Err(ChannelError::Session(_))));
    }
}
