//! A scenario, run in virtual time: it jumps from one event to the next and never sleeps.
//!
//! The kiosk is told of what happens and sends what it has to send; what it emits reaches every receiving device of
//! the room at once, and the [observer](crate::observer) sees all of it. Sharing a room key takes a while and now and
//! then fails; messages wait for it in the order in which they came.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::Instant;

use pawl_core::membership::{Membership, PreviousMembership};
use pawl_core::rotation::RotationReason;
use pawl_core::{RoomId, RoomStorage, ShareRequest};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::kiosk::{Attempt, Kiosk, Storage};
use crate::observer::{Limits, Observer, PlainEvent, ViolationKind};
use crate::olm::Identity;
use crate::parts::Parts;
use crate::receiver::Receiver;
use crate::report::{Report, RoomReport};
use crate::scenario::{DAY_MS, HOUR_MS, Happening, RoomPlan, Scenario, Traffic};

/// How long sharing a room key takes, at least and at most, in milliseconds: requests to a homeserver.
const SHARE_MS: (u64, u64) = (200, 2_000);

/// After how long a share that failed is given up, in milliseconds.
const SHARE_TIMEOUT_MS: u64 = 10_000;

/// One share in so many fails.
const SHARES_A_FAILURE: u32 = 40;

/// The time between two messages of a burst, at least and at most, in milliseconds.
const BURST_INTERVAL_MS: (u64, u64) = (20, 400);

/// Receiving devices keep this many sessions a room, the newest.
const SESSIONS_KEPT: usize = 4;

/// Runs a scenario with a kiosk built of `parts`. The seed decides everything but the keys, which are random, so two
/// runs with one seed have the same report, `wall_ms` apart. `progress` is told the virtual time now and then.
pub fn run<P: Parts>(scenario: &Scenario, seed: u64, parts: P, progress: impl FnMut(u64)) -> Report {
    let started = Instant::now();
    let mut storage: Storage<P> = RoomStorage::new();
    let mut simulation = Simulation::new(scenario, seed, parts, &mut storage);
    simulation.run(progress);
    simulation.report(started)
}

/// What is due at a certain time. Events of one time happen in the order in which they were scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Happening { room: usize, number: usize },
    Telemetry { room: usize },
    DayBegins { room: usize },
    BurstMessage { room: usize, left: u32 },
    ShareEnds { room: usize },
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
    /// The share that is under way, and whether it succeeds.
    sharing: Option<(ShareRequest, bool)>,
    counts: Counts,
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

struct Simulation<'s, 'k, P: Parts> {
    scenario: &'s Scenario,
    seed: u64,
    random: ChaCha8Rng,
    now_ms: u64,
    queue: BinaryHeap<Reverse<(u64, u64, Due)>>,
    scheduled: u64,
    kiosk: Kiosk<'k, P>,
    rooms: Vec<Room<'s>>,
    observer: Observer,
}

impl<'s, 'k, P: Parts> Simulation<'s, 'k, P> {
    fn new(scenario: &'s Scenario, seed: u64, parts: P, storage: &'k mut Storage<P>) -> Self {
        let mut simulation = Simulation {
            scenario,
            seed,
            random: ChaCha8Rng::seed_from_u64(seed),
            now_ms: 0,
            queue: BinaryHeap::new(),
            scheduled: 0,
            kiosk: Kiosk::new(parts, storage),
            rooms: Vec::new(),
            observer: Observer::new(Limits::default()),
        };
        for (place, plan) in scenario.rooms.iter().enumerate() {
            simulation.rooms.push(Room {
                plan,
                id: RoomId::new(&plan.id).expect("a scenario's room IDs are short"),
                receivers: Vec::new(),
                receivers_made: 0,
                outbox: VecDeque::new(),
                sharing: None,
                counts: Counts::default(),
            });
            for _ in 0..plan.receivers {
                simulation.add_receiver(place);
            }
        }
        simulation.first_sync();
        simulation
    }

    /// The kiosk is told the state of every room it is in (K4), and from then on what happens.
    fn first_sync(&mut self) {
        self.kiosk.core().begin_resync();
        for room in 0..self.rooms.len() {
            for number in 0..self.rooms[room].plan.happenings.len() {
                match self.rooms[room].plan.happenings[number] {
                    (0, happening) => self.happen(room, happening),
                    (at_ms, _) => self.schedule(at_ms, Due::Happening { room, number }),
                }
            }
            self.schedule(0, Due::DayBegins { room });
            self.schedule_telemetry(room);
        }
        self.kiosk.core().end_resync().expect("the kiosk has a place for every room of a scenario");
    }

    fn run(&mut self, mut progress: impl FnMut(u64)) {
        while let Some(Reverse((at_ms, _, due))) = self.queue.pop() {
            if at_ms >= self.scenario.duration_ms {
                break;
            }
            if at_ms / HOUR_MS != self.now_ms / HOUR_MS {
                progress(at_ms);
            }
            self.now_ms = at_ms;
            match due {
                Due::Happening { room, number } => {
                    let (_, happening) = self.rooms[room].plan.happenings[number];
                    self.happen(room, happening);
                }
                Due::Telemetry { room } => {
                    self.new_message(room, "telemetry");
                    self.schedule_telemetry(room);
                }
                Due::DayBegins { room } => self.schedule_bursts(room),
                Due::BurstMessage { room, left } => self.burst_message(room, left),
                Due::ShareEnds { room } => self.share_ends(room),
            }
        }
        progress(self.scenario.duration_ms);
    }

    fn schedule(&mut self, at_ms: u64, due: Due) {
        self.scheduled += 1;
        self.queue.push(Reverse((at_ms, self.scheduled, due)));
    }

    // ---- what the kiosk has to send ----

    /// The next telemetry, within a tenth of its usual interval; by night it is rarer, until the day begins.
    fn schedule_telemetry(&mut self, room: usize) {
        let every_ms = self.rooms[room].plan.traffic.telemetry_every_ms;
        let mut interval_ms = self.random.random_range(every_ms - every_ms / 10..=every_ms + every_ms / 10);
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
            let at_ms = self.now_ms + self.random.random_range(6 * HOUR_MS..22 * HOUR_MS);
            let left = self.random.random_range(fewest..=most);
            self.schedule(at_ms, Due::BurstMessage { room, left });
        }
        self.schedule(self.now_ms + DAY_MS, Due::DayBegins { room });
    }

    fn burst_message(&mut self, room: usize, left: u32) {
        self.new_message(room, "event");
        if left > 1 {
            let (least, most) = BURST_INTERVAL_MS;
            let interval_ms = self.random.random_range(least..=most);
            self.schedule(self.now_ms + interval_ms, Due::BurstMessage { room, left: left - 1 });
        }
    }

    fn new_message(&mut self, room: usize, what: &str) {
        let here = &mut self.rooms[room];
        here.counts.messages_made += 1;
        let body = format!("{what} {} at {} ms", here.counts.messages_made, self.now_ms);
        let content = serde_json::json!({"msgtype": "m.notice", "body": body});
        here.outbox.push_back(content.to_string().into_bytes());
        self.send_outbox(room);
    }

    /// Sends what waits, until the room key has to be shared first.
    fn send_outbox(&mut self, room: usize) {
        while self.rooms[room].sharing.is_none() {
            let Some(content) = self.rooms[room].outbox.pop_front() else {
                return;
            };
            match self.kiosk.try_send(self.now_ms, room, self.rooms[room].id, &content) {
                Attempt::Plaintext => self.emit(room, "m.room.message", &content, &content),
                Attempt::Encrypted(encrypted) => {
                    self.emit(room, "m.room.encrypted", &encrypted, &content);
                    if let Some(uncounted) = self.kiosk.uncounted_message(&encrypted) {
                        self.emit(room, "m.room.encrypted", &uncounted, &content);
                    }
                }
                Attempt::Blocked(reason) => self.not_sent(room, reason.name()),
                Attempt::NoSession => self.not_sent(room, "no_session"),
                Attempt::Share(request) => {
                    self.rooms[room].outbox.push_front(content);
                    self.share_begins(room, request);
                }
            }
        }
    }

    fn not_sent(&mut self, room: usize, reason: &'static str) {
        let here = &mut self.rooms[room];
        here.counts.blocked += 1;
        here.counts.block_reason = Some(reason);
        self.observer.not_sent(self.now_ms, here.id.as_str());
    }

    /// The bytes go out: everybody in the room gets them, and the observer sees them.
    fn emit(&mut self, room: usize, event_type: &str, emitted: &[u8], sent: &[u8]) {
        let here = &mut self.rooms[room];
        let id = here.id.as_str();
        self.observer.message(self.now_ms, id, event_type, emitted);
        if event_type != "m.room.encrypted" {
            return;
        }
        let sent = PlainEvent { event_type: "m.room.message", content: sent };
        for receiver in &mut here.receivers {
            let result = receiver.receive_room_event(id, emitted);
            let got = match &result {
                Ok(decrypted) => {
                    here.counts.decrypted += 1;
                    Ok(PlainEvent {
                        event_type: &decrypted.event_type,
                        content: decrypted.content.get().as_bytes(),
                    })
                }
                Err(error) => Err(error as &dyn std::fmt::Display),
            };
            let name = receiver.keys().device_id.clone();
            self.observer.received(self.now_ms, id, &name, sent, got);
        }
    }

    // ---- room keys ----

    /// The room key goes out to everybody in the room; whether that succeeded is known a little later. A share that
    /// fails reaches nobody.
    fn share_begins(&mut self, room: usize, request: ShareRequest) {
        if let Some(reason) = request.started {
            *self.rooms[room].counts.rotations.entry(reason.name()).or_default() += 1;
        }
        let succeeds = self.random.random_range(0..SHARES_A_FAILURE) != 0;
        let (least, most) = SHARE_MS;
        let takes_ms = if succeeds { self.random.random_range(least..=most) } else { SHARE_TIMEOUT_MS };
        if succeeds {
            for number in 0..self.rooms[room].receivers.len() {
                self.send_room_key(room, number, &request);
            }
        }
        self.rooms[room].sharing = Some((request, succeeds));
        self.schedule(self.now_ms + takes_ms, Due::ShareEnds { room });
    }

    fn share_ends(&mut self, room: usize) {
        let Some((request, succeeded)) = self.rooms[room].sharing.take() else {
            return;
        };
        if succeeded {
            self.rooms[room].counts.key_shares += 1;
            // A session that was replaced in the meantime was shared for nothing; the core asks again.
            let _replaced = self.kiosk.core().shared(&request);
        } else {
            self.rooms[room].counts.failed_key_shares += 1;
        }
        self.send_outbox(room);
    }

    fn send_room_key(&mut self, room: usize, number: usize, request: &ShareRequest) {
        let here = &mut self.rooms[room];
        let receiver = &mut here.receivers[number];
        let Some(event) = self.kiosk.room_key_for(request, room, number, receiver) else {
            return;
        };
        here.counts.to_device_messages += 1;
        match receiver.receive_to_device(&event) {
            Ok(room_key) => {
                self.observer.room_key_received(self.now_ms, &room_key.room_id, &room_key.session_id);
                receiver.forget_older_sessions(SESSIONS_KEPT);
            }
            Err(error) => {
                let nothing = PlainEvent { event_type: "m.room_key", content: b"{}" };
                let name = receiver.keys().device_id.clone();
                self.observer.received(self.now_ms, here.id.as_str(), &name, nothing, Err(&error));
            }
        }
    }

    // ---- what else happens ----

    fn happen(&mut self, room: usize, happening: Happening) {
        let id = self.rooms[room].id;
        match happening {
            Happening::Encryption(content) => {
                self.observer.encryption_event(id.as_str(), content.as_bytes());
                let applied = self.kiosk.core().encryption_event(id, content.as_bytes());
                applied.expect("the kiosk has a place for every room of a scenario");
            }
            Happening::Leave => {
                self.rooms[room].receivers.remove(0);
                self.observer.must_rotate(self.now_ms, id.as_str(), "somebody left");
                let joined = PreviousMembership::Known(Membership::Join);
                self.kiosk
                    .core()
                    .member_event(id, joined, Membership::Leave, false)
                    .expect("nothing is stored");
            }
            Happening::DeviceRemoved => {
                self.rooms[room].receivers.remove(0);
                self.observer.must_rotate(self.now_ms, id.as_str(), "a device was removed");
                self.kiosk.core().device_removed(id).expect("nothing is stored");
            }
            Happening::Join => {
                let nobody = PreviousMembership::None;
                self.kiosk
                    .core()
                    .member_event(id, nobody, Membership::Join, false)
                    .expect("nothing is stored");
                self.add_receiver(room);
                if let Some(request) = self.kiosk.core().share_current(id) {
                    let number = self.rooms[room].receivers.len() - 1;
                    self.send_room_key(room, number, &request);
                    self.rooms[room].counts.key_shares += 1;
                }
            }
            Happening::HistoryVisibility(value) => {
                self.observer.must_rotate(self.now_ms, id.as_str(), "the history visibility changed");
                // Rooms whose visibility changes are encrypted from the start, so all of it is tracked.
                let _noted =
                    self.kiosk.core().history_visibility_event(id, value).expect("nothing is stored");
            }
            Happening::RequestRotation => {
                self.observer.must_rotate(self.now_ms, id.as_str(), "the owner asked for it");
                self.kiosk.core().request_rotation(id).expect("nothing is stored");
            }
        }
    }

    fn add_receiver(&mut self, room: usize) {
        let here = &mut self.rooms[room];
        here.receivers_made += 1;
        let number = here.receivers_made;
        let user_id = format!("@user-{room}-{number}:example.org");
        let mut receiver = Receiver::new(Identity::new(user_id, format!("DEVICE-{room}-{number}")));
        self.kiosk.meet(&mut receiver);
        here.receivers.push(receiver);
    }

    // ---- what came of it ----

    fn report(&self, started: Instant) -> Report {
        let rooms: Vec<RoomReport> = self.rooms.iter().map(|room| self.room_report(room)).collect();
        let sum = |count: fn(&RoomReport) -> u64| rooms.iter().map(count).sum::<u64>();
        let greatest = |value: fn(&RoomReport) -> u64| rooms.iter().map(value).max().unwrap_or_default();
        let violations_of = |kind| self.observer.violation_counts().get(&kind).copied().unwrap_or_default();
        let rotations = RotationReason::ALL.map(|reason| {
            let count = rooms.iter().filter_map(|room| room.rotations.get(reason.name())).sum();
            (reason.name(), count)
        });
        Report {
            scenario: self.scenario.name.to_owned(),
            seed: self.seed,
            simulated_ms: self.scenario.duration_ms,
            rooms: self.rooms.len(),
            messages: sum(|room| room.messages + room.plaintext_messages),
            plaintext_messages: sum(|room| room.plaintext_messages),
            blocked_messages: sum(|room| room.blocked_messages),
            unsent_messages: self.rooms.iter().map(|room| room.outbox.len()).sum(),
            sessions: sum(|room| room.rotations.values().sum()),
            rotations: rotations.into_iter().collect(),
            key_shares: sum(|room| room.key_shares),
            failed_key_shares: self.rooms.iter().map(|room| room.counts.failed_key_shares).sum(),
            to_device_messages: sum(|room| room.to_device_messages),
            max_messages_per_session: greatest(|room| room.max_messages_per_session),
            max_session_age_ms: greatest(|room| room.max_session_age_ms),
            decrypted: self.rooms.iter().map(|room| room.counts.decrypted).sum(),
            undecryptable: violations_of(ViolationKind::Undecryptable),
            index_reuses: violations_of(ViolationKind::RatchetIndexReused),
            rotation_checks: self.kiosk.rotation_checks(),
            violation_count: self.observer.violation_count(),
            violations: self.observer.violations().to_vec(),
            wall_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            room_reports: rooms,
        }
    }

    fn room_report(&self, room: &Room<'_>) -> RoomReport {
        let seen = self.observer.room(room.id.as_str());
        let seen_count = |count: fn(&crate::observer::RoomSummary<'_>) -> u64| seen.as_ref().map_or(0, count);
        RoomReport {
            room: room.plan.id.clone(),
            about: room.plan.about.to_owned(),
            settings: seen.as_ref().and_then(|seen| seen.settings),
            messages: seen_count(|seen| seen.messages),
            plaintext_messages: seen_count(|seen| seen.plaintext_messages),
            blocked_messages: room.counts.blocked,
            block_reason: room.counts.block_reason,
            sessions: seen_count(|seen| seen.sessions),
            rotations: room.counts.rotations.clone(),
            key_shares: room.counts.key_shares,
            to_device_messages: room.counts.to_device_messages,
            max_messages_per_session: seen_count(|seen| seen.most_messages_in_a_session),
            max_session_age_ms: seen_count(|seen| seen.greatest_session_age_ms),
        }
    }
}
