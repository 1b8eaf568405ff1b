//! What happens to a device whose power is going to be cut.

use pawl_core::settings::ChangePolicy;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The rooms of a life. At first, the device's table has one place less than there are encrypted rooms.
pub const ROOMS: [&str; 5] =
    ["!hall:example.org", "!door:example.org", "!yard:example.org", "!late:example.org", "!open:example.org"];

/// The room that is never encrypted.
pub const OPEN: usize = 4;

/// The room that comes when the table is full.
pub const LATE: usize = 3;

/// One thing that happens. What a server tells is told again after a cut until all of it was taken (K5); what the owner or
/// the application wanted is asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// The state of every room the device is in, from its beginning to its end (K4).
    Resync,
    /// `m.room.encryption`, with so many messages a session; 0 for a redacted one.
    Encryption(usize, u32),
    /// Somebody leaves.
    Leave(usize),
    /// The history visibility is now shared, or it is not.
    Visibility(usize, bool),
    /// A device is removed.
    DeviceRemoved(usize),
    /// The owner wants a new session.
    RequestRotation(usize),
    /// The owner resets a room's settings.
    ResetSettings(usize),
    /// The device leaves a room and forgets it.
    Forget(usize),
    /// The device joins a room that was left, and is told its state.
    Join(usize),
    /// So many messages.
    Send(usize, u32),
    /// A message whose room key reaches nobody.
    SendUnshared(usize),
    /// The room key of that message has reached everybody after all, whatever has happened since.
    ShareArrives(usize),
    /// So many milliseconds pass.
    Pass(u64),
    /// The device's clock steps back.
    ClockBack,
    /// The device's clock stands still for so long, and it is told so.
    Sleep(u64),
    /// The device's clock stands still, and nobody knows how long.
    SleepUnknown,
    /// The clock that outlives restarts is set anew.
    SetClockAnew,
    /// The clock that outlives restarts cannot be read until it is set anew.
    ClockUnreadable,
    /// From the next start on, the device's table has so many places.
    TableOf(usize),
    /// From the next start on, the device takes changed settings like this.
    Policy(ChangePolicy),
    /// All that was ever stored of a room's record goes bad: the end of a segment.
    Damage(usize),
    /// Every session is stored as it is: the end of a segment that ends well.
    ShutDown,
}

/// A life: acts, in segments between restarts.
#[derive(Clone, Debug)]
pub struct Life {
    /// What interrupted steps leave behind comes from it.
    pub seed: u64,
    /// Whatever is in memory is lost between them.
    pub segments: Vec<Vec<Act>>,
}

const HOUR_MS: u64 = 3_600_000;

impl Life {
    /// Every operation there is, once or twice, in a life short enough to be cut everywhere in a test.
    #[must_use]
    pub fn short(seed: u64) -> Self {
        use Act::{
            ClockBack, ClockUnreadable, Damage, DeviceRemoved, Encryption, Forget, Join, Leave, Pass, Policy,
            RequestRotation, ResetSettings, Resync, Send, SendUnshared, SetClockAnew, ShareArrives, ShutDown,
            Sleep, SleepUnknown, TableOf, Visibility,
        };
        let segments = vec![
            vec![Encryption(0, 12), Resync, Send(OPEN, 1), Send(0, 1)],
            vec![Send(0, 4), Leave(0), Send(0, 2)],
            vec![Encryption(1, 8), Send(1, 9), ShutDown],
            vec![Send(1, 1), Visibility(1, true), SendUnshared(1)],
            vec![SendUnshared(1), Leave(1), ShareArrives(1)],
            vec![Send(1, 1), RequestRotation(1), DeviceRemoved(0)],
            vec![Encryption(2, 0), Encryption(LATE, 6), Send(OPEN, 1)],
            vec![Forget(2), Send(OPEN, 1), Resync, Send(LATE, 2), Send(OPEN, 1)],
            vec![Pass(2 * HOUR_MS), ClockBack, Pass(1_000), Send(0, 1), SleepUnknown],
            vec![Send(1, 1), Send(0, 1), Sleep(HOUR_MS), ResetSettings(1)],
            vec![Encryption(1, 40), Send(1, 3), Encryption(0, 3), Send(0, 4)],
            vec![SetClockAnew, Forget(LATE), Join(2), Send(0, 1)],
            vec![Resync, Send(2, 1), Send(0, 2), ShutDown],
            // One room moves to where another was, and back.
            vec![Forget(0), Resync, TableOf(2)],
            vec![Send(1, 1), Send(2, 2), TableOf(4)],
            vec![Forget(2), Join(0), Join(2), Resync, SendUnshared(2)],
            // The damage comes while knowledge is not complete, so that the count of rooms does not show it.
            vec![Send(0, 1), Send(1, 1), Forget(2), Damage(1)],
            vec![Send(0, 1), Resync, Send(1, 1), ClockUnreadable],
            vec![Send(1, 2), Send(0, 1), SetClockAnew],
            vec![Send(1, 1), Policy(ChangePolicy::Follow), ShutDown],
            // Settings change back and forth; then one room finds no place, while knowledge is complete.
            vec![Encryption(0, 2), Send(0, 1), Encryption(0, 30), Resync, TableOf(1)],
            vec![Send(0, 1), Encryption(0, 3), Send(1, 1), Policy(ChangePolicy::Ratchet), TableOf(3)],
            vec![Resync, Send(0, 1), Send(1, 1)],
        ];
        Life { seed, segments }
    }

    /// So many random acts.
    #[must_use]
    pub fn long(seed: u64, acts: usize) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut segments = vec![vec![Act::Encryption(0, 12), Act::Encryption(1, 8), Act::Resync]];
        let mut made = 3;
        while made < acts {
            let mut segment: Vec<Act> =
                (0..random.random_range(2..12)).map(|_| random_act(&mut random)).collect();
            match random.random_range(0..20) {
                0..=5 => segment.push(Act::ShutDown),
                6 => segment.push(Act::Damage(random.random_range(0..LATE + 1))),
                _ => {}
            }
            made += segment.len();
            segments.push(segment);
        }
        Life { seed, segments }
    }
}

fn random_act(random: &mut ChaCha8Rng) -> Act {
    let room = random.random_range(0..LATE + 1);
    match random.random_range(0..43) {
        0..=15 => Act::Send(room, random.random_range(1..7)),
        16 => Act::Send(OPEN, 1),
        17 => Act::SendUnshared(room),
        18 => Act::ShareArrives(room),
        19..=21 => Act::Encryption(room, [0, 1, 3, 6, 12, 40, 100][random.random_range(0..7)]),
        22..=23 => Act::Leave(room),
        24..=25 => Act::Visibility(room, random.random()),
        26 => Act::DeviceRemoved(room),
        27 => Act::RequestRotation(room),
        28 => Act::ResetSettings(room),
        29 => Act::Forget(room),
        30..=31 => Act::Join(room),
        32..=34 => Act::Resync,
        35 => Act::Pass(random.random_range(1..30 * HOUR_MS)),
        36 => Act::ClockBack,
        37 => Act::Sleep(random.random_range(1..HOUR_MS)),
        38 => Act::SleepUnknown,
        39 => Act::ClockUnreadable,
        40 => Act::TableOf(random.random_range(1..5)),
        41 => Act::Policy([ChangePolicy::Ratchet, ChangePolicy::Follow][random.random_range(0..2)]),
        _ => Act::SetClockAnew,
    }
}

/// What is done in the end: nothing may be in the way of a message to any room.
#[must_use]
pub fn epilogue() -> Vec<Act> {
    let mut acts: Vec<Act> = (0..ROOMS.len()).map(|room| Act::Send(room, 1)).collect();
    acts.push(Act::Resync);
    acts.extend((0..ROOMS.len()).map(|room| Act::Send(room, 2)));
    acts
}
