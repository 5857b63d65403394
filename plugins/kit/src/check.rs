//! Whether a plugin keeps to the contract, whatever it is shown: for tests and for fuzzers.

use alloc::vec::Vec;
use core::net::IpAddr;

use crate::{
    Anchor, Context, Direction, Endpoint, Framing, Inspection, Manifest, Opener, Plugin, Site, Trigger, Verdict, Wish,
};

/// Shows a plugin any bytes, and holds what it answers against `wit/helper.wit` and its own manifest; what it names is
/// rendered, and read again.
///
/// The first byte says who sends and over which family, the second how many bytes of state come before the payload.
///
/// # Panics
/// When an answer breaks the contract, or differs when the same is asked again.
pub fn any_bytes<P: Plugin>(data: &[u8]) {
    let [how, state_len, rest @ ..] = data else { return };
    let manifest = P::manifest();
    let context = context(&manifest, *how);
    let state_len = usize::from(*state_len).min(manifest.state_bytes_max.into()).min(rest.len());
    let (state, payload) = rest.split_at(state_len);
    let found = P::inspect(&context, state, payload);
    assert!(
        found.is_none() || P::concerns(&context, state, payload),
        "it finds what is of no concern to it: {found:?}"
    );
    let Some(found) = found else { return };
    assert_eq!(P::inspect(&context, state, payload).as_ref(), Some(&found), "the same question has another answer");
    keeps_to_contract(&manifest, &context, payload, &found);
    let next = found.state.as_deref().unwrap_or(state);
    if found.verdict == Verdict::Accept {
        let ports = [1, 61_000, u16::MAX];
        ports.into_iter().for_each(|port| renders::<P>(&manifest, &context, (state, next), payload, &found, port));
    }
}

/// Shows a plugin what the files of its corpus hold, and much that is nearly the same: cut, doubled, with one byte changed.
///
/// # Panics
/// As [`any_bytes`].
pub fn near<P: Plugin>(input: &[u8]) {
    any_bytes::<P>(input);
    for at in 0..input.len() {
        any_bytes::<P>(&input[..at]);
        any_bytes::<P>(&[&input[..at], input].concat());
        for byte in [0, b'\n', b'0', b'9', b' ', b'"', 0xff, input[at] ^ 0x20] {
            let mut changed = Vec::from(input);
            changed[at] = byte;
            any_bytes::<P>(&changed);
        }
    }
}

/// Who sends, from one byte: bit 0 the side, bit 1 the family, bits 2 and up where it is attached; the highest bit says
/// whether this host asks everybody on its link.
fn context(manifest: &Manifest, how: u8) -> Context {
    let point = &manifest.attach[usize::from(how >> 2 & 0x1f) % manifest.attach.len()];
    let (client, server): (IpAddr, IpAddr) = match how & 2 {
        0 => ([10, 0, 0, 5].into(), [198, 51, 100, 7].into()),
        _ => ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 5].into(), [0x2001, 0xdb8, 1, 0, 0, 0, 0, 7].into()),
    };
    let client = Endpoint { address: client, port: 40_000 };
    let server = Endpoint { address: server, port: *point.ports.start() };
    let (direction, source, destination) = match how & 1 {
        0 => (Direction::Original, client, server),
        _ => (Direction::Reply, server, client),
    };
    let asks_all = how & 0x80 != 0 && how & 3 == 0;
    Context { protocol: point.protocol, direction, source, destination, broadcast_prefix: asks_all.then_some(24) }
}

fn keeps_to_contract(manifest: &Manifest, context: &Context, payload: &[u8], found: &Inspection) {
    let state_len = found.state.as_ref().map_or(0, Vec::len);
    assert!(state_len <= manifest.state_bytes_max.into(), "{state_len} bytes of state");
    assert!(found.wishes.len() <= WISHES_MAX, "{} wishes", found.wishes.len());
    let mut free_from = trigger_end(manifest, payload);
    for wish in &found.wishes {
        keeps_to_class(manifest, context, wish);
        if let Some(Site { offset, length, .. }) = wish.site {
            let (start, length) = (offset as usize, length as usize);
            assert!(start >= free_from && start + length <= payload.len(), "{wish:?} in {} bytes", payload.len());
            assert!(!has_line_end(manifest, &payload[start..start + length]), "{wish:?}");
            free_from = start + length;
        }
    }
}

/// Where the first trigger in a payload ends; 0 when none stands there, or there is none.
fn trigger_end(manifest: &Manifest, payload: &[u8]) -> usize {
    let ends = manifest.triggers.iter().filter_map(|Trigger { bytes, anchor }| {
        let stands = |at: &usize| {
            let may = *anchor == Anchor::Anywhere || *at == 0 || payload[*at - 1] == b'\n';
            may && payload[*at..].get(..bytes.len()).is_some_and(|here| here.eq_ignore_ascii_case(bytes))
        };
        Some((0..payload.len()).find(stands)? + bytes.len())
    });
    ends.min().unwrap_or_default()
}

/// Whether bytes of a line hold what ends one.
fn has_line_end(manifest: &Manifest, bytes: &[u8]) -> bool {
    manifest.framing != Framing::Packet && bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n'))
}

/// What a payload itself may ask for beyond its class, a third party or a port, is the engine's to refuse.
fn keeps_to_class(manifest: &Manifest, context: &Context, wish: &Wish) {
    let class = manifest.classes.get(usize::from(wish.class)).expect("a class of the manifest");
    assert_eq!(wish.protocol, class.protocol, "{wish:?}");
    assert!(class.direction.is_none_or(|direction| direction == wish.direction), "{wish:?}");
    assert!(class.permanent || !wish.permanent, "{wish:?}");
    let crate::Pattern { address: Some(address), prefix: None, port: Some(_) } = wish.destination else {
        panic!("{wish:?}: its destination is an address and a port")
    };
    let is_of_family = |address: IpAddr| address.is_ipv4() == context.source.address.is_ipv4();
    assert!(is_of_family(address) && wish.source.address.is_none_or(is_of_family), "{wish:?}");
    let names_peer = wish.source.address == Some(context.destination.address);
    let may_open = match class.opener {
        Opener::Peer => names_peer && wish.source.prefix.is_none(),
        Opener::Network => {
            names_peer && (wish.source.prefix.is_none() || wish.source.prefix == context.broadcast_prefix)
        }
        Opener::Anyone => true,
    };
    assert!(may_open, "{wish:?}");
}

/// Renders all that is named, puts it there, and reads it again: the same is announced then, at the port that was given; or
/// nothing, of a payload that has become shorter.
fn renders<P: Plugin>(
    manifest: &Manifest,
    context: &Context,
    (state, next): (&[u8], &[u8]),
    payload: &[u8],
    found: &Inspection,
    port: u16,
) {
    let mut written = Vec::from(payload);
    // An address as long as any, and one as short as any.
    let address = match (context.source.address.is_ipv4(), port) {
        (true, 1) => IpAddr::from([1, 1, 1, 1]),
        (true, _) => IpAddr::from([203, 0, 113, 254]),
        (false, 1) => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
        (false, _) => IpAddr::from([0x2001, 0xdb8, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff]),
    };
    let sites: Vec<Site> = found.wishes.iter().filter_map(|wish| wish.site).collect();
    for site in sites.iter().rev() {
        let bytes = P::render(context, next, *site, Endpoint { address, port });
        let ends_text = manifest.framing != Framing::Packet && bytes.contains(&0);
        let may_stand = (1..=SITE_BYTES_MAX).contains(&bytes.len()) && !has_line_end(manifest, &bytes) && !ends_text;
        assert!(may_stand, "{site:?} becomes \"{}\"", bytes.escape_ascii());
        let start = site.offset as usize;
        let end = start + site.length as usize;
        let grown = bytes.len().saturating_sub(site.length as usize);
        assert!(grown <= manifest.rewrite_bytes_max.into(), "{site:?} grows by {grown} bytes");
        written.splice(start..end, bytes);
    }
    if sites.is_empty() {
        return;
    }
    let again = P::inspect(context, state, &written);
    // A message may have become too short to be one.
    if again.is_none() && written.len() < payload.len() {
        return;
    }
    let again = again.unwrap_or_else(|| panic!("nothing is found any more: \"{}\"", written.escape_ascii()));
    assert_eq!(again.wishes.len(), found.wishes.len(), "\"{}\"", written.escape_ascii());
    for (wish, before) in again.wishes.iter().zip(&found.wishes) {
        let expected = if before.site.is_some() { Some(port) } else { before.destination.port };
        assert_eq!(wish.destination.port, expected, "\"{}\"", written.escape_ascii());
    }
}

/// Connections that may be announced for one payload.
pub const WISHES_MAX: usize = 16;

/// Bytes that may be put at a site.
pub const SITE_BYTES_MAX: usize = 128;
