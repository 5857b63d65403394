//! `[[service]]`: what the gateway itself offers, and `[[relay]]`: what it passes on.

use core::net::SocketAddr;

use towpath_engine::socket::{ServiceAnswer, UdpService};

use super::{
    Config, Located, Mistake,
    reader::{Fault, Table, Text, Value, Word},
};

/// A service over TCP, on every address of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamService {
    /// Its port, 1 to 65535.
    pub port: u16,
    /// What happens to those who connect.
    pub program: StreamProgram,
}

/// What happens to those who connect to a [`StreamService`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamProgram {
    /// They are sent back what they send (RFC 862).
    Echo,
    /// What they send is read, and nothing is said (RFC 863).
    Discard,
    /// They are sent lines of characters for as long as they read (RFC 864).
    Chargen,
    /// They can fetch the files of a folder over HTTP. Relative paths start at the configuration's folder.
    Http(Located<String>),
    /// They are connected to another host.
    Relay(SocketAddr),
}

/// What a `[[service]]` is.
pub(super) enum Offered {
    Datagrams(UdpService),
    Stream(StreamService),
}

/// The keys of the tables.
pub(super) const SERVICE: &[&str] = &["kind", "protocol", "port", "text", "folder"];
pub(super) const RELAY: &[&str] = &["port", "to"];

/// The longest answer, in bytes: what fits an Ethernet frame behind the headers of IPv6 and UDP.
const TEXT_BYTES_MAX: usize = 1452;

/// What a service does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Echo,
    Discard,
    Chargen,
    Text,
    Http,
}

impl Kind {
    /// The port that IANA has given it.
    const fn port(self) -> Option<u16> {
        match self {
            Self::Echo => Some(7),
            Self::Discard => Some(9),
            Self::Chargen => Some(19),
            Self::Http => Some(80),
            Self::Text => None,
        }
    }
}

impl Word for Kind {
    const EXPECTED: &'static str = "\"echo\", \"discard\", \"chargen\", \"text\" or \"http\"";

    fn read(text: &str) -> Option<Self> {
        match text {
            "echo" => Some(Self::Echo),
            "discard" => Some(Self::Discard),
            "chargen" => Some(Self::Chargen),
            "text" => Some(Self::Text),
            "http" => Some(Self::Http),
            _ => None,
        }
    }
}

/// Reads one; `config` holds those above it.
pub(super) fn service(source: &Text<'_>, table: Table<'_>, config: &Config) -> Result<Offered, Fault> {
    let kind_value = table.need("kind")?;
    let kind: Kind = kind_value.word()?;
    let protocol = table.need("protocol")?;
    let is_stream = match (protocol.text()?, kind) {
        ("udp", Kind::Http) => return Err(protocol.expected("\"tcp\" where 'kind' is \"http\"")),
        ("tcp", Kind::Text) => return Err(protocol.expected("\"udp\" where 'kind' is \"text\"")),
        ("udp", _) => false,
        ("tcp", _) => true,
        _ => return Err(protocol.expected("\"udp\" or \"tcp\"")),
    };
    let port = match (table.find("port"), kind.port()) {
        (None, Some(own)) => own,
        (Some(_), _) | (None, None) => table.need("port")?.number(1..=65_535)? as u16,
    };
    let at = table.find("port").unwrap_or(kind_value);
    if is_stream {
        need_free(port, at, config)?;
        return Ok(Offered::Stream(StreamService { port, program: program(source, kind, &table)? }));
    }
    if config.services.iter().any(|known| known.port == port) {
        return Err(at.fault(Mistake::Twice { what: "a [[service]] on the UDP port", name: port.to_string() }));
    }
    if let Some(folder) = table.find("folder") {
        return Err(folder.expected(NO_FOLDER));
    }
    Ok(Offered::Datagrams(UdpService { port, answer: answer(kind, &table)? }))
}

/// Reads a relay; `config` holds those above it.
pub(super) fn relay(table: Table<'_>, config: &Config) -> Result<StreamService, Fault> {
    let port_value = table.need("port")?;
    let port = port_value.number(1..=65_535)? as u16;
    need_free(port, port_value, config)?;
    let to = table.need("to")?;
    let address: SocketAddr =
        to.text()?.parse().ok().filter(|to: &SocketAddr| to.port() != 0).ok_or_else(|| to.expected(END))?;
    Ok(StreamService { port, program: StreamProgram::Relay(address) })
}

fn need_free(port: u16, at: Value<'_>, config: &Config) -> Result<(), Fault> {
    match config.stream_services.iter().any(|known| known.port == port) {
        true => {
            Err(at.fault(Mistake::Twice { what: "a [[service]] or [[relay]] on the TCP port", name: port.to_string() }))
        }
        false => Ok(()),
    }
}

fn program(source: &Text<'_>, kind: Kind, table: &Table<'_>) -> Result<StreamProgram, Fault> {
    if let Some(text) = table.find("text") {
        return Err(text.expected(NO_TEXT));
    }
    if let (false, Some(folder)) = (kind == Kind::Http, table.find("folder")) {
        return Err(folder.expected(NO_FOLDER));
    }
    Ok(match kind {
        Kind::Echo | Kind::Text => StreamProgram::Echo,
        Kind::Discard => StreamProgram::Discard,
        Kind::Chargen => StreamProgram::Chargen,
        Kind::Http => StreamProgram::Http(source.name(table.need("folder")?)?),
    })
}

const NO_TEXT: &str = "left out where 'kind' is not \"text\"";
const NO_FOLDER: &str = "left out where 'kind' is not \"http\"";
const END: &str = "an address and a port, such as \"192.0.2.1:80\" or \"[2001:db8::1]:80\"";

fn answer(kind: Kind, table: &Table<'_>) -> Result<ServiceAnswer, Fault> {
    match (kind, table.find("text")) {
        (Kind::Text, _) => text(table.need("text")?),
        (Kind::Echo | Kind::Discard | Kind::Chargen | Kind::Http, Some(text)) => Err(text.expected(NO_TEXT)),
        (Kind::Echo | Kind::Http, None) => Ok(ServiceAnswer::Echo),
        (Kind::Discard, None) => Ok(ServiceAnswer::Discard),
        (Kind::Chargen, None) => Ok(ServiceAnswer::Text(pattern())),
    }
}

fn text(value: Value<'_>) -> Result<ServiceAnswer, Fault> {
    let text = value.text()?;
    match text.len() {
        ..=TEXT_BYTES_MAX => Ok(ServiceAnswer::Text(text.into())),
        _ => Err(value.expected("a text of at most 1452 bytes")),
    }
}

/// Six lines of the pattern that RFC 864 proposes: 72 of the 95 printing characters, each line one further on. An answer has
/// up to 512 characters there.
fn pattern() -> Vec<u8> {
    const LINES: u8 = 6;
    const LINE: u8 = 72;
    const PRINTING: u8 = b'~' - b' ' + 1;
    let line = |line: u8| (line..line + LINE).map(|place| b' ' + place % PRINTING).chain(*b"\r\n");
    (0..LINES).flat_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::pattern;

    #[test]
    fn the_pattern_has_six_lines_of_which_each_begins_one_character_further_on() {
        let pattern = String::from_utf8(pattern()).unwrap();
        let lines: Vec<&str> = pattern.split_terminator("\r\n").collect();
        assert_eq!((lines.len(), pattern.len()), (6, 444));
        assert_eq!(lines[0], " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefg");
        assert!(lines.windows(2).all(|pair| pair[0][1..] == pair[1][..71]));
    }
}
