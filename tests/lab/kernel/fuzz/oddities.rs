//! What befalls packets on their way: they are broken, doubled, cut into fragments.

use super::{case::Planned, craft::Ip, dice::Dice};

/// The frames that come of one, mostly itself.
pub(super) fn befall(dice: &mut Dice, frame: Planned) -> Vec<Planned> {
    match dice.below(40) {
        0 => vec![changed(frame, |packet| flip(dice, packet))],
        1 => vec![changed(frame, |packet| with_header(packet, |ip| ip.ttl = 1))],
        2 => vec![changed(frame, |packet| with_header(packet, |ip| ip.tos = dice.pick(&[0x10, 0xb8, 0x03, 0x09])))],
        3 if frame.packet[0] >> 4 == 4 => {
            vec![changed(frame, |packet| with_header(packet, |ip| ip.fragment = 0x4000))]
        }
        4 => vec![frame.clone(), Planned { answers: None, ..frame }],
        5 => vec![changed(frame, |packet| shortened(dice, packet))],
        6 => vec![changed(frame, |packet| {
            let options = match packet[0] >> 4 {
                4 => options(dice),
                _ => dice.pick(&[vec![0, 0, 0, 1, 4, 0, 0, 0, 0], vec![60, 0, 0, 1, 4, 0, 0, 0, 0]]),
            };
            with_header(packet, |ip| ip.options = options);
        })],
        7..=9 => fragments(dice, frame),
        _ => vec![frame],
    }
}

/// Options of IPv4, right ones and others, up to three. No hour of the day: the kernel's is not that of the capture.
fn options(dice: &mut Dice) -> Vec<u8> {
    let mut options = Vec::new();
    for _ in 0..=dice.below(3) {
        options.extend(match dice.below(12) {
            0 => vec![1],
            1 => vec![0x94, 4, 0, 0],
            2 => vec![7, 7, 4, 0, 0, 0, 0],
            3 => vec![7, 11, dice.pick(&[4, 8, 12]), 9, 9, 9, 9, 0, 0, 0, 0],
            4 => vec![7, dice.pick(&[2, 3, 6, 7]), dice.pick(&[0, 3, 4, 5, 8]), 0, 0, 0, 0],
            5 => vec![68, 12, dice.pick(&[4, 5, 6]), 3, 198, 51, 100, dice.pick(&[7, 9]), 0, 0, 0, 0],
            6 => vec![68, 8, 9, dice.pick(&[0, 0x10, 0xe1, 0xf0, 0xf3]), 1, 2, 3, 4],
            // Not one that is used up: answers would go back along it.
            7 => vec![dice.pick(&[131, 137]), 7, dice.pick(&[3, 4]), 198, 51, 100, 9],
            8 => vec![134, 8, 0, 0, 0, dice.pick(&[0, 1]), 1, 2],
            9 => vec![99, dice.pick(&[0, 1, 2, 4, 40]), 0, 0],
            10 => vec![0, 0, dice.pick(&[0, 7])],
            _ => match dice.below(256) as u8 {
                // Neither of those, whose pointer would be drawn by what follows.
                131 | 137 => vec![1],
                kind => vec![kind, dice.below(12) as u8],
            },
        });
    }
    options.truncate(40);
    options.resize(options.len().next_multiple_of(4), dice.pick(&[0, 1]));
    options
}

/// The type that answers an ICMP or ICMPv6 query.
pub(super) const fn reply_to(query: u8) -> u8 {
    match query {
        8 => 0,
        128 => 129,
        other => other + 1,
    }
}

fn changed(mut frame: Planned, change: impl FnOnce(&mut Vec<u8>)) -> Planned {
    change(&mut frame.packet);
    // Whoever patches its destination would mend its checksums.
    frame.answers = None;
    frame
}

fn with_header(packet: &mut Vec<u8>, change: impl FnOnce(&mut Ip)) {
    let (mut ip, transport) = Ip::parts(packet);
    change(&mut ip);
    *packet = ip.packet(&transport);
}

/// One bit behind the IP header turns.
fn flip(dice: &mut Dice, packet: &mut [u8]) {
    let start = packet.len() - Ip::parts(packet).1.len();
    if packet.len() > start {
        let at = start + dice.below((packet.len() - start).min(24) as u32) as usize;
        packet[at] ^= 1 << dice.below(8);
    }
}

/// The packet ends early, and its header says so.
fn shortened(dice: &mut Dice, packet: &mut Vec<u8>) {
    let (ip, mut transport) = Ip::parts(packet);
    transport.truncate(dice.below(24) as usize);
    *packet = ip.packet(&transport);
}

/// The packet in fragments: in order or not, doubled, overlapping, incomplete.
fn fragments(dice: &mut Dice, frame: Planned) -> Vec<Planned> {
    let (ip, transport) = Ip::parts(&frame.packet);
    if frame.answers.is_some() || transport.len() < 16 || ip.fragment & 0x3fff != 0 {
        return vec![frame];
    }
    let mut edges = vec![0];
    while edges.len() < 5 {
        let next = edges.last().copied().unwrap_or(0) + 8 * dice.between(1, 1 + transport.len() as u32 / 16) as usize;
        if next >= transport.len() {
            break;
        }
        edges.push(next);
    }
    edges.push(transport.len());
    let mut made: Vec<Planned> = Vec::new();
    for pair in edges.windows(2) {
        let (mut start, mut end) = (pair[0], pair[1]);
        match dice.below(30) {
            0 if start >= 8 => start -= 8,
            1 => end = (end + 8).min(transport.len()),
            2 => continue,
            _ => {}
        }
        let more = u16::from(end < transport.len()) * 0x2000;
        let header = Ip { fragment: ip.fragment | more | (start / 8) as u16, ..ip.clone() };
        let part = Planned { packet: header.packet(&transport[start..end]), ..frame.clone() };
        if dice.one_in(12) {
            made.push(part.clone());
        }
        made.push(part);
    }
    if dice.one_in(2) && made.len() > 1 {
        let (one, other) = (dice.below(made.len() as u32) as usize, dice.below(made.len() as u32) as usize);
        made.swap(one, other);
    }
    made
}
