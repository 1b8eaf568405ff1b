//! What happened to one room.

use std::collections::BTreeMap;

use super::Bounded;
use crate::observer::{SessionSummary, Settings};

/// How many entries are kept from the beginning, and how many from the end.
const ENTRIES: usize = 400;

/// The same for sessions, and for changes of the limit.
const SPANS: usize = 1_000;

/// How many characters of an event's content are kept.
const CONTENT_KEPT: usize = 200;

/// One room's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomLife {
    /// The room's ID.
    pub room: String,
    /// What happened.
    pub entries: Bounded<Entry, ENTRIES>,
    /// The entries that were left out, by kind.
    pub left_out: BTreeMap<&'static str, u64>,
    /// Its sessions.
    pub sessions: Bounded<SessionSpan, SPANS>,
    /// The limits in force.
    pub limits: Bounded<LimitStep, SPANS>,
}

/// Something that happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When, in milliseconds of true time.
    pub at_ms: u64,
    /// What.
    pub what: What,
}

/// What happens to a room.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of an entry are what the kiosk was told, or did")]
pub enum What {
    /// The kiosk was told of an `m.room.encryption` event, with the settings that the observer takes to be in force after it.
    Encryption { content: String, cut: bool, again: bool, in_force: Option<Settings> },
    /// … of an `m.room.history_visibility` event.
    HistoryVisibility { value: String, again: bool },
    /// … that somebody left.
    Leave { again: bool },
    /// … that somebody joined.
    Join { again: bool },
    /// … of another membership event: what somebody is now, and what they were, if that is known.
    Member { membership: String, previous: Option<String>, limited: bool, again: bool },
    /// … that a device was removed.
    DeviceRemoved { again: bool },
    /// The owner asked for a new session.
    RequestRotation { again: bool },
    /// … reset the room's settings.
    ResetSettings { again: bool },
    /// The kiosk left the room and forgot it.
    Forget,
    /// A session was made, and its key began to be shared. `before` is what the one before it carried.
    Rotation { reason: &'static str, before: Option<SessionSummary> },
    /// A session's key began to be shared once more.
    ShareBegins,
    /// The key has reached everybody.
    ShareSucceeds { took_ms: u64 },
    /// It has not.
    ShareFails { took_ms: u64 },
    /// The power went off, or the kiosk fell asleep, in the midst of it.
    ShareLost,
    /// Somebody who came later was given the session from its current index on.
    KeyForNewcomer,
    /// Messages did not go out, one after the other.
    NotSent { reason: &'static str, count: u64, until_ms: u64 },
    /// Messages went out as plaintext, one after the other, as the room was not encrypted.
    Plaintext { count: u64, until_ms: u64 },
    /// The kiosk's power went off.
    Off { kind: &'static str },
    /// It is on again.
    On,
    /// The kiosk fell asleep.
    Asleep,
    /// It woke up. `known` is whether it knows for how long it slept.
    Awake { known: bool },
}

impl What {
    /// A state event, whose content is cut short where it is long.
    pub(crate) fn encryption(content: &str, again: bool, in_force: Option<Settings>) -> Self {
        let end = content.char_indices().nth(CONTENT_KEPT).map(|(end, _)| end);
        let kept = end.map_or(content, |end| &content[..end]);
        What::Encryption { content: kept.to_owned(), cut: end.is_some(), again, in_force }
    }

    /// What it is called where entries of a kind are counted.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            What::Encryption { .. } => "encryption events",
            What::HistoryVisibility { .. } => "history visibility events",
            What::Leave { .. } => "departures",
            What::Join { .. } => "arrivals",
            What::Member { .. } => "membership events",
            What::DeviceRemoved { .. } => "devices removed",
            What::RequestRotation { .. } => "requests of the owner",
            What::ResetSettings { .. } => "resets of the settings",
            What::Forget => "times that the kiosk left",
            What::Rotation { .. } => "new sessions",
            What::ShareBegins => "repeated shares",
            What::ShareSucceeds { .. } => "shares that succeeded",
            What::ShareFails { .. } => "shares that failed",
            What::ShareLost => "shares that were lost",
            What::KeyForNewcomer => "keys for newcomers",
            What::NotSent { .. } => "times that messages did not go out",
            What::Plaintext { .. } => "times that plaintext went out",
            What::Off { .. } => "losses of power",
            What::On => "starts",
            What::Asleep => "times that it fell asleep",
            What::Awake { .. } => "times that it woke up",
        }
    }
}

/// A session of the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSpan {
    /// When it was made.
    pub from_ms: u64,
    /// When the next one was, or the run ended.
    pub until_ms: u64,
    /// Why it was made.
    pub reason: &'static str,
    /// How many messages it carried.
    pub messages: u64,
}

/// A change of the limits in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitStep {
    /// When.
    pub at_ms: u64,
    /// What is in force from then on.
    pub settings: Option<Settings>,
}

impl RoomLife {
    pub(crate) fn new(room: &str) -> Self {
        RoomLife {
            room: room.to_owned(),
            entries: Bounded::new(),
            left_out: BTreeMap::new(),
            sessions: Bounded::new(),
            limits: Bounded::new(),
        }
    }

    /// Something happens.
    pub(crate) fn add(&mut self, at_ms: u64, what: What) {
        match &what {
            What::Encryption { in_force, .. } => self.limits_are(at_ms, *in_force),
            What::NotSent { .. } | What::Plaintext { .. } if self.goes_on(at_ms, &what) => return,
            _ => {}
        }
        if let Some(left_out) = self.entries.push(Entry { at_ms, what }) {
            *self.left_out.entry(left_out.what.kind()).or_default() += 1;
        }
    }

    /// A session is made. `latest` is the last that was heard of a session in this room.
    pub(crate) fn new_session(&mut self, at_ms: u64, reason: &'static str, latest: Option<SessionSummary>) {
        let before = self.session_ends(at_ms, latest);
        self.sessions.push(SessionSpan { from_ms: at_ms, until_ms: at_ms, reason, messages: 0 });
        self.add(at_ms, What::Rotation { reason, before });
    }

    /// The run is over.
    pub(crate) fn ends(&mut self, at_ms: u64, latest: Option<SessionSummary>) {
        self.session_ends(at_ms, latest);
    }

    /// What the room's newest session carried, which is nothing if nothing was heard of it.
    fn session_ends(&mut self, at_ms: u64, latest: Option<SessionSummary>) -> Option<SessionSummary> {
        let newest = self.sessions.newest_mut()?;
        newest.until_ms = at_ms;
        let carried = latest.filter(|session| session.born_ms >= newest.from_ms && session.messages > 0);
        newest.messages = carried.map_or(0, |session| session.messages);
        carried
    }

    fn limits_are(&mut self, at_ms: u64, settings: Option<Settings>) {
        if self.limits.newest_mut().is_none_or(|newest| newest.settings != settings) {
            self.limits.push(LimitStep { at_ms, settings });
        }
    }

    /// Whether that was one more of what the newest entry is about.
    fn goes_on(&mut self, at_ms: u64, what: &What) -> bool {
        match (self.entries.newest_mut().map(|entry| &mut entry.what), what) {
            (Some(What::NotSent { reason, count, until_ms }), What::NotSent { reason: now, .. })
                if reason == now =>
            {
                (*count, *until_ms) = (*count + 1, at_ms);
            }
            (Some(What::Plaintext { count, until_ms }), What::Plaintext { .. }) => {
                (*count, *until_ms) = (*count + 1, at_ms);
            }
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_of_a_long_life_is_counted_by_kind() {
        let mut life = RoomLife::new("!a:example.org");
        for minute in 0..1_000 {
            life.add(minute, What::Join { again: false });
            life.add(minute, What::Leave { again: false });
        }
        assert_eq!(life.entries.kept().count(), 800);
        assert_eq!(life.left_out, BTreeMap::from([("arrivals", 600), ("departures", 600)]));
        assert_eq!(life.entries.left_out(), 1_200);
    }

    #[test]
    fn messages_that_do_not_go_out_one_after_the_other_are_one_entry() {
        let mut life = RoomLife::new("!a:example.org");
        let not_sent = |reason, until_ms| What::NotSent { reason, count: 1, until_ms };
        for (at_ms, reason) in [(5, "capacity"), (7, "capacity"), (9, "state_unknown")] {
            life.add(at_ms, not_sent(reason, at_ms));
        }
        let kept: Vec<_> = life.entries.kept().map(|entry| entry.what.clone()).collect();
        let together = What::NotSent { reason: "capacity", count: 2, until_ms: 7 };
        assert_eq!(kept, [together, not_sent("state_unknown", 9)]);
    }

    #[test]
    fn a_session_that_carried_nothing_is_not_given_the_messages_of_the_one_before_it() {
        let mut life = RoomLife::new("!a:example.org");
        let heard_of = SessionSummary { born_ms: 12, messages: 30, age_ms: 50 };
        life.new_session(10, "no_session", None);
        life.new_session(100, "departure", Some(heard_of));
        life.new_session(110, "departure", Some(heard_of));
        life.ends(120, Some(SessionSummary { born_ms: 111, messages: 4, age_ms: 5 }));
        let spans: Vec<_> =
            life.sessions.kept().map(|span| (span.from_ms, span.until_ms, span.messages)).collect();
        assert_eq!(spans, [(10, 100, 30), (100, 110, 0), (110, 120, 4)]);
    }

    #[test]
    fn a_long_content_is_cut_between_characters() {
        let what = What::encryption(&"é".repeat(300), false, None);
        assert!(
            matches!(what, What::Encryption { content, cut: true, .. } if content.chars().count() == 200)
        );
    }
}
