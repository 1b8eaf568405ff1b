//! What the observer must find: real faults, one at a time, in the parts that a kiosk is built of. Everything else is
//! real in each of these runs, and the same run with sound parts has no violation.

use std::cell::RefCell;
use std::rc::Rc;

use pawl_core::flash::FlashStore;
use pawl_core::record::{DEVICE_RECORD_LENGTH, DeviceRecord, RoomRecord};
use pawl_core::session::{OutboundSession, SESSION_ID_LENGTH, SESSION_KEY_LENGTH, StorableSession};
use pawl_core::store::{Item, Store};
use pawl_core::{CiphertextTooLong, Device, Persistence, RoomId, VodozemacSession};
use pawl_sim_host::observer::ViolationKind;
use pawl_sim_host::parts::{Parts, SessionNotMade, SoundParts, WithoutCryptography};
use pawl_sim_host::power::{ADDRESSES, CAPACITY, Flash, LONGEST_ITEM, Rtc};
use pawl_sim_host::ratchet_index::RatchetIndex;
use pawl_sim_host::report::Report;
use pawl_sim_host::scenario::{Crypto, DAY_MS, HOUR_MS, OutageKind, RestartPlan, Scenario, When};
use pawl_sim_host::simulation::{self, Plan};
use rand_chacha::ChaCha20Rng;
use vodozemac::megolm::{GroupSession, GroupSessionPickle, SessionConfig};

/// The first three days of the default scenario.
fn three_days() -> Scenario {
    Scenario { duration_ms: 3 * DAY_MS, ..Scenario::kiosk_month() }
}

fn run_with(parts: impl Parts) -> Report {
    run(&three_days(), parts)
}

fn run(scenario: &Scenario, parts: impl Parts) -> Report {
    simulation::run(&Plan::new(scenario, 1), parts, |_| {})
}

/// A day, in which the kiosk restarts in these ways at these hours.
fn day_with(outages: &[(u64, OutageKind, u64)]) -> Scenario {
    let restart = |&(hour, kind, off_ms): &_| RestartPlan { at: When::once(hour * HOUR_MS), kind, off_ms };
    let restarts = outages.iter().map(restart).collect();
    Scenario { duration_ms: DAY_MS, restarts, ..Scenario::kiosk_month() }
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

        fn make_session(
            &mut self,
            room: usize,
            random: &mut ChaCha20Rng,
        ) -> Result<VodozemacSession, SessionNotMade> {
            SoundParts.make_session(room, random)
        }
    };
    (counter) => {
        fn counter_at(&self, since_boot_ms: u64) -> u64 {
            SoundParts.counter_at(since_boot_ms)
        }
    };
    (rtc_count) => {
        fn rtc_count(&self, true_ms: u64, off_ms: u64) -> u64 {
            SoundParts.rtc_count(true_ms, off_ms)
        }
    };
    (rtc_setting) => {
        fn set_rtc(&mut self, rtc: &mut Rtc) {
            SoundParts.set_rtc(rtc);
        }
    };
    (clocks) => {
        sound!(counter);
        sound!(rtc_count);
        sound!(rtc_setting);
    };
    (flash) => {
        fn while_off(&mut self, _true_ms: u64, _flash: &mut Flash) {}
    };
    (delivery) => {
        fn delivers_room_key(&mut self, _room: usize, _receiver: usize) -> bool {
            true
        }
    };
    (core) => {
        fn meddle<K: Persistence<Self::Session>>(
            &mut self,
            _true_ms: u64,
            _room: &str,
            _device: &mut Device<'_, Self::Session, K>,
        ) {
        }
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
    assert!(report.sessions_resumed > 0);
}

/// A session as vodozemac has it, with a fault.
struct FaultySession {
    session: GroupSession,
    /// How many messages were encrypted without being counted.
    uncounted_messages: u32,
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
        self.session.message_index() - self.uncounted_messages
    }

    fn encrypt<'o>(&mut self, plaintext: &[u8], out: &'o mut [u8]) -> Result<&'o str, CiphertextTooLong> {
        let before = self.session.pickle();
        let ciphertext = self.session.encrypt(plaintext).to_base64();
        if self.reuses_index == Some(self.session.message_index() - 1) {
            self.reuses_index = None;
            self.session = GroupSession::from_pickle(before);
        }
        if let Some(uncounted) = &self.uncounted {
            self.uncounted_messages += 1;
            *uncounted.borrow_mut() = Some(self.session.encrypt(plaintext).to_base64());
        }
        let place = out.get_mut(..ciphertext.len()).ok_or(CiphertextTooLong)?;
        place.copy_from_slice(ciphertext.as_bytes());
        str::from_utf8(place).map_err(|_| CiphertextTooLong)
    }
}

/// As vodozemac's own is stored, behind how many messages were not counted. It comes back without its fault.
impl StorableSession for FaultySession {
    const MAX_SECRET_LENGTH: usize = VodozemacSession::MAX_SECRET_LENGTH;

    fn write_secret(&self, message_index: u32, key: &[u8; 32], out: &mut [u8]) -> Option<usize> {
        let mut ahead = GroupSession::from_pickle(self.session.pickle());
        let to_go = message_index.checked_sub(self.message_index())?;
        let uncounted_to_go = if self.uncounted.is_some() { to_go } else { 0 };
        for _ in 0..to_go + uncounted_to_go {
            ahead.encrypt([]);
        }
        let pickle = ahead.pickle().encrypt(key);
        let (uncounted, rest) = out.split_first_chunk_mut()?;
        *uncounted = (self.uncounted_messages + uncounted_to_go).to_le_bytes();
        rest.get_mut(..pickle.len())?.copy_from_slice(pickle.as_bytes());
        Some(uncounted.len() + pickle.len())
    }

    fn read_secret(secret: &[u8], key: &[u8; 32]) -> Option<Self> {
        let (uncounted, pickle) = secret.split_first_chunk()?;
        let pickle = GroupSessionPickle::from_encrypted(str::from_utf8(pickle).ok()?, key).ok()?;
        let session = GroupSession::from_pickle(pickle);
        let uncounted_messages = u32::from_le_bytes(*uncounted);
        Some(FaultySession { session, uncounted_messages, uncounted: None, reuses_index: None })
    }
}

impl FaultySession {
    fn sound() -> Self {
        let session = GroupSession::new(SessionConfig::version_1());
        FaultySession { session, uncounted_messages: 0, uncounted: None, reuses_index: None }
    }
}

/// In the lobby every second message is encrypted without being counted.
#[derive(Default)]
struct CountNotIncremented(Rc<RefCell<Option<String>>>);

impl Parts for CountNotIncremented {
    type Session = FaultySession;

    fn make_session(
        &mut self,
        room: usize,
        _random: &mut ChaCha20Rng,
    ) -> Result<FaultySession, SessionNotMade> {
        let uncounted = (room == LOBBY).then(|| Rc::clone(&self.0));
        Ok(FaultySession { uncounted, ..FaultySession::sound() })
    }

    fn uncounted_ciphertext(&mut self) -> Option<String> {
        self.0.borrow_mut().take()
    }

    sound!(clocks);
    sound!(flash);
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
    fn meddle<K: Persistence<VodozemacSession>>(
        &mut self,
        true_ms: u64,
        room: &str,
        device: &mut Device<'_, VodozemacSession, K>,
    ) {
        if true_ms > DAY_MS && room.starts_with("!lobby") {
            device.forget(RoomId::new(room).unwrap()).unwrap();
            device.begin_resync();
            device.end_resync().unwrap();
        }
    }

    sound!(sessions);
    sound!(clocks);
    sound!(flash);
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
    fn counter_at(&self, _since_boot_ms: u64) -> u64 {
        SoundParts.counter_at(0)
    }

    sound!(rtc_count);
    sound!(rtc_setting);
    sound!(flash);
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

    fn make_session(
        &mut self,
        room: usize,
        _random: &mut ChaCha20Rng,
    ) -> Result<FaultySession, SessionNotMade> {
        let reuses_index = (room == LOBBY).then_some(8);
        Ok(FaultySession { reuses_index, ..FaultySession::sound() })
    }

    sound!(clocks);
    sound!(flash);
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
    sound!(clocks);
    sound!(flash);
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

    fn make_session(
        &mut self,
        _room: usize,
        _random: &mut ChaCha20Rng,
    ) -> Result<VodozemacSession, SessionNotMade> {
        Err(SessionNotMade)
    }

    sound!(clocks);
    sound!(flash);
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

// ---- over restarts ----

/// Every restart but the first brings back what was in the flash at the first.
#[derive(Default)]
struct FlashRolledBack(Option<Flash>);

impl Parts for FlashRolledBack {
    fn while_off(&mut self, _true_ms: u64, flash: &mut Flash) {
        *flash = self.0.get_or_insert_with(|| flash.clone()).clone();
    }

    sound!(sessions);
    sound!(clocks);
    sound!(delivery);
    sound!(core);
    sound!(counting);
}

#[test]
fn a_store_that_loses_what_it_stored_reuses_ratchet_indices() {
    let twice = day_with(&[(9, OutageKind::PowerCut, 1_000), (10, OutageKind::PowerCut, 1_000)]);
    assert_eq!(run(&twice, SoundParts).violations, []);
    assert_raises(&run(&twice, FlashRolledBack::default()), ViolationKind::RatchetIndexReused);
}

/// The real-time clock stands still while the kiosk is off, and nobody notices.
struct RtcStandsStill;

impl Parts for RtcStandsStill {
    fn rtc_count(&self, true_ms: u64, off_ms: u64) -> u64 {
        true_ms - off_ms
    }

    sound!(sessions);
    sound!(counter);
    sound!(rtc_setting);
    sound!(flash);
    sound!(delivery);
    sound!(core);
    sound!(counting);
}

#[test]
fn a_real_time_clock_that_stands_still_is_a_session_over_its_age_limit() {
    let off = day_with(&[(9, OutageKind::PowerOff, 3 * HOUR_MS)]);
    assert_eq!(run(&off, SoundParts).violations, []);
    assert_raises(&run(&off, RtcStandsStill), ViolationKind::SessionOverAgeLimit);
}

/// The real-time clock is set while the kiosk is off, and its setting number stays the same.
struct RtcSetSilently;

impl Parts for RtcSetSilently {
    fn set_rtc(&mut self, _rtc: &mut Rtc) {}

    sound!(sessions);
    sound!(counter);
    sound!(rtc_count);
    sound!(flash);
    sound!(delivery);
    sound!(core);
    sound!(counting);
}

#[test]
fn a_session_whose_age_cannot_be_known_any_more_is_one_that_should_have_been_replaced() {
    let set = day_with(&[(9, OutageKind::ClockSet, 1_000)]);
    assert_eq!(run(&set, SoundParts).violations, []);
    assert_raises(&run(&set, RtcSetSilently), ViolationKind::SessionSurvivedRotationEvent);
}

/// While the kiosk is off, the record of the lobby is replaced by one that says that its place is free, and the device's by
/// one that knows of one room less.
struct RoomForgotten;

impl Parts for RoomForgotten {
    fn while_off(&mut self, _true_ms: u64, flash: &mut Flash) {
        let mut buffer = [0; FlashStore::<&mut Flash>::buffer_length(LONGEST_ITEM)];
        let mut store = FlashStore::new(flash, ADDRESSES, LONGEST_ITEM, &mut buffer).unwrap();
        let free = RoomRecord { room: None, sessions_made: 1 };
        for place in 0..u16::try_from(CAPACITY).unwrap() {
            let mut bytes = [0; LONGEST_ITEM];
            let Some(length) = store.load(Item::Room(place), &mut bytes).unwrap() else {
                continue;
            };
            let record = RoomRecord::from_bytes(&bytes[..length], place).unwrap();
            if record.room.is_some_and(|room| room.id.as_str().starts_with("!lobby")) {
                store.store(Item::Room(place), &free.to_bytes(place)).unwrap();
            }
        }
        let mut bytes = [0; DEVICE_RECORD_LENGTH];
        store.load(Item::Device, &mut bytes).unwrap();
        let device = DeviceRecord::from_bytes(&bytes).unwrap();
        let device = DeviceRecord { rooms: device.rooms - 1, ..device };
        store.store(Item::Device, &device.to_bytes()).unwrap();
    }

    sound!(sessions);
    sound!(clocks);
    sound!(delivery);
    sound!(core);
    sound!(counting);
}

#[test]
fn a_store_that_forgets_a_room_is_plaintext_after_encryption() {
    let cut = day_with(&[(9, OutageKind::PowerCut, 1_000)]);
    assert_raises(&run(&cut, RoomForgotten), ViolationKind::PlaintextAfterEncryption);
}

// ---- without cryptography ----

/// Sessions that encrypt nothing, and sound parts but for these and the counter.
macro_rules! without_cryptography {
    () => {
        type Session = RatchetIndex;

        const CRYPTO: Crypto = Crypto::None;

        sound!(rtc_count);
        sound!(rtc_setting);
        sound!(flash);
        sound!(delivery);
        sound!(core);
        sound!(counting);
    };
}

/// All rooms have the same session, which begins anew each time.
struct OneSessionForAll;

impl Parts for OneSessionForAll {
    without_cryptography!();
    sound!(counter);

    fn make_session(
        &mut self,
        _room: usize,
        _random: &mut ChaCha20Rng,
    ) -> Result<RatchetIndex, SessionNotMade> {
        Ok(RatchetIndex::numbered(1))
    }
}

/// The clock stands still.
#[derive(Default)]
struct AgeIgnoredWithoutCryptography(WithoutCryptography);

impl Parts for AgeIgnoredWithoutCryptography {
    without_cryptography!();

    fn make_session(
        &mut self,
        room: usize,
        random: &mut ChaCha20Rng,
    ) -> Result<RatchetIndex, SessionNotMade> {
        self.0.make_session(room, random)
    }

    fn counter_at(&self, _since_boot_ms: u64) -> u64 {
        0
    }
}

#[test]
fn what_is_wrong_is_found_without_cryptography_too() {
    assert_eq!(run_with(WithoutCryptography::default()).violations, []);
    assert_raises(&run_with(OneSessionForAll), ViolationKind::RatchetIndexReused);
    assert_raises(&run_with(AgeIgnoredWithoutCryptography::default()), ViolationKind::SessionOverAgeLimit);
}

/// In the lobby the core is made to replace its session for nothing, once a day.
#[derive(Default)]
struct ReplacedForNothing {
    day: u64,
}

impl Parts for ReplacedForNothing {
    fn meddle<K: Persistence<VodozemacSession>>(
        &mut self,
        true_ms: u64,
        room: &str,
        device: &mut Device<'_, VodozemacSession, K>,
    ) {
        if room.starts_with("!lobby") && true_ms / DAY_MS > self.day {
            self.day = true_ms / DAY_MS;
            let _noted = device.request_rotation(RoomId::new(room).unwrap()).unwrap();
        }
    }

    sound!(sessions);
    sound!(clocks);
    sound!(flash);
    sound!(delivery);
    sound!(counting);
}

#[test]
fn a_session_that_is_replaced_for_nothing_is_found() {
    let report = run_with(ReplacedForNothing::default());
    let found: Vec<_> = report.violations.iter().map(|violation| violation.kind).collect();
    assert_eq!(found, [ViolationKind::ReplacedWithoutCause; 2]);
}

/// Before each message to the lobby the core is made to believe that its history is shared.
struct HistoryTakenAsShared;

impl Parts for HistoryTakenAsShared {
    fn meddle<K: Persistence<VodozemacSession>>(
        &mut self,
        _true_ms: u64,
        room: &str,
        device: &mut Device<'_, VodozemacSession, K>,
    ) {
        if room.starts_with("!lobby") {
            let _noted = device.history_visibility_event(RoomId::new(room).unwrap(), "shared").unwrap();
        }
    }

    sound!(sessions);
    sound!(clocks);
    sound!(flash);
    sound!(delivery);
    sound!(counting);
}

#[test]
fn a_room_key_that_says_that_history_is_shared_is_found() {
    assert_raises(&run_with(HistoryTakenAsShared), ViolationKind::WrongSharedHistory);
}
