//! `pawl-sim trace`: drives the real core with a written trace, a line an operation, and prints what it decides.
//!
//! The [lines](line) are JSON objects. What is kept here is only what a trace needs around the core: the device's clock,
//! which can step back and stand still, what outlives a restart, and the numbers of each room's sessions. There
//! is no cryptography but that of the store: a session is a ratchet index.

mod clock;
pub mod command;
mod judge;
mod line;
mod outlives;
mod output;

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt::{self, Display};
use std::io::{self, BufRead, Write};
use std::ops::ControlFlow;

use pawl_core::clock::Sleep;
use pawl_core::event::{Event, SendingDevice};
use pawl_core::membership::{Membership, PreviousMembership};
use pawl_core::rotation::RotationReason;
use pawl_core::settings::{self, Reading};
use pawl_core::{
    Decision, Device, EncryptionEventError, Persistence, RoomId, RoomPlace, RoomsStored, SessionsStored,
    ShareRequest, StoreKey, sealed_length,
};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use serde::Serialize;

use self::clock::DeviceClock;
use self::judge::Judge;
pub use self::judge::Judgement;
use self::line::{Config, Encryption, Line, Operation, Room, Share};
use self::outlives::{Memory, Rtc};
use self::output::{EncryptionOutput, SendOutput};
use crate::ratchet_index::{RatchetIndex, last_use};

/// Why a trace stopped.
#[derive(Debug)]
pub enum TraceError {
    /// A line is wrong.
    Line {
        /// Its number, from 1.
        number: u64,
        /// What is wrong with it.
        message: String,
    },
    /// The trace could not be read.
    Read(io::Error),
    /// The output could not be written.
    Write(io::Error),
}

impl Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TraceError::Line { number, message } => write!(f, "line {number}: {message}"),
            TraceError::Read(error) => write!(f, "the trace cannot be read: {error}"),
            TraceError::Write(error) => write!(f, "the output cannot be written: {error}"),
        }
    }
}

impl std::error::Error for TraceError {}

/// Runs a trace: a line of `output` for each `encryption` and each message.
///
/// # Errors
/// The first line that is not understood, lacks a field or goes back in time; nothing is printed for it or after it.
pub fn run(input: impl BufRead, output: impl Write) -> Result<(), TraceError> {
    run_before(&mut None, input, output)
}

/// As [`run`], before an [observer](crate::observer), which says what it saw up to the end or to the line that is wrong.
pub fn judge(input: impl BufRead, output: impl Write) -> (Judgement, Result<(), TraceError>) {
    let mut judge = Some(Judge::default());
    let result = run_before(&mut judge, input, output);
    (judge.map(Judge::judgement).unwrap_or_default(), result)
}

fn run_before(judge: &mut Option<Judge>, input: impl BufRead, output: impl Write) -> Result<(), TraceError> {
    let mut lines = input.split(b'\n').map(|line| line.map_err(TraceError::Read)).zip(1..).peekable();
    let configured = match lines.peek() {
        Some((Ok(first), _)) => match str::from_utf8(first) {
            Ok(first) if !first.trim().is_empty() => Config::of_first_line(first),
            _ => Ok(None),
        },
        _ => Ok(None),
    };
    let at_first_line = |message| TraceError::Line { number: 1, message };
    let config = match configured.map_err(at_first_line)? {
        Some(config) => {
            lines.next();
            config
        }
        None => Config::usual().map_err(at_first_line)?,
    };
    if let Some(judge) = judge {
        judge.configure(&config);
    }
    let mut places: Vec<_> = (0..config.max_rooms).map(|_| RoomPlace::new()).collect();
    let mut store = Memory::default();
    if config.complete {
        // In an earlier life, a resync brought nothing: the device is in no encrypted room, and knows it (K1).
        let mut device = boot(&config, &mut places, RoomsStored::new(&mut store));
        device.begin_resync();
        device.end_resync().expect(IN_MEMORY);
    }
    let true_time = Cell::new(0);
    let mut random = ChaCha20Rng::seed_from_u64(0); // what is sealed never leaves this memory
    let mut buffer = [0; sealed_length::<RatchetIndex>()];
    let mut trace = Trace {
        config: &config,
        true_time: &true_time,
        sessions: HashMap::new(),
        sessions_made: 0,
        judge,
        output,
    };
    loop {
        let ended_by = if config.rtc {
            let rtc = Rtc(&true_time);
            let stored = SessionsStored::new(&mut store, KEY, rtc, &mut random, &mut buffer);
            trace.one_life(&mut lines, &mut places, stored.with_reservation(config.reserve))?
        } else {
            // B3: without a clock that goes on while the device is off, sessions do not outlive a restart.
            trace.one_life(&mut lines, &mut places, RoomsStored::new(&mut store))?
        };
        match ended_by {
            End::Restart => trace.tell(|judge| judge.restarted(true_time.get())),
            End::Trace => return trace.output.flush().map_err(TraceError::Write),
        }
    }
}

/// Under which sessions are sealed in memory.
const KEY: StoreKey = StoreKey::new([0; 32]);

const IN_MEMORY: &str = "what is kept in memory can be stored and read";

/// The device as it was stored.
fn boot<'a, P: Persistence<RatchetIndex>>(
    config: &Config,
    places: &'a mut [RoomPlace<RatchetIndex>],
    persistence: P,
) -> Device<'a, RatchetIndex, P> {
    let ticks = DeviceClock::new(config, 0).ticks_at(0);
    Device::open_at_ticks(places, config.core, persistence, ticks, config.rate).expect(IN_MEMORY)
}

/// How often a clock that wraps is read between two lines, at most: a second or so of work.
const MOST_READS: u64 = 100_000_000;

/// Why a line could not be carried out.
enum Stop {
    Message(String),
    Write(io::Error),
}

impl Stop {
    fn at_line(self, number: u64) -> TraceError {
        match self {
            Stop::Message(message) => TraceError::Line { number, message },
            Stop::Write(error) => TraceError::Write(error),
        }
    }
}

impl From<String> for Stop {
    fn from(message: String) -> Self {
        Stop::Message(message)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Stop::Write(error)
    }
}

impl From<serde_json::Error> for Stop {
    fn from(error: serde_json::Error) -> Self {
        Stop::Write(error.into())
    }
}

/// What of a trace goes on over restarts of the device.
struct Trace<'t, W> {
    config: &'t Config,
    /// That of the last operation, which the RTC shows.
    true_time: &'t Cell<u64>,
    /// How many sessions were made for each room.
    sessions: HashMap<String, u64>,
    /// How many were made at all.
    sessions_made: u32,
    judge: &'t mut Option<Judge>,
    output: W,
}

/// What a life of the device ends with.
enum End {
    Restart,
    Trace,
}

impl<W: Write> Trace<'_, W> {
    /// Tells the judge, if there is one.
    fn tell(&mut self, what: impl FnOnce(&mut Judge)) {
        if let Some(judge) = self.judge {
            what(judge);
        }
    }

    /// Boots the device and carries out lines up to a restart.
    fn one_life<P: Persistence<RatchetIndex>>(
        &mut self,
        lines: &mut impl Iterator<Item = (Result<Vec<u8>, TraceError>, u64)>,
        places: &mut [RoomPlace<RatchetIndex>],
        persistence: P,
    ) -> Result<End, TraceError> {
        let device = boot(self.config, places, persistence);
        let clock = DeviceClock::new(self.config, self.true_time.get());
        let booted_at = self.true_time.get();
        self.tell(|judge| judge.counter_read(booted_at, clock.ticks_at(booted_at)));
        let mut life = Life { device, clock, trace: self };
        for (line, number) in lines {
            let line = line?;
            let not_utf8 = |_| TraceError::Line { number, message: "not UTF-8".to_owned() };
            let line = str::from_utf8(&line).map_err(not_utf8)?;
            if line.trim().is_empty() {
                continue;
            }
            life.trace.tell(|judge| judge.line(number));
            if life.line(line).map_err(|error| error.at_line(number))?.is_break() {
                return Ok(End::Restart);
            }
        }
        Ok(End::Trace)
    }
}

/// The device from one boot to the next.
struct Life<'d, 'l, 't, P, W> {
    device: Device<'d, RatchetIndex, P>,
    clock: DeviceClock,
    trace: &'l mut Trace<'t, W>,
}

impl<P: Persistence<RatchetIndex>, W: Write> Life<'_, '_, '_, P, W> {
    /// Carries out a line; it breaks off with a restart.
    fn line(&mut self, line: &str) -> Result<ControlFlow<()>, Stop> {
        let Line { at, operation } = Line::parse(line)?;
        let last_at = self.last_at();
        let passed = at.checked_sub(last_at);
        let passed =
            passed.ok_or_else(|| format!("`at` is {at}, before the {last_at} of an earlier line"))?;
        let stood_still = match operation {
            Operation::Sleep(line::Sleep { ms, .. }) if ms > passed => {
                let why =
                    format!("a sleep of {ms} ms, but only {passed} ms have passed since the line before");
                return Err(why.into());
            }
            Operation::Sleep(line::Sleep { ms, .. }) => ms,
            _ => 0,
        };
        self.let_time_pass(at, stood_still)?;
        self.trace.true_time.set(at);
        self.trace.tell(|judge| judge.operation(at, &operation));
        self.carry_out(at, operation)
    }

    /// True time of the operation before.
    fn last_at(&self) -> u64 {
        self.trace.true_time.get()
    }

    /// The clock is read as often as it must be between two operations, and once for the second of them. It stands
    /// still at the end of the time between.
    fn let_time_pass(&mut self, at: u64, stood_still: u64) -> Result<(), Stop> {
        if let Some(interval) = self.clock.read_interval_ms() {
            let reads = (at - self.last_at()) / interval;
            if reads > MOST_READS {
                return Err(format!(
                    "a clock of 32 bits would have to be read {reads} times on the way here"
                )
                .into());
            }
            let mut due = self.last_at().saturating_add(interval);
            while due < at {
                self.read_clock(due.min(at - stood_still))?;
                due = due.saturating_add(interval);
            }
        }
        self.read_clock(at - stood_still)?;
        self.clock.stood_still(stood_still);
        Ok(())
    }

    fn read_clock(&mut self, at: u64) -> Result<(), Stop> {
        let ticks = self.clock.ticks_at(at);
        self.trace.tell(|judge| judge.counter_read(at, ticks));
        let moment = self.device.at_ticks(ticks, self.clock.rate());
        moment.map(|_read| ()).map_err(|error| error.to_string().into())
    }

    fn carry_out(&mut self, at: u64, operation: Operation) -> Result<ControlFlow<()>, Stop> {
        match operation {
            Operation::Encryption(event) => self.encryption(&event)?,
            Operation::Send(send) => {
                for _ in 0..send.count {
                    self.send(at, &send.room, send.share)?;
                }
            }
            Operation::Member(member) => {
                let previous = match member.previous.as_deref() {
                    None => PreviousMembership::Unknown,
                    Some("none") => PreviousMembership::None,
                    Some(name) => PreviousMembership::Known(Membership::from_name(name)),
                };
                let new = Membership::from_name(&member.membership);
                self.device.member_event(member.room.id()?, previous, new, member.limited).expect(IN_MEMORY);
            }
            Operation::Visibility(visibility) => {
                // A trace that wants it tracked says it after the encryption event.
                let _noted = self
                    .device
                    .history_visibility_event(visibility.room.id()?, &visibility.value)
                    .expect(IN_MEMORY);
            }
            Operation::DeviceRemoved(here) => {
                self.device.device_removed(here.room.id()?).expect(IN_MEMORY);
            }
            Operation::RequestRotation(here) => {
                self.device.request_rotation(here.room.id()?).expect(IN_MEMORY);
            }
            Operation::ResetSettings(here) => {
                self.device.reset_settings(here.room.id()?).expect(IN_MEMORY);
            }
            Operation::Forget(here) => {
                self.device.forget(here.room.id()?).expect(IN_MEMORY);
            }
            Operation::ResyncBegin => self.device.begin_resync(),
            Operation::ResyncEnd => {
                // Where it fails, the messages that follow show it.
                let _complete = self.device.end_resync();
            }
            Operation::Tick => {}
            Operation::ClockBack(back) => self.clock.step_back(at, back.ms),
            Operation::Sleep(line::Sleep { ms, known }) => {
                let sleep = if known { Sleep::KnownMs(ms) } else { Sleep::Unknown };
                self.device.slept(sleep).map_err(|error| error.to_string())?;
            }
            Operation::Restart(line::Restart { clean }) => {
                if clean {
                    let shut_down =
                        self.device.shut_down_at_ticks(self.clock.ticks_at(at), self.clock.rate());
                    shut_down.map_err(|error| error.to_string())?;
                }
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn encryption(&mut self, event: &Encryption) -> Result<(), Stop> {
        let (room, content) = (event.room.id()?, event.content());
        let (effect, in_force) = match self.device.encryption_event(room, content) {
            Ok(applied) => (applied.effect.name(), applied.in_force),
            Err(EncryptionEventError::TableFull) => ("capacity", None),
            Err(error) => return Err(error.to_string().into()),
        };
        self.print(&EncryptionOutput {
            op: "encryption",
            room: room.as_str(),
            outcome: match settings::read(content, &self.trace.config.core.limits) {
                Reading::Usable(..) => "usable",
                Reading::Unsupported => "unsupported",
                Reading::Malformed(_) => "malformed",
            },
            effect,
            messages: in_force.map(|settings| settings.rotation_period_msgs),
            period_ms: in_force.map(|settings| settings.rotation_period_ms),
        })
    }

    fn send(&mut self, at: u64, room: &Room, share: Share) -> Result<(), Stop> {
        let room = room.id()?;
        let mut output = SendOutput::new(room.as_str());
        let mut rotation = None;
        let mut shared = false;
        loop {
            let sessions_made = &mut self.trace.sessions_made;
            let mut made = None;
            let make = || {
                *sessions_made = sessions_made.wrapping_add(1);
                made = Some(*sessions_made);
                Ok::<_, std::convert::Infallible>(RatchetIndex::numbered(*sessions_made))
            };
            let moment = self.device.at_ticks(self.clock.ticks_at(at), self.clock.rate());
            let moment = moment.map_err(|error| error.to_string())?;
            let decision = moment.decide(room, make).map_err(|error| error.to_string())?;
            if let Some(judge) = &mut self.trace.judge
                && let Some(number) = made
            {
                judge.session_made(at, room.as_str(), number);
            }
            match decision {
                Decision::Plaintext(_permit) => {
                    self.trace.tell(|judge| judge.plaintext(at, room.as_str()));
                    output.decision = "plaintext";
                }
                Decision::Blocked(reason) => {
                    self.trace.tell(|judge| judge.blocked(at, room.as_str()));
                    output.decision = "blocked";
                    output.reason = Some(reason.name());
                }
                Decision::Share(request) => {
                    rotation = rotation.or(self.count_session(room, &request));
                    self.trace.tell(|judge| judge.asked_to_share(at, room.as_str()));
                    // A message takes one share; a core that wants another would never have enough.
                    if matches!(share, Share::Ok) && !shared {
                        shared = true;
                        self.key_goes_out(at, room, &request);
                        self.device.shared(&request).map_err(|error| error.to_string())?;
                        continue;
                    }
                    output.decision = "waiting_for_share";
                    output.rotation = Some(rotation.map(RotationReason::name));
                }
                Decision::Encrypt(permit) => {
                    let encrypted = permit.encrypt(&EVENT, &SENDER, &mut [0; 1_024], &mut [0; 1_024]);
                    let encrypted = encrypted.map_err(|error| error.to_string())?;
                    self.trace.tell(|judge| judge.used(at, room.as_str(), last_use()));
                    output.decision = "encrypted";
                    output.session = self.trace.sessions.get(room.as_str()).copied();
                    output.index = Some(encrypted.message_index);
                    output.rotation = Some(rotation.map(RotationReason::name));
                }
            }
            return self.print(&output);
        }
    }

    /// The judge sees which session's key it is.
    fn key_goes_out(&mut self, at: u64, room: RoomId<'_>, request: &ShareRequest) {
        if let Some(judge) = self.trace.judge {
            let mut room_key = [0; 1_024];
            let length = self.device.room_key(request, &mut room_key).unwrap_or_default();
            judge.room_key(at, room.as_str(), &room_key[..length]);
        }
    }

    /// A session that was made for this request uses up a number of its room.
    fn count_session(&mut self, room: RoomId<'_>, request: &ShareRequest) -> Option<RotationReason> {
        if request.started.is_some() {
            *self.trace.sessions.entry(room.as_str().to_owned()).or_default() += 1;
        }
        request.started
    }

    fn print(&mut self, output: &impl Serialize) -> Result<(), Stop> {
        serde_json::to_writer(&mut self.trace.output, output)?;
        self.trace.output.write_all(b"\n")?;
        Ok(())
    }
}

const EVENT: Event<'_> = Event { event_type: "m.room.message", content: b"{}" };

const SENDER: SendingDevice<'_> = SendingDevice { sender_key: "", device_id: "" };
