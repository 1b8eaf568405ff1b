//! The store in a directory of the operating system. What a power cut does to its items is tested in its module; here,
//! what it does to a device whose store it is.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fs;

use pawl_core::clock::{CounterWidth, TickRate};
use pawl_core::event::{Event, SendingDevice};
use pawl_core::store::{Item, Store, StoreError};
use pawl_core::{
    Config, Decision, Device, RoomId, RoomPlace, SessionsStored, Stamp, StampClock, StoreKey,
    VodozemacSession, sealed_length,
};
use pawl_sim_host::file_store::{FileStore, OpenError};
use pawl_sim_host::lossy_directory::LossyDirectory;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use vodozemac::megolm::MegolmMessage;

#[test]
fn items_are_read_back_and_outlive_the_store() {
    // B1
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("does/not/exist/yet");
    let mut store = FileStore::open(&path).unwrap();
    let mut buffer = [0; 9];
    assert_eq!(store.load(Item::Device, &mut buffer), Ok(None));
    store.store(Item::Device, b"old").unwrap();
    store.store(Item::Session(1), b"session").unwrap();
    store.store(Item::Device, b"device").unwrap();
    drop(store);

    // A crash may leave this.
    fs::write(path.join("session-00001.new"), b"torn").unwrap();
    let mut store = FileStore::open(&path).unwrap();
    assert_eq!(store.load(Item::Device, &mut buffer), Ok(Some(6)));
    assert_eq!(&buffer[..6], b"device");
    assert_eq!(store.load(Item::Session(1), &mut buffer), Ok(Some(7)));
    assert_eq!(&buffer[..7], b"session");
    let mut names: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["device", "lock", "session-00001"]);

    fs::write(path.join("device"), b"something else").unwrap();
    assert_eq!(store.load(Item::Device, &mut buffer), Err(StoreError::Damaged));
}

#[test]
fn a_store_that_is_open_is_not_opened_again() {
    let place = tempfile::tempdir().unwrap();
    let store = FileStore::open(place.path()).unwrap();
    let error = FileStore::open(place.path()).unwrap_err();
    assert!(matches!(&error, OpenError::InUse(path) if path == place.path()));
    assert_eq!(error.to_string(), format!("{} is in use by another process", place.path().display()));
    drop(store);
    FileStore::open(place.path()).unwrap();
}

#[test]
fn what_went_wrong_can_be_told() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    fs::write(&file, b"").unwrap();
    assert!(matches!(FileStore::open(&file), Err(OpenError::Failed(_))));

    let path = place.path().join("store");
    let mut store = FileStore::open(&path).unwrap();
    assert!(store.last_error().is_none());
    fs::remove_dir_all(&path).unwrap();
    assert_eq!(store.store(Item::Device, b"device"), Err(StoreError::Failed));
    assert_eq!(store.last_error().unwrap().kind(), std::io::ErrorKind::NotFound);
}

#[cfg(unix)]
#[test]
fn what_is_stored_is_nobody_elses_business() {
    use std::os::unix::fs::PermissionsExt;

    let place = tempfile::tempdir().unwrap();
    FileStore::open(place.path()).unwrap().store(Item::Device, b"device").unwrap();
    let mode = fs::metadata(place.path().join("device")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0);
}

const HALL: &str = "!hall:example.org";
const YARD: &str = "!yard:example.org";
const OPEN: &str = "!open:example.org";

struct Rtc;

impl StampClock for Rtc {
    fn stamp(&mut self) -> Option<Stamp> {
        Some(Stamp { ms: 1_000, setting: 1 })
    }
}

type Kept<'a> = SessionsStored<'a, FileStore<&'a mut LossyDirectory>, Rtc, ChaCha20Rng>;

/// What the application has done, and what came out: all that outlives the device.
#[derive(Clone, Default)]
struct Outside {
    /// The acts that are done.
    done: usize,
    /// Rooms whose encryption event the device has taken.
    told: BTreeSet<&'static str>,
    /// Whether the device said that it knows every room.
    complete: bool,
    /// Session and index of each message.
    sent: BTreeSet<(String, u32)>,
    /// How many messages went out in the clear.
    plaintext: u32,
}

#[derive(Clone, Copy)]
enum Act {
    Encryption(&'static str),
    Resync,
    Rotate(&'static str),
    Forget(&'static str),
    Send(&'static str),
    Restart,
}

const LIFE: [Act; 15] = [
    Act::Encryption(HALL),
    Act::Resync,
    Act::Send(HALL),
    Act::Send(HALL),
    Act::Encryption(YARD),
    Act::Send(YARD),
    Act::Restart,
    Act::Send(HALL),
    Act::Send(OPEN),
    Act::Rotate(HALL),
    Act::Send(HALL),
    Act::Forget(YARD),
    Act::Restart,
    Act::Send(HALL),
    Act::Send(OPEN),
];

/// The store failed, as the power was cut.
struct Cut;

/// Starts the device, sends to each room, and goes on where the application was, up to a restart or to the end.
fn start(directory: &mut LossyDirectory, outside: &mut Outside) -> Result<(), Cut> {
    let mut buffer = vec![0; sealed_length::<VodozemacSession>()];
    let store = FileStore::over(directory).map_err(|_| Cut)?;
    let random = ChaCha20Rng::seed_from_u64(1);
    let kept = SessionsStored::new(store, StoreKey::new([1; 32]), Rtc, random, &mut buffer);
    let mut places = [const { RoomPlace::new() }; 3];
    let mut device =
        Device::open_at_ticks(&mut places, Config::default(), kept, 0, rate()).map_err(|_| Cut)?;
    for room in [HALL, YARD, OPEN] {
        send(&mut device, outside, room)?;
    }
    while let Some(act) = LIFE.get(outside.done) {
        match *act {
            Act::Encryption(room) => {
                let content = br#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_msgs":8}"#;
                device.encryption_event(id(room), content).map_err(|_| Cut)?;
                outside.told.insert(room);
            }
            Act::Resync => {
                outside.complete = true; // whatever comes of it
                device.begin_resync();
                device.end_resync().map_err(|_| Cut)?;
            }
            Act::Rotate(room) => drop(device.request_rotation(id(room)).map_err(|_| Cut)?),
            Act::Forget(room) => drop(device.forget(id(room)).map_err(|_| Cut)?),
            Act::Send(room) => send(&mut device, outside, room)?,
            Act::Restart => {
                outside.done += 1;
                return Ok(());
            }
        }
        outside.done += 1;
    }
    Ok(())
}

/// Starts it until the life is over.
fn live(directory: &mut LossyDirectory, outside: &mut Outside) -> Result<(), Cut> {
    while outside.done < LIFE.len() {
        start(directory, outside)?;
    }
    Ok(())
}

fn send(
    device: &mut Device<'_, VodozemacSession, Kept<'_>>,
    outside: &mut Outside,
    room: &'static str,
) -> Result<(), Cut> {
    loop {
        let moment = device.at_ticks(0, rate()).map_err(|_| Cut)?;
        match moment.decide(id(room), || Ok::<_, Infallible>(VodozemacSession::new())).map_err(|_| Cut)? {
            Decision::Share(request) => device.shared(&request).map_err(|_| Cut)?,
            Decision::Encrypt(permit) => {
                let (mut scratch, mut out) = ([0; 2_048], [0; 2_048]);
                let event = Event { event_type: "m.room.message", content: b"{}" };
                let sender = SendingDevice { sender_key: "KEY", device_id: "CUT" };
                let length = permit.encrypt(&event, &sender, &mut scratch, &mut out).unwrap().length;
                let content: serde_json::Value = serde_json::from_slice(&out[..length]).unwrap();
                let message = MegolmMessage::from_base64(content["ciphertext"].as_str().unwrap()).unwrap();
                let session = content["session_id"].as_str().unwrap().to_owned();
                assert!(outside.sent.insert((session, message.message_index())), "an index is used twice");
                return Ok(());
            }
            Decision::Plaintext(_permit) => {
                assert!(outside.complete && !outside.told.contains(room), "plaintext to {room}");
                outside.plaintext += 1;
                return Ok(());
            }
            Decision::Blocked(_) => return Ok(()),
        }
    }
}

fn id(room: &str) -> RoomId<'_> {
    RoomId::new(room).unwrap()
}

fn rate() -> TickRate {
    TickRate::new(1_000, CounterWidth::Bits64).unwrap()
}

#[test]
fn a_device_whose_power_is_cut_sends_no_plaintext_and_uses_no_index_twice() {
    // B1, B2, B6, S1
    let (mut cuts, mut outcomes) = (0, 0);
    for cut in 0.. {
        let mut directory = LossyDirectory::new();
        let mut outside = Outside::default();
        directory.cut_after(cut);
        if live(&mut directory, &mut outside).is_ok() {
            assert!(outside.sent.len() > 8 && outside.plaintext > 1);
            break;
        }
        cuts += 1;
        for mut outcome in directory.outcomes() {
            outcomes += 1;
            let mut outside = outside.clone();
            assert!(live(&mut outcome, &mut outside).is_ok(), "cut {cut}");
            assert!(start(&mut outcome, &mut outside).is_ok(), "cut {cut}");
        }
    }
    println!("{cuts} cuts, {outcomes} outcomes");
    assert!(cuts > 40 && outcomes > 100, "{cuts} cuts, {outcomes} outcomes");
}
