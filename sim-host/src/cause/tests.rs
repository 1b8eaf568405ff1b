//! What is recorded of a run, and how it gets shorter.

use serde_json::Value;

use super::script::{Clock, Config, Line, Member, Op, Script};
use super::{explain_violation, shrink};
use crate::observer::{Violation, ViolationKind};
use crate::scenario::{Crypto, DAY_MS, Scenario};
use crate::simulation::{self, Plan};
use crate::trace;

const ROOM: &str = "!lobby:example.org";

/// A violation that no run has shown, at the end of one.
fn violation(scenario: &Scenario, room: usize) -> Violation {
    let room = scenario.rooms[room].numbered_id(1);
    let kind = ViolationKind::SessionOverMessageLimit;
    Violation { kind, step: u64::MAX, at_ms: 0, room, detail: String::new() }
}

fn decisions(script: &Script) -> Vec<Value> {
    let text = script.written().join("\n");
    let mut output = Vec::new();
    let (judgement, result) = trace::judge(text.as_bytes(), &mut output);
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(judgement.violations, []);
    let lines = str::from_utf8(&output).unwrap().lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_record_of_a_sound_run_replays_without_a_violation_and_sends_as_many_messages() {
    for name in Scenario::names().filter(|name| *name != "ten-thousand-rooms") {
        let scenario = Scenario::named(name).unwrap();
        let scenario = Scenario { duration_ms: scenario.duration_ms.min(DAY_MS), ..scenario };
        let plan = Plan::new(&scenario, 1);
        let script = simulation::record(&plan, Crypto::None, &violation(&scenario, 0)).unwrap();
        let encrypted = decisions(&script).iter().filter(|line| line["decision"] == "encrypted").count();
        let report = simulation::run_without_cryptography(&plan, |_| {});
        let sent = usize::try_from(report.room_reports[0].messages).unwrap();
        // What a trace cannot say of a clock or of power makes a session more here and there.
        assert!(encrypted > 0 && encrypted <= sent + sent / 20, "{name}: {encrypted} of {sent}");
        if scenario.rooms[0].count == 1 {
            assert!(encrypted + sent / 20 >= sent, "{name}: {encrypted} of {sent}");
        }
    }
}

#[test]
fn a_record_ends_at_the_step_of_the_violation() {
    let scenario = Scenario { duration_ms: DAY_MS, ..Scenario::kiosk_month() };
    let plan = Plan::new(&scenario, 1);
    let recorded = |step| {
        let violation = Violation { step, ..violation(&scenario, 0) };
        simulation::record(&plan, Crypto::None, &violation).unwrap().lines
    };
    let (all, some) = (recorded(u64::MAX), recorded(200));
    assert!(some.len() < all.len());
    assert_eq!(some, all[..some.len()]);
}

#[test]
fn what_a_sound_core_does_not_do_has_no_trace() {
    let scenario = Scenario { duration_ms: DAY_MS, ..Scenario::kiosk_month() };
    let plan = Plan::new(&scenario, 1);
    assert_eq!(explain_violation(&plan, Crypto::None, &violation(&scenario, 0), &mut |_| {}), None);
    let elsewhere = Violation { room: "!elsewhere".to_owned(), ..violation(&scenario, 0) };
    assert_eq!(explain_violation(&plan, Crypto::None, &elsewhere, &mut |_| {}), None);
}

/// A script of many messages, a minute apart, with a departure and restarts among them.
fn long_script() -> Script {
    let content = r#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_msgs":1000}"#;
    let mut lines = vec![Line { at: 0, op: Op::Encryption(content.to_owned()) }];
    for minute in 1..2_000 {
        let op = match minute {
            700 => Op::Member(Member::known("leave", "join")),
            _ if minute % 100 == 0 => Op::Restart { clean: false },
            _ => Op::Send { count: 1, shared: minute % 10 != 0 },
        };
        lines.push(Line { at: 60_000 * minute, op });
    }
    let clock = Some(Clock { wraps: true, hz: 1_000, at_boot: 7 });
    Script { config: Config { rtc: true, clock, ..Config::default() }, room: ROOM.to_owned(), lines }
}

/// The place of the first operation by which so many messages were sent after a departure, an hour after that.
fn messages_an_hour_after_a_departure(script: &Script, messages: u64) -> Option<usize> {
    let left = script.lines.iter().position(|line| matches!(line.op, Op::Member(_)))?;
    let mut sent = 0;
    let place = script.lines[left..].iter().position(|line| {
        if let Op::Send { count, .. } = line.op {
            sent += count;
        }
        sent >= messages && line.at >= script.lines[left].at + 3_600_000
    })?;
    Some(left + place + 1)
}

#[test]
fn a_trace_gets_as_short_as_what_it_shows() {
    let mut shows = |script: &Script| messages_an_hour_after_a_departure(script, 17);
    let (script, replays) = shrink::shrink(long_script(), &mut shows, &mut |_| {}).unwrap();
    assert_eq!(
        script.written(),
        [
            r#"{"at":0,"op":"member","room":"!lobby:example.org","membership":"leave","previous":"join"}"#,
            r#"{"at":3600000,"op":"send","room":"!lobby:example.org","count":17}"#,
        ]
    );
    assert!(replays < 1_000, "{replays} replays");
}

#[test]
fn of_a_few_lines_those_go_too_that_only_go_together() {
    let restart = |at| Line { at, op: Op::Restart { clean: false } };
    let departure = Line { at: 1, op: Op::Member(Member::known("leave", "join")) };
    let lines = vec![restart(0), departure, restart(2)];
    let mut shows = |script: &Script| {
        let restarts = script.lines.iter().filter(|line| matches!(line.op, Op::Restart { .. })).count();
        (script.lines.len() > restarts && restarts % 2 == 0).then_some(script.lines.len())
    };
    let script = Script { lines, ..long_script() };
    let (script, _) = shrink::shrink(script, &mut shows, &mut |_| {}).unwrap();
    assert_eq!(script.lines, [Line { at: 0, op: Op::Member(Member::known("leave", "join")) }]);
}

#[test]
fn the_same_script_shrinks_to_the_same_trace_in_as_many_replays() {
    let shrunk = || {
        let mut shows = |script: &Script| messages_an_hour_after_a_departure(script, 3);
        shrink::shrink(long_script(), &mut shows, &mut |_| {})
    };
    assert_eq!(shrunk(), shrunk());
}

#[test]
fn a_configuration_that_matters_stays_and_the_rest_of_it_goes() {
    let mut shows =
        |script: &Script| (script.config.rtc && !script.lines.is_empty()).then_some(script.lines.len());
    let (script, _) = shrink::shrink(long_script(), &mut shows, &mut |_| {}).unwrap();
    assert_eq!(script.config, Config { rtc: true, ..Config::default() });
    assert_eq!(script.lines.len(), 1);
}

#[test]
fn replays_are_bounded_however_long_the_trace() {
    let lines = (0..20_000).map(|at| Line { at, op: Op::Send { count: 1, shared: at % 2 == 0 } }).collect();
    let script = Script { config: Config::default(), room: ROOM.to_owned(), lines };
    let mut work = 0;
    let mut shows = |script: &Script| {
        work += script.work();
        // Nothing can go.
        (script.lines.len() == 20_000).then_some(20_000)
    };
    assert!(shrink::shrink(script, &mut shows, &mut |_| {}).is_some());
    assert!(work < 3_000_000, "{work}");
}

#[test]
fn contents_are_written_as_they_were_whatever_they_are() {
    let contents =
        ["{}", "not JSON", "{\n}", r#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_msgs":1e2}"#, ""];
    let lines = contents.map(|content| Line { at: 0, op: Op::Encryption(content.to_owned()) }).to_vec();
    let script = Script { config: Config::default(), room: ROOM.to_owned(), lines };
    let outcomes: Vec<_> = decisions(&script).iter().map(|line| line["outcome"].clone()).collect();
    assert_eq!(outcomes, ["malformed", "malformed", "malformed", "usable", "malformed"]);
    assert!(
        script.written()[3]
            .contains(r#""content":{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_msgs":1e2}"#)
    );
}
