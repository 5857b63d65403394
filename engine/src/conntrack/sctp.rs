//! SCTP: what a packet's chunks do to its association.
//!
//! Linux v6.18: `net/netfilter/nf_conntrack_proto_sctp.c`, `nf_conntrack_sctp_packet()`. RFC 9260, section 8.5.

use serde::{Deserialize, Serialize};

use super::{
    conn::{Changes, Connection, ProtocolState, Status},
    reasoning::{Ignored, Invalid, Taken},
    sctp_states::{self, ChunkKind, SctpState},
    timeouts::Timeouts,
    tracker::{Outcome, Refreshed},
    tuple::Direction,
};
use crate::{
    packet::{Checksum, Packet},
    wire::{
        crc32c::crc32c,
        sctp::{SCTP_CHECKSUM, SCTP_HEADER_LEN},
    },
};

/// What is remembered of an association.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SctpTracking {
    /// Its state.
    pub state: SctpState,
    /// The verification tags of packets of the original and reply direction; 0: not known.
    pub tags: [u32; 2],
    /// Whether an INIT of each direction was seen and nothing has confirmed it yet.
    began: [bool; 2],
    /// The direction of a heartbeat with another tag, as long as no answer has settled it.
    strange_heartbeat: Option<Direction>,
}

/// A packet's common header and chunks.
struct Chunks<'a> {
    tag: u32,
    bytes: &'a [u8],
}

/// One chunk.
#[derive(Clone, Copy)]
struct Chunk {
    kind: ChunkKind,
    /// The T bit: the tag is the one that packets of the other direction carry.
    reflected: bool,
    /// Length as its field says.
    len: u16,
    /// What stands first in INIT and INIT ACK: the tag that its sender wants to see.
    initiate_tag: Option<u32>,
}

/// Judges a packet and changes the connection accordingly; `verified`: its checksum is to be verified.
pub(super) fn track(
    connection: &mut Connection,
    packet: &Packet,
    direction: Direction,
    verified: bool,
    timeouts: Timeouts<'_>,
) -> Outcome {
    let invalid = |reason| Outcome::Invalid { reason, refresh: None };
    let bytes = packet.whole_transport();
    let Some(chunks) = Chunks::of(&bytes) else { return invalid(Invalid::Broken) };
    // What a device has verified, or is to fill in, is not verified here (Linux: `sctp_error()`).
    let is_trusted = packet.meta().cut_bytes > 0 || packet.meta().checksum != Checksum::None;
    if verified && !is_trusted && !has_right_checksum(packet, &bytes) {
        return invalid(Invalid::Checksum);
    }
    if !chunks.is_sound() {
        return invalid(Invalid::SctpChunks);
    }
    let is_new = !connection.is_confirmed();
    if is_new {
        match start(&chunks) {
            Some(tracking) => connection.protocol = ProtocolState::Sctp(tracking),
            None => return invalid(Invalid::SctpStart),
        }
    }
    let ProtocolState::Sctp(tracking) = &mut connection.protocol else { return invalid(Invalid::Broken) };
    let walk = tracking.walk(&chunks, direction, is_new);
    if walk.changed {
        connection.changes.insert(Changes::PROTOCOL);
    }
    if walk.established && !connection.status.contains(Status::ASSURED) {
        connection.status.insert(Status::ASSURED);
        connection.changes.insert(Changes::ASSURED);
    }
    match walk.end {
        Err(reason) => invalid(reason),
        Ok(_) if walk.ignored => Outcome::Ignored(Ignored::SctpRepeated),
        Ok(state) => Outcome::Taken(Refreshed { secs: timeouts.sctp(state), reason: Taken::Other }),
    }
}

/// What a walk over a packet's chunks has done.
struct Walk {
    end: Result<SctpState, Invalid>,
    changed: bool,
    established: bool,
    /// It passes, but refreshes nothing.
    ignored: bool,
}

impl SctpTracking {
    fn walk(&mut self, chunks: &Chunks<'_>, direction: Direction, is_new: bool) -> Walk {
        let mut walk = Walk { end: Ok(self.state), changed: false, established: false, ignored: false };
        if !chunks.has(&TAGGED_OTHERWISE) && chunks.tag != self.tags[direction.index()] {
            return Walk { end: Err(Invalid::SctpTag), ..walk };
        }
        for chunk in chunks.iter() {
            match self.check_tag(chunk, chunks, direction, walk.ignored) {
                Err(reason) => return Walk { end: Err(reason), ..walk },
                Ok(false) => {
                    walk.ignored = true;
                    continue;
                }
                Ok(true) => {}
            }
            let from = self.state;
            let Some(to) = sctp_states::next(direction, from, chunk.kind) else {
                return Walk { end: Err(Invalid::SctpState), ..walk };
            };
            if let Err(reason) = self.note_tag(chunk, direction, from) {
                return Walk { end: Err(reason), ..walk };
            }
            // Else whoever reuses the port could keep the entry and its translation for ever.
            let is_again = chunk.kind == ChunkKind::INIT && !is_new;
            walk.ignored |= is_again && (from, to) == (SctpState::Closed, SctpState::Closed);
            self.state = to;
            walk.end = Ok(to);
            walk.changed |= from != to;
            walk.established |= from != to && to == SctpState::Established;
        }
        walk
    }

    /// Whether a chunk's packet carries the tag that it must (RFC 9260, section 8.5.1); false: it does not, but the packet
    /// passes.
    fn check_tag(
        &mut self,
        chunk: Chunk,
        chunks: &Chunks<'_>,
        direction: Direction,
        ignored: bool,
    ) -> Result<bool, Invalid> {
        let (own, other) = (direction.index(), direction.opposite().index());
        let tag = chunks.tag;
        let is_right = match chunk.kind {
            ChunkKind::INIT => tag == 0,
            ChunkKind::ABORT | ChunkKind::SHUTDOWN_COMPLETE => {
                tag == self.tags[if chunk.reflected { other } else { own }]
            }
            ChunkKind::COOKIE_ECHO => tag == self.tags[own],
            ChunkKind::COOKIE_ACK => {
                self.began = [false; 2];
                true
            }
            ChunkKind::HEARTBEAT | ChunkKind::HEARTBEAT_ACK if self.tags[own] == 0 => {
                self.tags[own] = tag;
                true
            }
            ChunkKind::HEARTBEAT | ChunkKind::HEARTBEAT_ACK if tag == self.tags[own] => {
                self.strange_heartbeat = None;
                true
            }
            ChunkKind::HEARTBEAT | ChunkKind::HEARTBEAT_ACK if ignored || chunks.has(&[ChunkKind::DATA]) => false,
            ChunkKind::HEARTBEAT => {
                self.strange_heartbeat = Some(direction);
                return Ok(false);
            }
            ChunkKind::HEARTBEAT_ACK => {
                // The answer to a strange heartbeat of the other side: the association goes on with new tags.
                let answers = self.strange_heartbeat == Some(direction.opposite());
                if answers {
                    self.strange_heartbeat = None;
                    self.tags[own] = tag;
                    self.tags[other] = 0;
                }
                answers
            }
            _ => true,
        };
        if is_right { Ok(true) } else { Err(Invalid::SctpTag) }
    }

    /// Remembers the tag that INIT and INIT ACK ask for, which have come in state `from`.
    fn note_tag(&mut self, chunk: Chunk, direction: Direction, from: SctpState) -> Result<(), Invalid> {
        let (own, other) = (direction.index(), direction.opposite().index());
        let asked = match chunk.kind {
            ChunkKind::INIT | ChunkKind::INIT_ACK => chunk.initiate_tag.ok_or(Invalid::SctpChunks)?,
            _ => return Ok(()),
        };
        let known = self.tags[other];
        if chunk.kind == ChunkKind::INIT {
            // One that asks for what is known already is late, or the same again, and begins nothing.
            if from == SctpState::None || known != asked {
                if self.began == [true; 2] {
                    self.began[other] = false;
                }
                self.began[own] = true;
            }
        } else {
            let is_stale = !self.began[other] && known != 0 && known != asked;
            let collides = self.began == [true; 2] && known != asked;
            if is_stale || collides {
                return Err(Invalid::SctpTag);
            }
        }
        self.tags[other] = asked;
        Ok(())
    }
}

/// What is known of an association from its first packet; `None` when that starts none.
fn start(chunks: &Chunks<'_>) -> Option<SctpTracking> {
    if chunks.has(&[ChunkKind::ABORT, ChunkKind::SHUTDOWN_COMPLETE, ChunkKind::COOKIE_ACK]) {
        return None;
    }
    let mut tracking = SctpTracking::default();
    for chunk in chunks.iter() {
        let to = sctp_states::next(Direction::Original, SctpState::None, chunk.kind)?;
        if to == SctpState::None {
            return None;
        }
        match chunk.kind {
            ChunkKind::INIT if chunks.tag != 0 => return None,
            ChunkKind::INIT => tracking.tags[1] = chunk.initiate_tag?,
            ChunkKind::HEARTBEAT => tracking.tags[0] = chunks.tag,
            // Out of the blue: what answers it carries the same tag (RFC 9260, section 8.4).
            ChunkKind::SHUTDOWN_ACK => tracking.tags[1] = chunks.tag,
            // No tag is known, so that only 0 is right.
            _ => {}
        }
    }
    Some(tracking)
}

impl<'a> Chunks<'a> {
    /// `bytes` are all of the packet.
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let tag = bytes.get(4..8)?.first_chunk()?;
        Some(Self { tag: u32::from_be_bytes(*tag), bytes: bytes.get(SCTP_HEADER_LEN..)? })
    }

    fn iter(&self) -> impl Iterator<Item = Chunk> {
        let mut rest = self.bytes;
        core::iter::from_fn(move || {
            let &[kind, flags, high, low] = rest.first_chunk()?;
            let len = u16::from_be_bytes([high, low]);
            let initiate_tag = rest.get(4..20).and_then(|init| init.first_chunk()).map(|tag| u32::from_be_bytes(*tag));
            rest = rest.get(usize::from(len).next_multiple_of(4)..).filter(|_| len > 0).unwrap_or_default();
            Some(Chunk { kind: ChunkKind(kind), reflected: flags & T_BIT != 0, len, initiate_tag })
        })
    }

    fn has(&self, kinds: &[ChunkKind]) -> bool {
        self.iter().any(|chunk| kinds.contains(&chunk.kind))
    }

    /// Whether there are chunks, none is of no length, and those that must come first or alone do (RFC 9260, section 4.3).
    fn is_sound(&self) -> bool {
        let mut alone = false;
        let mut count = 0;
        for chunk in self.iter() {
            alone |= matches!(chunk.kind, ChunkKind::INIT | ChunkKind::INIT_ACK | ChunkKind::SHUTDOWN_COMPLETE);
            let is_first = matches!(chunk.kind, ChunkKind::COOKIE_ACK | ChunkKind::COOKIE_ECHO);
            if ((alone || is_first) && count > 0) || chunk.len == 0 {
                return false;
            }
            count += 1;
        }
        count > 0
    }
}

/// Whether the CRC over all of the packet, which are these bytes, is the one that it carries (RFC 9260, section 6.8).
fn has_right_checksum(packet: &Packet, bytes: &[u8]) -> bool {
    let (Some(ports), Some(field), Some(rest)) =
        (bytes.get(..8), bytes.get(SCTP_CHECKSUM), bytes.get(SCTP_HEADER_LEN..))
    else {
        return false;
    };
    packet.count_sum(bytes.len());
    field == crc32c([ports, &[0; 4], rest]).to_le_bytes()
}

/// Chunks whose packets may carry another tag than the direction's.
const TAGGED_OTHERWISE: [ChunkKind; 7] = [
    ChunkKind::INIT,
    ChunkKind::SHUTDOWN_COMPLETE,
    ChunkKind::COOKIE_ECHO,
    ChunkKind::ABORT,
    ChunkKind::SHUTDOWN_ACK,
    ChunkKind::HEARTBEAT,
    ChunkKind::HEARTBEAT_ACK,
];

/// In a chunk's flags.
const T_BIT: u8 = 1;

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use Direction::{Original, Reply};

    use super::*;

    /// A packet of chunks with that tag; INIT and INIT ACK ask for `asked`.
    fn packet(tag: u32, asked: u32, kinds: &[ChunkKind]) -> Vec<u8> {
        let mut bytes = vec![0; SCTP_HEADER_LEN];
        bytes[4..8].copy_from_slice(&tag.to_be_bytes());
        for kind in kinds {
            bytes.extend([kind.0, 0, 0, 20]);
            bytes.extend(asked.to_be_bytes());
            bytes.extend([0; 12]);
        }
        bytes
    }

    /// What is known after a first packet.
    fn first(bytes: &[u8]) -> Result<SctpTracking, Invalid> {
        let chunks = Chunks::of(bytes).expect("a whole header");
        let mut tracking = start(&chunks).ok_or(Invalid::SctpStart)?;
        tracking.walk(&chunks, Original, true).end.map(|_| tracking)
    }

    fn then(tracking: &mut SctpTracking, direction: Direction, bytes: &[u8]) -> Result<SctpState, Invalid> {
        tracking.walk(&Chunks::of(bytes).expect("a whole header"), direction, false).end
    }

    #[test]
    fn out_of_the_blue_only_a_packet_without_a_tag_is_right() {
        for kind in [ChunkKind::SHUTDOWN, ChunkKind::ERROR, ChunkKind::COOKIE_ECHO, ChunkKind::INIT_ACK] {
            let closed = first(&packet(0, 5, &[kind])).map(|tracking| tracking.state);
            assert_eq!(closed, Ok(SctpState::Closed), "{kind:?}");
            assert_eq!(first(&packet(7, 5, &[kind])), Err(Invalid::SctpTag), "{kind:?}");
        }
        assert_eq!(first(&packet(0, 5, &[ChunkKind::DATA])), Err(Invalid::SctpStart));
    }

    #[test]
    fn an_error_goes_with_what_may_come_out_of_the_blue() {
        let agreed = first(&packet(7, 0, &[ChunkKind::SHUTDOWN_ACK, ChunkKind::ERROR])).map(|tracking| tracking.state);
        assert_eq!(agreed, Ok(SctpState::ShutdownAckSent));
        let tags = first(&packet(7, 0, &[ChunkKind::ERROR, ChunkKind::HEARTBEAT_ACK])).map(|tracking| tracking.tags);
        assert_eq!(tags, Ok([7, 0]));
    }

    #[test]
    fn an_init_that_asks_for_the_tag_that_is_known_begins_nothing() {
        for (asked, end) in [(7, Err(Invalid::SctpTag)), (8, Ok(SctpState::ShutdownAckSent))] {
            let mut tracking = first(&packet(7, 0, &[ChunkKind::SHUTDOWN_ACK])).expect("it starts an association");
            assert!(then(&mut tracking, Original, &packet(7, 0, &[ChunkKind::HEARTBEAT])).is_ok());
            assert!(then(&mut tracking, Reply, &packet(0, asked, &[ChunkKind::INIT])).is_ok());
            assert_eq!(then(&mut tracking, Original, &packet(asked, 9, &[ChunkKind::INIT_ACK])), end, "{asked}");
        }
    }
}
