//! Plants bugs in a copy of the workspace, one at a time, and sees that a sweep of the simulation finds each within 1,000
//! seeds, with a trace of at most 12 lines that shows it with the bug and does not without.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

use serde::Deserialize;
use serde_json::Value;

use crate::workspace;

/// The seeds that are swept, up to each of these at a time, until the bug is found.
const SEEDS: [u32; 4] = [30, 100, 300, 1_000];
const MOST_LINES: usize = 12;

/// The file of bugs.
#[derive(Deserialize)]
struct Bugs {
    bug: Vec<Bug>,
}

/// A bug: a text in a file that is replaced by another.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bug {
    /// What goes wrong.
    name: String,
    /// The rules that it breaks.
    rules: Vec<String>,
    /// The kind of violation by which it is found.
    violation: String,
    /// The file, relative to the workspace.
    file: PathBuf,
    /// What stands there, once.
    old: String,
    /// What the bug makes of it.
    new: String,
}

/// Checks every bug whose name contains `part`.
pub(crate) fn check(part: &str) -> Result<String, String> {
    let list = workspace::read(&workspace::root().join("checks/planted.toml"))?;
    let list: Bugs = toml::from_str(&list).map_err(|error| format!("checks/planted.toml: {error}"))?;
    let bugs: Vec<_> = list.bug.iter().filter(|bug| bug.name.contains(part)).collect();
    if bugs.is_empty() {
        return Err(format!("no bug is named …{part}…"));
    }
    let began = Instant::now();
    let bench = Bench::new()?;
    let sound = bench.build("sound")?;
    for (number, bug) in bugs.iter().enumerate() {
        let found = bench.try_out(bug, &sound).map_err(|why| format!("{}: {why}", bug.name))?;
        println!("[{}/{}] {} ({}): {found}", number + 1, bugs.len(), bug.name, bug.rules.join(", "));
    }
    Ok(format!("{} planted bugs, each found and shrunk, in {} s", bugs.len(), began.elapsed().as_secs()))
}

/// A copy of the workspace in which one bug is tried out after the other, with one build directory for all of them.
struct Bench {
    copy: PathBuf,
    build: PathBuf,
    programs: PathBuf,
}

impl Bench {
    fn new() -> Result<Self, String> {
        // Where the first of the planted mistakes' copies is, so that other people's crates are built once for both.
        let folder = workspace::scratch("mistakes").join("0");
        let bench = Bench {
            copy: folder.join("workspace"),
            build: folder.join("build"),
            programs: workspace::scratch("planted"),
        };
        workspace::copy_to(&bench.copy)?;
        fs::create_dir_all(&bench.programs).map_err(|error| format!("cannot make a folder: {error}"))?;
        Ok(bench)
    }

    /// Builds `pawl-sim` as the copy is now; the program gets this name. With the profile of tests a build and a sweep
    /// together are quickest.
    fn build(&self, name: &str) -> Result<Program, String> {
        let mut command = Command::new(env!("CARGO"));
        command.args(["build", "--quiet", "--locked", "--profile", "test", "-p", "pawl-sim-host"]);
        command.args(["--bin", "pawl-sim"]).current_dir(&self.copy).env("CARGO_TARGET_DIR", &self.build);
        command.env("CARGO_PROFILE_TEST_DEBUG", "0"); // as the planted mistakes
        let output = command.output().map_err(|error| format!("cannot run cargo: {error}"))?;
        if !output.status.success() {
            return Err(format!("it does not compile:\n{}", text(&output.stderr)));
        }
        let program = self.programs.join(name);
        fs::copy(self.build.join("debug/pawl-sim"), &program)
            .map_err(|error| format!("cannot copy pawl-sim: {error}"))?;
        Ok(Program(program))
    }

    /// Plants a bug, builds the program, and takes the bug out again. Says how it was found.
    fn try_out(&self, bug: &Bug, sound: &Program) -> Result<String, String> {
        let path = self.copy.join(&bug.file);
        let source = workspace::read(&path)?;
        if source.matches(&bug.old).count() != 1 {
            return Err(format!("`old` does not stand exactly once in {}", bug.file.display()));
        }
        workspace::write(&path, source.replace(&bug.old, &bug.new).as_bytes())?;
        let buggy = self.build("buggy");
        workspace::write(&path, source.as_bytes())?;
        let buggy = buggy?;

        let (seed, trace) = self.sweep(&buggy, bug)?;
        let lines = trace.lines().count();
        if lines > MOST_LINES {
            return Err(format!("seed {seed}: the trace has {lines} lines:\n{trace}"));
        }
        let file = self.programs.join("trace.jsonl");
        workspace::write(&file, trace.as_bytes())?;
        let with = buggy.run(&["trace", "--judge"], &file)?;
        if with.status.code() != Some(1) || !text(&with.stderr).contains(&bug.violation) {
            return Err(format!("seed {seed}: the trace does not show it:\n{trace}{}", text(&with.stderr)));
        }
        let without = sound.run(&["trace", "--judge"], &file)?;
        if !without.status.success() {
            return Err(format!(
                "seed {seed}: without it the trace is not clean:\n{trace}{}",
                text(&without.stderr)
            ));
        }
        Ok(format!("{} with seed {seed}, in {lines} lines\n{}", bug.violation, trace.trim_end()))
    }

    /// The lowest seed of a sweep that shows it, and the trace that comes with it.
    fn sweep(&self, buggy: &Program, bug: &Bug) -> Result<(u64, String), String> {
        let report = self.programs.join("sweep.json");
        let _ = fs::remove_file(&report);
        for seeds in SEEDS {
            let seeds = seeds.to_string();
            let output = buggy.run(&["sweep", "drawn", "--quiet", "--seeds", &seeds, "--json"], &report)?;
            if !matches!(output.status.code(), Some(0 | 1)) {
                return Err(format!("the sweep fails:\n{}", text(&output.stderr)));
            }
            let finding = &json(&report)?["scenarios"]["drawn"]["violations"][&bug.violation];
            if let Some(seed) = finding["lowest_seed"].as_u64() {
                let lines = finding["first"]["trace"]["lines"].as_array();
                let lines = lines.ok_or_else(|| format!("seed {seed}: no trace shows it"))?;
                let lines = lines.iter().filter_map(Value::as_str).map(|line| format!("{line}\n"));
                return Ok((seed, lines.collect()));
            }
        }
        Err(format!("no sweep of {} seeds finds it as {}", SEEDS[SEEDS.len() - 1], bug.violation))
    }
}

/// A built `pawl-sim`.
struct Program(PathBuf);

impl Program {
    fn run(&self, arguments: &[&str], file: &Path) -> Result<Output, String> {
        let output = Command::new(&self.0).args(arguments).arg(file).output();
        output.map_err(|error| format!("cannot run {}: {error}", self.0.display()))
    }
}

fn json(path: &Path) -> Result<Value, String> {
    serde_json::from_str(&workspace::read(path)?).map_err(|error| format!("{}: {error}", path.display()))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
