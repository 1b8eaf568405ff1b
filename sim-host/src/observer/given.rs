//! What an observer is told of what the device was given, and of what befell it.

#[cfg(test)]
mod tests;

use super::Observer;
use super::clock::Reading;
use super::room::{InForce, Room, Session, SessionId};
use super::settings::Settings;

impl Observer {
    /// The device was given an `m.room.encryption` event with an empty state key and this `content`, for the first time or
    /// again.
    pub fn encryption_event(&mut self, room: &str, content: &[u8]) {
        let usable = Settings::read(content, &self.limits);
        let number = self.number_of(room);
        let room = &mut self.rooms[number.place()];
        room.encrypted = true; // S1
        if !room.placed && !self.knowledge.take_place() {
            return; // K2
        }
        room.placed = true;
        // S2, S3, S5; without usable content S4 leaves everything as it is.
        let Some(new) = usable else {
            return;
        };
        let before = room.settings;
        self.before_call = Some((number, room.may_be_in_force().collect()));
        room.change(|in_force| in_force.after(new, self.policy));
        if let Some(before) = before.filter(|_| before != room.settings) {
            room.sessions_kept().for_each(|session| self.limit_use.limits_change(session, before));
        }
    }

    /// The device's owner reset the settings of a room (S5).
    pub fn settings_reset(&mut self, room: &str) {
        let number = self.number_of(room);
        let room = &mut self.rooms[number.place()];
        if room.placed {
            self.before_call = Some((number, room.may_be_in_force().collect()));
            room.change(|in_force| InForce { reset: true, ..in_force });
        }
    }

    /// The device was told to forget a room (K3). Nothing of what it knew of it may come back.
    pub fn forgotten(&mut self, at_ms: u64, room: &str) {
        self.went_back = false;
        let number = self.number_of(room);
        let room = &mut self.rooms[number.place()];
        if room.placed {
            self.knowledge.free_place();
            room.loses_place();
            room.ends_sessions(at_ms, "the room was forgotten");
        }
    }

    /// The device is about to be told the state of all its rooms (K4).
    pub fn resync_begun(&mut self) {
        self.knowledge.resync_begun();
    }

    /// The device was told the state of all its rooms. A room of which it was told nothing is then not encrypted, whatever
    /// it was before (K4): that cannot be told from a server that hides something, and is not judged.
    pub fn resync_ended(&mut self) {
        if self.knowledge.resync_ended() {
            for room in self.rooms.iter_mut().filter(|room| !room.placed) {
                room.encrypted = false;
            }
        }
    }

    /// The device was told of a user's new membership in a room, by its name (E1). `previous` is what it was told of the one
    /// before: `"none"`, or nothing where it is not known. `limited` says that the sync left out some events before this.
    pub fn membership(&mut self, at_ms: u64, room: &str, previous: Option<&str>, new: &str, limited: bool) {
        let departs = if limited {
            new != "join"
        } else {
            let had_the_key = previous.is_none_or(|previous| matches!(previous, "join" | "invite"));
            had_the_key && !matches!(new, "join" | "invite" | "knock")
        };
        if departs {
            self.must_rotate(at_ms, room, "somebody left");
        }
    }

    /// The device was told of something after which no session that the room has had may be used: a departure,
    /// a device removed, the application's request. `why` is named in the violations that follow from it.
    pub fn must_rotate(&mut self, at_ms: u64, room: &str, why: &'static str) {
        self.went_back = false; // something else has happened since the reading
        let number = self.number_of(room);
        self.rooms[number.place()].ends_sessions(at_ms, why);
    }

    /// The device was told something once more that would end a session, or may have been: it may make a new one, and need not
    /// (K5).
    pub fn may_rotate(&mut self, room: &str) {
        let number = self.number_of(room);
        self.rooms[number.place()].causes += 1;
    }

    /// The same of all rooms.
    pub fn may_rotate_all(&mut self) {
        self.causes += 1;
    }

    /// The power failed in a call. Whether the device knows of what the call was about is not known; nor is it whether it has
    /// the sessions that it had (B1, T11).
    pub fn power_failed_in_call(&mut self) {
        self.may_rotate_all();
        if let Some((number, before)) = self.before_call.take() {
            let room = &mut self.rooms[number.place()];
            room.otherwise.extend(before);
            room.change(|in_force| in_force);
        }
    }

    /// The device was told of something, and has stored it.
    pub fn call_succeeded(&mut self) {
        self.before_call = None;
    }

    /// The device was told the room's history visibility. Where that crosses between what newcomers may read and what they
    /// may not, no session that the room has had may be used (E3); a value that is not known is taken as `joined`. Of a room
    /// that the device does not know to be encrypted this says nothing.
    pub fn history_visibility(&mut self, at_ms: u64, room: &str, value: &str) {
        self.went_back = false;
        let number = self.number_of(room);
        let room = &mut self.rooms[number.place()];
        let shared = matches!(value, "shared" | "world_readable");
        if room.placed && std::mem::replace(&mut room.shares_history, shared) != shared {
            room.ends_sessions(at_ms, "the history visibility crossed");
        }
    }

    /// The device was off, and is on again.
    pub fn restarted(&mut self) {
        self.restarts += 1;
        self.counter.restarted();
        self.knowledge.restarted();
    }

    /// The device was off, and is on again with nothing of what it knew: settings that it is not given again it cannot keep
    /// to. What was encrypted stays so.
    pub fn restarted_knowing_nothing(&mut self) {
        self.restarted();
        self.knowledge.lost();
        for room in &mut self.rooms {
            room.loses_place();
        }
    }

    /// The device does not know how much time has passed: it was off, or it slept. It cannot know how old the sessions
    /// are that it had, so none of them may be used again (B3, C5). `why` is named in the violations that follow from it.
    pub fn time_lost(&mut self, at_ms: u64, why: &'static str) {
        for room in &mut self.rooms {
            room.ends_sessions(at_ms, why);
        }
    }

    /// The device reads its counter. One that has gone back, as far as the readings tell, ends all sessions (C3).
    pub fn counter_read(&mut self, at_ms: u64, ticks: u64) {
        self.went_back = self.counter.read(at_ms, ticks) == Reading::WentBack;
        if self.went_back {
            self.time_lost(at_ms, "the counter went back");
        }
    }

    /// The power failed in the call for which the counter was last read, before anything was stored. What that reading told
    /// is lost with the device's memory (B1), and after the restart it has another clock or no session.
    pub fn reading_lost(&mut self) {
        if std::mem::take(&mut self.went_back) {
            self.rooms.iter_mut().for_each(Room::takes_back_last_event);
        }
    }

    /// The device slept for that long, while its counter stood still, and knows it.
    pub fn slept(&mut self, ms: u64) {
        self.counter.told_of(ms);
    }

    /// The device slept for that long, while its counter stood still, and knows that it does not know for how long (C5).
    pub fn slept_unknown(&mut self, at_ms: u64, ms: u64) {
        self.counter.told_of(ms);
        self.time_lost(at_ms, "the device slept for nobody knows how long");
    }

    /// The device has made this session, and nobody has its key yet.
    pub fn session_made(&mut self, at_ms: u64, room: &str, session_id: &str) {
        let number = self.number_of(room);
        let is_new =
            SessionId::new(session_id.as_bytes()).is_some_and(|id| !self.session_rooms.contains_key(&id));
        if is_new {
            self.check_replacement(at_ms, number);
        }
        let shares_history = self.rooms[number.place()].shares_history;
        if let Some(session) = self.session_heard_of(at_ms, room, session_id).filter(|_| is_new) {
            session.shares_history = Some(shares_history);
        }
    }

    /// Sharing the key of a session with everybody in the room has succeeded, and the device is about to hear of it.
    pub fn share_succeeded(&mut self, at_ms: u64, room: &str, session_id: &str) {
        if let Some(session) = self.session_heard_of(at_ms, room, session_id) {
            session.share_succeeded = true;
        }
    }

    /// A receiving device decrypted the room key of this session, or would have; `shared_history` is what it says (T10). A
    /// session is taken to be born at the earlier of this and its first message; its real birth can only be earlier still.
    pub fn room_key_received(&mut self, at_ms: u64, room: &str, session_id: &str, shared_history: bool) {
        if let Some(session) = self.session_heard_of(at_ms, room, session_id) {
            session.shared = true;
            let id = session.id;
            if let Some(&home) = self.session_rooms.get(&id) {
                self.check_shared_history(at_ms, home, shared_history);
            }
        }
    }

    fn session_heard_of(&mut self, at_ms: u64, room: &str, session_id: &str) -> Option<&mut Session> {
        let number = self.number_of(room);
        let Some(id) = SessionId::new(session_id.as_bytes()) else {
            self.session_id_too_long(at_ms, number);
            return None;
        };
        let home = self.find_session(at_ms, number, id);
        self.check_session_room(at_ms, number, home);
        self.rooms[home.place()].latest.as_mut()
    }

    /// What follows happens in this step. Violations say in which they were seen.
    #[inline]
    pub fn step(&mut self, number: u64) {
        self.step = number;
    }
}
