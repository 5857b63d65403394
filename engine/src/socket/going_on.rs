//! What becomes of sockets when their engine goes on from a snapshot: they are those of users who are there still.

use alloc::{boxed::Box, vec::Vec};
use core::net::{Ipv6Addr, SocketAddr};

use super::{
    SocketError, Sockets, UdpService,
    options::Options,
    table::{Entry, Slot},
};
use crate::{command::CommandError, engine::Engine, packet::Budget, snapshot::SnapshotError, wire::Protocol};

impl Engine {
    /// Whether it can take the sockets of the engine whose place it will take.
    ///
    /// # Errors
    /// [`SnapshotError::Command`] when a service of this one has the port of a socket of that one.
    pub(crate) fn may_take_sockets_of(&self, other: &Self) -> Result<(), SnapshotError> {
        let options = Options::of_datagrams(&other.around.sysctls);
        let is_held = |service: &UdpService| {
            let local = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), service.port);
            let is_service = other.services().iter().any(|known| known.port == service.port);
            !is_service && !other.sockets.may_bind(Protocol::UDP, local, &options)
        };
        match self.services().into_iter().find(is_held) {
            Some(UdpService { port, .. }) => {
                Err(SnapshotError::Command(Box::new(CommandError::Service(port, SocketError::AddressInUse))))
            }
            None => Ok(()),
        }
    }

    /// Takes the sockets of the engine whose place it takes, if somebody has some; services stay its own. Time does not go back for
    /// them.
    pub(crate) fn take_sockets_of(&mut self, other: &mut Self) {
        if !other.sockets.has_users() {
            return;
        }
        let services: Vec<UdpService> = self.services();
        self.sockets = core::mem::replace(&mut other.sockets, Sockets::new(0));
        self.datagram_budget = Budget::clone(&other.datagram_budget);
        self.replace_services(services);
        self.latest = self.latest.max(other.latest);
    }
}

impl Sockets {
    /// Whether there is anything but services.
    fn has_users(&self) -> bool {
        self.slots.iter().any(|Slot { entry, .. }| match entry {
            Entry::Free => false,
            Entry::Datagram(datagram) => datagram.is_held(),
            Entry::Idle(_) | Entry::Listener(_) | Entry::Connection(_) | Entry::Request(_) | Entry::TimeWait(_) => true,
        })
    }
}
