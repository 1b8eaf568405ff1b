//! A kiosk's life from one start to the loss of power: what it sends, what it shares, and what it is told.

use pawl_core::clock::Sleep;
use pawl_core::membership::{Membership, PreviousMembership};
use pawl_core::{EncryptionEventError, Noted, ResyncError, ShareRequest};
use rand::RngExt;

use super::sync::Delivery;
use super::traffic::Waiting;
use super::{BACK_AFTER_MS, CUT_WORDS, Due, Happening, Outage, SESSIONS_KEPT, Sharing, Task, World};
use crate::cause::script::Op;
use crate::chronicle::What;
use crate::kiosk::{Attempt, Kiosk, PowerFailed, RoomKeyContent};
use crate::observer::PlainEvent;
use crate::parts::Parts;
use crate::power::{Keeping, KioskDevice, Memory};
use crate::ratchet_index::Use;
use crate::scenario::{Crypto, OutageKind, Range};

/// The device that runs, in the world it is in.
pub(super) struct Life<'m, 'w, 's, P: Parts, K: Keeping<P::Session>> {
    world: &'w mut World<'s, P>,
    device: KioskDevice<'m, P::Session, K>,
}

impl<'m, 'w, 's, P: Parts, K: Keeping<P::Session>> Life<'m, 'w, 's, P, K> {
    /// Lives until the next restart, or until the scenario is over, which is `None`.
    pub(super) fn live(
        world: &'w mut World<'s, P>,
        memory: &'m mut Memory<P::Session>,
    ) -> Result<Option<Outage>, PowerFailed> {
        let device = world.kiosk.boot::<K>(world.now_ms, memory)?;
        world.counter_is_read();
        let mut life = Self { world, device };
        life.world.running = true;
        life.catch_up()?;
        while let Some(task) = life.world.next_task(life.world.scenario.duration_ms) {
            match task {
                Task::Message { room, what } => life.new_message(room, what)?,
                Task::Sync => life.take_events()?,
                Task::ShareEnds { room, number } => life.share_ends(room, number)?,
                Task::CutInShare(outage) => return Ok(Some(outage)),
                Task::ReadCounter => life.read_counter()?,
                Task::Resync => life.resync_if_due()?,
                Task::Sleep { for_ms, known } => {
                    if !life.sleep(for_ms, known)? {
                        return Ok(None);
                    }
                }
                Task::Outage(outage) => {
                    if let Some(outage) = life.outage(outage)? {
                        return Ok(Some(outage));
                    }
                }
            }
        }
        Ok(None)
    }

    /// What an application does after a start, before it sends anything: it takes the events since its sync token (K5), then
    /// resyncs if it has to (K4). What could not be stored so comes before anything that is newer.
    fn catch_up(&mut self) -> Result<(), PowerFailed> {
        self.take_events()?;
        if self.device.incomplete().is_some() {
            self.resync()?;
        }
        self.send_everything()
    }

    fn send_everything(&mut self) -> Result<(), PowerFailed> {
        (0..self.world.rooms.len()).try_for_each(|room| self.send_outbox(room))
    }

    /// The kiosk is back in the rooms that it has forgotten.
    fn resync_if_due(&mut self) -> Result<(), PowerFailed> {
        if self.world.resync_is_due {
            self.resync()?;
            self.send_everything()?;
        }
        Ok(())
    }

    fn resync(&mut self) -> Result<(), PowerFailed> {
        self.device.begin_resync();
        self.world.observer.resync_begun();
        self.world.records(|record, at| record.resync(at, Op::ResyncBegin));
        for room in 0..self.world.rooms.len() {
            for happening in self.world.current_state(room) {
                self.tell(Delivery { room, happening, again: true })?;
            }
        }
        match self.device.end_resync() {
            Err(ResyncError::EventRefused) => {} // too many rooms: those that are not known stay blocked
            result => self.world.kiosk.unless_power_failed(result)?,
        }
        self.world.observer.resync_ended();
        self.world.records(|record, at| record.resync(at, Op::ResyncEnd));
        self.world.resync_is_due = false;
        Ok(())
    }

    fn outage(&mut self, outage: Outage) -> Result<Option<Outage>, PowerFailed> {
        match outage.kind {
            OutageKind::Clean => {
                self.world.counter_is_read();
                self.world.kiosk.shut_down::<K>(self.world.now_ms, &mut self.device)?;
                self.world.sync.store_token();
            }
            OutageKind::PowerCutInWrite => {
                self.world.cut_in_write(CUT_WORDS, outage.kind, outage.off_ms);
                return Ok(None);
            }
            OutageKind::PowerCutInShare => {
                self.world.cut_in_share = Some(outage);
                return Ok(None);
            }
            _ => {}
        }
        Ok(Some(outage))
    }

    fn read_counter(&mut self) -> Result<(), PowerFailed> {
        self.world.counter_is_read();
        self.world.kiosk.read_counter::<K>(self.world.now_ms, &mut self.device)
    }

    /// Sleeps, and takes account of it (C5). Returns whether the scenario goes on after that.
    fn sleep(&mut self, for_ms: u64, known: bool) -> Result<bool, PowerFailed> {
        let world = &mut *self.world;
        world.sleeps += 1;
        world.record_of_all(What::Asleep);
        let (counter, since_boot_ms) = world.kiosk.counter(world.now_ms);
        counter.stands_still(since_boot_ms, for_ms);
        world.running = false;
        if !world.do_nothing_for(for_ms) {
            return Ok(false);
        }
        world.running = true;
        world.records(|record, at| record.slept(at, for_ms, known));
        let slept = if known {
            world.observer.slept(for_ms);
            self.device.slept(Sleep::KnownMs(for_ms))
        } else {
            self.device.slept(Sleep::Unknown)
        };
        self.world.record_of_all(What::Awake { known });
        self.world.kiosk.unless_power_failed(slept)?;
        if !known {
            // Where the power failed before that was stored (B1), the device starts as one that has not slept.
            self.world.observer.slept_unknown(self.world.now_ms, for_ms);
        }
        self.take_events()?;
        if self.world.resync_is_due {
            self.resync()?;
        }
        self.send_everything()?;
        Ok(true)
    }

    // ---- what the kiosk has to send ----

    #[inline]
    fn new_message(&mut self, room: usize, what: &'static str) -> Result<(), PowerFailed> {
        let made_ms = self.world.now_ms;
        let here = &mut self.world.rooms[room];
        here.messages_made += 1;
        here.outbox.push_back(Waiting { number: here.messages_made, made_ms, what });
        self.send_outbox(room)
    }

    /// Sends what waits, until the room key has to be shared first. A message is taken from the outbox when it was sent.
    fn send_outbox(&mut self, room: usize) -> Result<(), PowerFailed> {
        while self.world.rooms[room].sharing.is_none() {
            let Some(message) = self.world.rooms[room].outbox.front() else {
                break;
            };
            message.write_content(P::CRYPTO, &mut self.world.content);
            self.world.counter_is_read();
            let World { now_ms, kiosk, rooms, content, .. } = &mut *self.world;
            let attempt = kiosk.try_send::<K>(*now_ms, &mut self.device, room, rooms[room].id, content)?;
            self.session_was_made(room);
            let World { now_ms, rooms, observer, .. } = &mut *self.world;
            let waits =
                matches!(attempt, Attempt::Share(_)) && observer.asked_to_share(*now_ms, rooms[room].seen);
            self.world.records(|record, at| record.asked_to_send(at, room, !waits));
            match attempt {
                Attempt::Plaintext => self.emit_plaintext(room),
                Attempt::Encrypted => self.emit(room),
                Attempt::Unencrypted(used) => {
                    let World { now_ms, rooms, observer, .. } = &mut *self.world;
                    let Use { session_id, message_index } = &used;
                    observer.message_without_cryptography(
                        *now_ms,
                        rooms[room].seen,
                        session_id,
                        *message_index,
                    );
                }
                Attempt::Blocked(reason) => self.not_sent(room, reason.name()),
                Attempt::NoSession => self.not_sent(room, "no_session"),
                Attempt::NotStored => self.not_sent(room, "not_stored"),
                Attempt::Share(request) if waits => {
                    self.share_begins(room, request);
                    break;
                }
                Attempt::Share(_) => {} // nor would the next share end that: the message is given up
            }
            let here = &mut self.world.rooms[room];
            here.outbox.pop_front();
            here.shares_in_a_row = 0;
        }
        Ok(())
    }

    /// The observer hears of a session from whoever made it.
    #[inline]
    fn session_was_made(&mut self, room: usize) {
        let World { now_ms, kiosk, rooms, observer, .. } = &mut *self.world;
        if let Some(session_id) = kiosk.session_made() {
            let session_id = String::from_utf8_lossy(&session_id);
            observer.session_made(*now_ms, rooms[room].id.as_str(), &session_id);
        }
    }

    fn not_sent(&mut self, room: usize, reason: &'static str) {
        let here = &mut self.world.rooms[room];
        here.counts.blocked += 1;
        here.counts.block_reason = Some(reason);
        self.world.observer.not_sent(self.world.now_ms, here.id.as_str());
        let until_ms = self.world.now_ms;
        self.world.record(room, |_| What::NotSent { reason, count: 1, until_ms });
    }

    fn emit_plaintext(&mut self, room: usize) {
        let World { now_ms, rooms, observer, content, .. } = &mut *self.world;
        observer.message(*now_ms, rooms[room].id.as_str(), "m.room.message", content);
        let until_ms = self.world.now_ms;
        self.world.record(room, |_| What::Plaintext { count: 1, until_ms });
    }

    /// The message that was encrypted goes out: everybody in the room gets it, and the observer sees it.
    fn emit(&mut self, room: usize) {
        let kiosk = &mut self.world.kiosk;
        let (encrypted, uncounted) = (kiosk.encrypted().to_vec(), kiosk.uncounted_message());
        self.emit_encrypted(room, &encrypted);
        if let Some(uncounted) = uncounted {
            self.emit_encrypted(room, &uncounted);
        }
    }

    fn emit_encrypted(&mut self, room: usize, emitted: &[u8]) {
        let World { now_ms, rooms, observer, content, .. } = &mut *self.world;
        let here = &mut rooms[room];
        let id = here.id.as_str();
        observer.message(*now_ms, id, "m.room.encrypted", emitted);
        let sent = PlainEvent { event_type: "m.room.message", content };
        for receiver in &mut here.receivers {
            let result = receiver.receive_room_event(id, emitted);
            let got = match &result {
                Ok(decrypted) => {
                    here.counts.decrypted += 1;
                    Ok(PlainEvent {
                        event_type: &decrypted.event_type,
                        content: decrypted.content.get().as_bytes(),
                    })
                }
                Err(error) => Err(error as &dyn std::fmt::Display),
            };
            let name = receiver.keys().device_id.clone();
            observer.received(*now_ms, id, &name, sent, got);
        }
    }

    // ---- room keys ----

    /// The room key goes out to everybody in the room: to every other device at once, to the rest when the share ends.
    /// Whether it succeeded is known only then. A share that fails reaches nobody.
    fn share_begins(&mut self, room: usize, request: ShareRequest) {
        if let Some(reason) = request.started {
            *self.world.rooms[room].counts.rotations.entry(reason.name()).or_default() += 1;
            self.world.record_rotation(room, reason);
        } else {
            self.world.record(room, |_| What::ShareBegins);
        }
        let plan = &self.world.scenario.network;
        let network = &mut self.world.network;
        let succeeds = plan.share_fails_one_in == 0 || network.random_range(0..plan.share_fails_one_in) != 0;
        let Range(least, most) = plan.share_takes;
        let takes_ms = if succeeds {
            network.random_range(u64::from(least)..=u64::from(most))
        } else {
            plan.share_timeout
        };
        let devices = self.world.rooms[room].devices.clone();
        if succeeds {
            self.send_room_keys(room, devices.clone().step_by(2), &request);
        }
        let began_ms = self.world.now_ms;
        self.world.begin_share(room, takes_ms, |number| Sharing {
            request,
            number,
            began_ms,
            succeeds,
            devices,
        });
    }

    fn share_ends(&mut self, room: usize, number: u64) -> Result<(), PowerFailed> {
        let Some(Sharing { request, began_ms, succeeds, devices, .. }) = self.world.end_share(room, number)
        else {
            return Ok(()); // it was lost with the power
        };
        let took_ms = self.world.now_ms - began_ms;
        if succeeds {
            self.world.record(room, |_| What::ShareSucceeds { took_ms });
            let still_there = self.world.rooms[room].devices.clone();
            let waited = devices.skip(1).step_by(2).filter(|device| still_there.contains(device));
            self.send_room_keys(room, waited, &request);
            self.world.rooms[room].counts.key_shares += 1;
            self.key_is_shared(room, &request);
            self.world.kiosk.shared::<K>(&mut self.device, &request)?;
        } else {
            self.world.record(room, |_| What::ShareFails { took_ms });
            self.world.rooms[room].counts.failed_key_shares += 1;
        }
        self.send_outbox(room)
    }

    /// The observer hears of each session whose key has reached everybody; where nobody receives, of what it says as well.
    fn key_is_shared(&mut self, room: usize, request: &ShareRequest) {
        let World { now_ms, kiosk, rooms, observer, .. } = &mut *self.world;
        let id = rooms[room].id.as_str();
        let Some(RoomKeyContent { session_id, shared_history }) =
            kiosk.room_key_content::<K>(&self.device, request)
        else {
            return;
        };
        if P::CRYPTO == Crypto::None {
            observer.room_key_received(*now_ms, id, &session_id, shared_history);
        }
        observer.share_succeeded(*now_ms, id, &session_id);
    }

    /// The room key goes out to these devices of a room, unless its session was replaced. Where nobody receives, it is only
    /// counted.
    fn send_room_keys(&mut self, room: usize, devices: impl Iterator<Item = usize>, request: &ShareRequest) {
        if self.world.with_receivers {
            let gone = self.world.rooms[room].devices.start;
            devices.for_each(|device| self.send_room_key(room, device - gone, request));
        } else if Kiosk::<P>::has_room_key::<K>(&self.device, request) {
            self.world.rooms[room].counts.to_device_messages += devices.count() as u64;
        }
    }

    fn send_room_key(&mut self, room: usize, number: usize, request: &ShareRequest) {
        let World { now_ms, kiosk, rooms, observer, .. } = &mut *self.world;
        let here = &mut rooms[room];
        let receiver = &mut here.receivers[number];
        let Some(event) = kiosk.room_key_for::<K>(&self.device, request, room, number, receiver) else {
            return;
        };
        here.counts.to_device_messages += 1;
        match receiver.receive_to_device(&event) {
            Ok(room_key) => {
                observer.room_key_received(
                    *now_ms,
                    &room_key.room_id,
                    &room_key.session_id,
                    room_key.shared_history,
                );
                receiver.forget_older_sessions(SESSIONS_KEPT);
            }
            Err(error) => {
                let nothing = PlainEvent { event_type: "m.room_key", content: b"{}" };
                let name = receiver.keys().device_id.clone();
                observer.received(*now_ms, here.id.as_str(), &name, nothing, Err(&error));
            }
        }
    }

    // ---- what the kiosk is told ----

    /// Takes what a sync brings, in its order. What was taken is delivered again after a restart until the application has
    /// stored its sync token; so is what could not be (K5).
    fn take_events(&mut self) -> Result<(), PowerFailed> {
        while let Some(delivery) = self.world.sync.next(self.world.now_ms) {
            self.tell(delivery)?;
        }
        Ok(())
    }

    /// Whoever comes or goes does so, and the observer hears of it, the first time that it is delivered.
    fn tell(&mut self, Delivery { room, happening, again }: Delivery<'s>) -> Result<(), PowerFailed> {
        if again {
            self.world.comes_about_again(room, happening);
        } else {
            self.world.comes_about(room, happening);
        }
        self.world.record_told(room, happening, again);
        self.world.records(|record, at| record.told(at, room, || happening.recorded()));
        let id = self.world.rooms[room].id;
        let device = &mut self.device;
        let told = match happening {
            Happening::Encryption(content) => {
                let applied = match device.encryption_event(id, content.as_bytes()) {
                    Ok(_) | Err(EncryptionEventError::TableFull) => Ok(()), // too many rooms: that one is blocked
                    Err(error) => Err(error),
                };
                self.world.kiosk.unless_power_failed(applied)?;
                self.world.observer.call_succeeded();
                // What was told of a room before its first encryption event had no effect (E3).
                match self.world.rooms[room].history_visibility {
                    Some(value) => {
                        let retold = || Happening::HistoryVisibility(value).recorded();
                        self.world.records(|record, at| record.told(at, room, retold));
                        self.world.observer.history_visibility(self.world.now_ms, id.as_str(), value);
                        self.device.history_visibility_event(id, value)
                    }
                    None => return Ok(()),
                }
            }
            Happening::Leave => {
                let joined = PreviousMembership::Known(Membership::Join);
                device.member_event(id, joined, Membership::Leave, false)
            }
            Happening::Join => device.member_event(id, PreviousMembership::None, Membership::Join, false),
            Happening::Member { membership, previous, limited } => {
                let previous = match previous {
                    None => PreviousMembership::Unknown,
                    Some("none") => PreviousMembership::None,
                    Some(name) => PreviousMembership::Known(Membership::from_name(name)),
                };
                device.member_event(id, previous, Membership::from_name(membership), limited)
            }
            Happening::DeviceRemoved => device.device_removed(id),
            Happening::HistoryVisibility(value) => device.history_visibility_event(id, value),
            Happening::RequestRotation => device.request_rotation(id),
            Happening::ResetSettings => device.reset_settings(id).map(|_there| Noted::NoEffect),
            Happening::Forget => device.forget(id).map(|_there| Noted::NoEffect),
        };
        self.world.kiosk.unless_power_failed(told)?;
        self.world.observer.call_succeeded();
        if happening.is_the_owners() {
            self.world.sync.latest_is_done();
        }
        if happening == Happening::Forget {
            self.world.resync_is_due = true;
            self.world.schedule(self.world.now_ms + BACK_AFTER_MS, Due::Resync);
        }
        if happening == Happening::Join {
            self.share_with_newest(room);
        }
        Ok(())
    }

    /// Whoever joined last gets the room key from its current index on (E5).
    fn share_with_newest(&mut self, room: usize) {
        let here = &self.world.rooms[room];
        let newest = here.devices.clone().last();
        if let (Some(device), Some(request)) = (newest, self.device.share_current(here.id)) {
            self.send_room_keys(room, std::iter::once(device), &request);
            self.world.record(room, |_| What::KeyForNewcomer);
            self.world.rooms[room].counts.key_shares += 1;
        }
    }
}
