//! What the core was told and asked of one room in a run, and what befell the device, as a trace has it.
//!
//! A trace cannot say everything. A share that takes a while is a message whose share fails, sent again when it is over; a
//! power cut in the midst of a write is a power cut; of a real-time clock that lost the time only that ages are not known; a
//! counter that stands still, steps back by as much; one that steps forward is left out, and so is the time in which the
//! device is off, and every other room.

use std::collections::VecDeque;

use super::script::{Config, Line, Op, Script};
use crate::scenario::{ClockFault, OutageKind};

/// How many lines are kept of what a room's state comes of, and how many others, the latest of each.
const MOST_LASTING: usize = 1_000;
const MOST_PASSING: usize = 20_000;

/// What is recorded of a run.
pub(crate) struct Record {
    config: Config,
    room: String,
    /// The room's place in the scenario.
    place: usize,
    /// The last step of the run that is recorded.
    last_step: u64,
    lasting: VecDeque<(u64, Line)>,
    passing: VecDeque<(u64, Line)>,
    /// How many lines there were.
    lines: u64,
    /// The time of the last line, and that of the last reading of the counter.
    last_at: u64,
    last_read: u64,
    /// Whether the counter was not read since it failed.
    unread_fault: bool,
    /// Whether the device does nothing: it is off, or sleeps.
    idle: bool,
}

impl Record {
    pub(crate) fn new(config: Config, room: String, place: usize, last_step: u64) -> Self {
        Record {
            config,
            room,
            place,
            last_step,
            lasting: VecDeque::new(),
            passing: VecDeque::new(),
            lines: 0,
            last_at: 0,
            last_read: 0,
            unread_fault: false,
            idle: false,
        }
    }

    pub(crate) fn is_over(&self, step: u64) -> bool {
        step >= self.last_step
    }

    pub(crate) fn into_script(self) -> Script {
        let mut lines: Vec<_> = self.lasting.into_iter().chain(self.passing).collect();
        lines.sort_by_key(|(number, _)| *number);
        let lines = lines.into_iter().map(|(_, line)| line).collect();
        Script { config: self.config, room: self.room, lines }
    }

    // ---- of a room ----

    /// The device is told something of a room, which is the one at this place in the scenario.
    pub(crate) fn told(&mut self, at: u64, place: usize, op: impl FnOnce() -> Op) {
        if place == self.place {
            self.push(at, op());
        }
    }

    /// The device is asked to send a message; `shared` is false where the room key has to be shared first.
    pub(crate) fn asked_to_send(&mut self, at: u64, place: usize, shared: bool) {
        if place != self.place {
            return;
        }
        if let Some((number, Line { at: last_at, op: Op::Send { count, shared: true } })) =
            self.passing.back_mut()
            && shared
            && (*number, *last_at) == (self.lines, at)
        {
            *count += 1;
            return;
        }
        self.push(at, Op::Send { count: 1, shared });
    }

    // ---- of the device ----

    pub(crate) fn resync(&mut self, at: u64, op: Op) {
        self.push(at, op);
    }

    pub(crate) fn counter_read(&mut self, at: u64) {
        self.last_read = at;
        if std::mem::take(&mut self.unread_fault) {
            self.push(at, Op::Tick);
        }
    }

    /// A line of a trace reads the clock before it is carried out, so that the fault stands at the last reading.
    pub(crate) fn counter_failed(&mut self, fault: ClockFault, by_ms: u64) {
        if self.idle || fault == ClockFault::StepForward {
            return;
        }
        self.push(self.last_read, Op::ClockBack(by_ms));
        self.unread_fault = true;
    }

    /// The device is off, or sleeps.
    pub(crate) fn falls_idle(&mut self) {
        self.idle = true;
    }

    pub(crate) fn slept(&mut self, at: u64, ms: u64, known: bool) {
        self.idle = false;
        self.push(at, Op::Sleep { ms, known });
    }

    pub(crate) fn restarted(&mut self, at: u64, kind: OutageKind) {
        (self.idle, self.unread_fault) = (false, false);
        self.push(at, Op::Restart { clean: kind == OutageKind::Clean });
        if matches!(kind, OutageKind::ClockSet | OutageKind::ClockDead) {
            self.push(at, Op::Sleep { ms: 0, known: false });
        }
    }

    fn push(&mut self, at: u64, op: Op) {
        let at = at.max(self.last_at);
        self.last_at = at;
        self.lines += 1;
        let lasts = op.lasts();
        let (lines, most) =
            if lasts { (&mut self.lasting, MOST_LASTING) } else { (&mut self.passing, MOST_PASSING) };
        if lines.len() == most {
            lines.pop_front();
        }
        lines.push_back((self.lines, Line { at, op }));
    }
}
