//! The part of a rule that needs no match: addresses, devices, protocol, fragments (Linux: `struct ipt_ip`).

use alloc::{borrow::ToOwned, string::String, vec::Vec};
use core::{
    fmt::Write,
    net::{IpAddr, Ipv4Addr},
};

use super::{
    error::{Fault, Flaw},
    save::{names, text::Word, values},
};
use crate::wire::Protocol;

/// What a rule says of addresses, devices and protocol. `None` and `false` say nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) source: Option<Not<Network>>,
    pub(super) destination: Option<Not<Network>>,
    pub(super) input: Option<Not<Interface>>,
    pub(super) output: Option<Not<Interface>>,
    pub(super) protocol: Option<Not<Protocol>>,
    pub(super) fragment: Option<Not<()>>,
}

/// Something that a `!` may stand before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Not<T> {
    pub(super) inverted: bool,
    pub(super) what: T,
}

/// Addresses that agree with one in the bits of a mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    /// Zero where the mask is.
    address: IpAddr,
    /// Of the same family; need not be a prefix.
    mask: IpAddr,
}

impl Network {
    /// Address and mask of an IPv4 network; `None` for IPv6.
    pub(super) const fn ipv4(self) -> Option<(u32, u32)> {
        match (self.address, self.mask) {
            (IpAddr::V4(address), IpAddr::V4(mask)) => Some((address.to_bits(), mask.to_bits())),
            (IpAddr::V4(_) | IpAddr::V6(_), _) => None,
        }
    }

    /// The network of an IPv4 address and mask.
    const fn new(address: Ipv4Addr, mask: u32) -> Self {
        let address = Ipv4Addr::from_bits(address.to_bits() & mask);
        Self { address: IpAddr::V4(address), mask: IpAddr::V4(Ipv4Addr::from_bits(mask)) }
    }

    /// Whether an IPv4 address lies in it.
    pub(super) fn contains(self, address: u32) -> bool {
        self.ipv4().is_some_and(|(network, mask)| address & mask == network)
    }

    /// Whether it holds every address.
    pub(super) fn is_all(self) -> bool {
        self.mask.is_unspecified()
    }

    /// Reads a list of networks separated by commas.
    pub(super) fn parse_list(word: &Word) -> Result<Vec<Self>, Flaw> {
        let wants = "an IPv4 address, a network such as 10.0.0.0/8 or a list of them; names are not looked up";
        word.text.split(',').map(|text| Self::parse_text(text.trim()).ok_or_else(|| word.bad(wants))).collect()
    }

    fn parse_text(text: &str) -> Option<Self> {
        let (address, mask) = match text.split_once('/') {
            Some((address, mask)) => (address, values::ipv4_mask(mask)?),
            None => (text, u32::MAX),
        };
        // The tool does not read the name before a mask of zero, as in `any/0`.
        let address = if mask == 0 { Ipv4Addr::UNSPECIFIED } else { values::short_ipv4(address)? };
        Some(Self::new(address, mask))
    }

    /// Writes it as the tool does: a prefix length, or a mask in four bytes when it is no prefix.
    pub(super) fn print(self, out: &mut String) {
        let Some((address, mask)) = self.ipv4() else { return };
        // Writing to a String cannot fail.
        let _ = match mask.leading_ones() {
            length if mask.count_ones() == length => write!(out, "{}/{length}", Ipv4Addr::from_bits(address)),
            _ => write!(out, "{}/{}", Ipv4Addr::from_bits(address), Ipv4Addr::from_bits(mask)),
        };
    }

    /// Writes a mask behind an address as matches do: nothing when all bits count.
    pub(super) fn print_mask(mask: u32, out: &mut String) {
        let _ = match mask.leading_ones() {
            32 => Ok(()),
            length if mask.count_ones() == length => write!(out, "/{length}"),
            _ => write!(out, "/{}", Ipv4Addr::from_bits(mask)),
        };
    }
}

/// Devices of one name, or whose names start alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Interface {
    name: String,
    /// A `+` stood behind the name.
    prefix: bool,
}

impl Interface {
    /// Reads a name; `None` when it is `+`, which means any device.
    pub(super) fn parse(word: &Word) -> Result<Option<Self>, Flaw> {
        let (name, prefix) = match word.text.strip_suffix('+') {
            Some(name) => (name, true),
            None => (word.text.as_str(), false),
        };
        let fits = !word.text.is_empty() && word.text.len() <= NAME_BYTES_MAX;
        if !fits || name.contains(|letter: char| letter.is_whitespace() || letter == '/') {
            return Err(word.bad("a device's name of 1 to 15 bytes, `+` at its end for all that start so"));
        }
        Ok((!name.is_empty()).then(|| Self { name: name.to_owned(), prefix }))
    }

    /// Whether a device of that name is meant.
    pub(super) fn matches(&self, name: &str) -> bool {
        if self.prefix { name.starts_with(&self.name) } else { name == self.name }
    }

    pub(super) fn print(&self, out: &mut String) {
        out.push_str(&self.name);
        if self.prefix {
            out.push('+');
        }
    }
}

/// Linux: `IFNAMSIZ` less its final zero.
const NAME_BYTES_MAX: usize = 15;

/// A part of a header, as `explain` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Source,
    Destination,
    Input,
    Output,
    Protocol,
    Fragment,
}

impl Header {
    /// The fields that say something, in the order of printing.
    pub(super) fn fields(&self) -> Vec<Field> {
        let fields = [
            (Field::Source, self.source.is_some()),
            (Field::Destination, self.destination.is_some()),
            (Field::Input, self.input.is_some()),
            (Field::Output, self.output.is_some()),
            (Field::Protocol, self.protocol.is_some()),
            (Field::Fragment, self.fragment.is_some()),
        ];
        fields.iter().filter(|(_, given)| *given).map(|(field, _)| *field).collect()
    }

    /// Writes all fields, each with a blank before it.
    pub(super) fn print(&self, out: &mut String) {
        for field in self.fields() {
            self.print_field(field, out);
        }
    }

    /// Writes one field with a blank before it; nothing when it says nothing.
    pub(super) fn print_field(&self, field: Field, out: &mut String) {
        match field {
            Field::Source => print(out, " -s ", &self.source, |net, out| net.print(out)),
            Field::Destination => print(out, " -d ", &self.destination, |net, out| net.print(out)),
            Field::Input => print(out, " -i ", &self.input, Interface::print),
            Field::Output => print(out, " -o ", &self.output, Interface::print),
            Field::Protocol => print(out, " -p ", &self.protocol, |protocol, out| print_protocol(*protocol, out)),
            Field::Fragment => print(out, " -f", &self.fragment, |(), _| {}),
        }
    }

    /// The protocol, when the rule asks for exactly one.
    pub(super) fn only_protocol(&self) -> Option<Protocol> {
        self.protocol.filter(|protocol| !protocol.inverted).map(|protocol| protocol.what)
    }

    /// The words `-p NAME` as errors ask for them.
    ///
    /// # Errors
    /// When the rule does not ask for one of `protocols`.
    pub(super) fn need_protocol(
        &self,
        protocols: &[Protocol],
        what: &str,
        column: u32,
        needed: &'static str,
    ) -> Result<(), Flaw> {
        match self.only_protocol() {
            Some(protocol) if protocols.contains(&protocol) => Ok(()),
            Some(_) | None => Err(Fault::Needs { what: what.into(), needed }.at(column)),
        }
    }
}

fn print<T>(out: &mut String, option: &str, field: &Option<Not<T>>, value: impl Fn(&T, &mut String)) {
    if let Some(field) = field {
        if field.inverted {
            out.push_str(" !");
        }
        out.push_str(option);
        value(&field.what, out);
    }
}

/// Writes a protocol's name, or its number when it has none.
pub(super) fn print_protocol(protocol: Protocol, out: &mut String) {
    match names::protocol_name(protocol.0) {
        Some(name) => out.push_str(name),
        None => {
            let _ = write!(out, "{}", protocol.0);
        }
    }
}
