//! A device that comes back to whatever it finds stored: single records, stores of any items, stores that a device has
//! filled and that were damaged since, and flash that was.
//!
//! Every byte of an input means something, and letters mean what they stand for, so that a seed can be read. The first one
//! chooses what it is about:
//!
//! - `d` or `r`: a record. A `Fix`, the place (`r` only), and the record's bytes.
//! - anything else: a life. `s`essions or only `r`ooms are stored, in `m`emory, on `f`lash, or on flash with an `i`mage of
//!   whatever on it, so many messages ahead (`1` to `9`). Then come steps, each a letter of `LIFE`, which happen to a device, or of `DAMAGE`, which happen to what it has
//!   stored, without it knowing. After those, and in the end, the device comes back.
//!
//! Whenever it comes back, it must be as the reference says, and its coming back again must change nothing and write
//! nothing. What was damaged is never used: no index is used twice, no room that has ever been encrypted is plaintext, and no
//! session is used after what ended it. The same holds when the store fails: then the call fails, and whatever it was about
//! holds in memory.
//!
//! libFuzzer finds no checksum, and nobody finds a MAC. So damage says for itself how much of it is put right: a `Fix`.

mod flash;
mod reference;

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use pawl_core::clock::{CounterWidth, Sleep, TickRate};
use pawl_core::event::{Event, SendingDevice};
use pawl_core::membership::{Membership, PreviousMembership};
use pawl_core::record::{DEVICE_RECORD_LENGTH, DeviceRecord, ROOM_RECORD_LENGTH, RoomRecord};
use pawl_core::session::SESSION_ID_LENGTH;
use pawl_core::settings::Limits;
use pawl_core::store::{Item, Store, StoreError};
use pawl_core::{
    BlockReason, Config, Decision, Device, EncryptionEventError, OpenError, Persistence, RoomId, RoomStorage,
    RoomsStored, SessionsStored, ShareRequest, StoreKey, sealed_length,
};
use serde::Deserialize;

use self::flash::OnFlash;
use self::reference::{Cause, Choices, Opened};
use crate::counting::{Bench, CountingSession, digits};
use crate::surroundings::{Calendar, Failure, Items, KEY, Memory, Nonces};

/// Checks what an input stands for.
///
/// # Panics
/// If anything of it does not hold.
pub fn check(input: &[u8]) {
    let mut letters = Letters(input);
    match letters.next() {
        b'd' => check_device_record(letters),
        b'r' => check_room_record(letters),
        _ => World::new(&mut letters).run(&mut letters),
    }
}

/// How much of damaged bytes is put right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fix {
    /// Nothing.
    Nothing,
    /// The checksum.
    Checksum,
    /// Of a record, its length, version, kind and place too; of a sealed session, it is opened before and sealed after.
    Everything,
}

/// Happens to a device: `e`ncryption and what it says, `s`end, `u`nshared message, `p`erson leaves, `v`isibility,
/// `R`eset, `F`orget, `[`, `]` for a resync; `t`ime passes, clock set back `<`, sleep `Z`; `o`ff, and `O` off as announced; the
/// calendar is set anew `C`, back `B`, or becomes `X` unreadable or readable; what is stored is `P` sessions or not; the store
/// will `f`ail, after so many writes.
const LIFE: &[u8] = b"esupvRF[]t<ZoOCBXPf";

/// Happens to an item: `!` a byte is changed, `=` set, `-` removed, `~` an earlier version, `+` put in the place of another.
/// Happens to flash: `#` a byte is changed.
const DAMAGE: &[u8] = b"!=-~+#";

/// The rooms: more than there are places. One name begins like another.
const ROOMS: [&str; 4] = ["!a", "!ab", "!b", "!c"];
const PLACES: u16 = 3;
const MESSAGES: (u32, u32) = (1, 40);
const PERIOD_MS: (u64, u64) = (10, 1_000);

struct Letters<'b>(&'b [u8]);

impl Letters<'_> {
    fn next(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    /// A number from 0 on and below `end`: for digits themselves.
    fn number(&mut self, end: usize) -> usize {
        match self.next() {
            digit @ b'0'..=b'9' if usize::from(digit - b'0') < end => usize::from(digit - b'0'),
            other => usize::from(other) % end,
        }
    }

    fn room(&mut self) -> usize {
        usize::from(self.next().wrapping_sub(b'A')) % ROOMS.len()
    }

    /// `-` nothing, `c`hecksum, `a`ll.
    fn fix(&mut self) -> Fix {
        match self.next() {
            b'-' => Fix::Nothing,
            b'c' => Fix::Checksum,
            b'a' => Fix::Everything,
            other => [Fix::Nothing, Fix::Checksum, Fix::Everything][usize::from(other) % 3],
        }
    }

    /// `D`evice, `R`oom or `S`ession, and these two with a place. There are some places more than the table has.
    fn item(&mut self) -> Item {
        match self.next() {
            b'D' => Item::Device,
            b'R' => Item::Room(self.place()),
            b'S' => Item::Session(self.place()),
            other => match other % 3 {
                0 => Item::Device,
                1 => Item::Room(self.place()),
                _ => Item::Session(self.place()),
            },
        }
    }

    fn place(&mut self) -> u16 {
        u16::try_from(self.number(usize::from(PLACES) + 2)).expect("few")
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken.to_vec()
    }
}

// ---- single records ----

/// B5: what reads back writes the same bytes, and reads as the reference does.
fn check_device_record(mut letters: Letters<'_>) {
    let fix = letters.fix();
    let mut bytes = letters.0.to_vec();
    put_right(&mut bytes, Item::Device, fix);
    let record = DeviceRecord::from_bytes(&bytes);
    assert_eq!(record.is_ok(), reference::device_record(&bytes).is_some(), "{record:?}");
    if let Ok(record) = record {
        assert_eq!(record.to_bytes()[..], bytes);
    }
}

/// As [`check_device_record`].
fn check_room_record(mut letters: Letters<'_>) {
    let fix = letters.fix();
    let place = u16::from(letters.next());
    let mut bytes = letters.0.to_vec();
    put_right(&mut bytes, Item::Room(place), fix);
    let record = RoomRecord::from_bytes(&bytes, place);
    assert_eq!(record.is_ok(), reference::room_record(&bytes, place).is_some(), "{record:?}");
    if let Ok(record) = record {
        assert_eq!(record.to_bytes(place)[..], bytes);
        assert!(RoomRecord::from_bytes(&bytes, place ^ 1).is_err());
    }
}

fn put_right(bytes: &mut Vec<u8>, item: Item, fix: Fix) {
    if fix == Fix::Everything {
        let (length, kind) = match item {
            Item::Device => (DEVICE_RECORD_LENGTH, b'D'),
            Item::Room(_) => (ROOM_RECORD_LENGTH, b'R'),
            Item::Session(_) => (bytes.len().max(16), b'S'),
        };
        bytes.resize(length, 0);
        bytes[..2].copy_from_slice(&[1, kind]);
        if let Item::Room(place) | Item::Session(place) = item {
            bytes[2..4].copy_from_slice(&place.to_le_bytes());
        }
    }
    if fix != Fix::Nothing {
        reference::fix_checksum(bytes);
    }
}

/// What is on a flash that no store has written: blank, but for up to ten pieces, each an address, a length, how often the
/// bytes are there one after the other, and the bytes.
fn image(letters: &mut Letters<'_>) -> Vec<u8> {
    let mut image = vec![0xFF; flash::LENGTH];
    for _ in 0..letters.number(10) {
        let address = usize::from(letters.next()) << 8 | usize::from(letters.next());
        let (length, times) = (usize::from(letters.next()), usize::from(letters.next()));
        let bytes = letters.take(length).repeat(times.max(1));
        let place = image.iter_mut().skip(address % flash::LENGTH);
        place.zip(bytes).for_each(|(byte, new)| *byte = new);
    }
    image
}

// ---- a life ----

/// Where a device stores.
#[derive(Clone)]
enum Medium {
    Memory(Memory),
    Flash(OnFlash),
}

impl Store for Medium {
    fn load(&mut self, item: Item, buffer: &mut [u8]) -> Result<Option<usize>, StoreError> {
        match self {
            Medium::Memory(store) => store.load(item, buffer),
            Medium::Flash(store) => store.load(item, buffer),
        }
    }

    fn store(&mut self, item: Item, bytes: &[u8]) -> Result<(), StoreError> {
        match self {
            Medium::Memory(store) => store.store(item, bytes),
            Medium::Flash(store) => store.store(item, bytes),
        }
    }
}

/// What there is beside the device, and outlives it.
struct World {
    keeps_sessions: bool,
    medium: Medium,
    ahead: u8,
    calendar: Calendar,
    nonces: Nonces,
    sessions_made: u64,
    ticks: u64,
    /// Every version of each item that was there when the device went off.
    versions: BTreeMap<Item, Vec<Vec<u8>>>,
    /// The sessions and indices of messages that were sent.
    sent: HashSet<(u64, u64)>,
    /// Rooms whose encryption events were taken, and that were not forgotten since.
    encrypted: HashSet<usize>,
    /// The same until the device goes off: storing that failed.
    encrypted_for_now: HashSet<usize>,
    /// Sessions that something ended: number by room.
    ended: HashSet<(usize, u64)>,
    /// The same until the device goes off: storing that failed.
    ended_for_now: HashSet<(usize, u64)>,
    /// What was done to the store cannot be told from what a device does: items were taken away or are older ones, as they are
    /// on flash with flipped bits too, or somebody had the key.
    rewritten: bool,
    /// Somebody had the checksum right.
    forged: bool,
    /// There are no more generations of sessions, as only somebody can bring about who has the checksum right.
    exhausted: bool,
}

impl World {
    fn new(letters: &mut Letters<'_>) -> Self {
        let keeps_sessions = letters.next() != b'r';
        let kind_of_medium = letters.next();
        let medium = match kind_of_medium {
            b'f' => Medium::Flash(OnFlash::new()),
            b'i' => Medium::Flash(OnFlash::of(image(letters))),
            _ => Medium::Memory(Memory::default()),
        };
        World {
            keeps_sessions,
            medium,
            ahead: u8::try_from(letters.number(9)).expect("few").max(1),
            calendar: Calendar::new(),
            nonces: Nonces::default(),
            sessions_made: 0,
            ticks: 1_000,
            versions: BTreeMap::new(),
            sent: HashSet::new(),
            encrypted: HashSet::new(),
            encrypted_for_now: HashSet::new(),
            ended: HashSet::new(),
            ended_for_now: HashSet::new(),
            rewritten: kind_of_medium == b'i',
            forged: false,
            exhausted: false,
        }
    }

    fn run(mut self, letters: &mut Letters<'_>) {
        loop {
            if self.keeps_sessions {
                self.live_with_sessions(letters);
            } else {
                self.live_with_rooms(letters);
            }
            letters.0 = letters.0.trim_ascii_start();
            if letters.0.is_empty() {
                return;
            }
            while letters.0.first().is_some_and(|letter| DAMAGE.contains(letter)) {
                self.damage(letters);
                letters.0 = letters.0.trim_ascii_start();
            }
        }
    }

    fn live_with_sessions(&mut self, letters: &mut Letters<'_>) {
        let mut buffer = [0; sealed_length::<CountingSession>()];
        while !self.come_back_twice(self.with_sessions(&mut buffer)) {}
        self.live(self.with_sessions(&mut buffer), letters);
    }

    fn with_sessions<'b>(&self, buffer: &'b mut [u8]) -> SessionsStored<'b, Medium, Calendar, Nonces> {
        let (medium, calendar, nonces) = (self.medium.clone(), self.calendar.clone(), self.nonces.clone());
        let ahead = u32::from(self.ahead).try_into().expect("not 0");
        SessionsStored::new(medium, StoreKey::new(KEY), calendar, nonces, buffer).with_reservation(ahead)
    }

    fn live_with_rooms(&mut self, letters: &mut Letters<'_>) {
        while !self.come_back_twice(RoomsStored::new(self.medium.clone())) {}
        self.live(RoomsStored::new(self.medium.clone()), letters);
    }

    /// What is stored, as the device will read it; `None` when it cannot.
    fn items(&self) -> Option<Items> {
        match &self.medium {
            Medium::Memory(memory) => Some(memory.items()),
            Medium::Flash(flash) => {
                let (mut flash, mut items) = (flash.copy(), Items::new());
                for place in 0..PLACES + 2 {
                    for item in [Item::Device, Item::Room(place), Item::Session(place)] {
                        let mut bytes = vec![0; ROOM_RECORD_LENGTH];
                        match flash.load(item, &mut bytes) {
                            Ok(None) => {}
                            Ok(Some(length)) => drop(items.insert(item, bytes[..length].to_vec())),
                            Err(StoreError::Damaged) => drop(items.insert(item, Vec::new())),
                            Err(_) => return None,
                        }
                    }
                }
                Some(items)
            }
        }
    }

    fn choices(&self) -> Choices {
        let keeps_sessions = self.keeps_sessions;
        Choices { places: PLACES, keeps_sessions, messages: MESSAGES, period_ms: PERIOD_MS }
    }

    /// The device comes back as the reference says. Whether it did, or the store failed that once.
    fn come_back_twice<P: Persistence<CountingSession>>(&mut self, persistence: P) -> bool {
        let Some(items) = self.items() else { return true };
        let expected = only_rooms(reference::open(&items, self.choices(), self.calendar.read()));
        let mut places = RoomStorage::<CountingSession, { PLACES as usize }>::new();
        let was_to_fail = self.is_to_fail();
        let Some(device) = self.open(&mut places, persistence) else {
            if was_to_fail && let Some(items) = self.items() {
                // B6: what it has begun it will end, the next time.
                let again = only_rooms(reference::open(&items, self.choices(), self.calendar.read()));
                if expected.damaged {
                    assert_eq!(again.incomplete, Some(Cause::StoreDamaged));
                    assert!(again.sessions.is_empty());
                } else {
                    assert_eq!(Opened { sessions: again.sessions.clone(), ..expected }, again);
                }
            }
            return !was_to_fail;
        };
        assert_eq!(was_to_fail, self.is_to_fail(), "the store failed, and nobody knows");
        let opened = look(&device, expected.damaged);
        assert_eq!(opened, expected, "{items:?}");
        // B5, K1: without the word of an intact record no unknown room is plaintext.
        let record = items.get(&Item::Device).and_then(|bytes| reference::device_record(bytes));
        let complete = record.as_ref().is_some_and(|record| record.incomplete.is_none());
        assert!(complete || device.incomplete().is_some());
        if expected.damaged {
            assert_eq!(device.incomplete(), Some(BlockReason::StoreDamaged));
            assert!(opened.sessions.is_empty());
        }
        drop(device);
        self.fail(None);

        // What was damaged is so no longer: it would come back the same, and would not be damaged. Of flash with flipped
        // bits so much cannot be said: what it stores it may not find again.
        if matches!(self.medium, Medium::Flash(_)) && self.rewritten {
            return true;
        }
        let Some(items) = self.items() else { return true };
        // Where generations have come to their end, sessions cannot be made void any more.
        let record = items.get(&Item::Device).and_then(|bytes| reference::device_record(bytes));
        self.exhausted = record.is_some_and(|record| record.generation == u32::MAX);
        if !self.exhausted {
            let again = only_rooms(reference::open(&items, self.choices(), self.calendar.read()));
            assert_eq!(again, Opened { damaged: false, ..opened }, "after {items:?}");
        }
        true
    }

    /// Whether the store is still to fail.
    fn is_to_fail(&self) -> bool {
        match &self.medium {
            Medium::Memory(memory) => memory.is_to_fail(),
            Medium::Flash(_) => false,
        }
    }

    fn fail(&self, failure: Option<Failure>) {
        if let Medium::Memory(memory) = &self.medium {
            memory.fail(failure);
        }
    }

    fn open<'p, P: Persistence<CountingSession>>(
        &mut self,
        places: &'p mut RoomStorage<CountingSession, { PLACES as usize }>,
        persistence: P,
    ) -> Option<Device<'p, CountingSession, P>> {
        let limits =
            Limits::new(MESSAGES.0..=MESSAGES.1, PERIOD_MS.0..=PERIOD_MS.1).expect("they are in order");
        let config = Config { limits, ..Config::default() };
        let _bench = Bench::new(self.sessions_made);
        match Device::open_at_ticks(places, config, persistence, self.ticks, rate()) {
            Ok(device) => Some(device),
            // Flash whose pages are not to be told from each other, or which has no space left.
            Err(OpenError::Store(_)) if matches!(self.medium, Medium::Flash(_)) => None,
            Err(OpenError::Store(StoreError::Failed)) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// The device comes back, once more, and lives until it goes off.
    fn live<P: Persistence<CountingSession>>(&mut self, persistence: P, letters: &mut Letters<'_>) {
        let before = self.writes();
        let mut places = RoomStorage::<CountingSession, { PLACES as usize }>::new();
        let Some(mut device) = self.open(&mut places, persistence) else {
            // Nothing more is to be done but to damage it further.
            while !letters.0.is_empty() && !letters.0.first().is_some_and(|letter| DAMAGE.contains(letter)) {
                letters.next();
            }
            return;
        };
        let has_written = self.writes() != before;
        assert!(!has_written || self.exhausted, "a device that comes back once more has nothing to write");
        let bench = Bench::new(self.sessions_made);
        loop {
            letters.0 = letters.0.trim_ascii_start();
            let Some(letter) = letters.0.first().filter(|letter| !DAMAGE.contains(letter)) else { break };
            let letter =
                if LIFE.contains(letter) { *letter } else { LIFE[usize::from(*letter) % LIFE.len()] };
            letters.next();
            if !self.step(letter, letters, &mut device, &bench) {
                break;
            }
        }
        self.encrypted_for_now.clear();
        self.ended_for_now.clear();
        self.sessions_made = bench.made.get();
        for (item, bytes) in self.items().unwrap_or_default() {
            let versions = self.versions.entry(item).or_default();
            if versions.last() != Some(&bytes) {
                versions.push(bytes);
            }
        }
    }

    fn writes(&self) -> u64 {
        match &self.medium {
            Medium::Memory(memory) => memory.writes(),
            Medium::Flash(_) => 0,
        }
    }

    /// One step of [`LIFE`]. Whether it goes on. What the store refuses, as flash may, is refused.
    fn step<P: Persistence<CountingSession>>(
        &mut self,
        letter: u8,
        letters: &mut Letters<'_>,
        device: &mut Device<'_, CountingSession, P>,
        bench: &Rc<Bench>,
    ) -> bool {
        match letter {
            b'e' => {
                let room = letters.room();
                let content = match letters.next() {
                    b'u' => r#"{"algorithm":"m.other"}"#.to_owned(),
                    b'r' => "{}".to_owned(),
                    limit => format!(
                        r#"{{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_msgs":{},"rotation_period_ms":{},"encrypt_state_events":{}}}"#,
                        limit % 64,
                        20 * u32::from(limit),
                        limit > 100
                    ),
                };
                let before = device.settings(room_id(room));
                match self.call(device, |device| device.encryption_event(room_id(room), content.as_bytes())) {
                    Ok(_) => drop(self.encrypted.insert(room)),
                    Err(EncryptionEventError::Store(_)) if device.is_known_encrypted(room_id(room)) => {
                        self.encrypted_for_now.insert(room);
                        let now = device.settings(room_id(room));
                        assert!(before.is_none() || now.is_some(), "S4: settings were lost");
                    }
                    Err(_) => {}
                }
            }
            b's' => self.send(letters.room(), device, bench),
            b'u' => {
                let _ = self.message(letters.room(), device, bench);
            }
            b'p' => {
                let (room, unknown) = (letters.room(), PreviousMembership::Unknown);
                let session = current_session(device, room);
                let noted = self.call(device, |device| {
                    device.member_event(room_id(room), unknown, Membership::Leave, false)
                });
                let ended = if noted.is_ok() { &mut self.ended } else { &mut self.ended_for_now };
                ended.extend(session.map(|session| (room, session)));
            }
            b'v' => {
                let room = letters.room();
                let visibility = if letters.next() == b's' { "shared" } else { "joined" };
                let _ =
                    self.call(device, |device| device.history_visibility_event(room_id(room), visibility));
            }
            b'R' => {
                let room = letters.room();
                let _ = self.call(device, |device| device.reset_settings(room_id(room)));
            }
            b'F' => {
                let room = letters.room();
                if let Ok(true) = self.call(device, |device| device.forget(room_id(room))) {
                    self.encrypted.remove(&room);
                    self.encrypted_for_now.remove(&room);
                }
            }
            b'[' => device.begin_resync(),
            b']' => {
                if self.call(device, Device::end_resync).is_ok() {
                    // Rooms that were lost with what was damaged were not delivered: they are unknown now (K4).
                    self.encrypted.retain(|room| device.is_known_encrypted(room_id(*room)));
                }
            }
            b't' => {
                let ms = u64::from(letters.next());
                self.ticks += ms;
                self.calendar.change(|face| face.stamp.ms += ms);
            }
            b'<' => self.ticks -= 1,
            b'Z' => {
                let _ = self.call(device, |device| device.slept(Sleep::Unknown));
            }
            b'O' => {
                let ticks = self.ticks;
                let _ = self.call(device, |device| device.shut_down_at_ticks(ticks, rate()));
                return false;
            }
            b'f' => {
                let how = letters.next();
                self.fail(Some(Failure { after: how / 2 % 4, is_stored: how % 2 == 1 }));
            }
            b'C' => self.calendar.change(|face| face.stamp.setting = face.stamp.setting.wrapping_add(1)),
            b'B' => self.calendar.change(|face| face.stamp.ms -= 5),
            b'X' => self.calendar.change(|face| face.readable = !face.readable),
            b'P' => {
                self.keeps_sessions = !self.keeps_sessions;
                return false;
            }
            _ => return false,
        }
        true
    }

    /// B1: a call during which the store fails is a call that fails.
    fn call<'d, P, T, E>(
        &self,
        device: &mut Device<'d, CountingSession, P>,
        call: impl FnOnce(&mut Device<'d, CountingSession, P>) -> Result<T, E>,
    ) -> Result<T, E> {
        let was_to_fail = self.is_to_fail();
        let result = call(device);
        assert!(result.is_err() || was_to_fail == self.is_to_fail(), "the store failed, and nobody knows");
        result
    }

    /// A message; its session is shared first if it has to be.
    fn send<P: Persistence<CountingSession>>(
        &mut self,
        room: usize,
        device: &mut Device<'_, CountingSession, P>,
        bench: &Rc<Bench>,
    ) {
        if let Some(request) = self.message(room, device, bench)
            && self.call(device, |device| device.shared(&request)).is_ok()
        {
            let again = self.message(room, device, bench);
            assert_eq!(again, None, "T8: a session that was shared is to be shared again");
        }
    }

    /// A message that is sent, or needs its session to be shared first.
    fn message<P: Persistence<CountingSession>>(
        &mut self,
        room: usize,
        device: &mut Device<'_, CountingSession, P>,
        bench: &Rc<Bench>,
    ) -> Option<ShareRequest> {
        let (medium, was_to_fail) = (self.medium.clone(), self.is_to_fail());
        let has_failed = || match &medium {
            Medium::Memory(memory) => was_to_fail && !memory.is_to_fail(),
            Medium::Flash(_) => false,
        };
        let moment = device.at_ticks(self.ticks, rate()).ok()?;
        assert!(!has_failed(), "the store failed, and nobody knows");
        let create = || Ok::<_, std::convert::Infallible>(CountingSession::new(bench));
        let decision = moment.decide(room_id(room), create).ok()?;
        assert!(!has_failed(), "the store failed, and nobody knows");
        match decision {
            Decision::Plaintext(_) => {
                // B5: it was not forgotten, and there was no resync since.
                let known = self.encrypted.contains(&room) && !self.rewritten && !self.forged;
                assert!(!known && !self.encrypted_for_now.contains(&room), "plaintext to an encrypted room");
                None
            }
            Decision::Blocked(_) => None,
            Decision::Share(request) => Some(request),
            Decision::Encrypt(permit) => {
                let event = Event { event_type: "m.room.message", content: b"{}" };
                let me = SendingDevice { sender_key: "k", device_id: "D" };
                let (mut scratch, mut out) = ([0; 128], [0; 256]);
                let encrypted = permit.encrypt(&event, &me, &mut scratch, &mut out).expect("space");
                let content: EncryptedContent<'_> =
                    serde_json::from_slice(&out[..encrypted.length]).expect("an event");
                let message = (digits(content.session_id), u64::from(encrypted.message_index));
                assert!(self.sent.insert(message) || self.rewritten, "{message:?} was sent twice");
                let ended = self.ended.contains(&(room, message.0)) && !self.rewritten && !self.forged;
                let ended = ended || self.ended_for_now.contains(&(room, message.0));
                assert!(!ended, "T4: a session was used that was to be replaced");
                None
            }
        }
    }

    /// One step of [`DAMAGE`].
    fn damage(&mut self, letters: &mut Letters<'_>) {
        let letter = letters.next();
        let memory = match &self.medium {
            Medium::Memory(memory) => memory.clone(),
            Medium::Flash(flash) => {
                let address = usize::from(letters.next()) << 8 | usize::from(letters.next());
                let by = letters.next();
                flash.change(address, |byte| if letter == b'#' { byte ^ by } else { by });
                self.rewritten = true; // of several changes one may be to an item, and one to the note of its version
                return;
            }
        };
        let item = letters.item();
        match letter {
            b'!' => {
                let fix = letters.fix();
                let (at, by) =
                    (usize::from(letters.next()) << 8 | usize::from(letters.next()), letters.next());
                let room = self.room_at(item, &memory);
                self.forged |= fix != Fix::Nothing;
                self.rewritten |= memory.change(|items| {
                    items.get_mut(&item).is_some_and(|bytes| flip(bytes, item, room.as_deref(), fix, at, by))
                });
            }
            b'=' => {
                let fix = letters.fix();
                let count = usize::from(letters.next());
                let mut bytes = letters.take(count);
                put_right(&mut bytes, item, fix);
                self.forged |= fix != Fix::Nothing;
                if bytes.is_empty() {
                    bytes.push(0); // nothing is ever stored empty
                }
                memory.change(|items| items.insert(item, bytes));
            }
            b'~' => {
                let back = usize::from(letters.next());
                if let Some(versions) = self.versions.get(&item) {
                    let version = versions[versions.len() - 1 - back % versions.len()].clone();
                    self.rewritten = true;
                    memory.change(|items| items.insert(item, version));
                }
            }
            b'+' => {
                let to = letters.item();
                if let Some(bytes) = memory.items().remove(&item) {
                    memory.change(|items| items.insert(to, bytes));
                }
            }
            _ => {
                self.rewritten = true;
                memory.change(|items| items.remove(&item));
            }
        }
    }

    /// The room at the place of a sealed session.
    fn room_at(&self, item: Item, memory: &Memory) -> Option<String> {
        let Item::Session(place) = item else { return None };
        let items = memory.items();
        Some(reference::room_record(items.get(&Item::Room(place))?, place)?.room?.0)
    }
}

/// Changes a byte. Whether it was one under seal, and the seal is good again.
fn flip(bytes: &mut Vec<u8>, item: Item, room: Option<&str>, fix: Fix, at: usize, by: u8) -> bool {
    if fix == Fix::Everything
        && let Some(room) = room
    {
        let Some(mut plain) = reference::unseal(bytes, room) else { return false };
        let at = at % (plain.len() + 12);
        match plain.get_mut(at) {
            Some(byte) => *byte ^= by,
            None => bytes[at - plain.len()] ^= by, // in the header
        }
        reference::reseal(bytes, room, &plain);
        return true;
    }
    let at = at % bytes.len();
    bytes[at] ^= by;
    put_right(bytes, item, fix);
    false
}

#[derive(Deserialize)]
struct EncryptedContent<'a> {
    session_id: &'a str,
}

#[derive(Deserialize)]
struct RoomKeyContent<'a> {
    session_key: &'a str,
}

fn room_id(room: usize) -> RoomId<'static> {
    RoomId::new(ROOMS[room]).expect("it is short")
}

fn rate() -> TickRate {
    TickRate::new(1_000, CounterWidth::Bits64).expect("it ticks")
}

/// Without what is not to be seen: rooms that only damage can have brought, of which a device is not asked, and digits of a
/// session's number for which its ID has no place.
fn only_rooms(mut opened: Opened) -> Opened {
    opened.sessions.values_mut().for_each(|(number, _)| *number %= 10_000_000_000);
    opened.rooms.retain(|room, _| ROOMS.contains(&room.as_str()));
    opened.sessions.retain(|room, _| ROOMS.contains(&room.as_str()));
    opened
}

/// What is to be seen of a device.
fn look<P: Persistence<CountingSession>>(device: &Device<'_, CountingSession, P>, damaged: bool) -> Opened {
    let incomplete = device.incomplete().map(|reason| match reason {
        BlockReason::StateUnknown => Cause::StateUnknown,
        BlockReason::Capacity => Cause::Capacity,
        BlockReason::StoreDamaged => Cause::StoreDamaged,
        other => panic!("{other:?} is no cause of ignorance"),
    });
    let mut opened = Opened { incomplete, rooms: BTreeMap::new(), sessions: BTreeMap::new(), damaged };
    for room in (0..ROOMS.len()).filter(|room| device.is_known_encrypted(room_id(*room))) {
        let in_force = device.settings(room_id(room)).map(|settings| {
            (settings.rotation_period_msgs, settings.rotation_period_ms, settings.encrypt_state_events)
        });
        opened.rooms.insert(ROOMS[room].to_owned(), in_force);
        let session = session_and_index(device, room);
        opened.sessions.extend(session.map(|session| (ROOMS[room].to_owned(), session)));
    }
    opened
}

/// The number and the index of the session there is.
fn session_and_index<P: Persistence<CountingSession>>(
    device: &Device<'_, CountingSession, P>,
    room: usize,
) -> Option<(u64, u64)> {
    let request = device.share_current(room_id(room))?;
    let mut out = [0; 600];
    let length = device.room_key(&request, &mut out).expect("its key");
    let content: RoomKeyContent<'_> = serde_json::from_slice(&out[..length]).expect("its content");
    let (session, index) = content.session_key.split_at(SESSION_ID_LENGTH);
    Some((digits(session), digits(index)))
}

fn current_session<P: Persistence<CountingSession>>(
    device: &Device<'_, CountingSession, P>,
    room: usize,
) -> Option<u64> {
    Some(session_and_index(device, room)?.0)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{DAMAGE, LIFE, check};

    // B1–B6, K1, K4.
    #[test]
    fn the_body_holds_over_the_corpus() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/stored");
        let mut count = 0;
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("a file").path();
            println!("{}", path.display());
            check(&fs::read(path).expect("its bytes"));
            count += 1;
        }
        assert!(count >= 50, "only {count} seeds");
    }

    #[test]
    fn the_body_holds_over_letters_at_random() {
        let mut state = 1_u32;
        let mut random = |below: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            usize::try_from(state >> 8).expect("24 bits") % below
        };
        let letters = [LIFE, DAMAGE, b"sssseeeAAAAABBC[]DRSac-0123", &[0, 1, 7, 255]].concat();
        for length in 0..150 {
            let kind = [b"s", b"s", b"s", b"r"][random(4)];
            let medium = [b"m1", b"m4", b"f2"][random(3)];
            let begin = [b"l", &kind[..], medium, b"[eA9eBueC5]sAsBsA"].concat();
            let rest = (0..length % 160).map(|_| letters[random(letters.len())]);
            let input: Vec<u8> = begin.into_iter().chain(rest).collect();
            println!("{}", input.escape_ascii());
            check(&input);
        }
        for _ in 0..300 {
            let mut input = [b"l", [b"s", b"r"][random(2)].as_slice(), b"i", b"6"].concat();
            for _ in 0..6 {
                let length = 1 + random(60);
                let address = [random(4) * 4, random(16)][random(2)];
                input.extend(
                    [address, [0, 4, random(256)][random(3)], length, [1, 1, 40][random(3)]]
                        .map(|it| u8::try_from(it).expect("a byte")),
                );
                input.extend(
                    (0..length).map(|_| {
                        u8::try_from([0, 0, 1, 16, 255, 68, random(256)][random(7)]).expect("a byte")
                    }),
                );
            }
            input.extend(b"1[eA9eBueC5]sAsBsAosAO[eA9]sAsB");
            check(&input);
        }
        for kind in *b"dr" {
            for fix in *b"-ca" {
                for _ in 0..500 {
                    let bytes = (0..random(300)).map(|_| [0, 0, 0, 1, 2, 255][random(6)]);
                    let input: Vec<u8> = [kind, fix].into_iter().chain(bytes).collect();
                    println!("{}", input.escape_ascii());
                    check(&input);
                }
            }
        }
    }
}
