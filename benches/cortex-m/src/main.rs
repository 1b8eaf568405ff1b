//! Prints what reading `m.room.encryption` costs on a Cortex-M4: `stack <name> <bytes>` and `instructions <name> <n>`.
//!
//! Stack is measured by painting the free stack, calling, and looking how far down the paint is gone. Instructions are
//! SysTick's ticks under QEMU's `-icount shift=0`, where an instruction takes a nanosecond and SysTick, at 25 MHz, ticks
//! once in forty; the mean over many calls, the empty loop taken off.

#![no_std]
#![no_main]

mod inputs;
mod measure;

use core::hint::black_box;

use cortex_m_rt::entry;
use cortex_m_semihosting::{debug, hprintln};
use pawl_core::settings::{self, Limits};

use crate::measure::{instructions, stack_bytes};

#[entry]
fn main() -> ! {
    let limits = Limits::default();
    for input in inputs::ALL {
        let content = input.content();
        let read = || {
            let _ = black_box(settings::read(black_box(content), black_box(&limits)));
        };
        hprintln!("stack parse_settings/{} {}", input.name, stack_bytes(read));
        hprintln!("instructions parse_settings/{} {}", input.name, instructions(input.calls(), read));
    }
    debug::exit(debug::EXIT_SUCCESS);
    loop {}
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    hprintln!("{}", info);
    debug::exit(debug::EXIT_FAILURE);
    loop {}
}
