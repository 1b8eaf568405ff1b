//! Whether the device can know of every room whether it is encrypted (K1–K4).

/// The places that the device has for encrypted rooms, and whether it knows of all its rooms.
pub(super) struct Knowledge {
    places: usize,
    placed: usize,
    complete: bool,
    resync: Resync,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Resync {
    None,
    UnderWay,
    /// There was no place for a room that it brought.
    Refused,
}

impl Knowledge {
    /// That of a device with places for as many rooms as there are.
    pub(super) fn complete() -> Self {
        Knowledge { places: usize::MAX, placed: 0, complete: true, resync: Resync::None }
    }

    pub(super) fn with_places(self, places: usize) -> Self {
        Knowledge { places, ..self }
    }

    pub(super) fn incomplete(self) -> Self {
        Knowledge { complete: false, ..self }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// A room needs a place. Returns whether it gets one (K2).
    pub(super) fn take_place(&mut self) -> bool {
        let free = self.placed < self.places;
        if free {
            self.placed += 1;
        } else {
            self.complete = false;
            if self.resync == Resync::UnderWay {
                self.resync = Resync::Refused;
            }
        }
        free
    }

    /// A room is known no longer (K3).
    pub(super) fn free_place(&mut self) {
        self.placed -= 1;
        self.complete = false;
    }

    /// Nothing is known any longer.
    pub(super) fn lost(&mut self) {
        (self.placed, self.complete) = (0, false);
    }

    pub(super) fn resync_begun(&mut self) {
        self.resync = Resync::UnderWay;
    }

    /// Returns whether the device now knows of all its rooms (K4).
    pub(super) fn resync_ended(&mut self) -> bool {
        let ended = std::mem::replace(&mut self.resync, Resync::None);
        self.complete |= ended == Resync::UnderWay;
        ended == Resync::UnderWay
    }

    /// A resync that was under way is not (K4).
    pub(super) fn restarted(&mut self) {
        self.resync = Resync::None;
    }
}
