//! The short way of most packets: one more of a connection of TCP or UDP that stands in the table and of which nothing
//! special is known.
//!
//! Why a way of its own: what can become of a packet that starts, ends or does not fit its connection fills a large
//! function, whose every value goes through memory. What is taken here is taken by the same pieces, in the same order.

use super::{
    Conntrack, FlowHint, FlowKey, State, Tracking,
    conn::{Connection, Extension, Taken},
    segment::Segment,
    table::is_entered,
    tcp,
    timeouts::Timeouts,
    track::{has_right_checksum, state_of},
    tracker::{self, Refreshed},
    tuple::Direction,
    zone::{Reach, Zone},
};
use crate::{
    packet::{Packet, Transport},
    surroundings::Surroundings,
    time::Instant,
};

impl Conntrack {
    /// Takes a packet that is one more of the connection that was guessed. False: it may be anything else, or what is done with it is
    /// written down, and nothing has changed.
    #[inline(never)]
    pub(super) fn takes_usual(
        &mut self,
        now: Instant,
        packet: &mut Packet,
        zone: Zone,
        around: &mut Surroundings,
    ) -> bool {
        if around.trace.is_on() {
            return false;
        }
        let Some(FlowKey { tuple, hint: Some(FlowHint { slot, direction }), .. }) = packet.meta().flow else {
            return false;
        };
        let connection = &mut self.table.slab[slot];
        // Without zones of one direction all of them are of both.
        let is_usual = connection.tuple(direction) == &tuple
            && zone.reach == Reach::Both
            && connection.zone_id == zone.id
            && !self.table.zones.has_one_way()
            && connection.expires > now
            && connection.extension.as_ref().is_none_or(|extension| says_nothing(extension));
        let taken = if is_usual { take(connection, now, packet, direction, around) } else { None };
        let Some((state, taken)) = taken else { return false };
        packet.meta_mut().tracking = Tracking::Tracked { connection: connection.id(slot), state, direction };
        self.table.follow(now, (slot, direction), taken, packet.network_len());
        true
    }
}

/// Whether none of what few connections have is anything that tracking asks for.
fn says_nothing(extension: &Extension) -> bool {
    let Extension { timeouts, moved, .. } = extension;
    timeouts.is_none() && moved.is_none()
}

/// What such a packet is to its connection, and what the table has to know of it; `None`: it has to be looked at from all sides.
#[inline(always)]
fn take(
    connection: &mut Connection,
    now: Instant,
    packet: &Packet,
    direction: Direction,
    around: &Surroundings,
) -> Option<(State, Taken)> {
    match packet.transport() {
        Transport::Tcp if connection.is_settled() => {
            // What else is read before the checksum is summed would have to be laid aside for that.
            if !Segment::is_ack(packet) || !has_right_checksum(packet, around) {
                return None;
            }
            let secs = tcp::go_on(connection, &Segment::of_ack(packet)?, direction, &around.sysctls)?;
            Some((State::Established, connection.prolong(now, secs)))
        }
        Transport::Udp if is_entered(connection) && has_right_checksum(packet, around) => {
            let Refreshed { secs, .. } = tracker::udp(connection, now, Timeouts::Tunables(&around.sysctls));
            let taken = connection.take(now, direction, secs);
            Some((state_of(connection, direction), taken))
        }
        Transport::Tcp
        | Transport::Udp
        | Transport::Icmp
        | Transport::Icmpv6
        | Transport::Other
        | Transport::Broken => None,
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use core::{net::Ipv4Addr, slice, time::Duration};

    use proptest::prelude::*;

    use super::*;
    use crate::{
        conntrack::{Status, TcpState, Template, TimeoutId},
        frame::{DeviceId, Frame},
        nat::SequenceAdjustment,
        packet::{
            Pool,
            sketch::{HeaderSketch, IpSketch, Ipv4Sketch, Kind, OptionsSketch, Payload, Ports, Sketch, TcpSketch},
        },
        wire::{MacAddr, SeqNum, TcpFlags, checksum::Routines},
    };

    /// Something that one of two ends sends.
    #[derive(Clone, Copy, Debug)]
    struct Sent {
        is_answer: bool,
        /// TCP flags; `None`: a datagram.
        flags: Option<TcpFlags>,
        /// How far its numbers lie beside what the ends have agreed on.
        beside: (i32, i32),
        window: u16,
        len: u8,
        /// Which options it carries, by bits.
        options: u8,
        /// How long after the one before.
        pause: Duration,
        is_damaged: bool,
    }

    fn sent() -> impl Strategy<Value = Sent> {
        let (syn, ack, fin, rst) = (TcpFlags::SYN, TcpFlags::ACK, TcpFlags::FIN, TcpFlags::RST);
        let flags = prop_oneof![
            2 => Just(Some(syn)),
            2 => Just(Some(syn.union(ack))),
            12 => Just(Some(ack)),
            3 => Just(Some(ack.union(TcpFlags::PSH))),
            1 => Just(Some(fin.union(ack))),
            1 => Just(Some(rst)),
            1 => Just(Some(ack.union(TcpFlags::URG))),
            1 => Just(Some(TcpFlags::PSH)),
            4 => Just(None),
        ];
        let beside = || prop_oneof![12 => Just(0), 2 => -300..300_i32, 1 => any::<i32>()];
        let window = prop_oneof![6 => Just(64_000), 1 => Just(0), 1 => any::<u16>()];
        let pause = prop_oneof![8 => 0..50_u64, 2 => 1_000..4_000_u64, 1 => 100_000..600_000_u64];
        let damaged = prop::bool::weighted(0.03);
        (any::<bool>(), flags, (beside(), beside()), window, 0..3_u8, 0..8_u8, pause, damaged).prop_map(
            |(is_answer, flags, beside, window, len, options, pause, is_damaged)| Sent {
                is_answer,
                flags,
                beside,
                window,
                len: len * 100,
                options,
                pause: Duration::from_millis(pause),
                is_damaged,
            },
        )
    }

    impl Sent {
        /// The frame, where the ends have sent so many bytes before.
        fn frame(&self, [original, reply]: &mut [u32; 2]) -> Vec<u8> {
            let (own, other, [source, destination], [from, to]) = match self.is_answer {
                false => (original, reply, [CLIENT, SERVER], [4000, 80]),
                true => (reply, original, [SERVER, CLIENT], [80, 4000]),
            };
            let ports = Ports { source: from, destination: to };
            let kind = match self.flags {
                None => Kind::Udp(ports),
                Some(flags) => Kind::Tcp(TcpSketch {
                    ports,
                    flags,
                    seq: Some(own.wrapping_add_signed(self.beside.0)),
                    ack: Some(other.wrapping_add_signed(self.beside.1)),
                    window: Some(self.window),
                    options: OptionsSketch {
                        timestamps: (self.options & 1 != 0).then_some((7, 9)),
                        sack_permitted: self.options & 2 != 0,
                        sack: Vec::from_iter((self.options & 4 != 0).then_some((*other, other.wrapping_add(50)))),
                        window_scale: flags.contains(TcpFlags::SYN).then_some(self.options),
                        mss: None,
                    },
                }),
            };
            if let Some(flags) = self.flags {
                let marks = flags.contains(TcpFlags::SYN) || flags.contains(TcpFlags::FIN);
                *own = own.wrapping_add(u32::from(self.len) + u32::from(marks));
            }
            let header = HeaderSketch::V4(Ipv4Sketch {
                source,
                destination,
                ttl: None,
                tos: None,
                id: None,
                dont_fragment: None,
            });
            let payload = Payload::Length(self.len.into());
            let mut frame = Sketch::Ip(IpSketch { header, kind, payload }).frame(MacAddr([2; 6]), MacAddr([4; 6]));
            if self.is_damaged
                && let Some(last) = frame.last_mut()
            {
                *last ^= 1;
            }
            frame
        }
    }

    /// Nothing, labels, and numbers that rewriting has moved.
    const EXTENSIONS: [fn(&mut Extension); 3] = [
        |_| {},
        |extension| extension.labels = 1,
        |extension| {
            let moved = extension.moved.get_or_insert_default();
            moved.adjustments[0] = SequenceAdjustment { correction: SeqNum(1000), before: 0, after: 70 };
        },
    ];
    /// A piece of a stream that is what its receiver waits for.
    const PLAIN: Sent = Sent {
        is_answer: false,
        flags: Some(TcpFlags::ACK),
        beside: (0, 0),
        window: 64_000,
        len: 100,
        options: 1,
        pause: Duration::ZERO,
        is_damaged: false,
    };

    const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
    const SERVER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);

    /// A table, and which way its packets go.
    struct Bench {
        conntrack: Conntrack,
        around: Surroundings,
        pool: Pool,
        may_be_short: bool,
        /// What connections get beside what they have, once their first packet is through.
        extend: Option<fn(&mut Extension)>,
    }

    impl Bench {
        fn new(may_be_short: bool, tunables: &[(&str, u32)]) -> Self {
            let mut around = Surroundings::new(7, Routines::PORTABLE);
            for (name, value) in tunables {
                around.sysctls.set(name, *value).expect("it is one");
            }
            Self { conntrack: Conntrack::new(7), around, pool: Pool::new(), may_be_short, extend: None }
        }

        /// What is said of a frame, and whether it took the short way.
        fn track(&mut self, now: Instant, frame: &[u8]) -> (Tracking, bool) {
            let Self { conntrack, around, pool, may_be_short, extend } = self;
            let mut packet = Packet::parse(pool, &Frame::new(DeviceId(0), frame)).expect("a right frame");
            conntrack.prefetch(slice::from_mut(&mut packet));
            conntrack.bury();
            let is_short = *may_be_short && conntrack.takes_usual(now, &mut packet, Zone::DEFAULT, around);
            if !is_short {
                let tracked = conntrack.track_flow(now, &mut packet, Zone::DEFAULT, &Template::NONE, around);
                assert_eq!(tracked, Ok(None), "there is room, and nothing is expected");
            }
            assert_eq!(conntrack.confirm(now, &packet, around), Ok(()));
            if let Some((connection, extend)) = packet.meta().tracking.connection().zip(*extend) {
                extend(conntrack.connection_mut(connection).expect("it is there").extension_mut());
            }
            (packet.meta().tracking, is_short)
        }
    }

    proptest! {
        #[test]
        fn the_short_way_says_and_remembers_what_the_long_one_does(
            sent in proptest::collection::vec(sent(), 1..60),
            liberal in 0..2_u32,
            max_retrans in 1..4_u32,
            acct in 0..2_u32,
            extend in proptest::option::of(0..EXTENSIONS.len()),
        ) {
            let tunables = [
                ("net.netfilter.nf_conntrack_tcp_be_liberal", liberal),
                ("net.netfilter.nf_conntrack_tcp_max_retrans", max_retrans),
                ("net.netfilter.nf_conntrack_acct", acct),
            ];
            let [mut short, mut long] = [true, false].map(|may_be_short| {
                Bench { extend: extend.map(|number| EXTENSIONS[number]), ..Bench::new(may_be_short, &tunables) }
            });
            let (mut now, mut ends) = (Instant::from_secs(10), [1000, u32::MAX - 200]);
            for sent in sent {
                now = now + sent.pause;
                let frame = sent.frame(&mut ends);
                let ((short, _), (long, _)) = (short.track(now, &frame), long.track(now, &frame));
                prop_assert_eq!(short, long, "{:?}", sent);
            }
            prop_assert_eq!(short.conntrack.entries(now), long.conntrack.entries(now));
            prop_assert_eq!(short.conntrack.statistics(), long.conntrack.statistics());
            prop_assert_eq!(short.conntrack.next_timeout(), long.conntrack.next_timeout());
        }
    }

    #[test]
    fn what_goes_on_takes_the_short_way_and_what_begins_ends_or_misses_the_window_does_not() {
        let (syn, ack, fin) = (TcpFlags::SYN, TcpFlags::ACK, TcpFlags::FIN);
        let (plain, answer) = (PLAIN, Sent { is_answer: true, ..PLAIN });
        let cases = [
            (Sent { flags: Some(syn), len: 0, ..plain }, false),
            (Sent { flags: Some(syn.union(ack)), len: 0, ..answer }, false),
            (Sent { len: 0, ..plain }, false),
            (plain, true),
            (answer, true),
            (Sent { is_damaged: true, ..plain }, false),
            (Sent { beside: (1 << 20, 0), ..plain }, false),
            (Sent { flags: Some(fin.union(ack)), ..plain }, false),
            (answer, false),
            (Sent { flags: None, ..plain }, false),
            (Sent { flags: None, ..plain }, true),
            (Sent { flags: None, ..answer }, true),
        ];
        let (mut bench, mut ends) = (Bench::new(true, &[]), [1000, 2000]);
        for (number, (sent, is_short)) in cases.into_iter().enumerate() {
            let (tracking, took) = bench.track(Instant::from_secs(10), &sent.frame(&mut ends));
            assert_eq!(took, is_short, "packet {number} is {tracking:?}");
        }
        let states = bench.conntrack.entries(Instant::from_secs(10)).into_iter().filter_map(|entry| entry.tcp);
        assert!(states.map(|tcp| tcp.state).eq([TcpState::CloseWait]));
    }

    #[test]
    fn timeouts_of_their_own_moved_numbers_other_zones_and_what_is_not_settled_keep_packets_from_the_short_way() {
        type Alter = fn(&mut Connection);
        let alterations: [(Alter, bool); 8] = [
            (|_| {}, true),
            (|connection| connection.extension_mut().labels = 1, true),
            (|connection| connection.extension_mut().timeouts = Some(TimeoutId(0)), false),
            (|connection| connection.extension_mut().moved.get_or_insert_default().adjustments[1].after = 3, false),
            (|connection| connection.zone_id = 5, false),
            (|connection| connection.status.insert(Status::DYING), false),
            (|connection| connection.status.insert(Status::FIXED_TIMEOUT), false),
            (|connection| connection.status.remove(Status::ASSURED), false),
        ];
        let now = Instant::from_secs(10);
        let [syn, syn_ack, ack] = [0x02, 0x12, 0x10].map(TcpFlags);
        let sent = |is_answer, flags| Sent { is_answer, flags: Some(flags), len: 0, ..PLAIN };
        for (number, (alter, is_short)) in alterations.into_iter().enumerate() {
            let (mut bench, mut ends) = (Bench::new(true, &[]), [1000, 2000]);
            let opening = [sent(false, syn), sent(true, syn_ack), sent(false, ack)];
            let id = opening.map(|sent| bench.track(now, &sent.frame(&mut ends)).0.connection())[0];
            alter(bench.conntrack.connection_mut(id.expect("it is tracked")).expect("it is there"));
            let frame = PLAIN.frame(&mut ends);
            let mut packet = Packet::parse(&mut bench.pool, &Frame::new(DeviceId(0), &frame)).expect("a right frame");
            bench.conntrack.prefetch(slice::from_mut(&mut packet));
            let took = bench.conntrack.takes_usual(now, &mut packet, Zone::DEFAULT, &mut bench.around);
            assert_eq!(took, is_short, "alteration {number}");
        }
    }
}
