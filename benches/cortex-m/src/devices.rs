//! Devices to call: their clock, their sessions, and the rooms that they know.

use core::array;
use core::convert::Infallible;
use core::fmt::Write;
use core::hint::black_box;
use core::sync::atomic::{AtomicU32, Ordering};

use embedded_time::clock::Error;
use embedded_time::fraction::Fraction;
use embedded_time::{Clock, Instant};
use heapless::String;
use pawl_core::event::{Event, SendingDevice};
use pawl_core::session::{OutboundSession, SESSION_ID_LENGTH, SESSION_KEY_LENGTH, StorableSession};
use pawl_core::{Config, Decision, Device, Encrypted, Permit, Persistence, RoomId, RoomPlace};

/// The counter that all clocks here show: a load from memory, as reading a timer's register is.
static TICKS: AtomicU32 = AtomicU32::new(0);

/// Sets the counter.
pub(crate) fn set_ticks(ticks: u32) {
    TICKS.store(ticks, Ordering::Relaxed);
}

/// A clock of 32 bits that counts so often a second.
pub(crate) struct Counter<const HZ: u32>;

impl<const HZ: u32> Clock for Counter<HZ> {
    type T = u32;
    const SCALING_FACTOR: Fraction = Fraction::new(1, HZ);

    #[inline]
    fn try_now(&self) -> Result<Instant<Self>, Error> {
        Ok(Instant::new(TICKS.load(Ordering::Relaxed)))
    }
}

/// The clock that decisions are measured with.
pub(crate) const MILLISECONDS: Counter<1_000> = Counter;

/// A session that encrypts nothing: what is measured is everything but the cryptography.
#[derive(Default)]
pub(crate) struct NoEncryption {
    index: u32,
}

impl OutboundSession for NoEncryption {
    type Error = Infallible;

    fn write_session_id(&self, out: &mut [u8; SESSION_ID_LENGTH]) {
        out.fill(b'i');
    }

    fn write_session_key(&self, out: &mut [u8; SESSION_KEY_LENGTH]) {
        out.fill(b'k');
    }

    fn message_index(&self) -> u32 {
        self.index
    }

    fn encrypt<'o>(&mut self, _plaintext: &[u8], _out: &'o mut [u8]) -> Result<&'o str, Infallible> {
        self.index += 1;
        Ok("c")
    }
}

impl StorableSession for NoEncryption {
    /// As much as a Megolm session is: the ratchet's four parts of 32 bytes, its index, and the seed of a signing key.
    const MAX_SECRET_LENGTH: usize = 4 * 32 + 4 + 32;

    fn write_secret(&self, message_index: u32, _key: &[u8; 32], out: &mut [u8]) -> Option<usize> {
        out.get_mut(..Self::MAX_SECRET_LENGTH)?.fill(message_index as u8);
        Some(Self::MAX_SECRET_LENGTH)
    }

    fn read_secret(_secret: &[u8], _key: &[u8; 32]) -> Option<Self> {
        None // nothing is read here
    }
}

/// The room of devices that are in one.
pub(crate) const ROOM: RoomId<'static> = room_id("!OGEhHVWSdvArJzumhm:matrix.org");

const fn room_id(id: &str) -> RoomId<'_> {
    match RoomId::new(id) {
        Ok(id) => id,
        Err(_) => panic!("a room ID is too long"),
    }
}

/// Reads the clock and decides on a message to a room.
#[inline(always)]
pub(crate) fn decide<S, P, R>(
    device: &mut Device<'_, S, P>,
    room: RoomId<'_>,
    then: impl FnOnce(Decision<'_, S>) -> R,
) -> Option<R>
where
    S: Default,
    P: Persistence<S>,
{
    let decision = device.at(&MILLISECONDS).ok()?.decide(black_box(room), create).ok()?;
    Some(then(decision))
}

/// What a session is made with, wherever one is.
pub(crate) fn create<S: Default>() -> Result<S, Infallible> {
    Ok(S::default())
}

/// Where a message is encrypted, which is the caller's. All of the scratch is wiped, so it is as long as this message needs, and a
/// bit more.
pub(crate) struct Buffers {
    scratch: [u8; 256],
    out: [u8; 512],
}

impl Buffers {
    pub(crate) const fn new() -> Self {
        Buffers { scratch: [0; 256], out: [0; 512] }
    }
}

/// Uses a permit for a message of a usual size.
#[inline(always)]
fn encrypt(permit: Permit<'_, NoEncryption>, buffers: &mut Buffers) -> Option<Encrypted> {
    const EVENT: Event<'_> =
        Event { event_type: "m.room.message", content: br#"{"msgtype":"m.text","body":"21 degrees"}"# };
    const SENDER: SendingDevice<'_> =
        SendingDevice { sender_key: "hPQNcabIABgGnx3/ACv/jmMmiQHoeFfuLB17tzWp6Hw", device_id: "KIOSK" };
    let Buffers { scratch, out } = black_box(buffers);
    permit.encrypt(black_box(&EVENT), black_box(&SENDER), scratch, out).ok()
}

/// So many devices that know every room they are in: [`ROOM`], with these limits.
pub(crate) fn in_room<const N: usize>(
    storage: &mut [[RoomPlace<NoEncryption>; 1]; N],
    messages: u32,
) -> [Device<'_, NoEncryption>; N] {
    let content = content(messages);
    let mut storage = storage.iter_mut();
    array::from_fn(|_| {
        let mut device = known(storage.next().map_or(&mut [], |places| places.as_mut_slice()));
        let _ = device.encryption_event(ROOM, content.as_bytes());
        device
    })
}

/// A device that knows that it is in no encrypted room.
pub(crate) fn known(places: &mut [RoomPlace<NoEncryption>]) -> Device<'_, NoEncryption> {
    let mut device = Device::new(places, Config::default());
    device.begin_resync();
    let _ = device.end_resync();
    device
}

/// What most clients send, with so many messages a session.
pub(crate) fn content(messages: u32) -> String<128> {
    let mut content = String::new();
    let _ = write!(
        content,
        r#"{{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_ms":604800000,"rotation_period_msgs":{messages}}}"#
    );
    content
}

/// Starts a session and shares it; the next decision may be a permit.
pub(crate) fn share<S, P>(device: &mut Device<'_, S, P>, room: RoomId<'_>)
where
    S: Default,
    P: Persistence<S>,
{
    let request = decide(device, room, |decision| match decision {
        Decision::Share(request) => Some(request),
        _ => None,
    });
    assert!(request.flatten().is_some_and(|request| device.shared(&request).is_ok()));
}

/// Sends a message to [`ROOM`]; whether it was.
pub(crate) fn send<P: Persistence<NoEncryption>>(
    device: &mut Device<'_, NoEncryption, P>,
    buffers: &mut Buffers,
) -> bool {
    let sent = decide(device, ROOM, |decision| match decision {
        Decision::Encrypt(permit) => encrypt(permit, buffers).is_some(),
        _ => false,
    });
    sent == Some(true)
}
