//! Any bytes as the content of an `m.room.encryption` event; the checks are in [`pawl_fuzz::settings`].
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|content: &[u8]| pawl_fuzz::settings::check(content));

#[cfg(not(fuzzing))]
fn main() {
    println!("{}", pawl_fuzz::how_to_run("settings"));
}
