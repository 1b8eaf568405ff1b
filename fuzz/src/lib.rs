//! The bodies of pawl's fuzz targets, and the references that the core is compared with.
//!
//! A body is a plain function of bytes that panics when what it checks does not hold. `cargo test` runs it over the
//! committed corpus (`core/tests/corpus.rs`), `cargo fuzz` (by `cargo install cargo-fuzz`) over whatever libFuzzer comes up with:
//!
//! ```text
//! cargo fuzz run -s none reader fuzz/corpus/reader vectors/settings -- -dict=fuzz/json.dict
//! ```
//!
//! `-s none` leaves the address sanitizer out. There is next to no unsafe code for it to watch, without it a target runs
//! seven times as fast, a stable toolchain will do, and the workspace's link-time optimisation can stay on, with which
//! the sanitizer does not link. To have it all the same:
//!
//! ```text
//! CARGO_PROFILE_RELEASE_LTO=off cargo +nightly fuzz run settings -- -dict=fuzz/json.dict
//! ```
//!
//! A target is a module here, a binary of the same name in `targets/` that does nothing but call it, and seeds in
//! `corpus/`, one case a file, named for what it shows. A reference is written from the rules alone and shares no
//! code with the core. What libFuzzer adds to the corpus is named by its hash and not committed; an input that once
//! made a body panic is, under a name that says why.

mod counting;
pub mod events;
pub mod lockstep;
pub mod model;
pub mod reader;
pub mod settings;
pub mod stored;
mod surroundings;

/// The content that an input stands for: itself or, where it is a test vector (`vectors/README.md`), what follows the
/// header. So the folder of vectors serves as a corpus.
#[must_use]
pub fn vector_content(input: &[u8]) -> &[u8] {
    let header_end = input.windows(2).position(|bytes| bytes == b"\n\n");
    match header_end {
        Some(end) if input.starts_with(b"rule: ") => input.get(end + 2..).unwrap_or_default(),
        _ => input,
    }
}

/// What the binary of `target` says when it was not built by `cargo fuzz`.
#[must_use]
pub fn how_to_run(target: &str) -> String {
    format!("This target runs under libFuzzer only: cargo fuzz run -s none {target}")
}
