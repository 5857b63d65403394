//! `-m ah` and `-m esp`: security parameter indexes (RFC 4302, RFC 4303; Linux v6.18: `net/ipv6/netfilter/ip6t_ah.c`,
//! `ah_mt6()`; `net/ipv4/netfilter/ipt_ah.c`, `ah_mt()`; `net/netfilter/xt_esp.c`, `esp_mt()`).

use alloc::{format, string::String};

use super::{
    Answer, Matching,
    extension::{self, Numbers},
};
use crate::{
    conntrack::Family,
    netfilter::{
        View,
        error::Flaw,
        header::Not,
        program::facts::Facts,
        save::options::{Given, Opt, Spec},
        walk::Depends,
    },
    wire::Protocol,
};

/// `-m ah`: what is asked of an authentication header. Over IPv4 it is the transport header, of which only the index is
/// asked; over IPv6 it may stand anywhere among the extension headers.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Ah {
    indexes: Numbers,
    /// Bytes of the header; 0 asks for nothing (IPv6).
    len: Option<Not<u32>>,
    /// Whether the reserved field has to be zero (IPv6).
    reserved: bool,
}

impl Matching for Ah {
    const SPEC: &'static Spec = &Spec {
        name: "ah",
        options: &[Opt::value(&["ahspi"]).inverting(), Opt::value(&["ahlen"]).inverting(), Opt::flag(&["ahres"])],
    };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        if given.family == Family::Ipv4 {
            given.header.need_protocol(&[Protocol::AH], "-m ah", given.column, "`-p ah`")?;
            if given.has("ahlen") || given.has("ahres") {
                return Err(given.needs("`--ahspi` only: the other options are IPv6's"));
            }
        }
        Ok(Self {
            indexes: Numbers::parse(given, "ahspi")?,
            len: extension::number(given, "ahlen")?,
            reserved: given.has("ahres"),
        })
    }

    fn print(&self, out: &mut String) {
        self.indexes.print(out, "ahspi");
        extension::print_number(out, "ahlen", self.len);
        if self.reserved {
            out.push_str(" --ahres");
        }
    }

    fn test(&mut self, facts: &Facts, view: &mut View<'_>) -> Answer {
        let header = match facts.family {
            Family::Ipv4 if facts.fragment_offset != 0 => return Answer::No,
            Family::Ipv4 => view.packet.transport_bytes(),
            Family::Ipv6 => match extension::find(view.packet, Protocol::AH) {
                Ok(header) => header,
                Err(answer) => return answer,
            },
        };
        let Some(&[_, len, high, low]) = header.first_chunk().filter(|_| header.len() >= AH_BYTES) else {
            return Answer::Drop;
        };
        let len = extension::header_len(Protocol::AH, len) as u32;
        let has_len = self.len.is_none_or(|Not { inverted, what }| what == 0 || (what == len) != inverted);
        Answer::from(
            self.indexes.hold(extension::word(&header[4..])) && has_len && (!self.reserved || (high, low) == (0, 0)),
        )
    }

    fn covers(&self, narrower: &Self) -> bool {
        let asks_len = self.len.is_some_and(|len| len.what != 0);
        let len = !asks_len || self.len == narrower.len;
        self.indexes.cover(narrower.indexes) && len && (!self.reserved || narrower.reserved)
    }

    fn depends(&self) -> Depends {
        Depends::Anything
    }

    fn found(&self, facts: &Facts, view: &View<'_>) -> String {
        let header = match facts.family {
            Family::Ipv4 => Ok(view.packet.transport_bytes()),
            Family::Ipv6 => extension::find(view.packet, Protocol::AH),
        };
        match header {
            Ok(header) if header.len() >= AH_BYTES => format!("has index {}", extension::word(&header[4..])),
            Ok(_) | Err(_) => "has no authentication header".into(),
        }
    }
}

/// `-m esp`: the index of an encapsulated payload.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Esp {
    indexes: Numbers,
}

impl Matching for Esp {
    const SPEC: &'static Spec = &Spec { name: "esp", options: &[Opt::value(&["espspi"]).inverting()] };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        given.header.need_protocol(&[Protocol::ESP], "-m esp", given.column, "`-p esp`")?;
        Ok(Self { indexes: Numbers::parse(given, "espspi")? })
    }

    fn print(&self, out: &mut String) {
        self.indexes.print(out, "espspi");
    }

    fn test(&mut self, facts: &Facts, view: &mut View<'_>) -> Answer {
        match (facts.fragment_offset, view.packet.transport_bytes()) {
            (0, bytes) if bytes.len() >= ESP_BYTES => Answer::from(self.indexes.hold(extension::word(bytes))),
            (0, _) => Answer::Drop,
            (_, _) => Answer::No,
        }
    }

    fn covers(&self, narrower: &Self) -> bool {
        self.indexes.cover(narrower.indexes)
    }

    fn depends(&self) -> Depends {
        Depends::Anything
    }

    fn found(&self, _: &Facts, view: &View<'_>) -> String {
        format!("has index {}", extension::word(view.packet.transport_bytes()))
    }
}

/// Bytes of an authentication header without its check value (RFC 4302, section 2).
const AH_BYTES: usize = 12;
/// Bytes of an encapsulated payload before its data (RFC 4303, section 2).
const ESP_BYTES: usize = 8;
