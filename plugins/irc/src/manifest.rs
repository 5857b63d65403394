//! What the helper asks to be allowed: the figures.

/// The port of IRC servers (RFC 1459, section 8.12.1; RFC 7194 says the same of unencrypted IRC).
pub const PORT: u16 = 6667;

/// The word with which a client's first line may begin: a command that registers it, or another server (RFC 2812, section 3.1; RFC 2813,
/// section 4.1; IRCv3's CAP; WEBIRC of gateways), or that comes before. Everything else the server refuses until that is done.
pub(crate) const OPENINGS: [&[u8]; 10] =
    [b"CAP", b"JOIN", b"NICK", b"PASS", b"PING", b"QUIT", b"SERVER", b"STARTTLS", b"USER", b"WEBIRC"];

/// Offers that may wait at once. Linux v6.18: net/netfilter/nf_conntrack_irc.c, `max_dcc_channels`.
pub const EXPECTED_MAX: u16 = 8;

/// How long an offer waits. Linux v6.18: net/netfilter/nf_conntrack_irc.c, `dcc_timeout`.
pub const EXPECT_SECONDS: u32 = 300;

/// How many bytes a rewrite may add or remove: `1 1` (3 bytes) to an IPv6 address in full and a port (45 bytes), and what is
/// between both numbers is one space afterwards.
pub const REWRITE_BYTES_MAX: u16 = 64;

/// Fuel for one call: twice what the worst payload of 64 KB takes, some 40 a byte.
pub const FUEL_PER_CALL: u64 = 8_000_000;

/// Linear memory: the payload of 64 KB, the stack and the code's data, twice over.
pub(crate) const MEMORY_BYTES_MAX: u32 = 512 * 1024;
