//! Makes a trace that shows a violation as short as it can, in a bounded number of replays.
//!
//! Lines go first, in halves, quarters and so on (delta debugging), then what is left in them gets smaller: contents,
//! counts, times, the configuration. Whatever still shows a violation of the same kind is kept. Of a few lines, every choice of
//! fewer is tried in the end. Nothing is random.

use super::script::{Config, Line, Member, Op, Script};
use crate::scenario::Policy;

/// How much work all replays may be together: lines and messages. And what each costs beside that.
const WORK: u64 = 2_000_000;
const WORK_OF_A_REPLAY: u64 = 50;

/// What a time, or a count, is tried to be before it is searched for.
const PLAIN_NUMBERS: [u64; 9] = [0, 1, 2, 10, 100, 1_000, 60_000, 3_600_000, 86_400_000];
/// What a number that was searched for is rounded up to.
const ROUND: [u64; 5] = [86_400_000, 3_600_000, 60_000, 1_000, 10];

/// Contents that an encryption event is tried to have, the simplest first.
const PLAIN_CONTENTS: [&str; 5] = [
    r#"{"algorithm":"m.megolm.v1.aes-sha2"}"#,
    r#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_msgs":1}"#,
    r#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_msgs":2}"#,
    r#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_ms":3600000}"#,
    "{}",
];

/// The shortest script found that shows the violation, and how many replays it took; nothing if this one does not. `shows`
/// replays one, and says how many of its operations it takes to show it. `progress` is told how many lines are left.
pub(super) fn shrink(
    script: Script,
    shows: &mut dyn FnMut(&Script) -> Option<usize>,
    progress: &mut dyn FnMut(usize),
) -> Option<(Script, u64)> {
    let mut shrinker =
        Shrinker { shows, best: script.clone(), work_left: WORK, exhausted: false, replays: 0, progress };
    // A long record is replayed once, whatever it costs.
    shrinker.work_left += script.work();
    shrinker.take(script).then_some(())?;
    shrinker.keep_the_end();
    shrinker.merge_all();
    loop {
        let before = shrinker.best.clone();
        shrinker.drop_lines();
        shrinker.merge_pairs();
        shrinker.simplify_config();
        shrinker.simplify_contents();
        shrinker.reduce_numbers();
        if shrinker.exhausted || (shrinker.best == before && !shrinker.choose_lines()) {
            break;
        }
    }
    Some((shrinker.best, shrinker.replays))
}

struct Shrinker<'p> {
    shows: &'p mut dyn FnMut(&Script) -> Option<usize>,
    best: Script,
    work_left: u64,
    /// Whether a replay was too much work.
    exhausted: bool,
    replays: u64,
    progress: &'p mut dyn FnMut(usize),
}

impl Shrinker<'_> {
    /// Takes a script if it shows the violation, up to where it does. Returns whether it does.
    fn take(&mut self, mut script: Script) -> bool {
        let cost = script.work() + WORK_OF_A_REPLAY;
        let Some(left) = self.work_left.checked_sub(cost) else {
            self.exhausted = true;
            return false;
        };
        (self.work_left, self.replays) = (left, self.replays + 1);
        let Some(lines) = (self.shows)(&script) else {
            return false;
        };
        script.lines.truncate(lines);
        self.best = script;
        (self.progress)(self.best.lines.len());
        true
    }

    fn take_lines(&mut self, lines: Vec<Line>) -> bool {
        self.take(Script { lines, ..self.best.clone() })
    }

    /// What ended in the violation mostly began not long before; only the room's state is older.
    fn keep_the_end(&mut self) {
        let lines = self.best.lines.clone();
        let mut kept = 8;
        while kept < lines.len() {
            let (before, end) = lines.split_at(lines.len() - kept);
            let state = before.iter().filter(|line| line.op.lasts());
            if self.take_lines(state.chain(end).cloned().collect()) {
                return;
            }
            kept *= 2;
        }
    }

    /// Each run of sends becomes one, or one and the last of them.
    fn merge_all(&mut self) {
        for last_apart in [false, true] {
            let mut merged: Vec<Line> = Vec::new();
            for (place, line) in self.best.lines.iter().enumerate() {
                let is_last = !matches!(
                    self.best.lines.get(place + 1),
                    Some(Line { op: Op::Send { shared: true, .. }, .. })
                );
                match (&line.op, merged.last_mut()) {
                    (
                        Op::Send { count: more, shared: true },
                        Some(Line { op: Op::Send { count, shared: true }, .. }),
                    ) if !(last_apart && is_last) => *count += more,
                    _ => merged.push(line.clone()),
                }
            }
            if merged.len() < self.best.lines.len() && self.take_lines(merged) {
                return;
            }
        }
    }

    fn drop_lines(&mut self) {
        let mut chunk = self.best.lines.len() / 2;
        while chunk > 0 && !self.exhausted {
            let mut begin = 0;
            let mut dropped = false;
            while begin < self.best.lines.len() && !self.exhausted {
                let mut lines = self.best.lines.clone();
                lines.drain(begin..(begin + chunk).min(lines.len()));
                if self.take_lines(lines) {
                    dropped = true;
                } else {
                    begin += chunk;
                }
            }
            if chunk > 1 || !dropped {
                chunk /= 2;
            }
        }
    }

    /// The fewest of the lines that show it, where there are so few that every choice can be tried: some can go only together.
    fn choose_lines(&mut self) -> bool {
        const MOST: usize = 10;
        let lines = self.best.lines.clone();
        if lines.len() > MOST {
            return false;
        }
        let all = (1_u32 << lines.len()) - 1;
        let mut choices: Vec<u32> = (1..all).collect();
        choices.sort_by_key(|choice| choice.count_ones());
        choices.into_iter().any(|choice| {
            let chosen = lines.iter().enumerate().filter(|(place, _)| choice >> place & 1 == 1);
            self.take_lines(chosen.map(|(_, line)| line.clone()).collect())
        })
    }

    /// Two sends that stand beside each other become one, at the time of either.
    fn merge_pairs(&mut self) {
        let mut place = 0;
        while place + 1 < self.best.lines.len() && !self.exhausted {
            let merged = self.merged(place, place).or_else(|| self.merged(place, place + 1));
            if merged.is_none() {
                place += 1;
            }
        }
    }

    fn merged(&mut self, place: usize, at_that_of: usize) -> Option<()> {
        let mut lines = self.best.lines.clone();
        let (Op::Send { count: one, .. }, Op::Send { count: other, shared }) =
            (&lines[place].op, &lines[place + 1].op)
        else {
            return None;
        };
        let op = Op::Send { count: one + other, shared: *shared };
        let at = lines[at_that_of].at;
        lines.splice(place..=place + 1, [Line { at, op }]);
        self.take_lines(lines).then_some(())
    }

    fn simplify_config(&mut self) {
        let simpler: [fn(&mut Config); 9] = [
            |config| *config = Config::default(),
            |config| config.first_start = false,
            |config| config.policy = Policy::Ratchet,
            |config| config.no_plaintext = false,
            |config| config.clock = None,
            |config| (config.messages, config.period_ms) = (None, None),
            |config| config.rtc = false,
            |config| config.reserve = None,
            |config| {
                if let Some(clock) = &mut config.clock {
                    clock.at_boot = 0;
                }
            },
        ];
        for simplify in simpler {
            let mut script = self.best.clone();
            simplify(&mut script.config);
            if script != self.best {
                self.take(script);
            }
        }
    }

    fn simplify_contents(&mut self) {
        let mut place = 0;
        while place < self.best.lines.len() && !self.exhausted {
            match self.best.lines[place].op.clone() {
                Op::Encryption(content) => self.simplify_content(place, &content),
                Op::Send { count, shared: false } => {
                    self.with_op(place, Op::Send { count, shared: true });
                }
                Op::Member(member) => self.simplify_member(place, member),
                _ => {}
            }
            place += 1;
        }
    }

    fn simplify_content(&mut self, place: usize, content: &str) {
        for plain in PLAIN_CONTENTS {
            if content == plain || self.with_op(place, Op::Encryption(plain.to_owned())) {
                return;
            }
        }
    }

    /// A departure of which everything is known is the simplest there is.
    fn simplify_member(&mut self, place: usize, member: Member) {
        let departure = Member::known("leave", "join");
        if member != departure && !self.with_op(place, Op::Member(departure)) && member.limited {
            self.with_op(place, Op::Member(Member { limited: false, ..member }));
        }
    }

    fn with_op(&mut self, place: usize, op: Op) -> bool {
        let mut script = self.best.clone();
        script.lines[place].op = op;
        self.take(script)
    }

    // ---- numbers ----

    fn reduce_numbers(&mut self) {
        let mut place = 0;
        while place < self.best.lines.len() && !self.exhausted {
            self.reduce(place, gap, set_gap);
            self.reduce(place, number, set_number);
            place += 1;
        }
    }

    /// Makes a number of a line as small as it can be, then as round as it can be.
    fn reduce(
        &mut self,
        place: usize,
        get: fn(&[Line], usize) -> Option<u64>,
        set: fn(&mut [Line], usize, u64),
    ) {
        let Some(now) = self.best.lines.get(place).and_then(|_| get(&self.best.lines, place)) else {
            return;
        };
        let mut fails = None;
        for plain in PLAIN_NUMBERS.into_iter().filter(|plain| *plain < now) {
            if self.with(place, plain, set) {
                return;
            }
            fails = Some(plain);
        }
        let (Some(mut fails), mut works) = (fails, now) else {
            return;
        };
        while works - fails > 1 && !self.exhausted {
            let middle = fails + (works - fails) / 2;
            if self.with(place, middle, set) { works = middle } else { fails = middle }
        }
        for unit in ROUND {
            let round = works.next_multiple_of(unit);
            if works == round || (round <= now && self.with(place, round, set)) {
                return;
            }
        }
    }

    fn with(&mut self, place: usize, value: u64, set: fn(&mut [Line], usize, u64)) -> bool {
        let mut lines = self.best.lines.clone();
        if place >= lines.len() {
            return false;
        }
        set(&mut lines, place, value);
        self.take_lines(lines)
    }
}

/// How long after the line before it a line is.
fn gap(lines: &[Line], place: usize) -> Option<u64> {
    let before = place.checked_sub(1).map_or(0, |before| lines[before].at);
    Some(lines[place].at - before)
}

fn set_gap(lines: &mut [Line], place: usize, ms: u64) {
    let before = place.checked_sub(1).map_or(0, |before| lines[before].at);
    let earlier_by = lines[place].at - before - ms.min(lines[place].at - before);
    for line in &mut lines[place..] {
        line.at -= earlier_by;
    }
}

/// How many messages, or milliseconds, a line has.
fn number(lines: &[Line], place: usize) -> Option<u64> {
    match lines[place].op {
        Op::Send { count, .. } if count > 1 => Some(count),
        Op::ClockBack(ms) | Op::Sleep { ms, .. } if ms > 0 => Some(ms),
        _ => None,
    }
}

fn set_number(lines: &mut [Line], place: usize, number: u64) {
    match &mut lines[place].op {
        Op::Send { count, .. } => *count = number.max(1),
        Op::ClockBack(ms) | Op::Sleep { ms, .. } => *ms = number,
        _ => {}
    }
}
