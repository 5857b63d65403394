//! The part of a rule that needs no match: addresses, devices, protocol, fragments (Linux: `struct ipt_ip`, `struct ip6t_ip6`).

use alloc::{borrow::ToOwned, string::String, vec::Vec};
use core::{
    fmt::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::{
    error::{Fault, Flaw},
    save::{
        names,
        text::{Word, Written},
        values,
    },
};
use crate::{conntrack::Family, ip::prefix, wire::Protocol};

/// What a rule says of addresses, devices and protocol. `None` and `false` say nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) source: Option<Not<Network>>,
    pub(super) destination: Option<Not<Network>>,
    pub(super) input: Option<Not<Interface>>,
    pub(super) output: Option<Not<Interface>>,
    pub(super) protocol: Option<Not<Protocol>>,
    /// `-p all` of ip6tables, which drops what has no way to a protocol as any `-p` does, and is not printed (Linux v6.18:
    /// `net/ipv6/netfilter/ip6_tables.c`, `ip6_packet_match()`, which asks for `IP6T_F_PROTO`; iptables 1.8.9:
    /// `libxtables/xtables.c`, `ipv6_proto_parse()`, which sets it).
    pub(super) any_protocol: bool,
    pub(super) fragment: Option<Not<()>>,
}

/// Something that a `!` may stand before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Not<T> {
    pub(super) inverted: bool,
    pub(super) what: T,
}

impl<T: PartialOrd> Not<(T, T)> {
    /// Whether a value lies in the range, both ends included, or outside of it.
    pub(super) fn holds(&self, value: &T) -> bool {
        (self.what.0 <= *value && *value <= self.what.1) != self.inverted
    }

    /// Whether it surely holds all that another range holds, or all that is outside of it.
    pub(super) fn covers(&self, narrower: &Self) -> bool {
        let ((first, last), (other_first, other_last)) = (&self.what, &narrower.what);
        let holds = |outer: &(T, T), inner: &(T, T)| outer.0 <= inner.0 && inner.1 <= outer.1;
        match (self.inverted, narrower.inverted) {
            (false, false) => holds(&self.what, &narrower.what),
            (true, true) => holds(&narrower.what, &self.what),
            (true, false) => other_last < first || last < other_first,
            (false, true) => false,
        }
    }
}

/// Numbers that agree with a value in the bits of a mask, or all others. A value with bits outside of the mask agrees with none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bits {
    pub(super) value: u32,
    pub(super) mask: u32,
    pub(super) inverted: bool,
}

impl Bits {
    /// Whether it holds a number.
    pub(super) const fn holds(self, number: u32) -> bool {
        (number & self.mask == self.value) != self.inverted
    }

    /// Whether it surely holds all that another one holds.
    pub(super) const fn covers(self, narrower: Self) -> bool {
        match (self.inverted, narrower.inverted) {
            (false, false) => self.takes(narrower),
            (true, true) => narrower.takes(self),
            // They differ in a bit that both name, or nothing agrees with this one's value at all.
            (true, false) => {
                (self.value ^ narrower.value) & self.mask & narrower.mask != 0 || self.value & !self.mask != 0
            }
            (false, true) => self.value == 0 && self.mask == 0,
        }
    }

    /// Whether all that agrees with another's value agrees with this one's.
    const fn takes(self, narrower: Self) -> bool {
        self.mask & !narrower.mask == 0 && narrower.value & self.mask == self.value
    }
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
    /// The network of an address and a mask of its family; bits outside the mask go. `None`: they are of two families.
    pub(super) const fn new(address: IpAddr, mask: IpAddr) -> Option<Self> {
        match (address, mask) {
            (IpAddr::V4(address), IpAddr::V4(bits)) => {
                let address = Ipv4Addr::from_bits(address.to_bits() & bits.to_bits());
                Some(Self { address: IpAddr::V4(address), mask })
            }
            (IpAddr::V6(address), IpAddr::V6(bits)) => {
                let address = Ipv6Addr::from_bits(address.to_bits() & bits.to_bits());
                Some(Self { address: IpAddr::V6(address), mask })
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
        }
    }

    /// Address and mask of an IPv4 network; `None` for IPv6.
    pub(super) const fn ipv4(self) -> Option<(u32, u32)> {
        match (self.address, self.mask) {
            (IpAddr::V4(address), IpAddr::V4(mask)) => Some((address.to_bits(), mask.to_bits())),
            (IpAddr::V4(_) | IpAddr::V6(_), _) => None,
        }
    }

    /// Address and mask of an IPv6 network; `None` for IPv4.
    pub(super) const fn ipv6(self) -> Option<(u128, u128)> {
        match (self.address, self.mask) {
            (IpAddr::V6(address), IpAddr::V6(mask)) => Some((address.to_bits(), mask.to_bits())),
            (IpAddr::V4(_) | IpAddr::V6(_), _) => None,
        }
    }

    /// The one address that it holds; `None`: it holds several.
    pub(super) const fn host(self) -> Option<IpAddr> {
        let is_whole = match self.mask {
            IpAddr::V4(mask) => mask.to_bits() == u32::MAX,
            IpAddr::V6(mask) => mask.to_bits() == u128::MAX,
        };
        if is_whole { Some(self.address) } else { None }
    }

    /// Whether an address lies in it; one of the other family does not.
    pub(super) fn contains(self, address: IpAddr) -> bool {
        Self::new(address, self.mask).is_some_and(|network| network.address == self.address)
    }

    /// Whether it holds every address of another one.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let ((address, mask), (other_address, narrower)) = (self.bits(), other.bits());
        self.is_of_family(other) && mask & narrower == mask && other_address & mask == address
    }

    /// The first and the last address, where all between them belong to it.
    pub(super) fn range(&self) -> Option<(IpAddr, IpAddr)> {
        let ((first, mask), bits) = (self.bits(), if self.address.is_ipv4() { 32 } else { 128 });
        let host_bits = bits - mask.count_ones();
        let hosts = 1_u128.checked_shl(host_bits).map_or(u128::MAX, |hosts| hosts - 1);
        let last = first | hosts;
        let last: IpAddr = match self.address {
            IpAddr::V4(_) => Ipv4Addr::from_bits(last as u32).into(),
            IpAddr::V6(_) => Ipv6Addr::from_bits(last).into(),
        };
        (mask & hosts == 0).then_some((self.address, last))
    }

    /// Whether no address lies in both.
    pub(super) fn is_disjoint(&self, other: &Self) -> bool {
        let ((address, mask), (other_address, other_mask)) = (self.bits(), other.bits());
        !self.is_of_family(other) || (address ^ other_address) & mask & other_mask != 0
    }

    const fn is_of_family(&self, other: &Self) -> bool {
        self.address.is_ipv4() == other.address.is_ipv4()
    }

    /// Address and mask as numbers of their family's length.
    fn bits(&self) -> (u128, u128) {
        let number = |address| match address {
            IpAddr::V4(address) => u128::from(Ipv4Addr::to_bits(address)),
            IpAddr::V6(address) => Ipv6Addr::to_bits(address),
        };
        (number(self.address), number(self.mask))
    }

    /// Whether it holds every address.
    pub(super) fn is_all(self) -> bool {
        self.mask.is_unspecified()
    }

    /// Reads a list of networks separated by commas.
    pub(super) fn parse_list(word: &Word, family: Family) -> Result<Vec<Self>, Flaw> {
        let wants = match family {
            Family::Ipv4 => "an IPv4 address, a network such as 10.0.0.0/8 or a list of them; names are not looked up",
            Family::Ipv6 => {
                "an IPv6 address, a network such as 2001:db8::/32 or a list of them; names are not looked up"
            }
        };
        let parse = |text: &str| Self::parse_text(text.trim_start(), family).ok_or_else(|| word.bad(wants));
        word.text.split(',').map(parse).collect()
    }

    fn parse_text(text: &str, family: Family) -> Option<Self> {
        let (address, mask) = match text.split_once('/') {
            Some((address, mask)) => (address, values::mask(mask, family)?),
            None => (text, values::whole_mask(family)),
        };
        // What the tool cannot read itself it has looked up as a name, which the C library takes for an address where it is one.
        // It does not read the name before a mask of zero, as in `any/0`.
        let named = || match family {
            Family::Ipv4 => values::libc_ipv4(address).map(IpAddr::V4),
            Family::Ipv6 => None,
        };
        let address =
            if mask.is_unspecified() { mask } else { values::short_address(address, family).or_else(named)? };
        Self::new(address, mask)
    }

    /// Writes it as the tool does: a prefix length, or a mask when it is no prefix.
    pub(super) fn print(self, out: &mut String) {
        // Writing to a String cannot fail.
        let _ = match values::prefix_of(self.mask) {
            Some(length) => write!(out, "{}/{length}", Written(self.address)),
            None => write!(out, "{}/{}", Written(self.address), Written(self.mask)),
        };
    }

    /// Writes it without a mask that says nothing.
    pub(super) fn print_short(self, out: &mut String) {
        // Writing to a String cannot fail.
        let _ = write!(out, "{}", Written(self.address));
        Self::print_mask(self.mask, out);
    }

    /// Writes a mask behind an address as matches do: nothing when all bits count.
    pub(super) fn print_mask(mask: IpAddr, out: &mut String) {
        let _ = match values::prefix_of(mask) {
            Some(length) if length == prefix::longest(mask) => Ok(()),
            Some(length) => write!(out, "/{length}"),
            None => write!(out, "/{}", Written(mask)),
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
    /// The device of that name.
    pub(super) fn named(name: &str) -> Self {
        Self { name: name.to_owned(), prefix: false }
    }

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

    /// Whether every device that `other` means is meant.
    pub(super) fn covers(&self, other: &Self) -> bool {
        if other.prefix { self.prefix && self.matches(&other.name) } else { self.matches(&other.name) }
    }

    /// Whether no device is meant by both.
    pub(super) fn is_disjoint(&self, other: &Self) -> bool {
        match (self.prefix, other.prefix) {
            (_, false) => !self.matches(&other.name),
            (false, true) => !other.matches(&self.name),
            (true, true) => !self.name.starts_with(&other.name) && !other.name.starts_with(&self.name),
        }
    }

    /// Writes the name, with a `+` behind the start of names.
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
