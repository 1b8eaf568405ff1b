//! `peak-memory <program> <arguments…>` runs a program, and prints in one line how many seconds it took and how many bytes it had at
//! its peak.
//!
//! Linux counts towards the peak of a program that of the process which starts it, up to then. So what measures others is a
//! program of its own, smaller than any of them.

#![forbid(unsafe_code)]

use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use wait4::Wait4;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let Some(program) = words.next() else {
        eprintln!("peak-memory <program> <arguments…>");
        return ExitCode::FAILURE;
    };
    let begin = Instant::now();
    let used = Command::new(&program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .and_then(|mut process| process.wait4());
    match used {
        Ok(used) if used.status.success() => {
            println!("{} {}", begin.elapsed().as_secs_f64(), used.rusage.maxrss);
            ExitCode::SUCCESS
        }
        Ok(used) => {
            eprintln!("{}: {}", program.display(), used.status);
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("cannot run {}: {error}", program.display());
            ExitCode::FAILURE
        }
    }
}
