//! `pawl-sim explain`: every vector through it, and what people are shown.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::thread;

use pawl_core::settings::Limits;
use pawl_sim_host::explain::explain;
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

const PLAIN: &str = r#"{"algorithm":"m.megolm.v1.aes-sha2"}"#;

/// A case of `vectors/settings`, whose format is in `vectors/README.md`.
struct Vector {
    name: String,
    header: BTreeMap<String, String>,
    content: Vec<u8>,
}

static VECTORS: LazyLock<Vec<Vector>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/settings");
    let vectors: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| Vector::read(&entry.unwrap().path())).collect();
    assert!(vectors.len() > 900, "only {} vectors", vectors.len());
    vectors
});

impl Vector {
    fn read(path: &Path) -> Self {
        let bytes = fs::read(path).unwrap();
        let end = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap();
        let lines = str::from_utf8(&bytes[..end]).unwrap().lines().map(|line| line.split_once(':').unwrap());
        Vector {
            name: path.file_name().unwrap().to_str().unwrap().to_owned(),
            header: lines.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect(),
            content: bytes[end + 2..].to_vec(),
        }
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.header.get(name).map(String::as_str)
    }

    fn range(&self, name: &str) -> Option<[u64; 2]> {
        let (lower, upper) = self.field(name)?.split_once(' ').unwrap();
        Some([lower, upper].map(|limit| limit.parse().unwrap()))
    }

    fn limits(&self) -> Limits {
        let [lower, upper] = self.range("limits-messages").unwrap_or([1, 10_000]);
        let messages = u32::try_from(lower).unwrap()..=u32::try_from(upper).unwrap();
        let [lower, upper] = self.range("limits-period-ms").unwrap_or([3_600_000, 2_419_200_000]);
        Limits::new(messages, lower..=upper).unwrap()
    }

    fn limits_arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        for name in ["limits-messages", "limits-period-ms"] {
            if let Some(range) = self.range(name) {
                arguments.push(format!("--{name}"));
                arguments.extend(range.map(|limit| limit.to_string()));
            }
        }
        arguments
    }

    /// Why `line` is not what the header says.
    fn disagreement(&self, line: &Value) -> Option<String> {
        let mut expected = json!({ "outcome": self.field("outcome") });
        if self.field("outcome") == Some("usable") {
            let number = |name| self.field(name).unwrap().parse::<u64>().unwrap();
            expected["messages"] = number("messages").into();
            expected["period_ms"] = number("period_ms").into();
            expected["encrypt_state_events"] = (self.field("encrypt_state_events") == Some("true")).into();
        }
        if let Some(why) = self.field("why") {
            expected["category"] = why.into();
        }
        let found: serde_json::Map<_, _> =
            expected.as_object().unwrap().keys().map(|name| (name.clone(), line[name].clone())).collect();
        if expected != Value::Object(found) || self.diagnostics() != diagnostics(line) {
            return Some(format!("{}: expected {expected}, found {line}", self.name));
        }
        (self.field("outcome") == Some("malformed") && !line["why"].is_string())
            .then(|| format!("{}: no why", self.name))
    }

    fn diagnostics(&self) -> Vec<String> {
        let mut diagnostics: Vec<String> = self
            .field("diagnostics")
            .unwrap_or_default()
            .split(',')
            .filter(|diagnostic| !diagnostic.is_empty())
            .map(str::to_owned)
            .collect();
        diagnostics.sort();
        diagnostics
    }
}

fn diagnostics(line: &Value) -> Vec<String> {
    let mut diagnostics: Vec<String> = line["diagnostics"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|entry| format!("{}={}", entry["field"].as_str().unwrap(), entry["cause"].as_str().unwrap()))
        .collect();
    diagnostics.sort();
    diagnostics
}

/// `pawl-sim explain` with a content on standard input.
fn run(arguments: &[&str], content: &[u8], environment: &[(&str, &str)]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_pawl-sim"))
        .arg("explain")
        .args(arguments)
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It reads no further than it must, which closes the pipe.
    let _closed = child.stdin.take().unwrap().write_all(content);
    child.wait_with_output().unwrap()
}

/// What people are shown about a content, which must be so on this exit status.
fn text(content: impl AsRef<[u8]>, status: i32) -> String {
    let output = run(&[], content.as_ref(), &[]);
    assert_eq!(output.status.code(), Some(status));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    String::from_utf8(output.stdout).unwrap()
}

/// The same without line ends, so that a sentence can be looked for.
fn sentences(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What each caret line underlines in the line above it.
fn underlined(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let is_mark = |line: &str| line.contains('^') && line.trim_matches([' ', '^']).is_empty();
    let marked = lines.windows(2).filter(|pair| is_mark(pair[1])).map(|pair| {
        let [begin, length] = [pair[1].find('^').unwrap(), pair[1].matches('^').count()];
        pair[0].chars().skip(begin).take(length).collect()
    });
    marked.collect()
}

fn wrong_use(arguments: &[&str]) -> String {
    let output = run(arguments, PLAIN.as_bytes(), &[]);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    assert_eq!(output.stdout, b"", "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

// P1–P8
#[test]
fn every_vector_is_explained_as_its_header_says() {
    let disagreements: Vec<String> = VECTORS
        .iter()
        .filter_map(|vector| {
            let line = explain(&vector.content, &vector.limits()).to_json();
            vector.disagreement(&serde_json::from_str(&line).unwrap())
        })
        .collect();
    assert!(disagreements.is_empty(), "{}", disagreements.join("\n"));
}

// P1–P8
#[test]
fn every_vector_ends_the_program_as_its_header_says() {
    let check = |vector: &Vector| {
        let limits = vector.limits_arguments();
        let mut arguments = vec!["--json"];
        arguments.extend(limits.iter().map(String::as_str));
        let output = run(&arguments, &vector.content, &[]);
        let status = match vector.field("outcome") {
            Some("usable") => 0,
            Some("unsupported") => 3,
            _ => 4,
        };
        if output.status.code() != Some(status) || !output.stderr.is_empty() {
            return Some(format!("{}: {output:?}", vector.name));
        }
        assert_eq!(output.stdout.iter().filter(|byte| **byte == b'\n').count(), 1, "one line");
        vector.disagreement(&serde_json::from_slice(&output.stdout).unwrap())
    };
    // Most of the time goes into starting processes.
    let disagreements: Vec<String> = thread::scope(|scope| {
        let threads: Vec<_> = VECTORS
            .chunks(VECTORS.len().div_ceil(4))
            .map(|vectors| scope.spawn(move || vectors.iter().filter_map(check).collect::<Vec<_>>()))
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(disagreements.is_empty(), "{}", disagreements.join("\n"));
}

#[test]
fn nothing_in_any_vector_reaches_the_terminal_as_a_command_or_beyond_the_width() {
    for vector in &*VECTORS {
        for width in [40, 80] {
            let styled = explain(&vector.content, &vector.limits()).to_text(width);
            let text = anstream::adapter::strip_str(&styled).to_string();
            let obeyed = |character: char| {
                character != '\n'
                    && (character.is_control() || ('\u{2028}'..='\u{202e}').contains(&character))
            };
            assert!(!text.contains(obeyed), "{}: {text:?}", vector.name);
            for line in text.lines() {
                assert!(line.width() <= width || !line.trim().contains(' '), "{}: {line}", vector.name);
            }
        }
    }
}

#[test]
fn escape_sequences_of_the_input_are_shown_and_not_sent() {
    let content = b"{\"algorithm\":\"m.megolm.v1.aes-sha2\",\"x\":\"\x1b]0;title\x07\xc2\x9b31m\xff\"}";
    for arguments in [&[][..], &["--json"]] {
        let output = run(arguments, content, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]);
        let shown = String::from_utf8(output.stdout).unwrap();
        assert!(!shown.contains(|character: char| character.is_control() && character != '\n'), "{shown:?}");
    }
    let shown = text(content, 4);
    assert!(shown.contains("␛]0;title␇<U+009B>31m<FF>"), "{shown}");
    // What is wrong first.
    assert_eq!(underlined(&shown), ["␛"]);
    let shown = text(b"{\"algorithm\":\"m.megolm.v1.aes-sha2\",\"x\":\"\xc2\x9b31m\xff\x1b\"}", 4);
    assert_eq!(underlined(&shown), ["<FF>"]);
}

#[test]
fn each_value_not_taken_as_written_is_underlined_with_the_reason() {
    let shown = text(
        "{\n\t\"algorithm\": \"m.megolm.v1.aes-sha2\",\n\t\"Küche\": 1, \"rotation_period_msgs\": 0,\n\
         \"rotation_period_ms\": \"604800000\", \"encrypt_state_events\": [true]\n}",
        0,
    );
    assert_eq!(underlined(&shown), ["0", "\"604800000\"", "[true]"]);
    for sentence in [
        "Usable: encrypt with Megolm, and start a new session after 1 message or 7 days",
        "line 3, column 38 (byte 78):",
        "rotation_period_msgs is 0, below the limit of 1: 1 is taken.",
        "encrypt_state_events is [true], neither true nor false: off is taken.",
    ] {
        assert!(sentences(&shown).contains(sentence), "{sentence}\n{shown}");
    }
}

#[test]
fn the_place_in_a_long_line_is_shown_with_what_is_around_it() {
    let padding = "x".repeat(30_000);
    let content = format!(
        r#"{{"algorithm":"m.megolm.v1.aes-sha2","a":"{padding}","rotation_period_ms":1,"b":"{padding}"}}"#
    );
    let shown = text(&content, 0);
    assert!(shown.contains(r#"xx","rotation_period_ms":1,"b":"xx"#), "{shown}");
    assert_eq!(underlined(&shown), ["1"]);
    assert!(shown.len() < 4_000, "{} bytes", shown.len());
}

#[test]
fn a_value_that_is_longer_than_the_line_is_cut() {
    let content =
        format!(r#"{{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_ms":{}}}"#, "9".repeat(10_000));
    let shown = text(&content, 0);
    let underlined = underlined(&shown);
    assert!(underlined[0].starts_with("999") && underlined[0].ends_with("9…"), "{shown}");
    assert!(shown.contains("is 9999999999999999999999999999999…, above the limit"), "{shown}");
}

// P1
#[test]
fn malformed_content_is_underlined_where_it_goes_wrong() {
    for (content, place, saying) in [
        ("{\"algorithm\":\"x\",}", "}", "`}` cannot stand here: a key in double quotes is expected."),
        ("{\"algorithm\" \"x\"}", "\"", "`\"` cannot stand here: `:` is expected after a key."),
        ("{\"a\":nul}", "}", "without quotes stand only numbers, true, false and null."),
        ("{\"a\":[1,01]}", "1", "`1` cannot stand here: `,` or `]` is expected."),
        ("{\"a\":\"\\u00é0\"}", "é", "four hexadecimal digits come after \\u."),
        ("{\"a\":\"b\nc\"}", "", "The control character U+000A cannot stand here"),
        ("{\"a\":\"b", "", "The content ends here: a string needs its closing quote."),
        ("{\"a\":1} x", "x", "`x` cannot stand here: nothing but white space follows the object."),
        ("\u{feff}{}", "<U+FEFF>", "`<U+FEFF>` cannot stand here: an object begins with `{`."),
        (" [1]", "[", "An array begins here, but a content is an object."),
        ("", "", "The content ends here: an object begins with `{`."),
        ("{\"algorithm\":null}", "null", "Null counts as missing."),
    ] {
        let shown = text(content, 4);
        assert_eq!(underlined(&shown), [place], "{content}\n{shown}");
        assert!(sentences(&shown).contains(saying), "{content}\n{shown}");
    }
}

// P1
#[test]
fn whatever_byte_is_wrong_its_place_lies_within_the_content() {
    let good = "{\"algorithm\":\"m.megolm.v1.aes-sha2\",\"é\":[-1.5e3,true,{\"\\u00e9\":null}],\n\"rotation_period_ms\":0}";
    let explained = |content: &[u8]| {
        let finding = explain(content, &Limits::default());
        let line: Value = serde_json::from_str(&finding.to_json()).unwrap();
        assert!(line["at"].as_u64().is_none_or(|at| at <= content.len() as u64), "{line}");
        assert!(finding.to_text(80).contains("What becomes of the room"));
    };
    for at in 0..good.len() {
        explained(&good.as_bytes()[..at]);
        for wrong in *b"\"\\,:]}0-eu \n\t\0\x1b\xc3\xff" {
            let mut content = good.as_bytes().to_vec();
            content[at] = wrong;
            explained(&content);
        }
    }
}

// P4
#[test]
fn a_key_that_stands_twice_is_underlined_twice() {
    let shown = text(r#"{"algorithm":"m.megolm.v1.aes-sha2","\u0061lgorithm":"m.foo"}"#, 4);
    assert_eq!(underlined(&shown), [r#""\u0061lgorithm""#, r#""algorithm""#]);
}

// S3, S4
#[test]
fn what_becomes_of_the_room_is_said_for_the_first_event_and_a_later_one() {
    let usable = text(PLAIN, 0);
    assert!(usable.contains("encrypted with these settings"), "{usable}");
    for (content, status) in [("{}", 4), (r#"{"algorithm":"m.olm"}"#, 3)] {
        let shown = text(content, status);
        assert!(sentences(&shown).contains("it is blocked, and nothing is sent"), "{shown}");
        assert!(
            sentences(&shown).contains("the event is rejected, and the settings in force stay"),
            "{shown}"
        );
        assert!(sentences(&shown).contains("never sent plaintext"), "{shown}");
    }
}

#[test]
fn a_whole_event_is_recognised() {
    let shown = text(format!(r#"{{"type":"m.room.encryption","content":{PLAIN}}}"#), 4);
    assert!(shown.contains("Is this a whole event?"), "{shown}");
}

/// Which peculiarities are named for a content, and what mautrix-go does with the first.
fn other_clients(content: &str) -> (Vec<String>, Option<String>) {
    let line: Value =
        serde_json::from_str(&explain(content.as_bytes(), &Limits::default()).to_json()).unwrap();
    let entries = line["other_clients"].as_array().unwrap();
    let inputs = entries.iter().map(|entry| entry["input"].as_str().unwrap().to_owned()).collect();
    let mautrix_go = entries.first().and_then(|entry| {
        let clients = entry["clients"].as_array().unwrap();
        let client = clients.iter().find(|client| client["client"] == "mautrix-go")?;
        Some(client["does"].as_str().unwrap().to_owned())
    });
    (inputs, mautrix_go)
}

#[test]
fn other_clients_are_named_where_the_content_has_something_they_take_otherwise() {
    let megolm = |more: &str| format!(r#"{{"algorithm":"m.megolm.v1.aes-sha2",{more}}}"#);
    for (content, input, mautrix_go) in [
        (
            megolm(r#""rotation_period_msgs":-1"#),
            "rotation_period_msgs is negative (seen with -1)",
            "takes 1",
        ),
        (megolm(r#""rotation_period_msgs":0"#), "rotation_period_msgs is 0", "takes the default, 100"),
        (megolm(r#""rotation_period_msgs":1.5"#), "rotation_period_msgs has a fraction", "cannot parse"),
        (megolm(r#""rotation_period_msgs":1e3"#), "rotation_period_msgs has an exponent", "cannot parse"),
        (megolm(r#""rotation_period_msgs":"100""#), "rotation_period_msgs is a string", "cannot parse"),
        (megolm(r#""rotation_period_msgs":true"#), "rotation_period_msgs is true", "cannot parse"),
        (
            megolm(r#""rotation_period_msgs":18446744073709551616"#),
            "rotation_period_msgs is 2^53 or more",
            "takes 10,000 for 2^53; 2^64 cannot be parsed",
        ),
        (megolm(r#""rotation_period_ms":1"#), "rotation_period_ms is below 1 hour", "takes 1 hour"),
        (
            megolm(r#""rotation_period_ms":2419200001"#),
            "rotation_period_ms is above 28 days",
            "takes 365 days at most",
        ),
        (megolm(r#""ALGORITHM":"m.foo""#), "algorithm stands in another case too", "the last one counts"),
        (megolm(r#""algorithm":"m.foo""#), "the same known key twice", "the last one counts"),
        ("{}".to_owned(), "algorithm is missing or null", "accepts the event, and sends plaintext"),
        (
            r#"{"Algorithm":"m.foo"}"#.to_owned(),
            "algorithm stands only in another case",
            "takes it for algorithm",
        ),
        (r#"{"algorithm":[]}"#.to_owned(), "algorithm is not a string", "cannot parse"),
        (
            r#"{"algorithm":"m.foo"}"#.to_owned(),
            "algorithm is not known",
            "accepts the event, and sends plaintext",
        ),
        (
            megolm(&format!(r#""x":{}{}"#, "[".repeat(64), "]".repeat(64))),
            "deep nesting",
            "reads 5,000 levels",
        ),
        ("[]".to_owned(), "the content is not an object", "cannot parse the content"),
    ] {
        let (inputs, does) = other_clients(&content);
        assert_eq!(inputs.len(), 1, "{content}: {inputs:?}");
        assert!(inputs[0].starts_with(input), "{content}: {inputs:?}");
        assert!(does.as_deref().is_some_and(|does| does.starts_with(mautrix_go)), "{content}: {does:?}");
    }
    let shown = text(megolm(r#""rotation_period_msgs":-1"#), 0);
    assert!(shown.contains("Other clients") && shown.contains("matrix-nio (0.26.0)"), "{shown}");
}

#[test]
fn other_clients_are_not_named_where_nothing_is_known() {
    for more in ["", r#","rotation_period_msgs":100"#, r#","rotation_period_msgs":null"#, r#","x":1"#] {
        let content = format!(r#"{{"algorithm":"m.megolm.v1.aes-sha2"{more}}}"#);
        assert_eq!(other_clients(&content), (vec![], None), "{content}");
    }
    for value in ["-0", "1.0", "-1.5", "1e-3", "[]", "false"] {
        let content = format!(r#"{{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_msgs":{value}}}"#);
        assert_eq!(other_clients(&content), (vec![], None), "{content}");
    }
    assert!(!text(PLAIN, 0).contains("Other clients"));
}

#[test]
fn colour_is_for_terminals_and_not_where_no_color_is_set() {
    let escapes = |environment: &[(&str, &str)]| run(&[], b"{}", environment).stdout.contains(&0x1b);
    assert!(!escapes(&[]), "not a terminal");
    assert!(escapes(&[("CLICOLOR_FORCE", "1")]));
    assert!(!escapes(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
}

// P2
#[cfg(unix)]
#[test]
fn an_input_without_end_is_not_read_to_its_end() {
    let output = run(&["--json", "/dev/zero"], b"", &[]);
    assert_eq!(output.status.code(), Some(4));
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(line["category"], "too_long");
    assert_eq!(line["at"], 65_536);
}

#[test]
fn a_file_is_read_as_standard_input_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("content.json");
    fs::write(&file, PLAIN).unwrap();
    let from_file = run(&[file.to_str().unwrap()], b"", &[]);
    assert_eq!(from_file.status.code(), Some(0));
    assert_eq!(from_file.stdout, run(&[], PLAIN.as_bytes(), &[]).stdout);
}

#[test]
fn a_file_that_cannot_be_read_says_so_and_what_to_do() {
    for file in ["no-such-file", "/"] {
        let message = wrong_use(&["--json", file]);
        assert!(message.contains(file) && message.contains("name a file"), "{message}");
    }
}

#[test]
fn wrong_limits_are_wrong_use() {
    for (limits, message) in [
        (["--limits-messages", "5", "4"], "1 <= lower <= upper"),
        (["--limits-messages", "0", "4"], "1 <= lower <= upper"),
        (["--limits-period-ms", "5", "4"], "1 <= lower <= upper"),
        (["--limits-period-ms", "0", "4"], "1 <= lower <= upper"),
        (["--limits-messages", "1", "4294967296"], "4294967296"),
        (["--limits-messages", "1", "ten"], "ten"),
    ] {
        let shown = wrong_use(&limits);
        assert!(shown.contains(message) && shown.contains(limits[0]), "{shown}");
    }
    wrong_use(&["--limits-messages", "1", "2", "--limits-messages", "1", "2"]);
    wrong_use(&["--limits-messages", "1"]);
    wrong_use(&["--no-such-option"]);
}

#[cfg(unix)]
#[test]
fn the_examples_of_the_help_work() {
    let help = String::from_utf8(run(&["--help"], b"", &[]).stdout).unwrap();
    let (_, examples) = help.split_once("Examples:\n").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_pawl-sim")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let mut statuses = Vec::new();
    for line in examples.lines().take_while(|line| line.starts_with("  ")) {
        // What an example shows stands further to the right.
        let command = line.trim_start().split("   ").next().unwrap();
        let output = Command::new("sh")
            .args(["-c", command])
            .current_dir(&folder)
            .env("PATH", &path)
            .output()
            .unwrap();
        assert_eq!(output.stderr, b"", "{command}");
        statuses.push(output.status.code().unwrap());
    }
    assert_eq!(statuses, [0, 0, 0, 0, 4]);
}
