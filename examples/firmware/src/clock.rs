//! SysTick as a clock of 64 bits.
//!
//! SysTick counts 24 bits down, at 25 MHz from one wrap to the next in 0.67 s. Its interrupt counts the wraps. A reading puts the
//! two together, also while the interrupt waits: with interrupts masked, or for the few cycles until it is taken.

use core::cell::Cell;

use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::peripheral::{SCB, SYST};
use cortex_m_rt::exception;
use critical_section::Mutex;
use embedded_time::fraction::Fraction;
use embedded_time::{Clock, Instant, clock};

/// The rate of the core's clock, in hertz. QEMU's board has 25 MHz.
const HZ: u32 = 25_000_000;

const BITS: u32 = 24;
const MASK: u32 = (1 << BITS) - 1;

static WRAPS: Mutex<Cell<u32>> = Mutex::new(Cell::new(0));

#[exception]
fn SysTick() {
    critical_section::with(|cs| {
        let wraps = WRAPS.borrow(cs);
        wraps.set(wraps.get() + 1);
    });
}

/// The ticks since the clock was started. No two readings are in the wrong order, if interrupts are never masked for the time
/// of a whole wrap: a second one would be lost.
fn ticks() -> u64 {
    critical_section::with(|cs| {
        let mut wraps = WRAPS.borrow(cs).get();
        let mut count = SYST::get_current();
        if SCB::is_pendst_pending() {
            // It has wrapped, and the interrupt has still to count that. Whether the count is from before is not known.
            wraps += 1;
            count = SYST::get_current();
        }
        // The interrupt is raised as the count becomes 0, so it is there that a round begins: 0, MASK, MASK - 1, ... 1.
        u64::from(wraps) << BITS | u64::from(count.wrapping_neg() & MASK)
    })
}

/// Milliseconds since the clock was started.
pub(crate) fn now_ms() -> u64 {
    ticks() * 1_000 / u64::from(HZ)
}

defmt::timestamp!("{=u64:ms}", now_ms());

/// The clock that the device goes by.
#[derive(Clone, Copy)]
pub(crate) struct SysTickClock(());

impl SysTickClock {
    /// Starts SysTick, which is this clock's alone from now on.
    pub(crate) fn start(mut timer: SYST) -> Self {
        timer.set_clock_source(SystClkSource::Core);
        timer.set_reload(MASK);
        timer.clear_current();
        timer.enable_interrupt();
        timer.enable_counter();
        SysTickClock(())
    }

    /// Sleeps for so many milliseconds, and on to the next wrap. Returns how often SysTick has wrapped meanwhile.
    pub(crate) fn sleep_ms(self, ms: u64) -> u64 {
        let (begin, until_ms) = (ticks(), now_ms() + ms);
        while now_ms() < until_ms {
            cortex_m::asm::wfi(); // until SysTick's interrupt at the latest
        }
        (ticks() >> BITS) - (begin >> BITS)
    }

    /// Whether a wrap is seen while its interrupt has to wait, and once it was taken. Takes up to a wrap.
    pub(crate) fn sees_a_waiting_wrap(self) -> bool {
        let (before, waiting) = critical_section::with(|_| {
            let before = ticks();
            cortex_m::asm::wfi(); // wakes when the interrupt is raised, though it is masked
            (before, ticks())
        });
        waiting >> BITS == (before >> BITS) + 1 && ticks() >= waiting
    }
}

impl Clock for SysTickClock {
    type T = u64;
    const SCALING_FACTOR: Fraction = Fraction::new(1, HZ);

    fn try_now(&self) -> Result<Instant<Self>, clock::Error> {
        Ok(Instant::new(ticks()))
    }
}
