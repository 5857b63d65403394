//! The records of a capture, as `towpath replay --json` prints them. The same function is compiled for this machine and
//! for WebAssembly, and `tests/same.rs` compares what comes out.

#[cfg(target_family = "wasm")]
mod component;

use towpath_engine::netfilter::Source;
use towpath_replay::{
    capture::Capture,
    limits::BATCH_PACKETS,
    record::JsonRecords,
    replay::{Detail, Replay, Setup},
};

/// The lines of a capture's records, each with its end: through a gateway with these rules, as `iptables-save` prints
/// them, or through a transparent one. After the lines before damage, a line that says what is wrong with the capture.
///
/// # Errors
/// When the rules are not right or the bytes are no capture: in a line.
pub fn records(capture: &[u8], rules: Option<&str>) -> Result<String, String> {
    let rules = rules.map(|text| Source { name: "rules.v4", text }).into_iter().collect();
    let setup = Setup { rules, helpers: towpath_helpers_native::all(), detail: Detail::Full, ..Setup::default() };
    let mut replay = Replay::new(setup).map_err(|error| error.to_string())?;
    let mut capture = Capture::from_bytes(capture).map_err(|error| error.to_string())?;
    let mut json = JsonRecords::new(true);
    let mut lines = json.head(replay.engine()) + "\n";
    loop {
        let batch = match capture.next_batch(BATCH_PACKETS) {
            Ok(batch) if batch.is_empty() => return Ok(lines),
            Ok(batch) => batch,
            Err(error) => return Ok(lines + &format!("damaged: {error}\n")),
        };
        replay.learn(batch.interfaces());
        for packet in batch.packets() {
            lines += &json.line(&replay.handle(&packet));
            lines.push('\n');
        }
    }
}
