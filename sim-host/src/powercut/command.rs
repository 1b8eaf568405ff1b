//! The command line of `pawl-sim powercut`.

use std::io::{self, IsTerminal};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::life::Life;
use super::{Effort, Summary, sweep};
use crate::output::{self, OutputFile};
use crate::units::{grouped, verdict, violations};

/// What `pawl-sim powercut` is told.
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// The seed of the device's life and of what interrupted steps leave behind
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many random acts the life has; without it, a short life with every operation there is
    #[arg(long, value_name = "N")]
    acts: Option<usize>,
    /// Cuts the power in one step of so many; 1 for all of them
    #[arg(long, value_name = "N", default_value_t = 1)]
    cuts_every: u64,
    /// After every so many cuts, cut again at every step of what follows; 0 for never
    #[arg(long, value_name = "N", default_value_t = 500)]
    second_cuts_every: u64,
    /// Threads to work with; one for each core where it is not said
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Writes the summary as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Prints neither progress nor summary
    #[arg(long)]
    quiet: bool,
}

const HELP: &str =
    "A step is a word that is written to flash, or a page that is erased. The power is cut in each of
them once, the device restarts, and everything that it then sends is judged.

--acts 2000 is a long life; --second-cuts-every 1 cuts again after every first cut.

Examples:
  pawl-sim powercut --cuts-every 50 --second-cuts-every 0                     a quick look
  pawl-sim powercut --acts 30 --seed 7 --cuts-every 99 --second-cuts-every 0  a random life
  pawl-sim powercut --cuts-every 99 --second-cuts-every 0 --json powercut.json --quiet

Exit status: 0 all is well, 1 there was a violation, 2 wrong use or a file that cannot be
written.";

/// Sweeps, and says what came of it.
///
/// # Errors
/// A message for people: the summary cannot be written.
pub fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    let json = arguments.json.as_deref().map(OutputFile::writable).transpose()?;
    let life = match arguments.acts {
        None => Life::short(arguments.seed),
        Some(acts) => Life::long(arguments.seed, acts),
    };
    let threads = arguments.threads.or_else(|| std::thread::available_parallelism().ok());
    let effort = Effort {
        cuts_every: arguments.cuts_every,
        second_cuts_every: arguments.second_cuts_every,
        threads: threads.map_or(1, NonZeroUsize::get),
    };
    let bar = if arguments.quiet || !io::stderr().is_terminal() {
        ProgressBar::hidden()
    } else {
        ProgressBar::new(0)
    };
    let template = "{pos} of {len} cuts {bar:40} {percent:>3} %, {eta} left";
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    let summary = sweep(&life, effort, |done, of| {
        bar.set_length(of);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    if let Some(file) = json {
        let line = serde_json::to_string(&summary).map_err(|error| error.to_string())?;
        file.write(format!("{line}\n").as_bytes())?;
    }
    if !arguments.quiet {
        output::print(format_args!("{summary}\n"))?;
    } else if summary.violation_count > 0 {
        eprintln!("pawl-sim: {}; --json FILE lists them", violations(summary.violation_count));
    }
    Ok(ExitCode::from(u8::from(summary.violation_count > 0)))
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "A life of {} acts in {} segments, seed {}: {} steps of the flash, {} of them erasing a page.",
            grouped(self.acts as u64),
            self.segments,
            self.seed,
            grouped(self.steps),
            grouped(self.erases),
        )?;
        writeln!(
            f,
            "The power was cut {} times, and {} times once more in what followed; {} messages went out.",
            grouped(self.cuts),
            grouped(self.second_cuts),
            grouped(self.messages),
        )?;
        f.write_str(&verdict(self.violation_count == 0, self.violation_count))?;
        if self.violation_count == 0 {
            return Ok(());
        }
        f.write_str(":")?;
        for (kind, count) in &self.violations_by_kind {
            write!(f, "\n  {kind}: {}", grouped(*count))?;
        }
        for violation in &self.violations {
            write!(f, "\n  {violation}")?;
        }
        Ok(())
    }
}
