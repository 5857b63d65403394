//! A packet in the words of a rule that asks for just its flow.

use core::{fmt, net::IpAddr};

use towpath_engine::{
    DeviceId, Frame, Packet,
    conntrack::{Family, Tuple},
    nat::Manip,
    netfilter::Hook,
    packet::Pool,
    trace::Step,
    wire::Protocol,
};

use crate::{record::Record, tags};

/// The conditions of a rule that a packet's flow matches.
pub(super) struct Flow<'r> {
    input: Option<&'r str>,
    output: Option<&'r str>,
    source: IpAddr,
    destination: IpAddr,
    protocol: Protocol,
    destination_port: Option<u16>,
}

impl<'r> Flow<'r> {
    /// The flow of a record's packet as the rules behind routing see it: its destination translated, its source not.
    pub(super) fn of(record: &'r Record<'_>) -> Option<Self> {
        let packet = packet(record);
        let ip = packet.ip()?;
        let tuple = record.path.iter().rev().find_map(|step| {
            let Step::Translated(Manip::Destination, _, to) = step else { return None };
            Some(*to)
        });
        let tuple = tuple.or_else(|| Tuple::of(&packet));
        let output =
            record.path.iter().find_map(|step| if let Step::Routed(device) = step { Some(*device) } else { None });
        let has_ports = matches!(packet.protocol(), Protocol::TCP | Protocol::UDP);
        let (mut input, mut output) = (record.device(), output.and_then(|device| record.device_name(device)));
        if input == Some("lo") && record.path.iter().all(|step| !matches!(step, Step::Hook(Hook::Prerouting, _))) {
            // What the machine itself sends has not come in before it is there.
            (input, output) = (None, input);
        }
        Some(Self {
            input,
            output,
            source: ip.source(),
            destination: tuple.map_or(ip.destination(), |tuple| tuple.destination_ip()),
            protocol: packet.protocol(),
            destination_port: tuple.filter(|_| has_ports).map(|tuple| tuple.destination_port),
        })
    }

    /// A condition in place of one that the flow does not meet: the same of what it has. Of a list of ports, that port more.
    pub(super) fn in_place_of(&self, condition: &str) -> Option<String> {
        let transport = format!("-m {} --dport ", self.protocol);
        if let Some(ports) = condition.strip_prefix(&transport) {
            // Behind a range or a port, nothing else may be asked for.
            let is_alone = !ports.contains(' ');
            return self.destination_port.filter(|_| is_alone).map(|port| format!("{transport}{port}"));
        }
        if let Some(ports) = condition.strip_prefix("-m multiport --dports ") {
            return self.destination_port.map(|port| format!("-m multiport --dports {ports},{port}"));
        }
        let longest = if self.source.is_ipv4() { 32 } else { 128 };
        match condition.split_once(' ')?.0 {
            "-s" => Some(format!("-s {}/{longest}", self.source)),
            "-d" => Some(format!("-d {}/{longest}", self.destination)),
            "-i" => Some(format!("-i {}", self.input?)),
            "-o" => Some(format!("-o {}", self.output?)),
            _ => None,
        }
    }

    /// The element that it is in a set of that kind (`hash:ip,port`), with each part taken from the end that `ends` says (`src,dst`).
    pub(super) fn element(&self, kind: &str, ends: &str) -> Option<String> {
        let (_, parts) = kind.split_once(':')?;
        let part = |(part, end): (&str, &str)| match (part, end) {
            ("ip" | "net", "src") => Some(self.source.to_string()),
            ("ip" | "net", _) => Some(self.destination.to_string()),
            ("port", "dst") => Some(format!("{}:{}", self.protocol, self.destination_port?)),
            ("iface", "src") => self.input.map(str::to_owned),
            ("iface", _) => self.output.map(str::to_owned),
            _ => None,
        };
        let element: Option<Vec<String>> = parts.split(',').zip(ends.split(',')).map(part).collect();
        element.map(|parts| parts.join(","))
    }

    /// Where its packets go.
    pub(super) const fn destination(&self) -> IpAddr {
        self.destination
    }

    /// Whose rules they are asked.
    pub(super) const fn family(&self) -> Family {
        Family::of(self.destination)
    }
}

/// The family of a record's packet.
pub(super) fn family(record: &Record<'_>) -> Option<Family> {
    packet(record).family()
}

/// A record's packet as the gateway has got it, without tags.
pub(super) fn packet(record: &Record<'_>) -> Packet {
    let mut untagged = Vec::new();
    let bytes = tags::strip(record.frame, &mut untagged).map_or(record.frame, |_| &untagged);
    let stripped = (record.frame.len() - bytes.len()) as u32;
    let frame = Frame { wire_len: record.wire_len.saturating_sub(stripped), ..Frame::new(DeviceId(0), bytes) };
    Packet::parse(&mut Pool::new(), &frame).unwrap_or_else(|dropped| dropped.packet)
}

/// ` -s 10.0.0.2/32 -d 198.51.100.7/32 -i lan -o wan -p tcp -m tcp --dport 80`
impl fmt::Display for Flow<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let longest = if self.source.is_ipv4() { 32 } else { 128 };
        write!(out, " -s {}/{longest} -d {}/{longest}", self.source, self.destination)?;
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
