//! Checks of the tests themselves, and of figures.
//!
//! `rules`: every rule of `docs/rules.md` is cited where it is implemented and where it is tested. `mistakes`: every
//! mistake of `checks/mistakes.toml`, planted in a copy of the workspace, makes a test fail that cites its rule.
//! `planted-bugs`: each bug of `checks/planted.toml` is found by a sweep of the simulation, and shown by a short trace. `no-panic`: no
//! panic can be reached from what decides. `figures`: what is measured on the target is what is committed, and what the README
//! says. `flash-bytes` measures images. `instructions` does on the host what `figures` does on the target, and `results` runs all
//! benchmarks and writes their page. `benchmark-names`: none has another name than scripts read.

#![forbid(unsafe_code)]

mod citations;
mod figures;
mod flash_bytes;
mod instructions;
mod mistakes;
mod names;
mod no_panic;
mod planted;
mod results;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Checks of the tests themselves, and of figures.
#[derive(Parser)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Every rule is cited in the core's code and in its tests.
    Rules,
    /// Every planted mistake makes a test fail that cites its rule.
    Mistakes {
        /// Only the mistakes whose name begins so, such as `T5`.
        #[arg(default_value = "")]
        prefix: String,
    },
    /// Every planted bug is found by a sweep of the simulation, and shown by a short trace.
    PlantedBugs {
        /// Only the bugs whose name contains this.
        #[arg(default_value = "")]
        part: String,
    },
    /// No panic can be reached from what decides.
    NoPanic {
        /// Only list the functions that the proof is about, and those outside of it.
        #[arg(long)]
        list: bool,
    },
    /// Prints how many bytes of flash images take.
    FlashBytes {
        /// Each as `<name>=<file>`.
        images: Vec<String>,
    },
    /// Counts the instructions of the benchmarks on this host, by callgrind, and prints one figure a line.
    Instructions {
        /// Compares them with what is committed in `benches/expected` for this compiler.
        #[arg(long)]
        check: bool,
    },
    /// Every benchmark has the name by which scripts know it.
    BenchmarkNames {
        /// Those of the peers too, which are built for that.
        #[arg(long)]
        peers: bool,
    },
    /// Runs all benchmarks beside the peers, and writes `benches/RESULTS.md` with its plots.
    Results {
        /// Takes what was measured last, and measures only what is missing of it.
        #[arg(long)]
        measured: bool,
    },
    /// The figures that are measured on the target.
    #[command(subcommand)]
    Figures(Figures),
}

#[derive(Subcommand)]
enum Figures {
    /// Compares what `benches/cortex-m/run.sh` printed, on standard input, with what is committed for a compiler.
    Compare {
        /// The compiler's version, and `-source` if it built `core` itself, such as `1.96.0-source`.
        compiler: String,
    },
    /// Writes the README's tables from the committed figures.
    Table {
        /// Only fails if they are not what they should be.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> ExitCode {
    let result = match CommandLine::parse().command {
        Command::Rules => citations::check(),
        Command::Mistakes { prefix } => mistakes::check(&prefix),
        Command::PlantedBugs { part } => planted::check(&part),
        Command::Instructions { check } => instructions::lines(check),
        // Whole-program optimisation, of which `bench` has most, changes no name.
        Command::BenchmarkNames { peers: false } => names::check("sending", "test"),
        Command::BenchmarkNames { peers: true } => names::check(results::FEATURES, "test"),
        Command::Results { measured } => results::write(measured),
        Command::Figures(Figures::Compare { compiler }) => figures::compare(&compiler),
        Command::Figures(Figures::Table { check }) => figures::table(check),
        Command::NoPanic { list } => no_panic::check(list),
        Command::FlashBytes { images } => flash_bytes::lines(&images),
    };
    match result {
        Ok(summary) => {
            println!("{summary}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
