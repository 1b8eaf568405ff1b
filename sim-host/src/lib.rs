//! Drives pawl-core through simulated weeks in seconds, with real Olm and Megolm sessions.
//!
//! A [`scenario`] says what happens; the [`simulation`] makes it happen to a [`kiosk`] that is built on the core, whose
//! [`power`] goes off now and then, and to [receiving devices](receiver) that decrypt whatever it sends; an [`observer`]
//! that shares no code with the core judges the bytes; a [`report`] says what came of it, a [`page`] shows it, and a trace of
//! what [caused](cause) a violation shows how to see it again. A [`sweep`] says what came of many seeds, and [`compare`] what
//! came of each of many choices of limits.

#![forbid(unsafe_code)]

pub mod cause;
pub mod chronicle;
pub mod clock;
pub mod compare;
pub mod explain;
pub mod file_store;
pub mod kiosk;
pub mod lossy_directory;
pub mod nor_flash;
pub mod observer;
pub mod olm;
pub mod output;
pub mod page;
pub mod parts;
pub mod power;
pub mod powercut;
pub mod ratchet_index;
pub mod receiver;
pub mod report;
pub mod scenario;
mod seeded_session;
pub mod simulation;
pub mod sweep;
mod table;
pub mod trace;
mod units;
