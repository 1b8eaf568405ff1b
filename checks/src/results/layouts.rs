//! The timed programs in several layouts: how long a function takes depends on where it comes to lie in a program, against cache lines and
//! against other functions, and of that a benchmark shall know nothing.
//!
//! Each function is a section of its own, and the linker can put these in any order (`--shuffle-sections` of LLVM's linker, which rustc
//! brings along and links with on x86-64 Linux). Only a program itself is built anew for that, and no crate that it uses: the functions
//! are the same in each layout.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use object::{Object, ObjectSymbol, SymbolKind};

use super::FEATURES;
use crate::{names, workspace};

/// So many are timed, a round each. An odd number has a median.
pub(super) const LAYOUTS: u32 = 5;

/// The timed programs in each layout, of which the first is that in which cargo builds them.
pub(super) fn build() -> Result<Vec<Vec<PathBuf>>, String> {
    let layouts: Vec<Vec<_>> = (0..LAYOUTS)
        .map(|seed| names::TIMED.iter().map(|bench| program(bench, seed)).collect())
        .collect::<Result<_, String>>()?;
    let counted = functions(&program("instructions", 0)?)?;
    for (number, bench) in names::TIMED.iter().enumerate() {
        let programs =
            layouts.iter().map(|layout| functions(&layout[number])).collect::<Result<Vec<_>, _>>()?;
        same_in_other_orders(&programs).map_err(|error| format!("{bench}: {error}"))?;
        same_code(&programs[0], &counted).map_err(|error| format!("{bench}: {error}"))?;
    }
    Ok(layouts)
}

/// Builds a program, in a layout that is the same for the same seed; 0 is for the one in which cargo builds it.
fn program(bench: &str, seed: u32) -> Result<PathBuf, String> {
    let mut cargo = Command::new("cargo");
    cargo.args(["rustc", "--locked", "-p", "pawl-benches", "--features", FEATURES, "--profile", "bench"]);
    cargo.args(["--bench", bench, "--message-format=json-render-diagnostics"]);
    if seed > 0 {
        cargo.args(["--", "-C", &format!("link-arg=-Wl,--shuffle-sections=.text*={seed}")]);
    }
    let output = cargo
        .current_dir(workspace::root())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "{bench} could not be built in layout {seed}; for others than layout 0 the linker has to know --shuffle-sections, as that has \
             with which rustc links on x86-64 Linux"
        ));
    }
    workspace::executable(&String::from_utf8_lossy(&output.stdout), bench)
        .ok_or_else(|| format!("cargo does not say where {bench} is"))
}

/// A function's name and size.
type Function = (String, u64);

/// A program's functions, in the order in which they lie.
fn functions(program: &Path) -> Result<Vec<Function>, String> {
    let unreadable = |error: String| format!("{}: {error}", program.display());
    let bytes = fs::read(program).map_err(|error| unreadable(error.to_string()))?;
    let program = object::File::parse(&*bytes).map_err(|error| unreadable(error.to_string()))?;
    let functions = program.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text);
    let mut by_address: Vec<_> = functions
        .filter_map(|function| {
            Some((function.address(), (function.name().ok()?.to_owned(), function.size())))
        })
        .collect();
    by_address.sort();
    Ok(by_address.into_iter().map(|(_, function)| function).collect())
}

/// Or else what is timed is not what the page says.
fn same_in_other_orders(programs: &[Vec<Function>]) -> Result<(), String> {
    let sorted = |functions: &Vec<Function>| {
        let mut functions = functions.clone();
        functions.sort();
        functions
    };
    for (number, program) in programs.iter().enumerate() {
        let before = &programs[..number];
        if before.contains(program) {
            return Err(format!("the linker has put nothing elsewhere in layout {number}"));
        }
        if before.iter().any(|other| sorted(other) != sorted(program)) {
            return Err(format!("in layout {number} there are other functions than in layout 0"));
        }
    }
    Ok(())
}

/// What is counted is what is timed: a function of pawl's in both programs has one size. What else a program calls decides what the compiler
/// puts into what.
fn same_code(timed: &[Function], counted: &[Function]) -> Result<(), String> {
    let counted: BTreeMap<_, _> = counted.iter().cloned().collect();
    let mut compared = 0;
    for (name, size) in timed.iter().filter(|(name, _)| name.contains("pawl_core")) {
        match counted.get(name) {
            Some(other) if other == size => compared += 1,
            Some(other) => {
                return Err(format!(
                    "{name} has {size} bytes where it is timed, and {other} where it is counted"
                ));
            }
            None => {} // inlined there
        }
    }
    if compared == 0 { Err("nothing of pawl's is timed and counted".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::{same_code, same_in_other_orders};

    #[test]
    fn what_is_counted_is_what_is_timed() {
        let function = |name: &str, size| (name.to_owned(), size);
        let counted = [function("pawl_core::read", 16), function("core::read", 16)];
        assert!(same_code(&[function("pawl_core::read", 16), function("core::read", 32)], &counted).is_ok());
        assert!(same_code(&[function("pawl_core::read", 32)], &counted).is_err());
        assert!(
            same_code(&[function("pawl_core::read", 16), function("pawl_core::write", 32)], &counted).is_ok()
        );
        assert!(same_code(&[function("pawl_core::write", 32)], &counted).is_err());
    }

    #[test]
    fn layouts_have_the_same_functions_in_other_orders() {
        let functions = |text: &str| text.chars().map(|name| (name.to_string(), 16)).collect::<Vec<_>>();
        let ok = |programs: [&str; 3]| same_in_other_orders(&programs.map(functions)).is_ok();
        assert!(ok(["abc", "bca", "cba"]));
        assert!(!ok(["abc", "bca", "bca"]));
        assert!(!ok(["abc", "bca", "cbd"]));
    }
}
