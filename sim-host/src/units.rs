//! Numbers, lengths of time and verdicts as people read them.

use anstyle::{AnsiColor, Style};

/// A number with its thousands set apart.
pub(crate) fn grouped(number: u64) -> String {
    if number < 1_000 {
        return number.to_string();
    }
    format!("{},{:03}", grouped(number / 1_000), number % 1_000)
}

/// A number of messages.
pub(crate) fn messages(number: u64) -> String {
    format!("{} {}", grouped(number), if number == 1 { "message" } else { "messages" })
}

/// A number of violations.
pub(crate) fn violations(number: u64) -> String {
    format!("{} {}", grouped(number), if number == 1 { "violation" } else { "violations" })
}

/// What is said of whatever kept to the rules, or of how often it did not. Who prints it strips the colours where they are not
/// wanted.
pub(crate) fn verdict(is_clean: bool, violation_count: u64) -> String {
    const GOOD: Style = AnsiColor::Green.on_default().bold();
    const BAD: Style = AnsiColor::Red.on_default().bold();
    if is_clean {
        format!("{GOOD}No violation.{GOOD:#}")
    } else {
        format!("{BAD}{}{BAD:#}", violations(violation_count))
    }
}

/// A number of panics.
pub(crate) fn panics(number: u64) -> String {
    format!("{} {}", grouped(number), if number == 1 { "panic" } else { "panics" })
}

/// A length of time in its two greatest units: `6 d 23 h`.
pub(crate) fn rough_duration(ms: u64) -> String {
    const UNITS: [(u64, &str); 5] =
        [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms")];
    let mut rest = ms;
    let mut parts = Vec::new();
    for (unit_ms, unit) in UNITS {
        let count = rest / unit_ms;
        rest %= unit_ms;
        if count > 0 {
            parts.push(format!("{} {unit}", grouped(count)));
        } else if !parts.is_empty() {
            break;
        }
        if parts.len() == 2 {
            break;
        }
    }
    if parts.is_empty() { "0 ms".to_owned() } else { parts.join(" ") }
}

/// A length of time, exactly: `7 days`, `24 d 20 h 31 min 23 s 648 ms`.
pub(crate) fn duration(ms: u64) -> String {
    const UNITS: [(u64, &str, [&str; 2]); 5] = [
        (86_400_000, "d", ["day", "days"]),
        (3_600_000, "h", ["hour", "hours"]),
        (60_000, "min", ["minute", "minutes"]),
        (1_000, "s", ["second", "seconds"]),
        (1, "ms", ["ms", "ms"]),
    ];
    let mut rest = ms;
    let mut parts = Vec::new();
    for (unit_ms, unit, [one, more]) in UNITS {
        let count = rest / unit_ms;
        rest %= unit_ms;
        if count > 0 {
            let only_part = parts.is_empty() && rest == 0;
            let name = match count {
                _ if !only_part => unit,
                1 => one,
                _ => more,
            };
            parts.push(format!("{} {name}", grouped(count)));
        }
    }
    if parts.is_empty() { "0 ms".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::{duration, grouped, messages, rough_duration};

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_056), "1,234,056");
        assert_eq!(messages(1), "1 message");
        assert_eq!(messages(10_000), "10,000 messages");
    }

    #[test]
    fn a_duration_is_exact() {
        assert_eq!(duration(0), "0 ms");
        assert_eq!(duration(604_800_000), "7 days");
        assert_eq!(duration(3_600_000), "1 hour");
        assert_eq!(duration(2_147_483_648), "24 d 20 h 31 min 23 s 648 ms");
    }
    #[test]
    fn a_rough_duration_has_its_two_greatest_units() {
        assert_eq!(rough_duration(0), "0 ms");
        assert_eq!(rough_duration(604_800_000), "7 d");
        assert_eq!(rough_duration(604_799_999), "6 d 23 h");
        assert_eq!(rough_duration(61_500), "1 min 1 s");
        assert_eq!(rough_duration(86_400_001), "1 d");
    }
}
