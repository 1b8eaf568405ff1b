//! What an observer finds.

use serde::{Deserialize, Serialize};

/// Something that the device should not have done, or that should not have come of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which rule was broken.
    pub kind: ViolationKind,
    /// At which step of the run: of a simulation, what came due before it, counted from 1; of a trace, the line's number.
    pub step: u64,
    /// When, in milliseconds of true time.
    pub at_ms: u64,
    /// The room's ID.
    pub room: String,
    /// What was seen, in a sentence.
    pub detail: String,
}

/// The ways to go wrong. The names in reports are these in `snake_case`, and stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ViolationKind {
    /// A plaintext message in a room that has had an encryption event.
    PlaintextAfterEncryption,
    /// A message in an encrypted room, or an encrypted one in any room, with no usable settings in force; or plaintext in a
    /// room of which the device cannot know that it is not encrypted, or where it is never to send any.
    SentWhileBlocked,
    /// A message on a session that already carried as many as the limit in force allows.
    SessionOverMessageLimit,
    /// A message on a session that is as old as the period in force, or older.
    SessionOverAgeLimit,
    /// An index that is not greater than the last one of its session, or a session used in two rooms.
    RatchetIndexReused,
    /// A message on a session that is older than an event that ends sessions.
    SessionSurvivedRotationEvent,
    /// A message was not sent that could have been.
    BlockedWithoutCause,
    /// A new session where nothing called for one.
    ReplacedWithoutCause,
    /// A message that waits though its session's key was shared, or though no key is being shared.
    WaitsWithoutCause,
    /// A room key that does not say of its session what the room's history visibility was when it was made.
    WrongSharedHistory,
    /// A receiving device could not decrypt a message.
    Undecryptable,
    /// A receiving device decrypted something else than what was sent.
    WrongPlaintext,
    /// The content of an `m.room.encrypted` event that is not well-formed Megolm.
    NotMegolm,
}

impl ViolationKind {
    /// The name that it has in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            ViolationKind::PlaintextAfterEncryption => "plaintext_after_encryption",
            ViolationKind::SentWhileBlocked => "sent_while_blocked",
            ViolationKind::SessionOverMessageLimit => "session_over_message_limit",
            ViolationKind::SessionOverAgeLimit => "session_over_age_limit",
            ViolationKind::RatchetIndexReused => "ratchet_index_reused",
            ViolationKind::SessionSurvivedRotationEvent => "session_survived_rotation_event",
            ViolationKind::BlockedWithoutCause => "blocked_without_cause",
            ViolationKind::ReplacedWithoutCause => "replaced_without_cause",
            ViolationKind::WaitsWithoutCause => "waits_without_cause",
            ViolationKind::WrongSharedHistory => "wrong_shared_history",
            ViolationKind::Undecryptable => "undecryptable",
            ViolationKind::WrongPlaintext => "wrong_plaintext",
            ViolationKind::NotMegolm => "not_megolm",
        }
    }
}
