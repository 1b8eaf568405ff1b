//! How the simulation grows with rooms and weeks: time and memory of `pawl-sim run --crypto none`, a process each; and what a room
//! stores.

use std::path::Path;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::workspace;

/// Each is measured so often; the median counts.
const RUNS: usize = 3;

/// A simulation.
#[derive(Serialize, Deserialize)]
pub(super) struct Point {
    /// Rooms, or weeks.
    pub(super) size: u32,
    pub(super) messages: u64,
    pub(super) seconds: f64,
    pub(super) peak_bytes: u64,
}

impl Point {
    pub(super) fn messages_a_second(&self) -> f64 {
        self.messages as f64 / self.seconds
    }
}

/// All simulations.
#[derive(Serialize, Deserialize)]
pub(super) struct Simulated {
    /// A week, in so many rooms.
    pub(super) rooms: Vec<Point>,
    /// So many weeks, in a hundred rooms.
    pub(super) weeks: Vec<Point>,
    /// The built-in scenario of ten thousand rooms.
    pub(super) ten_thousand_rooms: Point,
    pub(super) stored: Stored,
}

/// What a room with default settings and a steady stream of messages has stored of its sessions.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored {
    /// How many messages ahead sessions are stored.
    pub(super) reserve: u64,
    pub(super) messages: u64,
    pub(super) sessions: u64,
    pub(super) records: u64,
}

impl Simulated {
    pub(super) fn measure() -> Result<Self, String> {
        let points = |scenarios: Vec<(u32, String)>| -> Result<Vec<_>, String> {
            scenarios.iter().map(|(size, text)| simulate(*size, &file(text)?)).collect()
        };
        Ok(Simulated {
            rooms: points(more_rooms())?,
            weeks: points(more_weeks())?,
            ten_thousand_rooms: simulate(10_000, "ten-thousand-rooms")?,
            stored: Stored::measure()?,
        })
    }
}

impl Stored {
    fn measure() -> Result<Self, String> {
        let (_, report) = run(&file(&one_room_that_is_stored())?)?;
        Ok(Stored {
            reserve: number(&report, "reserve")?,
            messages: number(&report, "messages")?,
            sessions: number(&report, "sessions")?,
            records: number(&report, "records_stored")?,
        })
    }
}

fn one_room_that_is_stored() -> String {
    scenario(1, 4, "sessions")
}

fn more_rooms() -> Vec<(u32, String)> {
    [1, 10, 100, 1_000, 10_000].map(|rooms| (rooms, scenario(rooms, 1, "nothing"))).into()
}

fn more_weeks() -> Vec<(u32, String)> {
    [1, 2, 4, 8, 16, 32, 52].map(|weeks| (weeks, scenario(100, weeks, "nothing"))).into()
}

/// Rooms with a message every ten minutes each.
fn scenario(rooms: u32, weeks: u32, stores: &str) -> String {
    // A room by itself has no number.
    let number = if rooms > 1 { "-{n}" } else { "" };
    format!(
        r#"about = "How the simulation grows."
duration = "{weeks}w"
crypto = "none"

[device]
places = {rooms}
stores = "{stores}"

[[room]]
id = "!sensor{number}:example.org"
count = {rooms}
steady = {{ every = "10m", spread = true }}

[[room.event]]
at = "0s"
encryption = '{{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_ms":604800000,"rotation_period_msgs":100}}'
"#
    )
}

/// A scenario as a file, whose name it returns.
fn file(scenario: &str) -> Result<String, String> {
    let file = workspace::scratch("results").join("scenario.toml");
    workspace::write(&file, scenario.as_bytes())?;
    Ok(file.display().to_string())
}

fn simulate(size: u32, scenario: &str) -> Result<Point, String> {
    let mut runs = (0..RUNS).map(|_| once(size, scenario)).collect::<Result<Vec<_>, _>>()?;
    runs.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    let point = runs.swap_remove(RUNS / 2);
    let mebibytes = point.peak_bytes as f64 / f64::from(1 << 20);
    eprintln!("{} messages in {:.2} s, {mebibytes:.1} MiB", point.messages, point.seconds);
    Ok(point)
}

fn once(size: u32, scenario: &str) -> Result<Point, String> {
    let ((seconds, peak_bytes), report) = run(scenario)?;
    Ok(Point { size, messages: number(&report, "messages")?, seconds, peak_bytes })
}

/// Simulates once: the seconds it took, its peak memory, and its report.
fn run(scenario: &str) -> Result<((f64, u64), Value), String> {
    let report = workspace::scratch("results").join("report.json");
    let output = Command::new(super::target_directory().join("debug/peak-memory"))
        .arg(super::target_directory().join("release/pawl-sim"))
        .args(["run", "--quiet", "--crypto", "none", "--json"])
        .arg(&report)
        .arg(scenario)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot run peak-memory: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let used = said
        .trim()
        .split_once(' ')
        .and_then(|(seconds, peak)| Some((seconds.parse().ok()?, peak.parse().ok()?)))
        .filter(|_| output.status.success())
        .ok_or_else(|| format!("pawl-sim run {scenario} failed"))?;
    let report = read_report(&report)?;
    // What breaks a rule is no figure to be proud of.
    match number(&report, "violation_count")? {
        0 => Ok((used, report)),
        violations => Err(format!("pawl-sim run {scenario} found {violations} violations")),
    }
}

fn read_report(report: &Path) -> Result<Value, String> {
    serde_json::from_str(&workspace::read(report)?)
        .map_err(|error| format!("pawl-sim's report is not understood: {error}"))
}

fn number(report: &Value, name: &str) -> Result<u64, String> {
    report[name].as_u64().ok_or_else(|| format!("pawl-sim's report has no {name}"))
}

#[cfg(test)]
mod tests {
    use pawl_sim_host::scenario::Scenario;

    use super::{more_rooms, more_weeks, one_room_that_is_stored};

    #[test]
    fn each_scenario_is_one_that_is_simulated() {
        for (size, text) in [more_rooms(), more_weeks(), vec![(1, one_room_that_is_stored())]].concat() {
            if let Err(error) = Scenario::parse("scenario", &text) {
                panic!("of size {size}: {error}");
            }
        }
    }
}
