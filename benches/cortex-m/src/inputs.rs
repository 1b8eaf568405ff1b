//! The contents that are read: what real software sends, and what a hostile server would.

use core::ptr::addr_of_mut;

use pawl_core::json::{MAX_DEPTH, MAX_LENGTH};

/// A content by the name under which its figures are printed.
pub(crate) struct Input {
    pub(crate) name: &'static str,
    make: Make,
}

/// How a content is made.
enum Make {
    As(&'static [u8]),
    /// What begins it, what is repeated up to the greatest length, and what ends it.
    Filled {
        begin: &'static [u8],
        repeat: &'static [u8],
        end: &'static [u8],
    },
    /// So many brackets, and as many to close them.
    Nested(usize),
}

/// All of them, the typical one first.
pub(crate) const ALL: [Input; 9] = [
    Input { name: "parse_settings/typical", make: Make::As(TYPICAL) },
    Input { name: "parse_settings/minimal", make: Make::As(br#"{"algorithm":"m.megolm.v1.aes-sha2"}"#) },
    Input { name: "parse_settings/empty", make: Make::As(b"{}") },
    Input { name: "parse_settings/deepest", make: Make::Nested(MAX_DEPTH as usize - 1) },
    Input {
        name: "parse_settings/64KiB-depth",
        make: Make::Filled { begin: br#"{"a":"#, repeat: b"[", end: b"" },
    },
    Input {
        name: "parse_settings/64KiB-nested-and-closed",
        make: Make::Filled { begin: br#"{"a":["#, repeat: b"[[[[[[[[{\"a\":[{}]}]]]]]]]],", end: b"0]}" },
    },
    Input {
        name: "parse_settings/64KiB-string",
        make: Make::Filled { begin: br#"{"a":""#, repeat: b"x", end: br#""}"# },
    },
    Input {
        name: "parse_settings/64KiB-digits",
        make: Make::Filled { begin: br#"{"rotation_period_ms":"#, repeat: b"9", end: b"}" },
    },
    Input {
        name: "parse_settings/64KiB-keys",
        make: Make::Filled { begin: b"{", repeat: br#""a":0,"#, end: br#""b":0}"# },
    },
];

const TYPICAL: &[u8] =
    br#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_ms":604800000,"rotation_period_msgs":100}"#;

impl Input {
    /// The content. It lies in one buffer for all of them, so it is good until the next one is made.
    pub(crate) fn content(&self) -> &'static [u8] {
        static mut BUFFER: [u8; MAX_LENGTH] = [0; MAX_LENGTH];
        // SAFETY: there is one thread, and nobody holds an earlier content any more.
        let buffer: &'static mut [u8; MAX_LENGTH] = unsafe { &mut *addr_of_mut!(BUFFER) };
        match self.make {
            Make::As(content) => content,
            Make::Filled { begin, repeat, end } => {
                let times = (MAX_LENGTH - begin.len() - end.len()) / repeat.len();
                let mut content = Content { buffer, length: 0 };
                content.push(begin);
                for _ in 0..times {
                    content.push(repeat);
                }
                content.push(end);
                content.finish()
            }
            Make::Nested(levels) => {
                let mut content = Content { buffer, length: 0 };
                content.push(br#"{"a":"#);
                for _ in 0..levels {
                    content.push(b"[");
                }
                for _ in 0..levels {
                    content.push(b"]");
                }
                content.push(b"}");
                content.finish()
            }
        }
    }
}

struct Content {
    buffer: &'static mut [u8; MAX_LENGTH],
    length: usize,
}

impl Content {
    fn push(&mut self, bytes: &[u8]) {
        self.buffer[self.length..self.length + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    fn finish(self) -> &'static [u8] {
        &self.buffer[..self.length]
    }
}
