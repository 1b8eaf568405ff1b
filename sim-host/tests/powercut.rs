//! The power is cut at steps of the flash throughout a life with every operation (B6).

use pawl_sim_host::powercut::life::Life;
use pawl_sim_host::powercut::{Effort, sweep};

#[test]
fn no_rule_is_broken_wherever_the_power_is_cut_and_cut_again() {
    // B1, B2, B4, B6, K3, K4, S1: thousands of cuts; `pawl-sim powercut` does all of them
    let effort = Effort { cuts_every: 9, second_cuts_every: 250, threads: 2 };
    let summary = sweep(&Life::short(1), effort, |_, _| {});
    println!("{summary}");
    assert_eq!(summary.violation_count, 0, "{summary}");
    assert!(summary.cuts > 1_200 && summary.second_cuts > 1_000, "{summary}");
    assert!(summary.erases > 5, "{summary}");
}

#[test]
fn random_lives_break_no_rule_either() {
    // B6
    for seed in 2..6 {
        let effort = Effort { cuts_every: 79, second_cuts_every: 0, threads: 2 };
        let summary = sweep(&Life::long(seed, 80), effort, |_, _| {});
        assert_eq!(summary.violation_count, 0, "seed {seed}: {summary}");
        assert!(summary.cuts > 40, "seed {seed}: {summary}");
    }
}
