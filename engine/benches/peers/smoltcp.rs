//! Two stacks of smoltcp joined in memory.

use std::collections::VecDeque;

use smoltcp::{
    iface::{Config, Interface, SocketHandle, SocketSet},
    phy::{self, ChecksumCapabilities, DeviceCapabilities, Medium},
    socket::tcp,
    time::{Duration, Instant},
    wire::{EthernetAddress, HardwareAddress, IpAddress, IpCidr},
};

const PORT: u16 = 80;
const TICK: Duration = Duration::from_micros(10);

/// A device of each end: what it has got, what it sends, and room for that.
struct Wire {
    mtu: usize,
    checksums: bool,
    arrived: VecDeque<Vec<u8>>,
    sent: VecDeque<Vec<u8>>,
    spare: Vec<Vec<u8>>,
}

struct Arrived<'a>(Vec<u8>, &'a mut Vec<Vec<u8>>);

struct Room<'a>(&'a mut VecDeque<Vec<u8>>, Vec<u8>);

impl phy::RxToken for Arrived<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        let result = take(&self.0);
        self.1.push(self.0);
        result
    }
}

impl phy::TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        let Self(sent, mut bytes) = self;
        bytes.resize(len, 0);
        let result = fill(&mut bytes);
        sent.push_back(bytes);
        result
    }
}

impl phy::Device for Wire {
    type RxToken<'a> = Arrived<'a>;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Arrived<'_>, Room<'_>)> {
        let frame = self.arrived.pop_front()?;
        let room = self.spare.pop().unwrap_or_default();
        Some((Arrived(frame, &mut self.spare), Room(&mut self.sent, room)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Room<'_>> {
        Some(Room(&mut self.sent, self.spare.pop().unwrap_or_default()))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        // Here the Ethernet header counts.
        capabilities.max_transmission_unit = self.mtu + 14;
        if !self.checksums {
            capabilities.checksum = ChecksumCapabilities::ignored();
        }
        capabilities
    }
}

struct End {
    interface: Interface,
    wire: Wire,
    sockets: SocketSet<'static>,
    socket: SocketHandle,
}

/// Two stacks with a connection between them.
pub(crate) struct Pair {
    ends: [End; 2],
    now: Instant,
}

fn end(index: u8, mtu: usize, checksums: bool, buffer: usize) -> End {
    let (arrived, sent, spare) = (VecDeque::new(), VecDeque::new(), Vec::new());
    let mut wire = Wire { mtu, checksums, arrived, sent, spare };
    let own = HardwareAddress::Ethernet(EthernetAddress([2, 0, 0, 0, 0, 1 + index]));
    let mut interface = Interface::new(Config::new(own), &mut wire, Instant::ZERO);
    interface.update_ip_addrs(|addresses| {
        addresses.push(IpCidr::new(IpAddress::v4(10, 0, 0, 1 + index), 24)).expect("room for one");
    });
    let room = || tcp::SocketBuffer::new(vec![0; buffer]);
    let mut sockets = SocketSet::new(Vec::new());
    let socket = sockets.add(tcp::Socket::new(room(), room()));
    End { interface, wire, sockets, socket }
}

impl Pair {
    /// Devices of that MTU that sum, or let their stacks sum and verify; buffers of so many bytes.
    pub(crate) fn new(mtu: usize, checksums: bool, buffer: usize) -> Self {
        let mut pair = Self { ends: [0, 1].map(|index| end(index, mtu, checksums, buffer)), now: Instant::ZERO };
        let [client, server] = &mut pair.ends;
        server.sockets.get_mut::<tcp::Socket<'_>>(server.socket).listen(PORT).expect("it may listen");
        let connecting = client.sockets.get_mut::<tcp::Socket<'_>>(client.socket);
        let to = (IpAddress::v4(10, 0, 0, 2), PORT);
        connecting.connect(client.interface.context(), to, 49_152).expect("there is a way");
        while !pair.ends.iter_mut().all(|end| end.sockets.get::<tcp::Socket<'_>>(end.socket).may_send()) {
            pair.pass();
        }
        pair
    }

    /// Lets each end answer what has come, and carries what it says to the other.
    fn pass(&mut self) {
        self.now += TICK;
        for from in 0..2 {
            let end = &mut self.ends[from];
            end.interface.poll(self.now, &mut end.wire, &mut end.sockets);
            let sent: Vec<Vec<u8>> = end.wire.sent.drain(..).collect();
            self.ends[1 - from].wire.arrived.extend(sent);
        }
    }

    /// A stream of so many bytes from the first to the second.
    pub(crate) fn transfer(&mut self, bytes: usize, piece: &mut [u8]) {
        let (mut written, mut read) = (0, 0);
        while read < bytes {
            let client = &mut self.ends[0];
            let socket = client.sockets.get_mut::<tcp::Socket<'_>>(client.socket);
            while written < bytes && socket.can_send() {
                written += socket.send_slice(&piece[..piece.len().min(bytes - written)]).expect("it is open");
            }
            self.pass();
            let server = &mut self.ends[1];
            let socket = server.sockets.get_mut::<tcp::Socket<'_>>(server.socket);
            while socket.can_recv() {
                read += socket.recv_slice(piece).expect("it is open");
            }
        }
    }
}
