//! How far the run is, in memory that a reset leaves alone.

use core::sync::atomic::{AtomicU32, Ordering};

/// How many have passed, and how many have not.
pub(crate) struct Progress {
    passed: AtomicU32,
    failed: AtomicU32,
}

#[unsafe(link_section = ".uninit.tests")]
pub(crate) static TESTS: Progress = Progress::new();

#[unsafe(link_section = ".uninit.vectors")]
pub(crate) static VECTORS: Progress = Progress::new();

/// Whether the above is from this run: what stands there when the power comes on is anything else.
#[unsafe(link_section = ".uninit.mark")]
static MARK: AtomicU32 = AtomicU32::new(0);

const GOES_ON: u32 = 0x7061_776c;

/// Whether the run begins. Otherwise it goes on after a reset.
pub(crate) fn begins() -> bool {
    if MARK.swap(GOES_ON, Ordering::Relaxed) == GOES_ON {
        return false;
    }
    for progress in [&TESTS, &VECTORS] {
        progress.passed.store(0, Ordering::Relaxed);
        progress.failed.store(0, Ordering::Relaxed);
    }
    true
}

impl Progress {
    const fn new() -> Self {
        Progress { passed: AtomicU32::new(0), failed: AtomicU32::new(0) }
    }

    pub(crate) fn passed(&self) {
        self.passed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn passes(&self) -> u32 {
        self.passed.load(Ordering::Relaxed)
    }

    pub(crate) fn failures(&self) -> u32 {
        self.failed.load(Ordering::Relaxed)
    }

    /// How many have been run.
    pub(crate) fn done(&self) -> usize {
        (self.passes() + self.failures()) as usize
    }
}
