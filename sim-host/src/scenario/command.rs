//! `pawl-sim scenarios`: what scenarios there are.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Args;

use super::Scenario;
use crate::units::rough_duration;

/// The arguments of `pawl-sim scenarios`.
#[derive(Args)]
pub struct Arguments {
    /// Prints the text of this built-in scenario, to start one of your own from.
    #[arg(value_name = "NAME", conflicts_with = "names")]
    name: Option<String>,
    /// Prints the names alone, one a line.
    #[arg(long)]
    names: bool,
}

/// Prints what is asked for.
///
/// # Errors
/// There is no such scenario.
pub fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    let text = match &arguments.name {
        Some(name) => Scenario::text_of(name).ok_or_else(|| no_such_scenario(name))?.to_owned(),
        None if arguments.names => Scenario::names().map(|name| format!("{name}\n")).collect(),
        None => list(),
    };
    // Somebody who reads only the first lines has seen enough.
    let _closed = io::stdout().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

/// The scenario that somebody means: a built-in one by its name, or a file.
///
/// # Errors
/// There is no such scenario, or something is wrong with it.
pub fn find(name_or_file: &str) -> Result<Scenario, String> {
    if let Some(scenario) = Scenario::named(name_or_file) {
        return Ok(scenario);
    }
    let path = Path::new(name_or_file);
    if path.exists() || path.extension().is_some() {
        Scenario::open(path)
    } else {
        Err(no_such_scenario(name_or_file))
    }
}

fn no_such_scenario(name: &str) -> String {
    let names: Vec<&str> = Scenario::names().collect();
    format!("there is no scenario named {name}, nor a file; there are: {}", names.join(", "))
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
    text
}
