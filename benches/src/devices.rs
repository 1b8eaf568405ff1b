//! Devices in many rooms, of which every one has a session that goes on.

use std::convert::Infallible;

use pawl_core::session::{OutboundSession, SESSION_ID_LENGTH, SESSION_KEY_LENGTH};
use pawl_core::settings::Limits;
use pawl_core::{Config, Decision, Device, MAX_ROOM_ID_LENGTH, RoomId, RoomPlace};

use crate::StdClock;

/// How many rooms there are.
pub const ROOMS: [u32; 7] = [1, 4, 16, 64, 256, 1_024, 4_096];

/// A limit of messages that no benchmark reaches.
pub const NEVER: &[u8] = br#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_msgs":4294967295}"#;

/// A session that encrypts nothing.
#[derive(Default)]
pub struct NoEncryption;

impl OutboundSession for NoEncryption {
    type Error = Infallible;

    fn write_session_id(&self, out: &mut [u8; SESSION_ID_LENGTH]) {
        out.fill(b'i');
    }

    fn write_session_key(&self, out: &mut [u8; SESSION_KEY_LENGTH]) {
        out.fill(b'k');
    }

    fn message_index(&self) -> u32 {
        0
    }

    fn encrypt<'o>(&mut self, _plaintext: &[u8], _out: &'o mut [u8]) -> Result<&'o str, Infallible> {
        Ok("c")
    }
}

/// The room ID of this number, as servers make them: 18 random letters and the server's name.
#[must_use]
pub fn usual_id(number: u32) -> String {
    let mut bits = u64::from(number);
    let letters = (0..18).map(|_| {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef"[(bits >> 59) as usize])
    });
    format!("!{}:matrix.org", letters.collect::<String>())
}

/// The dearest room IDs that a server can make: the longest, and like all others up to their end.
#[must_use]
pub fn id_like_the_others(number: u32) -> String {
    format!("!{}{number:04}", "a".repeat(MAX_ROOM_ID_LENGTH - 5))
}

/// A room ID.
///
/// # Panics
/// When it is too long.
#[must_use]
pub fn room(id: &str) -> RoomId<'_> {
    RoomId::new(id).expect("a room ID")
}

/// So many places.
#[must_use]
pub fn places<S>(number: usize) -> Vec<RoomPlace<S>> {
    std::iter::repeat_with(RoomPlace::new).take(number).collect()
}

/// A device in these rooms, each with a session whose key is shared.
///
/// # Panics
/// When it does not come to that.
pub fn in_rooms<'a, S: OutboundSession>(
    places: &'a mut [RoomPlace<S>],
    ids: &[String],
    session: impl Fn() -> S,
) -> Device<'a, S> {
    let limits = Limits::new(1..=u32::MAX, 3_600_000..=2_419_200_000).expect("limits");
    let mut device = Device::new(places, Config { limits, ..Config::default() });
    device.begin_resync();
    for id in ids {
        device.encryption_event(room(id), NEVER).expect("a place");
    }
    device.end_resync().expect("a resync");
    for id in ids {
        let request = match decide(&mut device, room(id), &session) {
            Some(Decision::Share(request)) => request,
            _ => panic!("no session was made"),
        };
        device.shared(&request).expect("the session");
    }
    device
}

/// Reads the clock and decides on a message to a room.
#[inline(always)]
pub fn decide<'d, S: OutboundSession>(
    device: &'d mut Device<'_, S>,
    room: RoomId<'_>,
    session: impl Fn() -> S,
) -> Option<Decision<'d, S>> {
    device.at(&StdClock).ok()?.decide(room, || Ok::<_, Infallible>(session())).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use pawl_core::Decision;

    use super::{NoEncryption, decide, id_like_the_others, in_rooms, places, room, usual_id};

    #[test]
    fn room_ids_differ_from_each_other() {
        for id in [usual_id, id_like_the_others] {
            assert_eq!((0..4_096).map(id).collect::<BTreeSet<_>>().len(), 4_096);
        }
    }

    #[test]
    fn a_message_to_any_room_may_go_out() {
        let ids: Vec<_> = (0..64).map(usual_id).collect();
        let mut places = places(ids.len());
        let mut device = in_rooms(&mut places, &ids, NoEncryption::default);
        for id in &ids {
            let decision = decide(&mut device, room(id), NoEncryption::default);
            assert!(matches!(decision, Some(Decision::Encrypt(_))), "{id}");
        }
    }
}
