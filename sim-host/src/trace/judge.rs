//! A trace before the observer, which shares no code with the core: it is told what the lines say, what the clock showed
//! and which sessions were made and used, and says whether that was right.
//!
//! It judges what goes out and what does not, and whether a session was replaced without a cause. It does not judge what the
//! core says of itself: reasons of a block or a new session, and effects of an event.

use serde_json::Value;

use pawl_core::clock::CounterWidth;
use pawl_core::settings::ChangePolicy as CorePolicy;

use super::line::{Config, Member, Operation, Sleep, Visibility};
use crate::observer::{ChangePolicy, Limits, Observer, Violation};
use crate::ratchet_index::{RatchetIndex, Use};

/// What the observer saw of a trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// The first 1,000 violations. The step of each is the number of the line at which it was seen.
    pub violations: Vec<Violation>,
    /// How many there were.
    pub violation_count: u64,
    /// True time that the clock hid without a trace, in milliseconds, and by which sessions may be older.
    pub unseen_ms: u64,
}

/// Tells the observer of a trace.
pub(super) struct Judge {
    observer: Observer,
    /// Whether sessions outlive a restart.
    rtc: bool,
}

impl Default for Judge {
    fn default() -> Self {
        Judge { observer: Observer::new(Limits::default()), rtc: false }
    }
}

impl Judge {
    pub(super) fn judgement(self) -> Judgement {
        Judgement {
            violations: self.observer.violations().to_vec(),
            violation_count: self.observer.violation_count(),
            unseen_ms: self.observer.unseen_ms(),
        }
    }

    pub(super) fn configure(&mut self, config: &Config) {
        let (messages, period_ms) = (config.core.limits.messages(), config.core.limits.period_ms());
        let limits = Limits { messages: (*messages.start()).into()..=(*messages.end()).into(), period_ms };
        let policy = match config.core.policy {
            CorePolicy::Ratchet => ChangePolicy::Ratchet,
            CorePolicy::Follow => ChangePolicy::Follow,
            CorePolicy::Freeze => ChangePolicy::Freeze,
        };
        let mut observer = Observer::new(limits)
            .with_policy(policy)
            .with_places(config.max_rooms)
            .with_reserve(config.reserve.get())
            .with_counter(config.width == CounterWidth::Bits32, config.hz);
        if !config.complete {
            observer = observer.on_a_first_start();
        }
        if !config.core.plaintext {
            observer = observer.without_plaintext();
        }
        (self.observer, self.rtc) = (observer, config.rtc);
    }

    // ---- what the device is told, and what befalls it ----

    pub(super) fn line(&mut self, number: u64) {
        self.observer.step(number);
    }

    pub(super) fn counter_read(&mut self, at: u64, ticks: u64) {
        self.observer.counter_read(at, ticks);
    }

    /// An operation is about to be carried out.
    pub(super) fn operation(&mut self, at: u64, operation: &Operation) {
        let observer = &mut self.observer;
        match operation {
            Operation::Encryption(event) => observer.encryption_event(event.room.as_str(), event.content()),
            Operation::Member(Member { room, membership, previous, limited }) => {
                observer.membership(at, room.as_str(), previous.as_deref(), membership, *limited);
            }
            Operation::Visibility(Visibility { room, value }) => {
                observer.history_visibility(at, room.as_str(), value);
            }
            Operation::DeviceRemoved(here) => {
                observer.must_rotate(at, here.room.as_str(), "a device was removed");
            }
            Operation::RequestRotation(here) => {
                observer.must_rotate(at, here.room.as_str(), "a new session was asked for");
            }
            Operation::ResetSettings(here) => observer.settings_reset(here.room.as_str()),
            Operation::Forget(here) => observer.forgotten(at, here.room.as_str()),
            Operation::ResyncBegin => observer.resync_begun(),
            Operation::ResyncEnd => observer.resync_ended(),
            Operation::Sleep(Sleep { ms, known: true }) => observer.slept(*ms),
            Operation::Sleep(Sleep { ms, known: false }) => observer.slept_unknown(at, *ms),
            // What is sent is seen when it is sent, and the rest when the clock is read or the device restarts.
            Operation::Send(_) | Operation::Tick | Operation::ClockBack(_) | Operation::Restart(_) => {}
        }
    }

    /// The device was off for a moment.
    pub(super) fn restarted(&mut self, at: u64) {
        self.observer.restarted();
        if !self.rtc {
            self.observer.time_lost(at, "no session outlives a restart"); // B3
        }
    }

    // ---- what it does ----

    pub(super) fn session_made(&mut self, at: u64, room: &str, number: u32) {
        self.observer.session_made(at, room, &RatchetIndex::numbered(number).session_id());
    }

    /// The key of a session goes out to everybody, as the content of an `m.room_key` event.
    pub(super) fn room_key(&mut self, at: u64, room: &str, content: &[u8]) {
        let content: Value = serde_json::from_slice(content).unwrap_or_default();
        if let Some(session_id) = content["session_id"].as_str() {
            let shared_history = content["shared_history"].as_bool().unwrap_or_default();
            self.observer.room_key_received(at, room, session_id, shared_history);
            self.observer.share_succeeded(at, room, session_id);
        }
    }

    /// A message cannot go out before a room key was shared.
    pub(super) fn asked_to_share(&mut self, at: u64, room: &str) {
        let room = self.observer.number_of(room);
        let _has_a_reason = self.observer.asked_to_share(at, room);
    }

    pub(super) fn plaintext(&mut self, at: u64, room: &str) {
        self.observer.message(at, room, "m.room.message", b"{}");
    }

    pub(super) fn blocked(&mut self, at: u64, room: &str) {
        self.observer.not_sent(at, room);
    }

    /// A message went out on the session that says so itself.
    pub(super) fn used(&mut self, at: u64, room: &str, used: Option<Use>) {
        if let Some(Use { session_id, message_index }) = used {
            let room = self.observer.number_of(room);
            self.observer.message_without_cryptography(at, room, &session_id, message_index);
        }
    }
}
