//! Wishes come true: expectations wait, and payloads name the endpoints that they wait for.

use alloc::{format, vec::Vec};
use core::ops::Range;

use super::{
    Memory, Refusal,
    consult::{Call, Unfulfilled},
    wish::{self, Opened},
};
use crate::{
    conntrack::{
        ExpectationId, Tuple,
        expect::{CannotExpect, Expectation, Room, Told},
        helper::{HelperEndpoint, HelperMode, Wish},
    },
    ending::DropReason,
    limits::{EXPECTATIONS_BOUND, HELD_DRAWS_MAX, HELPER_SITE_BYTES_MAX},
    nat::sequence,
    packet::Packet,
    random::Draw,
    time::Instant,
    wire::SeqNum,
};

/// Lets what the wishes announce be expected, and under NAT finds the words for what the opener is to see. Either all
/// wishes come true, or none does. `offset` is where the payload that was shown begins in the packet's.
pub(super) fn announce(call: &mut Call<'_>, state: &[u8], wishes: &[Wish], offset: usize) -> Result<(), Unfulfilled> {
    let before = (call.granted.waiting.len(), call.granted.texts.len());
    for wish in wishes {
        if let Err(unfulfilled) = fulfil(call, state, wish, offset) {
            withdraw(call, before.0);
            call.granted.texts.truncate(before.1);
            return Err(unfulfilled);
        }
    }
    let classes = &call.loaded.manifest.classes;
    let lasting =
        wishes.iter().filter_map(|wish| classes.get(usize::from(wish.class))).filter(|class| class.ends_master);
    if let Some(timeout) = lasting.map(|class| class.timeout).next_back() {
        call.granted.forget_after = Some(timeout.as_secs() as u32);
    }
    Ok(())
}

/// Takes expectations of this packet back, but for the first `kept` of them.
pub(super) fn withdraw(call: &mut Call<'_>, kept: usize) {
    let now = call.now;
    for id in call.granted.waiting.drain(kept..) {
        call.conntrack.expectations_mut().remove(now, id, &mut call.around.events);
    }
}

/// Lets one connection be expected.
fn fulfil(call: &mut Call<'_>, state: &[u8], wish: &Wish, offset: usize) -> Result<(), Unfulfilled> {
    let Some(connection) = call.conntrack.connection(call.id) else { return Ok(()) };
    let Opened { tuple, mask, nat } = wish::opened(wish, &call.told, connection);
    let draft = Expectation {
        id: ExpectationId::default(),
        master: call.id,
        master_tuple: connection.original,
        zone: connection.zone().id,
        tuple,
        mask,
        class: wish.class,
        helper: call.helper,
        helper_name: call.loaded.manifest.name.as_str().into(),
        nat,
        permanent: wish.permanent,
        inactive: false,
        told: Told::by(connection.extension.as_ref().and_then(|extension| extension.events)),
        expires: Instant::ZERO,
    };
    let Some((site, _)) = wish.site.zip(nat) else {
        call.note(|| format!("expects {tuple}"));
        let id = expect(call, draft).map_err(|why| unfulfilled(call, why))?;
        call.granted.waiting.push(id);
        return Ok(());
    };
    if call.loaded.manifest.rewrite_bytes_max == 0 {
        return Err(Unfulfilled::Refused(Refusal::Rewriting));
    }
    let start = offset + site.offset as usize;
    if start < call.sent {
        return Err(Unfulfilled::Refused(Refusal::Sent));
    }
    if site.length as usize > HELPER_SITE_BYTES_MAX {
        return Err(Unfulfilled::Refused(Refusal::SiteSize(site.length)));
    }
    let (id, port) = expect_at_some_port(call, draft)?;
    // Linux takes port 0 for "none is free", but by then it is expected.
    if port == 0 {
        return Err(Unfulfilled::Dropped(DropReason::NatExhausted));
    }
    call.granted.waiting.push(id);
    let endpoint = HelperEndpoint { address: tuple.destination_ip(), port };
    call.note(|| format!("expects {}, and names it {}:{port}", with_port(&tuple, port), endpoint.address));
    let bytes = call.render(state, site, endpoint)?;
    let grown = bytes.len() as i64 - i64::from(site.length);
    if grown.unsigned_abs() > u64::from(call.loaded.manifest.rewrite_bytes_max) {
        let bytes = u32::try_from(grown.unsigned_abs()).unwrap_or(u32::MAX);
        let refusal = if grown > 0 { Refusal::RewriteSize(bytes) } else { Refusal::RewriteLoss(bytes) };
        return Err(Unfulfilled::Refused(refusal));
    }
    call.granted.texts.push(Text { range: start..start + site.length as usize, bytes });
    Ok(())
}

const fn with_port(tuple: &Tuple, port: u16) -> Tuple {
    Tuple { destination_port: port, ..*tuple }
}

fn expect(call: &mut Call<'_>, draft: Expectation) -> Result<ExpectationId, CannotExpect> {
    let Some(class) = call.loaded.manifest.classes.get(usize::from(draft.class)) else {
        return Err(CannotExpect::OtherClass);
    };
    let room = Room {
        class_max: class.expected_max,
        table_max: call.around.sysctls.conntrack_expect_max.min(EXPECTATIONS_BOUND),
        client_max: client_max(call),
        timeout: class.timeout,
    };
    call.conntrack.expectations_mut().insert(call.now, draft, room, &mut call.around.events)
}

/// How many connections may be expected for one client.
const fn client_max(call: &Call<'_>) -> u32 {
    match call.mode {
        HelperMode::Kernel => u32::MAX,
        HelperMode::Guarded | HelperMode::ServicePorts => call.around.sysctls.helper_expect_max_per_client,
    }
}

/// What comes of an announcement that cannot be expected where it says.
const fn unfulfilled(call: &Call<'_>, why: CannotExpect) -> Unfulfilled {
    match why {
        CannotExpect::ClientFull => Unfulfilled::Refused(Refusal::Share(client_max(call))),
        CannotExpect::Clash | CannotExpect::OtherClass | CannotExpect::Full => {
            Unfulfilled::Dropped(DropReason::ExpectationRefused)
        }
    }
}

/// Lets a connection be expected at the port that was announced, or at a drawn one above it when another expectation is
/// in the way there, or the port is somebody else's already.
///
/// Linux v6.18: `net/netfilter/nf_nat_helper.c`, `nf_nat_exp_find_port()`.
fn expect_at_some_port(call: &mut Call<'_>, draft: Expectation) -> Result<(ExpectationId, u16), Unfulfilled> {
    let announced = draft.tuple.destination_port;
    let above = u32::from(u16::MAX - announced);
    let mut port = announced;
    let mut draws_left = above.min(DRAWS_MAX);
    let mut held_left = HELD_DRAWS_MAX;
    loop {
        let here = Expectation { tuple: with_port(&draft.tuple, port), ..draft.clone() };
        if is_held(call, &here) {
            if held_left == 0 || above == 0 {
                return Err(Unfulfilled::Refused(Refusal::Held(announced)));
            }
            held_left -= 1;
            call.note(|| format!("takes no port {port}, which is published or served outside"));
        } else {
            match expect(call, here) {
                Ok(id) => return Ok((id, port)),
                Err(CannotExpect::Clash) if draws_left > 0 => draws_left -= 1,
                Err(CannotExpect::Clash | CannotExpect::OtherClass) => {
                    return Err(Unfulfilled::Dropped(DropReason::NatExhausted));
                }
                Err(why @ (CannotExpect::Full | CannotExpect::ClientFull)) => return Err(unfulfilled(call, why)),
            }
        }
        let expectations = call.conntrack.expectations();
        let free = |port: u32| !expectations.is_in_the_way(&draft, &with_port(&draft.tuple, port as u16));
        port = call.around.random.draw(Draw::Port, u32::from(announced), above, free) as u16;
    }
}

/// Whether calls to where an expectation leads from are somebody else's already. Linux does not ask: it lets the expectation take them.
///
/// Who names no endpoint of its own is asked nothing: it has its master's port, which nobody else has, and its peer alone may call.
fn is_held(call: &mut Call<'_>, expectation: &Expectation) -> bool {
    let (Some(nat), false) = (expectation.nat, call.mode == HelperMode::Kernel) else { return false };
    let Some(connection) = call.conntrack.connection(call.id) else { return false };
    let inside = connection.tuple(nat.direction.opposite()).source_ip();
    if inside == expectation.tuple.destination_ip() {
        return false;
    }
    let way = call.outside.way;
    let input = if nat.direction == call.direction { way.input } else { way.output() };
    call.outside.holds(call.now, &expectation.tuple, inside, input)
}

/// What is to stand in a payload, and in place of what.
#[derive(Debug)]
pub(super) struct Text {
    range: Range<usize>,
    bytes: Vec<u8>,
}

/// Writes what was granted, which is in payload order, and books by how many bytes the payload has grown; whether there was
/// anything to write.
///
/// Linux v6.18: `net/netfilter/nf_nat_helper.c`, `__nf_nat_mangle_tcp_packet()`, `nf_nat_mangle_udp_packet()`.
pub(super) fn write(call: &mut Call<'_>, packet: &mut Packet) -> Result<bool, DropReason> {
    let texts = core::mem::take(&mut call.granted.texts);
    let mut grown = 0_i32;
    for Text { range, bytes } in &texts {
        // Texts before this one have moved it.
        let start = (range.start as i64 + i64::from(grown)) as usize;
        packet.splice_payload(start..start + range.len(), bytes)?;
        grown += (bytes.len() as i64 - range.len() as i64) as i32;
    }
    let seq = packet.tcp().map(|tcp| tcp.seq());
    if let (Some(seq), Some(connection)) = (seq, call.conntrack.connection_mut(call.id)) {
        sequence::book(connection, call.direction, seq, grown);
    }
    call.keep();
    Ok(!texts.is_empty())
}

/// Remembers what was granted, which is in the stream's order, and books by how many bytes the stream has grown; `base` is the number
/// of the first byte of all that was shown.
pub(super) fn remember(call: &mut Call<'_>, base: SeqNum) {
    let texts = core::mem::take(&mut call.granted.texts);
    call.keep();
    let Some(connection) = call.conntrack.connection_mut(call.id).filter(|_| !texts.is_empty()) else { return };
    for Text { range, bytes } in texts {
        let (at, len) = (base + range.start as u32, range.len() as u32);
        let grown = (bytes.len() as i64 - i64::from(len)) as i32;
        let moved = connection.moved_mut();
        let before = moved.adjustments[call.direction.index()].after;
        moved.rewrites[call.direction.index()].push(at, len, bytes, before);
        sequence::book(connection, call.direction, at, grown);
    }
    call.weigh(Memory::Texts(call.direction));
}

/// Linux: `max_attempts` in `nf_nat_exp_find_port()`.
const DRAWS_MAX: u32 = 128;
