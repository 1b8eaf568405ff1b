//! The command line of `pawl-sim explain`.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use pawl_core::json::MAX_LENGTH;
use pawl_core::settings::Limits;

use super::explain;
use crate::output::print;

/// What `pawl-sim explain` is told.
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// The file that holds the content, byte for byte; standard input where none is named
    file: Option<PathBuf>,
    /// Prints one line of JSON for programs.
    #[arg(long)]
    json: bool,
    /// The fewest and the most messages of a session [default: 1 10000]
    #[arg(long, num_args = 2, value_names = ["LOWEST", "HIGHEST"])]
    limits_messages: Vec<u32>,
    /// The shortest and the longest period, in ms [default: 3600000 2419200000]
    #[arg(long, num_args = 2, value_names = ["LOWEST", "HIGHEST"])]
    limits_period_ms: Vec<u64>,
}

const HELP: &str = r#"The content is the object that stands under `content` in the event. Five of its keys count:
algorithm, rotation_period_msgs, rotation_period_ms, encrypt_state_events, and the unstable
name of the last, io.element.msc4362.encrypt_state_events. It is one of three things:
  usable       encrypt with Megolm; values beyond the limits or of a wrong type are replaced
  unsupported  of another algorithm than m.megolm.v1.aes-sha2: nothing is sent
  malformed    not to be understood, or in more than one way: nothing is sent

Examples:
  echo '{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_msgs":0}' >content.json
  pawl-sim explain content.json                       what is taken for that 0, and why
  pawl-sim explain --json content.json                the same for programs
  pawl-sim explain --limits-messages 10 500 --limits-period-ms 60000 86400000 content.json
  echo '{}' | pawl-sim explain                        what a redacted event comes to

Exit status: 0 usable, 3 unsupported, 4 malformed, 2 wrong use or a file that cannot be read."#;

/// Reads the content, prints what a device makes of it, and returns its outcome as the exit status.
///
/// # Errors
/// Wrong limits, or a content that cannot be read: what to tell the user.
pub fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    let limits = limits(&arguments.limits_messages, &arguments.limits_period_ms)?;
    let content = match &arguments.file {
        Some(path) => read_file(path)?,
        None => read_standard_input()?,
    };
    let finding = explain(&content, &limits);
    if arguments.json {
        print(format_args!("{}\n", finding.to_json()))?;
    } else {
        print(finding.to_text(width()))?;
    }
    Ok(ExitCode::from(finding.outcome.exit_status()))
}

fn limits(messages: &[u32], period_ms: &[u64]) -> Result<Limits, String> {
    let usual = Limits::default();
    let limits = match messages {
        [] => usual,
        [lowest, highest] => Limits::new(*lowest..=*highest, usual.period_ms())
            .map_err(|error| format!("--limits-messages {lowest} {highest}: {error}"))?,
        _ => return Err("--limits-messages can be given only once".to_owned()),
    };
    match period_ms {
        [] => Ok(limits),
        [lowest, highest] => Limits::new(limits.messages(), *lowest..=*highest)
            .map_err(|error| format!("--limits-period-ms {lowest} {highest}: {error}")),
        _ => Err("--limits-period-ms can be given only once".to_owned()),
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    File::open(path).and_then(read_bounded).map_err(|error| {
        format!(
            "cannot read {}: {error}; name a file that holds the content, or none to read standard input",
            path.display()
        )
    })
}

fn read_standard_input() -> Result<Vec<u8>, String> {
    let input = io::stdin();
    if input.is_terminal() {
        eprintln!("pawl-sim: type the content, then end the input (Ctrl-D)");
    }
    read_bounded(input.lock()).map_err(|error| format!("cannot read standard input: {error}"))
}

/// One byte more than a content may have shows that it is too long; no more is read.
fn read_bounded(input: impl Read) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    input.take(MAX_LENGTH as u64 + 1).read_to_end(&mut content)?;
    Ok(content)
}

/// As wide as the terminal, within what can be read well.
fn width() -> usize {
    terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0).clamp(40, 100))
}
