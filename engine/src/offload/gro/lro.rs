//! What a device merges by itself (`large-receive-offload`), for whoever reads the stream and for nobody else.
//!
//! | | merged here, so that it can be cut again | merged by the device |
//! |---|---|---|
//! | what | TCP and UDP, IPv4 and IPv6 | TCP over IPv4 that carries data, without options or with timestamps alone, of no flags but ACK and PSH, not marked by the network |
//! | size | the same of all, but the last | any |
//! | acknowledgement, window | the same of all | those of the last one |
//! | timestamps | the same of all | the value of the first one, which later ones are not older than; the echo of the last one |
//! | hops, type of service, identification | the same, or counting up | those of the first one |
//! | checksum | left to the device that cuts it | verified, and no longer that of the segment |
//! | it says | how it is to be cut ([`GsoKind`]) | the largest size, and nothing else ([`GsoKind::Lro`]) |
//!
//! So its packets are dropped where they are to be forwarded ([`DropReason::LroForwarded`](crate::DropReason::LroForwarded)), and
//! forwarding switches it off. One that ends with PSH goes on at once, others when the poll ends.
//!
//! Drivers differ. Those whose devices tell more (ixgbe, mlx5, vmxnet3) say how to cut what they have merged, and to the stack that
//! is no LRO any more; those that do not leave `gso_type` out, and by that Linux knows it (v6.18: `include/linux/skbuff.h`,
//! `skb_warn_if_lro()`; `drivers/net/ethernet/qlogic/netxen/netxen_nic_init.c`, `netxen_process_lro()`). What is merged is what the
//! library merged that drivers without such hardware shared (Linux v4.4: `net/ipv4/inet_lro.c`, `lro_tcp_ip_check()`), which looked
//! for no PSH.

use zerocopy::FromBytes;

use super::{
    held::{Held, Outcome},
    segment::Segment,
};
use crate::{
    packet::{Checksum, Gso, GsoKind, Packet, Pool},
    wire::{Ipv4Header, SeqNum, TcpFlags, TcpHeader, tcp_options::TcpOptions},
};

/// Whether a device merges a segment whose headers are right.
pub(super) fn takes(segment: &Segment<'_>) -> bool {
    let (layout, bytes) = (segment.layout, segment.bytes);
    let (Ok((ip, _)), Ok((tcp, _))) =
        (Ipv4Header::ref_from_prefix(&bytes[layout.network..]), TcpHeader::ref_from_prefix(&bytes[layout.transport..]))
    else {
        return false;
    };
    let is_plain = !layout.is_udp && !layout.is_v6 && segment.gso.is_none() && segment.payload_len() > 0;
    is_plain
        && ip.tos & ECN != CONGESTED
        && tcp.flags.without(TcpFlags::PSH) == TcpFlags::ACK
        && Options::of(bytes, segment).is_some()
}

/// The options of a segment that is merged: none, or timestamps alone.
#[derive(Clone, Copy, Debug)]
enum Options {
    None,
    Timestamps {
        value: SeqNum,
        echo: u32,
        /// Where they stand among the options.
        at: usize,
    },
}

impl Options {
    /// Those of a segment, or of what is held, which has its headers at the same places; `None` if there are others.
    fn of(bytes: &[u8], segment: &Segment<'_>) -> Option<Self> {
        let options = bytes.get(segment.layout.transport + TcpHeader::LEN..segment.payload_at)?;
        if options.is_empty() {
            return Some(Self::None);
        }
        let at = options.iter().position(|byte| *byte != TcpOptions::NOP)?;
        let &[TcpOptions::TIMESTAMPS, 10, v0, v1, v2, v3, e0, e1, e2, e3] = options.get(at..)?.first_chunk()? else {
            return None;
        };
        let (value, echo) = (SeqNum(u32::from_be_bytes([v0, v1, v2, v3])), u32::from_be_bytes([e0, e1, e2, e3]));
        let is_alone = options.len() == WITH_FILLERS && options[at + 10..].iter().all(|byte| *byte == TcpOptions::NOP);
        (is_alone && echo != 0).then_some(Self::Timestamps { value, echo, at })
    }
}

impl Held {
    /// Takes a segment of its flow as a device does, if that continues it.
    pub(super) fn meet_large(&mut self, segment: &Segment<'_>, pool: &mut Pool) -> Outcome {
        let is_merged = self.is_continued_by(segment) && self.absorb(segment, pool);
        if is_merged {
            self.follow(segment);
        }
        let is_pushed = segment.flags().contains(TcpFlags::PSH);
        Outcome { is_merged, ends_flow: !is_merged || is_pushed, is_alone: is_pushed }
    }

    fn is_continued_by(&self, segment: &Segment<'_>) -> bool {
        let (own, at) = (self.packet.linear(), self.layout.transport);
        let headers = (TcpHeader::ref_from_prefix(&own[at..]), TcpHeader::ref_from_prefix(&segment.bytes[at..]));
        let (Ok((first, _)), Ok((next, _))) = headers else { return false };
        if first.data_offset != next.data_offset
            || next.seq() != first.seq() + (self.packet.len() - self.payload_at) as u32
        {
            return false;
        }
        match (Options::of(own, segment), Options::of(segment.bytes, segment)) {
            (Some(Options::None), Some(Options::None)) => true,
            (
                Some(Options::Timestamps { value: first, at, .. }),
                Some(Options::Timestamps { value: next, at: next_at, .. }),
            ) => at == next_at && !first.after(next),
            (_, _) => false,
        }
    }

    /// What the last segment says counts.
    fn follow(&mut self, segment: &Segment<'_>) {
        self.size = self.size.max(segment.payload_len());
        let at = self.layout.transport;
        let options = Options::of(segment.bytes, segment);
        let Ok((next, _)) = TcpHeader::ref_from_prefix(&segment.bytes[at..]) else { return };
        let Ok((own, behind)) = TcpHeader::mut_from_prefix(&mut self.packet.linear_mut()[at..]) else { return };
        (own.ack, own.window, own.flags) = (next.ack, next.window, next.flags);
        if let Some(Options::Timestamps { echo, at, .. }) = options
            && let Some(place) = behind.get_mut(at + ECHO_AT..).and_then(<[u8]>::first_chunk_mut)
        {
            *place = echo.to_be_bytes();
        }
    }

    /// What it says of itself when it goes on.
    pub(super) fn mark_large(packet: &mut Packet, size: usize) {
        let meta = packet.meta_mut();
        meta.checksum = Checksum::Unnecessary;
        meta.gso = Some(Gso { kind: GsoKind::Lro, size: size as u16, segments: 0, fixed_id: false });
    }
}

/// The two bits of the type of service by which the network says that it is congested, and both set.
const ECN: u8 = 3;
const CONGESTED: u8 = 3;
/// Bytes of timestamps, and of what fills them up to whole words (RFC 7323, appendix A).
const WITH_FILLERS: usize = 12;
/// Where the echo stands in them.
const ECHO_AT: usize = 6;

#[cfg(test)]
mod tests {
    use alloc::{format, string::String, vec::Vec};

    use super::*;
    use crate::{
        frame::{DeviceId, Frame},
        offload::gro::{Arrival, Gro, Leaving, Merging},
        packet::Sketch,
        time::Instant,
        wire::{MacAddr, checksum::Routines},
    };

    /// What goes on of frames of one poll, and how it is to be cut. A line that begins with `>` is a packet, and what is said of it
    /// counts.
    fn play(merging: Merging, lines: &str) {
        let lines: Vec<&str> = lines.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let sketch = |line: &str| format!("10.0.0.2:4000 > 10.0.0.1:80 {line}").parse::<Sketch>().expect("a packet");
        let mac = MacAddr([2, 0, 0, 0, 0, 1]);
        let (mut gro, mut pool, mut leaving) = (Gro::default(), Pool::new(), Leaving::new());
        for (number, line) in (1..).zip(lines.iter().filter(|line| !line.starts_with('>'))) {
            let bytes = sketch(line).frame(mac, mac);
            let frame = Frame::new(DeviceId(0), &bytes);
            let arrival = Arrival { frame: &frame, number, hash: 0, merging, may_wait: true };
            gro.receive(Instant::ZERO, &arrival, &mut pool, &Routines::PORTABLE, &mut leaving);
        }
        gro.flush(Instant::ZERO, false, &mut leaving);
        let mut expected = lines.iter().filter_map(|line| line.strip_prefix('>'));
        for packet in leaving {
            let packet = packet.and_then(Packet::found).expect("it is right");
            let (gso, line) = (packet.meta().gso, expected.next().expect("nothing more goes on"));
            let (line, cut) = line.split_once('|').unwrap_or((line, ""));
            let seen = Sketch::of(&packet).expect("it can be told");
            assert!(sketch(line).holds_for(&seen), "{seen:?} is not {line}");
            let found = gso.map_or_else(String::new, |gso| format!("{:?} {}", gso.kind, gso.size));
            assert_eq!(found, cut.trim(), "{line}");
            assert_eq!(packet.is_uncuttable(), found.starts_with("Lro"));
        }
        assert_eq!(expected.next(), None, "it goes on, too");
    }

    const LRO: Merging = Merging { tcp: false, large: true, udp: false, lists: false };

    #[test]
    fn what_the_last_segment_says_counts_whatever_size_each_has() {
        play(
            LRO,
            "A seq 1 ack 1 win 500 len 100 ttl 64 ipid 7 ts 10/20
             A seq 101 ack 50 win 400 len 300 ttl 60 ipid 3 ts 12/21
             PA seq 401 ack 70 win 300 len 200 ts 12/25
             > PA seq 1 ack 70 win 300 len 600 ttl 64 ipid 7 ts 10/25 | Lro 300",
        );
    }

    #[test]
    fn what_is_pushed_ends_it_and_what_is_pushed_alone_passes_as_it_is() {
        play(
            LRO,
            "PA seq 1 len 10
             A seq 11 len 10
             PA seq 21 len 10
             A seq 31 len 10
             > PA seq 1 len 10
             > PA seq 11 len 20 | Lro 10
             > A seq 31 len 10",
        );
    }

    #[test]
    fn nothing_but_plain_data_is_merged_and_the_rest_ends_what_is_held() {
        for line in [
            "A seq 21 ack 1 len 0",
            "FA seq 21 ack 1 len 10",
            "AE seq 21 ack 1 len 10",
            "AC seq 21 ack 1 len 10",
            "A seq 21 ack 1 len 10 tos 3",
            "A seq 21 ack 1 len 10 ts 0/0",
            "A seq 21 ack 1 len 10 sack 50-60",
            "A seq 22 ack 1 len 10",
            "A seq 21 ack 1 len 10 ts 5/5",
        ] {
            play(LRO, &format!("A seq 1 len 10\nA seq 11 len 10\n{line}\n> A seq 1 len 20 | Lro 10\n> {line}"));
        }
        play(
            LRO,
            "A seq 1 len 10 ts 9/5
             A seq 11 len 10 ts 8/5
             > A seq 1 len 10 ts 9/5
             > A seq 11 len 10 ts 8/5",
        );
    }

    #[test]
    fn what_a_device_does_not_take_is_merged_behind_it_where_that_is_on() {
        let frames = "A seq 1 len 10
             A seq 11 len 10
             A seq 21 len 10 ipid 3 tos 3
             A seq 31 len 10 ipid 4 tos 3
             > A seq 1 len 20 | Lro 10\n";
        let apart = "> A seq 21 len 10 ipid 3 tos 3\n> A seq 31 len 10 ipid 4 tos 3";
        play(LRO, &format!("{frames}{apart}"));
        let merged = "> A seq 21 len 20 ipid 3 tos 3 | Tcp4 10";
        play(Merging { tcp: true, ..LRO }, &format!("{frames}{merged}"));
    }
}
