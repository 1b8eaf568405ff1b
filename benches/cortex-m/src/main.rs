//! Prints what pawl-core costs on a Cortex-M4, one figure a line: `stack <name> <bytes>`, `instructions <name> <n>` and
//! `ram <what> <bytes>`.
//!
//! Stack is measured by painting the free stack, calling, and looking how far down the paint is gone. Instructions are a
//! timer's ticks under QEMU's `-icount shift=0`, where an instruction takes a nanosecond and the timer, at 25 MHz, ticks
//! once in forty; the mean over at least 1,000 calls, the empty loop taken off. So these are instructions, not cycles: a
//! board's loads, branches and flash wait states make more of them.

#![no_std]
#![no_main]

mod decisions;
mod devices;
mod inputs;
mod lookup;
mod measure;
mod memory;
mod reading;
mod storing;
mod timer;

use cortex_m_rt::entry;
use cortex_m_semihosting::{debug, hprintln};

#[entry]
fn main() -> ! {
    timer::start();
    memory::print();
    decisions::measure();
    lookup::measure();
    reading::measure();
    storing::measure();
    debug::exit(debug::EXIT_SUCCESS);
    loop {}
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    hprintln!("{}", info);
    debug::exit(debug::EXIT_FAILURE);
    loop {}
}
