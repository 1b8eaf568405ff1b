//! The board's timer 0 (Arm's CMSDK APB timer): 32 bits, counting down at 25 MHz, which is once in 40 instructions.

use core::ptr;

const CTRL: *mut u32 = 0x4000_0000 as *mut u32;
const VALUE: *mut u32 = 0x4000_0004 as *mut u32;
const RELOAD: *mut u32 = 0x4000_0008 as *mut u32;

/// What a tick is under QEMU's `-icount shift=0`: an instruction takes a nanosecond there, and a tick 40 of them.
pub(crate) const INSTRUCTIONS_A_TICK: u32 = 40;

/// Starts the timer, which then runs for 171 thousand million instructions.
pub(crate) fn start() {
    // SAFETY: these are the timer's registers, and nobody else uses it.
    unsafe {
        ptr::write_volatile(RELOAD, u32::MAX);
        ptr::write_volatile(VALUE, u32::MAX);
        ptr::write_volatile(CTRL, 1);
    }
}

/// How many ticks have passed since the start.
#[inline(always)]
pub(crate) fn ticks() -> u32 {
    // SAFETY: as above; reading changes nothing.
    u32::MAX - unsafe { ptr::read_volatile(VALUE) }
}
