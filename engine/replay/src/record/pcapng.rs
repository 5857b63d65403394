//! Records as pcapng: each packet with its verdict as a comment, then what left the gateway because of it.

use std::io::{self, Write};

use towpath_engine::{DeviceId, Engine};

use super::{Fate, Record, Seen, bytes_out, text::decision};
use crate::{
    capture::PacketDirection,
    write::{PacketWriter, WrittenPacket},
};

/// Writes records as pcapng.
///
/// The file's interfaces are the gateway's, in the order of their numbers, and one more, [`ASIDE`], for packets that
/// were not fed in; then `lo`, once a program of the machine has sent or received something. What came in is flagged inbound, what left outbound. A packet is written as the gateway saw it.
pub struct PcapngRecords<W: Write> {
    writer: PacketWriter<W>,
    aside: u32,
    /// The number of `lo`, once it has one.
    loopback: Option<u32>,
    bytes: Vec<u8>,
}

/// The interface of packets that were not fed in.
pub const ASIDE: &str = "not fed in";

impl<W: Write> PcapngRecords<W> {
    /// Starts a file.
    ///
    /// # Errors
    /// What `out` says.
    pub fn new(out: W, engine: &Engine) -> io::Result<Self> {
        let devices: Vec<&str> = engine.devices().iter().map(|(_, device)| device.name.as_str()).collect();
        let aside = u32::try_from(devices.len()).unwrap_or(u32::MAX);
        let writer = PacketWriter::new(out, devices.into_iter().chain([ASIDE]))?;
        Ok(Self { writer, aside, loopback: None, bytes: Vec::new() })
    }

    /// Writes a record: nothing for a packet whose link layer is not read and that brought nothing out.
    ///
    /// # Errors
    /// What the output says.
    pub fn write(&mut self, record: &Record<'_>) -> io::Result<()> {
        let (interface, direction) = match record.fate {
            Fate::Fed(device, _) => (self.interface_of(device)?, Some(PacketDirection::Inbound)),
            Fate::NotFed(_) => (self.aside, None),
        };
        if !record.frame.is_empty() {
            self.writer.write(WrittenPacket {
                interface,
                time: record.time,
                bytes: record.frame,
                wire_len: record.wire_len,
                direction,
                comment: &comment(record),
            })?;
        }
        for transmit in record.out {
            bytes_out(transmit, &mut self.bytes);
            let comment = format!("sent because of packet {}", record.number);
            let interface = self.interface_of(transmit.device)?;
            self.writer.write(WrittenPacket {
                interface,
                time: record.time,
                bytes: &self.bytes,
                wire_len: 0,
                direction: Some(PacketDirection::Outbound),
                comment: &comment,
            })?;
        }
        Ok(())
    }

    /// The number of a device's interface.
    fn interface_of(&mut self, device: DeviceId) -> io::Result<u32> {
        match self.loopback {
            _ if device != DeviceId::LOOPBACK => Ok(u32::from(device.0)),
            Some(number) => Ok(number),
            None => {
                self.writer.name_interface("lo")?;
                Ok(*self.loopback.insert(self.aside + 1))
            }
        }
    }

    /// Ends the file and gives the output back.
    ///
    /// # Errors
    /// What the output says.
    pub fn finish(self) -> io::Result<W> {
        self.writer.finish()
    }
}

/// `packet 3: DROPPED_FORWARD FilterRule rules.v4:7: -A FORWARD -j DROP, NEW`
fn comment(record: &Record<'_>) -> String {
    let mut text = format!("packet {}: {}", record.number, decision(record));
    if let Some(rule) = record.rule() {
        text = format!("{text}: {}", rule.text);
    }
    if let Some(state) = record.state() {
        text = format!("{text}, {state}");
    }
    match record.seen {
        Seen::AsCaptured => {}
        Seen::Readdressed => text.push_str(", captured with other addresses"),
        Seen::Unknown(why) => text = format!("{text}, {}", why.text()),
    }
    text
}
