//! What the helper asks to be allowed: the figures behind the manifest, shared by all who wrap this crate.

/// The name that rules use.
pub const NAME: &str = "ftp";

/// The server's port that FTP control connections go to (RFC 959, 5.2).
pub const PORT: u16 = 21;

/// What a payload must start with, or any of its lines, to be worth a look; case does not matter.
pub const TRIGGERS: [&[u8]; 4] = [b"PORT", b"EPRT", b"227 ", b"229 "];

/// How a client's first line may begin: with a command of RFC 959 or of those after it, as IANA's registry of FTP commands lists them
/// (RFC 5797), or with one of the older X forms. What could begin a request of HTTP has its blank.
pub const OPENINGS: [&[u8]; 65] = [
    b"ABOR", b"ACCT", b"ADAT", b"ALGS", b"ALLO", b"APPE", b"AUTH", b"CCC", b"CDUP", b"CLNT", b"CONF", b"CSID", b"CWD",
    b"DELE ", b"ENC", b"EPRT", b"EPSV", b"FEAT", b"HELP", b"HOST ", b"LANG", b"LIST", b"LPRT", b"LPSV", b"MDTM",
    b"MFMT", b"MIC ", b"MKD ", b"MLSD", b"MLST", b"MODE ", b"NLST", b"NOOP", b"OPEN ", b"OPTS ", b"PASS", b"PASV",
    b"PBSZ ", b"PORT ", b"PROT ", b"PWD", b"QUIT", b"REIN", b"REST ", b"RETR ", b"RMD ", b"RNFR ", b"RNTO ", b"SITE",
    b"SIZE ", b"SMNT ", b"SPSV", b"STAT", b"STOR ", b"STOU", b"STRU ", b"SYST", b"TYPE ", b"USER", b"XCRC ", b"XCUP",
    b"XCWD ", b"XMKD ", b"XPWD", b"XRMD ",
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
