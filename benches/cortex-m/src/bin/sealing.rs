//! What a device costs that stores its sessions.

#![no_std]
#![no_main]

use pawl_cortex_m::{run, storing};

#[cortex_m_rt::entry]
fn main() -> ! {
    run(storing::measure_reservation)
}
