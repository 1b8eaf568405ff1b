//! What is run with each seed.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::scenario::{Crypto, Source};

/// What is run with each seed, as far as a report must tell it from another plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The version of the program.
    pub version: String,
    /// How deep it goes.
    pub crypto: Crypto,
    /// How many messages ahead sessions are stored; unless it is said, as the scenarios say.
    pub reserve: Option<NonZeroU32>,
    /// The scenarios, and of the text of each a digest.
    pub scenarios: BTreeMap<String, String>,
}

/// What is swept: a plan and its scenarios.
#[derive(Clone, Debug)]
pub struct Subject {
    plan: Plan,
    sources: Vec<Source>,
}

/// A drawn scenario has a text for each seed. What the first few of them say changes with how they are drawn.
const DRAWN_SAMPLES: u64 = 16;

impl Subject {
    /// These scenarios, each once.
    ///
    /// # Errors
    /// Two scenarios have one name.
    pub fn new(sources: Vec<Source>, crypto: Crypto, reserve: Option<NonZeroU32>) -> Result<Self, String> {
        let mut scenarios = BTreeMap::new();
        for source in &sources {
            if scenarios.insert(source.name().to_owned(), digest(source)).is_some() {
                return Err(format!("there are two scenarios named {}", source.name()));
            }
        }
        let plan = Plan { version: env!("CARGO_PKG_VERSION").to_owned(), crypto, reserve, scenarios };
        Ok(Subject { plan, sources })
    }

    /// What a report says of it.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The scenarios.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }
}

impl Plan {
    /// In what this plan differs from another, for people.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<String> {
        if self.version != other.version {
            return Some(format!("one is of pawl-sim {}, the other of {}", self.version, other.version));
        }
        if self.crypto != other.crypto {
            let (one, another) = (self.crypto.name(), other.crypto.name());
            return Some(format!("one is with --crypto {one}, the other with {another}"));
        }
        if self.reserve != other.reserve {
            let said = |reserve: Option<NonZeroU32>| {
                reserve.map_or("without --reserve".to_owned(), |reserve| format!("with --reserve {reserve}"))
            };
            return Some(format!("one is {}, the other {}", said(self.reserve), said(other.reserve)));
        }
        if !self.scenarios.keys().eq(other.scenarios.keys()) {
            let names = |plan: &Self| plan.scenarios.keys().cloned().collect::<Vec<_>>().join(", ");
            return Some(format!("one is of {}, the other of {}", names(self), names(other)));
        }
        let changed = self.scenarios.iter().find(|(name, digest)| other.scenarios.get(*name) != Some(digest));
        changed.map(|(name, _)| format!("the text of scenario {name} is not the same"))
    }
}

fn digest(source: &Source) -> String {
    let mut digest = Sha256::new();
    match source {
        Source::Fixed { text, .. } => digest.update(text),
        Source::Drawn => (0..DRAWN_SAMPLES).for_each(|seed| digest.update(source.text(seed).as_bytes())),
    }
    format!("sha256:{}", digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}
