//! A finding for programs: one JSON object on one line.

use pawl_core::settings::{Field, Malformed};
use serde::Serialize;

use super::peers::Peculiarity;
use super::{Diagnostic, Finding, Outcome, Place, Source, Taken};

impl Finding<'_> {
    /// The finding as one line of JSON, without a line feed. Nothing of the content is in it that a terminal would obey.
    #[must_use]
    pub fn to_json(&self) -> String {
        // A struct of numbers, texts and lists, without maps, always has a form in JSON.
        serde_json::to_string(&Line::of(self)).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Line<'a> {
    outcome: &'static str,
    #[serde(flatten)]
    details: Details<'a>,
    other_clients: Vec<OtherClients<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Details<'a> {
    Usable {
        messages: u32,
        period_ms: u64,
        encrypt_state_events: bool,
        /// The settings that are the default.
        defaults: Vec<&'static str>,
        diagnostics: Vec<DiagnosticLine>,
    },
    Unsupported {
        at: usize,
    },
    Malformed {
        why: String,
        category: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        at: Option<usize>,
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<&'a str>,
    },
}

#[derive(Serialize)]
struct DiagnosticLine {
    field: &'static str,
    cause: &'static str,
    taken: TakenValue,
    start: usize,
    end: usize,
}

#[derive(Serialize)]
#[serde(untagged)]
enum TakenValue {
    Number(u64),
    Switch(bool),
}

#[derive(Serialize)]
struct OtherClients<'a> {
    input: &'a str,
    clients: Vec<ClientLine<'a>>,
}

#[derive(Serialize)]
struct ClientLine<'a> {
    client: &'static str,
    version: &'static str,
    does: &'a str,
}

impl<'a> Line<'a> {
    fn of(finding: &'a Finding<'_>) -> Self {
        Line {
            outcome: finding.outcome.name(),
            details: Details::of(&finding.outcome),
            other_clients: finding
                .peculiarities
                .iter()
                .map(|peculiarity| OtherClients::of(peculiarity))
                .collect(),
        }
    }
}

impl<'a> Details<'a> {
    fn of(outcome: &'a Outcome) -> Self {
        match outcome {
            Outcome::Usable { settings, sources, diagnostics } => {
                let sources = [
                    (Field::RotationPeriodMsgs, sources.messages),
                    (Field::RotationPeriodMs, sources.period_ms),
                    (Field::EncryptStateEvents, sources.encrypt_state_events),
                ];
                Details::Usable {
                    messages: settings.rotation_period_msgs,
                    period_ms: settings.rotation_period_ms,
                    encrypt_state_events: settings.encrypt_state_events,
                    defaults: sources
                        .into_iter()
                        .filter(|(_, source)| matches!(source, Source::Default | Source::LimitedDefault))
                        .map(|(field, _)| field.key())
                        .collect(),
                    diagnostics: diagnostics.iter().map(DiagnosticLine::of).collect(),
                }
            }
            Outcome::Unsupported { algorithm } => Details::Unsupported { at: algorithm.start },
            Outcome::Malformed { why, places } => Details::malformed(*why, places.first()),
        }
    }

    fn malformed(why: Malformed, place: Option<&'a Place>) -> Self {
        Details::Malformed {
            why: why.to_string(),
            category: why.name(),
            at: place.map(|place| place.bytes.start),
            detail: place.map(|place| place.saying.as_str()),
        }
    }
}

impl DiagnosticLine {
    fn of(diagnostic: &Diagnostic) -> Self {
        DiagnosticLine {
            field: diagnostic.field.key(),
            cause: diagnostic.cause.name(),
            taken: match diagnostic.taken {
                Taken::Number(number) => TakenValue::Number(number),
                Taken::Off => TakenValue::Switch(false),
            },
            start: diagnostic.value.start,
            end: diagnostic.value.end,
        }
    }
}

impl<'a> OtherClients<'a> {
    fn of(peculiarity: &'a Peculiarity) -> Self {
        let clients = peculiarity.clients.iter();
        OtherClients {
            input: peculiarity.input,
            clients: clients
                .map(|(client, does)| ClientLine { client: client.name(), version: client.version(), does })
                .collect(),
        }
    }
}
