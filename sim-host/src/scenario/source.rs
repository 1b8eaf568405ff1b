//! Where a scenario comes from: one that is the same for every seed, or one that is drawn from it.

use std::borrow::Cow;
use std::path::Path;

use super::{Scenario, drawn};

/// What a scenario's name stands for.
#[derive(Clone, Debug)]
pub enum Source {
    /// A built-in scenario or a file.
    Fixed {
        /// What it says.
        scenario: Box<Scenario>,
        /// As it was written.
        text: String,
    },
    /// [Drawn](mod@drawn) at random, another for each seed.
    Drawn,
}

impl Source {
    /// The one that somebody means: a built-in scenario by its name, or a file.
    ///
    /// # Errors
    /// There is no such scenario, or something is wrong with it.
    pub fn find(name_or_file: &str) -> Result<Self, String> {
        if name_or_file == drawn::NAME {
            return Ok(Source::Drawn);
        }
        if let (Some(scenario), Some(text)) = (Scenario::named(name_or_file), Scenario::text_of(name_or_file))
        {
            return Ok(Source::Fixed { scenario: Box::new(scenario), text: text.to_owned() });
        }
        let path = Path::new(name_or_file);
        if path.exists() || path.extension().is_some() {
            let (scenario, text) = Scenario::open_with_text(path)?;
            Ok(Source::Fixed { scenario: Box::new(scenario), text })
        } else {
            Err(super::command::no_such_scenario(name_or_file))
        }
    }

    /// The scenario's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Source::Fixed { scenario, .. } => &scenario.name,
            Source::Drawn => drawn::NAME,
        }
    }

    /// What is run with that seed.
    #[must_use]
    pub fn scenario(&self, seed: u64) -> Cow<'_, Scenario> {
        match self {
            Source::Fixed { scenario, .. } => Cow::Borrowed(scenario),
            Source::Drawn => Cow::Owned(Scenario::drawn(seed)),
        }
    }

    /// Its text, with that seed.
    #[must_use]
    pub fn text(&self, seed: u64) -> Cow<'_, str> {
        match self {
            Source::Fixed { text, .. } => Cow::Borrowed(text),
            Source::Drawn => Cow::Owned(drawn::text(seed)),
        }
    }
}
