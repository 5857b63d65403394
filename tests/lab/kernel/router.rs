//! The scenario's router as an engine: two devices without ARP, permanent neighbours, rules, services.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use towpath_engine::{
    Command, DeviceId, Engine, Instant, Subscription,
    conntrack::{
        Family, TimeoutKind, TimeoutPolicy,
        helper::{Helper, HelperMode},
    },
    device::{Device, InterfaceAddress},
    ip::{Route, RouteKind, prefix},
    netfilter::{Loading, RuleSet, Source},
    socket::{ServiceAnswer, UdpService},
    trace::TraceLevel,
    wire::MacAddr,
};

use super::{
    Folder,
    scenario::{CommandLine, RouteLine, Scenario, Side},
};
/// The sides, in the order of their devices.
pub(super) const SIDES: [&str; 2] = ["inside", "outside"];
/// The router's Ethernet addresses.
pub(super) const ROUTER_MAC: [MacAddr; 2] = [MacAddr([2, 0, 0, 0, 1, 1]), MacAddr([2, 0, 0, 0, 2, 1])];
/// The Ethernet addresses of everybody else.
pub(super) const HOST_MAC: [MacAddr; 2] = [MacAddr([2, 0, 0, 0, 1, 2]), MacAddr([2, 0, 0, 0, 2, 2])];

/// Tunables that the oracle sets before the scenario's own.
const BASE_SYSCTLS: [(&str, u32); 10] = [
    ("net.ipv4.ip_forward", 1),
    ("net.ipv4.conf.inside.rp_filter", 0),
    ("net.ipv4.conf.outside.rp_filter", 0),
    ("net.ipv4.icmp_ratelimit", 0),
    ("net.ipv4.icmp_ratemask", 0),
    ("net.ipv4.icmp_msgs_per_sec", 1_000_000),
    ("net.ipv4.icmp_msgs_burst", 1_000_000),
    ("net.ipv6.conf.all.forwarding", 1),
    ("net.ipv6.icmp.ratelimit", 0),
    ("net.netfilter.nf_conntrack_acct", 1),
];

/// Builds the router. `seen` are the addresses that the capture mentions: those on a link become neighbours. Where nobody has written
/// down which flow labels it gives it gives none, unless the scenario says that it does. `seed` decides what else nobody has written
/// down.
///
/// # Errors
/// When the scenario asks for something that cannot be built.
pub(super) fn build(
    scenario: &Scenario,
    folder: Folder<'_>,
    seen: &BTreeSet<IpAddr>,
    labels_flows: bool,
    seed: u64,
    helpers: Vec<Box<dyn Helper>>,
    now: Instant,
) -> Result<Engine> {
    let mut engine = Engine::new(seed);
    let mut give = |command: Command| engine.handle_command(now, command).map_err(anyhow::Error::from);
    for (index, side) in [&scenario.inside, &scenario.outside].into_iter().enumerate() {
        give(Command::AddDevice(device(index, side)?))?;
    }
    for route in &scenario.routes {
        give(Command::AddRoute(parse_route(route)?))?;
    }
    for command in neighbours(scenario, seen)? {
        give(command)?;
    }
    for helper in helpers {
        give(Command::LoadHelper(helper))?;
    }
    give(Command::SetHelperMode(HelperMode::Kernel))?;
    for (name, value) in BASE_SYSCTLS.into_iter().chain([("net.ipv6.auto_flowlabels", labels_flows.into())]) {
        give(Command::SetSysctl(name.into(), value))?;
    }
    for command in &scenario.setup {
        for command in set_up(command)? {
            give(command)?;
        }
    }
    for service in &scenario.local_services {
        ensure!(["", "::"].contains(&&service.addr[..]), "only services on all addresses: {service:?}");
        let answer = match (&service.proto[..], &service.reply, service.echo) {
            ("udp", Some(text), _) => ServiceAnswer::Text(text.clone().into_bytes()),
            ("udp", None, Some(false)) => ServiceAnswer::Discard,
            ("udp", None, _) => ServiceAnswer::Echo,
            // What reaches a listener ends the play: see `answer.rs`.
            ("tcp", ..) => continue,
            _ => bail!("only UDP and TCP services: {service:?}"),
        };
        give(Command::OfferUdp(UdpService { port: service.port, answer }))?;
    }
    give(Command::Subscribe(Subscription { conntrack: true, log: true, helper: true, endings: true }))?;
    give(Command::Trace(TraceLevel::Path))?;
    let texts = [(Family::Ipv4, scenario.rules(folder)?), (Family::Ipv6, scenario.ip6tables.joined())];
    let helpers = engine.helpers().known();
    let sets = sets(scenario);
    let mut both = Vec::new();
    for (family, text) in &texts {
        let timeouts = Some(engine.conntrack().timeout_policies());
        let loading = Loading { family: *family, helpers: &helpers, timeouts, ..Loading::default() };
        let mut sources = vec![Source { name: "scenario.json", text }];
        sources.extend((!sets.is_empty()).then_some(Source { name: "setup", text: &sets }));
        both.push(RuleSet::parse(&sources, &loading)?);
    }
    for rules in both {
        engine.handle_command(now, Command::ReplaceRules(Box::new(rules)))?;
    }
    // Behind the rules, as in the kernel's network: a rule that needs connections to be counted has switched that on.
    for (name, value) in &scenario.sysctls {
        engine.handle_command(now, Command::SetSysctl(name.clone(), *value))?;
    }
    Ok(engine)
}

/// The number of a side.
///
/// # Errors
/// When there is no such side.
pub(super) fn side(name: &str) -> Result<DeviceId> {
    let index = SIDES.iter().position(|known| *known == name || known[..1] == *name);
    index.map(|index| DeviceId(index as u16)).with_context(|| format!("'{name}' is no side"))
}

fn device(index: usize, side: &Side) -> Result<Device> {
    Ok(Device {
        name: SIDES[index].into(),
        mac: ROUTER_MAC[index],
        mtu_bytes: side.mtu.unwrap_or(1500),
        addresses: side.addrs.iter().map(|text| parse_network(text)).collect::<Result<_>>()?,
        any_destination: false,
        arp: false,
        ..Device::default()
    })
}

/// An address with its prefix length; without one, all bits count.
///
/// # Errors
/// When it is no network.
pub(super) fn parse_network(text: &str) -> Result<InterfaceAddress> {
    let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let address: IpAddr = address.parse().with_context(|| format!("'{text}' is no address"))?;
    let longest = prefix::longest(address);
    let prefix = length.map_or(Ok(longest), str::parse).with_context(|| format!("'{text}' has no right length"))?;
    ensure!(prefix <= longest, "'{text}' has no right prefix length");
    Ok(InterfaceAddress { address, prefix })
}

fn parse_route(line: &RouteLine) -> Result<Route> {
    let is_v6 = line.via.as_ref().is_some_and(|via| via.contains(':'));
    let network = match &line.dst[..] {
        "default" if is_v6 => "::/0",
        "default" => "0.0.0.0/0",
        network => network,
    };
    let (kind, network) = match network.split_once(' ') {
        Some((kind, rest)) => (kind, rest),
        None => ("unicast", network),
    };
    let InterfaceAddress { address: destination, prefix } = parse_network(network)?;
    let kind = match kind {
        "unicast" => RouteKind::Unicast {
            device: side(line.dev.as_deref().context("a route needs a device")?)?,
            via: line.via.as_deref().map(str::parse).transpose()?,
        },
        "blackhole" => RouteKind::Blackhole,
        "unreachable" => RouteKind::Unreachable,
        "prohibit" => RouteKind::Prohibit,
        "throw" => RouteKind::Throw,
        other => bail!("route type '{other}' is not supported"),
    };
    let mut route = Route::new(destination, prefix, kind);
    for pair in line.extra.chunks(2) {
        match pair {
            [name, value] if name == "mtu" => route.metrics.mtu_bytes = Some(value.parse()?),
            [name, value] if name == "metric" => route.metric = value.parse()?,
            other => bail!("route option {other:?} is not supported"),
        }
    }
    Ok(route)
}

/// Every address on a link that the scenario or the capture mentions becomes a permanent neighbour.
fn neighbours(scenario: &Scenario, seen: &BTreeSet<IpAddr>) -> Result<Vec<Command>> {
    let mut wanted = seen.clone();
    for text in scenario.routes.iter().filter_map(|route| route.via.as_ref()).chain(&scenario.neighbours) {
        wanted.insert(text.parse().with_context(|| format!("'{text}' is no address"))?);
    }
    let mut commands = Vec::new();
    for (index, side) in [&scenario.inside, &scenario.outside].into_iter().enumerate() {
        let device = DeviceId(index as u16);
        for text in &side.addrs {
            let own = parse_network(text)?;
            let (network, last) = (own.network(), last_of(own));
            // Of a network of one or two addresses, the tool leaves out both ends, too.
            let is_host = |address: &IpAddr| *address != own.address && *address != network && *address != last;
            let on_link = wanted.iter().filter(|address| own.contains(**address) && is_host(address));
            commands.extend(on_link.map(|&address| Command::AddNeighbour { device, address, mac: HOST_MAC[index] }));
        }
        for (address, mac) in &side.neigh {
            let address = address.parse().with_context(|| format!("'{address}' is no address"))?;
            commands.push(Command::AddNeighbour { device, address, mac: parse_mac(mac)? });
        }
    }
    Ok(commands)
}

/// The last address of a network.
fn last_of(own: InterfaceAddress) -> IpAddr {
    match own.network() {
        IpAddr::V4(v4) => (v4 | Ipv4Addr::from_bits(u32::MAX.checked_shr(own.prefix.into()).unwrap_or(0))).into(),
        IpAddr::V6(v6) => (v6 | Ipv6Addr::from_bits(u128::MAX.checked_shr(own.prefix.into()).unwrap_or(0))).into(),
    }
}

fn parse_mac(text: &str) -> Result<MacAddr> {
    let bytes: Vec<u8> = text.split(':').map(|byte| u8::from_str_radix(byte, 16)).collect::<Result<_, _>>()?;
    let octets = bytes.try_into().map_err(|_| anyhow!("'{text}' is no Ethernet address"))?;
    Ok(MacAddr(octets))
}

/// The sets that `ipset` commands of `setup` make, as text of `ipset restore`.
fn sets(scenario: &Scenario) -> String {
    let lines =
        scenario.setup.iter().map(CommandLine::words).filter(|words| words.first().is_some_and(|word| word == "ipset"));
    lines.map(|words| words[1..].join(" ") + "\n").collect()
}

/// What a command of `setup` means here; one that is not understood is an error.
fn set_up(line: &CommandLine) -> Result<Vec<Command>> {
    let words = line.words();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["ip", "route", "add", ref rest @ ..] | ["ip", "-6", "route", "add", ref rest @ ..] => {
            Ok(vec![Command::AddRoute(parse_ip_route(rest)?)])
        }
        ["ip", "addr" | "address", "add", network, .., "dev", device] => {
            Ok(vec![Command::AddAddress(side(device)?, parse_network(network)?)])
        }
        // Sets go into the text that rules come from: see `sets`.
        ["ipset", ..] => Ok(Vec::new()),
        ["nfct", "add", "timeout", name, family, kind, ref states @ ..] => {
            Ok(vec![Command::SetTimeoutPolicy(timeout_policy(name, family, kind, states)?)])
        }
        ["sysctl", ref rest @ ..] => {
            let settings = rest.iter().filter(|word| !word.starts_with('-'));
            settings
                .map(|setting| {
                    let (name, value) = setting.split_once('=').with_context(|| format!("no '=' in '{setting}'"))?;
                    Ok(Command::SetSysctl(name.into(), value.parse()?))
                })
                .collect()
        }
        _ => bail!("setup command '{}' is not supported", words.join(" ")),
    }
}

/// The words behind `nfct add timeout`.
fn timeout_policy(name: &str, family: &str, kind: &str, states: &[&str]) -> Result<TimeoutPolicy> {
    let family = if family == "inet6" { Family::Ipv6 } else { Family::Ipv4 };
    let kind = TimeoutKind::by_name(kind).with_context(|| format!("'{kind}' is no protocol with timeouts"))?;
    let mut policy = TimeoutPolicy::new(name.into(), family, kind);
    for pair in states.chunks(2) {
        let [state, secs] = pair else { bail!("'nfct add timeout' ends inside a pair") };
        ensure!(policy.set(state, secs.parse()?), "'{state}' is no state of {}", policy.kind.name);
    }
    Ok(policy)
}

/// The words behind `ip route add`.
fn parse_ip_route(words: &[&str]) -> Result<Route> {
    let (kind, words) = match words {
        [kind @ ("unicast" | "blackhole" | "unreachable" | "prohibit" | "throw"), rest @ ..] => (Some(*kind), rest),
        _ => (None, words),
    };
    let [network, options @ ..] = words else { bail!("'ip route add' names no network") };
    let dst = kind.map_or_else(|| (*network).into(), |kind| format!("{kind} {network}"));
    let mut line = RouteLine { dst, via: None, dev: None, extra: Vec::new() };
    for pair in options.chunks(2) {
        match *pair {
            ["via", address] => line.via = Some(address.into()),
            ["dev", device] => line.dev = Some(device.into()),
            [name, value] => line.extra.extend([name.into(), value.into()]),
            _ => bail!("'ip route add' ends inside an option"),
        }
    }
    parse_route(&line)
}
