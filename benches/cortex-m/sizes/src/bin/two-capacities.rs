//! As `policy`, for a table of 8 places or one of 64: one copy of the code serves both.

#![no_std]
#![no_main]

use pawl_core::RoomsStored;
use pawl_sizes::outside::{Elsewhere, next};
use pawl_sizes::run;

/// Where the image begins.
#[unsafe(no_mangle)]
pub extern "C" fn pawl_entry() {
    if next() {
        run::<_, 8>(next(), RoomsStored::new(Elsewhere));
    } else {
        run::<_, 64>(next(), RoomsStored::new(Elsewhere));
    }
}
