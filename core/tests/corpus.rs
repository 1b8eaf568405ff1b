//! The bodies of the fuzz targets, over the committed corpora and the test vectors.

use std::fs;
use std::path::Path;

use pawl_fuzz::{events, lockstep, reader, settings, stored, vector_content};

/// Runs a body over all files in a folder of the workspace, which has so many at least. Names each file, so that a panic
/// can be told from it.
fn check_all(folder: &str, at_least: usize, check: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let mut count = 0;
    for entry in fs::read_dir(&folder).expect("a folder") {
        let path = entry.expect("a file").path();
        println!("{}", path.display());
        check(&fs::read(&path).expect("its bytes"));
        count += 1;
    }
    assert!(count >= at_least, "only {count} files in {}", folder.display());
}

#[test]
fn the_reader_agrees_with_serde_json_over_its_corpus() {
    // P1, P2
    check_all("fuzz/corpus/reader", 70, reader::check);
}

#[test]
fn the_reader_agrees_with_serde_json_over_the_test_vectors() {
    // P1, P2
    check_all("vectors/settings", 120, reader::check);
}

#[test]
fn the_reader_agrees_with_serde_json_around_the_bounds_of_length_and_depth() {
    // P2
    for length in 65_534..=65_538 {
        let before = r#"{"algorithm":"m.megolm.v1.aes-sha2","#;
        let white_space = " ".repeat(length - before.len() - r#""x":1}"#.len());
        reader::check(format!(r#"{before}{white_space}"x":1}}"#).as_bytes());
    }
    for depth in [63, 64, 65, 127, 128, 10_000] {
        let (open, close) = ("[".repeat(depth - 1), "]".repeat(depth - 1));
        reader::check(format!(r#"{{"x":{open}{close}}}"#).as_bytes());
        reader::check(format!("{open}[{close}]").as_bytes());
    }
}

#[test]
fn a_content_means_what_the_reference_says_over_its_corpus() {
    // P3–P8
    check_all("fuzz/corpus/settings", 60, settings::check);
}

#[test]
fn a_content_means_what_the_reference_says_over_the_readers_corpus_and_the_test_vectors() {
    // P3–P8
    check_all("fuzz/corpus/reader", 70, settings::check_content);
    check_all("vectors/settings", 120, |input| settings::check_content(vector_content(input)));
}

#[test]
fn the_latch_never_opens_and_the_ratchet_never_slips_over_the_corpus_of_events() {
    // S1, S3
    check_all("fuzz/corpus/events", 60, events::check);
}

#[test]
fn a_device_keeps_in_step_with_the_model_over_the_corpus_of_operations() {
    // S1–S5, K1–K6, T1–T11, E1–E5, C1–C5, B1–B4
    check_all("fuzz/corpus/operations", 60, lockstep::check);
}

#[test]
fn a_device_that_comes_back_to_whatever_is_stored_uses_nothing_of_it_in_part_over_the_corpus() {
    // B1–B6, K1, K4
    check_all("fuzz/corpus/stored", 50, stored::check);
}
