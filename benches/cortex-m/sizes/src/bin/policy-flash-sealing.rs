//! As `policy`, with sessions sealed too, over the store on NOR flash.

#![no_std]
#![no_main]

use pawl_core::flash::FlashStore;
use pawl_core::{SessionsStored, sealed_length};
use pawl_sizes::outside::{Calendar, Flash, Random, Session, answer, next};
use pawl_sizes::run;

/// Where the image begins.
#[unsafe(no_mangle)]
pub extern "C" fn pawl_entry() {
    match FlashStore::new(Flash, 0x7_8000..0x8_0000, sealed_length::<Session>(), next()) {
        Ok(store) => run::<_, 8>(next(), SessionsStored::new(store, next(), Calendar, Random, next())),
        Err(error) => answer(error),
    }
}
