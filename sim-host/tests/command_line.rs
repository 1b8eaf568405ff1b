//! What scripts rely on: the command line and the report of `pawl-sim`.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use pawl_sim_host::parts::SoundParts;
use pawl_sim_host::scenario::{DAY_MS, Scenario};
use pawl_sim_host::simulation::{self, Plan};
use serde_json::Value;

fn pawl_sim() -> Command {
    Command::cargo_bin("pawl-sim").unwrap()
}

fn run_to_json(file: &Path, seed: &str) -> Value {
    pawl_sim()
        .args(["run", "--quiet", "--seed", seed, "--json"])
        .arg(file)
        .assert()
        .success()
        .stdout("")
        .stderr("");
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

#[test]
fn the_default_scenario_keeps_every_rule_and_its_report_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let report = run_to_json(&folder.path().join("report.json"), "1");
    assert_eq!(report["violations"], Value::Array(vec![]));
    assert_eq!(report["undecryptable"], 0);
    assert_eq!(report["index_reuses"], 0);
    assert_eq!(report["seed"], 1);
    assert_eq!(report["simulated_ms"], 28 * DAY_MS);
    assert_eq!(report["rooms"], 13);
    let messages = report["messages"].as_u64().unwrap();
    assert!((30_000..=100_000).contains(&messages), "{messages} messages");
    for field in ["plaintext_messages", "sessions", "key_shares", "decrypted", "rotation_checks"] {
        assert!(report[field].as_u64().unwrap() > 0, "{field}");
    }
    for field in ["max_messages_per_session", "max_session_age_ms", "wall_ms"] {
        assert!(report[field].is_u64(), "{field}");
    }
    let made: u64 =
        report["rotations"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(made, report["sessions"].as_u64().unwrap());

    let restarts = report["restarts"].as_object().unwrap();
    assert_eq!(restarts.len(), 8);
    for (kind, count) in restarts {
        assert!(count.as_u64().unwrap() >= 2, "{kind}");
    }
    assert!(report["sessions_resumed"].as_u64().unwrap() > 20, "{}", report["sessions_resumed"]);
    assert!(report["records_stored"].as_u64().unwrap() > 0);
    let wear = report["wear"].as_array().unwrap();
    assert_eq!(wear.iter().map(|wear| wear["reserve"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 16, 64]);
    for field in
        ["records_per_1000_messages", "words_written_per_1000_messages", "words_erased_per_1000_messages"]
    {
        let figures: Vec<u64> = wear.iter().map(|wear| wear[field].as_u64().unwrap()).collect();
        assert!(figures.is_sorted_by(|nearer, further| nearer > further), "{field}: {figures:?}");
    }

    for room in report["room_reports"].as_array().unwrap() {
        let settings = &room["settings"];
        // Where a limit was tightened half-way, sessions before it could carry more.
        if settings.is_null() || room["about"].as_str().unwrap().starts_with("tightened") {
            continue;
        }
        assert!(room["max_messages_per_session"].as_u64() <= settings["messages"].as_u64(), "{room}");
        assert!(room["max_session_age_ms"].as_u64() < settings["period_ms"].as_u64(), "{room}");
    }
}

#[test]
fn one_seed_gives_one_report_and_another_seed_another() {
    let week = Scenario { duration_ms: 7 * DAY_MS, ..Scenario::kiosk_month() };
    let run = |seed| {
        let mut report = simulation::run(&Plan::new(&week, seed), SoundParts, |_| {});
        report.wall_ms = 0;
        serde_json::to_string(&report).unwrap()
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

#[test]
fn an_unknown_scenario_is_wrong_use_and_names_those_there_are() {
    let output = pawl_sim().args(["run", "no-such-scenario"]).assert().code(2).get_output().clone();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("no-such-scenario") && message.contains("kiosk-month"), "{message}");
}

#[test]
fn sessions_cannot_be_stored_no_messages_ahead() {
    let output = pawl_sim().args(["run", "--reserve", "0"]).assert().code(2).get_output().clone();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("--reserve"), "{message}");
}

#[test]
fn a_report_that_cannot_be_written_is_said_before_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("no-such-folder/report.json");
    let output = pawl_sim().args(["run", "--json"]).arg(&file).assert().code(2).get_output().clone();
    assert_eq!(output.stdout, b"");
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("cannot write") && message.contains("no-such-folder"), "{message}");
}
