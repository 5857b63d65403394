//! Connections as `conntrack -o xml` prints them (conntrack-tools 1.4.7 on Linux 6.18); expectations are in
//! [`super::expect::xml`].

use core::fmt;

use super::{
    Counter, Status,
    entry::{Entry, Life},
    labels::LabelNames,
    text::protocol_name,
    tuple::{Direction, Family, Tuple},
};
use crate::{
    calendar::{DAY, civil, weekday},
    event::Change,
    time::Instant,
    wire::Protocol,
};

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
    /// Whether it is shown when it began and ended, where that is known (`-o ktimestamp`).
    pub with_times: bool,
    /// What its labels are called, where they are shown (`-o labels`).
    pub labels: Option<&'a LabelNames>,
    /// When it is told, where that is shown (`-E -o timestamp`). In UTC, where conntrack(8) takes the time zone of its machine.
    pub when: Option<Instant>,
}

impl fmt::Display for ConnectionXml<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = self.entry;
        f.write_str(flow(self.change))?;
        let [original, reply] = entry.counters.map_or([None, None], |counters| counters.map(Some));
        let way = |direction, counter| Way { entry, direction, counter };
        write!(f, "{}{}", way(Direction::Original, original), way(Direction::Reply, reply))?;
        f.write_str("<meta direction=\"independent\">")?;
        element(f, "state", entry.tcp.map(|tcp| tcp.state))?;
        element(f, "state", entry.sctp.map(|sctp| sctp.state.xml_name()))?;
        element(f, "timeout", entry.timeout_secs)?;
        element(f, "mark", entry.mark)?;
        element(f, "zone", entry.zone.shared())?;
        let mut labels =
            self.labels.zip(entry.labels).into_iter().flat_map(|(names, labels)| names.of(labels)).peekable();
        if labels.peek().is_some() {
            f.write_str("<labels>")?;
            labels.try_for_each(|name| element(f, "label", Some(Escaped(name))))?;
            f.write_str("</labels>")?;
        }
        element(f, "use", entry.uses)?;
        element(f, "id", Some(entry.serial))?;
        if entry.status.contains(Status::ASSURED) {
            f.write_str("<assured/>")?;
        }
        if !entry.status.contains(Status::SEEN_REPLY) {
            f.write_str("<unreplied/>")?;
        }
        if let Some(life) = entry.life {
            self.write_life(f, life)?;
        }
        f.write_str("</meta>")?;
        write_when(f, self.when)?;
        element(f, "helper", entry.helper.as_ref())?;
        f.write_str("</flow>")
    }
}

impl ConnectionXml<'_> {
    fn write_life(&self, f: &mut fmt::Formatter<'_>, life: Life) -> fmt::Result {
        if self.with_times {
            f.write_str("<timestamp>")?;
            element(f, "start", Some(life.start.as_nanos()))?;
            element(f, "stop", life.stop.map(Instant::as_nanos))?;
            f.write_str("</timestamp>")?;
        }
        let lived = life.stop.map(|stop| stop.since(life.start).as_secs());
        element(f, "deltatime", Some(lived.unwrap_or_else(|| life.seconds_begun())))
    }
}

/// Text between tags.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|char| match char {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            char => write!(f, "{char}"),
        })
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
        write!(f, "<meta direction=\"{name}\">{}{}</layer3>", Layer3(tuple), Addresses(tuple))?;
        write!(f, "{}{}</layer4>", Layer4(tuple), Ports(tuple))?;
        element(f, "zone", entry.zone.only_of(direction))?;
        if let Some(Counter { packets, bytes }) = counter {
            write!(f, "<counters><packets>{packets}</packets><bytes>{bytes}</bytes></counters>")?;
        }
        f.write_str("</meta>")
    }
}

/// How a flow begins.
pub(super) const fn flow(change: Option<Change>) -> &'static str {
    match change {
        None => "<flow>",
        Some(Change::New) => "<flow type=\"new\">",
        Some(Change::Update) => "<flow type=\"update\">",
        Some(Change::Destroy) => "<flow type=\"destroy\">",
    }
}

/// The start of what is said of a tuple's addresses.
pub(super) struct Layer3<'a>(pub(super) &'a Tuple);

impl fmt::Display for Layer3<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, number) = match self.0.family {
            Family::Ipv4 => ("ipv4", 2),
            Family::Ipv6 => ("ipv6", 10),
        };
        write!(f, "<layer3 protonum=\"{number}\" protoname=\"{name}\">")
    }
}

/// The start of what is said of its protocol.
pub(super) struct Layer4<'a>(pub(super) &'a Tuple);

impl fmt::Display for Layer4<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = protocol_name(self.0.protocol());
        write!(f, "<layer4 protonum=\"{}\" protoname=\"{name}\">", self.0.protocol)
    }
}

/// Where a tuple leads from and to.
pub(super) struct Addresses<'a>(pub(super) &'a Tuple);

impl fmt::Display for Addresses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<src>{}</src><dst>{}</dst>", self.0.source_ip(), self.0.destination_ip())
    }
}

/// Its ports or keys, if it has any.
pub(super) struct Ports<'a>(pub(super) &'a Tuple);

impl fmt::Display for Ports<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tuple { source_port: source, destination_port: destination, .. } = *self.0;
        match self.0.protocol() {
            Protocol::TCP | Protocol::UDP | Protocol::UDPLITE | Protocol::SCTP => {
                write!(f, "<sport>{source}</sport><dport>{destination}</dport>")
            }
            Protocol::GRE => write!(f, "<srckey>{source:#x}</srckey><dstkey>{destination:#x}</dstkey>"),
            _ => Ok(()),
        }
    }
}

/// A moment in UTC. The first day of its week is Sunday.
pub(super) fn write_when(f: &mut fmt::Formatter<'_>, when: Option<Instant>) -> fmt::Result {
    let Some(when) = when.map(Instant::as_secs) else { return Ok(()) };
    let second = when % u64::from(DAY);
    write!(f, "<when><hour>{}</hour><min>{:02}</min>", second / 3600, second / 60 % 60)?;
    let (year, month, day) = civil(when);
    write!(f, "<sec>{:02}</sec><wday>{}</wday><day>{day}</day>", second % 60, weekday(when) % 7 + 1)?;
    write!(f, "<month>{month}</month><year>{year}</year></when>")
}

pub(super) fn element(f: &mut fmt::Formatter<'_>, name: &str, value: Option<impl fmt::Display>) -> fmt::Result {
    value.map_or(Ok(()), |value| write!(f, "<{name}>{value}</{name}>"))
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::conntrack::{Address, SctpEntry, SctpState, TcpEntry, TcpState, Zone};

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
            life: None,
            labels: None,
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
            ConnectionXml { entry: &tcp, change: None, with_times: false, labels: None, when: None }.to_string(),
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
            ConnectionXml { entry: &icmp, change: None, with_times: false, labels: None, when: None }.to_string(),
            "<flow><meta direction=\"original\"><layer3 protonum=\"2\" protoname=\"ipv4\"><src>127.0.0.1</src>\
             <dst>127.0.0.1</dst></layer3><layer4 protonum=\"1\" protoname=\"icmp\"></layer4></meta>\
             <meta direction=\"reply\"><layer3 protonum=\"2\" protoname=\"ipv4\"><src>127.0.0.1</src>\
             <dst>127.0.0.1</dst></layer3><layer4 protonum=\"1\" protoname=\"icmp\"></layer4></meta>\
             <meta direction=\"independent\"><timeout>29</timeout><mark>0</mark><zone>7</zone><use>1</use>\
             <id>3</id></meta></flow>"
        );
    }

    /// What stands there is the real tool's, but for the number.
    #[test]
    fn times_and_labels_stand_where_the_real_tool_has_them() {
        let at = Instant::from_nanos;
        let start = at(1_795_769_917_742_100_569);
        let names = LabelNames::parse("3 ssh out\n5 a<b\n").unwrap();
        let mut udp = entry(Protocol::UDP, (49989, 77));
        (udp.status, udp.labels) = (Status::CONFIRMED, Some(0b10_1000));
        let shown = |udp: &Entry| {
            let labels = Some(&names);
            let flow = ConnectionXml { entry: udp, change: None, with_times: true, labels, when: None }.to_string();
            flow.split_once("<meta direction=\"independent\">").expect("three parts").1.to_string()
        };
        udp.life = Some(Life { start, stop: None, now: at(1_795_769_918_000_000_000) });
        assert_eq!(
            shown(&udp),
            "<timeout>29</timeout><mark>0</mark><labels><label>ssh out</label><label>a&lt;b</label></labels><use>1</use><id>3</id>\
             <unreplied/><timestamp><start>1795769917742100569</start></timestamp><deltatime>1</deltatime></meta></flow>"
        );
        let stop = at(1_795_769_919_138_486_996);
        udp.life = Some(Life { start, stop: Some(stop), now: stop });
        assert!(shown(&udp).ends_with(
            "<start>1795769917742100569</start><stop>1795769919138486996</stop></timestamp><deltatime>1</deltatime></meta></flow>"
        ));
    }

    /// What stands there is the real tool's, at that time in UTC.
    #[test]
    fn the_moment_of_an_event_stands_before_the_helper() {
        let mut udp = entry(Protocol::UDP, (3000, 9999));
        udp.helper = Some("tftp".into());
        let when = Some(Instant::ZERO.after_secs(1_795_809_923));
        let flow = ConnectionXml { entry: &udp, change: Some(Change::New), with_times: false, labels: None, when };
        assert!(flow.to_string().starts_with("<flow type=\"new\"><meta direction=\"original\">"));
        assert!(flow.to_string().ends_with(
            "</meta><when><hour>20</hour><min>05</min><sec>23</sec><wday>6</wday><day>27</day><month>11</month>\
             <year>2026</year></when><helper>tftp</helper></flow>"
        ));
    }

    /// The words are the real tool's, for the states in their order.
    #[test]
    fn states_of_sctp_have_the_names_of_others() {
        let words = SctpState::ALL.map(|state| {
            let mut sctp = entry(Protocol::SCTP, (5, 6));
            sctp.sctp = Some(SctpEntry { state, tags: [0, 5] });
            let flow = ConnectionXml { entry: &sctp, change: None, with_times: false, labels: None, when: None };
            let flow = flow.to_string();
            let (_, behind) = flow.split_once("<state>").expect("a state");
            behind.split_once("</state>").expect("its end").0.to_string()
        });
        assert_eq!(
            words,
            ["NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE"]
        );
    }
}
