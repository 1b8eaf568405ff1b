//! The names of benchmarks that scripts read: whoever changes one breaks them.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use crate::workspace;

/// Without peers.
const ALONE: [&str; 15] = [
    "rotation_check/pawl",
    "rotation_check/floor",
    "rotation_check_with_clock/pawl",
    "rotation_check_with_clock/clock",
    "parse_settings/pawl",
    "parse_settings_reordered/pawl",
    "parse_settings_spaced/pawl",
    "parse_settings_escaped/pawl",
    "parse_settings_unknown/pawl",
    "apply_event/pawl",
    "send/pawl-vodozemac",
    "send/vodozemac",
    "record/write",
    "record/read",
    "decide/1", // the page reads it
];

/// With them. What ends in `-as-it-stands` is read by the page alone.
const BESIDE_PEERS: [&str; 20] = [
    "rotation_check_with_clock/matrix-sdk-crypto",
    "parse_settings/serde-json-core",
    "parse_settings/serde-json-core-as-it-stands",
    "parse_settings/serde_json",
    "parse_settings/ruma-events",
    "parse_settings_reordered/serde-json-core",
    "parse_settings_reordered/serde-json-core-as-it-stands",
    "parse_settings_reordered/serde_json",
    "parse_settings_reordered/ruma-events",
    "parse_settings_spaced/serde-json-core",
    "parse_settings_spaced/serde-json-core-as-it-stands",
    "parse_settings_spaced/serde_json",
    "parse_settings_spaced/ruma-events",
    "parse_settings_escaped/serde-json-core",
    "parse_settings_escaped/serde_json",
    "parse_settings_escaped/ruma-events",
    "parse_settings_unknown/serde-json-core",
    "parse_settings_unknown/serde-json-core-as-it-stands",
    "parse_settings_unknown/serde_json",
    "parse_settings_unknown/ruma-events",
];

/// Groups by how many rooms there are, and by how many bytes of each kind of content, with the least and the most.
const BY_ROOMS: (&str, [&str; 2]) = ("lookup", ["1", "4096"]);
const BY_KIND_AND_BYTES: (&str, [&str; 2]) = ("parse_hostile", ["64", "65536"]);

/// The programs that are timed.
pub(crate) const TIMED: [&str; 4] = ["rotation_check", "parse_settings", "device", "send"];

/// What `cargo bench` lists has all of the names, built in this profile.
pub(crate) fn check(features: &str, profile: &str) -> Result<String, String> {
    let mut cargo = Command::new("cargo");
    cargo.args(["bench", "--locked", "--quiet", "-p", "pawl-benches", "--features", features]);
    cargo.args(["--profile", profile]);
    for bench in TIMED {
        cargo.args(["--bench", bench]);
    }
    let output = cargo
        .args(["--", "--list"])
        .current_dir(workspace::root())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot run cargo bench: {error}"))?;
    if !output.status.success() {
        return Err("the benchmarks could not be listed".to_owned());
    }
    let beside_peers = features.split(',').any(|feature| feature == "peers");
    let missing = missing(&String::from_utf8_lossy(&output.stdout), beside_peers);
    if missing.is_empty() {
        Ok("Every benchmark has the name by which scripts know it.".to_owned())
    } else {
        Err(format!("no benchmark has a name that scripts read: {}", missing.join(", ")))
    }
}

/// The names that a list does not have. A line of it is such as `record/read: benchmark`.
fn missing(list: &str, beside_peers: bool) -> Vec<String> {
    let listed: BTreeSet<_> = list.lines().filter_map(|line| line.strip_suffix(": benchmark")).collect();
    let mut names: Vec<_> = ALONE.map(str::to_owned).into();
    if beside_peers {
        names.extend(BESIDE_PEERS.map(str::to_owned));
    }
    let (rooms, numbers) = BY_ROOMS;
    names.extend(numbers.map(|number| format!("{rooms}/{number}")));
    let (hostile, lengths) = BY_KIND_AND_BYTES;
    let kinds: BTreeSet<_> = listed
        .iter()
        .filter_map(|name| Some(name.strip_prefix(hostile)?.strip_prefix('/')?.rsplit_once('/')?.0))
        .collect();
    if kinds.is_empty() {
        names.push(format!("{hostile}/<kind>/<bytes>"));
    }
    for kind in kinds {
        names.extend(lengths.map(|length| format!("{hostile}/{kind}/{length}")));
    }
    names.retain(|name| !listed.contains(name.as_str()));
    names
}

#[cfg(test)]
mod tests {
    use super::{ALONE, BESIDE_PEERS, missing};

    #[test]
    fn a_name_that_is_gone_is_missed() {
        let list =
            |names: &[&str]| names.iter().map(|name| format!("{name}: benchmark\n")).collect::<String>();
        let sized = ["lookup/1", "lookup/4096", "parse_hostile/depth/64", "parse_hostile/depth/65536"];
        let alone = list(&[&ALONE[..], &sized].concat());
        assert!(missing(&alone, false).is_empty());
        assert_eq!(missing(&alone, true), BESIDE_PEERS);
        assert!(missing(&(alone.clone() + &list(&BESIDE_PEERS)), true).is_empty());
        assert_eq!(missing(&alone.replace("record/read", "records/read"), false), ["record/read"]);
        assert_eq!(missing(&alone.replace("depth/64:", "depth/32:"), false), ["parse_hostile/depth/64"]);
        assert_eq!(
            missing(&list(&ALONE), false),
            ["lookup/1", "lookup/4096", "parse_hostile/<kind>/<bytes>"]
        );
    }
}
