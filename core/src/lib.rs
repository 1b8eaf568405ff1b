#![doc = include_str!("../../README.md")]
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "vodozemac")]
extern crate std;

pub mod clock;
mod device;
pub mod event;
pub mod json;
pub mod membership;
mod room;
mod rooms;
pub mod rotation;
pub mod session;
pub mod settings;
#[cfg(feature = "vodozemac")]
mod vodozemac;

pub use crate::device::{
    Applied, Config, Device, Moment, Noted, ResyncError, RoomKeyError, SessionReplaced, TableFull,
};
pub use crate::room::{
    BlockReason, DecideError, Decision, Effect, EncryptError, Encrypted, Permit, PlaintextPermit,
    ShareRequest,
};
pub use crate::rooms::{MAX_ROOM_ID_LENGTH, RoomId, RoomIdTooLong, RoomStorage};
#[cfg(feature = "vodozemac")]
pub use crate::vodozemac::{CiphertextTooLong, VodozemacSession};
