//! What the kiosk sends, and when.

use std::io::Write;

use rand::RngExt;
use rand_distr::{Distribution, Pareto};

use super::happenings::{exponential_ms, whole_ms};
use super::{Due, World, number};
use crate::parts::Parts;
use crate::scenario::{Crypto, DAY_MS, HOUR_MS, HeavyTailed, Poisson, Range, Steady};

/// When the day begins and ends, in milliseconds after midnight.
const DAYTIME: std::ops::Range<u64> = 6 * HOUR_MS..22 * HOUR_MS;

/// Where a message that makes the next one due comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Steady,
    Poisson,
    HeavyTailed,
}

/// A message that waits to be sent.
#[derive(Clone, Copy)]
pub(super) struct Waiting {
    pub(super) number: u64,
    pub(super) made_ms: u64,
    pub(super) what: &'static str,
}

impl Waiting {
    /// Writes what its content is. Where nothing is encrypted it says nothing, so that no time is spent on that.
    pub(super) fn write_content(&self, crypto: Crypto, content: &mut Vec<u8>) {
        content.clear();
        match crypto {
            Crypto::None => content.extend_from_slice(b"{}"),
            Crypto::Vodozemac => {
                let Waiting { number, made_ms, what } = self;
                let body = format_args!("{what} {number} at {made_ms} ms");
                write!(content, r#"{{"body":"{body}","msgtype":"m.notice"}}"#)
                    .expect("a vector takes any bytes");
            }
        }
    }
}

impl<P: Parts> World<'_, P> {
    /// The first message of each stream of a room, which is the one of that number among those of its kind.
    pub(super) fn schedule_traffic(&mut self, room: usize, place: u32) {
        let (plan, room) = (self.rooms[room].plan, number(room));
        if plan.bursts.is_some() {
            self.schedule(self.now_ms, Due::DayBegins { room });
        }
        if let Some(steady) = plan.steady.as_ref().filter(|steady| steady.spread) {
            let at_ms = steady.every / u64::from(plan.count) * u64::from(place);
            self.schedule(at_ms, Due::Message { room, stream: Stream::Steady });
        } else if plan.steady.is_some() {
            self.schedule_next_message(room, Stream::Steady);
        }
        if plan.poisson.is_some() {
            self.schedule_next_message(room, Stream::Poisson);
        }
        if plan.heavy_tailed.is_some() {
            self.schedule_next_message(room, Stream::HeavyTailed);
        }
    }

    #[inline]
    pub(super) fn schedule_next_message(&mut self, room: u32, stream: Stream) {
        let plan = self.rooms[room as usize].plan;
        let interval_ms = match stream {
            Stream::Steady => plan.steady.as_ref().map(|steady| self.steady_ms(steady)),
            Stream::Poisson => plan.poisson.as_ref().map(|poisson| self.poisson_ms(poisson)),
            Stream::HeavyTailed => plan.heavy_tailed.as_ref().map(|tail| self.heavy_tailed_ms(tail)),
        };
        if let Some(interval_ms) = interval_ms {
            self.schedule(self.now_ms + interval_ms, Due::Message { room, stream });
        }
    }

    fn steady_ms(&mut self, steady: &Steady) -> u64 {
        let Steady { every, jitter_percent, night, .. } = *steady;
        let jitter_ms = every * u64::from(jitter_percent) / 100;
        let interval_ms = if jitter_ms == 0 {
            every
        } else {
            self.traffic.random_range(every - jitter_ms..=every + jitter_ms)
        };
        self.by_night(interval_ms.max(1), night)
    }

    fn poisson_ms(&mut self, poisson: &Poisson) -> u64 {
        let interval_ms = exponential_ms(poisson.every, &mut self.traffic);
        self.by_night(interval_ms, poisson.night)
    }

    fn heavy_tailed_ms(&mut self, tail: &HeavyTailed) -> u64 {
        match Pareto::new(tail.least as f64, tail.exponent) {
            Ok(pareto) => whole_ms(pareto.sample(&mut self.traffic)).min(tail.most),
            Err(_) => tail.most, // the scenario was checked
        }
    }

    /// By night an interval is so many times longer, until the day begins.
    fn by_night(&self, interval_ms: u64, times: u32) -> u64 {
        let time_of_day_ms = self.now_ms % DAY_MS;
        if times == 1 || DAYTIME.contains(&time_of_day_ms) {
            return interval_ms;
        }
        let until_day_ms = (DAY_MS + DAYTIME.start - time_of_day_ms) % DAY_MS;
        u64::from(times).saturating_mul(interval_ms).min(until_day_ms + interval_ms)
    }

    pub(super) fn schedule_bursts(&mut self, room: u32) {
        let Some(bursts) = &self.rooms[room as usize].plan.bursts else {
            return;
        };
        let Range(fewest, most) = bursts.messages;
        for _ in 0..bursts.a_day {
            let at_ms = self.now_ms + self.traffic.random_range(DAYTIME);
            let left = self.traffic.random_range(fewest..=most);
            self.schedule(at_ms, Due::BurstMessage { room, left });
        }
        self.schedule(self.now_ms + DAY_MS, Due::DayBegins { room });
    }

    pub(super) fn schedule_rest_of_burst(&mut self, room: u32, left: u32) {
        if left > 1
            && let Some(bursts) = &self.rooms[room as usize].plan.bursts
        {
            let Range(least, most) = bursts.between;
            let interval_ms = self.traffic.random_range(u64::from(least)..=u64::from(most));
            self.schedule(self.now_ms + interval_ms, Due::BurstMessage { room, left: left - 1 });
        }
    }
}
