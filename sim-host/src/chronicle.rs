//! What is kept of the course of a run, for its page: rotations over time, and one room's life.
//!
//! All of it is bounded, however long the run is: time has a fixed number of intervals, and of what happened to a room the
//! first and the last are kept, with a count of those between.

mod bounded;
mod choice;
mod over_time;
mod room_life;

pub use self::bounded::Bounded;
pub use self::over_time::RotationsOverTime;
pub use self::room_life::{Entry, LimitStep, RoomLife, SessionSpan, What};
