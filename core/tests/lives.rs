//! Long lives of a device against the model of the rules: hundreds of operations with the default limits and values as
//! they come in practice, over months, on clocks that wrap many times meanwhile, and over restarts.
//!
//! What the exhaustive search does with small limits is done here with large ones: 100 messages and a week, thousands of
//! messages and 28 days, waits to the millisecond around them, and waits of weeks during which a clock of 32 bits is
//! read as often as the core asks for.
//!
//! Rules: S1, S2, S3, S4, S5, K1, K2, K3, K4, K6, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, E1, E2, E3, E4, E5, C1,
//! C2, C3, C4, C5, B1, B2, B3, B4.

use pawl_fuzz::lockstep::{
    Broken, ClockKind, Content, Lockstep, ModelSide, Observed, Off, Operation, ROOMS, Setup, Storage,
};
use pawl_fuzz::model::{Before, Policy, Stored};
use proptest::prelude::*;
use proptest::sample::select;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// The model, and what it answered to the last operation.
#[derive(Clone, Debug)]
struct Life {
    model: ModelSide,
    expected: Option<Observed>,
}

impl ReferenceStateMachine for Life {
    type State = Life;
    type Transition = Operation;

    fn init_state() -> BoxedStrategy<Life> {
        let policy =
            prop_oneof![3 => Just(Policy::Ratchet), 2 => Just(Policy::Follow), 1 => Just(Policy::Freeze)];
        let stored = prop_oneof![
            1 => Just(Stored::Nothing),
            1 => Just(Stored::Rooms),
            3 => select(vec![1, 3, 16, 100]).prop_map(Stored::Sessions),
        ];
        (policy, any::<bool>(), select(vec![1, 2, 4]), select(ClockKind::ALL.to_vec()), stored)
            .prop_map(|(policy, plaintext, places, clock, stored)| {
                let setup = Setup {
                    policy,
                    plaintext,
                    places,
                    clock,
                    messages: (1, 10_000),
                    period_ms: (HOUR_MS, 28 * DAY_MS),
                    rooms: ROOMS.len(),
                    stored,
                };
                Life { model: ModelSide::new(setup), expected: None }
            })
            .boxed()
    }

    fn transitions(life: &Life) -> BoxedStrategy<Operation> {
        let steps = steps(&life.model);
        // Two rooms have most of the traffic, so that their sessions grow old.
        let room = || prop_oneof![6 => Just(0), 3 => Just(1), 2 => 2..ROOMS.len()];
        let time = prop_oneof![
            6 => (steps.clone(), 0..8_u8).prop_map(|(steps, readings)| Operation::Wait(steps, readings)),
            2 => steps.clone().prop_map(Operation::Pass),
            1 => Just(Operation::ReadClock),
            1 => steps.clone().prop_map(Operation::SetBack),
            1 => sleep().prop_map(Operation::SleptMs),
            1 => Just(Operation::SleptUnknown),
        ];
        let messages = prop_oneof![
            8 => room().prop_map(Operation::Send),
            4 => (room(), 1..=120_u16).prop_map(|(room, count)| Operation::SendMany(room, count)),
            2 => room().prop_map(Operation::SendUnshared),
            1 => (room(), select(vec![Broken::Buffer, Broken::Session]))
                .prop_map(|(room, broken)| Operation::SendBroken(room, broken)),
            1 => room().prop_map(Operation::DropPermit),
            1 => room().prop_map(Operation::NoNewSession),
            1 => room().prop_map(Operation::Unreadable),
            2 => room().prop_map(Operation::ConfirmKept),
            1 => room().prop_map(Operation::ShareCurrent),
            1 => room().prop_map(Operation::KeepCurrent),
        ];
        let events = prop_oneof![
            5 => (room(), content()).prop_map(|(room, content)| Operation::Encryption(room, content)),
            5 => member(room().boxed()),
            2 => (room(), select(vec!["joined", "invited", "shared", "world_readable", "odd"]))
                .prop_map(|(room, value)| Operation::Visibility(room, value)),
            1 => room().prop_map(Operation::DeviceRemoved),
            1 => room().prop_map(Operation::RequestRotation),
            1 => room().prop_map(Operation::ResetSettings),
            1 => room().prop_map(Operation::Forget),
            1 => Just(Operation::BeginResync),
            1 => Just(Operation::EndResync),
        ];
        let off = || select(vec![Off::Cut, Off::Announced]);
        let restarts = prop_oneof![
            4 => (off(), prop_oneof![Just(0), sleep()]).prop_map(|(off, ms)| Operation::Restart(off, ms)),
            1 => Just(Operation::CalendarSet),
            1 => sleep().prop_map(Operation::CalendarBack),
            1 => Just(Operation::CalendarSwitch),
        ];
        let restarts_left = u32::from(life.model.may_restart());
        prop_oneof![40 => time, 80 => messages, 50 => events, 8 * restarts_left => restarts].boxed()
    }

    fn apply(mut life: Life, operation: &Operation) -> Life {
        life.expected = Some(life.model.step(*operation));
        life
    }
}

/// How many steps may pass: seconds to weeks, what is around half the range of 32 bits, and what is left until the
/// session of the first or the second room is too old.
fn steps(model: &ModelSide) -> BoxedStrategy<u64> {
    let clock = model.setup().clock;
    let in_steps = move |ms: u64| ms / clock.step_ms();
    let half_range = (1 << 31) / clock.step();
    let mut edges: Vec<u64> = [HOUR_MS, DAY_MS, 7 * DAY_MS, 28 * DAY_MS].map(in_steps).into();
    edges.extend([0, half_range]);
    // Thrice, since these are where a session ends.
    let left = [0, 1].into_iter().filter_map(|room| model.steps_until_too_old(room));
    left.for_each(|left| edges.extend([left; 3]));
    prop_oneof![
        1 => (0..60_000_u64).prop_map(in_steps),
        2 => (0..DAY_MS).prop_map(in_steps),
        1 => (0..40 * DAY_MS).prop_map(in_steps),
        3 => (select(edges), 0..3_u64).prop_map(|(edge, more)| (edge + more).saturating_sub(1)),
    ]
    .boxed()
}

/// How long a device may sleep, in milliseconds.
fn sleep() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(1), 0..2 * HOUR_MS, 0..30 * DAY_MS]
}

fn content() -> impl Strategy<Value = Content> {
    let messages =
        select(vec![None, None, Some(0), Some(1), Some(7), Some(99), Some(101), Some(1_000), Some(20_000)]);
    let period_ms = select(vec![
        None,
        None,
        Some(1),
        Some(HOUR_MS),
        Some(HOUR_MS + 1),
        Some(DAY_MS),
        Some(28 * DAY_MS),
        Some(u64::MAX),
    ]);
    prop_oneof![
        8 => (messages, period_ms, prop::bool::weighted(0.2))
            .prop_map(|(messages, period_ms, state_events)| Content::Megolm(messages, period_ms, state_events)),
        1 => Just(Content::Unsupported),
        1 => Just(Content::Malformed),
        1 => Just(Content::Redacted),
    ]
}

/// Mostly people who come and go as they should.
fn member(room: BoxedStrategy<usize>) -> impl Strategy<Value = Operation> {
    let membership = || select(vec!["join", "join", "invite", "knock", "leave", "ban", "odd"]);
    let before = prop_oneof![
        6 => membership().prop_map(Before::Was),
        1 => Just(Before::NotKnown),
        2 => Just(Before::NoMembership),
    ];
    (room, before, membership(), prop::bool::weighted(0.1))
        .prop_map(|(room, before, new, limited)| Operation::Member(room, before, new, limited))
}

/// The core beside it.
struct Lives;

impl StateMachineTest for Lives {
    type SystemUnderTest = Lockstep<'static>;
    type Reference = Life;

    fn init_test(life: &Life) -> Lockstep<'static> {
        let setup = life.model.setup();
        // A device borrows its storage, and what is under test may borrow nothing: these kilobytes are never freed.
        let storage = Box::leak(Box::new(Storage::new(setup.places)));
        Lockstep::new(storage, setup)
    }

    fn apply(mut lockstep: Lockstep<'static>, life: &Life, operation: Operation) -> Lockstep<'static> {
        lockstep.step_core(operation, life.expected.as_ref().expect("the model went first"));
        lockstep
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_device_keeps_to_the_rules_all_its_life(sequential 100..500 => Lives);
}
