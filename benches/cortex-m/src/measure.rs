//! Stack and instructions of a call.

use core::hint::black_box;
use core::ptr;

use cortex_m::peripheral::{SYST, syst::SystClkSource};
use cortex_m::register::msp;

/// How much of the free stack is painted, in bytes; more than anything here uses.
const PAINTED: usize = 64 * 1_024;

const PAINT: u32 = 0x9a11_9a11;

/// The bytes of stack that a call uses, to a word, with what it takes to make the call.
#[inline(never)]
pub(crate) fn stack_bytes(call: impl Fn()) -> usize {
    let top = msp::read() as usize;
    let bottom = top - PAINTED;
    // Nothing is in use below the stack pointer; a margin is left for the calls that paint.
    for place in (bottom..top - 64).step_by(4) {
        // SAFETY: the memory below the stack pointer is free RAM of this program.
        unsafe { ptr::write_volatile(place as *mut u32, PAINT) };
    }
    call();
    let untouched = (bottom..top)
        .step_by(4)
        // SAFETY: as above.
        .take_while(|&place| unsafe { ptr::read_volatile(place as *const u32) } == PAINT)
        .count();
    PAINTED - 4 * untouched
}

/// The instructions that a call takes: the mean over `calls`, the empty loop taken off, to the nearest.
#[inline(never)]
pub(crate) fn instructions(calls: u32, call: impl Fn()) -> u32 {
    let with_call = ticks(calls, call);
    let without = ticks(calls, || {
        black_box(());
    });
    // A tick is 40 instructions.
    ((with_call - without) * 40 + u64::from(calls) / 2).checked_div(u64::from(calls)).unwrap_or_default() as u32
}

/// SysTick's ticks while a call is made so many times: at most 2²⁴ altogether.
#[inline(never)]
fn ticks(calls: u32, call: impl Fn()) -> u64 {
    // SAFETY: nobody else uses SysTick.
    let mut timer = unsafe { cortex_m::Peripherals::steal() }.SYST;
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(0x00ff_ffff);
    timer.clear_current();
    timer.enable_counter();
    let begin = SYST::get_current();
    for _ in 0..calls {
        call();
    }
    let end = SYST::get_current();
    timer.disable_counter();
    u64::from(begin.wrapping_sub(end) & 0x00ff_ffff)
}
