//! Frames at a bond with VLANs over it, one in the other: LACPDUs and marker PDUs as its machines take them, tags in all places, and
//! super-packets as cards hand them over.

use towpath_engine::{
    Checksum, Command, DeviceId, Frame, Gso, GsoKind, VlanTag,
    device::{
        Device, InterfaceAddress, Kind, Vlan,
        bond::{Mode, Options},
    },
    wire::{
        EtherType, MacAddr,
        lacp::{Lacpdu, PortInfo, PortState},
    },
};

use crate::bonded::Bonded;

/// A byte for the bond's mode and options, then operations: a byte says which, the next ones what.
///
/// # Panics
/// When a frame has no ending, or the bond answers more than it has heard.
pub fn ports(data: &[u8]) {
    let Some((&how, mut rest)) = data.split_first() else { return };
    let mut host = bonded(how);
    // More would only make each try slow.
    for _ in 0..OPERATIONS_MAX {
        let [which, a, b, tail @ ..] = rest else { break };
        let len = usize::from(*b).min(tail.len());
        let (bytes, others) = tail.split_at(len);
        rest = others;
        let port = u16::from(a % 3);
        match which % 6 {
            0 | 1 => hear(&mut host, port, *a, bytes),
            2 => take(&mut host, port, *a, bytes),
            3 => drop(host.link(port, a & 0x80 == 0)),
            4 => {
                host.pass(u64::from(*a) * 20);
                host.sent();
            }
            _ => {
                host.pass(1);
                host.sent();
            }
        }
        assert!(host.text().starts_with("Ethernet Channel Bonding Driver: "), "the bond can be told of");
    }
}

const OPERATIONS_MAX: usize = 100;

/// A bond of some mode over all ports, a service VLAN over it, and a VLAN in that.
fn bonded(how: u8) -> Bonded {
    let mode = Mode::ALL[usize::from(how & 7) % Mode::ALL.len()];
    let is_lacp = mode == Mode::Ieee8023ad;
    let is_probing = how & 0x40 != 0 && mode.may_probe();
    let options = Options {
        mode,
        lacp_active: !is_lacp || how & 8 == 0,
        lacp_fast: is_lacp && how & 0x20 != 0,
        min_links: how >> 4 & u8::from(is_lacp),
        miimon_ms: if is_probing { 0 } else { 100 },
        arp_interval_ms: if is_probing { 100 } else { 0 },
        arp_ip_targets: if is_probing { vec![[10, 0, 0, 99].into()] } else { Vec::new() },
        ..Options::default()
    };
    let mut host = Bonded::new(options, &[0, 1, 2]);
    for (name, parent, tpid, id) in [("outer", Bonded::BOND, SERVICE, 20), ("inner", DeviceId(4), CUSTOMER, 30)] {
        let addresses = vec![InterfaceAddress { address: [10, id as u8, 0, 1].into(), prefix: 24 }];
        let kind = Kind::Vlan(Vlan { parent, tpid, id });
        let device =
            Device { name: name.into(), mac: MacAddr([2; 6]), addresses, arp: false, kind, ..Device::default() };
        host.command(Command::AddDevice(device)).unwrap_or_else(|error| panic!("{error}"));
    }
    host
}

/// The other end says something by LACP, or asks for a marker: what it says of itself is right but for the bytes that are given, each
/// behind its place.
fn hear(host: &mut Bonded, port: u16, how: u8, changes: &[u8]) {
    let end = |station: u8| PortInfo {
        system: MacAddr([2, 0, 0, 0, 1, station]),
        system_priority: 0xffff.into(),
        key: 9.into(),
        port_priority: 255.into(),
        port: (port + 1).into(),
        state: PortState(STATES[usize::from(how >> 2 & 7)]),
    };
    let mut frame = SLOW_PROTOCOLS.to_vec();
    frame.extend_from_slice(&Lacpdu::new(end(1), end(how >> 5)).emit());
    for change in changes.chunks_exact(2) {
        let place = SLOW_PROTOCOLS.len() + usize::from(change[0]) % Lacpdu::LEN;
        frame[place] = change[1];
    }
    host.sent();
    host.receive(port, &frame);
    assert!(host.sent().len() <= ANSWERS_MAX, "one frame is heard");
}

/// Any frame, tagged within its bytes or beside them, perhaps said to be a super-packet.
fn take(host: &mut Bonded, port: u16, how: u8, bytes: &[u8]) {
    let tag = |tpid| VlanTag { tpid, tci: u16::from(how) * 10 };
    let gso = |kind| Gso { kind, size: u16::from(how) + 1, segments: 2, fixed_id: false };
    let frame = Frame {
        vlan: [None, Some(tag(SERVICE)), Some(tag(CUSTOMER)), Some(tag(0))][usize::from(how >> 2 & 3)],
        gso: [None, Some(gso(GsoKind::Tcp4)), Some(gso(GsoKind::Tcp6)), Some(gso(GsoKind::Udp))]
            [usize::from(how >> 4 & 3)],
        checksum: match how >> 6 {
            0 => Checksum::None,
            1 => Checksum::Unnecessary,
            2 => Checksum::Partial { start: u16::from(how) % 64, offset: 16 },
            _ => Checksum::Complete(u16::from(how)),
        },
        ..Frame::new(DeviceId(port), bytes)
    };
    let now = host.now();
    host.engine.handle_frames(now, &[frame]);
    assert!(host.engine.poll_ending().is_some(), "a frame has ended somehow");
    host.pass(0);
    host.sent();
}

const SERVICE: u16 = EtherType::SERVICE_VLAN.0;
const CUSTOMER: u16 = EtherType::VLAN.0;
/// To all that speak slow protocols, from somebody.
const SLOW_PROTOCOLS: [u8; 14] = [0x01, 0x80, 0xc2, 0, 0, 2, 2, 0, 0, 0, 1, 1, 0x88, 0x09];
/// What the other end may say of its state.
const STATES: [u8; 8] = [0x3d, 0x3f, 0x05, 0x0d, 0x7d, 0xc5, 0x00, 0x3c];
/// An LACPDU or a marker's answer by each port, and neighbours told by a bond whose way has changed.
const ANSWERS_MAX: usize = 3 + 16;
