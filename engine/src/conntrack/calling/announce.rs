//! Wishes come true: expectations wait, and payloads name the endpoints that they wait for.

use alloc::{format, vec::Vec};

use super::{
    Refusal,
    consult::{Call, Unfulfilled},
    wish::{self, Opened},
};
use crate::{
    conntrack::{
        ExpectationId, Tuple,
        expect::{CannotExpect, Expectation, Room, Told},
        helper::{HelperContext, HelperEndpoint, Site, Wish},
    },
    ending::DropReason,
    limits::EXPECTATIONS_BOUND,
    nat::sequence,
    packet::Packet,
    random::Draw,
    time::Instant,
};

/// Lets what the wishes announce be expected, and under NAT writes into the payload what the opener is to see. Either all
/// wishes come true, or none waits and the payload is as it was.
pub(super) fn announce(
    call: &mut Call<'_>,
    told: &HelperContext,
    wishes: &[Wish],
    packet: &mut Packet,
) -> Result<(), Unfulfilled> {
    let mut waiting = Vec::new();
    let mut texts = Vec::new();
    let mut result = Ok(());
    for wish in wishes {
        result = fulfil(call, told, wish, &mut waiting).map(|text| texts.extend(text));
        if result.is_err() {
            break;
        }
    }
    let written = result.and_then(|()| write(packet, &texts));
    match written {
        Ok(grown) => {
            call.has_written |= !texts.is_empty();
            let seq = packet.tcp().map(|tcp| tcp.seq());
            if let (Some(seq), Some(connection)) = (seq, call.conntrack.connection_mut(call.id)) {
                sequence::book(connection, told.direction, seq, grown);
            }
            Ok(())
        }
        Err(unfulfilled) => {
            let now = call.now;
            for id in waiting {
                call.conntrack.expectations_mut().remove(now, id, &mut call.around.events);
            }
            Err(unfulfilled)
        }
    }
}

/// Lets one connection be expected; gives what is to be written at its site.
fn fulfil(
    call: &mut Call<'_>,
    told: &HelperContext,
    wish: &Wish,
    waiting: &mut Vec<ExpectationId>,
) -> Result<Option<Text>, Unfulfilled> {
    let Some(connection) = call.conntrack.connection(call.id) else { return Ok(None) };
    let Opened { tuple, mask, nat } = wish::opened(wish, told, connection);
    let draft = Expectation {
        id: ExpectationId::default(),
        master: call.id,
        master_tuple: connection.original,
        zone: connection.zone,
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
        waiting.push(expect(call, draft).map_err(|_| Unfulfilled::Dropped(DropReason::ExpectationRefused))?);
        return Ok(None);
    };
    if call.loaded.manifest.rewrite_bytes_max == 0 {
        return Err(Unfulfilled::Refused(Refusal::Rewriting));
    }
    let (id, port) = expect_at_some_port(call, draft)?;
    // Linux takes port 0 for "none is free", but by then it is expected.
    if port == 0 {
        return Err(Unfulfilled::Dropped(DropReason::NatExhausted));
    }
    waiting.push(id);
    let endpoint = HelperEndpoint { address: tuple.destination_ip(), port };
    call.note(|| format!("expects {}, and names it {}:{port}", with_port(&tuple, port), endpoint.address));
    let bytes = call.render(told, site, endpoint)?;
    let difference = (bytes.len() as i64 - i64::from(site.length)).unsigned_abs();
    if difference > u64::from(call.loaded.manifest.rewrite_bytes_max) {
        let bytes = u32::try_from(difference).unwrap_or(u32::MAX);
        return Err(Unfulfilled::Refused(Refusal::RewriteSize(bytes)));
    }
    Ok(Some(Text { site, bytes }))
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
        timeout: class.timeout,
    };
    call.conntrack.expectations_mut().insert(call.now, draft, room, &mut call.around.events)
}

/// Lets a connection be expected at the port that was announced, or at a drawn one above it when another expectation is
/// in the way there.
///
/// Linux v6.18: `net/netfilter/nf_nat_helper.c`, `nf_nat_exp_find_port()`.
fn expect_at_some_port(call: &mut Call<'_>, draft: Expectation) -> Result<(ExpectationId, u16), Unfulfilled> {
    let announced = draft.tuple.destination_port;
    let above = u32::from(u16::MAX - announced);
    let mut port = announced;
    let mut draws_left = above.min(DRAWS_MAX);
    loop {
        let here = Expectation { tuple: with_port(&draft.tuple, port), ..draft.clone() };
        match expect(call, here) {
            Ok(id) => return Ok((id, port)),
            Err(CannotExpect::Clash) if draws_left > 0 => draws_left -= 1,
            Err(CannotExpect::Clash | CannotExpect::OtherClass | CannotExpect::Full) => {
                return Err(Unfulfilled::Dropped(DropReason::NatExhausted));
            }
        }
        let expectations = call.conntrack.expectations();
        let free = |port: u32| !expectations.is_in_the_way(&draft, &with_port(&draft.tuple, port as u16));
        port = call.around.random.draw(Draw::Port, u32::from(announced), above, free) as u16;
    }
}

/// What is to stand at a site.
struct Text {
    site: Site,
    bytes: Vec<u8>,
}

/// Writes texts, which are in payload order, and gives by how many bytes the payload has grown.
///
/// Linux v6.18: `net/netfilter/nf_nat_helper.c`, `__nf_nat_mangle_tcp_packet()`, `nf_nat_mangle_udp_packet()`.
fn write(packet: &mut Packet, texts: &[Text]) -> Result<i32, Unfulfilled> {
    let mut grown = 0;
    for Text { site, bytes } in texts {
        // Texts before this one have moved it.
        let start = (i64::from(site.offset) + i64::from(grown)) as usize;
        let range = start..start + site.length as usize;
        packet.splice_payload(range, bytes).map_err(Unfulfilled::Dropped)?;
        grown += (bytes.len() as i64 - i64::from(site.length)) as i32;
    }
    Ok(grown)
}

/// Linux: `max_attempts` in `nf_nat_exp_find_port()`.
const DRAWS_MAX: u32 = 128;
