//! Scenarios: those that are built in, how they are read, and what is said of one that is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use assert_cmd::Command;
use pawl_sim_host::parts::SoundParts;
use pawl_sim_host::report::Report;
use pawl_sim_host::scenario::{DAY_MS, Scenario};
use pawl_sim_host::simulation::{self, Plan};

fn pawl_sim() -> Command {
    Command::cargo_bin("pawl-sim").unwrap()
}

fn without_cryptography(scenario: &Scenario, seed: u64) -> Report {
    let mut report = simulation::run_without_cryptography(&Plan::new(scenario, seed), |_| {});
    report.wall_ms = 0;
    report
}

fn with_vodozemac(scenario: &Scenario, seed: u64) -> Report {
    let mut report = simulation::run(&Plan::new(scenario, seed), SoundParts, |_| {});
    report.wall_ms = 0;
    report
}

/// A built-in scenario, cut short to some messages at most.
fn shortened(name: &str, messages: u64) -> Scenario {
    let mut scenario = Scenario::named(name).unwrap();
    scenario.duration_ms = scenario.duration_ms.min(2 * DAY_MS);
    loop {
        let report = without_cryptography(&scenario, 1);
        if report.messages <= messages {
            return scenario;
        }
        scenario.duration_ms = scenario.duration_ms * messages / report.messages;
    }
}

#[test]
fn each_built_in_scenario_keeps_every_rule_without_cryptography_and_replays() {
    for name in Scenario::names() {
        let scenario = shortened(name, 50_000);
        let report = without_cryptography(&scenario, 3);
        assert_eq!(report.violations, [], "{name}");
        assert!(report.messages > 20, "{name}: {} messages", report.messages);
        assert_eq!(report.decrypted, 0, "{name}");
        assert_eq!(report, without_cryptography(&scenario, 3), "{name}");
    }
}

#[test]
fn each_built_in_scenario_keeps_every_rule_with_vodozemac_and_replays() {
    for name in Scenario::names().filter(|name| *name != "ten-thousand-rooms") {
        let scenario = shortened(name, 300);
        let report = with_vodozemac(&scenario, 3);
        assert_eq!(report.violations, [], "{name}");
        assert_eq!(report.undecryptable, 0, "{name}");
        assert_eq!(report, with_vodozemac(&scenario, 3), "{name}");
    }
}

#[test]
fn both_depths_see_the_same_decisions() {
    let mut kiosk = Scenario::kiosk_month();
    kiosk.duration_ms = DAY_MS;
    kiosk.restarts.clear();
    for scenario in [kiosk, shortened("public-room", 300)] {
        let (deep, shallow) = (with_vodozemac(&scenario, 1), without_cryptography(&scenario, 1));
        assert!(deep.decrypted > 0 && deep.to_device_messages > deep.key_shares);
        assert_eq!(deep.rotations, shallow.rotations);
        assert_eq!(
            (deep.messages, deep.sessions, deep.rotation_checks),
            (shallow.messages, shallow.sessions, shallow.rotation_checks)
        );
        assert_eq!(
            (deep.key_shares, deep.failed_key_shares, deep.to_device_messages),
            (shallow.key_shares, shallow.failed_key_shares, shallow.to_device_messages)
        );
    }
}

#[test]
fn another_seed_is_another_run() {
    let scenario = shortened("public-room", 1_000);
    assert_ne!(without_cryptography(&scenario, 1), without_cryptography(&scenario, 2));
}

#[test]
fn a_bad_clock_hides_time_and_breaks_no_rule() {
    // C2, C3
    let report = without_cryptography(&Scenario::named("bad-clock").unwrap(), 1);
    assert_eq!(report.violations, []);
    assert!(report.unseen_ms > DAY_MS, "{} ms", report.unseen_ms);
    assert!(report.rotations["age_unknown"] > 10);
    // A session was used beyond its hour, by time that nobody could see.
    assert!(report.room_reports[0].max_session_age_ms > 3_600_000);
}

#[test]
fn a_sound_clock_hides_nothing() {
    for name in ["kiosk-month", "sleepy-sensor", "bad-power"] {
        assert_eq!(without_cryptography(&shortened(name, 5_000), 1).unseen_ms, 0, "{name}");
    }
}

#[test]
fn a_table_that_is_too_small_blocks_what_it_has_no_place_for() {
    // K2
    let report = without_cryptography(&Scenario::named("small-table").unwrap(), 1);
    assert_eq!(report.violations, []);
    let room = |name: &str| report.room_reports.iter().find(|room| room.room.starts_with(name)).unwrap();
    assert_eq!(room("!late").block_reason, Some("capacity"));
    assert_eq!(room("!plain").block_reason, Some("capacity"));
    // K3: three rooms are out of the table for a minute, now and then.
    assert!((1..30).contains(&room("!early").blocked_messages));
    assert_eq!(room("!fourth").blocked_messages, 0);
}

#[test]
fn sleeps_of_unknown_length_end_sessions_and_known_ones_do_not() {
    // C5
    let scenario = Scenario::named("sleepy-sensor").unwrap();
    let both = without_cryptography(&scenario, 1);
    assert_eq!(both.violations, []);
    assert!(both.sleeps > 100);
    let mut known = scenario;
    known.sleeps.retain(|sleep| sleep.known);
    let known = without_cryptography(&known, 1);
    assert_eq!(known.violations, []);
    assert_eq!(known.rotations["age_unknown"], 0);
    assert!(both.rotations["age_unknown"] > 0);
}

// ---- files ----

/// What is said of a scenario in which `from` was replaced by `to`.
fn said_of(from: &str, to: &str) -> String {
    let good = "about = \"x\"\nduration = \"2d\"\n\n[[room]]\nid = \"!a:b\"\nsteady = { every = \"5m\" }\n\n\
                [[room.event]]\nat = \"0s\"\nencryption = '{}'\n";
    Scenario::parse("file.toml", good).unwrap();
    assert!(good.contains(from), "{from}");
    Scenario::parse("file.toml", &good.replace(from, to)).unwrap_err().to_string()
}

#[test]
fn what_is_wrong_is_said_by_file_line_column_and_field() {
    for (from, to, begins, says) in [
        ("\"2d\"", "\"2 dy\"", "file.toml:2:12: duration: ", "such as \"1d 9h 30m\""),
        ("\"2d\"", "2", "file.toml:2:12: duration: ", "a length of time"),
        ("\"2d\"", "\"0s\"", "file.toml:2:12: duration: ", "at least 1ms"),
        ("duration", "length", "file.toml:2:1: ", "expected one of `about`, `duration`"),
        ("every = \"5m\"", "ever = \"5m\"", "file.toml:6:12: room[0].steady", "expected one of `every`"),
        ("every = \"5m\"", "every = \"0s\"", "file.toml:6:20: room[0].steady.every: ", "at least 1"),
        (
            "\"5m\" }",
            "\"5m\", jitter_percent = 101 }",
            "file.toml:6:43: room[0].steady.jitter_percent: ",
            "0 to 100",
        ),
        ("!a:b", "!{n}:b", "file.toml:5:6: room[0].id: ", "count is more than 1"),
        ("\"0s\"", "{ every = \"1h\", after = \"2h\" }", "file.toml:9:", "expected one of `every`, `first`"),
        (
            "\"0s\"",
            "{ every = \"1h\", first = \"2h\", until = \"2h\" }",
            "file.toml:9:44: room[0].event[0].at.until: ",
            "before it happens first",
        ),
        (
            "\"0s\"",
            "{ every = \"1h\", until = \"1h\" }",
            "file.toml:9:30: room[0].event[0].at.until: ",
            "before it happens first",
        ),
        ("\"0s\"", "\"2d\"", "file.toml:9:6: room[0].event[0].at: ", "over by then"),
        ("\"0s\"", "{ every = \"2d\" }", "file.toml:9:16: room[0].event[0].at.every: ", "is over before"),
        ("about = \"x\"", "about = \"x\"\nabout = \"y\"", "file.toml:2:1: about: ", "duplicate key"),
        ("\"0s\"", "7", "file.toml:9:6: room[0].event[0].at: ", "a list of times"),
        ("\"0s\"", "[]", "file.toml:9:6: room[0].event[0].at: ", "there is no time"),
        ("!a:b", "", "file.toml:5:6: room[0].id: ", "has an ID"),
        (
            "steady = { every = \"5m\" }",
            "bursts = { a_day = 0, messages = [1, 2] }",
            "file.toml:6:20: room[0].bursts.a_day: ",
            "at least 1",
        ),
        ("encryption = '{}'", "", "file.toml:8:1: room[0].event[0]: ", "one of `encryption`"),
        ("[[room]]", "[[room]", "file.toml:4:", "]"),
        (
            "about = \"x\"",
            "about = \"x\"\ndevice = { places = 0 }",
            "file.toml:2:21: device.places: ",
            "65536",
        ),
        ("about = \"x\"", "about = \"x\"\ndevice = { limit_messages = [5, 1] }", "file.toml:2:", "swap them"),
        ("about = \"x\"", "about = \"x\"\nclock = { bits = 16 }", "file.toml:2:18: clock.bits: ", "32 or 64"),
        (
            "[[room]]",
            "[[restart]]\nkind = \"cut\"\nat = \"1h\"\noff = \"1s\"\n[[room]]",
            "file.toml:5:8: ",
            "`power_cut`",
        ),
    ] {
        let said = said_of(from, to);
        assert!(said.starts_with(begins), "{said}\n(expected {begins})");
        assert!(said.contains(says), "{said}\n(expected {says})");
    }
}

#[test]
fn a_restart_that_cannot_be_is_refused() {
    let restart = "[[restart]]\nkind = \"clock_set\"\nat = \"1h\"\noff = \"1s\"\n[device]\nstores = \"rooms\"\n[[room]]";
    let said = said_of("[[room]]", restart);
    assert!(said.contains("restart[0].kind: ") && said.contains("device.stores = \"sessions\""), "{said}");
}

#[test]
fn the_command_line_lists_prints_and_runs_them() {
    let output = |arguments: &[&str]| {
        let output = pawl_sim().args(arguments).assert().success().get_output().stdout.clone();
        String::from_utf8(output).unwrap()
    };
    let names = output(&["scenarios", "--names"]);
    assert!(names.lines().count() >= 8 && names.starts_with("kiosk-month\n"), "{names}");
    let list = output(&["scenarios"]);
    assert!(names.lines().all(|name| list.contains(&format!("{name} ("))), "{list}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    fs::write(&file, output(&["scenarios", "small-table"])).unwrap();
    let (json, path) = (folder.path().join("report.json"), file.to_str().unwrap());
    output(&["run", path, "--crypto", "none", "--quiet", "--json", json.to_str().unwrap()]);
    let report: serde_json::Value = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    assert_eq!((&report["scenario"], &report["crypto"]), (&"mine".into(), &"none".into()));
    assert_eq!(report["violations"], serde_json::json!([]));

    for (text, said) in [
        (&b"about = 1\n"[..], "mine.toml:1:9: about: "),
        (b"about = \"x\"\nduration = \"\xe9\xa9\xff\"\n", "mine.toml:2:13: this is no character in UTF-8"),
    ] {
        fs::write(&file, text).unwrap();
        let output = pawl_sim().args(["run", path]).assert().code(2).get_output().stderr.clone();
        let message = String::from_utf8(output).unwrap();
        assert!(message.contains(said), "{message}");
    }
    pawl_sim().args(["scenarios", "no-such-scenario"]).assert().code(2);
}

// ---- the manual ----

const MANUAL: &str = include_str!("../../docs/scenarios.md");

/// For each heading of the manual the fields in the tables below it.
fn fields_in_manual() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut fields: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    let mut heading = "";
    for line in MANUAL.lines() {
        if let Some(title) = line.strip_prefix("### ") {
            heading = title.trim_matches('`');
        } else if let Some(field) = line.strip_prefix("| `").and_then(|rest| rest.split('`').next())
            && !field.starts_with('"')
        {
            fields.entry(heading).or_default().insert(field);
        }
    }
    fields
}

#[test]
fn the_manual_has_each_field_and_no_other() {
    let in_room = "about = \"\"\nduration = \"1s\"\n[[room]]\nid = \"!a:b\"\n";
    let sections = [
        ("the file itself", "?".to_owned()),
        ("[device]", "[device]\n?".to_owned()),
        ("[clock]", "[clock]\n?".to_owned()),
        ("[[clock.fault]]", "[[clock.fault]]\n?".to_owned()),
        ("[network]", "[network]\n?".to_owned()),
        ("[[room]]", format!("{in_room}?")),
        ("steady", format!("{in_room}[room.steady]\n?")),
        ("poisson", format!("{in_room}[room.poisson]\n?")),
        ("heavy_tailed", format!("{in_room}[room.heavy_tailed]\n?")),
        ("bursts", format!("{in_room}[room.bursts]\n?")),
        ("churn", format!("{in_room}[room.churn]\n?")),
        ("[[room.event]]", format!("{in_room}[[room.event]]\n?")),
        ("at", format!("{in_room}[[room.event]]\n[room.event.at]\n?")),
        ("[[restart]]", "[[restart]]\n?".to_owned()),
        ("[[sleep]]", "[[sleep]]\n?".to_owned()),
    ];
    let manual = fields_in_manual();
    assert_eq!(
        manual.keys().copied().collect::<BTreeSet<_>>(),
        sections.iter().map(|(title, _)| *title).collect()
    );
    for (title, text) in sections {
        let said = Scenario::parse("", &text.replace('?', "no_such_field = 1")).unwrap_err().message;
        let expected = said.split_once("expected ").unwrap_or_else(|| panic!("{title}: {said}")).1;
        let fields: BTreeSet<&str> = expected.split('`').skip(1).step_by(2).collect();
        assert_eq!(manual[title], fields, "{title}");
    }
}

#[test]
fn each_example_of_the_manual_is_a_scenario_that_keeps_every_rule() {
    let examples: Vec<&str> =
        MANUAL.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(!examples.is_empty());
    for example in examples {
        let scenario = Scenario::parse("an example", example).unwrap();
        assert_eq!(without_cryptography(&scenario, 1).violations, []);
    }
}
