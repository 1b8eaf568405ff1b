//! The core in [lockstep](super), with a settable clock and sessions that count.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::rc::Rc;

use embedded_time::fraction::Fraction;
use embedded_time::{Clock, Instant, TimeInt, clock};
use pawl_core::clock::{ClockError, Sleep, TimeError};
use pawl_core::event::{Event, SendingDevice};
use pawl_core::membership::{Membership, PreviousMembership};
use pawl_core::rotation::RotationReason;
use pawl_core::session::SESSION_ID_LENGTH;
use pawl_core::settings::{ChangePolicy, Limits, Reading};
use pawl_core::{
    BlockReason, Config, DecideError, Device, EncryptError, EncryptionEventError, Moment, NothingStored,
    Persistence, ResyncError, RoomId, RoomKeyError, RoomPlace, RoomsStored, SessionsStored, ShareRequest,
    SharedError, StoreKey, sealed_length,
};
use serde::Deserialize;

use super::{
    Answer, Broken, ClockKind, Content, Off, ROOMS, RoomKey, STARTS, Seen, Setup, Side, Standing, Use,
};
use crate::counting::{Bench, CountingSession, Refused, digits};
use crate::model::{
    self, Before, Block, Decision, Effect, Noted, Policy, Reason, ResyncFault, Settings, Stored,
};
use crate::surroundings::{Calendar, KEY, Memory, Nonces};

/// Room for the rooms of a [`Setup`], anew for each start of a device, and for a session that is sealed.
pub struct Storage {
    places: Vec<RoomPlace<CountingSession>>,
    buffers: Vec<u8>,
}

impl Storage {
    /// Storage for so many rooms.
    #[must_use]
    pub fn new(places: usize) -> Self {
        Storage {
            places: std::iter::repeat_with(RoomPlace::new).take(places * STARTS).collect(),
            buffers: vec![0; sealed_length::<CountingSession>() * STARTS],
        }
    }
}

/// What is left of a storage.
struct Spare<'s> {
    places: &'s mut [RoomPlace<CountingSession>],
    buffers: &'s mut [u8],
}

/// Room for one start.
type Space<'s> = (&'s mut [RoomPlace<CountingSession>], &'s mut [u8]);

impl<'s> Spare<'s> {
    /// Room for one start.
    fn take(&mut self, places: usize) -> Space<'s> {
        (
            split_off(&mut self.places, places),
            split_off(&mut self.buffers, sealed_length::<CountingSession>()),
        )
    }
}

fn split_off<'s, T>(all: &mut &'s mut [T], count: usize) -> &'s mut [T] {
    let (first, rest) = std::mem::take(all).split_at_mut(count);
    *all = rest;
    first
}

/// A clock of `HZ` ticks a second, read once; `None` cannot be read.
pub(super) struct Face<T, const HZ: u32>(Option<T>);

impl<T: TimeInt + Hash, const HZ: u32> Clock for Face<T, HZ> {
    type T = T;
    const SCALING_FACTOR: Fraction = Fraction::new(1, HZ);

    fn try_now(&self) -> Result<Instant<Self>, clock::Error> {
        self.0.map(Instant::new).ok_or(clock::Error::NotRunning)
    }
}

/// What `m.room_key` holds.
#[derive(Deserialize)]
struct RoomKeyContent<'a> {
    room_id: &'a str,
    session_id: &'a str,
    session_key: &'a str,
    shared_history: bool,
}

/// What `m.room.encrypted` holds.
#[derive(Deserialize)]
struct EncryptedContent<'a> {
    session_id: &'a str,
    ciphertext: &'a str,
}

/// A device of the core, with whatever persistence.
pub(super) trait Core: Side {
    /// Whether the clock's counter has passed its end.
    fn has_wrapped(&self) -> bool;
}

/// The first start of a device.
pub(super) fn new<'s>(storage: &'s mut Storage, setup: Setup) -> Box<dyn Core + 's> {
    match setup.stored {
        Stored::Nothing => Box::new(CoreSide::<NothingStored>::new(storage, setup)),
        Stored::Rooms => Box::new(CoreSide::<RoomsStored<Memory>>::new(storage, setup)),
        Stored::Sessions(_) => Box::new(CoreSide::<AllStored<'s>>::new(storage, setup)),
    }
}

type AllStored<'s> = SessionsStored<'s, Memory, Calendar, Nonces>;

/// What outlives a restart.
#[derive(Clone)]
struct Outside {
    memory: Memory,
    calendar: Calendar,
    nonces: Nonces,
}

/// How a device starts.
trait Starts<'s>: Persistence<CountingSession> + Sized {
    fn start(
        outside: &Outside,
        space: Space<'s>,
        setup: Setup,
        counter: u64,
    ) -> Device<'s, CountingSession, Self>;
}

impl<'s> Starts<'s> for NothingStored {
    fn start(_: &Outside, (places, _): Space<'s>, setup: Setup, _: u64) -> Device<'s, CountingSession, Self> {
        Device::new(places, config(setup))
    }
}

impl<'s> Starts<'s> for RoomsStored<Memory> {
    fn start(
        outside: &Outside,
        (places, _): Space<'s>,
        setup: Setup,
        counter: u64,
    ) -> Device<'s, CountingSession, Self> {
        open(places, setup, counter, RoomsStored::new(outside.memory.clone()))
    }
}

impl<'s> Starts<'s> for AllStored<'s> {
    fn start(
        outside: &Outside,
        (places, buffer): Space<'s>,
        setup: Setup,
        counter: u64,
    ) -> Device<'s, CountingSession, Self> {
        let Outside { memory, calendar, nonces } = outside.clone();
        let stored = SessionsStored::new(memory, StoreKey::new(KEY), calendar, nonces, buffer);
        let Stored::Sessions(ahead) = setup.stored else { unreachable!("sessions are stored") };
        let ahead = u32::try_from(ahead).ok().and_then(NonZeroU32::new).expect("some messages");
        open(places, setup, counter, stored.with_reservation(ahead))
    }
}

fn open<P: Persistence<CountingSession>>(
    places: &mut [RoomPlace<CountingSession>],
    setup: Setup,
    counter: u64,
    persistence: P,
) -> Device<'_, CountingSession, P> {
    let config = config(setup);
    let of_32_bits = u32::try_from(counter & u64::from(u32::MAX)).ok();
    let device = match setup.clock {
        ClockKind::Bits64Khz => Device::open(places, config, persistence, &Face::<u64, 1_000>(Some(counter))),
        ClockKind::Bits64Hz100 => Device::open(places, config, persistence, &Face::<u64, 100>(Some(counter))),
        ClockKind::Bits32Khz => Device::open(places, config, persistence, &Face::<u32, 1_000>(of_32_bits)),
        ClockKind::Bits32Hz => Device::open(places, config, persistence, &Face::<u32, 1>(of_32_bits)),
        ClockKind::Bits32Crystal => {
            Device::open(places, config, persistence, &Face::<u32, 32_768>(of_32_bits))
        }
    };
    device.expect("a clock and a store")
}

fn config(setup: Setup) -> Config {
    let messages = |messages| u32::try_from(messages).expect("32 bits");
    Config {
        limits: Limits::new(
            messages(setup.messages.0)..=messages(setup.messages.1),
            setup.period_ms.0..=setup.period_ms.1,
        )
        .expect("limits"),
        policy: match setup.policy {
            Policy::Ratchet => ChangePolicy::Ratchet,
            Policy::Follow => ChangePolicy::Follow,
            Policy::Freeze => ChangePolicy::Freeze,
        },
        plaintext: setup.plaintext,
    }
}

/// A device of the core with its surroundings.
struct CoreSide<'s, P> {
    device: Device<'s, CountingSession, P>,
    spare: Spare<'s>,
    setup: Setup,
    bench: Rc<Bench>,
    outside: Outside,
    /// The clock's counter, as it were if it had 64 bits.
    counter: u64,
    /// What passed since the first start, in ticks, for the calendar.
    ran: u64,
    /// Of each room, the latest request to share, and the one that was set aside.
    requests: Vec<(Option<ShareRequest>, Option<ShareRequest>)>,
}

fn room_id(room: usize) -> RoomId<'static> {
    RoomId::new(ROOMS[room]).expect("it is short")
}

impl<'s, P: Starts<'s>> CoreSide<'s, P> {
    fn new(storage: &'s mut Storage, setup: Setup) -> Self {
        let mut spare = Spare { places: &mut storage.places, buffers: &mut storage.buffers };
        let outside =
            Outside { memory: Memory::default(), calendar: Calendar::new(), nonces: Nonces::default() };
        let bench = Bench::new(0);
        CoreSide {
            device: P::start(&outside, spare.take(setup.places), setup, setup.clock.begin()),
            spare,
            setup,
            bench,
            outside,
            counter: setup.clock.begin(),
            ran: 0,
            requests: vec![(None, None); setup.rooms],
        }
    }

    /// The device now, or with a clock that cannot be read.
    fn at(&mut self, readable: bool) -> Result<Moment<'_, 's, CountingSession, P>, TimeError> {
        let of_64_bits = readable.then_some(self.counter);
        let of_32_bits = of_64_bits.map(|ticks| u32::try_from(ticks & u64::from(u32::MAX)).expect("32 bits"));
        match self.setup.clock {
            ClockKind::Bits64Khz => self.device.at(&Face::<u64, 1_000>(of_64_bits)),
            ClockKind::Bits64Hz100 => self.device.at(&Face::<u64, 100>(of_64_bits)),
            ClockKind::Bits32Khz => self.device.at(&Face::<u32, 1_000>(of_32_bits)),
            ClockKind::Bits32Hz => self.device.at(&Face::<u32, 1>(of_32_bits)),
            ClockKind::Bits32Crystal => self.device.at(&Face::<u32, 32_768>(of_32_bits)),
        }
    }

    fn shut_down(&mut self) {
        let of_64_bits = Some(self.counter);
        let of_32_bits = u32::try_from(self.counter & u64::from(u32::MAX)).ok();
        let done = match self.setup.clock {
            ClockKind::Bits64Khz => self.device.shut_down(&Face::<u64, 1_000>(of_64_bits)),
            ClockKind::Bits64Hz100 => self.device.shut_down(&Face::<u64, 100>(of_64_bits)),
            ClockKind::Bits32Khz => self.device.shut_down(&Face::<u32, 1_000>(of_32_bits)),
            ClockKind::Bits32Hz => self.device.shut_down(&Face::<u32, 1>(of_32_bits)),
            ClockKind::Bits32Crystal => self.device.shut_down(&Face::<u32, 32_768>(of_32_bits)),
        };
        done.expect("a clock and a store");
    }

    fn confirm(&mut self, request: Option<ShareRequest>) -> Answer {
        match request.map(|request| self.device.shared(&request)) {
            None => Answer::NothingKept,
            Some(Ok(())) => Answer::Confirmed(true),
            Some(Err(SharedError::SessionReplaced)) => Answer::Confirmed(false),
            Some(Err(error)) => panic!("{error}"),
        }
    }

    /// The room key of a request, if it is good yet.
    fn room_key(&self, room: usize, request: &ShareRequest) -> Option<RoomKey> {
        let mut out = [0; 600];
        let length = match self.device.room_key(request, &mut out) {
            Ok(length) => length,
            Err(RoomKeyError::SessionReplaced) => return None,
            Err(error) => panic!("{error}"),
        };
        let content: RoomKeyContent<'_> =
            serde_json::from_slice(&out[..length]).expect("the content of m.room_key");
        assert_eq!(content.room_id, ROOMS[room]);
        let (session, index) = content.session_key.split_at(SESSION_ID_LENGTH);
        assert_eq!(content.session_id, session);
        Some(RoomKey {
            session: digits(session),
            index: digits(index),
            shares_history: content.shared_history,
        })
    }

    /// The number of the session there is.
    fn current_session(&self, room: usize) -> u64 {
        let request = self.device.share_current(room_id(room)).expect("a session");
        self.room_key(room, &request).expect("its room key").session
    }

    fn use_permit(
        permit: pawl_core::Permit<'_, CountingSession>,
        bench: &Bench,
        used: Use,
    ) -> Option<(u64, u64)> {
        let event = Event { event_type: "m.room.message", content: b"{}" };
        let device = SendingDevice { sender_key: "k", device_id: "D" };
        let (mut scratch, mut out) = ([0; 128], [0; 256]);
        let space = if used == Use::Break(Broken::Buffer) { 8 } else { scratch.len() };
        bench.refuses.set(used == Use::Break(Broken::Session));
        let encrypted = permit.encrypt(&event, &device, &mut scratch[..space], &mut out);
        bench.refuses.set(false);
        match (encrypted, used) {
            (Ok(encrypted), Use::Encrypt) => {
                let content: EncryptedContent<'_> = serde_json::from_slice(&out[..encrypted.length])
                    .expect("the content of m.room.encrypted");
                assert_eq!(digits(content.ciphertext), u64::from(encrypted.message_index));
                Some((digits(content.session_id), encrypted.message_index.into()))
            }
            (Err(EncryptError::Session(Refused)), Use::Break(Broken::Session))
            | (Err(EncryptError::Write(_)), Use::Break(Broken::Buffer)) => None,
            (Ok(_), _) => panic!("a message was encrypted that cannot be"),
            (Err(error), _) => panic!("{error}"),
        }
    }
}

/// What a message came to, with nothing borrowed any more.
enum Came {
    To(Answer),
    ToShare(ShareRequest),
    /// A permit that was dropped.
    ToPermit,
}

impl<'s, P: Starts<'s>> Core for CoreSide<'s, P> {
    fn has_wrapped(&self) -> bool {
        self.setup.clock.bits() == 32 && self.counter >> 32 != 0
    }
}

impl<'s, P: Starts<'s>> Side for CoreSide<'s, P> {
    fn encryption(&mut self, room: usize, content: Content) -> Answer {
        match self.device.encryption_event(room_id(room), &content.bytes()) {
            Ok(applied) => Answer::Taken(
                match applied.reading {
                    Reading::Usable(settings, _) => model::Content::Usable(from_settings(settings)),
                    Reading::Unsupported => model::Content::Unsupported,
                    Reading::Malformed(_) => model::Content::Malformed,
                },
                from_effect(applied.effect),
                applied.in_force.map(from_settings),
            ),
            Err(EncryptionEventError::TableFull) => Answer::TableFull,
            Err(error) => panic!("{error}"),
        }
    }

    fn member(&mut self, room: usize, before: Before, new: &str, limited: bool) -> Noted {
        let before = match before {
            Before::NotKnown => PreviousMembership::Unknown,
            Before::NoMembership => PreviousMembership::None,
            Before::Was(membership) => PreviousMembership::Known(Membership::from_name(membership)),
        };
        from_noted(
            self.device
                .member_event(room_id(room), before, Membership::from_name(new), limited)
                .expect("the store works"),
        )
    }

    fn visibility(&mut self, room: usize, value: &str) -> Noted {
        from_noted(self.device.history_visibility_event(room_id(room), value).expect("the store works"))
    }

    fn device_removed(&mut self, room: usize) -> Noted {
        from_noted(self.device.device_removed(room_id(room)).expect("the store works"))
    }

    fn request_rotation(&mut self, room: usize) -> Noted {
        from_noted(self.device.request_rotation(room_id(room)).expect("the store works"))
    }

    fn reset_settings(&mut self, room: usize) -> bool {
        self.device.reset_settings(room_id(room)).expect("the store works")
    }

    fn forget(&mut self, room: usize) -> bool {
        self.device.forget(room_id(room)).expect("the store works")
    }

    fn begin_resync(&mut self) {
        self.device.begin_resync();
    }

    fn end_resync(&mut self) -> Result<(), ResyncFault> {
        self.device.end_resync().map_err(|error| match error {
            ResyncError::NotBegun => ResyncFault::NotBegun,
            ResyncError::EventRefused => ResyncFault::Refused,
            error => panic!("{error}"),
        })
    }

    fn pass_ticks(&mut self, ticks: u64) {
        self.counter = self.counter.wrapping_add(ticks);
        let ms = |ticks: u64| u128::from(ticks) * 1_000 / u128::from(self.setup.clock.hz());
        let passed = ms(self.ran + ticks) - ms(self.ran);
        self.ran += ticks;
        self.outside.calendar.go(u64::try_from(passed).expect("not so long"));
    }

    fn set_back_ticks(&mut self, ticks: u64) {
        self.counter = self.counter.wrapping_sub(ticks);
    }

    fn read_clock(&mut self) {
        let _ = self.at(true).expect("a clock that can be read");
    }

    fn slept(&mut self, ms: Option<u64>) {
        self.device.slept(ms.map_or(Sleep::Unknown, Sleep::KnownMs)).expect("few sleeps");
        self.outside.calendar.go(ms.unwrap_or_default());
    }

    fn restart(&mut self, off: Off, ms: u64) {
        if off == Off::Announced {
            self.shut_down();
        }
        self.requests = vec![(None, None); self.setup.rooms];
        self.bench = Bench::new(self.bench.made.get());
        self.outside.calendar.go(ms);
        self.counter = self.setup.clock.begin();
        self.device = P::start(&self.outside, self.spare.take(self.setup.places), self.setup, self.counter);
    }

    fn calendar_set(&mut self) {
        self.outside.calendar.change(|face| face.stamp.setting += 1);
    }

    fn calendar_back(&mut self, ms: u64) {
        self.outside.calendar.change(|face| face.stamp.ms -= ms);
    }

    fn calendar_switch(&mut self) {
        self.outside.calendar.change(|face| face.readable = !face.readable);
    }

    fn message(&mut self, room: usize, creation: bool, used: Use) -> Answer {
        let bench = Rc::clone(&self.bench);
        let create = || if creation { Ok(CountingSession::new(&bench)) } else { Err(()) };
        let made = bench.made.get();
        let moment = self.at(true).expect("a clock that can be read");
        let came = match moment.decide(room_id(room), create) {
            Ok(pawl_core::Decision::Plaintext(_)) => Came::To(Answer::Decided(Decision::Plaintext)),
            Ok(pawl_core::Decision::Blocked(reason)) => {
                Came::To(Answer::Decided(Decision::Blocked(from_block_reason(reason))))
            }
            Ok(pawl_core::Decision::Share(request)) => Came::ToShare(request),
            Ok(pawl_core::Decision::Encrypt(_)) if used == Use::Drop => Came::ToPermit,
            Ok(pawl_core::Decision::Encrypt(permit)) => {
                Came::To(Answer::Used(Self::use_permit(permit, &bench, used)))
            }
            Err(DecideError::Session(())) => Came::To(Answer::Decided(Decision::NoNewSession)),
            Err(error) => panic!("{error:?}"),
        };
        let is_new = bench.made.get() != made;
        match came {
            Came::ToShare(request) => {
                assert_eq!(is_new, request.started.is_some(), "a session was made without saying so");
                self.requests[room].0 = Some(request);
                // The session that was just made has the latest number; whose key the request gives, `seen` looks at.
                let session = if is_new { bench.made.get() } else { self.current_session(room) };
                Answer::Decided(Decision::Share(session, request.started.map(from_rotation_reason)))
            }
            _ if is_new => panic!("a session was made without need"),
            Came::To(answer) => answer,
            Came::ToPermit => Answer::Decided(Decision::Permit(self.current_session(room))),
        }
    }

    fn unreadable(&mut self, _room: usize) -> Answer {
        match self.at(false) {
            Err(TimeError::Clock(ClockError::Unreadable)) => Answer::NoTime,
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("a clock was read that cannot be"),
        }
    }

    fn ask_current(&mut self, room: usize) -> bool {
        let request = self.device.share_current(room_id(room));
        self.requests[room].0 = request;
        request.is_some()
    }

    fn confirm_latest(&mut self, room: usize) -> Answer {
        self.confirm(self.requests[room].0)
    }

    fn keep_latest(&mut self, room: usize) {
        self.requests[room].1 = self.requests[room].0;
    }

    fn confirm_kept(&mut self, room: usize) -> Answer {
        self.confirm(self.requests[room].1)
    }

    fn standing(&self, room: usize) -> Standing {
        Standing {
            known: self.device.is_known_encrypted(room_id(room)),
            in_force: self.device.settings(room_id(room)).map(from_settings),
        }
    }

    fn seen(&self, room: usize) -> Seen {
        let current = self.device.share_current(room_id(room));
        Seen {
            standing: self.standing(room),
            current: current.map(|request| self.room_key(room, &request).expect("the session there is")),
            kept: self.requests[room].1.map(|request| self.room_key(room, &request)),
            live_sessions: self.bench.live.get(),
        }
    }
}

fn from_settings(settings: pawl_core::settings::Settings) -> Settings {
    Settings {
        messages: settings.rotation_period_msgs.into(),
        period_ms: settings.rotation_period_ms,
        state_events: settings.encrypt_state_events,
    }
}

fn from_effect(effect: pawl_core::Effect) -> Effect {
    match effect {
        pawl_core::Effect::Enabled => Effect::Enabled,
        pawl_core::Effect::Blocked => Effect::Blocked,
        pawl_core::Effect::Rejected => Effect::Rejected,
        pawl_core::Effect::Tightened => Effect::Tightened,
        pawl_core::Effect::Loosened => Effect::Loosened,
        pawl_core::Effect::Changed => Effect::Changed,
        pawl_core::Effect::Unchanged => Effect::Unchanged,
    }
}

fn from_noted(noted: pawl_core::Noted) -> Noted {
    match noted {
        pawl_core::Noted::NotTracked => Noted::NotTracked,
        pawl_core::Noted::NoEffect => Noted::NoEffect,
        pawl_core::Noted::EndsSession => Noted::EndsSession,
    }
}

fn from_block_reason(reason: BlockReason) -> Block {
    match reason {
        BlockReason::StateUnknown => Block::StateUnknown,
        BlockReason::Capacity => Block::Capacity,
        BlockReason::StoreDamaged => panic!("nothing was damaged"),
        BlockReason::UnsupportedAlgorithm => Block::UnsupportedAlgorithm,
        BlockReason::MalformedSettings => Block::MalformedSettings,
        BlockReason::PlaintextForbidden => Block::PlaintextForbidden,
    }
}

fn from_rotation_reason(reason: RotationReason) -> Reason {
    match reason {
        RotationReason::NoSession => Reason::NoSession,
        RotationReason::Requested => Reason::Requested,
        RotationReason::Departure => Reason::Departure,
        RotationReason::DeviceRemoved => Reason::DeviceRemoved,
        RotationReason::HistoryVisibility => Reason::HistoryVisibility,
        RotationReason::AgeUnknown => Reason::AgeUnknown,
        RotationReason::Messages => Reason::Messages,
        RotationReason::Age => Reason::Age,
    }
}
