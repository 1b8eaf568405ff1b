//! What asking "must this session be replaced?" costs, for a session that need not be: what nearly every message pays.
//!
//! - `rotation_check`, the time given: `pawl` is [`reason_to_rotate`]; `floor` is the two comparisons that any
//!   implementation makes, count and age, and no more. The difference is what pawl looks at besides: events that end a
//!   session, a clock that went back, an age that runs to the end of a tick. Both get the same input by reference, and
//!   neither can be worked out beforehand. It tilts towards `floor`, which gives a bare yes or no.
//! - `rotation_check_with_clock`, all three with the clock [`SystemTime`]: `pawl` reads it onto pawl's timeline and then makes
//!   that same check; `matrix-sdk-crypto` is its `OutboundGroupSession::expired()`, which reads it too; `clock` is that read alone.
//!   Towards pawl tilts that matrix-sdk-crypto finds its figures behind pointers that it shares between threads, loads its count
//!   atomically, and brings both limits within bounds in every call: pawl does that once, when it reads the settings. Towards
//!   matrix-sdk-crypto tilts that it checks count and age alone: whether the session was invalidated is asked
//!   elsewhere, and time is taken as it is shown, in whole seconds. pawl's side counts milliseconds, keeps the time
//!   from going back, and looks for events that end a session.

#[cfg(feature = "peers")]
mod matrix_sdk_crypto_session;

use std::hint::black_box;
use std::time::SystemTime;

use criterion::{Criterion, criterion_group, criterion_main};
use pawl_benches::StdClock;
use pawl_benches::decisions::{NOW, SETTINGS, USAGE, floor};
use pawl_core::clock::Timeline;
use pawl_core::rotation::{Usage, reason_to_rotate};

fn rotation_check(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rotation_check");
    group.bench_function("pawl", |bencher| {
        bencher.iter(|| reason_to_rotate(black_box(&USAGE), black_box(&SETTINGS), *black_box(&NOW)));
    });
    group.bench_function("floor", |bencher| {
        bencher.iter(|| floor(black_box(&USAGE), black_box(&SETTINGS), *black_box(&NOW)));
    });
    group.finish();
}

fn rotation_check_with_clock(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rotation_check_with_clock");
    let mut timeline = Timeline::new();
    let usage = Usage::begin(timeline.read(&StdClock).expect("a clock"));
    group.bench_function("pawl", |bencher| {
        bencher.iter(|| {
            let now = timeline.read(black_box(&StdClock)).expect("a clock");
            reason_to_rotate(black_box(&usage), black_box(&SETTINGS), now)
        });
    });
    #[cfg(feature = "peers")]
    {
        let session = matrix_sdk_crypto_session::outbound_group_session();
        assert!(!session.expired());
        group.bench_function("matrix-sdk-crypto", |bencher| bencher.iter(|| black_box(&session).expired()));
    }
    group.bench_function("clock", |bencher| bencher.iter(SystemTime::now));
    group.finish();
}

criterion_group!(benches, rotation_check, rotation_check_with_clock);
criterion_main!(benches);
