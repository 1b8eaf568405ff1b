//! As `policy`, over the store on NOR flash.

#![no_std]
#![no_main]

use pawl_core::RoomsStored;
use pawl_core::flash::FlashStore;
use pawl_core::record::ROOM_RECORD_LENGTH;
use pawl_sizes::outside::{Flash, answer, next};
use pawl_sizes::run;

/// Where the image begins.
#[unsafe(no_mangle)]
pub extern "C" fn pawl_entry() {
    match FlashStore::new(Flash, 0x7_8000..0x8_0000, ROOM_RECORD_LENGTH, next()) {
        Ok(store) => run::<_, 8>(next(), RoomsStored::new(store)),
        Err(error) => answer(error),
    }
}
