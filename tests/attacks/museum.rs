//! The museum: what each attack does, and what comes of it.

use towpath_engine::DropReason;

/// An attack.
pub(crate) struct Attack {
    /// Its capture, `captures/attacks/FILE.pcap`.
    pub(crate) file: &'static str,
    /// The number by which it is known, if it has one.
    pub(crate) known: &'static str,
    /// What it does.
    pub(crate) what: &'static str,
    /// The server's port.
    pub(crate) port: u16,
    /// Who sends the payloads.
    pub(crate) from: Side,
    /// Its payloads, a segment each. One behind [`ASKS`] is the client's, and one behind [`UNSEEN`] does not come by here; [`OUT`] and
    /// [`BACK`] stand before a whole segment of either direction, which somebody else may send and its receiver may never get.
    pub(crate) payloads: &'static [&'static str],
    /// What comes of the last one.
    pub(crate) end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It passes, and nobody takes it for a command.
    Ignored,
    /// It passes, but names another port than this one, which stays whose it is.
    Elsewhere(u16),
    /// It passes as it is; what it asks for is refused, and that is told.
    Refused(&'static str),
    /// It passes, and the connection, which speaks something else, has lost its helper, which is told.
    Left,
    /// It waits for the rest of its line.
    Held,
    /// It is dropped.
    Dropped(DropReason),
}

/// Before a payload of the client's, whoever sends the others.
pub(crate) const ASKS: &str = "ASKS ";
/// Before a payload of which its receiver knows, and the gateway does not.
pub(crate) const UNSEEN: &str = "UNSEEN ";
/// Before a segment from the client's address.
pub(crate) const OUT: &str = "OUT ";
/// Before a segment from the server's.
pub(crate) const BACK: &str = "BACK ";
/// FTP's port.
pub(crate) const FTP: u16 = 21;
/// IRC's port.
pub(crate) const IRC: u16 = 6667;
/// `000…`: what makes a command long.
const ZEROS: &str =
    concat!("00000000000000000000000000000000000000000000000000", "00000000000000000000000000000000000000000000000000");

/// Eight lines that look like commands.
const LINES: &str =
    concat!(r"PORTa: 1\r\nPORTa: 1\r\nPORTa: 1\r\nPORTa: 1\r\n", r"PORTa: 1\r\nPORTa: 1\r\nPORTa: 1\r\nPORTa: 1\r\n");
/// NAT slipstreaming.
const SLIPSTREAMING: &str = "CVE-2020-16022";

/// How an honest client begins.
pub(crate) const fn hello(port: u16) -> &'static str {
    if port == FTP { r"USER anonymous\r\n" } else { r"NICK alice\r\n" }
}

#[rustfmt::skip]
pub(crate) static MUSEUM: &[Attack] = &[
    Attack { file: "irc-pong", known: "CVE-2022-2663",
        what: "a PING makes the client send a request in its PONG", port: IRC, from: Side::Client,
        payloads: &[r"PONG :\x01DCC SEND file.txt 167772162 8080 1234\x01\r\n"], end: End::Ignored },
    Attack { file: "irc-quoted", known: "CVE-2022-2663",
        what: "a request inside of quoted text", port: IRC, from: Side::Client,
        payloads: &[r"PRIVMSG bob :look: \x01DCC SEND file.txt 167772162 8080 1234\x01\r\n"], end: End::Ignored },
    Attack { file: "irc-third-party", known: "CVE-2022-2663",
        what: "an offer of an address of somebody else", port: IRC, from: Side::Client,
        payloads: &[r"PRIVMSG bob :\x01DCC SEND file.txt 167772169 8080 1234\x01\r\n"], end: End::Refused("ThirdParty") },
    Attack { file: "irc-server", known: "CVE-2002-0060",
        what: "an offer of the server's own address, for anybody", port: IRC, from: Side::Client,
        payloads: &[r"PRIVMSG bob :\x01DCC SEND file.txt 3325256711 8080 1234\x01\r\n"], end: End::Refused("ThirdParty") },
    Attack { file: "irc-other-kind", known: "CVE-2026-53268",
        what: "a request that is read in vain looks like one of another kind", port: IRC, from: Side::Client,
        payloads: &[r"PRIVMSG bob :\x01DCC SEND CHAT chat 167772162 8080 1\x01\r\n"], end: End::Ignored },
    Attack { file: "irc-cut-offer", known: "CVE-2026-53268",
        what: "a request ends where its address should start", port: IRC, from: Side::Client,
        payloads: &[r"PRIVMSG bob :\x01DCC SEND aaaaaaaaaaaaaaaaaa \r\n"], end: End::Ignored },
    Attack { file: "ftp-long-command", known: "CVE-2026-34956",
        what: "a command so long that its rewriting does not fit", port: FTP, from: Side::Client,
        payloads: &[r"PORT ZEROS10,0,0,2,20,162\r\n"], end: End::Refused("Rewriting") },
    Attack { file: "ftp-bounce-port", known: "CVE-1999-0017",
        what: "bounce: PORT names another host", port: FTP, from: Side::Client,
        payloads: &[r"PORT 10,0,0,9,20,162\r\n"], end: End::Refused("ThirdParty") },
    Attack { file: "ftp-bounce-eprt", known: "CVE-1999-0017",
        what: "bounce: EPRT names another host", port: FTP, from: Side::Client,
        payloads: &[r"EPRT |1|10.0.0.9|5282|\r\n"], end: End::Refused("ThirdParty") },
    Attack { file: "ftp-bounce-227", known: "CVE-1999-0017",
        what: "bounce: a server's 227 names another host", port: FTP, from: Side::Server,
        payloads: &[r"ASKS PASV\r\n", r"227 Entering Passive Mode (203,0,113,77,20,162)\r\n"], end: End::Refused("ThirdParty") },
    Attack { file: "ftp-slipstream", known: SLIPSTREAMING,
        what: "NAT slipstreaming: a form's body opens the victim's SSH", port: FTP, from: Side::Client,
        payloads: &[r"POST / HTTP/1.1\r\nContent-Length: 20\r\n\r\n", r"PORT 10,0,0,2,0,22\r\n"], end: End::Left },
    Attack { file: "ftp-slipstream-method", known: SLIPSTREAMING,
        what: "NAT slipstreaming: a page chooses a method that FTP knows, too", port: FTP, from: Side::Client,
        payloads: &[r"USER / HTTP/1.1\r\nHost: evil.example:21\r\nContent-Length: 24\r\n\r\n", r"PORT 10,0,0,2,13,61\r\n"], end: End::Left },
    Attack { file: "ftp-slipstream-look-up", known: SLIPSTREAMING,
        what: "NAT slipstreaming by a look-up in a dictionary: whoever gives the address chooses lines", port: FTP, from: Side::Client,
        payloads: &[r"CLIENT libcurl 8.5.0\r\n", r"PORT 10,0,0,2,13,61\r\n"], end: End::Left },
    Attack { file: "ftp-slipstream-pieces", known: SLIPSTREAMING,
        what: "NAT slipstreaming: a server whose window is a byte has the first line cut", port: FTP, from: Side::Client,
        payloads: &[r"P", r"O", r"ST / HTTP/1.1\r\n\r\n", r"PORT 10,0,0,2,13,61\r\n"], end: End::Left },
    Attack { file: "ftp-slipstream-desktop", known: SLIPSTREAMING,
        what: "NAT slipstreaming: a form's body opens the victim's desktop, a port that is no service's", port: FTP, from: Side::Client,
        payloads: &[r"POST / HTTP/1.1\r\nHost: evil.example:21\r\nContent-Length: 24\r\n\r\nPORT 10,0,0,2,13,61\r\n"], end: End::Left },
    Attack { file: "ftp-slipstream-eprt", known: SLIPSTREAMING,
        what: "NAT slipstreaming: a page's method and address are a command", port: FTP, from: Side::Client,
        payloads: &[r"EPRT /1/10.0.0.2/8080/ HTTP/1.1\r\nHost: evil.example:21\r\n\r\n"], end: End::Left },
    Attack { file: "ftp-slipstream-window", known: SLIPSTREAMING,
        what: "NAT slipstreaming: the same, and the server's window ends before what tells a browser", port: FTP, from: Side::Client,
        payloads: &[r"EPRT /1/10.0.0.2/8080/ HTTP/1.1\r\n"], end: End::Left },
    Attack { file: "ftp-slipstream-header", known: SLIPSTREAMING,
        what: "NAT slipstreaming: a header is a command, before what tells a request of HTTP", port: FTP, from: Side::Client,
        payloads: &[r"USER / HTTP/1.1\r\nPORT: 10,0,0,2,31,144\r\nHost: evil.example:21\r\n\r\n"], end: End::Left },
    Attack { file: "ftp-slipstream-header-alone", known: SLIPSTREAMING,
        what: "NAT slipstreaming: the same in segments of their own", port: FTP, from: Side::Client,
        payloads: &[r"USER / HTTP/1.1\r\n", r"PORT: 10,0,0,2,31,144\r\n", r"Host: evil.example:21\r\n\r\n"], end: End::Left },
    Attack { file: "ftp-slipstream-many-lines", known: SLIPSTREAMING,
        what: "NAT slipstreaming: more headers than a packet's lines that are shown", port: FTP, from: Side::Client,
        payloads: &[r"USER / HTTP/1.1\r\nLINESLINESHost: evil.example:21\r\n\r\n", r"PORT 10,0,0,2,31,144\r\n"], end: End::Left },
    Attack { file: "ftp-slipstream-news", known: SLIPSTREAMING,
        what: "NAT slipstreaming by a reader of news, whose first command FTP knows, too", port: FTP, from: Side::Client,
        payloads: &[r"MODE READER\r\n", r"PORT 10,0,0,2,31,144\r\n"], end: End::Left },
    Attack { file: "ftp-slipstream-turn", known: SLIPSTREAMING,
        what: "NAT slipstreaming by TURN: a page chooses the user name", port: FTP, from: Side::Client,
        payloads: &[r"\x00\x03\x00\x1c!\x12\xa4B\x01\x02\x03\x04\x05\x06\x07\x08\x11\x12\x13\x14\x00\x06\x00\x17\r\nPORT 10,0,0,2,13,61\r\n"], end: End::Left },
    Attack { file: "ftp-slipstream-tls", known: SLIPSTREAMING,
        what: "NAT slipstreaming by TLS: a server chooses the session that is resumed", port: FTP, from: Side::Client,
        payloads: &[r"\x16\x03\x01\x00\x60\x01\x00\x00\x5c\x03\x03", r"\r\nPORT 10,0,0,2,13,61\r\n"], end: End::Left },
    Attack { file: "ftp-slipstream-mail", known: SLIPSTREAMING,
        what: "NAT slipstreaming by mail: its text names the victim's desktop", port: FTP, from: Side::Client,
        payloads: &[r"EHLO office.example\r\n", r"DATA\r\n", r"PORT 10,0,0,2,13,61\r\n"], end: End::Left },
    Attack { file: "ftp-slipstream-long", known: SLIPSTREAMING,
        what: "NAT slipstreaming: the same behind a first line that is too long to be read", port: FTP, from: Side::Client,
        payloads: &[r"POST /ZEROSZEROSZEROSZEROSZEROSZEROSZEROSZEROSZEROSZEROS", r"ZEROSZEROSZEROSZEROSZEROSZEROSZEROSZEROSZEROSZEROS", r"ZEROSZEROSZEROSZEROSZEROSZEROSZEROSZEROSZEROSZEROS", r"ZEROSZEROSZEROSZEROSZEROSZEROSZEROSZEROSZEROSZEROS", r"ZEROSZEROSZEROSZEROSZEROSZEROSZEROSZEROSZEROSZEROS",
            r" HTTP/1.1\r\nHost: evil.example:21\r\n", r"Content-Length: 24\r\n\r\n", r"PORT 10,0,0,2,13,61\r\n"], end: End::Left },
    Attack { file: "ftp-slipstream-gap", known: SLIPSTREAMING,
        what: "NAT slipstreaming: what tells a browser does not come by here", port: FTP, from: Side::Client,
        payloads: &[r"USER / HTTP/1.1\r\n", r"UNSEEN Host: evil.example:21\r\n\r\n", "MANY", "MANY", "MANY", "MANY", "MANY",
            r"\r\nPORT 10,0,0,2,31,144\r\n", r"PORT 10,0,0,2,31,145\r\n"], end: End::Left },
    Attack { file: "ftp-slipstream-begins-anew", known: SLIPSTREAMING,
        what: "NAT slipstreaming: somebody's SYN says that the connection begins where a form's body does", port: FTP, from: Side::Client,
        payloads: &[r"OUT S seq 142 ttl 1", r"BACK SA seq 500 ack 143", r"POST / HTTP/1.1\r\nHost: evil.example:21\r\n\r\n", r"USER x\r\nPORT 10,0,0,2,31,144\r\n"], end: End::Left },
    Attack { file: "ftp-slipstream-begins-behind", known: SLIPSTREAMING,
        what: "NAT slipstreaming: the same SYN goes on to the server", port: FTP, from: Side::Client,
        payloads: &[r"OUT S seq 142", r"BACK SA seq 500 ack 143", r"POST / HTTP/1.1\r\nHost: evil.example:21\r\n\r\n", r"USER x\r\nPORT 10,0,0,2,31,144\r\n"], end: End::Left },
    Attack { file: "ftp-slipstream-race", known: SLIPSTREAMING,
        what: "NAT slipstreaming: a header is a command, and the server calls before what tells a browser", port: FTP, from: Side::Client,
        payloads: &[r"USER / HTTP/1.1\r\n", r"PORT: 10,0,0,2,31,144\r\n"], end: End::Left },
    Attack { file: "irc-slipstream", known: SLIPSTREAMING,
        what: "NAT slipstreaming by IRC: a service's port is offered", port: IRC, from: Side::Client,
        payloads: &[r"PRIVMSG bob :\x01DCC CHAT chat 167772162 445 12345\x01\r\n"], end: End::Left },
    Attack { file: "irc-service-port", known: "",
        what: "an offer of a service's port", port: IRC, from: Side::Client,
        payloads: &[r"PRIVMSG bob :\x01DCC CHAT chat 167772162 445 12345\x01\r\n"], end: End::Refused("ServicePort") },
    Attack { file: "irc-slipstream-rsync", known: SLIPSTREAMING,
        what: "NAT slipstreaming by rsync: whoever gives the address chooses a line", port: IRC, from: Side::Client,
        payloads: &[r"@RSYNCD: 31.0 sha512 md5\n", r"PRIVMSG bob :\x01DCC SEND file 167772162 5282 9\x01/\n"], end: End::Left },
    Attack { file: "irc-slipstream-call", known: SLIPSTREAMING,
        what: "NAT slipstreaming by a call (SIP), whose method IRC knows, too", port: IRC, from: Side::Client,
        payloads: &[r"INVITE sip:bob@evil.example SIP/2.0\r\nContent-Length: 60\r\n\r\n", r"PRIVMSG bob :\x01DCC SEND file 167772162 5282 9\x01\r\n"], end: End::Left },
    Attack { file: "irc-slipstream-desktop", known: SLIPSTREAMING,
        what: "NAT slipstreaming by IRC: a form's body offers the victim's desktop", port: IRC, from: Side::Client,
        payloads: &[r"POST / HTTP/1.1\r\nhost: evil.example:6667\r\n\r\n",
            r"PRIVMSG bob :\x01DCC CHAT chat 167772162 3389 12345\x01\r\n"], end: End::Left },
    Attack { file: "irc-twenty-digits", known: "",
        what: "an address of twenty digits", port: IRC, from: Side::Client,
        payloads: &[r"PRIVMSG bob :\x01DCC SEND file.txt 99999999999999999999 8080 1\x01\r\n"], end: End::Left },
    Attack { file: "irc-address-wraps", known: "",
        what: "an address that wraps to the client's own", port: IRC, from: Side::Client,
        payloads: &[r"PRIVMSG bob :\x01DCC CHAT chat 18446744073877323778 51201\x01\r\n"], end: End::Left },
    Attack { file: "irc-published-port", known: "",
        what: "an offer of a port that the gateway publishes for another host", port: IRC, from: Side::Client,
        payloads: &[r"PRIVMSG bob :\x01DCC CHAT chat 167772162 8443\x01\r\n"], end: End::Elsewhere(8443) },
    Attack { file: "ftp-twenty-digits", known: "",
        what: "a number of twenty digits in PORT", port: FTP, from: Side::Client,
        payloads: &[r"PORT 99999999999999999999,0,0,2,20,162\r\n"], end: End::Left },
    Attack { file: "ftp-number-wraps", known: "",
        what: "a number of twenty digits that wraps to the client's own", port: FTP, from: Side::Client,
        payloads: &[r"PORT 18446744073709551626,0,0,2,200,1\r\n"], end: End::Left },
    Attack { file: "ftp-port-wraps", known: "",
        what: "a port of twenty digits in EPRT", port: FTP, from: Side::Client,
        payloads: &[r"EPRT |1|10.0.0.2|18446744073709602817|\r\n"], end: End::Left },
    Attack { file: "irc-port-wraps", known: "",
        what: "a port that wraps to 0", port: IRC, from: Side::Client,
        payloads: &[r"PRIVMSG bob :\x01DCC SEND file.txt 167772162 65536 1\x01\r\n"], end: End::Ignored },
    Attack { file: "ftp-split", known: "",
        what: "a command that is split", port: FTP, from: Side::Client,
        payloads: &[r"PORT 10,0,0,2,20,1"], end: End::Held },
    Attack { file: "ftp-split-bounce", known: "",
        what: "a command that is split names a third party", port: FTP, from: Side::Client,
        payloads: &[r"PORT 10,0,", r"0,99,20,162\r\n"], end: End::Refused("ThirdParty") },
    Attack { file: "ftp-newline-inside", known: "",
        what: "a newline inside of a command", port: FTP, from: Side::Client,
        payloads: &[r"PORT 10,0,0,2\n,20,162\r\n"], end: End::Ignored },
    Attack { file: "irc-newline-inside", known: "",
        what: "a newline between address and port", port: IRC, from: Side::Client,
        payloads: &[r"PRIVMSG bob :\x01DCC SEND file.txt 167772162\n8080 1234567\x01\r\n"], end: End::Ignored },
    Attack { file: "ftp-behind-line-start", known: "",
        what: "a command behind the start of a line", port: FTP, from: Side::Client,
        payloads: &[r"STOR PORT 10,0,0,2,20,162\r\n"], end: End::Ignored },
    Attack { file: "ftp-rest-of-line", known: "",
        what: "the rest of a line looks like a command", port: FTP, from: Side::Client,
        payloads: &[r"STOR ", r"PORT 10,0,0,2,20,162\r\n"], end: End::Ignored },
    Attack { file: "ftp-endless-line", known: "",
        what: "a line that never ends", port: FTP, from: Side::Server,
        payloads: &[r"ASKS PASV\r\n", r"227 ZEROSZEROSZEROSZEROSZEROSZEROSZEROSZEROSZEROS\r\n"], end: End::Ignored },
    Attack { file: "ftp-listing", known: "",
        what: "a file's name in a listing looks like a reply", port: FTP, from: Side::Server,
        payloads: &[r"ASKS STAT .\r\n", r"213-Status:\r\n-rw- a\r\n227 x (198,51,100,7,24,235)\r\n213 End\r\n"], end: End::Left },
    Attack { file: "ftp-listing-lines", known: "",
        what: "the same in segments of their own, like a reply of the other kind than was asked for", port: FTP, from: Side::Server,
        payloads: &[r"ASKS STAT .\r\nPASV\r\n", r"213-Status:\r\n-rw- a\r\n", r"229 x (|||6379|)\r\n", r"213 End\r\n"], end: End::Left },
    Attack { file: "ftp-listing-asked", known: "",
        what: "the same, and the client asks for a reply before the listing comes: the true one, which is one too many, takes it back", port: FTP, from: Side::Server,
        payloads: &[r"ASKS STAT .\r\nPASV\r\n", r"213-Status:\r\n-rw- a\r\n227 x (198,51,100,7,24,235)\r\n213 End\r\n",
            r"227 Entering Passive Mode (198,51,100,7,195,80)\r\n"], end: End::Left },
    Attack { file: "ftp-listing-refused", known: "",
        what: "the same behind a true reply that is refused, since it names a host behind the server's router", port: FTP, from: Side::Server,
        payloads: &[r"ASKS PASV\r\nSTAT .\r\n", r"227 Entering Passive Mode (192,168,0,7,195,80)\r\n",
            r"213-Status:\r\n-rw- a\r\n227 x (198,51,100,7,24,235)\r\n213 End\r\n"], end: End::Left },
    Attack { file: "ftp-begins-anew", known: "",
        what: "what an earlier connection on the same ports has announced, when the answer to the next one's SYN goes astray", port: FTP, from: Side::Client,
        payloads: &[r"PORT 10,0,0,2,31,144\r\n", r"OUT S seq 90", r"BACK SA seq 400 ack 91 ttl 1"], end: End::Dropped(DropReason::TtlExpired) },
    Attack { file: "ftp-command-of-server", known: "",
        what: "a client's command from the server", port: FTP, from: Side::Server,
        payloads: &[r"PORT 198,51,100,7,20,162\r\n"], end: End::Ignored },
    Attack { file: "ftp-reply-of-client", known: "",
        what: "a server's reply from the client", port: FTP, from: Side::Client,
        payloads: &[r"227 Entering Passive Mode (10,0,0,2,20,162)\r\n"], end: End::Ignored },
    Attack { file: "irc-offer-of-server", known: "",
        what: "an offer from the server", port: IRC, from: Side::Server,
        payloads: &[r"PRIVMSG bob :\x01DCC SEND file.txt 3325256711 8080 1234\x01\r\n"], end: End::Ignored },
];

impl Attack {
    /// Its payloads as they are sent.
    pub(crate) fn payloads(&self) -> Vec<String> {
        self.payloads
            .iter()
            .map(|payload| payload.replace("MANY", &ZEROS.repeat(10)).replace("ZEROS", ZEROS).replace("LINES", LINES))
            .collect()
    }

    /// What the client begins with, and who speaks then. Slipstreaming is another protocol from its first byte on.
    pub(crate) fn speaker(&self) -> (Option<&'static str>, Side) {
        ((self.known != SLIPSTREAMING).then(|| hello(self.port)), self.from)
    }
}

impl End {
    /// What comes of an attack, in words.
    pub(crate) fn in_words(self) -> String {
        match self {
            Self::Ignored => "passes, and nobody takes it for a command".to_owned(),
            Self::Elsewhere(port) => format!("passes, and names another port: calls to {port} go where they went"),
            Self::Refused(why) => format!("passes as it is; what it asks for is refused: `{why}`"),
            Self::Left => "passes; the connection speaks something else, and has lost its helper".to_owned(),
            Self::Held => "waits for the rest of its line".to_owned(),
            Self::Dropped(reason) => format!("dropped: `{}`", reason.name()),
        }
    }
}
