//! What the helper asks to be allowed: the figures behind the manifest, shared by all who wrap this crate.

/// The name that rules use.
pub const NAME: &str = "ftp";

/// The server's port that FTP control connections go to (RFC 959, 5.2).
pub const PORT: u16 = 21;

/// What a payload must start with, or any of its lines, to be worth a look; case does not matter: what names an endpoint, and what asks for
/// one.
pub const TRIGGERS: [&[u8]; 7] = [b"PORT", b"EPRT", b"PASV", b"P@SW", b"EPSV", b"227 ", b"229 "];

/// How many commands are remembered that ask for an endpoint and are not answered yet, a byte each. A client that waits for each answer
/// has one, and some that were refused.
pub const ASKED_MAX: usize = 16;

/// The word with which a client's first line may begin: one of the commands of RFC 959, and of those after it (RFC 2228, 2389, 2640, 7151;
/// IANA's registry of FTP commands, RFC 5797), that a client may give before it has logged in. Everything else comes later.
pub const OPENINGS: [&[u8]; 14] = [
    b"AUTH", b"CLNT", b"CSID", b"FEAT", b"HELP", b"HOST", b"LANG", b"NOOP", b"OPEN", b"OPTS", b"QUIT", b"SITE",
    b"SYST", b"USER",
];

/// Name of the one class of expectations.
pub const CLASS: &str = "data";

/// One data connection waits at a time; a new command replaces the old.
/// Linux v6.18: net/netfilter/nf_conntrack_ftp.c, `ftp_exp_policy`.
pub const EXPECTED_MAX: u16 = 1;

/// How long it waits. Linux v6.18: net/netfilter/nf_conntrack_ftp.c, `ftp_exp_policy`.
pub const EXPECT_SECONDS: u32 = 300;

/// How many bytes a rewrite may add or remove.
///
/// The longest growth is 41 bytes: `|2|::|1|` to an IPv6 address in full and a port of five digits. To shrink by more,
/// a command must carry dozens of leading zeros, which no client writes.
pub const REWRITE_BYTES_MAX: u16 = 64;

/// Fuel for one call: twice what the worst payload of 64 KB takes, some 90 a byte.
pub const FUEL_PER_CALL: u64 = 12_000_000;

/// Linear memory: the payload of 64 KB, the stack and the code's data, twice over.
pub const MEMORY_BYTES_MAX: u32 = 512 * 1024;
