//! A packet in the words of a rule that asks for just its flow.

use core::{fmt, net::Ipv4Addr};

use towpath_engine::{nat::Manip, trace::Step, wire::Protocol};

use crate::{record::Record, replay::Peek};

/// The conditions of a rule that a packet's flow matches.
pub(super) struct Flow<'r> {
    input: Option<&'r str>,
    output: Option<&'r str>,
    source: Ipv4Addr,
    destination: Ipv4Addr,
    protocol: Protocol,
    destination_port: Option<u16>,
}

impl<'r> Flow<'r> {
    /// The flow of a record's packet as the rules behind routing see it: its destination translated, its source not.
    pub(super) fn of(record: &'r Record<'_>) -> Option<Self> {
        let peek = Peek::frame(record.frame)?;
        let tuple = record.path.iter().rev().find_map(|step| {
            let Step::Translated(Manip::Destination, _, to) = step else { return None };
            Some(*to)
        });
        let tuple = tuple.or_else(|| peek.tuple(record.frame));
        let output =
            record.path.iter().find_map(|step| if let Step::Routed(device) = step { Some(*device) } else { None });
        let has_ports = matches!(peek.protocol, Protocol::TCP | Protocol::UDP);
        Some(Self {
            input: record.device(),
            output: output.and_then(|device| record.device_name(device)),
            source: peek.source,
            destination: tuple.map_or(peek.destination, |tuple| Ipv4Addr::from(tuple.destination.as_v4())),
            protocol: peek.protocol,
            destination_port: tuple.filter(|_| has_ports).map(|tuple| tuple.destination_port),
        })
    }

    /// Where its packets go.
    pub(super) const fn destination(&self) -> Ipv4Addr {
        self.destination
    }
}

/// ` -s 10.0.0.2/32 -d 198.51.100.7/32 -i lan -o wan -p tcp -m tcp --dport 80`
impl fmt::Display for Flow<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, " -s {}/32 -d {}/32", self.source, self.destination)?;
        if let Some(input) = self.input {
            write!(out, " -i {input}")?;
        }
        if let Some(output) = self.output {
            write!(out, " -o {output}")?;
        }
        write!(out, " -p {}", self.protocol)?;
        match self.destination_port {
            Some(port) => write!(out, " -m {} --dport {port}", self.protocol),
            None => Ok(()),
        }
    }
}
