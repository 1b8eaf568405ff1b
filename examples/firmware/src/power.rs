//! The power supply, which fails when the story wants it to. A board has a worse one, and no such file.

use core::cell::Cell;

use cortex_m::peripheral::SCB;
use critical_section::Mutex;

/// What the flash does when the power fails.
#[derive(Clone, Copy, PartialEq, Eq, defmt::Format)]
pub(crate) enum Work {
    Writing,
    Erasing,
}

/// In the midst of which work the power fails, and after how many words of it.
static FAILURE: Mutex<Cell<Option<(Work, u32)>>> = Mutex::new(Cell::new(None));

/// The power is to fail when the flash has written or erased so many words more.
pub(crate) fn will_fail(work: Work, words: u32) {
    critical_section::with(|cs| FAILURE.borrow(cs).set(Some((work, words))));
}

/// Whether the power fails at this word. The flash asks, and leaves it half done.
pub(crate) fn fails(work: Work) -> bool {
    critical_section::with(|cs| {
        let failure = FAILURE.borrow(cs);
        match failure.get() {
            Some((due, words)) if due == work => {
                failure.set(Some((due, words.saturating_sub(1))));
                words == 0
            }
            _ => false,
        }
    })
}

/// The power is gone. It is a reset: `main` begins anew with nothing but flash and what is outside.
pub(crate) fn off() -> ! {
    SCB::sys_reset()
}
