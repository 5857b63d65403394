//! Connections as `conntrack -o xml` prints them (conntrack-tools 1.4.7 on Linux 6.18).

use core::fmt;

use super::{
    Counter, Status,
    entry::Entry,
    text::protocol_name,
    tuple::{Direction, Family},
};
use crate::{event::Change, wire::Protocol};

/// What stands before the flows.
pub const XML_START: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<conntrack>\n";
/// What stands behind them.
pub const XML_END: &str = "</conntrack>\n";

/// A connection as a `flow` element, on one line.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionXml<'a> {
    /// The connection. Its number is its serial number; conntrack(8) shows one that the kernel has made of its address.
    pub entry: &'a Entry,
    /// What has happened to it; `None` in a listing.
    pub change: Option<Change>,
}

impl fmt::Display for ConnectionXml<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = self.entry;
        f.write_str(match self.change {
            None => "<flow>",
            Some(Change::New) => "<flow type=\"new\">",
            Some(Change::Update) => "<flow type=\"update\">",
            Some(Change::Destroy) => "<flow type=\"destroy\">",
        })?;
        let [original, reply] = entry.counters.map_or([None, None], |counters| counters.map(Some));
        let way = |direction, counter| Way { entry, direction, counter };
        write!(f, "{}{}", way(Direction::Original, original), way(Direction::Reply, reply))?;
        f.write_str("<meta direction=\"independent\">")?;
        element(f, "state", entry.tcp.map(|tcp| tcp.state))?;
        element(f, "state", entry.sctp.map(|sctp| sctp.state.name()))?;
        element(f, "timeout", entry.timeout_secs)?;
        element(f, "mark", entry.mark)?;
        element(f, "zone", entry.zone.shared())?;
        element(f, "use", entry.uses)?;
        element(f, "id", Some(entry.serial))?;
        if entry.status.contains(Status::ASSURED) {
            f.write_str("<assured/>")?;
        } else if !entry.status.contains(Status::SEEN_REPLY) {
            f.write_str("<unreplied/>")?;
        }
        f.write_str("</meta>")?;
        element(f, "helper", entry.helper.as_ref())?;
        f.write_str("</flow>")
    }
}

/// One direction.
struct Way<'a> {
    entry: &'a Entry,
    direction: Direction,
    counter: Option<Counter>,
}

impl fmt::Display for Way<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &Self { entry, direction, counter } = self;
        let (name, tuple) = match direction {
            Direction::Original => ("original", &entry.original),
            Direction::Reply => ("reply", &entry.reply),
        };
        let (family, number) = match tuple.family {
            Family::Ipv4 => ("ipv4", 2),
            Family::Ipv6 => ("ipv6", 10),
        };
        write!(f, "<meta direction=\"{name}\"><layer3 protonum=\"{number}\" protoname=\"{family}\">")?;
        write!(f, "<src>{}</src><dst>{}</dst></layer3>", tuple.source_ip(), tuple.destination_ip())?;
        let (protocol, name) = (tuple.protocol(), protocol_name(tuple.protocol()));
        write!(f, "<layer4 protonum=\"{}\" protoname=\"{name}\">", protocol.0)?;
        let (source, destination) = (tuple.source_port, tuple.destination_port);
        match protocol {
            Protocol::TCP | Protocol::UDP | Protocol::UDPLITE | Protocol::SCTP => {
                write!(f, "<sport>{source}</sport><dport>{destination}</dport>")?;
            }
            Protocol::GRE => write!(f, "<srckey>{source:#x}</srckey><dstkey>{destination:#x}</dstkey>")?,
            _ => {}
        }
        f.write_str("</layer4>")?;
        element(f, "zone", entry.zone.only_of(direction))?;
        if let Some(Counter { packets, bytes }) = counter {
            write!(f, "<counters><packets>{packets}</packets><bytes>{bytes}</bytes></counters>")?;
        }
        f.write_str("</meta>")
    }
}

fn element(f: &mut fmt::Formatter<'_>, name: &str, value: Option<impl fmt::Display>) -> fmt::Result {
    value.map_or(Ok(()), |value| write!(f, "<{name}>{value}</{name}>"))
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::conntrack::{Address, TcpEntry, TcpState, Tuple, Zone};

    fn entry(protocol: Protocol, ports: (u16, u16)) -> Entry {
        let here = Address::v4([127, 0, 0, 1]);
        let original = Tuple {
            source: here,
            destination: here,
            source_port: ports.0,
            destination_port: ports.1,
            protocol: protocol.0,
            family: Family::Ipv4,
        };
        Entry {
            serial: 3,
            original,
            reply: original.inverted().expect("it has answers"),
            status: Status(Status::CONFIRMED.0 | Status::SEEN_REPLY.0),
            zone: Zone::DEFAULT,
            timeout_secs: Some(29),
            tcp: None,
            sctp: None,
            helper: None,
            policy: None,
            mark: Some(0),
            master: None,
            adjustments: None,
            counters: Some([Counter { packets: 3, bytes: 165 }, Counter { packets: 2, bytes: 112 }]),
            uses: Some(1),
        }
    }

    /// The expected lines are the real tool's, but for the number.
    #[test]
    fn a_flow_is_that_of_the_real_tool() {
        let mut tcp = entry(Protocol::TCP, (47568, 7005));
        tcp.status.insert(Status::ASSURED);
        tcp.tcp = Some(TcpEntry { state: TcpState::Established, sides: None });
        tcp.timeout_secs = Some(431_999);
        tcp.helper = Some("ftp".into());
        assert_eq!(
            ConnectionXml { entry: &tcp, change: None }.to_string(),
            "<flow><meta direction=\"original\"><layer3 protonum=\"2\" protoname=\"ipv4\"><src>127.0.0.1</src>\
             <dst>127.0.0.1</dst></layer3><layer4 protonum=\"6\" protoname=\"tcp\"><sport>47568</sport>\
             <dport>7005</dport></layer4><counters><packets>3</packets><bytes>165</bytes></counters></meta>\
             <meta direction=\"reply\"><layer3 protonum=\"2\" protoname=\"ipv4\"><src>127.0.0.1</src>\
             <dst>127.0.0.1</dst></layer3><layer4 protonum=\"6\" protoname=\"tcp\"><sport>7005</sport>\
             <dport>47568</dport></layer4><counters><packets>2</packets><bytes>112</bytes></counters></meta>\
             <meta direction=\"independent\"><state>ESTABLISHED</state><timeout>431999</timeout><mark>0</mark>\
             <use>1</use><id>3</id><assured/></meta><helper>ftp</helper></flow>"
        );
        let mut icmp = entry(Protocol::ICMP, (4096, 0x0800));
        (icmp.zone, icmp.counters) = (Zone::both(7), None);
        assert_eq!(
            ConnectionXml { entry: &icmp, change: None }.to_string(),
            "<flow><meta direction=\"original\"><layer3 protonum=\"2\" protoname=\"ipv4\"><src>127.0.0.1</src>\
             <dst>127.0.0.1</dst></layer3><layer4 protonum=\"1\" protoname=\"icmp\"></layer4></meta>\
             <meta direction=\"reply\"><layer3 protonum=\"2\" protoname=\"ipv4\"><src>127.0.0.1</src>\
             <dst>127.0.0.1</dst></layer3><layer4 protonum=\"1\" protoname=\"icmp\"></layer4></meta>\
             <meta direction=\"independent\"><timeout>29</timeout><mark>0</mark><zone>7</zone><use>1</use>\
             <id>3</id></meta></flow>"
        );
    }
}
