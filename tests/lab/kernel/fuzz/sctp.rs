//! Packets of SCTP (RFC 9260): associations that are mostly right.

use towpath_engine::wire::crc32c::crc32c;

use super::dice::Dice;

/// The next packet of an association. `tags` are those that client and server want to see.
pub(super) fn packet(
    dice: &mut Dice,
    turn: u32,
    from_client: bool,
    ports: (u16, u16),
    tags: [u32; 2],
    payload: &[u8],
) -> Vec<u8> {
    let usual = match (turn, from_client) {
        (1, true) => INIT,
        (2, false) => INIT_ACK,
        (3, true) => COOKIE_ECHO,
        (4, false) => COOKIE_ACK,
        _ => dice.pick(&[DATA, DATA, SACK, HEARTBEAT, HEARTBEAT_ACK]),
    };
    let first = if dice.one_in(6) { dice.pick(&ALL) } else { usual };
    let [client, server] = tags;
    let (own, other) = if from_client { (client, server) } else { (server, client) };
    let tag = match first {
        _ if dice.one_in(20) => {
            let any = dice.below(u32::MAX);
            dice.pick(&[any, any, 0, own, other.wrapping_add(1)])
        }
        INIT => 0,
        _ => other,
    };
    // Now and then an end has chosen another tag, as if it began anew.
    let asked = if dice.one_in(8) { own.wrapping_add(1) } else { own };
    let mut bytes = Vec::from(ports.0.to_be_bytes());
    bytes.extend(ports.1.to_be_bytes());
    bytes.extend(tag.to_be_bytes());
    bytes.extend([0; 4]);
    chunk(dice, &mut bytes, first, asked, payload);
    while !matches!(first, INIT | INIT_ACK | SHUTDOWN_COMPLETE) && dice.one_in(4) {
        let further = if dice.one_in(2) { dice.pick(&ALL) } else { dice.pick(&[DATA, SACK, ABORT, ERROR, HEARTBEAT]) };
        chunk(dice, &mut bytes, further, asked, payload);
    }
    if !dice.one_in(25) {
        let sum = crc32c([&bytes[..]]);
        bytes[8..12].copy_from_slice(&sum.to_le_bytes());
    }
    bytes
}

fn chunk(dice: &mut Dice, bytes: &mut Vec<u8>, kind: u8, asked: u32, payload: &[u8]) {
    let mut value = match kind {
        INIT | INIT_ACK => [&asked.to_be_bytes()[..], &[0, 0, 64, 0, 0, 1, 0, 1, 0, 0, 0, 1]].concat(),
        DATA => [&[0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0][..], payload, &[7]].concat(),
        SACK => vec![0, 0, 0, 1, 0, 0, 64, 0, 0, 0, 0, 0],
        SHUTDOWN => vec![0, 0, 0, 1],
        COOKIE_ECHO | HEARTBEAT | HEARTBEAT_ACK => vec![0, 1, 0, 8, 1, 2, 3, 4],
        _ => Vec::new(),
    };
    let flags = match kind {
        DATA => 3,
        // The T bit.
        ABORT | SHUTDOWN_COMPLETE if dice.one_in(3) => 1,
        _ => 0,
    };
    bytes.extend([kind, flags]);
    bytes.extend((4 + value.len() as u16).to_be_bytes());
    value.resize(value.len().next_multiple_of(4), 0);
    bytes.extend(value);
}

const DATA: u8 = 0;
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const SACK: u8 = 3;
const HEARTBEAT: u8 = 4;
const HEARTBEAT_ACK: u8 = 5;
const ABORT: u8 = 6;
const SHUTDOWN: u8 = 7;
const SHUTDOWN_ACK: u8 = 8;
const ERROR: u8 = 9;
const COOKIE_ECHO: u8 = 10;
const COOKIE_ACK: u8 = 11;
const SHUTDOWN_COMPLETE: u8 = 14;

const ALL: [u8; 13] = [
    DATA,
    INIT,
    INIT_ACK,
    SACK,
    HEARTBEAT,
    HEARTBEAT_ACK,
    ABORT,
    SHUTDOWN,
    SHUTDOWN_ACK,
    ERROR,
    COOKIE_ECHO,
    COOKIE_ACK,
    SHUTDOWN_COMPLETE,
];
