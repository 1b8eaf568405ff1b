//! What brought violations about that a sweep has found.

use std::collections::BTreeMap;

use super::{Example, Finding, Subject, SweepReport};
use crate::cause::explain_violation;
use crate::observer::Violation;
use crate::simulation::Plan;

impl SweepReport {
    /// Looks, for the lowest seed of each kind of violation of each scenario, for the shortest trace that shows it. `progress`
    /// is told how many lines are left.
    pub fn look_for_traces(&mut self, subject: &Subject, progress: &mut dyn FnMut(usize)) {
        let crypto = self.plan.crypto;
        for source in subject.sources() {
            let findings = self.scenarios.get_mut(source.name()).map(|tally| &mut tally.violations);
            for (kind, finding) in findings.unwrap_or(&mut BTreeMap::new()) {
                let Finding { lowest_seed, first: Some(example @ Example { trace: None, .. }), .. } = finding
                else {
                    continue;
                };
                let Example { step, at_ms, room, detail, .. } = example.clone();
                let violation = Violation { kind: *kind, step, at_ms, room, detail };
                let scenario = source.scenario(*lowest_seed);
                let mut plan = Plan::new(&scenario, *lowest_seed);
                plan.reserve = self.plan.reserve.unwrap_or(plan.reserve);
                example.trace = explain_violation(&plan, crypto, &violation, progress);
            }
        }
    }
}
