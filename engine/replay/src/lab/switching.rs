//! Switches in a net, and what links say to who is at their ends.

use towpath_engine::{Command, CommandError, Frame, device::Link};

use super::{
    lane::{Carried, Lost},
    net::{Net, START},
    scenario::Scenario,
    switch::{Switch, Taken},
};

impl Net<'_> {
    /// Adds the switches.
    pub(super) fn add_switches(&mut self, scenario: &Scenario) -> Result<(), CommandError> {
        for (number, plan) in scenario.switches.iter().enumerate() {
            let node = scenario.hosts.len() + number;
            let links: Vec<Link> = self.lanes_of[node].iter().map(|lane| self.link_at(lane / 2, lane % 2)).collect();
            self.switches.push(Switch::new(scenario, node, plan, &links)?);
        }
        Ok(())
    }

    /// What a link says at one of its ends: whether it has a carrier there, which comes from the other end, and how fast it is: as fast as
    /// the slowest kind of links that can be as fast as it is.
    pub(super) fn link_at(&self, link: usize, end: usize) -> Link {
        let [own, other] = [end, 1 - end].map(|end| self.lanes[2 * link + end].way());
        let fits = |speed: &&u32| own.rate_bps.is_some_and(|rate| rate <= u64::from(**speed) * 1_000_000);
        let speed = SPEEDS_MBPS.iter().find(fits).copied().or(Link::default().speed_mbps);
        if other.is_up { Link { carrier: true, speed_mbps: speed, full_duplex: Some(true) } } else { Link::DOWN }
    }

    /// A link may say something else from now on.
    pub(super) fn relink(&mut self, link: usize) {
        for end in 0..2 {
            let (node, device) = self.leads_to[2 * link + 1 - end];
            let said = self.link_at(link, end);
            if let Some(switch) = self.switches.get_mut(node.wrapping_sub(self.engines.len())) {
                switch.link_says(self.now, usize::from(device.0), said);
                self.collect_switch(node);
                continue;
            }
            // Nobody but a bond looks.
            let is_port = self.engines[node].devices().find(device).is_some_and(|device| device.master.is_some());
            if is_port {
                let done = self.engines[node].handle_command(self.now, Command::SetLink(device, said));
                assert!(done.is_ok(), "{device:?} of a link is no device: {done:?}");
                self.collect(node);
            }
        }
    }

    /// A frame has come to a switch.
    pub(super) fn switch_frame(&mut self, node: usize, port: usize, lane: usize, frame: Carried) {
        let at = self.now.since(START);
        let taken = self.switches[node - self.engines.len()].take(self.now, port, &frame);
        match taken {
            Taken::To(ports) => {
                self.eye_arrives(lane, &frame.bytes);
                let mut ports = ports.into_iter();
                let first = ports.next();
                for port in ports {
                    self.send(node, self.lanes_of[node][port], frame.clone());
                }
                if let Some(port) = first {
                    self.send(node, self.lanes_of[node][port], frame);
                }
            }
            Taken::Kept => {
                self.eye_arrives(lane, &frame.bytes);
                self.reuse(frame.bytes);
            }
            Taken::Lost(why) => {
                if let Some(eye) = &mut self.eye {
                    eye.loses(at, lane, &frame.bytes, why);
                }
                self.reuse(frame.bytes);
            }
        }
        self.collect_switch(node);
    }

    /// Lets switches do what is due.
    pub(super) fn run_switches(&mut self) {
        for number in 0..self.switches.len() {
            let engine = &mut self.switches[number].control.engine;
            if engine.poll_timeout().is_some_and(|(when, _)| when <= self.now) {
                engine.handle_timeout(self.now);
                self.collect_switch(self.engines.len() + number);
            }
        }
    }

    /// Takes what a switch says of its own accord.
    fn collect_switch(&mut self, node: usize) {
        let number = node - self.engines.len();
        while let Some(transmit) = self.switches[number].control.engine.poll_transmit() {
            let mut bytes = transmit.head().to_vec();
            transmit.fragments().for_each(|part| bytes.extend_from_slice(part));
            let lane = self.lanes_of[node].get(usize::from(transmit.device.0)).copied();
            self.switches[number].control.engine.recycle(transmit);
            if let Some(lane) = lane {
                self.send(node, lane, Carried { bytes, ..Carried::default() });
            }
        }
        self.note_bonds(node);
    }

    /// Whether a host's bond takes nothing by the device that a frame has come by.
    pub(super) fn is_inactive(&self, host: usize, frame: &Frame<'_>) -> Option<Lost> {
        let devices = self.engines[host].devices();
        let bond = devices.find(frame.device)?.master.and_then(|bond| devices.bond(bond))?;
        let is_link_local = matches!(frame.bytes, [0x01, 0x80, 0xc2, 0, 0, last, ..] if *last < 0x10);
        (!is_link_local && !bond.takes_by(frame.device)).then_some(Lost::Inactive)
    }
}

/// Speeds of links that have numbers in LACP's keys (Linux v6.18: `drivers/net/bonding/bond_3ad.c`, `enum ad_link_speed_type`).
const SPEEDS_MBPS: [u32; 16] = [
    10, 100, 1000, 2500, 5000, 10_000, 14_000, 20_000, 25_000, 40_000, 50_000, 56_000, 100_000, 200_000, 400_000,
    800_000,
];
