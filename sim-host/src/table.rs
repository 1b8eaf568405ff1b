//! Tables for people, which turn into lists where a terminal is too narrow for them.

use std::fmt::Write;
use std::io::{self, IsTerminal};

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets};
use unicode_width::UnicodeWidthStr;

/// How wide a table may be where it is not printed on a terminal, in columns.
const WIDTH_ELSEWHERE: usize = 120;

/// How many columns the terminal has that standard output goes to.
pub(crate) fn columns() -> Option<usize> {
    let (width, _) = io::stdout().is_terminal().then(terminal_size::terminal_size).flatten()?;
    Some(usize::from(width.0))
}

/// The rows below a heading, for standard output. Cells may have several lines. `figures` are the columns that are set to the
/// right, counted from 0.
pub(crate) fn table(heading: &[&str], rows: &[Vec<String>], figures: &[usize]) -> String {
    as_wide_as(columns().unwrap_or(WIDTH_ELSEWHERE), heading, rows, figures)
}

fn as_wide_as(width: usize, heading: &[&str], rows: &[Vec<String>], figures: &[usize]) -> String {
    let narrowest: Vec<usize> = (0..heading.len()).map(|column| narrowest(column, heading, rows)).collect();
    let between = heading.len().saturating_sub(1);
    if narrowest.iter().sum::<usize>() + between > width {
        return list(width, heading, rows);
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    let fixed = |width| Width::Fixed(u16::try_from(width).unwrap_or(u16::MAX));
    table.set_width(u16::try_from(width).unwrap_or(u16::MAX)).set_header(heading);
    table.add_rows(rows);
    table.set_constraints(narrowest.into_iter().map(|width| ColumnConstraint::LowerBoundary(fixed(width))));
    for &column in figures {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

/// How wide a column is at least in which no word is broken, with a space on both sides.
fn narrowest(column: usize, heading: &[&str], rows: &[Vec<String>]) -> usize {
    let longest_word = |cell: &str| cell.split_whitespace().map(UnicodeWidthStr::width).max().unwrap_or(0);
    let cells = rows.iter().filter_map(|row| row.get(column)).map(String::as_str);
    heading.get(column).copied().into_iter().chain(cells).map(longest_word).max().unwrap_or(0) + 2
}

/// A row after the other: its first cell, and below it the others, each after what stands above it.
fn list(width: usize, heading: &[&str], rows: &[Vec<String>]) -> String {
    let on_one_line = |text: &str| text.lines().collect::<Vec<_>>().join(", ");
    let mut text = "─".repeat(width);
    for row in rows {
        let mut cells = heading.iter().zip(row);
        if let Some((_, name)) = cells.next() {
            let _ = write!(text, "\n{}", on_one_line(name));
        }
        for (what, cell) in cells {
            let _ = write!(text, "\n  {}: {}", what.replace('\n', " "), on_one_line(cell));
        }
    }
    let _ = write!(text, "\n{}", "─".repeat(width));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADING: [&str; 3] = ["room", "messages\nencrypted", "reasons"];

    fn rows() -> Vec<Vec<String>> {
        [["!front:door", "1,234\n(5 blocked)", "departure 2\nmessages 3"], ["!back:door", "7", "–"]]
            .map(|row| row.map(str::to_owned).to_vec())
            .to_vec()
    }

    #[test]
    fn where_there_is_room_it_is_a_table() {
        for width in [37, 50] {
            let shown = as_wide_as(width, &HEADING, &rows(), &[1]);
            assert!(shown.lines().all(|line| line.width() <= width), "{shown}");
            for word in ["!front:door", "encrypted", "blocked)", "departure"] {
                assert!(shown.contains(word), "{word} is broken:\n{shown}");
            }
        }
    }

    #[test]
    fn where_words_would_be_broken_it_is_a_list() {
        let shown = as_wide_as(36, &HEADING, &rows(), &[1]);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(
            lines[1..lines.len() - 1],
            [
                "!front:door",
                "  messages encrypted: 1,234, (5 blocked)",
                "  reasons: departure 2, messages 3",
                "!back:door",
                "  messages encrypted: 7",
                "  reasons: –",
            ]
        );
    }
}
