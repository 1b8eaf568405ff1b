//! A settable clock, devices with rooms in force, and sending, for the tests in this folder.
#![allow(dead_code, unused_imports)] // each test file uses its own part of this

mod session;
pub(crate) mod stored;
pub(crate) mod vector;

use core::cell::Cell;
use core::convert::Infallible;
use core::hash::Hash;

use embedded_time::fraction::Fraction;
use embedded_time::{Clock, Instant, TimeInt};
use pawl_core::event::{Event, SendingDevice};
use pawl_core::rotation::RotationReason;
use pawl_core::{
    Applied, BlockReason, Config, Decision, Device, Permit, Persistence, RoomId, RoomStorage, ShareRequest,
};
use serde_json::Value;
pub(crate) use session::{CiphertextTooLong, Session, decrypt, inbound, message_index};

pub(crate) type Storage<const N: usize> = RoomStorage<Session, N>;

/// A clock whose tick is `NUMERATOR / DENOMINATOR` seconds and which shows what it is set to.
pub(crate) struct TestClock<T, const NUMERATOR: u32, const DENOMINATOR: u32>(Cell<Option<T>>);

/// A clock of 32 bits whose rate is `HZ`.
pub(crate) type Clock32<const HZ: u32> = TestClock<u32, 1, HZ>;
/// A clock of 64 bits whose rate is `HZ`.
pub(crate) type Clock64<const HZ: u32> = TestClock<u64, 1, HZ>;
/// A clock of 64 bits that shows milliseconds: what a test takes that is not about the clock.
pub(crate) type Millis = Clock64<1_000>;

impl<T: Copy, const NUMERATOR: u32, const DENOMINATOR: u32> TestClock<T, NUMERATOR, DENOMINATOR> {
    pub(crate) fn showing(ticks: T) -> Self {
        TestClock(Cell::new(Some(ticks)))
    }

    pub(crate) fn show(&self, ticks: T) {
        self.0.set(Some(ticks));
    }

    pub(crate) fn fail(&self) {
        self.0.set(None);
    }
}

impl<T: TimeInt + Hash, const NUMERATOR: u32, const DENOMINATOR: u32> Clock
    for TestClock<T, NUMERATOR, DENOMINATOR>
{
    type T = T;
    const SCALING_FACTOR: Fraction = Fraction::new(NUMERATOR, DENOMINATOR);

    fn try_now(&self) -> Result<Instant<Self>, embedded_time::clock::Error> {
        match self.0.get() {
            Some(ticks) => Ok(Instant::new(ticks)),
            None => Err(embedded_time::clock::Error::NotRunning),
        }
    }
}

pub(crate) const ROOM: RoomId<'static> = match RoomId::new("!room:example.org") {
    Ok(id) => id,
    Err(_) => panic!(),
};

pub(crate) const OTHER_ROOM: RoomId<'static> = match RoomId::new("!other:example.org") {
    Ok(id) => id,
    Err(_) => panic!(),
};

pub(crate) fn room(id: &str) -> RoomId<'_> {
    RoomId::new(id).unwrap()
}

pub(crate) const HOUR_MS: u64 = 3_600_000;
pub(crate) const WEEK_MS: u64 = 604_800_000;

/// The content of an `m.room.encryption` event.
pub(crate) fn content(messages: u32, period_ms: u64) -> Vec<u8> {
    format!(
        r#"{{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_ms":{period_ms},"rotation_period_msgs":{messages}}}"#
    )
    .into_bytes()
}

/// A content with only the algorithm in it.
pub(crate) const MEGOLM: &[u8] = br#"{"algorithm":"m.megolm.v1.aes-sha2"}"#;
/// A content whose algorithm is not supported.
pub(crate) const UNSUPPORTED: &[u8] = br#"{"algorithm":"m.other"}"#;
/// What is left of a redacted event.
pub(crate) const REDACTED: &[u8] = b"{}";

/// A device that has just started for the first time.
pub(crate) fn new_device<const N: usize>(storage: &mut Storage<N>) -> Device<'_, Session> {
    Device::new(storage, Config::default())
}

/// A device that knows every encrypted room it is in: none yet.
pub(crate) fn device<const N: usize>(storage: &mut Storage<N>) -> Device<'_, Session> {
    device_with(storage, Config::default())
}

pub(crate) fn device_with<const N: usize>(storage: &mut Storage<N>, config: Config) -> Device<'_, Session> {
    let mut device = Device::new(storage, config);
    resync(&mut device);
    device
}

pub(crate) fn resync<S, P: Persistence<S>>(device: &mut Device<'_, S, P>) {
    device.begin_resync();
    device.end_resync().unwrap();
}

/// A device that is in one encrypted room, [`ROOM`], with these settings in force.
pub(crate) fn device_in_room<const N: usize>(
    storage: &mut Storage<N>,
    messages: u32,
    period_ms: u64,
) -> Device<'_, Session> {
    let mut device = device(storage);
    encrypt_room(&mut device, ROOM, messages, period_ms);
    device
}

pub(crate) fn encrypt_room<S, P: Persistence<S>>(
    device: &mut Device<'_, S, P>,
    room_id: RoomId<'_>,
    messages: u32,
    period_ms: u64,
) -> Applied {
    device.encryption_event(room_id, &content(messages, period_ms)).unwrap()
}

pub(crate) const EVENT: Event<'static> =
    Event { event_type: "m.room.message", content: br#"{"msgtype":"m.text","body":"hello"}"# };

pub(crate) const SENDER: SendingDevice<'static> =
    SendingDevice { sender_key: "WCyqV4SpdPN5ib6QRlbSBPSLlTDZMYWQJLHFfTiQYSk", device_id: "KITCHENLGT" };

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    Plaintext,
    Blocked(BlockReason),
    /// Nothing was sent, since the room key could not be shared.
    WaitingForShare(Option<RotationReason>),
    Encrypted {
        index: u32,
        rotation: Option<RotationReason>,
    },
}

/// A message that the room's session of before carries on.
pub(crate) const fn goes_on(index: u32) -> Sent {
    Sent::Encrypted { index, rotation: None }
}

/// The first message of a new session.
pub(crate) const fn rotates(reason: RotationReason) -> Sent {
    Sent::Encrypted { index: 0, rotation: Some(reason) }
}

/// What the room needs for its next message.
pub(crate) fn decide<'d, C, P: Persistence<Session>>(
    device: &'d mut Device<'_, Session, P>,
    clock: &C,
    room_id: RoomId<'_>,
) -> Decision<'d, Session>
where
    C: Clock,
    u64: From<C::T>,
{
    device
        .at(clock)
        .unwrap()
        .decide(room_id, || Ok::<_, Infallible>(Session::new()))
        .unwrap_or_else(|_| panic!("a session can always be made here"))
}

/// Sends a message; a new session is shared without fault.
pub(crate) fn send<C, P: Persistence<Session>>(
    device: &mut Device<'_, Session, P>,
    clock: &C,
    room_id: RoomId<'_>,
) -> Sent
where
    C: Clock,
    u64: From<C::T>,
{
    let rotation = match decide(device, clock, room_id) {
        Decision::Plaintext(_) => return Sent::Plaintext,
        Decision::Blocked(reason) => return Sent::Blocked(reason),
        Decision::Encrypt(permit) => {
            let (index, _) = encrypt(permit);
            return goes_on(index);
        }
        Decision::Share(request) => {
            device.shared(&request).unwrap();
            request.started
        }
    };
    let (index, _) = encrypt(permit(device, clock, room_id));
    Sent::Encrypted { index, rotation }
}

/// Sends a message; a new session cannot be shared with anybody.
pub(crate) fn send_unshared<C, P: Persistence<Session>>(
    device: &mut Device<'_, Session, P>,
    clock: &C,
    room_id: RoomId<'_>,
) -> Sent
where
    C: Clock,
    u64: From<C::T>,
{
    match decide(device, clock, room_id) {
        Decision::Plaintext(_) => Sent::Plaintext,
        Decision::Blocked(reason) => Sent::Blocked(reason),
        Decision::Encrypt(permit) => goes_on(encrypt(permit).0),
        Decision::Share(request) => Sent::WaitingForShare(request.started),
    }
}

/// Sends so many messages with the session there is.
pub(crate) fn send_many<C, P: Persistence<Session>>(
    device: &mut Device<'_, Session, P>,
    clock: &C,
    room_id: RoomId<'_>,
    messages: u32,
) where
    C: Clock,
    u64: From<C::T>,
{
    for _ in 0..messages {
        encrypt(permit(device, clock, room_id));
    }
}

/// Starts the room's session, or a new one, and shares it; nothing is sent.
pub(crate) fn start_session<C, P: Persistence<Session>>(
    device: &mut Device<'_, Session, P>,
    clock: &C,
    room_id: RoomId<'_>,
) where
    C: Clock,
    u64: From<C::T>,
{
    let request = share_request(device, clock, room_id);
    device.shared(&request).unwrap();
}

/// The request that the next message waits for.
pub(crate) fn share_request<C, P: Persistence<Session>>(
    device: &mut Device<'_, Session, P>,
    clock: &C,
    room_id: RoomId<'_>,
) -> ShareRequest
where
    C: Clock,
    u64: From<C::T>,
{
    match decide(device, clock, room_id) {
        Decision::Share(request) => request,
        _ => panic!("the room has no session to share"),
    }
}

/// The permit for the next message.
pub(crate) fn permit<'d, C, P: Persistence<Session>>(
    device: &'d mut Device<'_, Session, P>,
    clock: &C,
    room_id: RoomId<'_>,
) -> Permit<'d, Session>
where
    C: Clock,
    u64: From<C::T>,
{
    match decide(device, clock, room_id) {
        Decision::Encrypt(permit) => permit,
        _ => panic!("the room has no session that was shared"),
    }
}

/// Encrypts [`EVENT`]. Returns the message's index and the content of its `m.room.encrypted`.
pub(crate) fn encrypt(permit: Permit<'_, Session>) -> (u32, Value) {
    encrypt_event(permit, &EVENT)
}

pub(crate) fn encrypt_event(permit: Permit<'_, Session>, event: &Event<'_>) -> (u32, Value) {
    let mut scratch = vec![0; 3 * event.content.len() + 1_500];
    let mut out = vec![0; 2 * event.content.len() + 1_200];
    let encrypted = permit.encrypt(event, &SENDER, &mut scratch, &mut out).unwrap();
    let content = serde_json::from_slice(&out[..encrypted.length]).unwrap();
    (encrypted.message_index, content)
}

/// The content of the `m.room_key` for a request.
pub(crate) fn room_key<P>(device: &Device<'_, Session, P>, request: &ShareRequest) -> Value {
    let mut out = [0; 1_000];
    let length = device.room_key(request, &mut out).unwrap();
    serde_json::from_slice(&out[..length]).unwrap()
}
