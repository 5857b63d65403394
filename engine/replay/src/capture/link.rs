//! Link layers: what stands before the network layer, and the Ethernet header that is made up for those that have
//! another one.
//!
//! The engine sees Ethernet only. A made-up header has the ethertype that the link layer tells; as source the cooked
//! header's address when it has one of six bytes, else [`MADE_UP_SOURCE`]; as destination the group address that
//! belongs to a group destination of the IP packet, the broadcast address when a cooked header says so, else
//! [`MADE_UP_DESTINATION`]. Which MAC addresses the gateway then has is the replay's affair.

use super::{LinkType, PacketDirection, Unreadable, order::Order, pcap::packet_type};

/// Source of a made-up Ethernet header: locally administered, unicast.
pub const MADE_UP_SOURCE: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];
/// Unicast destination of a made-up Ethernet header.
pub const MADE_UP_DESTINATION: [u8; 6] = [0x02, 0, 0, 0, 0, 0x02];

/// What a link header other than Ethernet's says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LinkHeader {
    /// Its length in bytes.
    pub(super) length: usize,
    /// The Ethernet header to put in its place.
    pub(super) ethernet: [u8; ETHERNET_BYTES],
    pub(super) direction: Option<PacketDirection>,
    /// The kernel's index of the device; 0: not told.
    pub(super) ifindex: u32,
}

/// Reads the link header of a packet of type `link`, which is not Ethernet. `wire_len` is the whole packet's length.
pub(super) fn read(link: LinkType, bytes: &[u8], wire_len: u32) -> Result<LinkHeader, Unreadable> {
    match link {
        LinkType::RAW | LinkType::RAW_DLT | LinkType::RAW_OPENBSD | LinkType::IPV4 | LinkType::IPV6 => raw(link, bytes),
        LinkType::NULL | LinkType::LOOP => null(link, bytes),
        LinkType::PPP | LinkType::PPP_HDLC => ppp(link, bytes),
        LinkType::LINUX_SLL => cooked(link, bytes, wire_len, &COOKED_V1),
        LinkType::LINUX_SLL2 => cooked(link, bytes, wire_len, &COOKED_V2),
        other => Err(Unreadable::LinkType(other)),
    }
}

/// No header at all: the packet's version tells what it is.
fn raw(link: LinkType, bytes: &[u8]) -> Result<LinkHeader, Unreadable> {
    let version = bytes.first().ok_or(Unreadable::LinkHeaderCut(link))? >> 4;
    let ethertype = match version {
        4 => IPV4,
        6 => IPV6,
        other => return Err(Unreadable::IpVersion(other)),
    };
    Ok(plain(0, ethertype, bytes))
}

/// Four bytes of address family. Each BSD has its own number for IPv6, and so have Linux and Windows.
fn null(link: LinkType, bytes: &[u8]) -> Result<LinkHeader, Unreadable> {
    let family = Order::Big.u32(bytes, 0).ok_or(Unreadable::LinkHeaderCut(link))?;
    // The capturing machine's byte order need not be the file's; no family is above 65535.
    let family = if family > 0xffff { family.swap_bytes() } else { family };
    let ethertype = match family {
        2 => IPV4,
        10 | 23 | 24 | 28 | 30 => IPV6,
        other => return Err(Unreadable::AddressFamily(other)),
    };
    Ok(plain(4, ethertype, bytes))
}

/// Address and control, which may be left out, and the protocol, whose first byte may be when it is zero (RFC 1661, section 2; RFC 1662,
/// section 3.1).
fn ppp(link: LinkType, bytes: &[u8]) -> Result<LinkHeader, Unreadable> {
    let begun = if bytes.starts_with(&[0xff, 0x03]) { 2 } else { 0 };
    let (protocol, length) = match bytes.get(begun..) {
        Some(&[low, ..]) if low & 1 != 0 => (low.into(), begun + 1),
        Some(&[high, low, ..]) => (u16::from_be_bytes([high, low]), begun + 2),
        Some(_) | None => return Err(Unreadable::LinkHeaderCut(link)),
    };
    let ethertype = match protocol {
        0x21 => IPV4,
        0x57 => IPV6,
        other => return Err(Unreadable::PppProtocol(other)),
    };
    Ok(plain(length, ethertype, bytes))
}

fn plain(length: usize, ethertype: u16, bytes: &[u8]) -> LinkHeader {
    let destination = group(ethertype, bytes.get(length..).unwrap_or_default()).unwrap_or(MADE_UP_DESTINATION);
    let ethernet = header(destination, MADE_UP_SOURCE, ethertype);
    LinkHeader { length, ethernet, direction: None, ifindex: 0 }
}

/// Where a cooked header has its fields. All are in network byte order.
struct Cooked {
    length: usize,
    packet_type: Field,
    device_type: usize,
    address_len: Field,
    address: usize,
    protocol: usize,
    ifindex: Option<usize>,
}

/// A field of two bytes in v1 and of one in v2.
enum Field {
    Byte(usize),
    Short(usize),
}

#[rustfmt::skip]
static COOKED_V1: Cooked = Cooked {
    length: 16, packet_type: Field::Short(0), device_type: 2, address_len: Field::Short(4), address: 6, protocol: 14,
    ifindex: None,
};
#[rustfmt::skip]
static COOKED_V2: Cooked = Cooked {
    length: 20, packet_type: Field::Byte(10), device_type: 8, address_len: Field::Byte(11), address: 12, protocol: 0,
    ifindex: Some(4),
};

fn cooked(link: LinkType, bytes: &[u8], wire_len: u32, layout: &Cooked) -> Result<LinkHeader, Unreadable> {
    let cut = Unreadable::LinkHeaderCut(link);
    let (head, payload) = bytes.split_at_checked(layout.length).ok_or(cut)?;
    let short = |at| Order::Big.u16(head, at).ok_or(cut);
    let field = |field: &Field| match *field {
        Field::Byte(at) => head.get(at).map(|byte| u16::from(*byte)).ok_or(cut),
        Field::Short(at) => short(at),
    };
    let device_type = short(layout.device_type)?;
    if NOT_FRAMES.contains(&device_type) {
        return Err(Unreadable::DeviceType(device_type));
    }
    let kind = field(&layout.packet_type)?;
    let source = match (field(&layout.address_len)?, head.get(layout.address..layout.address + 6)) {
        (6, Some(address)) => address.try_into().map_err(|_| cut)?,
        _ => MADE_UP_SOURCE,
    };
    // Values below 1536 are Linux's own: Novell's raw 802.3 and 802.2, which have a length in the type's place.
    let protocol = short(layout.protocol)?;
    let payload_len = wire_len.saturating_sub(layout.length as u32);
    let ethertype = if protocol < 1536 { u16::try_from(payload_len.min(1500)).unwrap_or_default() } else { protocol };
    let destination = match kind {
        PACKET_BROADCAST => BROADCAST,
        _ => group(protocol, payload).unwrap_or(MADE_UP_DESTINATION),
    };
    Ok(LinkHeader {
        length: layout.length,
        ethernet: header(destination, source, ethertype),
        direction: Some(packet_type(kind)),
        ifindex: layout.ifindex.and_then(|at| Order::Big.u32(head, at)).unwrap_or_default(),
    })
}

/// The Ethernet address that belongs to a packet's destination when that is a group (RFC 1112, 6.4; RFC 2464, 7).
fn group(ethertype: u16, packet: &[u8]) -> Option<[u8; 6]> {
    match ethertype {
        IPV4 => match packet.get(16..20)? {
            [255, 255, 255, 255] => Some(BROADCAST),
            [224..=239, b, c, d] => Some([0x01, 0x00, 0x5e, b & 0x7f, *c, *d]),
            _ => None,
        },
        IPV6 => match packet.get(24..40)? {
            [0xff, .., a, b, c, d] => Some([0x33, 0x33, *a, *b, *c, *d]),
            _ => None,
        },
        _ => None,
    }
}

fn header(destination: [u8; 6], source: [u8; 6], ethertype: u16) -> [u8; ETHERNET_BYTES] {
    let mut header = [0; ETHERNET_BYTES];
    header[..6].copy_from_slice(&destination);
    header[6..12].copy_from_slice(&source);
    header[12..].copy_from_slice(&ethertype.to_be_bytes());
    header
}

/// Length of an Ethernet header.
pub(super) const ETHERNET_BYTES: usize = 14;
const BROADCAST: [u8; 6] = [0xff; 6];
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// Linux v6.18: `include/uapi/linux/if_packet.h`.
const PACKET_BROADCAST: u16 = 1;
/// Kinds of devices whose cooked packets are no network packets (Linux v6.18: `include/uapi/linux/if_arp.h`): frame
/// relay, 802.11 three ways, netlink.
const NOT_FRAMES: [u16; 5] = [770, 801, 802, 803, 824];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn of_ppp_ip_is_read_with_and_without_what_may_be_left_out() {
        for (before, len) in [(&[0xff, 0x03, 0, 0x21][..], 4), (&[0xff, 0x03, 0x21], 3), (&[0, 0x21], 2), (&[0x21], 1)]
        {
            for link in [LinkType::PPP, LinkType::PPP_HDLC] {
                let found = read(link, &[before, &[0x45; 20]].concat(), 40).unwrap();
                assert_eq!((found.length, &found.ethernet[12..]), (len, &[0x08, 0x00][..]));
            }
        }
        assert_eq!(read(LinkType::PPP, &[0xff, 0x03, 0, 0x57], 4).unwrap().ethernet[12..], [0x86, 0xdd]);
        assert_eq!(read(LinkType::PPP, &[0xff, 0x03, 0xc0, 0x21], 4), Err(Unreadable::PppProtocol(0xc021)));
        assert_eq!(read(LinkType::PPP, &[0xff, 0x03], 2), Err(Unreadable::LinkHeaderCut(LinkType::PPP)));
    }

    #[test]
    fn raw_packets_get_the_ethertype_of_their_version() {
        let mut packet = [0u8; 40];
        for (first, ethertype) in [(0x45, [8, 0]), (0x60, [0x86, 0xdd])] {
            packet[0] = first;
            let found = read(LinkType::RAW, &packet, 40).unwrap();
            assert_eq!((found.length, &found.ethernet[12..]), (0, &ethertype[..]));
            assert_eq!(found.ethernet[..6], MADE_UP_DESTINATION);
            assert_eq!(found.direction, None);
        }
        packet[0] = 0x50;
        assert_eq!(read(LinkType::RAW, &packet, 40), Err(Unreadable::IpVersion(5)));
        assert_eq!(read(LinkType::RAW, &[], 40), Err(Unreadable::LinkHeaderCut(LinkType::RAW)));
    }

    #[test]
    fn null_headers_are_read_in_both_byte_orders() {
        for family in [[2, 0, 0, 0], [0, 0, 0, 2]] {
            let found = read(LinkType::NULL, &family, 4).unwrap();
            assert_eq!((found.length, &found.ethernet[12..]), (4, &[8, 0][..]));
        }
        for family in [10, 23, 24, 28, 30] {
            assert_eq!(read(LinkType::LOOP, &[0, 0, 0, family], 4).unwrap().ethernet[12..], [0x86, 0xdd]);
        }
        assert_eq!(read(LinkType::NULL, &[7, 0, 0, 0], 4), Err(Unreadable::AddressFamily(7)));
        assert_eq!(read(LinkType::NULL, &[2, 0, 0], 4), Err(Unreadable::LinkHeaderCut(LinkType::NULL)));
    }

    #[test]
    fn a_group_destination_gives_a_group_address() {
        let mut packet = [0u8; 40];
        packet[0] = 0x45;
        packet[16..20].copy_from_slice(&[239, 0x80, 1, 2]);
        assert_eq!(read(LinkType::RAW, &packet, 40).unwrap().ethernet[..6], [1, 0, 0x5e, 0, 1, 2]);
        packet[16..20].copy_from_slice(&[255; 4]);
        assert_eq!(read(LinkType::RAW, &packet, 40).unwrap().ethernet[..6], BROADCAST);
        packet[0] = 0x60;
        packet[24..40].copy_from_slice(&[0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 7, 8, 9]);
        assert_eq!(read(LinkType::RAW, &packet, 40).unwrap().ethernet[..6], [0x33, 0x33, 0xff, 7, 8, 9]);
    }

    #[test]
    fn cooked_headers_keep_source_direction_and_device() {
        let v1 = [0, 4, 0, 1, 0, 6, 2, 0x42, 0xac, 0x11, 0, 2, 0, 0, 8, 0];
        let found = read(LinkType::LINUX_SLL, &v1, 16).unwrap();
        assert_eq!(found.ethernet[6..], [2, 0x42, 0xac, 0x11, 0, 2, 8, 0]);
        assert_eq!((found.direction, found.ifindex), (Some(PacketDirection::Outbound), 0));

        let v2 = [0x86, 0xdd, 0, 0, 0, 0, 0, 9, 0, 1, 1, 6, 2, 0x42, 0xac, 0x11, 0, 2, 0, 0];
        let found = read(LinkType::LINUX_SLL2, &v2, 20).unwrap();
        assert_eq!(found.ethernet, [255, 255, 255, 255, 255, 255, 2, 0x42, 0xac, 0x11, 0, 2, 0x86, 0xdd]);
        assert_eq!((found.direction, found.ifindex), (Some(PacketDirection::Inbound), 9));

        assert_eq!(read(LinkType::LINUX_SLL2, &v2[..19], 20), Err(Unreadable::LinkHeaderCut(LinkType::LINUX_SLL2)));
    }

    #[test]
    fn a_cooked_address_of_another_length_is_not_taken() {
        let loopback = [0, 0, 3, 4, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 8, 0];
        assert_eq!(read(LinkType::LINUX_SLL, &loopback, 16).unwrap().ethernet[6..12], MADE_UP_SOURCE);
    }

    #[test]
    fn cooked_802_2_frames_get_a_length_in_the_place_of_the_type() {
        let stp = [0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 7, 0, 0, 0, 4];
        assert_eq!(read(LinkType::LINUX_SLL, &stp, 16 + 38).unwrap().ethernet[12..], [0, 38]);
    }

    #[test]
    fn cooked_packets_of_a_netlink_monitor_are_no_frames() {
        let netlink = [0, 4, 3, 0x38, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(read(LinkType::LINUX_SLL, &netlink, 16), Err(Unreadable::DeviceType(824)));
    }

    proptest! {
        #[test]
        fn no_link_header_lies_outside_its_packet(
            link in prop::sample::select(vec![0u32, 1, 9, 12, 14, 101, 108, 113, 228, 229, 276]),
            bytes: Vec<u8>,
            wire_len: u32,
        ) {
            if let Ok(found) = read(LinkType(link), &bytes, wire_len) {
                prop_assert!(found.length <= bytes.len());
            }
        }
    }
}
