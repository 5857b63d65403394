//! Captures that other people made: every one in the folder that `TOWPATH_CAPTURES` names is read.
//!
//! Their packet counts are compared with tshark's, and their bytes and times with pcap-file wherever that can read
//! them. Without the variable there are no such tests (`build.rs`).
#![cfg(foreign_captures)]
#![expect(clippy::unwrap_used, reason = "in a test, also in its helpers")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use pcap_file::{
    pcap::PcapReader,
    pcapng::{Block, PcapNgReader},
};
use towpath_replay::capture::{Capture, CaptureError, CaptureErrorKind, Content, LinkType};

#[test]
fn every_foreign_capture_has_as_many_packets_as_tshark_reads() {
    if Command::new("tshark").arg("--version").output().is_err() {
        return lab::skip("there is no tshark");
    }
    let files = files();
    let mut wrong = Vec::new();
    for file in &files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let theirs = match READ_OTHERWISE.iter().find(|(other, _)| *other == name) {
            Some((_, count)) => *count,
            None => tshark_count(file),
        };
        let (ours, error) = read(&fs::read(file).unwrap());
        if ours.len() != theirs {
            wrong.push(format!("{name}: tshark {theirs}, here {} {error:?}", ours.len()));
        }
    }
    assert!(wrong.is_empty(), "{} of {} captures differ:\n{}", wrong.len(), files.len(), wrong.join("\n"));
}

/// Captures that tshark takes for something else, with what libpcap's tcpdump counts.
const READ_OTHERWISE: [(&str, usize); 1] = [
    // A fuzzer's: the second record's nonsense makes tshark guess another vendor's record header.
    ("pcapplusplus__crash-exception-cast-constructed-record.pcap", 2),
];

/// Packets before the end or the damage. `capinfos` is quick, but says nothing about a damaged capture.
fn tshark_count(file: &Path) -> usize {
    let output = Command::new("capinfos").args(["-T", "-M", "-r", "-c"]).arg(file).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    if let Some(count) = text.trim().rsplit('\t').next().and_then(|count| count.parse().ok()) {
        return count;
    }
    let output = Command::new("tshark").args(["-T", "fields", "-e", "frame.number", "-r"]).arg(file).output().unwrap();
    output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count()
}

#[test]
fn what_pcap_file_reads_of_a_foreign_capture_is_what_is_read_here() {
    let files = files();
    let mut compared = 0;
    for file in &files {
        let bytes = fs::read(file).unwrap();
        let (ours, error) = read(&bytes);
        let theirs = pcap_file(&bytes);
        compared += theirs.len();
        // It reads on in a section of a version that nobody has defined.
        let unknown_version = matches!(error, Some(CaptureError { kind: CaptureErrorKind::SectionVersion(..), .. }));
        assert!(theirs.len() <= ours.len() || unknown_version, "{}", file.display());
        for (number, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            assert_eq!(ours.nanos, theirs.nanos, "{} packet {}", file.display(), number + 1);
            if let Some(frame) = &ours.ethernet {
                assert_eq!(frame, theirs.ethernet.as_ref().unwrap(), "{} packet {}", file.display(), number + 1);
            }
        }
    }
    assert!(compared > 10_000, "only {compared} packets were compared");
}

#[derive(Debug)]
struct Read {
    nanos: u64,
    /// The frame, where the link layer is Ethernet.
    ethernet: Option<Vec<u8>>,
}

fn read(bytes: &[u8]) -> (Vec<Read>, Option<CaptureError>) {
    let mut capture = match Capture::from_bytes(bytes) {
        Ok(capture) => capture,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut packets = Vec::new();
    loop {
        let batch = match capture.next_batch(64) {
            Ok(batch) if batch.is_empty() => return (packets, None),
            Ok(batch) => batch,
            Err(error) => return (packets, Some(error)),
        };
        let links: Vec<_> = batch.interfaces().iter().map(|interface| interface.link).collect();
        packets.extend(batch.packets().map(|packet| Read {
            nanos: packet.time.as_nanos(),
            ethernet: match packet.content {
                Content::Ethernet(frame) if links[usize::from(packet.interface.0)] == LinkType::ETHERNET => {
                    Some(frame.to_vec())
                }
                Content::Ethernet(_) | Content::Unreadable(_) => None,
            },
        }));
    }
}

fn pcap_file(bytes: &[u8]) -> Vec<Read> {
    let mut packets = Vec::new();
    if let Ok(mut reader) = PcapReader::new(bytes) {
        while let Some(Ok(packet)) = reader.next_packet() {
            packets.push(Read { nanos: packet.timestamp().as_nanos() as u64, ethernet: Some(packet.data().to_vec()) });
        }
    } else if let Ok(mut reader) = PcapNgReader::new(bytes) {
        while let Some(Ok((block, _))) = reader.next_block() {
            if let Block::EnhancedPacket(packet) = block {
                packets.push(Read { nanos: packet.timestamp.as_nanos() as u64, ethernet: Some(packet.data.to_vec()) });
            }
        }
    }
    packets
}

fn files() -> Vec<PathBuf> {
    let folder = std::env::var_os("TOWPATH_CAPTURES").unwrap();
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.to_string_lossy().contains(".pcap")).collect();
    files.sort();
    assert!(!files.is_empty(), "TOWPATH_CAPTURES names a folder without captures");
    files
}
