//! The NetBIOS name service helper: lets every station of a network answer a name query that this host has sent to all.
//!
//! ```text
//! this host 192.168.1.1:137 ──query──► everybody 192.168.1.255:137    the master
//! this host 192.168.1.1:137 ◄──answer── any host of 192.168.1.0/24, port 137   expected, for three seconds
//! ```
//!
//! Only what a socket of this host itself sends to the broadcast address of a network of its own counts (RFC 1002, section
//! 4.2; Linux v6.18: net/netfilter/nf_conntrack_broadcast.c). The payload is not looked at.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;

use towpath_helper_kit::{
    AttachPoint, Context, Direction, Endpoint, ExpectClass, FailurePolicy, Framing, Inspection, Manifest, Opener,
    Pattern, Plugin, Protocol, Site, Wish,
};

/// The name service's port (RFC 1002, section 6).
pub const PORT: u16 = 137;

/// How long answers may take. Linux v6.18: net/netfilter/nf_conntrack_netbios_ns.c, `timeout`.
pub const EXPECT_SECONDS: u32 = 3;

/// The NetBIOS name service helper; keeps nothing.
#[derive(Clone, Copy, Debug)]
pub struct NetbiosNs;

impl Plugin for NetbiosNs {
    fn manifest() -> Manifest {
        Manifest {
            name: "netbios-ns".into(),
            attach: Vec::from([AttachPoint { protocol: Protocol::Udp, ports: PORT..=PORT }]),
            framing: Framing::Packet,
            triggers: Vec::new(),
            openings: Vec::new(),
            classes: Vec::from([ExpectClass {
                name: "answers".into(),
                protocol: Protocol::Udp,
                direction: Some(Direction::Reply),
                opener: Opener::Network,
                ports: 0..=u16::MAX,
                loose: false,
                permanent: true,
                ends_master: true,
                expected_max: 1,
                timeout_seconds: EXPECT_SECONDS,
            }]),
            rewrite_bytes_max: 0,
            state_bytes_max: 0,
            fuel_per_call: 20_000,
            memory_bytes_max: 512 * 1024,
            on_failure: FailurePolicy::Drop,
        }
    }

    fn inspect(context: &Context, _state: &[u8], _payload: &[u8]) -> Option<Inspection> {
        if context.direction != Direction::Original {
            return None;
        }
        let prefix = context.broadcast_prefix?;
        let network = Pattern {
            address: Some(context.destination.address),
            prefix: Some(prefix),
            port: Some(context.destination.port),
        };
        Some(Inspection::wish(Wish {
            class: 0,
            protocol: Protocol::Udp,
            source: network,
            destination: Pattern::endpoint(context.source.address, context.source.port),
            direction: Direction::Reply,
            permanent: true,
            site: None,
        }))
    }

    fn render(_context: &Context, _state: &[u8], _site: Site, _translated: Endpoint) -> Vec<u8> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(direction: Direction, broadcast_prefix: Option<u8>) -> Context {
        Context {
            protocol: Protocol::Udp,
            direction,
            source: Endpoint { address: "192.168.1.1".parse().unwrap(), port: 1025 },
            destination: Endpoint { address: "192.168.1.255".parse().unwrap(), port: PORT },
            broadcast_prefix,
        }
    }

    #[test]
    fn whoever_is_asked_may_answer_whoever_asked() {
        let told = context(Direction::Original, Some(24));
        let found = NetbiosNs::inspect(&told, &[], b"anything").unwrap();
        let [wish] = found.wishes[..] else { panic!("{found:?}") };
        let network = Pattern { address: Some(told.destination.address), prefix: Some(24), port: Some(PORT) };
        assert_eq!(wish.source, network);
        assert_eq!(wish.destination, Pattern::endpoint(told.source.address, 1025));
        assert!(wish.permanent && wish.direction == Direction::Reply && wish.site.is_none());
    }

    #[test]
    fn what_passes_through_and_what_answers_asks_nobody() {
        assert_eq!(NetbiosNs::inspect(&context(Direction::Original, None), &[], b""), None);
        assert_eq!(NetbiosNs::inspect(&context(Direction::Reply, Some(24)), &[], b""), None);
    }
}
