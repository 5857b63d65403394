//! Calls of helpers: which payloads they are shown, what becomes of their answers.
//!
//! ```text
//!  packet at the end of POSTROUTING or INPUT
//!    │  a helper is attached, and TCP has been answered
//!    ▼
//!  line starts here? trigger? ──no──────────────────────────────────────────────┐
//!    │ yes                                                                      │
//!    ▼                                                                          ▼
//!  inspect ─► verdict ─► wishes: manifest ─► expectation ─► render ─► splice ─► adjust sequence numbers ─► confirm
//! ```
//!
//! | file | what |
//! |---|---|
//! | [`registry`] | the helpers that are loaded |
//! | `lines`, `trigger` | whether a payload is shown |
//! | `consult` | one payload shown, and what a failure costs |
//! | `wish` | a wish held against the manifest, and what it means in the opener's eyes |
//! | `announce` | the expectation, the port it gets under NAT, the payload that names it |
//! | [`event`] | what is told |

mod announce;
mod consult;
pub mod event;
pub mod lines;
pub mod registry;
mod snapshot;
mod trigger;
mod wish;

#[cfg(test)]
mod tests;

pub use event::{HelperEvent, Refusal};
pub use lines::LineStarts;
pub use registry::{HelperStatus, Helpers, LoadError, ManifestFlaw};
pub(crate) use snapshot::{HelpersRecord, Offer};

use alloc::vec::Vec;

use consult::{Call, Granted};
use registry::Loaded;

use super::{
    Connection, Conntrack, Direction, State, Status, Tracking,
    helper::{Framing, HelperMode},
};
use crate::{
    ending::DropReason,
    nat::sequence,
    offload,
    packet::{Packet, Transport},
    surroundings::Surroundings,
    time::Instant,
    wire::{SeqNum, TcpFlags},
};

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
pub fn call(
    now: Instant,
    conntrack: &mut Conntrack,
    helpers: &mut Helpers,
    packet: &mut Packet,
    broadcast_prefix: Option<u8>,
    around: &mut Surroundings,
) -> Result<(), DropReason> {
    let Tracking::Tracked { connection: id, state, direction } = packet.meta().tracking else { return Ok(()) };
    let Some(connection) = conntrack.connection(id) else { return Ok(()) };
    let Some(extension) = &connection.extension else { return Ok(()) };
    if matches!(packet.transport(), Transport::Icmp | Transport::Icmpv6) {
        return Ok(());
    }
    // The segment that is rewritten now keeps its number: only what was booked before counts.
    let moves = connection.status.contains(Status::SEQ_ADJUST);
    let mode = helpers.mode;
    let mut has_written = false;
    if let Some(helper) = extension.helper
        && let Some(loaded) = helpers.callable(helper)
    {
        let told = consult::told(connection, direction, broadcast_prefix);
        let granted = Granted::default();
        let mut call = Call { now, id, helper, direction, told, conntrack, loaded, mode, around, granted };
        if is_readable(packet, state) {
            let written = show(&mut call, packet).and_then(|()| announce::write(&mut call, packet));
            has_written = written.inspect_err(|_| announce::withdraw(&mut call, 0))?;
        } else {
            note_beginning(&mut call, packet);
        }
    }
    if let (Some(connection), true) = (conntrack.connection(id), moves) {
        sequence::adjust(connection, direction, packet)?;
    }
    // Of a payload that the capture has cut, nobody can say what its checksum should be.
    if has_written && packet.meta().cut_bytes == 0 {
        offload::checksum::fill(packet, &around.routines);
    }
    Ok(())
}

/// Whether [`call`] may do anything with packets of a connection.
#[must_use]
pub(crate) fn concerns(connection: &Connection) -> bool {
    connection.helper().is_some() || connection.status.contains(Status::SEQ_ADJUST)
}

/// Whether helpers read such packets: those with a payload, of TCP not before it was answered.
///
/// Linux v6.18: `net/netfilter/nf_conntrack_ftp.c`, `help()`; the helpers for UDP take first packets too.
fn is_readable(packet: &Packet, state: State) -> bool {
    let answered = state == State::Established;
    let readable = match packet.transport() {
        Transport::Tcp => answered,
        Transport::Udp => true,
        Transport::Icmp | Transport::Icmpv6 | Transport::Other | Transport::Broken => false,
    };
    readable && packet.payload_len() > 0
}

/// A line starts right behind a SYN. Linux does not look at it, and misses a connection's first line.
fn note_beginning(call: &mut Call<'_>, packet: &Packet) {
    let reads_lines = call.loaded.manifest.framing != Framing::Packet && call.mode != HelperMode::Kernel;
    let syn = packet.tcp().filter(|tcp| tcp.flags.contains(TcpFlags::SYN)).map(|tcp| tcp.seq());
    if let (true, Some(syn)) = (reads_lines, syn) {
        call.note_line(syn + 1);
    }
}

/// Shows a payload, if it is one that the helper wants to see.
fn show(call: &mut Call<'_>, packet: &Packet) -> Result<(), DropReason> {
    let seq = packet.tcp().map(|tcp| tcp.seq());
    let is_kernel = call.mode == HelperMode::Kernel;
    match (call.loaded.manifest.framing, seq) {
        (Framing::Lines, Some(seq)) if is_kernel => show_segment(call, packet, seq),
        (Framing::LooseLines, Some(_)) if is_kernel => show_whole(call, packet),
        (Framing::Lines | Framing::LooseLines, Some(seq)) => show_lines(call, packet, seq),
        (Framing::Lines | Framing::LooseLines | Framing::Packet, _) => show_whole(call, packet),
    }
}

fn show_whole(call: &mut Call<'_>, packet: &Packet) -> Result<(), DropReason> {
    let is_whole = packet.meta().cut_bytes == 0;
    if is_whole && is_hit(call.loaded, packet) { call.consult(packet, 0..packet.payload_len()) } else { Ok(()) }
}

/// Shows the lines of a segment that starts where a line starts, each alone, and remembers where the next one starts.
fn show_lines(call: &mut Call<'_>, packet: &Packet, seq: SeqNum) -> Result<(), DropReason> {
    let next = seq + packet.payload_len() as u32;
    // Of a payload that the capture has cut, the end is unknown: taking it for a line's loses nothing, since a line that
    // does not start there is no command.
    let is_cut = packet.meta().cut_bytes > 0;
    if !call.lines().is_some_and(|lines| lines.contains(seq)) {
        if is_cut || last_byte(packet) == Some(b'\n') {
            call.note_line(next);
        }
        return Ok(());
    }
    let (hits, whole) = with_payload(packet, |payload| call.loaded.triggers.lines(payload));
    for line in hits {
        call.consult(packet, line)?;
    }
    // A helper that finds its command cut says so, and the segment comes again.
    let tail = whole..packet.payload_len();
    if !is_cut && !tail.is_empty() && with_payload(packet, |payload| call.loaded.triggers.hit(&payload[whole..])) {
        call.consult(packet, tail)?;
    }
    call.note_line(if is_cut { next } else { seq + whole as u32 });
    Ok(())
}

/// Shows a segment that starts where a line starts as it is, and remembers where the next line starts.
///
/// Linux v6.18: `net/netfilter/nf_conntrack_ftp.c`, `help()`.
fn show_segment(call: &mut Call<'_>, packet: &Packet, seq: SeqNum) -> Result<(), DropReason> {
    let next = seq + packet.payload_len() as u32;
    // It is read as far as its lines are whole; see `show_lines`.
    let is_cut = packet.meta().cut_bytes > 0;
    let ends_line = is_cut || last_byte(packet) == Some(b'\n');
    let starts_line = call.lines().is_some_and(|lines| lines.contains(seq));
    let readable = with_payload(packet, <[u8]>::len);
    let is_shown = starts_line && readable > 0 && is_hit(call.loaded, packet);
    let result = if is_shown { call.consult(packet, 0..readable) } else { Ok(()) };
    let comes_again = matches!(result, Err(DropReason::HelperIncomplete | DropReason::HelperMalformed));
    if ends_line && !comes_again {
        call.note_line(next);
    }
    result
}

fn is_hit(loaded: &Loaded, packet: &Packet) -> bool {
    with_payload(packet, |payload| loaded.triggers.hit(payload))
}

/// Reads the payload, put together first when it lies in fragments; of one that the capture has cut, its whole lines.
fn with_payload<T>(packet: &Packet, read: impl FnOnce(&[u8]) -> T) -> T {
    match packet.linear_payload() {
        Some(payload) if packet.meta().cut_bytes > 0 => {
            let whole = payload.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            read(&payload[..whole])
        }
        Some(payload) => read(payload),
        None => {
            let header_len = packet.transport_len() - packet.payload_len();
            let mut payload = Vec::from(packet.transport_bytes().get(header_len..).unwrap_or_default());
            packet.fragments().for_each(|part| payload.extend_from_slice(part));
            read(&payload)
        }
    }
}

fn last_byte(packet: &Packet) -> Option<u8> {
    packet.fragments().last().unwrap_or_else(|| packet.transport_bytes()).last().copied()
}

/// The connection's lines in one direction.
fn lines(connection: &Connection, direction: Direction) -> Option<&LineStarts> {
    connection.extension.as_ref().map(|extension| &extension.line_starts[direction.index()])
}
