//! The outbound session of these tests and what reads its messages, by vodozemac. Where there is no std, something else
//! takes the place of this file.

pub(crate) use pawl_core::{CiphertextTooLong, VodozemacSession as Session};
use serde_json::Value;
use vodozemac::megolm::{InboundGroupSession, MegolmMessage, SessionConfig, SessionKey};

/// The session that another device makes from an `m.room_key`.
pub(crate) fn inbound(room_key: &Value) -> InboundGroupSession {
    let key = SessionKey::from_base64(room_key["session_key"].as_str().unwrap()).unwrap();
    InboundGroupSession::new(&key, SessionConfig::version_1())
}

/// The payload of an `m.room.encrypted`, and its index.
pub(crate) fn decrypt(inbound: &mut InboundGroupSession, encrypted: &Value) -> (Vec<u8>, u32) {
    let decrypted = inbound.decrypt(&message(encrypted)).unwrap();
    (decrypted.plaintext, decrypted.message_index)
}

/// The index that an `m.room.encrypted` itself says it has.
pub(crate) fn message_index(encrypted: &Value) -> u32 {
    message(encrypted).message_index()
}

fn message(encrypted: &Value) -> MegolmMessage {
    MegolmMessage::from_base64(encrypted["ciphertext"].as_str().unwrap()).unwrap()
}
