//! What reading the content of an `m.room.encryption` event costs.
//!
//! - `parse_settings` and `parse_settings_{reordered,spaced,escaped,unknown}`: the same settings in five spellings.
//!   - `pawl` is [`read`]: from bytes that nobody has looked at to settings within limits, with diagnostics. It is compiled as in a
//!     device that sends, of which the reader is a function of its own; in a program that reads and does not send it is faster.
//!   - `serde-json-core` and `serde_json` read the same bytes into a plain struct. It tilts towards them: nobody compares the
//!     algorithm, brings numbers within limits, or bounds the depth, and one bad number fails the whole. serde-json-core takes
//!     some of what is not JSON in keys that it does not know.
//!   - `serde-json-core` is given a buffer for escapes, as it must be to understand all five spellings. It tilts towards pawl where
//!     there is no escape: the buffer costs a look for backslashes in every string. `serde-json-core-as-it-stands` is the faster
//!     call without one, in the four spellings that it reads rightly. It tilts towards serde-json-core: pawl understands escapes
//!     in these four too, and who calls it so takes an escaped key for an unknown one.
//!   - `ruma-events` is `Raw::<RoomEncryptionEventContent>::deserialize`, what its users call, and the dropping of what it makes. It
//!     tilts towards it in that the bytes are known to be UTF-8 and JSON already, from reading the event around them; and against
//!     it in that what it makes owns its algorithm, if it is not a known one.
//! - `parse_hostile/<kind>/<bytes>`: pawl alone, each kind of content that gives a reader work, from 64 B to 64 KiB, with throughput:
//!   it stays the same, since reading is linear in the length.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
#[cfg(feature = "peers")]
use pawl_benches::contents::ESCAPED;
use pawl_benches::contents::SPELLINGS;
use pawl_benches::hostile::{Hostile, LENGTHS};
use pawl_core::settings::{Limits, read};

fn parse_settings(criterion: &mut Criterion) {
    pawl_benches::as_in_a_device_that_sends();
    let limits = Limits::default();
    for (name, content) in SPELLINGS {
        let mut group = criterion.benchmark_group(name);
        group.bench_function("pawl", |bencher| {
            bencher.iter(|| read(black_box(content), black_box(&limits)));
        });
        #[cfg(feature = "peers")]
        {
            use pawl_benches::peers::{
                plain_serde_json, plain_serde_json_core, plain_serde_json_core_as_it_stands, raw, ruma,
            };

            // What is timed is what reads it rightly.
            let algorithm = Some("m.megolm.v1.aes-sha2");
            let mut unescaped = [0; 64];
            assert_eq!(
                plain_serde_json_core(content, &mut unescaped).map(|plain| plain.algorithm),
                algorithm
            );
            assert_eq!(plain_serde_json(content).map(|plain| plain.algorithm), algorithm);
            assert_eq!(ruma(&raw(content)).as_ref().map(|content| content.algorithm.as_str()), algorithm);
            group.bench_function("serde-json-core", |bencher| {
                bencher.iter(|| plain_serde_json_core(black_box(content), black_box(&mut unescaped)));
            });
            if content != ESCAPED {
                assert_eq!(
                    plain_serde_json_core_as_it_stands(content).map(|plain| plain.algorithm),
                    algorithm
                );
                group.bench_function("serde-json-core-as-it-stands", |bencher| {
                    bencher.iter(|| plain_serde_json_core_as_it_stands(black_box(content)));
                });
            }
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
