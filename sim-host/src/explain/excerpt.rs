//! The line of an untrusted input that holds a place, cut to a width, and where to underline it.

use std::ops::Range;

use super::printable::{self, Cell};

/// A line of the input, safe to print, and the part of it to underline.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    /// The number of the line, from 1.
    pub(super) line: usize,
    /// The character in its line at which the place begins, from 1.
    pub(super) column: usize,
    /// The line, or what of it fits.
    pub(super) text: String,
    /// How many columns of `text` stand before what is to be underlined.
    pub(super) before: usize,
    /// How many columns are to be underlined.
    pub(super) marked: usize,
}

const CUT: char = '…';

/// The line of `content` in which the place `marked` begins, on at most `width` columns. Of a place on several lines, the
/// part on the first is marked; where there is nothing to mark, the column after the last character.
pub(super) fn excerpt(content: &[u8], marked: &Range<usize>, width: usize) -> Excerpt {
    let (before, after) = content.split_at(marked.start.min(content.len()));
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |line_feed| line_feed + 1);
    let line_end = before.len() + after.iter().position(|byte| *byte == b'\n').unwrap_or(after.len());
    let cells = printable::cells(content.get(line_start..line_end).unwrap_or_default(), line_start);

    let first = cells.partition_point(|cell| cell.at < marked.start);
    let last = cells.partition_point(|cell| cell.at < marked.end).max(first);
    let window = window(&cells, first, width);
    let (cut_before, cut_after) = (window.start > 0, window.end < cells.len());

    let visible = cells.get(window.clone()).unwrap_or_default();
    let mut text: String = visible.iter().map(|cell| cell.text.as_str()).collect();
    if cut_before {
        text.insert(0, CUT);
    }
    if cut_after {
        text.push(CUT);
    }
    let marked_width = columns(cells.get(first..last.min(window.end)).unwrap_or_default());
    Excerpt {
        line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
        column: first + 1,
        text,
        before: usize::from(cut_before) + columns(cells.get(window.start..first).unwrap_or_default()),
        marked: (marked_width + usize::from(last > window.end)).max(1),
    }
}

/// The cells that fit: some before `first`, then as many as there is room for. A column at each end stays free for the
/// sign that something was cut, or for a mark after the last cell.
fn window(cells: &[Cell], first: usize, width: usize) -> Range<usize> {
    let room = width.saturating_sub(2);
    let fits = |cells: Option<&[Cell]>, room| cells.is_some_and(|cells| columns(cells) <= room);
    let (mut start, mut end) = (first, first);
    while start > 0 && fits(cells.get(start - 1..end), room / 2) {
        start -= 1;
    }
    while fits(cells.get(start..end + 1), room) {
        end += 1;
    }
    while start > 0 && fits(cells.get(start - 1..end), room) {
        start -= 1;
    }
    start..end
}

fn columns(cells: &[Cell]) -> usize {
    cells.iter().map(|cell| cell.width).sum()
}
