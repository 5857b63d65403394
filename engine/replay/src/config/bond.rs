//! `[[bond]]`: a bond over interfaces, under the names of Linux's options.

use core::net::IpAddr;

use towpath_engine::{
    DeviceId,
    device::{
        InterfaceAddress,
        bond::{ArpValidate, FailOverMac, HashPolicy, Mode, Options, PrimaryReselect, ad::AdSelect},
    },
    limits::BOND_PORTS_MAX,
    wire::MacAddr,
};

use super::{
    Config, Mistake,
    file::{addresses, device, networks},
    reader::{Fault, Table, Value},
    words::{DeviceName, Network},
};

/// A bond over interfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BondConfig {
    /// Its name in rules.
    pub name: String,
    /// The interfaces that are its ports, in their order.
    pub ports: Vec<DeviceId>,
    /// How it uses them.
    pub options: Options,
    /// Its addresses, the primary one first.
    pub addresses: Vec<InterfaceAddress>,
    /// Its Ethernet address; its first port's when `None`.
    pub mac: Option<MacAddr>,
    /// The largest packet it sends, in bytes; the least that its ports send when `None`.
    pub mtu_bytes: Option<u32>,
    /// Whether its neighbours are asked for their addresses; as its first port's when `None`.
    pub arp: Option<bool>,
    /// Networks that lie behind it, for splitting a capture by address.
    pub networks: Vec<Network>,
}

pub(super) fn bond(table: Table<'_>, config: &Config) -> Result<BondConfig, Fault> {
    let name_value = table.need("name")?;
    let DeviceName(name) = name_value.word()?;
    if config.devices().any(|(known, _)| known == name) {
        return Err(name_value.fault(Mistake::Twice { what: "[[interface]] or [[bond]]", name }));
    }
    let ports = ports(table.need("ports")?, config)?;
    let options = options(table, &|value| device(value, config))?;
    if let Err(error) = options.check(&ports) {
        return Err(table.fault(Mistake::Bond(error)));
    }
    let arp = table.find("arp").map(Value::boolean).transpose()?;
    if options.arp_interval_ms > 0 {
        may_ask(table, &ports, config)?;
    }
    if options.mode.balances_adaptively() {
        have_own_macs(table.need("ports")?, &ports, config)?;
    }
    Ok(BondConfig {
        name,
        ports,
        options,
        addresses: addresses(table, config)?,
        mac: table.find("mac").map(Value::word).transpose()?,
        mtu_bytes: table.find("mtu").map(|value| value.number(68..=65_535)).transpose()?.map(|mtu| mtu as u32),
        arp,
        networks: networks(table)?,
    })
}

/// Whether nothing says that a bond is to ask nobody which asks by what its links are judged: all of them would carry for ever.
fn may_ask(table: Table<'_>, ports: &[DeviceId], config: &Config) -> Result<(), Fault> {
    let first = ports.first().and_then(|port| config.interfaces.get(usize::from(port.0)));
    match (table.find("arp"), table.find("arp_interval")) {
        (Some(own), _) if !own.boolean()? => Err(own.expected("true beside 'arp_interval'")),
        (None, Some(interval)) if first.is_some_and(|first| first.arp == Some(false)) => {
            Err(interval.expected("0 where the first port's 'arp' is false, unless the [[bond]] has 'arp = true'"))
        }
        (Some(_) | None, _) => Ok(()),
    }
}

/// Whether each port has another Ethernet address than those before it, where the configuration gives any.
fn have_own_macs(value: Value<'_>, ports: &[DeviceId], config: &Config) -> Result<(), Fault> {
    let mac = |port: &DeviceId| config.interfaces.get(usize::from(port.0))?.mac;
    let is_taken = |number: usize| {
        mac(&ports[number]).is_some_and(|own| ports[..number].iter().any(|port| mac(port) == Some(own)))
    };
    let list = value.list()?;
    match list.into_iter().zip(0..ports.len()).find(|(_, number)| is_taken(*number)) {
        Some((twin, _)) => {
            Err(twin
                .expected("an [[interface]] whose 'mac' no port before it has, as 'mode' lets each send under its own"))
        }
        None => Ok(()),
    }
}

/// Interfaces without addresses, each of one bond only.
fn ports(value: Value<'_>, config: &Config) -> Result<Vec<DeviceId>, Fault> {
    const EXPECTED: &str = "a list of 1 to 32 [[interface]]s without addresses, each in one [[bond]] only";
    const _: () = assert!(BOND_PORTS_MAX == 32);
    let mut ports = Vec::new();
    for value in value.list()? {
        let port = device(value, config)?;
        let is_taken = config.bonds.iter().any(|bond| bond.ports.contains(&port)) || ports.contains(&port);
        let interface = config.interfaces.get(usize::from(port.0));
        if is_taken || interface.is_none_or(|interface| !interface.addresses.is_empty()) {
            return Err(value.expected(EXPECTED));
        }
        ports.push(port);
    }
    match (1..=BOND_PORTS_MAX).contains(&ports.len()) {
        true => Ok(ports),
        false => Err(value.expected(EXPECTED)),
    }
}

/// What a table says of a bond; `device` finds the port that a value names.
pub(crate) fn options(
    table: Table<'_>,
    device: &dyn Fn(Value<'_>) -> Result<DeviceId, Fault>,
) -> Result<Options, Fault> {
    let time = |key| milliseconds(table, key);
    let mode = table.find("mode").map(|value| one_of(value, MODE, Mode::ALL, Mode::name)).transpose()?;
    let mut options = Options { mode: mode.unwrap_or_default(), ..Options::default() };
    if !options.mode.may_probe() {
        options.miimon_ms = Options::MIIMON_DEFAULT_MS;
    }
    for (value, into) in [
        (time("miimon")?, &mut options.miimon_ms),
        (time("updelay")?, &mut options.updelay_ms),
        (time("downdelay")?, &mut options.downdelay_ms),
        (time("peer_notif_delay")?, &mut options.peer_notif_delay_ms),
    ] {
        *into = value.unwrap_or(*into);
    }
    if let Some(value) = table.find("xmit_hash_policy") {
        options.xmit_hash_policy = one_of(value, XMIT_HASH_POLICY, HashPolicy::ALL, HashPolicy::name)?;
    }
    options.primary = table.find("primary").map(device).transpose()?;
    if let Some(value) = table.find("primary_reselect") {
        let known = PrimaryReselect::ALL;
        options.primary_reselect =
            one_of(value, "\"always\", \"better\" or \"failure\"", known, PrimaryReselect::name)?;
    }
    if let Some(value) = table.find("fail_over_mac") {
        options.fail_over_mac =
            one_of(value, "\"none\", \"active\" or \"follow\"", FailOverMac::ALL, FailOverMac::name)?;
    }
    options.num_peer_notif = peer_notifications(table)?.unwrap_or(options.num_peer_notif);
    if let Some(value) = table.find("packets_per_slave") {
        options.packets_per_port = value.number(0..=u64::from(u16::MAX))? as u16;
    }
    if let Some(value) = table.find("all_slaves_active") {
        options.all_slaves_active = value.boolean()?;
    }
    if let Some(value) = table.find("tlb_dynamic_lb") {
        options.tlb_dynamic_lb = value.boolean()?;
    }
    if let Some(value) = table.find("lp_interval") {
        options.lp_interval_secs = value.number(1..=u64::from(Options::LP_INTERVAL_SECS_MAX))? as u32;
    }
    probe_options(table, &mut options)?;
    ad_options(table, &mut options)?;
    Ok(options)
}

/// Whom it asks whether its links carry.
fn probe_options(table: Table<'_>, options: &mut Options) -> Result<(), Fault> {
    options.arp_interval_ms = milliseconds(table, "arp_interval")?.unwrap_or_default();
    for value in table.list("arp_ip_target")? {
        let IpAddr::V4(target) = value.word()? else { return Err(value.expected("an IPv4 address")) };
        options.arp_ip_targets.push(target);
    }
    for value in table.list("ns_ip6_target")? {
        let IpAddr::V6(target) = value.word()? else { return Err(value.expected("an IPv6 address")) };
        options.ns_ip6_targets.push(target);
    }
    if let Some(value) = table.find("arp_validate") {
        options.arp_validate = one_of(value, ARP_VALIDATE, ArpValidate::ALL, ArpValidate::name)?;
    }
    if let Some(value) = table.find("arp_all_targets") {
        options.arp_all_targets =
            one_of(value, "\"any\" or \"all\"", [false, true], |is_all| if is_all { "all" } else { "any" })?;
    }
    if let Some(value) = table.find("arp_missed_max") {
        options.arp_missed_max = value.number(1..=u64::from(u8::MAX))? as u8;
    }
    Ok(())
}

/// Those of mode 802.3ad.
fn ad_options(table: Table<'_>, options: &mut Options) -> Result<(), Fault> {
    if let Some(value) = table.find("min_links") {
        options.min_links = value.number(0..=BOND_PORTS_MAX as u64)? as u8;
    }
    if let Some(value) = table.find("lacp_active") {
        options.lacp_active = value.boolean()?;
    }
    if let Some(value) = table.find("lacp_rate") {
        options.lacp_fast =
            one_of(value, "\"slow\" or \"fast\"", [false, true], |is_fast| if is_fast { "fast" } else { "slow" })?;
    }
    if let Some(value) = table.find("ad_select") {
        options.ad_select = one_of(value, AD_SELECT, AdSelect::ALL, AdSelect::name)?;
    }
    if let Some(value) = table.find("ad_actor_sys_prio") {
        options.ad_actor_sys_prio = value.number(1..=u64::from(u16::MAX))? as u16;
    }
    for value in table.list("actor_port_prio")? {
        options.actor_port_prios.push(value.number(0..=u64::from(u16::MAX))? as u16);
    }
    options.ad_actor_system = table.find("ad_actor_system").map(Value::word).transpose()?;
    if let Some(value) = table.find("ad_user_port_key") {
        options.ad_user_port_key = value.number(0..=u64::from(Options::USER_PORT_KEY_MAX))? as u16;
    }
    Ok(())
}

/// Both names are of one option (Linux v6.18: `drivers/net/bonding/bond_options.c`).
fn peer_notifications(table: Table<'_>) -> Result<Option<u8>, Fault> {
    match (table.find("num_grat_arp"), table.find("num_unsol_na")) {
        (Some(_), Some(value)) => Err(value.expected("left out where 'num_grat_arp' stands, which is the same")),
        (one, other) => {
            one.or(other).map(|value| value.number(0..=u64::from(u8::MAX))).transpose().map(|n| n.map(|n| n as u8))
        }
    }
}

fn milliseconds(table: Table<'_>, key: &'static str) -> Result<Option<u32>, Fault> {
    let most = u64::from(Options::TIME_MS_MAX);
    table.find(key).map(|value| Ok(value.number(0..=most)? as u32)).transpose()
}

/// One of some things that have names.
fn one_of<T: Copy, const N: usize>(
    value: Value<'_>,
    expected: &'static str,
    known: [T; N],
    name: impl Fn(T) -> &'static str,
) -> Result<T, Fault> {
    let text = value.text().map_err(|_| value.expected(expected))?;
    known.into_iter().find(|known| name(*known) == text).ok_or_else(|| value.expected(expected))
}

const MODE: &str = "\"balance-rr\", \"active-backup\", \"balance-xor\", \"broadcast\", \"802.3ad\", \"balance-tlb\" or \"balance-alb\"";
const XMIT_HASH_POLICY: &str = "\"layer2\", \"layer2+3\", \"layer3+4\", \"encap2+3\", \"encap3+4\" or \"vlan+srcmac\"";

const AD_SELECT: &str = "\"stable\", \"bandwidth\", \"count\" or \"actor_port_prio\"";
const ARP_VALIDATE: &str =
    "\"none\", \"active\", \"backup\", \"all\", \"filter\", \"filter_active\" or \"filter_backup\"";

pub(crate) const BOND: &[&str] = &[
    "name",
    "ports",
    "mode",
    "miimon",
    "updelay",
    "downdelay",
    "peer_notif_delay",
    "xmit_hash_policy",
    "primary",
    "primary_reselect",
    "fail_over_mac",
    "num_grat_arp",
    "num_unsol_na",
    "packets_per_slave",
    "arp_interval",
    "arp_ip_target",
    "ns_ip6_target",
    "arp_validate",
    "arp_all_targets",
    "arp_missed_max",
    "tlb_dynamic_lb",
    "lp_interval",
    "all_slaves_active",
    "min_links",
    "lacp_active",
    "lacp_rate",
    "ad_select",
    "actor_port_prio",
    "ad_actor_sys_prio",
    "ad_actor_system",
    "ad_user_port_key",
    "addresses",
    "mac",
    "mtu",
    "arp",
    "networks",
];

/// Options of Linux's that are not here.
pub(crate) const BOND_LATER: &[&str] =
    &["active_slave", "broadcast_neighbor", "coupled_control", "prio", "resend_igmp", "use_carrier"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_that_send_under_addresses_of_their_own_need_different_ones() {
        let read = |mode: &str, second: &str| {
            let mac = "mac='02:00:00:00:00:01'";
            let interfaces = format!("[[interface]]\nname='a'\n{mac}\n[[interface]]\nname='b'\n{second}\n");
            let bond = format!("[[bond]]\nname='x'\nmode='{mode}'\nports=['a','b']\n");
            Config::read("f", &(interfaces + &bond))
                .map(|config| config.bonds[0].ports.len())
                .map_err(|error| error.to_string())
        };
        let twin = "mac='02:00:00:00:00:01'";
        assert_eq!(read("active-backup", twin), Ok(2));
        assert_eq!(read("balance-alb", "mac='02:00:00:00:00:02'"), Ok(2));
        assert_eq!(read("balance-alb", ""), Ok(2));
        let expected = "an [[interface]] whose 'mac' no port before it has, as 'mode' lets each send under its own";
        for mode in ["balance-tlb", "balance-alb"] {
            assert_eq!(read(mode, twin).unwrap_err(), format!("f:10:12: 'ports' must be {expected}, not \"b\""));
        }
    }

    #[test]
    fn a_bond_that_asks_nobody_cannot_judge_links_by_answers() {
        let read = |of_port: &str, of_bond: &str| {
            let bond = "[[bond]]\nname='x'\nports=['a','b']\narp_ip_target='10.0.0.9'\narp_interval=100\n";
            let text =
                format!("[[interface]]\nname='a'\n{of_port}\n[[interface]]\nname='b'\narp=false\n{bond}{of_bond}");
            Config::read("f", &text).map(|config| config.bonds[0].arp).map_err(|error| error.to_string())
        };
        assert_eq!(read("", ""), Ok(None), "what another port says is not the bond's");
        assert_eq!(read("arp=true", ""), Ok(None));
        assert_eq!(read("arp=false", "arp=true"), Ok(Some(true)));
        assert_eq!(read("", "arp=false").unwrap_err(), "f:12:5: 'arp' must be true beside 'arp_interval', not false");
        let of_first = "'arp_interval' must be 0 where the first port's 'arp' is false, unless the [[bond]] has 'arp = true', not 100";
        assert_eq!(read("arp=false", "").unwrap_err(), format!("f:11:14: {of_first}"));
        let silent = "[[interface]]\nname='a'\narp=false\n[[bond]]\nname='x'\nports='a'\nmiimon=100\n";
        assert_eq!(Config::read("f", silent).unwrap().bonds[0].options.miimon_ms, 100, "nobody is to be asked");
    }
}
