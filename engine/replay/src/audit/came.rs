//! What comes out of a gateway on the bench.

use towpath_engine::packet::{
    Sketch,
    sketch::{HeaderSketch, IpSketch, Ipv4Sketch, Kind},
};

use super::carrier::Endpoint;
use crate::play::Happening;

/// An IPv4 packet that came out.
#[derive(Clone, Debug)]
pub(super) struct Came {
    pub(super) device: String,
    /// The header of `packet`.
    pub(super) header: Ipv4Sketch,
    pub(super) packet: IpSketch,
}

impl Came {
    /// From whom; of an ICMP query, with its identifier.
    pub(super) fn source(&self) -> Endpoint {
        Endpoint { address: self.header.source, port: ports(&self.packet.kind).0 }
    }

    /// Which error it is (type and code), and from whom to whom the packet went that it quotes.
    pub(super) fn error(&self) -> Option<((u8, u8), [Endpoint; 2])> {
        let Kind::Icmp(icmp) = &self.packet.kind else { return None };
        let about = icmp.about.as_ref()?;
        let HeaderSketch::V4(header) = &about.header else { return None };
        let (source, destination) = ports(&about.kind);
        let ends = [(header.source, source), (header.destination, destination)];
        Some(((icmp.kind, icmp.code), ends.map(|(address, port)| Endpoint { address, port })))
    }

    /// From whom to whom.
    pub(super) fn ends(&self) -> [Endpoint; 2] {
        [self.source(), self.destination()]
    }

    /// The MTU that an ICMP error names.
    pub(super) fn mtu(&self) -> Option<u32> {
        match &self.packet.kind {
            Kind::Icmp(icmp) => icmp.mtu,
            Kind::Udp(_) | Kind::Tcp(_) | Kind::Fragment { .. } | Kind::Other(_) => None,
        }
    }

    /// The packet in words.
    pub(super) fn words(&self) -> String {
        Sketch::Ip(self.packet.clone()).to_string()
    }

    /// To whom; of an ICMP query, with its identifier.
    pub(super) fn destination(&self) -> Endpoint {
        Endpoint { address: self.header.destination, port: ports(&self.packet.kind).1 }
    }
}

/// From which port to which; an ICMP query's identifier is both.
fn ports(kind: &Kind) -> (u16, u16) {
    match kind {
        Kind::Udp(ports) => (ports.source, ports.destination),
        Kind::Tcp(tcp) => (tcp.ports.source, tcp.ports.destination),
        Kind::Icmp(icmp) => {
            let id = icmp.id.unwrap_or_default();
            (id, id)
        }
        Kind::Fragment { .. } | Kind::Other(_) => (0, 0),
    }
}

/// What came out, and the same in words.
pub(super) fn outputs(happened: &[Happening]) -> (Vec<Came>, Vec<String>) {
    let mut came = Vec::new();
    let mut said = Vec::new();
    for happening in happened {
        match (happening.out(), happening.drop_reason()) {
            (Some((device, Sketch::Ip(packet @ IpSketch { header: HeaderSketch::V4(header), .. }))), _) => {
                let packet = Came { device: device.to_owned(), header: header.clone(), packet: packet.clone() };
                said.push(format!("{device} > {}", packet.words()));
                came.push(packet);
            }
            (Some((device, sketch)), _) => said.push(format!("{device} > {sketch}")),
            (None, Some(reason)) => said.push(format!("x {}", reason.name())),
            (None, None) => {}
        }
    }
    (came, said)
}

#[cfg(test)]
impl Came {
    /// A packet that would have come out of a device, in the one notation.
    pub(super) fn read(device: &str, packet: &str) -> Self {
        let Ok(Sketch::Ip(packet @ IpSketch { header: HeaderSketch::V4(_), .. })) = packet.parse() else {
            panic!("'{packet}' is an IPv4 packet")
        };
        let HeaderSketch::V4(header) = packet.header.clone() else { unreachable!("it is one") };
        Self { device: device.to_owned(), header, packet }
    }
}
