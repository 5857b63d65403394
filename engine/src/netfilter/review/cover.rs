//! Whether one rule asks for all that another one asks for.

use crate::netfilter::{
    header::{Header, Interface, Network, Not},
    matches::{Fold, Iprange, Match},
    rule::Rule,
};

/// Whether every packet that `later` matches is one that `earlier` has matched before, in the same walk of a table.
///
/// `packet_stays`: no rule of the table changes the packet, its marks or its state on the way.
pub(super) fn covers(earlier: &Rule, later: &Rule, packet_stays: bool) -> bool {
    header_covers(&earlier.header, later) && earlier.matches.iter().all(|asked| is_implied(asked, later, packet_stays))
}

/// Whether one of two rules matches each packet: they differ in that the one asks for what the other excludes, and in nothing else.
pub(super) fn complement(one: &Rule, other: &Rule) -> bool {
    let asks_nothing = |rule: &Rule| rule.matches.iter().all(|asked| asked.fold() == Fold::Nothing);
    let (mut a, mut b) = (one.header.clone(), other.header.clone());
    let opposite = opposite(&mut a.source, &mut b.source)
        || opposite(&mut a.destination, &mut b.destination)
        || opposite(&mut a.input, &mut b.input)
        || opposite(&mut a.output, &mut b.output)
        || opposite(&mut a.protocol, &mut b.protocol)
        || opposite(&mut a.fragment, &mut b.fragment);
    opposite && a == Header::default() && b == Header::default() && asks_nothing(one) && asks_nothing(other)
}

/// Whether two fields exclude each other and leave nothing between them; takes them out then.
fn opposite<T: PartialEq>(a: &mut Option<Not<T>>, b: &mut Option<Not<T>>) -> bool {
    let found = matches!((&*a, &*b), (Some(a), Some(b)) if a.what == b.what && a.inverted != b.inverted);
    if found {
        (*a, *b) = (None, None);
    }
    found
}

/// Whether a packet that matches `later` matches `asked` too.
fn is_implied(asked: &Match, later: &Rule, packet_stays: bool) -> bool {
    if asked.fold() == Fold::Nothing {
        return true;
    }
    if !is_lasting(asked, packet_stays) {
        return false;
    }
    asked.covers(&Match::Iprange(header_range(&later.header)))
        || later.matches.iter().any(|known| asked.covers(known) || is_narrower(known, asked))
}

/// Whether a match gives the same answer whenever it is asked about a packet in one walk.
fn is_lasting(asked: &Match, packet_stays: bool) -> bool {
    let fixed = matches!(
        asked,
        Match::Addrtype(_)
            | Match::Ah(_)
            | Match::Dccp(_)
            | Match::Esp(_)
            | Match::Icmp(_)
            | Match::Icmp6(_)
            | Match::Iprange(_)
            | Match::Mac(_)
            | Match::Multiport(_)
            | Match::Pkttype(_)
            | Match::Sctp(_)
            | Match::Tcp(_)
            | Match::Udp(_)
    );
    let changeable = matches!(
        asked,
        Match::Connmark(_)
            | Match::Conntrack(_)
            | Match::Dscp(_)
            | Match::Helper(_)
            | Match::Hl(_)
            | Match::Length(_)
            | Match::Mark(_)
            | Match::State(_)
            | Match::Tcpmss(_)
            | Match::Tos(_)
            | Match::Ttl(_)
    );
    // All others answer by chance, by count or by the clock.
    fixed || changeable && packet_stays
}

/// Whether `known` asks for a part of what `asked` asks for. Both stand in rules for the same protocol.
fn is_narrower(known: &Match, asked: &Match) -> bool {
    if let (Fold::States(known), Fold::States(asked)) = (known.fold(), asked.fold()) {
        return known.0 & !asked.0 == 0;
    }
    if let (Some(known), Some(asked)) = (known.tos_bits(), asked.tos_bits()) {
        return asked.covers(known);
    }
    let Some(known) = known.port_sets() else { return false };
    if let Match::Multiport(asked) = asked {
        return asked.takes(known.sides());
    }
    asked.port_sets().is_some_and(|asked| asked.is_all() && asked.cover(known))
}

/// The ranges of addresses that a header asks for.
fn header_range(header: &Header) -> Iprange {
    let range = |network: Option<Not<Network>>| network.filter(|network| !network.inverted)?.what.range();
    Iprange::of([header.source, header.destination].map(range))
}

/// Whether every packet that fits the header and the ranges of `later` fits `earlier`.
fn header_covers(earlier: &Header, Rule { header: later, matches, .. }: &Rule) -> bool {
    let in_range = |earlier: Option<Not<Network>>, side: usize| {
        let Some(outer) = earlier.filter(|network| !network.inverted).and_then(|network| network.what.range()) else {
            return false;
        };
        let is_within = |(first, last)| outer.0 <= first && last <= outer.1;
        matches
            .iter()
            .any(|known| matches!(known, Match::Iprange(range) if range.ranges()[side].is_some_and(is_within)))
    };
    let source = field(earlier.source.as_ref(), later.source.as_ref(), Network::covers, Network::is_disjoint);
    let destination =
        field(earlier.destination.as_ref(), later.destination.as_ref(), Network::covers, Network::is_disjoint);
    (source || in_range(earlier.source, 0))
        && (destination || in_range(earlier.destination, 1))
        && field(earlier.input.as_ref(), later.input.as_ref(), Interface::covers, Interface::is_disjoint)
        && field(earlier.output.as_ref(), later.output.as_ref(), Interface::covers, Interface::is_disjoint)
        && field(earlier.protocol.as_ref(), later.protocol.as_ref(), PartialEq::eq, PartialEq::ne)
        && field(earlier.fragment.as_ref(), later.fragment.as_ref(), PartialEq::eq, PartialEq::ne)
}

/// Whether what fits a field of the later rule fits the earlier one's.
fn field<T>(
    earlier: Option<&Not<T>>,
    later: Option<&Not<T>>,
    covers: impl Fn(&T, &T) -> bool,
    is_disjoint: impl Fn(&T, &T) -> bool,
) -> bool {
    let Some(earlier) = earlier else { return true };
    let Some(later) = later else { return false };
    match (earlier.inverted, later.inverted) {
        (false, false) => covers(&earlier.what, &later.what),
        (false, true) => false,
        (true, false) => is_disjoint(&earlier.what, &later.what),
        (true, true) => covers(&later.what, &earlier.what),
    }
}

/// Whether no packet fits both headers.
pub(super) fn are_disjoint(a: &Header, b: &Header) -> bool {
    apart(a.source.as_ref(), b.source.as_ref(), Network::covers, Network::is_disjoint)
        || apart(a.destination.as_ref(), b.destination.as_ref(), Network::covers, Network::is_disjoint)
        || apart(a.input.as_ref(), b.input.as_ref(), Interface::covers, Interface::is_disjoint)
        || apart(a.output.as_ref(), b.output.as_ref(), Interface::covers, Interface::is_disjoint)
        || apart(a.protocol.as_ref(), b.protocol.as_ref(), PartialEq::eq, PartialEq::ne)
}

fn apart<T>(
    a: Option<&Not<T>>,
    b: Option<&Not<T>>,
    covers: impl Fn(&T, &T) -> bool,
    is_disjoint: impl Fn(&T, &T) -> bool,
) -> bool {
    let (Some(a), Some(b)) = (a, b) else { return false };
    match (a.inverted, b.inverted) {
        (false, false) => is_disjoint(&a.what, &b.what),
        (true, false) => covers(&a.what, &b.what),
        (false, true) => covers(&b.what, &a.what),
        (true, true) => false,
    }
}
