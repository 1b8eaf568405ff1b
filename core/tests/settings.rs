//! Reading the `content` of `m.room.encryption` (P1–P8) and what a later one may change (S3).

mod support;

use pawl_core::json::{JsonError, MAX_DEPTH, MAX_LENGTH, ObjectReader, Value, check_object};
use pawl_core::settings::{
    Cause, ChangePolicy, Field, InvalidLimits, Limits, Malformed, Reading, Settings, read,
};
use pawl_core::{Config, Effect};
use support::{ROOM, Storage, WEEK_MS, content, device_with};

fn read_default(content: impl AsRef<[u8]>) -> Reading {
    read(content.as_ref(), &Limits::default())
}

/// Reads an object with the algorithm and these members in it.
fn read_members(members: &str) -> Reading {
    read_default(format!(r#"{{"algorithm":"m.megolm.v1.aes-sha2",{members}}}"#))
}

#[track_caller]
fn usable(reading: Reading) -> Settings {
    match reading {
        Reading::Usable(settings, _) => settings,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn diagnostics(reading: Reading) -> Vec<(Field, Cause)> {
    match reading {
        Reading::Usable(_, diagnostics) => diagnostics.iter().collect(),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_malformed(content: impl AsRef<[u8]>, why: Malformed) {
    let content = content.as_ref();
    assert_eq!(read_default(content), Reading::Malformed(why), "{}", String::from_utf8_lossy(content));
}

#[track_caller]
fn assert_not_json(content: impl AsRef<[u8]>) {
    assert_malformed(content, Malformed::Json(JsonError::Syntax));
}

const DEFAULTS: Settings =
    Settings { rotation_period_msgs: 100, rotation_period_ms: WEEK_MS, encrypt_state_events: false };

/// `inner` inside `depth` brackets, the outermost object included.
fn nested(depth: usize, open: &str, inner: &str, close: &str) -> String {
    format!(
        r#"{{"algorithm":"m.megolm.v1.aes-sha2","x":{}{inner}{}}}"#,
        open.repeat(depth - 1),
        close.repeat(depth - 1)
    )
}

// P1: strict JSON

#[test]
fn nothing_is_malformed() {
    // P1
    assert_not_json("");
    assert_not_json(" \n");
}

#[test]
fn every_proper_prefix_is_malformed() {
    // P1
    let whole = r#"{"algorithm":"m.megolm.v1.aes-sha2","a":[1,-2.5e+3,{"b":null}],"\u0063":true}"#;
    assert_eq!(usable(read_default(whole)), DEFAULTS);
    for end in 0..whole.len() {
        assert_not_json(&whole[..end]);
    }
}

#[test]
fn another_type_than_an_object_is_malformed() {
    // P1
    for value in [
        "[]",
        r#"["algorithm","m.megolm.v1.aes-sha2"]"#,
        r#""m.megolm.v1.aes-sha2""#,
        "0",
        "-1",
        "true",
        "false",
        "null",
    ] {
        assert_malformed(value, Malformed::Json(JsonError::NotAnObject));
    }
}

#[test]
fn a_byte_order_mark_is_malformed() {
    // P1
    assert_not_json("\u{feff}{\"algorithm\":\"m.megolm.v1.aes-sha2\"}");
}

#[test]
fn white_space_around_the_object_is_allowed() {
    // P1
    assert_eq!(
        usable(read_default(" \t\r\n{ \"algorithm\"\t:\r\"m.megolm.v1.aes-sha2\"\n} \t\r\n")),
        DEFAULTS
    );
}

#[test]
fn no_other_white_space_is_allowed() {
    // P1
    for space in ['\u{b}', '\u{c}', '\u{0}', '\u{85}', '\u{a0}', '\u{2028}', '\u{feff}'] {
        assert_not_json(format!(r#"{{{space}"algorithm":"m.megolm.v1.aes-sha2"}}"#));
        assert_not_json(format!(r#"{{"algorithm":"m.megolm.v1.aes-sha2"}}{space}"#));
    }
}

#[test]
fn trailing_bytes_are_malformed() {
    // P1
    for trailing in ["x", "{}", "}", ",", "\0", "//", "{\"algorithm\":0}"] {
        assert_not_json(format!(r#"{{"algorithm":"m.megolm.v1.aes-sha2"}}{trailing}"#));
    }
}

#[test]
fn bytes_that_are_not_utf_8_are_malformed() {
    // P1: a stray byte, an overlong form, an encoded surrogate, a character cut short, one beyond the last
    for bytes in [&b"\xff"[..], b"\xc0\xaf", b"\xed\xa0\x80", b"\xe2\x82", b"\xf4\x90\x80\x80"] {
        let content = [br#"{"algorithm":"m.megolm.v1.aes-sha2","x":""#, bytes, br#""}"#].concat();
        assert_malformed(content, Malformed::Json(JsonError::NotUtf8));
    }
}

#[test]
fn characters_of_every_length_are_allowed() {
    // P1
    assert_eq!(usable(read_members("\"\u{7f}é\u{2028}\u{ffff}\u{10ffff}\":\"é😀\"")), DEFAULTS);
}

#[test]
fn a_bad_number_is_malformed() {
    // P1
    for number in [
        "01",
        "-01",
        "00",
        "-",
        "+1",
        ".5",
        "1.",
        "1.e3",
        "1e",
        "1e+",
        "1E-",
        "0x10",
        "1_000",
        "--1",
        "-a",
        "1.2.3",
        "1e5.0",
        "1e5e5",
        "NaN",
        "Infinity",
        "-Infinity",
        "１",
    ] {
        assert_not_json(format!(r#"{{"algorithm":"m.megolm.v1.aes-sha2","x":{number}}}"#));
        assert_not_json(format!(r#"{{"algorithm":"m.megolm.v1.aes-sha2","x":[{number}]}}"#));
    }
}

#[test]
fn every_form_of_number_is_allowed() {
    // P1
    assert_eq!(
        usable(read_members(
            r#""x":[0,-0,10,-10,0.0,-0.05,1e5,1E5,1e+5,1e-5,0e0,1.5e300000,99999999999999999999999]"#
        )),
        DEFAULTS
    );
}

#[test]
fn a_bad_escape_is_malformed() {
    // P1
    for escape in [
        r"\a", r"\v", r"\0", r"\x41", r"\'", r"\U0041", r"\u", r"\u12", r"\u123", r"\u123g", r"\u+123",
        r"\u 123", "\\", "\\\n",
    ] {
        assert_not_json(format!(r#"{{"algorithm":"m.megolm.v1.aes-sha2","x":"{escape}"}}"#));
        assert_not_json(format!(r#"{{"algorithm":"m.megolm.v1.aes-sha2","{escape}":1}}"#));
    }
}

#[test]
fn every_escape_is_allowed() {
    // P1
    assert_eq!(
        usable(read_members(
            r#""\"\\\/\b\f\n\r\t\u0000\u00e9\uD83D\uDE00":"\"\\\/\b\f\n\r\t\u0000\u00e9\uD83D\uDE00""#
        )),
        DEFAULTS
    );
}

#[test]
fn a_raw_control_character_in_a_string_is_malformed() {
    // P1
    for control in 0..0x20_u8 {
        let control = char::from(control);
        assert_not_json(format!(r#"{{"algorithm":"m.megolm.v1.aes-sha2","x":"{control}"}}"#));
        assert_not_json(format!(r#"{{"algorithm":"m.megolm.v1.aes-sha2","{control}":1}}"#));
    }
}

#[test]
fn broken_punctuation_is_malformed() {
    // P1
    for content in [
        r#"{"algorithm":"m.megolm.v1.aes-sha2",}"#,
        r#"{,"algorithm":"m.megolm.v1.aes-sha2"}"#,
        r#"{"algorithm":"m.megolm.v1.aes-sha2",,"x":1}"#,
        r#"{"algorithm":"m.megolm.v1.aes-sha2" "x":1}"#,
        r#"{"algorithm" "m.megolm.v1.aes-sha2"}"#,
        r#"{"algorithm"::"m.megolm.v1.aes-sha2"}"#,
        r#"{"algorithm"}"#,
        r#"{"algorithm":}"#,
        r#"{algorithm:"m.megolm.v1.aes-sha2"}"#,
        r"{'algorithm':'m.megolm.v1.aes-sha2'}",
        r#"{1:"m.megolm.v1.aes-sha2"}"#,
        r#"{"algorithm":"m.megolm.v1.aes-sha2"]"#,
        r#"{"algorithm":"m.megolm.v1.aes-sha2"/**/}"#,
        r#"{"algorithm":"m.megolm.v1.aes-sha2","x":[1,]}"#,
        r#"{"algorithm":"m.megolm.v1.aes-sha2","x":[,1]}"#,
        r#"{"algorithm":"m.megolm.v1.aes-sha2","x":[1 2]}"#,
        r#"{"algorithm":"m.megolm.v1.aes-sha2","x":[1:2]}"#,
        r#"{"algorithm":"m.megolm.v1.aes-sha2","x":[1}}"#,
        r#"{"algorithm":"m.megolm.v1.aes-sha2","x":{"a":1]}"#,
        r#"{"algorithm":"m.megolm.v1.aes-sha2","x":{"a"}}"#,
        r#"{"algorithm":"m.megolm.v1.aes-sha2","x":{"a":1,}}"#,
        r#"{"algorithm":"m.megolm.v1.aes-sha2","x":{1}}"#,
        r#"{"algorithm":"m.megolm.v1.aes-sha2","x":[[1]2]}"#,
        r#"{"algorithm":"m.megolm.v1.aes-sha2","x":[{}{}]}"#,
    ] {
        assert_not_json(content);
    }
}

#[test]
fn a_misspelt_literal_is_malformed() {
    // P1
    for literal in ["True", "tru", "truefalse", "nul", "NULL", "undefined", "fals e"] {
        assert_not_json(format!(r#"{{"algorithm":"m.megolm.v1.aes-sha2","x":{literal}}}"#));
    }
}

#[test]
fn a_lone_surrogate_escape_is_accepted() {
    // P1
    assert_eq!(usable(read_members(r#""\ud800":"\udfff","\ud800x":["\udc00\ud800"]"#)), DEFAULTS);
}

#[test]
fn a_known_key_with_a_lone_surrogate_is_another_key() {
    // P1, P3
    assert_malformed(r#"{"algorithm\ud800":"m.megolm.v1.aes-sha2"}"#, Malformed::AlgorithmMissing);
}

#[test]
fn the_algorithm_with_a_lone_surrogate_is_unsupported() {
    // P1, P5
    assert_eq!(read_default(r#"{"algorithm":"m.megolm.v1.aes-sha2\ud800"}"#), Reading::Unsupported);
}

#[test]
fn an_escape_is_compared_whole_not_by_its_low_byte() {
    // P3: U+0161 and U+FF41 are not `a`
    for key in [r"\u0161lgorithm", r"\uff41lgorithm", r"\u6161lgorithm"] {
        assert_malformed(format!(r#"{{"{key}":"m.megolm.v1.aes-sha2"}}"#), Malformed::AlgorithmMissing);
    }
}

// P2: bounds

#[test]
fn a_content_of_65_536_bytes_is_read() {
    // P2
    let mut content = support::MEGOLM.to_vec();
    content.resize(MAX_LENGTH, b' ');
    assert_eq!(content.len(), 65_536);
    assert_eq!(usable(read_default(&content)), DEFAULTS);
}

#[test]
fn a_content_of_65_537_bytes_is_malformed_even_if_the_last_is_white_space() {
    // P2
    let mut content = support::MEGOLM.to_vec();
    content.resize(65_537, b' ');
    assert_malformed(content, Malformed::Json(JsonError::TooLong));
}

#[test]
fn nesting_of_64_is_read() {
    // P2: the object itself is depth 1
    assert_eq!(MAX_DEPTH, 64);
    for content in [
        nested(64, "[", "", "]"),
        nested(64, "[", "1", "]"),
        nested(64, r#"{"x":"#, "1", "}"),
        nested(63, r#"{"x":"#, "[]", "}"),
    ] {
        assert_eq!(usable(read_default(content)), DEFAULTS);
    }
}

#[test]
fn nesting_of_65_is_malformed() {
    // P2
    for content in [
        nested(65, "[", "", "]"),
        nested(65, r#"{"x":"#, "1", "}"),
        nested(64, r#"{"x":"#, "[]", "}"),
        nested(64, "[", "{}", "]"),
    ] {
        assert_malformed(content, Malformed::Json(JsonError::TooDeep));
    }
}

#[test]
fn depth_is_counted_afresh_after_each_bracket_that_closes() {
    // P2
    let deep = format!("{}{}", "[".repeat(62), "]".repeat(62));
    let siblings = vec![deep; 300].join(",");
    assert_eq!(usable(read_members(&format!(r#""x":[{siblings}],"y":{{}}"#))), DEFAULTS);
}

#[test]
fn the_kind_of_each_of_64_open_brackets_is_remembered() {
    // P1, P2
    let open = r#"[{"x":"#.repeat(31);
    let close = "}]".repeat(31);
    assert_eq!(usable(read_members(&format!(r#""x":{open}[]{close}"#))), DEFAULTS);
    let wrong = "]}".repeat(31);
    assert_not_json(format!(r#"{{"algorithm":"m.megolm.v1.aes-sha2","x":{open}[]{wrong}}}"#));
}

#[test]
fn the_deepest_input_needs_no_more_stack_than_a_flat_one() {
    // P2: nothing recurses, whatever the length
    let content = format!(r#"{{"x":{}{}}}"#, "[".repeat(32_000), "]".repeat(32_000));
    std::thread::Builder::new()
        .stack_size(32 * 1_024)
        .spawn(move || assert_malformed(content, Malformed::Json(JsonError::TooDeep)))
        .unwrap()
        .join()
        .unwrap();
}

// P3: keys

#[test]
fn a_known_key_is_recognised_by_its_decoded_escapes() {
    // P3
    let settings = usable(read_default(
        r#"{"\u0061lgorithm":"m.megolm.v1.aes-sha2","rotation\u005Fperiod\u005fms":7200000,"rotation_period_ms\u0067s":7,"encrypt_\u0073tate_events":true}"#,
    ));
    assert_eq!(
        settings,
        Settings { rotation_period_msgs: 7, rotation_period_ms: 7_200_000, encrypt_state_events: true }
    );
}

#[test]
fn a_key_wholly_in_escapes_is_recognised() {
    // P3
    let key: String = "algorithm".bytes().map(|byte| format!("\\u{byte:04X}")).collect();
    assert_eq!(usable(read_default(format!(r#"{{"{key}":"m.megolm.v1.aes-sha2"}}"#))), DEFAULTS);
}

#[test]
fn case_matters_in_a_key() {
    // P3
    for key in ["Algorithm", "ALGORITHM", "algorithM"] {
        assert_malformed(format!(r#"{{"{key}":"m.megolm.v1.aes-sha2"}}"#), Malformed::AlgorithmMissing);
    }
}

#[test]
fn a_key_that_only_begins_or_ends_like_a_known_one_is_unknown() {
    // P3
    for key in [
        "rotation_period_msg",
        "rotation_period_msgss",
        "rotation_period_msgs ",
        " rotation_period_msgs",
        "rotation_period_msgs\\u0000",
        "",
    ] {
        assert_eq!(usable(read_members(&format!(r#""{key}":7"#))), DEFAULTS, "{key}");
    }
}

#[test]
fn a_known_key_inside_an_unknown_one_has_no_effect() {
    // P3
    assert_eq!(
        usable(read_members(
            r#""x":{"rotation_period_msgs":7,"algorithm":null},"y":[{"rotation_period_msgs":7}]"#
        )),
        DEFAULTS
    );
}

#[test]
fn an_unknown_key_is_checked_as_json() {
    // P3
    assert_not_json(r#"{"algorithm":"m.megolm.v1.aes-sha2","x":{"y":[tru]}}"#);
}

#[test]
fn the_order_of_keys_does_not_matter() {
    // P3
    let settings =
        usable(read_default(r#"{"rotation_period_msgs":7,"x":{},"algorithm":"m.megolm.v1.aes-sha2"}"#));
    assert_eq!(settings.rotation_period_msgs, 7);
}

// P4: duplicates

#[test]
fn the_same_known_key_twice_is_malformed() {
    // P4
    for key in [
        "rotation_period_ms",
        "rotation_period_msgs",
        "encrypt_state_events",
        "io.element.msc4362.encrypt_state_events",
    ] {
        for (first, second) in [("1", "1"), ("null", "1"), ("1", "null"), ("null", "null")] {
            assert_malformed(
                format!(r#"{{"algorithm":"m.megolm.v1.aes-sha2","{key}":{first},"{key}":{second}}}"#),
                Malformed::DuplicateKey,
            );
        }
    }
}

#[test]
fn the_algorithm_twice_is_malformed() {
    // P4
    assert_malformed(
        r#"{"algorithm":"m.megolm.v1.aes-sha2","algorithm":"m.megolm.v1.aes-sha2"}"#,
        Malformed::DuplicateKey,
    );
}

#[test]
fn a_known_key_in_two_spellings_is_a_duplicate() {
    // P4
    assert_malformed(
        r#"{"algorithm":"m.megolm.v1.aes-sha2","\u0061lgorithm":"m.megolm.v1.aes-sha2"}"#,
        Malformed::DuplicateKey,
    );
}

#[test]
fn what_is_wrong_with_a_value_comes_before_what_is_wrong_with_its_key() {
    // P1, P4: the content is malformed for both; logs name the first in this order
    assert_not_json(r#"{"algorithm":"m.megolm.v1.aes-sha2","algorithm":x}"#);
    assert_not_json(r#"{"algorithm":"m.megolm.v1.aes-sha2","algorithm":["#);
}

#[test]
fn both_names_of_state_events_together_are_no_duplicate() {
    // P4, P7
    assert!(
        usable(read_members(r#""encrypt_state_events":true,"io.element.msc4362.encrypt_state_events":true"#))
            .encrypt_state_events
    );
}

#[test]
fn an_unknown_key_twice_is_allowed() {
    // P4
    assert_eq!(usable(read_members(r#""x":1,"x":2"#)), DEFAULTS);
}

// P5: the algorithm

#[test]
fn a_missing_or_null_algorithm_is_malformed() {
    // P5
    for content in ["{}", r#"{"algorithm":null}"#, r#"{"rotation_period_msgs":7}"#] {
        assert_malformed(content, Malformed::AlgorithmMissing);
    }
}

#[test]
fn an_algorithm_that_is_not_a_string_is_malformed() {
    // P5
    for value in ["1", "1.5", "true", "[\"m.megolm.v1.aes-sha2\"]", "{\"m.megolm.v1.aes-sha2\":1}"] {
        assert_malformed(format!(r#"{{"algorithm":{value}}}"#), Malformed::AlgorithmNotAString);
    }
}

#[test]
fn any_other_algorithm_is_unsupported() {
    // P5: the guide's misprint included
    for name in [
        "m.megolm.v1-aes-sha2",
        "",
        "m.megolm.v2.aes-sha2",
        "M.megolm.v1.aes-sha2",
        "m.megolm.v1.aes-sha",
        "m.megolm.v1.aes-sha2 ",
        "m.megolm.v1.aes-sha2\\u0000",
        "m.olm.v1.curve25519-aes-sha2",
        "é",
    ] {
        assert_eq!(read_default(format!(r#"{{"algorithm":"{name}"}}"#)), Reading::Unsupported, "{name}");
    }
}

#[test]
fn the_algorithm_is_compared_with_its_escapes_decoded() {
    // P5
    assert_eq!(usable(read_default(r#"{"algorithm":"m.megolm.v1.aes\u002dsha2"}"#)), DEFAULTS);
}

#[test]
fn malformed_goes_before_unsupported() {
    // P5
    assert_malformed(
        r#"{"algorithm":"m.other","rotation_period_ms":1,"rotation_period_ms":1}"#,
        Malformed::DuplicateKey,
    );
    assert_not_json(r#"{"algorithm":"m.other"}x"#);
}

// P6: rotation values

#[test]
fn missing_rotation_values_are_the_defaults() {
    // P6
    assert_eq!(usable(read_default(support::MEGOLM)), DEFAULTS);
}

#[test]
fn a_value_within_the_limits_is_taken_as_written() {
    // P6
    let settings = usable(read_members(r#""rotation_period_msgs":1,"rotation_period_ms":3600000"#));
    assert_eq!((settings.rotation_period_msgs, settings.rotation_period_ms), (1, 3_600_000));
    let settings = usable(read_members(r#""rotation_period_msgs":10000,"rotation_period_ms":2419200000"#));
    assert_eq!((settings.rotation_period_msgs, settings.rotation_period_ms), (10_000, 2_419_200_000));
}

#[test]
fn a_value_below_the_lower_limit_is_the_lower_limit() {
    // P6
    for value in ["0", "-0", "-1", "-100", "-18446744073709551616", "-99999999999999999999999999"] {
        let reading =
            read_members(&format!(r#""rotation_period_msgs":{value},"rotation_period_ms":{value}"#));
        let settings = usable(reading);
        assert_eq!((settings.rotation_period_msgs, settings.rotation_period_ms), (1, 3_600_000), "{value}");
        assert_eq!(
            diagnostics(reading),
            [(Field::RotationPeriodMs, Cause::BelowLimit), (Field::RotationPeriodMsgs, Cause::BelowLimit)]
        );
    }
}

#[test]
fn one_below_the_lower_limit_is_the_lower_limit() {
    // P6
    let reading = read_members(r#""rotation_period_ms":3599999"#);
    assert_eq!(usable(reading).rotation_period_ms, 3_600_000);
    assert_eq!(diagnostics(reading), [(Field::RotationPeriodMs, Cause::BelowLimit)]);
}

#[test]
fn a_value_above_the_upper_limit_is_the_upper_limit() {
    // P6: of any length; multiples of 2³² and 2⁶⁴ do not wrap to something small
    for value in [
        "2419200001",
        "4294967346",
        "18446744073709551615",
        "18446744073709551616",
        "18446744073709551666",
        "340282366920938463463374607431768211506",
        &"9".repeat(60_000),
        &format!("1{}", "0".repeat(60_000)),
    ] {
        let messages = read_members(&format!(r#""rotation_period_msgs":{value}"#));
        assert_eq!(usable(messages).rotation_period_msgs, 10_000);
        assert_eq!(diagnostics(messages), [(Field::RotationPeriodMsgs, Cause::AboveLimit)]);
        let period = read_members(&format!(r#""rotation_period_ms":{value}"#));
        assert_eq!(usable(period).rotation_period_ms, 2_419_200_000);
        assert_eq!(diagnostics(period), [(Field::RotationPeriodMs, Cause::AboveLimit)]);
    }
}

#[test]
fn a_null_rotation_value_is_the_default_and_no_diagnostic() {
    // P6, P8
    let reading = read_members(r#""rotation_period_msgs":null,"rotation_period_ms":null"#);
    assert_eq!(usable(reading), DEFAULTS);
    assert_eq!(diagnostics(reading), []);
}

#[test]
fn a_rotation_value_that_is_no_integer_is_the_default() {
    // P6
    for value in ["7.0", "7e0", "7E2", "0.5", "-1.5", "1e-2", "\"7\"", "true", "[7]", "{\"7\":7}"] {
        let reading =
            read_members(&format!(r#""rotation_period_msgs":{value},"rotation_period_ms":{value}"#));
        assert_eq!(usable(reading), DEFAULTS, "{value}");
        assert_eq!(
            diagnostics(reading),
            [(Field::RotationPeriodMs, Cause::WrongType), (Field::RotationPeriodMsgs, Cause::WrongType)]
        );
    }
}

#[test]
fn the_defaults_obey_the_limits_too() {
    // P6
    let low = Limits::new(1..=50, 1..=1_000).unwrap();
    let high = Limits::new(200..=300, WEEK_MS + 1..=WEEK_MS + 2).unwrap();
    for content in [
        support::MEGOLM,
        br#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_ms":[],"rotation_period_msgs":[]}"#,
    ] {
        let settings = usable(read(content, &low));
        assert_eq!((settings.rotation_period_msgs, settings.rotation_period_ms), (50, 1_000));
        let settings = usable(read(content, &high));
        assert_eq!((settings.rotation_period_msgs, settings.rotation_period_ms), (200, WEEK_MS + 1));
    }
}

#[test]
fn a_default_brought_within_the_limits_is_no_diagnostic() {
    // P8: nothing was written that is taken otherwise
    let limits = Limits::new(1..=50, 1..=1_000).unwrap();
    assert_eq!(diagnostics(read(support::MEGOLM, &limits)), []);
}

#[test]
fn the_widest_limits_take_the_greatest_values() {
    // P6
    let limits = Limits::new(1..=u32::MAX, 1..=u64::MAX).unwrap();
    let reading = read(&content(u32::MAX, u64::MAX), &limits);
    let settings = usable(reading);
    assert_eq!((settings.rotation_period_msgs, settings.rotation_period_ms), (u32::MAX, u64::MAX));
    assert_eq!(diagnostics(reading), []);
}

#[test]
fn a_period_above_the_widest_limit_is_reported() {
    // P8: 2⁶⁴ is not taken as written
    let limits = Limits::new(1..=u32::MAX, 1..=u64::MAX).unwrap();
    let content = br#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_ms":18446744073709551616}"#;
    assert_eq!(diagnostics(read(content, &limits)), [(Field::RotationPeriodMs, Cause::AboveLimit)]);
}

#[test]
fn limits_must_not_begin_at_0() {
    // P6: 1 ≤ lower
    assert_eq!(Limits::new(0..=1, 1..=1), Err(InvalidLimits));
    assert_eq!(Limits::new(1..=1, 0..=1), Err(InvalidLimits));
}

#[test]
#[expect(clippy::reversed_empty_ranges, reason = "that is the case")]
fn limits_must_not_be_empty() {
    // P6: lower ≤ upper
    assert_eq!(Limits::new(2..=1, 1..=1), Err(InvalidLimits));
    assert_eq!(Limits::new(1..=1, 2..=1), Err(InvalidLimits));
}

#[test]
fn limits_of_one_value_are_allowed() {
    // P6
    let limits = Limits::new(1..=1, 1..=1).unwrap();
    let settings = usable(read(&content(100, WEEK_MS), &limits));
    assert_eq!((settings.rotation_period_msgs, settings.rotation_period_ms), (1, 1));
}

#[test]
fn the_limits_unless_set_are_1_to_10_000_messages_and_1_hour_to_28_days() {
    // P6
    let limits = Limits::default();
    assert_eq!(limits.messages(), 1..=10_000);
    assert_eq!(limits.period_ms(), 3_600_000..=2_419_200_000);
}

// P7: state events

#[test]
fn true_under_either_name_turns_state_events_on() {
    // P7
    for members in [
        r#""encrypt_state_events":true"#,
        r#""io.element.msc4362.encrypt_state_events":true"#,
        r#""encrypt_state_events":true,"io.element.msc4362.encrypt_state_events":false"#,
        r#""encrypt_state_events":null,"io.element.msc4362.encrypt_state_events":true"#,
        r#""encrypt_state_events":1,"io.element.msc4362.encrypt_state_events":true"#,
    ] {
        assert!(usable(read_members(members)).encrypt_state_events, "{members}");
    }
}

#[test]
fn false_null_or_missing_is_off_and_no_diagnostic() {
    // P7, P8
    for members in [
        r#""x":1"#,
        r#""encrypt_state_events":false"#,
        r#""encrypt_state_events":null"#,
        r#""io.element.msc4362.encrypt_state_events":false"#,
    ] {
        let reading = read_members(members);
        assert!(!usable(reading).encrypt_state_events, "{members}");
        assert_eq!(diagnostics(reading), []);
    }
}

#[test]
fn any_other_type_is_off_and_reported_under_its_own_name() {
    // P7, P8
    for value in ["1", "1.0", "\"true\"", "[true]", "{\"true\":true}"] {
        let reading = read_members(&format!(r#""encrypt_state_events":{value}"#));
        assert!(!usable(reading).encrypt_state_events, "{value}");
        assert_eq!(diagnostics(reading), [(Field::EncryptStateEvents, Cause::WrongType)]);
        let reading = read_members(&format!(r#""io.element.msc4362.encrypt_state_events":{value}"#));
        assert!(!usable(reading).encrypt_state_events, "{value}");
        assert_eq!(diagnostics(reading), [(Field::EncryptStateEventsUnstable, Cause::WrongType)]);
    }
}

// P8: diagnostics

#[test]
fn every_value_not_taken_as_written_is_reported_by_field_and_cause() {
    // P8
    let reading = read_members(
        r#""rotation_period_ms":0,"rotation_period_msgs":20000,"encrypt_state_events":"on","io.element.msc4362.encrypt_state_events":[]"#,
    );
    let names: Vec<_> =
        diagnostics(reading).into_iter().map(|(field, cause)| (field.key(), cause.name())).collect();
    assert_eq!(
        names,
        [
            ("rotation_period_ms", "below_limit"),
            ("rotation_period_msgs", "above_limit"),
            ("encrypt_state_events", "wrong_type"),
            ("io.element.msc4362.encrypt_state_events", "wrong_type"),
        ]
    );
}

// S3: what a later content may change

fn settings(messages: u32, period_ms: u64, encrypt_state_events: bool) -> Settings {
    Settings { rotation_period_msgs: messages, rotation_period_ms: period_ms, encrypt_state_events }
}

#[test]
fn ratchet_takes_the_smaller_of_each_value() {
    // S3
    let current = settings(50, 50, false);
    for (new, expected) in [
        (settings(49, 51, false), settings(49, 50, false)),
        (settings(51, 49, false), settings(50, 49, false)),
        (settings(49, 49, false), settings(49, 49, false)),
        (settings(51, 51, false), settings(50, 50, false)),
    ] {
        assert_eq!(ChangePolicy::Ratchet.change(current, new), expected);
    }
}

#[test]
fn ratchet_is_the_policy_unless_another_is_set() {
    // S3
    assert_eq!(Config::default().policy, ChangePolicy::Ratchet);
}

#[test]
fn follow_takes_the_new_values() {
    // S3
    assert_eq!(
        ChangePolicy::Follow.change(settings(50, 50, false), settings(51, 49, false)),
        settings(51, 49, false)
    );
}

#[test]
fn freeze_takes_nothing() {
    // S3
    assert_eq!(
        ChangePolicy::Freeze.change(settings(50, 50, false), settings(1, 1, true)),
        settings(50, 50, false)
    );
}

#[test]
fn state_events_once_on_stay_on() {
    // S3
    for policy in [ChangePolicy::Ratchet, ChangePolicy::Follow] {
        let next = policy.change(settings(50, 50, true), settings(50, 50, false));
        assert!(next.encrypt_state_events, "{policy:?}");
    }
}

#[test]
fn a_later_event_can_turn_state_events_on() {
    // S3
    for policy in [ChangePolicy::Ratchet, ChangePolicy::Follow] {
        let next = policy.change(settings(50, 50, false), settings(60, 60, true));
        assert!(next.encrypt_state_events, "{policy:?}");
    }
}

/// The effect of a content with these values in a room with 50 messages and 2 hours, and the numbers in force then.
fn effect_of(policy: ChangePolicy, messages: u32, hours: u64) -> (Effect, u32, u64) {
    let mut storage = Storage::<1>::new();
    let config = Config { policy, ..Config::default() };
    let mut device = device_with(&mut storage, config);
    support::encrypt_room(&mut device, ROOM, 50, 2 * support::HOUR_MS);
    let applied = support::encrypt_room(&mut device, ROOM, messages, hours * support::HOUR_MS);
    let in_force = applied.in_force.unwrap();
    assert_eq!(device.settings(ROOM), applied.in_force);
    (applied.effect, in_force.rotation_period_msgs, in_force.rotation_period_ms / support::HOUR_MS)
}

#[test]
fn the_effect_under_ratchet_is_tightened_or_unchanged() {
    // S3
    let ratchet = |messages, hours| effect_of(ChangePolicy::Ratchet, messages, hours);
    assert_eq!(ratchet(49, 2), (Effect::Tightened, 49, 2));
    assert_eq!(ratchet(50, 1), (Effect::Tightened, 50, 1));
    assert_eq!(ratchet(49, 1), (Effect::Tightened, 49, 1));
    assert_eq!(ratchet(49, 3), (Effect::Tightened, 49, 2));
    assert_eq!(ratchet(51, 1), (Effect::Tightened, 50, 1));
    assert_eq!(ratchet(51, 3), (Effect::Unchanged, 50, 2));
    assert_eq!(ratchet(50, 2), (Effect::Unchanged, 50, 2));
}

#[test]
fn the_effect_under_follow_is_by_the_numbers_before_and_after() {
    // S3
    let follow = |messages, hours| effect_of(ChangePolicy::Follow, messages, hours);
    assert_eq!(follow(49, 2), (Effect::Tightened, 49, 2));
    assert_eq!(follow(50, 1), (Effect::Tightened, 50, 1));
    assert_eq!(follow(49, 1), (Effect::Tightened, 49, 1));
    assert_eq!(follow(51, 2), (Effect::Loosened, 51, 2));
    assert_eq!(follow(50, 3), (Effect::Loosened, 50, 3));
    assert_eq!(follow(51, 3), (Effect::Loosened, 51, 3));
    assert_eq!(follow(49, 3), (Effect::Changed, 49, 3));
    assert_eq!(follow(51, 1), (Effect::Changed, 51, 1));
    assert_eq!(follow(50, 2), (Effect::Unchanged, 50, 2));
}

#[test]
fn the_effect_under_freeze_is_rejected_unless_the_numbers_are_the_same() {
    // S3
    let freeze = |messages, hours| effect_of(ChangePolicy::Freeze, messages, hours);
    assert_eq!(freeze(49, 2), (Effect::Rejected, 50, 2));
    assert_eq!(freeze(51, 3), (Effect::Rejected, 50, 2));
    assert_eq!(freeze(50, 2), (Effect::Unchanged, 50, 2));
}

#[test]
fn an_absent_value_ratchets_as_its_default() {
    // S3
    let mut storage = Storage::<1>::new();
    let mut device = device_with(&mut storage, Config::default());
    support::encrypt_room(&mut device, ROOM, 5_000, 2 * WEEK_MS);
    let applied = device.encryption_event(ROOM, support::MEGOLM).unwrap();
    assert_eq!(applied.effect, Effect::Tightened);
    assert_eq!(applied.in_force, Some(DEFAULTS));
}

#[test]
fn values_are_brought_within_the_limits_before_they_are_compared() {
    // S3, P6: "effective" means after all this
    assert_eq!(effect_of(ChangePolicy::Ratchet, 0, 0), (Effect::Tightened, 1, 1));
    assert_eq!(effect_of(ChangePolicy::Follow, u32::MAX, 1_000_000), (Effect::Loosened, 10_000, 28 * 24));
}

#[test]
fn turning_state_events_on_leaves_the_numbers_unchanged() {
    // S3
    let mut storage = Storage::<1>::new();
    let mut device = device_with(&mut storage, Config::default());
    device.encryption_event(ROOM, support::MEGOLM).unwrap();
    let applied = device
        .encryption_event(ROOM, br#"{"algorithm":"m.megolm.v1.aes-sha2","encrypt_state_events":true}"#)
        .unwrap();
    assert_eq!(applied.effect, Effect::Unchanged);
    assert!(applied.in_force.unwrap().encrypt_state_events);
}

#[test]
fn under_freeze_state_events_cannot_be_turned_on() {
    // S3
    let mut storage = Storage::<1>::new();
    let config = Config { policy: ChangePolicy::Freeze, ..Config::default() };
    let mut device = device_with(&mut storage, config);
    device.encryption_event(ROOM, support::MEGOLM).unwrap();
    let applied = device
        .encryption_event(ROOM, br#"{"algorithm":"m.megolm.v1.aes-sha2","encrypt_state_events":true}"#)
        .unwrap();
    assert!(!applied.in_force.unwrap().encrypt_state_events);
}

// P1
#[test]
fn a_byte_that_strings_have_a_rule_for_is_found_wherever_it_stands() {
    for place in 0..40 {
        for byte in 0..=0xff_u8 {
            let mut content = br#"{"k":""#.to_vec();
            content.extend([b'~'; 40]);
            content[6 + place] = byte;
            content.extend(br#""}"#);
            let expected = match byte {
                // A backslash stands before a tilde, which cannot be escaped, or before the closing quote.
                0..0x20 | b'"' | b'\\' => Err(JsonError::Syntax),
                0x80.. => Err(JsonError::NotUtf8), // none of them is a character by itself
                _ => Ok(()),
            };
            assert_eq!(check_object(&content), expected, "{byte:#04x} at {place}");
        }
    }
}

// P1
#[test]
fn a_byte_that_is_no_digit_is_found_wherever_it_stands_in_a_number() {
    let mut content = br#"{"k":1234567890123456789}"#.to_vec();
    for place in 6..24 {
        for byte in 0..=0xff_u8 {
            let digit = core::mem::replace(&mut content[place], byte);
            let last = place == 23;
            let expected = match byte {
                b'0'..=b'9' => Ok(()),
                b'.' | b'e' | b'E' if !last => Ok(()), // digits follow
                b' ' | b'\t' | b'\n' | b'\r' if last => Ok(()),
                _ => Err(JsonError::Syntax), // a brace too: more follows
            };
            assert_eq!(check_object(&content), expected, "{byte:#04x} at {place}");
            content[place] = digit;
        }
    }
}

// P3
#[test]
fn an_escape_is_the_character_that_it_stands_for_and_not_its_letter() {
    let escapes =
        [("b", "\u{8}"), ("t", "\t"), ("n", "\n"), ("f", "\u{c}"), ("r", "\r"), ("/", "/"), ("\"", "\"")];
    for (letter, character) in escapes {
        let content = format!("{{\"\\{letter}\":0}}");
        let key = ObjectReader::new(content.as_bytes()).next_key().unwrap().unwrap();
        assert!(key.is(character), "{content}");
        assert_eq!(key.is(letter), letter == character, "{content}");
    }
}

/// What the reader comes to, and how far.
fn end(content: &[u8]) -> (Result<(), JsonError>, usize) {
    let mut reader = ObjectReader::new(content);
    let mut value = Value::Null;
    let outcome = loop {
        match reader.next_key() {
            Ok(Some(_)) => {}
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
        if let Err(error) = reader.read_value(&mut value) {
            break Err(error);
        }
    };
    (outcome, reader.offset())
}

// P1
#[test]
fn an_error_is_found_where_it_stands() {
    for (content, offset) in [
        (&br#"{"a":01}"#[..], 6),
        (br#"{"a":1.x}"#, 7),
        (br#"{"a":1.5e+x}"#, 10),
        (br#"{"a":-x}"#, 6),
        (br#"{"a":"\x"}"#, 7),
        (br#"{"\x":1}"#, 3),
        (br#"{"a":[1,{"b":2]}"#, 14),
        (br#"{"a":[[1.x]]}"#, 9),
        (br#"{"a" 1}"#, 5),
        (br#"{"a":1} x"#, 8),
        (b"{\"a\":[\"long enough \n\"]}", 19),
    ] {
        assert_eq!(end(content), (Err(JsonError::Syntax), offset), "{}", content.escape_ascii());
    }
    assert_eq!(end(b"{\"a\":[\"\xc3\xa9\xff\"]}"), (Err(JsonError::NotUtf8), 7));
}

// P1
#[test]
fn out_of_turn_after_an_error_and_after_the_end_the_reader_reads_nothing() {
    type Steps = fn(&mut ObjectReader<'_>);
    let no_value: Steps = |reader| assert_eq!(reader.read_value(&mut Value::Null), Err(JsonError::Syntax));
    let no_key: Steps = |reader| assert_eq!(reader.next_key().unwrap_err(), JsonError::Syntax);
    let before: [(&str, Steps); 7] = [
        ("{}", no_value),
        (r#"{"a":}"#, |reader| {
            assert!(reader.next_key().unwrap().is_some());
            assert_eq!(reader.next_key().unwrap_err(), JsonError::Syntax);
        }),
        (r#"{"a":1 2}"#, |reader| {
            assert!(reader.next_key().unwrap().is_some());
            assert_eq!(reader.read_value(&mut Value::Null), Ok(5..6));
            assert_eq!(reader.read_value(&mut Value::Null), Err(JsonError::Syntax));
        }),
        (r#"{"a" 1}"#, no_key),
        (r#"{"a" ,"b":1}"#, no_key),
        ("[]", |reader| assert_eq!(reader.next_key().unwrap_err(), JsonError::NotAnObject)),
        ("{}", |reader| assert!(reader.next_key().unwrap().is_none())),
    ];
    for (content, before) in before {
        for turns in [[no_key, no_value, no_key], [no_value, no_key, no_value]] {
            let mut reader = ObjectReader::new(content.as_bytes());
            before(&mut reader);
            let offset = reader.offset();
            for nothing in turns {
                nothing(&mut reader);
                assert_eq!(reader.offset(), offset, "{content}");
            }
        }
    }
}
