//! What a report's page must be, whatever was run. How it looks and works in a browser: `page-test/`.

use std::path::Path;

use assert_cmd::Command;
use pawl_sim_host::cause::ShrunkTrace;
use pawl_sim_host::observer::{Violation, ViolationKind};
use pawl_sim_host::page::Page;
use pawl_sim_host::parts::SoundParts;
use pawl_sim_host::report::Report;
use pawl_sim_host::scenario::{DAY_MS, Scenario};
use pawl_sim_host::simulation::{self, Plan};
use serde_json::Value;

/// A scenario with one room of this ID and description, and an event with this content.
fn scenario_of(id: &str, about: &str, content: &str) -> Scenario {
    let mut scenario = Scenario::parse(
        "test",
        r#"
            about = ""
            duration = "1d"
            crypto = "none"
            [[room]]
            id = "!a:example.org"
            steady = { every = "1m" }
            [[room.event]]
            at = "0s"
            encryption = '{"algorithm":"m.megolm.v1.aes-sha2"}'
            [[room.event]]
            at = "5h"
            encryption = ""
        "#,
    )
    .unwrap();
    about.clone_into(&mut scenario.about);
    let room = &mut scenario.rooms[0];
    id.clone_into(&mut room.id);
    about.clone_into(&mut room.about);
    room.events[1].encryption.as_mut().unwrap().0 = vec![content.to_owned()];
    scenario
}

fn run(scenario: &Scenario) -> Report {
    let room = scenario.room_to_show();
    let plan = Plan { life_of: Some(&room), ..Plan::new(scenario, 1) };
    simulation::run_without_cryptography(&plan, |_| {})
}

fn page(scenario: &Scenario, report: &Report) -> String {
    Page { scenario, report, command: "pawl-sim run test" }.to_html()
}

#[test]
fn what_comes_from_a_server_stays_text() {
    const HOSTILE: &str = "</script></style><script>alert(1)</script><img src=x onerror=alert(1)>\"'&";
    let scenario = scenario_of(&format!("!{HOSTILE}:example.org"), HOSTILE, HOSTILE);
    let html = page(&scenario, &run(&scenario));
    assert!(!html.contains("<script>alert") && !html.contains("<img"), "an element");
    let (shown, body) = (html.matches("&lt;img src=x onerror=alert(1)&gt;").count(), html.len());
    assert!(
        shown >= 4,
        "ID and description of the room, the scenario's, the event's content: {shown} of {body}"
    );
    assert_eq!(html.matches("</script>").count(), 4, "the data, two libraries and what draws");
}

#[test]
fn a_page_asks_for_nothing_from_outside() {
    let scenario = scenario_of("!a:example.org", "", "{}");
    let html = page(&scenario, &run(&scenario));
    assert!(html.contains("content=\"default-src 'none'; script-src 'sha256-"));
    for asks in [" src=", "@import", "<iframe", "<object", "<base", "http-equiv=\"refresh\""] {
        let own = html.split("<script>").next().unwrap();
        assert!(!own.contains(asks), "{asks}");
    }
    let links: Vec<&str> =
        html.split(" href=\"").skip(1).map(|link| link.split('"').next().unwrap()).collect();
    assert!(links.iter().all(|link| link.starts_with('#') || link.starts_with("data:")), "{links:?}");
}

#[test]
fn one_seed_gives_one_page_and_another_seed_another() {
    let scenario = Scenario { duration_ms: 3 * DAY_MS, ..Scenario::kiosk_month() };
    let page_of = |seed| {
        let plan = Plan { life_of: Some("!garage:example.org"), ..Plan::new(&scenario, seed) };
        page(&scenario, &simulation::run(&plan, SoundParts, |_| {}))
    };
    assert_eq!(page_of(1), page_of(1));
    assert_ne!(page_of(1), page_of(2));
}

#[test]
fn a_life_is_recorded_where_it_is_asked_for_and_changes_nothing_else() {
    let scenario =
        scenario_of("!a:example.org", "", r#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_msgs":7}"#);
    let with = run(&scenario);
    let without = simulation::run_without_cryptography(&Plan::new(&scenario, 1), |_| {});
    let life = with.life.as_ref().unwrap();
    assert_eq!(life.limits.kept().count(), 2, "a limit, and a tighter one");
    assert_eq!(life.sessions.kept().count() as u64, with.sessions);
    assert_eq!(life.sessions.kept().map(|session| session.messages).sum::<u64>(), with.messages);
    assert_eq!(without.life, None);
    assert_eq!(Report { life: None, wall_ms: 0, ..with }, Report { wall_ms: 0, ..without });
}

#[test]
fn a_violation_comes_with_the_trace_that_shows_it() {
    let scenario = scenario_of("!a:example.org", "", "{}");
    let mut report = run(&scenario);
    let kind = ViolationKind::SessionOverAgeLimit;
    let (room, detail) = ("!a:example.org".to_owned(), "the session is too old".to_owned());
    report.violations.push(Violation { kind, step: 7, at_ms: 0, room, detail });
    (report.violation_count, report.violation_counts) = (1, [(kind, 1)].into());
    assert!(!page(&scenario, &report).contains("pawl-sim trace --judge"));
    let lines = vec![r#"{"op":"send","room":"</pre><script>"}"#.to_owned()];
    report.traces.push(ShrunkTrace { kind, step: 7, lines, recorded_lines: 9, replays: 1 });
    let html = page(&scenario, &report);
    assert!(html.contains("session over age limit: 1 line"));
    assert!(html.contains("&lt;/pre&gt;&lt;script&gt;") && html.contains("pawl-sim trace --judge FILE"));
}

#[test]
fn what_the_report_has_over_time_adds_up() {
    let report = run(&scenario_of("!a:example.org", "", "{}"));
    let over_time: u64 = report.rotations_over_time.counts.values().flatten().sum();
    assert_eq!(over_time, report.sessions);
    let used = &report.limit_use.messages;
    // 1,440 messages on sessions of 100: all but the last used all of it.
    assert_eq!((used.twentieths[19], used.over), (report.sessions - 1, 0));
    assert_eq!(report.limit_use.age.twentieths.iter().sum::<u64>(), report.sessions);
}

fn pawl_sim() -> Command {
    Command::cargo_bin("pawl-sim").unwrap()
}

fn hour(folder: &Path) -> std::path::PathBuf {
    let file = folder.join("hour.toml");
    let text = "about = \"an hour\"\nduration = \"1h\"\ncrypto = \"none\"\n[[room]]\nid = \"!a:b\"\n[[room]]\nid = \"!b:b\"\n";
    std::fs::write(&file, text).unwrap();
    file
}

#[test]
fn html_writes_the_page_of_the_room_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (scenario, page) = (hour(folder.path()), folder.path().join("page.html"));
    let run = || {
        let mut command = pawl_sim();
        command.arg("run").arg(&scenario).args(["--quiet", "--html"]).arg(&page);
        command
    };
    run().assert().success().stdout("").stderr("");
    assert!(std::fs::read_to_string(&page).unwrap().contains("The life of <code>!a:b</code>"));
    run().args(["--html-room", "!b:b"]).assert().success();
    let html = std::fs::read_to_string(&page).unwrap();
    assert!(html.starts_with("<!DOCTYPE html>") && html.ends_with("</html>"));
    assert!(html.contains("The life of <code>!b:b</code>"));
}

#[test]
fn a_room_that_is_not_there_or_a_page_that_cannot_be_written_is_said_before_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = hour(folder.path());
    let said = |arguments: &[&str]| {
        let output =
            pawl_sim().arg("run").arg(&scenario).args(arguments).assert().code(2).get_output().clone();
        assert_eq!(output.stdout, b"");
        String::from_utf8(output.stderr).unwrap()
    };
    let page = folder.path().join("page.html");
    let page = page.to_str().unwrap();
    assert!(said(&["--html", page, "--html-room", "!c:b"]).contains("no room !c:b"));
    assert!(said(&["--html", "/no/such/folder/page.html"]).contains("cannot write"));
    assert!(said(&["--html-room", "!a:b"]).contains("--html"));
}

#[test]
fn the_json_report_has_the_series_and_stays_small() {
    let folder = tempfile::tempdir().unwrap();
    let (scenario, json) = (hour(folder.path()), folder.path().join("report.json"));
    pawl_sim().arg("run").arg(&scenario).args(["--quiet", "--json"]).arg(&json).assert().success();
    let report: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert_eq!(report["rotations_over_time"]["interval_ms"], 60_000);
    assert_eq!(report["limit_use"]["messages"]["twentieths"].as_array().unwrap().len(), 20);
    assert!(report.get("life").is_none());
}
