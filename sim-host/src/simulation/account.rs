//! What came of a run.

use std::collections::BTreeMap;
use std::time::Instant;

use pawl_core::rotation::RotationReason;

use super::{Room, World};
use crate::observer::ViolationKind;
use crate::parts::Parts;
use crate::report::{Report, RoomReport};
use crate::scenario::{Crypto, Stores};

impl<P: Parts> World<'_, P> {
    /// The report of a run that began at this moment of the world outside.
    pub(super) fn report(&self, started: Instant) -> Report {
        let rooms = self.room_reports();
        let sum = |count: fn(&RoomReport) -> u64| rooms.iter().map(count).sum::<u64>();
        let greatest = |value: fn(&RoomReport) -> u64| rooms.iter().map(value).max().unwrap_or_default();
        let violations_of = |kind| self.observer.violation_counts().get(&kind).copied().unwrap_or_default();
        let rotations = RotationReason::ALL.map(|reason| {
            let count = rooms.iter().filter_map(|room| room.rotations.get(reason.name())).sum();
            (reason.name(), count)
        });
        // A session that encrypts nothing is much smaller than a real one.
        let wear = match (self.scenario.device.stores, P::CRYPTO) {
            (Stores::Sessions, Crypto::Vodozemac) => vec![self.wear(sum(|room| room.messages))],
            _ => Vec::new(),
        };
        Report {
            scenario: self.scenario.name.clone(),
            crypto: P::CRYPTO.name(),
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
            sleeps: self.sleeps,
            unseen_ms: self.observer.unseen_ms(),
            sessions_resumed: self.observer.sessions_resumed(),
            indices_skipped: self.observer.indices_skipped(),
            records_stored: self.kiosk.chip().records_stored(),
            wear,
            violation_count: self.observer.violation_count(),
            violation_counts: self.observer.violation_counts().clone(),
            violations: self.observer.violations().to_vec(),
            traces: Vec::new(),
            wall_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            rotations_over_time: self.rotations.clone(),
            limit_use: self.observer.limit_use(),
            life: self.life(),
            room_reports: rooms,
        }
    }

    /// One for each kind of room that the scenario has.
    fn room_reports(&self) -> Vec<RoomReport> {
        let mut rest = self.rooms.as_slice();
        let kinds = self.scenario.rooms.iter().map(|plan| {
            let (rooms, after) = rest.split_at(plan.count as usize);
            rest = after;
            let mut report = RoomReport::new(&plan.id, &plan.about);
            for room in rooms {
                self.add_room(room, &mut report);
            }
            report
        });
        kinds.collect()
    }

    fn add_room(&self, room: &Room<'_>, report: &mut RoomReport) {
        let counts = &room.counts;
        report.blocked_messages += counts.blocked;
        report.block_reason = counts.block_reason.or(report.block_reason);
        add_up(&mut report.rotations, &counts.rotations);
        report.key_shares += counts.key_shares;
        report.to_device_messages += counts.to_device_messages;
        if let Some(seen) = self.observer.room(room.id.as_str()) {
            report.settings =
                if report.rooms == 0 || report.settings == seen.settings { seen.settings } else { None };
            report.messages += seen.messages;
            report.plaintext_messages += seen.plaintext_messages;
            report.sessions += seen.sessions;
            report.max_messages_per_session =
                report.max_messages_per_session.max(seen.most_messages_in_a_session);
            report.max_session_age_ms = report.max_session_age_ms.max(seen.greatest_session_age_ms);
        }
        report.rooms += 1;
    }
}

fn add_up(all: &mut BTreeMap<&'static str, u64>, these: &BTreeMap<&'static str, u64>) {
    for (name, count) in these {
        *all.entry(name).or_default() += count;
    }
}
