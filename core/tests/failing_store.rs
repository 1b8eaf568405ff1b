//! Random lives of a device whose store fails now and then, and leaves the old item or the new one, while the application
//! carries on: it sends, shares, delivers events, and delivers again what failed. Then power is cut, and the device starts
//! again on a store that may fail then too.
//!
//! A life is judged from outside alone: by what came out of the device, by true time, and by which calls were made and
//! which of them succeeded.

mod support;

use core::convert::Infallible;
use core::fmt::Debug;
use std::collections::{BTreeMap, BTreeSet};

use pawl_core::clock::Sleep;
use pawl_core::membership::{Membership, PreviousMembership};
use pawl_core::record::{DeviceRecord, RoomRecord};
use pawl_core::settings::ChangePolicy;
use pawl_core::store::{Item, StoreError};
use pawl_core::{
    BlockReason, Decision, Device, EncryptionEventError, OpenError, Persistence, ResyncError, RoomsStored,
    SessionsStored, ShareRequest, StoreKey,
};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use support::stored::{Failure, Memory, Outside, World};
use support::{HOUR_MS, Session, content, encrypt, room, room_key};

const DAY_MS: u64 = 24 * HOUR_MS;
const ROOMS: [&str; 5] =
    ["!a:example.org", "!b:example.org", "!c:example.org", "!d:example.org", "!e:example.org"];
/// The last room never has an encryption event.
const PLAIN: usize = ROOMS.len() - 1;
const JOINED: PreviousMembership = PreviousMembership::Known(Membership::Join);

/// What happens besides failing stores, power cuts and clocks that cannot be relied on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Besides {
    Nothing,
    /// From start to start, the size of the table changes, and whether sessions are stored.
    Changes,
    /// Items are damaged or lost.
    Damage,
}

/// A call that the application repeats until it succeeds (K5).
#[derive(Clone, Copy, Debug)]
enum Call {
    Encryption(usize),
    Departure(usize),
    DeviceRemoved(usize),
    Visibility(usize, &'static str),
    UnknownSleep,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Allowed,
    /// The call that ended it could not store that: after a restart it may be used until the call is repeated.
    EndedForNow,
    Ended,
}

/// What is known from outside of a session.
struct Known {
    room: usize,
    made_ms: u64,
    made_in_start: u32,
    indices: BTreeSet<u32>,
    told_shared: bool,
    usable: Use,
}

struct Life<'t> {
    seed: u64,
    besides: Besides,
    random: StdRng,
    log: Vec<String>,
    happened: &'t mut BTreeSet<&'static str>,
    starts: u32,
    now_ms: u64,
    /// How long the device was off or slept, while its clock stood still.
    stood_still_ms: u64,
    rtc_fails: bool,
    rtc_setting: u32,
    /// The limit in each room's encryption event, if it has one.
    limits: [Option<u32>; ROOMS.len()],
    joined: [bool; ROOMS.len()],
    /// Whether a resync may have completed knowledge, and nothing has ended that since.
    may_know_all: bool,
    resyncing: bool,
    owed: Vec<Call>,
    requests: [Option<(ShareRequest, String)>; ROOMS.len()],
    sessions: BTreeMap<String, Known>,
}

impl Life<'_> {
    fn note(&mut self, what: &str, outcome: impl Debug) {
        self.log.push(format!("{what}: {outcome:?}"));
    }

    fn judge(&self, holds: bool, rule: &str) {
        assert!(holds, "seed {}: {rule}\n{}", self.seed, self.log.join("\n"));
    }

    fn end_sessions(&mut self, of: impl Fn(&Known) -> bool, usable: Use) {
        let sessions = self.sessions.values_mut();
        sessions.filter(|it| it.usable != Use::Ended && of(it)).for_each(|it| it.usable = usable);
    }

    fn set_clocks(&self, outside: &Outside) {
        outside.clock.show(self.now_ms - self.stood_still_ms);
        outside
            .rtc
            .show(1_700_000_000_000 - HOUR_MS * u64::from(self.rtc_setting) + self.now_ms, self.rtc_setting);
        if self.rtc_fails {
            outside.rtc.fail();
        }
    }

    fn set_failure(&mut self, memory: &Memory) {
        let failures = [Failure::Before(StoreError::Slow), Failure::After(StoreError::Failed)];
        memory.work_again();
        if self.random.random() {
            memory.fail_after(self.random.random_range(0..3), *failures.choose(&mut self.random).unwrap());
        }
    }

    /// The device is off for a while; then it starts, at the latest when the store works, and lives to the next power cut.
    fn next_start(&mut self, world: &mut World<5>) {
        let changes = self.besides == Besides::Changes;
        let places = if changes { self.random.random_range(1..=5) } else { 3 };
        let rooms_only = changes && self.random.random_bool(0.2);
        self.starts += 1;
        self.now_ms += self.random.random_range(1..DAY_MS / 8);
        self.stood_still_ms = self.now_ms;
        self.rtc_fails = self.random.random_bool(0.1);
        let set_anew = self.random.random_bool(0.1);
        self.rtc_setting += u32::from(set_anew);
        self.note("places, rooms only, rtc fails, set anew", (places, rooms_only, self.rtc_fails, set_anew));
        let damage = self.besides == Besides::Damage && self.random.random_bool(0.3);
        let damaged = damage && self.damage(&world.outside.memory);

        (self.resyncing, self.requests) = (false, Default::default());
        self.may_know_all &= !damaged; // B5
        let for_now = self.sessions.values_mut().filter(|it| it.usable == Use::EndedForNow);
        for_now.for_each(|it| it.usable = Use::Allowed);
        let none_comes_back = rooms_only || self.rtc_fails || set_anew || damaged; // B3, B5
        self.end_sessions(|it| none_comes_back || !it.told_shared, Use::Ended); // B4

        let World { outside, storage, buffer, config, key, .. } = world;
        self.set_clocks(outside);
        for attempt in 0..4 {
            self.set_failure(&outside.memory);
            if attempt == 3 {
                outside.memory.work_again();
            }
            let (storage, memory) = (&mut storage[..places], &outside.memory);
            let lived = if rooms_only {
                let device = Device::open(storage, *config, RoomsStored::new(memory), &outside.clock);
                self.live(device, outside, damaged)
            } else {
                let random = StdRng::seed_from_u64(self.seed);
                let stored = SessionsStored::new(memory, StoreKey::new(*key), &outside.rtc, random, buffer);
                self.live(Device::open(storage, *config, stored, &outside.clock), outside, damaged)
            };
            self.note("lived", lived);
            if lived.is_ok() {
                return self.end_sessions(|_| rooms_only, Use::Ended); // B3
            }
        }
        self.judge(false, "a device starts when its store works");
    }

    /// Damages an item that the device reads at its start. Returns whether that has to be found: always, but for a session
    /// that is lost. A room that is lost is found where the device's record says how many there are; no other is lost here.
    fn damage(&mut self, memory: &Memory) -> bool {
        let items = memory.copy();
        let is_used = |place| {
            let bytes = items.get(&Item::Room(place));
            bytes.is_some_and(|it| RoomRecord::from_bytes(it, place).is_ok_and(|it| it.room.is_some()))
        };
        let is_read = |item: &Item| !matches!(item, Item::Session(place) if !is_used(*place));
        let read: Vec<Item> = items.keys().copied().filter(is_read).collect();
        let Some(&item) = read.choose(&mut self.random) else { return false };
        let rooms = DeviceRecord::from_bytes(&items[&Item::Device]).map_or(0, |record| record.rooms);
        let may_be_lost = match item {
            Item::Device => items.len() > 1,
            Item::Room(place) => rooms > 0 && self.owed.is_empty() && is_used(place),
            Item::Session(_) => true,
        };
        if may_be_lost && self.random.random() {
            memory.items.borrow_mut().remove(&item);
            self.note("lost", item);
            return !matches!(item, Item::Session(_));
        }
        let mut bytes = items[&item].clone();
        let bit = self.random.random_range(0..8 * bytes.len());
        bytes[bit / 8] ^= 1 << (bit % 8);
        memory.set(item, &bytes);
        self.note("bit flipped", (item, bit));
        true
    }

    fn live<P: Persistence<Session>>(
        &mut self,
        device: Result<Device<'_, Session, P>, OpenError>,
        outside: &Outside,
        damaged: bool,
    ) -> Result<(), OpenError> {
        let mut device = device?;
        self.note("start", device.incomplete());
        if damaged {
            self.judge(device.incomplete() == Some(BlockReason::StoreDamaged), "B5: damage is found");
            self.happened.insert("damage");
        }
        self.deliver_owed(&mut device); // before anything is sent
        for _ in 0..self.random.random_range(1..25) {
            self.set_failure(&outside.memory);
            if self.random.random_bool(0.3) {
                self.deliver_owed(&mut device);
            }
            self.step(&mut device, outside);
            self.set_clocks(outside);
        }
        Ok(())
    }

    fn step<P: Persistence<Session>>(&mut self, device: &mut Device<'_, Session, P>, outside: &Outside) {
        // One room has most of the traffic, so that its sessions live long.
        let number = *[0, 0, 0, 1, 2, 3].choose(&mut self.random).unwrap();
        match self.random.random_range(0..30) {
            0..=10 => (0..self.random.random_range(1..5)).for_each(|_| self.send(device, outside, number)),
            11 => self.send(device, outside, PLAIN),
            12..=13 => {
                self.joined[number] = true;
                self.limits[number] = [1, 8, 40, 100].choose(&mut self.random).copied();
                self.deliver(device, Call::Encryption(number));
            }
            14 => self.deliver(device, Call::Departure(number)),
            15 => self.deliver(device, Call::DeviceRemoved(number)),
            16 => {
                let visibility = *["shared", "joined"].choose(&mut self.random).unwrap();
                self.deliver(device, Call::Visibility(number, visibility));
            }
            17 => self.note("reset", (number, device.reset_settings(room(ROOMS[number])))),
            18 => self.forget(device, number),
            19..=20 => self.resync(device),
            21 => self.now_ms += self.random.random_range(1..DAY_MS / 3),
            22..=24 => self.note("shut down", device.shut_down(&outside.clock)),
            25..=26 => self.share(device, number),
            27 => self.rtc_fails = !self.rtc_fails,
            sleep => {
                self.now_ms += HOUR_MS;
                self.stood_still_ms += HOUR_MS;
                match sleep {
                    28 => self.deliver(device, Call::UnknownSleep),
                    _ => self.note("slept", device.slept(Sleep::KnownMs(HOUR_MS))),
                }
            }
        }
    }

    fn send<P: Persistence<Session>>(
        &mut self,
        device: &mut Device<'_, Session, P>,
        outside: &Outside,
        number: usize,
    ) {
        if !self.joined[number] {
            return;
        }
        let limit = device.settings(room(ROOMS[number])).map_or(0, |settings| settings.rotation_period_msgs);
        let Ok(moment) = device.at(&outside.clock) else { return self.note("no time", number) };
        match moment.decide(room(ROOMS[number]), || Ok::<_, Infallible>(Session::new())) {
            Ok(Decision::Plaintext(_)) => {
                self.note("plaintext", number);
                self.judge(self.limits[number].is_none(), "S1: no plaintext in an encrypted room");
                self.judge(self.may_know_all, "K1: no plaintext while knowledge is not complete");
                self.happened.insert("plaintext");
            }
            Ok(Decision::Encrypt(permit)) => {
                let (index, encrypted) = encrypt(permit);
                self.judge_message(number, index, encrypted["session_id"].as_str().unwrap(), limit);
            }
            Ok(Decision::Share(request)) => {
                let session_id = room_key(device, &request)["session_id"].as_str().unwrap().to_owned();
                self.note("session", (number, &session_id, request.started));
                let (made_ms, made_in_start, indices) = (self.now_ms, self.starts, BTreeSet::new());
                let usable = Use::Allowed;
                let known =
                    Known { room: number, made_ms, made_in_start, indices, told_shared: false, usable };
                self.sessions.entry(session_id.clone()).or_insert(known);
                self.requests[number] = Some((request, session_id));
                if self.random.random_bool(0.7) {
                    self.share(device, number);
                }
            }
            Ok(Decision::Blocked(reason)) => self.note("blocked", (number, reason)),
            Err(error) => self.note("no decision", (number, error)),
        }
    }

    fn judge_message(&mut self, number: usize, index: u32, session_id: &str, limit: u32) {
        self.note("message", (number, session_id, index));
        let is_new = self.sessions.get_mut(session_id).unwrap().indices.insert(index);
        let session = &self.sessions[session_id];
        self.judge(is_new, "B2: no index is used twice");
        self.judge(session.room == number && session.told_shared, "T8: the room's session, which was shared");
        self.judge(session.usable == Use::Allowed, "a session that has ended is not used");
        self.judge(index < limit && session.indices.len() <= limit as usize, "T5: the limit holds");
        self.judge(self.now_ms - session.made_ms < DAY_MS, "T6: no session grows too old");
        if session.made_in_start < self.starts {
            self.happened.insert("session from before a restart");
        }
    }

    /// The last session that the room asked to share was shared, be it long ago.
    fn share<P: Persistence<Session>>(&mut self, device: &mut Device<'_, Session, P>, number: usize) {
        let Some((request, session_id)) = &self.requests[number] else { return };
        self.sessions.get_mut(session_id).unwrap().told_shared = true;
        self.note("shared", (number, device.shared(&request.clone())));
    }

    fn deliver_owed<P: Persistence<Session>>(&mut self, device: &mut Device<'_, Session, P>) {
        core::mem::take(&mut self.owed).into_iter().for_each(|call| self.deliver(device, call));
    }

    fn deliver<P: Persistence<Session>>(&mut self, device: &mut Device<'_, Session, P>, call: Call) {
        let succeeded = match call {
            Call::Encryption(number) => {
                let content = content(self.limits[number].unwrap(), DAY_MS);
                let applied = device.encryption_event(room(ROOMS[number]), &content);
                let refused = applied == Err(EncryptionEventError::TableFull);
                self.may_know_all &= !refused; // K2
                refused || applied.is_ok()
            }
            Call::Departure(number) => {
                device.member_event(room(ROOMS[number]), JOINED, Membership::Leave, false).is_ok()
            }
            Call::DeviceRemoved(number) => device.device_removed(room(ROOMS[number])).is_ok(),
            Call::Visibility(number, value) => {
                device.history_visibility_event(room(ROOMS[number]), value).is_ok()
            }
            Call::UnknownSleep => device.slept(Sleep::Unknown).is_ok(),
        };
        self.note("call, success", (call, succeeded));
        let usable = if succeeded { Use::Ended } else { Use::EndedForNow };
        match call {
            Call::Departure(room) | Call::DeviceRemoved(room) => {
                self.end_sessions(|it| it.room == room, usable);
            }
            Call::UnknownSleep => self.end_sessions(|_| true, usable),
            Call::Encryption(_) | Call::Visibility(..) => {}
        }
        if !succeeded {
            self.owed.push(call);
            self.happened.insert("failed call");
        }
    }

    fn forget<P: Persistence<Session>>(&mut self, device: &mut Device<'_, Session, P>, number: usize) {
        let forgotten = device.forget(room(ROOMS[number]));
        self.note("forgotten", (number, forgotten));
        if forgotten == Ok(true) {
            self.end_sessions(|it| it.room == number, Use::Ended);
            self.joined[number] = self.random.random();
            self.may_know_all = false; // K3
            self.resyncing = false; // K4: what was delivered in the course of it may be what was forgotten
        }
    }

    /// A resync, or another try to end it.
    fn resync<P: Persistence<Session>>(&mut self, device: &mut Device<'_, Session, P>) {
        if !self.resyncing {
            device.begin_resync();
            let encrypted = (0..PLAIN).filter(|&number| self.joined[number] && self.limits[number].is_some());
            let calls: Vec<Call> = encrypted.map(Call::Encryption).collect();
            calls.into_iter().for_each(|call| self.deliver(device, call));
        }
        let ended = device.end_resync();
        self.note("end of resync", ended);
        self.resyncing = matches!(ended, Err(ResyncError::Store(_)));
        self.may_know_all |= ended.is_ok() || self.resyncing; // a store that fails may have stored it
    }
}

/// As many lives as `PAWL_LIVES` says, each from its own seed. Enough has to happen in them to be worth something.
fn live(besides: Besides, expected: &[&str]) {
    let lives =
        std::env::var("PAWL_LIVES").map_or(800, |lives| lives.parse().expect("PAWL_LIVES is a number"));
    let mut happened = BTreeSet::new();
    for seed in 0..lives {
        let mut random = StdRng::seed_from_u64(seed);
        let mut world = World::new();
        world.config.policy = *[ChangePolicy::Follow, ChangePolicy::Ratchet].choose(&mut random).unwrap();
        let mut life = Life {
            seed,
            besides,
            random,
            log: Vec::new(),
            happened: &mut happened,
            starts: 0,
            now_ms: 0,
            stood_still_ms: 0,
            rtc_fails: false,
            rtc_setting: 1,
            limits: [None; ROOMS.len()],
            joined: [true; ROOMS.len()],
            may_know_all: false,
            resyncing: false,
            owed: Vec::new(),
            requests: Default::default(),
            sessions: BTreeMap::new(),
        };
        for _ in 0..life.random.random_range(2..9) {
            life.next_start(&mut world);
        }
    }
    for what in ["plaintext", "failed call", "session from before a restart"].iter().chain(expected) {
        assert!(happened.contains(what), "in {lives} lives: no {what}");
    }
}

#[test]
fn a_store_that_fails_now_and_then_breaks_no_rule() {
    // S1, K1, K2, K3, K4, K5, T5, T6, T8, E1, E2, C5, B1, B2, B3, B4, B6
    live(Besides::Nothing, &[]);
}

#[test]
fn nor_does_it_where_the_table_and_what_is_stored_change() {
    // S1, K1, K2, K3, K4, K5, T5, T6, T8, E1, E2, C5, B1, B2, B3, B4, B6
    live(Besides::Changes, &[]);
}

#[test]
fn damage_is_found_and_ends_knowledge_and_sessions_though_the_store_fails_too() {
    // S1, K1, K4, K5, T8, B1, B2, B4, B5, B6
    live(Besides::Damage, &["damage"]);
}
