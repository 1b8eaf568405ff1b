//! What is checked of each message.

use super::room::{InForce, Room, Session};
use super::settings::Settings;
use super::{Observer, RoomNumber, ViolationKind};

impl Observer {
    pub(super) fn plaintext_message(&mut self, at_ms: u64, room: &str, event_type: &str) {
        let number = self.number_of(room);
        if !self.rooms[number.place()].encrypted {
            return self.plaintext_without_encryption(at_ms, number);
        }
        self.report(ViolationKind::PlaintextAfterEncryption, at_ms, number, || {
            format!("{event_type:?} was sent in plaintext")
        });
        self.check_not_blocked(at_ms, number, "a plaintext message");
    }

    /// K1, K6.
    fn plaintext_without_encryption(&mut self, at_ms: u64, room: RoomNumber) {
        if !self.plaintext {
            self.report(ViolationKind::SentWhileBlocked, at_ms, room, || {
                "plaintext was sent by a device that is never to send any".to_owned()
            });
        } else if !self.knowledge.is_complete() {
            self.report(ViolationKind::SentWhileBlocked, at_ms, room, || {
                "plaintext was sent in a room of which nothing is known".to_owned()
            });
        } else {
            self.rooms[room.place()].plaintext_messages += 1;
        }
    }

    pub(super) fn not_megolm(&mut self, at_ms: u64, room: RoomNumber, why: String) {
        self.rooms[room.place()].messages += 1;
        self.check_not_blocked(at_ms, room, "an encrypted message");
        self.report(ViolationKind::NotMegolm, at_ms, room, || why);
    }

    pub(super) fn session_id_too_long(&mut self, at_ms: u64, room: RoomNumber) {
        self.report(ViolationKind::NotMegolm, at_ms, room, || {
            "the session ID is none of Megolm's".to_owned()
        });
    }

    /// In a room that never was encrypted there are no settings to encrypt by either.
    pub(super) fn check_not_blocked(&mut self, at_ms: u64, room: RoomNumber, what: &str) {
        let here = &self.rooms[room.place()];
        if here.settings.is_none() && here.otherwise.iter().all(|other| other.settings.is_none()) {
            self.report(ViolationKind::SentWhileBlocked, at_ms, room, || {
                format!("{what} was sent with no usable settings in force")
            });
        }
    }

    pub(super) fn check_session_room(&mut self, at_ms: u64, room: RoomNumber, home: RoomNumber) {
        if home != room {
            let home = self.rooms[home.place()].id.clone();
            self.report(ViolationKind::RatchetIndexReused, at_ms, room, || {
                format!("the session is that of room {home}")
            });
        }
    }

    pub(super) fn check_index(&mut self, at_ms: u64, room: RoomNumber, session: &Session, index: u32) {
        if let Some(last) = session.last_index.filter(|&last| index <= last) {
            self.report(ViolationKind::RatchetIndexReused, at_ms, room, || {
                format!("index {index} was sent after index {last} of the same session")
            });
        }
    }

    pub(super) fn check_rotation_events(
        &mut self,
        at_ms: u64,
        room: RoomNumber,
        home: RoomNumber,
        session: &Session,
    ) {
        let Room { rotation_events: now, last_rotation_event, .. } = self.rooms[home.place()];
        if let Some((since_ms, why)) = last_rotation_event.filter(|_| session.rotation_events < now) {
            self.report(ViolationKind::SessionSurvivedRotationEvent, at_ms, room, || {
                format!("the session is older than the last reason to replace it: {why} at {since_ms} ms")
            });
        }
    }

    /// By the limits in force now, whatever they were when the session was made.
    pub(super) fn check_limits(&mut self, at_ms: u64, room: RoomNumber, session: &Session) {
        let Some(settings) = self.rooms[room.place()].settings else {
            return;
        };
        let messages = session.messages;
        if messages >= settings.messages && !self.otherwise_within(room, |limits| messages < limits.messages)
        {
            self.report(ViolationKind::SessionOverMessageLimit, at_ms, room, || {
                format!("the session already carried {messages} of {} messages", settings.messages)
            });
        }
        let age_ms = session.age_ms(at_ms);
        if age_ms >= settings.period_ms && self.knowable_age_ms(at_ms, session) >= settings.period_ms {
            let knowable_ms = self.knowable_age_ms(at_ms, session);
            if self.otherwise_within(room, |limits| knowable_ms < limits.period_ms) {
                return;
            }
            self.report(ViolationKind::SessionOverAgeLimit, at_ms, room, || {
                format!("the session is {age_ms} ms old, of {} ms", settings.period_ms)
            });
        }
    }

    /// Whether other settings that may be in force are kept to.
    #[cold]
    fn otherwise_within(&self, room: RoomNumber, within: impl Fn(Settings) -> bool) -> bool {
        self.rooms[room.place()].otherwise.iter().filter_map(|other| other.settings).any(within)
    }

    /// T4: what the room's newest session was replaced for. Allowed for is what the observer cannot know: how many messages
    /// more than there were the device counts after a power cut (B2), and how old it takes a session to be whose counter has
    /// jumped ahead.
    pub(super) fn check_replacement(&mut self, at_ms: u64, room: RoomNumber) {
        let here = &self.rooms[room.place()];
        let (Some(before), Some(settings)) = (here.latest, here.settings) else {
            return; // T3; without settings its first message is a violation
        };
        let caused = before.causes < here.causes + self.causes;
        let lost = !before.share_succeeded && before.restarts_at_birth < self.restarts; // B4
        let carried = before.last_index.map_or(0, |last| u64::from(last) + 1).max(before.messages);
        let restarts = u64::from(self.restarts - before.restarts);
        let counted = carried.saturating_add(restarts.saturating_mul(self.reserve.into()));
        let age_ms = before.age_ms(at_ms);
        let ahead_ms = self.counter.ahead_ms() - before.ahead_at_birth_ms;
        let taken_to_be_ms = age_ms.saturating_add(ahead_ms).saturating_add(self.counter.precision_ms());
        let due = |in_force: InForce| {
            in_force
                .settings
                .is_none_or(|limits| counted >= limits.messages || taken_to_be_ms >= limits.period_ms)
        };
        if caused || lost || here.may_be_in_force().any(due) {
            return;
        }
        self.report(ViolationKind::ReplacedWithoutCause, at_ms, room, || {
            format!(
                "a session was replaced that had carried {carried} of {} messages and was {age_ms} ms old, of {} ms",
                settings.messages, settings.period_ms
            )
        });
    }

    /// T10, E3.
    pub(super) fn check_shared_history(&mut self, at_ms: u64, home: RoomNumber, says: bool) {
        let made_with = self.rooms[home.place()].latest.and_then(|session| session.shares_history);
        if let Some(made_with) = made_with.filter(|made_with| *made_with != says) {
            self.report(ViolationKind::WrongSharedHistory, at_ms, home, || {
                format!("the room key says {says} of a session that was made when it was {made_with}")
            });
        }
    }

    /// T8, where there are no receiving devices to see it.
    pub(super) fn check_shared(&mut self, at_ms: u64, room: RoomNumber, home: RoomNumber) {
        if self.rooms[home.place()].latest.is_none_or(|session| !session.shared) {
            self.report(ViolationKind::Undecryptable, at_ms, room, || {
                "the key of the session was never shared".to_owned()
            });
        }
    }
}
