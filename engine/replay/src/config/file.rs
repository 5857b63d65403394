//! From text to [`Config`].

use core::{
    net::{IpAddr, Ipv6Addr},
    ops::RangeInclusive,
    time::Duration,
};

use towpath_engine::{
    DeviceId,
    device::{Feature, InterfaceAddress, Vlan},
    ip::{Route, RouteKind},
    wire::EtherType,
};

use super::{
    CaptureName, Config, HelperConfig, Interface, Located, Mistake, Neighbour, VlanConfig,
    bond::{BOND, BOND_LATER, bond},
    metrics::{METRICS, metrics},
    reader::{Fault, Table, Text, Value, Word, document},
    service::{Offered, RELAY, SERVICE, relay, service},
    sysctl::{need_interfaces_of, sysctls_of},
    timeout::timeouts,
    words::{DeviceName, Filtering, Mapping, Network, Ports},
};

pub(super) fn read(file: &str, text: &str) -> Result<Config, Fault> {
    let document = document(text)?;
    let top = Table::open("the configuration", 0, document.get_ref(), TOP, LATER)?;
    let text = Text(text);
    let mut config = Config { file: file.to_owned(), ..Config::default() };
    config.seed = top.find("seed").map(|value| value.number(0..=u64::MAX)).transpose()?;
    devices(&text, top, &mut config)?;
    config.address_places = places_of(&text, top, "addresses")?;
    config.network_places = places_of(&text, top, "networks")?;
    for value in top.list("route")? {
        let table = value.table("[[route]]", ROUTE, &[])?;
        config.routes.push(route(table, &config)?);
        let to = table.need("to")?;
        config.network_places.push(text.locate(to.at(), to.word()?));
    }
    for value in top.list("neighbour")? {
        config.neighbours.push(neighbour(value.table("[[neighbour]]", NEIGHBOUR, &[])?, &config)?);
    }
    if let Some(value) = top.find("rules") {
        let rules = value.table("[rules]", RULES, &[])?;
        config.rules_v4 = rules.find("v4").map(|value| text.name(value)).transpose()?;
        config.sets = rules.find("sets").map(|value| text.name(value)).transpose()?;
        config.rules_v6 = rules.find("v6").map(|value| text.name(value)).transpose()?;
    }
    if let Some(value) = top.find("host") {
        let device = value.table("[host]", HOST, &[])?.need("device")?;
        let DeviceName(name) = device.word()?;
        if config.interfaces.iter().any(|known| known.device.value == name) {
            return Err(device.fault(Mistake::Twice { what: "device of an interface or of [host]", name }));
        }
        config.host = Some(text.locate(device.at(), name));
    }
    for value in top.list("helper")? {
        let helper = text.helper(value.table("[[helper]]", HELPER, &[])?)?;
        if config.helpers.iter().any(|known| known.name.value == helper.name.value) {
            return Err(value.fault(Mistake::Twice { what: "[[helper]]", name: helper.name.value }));
        }
        config.helpers.push(helper);
    }
    for value in top.list("service")? {
        match service(&text, value.table("[[service]]", SERVICE, &[])?, &config)? {
            Offered::Datagrams(service) => config.services.push(service),
            Offered::Stream(service) => config.stream_services.push(service),
        }
    }
    for value in top.list("relay")? {
        config.stream_services.push(relay(value.table("[[relay]]", RELAY, &[])?, &config)?);
    }
    config.timeouts = timeouts(top.list("timeout")?)?;
    config.helper_mode = top.find("helper_mode").map(Value::word).transpose()?;
    if let Some(value) = top.find("nat") {
        let nat = value.table("[nat]", NAT, &[])?;
        if let Some(Mapping(number)) = nat.find("mapping").map(Value::word).transpose()? {
            config.sysctls.push(("towpath.nat.mapping".into(), number));
        }
        if let Some(Filtering(number)) = nat.find("filtering").map(Value::word).transpose()? {
            config.sysctls.push(("towpath.nat.filtering".into(), number));
        }
    }
    if let Some(value) = top.find("sysctl") {
        sysctls_of(value, &mut config.sysctls)?;
        need_interfaces_of(value, &config)?;
    }
    if let Some(value) = top.find("capture") {
        let capture = value.table("[capture]", CAPTURE, &[])?;
        config.taken_at = capture.find("taken_at").map(Value::word).transpose()?;
    }
    Ok(config)
}

/// Reads what there are of devices, each after those that it may name.
fn devices(text: &Text<'_>, top: Table<'_>, config: &mut Config) -> Result<(), Fault> {
    for value in top.list("interface")? {
        let interface = text.interface(value.table("[[interface]]", INTERFACE, INTERFACE_LATER)?, config)?;
        config.interfaces.push(interface);
    }
    for value in top.list("bond")? {
        let bond = bond(value.table("[[bond]]", BOND, BOND_LATER)?, config)?;
        config.bonds.push(bond);
    }
    for value in top.list("vlan")? {
        let vlan = vlan(text, value.table("[[vlan]]", VLAN, &[])?, config)?;
        config.vlans.push(vlan);
    }
    Ok(())
}

impl Text<'_> {
    fn interface(&self, table: Table<'_>, config: &Config) -> Result<Interface, Fault> {
        let name_value = table.need("name")?;
        let DeviceName(name) = name_value.word()?;
        if config.interfaces.iter().any(|known| known.name == name) {
            return Err(name_value.fault(Mistake::Twice { what: "[[interface]]", name }));
        }
        let addresses = addresses(table, config)?;
        let device = match table.find("device") {
            Some(value) => {
                let DeviceName(device) = value.word()?;
                self.locate(value.at(), device)
            }
            None => self.locate(name_value.at(), name.clone()),
        };
        Ok(Interface {
            name,
            addresses,
            mac: table.find("mac").map(Value::word).transpose()?,
            mtu_bytes: table.find("mtu").map(|value| value.number(68..=65_535)).transpose()?.map(|mtu| mtu as u32),
            arp: table.find("arp").map(Value::boolean).transpose()?,
            device,
            features: table.find("features").map_or(Ok(Vec::new()), features)?,
            gro_flush_timeout: nanoseconds(table, "gro_flush_timeout")?,
            captures: table.list("capture")?.into_iter().map(capture_name).collect::<Result<_, _>>()?,
            networks: networks(table)?,
        })
    }

    fn helper(&self, table: Table<'_>) -> Result<HelperConfig, Fault> {
        let number = |key, range: RangeInclusive<u64>| {
            let value: Option<Value<'_>> = table.find(key);
            value.map(|value| Ok(self.locate(value.at(), value.number(range)?))).transpose()
        };
        let ports = |value: Value<'_>| match value.integer() {
            Some(port @ 1..=65_535) => Ok(port as u16..=port as u16),
            Some(_) | None => value.word().map(|Ports(ports)| ports),
        };
        let place = |key| table.find(key).map(|value| (value, value.at()));
        Ok(HelperConfig {
            name: self.name(table.need("name")?)?,
            component: table.find("component").map(|value| self.name(value)).transpose()?,
            ports: match table.find("ports") {
                Some(value) => Some(value.list()?.into_iter().map(ports).collect::<Result<_, _>>()?),
                None => None,
            },
            expect_ports: match place("expect_ports") {
                Some((value, at)) => Some(self.locate(at, ports(value)?)),
                None => None,
            },
            expectations: number("expectations", 1..=65_535)?.map(|found| found.map(|count| count as u16)),
            timeout: match place("timeout") {
                Some((value, at)) => Some(self.locate(at, value.word::<Duration>()?)),
                None => None,
            },
            rewrite_bytes: number("rewrite_bytes", 0..=65_535)?.map(|found| found.map(|bytes| bytes as u16)),
            fuel: number("fuel", 1..=u64::MAX)?,
            memory_bytes: number("memory_bytes", 65_536..=u64::from(u32::MAX))?
                .map(|found| found.map(|bytes| bytes as u32)),
            loose: match place("loose") {
                Some((value, at)) => Some(self.locate(at, value.boolean()?)),
                None => None,
            },
            on_failure: table.find("on_failure").map(Value::word).transpose()?,
        })
    }
}

impl<T> Located<T> {
    /// The same place with another value.
    fn map<U>(self, change: impl FnOnce(T) -> U) -> Located<U> {
        Located { value: change(self.value), line: self.line, column: self.column }
    }
}

/// The networks behind a device.
pub(super) fn networks(table: Table<'_>) -> Result<Vec<Network>, Fault> {
    table.list("networks")?.into_iter().map(Value::word).collect()
}

/// What Linux refuses too: `ip addr add ff02::1/64` and `::/0` fail, all of IPv4 is taken.
const ADDRESS_OF_ONE: &str = "addresses of one host: no interface can have a multicast address of IPv6, nor ::";

/// All devices' addresses or networks with their places, for what is remarked about them.
fn places_of<T: Word>(text: &Text<'_>, top: Table<'_>, list: &'static str) -> Result<Vec<Located<T>>, Fault> {
    let mut places = Vec::new();
    for (key, name, known, later) in [
        ("interface", "[[interface]]", INTERFACE, INTERFACE_LATER),
        ("bond", "[[bond]]", BOND, BOND_LATER),
        ("vlan", "[[vlan]]", VLAN, &[][..]),
    ] {
        for device in top.list(key)? {
            for value in device.table(name, known, later)?.list(list)? {
                places.push(text.locate(value.at(), value.word()?));
            }
        }
    }
    Ok(places)
}

/// The addresses of a device.
pub(super) fn addresses(table: Table<'_>, config: &Config) -> Result<Vec<InterfaceAddress>, Fault> {
    let mut addresses: Vec<InterfaceAddress> = Vec::new();
    for value in table.list("addresses")? {
        let address: InterfaceAddress = value.word()?;
        if matches!(address.address, IpAddr::V6(v6) if v6.is_multicast() || v6.is_unspecified()) {
            return Err(value.expected(ADDRESS_OF_ONE));
        }
        let all = config.devices().flat_map(|(_, addresses)| addresses).chain(&addresses);
        if all.into_iter().any(|known| known.address == address.address) {
            let name = address.address.to_string();
            return Err(value.fault(Mistake::Twice { what: "the address", name }));
        }
        addresses.push(address);
    }
    Ok(addresses)
}

fn vlan(text: &Text<'_>, table: Table<'_>, config: &Config) -> Result<VlanConfig, Fault> {
    let parent_value = table.need("parent")?;
    let parent = device(parent_value, config)?;
    if let Some(bond) = config.bonds.iter().find(|bond| bond.ports.contains(&parent)) {
        return Err(parent_value.fault(Mistake::PortOf { bond: bond.name.clone() }));
    }
    let id = table.need("id")?.number(0..=u64::from(Vlan::ID_MAX))? as u16;
    let tpid = table.find("protocol").map_or(Ok(EtherType::VLAN), tag_protocol)?.0;
    let (name, named) = match table.find("name") {
        Some(value) => (value.word()?, value),
        None => {
            let name = format!("{}.{id}", parent_value.text()?);
            (DeviceName::read(&name).ok_or_else(|| table.fault(Mistake::VlanName(name)))?, parent_value)
        }
    };
    let DeviceName(name) = name;
    let vlan = Vlan { parent, tpid, id };
    if config.devices().any(|(known, _)| known == name) || config.vlans.iter().any(|known| known.vlan == vlan) {
        return Err(named.fault(Mistake::Twice { what: "[[vlan]]", name }));
    }
    let mtu = |value: Value<'_>| Ok::<_, Fault>(text.locate(value.at(), value.number(68..=65_535)? as u32));
    Ok(VlanConfig {
        name,
        vlan,
        addresses: addresses(table, config)?,
        mac: table.find("mac").map(Value::word).transpose()?,
        mtu_bytes: table.find("mtu").map(mtu).transpose()?,
        arp: table.find("arp").map(Value::boolean).transpose()?,
        networks: networks(table)?,
    })
}

fn tag_protocol(value: Value<'_>) -> Result<EtherType, Fault> {
    match value.text()? {
        "802.1Q" | "802.1q" => Ok(EtherType::VLAN),
        "802.1ad" => Ok(EtherType::SERVICE_VLAN),
        _ => Err(value.expected("\"802.1Q\" or \"802.1ad\"")),
    }
}

/// A time as `/sys` has it; none where it is not told. The longest is what Linux takes: 2^31 ns.
fn nanoseconds(table: Table<'_>, key: &'static str) -> Result<Duration, Fault> {
    let value = table.find(key).map(|value| value.number(0..=i32::MAX as u64)).transpose()?;
    Ok(Duration::from_nanos(value.unwrap_or(0)))
}

/// Reads a table of features.
pub(crate) fn features(value: Value<'_>) -> Result<Vec<(Feature, bool)>, Fault> {
    let mut features = Vec::new();
    value.leaves("", &mut |name, value| {
        if name.is_empty() {
            return Err(value.expected("a table, such as { tso = false }"));
        }
        let feature = Feature::by_name(&name).ok_or_else(|| value.fault(Mistake::NoFeature(name)))?;
        features.push((feature, value.boolean()?));
        Ok(())
    })?;
    // What is switched together first, so that one of it can be told otherwise.
    features.sort_by_key(|(feature, _)| Feature::all().position(|known| known == *feature));
    Ok(features)
}

fn capture_name(value: Value<'_>) -> Result<CaptureName, Fault> {
    const EXPECTED: &str = "an interface of the capture: its name, its number from 0, or \"ifindex:N\"";
    if let Some(number) = value.integer() {
        return u16::try_from(number).map(CaptureName::Number).map_err(|_| value.expected(EXPECTED));
    }
    let text = value.text().map_err(|_| value.expected(EXPECTED))?;
    match text.strip_prefix("ifindex:") {
        Some(number) => match number.parse() {
            Ok(number @ 1..) => Ok(CaptureName::Ifindex(number)),
            Ok(0) | Err(_) => Err(value.expected(EXPECTED)),
        },
        None => Ok(CaptureName::Name(text.to_owned())),
    }
}

fn route(table: Table<'_>, config: &Config) -> Result<Route, Fault> {
    let (via, interface) = (table.find("via"), table.find("interface"));
    let Network { address, prefix } = destination(table.need("to")?, via)?;
    let kind = match (table.find("kind"), via, interface) {
        (Some(kind), None, None) => refusing(kind)?,
        (Some(kind), Some(_), _) | (Some(kind), _, Some(_)) => {
            return Err(kind.expected("left out where there is 'via' or 'interface'"));
        }
        (None, via, Some(interface)) => {
            RouteKind::Unicast { device: device(interface, config)?, via: via.map(Value::word).transpose()? }
        }
        (None, Some(via), None) => next_hop(via, config)?,
        (None, None, None) => {
            let mistake = Mistake::Missing { key: "via", table: table.name };
            return Err(Fault { at: table.at, mistake });
        }
    };
    let metric = table.find("metric").map_or(Ok(0), |value| value.number(0..=u64::from(u32::MAX)))?;
    let metric = metric as u32;
    let route = Route { metric, metrics: metrics(table)?, ..Route::new(address, prefix, kind) };
    let same = |known: &&Route| (known.destination, known.prefix, known.metric) == (address, prefix, route.metric);
    match config.routes.iter().find(same) {
        Some(_) => {
            let mistake = Mistake::Twice { what: "a [[route]] of that metric to", name: format!("{address}/{prefix}") };
            Err(Fault { at: table.at, mistake })
        }
        None => Ok(route),
    }
}

/// A route's network; `default` is of its router's family.
fn destination(to: Value<'_>, via: Option<Value<'_>>) -> Result<Network, Fault> {
    let network: Network = to.word()?;
    let Some(via) = via else { return Ok(network) };
    let router: IpAddr = via.word()?;
    match (network, router) {
        (Network { address: IpAddr::V4(_), prefix: 0 }, IpAddr::V6(_)) if to.text()? == "default" => {
            Ok(Network { address: Ipv6Addr::UNSPECIFIED.into(), prefix: 0 })
        }
        (Network { address, .. }, router) if address.is_ipv4() != router.is_ipv4() => {
            Err(via.expected("an address of the family that 'to' has"))
        }
        (network, _) => Ok(network),
    }
}

fn refusing(kind: Value<'_>) -> Result<RouteKind, Fault> {
    const EXPECTED: &str = "\"blackhole\", \"unreachable\" or \"prohibit\"";
    match kind.text().map_err(|_| kind.expected(EXPECTED))? {
        "blackhole" => Ok(RouteKind::Blackhole),
        "unreachable" => Ok(RouteKind::Unreachable),
        "prohibit" => Ok(RouteKind::Prohibit),
        _ => Err(kind.expected(EXPECTED)),
    }
}

fn next_hop(via: Value<'_>, config: &Config) -> Result<RouteKind, Fault> {
    let address: IpAddr = via.word()?;
    let on_link = |(_, addresses): (&str, &[InterfaceAddress])| addresses.iter().any(|own| own.contains(address));
    match config.devices().position(on_link) {
        Some(index) => Ok(RouteKind::Unicast { device: DeviceId(index as u16), via: Some(address) }),
        None => Err(via.fault(Mistake::NextHop(address.to_string()))),
    }
}

fn neighbour(table: Table<'_>, config: &Config) -> Result<Neighbour, Fault> {
    let device = device(table.need("interface")?, config)?;
    Ok(Neighbour { device, address: table.need("address")?.word()?, mac: table.need("mac")?.word()? })
}

pub(super) fn device(value: Value<'_>, config: &Config) -> Result<DeviceId, Fault> {
    let name = value.text()?;
    match config.devices().position(|(known, _)| known == name) {
        Some(index) => Ok(DeviceId(index as u16)),
        None => Err(value.fault(Mistake::NoInterface(name.to_owned()))),
    }
}

const TOP: &[&str] = &[
    "seed",
    "interface",
    "bond",
    "vlan",
    "route",
    "neighbour",
    "rules",
    "host",
    "helper",
    "helper_mode",
    "timeout",
    "service",
    "relay",
    "nat",
    "sysctl",
    "capture",
];
const LATER: &[&str] = &["bridge"];
const INTERFACE: &[&str] =
    &["name", "addresses", "mac", "mtu", "arp", "device", "features", "gro_flush_timeout", "capture", "networks"];
const INTERFACE_LATER: &[&str] = &["queues"];
const VLAN: &[&str] = &["parent", "id", "protocol", "name", "addresses", "mac", "mtu", "arp", "networks"];
/// Where it leads, and what it says of the way.
const ROUTE: &[&str] = &{
    const WAY: [&str; 5] = ["to", "via", "interface", "kind", "metric"];
    let mut keys = [""; WAY.len() + METRICS.len()];
    let (way, metrics) = keys.split_at_mut(WAY.len());
    way.copy_from_slice(&WAY);
    metrics.copy_from_slice(METRICS);
    keys
};
const NEIGHBOUR: &[&str] = &["interface", "address", "mac"];
const RULES: &[&str] = &["v4", "v6", "sets"];
const HOST: &[&str] = &["device"];
const NAT: &[&str] = &["mapping", "filtering"];
const HELPER: &[&str] = &[
    "name",
    "component",
    "ports",
    "expect_ports",
    "expectations",
    "timeout",
    "rewrite_bytes",
    "fuel",
    "memory_bytes",
    "loose",
    "on_failure",
];
const CAPTURE: &[&str] = &["taken_at"];
