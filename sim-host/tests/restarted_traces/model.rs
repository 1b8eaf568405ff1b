//! What a trace prints, by the rules alone: a few rooms, each with a session, and true time beside the device's.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) messages: [u32; 2],
    pub(crate) period_ms: [u64; 2],
    pub(crate) policy: &'static str,
    pub(crate) reserve: u32,
    pub(crate) max_rooms: usize,
    pub(crate) rtc: bool,
    pub(crate) complete: bool,
    pub(crate) plaintext: bool,
    pub(crate) bits: u32,
    pub(crate) hz: u32,
}

/// A content of `m.room.encryption`.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Usable { messages: Option<i64>, period_ms: Option<i64> },
    Unsupported,
    Malformed,
}

#[derive(Clone, Debug)]
pub(crate) enum Op {
    Encryption(Content),
    Send {
        count: u32,
        share: bool,
    },
    Member {
        membership: &'static str,
        previous: Option<&'static str>,
        limited: bool,
    },
    Visibility(&'static str),
    DeviceRemoved,
    RequestRotation,
    ResetSettings,
    Forget,
    ResyncBegin,
    ResyncEnd,
    Tick,
    ClockBack(u64),
    /// A part of the time that passed since the operation before, in thousandths.
    Sleep {
        part: u64,
        known: bool,
    },
    Restart {
        clean: bool,
    },
}

#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) at: u64,
    pub(crate) room: &'static str,
    pub(crate) op: Op,
}

struct Room {
    in_force: Result<(u32, u64), &'static str>,
    reset: bool,
    shared_history: bool,
    session: Option<Session>,
}

struct Session {
    /// Its number in the trace.
    number: u64,
    /// Messages that it carried, which is its index too.
    count: u32,
    /// What it is stored with (B2).
    mark: u32,
    stored_age: u64,
    shared: bool,
    /// The reasons of T4 that events gave, by their place in that order.
    pending: BTreeSet<usize>,
    age_unknown: bool,
    /// True time.
    made_at: u64,
    /// Its age when the timeline stood at `since`.
    age: u64,
    since: u64,
}

const FROM_EVENTS: [&str; 4] = ["requested", "departure", "device_removed", "history_visibility"];

pub(crate) struct Model {
    config: Config,
    rooms: BTreeMap<&'static str, Room>,
    /// How many sessions were made.
    made: BTreeMap<&'static str, u64>,
    /// Why knowledge is not complete (K1).
    incomplete: Option<&'static str>,
    /// Begun, and whether an event was refused (K4).
    resync: Option<bool>,
    last_at: u64,
    booted_at: u64,
    /// How much less the clock shows than the time since the boot.
    behind: u64,
    /// What it showed last.
    last_ticks: u64,
    /// What it has shown since the boot, in ticks, and what was added for sleep.
    ticks: u64,
    slept: u64,
    output: Vec<Value>,
}

impl Model {
    /// What the trace prints.
    pub(crate) fn run(config: &Config, steps: &[Step]) -> Vec<Value> {
        let mut model = Model {
            config: config.clone(),
            rooms: BTreeMap::new(),
            made: BTreeMap::new(),
            incomplete: (!config.complete).then_some("state_unknown"),
            resync: None,
            last_at: 0,
            booted_at: 0,
            behind: 0,
            last_ticks: 0,
            ticks: 0,
            slept: 0,
            output: Vec::new(),
        };
        for step in steps {
            model.step(step);
        }
        model.output
    }

    fn step(&mut self, step: &Step) {
        let passed = step.at - self.last_at;
        let stood_still = match step.op {
            Op::Sleep { part, .. } => passed * part / 1_000,
            _ => 0,
        };
        if self.config.bits == 32 {
            let interval = (1 << 30) * 1_000 / u64::from(self.config.hz);
            let mut due = self.last_at + interval;
            while due < step.at {
                self.read_clock(due.min(step.at - stood_still));
                due += interval;
            }
        }
        self.read_clock(step.at - stood_still);
        self.behind += stood_still;
        self.last_at = step.at;
        match &step.op {
            Op::Encryption(content) => self.encryption(step.room, content),
            &Op::Send { count, share } => (0..count).for_each(|_| self.send(step.room, share)),
            &Op::Member { membership, previous, limited } => {
                if is_departure(membership, previous, limited) {
                    self.note(step.room, "departure");
                }
            }
            Op::Visibility(value) => {
                let shared_history = ["shared", "world_readable"].contains(value); // E3
                let room = self.rooms.get_mut(step.room);
                if let Some(room) = room.filter(|room| room.shared_history != shared_history) {
                    room.shared_history = shared_history;
                    self.note(step.room, "history_visibility");
                }
            }
            Op::DeviceRemoved => self.note(step.room, "device_removed"), // E2
            Op::RequestRotation => self.note(step.room, "requested"),    // E4
            Op::ResetSettings => {
                if let Some(room) = self.rooms.get_mut(step.room) {
                    room.reset = true; // S5
                }
            }
            Op::Forget => {
                if self.rooms.remove(step.room).is_some() {
                    self.incomplete = Some("state_unknown"); // K3
                }
            }
            Op::ResyncBegin => self.resync = Some(false),
            Op::ResyncEnd => {
                if self.resync.take() == Some(false) {
                    self.incomplete = None; // K4
                }
            }
            Op::Tick => {}
            Op::ClockBack(ms) => self.behind = (self.behind + ms).min(step.at - self.booted_at),
            Op::Sleep { known: true, .. } => self.slept += stood_still, // C5
            Op::Sleep { known: false, .. } => self.forget_ages(),
            Op::Restart { clean } => self.restart(step.at, *clean),
        }
    }

    // Time

    fn read_clock(&mut self, at: u64) {
        let shown_ms = (at - self.booted_at).saturating_sub(self.behind);
        let ticks = shown_ms * u64::from(self.config.hz) / 1_000;
        let elapsed = if self.config.bits == 32 {
            let elapsed = ticks.wrapping_sub(self.last_ticks) % (1 << 32);
            (elapsed < 1 << 31).then_some(elapsed)
        } else {
            ticks.checked_sub(self.last_ticks)
        };
        self.last_ticks = ticks;
        match elapsed {
            Some(elapsed) => self.ticks += elapsed,
            None => self.forget_ages(), // C3
        }
    }

    fn forget_ages(&mut self) {
        self.rooms.values_mut().filter_map(|room| room.session.as_mut()).for_each(|session| {
            session.age_unknown = true;
        });
    }

    /// The beginning of the current tick, in milliseconds since the boot.
    fn timeline(&self) -> u64 {
        self.ticks * 1_000 / u64::from(self.config.hz) + self.slept
    }

    /// T6, C2.
    fn age(&self, session: &Session) -> u64 {
        let ticks_begun = session.age + self.timeline() - session.since;
        let tick_ms = 1_000 / u64::from(self.config.hz);
        if ticks_begun == 0 || tick_ms <= 1 { ticks_begun } else { ticks_begun + tick_ms }
    }

    // Events

    fn encryption(&mut self, id: &'static str, content: &Content) {
        let clamp = |value: Option<i64>, default: u64, [lower, upper]: [u64; 2]| match value {
            None => default.clamp(lower, upper),
            Some(value) => u64::try_from(value).unwrap_or(0).clamp(lower, upper), // P6
        };
        let messages_limits = self.config.messages.map(u64::from);
        let reading = match *content {
            Content::Usable { messages, period_ms } => Ok((
                u32::try_from(clamp(messages, 100, messages_limits)).unwrap(),
                clamp(period_ms, 604_800_000, self.config.period_ms),
            )),
            Content::Unsupported => Err("unsupported"),
            Content::Malformed => Err("malformed"),
        };
        let outcome = reading.err().unwrap_or("usable");
        let mut line = json!({"op": "encryption", "room": id, "outcome": outcome});
        if !self.rooms.contains_key(id) && self.rooms.len() >= self.config.max_rooms {
            self.incomplete = Some("capacity"); // K2
            self.resync = self.resync.map(|_| true);
            line["effect"] = "capacity".into();
            self.output.push(line);
            return;
        }
        let room = self.rooms.entry(id).or_insert(Room {
            in_force: Err(""),
            reset: false,
            shared_history: false,
            session: None,
        });
        let effect = match (reading, room.in_force) {
            (Ok(new), Ok(old)) if !room.reset => {
                let next = match self.config.policy {
                    "ratchet" => (new.0.min(old.0), new.1.min(old.1)),
                    "follow" => new,
                    _ => old,
                };
                room.in_force = Ok(next);
                if self.config.policy == "freeze" {
                    if new == old { "unchanged" } else { "rejected" }
                } else {
                    let up = next.0 > old.0 || next.1 > old.1;
                    let down = next.0 < old.0 || next.1 < old.1;
                    match (up, down) {
                        (true, true) => "changed",
                        (true, false) => "loosened",
                        (false, true) => "tightened",
                        (false, false) => "unchanged",
                    }
                }
            }
            (Ok(new), _) => {
                room.in_force = Ok(new); // S2, S5
                room.reset = false;
                "enabled"
            }
            (Err(_), Ok(_)) => "rejected", // S4
            (Err(why), Err(_)) => {
                room.in_force =
                    Err(if why == "unsupported" { "unsupported_algorithm" } else { "malformed_settings" });
                "blocked"
            }
        };
        line["effect"] = effect.into();
        if let Ok((messages, period_ms)) = room.in_force {
            line["messages"] = messages.into();
            line["period_ms"] = period_ms.into();
        }
        self.output.push(line);
    }

    fn note(&mut self, id: &str, reason: &str) {
        if let Some(session) = self.rooms.get_mut(id).and_then(|room| room.session.as_mut()) {
            session.pending.extend(FROM_EVENTS.iter().position(|&name| name == reason));
        }
    }

    // Messages

    fn send(&mut self, id: &'static str, share: bool) {
        let mut line = json!({"op": "send", "room": id});
        self.decide(id, share, &mut line);
        self.output.push(line);
    }

    fn decide(&mut self, id: &'static str, share: bool, line: &mut Value) {
        let blocked = match (self.rooms.get(id).map(|room| room.in_force), self.incomplete) {
            (Some(Ok(_)), _) => None,
            (Some(Err(cause)), _) | (None, Some(cause)) => Some(cause), // T2
            (None, None) if !self.config.plaintext => Some("plaintext_forbidden"), // K6
            (None, None) => {
                line["decision"] = "plaintext".into(); // T1
                return;
            }
        };
        if let Some(reason) = blocked {
            line["decision"] = "blocked".into();
            line["reason"] = reason.into();
            return;
        }
        let rotation = self.reason_to_rotate(id);
        let now = self.timeline();
        if rotation.is_some() {
            let number = self.made.entry(id).or_default();
            *number += 1;
            self.rooms.get_mut(id).unwrap().session = Some(Session {
                number: *number,
                count: 0,
                mark: 0,
                stored_age: 0,
                shared: false,
                pending: BTreeSet::new(),
                age_unknown: false,
                made_at: self.last_at,
                age: 0,
                since: now,
            });
        }
        line["rotation"] = rotation.into();
        let age = self.age(self.rooms[id].session.as_ref().unwrap());
        let room = self.rooms.get_mut(id).unwrap();
        let (limit, _) = room.in_force.unwrap();
        let session = room.session.as_mut().unwrap();
        session.shared |= share; // T8
        if !session.shared {
            line["decision"] = "waiting_for_share".into();
            return;
        }
        if session.count >= session.mark {
            let ahead = self.config.reserve.min((limit / 4).max(1));
            session.mark = (session.count + ahead).min(limit); // B2
            session.stored_age = age;
        }
        line["decision"] = "encrypted".into();
        line["session"] = session.number.into();
        line["index"] = session.count.into();
        session.count += 1; // T9
    }

    /// T3, T4.
    fn reason_to_rotate(&self, id: &str) -> Option<&'static str> {
        let room = &self.rooms[id];
        let (messages, period_ms) = room.in_force.unwrap();
        let Some(session) = &room.session else {
            return Some("no_session");
        };
        if let Some(&first) = session.pending.first() {
            return Some(FROM_EVENTS[first]);
        }
        if session.age_unknown {
            return Some("age_unknown");
        }
        if session.count >= messages {
            return Some("messages"); // T5
        }
        (self.age(session) >= period_ms).then_some("age") // T6
    }

    // Restarts

    fn restart(&mut self, at: u64, clean: bool) {
        let ids: Vec<_> = self.rooms.keys().copied().collect();
        for id in ids {
            let stored_session = self.rooms.get_mut(id).unwrap().session.take();
            // B3: without an RTC none is stored. B4: nor is one whose key was not shared.
            let Some(mut session) = stored_session.filter(|session| self.config.rtc && session.shared) else {
                continue;
            };
            if clean {
                session.mark = session.count; // B2
                session.stored_age = self.age(&session);
            }
            session.count = session.mark;
            session.age = session.stored_age.max(at - session.made_at); // B3
            session.since = 0;
            self.rooms.get_mut(id).unwrap().session = Some(session);
        }
        self.resync = None; // K4
        (self.booted_at, self.behind, self.last_ticks, self.ticks, self.slept) = (at, 0, 0, 0, 0);
    }
}

/// E1.
fn is_departure(new: &str, previous: Option<&str>, limited: bool) -> bool {
    let known = |name: &str| ["join", "invite", "ban", "knock"].contains(&name);
    if limited {
        return new != "join";
    }
    let gone = new == "ban" || !known(new);
    gone && matches!(previous, None | Some("join" | "invite"))
}
