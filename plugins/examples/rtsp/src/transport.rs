//! Transport lines (RFC 2326, section 12.39), read without allocation.
//!
//! ```text
//! Transport: RTP/AVP;unicast;client_port=4588-4589, RTP/AVP/TCP;interleaved=0-1\r\n
//!            └ a way of carrying media, one of several; its first word names protocol, profile and lower transport
//! ```

use core::ops::Range;

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line<'l> {
    /// No Transport line.
    Other,
    /// A Transport line whose end is still to come.
    Incomplete,
    /// A Transport line, from its first way on.
    Transport(Ways<'l>),
}

/// The ways that a Transport line offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ways<'l> {
    line: &'l [u8],
    at: usize,
}

/// A port that a way names, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The port, at least 1.
    pub number: u16,
    /// Its digits in the line.
    pub place: Range<usize>,
}

/// The header's name with its colon; case does not count (RFC 2326, section 4; RFC 2068, section 4.2).
pub const HEADER: &[u8] = b"Transport:";

/// How long a Transport line may be, in bytes. Longer ones are not read, whatever they say: no player offers as much, and what
/// reading takes stays bounded where a gateway shows whole packets.
pub const LINE_BYTES_MAX: usize = 4096;

/// Reads a line, its newline included.
#[must_use]
pub fn read(line: &[u8]) -> Line<'_> {
    if line.len() > LINE_BYTES_MAX {
        return Line::Other;
    }
    match line.get(..HEADER.len()) {
        Some(start) if start.eq_ignore_ascii_case(HEADER) && line.last() == Some(&b'\n') => {
            Line::Transport(Ways { line, at: HEADER.len() })
        }
        Some(start) if start.eq_ignore_ascii_case(HEADER) => Line::Incomplete,
        Some(_) | None => Line::Other,
    }
}

impl Ways<'_> {
    /// The ports of a parameter (`client_port`, `server_port`) in all ways that go over UDP to one host: of each way one or
    /// two, the ends of its range.
    pub fn ports(self, parameter: &'static [u8]) -> impl Iterator<Item = Port> {
        let Self { line, at } = self;
        let ways = Split { line, at: Some(at), end: line.len(), by: b',' };
        ways.filter(move |way| is_datagrams(line, way)).flat_map(move |way| ports_of(line, way, parameter))
    }
}

/// Whether a way goes over UDP: a lower transport of TCP is named, one of UDP need not be. Ways to many hosts have other parameters.
fn is_datagrams(line: &[u8], way: &Range<usize>) -> bool {
    let first = Split { line, at: Some(way.start), end: way.end, by: b';' }.next();
    let protocol = first.map_or(&[][..], |first| &line[first]).trim_ascii();
    let mut words = protocol.split(|byte| *byte == b'/');
    let is = |word: Option<&[u8]>, wanted: &[u8]| word.is_some_and(|word| word.eq_ignore_ascii_case(wanted));
    is(words.next(), b"RTP")
        && words.next().is_some()
        && words.next().is_none_or(|lower| lower.eq_ignore_ascii_case(b"UDP"))
}

/// The ports that a parameter of a way names: `name=first` or `name=first-last`.
fn ports_of(line: &[u8], way: Range<usize>, parameter: &[u8]) -> impl Iterator<Item = Port> + use<> {
    let mut parameters = Split { line, at: Some(way.start), end: way.end, by: b';' };
    let value = parameters.find_map(|place| {
        let place = trimmed(line, place);
        let name = line.get(place.start..place.start + parameter.len())?;
        let equals = place.start + parameter.len();
        let is_named = name.eq_ignore_ascii_case(parameter) && equals < place.end && line[equals] == b'=';
        is_named.then_some(equals + 1..place.end)
    });
    let ends = value.map_or([None, None], |value| match line[value.clone()].iter().position(|byte| *byte == b'-') {
        None => [port(line, value), None],
        Some(dash) => {
            let (first, last) = (value.start..value.start + dash, value.start + dash + 1..value.end);
            // Half a range is none.
            port(line, first).zip(port(line, last)).map_or([None, None], |(first, last)| [Some(first), Some(last)])
        }
    });
    ends.into_iter().flatten()
}

/// One to five digits, of a number from 1 to 65535, and nothing else.
fn port(line: &[u8], place: Range<usize>) -> Option<Port> {
    let digits = &line[place.clone()];
    if !(1..=5).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().fold(0_u32, |number, digit| number * 10 + u32::from(digit - b'0'));
    let number = u16::try_from(number).ok().filter(|number| *number > 0)?;
    Some(Port { number, place })
}

/// A place without the blanks around it.
fn trimmed(line: &[u8], place: Range<usize>) -> Range<usize> {
    let text = &line[place.clone()];
    let start = place.start + (text.len() - text.trim_ascii_start().len());
    start..start + text.trim_ascii().len()
}

/// The places between separators.
#[derive(Clone, Debug)]
struct Split<'l> {
    line: &'l [u8],
    /// Where the next one starts.
    at: Option<usize>,
    end: usize,
    by: u8,
}

impl Iterator for Split<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let start = self.at?;
        let rest = self.line.get(start..self.end)?;
        match rest.iter().position(|byte| *byte == self.by) {
            Some(len) => {
                self.at = Some(start + len + 1);
                Some(start..start + len)
            }
            None => {
                self.at = None;
                Some(start..self.end)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::{borrow::ToOwned, format, string::String, vec::Vec};

    fn ports(line: &str, parameter: &'static str) -> Vec<(u16, String)> {
        let Line::Transport(ways) = read(line.as_bytes()) else { panic!("{line}") };
        let named = |port: Port| (port.number, line[port.place].to_owned());
        ways.ports(parameter.as_bytes()).map(named).collect()
    }

    fn numbers(line: &str) -> Vec<u16> {
        ports(line, "client_port").into_iter().map(|(number, _)| number).collect()
    }

    #[test]
    fn the_ports_of_a_way_are_the_ends_of_its_range() {
        let line = "Transport: RTP/AVP;unicast;client_port=4588-4589;server_port=6256-06257\r\n";
        assert_eq!(ports(line, "client_port"), [(4588, "4588".into()), (4589, "4589".into())]);
        assert_eq!(ports(line, "server_port"), [(6256, "6256".into()), (6257, "06257".into())]);
        assert_eq!(numbers("TRANSPORT:RTP/SAVPF/UDP; Client_Port=3456 \n"), [3456]);
    }

    #[test]
    fn ways_that_go_over_no_datagrams_to_one_host_name_no_ports() {
        for line in [
            "Transport: RTP/AVP/TCP;unicast;interleaved=0-1;client_port=1-2\r\n",
            "Transport: RAW/RAW/UDP;client_port=5000-5001\r\n",
            "Transport: RTP;client_port=5000-5001\r\n",
            "Transport: RTP/AVP;multicast;ttl=127;port=3456-3457\r\n",
            "Transport: \r\n",
        ] {
            assert!(numbers(line).is_empty(), "{line}");
        }
        let line =
            "Transport: RTP/AVP/TCP;interleaved=0-1,RTP/AVP;client_port=4588-4589 , RTP/AVP;client_port=4590\r\n";
        assert_eq!(numbers(line), [4588, 4589, 4590]);
    }

    #[test]
    fn what_is_no_port_is_none_and_half_a_range_is_none() {
        for value in ["", "0", "65536", "000080", "80x", "x80", "-", "80-", "-81", "80-0", "80--81", "80-81-82", "8 0"]
        {
            assert!(numbers(&format!("Transport: RTP/AVP;client_port={value}\r\n")).is_empty(), "{value}");
        }
        assert!(numbers("Transport: RTP/AVP;client_port\r\n").is_empty());
        assert!(numbers("Transport: RTP/AVP;my_client_port=80\r\n").is_empty());
    }

    #[test]
    fn other_lines_are_told_from_those_that_are_cut() {
        assert_eq!(read(b"CSeq: 3\r\n"), Line::Other);
        assert_eq!(read(b"Transport"), Line::Other);
        let longest = format!("Transport:{}\n", ",".repeat(LINE_BYTES_MAX - 11));
        assert!(matches!(read(longest.as_bytes()), Line::Transport(_)));
        assert_eq!(read(format!("{longest} ").as_bytes()), Line::Other);
        assert_eq!(read(b"transport: RTP/AVP;client_port=45"), Line::Incomplete);
    }
}
