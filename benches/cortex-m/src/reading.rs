//! What reading the content of `m.room.encryption` costs.

use core::hint::black_box;

use pawl_core::settings::{self, Limits};

use crate::inputs;
use crate::measure::again;

/// All of them.
#[inline(never)]
pub fn measure() {
    let limits = Limits::default();
    for input in inputs::ALL {
        again(input.name, &mut [input.content()], |content| {
            settings::read(black_box(content), black_box(&limits))
        });
    }
}
