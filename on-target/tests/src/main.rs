//! Runs the core's own tests and the test vectors on a Cortex-M4, and tells of them through semihosting.
//!
//! A panic ends a program here, and so does a fault. The machine is then reset and goes on with the test behind the one that
//! failed: how far it is stands in memory that a reset leaves alone.

#![no_std]
#![no_main]

extern crate alloc;

mod host;
mod progress;
mod session;

/// What `build.rs` makes of the core's tests.
mod tests {
    pub(crate) use crate::session;

    include!(concat!(env!("OUT_DIR"), "/generated.rs"));
}

use core::mem::MaybeUninit;
use core::panic::PanicInfo;
use core::ptr::addr_of_mut;

use cortex_m::peripheral::SCB;
use cortex_m_rt::{ExceptionFrame, entry, exception};
use cortex_m_semihosting::{debug, hprint, hprintln};
use embedded_alloc::LlffHeap;

use progress::Progress;
use tests::{FILES, LEFT_OUT, VECTORS, support};

/// A test and its name.
type Test = (&'static str, fn());

#[global_allocator]
static HEAP: LlffHeap = LlffHeap::empty();

const HEAP_LENGTH: usize = 1 << 20;

#[entry]
fn main() -> ! {
    static mut MEMORY: [MaybeUninit<u8>; HEAP_LENGTH] = [MaybeUninit::uninit(); HEAP_LENGTH];
    // SAFETY: the heap is made once in a life of the program, of memory that is for nothing else.
    unsafe { HEAP.init(addr_of_mut!(*MEMORY) as usize, HEAP_LENGTH) };

    if progress::begins() {
        for (name, why) in LEFT_OUT {
            hprintln!("left out {} - {}", name, why);
        }
    }
    run_tests();
    run_vectors();
    finish()
}

fn tests() -> impl Iterator<Item = &'static Test> {
    FILES.iter().copied().flatten()
}

fn run_tests() {
    for (name, test) in tests().skip(progress::TESTS.done()) {
        hprint!("test {} ... ", name);
        test();
        hprintln!("ok");
        progress::TESTS.passed();
    }
}

fn run_vectors() {
    for (name, case) in VECTORS.iter().skip(progress::VECTORS.done()) {
        match support::vector::check(case) {
            Ok(()) => progress::VECTORS.passed(),
            Err(difference) => {
                hprintln!("vector {} ... FAILED\n  {}", name, difference);
                progress::VECTORS.failed();
            }
        }
    }
}

fn finish() -> ! {
    let (tests_failed, vectors_failed) = (progress::TESTS.failures(), progress::VECTORS.failures());
    hprintln!("{} tests and {} vectors passed", progress::TESTS.passes(), progress::VECTORS.passes());
    if tests_failed == 0 && vectors_failed == 0 {
        debug::exit(debug::EXIT_SUCCESS);
    }
    hprintln!("{} tests and {} vectors FAILED", tests_failed, vectors_failed);
    debug::exit(debug::EXIT_FAILURE);
    unreachable!("semihosting ended the program");
}

/// What was being run has failed. What comes next is run after a reset.
fn fail() -> ! {
    let running: &Progress =
        if progress::TESTS.done() < tests().count() { &progress::TESTS } else { &progress::VECTORS };
    running.failed();
    SCB::sys_reset()
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    if let Some((name, _)) =
        VECTORS.get(progress::VECTORS.done()).filter(|_| progress::TESTS.done() == tests().count())
    {
        hprint!("vector {} ... ", name);
    }
    hprintln!("FAILED\n  {}", info.message());
    if let Some(location) = info.location() {
        // The lines of what was copied are those of the original.
        let file = location.file();
        match file.strip_prefix(env!("OUT_DIR")) {
            Some(copied) => hprintln!("  at core/tests{}:{}", copied, location.line()),
            None => hprintln!("  at {}:{}", file, location.line()),
        }
    }
    fail()
}

#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    hprintln!("FAILED\n  a fault at {:#010x}", frame.pc());
    fail()
}
