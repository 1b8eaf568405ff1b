//! The machine on which all of it was measured, and the versions of what was.

use std::process::Command;
use std::{fs, thread};

use serde::{Deserialize, Serialize};

use crate::workspace;

/// The peers, as crates are called.
const PEERS: [&str; 7] = [
    "matrix-sdk-crypto",
    "ruma-events",
    "serde_json",
    "serde-json-core",
    "vodozemac",
    "criterion",
    "gungraun",
];

/// A machine.
#[derive(Serialize, Deserialize)]
pub(super) struct Machine {
    pub(super) processor: String,
    pub(super) cores: usize,
    pub(super) system: String,
    pub(super) rustc: String,
    pub(super) valgrind: String,
    /// Of how many cores the machine had work, on average, in the quarter of an hour before.
    pub(super) load_before: String,
    /// Crates and their versions.
    pub(super) versions: Vec<(String, String)>,
    /// The commit, with `, changed` where the work tree is not that.
    pub(super) commit: String,
}

impl Machine {
    pub(super) fn look() -> Result<Self, String> {
        let kernel = said(Command::new("uname").args(["-s", "-r", "-m"]))?;
        let changed =
            !said(Command::new("git").args(["status", "--porcelain", "--", "core", "benches"]))?.is_empty();
        let commit = said(Command::new("git").args(["rev-parse", "--short=12", "HEAD"]))?;
        Ok(Machine {
            processor: processor(),
            cores: thread::available_parallelism().map_or(0, usize::from),
            system: kernel,
            rustc: said(Command::new("rustc").arg("--version"))?,
            valgrind: said(Command::new("valgrind").arg("--version"))?,
            load_before: load(),
            versions: versions(&workspace::read(&workspace::root().join("Cargo.lock"))?)?,
            commit: if changed { format!("{commit}, changed") } else { commit },
        })
    }
}

/// The one line that a program says.
fn said(command: &mut Command) -> Result<String, String> {
    let output = command
        .current_dir(workspace::root())
        .output()
        .map_err(|error| format!("cannot run {command:?}: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or_else(|| "a processor that does not say its name".to_owned(), |(_, name)| name.to_owned())
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').nth(2).unwrap_or("?").to_owned()
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    #[serde(default)]
    dependencies: Vec<String>,
}

/// The versions that the benchmarks are built with: where there are two of a crate in the lock file, a dependency is listed with its
/// version.
fn versions(lock: &str) -> Result<Vec<(String, String)>, String> {
    let lock: Lock =
        toml::from_str(lock).map_err(|error| format!("Cargo.lock is not understood: {error}"))?;
    let benches = lock.package.iter().find(|package| package.name == "pawl-benches");
    let benches = benches.ok_or("Cargo.lock has no pawl-benches")?;
    let version = |name: &str| {
        let dependency =
            benches.dependencies.iter().find(|dependency| dependency.split(' ').next() == Some(name))?;
        match dependency.split_once(' ') {
            Some((_, version)) => Some(version.to_owned()),
            None => Some(lock.package.iter().find(|package| package.name == name)?.version.clone()),
        }
    };
    PEERS
        .iter()
        .map(|&name| Ok((name.to_owned(), version(name).ok_or_else(|| format!("no version of {name}"))?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{PEERS, versions};

    #[test]
    fn of_two_versions_the_one_that_is_used_is_named() {
        let mut lock = String::new();
        let mut listed = Vec::new();
        for name in PEERS {
            lock += &format!("[[package]]\nname = \"{name}\"\nversion = \"1.0.0\"\n");
            listed.push(if name == "vodozemac" {
                "\"vodozemac 2.0.0\"".to_owned()
            } else {
                format!("\"{name}\"")
            });
        }
        lock += "[[package]]\nname = \"vodozemac\"\nversion = \"2.0.0\"\n";
        lock += &format!(
            "[[package]]\nname = \"pawl-benches\"\nversion = \"0.0.0\"\ndependencies = [{}]\n",
            listed.join(", ")
        );
        let versions = versions(&lock).unwrap();
        assert_eq!(versions[0], ("matrix-sdk-crypto".to_owned(), "1.0.0".to_owned()));
        assert_eq!(versions[4], ("vodozemac".to_owned(), "2.0.0".to_owned()));
    }
}
