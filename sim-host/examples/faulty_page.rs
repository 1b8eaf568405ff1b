//! The page of a run that goes wrong: what violations look like.
//!
//! The kiosk's counter runs at half its speed, so sessions get too old; and one room key never reaches one of the devices
//! in the garage. Usage: `faulty_page PAGE.html REPORT.json`.

#![forbid(unsafe_code)]

use std::error::Error;

use pawl_core::{Device, Persistence, VodozemacSession};
use pawl_sim_host::page::Page;
use pawl_sim_host::parts::{Parts, SessionNotMade, SoundParts};
use pawl_sim_host::power::{Flash, Rtc};
use pawl_sim_host::scenario::{DAY_MS, Scenario};
use pawl_sim_host::simulation::{self, Plan};
use rand_chacha::ChaCha20Rng;

fn main() -> Result<(), Box<dyn Error>> {
    let mut files = std::env::args().skip(1);
    let (Some(page), Some(json)) = (files.next(), files.next()) else {
        return Err("usage: faulty_page PAGE.html REPORT.json".into());
    };
    let scenario = Scenario { duration_ms: 3 * DAY_MS, ..Scenario::kiosk_month() };
    let room = scenario.room_to_show();
    let plan = Plan { life_of: Some(&room), ..Plan::new(&scenario, 1) };
    let report = simulation::run(&plan, Faulty::default(), |_| {});
    let command = "faulty_page PAGE.html REPORT.json";
    std::fs::write(page, Page { scenario: &scenario, report: &report, command }.to_html())?;
    std::fs::write(json, serde_json::to_string(&report)?)?;
    Ok(())
}

/// The room that [`Scenario::room_to_show`] chooses, by its place.
const GARAGE: usize = 9;

#[derive(Default)]
struct Faulty {
    keys_for_the_first_device: u32,
}

impl Parts for Faulty {
    type Session = VodozemacSession;

    fn make_session(
        &mut self,
        room: usize,
        random: &mut ChaCha20Rng,
    ) -> Result<VodozemacSession, SessionNotMade> {
        SoundParts.make_session(room, random)
    }

    fn counter_at(&self, since_boot_ms: u64) -> u64 {
        since_boot_ms / 2
    }

    fn rtc_count(&self, true_ms: u64, off_ms: u64) -> u64 {
        (true_ms - off_ms) / 2
    }

    fn set_rtc(&mut self, rtc: &mut Rtc) {
        SoundParts.set_rtc(rtc);
    }

    fn while_off(&mut self, true_ms: u64, flash: &mut Flash) {
        SoundParts.while_off(true_ms, flash);
    }

    fn delivers_room_key(&mut self, room: usize, receiver: usize) -> bool {
        if room == GARAGE && receiver == 0 {
            self.keys_for_the_first_device += 1;
        }
        room != GARAGE || receiver != 0 || self.keys_for_the_first_device != 2
    }

    fn meddle<K: Persistence<Self::Session>>(
        &mut self,
        true_ms: u64,
        room: &str,
        device: &mut Device<'_, Self::Session, K>,
    ) {
        SoundParts.meddle(true_ms, room, device);
    }

    fn uncounted_ciphertext(&mut self) -> Option<String> {
        SoundParts.uncounted_ciphertext()
    }
}
