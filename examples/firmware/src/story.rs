//! What happens, start by start.

use defmt::{info, unwrap};
use pawl_core::membership::{Membership, PreviousMembership};
use pawl_core::{Noted, RoomId};
use semihosting::process::exit;

use crate::kiosk::Kiosk;
use crate::power::{self, Work};

const KITCHEN: RoomId<'_> = room("!kitchen:example.org");
const ATTIC: RoomId<'_> = room("!attic:example.org");
const LOBBY: RoomId<'_> = room("!lobby:example.org");

const fn room(id: &str) -> RoomId<'_> {
    match RoomId::new(id) {
        Ok(room) => room,
        Err(_) => panic!("a room ID has at most 255 bytes"),
    }
}

/// How far ahead the kitchen's session is stored: a quarter of its limit, which is 20 in the end.
const RESERVED: u32 = 5;

/// Nothing is known yet. Then the rooms are, and their settings change, sessions are used up, grow old, and are replaced.
pub(crate) fn first_start(kiosk: &mut Kiosk) -> ! {
    assert!(kiosk.clock.sees_a_waiting_wrap(), "the clock misses a wrap while interrupts are masked");
    kiosk.send_and_tell(KITCHEN, 1);

    info!("-- the first sync");
    kiosk.device.begin_resync();
    kiosk.receive_and_tell(KITCHEN, FORTY_MESSAGES);
    kiosk.receive_and_tell(ATTIC, r#"{"algorithm":"m.megolm.v3.from-the-future"}"#);
    unwrap!(kiosk.device.end_resync());
    kiosk.send_and_tell(ATTIC, 1);
    kiosk.send_and_tell(LOBBY, 1);

    info!("-- no network, then more messages than a session may carry");
    kiosk.network_is_up = false;
    kiosk.send_and_tell(KITCHEN, 1);
    kiosk.network_is_up = true;
    kiosk.send_and_tell(KITCHEN, 45);

    info!("-- the settings get tighter, looser, and are redacted");
    kiosk.receive_and_tell(KITCHEN, TWENTY_MESSAGES);
    kiosk.receive_and_tell(KITCHEN, r#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_msgs":10000}"#);
    kiosk.receive_and_tell(KITCHEN, "{}");
    kiosk.send_and_tell(KITCHEN, 20);

    info!("-- somebody leaves");
    let joined = PreviousMembership::Known(Membership::Join);
    let noted = unwrap!(kiosk.device.member_event(KITCHEN, joined, Membership::Leave, false));
    assert_eq!(noted, Noted::EndsSession);
    kiosk.send_and_tell(KITCHEN, 2);

    let wraps = kiosk.clock.sleep_ms(3_000);
    info!("-- three seconds later: SysTick has wrapped {} times", wraps);
    kiosk.send_and_tell(KITCHEN, 7);

    power_fails(kiosk, Work::Writing, 10)
}

const FORTY_MESSAGES: &str =
    r#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_msgs":40,"rotation_period_ms":3000}"#;
const TWENTY_MESSAGES: &str =
    r#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_msgs":20,"rotation_period_ms":3000}"#;

/// The session was being stored further ahead. It goes on from where it was stored before: no message was sent there.
pub(crate) fn power_failed_while_writing(kiosk: &mut Kiosk) -> ! {
    knows_its_rooms(kiosk);
    goes_on(kiosk, RESERVED);

    info!("-- somebody pulls the plug");
    kiosk.power_off(250)
}

/// The indices up to the one at which the session was stored are given up: any of them may have been used.
pub(crate) fn plug_was_pulled(kiosk: &mut Kiosk) -> ! {
    knows_its_rooms(kiosk);
    goes_on(kiosk, RESERVED);
    power_fails(kiosk, Work::Erasing, 500)
}

/// Half a page is erased, and nothing that was on it is lost.
pub(crate) fn power_failed_while_erasing(kiosk: &mut Kiosk) -> ! {
    knows_its_rooms(kiosk);
    goes_on(kiosk, RESERVED);

    info!("-- a planned restart");
    unwrap!(kiosk.device.shut_down(&kiosk.clock));
    kiosk.power_off(250)
}

/// Not an index is given up.
pub(crate) fn restarted_as_planned(kiosk: &mut Kiosk) -> ! {
    knows_its_rooms(kiosk);
    goes_on(kiosk, 0);

    info!("-- switched off for a minute");
    unwrap!(kiosk.device.shut_down(&kiosk.clock));
    kiosk.power_off(60_000)
}

/// The session has grown old while the device was off.
pub(crate) fn was_off_for_a_minute(kiosk: &mut Kiosk) -> ! {
    knows_its_rooms(kiosk);
    let before = kiosk.server.totals();
    kiosk.send_and_tell(KITCHEN, 3);
    assert_eq!(kiosk.server.totals().sessions, before.sessions + 1);

    info!("-- {}", kiosk.server.totals());
    info!("no index was used twice, and no session before its key was shared");
    exit(0)
}

/// Which rooms are encrypted, and how, is known again, whatever happened.
fn knows_its_rooms(kiosk: &mut Kiosk) {
    assert_eq!(kiosk.device.incomplete(), None);
    kiosk.tell_settings(KITCHEN);
    kiosk.send_and_tell(ATTIC, 1);
    kiosk.send_and_tell(LOBBY, 1);
}

/// Sends a few messages on the session that there was before. No more indices are given up than this.
fn goes_on(kiosk: &mut Kiosk, given_up: u32) {
    let before = kiosk.server.totals();
    if let Some(last) = kiosk.server.last() {
        info!("the last message was on session {}, index {}", last.session, last.index);
    }
    kiosk.send_and_tell(KITCHEN, 3);
    let after = kiosk.server.totals();
    assert_eq!(after.sessions, before.sessions);
    assert!(after.indices_given_up - before.indices_given_up <= given_up);
}

/// Sends until the power fails in the midst of what the flash does. It is back a quarter of a second later.
fn power_fails(kiosk: &mut Kiosk, work: Work, words: u32) -> ! {
    info!("-- the power fails, {} words into the next {}", words, work);
    kiosk.comes_back_after(250);
    power::will_fail(work, words);
    for _ in 0..1_000 {
        kiosk.send(KITCHEN);
    }
    panic!("the power did not fail");
}
