//! What asking "must this session be replaced?" costs, for a session that need not be: what nearly every message pays.
//!
//! - `rotation_check`: `pawl` is [`reason_to_rotate`] with the time given; `floor` is the two comparisons that any
//!   implementation makes, count and age, and no more. The difference is what pawl looks at besides: events that end a
//!   session, a clock that went back, an age that runs to the end of a tick. Both get the same input by reference, and
//!   neither can be worked out beforehand. It tilts towards `floor`, which gives a bare yes or no.
//! - `rotation_check_with_clock`: `pawl` is reading the host's clock onto pawl's timeline and then that same check;
//!   `clock` is reading the same clock and no more. The difference is what pawl adds to a clock that is read anyway. It
//!   tilts towards `clock`: its nanoseconds are turned into the timeline's milliseconds on pawl's side alone.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use embedded_time::Clock;
use pawl_benches::StdClock;
use pawl_core::clock::{Now, Timeline};
use pawl_core::rotation::{PendingReasons, Usage, reason_to_rotate};
use pawl_core::settings::Settings;

const SETTINGS: Settings =
    Settings { rotation_period_msgs: 100, rotation_period_ms: 604_800_000, encrypt_state_events: false };

/// Half way to both limits at [`NOW`].
const USAGE: Usage = Usage { messages: 50, created_ms: 0, epoch: 0, pending: PendingReasons::NONE };

const NOW: Now = Now { tick_begin_ms: 302_400_000, tick_end_ms: 302_400_000, epoch: 0 };

/// The two comparisons alone.
fn floor(usage: &Usage, settings: &Settings, now: Now) -> bool {
    usage.messages >= settings.rotation_period_msgs
        || now.tick_end_ms.saturating_sub(usage.created_ms) >= settings.rotation_period_ms
}

fn rotation_check(criterion: &mut Criterion) {
    assert_eq!(reason_to_rotate(&USAGE, &SETTINGS, NOW), None);
    assert!(!floor(&USAGE, &SETTINGS, NOW));

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
    let clock = StdClock::start();
    let mut timeline = Timeline::new();

    let mut group = criterion.benchmark_group("rotation_check_with_clock");
    group.bench_function("pawl", |bencher| {
        bencher.iter(|| {
            let now = timeline.read(black_box(&clock)).expect("a clock");
            reason_to_rotate(black_box(&USAGE), black_box(&SETTINGS), now)
        });
    });
    group.bench_function("clock", |bencher| {
        bencher.iter(|| black_box(&clock).try_now().expect("a clock"));
    });
    group.finish();
}

criterion_group!(benches, rotation_check, rotation_check_with_clock);
criterion_main!(benches);
