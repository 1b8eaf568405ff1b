//! The benchmarks' page: runs all of them beside the peers, and writes `benches/RESULTS.md` with its plots. No number in it comes
//! from anywhere else.

mod aims;
mod layouts;
mod machine;
mod page;
mod plots;
mod simulation;
mod times;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use std::{fs, io};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use self::machine::{Conditions, Machine};
use self::simulation::Simulated;
use self::times::Times;
use crate::figures::grouped;
use crate::instructions::{self, Counts};
use crate::{names, workspace};

/// The page, and its plots beside it.
const PAGE: &str = "benches/RESULTS.md";
const PLOTS: &str = "benches/plots";

/// The same for times and for instructions: with others, most of the peers would be built anew.
pub(crate) const FEATURES: &str = "peers,instructions";

/// All that is measured.
struct Measured {
    machine: Machine,
    simulated: Simulated,
    instructions: Counts,
    times: Times,
    /// Under which conditions the last three were, by their names.
    conditions: Vec<(&'static str, Conditions)>,
}

/// A part of it, as it is kept.
#[derive(Serialize, Deserialize)]
struct Part<T> {
    measured: T,
    conditions: Conditions,
}

/// Measures, unless that has been done, and writes the page.
pub(crate) fn write(measured: bool) -> Result<String, String> {
    let measured = measure(measured)?;
    for (name, plot) in plots::all(&measured)? {
        workspace::write_if_changed(&workspace::root().join(PLOTS).join(name), plot.as_bytes())?;
    }
    workspace::write(&workspace::root().join(PAGE), page::page(&measured)?.as_bytes())?;
    Ok(format!("{PAGE} is written, and its plots in {PLOTS}."))
}

/// What is measured, in this order: what takes longest comes last.
const PARTS: [&str; 4] = ["machine", "simulated", "instructions", "times"];

fn measure(keep: bool) -> Result<Measured, String> {
    let mut steps = Steps { begin: Instant::now(), number: 0 };
    if !keep {
        for part in PARTS {
            remove(fs::remove_file(kept(part)))?;
        }
    }
    let [machine, simulated, instructions, times] = PARTS;
    let something_is_missing = PARTS.iter().any(|part| !kept(part).exists());
    let machine = steps.part(machine, "looking at the machine", Machine::look)?.measured;
    if something_is_missing {
        if !machine.has_the_programs_of(&Machine::look()?) {
            return Err("the compiler, valgrind or a crate is another than when the first part was measured: measure all of it, \
                        without --measured"
                .to_owned());
        }
        // Everything is built before anything is measured.
        steps.next("building the benchmarks and the peers, which takes minutes the first time");
        cargo(&["bench", "--locked", "-p", "pawl-benches", "--features", FEATURES, "--no-run"])?;
        names::check(FEATURES, "bench")?;
        cargo(&["build", "--locked", "--release", "-p", "pawl-sim-host"])?;
        cargo(&["build", "--locked", "-p", "pawl-checks", "--bin", "peak-memory"])?;
    }
    let layouts = if kept(times).exists() {
        Vec::new()
    } else {
        steps.next("building what is timed in other layouts");
        layouts::build()?
    };
    let simulations = steps.part(simulated, "simulating", Simulated::measure)?;
    let counts = steps.part(instructions, "counting instructions", || {
        instructions::count(&["instructions", "instructions_of_peers"], FEATURES)
    })?;
    let criterion = steps.part(times, "measuring times", || time(&layouts))?;
    Ok(Measured {
        machine,
        simulated: simulations.measured,
        instructions: counts.measured,
        times: criterion.measured,
        conditions: vec![
            (simulated, simulations.conditions),
            (instructions, counts.conditions),
            (times, criterion.conditions),
        ],
    })
}

/// Where a part is kept once it is measured.
fn kept(part: &str) -> PathBuf {
    workspace::scratch("results").join(format!("{part}.json"))
}

/// It is as well if there was nothing to remove.
fn remove(removed: io::Result<()>) -> Result<(), String> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(format!("cannot remove what was measured before: {error}"))
        }
        _ => Ok(()),
    }
}

/// Says what is going on.
struct Steps {
    begin: Instant,
    number: u32,
}

impl Steps {
    fn next(&mut self, what: &str) {
        self.number += 1;
        eprintln!(
            "\n[{}/{}, after {} s] {what}",
            self.number,
            PARTS.len() + 2,
            self.begin.elapsed().as_secs()
        );
    }

    /// Measures a part and keeps it at once, or takes the one that is kept.
    fn part<T: Serialize + DeserializeOwned>(
        &mut self,
        part: &str,
        what: &str,
        measure: impl FnOnce() -> Result<T, String>,
    ) -> Result<Part<T>, String> {
        let kept = kept(part);
        if kept.exists() {
            return serde_json::from_str(&workspace::read(&kept)?)
                .map_err(|error| format!("{} is not understood: {error}", kept.display()));
        }
        self.next(what);
        let (measured, conditions) = Conditions::of(measure)?;
        let part = Part { measured, conditions };
        let text = serde_json::to_string_pretty(&part).map_err(|error| error.to_string())?;
        workspace::write(&kept, text.as_bytes())?;
        Ok(part)
    }
}

/// Times all benchmarks in each layout, one round after another, and the first layout once more at the end: when the machine drifts, rounds
/// differ, and not only the two sides of a comparison, of which one is always timed first.
fn time(layouts: &[Vec<PathBuf>]) -> Result<Times, String> {
    let mut rounds = Vec::new();
    for (number, programs) in layouts.iter().chain(layouts.first()).enumerate() {
        eprintln!("round {} of {}", number + 1, layouts.len() + 1);
        let home = workspace::scratch("results").join(format!("criterion-{}", number + 1));
        remove(fs::remove_dir_all(&home))?;
        for program in programs {
            criterion(program, &home)?;
        }
        rounds.push(times::round(&home)?);
    }
    let again = rounds.pop().ok_or("there is no layout")?;
    Ok(Times::new(rounds, again))
}

/// Shorter than criterion's own times and with fewer resamples, so that there is time for all layouts.
const CRITERION: &str = "--bench --noplot --warm-up-time 0.3 --measurement-time 1 --nresamples 20000";

/// Runs a timed program as cargo would.
fn criterion(program: &Path, home: &Path) -> Result<(), String> {
    let mut command = Command::new(program);
    command.args(CRITERION.split(' ')).env("CRITERION_HOME", home);
    succeed(command.current_dir(workspace::root().join("benches")))
}

/// Runs cargo, and shows what it says.
fn cargo(arguments: &[&str]) -> Result<(), String> {
    succeed(Command::new("cargo").args(arguments).current_dir(workspace::root()))
}

/// Runs something that has to succeed, and shows what it says.
fn succeed(command: &mut Command) -> Result<(), String> {
    let status =
        command.stdin(Stdio::null()).status().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} failed")) }
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
