//! The instructions of what the other benchmarks time, counted by callgrind: the same in every run, whatever else the machine does.
//!
//! The docs of those benchmarks say which side each tilts to. What does something in a process's first call alone (the first
//! block of memory, what the processor can do) is called once beforehand, so that this is not counted. What reads a clock counts none of
//! what the kernel does for it. A figure's name is that of the time's: two underscores stand for the slash.
//! `cargo run -p pawl-checks -- instructions` runs it.

#![expect(missing_docs, reason = "gungraun makes public modules of the benchmarks")]
#![allow(unreachable_pub, non_snake_case, reason = "as above; and a figure's name has a slash in it")]

use std::hint::black_box;
use std::time::SystemTime;

use gungraun::{library_benchmark, library_benchmark_group, main};
use pawl_benches::StdClock;
use pawl_benches::contents::{ESCAPED, REORDERED, SPACED, TYPICAL, UNKNOWN};
use pawl_benches::decisions::{NOW, SETTINGS, USAGE, floor};
use pawl_benches::devices::{NoEncryption, decide, id_like_the_others, in_rooms, places, room, usual_id};
use pawl_benches::hostile::Hostile;
use pawl_benches::sending::{EVENT, encrypt, group_session, payload, send};
use pawl_benches::storing::record;
use pawl_core::clock::Timeline;
use pawl_core::record::RoomRecord;
use pawl_core::rotation::{RotationReason, Usage, reason_to_rotate};
use pawl_core::settings::{Limits, Reading, Settings, read};
use pawl_core::{Decision, Device, VodozemacSession};
use vodozemac::megolm::GroupSession;

/// What is set up stays to the end, so that its end is not counted.
fn kept<T>(what: T) -> &'static mut T {
    Box::leak(Box::new(what))
}

#[library_benchmark]
#[bench::rotation_check__pawl(&USAGE, &SETTINGS)]
fn check(usage: &Usage, settings: &Settings) -> Option<RotationReason> {
    reason_to_rotate(black_box(usage), black_box(settings), *black_box(&NOW))
}

#[library_benchmark]
#[bench::rotation_check__floor(&USAGE, &SETTINGS)]
fn two_comparisons(usage: &Usage, settings: &Settings) -> bool {
    floor(black_box(usage), black_box(settings), *black_box(&NOW))
}

fn timeline() -> (&'static mut Timeline, &'static mut Usage) {
    let timeline = kept(Timeline::new());
    let usage = kept(Usage::begin(timeline.read(&StdClock).expect("a clock")));
    (timeline, usage)
}

#[library_benchmark]
#[bench::rotation_check_with_clock__pawl(timeline())]
fn check_with_clock(
    (timeline, usage): (&'static mut Timeline, &'static mut Usage),
) -> Option<RotationReason> {
    let now = timeline.read(black_box(&StdClock)).expect("a clock");
    reason_to_rotate(black_box(usage), black_box(&SETTINGS), now)
}

#[library_benchmark]
#[bench::rotation_check_with_clock__clock()]
fn clock() -> SystemTime {
    SystemTime::now()
}

fn limits() -> &'static Limits {
    kept(Limits::default())
}

#[library_benchmark]
#[bench::parse_settings__pawl(TYPICAL, limits())]
#[bench::parse_settings_reordered__pawl(REORDERED, limits())]
#[bench::parse_settings_spaced__pawl(SPACED, limits())]
#[bench::parse_settings_escaped__pawl(ESCAPED, limits())]
#[bench::parse_settings_unknown__pawl(UNKNOWN, limits())]
fn settings(content: &'static [u8], limits: &'static Limits) -> Reading {
    read(black_box(content), black_box(limits))
}

#[library_benchmark]
#[bench::parse_hostile__depth__4096(kept(Hostile::Depth.content(4_096)), limits())]
#[bench::parse_hostile__depth__65536(kept(Hostile::Depth.content(65_536)), limits())]
#[bench::parse_hostile__string__4096(kept(Hostile::String.content(4_096)), limits())]
#[bench::parse_hostile__string__65536(kept(Hostile::String.content(65_536)), limits())]
#[bench::parse_hostile__escapes__4096(kept(Hostile::Escapes.content(4_096)), limits())]
#[bench::parse_hostile__escapes__65536(kept(Hostile::Escapes.content(65_536)), limits())]
#[bench::parse_hostile__multibyte__4096(kept(Hostile::Multibyte.content(4_096)), limits())]
#[bench::parse_hostile__multibyte__65536(kept(Hostile::Multibyte.content(65_536)), limits())]
#[bench::parse_hostile__multibyte_alternating__4096(kept(Hostile::MultibyteAlternating.content(4_096)), limits())]
#[bench::parse_hostile__multibyte_alternating__65536(kept(Hostile::MultibyteAlternating.content(65_536)), limits())]
#[bench::parse_hostile__digits__4096(kept(Hostile::Digits.content(4_096)), limits())]
#[bench::parse_hostile__digits__65536(kept(Hostile::Digits.content(65_536)), limits())]
#[bench::parse_hostile__empty_keys__4096(kept(Hostile::EmptyKeys.content(4_096)), limits())]
#[bench::parse_hostile__empty_keys__65536(kept(Hostile::EmptyKeys.content(65_536)), limits())]
#[bench::parse_hostile__escaped_keys__4096(kept(Hostile::EscapedKeys.content(4_096)), limits())]
#[bench::parse_hostile__escaped_keys__65536(kept(Hostile::EscapedKeys.content(65_536)), limits())]
#[bench::parse_hostile__white_space__4096(kept(Hostile::WhiteSpace.content(4_096)), limits())]
#[bench::parse_hostile__white_space__65536(kept(Hostile::WhiteSpace.content(65_536)), limits())]
fn hostile(content: &'static mut [u8], limits: &'static Limits) -> Reading {
    read(black_box(content), black_box(limits))
}

/// A device in so many rooms, and the ID of the one that is made last: of IDs that are like each other, the one found last.
fn device(id: fn(u32) -> String, rooms: u32) -> (&'static mut Device<'static, NoEncryption>, String) {
    let ids: Vec<_> = (0..rooms).map(id).collect();
    let places = kept(places(ids.len()));
    (kept(in_rooms(places, &ids, NoEncryption::default)), id(rooms - 1))
}

/// A device in one room that was told of its settings twice already: to hear of them again changes nothing.
fn told_of_settings() -> (&'static mut Device<'static, NoEncryption>, String) {
    let (device, id) = device(usual_id, 1);
    for _ in 0..2 {
        assert!(device.encryption_event(room(&id), TYPICAL).is_ok());
    }
    (device, id)
}

type InRooms = (&'static mut Device<'static, NoEncryption>, String);

#[library_benchmark]
#[bench::lookup__1(device(usual_id, 1))]
#[bench::lookup__64(device(usual_id, 64))]
#[bench::lookup__1024(device(usual_id, 1_024))]
#[bench::lookup__4096(device(usual_id, 4_096))]
#[bench::lookup_alike__1024(device(id_like_the_others, 1_024))]
#[bench::lookup_alike__4096(device(id_like_the_others, 4_096))]
fn lookup((device, id): InRooms) -> (bool, String) {
    (device.is_known_encrypted(black_box(room(&id))), id)
}

#[library_benchmark]
#[bench::decide__1(device(usual_id, 1))]
#[bench::decide__64(device(usual_id, 64))]
#[bench::decide__1024(device(usual_id, 1_024))]
#[bench::decide__4096(device(usual_id, 4_096))]
fn decision((device, id): InRooms) -> (bool, String) {
    let decision = decide(device, black_box(room(&id)), NoEncryption::default);
    (matches!(decision, Some(Decision::Encrypt(_))), id)
}

#[library_benchmark]
#[bench::apply_event__pawl(told_of_settings())]
fn apply_event((device, id): InRooms) -> (bool, String) {
    (device.encryption_event(black_box(room(&id)), black_box(TYPICAL)).is_ok(), id)
}

#[library_benchmark]
#[bench::record__write(kept(record()))]
fn write_record(record: &RoomRecord<'static>) -> impl Sized + use<> {
    black_box(record).to_bytes(black_box(3))
}

#[library_benchmark]
#[bench::record__read(kept(record().to_bytes(3)))]
fn read_record(bytes: &'static [u8]) -> bool {
    RoomRecord::from_bytes(black_box(bytes), black_box(3)).is_ok()
}

type Sender = (&'static mut Device<'static, VodozemacSession>, String);

fn sender() -> Sender {
    let ids = [usual_id(0)];
    let device = kept(in_rooms(kept(places(1)), &ids, VodozemacSession::new));
    let [id] = ids;
    assert!(send(device, &id, &EVENT).is_some());
    (device, id)
}

#[library_benchmark]
#[bench::send__pawl_vodozemac(sender())]
fn with_pawl((device, id): Sender) -> (Option<usize>, String) {
    (send(device, black_box(&id), black_box(&EVENT)), id)
}

type Bare = (&'static mut GroupSession, Vec<u8>);

fn bare() -> Bare {
    let (session, payload) = (kept(group_session()), payload(&usual_id(0)));
    assert!(!encrypt(session, &payload).is_empty());
    (session, payload)
}

#[library_benchmark]
#[bench::send__vodozemac(bare())]
fn without_pawl((session, payload): Bare) -> Vec<u8> {
    drop(black_box(encrypt(session, black_box(&payload)))); // whose time has the dropping in it too
    payload
}

library_benchmark_group!(
    name = pawl,
    benchmarks = [
        check,
        two_comparisons,
        check_with_clock,
        clock,
        settings,
        hostile,
        lookup,
        decision,
        apply_event,
        write_record,
        read_record,
        with_pawl,
        without_pawl
    ]
);

main!(library_benchmark_groups = pawl);
