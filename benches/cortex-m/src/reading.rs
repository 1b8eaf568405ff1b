//! What reading the content of `m.room.encryption` costs.

use core::hint::black_box;

use pawl_core::settings::{self, Limits, Malformed, Reading};

use crate::inputs::{self, HOSTILE, LENGTHS_KIB};
use crate::measure::again;

/// All of them.
#[inline(never)]
pub fn measure() {
    assert!(matches!(reading(inputs::TYPICAL), Reading::Usable(..)));
    measure_one("parse_settings/typical", inputs::TYPICAL);
    measure_one("parse_settings/minimal", inputs::MINIMAL);
    measure_one("parse_settings/empty", b"{}");
    assert_eq!(reading(inputs::deepest()), Reading::Malformed(Malformed::AlgorithmMissing));
    measure_one("parse_settings/deepest", inputs::deepest());
    for hostile in &HOSTILE {
        for length_kib in LENGTHS_KIB {
            let content = hostile.content(length_kib);
            let end = reading(content) == Reading::Malformed(Malformed::AlgorithmMissing);
            assert_eq!(end, hostile.read_to_the_end);
            measure_one(&hostile.name(length_kib), content);
        }
    }
}

fn reading(content: &[u8]) -> Reading {
    settings::read(content, &Limits::default())
}

#[inline(never)]
fn measure_one(name: &str, content: &[u8]) {
    let limits = Limits::default();
    again(name, &mut [content], |content| settings::read(black_box(content), black_box(&limits)));
}
