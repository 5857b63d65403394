//! Fast Open between the path and the table: a write that begins a connection, a SYN that is one already, and what is left of either.

use alloc::boxed::Box;
use core::net::SocketAddr;

use super::{Readiness, SendFlags, Socket, SocketError, table::Entry};
use crate::{
    ending::{DropReason, Dropped},
    engine::Engine,
    packet::Packet,
    tcp::{
        Destination, FastOpenCounters, State,
        connection::Connection,
        fastopen::{Judged, Presented},
        listen::Request,
        segment::Segment,
    },
    time::Instant,
    wire::FastOpenOption,
};

impl Socket<'_> {
    /// Begins a connection with data in its SYN (`sendto`, `sendmsg` with `MSG_FASTOPEN`): as many as fit, if the other end's cookie is
    /// known; tells how many.
    ///
    /// # Errors
    /// [`SocketError::InProgress`] when the connection is begun without data, [`SocketError::NotSupported`] when
    /// `net.ipv4.tcp_fastopen` says so, [`SocketError::Already`] while one is begun, and those of [`Self::connect`].
    pub fn send_fast(&mut self, remote: SocketAddr, bytes: &[u8], flags: SendFlags) -> Result<usize, SocketError> {
        if !self.engine.around.sysctls.opens_fast() || self.datagram().is_some() {
            return Err(SocketError::NotSupported);
        }
        if self.is_deferred() {
            return self.send_deferred(bytes, flags);
        }
        if let Entry::Connection(connection) = self.entry()
            && connection.state == State::SynReceived
        {
            return Err(SocketError::Already);
        }
        // As a second `connect` would, the first write tells that the connection stands, and then it is one as any other.
        if self.with_connection(|connection, _| connection.tell_standing()) == Ok(true) {
            return self.send_with(bytes, flags);
        }
        self.begin(remote, Some(bytes))?;
        self.told_of_opening(bytes, flags)
    }

    /// Whether its connection waits for the first data, which are to go with the SYN (`TCP_FASTOPEN_CONNECT`).
    #[must_use]
    pub fn is_deferred(&self) -> bool {
        matches!(self.entry(), Entry::Connection(connection) if connection.is_deferred())
    }

    /// Sends the SYN that has waited for data.
    pub(super) fn send_deferred(&mut self, bytes: &[u8], flags: SendFlags) -> Result<usize, SocketError> {
        if !self.engine.around.sysctls.opens_fast() {
            return Err(SocketError::NotSupported);
        }
        self.with_connection(|connection, work| connection.open_fast(work, bytes))?;
        self.told_of_opening(bytes, flags)
    }

    /// What becomes of a write that has begun a connection. One to this host itself stands already, or is refused.
    fn told_of_opening(&mut self, bytes: &[u8], flags: SendFlags) -> Result<usize, SocketError> {
        let (copied, state) = self.with_connection(|connection, _| {
            let copied = connection.beside_syn();
            connection.note_beginner(flags.waits, copied < bytes.len());
            (copied, connection.state)
        })?;
        match state {
            State::SynSent | State::SynReceived if copied > 0 => Ok(copied),
            State::SynSent | State::SynReceived => Err(SocketError::InProgress),
            State::Closed => Err(self.take_error().unwrap_or(SocketError::ConnectionAborted)),
            State::Established
            | State::CloseWait
            | State::FinWait1
            | State::FinWait2
            | State::Closing
            | State::LastAck
            | State::TimeWait
            | State::Listen => {
                self.with_connection(|connection, _| connection.tell_standing())?;
                match self.send_with(&bytes[copied..], flags) {
                    Err(_) if copied > 0 => Ok(copied),
                    sent => sent.map(|sent| copied + sent),
                }
            }
        }
    }
}

impl Engine {
    /// What is counted of Fast Open.
    #[must_use]
    pub const fn fast_open_counters(&self) -> FastOpenCounters {
        self.sockets.fast_open.counters
    }

    /// What is remembered of other hosts, by their addresses (`ip tcp_metrics show`).
    pub fn destinations(&self, now: Instant) -> impl Iterator<Item = Destination> {
        self.sockets.destinations.all(now)
    }

    /// ICMP errors about segments that no connection has in flight, which are not believed (`OutOfWindowIcmps`).
    #[must_use]
    pub const fn strange_icmp_errors(&self) -> u64 {
        self.sockets.strange_errors
    }

    /// What Fast Open has to say of a SYN that a listener has room for.
    pub(super) fn judge_fast_open(
        &mut self,
        now: Instant,
        listener: u32,
        request: &Request,
        segment: &Segment,
        packet: &Packet,
    ) -> Judged {
        let option = FastOpenOption::find(packet.tcp_options());
        let metrics = request.way.metrics;
        let syn = Presented { ends: request.ends, option, has_data: segment.has_payload(), metrics };
        if syn.option.is_none() && !syn.has_data {
            return Judged::default();
        }
        let sockets = &mut self.sockets;
        match sockets.slots.get_mut(listener as usize).map(|slot| &mut slot.entry) {
            Some(Entry::Listener(listener)) => {
                sockets.fast_open.judge(now, (&self.around.sysctls, &sockets.secrets), listener, &syn)
            }
            _ => Judged::default(),
        }
    }

    /// A SYN is a connection at once, and waits to be accepted.
    pub(super) fn open_fast(
        &mut self,
        now: Instant,
        request: &Request,
        (segment, packet): (&Segment, Packet),
        reply: Option<&FastOpenOption>,
    ) -> Result<(), Dropped> {
        let (listener, _) = request.listener;
        let Some(settings) = self.sockets.listener_of(request).map(|listener| listener.settings) else {
            return Err(packet.drop_for(DropReason::ListenFull));
        };
        let Some(place) = self.sockets.insert(Entry::Free) else {
            let counters = &mut self.sockets.fast_open.counters;
            counters.passive_fail = counters.passive_fail.wrapping_add(1);
            return Err(packet.drop_for(DropReason::ListenFull));
        };
        let ip_id = self.sockets.random.below(1 << 16) as u16;
        let mut work = self.work(now);
        let connection = Connection::opened_fast(&mut work, request, settings, ip_id, (segment, packet), reply);
        let counters = &mut self.sockets.fast_open.counters;
        counters.passive = counters.passive.wrapping_add(1);
        if let Some(Entry::Listener(listener)) = self.sockets.entry_mut(listener) {
            listener.fast_open.enter();
            listener.accepted.push_back(place);
            listener.woken |= Readiness::READABLE;
        }
        self.sockets.note_ready(listener);
        self.put_back(now, place, Box::new(connection));
        self.sockets.link(place);
        Ok(())
    }

    /// Something has happened to a connection that was opened fast: its listener may have a place again.
    pub(super) fn note_handshake(&mut self, now: Instant, connection: &mut Connection) {
        let Some(((place, serial), is_paused)) = connection.take_ended_handshake() else { return };
        if let Some(Entry::Listener(listener)) = self.sockets.entry_mut(place)
            && listener.serial == serial
        {
            listener.fast_open.leave(now, is_paused);
        }
    }
}
