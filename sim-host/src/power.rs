//! What a kiosk has while its power is off, and what it has only while it is on.
//!
//! Its [flash](Chip) and its [real-time clock](Rtc) go on; its [memory](Memory) is lost. The device that runs in
//! between is made anew at each [start](crate::kiosk::Kiosk::boot).

use std::cell::RefCell;
use std::num::NonZeroU32;
use std::ops::Range;
use std::rc::Rc;

use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use pawl_core::flash::FlashStore;
use pawl_core::session::StorableSession;
use pawl_core::store::{Item, Store, StoreError};
use pawl_core::{
    Device, NothingStored, Persistence, RoomPlace, RoomsStored, SessionsStored, Stamp, StampClock, StoreKey,
    VodozemacSession, sealed_length,
};
use rand_chacha::ChaCha20Rng;

use crate::nor_flash::{EmulatedFlash, FlashError};

/// How many encrypted rooms the kiosk has a place for, unless the scenario says otherwise.
pub const CAPACITY: usize = 16;

/// The kiosk's flash: pages of 4,096 bytes, words of 4.
pub type Flash = EmulatedFlash<4_096, 4>;

const PAGE_BYTES: u32 = 4_096;

/// How many pages it has, with that many places. What is stored of all of them takes about six.
pub const PAGES: usize = 32;

/// The addresses of its store, which has all of it, with that many pages.
pub const ADDRESSES: Range<u32> = 0..32 * PAGE_BYTES;

/// The longest item that is stored: a sealed session.
pub const LONGEST_ITEM: usize = sealed_length::<VodozemacSession>();

const FLASH_BUFFER: usize = FlashStore::<Chip>::buffer_length(LONGEST_ITEM);

/// What of a kiosk's device outlives a restart (B1), in the parts that a kiosk has.
pub trait Keeping<S> {
    /// That, as the core has it.
    type Kept<'m>: Persistence<S>;
    /// Whether it reads the real-time clock.
    const CLOCKED: bool;

    /// With the store on the chip, the time, and a buffer to seal sessions in.
    fn keep<'m>(with: KeepWith<'m>) -> Self::Kept<'m>;

    /// What the real-time clock shows now.
    fn show_time(kept: &mut Self::Kept<'_>, reading: RtcReading);
}

/// What there is to keep things with.
pub struct KeepWith<'m> {
    store: KioskStore<'m>,
    sealing_buffer: &'m mut [u8],
    /// Under which sessions are sealed.
    pub(crate) key: StoreKey,
    pub(crate) reading: RtcReading,
    /// The nonces, from this start on.
    pub(crate) random: ChaCha20Rng,
    pub(crate) reserve: NonZeroU32,
}

/// A device that keeps its sessions.
pub struct KeepsSessions;

impl<S: StorableSession> Keeping<S> for KeepsSessions {
    type Kept<'m> = SessionsStored<'m, KioskStore<'m>, RtcReading, ChaCha20Rng>;
    const CLOCKED: bool = true;

    fn keep<'m>(with: KeepWith<'m>) -> Self::Kept<'m> {
        let KeepWith { store, sealing_buffer, key, reading, random, reserve } = with;
        SessionsStored::new(store, key, reading, random, sealing_buffer).with_reservation(reserve)
    }

    fn show_time(kept: &mut Self::Kept<'_>, reading: RtcReading) {
        *kept.clock() = reading;
    }
}

/// A device that keeps its rooms.
pub struct KeepsRooms;

impl<S> Keeping<S> for KeepsRooms {
    type Kept<'m> = RoomsStored<KioskStore<'m>>;
    const CLOCKED: bool = false;

    fn keep<'m>(with: KeepWith<'m>) -> Self::Kept<'m> {
        RoomsStored::new(with.store)
    }

    fn show_time(_kept: &mut Self::Kept<'_>, _reading: RtcReading) {}
}

/// A device that keeps nothing.
pub struct KeepsNothing;

impl<S> Keeping<S> for KeepsNothing {
    type Kept<'m> = NothingStored;
    const CLOCKED: bool = false;

    fn keep<'m>(_with: KeepWith<'m>) -> Self::Kept<'m> {
        NothingStored
    }

    fn show_time(_kept: &mut Self::Kept<'_>, _reading: RtcReading) {}
}

/// The kiosk's device, from one start to the loss of power.
pub type KioskDevice<'m, S, K> = Device<'m, S, <K as Keeping<S>>::Kept<'m>>;

/// The kiosk's flash chip, which is there whether or not a device runs.
#[derive(Clone)]
pub struct Chip(Rc<RefCell<ChipState>>);

struct ChipState {
    flash: Flash,
    pages: u32,
    records_stored: u64,
}

impl Chip {
    /// A blank chip, with room for what is stored of so many places.
    #[must_use]
    pub fn new(seed: u64, places: usize) -> Self {
        let pages = PAGES.max(2 * places);
        let flash = Flash::new(pages, seed);
        let pages = u32::try_from(pages).expect("places are few");
        Chip(Rc::new(RefCell::new(ChipState { flash, pages, records_stored: 0 })))
    }

    fn addresses(&self) -> Range<u32> {
        0..self.0.borrow().pages * PAGE_BYTES
    }

    /// Does something with the flash itself.
    pub fn with<T>(&self, act: impl FnOnce(&mut Flash) -> T) -> T {
        act(&mut self.0.borrow_mut().flash)
    }

    /// How many records were stored so far, sealed sessions included.
    #[must_use]
    pub fn records_stored(&self) -> u64 {
        self.0.borrow().records_stored
    }
}

impl ErrorType for Chip {
    type Error = FlashError;
}

impl ReadNorFlash for Chip {
    const READ_SIZE: usize = Flash::READ_SIZE;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        self.with(|flash| flash.read(offset, bytes))
    }

    fn capacity(&self) -> usize {
        self.with(|flash| flash.capacity())
    }
}

impl NorFlash for Chip {
    const WRITE_SIZE: usize = Flash::WRITE_SIZE;
    const ERASE_SIZE: usize = Flash::ERASE_SIZE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        self.with(|flash| flash.erase(from, to))
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        self.with(|flash| flash.write(offset, bytes))
    }
}

/// The store on the chip, which counts records.
pub struct KioskStore<'m> {
    store: FlashStore<'m, Chip>,
    chip: Chip,
}

impl<'m> KioskStore<'m> {
    fn new(chip: &Chip, buffer: &'m mut [u8]) -> Self {
        let store = FlashStore::new(chip.clone(), chip.addresses(), LONGEST_ITEM, buffer)
            .expect("the chip has these pages, and the buffer is long enough");
        KioskStore { store, chip: chip.clone() }
    }
}

impl Store for KioskStore<'_> {
    fn load(&mut self, item: Item, buffer: &mut [u8]) -> Result<Option<usize>, StoreError> {
        self.store.load(item, buffer)
    }

    fn store(&mut self, item: Item, bytes: &[u8]) -> Result<(), StoreError> {
        self.store.store(item, bytes)?;
        self.chip.0.borrow_mut().records_stored += 1;
        Ok(())
    }
}

/// A kiosk's memory, all of which is lost without power.
pub struct Memory<S> {
    places: Vec<RoomPlace<S>>,
    flash_buffer: [u8; FLASH_BUFFER],
    sealing_buffer: Vec<u8>,
}

impl<S: StorableSession> Memory<S> {
    /// Memory for so many rooms, with nothing in it.
    #[must_use]
    pub fn new(places: usize) -> Self {
        Memory {
            places: (0..places).map(|_| RoomPlace::new()).collect(),
            flash_buffer: [0; FLASH_BUFFER],
            sealing_buffer: vec![0; sealed_length::<S>()],
        }
    }

    /// The parts of it that a device needs: its places, and what it keeps things with.
    pub(crate) fn split(
        &mut self,
        chip: &Chip,
        key: StoreKey,
        reading: RtcReading,
        random: ChaCha20Rng,
        reserve: NonZeroU32,
    ) -> (&mut [RoomPlace<S>], KeepWith<'_>) {
        let store = KioskStore::new(chip, &mut self.flash_buffer);
        (
            &mut self.places,
            KeepWith { store, sealing_buffer: &mut self.sealing_buffer, key, reading, random, reserve },
        )
    }
}

/// The kiosk's real-time clock, which goes on while the power is off, as long as its battery lasts.
#[derive(Clone, Copy, Debug)]
pub struct Rtc {
    /// How often it was set.
    setting: u32,
    /// What it shows beyond the milliseconds since the start.
    ahead_ms: u64,
    /// When it is set the next time, if it does not know the time now.
    set_at_ms: Option<u64>,
}

/// What it shows at the start: milliseconds since 1970.
const START_MS: u64 = 1_767_225_600_000;

/// By how much it is set back, or has been ahead.
const SET_BACK_MS: u64 = 37 * 60_000;

impl Rtc {
    /// A clock that was set when the kiosk was installed.
    #[must_use]
    pub fn new() -> Self {
        Rtc { setting: 1, ahead_ms: START_MS, set_at_ms: None }
    }

    /// It is set, and the time that it shows from then on is another one.
    pub fn set_anew(&mut self) {
        self.setting += 1;
        self.ahead_ms -= SET_BACK_MS;
    }

    /// Its battery is flat: it knows no time until somebody sets it.
    pub fn loses_time_until(&mut self, ms: u64) {
        self.set_at_ms = Some(ms);
    }

    /// What it shows when this many milliseconds have passed by its own count.
    pub fn stamp(&mut self, ms: u64) -> Option<Stamp> {
        if let Some(set_at_ms) = self.set_at_ms {
            if ms < set_at_ms {
                return None;
            }
            self.set_at_ms = None;
            self.set_anew();
        }
        Some(Stamp { ms: self.ahead_ms + ms, setting: self.setting })
    }
}

impl Default for Rtc {
    fn default() -> Self {
        Self::new()
    }
}

/// What the real-time clock shows at the moment, for the device to read.
#[derive(Clone, Copy, Debug)]
pub struct RtcReading(pub Option<Stamp>);

impl StampClock for RtcReading {
    fn stamp(&mut self) -> Option<Stamp> {
        self.0
    }
}
