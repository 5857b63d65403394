//! The kinds of sets: what an element consists of (ipset(8), "SET TYPES").

use serde::{Deserialize, Serialize};

/// A kind of set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kind(u8);

/// A part of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Address,
    /// An address and a prefix length.
    Network,
    /// A protocol and a port, or a type and a code of ICMP.
    Port,
    /// A port without a protocol.
    BarePort,
    Interface,
    Mac,
    Mark,
}

/// How elements are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storage {
    Hash,
    /// Only elements of a range.
    Bitmap,
    /// Sets, in an order.
    List,
}

struct Row {
    name: &'static str,
    storage: Storage,
    parts: &'static [Part],
}

impl Kind {
    /// The kind of that name.
    pub(super) fn find(name: &str) -> Option<Self> {
        KINDS.iter().position(|row| row.name == name).map(|index| Self(index as u8))
    }

    /// All names.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        KINDS.iter().map(|row| row.name)
    }

    const fn row(self) -> &'static Row {
        &KINDS[self.0 as usize % KINDS.len()]
    }

    /// Its name, as `ipset create` takes it.
    pub(super) const fn name(self) -> &'static str {
        self.row().name
    }

    pub(super) const fn storage(self) -> Storage {
        self.row().storage
    }

    /// What an element consists of; nothing for a list of sets.
    pub(super) const fn parts(self) -> &'static [Part] {
        self.row().parts
    }

    pub(super) fn has(self, part: Part) -> bool {
        self.parts().contains(&part)
    }
}

use Part::{Address, BarePort, Interface, Mac, Mark, Network, Port};

const fn hash(name: &'static str, parts: &'static [Part]) -> Row {
    Row { name, storage: Storage::Hash, parts }
}

#[rustfmt::skip]
static KINDS: [Row; 16] = [
    hash("hash:ip",          &[Address]),
    hash("hash:net",         &[Network]),
    hash("hash:ip,port",     &[Address, Port]),
    hash("hash:net,port",    &[Network, Port]),
    hash("hash:ip,port,ip",  &[Address, Port, Address]),
    hash("hash:ip,port,net", &[Address, Port, Network]),
    hash("hash:net,net",     &[Network, Network]),
    hash("hash:net,port,net", &[Network, Port, Network]),
    hash("hash:net,iface",   &[Network, Interface]),
    hash("hash:mac",         &[Mac]),
    hash("hash:ip,mac",      &[Address, Mac]),
    hash("hash:ip,mark",     &[Address, Mark]),
    Row { name: "bitmap:ip",   storage: Storage::Bitmap, parts: &[Address] },
    Row { name: "bitmap:port", storage: Storage::Bitmap, parts: &[BarePort] },
    Row { name: "list:set",    storage: Storage::List,   parts: &[] },
    // Stands for nothing that can be named.
    Row { name: "",            storage: Storage::Hash,   parts: &[] },
];

/// Kinds that Linux knows and that are not kept here, and why.
pub(super) static UNSUPPORTED: [(&str, &str); 1] =
    [("bitmap:ip,mac", "it learns addresses from packets; use hash:ip,mac and name both")];
