//! Writes what became of a capture as pcapng: each packet with its verdict as a comment, and what left the gateway.
//!
//! Inputs carry the flag "inbound" and outputs "outbound", as seen by the gateway, so that Wireshark's
//! `frame.packet_flags_direction` tells them apart, and so that replaying the written file with
//! `taken_at = "gateway"` replays the inputs only. Times are in nanoseconds. Link layers other than Ethernet are
//! written with the Ethernet header that was made up for them.

use std::{borrow::Cow, io::Write, time::Duration};

use pcap_file::{
    DataLink, Endianness,
    pcapng::{
        PcapNgBlock, PcapNgWriteError, PcapNgWriter,
        blocks::{
            enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption},
            interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption, InterfaceTsResolution},
            opt_common::CommonOption,
            section_header::{SectionHeaderBlock, SectionHeaderOption},
        },
    },
};
use towpath_engine::Instant;

use crate::capture::PacketDirection;

/// Writes packets with comments.
pub struct PacketWriter<W: Write> {
    writer: PcapNgWriter<W>,
}

/// A packet to write.
#[derive(Clone, Copy, Debug)]
pub struct WrittenPacket<'a> {
    /// The number of its interface, in the order in which they were named.
    pub interface: u32,
    /// When it was there.
    pub time: Instant,
    /// The Ethernet frame.
    pub bytes: &'a [u8],
    /// Its length on the wire; less than the bytes there are counts as that many.
    pub wire_len: u32,
    /// Whether the gateway received or sent it; `None`: neither.
    pub direction: Option<PacketDirection>,
    /// What became of it; empty: nothing is said. Cut after 65535 bytes.
    pub comment: &'a str,
}

impl<W: Write> PacketWriter<W> {
    /// Starts a file with these interfaces.
    ///
    /// # Errors
    /// What `out` says.
    pub fn new<'n>(out: W, interfaces: impl IntoIterator<Item = &'n str>) -> std::io::Result<Self> {
        let section = SectionHeaderBlock {
            // Not the machine's own: the same file everywhere.
            endianness: Endianness::Little,
            options: vec![SectionHeaderOption::UserApplication(Cow::Borrowed(APPLICATION))],
            ..SectionHeaderBlock::default()
        };
        let writer = PcapNgWriter::with_section_header(out, section).map_err(into_io)?;
        let mut writer = Self { writer };
        interfaces.into_iter().try_for_each(|name| writer.name_interface(name))?;
        Ok(writer)
    }

    /// Names one more interface, whose number is the next one.
    ///
    /// # Errors
    /// What the output says.
    pub fn name_interface(&mut self, name: &str) -> std::io::Result<()> {
        let options = vec![
            InterfaceDescriptionOption::IfName(Cow::Borrowed(clipped(name))),
            InterfaceDescriptionOption::IfTsResol(InterfaceTsResolution::NANO),
        ];
        let block = InterfaceDescriptionBlock { linktype: DataLink::ETHERNET, snaplen: 0, options };
        self.writer.write_block(&block.into_block()).map_err(into_io)?;
        Ok(())
    }

    /// Writes a packet.
    ///
    /// # Errors
    /// What the output says, or that the packet's interface was not named. After an error the file is of no use.
    pub fn write(&mut self, packet: WrittenPacket<'_>) -> std::io::Result<()> {
        let mut options = Vec::new();
        if !packet.comment.is_empty() {
            let comment = Cow::Borrowed(clipped(packet.comment));
            options.push(EnhancedPacketOption::Common(CommonOption::Comment(comment)));
        }
        match packet.direction {
            Some(PacketDirection::Inbound) => options.push(EnhancedPacketOption::Flags(1)),
            Some(PacketDirection::Outbound) => options.push(EnhancedPacketOption::Flags(2)),
            None => {}
        }
        let length = u32::try_from(packet.bytes.len()).unwrap_or(u32::MAX);
        let block = EnhancedPacketBlock {
            interface_id: packet.interface,
            timestamp: Duration::from_nanos(packet.time.as_nanos()),
            original_len: packet.wire_len.max(length),
            data: Cow::Borrowed(packet.bytes),
            options,
        };
        self.writer.write_block(&block.into_block()).map_err(into_io)?;
        Ok(())
    }

    /// Ends the file and gives the output back.
    ///
    /// # Errors
    /// What the output says.
    pub fn finish(self) -> std::io::Result<W> {
        let mut out = self.writer.into_inner();
        out.flush()?;
        Ok(out)
    }
}

/// As much of a text as an option holds, cut between characters.
fn clipped(text: &str) -> &str {
    let mut end = text.len().min(usize::from(u16::MAX));
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

fn into_io(error: PcapNgWriteError) -> std::io::Error {
    match error {
        PcapNgWriteError::Io(error) => error,
        other @ (PcapNgWriteError::Validation { .. }
        | PcapNgWriteError::InvalidFormat(_)
        | PcapNgWriteError::StateUpdate(_)) => std::io::Error::new(std::io::ErrorKind::InvalidInput, other),
    }
}

const APPLICATION: &str = concat!("towpath ", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests {
    use std::{fs, process::Command};

    use super::*;
    use crate::capture::{Capture, Content};

    fn packet(interface: u32, nanos: u64, bytes: &[u8]) -> WrittenPacket<'_> {
        WrittenPacket { interface, time: Instant::from_nanos(nanos), bytes, wire_len: 0, direction: None, comment: "" }
    }

    fn example() -> Vec<u8> {
        let mut writer = PacketWriter::new(Vec::new(), ["lan", "wan"]).unwrap();
        let drop = "DROPPED FilterRule · rules.v4:7";
        let inbound = Some(PacketDirection::Inbound);
        writer
            .write(WrittenPacket { direction: inbound, comment: drop, wire_len: 99, ..packet(0, 1, &[1; 61]) })
            .unwrap();
        let outbound = Some(PacketDirection::Outbound);
        writer.write(WrittenPacket { direction: outbound, ..packet(1, u64::MAX, &[2; 60]) }).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let file = example();
        let mut capture = Capture::from_bytes(&file).unwrap();
        let batch = capture.next_batch(10).unwrap();
        let names: Vec<_> = batch.interfaces().iter().map(|interface| interface.name.as_deref()).collect();
        assert_eq!(names, [Some("lan"), Some("wan")]);
        let packets: Vec<_> = batch.packets().collect();
        assert_eq!(packets[0].comment, Some("DROPPED FilterRule · rules.v4:7".as_bytes()));
        assert_eq!((packets[0].wire_len, packets[0].direction), (99, Some(PacketDirection::Inbound)));
        assert_eq!(packets[0].content, Content::Ethernet(&[1; 61]));
        assert_eq!(packets[1].time, Instant::FAR_FUTURE);
        assert_eq!((packets[1].wire_len, packets[1].direction), (60, Some(PacketDirection::Outbound)));
    }

    #[test]
    fn tshark_shows_comments_directions_and_interface_names() {
        let path = std::env::temp_dir().join(format!("towpath-write-{}.pcapng", std::process::id()));
        fs::write(&path, example()).unwrap();
        let fields = ["frame.comment", "frame.packet_flags_direction", "frame.interface_name", "frame.len"];
        let mut command = Command::new("tshark");
        command.args(["-T", "fields"]).args(fields.iter().flat_map(|field| ["-e", field])).arg("-r").arg(&path);
        let output = command.output();
        fs::remove_file(&path).unwrap();
        let Ok(output) = output else {
            return skip("there is no tshark");
        };
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines, ["DROPPED FilterRule · rules.v4:7\t0x00000001\tlan\t99", "\t0x00000002\twan\t60"]);
    }

    #[test]
    fn an_interface_that_was_not_named_is_an_error() {
        let mut writer = PacketWriter::new(Vec::new(), ["lan"]).unwrap();
        assert!(writer.write(packet(1, 0, &[0; 60])).is_err());
    }

    #[test]
    fn a_long_comment_is_cut_between_characters() {
        assert_eq!(clipped(&"é".repeat(40_000)).len(), 65_534);
        assert_eq!(clipped("short"), "short");
    }
    /// Notes for `cargo xtask test` that this module's test of tshark cannot run here.
    fn skip(reason: &str) {
        let Some(list) = std::env::var_os("TOWPATH_SKIPS") else { return };
        let note = format!("write::tshark_shows_comments_directions_and_interface_names: {reason}\n");
        let mut list = fs::OpenOptions::new().append(true).create(true).open(list).unwrap();
        list.write_all(note.as_bytes()).unwrap();
    }
}
