//! What a message costs before it is encrypted, and what an event costs.

use core::array;
use core::hint::black_box;

use pawl_core::clock::{Now, Timeline};
use pawl_core::membership::{Membership, PreviousMembership};
use pawl_core::rotation::{PendingReasons, RotationReason, Usage, reason_to_rotate};
use pawl_core::settings::Settings;
use pawl_core::{Decision, Device, RoomId, RoomPlace};

use crate::devices::{
    Buffers, Counter, MILLISECONDS, NoEncryption, ROOM, content, create, decide, in_room, known, send,
    set_ticks, share,
};
use crate::measure::{SUBJECTS, again, beyond, each, inlined};

const HOUR_MS: u32 = 3_600_000;

/// All of them.
pub fn measure() {
    rotation_rule();
    clocks();
    due_or_not();
    rooms_that_send_nothing();
    permits();
    events();
}

/// The rule alone, half way to both limits.
#[inline(never)]
fn rotation_rule() {
    let settings =
        Settings { rotation_period_msgs: 100, rotation_period_ms: 604_800_000, encrypt_state_events: false };
    let usage = Usage { messages: 50, created_ms: 0, epoch: 0, pending: PendingReasons::NONE };
    let now = Now { tick_begin_ms: 302_400_000, tick_end_ms: 302_400_000, epoch: 0 };
    assert_eq!(reason_to_rotate(&usage, &settings, now), None);
    inlined("rotation_rule", &mut [(usage, settings, now)], |(usage, settings, now)| {
        reason_to_rotate(usage, settings, *now)
    });
}

/// A clock's reading on the timeline, which is part of each decision: what it costs depends on the clock's rate.
#[inline(never)]
fn clocks() {
    set_ticks(1);
    let mut timeline = Timeline::new();
    again("read_clock/1000Hz", &mut [&mut timeline], |timeline| timeline.read(&Counter::<1_000>).is_ok());
    let mut timeline = Timeline::new();
    again("read_clock/32768Hz", &mut [&mut timeline], |timeline| timeline.read(&Counter::<32_768>).is_ok());
    let mut timeline = Timeline::new();
    again("read_clock/1MHz", &mut [&mut timeline], |timeline| timeline.read(&Counter::<1_000_000>).is_ok());
}

/// A decision with its reading of the clock, where the session goes on and where it is due.
#[inline(never)]
fn due_or_not() {
    let room = black_box(ROOM);
    let reason = |decision: Decision<'_, NoEncryption>| match decision {
        Decision::Share(request) => request.started,
        _ => None,
    };
    let mut storage: [[_; 1]; SUBJECTS] = array::from_fn(|_| [RoomPlace::new()]);

    let mut devices = after_one_message(&mut storage, 100);
    assert_eq!(
        decide(&mut devices[0], ROOM, |decision| matches!(decision, Decision::Encrypt(_))),
        Some(true)
    );
    each("decide/nothing_due", &mut devices, |device| look(device, room));

    let mut devices = after_one_message(&mut storage, 1);
    each("decide/due_by_count", &mut devices, |device| look(device, room));
    let mut devices = after_one_message(&mut storage, 1);
    assert_eq!(decide(&mut devices[0], ROOM, reason).flatten(), Some(RotationReason::Messages));

    let mut devices = after_one_message(&mut storage, 100);
    set_ticks(168 * HOUR_MS);
    each("decide/due_by_age", &mut devices, |device| look(device, room));
    let mut devices = after_one_message(&mut storage, 100);
    set_ticks(168 * HOUR_MS);
    assert_eq!(decide(&mut devices[0], ROOM, reason).flatten(), Some(RotationReason::Age));
}

/// Decides, and looks at the decision.
#[inline(always)]
fn look(device: &mut Device<'_, NoEncryption>, room: RoomId<'_>) {
    if let Ok(moment) = device.at(&MILLISECONDS) {
        black_box(&moment.decide(room, create));
    }
}

/// Devices in a room whose session carried one message at 0 ms.
fn after_one_message(
    storage: &mut [[RoomPlace<NoEncryption>; 1]; SUBJECTS],
    messages: u32,
) -> [Device<'_, NoEncryption>; SUBJECTS] {
    set_ticks(0);
    let mut devices = in_room(storage, messages);
    for device in &mut devices {
        share(device, ROOM);
        assert!(send(device, &mut Buffers::new()));
    }
    devices
}

/// Decisions that end at once.
#[inline(never)]
fn rooms_that_send_nothing() {
    let room = black_box(ROOM);
    let mut places = [RoomPlace::new()];
    let mut device = known(&mut places);
    assert_eq!(decide(&mut device, ROOM, |decision| matches!(decision, Decision::Plaintext(_))), Some(true));
    again("decide/plaintext", &mut [&mut device], |device| look(device, room));

    let _ = device.encryption_event(ROOM, b"{}");
    assert_eq!(decide(&mut device, ROOM, |decision| matches!(decision, Decision::Blocked(_))), Some(true));
    again("decide/blocked", &mut [&mut device], |device| look(device, room));
}

/// A decision and its permit's use, and the use alone: the event written, with a session that encrypts nothing.
#[inline(never)]
fn permits() {
    let mut storage: [[_; 1]; SUBJECTS] = array::from_fn(|_| [RoomPlace::new()]);
    let mut devices = after_one_message(&mut storage, 100);
    let mut buffers = Buffers::new();
    each("decide_and_use_permit", &mut devices, |device| send(device, &mut buffers));
    let room = black_box(ROOM);
    beyond("use_permit", &mut devices, |device| look(device, room), |device| send(device, &mut buffers));
    assert!(send(&mut devices[1], &mut buffers));
}

/// Events applied to a room.
#[inline(never)]
fn events() {
    let typical = content(100);
    let tighter = content(99);
    let mut storage: [[_; 1]; SUBJECTS] = array::from_fn(|_| [RoomPlace::new()]);

    let mut left = storage.iter_mut();
    let mut devices: [_; SUBJECTS] =
        array::from_fn(|_| known(left.next().map_or(&mut [], |places| places.as_mut_slice())));
    each("apply_event/first", &mut devices, |device| {
        device.encryption_event(ROOM, black_box(typical.as_bytes())).is_ok()
    });
    assert!(devices[1].is_known_encrypted(ROOM));
    each("apply_event/unchanged", &mut devices, |device| {
        device.encryption_event(ROOM, black_box(typical.as_bytes())).is_ok()
    });
    each("apply_event/tightened", &mut devices, |device| {
        device.encryption_event(ROOM, black_box(tighter.as_bytes())).is_ok()
    });
    assert!(devices[1].settings(ROOM).is_some_and(|settings| settings.rotation_period_msgs == 99));

    let mut devices = after_one_message(&mut storage, 100);
    each("apply_event/departure", &mut devices, |device| {
        let previous = PreviousMembership::Known(Membership::Join);
        device.member_event(ROOM, black_box(previous), black_box(Membership::Leave), false).is_ok()
    });
    assert_eq!(decide(&mut devices[1], ROOM, |decision| matches!(decision, Decision::Share(_))), Some(true));
}
