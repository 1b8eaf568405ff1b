//! Settings, rotation and rooms; nothing outlives a restart.

#![no_std]
#![no_main]

use pawl_sizes::outside::next;
use pawl_sizes::run_new;

/// Where the image begins.
#[unsafe(no_mangle)]
pub extern "C" fn pawl_entry() {
    run_new::<8>(next());
}
