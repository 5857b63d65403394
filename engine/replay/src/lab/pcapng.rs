//! A run as pcapng: what leaves and what arrives at the ends of links, each an interface by the name `host:link`.
//!
//! Why not all hosts without a word: analysers take a segment that is seen twice, at both ends, for one that was sent again, unless they
//! tell interfaces apart (Wireshark 4.2 and newer: `-o conversation.deinterlacing_key:2`). One host's file needs no such thing.

use std::io::{self, Write};

use towpath_engine::Instant;

use super::{
    lane::Lost,
    scenario::Scenario,
    watch::{Pass, Passing, Watch},
};
use crate::{
    capture::PacketDirection,
    write::{PacketWriter, WrittenPacket},
};

/// Writes what passes.
pub struct PcapngRun<W: Write> {
    writer: PacketWriter<W>,
    /// The number of the interface at a lane's beginning, if it is written.
    interfaces: Vec<Option<u32>>,
    /// What the output has said, which ends the writing.
    error: Option<io::Error>,
}

impl<W: Write> PcapngRun<W> {
    /// Starts a file of what these hosts see, by their numbers.
    ///
    /// # Errors
    /// What `out` says.
    pub fn new(out: W, scenario: &Scenario, hosts: &[usize]) -> io::Result<Self> {
        let (mut names, mut interfaces) = (Vec::new(), Vec::new());
        for link in &scenario.links {
            for host in link.ends {
                let is_wanted = hosts.contains(&host);
                interfaces.push(is_wanted.then_some(names.len() as u32));
                if is_wanted {
                    names.push(format!("{}:{}", scenario.hosts[host].name, link.name));
                }
            }
        }
        let writer = PacketWriter::new(out, names.iter().map(String::as_str))?;
        Ok(Self { writer, interfaces, error: None })
    }

    /// Ends the file and gives the output back.
    ///
    /// # Errors
    /// What the output has said.
    pub fn finish(self) -> io::Result<W> {
        match self.error {
            Some(error) => Err(error),
            None => self.writer.finish(),
        }
    }
}

impl<W: Write> Watch for PcapngRun<W> {
    fn frame(&mut self, passing: &Passing<'_>) {
        let (lane, direction, comment) = match passing.pass {
            Pass::Leaves(None) => (passing.lane, PacketDirection::Outbound, String::new()),
            Pass::Leaves(Some(why)) => (passing.lane, PacketDirection::Outbound, format!("sent again: {}", why.name())),
            // A lane ends where the one back begins.
            Pass::Arrives => (passing.lane ^ 1, PacketDirection::Inbound, String::new()),
            // The card has taken it all the same.
            Pass::Lost(Lost::Inactive) => (passing.lane ^ 1, PacketDirection::Inbound, "lost: inactive".to_owned()),
            Pass::Lost(_) => return,
        };
        let Some(interface) = self.interfaces.get(lane).copied().flatten() else { return };
        if self.error.is_some() {
            return;
        }
        let written = WrittenPacket {
            interface,
            time: Instant::from_nanos(passing.at.as_nanos() as u64),
            bytes: passing.bytes,
            wire_len: 0,
            direction: Some(direction),
            comment: &comment,
        };
        self.error = self.writer.write(written).err();
    }
}
