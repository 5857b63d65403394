//! `-m sctp`: ports and chunks (RFC 9260; Linux v6.18: `net/netfilter/xt_sctp.c`, `sctp_mt()`; reading and printing as
//! iptables 1.8.9 does, `extensions/libxt_sctp.c`).

use alloc::{format, string::String, vec::Vec};

use super::{Answer, Matching, PortSets, ports::ANY_PORT};
use crate::{
    netfilter::{
        View,
        ends::{PortBytes, ports},
        error::{Fault, Flaw, Noun},
        header::Not,
        program::facts::Facts,
        save::{
            options::{Given, Opt, Spec},
            text::{Word, print_not, print_ports},
            values,
        },
        walk::Depends,
    },
    wire::Protocol,
};

/// What is asked of an SCTP packet. Everything given has to hold.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Sctp {
    source: Option<Not<(u16, u16)>>,
    destination: Option<Not<(u16, u16)>>,
    chunks: Option<Not<Chunks>>,
}

/// Kinds of chunks, and how many of them have to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Chunks {
    quantity: Quantity,
    kinds: Kinds,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantity {
    Any,
    All,
    Only,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kinds {
    Every,
    None,
    /// In the order of their types.
    Some(Vec<Kind>),
}

/// A type of chunk, and flags that have to be set or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kind {
    number: u8,
    mask: u8,
    flags: u8,
}

impl Matching for Sctp {
    const SPEC: &'static Spec = &Spec {
        name: "sctp",
        options: &[
            Opt::value(&["source-port", "sport"]).inverting(),
            Opt::value(&["destination-port", "dport"]).inverting(),
            Opt::value(&["chunk-types"]).pair().inverting(),
        ],
    };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        given.header.need_protocol(&[Protocol::SCTP], "-m sctp", given.column, "`-p sctp`")?;
        let range = |name: &str| match given.find(name) {
            Some(item) => Ok::<_, Flaw>(Some(Not {
                inverted: item.inverted,
                what: values::ports(item.value(), Some(Protocol::SCTP))?,
            })),
            None => Ok(None),
        };
        let chunks = match given.find("chunk-types") {
            Some(item) => {
                let what = Chunks::parse(item.value(), item.second())?;
                Some(Not { inverted: item.inverted, what })
            }
            None => None,
        };
        Ok(Self { source: range("source-port")?, destination: range("destination-port")?, chunks })
    }

    fn print(&self, out: &mut String) {
        for (name, range) in [("sport", self.source), ("dport", self.destination)] {
            range.into_iter().for_each(|range| print_ports(out, name, range));
        }
        if let Some(chunks) = &self.chunks {
            print_not(out, chunks.inverted);
            out.push_str(" --chunk-types ");
            chunks.what.print(out);
        }
    }

    fn test(&mut self, facts: &Facts, view: &mut View<'_>) -> Answer {
        if facts.fragment_offset != 0 {
            return Answer::No;
        }
        let (source, destination) = match ports(view.packet) {
            PortBytes::Here(source, destination) if view.packet.transport_len() >= HEADER_BYTES => {
                (source, destination)
            }
            PortBytes::Here(..) | PortBytes::None | PortBytes::Cut => return Answer::Drop,
        };
        let holds = |asked: Option<Not<(u16, u16)>>, port| asked.is_none_or(|asked| asked.holds(&port));
        if !holds(self.source, source) || !holds(self.destination, destination) {
            return Answer::No;
        }
        match &self.chunks {
            None => Answer::Yes,
            Some(Not { inverted, what }) => match what.hold(&view.packet.whole_transport()) {
                Some(found) => Answer::from(found != *inverted),
                None if *inverted => Answer::Doomed,
                None => Answer::Drop,
            },
        }
    }

    fn covers(&self, narrower: &Self) -> bool {
        let chunks = self.chunks.is_none() || self.chunks == narrower.chunks;
        self.port_sets().cover(narrower.port_sets()) && chunks
    }

    fn depends(&self) -> Depends {
        Depends::Anything
    }

    fn found(&self, _: &Facts, view: &View<'_>) -> String {
        match ports(view.packet) {
            PortBytes::Here(source, destination) => {
                let bytes = view.packet.whole_transport();
                let chunks: Vec<String> = walk(&bytes).map_while(|chunk| Some(name(chunk?.0))).collect();
                format!("has ports {source} and {destination} and chunks {}", chunks.join(","))
            }
            PortBytes::None | PortBytes::Cut => "has no SCTP header".into(),
        }
    }
}

impl Sctp {
    /// Which ports it asks for.
    pub(super) fn port_sets(&self) -> PortSets {
        let sides = [self.source, self.destination].map(|side| side.unwrap_or(ANY_PORT));
        PortSets { sides, is_all: self.chunks.is_none() }
    }
}

impl Chunks {
    fn parse(quantity: &Word, kinds: &Word) -> Result<Self, Flaw> {
        let found = QUANTITIES.iter().find(|(name, _)| quantity.text.eq_ignore_ascii_case(name));
        let Some((_, quantity)) = found else {
            let names = QUANTITIES.iter().map(|(name, _)| *name);
            return Err(Fault::unknown(Noun::Flag, &quantity.text, names).at(quantity.column));
        };
        let kinds = match kinds.text.as_str() {
            text if text.eq_ignore_ascii_case("ALL") => Kinds::Every,
            text if text.eq_ignore_ascii_case("NONE") => Kinds::None,
            text => {
                let mut list: Vec<Kind> = Vec::new();
                for kind in text.split(',') {
                    let kind = Kind::parse(kind, kinds)?;
                    match list.iter_mut().find(|known| known.number == kind.number) {
                        Some(known) => (known.mask, known.flags) = (known.mask | kind.mask, known.flags | kind.flags),
                        None => list.push(kind),
                    }
                }
                list.sort_unstable_by_key(|kind| kind.number);
                Kinds::Some(list)
            }
        };
        Ok(Self { quantity: *quantity, kinds })
    }

    fn print(&self, out: &mut String) {
        let name = QUANTITIES.iter().find(|(_, known)| *known == self.quantity).map_or("", |(name, _)| name);
        out.push_str(name);
        match &self.kinds {
            Kinds::Every => out.push_str(" ALL"),
            Kinds::None => out.push_str(" NONE"),
            Kinds::Some(kinds) => {
                for (index, kind) in kinds.iter().enumerate() {
                    out.push(if index == 0 { ' ' } else { ',' });
                    kind.print(out);
                }
            }
        }
    }

    /// Whether a packet's chunks are so; `None` when one of them is cut off or says it is empty.
    fn hold(&self, bytes: &[u8]) -> Option<bool> {
        let mut missing = match &self.kinds {
            Kinds::Every => 256,
            Kinds::None => 0,
            Kinds::Some(kinds) => kinds.len(),
        };
        let mut seen = [false; 256];
        for chunk in walk(bytes) {
            let (number, flags) = chunk?;
            let wanted = self.wants(number, flags);
            match self.quantity {
                Quantity::Any if wanted => return Some(true),
                Quantity::Only if !wanted => return Some(false),
                Quantity::All if wanted && !seen[usize::from(number)] => {
                    seen[usize::from(number)] = true;
                    missing -= 1;
                }
                Quantity::Any | Quantity::Only | Quantity::All => {}
            }
        }
        Some(match self.quantity {
            Quantity::Any => false,
            Quantity::All => missing == 0,
            Quantity::Only => true,
        })
    }

    fn wants(&self, number: u8, flags: u8) -> bool {
        match &self.kinds {
            Kinds::Every => true,
            Kinds::None => false,
            Kinds::Some(kinds) => kinds.iter().any(|kind| kind.number == number && flags & kind.mask == kind.flags),
        }
    }
}

impl Kind {
    fn parse(text: &str, word: &Word) -> Result<Self, Flaw> {
        let (name, letters) = text.split_once(':').unwrap_or((text, ""));
        let Some((_, number, known)) = CHUNKS.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name)) else {
            return Err(Fault::unknown(Noun::Flag, name, CHUNKS.iter().map(|(name, ..)| *name)).at(word.column));
        };
        let (mut mask, mut flags) = (0, 0);
        for letter in letters.chars() {
            let place = known.chars().rev().position(|known| known == letter.to_ascii_uppercase());
            let bit = place.map(|place| 1 << place).ok_or_else(|| {
                word.bad("chunk types with their flags: letters of `IUBE` behind DATA, `T` behind ABORT and SHUTDOWN_COMPLETE")
            })?;
            mask |= bit;
            // Asked for both ways, it has to be set, as the tool reads it.
            flags |= if letter.is_ascii_uppercase() { bit } else { 0 };
        }
        Ok(Self { number: *number, mask, flags })
    }

    fn print(self, out: &mut String) {
        let Some((name, _, letters)) = CHUNKS.iter().find(|(_, number, _)| *number == self.number) else { return };
        out.push_str(name);
        if self.mask != 0 {
            out.push(':');
        }
        for (place, letter) in letters.chars().rev().enumerate().collect::<Vec<_>>().into_iter().rev() {
            let bit = 1 << place;
            if self.mask & bit != 0 {
                out.push(if self.flags & bit != 0 { letter } else { letter.to_ascii_lowercase() });
            }
        }
    }
}

/// The chunks' types and flags; `None` ends it where a chunk is cut off or says it is empty.
fn walk(bytes: &[u8]) -> impl Iterator<Item = Option<(u8, u8)>> {
    let mut at = Some(HEADER_BYTES);
    let mut first = true;
    core::iter::from_fn(move || {
        let start = at.filter(|start| first || *start < bytes.len())?;
        first = false;
        let length = |high: u8, low: u8| usize::from(u16::from_be_bytes([high, low]));
        match *bytes.get(start..).unwrap_or_default() {
            [number, flags, high, low, ..] if length(high, low) > 0 => {
                at = Some(start + length(high, low).next_multiple_of(4));
                Some(Some((number, flags)))
            }
            _ => {
                at = None;
                Some(None)
            }
        }
    })
}

/// The type that a name stands for.
pub(in crate::netfilter) fn chunk_number(name: &str) -> Option<u8> {
    CHUNKS.iter().find(|(known, ..)| *known == name).map(|(_, number, _)| *number)
}

fn name(number: u8) -> String {
    match CHUNKS.iter().find(|(_, known, _)| *known == number) {
        Some((name, ..)) => String::from(*name),
        None => format!("{number}"),
    }
}

/// Ports, verification tag and checksum.
const HEADER_BYTES: usize = 12;

static QUANTITIES: [(&str, Quantity); 3] = [("any", Quantity::Any), ("all", Quantity::All), ("only", Quantity::Only)];

/// Names, types, and letters of the lowest flags.
#[rustfmt::skip]
static CHUNKS: [(&str, u8, &str); 22] = [
    ("DATA",              0,   "IUBE"),
    ("INIT",              1,   ""),
    ("INIT_ACK",          2,   ""),
    ("SACK",              3,   ""),
    ("HEARTBEAT",         4,   ""),
    ("HEARTBEAT_ACK",     5,   ""),
    ("ABORT",             6,   "T"),
    ("SHUTDOWN",          7,   ""),
    ("SHUTDOWN_ACK",      8,   ""),
    ("ERROR",             9,   ""),
    ("COOKIE_ECHO",       10,  ""),
    ("COOKIE_ACK",        11,  ""),
    ("ECN_ECNE",          12,  ""),
    ("ECN_CWR",           13,  ""),
    ("SHUTDOWN_COMPLETE", 14,  "T"),
    ("I_DATA",            64,  "IUBE"),
    ("ASCONF_ACK",        128, ""),
    ("RE_CONFIG",         130, ""),
    ("PAD",               132, ""),
    ("FORWARD_TSN",       192, ""),
    ("ASCONF",            193, ""),
    ("I_FORWARD_TSN",     194, ""),
];
