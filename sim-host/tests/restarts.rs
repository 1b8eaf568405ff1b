//! What a restart costs a kiosk, and what it must not cost: with real sessions, on flash, judged by the observer.

use std::num::NonZeroU32;

use pawl_sim_host::parts::SoundParts;
use pawl_sim_host::report::Report;
use pawl_sim_host::scenario::{DAY_MS, HOUR_MS, OutageKind, RestartPlan, Scenario, When};
use pawl_sim_host::simulation::{self, Plan};

/// The first day of the default scenario, with a restart of this kind at each of these hours.
fn day_with(kind: OutageKind, hours: &[u64], reserve: u32, seed: u64) -> Report {
    let at = When::At(hours.iter().map(|hour| hour * HOUR_MS).collect());
    let restarts = vec![RestartPlan { at, kind, off_ms: 5_000 }];
    let scenario = Scenario { duration_ms: DAY_MS, restarts, ..Scenario::kiosk_month() };
    let reserve = NonZeroU32::new(reserve).unwrap();
    let report = simulation::run(&Plan { reserve, ..Plan::new(&scenario, seed) }, SoundParts, |_| {});
    assert_eq!(report.violations, []);
    assert_eq!(report.undecryptable, 0);
    assert_eq!(report.restarts[kind.name()], hours.len() as u64);
    report
}

#[test]
fn an_announced_restart_costs_no_index() {
    // B2
    let report = day_with(OutageKind::Clean, &[9, 12, 15], 16, 1);
    assert!(report.sessions_resumed > 10, "{}", report.sessions_resumed);
    assert_eq!(report.indices_skipped, 0);
}

#[test]
fn a_power_cut_costs_fewer_indices_than_are_reserved() {
    // B2
    for reserve in [1, 16] {
        let report = day_with(OutageKind::PowerCut, &[9, 12, 15], reserve, 1);
        assert!(report.sessions_resumed > 10, "{}", report.sessions_resumed);
        let most = report.sessions_resumed * u64::from(reserve - 1);
        assert!(report.indices_skipped <= most, "{} of {most}", report.indices_skipped);
        assert_eq!(report.indices_skipped > 0, reserve > 1);
    }
}

#[test]
fn sessions_of_unknown_age_do_not_go_on() {
    // B3
    for kind in [OutageKind::ClockSet, OutageKind::ClockDead] {
        assert_eq!(day_with(kind, &[12], 16, 1).sessions_resumed, 0, "{kind:?}");
    }
}

#[test]
fn a_session_is_not_used_after_the_power_was_cut_while_it_was_shared() {
    // B4
    let without = day_with(OutageKind::PowerCutInShare, &[], 16, 1).rotations["no_session"];
    let with = day_with(OutageKind::PowerCutInShare, &[7, 10, 13, 16], 16, 1).rotations["no_session"];
    assert!(with > without, "{with}, and {without} without power cuts");
}

#[test]
fn power_cuts_within_writes_break_no_rule() {
    // B6
    let every_hour: Vec<u64> = (1..23).collect();
    for seed in 1..=4 {
        let report = day_with(OutageKind::PowerCutInWrite, &every_hour, 1, seed);
        assert!(report.sessions_resumed > 40, "{}", report.sessions_resumed);
    }
}
