//! Any bytes as a content, for the reader alone; the checks are in [`pawl_fuzz::reader`].
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: &[u8]| pawl_fuzz::reader::check(input));

#[cfg(not(fuzzing))]
fn main() {
    println!("{}", pawl_fuzz::how_to_run("reader"));
}
