//! What the images have in common: a loop that makes whatever call it is told to, and a world outside that exists nowhere, so
//! that none of its code is counted.
//!
//! The loop makes every call of a device but those that send: [`Permit::encrypt`](pawl_core::Permit::encrypt) and
//! [`Device::room_key`]. An image holds all that they need and nothing besides; what the loop itself takes is counted too.

#![no_std]

pub mod outside;

use pawl_core::clock::{Sleep, longest_read_interval_ms};
use pawl_core::membership::{Membership, PreviousMembership};
use pawl_core::{
    Config, Decision, Device, Moment, Persistence, RoomId, RoomPlace, RoomStorage, ShareRequest,
};

use crate::outside::{Counter, Failure, Session, answer, next, places};

/// A call that is to be made.
#[repr(C)]
pub struct Request {
    call: u8,
    room_id: &'static str,
    text: &'static str,
    content: &'static [u8],
    previous: Option<&'static str>,
    limited: bool,
    sleep: Sleep,
    share: Option<ShareRequest>,
}

/// A device with a table in storage of so many places.
pub fn run<P: Persistence<Session>, const PLACES: usize>(config: Config, persistence: P) {
    let storage: &mut RoomStorage<Session, PLACES> = places();
    open(storage, config, persistence);
}

fn open<P: Persistence<Session>>(places: &mut [RoomPlace<Session>], config: Config, persistence: P) {
    match Device::open(places, config, persistence, &Counter) {
        Ok(mut device) => serve(&mut device),
        Err(error) => answer(error),
    }
}

/// The same for a device of which nothing is stored.
pub fn run_new<const PLACES: usize>(config: Config) {
    let storage: &mut RoomStorage<Session, PLACES> = places();
    serve(&mut Device::new(storage, config));
}

fn serve<P: Persistence<Session>>(device: &mut Device<'_, Session, P>) {
    loop {
        let request: &'static Request = next();
        let Ok(room) = RoomId::new(request.room_id) else {
            return;
        };
        match request.call {
            0 => answer(device.encryption_event(room, request.content)),
            1 => answer(device.member_event(
                room,
                previous(request),
                membership(request.text),
                request.limited,
            )),
            2 => answer(device.history_visibility_event(room, request.text)),
            3 => answer(device.device_removed(room)),
            4 => answer(device.request_rotation(room)),
            5 => answer(device.reset_settings(room)),
            6 => answer(device.forget(room)),
            7 => device.begin_resync(),
            8 => answer(device.end_resync()),
            9 => answer(device.slept(request.sleep)),
            10 => match device.at(&Counter) {
                Ok(moment) => decide(moment, room),
                Err(error) => answer(error),
            },
            11 => answer(device.read_clock(&Counter)),
            12 => answer(device.at(&Counter).map(|moment| moment.expires_in_ms(room))),
            13 => answer(device.settings(room)),
            14 => answer(device.is_known_encrypted(room)),
            15 => answer(device.incomplete()),
            16 => answer(device.share_current(room)),
            17 => answer(request.share.as_ref().map(|share| device.shared(share))),
            18 => answer(device.shut_down(&Counter)),
            19 => answer(longest_read_interval_ms::<Counter>()),
            _ => return,
        }
    }
}

fn decide<P: Persistence<Session>>(moment: Moment<'_, '_, Session, P>, room: RoomId<'_>) {
    match moment.decide(room, next::<Result<Session, Failure>>) {
        Ok(Decision::Share(share)) => answer(share),
        Ok(Decision::Blocked(reason)) => answer(reason),
        Ok(Decision::Plaintext(permit)) => answer(&permit),
        Ok(Decision::Encrypt(permit)) => answer(&permit),
        Err(error) => answer(error),
    }
}

fn membership(name: &str) -> Membership {
    Membership::from_name(name)
}

fn previous(request: &Request) -> PreviousMembership {
    request.previous.map_or(PreviousMembership::Unknown, |name| PreviousMembership::Known(membership(name)))
}
