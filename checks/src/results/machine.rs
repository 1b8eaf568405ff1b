//! The machine on which all of it was measured, what else it did meanwhile, and the versions of what was.

use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;
use std::{fs, thread};

use serde::{Deserialize, Serialize};

use super::whole;
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
    /// Crates and their versions.
    pub(super) versions: Vec<(String, String)>,
}

/// What a part was measured of, and beside what.
#[derive(Serialize, Deserialize)]
pub(super) struct Conditions {
    /// The commit, with `, changed` where the work tree is not that.
    pub(super) commit: String,
    pub(super) load: Load,
}

/// How many threads ran or waited for a core, the measured one included.
#[derive(Serialize, Deserialize)]
pub(super) struct Load {
    /// On average in the quarter of an hour before, as the kernel counts it.
    pub(super) before: f64,
    /// On average during the measuring.
    pub(super) mean: f64,
    /// At most during the measuring.
    pub(super) most: u32,
}

/// What the figures depend on; the page and its plots lie in there too.
const MEASURED: [&str; 8] = [
    "core",
    "benches",
    "checks",
    "sim-host",
    "Cargo.toml",
    "Cargo.lock",
    ":(exclude)benches/RESULTS.md",
    ":(exclude)benches/plots",
];

impl Conditions {
    /// Measures, and says under which conditions.
    pub(super) fn of<T>(measure: impl FnOnce() -> Result<T, String>) -> Result<(T, Self), String> {
        let changed =
            !said(Command::new("git").args(["status", "--porcelain", "--"]).args(MEASURED))?.is_empty();
        let commit = said(Command::new("git").args(["rev-parse", "--short=12", "HEAD"]))?;
        let commit = if changed { format!("{commit}, changed") } else { commit };
        let (measured, load) = Load::during(measure)?;
        Ok((measured?, Conditions { commit, load }))
    }
}

impl Load {
    fn during<T>(measure: impl FnOnce() -> T) -> Result<(T, Self), String> {
        let (before, _) = load_now()?;
        let (end, ended) = mpsc::channel::<()>();
        let watch = thread::spawn(move || {
            let (mut looks, mut sum, mut most) = (0_u32, 0.0, 0);
            loop {
                let waiting = load_now()?.1.saturating_sub(1); // this thread runs too
                (looks, sum, most) = (looks + 1, sum + f64::from(waiting), most.max(waiting));
                if ended.recv_timeout(Duration::from_secs(1)) != Err(RecvTimeoutError::Timeout) {
                    return Ok(Load { before, mean: sum / f64::from(looks), most });
                }
            }
        });
        let measured = measure();
        drop(end);
        let load: Result<Load, String> = watch.join().map_err(|_| "the load could not be watched")?;
        Ok((measured, load?))
    }
}

/// The average of a quarter of an hour, and how many threads run or wait now.
fn load_now() -> Result<(f64, u32), String> {
    let text = workspace::read(Path::new("/proc/loadavg"))?;
    load(&text).ok_or_else(|| format!("/proc/loadavg is not understood: {text}"))
}

/// As in `0.20 0.18 0.12 1/80 11206`.
fn load(text: &str) -> Option<(f64, u32)> {
    let mut words = text.split(' ').skip(2);
    let average = words.next()?.parse().ok()?;
    let (now, _) = words.next()?.split_once('/')?;
    Some((average, now.parse().ok()?))
}

impl Machine {
    pub(super) fn look() -> Result<Self, String> {
        let kernel = said(Command::new("uname").args(["-s", "-r", "-m"]))?;
        Ok(Machine {
            processor: processor(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default()),
            cores: thread::available_parallelism().map_or(0, usize::from),
            system: kernel,
            rustc: said(Command::new("rustc").arg("--version"))?,
            valgrind: said(Command::new("valgrind").arg("--version"))?,
            versions: versions(&workspace::read(&workspace::root().join("Cargo.lock"))?)?,
        })
    }

    /// Whether what is measured is built and counted by the same programs on both.
    pub(super) fn has_the_programs_of(&self, other: &Machine) -> bool {
        (&self.rustc, &self.valgrind, &self.versions) == (&other.rustc, &other.valgrind, &other.versions)
    }
}

/// The one line that a program says.
fn said(command: &mut Command) -> Result<String, String> {
    let output = command
        .current_dir(workspace::root())
        .output()
        .map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A processor as Linux tells of it, with as much of what tells it from others of its name as is told: little else than the name, where
/// it is no x86.
fn processor(cpuinfo: &str) -> String {
    let value = |key: &str| {
        let mut values = cpuinfo.lines().filter_map(|line| line.split_once(':'));
        values.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim())
    };
    let numbers = [("family", "cpu family"), ("model", "model"), ("stepping", "stepping")];
    let mut details: Vec<_> =
        numbers.iter().filter_map(|(name, key)| Some(format!("{name} {}", value(key)?))).collect();
    if let Some(megahertz) = value("cpu MHz").and_then(|megahertz| megahertz.parse().ok()) {
        details.push(format!("at {} MHz when it was looked at", whole(megahertz)));
    }
    if value("flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")) {
        details.push("in a virtual machine".to_owned());
    }
    let name = value("model name").unwrap_or("a processor that does not say its name");
    if details.is_empty() { name.to_owned() } else { format!("{name} ({})", details.join(", ")) }
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
    use super::{PEERS, load, processor, versions};

    #[test]
    fn of_a_processor_is_told_what_linux_tells() {
        let first = "processor\t: 0\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD EPYC\nstepping\t: 1\n\
                     cpu MHz\t\t: 2596.128\nflags\t\t: fpu hypervisor lahf_lm\n";
        let others = "\nprocessor\t: 1\nmodel name\t: another\n";
        assert_eq!(
            processor(&[first, others].concat()),
            "AMD EPYC (family 25, model 17, stepping 1, at 2,596 MHz when it was looked at, in a virtual machine)"
        );
        assert_eq!(processor("processor\t: 0\nmodel name\t: a\nflags\t\t: hypervisors\n"), "a");
        assert_eq!(
            processor("processor\t: 0\nCPU implementer\t: 0x41\n"),
            "a processor that does not say its name"
        );
    }

    #[test]
    fn the_load_is_read_as_linux_writes_it() {
        assert_eq!(load("0.20 0.18 0.12 1/80 11206\n"), Some((0.12, 1)));
        assert_eq!(load("0.20 0.18"), None);
    }

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
