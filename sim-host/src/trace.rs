//! `pawl-sim trace`: drives the real core with a written trace, a line an operation, and prints what it decides.
//!
//! The [lines](line) are JSON objects. What is kept here is only what a trace needs around the core: the device's clock,
//! which can step back and stand still, and the numbers of each room's sessions. There is no cryptography: a session is
//! a ratchet index.

mod clock;
pub mod command;
mod line;

use std::collections::HashMap;
use std::fmt::{self, Display};
use std::io::{self, BufRead, Write};

use pawl_core::clock::Sleep;
use pawl_core::event::{Event, SendingDevice};
use pawl_core::membership::{Membership, PreviousMembership};
use pawl_core::rotation::RotationReason;
use pawl_core::session::{OutboundSession, SESSION_ID_LENGTH, SESSION_KEY_LENGTH};
use pawl_core::settings::{self, Limits, Reading};
use pawl_core::{Decision, Device, RoomId, RoomPlace, ShareRequest};
use serde::Serialize;

use self::clock::DeviceClock;
use self::line::{Config, Encryption, Line, Operation, Room, Share};

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
    let mut places: Vec<_> = (0..config.max_rooms).map(|_| RoomPlace::new()).collect();
    let mut trace = Trace::new(&config, &mut places, output);
    for (line, number) in lines {
        let line = line?;
        let not_utf8 = |_| TraceError::Line { number, message: "not UTF-8".to_owned() };
        let line = str::from_utf8(&line).map_err(not_utf8)?;
        if line.trim().is_empty() {
            continue;
        }
        trace.line(line).map_err(|error| error.at_line(number))?;
    }
    trace.output.flush().map_err(TraceError::Write)
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

struct Trace<'a, W> {
    limits: Limits,
    device: Device<'a, RatchetIndex>,
    clock: DeviceClock,
    /// True time of the last operation.
    last_at: u64,
    /// How many sessions were made for each room.
    sessions: HashMap<String, u64>,
    output: W,
}

impl<'a, W: Write> Trace<'a, W> {
    fn new(config: &Config, places: &'a mut [RoomPlace<RatchetIndex>], output: W) -> Self {
        let mut device = Device::new(places, config.core);
        if config.complete {
            // A resync that brings nothing: the device is in no encrypted room, and knows it.
            device.begin_resync();
            let _complete = device.end_resync();
        }
        Trace {
            limits: config.core.limits,
            device,
            clock: DeviceClock::new(config.width, config.hz, config.rate),
            last_at: 0,
            sessions: HashMap::new(),
            output,
        }
    }

    fn line(&mut self, line: &str) -> Result<(), Stop> {
        let Line { at, operation } = Line::parse(line)?;
        let passed = at.checked_sub(self.last_at);
        let passed =
            passed.ok_or_else(|| format!("`at` is {at}, before the {} of an earlier line", self.last_at))?;
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
        self.last_at = at;
        self.carry_out(at, operation)
    }

    /// The clock is read as often as it must be between two operations, and once for the second of them. It stands
    /// still at the end of the time between.
    fn let_time_pass(&mut self, at: u64, stood_still: u64) -> Result<(), Stop> {
        if let Some(interval) = self.clock.read_interval_ms() {
            let reads = (at - self.last_at) / interval;
            if reads > MOST_READS {
                return Err(format!(
                    "a clock of 32 bits would have to be read {reads} times on the way here"
                )
                .into());
            }
            let mut due = self.last_at.saturating_add(interval);
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
        let moment = self.device.at_ticks(self.clock.ticks_at(at), self.clock.rate());
        moment.map(|_read| ()).map_err(|error| error.to_string().into())
    }

    fn carry_out(&mut self, at: u64, operation: Operation) -> Result<(), Stop> {
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
                self.device
                    .member_event(member.room.id()?, previous, new, member.limited)
                    .expect("nothing is stored");
            }
            Operation::Visibility(visibility) => {
                // A trace that wants it tracked says it after the encryption event.
                let _noted = self
                    .device
                    .history_visibility_event(visibility.room.id()?, &visibility.value)
                    .expect("nothing is stored");
            }
            Operation::DeviceRemoved(here) => {
                self.device.device_removed(here.room.id()?).expect("nothing is stored");
            }
            Operation::RequestRotation(here) => {
                self.device.request_rotation(here.room.id()?).expect("nothing is stored");
            }
            Operation::ResetSettings(here) => {
                self.device.reset_settings(here.room.id()?).expect("nothing is stored");
            }
            Operation::Forget(here) => {
                self.device.forget(here.room.id()?).expect("nothing is stored");
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
        }
        Ok(())
    }

    fn encryption(&mut self, event: &Encryption) -> Result<(), Stop> {
        let (room, content) = (event.room.id()?, event.content());
        let (effect, in_force) = match self.device.encryption_event(room, content) {
            Ok(applied) => (applied.effect.name(), applied.in_force),
            Err(_) => ("capacity", None),
        };
        self.print(&EncryptionOutput {
            op: "encryption",
            room: room.as_str(),
            outcome: match settings::read(content, &self.limits) {
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
        loop {
            let moment = self.device.at_ticks(self.clock.ticks_at(at), self.clock.rate());
            let moment = moment.map_err(|error| error.to_string())?;
            let decision = moment.decide(room, || Ok::<_, std::convert::Infallible>(RatchetIndex(0)));
            match decision.map_err(|error| error.to_string())? {
                Decision::Plaintext(_permit) => output.decision = "plaintext",
                Decision::Blocked(reason) => {
                    output.decision = "blocked";
                    output.reason = Some(reason.name());
                }
                Decision::Share(request) => {
                    rotation = rotation.or(self.count_session(room, &request));
                    if matches!(share, Share::Ok) && self.device.shared(&request).is_ok() {
                        continue;
                    }
                    output.decision = "waiting_for_share";
                    output.rotation = Some(rotation.map(RotationReason::name));
                }
                Decision::Encrypt(permit) => {
                    let encrypted = permit.encrypt(&EVENT, &SENDER, &mut [0; 1_024], &mut [0; 1_024]);
                    let encrypted = encrypted.map_err(|error| error.to_string())?;
                    output.decision = "encrypted";
                    output.session = self.sessions.get(room.as_str()).copied();
                    output.index = Some(encrypted.message_index);
                    output.rotation = Some(rotation.map(RotationReason::name));
                }
            }
            return self.print(&output);
        }
    }

    /// A session that was made for this request uses up a number of its room.
    fn count_session(&mut self, room: RoomId<'_>, request: &ShareRequest) -> Option<RotationReason> {
        if request.started.is_some() {
            *self.sessions.entry(room.as_str().to_owned()).or_default() += 1;
        }
        request.started
    }

    fn print(&mut self, output: &impl Serialize) -> Result<(), Stop> {
        serde_json::to_writer(&mut self.output, output)?;
        self.output.write_all(b"\n")?;
        Ok(())
    }
}

const EVENT: Event<'_> = Event { event_type: "m.room.message", content: b"{}" };

const SENDER: SendingDevice<'_> = SendingDevice { sender_key: "", device_id: "" };

#[derive(Serialize)]
struct EncryptionOutput<'a> {
    op: &'static str,
    room: &'a str,
    outcome: &'static str,
    effect: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    period_ms: Option<u64>,
}

#[derive(Serialize)]
struct SendOutput<'a> {
    op: &'static str,
    room: &'a str,
    decision: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u32>,
    /// Left out where there is no session, `null` where this message made none.
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation: Option<Option<&'static str>>,
}

impl<'a> SendOutput<'a> {
    fn new(room: &'a str) -> Self {
        SendOutput {
            op: "send",
            room,
            decision: "",
            reason: None,
            session: None,
            index: None,
            rotation: None,
        }
    }
}

/// A session without cryptography.
struct RatchetIndex(u32);

/// The ratchet is at its end.
#[derive(Debug)]
struct EndOfRatchet;

impl Display for EndOfRatchet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the ratchet is at its end")
    }
}

impl std::error::Error for EndOfRatchet {}

impl OutboundSession for RatchetIndex {
    type Error = EndOfRatchet;

    fn write_session_id(&self, out: &mut [u8; SESSION_ID_LENGTH]) {
        out.fill(b'A');
    }

    fn write_session_key(&self, out: &mut [u8; SESSION_KEY_LENGTH]) {
        out.fill(b'A');
    }

    fn message_index(&self) -> u32 {
        self.0
    }

    fn encrypt<'o>(&mut self, _plaintext: &[u8], _out: &'o mut [u8]) -> Result<&'o str, EndOfRatchet> {
        self.0 = self.0.checked_add(1).ok_or(EndOfRatchet)?;
        Ok("")
    }
}
