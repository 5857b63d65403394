//! Fuzzes the helper in `plugins/tftp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lab::fuzz::helper("tftp", data));
