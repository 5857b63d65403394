//! What leaves by a device of which size: its MTU, tags beyond it, and what a sender learns of both.

use rustix::process::Signal;
use towpath::af_packet::Ring;
use towpath_engine::{Checksum, DropReason, Gso, GsoKind, VlanTag};

use crate::{
    link::{Seen, Station, has_frames, next_frame},
    namespace::{in_namespace, ip, quieten},
    ring::{TCP, UDP, client_and_device, ip_frame, send},
    running::{CLIENT, Folder, Gateway, SERVER},
};

const C_TAG: VlanTag = VlanTag { tpid: 0x8100, tci: 10 };
const S_TAG: VlanTag = VlanTag { tpid: 0x88a8, tci: 100 };

#[test]
fn one_tag_of_802_1q_leaves_beyond_the_mtu_by_either_way_and_nothing_else_does() {
    in_namespace(|| {
        let (client, mut device) = client_and_device();
        let mut far = client.packet_device();
        // What is sent behind one of these takes the long way, as it does.
        let super_packet = Seen {
            checksum: Checksum::Partial { start: 34, offset: 16 },
            gso: Some(Gso { kind: GsoKind::Tcp4, size: 1400, segments: 0, fixed_id: false }),
            ..ip_frame(TCP, 10_000)
        };
        let mut refused = 0;
        for (tag, most) in [(None, 1500), (Some(C_TAG), 1500), (Some(S_TAG), 1496)] {
            let frames = [most, most + 1].map(|len| Seen { vlan: tag, ..ip_frame(UDP, len) });
            let inside = [with_tag_inside(&frames[0]), with_tag_inside(&frames[1])];
            for [fits, too_long] in [&frames, &inside] {
                for before in [&[][..], &[&super_packet]] {
                    send(&mut device, &[before, &[fits, too_long]].concat());
                    refused += 1;
                    assert_eq!(next_frame(&mut far, |seen| seen.gso.is_none()), frames[0], "{tag:?}");
                    assert!(!has_frames(&[&far]), "{tag:?}: more than {most} bytes");
                    let drops: Vec<_> = device.counters().send_drops.iter().collect();
                    assert_eq!(drops, [(DropReason::TransmitRefused, refused)], "{tag:?}");
                }
            }
        }
    });
}

/// The same frame as it is on a wire.
fn with_tag_inside(frame: &Seen) -> Seen {
    let Some(tag) = frame.vlan else { return frame.clone() };
    let (addresses, rest) = frame.bytes.split_at(12);
    let bytes = [addresses, &tag.tpid.to_be_bytes(), &tag.tci.to_be_bytes(), rest].concat();
    Seen { bytes, vlan: None, ..frame.clone() }
}

#[test]
fn a_device_that_has_another_mtu_is_handed_no_longer_frames_by_either_way() {
    in_namespace(|| {
        let (client, mut device) = client_and_device();
        let mut far = client.packet_device();
        for (mtu, refused) in [(1000, 1), (1500, 2)] {
            ip(&format!("link set ga mtu {mtu}"));
            device.set_mtu(mtu.into());
            let frames = [mtu, mtu + 1].map(|len| ip_frame(UDP, len));
            send(&mut device, &[&frames[0], &frames[1]]);
            assert_eq!(next_frame(&mut far, |_| true), frames[0]);
            assert!(!has_frames(&[&far]));
            let drops: Vec<_> = device.counters().send_drops.iter().collect();
            assert_eq!(drops, [(DropReason::TransmitRefused, refused)]);
        }
    });
}

#[test]
fn a_sender_learns_what_tags_leave_of_a_link_before_and_after_it_takes_smaller_packets() {
    in_namespace(|| {
        quieten();
        let (client, server) = (Station::new("ga", CLIENT), Station::new("gb", SERVER));
        client.namespace.ip("route add default via 10.0.0.1");
        let (mut near, mut far, socket) = (client.packet_device(), server.packet_device(), client.udp(5000));
        let mut gateway = Gateway::start(&Folder::with(TAGGED, &[]));
        let [warning] = &gateway.warnings[..] else { panic!("{:?}", gateway.warnings) };
        let told = "gateway.toml:18: mtu = 1500 is more than device gb leaves wan.10.5, so it is 1496";
        assert!(warning.trim_end().ends_with(told), "{warning}");
        for mtu in [1500, 1400] {
            if mtu != 1500 {
                ip(&format!("link set gb mtu {mtu}"));
                gateway.wait_for("device wan: sends packets of up to 1400 bytes from now on");
            }
            for (to, tag, most) in [("192.0.2.2:9", C_TAG, mtu - 4), ("198.51.100.2:9", S_TAG, mtu - 8)] {
                socket.send_to(&vec![7; most - UDP_AT], to).unwrap();
                let seen = next_frame(&mut far, |seen| seen.vlan.is_some());
                assert_eq!((seen.vlan, &seen.bytes[12..18]), (Some(tag), &[0x81, 0, 0, 5, 8, 0][..]));
                assert_eq!(seen.bytes.len(), 18 + most);
                socket.send_to(&vec![7; most + 1 - UDP_AT], to).unwrap();
                let told = next_frame(&mut near, |seen| seen.bytes[12..14] == [8, 0] && seen.bytes[23] == ICMP);
                assert_eq!(told.bytes[34..36], [3, 4], "a fragment is needed");
                assert_eq!(usize::from(u16::from_be_bytes([told.bytes[40], told.bytes[41]])), most, "{tag:?}");
            }
        }
        let report = String::from_utf8(gateway.stop(Signal::INT).stdout).unwrap();
        assert!(!report.contains("TransmitRefused"), "{report}");
    });
}

/// Where the payload of a datagram starts in its packet.
const UDP_AT: usize = 28;
const ICMP: u8 = 1;

/// A VLAN in a VLAN, and one in a service VLAN.
const TAGGED: &str = r#"[[interface]]
name = "lan"
device = "ga"
addresses = ["10.0.0.1/24"]

[[interface]]
name = "wan"
device = "gb"

[[vlan]]
parent = "wan"
id = 10

[[vlan]]
parent = "wan.10"
id = 5
addresses = ["192.0.2.1/24"]
mtu = 1500

[[vlan]]
parent = "wan"
protocol = "802.1ad"
id = 100

[[vlan]]
parent = "wan.100"
id = 5
addresses = ["198.51.100.1/24"]

[[neighbour]]
interface = "wan.10.5"
address = "192.0.2.2"
mac = "02:00:00:00:00:22"

[[neighbour]]
interface = "wan.100.5"
address = "198.51.100.2"
mac = "02:00:00:00:00:22"
"#;
