//! What takes up RAM.

use cortex_m_semihosting::hprintln;
use pawl_core::{Device, NothingStored, Permit, RoomPlace, ShareRequest};

/// Prints the sizes of what is held.
pub fn print() {
    hprintln!("ram room_without_session {}", size_of::<RoomPlace<()>>());
    hprintln!("ram device {}", size_of::<Device<'_, (), NothingStored>>());
    hprintln!("ram permit {}", size_of::<Permit<'_, ()>>());
    hprintln!("ram share_request {}", size_of::<ShareRequest>());
}
