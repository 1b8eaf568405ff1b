//! What reading the content of an `m.room.encryption` event costs.
//!
//! - `parse_settings/<input>`: what real software sends, and 64 KiB of each kind that a hostile server could.
//! - `parse_hostile/<kind>/<bytes>`: each kind from 1 KiB to 64 KiB, with throughput: it stays the same, since reading is
//!   linear in the length.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pawl_benches::contents::{Hostile, MINIMAL, TYPICAL};
use pawl_core::settings::{Limits, read};

fn parse_settings(criterion: &mut Criterion) {
    let limits = Limits::default();
    let mut group = criterion.benchmark_group("parse_settings");
    let mut bench = |name: &str, content: &[u8]| {
        group.bench_function(name, |bencher| bencher.iter(|| read(black_box(content), black_box(&limits))));
    };
    bench("typical", TYPICAL);
    bench("minimal", MINIMAL);
    for kind in Hostile::ALL {
        bench(&format!("64KiB_of_{}", kind.name()), &kind.content(65_536));
    }
    group.finish();
}

fn parse_hostile(criterion: &mut Criterion) {
    let limits = Limits::default();
    let mut group = criterion.benchmark_group("parse_hostile");
    for kind in Hostile::ALL {
        for length in [1_024, 4_096, 16_384, 65_536] {
            let content = kind.content(length);
            group.throughput(Throughput::Bytes(content.len() as u64));
            group.bench_function(BenchmarkId::new(kind.name(), length), |bencher| {
                bencher.iter(|| read(black_box(&content), black_box(&limits)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, parse_settings, parse_hostile);
criterion_main!(benches);
