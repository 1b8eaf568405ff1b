//! Any bytes as operations on a device; the checks are in [`pawl_fuzz::lockstep`].
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pawl_fuzz::lockstep::check(bytes));

#[cfg(not(fuzzing))]
fn main() {
    println!("{}", pawl_fuzz::how_to_run("operations"));
}
