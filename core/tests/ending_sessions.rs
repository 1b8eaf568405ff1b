//! Events that end a session (E1–E5).

mod support;

use pawl_core::Noted;
use pawl_core::membership::{Membership, PreviousMembership, is_departure, shares_history};
use pawl_core::rotation::RotationReason;
use support::{
    Millis, OTHER_ROOM, ROOM, Storage, WEEK_MS, decrypt, device, device_in_room, encrypt, encrypt_room,
    goes_on, inbound, permit, room_key, rotates, send, send_many, share_request,
};
use vodozemac::megolm::{DecryptionError, MegolmMessage};

const NEW: [Membership; 5] =
    [Membership::Invite, Membership::Join, Membership::Knock, Membership::Leave, Membership::Ban];

const PREVIOUS: [PreviousMembership; 7] = [
    PreviousMembership::Unknown,
    PreviousMembership::None,
    PreviousMembership::Known(Membership::Invite),
    PreviousMembership::Known(Membership::Join),
    PreviousMembership::Known(Membership::Knock),
    PreviousMembership::Known(Membership::Leave),
    PreviousMembership::Known(Membership::Ban),
];

/// Which events are departures (E1): the rows are [`PREVIOUS`], the columns [`NEW`].
const AFTER_A_FULL_SYNC: [&str; 7] = [
    //         invite join knock leave ban
    /* ? */ "--.--.--.yes.yes",
    /* - */ "--.--.--.--.--",
    /* invite */ "--.--.--.yes.yes",
    /* join */ "--.--.--.yes.yes",
    /* knock */ "--.--.--.--.--",
    /* leave */ "--.--.--.--.--",
    /* ban */ "--.--.--.--.--",
];

/// The same after a limited sync.
const AFTER_A_LIMITED_SYNC: [&str; 7] = [
    //         invite join knock leave ban
    /* ? */ "yes.--.yes.yes.yes",
    /* - */ "yes.--.yes.yes.yes",
    /* invite */ "yes.--.yes.yes.yes",
    /* join */ "yes.--.yes.yes.yes",
    /* knock */ "yes.--.yes.yes.yes",
    /* leave */ "yes.--.yes.yes.yes",
    /* ban */ "yes.--.yes.yes.yes",
];

/// Calls `check` with each of the 70 cases and whether it is a departure.
fn for_each_membership_event(check: impl Fn(PreviousMembership, Membership, bool, bool)) {
    for (limited, table) in [(false, AFTER_A_FULL_SYNC), (true, AFTER_A_LIMITED_SYNC)] {
        for (previous, row) in PREVIOUS.into_iter().zip(table) {
            let row: Vec<_> = row.split('.').collect();
            assert_eq!(row.len(), NEW.len());
            for (new, departure) in NEW.into_iter().zip(row) {
                check(previous, new, limited, departure == "yes");
            }
        }
    }
}

// E1: departures

#[test]
fn each_membership_event_is_a_departure_or_not_as_the_table_says() {
    // E1
    for_each_membership_event(|previous, new, limited, departure| {
        assert_eq!(
            is_departure(previous, new, limited),
            departure,
            "{previous:?} to {new:?}, limited: {limited}"
        );
    });
}

#[test]
fn a_session_is_replaced_after_a_departure_and_after_no_other_membership_event() {
    // E1, E5
    for_each_membership_event(|previous, new, limited, departure| {
        let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
        let mut device = device_in_room(&mut storage, 100, WEEK_MS);
        send(&mut device, &clock, ROOM);
        let (noted, sent) = if departure {
            (Noted::EndsSession, rotates(RotationReason::Departure))
        } else {
            (Noted::NoEffect, goes_on(1))
        };
        assert_eq!(device.member_event(ROOM, previous, new, limited).unwrap(), noted);
        assert_eq!(send(&mut device, &clock, ROOM), sent);
    });
}

#[test]
fn memberships_are_read_by_their_names() {
    // E1
    for (name, membership) in [
        ("invite", Membership::Invite),
        ("join", Membership::Join),
        ("knock", Membership::Knock),
        ("leave", Membership::Leave),
        ("ban", Membership::Ban),
    ] {
        assert_eq!(Membership::from_name(name), membership);
    }
}

#[test]
fn a_membership_that_is_not_in_the_specification_is_taken_as_leave() {
    // E1
    for name in ["", "Join", "JOIN", "join ", "joined", "none", "org.example.lurk"] {
        assert_eq!(Membership::from_name(name), Membership::Leave, "{name}");
    }
}

#[test]
fn a_departure_in_one_room_leaves_other_rooms_alone() {
    // E1
    let (clock, mut storage) = (Millis::showing(0), Storage::<2>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    encrypt_room(&mut device, OTHER_ROOM, 100, WEEK_MS);
    send(&mut device, &clock, ROOM);
    send(&mut device, &clock, OTHER_ROOM);
    let _ = device.member_event(OTHER_ROOM, JOINED, Membership::Ban, false).unwrap();
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(1));
}

const JOINED: PreviousMembership = PreviousMembership::Known(Membership::Join);

#[test]
fn somebody_who_leaves_and_comes_back_before_the_next_message_has_departed() {
    // E1
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    send(&mut device, &clock, ROOM);
    let left = PreviousMembership::Known(Membership::Leave);
    let _ = device.member_event(ROOM, JOINED, Membership::Leave, false).unwrap();
    let _ = device.member_event(ROOM, left, Membership::Join, false).unwrap();
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::Departure));
}

#[test]
fn a_departure_with_no_session_counts_against_nothing() {
    // E1, T10
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    let noted = device.member_event(ROOM, JOINED, Membership::Leave, false).unwrap();
    assert_eq!(noted, Noted::NoEffect);
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::NoSession));
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(1));
}

// E2: devices

#[test]
fn a_device_that_was_removed_ends_the_session() {
    // E2
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    send(&mut device, &clock, ROOM);
    assert_eq!(device.device_removed(ROOM).unwrap(), Noted::EndsSession);
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::DeviceRemoved));
}

#[test]
fn a_device_removed_with_no_session_counts_against_nothing() {
    // E2, T10
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    assert_eq!(device.device_removed(ROOM).unwrap(), Noted::NoEffect);
    send(&mut device, &clock, ROOM);
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(1));
}

// E3: history visibility

#[test]
fn shared_and_world_readable_share_history_and_nothing_else_does() {
    // E3
    for visibility in ["shared", "world_readable"] {
        assert!(shares_history(visibility), "{visibility}");
    }
    for visibility in ["joined", "invited", "", "Shared", "shared ", "org.example.shared"] {
        assert!(!shares_history(visibility), "{visibility}");
    }
}

/// The next message of a room whose history visibility was the first of these when its session was made, and then
/// each of the others.
fn after_visibilities(visibilities: &[&str]) -> support::Sent {
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    let _ = device.history_visibility_event(ROOM, visibilities[0]).unwrap();
    send(&mut device, &clock, ROOM);
    for visibility in &visibilities[1..] {
        let _ = device.history_visibility_event(ROOM, visibility).unwrap();
    }
    send(&mut device, &clock, ROOM)
}

#[test]
fn a_history_visibility_that_crosses_ends_the_session() {
    // E3
    for (from, to) in [
        ("joined", "shared"),
        ("joined", "world_readable"),
        ("invited", "shared"),
        ("invited", "world_readable"),
    ] {
        let crossed = rotates(RotationReason::HistoryVisibility);
        assert_eq!(after_visibilities(&[from, to]), crossed, "{from} to {to}");
        assert_eq!(after_visibilities(&[to, from]), crossed, "{to} to {from}");
    }
}

#[test]
fn a_history_visibility_that_changes_without_crossing_does_not_end_the_session() {
    // E3
    for (from, to) in
        [("joined", "invited"), ("shared", "world_readable"), ("joined", "joined"), ("shared", "shared")]
    {
        assert_eq!(after_visibilities(&[from, to]), goes_on(1), "{from} to {to}");
        assert_eq!(after_visibilities(&[to, from]), goes_on(1), "{to} to {from}");
    }
}

#[test]
fn a_history_visibility_that_crosses_there_and_back_ends_the_session() {
    // E3
    let crossed = rotates(RotationReason::HistoryVisibility);
    assert_eq!(after_visibilities(&["joined", "shared", "joined"]), crossed);
    assert_eq!(after_visibilities(&["shared", "invited", "world_readable"]), crossed);
}

#[test]
fn a_history_visibility_that_is_not_in_the_specification_is_taken_as_joined() {
    // E3
    let unknown = "org.example.friends";
    assert_eq!(after_visibilities(&["joined", unknown]), goes_on(1));
    assert_eq!(after_visibilities(&["shared", unknown]), rotates(RotationReason::HistoryVisibility));
}

#[test]
fn a_history_visibility_that_is_not_known_is_taken_as_joined() {
    // E3
    for (visibility, noted) in [("joined", Noted::NoEffect), ("shared", Noted::EndsSession)] {
        let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
        let mut device = device_in_room(&mut storage, 100, WEEK_MS);
        send(&mut device, &clock, ROOM);
        assert_eq!(device.history_visibility_event(ROOM, visibility).unwrap(), noted);
    }
}

#[test]
fn a_history_visibility_reported_before_the_first_encryption_event_has_no_effect() {
    // E3: and the call says so
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device(&mut storage);
    assert_eq!(device.history_visibility_event(ROOM, "shared").unwrap(), Noted::NotTracked);
    encrypt_room(&mut device, ROOM, 100, WEEK_MS);
    let request = share_request(&mut device, &clock, ROOM);
    assert_eq!(room_key(&device, &request)["shared_history"], false);
}

#[test]
fn a_room_is_tracked_from_its_first_encryption_event_on_even_if_that_blocks_it() {
    // E3
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device(&mut storage);
    let _ = device.encryption_event(ROOM, support::UNSUPPORTED).unwrap();
    assert_eq!(device.history_visibility_event(ROOM, "shared").unwrap(), Noted::NoEffect);
    encrypt_room(&mut device, ROOM, 100, WEEK_MS);
    let request = share_request(&mut device, &clock, ROOM);
    assert_eq!(room_key(&device, &request)["shared_history"], true);
}

#[test]
fn a_crossing_with_no_session_counts_against_nothing() {
    // E3, T10
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    assert_eq!(device.history_visibility_event(ROOM, "shared").unwrap(), Noted::NoEffect);
    send(&mut device, &clock, ROOM);
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(1));
}

#[test]
fn no_event_has_an_effect_on_a_room_that_is_not_tracked() {
    // E1–E4
    let mut storage = Storage::<1>::new();
    let mut device = device(&mut storage);
    assert_eq!(device.member_event(ROOM, JOINED, Membership::Leave, true).unwrap(), Noted::NotTracked);
    assert_eq!(device.device_removed(ROOM).unwrap(), Noted::NotTracked);
    assert_eq!(device.request_rotation(ROOM).unwrap(), Noted::NotTracked);
    assert!(!device.is_known_encrypted(ROOM));
}

// E4: requests

#[test]
fn the_application_can_ask_for_a_new_session() {
    // E4
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    send(&mut device, &clock, ROOM);
    assert_eq!(device.request_rotation(ROOM).unwrap(), Noted::EndsSession);
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::Requested));
}

#[test]
fn a_request_with_no_session_counts_against_nothing() {
    // E4, T10
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    assert_eq!(device.request_rotation(ROOM).unwrap(), Noted::NoEffect);
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::NoSession));
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(1));
}

// E5: no rotation

#[test]
fn somebody_who_joins_gets_the_key_from_the_current_index_on() {
    // E5
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    send(&mut device, &clock, ROOM);
    send_many(&mut device, &clock, ROOM, 3);
    let (_, before) = encrypt(permit(&mut device, &clock, ROOM));
    let request = device.share_current(ROOM).unwrap();
    assert_eq!(request.started, None);
    let mut newcomer = inbound(&room_key(&device, &request));
    assert_eq!(newcomer.first_known_index(), 5);
    let (index, after) = encrypt(permit(&mut device, &clock, ROOM));
    assert_eq!(index, 5);
    assert_eq!(decrypt(&mut newcomer, &after).1, 5);
    let before = MegolmMessage::from_base64(before["ciphertext"].as_str().unwrap()).unwrap();
    assert!(matches!(newcomer.decrypt(&before), Err(DecryptionError::UnknownMessageIndex(5, 4))));
}

#[test]
fn sharing_with_a_newcomer_holds_up_no_message() {
    // E5, T8
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    send(&mut device, &clock, ROOM);
    let _ = device.share_current(ROOM).unwrap();
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(1));
}

#[test]
fn the_key_that_a_request_gives_is_that_of_the_index_at_which_it_is_written() {
    // E5
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    let request = share_request(&mut device, &clock, ROOM);
    assert_eq!(inbound(&room_key(&device, &request)).first_known_index(), 0);
    device.shared(&request).unwrap();
    send_many(&mut device, &clock, ROOM, 2);
    assert_eq!(inbound(&room_key(&device, &request)).first_known_index(), 2);
}

#[test]
fn writing_a_room_key_uses_up_no_index() {
    // E5
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    send(&mut device, &clock, ROOM);
    let request = device.share_current(ROOM).unwrap();
    for _ in 0..5 {
        let _ = room_key(&device, &request);
    }
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(1));
}

#[test]
fn a_room_without_a_session_has_nothing_to_share() {
    // E5
    let mut storage = Storage::<1>::new();
    let device = device_in_room(&mut storage, 100, WEEK_MS);
    assert_eq!(device.share_current(ROOM), None);
    assert_eq!(device.share_current(OTHER_ROOM), None);
}

#[test]
fn a_session_not_yet_shared_is_the_one_that_is_shared() {
    // E5, T8
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    let first = share_request(&mut device, &clock, ROOM);
    let current = device.share_current(ROOM).unwrap();
    assert_eq!(room_key(&device, &first), room_key(&device, &current));
}

#[test]
fn sharing_with_somebody_who_came_later_is_not_the_first_share() {
    // E5, T8: everybody else is still to get the key
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    let first = share_request(&mut device, &clock, ROOM);
    let later = device.share_current(ROOM).unwrap();
    assert_eq!(device.shared(&later), Ok(()));
    assert!(matches!(support::decide(&mut device, &clock, ROOM), pawl_core::Decision::Share(_)));
    assert_eq!(device.shared(&first), Ok(()));
    assert!(matches!(support::decide(&mut device, &clock, ROOM), pawl_core::Decision::Encrypt(_)));
}

#[test]
fn a_history_visibility_that_is_told_again_does_not_end_the_session() {
    // K5, E3
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    assert_eq!(device.history_visibility_event(ROOM, "shared").unwrap(), Noted::NoEffect);
    send(&mut device, &clock, ROOM);
    assert_eq!(device.history_visibility_event(ROOM, "shared").unwrap(), Noted::NoEffect);
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(1));
}
