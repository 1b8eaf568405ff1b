//! What a device's calls cost, pawl alone.
//!
//! - `lookup/<rooms>`: whether a room is encrypted, each time another of the rooms, in an order that no processor guesses; `lookup_alike`
//!   the same with the dearest IDs that a server can make.
//! - `decide/<rooms>`: reading the clock, the lookup, and the decision that a message may go out, whose permit is dropped.
//! - `apply_event/pawl`: an event that changes nothing, from its bytes on.
//! - `record/{write,read}`: a room's record, without the store.

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use pawl_benches::contents::TYPICAL;
use pawl_benches::devices::{
    NoEncryption, ROOMS, decide, id_like_the_others, in_rooms, places, room, usual_id,
};
use pawl_benches::storing::record;
use pawl_core::Decision;
use pawl_core::record::RoomRecord;

/// Room after room, each as often as any other, in an order without a pattern.
fn in_no_order<'a>(ids: &'a [String]) -> impl FnMut() -> &'a str {
    let mut state = 1_u64;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        &ids[(state >> 33) as usize % ids.len()]
    }
}

fn lookup(criterion: &mut Criterion) {
    for (name, id) in [("lookup", usual_id as fn(u32) -> String), ("lookup_alike", id_like_the_others)] {
        let mut group = criterion.benchmark_group(name);
        for rooms in ROOMS {
            let ids: Vec<_> = (0..rooms).map(id).collect();
            let mut places = places(ids.len());
            let device = in_rooms(&mut places, &ids, NoEncryption::default);
            let mut next = in_no_order(&ids);
            group.bench_function(BenchmarkId::from_parameter(rooms), |bencher| {
                bencher.iter_batched(
                    || room(next()),
                    |room| device.is_known_encrypted(room),
                    BatchSize::SmallInput,
                );
            });
        }
        group.finish();
    }
}

fn decision(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decide");
    for rooms in ROOMS {
        let ids: Vec<_> = (0..rooms).map(usual_id).collect();
        let mut places = places(ids.len());
        let mut device = in_rooms(&mut places, &ids, NoEncryption::default);
        let mut next = in_no_order(&ids);
        group.bench_function(BenchmarkId::from_parameter(rooms), |bencher| {
            bencher.iter_batched(
                || room(next()),
                |room| matches!(decide(&mut device, room, NoEncryption::default), Some(Decision::Encrypt(_))),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn apply_event(criterion: &mut Criterion) {
    pawl_benches::as_in_a_device_that_sends();
    let ids = [usual_id(0)];
    let mut places = places(1);
    let mut device = in_rooms(&mut places, &ids, NoEncryption::default);
    let mut group = criterion.benchmark_group("apply_event");
    group.bench_function("pawl", |bencher| {
        bencher.iter(|| device.encryption_event(black_box(room(&ids[0])), black_box(TYPICAL)));
    });
    group.finish();
}

fn records(criterion: &mut Criterion) {
    let record = record();
    let bytes = record.to_bytes(3);
    let mut group = criterion.benchmark_group("record");
    group.bench_function("write", |bencher| bencher.iter(|| black_box(&record).to_bytes(black_box(3))));
    group.bench_function("read", |bencher| {
        bencher.iter(|| RoomRecord::from_bytes(black_box(&bytes), black_box(3)).is_ok());
    });
    group.finish();
}

criterion_group!(benches, lookup, decision, apply_event, records);
criterion_main!(benches);
