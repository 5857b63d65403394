//! Putting fragments together (RFC 791, section 3.2; RFC 815; RFC 8200, section 4.5; RFC 5722; Linux v6.18:
//! `net/ipv4/ip_fragment.c`, `ip_defrag()`; `net/ipv6/netfilter/nf_conntrack_reasm.c`, `nf_ct_frag6_gather()`).
//!
//! ```text
//!  fragment ─► gather ─► its datagram ─┬─ not all there ──► held, at most ipfrag_time
//!                                      ├─ all there ──────► one packet goes on
//!                                      └─ contradiction ──► all of it is dropped
//! ```
//!
//! Over IPv6, a fragment that cannot be one (its first one lacks headers, its length cannot be right) is not held: it goes on
//! as it is, and whoever it is for tells its sender. One that ends elsewhere than another said is dropped alone.
//!
//! Memory is bounded, for each family: beyond `net.ipv4.ipfrag_high_thresh` or `net.netfilter.nf_conntrack_frag6_high_thresh`
//! no fragment is taken, and a datagram lasts no longer than `net.ipv4.ipfrag_time` or
//! `net.netfilter.nf_conntrack_frag6_timeout`. Why not evict older datagrams (`ipfrag_low_thresh`): Linux has given that up in v4.17, since
//! whoever floods evicts everybody else's.
//!
//! What differs from Linux: memory is counted as it is taken here, where the kernel counts its own buffers.

mod datagram;
mod ecn;
mod part;

use alloc::{collections::BTreeMap, vec::Vec};
use core::time::Duration;

use datagram::{Datagram, Refusal};
pub use part::Flaw;
use part::{Part, Sight};

use crate::{
    conntrack::{Address, Family},
    ending::{DropReason, Dropped},
    frame::DeviceId,
    packet::{Budget, Ip, Packet},
    sysctl::Sysctls,
    time::Instant,
    timer::Deadlines,
    wire::Protocol,
};

/// Datagrams that are being put together.
#[derive(Debug, Default)]
pub struct Defrag {
    datagrams: BTreeMap<Key, Datagram>,
    deadlines: Deadlines<Key>,
    /// Senders of datagrams that wait; nobody else's are counted.
    senders: BTreeMap<Address, Sender>,
    held: Held,
}

/// Memory that all of it takes, by family; how much it may be says a tunable.
#[derive(Debug)]
struct Held([Budget; 2]);

impl Default for Held {
    fn default() -> Self {
        Self([Budget::new(usize::MAX), Budget::new(usize::MAX)])
    }
}

impl Held {
    const fn of(&self, family: Family) -> &Budget {
        &self.0[family as usize]
    }
}

/// What tells datagrams apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    family: Family,
    source: Address,
    destination: Address,
    id: u32,
    /// Of IPv6, always "fragment".
    protocol: Protocol,
    /// Where it has come in, when its addresses mean something on that link only.
    device: Option<DeviceId>,
    /// Whether this host sends it: what comes in is never mixed with that.
    is_own: bool,
}

/// What is known of a sender.
#[derive(Clone, Copy, Debug, Default)]
struct Sender {
    /// Fragments that have come from it since it is known.
    fragments: u32,
    /// Its datagrams that wait.
    datagrams: u32,
}

/// What becomes of a fragment.
#[derive(Debug)]
pub struct Gathered {
    /// The datagram, when this was the last fragment that was missing; `None`: it waits for the others.
    pub result: Result<Option<Packet>, Dropped>,
    /// Fragments whose bytes are in the datagram: their buffers can be used again.
    pub spent: Vec<Packet>,
    /// Fragments that have waited in vain, and for which reason.
    pub lost: Vec<Dropped>,
}

/// A datagram whose time is over.
#[derive(Debug)]
pub struct GivenUp {
    /// Its fragments.
    pub fragments: Vec<Packet>,
    /// Whether the first one of them is the datagram's beginning, so that its sender can be told. It is said to have come
    /// from where the latest one has come from.
    pub has_first: bool,
}

impl Defrag {
    /// Takes a fragment; what is none is given back. Packets without a device are this host's own.
    pub fn gather(&mut self, now: Instant, packet: Packet, sysctls: &Sysctls) -> Gathered {
        let part = match packet.ip() {
            Some(Ip::V4(ip)) if ip.is_fragment() => Part::of_v4(&packet),
            Some(Ip::V6(_)) => match Sight::of(&packet) {
                Sight::Part(part) => Some(part),
                Sight::Other => None,
                Sight::Broken => return refused(packet, DropReason::FragmentMalformed),
            },
            Some(Ip::V4(_)) | None => None,
        };
        let Some((part, key)) = part.and_then(|part| Some((part, Key::of(&packet, &part)?))) else {
            return passed(packet);
        };
        let Limits { bytes_max, lasts } = Limits::of(key.family, sysctls);
        if self.held.of(key.family).bytes() > bytes_max || bytes_max == 0 {
            return refused(packet, DropReason::FragmentMemory);
        }
        let deadline = now + lasts;
        if !self.datagrams.contains_key(&key) {
            self.begin(key, deadline);
        }
        match key.family {
            Family::Ipv4 => {
                let is_too_far = self.is_too_far(&key, sysctls.ipfrag_max_dist);
                let lost = if is_too_far { self.restart(key, deadline) } else { Vec::new() };
                let mut gathered = self.insert(&key, part, packet);
                gathered.lose(lost, DropReason::FragmentTooFar);
                gathered
            }
            Family::Ipv6 if part.is_too_far() => refused(packet, DropReason::FragmentMalformed),
            Family::Ipv6 if part.is_uneven() => {
                let mut gathered = passed(packet);
                let lost = self.end(&key).map(Datagram::into_packets).unwrap_or_default();
                gathered.lose(lost, DropReason::FragmentMalformed);
                gathered
            }
            Family::Ipv6 => self.insert(&key, part, packet),
        }
    }

    /// Puts a fragment to the others of its datagram, which is known.
    fn insert(&mut self, key: &Key, part: Part, packet: Packet) -> Gathered {
        let mut gathered = Gathered { result: Ok(None), spent: Vec::new(), lost: Vec::new() };
        let Some(datagram) = self.datagrams.get_mut(key) else {
            return refused(packet, DropReason::FragmentMalformed);
        };
        match datagram.insert(part, packet, self.held.of(key.family)) {
            Ok(()) if datagram.is_complete() => self.complete(key, &mut gathered),
            Ok(()) => {}
            Err((packet, Refusal::Duplicate)) => gathered.result = Err(packet.drop_for(DropReason::FragmentDuplicate)),
            Err((packet, Refusal::Overlap)) => self.give_up(key, packet, DropReason::FragmentOverlap, &mut gathered),
            Err((packet, Refusal::Malformed)) if key.family == Family::Ipv6 => {
                gathered.result = Err(packet.drop_for(DropReason::FragmentMalformed));
            }
            Err((packet, Refusal::Malformed)) => {
                self.give_up(key, packet, DropReason::FragmentMalformed, &mut gathered);
            }
        }
        gathered
    }

    /// How many fragments wait for others. A datagram of which nothing was worth keeping counts as one: its time runs.
    pub(crate) fn waiting(&self) -> usize {
        self.datagrams.values().map(|datagram| datagram.waiting().max(1)).sum()
    }

    /// The datagrams whose time is over, oldest first.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<GivenUp> {
        let mut given_up = Vec::new();
        while let Some(key) = self.deadlines.take_due(now) {
            if let Some(datagram) = self.end(&key) {
                let (has_first, device) = (datagram.has_first(), datagram.device);
                let mut fragments = datagram.into_packets();
                if let Some(first) = fragments.first_mut() {
                    first.meta_mut().device = device;
                }
                given_up.push(GivenUp { fragments, has_first });
            }
        }
        given_up
    }

    /// When [`Self::handle_timeout`] has something to do.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// How many datagrams wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.datagrams.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    /// Bytes of memory that the waiting fragments take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.held.0.iter().map(Budget::bytes).sum()
    }

    fn begin(&mut self, key: Key, deadline: Instant) {
        let datagram = Datagram::new(deadline, self.held.of(key.family));
        self.deadlines.add(deadline, key);
        self.datagrams.insert(key, datagram);
        self.senders.entry(key.source).or_default().datagrams += 1;
    }

    /// Whether so many other fragments of the sender have come since the datagram's last one that its identification may
    /// have been used again (RFC 4963).
    ///
    /// Linux v6.18: `net/ipv4/ip_fragment.c`, `ip_frag_too_far()`.
    fn is_too_far(&mut self, key: &Key, max_dist: u32) -> bool {
        let (Some(datagram), Some(sender)) = (self.datagrams.get_mut(key), self.senders.get_mut(&key.source)) else {
            return false;
        };
        if max_dist == 0 {
            return false;
        }
        sender.fragments = sender.fragments.wrapping_add(1);
        let before = core::mem::replace(&mut datagram.seen, sender.fragments);
        !datagram.is_empty() && sender.fragments.wrapping_sub(before) > max_dist
    }

    fn restart(&mut self, key: Key, deadline: Instant) -> Vec<Packet> {
        let Some(datagram) = self.datagrams.get_mut(&key) else { return Vec::new() };
        self.deadlines.remove(datagram.deadline, key);
        self.deadlines.add(deadline, key);
        datagram.restart(deadline, self.held.of(key.family))
    }

    fn complete(&mut self, key: &Key, gathered: &mut Gathered) {
        match self.end(key).map(Datagram::join) {
            Some(Ok((whole, spent))) => (gathered.result, gathered.spent) = (Ok(Some(whole)), spent),
            Some(Err(mut lost)) => {
                if let Some(last) = lost.pop() {
                    gathered.result = Err(last.drop_for(DropReason::FragmentMalformed));
                }
                gathered.lose(lost, DropReason::FragmentMalformed);
            }
            None => {}
        }
    }

    /// Drops a fragment, and all that its datagram had so far.
    fn give_up(&mut self, key: &Key, packet: Packet, reason: DropReason, gathered: &mut Gathered) {
        gathered.result = Err(packet.drop_for(reason));
        gathered.lose(self.end(key).map(Datagram::into_packets).unwrap_or_default(), reason);
    }

    /// Takes a datagram out.
    fn end(&mut self, key: &Key) -> Option<Datagram> {
        let datagram = self.datagrams.remove(key)?;
        self.deadlines.remove(datagram.deadline, *key);
        if let Some(sender) = self.senders.get_mut(&key.source) {
            sender.datagrams -= 1;
            if sender.datagrams == 0 {
                self.senders.remove(&key.source);
            }
        }
        Some(datagram)
    }
}

impl Gathered {
    fn lose(&mut self, packets: Vec<Packet>, reason: DropReason) {
        self.lost.extend(packets.into_iter().map(|packet| packet.drop_for(reason)));
    }
}

/// A fragment that nobody waits for.
fn refused(packet: Packet, reason: DropReason) -> Gathered {
    Gathered { result: Err(packet.drop_for(reason)), spent: Vec::new(), lost: Vec::new() }
}

/// A packet that goes on as it is.
const fn passed(packet: Packet) -> Gathered {
    Gathered { result: Ok(Some(packet)), spent: Vec::new(), lost: Vec::new() }
}

/// Whether [`Defrag::gather`] has to look at a packet: it is a fragment, or has a fragment header of IPv6.
#[must_use]
pub fn concerns(packet: &Packet) -> bool {
    part::concerns(packet)
}

/// What the tunables of a family allow.
struct Limits {
    bytes_max: usize,
    lasts: Duration,
}

impl Limits {
    fn of(family: Family, sysctls: &Sysctls) -> Self {
        let (bytes_max, seconds) = match family {
            Family::Ipv4 => (sysctls.ipfrag_high_thresh, sysctls.ipfrag_time),
            Family::Ipv6 => (sysctls.conntrack_frag6_high_thresh, sysctls.conntrack_frag6_timeout),
        };
        Self { bytes_max: bytes_max as usize, lasts: Duration::from_secs(seconds.into()) }
    }
}

impl Key {
    fn of(packet: &Packet, part: &Part) -> Option<Self> {
        let ip = packet.ip()?;
        let (protocol, family) = match ip {
            Ip::V4(ip) => (ip.protocol(), Family::Ipv4),
            Ip::V6(_) => (Protocol::FRAGMENT, Family::Ipv6),
        };
        Some(Self {
            family,
            source: ip.source().into(),
            destination: ip.destination().into(),
            id: part.id,
            protocol,
            device: packet.meta().device.filter(|_| part::is_of_link(packet)),
            is_own: packet.meta().device.is_none(),
        })
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests6;
