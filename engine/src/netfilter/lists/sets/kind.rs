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
    /// As it was called once, which the tool still takes.
    former_name: &'static str,
    /// How often Linux v6.18 has changed what it takes of such a set (`IPSET_TYPE_REV_MAX`), as the tool tells.
    revision: u8,
    storage: Storage,
    parts: &'static [Part],
}

impl Kind {
    /// The kind of that name, be it one of former days.
    pub(super) fn find(name: &str) -> Option<Self> {
        let is = |row: &Row| !name.is_empty() && (row.name == name || row.former_name == name);
        KINDS.iter().position(is).map(|index| Self(index as u8))
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

    pub(super) const fn revision(self) -> u8 {
        self.row().revision
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

    /// Whether sets of two kinds may change places: elements consist of the same, in whatever order and however they are kept (Linux
    /// v6.18: `net/netfilter/ipset/ip_set_core.c`, `ip_set_swap()`, which compares `features`).
    pub(super) fn is_like(self, other: Self) -> bool {
        let features = |kind: Self| {
            let count = |wanted: &[Part]| kind.parts().iter().filter(|part| wanted.contains(part)).count();
            let parts = [
                count(&[Address, Network]),
                count(&[Port, BarePort]),
                count(&[Interface]),
                count(&[Mac]),
                count(&[Mark]),
            ];
            (parts, kind.has(Network), kind.storage() == Storage::List)
        };
        features(self) == features(other)
    }

    /// Whether a network may be all addresses (Linux v6.18: `ip_set_hash_netiface.c`, `ip_set_hash_netportnet.c`).
    pub(super) fn takes_all_addresses(self) -> bool {
        ["hash:net,iface", "hash:net,port,net"].contains(&self.name())
    }
}

use Part::{Address, BarePort, Interface, Mac, Mark, Network, Port};

const fn hash(name: &'static str, former_name: &'static str, revision: u8, parts: &'static [Part]) -> Row {
    Row { name, former_name, revision, storage: Storage::Hash, parts }
}

#[rustfmt::skip]
static KINDS: [Row; 16] = [
    hash("hash:ip",           "iphash",         6, &[Address]),
    hash("hash:net",          "nethash",        7, &[Network]),
    hash("hash:ip,port",      "ipporthash",     7, &[Address, Port]),
    hash("hash:net,port",     "netporthash",    8, &[Network, Port]),
    hash("hash:ip,port,ip",   "ipportiphash",   6, &[Address, Port, Address]),
    hash("hash:ip,port,net",  "ipportnethash",  8, &[Address, Port, Network]),
    hash("hash:net,net",      "netnethash",     4, &[Network, Network]),
    hash("hash:net,port,net", "netportnethash", 3, &[Network, Port, Network]),
    hash("hash:net,iface",    "netifacehash",   8, &[Network, Interface]),
    hash("hash:mac",          "machash",        1, &[Mac]),
    hash("hash:ip,mac",       "ipmachash",      1, &[Address, Mac]),
    hash("hash:ip,mark",      "ipmarkhash",     3, &[Address, Mark]),
    Row { name: "bitmap:ip",   former_name: "ipmap",   revision: 3, storage: Storage::Bitmap, parts: &[Address] },
    Row { name: "bitmap:port", former_name: "portmap", revision: 3, storage: Storage::Bitmap, parts: &[BarePort] },
    Row { name: "list:set",    former_name: "setlist", revision: 3, storage: Storage::List,   parts: &[] },
    // Stands for nothing that can be named.
    hash("", "", 0, &[]),
];

/// Kinds that Linux knows and that are not kept here, and why.
pub(super) static UNSUPPORTED: [(&str, &str); 2] = [("bitmap:ip,mac", LEARNS), ("macipmap", LEARNS)];

const LEARNS: &str = "it learns addresses from packets; use hash:ip,mac and name both";
