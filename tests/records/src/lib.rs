//! The records of a capture, as `towpath replay --json` prints them, and the answer to a scenario of the kernel oracle.
//! The same functions are compiled for this machine and for WebAssembly, and `tests/same.rs` compares what comes out.

#[cfg(target_family = "wasm")]
mod component;

use lab::kernel::{Folder, play};
use towpath_engine::{digest::Digest, netfilter::Source};
use towpath_replay::{
    capture::Capture,
    config::Config,
    limits::BATCH_PACKETS,
    record::JsonRecords,
    replay::{Detail, Replay, Setup},
};

/// The texts that a gateway is made of; without any it is a transparent one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gateway<'t> {
    /// A `gateway.toml`. The rules and helpers that it names are not looked for.
    pub config: Option<&'t str>,
    /// Rules as `iptables-save` prints them.
    pub rules: Option<&'t str>,
}

/// The lines of a capture's records with all bytes that came out, each with its end: through a gateway, with the native
/// helpers. The last line is a hash of the engine's whole state, or says what is wrong with a damaged capture.
///
/// # Errors
/// When the gateway's texts are not right or the bytes are no capture: in a line.
pub fn records(capture: &[u8], gateway: Gateway<'_>) -> Result<String, String> {
    let config = gateway.config.map(|text| Config::read("gateway.toml", text)).transpose();
    let setup = Setup {
        config: config.map_err(|error| error.to_string())?,
        rules: gateway.rules.map(|text| Source { name: "rules.v4", text }).into_iter().collect(),
        helpers: towpath_helpers_native::all(),
        detail: Detail::Full,
        ..Setup::default()
    };
    let mut replay = Replay::new(setup).map_err(|error| error.to_string())?;
    let mut capture = Capture::from_bytes(capture).map_err(|error| error.to_string())?;
    let mut json = JsonRecords::new(true);
    let mut lines = json.head(replay.engine()) + "\n";
    loop {
        let batch = match capture.next_batch(BATCH_PACKETS) {
            Ok(batch) if batch.is_empty() => break,
            Ok(batch) => batch,
            Err(error) => return Ok(lines + &format!("damaged: {error}\n")),
        };
        replay.learn(&batch);
        for packet in batch.packets() {
            lines += &json.line(&replay.handle(&packet));
            lines.push('\n');
        }
    }
    Ok(lines + &state(&replay.engine().save()))
}

/// The answer to a scenario that has these files, in the schema `kernel-oracle/1`, then a line with a hash of the engine's
/// whole state.
///
/// # Errors
/// When the scenario cannot be played: in a line.
pub fn answer(files: &[(String, Vec<u8>)]) -> Result<String, String> {
    let (answer, saved) = play(Folder::Files(files), |_| false).map_err(|error| format!("{error:#}"))?;
    let answer = serde_json::to_string_pretty(&answer).map_err(|error| error.to_string())?;
    Ok(answer + &state(&saved))
}

fn state(saved: &[u8]) -> String {
    format!("\nstate: {:016x}\n", Digest::of(saved))
}
