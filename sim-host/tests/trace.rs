//! `pawl-sim trace`: the example traces, and what is said of a line that is wrong.

use std::fs;
use std::path::Path;

use pawl_sim_host::trace::{self, TraceError};

/// What a trace prints before it ends or stops, and the line number and message it stops with.
fn run(trace: &str) -> (Vec<String>, Option<(u64, String)>) {
    let mut output = Vec::new();
    let stopped = match trace::run(trace.as_bytes(), &mut output) {
        Ok(()) => None,
        Err(TraceError::Line { number, message }) => Some((number, message)),
        Err(error) => panic!("{error}"),
    };
    let output = String::from_utf8(output).unwrap();
    (output.lines().map(str::to_owned).collect(), stopped)
}

#[test]
fn every_example_trace_ends_as_written_beside_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces");
    let mut examples = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            let expected = fs::read_to_string(path.with_extension("expected")).unwrap();
            let text = fs::read_to_string(&path).unwrap();
            let (output, stopped) = run(&text);
            assert_eq!(stopped, None, "{}", path.display());
            assert_eq!(output, expected.lines().collect::<Vec<_>>(), "{}", path.display());
            let (judgement, _) = trace::judge(text.as_bytes(), std::io::sink());
            assert_eq!(judgement.violations, [], "{}", path.display());
            examples += 1;
        }
    }
    assert!(examples >= 26, "{examples} examples");
}

const ENCRYPT: &str =
    r#"{"at":0,"op":"encryption","room":"!a","content":{"algorithm":"m.megolm.v1.aes-sha2"}}"#;

#[track_caller]
fn assert_stops(trace: &str, line: u64, word: &str) {
    let (_, stopped) = run(trace);
    let (number, message) = stopped.expect("the trace stops");
    assert!(number == line && message.contains(word), "line {number}: {message}");
}

#[test]
fn a_line_that_is_not_json_stops_the_trace_and_is_named() {
    assert_stops(&format!("{ENCRYPT}\n\n{{nonsense}}"), 3, "column 2");
}

#[test]
fn what_was_decided_before_a_wrong_line_is_printed() {
    let (output, stopped) =
        run(&format!("{ENCRYPT}\n{{\"at\":1,\"op\":\"send\",\"room\":\"!a\"}}\n{{\"at\":2}}"));
    assert_eq!(output.len(), 2);
    assert_eq!(stopped.unwrap().0, 3);
}

#[test]
fn a_line_that_lacks_a_field_stops_the_trace() {
    assert_stops(r#"{"at":0,"op":"send"}"#, 1, "`room`");
    assert_stops(r#"{"op":"send","room":"!a"}"#, 1, "`at`");
    assert_stops(r#"{"at":0,"room":"!a"}"#, 1, "`op`");
    assert_stops(r#"{"at":0,"op":"encryption","room":"!a"}"#, 1, "`content` or `raw`");
    assert_stops(r#"{"at":0,"op":"member","room":"!a"}"#, 1, "`membership`");
    assert_stops(r#"{"at":0,"op":"visibility","room":"!a"}"#, 1, "`value`");
    assert_stops(r#"{"at":0,"op":"clock_back"}"#, 1, "`ms`");
    assert_stops(r#"{"at":0,"op":"sleep","ms":0}"#, 1, "`known`");
    assert_stops(r#"{"at":0,"op":"restart"}"#, 1, "`clean`");
    assert_stops(r#"{"op":"restart","clean":true}"#, 1, "`at`");
}

#[test]
fn a_field_of_the_wrong_type_stops_the_trace() {
    assert_stops(r#"{"at":-1,"op":"tick"}"#, 1, "-1");
    assert_stops(r#"{"at":0,"op":"send","room":"!a","share":"perhaps"}"#, 1, "perhaps");
    assert_stops(r#"{"at":0,"op":"send","room":"!a","count":1.5}"#, 1, "1.5");
    assert_stops(r#"{"at":0,"op":"restart","clean":"yes"}"#, 1, "yes");
    assert_stops(r#"{"at":0,"op":"no_such_op"}"#, 1, "no_such_op");
}

#[test]
fn a_line_that_goes_back_in_time_stops_the_trace() {
    assert_stops("{\"at\":5,\"op\":\"tick\"}\n{\"at\":4,\"op\":\"tick\"}", 2, "before");
}

#[test]
fn true_time_and_line_numbers_go_on_over_a_restart() {
    let restart = r#"{"at":5,"op":"restart","clean":false}"#;
    assert_stops(&format!("{restart}\n{{\"at\":4,\"op\":\"tick\"}}"), 2, "before");
    let sleep = r#"{"at":9,"op":"sleep","ms":5,"known":true}"#;
    assert_stops(&format!("{restart}\n{sleep}"), 2, "only 4 ms");
}

#[test]
fn a_configuration_is_checked_and_stands_first() {
    assert_stops(r#"{"op":"config","limits":{"messages":[2,1]}}"#, 1, "lower <= upper");
    assert_stops(r#"{"op":"config","max_rooms":4097}"#, 1, "max_rooms");
    assert_stops(r#"{"op":"config","max_rooms":0}"#, 1, "max_rooms");
    assert_stops(r#"{"op":"config","clock":{"bits":16}}"#, 1, "bits");
    assert_stops(r#"{"op":"config","clock":{"hz":0}}"#, 1, "hz");
    assert_stops(r#"{"op":"config","policy":"anything"}"#, 1, "anything");
    assert_stops(r#"{"op":"config","reserve":0}"#, 1, "`reserve` is 0");
    assert_stops(r#"{"op":"config","reserve":-1}"#, 1, "-1");
    assert_stops(r#"{"op":"config","rtc":1}"#, 1, "`1`");
    assert_stops(&format!("{ENCRYPT}\n{{\"op\":\"config\"}}"), 2, "first line");
}

#[test]
fn unknown_fields_and_empty_lines_are_ignored() {
    let (output, stopped) = run(&format!(
        "{{\"op\":\"config\",\"note\":[]}}\n \n{ENCRYPT}\n{{\"at\":0,\"op\":\"tick\",\"x\":null}}\n"
    ));
    assert_eq!((output.len(), stopped), (1, None));
}

#[test]
fn a_sleep_longer_than_the_time_that_passed_stops_the_trace() {
    assert_stops(
        "{\"at\":5,\"op\":\"tick\"}\n{\"at\":9,\"op\":\"sleep\",\"ms\":5,\"known\":true}",
        2,
        "only 4 ms",
    );
}

#[test]
fn content_is_taken_byte_for_byte_and_null_is_content() {
    let (output, stopped) = run(concat!(
        r#"{"at":0,"op":"encryption","room":"!a","content":null}"#,
        "\n",
        r#"{"at":0,"op":"encryption","room":"!b","content":{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_msgs":1e2}}"#,
        "\n",
        r#"{"at":0,"op":"encryption","room":"!c","raw":"{\"algorithm\":\"m.megolm.v1.aes-sha2\"} x"}"#,
        "\n",
    ));
    assert_eq!(stopped, None);
    let outcome = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["outcome"].clone();
    let outcomes: Vec<_> = output.iter().map(|line| outcome(line)).collect();
    assert_eq!(outcomes, ["malformed", "usable", "malformed"]);
}

#[test]
fn a_tick_of_a_second_runs_to_its_end() {
    // C2: at 9,000 ms a clock of 1 Hz can be at 9,999 ms.
    let trace = |at: u64| {
        format!(
            "{}\n{}\n{}\n{{\"at\":{at},\"op\":\"send\",\"room\":\"!a\"}}",
            r#"{"op":"config","limits":{"messages":[1,100],"period_ms":[1,10000]},"clock":{"bits":32,"hz":1}}"#,
            ENCRYPT,
            r#"{"at":0,"op":"send","room":"!a"}"#,
        )
    };
    assert!(run(&trace(8_999)).0[2].contains(r#""session":1"#));
    assert!(run(&trace(9_000)).0[2].contains(r#""rotation":"age""#));
}

#[test]
fn a_sleep_is_added_to_what_the_clock_shows() {
    // C5: the clock shows 1 s of the hour; the application knows of the rest.
    let trace = |known: bool| {
        format!(
            "{}\n{}\n{}\n{{\"at\":3600000,\"op\":\"sleep\",\"ms\":3599000,\"known\":{known}}}\n{}",
            r#"{"op":"config","limits":{"messages":[1,100],"period_ms":[1,3600000]}}"#,
            ENCRYPT,
            r#"{"at":0,"op":"send","room":"!a"}"#,
            r#"{"at":3600000,"op":"send","room":"!a"}"#,
        )
    };
    assert!(run(&trace(true)).0[2].contains(r#""rotation":"age""#));
    assert!(run(&trace(false)).0[2].contains(r#""rotation":"age_unknown""#));
}

#[test]
fn a_line_that_is_an_array_stops_the_trace() {
    assert_stops(r#"["send",2]"#, 1, "not a JSON object");
    assert_stops(&format!("{ENCRYPT}\n[\"tick\",5]"), 2, "not a JSON object");
}

#[test]
fn a_line_that_is_not_utf8_stops_the_trace_and_is_named() {
    let stopped = trace::run(&b"{\"at\":0,\"op\":\"tick\"}\n{\"at\":1,\"op\":\"tick\xff\"}"[..], Vec::new());
    assert!(matches!(stopped, Err(TraceError::Line { number: 2, .. })), "{stopped:?}");
}

#[test]
fn a_wait_that_a_fast_counter_cannot_be_read_through_stops_the_trace() {
    let clock = r#"{"op":"config","clock":{"bits":32,"hz":1000000}}"#;
    assert_stops(&format!("{clock}\n{{\"at\":18446744073709551615,\"op\":\"tick\"}}"), 2, "read");
}

/// How `pawl-sim trace --judge` ends with a trace on standard input, and what it prints.
fn judged(trace: &str) -> assert_cmd::assert::Assert {
    let mut command = assert_cmd::Command::cargo_bin("pawl-sim").unwrap();
    command.args(["trace", "--judge"]).write_stdin(trace).assert()
}

#[test]
fn a_sound_trace_is_judged_in_silence_and_prints_what_it_ever_did() {
    let trace = format!("{ENCRYPT}\n{{\"at\":1,\"op\":\"send\",\"room\":\"!a\",\"count\":101}}");
    let output = judged(&trace).success().stderr("").get_output().clone();
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().collect::<Vec<_>>(), run(&trace).0);
}

#[test]
fn a_judged_trace_still_stops_at_a_wrong_line() {
    judged(&format!("{ENCRYPT}\n{{\"at\":1}}")).code(2);
}

#[test]
fn a_clock_begins_at_what_the_configuration_says() {
    // C2: it wraps a second after the boot, between two readings an hour apart.
    let trace = |hz: u64| {
        let config = format!(
            r#"{{"op":"config","clock":{{"bits":32,"hz":{hz},"at_boot":{}}}}}"#,
            u64::from(u32::MAX) - hz
        );
        format!(
            "{config}\n{}\n{}\n{}",
            r#"{"at":0,"op":"encryption","room":"!a","content":{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_ms":3600000}}"#,
            r#"{"at":0,"op":"send","room":"!a"}"#,
            r#"{"at":3600000,"op":"send","room":"!a"}"#,
        )
    };
    for hz in [1_000, 32_768, 1_000_000] {
        assert!(run(&trace(hz)).0[2].contains(r#""rotation":"age""#), "{hz}");
    }
}
