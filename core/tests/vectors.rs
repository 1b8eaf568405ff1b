//! Runs every case of `vectors/settings` (its format is in `vectors/README.md`).

mod support;

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_vector_is_read_as_its_header_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/settings");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 120, "only {} vectors", paths.len());
    let mut failures = Vec::new();
    for path in &paths {
        if let Err(difference) = support::vector::check(&fs::read(path).unwrap()) {
            failures.push(format!("{}: {difference}", path.display()));
        }
    }
    println!("{} vectors", paths.len());
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), paths.len(), failures.join("\n"));
}
