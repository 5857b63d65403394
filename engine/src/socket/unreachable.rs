//! ICMP errors about what sockets have sent (RFC 1122, section 4.2.3.9; RFC 5927; Linux v6.18: `net/ipv4/tcp_ipv4.c`,
//! `tcp_v4_err()`; `net/ipv6/tcp_ipv6.c`, `tcp_v6_err()`).
//!
//! Anybody can send such an error. One is believed that quotes a sequence number in flight; what it may do is no more than
//! end a connection that does not stand yet, or make segments smaller.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{DatagramKind, QueuedError, SocketError, table::Entry};
use crate::{
    engine::Engine,
    packet::{Ip, Packet},
    tcp::Ends,
    time::Instant,
    wire::{Icmpv6Type, Ipv4Header, Ipv6Header, Protocol, SeqNum, icmp::IcmpType},
};

/// What an error says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// A packet has to be that small.
    TooBig(u32),
    /// It did not arrive.
    Unreachable {
        error: SocketError,
        /// Trying again is of no use.
        is_hard: bool,
        /// Who asks for a connection is not waited for any longer (Linux v6.18: `tcp_v4_err()`, `tcp_v6_err()`).
        ends_request: bool,
    },
}

impl Engine {
    /// Tells the socket whose packet an ICMP error is about, if there is one.
    pub(crate) fn deliver_error(&mut self, now: Instant, packet: &Packet) {
        let Some((told, quoted)) = told(packet) else { return };
        let Some(Quoted { protocol, ends, seq, kind, .. }) = quoted_ends(packet.ip(), quoted) else { return };
        if protocol != Protocol::TCP {
            let (error, is_hard) = match told {
                // Whoever wants to know the way's MTU is told that his packet was too large for it.
                Told::TooBig(bytes) => {
                    if is_of_nobody(protocol, kind) {
                        self.note_mtu_towards(now, ends.remote.ip(), None, bytes);
                    } else {
                        self.note_path_mtu(now, protocol, &ends, bytes);
                    }
                    (SocketError::MessageTooLong, true)
                }
                Told::Unreachable { error, is_hard, .. } => (error, is_hard),
            };
            return self.deliver_datagram_error(packet, (protocol, &ends), (error, is_hard));
        }
        let Some(index) = self.sockets.find(&ends) else { return };
        match self.sockets.replace(index, Entry::Free) {
            Entry::Connection(mut connection) => {
                if connection.has_in_flight(seq) {
                    match told {
                        Told::TooBig(bytes) => {
                            let mtu = self.note_mtu_towards(now, ends.remote.ip(), connection.bound(), bytes);
                            connection.note_mtu(&mut self.work(now), mtu);
                        }
                        Told::Unreachable { error, .. } => connection.note_unreachable(&mut self.work(now), error),
                    }
                } else {
                    self.sockets.strange_errors = self.sockets.strange_errors.wrapping_add(1);
                }
                self.put_back(now, index, connection);
                self.send_outbox(now);
            }
            Entry::Request(request) => {
                let ends_it = request.is_from(seq) && matches!(told, Told::Unreachable { ends_request: true, .. });
                self.sockets.replace(index, Entry::Request(request));
                if ends_it {
                    self.forget_request(index);
                }
            }
            other @ (Entry::Free | Entry::Idle(_) | Entry::Listener(_) | Entry::TimeWait(_) | Entry::Datagram(_)) => {
                self.sockets.replace(index, other);
            }
        }
    }
}

/// What an error says to a datagram socket that keeps it, and what it has brought back of what the socket has sent: payload of UDP, a message
/// of ICMP, or all behind the IP header.
pub(super) fn heard(packet: &Packet, kind: DatagramKind) -> Option<(QueuedError, &[u8])> {
    let (told, quoted) = told(packet)?;
    let Quoted { ends, transport_at, .. } = quoted_ends(packet.ip(), quoted)?;
    let [message, code, _, _, rest @ ..] = *packet.transport_bytes().first_chunk::<HEADER_BYTES>()?;
    let is_v6 = packet.icmpv6().is_some();
    let (error, info) = match told {
        Told::TooBig(bytes) => (SocketError::MessageTooLong, bytes),
        Told::Unreachable { error, .. } if is_v6 => (error, u32::from_be_bytes(rest)),
        Told::Unreachable { error, .. } if message == IcmpType::PARAMETER_PROBLEM.0 => (error, rest[0].into()),
        Told::Unreachable { error, .. } => (error, 0),
    };
    let (headers, port) = if kind == DatagramKind::Udp { (UDP_BYTES, ends.remote.port()) } else { (0, 0) };
    let payload = quoted.get(transport_at + headers..).unwrap_or_default();
    let (offender, to) = (packet.ip()?.source(), SocketAddr::new(ends.remote.ip(), port));
    Some((QueuedError { error, is_v6, kind: message, code, info, offender, to, len: payload.len() }, payload))
}

/// What an error says, and the packet that it quotes.
fn told(packet: &Packet) -> Option<(Told, &[u8])> {
    let quoted = packet.transport_bytes().get(HEADER_BYTES..)?;
    let told = match (packet.icmp(), packet.icmpv6()) {
        (Some(icmp), _) => of_v4(icmp.icmp_type(), icmp.code, icmp.rest)?,
        (_, Some(icmp)) => of_v6(icmp.icmp_type(), icmp.code, packet.transport_bytes().get(4..8)?.try_into().ok()?)?,
        (None, None) => return None,
    };
    Some((told, quoted))
}

/// What the codes of IPv4's "unreachable" mean (Linux v6.18: `net/ipv4/icmp.c`, `icmp_err_convert`). Code 4 is told apart.
#[rustfmt::skip]
static CODES_V4: [(SocketError, bool); 16] = [
    //                                 trying again is of no use
    (SocketError::NetworkUnreachable,  false),  // network
    (SocketError::HostUnreachable,     false),  // host
    (SocketError::ProtocolUnreachable, true),   // protocol
    (SocketError::ConnectionRefused,   true),   // port
    (SocketError::MessageTooLong,      false),  // fragmentation needed
    (SocketError::NotSupported,        false),  // source route failed
    (SocketError::NetworkUnreachable,  true),   // network unknown
    (SocketError::HostDown,            true),   // host unknown
    (SocketError::NotOnNetwork,        true),   // host isolated
    (SocketError::NetworkUnreachable,  true),   // network prohibited
    (SocketError::HostUnreachable,     true),   // host prohibited
    (SocketError::NetworkUnreachable,  false),  // network, for this service
    (SocketError::HostUnreachable,     false),  // host, for this service
    (SocketError::HostUnreachable,     true),   // filtered
    (SocketError::HostUnreachable,     true),   // precedence violated
    (SocketError::HostUnreachable,     true),   // precedence cut off
];

fn of_v4(kind: IcmpType, code: u8, rest: [u8; 4]) -> Option<Told> {
    let told = match kind {
        IcmpType::UNREACHABLE if code == 4 => Told::TooBig(u16::from_be_bytes([rest[2], rest[3]]).into()),
        IcmpType::UNREACHABLE => {
            let &(error, is_hard) = CODES_V4.get(usize::from(code))?;
            Told::Unreachable { error, is_hard, ends_request: code <= 1 }
        }
        // Of a datagram that was not put together in time nobody is told.
        IcmpType::TIME_EXCEEDED if code == 1 => return None,
        IcmpType::TIME_EXCEEDED => {
            Told::Unreachable { error: SocketError::HostUnreachable, is_hard: false, ends_request: true }
        }
        IcmpType::PARAMETER_PROBLEM => {
            Told::Unreachable { error: SocketError::Protocol, is_hard: true, ends_request: true }
        }
        _ => return None,
    };
    Some(told)
}

/// Linux v6.18: `net/ipv6/icmp.c`, `icmpv6_err_convert()`.
fn of_v6(kind: Icmpv6Type, code: u8, rest: [u8; 4]) -> Option<Told> {
    let (error, is_hard) = match (kind, code) {
        (Icmpv6Type::TOO_BIG, _) => return Some(Told::TooBig(u32::from_be_bytes(rest))),
        (Icmpv6Type::UNREACHABLE, 0) => (SocketError::NetworkUnreachable, false),
        (Icmpv6Type::UNREACHABLE, 1 | 5 | 6) => (SocketError::NotAllowed, true),
        (Icmpv6Type::UNREACHABLE, 4) => (SocketError::ConnectionRefused, true),
        (Icmpv6Type::UNREACHABLE, 2 | 3) | (Icmpv6Type::TIME_EXCEEDED, _) => (SocketError::HostUnreachable, false),
        (Icmpv6Type::UNREACHABLE | Icmpv6Type::PARAMETER_PROBLEM, _) => (SocketError::Protocol, true),
        _ => return None,
    };
    Some(Told::Unreachable { error, is_hard, ends_request: is_hard })
}

/// The protocol and the ends of the segment or datagram that an ICMP error quotes, as its sender has them.
pub(crate) fn quoted_by(packet: &Packet) -> Option<(Protocol, Ends)> {
    let is_error = match (packet.icmp(), packet.icmpv6()) {
        (Some(icmp), _) => icmp.icmp_type().is_error(),
        (_, Some(icmp)) => icmp.icmp_type().is_error(),
        (None, None) => false,
    };
    let quoted = packet.transport_bytes().get(HEADER_BYTES..).filter(|_| is_error)?;
    let Quoted { protocol, ends, .. } = quoted_ends(packet.ip(), quoted)?;
    matches!(protocol, Protocol::TCP | Protocol::UDP).then_some((protocol, ends))
}

/// Whose packet an error quotes.
struct Quoted {
    protocol: Protocol,
    ends: Ends,
    /// Only of TCP.
    seq: SeqNum,
    /// Only of ICMP: the message's type.
    kind: u8,
    /// Where what the IP header is followed by begins.
    transport_at: usize,
}

/// What an error of the same family quotes; of an echo request, the identifier is the local port.
fn quoted_ends(ip: Option<Ip<'_>>, quoted: &[u8]) -> Option<Quoted> {
    let (source, destination, protocol, transport_at): (IpAddr, IpAddr, u8, usize) = match ip? {
        Ip::V4(_) => {
            let header_len = usize::from(quoted.first()? & 0x0f) * 4;
            let address = |at: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(quoted.get(at..at + 4)?).ok()?).into());
            (address(12)?, address(16)?, *quoted.get(9)?, header_len.max(Ipv4Header::LEN))
        }
        Ip::V6(_) => {
            let address = |at: usize| Some(Ipv6Addr::from(<[u8; 16]>::try_from(quoted.get(at..at + 16)?).ok()?).into());
            (address(8)?, address(24)?, *quoted.get(6)?, Ipv6Header::LEN)
        }
    };
    let &[a, b, c, d, e, f, g, h] = quoted.get(transport_at..)?.first_chunk::<8>()?;
    let number = |high, low| u16::from_be_bytes([high, low]);
    let protocol = Protocol(protocol);
    let (own, peer) = match protocol {
        Protocol::TCP | Protocol::UDP => (number(a, b), number(c, d)),
        Protocol::ICMP | Protocol::ICMPV6 => (number(e, f), 0),
        _ => (0, 0),
    };
    let ends = Ends { local: SocketAddr::new(source, own), remote: SocketAddr::new(destination, peer) };
    Some(Quoted { protocol, ends, seq: SeqNum(u32::from_be_bytes([e, f, g, h])), kind: a, transport_at })
}

/// Whether an error is believed that says of a message of ICMP that it was too large, though no socket has sent one (Linux v6.18:
/// `net/ipv4/icmp.c`, `icmp_err()`, of answers to echo requests; `net/ipv6/icmp.c`, `icmpv6_err()`, of all).
const fn is_of_nobody(protocol: Protocol, kind: u8) -> bool {
    match protocol {
        Protocol::ICMP => kind == IcmpType::ECHO_REPLY.0,
        Protocol::ICMPV6 => true,
        _ => false,
    }
}

/// The header of UDP.
const UDP_BYTES: usize = 8;
/// The header of an ICMP error of either family.
const HEADER_BYTES: usize = 8;

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use super::*;
    use crate::{packet::Pool, wire::checksum::sum};

    /// An ICMP error of a router about a datagram of UDP from port 1000 to port 9 that holds "abc".
    fn error_about_udp(is_v6: bool, [kind, code]: [u8; 2], rest: [u8; 4]) -> Packet {
        let udp = [3, 0xe8, 0, 9, 0, 11, 0, 0, b'a', b'b', b'c'];
        let [ours, theirs, router] = if is_v6 { [1, 2, 3].map(v6) } else { [1, 2, 3].map(v4) };
        let message = [&[kind, code, 0, 0][..], &rest, &header(is_v6, 17, (&ours, &theirs), udp.len()), &udp].concat();
        let bytes = [header(is_v6, if is_v6 { 58 } else { 1 }, (&router, &ours), message.len()), message].concat();
        Packet::from_network_bytes(&mut Pool::new(), &bytes).expect("its headers are right")
    }

    fn v4(last: u8) -> Vec<u8> {
        vec![10, 0, 0, last]
    }

    fn v6(last: u8) -> Vec<u8> {
        [&[0xfd][..], &[0; 14], &[last]].concat()
    }

    fn header(is_v6: bool, protocol: u8, (from, to): (&[u8], &[u8]), len: usize) -> Vec<u8> {
        if is_v6 {
            return [&[0x60, 0, 0, 0, 0, len as u8, protocol, 64], from, to].concat();
        }
        let mut header = [&[0x45, 0, 0, 20 + len as u8, 0, 1, 0, 0, 64, protocol, 0, 0], from, to].concat();
        let checksum = (!sum(&header)).to_be_bytes();
        header[10..12].copy_from_slice(&checksum);
        header
    }

    #[test]
    fn each_message_means_what_it_means_in_linux() {
        let rest = [7, 0, 5, 0x14];
        for (is_v6, message, expected) in [
            (false, [3, 3], Some((SocketError::ConnectionRefused, true, 0))),
            (false, [3, 1], Some((SocketError::HostUnreachable, false, 0))),
            (false, [3, 4], Some((SocketError::MessageTooLong, true, 1300))),
            (false, [3, 16], None),
            (false, [11, 0], Some((SocketError::HostUnreachable, false, 0))),
            (false, [11, 1], None),
            (false, [12, 0], Some((SocketError::Protocol, true, 7))),
            (false, [8, 0], None),
            (true, [1, 0], Some((SocketError::NetworkUnreachable, false, 0x0700_0514))),
            (true, [1, 1], Some((SocketError::NotAllowed, true, 0x0700_0514))),
            (true, [1, 3], Some((SocketError::HostUnreachable, false, 0x0700_0514))),
            (true, [1, 4], Some((SocketError::ConnectionRefused, true, 0x0700_0514))),
            (true, [1, 7], Some((SocketError::Protocol, true, 0x0700_0514))),
            (true, [2, 0], Some((SocketError::MessageTooLong, true, 0x0700_0514))),
            (true, [3, 1], Some((SocketError::HostUnreachable, false, 0x0700_0514))),
            (true, [4, 1], Some((SocketError::Protocol, true, 0x0700_0514))),
            (true, [128, 0], None),
        ] {
            let packet = error_about_udp(is_v6, message, rest);
            let is_hard = |told: Told| matches!(told, Told::TooBig(_) | Told::Unreachable { is_hard: true, .. });
            let said = heard(&packet, DatagramKind::Udp)
                .map(|(error, _)| (error.error, told(&packet).is_some_and(|(told, _)| is_hard(told)), error.info));
            assert_eq!(said, expected, "{message:?}, over IPv6: {is_v6}");
        }
    }

    #[test]
    fn what_comes_back_is_a_datagrams_payload_or_all_behind_the_ip_header() {
        for is_v6 in [false, true] {
            let packet = error_about_udp(is_v6, if is_v6 { [1, 4] } else { [3, 3] }, [0; 4]);
            let (error, payload) = heard(&packet, DatagramKind::Udp).expect("it is an error");
            assert_eq!((error.to.port(), error.len, payload), (9, 3, &b"abc"[..]));
            assert_eq!(error.to.is_ipv6(), is_v6);
            let (error, payload) = heard(&packet, DatagramKind::Raw(Protocol::UDP)).expect("it is an error");
            assert_eq!((error.to.port(), error.len, &payload[8..]), (0, 11, &b"abc"[..]));
        }
    }
}
