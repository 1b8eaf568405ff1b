//! What was aimed at, and what came of it.

use super::Measured;
use super::times::Time;

/// The groups of the five spellings, the typical one first.
pub(super) const SPELLINGS: [&str; 5] = [
    "parse_settings",
    "parse_settings_reordered",
    "parse_settings_spaced",
    "parse_settings_escaped",
    "parse_settings_unknown",
];

/// A row of the table.
pub(super) struct Aim {
    pub(super) what: String,
    pub(super) aimed_at: &'static str,
    /// What was measured.
    pub(super) reached: String,
    /// The same counted in instructions, where that says something.
    pub(super) counted: String,
    pub(super) missed: bool,
}

/// All of them.
pub(super) fn all(measured: &Measured) -> Result<Vec<Aim>, String> {
    let times = &measured.times;
    let check = times.get("rotation_check/pawl")?;
    let with_clock = times.get("rotation_check_with_clock/pawl")?;
    let clock = times.get("rotation_check_with_clock/clock")?;
    let expired = times.get("rotation_check_with_clock/matrix-sdk-crypto")?;
    let mut aims = vec![
        ratio(
            "the rotation check, the time given, to matrix-sdk-crypto's `expired()`, which reads a clock",
            ("≤ 0.1", 0.1),
            check.over(expired),
            String::new(), // of reading a clock, most is the kernel's, which callgrind does not count
        ),
        beyond("what pawl's check takes beyond reading the same clock", with_clock.beyond(clock)),
    ];
    for (peer, typical, worst) in
        [("serde-json-core", ("≤ 0.7", 0.7), ("≤ 1.0", 1.0)), ("ruma-events", ("≤ 0.5", 0.5), ("≤ 0.5", 0.5))]
    {
        aims.push(reading(
            measured,
            &format!("reading typical settings, to {peer}"),
            SPELLINGS[0],
            peer,
            typical,
        )?);
        let group = worst_spelling(measured, peer)?;
        let what = format!("the same in its worst spelling, `{group}`");
        aims.push(reading(measured, &what, group, peer, worst)?);
    }
    let simulated = &measured.simulated.ten_thousand_rooms;
    aims.push(Aim {
        what: "decisions simulated a second, in ten thousand rooms, all of them observed".to_owned(),
        aimed_at: "≥ 2,000,000",
        reached: super::whole(simulated.messages_a_second()),
        counted: String::new(),
        missed: simulated.messages_a_second() < 2_000_000.0,
    });
    Ok(aims)
}

/// The spelling in which pawl is slowest beside a peer.
fn worst_spelling(measured: &Measured, peer: &str) -> Result<&'static str, String> {
    let mut worst = (SPELLINGS[0], 0.0);
    for group in SPELLINGS {
        let ratio = of_a_spelling(measured, group, peer)?.median;
        if ratio > worst.1 {
            worst = (group, ratio);
        }
    }
    Ok(worst.0)
}

fn of_a_spelling(measured: &Measured, group: &str, peer: &str) -> Result<Time, String> {
    let times = &measured.times;
    Ok(times.get(&format!("{group}/pawl"))?.over(times.get(&format!("{group}/{peer}"))?))
}

fn reading(
    measured: &Measured,
    what: &str,
    group: &str,
    peer: &str,
    at_most: (&'static str, f64),
) -> Result<Aim, String> {
    let counted = instructions(measured, &format!("{group}/pawl"), &format!("{group}/{peer}"))?;
    Ok(ratio(what, at_most, of_a_spelling(measured, group, peer)?, counted))
}

/// The ratio of two counts.
pub(super) fn instructions(measured: &Measured, one: &str, other: &str) -> Result<String, String> {
    let count = |name: &str| {
        measured.instructions.get(name).copied().ok_or_else(|| format!("there is no count of {name}"))
    };
    Ok(format!("{:.2}", count(one)? as f64 / count(other)? as f64))
}

fn ratio(what: &str, (aimed_at, at_most): (&'static str, f64), ratio: Time, counted: String) -> Aim {
    let Time { median, low, high } = ratio;
    Aim {
        what: what.to_owned(),
        aimed_at,
        reached: format!("{median:.3} ({low:.3}–{high:.3})"),
        counted,
        missed: median > at_most,
    }
}

fn beyond(what: &str, Time { median, low, high }: Time) -> Aim {
    Aim {
        what: what.to_owned(),
        aimed_at: "≤ 5 ns",
        reached: format!("{median:.1} ns ({low:.1}–{high:.1})"),
        counted: String::new(),
        missed: median > 5.0,
    }
}
