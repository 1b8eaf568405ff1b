//! Contents of `m.room.encryption` as real software sends them: the same settings in five spellings.

/// What most clients send.
pub const TYPICAL: &[u8] =
    br#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_ms":604800000,"rotation_period_msgs":100}"#;

/// The keys the other way round.
pub const REORDERED: &[u8] =
    br#"{"rotation_period_msgs":100,"rotation_period_ms":604800000,"algorithm":"m.megolm.v1.aes-sha2"}"#;

/// As a person would write it.
pub const SPACED: &[u8] = br#"{
    "algorithm": "m.megolm.v1.aes-sha2",
    "rotation_period_ms": 604800000,
    "rotation_period_msgs": 100
}
"#;

/// A key with an escape in it, which is the same key.
pub const ESCAPED: &[u8] =
    br#"{"\u0061lgorithm":"m.megolm.v1.aes-sha2","rotation_period_ms":604800000,"rotation_period_msgs":100}"#;

/// A key that nobody knows.
pub const UNKNOWN: &[u8] = br#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_ms":604800000,"rotation_period_msgs":100,"org.example.reason":"policy"}"#;

/// The spellings, with the names of their groups.
pub const SPELLINGS: [(&str, &[u8]); 5] = [
    ("parse_settings", TYPICAL),
    ("parse_settings_reordered", REORDERED),
    ("parse_settings_spaced", SPACED),
    ("parse_settings_escaped", ESCAPED),
    ("parse_settings_unknown", UNKNOWN),
];

#[cfg(test)]
mod tests {
    use pawl_core::settings::{Diagnostics, Limits, Reading, Settings, read};

    #[cfg(feature = "peers")]
    use super::ESCAPED;
    use super::SPELLINGS;

    #[test]
    fn every_spelling_says_the_same() {
        let settings = Settings {
            rotation_period_msgs: 100,
            rotation_period_ms: 604_800_000,
            encrypt_state_events: false,
        };
        for (group, content) in SPELLINGS {
            let reading = read(content, &Limits::default());
            assert_eq!(reading, Reading::Usable(settings, Diagnostics::default()), "{group}");
        }
    }

    #[cfg(feature = "peers")]
    #[test]
    fn every_peer_reads_every_spelling() {
        use crate::peers::{
            Plain, plain_serde_json, plain_serde_json_core, plain_serde_json_core_as_it_stands, raw, ruma,
        };

        let plain = Plain {
            algorithm: "m.megolm.v1.aes-sha2",
            rotation_period_ms: Some(604_800_000),
            rotation_period_msgs: Some(100),
        };
        for (group, content) in SPELLINGS {
            assert_eq!(plain_serde_json(content).as_ref(), Some(&plain), "serde_json: {group}");
            let mut unescaped = [0; 64];
            assert_eq!(
                plain_serde_json_core(content, &mut unescaped).as_ref(),
                Some(&plain),
                "serde-json-core: {group}"
            );
            let as_it_stands = plain_serde_json_core_as_it_stands(content);
            if content == ESCAPED {
                assert_eq!(as_it_stands, None, "the algorithm's key is not known: {group}");
            } else {
                assert_eq!(as_it_stands.as_ref(), Some(&plain), "serde-json-core, as it stands: {group}");
            }
            let content = ruma(&raw(content)).expect("ruma-events");
            assert_eq!(content.algorithm.as_str(), plain.algorithm, "{group}");
            assert_eq!(content.rotation_period_ms.map(u64::from), plain.rotation_period_ms, "{group}");
            assert_eq!(content.rotation_period_msgs.map(u64::from), plain.rotation_period_msgs, "{group}");
        }
    }
}
