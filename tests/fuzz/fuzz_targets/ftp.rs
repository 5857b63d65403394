//! Fuzzes the helper in `plugins/ftp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lab::fuzz::helper("ftp", data));
