//! One datagram in the making: which bytes are there, and what a further fragment is to them.
//!
//! Linux v6.18: `net/ipv4/ip_fragment.c`, `ip_frag_queue()`; `net/ipv6/netfilter/nf_conntrack_reasm.c`,
//! `nf_ct_frag6_queue()`; `net/ipv4/inet_fragment.c`, `inet_frag_queue_insert()`.

use alloc::vec::Vec;

use super::{ecn, part::Part};
use crate::{
    frame::DeviceId,
    limits::DATAGRAM_MEMORY_BYTES,
    packet::{Budget, Charge, Checksum, IpMut, Packet, Pieces},
    time::Instant,
    wire::{Ipv4Header, Ipv6Header},
};

/// A datagram of which not all is there yet.
#[derive(Debug)]
pub(super) struct Datagram {
    /// When it is given up.
    pub(super) deadline: Instant,
    /// What its sender's counter of fragments showed with the last one.
    pub(super) seen: u32,
    /// Its fragments, by offset.
    fragments: Vec<Fragment>,
    /// Bytes that lie next to each other because they came in order, by offset. Runs that touch are not joined: an
    /// exact copy of two of them is no copy of one.
    runs: Vec<(u32, u32)>,
    /// Whether the last fragment is there, so that the length is known.
    has_last: bool,
    /// The greatest end so far.
    len: u32,
    /// Bytes that are there.
    present: u32,
    /// Bytes of the largest fragment, header included, and of the largest that must not be fragmented.
    largest: u32,
    largest_whole: u32,
    /// The congestion marks of all fragments, one bit each.
    marks: u8,
    /// Where the latest fragment arrived.
    pub(super) device: Option<DeviceId>,
    /// For the memory that it takes itself; each fragment has a charge of its own.
    _charge: Charge,
}

const _: () = assert!(size_of::<Datagram>() <= DATAGRAM_MEMORY_BYTES);

/// A fragment that waits.
#[derive(Debug)]
struct Fragment {
    part: Part,
    packet: Packet,
}

impl Fragment {
    /// Bytes of data.
    const fn len(&self) -> usize {
        (self.part.end - self.part.offset) as usize
    }

    /// Bytes of data that are at hand; a capture may have cut some.
    fn present(&self) -> usize {
        self.packet.network_bytes().len() - self.part.data_at + self.packet.fragments().map(<[u8]>::len).sum::<usize>()
    }
}

/// Why a fragment is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// All of it is there already; the datagram stays.
    Duplicate,
    /// It overlaps another one: nobody can say which is right, and all goes (RFC 5722; RFC 8900, section 3.7).
    Overlap,
    /// It is empty, or ends where the datagram cannot: of IPv4, all goes.
    Malformed,
}

impl Datagram {
    /// How many fragments are there.
    pub(super) const fn waiting(&self) -> usize {
        self.fragments.len()
    }

    pub(super) fn new(deadline: Instant, held: &Budget) -> Self {
        Self {
            deadline,
            seen: 0,
            fragments: Vec::new(),
            runs: Vec::new(),
            has_last: false,
            len: 0,
            present: 0,
            largest: 0,
            largest_whole: 0,
            marks: 0,
            device: None,
            _charge: held.charge(DATAGRAM_MEMORY_BYTES),
        }
    }

    /// Whether nothing waits.
    pub(super) const fn is_empty(&self) -> bool {
        self.fragments.is_empty()
    }

    /// Takes a fragment.
    ///
    /// # Errors
    /// Gives it back with the reason why it is not taken.
    pub(super) fn insert(&mut self, part: Part, mut packet: Packet, held: &Budget) -> Result<(), (Packet, Refusal)> {
        let Part { offset, end, more, .. } = part;
        if let Err(refusal) = self.stretch(offset, end, more).and_then(|()| self.lay(offset, end)) {
            return Err((packet, refusal));
        }
        if packet.ipv4().is_some() {
            packet.truncate_transport((end - offset) as usize);
        }
        self.device = packet.meta().device;
        self.present += end - offset;
        self.marks |= ecn::mark(part.tos);
        packet.charge_to(held);
        self.largest = self.largest.max(part.whole);
        if part.dont_fragment {
            self.largest_whole = self.largest_whole.max(part.whole);
        }
        let index = self.fragments.partition_point(|known| known.part.offset < offset);
        self.fragments.insert(index, Fragment { part, packet });
        Ok(())
    }

    /// Whether the datagram can end where this fragment says.
    fn stretch(&mut self, offset: u32, end: u32, more: bool) -> Result<(), Refusal> {
        let fits = match (more, self.has_last) {
            (false, false) => end >= self.len,
            (false, true) => end == self.len,
            (true, has_last) => end <= self.len || !has_last,
        };
        if !fits {
            return Err(Refusal::Malformed);
        }
        self.has_last |= !more;
        self.len = self.len.max(end);
        if end == offset { Err(Refusal::Malformed) } else { Ok(()) }
    }

    /// Enters the bytes from `offset` to `end`.
    fn lay(&mut self, offset: u32, end: u32) -> Result<(), Refusal> {
        match self.runs.last_mut() {
            None => self.runs.push((offset, end)),
            Some((_, last_end)) if *last_end < end => match offset.cmp(last_end) {
                core::cmp::Ordering::Less => return Err(Refusal::Overlap),
                core::cmp::Ordering::Equal => *last_end = end,
                core::cmp::Ordering::Greater => self.runs.push((offset, end)),
            },
            Some(_) => {
                let index = self.runs.partition_point(|&(_, known_end)| known_end <= offset);
                match self.runs.get(index) {
                    Some(&(start, known_end)) if start <= offset && end <= known_end => return Err(Refusal::Duplicate),
                    Some(&(start, _)) if start < end => return Err(Refusal::Overlap),
                    Some(_) | None => self.runs.insert(index, (offset, end)),
                }
            }
        }
        Ok(())
    }

    /// Whether all is there.
    pub(super) fn is_complete(&self) -> bool {
        self.has_last && self.present == self.len
    }

    /// Whether its beginning is there.
    pub(super) fn has_first(&self) -> bool {
        self.fragments.first().is_some_and(|first| first.part.offset == 0)
    }

    /// Forgets what is there, and goes on as if it had just begun; what it said of sizes stays said.
    pub(super) fn restart(&mut self, deadline: Instant, held: &Budget) -> Vec<Packet> {
        let (largest, largest_whole, seen) = (self.largest, self.largest_whole, self.seen);
        let before = core::mem::replace(self, Self { largest, largest_whole, seen, ..Self::new(deadline, held) });
        before.into_packets()
    }

    /// Its fragments, by offset. They wait no longer.
    pub(super) fn into_packets(self) -> Vec<Packet> {
        let released = |Fragment { mut packet, .. }: Fragment| {
            packet.discharge();
            packet
        };
        self.fragments.into_iter().map(released).collect()
    }

    /// Puts the fragments together, which are complete. Gives the datagram with the headers of its first fragment, and the
    /// packets whose bytes were copied. The fragment header of IPv6 is gone.
    ///
    /// # Errors
    /// When their congestion marks contradict each other, or the whole is longer than a length field can say: all fragments.
    ///
    /// Linux v6.18: `net/ipv4/ip_fragment.c`, `ip_frag_reasm()`; `net/ipv6/netfilter/nf_conntrack_reasm.c`,
    /// `nf_ct_frag6_reasm()`.
    pub(super) fn join(self) -> Result<(Packet, Vec<Packet>), Vec<Packet>> {
        let (Some(mark), Some(length)) = (ecn::joined(self.marks), self.length()) else {
            return Err(self.into_packets());
        };
        let mut pieces = Pieces {
            largest_bytes: self.largest.max(self.largest_whole) as u16,
            dont_fragment: self.largest == self.largest_whole,
            lens: self.fragments.iter().map(|fragment| fragment.len() as u16).collect(),
        };
        let is_cut = self.fragments.iter().any(|fragment| fragment.packet.meta().cut_bytes > 0);
        // Of a part's sum nothing follows for the whole.
        let is_trusted =
            is_cut || self.fragments.iter().all(|fragment| fragment.packet.meta().checksum == Checksum::Unnecessary);
        let device = self.device;
        let mut fragments = self.fragments.into_iter();
        let Some(mut first) = fragments.next() else { return Err(Vec::new()) };
        let rest: Vec<Fragment> = fragments.collect();
        fill_cut(&mut first);
        let Fragment { part, packet: mut whole } = first;
        whole.append(&gathered(&rest));
        if part.named_at > 0 {
            whole.take_fragment_header(part.data_at, part.named_at);
        }
        match whole.ip_mut() {
            Some(IpMut::V4(ip)) => {
                ip.total_len.set(length);
                ip.flags_fragment.set(if pieces.dont_fragment { Ipv4Header::DONT_FRAGMENT } else { 0 });
                ip.tos |= mark;
            }
            Some(IpMut::V6(ip)) => {
                ip.payload_len.set(length);
                ip.set_traffic_class(part.tos | mark);
            }
            None => {}
        }
        whole.fill_ip_checksum();
        let meta = whole.meta_mut();
        (meta.device, meta.cut_bytes) = (device, 0);
        meta.checksum = if is_trusted { Checksum::Unnecessary } else { Checksum::None };
        whole.discharge();
        let mut spent: Vec<Packet> = rest.into_iter().map(|fragment| fragment.packet).collect();
        spent.iter_mut().for_each(|packet| _ = packet.discharge());
        match whole.reparse() {
            Ok(()) => {
                pieces.begin_behind(whole.network_header_len().saturating_sub(part.header_len()));
                whole.set_pieces(pieces);
                Ok((whole, spent))
            }
            Err(_) => {
                spent.push(whole);
                Err(spent)
            }
        }
    }

    /// What the whole's length field says; `None` when it cannot.
    fn length(&self) -> Option<u16> {
        let first = self.fragments.first()?;
        let headers = match first.packet.ipv6() {
            None => first.part.header_len(),
            Some(_) => first.part.header_len() - Ipv6Header::LEN,
        };
        u16::try_from(headers + self.len as usize).ok()
    }
}

/// The data of fragments behind the first, in one piece; what a capture has cut off is zero.
fn gathered(fragments: &[Fragment]) -> Vec<u8> {
    let mut data = Vec::with_capacity(fragments.iter().map(Fragment::len).sum());
    for fragment in fragments {
        let end = data.len() + fragment.len();
        data.extend_from_slice(&fragment.packet.network_bytes()[fragment.part.data_at..]);
        fragment.packet.fragments().for_each(|bytes| data.extend_from_slice(bytes));
        fragment.packet.count_copy(data.len() + fragment.len() - end);
        data.resize(end, 0);
    }
    data
}

/// Fills what a capture has cut off the first fragment with zeros.
fn fill_cut(first: &mut Fragment) {
    let missing = first.len().saturating_sub(first.present());
    if missing > 0 {
        first.packet.append(&alloc::vec![0; missing]);
    }
}
