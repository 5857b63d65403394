//! Calls of helpers: which payloads they are shown, what becomes of their answers.
//!
//! ```text
//!  packet at the end of POSTROUTING or INPUT
//!    │  a helper is attached, and TCP has been answered; of a stream of lines, the line is whole (`stream`)
//!    ▼
//!  trigger? ──no────────────────────────────────────────────────────────────────┐
//!    │ yes                                                                      │
//!    ▼                                                                          ▼
//!  inspect ─► verdict ─► wishes: manifest ─► expectation ─► render ─► splice ─► adjust sequence numbers ─► confirm
//! ```
//!
//! | file | what |
//! |---|---|
//! | [`registry`] | the helpers that are loaded |
//! | `stream`, `trigger` | whether a payload is shown |
//! | `opening` | whether a connection begins as a helper's protocol does |
//! | `line_starts` | where lines start as Linux sees it |
//! | `consult` | one payload shown, and what a failure costs |
//! | `remembered` | what is remembered for helpers, and its bound |
//! | `wish` | a wish held against the manifest, and what it means in the opener's eyes |
//! | `outside` | who else may answer where an expected connection goes to |
//! | `announce` | the expectation, the port it gets under NAT, the payload that names it |
//! | [`event`] | what is told |

mod announce;
mod consult;
pub mod event;
mod failures;
pub mod line_starts;
mod opening;
mod outside;
pub mod registry;
mod remembered;
mod snapshot;
pub(crate) mod stream;
mod trigger;
mod wish;

#[cfg(test)]
mod tests;

pub use event::{Departure, GivenUp, HelperEvent, Refusal};
pub use line_starts::LineStarts;
pub(crate) use outside::Outside;
pub use registry::{HelperStatus, Helpers, KnownHelper, LoadError, ManifestFlaw};
pub(crate) use remembered::{Memory, Remembered};
pub(crate) use snapshot::{HelpersRecord, Offer};
pub use stream::Streams;
pub(crate) use stream::{StreamRecord, StreamsRecord};

use consult::{Call, Granted};
use stream::{Arrived, Waiting};

use super::{
    ConnId, Connection, Conntrack, Direction, State, Tracking,
    helper::{Framing, HelperMode},
};
use crate::{
    ending::DropReason,
    frame::DeviceId,
    nat::sequence,
    offload,
    packet::{Packet, Transport},
    surroundings::Surroundings,
    time::Instant,
    wire::SeqNum,
};

/// What helpers are called from: connections, helpers, and what every room is lent.
pub(crate) struct Desk<'a> {
    pub(crate) now: Instant,
    pub(crate) conntrack: &'a mut Conntrack,
    pub(crate) helpers: &'a mut Helpers,
    /// Segments that wait for the rest of a line.
    pub(crate) waiting: &'a mut Waiting,
    pub(crate) outside: Outside<'a>,
    pub(crate) around: &'a mut Surroundings,
}

impl Desk<'_> {
    /// A call of a connection's helper, if it has one that may be called.
    fn call(&mut self, id: ConnId, direction: Direction, broadcast_prefix: Option<u8>) -> Option<Call<'_>> {
        let connection = self.conntrack.connection(id)?;
        let helper = connection.helper()?;
        let mode = self.helpers.mode;
        // A rule may attach it to a protocol that it does not read.
        let protocol = connection.original.protocol();
        let loaded = self.helpers.callable(helper).filter(|loaded| loaded.reads(protocol))?;
        let told = consult::told(connection, direction, broadcast_prefix);
        let (now, conntrack, waiting, around) = (self.now, &mut *self.conntrack, &mut *self.waiting, &mut *self.around);
        let (outside, granted) = (self.outside.lent(), Granted::default());
        Some(Call {
            now,
            id,
            helper,
            direction,
            told,
            conntrack,
            loaded,
            mode,
            waiting,
            outside,
            around,
            granted,
            sent: 0,
            answers: 0,
        })
    }
}

/// How a call has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Called {
    /// The packet goes on.
    Done,
    /// It has to wait, or others go on before it: [`stream::wait`] says which.
    Waits,
}

/// Shows a packet's payload to the helper of its connection, and moves its sequence numbers as earlier rewriting asks.
/// `broadcast_prefix` is what [`HelperContext::broadcast_prefix`](super::helper::HelperContext::broadcast_prefix) says.
///
/// Costs a connection without helper one look. ICMP errors are nothing for helpers.
///
/// # Errors
/// When the packet must be dropped: it ends inside a command ([`DropReason::HelperIncomplete`]), holds a wrong one
/// ([`DropReason::HelperMalformed`]), the helper failed and its manifest says so ([`DropReason::HelperFailed`]), what it
/// announces cannot be expected ([`DropReason::ExpectationRefused`], [`DropReason::NatExhausted`]), or it cannot be
/// rewritten ([`DropReason::RewriteTooLong`], [`DropReason::NatUntranslatable`]).
///
/// Linux v6.18: `net/netfilter/nf_conntrack_proto.c`, `nf_confirm()`.
pub(crate) fn call(
    desk: &mut Desk<'_>,
    packet: &mut Packet,
    broadcast_prefix: Option<u8>,
) -> Result<Called, DropReason> {
    let Tracking::Tracked { connection: id, state, direction } = packet.meta().tracking else {
        return Ok(Called::Done);
    };
    let Some(connection) = desk.conntrack.connection(id) else { return Ok(Called::Done) };
    if connection.extension.is_none() || matches!(packet.transport(), Transport::Icmp | Transport::Icmpv6) {
        return Ok(Called::Done);
    }
    let has_arrived = has_set_out(packet) && desk.helpers.mode() != HelperMode::Kernel;
    if has_arrived || passes_by(desk.conntrack, desk.helpers, packet) {
        return Ok(Called::Done);
    }
    let Some(connection) = desk.conntrack.connection(id) else { return Ok(Called::Done) };
    let is_read = connection.helper().is_some_and(|helper| desk.helpers.callable(helper).is_some());
    if stream::finds_waiting(connection, packet, is_read) {
        return Ok(Called::Waits);
    }
    let arrived = match desk.call(id, direction, broadcast_prefix) {
        Some(mut call) => hear(&mut call, packet, state)?,
        None => stream::pass_unread(desk.conntrack, id, direction, packet)?,
    };
    let Arrived::On(has_written) = arrived else { return Ok(Called::Waits) };
    adjust(desk, packet)?;
    // Of a payload that the capture has cut, nobody can say what its checksum should be.
    if has_written && packet.meta().cut_bytes == 0 {
        offload::checksum::fill(packet, &desk.around.routines);
    }
    Ok(Called::Done)
}

/// Whether it is a packet of this host to itself that has arrived: when it set out it was read, written and moved (Linux v6.18:
/// `include/net/netfilter/nf_conntrack.h`, `nf_is_loopback_packet()`; Linux reads it again, but moves nothing).
fn has_set_out(packet: &Packet) -> bool {
    packet.meta().device == Some(DeviceId::LOOPBACK)
}

/// Whether a segment is of no concern, as most are: an acknowledgement, or the next whole lines of a stream, none of which holds a
/// trigger. It has been read then, and [`call`] has nothing to do any more; without this it would come to the same, at some times the
/// cost.
#[inline(always)]
pub(crate) fn passes_by(conntrack: &mut Conntrack, helpers: &Helpers, packet: &Packet) -> bool {
    let Tracking::Tracked { connection, state: State::Established, direction } = packet.meta().tracking else {
        return false;
    };
    let Some(connection) = conntrack.connection_mut(connection) else { return false };
    if sequence::moves(connection) || helpers.mode == HelperMode::Kernel {
        return false;
    }
    let Some(extension) = &mut connection.extension else { return false };
    let reader = extension.helper.and_then(|helper| helpers.reader(helper));
    reader.is_some_and(|triggers| extension.streams.takes_unseen(direction, packet, triggers))
}

/// Moves a packet's sequence numbers as rewriting asks: the segment that was rewritten just now keeps its own.
///
/// # Errors
/// [`DropReason::NatUntranslatable`].
pub(crate) fn adjust(desk: &Desk<'_>, packet: &mut Packet) -> Result<(), DropReason> {
    if has_set_out(packet) {
        return Ok(());
    }
    let Tracking::Tracked { connection: id, direction, .. } = packet.meta().tracking else { return Ok(()) };
    match desk.conntrack.connection(id) {
        Some(connection) if sequence::moves(connection) => sequence::adjust(connection, direction, packet),
        Some(_) | None => Ok(()),
    }
}

/// Shows a payload in the way in which its helper reads.
fn hear(call: &mut Call<'_>, packet: &mut Packet, state: State) -> Result<Arrived, DropReason> {
    let is_stream = packet.tcp().is_some() && call.loaded.manifest.framing != Framing::Packet;
    if is_stream && call.mode != HelperMode::Kernel {
        return stream::arrive(call, packet, state == State::Established);
    }
    if is_stream {
        stream::pass_unread(call.conntrack, call.id, call.direction, packet)?;
    }
    if !is_readable(packet, state) {
        return Ok(Arrived::On(false));
    }
    let written = show(call, packet).and_then(|()| announce::write(call, packet));
    written.inspect_err(|_| call.withdraw()).map(Arrived::On)
}

/// Whether [`call`] may do anything with packets of a connection.
#[must_use]
pub(crate) fn concerns(connection: &Connection) -> bool {
    connection.helper().is_some() || sequence::moves(connection)
}

/// Whether helpers read such packets: segments with a payload, of a connection that was answered; all datagrams, since who asks for
/// something may say no more than that.
///
/// Linux v6.18: `net/netfilter/nf_conntrack_ftp.c`, `help()`; `nf_conntrack_broadcast.c`, `nf_conntrack_broadcast_help()`.
fn is_readable(packet: &Packet, state: State) -> bool {
    match packet.transport() {
        Transport::Tcp => state == State::Established && packet.payload_len() > 0,
        Transport::Udp => true,
        Transport::Icmp | Transport::Icmpv6 | Transport::Other | Transport::Broken => false,
    }
}

/// Shows a payload as it is, or as Linux would.
fn show(call: &mut Call<'_>, packet: &Packet) -> Result<(), DropReason> {
    match (call.loaded.manifest.framing, packet.tcp().map(|tcp| tcp.seq())) {
        (Framing::Lines, Some(seq)) => show_segment(call, packet, seq),
        (Framing::Lines | Framing::LooseLines | Framing::Packet, _) => show_whole(call, packet),
    }
}

fn show_whole(call: &mut Call<'_>, packet: &Packet) -> Result<(), DropReason> {
    let payload = stream::payload(packet);
    let is_whole = packet.meta().cut_bytes == 0;
    if is_whole && call.loaded.triggers.hit(&payload) { call.consult(&payload, 0) } else { Ok(()) }
}

/// Shows a segment that starts where a line starts as it is, and remembers where the next line starts.
///
/// Linux v6.18: `net/netfilter/nf_conntrack_ftp.c`, `help()`.
fn show_segment(call: &mut Call<'_>, packet: &Packet, seq: SeqNum) -> Result<(), DropReason> {
    let next = seq + packet.payload_len() as u32;
    let payload = stream::payload(packet);
    // Of a payload that the capture has cut, the end is unknown: it is read as far as its lines are whole, and what is cut is taken
    // for the end of a line, which loses nothing, since a line that does not start there is no command.
    let is_cut = packet.meta().cut_bytes > 0;
    let ends_line = is_cut || payload.last() == Some(&b'\n');
    let starts_line = call.line_starts().is_some_and(|lines| lines.contains(seq));
    let whole = payload.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let readable = if is_cut { &payload[..whole] } else { &payload[..] };
    let is_shown = starts_line && !readable.is_empty() && call.loaded.triggers.hit(readable);
    let result = if is_shown { call.consult(readable, 0) } else { Ok(()) };
    let comes_again = matches!(result, Err(DropReason::HelperIncomplete | DropReason::HelperMalformed));
    if ends_line && !comes_again {
        call.note_line(next);
    }
    result
}

/// The connection's lines in one direction.
fn line_starts(connection: &Connection, direction: Direction) -> Option<&LineStarts> {
    connection.extension.as_ref().map(|extension| &extension.line_starts[direction.index()])
}
