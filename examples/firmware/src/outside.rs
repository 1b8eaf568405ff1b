//! What goes on when the device is off: the calendar, and the server with what it has seen. It lies in RAM that a reset leaves as
//! it is, and stands for the world; a board has it around itself.

use core::sync::atomic::{AtomicBool, Ordering};

use crate::server::Server;

/// In the PSRAM, behind the flash.
const BASE: *mut Outside = 0x2180_0000 as *mut Outside;

/// Says that this is not the first start. A board's RAM holds anything at all at its first.
const MAGIC: u32 = 0x9a31_0077;

/// The world. All of it is numbers, so that any contents of the RAM make one.
#[repr(C)]
pub(crate) struct Outside {
    magic: u32,
    /// How often the power has come on.
    pub(crate) starts: u32,
    /// The time at which it did so last.
    pub(crate) calendar_ms: u64,
    pub(crate) server: Server,
}

impl Outside {
    /// The world, for the first who asks after a start; made on the first start.
    pub(crate) fn take() -> Option<&'static mut Self> {
        static TAKEN: AtomicBool = AtomicBool::new(false);
        if TAKEN.swap(true, Ordering::Relaxed) {
            return None;
        }
        // SAFETY: the pointer is aligned and to RAM that nothing else uses; any bytes are an `Outside`; and this is the only
        // reference, since only the first caller comes here.
        let outside = unsafe { &mut *BASE };
        if outside.magic != MAGIC {
            *outside = Outside { magic: MAGIC, starts: 0, calendar_ms: 0, server: Server::new() };
        }
        outside.starts += 1;
        Some(outside)
    }
}
