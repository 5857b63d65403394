//! The tunables of all: names, defaults and ranges.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{ALL_ALGORITHMS, SysctlError, same_name};
use crate::tcp::fastopen::key::KEY_NUMBERS;

sysctls! {
    /// Whether packets between devices are forwarded. Linux's default is 0; a gateway's is 1.
    ip_forward: "net.ipv4.ip_forward" = 1, 0..=1;
    /// Whether packets to everybody on a link are forwarded by the interfaces that have it set, too
    /// ([`of_interface`](super::of_interface)).
    bc_forwarding: "net.ipv4.conf.all.bc_forwarding" = 0, 0..=2_147_483_647;
    /// What interfaces have that have not been told ([`OfInterface`](super::OfInterface)).
    bc_forwarding_default: "net.ipv4.conf.default.bc_forwarding" = 0, 0..=2_147_483_647;
    /// Whether IPv4 packets are dropped whose answers would not leave by the interface that they came in by: 0 no, 1 yes, 2 and more only
    /// those that cannot be answered at all. The greater one of this and the interface's own counts.
    rp_filter: "net.ipv4.conf.all.rp_filter" = 0, 0..=2_147_483_647;
    /// What interfaces have that have not been told.
    rp_filter_default: "net.ipv4.conf.default.rp_filter" = 0, 0..=2_147_483_647;
    /// Whether IPv4 packets may come in that have an address of this host for their source; the interface's own may say so, too.
    accept_local: "net.ipv4.conf.all.accept_local" = 0, 0..=2_147_483_647;
    /// What interfaces have that have not been told.
    accept_local_default: "net.ipv4.conf.default.accept_local" = 0, 0..=2_147_483_647;
    /// Whether packets from and to 127.0.0.0/8 may come in by a wire; the interface's own may say so, too.
    route_localnet: "net.ipv4.conf.all.route_localnet" = 0, 0..=2_147_483_647;
    /// What interfaces have that have not been told.
    route_localnet_default: "net.ipv4.conf.default.route_localnet" = 0, 0..=2_147_483_647;
    /// The TTL of packets made here.
    ip_default_ttl: "net.ipv4.ip_default_ttl" = 64, 1..=255;
    /// Whether echo requests are ignored.
    icmp_echo_ignore_all: "net.ipv4.icmp_echo_ignore_all" = 0, 0..=1;
    /// Whether echo and timestamp requests are ignored that are for everybody on a link, or for a group.
    icmp_echo_ignore_broadcasts: "net.ipv4.icmp_echo_ignore_broadcasts" = 1, 0..=1;
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
    /// Seconds for which it is remembered how small packets to a host have to be (RFC 1191, section 6.3).
    route_mtu_expires: "net.ipv4.route.mtu_expires" = 600, 1..=2_147_483;
    /// Bytes below which nobody is believed that packets have to be so small.
    route_min_pmtu: "net.ipv4.route.min_pmtu" = 552, 68..=65_535;
    /// The same as `mtu_expires` for IPv6 (RFC 8201, section 4).
    ipv6_route_mtu_expires: "net.ipv6.route.mtu_expires" = 600, 1..=2_147_483;
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
    /// Options that a hop-by-hop header of IPv6 may hold, padding aside. Linux takes negative numbers too, and then no unknown ones.
    ipv6_hop_options: "net.ipv6.max_hbh_opts_number" = 8, 0..=2_147_483_647;
    /// Bytes that a hop-by-hop header of IPv6 may have.
    ipv6_hop_options_bytes: "net.ipv6.max_hbh_length" = 2_147_483_647, 0..=2_147_483_647;
    /// The same number for a destination options header of a packet for this host.
    ipv6_end_options: "net.ipv6.max_dst_opts_number" = 8, 0..=2_147_483_647;
    /// The same length for a destination options header of a packet for this host.
    ipv6_end_options_bytes: "net.ipv6.max_dst_opts_length" = 2_147_483_647, 0..=2_147_483_647;
    /// How many connections are tracked at most.
    conntrack_max: "net.netfilter.nf_conntrack_max" = 262_144, 0..=4_294_967_295;
    /// How many expectations wait at most.
    conntrack_expect_max: "net.netfilter.nf_conntrack_expect_max" = 4096, 1..=4_294_967_295;
    /// Whether transport checksums are verified before tracking.
    conntrack_checksum: "net.netfilter.nf_conntrack_checksum" = 1, 0..=1;
    /// Whether packets and bytes of new connections are counted.
    conntrack_acct: "net.netfilter.nf_conntrack_acct" = 0, 0..=1;
    /// Whether it is known when new connections began; it is told with their end.
    conntrack_timestamp: "net.netfilter.nf_conntrack_timestamp" = 0, 0..=1;
    /// The least number of connections that their table is made for, however few `nf_conntrack_max` allows; it takes 24 bytes for each.
    /// In Linux, how many buckets it has.
    conntrack_buckets: "net.netfilter.nf_conntrack_buckets" = 262_144, 1..=2_147_483_647;
    /// Whether new connections tell of what becomes of them (`conntrack -E`): 0 only those of which a CT rule says so
    /// (`--ctevents`, `--expevents`), 1 all; 2, which in Linux makes it depend on whether anybody listens when they begin, is as 1.
    conntrack_events: "net.netfilter.nf_conntrack_events" = 2, 0..=2;
    /// Without effect: `towpath explain` says of any packet why it is INVALID. In Linux, the number of the protocol whose invalid packets
    /// are logged with a reason; 255: all.
    conntrack_log_invalid: "net.netfilter.nf_conntrack_log_invalid" = 0, 0..=255;
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
    /// Linux has no such tunable. How many expectations may wait for the connections that one client has opened (a client is an
    /// address, of IPv6 its first 64 bits), so that none takes the room of all others; `helper_mode = "kernel"` knows no such bound.
    helper_expect_max_per_client: "towpath.helper.expect_max_per_client" = 256, 1..=4_294_967_295;
    /// Connections that may wait to be accepted by one listener, whatever it asks for.
    somaxconn: "net.core.somaxconn" = 4096, 0..=2_147_483_647;
    /// Bytes of a datagram socket's receive buffer, unless it asks for others.
    rmem_default: "net.core.rmem_default" = 212_992, 2304..=2_147_483_647;
    /// Bytes of a datagram socket's send buffer, unless it asks for others.
    wmem_default: "net.core.wmem_default" = 212_992, 4608..=2_147_483_647;
    /// The most that a socket may ask for with SO_RCVBUF, in bytes.
    rmem_max: "net.core.rmem_max" = 4_194_304, 2304..=2_147_483_647;
    /// The most that a socket may ask for with SO_SNDBUF, in bytes.
    wmem_max: "net.core.wmem_max" = 4_194_304, 4608..=2_147_483_647;
    /// Whether a connection that nobody can accept in time is reset, instead of being left to try again.
    tcp_abort_on_overflow: "net.ipv4.tcp_abort_on_overflow" = 0, 0..=1;
    /// Without effect, as in Linux since v6.6: one half of a receive buffer is payload while nothing is known about it.
    tcp_adv_win_scale: "net.ipv4.tcp_adv_win_scale" = 1, 0..=8;
    /// The part of a new connection's receive buffer that no window is told of, one of so many powers of two, and at least a segment; 0:
    /// nothing.
    tcp_app_win: "net.ipv4.tcp_app_win" = 31, 0..=31;
    /// The MSS at which the search for the largest packet of a way begins, in bytes.
    tcp_base_mss: "net.ipv4.tcp_base_mss" = 1024, 48..=65_535;
    /// Whether the largest packet of a way is searched for (RFC 4821): 0 never, 1 where packets that are too large seem to be lost without
    /// a word, 2 always.
    tcp_mtu_probing: "net.ipv4.tcp_mtu_probing" = 0, 0..=2;
    /// The least MSS that such a search comes down to, in bytes.
    tcp_mtu_probe_floor: "net.ipv4.tcp_mtu_probe_floor" = 48, 48..=65_535;
    /// The search ends where fewer bytes than these are left of it.
    tcp_probe_threshold: "net.ipv4.tcp_probe_threshold" = 8, 0..=2_147_483_647;
    /// Seconds after which it begins anew.
    tcp_probe_interval: "net.ipv4.tcp_probe_interval" = 600, 0..=4_294_967_295;
    /// The least MSS that a host with path MTU discovery is told of, in bytes.
    tcp_min_snd_mss: "net.ipv4.tcp_min_snd_mss" = 48, 48..=65_535;
    /// Challenge ACKs a second that all connections may send together (RFC 5961, section 7); 2147483647: any number.
    tcp_challenge_ack_limit: "net.ipv4.tcp_challenge_ack_limit" = 2_147_483_647, 0..=2_147_483_647;
    /// Nanoseconds for which acknowledgements of what has come out of order may wait for others, but no longer than a twentieth of the
    /// round-trip time; the first three behind a gap never wait.
    tcp_comp_sack_delay_ns: "net.ipv4.tcp_comp_sack_delay_ns" = 1_000_000, 0..=4_294_967_295;
    /// How many may do so before one is sent; 0: none waits.
    tcp_comp_sack_nr: "net.ipv4.tcp_comp_sack_nr" = 44, 0..=255;
    /// Nanoseconds for which they may wait beyond that. Linux sends them sooner when it is awake anyway; here they wait for all of it.
    tcp_comp_sack_slack_ns: "net.ipv4.tcp_comp_sack_slack_ns" = 100_000, 0..=4_294_967_295;
    /// The congestion control of new sockets that choose none, by its number in [`NAMES`](crate::tcp::congestion::NAMES). Sockets may
    /// choose it from then on.
    tcp_congestion_control: "net.ipv4.tcp_congestion_control" = 0, 0..=2;
    /// The congestion controls that sockets may choose (`TCP_CONGESTION`), a bit for each number of
    /// [`NAMES`](crate::tcp::congestion::NAMES): Linux holds those without `CAP_NET_ADMIN` to it, and nobody is known to have that here.
    tcp_allowed_congestion_control: "net.ipv4.tcp_allowed_congestion_control" = 7, 0..=7;
    /// Whether repeated segments are told of by SACK (RFC 2883).
    tcp_dsack: "net.ipv4.tcp_dsack" = 1, 0..=1;
    /// When a connection is sent probes for its last segments, or waits before it repeats some: 0 never, 3 when it seems
    /// lost (RFC 8985); 4 as 3.
    tcp_early_retrans: "net.ipv4.tcp_early_retrans" = 3, 0..=4;
    /// Explicit congestion notification (RFC 3168): 0 never, 1 asked for by connections from here and given to others that
    /// ask, 2 only given.
    tcp_ecn: "net.ipv4.tcp_ecn" = 2, 0..=2;
    /// Whether a SYN that is sent again does not ask for it any more.
    tcp_ecn_fallback: "net.ipv4.tcp_ecn_fallback" = 1, 0..=1;
    /// Without effect, as in Linux since v4.15: losses are found by time (`tcp_recovery`).
    tcp_fack: "net.ipv4.tcp_fack" = 0, 0..=255;
    /// Fast Open (RFC 7413), by bits: 1 sockets may open connections with data in the SYN, 2 listeners may take such, 4 and 0x200 do so
    /// without a cookie, 0x400 listeners do that say nothing of it.
    tcp_fastopen: "net.ipv4.tcp_fastopen" = 1, 0..=2_147_483_647;
    /// Seconds for which it is given up when a box in the way seems to swallow such connections, twice as many each time; 0: never.
    tcp_fastopen_blackhole_timeout_sec: "net.ipv4.tcp_fastopen_blackhole_timeout_sec" = 0, 0..=2_147_483_647;
    /// Seconds that a connection which nobody holds any more waits for its peer's FIN.
    tcp_fin_timeout: "net.ipv4.tcp_fin_timeout" = 60, 0..=2_147_483;
    /// Whether a retransmission timeout may turn out to have been too early (RFC 5682): 0 never.
    tcp_frto: "net.ipv4.tcp_frto" = 2, 0..=2;
    /// Whether the connections of a listener that has no mark (`SO_MARK`) have that of the packet that has brought the SYN.
    tcp_fwmark_accept: "net.ipv4.tcp_fwmark_accept" = 0, 0..=255;
    /// Least milliseconds between two answers to segments of a connection that cannot be right; 0: no limit.
    tcp_invalid_ratelimit: "net.ipv4.tcp_invalid_ratelimit" = 500, 0..=2_147_483_647;
    /// Seconds between keepalive probes.
    tcp_keepalive_intvl: "net.ipv4.tcp_keepalive_intvl" = 75, 1..=32_767;
    /// Keepalive probes without an answer after which a connection is given up.
    tcp_keepalive_probes: "net.ipv4.tcp_keepalive_probes" = 9, 1..=127;
    /// Seconds without a segment after which keepalive probes begin, where a socket wants them.
    tcp_keepalive_time: "net.ipv4.tcp_keepalive_time" = 7200, 1..=32_767;
    /// Without effect, as in Linux since v4.14: segments are taken when they come.
    tcp_low_latency: "net.ipv4.tcp_low_latency" = 0, 0..=2_147_483_647;
    /// Connections that nobody holds any more, at most; a further one is reset. Linux's default is half of the buckets that its table
    /// of connections has.
    tcp_max_orphans: "net.ipv4.tcp_max_orphans" = 16_384, 0..=2_147_483_647;
    /// Segments by which a connection may take the network to reorder at most.
    tcp_max_reordering: "net.ipv4.tcp_max_reordering" = 300, 1..=2_147_483_647;
    /// Requests that a listener remembers at most where no cookies are given (`tcp_syncookies` of 0), a quarter of it left free for
    /// peers whose round-trip time is known from earlier connections. Linux's default is a 128th of the buckets that its table of
    /// connections has; this is that of 262144.
    tcp_max_syn_backlog: "net.ipv4.tcp_max_syn_backlog" = 2048, 0..=2_147_483_647;
    /// Connections in TIME_WAIT, at most; a further one is forgotten at once.
    tcp_max_tw_buckets: "net.ipv4.tcp_max_tw_buckets" = 131_072, 0..=2_147_483_647;
    /// Seconds for which the least round-trip time counts.
    tcp_min_rtt_wlen: "net.ipv4.tcp_min_rtt_wlen" = 300, 0..=86_400;
    /// Segments of a super-packet at least, however slow the way is.
    tcp_min_tso_segs: "net.ipv4.tcp_min_tso_segs" = 2, 1..=255;
    /// Whether receive buffers grow with what is read a round trip.
    tcp_moderate_rcvbuf: "net.ipv4.tcp_moderate_rcvbuf" = 1, 0..=1;
    /// Whether connections that end leave nothing of their ways to others: 0 they do.
    tcp_no_metrics_save: "net.ipv4.tcp_no_metrics_save" = 0, 0..=255;
    /// Whether slow start thresholds are no part of that: 0 they are.
    tcp_no_ssthresh_metrics_save: "net.ipv4.tcp_no_ssthresh_metrics_save" = 1, 0..=1;
    /// Bytes that may wait unsent in a socket's queue before it is no longer writable.
    tcp_notsent_lowat: "net.ipv4.tcp_notsent_lowat" = 4_294_967_295, 0..=4_294_967_295;
    /// Retransmissions to a peer that does not answer, of a connection that nobody holds any more; 0 means 8.
    tcp_orphan_retries: "net.ipv4.tcp_orphan_retries" = 0, 0..=255;
    /// Pacing rate in percent of what the congestion window allows a round trip, after slow start.
    tcp_pacing_ca_ratio: "net.ipv4.tcp_pacing_ca_ratio" = 120, 0..=1000;
    /// The same in slow start.
    tcp_pacing_ss_ratio: "net.ipv4.tcp_pacing_ss_ratio" = 200, 0..=1000;
    /// Answers in a row after which a connection is taken for one of questions and answers, whose ACKs can wait for data.
    tcp_pingpong_thresh: "net.ipv4.tcp_pingpong_thresh" = 1, 1..=255;
    /// Whether the connections of a listener, and its answers to SYNs, have the traffic class of the SYN.
    tcp_reflect_tos: "net.ipv4.tcp_reflect_tos" = 0, 0..=1;
    /// How losses are found: bit 0 by time (RACK, RFC 8985), bit 1 without a window for reordering, bit 2 without
    /// counting duplicates.
    tcp_recovery: "net.ipv4.tcp_recovery" = 1, 0..=7;
    /// Segments by which a new connection takes the network to reorder.
    tcp_reordering: "net.ipv4.tcp_reordering" = 3, 1..=2_147_483_647;
    /// Whether small segments that are sent again take those behind them with them.
    tcp_retrans_collapse: "net.ipv4.tcp_retrans_collapse" = 1, 0..=1;
    /// Retransmissions, as time, after which packets may be too large for their way (`tcp_mtu_probing`): 3 mean 3 seconds.
    tcp_retries1: "net.ipv4.tcp_retries1" = 3, 0..=255;
    /// Retransmissions, as time, after which a connection is given up: 15 mean 924.6 seconds.
    tcp_retries2: "net.ipv4.tcp_retries2" = 15, 0..=255;
    /// Whether a reset may not end TIME_WAIT (RFC 1337).
    tcp_rfc1337: "net.ipv4.tcp_rfc1337" = 0, 0..=1;
    /// The longest retransmission timeout of sockets that are opened from now on, in milliseconds (`TCP_RTO_MAX_MS`).
    tcp_rto_max_ms: "net.ipv4.tcp_rto_max_ms" = 120_000, 1000..=120_000;
    /// The shortest retransmission timeout beyond the round-trip time, in microseconds.
    tcp_rto_min_us: "net.ipv4.tcp_rto_min_us" = 200_000, 1..=2_147_483_647;
    /// Whether SACK is offered and taken (RFC 2018).
    tcp_sack: "net.ipv4.tcp_sack" = 1, 0..=1;
    /// Whether a window that is scaled may be told smaller than was promised, so that receive buffers hold no more than they may
    /// (RFC 7323, section 2.4).
    tcp_shrink_window: "net.ipv4.tcp_shrink_window" = 0, 0..=1;
    /// Whether the congestion window shrinks while a connection is idle (RFC 2861).
    tcp_slow_start_after_idle: "net.ipv4.tcp_slow_start_after_idle" = 1, 0..=1;
    /// Whether an urgent pointer leads to the urgent byte, and not behind it (RFC 1122, section 4.2.2.4, against RFC 6093, section 3.1).
    tcp_stdurg: "net.ipv4.tcp_stdurg" = 0, 0..=1;
    /// Whether a listener with too many requests answers with cookies instead of remembering more: 0 never, 1 then, 2 always.
    tcp_syncookies: "net.ipv4.tcp_syncookies" = 1, 0..=2;
    /// Timeouts of a SYN that follow each other without growing.
    tcp_syn_linear_timeouts: "net.ipv4.tcp_syn_linear_timeouts" = 4, 0..=127;
    /// Retransmissions of a SYN.
    tcp_syn_retries: "net.ipv4.tcp_syn_retries" = 6, 1..=127;
    /// Retransmissions of a SYN that answers one.
    tcp_synack_retries: "net.ipv4.tcp_synack_retries" = 5, 0..=255;
    /// Whether timeouts of a connection with less than four segments in flight follow each other without growing, the first six of them.
    tcp_thin_linear_timeouts: "net.ipv4.tcp_thin_linear_timeouts" = 0, 0..=255;
    /// Whether timestamps are offered and taken (RFC 7323): 1 with an offset a peer, 2 without.
    tcp_timestamps: "net.ipv4.tcp_timestamps" = 1, 0..=2;
    /// Bits by which the least round-trip time, in microseconds, is shifted to see how near a peer is, to which super-packets
    /// can be large.
    tcp_tso_rtt_log: "net.ipv4.tcp_tso_rtt_log" = 9, 0..=255;
    /// A super-packet waits until it can have this part of the window; 0: never.
    tcp_tso_win_divisor: "net.ipv4.tcp_tso_win_divisor" = 3, 0..=2_147_483_647;
    /// Whether a port in TIME_WAIT may be used for a connection to the same peer: 1 yes, 2 to this host only.
    tcp_tw_reuse: "net.ipv4.tcp_tw_reuse" = 2, 0..=2;
    /// Milliseconds after which it may.
    tcp_tw_reuse_delay: "net.ipv4.tcp_tw_reuse_delay" = 1000, 1..=60_000;
    /// Whether windows are scaled (RFC 7323).
    tcp_window_scaling: "net.ipv4.tcp_window_scaling" = 1, 0..=1;
    /// Whether a window of 32 KB and more is taken for negative by a peer that scales none.
    tcp_workaround_signed_windows: "net.ipv4.tcp_workaround_signed_windows" = 0, 0..=1;
    lists:
    /// The first and the last port that sockets are given which ask for none.
    ip_local_port_range: "net.ipv4.ip_local_port_range", 2 = [32_768, 60_999], 1..=65_535;
    /// Memory of all TCP sockets together, in pages of 4096 bytes: pressure ends at the first, begins beyond the second, and beyond the
    /// third nothing more is queued. Linux takes 3/4, 1 and 3/2 of a sixteenth of the memory that it has at its start; these are
    /// what it takes of 4 GB: 192, 256 and 384 MB.
    tcp_mem: "net.ipv4.tcp_mem", 3 = [49_152, 65_536, 98_304], 0..=2_147_483_647;
    /// Bytes of a TCP socket's receive buffer: at least, at first, at most by itself.
    tcp_rmem: "net.ipv4.tcp_rmem", 3 = [4096, 131_072, 33_554_432], 1..=2_147_483_647;
    /// Bytes of a TCP socket's send buffer: at least, at first, at most by itself.
    tcp_wmem: "net.ipv4.tcp_wmem", 3 = [4096, 16_384, 4_194_304], 1..=2_147_483_647;
}
