//! What brought a violation about: the shortest trace found that shows it, ready to replay.
//!
//! The run in which it was seen is repeated with its seed, and this time recorded (`record`) up to the violation: what the
//! core was told and asked of that room, and what befell the device. The record is then made smaller (`shrink`), as long as
//! [`trace --judge`](crate::trace::judge) finds a violation of the same kind in it. An ordinary run records nothing.

pub(crate) mod record;
pub(crate) mod script;
mod shrink;
#[cfg(test)]
mod tests;

use std::fmt::{self, Display};
use std::io;

use serde::{Deserialize, Serialize};

use self::script::Script;
use crate::observer::{Violation, ViolationKind};
use crate::scenario::Crypto;
use crate::simulation::{self, Plan};
use crate::trace;

/// The shortest trace found that shows a violation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShrunkTrace {
    /// What it shows.
    pub kind: ViolationKind,
    /// At which step of the run that was seen.
    pub step: u64,
    /// Its lines, for `pawl-sim trace --judge`.
    pub lines: Vec<String>,
    /// How many lines were recorded of the run.
    pub recorded_lines: usize,
    /// How often what was left of them was replayed.
    pub replays: u64,
}

impl Display for ShrunkTrace {
    /// The trace, as a file has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// The shortest trace found that shows what this run of `plan`, at this depth, has shown; nothing if no trace does, for one
/// cannot say everything that happens to a kiosk. `progress` is told how many lines are left.
#[must_use]
pub fn explain_violation(
    plan: &Plan<'_>,
    crypto: Crypto,
    violation: &Violation,
    progress: &mut dyn FnMut(usize),
) -> Option<ShrunkTrace> {
    let script = simulation::record(plan, crypto, violation)?;
    let recorded_lines = script.lines.len();
    let mut shows = |script: &Script| operations_to_show(script, violation.kind);
    let (script, replays) = shrink::shrink(script, &mut shows, progress)?;
    Some(ShrunkTrace {
        kind: violation.kind,
        step: violation.step,
        lines: script.written(),
        recorded_lines,
        replays,
    })
}

/// How many operations of a script it takes until a replay shows a violation of that kind, if it does.
fn operations_to_show(script: &Script, kind: ViolationKind) -> Option<usize> {
    let text = script.written().join("\n");
    let (judgement, _stopped) = trace::judge(text.as_bytes(), io::sink());
    let violation = judgement.violations.iter().find(|violation| violation.kind == kind)?;
    usize::try_from(violation.step).ok()?.checked_sub(script.lines_before())
}

/// The first violation of each kind, in the order in which they were seen.
pub fn first_of_each_kind(violations: &[Violation]) -> Vec<&Violation> {
    let mut first: Vec<&Violation> = Vec::new();
    for violation in violations {
        if first.iter().all(|seen| seen.kind != violation.kind) {
            first.push(violation);
        }
    }
    first
}
