//! The command line of `pawl-sim sweep`.

use std::io::{self, IsTerminal};
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Afresh, AllRun, ReportFile, SeedRange, Seeds, Shard, Subject, SweepReport, Work};
use crate::output::print;
use crate::scenario::command::name_or_file;
use crate::scenario::{Crypto, Source};
use crate::units::{panics, violations};

/// What `pawl-sim sweep` is told.
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// The scenarios to run with each seed: built-in ones by name (`pawl-sim scenarios` lists them), or TOML files
    #[arg(value_name = "SCENARIO", default_values = DEFAULT_SCENARIOS, value_parser = name_or_file(), hide_possible_values = true)]
    scenarios: Vec<String>,
    /// The seeds: 1000 for those from 1 to 1000, or 5..1005 for those from 5 to 1004, its end not included
    #[arg(long, value_name = "SEEDS", default_value = DEFAULT_SEEDS)]
    seeds: SeedRange,
    /// How deep to go: decisions only, or every message really encrypted and decrypted
    #[arg(long, value_name = "DEPTH", default_value = "none")]
    crypto: Crypto,
    /// How many messages ahead sessions are stored; unless told, as the scenarios say
    #[arg(long, value_name = "N")]
    reserve: Option<NonZeroU32>,
    /// How many seeds to run at once; unless told, one for each core
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Runs only this part of the seeds, the first being 1/N
    #[arg(long, value_name = "I/N", conflicts_with = "shards")]
    shard: Option<Shard>,
    /// How many shards there are; which one this is comes from Slurm or Kubernetes
    #[arg(long, value_name = "N")]
    shards: Option<NonZeroU64>,
    /// Keeps the report in this file, as JSON; what it already has of this sweep is not run again
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Begins afresh, whatever the file of --json holds
    #[arg(long, requires = "json")]
    afresh: bool,
    /// How often the file of --json is written
    #[arg(long, value_name = "TIME", default_value = "5s", requires = "json")]
    save_every: humantime::Duration,
    /// Prints neither progress nor summary
    #[arg(long)]
    quiet: bool,
}

/// What is swept where no scenario is named: what takes little time without cryptography.
const DEFAULT_SCENARIOS: [&str; 4] = ["drawn", "bad-clock", "public-room", "small-table"];

const DEFAULT_SEEDS: &str = "300";

const HELP: &str = "\
Without arguments it runs four quick scenarios with 300 seeds, decisions only: ten seconds or so on
two cores. One of them, `drawn`, is another for each seed: a short life full of corner cases.

The report holds sums, extremes and histograms of all seeds, and of each kind of violation the
lowest seed that shows it. It is written to FILE every five seconds, at the end and on Ctrl-C,
and the same command goes on where it stopped. With more --seeds it runs those in addition.

Many machines: each runs a shard, and `pawl-sim merge` adds their reports up to what one machine
would report. A Slurm array tells the shard, unless its tasks are not numbered evenly; an indexed
Job of Kubernetes does not tell how many there are:
  srun pawl-sim sweep --seeds 100000 --json part-$SLURM_ARRAY_TASK_ID.json
  pawl-sim sweep --seeds 100000 --shards 20 --json part-$JOB_COMPLETION_INDEX.json

Examples:
  pawl-sim sweep drawn --seeds 20
  pawl-sim sweep drawn --seeds 5..25 --json sweep.json              seeds 5 to 24, and a report
  pawl-sim sweep drawn --seeds 5..45 --json sweep.json              20 more
  pawl-sim sweep drawn --seeds 30 --shard 1/2 --json part-1.json    what one of two machines does
  pawl-sim sweep drawn --seeds 30 --shard 2/2 --json part-2.json    what the other does
  pawl-sim merge part-1.json part-2.json                            both together
  pawl-sim sweep small-table --seeds 2 --crypto vodozemac --jobs 1

Exit status: 0 all is well, 1 there was a violation or a panic, 2 wrong use or a file that cannot
be written, 130 interrupted.";

/// How soon an interruption is heeded.
const HEEDED_WITHIN: Duration = Duration::from_millis(100);

/// Sweeps, and says what came of it.
///
/// # Errors
/// A message for people.
pub fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    let sources = arguments.scenarios.iter().map(|name| Source::find(name)).collect::<Result<Vec<_>, _>>()?;
    let subject = Subject::new(sources, arguments.crypto, arguments.reserve)?;
    let shard = shard(arguments)?;
    let file = arguments.json.as_deref().map(ReportFile::new);
    let _claim = file.as_ref().map(ReportFile::claim).transpose()?;
    let afresh = if arguments.afresh { Afresh::Yes } else { Afresh::No };
    let mut report = match &file {
        None => SweepReport::new(subject.plan().clone(), arguments.seeds),
        Some(file) => file.begin(&subject, arguments.seeds, afresh)?,
    };
    let ours = match shard {
        None => Some(arguments.seeds),
        Some(shard) => shard.part_of(arguments.seeds),
    };
    if let (false, Some(shard)) = (arguments.quiet, shard) {
        let seeds = ours.map_or("none".to_owned(), |seeds| seeds.to_string());
        eprintln!("Shard {shard}, seeds: {seeds}.");
    }
    let sweep = Sweep { subject: &subject, ours, file, arguments };
    let end = sweep.run(&mut report)?;
    sweep.say(&report, end)
}

/// The part of the seeds that is run here; all of them where it is `None`.
fn shard(arguments: &Arguments) -> Result<Option<Shard>, String> {
    if arguments.shard.is_some() {
        return Ok(arguments.shard);
    }
    let said = arguments.shards.map(NonZeroU64::get);
    let shard = Shard::of_task(said, |name| std::env::var(name).ok())?;
    match (said, shard) {
        (Some(of), None) => Err(format!(
            "which of {of} shards is this? Neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX is set; say --shard I/{of}"
        )),
        _ => Ok(shard),
    }
}

/// How a sweep ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Complete,
    Interrupted,
}

struct Sweep<'a> {
    subject: &'a Subject,
    ours: Option<SeedRange>,
    file: Option<ReportFile>,
    arguments: &'a Arguments,
}

impl Sweep<'_> {
    fn run(&self, report: &mut SweepReport) -> Result<End, String> {
        // Written at once, so that nobody waits for a sweep whose report cannot be written.
        self.save(report)?;
        let interrupted = heed_interruptions()?;
        let to_run = self.to_run(report);
        let bar = self.progress_bar(&to_run);
        let jobs = self.arguments.jobs.or_else(|| thread::available_parallelism().ok());
        let work = Work::begin(self.subject, &to_run, jobs.unwrap_or(NonZeroUsize::MIN));
        let mut saved = Instant::now();
        let end = loop {
            match work.next_within(HEEDED_WITHIN) {
                Ok(None) => {}
                Ok(Some(of_a_seed)) => {
                    report.add(of_a_seed).map_err(|error| error.to_string())?;
                    bar.inc(1);
                }
                Err(AllRun) => break End::Complete,
            }
            if interrupted.load(Ordering::Relaxed) {
                break End::Interrupted;
            }
            if saved.elapsed() >= *self.arguments.save_every {
                self.save(report)?;
                saved = Instant::now();
            }
        };
        if end == End::Complete {
            let mut progress = |lines| bar.set_message(format!("a trace of {lines} lines shows a violation"));
            report.look_for_traces(self.subject, &mut progress);
        }
        bar.finish_and_clear();
        self.save(report)?;
        let left = self.to_run(report);
        if end == End::Complete && !left.is_empty() {
            return Err(format!("the threads that were to run these seeds are gone: {left}"));
        }
        Ok(end)
    }

    fn to_run(&self, report: &SweepReport) -> Seeds {
        self.ours.map(|ours| report.seeds.missing_of(ours)).unwrap_or_default()
    }

    fn save(&self, report: &SweepReport) -> Result<(), String> {
        self.file.as_ref().map_or(Ok(()), |file| file.save(report))
    }

    fn progress_bar(&self, to_run: &Seeds) -> ProgressBar {
        if self.arguments.quiet || !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let all = self.ours.map_or(0, SeedRange::count);
        let bar = ProgressBar::new(all).with_position(all - to_run.count());
        bar.reset_eta(); // what was run before took no time now
        let template = "{pos} of {len} seeds {bar:40} {percent:>3} %, {eta} left {msg}";
        bar.with_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        )
    }

    fn say(&self, report: &SweepReport, end: End) -> Result<ExitCode, String> {
        if end == End::Interrupted {
            let (run, left) = (report.seeds.count(), self.to_run(report).count());
            let goes_on = if self.file.is_some() { "; the same command goes on from there" } else { "" };
            eprintln!("pawl-sim: interrupted after {run} seeds, with {left} left{goes_on}");
            return Ok(ExitCode::from(130));
        }
        say(report, self.arguments.quiet)
    }
}

/// Prints what a report says, and tells the exit status.
///
/// # Errors
/// It cannot be printed.
pub(super) fn say(report: &SweepReport, quiet: bool) -> Result<ExitCode, String> {
    if !quiet {
        print(format_args!("{report}\n"))?;
    } else if !report.is_clean() {
        let (violations, panics) = (violations(report.violation_count()), panics(report.panic_count()));
        eprintln!("pawl-sim: {violations}, {panics}; --json FILE has the seeds");
    }
    Ok(ExitCode::from(u8::from(!report.is_clean())))
}

/// Whether somebody wants it to stop, by Ctrl-C or as a scheduler does.
fn heed_interruptions() -> Result<Arc<AtomicBool>, String> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = interrupted.clone();
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))
        .map_err(|error| format!("cannot heed Ctrl-C: {error}"))?;
    Ok(interrupted)
}
