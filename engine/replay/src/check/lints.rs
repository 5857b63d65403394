//! What is looked for, as a table.

use serde::Serialize;

use super::Level::{self, Note, Warning};

/// Something that is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Lint {
    /// Its word: `kind` of a finding, and what `--allow` takes.
    pub id: &'static str,
    /// How bad it is.
    pub level: Level,
    /// Why it matters.
    pub why: &'static str,
    /// What to change.
    pub change: &'static str,
}

/// All that is looked for, by their words.
#[rustfmt::skip]
pub const LINTS: [Lint; 21] = [
    lint("answers-dropped", Warning,
        "connections are let begin, and the answers to them are dropped",
        "accept `-m conntrack --ctstate ESTABLISHED,RELATED` where the answers pass"),
    lint("dnat-not-forwarded", Warning,
        "connections are sent to a host that FORWARD drops them for",
        "accept them in FORWARD by the host's own address and port, or all of them with `-m conntrack --ctstate DNAT`"),
    lint("empty-set", Note,
        "a rule that asks for what is in an empty set matches nothing",
        "put elements into the set, or let a rule do so with `-j SET --add-set`"),
    lint("falling-range", Warning,
        "a range whose first address is behind its last is taken for all addresses but those between",
        "turn the range round"),
    lint("foreign-source", Note,
        "answers find the address only where somebody routes them here: nobody answers ARP for it",
        "give the address to an interface, translate to one that is there, or see that the networks around route it here"),
    lint("helper-behind-helper", Warning,
        "a connection has one helper: the first that is attached to its port",
        "give each [[helper]] ports of its own with `ports`, or let rules attach them"),
    lint("invalid-untranslated", Warning,
        "INVALID packets belong to no connection and leave with their private source",
        "drop `-m conntrack --ctstate INVALID` before they are accepted"),
    lint("limit-without-drop", Warning,
        "what exceeds the limit goes on to the next rule, and nothing there drops it",
        "drop the same packets in the next rule, or by the chain's policy"),
    lint("loopback-network", Warning,
        "a machine sends to 127.0.0.0/8 and ::1 by `lo` alone, so that nothing comes from there by an interface, nor goes there by one",
        "take it out; with `[host]`, a replay leads what a machine has sent to itself through OUTPUT and INPUT"),
    lint("masquerade-everywhere", Warning,
        "what goes back inside is translated too, so that servers there see the gateway instead of their clients",
        "name the way out with `-o`, or the networks with `-s`"),
    lint("nat-not-forwarded", Warning,
        "connections are to leave with another address, and none of them gets as far as that",
        "accept in FORWARD what may begin, such as `-i lan -o wan`"),
    lint("no-interface", Warning,
        "the rule never matches",
        "correct the interface's name, or describe the interface in gateway.toml"),
    lint("no-neighbours", Warning,
        "without neighbour solicitations and advertisements nobody on an IPv6 link finds this host, nor this host anybody",
        "accept both types of ICMPv6; what comes from further than the link has another hop limit than 255"),
    lint("not-forwarding", Warning,
        "addresses are translated, and no packet passes the gateway",
        "set the sysctl to 1, or take the rules out"),
    lint("related-without-helper", Note,
        "without a helper only ICMP errors are RELATED",
        "attach a helper with [[helper]] or `-j CT --helper`, or leave RELATED as it is for the errors"),
    lint("shadowed", Warning,
        "an earlier rule takes every packet that this one asks for",
        "move the rule before the other one, or take it out"),
    lint("state-before-tracking", Warning,
        "the raw table comes before connection tracking: there every packet is INVALID, and none is in another state",
        "ask in mangle or filter"),
    lint("unreachable", Warning,
        "an earlier rule takes every packet",
        "move the rules before that one, or take them out"),
    lint("unusable-address", Warning,
        "others take such an address for a group, a network or nobody, and send no answer to it",
        "give the interface the address of a host in the network"),
    lint("unused-chain", Note,
        "its rules are never asked",
        "jump to the chain, or take it out"),
    lint("unused-set", Note,
        "what is in it makes no difference",
        "ask about the set in a rule, or take it out"),
];

const fn lint(id: &'static str, level: Level, why: &'static str, change: &'static str) -> Lint {
    Lint { id, level, why, change }
}

/// What is looked for by that word.
#[must_use]
pub fn lint_of(id: &str) -> Option<&'static Lint> {
    LINTS.iter().find(|lint| lint.id == id)
}
