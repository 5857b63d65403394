//! Services: sockets that nobody holds, and that answer by themselves.

use alloc::{boxed::Box, vec::Vec};
use core::net::{Ipv6Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::{Datagram, DatagramKind};
use crate::{
    engine::Engine,
    frame::DeviceId,
    socket::{Family, SocketError, options::Options, table::Entry},
    wire::Protocol,
};

/// A datagram service of this host. It says nothing to askers that seem to be such services themselves (by the ports of those that
/// answer everything, and of this host's own), this host though they come by a link, or many hosts: whoever forges such a question wants two services to
/// answer each other for ever, or many hosts to answer one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UdpService {
    /// Its port, 1 to 65535.
    pub port: u16,
    /// What it does with a datagram.
    pub answer: ServiceAnswer,
}

/// What a datagram service does with a datagram.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServiceAnswer {
    /// Sends it back (RFC 862).
    Echo,
    /// Takes it and says nothing (RFC 863).
    Discard,
    /// Sends this, always; at most 1472 bytes are sent.
    Text(Vec<u8>),
}

impl ServiceAnswer {
    /// What is sent for a payload.
    pub(super) fn answer<'a>(&'a self, asked: &'a [u8]) -> Option<&'a [u8]> {
        match self {
            Self::Echo => Some(asked),
            Self::Discard => None,
            Self::Text(text) => Some(&text[..text.len().min(TEXT_BYTES_MAX)]),
        }
    }
}

impl Engine {
    /// Offers a service on every address of this host; one on the same port is replaced.
    pub(crate) fn offer(&mut self, service: UdpService) -> Result<(), SocketError> {
        let local = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), service.port);
        if let Some(known) = self.service_on(service.port) {
            if let Some(Entry::Datagram(datagram)) = self.sockets.entry_mut(known) {
                datagram.service = Some(service.answer);
            }
            return Ok(());
        }
        let options = Options::of_datagrams(&self.around.sysctls);
        if !self.sockets.may_bind(Protocol::UDP, local, &options) {
            return Err(SocketError::AddressInUse);
        }
        let mut datagram = Datagram::new(Family::Ipv6, DatagramKind::Udp, options);
        (datagram.local, datagram.service) = (Some(local), Some(service.answer));
        let index = self.sockets.insert(Entry::Datagram(Box::new(datagram))).ok_or(SocketError::TooMany)?;
        self.sockets.bind(Protocol::UDP, service.port, index);
        Ok(())
    }

    /// Whether a service answers who asks from there by a device. What seems to come from another service, from this host by another
    /// device than `lo`, or from many hosts, was made by somebody else to set one upon the other, or many upon one (CERT
    /// CA-1996-01).
    pub(super) fn may_answer_as_service(&self, asker: SocketAddr, input: Option<DeviceId>) -> bool {
        let is_service = ANSWERING_PORTS.contains(&asker.port()) || self.service_on(asker.port()).is_some();
        let is_forged = self.devices.is_own(asker.ip()) && input != Some(DeviceId::LOOPBACK);
        !is_service && !is_forged && !self.devices.is_for_many(asker.ip())
    }

    fn service_on(&self, port: u16) -> Option<u32> {
        let there = self.sockets.bound_to(Protocol::UDP, port);
        let is_service = |datagram: &Datagram| datagram.service.is_some();
        there.iter().copied().find(|index| self.sockets.entry(*index).datagram().is_some_and(is_service))
    }

    /// All of them, by port.
    pub(crate) fn services(&self) -> Vec<UdpService> {
        let services = self.sockets.bound_under(Protocol::UDP).filter_map(|index| {
            let datagram = self.sockets.entry(index).datagram()?;
            Some(UdpService { port: datagram.local?.port(), answer: datagram.service.clone()? })
        });
        services.collect()
    }

    /// Offers these services and no other.
    pub(crate) fn replace_services(&mut self, services: Vec<UdpService>) {
        for UdpService { port, .. } in self.services() {
            if let Some(index) = self.service_on(port) {
                self.sockets.unbind(Protocol::UDP, port, index);
                self.sockets.remove(index);
            }
        }
        for service in services {
            // It was offered before, and nobody else has come since.
            let offered = self.offer(service);
            debug_assert_eq!(offered, Ok(()), "its port was its own");
        }
    }
}

/// Ports of services that answer whatever they are asked: echo, daytime, quote of the day, characters, time (RFC 862, 867, 865,
/// 864, 868).
const ANSWERING_PORTS: [u16; 5] = [7, 13, 17, 19, 37];
/// What a datagram holds that fits an Ethernet frame.
const TEXT_BYTES_MAX: usize = 1472;
