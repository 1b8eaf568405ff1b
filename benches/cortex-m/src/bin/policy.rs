//! What a device costs of which nothing is stored, and what every device needs.

#![no_std]
#![no_main]

use pawl_cortex_m::{decisions, lookup, memory, reading, run, storing};

#[cortex_m_rt::entry]
fn main() -> ! {
    run(|| {
        memory::print();
        decisions::measure();
        lookup::measure();
        reading::measure();
        storing::measure_records();
    })
}
