//! How a device would take one `content` of `m.room.encryption`, and why.
//!
//! [`explain`] asks the core and keeps, with what it said, where in the input that stands: a [`Finding`]. A finding is
//! printed for programs ([`Finding::to_json`]) or for people ([`Finding::to_text`]); [`command`] is the command line.
//! Nothing here reads JSON or judges a value by itself: the one reader is [`pawl_core::json`], and the outcome is that
//! of [`pawl_core::settings::read`].

pub mod command;
mod excerpt;
mod json;
mod members;
mod page;
pub mod peers;
pub(crate) mod printable;
mod text;
mod trouble;

use std::ops::Range;

use pawl_core::settings::{
    self, Cause, DEFAULT_ROTATION_PERIOD_MS, DEFAULT_ROTATION_PERIOD_MSGS, Diagnostics, Field, Limits,
    Malformed, Reading, Settings,
};

use self::members::{Key, Members};
use self::peers::Peculiarity;

/// What a device makes of a content, and where in it the reasons stand. Positions are byte offsets into it.
#[derive(Debug)]
pub struct Finding<'a> {
    /// The content.
    pub content: &'a [u8],
    /// The limits that were obeyed.
    pub limits: Limits,
    /// What the content says.
    pub outcome: Outcome,
    /// Keys that would be known if case did not count (P3).
    pub keys_in_another_case: Vec<Range<usize>>,
    /// The content of a whole event that was given where its `content` alone belongs.
    pub inner_content: Option<Range<usize>>,
    /// What in it other clients are known to take otherwise.
    pub peculiarities: Vec<&'static Peculiarity>,
}

/// What a content says, as [`Reading`].
#[derive(Debug)]
pub enum Outcome {
    /// Megolm, with effective settings.
    Usable {
        /// The settings.
        settings: Settings,
        /// Where each of them comes from.
        sources: Sources,
        /// Every value not taken as written (P8), in the order of [`Field`].
        diagnostics: Vec<Diagnostic>,
    },
    /// Another algorithm than Megolm.
    Unsupported {
        /// Where it is named.
        algorithm: Range<usize>,
    },
    /// Not to be understood.
    Malformed {
        /// Why.
        why: Malformed,
        /// Where, the place that decided first; empty where there is no such place.
        places: Vec<Place>,
    },
}

/// Where each effective setting comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sources {
    /// Of `rotation_period_msgs`.
    pub messages: Source,
    /// Of `rotation_period_ms`.
    pub period_ms: Source,
    /// Of `encrypt_state_events`, under either name.
    pub encrypt_state_events: Source,
}

/// Where an effective setting comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// It stands in the content.
    Written,
    /// The lower limit, since less stands in the content.
    LowerLimit,
    /// The upper limit, since more stands in the content.
    UpperLimit,
    /// The default, since nothing usable stands in the content.
    Default,
    /// The default, brought within the limits.
    LimitedDefault,
}

/// A value that was not taken as written (P8).
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// The key.
    pub field: Field,
    /// Why.
    pub cause: Cause,
    /// Where the value stands.
    pub value: Range<usize>,
    /// What was taken instead.
    pub taken: Taken,
}

/// What was taken instead of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// A number, of messages or of milliseconds.
    Number(u64),
    /// Off.
    Off,
}

/// A place in a malformed content, and what is wrong there.
#[derive(Clone, Debug)]
pub struct Place {
    /// Where; empty at the end of the content.
    pub bytes: Range<usize>,
    /// What is wrong, without a full stop. Safe to print.
    pub saying: String,
}

impl Outcome {
    /// `usable`, `unsupported` or `malformed`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Outcome::Usable { .. } => "usable",
            Outcome::Unsupported { .. } => "unsupported",
            Outcome::Malformed { .. } => "malformed",
        }
    }

    /// The exit status of `pawl-sim explain`: 0, 3 or 4.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self {
            Outcome::Usable { .. } => 0,
            Outcome::Unsupported { .. } => 3,
            Outcome::Malformed { .. } => 4,
        }
    }
}

/// Reads `content` as a device with these `limits` does, and says how it came to its outcome.
#[must_use]
pub fn explain<'a>(content: &'a [u8], limits: &Limits) -> Finding<'a> {
    let members = Members::read(content);
    let outcome = match settings::read(content, limits) {
        Reading::Usable(settings, diagnostics) => Outcome::Usable {
            settings,
            sources: sources(&members, &settings, &diagnostics),
            diagnostics: located(&members, &settings, &diagnostics),
        },
        Reading::Unsupported => Outcome::Unsupported { algorithm: members.value_of(Key::Algorithm) },
        Reading::Malformed(why) => {
            Outcome::Malformed { why, places: trouble::places(content, &members, why) }
        }
    };
    let peculiarities = peers::peculiarities(&outcome, &members);
    Finding {
        content,
        limits: *limits,
        outcome,
        keys_in_another_case: members.in_another_case.into_iter().map(|(_, key)| key).collect(),
        inner_content: members.inner_content,
        peculiarities,
    }
}

fn sources(members: &Members<'_>, settings: &Settings, diagnostics: &Diagnostics) -> Sources {
    let rotation = |field, effective: u64, default: u64| match diagnostics.cause(field) {
        Some(Cause::BelowLimit) => Source::LowerLimit,
        Some(Cause::AboveLimit) => Source::UpperLimit,
        None if members.says(field) => Source::Written,
        _ if effective != default => Source::LimitedDefault,
        _ => Source::Default,
    };
    let on_or_off = [Field::EncryptStateEvents, Field::EncryptStateEventsUnstable]
        .into_iter()
        .any(|field| members.says(field) && diagnostics.cause(field).is_none());
    Sources {
        messages: rotation(
            Field::RotationPeriodMsgs,
            settings.rotation_period_msgs.into(),
            DEFAULT_ROTATION_PERIOD_MSGS.into(),
        ),
        period_ms: rotation(Field::RotationPeriodMs, settings.rotation_period_ms, DEFAULT_ROTATION_PERIOD_MS),
        encrypt_state_events: if on_or_off { Source::Written } else { Source::Default },
    }
}

fn located(members: &Members<'_>, settings: &Settings, diagnostics: &Diagnostics) -> Vec<Diagnostic> {
    diagnostics
        .iter()
        .map(|(field, cause)| Diagnostic {
            field,
            cause,
            value: members.value_of(Key::Field(field)),
            taken: match field {
                Field::RotationPeriodMsgs => Taken::Number(settings.rotation_period_msgs.into()),
                Field::RotationPeriodMs => Taken::Number(settings.rotation_period_ms),
                Field::EncryptStateEvents | Field::EncryptStateEventsUnstable => Taken::Off,
            },
        })
        .collect()
}
