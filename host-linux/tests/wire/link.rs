//! A station of its own namespace, at the end of a veth link.

use std::{
    io,
    net::{Ipv4Addr, UdpSocket},
    os::fd::AsFd,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::sockopt::{Timeout, set_socket_timeout},
};
use towpath::af_packet::{PacketDevice, Ring, RingOptions};
use towpath_engine::DeviceId;

use crate::namespace::{Namespace, ip};

/// A namespace with a device `e0` whose other end is a device of the test's own namespace.
pub(crate) struct Station {
    pub(crate) namespace: Namespace,
    /// The device at the test's end.
    pub(crate) device: &'static str,
    pub(crate) address: Ipv4Addr,
}

impl Station {
    /// A station with `address`/24.
    pub(crate) fn new(device: &'static str, address: Ipv4Addr) -> Self {
        let namespace = Namespace::new();
        ip(&format!("link add {device} type veth peer name e0 netns {}", namespace.pid()));
        ip(&format!("link set {device} up"));
        namespace.ip("link set lo up");
        namespace.ip(&format!("addr add {address}/24 dev e0"));
        namespace.ip("link set e0 up");
        Self { namespace, device, address }
    }

    /// Tells the station the Ethernet address of a neighbour.
    pub(crate) fn knows(&self, neighbour: Ipv4Addr, mac: impl ToString) {
        self.namespace.ip(&format!("neigh replace {neighbour} lladdr {} dev e0", mac.to_string()));
    }

    /// A UDP socket of the station, which waits at most [`PATIENCE`] for a datagram.
    pub(crate) fn udp(&self, port: u16) -> UdpSocket {
        let socket = self.namespace.within(|| UdpSocket::bind((self.address, port)).unwrap());
        set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE)).unwrap();
        socket
    }

    /// The station's own end of the link, opened as a packet socket.
    pub(crate) fn packet_device(&self) -> PacketDevice {
        self.namespace.within(|| open("e0", 9))
    }

    /// The test's end of the link, opened as the engine's device `id`.
    pub(crate) fn open(&self, id: u16) -> PacketDevice {
        open(self.device, id)
    }
}

/// How long a test waits for what must come before it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Opens a device with the default options.
pub(crate) fn open(name: &str, id: u16) -> PacketDevice {
    PacketDevice::open(name, DeviceId(id), RingOptions::default()).unwrap()
}

/// Waits until one of the devices has frames; false when none comes.
pub(crate) fn wait_for_frames(devices: &[&PacketDevice]) -> bool {
    wait(devices, PATIENCE).unwrap()
}

/// Whether one of the devices has frames now.
pub(crate) fn has_frames(devices: &[&PacketDevice]) -> bool {
    wait(devices, Duration::ZERO).unwrap()
}

fn wait(devices: &[&PacketDevice], patience: Duration) -> io::Result<bool> {
    let mut files: Vec<_> =
        devices.iter().map(|device| PollFd::from_borrowed_fd(device.as_fd(), PollFlags::IN)).collect();
    let timeout = Timespec { tv_sec: patience.as_secs() as i64, tv_nsec: 0 };
    Ok(poll(&mut files, Some(&timeout))? > 0)
}

/// A frame as it was seen, kept beyond its slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) bytes: Vec<u8>,
    pub(crate) wire_len: u32,
    pub(crate) checksum: towpath_engine::Checksum,
    pub(crate) gso: Option<towpath_engine::Gso>,
    pub(crate) vlan: Option<towpath_engine::VlanTag>,
}

/// The next frame that arrives and is `wanted`.
pub(crate) fn next_frame(device: &mut PacketDevice, wanted: impl Fn(&Seen) -> bool) -> Seen {
    let mut found = None;
    while found.is_none() {
        assert!(wait_for_frames(&[device]), "no frame came that was wanted");
        device.receive(1, |frames| {
            let frame = frames[0];
            let seen = Seen {
                bytes: frame.bytes.to_vec(),
                wire_len: frame.wire_len,
                checksum: frame.checksum,
                gso: frame.gso,
                vlan: frame.vlan,
            };
            found = Some(seen).filter(&wanted);
        });
    }
    found.unwrap()
}
