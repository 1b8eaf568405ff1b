//! `pawl-sim scenarios`: what scenarios there are.

use std::ffi::OsStr;
use std::process::ExitCode;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser, ValueParser};
use clap::error::Error;
use clap::{Arg, Args, Command};

use super::{Scenario, Source, drawn};
use crate::output::print;
use crate::units::rough_duration;

/// The arguments of `pawl-sim scenarios`.
#[derive(Args)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// Prints the text of this built-in scenario, to start one of your own from.
    #[arg(value_name = "NAME", conflicts_with = "names", value_parser = name_or_file(), hide_possible_values = true)]
    name: Option<String>,
    /// Prints the names alone, one a line.
    #[arg(long)]
    names: bool,
    /// The seed that the scenario `drawn` is drawn from; the others are the same for every seed.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

const HELP: &str = "\
A scenario is a TOML file: a device and its clock, its rooms with their traffic, and what goes
wrong. docs/scenarios.md in the repository has every field. What is wrong with a file is said by
line, column and field.

Examples:
  pawl-sim scenarios                                  what there is, with a sentence about each
  pawl-sim scenarios kiosk-month >mine.toml           one to start from
  pawl-sim run mine.toml --crypto none                and what becomes of it
  pawl-sim scenarios drawn --seed 7                   what the seed 7 draws

Exit status: 0, or 2 where there is no such scenario.";

/// Prints what is asked for.
///
/// # Errors
/// There is no such scenario.
pub fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    let text = match &arguments.name {
        Some(name) => text_of(name, arguments.seed)?,
        None if arguments.names => names().map(|name| format!("{name}\n")).collect(),
        None => list(),
    };
    print(text)?;
    Ok(ExitCode::SUCCESS)
}

/// The scenario that somebody means, with that seed: a built-in one by its name, or a file.
///
/// # Errors
/// There is no such scenario, or something is wrong with it.
pub fn find(name_or_file: &str, seed: u64) -> Result<Scenario, String> {
    Source::find(name_or_file).map(|source| source.scenario(seed).into_owned())
}

/// Takes any name or file. Completions offer the scenarios that are built in.
pub fn name_or_file() -> ValueParser {
    #[derive(Clone)]
    struct NameOrFile;

    impl TypedValueParser for NameOrFile {
        type Value = String;

        fn parse_ref(
            &self,
            command: &Command,
            argument: Option<&Arg>,
            value: &OsStr,
        ) -> Result<String, Error> {
            StringValueParser::new().parse_ref(command, argument, value)
        }

        fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
            Some(Box::new(names().map(PossibleValue::new)))
        }
    }

    ValueParser::new(NameOrFile)
}

/// All that can be named: those that are written, then the one that is drawn.
fn names() -> impl Iterator<Item = &'static str> {
    Scenario::names().chain([drawn::NAME])
}

pub(super) fn no_such_scenario(name: &str) -> String {
    let names: Vec<&str> = names().collect();
    format!("there is no scenario named {name}, nor a file; there are: {}", names.join(", "))
}

fn text_of(name: &str, seed: u64) -> Result<String, String> {
    if name == drawn::NAME {
        return Ok(drawn::text(seed));
    }
    Scenario::text_of(name).map(str::to_owned).ok_or_else(|| no_such_scenario(name))
}

fn list() -> String {
    let mut text = String::new();
    for name in Scenario::names() {
        if let Some(scenario) = Scenario::named(name) {
            let Scenario { about, duration_ms, crypto, .. } = &scenario;
            let (length, crypto) = (rough_duration(*duration_ms), crypto.name());
            text.push_str(&format!("{name} ({length}, --crypto {crypto})\n    {about}\n"));
        }
    }
    let (name, about) = (drawn::NAME, drawn::ABOUT);
    text.push_str(&format!("{name} (a few days, --crypto none)\n    {about}\n"));
    text
}
