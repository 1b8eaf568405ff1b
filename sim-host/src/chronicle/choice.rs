//! Which room's life is shown, if nobody says.

use std::collections::BTreeSet;

use crate::observer::{Limits, Settings};
use crate::scenario::{OneOrMore, RoomPlan, Scenario, When};

impl Scenario {
    /// The ID of the room of which there is most to see: the first whose settings change, else the first that has several
    /// encryption events, else the first where people come and go, else the first that is encrypted, else the first.
    #[must_use]
    pub fn room_to_show(&self) -> String {
        let limits = self.limits();
        let rank = |room: &RoomPlan| {
            [
                room.settings(&limits) > 1,
                room.encryption_events() > 1,
                room.churn.is_some(),
                room.is_encrypted(),
            ]
        };
        let best = self.rooms.iter().map(rank).max();
        let room = self.rooms.iter().find(|room| Some(rank(room)) == best);
        room.map(|room| room.numbered_id(1)).unwrap_or_default()
    }

    /// Whether it has a room of that ID.
    #[must_use]
    pub fn has_room(&self, id: &str) -> bool {
        self.room_ids().any(|room| room == id)
    }
}

impl RoomPlan {
    /// How many different settings its events ask for.
    fn settings(&self, limits: &Limits) -> usize {
        let contents = self.events.iter().filter_map(|event| event.encryption.as_ref());
        let read = |content: &String| Settings::read(content.as_bytes(), limits);
        let settings = contents.flat_map(|OneOrMore(contents)| contents).filter_map(read);
        settings.map(|settings| (settings.messages, settings.period_ms)).collect::<BTreeSet<_>>().len()
    }

    fn encryption_events(&self) -> usize {
        let events = self.events.iter().filter(|event| event.encryption.is_some());
        events
            .map(|event| match &event.at {
                When::At(times) => times.len(),
                When::Repeated(_) => usize::MAX,
            })
            .fold(0, usize::saturating_add)
    }

    fn is_encrypted(&self) -> bool {
        self.encryption_events() > 0
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::Scenario;

    #[test]
    fn the_room_to_show_is_the_first_whose_settings_change() {
        let shown = |name| Scenario::named(name).unwrap().room_to_show();
        assert_eq!(shown("kiosk-month"), "!garage:example.org");
        assert_eq!(shown("hostile-server"), "!flapping:example.org");
        assert_eq!(shown("bad-power"), "!hall:example.org");
        assert_eq!(shown("ten-thousand-rooms"), "!sensor-00001:example.org");
    }
}
