//! A bond as `/proc/net/bonding` prints it.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::{
    fmt::{self, Write},
    net::{Ipv4Addr, Ipv6Addr},
};

use super::{
    Bond, FailOverMac, LinkState, Mode, Port,
    ad::{Ad, AdPort},
};
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
        if let Some(ad) = &self.ad {
            self.write_ad(ad, names, out)?;
        }
        for (place, port) in self.ports.iter().enumerate() {
            Self::write_port(port, names, out)?;
            if let Some((ad, port)) = self.ad.as_ref().and_then(|ad| Some((ad, ad.ports.get(place)?))) {
                write_ad_port(ad, port, out)?;
            }
        }
        Ok(())
    }

    /// Linux v6.18: `drivers/net/bonding/bond_procfs.c`, `bond_info_show_master()`.
    fn write_master(&self, names: &Names<'_>, out: &mut String) -> fmt::Result {
        let options = &self.options;
        write!(out, "Bonding Mode: {}", options.mode.description())?;
        if options.mode == Mode::ActiveBackup && options.fail_over_mac != FailOverMac::None {
            write!(out, " (fail_over_mac {})", options.fail_over_mac.name())?;
        }
        writeln!(out)?;
        if options.uses_xmit_hash() {
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
        writeln!(out, "Peer Notification Delay (ms): {}", options.peer_notif_delay() * options.miimon_ms)?;
        if options.arp_interval_ms == 0 {
            return Ok(());
        }
        writeln!(out, "ARP Polling Interval (ms): {}", options.arp_interval_ms)?;
        writeln!(out, "ARP Missed Max: {}", options.arp_missed_max)?;
        write_targets("ARP IP target/s (n.n.n.n form)", &options.arp_ip_targets, out)?;
        let compressed: Vec<_> = options.ns_ip6_targets.iter().copied().map(Compressed).collect();
        write_targets("NS IPv6 target/s (xx::xx form)", &compressed, out)
    }

    /// What 802.3ad adds, as somebody sees it who may administer the network.
    fn write_ad(&self, ad: &Ad, names: &Names<'_>, out: &mut String) -> fmt::Result {
        let options = &self.options;
        writeln!(out, "\n802.3ad info")?;
        writeln!(out, "LACP active: {}", if options.lacp_active { "on" } else { "off" })?;
        writeln!(out, "LACP rate: {}", if options.lacp_fast { "fast" } else { "slow" })?;
        writeln!(out, "Min links: {}", options.min_links)?;
        writeln!(out, "Aggregator selection policy (ad_select): {}", options.ad_select.name())?;
        writeln!(out, "System priority: {}", ad.system_priority)?;
        writeln!(out, "System MAC address: {}", ad.system)?;
        let Some((place, active)) = ad.active().and_then(|place| Some((place, ad.aggregators.get(place)?))) else {
            return writeln!(out, "bond {} has no active aggregator", names.of(self.device));
        };
        writeln!(out, "Active Aggregator Info:")?;
        writeln!(out, "\tAggregator ID: {}", place + 1)?;
        writeln!(out, "\tNumber of ports: {}", ad.active_ports(place))?;
        writeln!(out, "\tActor Key: {}", active.actor_key)?;
        writeln!(out, "\tPartner Key: {}", active.partner_key)?;
        writeln!(out, "\tPartner Mac Address: {}", active.partner_system)
    }

    /// Linux v6.18: `drivers/net/bonding/bond_procfs.c`, `bond_info_show_slave()`.
    fn write_port(port: &Port, names: &Names<'_>, out: &mut String) -> fmt::Result {
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

/// A line with addresses.
fn write_targets(title: &str, targets: &[impl fmt::Display], out: &mut String) -> fmt::Result {
    write!(out, "{title}:")?;
    for (place, target) in targets.iter().enumerate() {
        write!(out, "{}{target}", if place == 0 { " " } else { ", " })?;
    }
    writeln!(out)
}

/// An address as the kernel prints it with `%pI6c`: one of ISATAP (RFC 5214, 6.1), too, has its last four bytes as those of IPv4, and nothing of
/// them is left out with other zeros (Linux v6.18: `lib/vsprintf.c`, `ip6_compressed_string()`).
struct Compressed(Ipv6Addr);

impl fmt::Display for Compressed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, local @ (0 | 0x200), 0x5efe, _, _] = self.0.segments() else { return self.0.fmt(f) };
        // No zeros are next to the last words of this one.
        let text = Ipv6Addr::from([a, b, c, d, local, 0x5efe, 1, 1]).to_string();
        let [.., w, x, y, z] = self.0.octets();
        write!(f, "{}{}", text.strip_suffix("1:1").unwrap_or(&text), Ipv4Addr::new(w, x, y, z))
    }
}

/// The same of a port.
fn write_ad_port(ad: &Ad, port: &AdPort, out: &mut String) -> fmt::Result {
    let Some(aggregator) = port.aggregator() else { return writeln!(out, "Aggregator ID: N/A") };
    let ([actor, partner], [actor_count, partner_count]) = (port.churn, port.churn_counts);
    writeln!(out, "Aggregator ID: {}", aggregator + 1)?;
    writeln!(out, "Actor Churn State: {}", actor.description())?;
    writeln!(out, "Partner Churn State: {}", partner.description())?;
    writeln!(out, "Actor Churned Count: {actor_count}")?;
    writeln!(out, "Partner Churned Count: {partner_count}")?;
    for (end, key, info) in
        [("actor", "port key", port.actor(ad.system, ad.system_priority)), ("partner", "oper key", port.partner)]
    {
        writeln!(out, "details {end} lacp pdu:")?;
        writeln!(out, "    system priority: {}", info.system_priority.get())?;
        writeln!(out, "    system mac address: {}", info.system)?;
        writeln!(out, "    {key}: {}", info.key.get())?;
        writeln!(out, "    port priority: {}", info.port_priority.get())?;
        writeln!(out, "    port number: {}", info.port.get())?;
        writeln!(out, "    port state: {}", info.state.0)?;
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_isatap_ends_like_one_of_ipv4_as_a_mapped_one_does() {
        for (address, text) in [
            ("fe80::5efe:a00:1", "fe80::5efe:10.0.0.1"),
            ("fe80::200:5efe:c000:201", "fe80::200:5efe:192.0.2.1"),
            ("2001:db8:0:1:0:5efe:c000:201", "2001:db8:0:1:0:5efe:192.0.2.1"),
            ("2001:db8:0:0:1:200:5efe:0", "2001:db8::1:200:5efe:0"),
            ("2001:db8:1:2:200:5efe::", "2001:db8:1:2:200:5efe:0.0.0.0"),
            ("::5efe:0:0", "::5efe:0.0.0.0"),
            ("::ffff:a00:1", "::ffff:10.0.0.1"),
            ("::a00:1", "::a00:1"),
            ("fe80::100:5efe:a00:1", "fe80::100:5efe:a00:1"),
            ("fe80::5eff:a00:1", "fe80::5eff:a00:1"),
        ] {
            let address: Ipv6Addr = address.parse().unwrap();
            assert_eq!(Compressed(address).to_string(), text);
        }
    }
}
