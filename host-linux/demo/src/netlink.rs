//! Asks the kernel for devices, addresses and routes: rtnetlink(7), one request and its answer at a time.

use std::{
    io,
    net::Ipv4Addr,
    os::fd::{AsRawFd, RawFd},
};

use anyhow::{Context, Result, bail};
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::{AddressAttribute, AddressMessage},
    link::{
        AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo,
        LinkMessage,
    },
    route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType},
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use crate::space::Namespace;

/// Talks about the namespace that the thread was in when this was opened.
#[derive(Debug)]
pub(crate) struct Netlink {
    socket: Socket,
}

impl Netlink {
    pub(crate) fn open() -> Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE).context("cannot open a netlink socket")?;
        socket.bind_auto().and_then(|_| socket.connect(&SocketAddr::new(0, 0))).context("cannot reach the kernel")?;
        Ok(Self { socket })
    }

    /// Makes a pair of devices: `name` here, `peer_name` in `peer_space`.
    pub(crate) fn add_veth(&self, name: &str, peer_name: &str, peer_space: &Namespace) -> Result<()> {
        let space: RawFd = peer_space.handle().as_raw_fd();
        let mut peer = LinkMessage::default();
        peer.attributes = vec![LinkAttribute::IfName(peer_name.to_owned()), LinkAttribute::NetNsFd(space)];
        let mut link = LinkMessage::default();
        link.attributes = vec![
            LinkAttribute::IfName(name.to_owned()),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::Veth),
                LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
            ]),
        ];
        match self.request(RouteNetlinkMessage::NewLink(link), NLM_F_CREATE | NLM_F_EXCL) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                bail!("this kernel has no virtual Ethernet pairs (module veth, CONFIG_VETH)")
            }
            answer => answer.with_context(|| format!("cannot make the device pair {name} and {peer_name}")),
        }
    }

    /// Brings a device up. It gets no IPv6 address by itself: nobody but the demo's own programs shall talk.
    pub(crate) fn bring_up(&self, name: &str) -> Result<()> {
        let index = self.index(name)?;
        let mut quiet = LinkMessage::default();
        quiet.header.index = index;
        let no_address = AfSpecInet6::AddrGenMode(In6AddrGenMode::None);
        quiet.attributes = vec![LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(vec![no_address])])];
        match self.request(RouteNetlinkMessage::SetLink(quiet), 0) {
            Ok(()) => {}
            // A kernel without IPv6.
            Err(error) if error.raw_os_error() == Some(nix::libc::EAFNOSUPPORT) => {}
            Err(error) => return Err(error).with_context(|| format!("cannot keep IPv6 from {name}")),
        }
        let mut up = LinkMessage::default();
        up.header.index = index;
        up.header.flags = LinkFlags::Up;
        up.header.change_mask = LinkFlags::Up;
        self.request(RouteNetlinkMessage::SetLink(up), 0).with_context(|| format!("cannot bring {name} up"))
    }

    pub(crate) fn add_address(&self, name: &str, address: Ipv4Addr, prefix: u8) -> Result<()> {
        let mut message = AddressMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.prefix_len = prefix;
        message.header.index = self.index(name)?;
        message.attributes = vec![AddressAttribute::Local(address.into()), AddressAttribute::Address(address.into())];
        self.request(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL)
            .with_context(|| format!("cannot give {name} the address {address}/{prefix}"))
    }

    pub(crate) fn add_default_route(&self, gateway: Ipv4Addr) -> Result<()> {
        let mut message = RouteMessage::default();
        message.header = RouteHeader {
            address_family: AddressFamily::Inet,
            table: RouteHeader::RT_TABLE_MAIN,
            protocol: RouteProtocol::Static,
            scope: RouteScope::Universe,
            kind: RouteType::Unicast,
            ..RouteHeader::default()
        };
        message.attributes = vec![RouteAttribute::Gateway(RouteAddress::Inet(gateway))];
        self.request(RouteNetlinkMessage::NewRoute(message), NLM_F_CREATE | NLM_F_EXCL)
            .with_context(|| format!("cannot route by {gateway}"))
    }

    fn index(&self, name: &str) -> Result<u32> {
        let mut message = LinkMessage::default();
        message.attributes = vec![LinkAttribute::IfName(name.to_owned())];
        self.send(RouteNetlinkMessage::GetLink(message), 0).with_context(|| format!("cannot ask for {name}"))?;
        let answer = self.receive().with_context(|| format!("cannot ask for {name}"))?;
        if let NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) = answer {
            return Ok(link.header.index);
        }
        bail!("there is no device {name}: {answer:?}")
    }

    /// Sends a request that is answered by yes or an error.
    fn request(&self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.send(message, flags | NLM_F_ACK)?;
        let NetlinkPayload::Error(answer) = self.receive()? else { return Err(io::ErrorKind::InvalidData.into()) };
        if answer.code.is_none() { Ok(()) } else { Err(answer.to_io()) }
    }

    fn send(&self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        let mut packet = NetlinkMessage::new(header, NetlinkPayload::from(message));
        packet.finalize();
        let mut bytes = vec![0; packet.buffer_len()];
        packet.serialize(&mut bytes);
        self.socket.send(&bytes, 0).map(drop)
    }

    fn receive(&self) -> io::Result<NetlinkPayload<RouteNetlinkMessage>> {
        let (bytes, _) = self.socket.recv_from_full()?;
        let packet = NetlinkMessage::deserialize(&bytes).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(packet.payload)
    }
}
