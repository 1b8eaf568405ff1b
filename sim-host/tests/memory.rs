//! The simulation's memory grows with rooms, not with time. (A test by itself: what is measured is the whole process.)
#![cfg(target_os = "linux")]

use std::fs;

use pawl_sim_host::scenario::{Scenario, WEEK_MS};
use pawl_sim_host::simulation::{self, Plan};

/// A bit of everything, all the time.
const LIFE: &str = r#"
about = "A busy life."
duration = "7d"

[device]
stores = "rooms"

[[clock.fault]]
at = { every = "20h", random = true }
kind = "stall"
by = ["1s", "1h"]

[[restart]]
kind = "power_cut"
at = { every = "15h", random = true }
off = "5s"

[[restart]]
kind = "power_cut_in_write"
at = { every = "21h", random = true }
off = "5s"

[[sleep]]
at = { every = "1d" }
for = ["1s", "1h"]
known = true

[[room]]
id = "!room-{n}:example.org"
count = 3
devices = 2
poisson = { every = "20m" }
bursts = { a_day = 1, messages = [1, 20] }
churn = { at = { every = "5h", random = true }, back_after = "10m" }

[[room.event]]
at = { every = "3h", first = "0s" }
encryption = ['{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_msgs":9}', '{}']

[[room.event]]
at = { every = "3h" }
history_visibility = ["shared", "joined"]
"#;

/// The most memory that this process has had, in KiB.
fn most_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

#[test]
fn a_year_takes_no_more_memory_than_a_week() {
    let week = Scenario::parse("week", LIFE).unwrap();
    let year = Scenario { duration_ms: 52 * WEEK_MS, ..week.clone() };
    let run = |scenario: &Scenario| {
        let messages = simulation::run_without_cryptography(&Plan::new(scenario, 1), |_| {}).messages;
        (messages, most_kib())
    };
    let (messages_of_week, of_week) = run(&week);
    let (messages_of_year, of_year) = run(&year);
    assert!(messages_of_year > 40 * messages_of_week, "{messages_of_week} and {messages_of_year} messages");
    // Ten bytes a message would be noticed; the allocator's own habits are not.
    let more = of_year - of_week;
    assert!(more < 512, "a week takes {of_week} KiB at most, a year {of_year} KiB");
    println!("A week takes {of_week} KiB at most, a year {more} KiB more.");
}
