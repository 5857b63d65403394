//! A gateway in small for the tests of this room and of helpers: connection tracking and translation, without rules,
//! routes or devices.

use alloc::{boxed::Box, vec::Vec};

use super::{Manip, NatRange, binding, fixture, rewrite};
use crate::{
    conntrack::{
        Address, ConnId, Connection, Conntrack, Direction, Expectation, State, Template, Tracking,
        calling::{
            self, Called, Desk, Helpers, Outside,
            stream::{self, Passing, Waiting},
        },
    },
    device::Devices,
    ending::DropReason,
    event::{Event, Subscription},
    held::{Held, Place},
    netfilter::{Hook, Lists, RuleSets},
    offload,
    packet::Packet,
    path::Way,
    socket::Sockets,
    surroundings::Surroundings,
    time::Instant,
    trace::TraceLevel,
    wire::{TcpFlags, checksum::Routines},
};

pub(crate) struct Lab {
    pub(crate) conntrack: Conntrack,
    pub(crate) helpers: Helpers,
    pub(crate) waiting: Waiting,
    pub(crate) around: Surroundings,
    pub(crate) now: Instant,
    /// What every new connection's source becomes.
    pub(crate) source: NatRange,
    pub(crate) template: Template,
    pub(crate) rules: RuleSets,
    lists: Lists,
    devices: Devices,
    sockets: Sockets,
}

impl Lab {
    /// Masquerades behind 203.0.113.1.
    pub(crate) fn new() -> Self {
        let mut around = Surroundings::new(1, Routines::PORTABLE);
        around.events.subscribe(Subscription { conntrack: true, helper: true, ..Subscription::default() });
        around.trace.set_level(TraceLevel::Path);
        Self {
            conntrack: Conntrack::new(1),
            helpers: Helpers::default(),
            waiting: Waiting::default(),
            around,
            now: Instant::from_secs(1000),
            source: only(GATEWAY),
            template: Template::default(),
            rules: RuleSets::default(),
            lists: Lists::default(),
            devices: Devices::default(),
            sockets: Sockets::new(1),
        }
    }

    /// The tables, and what their functions need.
    pub(crate) fn parts(&mut self) -> (&mut Conntrack, &mut Helpers, &mut Surroundings) {
        (&mut self.conntrack, &mut self.helpers, &mut self.around)
    }

    pub(crate) fn track(&mut self, packet: &mut Packet) -> Option<Box<Expectation>> {
        let (now, template) = (self.now, self.template);
        let (conntrack, _, around) = self.parts();
        conntrack.track(now, packet, &template, around).expect("the table has room")
    }

    /// Takes a packet all the way: tracked, translated, read by its helper, confirmed.
    ///
    /// # Panics
    /// When it waits, or others go on with it.
    pub(crate) fn pass(&mut self, packet: Packet) -> Result<Packet, DropReason> {
        let mut passed = self.pass_on(packet);
        assert_eq!(passed.len(), 1, "it goes on, and alone");
        passed.remove(0)
    }

    /// The same; all that goes on now, in order.
    pub(crate) fn pass_on(&mut self, mut packet: Packet) -> Vec<Result<Packet, DropReason>> {
        match self.until_helper(&mut packet) {
            Ok(()) => {}
            Err(reason) => return Vec::from([Err(reason)]),
        }
        let passing = match calling::call(&mut self.desk(), &mut packet, None) {
            Ok(Called::Done) => return Vec::from([self.confirm(packet)]),
            Ok(Called::Waits) => stream::wait(&mut self.desk(), Held { packet, place: PLACE, way: Way::default() }),
            Err(reason) => return Vec::from([Err(reason)]),
        };
        self.finish(passing)
    }

    /// What goes on because its time is over.
    pub(crate) fn let_overdue_go(&mut self) -> Vec<Result<Packet, DropReason>> {
        let passing = stream::flush_overdue(&mut self.desk());
        self.finish(passing)
    }

    /// What helpers are called from.
    pub(crate) const fn desk(&mut self) -> Desk<'_> {
        Desk {
            now: self.now,
            conntrack: &mut self.conntrack,
            helpers: &mut self.helpers,
            waiting: &mut self.waiting,
            outside: Outside {
                rules: &mut self.rules,
                lists: &mut self.lists,
                devices: &self.devices,
                sockets: &self.sockets,
                way: Way { input: None, hop: None },
            },
            around: &mut self.around,
        }
    }

    fn finish(&mut self, passing: Vec<Passing>) -> Vec<Result<Packet, DropReason>> {
        let finish = |passed: Passing| {
            let Passing { held: Held { mut packet, .. }, dropped, .. } = passed;
            dropped.map_or_else(|| calling::adjust(&self.desk(), &mut packet), Err)?;
            self.confirm(packet)
        };
        passing.into_iter().map(finish).collect()
    }

    fn confirm(&mut self, packet: Packet) -> Result<Packet, DropReason> {
        self.conntrack.confirm(self.now, &packet, &mut self.around).map(|()| packet)
    }

    fn until_helper(&mut self, packet: &mut Packet) -> Result<(), DropReason> {
        let expectation = self.track(packet);
        let now = self.now;
        if let Tracking::Tracked { connection: id, state, direction } = packet.meta().tracking {
            let range = self.source;
            let (conntrack, _, around) = self.parts();
            if let Some(expectation) = expectation {
                binding::follow_master(now, conntrack, id, &expectation, around);
            }
            for manip in [Manip::Destination, Manip::Source] {
                let connection = conntrack.connection(id).expect("it is tracked");
                if binding::needs_binding(connection, state, manip) {
                    match manip {
                        Manip::Destination => binding::keep(now, conntrack, id, manip, around),
                        Manip::Source => binding::bind(now, conntrack, id, manip, &range, around),
                    }
                }
                let connection = conntrack.connection(id).expect("it is tracked");
                rewrite(connection, direction, manip, packet)?;
            }
        }
        Ok(())
    }

    /// What is known of a packet's connection.
    pub(crate) fn connection(&self, packet: &Packet) -> &Connection {
        let id = packet.meta().tracking.connection().expect("it is tracked");
        self.conntrack.connection(id).expect("it is in the table")
    }

    pub(crate) fn told(&mut self) -> Vec<Event> {
        core::iter::from_fn(|| self.around.events.pop()).map(|(_, event)| event).collect()
    }
}

/// A TCP connection through the lab: client 10.0.0.5:42000, server 198.51.100.21:21.
pub(crate) struct Flow {
    /// What each end sends next, by its own numbers: the client's, the server's.
    pub(crate) next: [u32; 2],
    pub(crate) id: ConnId,
}

impl Flow {
    /// Opens it.
    pub(crate) fn open(lab: &mut Lab) -> Self {
        let mut flow = Self { next: [1000, 9000], id: ConnId { slot: u32::MAX, generation: 0 } };
        let syn = flow.segment(Direction::Original, TcpFlags::SYN, b"");
        let syn = lab.pass(syn).expect("a connection starts");
        flow.id = syn.meta().tracking.connection().expect("a connection has started");
        flow.next[0] += 1;
        let answer = flow.segment(Direction::Reply, TcpFlags::SYN.union(TcpFlags::ACK), b"");
        lab.pass(answer).expect("it is answered");
        flow.next[1] += 1;
        let ack = flow.segment(Direction::Original, TcpFlags::ACK, b"");
        let ack = lab.pass(ack).expect("it is established");
        assert_eq!(state_of(&ack), Some(State::Established));
        flow
    }

    /// A segment as it arrives at the gateway; its numbers are the sender's own, in both fields.
    pub(crate) fn segment(&self, direction: Direction, flags: TcpFlags, payload: &[u8]) -> Packet {
        let [client, server] = self.next;
        let (mut packet, seq, ack) = match direction {
            Direction::Original => (fixture::tcp(CLIENT, 42_000, SERVER, 21, &[], payload), client, server),
            Direction::Reply => (fixture::tcp(SERVER, 21, GATEWAY, 42_000, &[], payload), server, client),
        };
        let tcp = packet.tcp_mut().expect("it is TCP");
        (tcp.seq, tcp.flags) = (seq.into(), flags);
        tcp.ack = if flags.contains(TcpFlags::ACK) { ack.into() } else { 0.into() };
        offload::checksum::fill(&mut packet, &Routines::PORTABLE);
        packet
    }

    /// One end says something, and the other acknowledges it if it came through.
    pub(crate) fn say(&mut self, lab: &mut Lab, direction: Direction, payload: &[u8]) -> Result<Packet, DropReason> {
        let said = lab.pass(self.segment(direction, TcpFlags::ACK, payload))?;
        self.next[direction.index()] += payload.len() as u32;
        Ok(said)
    }
}

pub(crate) fn state_of(packet: &Packet) -> Option<State> {
    match packet.meta().tracking {
        Tracking::Tracked { state, .. } => Some(state),
        Tracking::Unseen | Tracking::Template(_) | Tracking::Untracked | Tracking::Invalid => None,
    }
}

/// A range of one address.
pub(crate) fn only(address: [u8; 4]) -> NatRange {
    NatRange { addresses: Some((Address::v4(address), Address::v4(address))), ..NatRange::default() }
}

/// Where helpers are asked.
const PLACE: Place = Place { hook: Hook::Postrouting, stage: 2 };

pub(crate) const CLIENT: [u8; 4] = [10, 0, 0, 5];
pub(crate) const SERVER: [u8; 4] = [198, 51, 100, 21];
pub(crate) const GATEWAY: [u8; 4] = [203, 0, 113, 1];
