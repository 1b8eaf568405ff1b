//! What happens to a kiosk: its rooms, their settings, its traffic, the people who come and go, and its power.

/// A second of virtual time, in milliseconds.
pub const SECOND_MS: u64 = 1_000;
/// A minute.
pub const MINUTE_MS: u64 = 60 * SECOND_MS;
/// An hour.
pub const HOUR_MS: u64 = 60 * MINUTE_MS;
/// A day. Every scenario begins at midnight.
pub const DAY_MS: u64 = 24 * HOUR_MS;
/// A week.
pub const WEEK_MS: u64 = 7 * DAY_MS;

/// A kiosk's life for a while.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The name by which it is called on the command line.
    pub name: &'static str,
    /// How long it goes on, in milliseconds of virtual time.
    pub duration_ms: u64,
    /// The rooms that the kiosk sends to.
    pub rooms: Vec<RoomPlan>,
    /// When the kiosk restarts. One that falls into another does not happen.
    pub outages: Vec<Outage>,
}

/// A restart of the kiosk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// When it is due.
    pub at_ms: u64,
    /// How it comes about.
    pub kind: OutageKind,
    /// For how long the kiosk is off.
    pub off_ms: u64,
}

/// How a restart comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OutageKind {
    /// It is announced, and the kiosk stores what it knows.
    Clean,
    /// The power is cut while the kiosk does nothing.
    PowerCut,
    /// The power is cut in the midst of the next write to flash.
    PowerCutInWrite,
    /// The power is cut while the next room key is being shared.
    PowerCutInShare,
    /// As a power cut, for long enough that sessions grow too old.
    PowerOff,
    /// As a power cut, and meanwhile the real-time clock is set to another time. Then the power is cut once more, in the
    /// midst of what the kiosk stores for that reason when it starts.
    ClockSet,
    /// That second cut. It is not planned by itself.
    PowerCutInStart,
    /// As a power cut, and meanwhile the real-time clock's battery fails; it is set an hour after the start.
    ClockDead,
}

impl OutageKind {
    /// All of them.
    pub const ALL: [OutageKind; 8] = [
        OutageKind::Clean,
        OutageKind::PowerCut,
        OutageKind::PowerCutInWrite,
        OutageKind::PowerCutInShare,
        OutageKind::PowerOff,
        OutageKind::ClockSet,
        OutageKind::PowerCutInStart,
        OutageKind::ClockDead,
    ];

    /// The name that it has in a report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            OutageKind::Clean => "clean",
            OutageKind::PowerCut => "power_cut",
            OutageKind::PowerCutInWrite => "power_cut_in_write",
            OutageKind::PowerCutInShare => "power_cut_in_share",
            OutageKind::PowerOff => "power_off",
            OutageKind::ClockSet => "clock_set",
            OutageKind::PowerCutInStart => "power_cut_in_start",
            OutageKind::ClockDead => "clock_dead",
        }
    }
}

/// A room and what happens in it.
#[derive(Clone, Debug)]
pub struct RoomPlan {
    /// The room's ID.
    pub id: String,
    /// What the room shows, in a few words.
    pub about: &'static str,
    /// How many receiving devices are in it at the start.
    pub receivers: usize,
    /// What the kiosk sends.
    pub traffic: Traffic,
    /// What else happens, in any order.
    pub happenings: Vec<(u64, Happening)>,
}

/// What a kiosk sends to a room.
#[derive(Clone, Copy, Debug)]
pub struct Traffic {
    /// The mean time between two messages of telemetry by day, in milliseconds. By night, from 22:00 to 06:00, it is
    /// six times that, until the day begins.
    pub telemetry_every_ms: u64,
    /// How many bursts there are a day, between 06:00 and 22:00.
    pub bursts_a_day: u32,
    /// How many messages a burst has, at least and at most.
    pub burst_messages: (u32, u32),
}

/// Something that happens in a room at a certain time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// An `m.room.encryption` state event with this content.
    Encryption(&'static str),
    /// The member who has been there longest leaves, with their device.
    Leave,
    /// Somebody joins with a new device, and gets the room key from its current index on.
    Join,
    /// The device that has been there longest is deleted; its user stays.
    DeviceRemoved,
    /// An `m.room.history_visibility` state event with this value.
    HistoryVisibility(&'static str),
    /// The kiosk's owner asks for a new session.
    RequestRotation,
}

impl Scenario {
    /// The names of the scenarios there are.
    pub const NAMES: [&'static str; 1] = ["kiosk-month"];

    /// The scenario of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        (name == "kiosk-month").then(Self::kiosk_month)
    }

    /// The default: four weeks of a kiosk in thirteen rooms, whose settings are as real software writes them and as
    /// they go wrong, and which restarts now and then.
    #[must_use]
    pub fn kiosk_month() -> Self {
        let half_way = 2 * WEEK_MS;
        Scenario {
            name: "kiosk-month",
            duration_ms: 4 * WEEK_MS,
            rooms: vec![
                RoomPlan::new("!lobby", "the specification's example", 5, Traffic::steady(4))
                    .encrypted_at(0, SPECIFICATION_EXAMPLE)
                    .with_people_coming_and_going(3),
                RoomPlan::new(
                    "!hallway",
                    "the algorithm alone",
                    4,
                    Traffic::steady(15).with_bursts(1, 100, 300),
                )
                .encrypted_at(0, ALGORITHM_ALONE)
                .with_people_coming_and_going(5),
                RoomPlan::new("!vault", "10 messages a session", 3, Traffic::steady(12))
                    .encrypted_at(0, TEN_MESSAGES),
                RoomPlan::new("!gate", "1 hour a session", 3, Traffic::steady(6))
                    .encrypted_at(0, ONE_HOUR)
                    .with(9 * DAY_MS + 7 * HOUR_MS, Happening::RequestRotation),
                RoomPlan::new(
                    "!kitchen",
                    "values of the wrong type",
                    3,
                    Traffic::steady(30).with_bursts(2, 100, 200),
                )
                .encrypted_at(0, WRONG_TYPES),
                RoomPlan::new("!cellar", "values outside the limits", 4, Traffic::steady(120))
                    .encrypted_at(0, OUTSIDE_LIMITS),
                RoomPlan::new("!attic", "an unknown algorithm", 3, Traffic::steady(120))
                    .encrypted_at(0, UNKNOWN_ALGORITHM),
                RoomPlan::new("!library", "redacted after a good event", 4, Traffic::steady(15))
                    .encrypted_at(0, FIFTY_MESSAGES)
                    .encrypted_at(5 * DAY_MS, REDACTED)
                    .with_people_coming_and_going(6),
                RoomPlan::new("!office", "redacted at first, mended in week 3", 3, Traffic::steady(30))
                    .encrypted_at(0, REDACTED)
                    .encrypted_at(half_way + 3 * DAY_MS, SPECIFICATION_EXAMPLE),
                RoomPlan::new("!garage", "tightened half-way: 100, then 20", 4, Traffic::steady(15))
                    .encrypted_at(0, SPECIFICATION_EXAMPLE)
                    .encrypted_at(half_way, TWENTY_MESSAGES)
                    .with_people_coming_and_going(9),
                RoomPlan::new(
                    "!garden",
                    "loosened half-way: stays at 60",
                    8,
                    Traffic::steady(60).with_bursts(1, 50, 150),
                )
                .encrypted_at(0, SIXTY_MESSAGES_A_DAY)
                .encrypted_at(half_way, LOOSE)
                .with_people_coming_and_going(4),
                RoomPlan::new("!archive", "escapes, white space, unknown keys", 4, Traffic::steady(40))
                    .encrypted_at(0, ODD_SPELLING)
                    .with(3 * DAY_MS + 11 * HOUR_MS, Happening::HistoryVisibility("shared"))
                    .with(17 * DAY_MS + 11 * HOUR_MS, Happening::HistoryVisibility("joined")),
                RoomPlan::new(
                    "!street",
                    "not encrypted until half-way",
                    4,
                    Traffic::steady(10).with_bursts(1, 50, 100),
                )
                .encrypted_at(half_way, ALGORITHM_ALONE)
                .with_people_coming_and_going(8),
            ],
            outages: kiosk_month_outages(),
        }
    }
}

/// A few of each kind, some of them right after something has happened, which is then delivered again.
fn kiosk_month_outages() -> Vec<Outage> {
    use OutageKind::{Clean, ClockDead, ClockSet, PowerCut, PowerCutInShare, PowerCutInWrite, PowerOff};
    let on_day = |day, (hour, minute), kind, off_ms| Outage {
        at_ms: day * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS,
        kind,
        off_ms,
    };
    let (moment, boot) = (4 * SECOND_MS, 30 * SECOND_MS);
    vec![
        on_day(1, (9, 41), PowerCut, moment),
        on_day(2, (14, 0), Clean, boot),
        on_day(2, (16, 30), PowerCutInWrite, moment),
        on_day(3, (8, 0), PowerCutInShare, moment),
        on_day(5, (3, 0), Clean, boot),
        on_day(6, (10, 40), PowerCut, moment),
        on_day(7, (12, 0), PowerOff, 30 * HOUR_MS),
        on_day(10, (11, 15), ClockSet, 2 * MINUTE_MS),
        on_day(12, (10, 19), PowerCut, moment),
        on_day(13, (2, 30), Clean, boot),
        on_day(13, (23, 59), PowerCutInWrite, moment),
        on_day(15, (9, 0), ClockDead, 10 * MINUTE_MS),
        on_day(15, (11, 30), PowerCut, moment),
        on_day(16, (17, 0), PowerCutInShare, moment),
        on_day(17, (11, 20), PowerCut, moment),
        on_day(18, (10, 17), PowerCutInWrite, moment),
        on_day(19, (20, 0), PowerOff, 50 * HOUR_MS),
        on_day(22, (4, 0), Clean, boot),
        on_day(23, (10, 0), ClockSet, 2 * MINUTE_MS),
        on_day(24, (13, 0), PowerCut, moment),
        on_day(25, (9, 0), ClockDead, 10 * MINUTE_MS),
        on_day(26, (16, 0), PowerCutInWrite, moment),
        on_day(27, (8, 0), Clean, boot),
    ]
}

const SPECIFICATION_EXAMPLE: &str = r#"{
  "algorithm": "m.megolm.v1.aes-sha2",
  "rotation_period_ms": 604800000,
  "rotation_period_msgs": 100
}"#;

const ALGORITHM_ALONE: &str = r#"{"algorithm":"m.megolm.v1.aes-sha2"}"#;

const TEN_MESSAGES: &str = r#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_msgs":10}"#;

const ONE_HOUR: &str = r#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_ms":3600000}"#;

const UNKNOWN_ALGORITHM: &str = r#"{"algorithm":"m.megolm.v9.aes-sha3"}"#;

const FIFTY_MESSAGES: &str = r#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_msgs":50}"#;

const TWENTY_MESSAGES: &str = r#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_msgs":20}"#;

const SIXTY_MESSAGES_A_DAY: &str =
    r#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_msgs":60,"rotation_period_ms":86400000}"#;

const LOOSE: &str =
    r#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_msgs":10000,"rotation_period_ms":31536000000}"#;

const REDACTED: &str = "{}";

const WRONG_TYPES: &str =
    r#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_ms":"604800000","rotation_period_msgs":1e2}"#;

const OUTSIDE_LIMITS: &str = r#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_ms":99999999999999999999,"rotation_period_msgs":-1}"#;

const ODD_SPELLING: &str = "\r\n\t{\"org.example.note\" : {\"by\":[\"caf\u{e9} \\ud83d\\ude00\",null,{}]} ,\n\
     \"\\u0061lgorithm\":\"m.megolm.v1.aes\\u002dsha2\",\"rotation_period_ms\":172800000 , \
     \"rotation_period_msgs\":null}\r\n";

impl RoomPlan {
    fn new(name: &str, about: &'static str, receivers: usize, traffic: Traffic) -> Self {
        RoomPlan { id: format!("{name}:example.org"), about, receivers, traffic, happenings: Vec::new() }
    }

    fn with(mut self, at_ms: u64, happening: Happening) -> Self {
        self.happenings.push((at_ms, happening));
        self
    }

    fn encrypted_at(self, at_ms: u64, content: &'static str) -> Self {
        self.with(at_ms, Happening::Encryption(content))
    }

    /// Somebody leaves every so many days, somebody else joins a day and a half later, and now and then a device is
    /// removed and replaced.
    fn with_people_coming_and_going(mut self, every_days: u64) -> Self {
        for (round, day) in (every_days..26).step_by(usize::try_from(every_days).unwrap_or(1)).enumerate() {
            let at_ms = day * DAY_MS + 10 * HOUR_MS + 17 * MINUTE_MS;
            let goes = if round % 3 == 2 { Happening::DeviceRemoved } else { Happening::Leave };
            self = self.with(at_ms, goes).with(at_ms + 36 * HOUR_MS, Happening::Join);
        }
        self
    }
}

impl Traffic {
    /// Telemetry every so many minutes.
    fn steady(minutes: u64) -> Self {
        Traffic { telemetry_every_ms: minutes * MINUTE_MS, bursts_a_day: 0, burst_messages: (0, 0) }
    }

    fn with_bursts(self, bursts_a_day: u32, fewest_messages: u32, most_messages: u32) -> Self {
        Traffic { bursts_a_day, burst_messages: (fewest_messages, most_messages), ..self }
    }
}
