//! Segments as packets: headers, options, and references to what is sent.

use core::net::IpAddr;

use zerocopy::IntoBytes;

use super::{connection::Connection, ecn::Codepoint, pacing::UNPACED_SEGMENTS, states::State, work::Work};
use crate::{
    ip::icmp_error::{Ends as Addresses, Making, head},
    offload::checksum,
    packet::{Draft, Gso, GsoKind, Head, Owner, Packet},
    socket::SendQueue,
    time::Instant,
    wire::{FastOpenOption, Ipv4Header, OptionsOut, Protocol, SackBlocks, SeqNum, TcpFlags, TcpHeader, Timestamps},
};

/// A segment that is about to be sent.
struct Out {
    seq: SeqNum,
    flags: TcpFlags,
    window: u16,
    options: OptionsOut,
    /// Which bytes of the send queue, from its first one on.
    payload: (usize, u32),
    /// How much of it goes into each segment.
    mss: u32,
    /// Whether the network may mark it (RFC 3168).
    codepoint: Codepoint,
}

impl Connection {
    /// The clock that timestamps tell: milliseconds, from somewhere.
    pub(super) fn clock(&self, work: &Work<'_>) -> u32 {
        self.clock_at(work.now)
    }

    /// What it told at that time.
    pub(super) fn clock_at(&self, when: Instant) -> u32 {
        ((when.as_nanos() / 1_000_000) as u32).wrapping_add(self.agreed.timestamp_offset)
    }

    /// Milliseconds since a timestamp that was sent and has come back.
    pub(super) fn echo_age(&self, work: &Work<'_>, echo: u32) -> u32 {
        self.clock(work).wrapping_sub(echo)
    }

    fn usual_options(&mut self, work: &Work<'_>) -> OptionsOut {
        let timestamps = self
            .agreed
            .timestamps
            .then(|| Timestamps { value: self.clock(work), echo: self.receiver.recent_timestamp });
        let sack = if self.agreed.sack { self.receiver.received.take() } else { SackBlocks::default() };
        OptionsOut { timestamps, sack, ..OptionsOut::default() }
    }

    /// Sends bytes of the send queue from `seq` on, in one packet, and whatever `flags` say. A packet of more than one
    /// segment is a super-packet, and has PSH, so that the other end does not wait to put more behind it (Linux v6.18:
    /// `net/ipv4/tcp_output.c`, `__tcp_transmit_skb()`).
    pub(super) fn emit_data(&mut self, work: &mut Work<'_>, seq: SeqNum, len: u32, flags: TcpFlags, is_new: bool) {
        self.emit_cut(work, (seq, len), flags, is_new, self.payload_now());
    }

    /// The same in segments of `mss` bytes.
    fn emit_cut(&mut self, work: &mut Work<'_>, (seq, len): (SeqNum, u32), flags: TcpFlags, is_new: bool, mss: u32) {
        let options = self.usual_options(work);
        let window = self.tell_window(work);
        let mut flags = flags.union(TcpFlags::ACK);
        if len > mss {
            flags = flags.union(TcpFlags::PSH);
        }
        let (codepoint, marks) = self.mark_data(len, is_new);
        let flags = flags.union(marks);
        let from = (seq - self.sender.una) as usize;
        self.note_acknowledged();
        self.counters.data_segments_sent += len.div_ceil(mss).max(1);
        self.counters.bytes_sent += u64::from(len);
        self.emit(work, Out { seq, flags, window, options, payload: (from, len), mss, codepoint });
    }

    /// Sends so many bytes as one segment, though others are smaller.
    pub(super) fn emit_probe(&mut self, work: &mut Work<'_>, seq: SeqNum, len: u32, flags: TcpFlags) {
        self.emit_cut(work, (seq, len), flags, true, len);
    }

    /// Acknowledges what has come.
    pub(super) fn send_ack(&mut self, work: &mut Work<'_>) {
        if matches!(self.state, State::Closed | State::Listen | State::SynSent) {
            return;
        }
        let seq = self.acceptable_seq();
        self.send_bare(work, seq, TcpFlags::ACK);
        self.note_acknowledged();
    }

    /// A sequence number that the other end takes, even if its window has shrunk (Linux v6.18: `tcp_acceptable_seq()`).
    fn acceptable_seq(&self) -> SeqNum {
        let (next, end) = (self.sender.next, self.window_end());
        let scaled_away = end.before(next) && self.agreed.scaling && next - end < 1 << self.agreed.receive_scale;
        if !end.before(next) || scaled_away { next } else { end }
    }

    /// Sends a segment without data: an acknowledgement, a probe.
    pub(super) fn send_bare(&mut self, work: &mut Work<'_>, seq: SeqNum, flags: TcpFlags) {
        let options = self.usual_options(work);
        let window = self.tell_window(work);
        self.emit(work, Out { seq, flags, window, options, payload: (0, 0), mss: 1, codepoint: Codepoint::NOT_ECT });
    }

    /// Resets the connection: the other end is told that nothing more is known of it (RFC 9293, section 3.10.5).
    pub(super) fn send_reset(&mut self, work: &mut Work<'_>) {
        let options = OptionsOut { sack: SackBlocks::default(), ..self.usual_options(work) };
        let seq = self.acceptable_seq();
        let flags = TcpFlags::RST.union(TcpFlags::ACK);
        self.emit(work, Out { seq, flags, window: 0, options, payload: (0, 0), mss: 1, codepoint: Codepoint::NOT_ECT });
    }

    /// Sends the SYN, alone or as the answer to one.
    pub(super) fn emit_syn(&mut self, work: &mut Work<'_>) {
        self.emit_syn_with(work, None, 0);
    }

    /// The same with an option of Fast Open, and the first `len` bytes of the send queue.
    pub(super) fn emit_syn_with(&mut self, work: &mut Work<'_>, option: Option<&FastOpenOption>, len: u32) {
        let is_answer = self.state != State::SynSent;
        if !is_answer {
            // The way may have turned out to take less since.
            self.receiver.mss_told = self.receiver.mss_told.min(self.mss_to_tell().max(MSS_TOLD_MIN));
        }
        let value = self.clock(work);
        let offers = |agreed: bool, tunable: u32| if is_answer { agreed } else { tunable != 0 };
        let options = OptionsOut {
            mss_bytes: Some(self.receiver.mss_told as u16),
            window_scale: offers(self.agreed.scaling, work.sysctls.tcp_window_scaling)
                .then_some(self.agreed.receive_scale),
            sack_permitted: offers(self.agreed.sack, work.sysctls.tcp_sack),
            timestamps: offers(self.agreed.timestamps, work.sysctls.tcp_timestamps)
                .then_some(Timestamps { value, echo: self.receiver.recent_timestamp }),
            sack: SackBlocks::default(),
        };
        let flags = if is_answer { TcpFlags::SYN.union(TcpFlags::ACK) } else { TcpFlags::SYN };
        let flags = flags.union(self.syn_marks(work, is_answer));
        let window = self.receiver.window.min(u16::MAX.into()) as u16;
        self.receiver.told = self.receiver.next;
        let mut bytes = [0; OptionsOut::BYTES_MAX];
        let mut options_len = options.emit(&mut bytes);
        if let Some(option) = option {
            options_len = option.emit_behind(&mut bytes, options_len);
        }
        if len > 0 {
            self.note_data_sent(work.now);
            self.counters.data_segments_sent += 1;
            self.counters.bytes_sent += u64::from(len);
        }
        let seq = self.sender.initial;
        let payload = (0, len);
        let out = Out { seq, flags, window, options, payload, mss: len.max(1), codepoint: Codepoint::NOT_ECT };
        self.emit_with(work, &out, &bytes[..options_len]);
    }

    fn emit(&mut self, work: &mut Work<'_>, out: Out) {
        let mut options = [0; OptionsOut::BYTES_MAX];
        let options_len = out.options.emit(&mut options);
        self.emit_with(work, &out, &options[..options_len]);
    }

    /// Sends a segment whose options are written already.
    #[inline(always)]
    fn emit_with(&mut self, work: &mut Work<'_>, out: &Out, options: &[u8]) {
        let options_len = options.len();
        let mut flags = out.flags;
        if self.receiver.echoes_mark && !flags.intersects(TcpFlags::SYN.union(TcpFlags::RST)) {
            flags = flags.union(TcpFlags::ECE);
        }
        let urgent = self.urgent_pointer(out.seq);
        if urgent.is_some() {
            flags = flags.union(TcpFlags::URG);
        }
        let (from, len) = out.payload;
        let segments = len.div_ceil(out.mss).max(1);
        let mut bytes = [0; TcpHeader::LEN + OptionsOut::BYTES_MAX];
        let ack = if flags.contains(TcpFlags::ACK) { self.receiver.next.0 } else { 0 };
        let header = TcpHeader {
            source_port: self.ends.local.port().into(),
            destination_port: self.ends.remote.port().into(),
            seq: out.seq.0.into(),
            ack: ack.into(),
            data_offset: (((TcpHeader::LEN + options_len) / 4) as u8) << 4,
            flags,
            window: out.window.into(),
            checksum: [0; 2],
            urgent: urgent.unwrap_or(0).into(),
        };
        bytes[..TcpHeader::LEN].copy_from_slice(header.as_bytes());
        bytes[TcpHeader::LEN..TcpHeader::LEN + options_len].copy_from_slice(options);
        let draft =
            Draft { ip: self.head(work, segments, out.codepoint), transport: &bytes[..TcpHeader::LEN + options_len] };
        let queue: &SendQueue = &self.sender.queue;
        let mut packet = Packet::compose_around(work.pool, &draft, queue.parts(from, len as usize), len as usize);
        checksum::leave_to_device(&mut packet);
        if segments > 1 {
            let kind = match self.ends.remote.ip() {
                IpAddr::V4(_) if flags.contains(TcpFlags::CWR) => GsoKind::Tcp4Ecn,
                IpAddr::V4(_) => GsoKind::Tcp4,
                IpAddr::V6(_) if flags.contains(TcpFlags::CWR) => GsoKind::Tcp6Ecn,
                IpAddr::V6(_) => GsoKind::Tcp6,
            };
            let size = out.mss as u16;
            packet.meta_mut().gso = Some(Gso { kind, size, segments: segments as u16, fixed_id: false });
        }
        let meta = packet.meta_mut();
        (meta.owner, meta.mark, meta.bound) = (Some(Owner::ROOT), self.settings.mark, self.way.bound);
        self.counters.segments_sent += segments;
        let is_first = self.counters.data_segments_sent < UNPACED_SEGMENTS;
        self.pacing.note_departure(work.now, len, is_first);
        work.outbox.push(packet);
    }

    fn head(&mut self, work: &Work<'_>, segments: u32, codepoint: Codepoint) -> Head {
        let hops = self.settings.hops.unwrap_or(match self.ends.remote.ip() {
            IpAddr::V4(_) => work.sysctls.ip_default_ttl as u8,
            IpAddr::V6(_) => work.sysctls.ipv6_hop_limit as u8,
        });
        let id = self.sender.ip_id;
        self.sender.ip_id = id.wrapping_add(segments as u16);
        let making = Making { hops, id, flow_label: self.way.flow_label };
        let addresses = Addresses { source: self.ends.local.ip(), destination: self.ends.remote.ip() };
        let tos = codepoint.in_class(self.settings.tos);
        let mut head = head(addresses, Protocol::TCP, making);
        match &mut head {
            // RFC 1191: whoever finds it too large says so.
            Head::V4(ip) => {
                ip.flags_fragment = if self.way.may_be_cut { 0 } else { Ipv4Header::DONT_FRAGMENT }.into();
                ip.tos = tos;
            }
            Head::V6(ip) => ip.set_class_label(tos, making.flow_label),
        }
        head
    }
}

/// The least MSS that a SYN names because its way takes no more (Linux: `min_adv_mss`, of IPv4; IPv6 has a least MTU).
const MSS_TOLD_MIN: u32 = 256;
