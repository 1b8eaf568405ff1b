//! Untrusted bytes, made safe to print.
//!
//! A terminal obeys control characters, and characters that have no width or that change the direction of writing
//! show a text other than it is. None of them gets through; each is replaced by something that shows it.

use unicode_width::UnicodeWidthChar;

/// A character of the input, or a byte that is none, as it may be printed.
#[derive(Debug)]
pub(super) struct Cell {
    /// Where it stands, as a byte offset.
    pub(super) at: usize,
    /// What to print.
    pub(super) text: String,
    /// How many columns that takes.
    pub(super) width: usize,
}

/// Each character of `bytes`, which begin at the offset `at`.
pub(super) fn cells(bytes: &[u8], mut at: usize) -> Vec<Cell> {
    let mut cells = Vec::new();
    let mut push = |text: String, width, length| {
        cells.push(Cell { at, text, width });
        at += length;
    };
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            let (text, width) = replaced(character);
            push(text, width, character.len_utf8());
        }
        for byte in chunk.invalid() {
            push(format!("<{byte:02X}>"), 4, 1);
        }
    }
    cells
}

/// `bytes` on one line, cut to at most `most` columns.
pub(crate) fn shown(bytes: &[u8], most: usize) -> String {
    let cells = cells(bytes, 0);
    let mut width: usize = cells.iter().map(|cell| cell.width).sum();
    if width <= most {
        return cells.into_iter().map(|cell| cell.text).collect();
    }
    width = 1;
    let mut text: String = cells
        .into_iter()
        .take_while(|cell| {
            width += cell.width;
            width <= most
        })
        .map(|cell| cell.text)
        .collect();
    text.push('…');
    text
}

/// A room's ID on one line, however long.
pub(crate) fn room(id: &str) -> String {
    shown(id.as_bytes(), usize::MAX)
}

/// What to print for a character, and how many columns that takes.
fn replaced(character: char) -> (String, usize) {
    match character {
        '\t' => (" ".repeat(4), 4),
        // The pictures of the control characters.
        '\0'..='\x1f' => (picture(u32::from(character)), 1),
        '\x7f' => (picture(0x21), 1),
        _ => match character.width() {
            Some(width @ 1..) if !misleading(character) => (character.to_string(), width),
            _ => {
                let text = format!("<U+{:04X}>", u32::from(character));
                let width = text.len();
                (text, width)
            }
        },
    }
}

fn picture(offset: u32) -> String {
    char::from_u32(0x2400 + offset).unwrap_or(char::REPLACEMENT_CHARACTER).to_string()
}

/// Characters with a width that would still show a line other than it is: writing from right to left, spaces of
/// other kinds, line ends, and invisible ones.
fn misleading(character: char) -> bool {
    let looks_like_a_space = character != ' ' && character.is_whitespace();
    looks_like_a_space
        || matches!(
            character,
            '\u{ad}'
                | '\u{590}'..='\u{8ff}'
                | '\u{200b}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{fb1d}'..='\u{fdff}'
                | '\u{fe70}'..='\u{feff}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{10800}'..='\u{10fff}'
                | '\u{1e800}'..='\u{1efff}'
                | '\u{e0000}'..
        )
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn what_a_terminal_obeys_is_replaced() {
        assert_eq!(shown(b"a\x1b[31m\x07\x7f\0", 80), "a␛[31m␇␡␀");
        assert_eq!(shown("\u{9b}31m".as_bytes(), 80), "<U+009B>31m");
        assert_eq!(shown(b"\xff\xe2\x82", 80), "<FF><E2><82>");
    }

    #[test]
    fn what_hides_or_reorders_is_replaced() {
        assert_eq!(shown("a\u{202e}b\u{200b}e\u{301}א\u{2028}\u{a0}".as_bytes(), 80), {
            "a<U+202E>b<U+200B>e<U+0301><U+05D0><U+2028><U+00A0>"
        });
    }

    #[test]
    fn plain_letters_of_any_script_stay() {
        assert_eq!(shown("Küche 台所".as_bytes(), 80), "Küche 台所");
    }

    #[test]
    fn a_long_text_is_cut_by_columns() {
        assert_eq!(shown("台所台所".as_bytes(), 8), "台所台所");
        assert_eq!(shown("台所台所台".as_bytes(), 8), "台所台…");
        assert_eq!(shown(b"12345", 4), "123…");
    }
}
