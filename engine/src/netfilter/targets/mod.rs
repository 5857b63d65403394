//! Targets: what a rule may do with a packet. One file each.

mod audit;
mod checksum;
mod classify;
mod connmark;
mod ct;
mod dscp;
mod log;
mod log_line;
mod mark;
mod nat;
mod nflog;
mod notrack;
mod npt;
mod reject;
mod set;
mod tcpmss;
mod tee;
mod tos;
pub(super) mod trace;
mod ttl;

use alloc::string::String;
use core::fmt::Debug;

use super::{
    Hook, RuleId, TableName, Verdict, View,
    error::Flaw,
    save::options::{Given, Spec},
};
use crate::conntrack::Family;

/// What a target is.
pub(super) trait Targeting: Sized + Clone + Debug + PartialEq {
    /// Its name and options.
    const SPEC: &'static Spec;
    /// The family that alone has it.
    const FAMILY: Option<Family> = None;
    /// The tables it may stand in.
    const TABLES: &'static [TableName] = &TableName::ALL;
    /// The hooks its rule may be reached from.
    const HOOKS: &'static [Hook] = &Hook::ALL;

    /// The hooks its rule may be reached from, when its options have a say.
    fn hooks(&self) -> &'static [Hook] {
        Self::HOOKS
    }

    /// Makes it from the options that were given.
    fn parse(given: &Given<'_>) -> Result<Self, Flaw>;

    /// Writes its options as the tool prints them, each with a blank before it.
    fn print(&self, out: &mut String);

    /// Writes what the tool forgets to print, without which the same rule is not read again.
    fn print_forgotten(&self, _: &mut String) {}

    /// Does it.
    fn apply(&mut self, rule: RuleId, view: &mut View<'_>) -> Next;

    /// Whether it does nothing to the packets of an established flow that a recorded walk would leave out.
    fn is_repeatable(&self) -> bool;
}

/// What follows a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The next rule.
    Rule,
    /// The next rule; if the packet gets through the table in the end, the table's answer is this one.
    Noted(Verdict),
    /// The table's answer.
    Done(Verdict),
}

macro_rules! all_targets {
    ($($name:ident = $module:ident::$kind:ident,)+) => {
        /// A target of a rule.
        #[derive(Clone, Debug, PartialEq)]
        pub(super) enum Target {
            $($name($module::$kind),)+
        }

        /// How each target is declared and made.
        static ALL: &[(&Spec, Option<Family>, fn(&Given<'_>) -> Result<Target, Flaw>)] = &[
            $((
                $module::$kind::SPEC,
                <$module::$kind as Targeting>::FAMILY,
                |given| Ok(Target::$name($module::$kind::parse(given)?)),
            ),)+
        ];

        impl Target {
            /// Its name after `-j`.
            pub(super) fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => $module::$kind::SPEC.name,)+ }
            }

            /// Writes its options as the tool prints them, each with a blank before it.
            pub(super) fn print(&self, out: &mut String) {
                match self { $(Self::$name(inner) => inner.print(out),)+ }
            }

            /// Writes what the tool forgets to print.
            pub(super) fn print_forgotten(&self, out: &mut String) {
                match self { $(Self::$name(inner) => inner.print_forgotten(out),)+ }
            }

            /// The tables it may stand in.
            pub(super) fn tables(&self) -> &'static [TableName] {
                match self { $(Self::$name(_) => $module::$kind::TABLES,)+ }
            }

            /// The hooks its rule may be reached from.
            pub(super) fn hooks(&self) -> &'static [Hook] {
                match self { $(Self::$name(inner) => inner.hooks(),)+ }
            }

            /// Does it.
            pub(super) fn apply(&mut self, rule: RuleId, view: &mut View<'_>) -> Next {
                match self { $(Self::$name(inner) => inner.apply(rule, view),)+ }
            }

            /// Whether it does nothing to the packets of an established flow that a recorded walk would leave out.
            pub(super) fn is_repeatable(&self) -> bool {
                match self { $(Self::$name(inner) => inner.is_repeatable(),)+ }
            }
        }
    };
}

all_targets! {
    Audit = audit::Audit,
    ChecksumFill = checksum::ChecksumFill,
    Classify = classify::Classify,
    Connmark = connmark::Connmark,
    Ct = ct::Ct,
    Dnat = nat::Dnat,
    Dnpt = npt::Dnpt,
    Dscp = dscp::Dscp,
    Hl = ttl::Hl,
    Log = log::Log,
    Mark = mark::Mark,
    Masquerade = nat::Masquerade,
    Netmap = nat::Netmap,
    Nflog = nflog::Nflog,
    Notrack = notrack::Notrack,
    Redirect = nat::Redirect,
    Reject = reject::Reject,
    SetTarget = set::SetTarget,
    Snat = nat::Snat,
    Snpt = npt::Snpt,
    Tcpmss = tcpmss::Tcpmss,
    Tee = tee::Tee,
    Tos = tos::Tos,
    Trace = trace::Trace,
    Ttl = ttl::Ttl,
}

/// The declaration of a target, if the family has it.
pub(super) fn find(name: &str, family: Family) -> Option<&'static Spec> {
    of(family).find(|spec| spec.name == name)
}

/// All names of a family, the built-in verdicts included.
pub(super) fn names(family: Family) -> impl Iterator<Item = &'static str> {
    ["ACCEPT", "DROP", "RETURN"].into_iter().chain(of(family).map(|spec| spec.name))
}

fn of(family: Family) -> impl Iterator<Item = &'static Spec> {
    ALL.iter().filter(move |(_, only, _)| only.is_none_or(|only| only == family)).map(|(spec, ..)| *spec)
}

/// Makes the target that `given` names.
pub(super) fn parse(given: &Given<'_>) -> Result<Option<Target>, Flaw> {
    ALL.iter().find(|(spec, ..)| spec.name == given.name).map(|(.., parse)| parse(given)).transpose()
}

/// Why a target that Linux knows is not supported, and what does the nearest; for names that users may try.
pub(super) static UNSUPPORTED: &[(&str, &str)] = &[
    ("CLUSTERIP", "there is no cluster here, and Linux has it no more; DNAT leads to other hosts"),
    ("CONNSECMARK", NO_LABELS),
    ("ECN", "nobody has built it; `TOS --set-tos 0/3` takes the marks of congestion off the IP header"),
    ("HL", "it changes IPv6; for IPv4 there is TTL"),
    ("HMARK", "nobody has built it; MARK marks, and `statistic` or `iprange` say which packets"),
    ("IDLETIMER", "there is nobody to be told that a device idles; NFLOG tells of packets"),
    ("LED", "there are no lamps here; NFLOG tells of packets"),
    ("NFQUEUE", NO_QUEUE),
    ("QUEUE", NO_QUEUE),
    ("RATEEST", "nobody has built it; the match `hashlimit` asks for rates by itself"),
    ("SAME", "Linux has it no more; use SNAT, with `--persistent` if need be"),
    ("SECMARK", NO_LABELS),
    ("SYNPROXY", "nobody has built it; `hashlimit` and `connlimit` hold SYNs back"),
    ("TARPIT", "it is not of Linux itself; use DROP, or REJECT with a reset"),
    ("TCPOPTSTRIP", "nobody has built it; TCPMSS changes the one option that is changed"),
    ("TPROXY", "there are no transparent sockets here; REDIRECT leads to the gateway's own"),
    ("TTL", "it changes IPv4; for IPv6 there is HL"),
    ("ULOG", "Linux has it no more; use NFLOG"),
];

const NO_LABELS: &str = "there are no security labels here; MARK and CONNMARK mark packets and connections";
const NO_QUEUE: &str = "no program waits for packets here; NFLOG hands out copies";
