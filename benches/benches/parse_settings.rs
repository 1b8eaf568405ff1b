//! What reading the content of an `m.room.encryption` event costs.
//!
//! - `parse_settings` and `parse_settings_{reordered,spaced,escaped,unknown}`: the same settings in five spellings.
//!   - `pawl` is [`read`]: from bytes that nobody has looked at to settings within limits, with diagnostics.
//!   - `serde-json-core` and `serde_json` read the same bytes into a plain struct. It tilts towards them: nobody compares the
//!     algorithm, brings numbers within limits, or bounds the depth, and one bad number fails the whole. serde-json-core takes
//!     some of what is not JSON in keys that it does not know. It gets a buffer for escapes, as it must
//!     to understand all five spellings; without one it is no faster on those that have none.
//!   - `ruma-events` is `Raw::<RoomEncryptionEventContent>::deserialize`, what its users call. It tilts towards it in that the
//!     bytes are known to be UTF-8 and JSON already, from reading the event around them; and against it in that what
//!     it makes owns its algorithm, if it is not a known one.
//! - `parse_hostile/<kind>/<bytes>`: pawl alone, each kind of content that gives a reader work, from 64 B to 64 KiB, with throughput:
//!   it stays the same, since reading is linear in the length.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pawl_benches::contents::SPELLINGS;
use pawl_benches::hostile::{Hostile, LENGTHS};
use pawl_core::settings::{Limits, read};

fn parse_settings(criterion: &mut Criterion) {
    let limits = Limits::default();
    for (name, content) in SPELLINGS {
        let mut group = criterion.benchmark_group(name);
        group.bench_function("pawl", |bencher| {
            bencher.iter(|| read(black_box(content), black_box(&limits)));
        });
        #[cfg(feature = "peers")]
        {
            use pawl_benches::peers::{plain_serde_json, plain_serde_json_core, raw, ruma};

            let mut unescaped = [0; 64];
            group.bench_function("serde-json-core", |bencher| {
                bencher.iter(|| plain_serde_json_core(black_box(content), black_box(&mut unescaped)));
            });
            group.bench_function("serde_json", |bencher| {
                bencher.iter(|| plain_serde_json(black_box(content)));
            });
            let raw = raw(content);
            group.bench_function("ruma-events", |bencher| bencher.iter(|| ruma(black_box(&raw))));
        }
        group.finish();
    }
}

fn parse_hostile(criterion: &mut Criterion) {
    let limits = Limits::default();
    let mut group = criterion.benchmark_group("parse_hostile");
    for kind in Hostile::ALL {
        for length in LENGTHS {
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
