//! How a page says what reports and logs have names for.

use crate::units::grouped;

/// What a session's end says about the room: which of three kinds of reasons it was. Charts colour by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// A limit was reached, as planned.
    Limit,
    /// Somebody left, or something else happened after which a new session is due.
    Event,
    /// There was no session, or none of a known age.
    Fresh,
}

impl Family {
    pub(super) const ALL: [Family; 3] = [Family::Limit, Family::Event, Family::Fresh];

    pub(super) fn name(self) -> &'static str {
        match self {
            Family::Limit => "limit",
            Family::Event => "event",
            Family::Fresh => "fresh",
        }
    }

    pub(super) fn legend(self) -> &'static str {
        match self {
            Family::Limit => "a limit was reached",
            Family::Event => "somebody or something asked for it",
            Family::Fresh => "there was no session, or none of known age",
        }
    }
}

/// A reason to make a session: which family it is of, what it is called in a chart, and a sentence.
pub(super) fn reason(name: &str) -> (Family, &'static str, &'static str) {
    match name {
        "messages" => (Family::Limit, "messages", "the one before had carried as many messages as it may"),
        "age" => (Family::Limit, "age", "the one before was as old as it may be"),
        "requested" => (Family::Event, "requested", "the owner asked for it"),
        "departure" => (Family::Event, "departure", "somebody had left"),
        "device_removed" => (Family::Event, "device removed", "a device had been removed"),
        "history_visibility" => {
            (Family::Event, "history visibility", "who may read the room's history had changed")
        }
        "age_unknown" => {
            (Family::Fresh, "age unknown", "nobody could tell any more how old the one before was")
        }
        "no_session" => (Family::Fresh, "no session", "there was none"),
        _ => (Family::Event, "another reason", "of another reason"),
    }
}

/// A point of virtual time: `3 d 10:17:00.200`, where every run begins at midnight of day 0.
pub(super) fn moment(ms: u64) -> String {
    let (seconds, rest_ms) = (ms / 1_000, ms % 1_000);
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let (hours, minutes, seconds) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    let thousandths = if rest_ms == 0 { String::new() } else { format!(".{rest_ms:03}") };
    format!("{} d {hours:02}:{minutes:02}:{seconds:02}{thousandths}", grouped(days))
}

/// A share of a whole in percent, and one that is not nothing never as 0 %.
pub(super) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let percent = u128::from(part) * 100 / u128::from(whole);
    if percent == 0 && part > 0 { "under 1 %".to_owned() } else { format!("{percent} %") }
}

/// A name of a report as words: `power_cut_in_write` as `power cut in write`.
pub(super) fn words(name: &str) -> String {
    name.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use pawl_core::rotation::RotationReason;

    use super::*;

    #[test]
    fn a_moment_is_a_day_and_a_time_of_day() {
        assert_eq!(moment(0), "0 d 00:00:00");
        assert_eq!(moment(3 * 86_400_000 + 10 * 3_600_000 + 17 * 60_000 + 200), "3 d 10:17:00.200");
    }

    #[test]
    fn every_reason_has_words() {
        for known in RotationReason::ALL {
            assert_ne!(reason(known.name()).1, "another reason", "{known:?}");
        }
    }

    #[test]
    fn a_small_share_is_not_none() {
        assert_eq!([percent(0, 9), percent(1, 1_000), percent(1, 3)], ["0 %", "under 1 %", "33 %"]);
        assert_eq!(percent(0, 0), "–");
    }
}
