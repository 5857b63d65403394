//! Shows the helper any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| towpath_helper_kit::check::any_bytes::<towpath_helper_rtsp::Rtsp>(data));
