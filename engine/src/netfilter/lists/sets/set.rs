//! One set: its elements, and what it says of a packet (Linux v6.18: `net/netfilter/ipset/ip_set_hash_gen.h`,
//! `mtype_test()`, `mtype_test_cidrs()`, `mtype_add()`).

use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::{fmt::Write, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    create::BUCKET_SIZE_MAX,
    elements::Elements,
    key::Key,
    kind::{Kind, Part, Storage},
};
use crate::{
    conntrack::{Address, Family},
    limits::{COMMENT_BYTES_MAX, COUNT_MAX, SET_ELEMENTS_MAX, SETS_MAX},
    netfilter::{
        ends::{masked, prefix_mask},
        save::text::print_text,
    },
    time::Instant,
};

/// A set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Set {
    pub(super) kind: Kind,
    pub(super) options: Options,
    pub(super) elements: Elements,
    /// The members of a list, in its order.
    pub(super) members: Vec<(String, Element)>,
    /// How many elements have each prefix, of their first and second network.
    prefixes: [BTreeMap<u8, u32>; 2],
}

/// What `create` has said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Options {
    pub(super) family: Family,
    /// Bits of addresses that are kept.
    pub(super) netmask: Option<u8>,
    /// The bits of addresses that are kept, which need not be the leading ones.
    pub(super) bitmask: Option<Address>,
    /// Seconds that an element lives when it does not say otherwise; 0: for ever; `None`: elements have no timeouts.
    pub(super) timeout: Option<u32>,
    pub(super) counters: bool,
    pub(super) comment: bool,
    pub(super) force_add: bool,
    pub(super) hash_size: u32,
    pub(super) elements_max: u32,
    pub(super) mark_mask: Option<u32>,
    /// Of a bitmap: first and last address or port.
    pub(super) range: Option<(u32, u32)>,
    /// Of a list of sets.
    pub(super) size: u32,
    /// Elements of a bucket at most; nothing depends on it here.
    pub(super) bucket_size: Option<u32>,
    /// What elements are spread with; Linux draws it by lot, and here nothing depends on it.
    pub(super) seed: Option<u32>,
}

impl Options {
    /// What a set of that kind is when `create` says nothing more.
    pub(super) fn of(kind: Kind) -> Self {
        Self {
            family: Family::Ipv4,
            netmask: None,
            bitmask: None,
            timeout: None,
            counters: false,
            comment: false,
            force_add: false,
            hash_size: 1024,
            elements_max: 65_536,
            mark_mask: None,
            range: None,
            size: 8,
            bucket_size: (kind.storage() == Storage::Hash).then_some(BUCKET_SIZE_MAX),
            seed: None,
        }
    }

    /// The bits of addresses that are kept, of 128 that Linux has for either family.
    fn kept_bits(&self) -> Address {
        let Some(Address(mut bytes)) = self.bitmask.or_else(|| self.netmask.map(prefix_mask)) else {
            return prefix_mask(128);
        };
        if self.family == Family::Ipv4 {
            bytes[4..].fill(u8::MAX);
        }
        Address(bytes)
    }
}

/// What is kept with an element.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Element {
    /// When it is forgotten. Before the set is in force: counted from [`Instant::ZERO`].
    pub(super) expires: Option<Instant>,
    pub(super) packets: u64,
    pub(super) bytes: u64,
    pub(super) comment: Option<String>,
    /// An exception: what it holds is not in the set.
    pub(super) no_match: bool,
    /// All interfaces whose names start so.
    pub(super) wildcard: bool,
}

/// What a set says of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    No,
    Yes,
    /// An exception holds it.
    Exception,
}

/// What a rule asks beside whether an element is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::netfilter) struct Demand {
    /// Elements count the packets that find them.
    pub(in crate::netfilter) count: bool,
    /// Elements of sets in a list count too.
    pub(in crate::netfilter) count_members: bool,
    /// Exceptions hold, and nothing else does.
    pub(in crate::netfilter) exceptions: bool,
    pub(in crate::netfilter) packets: Option<Compare>,
    pub(in crate::netfilter) bytes: Option<Compare>,
}

/// What a counter has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::netfilter) enum Compare {
    Equal(u64),
    NotEqual(u64),
    Less(u64),
    Greater(u64),
}

impl Compare {
    const fn holds(self, count: u64) -> bool {
        match self {
            Self::Equal(asked) => count == asked,
            Self::NotEqual(asked) => count != asked,
            Self::Less(asked) => count < asked,
            Self::Greater(asked) => count > asked,
        }
    }
}

impl Set {
    pub(super) const fn new(kind: Kind, options: Options) -> Self {
        let prefixes = [BTreeMap::new(), BTreeMap::new()];
        Self { kind, options, elements: Elements::new(), members: Vec::new(), prefixes }
    }

    /// Whose addresses it holds; `None`: no addresses at all.
    pub(super) fn family(&self) -> Option<Family> {
        let has_addresses = self.kind.has(Part::Address) || self.kind.has(Part::Network);
        has_addresses.then_some(self.options.family)
    }

    /// Whether an element holds what a packet shows; the most specific network first.
    pub(super) fn test(&mut self, now: Instant, shown: &Key, bytes: u64, demand: &Demand) -> Found {
        let Some(shown) = self.fitted(shown.clone()) else { return Found::No };
        if !self.kind.has(Part::Network) {
            return self.test_one(now, &shown, bytes, demand);
        }
        let prefixes = |index: usize| -> Vec<u8> {
            let found: Vec<u8> = self.prefixes[index].keys().rev().copied().collect();
            if found.is_empty() { alloc::vec![shown.nets[index].prefix] } else { found }
        };
        let (first, second) = (prefixes(0), prefixes(1));
        for &first in &first {
            for &second in &second {
                let mut key = shown.clone();
                key.nets = [shown.nets[0].within(first), shown.nets[1].within(second)];
                match self.test_one(now, &key, bytes, demand) {
                    Found::No => {}
                    found @ (Found::Yes | Found::Exception) => return found,
                }
            }
        }
        Found::No
    }

    fn test_one(&mut self, now: Instant, key: &Key, bytes: u64, demand: &Demand) -> Found {
        let counters = self.options.counters;
        let mut ask = |key: &Key, must_be_wild: bool| {
            let found = |element: &mut Element| {
                let is_asked = element.wildcard || !must_be_wild;
                is_asked.then(|| (element.holds(now, counters, bytes, demand), element.no_match))
            };
            self.elements.ask(key, found).flatten()
        };
        let found = match ask(key, false) {
            Some(found) => Some(found),
            None if self.kind.has(Part::Interface) => {
                // One that holds all interfaces whose names start as this one's.
                let beginnings = key.interface.char_indices().map(|(end, _)| &key.interface[..end]);
                let mut wild = key.clone();
                beginnings.into_iter().find_map(|beginning| {
                    wild.interface.clear();
                    wild.interface.push_str(beginning);
                    ask(&wild, true)
                })
            }
            None => None,
        };
        match found {
            None | Some((false, _)) => Found::No,
            Some((true, false)) => Found::Yes,
            Some((true, true)) => Found::Exception,
        }
    }

    /// Adds an element; false: it is there already (and `exist` does not say that this is fine), or there is no room.
    pub(super) fn add(&mut self, now: Instant, key: Key, element: Element, exist: bool) -> bool {
        let Some(key) = self.fitted(key) else { return false };
        let known = self.elements.get(&key).map(|known| known.is_alive(now));
        if known == Some(true) && !exist {
            return false;
        }
        if known.is_none() && self.elements.len() >= self.options.elements_max as usize {
            self.forget_expired(now);
            if self.elements.len() >= self.options.elements_max as usize && !self.make_room() {
                return false;
            }
        }
        if self.elements.insert(key.clone(), element) {
            for (index, net) in self.prefix_places(&key) {
                *self.prefixes[index].entry(net).or_default() += 1;
            }
        }
        true
    }

    /// Takes an element out; false: it is not there.
    pub(super) fn remove(&mut self, key: Key) -> bool {
        self.fitted(key).is_some_and(|key| self.take(&key))
    }

    fn take(&mut self, key: &Key) -> bool {
        if !self.elements.remove(key) {
            return false;
        }
        for (index, net) in self.prefix_places(key) {
            if let Some(count) = self.prefixes[index].get_mut(&net) {
                *count -= 1;
                if *count == 0 {
                    self.prefixes[index].remove(&net);
                }
            }
        }
        true
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.kind, self.options.clone());
    }

    /// The prefix that an element gets that a packet adds: the longest one that is there.
    pub(super) fn packet_prefix(&self) -> Option<u8> {
        self.prefixes[0].keys().next_back().copied()
    }

    /// A new element's life, without a timeout of its own that of the set.
    pub(super) fn expiry(&self, now: Instant, timeout: Option<u32>) -> Option<Instant> {
        let seconds = self.options.timeout.map(|default| timeout.unwrap_or(default))?;
        (seconds > 0).then(|| now + Duration::from_secs(u64::from(seconds)))
    }

    /// The element as the set keeps it; `None` when it cannot hold it.
    pub(super) fn fitted(&self, mut key: Key) -> Option<Key> {
        let of_family = key.family == self.options.family;
        match (self.kind.storage(), self.options.range) {
            (Storage::Bitmap, Some((first, last))) if self.kind.has(Part::Address) => {
                let address = u32::from_be_bytes(key.nets[0].address.as_v4());
                (of_family && (first..=last).contains(&address)).then_some(())?;
            }
            (Storage::Bitmap, Some((first, last))) => {
                (key.family, key.protocol) = (Family::Ipv4, 0);
                (first..=last).contains(&u32::from(key.port)).then_some(())?;
            }
            _ if self.kind.name() == "hash:mac" => key.family = Family::Ipv4,
            _ => of_family.then_some(())?,
        }
        if let Some(prefix) = self.options.netmask {
            let net = key.nets[0];
            key.nets[0].address = net.within(prefix).address;
        }
        if let Some(mask) = self.options.bitmask {
            key.nets[0].address = masked(key.nets[0].address, mask);
        }
        if let Some(mask) = self.options.mark_mask {
            key.mark &= mask;
        }
        // Whose address has no bit is nobody to such a set (Linux v6.18: `ip_set_hash_ip.c`, `ip_set_hash_ipport.c`, `hash_ip4_uadt()`,
        // `hash_ipport4_uadt()` and those of IPv6).
        let takes_nobody = !["hash:ip", "hash:ip,port"].contains(&self.kind.name());
        (takes_nobody || !key.nets[0].address.to_ip(key.family).is_unspecified()).then_some(())?;
        Some(key)
    }

    /// Where networks stand in a key, with their prefixes.
    fn prefix_places(&self, key: &Key) -> Vec<(usize, u8)> {
        let nets = self.kind.parts().iter().filter(|part| matches!(part, Part::Address | Part::Network));
        let placed = nets.enumerate().filter(|(_, part)| **part == Part::Network);
        placed.map(|(index, _)| (index, key.nets[index].prefix)).collect()
    }

    /// Whether it keeps the bounds, and counts its prefixes.
    pub(super) fn is_sound(&self) -> bool {
        let members = self.members.iter().map(|(_, element)| element);
        let is_right = |element: &Element| {
            let has_short_comment = element.comment.as_ref().is_none_or(|comment| comment.len() <= COMMENT_BYTES_MAX);
            element.packets < COUNT_MAX && element.bytes < COUNT_MAX && has_short_comment
        };
        self.elements.len() <= SET_ELEMENTS_MAX as usize
            && self.members.len() <= SETS_MAX
            && self.elements.iter().map(|(_, element)| element).chain(members).all(is_right)
            && self.prefixes.iter().flat_map(BTreeMap::values).all(|count| *count > 0)
    }

    /// Whether `create` with the other's options may take it for that set (Linux v6.18: `net/netfilter/ipset/ip_set_core.c`,
    /// `ip_set_create()`, and `same_set()` of each kind). The family of a hash is not asked for, as in Linux.
    pub(super) fn is_as(&self, kind: Kind, other: &Options) -> bool {
        let own = &self.options;
        let kept = |options: &Options| (options.timeout, options.counters, options.comment);
        let is_shaped = match self.kind.storage() {
            Storage::Hash => {
                let marks = |options: &Options| options.mark_mask.unwrap_or(u32::MAX);
                own.elements_max == other.elements_max
                    && own.kept_bits() == other.kept_bits()
                    && marks(own) == marks(other)
            }
            Storage::Bitmap => (own.range, own.netmask) == (other.range, other.netmask),
            Storage::List => own.size == other.size,
        };
        self.kind == kind && kept(own) == kept(other) && is_shaped
    }

    /// Forgets some of those whose time is over, however many there are.
    fn forget_expired(&mut self, now: Instant) {
        let dead: Vec<Key> = self.elements.expired(now).cloned().collect();
        for key in dead {
            self.take(&key);
        }
    }

    /// With `forceadd` one element makes room. Linux takes any of a bucket; here it is the first in order.
    fn make_room(&mut self) -> bool {
        let victim = self.options.force_add.then(|| self.elements.first().cloned()).flatten();
        victim.is_some_and(|key| self.take(&key))
    }

    /// Puts lives that were counted from [`Instant::ZERO`] where they belong.
    pub(super) fn start(&mut self, now: Instant) {
        let expiry = |life: Instant| now + life.since(Instant::ZERO);
        self.elements.shift(expiry);
        for (_, member) in &mut self.members {
            member.expires = member.expires.map(expiry);
        }
    }

    /// Writes it as `ipset -sorted save` does.
    pub(super) fn print(&self, name: &str, now: Instant, out: &mut String) {
        let _ = write!(out, "create {name} {}", self.kind.name());
        self.print_options(out);
        out.push('\n');
        self.print_elements(&format!("add {name} "), now, out);
    }

    /// Writes what `create` has said behind the kind, each with a blank before it.
    pub(super) fn print_options(&self, out: &mut String) {
        let Options { family, netmask, bitmask, timeout, counters, comment, .. } = self.options;
        match self.kind.storage() {
            Storage::Hash => {
                if self.kind.name() != "hash:mac" {
                    let _ = write!(out, " family {}", if family == Family::Ipv4 { "inet" } else { "inet6" });
                }
                if let Some(mask) = self.options.mark_mask {
                    let _ = write!(out, " markmask {mask:#010x}");
                }
                let _ = write!(out, " hashsize {} maxelem {}", self.options.hash_size, self.options.elements_max);
            }
            Storage::Bitmap => self.print_range(out),
            Storage::List => {
                let _ = write!(out, " size {}", self.options.size);
            }
        }
        let print_masks = |out: &mut String| {
            if let Some(prefix) = netmask {
                let _ = write!(out, " netmask {prefix}");
            }
            if let Some(mask) = bitmask {
                let _ = write!(out, " bitmask {}", mask.to_ip(family));
            }
        };
        // The tool tells those of addresses with ports last.
        let masks_are_last = self.kind.has(Part::Port);
        if !masks_are_last {
            print_masks(out);
        }
        if let Some(timeout) = timeout {
            let _ = write!(out, " timeout {timeout}");
        }
        for (word, given) in [("counters", counters), ("comment", comment), ("forceadd", self.options.force_add)] {
            if given {
                let _ = write!(out, " {word}");
            }
        }
        if let Some(size) = self.options.bucket_size {
            let _ = write!(out, " bucketsize {size}");
        }
        if let Some(seed) = self.options.seed {
            let _ = write!(out, " initval {seed:#010x}");
        }
        if masks_are_last {
            print_masks(out);
        }
    }

    fn print_range(&self, out: &mut String) {
        let Some((first, last)) = self.options.range else { return };
        let text = |number: u32| match self.kind.has(Part::Address) {
            true => core::net::Ipv4Addr::from_bits(number).to_string(),
            false => number.to_string(),
        };
        let _ = write!(out, " range {}-{}", text(first), text(last));
    }

    /// Writes its elements, a line each, with `before` at its beginning.
    pub(super) fn print_elements(&self, before: &str, now: Instant, out: &mut String) {
        let keys = self.elements.iter().map(|(key, element)| {
            let mut text = String::new();
            key.print(self.kind, &mut text);
            (text, element)
        });
        let mut lines: Vec<(String, &Element)> = keys.collect();
        lines.extend(self.members.iter().map(|(member, element)| (member.clone(), element)));
        for (text, element) in lines.iter().filter(|(_, element)| element.is_alive(now)) {
            let _ = write!(out, "{before}{text}");
            if self.options.timeout.is_some() {
                let left = element.expires.map_or(0, |expires| expires.since(now).as_secs());
                let _ = write!(out, " timeout {left}");
            }
            for (word, given) in [("nomatch", element.no_match), ("wildcard", element.wildcard)] {
                if given {
                    let _ = write!(out, " {word}");
                }
            }
            if self.options.counters {
                let _ = write!(out, " packets {} bytes {}", element.packets, element.bytes);
            }
            if let Some(comment) = &element.comment {
                out.push_str(" comment");
                match comment.contains(['"', '\\']) {
                    true => print_text(out, comment),
                    false => {
                        let _ = write!(out, " \"{comment}\"");
                    }
                }
            }
            out.push('\n');
        }
    }
}

impl Element {
    pub(super) fn is_alive(&self, now: Instant) -> bool {
        self.expires.is_none_or(|expires| expires > now)
    }

    /// Whether it counts for a rule (Linux v6.18: `net/netfilter/ipset/ip_set_core.c`, `ip_set_match_extensions()`).
    pub(super) fn holds(&mut self, now: Instant, counters: bool, bytes: u64, demand: &Demand) -> bool {
        if !self.is_alive(now) {
            return false;
        }
        if !counters {
            return true;
        }
        if demand.count {
            // Those that were read may stand near the bound already.
            self.packets = self.packets.saturating_add(1).min(COUNT_MAX - 1);
            self.bytes = self.bytes.saturating_add(bytes).min(COUNT_MAX - 1);
        }
        demand.packets.is_none_or(|asked| asked.holds(self.packets))
            && demand.bytes.is_none_or(|asked| asked.holds(self.bytes))
    }
}
