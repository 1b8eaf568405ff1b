//! The core and the [model] go through the same operations, step by step, and everything that can be
//! observed of them must be the same after each.
//!
//! Cryptography is not what is compared, so the core's sessions only count: each has a number, by which one tells
//! whether a session is the same or a new one, and an index. Beside that comparison a `Watch` looks at what the core
//! answers and needs no model for it.

mod bytes;
mod core_side;
mod model_side;

use pawl_core::clock::longest_read_interval_ms;

use crate::model::{self, Before, Decision, Effect, Noted, Policy, ResyncFault, Settings, Stored};

pub use self::bytes::check;
pub use self::core_side::Storage;
use self::core_side::{Core, Face};
pub use self::model_side::ModelSide;

/// The rooms of an operation, by their place in this list. One name begins like another.
pub const ROOMS: [&str; 5] = ["!a", "!ab", "!b", "!", "!c"];

/// The limits of a rotation value: lower, upper.
pub type Range = (u64, u64);

/// What an integrator chooses, and how much of it is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// S3.
    pub policy: Policy,
    /// K6.
    pub plaintext: bool,
    /// How many rooms the table holds: 1, 2 or 4.
    pub places: usize,
    /// The clock.
    pub clock: ClockKind,
    /// The limits of `rotation_period_msgs`.
    pub messages: Range,
    /// The limits of `rotation_period_ms`.
    pub period_ms: Range,
    /// How many of [`ROOMS`] there are.
    pub rooms: usize,
    /// What outlives a restart.
    pub stored: Stored,
}

/// How often a device of a [`Lockstep`] may start, the first time included.
pub const STARTS: usize = 16;

impl Setup {
    /// Limits so small that every one of them is met soon: 1 to 3 messages, and periods of a few steps of the clock. The
    /// 1 Hz clock has periods shorter than its tick.
    #[must_use]
    pub fn small(policy: Policy, plaintext: bool, places: usize, clock: ClockKind, rooms: usize) -> Self {
        let least = match clock {
            ClockKind::Bits64Khz | ClockKind::Bits64Hz100 | ClockKind::Bits32Khz => 10,
            ClockKind::Bits32Hz => 500,
            ClockKind::Bits32Crystal => 250,
        };
        let (messages, period_ms) = ((1, 3), (least, 4 * least));
        Setup { policy, plaintext, places, clock, messages, period_ms, rooms, stored: Stored::Nothing }
    }

    /// The greatest settings there can be.
    #[must_use]
    pub fn most(&self) -> Settings {
        Settings { messages: self.messages.1, period_ms: self.period_ms.1, state_events: true }
    }

    fn choices(&self) -> model::Choices {
        let clock = model::time::Clock { bits: self.clock.bits(), hz: self.clock.hz() };
        model::Choices {
            policy: self.policy,
            plaintext: self.plaintext,
            places: self.places,
            clock,
            stored: self.stored,
        }
    }
}

/// A clock, and where its counter begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClockKind {
    /// 64 bits, milliseconds.
    Bits64Khz,
    /// 64 bits, ticks of 10 ms.
    Bits64Hz100,
    /// 32 bits, milliseconds, a little before it wraps.
    Bits32Khz,
    /// 32 bits, seconds, a little before it wraps.
    Bits32Hz,
    /// 32 bits, 32,768 Hz, which wraps every 36 hours. A tick is not a whole number of microseconds.
    Bits32Crystal,
}

impl ClockKind {
    /// All of them.
    pub const ALL: [ClockKind; 5] = [
        ClockKind::Bits64Khz,
        ClockKind::Bits64Hz100,
        ClockKind::Bits32Khz,
        ClockKind::Bits32Hz,
        ClockKind::Bits32Crystal,
    ];

    /// The width of its counter.
    #[must_use]
    pub fn bits(self) -> u32 {
        match self {
            ClockKind::Bits64Khz | ClockKind::Bits64Hz100 => 64,
            ClockKind::Bits32Khz | ClockKind::Bits32Hz | ClockKind::Bits32Crystal => 32,
        }
    }

    /// Ticks a second.
    #[must_use]
    pub fn hz(self) -> u64 {
        match self {
            ClockKind::Bits64Khz | ClockKind::Bits32Khz => 1_000,
            ClockKind::Bits64Hz100 => 100,
            ClockKind::Bits32Hz => 1,
            ClockKind::Bits32Crystal => 32_768,
        }
    }

    /// The fewest ticks that are a whole number of milliseconds. Operations take time by such steps: the rules let a
    /// fraction of a millisecond be rounded either way, so a message goes out only where there is none.
    #[must_use]
    pub fn step(self) -> u64 {
        if self == ClockKind::Bits32Crystal { 4_096 } else { 1 }
    }

    /// So many steps in milliseconds.
    #[must_use]
    pub fn step_ms(self) -> u64 {
        self.step() * 1_000 / self.hz()
    }

    /// What the counter shows at the first start, far from 0 and near the wrap.
    #[must_use]
    pub fn begin(self) -> u64 {
        match self {
            ClockKind::Bits64Khz | ClockKind::Bits64Hz100 => 1 << 62,
            ClockKind::Bits32Khz | ClockKind::Bits32Hz => (1 << 32) - 15,
            ClockKind::Bits32Crystal => (1 << 32) - 3 * 4_096 + 1,
        }
    }

    /// The longest time in ticks between two readings, as the core says it (C2).
    fn longest_interval(self) -> Option<u64> {
        let ms = match self {
            ClockKind::Bits64Khz => longest_read_interval_ms::<Face<u64, 1_000>>(),
            ClockKind::Bits64Hz100 => longest_read_interval_ms::<Face<u64, 100>>(),
            ClockKind::Bits32Khz => longest_read_interval_ms::<Face<u32, 1_000>>(),
            ClockKind::Bits32Hz => longest_read_interval_ms::<Face<u32, 1>>(),
            ClockKind::Bits32Crystal => longest_read_interval_ms::<Face<u32, 32_768>>(),
        };
        assert_eq!(ms.is_some(), self.bits() == 32);
        Some(ms? * self.hz() / 1_000)
    }
}

/// Something that happens to a device. A room is a place in [`ROOMS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// An `m.room.encryption` event.
    Encryption(usize, Content),
    /// A message; a new session is shared without fault.
    Send(usize),
    /// So many messages.
    SendMany(usize, u16),
    /// A message; a new session cannot be shared yet, and the request is kept instead of any kept before.
    SendUnshared(usize),
    /// A message whose ciphertext cannot be made.
    SendBroken(usize, Broken),
    /// The message is given up when the permit is there. A request to share is given up as well.
    DropPermit(usize),
    /// A message while no new session can be made.
    NoNewSession(usize),
    /// A message while the clock cannot be read.
    Unreadable(usize),
    /// The kept request was fulfilled.
    ConfirmKept(usize),
    /// The session, if there is one, is shared with a newcomer.
    ShareCurrent(usize),
    /// The session, if there is one, is to be shared with a newcomer: that request is kept.
    KeepCurrent(usize),
    /// An `m.room.member` event: before, now, whether the sync was limited.
    Member(usize, Before, &'static str, bool),
    /// An `m.room.history_visibility` event.
    Visibility(usize, &'static str),
    /// E2.
    DeviceRemoved(usize),
    /// E4.
    RequestRotation(usize),
    /// S5.
    ResetSettings(usize),
    /// K3.
    Forget(usize),
    /// K4.
    BeginResync,
    /// K4.
    EndResync,
    /// So many [steps](ClockKind::step) pass, and nobody reads the clock.
    Pass(u64),
    /// So many steps pass. The clock is read as often as the core asks for, at least so many times, and in the end.
    Wait(u64, u8),
    /// The clock is read.
    ReadClock,
    /// The clock is set back by so many steps.
    SetBack(u64),
    /// The clock stood still, and it is known for how many milliseconds.
    SleptMs(u64),
    /// The clock stood still for nobody knows how long.
    SleptUnknown,
    /// The device goes off, announced to it or not, and starts again so many milliseconds later. Its clock begins anew, and
    /// requests to share are lost.
    Restart(Off, u64),
    /// The calendar, which goes on while the device is off, is set anew: its setting number changes.
    CalendarSet,
    /// The calendar goes back by so many milliseconds, and its setting number does not change.
    CalendarBack(u64),
    /// The calendar can be read no more, or again.
    CalendarSwitch,
}

/// How a device goes off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Off {
    /// The power fails.
    Cut,
    /// It is told before.
    Announced,
}

/// The content of an `m.room.encryption` event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// `rotation_period_msgs` and `rotation_period_ms`, where they are there, and `encrypt_state_events`.
    Megolm(Option<u64>, Option<u64>, bool),
    /// Another algorithm.
    Unsupported,
    /// Not to be understood.
    Malformed,
    /// What is left of a redacted event.
    Redacted,
}

impl Content {
    fn bytes(self) -> Vec<u8> {
        let megolm = "{\"algorithm\":\"m.megolm.v1.aes-sha2\"";
        match self {
            Content::Megolm(messages, period_ms, state_events) => {
                let mut content = String::from(megolm);
                if let Some(messages) = messages {
                    content += &format!(",\"rotation_period_msgs\":{messages}");
                }
                if let Some(period_ms) = period_ms {
                    content += &format!(",\"rotation_period_ms\":{period_ms}");
                }
                content += if state_events { ",\"encrypt_state_events\":true}" } else { "}" };
                content.into_bytes()
            }
            Content::Unsupported => b"{\"algorithm\":\"m.other\",\"rotation_period_msgs\":1}".to_vec(),
            Content::Malformed => format!("{megolm},\"rotation_period_msgs\":1").into_bytes(),
            Content::Redacted => b"{}".to_vec(),
        }
    }

    /// P5, P6.
    fn read(self, setup: &Setup) -> model::Content {
        let within = |value: Option<u64>, default: u64, (lower, upper): Range| {
            value.unwrap_or(default).clamp(lower, upper)
        };
        match self {
            Content::Megolm(messages, period_ms, state_events) => model::Content::Usable(Settings {
                messages: within(messages, 100, setup.messages),
                period_ms: within(period_ms, 604_800_000, setup.period_ms),
                state_events,
            }),
            Content::Unsupported => model::Content::Unsupported,
            Content::Malformed | Content::Redacted => model::Content::Malformed,
        }
    }
}

/// Why a ciphertext cannot be made (T9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// There is no room for it: the session was not asked.
    Buffer,
    /// The session refuses, and its index has moved on.
    Session,
}

/// What is done with a permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Encrypt,
    Break(Broken),
    Drop,
}

/// What a device answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To an encryption event that was taken: what it says, what it changed, and what is in force then.
    Taken(model::Content, Effect, Option<Settings>),
    /// To one that was not (K2).
    TableFull,
    /// To an event that may end a session.
    Noted(Noted),
    /// To a call that says whether there is such a room.
    Known(bool),
    /// To the end of a resync.
    Resync(Result<(), ResyncFault>),
    /// To a message that got no permit, or the permit that was dropped (of which the session is not known here).
    Decided(Decision),
    /// To a message that got one: the session and the index, or that there was no ciphertext.
    Used(Option<(u64, u64)>),
    /// The clock could not be read (C4).
    NoTime,
    /// To the confirmation of a request: whether its session still is the room's.
    Confirmed(bool),
    /// There was nothing to confirm.
    NothingKept,
}

/// What a request to share gives away, or what one would of the session there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomKey {
    session: u64,
    index: u64,
    shares_history: bool,
}

/// Whether a room is in the table, and the settings in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    known: bool,
    in_force: Option<Settings>,
}

/// What is to be seen of a room at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    standing: Standing,
    current: Option<RoomKey>,
    /// The kept request, if any, and its room key, if it is good yet.
    kept: Option<Option<RoomKey>>,
    /// The sessions that there are in all rooms: one that was replaced or forgotten was dropped.
    live_sessions: usize,
}

/// Something that operations happen to: the core or the model. Of each room it keeps two requests to share: the latest,
/// and the one that was set aside.
trait Side {
    fn encryption(&mut self, room: usize, content: Content) -> Answer;
    fn member(&mut self, room: usize, before: Before, new: &str, limited: bool) -> Noted;
    fn visibility(&mut self, room: usize, value: &str) -> Noted;
    fn device_removed(&mut self, room: usize) -> Noted;
    fn request_rotation(&mut self, room: usize) -> Noted;
    fn reset_settings(&mut self, room: usize) -> bool;
    fn forget(&mut self, room: usize) -> bool;
    fn begin_resync(&mut self);
    fn end_resync(&mut self) -> Result<(), ResyncFault>;
    fn pass_ticks(&mut self, ticks: u64);
    fn set_back_ticks(&mut self, ticks: u64);
    fn read_clock(&mut self);
    fn slept(&mut self, ms: Option<u64>);
    fn restart(&mut self, off: Off, ms: u64);
    fn calendar_set(&mut self);
    fn calendar_back(&mut self, ms: u64);
    fn calendar_switch(&mut self);
    /// Decides, and uses the permit if there is one. A request to share is the latest then.
    fn message(&mut self, room: usize, creation: bool, used: Use) -> Answer;
    fn unreadable(&mut self, room: usize) -> Answer;
    /// Makes a request to share the session there is the latest. Whether there is one.
    fn ask_current(&mut self, room: usize) -> bool;
    /// The latest request was fulfilled.
    fn confirm_latest(&mut self, room: usize) -> Answer;
    /// Sets the latest request aside.
    fn keep_latest(&mut self, room: usize);
    /// The request that was set aside was fulfilled.
    fn confirm_kept(&mut self, room: usize) -> Answer;
    fn standing(&self, room: usize) -> Standing;
    fn seen(&self, room: usize) -> Seen;
}

impl Operation {
    fn apply(self, side: &mut (impl Side + ?Sized), clock: ClockKind) -> Vec<Answer> {
        match self {
            Operation::Encryption(room, content) => vec![side.encryption(room, content)],
            Operation::Send(room) => send(side, room, Use::Encrypt),
            Operation::SendMany(room, count) => {
                (0..count).flat_map(|_| send(side, room, Use::Encrypt)).collect()
            }
            Operation::SendBroken(room, broken) => send(side, room, Use::Break(broken)),
            Operation::SendUnshared(room) => {
                let answer = side.message(room, true, Use::Encrypt);
                if let Answer::Decided(Decision::Share(..)) = answer {
                    side.keep_latest(room);
                }
                vec![answer]
            }
            Operation::DropPermit(room) => vec![side.message(room, true, Use::Drop)],
            Operation::NoNewSession(room) => vec![side.message(room, false, Use::Drop)],
            Operation::Unreadable(room) => vec![side.unreadable(room)],
            Operation::ConfirmKept(room) => vec![side.confirm_kept(room)],
            Operation::ShareCurrent(room) if side.ask_current(room) => vec![side.confirm_latest(room)],
            Operation::KeepCurrent(room) if side.ask_current(room) => {
                side.keep_latest(room);
                Vec::new()
            }
            Operation::ShareCurrent(_) | Operation::KeepCurrent(_) => vec![Answer::NothingKept],
            Operation::Member(room, before, new, limited) => {
                vec![Answer::Noted(side.member(room, before, new, limited))]
            }
            Operation::Visibility(room, value) => vec![Answer::Noted(side.visibility(room, value))],
            Operation::DeviceRemoved(room) => vec![Answer::Noted(side.device_removed(room))],
            Operation::RequestRotation(room) => vec![Answer::Noted(side.request_rotation(room))],
            Operation::ResetSettings(room) => vec![Answer::Known(side.reset_settings(room))],
            Operation::Forget(room) => vec![Answer::Known(side.forget(room))],
            Operation::EndResync => vec![Answer::Resync(side.end_resync())],
            silent => {
                silent.apply_in_silence(side, clock);
                Vec::new()
            }
        }
    }

    /// Those that are not answered.
    fn apply_in_silence(self, side: &mut (impl Side + ?Sized), clock: ClockKind) {
        match self {
            Operation::BeginResync => side.begin_resync(),
            Operation::Pass(steps) => side.pass_ticks(steps * clock.step()),
            Operation::Wait(steps, readings) => wait(side, steps, readings, clock),
            Operation::ReadClock => side.read_clock(),
            Operation::SetBack(steps) => side.set_back_ticks(steps * clock.step()),
            Operation::SleptMs(ms) => side.slept(Some(ms)),
            Operation::SleptUnknown => side.slept(None),
            Operation::Restart(off, ms) => side.restart(off, ms),
            Operation::CalendarSet => side.calendar_set(),
            Operation::CalendarBack(ms) => side.calendar_back(ms),
            Operation::CalendarSwitch => side.calendar_switch(),
            answered => unreachable!("{answered:?}"),
        }
    }

    /// The room it happens to.
    fn room(self) -> Option<usize> {
        match self {
            Operation::Encryption(room, _)
            | Operation::Send(room)
            | Operation::SendMany(room, _)
            | Operation::SendUnshared(room)
            | Operation::SendBroken(room, _)
            | Operation::DropPermit(room)
            | Operation::NoNewSession(room)
            | Operation::Unreadable(room)
            | Operation::ConfirmKept(room)
            | Operation::ShareCurrent(room)
            | Operation::KeepCurrent(room)
            | Operation::Member(room, ..)
            | Operation::Visibility(room, _)
            | Operation::DeviceRemoved(room)
            | Operation::RequestRotation(room)
            | Operation::ResetSettings(room)
            | Operation::Forget(room) => Some(room),
            _ => None,
        }
    }
}

/// A message; if its session is to be shared first, it is, and then the message is tried again.
fn send(side: &mut (impl Side + ?Sized), room: usize, used: Use) -> Vec<Answer> {
    let first = side.message(room, true, used);
    if let Answer::Decided(Decision::Share(..)) = first {
        let confirmed = side.confirm_latest(room);
        return vec![first, confirmed, side.message(room, true, used)];
    }
    vec![first]
}

fn wait(side: &mut (impl Side + ?Sized), steps: u64, readings: u8, clock: ClockKind) {
    let mut missing = steps * clock.step();
    let interval = (missing / (u64::from(readings) + 1)).max(1);
    let interval = clock.longest_interval().map_or(interval, |longest| longest.min(interval));
    // Between two readings the time in which nothing is read may begin, so the first one counts as well (C2).
    side.read_clock();
    while missing > 0 {
        side.pass_ticks(interval.min(missing));
        side.read_clock();
        missing -= interval.min(missing);
    }
}

/// The core and the model side by side.
pub struct Lockstep<'s> {
    setup: Setup,
    core: Box<dyn Core + 's>,
    model: ModelSide,
    watch: Watch,
    done: Vec<Operation>,
}

impl<'s> Lockstep<'s> {
    /// A first start. What `storage` held is dropped.
    #[must_use]
    pub fn new(storage: &'s mut Storage, setup: Setup) -> Self {
        Lockstep {
            setup,
            core: core_side::new(storage, setup),
            model: ModelSide::new(setup),
            watch: Watch::new(setup),
            done: Vec::new(),
        }
    }

    /// Goes one step, and compares.
    ///
    /// # Panics
    /// If the core and the model differ, or the core answers what no device may.
    pub fn step(&mut self, operation: Operation) {
        let expected = self.model.step(operation);
        self.step_core(operation, &expected);
    }

    /// Goes one step with the core alone, of which the model says what is to be expected.
    ///
    /// # Panics
    /// As [`step`](Self::step).
    pub fn step_core(&mut self, operation: Operation, expected: &Observed) {
        self.done.push(operation);
        let observed = observe(&mut *self.core, operation, &self.setup);
        if observed != *expected {
            self.fail(&format!(
                "the core and the rules differ\nthe core:  {observed:?}\nthe rules: {expected:?}"
            ));
        }
        self.watch(operation, &observed.answers);
    }

    /// Goes one step, and compares only what is answered: that is several times as fast.
    ///
    /// # Panics
    /// As [`step`](Self::step).
    pub fn step_briefly(&mut self, operation: Operation) {
        self.done.push(operation);
        let expected = operation.apply(&mut self.model, self.setup.clock);
        let answers = operation.apply(&mut *self.core, self.setup.clock);
        if answers != expected {
            self.fail(&format!(
                "the core and the rules differ\nthe core:  {answers:?}\nthe rules: {expected:?}"
            ));
        }
        self.watch(operation, &answers);
    }

    /// Goes one step that was compared before.
    ///
    /// # Panics
    /// If the core answers what no device may.
    pub fn step_again(&mut self, operation: Operation) {
        self.done.push(operation);
        let _ = operation.apply(&mut self.model, self.setup.clock);
        let answers = operation.apply(&mut *self.core, self.setup.clock);
        self.watch(operation, &answers);
    }

    fn watch(&mut self, operation: Operation, answers: &[Answer]) {
        let rooms = (0..self.setup.rooms).map(|room| self.core.standing(room));
        if let Err(what) = self.watch.look(operation, answers, rooms) {
            self.fail(&format!("{what}\nthe core: {answers:?}"));
        }
    }

    fn fail(&self, what: &str) -> ! {
        let done: Vec<_> = self.done.iter().map(|operation| format!("\n    {operation:?}")).collect();
        panic!("{what}\nwith {:?}\nafter{}", self.setup, done.concat());
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &ModelSide {
        &self.model
    }

    /// Whether the clock's counter has passed its end.
    #[must_use]
    pub fn has_wrapped(&self) -> bool {
        self.core.has_wrapped()
    }
}

/// Everything to be seen of an operation: what was answered, and each room after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    answers: Vec<Answer>,
    rooms: Vec<Seen>,
}

fn observe(side: &mut (impl Side + ?Sized), operation: Operation, setup: &Setup) -> Observed {
    let answers = operation.apply(side, setup.clock);
    Observed { answers, rooms: (0..setup.rooms).map(|room| side.seen(room)).collect() }
}

/// What holds of a device's answers whatever they are, without a model.
struct Watch {
    policy: Policy,
    stored: Stored,
    rooms: Vec<Watched>,
    /// The sessions and indices of messages that were sent.
    sent: std::collections::HashSet<(u64, u64)>,
}

#[derive(Clone, Copy, Default)]
struct Watched {
    /// An encryption event was taken, and the room not forgotten since.
    taken: bool,
    /// One was refused, and no resync has ended well that was begun since.
    refused: bool,
    /// A resync was begun since one was refused.
    resync_begun: bool,
    /// Since the last settings that were taken as the first.
    reset: bool,
    in_force: Option<Settings>,
}

impl Watched {
    fn look(&mut self, standing: Standing, policy: Policy) -> Result<(), &'static str> {
        if self.taken != standing.known {
            return Err("S1, K2, K3: a room comes or goes by itself");
        }
        let before = std::mem::replace(&mut self.in_force, standing.in_force);
        let (Some(before), Some(now)) = (before, standing.in_force) else {
            return if before.is_none() { Ok(()) } else { Err("S4: settings were lost") };
        };
        if policy == Policy::Ratchet && (now.messages > before.messages || now.period_ms > before.period_ms) {
            return Err("S3: a value in force rose under Ratchet");
        }
        if policy == Policy::Freeze && now != before {
            return Err("S3: a value in force changed under Freeze");
        }
        if before.state_events && !now.state_events {
            return Err("S3: encrypt_state_events was turned off");
        }
        Ok(())
    }
}

impl Watch {
    fn new(setup: Setup) -> Self {
        Watch {
            policy: setup.policy,
            stored: setup.stored,
            rooms: vec![Watched::default(); setup.rooms],
            sent: Default::default(),
        }
    }

    fn look(
        &mut self,
        operation: Operation,
        answers: &[Answer],
        rooms: impl Iterator<Item = Standing>,
    ) -> Result<(), &'static str> {
        for answer in answers {
            self.look_at_answer(operation, *answer)?;
        }
        if operation == Operation::BeginResync {
            self.rooms.iter_mut().for_each(|room| room.resync_begun = true);
        }
        if let Operation::Restart(..) = operation {
            for room in &mut self.rooms {
                room.resync_begun = false;
                if self.stored == Stored::Nothing {
                    *room = Watched { refused: room.refused, ..Watched::default() };
                }
            }
        }
        let policy = self.policy;
        self.rooms.iter_mut().zip(rooms).try_for_each(|(room, standing)| room.look(standing, policy))
    }

    fn look_at_answer(&mut self, operation: Operation, answer: Answer) -> Result<(), &'static str> {
        if answer == Answer::Resync(Ok(())) {
            for room in self.rooms.iter_mut().filter(|room| room.resync_begun) {
                room.refused = false;
            }
        }
        let Some(room) = operation.room() else {
            return Ok(());
        };
        let watched = &mut self.rooms[room];
        match (operation, answer) {
            (Operation::Encryption(..), Answer::Taken(_, effect, _)) => {
                watched.taken = true;
                if effect == Effect::Enabled && std::mem::take(&mut watched.reset) {
                    watched.in_force = None; // S5: they may be whatever they are
                }
            }
            (Operation::Encryption(..), _) => {
                watched.refused = true;
                watched.resync_begun = false;
            }
            (Operation::ResetSettings(_), Answer::Known(true)) => watched.reset = true,
            (Operation::Forget(_), Answer::Known(true)) => *watched = Watched::default(),
            (_, Answer::Decided(Decision::Plaintext)) if watched.taken => {
                return Err("S1: plaintext to an encrypted room");
            }
            (_, Answer::Decided(Decision::Plaintext)) if watched.refused => {
                return Err("K2: plaintext to a room whose encryption event was refused");
            }
            (_, Answer::Used(Some(message))) if !self.sent.insert(message) => {
                return Err("T9: an index was used twice");
            }
            _ => {}
        }
        Ok(())
    }
}
