//! Packets that came to the gateway itself, where nobody waits for them: answers that come too late to be translated back, or second
//! connections of a protocol whose helper has not read the first.

use towpath_engine::wire::Protocol;

use super::{
    change::{Change, Proposal},
    flow,
};
use crate::record::Record;

/// What a packet of a protocol may have waited for too long.
const TIMEOUTS: [(Protocol, &str); 6] = [
    (Protocol::UDP, "net.netfilter.nf_conntrack_udp_timeout"),
    (Protocol::UDP, "net.netfilter.nf_conntrack_udp_timeout_stream"),
    (Protocol::TCP, "net.netfilter.nf_conntrack_tcp_timeout_established"),
    (Protocol::TCP, "net.netfilter.nf_conntrack_tcp_timeout_unacknowledged"),
    (Protocol::ICMP, "net.netfilter.nf_conntrack_icmp_timeout"),
    (Protocol::ICMPV6, "net.netfilter.nf_conntrack_icmpv6_timeout"),
];

/// How much longer it is waited then. More would help as well, and leave the table full of what is over.
const LONGER: u32 = 10;

/// What would have led the packet of a record on to somebody behind the gateway, where helpers of those names could be attached.
pub(super) fn changes(record: &Record<'_>, helpers: &[&'static str]) -> Vec<Proposal> {
    let protocol = flow::packet(record).protocol();
    let sysctls = record.engine.sysctls();
    let timeouts = TIMEOUTS.iter().filter(|(of, _)| *of == protocol).filter_map(|(_, name)| {
        let seconds = sysctls.find(name)?.saturating_mul(LONGER);
        let why = "the connection that it answers would not have been forgotten".to_owned();
        Some(Proposal { change: Change::Sysctl(name, seconds), why })
    });
    timeouts.chain(attached(helpers)).collect()
}

/// Helpers that may have read in another connection that this one comes.
pub(super) fn attached(helpers: &[&'static str]) -> impl Iterator<Item = Proposal> {
    helpers.iter().map(|name| Proposal {
        change: Change::Helper(name),
        why: "it reads in another connection that this one is to come, which is RELATED then".to_owned(),
    })
}
