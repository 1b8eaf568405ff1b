//! What limits cost and buy: the figures of `pawl-sim compare`, and what scripts rely on of it.

use std::fs;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::Path;

use assert_cmd::Command;
use pawl_sim_host::compare::{Beaten, Comparison, Effort, Grid, Outcome, compare};
use pawl_sim_host::scenario::{Crypto, DAY_MS, HOUR_MS, Scenario};
use serde_json::Value;

fn pawl_sim() -> Command {
    Command::cargo_bin("pawl-sim").unwrap()
}

/// A message about every ten minutes; nobody comes or goes, and nothing fails.
const STEADY: &str = r#"
about = "steady"
duration = "3d"
network = { share_fails_one_in = 0 }

[[room]]
id = "!steady:example.org"
devices = 3
steady = { every = "10m", jitter_percent = 20 }

[[room.event]]
at = "0s"
encryption = '{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_msgs":7}'
"#;

/// People come and go, shares fail, and the kiosk restarts.
const LIVELY: &str = r#"
about = "lively"
duration = "2d"
network = { share_fails_one_in = 5 }

[[restart]]
kind = "clean"
at = "20h"
off = "1m"

[[restart]]
kind = "power_cut"
at = "30h 10m"
off = "10s"

[[room]]
id = "!lively:example.org"
devices = 4
poisson = { every = "25m" }
churn = { at = { every = "5h" }, back_after = "90m", device_removed_each = 2 }

[[room.event]]
at = "0s"
encryption = '{"algorithm":"m.megolm.v1.aes-sha2"}'
"#;

fn grid(messages: &[u32], periods_ms: &[u64]) -> Grid {
    Grid {
        messages: messages.iter().map(|count| NonZeroU32::new(*count).unwrap()).collect(),
        periods_ms: periods_ms.iter().copied().collect(),
    }
}

fn compared(scenario: &str, grid: &Grid, crypto: Crypto, threads: usize) -> Comparison {
    let scenario = Scenario::parse("file.toml", scenario).unwrap();
    let threads = NonZeroUsize::new(threads).unwrap();
    let effort = Effort { seed: 3, seeds: NonZeroU32::MIN, crypto, reserve: None, threads };
    let mut comparison = compare(&scenario, grid, &effort, &|_| {});
    comparison.wall_ms = 0;
    comparison
}

fn of(comparison: &Comparison, messages: u32, period_ms: u64) -> &Outcome {
    let is_it = |one: &&Outcome| (one.limits.messages.get(), one.limits.period_ms) == (messages, period_ms);
    comparison.choices.iter().find(is_it).unwrap()
}

#[test]
fn both_depths_cost_and_expose_the_same() {
    let grid = grid(&[2, 20], &[HOUR_MS, DAY_MS]);
    let deep = compared(LIVELY, &grid, Crypto::Vodozemac, 2);
    let shallow = compared(LIVELY, &grid, Crypto::None, 2);
    assert_eq!(deep.violations, []);
    assert_eq!(deep.choices, shallow.choices);
    for one in &deep.choices {
        assert!(one.total.to_device_messages > one.total.key_shares, "{one:?}");
        assert!(one.total.words_written > 100 * one.total.records_stored, "{one:?}");
    }
}

#[test]
fn more_messages_or_a_longer_period_never_cost_more_and_never_expose_less() {
    let (messages, periods_ms) = ([1, 3, 10, 50, 400], [HOUR_MS, 5 * HOUR_MS, DAY_MS]);
    let comparison = compared(STEADY, &grid(&messages, &periods_ms), Crypto::None, 2);
    assert_eq!(comparison.violations, []);
    let never_dearer = |tight: &Outcome, loose: &Outcome| {
        assert!(loose.total.key_shares <= tight.total.key_shares, "{tight:?} {loose:?}");
        assert!(loose.total.to_device_messages <= tight.total.to_device_messages, "{tight:?} {loose:?}");
        assert!(loose.exposure.most_messages >= tight.exposure.most_messages, "{tight:?} {loose:?}");
        assert!(loose.exposure.longest_ms >= tight.exposure.longest_ms, "{tight:?} {loose:?}");
    };
    for period_ms in periods_ms {
        for pair in messages.windows(2) {
            never_dearer(of(&comparison, pair[0], period_ms), of(&comparison, pair[1], period_ms));
        }
    }
    for count in messages {
        for pair in periods_ms.windows(2) {
            never_dearer(of(&comparison, count, pair[0]), of(&comparison, count, pair[1]));
        }
    }
    let (dearest, cheapest) = (of(&comparison, 1, HOUR_MS), of(&comparison, 400, DAY_MS));
    assert!(dearest.total.key_shares > 100 * cheapest.total.key_shares);
}

#[test]
fn nothing_beyond_the_limits_is_exposed_and_they_hold_against_what_rooms_ask_for() {
    let limits = grid(&[1, 10, 30], &[HOUR_MS, 6 * HOUR_MS, DAY_MS]);
    for scenario in [STEADY, LIVELY] {
        for one in compared(scenario, &limits, Crypto::None, 2).choices {
            let exposed = one.exposure;
            assert!(exposed.most_messages <= one.limits.messages.get().into(), "{one:?}");
            assert!(exposed.longest_ms < one.limits.period_ms, "{one:?}");
            assert!(exposed.mean_messages <= exposed.most_messages as f64, "{one:?}");
            assert!(exposed.mean_messages >= exposed.mean_messages_a_session, "{one:?}");
        }
    }
    // The room asks for 7 messages; the device is pinned to 30.
    let comparison = compared(STEADY, &limits, Crypto::None, 1);
    assert_eq!(of(&comparison, 30, DAY_MS).exposure.most_messages, 30);
}

#[test]
fn one_message_a_session_exposes_one_message_for_no_time() {
    let comparison = compared(STEADY, &grid(&[1], &[DAY_MS]), Crypto::None, 1);
    let one = of(&comparison, 1, DAY_MS);
    assert_eq!((one.exposure.most_messages, one.exposure.longest_ms), (1, 0));
    assert_eq!((one.sessions, one.total.key_shares), (one.messages, one.messages));
    assert_eq!(one.total.to_device_messages, 3 * one.messages);
}

#[test]
fn a_choice_is_beaten_by_one_that_is_no_worse() {
    // In an hour the one room has few messages and the other many, so 10 a session cost less and expose less.
    let busy = LIVELY[LIVELY.find("[[room]]").unwrap()..].replace("lively", "busy").replace("25m", "5m");
    let grid = grid(&[1, 10, 20, 80], &[HOUR_MS, DAY_MS]);
    let comparison = compared(&format!("{LIVELY}{busy}"), &grid, Crypto::None, 2);
    assert!(of(&comparison, 80, HOUR_MS).beaten.on_messages);
    let is_beaten = |one: &Outcome, exposed: fn(&Outcome) -> f64| {
        comparison.choices.iter().any(|other| {
            let (mine, others) =
                ([one.a_day.key_shares, exposed(one)], [other.a_day.key_shares, exposed(other)]);
            let no_worse = others[0] <= mine[0] && others[1] <= mine[1];
            no_worse && (others[0] < 0.99 * mine[0] || others[1] < 0.99 * mine[1])
        })
    };
    for one in &comparison.choices {
        assert_eq!(one.beaten.on_messages, is_beaten(one, |one| one.exposure.mean_messages), "{one:?}");
        assert_eq!(one.beaten.on_time, is_beaten(one, |one| one.exposure.longest_ms as f64), "{one:?}");
    }
    // One message a session is the least that can be read.
    assert_eq!(of(&comparison, 1, DAY_MS).beaten, Beaten::default());
}

#[test]
fn how_many_run_at_once_changes_nothing() {
    let grid = grid(&[1, 10, 100], &[HOUR_MS, DAY_MS]);
    let alone = compared(LIVELY, &grid, Crypto::None, 1);
    assert_eq!(alone, compared(LIVELY, &grid, Crypto::None, 4));
}

#[test]
fn with_several_seeds_a_choice_comes_to_what_its_runs_come_to_together() {
    let scenario = Scenario::parse("file.toml", LIVELY).unwrap();
    let with = |seed, seeds| {
        let (seeds, threads) = (NonZeroU32::new(seeds).unwrap(), NonZeroUsize::new(2).unwrap());
        let effort = Effort { seed, seeds, crypto: Crypto::None, reserve: None, threads };
        compare(&scenario, &grid(&[5, 50], &[HOUR_MS, DAY_MS]), &effort, &|_| {})
    };
    let (together, alone) = (with(7, 3), [7, 8, 9].map(|seed| with(seed, 1)));
    assert_eq!((together.violation_count, together.choices.len()), (0, 4));
    for (number, choice) in together.choices.iter().enumerate() {
        let runs = || alone.iter().map(|comparison| &comparison.choices[number]);
        assert!(runs().all(|run| run.limits == choice.limits && run.spread.is_none()));
        assert_eq!(choice.messages, runs().map(|run| run.messages).sum::<u64>());
        assert_eq!(choice.sessions, runs().map(|run| run.sessions).sum::<u64>());
        assert_eq!(choice.rotations.values().sum::<u64>(), choice.sessions);
        assert_eq!(choice.total.key_shares, runs().map(|run| run.total.key_shares).sum::<u64>());
        assert_eq!(Some(choice.exposure.most_messages), runs().map(|run| run.exposure.most_messages).max());
        let spread = choice.spread.unwrap();
        let shares: Vec<f64> = runs().map(|run| run.a_day.key_shares).collect();
        let means: Vec<f64> = runs().map(|run| run.exposure.mean_messages).collect();
        for ([least, greatest], of_runs, together) in [
            (spread.key_shares_a_day, shares, choice.a_day.key_shares),
            (spread.mean_messages, means, choice.exposure.mean_messages),
        ] {
            assert!(of_runs.contains(&least) && of_runs.contains(&greatest), "{of_runs:?}");
            assert!(of_runs.iter().all(|run| (least..=greatest).contains(run)), "{of_runs:?}");
            assert!((least..=greatest).contains(&together), "{together} of {of_runs:?}");
        }
        assert_eq!(Some(spread.longest_ms[1]), runs().map(|run| run.exposure.longest_ms).max());
    }
}

// ---- the command line ----

fn to_json(arguments: &[&str], file: &Path) -> Value {
    pawl_sim().args(arguments).args(["--quiet", "--json"]).arg(file).assert().success().stdout("").stderr("");
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

#[test]
fn a_choice_comes_to_what_a_run_with_these_limits_comes_to() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("mine.toml");
    let pinned = "[device]\nlimit_messages = [20, 20]\nlimit_period = [\"6h\", \"6h\"]\n[[room]]";
    fs::write(&scenario, LIVELY.replace("[[room]]", pinned)).unwrap();
    let (path, json) = (scenario.to_str().unwrap(), folder.path().join("out.json"));
    let run = to_json(&["run", path, "--crypto", "none", "--seed", "5"], &json);
    let limits = ["--messages", "20", "--periods", "6h", "--seed", "5"];
    let compared = to_json(&[&["compare", path], &limits[..]].concat(), &json);

    let choice = &compared["choices"][0];
    assert_eq!(compared["choices"].as_array().unwrap().len(), 1);
    assert_eq!(choice["limits"], serde_json::json!({"messages": 20, "period_ms": 6 * HOUR_MS}));
    for field in ["key_shares", "to_device_messages", "records_stored"] {
        assert_eq!(choice["total"][field], run[field], "{field}");
        assert_eq!(choice["a_day"][field].as_f64().unwrap(), run[field].as_f64().unwrap() / 2.0, "{field}");
    }
    for field in ["messages", "sessions", "rotations", "violation_count"] {
        assert_eq!(choice[field], run[field], "{field}");
    }
    assert_eq!(choice["exposure"]["most_messages"], run["max_messages_per_session"]);
}

#[test]
fn the_json_has_every_figure_of_every_choice() {
    let folder = tempfile::tempdir().unwrap();
    let (scenario, json) = (folder.path().join("mine.toml"), folder.path().join("out.json"));
    fs::write(&scenario, STEADY).unwrap();
    let arguments = ["compare", scenario.to_str().unwrap(), "--messages", "100,10", "--periods", "7d,90m"];
    let compared = to_json(&arguments, &json);
    for field in ["seed", "seeds", "reserve", "simulated_ms", "violation_count", "wall_ms"] {
        assert!(compared[field].is_u64(), "{field}");
    }
    assert_eq!((&compared["scenario"], &compared["crypto"]), (&"mine".into(), &"none".into()));
    assert_eq!(compared["violations"], serde_json::json!([]));
    let choices = compared["choices"].as_array().unwrap();
    let limits: Vec<_> = choices
        .iter()
        .map(|one| {
            (one["limits"]["messages"].as_u64().unwrap(), one["limits"]["period_ms"].as_u64().unwrap())
        })
        .collect();
    let (short, week) = (5_400_000, 604_800_000);
    assert_eq!(limits, [(10, short), (10, week), (100, short), (100, week)]);
    for one in choices {
        let default = one["limits"] == serde_json::json!({"messages": 100, "period_ms": week});
        assert_eq!(one["matrix_default"], default);
        for field in ["on_messages", "on_time"] {
            assert!(one["beaten"][field].is_boolean(), "{field}");
        }
        for field in ["key_shares", "to_device_messages", "records_stored", "words_written", "words_erased"] {
            assert!(one["a_day"][field].is_f64() && one["total"][field].is_u64(), "{field}");
        }
        for field in ["mean_messages", "mean_messages_a_session"] {
            assert!(one["exposure"][field].is_f64(), "{field}");
        }
        for field in ["most_messages", "longest_ms"] {
            assert!(one["exposure"][field].is_u64(), "{field}");
        }
        let made: u64 =
            one["rotations"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
        assert_eq!(Some(made), one["sessions"].as_u64());
    }
}

#[test]
fn the_tables_are_plain_where_there_is_no_terminal_and_the_picture_says_what_it_shows() {
    let folder = tempfile::tempdir().unwrap();
    let (scenario, svg) = (folder.path().join("mine.toml"), folder.path().join("out.svg"));
    fs::write(&scenario, STEADY.replace("about = \"steady\"", "about = \"<&>\"")).unwrap();
    let output = pawl_sim()
        .args(["compare", "--messages", "1,100,1000", "--periods", "1h,7d"])
        .args([&scenario, Path::new("--svg"), &svg])
        .assert()
        .success()
        .get_output()
        .clone();
    let text = String::from_utf8(output.stdout).unwrap();
    for part in ["key shares a day", "messages readable, mean", "100*", "7 d*", "beaten", "No violation."] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains('\u{1b}'), "{text}");
    assert!(text.contains("A period of 7 d or more does not pass twice in 3 d"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 120 && !line.ends_with(' ')), "{text}");

    let picture = fs::read_to_string(svg).unwrap();
    assert!(picture.starts_with("<svg role=\"img\" ") && picture.trim_end().ends_with("</svg>"));
    assert!(picture.contains("<title>What limits cost and what they expose: mine, 3 d</title>"));
    assert!(picture.contains("<desc>") && picture.contains("prefers-color-scheme: dark"));
    assert!(!picture.contains("NaN") && !picture.contains("-2147483648"), "a point is nowhere");
}

#[test]
fn a_scenario_in_which_nothing_is_encrypted_has_a_picture_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (scenario, svg) = (folder.path().join("mine.toml"), folder.path().join("out.svg"));
    fs::write(&scenario, STEADY.split("[[room.event]]").next().unwrap()).unwrap();
    pawl_sim().arg("compare").args([&scenario, Path::new("--svg"), &svg]).assert().success();
    assert!(fs::read_to_string(svg).unwrap().contains("</svg>"));
}

#[test]
fn what_is_wrong_with_the_arguments_is_said() {
    for (arguments, says) in [
        (["--messages", "0"], "--messages"),
        (["--messages", "10,x"], "--messages"),
        (["--messages", "10,"], "--messages"),
        (["--periods", "0s"], "at least 1ms"),
        (["--periods", "1h,7"], "1d 9h 30m"),
        (["--periods", "1us"], "whole number of milliseconds"),
        (["--threads", "0"], "--threads"),
        (["--crypto", "some"], "vodozemac"),
        (["--json", "/no-such-folder/x.json"], "cannot write /no-such-folder/x.json"),
        (["--svg", "/no-such-folder/x.svg"], "cannot write /no-such-folder/x.svg"),
        (["no-such-scenario", "--quiet"], "three-rooms"),
    ] {
        let output = pawl_sim().arg("compare").args(arguments).assert().code(2).get_output().clone();
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.contains(says), "{arguments:?}: {message}");
        assert_eq!(output.stdout, b"", "{arguments:?}");
    }
}
