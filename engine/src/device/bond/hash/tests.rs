use alloc::{format, vec::Vec};

use super::*;
use crate::{
    frame::{DeviceId, Frame},
    packet::{Pool, Sketch, VlanTag},
    wire::MacAddr,
};

/// The packet of a line, from station `..:05` to station `..:03`.
fn packet(line: &str) -> Packet {
    let sketch: Sketch = line.parse().expect("a packet");
    let frame = sketch.frame(MacAddr([2, 0, 0, 0, 0, 5]), MacAddr([2, 0, 0, 0, 0, 3]));
    Packet::parse(&mut Pool::new(), &Frame::new(DeviceId(0), &frame)).expect("a right one")
}

fn raw(parts: &[&[u8]]) -> Packet {
    let bytes = parts.concat();
    Packet::take(&mut Pool::new(), &Frame::new(DeviceId(0), &bytes)).expect("it has a link header")
}

#[test]
fn a_hash_is_what_the_kernels_documentation_says_it_is() {
    let udp = packet("10.0.0.2:4000 > 10.0.1.7:53 udp");
    // layer2: source MAC[5] XOR destination MAC[5] XOR packet type.
    let stations = 5 ^ 3 ^ 0x0800;
    assert_eq!(HashPolicy::Layer2.hash(&udp), stations);
    // layer2+3: that, XOR both addresses; then hash XOR (hash >> 16), and XOR (hash >> 8).
    let addresses = u32::from_le_bytes([10, 0, 0, 2]) ^ u32::from_le_bytes([10, 0, 1, 7]);
    let fold = |hash: u32| (hash ^ hash >> 16) ^ (hash ^ hash >> 16) >> 8;
    assert_eq!(HashPolicy::Layer23.hash(&udp), fold(stations ^ addresses));
    // layer3+4: both ports instead of stations, and the lowest bit thrown away.
    let ports = u32::from_le_bytes([0x0f, 0xa0, 0, 53]);
    assert_eq!(HashPolicy::Layer34.hash(&udp), fold(ports ^ addresses) >> 1);
    // vlan+srcmac: the VLAN XOR source MAC vendor XOR source MAC device.
    let mut tagged = packet("10.0.0.2:4000 > 10.0.1.7:53 udp");
    tagged.meta_mut().vlan = Some(VlanTag { tpid: 0x8100, tci: 100 });
    assert_eq!(HashPolicy::VlanSourceMac.hash(&tagged), 100 ^ 0x02_0000 ^ 5);
    assert_eq!(HashPolicy::VlanSourceMac.hash(&udp), 0x02_0000 ^ 5);
}

#[test]
fn fragments_have_no_ports_and_other_protocols_none_either() {
    let addresses = u32::from_le_bytes([10, 0, 0, 2]) ^ u32::from_le_bytes([10, 0, 1, 7]);
    let fold = |hash: u32| (hash ^ hash >> 16) ^ (hash ^ hash >> 16) >> 8;
    for line in ["10.0.0.2 > 10.0.1.7 udp fragment 0 more len 80", "10.0.0.2 > 10.0.1.7 gre len 40"] {
        assert_eq!(HashPolicy::Layer34.hash(&packet(line)), fold(addresses) >> 1, "{line}");
    }
}

#[test]
fn an_answer_goes_the_way_of_its_kind_and_an_error_that_of_what_it_tells_of() {
    let hash = |line: &str| HashPolicy::Layer34.hash(&packet(line));
    let first = hash("10.0.0.2 > 10.0.1.7 icmp type 8 code 0 id 7");
    assert_eq!(first, hash("10.0.0.2 > 10.0.1.7 icmp type 8 code 0 id 7 len 40"));
    assert_ne!(first, hash("10.0.0.2 > 10.0.1.7 icmp type 8 code 0 id 9"));
    let told = hash("10.0.1.7:53 > 10.0.0.2:4000 udp");
    let error = hash("10.0.0.99 > 10.0.1.7 icmp type 3 code 3 [10.0.1.7:53 > 10.0.0.2:4000 udp]");
    assert_eq!(error, told);
}

#[test]
fn packets_in_tunnels_are_told_apart_by_the_encap_policies() {
    let inside = |port: u16| {
        let inner = packet(&format!("10.9.0.2:{port} > 10.9.1.7:53 udp"));
        let bytes = Vec::from(inner.network_bytes());
        (inner, bytes)
    };
    let ((plain, first), (_, second)) = (inside(4000), inside(4002));
    let link = [2, 0, 0, 0, 0, 3, 2, 0, 0, 0, 0, 5, 8, 0];
    let outer = |protocol: u8| [0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
    let tunnels = |inner: &[u8]| {
        [
            raw(&[&link, &outer(4), inner]),
            raw(&[&link, &outer(47), &[0, 0, 8, 0], inner]),
            raw(&[&link, &outer(47), &[0xb0, 0, 8, 0], &[0; 12], inner]),
            raw(&[&link, &outer(47), &[0, 0, 0x65, 0x58], &link, inner]),
        ]
    };
    for (one, other) in tunnels(&first).iter().zip(&tunnels(&second)) {
        assert_eq!(HashPolicy::Encap34.hash(one), HashPolicy::Layer34.hash(&plain));
        assert_eq!(HashPolicy::Encap23.hash(one), HashPolicy::Layer23.hash(&plain));
        assert_ne!(HashPolicy::Encap34.hash(one), HashPolicy::Encap34.hash(other));
        assert_eq!(HashPolicy::Layer34.hash(one), HashPolicy::Layer34.hash(other));
    }
}

#[test]
fn extension_headers_of_ipv6_are_passed_by_the_encap_policies_only() {
    let address = |last: u8| [&[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[last][..]].concat();
    let link = [2, 0, 0, 0, 0, 3, 2, 0, 0, 0, 0, 5, 0x86, 0xdd];
    let ip = |next: u8| [&[0x60, 0, 0, 0, 0, 24, next, 64][..], &address(1), &address(2)].concat();
    let udp = [0x0f, 0xa0, 0, 53, 0, 8, 0, 0];
    let plain = raw(&[&link, &ip(17), &udp]);
    let options = raw(&[&link, &ip(0), &[60, 0, 1, 4, 0, 0, 0, 0], &[17, 0, 1, 4, 0, 0, 0, 0], &udp]);
    assert_eq!(HashPolicy::Encap34.hash(&options), HashPolicy::Layer34.hash(&plain));
    let addresses = u32::from_le_bytes([0, 0, 0, 1]) ^ u32::from_le_bytes([0, 0, 0, 2]);
    let fold = |hash: u32| (hash ^ hash >> 16) ^ (hash ^ hash >> 16) >> 8;
    assert_eq!(HashPolicy::Layer34.hash(&options), fold(addresses) >> 1, "without ports");
}

#[test]
fn arp_is_hashed_by_stations_and_by_the_encap_policies_as_ip_without_addresses() {
    let arp = packet("arp who-has 10.0.0.1 tell 10.0.0.2");
    let ethernet = arp.linear();
    let stations = u32::from(ethernet[5] ^ ethernet[11]) ^ 0x0806;
    for policy in [HashPolicy::Layer2, HashPolicy::Layer23, HashPolicy::Layer34] {
        assert_eq!(policy.hash(&arp), stations);
    }
    assert_eq!((HashPolicy::Encap23.hash(&arp), HashPolicy::Encap34.hash(&arp)), (stations ^ stations >> 8, 0));
}

#[test]
fn flows_are_spread_evenly_over_four_ports_by_layer3_4() {
    let mut counts = [0_u32; 4];
    for flow in 0..10_000_u32 {
        let (host, port) = (flow % 200, 32_768 + flow * 7 % 28_000);
        let packet = packet(&format!("10.0.0.{}:{port} > 198.51.100.7:443 udp", host + 1));
        counts[HashPolicy::Layer34.hash(&packet) as usize % 4] += 1;
    }
    assert!(counts.iter().all(|count| (2375..=2625).contains(count)), "{counts:?} of 10000 flows");
}

#[test]
fn a_policy_is_found_by_its_name_and_no_bytes_make_a_hash_panic() {
    for (number, policy) in HashPolicy::ALL.into_iter().enumerate() {
        assert_eq!((HashPolicy::by_name(policy.name()), usize::from(policy.number())), (Some(policy), number));
        let whole = packet("10.0.0.99 > 10.0.1.7 icmp type 3 code 3 [10.0.1.7:53 > 10.0.0.2:4000 udp]");
        for len in 14..whole.linear().len() {
            let _ = policy.hash(&raw(&[&whole.linear()[..len]]));
        }
    }
}
