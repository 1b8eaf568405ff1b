//! A device that sends to Matrix rooms: bare `cortex-m-rt`, SysTick as its clock, its rooms in a `static`, their state in flash.
//!
//! It tells a story in six starts. Between them the power fails while flash is written, while nothing is, and while flash is
//! erased, and the device is switched off twice as planned. What comes back is said in the log, and checked: a failed check ends
//! QEMU with an error.

#![no_std]
#![no_main]

mod clock;
mod flash;
mod kiosk;
mod outside;
mod power;
mod random;
mod rtc;
mod server;
mod session;
mod story;

use core::panic::PanicInfo;

use cortex_m_rt::{ExceptionFrame, entry, exception};
use defmt::{error, info, unwrap, warn};
use defmt_semihosting as _;
use pawl_core::flash::FlashStore;
use pawl_core::record::ROOM_RECORD_LENGTH;
use pawl_core::settings::{ChangePolicy, Limits};
use pawl_core::{Config, Device, RoomStorage, SessionsStored, StoreKey, sealed_length};
use semihosting::process::exit;
use static_cell::StaticCell;

use crate::clock::SysTickClock;
use crate::flash::Flash;
use crate::kiosk::Kiosk;
use crate::outside::Outside;
use crate::random::Purpose;
use crate::rtc::Rtc;
use crate::session::NoEncryption;

/// What the integrator of a device chooses. Periods of seconds are for the story's sake: by default the shortest is an hour.
const CONFIG: Config = Config { limits: LIMITS, policy: ChangePolicy::Ratchet, plaintext: true };
const LIMITS: Limits = match Limits::new(1..=10_000, 1_000..=604_800_000) {
    Ok(limits) => limits,
    Err(_) => panic!("limits are empty or begin at 0"),
};

/// A board takes it from a secure element, or derives it from something only this board has.
const KEY: StoreKey = StoreKey::new(*b"a key that everybody can read...");

/// The longest item that is stored.
const LONGEST: usize = if SEALED > ROOM_RECORD_LENGTH { SEALED } else { ROOM_RECORD_LENGTH };
const SEALED: usize = sealed_length::<NoEncryption>();

#[entry]
fn main() -> ! {
    // Made at start: a `static` with an initial value that is not all zeros takes as much flash as RAM.
    static ROOMS: StaticCell<RoomStorage<NoEncryption, 4>> = StaticCell::new();
    // cortex-m-rt hands these out as `&'static mut`, once.
    static mut STORING: [u8; FlashStore::<Flash>::buffer_length(LONGEST)] = [0; _];
    static mut SEALING: [u8; SEALED] = [0; _];

    let Outside { starts, calendar_ms, server, .. } = unwrap!(Outside::take());
    let peripherals = unwrap!(cortex_m::Peripherals::take());
    let clock = SysTickClock::start(peripherals.SYST);
    let rtc = Rtc::new(*calendar_ms);

    info!("start {=u32}", *starts);
    warn!("NOTHING IS ENCRYPTED: the session is a placeholder, and so is the randomness");

    let mut store = unwrap!(FlashStore::new(unwrap!(Flash::take()), 0..flash::CAPACITY, LONGEST, STORING));
    if *starts == 1 {
        unwrap!(store.erase()); // as the factory would
    }
    let kept = SessionsStored::new(store, KEY, rtc, random::stand_in(*starts, Purpose::Nonces), SEALING);
    let device = unwrap!(Device::open(ROOMS.init_with(RoomStorage::new), CONFIG, kept, &clock));
    let random = random::stand_in(*starts, Purpose::Sessions);
    let mut kiosk = Kiosk { device, clock, rtc, random, network_is_up: true, server, calendar_ms };

    match starts {
        1 => story::first_start(&mut kiosk),
        2 => story::power_failed_while_writing(&mut kiosk),
        3 => story::plug_was_pulled(&mut kiosk),
        4 => story::power_failed_while_erasing(&mut kiosk),
        5 => story::restarted_as_planned(&mut kiosk),
        _ => story::was_off_for_a_minute(&mut kiosk),
    }
}

/// A failed check, of defmt's or of Rust's, ends QEMU with an error. A board would reset.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    error!("{}", defmt::Display2Format(info));
    exit(1)
}

#[defmt::panic_handler]
fn defmt_panic() -> ! {
    exit(1)
}

#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    error!("hard fault at {=u32:#x}", frame.pc());
    exit(1)
}
