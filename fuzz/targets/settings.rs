//! Contents of known keys with odd values; the checks are in [`pawl_fuzz::settings`].
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: &[u8]| pawl_fuzz::settings::check(input));

#[cfg(not(fuzzing))]
fn main() {
    println!("{}", pawl_fuzz::how_to_run("settings"));
}
