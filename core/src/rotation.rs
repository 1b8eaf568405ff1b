//! When an outbound session must be replaced (T4–T7).
//!
//! [`reason_to_rotate`] is a pure function of what a session has carried, the settings in force now, and now. It
//! keeps nothing and changes nothing: counting is done by the permit that uses the session
//! ([`Permit`](crate::Permit)).

use crate::clock::Now;
use crate::settings::Settings;

/// Why a new outbound session is started (T3, T4). The order is the order in which the reasons are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum RotationReason {
    /// The room has none (T3).
    NoSession,
    /// The application asked for it (E4).
    Requested,
    /// Somebody who had, or could ask for, the key is no longer in the room (E1).
    Departure,
    /// A device was deleted, blocked, or is no longer to be trusted with keys (E2).
    DeviceRemoved,
    /// The history visibility crossed between what newcomers may read and what they may not (E3).
    HistoryVisibility,
    /// The clock went back, or time passed that nobody counted (C3, C5).
    AgeUnknown,
    /// The session carried as many messages as the room allows (T5).
    Messages,
    /// The session is as old as the room allows (T6).
    Age,
}

impl RotationReason {
    /// All reasons, in their order.
    pub const ALL: [RotationReason; 8] = [
        RotationReason::NoSession,
        RotationReason::Requested,
        RotationReason::Departure,
        RotationReason::DeviceRemoved,
        RotationReason::HistoryVisibility,
        RotationReason::AgeUnknown,
        RotationReason::Messages,
        RotationReason::Age,
    ];

    /// A stable name for logs and files, such as `device_removed`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            RotationReason::NoSession => "no_session",
            RotationReason::Requested => "requested",
            RotationReason::Departure => "departure",
            RotationReason::DeviceRemoved => "device_removed",
            RotationReason::HistoryVisibility => "history_visibility",
            RotationReason::AgeUnknown => "age_unknown",
            RotationReason::Messages => "messages",
            RotationReason::Age => "age",
        }
    }
}

impl core::fmt::Display for RotationReason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            RotationReason::NoSession => "the room has no outbound session",
            RotationReason::Requested => "the application asked for a new session",
            RotationReason::Departure => "somebody left the room",
            RotationReason::DeviceRemoved => "a device was removed or is no longer trusted",
            RotationReason::HistoryVisibility => "who may read the room's history has changed",
            RotationReason::AgeUnknown => "the session's age is not known",
            RotationReason::Messages => "the session carried as many messages as the room allows",
            RotationReason::Age => "the session is as old as the room allows",
        })
    }
}

/// The events since a session was made that end it (E1–E4), as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PendingReasons(u8);

impl PendingReasons {
    /// No reason.
    pub const NONE: PendingReasons = PendingReasons(0);

    /// Those reasons that events give, first things first (T4).
    const FROM_EVENTS: [RotationReason; 4] = [
        RotationReason::Requested,
        RotationReason::Departure,
        RotationReason::DeviceRemoved,
        RotationReason::HistoryVisibility,
    ];

    /// The set with `reason` in it. The reasons that no event gives are worked out afresh for each message and
    /// never pending; they leave the set as it is.
    #[must_use]
    pub const fn with(self, reason: RotationReason) -> Self {
        match reason {
            RotationReason::Requested
            | RotationReason::Departure
            | RotationReason::DeviceRemoved
            | RotationReason::HistoryVisibility => PendingReasons(self.0 | 1 << reason as u8),
            _ => self,
        }
    }

    /// The set as bits, lowest first in the order of T4: how it is stored.
    pub(crate) const fn to_bits(self) -> u8 {
        self.0 >> RotationReason::Requested as u8
    }

    /// The set of which these are the bits; `None` for bits that no set has.
    pub(crate) const fn from_bits(bits: u8) -> Option<Self> {
        if bits < 1 << Self::FROM_EVENTS.len() {
            Some(PendingReasons(bits << RotationReason::Requested as u8))
        } else {
            None
        }
    }

    /// The first of them in T4's order.
    #[must_use]
    pub fn first(self) -> Option<RotationReason> {
        if self == Self::NONE {
            return None; // nearly always
        }
        Self::FROM_EVENTS.into_iter().find(|&reason| self.with(reason) == self)
    }
}

/// What a session has carried so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Usage {
    /// Messages that were counted, whether or not their encryption succeeded (T9).
    pub messages: u32,
    /// When it was made, in milliseconds of the timeline.
    pub created_ms: u64,
    /// The epoch of the timeline in which it was made; in any other its age is unknown (C3).
    pub epoch: u32,
    /// What has happened since.
    pub pending: PendingReasons,
}

impl Usage {
    /// A session made now (T10).
    #[must_use]
    pub const fn begin(now: Now) -> Self {
        Usage { messages: 0, created_ms: now.tick_begin_ms, epoch: now.epoch, pending: PendingReasons::NONE }
    }

    /// The session's age in milliseconds; `None` when it is unknown. It runs to the end of the clock's current tick
    /// (C2), except in the tick in which the session was made: there it is 0 (T10), so that a period shorter than a
    /// tick cannot end a session before its first message.
    #[must_use]
    #[inline]
    pub fn age_ms(&self, now: Now) -> Option<u64> {
        if self.epoch != now.epoch {
            return None;
        }
        if now.tick_begin_ms <= self.created_ms {
            return Some(0);
        }
        // Behind its beginning the tick has its end. Were it otherwise, the age would be enormous, and never too low.
        Some(now.tick_end_ms.wrapping_sub(self.created_ms))
    }
}

/// In how many milliseconds a session is due to be replaced for its age alone (T6): 0 when it is, or when its age is not
/// known. With ticks longer than a millisecond it may be due up to a tick earlier or later than that.
///
/// Nothing has to be done at that time; a session that nobody uses does no harm. It is there for a device that wants to
/// share a new one beforehand, or to sleep until something is due.
#[must_use]
pub fn expires_in_ms(usage: &Usage, settings: &Settings, now: Now) -> u64 {
    match usage.age_ms(now) {
        Some(age_ms) => settings.rotation_period_ms.saturating_sub(age_ms),
        None => 0,
    }
}

/// Whether a session must be replaced before the next message, and why: the first reason that holds in T4's order.
///
/// The settings are those in force at this moment, so a limit that was tightened holds for the very next message
/// and by itself replaces nothing (T7). A handful of comparisons; it reads no clock.
#[must_use]
#[inline(always)] // so that nothing is copied for it: it is asked for each message, and in one place
pub fn reason_to_rotate(usage: &Usage, settings: &Settings, now: Now) -> Option<RotationReason> {
    if usage.pending != PendingReasons::NONE {
        return usage.pending.first(); // T4
    }
    let Some(age_ms) = usage.age_ms(now) else {
        return Some(RotationReason::AgeUnknown); // C3
    };
    if usage.messages >= settings.rotation_period_msgs {
        return Some(RotationReason::Messages); // T5
    }
    if age_ms >= settings.rotation_period_ms {
        return Some(RotationReason::Age); // T6
    }
    None
}
