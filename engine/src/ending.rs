//! How packets end: [`End`] for those that found their place, [`Dropped`] with one named [`DropReason`] for the rest.

use crate::{
    conntrack::Tracking,
    frame::DeviceId,
    netfilter::{Hook, RuleId, Stage},
    packet::Packet,
};

/// Where a packet's way ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It waits to leave by a device.
    Transmitted(DeviceId),
    /// It was for this host.
    Delivered,
    /// Somebody keeps it and will give it back.
    Held(Holder),
    /// The engine itself answered or absorbed it (ARP).
    Consumed,
    /// Its bytes go on in the packet of another frame: of a later one, which has completed the datagram that it was a part of,
    /// or of an earlier one, which it continues.
    Joined,
}

/// Who keeps a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A neighbour whose address is being asked for.
    Neighbour,
    /// A datagram that is being put together.
    Defrag,
    /// A helper that waits for the rest of a line.
    Helper,
    /// Its device, which merges it with what continues it.
    Gro,
}

/// How a packet ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Well.
    Ended(End),
    /// It was dropped.
    Dropped(DropReason),
}

/// How the packet of one frame (or of one [`crate::Command::SendPacket`]) ended, for those who asked
/// ([`crate::Subscription::endings`]).
///
/// A packet that is held has one more under the same number, as soon as its holder lets it go: perhaps while another
/// frame is handled, and then before that one's own. Whoever asks finds them together by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The frame's number, from 1, in the order in which the engine was given frames and packets to send.
    pub frame: u64,
    /// How.
    pub outcome: Outcome,
    /// What connection tracking said of it; of an answer made here, when it said nothing of the packet itself.
    pub tracking: Tracking,
    /// The last stage it came to: the one that dropped it, or the one after which it ended; `None` before any hook.
    pub place: Option<(Hook, Stage)>,
    /// The rule that dropped it.
    pub rule: Option<RuleId>,
}

/// A packet that goes no further, and why. The data path's only error.
#[derive(Debug)]
pub struct Dropped {
    /// The packet as it was when it ended.
    pub packet: Packet,
    /// Why.
    pub reason: DropReason,
}

macro_rules! drop_reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $linux:literal,)+) => {
        /// Why a packet goes no further. The same names stand in counters, records, captures and docs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum DropReason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl DropReason {
            /// All of them, in the order of their counters.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }

            /// The nearest `SKB_DROP_REASON_*` of Linux v6.18 (`include/net/dropreason-core.h`), without the prefix.
            #[must_use]
            pub const fn linux(self) -> &'static str {
                match self { $(Self::$name => $linux,)+ }
            }

            /// One sentence on what it means.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc,)+).trim_ascii(),)+ }
            }
        }
    };
}

drop_reasons! {
    /// The frame is longer than 64 KB and a link header.
    FrameTooLong = "PKT_TOO_BIG",
    /// The frame ends inside its link header.
    LinkTruncated = "HDR_TRUNC",
    /// The frame's type is none that is read here.
    LinkProtocolUnknown = "UNHANDLED_PROTO",
    /// The frame is for another station.
    LinkOtherHost = "OTHERHOST",
    /// The frame carries a VLAN tag that belongs to no device.
    VlanUnknown = "OTHERHOST",
    /// The frame names a device that does not exist or is down.
    DeviceDown = "DEV_READY",
    /// The frame came in by a port of a bond by which it takes nothing now: it is not the active one, or not of the active aggregator.
    BondPortInactive = "UNHANDLED_PROTO",
    /// No port of the bond can send the packet now.
    BondPortsDown = "NOT_SPECIFIED",
    /// The capture does not hold the headers that are needed to judge the packet.
    CaptureCut = "HDR_TRUNC",
    /// The ARP packet ends early or is not for IPv4 over Ethernet.
    ArpMalformed = "UNHANDLED_PROTO",
    /// The packet is shorter than its IP header says.
    IpTruncated = "PKT_TOO_SMALL",
    /// The IP header's version or lengths cannot be right.
    IpHeaderMalformed = "IP_INHDR",
    /// The IP header's checksum is wrong.
    IpChecksum = "IP_CSUM",
    /// The source address cannot be one of a sender (multicast, broadcast, zero, loopback).
    IpSourceInvalid = "IP_INVALID_SOURCE",
    /// The source address is this host's own (`net.ipv4.conf.*.accept_local`).
    IpSourceLocal = "IP_LOCAL_SOURCE",
    /// An answer would not leave by the interface that the packet came in by, or by none (`net.ipv4.conf.*.rp_filter`).
    IpReversePath = "IP_RPFILTER",
    /// The source address is valid on its link only, and the packet would leave that (IPv6).
    IpSourceLinkLocal = "IP_INVALID_SOURCE",
    /// The packet is for a group that this host has not joined.
    IpGroupUnknown = "IP_INVALID_DEST",
    /// The packet says its way itself, which nobody here heeds: by an option of IPv4; over IPv6 by a routing header that is not used up, or
    /// of a kind that nobody here takes, where it is for this host, or by any where it is not for this host alone.
    IpSourceRoute = "IP_INHDR",
    /// The destination address cannot be one of a packet on a wire (zero, loopback).
    IpDestinationInvalid = "IP_INVALID_DEST",
    /// The packet is for a host, but its frame was for everybody; or it is one of TCP, which knows hosts only, and is for everybody
    /// on a link, for a group, or for any one of several routers.
    IpLinkBroadcast = "UNICAST_IN_L2_MULTICAST",
    /// Options cannot be right: one ends behind the header, is there twice, or is as it cannot be; an options header of IPv6 ends early, or
    /// its padding is longer than 7 bytes or not of zeros.
    IpOptionsMalformed = "IP_INHDR",
    /// An options header of IPv6 is longer, or holds more options, than is taken (`net.ipv6.max_hbh_opts_number`,
    /// `net.ipv6.max_hbh_length`, `net.ipv6.max_dst_opts_number`, `net.ipv6.max_dst_opts_length`).
    IpOptionsTooMany = "IP_INHDR",
    /// An option of IPv6 that is not known here asks for its packet to be dropped then.
    IpOptionUnknown = "UNHANDLED_PROTO",
    /// The jumbo payload option gives a length that the IPv6 header can hold, or holds.
    IpJumboNeedless = "IP_INHDR",
    /// Too many fragments wait to be put together (`net.ipv4.ipfrag_high_thresh`,
    /// `net.netfilter.nf_conntrack_frag6_high_thresh`).
    FragmentMemory = "NOMEM",
    /// The fragment's bytes are there already.
    FragmentDuplicate = "DUP_FRAG",
    /// The fragment overlaps another one of its datagram, which is dropped with it.
    FragmentOverlap = "DUP_FRAG",
    /// The fragment does not fit its datagram, which is dropped with it: it is empty, ends elsewhere than another one said,
    /// contradicts others in its congestion marks, or makes the whole longer than 65535 bytes.
    FragmentMalformed = "NOT_SPECIFIED",
    /// Too many other fragments of the sender have come in between (`net.ipv4.ipfrag_max_dist`).
    FragmentTooFar = "FRAG_TOO_FAR",
    /// The rest of the datagram has not come in time (`net.ipv4.ipfrag_time`, `net.netfilter.nf_conntrack_frag6_timeout`).
    FragmentTimeout = "FRAG_REASM_TIMEOUT",
    /// The packet is for this host and the first fragment of another, but does not hold all headers up to the upper layer's
    /// (IPv6).
    FragmentHeadersMissing = "IP_INHDR",
    /// The packet is for this host and has a fragment header that ends early, or a length that no fragment can have (IPv6).
    FragmentLengthWrong = "IP_INHDR",
    /// The time to live, or hop limit, would reach zero here.
    TtlExpired = "IP_INHDR",
    /// No route leads to the destination.
    NoRoute = "IP_OUTNOROUTES",
    /// A route says that the destination cannot be reached.
    RouteUnreachable = "IP_OUTNOROUTES",
    /// A route says that the destination is prohibited.
    RouteProhibits = "IP_OUTNOROUTES",
    /// A route says to drop without a word.
    RouteIgnores = "IP_OUTNOROUTES",
    /// The device does not forward (`net.ipv4.ip_forward` or `net.ipv6.conf.all.forwarding` is 0).
    ForwardingOff = "IP_OUTNOROUTES",
    /// The packet is larger than the next link takes and must not be cut.
    PacketTooBig = "PKT_TOO_BIG",
    /// The neighbour did not answer.
    NeighbourFailed = "NEIGH_FAILED",
    /// Too many packets wait for the neighbour.
    NeighbourQueueFull = "NEIGH_QUEUEFULL",
    /// The packet waited for a neighbour when its device got another Ethernet address, with which all neighbours are forgotten.
    NeighbourForgotten = "QUEUE_PURGE",
    /// A rule said DROP.
    FilterRule = "NETFILTER_DROP",
    /// A match of a rule has to read what the packet does not have whole, and such packets are dropped, whatever the rule says.
    MatchUnreadable = "NETFILTER_DROP",
    /// A match of a rule has no room to remember one more (`connlimit`, `hashlimit`).
    MatchFull = "NETFILTER_DROP",
    /// No rule decided and the chain's policy is DROP.
    FilterPolicy = "NETFILTER_DROP",
    /// A rule said REJECT.
    FilterReject = "NETFILTER_DROP",
    /// The connection table is full and nothing could be dropped early.
    ConntrackFull = "NOMEM",
    /// Another connection has the same tuple already, and the protocol has no port that could differ.
    ConntrackClash = "NETFILTER_DROP",
    /// The packet cannot be translated: an ICMP error that quotes too little, a redirect about a translated flow, GRE that
    /// is too short or of an unknown version, or TCP options that end too early where sequence numbers have moved.
    NatUntranslatable = "NETFILTER_DROP",
    /// No free port, or ICMP identifier, is left in the translation's range.
    NatExhausted = "NETFILTER_DROP",
    /// The masquerading device has no address.
    NatNoAddress = "NETFILTER_DROP",
    /// The device that masquerades the connection is not the one its packets leave by now; the connection is forgotten.
    NatDeviceChanged = "NETFILTER_DROP",
    /// The payload ends inside a command that a helper must see whole.
    HelperIncomplete = "NETFILTER_DROP",
    /// The payload holds a command that cannot be right.
    HelperMalformed = "NETFILTER_DROP",
    /// The helper failed, or its manifest forbids what it wished for, and says that the packet is dropped then.
    HelperFailed = "NETFILTER_DROP",
    /// The connection that the payload announces cannot be expected: too many are, or the same in another class.
    ExpectationRefused = "NETFILTER_DROP",
    /// A rewritten payload would not fit the packet.
    RewriteTooLong = "NETFILTER_DROP",
    /// The packet is for this host, but nobody here listens on its port.
    NoSocket = "NO_SOCKET",
    /// The packet is for this host, but its protocol is none that is spoken here.
    NoProtocol = "IP_NOPROTO",
    /// The packet is for this host, but its transport header cannot be right.
    TransportMalformed = "PKT_TOO_SMALL",
    /// The transport checksum of a packet for this host is wrong.
    TransportChecksum = "TCP_CSUM",
    /// The segment was sent before others that have come: its timestamp is older than theirs (RFC 7323, PAWS).
    TcpTimestampOld = "TCP_RFC7323_PAWS",
    /// The segment's sequence numbers, or those of a reset, are not what its connection expects.
    TcpOutsideWindow = "TCP_INVALID_SEQUENCE",
    /// The segment acknowledges what was never sent, or what was acknowledged long ago.
    TcpAckImpossible = "TCP_INVALID_ACK_SEQUENCE",
    /// The segment's flags mean nothing in its connection's state.
    TcpFlagsWrong = "TCP_FLAGS",
    /// All bytes of the segment have come before, or come after the end of the stream.
    TcpDuplicate = "TCP_OLD_DATA",
    /// Data have come for a connection whose user reads no more and has said all: they are answered with a reset.
    TcpNobodyReads = "TCP_ABORT_ON_DATA",
    /// Too many connections wait to be accepted, or for the end of their handshakes.
    ListenFull = "TCP_LISTEN_OVERFLOW",
    /// The socket that the packet is for has no memory left for it.
    SocketMemory = "SOCKET_RCVBUFF",
    /// All stream sockets together hold as much memory as they may (`net.ipv4.tcp_mem`), and this one is none of those that get more.
    TcpMemory = "PROTO_MEM",
    /// Too many packets of this host to itself wait, or answer each other without end.
    LoopbackQueueFull = "CPU_BACKLOG",
    /// Too many frames wait to leave.
    TransmitQueueFull = "FULL_RING",
    /// The device's receive ring was full; the kernel dropped the frame.
    ReceiveRingFull = "FULL_RING",
    /// The frame fits no slot of the receive ring, and the socket had no memory left for it (`net.core.rmem_max`).
    ReceiveMemory = "SOCKET_RCVBUFF",
    /// The frame came with a segmentation or checksum offload that is not known here, or cannot be one of such a packet.
    OffloadUnknown = "SKB_GSO_SEG",
    /// The device has merged the packet so that it cannot be cut again (`large-receive-offload`), and it was to be forwarded.
    LroForwarded = "NOT_SPECIFIED",
    /// The device did not take the frame: it is longer than its MTU, or asks for an offload that it cannot do.
    TransmitRefused = "DEV_READY",
}

impl DropReason {
    /// Whether the routing knows no way for it, or refuses one.
    #[must_use]
    pub const fn is_of_routing(self) -> bool {
        matches!(self, Self::NoRoute | Self::RouteUnreachable | Self::RouteProhibits)
    }

    /// Whether a fragment that cannot be put together with others was dropped for it.
    #[must_use]
    pub const fn is_of_fragment(self) -> bool {
        matches!(
            self,
            Self::FragmentMemory
                | Self::FragmentDuplicate
                | Self::FragmentOverlap
                | Self::FragmentMalformed
                | Self::FragmentTooFar
                | Self::FragmentTimeout
                | Self::FragmentHeadersMissing
                | Self::FragmentLengthWrong
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_its_own_index_among_all() {
        for (index, reason) in DropReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, index, "{}", reason.name());
        }
    }

    #[test]
    fn a_reason_tells_its_meaning_in_one_sentence() {
        for reason in DropReason::ALL {
            assert!(reason.meaning().ends_with('.'), "{}: {}", reason.name(), reason.meaning());
        }
    }
}
