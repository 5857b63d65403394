//! What travels beside a packet's bytes: behind a bar, `| gso 1448`.

use core::{fmt, str::FromStr};

use towpath_engine::{
    Checksum, DeviceId, Frame, Gso, GsoKind, Packet, Transmit, offload::checksum, packet::Pool, wire::Protocol,
};

use super::script::ScriptFault;

/// What travels beside a packet's bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// Payload bytes of a super-packet's segments.
    gso: Option<u16>,
}

impl Beside {
    pub(super) fn of(transmit: &Transmit) -> Self {
        Self { gso: transmit.gso().map(|gso| gso.size) }
    }

    /// Gives a frame to `take` with what belongs to it. A super-packet's checksum is left to the device.
    pub(super) fn with_frame<T>(&self, device: DeviceId, bytes: &[u8], take: impl FnOnce(&Frame<'_>) -> T) -> T {
        let Some(size) = self.gso else { return take(&Frame::new(device, bytes)) };
        let Ok(mut packet) = Packet::parse(&mut Pool::new(), &Frame::new(device, bytes)) else {
            return take(&Frame::new(device, bytes));
        };
        let kind = if packet.protocol() == Protocol::UDP { GsoKind::Udp } else { GsoKind::Tcp4 };
        checksum::leave_to_device(&mut packet);
        let bytes = [packet.linear(), &packet.fragments().collect::<Vec<_>>().concat()].concat();
        let start = u16::try_from(bytes.len() - packet.transport_len()).unwrap_or(u16::MAX);
        let checksum = Checksum::Partial { start, offset: if kind == GsoKind::Udp { 6 } else { 16 } };
        let gso = Some(Gso { kind, size, segments: 0, fixed_id: false });
        take(&Frame { checksum, gso, ..Frame::new(device, &bytes) })
    }
}

impl FromStr for Beside {
    type Err = ScriptFault;

    fn from_str(text: &str) -> Result<Self, ScriptFault> {
        let mut beside = Self::default();
        let mut words = text.split_whitespace();
        while let Some(word) = words.next() {
            let number = words.next().and_then(|number| number.parse().ok());
            match (word, number) {
                ("gso", Some(size)) => beside.gso = Some(size),
                _ => return Err(ScriptFault::Beside(word.to_owned())),
            }
        }
        Ok(beside)
    }
}

impl fmt::Display for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gso } = self;
        if *self != Self::default() {
            f.write_str(" |")?;
        }
        gso.map_or(Ok(()), |size| write!(f, " gso {size}"))
    }
}
