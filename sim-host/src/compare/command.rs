//! The command line of `pawl-sim compare`.

use std::io::{self, IsTerminal};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Comparison, Effort, Grid, compare};
use crate::output::{OutputFile, print};
use crate::scenario::{self, Crypto, Ms, Scenario};
use crate::table::columns;
use crate::units::violations;

/// The scenario that is compared where none is named.
pub const DEFAULT_SCENARIO: &str = "three-rooms";

/// What `pawl-sim compare` is told.
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// The scenario to run: a built-in one by its name (`pawl-sim scenarios` lists them), or a TOML file
    #[arg(default_value = DEFAULT_SCENARIO, value_parser = scenario::command::name_or_file(), hide_possible_values = true)]
    scenario: String,
    /// The numbers of messages a session, separated by commas
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,10,100,1000,10000")]
    messages: Vec<NonZeroU32>,
    /// The periods of a session, separated by commas, such as 90m,1d,7d
    #[arg(long, value_name = "TIME,…", value_delimiter = ',', value_parser = period, default_value = "1h,6h,1d,7d,28d")]
    periods: Vec<Ms>,
    /// The seed of everything random but Olm's keys; all choices have the same
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Runs each choice with so many seeds, --seed and those after it, and says how far apart they lie
    #[arg(long, value_name = "N", default_value = "1")]
    seeds: NonZeroU32,
    /// How deep to go: every message really encrypted and decrypted, or decisions only. The figures are the same
    #[arg(long, value_name = "DEPTH", default_value = "none")]
    crypto: Crypto,
    /// How many messages ahead sessions are stored. Unless told: as the scenario says
    #[arg(long, value_name = "N")]
    reserve: Option<NonZeroU32>,
    /// How many choices to run at the same time; as many as there are cores where it is not said
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Writes every figure of every choice as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes cost against exposure as a picture
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Prints neither progress nor tables
    #[arg(long)]
    quiet: bool,
}

const HELP: &str = "The scenario is run once for each number of messages with each period, with the device's limits pinned to
that choice: whatever a room asks for becomes so many messages and that period. That is what an integrator can set.
docs/choosing-limits.md says how to read what comes of it.

Examples:
  pawl-sim compare                                       what limits cost and buy, in three rooms
  pawl-sim compare public-room --messages 50,100,200 --periods 1d,7d
  pawl-sim compare mine.toml --svg limits.svg            your own scenario, and a picture
  pawl-sim compare small-table --messages 10,99 --periods 1d --seeds 3   what of it is chance
  pawl-sim compare --json limits.json --quiet            every figure, for programs

Exit status: 0 all is well, 1 the observer saw a violation, 2 wrong use or a file that cannot be written.";

fn period(text: &str) -> Result<Ms, String> {
    match scenario::parse_ms(text)? {
        Ms(0) => Err("a period is at least 1ms".to_owned()),
        period => Ok(period),
    }
}

/// Compares, and says what came of it.
///
/// # Errors
/// A message for people: there is no such scenario, or something cannot be written.
pub fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    let scenario = scenario::command::find(&arguments.scenario, arguments.seed)?;
    if arguments.seed.checked_add(u64::from(arguments.seeds.get()) - 1).is_none() {
        return Err(format!("after seed {} there are no {} seeds", arguments.seed, arguments.seeds));
    }
    let json = arguments.json.as_deref().map(OutputFile::writable).transpose()?;
    let svg = arguments.svg.as_deref().map(OutputFile::writable).transpose()?;
    let comparison = compare_with_progress(&scenario, arguments);
    if let Some(file) = json {
        let text = serde_json::to_string(&comparison).map_err(|error| error.to_string())?;
        file.write(format!("{text}\n").as_bytes())?;
    }
    if let Some(file) = svg {
        file.write(comparison.picture().as_bytes())?;
    }
    if !arguments.quiet {
        print(comparison.text(columns().unwrap_or(WIDTH_ELSEWHERE)))?;
    } else if !comparison.is_clean() {
        eprintln!("pawl-sim: {}; --json FILE lists them", violations(comparison.violation_count));
    }
    Ok(ExitCode::from(u8::from(!comparison.is_clean())))
}

fn compare_with_progress(scenario: &Scenario, arguments: &Arguments) -> Comparison {
    let grid = Grid {
        messages: arguments.messages.iter().copied().collect(),
        periods_ms: arguments.periods.iter().map(|Ms(period_ms)| *period_ms).collect(),
    };
    let threads = arguments.threads.or_else(|| std::thread::available_parallelism().ok());
    let effort = Effort {
        seed: arguments.seed,
        seeds: arguments.seeds,
        crypto: arguments.crypto,
        reserve: arguments.reserve,
        threads: threads.unwrap_or(NonZeroUsize::MIN),
    };
    let choices = (grid.messages.len() * grid.periods_ms.len()) as u64;
    let runs = choices.saturating_mul(arguments.seeds.get().into());
    let bar = if arguments.quiet || !io::stderr().is_terminal() {
        ProgressBar::hidden()
    } else {
        ProgressBar::new(runs.saturating_mul(scenario.duration_ms))
    };
    let template = "{msg} {bar:40} {percent:>3} %, {eta} left";
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(format!("{} with {choices} choices", scenario.name));
    let comparison = compare(scenario, &grid, &effort, &|ms| bar.inc(ms));
    bar.finish_and_clear();
    comparison
}

/// How wide the tables may be where they are not printed on a terminal, in columns.
const WIDTH_ELSEWHERE: usize = 100;
