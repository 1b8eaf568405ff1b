//! The command line of `pawl-sim merge`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{ReportFile, SweepReport, command};

/// What `pawl-sim merge` is told.
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// Reports of `pawl-sim sweep --json`, or of an earlier merge
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Writes the report of all of them as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// That seeds of the sweep are missing is as it should be: others will be merged later
    #[arg(long)]
    partial: bool,
    /// Prints no summary
    #[arg(long)]
    quiet: bool,
}

const HELP: &str = "\
The merged report is that of one machine which ran all the seeds, byte for byte but for `wall_ms`.
In which order, all at once or by and by, makes no difference. Reports that have a seed in common,
or that are not of the same scenarios, depth, reservation and version, are refused.

Examples:
  pawl-sim sweep drawn --seeds 20 --shard 1/2 --json half-1.json
  pawl-sim sweep drawn --seeds 20 --shard 2/2 --json half-2.json
  pawl-sim merge half-1.json half-2.json --json all.json
  pawl-sim merge half-1.json --partial                      what there is so far

Exit status: 0 all is well, 1 there was a violation or a panic, 2 wrong use, or files that do not
fit together or cannot be read or written, 3 no violation, but seeds are missing (not with
--partial).";

/// Merges, and says what came of it.
///
/// # Errors
/// A message for people.
pub fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    let mut merged: Option<SweepReport> = None;
    for path in &arguments.files {
        let report = ReportFile::new(path).load()?;
        match &mut merged {
            None => merged = Some(report),
            Some(merged) => merged
                .add(report)
                .map_err(|error| format!("{} does not fit what comes before it: {error}", path.display()))?,
        }
    }
    let merged = merged.ok_or("no file is named")?;
    if let Some(path) = &arguments.json {
        ReportFile::new(path).save(&merged)?;
    }
    let status = command::say(&merged, arguments.quiet)?;
    let missing = merged.missing();
    if missing.is_empty() || arguments.partial || !merged.is_clean() {
        return Ok(status);
    }
    eprintln!("pawl-sim: {} seeds of the sweep are missing: {missing}", missing.count());
    Ok(ExitCode::from(3))
}
