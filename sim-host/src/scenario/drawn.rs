//! A scenario that is drawn at random from a seed: a short life full of corner cases.
//!
//! What is drawn is a text, which is then read as any other, so that it can be printed, changed and run from a file. Chance
//! leans to where mistakes would be: limits of one message and periods of an hour, odd contents, counters about to wrap,
//! tables too small. Much of a life keeps time with one beat, so that messages, events, restarts and the ends of shares
//! fall on the same millisecond.

use std::fmt::Write;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::when::{Repeated, parse_ms};
use super::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Scenario};

/// The name by which it is called.
pub const NAME: &str = "drawn";

/// What it shows.
pub const ABOUT: &str =
    "Another life for each seed: short, and full of corner cases of settings, clocks, power and people.";

/// The simulation has the streams before it for what happens in a run.
const STREAM: u64 = 4;

/// What was thought of later is drawn from another, so that what was there before is drawn as it was.
const LATER_STREAM: u64 = 5;

/// How many messages each kind of traffic of a room has, at most or thereabouts: where sessions are stored a message may
/// take a write to flash.
const MESSAGES_WITH_SESSIONS_STORED: u64 = 250;
const MESSAGES_ELSEWHERE: u64 = 1_000;

impl Scenario {
    /// The one that this seed draws.
    ///
    /// # Panics
    /// Never: what is drawn is sound.
    #[must_use]
    pub fn drawn(seed: u64) -> Self {
        let text = text(seed);
        Scenario::parse(NAME, &text)
            .unwrap_or_else(|error| panic!("seed {seed} draws no scenario: {error}\n{text}"))
    }
}

/// The text of the scenario that this seed draws.
#[must_use]
pub fn text(seed: u64) -> String {
    let stream = |number| {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(number);
        random
    };
    let (random, later) = (stream(STREAM), stream(LATER_STREAM));
    let mut draw = Draw { random, later, beat_ms: 0, duration_ms: 0, messages: 0, text: String::new() };
    draw.scenario(seed);
    draw.text
}

struct Draw {
    random: ChaCha8Rng,
    later: ChaCha8Rng,
    /// What much of the scenario keeps time with.
    beat_ms: u64,
    duration_ms: u64,
    /// How many messages each kind of traffic of a room has, at most or thereabouts.
    messages: u64,
    text: String,
}

/// What a device stores, as a scenario writes it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stores(&'static str);

const SESSIONS: Stores = Stores("sessions");
const ROOMS: Stores = Stores("rooms");
const NOTHING: Stores = Stores("nothing");

/// Counts of messages as contents of state events have them, and periods; the last ones are no such thing.
const COUNTS: [&str; 20] = [
    "1",
    "1",
    "1",
    "2",
    "3",
    "4",
    "5",
    "16",
    "17",
    "99",
    "100",
    "101",
    "10000",
    "10001",
    "0",
    "-1",
    "18446744073709551616",
    "\"50\"",
    "1e2",
    "null",
];
const PERIODS: [&str; 15] = [
    "3600000",
    "3600000",
    "3599999",
    "3600001",
    "7200000",
    "10800000",
    "86400000",
    "604800000",
    "2419200000",
    "2419200001",
    "0",
    "-1",
    "1e7",
    "\"1h\"",
    "null",
];

/// New memberships, and what somebody was before; nothing where the kiosk is not told. The last one is no such thing.
const MEMBERSHIPS: [&str; 6] = ["ban", "leave", "join", "invite", "knock", "kicked"];
const PREVIOUS: [&str; 7] = ["join", "invite", "none", "knock", "leave", "ban", ""];

/// Contents without usable settings, but for the last three.
const ODD_CONTENTS: [&str; 14] = [
    "{}",
    "{}",
    "null",
    "",
    "{",
    r#"{"algorithm":null}"#,
    r#"{"algorithm":"m.megolm.v1-aes-sha2"}"#,
    r#"{"algorithm":"M.MEGOLM.V1.AES-SHA2","rotation_period_msgs":1}"#,
    r#"{"algorithm":"m.megolm.v1.aes-sha2","algorithm":"m.megolm.v1.aes-sha2"}"#,
    r#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_msgs":1} x"#,
    r#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_ms":01}"#,
    r#"{"\u0061lgorithm":"m.megolm.v1.aes-sha2","rotation_period_msg\u0073":3}"#,
    r#"{"algorithm":"m.megolm.v1.aes-sha2","Rotation_period_msgs":1,"x":[{"rotation_period_msgs":1}]}"#,
    r#" {"x":"\uD800", "algorithm" : "m.megolm.v1.aes-sha2"} "#,
];

impl Draw {
    fn scenario(&mut self, seed: u64) {
        self.beat_ms = self.one_of([MINUTE_MS, 10 * MINUTE_MS, 15 * MINUTE_MS, HOUR_MS, HOUR_MS]);
        self.duration_ms =
            self.random.random_range(1..=4) * DAY_MS + self.one_of([0, 1, HOUR_MS, 11 * HOUR_MS]);
        self.line(format_args!("# What the seed {seed} draws. Run it with --seed {seed} to see the same.\n"));
        self.line(format_args!("about = \"{ABOUT}\""));
        self.line(format_args!("duration = \"{}\"", time(self.duration_ms)));
        self.line(format_args!("crypto = \"none\""));
        let rooms = self.random.random_range(1..=4_usize);
        let stores = self.one_of([SESSIONS, SESSIONS, SESSIONS, ROOMS, ROOMS, NOTHING]);
        self.messages = if stores == SESSIONS { MESSAGES_WITH_SESSIONS_STORED } else { MESSAGES_ELSEWHERE };
        self.device(stores, rooms);
        self.clock();
        self.network();
        for _ in 0..self.one_of([0, 1, 1, 2, 3]) {
            self.restart(stores);
        }
        for _ in 0..self.one_of([0, 0, 0, 1, 2]) {
            self.sleep();
        }
        for number in 1..=rooms {
            self.room(number);
        }
    }

    // ---- the device ----

    fn device(&mut self, stores: Stores, rooms: usize) {
        let places = self.one_of([1, 2, rooms, rooms + 1, 16, 16, 16]);
        let reserve = self.one_of([1, 2, 3, 15, 16, 16, 16, 17, 1_000]);
        let messages = self.one_of([
            "[1, 10000]",
            "[1, 10000]",
            "[1, 10000]",
            "[1, 1]",
            "[2, 7]",
            "[100, 100]",
            "[1, 4294967295]",
        ]);
        let period = self.one_of([
            r#"["1h", "28d"]"#,
            r#"["1h", "28d"]"#,
            r#"["1h", "28d"]"#,
            r#"["1h", "1h"]"#,
            r#"["10s", "28d"]"#,
            r#"["59m 59s 999ms", "1d"]"#,
        ]);
        self.line(format_args!(
            "\n[device]\nplaces = {places}\nstores = \"{}\"\nreserve = {reserve}",
            stores.0
        ));
        self.line(format_args!("limit_messages = {messages}\nlimit_period = {period}"));
        self.with_later(|draw| {
            let policy = draw.one_of(["ratchet", "ratchet", "ratchet", "follow", "follow", "freeze"]);
            let plaintext = draw.chance(85);
            draw.line(format_args!("policy = \"{policy}\"\nplaintext = {plaintext}"));
        });
    }

    fn clock(&mut self) {
        let bits = self.one_of([32, 32, 32, 64]);
        let hz: u64 = self.one_of([1_000, 1_000, 1_000, 1, 3, 100, 1_024, 32_768, 1_000_000, 16_000_000]);
        let range = if bits == 32 { 1_u64 << 32 } else { 1 << 63 };
        let ticks_in = |ms: u64| ms * hz / 1_000;
        let soon = ticks_in(self.random.random_range(0..=self.duration_ms));
        let at_boot = self.one_of([
            0,
            1,
            range - 1,
            range / 2,
            range / 2 - 1,
            range - 1 - soon % range,
            range / 2 - 1 - soon % (range / 2),
        ]);
        self.line(format_args!("\n[clock]\nbits = {bits}\nhz = {hz}\nat_boot = {at_boot}"));
        if self.chance(20) {
            let every_ms = self.one_of([MINUTE_MS, self.beat_ms, 5 * HOUR_MS, DAY_MS]);
            self.line(format_args!("read_every = \"{}\"", time(every_ms)));
        }
        for _ in 0..self.one_of([0, 0, 0, 0, 1, 2]) {
            let at = self.when(2 * HOUR_MS);
            let kind = self.one_of(["step_back", "step_forward", "stall"]);
            let by = self.one_of([
                r#"["1ms", "1ms"]"#,
                r#"["1ms", "3s"]"#,
                r#"["1m", "2h"]"#,
                r#"["1h", "1h"]"#,
                r#"["1h", "60d"]"#,
            ]);
            self.line(format_args!("\n[[clock.fault]]\nat = {at}\nkind = \"{kind}\"\nby = {by}"));
        }
    }

    fn network(&mut self) {
        let beat = time(self.beat_ms);
        let takes = match self.random.random_range(0..6) {
            0 => ["0ms", "0ms"],
            1 => ["1ms", "1ms"],
            2 => [beat.as_str(), beat.as_str()],
            3 => ["1s", "5m"],
            _ => ["200ms", "2s"],
        };
        let [least, most] = takes;
        let fails = self.one_of([0, 0, 40, 10, 3, 2]);
        let timeout = self.one_of(["1s", "10s", "10s", "1m", beat.as_str()]);
        self.line(format_args!("\n[network]\nshare_takes = [\"{least}\", \"{most}\"]"));
        self.line(format_args!("share_fails_one_in = {fails}\nshare_timeout = \"{timeout}\""));
    }

    fn restart(&mut self, stores: Stores) {
        let kinds: &[&str] = match stores {
            SESSIONS => &[
                "clean",
                "power_cut",
                "power_cut_in_share",
                "power_off",
                "power_cut_in_write",
                "clock_set",
                "clock_dead",
            ],
            ROOMS => &["clean", "power_cut", "power_cut_in_share", "power_off", "power_cut_in_write"],
            _ => &["clean", "power_cut", "power_cut_in_share", "power_off"],
        };
        let kind = kinds[self.random.random_range(0..kinds.len())];
        let at = self.when(HOUR_MS);
        let off_ms =
            self.one_of([1, SECOND_MS, 10 * SECOND_MS, MINUTE_MS, self.beat_ms, HOUR_MS, 9 * HOUR_MS]);
        self.line(format_args!("\n[[restart]]\nat = {at}\nkind = \"{kind}\"\noff = \"{}\"", time(off_ms)));
    }

    fn sleep(&mut self) {
        let at = self.when(2 * HOUR_MS);
        let lasts =
            self.one_of([r#"["1ms", "1ms"]"#, r#"["1s", "90m"]"#, r#"["1h", "1h"]"#, r#"["30m", "1d"]"#]);
        let known = self.chance(60);
        self.line(format_args!("\n[[sleep]]\nat = {at}\nfor = {lasts}\nknown = {known}"));
    }

    // ---- the rooms ----

    fn room(&mut self, number: usize) {
        let count = self.one_of([1, 1, 1, 1, 2, 3]);
        let many = if count > 1 { "-{n}" } else { "" };
        let devices = self.random.random_range(0..=3);
        self.line(format_args!("\n[[room]]\nid = \"!room-{number}{many}:example.org\"\ncount = {count}"));
        self.line(format_args!("devices = {devices}"));
        self.traffic(count);
        if self.chance(35) {
            let (at, each) = (self.when(HOUR_MS), self.one_of([0, 1, 2]));
            let back = if self.chance(70) {
                format!(", back_after = \"{}\"", time(self.beat_ms))
            } else {
                String::new()
            };
            self.line(format_args!("churn = {{ at = {at}{back}, device_removed_each = {each} }}"));
        }
        // One room in ten or so is never encrypted.
        if self.chance(75) {
            let content = self.contents(1);
            self.event("\"0s\"", "encryption", &content);
        }
        if self.chance(60) {
            let (at, many) = (self.when(30 * MINUTE_MS), self.random.random_range(1..=4));
            let contents = self.contents(many);
            self.event(&at, "encryption", &contents);
        }
        if self.chance(40) {
            let at = self.when(HOUR_MS);
            let values = self.one_of([
                r#""shared""#,
                r#"["shared", "joined"]"#,
                r#"["world_readable", "invited", "shared", "no such visibility"]"#,
                r#"["joined", "invited"]"#,
            ]);
            self.event(&at, "history_visibility", values);
        }
        if self.chance(40) {
            let at = self.when(30 * MINUTE_MS);
            let what =
                self.one_of([r#""leave""#, r#""join""#, r#""device_removed""#, r#""request_rotation""#]);
            self.event(&at, "happens", what);
        }
        self.with_later(Draw::later_events);
    }

    fn later_events(&mut self) {
        for _ in 0..self.one_of([0, 1, 1, 2]) {
            let at = self.when(30 * MINUTE_MS);
            let membership = self.one_of(MEMBERSHIPS);
            let previous = match self.one_of(PREVIOUS) {
                "" => String::new(),
                previous => format!("\nprevious = \"{previous}\""),
            };
            let limited = if self.chance(35) { "\nlimited = true" } else { "" };
            self.event(&at, "membership", &format!("\"{membership}\"{previous}{limited}"));
        }
        if self.chance(20) {
            let at = self.when(2 * HOUR_MS);
            self.event(&at, "happens", r#""reset_settings""#);
        }
        if self.chance(15) {
            let at = self.when(6 * HOUR_MS);
            self.event(&at, "happens", r#""forget""#);
        }
    }

    fn event(&mut self, at: &str, field: &str, value: &str) {
        self.line(format_args!("\n[[room.event]]\nat = {at}\n{field} = {value}"));
    }

    fn traffic(&mut self, rooms: u64) {
        let least_ms = self.duration_ms * rooms / self.messages;
        let beats_ms = self.beat_ms * least_ms.div_ceil(self.beat_ms);
        let night = self.one_of(["", "", "", ", night = 5"]);
        let steady = self.chance(60);
        if steady {
            let every = time(self.one_of([beats_ms, 2 * beats_ms]));
            let jitter =
                self.one_of(["", "", ", jitter_percent = 1", ", jitter_percent = 100", ", spread = true"]);
            self.line(format_args!("steady = {{ every = \"{every}\"{jitter}{night} }}"));
        }
        if !steady || self.chance(30) {
            let every = time(least_ms.max(1) * self.random.random_range(1..=4));
            self.line(format_args!("poisson = {{ every = \"{every}\"{night} }}"));
        }
        if self.chance(20) {
            let (least_ms, exponent) = (least_ms / 2 + 1, self.one_of([6, 10, 15]));
            let least = time(least_ms);
            let most = time(least_ms + DAY_MS);
            self.line(format_args!(
                "heavy_tailed = {{ least = \"{least}\", most = \"{most}\", exponent = {}.{} }}",
                exponent / 10,
                exponent % 10
            ));
        }
        if self.chance(30) {
            let messages = self.one_of(["[1, 1]", "[2, 5]", "[15, 18]", "[20, 60]", "[99, 102]"]);
            let between = self.one_of([
                r#"["0ms", "0ms"]"#,
                r#"["0ms", "5ms"]"#,
                r#"["20ms", "400ms"]"#,
                r#"["1m", "1h"]"#,
            ]);
            let a_day = self.random.random_range(1..=2);
            self.line(format_args!(
                "bursts = {{ a_day = {a_day}, messages = {messages}, between = {between} }}"
            ));
        }
    }

    /// One content, or a list of several.
    fn contents(&mut self, many: usize) -> String {
        let contents: Vec<String> = (0..many).map(|_| format!("'{}'", self.content())).collect();
        match contents.as_slice() {
            [one] => one.clone(),
            _ => format!("[\n    {},\n]", contents.join(",\n    ")),
        }
    }

    fn content(&mut self) -> String {
        if self.chance(25) {
            return self.one_of(ODD_CONTENTS).to_owned();
        }
        let mut content = r#"{"algorithm":"m.megolm.v1.aes-sha2""#.to_owned();
        if self.chance(70) {
            content += &format!(r#","rotation_period_msgs":{}"#, self.one_of(COUNTS));
        }
        if self.chance(60) {
            content += &format!(r#","rotation_period_ms":{}"#, self.one_of(PERIODS));
        }
        if self.chance(15) {
            content += r#","encrypt_state_events":true"#;
        }
        content + "}"
    }

    // ---- chance ----

    /// Draws something from the other stream.
    fn with_later(&mut self, draw: impl FnOnce(&mut Self)) {
        std::mem::swap(&mut self.random, &mut self.later);
        draw(self);
        std::mem::swap(&mut self.random, &mut self.later);
    }

    /// When something happens: now and then on the beat, now and then at random.
    fn when(&mut self, least_ms: u64) -> String {
        match self.random.random_range(0..10) {
            0..3 => format!("\"{}\"", self.moment()),
            3..5 => {
                let moments: Vec<String> = (0..3).map(|_| format!("\"{}\"", self.moment())).collect();
                format!("[{}]", moments.join(", "))
            }
            kind => {
                let every_ms =
                    self.beat_ms * least_ms.div_ceil(self.beat_ms) * self.random.random_range(1..=12);
                let every_ms = every_ms.min(self.duration_ms - 1);
                let first = self.chance(30).then(|| self.moment());
                let mut until = self.chance(20).then(|| self.moment());
                let random = kind < 8;
                let [first_ms, until_ms] =
                    [&first, &until].map(|time| Some(parse_ms(time.as_deref()?).ok()?.0));
                if (Repeated { every: every_ms, first: first_ms, until: until_ms, random }).never_happens() {
                    until = None; // it goes on instead
                }
                let first = first.map_or(String::new(), |first| format!(", first = \"{first}\""));
                let until = until.map_or(String::new(), |until| format!(", until = \"{until}\""));
                let random = if random { ", random = true" } else { "" };
                format!("{{ every = \"{}\"{first}{until}{random} }}", time(every_ms))
            }
        }
    }

    /// A time: mostly on the beat, or a millisecond beside it.
    fn moment(&mut self) -> String {
        let on_beat_ms = self.random.random_range(0..=self.duration_ms / self.beat_ms) * self.beat_ms;
        let by_chance_ms = self.random.random_range(0..self.duration_ms);
        let before_ms = on_beat_ms.saturating_sub(1);
        let moment_ms =
            self.one_of([on_beat_ms, on_beat_ms, on_beat_ms, on_beat_ms + 1, before_ms, by_chance_ms]);
        time(moment_ms.min(self.duration_ms - 1))
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }

    fn one_of<T: Copy, const N: usize>(&mut self, values: [T; N]) -> T {
        values[self.random.random_range(0..N)]
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.text, "{line}").expect("a string takes any text");
    }
}

/// A length of time, in the greatest unit that it is a whole number of.
fn time(ms: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(DAY_MS, "d"), (HOUR_MS, "h"), (MINUTE_MS, "m"), (SECOND_MS, "s")];
    let unit = UNITS.into_iter().find(|(unit_ms, _)| ms > 0 && ms.is_multiple_of(*unit_ms));
    let (unit_ms, unit) = unit.unwrap_or((1, "ms"));
    format!("{}{unit}", ms / unit_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_seed_draws_a_sound_scenario_and_always_the_same() {
        for seed in 0..2_000 {
            let scenario = Scenario::drawn(seed);
            assert_eq!(scenario.name, NAME);
            assert_eq!(text(seed), text(seed));
        }
        assert_ne!(text(1), text(2));
    }

    #[test]
    fn a_time_is_written_so_that_it_is_read_as_it_was() {
        for (ms, written) in
            [(0, "0ms"), (1, "1ms"), (90 * MINUTE_MS, "90m"), (2 * DAY_MS, "2d"), (DAY_MS + 1, "86400001ms")]
        {
            assert_eq!(time(ms), written);
            assert_eq!(humantime::parse_duration(written).unwrap().as_millis(), ms.into());
        }
    }
}
