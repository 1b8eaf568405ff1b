//! What generic parameters stand for in the images.

use std::collections::BTreeSet;
use std::fmt;

use syn::{GenericParam, Generics, TypeParamBound, WherePredicate};

/// A parameter and the traits that it is bound to.
pub(super) struct Parameter {
    pub(super) name: String,
    bounds: BTreeSet<String>,
}

/// A type for each parameter.
#[derive(Clone, Default)]
pub(super) struct Assignment(Vec<(String, &'static str)>);

impl Assignment {
    pub(super) fn get(&self, parameter: &str) -> Option<&'static str> {
        self.0.iter().find(|(name, _)| name == parameter).map(|(_, ty)| *ty)
    }
}

impl fmt::Display for Assignment {
    /// Where there is a choice alone: `P = NothingStored, C = Clock32`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chosen = self.0.iter().filter_map(|(name, ty)| {
            let short = ty.strip_prefix(PERSISTENCE).unwrap_or(ty);
            let short = short.split('<').next().unwrap_or(short);
            (PERSISTENCES.contains(ty) || CLOCKS.contains(ty)).then(|| format!("{name} = {short}"))
        });
        f.write_str(&chosen.collect::<Vec<_>>().join(", "))
    }
}

const PERSISTENCE: &str = "pawl_core::";

const PERSISTENCES: [&str; 3] = [
    "pawl_core::NothingStored",
    "pawl_core::RoomsStored<Store>",
    "pawl_core::SessionsStored<'static, Store, Stamps, Random>",
];

/// Of 32 bits with fractions of a millisecond; of 64; of 32 with ticks longer than a millisecond.
const CLOCKS: [&str; 3] = ["Clock32", "Clock64", "SlowClock"];

impl Parameter {
    /// The types of `on-target/no-panic/effects.rs`, and of the core, that it stands for.
    fn candidates(&self) -> Option<&'static [&'static str]> {
        let bounds: Vec<&str> = self.bounds.iter().map(String::as_str).collect();
        Some(match (bounds.as_slice(), self.name.as_str()) {
            (["OutboundSession"] | ["StorableSession"], _) | ([], "S") => &["Session"],
            (["Persistence"], _) | ([], "P") => &PERSISTENCES,
            (["Clock"], _) => &CLOCKS,
            (["Store"], _) | ([], "T") => &["Store"],
            (["StampClock"], _) => &["Stamps"],
            (["TryCryptoRng"], _) => &["Random"],
            (["Display"] | ["Error"], _) | ([], "E") => &["Error"],
            (["usize"], _) => &["PLACES"],
            _ => return None,
        })
    }

    /// All parameters but lifetimes.
    pub(super) fn of(generics: &[&Generics]) -> Vec<Self> {
        let mut parameters = Vec::new();
        for generics in generics {
            for parameter in &generics.params {
                match parameter {
                    GenericParam::Type(parameter) => parameters.push(Parameter {
                        name: parameter.ident.to_string(),
                        bounds: parameter.bounds.iter().filter_map(bound).collect(),
                    }),
                    GenericParam::Const(parameter) => parameters.push(Parameter {
                        name: parameter.ident.to_string(),
                        bounds: BTreeSet::from([super::types::text(&parameter.ty)]),
                    }),
                    GenericParam::Lifetime(_) => {}
                }
            }
            for predicate in generics.where_clause.iter().flat_map(|clause| &clause.predicates) {
                let WherePredicate::Type(predicate) = predicate else { continue };
                let bounded = super::types::text(&predicate.bounded_ty);
                if let Some(parameter) = parameters.iter_mut().find(|parameter| parameter.name == bounded) {
                    parameter.bounds.extend(predicate.bounds.iter().filter_map(bound));
                }
            }
        }
        parameters
    }
}

/// The last name of a trait that is required.
fn bound(bound: &TypeParamBound) -> Option<String> {
    match bound {
        TypeParamBound::Trait(bound) if bound.maybe.is_none() => {
            bound.path.segments.last().map(|last| last.ident.to_string()).filter(|name| name != "Sized")
        }
        _ => None,
    }
}

/// Every choice of types for the parameters.
pub(super) fn assignments(owner: &str, generics: &[&Generics]) -> Result<Vec<Assignment>, String> {
    let mut assignments = vec![Assignment::default()];
    for parameter in Parameter::of(generics) {
        let candidates = parameter.candidates().ok_or_else(|| {
            let bounds = parameter.bounds.iter().map(String::as_str).collect::<Vec<_>>().join(" + ");
            format!("{owner}: no rule says what {}: {bounds} stands for", parameter.name)
        })?;
        assignments = assignments
            .iter()
            .flat_map(|assignment| {
                candidates.iter().map(|candidate| {
                    let mut assignment = assignment.clone();
                    assignment.0.push((parameter.name.clone(), candidate));
                    assignment
                })
            })
            .collect();
    }
    Ok(assignments)
}
