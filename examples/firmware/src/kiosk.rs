//! What an application does around the core: it asks before each message, shares room keys, and sends.

use core::convert::Infallible;

use chacha20::ChaCha20Rng;
use defmt::{info, unwrap};
use pawl_core::event::{Event, SendingDevice};
use pawl_core::flash::FlashStore;
use pawl_core::rotation::RotationReason;
use pawl_core::settings::Settings;
use pawl_core::{BlockReason, Decision, Device, RoomId, SessionsStored, ShareRequest};
use zeroize::Zeroizing;

use crate::clock::SysTickClock;
use crate::flash::Flash;
use crate::power;
use crate::rtc::Rtc;
use crate::server::{Seen, Server};
use crate::session::NoEncryption;

/// What outlives a restart: everything, in flash.
pub(crate) type Kept = SessionsStored<'static, FlashStore<'static, Flash>, Rtc, ChaCha20Rng>;

const ME: SendingDevice<'_> =
    SendingDevice { sender_key: "hPQNcabIABgGnx3/ACv/jmMmiQHoeFfuLB17tzWp6Hw", device_id: "KIOSK" };

const TEMPERATURE: Event<'_> =
    Event { event_type: "m.room.message", content: br#"{"msgtype":"m.text","body":"21 degrees"}"# };

/// The application.
pub(crate) struct Kiosk {
    pub(crate) device: Device<'static, NoEncryption, Kept>,
    pub(crate) clock: SysTickClock,
    pub(crate) rtc: Rtc,
    pub(crate) random: ChaCha20Rng,
    pub(crate) network_is_up: bool,
    pub(crate) server: &'static mut Server,
    /// Where the calendar stands when the power comes on the next time.
    pub(crate) calendar_ms: &'static mut u64,
}

/// What became of a message.
pub(crate) enum Sent {
    /// The server has it; and why its session is a new one, if it is.
    Encrypted(Seen, Option<RotationReason>),
    Plaintext,
    /// It was not sent: a room key did not arrive.
    Waits,
    Blocked(BlockReason),
}

impl Kiosk {
    /// Sends one message. First of all, the core says what it needs.
    pub(crate) fn send(&mut self, room: RoomId<'_>) -> Sent {
        let mut started = None;
        loop {
            let moment = unwrap!(self.device.at(&self.clock));
            let random = &mut self.random;
            match unwrap!(moment.decide(room, || Ok::<_, Infallible>(NoEncryption::new(random)))) {
                Decision::Encrypt(permit) => {
                    let (mut scratch, mut out) = ([0; 1_024], [0; 1_024]);
                    let encrypted = unwrap!(permit.encrypt(&TEMPERATURE, &ME, &mut scratch, &mut out));
                    let seen = self.server.encrypted(&out[..encrypted.length]); // as `m.room.encrypted`
                    return Sent::Encrypted(seen, started);
                }
                Decision::Share(request) => {
                    started = started.or(request.started);
                    if !self.share(&request) {
                        return Sent::Waits;
                    }
                }
                Decision::Plaintext(_permit) => {
                    self.server.plaintext(); // as it is
                    return Sent::Plaintext;
                }
                Decision::Blocked(reason) => return Sent::Blocked(reason),
            }
        }
    }

    /// Gives the devices in a room the key of its session, and says whether they have it. Here they have it at once. On a
    /// network it takes its time, in which the request can wait anywhere: it borrows nothing.
    fn share(&mut self, request: &ShareRequest) -> bool {
        let mut room_key = Zeroizing::new([0; 1_024]);
        let length = unwrap!(self.device.room_key(request, &mut *room_key));
        if !self.network_is_up {
            return false; // the next decision asks for it again
        }
        self.server.room_key(&room_key[..length]); // as `m.room_key`, by Olm, to each device
        unwrap!(self.device.shared(request));
        true
    }

    /// What the calendar says when the power is on again.
    pub(crate) fn comes_back_after(&mut self, off_ms: u64) {
        *self.calendar_ms = self.rtc.now_ms() + off_ms;
    }

    /// The power is off, for so long, while nothing is written.
    pub(crate) fn power_off(&mut self, off_ms: u64) -> ! {
        self.comes_back_after(off_ms);
        power::off()
    }

    // ---- with a log ----

    /// Sends messages, and says what the server saw.
    pub(crate) fn send_and_tell(&mut self, room: RoomId<'_>, messages: u32) {
        let mut run: Option<Run> = None;
        for _ in 0..messages {
            match self.send(room) {
                Sent::Encrypted(seen, started) => {
                    run = match run {
                        Some(run) if run.session == seen.session => Some(Run { last: seen.index, ..run }),
                        before => {
                            before.inspect(|run| run.tell(room));
                            let Seen { session, index } = seen;
                            Some(Run { session, started, first: index, last: index })
                        }
                    };
                }
                Sent::Plaintext => info!("{=str}: sent as plaintext, never encrypted", room.as_str()),
                Sent::Waits => info!("{=str}: nothing is sent, the room key did not arrive", room.as_str()),
                Sent::Blocked(reason) => info!("{=str}: nothing is sent, {}", room.as_str(), reason),
            }
        }
        run.inspect(|run| run.tell(room));
    }

    /// Receives the content of an `m.room.encryption` event, and says what it changed.
    pub(crate) fn receive_and_tell(&mut self, room: RoomId<'_>, content: &str) {
        info!("{=str}: receives {=str}", room.as_str(), content);
        let applied = unwrap!(self.device.encryption_event(room, content.as_bytes()));
        info!("{=str}: {}", room.as_str(), applied.effect);
        self.tell_settings(room);
    }

    /// Says after how many messages, and at which age, a room's sessions are replaced.
    pub(crate) fn tell_settings(&self, room: RoomId<'_>) {
        if let Some(Settings { rotation_period_msgs, rotation_period_ms, .. }) = self.device.settings(room) {
            info!("{=str}: {} messages or {} ms", room.as_str(), rotation_period_msgs, rotation_period_ms);
        }
    }
}

/// Messages one after the other on one session.
struct Run {
    session: usize,
    started: Option<RotationReason>,
    first: u32,
    last: u32,
}

impl Run {
    fn tell(&self, room: RoomId<'_>) {
        let Run { session, first, last, .. } = *self;
        match self.started {
            Some(reason) => {
                info!(
                    "{=str}: session {}, new for {}: indices {} to {}",
                    room.as_str(),
                    session,
                    reason,
                    first,
                    last
                );
            }
            None => info!("{=str}: session {}: indices {} to {}", room.as_str(), session, first, last),
        }
    }
}
