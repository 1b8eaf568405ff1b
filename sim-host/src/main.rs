//! The command line of the simulation.

#![forbid(unsafe_code)]

use std::io::{self, IsTerminal};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::{ContextKind, ErrorKind};
use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use indicatif::{ProgressBar, ProgressStyle};
use pawl_sim_host::output::{OutputFile, print};
use pawl_sim_host::page::Page;
use pawl_sim_host::parts::SoundParts;
use pawl_sim_host::report::Report;
use pawl_sim_host::scenario::{self, Crypto, Scenario};
use pawl_sim_host::simulation::{self, Plan};
use pawl_sim_host::{cause, compare, explain, powercut, sweep, trace};

/// Runs a Matrix kiosk through simulated weeks in seconds, with real Olm and Megolm sessions.
///
/// Without a command, `pawl-sim` runs the default scenario.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArguments,
}

const EXAMPLES: &str = "\
The simulation drives the real core. A scenario says what happens; an observer that shares no
code with the core judges every message; the report says what came of it.
`pawl-sim COMMAND --help` teaches each command.

Examples:
  pawl-sim run small-table              a scenario, with a summary; without a name, the default
  pawl-sim scenarios                    what scenarios there are
  pawl-sim sweep drawn --seeds 20       a life full of corner cases, another for each seed
  pawl-sim compare small-table --messages 10,100 --periods 1h,7d   what a choice of limits costs
  echo '{}' | pawl-sim explain          what a device makes of an m.room.encryption event
  pawl-sim powercut --cuts-every 200 --second-cuts-every 0

Exit status: 0 all is well, 1 the observer saw a violation, 2 wrong use or a file that cannot be
written.";

const RUN_EXAMPLES: &str = "\
Without --crypto the scenario says whether messages are really encrypted. With `none` the core
decides, counts, stores and restarts as ever, but nobody receives, and a simulated year takes
seconds. One scenario, depth and seed give one report, `wall_ms` apart.

Examples:
  pawl-sim run small-table --seed 7 --json report.json    another seed, a report for programs
  pawl-sim run public-room --crypto none                  decisions only
  pawl-sim run bad-power --crypto none --html page.html   a page to look at, which needs no network
  pawl-sim run drawn --seed 3 --quiet && echo all is well
  pawl-sim scenarios small-table >mine.toml               a scenario to start from
  pawl-sim run mine.toml --reserve 1                      sessions are stored a message ahead

Exit status: 0 all is well, 1 the observer saw a violation, 2 wrong use or a file that cannot be
written.";

#[derive(Subcommand)]
enum Command {
    /// Runs a scenario and says what came of it.
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArguments),
    /// Runs scenarios with many seeds, and keeps one report of all of them.
    Sweep(sweep::command::Arguments),
    /// Adds reports of sweeps up to one.
    Merge(sweep::merge::Arguments),
    /// Says what a device's limits cost and buy: runs a scenario with each of many choices of them.
    Compare(compare::command::Arguments),
    /// Lists the built-in scenarios, or prints one.
    Scenarios(scenario::command::Arguments),
    /// Says how a device would take the content of an `m.room.encryption` event, and why.
    Explain(explain::command::Arguments),
    /// Drives the core with a written trace and prints what it decides.
    Trace(trace::command::Arguments),
    /// Cuts a device's power at every step of its flash and judges what comes after.
    Powercut(powercut::command::Arguments),
    /// Prints what a shell needs to complete commands and options of pawl-sim.
    Completions(Completions),
}

#[derive(Args)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
struct Completions {
    /// The shell
    shell: Shell,
}

const COMPLETIONS_EXAMPLES: &str = "Examples:
  source <(pawl-sim completions bash)         in this shell, until it ends
  pawl-sim completions fish >pawl-sim.fish    fish looks for it in ~/.config/fish/completions
  pawl-sim completions zsh >_pawl-sim         zsh in the folders of its fpath";

#[derive(Args)]
struct RunArguments {
    /// The scenario to run: a built-in one by its name (`pawl-sim scenarios` lists them), or a TOML file.
    #[arg(default_value = Scenario::DEFAULT, value_parser = scenario::command::name_or_file(), hide_possible_values = true)]
    scenario: String,
    /// How deep to go: every message really encrypted and decrypted, or decisions only. Unless told: as the scenario says.
    #[arg(long, value_name = "DEPTH")]
    crypto: Option<Crypto>,
    /// Writes the report as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes the report as a page to look at: one HTML file that needs no network.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// The room whose life the page shows, by its ID. Unless told: that of the first violation, for which the run is done
    /// once more where it is another; without one, the first whose settings change, else the first that has several
    /// encryption events, else the first where people come and go, else the first that is encrypted, else the first.
    #[arg(long, value_name = "ID", requires = "html")]
    html_room: Option<String>,
    /// The seed of everything random but Olm's keys: one seed, one report (`wall_ms` apart).
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many messages ahead sessions are stored: after a power cut, up to as many are lost to a session's limit.
    /// Unless told: as the scenario says.
    #[arg(long, value_name = "N")]
    reserve: Option<NonZeroU32>,
    /// Prints neither progress nor summary.
    #[arg(long)]
    quiet: bool,
}

/// Whether options stand before a command.
fn is_before_command(error: &clap::Error) -> bool {
    error.get(ContextKind::InvalidSubcommand).is_some()
}

fn main() -> ExitCode {
    let command_line = match CommandLine::try_parse() {
        Ok(command_line) => command_line,
        // clap would take the scenario for a command that goes without the option.
        Err(error) if error.kind() == ErrorKind::ArgumentConflict && is_before_command(&error) => {
            eprintln!(
                "pawl-sim: a command comes before its options, as in `pawl-sim run small-table --seed 3`"
            );
            return ExitCode::from(2);
        }
        Err(error) => error.exit(),
    };
    let result = match command_line.command {
        None => run(&command_line.run),
        Some(Command::Run(arguments)) => run(&arguments),
        Some(Command::Sweep(arguments)) => sweep::command::run(&arguments),
        Some(Command::Merge(arguments)) => sweep::merge::run(&arguments),
        Some(Command::Compare(arguments)) => compare::command::run(&arguments),
        Some(Command::Scenarios(arguments)) => scenario::command::run(&arguments),
        Some(Command::Explain(arguments)) => explain::command::run(&arguments),
        Some(Command::Trace(arguments)) => trace::command::run(&arguments),
        Some(Command::Powercut(arguments)) => powercut::command::run(&arguments),
        Some(Command::Completions(Completions { shell })) => print_completions(shell),
    };
    result.unwrap_or_else(|message| {
        eprintln!("pawl-sim: {message}");
        ExitCode::from(2)
    })
}

fn print_completions(shell: Shell) -> Result<ExitCode, String> {
    let mut command = CommandLine::command();
    let mut text = Vec::new();
    if shell == Shell::Bash {
        // clap_complete 4.6 writes a script that finds no option of a subcommand where the program's name has a hyphen.
        clap_complete::generate(shell, &mut command, "pawl_sim", &mut text);
        let script = String::from_utf8_lossy(&text).replace(" pawl_sim\n", " pawl-sim\n");
        text = script.into_bytes();
    } else {
        clap_complete::generate(shell, &mut command, "pawl-sim", &mut text);
    }
    print(String::from_utf8_lossy(&text))?;
    Ok(ExitCode::SUCCESS)
}

fn run(arguments: &RunArguments) -> Result<ExitCode, String> {
    let scenario = scenario::command::find(&arguments.scenario, arguments.seed)?;
    let json = arguments.json.as_deref().map(OutputFile::writable).transpose()?;
    let html = arguments.html.as_deref().map(OutputFile::writable).transpose()?;
    let life_of = life_of(&scenario, arguments)?;
    let report = run_with_progress(&scenario, arguments, life_of.as_deref());
    if let Some(file) = json {
        let text = serde_json::to_string(&report).map_err(|error| error.to_string())?;
        file.write(format!("{text}\n").as_bytes())?;
    }
    if let Some(file) = html {
        let page = Page { scenario: &scenario, report: &report, command: &command(arguments) };
        file.write(page.to_html().as_bytes())?;
    }
    if !arguments.quiet {
        print(format_args!(
            "{report}\nTook {:.1} s: {} messages a second.\n",
            seconds(report.wall_ms),
            report.messages_a_second()
        ))?;
    } else if !report.is_clean() {
        eprintln!("pawl-sim: {}; --json FILE lists them", report.violations_in_words());
    }
    Ok(ExitCode::from(report.exit_status()))
}

/// The ID of the room whose life the page is to show, if there is to be one.
fn life_of(scenario: &Scenario, arguments: &RunArguments) -> Result<Option<String>, String> {
    match &arguments.html_room {
        Some(id) if !scenario.has_room(id) => Err(format!(
            "the scenario {} has no room {id}; such as {} it has",
            scenario.name,
            scenario.room_to_show()
        )),
        Some(id) => Ok(Some(id.clone())),
        None => Ok(arguments.html.as_ref().map(|_| scenario.room_to_show())),
    }
}

/// The command that makes the same page again, but for the files it writes.
fn command(arguments: &RunArguments) -> String {
    let mut command = format!("pawl-sim run {} --seed {}", arguments.scenario, arguments.seed);
    if let Some(crypto) = arguments.crypto {
        command.push_str(&format!(" --crypto {}", crypto.name()));
    }
    if let Some(reserve) = arguments.reserve {
        command.push_str(&format!(" --reserve {reserve}"));
    }
    command + " --html FILE"
}

impl RunArguments {
    /// The room of the first violation, where a page is wanted, and nobody said which room's life it is to have.
    fn room_to_show_instead(&self, report: &Report) -> Option<String> {
        let first = report.violations.iter().min_by_key(|violation| violation.step)?;
        let shown = report.life.as_ref()?.room.as_str();
        (self.html_room.is_none() && first.room != shown).then(|| first.room.clone())
    }
}

fn run_at(plan: &Plan<'_>, crypto: Crypto, progress: impl FnMut(u64)) -> Report {
    match crypto {
        Crypto::Vodozemac => simulation::run(plan, SoundParts, progress),
        Crypto::None => simulation::run_without_cryptography(plan, progress),
    }
}

fn run_with_progress(scenario: &Scenario, arguments: &RunArguments, life_of: Option<&str>) -> Report {
    let bar = if arguments.quiet || !io::stderr().is_terminal() {
        ProgressBar::hidden()
    } else {
        ProgressBar::new(scenario.duration_ms)
    };
    let template = "{msg} {bar:40} {percent:>3} %, {eta} left";
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(scenario.name.clone());
    let plan = Plan {
        reserve: arguments.reserve.unwrap_or(scenario.device.reserve),
        life_of,
        ..Plan::new(scenario, arguments.seed)
    };
    let progress = |at_ms| bar.set_position(at_ms);
    let crypto = arguments.crypto.unwrap_or(scenario.crypto);
    let mut report = match crypto {
        Crypto::Vodozemac => simulation::run_and_measure_wear(&plan, progress),
        Crypto::None => simulation::run_without_cryptography(&plan, progress),
    };
    if let Some(room) = arguments.room_to_show_instead(&report) {
        bar.set_message(format!("{}, for the room of its first violation", scenario.name));
        let again = Plan { life_of: Some(room.as_str()), ..plan };
        report.life = run_at(&again, crypto, |at_ms| bar.set_position(at_ms)).life;
    }
    let mut progress = |lines| bar.set_message(format!("a trace of {lines} lines shows a violation"));
    report.traces = cause::first_of_each_kind(&report.violations)
        .into_iter()
        .filter_map(|violation| cause::explain_violation(&plan, crypto, violation, &mut progress))
        .collect();
    bar.finish_and_clear();
    report
}

#[expect(clippy::cast_precision_loss, reason = "for people, to a tenth of a second")]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}
