//! What happens in the rooms and to the kiosk, and when it happens again.

use rand::RngExt;
use rand_distr::Exp1;

use super::{Delivery, Due, Outage, Repeated, Task, World, number};
use crate::cause::script::{Member, Op};
use crate::parts::Parts;
use crate::scenario::{Bits, EventPlan, Incident, Ms, Range, When};

impl Happening<'_> {
    /// What a trace has of it.
    pub(super) fn recorded(self) -> Op {
        match self {
            Happening::Encryption(content) => Op::Encryption(content.to_owned()),
            Happening::Leave => Op::Member(Member::known("leave", "join")),
            Happening::Join => Op::Member(Member::known("join", "none")),
            Happening::Member { membership, previous, limited } => Op::Member(Member {
                membership: membership.to_owned(),
                previous: previous.map(str::to_owned),
                limited,
            }),
            Happening::DeviceRemoved => Op::DeviceRemoved,
            Happening::HistoryVisibility(value) => Op::Visibility(value.to_owned()),
            Happening::RequestRotation => Op::RequestRotation,
            Happening::ResetSettings => Op::ResetSettings,
            Happening::Forget => Op::Forget,
        }
    }
}

/// Something that happens in a room at a certain time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Happening<'s> {
    /// An `m.room.encryption` state event with this content.
    Encryption(&'s str),
    /// The member who has been there longest leaves, with their device.
    Leave,
    /// Somebody joins with a new device, and gets the room key from its current index on.
    Join,
    /// An `m.room.member` event of somebody who has no receiving device.
    Member { membership: &'s str, previous: Option<&'s str>, limited: bool },
    /// The device that has been there longest is deleted; its user stays.
    DeviceRemoved,
    /// An `m.room.history_visibility` state event with this value.
    HistoryVisibility(&'s str),
    /// The kiosk's owner asks for a new session.
    RequestRotation,
    /// The kiosk's owner resets the settings.
    ResetSettings,
    /// The kiosk leaves the room and forgets it.
    Forget,
}

impl Happening<'_> {
    /// Whether the application wants it, once, and no sync brings it again.
    pub(super) fn is_the_owners(self) -> bool {
        matches!(self, Happening::ResetSettings | Happening::Forget)
    }
}

impl EventPlan {
    /// What happens the time of that number.
    fn happening(&self, time: u32) -> Happening<'_> {
        let time = time as usize;
        if let Some(contents) = &self.encryption {
            return Happening::Encryption(contents.nth(time));
        }
        if let Some(values) = &self.history_visibility {
            return Happening::HistoryVisibility(values.nth(time));
        }
        if let Some(memberships) = &self.membership {
            let previous = self.previous.as_ref().map(|previous| previous.nth(time));
            return Happening::Member { membership: memberships.nth(time), previous, limited: self.limited };
        }
        match self.happens {
            Some(Incident::Leave) => Happening::Leave,
            Some(Incident::Join) => Happening::Join,
            Some(Incident::DeviceRemoved) => Happening::DeviceRemoved,
            Some(Incident::ResetSettings) => Happening::ResetSettings,
            Some(Incident::Forget) => Happening::Forget,
            Some(Incident::RequestRotation) | None => Happening::RequestRotation,
        }
    }
}

impl<'s, P: Parts> World<'s, P> {
    // ---- in the rooms ----

    /// What is so from the start the kiosk learns by its first sync; the rest happens when it is due.
    pub(super) fn schedule_happenings(&mut self, room: usize) {
        let plan = self.rooms[room].plan;
        for (place, event) in plan.events.iter().enumerate() {
            let due = |time| Due::Event { room: number(room), event: number(place), time };
            if self.schedule_first(&event.at, due) {
                match event.happening(0) {
                    state @ (Happening::Encryption(_) | Happening::HistoryVisibility(_)) => {
                        self.becomes_state(room, state);
                    }
                    happening => self.comes_about(room, happening),
                }
                self.schedule_again(&event.at, due(1));
            }
        }
        // Of state events that replace one another at once nobody hears but of the last.
        for happening in self.current_state(room) {
            self.comes_about(room, happening);
        }
        if let Some(churn) = &plan.churn {
            let due = |time| Due::Churn { room: number(room), time };
            if self.schedule_first(&churn.at, due) {
                self.schedule(0, due(0));
            }
        }
    }

    pub(super) fn event_is_due(&mut self, room: u32, event: u32, time: u32) -> Task {
        let plan = &self.rooms[room as usize].plan.events[event as usize];
        self.schedule_again(&plan.at, Due::Event { room, event, time: time.wrapping_add(1) });
        self.is_to_be_told(room as usize, plan.happening(time))
    }

    pub(super) fn churn_is_due(&mut self, room: u32, time: u32) -> Task {
        let Some(churn) = &self.rooms[room as usize].plan.churn else {
            return Task::Sync;
        };
        self.schedule_again(&churn.at, Due::Churn { room, time: time.wrapping_add(1) });
        if let Some(after_ms) = churn.back_after {
            self.schedule(self.now_ms + after_ms, Due::Join { room });
        }
        let each = churn.device_removed_each;
        let removed = each > 0 && time % each == each - 1;
        let goes = if removed { Happening::DeviceRemoved } else { Happening::Leave };
        self.is_to_be_told(room as usize, goes)
    }

    /// The homeserver has something for the kiosk.
    pub(super) fn is_to_be_told(&mut self, room: usize, happening: Happening<'s>) -> Task {
        self.becomes_state(room, happening);
        self.sync.waiting.push_back(Delivery { room, happening, again: false });
        Task::Sync
    }

    fn becomes_state(&mut self, room: usize, happening: Happening<'s>) {
        match happening {
            Happening::Encryption(content) => self.rooms[room].encryption = Some(content),
            Happening::HistoryVisibility(value) => self.rooms[room].history_visibility = Some(value),
            _ => {}
        }
    }

    /// Something happens, and the kiosk is about to be told of it for the first time.
    pub(super) fn comes_about(&mut self, room: usize, happening: Happening<'s>) {
        let id = self.rooms[room].id.as_str();
        let why = match happening {
            Happening::Encryption(content) => return self.observer.encryption_event(id, content.as_bytes()),
            Happening::Join => return self.device_joins(room),
            Happening::Leave => "somebody left",
            Happening::DeviceRemoved => "a device was removed",
            Happening::HistoryVisibility(value) => {
                return self.observer.history_visibility(self.now_ms, id, value);
            }
            Happening::Member { membership, previous, limited } => {
                return self.observer.membership(self.now_ms, id, previous, membership, limited);
            }
            Happening::ResetSettings => return self.observer.settings_reset(id),
            Happening::Forget => return self.observer.forgotten(self.now_ms, id),
            Happening::RequestRotation => "the owner asked for it",
        };
        self.observer.must_rotate(self.now_ms, id, why);
        if matches!(happening, Happening::Leave | Happening::DeviceRemoved) {
            self.device_goes(room);
        }
    }

    /// The kiosk is told once more of something, after which it may make a new session though it need not (K5).
    pub(super) fn comes_about_again(&mut self, room: usize, happening: Happening<'s>) {
        let id = self.rooms[room].id.as_str();
        match happening {
            Happening::Encryption(content) => self.observer.encryption_event(id, content.as_bytes()),
            Happening::ResetSettings => self.observer.settings_reset(id),
            Happening::Forget => self.observer.forgotten(self.now_ms, id),
            Happening::Join => {}
            _ => self.observer.may_rotate(id),
        }
    }

    /// The state events that are a room's state now.
    pub(super) fn current_state(&self, room: usize) -> impl Iterator<Item = Happening<'s>> + use<'s, P> {
        let room = &self.rooms[room];
        let encryption = room.encryption.map(Happening::Encryption);
        encryption.into_iter().chain(room.history_visibility.map(Happening::HistoryVisibility))
    }

    // ---- to the kiosk ----

    pub(super) fn schedule_faults(&mut self) {
        let scenario = self.scenario;
        for (place, restart) in scenario.restarts.iter().enumerate() {
            self.schedule_from_0(&restart.at, Due::Restart { number: number(place) });
        }
        for (place, sleep) in scenario.sleeps.iter().enumerate() {
            self.schedule_from_0(&sleep.at, Due::Sleep { number: number(place) });
        }
        for (place, fault) in scenario.clock.fault.iter().enumerate() {
            self.schedule_from_0(&fault.at, Due::ClockFault { number: number(place) });
        }
        self.schedule_counter_reading();
    }

    pub(super) fn restart_is_due(&mut self, number: u32) -> Outage {
        let plan = &self.scenario.restarts[number as usize];
        self.schedule_again(&plan.at, Due::Restart { number });
        Outage { kind: plan.kind, off_ms: plan.off_ms }
    }

    pub(super) fn sleep_is_due(&mut self, number: u32) -> Task {
        let plan = &self.scenario.sleeps[number as usize];
        self.schedule_again(&plan.at, Due::Sleep { number });
        Task::Sleep { for_ms: self.chosen_ms(plan.lasts), known: plan.known }
    }

    pub(super) fn counter_fails(&mut self, number: u32) {
        let plan = &self.scenario.clock.fault[number as usize];
        self.schedule_again(&plan.at, Due::ClockFault { number });
        let by_ms = self.chosen_ms(plan.by);
        let (counter, since_boot_ms) = self.kiosk.counter(self.now_ms);
        counter.fails(since_boot_ms, plan.kind, by_ms);
        self.records(|record, _| record.counter_failed(plan.kind, by_ms));
    }

    /// The counter is read now and then even where there is nothing to send (C2).
    pub(super) fn schedule_counter_reading(&mut self) {
        let clock = &self.scenario.clock;
        let quarter_ms = || ((1 << 30) * 1_000 / u64::from(clock.hz.get())).max(1);
        let every_ms = clock.read_every.or_else(|| (clock.bits == Bits::ThirtyTwo).then(quarter_ms));
        if let Some(every_ms) = every_ms {
            self.schedule(self.now_ms + every_ms, Due::ReadCounter);
        }
    }

    fn chosen_ms(&mut self, Range(Ms(least), Ms(greatest)): Range<Ms>) -> u64 {
        if least == greatest { least } else { self.chance.random_range(least..=greatest) }
    }

    // ---- when ----

    /// Schedules what happens at certain times, or the first time of what repeats, as far as that is not at once. Returns
    /// whether it happens at once.
    fn schedule_first(&mut self, when: &When, due: impl Fn(u32) -> Due) -> bool {
        match when {
            When::At(times) => {
                for (time, at_ms) in times.iter().enumerate().filter(|(_, at_ms)| **at_ms > 0) {
                    self.schedule(*at_ms, due(number(time)));
                }
                times.contains(&0)
            }
            When::Repeated(repeated) => {
                let first_ms = repeated.first.unwrap_or_else(|| self.interval_ms(repeated));
                if first_ms > 0 {
                    self.schedule_within(repeated, first_ms, due(0));
                }
                first_ms == 0
            }
        }
    }

    fn schedule_from_0(&mut self, when: &When, due: Due) {
        if self.schedule_first(when, |_time| due) {
            self.schedule(0, due);
        }
    }

    /// Schedules the next time of what repeats.
    fn schedule_again(&mut self, when: &When, due: Due) {
        if let When::Repeated(repeated) = when {
            let at_ms = self.now_ms + self.interval_ms(repeated);
            self.schedule_within(repeated, at_ms, due);
        }
    }

    fn schedule_within(&mut self, repeated: &Repeated, at_ms: u64, due: Due) {
        if repeated.until.is_none_or(|until_ms| at_ms < until_ms) {
            self.schedule(at_ms, due);
        }
    }

    fn interval_ms(&mut self, repeated: &Repeated) -> u64 {
        if repeated.random { exponential_ms(repeated.every, &mut self.chance) } else { repeated.every }
    }
}

/// A random time of that mean, at least a millisecond.
pub(super) fn exponential_ms(mean_ms: u64, random: &mut impl rand::Rng) -> u64 {
    let times: f64 = random.sample(Exp1);
    whole_ms(times * mean_ms as f64)
}

/// The whole milliseconds of a time, at least one.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "what is too long saturates")]
pub(super) fn whole_ms(ms: f64) -> u64 {
    (ms as u64).max(1)
}
