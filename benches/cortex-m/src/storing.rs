//! What it costs to write and read what outlives a restart, the store itself apart.

use core::convert::Infallible;
use core::hint::black_box;
use core::num::NonZeroU32;

use pawl_core::record::{DeviceRecord, RoomRecord, StoredRoom};
use pawl_core::rotation::PendingReasons;
use pawl_core::settings::Settings;
use pawl_core::store::{Item, Store, StoreError};
use pawl_core::{Config, Device, RoomStorage, SessionsStored, Stamp, StampClock, StoreKey, sealed_length};
use rand_core::{TryCryptoRng, TryRng};

use crate::devices::{Buffers, MILLISECONDS, NoEncryption, ROOM, content, send, set_ticks, share};
use crate::measure::again;

/// The records.
pub fn measure_records() {
    device_record();
    room_record();
}

#[inline(never)]
fn device_record() {
    let record = DeviceRecord {
        incomplete: None,
        sessions_stored: true,
        places: 64,
        generation: 1,
        epoch: 2,
        rooms: 30,
    };
    again("device_record/write", &mut [record], |record| record.to_bytes());
    let bytes = record.to_bytes();
    assert_eq!(DeviceRecord::from_bytes(&bytes), Ok(record));
    again("device_record/read", &mut [bytes], |bytes| DeviceRecord::from_bytes(bytes).is_ok());
}

#[inline(never)]
fn room_record() {
    let record = RoomRecord {
        room: Some(StoredRoom {
            id: ROOM,
            in_force: Ok(Settings {
                rotation_period_msgs: 100,
                rotation_period_ms: 604_800_000,
                encrypt_state_events: false,
            }),
            reset: false,
            shared_history: false,
            pending: PendingReasons::NONE,
            age_unknown: false,
        }),
        sessions_made: 7,
    };
    again("record/write", &mut [record], |record| record.to_bytes(black_box(3)));
    let bytes = record.to_bytes(3);
    assert_eq!(RoomRecord::from_bytes(&bytes, 3), Ok(record));
    again("record/read", &mut [bytes], |bytes| RoomRecord::from_bytes(bytes, black_box(3)).is_ok());
}

/// A message that stores its session ahead (B2): `decide_and_use_permit`, and the session sealed and handed to the store. Here
/// each message is such a one.
pub fn measure_reservation() {
    set_ticks(0);
    let mut sealing = [0; sealed_length::<NoEncryption>()];
    let mut places = RoomStorage::<NoEncryption, 1>::new();
    let kept =
        SessionsStored::new(LastItem([0; 512]), StoreKey::new([7; 32]), Calendar, Counting(0), &mut sealing)
            .with_reservation(NonZeroU32::MIN);
    let Ok(mut device) = Device::open(&mut places, Config::default(), kept, &MILLISECONDS) else {
        panic!("the device does not start");
    };
    let _ = device.encryption_event(ROOM, content(10_000).as_bytes());
    share(&mut device, ROOM);
    let mut buffers = Buffers::new();
    again("decide_reserve_and_use_permit", &mut [&mut device], |device| send(device, &mut buffers));
    assert!(send(&mut device, &mut buffers));
    assert_ne!(device.persistence().store().0, [0; 512]);
}

/// Keeps what was stored last, which is all that is asked of a store here.
struct LastItem([u8; 512]);

impl Store for LastItem {
    fn load(&mut self, _: Item, _: &mut [u8]) -> Result<Option<usize>, StoreError> {
        Ok(None)
    }

    fn store(&mut self, _: Item, bytes: &[u8]) -> Result<(), StoreError> {
        self.0.get_mut(..bytes.len()).ok_or(StoreError::Full)?.copy_from_slice(bytes);
        Ok(())
    }
}

struct Calendar;

impl StampClock for Calendar {
    fn stamp(&mut self) -> Option<Stamp> {
        Some(Stamp { ms: 1_800_000_000_000, setting: 1 })
    }
}

/// Bytes that count up: drawing them costs next to nothing, and nothing is kept secret here.
struct Counting(u8);

impl TryRng for Counting {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes).map(|()| u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes).map(|()| u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for byte in bytes {
            self.0 = self.0.wrapping_add(1);
            *byte = self.0;
        }
        Ok(())
    }
}

impl TryCryptoRng for Counting {}
