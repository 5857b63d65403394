//! Captures of the attacks, and the list of them.

use std::{fmt::Write, fs, path::PathBuf};

use lab::frame;

use super::museum::{ASKS, Attack, BACK, MUSEUM, OUT, Side, UNSEEN};

/// The frames of an attack as they cross the network behind the gateway: a client opens a connection, perhaps says a first line, and one
/// side sends payloads.
pub(crate) fn frames(local: u16, port: u16, (hello, from): (Option<&str>, Side), payloads: &[String]) -> Vec<Vec<u8>> {
    let out = format!("10.0.0.2:{local} > 198.51.100.7:{port}");
    let back = format!("198.51.100.7:{port} > 10.0.0.2:{local}");
    let mut frames = vec![
        frame("lan", &format!("{out} S seq 100")),
        frame("wan", &format!("{back} SA seq 500 ack 101")),
        frame("lan", &format!("{out} A seq 101 ack 501")),
    ];
    let bare = frames[2].len();
    // How far the client's stream and the server's have gone.
    let mut next = [101, 501];
    let said = payloads.iter().map(|payload| (from, payload.as_str()));
    for (from, said) in hello.map(|hello| (Side::Client, hello)).into_iter().chain(said) {
        if let Some(segment) = said.strip_prefix(OUT) {
            frames.push(frame("lan", &format!("{out} {segment}")));
            continue;
        }
        if let Some(segment) = said.strip_prefix(BACK) {
            frames.push(frame("wan", &format!("{back} {segment}")));
            continue;
        }
        let (from, said) = said.strip_prefix(ASKS).map_or((from, said), |said| (Side::Client, said));
        let payload = said.strip_prefix(UNSEEN).unwrap_or(said);
        let [client, server] = next;
        let made = match from {
            Side::Client => frame("lan", &format!("{out} PA seq {client} ack {server} data \"{payload}\"")),
            Side::Server => frame("wan", &format!("{back} PA seq {server} ack {client} data \"{payload}\"")),
        };
        next[from as usize] += made.len() - bare;
        if payload == said {
            frames.push(made);
        }
    }
    frames
}

/// A capture of frames, a millisecond apart (draft-ietf-opsawg-pcap, section 4).
pub(crate) fn capture(frames: &[Vec<u8>]) -> Vec<u8> {
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    // Version 2.4, whole packets, Ethernet.
    let mut bytes = words(&[0xa1b2_c3d4, 0x0004_0002, 0, 0, 0x0004_0000, 1]);
    for (number, frame) in frames.iter().enumerate() {
        let len = frame.len() as u32;
        bytes.extend(words(&[1_600_000_000, 1000 * number as u32, len, len]));
        bytes.extend(frame);
    }
    bytes
}

/// The captures with their names, and the list of them.
pub(crate) fn all() -> Vec<(String, Vec<u8>)> {
    let of = |attack: &Attack| capture(&frames(40_000, attack.port, attack.speaker(), &attack.payloads()));
    let mut files: Vec<_> = MUSEUM.iter().map(|attack| (format!("{}.pcap", attack.file), of(attack))).collect();
    files.push(("README.md".to_owned(), list().into_bytes()));
    files
}

fn list() -> String {
    let mut text = HEAD.to_owned();
    for attack in MUSEUM {
        let known = if attack.known.is_empty() { String::new() } else { format!(" ({})", attack.known) };
        let _ = writeln!(text, "| `{}.pcap` | {}{known} | {} |", attack.file, attack.what, attack.end.in_words());
    }
    text
}

/// What a file of the folder holds.
pub(crate) fn read(name: &str) -> Vec<u8> {
    fs::read(folder().join(name)).unwrap_or_else(|error| panic!("captures/attacks/{name}: {error}"))
}

/// The folder.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../captures/attacks"))
}

const HEAD: &str = "# A museum of attacks on connection tracking's helpers

Each file is what the network behind a gateway sees of one attack: 10.0.0.2 opens a connection to 198.51.100.7, in which it speaks the helper's protocol
unless another protocol is the attack, and one of the two sends what the helper is to fall for. After none of them does the gateway expect anything, or not where the attack wants it. `tests/attacks.rs`
replays them and holds what comes of them against this table; the files and this list are written from `tests/attacks/museum.rs` by
`TOWPATH_WRITE=1 cargo test -p tests --test attacks`, and are ours: licence MIT OR Apache-2.0.

    towpath replay captures/attacks/ftp-bounce-port.pcap -c captures/attacks/gateway.toml
    towpath explain captures/attacks/ftp-newline-inside.pcap -c captures/attacks/gateway.toml -n 4

A CVE's number names the hole that an attack was made for, elsewhere.

| capture | what it does | what comes of it |
| --- | --- | --- |
";
