//! `towpath run`: the gateway on a wire.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow};
use clap::Args;
use rustix::{
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, socket_with},
    thread::{CapabilitySet, capabilities},
};
use towpath::{
    af_packet::{Claim, DeviceError, Extent, HostPort, Interface, PacketDevice, Port, RingOptions},
    checksum,
    clock::{Clock, SystemClock},
    control::{Listener, Server},
    gateway::{Gateway, State},
    helpers::Workshop,
    host::Host,
    limits::{RING_SLOTS_DEFAULT, RING_SLOTS_MAX, RING_SLOTS_MIN},
    links::{Links, Watched},
    napi::Budget,
    notices::Notices,
    privileges::{User, drop_privileges},
    services::Services,
    signals::Signals,
    state,
    withholder::Withholder,
    worker::Worker,
};
use towpath_engine::{DeviceId, Engine, device::TagsBeyondMtu, wire::MacAddr};
use towpath_replay::config::{Config, Hardware, Interface as InterfaceConfig, Located};

use super::{
    Answer, Control,
    outputs::{files_of, outputs, overwrite_nothing},
};

/// Run a gateway on the devices of this network namespace.
///
/// The devices should have no addresses and not forward: the gateway does both. SIGINT and SIGTERM stop it; then it shows
/// what it has counted.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// What the gateway is.
    #[arg(short, long, value_name = "gateway.toml")]
    config: PathBuf,
    /// Become this user once everything is open (only as root outside of a user namespace).
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Frames that may wait in each device's receive ring: as many as this where it is a power of two, else rounded up; `ethtool -g` shows how many.
    #[arg(long, value_name = "N", default_value_t = RING_SLOTS_DEFAULT,
        value_parser = clap::value_parser!(u32).range(i64::from(RING_SLOTS_MIN)..=i64::from(RING_SLOTS_MAX)))]
    ring_slots: u32,
    /// Send through the devices' queueing disciplines (tc) instead of past them. Only then does tcpdump on a device of the gateway see
    /// what it sends by it.
    #[arg(long)]
    qdisc: bool,
    /// Withhold from the machine's own network stack what comes to the devices' Ethernet addresses, for each packet of which it would look for a
    /// way in vain; as long as a device has an address of the machine's, or is a port, nothing of it is. Only where nothing else on the machine uses the
    /// devices: no ipvlan or macvtap over them, no DHCP client.
    #[arg(long)]
    withhold: bool,
    /// Show the counts as one JSON object (towpath.stats/1) at the end.
    #[arg(long)]
    json: bool,
    /// Go on from this state: connections, counters and all else that is not in the configuration. Its devices must be those of
    /// the configuration; tunables, neighbours and rules that the configuration says otherwise are the configuration's. From one that is not there yet it goes
    /// on with nothing, and says so.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Save the state here when the gateway is stopped; only its owner may read it.
    #[arg(long, value_name = "FILE")]
    state_out: Option<PathBuf>,
    #[command(flatten)]
    control: Control,
}

impl Run {
    pub(crate) fn main(self) -> Result<Answer> {
        let gateway = Gateway::read(Some(&self.config), NO_RULES)?;
        let config = gateway.config.clone().unwrap_or_default();
        let control = self.control.path();
        overwrite_nothing(
            &outputs([("--control", Some(&control)), ("--state-out", self.state_out.as_ref())]),
            &files_of(&self.config, &config),
        )?;
        may_open_devices(&config)?;
        let user = self.user.as_deref().map(User::find).transpose()?;
        let found = find_interfaces(&config)?;
        let state = self.state.as_deref().map(read_state).transpose()?.flatten();
        let has_state = state.is_some();
        let state = state.as_ref().map(|(name, bytes)| State { name, bytes });
        let mut engine = gateway.engine_from(state, random_seed()?, checksum::routines(), |device, _| {
            let interface = &found[usize::from(device.0)];
            Hardware {
                mac: interface.mac,
                // The loopback device has one more than fits into a packet's length field.
                mtu_bytes: interface.mtu_bytes.min(u16::MAX.into()),
                arp: true,
                any_destination: false,
                link: interface.link,
                tags_beyond_mtu: TagsBeyondMtu::FirstOfCustomer,
            }
        })?;
        // From here on there is something to leave in order. Before, a signal ends the program at once, whatever is being compiled.
        let signals = Signals::listen().context("listening to signals")?;
        let listener = bind(&control)?;
        let _claims = claim_devices(&config, &found)?;
        // Last, since frames arrive from here on.
        let mut rings = self.open_devices(&config, &found)?;
        rings.extend(open_host_port(&config, &engine)?.map(Port::Host));
        let withholder = self.withhold.then(|| withhold(&found, self.user.as_deref())).flatten();
        drop_privileges(user).context("dropping privileges")?;
        // As whoever it is by now.
        if let Some(file) = &self.state_out {
            state::check_writable(file).map_err(|error| anyhow!("{}: {error}", file.display()))?;
        }
        let links = watch_links(&config, &found)?;
        let mut clock = SystemClock::start();
        let services = Services::offer(&mut engine, clock.now(), &config, worker()?)?;
        // That nobody reads it keeps no gateway from running.
        let _ = announce(&config, &engine, &found, &self.control);
        if let (Some(file), false) = (&self.state, has_state) {
            let _ = writeln!(
                io::stderr(),
                "towpath: warning: {} is not there yet; nothing is gone on with",
                file.display()
            );
        }
        let worker = worker()?;
        let (budget, server) = (Budget::default(), Some(Server::new(listener, worker)));
        let workshop = Workshop::new(config);
        let host = Host::new(engine, rings, budget, server, workshop, signals, clock);
        let host = host.offering(services).watching(Some(links)).withholding(withholder);
        let notices = Notices::to(io::stderr()).context("making the thread that writes notices")?;
        let (report, engine) = host.run(notices)?;
        let saved = self.state_out.as_ref().map_or(Ok(()), |file| {
            state::write(file, &engine.save()).map_err(|error| anyhow!("{}: {error}", file.display()))
        });
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&report)?)?;
        } else {
            write!(out, "{report}")?;
        }
        saved.map(|()| Answer::Fine)
    }

    fn open_devices(&self, config: &Config, found: &[Interface]) -> Result<Vec<Port>> {
        let ids = (0..).map(DeviceId);
        let wanted = config.interfaces.iter().zip(found).zip(ids);
        wanted
            .map(|((interface, found), id)| {
                let is_other = |mac: Option<MacAddr>| mac.is_some_and(|mac| mac != found.mac);
                let mut vlans =
                    config.vlans.iter().filter(|vlan| config.ports_of(vlan.vlan.parent).any(|port| port == id));
                let options = RingOptions {
                    slots: self.ring_slots,
                    // The device takes only what is sent to its own address; as a port it has a bond's.
                    promiscuous: is_other(interface.mac)
                        || vlans.any(|vlan| is_other(vlan.mac))
                        || config.bond_of(id).is_some(),
                    qdisc_bypass: !self.qdisc,
                };
                let opened = PacketDevice::open(&found.name, id, options);
                opened.map(Port::Device).map_err(|error| at_interface(config, interface, error))
            })
            .collect()
    }
}

/// What nobody could run without is looked at first: whatever fails later for want of it would tell less.
fn may_open_devices(config: &Config) -> Result<()> {
    // Of no protocol, it receives nothing.
    let probe = socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::CLOEXEC, None);
    let may_make = capabilities(None).map_or(true, |own| own.effective.contains(CapabilitySet::NET_ADMIN));
    let lacking = match &config.host {
        _ if matches!(probe, Err(Errno::PERM | Errno::ACCESS)) => "CAP_NET_RAW, which packet sockets need",
        Some(_) if !may_make => "CAP_NET_ADMIN, which the device of [host] needs",
        Some(_) | None => return Ok(()),
    };
    Err(anyhow!("no permission: run as root, with {lacking}, or in a namespace of your own (`unshare -Urn`)"))
}

/// The control socket.
fn bind(path: &Path) -> Result<Listener> {
    Listener::bind(path).map_err(|error| {
        let told = error.to_string();
        let elsewhere = if told.contains("--control") { "" } else { "; --control PATH puts it elsewhere" };
        anyhow!("{told}{elsewhere}")
    })
}

/// The port to this machine, if there is to be one. It carries no packet that some device could not.
fn open_host_port(config: &Config, engine: &Engine) -> Result<Option<HostPort>> {
    let Some(place) = &config.host else { return Ok(None) };
    let mtu_bytes = engine.devices().iter().map(|(_, device)| device.mtu_bytes).min().unwrap_or(HOST_MTU_BYTES);
    let port = HostPort::open(&place.value, mtu_bytes);
    port.map(Some).map_err(|error| anyhow!("{}:{}:{}: {error}", config.file, place.line, place.column))
}

/// Watches the links of all devices: bonds look at them, and the engine is to know what they do.
fn watch_links(config: &Config, found: &[Interface]) -> Result<Links> {
    let watched = (0..).map(DeviceId).zip(config.interfaces.iter().zip(found)).map(|(device, (interface, found))| {
        Watched { device, name: found.name.clone(), index: found.index, mtu_bytes_max: interface.mtu_bytes, said: None }
    });
    Links::watch(watched.collect()).context("watching the links of devices")
}

/// Sees to it that no other gateway is on these devices.
fn claim_devices(config: &Config, found: &[Interface]) -> Result<Vec<Option<Claim>>> {
    let claims = config.interfaces.iter().zip(found).map(|(interface, found)| {
        Claim::to(&found.name).map_err(|holder| {
            let place = &interface.device;
            anyhow!("{}:{}:{}: device {}: {holder}", config.file, place.line, place.column, found.name)
        })
    });
    claims.collect()
}

/// The largest packet of a port to this machine when there is no other port: Ethernet's.
const HOST_MTU_BYTES: u32 = 1500;

/// The configuration's own rules.
const NO_RULES: &[PathBuf] = &[];

/// A worker that has nothing to do yet.
fn worker() -> Result<Worker> {
    Worker::new().context("making a worker's bell")
}

/// The devices that stand for the interfaces, in their order.
fn find_interfaces(config: &Config) -> Result<Vec<Interface>> {
    let found = config.interfaces.iter().map(|interface| {
        Interface::find(&interface.device.value).map_err(|error| at_interface(config, interface, error))
    });
    found.collect()
}

/// A state and what it is called, if it is there: before a gateway is stopped for the first time there is none.
fn read_state(file: &Path) -> Result<Option<(String, Vec<u8>)>> {
    let name = file.display().to_string();
    match state::read(file) {
        Ok(bytes) => Ok(Some((name, bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(anyhow!("{name}: {error}")),
    }
}

/// Drawn from the system's generator. It is what nobody may guess who is to be kept from guessing sequence numbers.
fn random_seed() -> Result<u64> {
    let mut seed = [0; 8];
    let drawn = File::open(RANDOM_DEVICE).and_then(|mut device| device.read_exact(&mut seed));
    drawn.with_context(|| format!("{RANDOM_DEVICE}: drawing a seed"))?;
    Ok(u64::from_ne_bytes(seed))
}

/// Withholds what can be, and warns of the others.
fn withhold(found: &[Interface], user: Option<&str>) -> Option<Withholder> {
    let names: Vec<_> = found.iter().map(|interface| interface.name.clone()).collect();
    // That nobody reads it keeps no gateway from running.
    let warn = |text| drop(writeln!(io::stderr(), "towpath: warning: {text}"));
    match Withholder::start(&names, user) {
        Ok((withholder, extents)) => {
            let lacking = names.iter().zip(extents).filter(|(_, extent)| *extent != Extent::Both);
            lacking.for_each(|(name, extent)| warn(format!("device {name}: {extent}")));
            Some(withholder)
        }
        Err(error) => {
            warn(format!(
                "no packets are withheld from the machine's own network stack: starting who does that: {error}"
            ));
            None
        }
    }
}

/// The system's generator.
const RANDOM_DEVICE: &str = "/dev/urandom";

fn at_interface(config: &Config, interface: &InterfaceConfig, error: DeviceError) -> anyhow::Error {
    let place = &interface.device;
    anyhow!("{}:{}:{}: {error}", config.file, place.line, place.column)
}

/// Which interfaces are to carry larger packets than their devices do.
fn shortened(config: &Config, found: &[Interface]) -> impl Iterator<Item = String> {
    let asked = config.interfaces.iter().zip(found);
    asked.filter_map(|(interface, found)| {
        let most = interface.mtu_bytes.filter(|mtu| *mtu > found.mtu_bytes)?;
        let Interface { name, mtu_bytes, .. } = found;
        Some(format!(
            "{}:{}: mtu = {most} is more than device {name} carries, so it is {mtu_bytes} until that carries more",
            config.file, interface.device.line
        ))
    })
}

/// Which VLANs are to carry larger packets than their devices do with the tags.
fn shortened_vlans(config: &Config, engine: &Engine, found: &[Interface]) -> impl Iterator<Item = String> {
    let mut devices = engine.devices().clone();
    for (id, found) in (0..).map(DeviceId).zip(found) {
        let asked = devices.find(id).map_or(found.mtu_bytes, |device| device.mtu_bytes);
        devices.set_mtu(id, asked.min(found.mtu_bytes));
    }
    config.vlans.iter().filter_map(move |vlan| {
        let (asked, is) = (vlan.mtu_bytes.as_ref()?, devices.find(devices.by_name(&vlan.name)?)?.mtu_bytes);
        let port = config.ports_of(vlan.vlan.parent).find_map(|port| found.get(usize::from(port.0)))?;
        let (file, Located { value, line, .. }) = (&config.file, asked);
        let told = || {
            format!(
                "{file}:{line}: mtu = {value} is more than device {} leaves {}, so it is {is}",
                port.name, vlan.name
            )
        };
        (*value > is).then(told)
    })
}

/// What a seed in the configuration means on a wire.
const SEED_WARNING: &str = "it gives a seed: whoever reads that can foresee sequence numbers, ports and SYN cookies; \
    without it a gateway on a wire draws one from the system";

/// Says that the gateway runs, and what will keep it from running as meant.
fn announce(config: &Config, engine: &Engine, found: &[Interface], control: &Control) -> io::Result<()> {
    let mut err = io::stderr().lock();
    let seed = config.seed.is_some().then(|| format!("{}: {SEED_WARNING}", config.file));
    let told = seed.into_iter().chain(found.iter().flat_map(Interface::warnings)).chain(shortened(config, found));
    for warning in told.chain(shortened_vlans(config, engine, found)) {
        writeln!(err, "towpath: warning: {warning}")?;
    }
    let devices: Vec<_> = found.iter().map(|interface| interface.name.as_str()).collect();
    let host = config.host.as_ref().map(|device| format!("; this machine by {}", device.value)).unwrap_or_default();
    writeln!(err, "towpath: running on {}{host}; control socket {}", devices.join(", "), control.path().display())
}
