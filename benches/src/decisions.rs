//! A session half way to both limits, and the two comparisons that any implementation makes.

use pawl_core::clock::Now;
use pawl_core::rotation::{PendingReasons, Usage};
use pawl_core::settings::Settings;

/// The defaults.
pub const SETTINGS: Settings =
    Settings { rotation_period_msgs: 100, rotation_period_ms: 604_800_000, encrypt_state_events: false };

/// Half way to both limits at [`NOW`].
pub const USAGE: Usage = Usage { messages: 50, created_ms: 0, epoch: 0, pending: PendingReasons::NONE };

/// Half a week after the session was made.
pub const NOW: Now = Now { tick_begin_ms: 302_400_000, tick_end_ms: 302_400_000, epoch: 0 };

/// The two comparisons alone.
#[must_use]
#[inline(always)] // as `reason_to_rotate` is
pub fn floor(usage: &Usage, settings: &Settings, now: Now) -> bool {
    usage.messages >= settings.rotation_period_msgs
        || now.tick_end_ms.saturating_sub(usage.created_ms) >= settings.rotation_period_ms
}

#[cfg(test)]
mod tests {
    use pawl_core::rotation::reason_to_rotate;

    use super::{NOW, SETTINGS, USAGE, floor};

    #[test]
    fn the_session_goes_on() {
        assert_eq!(reason_to_rotate(&USAGE, &SETTINGS, NOW), None);
        assert!(!floor(&USAGE, &SETTINGS, NOW));
    }
}
