//! A finding for people: what the device would do and why, in sentences, with the lines of the input that decided.

use anstyle::{AnsiColor, Style};
use pawl_core::settings::{Cause, Field, MEGOLM, Malformed, Settings};

use super::page::Page;
use super::printable;
use super::{Diagnostic, Finding, Outcome, Place, Source, Sources};
use crate::units::{duration, grouped, messages};

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// Of a value or a key, how many columns are repeated in a sentence; its line shows more.
const REPEATED: usize = 32;

impl Finding<'_> {
    /// The finding in sentences, on lines of at most `width` columns as far as their words allow. It is styled with
    /// ANSI escape sequences, which are the only ones in it.
    #[must_use]
    pub fn to_text(&self, width: usize) -> String {
        let mut page = Page::new(width);
        match &self.outcome {
            Outcome::Usable { settings, sources, diagnostics } => {
                self.usable(&mut page, settings, sources, diagnostics);
            }
            Outcome::Unsupported { algorithm } => {
                page.title(
                    BAD,
                    "Unsupported",
                    "the content is well formed, but of an unsupported algorithm.",
                );
                page.heading("Why");
                page.excerpt(self.content, algorithm);
                page.paragraph(
                    4,
                    &format!("The one algorithm is {MEGOLM}, compared character by character."),
                );
            }
            Outcome::Malformed { why, places } => self.malformed(&mut page, *why, places),
        }
        self.ignored_keys(&mut page);
        self.what_becomes_of_a_room(&mut page);
        self.other_clients(&mut page);
        page.into_text()
    }

    fn usable(&self, page: &mut Page, settings: &Settings, sources: &Sources, diagnostics: &[Diagnostic]) {
        let rotation = format!(
            "encrypt with Megolm, and start a new session after {} or {}, whichever comes first.",
            messages(settings.rotation_period_msgs.into()),
            duration(settings.rotation_period_ms)
        );
        page.title(GOOD, "Usable", &rotation);
        page.heading("Settings");
        let rows = rows(settings, sources);
        let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
        let widths = [width(0), width(1)];
        for row in &rows {
            page.row(row.each_ref().map(String::as_str), widths);
        }
        if !diagnostics.is_empty() {
            page.heading("Not taken as written");
        }
        let mut in_their_order: Vec<_> = diagnostics.iter().collect();
        in_their_order.sort_by_key(|diagnostic| diagnostic.value.start);
        for diagnostic in in_their_order {
            page.excerpt(self.content, &diagnostic.value);
            page.paragraph(4, &self.sentence(diagnostic, settings));
        }
    }

    /// `rotation_period_msgs is 0, below the limit of 1: 1 is taken.`
    fn sentence(&self, diagnostic: &Diagnostic, settings: &Settings) -> String {
        let key = diagnostic.field.key();
        let value = self.content.get(diagnostic.value.clone()).unwrap_or_default();
        let written = printable::shown(value, REPEATED);
        let (lower, upper, taken) = match diagnostic.field {
            Field::RotationPeriodMsgs => {
                let limits = self.limits.messages();
                let [lower, upper] = [*limits.start(), *limits.end()].map(|limit| grouped(limit.into()));
                (lower, upper, grouped(settings.rotation_period_msgs.into()))
            }
            Field::RotationPeriodMs => {
                let named = |ms| format!("{} ({})", grouped(ms), duration(ms));
                let limits = self.limits.period_ms();
                (named(*limits.start()), named(*limits.end()), named(settings.rotation_period_ms))
            }
            Field::EncryptStateEvents | Field::EncryptStateEventsUnstable => {
                let taken = if settings.encrypt_state_events {
                    "off is taken here, but the other name turns it on"
                } else {
                    "off is taken"
                };
                return format!("{key} is {written}, neither true nor false: {taken}.");
            }
        };
        match diagnostic.cause {
            Cause::BelowLimit => format!("{key} is {written}, below the limit of {lower}: {taken} is taken."),
            Cause::AboveLimit => format!("{key} is {written}, above the limit of {upper}: {taken} is taken."),
            Cause::WrongType => {
                format!("{key} is {written}, {}: the default is taken, {taken}.", not_an_integer(value))
            }
        }
    }

    fn malformed(&self, page: &mut Page, why: Malformed, places: &[Place]) {
        page.title(BAD, "Malformed", &format!("{why}."));
        if !places.is_empty() {
            page.heading("Why");
        }
        for place in places {
            page.excerpt(self.content, &place.bytes);
            page.paragraph(4, &format!("{}.", capitalised(&place.saying)));
        }
        if why == Malformed::AlgorithmMissing
            && let Some(inner) = &self.inner_content
        {
            page.heading("Is this a whole event?");
            page.excerpt(self.content, inner);
            page.paragraph(4, "What belongs here is the value of its `content` alone.");
        }
    }

    fn ignored_keys(&self, page: &mut Page) {
        if self.keys_in_another_case.is_empty() {
            return;
        }
        page.heading("Not a known key");
        for key in self.keys_in_another_case.iter().take(SHOWN_KEYS) {
            page.excerpt(self.content, key);
            page.paragraph(4, "Keys are compared case and all: this one is ignored.");
        }
        if let Some(more @ 1..) = self.keys_in_another_case.len().checked_sub(SHOWN_KEYS) {
            page.paragraph(2, &format!("and {more} more"));
        }
    }

    fn what_becomes_of_a_room(&self, page: &mut Page) {
        page.heading("What becomes of the room");
        let [first, later] = match self.outcome {
            Outcome::Usable { .. } => [
                "As its first usable encryption event: it is encrypted with these settings.",
                "As a later one: a rotation period here replaces the one in force if it is smaller; encrypted state \
                 events, once on, stay on. (That is the policy ratchet, the default. With follow a greater period \
                 counts too, with freeze nothing changes.)",
            ],
            Outcome::Unsupported { .. } | Outcome::Malformed { .. } => [
                "As its first encryption event: it is blocked, and nothing is sent until a usable event comes.",
                "As a later one: the event is rejected, and the settings in force stay. Where none are in force the \
                 room stays blocked, now for this event's cause.",
            ],
        };
        page.item(2, first);
        page.item(2, later);
        page.item(2, "Either way: it counts as encrypted for ever, and is never sent plaintext.");
    }

    fn other_clients(&self, page: &mut Page) {
        if self.peculiarities.is_empty() {
            return;
        }
        page.heading("Other clients");
        page.paragraph(2, "What they are known to do, at the versions named, with each of these on its own:");
        for peculiarity in &self.peculiarities {
            page.paragraph(2, &capitalised(peculiarity.input));
            for (client, does) in peculiarity.clients {
                page.item(4, &format!("{} ({}): {does}", client.name(), client.version()));
            }
        }
    }
}

/// The settings in force: key, value, and where the value comes from.
fn rows(settings: &Settings, sources: &Sources) -> [[String; 3]; 3] {
    let row = |field: Field, value: String, source: Source| {
        let source = match source {
            Source::Written => "as written",
            Source::LowerLimit => "the lower limit",
            Source::UpperLimit => "the upper limit",
            Source::Default => "the default",
            Source::LimitedDefault => "the limit nearest to the default",
        };
        [field.key().to_owned(), value, source.to_owned()]
    };
    let state_events = if settings.encrypt_state_events { "on" } else { "off" };
    [
        row(Field::RotationPeriodMsgs, messages(settings.rotation_period_msgs.into()), sources.messages),
        row(Field::RotationPeriodMs, duration(settings.rotation_period_ms), sources.period_ms),
        row(Field::EncryptStateEvents, state_events.to_owned(), sources.encrypt_state_events),
    ]
}

/// What a value of the wrong type is instead of an integer.
fn not_an_integer(value: &[u8]) -> &'static str {
    match value.first() {
        Some(b'"') => "a string and not an integer",
        Some(b'[') => "an array and not an integer",
        Some(b'{') => "an object and not an integer",
        Some(b'-' | b'0'..=b'9') => "with a fraction or an exponent",
        _ => "not an integer",
    }
}

/// How many keys in another case are shown.
const SHOWN_KEYS: usize = 5;

/// A sentence begins with a capital, unless a key begins it.
fn capitalised(text: &str) -> String {
    let first_word = text.split(' ').next().unwrap_or_default();
    let mut rest = text.chars();
    match rest.next() {
        Some(first) if !first_word.contains('_') && first_word != "algorithm" => {
            first.to_uppercase().chain(rest).collect()
        }
        _ => text.to_owned(),
    }
}
