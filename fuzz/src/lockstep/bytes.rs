//! Bytes as operations: the body of the fuzz target `operations`.
//!
//! Every byte means something, so that nothing a fuzzer tries is lost, and letters mean what they stand for, so that a
//! seed can be read. The first four choose the [`Setup`]: policy `r`atchet, `f`ollow or free`z`e; `p`laintext or
//! `n`one; `1`, `2` or `4` places; clock `a` to `e` in the order of [`ClockKind::ALL`]. Then come operations, each a
//! letter of [`CODES`] with a letter for the room, `A` to `C`, where it has one, and one for what else it takes.
//! White space between operations is skipped. After the last byte there are only zeros.

use super::{Broken, ClockKind, Content, Lockstep, Off, Operation, Setup, Storage};
use crate::model::{Before, Policy, Stored};

/// Applies the operations of `bytes` to the core and to the model.
///
/// # Panics
/// If they differ, or the core answers what no device may.
pub fn check(bytes: &[u8]) {
    let mut letters = Letters(bytes);
    let setup = setup(&mut letters);
    let mut storage = Storage::new(setup.places);
    let mut lockstep = Lockstep::new(&mut storage, setup);
    while let Some(operation) = operation(&mut letters, &setup) {
        if matches!(operation, Operation::Restart(..)) && !lockstep.model().may_restart() {
            return;
        }
        lockstep.step(operation);
    }
}

struct Letters<'b>(&'b [u8]);

impl Letters<'_> {
    fn next(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    /// The choice that the next byte stands for: its place among `letters`, or any other byte for any of them.
    fn choose(&mut self, letters: &[u8]) -> u8 {
        let byte = self.next();
        if letters.contains(&byte) { byte } else { letters[usize::from(byte) % letters.len()] }
    }
}

fn setup(letters: &mut Letters<'_>) -> Setup {
    let policy = match letters.choose(b"rfz") {
        b'r' => Policy::Ratchet,
        b'f' => Policy::Follow,
        _ => Policy::Freeze,
    };
    let plaintext = letters.choose(b"pn") == b'p';
    let places = match letters.choose(b"124") {
        b'1' => 1,
        b'2' => 2,
        _ => 4,
    };
    let clock = ClockKind::ALL[usize::from(letters.choose(b"abcde") - b'a')];
    let stored = match letters.0.first() {
        Some(digit @ b'0'..=b'9') => {
            let ahead = u64::from(digit - b'0');
            letters.next();
            if ahead == 0 { Stored::Rooms } else { Stored::Sessions(ahead) }
        }
        _ => Stored::Nothing,
    };
    let setup = Setup::small(policy, plaintext, places, clock, 3);
    // So that sessions are stored more than one message ahead.
    let messages = if let Stored::Sessions(2..) = stored { (1, 12) } else { setup.messages };
    Setup { stored, messages, ..setup }
}

/// `e`ncryption, `s`end, send `m`any, `u`nshared, `b`roken; `d`rop the permit, `n`o new session, `x` for no clock;
/// `c`onfirm what was kept, `g`ive the current session, `k`eep its request; membershi`p`, `v`isibility, `r`emoved
/// device, re`q`uest, `R`eset, `f`orget; `[`, `]` for a resync; `t`ime passes, `w`ait, `l`ook at the clock, `<` set it
/// back; sleep `z`, and `Z` for nobody knows how long; `o`ff, or `O` off as announced, for some time; the calendar is set
/// anew `C`, set back `B`, or becomes `X` unreadable or readable.
const CODES: &[u8] = b"esmubdnxcgkpvrqRf[]twl<zZoOCBX";

fn operation(letters: &mut Letters<'_>, setup: &Setup) -> Option<Operation> {
    letters.0 = letters.0.trim_ascii_start();
    if letters.0.is_empty() {
        return None;
    }
    let code = letters.choose(CODES);
    if b"[]twl<zZoOCBX".contains(&code) {
        return Some(match code {
            b'[' => Operation::BeginResync,
            b']' => Operation::EndResync,
            b't' => Operation::Pass(steps(letters.next(), setup)),
            b'w' => {
                let steps = steps(letters.next(), setup);
                Operation::Wait(steps, letters.next() % 16)
            }
            b'l' => Operation::ReadClock,
            b'<' => Operation::SetBack(steps(letters.next(), setup)),
            b'z' => Operation::SleptMs(steps(letters.next(), setup)),
            b'o' => Operation::Restart(Off::Cut, ms(letters.next(), setup)),
            b'O' => Operation::Restart(Off::Announced, ms(letters.next(), setup)),
            b'C' => Operation::CalendarSet,
            b'B' => Operation::CalendarBack(ms(letters.next(), setup)),
            b'X' => Operation::CalendarSwitch,
            _ => Operation::SleptUnknown,
        });
    }
    let room = usize::from(letters.choose(b"ABC") - b'A');
    Some(match code {
        b'e' => Operation::Encryption(room, content(letters.next(), setup)),
        b's' => Operation::Send(room),
        b'm' => Operation::SendMany(room, u16::from(letters.next() % 8)),
        b'u' => Operation::SendUnshared(room),
        b'b' => Operation::SendBroken(
            room,
            if letters.choose(b"bs") == b'b' { Broken::Buffer } else { Broken::Session },
        ),
        b'd' => Operation::DropPermit(room),
        b'n' => Operation::NoNewSession(room),
        b'x' => Operation::Unreadable(room),
        b'c' => Operation::ConfirmKept(room),
        b'g' => Operation::ShareCurrent(room),
        b'k' => Operation::KeepCurrent(room),
        b'p' => {
            let before = match membership(letters.next()) {
                "" => Before::NoMembership,
                "?" => Before::NotKnown,
                membership => Before::Was(membership),
            };
            let (now, limited) = (letters.next(), letters.choose(b"cl") == b'l');
            Operation::Member(room, before, membership(now), limited)
        }
        b'v' => Operation::Visibility(room, visibility(letters.next())),
        b'r' => Operation::DeviceRemoved(room),
        b'q' => Operation::RequestRotation(room),
        b'R' => Operation::ResetSettings(room),
        _ => Operation::Forget(room),
    })
}

/// `1` to `3` messages with the least period, `4` to `6` with one and a half of it, `7` to `9` with the greatest; `s`
/// with state events; `u`, `m`, `r` for unsupported, malformed and redacted; with any other, values are left out or
/// outside of the limits.
fn content(letter: u8, setup: &Setup) -> Content {
    let (least, most) = setup.period_ms;
    let periods = [least, least * 3 / 2, most];
    match letter {
        b'1'..=b'9' => {
            let n = letter - b'1';
            Content::Megolm(Some(u64::from(n % 3) + 1), Some(periods[usize::from(n / 3)]), false)
        }
        b'u' => Content::Unsupported,
        b'm' => Content::Malformed,
        b'r' => Content::Redacted,
        b's' => Content::Megolm(Some(2), Some(most), true),
        other => match other % 8 {
            0 => Content::Megolm(None, None, false),
            1 => Content::Megolm(Some(0), Some(most), false),
            2 => Content::Megolm(Some(u64::MAX), Some(least), false),
            3 => Content::Megolm(None, Some(0), true),
            4 => Content::Megolm(Some(1), None, false),
            5 => Content::Megolm(Some(setup.messages.1), Some(u64::MAX), false),
            6 => Content::Unsupported,
            _ => Content::Redacted,
        },
    }
}

/// `j`oin, `i`nvite, `k`nock, `l`eave, `b`an, `o`dd, `-` none, `?` not known.
fn membership(letter: u8) -> &'static str {
    match letter {
        b'j' => "join",
        b'i' => "invite",
        b'k' => "knock",
        b'l' => "leave",
        b'b' => "ban",
        b'-' => "",
        b'?' => "?",
        other => ["join", "invite", "knock", "leave", "ban", "", "?", "odd"][usize::from(other) % 8],
    }
}

/// `j`oined, `i`nvited, `s`hared, `w`orld_readable, anything else odd.
fn visibility(letter: u8) -> &'static str {
    match letter {
        b'j' => "joined",
        b'i' => "invited",
        b's' => "shared",
        b'w' => "world_readable",
        other => ["", "shared", "Shared", "world_readable "][usize::from(other) % 4],
    }
}

/// The same in milliseconds.
fn ms(letter: u8, setup: &Setup) -> u64 {
    steps(letter, setup) * setup.clock.step_ms()
}

/// `0` to `9`, then around the least and the greatest period, and around what matters to a clock of 32 bits.
fn steps(letter: u8, setup: &Setup) -> u64 {
    let in_steps = |ms: u64| ms.div_ceil(setup.clock.step_ms());
    let (least, most) = setup.period_ms;
    let half_range = (1 << 31) / setup.clock.step();
    match letter {
        b'0'..=b'9' => u64::from(letter - b'0'),
        b'a' => in_steps(least) - 1,
        b'b' => in_steps(least),
        b'c' => in_steps(least) + 1,
        b'd' => in_steps(most) - 1,
        b'e' => in_steps(most),
        b'f' => in_steps(most) + 1,
        b'g' => half_range - 1,
        b'h' => half_range,
        b'i' => half_range + 1,
        b'j' => 2 * half_range - 1,
        b'k' => 2 * half_range,
        b'l' => 2 * half_range + 1,
        b'm' => 7 * half_range / 2,
        other => u64::from(other) / 4,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::check;

    // All the rules of S, K, T, E and C, and B1 to B4.
    #[test]
    fn the_body_holds_over_the_corpus() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/operations");
        let mut count = 0;
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("a file").path();
            println!("{}", path.display());
            check(&fs::read(path).expect("its bytes"));
            count += 1;
        }
        assert!(count >= 60, "only {count} seeds");
    }

    #[test]
    fn the_body_holds_over_bytes_of_every_value() {
        let mut state = 1_u32;
        for length in (0..1_000).step_by(5) {
            let bytes = std::iter::repeat_with(|| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            });
            check(&bytes.take(length).collect::<Vec<_>>());
        }
    }
}
