//! Many seeds of some scenarios, and one report of all of them.
//!
//! There is one concept: a [`SweepReport`] is what the runs of a [set of seeds](Seeds) of a [`Plan`] came to, and two of
//! them, of one plan and without a seed in common, [add up](SweepReport::add) to the report of all their seeds, in
//! whatever order. So a [shard](Shard) is some of the seeds, a sweep that goes on where it stopped runs the seeds that its
//! report lacks, and reports of many machines are merged by adding them.
//!
//! A report holds sums, extremes and [histograms](Figure) of fixed buckets, and of each kind of violation the lowest seed
//! that shows it. It grows neither with seeds nor with simulated time.

mod causes;
pub mod command;
mod file;
pub mod merge;
mod plan;
mod report;
mod seeds;
mod shard;
mod summary;
mod tally;
mod work;

pub use self::file::{Afresh, ReportFile};
pub use self::plan::{Plan, Subject};
pub use self::report::{CannotAdd, SweepReport};
pub use self::seeds::{SeedRange, Seeds};
pub use self::shard::Shard;
pub use self::tally::{Example, Extreme, Figure, Finding, Panics, Tally};
pub use self::work::{AllRun, Work, run_seeds};
