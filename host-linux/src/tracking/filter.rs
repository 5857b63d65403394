//! What a connection must be to be shown or deleted.

use std::net::IpAddr;

use towpath_engine::{
    Change,
    conntrack::{Direction, Entry, Family, SctpState, Status, TcpState, Tuple, text::protocol_by_name},
    wire::Protocol,
};

/// What a connection must be to be shown or deleted; what is `None` may be anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// `-f`
    pub family: Option<Family>,
    /// `-p`
    pub protocol: Option<Protocol>,
    /// `-s`, `-d`: addresses of the original direction.
    pub original: Ends,
    /// `-r`, `-q`: addresses of the reply direction.
    pub reply: Ends,
    /// `-m`: value and mask.
    pub mark: Option<(u32, u32)>,
    /// `-w`
    pub zone: Option<u16>,
    /// `--orig-zone`: that of the original direction only.
    pub original_zone: Option<u16>,
    /// `--reply-zone`: that of the reply direction only.
    pub reply_zone: Option<u16>,
    /// `-l`: labels that must be set.
    pub labels: u128,
    /// `-u`: bits that must be set.
    pub status: Option<Status>,
    /// `-u UNREPLIED`: no answer has been seen.
    pub unreplied: bool,
    /// `-u OFFLOAD`: packets pass it by another way, which none does here.
    pub offloaded: bool,
    /// `--icmp-type`, `--icmpv6-type`
    pub kind: Option<u8>,
    /// `--icmp-code`, `--icmpv6-code`
    pub code: Option<u8>,
    /// `--state`
    pub state: Option<StateName>,
    /// `-n`: the source is translated, to this address if one is given; without one, its port alone will do, or that it is a ping.
    pub source_nat: Option<Option<IpAddr>>,
    /// `-g`: the destination is translated, to this address if one is given; without one, its port alone will do, or that it is a ping.
    pub destination_nat: Option<Option<IpAddr>>,
    /// `-j`: either is translated, to this address if one is given.
    pub any_nat: Option<Option<IpAddr>>,
    /// `-e`: what must have happened, where what happens is shown; anything when it is empty.
    pub changes: Vec<Change>,
}

/// A state that a protocol knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateName {
    /// Of TCP.
    Tcp(TcpState),
    /// Of SCTP.
    Sctp(SctpState),
}

impl StateName {
    fn is_of(self, entry: &Entry) -> bool {
        match self {
            Self::Tcp(state) => entry.tcp.is_some_and(|tcp| tcp.state == state),
            Self::Sctp(state) => entry.sctp.is_some_and(|sctp| sctp.state == state),
        }
    }
}

/// Both ends of one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// Where it comes from.
    pub source: Option<Network>,
    /// Where it goes to.
    pub destination: Option<Network>,
    /// From which port.
    pub source_port: Option<u16>,
    /// To which port.
    pub destination_port: Option<u16>,
}

/// An address and which of its bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    /// As [`bits`] of it; those that no address of the family has may be set.
    mask: u128,
}

impl Network {
    /// Reads `address` or `address/prefix`.
    ///
    /// # Errors
    /// What is wanted instead.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let wanted = "an address such as 10.0.0.1, or a network such as 10.0.0.0/8";
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| wanted)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix: u32 = prefix.map_or(Ok(longest), str::parse).map_err(|_| wanted)?;
        let mask = u128::MAX.checked_shl(128_u32.saturating_sub(prefix)).unwrap_or(0);
        if prefix <= longest { Ok(Self { address, mask }) } else { Err(wanted) }
    }

    /// The addresses that agree with this one in the bits of `mask`, whatever counted before; `None` when that is of another family.
    #[must_use]
    pub fn masked(self, mask: IpAddr) -> Option<Self> {
        (mask.is_ipv4() == self.address.is_ipv4()).then(|| Self { mask: bits(mask), ..self })
    }

    /// The address that it was given with.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// Whether all bits of the address count.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let all = if self.address.is_ipv4() { !(u128::MAX >> 32) } else { u128::MAX };
        self.mask & all == all
    }

    /// The family of its addresses.
    #[must_use]
    pub const fn family(&self) -> Family {
        if self.address.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 }
    }

    fn holds(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4() && (bits(self.address) ^ bits(address)) & self.mask == 0
    }
}

/// An address's bits, the first ones highest.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

impl Ends {
    fn hold(&self, tuple: &Tuple) -> bool {
        let lies_in = |network: Option<Network>, address| network.is_none_or(|network| network.holds(address));
        let is = |wanted: Option<u16>, port| wanted.is_none_or(|wanted| wanted == port);
        lies_in(self.source, tuple.source_ip())
            && lies_in(self.destination, tuple.destination_ip())
            && is(self.source_port, tuple.source_port)
            && is(self.destination_port, tuple.destination_port)
    }
}

impl Filter {
    /// Whether a connection is wanted.
    #[must_use]
    pub fn wants(&self, entry: &Entry) -> bool {
        let (original, reply) = (&entry.original, &entry.reply);
        // As the real tool sees it: where rules of NAT have settled a connection, and something differs. What tells pings apart stands
        // in places of its own each way, so that every ping is translated then.
        let translated = |wanted: Option<IpAddr>, done, before: (IpAddr, u16), after: (IpAddr, u16)| {
            let is_other = wanted.map_or(before != after, |wanted| before.0 != after.0 && wanted == after.0);
            entry.status.contains(done) && is_other
        };
        let source = |wanted| {
            let before = (original.source_ip(), original.source_port);
            translated(wanted, Status::SRC_NAT_DONE, before, (reply.destination_ip(), reply.destination_port))
        };
        let destination = |wanted| {
            let before = (original.destination_ip(), original.destination_port);
            translated(wanted, Status::DST_NAT_DONE, before, (reply.source_ip(), reply.source_port))
        };
        self.family.is_none_or(|family| family == original.family)
            && self.protocol.is_none_or(|protocol| protocol == original.protocol())
            && self.original.hold(original)
            && self.reply.hold(reply)
            && self.mark.is_none_or(|(value, mask)| entry.mark.unwrap_or(0) & mask == value)
            && self.zone.is_none_or(|zone| zone == entry.zone.shared().unwrap_or(0))
            && self.original_zone.is_none_or(|zone| zone == entry.zone.only_of(Direction::Original).unwrap_or(0))
            && self.reply_zone.is_none_or(|zone| zone == entry.zone.only_of(Direction::Reply).unwrap_or(0))
            && entry.labels.unwrap_or(0) & self.labels == self.labels
            && self.status.is_none_or(|status| entry.status.contains(status))
            && !(self.unreplied && entry.status.contains(Status::SEEN_REPLY))
            && !self.offloaded
            && self.is_message(original)
            && self.state.is_none_or(|state| state.is_of(entry))
            && self.source_nat.is_none_or(source)
            && self.destination_nat.is_none_or(destination)
            && self.any_nat.is_none_or(|wanted| source(wanted) || destination(wanted))
    }
}

impl Filter {
    /// Whether the type and code of a message are as asked; they stand where others have the port that they go to.
    fn is_message(&self, original: &Tuple) -> bool {
        let [kind, code] = original.destination_port.to_be_bytes();
        self.kind.is_none_or(|asked| asked == kind) && self.code.is_none_or(|asked| asked == code)
    }

    /// Whether such a thing is told; `None` of what is only listed.
    #[must_use]
    pub fn hears(&self, change: Option<Change>) -> bool {
        self.changes.is_empty() || change.is_none_or(|change| self.changes.contains(&change))
    }
}

/// Reads a protocol's name or number, as `-p` takes it.
///
/// # Errors
/// What is wanted instead.
pub fn parse_protocol(text: &str) -> Result<Protocol, &'static str> {
    let name = text.to_ascii_lowercase();
    let other = || OTHERS.iter().find(|(_, known)| *known == name).map(|(number, _)| Protocol(*number));
    protocol_by_name(&name).or_else(other).or_else(|| text.parse().ok().map(Protocol)).ok_or(
        "a protocol: tcp, udp, icmp, icmpv6, gre, sctp, udplite, esp, ah or another's name, or a number up to 255",
    )
}

/// Protocols whose names conntrack(8) finds in /etc/protocols.
#[rustfmt::skip]
static OTHERS: [(u8, &str); 15] = [
    (2,   "igmp"),
    (4,   "ipencap"),
    (4,   "ip-encap"),
    (33,  "dccp"),
    (41,  "ipv6"),
    (50,  "esp"),
    (50,  "ipsec-esp"),
    (51,  "ah"),
    (51,  "ipsec-ah"),
    (58,  "ipv6-icmp"),
    (89,  "ospf"),
    (103, "pim"),
    (108, "ipcomp"),
    (112, "vrrp"),
    (115, "l2tp"),
];

#[cfg(test)]
mod tests {
    use towpath_engine::conntrack::{Address, TcpEntry, Zone};

    use super::*;

    /// 10.0.0.2:4000 > 192.0.2.2:80, masqueraded to 192.0.2.1.
    fn entry() -> Entry {
        let original = Tuple {
            source: Address::v4([10, 0, 0, 2]),
            destination: Address::v4([192, 0, 2, 2]),
            source_port: 4000,
            destination_port: 80,
            protocol: 6,
            family: Family::Ipv4,
        };
        let reply = Tuple { destination: Address::v4([192, 0, 2, 1]), ..original.inverted().unwrap() };
        Entry {
            serial: 1,
            original,
            reply,
            status: [Status::SEEN_REPLY, Status::ASSURED, Status::SRC_NAT_DONE, Status::DST_NAT_DONE]
                .into_iter()
                .fold(Status::default(), |status, bit| Status(status.0 | bit.0)),
            zone: Zone::both(3),
            timeout_secs: Some(7),
            tcp: Some(TcpEntry { state: TcpState::Established, sides: None }),
            sctp: None,
            helper: None,
            policy: None,
            mark: Some(0x105),
            master: None,
            adjustments: None,
            counters: None,
            life: None,
            labels: Some(0b101),
            uses: Some(1),
        }
    }

    /// As the real tool lists them, with a rule of NAT and without one.
    #[test]
    fn a_port_that_has_moved_is_a_translation_and_so_is_every_ping_that_rules_have_settled() {
        let (source, destination) = (
            Filter { source_nat: Some(None), ..Filter::default() },
            Filter { destination_nat: Some(None), ..Filter::default() },
        );
        let mut tcp = entry();
        tcp.reply = Tuple { destination_port: 700, ..tcp.original.inverted().unwrap() };
        assert!(source.wants(&tcp) && !destination.wants(&tcp));
        let to = Filter { source_nat: Some(Some([10, 0, 0, 2].into())), ..Filter::default() };
        assert!(!to.wants(&tcp), "its address has not moved");
        let mut ping = entry();
        ping.original = Tuple { protocol: 1, source_port: 77, destination_port: 0x0800, ..ping.original };
        ping.reply = ping.original.inverted().unwrap();
        assert!(source.wants(&ping) && destination.wants(&ping));
        assert!(Filter { any_nat: Some(None), ..Filter::default() }.wants(&ping));
        assert!(!to.wants(&ping), "its address has not moved");
        ping.status = Status(Status::SEEN_REPLY.0);
        assert!(!source.wants(&ping) && !destination.wants(&ping), "no rule of NAT was asked");
    }

    #[test]
    fn each_wish_is_held_against_its_own_field() {
        let network = |text| Some(Network::parse(text).unwrap());
        let any = Filter::default();
        let cases: [(Filter, bool); 28] = [
            (Filter { unreplied: true, ..any.clone() }, false),
            (Filter { offloaded: true, ..any.clone() }, false),
            (Filter { kind: Some(0), code: Some(80), ..any.clone() }, true),
            (Filter { kind: Some(8), ..any.clone() }, false),
            (Filter { code: Some(0), ..any.clone() }, false),
            (Filter { protocol: Some(parse_protocol("TCP").unwrap()), ..any.clone() }, true),
            (any.clone(), true),
            (Filter { family: Some(Family::Ipv6), ..any.clone() }, false),
            (Filter { protocol: Some(parse_protocol("tcp").unwrap()), ..any.clone() }, true),
            (Filter { protocol: Some(parse_protocol("17").unwrap()), ..any.clone() }, false),
            (Filter { original: Ends { source: network("10.0.0.0/8"), ..Ends::default() }, ..any.clone() }, true),
            (Filter { original: Ends { source: network("10.0.0.3"), ..Ends::default() }, ..any.clone() }, false),
            (Filter { original: Ends { destination_port: Some(80), ..Ends::default() }, ..any.clone() }, true),
            (Filter { reply: Ends { destination: network("192.0.2.1"), ..Ends::default() }, ..any.clone() }, true),
            (Filter { reply: Ends { source_port: Some(81), ..Ends::default() }, ..any.clone() }, false),
            (Filter { mark: Some((0x5, 0xf)), ..any.clone() }, true),
            (Filter { mark: Some((0x5, u32::MAX)), ..any.clone() }, false),
            (Filter { zone: Some(0), ..any.clone() }, false),
            (Filter { labels: 0b100, ..any.clone() }, true),
            (Filter { labels: 0b110, ..any.clone() }, false),
            (Filter { status: Some(Status::ASSURED), ..any.clone() }, true),
            (Filter { state: Some(StateName::Tcp(TcpState::Established)), ..any.clone() }, true),
            (Filter { state: Some(StateName::Tcp(TcpState::TimeWait)), ..any.clone() }, false),
            (Filter { state: Some(StateName::Sctp(SctpState::Established)), ..any.clone() }, false),
            (Filter { source_nat: Some(None), ..any.clone() }, true),
            (Filter { source_nat: Some(Some([192, 0, 2, 9].into())), ..any.clone() }, false),
            (Filter { destination_nat: Some(None), ..any.clone() }, false),
            (Filter { any_nat: Some(Some([192, 0, 2, 1].into())), ..any }, true),
        ];
        for (filter, wanted) in cases {
            assert_eq!(filter.wants(&entry()), wanted, "{filter:?}");
        }
    }

    #[test]
    fn what_happens_is_told_where_it_is_asked_for_and_what_is_listed_always() {
        let deaf = Filter { changes: vec![Change::New, Change::Destroy], ..Filter::default() };
        assert_eq!(
            [Change::New, Change::Update, Change::Destroy].map(|change| deaf.hears(Some(change))),
            [true, false, true]
        );
        assert!(deaf.hears(None) && Filter::default().hears(Some(Change::Update)));
    }

    #[test]
    fn a_mask_says_which_bits_count_wherever_they_stand() {
        let with = |text, mask: [u8; 4]| Filter {
            original: Ends { source: Network::parse(text).unwrap().masked(mask.into()), ..Ends::default() },
            ..Filter::default()
        };
        // 10.0.0.2; each as the real tool answers.
        assert!(with("10.0.0.77", [255, 255, 255, 0]).wants(&entry()));
        assert!(with("10.9.0.77", [255, 0, 255, 0]).wants(&entry()));
        assert!(!with("10.0.1.2", [255, 0, 255, 255]).wants(&entry()));
        assert!(!with("10.0.9.0/8", [255, 255, 255, 0]).wants(&entry()), "a mask counts more than a prefix");
        assert_eq!(Network::parse("::1").unwrap().masked([255, 0, 0, 0].into()), None);
    }

    #[test]
    fn what_is_no_network_or_protocol_is_refused() {
        for text in ["", "10.0.0", "10.0.0.1/33", "::1/129", "10.0.0.1/x", "all"] {
            assert!(Network::parse(text).is_err(), "{text}");
        }
        for text in ["", "foo", "256", "-1"] {
            assert!(parse_protocol(text).is_err(), "{text}");
        }
    }
}
