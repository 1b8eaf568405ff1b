//! What is kept of the course of a run.

use pawl_core::rotation::RotationReason;

use super::{Happening, World};
use crate::chronicle::{RoomLife, What};
use crate::observer::Observer;
use crate::parts::Parts;

impl<P: Parts> World<'_, P> {
    /// Something happens to a room.
    pub(super) fn record(&mut self, room: usize, what: impl FnOnce(&Observer) -> What) {
        if let Some((_, life)) = self.life.as_mut().filter(|(place, _)| *place == room) {
            life.add(self.now_ms, what(&self.observer));
        }
    }

    /// Something happens to the kiosk, and so to all of its rooms.
    pub(super) fn record_of_all(&mut self, what: What) {
        if let Some((_, life)) = &mut self.life {
            life.add(self.now_ms, what);
        }
    }

    /// A session is made for a room. The observer has just heard of it.
    pub(super) fn record_rotation(&mut self, room: usize, reason: RotationReason) {
        self.rotations.add(self.now_ms, reason);
        if let Some((_, life)) = self.life.as_mut().filter(|(place, _)| *place == room) {
            let replaced = self.observer.session_before_latest(self.rooms[room].id.as_str());
            life.new_session(self.now_ms, reason.name(), replaced);
        }
    }

    /// The kiosk is told of something in a room. What is so from the start is not told again.
    pub(super) fn record_told(&mut self, room: usize, happening: Happening<'_>, again: bool) {
        let again = again && self.now_ms > 0;
        let id = self.rooms[room].id;
        self.record(room, |observer| match happening {
            Happening::Encryption(content) => {
                let in_force = observer.room(id.as_str()).and_then(|room| room.settings);
                What::encryption(content, again, in_force)
            }
            Happening::HistoryVisibility(value) => What::HistoryVisibility { value: shortened(value), again },
            Happening::Leave => What::Leave { again },
            Happening::Join => What::Join { again },
            Happening::Member { membership, previous, limited } => What::Member {
                membership: shortened(membership),
                previous: previous.map(shortened),
                limited,
                again,
            },
            Happening::DeviceRemoved => What::DeviceRemoved { again },
            Happening::RequestRotation => What::RequestRotation { again },
            Happening::ResetSettings => What::ResetSettings { again },
            Happening::Forget => What::Forget,
        });
    }

    /// The life of the room that was asked for, to the end of the run.
    pub(super) fn life(&self) -> Option<Box<RoomLife>> {
        let (room, life) = self.life.as_ref()?;
        let mut life = life.clone();
        life.ends(self.scenario.duration_ms, self.observer.latest_session(self.rooms[*room].id.as_str()));
        Some(Box::new(life))
    }
}

/// As much of a history visibility or a membership as is kept.
fn shortened(value: &str) -> String {
    value.chars().take(60).collect()
}
