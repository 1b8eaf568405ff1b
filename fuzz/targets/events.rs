//! Sequences of encryption events; the checks are in [`pawl_fuzz::events`].
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: &[u8]| pawl_fuzz::events::check(input));

#[cfg(not(fuzzing))]
fn main() {
    println!("{}", pawl_fuzz::how_to_run("events"));
}
