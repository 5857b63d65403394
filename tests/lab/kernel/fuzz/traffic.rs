//! Random traffic: conversations that are mostly right, and what the net does to them. Addresses are those of IPv4; see
//! [`craft::address`].

use towpath_engine::conntrack::Family;

use super::{
    case::{Planned, Side},
    craft::{self, Ip, Tcp},
    dice::Dice,
    oddities, sctp,
};

const HOSTS: [[u8; 4]; 2] = [[192, 168, 1, 10], [192, 168, 1, 20]];
const SERVERS: [[u8; 4]; 3] = [[198, 51, 100, 7], [198, 51, 100, 8], [198, 51, 100, 9]];
const GATEWAY: [u8; 4] = [203, 0, 113, 1];
const GATEWAY_INSIDE: [u8; 4] = [192, 168, 1, 1];

/// Both ends of a conversation.
#[derive(Clone, Debug)]
struct Talk {
    family: Family,
    kind: Kind,
    client: [u8; 4],
    server: [u8; 4],
    ports: (u16, u16),
    /// Where the client is.
    side: Side,
    /// The key of the first frame, whose source the answers go to.
    first: Option<usize>,
    /// Next sequence numbers of client and server.
    seq: [u32; 2],
    turn: u32,
    last: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Tcp,
    Udp,
    Echo,
    Sctp,
    Other(u8),
}

/// Draws a sequence of frames. `may_be_led_here`: rules may send to the gateway what was meant for others.
pub(super) fn draw(dice: &mut Dice, family: Family, frames: u32, may_be_led_here: bool) -> Vec<Planned> {
    let mut talks: Vec<Talk> = (0..dice.between(2, 8)).map(|_| talk(dice, family, may_be_led_here)).collect();
    let mut planned = Vec::new();
    while (planned.len() as u32) < frames {
        let index = dice.below(talks.len() as u32) as usize;
        let next = step(dice, &mut talks[index], planned.len());
        for mut frame in oddities::befall(dice, next).into_iter().filter(|frame| !is_held_back(frame)) {
            frame.key = planned.len();
            talks[index].first.get_or_insert(frame.key);
            planned.push(frame);
        }
        if dice.one_in(25) {
            talks[index] = talk(dice, family, may_be_led_here);
        }
    }
    planned
}

/// Whether it looks like what a router says of itself over IPv6 about neighbours and groups: whoever asks the kernel holds that back.
fn is_held_back(frame: &Planned) -> bool {
    let is_icmpv6 = frame.packet[0] >> 4 == 6 && frame.packet[6] == 58;
    frame.side == Side::Local && is_icmpv6 && matches!(frame.packet.get(40), Some(131 | 133 | 135 | 136 | 143))
}

fn talk(dice: &mut Dice, family: Family, may_be_led_here: bool) -> Talk {
    let kind = match dice.below(12) {
        0..=4 => Kind::Tcp,
        5 | 6 => Kind::Udp,
        7 | 8 => Kind::Echo,
        9 | 10 => Kind::Sctp,
        _ => Kind::Other(dice.pick(&[47, 47, 99, 132, 136])),
    };
    let (side, client, server) = match dice.below(10) {
        0 => (Side::Outside, dice.pick(&SERVERS), GATEWAY),
        1 => (Side::Inside, dice.pick(&HOSTS), dice.pick(&[GATEWAY, GATEWAY_INSIDE])),
        2 => (Side::Local, dice.pick(&[GATEWAY, GATEWAY_INSIDE]), dice.pick(&[SERVERS[0], HOSTS[0]])),
        3 => (Side::Outside, dice.pick(&SERVERS), dice.pick(&HOSTS)),
        4 if dice.one_in(2) => (Side::Inside, HOSTS[0], HOSTS[1]),
        _ => (Side::Inside, dice.pick(&HOSTS), dice.pick(&SERVERS)),
    };
    // What comes from the port of a service and is led to one is not answered here, lest two of them talk for ever. Where
    // hosts of the inside talk with each other under MASQUERADE, it is led to one as well.
    let may_be_led_here = may_be_led_here || (side == Side::Inside && HOSTS.contains(&server));
    let server_ports: &[u16] =
        if kind == Kind::Udp && may_be_led_here { &[80, 9, 5000, 81] } else { &[53, 80, 7, 9, 5000, 81] };
    let ports = (dice.pick(&[5000, 5001, 5002, 1023, 511, 6000]), dice.pick(server_ports));
    let seq = [dice.below(u32::MAX), dice.below(u32::MAX)];
    Talk { family, kind, client, server, ports, side, first: None, seq, turn: 0, last: Vec::new() }
}

/// The conversation's next frame.
fn step(dice: &mut Dice, talk: &mut Talk, key: usize) -> Planned {
    let from_client = match talk.turn {
        0 => !dice.one_in(30),
        1 => dice.one_in(4),
        _ => dice.one_in(2),
    };
    talk.turn += 1;
    if !talk.last.is_empty() && dice.one_in(14) {
        return error_about(dice, talk, key);
    }
    let (source, destination) = if from_client { (talk.client, talk.server) } else { (talk.server, talk.client) };
    let ports = if from_client { talk.ports } else { (talk.ports.1, talk.ports.0) };
    let mut ip = Ip::new(talk.family, source, destination, protocol(talk.kind, talk.family));
    ip.id = (key as u16).wrapping_mul(7).wrapping_add(3);
    let payload: Vec<u8> = (0..size(dice)).map(|byte| byte as u8).collect();
    let transport = match talk.kind {
        Kind::Tcp => {
            let segment = segment(dice, talk, from_client, ports, &payload);
            ip.summed(segment, 16)
        }
        Kind::Udp => ip.summed(craft::udp(ports, &payload), 6),
        Kind::Echo => {
            let [high, low] = talk.ports.0.to_be_bytes();
            let query = match (talk.family, talk.server[0]) {
                (Family::Ipv6, _) => 128,
                (Family::Ipv4, 198) => dice.pick(&[8, 8, 13, 17, 15]),
                (Family::Ipv4, _) => dice.pick(&[8, 8, 8, 8, 13]),
            };
            let kind = if from_client { query } else { oddities::reply_to(query) };
            ip.icmp(kind, 0, [high, low, 0, talk.turn as u8], &payload[..payload.len().max(12).min(payload.len())])
        }
        Kind::Sctp => sctp::packet(dice, talk.turn, from_client, ports, talk.seq, &payload),
        Kind::Other(47) => match dice.below(4) {
            // A call of PPTP (RFC 2637, section 4.1).
            0 => [&[0x20, 1, 0x88, 0x0b, 0, 0][..], &ports.1.to_be_bytes(), &payload].concat(),
            _ => [&[0, 0, 8, 0][..], &payload].concat(),
        },
        Kind::Other(_) => [&ports.0.to_be_bytes()[..], &ports.1.to_be_bytes(), &[0, 0, 0, 0], &payload].concat(),
    };
    let packet = ip.packet(&transport);
    if from_client {
        talk.last.clone_from(&packet);
    }
    place(talk, packet, from_client, key)
}

/// Where a packet of the conversation is injected, and whom it answers.
fn place(talk: &Talk, packet: Vec<u8>, from_client: bool, key: usize) -> Planned {
    let other = match talk.server {
        [192, 168, 1, 1] | GATEWAY => Side::Local,
        [192, 168, 1, _] => Side::Inside,
        _ => Side::Outside,
    };
    let side = if from_client { talk.side } else { other };
    let has_ports = matches!(talk.kind, Kind::Tcp | Kind::Udp | Kind::Echo);
    let answered = talk.first.filter(|_| !from_client && has_ports && side != Side::Local);
    Planned { key, side, packet, answers: answered.map(|first| (first, side)), broadcast: false }
}

const fn protocol(kind: Kind, family: Family) -> u8 {
    match (kind, family) {
        (Kind::Tcp, _) => 6,
        (Kind::Udp, _) => 17,
        (Kind::Sctp, _) => 132,
        (Kind::Echo, Family::Ipv4) => 1,
        (Kind::Echo, Family::Ipv6) => 58,
        (Kind::Other(number), _) => number,
    }
}

fn size(dice: &mut Dice) -> u32 {
    match dice.below(8) {
        0..=3 => dice.below(20),
        4 | 5 => dice.below(200),
        6 => dice.between(1000, 1460),
        _ => 0,
    }
}

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

fn segment(dice: &mut Dice, talk: &mut Talk, from_client: bool, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let (own, other) = if from_client { (0, 1) } else { (1, 0) };
    let (flags, data): (u8, &[u8]) = match (talk.turn, from_client) {
        (1, true) => (SYN, &[]),
        (2, false) => (SYN | ACK, &[]),
        (3, true) => (ACK, &[]),
        _ => match dice.below(16) {
            0 => (FIN | ACK, &[]),
            1 => (RST, &[]),
            2 => (RST | ACK, &[]),
            3 => (SYN, &[]),
            4 => (SYN | ACK, &[]),
            5 => (ACK, &[]),
            6 => (dice.below(64) as u8, payload),
            7 => (FIN | ACK, payload),
            _ => (ACK, payload),
        },
    };
    let mut tcp = Tcp {
        ports,
        seq: talk.seq[own],
        ack: if flags & ACK != 0 { talk.seq[other] } else { 0 },
        flags,
        window: dice.pick(&[64240, 64240, 64240, 1000, 0, 65535, 10]),
        options: Vec::new(),
    };
    let advance = data.len() as u32 + u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
    match dice.below(12) {
        0 => tcp.seq = tcp.seq.wrapping_sub(dice.below(100_000)),
        1 => tcp.seq = tcp.seq.wrapping_add(dice.below(100_000)),
        2 => tcp.ack = tcp.ack.wrapping_add(dice.below(100_000)),
        3 => tcp.ack = tcp.ack.wrapping_sub(dice.below(100_000)),
        // A repetition: the number does not move.
        4 => {}
        _ => talk.seq[own] = talk.seq[own].wrapping_add(advance),
    }
    if flags & SYN != 0 && !dice.one_in(3) {
        tcp.options = dice.pick(&[
            vec![2, 4, 5, 180],
            vec![2, 4, 5, 180, 1, 3, 3, 7, 4, 2, 1, 1],
            vec![1, 3, 3, 14],
            vec![3, 3, 15, 0],
            vec![4, 2, 1, 1],
            vec![8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1],
            vec![2, 0, 0, 0],
        ]);
    } else if dice.one_in(8) {
        let left = talk.seq[other].to_be_bytes();
        let right = talk.seq[other].wrapping_add(10).to_be_bytes();
        tcp.options = [&[1, 1, 5, 10][..], &left, &right].concat();
    }
    tcp.segment(data)
}

/// An ICMP error about the conversation's last packet, from its receiver, a hop, or somebody who cannot know.
fn error_about(dice: &mut Dice, talk: &Talk, key: usize) -> Planned {
    let lens = if talk.family == Family::Ipv4 { [28, 48, 576, 24, 20, 36] } else { [48, 68, 1232, 44, 40, 56] };
    let quoted = &talk.last[..talk.last.len().min(dice.pick(&lens))];
    let sender = dice.pick(&[talk.server, [203, 0, 113, 77], [198, 51, 100, 99], GATEWAY, talk.client]);
    let (kind, code) = match talk.family {
        Family::Ipv4 => dice.pick(&[(3, 3), (3, 1), (3, 4), (11, 0), (5, 1), (4, 0), (12, 0), (3, 13)]),
        Family::Ipv6 => dice.pick(&[(1, 4), (1, 3), (2, 0), (3, 0), (3, 1), (4, 1), (1, 1), (100, 0)]),
    };
    let ip = Ip { id: 9, ..Ip::new(talk.family, sender, talk.client, protocol(Kind::Echo, talk.family)) };
    let packet = ip.packet(&ip.icmp(kind, code, [0, 0, 5, 120], quoted));
    let side = match (talk.side, talk.server) {
        (Side::Outside, _) => Side::Inside,
        (Side::Inside | Side::Local, [192, 168, 1, _]) => Side::Inside,
        (Side::Inside | Side::Local, _) => Side::Outside,
    };
    Planned { key, side, packet, answers: None, broadcast: false }
}
