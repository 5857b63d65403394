//! From whom to whom, with ports or without.

use core::net::{IpAddr, Ipv6Addr};

use super::{
    HeaderSketch, Ipv4Sketch, Ipv6Sketch, Ports,
    cursor::{Cursor, TextError},
};

/// Both ends of a packet as they are written. Of IPv6 it may be open whether there are ports.
pub(super) struct Ends {
    bare: Option<(IpAddr, IpAddr)>,
    with_ports: Option<((IpAddr, IpAddr), Ports)>,
}

impl Ends {
    /// Reads `SOURCE > DESTINATION`.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, TextError> {
        let source = End::read(cursor)?;
        cursor.expect(">")?;
        let here = cursor.clone();
        let destination = End::read(cursor)?;
        let bare = source.bare.zip(destination.bare);
        let with_ports = source
            .with_port
            .zip(destination.with_port)
            .map(|((from, source), (to, destination))| ((from, to), Ports { source, destination }));
        let ends = Self { bare, with_ports };
        let of_one_family = ends.addresses(ends.with_ports.is_some()).map(|(from, to)| from.is_ipv4() == to.is_ipv4());
        match of_one_family {
            Some(true) => Ok(ends),
            Some(false) => Err(here.error("an address of the same family as the other")),
            None => Err(here.error("a port here too, or none at all")),
        }
    }

    /// Whether they can be read with ports; if not, they can without.
    pub(super) const fn may_have_ports(&self) -> bool {
        self.with_ports.is_some()
    }

    /// Whether they can be read without ports.
    pub(super) const fn may_be_bare(&self) -> bool {
        self.bare.is_some()
    }

    /// The ports, if they are read with them.
    pub(super) fn ports(&self) -> Option<Ports> {
        self.with_ports.map(|(_, ports)| ports)
    }

    /// The header of a packet between them; `None`: they cannot be read so.
    pub(super) fn header(&self, with_ports: bool) -> Option<HeaderSketch> {
        Some(match self.addresses(with_ports)? {
            (IpAddr::V4(source), IpAddr::V4(destination)) => HeaderSketch::V4(Ipv4Sketch {
                source,
                destination,
                ttl: None,
                tos: None,
                id: None,
                dont_fragment: None,
            }),
            (IpAddr::V6(source), IpAddr::V6(destination)) => HeaderSketch::V6(Ipv6Sketch {
                source,
                destination,
                hop_limit: None,
                traffic_class: None,
                flow_label: None,
                id: None,
            }),
            _ => return None,
        })
    }

    fn addresses(&self, with_ports: bool) -> Option<(IpAddr, IpAddr)> {
        if with_ports { self.with_ports.map(|(addresses, _)| addresses) } else { self.bare }
    }
}

/// One end, as far as its text can be read.
struct End {
    bare: Option<IpAddr>,
    with_port: Option<(IpAddr, u16)>,
}

impl End {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, TextError> {
        if cursor.takes("[") {
            return Self::in_brackets(cursor);
        }
        let word = cursor.peek();
        let bare = word.parse().ok();
        let with_port = match word.rsplit_once(':') {
            Some((address, port)) => match (address.parse::<IpAddr>(), port.parse()) {
                (Ok(address), Ok(port)) => Some((address, port)),
                // Of IPv6, what follows the colon may belong to the address.
                (Ok(IpAddr::V4(_)), Err(_)) => return Err(cursor.error(PORT)),
                (Ok(IpAddr::V6(_)), Err(_)) if bare.is_none() => return Err(cursor.error(PORT)),
                (Ok(_) | Err(_), _) => None,
            },
            None => None,
        };
        if bare.is_none() && with_port.is_none() {
            return Err(cursor.error("an IP address, with a port or without"));
        }
        cursor.next();
        Ok(Self { bare, with_port })
    }

    /// Behind the first bracket.
    fn in_brackets(cursor: &mut Cursor<'_>) -> Result<Self, TextError> {
        let address = IpAddr::V6(cursor.value::<Ipv6Addr>("an IPv6 address")?);
        cursor.expect("]")?;
        let Some(port) = cursor.peek().strip_prefix(':') else {
            return Ok(Self { bare: Some(address), with_port: None });
        };
        let port = port.parse().map_err(|_| cursor.error(PORT))?;
        cursor.next();
        Ok(Self { bare: None, with_port: Some((address, port)) })
    }
}

const PORT: &str = "a port from 0 to 65535";
