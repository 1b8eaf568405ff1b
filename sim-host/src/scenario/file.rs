//! Reads a scenario from TOML. Whatever is wrong with it is said by line, column and field.

use std::collections::HashSet;
use std::fmt::{self, Display};
use std::ops::Range as Span;
use std::path::Path;

use pawl_core::RoomId;
use serde_path_to_error::Segment;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Bits, EventPlan, Ms, OutageKind, RestartPlan, RoomPlan, Scenario, Stores, When};

/// The most rooms that a scenario may have.
const MOST_ROOMS: u64 = 1_000_000;

/// The most bursts a day: those of one day are planned at its beginning.
const MOST_BURSTS: u32 = 100_000;

/// The most places of a device that stores anything: its emulated flash is searched from end to end for each item.
const MOST_PLACES_STORED: usize = 256;

/// What is wrong with a scenario, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioError {
    /// The file, or the name, that the scenario was read from.
    pub source: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, in characters from 1.
    pub column: usize,
    /// The field, such as `room[3].steady.every`, counted from 0; empty where it is none.
    pub field: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl ScenarioError {
    /// One at so many bytes from the beginning of a text.
    fn at(source: &str, text: &str, offset: usize, field: String, message: &str) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_begin = before.rfind('\n').map_or(0, |newline| newline + 1);
        ScenarioError {
            source: source.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_begin..].chars().count() + 1,
            field,
            message: message.to_owned(),
        }
    }
}

impl Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ScenarioError { source, line, column, field, message } = self;
        write!(f, "{source}:{line}:{column}: ")?;
        if !field.is_empty() {
            write!(f, "{field}: ")?;
        }
        f.write_str(message)
    }
}

impl std::error::Error for ScenarioError {}

impl Scenario {
    /// The scenario in a file.
    ///
    /// # Errors
    /// A file that cannot be read, or what is wrong with it.
    pub fn open(path: &Path) -> Result<Self, String> {
        Scenario::open_with_text(path).map(|(scenario, _)| scenario)
    }

    pub(super) fn open_with_text(path: &Path) -> Result<(Self, String), String> {
        let source = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|error| format!("cannot read {source}: {error}"))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let good = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes());
            let message = "this is no character in UTF-8; a scenario is a text in UTF-8";
            ScenarioError::at(&source, &text, good, String::new(), message).to_string()
        })?;
        let mut scenario = Scenario::parse(&source, &text).map_err(|error| error.to_string())?;
        if let Some(stem) = path.file_stem() {
            scenario.name = stem.to_string_lossy().into_owned();
        }
        Ok((scenario, text))
    }

    /// The scenario that a text describes. `source` is named in an error.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(source: &str, text: &str) -> Result<Self, ScenarioError> {
        let error_at = |span: Span<usize>, field: String, message: &str| {
            ScenarioError::at(source, text, span.start, field, message)
        };
        let deserializer = toml::Deserializer::parse(text).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            // Of what is no TOML there are no fields, but for a key that stands there twice.
            let is_a_key = error.message().starts_with("duplicate key");
            let field = text.get(span.clone()).filter(|_| is_a_key).unwrap_or_default();
            error_at(span, field.to_owned(), error.message())
        })?;
        let mut scenario: Scenario = serde_path_to_error::deserialize(deserializer).map_err(|error| {
            let path = FieldPath::from(error.path());
            let error = error.into_inner();
            let span = error.span().unwrap_or_else(|| path.span_in(text));
            error_at(span, path.to_string(), error.message())
        })?;
        source.clone_into(&mut scenario.name);
        scenario
            .check()
            .map_err(|Fault(path, message)| error_at(path.span_in(text), path.to_string(), &message))?;
        Ok(scenario)
    }
}

/// Where in a file a value is.
#[derive(Clone, Default)]
struct FieldPath(Vec<Step>);

#[derive(Clone)]
enum Step {
    Key(String),
    Index(usize),
}

impl FieldPath {
    fn key(&self, key: &str) -> Self {
        let mut path = self.clone();
        path.0.push(Step::Key(key.to_owned()));
        path
    }

    fn index(&self, index: usize) -> Self {
        let mut path = self.clone();
        path.0.push(Step::Index(index));
        path
    }

    fn fault<T>(self, message: impl Into<String>) -> Result<T, Fault> {
        Err(Fault(self, message.into()))
    }

    /// The bytes of the value, or of what stands nearest above it.
    fn span_in(&self, text: &str) -> Span<usize> {
        let Ok(document) = DeTable::parse(text) else {
            return 0..0;
        };
        let mut span = 0..0;
        let mut value: Option<&Spanned<DeValue<'_>>> = None;
        for step in &self.0 {
            let table = match value.map(|value| value.get_ref()) {
                None => Some(document.get_ref()),
                Some(DeValue::Table(table)) => Some(table),
                Some(_) => None,
            };
            let next = match (step, value.map(|value| value.get_ref())) {
                (Step::Key(key), _) => table.and_then(|table| table.get(key.as_str())),
                (Step::Index(index), Some(DeValue::Array(array))) => array.get(*index),
                _ => None,
            };
            let Some(next) = next else {
                break;
            };
            span = next.span();
            value = Some(next);
        }
        span
    }
}

impl From<&serde_path_to_error::Path> for FieldPath {
    fn from(path: &serde_path_to_error::Path) -> Self {
        let steps = path.iter().filter_map(|segment| match segment {
            Segment::Seq { index } => Some(Step::Index(*index)),
            Segment::Map { key } => Some(Step::Key(key.clone())),
            Segment::Enum { .. } | Segment::Unknown => None,
        });
        FieldPath(steps.collect())
    }
}

impl Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if place == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// A field whose value cannot be, and why.
struct Fault(FieldPath, String);

// ---- what no single value can tell ----

impl Scenario {
    fn check(&self) -> Result<(), Fault> {
        let top = FieldPath::default();
        if self.duration_ms == 0 {
            return top.key("duration").fault("a scenario lasts at least 1ms");
        }
        if self.rooms.is_empty() {
            return top.fault("there is no room; add a table [[room]]");
        }
        self.check_device(&top.key("device"))?;
        self.check_clock(&top.key("clock"))?;
        let mut ids = HashSet::new();
        for (number, room) in self.rooms.iter().enumerate() {
            let path = top.key("room").index(number);
            room.check(&path, self.duration_ms)?;
            if !ids.insert(room.id.as_str()) {
                return path.key("id").fault("another room has this ID");
            }
        }
        if self.rooms.iter().map(|room| u64::from(room.count)).sum::<u64>() > MOST_ROOMS {
            return top.key("room").fault(format!("there are more than {MOST_ROOMS} rooms"));
        }
        for (number, restart) in self.restarts.iter().enumerate() {
            restart.check(&top.key("restart").index(number), self)?;
        }
        for (number, sleep) in self.sleeps.iter().enumerate() {
            let path = top.key("sleep").index(number);
            sleep.at.check(&path.key("at"), self.duration_ms)?;
            at_least_1(sleep.lasts.0.0, &path.key("for"))?;
        }
        Ok(())
    }

    fn check_device(&self, path: &FieldPath) -> Result<(), Fault> {
        let device = &self.device;
        if !(1..=65_536).contains(&device.places) {
            return path.key("places").fault("a device has from 1 to 65536 places");
        }
        if device.stores != Stores::Nothing && device.places > MOST_PLACES_STORED {
            let message = format!(
                "a device that stores rooms or sessions has at most {MOST_PLACES_STORED} places here; \
                 with stores = \"nothing\" it may have up to 65536"
            );
            return path.key("places").fault(message);
        }
        if device.limit_messages.0 == 0 {
            return path.key("limit_messages").fault("a session carries at least 1 message");
        }
        at_least_1(device.limit_period.0.0, &path.key("limit_period"))
    }

    fn check_clock(&self, path: &FieldPath) -> Result<(), Fault> {
        let clock = &self.clock;
        if clock.bits == Bits::ThirtyTwo && u32::try_from(clock.at_boot).is_err() {
            return path.key("at_boot").fault("a counter of 32 bits shows at most 4294967295");
        }
        if let Some(every_ms) = clock.read_every {
            at_least_1(every_ms, &path.key("read_every"))?;
        }
        for (number, fault) in clock.fault.iter().enumerate() {
            let path = path.key("fault").index(number);
            fault.at.check(&path.key("at"), self.duration_ms)?;
            at_least_1(fault.by.0.0, &path.key("by"))?;
        }
        Ok(())
    }
}

fn at_least_1(value: u64, path: &FieldPath) -> Result<(), Fault> {
    if value == 0 { path.clone().fault("it is at least 1 (1ms where it is a time)") } else { Ok(()) }
}

impl When {
    /// What never happens is a slip: it would pass for something that went well.
    fn check(&self, path: &FieldPath, duration_ms: u64) -> Result<(), Fault> {
        match self {
            When::At(times) if times.is_empty() => path.clone().fault("there is no time in it"),
            When::At(times) if times.iter().any(|at_ms| *at_ms >= duration_ms) => {
                path.clone().fault("the scenario is over by then; see its duration")
            }
            When::At(_) => Ok(()),
            When::Repeated(repeated) => {
                at_least_1(repeated.every, &path.key("every"))?;
                if repeated.never_happens() {
                    return path.key("until").fault("it is over before it happens first");
                }
                let field = if repeated.first.is_some() { "first" } else { "every" };
                match repeated.first_ms() {
                    Some(first_ms) if first_ms >= duration_ms => path
                        .key(field)
                        .fault("the scenario is over before it happens first; see its duration"),
                    _ => Ok(()),
                }
            }
        }
    }
}

impl RestartPlan {
    fn check(&self, path: &FieldPath, scenario: &Scenario) -> Result<(), Fault> {
        let stores = scenario.device.stores;
        self.at.check(&path.key("at"), scenario.duration_ms)?;
        at_least_1(self.off_ms, &path.key("off"))?;
        let needs = match self.kind {
            OutageKind::PowerCutInWrite if stores == Stores::Nothing => "rooms\" or \"sessions",
            OutageKind::ClockSet | OutageKind::ClockDead if stores != Stores::Sessions => "sessions",
            _ => return Ok(()),
        };
        path.key("kind").fault(format!("{} can only be where device.stores = \"{needs}\"", self.kind.name()))
    }
}

impl RoomPlan {
    fn check(&self, path: &FieldPath, duration_ms: u64) -> Result<(), Fault> {
        at_least_1(self.count.into(), &path.key("count"))?;
        if self.id.is_empty() {
            return path.key("id").fault("a room has an ID");
        }
        if (self.count > 1) != self.id.contains("{n}") {
            let message = "`{n}` stands in the ID, for the number of each room, where count is more than 1, and only there";
            return path.key("id").fault(message);
        }
        if RoomId::new(&self.numbered_id(self.count)).is_err() {
            return path.key("id").fault("a room ID has at most 255 bytes");
        }
        self.check_traffic(path)?;
        if let Some(churn) = &self.churn {
            churn.at.check(&path.key("churn").key("at"), duration_ms)?;
        }
        let events = path.key("event");
        self.events
            .iter()
            .enumerate()
            .try_for_each(|(number, event)| event.check(&events.index(number), duration_ms))
    }

    fn check_traffic(&self, path: &FieldPath) -> Result<(), Fault> {
        if let Some(steady) = &self.steady {
            let path = path.key("steady");
            at_least_1(steady.every, &path.key("every"))?;
            at_least_1(steady.night.into(), &path.key("night"))?;
            if steady.jitter_percent > 100 {
                return path.key("jitter_percent").fault("it is from 0 to 100");
            }
        }
        if let Some(poisson) = &self.poisson {
            let path = path.key("poisson");
            at_least_1(poisson.every, &path.key("every"))?;
            at_least_1(poisson.night.into(), &path.key("night"))?;
        }
        if let Some(tail) = &self.heavy_tailed {
            let path = path.key("heavy_tailed");
            at_least_1(tail.least, &path.key("least"))?;
            if tail.most < tail.least {
                return path.key("most").fault("it is not below `least`");
            }
            if !(tail.exponent > 0.0 && tail.exponent <= 100.0) {
                return path.key("exponent").fault("it is above 0, and at most 100");
            }
        }
        if let Some(bursts) = &self.bursts {
            let path = path.key("bursts");
            at_least_1(bursts.a_day.into(), &path.key("a_day"))?;
            at_least_1(bursts.messages.0.into(), &path.key("messages"))?;
            if bursts.a_day > MOST_BURSTS {
                return path.key("a_day").fault(format!("it is at most {MOST_BURSTS}"));
            }
        }
        Ok(())
    }

    /// The ID of the room of that number, from 1. All numbers have as many digits as the last one.
    pub(crate) fn numbered_id(&self, number: u32) -> String {
        let digits = self.count.to_string().len();
        self.id.replace("{n}", &format!("{number:0digits$}"))
    }
}

impl EventPlan {
    fn check(&self, path: &FieldPath, duration_ms: u64) -> Result<(), Fault> {
        self.at.check(&path.key("at"), duration_ms)?;
        let said = [
            self.encryption.is_some(),
            self.history_visibility.is_some(),
            self.membership.is_some(),
            self.happens.is_some(),
        ];
        if said.into_iter().filter(|said| *said).count() != 1 {
            let message =
                "an event has one of `encryption`, `history_visibility`, `membership` and `happens`";
            return path.clone().fault(message);
        }
        let of_a_member = [("previous", self.previous.is_some()), ("limited", self.limited)];
        match of_a_member.into_iter().find(|(_, said)| *said && self.membership.is_none()) {
            Some((field, _)) => path.key(field).fault("it is only for `membership`"),
            None => Ok(()),
        }
    }
}

impl From<Ms> for u64 {
    fn from(Ms(ms): Ms) -> u64 {
        ms
    }
}
