//! Prints what pawl-core costs on a Cortex-M4, one figure a line: `stack <name> <bytes>`, `instructions <name> <n>` and
//! `ram <what> <bytes>`.
//!
//! Stack is measured by painting the free stack, calling, and looking how far down the paint is gone. Instructions are a
//! timer's ticks under QEMU's `-icount shift=0`, where an instruction takes a nanosecond and the timer, at 25 MHz, ticks
//! once in forty; the mean over at least 1,000 calls, the empty loop taken off. So these are instructions, not cycles: a
//! board's loads, branches and flash wait states make more of them.
//!
//! A program (`src/bin/`) has one kind of device in it, as a firmware has: with two, what they share is in the midst of neither.

#![no_std]

pub mod decisions;
mod devices;
mod inputs;
pub mod lookup;
mod measure;
pub mod memory;
pub mod reading;
pub mod storing;
mod timer;

use cortex_m_semihosting::{debug, hprintln};

/// Measures, and ends the program.
pub fn run(measure: impl FnOnce()) -> ! {
    timer::start();
    measure();
    debug::exit(debug::EXIT_SUCCESS);
    loop {}
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    hprintln!("{}", info);
    debug::exit(debug::EXIT_FAILURE);
    loop {}
}
