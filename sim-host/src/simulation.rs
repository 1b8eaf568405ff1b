//! A scenario, run in virtual time: it jumps from one event to the next and never sleeps.
//!
//! The kiosk is told of what happens and sends what it has to send; what it emits reaches every receiving device of
//! the room at once, and the [observer](crate::observer) sees all of it. Sharing a room key takes a while and now and
//! then fails; messages wait for it in the order in which they came. [Without cryptography](Crypto::None) the receiving
//! devices are only counted; the core decides all the same, and the observer sees all the same.
//!
//! Now and then the kiosk [restarts](crate::scenario::OutageKind). While it is off it makes no messages, and the homeserver
//! keeps what happens; a share that was under way is lost; messages that wait are in a queue of the application's that
//! outlives the restart. The application stores its sync token on the hour and before an announced restart, so what
//! was delivered since then is delivered again, before anything is sent (K5). A sleep is the same, but that the kiosk's
//! memory outlives it, and its counter stands still.
//!
//! Memory grows with rooms, not with time: what is due again is worked out when its turn comes.

mod account;
mod happenings;
mod life;
mod queue;
mod record;
mod sync;
mod traffic;
mod wear;
mod weigh;

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU32;
use std::ops::Range;
use std::time::Instant;

use pawl_core::{RoomId, ShareRequest};
use rand::{RngExt, SeedableRng};
use rand_chacha::{ChaCha8Rng, ChaCha20Rng};

use crate::cause::record::Record;
use crate::cause::script::{Config, Script};
use crate::chronicle::{RoomLife, RotationsOverTime, What};
use crate::kiosk::{Kiosk, PowerFailed};
use crate::observer::{ChangePolicy, Limits, Observer, RoomNumber, Violation};
use crate::olm::Identity;
use crate::parts::{Parts, SoundParts, WithoutCryptography};
use crate::power::{Keeping, KeepsNothing, KeepsRooms, KeepsSessions, Memory};
use crate::receiver::Receiver;
use crate::report::Report;
use crate::scenario::{
    Bits, Crypto, HOUR_MS, MINUTE_MS, OutageKind, Policy, Repeated, RoomPlan, SECOND_MS, Scenario, Stores,
};

use self::happenings::Happening;
use self::life::Life;
use self::queue::Queue;
use self::sync::{Delivery, Sync};
use self::traffic::{Stream, Waiting};
pub use self::wear::run_and_measure_wear;
pub use self::weigh::{Weighed, run_and_weigh};

/// Receiving devices keep this many sessions a room, the newest.
const SESSIONS_KEPT: usize = 4;

/// How many words of flash are written before the power is cut in the midst of a write.
const CUT_WORDS: Range<u64> = 0..64;

/// The same where the kiosk, when it starts, stores a record for every room that has a session.
const CUT_IN_START_WORDS: Range<u64> = 0..600;

/// For how long the kiosk is off after a power cut that nobody planned.
const UNPLANNED_OFF_MS: u64 = 4 * SECOND_MS;

/// After how long a real-time clock that lost the time is set, counted from the start.
const RTC_SET_AFTER_MS: u64 = HOUR_MS;

/// How long after it has left a room and forgotten it the kiosk is back in it, and resyncs.
const BACK_AFTER_MS: u64 = MINUTE_MS;

/// After so many shares in a room without a message the next takes an hour, so that a core that wants one after the other
/// does not keep time from going on.
const MOST_SHARES_IN_A_ROW: u32 = 100;

/// How often `progress` is told the time, in all.
const PROGRESS_STEPS: u64 = 1_000;

/// What is run.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'s> {
    /// What happens.
    pub scenario: &'s Scenario,
    /// The seed decides everything down to what is in the kiosk's flash, but for the keys of Olm, which nothing depends on. So
    /// two runs with one seed have the same report, `wall_ms` apart.
    pub seed: u64,
    /// How many messages ahead sessions are stored: R of B2.
    pub reserve: NonZeroU32,
    /// The ID of a room whose life the report is to have.
    pub life_of: Option<&'s str>,
}

impl<'s> Plan<'s> {
    /// With the reservation that the scenario has, and no room's life.
    #[must_use]
    pub fn new(scenario: &'s Scenario, seed: u64) -> Self {
        Plan { scenario, seed, reserve: scenario.device.reserve, life_of: None }
    }
}

/// Runs a plan with a kiosk built of `parts`. `progress` is told the virtual time now and then.
pub fn run<P: Parts>(plan: &Plan<'_>, parts: P, progress: impl FnMut(u64)) -> Report {
    run_with(plan, parts, P::CRYPTO == Crypto::Vodozemac, progress)
}

/// Runs a plan without cryptography: the core's decisions and the observer's judgement alone.
pub fn run_without_cryptography(plan: &Plan<'_>, progress: impl FnMut(u64)) -> Report {
    run(plan, WithoutCryptography::default(), progress)
}

/// What the core was told and asked of the room of a violation that a run of this plan has shown, up to there; nothing if it
/// is no room of the plan's.
pub(crate) fn record(plan: &Plan<'_>, crypto: Crypto, violation: &Violation) -> Option<Script> {
    match crypto {
        Crypto::Vodozemac => record_with(plan, SoundParts, violation),
        Crypto::None => record_with(plan, WithoutCryptography::default(), violation),
    }
}

fn record_with<P: Parts>(plan: &Plan<'_>, parts: P, violation: &Violation) -> Option<Script> {
    let ids: Vec<String> = plan.scenario.room_ids().collect();
    let place = ids.iter().position(|id| *id == violation.room)?;
    let config = Config::of(plan.scenario, plan.reserve.get());
    let mut progress = |_at_ms| {};
    let mut world = World::new(plan, &ids, parts, P::CRYPTO == Crypto::Vodozemac, &mut progress);
    world.record = Some(Record::new(config, violation.room.clone(), place, violation.step));
    world.run();
    world.record.map(Record::into_script)
}

fn run_with<P: Parts>(
    plan: &Plan<'_>,
    parts: P,
    with_receivers: bool,
    mut progress: impl FnMut(u64),
) -> Report {
    let started = Instant::now();
    let ids: Vec<String> = plan.scenario.room_ids().collect();
    let mut world = World::new(plan, &ids, parts, with_receivers, &mut progress);
    world.run();
    world.report(started)
}

/// What is due at a certain time. Events of one time happen in the order in which they were scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// A message that makes the next one due.
    Message {
        room: u32,
        stream: Stream,
    },
    /// The bursts of a day are planned.
    DayBegins {
        room: u32,
    },
    BurstMessage {
        room: u32,
        left: u32,
    },
    /// What the plan of a room has at that place, for the time of that number.
    Event {
        room: u32,
        event: u32,
        time: u32,
    },
    Churn {
        room: u32,
        time: u32,
    },
    Join {
        room: u32,
    },
    ShareEnds {
        room: u32,
        number: u64,
    },
    Restart {
        number: u32,
    },
    CutInShare,
    Sleep {
        number: u32,
    },
    ClockFault {
        number: u32,
    },
    ReadCounter,
    Resync,
}

/// What a kiosk that is on has to do now.
enum Task {
    Message {
        room: usize,
        what: &'static str,
    },
    Sync,
    ShareEnds {
        room: usize,
        number: u64,
    },
    Outage(Outage),
    /// The power is cut, as was planned for this share.
    CutInShare(Outage),
    Sleep {
        for_ms: u64,
        known: bool,
    },
    ReadCounter,
    Resync,
}

/// A restart of the kiosk.
#[derive(Clone, Copy)]
struct Outage {
    kind: OutageKind,
    /// For how long the kiosk is off.
    off_ms: u64,
}

/// A room as the simulation keeps it.
struct Room<'s> {
    id: RoomId<'s>,
    /// What the observer calls it.
    seen: RoomNumber,
    /// Messages that wait to be sent, oldest first.
    outbox: VecDeque<Waiting>,
    messages_made: u64,
    /// The share that is under way.
    sharing: Option<Box<Sharing>>,
    /// How many shares have begun since the last message.
    shares_in_a_row: u32,
    plan: &'s RoomPlan,
    /// The content of its latest `m.room.encryption` event, and the value of its latest `m.room.history_visibility`.
    encryption: Option<&'s str>,
    history_visibility: Option<&'s str>,
    /// The receiving devices that are in the room, by the order in which they came; whoever has been there longest goes first.
    devices: Range<usize>,
    /// The same devices, where somebody receives.
    receivers: Vec<Receiver>,
    counts: Counts,
}

/// A room key that is being shared.
struct Sharing {
    request: ShareRequest,
    /// No two shares have the same.
    number: u64,
    began_ms: u64,
    succeeds: bool,
    /// The devices that it is for, of which every other one gets it when the share ends.
    devices: Range<usize>,
}

/// What the kiosk did in one room.
#[derive(Default)]
struct Counts {
    blocked: u64,
    block_reason: Option<&'static str>,
    rotations: BTreeMap<&'static str, u64>,
    key_shares: u64,
    failed_key_shares: u64,
    to_device_messages: u64,
    decrypted: u64,
}

/// Everything but the device that runs.
struct World<'s, P: Parts> {
    scenario: &'s Scenario,
    seed: u64,
    reserve: NonZeroU32,
    progress: &'s mut dyn FnMut(u64),
    /// Randomness of its own for what the kiosk sends, which so is the same whatever becomes of it, ...
    traffic: ChaCha8Rng,
    /// ... for the shares of room keys ...
    network: ChaCha8Rng,
    /// ... for power cuts ...
    power: ChaCha8Rng,
    /// ... and for when things happen, where that is random.
    chance: ChaCha8Rng,
    now_ms: u64,
    /// How many things have come due so far.
    step: u64,
    /// When `progress` is told next.
    progress_due_ms: u64,
    queue: Queue<Due>,
    kiosk: Kiosk<P>,
    rooms: Vec<Room<'s>>,
    /// Whether the devices in the rooms receive anything.
    with_receivers: bool,
    sync: Sync<'s>,
    shares: u64,
    /// How many records had been stored when the counter was last read.
    records_at_reading: u64,
    /// The outage that comes about when the power fails in a write.
    cut_in_write: Option<Outage>,
    /// The outage that comes about in the next share.
    cut_in_share: Option<Outage>,
    /// Whether the kiosk has forgotten a room since its last resync.
    resync_is_due: bool,
    /// Whether it is on and awake.
    running: bool,
    restarts: BTreeMap<OutageKind, u64>,
    sleeps: u64,
    observer: Observer,
    rotations: RotationsOverTime,
    /// The life of the room at that place, if it is wanted.
    life: Option<(usize, RoomLife)>,
    /// What is recorded, in a run that is repeated for that.
    record: Option<Record>,
    /// The content of the message that is being sent.
    content: Vec<u8>,
}

impl<'s, P: Parts> World<'s, P> {
    fn new(
        plan: &Plan<'s>,
        ids: &'s [String],
        parts: P,
        with_receivers: bool,
        progress: &'s mut dyn FnMut(u64),
    ) -> Self {
        let &Plan { scenario, seed, reserve, life_of } = plan;
        let random = |stream| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_stream(stream);
            random
        };
        let mut world = World {
            scenario,
            seed,
            reserve,
            progress,
            traffic: random(0),
            network: random(1),
            power: random(2),
            chance: random(3),
            now_ms: 0,
            step: 0,
            progress_due_ms: 0,
            queue: Queue::new(),
            kiosk: Kiosk::new(parts, scenario, reserve, ChaCha20Rng::from_rng(&mut random(4))),
            rooms: Vec::with_capacity(ids.len()),
            with_receivers,
            sync: Sync::default(),
            shares: 0,
            records_at_reading: 0,
            cut_in_write: None,
            cut_in_share: None,
            resync_is_due: false,
            running: false,
            restarts: OutageKind::ALL.map(|kind| (kind, 0)).into(),
            sleeps: 0,
            observer: observer_of(scenario, reserve),
            rotations: RotationsOverTime::new(scenario.duration_ms),
            life: life_of.and_then(|id| Some((ids.iter().position(|room| room == id)?, RoomLife::new(id)))),
            record: None,
            content: Vec::new(),
        };
        let plans = scenario.rooms.iter().flat_map(|plan| (0..plan.count).map(move |number| (plan, number)));
        for (place, ((plan, number), id)) in plans.zip(ids).enumerate() {
            world.rooms.push(Room {
                id: RoomId::new(id).expect("the scenario was checked"),
                seen: world.observer.number_of(id),
                outbox: VecDeque::new(),
                messages_made: 0,
                sharing: None,
                shares_in_a_row: 0,
                plan,
                encryption: None,
                history_visibility: None,
                devices: 0..0,
                receivers: Vec::new(),
                counts: Counts::default(),
            });
            for _ in 0..plan.devices {
                world.device_joins(place);
            }
            world.schedule_happenings(place);
            world.schedule_traffic(place, number);
        }
        world.schedule_faults();
        world
    }

    /// One life of the kiosk after the other.
    fn run(&mut self) {
        match self.scenario.device.stores {
            Stores::Sessions => self.run_keeping::<KeepsSessions>(),
            Stores::Rooms => self.run_keeping::<KeepsRooms>(),
            Stores::Nothing => self.run_keeping::<KeepsNothing>(),
        }
    }

    fn run_keeping<K: Keeping<P::Session>>(&mut self) {
        let mut memory = Memory::new(self.scenario.device.places);
        loop {
            let outage = match Life::<P, K>::live(self, &mut memory) {
                Ok(None) => break,
                Ok(Some(outage)) => outage,
                Err(PowerFailed) => {
                    self.observer.power_failed_in_call();
                    if self.kiosk.chip().records_stored() == self.records_at_reading {
                        self.observer.reading_lost();
                    }
                    self.cut_in_write.take().expect("the power fails when it is to be cut")
                }
            };
            if !self.stay_off(outage) {
                break;
            }
        }
        self.end();
        (self.progress)(self.scenario.duration_ms);
    }

    /// The scenario is over. A kiosk that runs has no reason to keep a message but a share that is under way.
    fn end(&mut self) {
        if self.running && self.record.is_none() {
            self.now_ms = self.scenario.duration_ms;
            for room in self.rooms.iter().filter(|room| room.sharing.is_none()) {
                self.observer.run_ends(self.now_ms, room.seen, room.outbox.len());
            }
        }
    }

    /// The power is off. Returns whether it is on again before the scenario is over.
    fn stay_off(&mut self, Outage { kind, off_ms }: Outage) -> bool {
        self.running = false;
        *self.restarts.entry(kind).or_default() += 1;
        self.record_of_all(What::Off { kind: kind.name() });
        (self.cut_in_write, self.cut_in_share) = (None, None);
        self.kiosk.switched_off(self.now_ms);
        self.sync.go_back_to_token(self.now_ms);
        if !self.do_nothing_for(off_ms) {
            return false;
        }
        self.record_of_all(What::On);
        let boot_ms = self.now_ms;
        self.records(|record, at| record.restarted(at, kind));
        match self.scenario.device.stores {
            Stores::Nothing => self.observer.restarted_knowing_nothing(),
            Stores::Rooms | Stores::Sessions => self.observer.restarted(),
        }
        if self.restarts[&OutageKind::ClockDead] > 0 {
            // What was made while the real-time clock did not know the time was not stored (B3).
            self.observer.may_rotate_all();
        }
        match kind {
            OutageKind::ClockSet => {
                self.kiosk.set_rtc();
                self.observer.time_lost(boot_ms, "the clock was set anew");
                self.cut_in_write(CUT_IN_START_WORDS, OutageKind::PowerCutInStart, UNPLANNED_OFF_MS);
            }
            OutageKind::ClockDead => {
                self.kiosk.rtc_loses_time_until(boot_ms + RTC_SET_AFTER_MS);
                self.observer.time_lost(boot_ms, "the clock's battery was flat");
            }
            _ if self.scenario.device.stores != Stores::Sessions => {
                self.observer.time_lost(boot_ms, "no session outlives a restart");
            }
            _ => {}
        }
        true
    }

    /// The kiosk is off, or sleeps: what comes due meanwhile concerns no device that runs, and what it was sharing is
    /// lost. Returns whether the scenario goes on after that.
    fn do_nothing_for(&mut self, ms: u64) -> bool {
        self.records(|record, _| record.falls_idle());
        for room in 0..self.rooms.len() {
            if self.rooms[room].sharing.take().is_some() {
                self.record(room, |_| What::ShareLost);
            }
        }
        let until_ms = self.now_ms + ms;
        let end_ms = self.scenario.duration_ms;
        while self.next_task(until_ms.min(end_ms)).is_some() {}
        if until_ms >= end_ms {
            return false;
        }
        self.now_ms = until_ms;
        true
    }

    /// The power will be cut in the midst of a write, that many words from now.
    fn cut_in_write(&mut self, words: Range<u64>, kind: OutageKind, off_ms: u64) {
        let words = self.power.random_range(words);
        self.kiosk.chip().with(|flash| flash.cut_after(words));
        self.cut_in_write = Some(Outage { kind, off_ms });
    }

    // ---- what is due ----

    fn schedule(&mut self, at_ms: u64, due: Due) {
        self.queue.push(at_ms, due);
    }

    /// Time goes on to the next thing before `until_ms` that a kiosk which is on has to do something about.
    fn next_task(&mut self, until_ms: u64) -> Option<Task> {
        loop {
            if self.record.as_ref().is_some_and(|record| record.is_over(self.step)) {
                return None;
            }
            let (at_ms, due) = self.queue.pop_before(until_ms)?;
            if at_ms >= self.progress_due_ms {
                (self.progress)(at_ms);
                self.progress_due_ms = at_ms + self.scenario.duration_ms / PROGRESS_STEPS;
            }
            self.now_ms = at_ms;
            self.step += 1;
            self.observer.step(self.step);
            if let Some(task) = self.comes_due(due) {
                return Some(task);
            }
        }
    }

    fn comes_due(&mut self, due: Due) -> Option<Task> {
        match due {
            Due::Message { room, stream } => {
                self.schedule_next_message(room, stream);
                Some(Task::Message { room: room as usize, what: "telemetry" })
            }
            Due::BurstMessage { room, left } => {
                self.schedule_rest_of_burst(room, left);
                Some(Task::Message { room: room as usize, what: "event" })
            }
            Due::ShareEnds { room, number } => Some(Task::ShareEnds { room: room as usize, number }),
            Due::DayBegins { room } => {
                self.schedule_bursts(room);
                None
            }
            Due::Event { room, event, time } => Some(self.event_is_due(room, event, time)),
            Due::Churn { room, time } => Some(self.churn_is_due(room, time)),
            Due::Join { room } => Some(self.is_to_be_told(room as usize, Happening::Join)),
            Due::Restart { number } => Some(Task::Outage(self.restart_is_due(number))),
            Due::CutInShare => self.cut_in_share.take().map(Task::CutInShare),
            Due::Sleep { number } => Some(self.sleep_is_due(number)),
            Due::ClockFault { number } => {
                self.counter_fails(number);
                None
            }
            Due::ReadCounter => {
                self.schedule_counter_reading();
                Some(Task::ReadCounter)
            }
            Due::Resync => Some(Task::Resync),
        }
    }

    fn begin_share(&mut self, room: usize, takes_ms: u64, share: impl FnOnce(u64) -> Sharing) {
        self.shares += 1;
        let in_a_row = &mut self.rooms[room].shares_in_a_row;
        *in_a_row += 1;
        let takes_ms = if *in_a_row > MOST_SHARES_IN_A_ROW { takes_ms.max(HOUR_MS) } else { takes_ms };
        self.rooms[room].sharing = Some(Box::new(share(self.shares)));
        self.schedule(self.now_ms + takes_ms, Due::ShareEnds { room: number(room), number: self.shares });
        if self.cut_in_share.is_some() {
            self.schedule(self.now_ms + takes_ms / 2, Due::CutInShare);
        }
    }

    /// The share of that number, unless it was lost.
    fn end_share(&mut self, room: usize, number: u64) -> Option<Sharing> {
        self.rooms[room].sharing.take_if(|sharing| sharing.number == number).map(|sharing| *sharing)
    }

    // ---- what the observer is told ----

    /// Records something, if that is wanted, at the time that it is.
    #[inline]
    fn records(&mut self, what: impl FnOnce(&mut Record, u64)) {
        if let Some(record) = &mut self.record {
            what(record, self.now_ms);
        }
    }

    /// The kiosk is about to read its counter.
    #[inline]
    fn counter_is_read(&mut self) {
        self.records(Record::counter_read);
        self.records_at_reading = self.kiosk.chip().records_stored();
        self.observer.counter_read(self.now_ms, self.kiosk.ticks(self.now_ms));
    }

    // ---- who is in the rooms ----

    fn device_joins(&mut self, room: usize) {
        let here = &mut self.rooms[room];
        here.devices.end += 1;
        if !self.with_receivers {
            return;
        }
        let number = here.devices.end;
        let user_id = format!("@user-{room}-{number}:example.org");
        let mut receiver = Receiver::new(Identity::new(user_id, format!("DEVICE-{room}-{number}")));
        self.kiosk.meet(&mut receiver);
        here.receivers.push(receiver);
    }

    /// The device that has been there longest is gone.
    fn device_goes(&mut self, room: usize) {
        let here = &mut self.rooms[room];
        if here.devices.next().is_some() && self.with_receivers {
            let gone = here.receivers.remove(0);
            self.kiosk.part(&gone);
        }
    }
}

/// The number of a room, of which there are few enough.
fn number(room: usize) -> u32 {
    u32::try_from(room).unwrap_or(u32::MAX)
}

fn observer_of(scenario: &Scenario, reserve: NonZeroU32) -> Observer {
    let policy = match scenario.device.policy {
        Policy::Ratchet => ChangePolicy::Ratchet,
        Policy::Follow => ChangePolicy::Follow,
        Policy::Freeze => ChangePolicy::Freeze,
    };
    let observer = Observer::new(scenario.limits())
        .on_a_first_start()
        .with_policy(policy)
        .with_places(scenario.device.places)
        .with_reserve(reserve.get())
        .with_counter(scenario.clock.bits == Bits::ThirtyTwo, scenario.clock.hz.get());
    if scenario.device.plaintext { observer } else { observer.without_plaintext() }
}

impl Scenario {
    /// The limits that its device has on rotation settings.
    pub(crate) fn limits(&self) -> Limits {
        let (messages, period) = (self.device.limit_messages, self.device.limit_period);
        Limits {
            messages: messages.0.into()..=messages.1.into(),
            period_ms: period.0.into()..=period.1.into(),
        }
    }

    /// The IDs of all rooms, in their order.
    pub(crate) fn room_ids(&self) -> impl Iterator<Item = String> {
        self.rooms.iter().flat_map(|plan| (1..=plan.count).map(|number| plan.numbered_id(number)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is in the kiosk's flash at the end, and the report.
    fn flash_and_report(plan: &Plan<'_>, parts: impl Parts) -> (Vec<u8>, String) {
        let ids: Vec<String> = plan.scenario.room_ids().collect();
        let mut progress = |_at_ms| {};
        let mut world = World::new(plan, &ids, parts, true, &mut progress);
        world.run();
        let flash = world.kiosk.chip().with(|flash| flash.bytes().to_vec());
        let report = Report { wall_ms: 0, ..world.report(Instant::now()) };
        (flash, serde_json::to_string(&report).expect("a report is JSON"))
    }

    #[test]
    fn a_run_with_the_same_seed_leaves_the_same_flash() {
        let bad_power = Scenario::named("bad-power").expect("it is built in");
        let scenario = Scenario { duration_ms: 3 * 24 * HOUR_MS, ..bad_power };
        let run = |seed| flash_and_report(&Plan::new(&scenario, seed), SoundParts);
        let first = run(7);
        assert!(first == run(7), "two runs with one seed differ");
        assert!(first.0 != run(8).0, "two seeds leave the same flash");
    }
}
