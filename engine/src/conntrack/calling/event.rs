//! What is told about helpers.

use alloc::{format, string::String};
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::conntrack::{Address, Family, HelperId, Tuple, helper::HelperFailure};

/// Something that happened with a helper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelperEvent {
    /// A call failed.
    Failed {
        /// Which helper.
        helper: HelperId,
        /// The original tuple of the connection whose payload it read.
        connection: Tuple,
        /// How.
        failure: HelperFailure,
    },
    /// It wished for something that it may not have. Nothing of it was granted.
    Refused {
        /// Which helper.
        helper: HelperId,
        /// The original tuple of the connection whose payload it read.
        connection: Tuple,
        /// What.
        refusal: Refusal,
    },
    /// It failed too often on what a client's connections say, and is shown no more of them for
    /// [`HELPER_FAILURES_WINDOW`](crate::limits::HELPER_FAILURES_WINDOW) from the first failure on.
    Barred {
        /// Which helper.
        helper: HelperId,
        /// The client; of IPv6 the first 64 bits of its address.
        client: IpAddr,
    },
    /// It failed for too many clients and is not called any more.
    Quarantined(HelperId),
    /// It has left a connection, and nothing is expected any more that the connection has announced.
    Detached {
        /// Which helper.
        helper: HelperId,
        /// The original tuple of the connection.
        connection: Tuple,
        /// Why.
        why: Departure,
    },
    /// Segments have waited in vain for the rest of a line, and go on as they are; or lines go on unread for another reason. It is told once
    /// of a stream, and counted each time.
    GivenUp {
        /// Which helper.
        helper: HelperId,
        /// The original tuple of the connection whose segments they are.
        connection: Tuple,
        /// Why.
        why: GivenUp,
    },
}

/// Why a helper leaves a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Departure {
    /// It does not begin as the helper's protocol does: with another word
    /// ([`Manifest::openings`](crate::conntrack::helper::Manifest::openings)), or not with text.
    Beginning,
    /// It speaks another protocol: the helper has said so, or it has gone over to what is no text.
    Foreign,
    /// Its beginning was not read, or something of it was forgotten to make room, so that nobody can say which protocol it speaks.
    Unbegun,
    /// More of it goes on unread than its protocol would need: lines that are too long, too many of them, lines of concern behind
    /// bytes that are missing, or ones that the helper is not shown since it has failed too often on what its client says.
    Unread,
}

impl Departure {
    /// It as the rest of a sentence that speaks of the connection.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Beginning => "which does not begin as its protocol does",
            Self::Foreign => "which does not speak its protocol, or says what nobody has asked for",
            Self::Unbegun => "whose beginning was not read",
            Self::Unread => "of which too much goes on unread",
        }
    }
}

/// Why a line is not read, or not in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GivenUp {
    /// They have waited for [`LINE_HELD_TIME`](crate::limits::LINE_HELD_TIME).
    Time,
    /// They are more than [`LINE_BYTES_HELD_MAX`](crate::limits::LINE_BYTES_HELD_MAX) bytes, or than
    /// [`LINE_SEGMENTS_HELD_MAX`](crate::limits::LINE_SEGMENTS_HELD_MAX).
    Length,
    /// They are as many, and wait for what lies before them.
    Gap,
    /// All that wait hold [`LINES_HELD_BYTES_MAX`](crate::limits::LINES_HELD_BYTES_MAX).
    Memory,
    /// All that wait hold that much, or all that is remembered is [`REMEMBERED_BYTES_MAX`](crate::limits::REMEMBERED_BYTES_MAX), and the
    /// connection's client has most of it and more than its share ([`LINES_HELD_SHARE_BYTES`](crate::limits::LINES_HELD_SHARE_BYTES),
    /// [`REMEMBERED_SHARE_BYTES`](crate::limits::REMEMBERED_SHARE_BYTES)).
    Share,
    /// None wait: what was remembered of the connection has made room, because all that is remembered would be more than
    /// [`REMEMBERED_BYTES_MAX`](crate::limits::REMEMBERED_BYTES_MAX).
    Forgotten,
    /// None wait: a packet holds more lines than a helper answers on ([`HELPER_LINES_MAX`](crate::limits::HELPER_LINES_MAX)) or is shown
    /// ([`HELPER_LINES_ASKED_MAX`](crate::limits::HELPER_LINES_ASKED_MAX)), and the others go on unread.
    Lines,
}

impl GivenUp {
    /// It as a sentence without its end.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Time => "the rest of the line has not come in time",
            Self::Length => "the line is too long",
            Self::Gap => "too much waits for what lies before it",
            Self::Memory => "too much waits on other connections",
            Self::Share => "too much waits or is remembered, and most of it for its client",
            Self::Lines => "the packet holds too many",
            Self::Forgotten => "what was remembered of it has made room for other connections",
        }
    }
}

/// What a wish is refused for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// It names this host, which is not the endpoint of the master that its direction leads to.
    ThirdParty(Address),
    /// It names this port, below 1024, where services of a host wait.
    ServicePort(u16),
    /// It names this port, outside of its class.
    Port(u16),
    /// It is for another protocol than its class.
    Protocol,
    /// Its direction is not the one of its class.
    Direction,
    /// More could open it than its class allows.
    Opener,
    /// It would stay after its first use, which its class does not allow.
    Permanent,
    /// It asks for rewriting, which the manifest forbids.
    Rewriting,
    /// It makes a payload longer by this many bytes, more than the manifest allows.
    RewriteSize(u32),
    /// It makes a payload shorter by this many bytes, more than the manifest allows: what stands there is that long.
    RewriteLoss(u32),
    /// It would take the place of this many bytes, more than
    /// [`HELPER_SITE_BYTES_MAX`](crate::limits::HELPER_SITE_BYTES_MAX): what stands there is that long.
    SiteSize(u32),
    /// It would be one more than these expectations, which are as many as may wait for one client's connections
    /// (`towpath.helper.expect_max_per_client`).
    Share(u32),
    /// It names this port, and outside that one and all that were drawn in its place are published or served.
    Held(u16),
    /// It names an endpoint in bytes that have gone on before the rest of their line came.
    Sent,
}

impl Refusal {
    /// What it is that the helper may not do: the rest of a sentence that starts with `it may not`. `family` is the
    /// connection's.
    #[must_use]
    pub fn in_words(self, family: Family) -> String {
        match self {
            Self::ThirdParty(host) => {
                format!("expect {}, which is not the end of the connection that it leads to", host.to_ip(family))
            }
            Self::ServicePort(port) => format!("expect port {port}, where a service may wait"),
            Self::Port(port) => format!("expect port {port}"),
            Self::Protocol => "expect that protocol".into(),
            Self::Direction => "expect that direction".into(),
            Self::Opener => "expect a connection that so many could open".into(),
            Self::Permanent => "expect more than one connection".into(),
            Self::Rewriting => "rewrite a payload".into(),
            Self::RewriteSize(bytes) => format!("make a payload longer by {bytes} bytes"),
            Self::RewriteLoss(bytes) => format!("make a payload shorter by {bytes} bytes"),
            Self::SiteSize(bytes) => format!("rewrite {bytes} bytes, which is longer than any endpoint"),
            Self::Share(most) => {
                format!("expect more for this client, for whom {most} connections are expected already")
            }
            Self::Held(port) => {
                format!("expect port {port}, which is published or served outside, as are others in its place")
            }
            Self::Sent => "rewrite what was sent already".into(),
        }
    }

    /// Whether it is the payload, or how many there have been of its kind, that is refused: an honest helper repeats what it reads. The
    /// packet goes on as it is then, as Linux lets go what names a third party, and the helper has not failed.
    #[must_use]
    pub const fn is_of_payload(self) -> bool {
        match self {
            Self::ThirdParty(_)
            | Self::ServicePort(_)
            | Self::Port(_)
            | Self::Share(_)
            | Self::Held(_)
            | Self::RewriteLoss(_)
            | Self::SiteSize(_)
            | Self::Sent => true,
            Self::Protocol
            | Self::Direction
            | Self::Opener
            | Self::Permanent
            | Self::Rewriting
            | Self::RewriteSize(_) => false,
        }
    }
}
