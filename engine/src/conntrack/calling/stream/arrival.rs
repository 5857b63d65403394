//! What becomes of a segment that arrives: it goes on, or waits; and then, of those that have waited for it.

use alloc::{string::ToString, vec::Vec};
use core::net::IpAddr;

use super::{
    Open,
    ahead::Stretch,
    reading::{
        Run, begin, blank_bytes, catch_up, give_up, go_on, know, leave_unbegun, must_be_whole, must_begin, pass_ahead,
        payload, read, stream_mut,
    },
    waiting::{Full, Segment},
};
use crate::{
    conntrack::{
        ConnId, Connection, Conntrack, Direction, Tracking,
        calling::{Departure, Desk, GivenUp, Memory, consult::Call, opening::Beginning},
        client::client_of,
        tcp,
    },
    ending::DropReason,
    held::Held,
    offload,
    packet::{Packet, Standing},
    wire::{SeqNum, TcpFlags},
};

/// What becomes of a segment that arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::conntrack::calling) enum Arrived {
    /// It goes on. True: its payload has changed.
    On(bool),
    /// It waits, or others wait that go on before it: see [`wait`].
    Waits,
}

/// A segment whose wait is over.
#[derive(Debug)]
pub(crate) struct Passing {
    /// It, and where it goes on.
    pub(crate) held: Held,
    /// Why it goes no further.
    pub(crate) dropped: Option<DropReason>,
    /// It is the one that has just arrived.
    pub(crate) is_own: bool,
}

/// Reads a segment that has arrived, unless it has to wait.
///
/// # Errors
/// When it has to be dropped.
pub(in crate::conntrack::calling) fn arrive(
    call: &mut Call<'_>,
    packet: &mut Packet,
    is_answered: bool,
) -> Result<Arrived, DropReason> {
    let Some((seq, flags)) = packet.tcp().map(|tcp| (tcp.seq(), tcp.flags)) else { return Ok(Arrived::On(false)) };
    let len = packet.payload_len() as u32;
    let (ends, resets) = (flags.contains(TcpFlags::FIN), flags.contains(TcpFlags::RST));
    if flags.contains(TcpFlags::SYN) {
        take_syn(call, seq, len == 0, packet.meta().standing);
        return Ok(Arrived::On(false));
    }
    if resets || !is_answered || (len == 0 && !ends) {
        return Ok(Arrived::On(false));
    }
    let end = seq + len;
    let Some(stream) = stream_mut(call) else { return Ok(Arrived::On(false)) };
    let Some(next) = stream.next() else {
        if stream.open() == Open::Deaf {
            return write(call, packet).map(Arrived::On);
        }
        let payload = payload(packet);
        let is_line_end = packet.meta().cut_bytes > 0 || payload.last() == Some(&b'\n');
        go_on(call, end + u32::from(ends), if is_line_end { Open::Start } else { Open::Other });
        leave_unbegun(call, &payload);
        // What was known of the stream may be forgotten, but what was written is remembered.
        return write(call, packet).map(Arrived::On);
    };
    if len > 0 && stream.open() == Open::First && seq.before(next) && begins_before(call, seq, next, packet) {
        return write(call, packet).map(Arrived::On);
    }
    let Some(stream) = stream_mut(call) else { return Ok(Arrived::On(false)) };
    if stream.has_gap() && seq.after(next) && !stream.waits() {
        pass_behind_gap(call, seq, packet);
        return write(call, packet).map(Arrived::On);
    }
    if stream.waits() || seq.after(next) {
        return Ok(Arrived::Waits);
    }
    if end.after(next) {
        let bytes = payload(packet);
        let known = bytes.get((next - seq) as usize..).unwrap_or_default();
        if packet.meta().cut_bytes > 0 {
            read_cut(call, next, known, end)?;
        } else {
            let passed = read(call, next, &Run { bytes: known, ends: &[known.len()], is_last: ends })?;
            if passed < known.len() {
                return Ok(Arrived::Waits);
            }
        }
        catch_up(call);
    }
    if ends && let Some(mut stream) = stream_mut(call).filter(|stream| stream.next() == Some(end)) {
        stream.pass(end + 1);
    }
    write(call, packet).map(Arrived::On)
}

/// Takes note of a SYN. Another number than an earlier one's is its sender's new beginning, as long as there is nothing that it could
/// contradict.
fn take_syn(call: &mut Call<'_>, seq: SeqNum, is_bare: bool, standing: Standing) {
    let is_opening = call.conntrack.connection(call.id).is_some_and(tcp::is_opening);
    let Some(mut stream) = stream_mut(call) else { return };
    if standing == Standing::Ignored {
        stream.ask(seq + 1, is_bare);
    } else if is_opening || stream.next().is_none() && stream.open() != Open::Deaf {
        stream.begin(seq + 1, is_bare);
    }
}

/// Takes the helper away from a connection that says something before what was taken for its beginning, and says whether it has. A keepalive
/// repeats the last byte before what comes next (RFC 9293, section 3.8.4).
fn begins_before(call: &mut Call<'_>, seq: SeqNum, next: SeqNum, packet: &Packet) -> bool {
    let bytes = payload(packet);
    let before = &bytes[..bytes.len().min((next - seq) as usize)];
    let begins = must_begin(call) && next - seq > 1 && blank_bytes(before) < before.len();
    if begins {
        call.let_off(Departure::Unbegun);
    }
    begins
}

/// Lets a segment go on unread that comes behind missing bytes.
fn pass_behind_gap(call: &mut Call<'_>, start: SeqNum, packet: &Packet) {
    let (bytes, end) = (payload(packet), start + packet.payload_len() as u32);
    if end.after(start) {
        let is_of_concern = call.loaded.triggers.may_matter(&bytes);
        pass_ahead(call, Stretch { start, end, ends_line: bytes.ends_with(b"\n") }, is_of_concern);
    }
}

/// Lets all that waits go on unread, since the bytes before it are still missing.
fn pass_all_behind_gap(call: &mut Call<'_>) {
    let triggers = &call.loaded.triggers;
    let of = |segment: &Segment| {
        let bytes = payload(&segment.held.packet);
        let stretch = Stretch { start: segment.start, end: segment.end, ends_line: bytes.ends_with(b"\n") };
        (stretch, triggers.may_matter(&bytes))
    };
    let queue = call.waiting.of(call.id, call.direction);
    let stretches: Vec<_> = queue.into_iter().flat_map(|queue| &queue.segments).map(of).collect();
    for (stretch, is_of_concern) in stretches.into_iter().filter(|(stretch, _)| stretch.end.after(stretch.start)) {
        pass_ahead(call, stretch, is_of_concern);
    }
}

/// Reads a segment of which the capture has cut the end: as far as its lines are whole. What the cut has taken is taken for the
/// end of a line, since a line that does not start behind it is no command.
fn read_cut(call: &mut Call<'_>, next: SeqNum, known: &[u8], end: SeqNum) -> Result<(), DropReason> {
    let whole = known.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let is_first = stream_mut(call).is_some_and(|stream| stream.open() == Open::First);
    if whole > 0 {
        read(call, next, &Run { bytes: &known[..whole], ends: &[whole], is_last: true })?;
    } else if is_first {
        // Of what the cut has taken, nobody can say that it is foreign.
        if begin(call, known, false) != Beginning::Foreign {
            know(call);
        }
    }
    go_on(call, end, Open::Start);
    Ok(())
}

/// Writes what stands in the segment's part of the stream.
fn write(call: &Call<'_>, packet: &mut Packet) -> Result<bool, DropReason> {
    let extension = call.conntrack.connection(call.id).and_then(|connection| connection.extension.as_ref());
    let moved = extension.and_then(|extension| extension.moved.as_ref());
    moved.map_or(Ok(false), |moved| moved.rewrites[call.direction.index()].write(packet))
}

/// A segment goes on that nobody reads as a part of its stream, which is forgotten: whoever reads on starts anew. What was written
/// before is written again.
///
/// # Errors
/// When it has to be dropped.
pub(in crate::conntrack::calling) fn pass_unread(
    conntrack: &mut Conntrack,
    id: ConnId,
    direction: Direction,
    packet: &mut Packet,
) -> Result<Arrived, DropReason> {
    let Some(connection) = conntrack.connection_mut(id) else { return Ok(Arrived::On(false)) };
    let Some(extension) = &mut connection.extension else { return Ok(Arrived::On(false)) };
    let had_line = extension.streams.has_line();
    extension.streams.forget();
    let written = match &extension.moved {
        Some(moved) => moved.rewrites[direction.index()].write(packet).map(Arrived::On),
        None => Ok(Arrived::On(false)),
    };
    if had_line {
        for direction in [Direction::Original, Direction::Reply] {
            conntrack.weigh(id, Memory::Line(direction));
        }
    }
    written
}

/// Whether a segment that resets its connection, or whose helper is gone, finds others that wait.
pub(in crate::conntrack::calling) fn finds_waiting(connection: &Connection, packet: &Packet, is_read: bool) -> bool {
    let Some(extension) = &connection.extension else { return false };
    let resets = packet.tcp().is_some_and(|tcp| tcp.flags.contains(TcpFlags::RST));
    (resets || !is_read) && extension.streams.any_waits()
}

/// Why those that wait go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Release {
    /// Their line is whole.
    Whole,
    /// Nothing can complete it.
    Over,
    /// They have waited long enough, or are too many.
    GivenUp(GivenUp),
}

/// Takes a segment that may have to wait: what goes on now, in the stream's order. It is not among them when it is kept.
pub(crate) fn wait(desk: &mut Desk<'_>, mut held: Held) -> Vec<Passing> {
    let Tracking::Tracked { connection: id, direction, .. } = held.packet.meta().tracking else {
        return Vec::from([Passing { held, dropped: None, is_own: true }]);
    };
    let resets = held.packet.tcp().is_some_and(|tcp| tcp.flags.contains(TcpFlags::RST));
    if resets || held.packet.meta().cut_bytes > 0 {
        return let_all_go(desk, (id, direction), held);
    }
    let Some(mut call) = desk.call(id, direction, None) else { return let_all_go(desk, (id, direction), held) };
    if !trim(&mut call, &mut held.packet) {
        return Vec::from([Passing { held, dropped: None, is_own: true }]);
    }
    let client = call.conntrack.connection(id).map(|connection| client_of(connection.original.source_ip()));
    let Some(client) = client else { return let_all_go(desk, (id, direction), held) };
    let (mut passing, release) = make_room(desk, client, (id, direction), &held.packet);
    // What has made room may have been read, and have cost the helper its trust.
    let Some(mut call) = desk.call(id, direction, None) else {
        passing.extend(let_all_go(desk, (id, direction), held));
        return passing;
    };
    call.waiting.insert(client, (id, direction), Segment::new(call.now, held));
    passing.extend(drain(&mut call, release));
    if !passing.iter().any(|passed| passed.is_own) {
        call.note(|| "keeps the packet until its line is whole".to_string());
    }
    passing
}

/// Sees to it that a client's stream can hold a segment more, at the cost of the client who holds most. Gives what goes on of that
/// one's, and whether the stream itself goes on instead.
fn make_room(
    desk: &mut Desk<'_>,
    client: IpAddr,
    (id, direction): (ConnId, Direction),
    packet: &Packet,
) -> (Vec<Passing>, Release) {
    let mut passing = Vec::new();
    loop {
        let why = match desk.waiting.is_full(id, direction, packet) {
            None => return (passing, Release::Whole),
            Some(Full::Stream) => GivenUp::Length,
            Some(Full::Memory) => match desk.waiting.largest_client() {
                None => GivenUp::Memory,
                Some(largest) if largest == client => GivenUp::Share,
                Some(largest) => {
                    let oldest = desk.waiting.oldest_of(largest);
                    let others = oldest.map(|stream| release(desk, stream, Release::GivenUp(GivenUp::Share)));
                    let others = others.unwrap_or_default();
                    if others.is_empty() {
                        return (passing, Release::GivenUp(GivenUp::Memory));
                    }
                    passing.extend(others.into_iter().map(|passed| Passing { is_own: false, ..passed }));
                    continue;
                }
            },
        };
        return (passing, Release::GivenUp(why));
    }
}

/// Lets all segments of a connection go on, and then one that waits for nothing, or that nobody reads.
fn let_all_go(desk: &mut Desk<'_>, (id, direction): (ConnId, Direction), held: Held) -> Vec<Passing> {
    let mut passing = release(desk, (id, direction), Release::Over);
    passing.extend(release(desk, (id, direction.opposite()), Release::Over));
    passing.iter_mut().for_each(|other| other.is_own = false);
    if let Some(mut call) = desk.call(id, direction, None) {
        pass_by(&mut call, &held.packet);
    }
    passing.push(Passing { held, dropped: None, is_own: true });
    passing
}

/// Lets everything go on that has waited long enough.
pub(crate) fn flush_overdue(desk: &mut Desk<'_>) -> Vec<Passing> {
    let mut passing = Vec::new();
    while let Some(stream) = desk.waiting.overdue(desk.now) {
        passing.extend(release(desk, stream, Release::GivenUp(GivenUp::Time)));
    }
    passing
}

/// A segment goes on unread. What a RST carries is none of its stream's (RFC 9293, section 3.5.3).
fn pass_by(call: &mut Call<'_>, packet: &Packet) {
    let Some(tcp) = packet.tcp().filter(|tcp| packet.payload_len() > 0 && !tcp.flags.contains(TcpFlags::RST)) else {
        return;
    };
    let (start, end) = (tcp.seq(), tcp.seq() + packet.payload_len() as u32);
    let is_behind_gap = stream_mut(call).and_then(|stream| stream.next()).is_some_and(|next| start.after(next));
    if is_behind_gap && must_be_whole(call) {
        pass_behind_gap(call, start, packet);
    } else {
        go_on(call, end, if packet.meta().cut_bytes > 0 { Open::Start } else { Open::Other });
    }
}

/// Gives out those segments of a stream that go on: all of them as they are, when its connection has no helper any more.
fn release(desk: &mut Desk<'_>, (id, direction): (ConnId, Direction), release: Release) -> Vec<Passing> {
    if let Some(mut call) = desk.call(id, direction, None) {
        return drain(&mut call, release);
    }
    let all = desk.waiting.take(id, direction, usize::MAX).into_iter();
    all.map(|segment| Passing { held: segment.held, dropped: None, is_own: segment.is_newest }).collect()
}

/// The same, with what is to stand in them.
fn drain(call: &mut Call<'_>, release: Release) -> Vec<Passing> {
    let (id, direction) = (call.id, call.direction);
    let mut passing = Vec::new();
    if let (Release::GivenUp(why), Some(queue)) = (release, call.waiting.of(id, direction)) {
        let first = queue.segments.front().map(|segment| segment.start);
        let next = stream_mut(call).and_then(|stream| stream.next());
        let has_gap = first.zip(next).is_some_and(|(first, next)| first.after(next));
        give_up(call, if has_gap && why == GivenUp::Length { GivenUp::Gap } else { why });
    }
    while let Some((count, dropped)) = advance(call, release != Release::Whole) {
        for segment in call.waiting.take(id, direction, count) {
            let Segment { mut held, is_newest, .. } = segment;
            let written = dropped.map_or_else(|| write(call, &mut held.packet), Err);
            if written == Ok(true) && held.packet.meta().cut_bytes == 0 {
                offload::checksum::fill(&mut held.packet, &call.around.routines);
            }
            passing.push(Passing { held, dropped: written.err(), is_own: is_newest });
        }
    }
    let waits = call.waiting.of(id, direction).is_some();
    if let Some(mut stream) = stream_mut(call) {
        stream.set_waiting(waits);
    }
    passing
}

/// Reads what has come next in a stream; how many of its segments go on, or are dropped. `None`: they go on waiting, or there are
/// none.
fn advance(call: &mut Call<'_>, is_last: bool) -> Option<(usize, Option<DropReason>)> {
    let first = call.waiting.of(call.id, call.direction)?.segments.front()?.start;
    let (next, open) = stream_mut(call).map(|stream| (stream.next(), stream.open()))?;
    let next = match next {
        _ if open == Open::Deaf => return Some((usize::MAX, None)),
        Some(next) if !first.after(next) => next,
        Some(_) if !is_last => return None,
        // Its receiver can do nothing with the rest before what is missing comes.
        Some(_) if must_be_whole(call) => {
            pass_all_behind_gap(call);
            return Some((usize::MAX, None));
        }
        // What is missing before it will not be read.
        Some(_) | None => {
            go_on(call, first, Open::Other);
            first
        }
    };
    let (mut bytes, mut ends, mut position, mut has_fin) = (Vec::new(), Vec::new(), next, false);
    let segments = &call.waiting.of(call.id, call.direction)?.segments;
    for segment in segments.iter().take_while(|segment| !segment.held.packet.is_empty()) {
        if segment.start.after(position) || has_fin {
            break;
        }
        if segment.end.after(position) {
            let new = payload(&segment.held.packet);
            let new = new.get((position - segment.start) as usize..)?;
            segment.held.packet.count_copy(new.len());
            bytes.extend_from_slice(new);
            position = segment.end;
        }
        ends.push(bytes.len());
        has_fin = segment.has_fin;
    }
    match read(call, next, &Run { bytes: &bytes, ends: &ends, is_last: is_last || has_fin }) {
        Ok(until) => {
            catch_up(call);
            let count = ends.iter().filter(|end| **end <= until).count();
            if has_fin
                && count == ends.len()
                && let Some(mut stream) = stream_mut(call).filter(|stream| stream.next() == Some(position))
            {
                stream.pass(position + 1);
            }
            (count > 0).then_some((count, None))
        }
        Err(reason) => Some((ends.len(), Some(reason))),
    }
}

/// Takes off a segment what its stream has read or holds already; whether anything is left that is new.
fn trim(call: &mut Call<'_>, packet: &mut Packet) -> bool {
    let Some(tcp) = packet.tcp() else { return false };
    let (seq, mut has_fin) = (tcp.seq(), tcp.flags.contains(TcpFlags::FIN));
    let (mut start, mut end) = (seq, seq + packet.payload_len() as u32);
    let next = stream_mut(call).and_then(|stream| stream.next());
    if let Some(next) = next.filter(|next| next.after(start)) {
        start = if next.after(end) { end } else { next };
    }
    for other in call.waiting.of(call.id, call.direction).into_iter().flat_map(|queue| &queue.segments) {
        if !start.before(other.start) && start.before(other.end) {
            start = if other.end.after(end) { end } else { other.end };
        } else if start.before(other.start) && other.start.before(end) {
            (end, has_fin) = (other.start, false);
        }
        has_fin &= !other.has_fin;
    }
    let (before, len) = ((start - seq) as usize, (end - start) as usize);
    let was = packet.payload_len();
    if before == 0 && len == was && has_fin == packet.tcp().is_some_and(|tcp| tcp.flags.contains(TcpFlags::FIN)) {
        return len > 0 || has_fin;
    }
    let cut = packet.splice_payload(before + len..was, &[]).and_then(|()| packet.splice_payload(0..before, &[]));
    if cut.is_err() {
        return false;
    }
    if let Some(tcp) = packet.tcp_mut() {
        tcp.seq.set(start.0);
        if !has_fin {
            tcp.flags = tcp.flags.without(TcpFlags::FIN);
        }
    }
    packet.mend_gso();
    offload::checksum::fill(packet, &call.around.routines);
    len > 0 || has_fin
}
