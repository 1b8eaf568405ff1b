//! What was aimed at, and what came of it.

use super::simulation::Stored;
use super::times::{Compared, Time};
use super::{Measured, plots};
use crate::figures::{OnTarget, grouped};

/// The spelling with an escape.
pub(super) const ESCAPED: &str = "parse_settings_escaped";

/// The groups of the five spellings, the typical one first.
pub(super) const SPELLINGS: [&str; 5] = [
    "parse_settings",
    "parse_settings_reordered",
    "parse_settings_spaced",
    ESCAPED,
    "parse_settings_unknown",
];

/// serde-json-core's two calls: the one that understands every spelling, and the faster one, which takes escapes as they stand.
pub(super) const WITH_BUFFER: &str = "serde-json-core";
pub(super) const AS_IT_STANDS: &str = "serde-json-core-as-it-stands";

/// A row of the table.
pub(super) struct Aim {
    pub(super) what: String,
    /// Empty where the row only stands beside another.
    pub(super) aimed_at: String,
    /// What was measured.
    pub(super) reached: String,
    /// The same counted in instructions, where that says something.
    pub(super) counted: String,
    pub(super) verdict: Verdict,
    /// In how many layouts it was reached, and of how many, where that depends on them.
    pub(super) layouts: Option<(usize, usize)>,
}

impl Aim {
    /// What came of it, as the table has it.
    pub(super) fn outcome(&self) -> String {
        match (self.verdict, self.layouts) {
            (Verdict::Reached, Some((reached, all))) => format!("reached, in {reached} of {all} layouts"),
            (Verdict::MissedBy(_), Some((reached, all))) => {
                format!("{}; reached in {reached} of {all} layouts", self.verdict.written())
            }
            (verdict, _) => verdict.written(),
        }
    }
}

/// What came of an aim.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verdict {
    /// There was none.
    NotJudged,
    Reached,
    /// By this part of it.
    MissedBy(f64),
}

impl Verdict {
    fn at_most(reached: f64, at_most: f64) -> Self {
        if reached <= at_most { Verdict::Reached } else { Verdict::MissedBy(reached / at_most - 1.0) }
    }

    fn at_least(reached: f64, at_least: f64) -> Self {
        if reached >= at_least { Verdict::Reached } else { Verdict::MissedBy(1.0 - reached / at_least) }
    }

    fn written(self) -> String {
        match self {
            Verdict::NotJudged => String::new(),
            Verdict::Reached => "reached".to_owned(),
            Verdict::MissedBy(part) => format!("**missed** by {:.0} %", (part * 100.0).max(1.0)),
        }
    }
}

/// What is aimed at: how it is written, and the number.
type AtMost = Option<(&'static str, f64)>;

/// All that are measured on the host.
pub(super) fn on_host(measured: &Measured) -> Result<Vec<Aim>, String> {
    let times = &measured.times;
    let expired = "rotation_check_with_clock/matrix-sdk-crypto";
    let with_clock = "rotation_check_with_clock/pawl";
    // The clock's own instructions are the same on both sides, and most of reading it is the kernel's, which callgrind does not count.
    let clock = "rotation_check_with_clock/clock";
    let beyond_the_clock = |name: &str| Ok::<_, String>(count(measured, name)? - count(measured, clock)?);
    let with_clock_counted =
        format!("{:.2} beyond the clock", beyond_the_clock(with_clock)? / beyond_the_clock(expired)?);
    let mut aims = vec![
        ratio(
            "the rotation check of a session in hand, the time given (`rotation_check/pawl`: `reason_to_rotate`), to \
             matrix-sdk-crypto's `expired()`, which reads a clock",
            Some(("≤ 0.1", 0.1)),
            &times.over("rotation_check/pawl", expired)?,
        ),
        ratio(
            "beside it, the whole decision of a device in one room (`decide/1`: reads the clock, looks the room up), to the same",
            None,
            &times.over("decide/1", expired)?,
        ),
        beyond(
            "what that rotation check takes beyond reading the same clock",
            &times.beyond(with_clock, clock)?,
        ),
        Aim {
            counted: with_clock_counted,
            ..ratio(
                "beside it, the check with the same clock read on both sides, to matrix-sdk-crypto's `expired()`",
                None,
                &times.over(with_clock, expired)?,
            )
        },
    ];
    aims.extend(readings(measured, &[AS_IT_STANDS, WITH_BUFFER], ("≤ 0.7", 0.7), ("≤ 1.0", 1.0))?);
    aims.extend(readings(measured, &["ruma-events"], ("≤ 0.5", 0.5), ("≤ 0.5", 0.5))?);
    aims.push(linear(measured)?);
    aims.push(stored(&measured.simulated.stored));
    let simulated = &measured.simulated.ten_thousand_rooms;
    aims.push(Aim {
        what: "messages simulated a second on one core, `--crypto none`, in ten thousand rooms, all of them observed".to_owned(),
        aimed_at: "≥ 2,000,000".to_owned(),
        reached: super::whole(simulated.messages_a_second()),
        counted: String::new(),
        verdict: Verdict::at_least(simulated.messages_a_second(), 2_000_000.0),
        layouts: None,
    });
    Ok(aims)
}

/// What is committed of the target.
pub(super) fn on_target(rows: &[OnTarget]) -> Vec<Aim> {
    let mut aims: Vec<_> = rows
        .iter()
        .map(|row| Aim {
            what: row.what.clone(),
            aimed_at: format!("≤ {}", grouped(row.at_most)),
            reached: grouped(row.reached),
            counted: String::new(),
            verdict: Verdict::at_most(row.reached as f64, row.at_most as f64),
            layouts: None,
        })
        .collect();
    aims.push(Aim {
        what: "RAM of a room's policy state".to_owned(),
        aimed_at: "≤ 48".to_owned(),
        reached: "asserted in `core/src/room.rs`".to_owned(),
        counted: String::new(),
        verdict: Verdict::Reached, // or nothing would have been built
        layouts: None,
    });
    aims
}

/// Reading typical settings, and the worst of the spellings, beside a peer. Of its calls the faster one that reads a spelling rightly
/// is the one that counts, and others stand beside it.
fn readings(
    measured: &Measured,
    calls: &[&'static str],
    typical: (&'static str, f64),
    worst: (&'static str, f64),
) -> Result<Vec<Aim>, String> {
    // The greatest ratio is to the fastest call.
    let ratios = |group: &str| -> Result<Vec<(&'static str, Compared)>, String> {
        let read = calls.iter().filter(|call| **call != AS_IT_STANDS || group != ESCAPED);
        let mut ratios = read
            .map(|call| Ok((*call, of_a_spelling(measured, group, call)?)))
            .collect::<Result<Vec<_>, String>>()?;
        ratios.sort_by(|(_, a), (_, b)| b.all.median.total_cmp(&a.all.median));
        Ok(ratios)
    };
    let mut slowest: Option<(&str, f64)> = None;
    for group in SPELLINGS {
        let ratio = ratios(group)?[0].1.all.median;
        if slowest.is_none_or(|(_, so_far)| ratio > so_far) {
            slowest = Some((group, ratio));
        }
    }
    let slowest = slowest.map_or(SPELLINGS[0], |(group, _)| group);
    let mut aims = Vec::new();
    for (group, at_most, what) in [
        (SPELLINGS[0], typical, "reading typical settings".to_owned()),
        (slowest, worst, format!("reading the worst of five spellings, which is `{slowest}`")),
    ] {
        for (number, (call, compared)) in ratios(group)?.into_iter().enumerate() {
            let (what, at_most) = match number {
                0 => (format!("{what}, to `{call}`"), Some(at_most)),
                _ => (format!("beside it, to its slower call `{call}`"), None),
            };
            let counted = instructions(measured, &format!("{group}/pawl"), &format!("{group}/{call}"))?;
            aims.push(Aim { counted, ..ratio(&what, at_most, &compared) });
        }
    }
    Ok(aims)
}

fn of_a_spelling(measured: &Measured, group: &str, call: &str) -> Result<Compared, String> {
    measured.times.over(&format!("{group}/pawl"), &format!("{group}/{call}"))
}

/// 64 KiB of hostile content to sixteen times 4 KiB, with the same fiftieth for what does not grow as on the target. Instructions are
/// judged, since times know caches too.
fn linear(measured: &Measured) -> Result<Aim, String> {
    let mut worst: Option<(String, f64)> = None;
    for kind in plots::hostile_kinds(measured) {
        let group = format!("parse_hostile/{kind}");
        let long = count(measured, &format!("{group}/65536"))?;
        let ratio = long / (16.0 * count(measured, &format!("{group}/4096"))?);
        if worst.as_ref().is_none_or(|(_, so_far)| ratio > *so_far) {
            worst = Some((group, ratio));
        }
    }
    let (group, counted) = worst.ok_or("no hostile content was measured")?;
    let Time { median, low, high } =
        measured.times.over(&format!("{group}/65536"), &format!("{group}/4096"))?.all;
    Ok(Aim {
        what: format!(
            "reading 64 KiB of hostile content, to 16 times 4 KiB; the kind that grows most, `{group}`"
        ),
        aimed_at: "linear: ≤ 1.02 in instructions".to_owned(),
        reached: format!("{:.3} ({:.3}–{:.3})", median / 16.0, low / 16.0, high / 16.0),
        counted: format!("{counted:.3}"),
        verdict: Verdict::at_most(counted, 1.02),
        layouts: None,
    })
}

/// A session is stored once in so many messages, and for each session a room's record and, at its first share, the session.
fn stored(&Stored { reserve, messages, sessions, records }: &Stored) -> Aim {
    let a_message = |number: u64| number as f64 / messages as f64;
    let at_most = 1.0 / reserve as f64 + a_message(2 * sessions);
    Aim {
        what: format!(
            "records stored a message, R = {reserve}, default settings: {} in {} messages to one room in four weeks, {} sessions",
            grouped(records),
            grouped(messages),
            grouped(sessions)
        ),
        aimed_at: format!("≤ 1/{reserve} + 2 a session = {at_most:.4}"),
        reached: format!("{:.4}", a_message(records)),
        counted: String::new(),
        verdict: Verdict::at_most(a_message(records), at_most),
        layouts: None,
    }
}

fn count(measured: &Measured, name: &str) -> Result<f64, String> {
    let count = measured.instructions.get(name).copied();
    count.map(|count| count as f64).ok_or_else(|| format!("there is no count of {name}"))
}

/// The ratio of two counts.
pub(super) fn instructions(measured: &Measured, one: &str, other: &str) -> Result<String, String> {
    Ok(format!("{:.2}", count(measured, one)? / count(measured, other)?))
}

fn ratio(what: &str, at_most: AtMost, compared: &Compared) -> Aim {
    let Time { median, low, high } = compared.all;
    Aim {
        what: what.to_owned(),
        aimed_at: at_most.map_or_else(String::new, |(written, _)| written.to_owned()),
        reached: format!("{median:.3} ({low:.3}–{high:.3})"),
        counted: String::new(),
        verdict: at_most.map_or(Verdict::NotJudged, |(_, at_most)| Verdict::at_most(median, at_most)),
        layouts: at_most.map(|(_, at_most)| compared.at_most(at_most)),
    }
}

fn beyond(what: &str, compared: &Compared) -> Aim {
    let Time { median, low, high } = compared.all;
    Aim {
        what: what.to_owned(),
        aimed_at: "≤ 5 ns".to_owned(),
        reached: format!("{median:.1} ns ({low:.1}–{high:.1})"),
        counted: String::new(),
        verdict: Verdict::at_most(median, 5.0),
        layouts: Some(compared.at_most(5.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Aim, Stored, Verdict, stored};

    #[test]
    fn what_is_missed_is_missed_by_a_part_of_the_aim() {
        assert_eq!(Verdict::at_most(0.7, 0.7), Verdict::Reached);
        assert_eq!(Verdict::at_most(15.0, 12.0), Verdict::MissedBy(0.25));
        assert_eq!(Verdict::at_least(9.0, 12.0), Verdict::MissedBy(0.25));
        assert_eq!(Verdict::at_least(12.0, 12.0), Verdict::Reached);
        assert_eq!(Verdict::MissedBy(0.25).written(), "**missed** by 25 %");
    }

    #[test]
    fn it_is_told_in_how_many_layouts_an_aim_was_reached() {
        let outcome = |verdict, layouts| {
            let nothing = String::new;
            Aim {
                what: nothing(),
                aimed_at: nothing(),
                reached: nothing(),
                counted: nothing(),
                verdict,
                layouts,
            }
            .outcome()
        };
        assert_eq!(outcome(Verdict::Reached, Some((4, 5))), "reached, in 4 of 5 layouts");
        assert_eq!(
            outcome(Verdict::MissedBy(0.25), Some((1, 5))),
            "**missed** by 25 %; reached in 1 of 5 layouts"
        );
        assert_eq!(outcome(Verdict::Reached, None), "reached");
        assert_eq!(outcome(Verdict::NotJudged, None), "");
    }

    #[test]
    fn rotation_needs_two_records_a_session() {
        let of = |records| stored(&Stored { reserve: 16, messages: 1_600, sessions: 16, records }).verdict;
        assert_eq!(of(132), Verdict::Reached);
        assert!(matches!(of(133), Verdict::MissedBy(_)));
    }
}
