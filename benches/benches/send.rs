//! `send/{pawl-vodozemac,vodozemac}`: the whole way of a message with pawl over vodozemac, against vodozemac's encryption alone.
//!
//! `pawl-vodozemac` reads the clock, looks the room up, decides, counts, writes the payload from the event, encrypts and writes
//! `m.room.encrypted`. `vodozemac` encrypts and encodes a payload that was there already. It tilts towards vodozemac: any client has
//! to write payload and event. Cryptography drowns the difference in time; instructions show it.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use pawl_benches::devices::{in_rooms, places, usual_id};
use pawl_benches::sending::{EVENT, encrypt, group_session, payload, send};
use pawl_core::VodozemacSession;

fn sending(criterion: &mut Criterion) {
    let ids = [usual_id(0)];
    let mut places = places(1);
    let mut device = in_rooms(&mut places, &ids, VodozemacSession::new);
    let (mut session, payload) = (group_session(), payload(&ids[0]));

    let mut group = criterion.benchmark_group("send");
    group.bench_function("pawl-vodozemac", |bencher| {
        bencher.iter(|| send(&mut device, black_box(&ids[0]), black_box(&EVENT)).expect("an event"));
    });
    group.bench_function("vodozemac", |bencher| bencher.iter(|| encrypt(&mut session, black_box(&payload))));
    group.finish();
}

criterion_group!(benches, sending);
criterion_main!(benches);
