//! Segments that wait, stream by stream.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::net::IpAddr;

use crate::{
    conntrack::{ConnId, Direction, client::Shares},
    held::Held,
    limits::{
        LINE_BYTES_HELD_MAX, LINE_HELD_TIME, LINE_SEGMENTS_HELD_MAX, LINES_HELD_BYTES_MAX, LINES_HELD_SHARE_BYTES,
    },
    packet::Packet,
    time::Instant,
    wire::{SeqNum, TcpFlags},
};

/// One direction of a connection: slot, generation, direction.
type Key = (u32, u32, usize);

const fn key(id: ConnId, direction: Direction) -> Key {
    (id.slot, id.generation, direction.index())
}

const fn stream((slot, generation, direction): Key) -> (ConnId, Direction) {
    let direction = if direction == 0 { Direction::Original } else { Direction::Reply };
    (ConnId { slot, generation }, direction)
}

/// All segments that wait for lines.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    queues: BTreeMap<Key, Queue>,
    /// When each of them has waited long enough.
    due: BTreeSet<(Instant, Key)>,
    /// The same, client by client.
    of_clients: BTreeSet<(IpAddr, Instant, Key)>,
    segments: usize,
    /// Memory of the segments.
    bytes: usize,
    /// Whose it is.
    shares: Shares,
}

/// The segments of one stream that wait, in its order; no two hold the same byte.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) segments: VecDeque<Segment>,
    due: Instant,
    /// Who has opened the connection.
    client: IpAddr,
}

/// A segment that waits.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) held: Held,
    pub(super) start: SeqNum,
    /// Behind its last byte.
    pub(super) end: SeqNum,
    /// It ends the stream.
    pub(super) has_fin: bool,
    /// It is the one that came last.
    pub(super) is_newest: bool,
    /// Memory.
    bytes: usize,
    since: Instant,
}

/// Why segments go on although their line is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// The stream holds too many bytes or segments.
    Stream,
    /// All streams together do.
    Memory,
}

impl Segment {
    pub(super) fn new(now: Instant, held: Held) -> Self {
        let (start, flags) = held.packet.tcp().map_or_else(Default::default, |tcp| (tcp.seq(), tcp.flags));
        let end = start + held.packet.payload_len() as u32;
        let bytes = held.packet.memory_bytes();
        Self { start, end, has_fin: flags.contains(TcpFlags::FIN), is_newest: true, bytes, since: now, held }
    }
}

impl Waiting {
    /// How many segments wait.
    pub(crate) const fn len(&self) -> usize {
        self.segments
    }

    /// Memory that they hold.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// When the next stream has waited long enough.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.due.first().map(|(when, _)| *when)
    }

    /// A stream that has waited long enough.
    pub(super) fn overdue(&self, now: Instant) -> Option<(ConnId, Direction)> {
        let (when, key) = *self.due.first()?;
        (when <= now).then_some(stream(key))
    }

    /// The client whose streams hold most, when that is more than its share.
    pub(super) fn largest_client(&self) -> Option<IpAddr> {
        self.shares.largest_above(LINES_HELD_SHARE_BYTES)
    }

    /// The stream of a client that waits longest.
    pub(super) fn oldest_of(&self, client: IpAddr) -> Option<(ConnId, Direction)> {
        let (of, _, key) = *self.of_clients.range((client, Instant::ZERO, (0, 0, 0))..).next()?;
        (of == client).then_some(stream(key))
    }

    /// What waits of a stream.
    pub(super) fn of(&self, id: ConnId, direction: Direction) -> Option<&Queue> {
        self.queues.get(&key(id, direction))
    }

    /// Why a segment more would be one too many of its stream.
    pub(super) fn is_full(&self, id: ConnId, direction: Direction, packet: &Packet) -> Option<Full> {
        let held = self.of(id, direction).map_or((0, 0), |queue| {
            (queue.segments.len(), queue.segments.iter().map(|segment| (segment.end - segment.start) as usize).sum())
        });
        if held.0 >= LINE_SEGMENTS_HELD_MAX || held.1 + packet.payload_len() > LINE_BYTES_HELD_MAX {
            return Some(Full::Stream);
        }
        (self.bytes + packet.memory_bytes() > LINES_HELD_BYTES_MAX).then_some(Full::Memory)
    }

    /// Keeps a segment of a client's connection that shares no byte with another one.
    pub(super) fn insert(&mut self, client: IpAddr, (id, direction): (ConnId, Direction), segment: Segment) {
        let key = key(id, direction);
        let due = segment.since + LINE_HELD_TIME;
        (self.segments, self.bytes) = (self.segments + 1, self.bytes + segment.bytes);
        self.shares.add(client, segment.bytes);
        let queue = self.queues.entry(key).or_insert_with(|| {
            self.due.insert((due, key));
            self.of_clients.insert((client, due, key));
            Queue { segments: VecDeque::new(), due, client }
        });
        queue.segments.iter_mut().for_each(|other| other.is_newest = false);
        let behind = |other: &Segment| other.start.after(segment.start);
        let at = queue.segments.iter().position(behind).unwrap_or(queue.segments.len());
        queue.segments.insert(at, segment);
    }

    /// Gives a stream's first segments out.
    pub(super) fn take(&mut self, id: ConnId, direction: Direction, count: usize) -> VecDeque<Segment> {
        let key = key(id, direction);
        let Some(queue) = self.queues.get_mut(&key) else { return VecDeque::new() };
        let rest = queue.segments.split_off(count.min(queue.segments.len()));
        let taken = core::mem::replace(&mut queue.segments, rest);
        let client = queue.client;
        self.due.remove(&(queue.due, key));
        self.of_clients.remove(&(client, queue.due, key));
        match queue.segments.iter().map(|segment| segment.since).min() {
            Some(since) => {
                queue.due = since + LINE_HELD_TIME;
                self.due.insert((queue.due, key));
                self.of_clients.insert((client, queue.due, key));
            }
            None => {
                self.queues.remove(&key);
            }
        }
        self.segments -= taken.len();
        let bytes = taken.iter().map(|segment| segment.bytes).sum();
        self.bytes -= bytes;
        self.shares.take(client, bytes);
        taken
    }
}
