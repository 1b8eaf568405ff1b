//! Contents of `m.room.encryption` that give a reader much work for their length: each kind of work that the grammar has, and nothing
//! else.

use pawl_core::json::MAX_DEPTH;

/// The lengths that are measured, in bytes: up to the longest content that is read.
pub const LENGTHS: [usize; 6] = [64, 256, 1_024, 4_096, 16_384, 65_536];

/// A kind of such content: what is repeated in it. All of them are read to their end, and encrypt a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hostile {
    /// Arrays and objects, opened to the greatest depth and closed again.
    Depth,
    /// One string.
    String,
    /// One string of nothing but escapes.
    Escapes,
    /// One string of characters beyond ASCII, which a reader can check all at once.
    Multibyte,
    /// One string with every other character beyond ASCII, which a reader has to check one by one.
    MultibyteAlternating,
    /// One integer.
    Digits,
    /// The shortest keys that there are.
    EmptyKeys,
    /// Short keys with an escape each.
    EscapedKeys,
    /// White space.
    WhiteSpace,
}

impl Hostile {
    /// All kinds.
    pub const ALL: [Hostile; 9] = [
        Hostile::Depth,
        Hostile::String,
        Hostile::Escapes,
        Hostile::Multibyte,
        Hostile::MultibyteAlternating,
        Hostile::Digits,
        Hostile::EmptyKeys,
        Hostile::EscapedKeys,
        Hostile::WhiteSpace,
    ];

    /// Its name in benchmarks.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Hostile::Depth => "depth",
            Hostile::String => "string",
            Hostile::Escapes => "escapes",
            Hostile::Multibyte => "multibyte",
            Hostile::MultibyteAlternating => "multibyte_alternating",
            Hostile::Digits => "digits",
            Hostile::EmptyKeys => "empty_keys",
            Hostile::EscapedKeys => "escaped_keys",
            Hostile::WhiteSpace => "white_space",
        }
    }

    /// A content of this kind that is `length` bytes long: at least 64.
    #[must_use]
    pub fn content(self, length: usize) -> Vec<u8> {
        const BEGIN: &str = r#"{"algorithm":"m.megolm.v1.aes-sha2""#;
        let rest = length - BEGIN.len() - 1;
        let (begin, repeat, end) = match self {
            Hostile::Depth => return format!("{BEGIN}{}}}", nested(rest)).into_bytes(),
            Hostile::String => (r#","a":""#, "x", r#"""#),
            Hostile::Escapes => (r#","a":""#, r"\n", r#"""#),
            Hostile::Multibyte => (r#","a":""#, "é", r#"""#),
            Hostile::MultibyteAlternating => (r#","a":""#, "éa", r#"""#),
            Hostile::Digits => (r#","rotation_period_ms":"#, "9", ""),
            Hostile::EmptyKeys => ("", r#","":0"#, ""),
            Hostile::EscapedKeys => ("", r#","\n":0"#, ""),
            Hostile::WhiteSpace => ("", "\n", ""),
        };
        let to_fill = rest - begin.len() - end.len();
        let spaces = " ".repeat(to_fill % repeat.len());
        [BEGIN, begin, &repeat.repeat(to_fill / repeat.len()), end, &spaces, "}"].concat().into_bytes()
    }
}

/// A member of this length: brackets down to the greatest depth that it has room for, the outermost object and the array in it
/// apart, and up again, over and over.
fn nested(length: usize) -> String {
    const AROUND: &str = r#","a":[0]"#;
    let room = length - AROUND.len();
    // A level is `[{"":` and `}]`; between the innermost brackets is a `0`, and behind them all a comma.
    let nest = |levels: usize| format!("{}0{},", r#"[{"":"#.repeat(levels), "}]".repeat(levels));
    let levels_in = |room: usize| (MAX_DEPTH as usize / 2 - 1).min(room.saturating_sub(2) / 7);
    let deepest = nest(levels_in(room));
    let left = room % deepest.len();
    // The last one is as deep as what is left has room for.
    let last = if left < 2 { String::new() } else { nest(levels_in(left)) };
    let spaces = " ".repeat(left - last.len());
    format!(r#","a":[{}{last}0]{spaces}"#, deepest.repeat(room / deepest.len()))
}

#[cfg(test)]
mod tests {
    use pawl_core::settings::{self, Limits, Reading};

    use super::{Hostile, LENGTHS};

    #[test]
    fn hostile_contents_are_as_long_as_asked_for_and_are_read_to_their_end() {
        for kind in Hostile::ALL {
            for length in LENGTHS {
                let content = kind.content(length);
                assert_eq!(content.len(), length, "{kind:?}");
                let reading = settings::read(&content, &Limits::default());
                assert!(matches!(reading, Reading::Usable(..)), "{kind:?} {length}: {reading:?}");
            }
        }
    }
}
