//! What happens to a bond, and how Linux's log tells it.

use alloc::{format, string::String};
use core::net::Ipv4Addr;

use super::{Bond, Mode};
use crate::{
    device::{Device, Devices},
    frame::DeviceId,
    wire::{MacAddr, lacp::PortInfo},
};

/// What has happened to a bond, and what is to be done for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happening {
    /// A port's link says that it is down; so many milliseconds it is still used.
    GoingDown { port: DeviceId, is_active: bool, ms: u32 },
    /// It was down for so many milliseconds only.
    UpAgain { port: DeviceId, ms: u32 },
    /// A port is used no more.
    Down { port: DeviceId },
    /// A port's link says that it is up; so many milliseconds it is not used yet.
    ComingUp { port: DeviceId, ms: u32 },
    /// It was up for so many milliseconds only.
    DownAgain { port: DeviceId, ms: u32 },
    /// A port is used.
    Up { port: DeviceId },
    /// A port has become the active one.
    Active { port: DeviceId },
    /// The same of one whose `updelay` was not over.
    ActiveEarly { port: DeviceId, ms: u32 },
    /// The bond has a carrier again.
    CarrierUp,
    /// It has none any more.
    CarrierDown,
    /// An LACPDU is to be sent.
    Lacpdu { port: DeviceId, actor: PortInfo, partner: PortInfo },
    /// A port has heard itself, or another one of the bond.
    Loopback { port: DeviceId },
    /// Nobody answers LACPDUs.
    NoResponse,
    /// The link of a port with this number says no speed any more.
    SpeedZero { port: DeviceId, number: u16 },
    /// A port that would be up does not say how fast it is.
    NoSpeed { port: DeviceId },
    /// Neighbours are to be told where the bond is now (Linux: `NETDEV_NOTIFY_PEERS`).
    NotifyPeers,
    /// Switches are to learn that an Ethernet address is behind a port.
    Learn { port: DeviceId, mac: MacAddr },
    /// A station is to be told under which Ethernet address it finds this host.
    TellPeer { port: DeviceId, own: (MacAddr, Ipv4Addr), peer: (MacAddr, Ipv4Addr), tci: u16 },
    /// Targets are to be asked by a port.
    Probe { port: DeviceId },
    /// Somebody has answered by a port, the first one or of active-backup: it is used.
    Answered { port: DeviceId },
    /// The same where others are used already.
    NowUp { port: DeviceId },
    /// Nobody answers by a port that was one of several.
    NowDown { port: DeviceId },
    /// A port without a carrier had not been found out before.
    BackupDown { port: DeviceId },
}

impl Happening {
    /// The level of its line (Linux: `KERN_*`).
    pub(crate) const fn level(self) -> u8 {
        match self {
            Self::Loopback { .. } | Self::SpeedZero { .. } => 3,
            Self::NoResponse | Self::NoSpeed { .. } => 4,
            Self::GoingDown { .. }
            | Self::UpAgain { .. }
            | Self::Down { .. }
            | Self::ComingUp { .. }
            | Self::DownAgain { .. }
            | Self::Up { .. }
            | Self::Active { .. }
            | Self::ActiveEarly { .. }
            | Self::CarrierUp
            | Self::CarrierDown
            | Self::Lacpdu { .. }
            | Self::Probe { .. }
            | Self::Learn { .. }
            | Self::TellPeer { .. }
            | Self::Answered { .. }
            | Self::NowUp { .. }
            | Self::NowDown { .. }
            | Self::BackupDown { .. }
            | Self::NotifyPeers => 6,
        }
    }
}

impl Bond {
    /// The line of the kernel's log, without its time; none for what is not told there.
    pub(crate) fn log_line(&self, happening: Happening, devices: &Devices) -> Option<String> {
        let name = |id: DeviceId| devices.find(id).map_or("?", |device: &Device| device.name.as_str());
        let own = name(self.device);
        let of = |port: DeviceId, what: String| Some(format!("{own}: (slave {}): {what}", name(port)));
        match happening {
            Happening::GoingDown { port, is_active, ms } => {
                let which = match (self.options.mode, is_active) {
                    (Mode::ActiveBackup, true) => "active ",
                    (Mode::ActiveBackup, false) => "backup ",
                    (Mode::RoundRobin | Mode::Xor | Mode::Broadcast | Mode::Ieee8023ad | Mode::Tlb | Mode::Alb, _) => {
                        ""
                    }
                };
                of(port, format!("link status down for {which}interface, disabling it in {ms} ms"))
            }
            Happening::UpAgain { port, ms } => of(port, format!("link status up again after {ms} ms")),
            Happening::Down { port } => of(port, "link status definitely down, disabling slave".into()),
            Happening::ComingUp { port, ms } => of(port, format!("link status up, enabling it in {ms} ms")),
            Happening::DownAgain { port, ms } => of(port, format!("link status down again after {ms} ms")),
            Happening::Up { port } => {
                let said = self.ports.iter().find(|known| known.device == port)?.said;
                let duplex = if said.full_duplex == Some(false) { "half" } else { "full" };
                let speed = said.speed_mbps.unwrap_or(0);
                of(port, format!("link status definitely up, {speed} Mbps {duplex} duplex"))
            }
            Happening::Active { port } => of(port, "making interface the new active one".into()),
            Happening::ActiveEarly { port, ms } => {
                of(port, format!("making interface the new active one {ms} ms earlier"))
            }
            Happening::CarrierUp => Some(format!("{own}: active interface up!")),
            Happening::CarrierDown => Some(format!("{own}: now running without any active interface!")),
            Happening::Loopback { port } => {
                let advice = "Check the configuration to verify that all adapters are connected to 802.3ad compliant switch ports";
                of(port, format!("An illegal loopback occurred on slave\n{advice}"))
            }
            Happening::SpeedZero { port, number } => of(port, format!("speed changed to 0 on port {number}")),
            Happening::NoSpeed { port } => of(port, "failed to get link speed/duplex".into()),
            Happening::NoResponse => {
                let what = "No 802.3ad response from the link partner for any adapters in the bond";
                Some(format!("{own}: Warning: {what}"))
            }
            Happening::Answered { port } => of(port, "link status definitely up".into()),
            Happening::NowUp { port } => of(port, "interface is now up".into()),
            Happening::NowDown { port } => of(port, "interface is now down".into()),
            Happening::BackupDown { port } => of(port, "backup interface is now down".into()),
            Happening::NotifyPeers
            | Happening::Lacpdu { .. }
            | Happening::Probe { .. }
            | Happening::Learn { .. }
            | Happening::TellPeer { .. } => None,
        }
    }
}
