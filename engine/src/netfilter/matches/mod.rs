//! Matches: what a rule may ask of a packet. One file each.
//!
//! A match knows its options, reads and prints them, and answers for a packet. It also says what its answer depends on,
//! so that an established flow need not ask again (see [`super::walk`]).

mod addrtype;
mod comment;
mod connmark;
mod conntrack;
mod dscp;
mod hashlimit;
mod helper;
mod icmp;
mod iprange;
mod length;
mod limit;
mod mac;
mod mark;
mod multiport;
mod pkttype;
mod recent;
mod state;
mod states;
mod statistic;
mod tcp;
mod tos;
mod ttl;
mod udp;

pub(super) use dscp::parse_codepoint;
pub(super) use tos::parse_tos;

use alloc::string::String;
use core::fmt::Debug;

use super::{
    Hook, View,
    error::Flaw,
    lists::Claims,
    program::facts::Facts,
    save::options::{Given, Spec},
    walk::Depends,
};

/// What a match is.
pub(super) trait Matching: Sized + Clone + Debug + PartialEq {
    /// Its name and options.
    const SPEC: &'static Spec;

    /// The hooks its rule may be reached from.
    fn hooks(&self) -> &'static [Hook] {
        &Hook::ALL
    }

    /// Makes it from the options that were given.
    fn parse(given: &Given<'_>) -> Result<Self, Flaw>;

    /// Writes its options as the tool prints them, each with a blank before it.
    fn print(&self, out: &mut String);

    /// Asks it about a packet.
    fn test(&mut self, facts: &Facts, view: &mut View<'_>) -> Answer;

    /// What the answer depends on beside what is fixed in a direction of a connection.
    fn depends(&self) -> Depends;

    /// What it found in a packet that it did not match, as the end of a sentence that starts with "packet".
    fn found(&self, facts: &Facts, view: &View<'_>) -> String;

    /// Adds what it remembers under a name.
    fn claims<'a>(&'a self, _: &mut Claims<'a>) {}

    /// What of it a selector can ask instead; then it need not be run.
    fn fold(&self) -> Fold {
        Fold::No
    }
}

/// A match's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    No,
    /// The packet is so broken that it is dropped at once (Linux: `hotdrop`).
    Drop,
}

impl From<bool> for Answer {
    fn from(matches: bool) -> Self {
        if matches { Self::Yes } else { Self::No }
    }
}

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
    States(super::program::facts::StateSet),
}

macro_rules! all_matches {
    ($($name:ident = $module:ident::$kind:ident,)+) => {
        /// A match of a rule.
        #[derive(Clone, Debug, PartialEq)]
        pub(super) enum Match {
            $($name($module::$kind),)+
        }

        /// How each match is declared and made.
        static ALL: &[(&Spec, fn(&Given<'_>) -> Result<Match, Flaw>)] = &[
            $(($module::$kind::SPEC, |given| Ok(Match::$name($module::$kind::parse(given)?))),)+
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

            /// Adds what it remembers under a name.
            pub(super) fn claims<'a>(&'a self, claims: &mut Claims<'a>) {
                match self { $(Self::$name(inner) => inner.claims(claims),)+ }
            }

            /// What of it a selector can ask instead.
            pub(super) fn fold(&self) -> Fold {
                match self { $(Self::$name(inner) => inner.fold(),)+ }
            }
        }
    };
}

all_matches! {
    Addrtype = addrtype::Addrtype,
    Comment = comment::Comment,
    Connmark = connmark::Connmark,
    Conntrack = conntrack::Conntrack,
    Dscp = dscp::Dscp,
    Hashlimit = hashlimit::Hashlimit,
    Helper = helper::Helper,
    Icmp = icmp::Icmp,
    Iprange = iprange::Iprange,
    Length = length::Length,
    Limit = limit::Limit,
    Mac = mac::Mac,
    Mark = mark::Mark,
    Multiport = multiport::Multiport,
    Pkttype = pkttype::Pkttype,
    Recent = recent::Recent,
    State = state::StateMatch,
    Statistic = statistic::Statistic,
    Tcp = tcp::Tcp,
    Tos = tos::Tos,
    Ttl = ttl::Ttl,
    Udp = udp::Udp,
}

impl Match {
    /// Writes ` -m NAME` and its options.
    pub(super) fn print_named(&self, out: &mut String) {
        out.push_str(" -m ");
        out.push_str(self.name());
        self.print(out);
    }
}

/// The declaration of a match.
pub(super) fn find(name: &str) -> Option<&'static Spec> {
    ALL.iter().map(|(spec, _)| *spec).find(|spec| spec.name == name)
}

/// All names.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(spec, _)| spec.name)
}

/// Makes the match that `given` names.
pub(super) fn parse(given: &Given<'_>) -> Result<Option<Match>, Flaw> {
    ALL.iter().find(|(spec, _)| spec.name == given.name).map(|(_, parse)| parse(given)).transpose()
}

/// Why a match that Linux knows is not supported, for names that users may try.
pub(super) static UNSUPPORTED: &[(&str, &str)] = &[
    ("ah", NOT_YET),
    ("bpf", "it runs a program inside the kernel"),
    ("cgroup", "there are no processes here"),
    ("connbytes", NOT_YET),
    ("connlimit", NOT_YET),
    ("cpu", "there is one engine, not CPUs"),
    ("dccp", NOT_YET),
    ("ecn", NOT_YET),
    ("esp", NOT_YET),
    ("icmp6", "it asks for IPv6"),
    ("owner", "there are no processes here"),
    ("physdev", "there is no bridge here"),
    ("rpfilter", NOT_YET),
    ("sctp", NOT_YET),
    ("set", NOT_YET),
    ("socket", NOT_YET),
    ("string", NOT_YET),
    ("tcpmss", NOT_YET),
    ("time", NOT_YET),
    ("u32", NOT_YET),
];

const NOT_YET: &str = "nobody has built it here yet; take the rule out or ask otherwise";
