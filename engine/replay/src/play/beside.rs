//! What travels beside a packet's bytes: behind a bar, `| gso 1448 vlan 10`.

use core::{fmt, str::FromStr};

use towpath_engine::{
    Checksum, DeviceId, Frame, Gso, GsoKind, Packet, Transmit, VlanTag,
    offload::checksum,
    packet::Pool,
    wire::{EtherType, Protocol},
};

use super::script::ScriptFault;
use crate::tags;

/// What travels beside a packet's bytes, or around the packet between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// Payload bytes of a super-packet's segments.
    gso: Option<u16>,
    /// The tag beside the bytes.
    vlan: Option<VlanTag>,
    /// Tags between the bytes, the outermost one first.
    tags: Vec<VlanTag>,
}

impl Beside {
    pub(crate) fn of(transmit: &Transmit) -> Self {
        let gso = transmit.gso().map(|gso| gso.size);
        Self { gso, vlan: transmit.vlan(), tags: tags::all(transmit.head()) }
    }

    /// The tags between a frame's bytes.
    pub(crate) fn in_bytes(frame: &[u8]) -> Self {
        Self { tags: tags::all(frame), ..Self::default() }
    }

    /// Gives a frame to `take` with what belongs to it. A super-packet's checksum is left to the device.
    pub(super) fn with_frame<T>(&self, device: DeviceId, bytes: &[u8], take: impl FnOnce(&Frame<'_>) -> T) -> T {
        let plain = Frame::new(device, bytes);
        let mut bytes = bytes.to_vec();
        let (mut checksum, mut gso) = (Checksum::None, None);
        if let Some(size) = self.gso
            && let Ok(mut packet) = Packet::parse(&mut Pool::new(), &plain)
        {
            let is_udp = packet.protocol() == Protocol::UDP;
            checksum::leave_to_device(&mut packet);
            bytes = [packet.linear(), &packet.fragments().collect::<Vec<_>>().concat()].concat();
            let start = bytes.len() - packet.transport_len() + self.tags.len() * tags::BYTES;
            let start = u16::try_from(start).unwrap_or(u16::MAX);
            checksum = Checksum::Partial { start, offset: if is_udp { 6 } else { 16 } };
            let kind = match packet.ipv6() {
                _ if is_udp => GsoKind::Udp,
                Some(_) => GsoKind::Tcp6,
                None => GsoKind::Tcp4,
            };
            gso = Some(Gso { kind, size, segments: 0, fixed_id: false });
        }
        for tag in self.tags.iter().rev() {
            tags::insert(&mut bytes, *tag);
        }
        take(&Frame { checksum, gso, vlan: self.vlan, ..Frame::new(device, &bytes) })
    }
}

impl FromStr for Beside {
    type Err = ScriptFault;

    fn from_str(text: &str) -> Result<Self, ScriptFault> {
        let mut beside = Self::default();
        let mut words = text.split_whitespace();
        let mut is_inside = false;
        while let Some(word) = words.next() {
            if word == "in" {
                is_inside = true;
                continue;
            }
            let number = words.next().and_then(|number| number.parse().ok());
            let tag = |tpid: EtherType| number.map(|tci| VlanTag { tpid: tpid.0, tci });
            let tag = match word {
                "vlan" => tag(EtherType::VLAN),
                "svlan" => tag(EtherType::SERVICE_VLAN),
                _ => None,
            };
            match (word, tag) {
                ("gso", None) if number.is_some() => beside.gso = number,
                (_, Some(tag)) if is_inside => beside.tags.push(tag),
                (_, Some(tag)) => beside.vlan = Some(tag),
                (_, None) => return Err(ScriptFault::Beside(word.to_owned())),
            }
        }
        Ok(beside)
    }
}

impl fmt::Display for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gso, vlan, tags } = self;
        if *self != Self::default() {
            f.write_str(" |")?;
        }
        if let Some(size) = gso {
            write!(f, " gso {size}")?;
        }
        let tag = |f: &mut fmt::Formatter<'_>, tag: &VlanTag| {
            write!(f, " {} {}", if tag.tpid == EtherType::VLAN.0 { "vlan" } else { "svlan" }, tag.tci)
        };
        if let Some(vlan) = vlan {
            tag(f, vlan)?;
        }
        if !tags.is_empty() {
            f.write_str(" in")?;
        }
        tags.iter().try_for_each(|inner| tag(f, inner))
    }
}
