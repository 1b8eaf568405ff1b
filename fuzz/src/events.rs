//! Sequences of `m.room.encryption` events in two rooms, under each policy: whatever a server sends, the latch never
//! opens, and under `Ratchet` no value in force ever rises.

use std::collections::HashMap;
use std::convert::Infallible;

use arbitrary::{Arbitrary, Unstructured};
use pawl_core::clock::{CounterWidth, TickRate};
use pawl_core::settings::{ChangePolicy, Settings};
use pawl_core::{Config, Decision, Device, RoomId, RoomStorage};

/// A device's life: its policy and what comes.
#[derive(Arbitrary, Debug)]
struct Life<'a> {
    policy: Policy,
    steps: Vec<Step<'a>>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Policy {
    Ratchet,
    Follow,
    Freeze,
}

#[derive(Arbitrary, Debug)]
enum Step<'a> {
    /// Any bytes as the content.
    Raw(Room, &'a [u8]),
    /// A content with these values.
    Content(Room, u16, u32, Option<bool>),
    Redacted(Room),
    Send(Room),
    Resync,
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Room {
    Kitchen,
    Cellar,
    Street,
}

impl Room {
    fn id(self) -> RoomId<'static> {
        RoomId::new(match self {
            Room::Kitchen => "!kitchen",
            Room::Cellar => "!cellar",
            Room::Street => "!street",
        })
        .expect("a short ID")
    }
}

/// Checks a sequence of events.
///
/// # Panics
/// If a room that had an encryption event is ever plaintext, a value in force rises under `Ratchet`, or encrypted state
/// events are turned off.
pub fn check(input: &[u8]) {
    let Ok(life) = Life::arbitrary_take_rest(Unstructured::new(input)) else {
        return;
    };
    // A place less than there are rooms: the last one to come is refused.
    let mut storage = RoomStorage::<(), 2>::new();
    let policy = match life.policy {
        Policy::Ratchet => ChangePolicy::Ratchet,
        Policy::Follow => ChangePolicy::Follow,
        Policy::Freeze => ChangePolicy::Freeze,
    };
    let mut device = Device::new(&mut storage, Config { policy, ..Config::default() });
    device.begin_resync();
    device.end_resync().expect("nothing was refused");
    let mut encrypted: HashMap<Room, Option<Settings>> = HashMap::new();
    let mut refused = false;

    for step in life.steps {
        match step {
            Step::Raw(room, content) => {
                refused |= give(&mut device, &mut encrypted, policy, room, content);
            }
            Step::Content(room, messages, period_ms, state_events) => {
                let state_events = state_events.map_or("null".to_owned(), |on| on.to_string());
                let content = format!(
                    r#"{{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_msgs":{messages},"rotation_period_ms":{period_ms},"encrypt_state_events":{state_events}}}"#
                );
                refused |= give(&mut device, &mut encrypted, policy, room, content.as_bytes());
            }
            Step::Redacted(room) => refused |= give(&mut device, &mut encrypted, policy, room, b"{}"),
            Step::Send(room) => check_send(&mut device, &encrypted, refused, room),
            Step::Resync => {
                // The server tells of every room again, the refused one too, and it is refused again.
                device.begin_resync();
                let rooms: Vec<Room> = encrypted.keys().copied().collect();
                for room in rooms {
                    give(&mut device, &mut encrypted, policy, room, b"{}");
                }
                assert_eq!(device.end_resync().is_err(), refused);
            }
        }
    }
}

/// Gives the device an event, and checks what it made of it. Returns whether it was refused.
fn give(
    device: &mut Device<'_, ()>,
    encrypted: &mut HashMap<Room, Option<Settings>>,
    policy: ChangePolicy,
    room: Room,
    content: &[u8],
) -> bool {
    let before = encrypted.get(&room).copied().flatten();
    let applied = device.encryption_event(room.id(), content);
    let in_force = applied.as_ref().ok().and_then(|applied| applied.in_force);
    encrypted.insert(room, in_force);
    let Ok(_) = applied else {
        return true;
    };
    assert!(device.is_known_encrypted(room.id()));
    if let Some(before) = before {
        let after = in_force.expect("settings in force are never lost");
        assert!(after.encrypt_state_events || !before.encrypt_state_events);
        if policy == ChangePolicy::Ratchet {
            assert!(after.rotation_period_msgs <= before.rotation_period_msgs);
            assert!(after.rotation_period_ms <= before.rotation_period_ms);
        }
        if policy == ChangePolicy::Freeze {
            assert_eq!(after, before);
        }
    }
    false
}

fn check_send(
    device: &mut Device<'_, ()>,
    encrypted: &HashMap<Room, Option<Settings>>,
    refused: bool,
    room: Room,
) {
    let rate = TickRate::new(1_000, CounterWidth::Bits64).expect("a rate");
    let moment = device.at_ticks(0, rate).expect("time");
    let decision = moment.decide(room.id(), || Ok::<_, Infallible>(())).expect("a decision");
    match (decision, encrypted.get(&room)) {
        (Decision::Plaintext(_), None) => assert!(!refused),
        (Decision::Plaintext(_), Some(_)) => panic!("the latch has opened"),
        (Decision::Share(_) | Decision::Encrypt(_), Some(Some(_))) => {}
        (Decision::Share(_) | Decision::Encrypt(_), _) => panic!("a session without settings"),
        (Decision::Blocked(_), Some(Some(_))) => panic!("a room with settings is blocked"),
        (Decision::Blocked(_), _) => {}
    }
}
