//! Fuzzes the helper in `plugins/irc`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lab::fuzz::helper("irc", data));
