//! What the observer must find: real faults, one at a time, in the parts that a kiosk is built of. Everything else is
//! real in each of these runs, and the same run with sound parts has no violation.

use std::cell::RefCell;
use std::rc::Rc;

use pawl_core::session::{OutboundSession, SESSION_ID_LENGTH, SESSION_KEY_LENGTH};
use pawl_core::{CiphertextTooLong, Device, RoomId, VodozemacSession};
use pawl_sim_host::observer::ViolationKind;
use pawl_sim_host::parts::{Parts, SessionNotMade, SoundParts};
use pawl_sim_host::report::Report;
use pawl_sim_host::scenario::{DAY_MS, Scenario};
use pawl_sim_host::simulation;
use vodozemac::megolm::{GroupSession, SessionConfig};

/// The first three days of the default scenario.
fn three_days() -> Scenario {
    Scenario { duration_ms: 3 * DAY_MS, ..Scenario::kiosk_month() }
}

fn run_with(parts: impl Parts) -> Report {
    simulation::run(&three_days(), 1, parts, |_| {})
}

#[track_caller]
fn assert_raises(report: &Report, kind: ViolationKind) {
    let found: Vec<ViolationKind> = report.violations.iter().map(|violation| violation.kind).collect();
    assert!(found.contains(&kind), "{kind:?} was not found among {found:?}");
}

/// The first room of the scenario, which is steady and encrypted from the start.
const LOBBY: usize = 0;

/// Delegates everything that a fault does not touch.
macro_rules! sound {
    (sessions) => {
        type Session = VodozemacSession;

        fn make_session(&mut self, room: usize) -> Result<VodozemacSession, SessionNotMade> {
            SoundParts.make_session(room)
        }
    };
    (clock) => {
        fn counter_at(&self, true_ms: u64) -> u32 {
            SoundParts.counter_at(true_ms)
        }
    };
    (delivery) => {
        fn delivers_room_key(&mut self, _room: usize, _receiver: usize) -> bool {
            true
        }
    };
    (core) => {
        fn meddle(&mut self, _true_ms: u64, _room: &str, _device: &mut Device<'_, Self::Session>) {}
    };
    (counting) => {
        fn uncounted_ciphertext(&mut self) -> Option<String> {
            None
        }
    };
}

#[test]
fn sound_parts_raise_no_violation() {
    let report = run_with(SoundParts);
    assert_eq!(report.violations, []);
    assert_eq!(report.exit_status(), 0);
    assert!(report.messages > 3_000, "{} messages", report.messages);
    assert_eq!(report.undecryptable, 0);
}

/// A session as vodozemac has it, with a fault.
struct FaultySession {
    session: GroupSession,
    /// Encrypts each message a second time, and puts that ciphertext here.
    uncounted: Option<Rc<RefCell<Option<String>>>>,
    /// Encrypts this message and the next with one ratchet index.
    reuses_index: Option<u32>,
}

impl OutboundSession for FaultySession {
    type Error = CiphertextTooLong;

    fn write_session_id(&self, out: &mut [u8; SESSION_ID_LENGTH]) {
        out.copy_from_slice(self.session.session_id().as_bytes());
    }

    fn write_session_key(&self, out: &mut [u8; SESSION_KEY_LENGTH]) {
        out.copy_from_slice(self.session.session_key().to_base64().as_bytes());
    }

    fn message_index(&self) -> u32 {
        self.session.message_index()
    }

    fn encrypt<'o>(&mut self, plaintext: &[u8], out: &'o mut [u8]) -> Result<&'o str, CiphertextTooLong> {
        let before = self.session.pickle();
        let ciphertext = self.session.encrypt(plaintext).to_base64();
        if self.reuses_index == Some(self.session.message_index() - 1) {
            self.reuses_index = None;
            self.session = GroupSession::from_pickle(before);
        }
        if let Some(uncounted) = &self.uncounted {
            *uncounted.borrow_mut() = Some(self.session.encrypt(plaintext).to_base64());
        }
        let place = out.get_mut(..ciphertext.len()).ok_or(CiphertextTooLong)?;
        place.copy_from_slice(ciphertext.as_bytes());
        str::from_utf8(place).map_err(|_| CiphertextTooLong)
    }
}

fn sound_group_session() -> GroupSession {
    GroupSession::new(SessionConfig::version_1())
}

/// In the lobby every second message is encrypted without being counted.
#[derive(Default)]
struct CountNotIncremented(Rc<RefCell<Option<String>>>);

impl Parts for CountNotIncremented {
    type Session = FaultySession;

    fn make_session(&mut self, room: usize) -> Result<FaultySession, SessionNotMade> {
        let uncounted = (room == LOBBY).then(|| Rc::clone(&self.0));
        Ok(FaultySession { session: sound_group_session(), uncounted, reuses_index: None })
    }

    fn uncounted_ciphertext(&mut self) -> Option<String> {
        self.0.borrow_mut().take()
    }

    sound!(clock);
    sound!(delivery);
    sound!(core);
}

#[test]
fn a_count_that_is_not_incremented_is_a_session_over_its_message_limit() {
    let report = run_with(CountNotIncremented::default());
    assert_raises(&report, ViolationKind::SessionOverMessageLimit);
    assert_eq!(report.undecryptable, 0, "the messages themselves are sound");
}

/// On the second day the core is made to forget that the lobby is encrypted.
struct LatchCleared;

impl Parts for LatchCleared {
    fn meddle(&mut self, true_ms: u64, room: &str, device: &mut Device<'_, VodozemacSession>) {
        if true_ms > DAY_MS && room.starts_with("!lobby") {
            device.forget(RoomId::new(room).unwrap()).unwrap();
            device.begin_resync();
            device.end_resync().unwrap();
        }
    }

    sound!(sessions);
    sound!(clock);
    sound!(delivery);
    sound!(counting);
}

#[test]
fn a_cleared_latch_is_plaintext_after_encryption() {
    assert_raises(&run_with(LatchCleared), ViolationKind::PlaintextAfterEncryption);
}

/// The clock stands still, so no session ever grows old.
struct AgeIgnored;

impl Parts for AgeIgnored {
    fn counter_at(&self, _true_ms: u64) -> u32 {
        SoundParts.counter_at(0)
    }

    sound!(sessions);
    sound!(delivery);
    sound!(core);
    sound!(counting);
}

#[test]
fn an_age_that_is_ignored_is_a_session_over_its_age_limit() {
    assert_raises(&run_with(AgeIgnored), ViolationKind::SessionOverAgeLimit);
}

/// In the lobby the tenth message of each session has the ratchet index of the ninth.
struct IndexUsedTwice;

impl Parts for IndexUsedTwice {
    type Session = FaultySession;

    fn make_session(&mut self, room: usize) -> Result<FaultySession, SessionNotMade> {
        let reuses_index = (room == LOBBY).then_some(8);
        Ok(FaultySession { session: sound_group_session(), uncounted: None, reuses_index })
    }

    sound!(clock);
    sound!(delivery);
    sound!(core);
    sound!(counting);
}

#[test]
fn a_ratchet_index_used_twice_is_found() {
    let report = run_with(IndexUsedTwice);
    assert_raises(&report, ViolationKind::RatchetIndexReused);
    assert_eq!(report.exit_status(), 1);
    assert!(report.index_reuses > 0);
}

/// One of the receiving devices in the lobby is never sent a room key.
struct KeyNotShared;

impl Parts for KeyNotShared {
    fn delivers_room_key(&mut self, room: usize, receiver: usize) -> bool {
        (room, receiver) != (LOBBY, 2)
    }

    sound!(sessions);
    sound!(clock);
    sound!(core);
    sound!(counting);
}

#[test]
fn a_key_that_is_not_shared_is_undecryptable() {
    let report = run_with(KeyNotShared);
    assert_raises(&report, ViolationKind::Undecryptable);
    assert!(report.undecryptable > 0);
}

/// No session can be made any more.
struct NoSessions;

impl Parts for NoSessions {
    type Session = VodozemacSession;

    fn make_session(&mut self, _room: usize) -> Result<VodozemacSession, SessionNotMade> {
        Err(SessionNotMade)
    }

    sound!(clock);
    sound!(delivery);
    sound!(core);
    sound!(counting);
}

#[test]
fn a_device_that_never_encrypts_is_blocked_without_cause() {
    let report = run_with(NoSessions);
    assert_raises(&report, ViolationKind::BlockedWithoutCause);
    assert_eq!(report.decrypted, 0);
}
