//! Connections and expectations as conntrack(8) prints them (conntrack-tools 1.4.7 on Linux 6.18).

use core::fmt;

use super::{
    conn::Status,
    entry::Entry,
    expect::ExpectationEntry,
    labels::LabelNames,
    tuple::{Direction, Family, Tuple},
};
use crate::{calendar::Moment, event::Change, time::Instant, wire::Protocol};

/// A connection on one line: a listing's (`conntrack -L`) or an event's (`conntrack -E`).
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLine<'a> {
    /// The connection.
    pub entry: &'a Entry,
    /// What has happened to it; `None` in a listing.
    pub change: Option<Change>,
    /// Whether its family stands before it (`-o extended`).
    pub with_family: bool,
    /// Whether its number stands behind it (`-o id`).
    pub with_id: bool,
    /// Whether it is shown when it began and ended, where that is known (`-o ktimestamp`). In UTC, where conntrack(8) takes the time zone
    /// of its machine.
    pub with_times: bool,
    /// What its labels are called, where they are shown (`-o labels`).
    pub labels: Option<&'a LabelNames>,
}

/// An expectation on one line: a listing's (`conntrack -L expect`) or an event's (`conntrack -E expect`).
#[derive(Clone, Copy, Debug)]
pub struct ExpectationLine<'a> {
    /// The expectation.
    pub entry: &'a ExpectationEntry,
    /// What has happened to it; `None` in a listing.
    pub change: Option<Change>,
}

impl<'a> ConnectionLine<'a> {
    /// A line of `conntrack -L`.
    #[must_use]
    pub const fn listed(entry: &'a Entry) -> Self {
        Self { entry, change: None, with_family: false, with_id: false, with_times: false, labels: None }
    }

    /// A line of `conntrack -E`.
    #[must_use]
    pub const fn told(change: Change, entry: &'a Entry) -> Self {
        Self { change: Some(change), ..Self::listed(entry) }
    }
}

impl fmt::Display for ConnectionLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = self.entry;
        write_change(f, self.change)?;
        if self.with_family {
            let (name, number) = match entry.original.family {
                Family::Ipv4 => ("ipv4", 2),
                Family::Ipv6 => ("ipv6", 10),
            };
            write!(f, "{name:<8} {number} ")?;
        }
        write!(f, "{:<8} {}", protocol_name(entry.original.protocol()), entry.original.protocol)?;
        write_some(f, entry.timeout_secs, |f, secs| write!(f, " {secs}"))?;
        write_some(f, entry.tcp, |f, tcp| write!(f, " {}", tcp.state))?;
        write_some(f, entry.sctp, |f, sctp| write!(f, " {}", sctp.state.name()))?;
        let [original, reply] = entry.counters.map_or([None, None], |counters| counters.map(Some));
        write!(f, " {}", Ends(&entry.original))?;
        write_some(f, entry.zone.only_of(Direction::Original), |f, zone| write!(f, " zone-orig={zone}"))?;
        write_some(f, original, |f, counter| write!(f, " packets={} bytes={}", counter.packets, counter.bytes))?;
        if !entry.status.contains(Status::SEEN_REPLY) {
            f.write_str(" [UNREPLIED]")?;
        }
        write!(f, " {}", Ends(&entry.reply))?;
        write_some(f, entry.zone.only_of(Direction::Reply), |f, zone| write!(f, " zone-reply={zone}"))?;
        write_some(f, reply, |f, counter| write!(f, " packets={} bytes={}", counter.packets, counter.bytes))?;
        if entry.status.contains(Status::ASSURED) {
            f.write_str(" [ASSURED]")?;
        }
        write_some(f, entry.mark, |f, mark| write!(f, " mark={mark}"))?;
        write_some(f, entry.zone.shared(), |f, zone| write!(f, " zone={zone}"))?;
        if let Some(life) = entry.life {
            write!(f, " delta-time={}", life.seconds_begun())?;
            let shown = |at: Option<Instant>| at.filter(|_| self.with_times).map(Moment);
            write_some(f, shown(Some(life.start)), |f, start| write!(f, " [start={start}]"))?;
            write_some(f, shown(life.stop), |f, stop| write!(f, " [stop={stop}]"))?;
        }
        write_some(f, entry.helper.as_ref(), |f, helper| write!(f, " helper={helper}"))?;
        write_some(f, entry.uses, |f, uses| write!(f, " use={uses}"))?;
        if self.with_id {
            write!(f, " id={}", entry.serial)?;
        }
        let labels = self.labels.zip(entry.labels).into_iter().flat_map(|(names, labels)| names.of(labels));
        for (index, name) in labels.enumerate() {
            write!(f, "{}{name}", if index == 0 { " labels=" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Display for ExpectationLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = self.entry;
        let mask = entry.whole_mask();
        write_change(f, self.change)?;
        write!(f, "{} proto={} {}", entry.timeout_secs, entry.tuple.protocol, Ends(&entry.tuple))?;
        write!(f, " mask-src={} mask-dst={}", mask.source_ip(), mask.destination_ip())?;
        write!(f, " {}", Ports(&mask))?;
        write!(f, " master-src={} master-dst={}", entry.master.source_ip(), entry.master.destination_ip())?;
        write!(f, " {}", Ports(&entry.master))?;
        // Linux does not tell the zone.
        for (index, flag) in entry.flags().enumerate() {
            write!(f, "{}{flag}", if index == 0 { ' ' } else { ',' })?;
        }
        write!(f, " class={} helper={}", entry.class, entry.helper)
    }
}

/// `src=` and what follows it for one tuple.
struct Ends<'a>(&'a Tuple);

impl fmt::Display for Ends<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "src={} dst={}", self.0.source_ip(), self.0.destination_ip())?;
        if has_ports(self.0.protocol()) { write!(f, " {}", Ports(self.0)) } else { Ok(()) }
    }
}

/// What tells flows between two addresses apart.
struct Ports<'a>(&'a Tuple);

impl fmt::Display for Ports<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tuple { source_port, destination_port, .. } = *self.0;
        if let Some((kind, code)) = self.0.icmp_type_code() {
            return write!(f, "type={kind} code={code} id={source_port}");
        }
        if self.0.protocol() == Protocol::GRE {
            return write!(f, "srckey={source_port:#x} dstkey={destination_port:#x}");
        }
        write!(f, "sport={source_port} dport={destination_port}")
    }
}

fn write_change(f: &mut fmt::Formatter<'_>, change: Option<Change>) -> fmt::Result {
    let word = match change {
        Some(Change::New) => "[NEW]",
        Some(Change::Update) => "[UPDATE]",
        Some(Change::Destroy) => "[DESTROY]",
        None => return Ok(()),
    };
    write!(f, "{word:>9} ")
}

fn write_some<T>(
    f: &mut fmt::Formatter<'_>,
    value: Option<T>,
    write: impl FnOnce(&mut fmt::Formatter<'_>, T) -> fmt::Result,
) -> fmt::Result {
    value.map_or(Ok(()), |value| write(f, value))
}

fn has_ports(protocol: Protocol) -> bool {
    protocol_name(protocol) != UNKNOWN
}

/// What conntrack(8) calls a protocol.
#[must_use]
pub fn protocol_name(protocol: Protocol) -> &'static str {
    PROTOCOLS.iter().find(|(known, _)| *known == protocol).map_or(UNKNOWN, |(_, name)| name)
}

/// The protocol that conntrack(8) knows by this name.
#[must_use]
pub fn protocol_by_name(name: &str) -> Option<Protocol> {
    PROTOCOLS.iter().find(|(_, known)| *known == name).map(|(protocol, _)| *protocol)
}

const UNKNOWN: &str = "unknown";

/// Those that conntrack(8) knows by name; it prints what tells flows apart for the same ones.
#[rustfmt::skip]
static PROTOCOLS: [(Protocol, &str); 8] = [
    (Protocol::TCP,     "tcp"),
    (Protocol::UDP,     "udp"),
    (Protocol::ICMP,    "icmp"),
    (Protocol::ICMPV6,  "icmpv6"),
    (Protocol::GRE,     "gre"),
    (Protocol::SCTP,    "sctp"),
    (Protocol::UDPLITE, "udplite"),
    (Protocol::DCCP,    "dccp"),
];

#[cfg(test)]
mod tests {
    use alloc::{boxed::Box, string::ToString};

    use super::*;
    use crate::conntrack::{
        Address, Counter, ExpectationId, Life, Reach, TcpEntry, TcpState, Zone, expect::SourceMask,
    };

    /// 127.0.0.1:5000 > 127.0.0.1:7001
    fn tuple(protocol: Protocol) -> Tuple {
        let here = Address::v4([127, 0, 0, 1]);
        let ports = match protocol {
            Protocol::ICMP => (5632, 0x0800),
            protocol if has_ports(protocol) && protocol != Protocol::GRE => (5000, 7001),
            _ => (0, 0),
        };
        Tuple {
            source: here,
            destination: here,
            source_port: ports.0,
            destination_port: ports.1,
            protocol: protocol.0,
            family: Family::Ipv4,
        }
    }

    fn entry(protocol: Protocol) -> Entry {
        let original = tuple(protocol);
        Entry {
            serial: 3,
            original,
            reply: original.inverted().expect("it has answers"),
            status: Status::CONFIRMED,
            zone: Zone::DEFAULT,
            timeout_secs: Some(29),
            tcp: None,
            sctp: None,
            helper: None,
            policy: None,
            mark: Some(0),
            master: None,
            adjustments: None,
            counters: Some([Counter { packets: 1, bytes: 29 }, Counter::default()]),
            life: None,
            labels: None,
            uses: Some(1),
        }
    }

    /// The expected lines are the real tool's, for the same connections of this protocol.
    #[test]
    fn a_listing_is_that_of_the_real_tool() {
        let mut udp = entry(Protocol::UDP);
        assert_eq!(
            ConnectionLine::listed(&udp).to_string(),
            "udp      17 29 src=127.0.0.1 dst=127.0.0.1 sport=5000 dport=7001 packets=1 bytes=29 [UNREPLIED] \
             src=127.0.0.1 dst=127.0.0.1 sport=7001 dport=5000 packets=0 bytes=0 mark=0 use=1"
        );
        udp.zone = Zone::both(7);
        udp.counters = None;
        assert_eq!(
            ConnectionLine { with_family: true, with_id: true, ..ConnectionLine::listed(&udp) }.to_string(),
            "ipv4     2 udp      17 29 src=127.0.0.1 dst=127.0.0.1 sport=5000 dport=7001 [UNREPLIED] \
             src=127.0.0.1 dst=127.0.0.1 sport=7001 dport=5000 mark=0 zone=7 use=1 id=3"
        );
        for (reach, line) in [
            (
                Reach::Original,
                "udp      17 29 src=127.0.0.1 dst=127.0.0.1 sport=5000 dport=7001 zone-orig=7 [UNREPLIED] \
                 src=127.0.0.1 dst=127.0.0.1 sport=7001 dport=5000 mark=0 use=1",
            ),
            (
                Reach::Reply,
                "udp      17 29 src=127.0.0.1 dst=127.0.0.1 sport=5000 dport=7001 [UNREPLIED] \
                 src=127.0.0.1 dst=127.0.0.1 sport=7001 dport=5000 zone-reply=7 mark=0 use=1",
            ),
        ] {
            udp.zone = Zone::new(7, reach);
            assert_eq!(ConnectionLine::listed(&udp).to_string(), line);
        }
        let mut tcp = entry(Protocol::TCP);
        tcp.timeout_secs = Some(431_999);
        tcp.status = Status(Status::SEEN_REPLY.0 | Status::ASSURED.0);
        tcp.tcp = Some(TcpEntry { state: TcpState::Established, sides: None });
        tcp.counters = None;
        tcp.helper = Some("ftp".into());
        assert_eq!(
            ConnectionLine::listed(&tcp).to_string(),
            "tcp      6 431999 ESTABLISHED src=127.0.0.1 dst=127.0.0.1 sport=5000 dport=7001 \
             src=127.0.0.1 dst=127.0.0.1 sport=7001 dport=5000 [ASSURED] mark=0 helper=ftp use=1"
        );
    }

    /// The expected lines are the real tool's.
    #[test]
    fn times_and_labels_are_shown_as_by_the_real_tool() {
        let at = Instant::from_nanos;
        let (start, stop) = (at(1_795_769_917_742_100_569), at(1_795_769_919_138_486_996));
        let names = LabelNames::parse("3 ssh out\n5 bulk\n").unwrap();
        let mut udp = entry(Protocol::UDP);
        (udp.counters, udp.labels) = (None, Some(0b10_1000));
        udp.life = Some(Life { start, stop: None, now: at(1_795_769_918_000_000_000) });
        let rest = "udp      17 29 src=127.0.0.1 dst=127.0.0.1 sport=5000 dport=7001 [UNREPLIED] \
                    src=127.0.0.1 dst=127.0.0.1 sport=7001 dport=5000 mark=0";
        assert_eq!(ConnectionLine::listed(&udp).to_string(), [rest, " delta-time=1 use=1"].concat());
        assert_eq!(
            ConnectionLine { with_times: true, with_id: true, labels: Some(&names), ..ConnectionLine::listed(&udp) }
                .to_string(),
            [rest, " delta-time=1 [start=Fri Nov 27 08:58:37 2026] use=1 id=3 labels=ssh out,bulk"].concat()
        );
        udp.life = Some(Life { start, stop: Some(stop), now: stop });
        assert_eq!(
            ConnectionLine { with_times: true, ..ConnectionLine::listed(&udp) }.to_string(),
            [rest, " delta-time=2 [start=Fri Nov 27 08:58:37 2026] [stop=Fri Nov 27 08:58:39 2026] use=1"].concat()
        );
    }

    #[test]
    fn protocols_without_ports_show_what_they_have() {
        let lines = [Protocol::ICMP, Protocol::GRE, Protocol(89)].map(|protocol| {
            let entry = Entry { counters: None, mark: None, uses: None, ..entry(protocol) };
            ConnectionLine::listed(&entry).to_string()
        });
        assert_eq!(
            lines,
            [
                "icmp     1 29 src=127.0.0.1 dst=127.0.0.1 type=8 code=0 id=5632 [UNREPLIED] \
                 src=127.0.0.1 dst=127.0.0.1 type=0 code=0 id=5632",
                "gre      47 29 src=127.0.0.1 dst=127.0.0.1 srckey=0x0 dstkey=0x0 [UNREPLIED] \
                 src=127.0.0.1 dst=127.0.0.1 srckey=0x0 dstkey=0x0",
                "unknown  89 29 src=127.0.0.1 dst=127.0.0.1 [UNREPLIED] src=127.0.0.1 dst=127.0.0.1",
            ]
        );
    }

    #[test]
    fn an_event_is_that_of_the_real_tool() {
        let told = |change, timeout_secs| {
            let entry = Entry { timeout_secs, counters: None, mark: None, uses: None, ..entry(Protocol::UDP) };
            ConnectionLine::told(change, &entry).to_string()
        };
        let rest = "src=127.0.0.1 dst=127.0.0.1 sport=5000 dport=7001 [UNREPLIED] \
                    src=127.0.0.1 dst=127.0.0.1 sport=7001 dport=5000";
        assert_eq!(told(Change::New, Some(30)), ["    [NEW] udp      17 30 ", rest].concat());
        assert_eq!(told(Change::Update, Some(30)), [" [UPDATE] udp      17 30 ", rest].concat());
        assert_eq!(told(Change::Destroy, None), ["[DESTROY] udp      17 ", rest].concat());
    }

    #[test]
    fn an_expectation_is_that_of_the_real_tool() {
        let mut expectation = ExpectationEntry {
            id: ExpectationId(1),
            master: Tuple { source_port: 37880, destination_port: 21, ..tuple(Protocol::TCP) },
            zone: 5,
            tuple: Tuple { source_port: 0, destination_port: 50_000, ..tuple(Protocol::TCP) },
            mask: SourceMask::new(Family::Ipv4, 32, false),
            class: 0,
            helper: Box::from("ftp"),
            nat: None,
            permanent: false,
            inactive: false,
            timeout_secs: 299,
        };
        assert_eq!(
            ExpectationLine { entry: &expectation, change: None }.to_string(),
            "299 proto=6 src=127.0.0.1 dst=127.0.0.1 sport=0 dport=50000 mask-src=255.255.255.255 \
             mask-dst=255.255.255.255 sport=0 dport=65535 master-src=127.0.0.1 master-dst=127.0.0.1 \
             sport=37880 dport=21 class=0 helper=ftp"
        );
        expectation.permanent = true;
        let line = ExpectationLine { entry: &expectation, change: Some(Change::New) }.to_string();
        assert!(line.starts_with("    [NEW] 299 proto=6 "), "{line}");
        assert!(line.ends_with(" dport=21 PERMANENT class=0 helper=ftp"), "{line}");
    }
}
