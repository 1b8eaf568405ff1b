//! Everything outside of the device, and a run of the device in it.
//!
//! What is here outlives the device's restarts: the flash, the clock that goes on, the server with its rooms, the devices
//! that receive, and what came out so far. From that alone it judges: it knows each session's room key, the true time at which
//! it was made and what has happened since, and which indices were used.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use pawl_core::clock::{CounterWidth, Sleep, TickRate};
use pawl_core::event::{Event, SendingDevice};
use pawl_core::flash::FlashStore;
use pawl_core::membership::{Membership, PreviousMembership};
use pawl_core::record::ROOM_RECORD_LENGTH;
use pawl_core::rotation::RotationReason;
use pawl_core::settings::ChangePolicy;
use pawl_core::{
    BlockReason, Config, Decision, Device, EncryptionEventError, RoomId, RoomPlace, SessionsStored,
    ShareRequest, SharedError, Stamp, StampClock, StoreKey, VodozemacSession, sealed_length,
};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use serde_json::Value;
use vodozemac::megolm::{InboundGroupSession, MegolmMessage, SessionConfig, SessionKey};

use super::life::{Act, ROOMS};
use crate::nor_flash::{EmulatedFlash, FlashError};
use crate::seeded_session::seeded_session;

/// Small pages, so that they are erased often.
const PAGE: usize = 2_048;
const PAGES: usize = 10;

pub(super) type Flash = EmulatedFlash<PAGE, 4, 1>;

/// The places of the device's table at first: one less than there are rooms that can be encrypted.
const PLACES: usize = 3;

/// The rotation period that every room asks for, in milliseconds.
const PERIOD_MS: u64 = 86_400_000;

/// The longest item that is stored.
const LONGEST_ITEM: usize = {
    let session = sealed_length::<VodozemacSession>();
    if session > ROOM_RECORD_LENGTH { session } else { ROOM_RECORD_LENGTH }
};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// All acts are done.
    Done,
    /// The power was cut in this act, or before it was begun.
    Cut { act: usize },
}

/// The world outside of the device, between two of its starts.
#[derive(Clone)]
pub(super) struct World {
    pub(super) flash: Flash,
    seed: u64,
    /// True time.
    now_ms: u64,
    /// How much more than that the clock that goes on shows, and how often it was set.
    rtc: Stamp,
    rtc_is_readable: bool,
    /// Whether it was all the time since the device started last.
    rtc_was_readable: bool,
    /// The places of the device's table at its next start, and when it started last.
    places: usize,
    places_before: usize,
    /// What settings may change, at the device's next start.
    policy: ChangePolicy,
    /// Whether something that was stored has gone bad since the last resync.
    damaged: bool,
    rooms: [Room; ROOMS.len()],
    /// Whether the device was last told that it knows every room it is in.
    complete: bool,
    sessions: BTreeMap<String, Session>,
    used_indices: BTreeSet<(String, u32)>,
    messages: u64,
    violations: Vec<(&'static str, String)>,
}

/// A room as the server and the application know it.
#[derive(Clone, Default)]
struct Room {
    joined: bool,
    /// The messages a session that the latest encryption event asks for; 0 when it was redacted. `None` before the first.
    content: Option<u32>,
    history_shared: bool,
    /// Whether the device took the encryption event.
    in_table: bool,
    /// The limit in force, by what the device took.
    limit: Option<u32>,
    reset: bool,
    /// The session that the device was told was shared.
    session: Option<String>,
}

/// A session as those who were given its key know it.
#[derive(Clone)]
struct Session {
    room: usize,
    key: String,
    made_ms: u64,
    messages: u32,
    /// Since when it must not be used, and why.
    ended: Option<&'static str>,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let joined = || Room { joined: true, ..Room::default() };
        World {
            flash: Flash::new(PAGES, seed),
            seed,
            now_ms: 0,
            rtc: Stamp { ms: 1_000_000, setting: 1 },
            rtc_is_readable: true,
            rtc_was_readable: true,
            places: PLACES,
            places_before: PLACES,
            policy: ChangePolicy::default(),
            damaged: false,
            rooms: core::array::from_fn(|_| joined()),
            complete: false,
            sessions: BTreeMap::new(),
            used_indices: BTreeSet::new(),
            messages: 0,
            violations: Vec::new(),
        }
    }

    /// What has come out and what was wrong with it, since this was asked last.
    pub(super) fn take_outcome(&mut self) -> (u64, Vec<(&'static str, String)>) {
        if self.flash.faults() > 0 {
            self.violation("flash_misused", format!("{} refused operations", self.flash.faults()));
        }
        (std::mem::take(&mut self.messages), std::mem::take(&mut self.violations))
    }

    fn violation(&mut self, kind: &'static str, detail: String) {
        self.violations.push((kind, detail));
    }

    /// Starts the device and lets it live through the acts; with the power cut at a step of its flash, counted from here.
    pub(super) fn run(&mut self, acts: &[Act], cut_at: Option<u64>) -> End {
        self.flash.power_on();
        if let Some(step) = cut_at {
            self.flash.cut_after(step);
        }
        let flash = RefCell::new(self.flash.clone());
        let rtc = Cell::new(self.stamp());
        let boot = Boot {
            flash: &flash,
            rtc: &rtc,
            policy: self.policy,
            began_ms: self.now_ms,
            behind_ms: 0,
            requests: [None; ROOMS.len()],
            random: ChaCha20Rng::seed_from_u64(self.seed ^ self.flash.steps()),
        };
        let end = boot.run(self, acts);
        self.flash = flash.into_inner();
        end
    }

    fn stamp(&self) -> Option<Stamp> {
        self.rtc_is_readable.then(|| Stamp { ms: self.rtc.ms + self.now_ms, setting: self.rtc.setting })
    }

    /// The device starts: sessions that began without a stamp were not stored, and without one none comes back (B3).
    fn starts(&mut self) {
        if !self.rtc_is_readable {
            self.end_all_sessions("the device started without a stamp");
        }
        if !self.rtc_was_readable {
            self.expect_no_session();
        }
    }

    /// It has started, and found its rooms in the store. A room that moved to another place has lost its session; for one
    /// that found none there must be a cause: no place (K2), or that it was being forgotten.
    fn started(&mut self, device: &Pawl<'_>) {
        self.rtc_was_readable = self.rtc_is_readable;
        if self.places < self.places_before {
            self.expect_no_session();
        }
        self.places_before = self.places;
        if device.incomplete() == Some(BlockReason::StoreDamaged) && !self.damaged {
            self.violation("store_damaged", "after a power cut".to_owned());
        }
        for (room, id) in ROOMS.iter().enumerate() {
            if self.rooms[room].in_table && !device.is_known_encrypted(room_id(room)) {
                if self.rooms[room].joined && device.incomplete() != Some(BlockReason::Capacity) {
                    self.violation("room_lost", (*id).to_owned());
                }
                self.not_in_table(room);
            }
        }
    }

    fn not_in_table(&mut self, room: usize) {
        let here = &mut self.rooms[room];
        (here.in_table, here.limit, here.reset) = (false, None, false);
        self.complete = false;
    }

    fn expect_no_session(&mut self) {
        for room in &mut self.rooms {
            room.session = None;
        }
    }

    /// All that was ever stored of a room's record goes bad. It is the device's only sign of it that its ID is there.
    fn damage(&mut self, flash: &mut Flash, room: usize) {
        if !self.rooms[room].in_table {
            return;
        }
        let id = ROOMS[room].as_bytes();
        let copies: Vec<usize> =
            (0..flash.bytes().len() - id.len()).filter(|at| flash.bytes()[*at..].starts_with(id)).collect();
        for at in copies {
            flash.flip_bit(u32::try_from(at).expect("a small flash"), 0);
        }
        self.damaged = true;
        self.not_in_table(room);
        self.expect_no_session();
        self.end_all_sessions("the store was damaged");
    }

    /// A message came out of the device.
    fn emitted(&mut self, room: usize, content: &[u8]) {
        self.messages += 1;
        let content: Value = serde_json::from_slice(content).expect("the core writes JSON");
        let id = content["session_id"].as_str().unwrap_or_default().to_owned();
        let limit = self.rooms[room].limit;
        let now_ms = self.now_ms;
        let Some(session) = self.sessions.get_mut(&id) else {
            return self
                .violation("undecryptable", format!("nobody has the key of a message to {}", ROOMS[room]));
        };
        session.messages += 1;
        let Session { room: of, key, made_ms, messages, ended } = session.clone();
        let index = match decrypt(&key, content["ciphertext"].as_str().unwrap_or_default()) {
            Ok(index) => index,
            Err(error) => return self.violation("undecryptable", format!("{}: {error}", ROOMS[room])),
        };
        if of != room {
            self.violation("wrong_room", format!("a session of {} in {}", ROOMS[of], ROOMS[room]));
        }
        if !self.used_indices.insert((id, index)) {
            self.violation("ratchet_index_reused", format!("index {index} in {}", ROOMS[room]));
        }
        if limit.is_none_or(|limit| messages > limit || index >= limit) {
            let detail = format!("{messages} messages, index {index}, limit {limit:?} in {}", ROOMS[room]);
            self.violation("session_over_message_limit", detail);
        }
        if now_ms - made_ms >= PERIOD_MS {
            self.violation("session_over_age_limit", format!("{} ms in {}", now_ms - made_ms, ROOMS[room]));
        }
        if let Some(why) = ended {
            self.violation("session_used_after_its_end", format!("{why} in {}", ROOMS[room]));
        }
    }

    /// The room's sessions must not be used any more.
    fn end_sessions(&mut self, room: usize, why: &'static str) {
        for session in self.sessions.values_mut().filter(|session| session.room == room) {
            session.ended = Some(why);
        }
    }

    fn not_sent(&mut self, room: usize, reason: BlockReason) {
        let here = &self.rooms[room];
        let blocked_for_a_cause = match reason {
            BlockReason::MalformedSettings => here.in_table && here.limit.is_none(),
            BlockReason::StateUnknown | BlockReason::Capacity | BlockReason::StoreDamaged => {
                !here.in_table && !self.complete
            }
            _ => false,
        };
        if !blocked_for_a_cause {
            self.violation("blocked_without_cause", format!("{reason} in {}", ROOMS[room]));
        }
    }

    fn plaintext(&mut self, room: usize) {
        self.messages += 1;
        if self.rooms[room].content.is_some() {
            self.violation("plaintext_after_encryption", ROOMS[room].to_owned());
        }
        if !self.complete {
            self.violation("plaintext_without_knowing_every_room", ROOMS[room].to_owned());
        }
    }
}

fn decrypt(key: &str, ciphertext: &str) -> Result<u32, String> {
    let key = SessionKey::from_base64(key).map_err(|error| error.to_string())?;
    let message = MegolmMessage::from_base64(ciphertext).map_err(|error| error.to_string())?;
    let mut session = InboundGroupSession::new(&key, SessionConfig::version_1());
    Ok(session.decrypt(&message).map_err(|error| error.to_string())?.message_index)
}

/// The device's flash, which the world looks into as well.
struct Chip<'f>(&'f RefCell<Flash>);

impl ErrorType for Chip<'_> {
    type Error = FlashError;
}

impl ReadNorFlash for Chip<'_> {
    const READ_SIZE: usize = Flash::READ_SIZE;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        self.0.borrow_mut().read(offset, bytes)
    }

    fn capacity(&self) -> usize {
        self.0.borrow().capacity()
    }
}

impl NorFlash for Chip<'_> {
    const WRITE_SIZE: usize = Flash::WRITE_SIZE;
    const ERASE_SIZE: usize = Flash::ERASE_SIZE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        self.0.borrow_mut().erase(from, to)
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        self.0.borrow_mut().write(offset, bytes)
    }
}

struct Rtc<'r>(&'r Cell<Option<Stamp>>);

impl StampClock for Rtc<'_> {
    fn stamp(&mut self) -> Option<Stamp> {
        self.0.get()
    }
}

type Kept<'a> = SessionsStored<'a, FlashStore<'a, Chip<'a>>, Rtc<'a>, ChaCha20Rng>;
type Pawl<'a> = Device<'a, VodozemacSession, Kept<'a>>;

/// One start of the device, and its clock.
struct Boot<'f> {
    flash: &'f RefCell<Flash>,
    rtc: &'f Cell<Option<Stamp>>,
    policy: ChangePolicy,
    began_ms: u64,
    /// How much less the device's clock shows than has passed since it started.
    behind_ms: u64,
    /// Shares that are under way.
    requests: [Option<ShareRequest>; ROOMS.len()],
    /// The secrets of its sessions, and its nonces: other ones at each start, and the same again in a life of the same seed.
    random: ChaCha20Rng,
}

/// The store failed: the power was cut, or it is a violation.
struct Failed;

impl Boot<'_> {
    fn run(mut self, world: &mut World, acts: &[Act]) -> End {
        let end = u32::try_from(PAGE * PAGES).expect("a small flash");
        let mut flash_buffer = vec![0; FlashStore::<Chip<'_>>::buffer_length(LONGEST_ITEM)];
        let store = FlashStore::new(Chip(self.flash), 0..end, LONGEST_ITEM, &mut flash_buffer)
            .expect("the flash suits the store");
        let mut buffer = vec![0; sealed_length::<VodozemacSession>()];
        let nonces = ChaCha20Rng::from_rng(&mut self.random);
        let kept = SessionsStored::new(store, StoreKey::new([1; 32]), Rtc(self.rtc), nonces, &mut buffer);
        world.starts();
        let mut places: Vec<_> = (0..world.places).map(|_| RoomPlace::new()).collect();
        let config = Config { policy: self.policy, ..Config::default() };
        let opened = Device::open_at_ticks(&mut places, config, kept, self.ticks(world), rate());
        let Ok(mut device) = opened.map_err(|error| self.failed(world, &error)) else {
            return End::Cut { act: 0 };
        };
        world.started(&device);
        for (number, act) in acts.iter().enumerate() {
            world.now_ms += 1_000;
            self.rtc.set(world.stamp());
            if self.act(world, &mut device, *act).is_err() {
                return End::Cut { act: number };
            }
        }
        End::Done
    }

    fn ticks(&self, world: &World) -> u64 {
        world.now_ms - self.began_ms - self.behind_ms
    }

    /// Something that needs the store has failed. Without power that is no wonder.
    fn failed(&self, world: &mut World, error: &dyn std::fmt::Display) -> Failed {
        if self.flash.borrow().is_powered() {
            world.violation("store_failed", error.to_string());
        }
        Failed
    }

    fn act(&mut self, world: &mut World, device: &mut Pawl<'_>, act: Act) -> Result<(), Failed> {
        match act {
            Act::Resync => self.resync(world, device),
            Act::Encryption(room, messages) => {
                world.rooms[room].content = Some(messages);
                if world.rooms[room].joined { self.encryption(world, device, room) } else { Ok(()) }
            }
            Act::Leave(room) => {
                world.end_sessions(room, "somebody left");
                let was = PreviousMembership::Known(Membership::Join);
                let noted = device.member_event(room_id(room), was, Membership::Leave, false);
                noted.map(drop).map_err(|error| self.failed(world, &error))
            }
            Act::Visibility(room, shared) => {
                if world.rooms[room].history_shared != shared {
                    world.rooms[room].history_shared = shared;
                    world.end_sessions(room, "the history visibility changed");
                }
                self.visibility(world, device, room)
            }
            Act::DeviceRemoved(room) => {
                world.end_sessions(room, "a device was removed");
                let noted = device.device_removed(room_id(room));
                noted.map(drop).map_err(|error| self.failed(world, &error))
            }
            Act::RequestRotation(room) => {
                world.end_sessions(room, "the owner asked for it");
                let noted = device.request_rotation(room_id(room));
                noted.map(drop).map_err(|error| self.failed(world, &error))
            }
            Act::ResetSettings(room) => {
                let reset = device.reset_settings(room_id(room));
                world.rooms[room].reset |= reset.map_err(|error| self.failed(world, &error))?;
                Ok(())
            }
            Act::Forget(room) => self.forget(world, device, room),
            Act::Join(room) => {
                world.rooms[room].joined = true;
                self.room_state(world, device, room)
            }
            Act::Send(room, count) => (0..count).try_for_each(|_| self.send(world, device, room, true)),
            Act::SendUnshared(room) => self.send(world, device, room, false),
            Act::ShareArrives(room) => self.share_arrives(world, device, room),
            Act::Pass(ms) => {
                world.now_ms += ms;
                Ok(())
            }
            Act::ClockBack => {
                const BACK_MS: u64 = 600_000;
                world.now_ms += BACK_MS; // so that there is something to go back to
                self.read_clock(world, device)?;
                self.behind_ms += BACK_MS;
                world.end_all_sessions("the clock went back");
                self.read_clock(world, device)
            }
            Act::Sleep(ms) => self.sleep(world, device, ms, Sleep::KnownMs(ms)),
            Act::SleepUnknown => {
                world.end_all_sessions("nobody knows how long the device slept");
                self.sleep(world, device, 7_200_000, Sleep::Unknown)
            }
            Act::SetClockAnew => {
                world.rtc = Stamp { ms: world.rtc.ms / 2 + 77, setting: world.rtc.setting + 1 };
                world.rtc_is_readable = true;
                Ok(())
            }
            Act::ClockUnreadable => {
                (world.rtc_is_readable, world.rtc_was_readable) = (false, false);
                Ok(())
            }
            Act::TableOf(places) => {
                world.places = places;
                Ok(())
            }
            Act::Policy(policy) => {
                world.policy = policy;
                Ok(())
            }
            Act::Damage(room) => {
                world.damage(&mut self.flash.borrow_mut(), room);
                Ok(())
            }
            Act::ShutDown => {
                let ticks = self.ticks(world);
                device.shut_down_at_ticks(ticks, rate()).map_err(|error| self.failed(world, &error))
            }
        }
    }

    // ---- events ----

    fn resync(&self, world: &mut World, device: &mut Pawl<'_>) -> Result<(), Failed> {
        device.begin_resync();
        let before = world.complete;
        world.complete = true;
        for room in 0..ROOMS.len() {
            if world.rooms[room].joined {
                self.room_state(world, device, room)?;
            }
        }
        let refused = !world.complete;
        world.complete &= before;
        match device.end_resync() {
            Ok(()) => (world.complete, world.damaged) = (true, false),
            Err(pawl_core::ResyncError::EventRefused) if refused => {}
            Err(error) => return Err(self.failed(world, &error)),
        }
        Ok(())
    }

    /// The current state of a room.
    fn room_state(&self, world: &mut World, device: &mut Pawl<'_>, room: usize) -> Result<(), Failed> {
        if world.rooms[room].content.is_some() {
            self.encryption(world, device, room)?;
            self.visibility(world, device, room)?;
        }
        Ok(())
    }

    fn encryption(&self, world: &mut World, device: &mut Pawl<'_>, room: usize) -> Result<(), Failed> {
        let messages = world.rooms[room].content.unwrap_or_default();
        let content = if messages == 0 {
            "{}".to_owned()
        } else {
            format!(
                r#"{{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_msgs":{messages},"rotation_period_ms":{PERIOD_MS}}}"#
            )
        };
        match device.encryption_event(room_id(room), content.as_bytes()) {
            Ok(_) => {}
            Err(EncryptionEventError::TableFull) => {
                world.complete = false;
                return Ok(());
            }
            Err(error) => return Err(self.failed(world, &error)),
        }
        let here = &mut world.rooms[room];
        here.in_table = true;
        if messages > 0 {
            here.limit = match here.limit {
                Some(limit) if !here.reset && self.policy == ChangePolicy::Ratchet => {
                    Some(limit.min(messages))
                }
                _ => Some(messages),
            };
            here.reset = false;
        }
        Ok(())
    }

    fn visibility(&self, world: &mut World, device: &mut Pawl<'_>, room: usize) -> Result<(), Failed> {
        let value = if world.rooms[room].history_shared { "shared" } else { "joined" };
        let noted = device.history_visibility_event(room_id(room), value);
        noted.map(drop).map_err(|error| self.failed(world, &error))
    }

    fn forget(&self, world: &mut World, device: &mut Pawl<'_>, room: usize) -> Result<(), Failed> {
        world.rooms[room].joined = false;
        world.rooms[room].session = None;
        world.end_sessions(room, "the room was forgotten");
        let known = world.rooms[room].in_table;
        world.complete &= !known;
        let forgotten = device.forget(room_id(room)).map_err(|error| self.failed(world, &error))?;
        if forgotten {
            world.complete = false;
        }
        world.rooms[room] = Room {
            content: world.rooms[room].content,
            history_shared: world.rooms[room].history_shared,
            ..Room::default()
        };
        Ok(())
    }

    // ---- time ----

    fn read_clock(&self, world: &mut World, device: &mut Pawl<'_>) -> Result<(), Failed> {
        let ticks = self.ticks(world);
        match device.at_ticks(ticks, rate()) {
            Ok(_moment) => Ok(()),
            Err(error) => Err(self.failed(world, &error)),
        }
    }

    fn sleep(
        &mut self,
        world: &mut World,
        device: &mut Pawl<'_>,
        ms: u64,
        sleep: Sleep,
    ) -> Result<(), Failed> {
        self.read_clock(world, device)?;
        world.now_ms += ms;
        self.behind_ms += ms;
        device.slept(sleep).map_err(|error| self.failed(world, &error))
    }

    // ---- messages ----

    fn send(
        &mut self,
        world: &mut World,
        device: &mut Pawl<'_>,
        room: usize,
        reaches: bool,
    ) -> Result<(), Failed> {
        if !world.rooms[room].joined {
            return Ok(()); // nobody sends to a room that they left
        }
        loop {
            let ticks = self.ticks(world);
            let moment = match device.at_ticks(ticks, rate()) {
                Ok(moment) => moment,
                Err(error) => return Err(self.failed(world, &error)),
            };
            let decision =
                moment.decide(room_id(room), || Ok::<_, Infallible>(seeded_session(&mut self.random)));
            match decision {
                Ok(Decision::Encrypt(permit)) => {
                    let (mut scratch, mut out) = ([0; 2_048], [0; 2_048]);
                    let encrypted = permit
                        .encrypt(&EVENT, &SENDER, &mut scratch, &mut out)
                        .expect("the buffers are long enough");
                    world.emitted(room, &out[..encrypted.length]);
                    return Ok(());
                }
                Ok(Decision::Share(request)) => {
                    self.share_begins(world, device, room, &request);
                    self.requests[room] = Some(request);
                    if !reaches {
                        return Ok(());
                    }
                    self.share_arrives(world, device, room)?;
                }
                Ok(Decision::Plaintext(_permit)) => {
                    world.plaintext(room);
                    return Ok(());
                }
                Ok(Decision::Blocked(reason)) => {
                    world.not_sent(room, reason);
                    return Ok(());
                }
                Err(error) => {
                    world.rooms[room].session = None; // it may have been replaced
                    return Err(self.failed(world, &error));
                }
            }
        }
    }

    /// The room key goes out. A session is known to the world from when it was made.
    fn share_begins(&self, world: &mut World, device: &Pawl<'_>, room: usize, request: &ShareRequest) {
        let before = world.rooms[room].session.take();
        if let (Some(RotationReason::NoSession), Some(_)) = (request.started, &before) {
            world.violation("session_lost", format!("the session of {} is gone", ROOMS[room]));
        }
        let key = room_key(device, request);
        let id = key["session_id"].as_str().unwrap_or_default().to_owned();
        let made_ms = world.now_ms;
        world.sessions.entry(id).or_insert_with(|| Session {
            room,
            key: key["session_key"].as_str().unwrap_or_default().to_owned(),
            made_ms,
            messages: 0,
            ended: None,
        });
    }

    fn share_arrives(&mut self, world: &mut World, device: &mut Pawl<'_>, room: usize) -> Result<(), Failed> {
        let Some(request) = self.requests[room].take() else {
            return Ok(());
        };
        match device.shared(&request) {
            Ok(()) => {
                world.rooms[room].session =
                    room_key(device, &request)["session_id"].as_str().map(str::to_owned);
                Ok(())
            }
            Err(SharedError::SessionReplaced) => Ok(()),
            Err(error) => Err(self.failed(world, &error)),
        }
    }
}

impl World {
    fn end_all_sessions(&mut self, why: &'static str) {
        for session in self.sessions.values_mut() {
            session.ended = Some(why);
        }
    }
}

fn room_key(device: &Pawl<'_>, request: &ShareRequest) -> Value {
    let mut out = [0; 1_024];
    let length = device.room_key(request, &mut out).expect("the request is of a moment ago");
    serde_json::from_slice(&out[..length]).expect("the core writes JSON")
}

fn room_id(room: usize) -> RoomId<'static> {
    RoomId::new(ROOMS[room]).expect("short IDs")
}

/// A millisecond counter of 64 bits.
fn rate() -> TickRate {
    TickRate::new(1_000, CounterWidth::Bits64).expect("not 0 Hz")
}

const EVENT: Event<'_> = Event { event_type: "m.room.message", content: b"{}" };

const SENDER: SendingDevice<'_> = SendingDevice { sender_key: "KEY", device_id: "SWEPT" };
