//! Every tunable under its `/proc/sys` name.

use serde::{Deserialize, Serialize};

macro_rules! sysctls {
    ($($(#[doc = $doc:literal])+ $field:ident: $name:literal = $default:literal, $min:literal ..= $max:literal;)+) => {
        /// The tunables, with mainline Linux's defaults.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub struct Sysctls {
            $($(#[doc = $doc])+ pub $field: u32,)+
        }

        impl Default for Sysctls {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }

        impl Sysctls {
            /// All names, in the order of the documentation.
            pub const NAMES: &[&str] = &[$($name,)+];

            /// The value of a name such as `net.netfilter.nf_conntrack_tcp_loose`; slashes may stand for dots.
            #[must_use]
            pub fn find(&self, name: &str) -> Option<u32> {
                $(if same_name(name, $name) { return Some(self.$field); })+
                None
            }

            /// Sets a value by name.
            ///
            /// # Errors
            /// When there is no such name, or the value lies outside its range.
            pub fn set(&mut self, name: &str, value: u32) -> Result<(), SysctlError> {
                $(if same_name(name, $name) {
                    return match value {
                        $min..=$max => { self.$field = value; Ok(()) }
                        #[allow(unreachable_patterns, reason = "some ranges hold every number")]
                        _ => Err(SysctlError::OutOfRange { min: $min, max: $max }),
                    };
                })+
                Err(SysctlError::Unknown)
            }
        }
    };
}

sysctls! {
    /// Whether packets between devices are forwarded. Linux's default is 0; a gateway's is 1.
    ip_forward: "net.ipv4.ip_forward" = 1, 0..=1;
    /// Whether packets to everybody on a link are forwarded by the interfaces that have it set, too
    /// ([`forwards_broadcasts_of`]).
    bc_forwarding: "net.ipv4.conf.all.bc_forwarding" = 0, 0..=1;
    /// The TTL of packets made here.
    ip_default_ttl: "net.ipv4.ip_default_ttl" = 64, 1..=255;
    /// Whether echo requests are ignored.
    icmp_echo_ignore_all: "net.ipv4.icmp_echo_ignore_all" = 0, 0..=1;
    /// Least milliseconds between two ICMP errors to one destination; 0 means no limit.
    icmp_ratelimit: "net.ipv4.icmp_ratelimit" = 1000, 0..=4_294_967_295;
    /// The ICMP types that `icmp_ratelimit` holds for, one bit a type.
    icmp_ratemask: "net.ipv4.icmp_ratemask" = 6168, 0..=4_294_967_295;
    /// Bytes of memory that fragments may take while they wait; beyond it, none is taken. 0: none is taken at all.
    ipfrag_high_thresh: "net.ipv4.ipfrag_high_thresh" = 4_194_304, 0..=2_147_483_647;
    /// Without effect, as in Linux since v4.17.
    ipfrag_low_thresh: "net.ipv4.ipfrag_low_thresh" = 3_145_728, 0..=2_147_483_647;
    /// Seconds that a fragment waits for the others.
    ipfrag_time: "net.ipv4.ipfrag_time" = 30, 0..=2_147_483;
    /// Fragments of one sender that may come between two of one datagram; 0: any number.
    ipfrag_max_dist: "net.ipv4.ipfrag_max_dist" = 64, 0..=2_147_483_647;
    /// Bytes of memory that IPv6 fragments may take while they wait; beyond it, none is taken. 0: none is taken at all.
    conntrack_frag6_high_thresh: "net.netfilter.nf_conntrack_frag6_high_thresh" = 4_194_304, 0..=2_147_483_647;
    /// Without effect, as in Linux since v4.17.
    conntrack_frag6_low_thresh: "net.netfilter.nf_conntrack_frag6_low_thresh" = 3_145_728, 0..=2_147_483_647;
    /// Seconds that an IPv6 fragment waits for the others.
    conntrack_frag6_timeout: "net.netfilter.nf_conntrack_frag6_timeout" = 60, 0..=2_147_483;
    /// What an error of the routing costs its receiver, in ticks of 4 ms (`CONFIG_HZ` of 250).
    route_error_cost: "net.ipv4.route.error_cost" = 250, 0..=2_147_483_647;
    /// Ticks that a receiver of routing errors may have saved.
    route_error_burst: "net.ipv4.route.error_burst" = 1250, 0..=2_147_483_647;
    /// ICMP messages of limited types a second, to all destinations together.
    icmp_msgs_per_sec: "net.ipv4.icmp_msgs_per_sec" = 1000, 0..=2_147_483_647;
    /// How many of them may follow each other at once.
    icmp_msgs_burst: "net.ipv4.icmp_msgs_burst" = 50, 0..=2_147_483_647;
    /// Whether IPv6 packets between devices are forwarded. Linux's default is 0; a gateway's is 1.
    ipv6_forwarding: "net.ipv6.conf.all.forwarding" = 1, 0..=1;
    /// The hop limit of IPv6 packets made here.
    ipv6_hop_limit: "net.ipv6.conf.default.hop_limit" = 64, 1..=255;
    /// Whether IPv6 packets made here carry a flow label drawn by lot (2 and 3, which leave it to sockets, mean the same).
    ipv6_auto_flowlabels: "net.ipv6.auto_flowlabels" = 1, 0..=3;
    /// Whether ICMPv6 echo requests are ignored.
    icmpv6_echo_ignore_all: "net.ipv6.icmp.echo_ignore_all" = 0, 0..=1;
    /// Whether ICMPv6 echo requests to a group are ignored.
    icmpv6_echo_ignore_multicast: "net.ipv6.icmp.echo_ignore_multicast" = 0, 0..=1;
    /// Least milliseconds between two ICMPv6 errors to one destination, less for wider routes; 0 means no limit. "Packet
    /// too big" is never limited.
    icmpv6_ratelimit: "net.ipv6.icmp.ratelimit" = 1000, 0..=2_147_483_647;
    /// How many connections are tracked at most.
    conntrack_max: "net.netfilter.nf_conntrack_max" = 262_144, 0..=4_294_967_295;
    /// How many expectations wait at most.
    conntrack_expect_max: "net.netfilter.nf_conntrack_expect_max" = 4096, 1..=4_294_967_295;
    /// Whether transport checksums are verified before tracking.
    conntrack_checksum: "net.netfilter.nf_conntrack_checksum" = 1, 0..=1;
    /// Whether packets and bytes of connections are counted. Linux's default is 0.
    conntrack_acct: "net.netfilter.nf_conntrack_acct" = 1, 0..=1;
    /// Whether everything but RSTs outside the window is accepted.
    conntrack_tcp_be_liberal: "net.netfilter.nf_conntrack_tcp_be_liberal" = 0, 0..=1;
    /// Whether connections are picked up in mid-stream.
    conntrack_tcp_loose: "net.netfilter.nf_conntrack_tcp_loose" = 1, 0..=1;
    /// Whether RSTs outside the window are let through without ending the connection.
    conntrack_tcp_ignore_invalid_rst: "net.netfilter.nf_conntrack_tcp_ignore_invalid_rst" = 0, 0..=1;
    /// Retransmissions without an answer after which the timeout shrinks to `..._timeout_max_retrans`.
    conntrack_tcp_max_retrans: "net.netfilter.nf_conntrack_tcp_max_retrans" = 3, 0..=255;
    /// Seconds.
    conntrack_tcp_timeout_syn_sent: "net.netfilter.nf_conntrack_tcp_timeout_syn_sent" = 120, 0..=2_147_483;
    /// Seconds.
    conntrack_tcp_timeout_syn_recv: "net.netfilter.nf_conntrack_tcp_timeout_syn_recv" = 60, 0..=2_147_483;
    /// Seconds.
    conntrack_tcp_timeout_established: "net.netfilter.nf_conntrack_tcp_timeout_established" = 432_000, 0..=2_147_483;
    /// Seconds.
    conntrack_tcp_timeout_fin_wait: "net.netfilter.nf_conntrack_tcp_timeout_fin_wait" = 120, 0..=2_147_483;
    /// Seconds.
    conntrack_tcp_timeout_close_wait: "net.netfilter.nf_conntrack_tcp_timeout_close_wait" = 60, 0..=2_147_483;
    /// Seconds.
    conntrack_tcp_timeout_last_ack: "net.netfilter.nf_conntrack_tcp_timeout_last_ack" = 30, 0..=2_147_483;
    /// Seconds.
    conntrack_tcp_timeout_time_wait: "net.netfilter.nf_conntrack_tcp_timeout_time_wait" = 120, 0..=2_147_483;
    /// Seconds.
    conntrack_tcp_timeout_close: "net.netfilter.nf_conntrack_tcp_timeout_close" = 10, 0..=2_147_483;
    /// Seconds; the most a connection gets whose data is retransmitted in vain, or whose window is zero.
    conntrack_tcp_timeout_max_retrans: "net.netfilter.nf_conntrack_tcp_timeout_max_retrans" = 300, 0..=2_147_483;
    /// Seconds; the most a connection gets that has unacknowledged data.
    conntrack_tcp_timeout_unacknowledged: "net.netfilter.nf_conntrack_tcp_timeout_unacknowledged" = 300, 0..=2_147_483;
    /// Seconds.
    conntrack_udp_timeout: "net.netfilter.nf_conntrack_udp_timeout" = 30, 0..=2_147_483;
    /// Seconds.
    conntrack_udp_timeout_stream: "net.netfilter.nf_conntrack_udp_timeout_stream" = 120, 0..=2_147_483;
    /// Seconds.
    conntrack_sctp_timeout_closed: "net.netfilter.nf_conntrack_sctp_timeout_closed" = 10, 0..=2_147_483;
    /// Seconds.
    conntrack_sctp_timeout_cookie_wait: "net.netfilter.nf_conntrack_sctp_timeout_cookie_wait" = 3, 0..=2_147_483;
    /// Seconds.
    conntrack_sctp_timeout_cookie_echoed: "net.netfilter.nf_conntrack_sctp_timeout_cookie_echoed" = 3, 0..=2_147_483;
    /// Seconds.
    conntrack_sctp_timeout_established: "net.netfilter.nf_conntrack_sctp_timeout_established" = 210, 0..=2_147_483;
    /// Seconds.
    conntrack_sctp_timeout_shutdown_sent: "net.netfilter.nf_conntrack_sctp_timeout_shutdown_sent" = 3, 0..=2_147_483;
    /// Seconds.
    conntrack_sctp_timeout_shutdown_recd: "net.netfilter.nf_conntrack_sctp_timeout_shutdown_recd" = 3, 0..=2_147_483;
    /// Seconds.
    conntrack_sctp_timeout_shutdown_ack_sent: "net.netfilter.nf_conntrack_sctp_timeout_shutdown_ack_sent" = 3, 0..=2_147_483;
    /// Seconds.
    conntrack_sctp_timeout_heartbeat_sent: "net.netfilter.nf_conntrack_sctp_timeout_heartbeat_sent" = 30, 0..=2_147_483;
    /// Seconds.
    conntrack_icmp_timeout: "net.netfilter.nf_conntrack_icmp_timeout" = 30, 0..=2_147_483;
    /// Seconds.
    conntrack_icmpv6_timeout: "net.netfilter.nf_conntrack_icmpv6_timeout" = 30, 0..=2_147_483;
    /// Seconds.
    conntrack_gre_timeout: "net.netfilter.nf_conntrack_gre_timeout" = 30, 0..=2_147_483;
    /// Seconds.
    conntrack_gre_timeout_stream: "net.netfilter.nf_conntrack_gre_timeout_stream" = 180, 0..=2_147_483;
    /// Seconds.
    conntrack_generic_timeout: "net.netfilter.nf_conntrack_generic_timeout" = 600, 0..=2_147_483;
    /// Linux has no such tunable. 1: a source keeps one endpoint outside to all peers, and shares it with no other
    /// ("endpoint-independent mapping", RFC 4787, section 4.1); 0: it may depend on the peer, as in Linux.
    nat_mapping: "towpath.nat.mapping" = 0, 0..=1;
    /// Linux has no such tunable. Who may send to a source's endpoint outside, as far as NAT goes: 0: who was sent to; 1: any
    /// port of an address that was sent to; 2: everybody (RFC 4787, section 5). What is let in so is RELATED.
    nat_filtering: "towpath.nat.filtering" = 0, 0..=2;
}

impl Sysctls {
    /// Whether it has to be known who stands behind which endpoint outside.
    #[must_use]
    pub const fn keeps_mappings(&self) -> bool {
        self.nat_mapping != 0 || self.nat_filtering != 0
    }
}

/// Why a tunable could not be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SysctlError {
    /// There is no tunable of that name.
    Unknown,
    /// The value lies outside of its range.
    OutOfRange {
        /// Least value taken.
        min: u32,
        /// Greatest value taken.
        max: u32,
    },
}

/// The interface that `net.ipv4.conf.NAME.bc_forwarding` is about, 0 or 1 like [`Sysctls::bc_forwarding`]: a packet that has come
/// in by it and goes to everybody on a link of this host's is forwarded there instead of being taken, when both are set. `None`
/// for all other names.
#[must_use]
pub fn forwards_broadcasts_of(name: &str) -> Option<&str> {
    let between = |before, after| name.strip_prefix(before)?.strip_suffix(after);
    let interface = between("net.ipv4.conf.", ".bc_forwarding").or_else(|| between("net/ipv4/conf/", "/bc_forwarding"));
    interface.filter(|interface| *interface != "all")
}

fn same_name(asked: &str, name: &str) -> bool {
    asked.len() == name.len() && asked.bytes().zip(name.bytes()).all(|(a, b)| a == b || (a == b'/' && b == b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_can_be_read_and_set_to_its_own_value() {
        let mut sysctls = Sysctls::default();
        for name in Sysctls::NAMES {
            let value = sysctls.find(name).expect(name);
            assert_eq!(sysctls.set(name, value), Ok(()), "{name}");
        }
        assert_eq!(sysctls, Sysctls::default());
    }

    #[test]
    fn an_interface_has_a_tunable_of_its_own() {
        assert_eq!(forwards_broadcasts_of("net.ipv4.conf.lan.5.bc_forwarding"), Some("lan.5"));
        assert_eq!(forwards_broadcasts_of("net/ipv4/conf/lan.5/bc_forwarding"), Some("lan.5"));
        assert_eq!(forwards_broadcasts_of("net.ipv4.conf.all.bc_forwarding"), None);
        assert_eq!(forwards_broadcasts_of("net.ipv4.conf.lan.rp_filter"), None);
    }

    #[test]
    fn slashes_stand_for_dots_and_ranges_hold() {
        let mut sysctls = Sysctls::default();
        assert_eq!(sysctls.set("net/netfilter/nf_conntrack_tcp_loose", 0), Ok(()));
        assert_eq!(sysctls.find("net.netfilter.nf_conntrack_tcp_loose"), Some(0));
        assert_eq!(sysctls.set("net.ipv4.ip_default_ttl", 0), Err(SysctlError::OutOfRange { min: 1, max: 255 }));
        assert_eq!(sysctls.set("net.ipv4.nonsense", 0), Err(SysctlError::Unknown));
    }
}
