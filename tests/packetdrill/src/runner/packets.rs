//! Packets of the script: those that come in, and those that must go out.

use std::time::Duration;

use super::{
    calls::PORT,
    compare, icmp,
    notation::{ecn_bits, flag_bits, flag_letters},
    numbers::{Connection, stamps},
    play::{Player, Window},
    verdict::Stop,
    wire::{self, Observed, Way},
};
use crate::script::{Body, IcmpError, Packet, Segment};

const SYN: u16 = 0x02;
const ACK: u16 = 0x10;
/// Flags that may differ from packet to packet of what counts as one: FIN, PSH, CWR.
const OF_ENDS: u16 = 0x01 | 0x08 | 0x80;

/// A packet that has left, or several that count as one.
struct Taken {
    at: Duration,
    observed: Observed,
}

impl Player<'_> {
    /// Lets a packet come in.
    pub(super) fn packet_in(&mut self, packet: &Packet) -> Result<(), Stop> {
        let segment = match &packet.body {
            Body::Tcp(segment) => segment,
            Body::Icmp(error) => return self.error_in(error),
        };
        let is_opening = flag_bits(&segment.flags) & (SYN | ACK) == SYN;
        if (is_opening && self.program.has_new_socket) || self.connection.is_none() {
            self.program.has_new_socket = false;
            self.peers += 1;
            let settings = &self.program.settings;
            let own = (settings.local, PORT);
            let peer = (settings.remote, PEER_PORT + self.peers);
            self.connection = Some(Connection::new(Way { from: own, to: peer }));
        }
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let way = Way { from: connection.way.to, to: connection.way.from };
        let live = connection.incoming(segment);
        let bytes = wire::write(way, packet.ecn.map_or(0, ecn_bits), &live);
        self.host.inject(&bytes);
        self.happened()
    }

    /// Lets an ICMP error come in about a segment of the connection at hand: its first one, unless it says about which.
    fn error_in(&mut self, error: &IcmpError) -> Result<(), Stop> {
        let Some(connection) = &self.connection else {
            return Err(Stop::Unsupported("an ICMP error before the first packet".to_owned()));
        };
        let (start, len) = error.about.unwrap_or((0, 0));
        let seq = start.wrapping_add(connection.own_offset.unwrap_or(0));
        let bytes = icmp::write(connection.way, error, seq, len)?;
        self.host.inject(&bytes);
        self.happened()
    }

    /// Waits for a packet that must go out, and compares it.
    pub(super) fn packet_out(&mut self, packet: &Packet, window: Window) -> Result<(), Stop> {
        let Body::Tcp(expected) = &packet.body else {
            return Err(Stop::Unsupported("ICMP errors that the host sends".to_owned()));
        };
        let Some(taken) = self.take(expected)? else {
            return Err(Stop::differs("the packet", expected, "that nothing was sent"));
        };
        let Some(connection) = &mut self.connection else { return Ok(()) };
        compare::segments(expected, &connection.outgoing(&taken.observed.segment), &self.program.settings)?;
        compare::ecn(packet.ecn, taken.observed.ecn)?;
        if let (Some((written, _)), Some((live, _))) = (stamps(expected), stamps(&taken.observed.segment)) {
            let tick = self.program.settings.timestamp_tick;
            let tolerance = self.program.settings.tolerance;
            let due = connection.first_stamp.map(|(first, was)| was.wrapping_add(written.wrapping_sub(first)));
            connection.note_stamp(written, live);
            if let (Some(tick), Some(due)) = (tick, due)
                && tick * (live.wrapping_sub(due) as i32).unsigned_abs() > tolerance
            {
                let found = written.wrapping_add(live.wrapping_sub(due));
                return Err(Stop::differs("the timestamp", written, found));
            }
        }
        window.check("the time of the packet", taken.at)
    }

    /// The next packet, or as many as add up to the length that is expected.
    fn take(&mut self, expected: &Segment) -> Result<Option<Taken>, Stop> {
        let Some(mut taken) = self.next(expected)? else { return Ok(None) };
        let part = taken.observed.segment.len;
        while !self.program.settings.strict_segments && part > 0 && taken.observed.segment.len < expected.len {
            // Only the last one may be shorter.
            if taken.observed.segment.len % part != 0 {
                break;
            }
            let Some(more) = self.host.next_sent() else { break };
            match wire::read(&more.packet) {
                Some(Ok(next)) if goes_on(&taken.observed, &next, part, expected.len) => {
                    let whole = &mut taken.observed.segment;
                    whole.len += next.segment.len;
                    let flags = flag_bits(&whole.flags) | flag_bits(&next.segment.flags);
                    let last = flag_bits(&next.segment.flags);
                    whole.flags = flag_letters(flags & !(0x01 | 0x08) | last & (0x01 | 0x08));
                    taken.at = more.at;
                }
                _ => {
                    self.host.put_back(more);
                    break;
                }
            }
        }
        Ok(Some(taken))
    }

    /// The next packet of the connection at hand. A SYN that is expected is one of a new connection.
    fn next(&mut self, expected: &Segment) -> Result<Option<Taken>, Stop> {
        let is_opening = flag_bits(&expected.flags) & (SYN | ACK) == SYN;
        let limit = self.host.elapsed() + PATIENCE;
        loop {
            let Some(sent) = self.host.next_sent() else {
                if !self.step(limit)? {
                    return Ok(None);
                }
                continue;
            };
            let observed = match wire::read(&sent.packet) {
                None => continue,
                Some(Err(wrong)) => return Err(Stop::differs("the packet", expected, wrong)),
                Some(Ok(observed)) => observed,
            };
            let flags = flag_bits(&observed.segment.flags);
            let is_of_another = self.program.has_begun
                || self.connection.as_ref().is_none_or(|connection| connection.way != observed.way);
            if is_of_another {
                if !(is_opening && flags & (SYN | ACK) == SYN) {
                    continue;
                }
                self.program.has_new_socket = false;
                self.program.has_begun = false;
                self.connection = Some(Connection::new(observed.way));
            }
            if let Some(connection) = &mut self.connection {
                connection.note_first(expected, &observed.segment);
            }
            return Ok(Some(Taken { at: sent.at, observed }));
        }
    }
}

/// Whether a packet goes on where others end that count as one with it.
fn goes_on(whole: &Observed, next: &Observed, part: u32, len: u32) -> bool {
    let (first, second) = (&whole.segment, &next.segment);
    whole.way == next.way
        && whole.ecn == next.ecn
        && second.start == first.start.wrapping_add(first.len)
        && second.len > 0
        && second.len <= part
        && first.len + second.len <= len
        && flag_bits(&first.flags) | OF_ENDS == flag_bits(&second.flags) | OF_ENDS
        && first.ack == second.ack
        && first.window == second.window
        && first.options == second.options
}

/// How long a packet that must go out is waited for: as long as a retransmission may take.
const PATIENCE: Duration = Duration::from_secs(130);
/// Ports of those who connect to the host come behind this one.
const PEER_PORT: u16 = 50_000;
