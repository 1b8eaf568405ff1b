//! The [model](crate::model) in [lockstep](super).

use super::{
    Answer, Broken, Content, Observed, Off, Operation, ROOMS, RoomKey, STARTS, Seen, Setup, Side, Standing,
    Use, observe,
};
use crate::model::{Before, Decision, Device, Gist, Noted, ResyncFault, With};

/// A request to share: the session, and with whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Request {
    session: u64,
    with: With,
}

/// The model, with the requests to share that an application would hold.
#[derive(Clone, Debug)]
pub struct ModelSide {
    setup: Setup,
    device: Device,
    /// Of each room, the latest request, and the one that was set aside.
    requests: Vec<(Option<Request>, Option<Request>)>,
    starts: usize,
}

impl ModelSide {
    /// A first start.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let device = Device::new(setup.choices());
        ModelSide { setup, device, requests: vec![(None, None); setup.rooms], starts: 1 }
    }

    /// Whether the device may start again, of all [`STARTS`].
    #[must_use]
    pub fn may_restart(&self) -> bool {
        self.starts < STARTS
    }

    /// Goes one step.
    pub fn step(&mut self, operation: Operation) -> Observed {
        let setup = self.setup;
        observe(self, operation, &setup)
    }

    /// What its future depends on: its own gist, and of each room the request that is kept, as with whom it is to share
    /// the session there is. One that is no longer good is as good as any other such.
    #[must_use]
    pub fn gist(&self) -> (Gist, Vec<Option<Option<With>>>) {
        let kept = self.requests.iter().enumerate().map(|(room, (_, kept))| {
            let current = self.device.session(ROOMS[room]).map(|session| session.id);
            kept.map(|kept| Some(kept.with).filter(|_| current == Some(kept.session)))
        });
        (self.device.gist(self.setup.most()), kept.collect())
    }

    /// After how many more [steps](super::ClockKind::step) the room's session is too old, if it has one and is not.
    #[must_use]
    pub fn steps_until_too_old(&self, room: usize) -> Option<u64> {
        let ticks = self.device.ticks_until_too_old(ROOMS[room])?;
        u64::try_from(ticks.div_ceil(self.setup.clock.step().into())).ok()
    }

    /// The setup.
    #[must_use]
    pub fn setup(&self) -> Setup {
        self.setup
    }

    fn confirm(&mut self, room: usize, request: Option<Request>) -> Answer {
        match request {
            None => Answer::NothingKept,
            Some(Request { session, with }) => {
                Answer::Confirmed(self.device.shared(ROOMS[room], session, with))
            }
        }
    }

    fn room_key(&self, room: usize) -> Option<RoomKey> {
        let session = self.device.session(ROOMS[room])?;
        Some(RoomKey { session: session.id, index: session.index(), shares_history: session.shares_history })
    }
}

impl Side for ModelSide {
    fn encryption(&mut self, room: usize, content: Content) -> Answer {
        let content = content.read(&self.setup);
        match self.device.encryption_event(ROOMS[room], content) {
            Some((effect, in_force)) => Answer::Taken(content, effect, in_force),
            None => Answer::TableFull,
        }
    }

    fn member(&mut self, room: usize, before: Before, new: &str, limited: bool) -> Noted {
        self.device.member_event(ROOMS[room], before, new, limited)
    }

    fn visibility(&mut self, room: usize, value: &str) -> Noted {
        self.device.history_visibility_event(ROOMS[room], value)
    }

    fn device_removed(&mut self, room: usize) -> Noted {
        self.device.device_removed(ROOMS[room])
    }

    fn request_rotation(&mut self, room: usize) -> Noted {
        self.device.request_rotation(ROOMS[room])
    }

    fn reset_settings(&mut self, room: usize) -> bool {
        self.device.reset_settings(ROOMS[room])
    }

    fn forget(&mut self, room: usize) -> bool {
        self.device.forget(ROOMS[room])
    }

    fn begin_resync(&mut self) {
        self.device.begin_resync();
    }

    fn end_resync(&mut self) -> Result<(), ResyncFault> {
        self.device.end_resync()
    }

    fn pass_ticks(&mut self, ticks: u64) {
        self.device.time().pass(ticks);
        self.device.calendar().pass(ticks);
    }

    fn set_back_ticks(&mut self, ticks: u64) {
        self.device.time().set_back(ticks);
    }

    fn read_clock(&mut self) {
        self.device.read_clock();
    }

    fn slept(&mut self, ms: Option<u64>) {
        match ms {
            Some(ms) => {
                self.device.time().slept(ms);
                self.device.calendar().go(ms.into());
            }
            None => self.device.slept_unknown(),
        }
    }

    fn restart(&mut self, off: Off, ms: u64) {
        self.starts += 1;
        self.requests = vec![(None, None); self.setup.rooms];
        self.device.calendar().go(ms.into());
        self.device.restart(off == Off::Announced);
    }

    fn calendar_set(&mut self) {
        self.device.calendar().set();
    }

    fn calendar_back(&mut self, ms: u64) {
        self.device.calendar().go(-i128::from(ms));
    }

    fn calendar_switch(&mut self) {
        self.device.calendar().switch();
    }

    fn message(&mut self, room: usize, creation: bool, used: Use) -> Answer {
        let decision = self.device.decide(ROOMS[room], creation);
        let session = match decision {
            Decision::Permit(session) => session,
            Decision::Share(session, _) => {
                self.requests[room].0 = Some(Request { session, with: With::Everybody });
                return Answer::Decided(decision);
            }
            _ => return Answer::Decided(decision),
        };
        match used {
            Use::Drop => Answer::Decided(decision),
            Use::Encrypt => {
                let index = self.device.use_permit(ROOMS[room], true);
                Answer::Used(index.map(|index| (session, index)))
            }
            Use::Break(broken) => {
                self.device.use_permit(ROOMS[room], broken == Broken::Session);
                Answer::Used(None)
            }
        }
    }

    fn unreadable(&mut self, _room: usize) -> Answer {
        Answer::NoTime // C4: nothing is sent, nothing changes
    }

    fn ask_current(&mut self, room: usize) -> bool {
        let current = self.device.session(ROOMS[room]);
        self.requests[room].0 = current.map(|session| Request { session: session.id, with: With::Newcomer });
        self.requests[room].0.is_some()
    }

    fn confirm_latest(&mut self, room: usize) -> Answer {
        self.confirm(room, self.requests[room].0)
    }

    fn keep_latest(&mut self, room: usize) {
        self.requests[room].1 = self.requests[room].0;
    }

    fn confirm_kept(&mut self, room: usize) -> Answer {
        self.confirm(room, self.requests[room].1)
    }

    fn standing(&self, room: usize) -> Standing {
        Standing {
            known: self.device.is_known_encrypted(ROOMS[room]),
            in_force: self.device.settings(ROOMS[room]),
        }
    }

    fn seen(&self, room: usize) -> Seen {
        let current = self.room_key(room);
        let kept = self.requests[room].1;
        Seen {
            standing: self.standing(room),
            current,
            kept: kept.map(|kept| current.filter(|key| key.session == kept.session)),
            live_sessions: self.device.live_sessions(),
        }
    }
}
