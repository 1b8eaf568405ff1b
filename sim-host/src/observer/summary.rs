//! What an observer has seen.

use serde::Serialize;

use super::settings::Settings;

/// What was seen of one room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoomSummary<'a> {
    /// The room's ID.
    pub room: &'a str,
    /// Whether it has had an encryption event.
    pub encrypted: bool,
    /// The settings in force; none if the room is not encrypted, or blocked.
    pub settings: Option<Settings>,
    /// Messages of type `m.room.encrypted`.
    pub messages: u64,
    /// Plaintext messages from before the room was encrypted.
    pub plaintext_messages: u64,
    /// Sessions that carried a message.
    pub sessions: u64,
    /// The most messages that one session carried.
    pub most_messages_in_a_session: u64,
    /// The greatest age of a session at a message on it, in milliseconds.
    pub greatest_session_age_ms: u64,
}

/// What was seen of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionSummary {
    /// When it was first heard of, in milliseconds of true time.
    pub born_ms: u64,
    /// How many messages it carried.
    pub messages: u64,
    /// How old it was at the last of them, in milliseconds.
    pub age_ms: u64,
}
