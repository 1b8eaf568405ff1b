//! The lines that a trace prints.

use serde::Serialize;

#[derive(Serialize)]
pub(super) struct EncryptionOutput<'a> {
    pub(super) op: &'static str,
    pub(super) room: &'a str,
    pub(super) outcome: &'static str,
    pub(super) effect: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) messages: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) period_ms: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct SendOutput<'a> {
    pub(super) op: &'static str,
    pub(super) room: &'a str,
    pub(super) decision: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) session: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) index: Option<u32>,
    /// Left out where there is no session, `null` where this message made none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rotation: Option<Option<&'static str>>,
}

impl<'a> SendOutput<'a> {
    pub(super) fn new(room: &'a str) -> Self {
        SendOutput {
            op: "send",
            room,
            decision: "",
            reason: None,
            session: None,
            index: None,
            rotation: None,
        }
    }
}
