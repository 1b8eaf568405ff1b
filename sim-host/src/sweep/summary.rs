//! The summary for people.

use std::fmt::{self, Display};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::{Figure, Finding, SweepReport, Tally};
use crate::explain::printable;
use crate::units::{grouped, panics, rough_duration, violations};

/// The table's width where it is not printed on a terminal, in columns.
const WIDTH_ELSEWHERE: u16 = 120;

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
        if self.is_clean() {
            return write!(f, "No violation.");
        }
        write!(f, "{}:", violations(self.violation_count()))?;
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
            if let Some(trace) = first.as_ref().and_then(|first| first.trace.as_ref()) {
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

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
        if !table.is_tty() {
            table.set_width(WIDTH_ELSEWHERE);
        }
        table.set_header([
            "scenario",
            "simulated",
            "messages",
            "sessions",
            "restarts",
            "most messages\nin a session",
            "oldest\nsession",
            "violations",
        ]);
        for (name, tally) in &self.scenarios {
            let panics = tally
                .panics
                .as_ref()
                .map_or(String::new(), |panicked| format!("\n{}", panics(panicked.runs)));
            table.add_row([
                name.clone(),
                rough_duration(tally.sum("simulated_ms")),
                grouped(tally.sum("messages")),
                grouped(tally.sum("sessions")),
                grouped(tally.restarts.values().sum()),
                greatest(tally, "max_messages_per_session", grouped),
                greatest(tally, "max_session_age_ms", rough_duration),
                format!("{}{panics}", grouped(tally.violation_count())),
            ]);
        }
        for column in 1..8 {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table
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
