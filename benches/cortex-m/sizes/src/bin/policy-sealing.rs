//! As `policy`, and sessions are sealed and stored too.

#![no_std]
#![no_main]

use pawl_core::SessionsStored;
use pawl_sizes::outside::{Calendar, Elsewhere, Random, next};
use pawl_sizes::run;

/// Where the image begins.
#[unsafe(no_mangle)]
pub extern "C" fn pawl_entry() {
    run::<_, 8>(next(), SessionsStored::new(Elsewhere, next(), Calendar, Random, next()));
}
