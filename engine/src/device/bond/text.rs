//! A bond as `/proc/net/bonding` prints it.

use alloc::string::String;
use core::fmt::{self, Write};

use super::{Bond, FailOverMac, LinkState, Mode, Port};
use crate::{
    device::{Device, Devices},
    frame::DeviceId,
};

impl Bond {
    /// The text, with the names that `devices` have.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_procfs.c`, `bond_info_seq_show()`. The version in the first line is that of the kernel
    /// whose behaviour this is.
    #[must_use]
    pub fn text(&self, devices: &Devices) -> String {
        let mut text = String::new();
        // Writing to memory does not fail.
        let _ = self.write(&Names(devices), &mut text);
        text
    }

    fn write(&self, names: &Names<'_>, out: &mut String) -> fmt::Result {
        writeln!(out, "Ethernet Channel Bonding Driver: v6.18.0\n")?;
        self.write_master(names, out)?;
        self.ports.iter().try_for_each(|port| self.write_port(port, names, out))
    }

    /// Linux v6.18: `drivers/net/bonding/bond_procfs.c`, `bond_info_show_master()`.
    fn write_master(&self, names: &Names<'_>, out: &mut String) -> fmt::Result {
        let options = &self.options;
        write!(out, "Bonding Mode: {}", options.mode.description())?;
        if options.mode == Mode::ActiveBackup && options.fail_over_mac != FailOverMac::None {
            write!(out, " (fail_over_mac {})", options.fail_over_mac.name())?;
        }
        writeln!(out)?;
        if options.mode.uses_xmit_hash() {
            let policy = options.xmit_hash_policy;
            writeln!(out, "Transmit Hash Policy: {policy} ({})", policy.number())?;
        }
        if options.mode.uses_primary() {
            write!(out, "Primary Slave: {}", names.or_none(options.primary))?;
            if options.primary.is_some() {
                write!(out, " (primary_reselect {})", options.primary_reselect.name())?;
            }
            writeln!(out, "\nCurrently Active Slave: {}", names.or_none(self.active()))?;
        }
        writeln!(out, "MII Status: {}", if self.carrier { "up" } else { "down" })?;
        writeln!(out, "MII Polling Interval (ms): {}", options.miimon_ms)?;
        writeln!(out, "Up Delay (ms): {}", options.updelay() * options.miimon_ms)?;
        writeln!(out, "Down Delay (ms): {}", options.downdelay() * options.miimon_ms)?;
        writeln!(out, "Peer Notification Delay (ms): {}", options.peer_notif_delay() * options.miimon_ms)
    }

    /// Linux v6.18: `drivers/net/bonding/bond_procfs.c`, `bond_info_show_slave()`.
    fn write_port(&self, port: &Port, names: &Names<'_>, out: &mut String) -> fmt::Result {
        writeln!(out, "\nSlave Interface: {}", names.of(port.device))?;
        writeln!(out, "MII Status: {}", port.link.description())?;
        match port.said.speed_mbps {
            Some(speed) => writeln!(out, "Speed: {speed} Mbps")?,
            None => writeln!(out, "Speed: Unknown")?,
        }
        let duplex = match port.said.full_duplex {
            Some(true) => "full",
            Some(false) => "half",
            None => "Unknown",
        };
        writeln!(out, "Duplex: {duplex}")?;
        writeln!(out, "Link Failure Count: {}", port.failures)?;
        writeln!(out, "Permanent HW addr: {}", port.permanent)?;
        writeln!(out, "Slave queue ID: 0")
    }
}

impl LinkState {
    /// Linux v6.18: `include/net/bonding.h`, `bond_slave_link_status()`.
    const fn description(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Fail => "going down",
            Self::Down => "down",
            Self::Back => "going back",
        }
    }
}

/// Names of devices.
struct Names<'a>(&'a Devices);

impl Names<'_> {
    fn of(&self, id: DeviceId) -> &str {
        self.0.find(id).map_or("?", |device: &Device| device.name.as_str())
    }

    fn or_none(&self, id: Option<DeviceId>) -> &str {
        id.map_or("None", |id| self.of(id))
    }
}
