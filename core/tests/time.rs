//! Time from the injected clock (C1–C5).

mod support;

use core::convert::Infallible;
use core::hash::Hash;

use embedded_time::{Clock, TimeInt};
use pawl_core::clock::{ClockError, Now, Sleep, TimeError, Timeline, longest_read_interval_ms};
use pawl_core::rotation::RotationReason;
use pawl_core::settings::Limits;
use pawl_core::{Config, Decision, Device};
use support::{
    Clock32, Clock64, HOUR_MS, Millis, OTHER_ROOM, ROOM, Sent, Session, Storage, TestClock, WEEK_MS,
    device_in_room, device_with, encrypt_room, goes_on, rotates, send, send_unshared, start_session,
};

/// The timeline after the clock has shown each of these.
fn read_all<T, const N: u32, const D: u32>(timeline: &mut Timeline, readings: &[T]) -> Now
where
    T: TimeInt + Hash,
    u64: From<T>,
{
    let mut now = None;
    for ticks in readings {
        let clock = TestClock::<T, N, D>::showing(*ticks);
        now = Some(timeline.read(&clock).unwrap());
    }
    now.unwrap()
}

/// Steps that a sequence of readings may take, up to 2³¹ − 1 ticks.
fn steps(count: u32) -> impl Iterator<Item = u32> {
    let mut state = 1_u32;
    (0..count).map(move |n| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        match n % 4 {
            0 => state >> 30,
            1 => state >> 16,
            2 => state >> 1,
            _ => (1 << 31) - 1,
        }
    })
}

/// `ticks` of `NUMERATOR / DENOMINATOR` seconds in whole milliseconds, rounded down.
fn floor_ms(ticks: u128, numerator: u32, denominator: u32) -> u128 {
    ticks * 1_000 * u128::from(numerator) / u128::from(denominator)
}

fn assert_carried_on_across_wraps<const NUMERATOR: u32, const DENOMINATOR: u32>() {
    let mut timeline = Timeline::new();
    let mut shown = u32::MAX - 1;
    let clock = TestClock::<u32, NUMERATOR, DENOMINATOR>::showing(shown);
    let first = timeline.read(&clock).unwrap();
    let mut ticks = 0_u128;
    for step in steps(20_000) {
        shown = shown.wrapping_add(step);
        ticks += u128::from(step);
        clock.show(shown);
        let now = timeline.read(&clock).unwrap();
        assert_eq!(u128::from(now.tick_begin_ms), floor_ms(ticks, NUMERATOR, DENOMINATOR));
        assert_eq!(now.epoch, first.epoch);
    }
    assert!(ticks >> 32 > 3_000, "so often it wrapped");
}

// C2: clocks that wrap

#[test]
fn a_32_bit_clock_of_1_hz_is_carried_on_across_wraps() {
    // C2
    assert_carried_on_across_wraps::<1, 1>();
}

#[test]
fn a_32_bit_clock_of_1_khz_is_carried_on_across_wraps() {
    // C2
    assert_carried_on_across_wraps::<1, 1_000>();
}

#[test]
fn a_32_bit_clock_of_32_768_hz_is_carried_on_across_wraps() {
    // C2
    assert_carried_on_across_wraps::<1, 32_768>();
}

#[test]
fn a_32_bit_clock_of_1_mhz_is_carried_on_across_wraps() {
    // C2
    assert_carried_on_across_wraps::<1, 1_000_000>();
}

#[test]
fn a_32_bit_clock_of_an_odd_rate_is_carried_on_across_wraps() {
    // C2: ticks of 33.37 ms, of 1.5 ms, of 1/3 ms, of 7/999,983 s, of a minute
    assert_carried_on_across_wraps::<1_001, 30_000>();
    assert_carried_on_across_wraps::<3, 2_000>();
    assert_carried_on_across_wraps::<1, 3_000>();
    assert_carried_on_across_wraps::<7, 999_983>();
    assert_carried_on_across_wraps::<60, 1>();
}

#[test]
fn no_fraction_is_lost_when_the_clock_is_read_at_every_tick() {
    // C2: rounding each of these down, or up, would lose or make hours
    let clock = Clock32::<32_768>::showing(0);
    let mut timeline = Timeline::new();
    for ticks in 0..=1_000_000 {
        clock.show(ticks);
        let now = timeline.read(&clock).unwrap();
        assert_eq!(u128::from(now.tick_begin_ms), floor_ms(ticks.into(), 1, 32_768));
    }
}

#[test]
fn a_64_bit_clock_is_carried_on_over_its_whole_range() {
    // C2
    let readings = [0, 1, 999, u64::MAX / 2, u64::MAX - 1, u64::MAX];
    for end in 1..=readings.len() {
        let now = read_all::<_, 1, 1_000_000>(&mut Timeline::new(), &readings[..end]);
        assert_eq!(u128::from(now.tick_begin_ms), floor_ms(readings[end - 1].into(), 1, 1_000_000));
        assert_eq!(now.epoch, 0);
    }
}

#[test]
fn the_timeline_begins_at_the_first_reading_whatever_it_shows() {
    // C1
    for first in [0, 1, u64::MAX] {
        let now = read_all::<_, 1, 1_000>(&mut Timeline::new(), &[first]);
        assert_eq!(now, Now { tick_begin_ms: 0, tick_end_ms: 0, epoch: 0 });
    }
}

/// Reads a clock at every `interval_ms` of true time, which begins at `phase`/`phases` of a tick. Returns whether a
/// reading was ever taken for a step back; if none was, the timeline is checked.
fn steps_back_when_read_every<const HZ: u32>(interval_ms: u64, start: u32, phase: u32) -> bool {
    const PHASES: u128 = 64;
    let clock = Clock32::<HZ>::showing(start);
    let mut timeline = Timeline::new();
    let first = timeline.read(&clock).unwrap();
    for n in 1..=50 {
        let elapsed = u128::from(interval_ms) * n;
        let ticks = (elapsed * u128::from(HZ) * PHASES + u128::from(phase) * 1_000) / (1_000 * PHASES);
        let shown = (u128::from(start) + ticks) & u128::from(u32::MAX);
        clock.show(u32::try_from(shown).unwrap());
        let now = timeline.read(&clock).unwrap();
        if now.epoch != first.epoch {
            return true;
        }
        assert_eq!(u128::from(now.tick_begin_ms), floor_ms(ticks, 1, HZ));
    }
    false
}

fn assert_longest_interval_is_right<const HZ: u32>() {
    let longest = longest_read_interval_ms::<Clock32<HZ>>().unwrap();
    for phase in 0..64 {
        for start in [0, 1, 1 << 31, u32::MAX] {
            assert!(!steps_back_when_read_every::<HZ>(longest, start, phase), "a step back at phase {phase}");
        }
    }
    // It is no shorter than it need be: with two ticks or a millisecond more, half the range is reached.
    let too_long = longest + u64::from(2_000_u32.div_ceil(HZ)).max(1);
    assert!(steps_back_when_read_every::<HZ>(too_long, 0, 63));
}

#[test]
fn read_at_the_longest_interval_a_clock_of_1_hz_never_seems_to_go_back() {
    // C2
    assert_longest_interval_is_right::<1>();
}

#[test]
fn read_at_the_longest_interval_a_clock_of_1_khz_never_seems_to_go_back() {
    // C2
    assert_longest_interval_is_right::<1_000>();
}

#[test]
fn read_at_the_longest_interval_a_clock_of_32_768_hz_never_seems_to_go_back() {
    // C2
    assert_longest_interval_is_right::<32_768>();
}

#[test]
fn read_at_the_longest_interval_a_clock_of_1_mhz_never_seems_to_go_back() {
    // C2
    assert_longest_interval_is_right::<1_000_000>();
}

#[test]
fn a_64_bit_clock_can_be_read_as_seldom_as_one_likes() {
    // C2
    assert_eq!(longest_read_interval_ms::<Clock64<1_000_000>>(), None);
}

// C2: ticks longer than a millisecond

/// A device in a room whose period is so many ms, on limits that allow it.
fn device_with_period<const N: usize>(storage: &mut Storage<N>, period_ms: u64) -> Device<'_, Session> {
    let config = Config { limits: Limits::new(1..=10_000, 1..=u64::MAX).unwrap(), ..Config::default() };
    let mut device = device_with(storage, config);
    encrypt_room(&mut device, ROOM, 10_000, period_ms);
    device
}

#[test]
fn where_a_tick_is_longer_than_a_millisecond_age_runs_to_its_end() {
    // C2: made within tick 100, a session may be 10 s old within tick 109
    let (clock, mut storage) = (Clock32::<1>::showing(100), Storage::<1>::new());
    let mut device = device_with_period(&mut storage, 10_000);
    send(&mut device, &clock, ROOM);
    clock.show(108);
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(1));
    clock.show(109);
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::Age));
}

#[test]
fn in_the_tick_in_which_it_was_made_a_session_is_0_ms_old() {
    // C2, T10: else a period shorter than a tick would end each session before its first message
    let (clock, mut storage) = (Clock32::<1>::showing(100), Storage::<1>::new());
    let mut device = device_with_period(&mut storage, 1);
    send(&mut device, &clock, ROOM);
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(1));
    clock.show(101);
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::Age));
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(1));
}

#[test]
fn a_tick_of_one_millisecond_does_not_run_to_its_end() {
    // C2
    let now = read_all::<u64, 1, 1_000>(&mut Timeline::new(), &[0, 5]);
    assert_eq!((now.tick_begin_ms, now.tick_end_ms), (5, 5));
}

#[test]
fn the_end_of_a_tick_of_one_and_a_half_milliseconds_is_rounded_up() {
    // C2
    let ends: Vec<_> = (0..5_u64)
        .map(|ticks| {
            let now = read_all::<_, 3, 2_000>(&mut Timeline::new(), &[0, ticks]);
            (now.tick_begin_ms, now.tick_end_ms)
        })
        .collect();
    assert_eq!(ends, [(0, 2), (1, 3), (3, 5), (4, 6), (6, 8)]);
}

#[test]
fn a_sleep_within_the_tick_in_which_it_was_made_adds_to_a_sessions_age() {
    // C5, C2
    let (clock, mut storage) = (Clock32::<1>::showing(100), Storage::<1>::new());
    let mut device = device_with_period(&mut storage, 5_000);
    send(&mut device, &clock, ROOM);
    device.slept(Sleep::KnownMs(5_000)).unwrap();
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::Age));
}

// C3: steps back

/// The reason that the second message gives when the clock shows `first`, then `second`.
fn after_a_step<T: TimeInt + Hash>(first: T, second: T) -> Sent
where
    u64: From<T>,
{
    let clock = TestClock::<T, 1, 1_000_000>::showing(first);
    let mut storage = Storage::<1>::new();
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    send(&mut device, &clock, ROOM);
    clock.show(second);
    send(&mut device, &clock, ROOM)
}

#[test]
fn a_step_back_of_one_tick_makes_age_unknown() {
    // C3
    let unknown = rotates(RotationReason::AgeUnknown);
    assert_eq!(after_a_step(7_u32, 6), unknown);
    assert_eq!(after_a_step(0_u32, u32::MAX), unknown);
    assert_eq!(after_a_step(7_u64, 6), unknown);
    assert_eq!(after_a_step(u64::MAX, u64::MAX - 1), unknown);
}

#[test]
fn a_step_back_of_half_the_range_makes_age_unknown() {
    // C3
    let unknown = rotates(RotationReason::AgeUnknown);
    assert_eq!(after_a_step(1_u32 << 31, 0), unknown);
    assert_eq!(after_a_step(0_u32, 1 << 31), unknown);
    assert_eq!(after_a_step(1_u64 << 63, 0), unknown);
}

#[test]
fn a_step_back_of_the_whole_range_makes_age_unknown_on_64_bits() {
    // C3
    assert_eq!(after_a_step(u64::MAX, 0), rotates(RotationReason::AgeUnknown));
}

#[test]
fn a_step_back_of_the_whole_range_is_a_wrap_on_32_bits() {
    // C3: it looks like one tick forward
    assert_eq!(after_a_step(u32::MAX, 0), goes_on(1));
}

#[test]
fn a_step_back_of_more_than_half_the_range_is_a_step_forward_on_32_bits() {
    // C3: the one that cannot be seen
    let now = read_all::<_, 1, 1_000>(&mut Timeline::new(), &[(1_u32 << 31) + 1, 0]);
    assert_eq!((now.tick_begin_ms, now.epoch), ((1 << 31) - 1, 0));
}

#[test]
fn a_step_forward_of_just_less_than_half_the_range_is_no_step_back() {
    // C3
    let now = read_all::<_, 1, 1_000>(&mut Timeline::new(), &[0_u32, (1 << 31) - 1]);
    assert_eq!((now.tick_begin_ms, now.epoch), ((1 << 31) - 1, 0));
}

#[test]
fn a_clock_that_stands_still_is_no_step_back() {
    // C3
    assert_eq!(after_a_step(7_u32, 7), goes_on(1));
    assert_eq!(after_a_step(7_u64, 7), goes_on(1));
}

#[test]
fn an_age_once_unknown_stays_unknown_when_the_clock_catches_up() {
    // C3: for good
    let (clock, mut storage) = (Millis::showing(1_000), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    send(&mut device, &clock, ROOM);
    for ms in [999, 1_000, 1_001, 2_000] {
        clock.show(ms);
        let _ = device.at(&clock).unwrap();
    }
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::AgeUnknown));
}

#[test]
fn an_age_once_unknown_stays_unknown_while_no_new_session_can_be_made() {
    // C3, T11
    let (clock, mut storage) = (Millis::showing(1_000), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    send(&mut device, &clock, ROOM);
    for ms in [999, 1_000, 1_500, 1_400] {
        clock.show(ms);
        let decision = device.at(&clock).unwrap().decide(ROOM, || Err(()));
        assert!(decision.is_err());
    }
}

#[test]
fn a_session_made_after_a_step_back_has_a_known_age() {
    // C3
    let (clock, mut storage) = (Millis::showing(WEEK_MS), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, HOUR_MS);
    send(&mut device, &clock, ROOM);
    clock.show(0);
    send(&mut device, &clock, ROOM);
    clock.show(HOUR_MS - 1);
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(1));
    clock.show(HOUR_MS);
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::Age));
}

#[test]
fn a_step_back_makes_the_age_of_every_live_session_unknown() {
    // C3
    let (clock, mut storage) = (Millis::showing(1_000), Storage::<2>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    encrypt_room(&mut device, OTHER_ROOM, 100, WEEK_MS);
    send(&mut device, &clock, ROOM);
    send(&mut device, &clock, OTHER_ROOM);
    clock.show(999);
    for room_id in [ROOM, OTHER_ROOM] {
        assert_eq!(send(&mut device, &clock, room_id), rotates(RotationReason::AgeUnknown));
    }
}

#[test]
fn a_step_back_makes_the_age_of_a_session_still_to_be_shared_unknown() {
    // C3, T8
    let (clock, mut storage) = (Millis::showing(1_000), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    send_unshared(&mut device, &clock, ROOM);
    clock.show(999);
    assert_eq!(
        send_unshared(&mut device, &clock, ROOM),
        Sent::WaitingForShare(Some(RotationReason::AgeUnknown))
    );
}

#[test]
fn the_timeline_never_goes_back() {
    // C3
    fn assert_never_back<T: TimeInt + Hash>(readings: impl Iterator<Item = T>)
    where
        u64: From<T>,
    {
        let clock = TestClock::<T, 1, 3_000>::showing(T::zero());
        let mut timeline = Timeline::new();
        let mut last = timeline.read(&clock).unwrap();
        for ticks in readings {
            clock.show(ticks);
            let now = timeline.read(&clock).unwrap();
            assert!(last.tick_begin_ms <= now.tick_begin_ms && last.epoch <= now.epoch);
            last = now;
        }
    }
    let hostile = || steps(10_000).map(|step| step.wrapping_mul(2_654_435_761));
    assert_never_back::<u32>(hostile());
    assert_never_back::<u64>(hostile().map(|step| u64::from(step) << (step % 32)));
}

#[test]
fn a_step_back_adds_nothing_to_the_timeline() {
    // C3
    let now = read_all::<u64, 1, 1_000>(&mut Timeline::new(), &[1_000, 3_000, 500, 600]);
    assert_eq!((now.tick_begin_ms, now.epoch), (2_100, 1));
}

/// Whether the device would send with a session that it made an hour ago, where the period is an hour.
fn sends_with_a_session_an_hour_old(device: &mut Device<'_, Session>, clock: &Millis, start_ms: u64) -> bool {
    clock.show(start_ms);
    if device.at(clock).is_err() {
        return false;
    }
    start_session(device, clock, ROOM);
    clock.show(start_ms + HOUR_MS);
    device.at(clock).is_ok_and(|moment| {
        matches!(moment.decide(ROOM, || Ok::<_, Infallible>(Session::new())), Ok(Decision::Encrypt(_)))
    })
}

#[test]
fn a_clock_that_once_showed_its_greatest_value_does_not_stop_sessions_from_growing_old() {
    // C1, T6: one glitch must not bring the timeline to its end for good
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, HOUR_MS);
    let _ = device.at(&clock).unwrap();
    clock.show(u64::MAX);
    let _ = device.at(&clock).map(drop);
    assert!(!sends_with_a_session_an_hour_old(&mut device, &clock, 1_000));
}

#[test]
fn the_longest_known_sleep_does_not_stop_sessions_from_growing_old() {
    // C5, T6
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, HOUR_MS);
    let _ = device.slept(Sleep::KnownMs(u64::MAX));
    assert!(!sends_with_a_session_an_hour_old(&mut device, &clock, 1_000));
}

// C4: a clock that cannot be read

#[test]
fn while_the_clock_cannot_be_read_there_is_no_decision() {
    // C4
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    clock.fail();
    assert_eq!(device.at(&clock).err(), Some(TimeError::Clock(ClockError::Unreadable)));
}

#[test]
fn a_clock_that_cannot_be_read_changes_nothing() {
    // C4: neither count nor age, and the time that passed meanwhile counts
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 2, HOUR_MS);
    start_session(&mut device, &clock, ROOM);
    clock.fail();
    for _ in 0..5 {
        assert!(device.at(&clock).is_err());
    }
    clock.show(HOUR_MS - 1);
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(0));
    clock.fail();
    assert!(device.at(&clock).is_err());
    clock.show(HOUR_MS);
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::Age));
}

#[test]
fn a_clock_that_cannot_be_read_at_first_begins_with_its_first_reading() {
    // C4
    let clock = Millis::showing(0);
    clock.fail();
    let mut timeline = Timeline::new();
    assert_eq!(timeline.read(&clock), Err(ClockError::Unreadable));
    clock.show(500);
    assert_eq!(timeline.read(&clock).unwrap().tick_begin_ms, 0);
}

#[test]
fn a_step_back_is_seen_over_a_reading_that_failed() {
    // C4, C3
    let (clock, mut storage) = (Millis::showing(1_000), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    send(&mut device, &clock, ROOM);
    clock.fail();
    assert!(device.at(&clock).is_err());
    clock.show(999);
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::AgeUnknown));
}

// C5: sleep

#[test]
fn a_sleep_of_known_length_adds_to_age() {
    // C5
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, HOUR_MS);
    send(&mut device, &clock, ROOM);
    device.slept(Sleep::KnownMs(HOUR_MS - 10)).unwrap();
    clock.show(9);
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(1));
    clock.show(10);
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::Age));
}

#[test]
fn sleeps_of_known_length_add_up() {
    // C5
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, HOUR_MS);
    send(&mut device, &clock, ROOM);
    for _ in 0..60 {
        assert!(matches!(send(&mut device, &clock, ROOM), Sent::Encrypted { rotation: None, .. }));
        device.slept(Sleep::KnownMs(60_000)).unwrap();
    }
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::Age));
}

#[test]
fn a_sleep_of_unknown_length_makes_the_age_of_every_live_session_unknown() {
    // C5
    let (clock, mut storage) = (Millis::showing(0), Storage::<2>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    encrypt_room(&mut device, OTHER_ROOM, 100, WEEK_MS);
    send(&mut device, &clock, ROOM);
    send(&mut device, &clock, OTHER_ROOM);
    device.slept(Sleep::Unknown).unwrap();
    for room_id in [ROOM, OTHER_ROOM] {
        assert_eq!(send(&mut device, &clock, room_id), rotates(RotationReason::AgeUnknown));
        assert_eq!(send(&mut device, &clock, room_id), goes_on(1));
    }
}

#[test]
fn a_sleep_before_the_first_session_has_no_effect_on_it() {
    // C5
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, HOUR_MS);
    device.slept(Sleep::KnownMs(WEEK_MS)).unwrap();
    device.slept(Sleep::Unknown).unwrap();
    send(&mut device, &clock, ROOM);
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(1));
}

#[test]
fn a_clock_that_was_set_back_while_asleep_is_seen() {
    // C5, C3
    let (clock, mut storage) = (Millis::showing(1_000), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    send(&mut device, &clock, ROOM);
    device.slept(Sleep::KnownMs(5_000)).unwrap();
    clock.show(0);
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::AgeUnknown));
}

#[test]
fn a_session_on_a_32_bit_clock_lives_its_whole_period_across_wraps() {
    // C2, T6: 28 days at 1 MHz are 563 wraps
    let (clock, mut storage) = (Clock32::<1_000_000>::showing(12_345), Storage::<1>::new());
    let mut device = device_with_period(&mut storage, 4 * WEEK_MS);
    send(&mut device, &clock, ROOM);
    let interval = longest_read_interval_ms::<Clock32<1_000_000>>().unwrap();
    let show_at = |ms: u64| {
        let ticks = (12_345 + u128::from(ms) * 1_000) & u128::from(u32::MAX);
        clock.show(u32::try_from(ticks).unwrap());
    };
    let mut ms = 0;
    while ms + interval < 4 * WEEK_MS {
        ms += interval;
        show_at(ms);
        let _ = device.at(&clock).unwrap();
    }
    show_at(4 * WEEK_MS - 1);
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(1));
    show_at(4 * WEEK_MS);
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::Age));
}

#[test]
fn clocks_of_every_kind_are_taken() {
    // C1
    fn takes<C: Clock>(clock: &C)
    where
        u64: From<C::T>,
    {
        assert!(Timeline::new().read(clock).is_ok());
    }
    takes(&Clock32::<1>::showing(0));
    takes(&Clock32::<1_000_000>::showing(0));
    takes(&Clock64::<1_000_000_000>::showing(0));
    takes(&TestClock::<u64, 86_400, 1>::showing(0));
}

#[test]
fn reading_the_clock_alone_carries_a_32_bit_clock_on() {
    // C2: 50 days of a millisecond counter, read every 20
    const DAY_MS: u64 = 86_400_000;
    let (clock, mut storage) = (support::Clock32::<1_000>::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    send(&mut device, &clock, ROOM);
    for day in [20, 40, 50] {
        clock.show(u32::try_from((day * DAY_MS) & u64::from(u32::MAX)).unwrap());
        assert_eq!(device.read_clock(&clock), Ok(()));
    }
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::Age));
}

#[test]
fn a_session_expires_when_it_was_said_to() {
    // T6: to the millisecond, at each age
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, HOUR_MS);
    send(&mut device, &clock, ROOM);
    for age in [0, 1, HOUR_MS - 1, HOUR_MS, HOUR_MS + 1] {
        clock.show(age);
        let expires_in = device.at(&clock).unwrap().expires_in_ms(ROOM);
        assert_eq!(expires_in, Some(HOUR_MS.saturating_sub(age)));
    }
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::Age));
}

#[test]
fn what_has_no_session_does_not_expire_and_what_has_no_age_is_due() {
    // C3, T6
    let (clock, mut storage) = (Millis::showing(1_000), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, HOUR_MS);
    assert_eq!(device.at(&clock).unwrap().expires_in_ms(ROOM), None);
    assert_eq!(device.at(&clock).unwrap().expires_in_ms(OTHER_ROOM), None);
    send(&mut device, &clock, ROOM);
    clock.show(999);
    assert_eq!(device.at(&clock).unwrap().expires_in_ms(ROOM), Some(0));
}

#[test]
fn what_looks_like_a_step_forward_on_32_bits_is_over_counted_and_never_lost() {
    // C3: net three quarters of the range back is a quarter forward
    let clock = support::Clock32::<1_000>::showing(3 << 30);
    let mut storage = Storage::<1>::new();
    let mut device = device_in_room(&mut storage, 100, 1 << 30);
    send(&mut device, &clock, ROOM);
    clock.show(0);
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::Age));
}
