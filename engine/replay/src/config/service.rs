//! `[[service]]`: what the gateway itself offers.

use towpath_engine::socket::{ServiceAnswer, UdpService};

use super::{
    Mistake,
    reader::{Fault, Table, Value, Word},
};

/// The keys of the table.
pub(super) const SERVICE: &[&str] = &["kind", "protocol", "port", "text"];

/// The longest answer, in bytes: what fits an Ethernet frame behind the headers of IPv6 and UDP.
const TEXT_BYTES_MAX: usize = 1452;

/// What a service does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Echo,
    Discard,
    Chargen,
    Text,
}

impl Kind {
    /// The port that IANA has given it.
    const fn port(self) -> Option<u16> {
        match self {
            Self::Echo => Some(7),
            Self::Discard => Some(9),
            Self::Chargen => Some(19),
            Self::Text => None,
        }
    }
}

impl Word for Kind {
    const EXPECTED: &'static str = "\"echo\", \"discard\", \"chargen\" or \"text\"";

    fn read(text: &str) -> Option<Self> {
        match text {
            "echo" => Some(Self::Echo),
            "discard" => Some(Self::Discard),
            "chargen" => Some(Self::Chargen),
            "text" => Some(Self::Text),
            _ => None,
        }
    }
}

/// Reads one; `before` are those above it.
pub(super) fn service(table: Table<'_>, before: &[UdpService]) -> Result<UdpService, Fault> {
    let kind_value = table.need("kind")?;
    let kind: Kind = kind_value.word()?;
    let protocol = table.need("protocol")?;
    match protocol.text()? {
        "udp" => {}
        "tcp" => return Err(protocol.fault(Mistake::NotYet("tcp".to_owned()))),
        _ => return Err(protocol.expected("\"udp\"")),
    }
    let port = match (table.find("port"), kind.port()) {
        (None, Some(own)) => own,
        (Some(_), _) | (None, None) => table.need("port")?.number(1..=65_535)? as u16,
    };
    if before.iter().any(|known| known.port == port) {
        let at = table.find("port").unwrap_or(kind_value);
        return Err(at.fault(Mistake::Twice { what: "a [[service]] on the UDP port", name: port.to_string() }));
    }
    Ok(UdpService { port, answer: answer(kind, &table)? })
}

fn answer(kind: Kind, table: &Table<'_>) -> Result<ServiceAnswer, Fault> {
    match (kind, table.find("text")) {
        (Kind::Text, _) => text(table.need("text")?),
        (Kind::Echo | Kind::Discard | Kind::Chargen, Some(text)) => {
            Err(text.expected("left out where 'kind' is not \"text\""))
        }
        (Kind::Echo, None) => Ok(ServiceAnswer::Echo),
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
