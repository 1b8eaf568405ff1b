//! What came of a run: the JSON report, and the summary for people.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use serde::Serialize;

use crate::cause::{ShrunkTrace, first_of_each_kind};
use crate::chronicle::{RoomLife, RotationsOverTime};
use crate::explain::printable;
use crate::observer::{LimitUse, Settings, VIOLATIONS_KEPT, Violation, ViolationKind};
use crate::scenario::Crypto;
use crate::table::table;
use crate::units::{grouped, messages, rough_duration, verdict, violations};

/// A run's figures. Those about messages, sessions and violations are what the observer saw, not what the kiosk says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The scenario's name.
    pub scenario: String,
    /// How deep it went: `vodozemac`, or `none`, where nothing is encrypted and nobody receives.
    pub crypto: &'static str,
    /// The seed of everything random but the keys.
    pub seed: u64,
    /// How many messages ahead sessions were stored.
    pub reserve: u32,
    /// Virtual time that passed, in milliseconds.
    pub simulated_ms: u64,
    /// Rooms the kiosk sends to.
    pub rooms: usize,
    /// Messages that went out, encrypted or not.
    pub messages: u64,
    /// Messages that went out as plaintext, to rooms that were not encrypted at the time.
    pub plaintext_messages: u64,
    /// Messages that did not go out since their room was blocked.
    pub blocked_messages: u64,
    /// Messages that still waited for a room key to be shared when the run ended.
    pub unsent_messages: usize,
    /// Outbound sessions that were made.
    pub sessions: u64,
    /// Why they were made: each reason and how often.
    pub rotations: BTreeMap<&'static str, u64>,
    /// How often a session's key was shared, with everybody in a room or with somebody who came later.
    pub key_shares: u64,
    /// How often that failed.
    pub failed_key_shares: u64,
    /// Room keys that went out, one a receiving device.
    pub to_device_messages: u64,
    /// The most messages that any session carried.
    pub max_messages_per_session: u64,
    /// The greatest age of a session at a message on it, in milliseconds of true time.
    pub max_session_age_ms: u64,
    /// Messages that receiving devices decrypted.
    pub decrypted: u64,
    /// Messages, or room keys, that a receiving device could not decrypt.
    pub undecryptable: u64,
    /// Ratchet indices that were used again.
    pub index_reuses: u64,
    /// How often the core was asked what a message needs.
    pub rotation_checks: u64,
    /// How often the kiosk restarted, by how that came about.
    pub restarts: BTreeMap<&'static str, u64>,
    /// How often the kiosk slept.
    pub sleeps: u64,
    /// True time that the kiosk's counter hid without a trace, in milliseconds. Sessions may be older by that.
    pub unseen_ms: u64,
    /// How often a session carried a message again for the first time after a restart.
    pub sessions_resumed: u64,
    /// Ratchet indices that no message had, between two messages of one session.
    pub indices_skipped: u64,
    /// Records that were stored in flash, sealed sessions included.
    pub records_stored: u64,
    /// What storing cost the flash, by how far ahead sessions are stored; nothing where they are not.
    pub wear: Vec<Wear>,
    /// How many violations there were.
    pub violation_count: u64,
    /// How many there were of each kind that there was.
    pub violation_counts: BTreeMap<ViolationKind, u64>,
    /// The first 1,000 of them.
    pub violations: Vec<Violation>,
    /// For the first violation of each kind, the shortest trace found that shows it, where one does. A run by itself looks for
    /// none.
    pub traces: Vec<ShrunkTrace>,
    /// How long the run took on this machine, in milliseconds.
    pub wall_ms: u64,
    /// The sessions that were made, over time.
    pub rotations_over_time: RotationsOverTime,
    /// How much of their limits sessions used.
    pub limit_use: LimitUse,
    /// One room's life, if it was asked for.
    #[serde(skip)]
    pub life: Option<Box<RoomLife>>,
    /// The same for each room, or for all rooms of a kind together.
    pub room_reports: Vec<RoomReport>,
}

/// The figures of a room, or of many of a kind; their names mean what they mean in [`Report`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "documented in Report")]
pub struct RoomReport {
    pub room: String,
    /// What the room shows.
    pub about: String,
    /// How many rooms these are.
    pub rooms: usize,
    /// The settings in force at the end; `null` without any, and where the rooms' differ.
    pub settings: Option<Settings>,
    /// Messages that went out encrypted.
    pub messages: u64,
    pub plaintext_messages: u64,
    pub blocked_messages: u64,
    /// Why the last of these was blocked; `no_session` where a session could not be made.
    pub block_reason: Option<&'static str>,
    /// Sessions that carried a message.
    pub sessions: u64,
    pub rotations: BTreeMap<&'static str, u64>,
    pub key_shares: u64,
    pub to_device_messages: u64,
    pub max_messages_per_session: u64,
    pub max_session_age_ms: u64,
}

/// What storing costs the flash, for 1,000 messages that go out encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Wear {
    /// How many messages ahead sessions are stored.
    pub reserve: u32,
    /// Records that are stored, sealed sessions included.
    pub records_per_1000_messages: u64,
    /// Words of flash that are written.
    pub words_written_per_1000_messages: u64,
    /// Words of flash that are erased, a page at a time.
    pub words_erased_per_1000_messages: u64,
}

impl Report {
    /// Takes in what another run wore and did wrong.
    pub(crate) fn add(&mut self, other: Report) {
        self.wear.extend(other.wear);
        self.violation_count += other.violation_count;
        for (kind, count) in other.violation_counts {
            *self.violation_counts.entry(kind).or_default() += count;
        }
        self.index_reuses += other.index_reuses;
        let room_left = VIOLATIONS_KEPT.saturating_sub(self.violations.len());
        self.violations.extend(other.violations.into_iter().take(room_left).map(|mut violation| {
            violation.detail = format!("{} (sessions stored {} ahead)", violation.detail, other.reserve);
            violation
        }));
    }

    /// Whether the kiosk kept to the rules.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violation_count == 0
    }

    /// What `pawl-sim run` exits with: 0, or 1 if there was a violation.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        u8::from(!self.is_clean())
    }
}

/// The summary for people: a row a room, then the totals.
impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let depth = if self.receives() { "" } else { ", without cryptography" };
        let (simulated, seed) = (rough_duration(self.simulated_ms), self.seed);
        writeln!(f, "{}, {simulated} simulated{depth}, seed {seed}", self.scenario)?;
        writeln!(f)?;
        writeln!(f, "{}", self.room_table())?;
        writeln!(f)?;
        self.write_messages(f)?;
        self.write_faults(f)?;
        writeln!(f)?;
        if !self.wear.is_empty() {
            writeln!(f, "{}", self.wear_table())?;
            writeln!(f)?;
        }
        f.write_str(&verdict(self.is_clean(), self.violation_count))?;
        if self.is_clean() { Ok(()) } else { self.write_violations(f) }
    }
}

const VIOLATIONS_SHOWN: usize = 10;

impl Report {
    /// Whether there are receiving devices.
    fn receives(&self) -> bool {
        self.crypto == Crypto::Vodozemac.name()
    }

    /// Messages a second of the time that the run took.
    #[must_use]
    pub fn messages_a_second(&self) -> u64 {
        (self.messages + self.blocked_messages) * 1_000 / self.wall_ms.max(1)
    }

    /// How many violations there were.
    #[must_use]
    pub fn violations_in_words(&self) -> String {
        violations(self.violation_count)
    }

    fn write_violations(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ", with seed {}:", self.seed)?;
        for Violation { kind, step, at_ms, room, detail } in self.violations.iter().take(VIOLATIONS_SHOWN) {
            let room = printable::room(room);
            write!(f, "\n  {}, step {step}, at {at_ms} ms in {room}: {detail}", kind.name())?;
        }
        if self.violation_count > VIOLATIONS_SHOWN as u64 {
            write!(f, "\n  … (--json FILE lists up to 1,000)")?;
        }
        for violation in first_of_each_kind(&self.violations) {
            self.write_trace(f, violation.kind)?;
        }
        Ok(())
    }

    fn write_trace(&self, f: &mut fmt::Formatter<'_>, kind: ViolationKind) -> fmt::Result {
        let Some(trace) = self.traces.iter().find(|trace| trace.kind == kind) else {
            return write!(f, "\n\n{}: no trace was found that shows it.", kind.name());
        };
        write!(
            f,
            "\n\n{}, in {} lines for `pawl-sim trace --judge`:\n\n{trace}",
            kind.name(),
            trace.lines.len()
        )
    }

    fn write_messages(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} messages went out: {} encrypted, {} as plaintext to a room not yet encrypted; {} were blocked.",
            grouped(self.messages),
            grouped(self.messages - self.plaintext_messages),
            grouped(self.plaintext_messages),
            grouped(self.blocked_messages),
        )?;
        write!(
            f,
            "{} sessions were made and shared {} times ({} shares failed)",
            grouped(self.sessions),
            grouped(self.key_shares),
            grouped(self.failed_key_shares),
        )?;
        if !self.receives() {
            let to_device = grouped(self.to_device_messages);
            writeln!(
                f,
                " in what would be {to_device} Olm messages; nothing was encrypted, and nobody received."
            )?;
            return writeln!(f, "{} ratchet indices were reused.", grouped(self.index_reuses));
        }
        writeln!(f, " in {} Olm messages.", grouped(self.to_device_messages))?;
        writeln!(
            f,
            "{} messages were decrypted by receiving devices, {} could not be; {} ratchet indices were reused.",
            grouped(self.decrypted),
            grouped(self.undecryptable),
            grouped(self.index_reuses),
        )
    }

    fn write_faults(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let restarts = self.restarts.values().sum();
        if restarts > 0 {
            writeln!(
                f,
                "The kiosk restarted {} times, after which sessions went on {} times, at a loss of {} ratchet indices:",
                grouped(restarts),
                grouped(self.sessions_resumed),
                grouped(self.indices_skipped),
            )?;
            writeln!(f, "{}.", self.restart_counts())?;
        }
        if self.sleeps > 0 {
            writeln!(f, "It slept {} times.", grouped(self.sleeps))?;
        }
        if self.unseen_ms > 0 {
            let unseen = rough_duration(self.unseen_ms);
            writeln!(f, "Its counter hid {unseen} without a trace; sessions may be older by that.")?;
        }
        Ok(())
    }

    fn room_table(&self) -> String {
        let heading = [
            "room",
            "in force",
            "messages",
            "sessions",
            "reasons to rotate",
            "oldest\nsession",
            "most messages\nin one",
        ];
        let row = |room: &RoomReport| {
            vec![
                room.name(),
                room.in_force(),
                room.message_counts(),
                grouped(room.sessions),
                room.reasons(),
                if room.sessions == 0 { "–".to_owned() } else { rough_duration(room.max_session_age_ms) },
                if room.sessions == 0 { "–".to_owned() } else { room.max_messages_per_session.to_string() },
            ]
        };
        table(&heading, &self.room_reports.iter().map(row).collect::<Vec<_>>(), &[2, 3, 5, 6])
    }
}

impl Report {
    fn restart_counts(&self) -> String {
        let counts = self.restarts.iter().filter(|(_, count)| **count > 0);
        let counts: Vec<String> = counts.map(|(kind, count)| format!("{kind} {}", grouped(*count))).collect();
        counts.join(", ")
    }

    fn wear_table(&self) -> String {
        let heading = ["flash, for 1,000 messages", "records stored", "words written", "words erased"];
        let row = |wear: &Wear| {
            vec![
                format!("sessions stored {} ahead", messages(wear.reserve.into())),
                grouped(wear.records_per_1000_messages),
                grouped(wear.words_written_per_1000_messages),
                grouped(wear.words_erased_per_1000_messages),
            ]
        };
        table(&heading, &self.wear.iter().map(row).collect::<Vec<_>>(), &[1, 2, 3])
    }
}

impl RoomReport {
    /// One of no room yet.
    pub(crate) fn new(id: &str, about: &str) -> Self {
        RoomReport { room: id.to_owned(), about: about.to_owned(), ..RoomReport::default() }
    }

    fn name(&self) -> String {
        let count =
            if self.rooms == 1 { String::new() } else { format!(" × {}", grouped(self.rooms as u64)) };
        format!("{}{count}\n{}", printable::room(&self.room), self.about)
    }

    fn in_force(&self) -> String {
        match (self.settings, self.block_reason) {
            (Some(settings), _) => {
                format!("{}\n{}", messages(settings.messages), rough_duration(settings.period_ms))
            }
            (None, Some(reason)) => format!("blocked:\n{reason}"),
            (None, None) => "not encrypted".to_owned(),
        }
    }

    fn message_counts(&self) -> String {
        let mut lines = vec![grouped(self.messages)];
        if self.plaintext_messages > 0 {
            lines.push(format!("+ {} plain", grouped(self.plaintext_messages)));
        }
        if self.blocked_messages > 0 {
            lines.push(format!("({} blocked)", grouped(self.blocked_messages)));
        }
        lines.join("\n")
    }

    fn reasons(&self) -> String {
        let reasons: Vec<String> =
            self.rotations.iter().map(|(reason, count)| format!("{reason} {}", grouped(*count))).collect();
        if reasons.is_empty() { "–".to_owned() } else { reasons.join("\n") }
    }
}
