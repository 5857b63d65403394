//! Matches: what a rule may ask of a packet. One file each.
//!
//! A match knows its options, reads and prints them, and answers for a packet. It also says what its answer depends on,
//! so that an established flow need not ask again (see [`super::walk`]).

mod addrtype;
mod comment;
mod connbytes;
mod connlabel;
mod connlimit;
mod connmark;
mod conntrack;
mod dccp;
mod dscp;
mod ecn;
mod eui64;
mod extension;
mod frag;
mod hashlimit;
mod helper;
mod icmp;
mod icmp6;
mod icmp_kind;
mod iprange;
mod ipv6header;
mod length;
mod limit;
mod mac;
mod mark;
mod mh;
mod multiport;
mod options_header;
mod pkttype;
mod ports;
mod recent;
mod rpfilter;
mod rt;
mod sctp;
mod set;
mod socket;
mod spi;
mod state;
mod states;
mod statistic;
mod string;
mod tcp;
mod tcpmss;
mod time;
mod tos;
mod ttl;
mod u32;
mod udp;

pub(super) use dccp::type_bits;
pub(super) use dscp::parse_codepoint;
pub(super) use iprange::Iprange;
pub(super) use ipv6header::header_bits;
pub(super) use ports::PortSets;
pub(super) use sctp::chunk_number;
pub(super) use tos::parse_tos;

use alloc::{string::String, vec::Vec};
use core::fmt::Debug;

use serde::{Deserialize, Serialize};

use super::{
    Hook, TableName, View,
    error::Flaw,
    header::{Bits, Not},
    lists::Claims,
    program::facts::{Facts, StateSet},
    save::options::{Given, Spec},
    walk::Depends,
};
use crate::conntrack::{Address, Family, Tuple, Zone};

/// What a match is.
pub(super) trait Matching: Sized + Clone + Debug + PartialEq {
    /// Its name and options.
    const SPEC: &'static Spec;
    /// The family that alone has it.
    const FAMILY: Option<Family> = None;

    /// The hooks its rule may be reached from.
    fn hooks(&self) -> &'static [Hook] {
        &Hook::ALL
    }

    /// Makes it from the options that were given.
    fn parse(given: &Given<'_>) -> Result<Self, Flaw>;

    /// Writes its options as the tool prints them, each with a blank before it.
    fn print(&self, out: &mut String);

    /// Writes what a listing describes: the same, and what `iptables-save` forgets.
    fn print_listed(&self, out: &mut String) {
        self.print(out);
    }

    /// Asks it about a packet.
    fn test(&mut self, facts: &Facts, view: &mut View<'_>) -> Answer;

    /// What the answer depends on beside what is fixed in a direction of a connection.
    fn depends(&self) -> Depends;

    /// What it found in a packet that it did not match, as the end of a sentence that starts with "packet".
    fn found(&self, facts: &Facts, view: &View<'_>) -> String;

    /// The tables its rule may stand in.
    fn tables(&self) -> &'static [TableName] {
        &TableName::ALL
    }

    /// Whether it needs connections to be counted.
    fn wants_accounting(&self) -> bool {
        false
    }

    /// What it remembers of the packets before; `None`: nothing.
    fn state(&self) -> Option<MatchState> {
        None
    }

    /// Takes what [`Self::state`] gave; of another kind of match it takes nothing.
    fn set_state(&mut self, _: MatchState) {}

    /// Adds what it remembers under a name.
    fn claims(&self, _: &mut Claims) {}

    /// What of it a selector can ask instead; then it need not be run.
    fn fold(&self) -> Fold {
        Fold::No
    }

    /// Whether it surely matches whatever another one matches.
    fn covers(&self, narrower: &Self) -> bool {
        self == narrower
    }

    /// The states that a packet may be in that it matches; others it may still not match.
    fn possible_states(&self) -> StateSet {
        match self.fold() {
            Fold::States(states) => states,
            Fold::No | Fold::Nothing | Fold::Ports(..) => StateSet::ALL,
        }
    }
}

/// A match's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    No,
    /// The packet is so broken that it is dropped at once (Linux: `hotdrop`).
    Drop,
    /// There is no room to remember what it would have to, and the packet is dropped.
    Full,
    /// As [`Self::Drop`], of a condition that is turned over: the rule counts the packet and does what it does before.
    Doomed,
}

impl From<bool> for Answer {
    fn from(matches: bool) -> Self {
        if matches { Self::Yes } else { Self::No }
    }
}

/// What a match remembers of the packets before, for snapshots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MatchState {
    /// Of `-m limit`: credit left, and the tick of the last filling.
    Limit(u32, Option<u64>),
    /// Of `-m statistic`: packets since the last one that matched.
    Statistic(u32),
    /// Of `-m connlimit`: the connections seen, and whose were tidied last.
    Connlimit(Vec<Seen>, Option<Whose>),
}

/// Whose connections `-m connlimit` counts together: those of an address, in zones of one number (Linux v6.18:
/// `net/netfilter/xt_connlimit.c`, `connlimit_mt()`).
pub type Whose = (u16, Address);

/// Connections that are counted together.
pub type Seen = (Whose, Vec<(Zone, Tuple)>);

/// What a selector can ask instead of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fold {
    /// The match has to be run.
    No,
    /// It is always true.
    Nothing,
    /// Source and destination ports, of the protocol that the header asks for.
    Ports((u16, u16), (u16, u16)),
    /// One of some states.
    States(StateSet),
}

macro_rules! all_matches {
    ($($name:ident = $module:ident::$kind:ident,)+) => {
        /// A match of a rule.
        #[derive(Clone, Debug, PartialEq)]
        pub(super) enum Match {
            $($name($module::$kind),)+
        }

        /// How each match is declared and made.
        static ALL: &[(&Spec, Option<Family>, fn(&Given<'_>) -> Result<Match, Flaw>)] = &[
            $((
                $module::$kind::SPEC,
                <$module::$kind as Matching>::FAMILY,
                |given| Ok(Match::$name($module::$kind::parse(given)?)),
            ),)+
        ];

        impl Match {
            /// Its name after `-m`.
            pub(super) fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => $module::$kind::SPEC.name,)+ }
            }

            /// Writes its options as the tool prints them, each with a blank before it.
            pub(super) fn print(&self, out: &mut String) {
                match self { $(Self::$name(inner) => inner.print(out),)+ }
            }

            /// Writes what a listing describes.
            pub(super) fn print_listed(&self, out: &mut String) {
                match self { $(Self::$name(inner) => inner.print_listed(out),)+ }
            }

            /// The hooks its rule may be reached from.
            pub(super) fn hooks(&self) -> &'static [Hook] {
                match self { $(Self::$name(inner) => inner.hooks(),)+ }
            }

            /// Asks it about a packet.
            pub(super) fn test(&mut self, facts: &Facts, view: &mut View<'_>) -> Answer {
                match self { $(Self::$name(inner) => inner.test(facts, view),)+ }
            }

            /// What the answer depends on beside what is fixed in a direction of a connection.
            pub(super) fn depends(&self) -> Depends {
                match self { $(Self::$name(inner) => inner.depends(),)+ }
            }

            /// What it found in a packet that it did not match.
            pub(super) fn found(&self, facts: &Facts, view: &View<'_>) -> String {
                match self { $(Self::$name(inner) => inner.found(facts, view),)+ }
            }

            /// The tables its rule may stand in.
            pub(super) fn tables(&self) -> &'static [TableName] {
                match self { $(Self::$name(inner) => inner.tables(),)+ }
            }

            /// Whether it needs connections to be counted.
            pub(super) fn wants_accounting(&self) -> bool {
                match self { $(Self::$name(inner) => inner.wants_accounting(),)+ }
            }

            /// What it remembers of the packets before; `None`: nothing.
            pub(super) fn state(&self) -> Option<MatchState> {
                match self { $(Self::$name(inner) => inner.state(),)+ }
            }

            /// Takes what `state` gave.
            pub(super) fn set_state(&mut self, state: MatchState) {
                match self { $(Self::$name(inner) => inner.set_state(state),)+ }
            }

            /// Adds what it remembers under a name.
            pub(super) fn claims(&self, claims: &mut Claims) {
                match self { $(Self::$name(inner) => inner.claims(claims),)+ }
            }

            /// Whether it surely matches whatever another match matches.
            pub(super) fn covers(&self, narrower: &Self) -> bool {
                match (self, narrower) {
                    $((Self::$name(inner), Self::$name(narrower)) => inner.covers(narrower),)+
                    _ => false,
                }
            }

            /// The states that a packet may be in that it matches.
            pub(super) fn possible_states(&self) -> StateSet {
                match self { $(Self::$name(inner) => inner.possible_states(),)+ }
            }

            /// What of it a selector can ask instead.
            pub(super) fn fold(&self) -> Fold {
                match self { $(Self::$name(inner) => inner.fold(),)+ }
            }
        }
    };
}

all_matches! {
    Ah = spi::Ah,
    Addrtype = addrtype::Addrtype,
    Comment = comment::Comment,
    Connbytes = connbytes::Connbytes,
    Connlabel = connlabel::Connlabel,
    Connlimit = connlimit::Connlimit,
    Connmark = connmark::Connmark,
    Conntrack = conntrack::Conntrack,
    Dccp = dccp::Dccp,
    Dscp = dscp::Dscp,
    Dst = options_header::DestinationOptions,
    Ecn = ecn::Ecn,
    Esp = spi::Esp,
    Eui64 = eui64::Eui64,
    Frag = frag::Frag,
    Hashlimit = hashlimit::Hashlimit,
    Hbh = options_header::HopByHop,
    Helper = helper::Helper,
    Hl = ttl::Hl,
    Icmp = icmp::Icmp,
    Icmp6 = icmp6::Icmp6,
    Iprange = iprange::Iprange,
    Ipv6header = ipv6header::Headers,
    Length = length::Length,
    Limit = limit::Limit,
    Mac = mac::Mac,
    Mark = mark::Mark,
    Mh = mh::Mh,
    Multiport = multiport::Multiport,
    Pkttype = pkttype::Pkttype,
    Recent = recent::Recent,
    Rpfilter = rpfilter::Rpfilter,
    Rt = rt::Rt,
    Sctp = sctp::Sctp,
    Set = set::Set,
    Socket = socket::Socket,
    State = state::StateMatch,
    Statistic = statistic::Statistic,
    StringMatch = string::StringMatch,
    Tcp = tcp::Tcp,
    Tcpmss = tcpmss::Tcpmss,
    Time = time::Time,
    Tos = tos::Tos,
    Ttl = ttl::Ttl,
    U32 = u32::U32,
    Udp = udp::Udp,
}

impl Match {
    /// Ranges that hold the source and destination ports of all packets that match, where the match asks for ports.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others ask for no ports")]
    pub(super) fn ports(&self) -> Option<((u16, u16), (u16, u16))> {
        let fold = match self {
            Self::Tcp(tcp) => tcp.ports(),
            Self::Udp(udp) => udp.fold(),
            Self::Multiport(multiport) => return multiport.span(),
            _ => return None,
        };
        if let Fold::Ports(sources, destinations) = fold { Some((sources, destinations)) } else { None }
    }

    /// Sets that hold the source and destination ports of all packets that match, where the match asks for ports.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others ask for no ports")]
    pub(super) fn port_sets(&self) -> Option<PortSets> {
        match self {
            Self::Tcp(tcp) => Some(tcp.port_sets()),
            Self::Udp(udp) => Some(udp.port_sets()),
            Self::Dccp(dccp) => Some(dccp.port_sets()),
            Self::Sctp(sctp) => Some(sctp.port_sets()),
            Self::Multiport(multiport) => {
                let (sources, destinations) = multiport.span()?;
                let sides = [sources, destinations].map(|what| Not { inverted: false, what });
                Some(PortSets { sides, is_all: false })
            }
            _ => None,
        }
    }

    /// What it asks of the type-of-service byte, if it asks for nothing else.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others ask for other things")]
    pub(super) fn tos_bits(&self) -> Option<Bits> {
        match self {
            Self::Tos(tos) => Some(tos.bits()),
            Self::Dscp(dscp) => Some(dscp.bits()),
            _ => None,
        }
    }

    /// Writes ` -m NAME` and its options.
    pub(super) fn print_named(&self, out: &mut String) {
        out.push_str(" -m ");
        out.push_str(self.name());
        self.print(out);
    }
}

/// The declaration of a match, if the family has it.
pub(super) fn find(name: &str, family: Family) -> Option<&'static Spec> {
    specs(family).find(|spec| spec.name == name)
}

/// All names of a family.
pub(super) fn names(family: Family) -> impl Iterator<Item = &'static str> {
    specs(family).map(|spec| spec.name)
}

/// All declarations of a family.
pub(super) fn specs(family: Family) -> impl Iterator<Item = &'static Spec> {
    ALL.iter().filter(move |(_, only, _)| only.is_none_or(|only| only == family)).map(|(spec, ..)| *spec)
}

/// Makes the match that `given` names.
pub(super) fn parse(given: &Given<'_>) -> Result<Option<Match>, Flaw> {
    ALL.iter().find(|(spec, ..)| spec.name == given.name).map(|(.., parse)| parse(given)).transpose()
}

/// Why a match that Linux knows is not supported, and what asks for the nearest; for names that users may try.
pub(super) static UNSUPPORTED: &[(&str, &str)] = &[
    ("bpf", "it runs a program inside the kernel; `u32` and `string` look at a packet's bytes"),
    ("cgroup", "there are no processes here; `mark` knows what other rules have marked"),
    (
        "cluster",
        "no gateways share the traffic here; `iprange` and `set` tell senders apart, `statistic` draws packets",
    ),
    ("cpu", "there is one engine, not CPUs; `statistic` shares packets out"),
    ("dst", OF_IPV6),
    ("devgroup", "devices have no groups here; name them, or use `-i NAME+`"),
    ("eui64", OF_IPV6),
    ("frag", OF_IPV6),
    ("geoip", "it is not of Linux itself; `set` asks for the networks of a country"),
    ("hbh", OF_IPV6),
    ("hl", "it asks for IPv6; IPv4 has `ttl`"),
    ("icmp", "it asks for IPv4; IPv6 has `icmp6`"),
    ("icmp6", "it asks for IPv6; IPv4 has `icmp`"),
    ("ipcomp", "nobody has built it; `-p ipcomp` asks for the protocol, `u32` for its index"),
    ("ipv6header", OF_IPV6),
    ("ipvs", "there are no virtual services here; `conntrack --ctstate DNAT` knows what is translated"),
    ("l2tp", "nobody has built it; `-p l2tp` or `udp --dport 1701` ask for the protocol, `u32` for a tunnel"),
    ("mh", OF_IPV6),
    ("nfacct", "there are no accounting objects here; rules count by themselves"),
    ("osf", "there are no fingerprints of systems here; `ttl`, `length` and `tcpmss` ask for what they are made of"),
    ("owner", "there are no processes here; OUTPUT sees what the gateway itself sends"),
    ("physdev", "there is no bridge here; `-i` and `-o` ask for devices"),
    ("policy", "there is no IPsec here; `esp` and `ah` ask for its packets"),
    (
        "quota",
        "nobody has built it; `connbytes` asks what a connection has carried, `hashlimit` how much comes in a time",
    ),
    ("rateest", "nobody has built it; `hashlimit --hashlimit-above` asks for rates"),
    ("realm", "routes have no realms here; `-d` and `set` ask for the networks that they lead to"),
    ("rt", OF_IPV6),
    ("srh", "nobody has built it; `rt --rt-type 4` asks for such a header"),
    ("ttl", "it asks for IPv4; IPv6 has `hl`"),
    ("udplite", "nobody has it; `multiport` asks for the ports of `-p udplite`"),
];

const OF_IPV6: &str = "it asks for extension headers of IPv6";
