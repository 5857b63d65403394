//! TCP Fast Open (RFC 7413): data go with the SYN to who has shown before that its address is its own.
//!
//! ```text
//!  client                                     server
//!    SYN <fast open>            ─────────►      cookie = hash(key, both addresses)
//!                               ◄─────────    SYN, ACK <fast open, cookie>
//!    … later
//!    SYN <fast open, cookie> data ───────►      right: the connection is there, and its data can be read and answered
//!                               ◄─────────    SYN, ACK of the data │ data of the answer
//!    ACK                        ─────────►      only now is it known that the client hears
//! ```
//!
//! What goes wrong costs a round trip and no more: a server that does not know the cookie, or acknowledges the SYN alone, gets the
//! data again behind it; a SYN that is lost is sent again without them; and a client that sees boxes in the way lose such
//! connections pauses.
//!
//! | file | what |
//! |---|---|
//! | `key` | keys and cookies of a server |
//! | `peers`, `pause` | what a client remembers: cookies, beside what else is known of [destinations](super::destinations), and that the way does not take them |
//! | `active` | connections that open fast |
//! | `passive` | connections that are opened fast, until their handshake is done |
//! | `queue` | how many of those a listener has |
//!
//! Linux v6.18: `net/ipv4/tcp_fastopen.c`, and where its functions are called. Here the key that an engine takes when none is set is
//! made of its other secrets, so that a snapshot has it; it is not shown, where Linux shows its own once it is in use.

mod active;
pub mod key;
mod passive;
mod pause;
mod peers;
mod queue;

use serde::{Deserialize, Serialize};

pub use key::FastOpenKeys;
pub(crate) use passive::{Judged, Presented};
pub(super) use peers::Peer;
pub(crate) use queue::Queue;

use self::{
    passive::Handshake,
    pause::{Pause, Standing},
    peers::Tried,
};
use crate::{
    limits::FAST_OPEN_QUEUE_MAX,
    sysctl::Sysctls,
    time::Instant,
    wire::fast_open::{FastOpenCookie, FastOpenOption},
};

/// Bits of `net.ipv4.tcp_fastopen` (Linux: `TFO_CLIENT_ENABLE` and those behind it).
pub(crate) const CLIENT: u32 = 0x1;
pub(crate) const SERVER: u32 = 0x2;
pub(super) const CLIENT_WITHOUT_COOKIE: u32 = 0x4;
pub(super) const SERVER_WITHOUT_COOKIE: u32 = 0x200;
pub(crate) const ALL_LISTENERS: u32 = 0x400;

/// What an engine knows of Fast Open beside its connections.
#[derive(Debug, Default)]
pub(crate) struct FastOpen {
    pause: Pause,
    pub(crate) counters: FastOpenCounters,
}

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $field:ident: $name:literal;)+) => {
        /// What Linux counts of Fast Open in `/proc/net/netstat`, under its names in words. All counters wrap.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct FastOpenCounters {
            $($(#[doc = $doc])+ pub $field: u64,)+
        }

        impl FastOpenCounters {
            /// All of them under Linux's names.
            #[must_use]
            pub const fn named(&self) -> [(&'static str, u64); [$($name),+].len()] {
                [$(($name, self.$field)),+]
            }
        }
    };
}

counters! {
    /// Connections whose data in the SYN were acknowledged.
    active: "TCPFastOpenActive";
    /// Connections whose data in the SYN were not, or that were lost to boxes in the way.
    active_fail: "TCPFastOpenActiveFail";
    /// Connections that were taken with their SYN.
    passive: "TCPFastOpenPassive";
    /// SYNs with a cookie that was not right, or for which there was no room.
    passive_fail: "TCPFastOpenPassiveFail";
    /// SYNs that a listener had no place left for.
    listen_overflow: "TCPFastOpenListenOverflow";
    /// SYNs that asked for a cookie.
    cookie_reqd: "TCPFastOpenCookieReqd";
    /// Pauses for boxes in the way.
    blackhole: "TCPFastOpenBlackhole";
    /// Connections that were taken with a cookie of the backup key.
    passive_alt_key: "TCPFastOpenPassiveAltKey";
}

/// Why data did not go with a SYN, or not with success (`tcpi_fastopen_client_fail`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nothing is known.
    #[default]
    Unspecified,
    /// There is no cookie of the server.
    NoCookie,
    /// The server has acknowledged the SYN alone.
    NotAcknowledged,
    /// The SYN had to be sent again.
    Resent,
}

/// What a connection knows of its Fast Open.
#[derive(Debug, Default)]
pub(super) struct Opening {
    /// Its SYN waits for the first data (`TCP_FASTOPEN_CONNECT`).
    pub(super) is_deferred: bool,
    /// Its SYN has had the option (Linux: `syn_fastopen`), and in the form of kind 254.
    pub(super) has_option: bool,
    pub(super) is_experimental: bool,
    /// Data went with the SYN, and were acknowledged with it; or they came with it (Linux: `syn_data`, `syn_data_acked`).
    pub(super) has_data: bool,
    /// How many bytes went.
    pub(super) bytes: usize,
    pub(super) is_data_taken: bool,
    pub(super) failure: Failure,
    /// Whoever has begun it has not heard yet that it stands.
    pub(super) is_untold: bool,
    /// How it ends tells whether Fast Open has to pause again.
    pub(super) is_on_trial: bool,
    /// It has ended with the other end's FIN, and nothing of what was before it.
    pub(super) has_lone_fin: bool,
    /// It was opened fast from there, and that its user hears is not known yet.
    pub(super) handshake: Option<Handshake>,
}

/// What a SYN is to be.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    /// The option that it has.
    pub(super) option: Option<FastOpenOption>,
    /// Data may go with it.
    pub(super) takes_data: bool,
    /// The MSS that the server has named before.
    pub(super) mss_bytes: Option<u16>,
    pub(super) failure: Failure,
    pub(super) is_on_trial: bool,
}

impl FastOpen {
    /// What a SYN to a server is to be (Linux v6.18: `tcp_fastopen_cookie_check()`).
    pub(super) fn ask(&self, now: Instant, sysctls: &Sysctls, server: Peer, needs_no_cookie: bool) -> Asked {
        let Peer { mss_bytes, cookie, tried } = server;
        let standing = self.pause.standing(now, sysctls.tcp_fastopen_blackhole_timeout_sec);
        let asked = Asked { mss_bytes, is_on_trial: standing == Standing::OnTrial, ..Asked::default() };
        if standing == Standing::Paused {
            return asked;
        }
        if needs_no_cookie || sysctls.tcp_fastopen & CLIENT_WITHOUT_COOKIE != 0 {
            return Asked { takes_data: true, ..asked };
        }
        if cookie.is_some() {
            return Asked { option: cookie, takes_data: true, ..asked };
        }
        let request = FastOpenOption { cookie: FastOpenCookie::default(), is_experimental: tried == Tried::Usual };
        Asked { option: Some(request), failure: Failure::NoCookie, ..asked }
    }

    /// A box in the way does not take Fast Open: nobody opens fast for a while.
    pub(super) fn begin_pause(&mut self, now: Instant, sysctls: &Sysctls) {
        if self.pause.begin(now, sysctls.tcp_fastopen_blackhole_timeout_sec) {
            self.counters.blackhole = self.counters.blackhole.wrapping_add(1);
        }
    }

    /// The way takes Fast Open, or the operator says that it is to be tried.
    pub(crate) fn end_pause(&mut self) {
        self.pause.end();
    }

    /// What a snapshot holds.
    pub(crate) const fn record(&self) -> FastOpenRecord {
        FastOpenRecord { pause: self.pause }
    }

    /// That of a snapshot, which has counted nothing.
    pub(crate) fn restore(record: FastOpenRecord) -> Self {
        Self { pause: record.pause, counters: FastOpenCounters::default() }
    }
}

/// What a snapshot holds of Fast Open: whether it pauses. That of this host's own key is that of its other secrets and tunables, and servers'
/// cookies are with what else is known of destinations.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct FastOpenRecord {
    pause: Pause,
}

impl Sysctls {
    /// Whether sockets may open fast.
    pub(crate) const fn opens_fast(&self) -> bool {
        self.tcp_fastopen & CLIENT != 0
    }

    /// How many connections a new listener takes fast that has not said how many.
    pub(crate) fn fast_listeners(&self, backlog: u32) -> u32 {
        let both = SERVER | ALL_LISTENERS;
        if self.tcp_fastopen & both == both { backlog.min(self.somaxconn).min(FAST_OPEN_QUEUE_MAX) } else { 0 }
    }
}
