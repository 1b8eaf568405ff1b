//! Every pair of states that the core and the model of the rules can reach together, breadth first, with small limits
//! and two rooms. After every step the two must agree on everything that is to be seen.
//!
//! `cargo test` goes to depth 4. `PAWL_DEPTH=7 cargo test --release -p pawl-core --test exhaustive` takes minutes.
//!
//! Rules: S1, S2, S3, S4, S5, K1, K2, K3, K4, K6, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, E1, E2, E3, E4, E5, C1,
//! C2, C3, C4, C5, B1, B2, B3, B4.
//!
//! Restarts have searches of their own, with what is stored and fewer other operations.
//!
//! # When two pairs are taken for the same
//!
//! A device can neither be copied nor looked into. A pair is therefore kept as the shortest sequence of operations that
//! leads to it, and each step begins with going through that sequence again. Two sequences lead to the same pair when
//! their keys are the same ([`key`]). A key holds all that the model's future depends on. Everything to be seen of the
//! core is compared with the model after each step, so what is left is what the core hides:
//!
//! | the core keeps | and with one key |
//! |---|---|
//! | configuration | it is the same: it belongs to the search |
//! | the clock's last reading | as many ticks have passed since, and only the difference is used |
//! | that a counter of 32 bits has passed its end | so it has: it is in the key |
//! | the timeline, and its epoch | only where they began differs: each session's age, or that it is unknown, is in it |
//! | a fraction of a millisecond | there is none: a step of every clock here is whole milliseconds |
//! | knowledge, and the resync | they are in the key |
//! | of a room: what is in force or why nothing is, reset, `shared_history` | they are in the key |
//! | of a session: count, pending reasons, shared, its `shared_history` and index | they are in the key, every reason |
//! | numbers of sessions | they differ, but are only compared with those of requests to share |
//! | for whom such a request is, and whether it is still good | that is in the key, for the one that is kept for a room |
//! | which places of the table are whose | it may differ, and nothing may depend on it |
//! | what is stored | a mark and an age for each session, which are in the key; all else is stored as it stands |
//! | of a session: its creation stamp | its age by the calendar, or that it is unknown, is in the key |
//! | generations, and numbers of sessions that are stored | they differ, but are only compared with each other |
//!
//! An age, and a count, count no further in the key than the greatest limit there can be: beyond it the session is due
//! under any settings, and stays due.
//!
//! That is what the core should hide. Were there more (a reason that was not cleared, a share that was taken for another
//! session's), what shows it could be cut off as known. So wherever the search goes no further, since the key is known
//! or the depth reached, the core has to go through two more sequences, [`probe_time`] and [`probe_state`], which
//! between them bring those lines of the table out in an answer; and, where anything is stored, a third, [`probe_stored`].

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;

use pawl_fuzz::lockstep::{Broken, ClockKind, Content, Lockstep, Off, Operation, Setup, Storage};
use pawl_fuzz::model::{Before, Policy, Stored};

const A: usize = 0;
const B: usize = 1;

/// A search: a setup, and what happens before it begins.
struct Search {
    setup: Setup,
    beginning: Vec<Operation>,
    /// What may happen next, always.
    operations: Vec<Operation>,
    /// For the depths that CI goes to, the fewest states and steps: so that what prunes cannot hide the search itself.
    at_least: &'static [(usize, usize, usize)],
}

/// What may happen while the device is on.
fn operations(setup: &Setup) -> Vec<Operation> {
    use Operation as O;
    let (shortest, longest) = setup.period_ms;
    let tight = Content::Megolm(Some(1), Some(shortest), false);
    let loose = Content::Megolm(Some(3), Some(longest), false);
    let odd = Content::Megolm(Some(2), Some(2 * shortest), true);
    vec![
        O::Encryption(A, tight),
        O::Encryption(A, loose),
        O::Encryption(A, Content::Redacted),
        O::Encryption(B, odd),
        O::Encryption(B, Content::Unsupported),
        O::Send(A),
        O::Send(B),
        O::SendUnshared(A),
        O::SendBroken(A, Broken::Buffer),
        O::DropPermit(B),
        O::NoNewSession(A),
        O::Unreadable(A),
        O::ConfirmKept(A),
        O::KeepCurrent(A),
        O::ShareCurrent(B),
        O::Member(A, Before::NotKnown, "leave", false),
        O::Member(A, Before::Was("leave"), "knock", true),
        O::Member(A, Before::Was("knock"), "ban", false),
        O::Visibility(A, "shared"),
        O::Visibility(A, "odd"),
        O::DeviceRemoved(B),
        O::RequestRotation(A),
        O::ResetSettings(A),
        O::Forget(A),
        O::Forget(B),
        O::BeginResync,
        O::EndResync,
        O::Pass(1),
        O::Pass((shortest / setup.clock.step_ms()).saturating_sub(1).max(2)),
        O::SetBack(1),
        O::SleptMs(longest - shortest),
        O::SleptUnknown,
    ]
}

/// What may happen to rooms and knowledge, restarts among it.
fn operations_on_stored_rooms(setup: &Setup) -> Vec<Operation> {
    use Operation as O;
    let (shortest, longest) = setup.period_ms;
    vec![
        O::Encryption(A, Content::Megolm(Some(1), Some(longest), true)),
        O::Encryption(A, Content::Megolm(Some(3), Some(shortest), false)),
        O::Encryption(A, Content::Unsupported),
        O::Encryption(B, Content::Megolm(Some(2), Some(shortest), false)),
        O::Encryption(B, Content::Redacted),
        O::Send(A),
        O::Send(B),
        O::NoNewSession(A),
        O::Visibility(A, "shared"),
        O::Visibility(A, "joined"),
        O::ResetSettings(A),
        O::Forget(A),
        O::Forget(B),
        O::BeginResync,
        O::EndResync,
        O::Pass(1),
        O::SetBack(1),
        O::Restart(Off::Cut, 0),
        O::Restart(Off::Announced, 1),
    ]
}

/// What may happen to a session, restarts among it.
fn operations_on_stored_sessions(setup: &Setup) -> Vec<Operation> {
    use Operation as O;
    let (shortest, longest) = setup.period_ms;
    let step_ms = setup.clock.step_ms();
    vec![
        O::Encryption(A, Content::Megolm(Some(2), Some(shortest), false)),
        O::Encryption(A, Content::Megolm(Some(setup.messages.1), Some(longest), false)),
        O::Send(A),
        O::Send(B),
        O::SendMany(A, 3),
        O::SendUnshared(A),
        O::ConfirmKept(A),
        O::SendBroken(A, Broken::Buffer),
        O::NoNewSession(A),
        O::KeepCurrent(A),
        O::Visibility(A, "shared"),
        O::RequestRotation(A),
        O::Forget(A),
        O::Pass(1),
        O::SetBack(1),
        O::ReadClock,
        O::SleptMs(step_ms),
        O::SleptUnknown,
        O::Restart(Off::Cut, 0),
        O::Restart(Off::Announced, 0),
        O::Restart(Off::Cut, shortest - step_ms),
        O::CalendarSet,
        O::CalendarBack(step_ms),
        O::CalendarSwitch,
    ]
}

/// Everything that the future of a pair depends on, as 128 bits of hash: that two of a million pairs have the same is
/// less likely than 1 in 10²⁴.
fn key(lockstep: &Lockstep<'_>) -> u128 {
    let state = (lockstep.model().gist(), lockstep.has_wrapped());
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, &state).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

/// Brings out when each session was made, and what the clock showed last: each is good until a step before it is too
/// old, and then no longer.
fn probe_time(lockstep: &mut Lockstep<'_>) {
    lockstep.step_briefly(Operation::NoNewSession(A));
    for room in [A, B] {
        if let Some(steps) = lockstep.model().steps_until_too_old(room).filter(|steps| *steps > 0) {
            lockstep.step_briefly(Operation::Pass(steps - 1));
            lockstep.step_briefly(Operation::NoNewSession(room));
            lockstep.step_briefly(Operation::Pass(1));
        }
        lockstep.step_briefly(Operation::NoNewSession(room));
    }
}

/// Brings out the rest: the reason why a session must be replaced, whether the kept request is good, how many messages
/// are left, what was told of the visibility, the knowledge, what is in force and whether a reset waits.
fn probe_state(lockstep: &mut Lockstep<'_>, setup: &Setup) {
    let (_, longest) = setup.period_ms;
    lockstep.step_briefly(Operation::SendUnshared(B));
    lockstep.step_briefly(Operation::ConfirmKept(A));
    for _ in 0..=setup.messages.1 {
        lockstep.step_briefly(Operation::Send(A));
    }
    lockstep.step_briefly(Operation::Visibility(A, "world_readable"));
    lockstep.step_briefly(Operation::Send(A));
    lockstep.step_briefly(Operation::EndResync);
    lockstep.step_briefly(Operation::NoNewSession(B));
    for room in [A, B] {
        lockstep.step_briefly(Operation::Encryption(room, Content::Megolm(Some(3), Some(longest), true)));
    }
    lockstep.step_briefly(Operation::Send(B));
}

/// Brings out what is stored: what comes back, and how far it is good for.
fn probe_stored(lockstep: &mut Lockstep<'_>) {
    lockstep.step(Operation::Restart(Off::Cut, 0));
    lockstep.step_briefly(Operation::NoNewSession(A));
    lockstep.step_briefly(Operation::NoNewSession(B));
    lockstep.step_briefly(Operation::Send(A));
    lockstep.step(Operation::Restart(Off::Announced, 0));
    probe_time(lockstep);
}

/// How a pair was reached: from another, by an operation.
#[derive(Clone, Copy)]
struct Reached {
    from: Option<usize>,
    by: usize,
}

/// The operations that lead to a pair.
fn way_to(pair: usize, pairs: &[Reached]) -> Vec<usize> {
    let mut way = Vec::new();
    let mut at = pairs[pair];
    while let Some(from) = at.from {
        way.push(at.by);
        at = pairs[from];
    }
    way.reverse();
    way
}

/// Goes through everything within `depth` operations. Returns how many pairs were reached and how many steps compared,
/// without those of the probes.
fn search(search: &Search, depth: usize) -> (usize, usize) {
    let setup = search.setup;
    let operations = &search.operations;
    let mut storage = Storage::new(setup.places);
    let begin = |way: &[usize], storage: &mut Storage, then: &mut dyn FnMut(&mut Lockstep<'_>)| {
        let mut lockstep = Lockstep::new(storage, setup);
        search.beginning.iter().for_each(|operation| lockstep.step_again(*operation));
        way.iter().for_each(|operation| lockstep.step_again(operations[*operation]));
        then(&mut lockstep);
    };
    let mut pairs = vec![Reached { from: None, by: 0 }];
    let mut known = HashSet::new();
    let mut lockstep = Lockstep::new(&mut storage, setup);
    search.beginning.iter().for_each(|operation| lockstep.step(*operation));
    known.insert(key(&lockstep));
    drop(lockstep);
    let mut steps = 0;
    let mut level = 0..1;
    for depth_left in (0..depth).rev() {
        for from in level.clone() {
            let way = way_to(from, &pairs);
            for (by, operation) in operations.iter().enumerate() {
                steps += 1;
                let mut goes_on = false;
                begin(&way, &mut storage, &mut |lockstep| {
                    lockstep.step(*operation);
                    let is_new = known.insert(key(lockstep));
                    goes_on = is_new && depth_left > 0;
                    if is_new {
                        pairs.push(Reached { from: Some(from), by });
                    }
                    if !goes_on {
                        probe_time(lockstep);
                    }
                });
                if !goes_on {
                    begin(&way, &mut storage, &mut |lockstep| {
                        lockstep.step_again(*operation);
                        probe_state(lockstep, &setup);
                    });
                }
                if !goes_on && setup.stored != Stored::Nothing {
                    begin(&way, &mut storage, &mut |lockstep| {
                        lockstep.step_again(*operation);
                        probe_stored(lockstep);
                    });
                }
            }
        }
        level = level.end..pairs.len();
    }
    (pairs.len(), steps)
}

fn depth() -> usize {
    std::env::var("PAWL_DEPTH").map_or(4, |depth| depth.parse().expect("PAWL_DEPTH is a number"))
}

fn run(name: &str, what: Search, depth: usize) {
    let began = std::time::Instant::now();
    let (states, steps) = search(&what, depth);
    // Written past the test runner, which keeps what a passing test prints to itself.
    let seconds = began.elapsed().as_secs_f64();
    let _ =
        writeln!(std::io::stdout(), "{name}, depth {depth}: {states} states, {steps} steps, {seconds:.1} s");
    for (_, least_states, least_steps) in what.at_least.iter().filter(|least| least.0 == depth) {
        assert!(states >= *least_states && steps >= *least_steps, "the search has lost its way");
    }
}

/// Complete knowledge.
const SYNCED: [Operation; 2] = [Operation::BeginResync, Operation::EndResync];

#[test]
fn from_the_first_start_with_a_table_of_one() {
    let setup = Setup::small(Policy::Ratchet, true, 1, ClockKind::Bits64Khz, 2);
    let at_least = &[(4, 1_000, 6_500), (7, 70_000, 650_000)];
    let operations = operations(&setup);
    run("first start", Search { setup, beginning: Vec::new(), operations, at_least }, depth());
}

#[test]
fn from_two_rooms_in_use_with_a_clock_that_is_about_to_wrap() {
    let setup = Setup::small(Policy::Ratchet, false, 2, ClockKind::Bits32Khz, 2);
    let mut beginning = SYNCED.to_vec();
    beginning.extend([
        Operation::Encryption(A, Content::Megolm(Some(3), Some(40), false)),
        Operation::Encryption(B, Content::Megolm(Some(2), Some(20), false)),
        Operation::Send(A),
        Operation::Send(B),
    ]);
    // Here everything is in use from the beginning, so each operation leads on: a depth less is ten times as much.
    let at_least = &[(3, 1_600, 6_500), (6, 260_000, 1_800_000)];
    let operations = operations(&setup);
    run("two rooms", Search { setup, beginning, operations, at_least }, depth() - 1);
}

#[test]
fn from_complete_knowledge_with_settings_that_follow_and_ticks_of_10_ms() {
    let setup = Setup::small(Policy::Follow, true, 2, ClockKind::Bits64Hz100, 2);
    let at_least = &[(4, 1_100, 7_000), (7, 80_000, 740_000)];
    let operations = operations(&setup);
    run("follow", Search { setup, beginning: SYNCED.to_vec(), operations, at_least }, depth());
}

#[test]
fn from_complete_knowledge_with_frozen_settings_and_ticks_longer_than_a_period() {
    let setup = Setup::small(Policy::Freeze, true, 1, ClockKind::Bits32Hz, 2);
    let at_least = &[(4, 1_000, 6_500), (7, 38_000, 440_000)];
    let operations = operations(&setup);
    run("freeze", Search { setup, beginning: SYNCED.to_vec(), operations, at_least }, depth());
}

#[test]
fn from_the_first_start_with_rooms_that_are_stored() {
    let small = Setup::small(Policy::Ratchet, true, 1, ClockKind::Bits64Khz, 2);
    let setup = Setup { stored: Stored::Rooms, ..small };
    let operations = operations_on_stored_rooms(&setup);
    let at_least = &[(4, 380, 2_800), (7, 3_400, 34_000)];
    run("rooms stored", Search { setup, beginning: Vec::new(), operations, at_least }, depth());
}

/// A room whose session has carried a message, with a limit of 8 and sessions stored 2 ahead.
fn stored_session_in_use(clock: ClockKind) -> Search {
    let small = Setup::small(Policy::Follow, true, 2, clock, 2);
    let setup = Setup { stored: Stored::Sessions(2), messages: (1, 8), ..small };
    let mut beginning = SYNCED.to_vec();
    beginning.extend([
        Operation::Encryption(A, Content::Megolm(Some(8), Some(setup.period_ms.1), false)),
        Operation::Encryption(B, Content::Megolm(Some(1), Some(setup.period_ms.0), false)),
        Operation::Send(A),
    ]);
    let operations = operations_on_stored_sessions(&setup);
    let at_least = &[(2, 170, 430), (5, 31_000, 155_000)];
    Search { setup, beginning, operations, at_least }
}

#[test]
fn from_a_stored_session_in_use() {
    // Sealing takes its time, so it goes less far.
    run("sessions stored", stored_session_in_use(ClockKind::Bits64Khz), depth().saturating_sub(3).max(2));
}

#[test]
fn from_a_stored_session_in_use_with_ticks_of_10_ms() {
    run(
        "sessions stored, coarse ticks",
        stored_session_in_use(ClockKind::Bits64Hz100),
        depth().saturating_sub(3).max(2),
    );
}
