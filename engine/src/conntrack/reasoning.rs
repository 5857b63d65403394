//! Why connection tracking said what it said.

use core::fmt;

use super::{
    tcp_states::{SegmentKind, TcpState},
    tcp_window::{Bound, Miss},
    tuple::Tuple,
};
use crate::wire::{SeqNum, TcpFlags};

/// The reason for a classification, with the figures behind it. `Display` makes it a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reasoning {
    /// The packet starts a connection.
    Starts(Taken),
    /// It starts a connection that another one, with this original tuple, has announced.
    Announced(Tuple),
    /// It belongs to a connection.
    Belongs(Taken),
    /// It is an ICMP error about a packet of a connection; this is the quoted packet's tuple.
    ErrorAbout(Tuple),
    /// It is about neighbours or group members on the link (ICMPv6): not tracked.
    OfTheLink,
    /// It answers the connection's first packet with a RST, which ends the connection.
    Refused,
    /// It passes as one of its connection, but changes nothing.
    Ignored(Ignored),
    /// It belongs to no connection and may start none.
    Invalid(Invalid),
    /// No room is left for another connection.
    Full,
}

/// How a packet was taken as one of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// A TCP segment that leads from one state to another, or leaves the state.
    Tcp {
        /// The state before.
        from: TcpState,
        /// The state after.
        to: TcpState,
    },
    /// A SYN/ACK that answers a SYN which was ignored: its connection begins anew.
    TcpAnew {
        /// Whether that SYN had no payload.
        is_bare: bool,
    },
    /// A UDP datagram.
    Udp {
        /// Both ends talk, and have done so for more than two seconds.
        is_stream: bool,
    },
    /// An ICMP query or its answer.
    Icmp,
    /// A packet of another protocol.
    Other,
}

/// Why a TCP segment passes without changing its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// It does not belong into this state, but its receiver's answer will show who is right.
    State(SegmentKind, TcpState),
    /// It lies outside the window without doing harm.
    Window(Miss),
    /// It is an ACK that answers a stray SYN, and does not acknowledge the FIN.
    ChallengeAck,
    /// It repeats the SYN that started the connection.
    SynAgain,
    /// An SCTP INIT that repeats the one that started the association, or a heartbeat with another tag.
    SctpRepeated,
}

/// Why a packet is INVALID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// It is a later fragment, or ends before what tells flows apart.
    NoTuple,
    /// Its transport header's lengths cannot be right.
    Broken,
    /// Its transport checksum is wrong.
    Checksum,
    /// No sender means this set of TCP flags.
    Flags(TcpFlags),
    /// A TCP segment of this kind starts no connection.
    CannotStart(SegmentKind),
    /// It would continue a connection that was never seen, and `nf_conntrack_tcp_loose` is 0.
    MidStream,
    /// A TCP segment of this kind cannot come in this state.
    State(SegmentKind, TcpState),
    /// A RST from before what its receiver has acknowledged.
    Reset {
        /// Its sequence number.
        number: SeqNum,
        /// The receiver's highest acknowledgement.
        limit: SeqNum,
    },
    /// It lies outside the window.
    Window(Miss),
    /// SCTP chunks that cannot be right: none, one of no length, or one that does not stand first or alone as it must.
    SctpChunks,
    /// SCTP chunks that start no association.
    SctpStart,
    /// The SCTP verification tag is not the association's.
    SctpTag,
    /// An SCTP chunk that cannot come in this state.
    SctpState,
    /// There is no ICMP message of this type.
    IcmpType(u8),
    /// An ICMP message of this type starts no flow.
    IcmpUnasked(u8),
    /// What the ICMP error quotes is too short or no packet.
    ErrorUnreadable,
    /// The ICMP error quotes a packet of no connection.
    ErrorUnknown(Tuple),
    /// The ICMP error does not go to the one who sent the packet that it quotes.
    ErrorMisaddressed(Tuple),
}

impl fmt::Display for Reasoning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starts(Taken::Tcp { to: TcpState::Established, .. }) => {
                f.write_str("starts a connection in mid-stream: its beginning was not seen")
            }
            Self::Starts(_) => f.write_str("starts a connection"),
            Self::Announced(master) => write!(f, "starts a connection that was announced by {master}"),
            Self::Belongs(taken) => fmt::Display::fmt(taken, f),
            Self::ErrorAbout(tuple) => write!(f, "an error about the connection's packet {tuple}"),
            Self::OfTheLink => f.write_str("is the link's own business, which is not tracked"),
            Self::Refused => f.write_str("refuses the connection, which is forgotten"),
            Self::Ignored(ignored) => fmt::Display::fmt(ignored, f),
            Self::Invalid(invalid) => fmt::Display::fmt(invalid, f),
            Self::Full => {
                f.write_str("the connection table is full (nf_conntrack_max) and nothing could be dropped early")
            }
        }
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { from, to } if from == to => write!(f, "belongs to a connection in {to}"),
            Self::Tcp { from, to } => write!(f, "takes its connection from {from} to {to}"),
            Self::TcpAnew { .. } => f.write_str("answers the SYN that was ignored: its connection begins anew"),
            Self::Udp { is_stream: true } => f.write_str("belongs to a stream"),
            Self::Udp { is_stream: false } | Self::Icmp | Self::Other => f.write_str("belongs to a flow"),
        }
    }
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State(kind, state) => {
                write!(f, "{} in {state} is ignored: its receiver will show who is right", kind.name())
            }
            Self::Window(miss) => write!(f, "outside the window but ignored: {miss}"),
            Self::ChallengeAck => {
                f.write_str("an ACK that answers a stray SYN is ignored: it does not acknowledge the FIN")
            }
            Self::SynAgain => f.write_str("repeats the SYN, which does not prolong the connection"),
            Self::SctpRepeated => {
                f.write_str("a repeated INIT or strange heartbeat, which does not prolong the association")
            }
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTuple => f.write_str("a later fragment, or too short to say which flow it belongs to"),
            Self::Broken => f.write_str("the transport header's lengths cannot be right"),
            Self::Checksum => f.write_str("the transport checksum is wrong"),
            Self::Flags(flags) if flags.0 & 0x37 == 0 => f.write_str("no TCP flag that says anything is set"),
            Self::Flags(flags) => write!(f, "the TCP flags {flags} do not go together"),
            Self::CannotStart(kind) => write!(f, "{} cannot start a connection", kind.name()),
            Self::MidStream => {
                f.write_str("continues a connection that was never seen, and nf_conntrack_tcp_loose is 0")
            }
            Self::State(kind, state) => write!(f, "{} cannot come in {state}", kind.name()),
            Self::Reset { number, limit } => write!(
                f,
                "RST with sequence number {number:?} lies {} before {limit:?}, which is acknowledged already",
                Bytes(*limit - *number)
            ),
            Self::Window(miss) => write!(f, "outside the window: {miss}"),
            Self::SctpChunks => f.write_str("the SCTP chunks cannot be right, or do not stand where they must"),
            Self::SctpStart => f.write_str("the SCTP chunks start no association"),
            Self::SctpTag => f.write_str("the SCTP verification tag is not the association's"),
            Self::SctpState => f.write_str("an SCTP chunk that cannot come in this state"),
            Self::IcmpType(kind) => write!(f, "there is no ICMP message of type {kind}"),
            Self::IcmpUnasked(kind) => write!(f, "an ICMP message of type {kind} that nobody asked for"),
            Self::ErrorUnreadable => f.write_str("an ICMP error that quotes too little to say which flow it is about"),
            Self::ErrorUnknown(tuple) => write!(f, "an ICMP error about {tuple}, which is no known flow"),
            Self::ErrorMisaddressed(tuple) => write!(f, "an ICMP error about {tuple}, but sent to somebody else"),
        }
    }
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bound, number, limit } = *self;
        let by = Bytes(self.bytes());
        match bound {
            Bound::SeqOver => {
                write!(f, "it starts at {number:?}, {by} beyond the upper bound {limit:?} (I: the receiver's window)")
            }
            Bound::Overshot => {
                write!(f, "it ends at {number:?}, {by} beyond the upper bound {limit:?} (I: the receiver's window)")
            }
            Bound::SeqUnder => {
                write!(f, "it ends at {number:?}, {by} before the lower bound {limit:?} (II: acknowledged long ago)")
            }
            Bound::AckOver => {
                write!(f, "it acknowledges {number:?}, {by} beyond the upper bound {limit:?} (III: never sent)")
            }
            Bound::AckUnder => {
                write!(f, "it acknowledges {number:?}, {by} before the lower bound {limit:?} (IV: overly delayed)")
            }
        }
    }
}

/// So many bytes, in words.
struct Bytes(u32);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, if self.0 == 1 { "byte" } else { "bytes" })
    }
}
