//! A host whose only way out is a bond, in virtual time.

use std::{mem, net::IpAddr, time::Duration};

use towpath_engine::{
    Command, CommandError, DeviceId, DropReason, Engine, Event, Frame, Instant, Subscription,
    device::{
        Device, InterfaceAddress, Kind, Link, Vlan,
        bond::{Bond, Options},
    },
    packet::{Checksum, Sketch},
    wire::MacAddr,
};

/// A host with three ports `p0` to `p2`, and a bond `bond0` over some of them, which is 10.0.0.1/24 and fd00::1/64.
pub struct Bonded {
    /// The engine.
    pub engine: Engine,
    now: Instant,
    sent: Vec<(DeviceId, Vec<u8>)>,
    log: Vec<String>,
}

impl Bonded {
    /// The bond.
    pub const BOND: DeviceId = DeviceId(3);

    /// A host whose bond has these ports.
    ///
    /// # Panics
    /// When there can be no such bond.
    #[must_use]
    #[track_caller]
    pub fn new(options: Options, ports: &[u16]) -> Self {
        Self::at(Instant::from_secs(1_000_000), 1, |host| host.bond(options, ports))
    }

    /// A host that is as `set` makes it, whose ports' addresses end in numbers from `station * 16` on.
    ///
    /// # Panics
    /// When `set` fails.
    #[must_use]
    #[track_caller]
    pub fn at(now: Instant, station: u8, set: impl FnOnce(&mut Self) -> Result<(), CommandError>) -> Self {
        let mut host = Self { engine: Engine::new(u64::from(station)), now, sent: Vec::new(), log: Vec::new() };
        let mut give = |command| host.command(command).unwrap_or_else(|error| panic!("{error}"));
        give(Command::Subscribe(Subscription { log: true, endings: true, ..Subscription::default() }));
        for port in 0..3 {
            let mac = MacAddr([2, 0, 0, 0, 0, station * 16 + port]);
            give(Command::AddDevice(Device { name: format!("p{port}"), mac, arp: false, ..Device::default() }));
        }
        let address =
            |address: &str, prefix| InterfaceAddress { address: address.parse().expect("an address"), prefix };
        let v4 = format!("10.0.0.{station}");
        give(Command::AddDevice(Device {
            name: "bond0".into(),
            addresses: vec![address(&v4, 24), address(&format!("fd00::{station}"), 64)],
            arp: false,
            kind: Kind::Bond,
            ..Device::default()
        }));
        set(&mut host).unwrap_or_else(|error| panic!("{error}"));
        host
    }

    /// Makes the bond.
    ///
    /// # Errors
    /// When there can be none such.
    pub fn bond(&mut self, options: Options, ports: &[u16]) -> Result<(), CommandError> {
        let ports = ports.iter().copied().map(DeviceId).collect();
        self.command(Command::SetBond(Self::BOND, Box::new(options), ports))
    }

    /// Asks something of the engine.
    ///
    /// # Errors
    /// When it is refused.
    pub fn command(&mut self, command: Command) -> Result<(), CommandError> {
        let done = self.engine.handle_command(self.now, command);
        self.drain();
        done.map(drop)
    }

    /// Adds VLAN 7 over the bond with this Ethernet address: `bond0.7`, which is 10.7.0.1/24.
    ///
    /// # Panics
    /// When there can be no such VLAN.
    pub fn vlan(&mut self, mac: MacAddr) {
        self.command(Command::AddDevice(Device {
            name: "bond0.7".into(),
            mac,
            addresses: vec![InterfaceAddress { address: [10, 7, 0, 1].into(), prefix: 24 }],
            arp: false,
            kind: Kind::Vlan(Vlan { parent: Self::BOND, tpid: 0x8100, id: 7 }),
            ..Device::default()
        }))
        .expect("a bond can have VLANs");
    }

    /// A port's link goes up or down.
    ///
    /// # Panics
    /// When there is no such port.
    pub fn link(&mut self, port: u16, carrier: bool) -> &mut Self {
        self.command(Command::SetLink(DeviceId(port), Link { carrier, ..Link::default() })).expect("there is the port");
        self
    }

    /// Lets time go by.
    pub fn pass(&mut self, ms: u64) -> &mut Self {
        self.until(self.now + Duration::from_millis(ms));
        self
    }

    /// Lets time go by until then.
    pub fn until(&mut self, end: Instant) {
        while let Some((when, _)) = self.engine.poll_timeout().filter(|(when, _)| *when <= end) {
            self.now = when.max(self.now);
            self.engine.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// When it is.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// A frame comes in by a port: the reasons for which packets are dropped.
    pub fn receive(&mut self, port: u16, frame: &[u8]) -> Vec<DropReason> {
        self.receive_all(&[(port, frame)])
    }

    /// Frames come in as one batch.
    pub fn receive_all(&mut self, frames: &[(u16, &[u8])]) -> Vec<DropReason> {
        let before: Vec<_> = self.engine.stats().all_drops().collect();
        let frames: Vec<Frame<'_>> = frames.iter().map(|(port, frame)| Frame::new(DeviceId(*port), frame)).collect();
        self.engine.handle_frames(self.now, &frames);
        self.drain();
        let earlier = |reason| before.iter().find(|(known, _)| *known == reason).map_or(0, |(_, count)| *count);
        let stats = self.engine.stats();
        stats.all_drops().flat_map(|(reason, count)| (earlier(reason)..count).map(move |_| reason)).collect()
    }

    /// Somebody with address 10.0.0.99 pings the bond: its frame, for the station `to`.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn ping(to: MacAddr, id: u16) -> Vec<u8> {
        frame(&format!("10.0.0.99 > 10.0.0.1 icmp type 8 code 0 id {id}"), to)
    }

    /// The same between these ends.
    ///
    /// # Panics
    /// When they are none.
    #[must_use]
    pub fn ping_of(ends: &str, to: MacAddr) -> Vec<u8> {
        frame(&format!("{ends} icmp type 8 code 0 id 1"), to)
    }

    /// By which ports answers leave to pings with these identifiers that come in by port `port`.
    ///
    /// # Panics
    /// When a ping is not taken.
    #[track_caller]
    pub fn answers_by(&mut self, port: u16, ids: impl IntoIterator<Item = u16>) -> Vec<u16> {
        let mac = self.engine.devices().find(Self::BOND).expect("there is the bond").mac;
        self.sent.clear();
        for id in ids {
            assert_eq!(self.receive(port, &Self::ping(mac, id)), []);
        }
        mem::take(&mut self.sent).into_iter().map(|(port, _)| port.0).collect()
    }

    /// The frames that have left since this was asked last.
    pub fn sent(&mut self) -> Vec<(DeviceId, Vec<u8>)> {
        mem::take(&mut self.sent)
    }

    /// The lines of the log since this was asked last.
    pub fn log(&mut self) -> Vec<String> {
        mem::take(&mut self.log)
    }

    /// What is known of the bond.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn state(&self) -> &Bond {
        self.engine.devices().bond(Self::BOND).expect("there is the bond")
    }

    /// The active port.
    #[must_use]
    pub fn active(&self) -> Option<u16> {
        self.state().active().map(|port| port.0)
    }

    /// The bond as `/proc/net/bonding` prints it.
    #[must_use]
    pub fn text(&self) -> String {
        self.state().text(self.engine.devices())
    }

    /// The Ethernet address of a device.
    ///
    /// # Panics
    /// When there is none of that number.
    #[must_use]
    pub fn mac(&self, device: u16) -> MacAddr {
        self.engine.devices().find(DeviceId(device)).expect("there is the device").mac
    }

    /// Gives the bond another address.
    ///
    /// # Panics
    /// When it has it already.
    pub fn address(&mut self, address: IpAddr, prefix: u8) {
        let address = InterfaceAddress { address, prefix };
        self.command(Command::AddAddress(Self::BOND, address)).expect("it is new");
    }

    fn drain(&mut self) {
        while let Some(transmit) = self.engine.poll_transmit() {
            assert!(matches!(transmit.checksum(), Checksum::None), "nothing here is left to a card");
            let mut bytes = transmit.head().to_vec();
            if let Some(tag) = transmit.vlan() {
                bytes.splice(12..12, [tag.tpid.to_be_bytes(), tag.tci.to_be_bytes()].concat());
            }
            transmit.fragments().for_each(|fragment| bytes.extend_from_slice(fragment));
            self.sent.push((transmit.device, bytes));
            self.engine.recycle(transmit);
        }
        while let Some((_, event)) = self.engine.poll_event() {
            if let Event::Log { line, .. } = event {
                self.log.push(line);
            }
        }
        while self.engine.poll_ending().is_some() {}
    }
}

/// The frame of a line, from a station with address 02:00:00:00:00:99.
///
/// # Panics
/// When the line is no packet.
fn frame(line: &str, to: MacAddr) -> Vec<u8> {
    let sketch: Sketch = line.parse().unwrap_or_else(|error| panic!("{line}: {error:?}"));
    sketch.frame(MacAddr([2, 0, 0, 0, 0, 0x99]), to)
}
