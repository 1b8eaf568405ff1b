//! What came of a run.

use std::time::Instant;

use pawl_core::rotation::RotationReason;

use super::{Room, World};
use crate::observer::{RoomSummary, ViolationKind};
use crate::parts::Parts;
use crate::report::{Report, RoomReport};

impl<P: Parts> World<'_, P> {
    /// The report of a run that began at this moment of the world outside.
    pub(super) fn report(&self, started: Instant) -> Report {
        let rooms: Vec<RoomReport> = self.rooms.iter().map(|room| self.room_report(room)).collect();
        let sum = |count: fn(&RoomReport) -> u64| rooms.iter().map(count).sum::<u64>();
        let greatest = |value: fn(&RoomReport) -> u64| rooms.iter().map(value).max().unwrap_or_default();
        let violations_of = |kind| self.observer.violation_counts().get(&kind).copied().unwrap_or_default();
        let rotations = RotationReason::ALL.map(|reason| {
            let count = rooms.iter().filter_map(|room| room.rotations.get(reason.name())).sum();
            (reason.name(), count)
        });
        Report {
            scenario: self.scenario.name.to_owned(),
            seed: self.seed,
            reserve: self.reserve.get(),
            simulated_ms: self.scenario.duration_ms,
            rooms: self.rooms.len(),
            messages: sum(|room| room.messages + room.plaintext_messages),
            plaintext_messages: sum(|room| room.plaintext_messages),
            blocked_messages: sum(|room| room.blocked_messages),
            unsent_messages: self.rooms.iter().map(|room| room.outbox.len()).sum(),
            sessions: sum(|room| room.rotations.values().sum()),
            rotations: rotations.into_iter().collect(),
            key_shares: sum(|room| room.key_shares),
            failed_key_shares: self.rooms.iter().map(|room| room.counts.failed_key_shares).sum(),
            to_device_messages: sum(|room| room.to_device_messages),
            max_messages_per_session: greatest(|room| room.max_messages_per_session),
            max_session_age_ms: greatest(|room| room.max_session_age_ms),
            decrypted: self.rooms.iter().map(|room| room.counts.decrypted).sum(),
            undecryptable: violations_of(ViolationKind::Undecryptable),
            index_reuses: violations_of(ViolationKind::RatchetIndexReused),
            rotation_checks: self.kiosk.rotation_checks(),
            restarts: self.restarts.iter().map(|(kind, count)| (kind.name(), *count)).collect(),
            sessions_resumed: self.observer.sessions_resumed(),
            indices_skipped: self.observer.indices_skipped(),
            records_stored: self.kiosk.chip().records_stored(),
            wear: vec![self.wear(sum(|room| room.messages))],
            violation_count: self.observer.violation_count(),
            violations: self.observer.violations().to_vec(),
            wall_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            room_reports: rooms,
        }
    }

    fn room_report(&self, room: &Room<'_>) -> RoomReport {
        let seen = self.observer.room(room.id.as_str());
        let seen_count = |count: fn(&RoomSummary<'_>) -> u64| seen.as_ref().map_or(0, count);
        RoomReport {
            room: room.plan.id.clone(),
            about: room.plan.about.to_owned(),
            settings: seen.as_ref().and_then(|seen| seen.settings),
            messages: seen_count(|seen| seen.messages),
            plaintext_messages: seen_count(|seen| seen.plaintext_messages),
            blocked_messages: room.counts.blocked,
            block_reason: room.counts.block_reason,
            sessions: seen_count(|seen| seen.sessions),
            rotations: room.counts.rotations.clone(),
            key_shares: room.counts.key_shares,
            to_device_messages: room.counts.to_device_messages,
            max_messages_per_session: seen_count(|seen| seen.most_messages_in_a_session),
            max_session_age_ms: seen_count(|seen| seen.greatest_session_age_ms),
        }
    }
}
