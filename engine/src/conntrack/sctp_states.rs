//! SCTP as seen from the middle: what a chunk does to an association's state.
//!
//! | | state | the association |
//! |---|---|---|
//! | `CL` | closed | only INIT was seen, or it was aborted or shut down |
//! | `CW` | cookie wait | INIT ACK was seen |
//! | `CE` | cookie echoed | the client has sent the cookie back |
//! | `ES` | established | COOKIE ACK was seen |
//! | `SS` `SR` | shutdown sent, received | the client, or the server, wants to end it |
//! | `SA` | shutdown ack sent | the other side agrees |
//! | `HS` | heartbeat sent | another path of an association that began elsewhere is tried |
//!
//! The cells that packets reach were asked of Linux 6.18 (scenarios `sctp-states-*`). The answers' column before anything
//! was seen, and most of those after a heartbeat, are as the source has them (`net/netfilter/nf_conntrack_proto_sctp.c`,
//! `sctp_conntracks`). RFC 9260.

use serde::{Deserialize, Serialize};

use super::tuple::Direction;

/// The state of an association.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SctpState {
    /// Nothing was seen.
    #[default]
    None,
    /// Only INIT was seen, or it is over.
    Closed,
    /// INIT ACK was seen.
    CookieWait,
    /// The cookie was sent back.
    CookieEchoed,
    /// Data may flow.
    Established,
    /// The client wants to end it.
    ShutdownSent,
    /// The server wants to end it.
    ShutdownReceived,
    /// The other side agrees to end it.
    ShutdownAckSent,
    /// A path of an association that began elsewhere is tried.
    HeartbeatSent,
}

impl SctpState {
    /// All of them, in Linux's order.
    pub const ALL: [Self; 9] = [
        Self::None,
        Self::Closed,
        Self::CookieWait,
        Self::CookieEchoed,
        Self::Established,
        Self::ShutdownSent,
        Self::ShutdownReceived,
        Self::ShutdownAckSent,
        Self::HeartbeatSent,
    ];

    /// The word that listings use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Closed => "CLOSED",
            Self::CookieWait => "COOKIE_WAIT",
            Self::CookieEchoed => "COOKIE_ECHOED",
            Self::Established => "ESTABLISHED",
            Self::ShutdownSent => "SHUTDOWN_SENT",
            Self::ShutdownReceived => "SHUTDOWN_RECD",
            Self::ShutdownAckSent => "SHUTDOWN_ACK_SENT",
            Self::HeartbeatSent => "HEARTBEAT_SENT",
        }
    }

    /// The word in XML: conntrack(8) 1.4.7 takes the name of TCP's state of that number.
    #[must_use]
    pub const fn xml_name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Closed => "SYN_SENT",
            Self::CookieWait => "SYN_RECV",
            Self::CookieEchoed => "ESTABLISHED",
            Self::Established => "FIN_WAIT",
            Self::ShutdownSent => "CLOSE_WAIT",
            Self::ShutdownReceived => "LAST_ACK",
            Self::ShutdownAckSent => "TIME_WAIT",
            Self::HeartbeatSent => "CLOSE",
        }
    }
}

/// The kind of a chunk (RFC 9260, section 3.2). Unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChunkKind(pub(super) u8);

#[rustfmt::skip]
impl ChunkKind {
    pub(super) const DATA: Self              = Self(0);
    pub(super) const INIT: Self              = Self(1);
    pub(super) const INIT_ACK: Self          = Self(2);
    pub(super) const HEARTBEAT: Self         = Self(4);
    pub(super) const HEARTBEAT_ACK: Self     = Self(5);
    pub(super) const ABORT: Self             = Self(6);
    pub(super) const SHUTDOWN: Self          = Self(7);
    pub(super) const SHUTDOWN_ACK: Self      = Self(8);
    pub(super) const ERROR: Self             = Self(9);
    pub(super) const COOKIE_ECHO: Self       = Self(10);
    pub(super) const COOKIE_ACK: Self        = Self(11);
    pub(super) const SHUTDOWN_COMPLETE: Self = Self(14);
}

/// Where a chunk leads; `None`: it cannot come in this state. Chunks that are not in the table change nothing.
pub(super) fn next(direction: Direction, state: SctpState, kind: ChunkKind) -> Option<SctpState> {
    let table = match direction {
        Direction::Original => &ORIGINAL,
        Direction::Reply => &REPLY,
    };
    match table.iter().find(|(known, _)| *known == kind) {
        Some((_, row)) => row[state as usize],
        None => Some(state),
    }
}

type Table = [(ChunkKind, [Option<SctpState>; 9]); 11];

#[rustfmt::skip]
static ORIGINAL: Table = [
    //                              None Clos CkWt CkEc Estb ShSn ShRc ShAk HbSn
    (ChunkKind::INIT,              [CL,  CL,  CW,  CE,  ES,  CL,  CL,  SA,  CW ]),
    (ChunkKind::INIT_ACK,          [CL,  CL,  CW,  CE,  ES,  SS,  SR,  SA,  CL ]),
    (ChunkKind::ABORT,             [CL,  CL,  CL,  CL,  CL,  CL,  CL,  CL,  CL ]),
    (ChunkKind::SHUTDOWN,          [CL,  CL,  CW,  CE,  SS,  SS,  SR,  SA,  CL ]),
    (ChunkKind::SHUTDOWN_ACK,      [SA,  CL,  CW,  CE,  ES,  SA,  SA,  SA,  SA ]),
    (ChunkKind::ERROR,             [CL,  CL,  CW,  CE,  ES,  SS,  SR,  SA,  CL ]),
    (ChunkKind::COOKIE_ECHO,       [CL,  CL,  CE,  CE,  ES,  SS,  SR,  SA,  CL ]),
    (ChunkKind::COOKIE_ACK,        [CL,  CL,  CW,  ES,  ES,  SS,  SR,  SA,  CL ]),
    (ChunkKind::SHUTDOWN_COMPLETE, [CL,  CL,  CW,  CE,  ES,  SS,  SR,  CL,  CL ]),
    (ChunkKind::HEARTBEAT,         [HS,  CL,  CW,  CE,  ES,  SS,  SR,  SA,  HS ]),
    (ChunkKind::HEARTBEAT_ACK,     [CL,  CL,  CW,  CE,  ES,  SS,  SR,  SA,  HS ]),
];

#[rustfmt::skip]
static REPLY: Table = [
    //                              None Clos CkWt CkEc Estb ShSn ShRc ShAk HbSn
    (ChunkKind::INIT,              [IV,  CL,  CW,  CE,  ES,  SS,  SR,  SA,  IV ]),
    (ChunkKind::INIT_ACK,          [IV,  CW,  CW,  CE,  ES,  SS,  SR,  SA,  IV ]),
    (ChunkKind::ABORT,             [IV,  CL,  CL,  CL,  CL,  CL,  CL,  CL,  IV ]),
    (ChunkKind::SHUTDOWN,          [IV,  CL,  CW,  CE,  SR,  SS,  SR,  SA,  IV ]),
    (ChunkKind::SHUTDOWN_ACK,      [IV,  CL,  CW,  CE,  ES,  SA,  SA,  SA,  IV ]),
    (ChunkKind::ERROR,             [IV,  CL,  CW,  CL,  ES,  SS,  SR,  SA,  IV ]),
    (ChunkKind::COOKIE_ECHO,       [IV,  CL,  CE,  CE,  ES,  SS,  SR,  SA,  IV ]),
    (ChunkKind::COOKIE_ACK,        [IV,  CL,  CW,  ES,  ES,  SS,  SR,  SA,  IV ]),
    (ChunkKind::SHUTDOWN_COMPLETE, [IV,  CL,  CW,  CE,  ES,  SS,  SR,  CL,  IV ]),
    (ChunkKind::HEARTBEAT,         [IV,  CL,  CW,  CE,  ES,  SS,  SR,  SA,  HS ]),
    (ChunkKind::HEARTBEAT_ACK,     [IV,  CL,  CW,  CE,  ES,  SS,  SR,  SA,  ES ]),
];

const CL: Option<SctpState> = Some(SctpState::Closed);
const CW: Option<SctpState> = Some(SctpState::CookieWait);
const CE: Option<SctpState> = Some(SctpState::CookieEchoed);
const ES: Option<SctpState> = Some(SctpState::Established);
const SS: Option<SctpState> = Some(SctpState::ShutdownSent);
const SR: Option<SctpState> = Some(SctpState::ShutdownReceived);
const SA: Option<SctpState> = Some(SctpState::ShutdownAckSent);
const HS: Option<SctpState> = Some(SctpState::HeartbeatSent);
const IV: Option<SctpState> = None;
