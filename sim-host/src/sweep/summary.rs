//! The summary for people.

use std::fmt::{self, Display};

use super::{Figure, Finding, SweepReport, Tally};
use crate::explain::printable;
use crate::table::table;
use crate::units::{grouped, panics, rough_duration, verdict};

/// What was swept, a row a scenario, what went wrong, and what is still to be run.
impl Display for SweepReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seeds = self.seeds.count();
        let plural = if seeds == 1 { "seed" } else { "seeds" };
        write!(f, "{} {plural}", grouped(seeds))?;
        if !self.seeds.is_empty() {
            write!(f, " ({})", self.seeds)?;
        }
        write!(f, ", --crypto {}", self.plan.crypto.name())?;
        if let Some(reserve) = self.plan.reserve {
            write!(f, ", --reserve {reserve}")?;
        }
        writeln!(f, "\n\n{}\n", self.table())?;
        let missing = self.missing();
        if !missing.is_empty() {
            let (count, asked) = (grouped(missing.count()), grouped(self.asked.count()));
            writeln!(f, "Of {asked} seeds {count} are still to be run: {missing}.\n")?;
        }
        f.write_str(&verdict(self.is_clean(), self.violation_count()))?;
        if self.is_clean() {
            return Ok(());
        }
        f.write_str(":")?;
        self.scenarios.iter().try_for_each(|(name, tally)| self.write_findings(f, name, tally))
    }
}

impl SweepReport {
    fn write_findings(&self, f: &mut fmt::Formatter<'_>, name: &str, tally: &Tally) -> fmt::Result {
        for (kind, Finding { count, seeds, lowest_seed, first }) in &tally.violations {
            let (count, seeds) = (grouped(*count), grouped(*seeds));
            write!(f, "\n  {}: {count} with {seeds} of the seeds of {name}", kind.name())?;
            if let Some(first) = first {
                let room = printable::room(&first.room);
                write!(f, "\n    step {}, at {} ms in {room}: {}", first.step, first.at_ms, first.detail)?;
            }
            write!(f, "\n    {}", self.again(name, *lowest_seed))?;
            let trace = first.as_ref().and_then(|first| first.trace.as_ref());
            if trace.is_none() && self.missing().is_empty() {
                write!(f, "\n    No trace was found that shows it.")?;
            }
            if let Some(trace) = trace {
                write!(
                    f,
                    "\n    pawl-sim trace --judge, with these lines:\n{}",
                    trace.to_string().trim_end()
                )?;
            }
        }
        if let Some(panics) = &tally.panics {
            let runs = if panics.runs == 1 { "run" } else { "runs" };
            write!(f, "\n  {} {runs} of {name} panicked\n    {}", grouped(panics.runs), panics.message)?;
            write!(f, "\n    {}", self.again(name, panics.lowest_seed))?;
        }
        Ok(())
    }

    /// How to see it again.
    fn again(&self, name: &str, seed: u64) -> String {
        let crypto = self.plan.crypto.name();
        let reserve = self.plan.reserve.map_or(String::new(), |reserve| format!(" --reserve {reserve}"));
        format!("pawl-sim run {name} --seed {seed} --crypto {crypto}{reserve}")
    }

    fn table(&self) -> String {
        let heading = [
            "scenario",
            "simulated",
            "messages",
            "sessions",
            "restarts",
            "most messages\nin a session",
            "oldest\nsession",
            "violations",
        ];
        let row = |(name, tally): (&String, &Tally)| {
            let panics = tally
                .panics
                .as_ref()
                .map_or(String::new(), |panicked| format!("\n{}", panics(panicked.runs)));
            vec![
                name.clone(),
                rough_duration(tally.sum("simulated_ms")),
                grouped(tally.sum("messages")),
                grouped(tally.sum("sessions")),
                grouped(tally.restarts.values().sum()),
                greatest(tally, "max_messages_per_session", grouped),
                greatest(tally, "max_session_age_ms", rough_duration),
                format!("{}{panics}", grouped(tally.violation_count())),
            ]
        };
        table(&heading, &self.scenarios.iter().map(row).collect::<Vec<_>>(), &[1, 2, 3, 4, 5, 6, 7])
    }
}

/// The greatest of a figure, and the seed that has it.
fn greatest(tally: &Tally, name: &str, written: fn(u64) -> String) -> String {
    match tally.figures.get(name) {
        Some(Figure { greatest, .. }) if greatest.value > 0 => {
            format!("{}\nseed {}", written(greatest.value), greatest.seed)
        }
        _ => "–".to_owned(),
    }
}
