//! Makes modules of the core's tests, a table of them, and one of the test vectors.
//!
//! The files of `core/tests` are taken as they stand, but for the tests that need a host, which go with all that only they use.
//! Lines stay where they are, so a failure is found under the same number. What needs a host is derived from what a test
//! names, by itself or through other items of its file: see [`HOST_ONLY`].

#[path = "build/source.rs"]
mod source;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use source::{Needs, Source};

/// What no target without std has, and why. A test that names any of it is left out. Whatever else is missing is an error
/// of the compiler; then say it here, or write the test without. An entry that leaves out no test is an error.
const HOST_ONLY: [Needs; 6] = [
    ("pawl_fuzz", "the model of the rules needs std"),
    ("proptest_state_machine", "it needs std"),
    ("std::fs", "there are no files"),
    ("std::panic", "a panic ends the program"),
    ("std::thread", "there are no threads"),
    ("vodozemac", "vodozemac needs std"),
];

/// The modules of `core/tests` that this crate has in another form: by whose sessions the tests run.
const REPLACED: [&str; 1] = ["session"];

/// What is put behind every file.
const PRELUDE: &str = "\nuse crate::host::prelude::*;\n";

const TESTS: &str = "../../core/tests";
const VECTORS: &str = "../../vectors/settings";

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::copy("memory.x", out.join("memory.x")).expect("OUT_DIR can be written");
    println!("cargo:rustc-link-search={}", out.display());
    for path in ["build.rs", "build", "memory.x", TESTS, VECTORS] {
        println!("cargo:rerun-if-changed={path}");
    }

    fs::create_dir_all(out.join("support")).expect("OUT_DIR can be written");
    for path in files(&Path::new(TESTS).join("support")) {
        if !REPLACED.contains(&stem(&path)) {
            let source = Source::read(&path, &HOST_ONLY);
            let text = source.for_target(&REPLACED) + PRELUDE;
            fs::write(out.join("support").join(path.file_name().expect("a file")), text)
                .expect("OUT_DIR can be written");
        }
    }
    let generated = test_modules(&out) + &vectors();
    fs::write(out.join("generated.rs"), generated).expect("OUT_DIR can be written");
}

/// The modules of the tests that run, the table of them, and the list of those that don't.
fn test_modules(out: &Path) -> String {
    let mut modules = format!(
        "#[allow(unused_imports)] #[path = {:?}] pub(crate) mod support;\n",
        out.join("support/mod.rs")
    );
    let (mut tables, mut left_out) = (String::new(), String::new());
    let mut reasons_met = BTreeSet::new();
    for path in files(Path::new(TESTS)) {
        let source = Source::read(&path, &HOST_ONLY);
        let name = stem(&path);
        assert!(source.tests().next().is_some(), "{name} has no test");
        for (test, host_only) in source.tests() {
            if let Some((needs, why)) = host_only {
                reasons_met.insert(needs);
                writeln!(left_out, "(\"{name}::{test}\", \"{needs}: {why}\"),").expect("a string takes it");
            }
        }
        let run: Vec<&str> =
            source.tests().filter(|(_, host_only)| host_only.is_none()).map(|(test, _)| test).collect();
        if run.is_empty() {
            continue;
        }
        let mut text = source.for_target(&["support"]) + PRELUDE;
        text += "pub(crate) const TESTS: &[crate::Test] = &[\n";
        for test in run {
            writeln!(text, "(\"{name}::{test}\", {test}),").expect("a string takes it");
        }
        text += "];\n";
        let module = out.join(path.file_name().expect("a file"));
        fs::write(&module, text).expect("OUT_DIR can be written");
        writeln!(modules, "#[allow(unused_imports, dead_code)] #[path = {module:?}] mod {name};")
            .expect("a string takes it");
        writeln!(tables, "{name}::TESTS,").expect("a string takes it");
    }
    for (needs, _) in HOST_ONLY {
        assert!(
            reasons_met.contains(needs),
            "no test is left out for {needs} any more: take it out of build.rs"
        );
    }
    format!(
        "{modules}pub(crate) const FILES: &[&[crate::Test]] = &[\n{tables}];\n\
         pub(crate) const LEFT_OUT: &[(&str, &str)] = &[\n{left_out}];\n"
    )
}

/// The table of the test vectors, by name.
fn vectors() -> String {
    let mut table = "pub(crate) const VECTORS: &[(&str, &[u8])] = &[\n".to_owned();
    for path in files(Path::new(VECTORS)) {
        let full = path.canonicalize().expect("a file");
        writeln!(table, "({:?}, include_bytes!({full:?})),", stem(&path)).expect("a string takes it");
    }
    table + "];\n"
}

/// The files in a folder, without those in its folders, by name.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> =
        entries.map(|entry| entry.expect("a file").path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

fn stem(path: &Path) -> &str {
    path.file_stem().and_then(|name| name.to_str()).expect("a file's name")
}
