//! Carries out what an operator asks.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::{net::IpAddr, time::Duration};

use zerocopy::FromBytes;

use crate::{
    command::{Command, CommandError, Condemned, Reply},
    conntrack::{ConnId, Connection, ExpectationId, Family, HelperId, Revision, Status, TimeoutPolicy, helper::Helper},
    device::{
        Device, Feature, InterfaceAddress, Kind, Link, MTUS_BYTES,
        bond::{Added, Bond, Happening, Options as BondOptions},
        wanted,
    },
    ending::DropReason,
    engine::Engine,
    frame::DeviceId,
    ip::{Fate, Route, RouteKind, Routes, prefix, route::is_of_a_link},
    limits::{ADDRESSES_MAX, BOND_PORTS_MAX, BONDS_MAX, DEVICES_MAX, NEIGHBOURS_MAX},
    netfilter::{Former, Lists, RuleInfo, RuleSet},
    packet::{Owner, Packet},
    socket::UdpService,
    sysctl::{self, SysctlError},
    time::Instant,
    wire::{Ipv4Header, MacAddr, checksum},
};

impl Engine {
    /// What rules remember under a name, the sets included.
    #[must_use]
    pub const fn lists(&self) -> &Lists {
        &self.lists
    }

    /// The routes.
    #[must_use]
    pub const fn routes(&self) -> &Routes {
        &self.routes
    }

    pub(crate) fn carry_out(&mut self, now: Instant, command: Command) -> Result<Reply, CommandError> {
        if command.may_change_courses() {
            self.forget_courses();
        }
        match command {
            Command::AddDevice(device) => self.add_device(now, device).map(Reply::Device),
            Command::AddAddress(device, address) => self.add_address(device, address).map(|()| Reply::Done),
            Command::SetFeature(device, feature, on) => self.set_feature(now, device, feature, on),
            Command::SetMtu(device, mtu_bytes) => self.set_mtu(device, mtu_bytes),
            Command::SetUp(device, is_up) => self.set_up(now, device, is_up),
            Command::SetGroFlushTimeout(device, timeout) => self.set_gro_flush_timeout(device, timeout),
            Command::SetBond(device, options, ports) => {
                let happened = self.make_bond(now, device, *options, &ports)?;
                self.follow_bond(now, device, &happened);
                Ok(Reply::Done)
            }
            Command::SetLink(device, link) => self.set_link(now, device, link),
            Command::LimitQueue(device, frames_max) => self.limit_queue(device, frames_max),
            Command::AddRoute(route) => self.take_route(route, Routes::add).map(|()| Reply::Done),
            Command::ReplaceRoute(route) => self.take_route(route, Routes::replace).map(|()| Reply::Done),
            Command::AddNeighbour { device, address, mac } => self.add_neighbour(now, device, address, mac),
            Command::ReplaceRules(rules) => {
                self.put_in_force(now, *rules);
                Ok(Reply::Done)
            }
            Command::ZeroRules(family, table) => {
                self.rules.of_mut(family).zero(table);
                Ok(Reply::Done)
            }
            Command::LoadHelper(helper) => self.load_helper(helper).map(Reply::Helper),
            Command::UnloadHelper(id) => self.unload_helper(now, id).map(|()| Reply::Done),
            Command::SetTimeoutPolicy(policy) => self.set_timeout_policy(&policy),
            Command::SetHelperMode(mode) => {
                self.helpers.set_mode(mode);
                Ok(Reply::Done)
            }
            Command::AttachHelpersByPort(on) => {
                self.helpers_by_port = on;
                Ok(Reply::Done)
            }
            Command::ServeHost(on) => {
                self.serves_host = on;
                Ok(Reply::Done)
            }
            Command::SetSysctl(name, value) => self.set_sysctl(now, name, &[value]),
            Command::SetSysctls(name, values) => self.set_sysctl(now, name, &values),
            Command::ForgetDestinations(network) => Ok(Reply::Forgotten(self.sockets.destinations.forget(network))),
            Command::OfferUdp(service) => self.offer_udp(service),
            Command::Subscribe(subscription) => {
                self.around.events.subscribe(subscription);
                Ok(Reply::Done)
            }
            Command::Trace(level) => {
                self.around.trace.set_level(level);
                Ok(Reply::Done)
            }
            Command::Script(values) => {
                self.around.random.set_script(values);
                Ok(Reply::Done)
            }
            Command::SendPacket(bytes) => self.send_packet(now, bytes),
            Command::ForgetConnections(serials) => Ok(self.forget_connections(now, serials)),
            Command::ForgetPart(from, condemned) => Ok(self.forget_part(now, from, &condemned)),
            Command::RevisePart(from, which, revision) => Ok(self.revise_part(now, from, &which, &revision)),
            Command::ForgetCounted(ids) => Ok(self.forget_counted(&ids)),
            Command::ForgetExpectations(numbers) => Ok(self.forget_expectations(now, numbers)),
            Command::FlushConntrack => Ok(self.flush_conntrack(now)),
        }
    }

    fn offer_udp(&mut self, service: UdpService) -> Result<Reply, CommandError> {
        let port = service.port;
        self.offer(service).map_or_else(|error| Err(CommandError::Service(port, error)), |()| Ok(Reply::Done))
    }

    /// Carries [`Command::ReplaceRules`] out, and gives back what the rules have taken the place of: it can be dropped elsewhere.
    pub fn replace_rules(&mut self, now: Instant, rules: RuleSet) -> Former {
        let now = self.note_time(now);
        self.forget_courses();
        self.put_in_force(now, rules)
    }

    fn put_in_force(&mut self, now: Instant, rules: RuleSet) -> Former {
        let family = rules.family();
        let former = self.rules.replace(rules);
        let lists = self.rules.claim(now, &mut self.lists);
        if self.rules.of(family).wants_accounting() {
            self.around.sysctls.conntrack_acct = 1; // As in Linux.
        }
        Former { _rules: former, _lists: lists }
    }

    fn set_timeout_policy(&mut self, policy: &TimeoutPolicy) -> Result<Reply, CommandError> {
        let policies = self.conntrack.timeout_policies_mut();
        let set = policies.set(policy, &self.around.sysctls);
        set.map(|_| Reply::Done).map_err(CommandError::TimeoutPolicy)
    }

    fn set_sysctl(&mut self, now: Instant, name: String, values: &[u32]) -> Result<Reply, CommandError> {
        match self.set_tunable(now, &name, values) {
            Ok(()) => Ok(Reply::Done),
            Err(error) => Err(CommandError::Sysctl(name, error)),
        }
    }

    fn load_helper(&mut self, helper: Box<dyn Helper>) -> Result<HelperId, CommandError> {
        let id = self.helpers.load(helper).map_err(CommandError::Helper)?;
        self.conntrack.set_helper_name(id, self.helpers.name(id).unwrap_or_default());
        Ok(id)
    }

    /// Linux: a module whose helper a rule holds is in use. What it expects is forgotten at once; its connections, which may be
    /// many, are left by and by.
    fn unload_helper(&mut self, now: Instant, id: HelperId) -> Result<(), CommandError> {
        let name = self.helpers.name(id).ok_or(CommandError::NoHelper(id))?;
        let rule = [Family::Ipv4, Family::Ipv6].into_iter().find_map(|family| self.rules.of(family).attaching(id));
        if let Some(RuleInfo { file, line, .. }) = rule {
            return Err(CommandError::HelperInUse { helper: name.into(), file, line });
        }
        self.helpers.unload(id);
        self.conntrack.forget_helper(now, id, &mut self.around);
        self.let_helpers_leave();
        Ok(())
    }

    /// Takes unloaded helpers from the next ones of their connections.
    pub(crate) fn let_helpers_leave(&mut self) {
        if let Some((helper, from)) = self.helpers.leaving() {
            let next = self.conntrack.leave_helper(helper, from);
            self.helpers.has_left(helper, next);
        }
    }

    fn forget_connections(&mut self, now: Instant, mut serials: Vec<u64>) -> Reply {
        serials.sort_unstable();
        let is_named = |connection: &Connection| serials.binary_search(&connection.serial).is_ok();
        Reply::Forgotten(self.conntrack.kill_all(now, is_named, &mut self.around))
    }

    fn forget_counted(&mut self, ids: &[ConnId]) -> Reply {
        self.conntrack.forget_counted(ids);
        Reply::Done
    }

    fn forget_part(&mut self, now: Instant, from: u32, condemned: &Condemned) -> Reply {
        let is_condemned = |connection: &Connection| condemned.holds(connection.serial);
        let (count, next) = self.conntrack.kill_part(now, from, is_condemned, &mut self.around);
        Reply::ForgottenPart(count, next)
    }

    fn revise_part(&mut self, now: Instant, from: u32, which: &Condemned, revision: &Revision) -> Reply {
        let is_meant = |connection: &Connection| which.holds(connection.serial);
        let (count, next) = self.conntrack.revise_part(now, from, is_meant, revision, &mut self.around);
        Reply::RevisedPart(count, next)
    }

    fn forget_expectations(&mut self, now: Instant, numbers: Option<Vec<ExpectationId>>) -> Reply {
        let expectations = self.conntrack.expectations_mut();
        let numbers = numbers.unwrap_or_else(|| expectations.iter().map(|expectation| expectation.id).collect());
        let events = &mut self.around.events;
        let gone = numbers.into_iter().filter_map(|number| expectations.remove(now, number, events));
        Reply::Forgotten(gone.count())
    }

    fn add_device(&mut self, now: Instant, device: Device) -> Result<DeviceId, CommandError> {
        if self.devices.len() >= DEVICES_MAX {
            return Err(CommandError::TooManyDevices(DEVICES_MAX));
        }
        if !(1..=DEVICE_NAME_BYTES_MAX).contains(&device.name.len()) || self.devices.by_name(&device.name).is_some() {
            return Err(CommandError::DeviceName(device.name));
        }
        if !MTUS_BYTES.contains(&device.mtu_bytes) {
            return Err(CommandError::DeviceMtu(device.mtu_bytes));
        }
        if !self.devices.may_be(&device) {
            return Err(CommandError::DeviceKind(device.kind));
        }
        let name = String::from(&device.name);
        let features = wanted(device.kind, device.features);
        let bare = Device { addresses: Vec::new(), name, master: None, features, ..device };
        let addresses = device.addresses;
        let id = DeviceId(self.devices.len() as u16);
        let mut routes = Vec::new();
        for (index, address) in addresses.iter().enumerate() {
            may_be_added(&addresses[..index], *address)?;
            routes.push(self.may_be_routed(id, *address)?);
        }
        // What is valid on its link only is found without a route, and other links have the same network.
        routes.retain(|route| !is_of_a_link(route.destination));
        if let (Some(last), false) = (routes.last(), self.routes.takes_all(&routes)) {
            return Err(CommandError::Route(Box::new(*last)));
        }
        let id = self.devices.add(bare);
        self.merge_beside(now, id);
        addresses.into_iter().try_for_each(|address| self.add_address(id, address))?;
        Ok(id)
    }

    fn set_feature(&mut self, now: Instant, id: DeviceId, feature: Feature, on: bool) -> Result<Reply, CommandError> {
        let device = self.devices.find_mut(id).ok_or(CommandError::NoDevice(id))?;
        if !feature.is_for(device.kind) && device.features.has(feature) != on {
            return Err(CommandError::FeatureFixed(feature, on));
        }
        device.features = device.features.with(feature, on).for_kind(device.kind);
        let mut changed = Vec::from([id]);
        if feature.covers(Feature::LARGE_RECEIVE) {
            changed.extend(self.devices.settle_large_receive(id));
        }
        self.merge_otherwise(now, &changed);
        Ok(Reply::Done)
    }

    fn set_mtu(&mut self, id: DeviceId, mtu_bytes: u32) -> Result<Reply, CommandError> {
        if !MTUS_BYTES.contains(&mtu_bytes) {
            return Err(CommandError::DeviceMtu(mtu_bytes));
        }
        let kind = self.devices.find_mut(id).ok_or(CommandError::NoDevice(id))?.kind;
        if matches!(kind, Kind::Vlan(vlan) if mtu_bytes > self.devices.vlan_mtu_bytes_max(vlan)) {
            return Err(CommandError::DeviceKind(kind));
        }
        self.devices.set_mtu(id, mtu_bytes);
        self.routes.lead_otherwise();
        Ok(Reply::Done)
    }

    /// Linux v6.18: `net/netfilter/nf_nat_masquerade.c`, `masq_device_event()`.
    fn set_up(&mut self, now: Instant, id: DeviceId, is_up: bool) -> Result<Reply, CommandError> {
        self.devices.find(id).ok_or(CommandError::NoDevice(id))?;
        let concerned: Vec<DeviceId> = self.devices.above(id).map(|(above, _)| above).collect();
        if !is_up {
            self.forget_learned(now, id);
        }
        for device in concerned {
            self.routes.set_up(device, is_up);
            let Some(device) = self.devices.find(device).filter(|_| !is_up) else { continue };
            let is_behind = |connection: &Connection| {
                let given = connection.reply.destination_ip();
                connection.status.contains(Status::MASQUERADED)
                    && device.addresses.iter().any(|own| own.address == given)
            };
            self.conntrack.kill_all(now, is_behind, &mut self.around);
        }
        self.forget_courses();
        Ok(Reply::Done)
    }

    fn set_gro_flush_timeout(&mut self, device: DeviceId, timeout: Duration) -> Result<Reply, CommandError> {
        let device = self.devices.find_mut(device).ok_or(CommandError::NoDevice(device))?;
        device.gro_flush_timeout = timeout;
        Ok(Reply::Done)
    }

    fn flush_conntrack(&mut self, now: Instant) -> Reply {
        self.conntrack.flush(now, &mut self.around);
        Reply::Done
    }

    fn limit_queue(&mut self, device: DeviceId, frames_max: usize) -> Result<Reply, CommandError> {
        self.devices.find_mut(device).ok_or(CommandError::NoDevice(device))?;
        self.transmits.limit(device, frames_max);
        Ok(Reply::Done)
    }

    fn set_link(&mut self, now: Instant, id: DeviceId, link: Link) -> Result<Reply, CommandError> {
        let device = self.devices.find_mut(id).ok_or(CommandError::NoDevice(id))?;
        let was = core::mem::replace(&mut device.link, link);
        let bond = device.master.filter(|_| was != link);
        if was.carrier && !link.carrier {
            self.forget_learned(now, id);
        }
        if let Some(bond) = bond.and_then(|bond| self.devices.bonds_mut().get_mut(&bond)) {
            let (bond_id, mut happened) = (bond.device(), Vec::new());
            bond.link_says(now, id, link, &mut happened);
            self.follow_bond(now, bond_id, &happened);
        }
        Ok(Reply::Done)
    }

    /// Makes a bond of devices, if there can be one such. Gives what has happened to it, for [`Self::follow_bond`].
    pub(crate) fn make_bond(
        &mut self,
        now: Instant,
        id: DeviceId,
        options: BondOptions,
        ports: &[DeviceId],
    ) -> Result<Vec<Happening>, CommandError> {
        let bond = self.devices.find(id).ok_or(CommandError::NoDevice(id))?;
        let others = self.devices.bonds().filter(|other| other.device() != id).count();
        if bond.kind != Kind::Bond || others >= BONDS_MAX || !(1..=BOND_PORTS_MAX).contains(&ports.len()) {
            return Err(CommandError::NoBond(id));
        }
        options.check(ports).map_err(CommandError::Bond)?;
        for (place, &port) in ports.iter().enumerate() {
            if ports[..place].contains(&port) || !self.devices.may_be_port(port, id) {
                return Err(CommandError::BondPort(port));
            }
        }
        if options.mode.balances_adaptively() {
            let mac = |port: &DeviceId| self.devices.permanent_mac_of(*port);
            let twice = |(place, port): (usize, &DeviceId)| ports[..place].iter().any(|other| mac(other) == mac(port));
            if let Some(place) = (0..ports.len()).find(|place| twice((*place, &ports[*place]))) {
                return Err(CommandError::BondPort(ports[place]));
            }
        }
        let mac = bond.mac;
        let farewells = self.devices.bond(id).map(Bond::farewells).unwrap_or_default();
        self.follow_bond(now, id, &farewells);
        self.devices.free_ports(id);
        let found = ports.iter().filter_map(|&device| {
            let found = self.devices.find(device)?;
            Some(Added { device, mac: found.mac, link: found.link })
        });
        let found: Vec<Added> = found.collect();
        let first = found.first().map_or(mac, |port| port.mac);
        let mac = if mac == MacAddr::UNSPECIFIED { first } else { mac };
        let mut happened = Vec::new();
        let bond = Bond::new(now, (id, mac), options, &found, &mut happened);
        let changed = self.devices.take_ports(bond);
        self.merge_otherwise(now, &changed);
        Ok(happened)
    }

    fn add_address(&mut self, id: DeviceId, address: InterfaceAddress) -> Result<(), CommandError> {
        self.known_device(id)?;
        let route = self.may_be_routed(id, address)?;
        let Some(device) = self.devices.find_mut(id) else { return Err(CommandError::NoDevice(id)) };
        may_be_added(&device.addresses, address)?;
        device.addresses.push(address);
        self.routes.add(route);
        Ok(())
    }

    /// The route to an address's network. Two addresses of a device in one network give one route; what is valid on its link
    /// only is found without one.
    fn may_be_routed(&self, device: DeviceId, address: InterfaceAddress) -> Result<Route, CommandError> {
        let (destination, prefix) = (address.network(), address.prefix.min(prefix::longest(address.address)));
        let kind = RouteKind::Unicast { device, via: None };
        let route = Route::new(destination, prefix, kind);
        match is_of_a_link(address.address) || self.routes.takes(&route) {
            true => Ok(route),
            false => Err(CommandError::Route(Box::new(route))),
        }
    }

    fn take_route(&mut self, route: Route, how: fn(&mut Routes, Route) -> bool) -> Result<(), CommandError> {
        let mut is_right = route.prefix <= prefix::longest(route.destination) && route.metrics.is_right();
        if let RouteKind::Unicast { device, via } = route.kind {
            self.known_device(device)?;
            is_right &= via.is_none_or(|via| via.is_ipv4() == route.destination.is_ipv4());
        }
        if is_right && how(&mut self.routes, route) { Ok(()) } else { Err(CommandError::Route(Box::new(route))) }
    }

    fn add_neighbour(
        &mut self,
        now: Instant,
        device: DeviceId,
        address: IpAddr,
        mac: MacAddr,
    ) -> Result<Reply, CommandError> {
        self.known_device(device)?;
        let waiting = self.neighbours.set_permanent(device, address, mac);
        let waiting = waiting.ok_or(CommandError::TooManyNeighbours(NEIGHBOURS_MAX))?;
        waiting.into_iter().for_each(|packet| self.release_waiting(now, packet, device, mac));
        Ok(Reply::Done)
    }

    fn known_device(&self, device: DeviceId) -> Result<(), CommandError> {
        self.devices.find(device).map(|_| ()).ok_or(CommandError::NoDevice(device))
    }

    fn set_tunable(&mut self, now: Instant, name: &str, values: &[u32]) -> Result<(), SysctlError> {
        if let Some((interface, tunable)) = sysctl::of_interface(name) {
            let device = self.devices.by_name(interface).and_then(|id| self.devices.find_mut(id));
            return device.ok_or(SysctlError::Unknown)?.tunables.set(tunable, values);
        }
        let (kept, forwarded) = (self.around.sysctls.keeps_mappings(), self.forwards());
        self.around.sysctls.set_list(name, values)?;
        self.heed_forwarding(now, forwarded);
        if sysctl::same_name(name, FAST_OPEN_PAUSE) {
            // Whoever sets it wants it tried again (Linux v6.18: `proc_tfo_blackhole_detect_timeout()`).
            self.sockets.fast_open.end_pause();
        }
        self.conntrack.make_room(&self.around.sysctls);
        let keeps = self.around.sysctls.keeps_mappings();
        if keeps != kept {
            self.conntrack.map_anew(keeps);
        }
        Ok(())
    }

    /// Sends bytes as they are, but for what a raw socket fills in.
    fn send_packet(&mut self, now: Instant, mut bytes: Vec<u8>) -> Result<Reply, CommandError> {
        if bytes.first().is_none_or(|version| version >> 4 != 6) {
            self.fill_raw_ipv4(&mut bytes)?;
        }
        self.noted.datagram = None;
        let mut packet = Packet::from_network_bytes(&mut self.pool, &bytes).map_err(CommandError::Packet)?;
        packet.meta_mut().owner = Some(Owner::ROOT);
        let fate = packet.ip().map(|ip| self.routes.from_here(&self.devices, ip.destination(), None));
        if let Some(Fate::Forward(hop)) = fate
            && self.devices.find(hop.device).is_some_and(|device| packet.network_len() > device.mtu_bytes as usize)
        {
            packet.recycle(&mut self.pool);
            return Err(CommandError::Packet(DropReason::PacketTooBig));
        }
        self.stats.originated += 1;
        packet.meta_mut().frame = self.begin_walk();
        let result = self.send_own(now, packet);
        self.end_walk(now, result);
        Ok(Reply::Done)
    }

    /// Fills in total length, header checksum, and an identification where there is none (Linux v6.18:
    /// `net/ipv4/raw.c`, `raw_send_hdrinc()`); of IPv6 a raw socket fills in nothing (`net/ipv6/raw.c`, `rawv6_send_hdrinc()`).
    fn fill_raw_ipv4(&mut self, bytes: &mut [u8]) -> Result<(), CommandError> {
        let total = u16::try_from(bytes.len()).map_err(|_| CommandError::Packet(DropReason::FrameTooLong))?;
        let Ok((ip, _)) = Ipv4Header::mut_from_prefix(bytes) else {
            return Err(CommandError::Packet(DropReason::IpTruncated));
        };
        ip.total_len.set(total);
        if ip.id.get() == 0 && !ip.dont_fragment() {
            ip.id.set(self.around.random.ip_id());
        }
        ip.checksum = [0; 2];
        let header_len = ip.header_len();
        if let Some(header) = bytes.get(..header_len) {
            let checksum = !checksum::sum(header);
            bytes[10..12].copy_from_slice(&checksum.to_be_bytes());
        }
        Ok(())
    }
}

fn may_be_added(known: &[InterfaceAddress], address: InterfaceAddress) -> Result<(), CommandError> {
    let is_known = known.iter().any(|other| other.address == address.address);
    if is_known || address.prefix > prefix::longest(address.address) || known.len() >= ADDRESSES_MAX {
        return Err(CommandError::Address(address));
    }
    Ok(())
}

/// The longest device name (Linux: `IFNAMSIZ` less its terminator).
const DEVICE_NAME_BYTES_MAX: usize = 15;
/// The tunable that says how long Fast Open pauses.
const FAST_OPEN_PAUSE: &str = "net.ipv4.tcp_fastopen_blackhole_timeout_sec";
