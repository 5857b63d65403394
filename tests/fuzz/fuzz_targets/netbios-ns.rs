//! Fuzzes the helper in `plugins/netbios-ns`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lab::fuzz::helper("netbios-ns", data));
