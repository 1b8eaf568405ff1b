//! Lays out text for a terminal: headings, wrapped paragraphs, and lines of the input with their underline.

use std::ops::Range;

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

use super::excerpt::excerpt;

const HEADING: Style = Style::new().bold();
const MARK: Style = AnsiColor::Red.on_default().bold();
const QUIET: Style = Style::new().dimmed();

/// A text in the making. Its only escape sequences are its own: what is put on it is safe to print.
pub(super) struct Page {
    text: String,
    width: usize,
}

impl Page {
    /// A page of so many columns.
    pub(super) fn new(width: usize) -> Self {
        Page { text: String::new(), width }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// The first line, its first word in `style`.
    pub(super) fn title(&mut self, style: Style, word: &str, rest: &str) {
        let begin = self.text.len();
        self.paragraph(0, &format!("{word}: {rest}"));
        self.text.insert_str(begin + word.len(), &format!("{style:#}"));
        self.text.insert_str(begin, &style.to_string());
    }

    pub(super) fn heading(&mut self, heading: &str) {
        self.text.push_str(&format!("\n{HEADING}{heading}{HEADING:#}\n"));
    }

    /// Wrapped text, each line indented.
    pub(super) fn paragraph(&mut self, indent: usize, text: &str) {
        self.wrapped(indent, indent, text);
    }

    /// Wrapped text whose lines after the first are indented further.
    pub(super) fn item(&mut self, indent: usize, text: &str) {
        self.wrapped(indent, indent + 2, text);
    }

    /// A row of a table of three columns.
    pub(super) fn row(&mut self, [name, value, remark]: [&str; 3], [name_width, value_width]: [usize; 2]) {
        self.item(2, &format!("{name:name_width$}  {value:value_width$}  {remark}"));
    }

    /// The line of `content` that holds a place, the place underlined.
    pub(super) fn excerpt(&mut self, content: &[u8], place: &Range<usize>) {
        let excerpt = excerpt(content, place, self.width.saturating_sub(INDENT));
        let (line, column, byte) = (excerpt.line, excerpt.column, place.start);
        self.text.push_str(&format!("  {QUIET}line {line}, column {column} (byte {byte}):{QUIET:#}\n"));
        let indent = " ".repeat(INDENT);
        self.text.push_str(format!("{indent}{}", excerpt.text).trim_end());
        self.text.push('\n');
        let before = " ".repeat(excerpt.before);
        let mark = "^".repeat(excerpt.marked);
        self.text.push_str(&format!("{indent}{before}{MARK}{mark}{MARK:#}\n"));
    }

    fn wrapped(&mut self, first: usize, others: usize, text: &str) {
        let mut line = " ".repeat(first);
        let mut empty = true;
        for word in text.split(' ') {
            if !empty && line.width() + 1 + word.width() > self.width {
                self.text.push_str(&line);
                self.text.push('\n');
                line = " ".repeat(others);
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(word);
            empty = false;
        }
        self.text.push_str(&line);
        self.text.push('\n');
    }
}

/// By how much lines of the input are indented.
const INDENT: usize = 4;
