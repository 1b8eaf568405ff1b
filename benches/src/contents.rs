//! Contents of `m.room.encryption`: what real software sends, and what a hostile server would.

use pawl_core::json::MAX_DEPTH;

/// What most clients send.
pub const TYPICAL: &[u8] =
    br#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_ms":604800000,"rotation_period_msgs":100}"#;

/// The least that encrypts a room.
pub const MINIMAL: &[u8] = br#"{"algorithm":"m.megolm.v1.aes-sha2"}"#;

/// A kind of content that gives a reader as much work as its length allows. All of them are read to their end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hostile {
    /// Arrays and objects, opened to the greatest depth and closed again, over and over.
    Depth,
    /// One string.
    String,
    /// One integer.
    Digits,
    /// Keys that are not known.
    Keys,
}

impl Hostile {
    /// All kinds.
    pub const ALL: [Hostile; 4] = [Hostile::Depth, Hostile::String, Hostile::Digits, Hostile::Keys];

    /// Its name in benchmarks.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Hostile::Depth => "depth",
            Hostile::String => "string",
            Hostile::Digits => "digits",
            Hostile::Keys => "keys",
        }
    }

    /// A content of this kind that is `length` bytes long, or a little less: at least a kilobyte.
    #[must_use]
    pub fn content(self, length: usize) -> Vec<u8> {
        const BEGIN: &str = r#"{"algorithm":"m.megolm.v1.aes-sha2","#;
        let (begin, repeat, end) = match self {
            Hostile::Depth => (r#""a":["#, nested(), "0]}"),
            Hostile::String => (r#""a":""#, "x".to_owned(), r#""}"#),
            Hostile::Digits => (r#""rotation_period_ms":"#, "9".to_owned(), "}"),
            Hostile::Keys => ("", r#""a":0,"#.to_owned(), r#""b":0}"#),
        };
        let times = (length - BEGIN.len() - begin.len() - end.len()) / repeat.len();
        [BEGIN, begin, &repeat.repeat(times), end].concat().into_bytes()
    }
}

/// Brackets down to the greatest depth, the outermost object and the array in it apart, and up again.
fn nested() -> String {
    let levels = MAX_DEPTH as usize / 2 - 1;
    format!("{}0{},", r#"[{"":"#.repeat(levels), "}]".repeat(levels))
}

#[cfg(test)]
mod tests {
    use pawl_core::settings::{self, Limits, Reading};

    use super::Hostile;

    #[test]
    fn hostile_contents_are_as_long_as_asked_for_and_are_read_to_their_end() {
        for kind in Hostile::ALL {
            for length in [1_024, 65_536] {
                let content = kind.content(length);
                assert!(
                    length - 300 < content.len() && content.len() <= length,
                    "{kind:?}: {}",
                    content.len()
                );
                let reading = settings::read(&content, &Limits::default());
                assert!(matches!(reading, Reading::Usable(..)), "{kind:?}: {reading:?}");
            }
        }
    }
}
