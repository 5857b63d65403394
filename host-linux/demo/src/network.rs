//! The network: client — gateway — server.

use std::net::Ipv4Addr;

use anyhow::Result;

use crate::{netlink::Netlink, space::Namespace};

/// The gateway's addresses are its own matter: its devices have none in the kernel, so that the kernel answers nobody.
pub(crate) const GATEWAY_LAN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(crate) const GATEWAY_WAN: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
pub(crate) const PREFIX: u8 = 24;

/// Three namespaces, joined by two pairs of devices: the client's `eth0` to `lan`, the server's `eth0` to `wan`.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) client: Namespace,
    pub(crate) gateway: Namespace,
    pub(crate) server: Namespace,
}

impl Network {
    /// Makes it. The calling thread ends up in the gateway's namespace.
    pub(crate) fn make() -> Result<Self> {
        let network = Self { client: Namespace::make()?, server: Namespace::make()?, gateway: Namespace::make()? };
        let netlink = Netlink::open()?;
        netlink.add_veth("lan", HOST_DEVICE, &network.client)?;
        netlink.add_veth("wan", HOST_DEVICE, &network.server)?;
        host(&network.client, CLIENT, Some(GATEWAY_LAN))?;
        // The server knows no way to the client: what does not come from the gateway's own address, it cannot answer.
        host(&network.server, SERVER, None)?;
        network.gateway.enter()?;
        netlink.bring_up("lan")?;
        netlink.bring_up("wan")?;
        Ok(network)
    }
}

const HOST_DEVICE: &str = "eth0";

fn host(space: &Namespace, address: Ipv4Addr, route: Option<Ipv4Addr>) -> Result<()> {
    space.enter()?;
    let netlink = Netlink::open()?;
    netlink.bring_up("lo")?;
    netlink.bring_up(HOST_DEVICE)?;
    netlink.add_address(HOST_DEVICE, address, PREFIX)?;
    route.map_or(Ok(()), |gateway| netlink.add_default_route(gateway))
}
