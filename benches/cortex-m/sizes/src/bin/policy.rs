//! Settings, rotation, rooms and their records, over somebody else's store.

#![no_std]
#![no_main]

use pawl_core::RoomsStored;
use pawl_sizes::outside::{Elsewhere, next};
use pawl_sizes::run;

/// Where the image begins.
#[unsafe(no_mangle)]
pub extern "C" fn pawl_entry() {
    run::<_, 8>(next(), RoomsStored::new(Elsewhere));
}
