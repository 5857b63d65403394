//! Fuzzes `lab::fuzz::notation`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lab::fuzz::notation(data));
