//! A scenario, run in virtual time: it jumps from one event to the next and never sleeps.
//!
//! The kiosk is told of what happens and sends what it has to send; what it emits reaches every receiving device of
//! the room at once, and the [observer](crate::observer) sees all of it. Sharing a room key takes a while and now and
//! then fails; messages wait for it in the order in which they came.
//!
//! Now and then the kiosk [restarts](crate::scenario::OutageKind). While it is off it makes no messages, and the homeserver
//! keeps what happens; a share that was under way is lost; messages that wait are in a queue of the application's that
//! outlives the restart. The application stores its sync token on the hour and before an announced restart, so what
//! was delivered since then is delivered again, before anything is sent (K5).

mod account;
mod life;
mod sync;
mod wear;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::num::NonZeroU32;
use std::ops::Range;
use std::time::Instant;

use pawl_core::{DEFAULT_RESERVATION, RoomId, ShareRequest};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::kiosk::{Kiosk, PowerFailed};
use crate::observer::{Limits, Observer};
use crate::olm::Identity;
use crate::parts::Parts;
use crate::power::Memory;
use crate::receiver::Receiver;
use crate::report::Report;
use crate::scenario::{
    DAY_MS, HOUR_MS, Happening, Outage, OutageKind, RoomPlan, SECOND_MS, Scenario, Traffic,
};

use self::life::Life;
use self::sync::{Delivery, Sync};
pub use self::wear::run_and_measure_wear;

/// The time between two messages of a burst, at least and at most, in milliseconds.
const BURST_INTERVAL_MS: (u64, u64) = (20, 400);

/// Receiving devices keep this many sessions a room, the newest.
const SESSIONS_KEPT: usize = 4;

/// How many words of flash are written before the power is cut in the midst of a write. The first words of an item
/// depend on the random keys that are in it, as does the last one: what is left of them must not decide what a run comes to.
const CUT_WORDS: Range<u64> = 4..64;

/// The same where the kiosk, when it starts, stores a record for every room that has a session.
const CUT_IN_START_WORDS: Range<u64> = 4..600;

/// For how long the kiosk is off after a power cut that nobody planned.
const UNPLANNED_OFF_MS: u64 = 4 * SECOND_MS;

/// After how long a real-time clock that lost the time is set, counted from the start.
const RTC_SET_AFTER_MS: u64 = HOUR_MS;

/// What is run.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'s> {
    /// What happens.
    pub scenario: &'s Scenario,
    /// The seed decides everything but the keys, which are random, so two runs with one seed have the same report,
    /// `wall_ms` apart.
    pub seed: u64,
    /// How many messages ahead sessions are stored: R of B2.
    pub reserve: NonZeroU32,
}

impl<'s> Plan<'s> {
    /// With the reservation that the core has unless told otherwise.
    #[must_use]
    pub fn new(scenario: &'s Scenario, seed: u64) -> Self {
        Plan { scenario, seed, reserve: DEFAULT_RESERVATION }
    }
}

/// Runs a plan with a kiosk built of `parts`. `progress` is told the virtual time now and then.
pub fn run<P: Parts>(plan: &Plan<'_>, parts: P, mut progress: impl FnMut(u64)) -> Report {
    let started = Instant::now();
    let mut world = World::new(plan, parts, true, &mut progress);
    world.run();
    world.report(started)
}

/// What is due at a certain time. Events of one time happen in the order in which they were scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Happening { room: usize, number: usize },
    Telemetry { room: usize },
    DayBegins { room: usize },
    BurstMessage { room: usize, left: u32 },
    ShareEnds { room: usize, number: u64 },
    Outage { number: usize },
    CutInShare,
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
}

/// A room as the simulation keeps it.
struct Room<'s> {
    plan: &'s RoomPlan,
    id: RoomId<'s>,
    receivers: Vec<Receiver>,
    /// Devices that were ever in the room; each gets a name of its own.
    receivers_made: usize,
    /// Contents that wait to be sent, oldest first.
    outbox: VecDeque<Vec<u8>>,
    /// The share that is under way.
    sharing: Option<Sharing>,
    counts: Counts,
}

/// A room key that is being shared.
struct Sharing {
    request: ShareRequest,
    /// No two shares have the same.
    number: u64,
    succeeds: bool,
    /// The devices that get it when the share ends.
    waiting: Vec<String>,
}

/// What the kiosk did in one room.
#[derive(Default)]
struct Counts {
    messages_made: u64,
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
    /// ... and for power cuts.
    power: ChaCha8Rng,
    now_ms: u64,
    queue: BinaryHeap<Reverse<(u64, u64, Due)>>,
    scheduled: u64,
    kiosk: Kiosk<P>,
    rooms: Vec<Room<'s>>,
    /// Whether there is anybody in the rooms.
    with_receivers: bool,
    sync: Sync,
    shares: u64,
    /// The outage that comes about when the power fails in a write.
    cut_in_write: Option<Outage>,
    /// The outage that comes about in the next share.
    cut_in_share: Option<Outage>,
    restarts: BTreeMap<OutageKind, u64>,
    observer: Observer,
}

impl<'s, P: Parts> World<'s, P> {
    fn new(plan: &Plan<'s>, parts: P, with_receivers: bool, progress: &'s mut dyn FnMut(u64)) -> Self {
        let &Plan { scenario, seed, reserve } = plan;
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
            now_ms: 0,
            queue: BinaryHeap::new(),
            scheduled: 0,
            kiosk: Kiosk::new(parts, reserve, seed),
            rooms: Vec::new(),
            with_receivers,
            sync: Sync::default(),
            shares: 0,
            cut_in_write: None,
            cut_in_share: None,
            restarts: OutageKind::ALL.map(|kind| (kind, 0)).into(),
            observer: Observer::new(Limits::default()),
        };
        for (place, plan) in scenario.rooms.iter().enumerate() {
            world.rooms.push(Room {
                plan,
                id: RoomId::new(&plan.id).expect("a scenario's room IDs are short"),
                receivers: Vec::new(),
                receivers_made: 0,
                outbox: VecDeque::new(),
                sharing: None,
                counts: Counts::default(),
            });
            for _ in 0..plan.receivers {
                world.add_receiver(place);
            }
            world.schedule_room(place);
        }
        for (number, outage) in scenario.outages.iter().enumerate() {
            world.schedule(outage.at_ms, Due::Outage { number });
        }
        world
    }

    /// What is so from the start the kiosk learns by its first sync; the rest happens when it is due.
    fn schedule_room(&mut self, room: usize) {
        for (number, (at_ms, happening)) in self.rooms[room].plan.happenings.iter().enumerate() {
            if *at_ms == 0 {
                self.comes_about(room, *happening);
            } else {
                self.schedule(*at_ms, Due::Happening { room, number });
            }
        }
        self.schedule(0, Due::DayBegins { room });
        self.schedule_telemetry(room);
    }

    /// One life of the kiosk after the other.
    fn run(&mut self) {
        let mut memory = Memory::new();
        loop {
            let outage = match Life::live(self, &mut memory) {
                Ok(None) => break,
                Ok(Some(outage)) => outage,
                Err(PowerFailed) => self.cut_in_write.take().expect("the power fails when it is to be cut"),
            };
            if !self.stay_off(outage) {
                break;
            }
        }
        (self.progress)(self.scenario.duration_ms);
    }

    /// The power is off. Returns whether it is on again before the scenario is over.
    fn stay_off(&mut self, Outage { kind, off_ms, .. }: Outage) -> bool {
        *self.restarts.entry(kind).or_default() += 1;
        (self.cut_in_write, self.cut_in_share) = (None, None);
        self.kiosk.switched_off(self.now_ms);
        self.sync.go_back_to_token(self.now_ms);
        for room in &mut self.rooms {
            room.sharing = None;
        }
        let boot_ms = self.now_ms + off_ms;
        let over = boot_ms >= self.scenario.duration_ms;
        // What comes due meanwhile concerns no device that runs.
        while self.next_task(boot_ms.min(self.scenario.duration_ms)).is_some() {}
        if over {
            return false;
        }
        self.now_ms = boot_ms;
        self.observer.restarted();
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
            _ => {}
        }
        true
    }

    /// The power will be cut in the midst of a write, that many words from now.
    fn cut_in_write(&mut self, words: Range<u64>, kind: OutageKind, off_ms: u64) {
        let words = self.power.random_range(words);
        self.kiosk.chip().with(|flash| flash.cut_after(words));
        self.cut_in_write = Some(Outage { at_ms: self.now_ms, kind, off_ms });
    }

    // ---- what is due ----

    fn schedule(&mut self, at_ms: u64, due: Due) {
        self.scheduled += 1;
        self.queue.push(Reverse((at_ms, self.scheduled, due)));
    }

    fn next_before(&mut self, until_ms: u64) -> Option<(u64, Due)> {
        let Reverse((at_ms, ..)) = self.queue.peek()?;
        if *at_ms >= until_ms {
            return None;
        }
        let Reverse((at_ms, _, due)) = self.queue.pop()?;
        Some((at_ms, due))
    }

    /// Time goes on to the next thing before `until_ms` that a kiosk which is on has to do something about.
    fn next_task(&mut self, until_ms: u64) -> Option<Task> {
        while let Some((at_ms, due)) = self.next_before(until_ms) {
            if at_ms / HOUR_MS != self.now_ms / HOUR_MS {
                (self.progress)(at_ms);
            }
            self.now_ms = at_ms;
            return Some(match due {
                Due::Happening { room, number } => {
                    let (_, happening) = self.rooms[room].plan.happenings[number];
                    self.sync.waiting.push_back(Delivery { room, happening, again: false });
                    Task::Sync
                }
                Due::Telemetry { room } => {
                    self.schedule_telemetry(room);
                    Task::Message { room, what: "telemetry" }
                }
                Due::DayBegins { room } => {
                    self.schedule_bursts(room);
                    continue;
                }
                Due::BurstMessage { room, left } => {
                    self.schedule_rest_of_burst(room, left);
                    Task::Message { room, what: "event" }
                }
                Due::ShareEnds { room, number } => Task::ShareEnds { room, number },
                Due::Outage { number } => Task::Outage(self.scenario.outages[number]),
                Due::CutInShare => match self.cut_in_share.take() {
                    Some(outage) => Task::CutInShare(outage),
                    None => continue,
                },
            });
        }
        None
    }

    /// The next telemetry, within a tenth of its usual interval; by night it is rarer, until the day begins.
    fn schedule_telemetry(&mut self, room: usize) {
        let every_ms = self.rooms[room].plan.traffic.telemetry_every_ms;
        let mut interval_ms = self.traffic.random_range(every_ms - every_ms / 10..=every_ms + every_ms / 10);
        let time_of_day_ms = self.now_ms % DAY_MS;
        if !(6 * HOUR_MS..22 * HOUR_MS).contains(&time_of_day_ms) {
            let until_day_ms = (DAY_MS + 6 * HOUR_MS - time_of_day_ms) % DAY_MS;
            interval_ms = (6 * interval_ms).min(until_day_ms + interval_ms);
        }
        self.schedule(self.now_ms + interval_ms, Due::Telemetry { room });
    }

    fn schedule_bursts(&mut self, room: usize) {
        let Traffic { bursts_a_day, burst_messages: (fewest, most), .. } = self.rooms[room].plan.traffic;
        for _ in 0..bursts_a_day {
            let at_ms = self.now_ms + self.traffic.random_range(6 * HOUR_MS..22 * HOUR_MS);
            let left = self.traffic.random_range(fewest..=most);
            self.schedule(at_ms, Due::BurstMessage { room, left });
        }
        self.schedule(self.now_ms + DAY_MS, Due::DayBegins { room });
    }

    fn schedule_rest_of_burst(&mut self, room: usize, left: u32) {
        if left > 1 {
            let (least, most) = BURST_INTERVAL_MS;
            let interval_ms = self.traffic.random_range(least..=most);
            self.schedule(self.now_ms + interval_ms, Due::BurstMessage { room, left: left - 1 });
        }
    }

    fn begin_share(&mut self, room: usize, takes_ms: u64, share: impl FnOnce(u64) -> Sharing) {
        self.shares += 1;
        self.rooms[room].sharing = Some(share(self.shares));
        self.schedule(self.now_ms + takes_ms, Due::ShareEnds { room, number: self.shares });
        if self.cut_in_share.is_some() {
            self.schedule(self.now_ms + takes_ms / 2, Due::CutInShare);
        }
    }

    /// The share of that number, unless it was lost.
    fn end_share(&mut self, room: usize, number: u64) -> Option<Sharing> {
        self.rooms[room].sharing.take_if(|sharing| sharing.number == number)
    }

    // ---- who is in the rooms ----

    /// Something happens, and the kiosk is about to be told of it for the first time.
    fn comes_about(&mut self, room: usize, happening: Happening) {
        let id = self.rooms[room].id.as_str();
        let why = match happening {
            Happening::Encryption(content) => return self.observer.encryption_event(id, content.as_bytes()),
            Happening::Join => return self.add_receiver(room),
            Happening::Leave => "somebody left",
            Happening::DeviceRemoved => "a device was removed",
            Happening::HistoryVisibility(_) => "the history visibility changed",
            Happening::RequestRotation => "the owner asked for it",
        };
        self.observer.must_rotate(self.now_ms, id, why);
        if matches!(happening, Happening::Leave | Happening::DeviceRemoved) && self.with_receivers {
            self.rooms[room].receivers.remove(0);
        }
    }

    fn add_receiver(&mut self, room: usize) {
        if !self.with_receivers {
            return;
        }
        let here = &mut self.rooms[room];
        here.receivers_made += 1;
        let number = here.receivers_made;
        let user_id = format!("@user-{room}-{number}:example.org");
        let mut receiver = Receiver::new(Identity::new(user_id, format!("DEVICE-{room}-{number}")));
        self.kiosk.meet(&mut receiver);
        here.receivers.push(receiver);
    }

    /// The state events that are a room's state now.
    fn current_state(&self, room: usize) -> Vec<Happening> {
        let so_far = || {
            let happenings = self.rooms[room].plan.happenings.iter();
            happenings.filter(|(at_ms, _)| *at_ms <= self.now_ms)
        };
        let latest = |kind: fn(&Happening) -> bool| {
            so_far().filter(|(_, happening)| kind(happening)).max_by_key(|(at_ms, _)| *at_ms)
        };
        let state = [
            latest(|happening| matches!(happening, Happening::Encryption(_))),
            latest(|happening| matches!(happening, Happening::HistoryVisibility(_))),
        ];
        state.into_iter().flatten().map(|(_, happening)| *happening).collect()
    }
}
