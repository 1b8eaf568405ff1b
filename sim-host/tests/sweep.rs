//! Sweeps over many seeds: shards, merges, what is killed and goes on, and what is refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use assert_cmd::Command;
use assert_cmd::cargo::CommandCargoExt as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pawl_sim_host::scenario::{Crypto, Scenario, Source};
use pawl_sim_host::simulation::{self, Plan};
use pawl_sim_host::sweep::{self, Subject};
use serde_json::Value;
use tempfile::TempDir;

/// Variables by which a scheduler would tell a shard.
const VARIABLES: [&str; 6] = [
    "SLURM_ARRAY_TASK_ID",
    "SLURM_ARRAY_TASK_MIN",
    "SLURM_ARRAY_TASK_MAX",
    "SLURM_ARRAY_TASK_COUNT",
    "SLURM_ARRAY_TASK_STEP",
    "JOB_COMPLETION_INDEX",
];

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn pawl_sim(&self, arguments: &[&str]) -> Command {
        let mut command = Command::cargo_bin("pawl-sim").unwrap();
        command.current_dir(self.0.path()).args(arguments);
        VARIABLES.iter().for_each(|variable| _ = command.env_remove(variable));
        command
    }

    fn sweep(&self, arguments: &[&str]) -> Command {
        let mut command = self.pawl_sim(&["sweep", "--quiet"]);
        command.args(arguments);
        command
    }

    /// A file's bytes without the time that the runs took.
    fn timeless(&self, name: &str) -> String {
        let text = fs::read_to_string(self.file(name)).unwrap();
        let (before, after) = text.split_once("\"wall_ms\":").unwrap();
        let after = after.trim_start_matches(|digit: char| digit.is_ascii_digit());
        format!("{before}{after}")
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.file(name)).unwrap()).unwrap()
    }

    /// What it says of a failure.
    fn complaint(&self, arguments: &[&str]) -> String {
        let output = self.pawl_sim(arguments).assert().code(2).get_output().stderr.clone();
        String::from_utf8(output).unwrap()
    }
}

const SEEDS: &str = "5..17";

#[test]
fn merged_shards_are_what_one_machine_reports_in_whatever_order_they_are_merged() {
    let folder = Folder::new();
    let sweep = ["drawn", "small-table", "--seeds", SEEDS, "--json"];
    folder.sweep(&sweep).arg("whole.json").assert().success();
    for shard in ["1/3", "2/3", "3/3"] {
        let file = format!("part-{}.json", &shard[..1]);
        folder.sweep(&sweep).args([&file, "--shard", shard]).assert().success();
    }
    let whole = folder.timeless("whole.json");
    assert!(whole.contains("\"seeds\":[[5,16]]"), "{whole}");
    for parts in [["1", "2", "3"], ["3", "1", "2"]] {
        let files = parts.map(|part| format!("part-{part}.json"));
        folder.pawl_sim(&["merge", "--quiet", "--json", "merged.json"]).args(files).assert().success();
        assert_eq!(folder.timeless("merged.json"), whole);
    }
    // By and by.
    let merge = |arguments: &[&str]| folder.pawl_sim(&["merge", "--quiet"]).args(arguments).assert();
    let output = merge(&["part-3.json", "part-1.json", "--json", "two.json"]).code(3).get_output().clone();
    assert!(String::from_utf8(output.stderr).unwrap().contains("4 seeds of the sweep are missing: 9 to 12"));
    merge(&["part-3.json", "part-1.json", "--partial"]).success();
    merge(&["part-2.json", "two.json", "--json", "merged.json"]).success();
    assert_eq!(folder.timeless("merged.json"), whole);
    // Sweeps of other seeds add up to a sweep of all of them too.
    for seeds in ["5..9", "9..17"] {
        folder.sweep(&["drawn", "small-table", "--seeds", seeds, "--json", seeds]).assert().success();
    }
    merge(&["9..17", "5..9", "--json", "merged.json"]).success();
    assert_eq!(folder.timeless("merged.json"), whole);
}

#[test]
fn a_report_says_of_all_seeds_what_the_reports_of_each_say() {
    let folder = Folder::new();
    folder
        .sweep(&["small-table", "--seeds", "1..=3", "--jobs", "2", "--json", "sweep.json"])
        .assert()
        .success();
    let sweep = folder.json("sweep.json");
    let scenario = Scenario::named("small-table").unwrap();
    let runs = [1, 2, 3].map(|seed| {
        let report = simulation::run_without_cryptography(&Plan::new(&scenario, seed), |_| {});
        serde_json::to_value(report).unwrap()
    });
    let tally = &sweep["scenarios"]["small-table"];
    assert_eq!(tally["runs"], 3);
    let figures = tally["figures"].as_object().unwrap();
    assert!(figures.len() > 10);
    for (name, figure) in figures {
        let values = runs.each_ref().map(|run| run[name].as_u64().unwrap_or_else(|| panic!("{name}")));
        let of = |extreme: u64| {
            let seed = values.iter().position(|value| *value == extreme).unwrap() + 1;
            serde_json::json!({ "value": extreme, "seed": seed })
        };
        assert_eq!(figure["sum"], values.iter().sum::<u64>(), "{name}");
        assert_eq!(figure["least"], of(*values.iter().min().unwrap()), "{name}");
        assert_eq!(figure["greatest"], of(*values.iter().max().unwrap()), "{name}");
        let histogram = figure["histogram"].as_object().unwrap();
        assert_eq!(histogram.values().map(|count| count.as_u64().unwrap()).sum::<u64>(), 3, "{name}");
    }
    let clean: u64 = runs.iter().map(|run| run["restarts"]["clean"].as_u64().unwrap()).sum();
    assert_eq!(tally["restarts"]["clean"], clean);
    assert_eq!((&tally["violations"], &tally["panics"]), (&serde_json::json!({}), &Value::Null));
}

// ---- what is drawn ----

#[test]
fn what_a_seed_draws_is_printed_so_that_it_runs_as_it_was_drawn() {
    let folder = Folder::new();
    for seed in ["1", "2", "3", "18446744073709551615"] {
        let printed = folder.pawl_sim(&["scenarios", "drawn", "--seed", seed]).assert().success();
        fs::write(folder.file("drawn.toml"), &printed.get_output().stdout).unwrap();
        for (scenario, file) in [("drawn", "one.json"), ("drawn.toml", "other.json")] {
            folder.pawl_sim(&["run", scenario, "--seed", seed, "--quiet", "--json", file]).assert().success();
        }
        assert_eq!(folder.timeless("one.json"), folder.timeless("other.json"));
    }
}

#[test]
fn what_is_drawn_keeps_every_rule_and_comes_into_every_corner() {
    let subject = Subject::new(vec![Source::Drawn], Crypto::None, None).unwrap();
    let report = sweep::run_seeds(&subject, "1..=100".parse().unwrap());
    assert!(report.is_clean(), "{report}");
    let tally = &report.scenarios["drawn"];
    for (reason, count) in &tally.rotations {
        assert!(*count > 0, "no session was replaced for {reason}");
    }
    for (kind, count) in &tally.restarts {
        assert!(*count > 0, "there was no restart of kind {kind}");
    }
    let never = ["to_device_messages", "decrypted", "undecryptable", "index_reuses"];
    for (name, figure) in tally.figures.iter().filter(|(name, _)| !never.contains(&name.as_str())) {
        assert!(figure.sum > 0, "{name} is nowhere more than 0");
    }
}

// ---- what is interrupted ----

/// Many seeds of little work, one after the other, written to the file after nearly each.
const LONG: [&str; 8] = ["small-table", "--seeds", "400", "--jobs", "1", "--save-every", "1ms", "--json"];

fn seeds_in(file: &Path) -> u64 {
    let Ok(text) = fs::read(file) else {
        return 0;
    };
    let report: Value = serde_json::from_slice(&text).expect("the file is whole at any time");
    let ranges = report["seeds"].as_array().unwrap().iter();
    ranges.map(|range| range[1].as_u64().unwrap() - range[0].as_u64().unwrap() + 1).sum()
}

/// Begins a long sweep and waits until some of its seeds are in the file.
fn begin(folder: &Folder, file: &str) -> Child {
    let mut command = std::process::Command::cargo_bin("pawl-sim").unwrap();
    command.arg("sweep").args(LONG).arg(folder.file(file)).stdout(Stdio::null()).stderr(Stdio::piped());
    VARIABLES.iter().for_each(|variable| _ = command.env_remove(variable));
    let mut child = command.spawn().unwrap();
    let began = Instant::now();
    while seeds_in(&folder.file(file)) < 3 {
        assert!(began.elapsed() < Duration::from_secs(300), "nothing is written");
        assert_eq!(child.try_wait().unwrap(), None);
        thread::sleep(Duration::from_millis(2));
    }
    child
}

#[test]
fn a_sweep_that_is_killed_goes_on_where_it_stopped() {
    let folder = Folder::new();
    folder.sweep(&LONG).arg("whole.json").assert().success();
    let mut child = begin(&folder, "sweep.json");
    child.kill().unwrap();
    child.wait().unwrap();
    let before = seeds_in(&folder.file("sweep.json"));
    assert!((3..400).contains(&before), "{before} seeds were run before it was killed");
    let wall_ms = |name| folder.json(name)["wall_ms"].as_u64().unwrap();
    let wall_ms_before = wall_ms("sweep.json");
    folder.sweep(&LONG).arg("sweep.json").assert().success();
    assert_eq!(folder.timeless("sweep.json"), folder.timeless("whole.json"));
    assert!(wall_ms("sweep.json") >= wall_ms_before);
    // There is nothing left to do.
    let complete = fs::read(folder.file("sweep.json")).unwrap();
    folder.sweep(&LONG).arg("sweep.json").assert().success();
    assert_eq!(fs::read(folder.file("sweep.json")).unwrap(), complete);
}

#[test]
fn of_two_sweeps_that_would_keep_their_reports_in_one_file_the_second_does_not_begin() {
    let folder = Folder::new();
    let mut child = begin(&folder, "sweep.json");
    let second = folder.sweep(&LONG).arg("sweep.json").assert().code(2).get_output().stderr.clone();
    let said = String::from_utf8(second).unwrap();
    assert!(said.contains("another sweep keeps its report in"), "{said}");
    folder.sweep(&["small-table", "--seeds", "2", "--json", "another.json"]).assert().success();
    child.kill().unwrap();
    child.wait().unwrap();
    // The lock went with whoever had it, and nothing is left of it in the end.
    folder.sweep(&LONG).arg("sweep.json").assert().success();
    assert!(!folder.file("sweep.json.lock").exists());
}

#[test]
fn a_sweep_that_is_interrupted_writes_its_report_and_says_so() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let folder = Folder::new();
        let child = begin(&folder, "sweep.json");
        kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130));
        let said = String::from_utf8(output.stderr).unwrap();
        let seeds = seeds_in(&folder.file("sweep.json"));
        assert!(
            said.contains(&format!("interrupted after {seeds} seeds, with {} left", 400 - seeds)),
            "{said}"
        );
        assert!(said.contains("the same command goes on from there"), "{said}");
    }
}

#[test]
fn seeds_that_are_asked_for_later_are_run_in_addition() {
    let folder = Folder::new();
    let sweep = |seeds| {
        folder.sweep(&["small-table", "--seeds", seeds, "--json", "sweep.json"]).assert().success();
        folder.json("sweep.json")["seeds"].to_string()
    };
    assert_eq!(sweep("10..12"), "[[10,11]]");
    assert_eq!(sweep("14..15"), "[[10,11],[14,14]]");
    assert_eq!(sweep("9..20"), "[[9,19]]");
    folder.sweep(&["small-table", "--seeds", "9..20", "--json", "whole.json"]).assert().success();
    assert_eq!(folder.timeless("sweep.json"), folder.timeless("whole.json"));
}

// ---- what is refused ----

#[test]
fn a_file_of_another_sweep_is_kept_unless_it_is_to_begin_afresh() {
    let folder = Folder::new();
    let one = ["small-table", "--seeds", "2", "--json", "sweep.json"];
    folder.sweep(&one).assert().success();
    let before = fs::read(folder.file("sweep.json")).unwrap();
    for (difference, says) in [
        (vec!["--crypto", "vodozemac"], "--crypto vodozemac"),
        (vec!["--reserve", "7"], "--reserve 7"),
        (vec!["drawn"], "drawn, small-table"),
    ] {
        let said = folder.complaint(&[&["sweep"], &one[..], &difference].concat());
        assert!(said.contains("another sweep") && said.contains(says) && said.contains("--afresh"), "{said}");
        assert_eq!(fs::read(folder.file("sweep.json")).unwrap(), before);
    }
    folder.sweep(&one).args(["--reserve", "7", "--afresh"]).assert().success();
    assert_eq!(folder.json("sweep.json")["plan"]["reserve"], 7);

    for content in ["", "{}", "not JSON", "[1]"] {
        fs::write(folder.file("sweep.json"), content).unwrap();
        let said = folder.complaint(&[&["sweep"], &one[..]].concat());
        assert!(said.contains("sweep.json is no report") && said.contains("--afresh"), "{said}");
        assert_eq!(fs::read_to_string(folder.file("sweep.json")).unwrap(), content);
    }
}

#[test]
fn reports_that_do_not_fit_together_are_not_merged() {
    let folder = Folder::new();
    let sweep = |seeds, file| {
        folder.sweep(&["small-table", "--seeds", seeds, "--json", file]).assert().success();
    };
    sweep("1..5", "one.json");
    sweep("3..8", "two.json");
    sweep("5..6", "three.json");
    let said = folder.complaint(&["merge", "one.json", "two.json"]);
    assert!(said.contains("two.json does not fit") && said.contains("the same seeds: 3 to 4"), "{said}");

    let change = |from: &str, to: &str| {
        let text = fs::read_to_string(folder.file("three.json")).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(folder.file("changed.json"), text.replace(from, to)).unwrap();
        folder.complaint(&["merge", "one.json", "changed.json"])
    };
    let version = format!("\"version\":\"{}\"", env!("CARGO_PKG_VERSION"));
    let said = change(&version, "\"version\":\"99.9.9\"");
    assert!(said.contains(" the other of 99.9.9"), "{said}");
    let said = change("\"small-table\":\"sha256:", "\"small-table\":\"sha256:00");
    assert!(said.contains("the text of scenario small-table is not the same"), "{said}");
    let said = change("\"runs\":1", "\"runs\":2");
    assert!(said.contains("changed.json is no report") && said.contains("2 runs of small-table"), "{said}");
    let said = change("\"seeds\":[[5,5]]", "\"seeds\":[[5,4]]");
    assert!(said.contains("changed.json is no report"), "{said}");
    let rooms = "\"rooms\":{\"sum\":8,\"least\":{\"value\":8,\"seed\":5},\"greatest\":{\"value\":8,\"seed\":5},\"histogram\":";
    let histogram = |histogram: &str| format!("{rooms}{{{histogram}}}");
    for (from, to, says) in [
        ("\"seeds\":[[5,5]]".to_owned(), "\"seeds\":[[5,5],[5,5]]".to_owned(), "stand there twice"),
        (rooms.to_owned(), rooms.replace("rooms", "roms"), "small-table: there is no"),
        (histogram("\"8\":1"), histogram("\"8\":2"), "rooms: its histogram has 2 runs, of 1"),
        (histogram("\"8\":1"), histogram("\"7\":1"), "rooms: 7 is not the least number"),
        (histogram("\"8\":1"), histogram(""), "rooms: its histogram has 0 runs, of 1"),
    ] {
        let said = change(&from, &to);
        assert!(said.contains("changed.json is no report") && said.contains(says), "{said}");
    }
    let said = folder.complaint(&["merge", "one.json", "no-such-file.json"]);
    assert!(said.contains("cannot read no-such-file.json"), "{said}");
}

#[test]
fn a_report_that_cannot_be_written_is_said_before_anything_is_run() {
    let folder = Folder::new();
    let said = folder.complaint(&["sweep", "--seeds", "1000000", "--json", "no-such-folder/sweep.json"]);
    assert!(said.contains("cannot write no-such-folder/sweep.json"), "{said}");
}

#[test]
fn wrong_use_is_refused() {
    let folder = Folder::new();
    for (arguments, says) in [
        (vec!["no-such-scenario"], "there is no scenario named no-such-scenario"),
        (vec!["drawn", "drawn"], "two scenarios named drawn"),
        (vec!["--seeds", "7..7"], "--seeds"),
        (vec!["--shard", "0/2"], "--shard"),
        (vec!["--shard", "1/2", "--shards", "2"], "cannot be used with"),
        (vec!["--shards", "2"], "say --shard I/2"),
        (vec!["--afresh"], "--json"),
    ] {
        let said = folder.complaint(&[&["sweep"], &arguments[..]].concat());
        assert!(said.contains(says), "{said}");
    }
}

// ---- schedulers ----

#[test]
fn a_task_of_a_scheduler_runs_its_shard() {
    let folder = Folder::new();
    let sweep = ["small-table", "--seeds", "10", "--json", "sweep.json", "--afresh"];
    let run = |arguments: &[&str], variables: &[(&str, &str)]| {
        folder.sweep(&sweep).args(arguments).envs(variables.iter().copied()).assert().success();
        folder.json("sweep.json")["seeds"].to_string()
    };
    let slurm = [
        ("SLURM_ARRAY_TASK_ID", "2"),
        ("SLURM_ARRAY_TASK_MIN", "0"),
        ("SLURM_ARRAY_TASK_MAX", "4"),
        ("SLURM_ARRAY_TASK_COUNT", "5"),
        ("SLURM_ARRAY_TASK_STEP", "1"),
    ];
    assert_eq!(run(&[], &slurm), "[[5,6]]");
    assert_eq!(run(&["--shards", "10"], &slurm), "[[3,3]]");
    assert_eq!(run(&["--shard", "1/2"], &slurm), "[[1,5]]");
    assert_eq!(run(&["--shards", "5"], &[("JOB_COMPLETION_INDEX", "4")]), "[[9,10]]");
    let output = folder.sweep(&sweep).env("JOB_COMPLETION_INDEX", "4").assert().code(2).get_output().clone();
    assert!(String::from_utf8(output.stderr).unwrap().contains("say --shards N"));
}
