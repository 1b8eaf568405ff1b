//! The scenarios that come with the program.

use super::Scenario;

/// Their names and texts, the default first.
const BUILT_IN: [(&str, &str); 11] = [
    ("kiosk-month", include_str!("../../scenarios/kiosk-month.toml")),
    ("three-rooms", include_str!("../../scenarios/three-rooms.toml")),
    ("sensor-year", include_str!("../../scenarios/sensor-year.toml")),
    ("public-room", include_str!("../../scenarios/public-room.toml")),
    ("burst-flood", include_str!("../../scenarios/burst-flood.toml")),
    ("hostile-server", include_str!("../../scenarios/hostile-server.toml")),
    ("bad-clock", include_str!("../../scenarios/bad-clock.toml")),
    ("bad-power", include_str!("../../scenarios/bad-power.toml")),
    ("small-table", include_str!("../../scenarios/small-table.toml")),
    ("sleepy-sensor", include_str!("../../scenarios/sleepy-sensor.toml")),
    ("ten-thousand-rooms", include_str!("../../scenarios/ten-thousand-rooms.toml")),
];

impl Scenario {
    /// The one that runs where none is named.
    pub const DEFAULT: &'static str = BUILT_IN[0].0;

    /// The names of those that are built in.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// The text of a built-in scenario.
    #[must_use]
    pub fn text_of(name: &str) -> Option<&'static str> {
        BUILT_IN.iter().find(|(built_in, _)| *built_in == name).map(|(_, text)| *text)
    }

    /// The built-in scenario of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let text = Self::text_of(name)?;
        Some(Self::parse(name, text).unwrap_or_else(|error| panic!("a built-in scenario is sound: {error}")))
    }

    /// The default: four weeks of a kiosk in thirteen rooms, whose settings are as real software writes them and as
    /// they go wrong, and which restarts now and then.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "it is built in")]
    pub fn kiosk_month() -> Self {
        Self::named(Self::DEFAULT).expect("it is built in")
    }
}
