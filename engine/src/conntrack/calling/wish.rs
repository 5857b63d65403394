//! What a helper wishes for: whether its manifest allows it, and what it means in the eyes of whoever opens the
//! connection.

use core::net::IpAddr;

use super::{
    Refusal,
    consult::Unfulfilled,
    registry::{Loaded, is_transport},
};
use crate::{
    conntrack::{
        Address, Connection, Family, Status, Tuple,
        expect::{ExpectedNat, SourceMask},
        helper::{Framing, HelperContext, HelperEndpoint, HelperFailure, HelperMode, Manifest, Opener, Pattern, Wish},
    },
    limits::HELPER_SITE_BYTES_MAX,
};

/// Checks that all sites lie within the payload, in its order, and apart; behind the trigger for which the payload is shown, so that
/// no helper can make another command of it; and within a line.
pub(super) fn check_sites(wishes: &[Wish], payload: &[u8], loaded: &Loaded) -> Result<(), Unfulfilled> {
    let mut free_from = loaded.triggers.hit_end(payload);
    for site in wishes.iter().filter_map(|wish| wish.site) {
        let range = site.offset as usize..(site.offset as usize).saturating_add(site.length as usize);
        let named = payload.get(range.clone()).filter(|_| range.start >= free_from);
        if named.is_none_or(|named| has_line_end(named, loaded.manifest.framing)) {
            return Err(Unfulfilled::Failed(HelperFailure::Contract));
        }
        free_from = range.end;
    }
    Ok(())
}

/// Whether bytes hold what ends a line; where payloads are no lines, nothing does.
fn has_line_end(bytes: &[u8], framing: Framing) -> bool {
    framing != Framing::Packet && bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n'))
}

/// Whether a helper may put these bytes at a site: within a line, they end neither it nor a text.
pub(super) fn may_be_written(bytes: &[u8], framing: Framing) -> bool {
    let ends_text = framing != Framing::Packet && bytes.contains(&0);
    (1..=HELPER_SITE_BYTES_MAX).contains(&bytes.len()) && !has_line_end(bytes, framing) && !ends_text
}

/// Holds a wish against the contract, which every helper can keep, and against its class.
pub(super) fn check(
    wish: &Wish,
    told: &HelperContext,
    connection: &Connection,
    manifest: &Manifest,
    mode: HelperMode,
) -> Result<(), Unfulfilled> {
    let contract = Err(Unfulfilled::Failed(HelperFailure::Contract));
    let Pattern { address: Some(address), prefix: None, port: Some(port) } = wish.destination else { return contract };
    let family = |address: IpAddr| address.is_ipv4() == told.source.address.is_ipv4();
    let families_match = family(address) && wish.source.address.is_none_or(family);
    let Some(class) = manifest.classes.get(usize::from(wish.class)) else { return contract };
    if !is_transport(wish.protocol) || !families_match {
        return contract;
    }
    let seen = connection.tuple(told.direction.opposite());
    // Who is called stands where the first packet goes: whoever comes from the other side calls the sender, by what it calls itself
    // or by what the other side calls it. A sender that names its peer would open that one's ports to others.
    let called = match wish.direction == told.direction {
        false => [told.source.address, seen.destination_ip()],
        true => [told.destination.address, seen.source_ip()],
    };
    // Linux's helper for FTP, which alone reads line by line, takes the first only (v6.18: `net/netfilter/nf_conntrack_ftp.c`, `help()`),
    // the one for IRC both (`nf_conntrack_irc.c`, `help()`).
    let named_outside = mode != HelperMode::Kernel || manifest.framing != Framing::Lines;
    let is_called = address == called[0] || (named_outside && address == called[1]);
    let is_own_port = wish.site.is_none() && port == told.source.port;
    let is_service = port < SERVICE_PORTS_END && !is_own_port && mode == HelperMode::Guarded;
    let checks = [
        (wish.protocol == class.protocol, Refusal::Protocol),
        (class.direction.is_none_or(|direction| direction == wish.direction), Refusal::Direction),
        (may_open(class.opener, &wish.source, told), Refusal::Opener),
        (class.permanent || !wish.permanent, Refusal::Permanent),
        (class.loose || is_called, Refusal::ThirdParty(address.into())),
        (class.ports.contains(&port), Refusal::Port(port)),
        (!is_service, Refusal::ServicePort(port)),
    ];
    let refused = checks.into_iter().find(|(holds, _)| !holds);
    refused.map_or(Ok(()), |(_, refusal)| Err(Unfulfilled::Refused(refusal)))
}

/// Whether a class admits those who could open the connection.
fn may_open(opener: Opener, source: &Pattern, told: &HelperContext) -> bool {
    let names_peer = source.address == Some(told.destination.address);
    let is_peer = names_peer && source.prefix.is_none();
    let is_network = names_peer && source.prefix.is_some() && source.prefix == told.broadcast_prefix;
    match opener {
        Opener::Peer => is_peer,
        Opener::Network => is_peer || is_network,
        Opener::Anyone => true,
    }
}

/// Ports below this one are those of services (RFC 6335, section 6: system ports).
const SERVICE_PORTS_END: u16 = 1024;

/// A wish in the eyes of the opener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opened {
    /// The first packet as its opener sends it.
    pub(super) tuple: Tuple,
    /// Which part of its source counts.
    pub(super) mask: SourceMask,
    /// How it follows its master, when that is translated.
    pub(super) nat: Option<ExpectedNat>,
}

/// What a wish, which speaks as the sender of the payload sees the world, means in the eyes of the opener: a connection
/// that comes from the other side names the master's endpoints as that side knows them. An endpoint that a site names
/// stands for an address and keeps its own port; one that nothing names is the master's with its port.
///
/// Linux v6.18: `net/netfilter/nf_conntrack_ftp.c`, `help()`; `nf_conntrack_tftp.c`, `tftp_help()`.
pub(super) fn opened(wish: &Wish, told: &HelperContext, connection: &Connection) -> Opened {
    let family = connection.original.family;
    let from_other_side = wish.direction == told.direction.opposite();
    let seen = connection.tuple(told.direction.opposite());
    // What the sender calls itself and its peer, and what the other side calls them.
    let own = (told.source, HelperEndpoint { address: seen.destination_ip(), port: seen.destination_port });
    let peer = (told.destination, HelperEndpoint { address: seen.source_ip(), port: seen.source_port });
    let known = |end: Named, names| if from_other_side { end.renamed(names) } else { end };
    let source = known(Named::of(&wish.source, false), [peer, own]);
    let destination = known(Named::of(&wish.destination, wish.site.is_some()), [own, peer]);
    let prefix = match (wish.source.address, wish.source.prefix) {
        (None, _) => 0,
        (Some(_), None) => 128,
        (Some(_), Some(prefix)) => prefix,
    };
    let mask = SourceMask::new(family, prefix, wish.source.port.is_some());
    let tuple = Tuple {
        source: Address::from(source.address.unwrap_or_else(|| nobody(family))),
        destination: Address::from(destination.address.unwrap_or_else(|| nobody(family))),
        source_port: source.port.unwrap_or_default(),
        destination_port: destination.port.unwrap_or_default(),
        protocol: wish.protocol.0,
        family,
    };
    let is_translated = connection.status.intersects(Status::NAT);
    let nat = is_translated
        .then_some(ExpectedNat { direction: wish.direction, port: wish.destination.port.unwrap_or_default() });
    Opened { tuple, mask, nat }
}

/// One end of a wish.
#[derive(Clone, Copy)]
struct Named {
    address: Option<IpAddr>,
    port: Option<u16>,
    /// The port stands in the payload and is none of the master's, even where the numbers are equal.
    has_own_port: bool,
}

impl Named {
    const fn of(pattern: &Pattern, has_own_port: bool) -> Self {
        Self { address: pattern.address, port: pattern.port, has_own_port }
    }

    /// The same end under another name, if it is one of those that have one.
    fn renamed(self, names: [(HelperEndpoint, HelperEndpoint); 2]) -> Self {
        let Some((before, after)) = names.into_iter().find(|(before, _)| self.address == Some(before.address)) else {
            return self;
        };
        let port = match self.port {
            Some(port) if port == before.port && !self.has_own_port => Some(after.port),
            port => port,
        };
        Self { address: Some(after.address), port, ..self }
    }
}

const fn nobody(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED),
        Family::Ipv6 => IpAddr::V6(core::net::Ipv6Addr::UNSPECIFIED),
    }
}
