//! TCP's states as seen from the middle, and how segments change them.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::tuple::Direction;
use crate::wire::tcp::TcpFlags;

/// The state of a TCP connection, guessed from the segments that went past. The host between two others sees every
/// segment before its receiver does, and never knows whether it arrives.
///
/// Linux v6.18: `include/uapi/linux/netfilter/nf_conntrack_tcp.h`, `enum tcp_conntrack`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TcpState {
    /// Nothing seen yet.
    #[default]
    None,
    /// A SYN.
    SynSent,
    /// A SYN/ACK.
    SynRecv,
    /// The ACK of it.
    Established,
    /// A FIN.
    FinWait,
    /// The ACK of it.
    CloseWait,
    /// The other FIN.
    LastAck,
    /// The ACK of it: segments may still wander about.
    TimeWait,
    /// A RST.
    Close,
    /// SYNs from both ends, crossing.
    SynSent2,
}

impl TcpState {
    /// Its name, as conntrack(8) prints it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::SynSent => "SYN_SENT",
            Self::SynRecv => "SYN_RECV",
            Self::Established => "ESTABLISHED",
            Self::FinWait => "FIN_WAIT",
            Self::CloseWait => "CLOSE_WAIT",
            Self::LastAck => "LAST_ACK",
            Self::TimeWait => "TIME_WAIT",
            Self::Close => "CLOSE",
            Self::SynSent2 => "SYN_SENT2",
        }
    }

    /// All states, in their order.
    pub const ALL: [Self; 10] = [
        Self::None,
        Self::SynSent,
        Self::SynRecv,
        Self::Established,
        Self::FinWait,
        Self::CloseWait,
        Self::LastAck,
        Self::TimeWait,
        Self::Close,
        Self::SynSent2,
    ];

    /// Whether the connection is on its way out (Linux: `tcp_can_early_drop()`).
    #[must_use]
    pub const fn is_closing(self) -> bool {
        match self {
            Self::FinWait | Self::CloseWait | Self::LastAck | Self::TimeWait | Self::Close => true,
            Self::None | Self::SynSent | Self::SynRecv | Self::Established | Self::SynSent2 => false,
        }
    }
}

impl fmt::Display for TcpState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// ACK, and none of the other flags that tell what a segment is.
const ACK: u8 = TcpFlags::ACK.0;

/// What a segment is to the state: its most telling flag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SegmentKind {
    /// SYN without ACK.
    Syn,
    /// SYN with ACK.
    SynAck,
    /// FIN.
    Fin,
    /// ACK only.
    Ack,
    /// RST, whatever else.
    Rst,
    /// None of them.
    #[default]
    None,
}

impl SegmentKind {
    /// The kind of a segment with these flags.
    #[must_use]
    #[inline]
    pub const fn of(flags: TcpFlags) -> Self {
        // What most segments are is asked first, and at once.
        match flags.0 & Self::TELLING.0 {
            ACK => Self::Ack,
            0 => Self::None,
            telling => Self::of_few(TcpFlags(telling)),
        }
    }

    #[inline]
    const fn of_few(flags: TcpFlags) -> Self {
        if flags.contains(TcpFlags::RST) {
            Self::Rst
        } else if flags.contains(TcpFlags::SYN) {
            if flags.contains(TcpFlags::ACK) { Self::SynAck } else { Self::Syn }
        } else {
            Self::Fin
        }
    }

    /// The flags that a kind depends on.
    const TELLING: TcpFlags = TcpFlags::RST.union(TcpFlags::SYN).union(TcpFlags::FIN).union(TcpFlags::ACK);

    /// Its name in sentences.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Syn => "SYN",
            Self::SynAck => "SYN/ACK",
            Self::Fin => "FIN",
            Self::Ack => "ACK",
            Self::Rst => "RST",
            Self::None => "segment without SYN, ACK, FIN or RST",
        }
    }
}

/// What the table says of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The connection is in this state then.
    To(TcpState),
    /// The segment may be right or wrong; its receiver will tell, so that it passes and changes nothing.
    Ignore,
    /// The segment cannot be right.
    Invalid,
}

/// The state that a segment leads to.
///
/// Linux v6.18: `net/netfilter/nf_conntrack_proto_tcp.c`, `tcp_conntracks`.
#[must_use]
pub const fn next(direction: Direction, state: TcpState, segment: SegmentKind) -> Next {
    let table = match direction {
        Direction::Original => &ORIGINAL,
        Direction::Reply => &REPLY,
    };
    table[segment as usize][state as usize]
}

/// Whether no sender means this set of flags. PSH, ECE and CWR go with anything.
///
/// Linux v6.18: `net/netfilter/nf_conntrack_proto_tcp.c`, `tcp_valid_flags`.
#[must_use]
pub fn is_nonsense(flags: TcpFlags) -> bool {
    let telling = flags.without(TcpFlags(TcpFlags::PSH.0 | TcpFlags::ECE.0 | TcpFlags::CWR.0));
    // A bit for each set of the others, which are numbers below 64.
    const SETS: u64 = {
        let (mut sets, mut index) = (0, 0);
        while index < SENSIBLE.len() {
            sets |= 1 << SENSIBLE[index].0;
            index += 1;
        }
        sets
    };
    SETS >> telling.0 & 1 == 0
}

type Table = [[Next; 10]; 6];

const SS: Next = Next::To(TcpState::SynSent);
const SR: Next = Next::To(TcpState::SynRecv);
const ES: Next = Next::To(TcpState::Established);
const FW: Next = Next::To(TcpState::FinWait);
const CW: Next = Next::To(TcpState::CloseWait);
const LA: Next = Next::To(TcpState::LastAck);
const TW: Next = Next::To(TcpState::TimeWait);
const CL: Next = Next::To(TcpState::Close);
const S2: Next = Next::To(TcpState::SynSent2);
const IG: Next = Next::Ignore;
const IV: Next = Next::Invalid;

#[rustfmt::skip]
static ORIGINAL: Table = [
    //              None  SynS  SynR  Estb  FinW  ClsW  LstA  TimW  Clos  SyS2
    /* syn     */ [  SS,   SS,   IG,   IG,   IG,   IG,   IG,   SS,   SS,   S2 ],
    /* syn/ack */ [  IV,   IV,   SR,   IV,   IV,   IV,   IV,   IV,   IV,   SR ],
    /* fin     */ [  IV,   IV,   FW,   FW,   LA,   LA,   LA,   TW,   CL,   IV ],
    /* ack     */ [  ES,   IV,   ES,   ES,   CW,   CW,   TW,   TW,   CL,   IV ],
    /* rst     */ [  IV,   CL,   CL,   CL,   CL,   CL,   CL,   CL,   CL,   CL ],
    /* none    */ [  IV,   IV,   IV,   IV,   IV,   IV,   IV,   IV,   IV,   IV ],
];

#[rustfmt::skip]
static REPLY: Table = [
    //              None  SynS  SynR  Estb  FinW  ClsW  LstA  TimW  Clos  SyS2
    /* syn     */ [  IV,   S2,   IV,   IV,   IV,   IV,   IV,   SS,   IV,   S2 ],
    /* syn/ack */ [  IV,   SR,   IG,   IG,   IG,   IG,   IG,   IG,   IG,   SR ],
    /* fin     */ [  IV,   IV,   FW,   FW,   LA,   LA,   LA,   TW,   CL,   IV ],
    /* ack     */ [  IV,   IG,   SR,   ES,   CW,   CW,   TW,   TW,   CL,   IG ],
    /* rst     */ [  IV,   CL,   CL,   CL,   CL,   CL,   CL,   CL,   CL,   CL ],
    /* none    */ [  IV,   IV,   IV,   IV,   IV,   IV,   IV,   IV,   IV,   IV ],
];

// Surprising cells:
// - an ACK out of nothing is taken for a connection that is older than this host (`nf_conntrack_tcp_loose`);
// - a SYN in an open connection is ignored: if both ends are in sync its receiver answers with a challenge ACK or RST
//   (RFC 5961), and if not, its SYN/ACK shows that we have been wrong;
// - an ACK in reply to a SYN is ignored for the same reason: it may be the challenge ACK of a connection half forgotten;
// - a FIN from either end in FIN_WAIT leads on to LAST_ACK, since a repeated FIN cannot be told from the other one;
// - a SYN that reopens TIME_WAIT from the reply side is taken, as server and client may have changed places.

#[rustfmt::skip]
const SENSIBLE: [TcpFlags; 9] = [
    TcpFlags::SYN,
    TcpFlags::SYN.union(TcpFlags::URG),
    TcpFlags::SYN.union(TcpFlags::ACK),
    TcpFlags::RST,
    TcpFlags::RST.union(TcpFlags::ACK),
    TcpFlags::FIN.union(TcpFlags::ACK),
    TcpFlags::FIN.union(TcpFlags::ACK).union(TcpFlags::URG),
    TcpFlags::ACK,
    TcpFlags::ACK.union(TcpFlags::URG),
];
