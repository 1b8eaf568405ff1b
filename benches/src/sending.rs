//! The whole way of a message: with pawl over vodozemac, and vodozemac's encryption alone.

use pawl_core::event::{Event, SendingDevice, write_payload};
use pawl_core::{Decision, Device, VodozemacSession};
use vodozemac::megolm::{GroupSession, SessionConfig};

use crate::devices::{decide, room};

/// A message of a usual size.
pub const EVENT: Event<'_> =
    Event { event_type: "m.room.message", content: br#"{"msgtype":"m.text","body":"21 degrees"}"# };

const SENDER: SendingDevice<'_> =
    SendingDevice { sender_key: "hPQNcabIABgGnx3/ACv/jmMmiQHoeFfuLB17tzWp6Hw", device_id: "KIOSK" };

/// Reads the clock, looks the room up, decides, counts the message, writes its payload, encrypts that, and writes the event.
/// Returns the event's length.
pub fn send(device: &mut Device<'_, VodozemacSession>, id: &str, event: &Event<'_>) -> Option<usize> {
    let (mut scratch, mut out) = ([0; 512], [0; 1_024]);
    match decide(device, room(id), VodozemacSession::new)? {
        Decision::Encrypt(permit) => {
            permit.encrypt(event, &SENDER, &mut scratch, &mut out).ok().map(|encrypted| encrypted.length)
        }
        _ => None,
    }
}

/// What that encrypts.
///
/// # Panics
/// When it is longer than thought.
#[must_use]
pub fn payload(id: &str) -> Vec<u8> {
    let mut payload = vec![0; 512];
    let length = write_payload(&EVENT, room(id), &mut payload).expect("a payload");
    payload.truncate(length);
    payload
}

/// A session of vodozemac's.
#[must_use]
pub fn group_session() -> GroupSession {
    GroupSession::new(SessionConfig::version_1())
}

/// Encrypts a payload and encodes it, and no more.
#[must_use]
pub fn encrypt(session: &mut GroupSession, payload: &[u8]) -> String {
    session.encrypt(payload).to_base64()
}

#[cfg(test)]
mod tests {
    use pawl_core::VodozemacSession;

    use super::{EVENT, encrypt, group_session, payload, send};
    use crate::devices::{in_rooms, places, usual_id};

    #[test]
    fn both_sides_encrypt_the_same_length() {
        let id = usual_id(0);
        let mut places = places(1);
        let mut device = in_rooms(&mut places, std::slice::from_ref(&id), VodozemacSession::new);
        let event = send(&mut device, &id, &EVENT).expect("an event");
        let ciphertext = encrypt(&mut group_session(), &payload(&id)).len();
        // Beside the ciphertext stand the algorithm, session ID, sender key and device ID.
        assert!((ciphertext + 150..ciphertext + 300).contains(&event), "{event}, {ciphertext}");
    }
}
