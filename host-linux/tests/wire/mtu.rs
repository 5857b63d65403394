//! What leaves by a device of which size: its MTU, and tags beyond it.

use towpath::af_packet::Ring;
use towpath_engine::{Checksum, DropReason, Gso, GsoKind, VlanTag};

use crate::{
    link::{Seen, has_frames, next_frame},
    namespace::{in_namespace, ip},
    ring::{TCP, UDP, client_and_device, ip_frame, send},
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
