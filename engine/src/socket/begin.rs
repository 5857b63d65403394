//! The calls by which connections begin: which address is a socket's own, who may come, whom it goes to.

use alloc::{boxed::Box, collections::VecDeque};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{
    Family, Origin, Readiness, Socket, SocketError, SocketId,
    options::Options,
    table::{Entry, Idle},
};
use crate::{
    settle::own_address,
    tcp::{Ends, State, connection::Connection, fastopen::Queue, listen::Listener, open::Beginning},
    wire::Protocol,
};

impl Socket<'_> {
    /// Gives it an address of this host; port 0 is any that is free.
    ///
    /// # Errors
    /// [`SocketError::Invalid`] when it has one, [`SocketError::WrongFamily`], [`SocketError::AddressNotAvailable`] when it is none of
    /// this host's, [`SocketError::AddressInUse`].
    pub fn bind(&mut self, local: SocketAddr) -> Result<(), SocketError> {
        let (family, options) = match self.entry() {
            Entry::Idle(idle) if idle.local.is_none() => (idle.family, Some(idle.options)),
            Entry::Datagram(datagram) => (datagram.family, None),
            Entry::Idle(_)
            | Entry::Free
            | Entry::Listener(_)
            | Entry::Connection(_)
            | Entry::Request(_)
            | Entry::TimeWait(_) => return Err(SocketError::Invalid),
        };
        let local = self.of_family(family, local)?;
        let (ip, devices) = (local.ip(), &self.engine.devices);
        let is_of_all = options.is_none() && devices.is_for_many(ip);
        if !(ip.is_unspecified() || ip.is_loopback() || devices.has_address(ip) || is_of_all) {
            return Err(SocketError::AddressNotAvailable);
        }
        match options {
            Some(options) => self.take_address(local, options),
            None => self.bind_datagram(local),
        }
    }

    fn take_address(&mut self, mut local: SocketAddr, options: Options) -> Result<(), SocketError> {
        let sockets = &mut self.engine.sockets;
        if local.port() == 0 {
            let port = sockets.free_port(Protocol::TCP, local.ip(), &options, &self.engine.around.sysctls);
            local.set_port(port.ok_or(SocketError::AddressInUse)?);
        } else if !sockets.may_bind(Protocol::TCP, local, &options) {
            return Err(SocketError::AddressInUse);
        }
        sockets.bind(Protocol::TCP, local.port(), self.index);
        if let Some(Entry::Idle(idle)) = sockets.entry_mut(self.index) {
            idle.local = Some(local);
        }
        Ok(())
    }

    /// Lets it take connections, of which so many may wait to be accepted, and `net.core.somaxconn` at most.
    ///
    /// # Errors
    /// [`SocketError::Invalid`] when it is connected, [`SocketError::AddressInUse`] when another one listens at its address or no
    /// port is left.
    pub fn listen(&mut self, backlog: u32) -> Result<(), SocketError> {
        let backlog = backlog.min(self.engine.around.sysctls.somaxconn);
        match self.engine.sockets.entry_mut(self.index) {
            Some(Entry::Listener(listener)) => {
                listener.backlog = backlog;
                return Ok(());
            }
            Some(Entry::Idle(_)) => {}
            Some(Entry::Datagram(_)) => return Err(SocketError::NotSupported),
            Some(Entry::Free | Entry::Connection(_) | Entry::Request(_) | Entry::TimeWait(_)) | None => {
                return Err(SocketError::Invalid);
            }
        }
        let Entry::Idle(idle) = self.entry() else { return Err(SocketError::Invalid) };
        let (family, options) = (idle.family, idle.options);
        if idle.local.is_none() {
            self.take_address(SocketAddr::new(unspecified(family), 0), options)?;
        }
        let Entry::Idle(idle) = self.entry() else { return Err(SocketError::Invalid) };
        let Some(local) = idle.local else { return Err(SocketError::Invalid) };
        self.engine.sockets.listeners += 1;
        let mut settings = options;
        if settings.fast_open.queue == 0 {
            settings.fast_open.queue = self.engine.around.sysctls.fast_listeners(backlog);
        }
        let listener = Listener {
            local,
            serial: self.engine.sockets.listeners,
            backlog,
            accepted: VecDeque::new(),
            requests: 0,
            settings,
            woken: Readiness::default(),
            cookie_at: None,
            fast_open: Queue::default(),
        };
        // While it was bound only, others may have been bound to the same address that may not stay beside a listener.
        self.engine.sockets.unbind(Protocol::TCP, local.port(), self.index);
        let is_free = self.engine.sockets.may_listen(local, &options);
        self.engine.sockets.bind(Protocol::TCP, local.port(), self.index);
        if !is_free {
            return Err(SocketError::AddressInUse);
        }
        self.engine.sockets.replace(self.index, Entry::Listener(Box::new(listener)));
        Ok(())
    }

    /// Takes the first connection that waits to be accepted.
    ///
    /// # Errors
    /// [`SocketError::WouldBlock`] when none does, [`SocketError::Invalid`] when it does not listen.
    pub fn accept(&mut self) -> Result<SocketId, SocketError> {
        let Some(Entry::Listener(listener)) = self.engine.sockets.entry_mut(self.index) else {
            return Err(SocketError::Invalid);
        };
        let index = listener.accepted.pop_front().ok_or(SocketError::WouldBlock)?;
        let origin = Origin::accepted(listener.local);
        let is_under_pressure = self.engine.sockets.memory.is_under_pressure();
        if let Some(Entry::Connection(connection)) = self.engine.sockets.entry_mut(index) {
            // What has happened before is news to who holds it from now on.
            (connection.is_accepted, connection.woken) = (true, connection.readiness(is_under_pressure));
            connection.origin = Some(origin);
        }
        self.engine.sockets.note_ready(index);
        Ok(self.engine.sockets.id(index))
    }

    /// Begins a connection; of a datagram socket it says whom it talks to from then on. It stands when the socket is writable and no error waits.
    ///
    /// # Errors
    /// Why the connection that was begun before has failed, [`SocketError::ConnectionAborted`] where that was told: it may be tried again then.
    /// [`SocketError::Already`] while it is begun, [`SocketError::IsConnected`], [`SocketError::WrongFamily`],
    /// [`SocketError::NetworkUnreachable`], [`SocketError::AddressNotAvailable`] when no port is left or the ends are in use.
    pub fn connect(&mut self, remote: SocketAddr) -> Result<(), SocketError> {
        self.begin(remote, None)
    }

    /// Begins a connection, with data if there are some to go with its SYN.
    pub(super) fn begin(&mut self, remote: SocketAddr, bytes: Option<&[u8]>) -> Result<(), SocketError> {
        let idle = match self.entry() {
            Entry::Idle(idle) => (**idle).clone(),
            Entry::Datagram(_) => return self.connect_datagram(remote),
            Entry::Connection(connection) if connection.is_deferred() => return Err(SocketError::IsConnected),
            Entry::Connection(connection) if connection.state == State::SynSent => return Err(SocketError::Already),
            Entry::Connection(connection) if connection.state != State::Closed => return Err(SocketError::IsConnected),
            Entry::Connection(_) => return Err(self.fails_to_connect()),
            Entry::Listener(_) => return Err(SocketError::IsConnected),
            Entry::Free | Entry::Request(_) | Entry::TimeWait(_) => return Err(SocketError::Invalid),
        };
        let remote = self.of_family(idle.family, remote)?;
        if remote.is_ipv4() && idle.options.only_v6 {
            return Err(SocketError::NetworkUnreachable);
        }
        let remote = match remote.ip() {
            // To nobody is to this host.
            IpAddr::V4(to) if to.is_unspecified() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), remote.port()),
            IpAddr::V6(to) if to.is_unspecified() => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), remote.port()),
            to @ (IpAddr::V4(_) | IpAddr::V6(_)) if self.engine.devices.is_for_many(to) => {
                return Err(SocketError::NetworkUnreachable);
            }
            IpAddr::V4(_) | IpAddr::V6(_) => remote,
        };
        let source = own_address(&self.engine.routes, &self.engine.devices, remote.ip(), None);
        let source = source.ok_or(SocketError::NetworkUnreachable)?;
        let own = idle.local.map(|local| local.ip()).filter(|own| !own.is_unspecified()).unwrap_or(source);
        if own.is_ipv4() != remote.is_ipv4() {
            return Err(SocketError::NetworkUnreachable);
        }
        let ends = Ends { local: SocketAddr::new(own, idle.local.map_or(0, |local| local.port())), remote };
        let beginning = match bytes {
            Some(bytes) => Beginning::Fast(bytes),
            None if idle.options.fast_open.defers_connect => Beginning::Deferred,
            None => Beginning::Plain,
        };
        self.start(ends, &idle, beginning)
    }

    fn start(&mut self, mut ends: Ends, idle: &Idle, beginning: Beginning<'_>) -> Result<(), SocketError> {
        let (now, engine) = (self.now, &mut *self.engine);
        let (sockets, sysctls) = (&mut engine.sockets, &engine.around.sysctls);
        let chosen = if ends.local.port() == 0 {
            let chosen = sockets.port_towards(now, sysctls, ends.local.ip(), ends.remote);
            chosen.map(|chosen| (chosen.port, chosen.replaces))
        } else {
            sockets.is_free(now, sysctls, &ends).map(|replaces| (ends.local.port(), replaces))
        };
        let (port, replaces) = chosen.ok_or(SocketError::AddressNotAvailable)?;
        ends.local.set_port(port);
        let mut initial = idle.initial_towards(ends.remote.ip());
        if let Some((index, first)) = replaces {
            engine.forget_rest(index);
            initial = Some(first);
        }
        let way = engine.way_to(now, ends.remote.ip(), None);
        let ip_id = engine.sockets.random.below(1 << 16) as u16;
        let mut connection =
            Connection::connect(&mut engine.work(now), ends, idle.options, way, ip_id, initial, beginning);
        connection.origin = Some(Origin { family: idle.family, bound: idle.local, is_begun: true });
        engine.put_back(now, self.index, Box::new(connection));
        engine.sockets.link(self.index);
        engine.end_call(now);
        Ok(())
    }

    /// The address as the socket's family has it: one of IPv4 mapped into IPv6 is one of IPv4.
    pub(super) fn of_family(&self, family: Family, address: SocketAddr) -> Result<SocketAddr, SocketError> {
        match (family, address.ip()) {
            (Family::Ipv4, IpAddr::V4(_)) => Ok(address),
            (Family::Ipv4, IpAddr::V6(_)) => Err(SocketError::WrongFamily),
            (Family::Ipv6, IpAddr::V6(v6)) => {
                let mapped = v6.to_ipv4_mapped();
                Ok(mapped.map_or(address, |v4| SocketAddr::new(v4.into(), address.port())))
            }
            (Family::Ipv6, IpAddr::V4(_)) => Ok(address),
        }
    }
}

pub(super) const fn unspecified(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Family::Ipv6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}
