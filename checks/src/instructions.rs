//! The instructions of the benchmarks on the host, counted by callgrind through gungraun: printed, and compared with those that are
//! committed.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::{figures, workspace};

/// The committed figures, a file a compiler and architecture.
const FOLDER: &str = "benches/expected";

/// A count that grows by more than this many percent has to be committed. They are the same on each machine with one compiler and in
/// each folder, but for a dozen instructions in ten thousand, since how the copied memory lies depends on the lengths of paths; what
/// encrypts asks the processor what it can.
const TOLERANCE_PERCENT: u64 = 2;

/// Figures by name, such as `parse_settings/pawl`.
pub(crate) type Counts = BTreeMap<String, u64>;

/// Prints pawl's counts, or compares them with those committed.
pub(crate) fn lines(check: bool) -> Result<String, String> {
    let mut lines = String::new();
    for (name, count) in with_pawls_part(count(&["instructions"], "instructions")?)? {
        let _ = writeln!(lines, "instructions {name} {count}");
    }
    if check {
        let compiler = format!("{}-{}.txt", rustc_release()?, std::env::consts::ARCH);
        figures::compare_with(&PathBuf::from(FOLDER).join(compiler), &lines, TOLERANCE_PERCENT)
    } else {
        Ok(lines.trim_end().to_owned())
    }
}

/// What a message's way with pawl takes beyond vodozemac's encryption is a figure of its own: within the whole, of which cryptography is
/// nearly all, a quarter more of it would be no 2 %.
fn with_pawls_part(mut counts: Counts) -> Result<Counts, String> {
    let part = beyond_vodozemac(&counts)?;
    counts.insert("send/pawl-beyond-vodozemac".to_owned(), part);
    Ok(counts)
}

/// How many instructions sending with pawl takes more than vodozemac's encryption alone.
pub(crate) fn beyond_vodozemac(counts: &Counts) -> Result<u64, String> {
    let of = |name: &str| counts.get(name).copied().ok_or_else(|| format!("there is no count of {name}"));
    let (with, alone) = (of("send/pawl-vodozemac")?, of("send/vodozemac")?);
    with.checked_sub(alone).ok_or_else(|| format!("sending takes {with}, and encryption alone {alone}"))
}

/// Runs gungraun's benchmarks of these names.
pub(crate) fn count(benches: &[&str], features: &str) -> Result<Counts, String> {
    let mut cargo = Command::new("cargo");
    cargo.args(["bench", "--locked", "--quiet", "-p", "pawl-benches", "--features", features]);
    for bench in benches {
        cargo.args(["--bench", bench]);
    }
    let output = cargo
        .args(["--", "--output-format=json"])
        .env("GUNGRAUN_HOME", workspace::scratch("gungraun"))
        .current_dir(workspace::root())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot run cargo bench: {error}"))?;
    if !output.status.success() {
        return Err(
            "the instructions could not be counted; that needs valgrind, and gungraun-runner in the version \
                    that benches/Cargo.toml names for gungraun"
                .to_owned(),
        );
    }
    let counts: Counts = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(read)
        .collect::<Result<_, _>>()?;
    if counts.is_empty() { Err("gungraun printed no counts".to_owned()) } else { Ok(counts) }
}

/// A line of what gungraun prints: a benchmark's name and count.
fn read(line: &str) -> Result<(String, u64), String> {
    let not_understood = || format!("gungraun printed what is not understood: {line}");
    let summary: Value = serde_json::from_str(line).map_err(|_| not_understood())?;
    let id = summary["id"].as_str().ok_or_else(not_understood)?;
    let count = instructions(&summary).ok_or_else(not_understood)?;
    Ok((name(id), count))
}

fn instructions(summary: &Value) -> Option<u64> {
    let profiles = summary["profiles"].as_array()?;
    let callgrind = profiles.iter().find(|profile| profile["tool"] == "Callgrind")?;
    callgrind["data"]["total"]["metrics"]["Ir"]["values"]["new"].as_u64()
}

/// The name of the time that belongs to a count. An ID is an identifier: two underscores stand for a slash, one
/// for a hyphen in a crate's name.
fn name(id: &str) -> String {
    let name = id.replace("__", "/");
    let Some((group, function)) = name.split_once('/') else {
        return name;
    };
    let function = match function {
        "matrix_sdk_crypto"
        | "serde_json_core"
        | "serde_json_core_as_it_stands"
        | "ruma_events"
        | "pawl_vodozemac" => function.replace('_', "-"),
        _ => function.to_owned(),
    };
    format!("{group}/{function}")
}

/// The compiler's version, such as `1.95.0`.
pub(crate) fn rustc_release() -> Result<String, String> {
    let output = Command::new("rustc")
        .args(["--version", "--verbose"])
        .current_dir(workspace::root())
        .output()
        .map_err(|error| format!("cannot run rustc: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let release = text.lines().find_map(|line| line.strip_prefix("release: "));
    release.map(str::to_owned).ok_or_else(|| "rustc does not say its version".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Counts, name, with_pawls_part};

    #[test]
    fn what_pawl_adds_to_cryptography_is_a_figure_of_its_own() {
        let counts = |with: u64, alone: u64| -> Counts {
            [("send/pawl-vodozemac".to_owned(), with), ("send/vodozemac".to_owned(), alone)].into()
        };
        let all = with_pawls_part(counts(344_000, 320_000)).unwrap();
        assert_eq!(all["send/pawl-beyond-vodozemac"], 24_000);
        assert_eq!(all["send/pawl-vodozemac"], 344_000);
        assert!(with_pawls_part(counts(319_999, 320_000)).is_err());
        assert!(with_pawls_part(Counts::new()).is_err());
    }

    #[test]
    fn a_count_has_the_name_of_its_time() {
        for (id, of_the_time) in [
            ("rotation_check__pawl", "rotation_check/pawl"),
            ("rotation_check_with_clock__matrix_sdk_crypto", "rotation_check_with_clock/matrix-sdk-crypto"),
            ("parse_settings_escaped__serde_json_core", "parse_settings_escaped/serde-json-core"),
            ("parse_settings__serde_json_core_as_it_stands", "parse_settings/serde-json-core-as-it-stands"),
            ("parse_settings__serde_json", "parse_settings/serde_json"),
            ("parse_hostile__empty_keys__65536", "parse_hostile/empty_keys/65536"),
        ] {
            assert_eq!(name(id), of_the_time);
        }
    }
}
