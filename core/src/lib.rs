//! Decides, without std and without a heap, whether a Matrix room is encrypted, with which settings, and when its
//! outbound Megolm session must be replaced.
//!
//! # The layers
//!
//! What decides ([`json`] to [`membership`]) knows only the modules before it; [`Device`] puts them together.
//!
//! - [`json`] reads one JSON object, strictly and within bounds.
//! - [`settings`] reads the content of `m.room.encryption` events and says what a later one may change.
//! - [`clock`] keeps a 64-bit timeline over an injected clock.
//! - [`rotation`] finds the reason why a session must be replaced.
//! - [`membership`] says which events end a session.
//! - [`session`] is the trait of an outbound Megolm session; with the feature `vodozemac` there is one to use.
//! - [`event`] writes the contents of the events that a sender makes.
//! - [`record`] is a room's and a device's state as bytes, [`store`] the trait of a place to keep them; with the feature
//!   `flash` there is one on NOR flash. [`NothingStored`], [`RoomsStored`] and [`SessionsStored`] say what outlives a restart.
//! - [`Device`] holds the rooms and is what an application talks to.
//!
//! # How it is used
//!
//! Tell the [`Device`] what a sync brings: [`encryption_event`](Device::encryption_event),
//! [`member_event`](Device::member_event) and the others. Before each message, read the clock with [`Device::at`] and ask
//! the [`Moment`] to [`decide`](Moment::decide). The README has the whole of it as an example; [`manual`] has the rules
//! that the code cites, and the reasons for its design.
//!
//! # What it promises
//!
//! No `unsafe`, no allocation, no recursion, and no panic in anything that decides. Secrets have no `Debug`. Nothing is
//! logged; with the feature `defmt`, public types that hold no secrets have `defmt::Format`.

#![no_std]
#![forbid(unsafe_code)]

/// The rules and the design, for those who review or change the code.
pub mod manual {
    #[doc = include_str!("../../docs/rules.md")]
    pub mod rules {}

    #[doc = include_str!("../../docs/design.md")]
    pub mod design {}

    #[doc = include_str!("../../docs/clocks.md")]
    pub mod clocks {}

    #[doc = include_str!("../../docs/storage.md")]
    pub mod storage {}
}

mod bytes;
pub mod clock;
mod device;
pub mod event;
#[cfg(feature = "flash")]
pub mod flash;
pub mod json;
pub mod membership;
mod persistence;
mod place;
pub mod record;
mod restart;
mod room;
mod rooms;
pub mod rotation;
mod sealed;
pub mod session;
pub mod settings;
pub mod store;
#[cfg(feature = "vodozemac")]
mod vodozemac;

pub use crate::device::{
    Applied, Config, Device, EncryptionEventError, Moment, Noted, ResyncError, RoomKeyError, SharedError,
};
pub use crate::persistence::{
    DEFAULT_RESERVATION, NothingStored, Persistence, RoomsStored, SessionsStored, StampClock, sealed_length,
};
pub use crate::restart::OpenError;
pub use crate::room::{
    BlockReason, DecideError, Decision, Effect, EncryptError, Encrypted, Permit, PlaintextPermit,
    ShareRequest,
};
pub use crate::rooms::{MAX_ROOM_ID_LENGTH, RoomId, RoomIdTooLong, RoomPlace, RoomStorage};
pub use crate::sealed::{SEALED_OVERHEAD, Stamp, StoreKey};
#[cfg(feature = "vodozemac")]
pub use crate::vodozemac::{CiphertextTooLong, VodozemacSession};

/// The README's example is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
