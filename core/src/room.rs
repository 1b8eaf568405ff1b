//! One encrypted room: its settings in force, its outbound session, and the permit to send one message.
//!
//! That a [`Room`] exists is the latch: it is made by the first `m.room.encryption` event, whatever that says, and
//! nothing in here makes a room plaintext again (S1). A [`Decision`] says what a message needs (T2–T4); the
//! [`Permit`] in it borrows the room, so that nothing can happen to it between the decision and its use, and
//! using it counts the message (T9). What is written to the store on the way is for `place`.

use core::marker::PhantomData;

use zeroize::Zeroize;

use crate::clock::{NO_EPOCH, Now};
use crate::event::{self, Event, SendingDevice, WriteError};
use crate::record::{RoomRecord, StoredRoom};
use crate::rooms::RoomId;
use crate::rotation::{PendingReasons, RotationReason, Usage, expires_in_ms, reason_to_rotate};
use crate::sealed::SealedUsage;
use crate::session::OutboundSession;
use crate::settings::{ChangePolicy, Limits, Reading, Settings};
use crate::store::StoreError;

/// Why nothing may be sent to a room, not even as plaintext.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum BlockReason {
    /// The device does not know every encrypted room: it has not yet been told them all, or has forgotten one (K1).
    StateUnknown,
    /// An encrypted room found no place in the table (K2).
    Capacity,
    /// What the device had stored was damaged (K1, B5).
    StoreDamaged,
    /// The room is encrypted by an algorithm that is not supported (S4).
    UnsupportedAlgorithm,
    /// The room is encrypted, and its settings are not to be understood (S4).
    MalformedSettings,
    /// The room is not encrypted, and the device never sends plaintext (K6).
    PlaintextForbidden,
}

impl BlockReason {
    /// A stable name for logs and files, such as `state_unknown`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            BlockReason::StateUnknown => "state_unknown",
            BlockReason::Capacity => "capacity",
            BlockReason::StoreDamaged => "store_damaged",
            BlockReason::UnsupportedAlgorithm => "unsupported_algorithm",
            BlockReason::MalformedSettings => "malformed_settings",
            BlockReason::PlaintextForbidden => "plaintext_forbidden",
        }
    }
}

impl core::fmt::Display for BlockReason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            BlockReason::StateUnknown => "it is not known whether the room is encrypted; resync",
            BlockReason::Capacity => "an encrypted room found no place in the table; enlarge it, then resync",
            BlockReason::StoreDamaged => "stored state was damaged; resync",
            BlockReason::UnsupportedAlgorithm => {
                "the room is encrypted by an algorithm that is not supported"
            }
            BlockReason::MalformedSettings => "the room is encrypted, and its settings cannot be understood",
            BlockReason::PlaintextForbidden => {
                "the room is not encrypted, and this device never sends plaintext"
            }
        })
    }
}

/// What an `m.room.encryption` event changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Effect {
    /// The room has its first settings, or the first after a reset (S2, S5).
    Enabled,
    /// The room is encrypted and has no usable settings: nothing is sent (S4).
    Blocked,
    /// The event is not followed; the settings in force stay (S3 `Freeze`, S4).
    Rejected,
    /// A limit is lower than before and none is higher.
    Tightened,
    /// A limit is higher than before and none is lower.
    Loosened,
    /// One limit is lower and one is higher.
    Changed,
    /// Both limits are what they were. Whether state events are encrypted is not looked at here.
    Unchanged,
}

impl core::fmt::Display for Effect {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Effect::Enabled => "the room is encrypted with these settings",
            Effect::Blocked => "the room is encrypted and has no usable settings, so nothing is sent",
            Effect::Rejected => "the event is not followed; the settings in force stay",
            Effect::Tightened => "sessions are replaced sooner than before",
            Effect::Loosened => "sessions are replaced later than before",
            Effect::Changed => "one limit is lower than before and the other higher",
            Effect::Unchanged => "the limits are what they were",
        })
    }
}

impl Effect {
    /// A stable name for logs and files, such as `enabled`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Effect::Enabled => "enabled",
            Effect::Blocked => "blocked",
            Effect::Rejected => "rejected",
            Effect::Tightened => "tightened",
            Effect::Loosened => "loosened",
            Effect::Changed => "changed",
            Effect::Unchanged => "unchanged",
        }
    }

    fn between(before: &Settings, after: &Settings) -> Self {
        let lower = after.rotation_period_msgs < before.rotation_period_msgs
            || after.rotation_period_ms < before.rotation_period_ms;
        let higher = after.rotation_period_msgs > before.rotation_period_msgs
            || after.rotation_period_ms > before.rotation_period_ms;
        match (lower, higher) {
            (false, false) => Effect::Unchanged,
            (true, false) => Effect::Tightened,
            (false, true) => Effect::Loosened,
            (true, true) => Effect::Changed,
        }
    }
}

/// A session that devices have still to be given the key of, by value, so that sharing may take its time: the room's
/// place and the session's number. It is for the device that made it, and good until that session is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "nothing can be sent to the room until the room key was shared"]
pub struct ShareRequest {
    pub(crate) slot: u16,
    pub(crate) session_number: u32,
    /// Whether the session waits for this share (T8); later ones hold nothing up (E5).
    pub(crate) first: bool,
    /// Why the session was made, on the request whose decision made it.
    pub started: Option<RotationReason>,
}

/// What a message to a room needs.
#[must_use = "a message is sent by using the permit in here, or not at all"]
pub enum Decision<'a, S> {
    /// The room is not encrypted: the message goes out as it is (T1).
    Plaintext(PlaintextPermit<'a>),
    /// Nothing may be sent (T2).
    Blocked(BlockReason),
    /// The room key must be shared before anything is sent (T8).
    Share(ShareRequest),
    /// The message may be encrypted (T4).
    Encrypt(Permit<'a, S>),
}

impl<S> core::fmt::Debug for Decision<'_, S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Decision::Plaintext(permit) => f.debug_tuple("Plaintext").field(permit).finish(),
            Decision::Blocked(reason) => f.debug_tuple("Blocked").field(reason).finish(),
            Decision::Share(request) => f.debug_tuple("Share").field(request).finish(),
            Decision::Encrypt(permit) => f.debug_tuple("Encrypt").field(permit).finish(),
        }
    }
}

/// Leave to send one message to a room that is not encrypted. It borrows the device, so the room cannot become
/// encrypted while it is held; hand the message to the transport, then drop it.
#[derive(Debug)]
#[must_use]
pub struct PlaintextPermit<'a> {
    _device: PhantomData<&'a mut ()>,
}

impl PlaintextPermit<'_> {
    pub(crate) fn new() -> Self {
        PlaintextPermit { _device: PhantomData }
    }
}

/// Leave to encrypt one message. It borrows the room: nothing can happen to the session between the decision and
/// its use, and it cannot be used twice. Use or drop it at once, never across a wait: the age it was given for is that of
/// the clock's last reading. Dropped unused, nothing was sent and nothing is counted.
#[must_use = "a permit is used to encrypt one message; dropped, nothing was sent"]
pub struct Permit<'a, S> {
    room_id: RoomId<'a>,
    outbound: &'a mut Outbound<S>,
}

impl<S> core::fmt::Debug for Permit<'_, S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Permit").field("room_id", &self.room_id).finish_non_exhaustive()
    }
}

/// An `m.room.encrypted` content that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Encrypted {
    /// The content's length in bytes.
    pub length: usize,
    /// The ratchet index that the message has.
    pub message_index: u32,
}

/// Why a message was not encrypted. It was counted all the same (T9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum EncryptError<E> {
    /// The payload or the event's content could not be written.
    Write(WriteError),
    /// The session refused.
    Session(E),
}

impl<E> From<WriteError> for EncryptError<E> {
    fn from(error: WriteError) -> Self {
        EncryptError::Write(error)
    }
}

impl<E: core::fmt::Display> core::fmt::Display for EncryptError<E> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            EncryptError::Write(error) => error.fmt(f),
            EncryptError::Session(error) => error.fmt(f),
        }
    }
}

impl<E: core::error::Error> core::error::Error for EncryptError<E> {}

impl<S: OutboundSession> Permit<'_, S> {
    /// Counts the message, encrypts it and writes the content of its `m.room.encrypted` event to `out`.
    ///
    /// `scratch` holds the payload and behind it the ciphertext, and is wiped in the end. For a content of *n* bytes,
    /// `3n + 1,500` bytes of scratch and `2n + 1,300` of `out` are enough where the event's type, the room ID and the
    /// device ID have at most 255 bytes each and hold no character that JSON escapes.
    ///
    /// # Errors
    /// Whatever goes wrong, the message stays counted (T9).
    pub fn encrypt(
        self,
        event: &Event<'_>,
        device: &SendingDevice<'_>,
        scratch: &mut [u8],
        out: &mut [u8],
    ) -> Result<Encrypted, EncryptError<S::Error>> {
        self.outbound.messages = self.outbound.messages.saturating_add(1); // T9: counted first
        let message_index = self.outbound.session.message_index();
        let result = self.encrypt_counted(event, device, scratch, out);
        scratch.zeroize();
        Ok(Encrypted { length: result?, message_index })
    }

    fn encrypt_counted(
        self,
        event: &Event<'_>,
        device: &SendingDevice<'_>,
        scratch: &mut [u8],
        out: &mut [u8],
    ) -> Result<usize, EncryptError<S::Error>> {
        let length = event::write_payload(event, self.room_id, scratch)?;
        let (payload, rest) = scratch.split_at_mut_checked(length).ok_or(WriteError::BufferTooSmall)?;
        let session = &mut self.outbound.session;
        let ciphertext = session.encrypt(payload, rest).map_err(EncryptError::Session)?;
        Ok(event::write_encrypted(session, ciphertext, device, out)?)
    }
}

/// Why there was no decision; nothing was sent and nothing has changed (T11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum DecideError<E> {
    /// A new session was needed and could not be made.
    Session(E),
    /// The room's place has made 2³² − 1 sessions. Only storage that is made anew mends that.
    Exhausted,
    /// What had to be stored first could not be (B1, B2).
    Store(StoreError),
}

impl<E> From<StoreError> for DecideError<E> {
    fn from(error: StoreError) -> Self {
        DecideError::Store(error)
    }
}

impl<E: core::fmt::Display> core::fmt::Display for DecideError<E> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            DecideError::Session(error) => write!(f, "no new session could be made: {error}"),
            DecideError::Exhausted => f.write_str("too many sessions were made for this place of the table"),
            DecideError::Store(error) => error.fmt(f),
        }
    }
}

impl<E: core::error::Error> core::error::Error for DecideError<E> {}

/// An outbound session and what the core knows of it.
struct Outbound<S> {
    /// When it was made, in milliseconds of the timeline.
    created_ms: u64,
    /// Messages that were counted.
    messages: u32,
    /// The epoch of the timeline in which it was made.
    epoch: u32,
    /// A session that is kept is stored with this count and index; none is given below them (B2).
    mark: u32,
    /// What has happened since it was made.
    pending: PendingReasons,
    /// Whether its key was first shared (T8).
    shared: bool,
    /// The room's flag when the session was made, as its room key says (T10).
    shared_history: bool,
    kept: Kept,
    session: S,
}

/// Whether a session is to outlive a restart (B3, B4).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// It is not.
    No,
    /// It is stored once it is shared.
    WhenShared,
    /// It is in the store, or may be: storing it has been tried.
    InStore,
}

impl<S> Outbound<S> {
    #[inline]
    fn usage(&self) -> Usage {
        Usage {
            messages: self.messages,
            created_ms: self.created_ms,
            epoch: self.epoch,
            pending: self.pending,
        }
    }

    /// Whether it may come back after a restart, so that what happens to it has to be stored as well.
    fn is_stored(&self) -> bool {
        self.kept == Kept::InStore
    }
}

/// One encrypted room.
pub(crate) struct Room<S> {
    /// The settings, or why there are none (S4).
    in_force: Result<Settings, BlockReason>,
    /// The next usable content becomes the room's settings as the first one did (S5).
    reset: bool,
    /// Whether the history visibility lets newcomers have keys (E3). Not known: taken as `joined`.
    shared_history: bool,
    /// Whether the room's record in the store is older than this (B1).
    unsaved: bool,
    /// How many sessions this place ever made, for whichever room: the number of its session, if it has one. It is
    /// never given twice, so a [`ShareRequest`] for a session that was replaced, or whose room was forgotten, is never
    /// taken for another; nor is a session that was stored for one.
    sessions_made: u32,
    outbound: Option<Outbound<S>>,
}

/// What of a room's state an event can change, beside its session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Policy {
    in_force: Result<Settings, BlockReason>,
    reset: bool,
}

/// What a room takes in RAM besides its session and its ID, on every target.
const _: () = assert!(size_of::<Room<()>>() <= 48);

impl<S> Room<S> {
    /// A room of which no content has been applied yet.
    pub(crate) const fn new() -> Self {
        Room {
            in_force: Err(BlockReason::MalformedSettings),
            reset: false,
            shared_history: false,
            unsaved: false,
            sessions_made: 0,
            outbound: None,
        }
    }

    /// Makes it a new room; what it held is dropped.
    pub(crate) fn clear(&mut self) {
        *self = Room { sessions_made: self.sessions_made, ..Room::new() };
    }

    pub(crate) fn sessions_made(&self) -> u32 {
        self.sessions_made
    }

    pub(crate) fn set_sessions_made(&mut self, sessions_made: u32) {
        self.sessions_made = sessions_made;
    }

    pub(crate) fn settings(&self) -> Option<Settings> {
        self.in_force.ok()
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy { in_force: self.in_force, reset: self.reset }
    }

    /// B1: the safer of what was and what is, when that could not be stored: for each setting the tighter value, and
    /// what was where there were no settings.
    pub(crate) fn keep_the_safer(&mut self, before: Policy) {
        let reset = before.reset;
        let in_force = match (before.in_force, self.in_force) {
            (Ok(before), Ok(now)) => Ok(ChangePolicy::Ratchet.change(before, now)),
            (before, _) => before,
        };
        (self.in_force, self.reset) = (in_force, reset);
    }

    /// S2–S5.
    pub(crate) fn apply(&mut self, reading: &Reading, policy: ChangePolicy) -> Effect {
        let before = self.policy();
        let effect = self.apply_reading(reading, policy);
        self.unsaved |= self.policy() != before;
        effect
    }

    fn apply_reading(&mut self, reading: &Reading, policy: ChangePolicy) -> Effect {
        match (reading, self.in_force) {
            (Reading::Usable(new, _), Ok(current)) if !self.reset => {
                let next = policy.change(current, *new); // S3
                self.in_force = Ok(next);
                let frozen = policy == ChangePolicy::Freeze;
                match Effect::between(&current, if frozen { new } else { &next }) {
                    Effect::Unchanged => Effect::Unchanged,
                    _ if frozen => Effect::Rejected,
                    effect => effect,
                }
            }
            (Reading::Usable(new, _), _) => {
                self.in_force = Ok(*new); // S2
                self.reset = false; // S5
                Effect::Enabled
            }
            (_, Ok(_)) => Effect::Rejected, // S4
            (Reading::Unsupported, Err(_)) => self.block(BlockReason::UnsupportedAlgorithm),
            (Reading::Malformed(_), Err(_)) => self.block(BlockReason::MalformedSettings),
        }
    }

    /// S4: blocked, for the latest event's cause.
    fn block(&mut self, reason: BlockReason) -> Effect {
        self.in_force = Err(reason);
        Effect::Blocked
    }

    /// S5.
    pub(crate) fn reset_settings(&mut self) {
        self.unsaved |= !self.reset;
        self.reset = true;
    }

    /// A reason counts against the session there is; with none there is nothing to count against (T10).
    /// Returns whether there is one.
    pub(crate) fn end_session(&mut self, reason: RotationReason) -> bool {
        match &mut self.outbound {
            Some(outbound) => {
                let pending = outbound.pending.with(reason);
                self.unsaved |= outbound.is_stored() && pending != outbound.pending; // B1
                outbound.pending = pending;
                true
            }
            None => false,
        }
    }

    /// E3. Returns whether a session must be replaced for it.
    pub(crate) fn set_shared_history(&mut self, shared_history: bool) -> bool {
        if self.shared_history == shared_history {
            return false;
        }
        self.shared_history = shared_history;
        self.unsaved = true;
        self.end_session(RotationReason::HistoryVisibility)
    }

    /// The session there is, as a request to share it from its current index on (E5).
    pub(crate) fn share_request(&self, slot: u16) -> Option<ShareRequest> {
        self.outbound.as_ref()?;
        Some(ShareRequest { slot, session_number: self.sessions_made, first: false, started: None })
    }

    /// Whether the session is that of a request.
    pub(crate) fn has_session(&self, request: &ShareRequest) -> bool {
        self.outbound.is_some() && self.sessions_made == request.session_number
    }

    /// Whether a session has to be stored before it counts as shared (B2, B4). What happened to it so far has to be as well.
    pub(crate) fn must_be_stored_to_be_shared(&mut self) -> bool {
        match &self.outbound {
            Some(outbound) if outbound.kept != Kept::No && !outbound.shared => {
                self.unsaved |= outbound.pending != PendingReasons::NONE;
                true
            }
            _ => false,
        }
    }

    /// T8.
    pub(crate) fn set_shared(&mut self) {
        if let Some(outbound) = &mut self.outbound {
            outbound.shared = true;
        }
    }

    /// The session of that number and the flag it was made with, if it is still there.
    pub(crate) fn session(&self, session_number: u32) -> Option<(&S, bool)> {
        let outbound = self.outbound.as_ref()?;
        (self.sessions_made == session_number).then_some((&outbound.session, outbound.shared_history))
    }

    /// Why the next message would start a new session (T3, T4); `None` if it would not.
    ///
    /// # Errors
    /// There are no settings to go by (T2).
    #[inline]
    pub(crate) fn reason_to_rotate(&self, now: Now) -> Result<Option<RotationReason>, BlockReason> {
        let settings = self.in_force.as_ref().map_err(|&reason| reason)?;
        Ok(match &self.outbound {
            None => Some(RotationReason::NoSession), // T3
            Some(outbound) => reason_to_rotate(&outbound.usage(), settings, now),
        })
    }

    /// When the session's age is up (T6); `None` without a session or settings.
    pub(crate) fn expires_in_ms(&self, now: Now) -> Option<u64> {
        Some(expires_in_ms(&self.outbound.as_ref()?.usage(), &self.settings()?, now))
    }

    /// The number of the next session, if there is one more.
    pub(crate) fn next_session_number(&self) -> Option<u32> {
        self.sessions_made.checked_add(1)
    }

    /// T10. The session there was is dropped.
    pub(crate) fn begin_session(&mut self, session: S, number: u32, now: Now, kept: bool) {
        let Usage { messages, created_ms, epoch, pending } = Usage::begin(now);
        self.outbound = Some(Outbound {
            created_ms,
            messages,
            epoch,
            mark: 0,
            pending,
            shared: false,
            shared_history: self.shared_history,
            kept: if kept { Kept::WhenShared } else { Kept::No },
            session,
        });
        self.sessions_made = number;
    }

    /// What the room's session lets happen to the next message (T8).
    pub(crate) fn decision<'a>(
        &'a mut self,
        room_id: RoomId<'a>,
        slot: u16,
        started: Option<RotationReason>,
    ) -> Decision<'a, S> {
        match &mut self.outbound {
            Some(outbound) if outbound.shared => Decision::Encrypt(Permit { room_id, outbound }),
            Some(_) => Decision::Share(ShareRequest {
                slot,
                session_number: self.sessions_made,
                first: true,
                started,
            }),
            // There is one by now; were there none, nothing would be sent.
            None => Decision::Blocked(BlockReason::StateUnknown),
        }
    }

    // ---- what is stored ----

    pub(crate) fn is_unsaved(&self) -> bool {
        self.unsaved
    }

    pub(crate) fn set_unsaved(&mut self, unsaved: bool) {
        self.unsaved = unsaved;
    }

    /// The room's record (B1).
    pub(crate) fn record<'r>(&self, id: RoomId<'r>) -> RoomRecord<'r> {
        let session = self.outbound.as_ref();
        RoomRecord {
            room: Some(StoredRoom {
                id,
                in_force: self.in_force,
                reset: self.reset,
                shared_history: self.shared_history,
                pending: session.map_or(PendingReasons::NONE, |session| session.pending),
                age_unknown: session.is_some_and(|session| session.epoch == NO_EPOCH),
            }),
            sessions_made: self.sessions_made,
        }
    }

    /// The room as its record has it.
    pub(crate) fn restore(&mut self, stored: &StoredRoom<'_>, limits: &Limits) {
        self.in_force = stored.in_force.map(|settings| settings.within(limits));
        self.reset = stored.reset;
        self.shared_history = stored.shared_history;
    }

    /// The room's session as it was stored (B2, B3); `age_ms` is `None` when it is not known.
    pub(crate) fn restore_session(
        &mut self,
        session: S,
        usage: &SealedUsage,
        pending: PendingReasons,
        age_ms: Option<u64>,
        now: Now,
    ) {
        self.outbound = Some(Outbound {
            created_ms: now.tick_begin_ms.saturating_sub(age_ms.unwrap_or_default()),
            messages: usage.mark,
            epoch: if age_ms.is_some() { now.epoch } else { NO_EPOCH },
            mark: usage.mark,
            pending,
            shared: true, // B4: no other is stored
            shared_history: usage.shared_history,
            kept: Kept::InStore,
            session,
        });
    }

    /// The room's session is dropped; the room stays.
    pub(crate) fn discard_session(&mut self) {
        self.outbound = None;
    }

    /// Whether the next message has none of the indices that are reserved for the session (B2).
    #[inline]
    pub(crate) fn is_at_mark(&self) -> bool {
        match &self.outbound {
            Some(outbound) => outbound.is_stored() && outbound.messages >= outbound.mark,
            None => false,
        }
    }

    /// The session is going to be stored with this mark. Until that has succeeded either mark may be the stored one.
    pub(crate) fn store_begins(&mut self, mark: u32) {
        if let Some(outbound) = &mut self.outbound {
            outbound.kept = Kept::InStore;
            outbound.mark = outbound.mark.min(mark);
        }
    }

    pub(crate) fn set_mark(&mut self, mark: u32) {
        if let Some(outbound) = &mut self.outbound {
            outbound.mark = mark;
        }
    }

    /// Whether the session is one that was shared and is stored.
    pub(crate) fn has_stored_session(&self) -> bool {
        self.outbound.as_ref().is_some_and(|outbound| outbound.shared && outbound.is_stored())
    }

    /// The session, what is known of it, and the flag it was made with.
    pub(crate) fn any_session(&self) -> Option<(&S, Usage, bool)> {
        let outbound = self.outbound.as_ref()?;
        Some((&outbound.session, outbound.usage(), outbound.shared_history))
    }
}
