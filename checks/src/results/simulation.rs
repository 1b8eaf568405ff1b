//! How the simulation grows with rooms and weeks: time and memory of `pawl-sim run --crypto none`, a process each.

use std::process::{Command, Stdio};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use wait4::Wait4;

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
}

impl Simulated {
    pub(super) fn measure() -> Result<Self, String> {
        let rooms = [1, 10, 100, 1_000, 10_000].map(|rooms| (rooms, scenario(rooms, 1)));
        let weeks = [1, 2, 4, 8, 16, 32, 52].map(|weeks| (weeks, scenario(100, weeks)));
        let points = |scenarios: &[(u32, String)]| -> Result<Vec<_>, String> {
            scenarios.iter().map(|(size, text)| simulate_file(*size, text)).collect()
        };
        Ok(Simulated {
            rooms: points(&rooms)?,
            weeks: points(&weeks)?,
            ten_thousand_rooms: simulate(10_000, "ten-thousand-rooms")?,
        })
    }
}

/// Rooms with a message every ten minutes each.
fn scenario(rooms: u32, weeks: u32) -> String {
    format!(
        r#"about = "How the simulation grows."
duration = "{weeks}w"
crypto = "none"

[device]
places = {rooms}
stores = "nothing"

[[room]]
id = "!sensor-{{n}}:example.org"
count = {rooms}
steady = {{ every = "10m", spread = true }}

[[room.event]]
at = "0s"
encryption = '{{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_ms":604800000,"rotation_period_msgs":100}}'
"#
    )
}

fn simulate_file(size: u32, scenario: &str) -> Result<Point, String> {
    let file = workspace::scratch("results").join("scenario.toml");
    workspace::write(&file, scenario.as_bytes())?;
    simulate(size, &file.display().to_string())
}

fn simulate(size: u32, scenario: &str) -> Result<Point, String> {
    let mut runs = (0..RUNS).map(|_| once(size, scenario)).collect::<Result<Vec<_>, _>>()?;
    runs.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    let point = runs.swap_remove(RUNS / 2);
    eprintln!("{} messages in {:.2} s, {} MiB", point.messages, point.seconds, point.peak_bytes >> 20);
    Ok(point)
}

fn once(size: u32, scenario: &str) -> Result<Point, String> {
    let report = workspace::scratch("results").join("report.json");
    let begin = Instant::now();
    let mut simulation = Command::new(super::target_directory().join("release/pawl-sim"))
        .args(["run", "--quiet", "--crypto", "none", "--json"])
        .arg(&report)
        .arg(scenario)
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| format!("cannot run pawl-sim: {error}"))?;
    let used = simulation.wait4().map_err(|error| format!("cannot wait for pawl-sim: {error}"))?;
    let seconds = begin.elapsed().as_secs_f64();
    if !used.status.success() {
        return Err(format!("pawl-sim run {scenario} failed"));
    }
    let report: serde_json::Value = serde_json::from_str(&workspace::read(&report)?)
        .map_err(|error| format!("pawl-sim's report is not understood: {error}"))?;
    Ok(Point {
        size,
        messages: report["messages"].as_u64().ok_or("pawl-sim's report has no messages")?,
        seconds,
        peak_bytes: used.rusage.maxrss,
    })
}
