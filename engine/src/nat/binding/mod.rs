//! What a new connection is translated to (Linux v6.18: `net/netfilter/nf_nat_core.c`, `nf_nat_setup_info()`).
//!
//! ```text
//!  source:  keep, when allowed and free ─► the mapping its source already has ─┐
//!  destination: ──────────────────────────────────────────────────────────────┴► an address of the range,
//!           its port if allowed and free, else one that is searched
//! ```
//!
//! A flow's two halves can be taken for two connections: in Linux by two CPUs, and here and there where a zone is one of one
//! direction. The second one is not moved to another port, and fails when it is confirmed.

mod place;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use place::Place;

use super::{Manip, NatRange, ports::Occupancy};
use crate::{
    conntrack::{Address, ConnId, Connection, Conntrack, Direction, Expectation, Family, State, Status, Tuple},
    device::{Device, Devices},
    ending::DropReason,
    frame::DeviceId,
    surroundings::Surroundings,
    time::Instant,
    trace::Step,
};

/// Whether the nat table is to be asked what becomes of this end of the packet's connection: only as long as no answer
/// was seen, and nothing is settled.
///
/// Linux v6.18: `net/netfilter/nf_nat_core.c`, `nf_nat_inet_fn()`.
#[must_use]
pub fn needs_binding(connection: &Connection, state: State, manip: Manip) -> bool {
    match state {
        State::New | State::Related => !connection.status.contains(done_bit(manip)),
        State::Established => false,
    }
}

/// Settles what one end of an unconfirmed connection is translated to; a confirmed one stays as it is.
///
/// When nothing in the range is free, the connection gets a tuple that is taken, and fails when it is confirmed.
pub fn bind(
    now: Instant,
    conntrack: &mut Conntrack,
    id: ConnId,
    manip: Manip,
    range: &NatRange,
    around: &mut Surroundings,
) {
    settle(now, conntrack, id, manip, range, true, around);
}

/// Settles that one end of a connection keeps its address, and its port where that is free (Linux: a null binding).
pub fn keep(now: Instant, conntrack: &mut Conntrack, id: ConnId, manip: Manip, around: &mut Surroundings) {
    let Some(connection) = conntrack.connection(id) else { return };
    // As translated so far: an earlier hook may have moved it.
    let address = match manip {
        Manip::Source => connection.reply.destination,
        Manip::Destination => connection.reply.source,
    };
    bind(now, conntrack, id, manip, &only(address), around);
}

/// Settles that a connection's source becomes the address of the device its packets leave by, towards `next_hop`.
///
/// # Errors
/// [`DropReason::NatNoAddress`] when no device has an address.
///
/// Linux v6.18: `net/netfilter/nf_nat_masquerade.c`, `nf_nat_masquerade_ipv4()`, `nf_nat_masquerade_ipv6()`.
pub fn masquerade(
    now: Instant,
    conntrack: &mut Conntrack,
    id: ConnId,
    range: &NatRange,
    way: Way<'_>,
    around: &mut Surroundings,
) -> Result<(), DropReason> {
    let Some(connection) = conntrack.connection(id) else { return Ok(()) };
    if connection.original.source == Address::default() && connection.original.family == Family::Ipv4 {
        // A packet without a source address looks for one (DHCP) and is not to be given another's.
        keep(now, conntrack, id, Manip::Source, around);
        return Ok(());
    }
    // Over IPv6 the address is chosen for the destination, over IPv4 for the next hop.
    let peer = match connection.reply.source_ip() {
        IpAddr::V4(_) => way.next_hop,
        destination @ IpAddr::V6(_) => destination,
    };
    let source = way.devices.source_address(way.output, peer).ok_or(DropReason::NatNoAddress)?;
    bind(now, conntrack, id, Manip::Source, &onto(range, source), around);
    if let Some(connection) = conntrack.connection_mut(id) {
        connection.status.insert(Status::MASQUERADED);
    }
    Ok(())
}

/// Whether a masqueraded connection's packets leave by a device now whose address is not the one it was given: its peer
/// would not know it, and Linux forgets it.
///
/// Linux v6.18: `include/net/netfilter/nf_nat.h`, `nf_nat_oif_changed()`, which compares devices, not addresses.
#[must_use]
pub fn has_lost_its_device(connection: &Connection, direction: Direction, output: Option<&Device>) -> bool {
    let is_at_home = |device: &Device| {
        let given = connection.reply.destination_ip();
        let mut own = device.addresses_of(connection.reply.family).map(|own| own.address);
        // Over IPv6 a device without an address that is valid beyond its link has borrowed one.
        let borrows = given.is_ipv6() && own.clone().all(is_of_link);
        borrows || own.any(|own| own == given)
    };
    direction == Direction::Original
        && connection.status.contains(Status::MASQUERADED)
        && !output.is_some_and(is_at_home)
}

/// The way a packet leaves.
#[derive(Clone, Copy, Debug)]
pub struct Way<'a> {
    /// All devices.
    pub devices: &'a Devices,
    /// The one it leaves by.
    pub output: DeviceId,
    /// The gateway, or its destination when that is on the link.
    pub next_hop: IpAddr,
}

/// Settles that a connection's destination becomes this host: the first address of the device the packet came in by (of
/// IPv6 the newest one of the widest scope), or the loopback address for a packet made here (`input` is `None`).
///
/// # Errors
/// [`DropReason::NatNoAddress`] when the device has no address.
///
/// Linux v6.18: `net/netfilter/nf_nat_redirect.c`, `nf_nat_redirect_ipv4()`, `nf_nat_redirect_ipv6()`.
pub fn redirect(
    now: Instant,
    conntrack: &mut Conntrack,
    id: ConnId,
    range: &NatRange,
    devices: &Devices,
    input: Option<DeviceId>,
    around: &mut Surroundings,
) -> Result<(), DropReason> {
    let Some(asked) = conntrack.connection(id).map(|connection| connection.original.destination_ip()) else {
        return Ok(());
    };
    let destination = match (input, asked) {
        (Some(input), _) => {
            let device = devices.find(input).ok_or(DropReason::NatNoAddress)?;
            own_address(device, asked).ok_or(DropReason::NatNoAddress)?
        }
        (None, IpAddr::V4(_)) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        (None, IpAddr::V6(_)) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    bind(now, conntrack, id, Manip::Destination, &onto(range, destination), around);
    Ok(())
}

/// Settles both ends of a connection that its translated master has announced: it comes from where the master goes to,
/// and goes to where the announcement meant.
///
/// Linux v6.18: `net/netfilter/nf_nat_helper.c`, `nf_nat_follow_master()`.
pub fn follow_master(
    now: Instant,
    conntrack: &mut Conntrack,
    id: ConnId,
    expectation: &Expectation,
    around: &mut Surroundings,
) {
    let Some(nat) = expectation.nat else { return };
    let Some(master) = conntrack.connection(expectation.master) else { return };
    let seen = *master.tuple(nat.direction.opposite());
    settle(now, conntrack, id, Manip::Source, &only(seen.destination), false, around);
    let range = NatRange { ports: Some((nat.port, nat.port)), ..only(seen.source) };
    settle(now, conntrack, id, Manip::Destination, &range, false, around);
}

/// Lets a new connection in that goes to an endpoint which stands for a host inside, when tunables say so: it goes to that
/// host, and is RELATED to what the host has begun. One that comes from inside itself comes from its own endpoint outside
/// then (RFC 4787, section 6: "External source IP address and port"). Says whether it was let in.
pub fn admit(now: Instant, conntrack: &mut Conntrack, id: ConnId, around: &mut Surroundings) -> bool {
    let Some(connection) = conntrack.connection(id).filter(|connection| !connection.is_confirmed()) else {
        return false;
    };
    let (zone, original) = (connection.zone(), connection.original);
    let is_settled = connection.status.intersects(Status(Status::EXPECTED.0 | done_bit(Manip::Destination).0));
    let Some((address, port)) = conntrack.inside_of_destination(zone.id, &original).filter(|_| !is_settled) else {
        return false;
    };
    let host = Tuple { source: address, source_port: port, ..original };
    let may_enter = match around.sysctls.nat_filtering {
        0 => false,
        1 => conntrack.coming_from(zone, &host).any(|known| known.original.destination == original.source),
        _ => true,
    };
    around.trace.push(|| Step::Admission(SocketAddr::new(host.source_ip(), port), may_enter));
    if !may_enter {
        return false;
    }
    if let Some(connection) = conntrack.connection_mut(id) {
        connection.status.insert(Status::EXPECTED);
    }
    let range = NatRange { ports: Some((port, port)), ..only(address) };
    settle(now, conntrack, id, Manip::Destination, &range, false, around);
    let own = conntrack.coming_from(zone, &original).find(|known| known.status.contains(Status::SRC_NAT));
    if let Some((outside, port)) = own.map(|known| (known.reply.destination, known.reply.destination_port)) {
        let range = NatRange { ports: Some((port, port)), ..only(outside) };
        settle(now, conntrack, id, Manip::Source, &range, false, around);
    }
    true
}

/// The address of a device that stands for it towards those who asked for `asked`. Linux keeps a device's IPv6 addresses
/// with the newest first among those of one scope, and gives an address of the link only to those who asked for one.
fn own_address(device: &Device, asked: IpAddr) -> Option<IpAddr> {
    let mut own = device.addresses_of(Family::of(asked)).map(|own| own.address);
    match asked {
        IpAddr::V4(_) => own.next(),
        IpAddr::V6(_) if is_of_link(asked) => own.filter(|&own| is_of_link(own)).last(),
        IpAddr::V6(_) => own.max_by_key(|&own| !is_of_link(own)),
    }
}

const fn is_of_link(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

/// A range of one address.
fn only(address: Address) -> NatRange {
    NatRange { addresses: Some((address, address)), ..NatRange::default() }
}

/// A rule's range, on one address of this host.
fn onto(range: &NatRange, address: IpAddr) -> NatRange {
    let address = Address::from(address);
    NatRange { addresses: Some((address, address)), ..*range }
}

/// Does what [`bind`] says; `evicting` allows to throw out a closed connection.
fn settle(
    now: Instant,
    conntrack: &mut Conntrack,
    id: ConnId,
    manip: Manip,
    range: &NatRange,
    evicting: bool,
    around: &mut Surroundings,
) {
    let Some(connection) = conntrack.connection(id) else { return };
    if connection.is_confirmed() || connection.status.contains(done_bit(manip)) {
        return;
    }
    let Some(current) = connection.reply.inverted() else { return };
    let apart = manip == Manip::Source && around.sysctls.nat_mapping != 0;
    let place = Place { now, conntrack, id, zone: connection.zone(), evicting, apart };
    let (chosen, occupancy) = place.unique(&current, manip, range, around);
    if let Occupancy::Evictable(old) = occupancy {
        conntrack.kill(now, old, around);
    }
    if let (true, Some(reply), Some(connection)) = (chosen != current, chosen.inverted(), conntrack.connection_mut(id))
    {
        connection.reply = reply;
        connection.status.insert(nat_bit(manip));
    }
    if manip == Manip::Source {
        conntrack.source_settled(id);
    }
    if let Some(connection) = conntrack.connection_mut(id) {
        connection.status.insert(done_bit(manip));
    }
}

const fn done_bit(manip: Manip) -> Status {
    match manip {
        Manip::Source => Status::SRC_NAT_DONE,
        Manip::Destination => Status::DST_NAT_DONE,
    }
}

const fn nat_bit(manip: Manip) -> Status {
    match manip {
        Manip::Source => Status::SRC_NAT,
        Manip::Destination => Status::DST_NAT,
    }
}

#[cfg(test)]
mod tests;
