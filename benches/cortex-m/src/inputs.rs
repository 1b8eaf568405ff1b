//! The contents that are read: what real software sends, and what a hostile server would.

use core::fmt::Write;
use core::ptr::addr_of_mut;

use heapless::String;
use pawl_core::json::{MAX_DEPTH, MAX_LENGTH};

/// What most clients send.
pub(crate) const TYPICAL: &[u8] =
    br#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_ms":604800000,"rotation_period_msgs":100}"#;

/// The least that encrypts a room.
pub(crate) const MINIMAL: &[u8] = br#"{"algorithm":"m.megolm.v1.aes-sha2"}"#;

/// A kind of content that a hostile server may send: what begins it, what is repeated as often as its length allows, and what
/// ends it. No algorithm is among it.
pub(crate) struct Hostile {
    kind: &'static str,
    begin: &'static [u8],
    repeat: &'static [u8],
    end: &'static [u8],
    /// Whether the reader has to read it to its end to find that out.
    pub(crate) read_to_the_end: bool,
}

const fn hostile(
    kind: &'static str,
    begin: &'static [u8],
    repeat: &'static [u8],
    end: &'static [u8],
) -> Hostile {
    Hostile { kind, begin, repeat, end, read_to_the_end: true }
}

/// All kinds.
pub(crate) const HOSTILE: [Hostile; 11] = [
    Hostile { read_to_the_end: false, ..hostile("depth", br#"{"a":"#, b"[", b"") },
    hostile("nested-and-closed", br#"{"a":["#, b"[[[[[[[[{\"a\":[{}]}]]]]]]]],", b"0]}"),
    hostile("nested-escapes", br#"{"a":["#, br#""\u00e9","#, b"0]}"),
    hostile("nested-multibyte", br#"{"a":["#, "\"éa\",".as_bytes(), b"0]}"),
    hostile("string", br#"{"a":""#, b"x", br#""}"#),
    hostile("escapes", br#"{"a":""#, br"\u00e9", br#""}"#),
    hostile("multibyte", br#"{"a":""#, "é".as_bytes(), br#""}"#),
    hostile("digits", br#"{"rotation_period_ms":"#, b"9", b"}"),
    hostile("empty-keys", b"{", br#""":0,"#, br#""b":0}"#),
    hostile("escaped-keys", b"{", br#""\n":0,"#, br#""b":0}"#),
    hostile("white-space", b"{", b" ", b"}"),
];

/// The lengths that hostile contents have, in KiB: from the one to the other the cost grows as they do.
pub(crate) const LENGTHS_KIB: [usize; 2] = [4, 64];

const _: () = assert!(LENGTHS_KIB[1] * 1_024 == MAX_LENGTH);

impl Hostile {
    /// The name under which its figures are printed.
    pub(crate) fn name(&self, length_kib: usize) -> String<64> {
        let mut name = String::new();
        let _ = write!(name, "parse_settings/{length_kib}KiB-{}", self.kind);
        name
    }

    /// The content. It lies in one buffer for all of them, so it is good until the next one is made.
    pub(crate) fn content(&self, length_kib: usize) -> &'static [u8] {
        let mut content = Content::new();
        content.push(self.begin);
        let room = length_kib * 1_024 - self.begin.len() - self.end.len();
        for _ in 0..room / self.repeat.len() {
            content.push(self.repeat);
        }
        content.push(self.end);
        content.finish()
    }
}

/// As many brackets as may be, and as many to close them.
pub(crate) fn deepest() -> &'static [u8] {
    let mut content = Content::new();
    content.push(br#"{"a":"#);
    for bracket in [b"[", b"]"] {
        for _ in 1..MAX_DEPTH {
            content.push(bracket);
        }
    }
    content.push(b"}");
    content.finish()
}

struct Content {
    buffer: &'static mut [u8; MAX_LENGTH],
    length: usize,
}

impl Content {
    fn new() -> Self {
        static mut BUFFER: [u8; MAX_LENGTH] = [0; MAX_LENGTH];
        // SAFETY: there is one thread, and nobody holds an earlier content any more.
        Content { buffer: unsafe { &mut *addr_of_mut!(BUFFER) }, length: 0 }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.buffer[self.length..self.length + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    fn finish(self) -> &'static [u8] {
        &self.buffer[..self.length]
    }
}
