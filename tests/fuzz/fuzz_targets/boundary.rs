//! Fuzzes `lab::fuzz::boundary`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lab::fuzz::boundary(data));
