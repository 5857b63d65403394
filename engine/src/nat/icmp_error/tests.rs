use proptest::prelude::*;

use super::*;
use crate::{
    conntrack::Address,
    nat::fixture,
    offload::checksum::is_right,
    packet::{Packet, Pool},
};

/// The client's connection behind 203.0.113.1, its port kept.
fn masqueraded(protocol: Protocol) -> Connection {
    let mut connection = fixture::settled(fixture::connection(fixture::tuple(protocol)));
    connection.reply.destination = Address::v4(GATEWAY);
    connection.reply.destination_port = 19_308;
    connection.status.insert(Status::SRC_NAT);
    connection
}

/// What the server sees of the client's packet.
fn seen_outside(protocol: Protocol) -> Packet {
    if protocol == Protocol::TCP {
        fixture::tcp(GATEWAY, 19_308, SERVER, 53, &[], b"data that is quoted")
    } else {
        fixture::udp(GATEWAY, 19_308, SERVER, 53, b"data that is quoted")
    }
}

fn come_in(connection: &Connection, packet: &mut Packet) -> Result<(), DropReason> {
    let routines = &Routines::PORTABLE;
    rewrite_icmp_error(connection, Direction::Reply, Manip::Destination, packet, routines)?;
    rewrite_icmp_error(connection, Direction::Reply, Manip::Source, packet, routines)
}

/// The packet that an error quotes, as a packet of its own.
fn quoted(packet: &Packet) -> Packet {
    Packet::from_network_bytes(&mut Pool::new(), &packet.transport_bytes()[8..]).expect("it quotes a packet")
}

#[test]
fn an_error_from_a_router_outside_reaches_the_client_about_its_own_packet() {
    for protocol in [Protocol::TCP, Protocol::UDP] {
        let whole = seen_outside(protocol);
        let mut error = fixture::error(HOP, GATEWAY, 11, &whole, whole.network_len());
        come_in(&masqueraded(protocol), &mut error).expect("it can be translated");
        assert_eq!(
            fixture::summary(&error),
            alloc::format!(
                "203.0.113.77 > 192.168.1.10 icmp type 11 code 0 [192.168.1.10:5000 > 198.51.100.7:53 {protocol}]"
            )
        );
        assert!(is_right(&error, &Routines::PORTABLE), "{protocol}: the error's checksum");
        let inner = quoted(&error);
        assert!(is_right(&inner, &Routines::PORTABLE), "{protocol}: the quoted packet's checksum");
    }
}

#[test]
fn an_error_about_a_query_gets_its_identifier_back() {
    let mut connection = fixture::settled(fixture::connection(fixture::ping(CLIENT, SERVER, 77)));
    connection.reply.destination = Address::v4(GATEWAY);
    connection.reply.source_port = 900;
    connection.status.insert(Status::SRC_NAT);
    let query = fixture::icmp(GATEWAY, SERVER, 8, 0, [3, 132, 0, 1], b"echo");
    let mut error = fixture::error(HOP, GATEWAY, 11, &query, query.network_len());
    come_in(&connection, &mut error).expect("it can be translated");
    assert_eq!(
        fixture::summary(&error),
        "203.0.113.77 > 192.168.1.10 icmp type 11 code 0 [192.168.1.10 > 198.51.100.7 icmp type 8 code 0 id 77]"
    );
    assert!(is_right(&error, &Routines::PORTABLE) && is_right(&quoted(&error), &Routines::PORTABLE));
}

#[test]
fn an_error_of_the_client_itself_gets_the_gateways_address() {
    let answer = fixture::udp(SERVER, 53, CLIENT, 5000, b"answer");
    let mut error = fixture::error(CLIENT, SERVER, 3, &answer, 28);
    let connection = masqueraded(Protocol::UDP);
    for manip in [Manip::Destination, Manip::Source] {
        rewrite_icmp_error(&connection, Direction::Original, manip, &mut error, &Routines::PORTABLE)
            .expect("it can be translated");
    }
    assert_eq!(
        fixture::summary(&error),
        "203.0.113.1 > 198.51.100.7 icmp type 3 code 0 [198.51.100.7:53 > 203.0.113.1:19308 udp]"
    );
    assert!(is_right(&error, &Routines::PORTABLE));
}

#[test]
fn of_tcp_eight_quoted_bytes_suffice_and_its_checksum_is_not_looked_for() {
    let whole = seen_outside(Protocol::TCP);
    let mut error = fixture::error(HOP, GATEWAY, 11, &whole, 28);
    come_in(&masqueraded(Protocol::TCP), &mut error).expect("it can be translated");
    assert!(fixture::summary(&error).ends_with("[192.168.1.10:5000 > 198.51.100.7:53 tcp]"));
    assert_eq!(error.transport_bytes().len(), 8 + 28);
    assert!(is_right(&error, &Routines::PORTABLE));
}

#[test]
fn an_error_that_quotes_four_bytes_is_dropped_only_when_they_have_to_change() {
    let whole = seen_outside(Protocol::UDP);
    let mut error = fixture::error(HOP, GATEWAY, 3, &whole, 24);
    let before = alloc::vec::Vec::from(error.network_bytes());
    assert_eq!(come_in(&masqueraded(Protocol::UDP), &mut error), Err(DropReason::NatUntranslatable));
    assert_eq!(error.network_bytes(), before);
    let plain = fixture::settled(fixture::connection(fixture::tuple(Protocol::UDP)));
    assert_eq!(come_in(&plain, &mut error), Ok(()));
    assert_eq!(error.network_bytes(), before);
}

#[test]
fn an_error_with_a_wrong_checksum_is_dropped() {
    let whole = seen_outside(Protocol::UDP);
    let mut error = fixture::error(HOP, GATEWAY, 3, &whole, 28);
    error.icmp_mut().expect("it is ICMP").checksum[0] ^= 1;
    assert_eq!(come_in(&masqueraded(Protocol::UDP), &mut error), Err(DropReason::NatUntranslatable));
}

#[test]
fn a_redirect_passes_only_about_a_connection_that_is_settled_and_not_translated() {
    let whole = seen_outside(Protocol::UDP);
    let mut error = fixture::error(HOP, GATEWAY, 5, &whole, 28);
    assert_eq!(come_in(&masqueraded(Protocol::UDP), &mut error), Err(DropReason::NatUntranslatable));
    let unsettled = fixture::connection(fixture::tuple(Protocol::UDP));
    assert_eq!(come_in(&unsettled, &mut error), Err(DropReason::NatUntranslatable));
    assert_eq!(come_in(&fixture::settled(unsettled), &mut error), Ok(()));
}

#[test]
fn a_quoted_udp_packet_without_checksum_stays_without() {
    let mut whole = seen_outside(Protocol::UDP);
    whole.udp_mut().expect("it is UDP").checksum = [0, 0];
    let mut error = fixture::error(HOP, GATEWAY, 3, &whole, 28);
    come_in(&masqueraded(Protocol::UDP), &mut error).expect("it can be translated");
    assert_eq!(error.transport_bytes()[8 + 26..8 + 28], [0, 0]);
    assert!(is_right(&error, &Routines::PORTABLE));
}

proptest! {
    #[test]
    fn whatever_an_error_quotes_all_checksums_stay_right(
        tcp: bool, kind in prop_oneof![Just(3_u8), Just(11), Just(12), Just(4)], more in 0_usize..40,
    ) {
        let protocol = if tcp { Protocol::TCP } else { Protocol::UDP };
        let whole = seen_outside(protocol);
        let mut error = fixture::error(HOP, GATEWAY, kind, &whole, (28 + more).min(whole.network_len()));
        prop_assert_eq!(come_in(&masqueraded(protocol), &mut error), Ok(()));
        prop_assert!(is_right(&error, &Routines::PORTABLE));
        prop_assert_eq!(checksum::sum(error.network_header()), 0xffff);
        prop_assert_eq!(checksum::sum(&error.transport_bytes()[8..28]), 0xffff);
    }

    #[test]
    fn arbitrary_quotes_are_translated_or_refused_and_never_break(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let mut error = fixture::icmp(HOP, GATEWAY, 3, 0, [0; 4], &bytes);
        if come_in(&masqueraded(Protocol::TCP), &mut error).is_ok() {
            prop_assert!(is_right(&error, &Routines::PORTABLE));
        }
    }
}

const CLIENT: [u8; 4] = [192, 168, 1, 10];
const SERVER: [u8; 4] = [198, 51, 100, 7];
const GATEWAY: [u8; 4] = [203, 0, 113, 1];
const HOP: [u8; 4] = [203, 0, 113, 77];
