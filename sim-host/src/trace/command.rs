//! The command line of `pawl-sim trace`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{Judgement, TraceError};
use crate::explain::printable;
use crate::observer::Violation;
use crate::units::violations;

/// What `pawl-sim trace` is told.
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// The trace, one JSON object a line; standard input where none is named
    file: Option<PathBuf>,
    /// Lets an observer that shares no code with the core judge what goes out; violations are printed on standard error
    #[arg(long)]
    judge: bool,
}

const HELP: &str = r#"A line is an operation `op` at a true time `at`, in ms. The first may be a `config`.
  {"op":"config","limits":{"messages":[1,10000],"period_ms":[3600000,2419200000]},"policy":"ratchet",
   "max_rooms":64,"complete":true,"plaintext":true,"clock":{"bits":64,"hz":1000,"at_boot":0},"rtc":false,"reserve":16}
  With rtc, a clock goes on over restarts, and sessions are stored too, `reserve` messages ahead.
  encryption        room, content (any JSON) or raw (a string with the content's bytes)
  send              room, count, share: "ok" or "fail"
  member            room, membership, previous (a membership, "none", or left out), limited
  visibility        room, value
  device_removed, request_rotation, reset_settings, forget        room
  resync_begin, resync_end, tick
  clock_back        ms: from now on the device's clock shows that much less
  sleep             ms, known: the clock stood still for so much of the time since the last line
  restart           clean: true if the device is told before, false for a power cut

Examples:
  echo '{"at":0,"op":"send","room":"!a"}' | pawl-sim trace    to a room that is not encrypted
  pawl-sim trace sim-host/traces/redacted.jsonl               a story of the repository's

Exit status: 0; 1 where --judge found a violation; 2 where a line is wrong, and the message names it."#;

/// Runs the trace and prints what the core decides, up to a line that is wrong.
///
/// # Errors
/// A message for people: a file that cannot be read, or the first line that is wrong.
pub fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    let input: Box<dyn BufRead> = match &arguments.file {
        None => Box::new(io::stdin().lock()),
        Some(path) => {
            let file =
                File::open(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            Box::new(BufReader::new(file))
        }
    };
    let output = BufWriter::new(io::stdout().lock());
    let (judgement, result) = if arguments.judge {
        super::judge(input, output)
    } else {
        (Judgement::default(), super::run(input, output))
    };
    print_judgement(&judgement);
    match result {
        Ok(()) => Ok(ExitCode::from(u8::from(judgement.violation_count > 0))),
        // Nobody reads on.
        Err(TraceError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => Err(match &arguments.file {
            Some(path) => format!("{}: {error}", path.display()),
            None => error.to_string(),
        }),
    }
}

fn print_judgement(judgement: &Judgement) {
    for Violation { kind, step, room, detail, .. } in &judgement.violations {
        eprintln!("line {step}: {}: in {}: {detail}", kind.name(), printable::room(room));
    }
    let kept = u64::try_from(judgement.violations.len()).unwrap_or(u64::MAX);
    if judgement.violation_count > kept {
        eprintln!("… {} in all", violations(judgement.violation_count));
    }
}
