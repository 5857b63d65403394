//! Changes that might let a packet pass.

use core::fmt;

use towpath_engine::{
    DropReason,
    conntrack::{Family, Invalid, Reasoning},
    netfilter::{RuleInfo, Source, TableName},
    trace::Step,
    wire::ipv6_options::{OptionFault, OptionsHeader},
};

use super::{
    flow::{self, Flow},
    near, unclaimed,
};
use crate::{
    config::Located,
    limits::PROPOSALS_MAX,
    record::{Fate, NotFed, Record},
    replay::{ChecksumTrust, Peek, Setup},
};

/// Something about a gateway, or about how a capture is read, that could be otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A rule more, for a family's packets: a line as one would type it after `iptables` or `ip6tables`.
    Rule(Family, String),
    /// An element more in a set: a line as one would type it after `ipset`.
    Member(String),
    /// A helper that is attached to the ports that its manifest names: its name, as one would write it under `[[helper]]`.
    Helper(&'static str),
    /// A tunable with another value.
    Sysctl(&'static str, u32),
    /// A machine of the gateway's own, as one would write it in `gateway.toml`.
    Host,
    /// Transport checksums that are taken as right.
    TrustChecksums,
    /// Something that no setting does, as the end of a sentence that starts with "It would pass with".
    Hint(String),
}

/// A change and the reason for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// What to change.
    pub change: Change,
    /// What that means.
    pub why: String,
}

impl Change {
    /// The word for what kind it is.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Rule(..) => "rule",
            Self::Member(_) => "member",
            Self::Helper(_) => "helper",
            Self::Sysctl(..) => "sysctl",
            Self::Host => "host",
            Self::TrustChecksums => "checksums",
            Self::Hint(_) => "hint",
        }
    }

    /// Whether it is one that [`make`](Self::make) makes, and so can be tried.
    #[must_use]
    pub const fn can_be_made(&self) -> bool {
        !matches!(self, Self::Hint(_))
    }

    /// Makes the change to a setup; a hint changes nothing.
    ///
    /// A rule is put behind the other texts, and so comes last, as if typed on the running gateway.
    pub fn make<'a>(&'a self, setup: &mut Setup<'a>) {
        match self {
            Self::Rule(Family::Ipv4, text) => setup.rules.push(Source { name: CHANGE, text }),
            Self::Rule(Family::Ipv6, text) => setup.rules_v6.push(Source { name: CHANGE, text }),
            Self::Member(text) => setup.add_to_sets(Source { name: CHANGE, text }),
            // Whoever tries this has loaded it.
            Self::Helper(_) => setup.by_port = true,
            Self::Sysctl(name, value) => setup.sysctls.push(((*name).to_owned(), *value)),
            Self::Host => {
                if let Some(config) = &mut setup.config {
                    config.host.get_or_insert(Located { value: HOST_DEVICE.to_owned(), line: 0, column: 0 });
                }
            }
            Self::TrustChecksums => setup.checksums = ChecksumTrust::Trust,
            Self::Hint(_) => {}
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(Family::Ipv4, text) => write!(out, "iptables {text}"),
            Self::Rule(Family::Ipv6, text) => write!(out, "ip6tables {text}"),
            Self::Member(text) => write!(out, "ipset {text}"),
            Self::Helper(name) => write!(out, "[[helper]] name = \"{name}\""),
            Self::Sysctl(name, value) => write!(out, "{name} = {value}"),
            Self::Host => write!(out, "[host] device = \"{HOST_DEVICE}\""),
            Self::TrustChecksums => out.write_str("--checksums trust"),
            Self::Hint(text) => out.write_str(text),
        }
    }
}

/// Changes that might let the packet of a record pass, at most [`PROPOSALS_MAX`](crate::limits::PROPOSALS_MAX): those first that let
/// little else pass. `helpers` are those that could be attached and are not.
#[must_use]
pub fn changes(record: &Record<'_>, helpers: &[&'static str]) -> Vec<Proposal> {
    let mut proposals = Vec::new();
    match (record.fate, record.drop_reason()) {
        (Fate::NotFed(NotFed::ToItself), _) => proposals.push(Proposal {
            change: Change::Host,
            why: "the machine's own programs send and receive through the gateway then, to each other as well".into(),
        }),
        // No interface can lead to what a host calls itself.
        (Fate::NotFed(NotFed::Nowhere), _) if is_from_loopback(record) => {}
        (Fate::NotFed(NotFed::Nowhere), _) => proposals.push(Proposal {
            change: Change::Hint("an interface of the gateway that leads to its source".into()),
            why: "`networks`, or a route, says who lives behind an interface".into(),
        }),
        (_, Some(_)) if let Some(proposal) = of_admission(record) => proposals.push(proposal),
        (
            _,
            Some(
                DropReason::FilterRule
                | DropReason::MatchUnreadable
                | DropReason::FilterPolicy
                | DropReason::FilterReject,
            ),
        ) => {
            proposals.extend(of_tracking(record));
            let near = near::misses(record);
            if near.lets_related_in && record.state() == Some("NEW") {
                proposals.extend(unclaimed::attached(helpers));
            }
            proposals.extend(near.members);
            proposals.extend(of_flow(record));
            proposals.extend(near.altered);
            proposals.extend(near.without);
        }
        (_, Some(DropReason::NoSocket)) => proposals.extend(unclaimed::changes(record, helpers)),
        (_, Some(reason)) => proposals.extend(of_reason(record, reason)),
        (_, None) => {}
    }
    proposals.truncate(PROPOSALS_MAX);
    proposals
}

fn is_from_loopback(record: &Record<'_>) -> bool {
    Peek::frame(record.frame).is_some_and(|peek| peek.source.is_loopback())
}

/// What would let a stranger in to an endpoint that stands for a host inside.
fn of_admission(record: &Record<'_>) -> Option<Proposal> {
    let kept_out = record.path.iter().any(|step| matches!(step, Step::Admission(_, false)));
    kept_out.then(|| Proposal {
        change: Change::Sysctl("towpath.nat.filtering", 2),
        why: "everybody could send to endpoints outside that stand for hosts inside".to_owned(),
    })
}

/// What would make an INVALID packet another one.
fn of_tracking(record: &Record<'_>) -> Option<Proposal> {
    let invalid = record.path.iter().find_map(|step| {
        let Step::Conntrack(_, Reasoning::Invalid(invalid)) = step else { return None };
        Some(*invalid)
    })?;
    let proposal = |change, why: &str| Some(Proposal { change, why: why.to_owned() });
    #[expect(clippy::wildcard_enum_match_arm, reason = "no setting changes what the others are")]
    match invalid {
        Invalid::Window(_) => proposal(
            Change::Sysctl("net.netfilter.nf_conntrack_tcp_be_liberal", 1),
            "only RSTs outside the window would be INVALID",
        ),
        Invalid::MidStream => proposal(
            Change::Sysctl("net.netfilter.nf_conntrack_tcp_loose", 1),
            "connections would be picked up in mid-stream",
        ),
        Invalid::Checksum => proposal(
            Change::TrustChecksums,
            "the capture's checksums would be taken as right, as for one from a host that leaves them to its card",
        ),
        _ => None,
    }
}

/// A rule for just this flow: before the one that drops it, or at the end of the chain whose policy does.
fn of_flow(record: &Record<'_>) -> Option<Proposal> {
    let flow = Flow::of(record)?;
    match record.rule() {
        Some(rule) => Some(Proposal {
            change: Change::Rule(
                flow.family(),
                format!("{}-I {} {}{flow} -j ACCEPT", table(&rule), rule.chain, rule.position),
            ),
            why: format!("the flow would be accepted before {}:{} is asked", rule.file, rule.line),
        }),
        None => {
            let (table, hook) = record.path.iter().rev().find_map(|step| {
                let Step::Policy(table, hook, false) = step else { return None };
                Some((*table, *hook))
            })?;
            let table = if table == TableName::Filter { String::new() } else { format!("-t {} ", table.name()) };
            Some(Proposal {
                change: Change::Rule(flow.family(), format!("{table}-A {}{flow} -j ACCEPT", hook.chain())),
                why: "the flow would be accepted before the policy decides".into(),
            })
        }
    }
}

/// What helps against drops that no rule is behind.
fn of_reason(record: &Record<'_>, reason: DropReason) -> Option<Proposal> {
    let hint = |text: String| Some(Proposal { change: Change::Hint(text), why: reason.meaning().to_owned() });
    let sysctl = |name, value| Some(Proposal { change: Change::Sysctl(name, value), why: reason.meaning().to_owned() });
    let destination = || Flow::of(record).map(|flow| flow.destination());
    #[expect(clippy::wildcard_enum_match_arm, reason = "for most reasons there is nothing to say")]
    match reason {
        DropReason::ForwardingOff => match flow::family(record)? {
            Family::Ipv4 => sysctl("net.ipv4.ip_forward", 1),
            Family::Ipv6 => sysctl("net.ipv6.conf.all.forwarding", 1),
        },
        DropReason::IpReversePath => sysctl("net.ipv4.conf.all.rp_filter", 2),
        DropReason::IpSourceLocal => sysctl("net.ipv4.conf.all.accept_local", 1),
        DropReason::ConntrackFull => {
            sysctl("net.netfilter.nf_conntrack_max", record.engine.conntrack().len().saturating_mul(2))
        }
        DropReason::NoRoute => hint(format!("a route to {}", destination()?)),
        DropReason::RouteUnreachable | DropReason::RouteProhibits | DropReason::RouteIgnores => {
            hint(format!("another route to {}", destination()?))
        }
        DropReason::TtlExpired => hint("a TTL of at least 2".into()),
        DropReason::PacketTooBig => hint("a larger MTU on its way out, or without DF".into()),
        DropReason::IpOptionsTooMany => {
            let (name, value) = record.path.iter().find_map(bound_of_options)?;
            sysctl(name, value)
        }
        DropReason::IpOptionUnknown => hint("an option that is passed over where it is not known".into()),
        DropReason::NatNoAddress => hint("an address on the interface that masquerades it".into()),
        _ => None,
    }
}

/// The bound that a packet's options of IPv6 have exceeded, and the greatest there is.
fn bound_of_options(step: &Step) -> Option<(&'static str, u32)> {
    let Step::Options(header, fault) = step else { return None };
    let name = match (header, fault) {
        (OptionsHeader::HopByHop, OptionFault::TooMany(_)) => "net.ipv6.max_hbh_opts_number",
        (OptionsHeader::HopByHop, OptionFault::TooLong(_)) => "net.ipv6.max_hbh_length",
        (OptionsHeader::Destination, OptionFault::TooMany(_)) => "net.ipv6.max_dst_opts_number",
        (OptionsHeader::Destination, OptionFault::TooLong(_)) => "net.ipv6.max_dst_opts_length",
        (
            _,
            OptionFault::Truncated
            | OptionFault::Padding
            | OptionFault::Malformed(_)
            | OptionFault::Unknown(..)
            | OptionFault::JumboNeedless(_)
            | OptionFault::JumboTruncated,
        ) => return None,
    };
    // No header has more than 2048 bytes.
    Some((name, 2048))
}

/// The steps from the last hook on that the packet itself has entered: where it was dropped.
pub(super) fn last_hook(path: &[Step]) -> &[Step] {
    let end = path.iter().position(|step| matches!(step, Step::Dropped(_))).unwrap_or(path.len());
    let before = path.get(..end).unwrap_or_default();
    let start = before.iter().rposition(|step| matches!(step, Step::Hook(..))).unwrap_or_default();
    before.get(start..).unwrap_or_default()
}

/// What a rule that is tried calls its text.
const CHANGE: &str = "the change";
/// The device that the machine's programs send by, as one would name it.
const HOST_DEVICE: &str = "tp0";

fn table(rule: &RuleInfo) -> String {
    if rule.table == TableName::Filter { String::new() } else { format!("-t {} ", rule.table.name()) }
}
