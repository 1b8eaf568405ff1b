//! Any bytes as what a device finds stored; the checks are in [`pawl_fuzz::stored`].
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pawl_fuzz::stored::check(bytes));

#[cfg(not(fuzzing))]
fn main() {
    println!("{}", pawl_fuzz::how_to_run("stored"));
}
