//! What the homeserver tells the kiosk, and tells it again (K5), and what the application wants of it.

use std::collections::VecDeque;

use super::Happening;
use crate::scenario::HOUR_MS;

/// Something that the homeserver tells the kiosk.
#[derive(Clone, Copy)]
pub(super) struct Delivery<'s> {
    pub(super) room: usize,
    pub(super) happening: Happening<'s>,
    /// Whether it was told before.
    pub(super) again: bool,
}

/// What the homeserver has for the kiosk, and what the kiosk will be told again after a restart.
#[derive(Default)]
pub(super) struct Sync<'s> {
    pub(super) waiting: VecDeque<Delivery<'s>>,
    /// What was handed to the core, and when, that the sync token does not cover yet.
    since_token: VecDeque<(u64, Delivery<'s>)>,
}

impl<'s> Sync<'s> {
    /// The next event, which from now on is one that was handed to the core.
    pub(super) fn next(&mut self, now_ms: u64) -> Option<Delivery<'s>> {
        let delivery = self.waiting.pop_front()?;
        self.forget_until_hour(now_ms);
        self.since_token.push_back((now_ms, Delivery { again: true, ..delivery }));
        Some(delivery)
    }

    /// What was handed over last is over and done with: it was none of the homeserver's.
    pub(super) fn latest_is_done(&mut self) {
        self.since_token.pop_back();
    }

    /// The sync token is stored: nothing of what was delivered comes again.
    pub(super) fn store_token(&mut self) {
        self.since_token.clear();
    }

    /// The kiosk is off: what the token, stored on the hour, does not cover waits again.
    pub(super) fn go_back_to_token(&mut self, now_ms: u64) {
        self.forget_until_hour(now_ms);
        let (own, told): (Vec<_>, Vec<_>) = self
            .since_token
            .drain(..)
            .map(|(_, delivery)| delivery)
            .partition(|told| told.happening.is_the_owners());
        // What the application could not have done it tries first; the homeserver's events come after that.
        for delivery in own.into_iter().chain(told).rev() {
            self.waiting.push_front(delivery);
        }
    }

    fn forget_until_hour(&mut self, now_ms: u64) {
        let hour_ms = now_ms - now_ms % HOUR_MS;
        self.since_token.retain(|(at_ms, _)| *at_ms >= hour_ms);
    }
}
