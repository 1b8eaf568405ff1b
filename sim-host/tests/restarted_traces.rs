//! `pawl-sim trace` with restarts (B1–B4) against a small model of the rules, which shares no code with the core.

#[path = "restarted_traces/model.rs"]
mod model;

use std::iter;

use model::{Config, Content, Model, Op, Step};
use pawl_sim_host::trace;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

/// The trace as it is written, and what the program prints.
fn run(config: &Config, steps: &[Step]) -> (String, Vec<Value>) {
    let mut lines = vec![config_line(config)];
    let mut last_at = 0;
    for step in steps {
        lines.push(line(step, step.at - last_at));
        last_at = step.at;
    }
    let trace: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let mut output = Vec::new();
    if let Err(error) = trace::run(trace.as_bytes(), &mut output) {
        panic!("{error}\n{trace}");
    }
    let (judgement, _) = trace::judge(trace.as_bytes(), std::io::sink());
    assert_eq!(judgement.violations, [], "\n{trace}");
    let output = String::from_utf8(output).unwrap();
    (trace, output.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn config_line(config: &Config) -> Value {
    json!({
        "op": "config",
        "limits": {"messages": config.messages, "period_ms": config.period_ms},
        "policy": config.policy,
        "reserve": config.reserve,
        "max_rooms": config.max_rooms,
        "rtc": config.rtc,
        "complete": config.complete,
        "plaintext": config.plaintext,
        "clock": {"bits": config.bits, "hz": config.hz},
    })
}

fn line(step: &Step, passed: u64) -> Value {
    let mut line = match &step.op {
        Op::Encryption(content) => json!({"op": "encryption", "content": content_json(content)}),
        Op::Send { count, share } => {
            json!({"op": "send", "count": count, "share": if *share { "ok" } else { "fail" }})
        }
        Op::Member { membership, previous, limited } => {
            let mut line = json!({"op": "member", "membership": membership, "limited": limited});
            if let Some(previous) = previous {
                line["previous"] = (*previous).into();
            }
            line
        }
        Op::Visibility(value) => json!({"op": "visibility", "value": value}),
        Op::DeviceRemoved => json!({"op": "device_removed"}),
        Op::RequestRotation => json!({"op": "request_rotation"}),
        Op::ResetSettings => json!({"op": "reset_settings"}),
        Op::Forget => json!({"op": "forget"}),
        Op::ResyncBegin => json!({"op": "resync_begin"}),
        Op::ResyncEnd => json!({"op": "resync_end"}),
        Op::Tick => json!({"op": "tick"}),
        Op::ClockBack(ms) => json!({"op": "clock_back", "ms": ms}),
        Op::Sleep { part, known } => json!({"op": "sleep", "ms": passed * part / 1_000, "known": known}),
        Op::Restart { clean } => json!({"op": "restart", "clean": clean}),
    };
    line["at"] = step.at.into();
    line["room"] = step.room.into();
    line
}

fn content_json(content: &Content) -> Value {
    match content {
        Content::Usable { messages, period_ms } => {
            let mut content = json!({"algorithm": "m.megolm.v1.aes-sha2"});
            if let Some(messages) = messages {
                content["rotation_period_msgs"] = (*messages).into();
            }
            if let Some(period_ms) = period_ms {
                content["rotation_period_ms"] = (*period_ms).into();
            }
            content
        }
        Content::Unsupported => json!({"algorithm": "m.megolm.v9"}),
        Content::Malformed => json!({}),
    }
}

fn config() -> impl Strategy<Value = Config> {
    let limits = (select(vec![1, 2, 3, 5, 10, 40, 100]), select(vec![1, 1_000, 10_000, 4_000_000]));
    let flags = (prop::bool::weighted(0.7), prop::bool::weighted(0.8), prop::bool::weighted(0.8));
    (
        limits,
        select(vec!["ratchet", "follow", "freeze"]),
        select(vec![1, 2, 3, 16, 1_000]),
        select(vec![1_usize, 2, 64]),
        flags,
        select(clocks()),
    )
        .prop_map(
            |((messages, period_ms), policy, reserve, max_rooms, (rtc, complete, plaintext), clock)| Config {
                messages: [1, messages],
                period_ms: [1, period_ms],
                policy,
                reserve,
                max_rooms,
                rtc,
                complete,
                plaintext,
                bits: clock.0,
                hz: clock.1,
            },
        )
}

/// Clocks of which a tick is a millisecond or less.
fn clocks() -> Vec<(u32, u32)> {
    vec![(64, 1_000), (64, 1_000), (64, 1_000_000), (32, 1_000), (32, 1_000_000), (64, 32_768)]
}

fn op() -> impl Strategy<Value = Op> {
    let messages = select(vec![-1, 1, 2, 3, 4, 8, 9, 20, 1_000]);
    let period_ms = select(vec![0, 1, 10, 1_000, 5_000, 1_000_000, 99_999_999]);
    let content = prop_oneof![
        6 => (option::of(messages), option::of(period_ms))
            .prop_map(|(messages, period_ms)| Content::Usable { messages, period_ms }),
        1 => Just(Content::Unsupported),
        1 => Just(Content::Malformed),
    ];
    let membership = select(vec!["join", "invite", "leave", "ban", "knock", "gone"]);
    let previous = option::of(select(vec!["join", "invite", "leave", "ban", "knock", "none", "gone"]));
    let visibility = select(vec!["joined", "invited", "shared", "world_readable", "else"]);
    prop_oneof![
        5 => content.prop_map(Op::Encryption),
        12 => (1_u32..6, prop::bool::weighted(0.8)).prop_map(|(count, share)| Op::Send { count, share }),
        2 => (membership, previous, prop::bool::weighted(0.2))
            .prop_map(|(membership, previous, limited)| Op::Member { membership, previous, limited }),
        2 => visibility.prop_map(Op::Visibility),
        1 => Just(Op::DeviceRemoved),
        1 => Just(Op::RequestRotation),
        1 => Just(Op::ResetSettings),
        1 => Just(Op::Forget),
        1 => Just(Op::ResyncBegin),
        1 => Just(Op::ResyncEnd),
        1 => Just(Op::Tick),
        1 => select(vec![1, 2, 10, 999, 1_000, 5_000, 2_147_483, 2_147_484, 4_000_000, u64::MAX >> 1])
            .prop_map(Op::ClockBack),
        1 => (0_u64..=1_000, any::<bool>()).prop_map(|(part, known)| Op::Sleep { part, known }),
        6 => any::<bool>().prop_map(|clean| Op::Restart { clean }),
    ]
}

/// Those that bear on one session's count and age.
fn op_of_one_session() -> impl Strategy<Value = Op> {
    let content = (select(vec![4, 8, 9, 10, 40]), select(vec![10, 1_000, 2_500_000, 5_000_000])).prop_map(
        |(messages, period_ms)| Content::Usable { messages: Some(messages), period_ms: Some(period_ms) },
    );
    prop_oneof![
        3 => content.prop_map(Op::Encryption),
        8 => (1_u32..10).prop_map(|count| Op::Send { count, share: true }),
        1 => Just(Op::Tick),
        2 => select(vec![1, 2_147_484, 2_300_000, 4_000_000]).prop_map(Op::ClockBack),
        1 => (select(vec![0, 500, 1_000]), prop::bool::weighted(0.8))
            .prop_map(|(part, known)| Op::Sleep { part, known }),
        6 => any::<bool>().prop_map(|clean| Op::Restart { clean }),
    ]
}

fn passed() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => select(vec![0, 1, 2, 9, 10]),
        3 => select(vec![500, 999, 1_000, 1_001, 5_000]),
        2 => select(vec![999_999, 1_000_000, 1_073_741, 1_073_742, 2_400_000, 4_294_967, 9_000_000]),
    ]
}

fn steps(
    room: impl Strategy<Value = &'static str>,
    op: impl Strategy<Value = Op>,
) -> impl Strategy<Value = Vec<Step>> {
    vec((passed(), room, op), 1..40).prop_map(|steps| {
        let mut at = 0;
        let step = |(passed, room, op)| {
            at += passed;
            Step { at, room, op }
        };
        steps.into_iter().map(step).collect()
    })
}

fn rooms() -> impl Strategy<Value = &'static str> {
    prop_oneof![6 => Just("!a"), 2 => Just("!b"), 1 => Just("!c")]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_traces_with_restarts_print_what_the_rules_say(config in config(), steps in steps(rooms(), op())) {
        let (trace, output) = run(&config, &steps);
        prop_assert_eq!(output, Model::run(&config, &steps), "{}", trace);
    }

    #[test]
    fn a_session_comes_back_from_restarts_as_the_rules_say(
        config in config(),
        steps in steps(Just("!a"), op_of_one_session()),
    ) {
        let enabled = Content::Usable { messages: None, period_ms: None };
        let first = Step { at: 0, room: "!a", op: Op::Encryption(enabled) };
        let steps: Vec<_> = iter::once(first).chain(steps).collect();
        let config = Config { rtc: true, policy: "follow", messages: [1, 100], period_ms: [1, 10_000_000], ..config };
        let (trace, output) = run(&config, &steps);
        prop_assert_eq!(output, Model::run(&config, &steps), "{}", trace);
    }
}
