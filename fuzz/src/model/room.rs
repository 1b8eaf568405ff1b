//! A room of the [model](super), as the list of what it was told.

use super::time::{Age, Moment, Stamp, Time};
use super::{Block, Content, Effect, Policy, Reason, Settings, With};

/// Something a room was told about its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Content(Content),
    /// S5.
    Reset,
}

/// An encrypted room: that there is one is the latch (S1).
#[derive(Clone, Debug, Default)]
pub struct Room {
    told: Vec<Told>,
    /// Every history visibility it was told, as whether it lets newcomers have keys (E3).
    visibilities: Vec<bool>,
    /// Its outbound session.
    pub session: Option<Session>,
}

impl Room {
    /// An `m.room.encryption` event.
    pub(super) fn tell(&mut self, content: Content, policy: Policy) -> Effect {
        let before = self.in_force(policy).ok();
        let is_first = before.is_none() || self.is_reset();
        self.told.push(Told::Content(content));
        let after = self.in_force(policy).ok();
        let (Some(before), Some(after)) = (before, after) else {
            return if after.is_some() { Effect::Enabled } else { Effect::Blocked };
        };
        let Content::Usable(new) = content else {
            return Effect::Rejected; // S4
        };
        if is_first {
            return Effect::Enabled; // S5
        }
        let numbers = |settings: Settings| [settings.messages, settings.period_ms];
        if policy == Policy::Freeze && numbers(new) != numbers(before) {
            return Effect::Rejected;
        }
        let pairs = || numbers(before).into_iter().zip(numbers(after));
        match (pairs().any(|(before, after)| after < before), pairs().any(|(before, after)| after > before)) {
            (false, false) => Effect::Unchanged,
            (true, false) => Effect::Tightened,
            (false, true) => Effect::Loosened,
            (true, true) => Effect::Changed,
        }
    }

    /// S5.
    pub(super) fn reset(&mut self) {
        self.told.push(Told::Reset);
    }

    /// Whether the next usable content will be taken as the first one was: one was reset since the last (S5).
    pub(super) fn is_reset(&self) -> bool {
        let since =
            self.told.iter().rev().take_while(|told| !matches!(told, Told::Content(Content::Usable(_))));
        since.into_iter().any(|told| *told == Told::Reset)
    }

    /// The usable contents that count: all of them, or those after the last reset that any came after.
    fn usable(&self) -> impl Iterator<Item = Settings> + Clone {
        let is_usable = |told: &Told| matches!(told, Told::Content(Content::Usable(_)));
        let last = self.told.iter().rposition(is_usable).map_or(0, |at| at + 1);
        let begin = self.told[..last].iter().rposition(|told| *told == Told::Reset).unwrap_or(0);
        self.told[begin..last].iter().filter_map(|told| match told {
            Told::Content(Content::Usable(settings)) => Some(*settings),
            _ => None,
        })
    }

    /// S2–S5. Without any settings, why not.
    pub(super) fn in_force(&self, policy: Policy) -> Result<Settings, Block> {
        let all = self.usable();
        let (Some(first), Some(last)) = (all.clone().next(), all.clone().last()) else {
            let latest = self.told.iter().rev().find(|told| **told != Told::Reset);
            return Err(match latest {
                Some(Told::Content(Content::Unsupported)) => Block::UnsupportedAlgorithm,
                _ => Block::MalformedSettings,
            });
        };
        let state_events = all.clone().any(|settings| settings.state_events);
        Ok(match policy {
            Policy::Freeze => first,
            Policy::Follow => Settings { state_events, ..last },
            Policy::Ratchet => Settings {
                messages: all.clone().map(|settings| settings.messages).min().unwrap_or_default(),
                period_ms: all.map(|settings| settings.period_ms).min().unwrap_or_default(),
                state_events,
            },
        })
    }

    /// Whether newcomers may have keys: as it was told last, and as `joined` if never (E3).
    pub(super) fn shares_history(&self) -> bool {
        self.visibilities.last().is_some_and(|shares| *shares)
    }

    /// E3. Whether it ends a session.
    pub(super) fn visibility(&mut self, value: &str) -> bool {
        let before = self.shares_history();
        self.visibilities.push(["shared", "world_readable"].contains(&value));
        before != self.shares_history() && self.happened(Reason::HistoryVisibility)
    }

    /// Something that ends a session happened. Whether there is one to end (T10).
    pub(super) fn happened(&mut self, reason: Reason) -> bool {
        self.session.iter_mut().for_each(|session| session.happened.push(reason));
        self.session.is_some()
    }

    /// T10.
    pub(super) fn begin_session(&mut self, id: u64, time: &Time, stamp: Option<Stamp>) {
        self.session = Some(Session {
            id,
            made: (Age::ZERO, time.now()),
            stamp,
            stored: None,
            shares_history: self.shares_history(),
            shares: Vec::new(),
            happened: Vec::new(),
            uses: Vec::new(),
        });
    }

    /// Every reason that holds, first things first (T3, T4).
    pub(super) fn reasons(&self, settings: Settings, time: &Time) -> Vec<Reason> {
        let Some(session) = &self.session else {
            return vec![Reason::NoSession];
        };
        let mut reasons = session.happened.clone();
        if session.uses() >= settings.messages {
            reasons.push(Reason::Messages); // T5
        }
        if time.age(session.made).reaches(settings.period_ms, time.clock()) {
            reasons.push(Reason::Age); // T6
        }
        reasons.sort();
        reasons
    }
}

/// A session as it is stored (B2, B3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stored {
    /// The count that it will have.
    pub mark: u64,
    /// The index that it will have.
    pub index: u64,
    /// Its age when it was stored.
    pub age: Age,
}

/// An outbound session, as the record of what happened to it.
#[derive(Clone, Debug)]
pub struct Session {
    /// No other session of the device has this number.
    pub id: u64,
    /// How old it was when: 0 when it was made, or its age at the last restart.
    pub made: (Age, Moment),
    /// What the calendar showed when it was made (B3).
    pub stamp: Option<Stamp>,
    /// As it is stored.
    pub stored: Option<Stored>,
    /// `shared_history` as it was when it was made (T10).
    pub shares_history: bool,
    /// With whom it was shared so far.
    shares: Vec<With>,
    /// What happened since it was made that ends it.
    pub happened: Vec<Reason>,
    /// The permits that were used: the index the message had, and whether the session moved on from it.
    uses: Vec<(u64, bool)>,
}

impl Session {
    /// T5: how many messages count.
    #[must_use]
    pub fn uses(&self) -> u64 {
        self.uses.len() as u64
    }

    /// The index of its next message.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.uses.last().map_or(0, |(index, moved)| index + u64::from(*moved))
    }

    /// T8. A newcomer has it, and nobody else does, if it was only shared so (E5).
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.shares.contains(&With::Everybody)
    }

    pub(super) fn shared(&mut self, with: With) {
        self.shares.push(with);
    }

    pub(super) fn used(&mut self, moved: bool) -> u64 {
        let index = self.index();
        self.uses.push((index, moved));
        index
    }

    /// B2: no permit is given for it any more before it is stored further ahead.
    pub(super) fn is_at_mark(&self) -> bool {
        self.stored.is_some_and(|stored| self.uses() >= stored.mark)
    }

    /// B2: it is stored ahead.
    pub(super) fn store_ahead(&mut self, ahead: u64, limit: u64, age: Age) {
        let further = ahead.min(1.max(limit / 4));
        let mark = (self.uses() + further).min(limit);
        self.stored = Some(Stored { mark, index: mark, age });
    }

    /// B2: it is stored as it is. A message that was counted without an index has none.
    pub(super) fn store_exactly(&mut self, age: Age) {
        self.stored = Some(Stored { mark: self.uses(), index: self.index(), age });
    }

    /// B3, B4: what comes back of it.
    pub(super) fn after_restart(mut self, calendar: Option<Stamp>, time: &Time) -> Option<Self> {
        let (stored, made, now) = (self.stored?, self.stamp?, calendar?);
        let by_calendar = now.since(made).and_then(|ms| u128::try_from(ms).ok());
        if by_calendar.is_none() {
            self.happened.push(Reason::AgeUnknown);
        }
        let by_calendar = Age::of_ms(by_calendar.unwrap_or_default(), time.clock());
        self.made = (stored.age.max(by_calendar), time.now());
        let Stored { mark, index, .. } = stored;
        self.uses = (0..mark).map(|use_| (use_.min(index), use_ < index)).collect();
        Some(self)
    }
}
