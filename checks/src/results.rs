//! The benchmarks' page: runs all of them beside the peers, and writes `benches/RESULTS.md` with its plots. No number in it comes
//! from anywhere else.

mod aims;
mod machine;
mod page;
mod plots;
mod simulation;
mod times;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use std::{fs, io};

use serde::{Deserialize, Serialize};

use self::machine::Machine;
use self::simulation::Simulated;
use self::times::Times;
use crate::figures::grouped;
use crate::instructions::{self, Counts};
use crate::workspace;

/// The page, and its plots beside it.
const PAGE: &str = "benches/RESULTS.md";
const PLOTS: &str = "benches/plots";

/// The same for times and for instructions: with others, most of the peers would be built anew.
const FEATURES: &str = "peers,instructions";

/// All that is measured in one run.
#[derive(Serialize, Deserialize)]
struct Measured {
    machine: Machine,
    times: Times,
    instructions: Counts,
    simulated: Simulated,
}

/// Measures, unless that has been done, and writes the page.
pub(crate) fn write(measured: bool) -> Result<String, String> {
    let kept = workspace::scratch("results").join("measured.json");
    let measured = if measured { read(&kept)? } else { measure(&kept)? };
    for (name, plot) in plots::all(&measured)? {
        workspace::write_if_changed(&workspace::root().join(PLOTS).join(name), plot.as_bytes())?;
    }
    workspace::write(&workspace::root().join(PAGE), page::page(&measured)?.as_bytes())?;
    Ok(format!("{PAGE} is written, and its plots in {PLOTS}."))
}

fn read(kept: &Path) -> Result<Measured, String> {
    serde_json::from_str(&workspace::read(kept)?)
        .map_err(|error| format!("{} is not understood: {error}", kept.display()))
}

fn measure(kept: &Path) -> Result<Measured, String> {
    let machine = Machine::look()?;
    let mut steps = Steps { begin: Instant::now(), number: 0 };
    // Everything is built before anything is measured.
    steps.next("building the benchmarks and the peers, which takes minutes the first time");
    cargo(&["bench", "--locked", "-p", "pawl-benches", "--features", FEATURES, "--no-run"], None)?;
    cargo(&["build", "--locked", "--release", "-p", "pawl-sim-host"], None)?;
    steps.next("counting instructions");
    let instructions = instructions::count(&["instructions", "instructions_of_peers"], FEATURES)?;
    steps.next("measuring times");
    let times = run_criterion()?;
    steps.next("simulating");
    let simulated = Simulated::measure()?;
    let measured = Measured { machine, times, instructions, simulated };
    let text = serde_json::to_string_pretty(&measured).map_err(|error| error.to_string())?;
    workspace::write(kept, text.as_bytes())?;
    steps.next("writing");
    Ok(measured)
}

/// Says what is going on.
struct Steps {
    begin: Instant,
    number: u32,
}

impl Steps {
    fn next(&mut self, what: &str) {
        self.number += 1;
        eprintln!("\n[{}/5, after {} s] {what}", self.number, self.begin.elapsed().as_secs());
    }
}

fn run_criterion() -> Result<Times, String> {
    let home = workspace::scratch("results").join("criterion");
    if let Err(error) = fs::remove_dir_all(&home)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(format!("cannot remove {}: {error}", home.display()));
    }
    let mut arguments = vec!["bench", "--locked", "-p", "pawl-benches", "--features", FEATURES];
    for bench in ["rotation_check", "parse_settings", "device", "send"] {
        arguments.extend(["--bench", bench]);
    }
    arguments.extend(["--", "--noplot"]);
    cargo(&arguments, Some(&home))?;
    Times::read(&home)
}

/// Runs cargo, and shows what it says.
fn cargo(arguments: &[&str], criterion_home: Option<&Path>) -> Result<(), String> {
    let mut cargo = Command::new("cargo");
    if let Some(home) = criterion_home {
        cargo.env("CRITERION_HOME", home);
    }
    let status = cargo
        .args(arguments)
        .current_dir(workspace::root())
        .stdin(Stdio::null())
        .status()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("cargo {} failed", arguments.join(" "))) }
}

/// A number without what it has behind the point, its thousands apart.
fn whole(number: f64) -> String {
    grouped(format!("{number:.0}").parse().unwrap_or(0))
}

/// Where cargo puts what it builds.
fn target_directory() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => workspace::root().join(directory),
        None => workspace::root().join("target"),
    }
}
