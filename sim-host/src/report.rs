//! What came of a run: the JSON report, and the summary for people.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;

use crate::observer::{Settings, Violation};

/// A run's figures. Those about messages, sessions and violations are what the observer saw, not what the kiosk says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The scenario's name.
    pub scenario: String,
    /// The seed of everything random but the keys.
    pub seed: u64,
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
    /// How many violations there were.
    pub violation_count: u64,
    /// The first 1,000 of them.
    pub violations: Vec<Violation>,
    /// How long the run took on this machine, in milliseconds.
    pub wall_ms: u64,
    /// The same for each room.
    pub room_reports: Vec<RoomReport>,
}

/// One room's figures; their names mean what they mean in [`Report`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "documented in Report")]
pub struct RoomReport {
    pub room: String,
    /// What the room shows.
    pub about: String,
    /// The settings in force at the end; `null` without any.
    pub settings: Option<Settings>,
    /// Messages that went out encrypted.
    pub messages: u64,
    pub plaintext_messages: u64,
    pub blocked_messages: u64,
    /// Why the last of these was blocked.
    pub block_reason: Option<&'static str>,
    /// Sessions that carried a message.
    pub sessions: u64,
    pub rotations: BTreeMap<&'static str, u64>,
    pub key_shares: u64,
    pub to_device_messages: u64,
    pub max_messages_per_session: u64,
    pub max_session_age_ms: u64,
}

impl Report {
    /// Whether the kiosk kept to the rules.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violation_count == 0
    }
}

/// The summary for people: a row a room, then the totals.
impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, {} simulated, seed {}", self.scenario, Duration(self.simulated_ms), self.seed)?;
        writeln!(f)?;
        writeln!(f, "{}", self.room_table())?;
        writeln!(f)?;
        writeln!(
            f,
            "{} messages went out: {} encrypted, {} as plaintext to a room not yet encrypted; {} were blocked.",
            Grouped(self.messages),
            Grouped(self.messages - self.plaintext_messages),
            Grouped(self.plaintext_messages),
            Grouped(self.blocked_messages),
        )?;
        writeln!(
            f,
            "{} sessions were made and shared {} times ({} shares failed) in {} Olm messages.",
            Grouped(self.sessions),
            Grouped(self.key_shares),
            Grouped(self.failed_key_shares),
            Grouped(self.to_device_messages),
        )?;
        writeln!(
            f,
            "{} messages were decrypted by receiving devices, {} could not be; {} ratchet indices were reused.",
            Grouped(self.decrypted),
            Grouped(self.undecryptable),
            Grouped(self.index_reuses),
        )?;
        if self.is_clean() {
            write!(f, "No violation.")
        } else {
            write!(f, "{} violations:", Grouped(self.violation_count))?;
            for violation in self.violations.iter().take(VIOLATIONS_SHOWN) {
                write!(f, "\n  at {} ms in {}: {}", violation.at_ms, violation.room, violation.detail)?;
            }
            if self.violation_count > VIOLATIONS_SHOWN as u64 {
                write!(f, "\n  … (--json FILE lists up to 1,000)")?;
            }
            Ok(())
        }
    }
}

const VIOLATIONS_SHOWN: usize = 10;

impl Report {
    fn room_table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header([
            "room",
            "in force",
            "messages",
            "sessions",
            "reasons to rotate",
            "oldest session",
            "most messages in one",
        ]);
        for room in &self.room_reports {
            table.add_row([
                format!("{}\n{}", room.room, room.about),
                room.in_force(),
                room.message_counts(),
                Grouped(room.sessions).to_string(),
                room.reasons(),
                if room.sessions == 0 {
                    "–".to_owned()
                } else {
                    Duration(room.max_session_age_ms).to_string()
                },
                if room.sessions == 0 { "–".to_owned() } else { room.max_messages_per_session.to_string() },
            ]);
        }
        for column in [2, 3, 5, 6] {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table
    }
}

impl RoomReport {
    fn in_force(&self) -> String {
        match (self.settings, self.block_reason) {
            (Some(settings), _) => {
                format!("{} messages\n{}", Grouped(settings.messages), Duration(settings.period_ms))
            }
            (None, Some(reason)) => format!("blocked:\n{reason}"),
            (None, None) => "not encrypted".to_owned(),
        }
    }

    fn message_counts(&self) -> String {
        let mut lines = vec![Grouped(self.messages).to_string()];
        if self.plaintext_messages > 0 {
            lines.push(format!("+ {} plain", Grouped(self.plaintext_messages)));
        }
        if self.blocked_messages > 0 {
            lines.push(format!("({} blocked)", Grouped(self.blocked_messages)));
        }
        lines.join("\n")
    }

    fn reasons(&self) -> String {
        let reasons: Vec<String> =
            self.rotations.iter().map(|(reason, count)| format!("{reason} {}", Grouped(*count))).collect();
        if reasons.is_empty() { "–".to_owned() } else { reasons.join(", ") }
    }
}

/// A number with its thousands set apart.
struct Grouped(u64);

impl Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1_000 {
            return write!(f, "{}", self.0);
        }
        write!(f, "{},{:03}", Grouped(self.0 / 1_000), self.0 % 1_000)
    }
}

/// A length of time in milliseconds, in its two greatest units.
struct Duration(u64);

impl Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 5] =
            [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms")];
        let Some(greatest) = UNITS.iter().position(|(ms, _)| self.0 >= *ms) else {
            return f.write_str("0 ms");
        };
        let (ms, unit) = UNITS[greatest];
        write!(f, "{} {unit}", self.0 / ms)?;
        match UNITS.get(greatest + 1) {
            Some((smaller_ms, unit)) if self.0 % ms >= *smaller_ms => {
                write!(f, " {} {unit}", self.0 % ms / smaller_ms)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Grouped};

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(Grouped(7).to_string(), "7");
        assert_eq!(Grouped(1_234_056).to_string(), "1,234,056");
    }

    #[test]
    fn a_duration_has_its_two_greatest_units() {
        assert_eq!(Duration(0).to_string(), "0 ms");
        assert_eq!(Duration(604_800_000).to_string(), "7 d");
        assert_eq!(Duration(604_799_999).to_string(), "6 d 23 h");
        assert_eq!(Duration(61_500).to_string(), "1 min 1 s");
    }
}
