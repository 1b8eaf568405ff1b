//! How much of their limits sessions used, counted when nothing more can come of them.

use std::collections::HashMap;

use serde::Serialize;

use super::room::{Session, SessionId};
use super::settings::Settings;

/// How many equal parts of a limit are told apart.
pub(crate) const PARTS: usize = 20;

/// Sessions by how much of a limit they used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Used {
    /// How many sessions used so many twentieths of it: up to one, up to two, …
    pub twentieths: [u64; PARTS],
    /// How many used more than all of it.
    pub over: u64,
}

impl Used {
    fn count(&mut self, part: u64) {
        let place = usize::try_from(part).ok().and_then(|part| self.twentieths.get_mut(part));
        *place.unwrap_or(&mut self.over) += 1;
    }
}

/// All sessions that carried a message, each measured by the limits that were in force at its last one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LimitUse {
    /// By the messages that they carried. One with as many as the limit allows used all of it.
    pub messages: Used,
    /// By their age at their last message. One as old as the period is over it.
    pub age: Used,
}

/// What is known of sessions so far. Memory grows with the sessions that are kept, not with those that ever were.
#[derive(Default)]
pub(super) struct LimitUseSoFar {
    ended: LimitUse,
    /// The limits that changed after a session had carried so many messages. Where it carried none since, they still count.
    before_change: HashMap<SessionId, (u64, Settings)>,
}

impl LimitUseSoFar {
    /// The limits are about to be others than `settings`.
    pub(super) fn limits_change(&mut self, session: &Session, settings: Settings) {
        if self.before_change.get(&session.id).is_none_or(|(messages, _)| *messages < session.messages) {
            self.before_change.insert(session.id, (session.messages, settings));
        }
    }

    /// The session is not kept any more; `settings` are in force in its room.
    pub(super) fn ended(&mut self, session: &Session, settings: Option<Settings>) {
        let limits = self.limits_of(session, settings);
        self.before_change.remove(&session.id);
        self.ended.count(session, limits);
    }

    /// With those that are still kept, each with the settings in force in its room.
    pub(super) fn with_kept<'s>(
        &self,
        kept: impl Iterator<Item = (&'s Session, Option<Settings>)>,
    ) -> LimitUse {
        let mut all = self.ended.clone();
        for (session, settings) in kept {
            all.count(session, self.limits_of(session, settings));
        }
        all
    }

    fn limits_of(&self, session: &Session, settings: Option<Settings>) -> Option<Settings> {
        match self.before_change.get(&session.id) {
            Some((messages, before)) if *messages == session.messages => Some(*before),
            _ => settings,
        }
    }
}

impl LimitUse {
    fn count(&mut self, session: &Session, limits: Option<Settings>) {
        if let Some(limits) = limits.filter(|_| session.messages > 0) {
            let parts = PARTS as u64;
            self.messages.count((session.messages * parts - 1) / limits.messages);
            self.age.count(session.age_ms(session.last_ms) * parts / limits.period_ms);
        }
    }
}
