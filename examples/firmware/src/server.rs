//! The server and, behind it, the devices that read. What was sent is checked here, over all restarts. Since nothing is
//! encrypted, the index of each message can be read from it.

use core::str;

const MAX_SESSIONS: usize = 32;

/// What was sent.
#[repr(C)]
pub(crate) struct Server {
    sessions: [Session; MAX_SESSIONS],
    sessions_shared: u32,
    plaintexts: u32,
}

/// A session whose key was shared.
#[derive(Clone, Copy)]
#[repr(C)]
struct Session {
    id: u64,
    next_index: u32,
    messages: u32,
    given_up: u32,
}

/// A message, as the server sees it.
pub(crate) struct Seen {
    /// Which session it is: 1 for the first whose key was shared, and so on.
    pub(crate) session: usize,
    pub(crate) index: u32,
}

/// All that was sent.
#[derive(PartialEq, Eq, Debug, defmt::Format)]
pub(crate) struct Totals {
    pub(crate) messages: u32,
    pub(crate) sessions: u32,
    /// Indices that no message had, though a later one was used.
    pub(crate) indices_given_up: u32,
    pub(crate) plaintexts: u32,
}

impl Server {
    pub(crate) const fn new() -> Self {
        let none = Session { id: 0, next_index: 0, messages: 0, given_up: 0 };
        Server { sessions: [none; MAX_SESSIONS], sessions_shared: 0, plaintexts: 0 }
    }

    /// Takes the content of an `m.room_key`. The session can be read from its index on.
    pub(crate) fn room_key(&mut self, content: &[u8]) {
        let id = hex(field(content, "session_id"), 16);
        let next_index = index(field(content, "session_key"));
        assert!(self.sessions().iter().all(|session| session.id != id), "two sessions have one ID");
        self.sessions[self.sessions_shared as usize] = Session { id, next_index, messages: 0, given_up: 0 };
        self.sessions_shared += 1;
    }

    /// Takes the content of an `m.room.encrypted`.
    pub(crate) fn encrypted(&mut self, content: &[u8]) -> Seen {
        let id = hex(field(content, "session_id"), 16);
        let index = index(field(content, "ciphertext"));
        let found = self.sessions().iter().position(|session| session.id == id);
        let place = found.expect("a session is used before its key was shared");
        let session = &mut self.sessions[place];
        assert!(index >= session.next_index, "an index is used twice");
        session.given_up += index - session.next_index;
        session.next_index = index + 1;
        session.messages += 1;
        Seen { session: place + 1, index }
    }

    /// Takes a message to a room that is not encrypted.
    pub(crate) fn plaintext(&mut self) {
        self.plaintexts += 1;
    }

    /// The last message of the session that was used last.
    pub(crate) fn last(&self) -> Option<Seen> {
        let used = self.sessions().iter().rposition(|session| session.messages > 0)?;
        Some(Seen { session: used + 1, index: self.sessions[used].next_index - 1 })
    }

    pub(crate) fn totals(&self) -> Totals {
        Totals {
            messages: self.sessions().iter().map(|session| session.messages).sum(),
            sessions: self.sessions_shared,
            indices_given_up: self.sessions().iter().map(|session| session.given_up).sum(),
            plaintexts: self.plaintexts,
        }
    }

    fn sessions(&self) -> &[Session] {
        &self.sessions[..self.sessions_shared as usize]
    }
}

/// The value of a string in a JSON object; none here holds an escape.
fn field<'a>(content: &'a [u8], name: &str) -> &'a str {
    let content = str::from_utf8(content).expect("the content is UTF-8");
    let (_, behind) = content.split_once(name).expect("the content has the field");
    behind.split('"').nth(2).expect("the field is a string")
}

/// The index with which the placeholder begins its ciphertexts and its session key.
fn index(text: &str) -> u32 {
    u32::try_from(hex(text, 8)).expect("eight digits are 32 bits")
}

fn hex(text: &str, digits: usize) -> u64 {
    u64::from_str_radix(&text[..digits], 16).expect("the placeholder writes digits")
}
