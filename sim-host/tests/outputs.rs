//! What a command leaves where something goes wrong: files that stay as they were, and failures that are said.
#![cfg(unix)]

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;

use assert_cmd::Command;
use tempfile::TempDir;

fn pawl_sim(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("pawl-sim").unwrap();
    command.current_dir(folder.path()).args(arguments);
    command
}

/// The names in a folder.
fn names(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_report_that_is_there_stays_until_another_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let before = "an earlier report";
    for (arguments, file) in [
        (vec!["run", "small-table", "--html-room", "!no-such-room", "--html", "page.html"], "page.html"),
        (
            vec!["run", "small-table", "--json", "report.json", "--html", "no-such-folder/page.html"],
            "report.json",
        ),
        (
            vec!["compare", "small-table", "--json", "limits.json", "--svg", "no-such-folder/x.svg"],
            "limits.json",
        ),
    ] {
        fs::write(folder.path().join(file), before).unwrap();
        pawl_sim(&folder, &arguments).assert().code(2);
        assert_eq!(fs::read_to_string(folder.path().join(file)).unwrap(), before, "{arguments:?}");
    }
    assert_eq!(names(&folder), ["limits.json", "page.html", "report.json"]);
    let run = ["run", "small-table", "--crypto", "none", "--quiet", "--json", "report.json"];
    pawl_sim(&folder, &run).assert().success();
    assert!(fs::read_to_string(folder.path().join("report.json")).unwrap().starts_with('{'));
    assert_eq!(names(&folder), ["limits.json", "page.html", "report.json"]);
}

#[test]
fn a_report_takes_the_place_of_what_a_link_names_and_keeps_its_mode() {
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("file.json"), folder.path().join("link.json"));
    fs::write(&file, "before").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let run = ["run", "small-table", "--crypto", "none", "--quiet", "--json", "link.json"];
    pawl_sim(&folder, &run).assert().success();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::read_to_string(&file).unwrap().starts_with('{'));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn a_report_goes_into_a_pipe_and_not_into_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let run =
        |to| pawl_sim(&folder, &["run", "small-table", "--crypto", "none", "--quiet", "--json", to]).assert();
    let output = run("/dev/stdout").success().get_output().stdout.clone();
    assert!(output.starts_with(b"{") && output.ends_with(b"}\n"));
    run(".").code(2);
    run("/dev/full").code(2);
}

#[test]
#[cfg(target_os = "linux")]
fn what_cannot_be_printed_is_said() {
    let folder = tempfile::tempdir().unwrap();
    pawl_sim(&folder, &["sweep", "drawn", "--seeds", "2", "--quiet", "--json", "sweep.json"])
        .assert()
        .success();
    let trace = concat!(env!("CARGO_MANIFEST_DIR"), "/traces/redacted.jsonl");
    fs::copy(trace, folder.path().join("trace.jsonl")).unwrap();
    for arguments in [
        vec!["run", "small-table", "--crypto", "none"],
        vec!["sweep", "drawn", "--seeds", "2"],
        vec!["merge", "sweep.json"],
        vec!["compare", "small-table", "--messages", "10", "--periods", "1h"],
        vec!["powercut", "--acts", "2", "--cuts-every", "9999", "--second-cuts-every", "0"],
        vec!["trace", "trace.jsonl"],
        vec!["scenarios"],
        vec!["scenarios", "drawn"],
        vec!["completions", "bash"],
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("pawl-sim"));
        let output = command.current_dir(folder.path()).args(&arguments).stdout(full).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        let whats = ["cannot write to standard output", "the output cannot be written"];
        assert!(whats.iter().any(|what| said.contains(what)), "{arguments:?}: {said}");
    }
}

#[test]
fn what_nobody_reads_on_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [vec!["scenarios", "kiosk-month"], vec!["run", "small-table", "--crypto", "none"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("pawl-sim"));
        let status = command.current_dir(folder.path()).args(&arguments).stdout(writer).status().unwrap();
        assert_eq!(status.code(), Some(0), "{arguments:?}");
    }
}

#[test]
fn control_characters_in_a_room_id_are_not_printed_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = "about = \"\"\nduration = \"1h\"\ncrypto = \"none\"\n[[room]]\nid = \"!a\\u001b[31m:b\"\n";
    fs::write(folder.path().join("odd.toml"), scenario).unwrap();
    let output = pawl_sim(&folder, &["run", "odd.toml"]).assert().success().get_output().stdout.clone();
    let output = String::from_utf8(output).unwrap();
    assert!(!output.contains('\u{1b}') && output.contains("!a␛[31m:b"), "{output}");
}
