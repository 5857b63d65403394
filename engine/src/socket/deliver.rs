//! Between the path and the sockets: whose a segment is, what becomes of a connection after it, and when its packets set out.

use alloc::{boxed::Box, vec::Vec};
use core::net::IpAddr;

use super::table::Entry;
use crate::{
    ending::{DropReason, Dropped},
    engine::Engine,
    frame::DeviceId,
    ip::{Fate, RouteMetrics, path_mtu::PathMtu},
    packet::{Addressed, Packet},
    socket::Readiness,
    tcp::{
        Ends, State,
        connection::Connection,
        listen::{Answer, Listener, Request},
        segment::Segment,
        time_wait::{Left, TimeWait},
        way::{Way, label_of},
        work::Work,
    },
    time::Instant,
    wire::{Protocol, SeqNum, TcpFlags},
};

impl Engine {
    /// What a connection is lent.
    pub(super) fn work(&mut self, now: Instant) -> Work<'_> {
        let sockets = &mut self.sockets;
        Work {
            now,
            sysctls: &self.around.sysctls,
            pool: &mut self.pool,
            outbox: &mut sockets.outbox,
            secrets: &sockets.secrets,
            challenges: &mut sockets.challenges,
            fast_open: &mut sockets.fast_open,
            destinations: &mut sockets.destinations,
            memory: &mut sockets.memory,
            transmits: &self.transmits,
        }
    }

    /// Gives a segment to whose it is.
    ///
    /// # Errors
    /// [`DropReason::NoSocket`] when it is nobody's, which the sender is told by a reset; other reasons when its socket does not
    /// take it.
    pub(crate) fn deliver_segment(&mut self, now: Instant, packet: Packet) -> Result<(), Dropped> {
        if packet.meta().addressed != Addressed::Host {
            return Err(packet.drop_for(DropReason::IpLinkBroadcast));
        }
        let Some((segment, ends)) = Segment::of(&packet) else {
            return Err(packet.drop_for(DropReason::TransportMalformed));
        };
        let found = self.sockets.find(&ends);
        let result = match found {
            Some(index) => self.deliver_to(now, index, &segment, packet),
            // RFC 9293, 3.9.2.3 (MUST-57); Linux v6.18: `tcp_v4_conn_request()`, `tcp_v6_conn_request()`.
            None if !self.devices.is_own(ends.local.ip()) => Err(packet.drop_for(DropReason::IpLinkBroadcast)),
            None => self.deliver_to_listener(now, &ends, &segment, packet, None),
        };
        self.send_outbox(now);
        result
    }

    fn deliver_to(&mut self, now: Instant, index: u32, segment: &Segment, packet: Packet) -> Result<(), Dropped> {
        match self.sockets.replace(index, Entry::Free) {
            Entry::Connection(mut connection) => {
                let result = connection.receive(&mut self.work(now), segment, packet);
                self.put_back(now, index, connection);
                result
            }
            Entry::Request(request) => self.deliver_to_request(now, index, request, segment, packet),
            Entry::TimeWait(rest) => self.deliver_to_rest(now, index, rest, segment, packet),
            other @ (Entry::Free | Entry::Idle(_) | Entry::Listener(_) | Entry::Datagram(_)) => {
                self.sockets.replace(index, other);
                Err(packet.drop_for(DropReason::NoSocket))
            }
        }
    }

    /// A segment that belongs to no connection may ask for one.
    fn deliver_to_listener(
        &mut self,
        now: Instant,
        ends: &Ends,
        segment: &Segment,
        packet: Packet,
        initial: Option<SeqNum>,
    ) -> Result<(), Dropped> {
        let Some(index) = self.sockets.listener(ends) else { return Err(packet.drop_for(DropReason::NoSocket)) };
        if segment.flags().contains(TcpFlags::RST) {
            return Err(packet.drop_for(DropReason::TcpFlagsWrong));
        }
        if segment.flags().contains(TcpFlags::ACK) {
            return self.deliver_cookie(now, index, ends, segment, packet);
        }
        if !segment.flags().contains(TcpFlags::SYN) || segment.flags().contains(TcpFlags::FIN) {
            return Err(packet.drop_for(DropReason::TcpFlagsWrong));
        }
        let Entry::Listener(listener) = self.sockets.entry(index) else {
            return Err(packet.drop_for(DropReason::ListenFull));
        };
        let (settings, serial) = (listener.settings, listener.serial);
        let cookies = self.around.sysctls.tcp_syncookies;
        // What takes the place of a rest needs no more than that (Linux v6.18: `tcp_conn_request()`).
        let has_room = listener.takes_request() || initial.is_some();
        let remembers =
            cookies != 0 || initial.is_some() || listener.may_remember(self.around.sysctls.tcp_max_syn_backlog);
        if listener.is_full()
            || (!has_room && cookies == 0)
            || !(remembers || self.is_proven(now, ends, packet.meta().device))
        {
            return Err(packet.drop_for(DropReason::ListenFull));
        }
        if initial.is_none() && (cookies == 2 || !has_room) {
            let way = self.way_to(now, ends.remote.ip(), packet.meta().device);
            let request = Request::with_cookie(&self.work(now), (index, serial), *ends, segment, &settings, way);
            request.answer(&mut self.work(now), settings);
            if let Some(Entry::Listener(listener)) = self.sockets.entry_mut(index) {
                listener.cookie_at = Some(now);
            }
            packet.recycle(&mut self.pool);
            return Ok(());
        }
        let way = self.way_to(now, ends.remote.ip(), packet.meta().device);
        let request = Request::new(&self.work(now), (index, serial), *ends, segment, &settings, way, initial);
        let judged = self.judge_fast_open(now, index, &request, segment, &packet);
        if judged.opens {
            return self.open_fast(now, &request, (segment, packet), judged.reply.as_ref());
        }
        let deadline = request.deadline;
        let Some(place) = self.sockets.insert(Entry::Request(Box::new(request.clone()))) else {
            return Err(packet.drop_for(DropReason::ListenFull));
        };
        request.answer_with(&mut self.work(now), settings, judged.reply.as_ref());
        self.sockets.link(place);
        self.sockets.arm(now, place, Some(deadline));
        if let Some(Entry::Listener(listener)) = self.sockets.entry_mut(index) {
            listener.requests += 1;
        }
        packet.recycle(&mut self.pool);
        Ok(())
    }

    /// Whether the other end has been there before: what is left of a full listener is for such (Linux v6.18: `tcp_conn_request()`).
    fn is_proven(&mut self, now: Instant, ends: &Ends, arrived_at: Option<DeviceId>) -> bool {
        let bound = arrived_at.filter(|_| crate::ip::route::is_of_a_link(ends.remote.ip()));
        let way = self.unlabelled_way_to(now, ends.remote.ip(), bound);
        self.sockets.destinations.is_proven(now, ends, &way.metrics)
    }

    /// A segment of nobody's may bring the answer to a cookie (Linux v6.18: `tcp_v4_cookie_check()`).
    fn deliver_cookie(
        &mut self,
        now: Instant,
        index: u32,
        ends: &Ends,
        segment: &Segment,
        packet: Packet,
    ) -> Result<(), Dropped> {
        let listener = match self.sockets.entry(index) {
            Entry::Listener(listener) if self.around.sysctls.tcp_syncookies != 0 && listener.expects_cookies(now) => {
                listener
            }
            Entry::Listener(_)
            | Entry::Free
            | Entry::Idle(_)
            | Entry::Connection(_)
            | Entry::Request(_)
            | Entry::TimeWait(_)
            | Entry::Datagram(_) => return Err(packet.drop_for(DropReason::NoSocket)),
        };
        let (settings, serial, is_full) = (listener.settings, listener.serial, listener.is_full());
        let way = self.way_to(now, ends.remote.ip(), packet.meta().device);
        let request = Request::of_cookie(&self.work(now), (index, serial), *ends, segment, &settings, way);
        let Some(request) = request else { return Err(packet.drop_for(DropReason::NoSocket)) };
        if is_full {
            return Err(packet.drop_for(DropReason::ListenFull));
        }
        let Some(place) = self.sockets.insert(Entry::Request(Box::new(request.clone()))) else {
            return Err(packet.drop_for(DropReason::ListenFull));
        };
        self.sockets.link(place);
        if let Some(Entry::Listener(listener)) = self.sockets.entry_mut(index) {
            listener.requests += 1;
        }
        self.establish(now, place, &request, segment, packet)
    }

    fn deliver_to_request(
        &mut self,
        now: Instant,
        index: u32,
        mut request: Box<Request>,
        segment: &Segment,
        packet: Packet,
    ) -> Result<(), Dropped> {
        let answer = request.judge(segment);
        let Some(listener) = self.sockets.listener_of(&request) else {
            self.sockets.replace(index, Entry::Request(request));
            self.forget_request(index);
            return Err(packet.drop_for(DropReason::NoSocket));
        };
        let (settings, is_full) = (listener.settings, listener.is_full());
        let result = match answer {
            Answer::Done if request.waits_for_data(segment, &settings) => {
                packet.recycle(&mut self.pool);
                Ok(())
            }
            Answer::Done if is_full => {
                if self.around.sysctls.tcp_abort_on_overflow != 0 {
                    self.sockets.replace(index, Entry::Request(request));
                    self.forget_request(index);
                    return Err(packet.drop_for(DropReason::NoSocket));
                }
                Err(packet.drop_for(DropReason::ListenFull))
            }
            Answer::Done => return self.establish(now, index, &request, segment, packet),
            Answer::Again => {
                request.answer_again(&mut self.work(now), settings);
                self.sockets.arm(now, index, Some(request.deadline));
                packet.recycle(&mut self.pool);
                Ok(())
            }
            Answer::Outside => {
                request.acknowledge(&mut self.work(now), settings);
                Err(packet.drop_for(DropReason::TcpOutsideWindow))
            }
            Answer::Reset => {
                self.sockets.replace(index, Entry::Request(request));
                self.forget_request(index);
                packet.recycle(&mut self.pool);
                return Ok(());
            }
            Answer::Other => {
                self.sockets.replace(index, Entry::Request(request));
                self.forget_request(index);
                return Err(packet.drop_for(DropReason::NoSocket));
            }
            Answer::Wrong => Err(packet.drop_for(DropReason::NoSocket)),
            Answer::Nothing => Err(packet.drop_for(DropReason::TcpFlagsWrong)),
        };
        self.sockets.replace(index, Entry::Request(request));
        result
    }

    /// A handshake is done: the request's place is its connection's.
    fn establish(
        &mut self,
        now: Instant,
        index: u32,
        request: &Request,
        segment: &Segment,
        packet: Packet,
    ) -> Result<(), Dropped> {
        let ip_id = self.sockets.random.below(1 << 16) as u16;
        let Some(listener) = self.sockets.listener_of(request) else {
            return Err(packet.drop_for(DropReason::NoSocket));
        };
        let settings = listener.settings;
        let mut request = request.clone();
        if request.way.changes != self.routes.changes() {
            let way = self.unlabelled_way_to(now, request.ends.remote.ip(), request.way.bound);
            request.way = Way { flow_label: request.way.flow_label, ..way };
        }
        let mut connection = Box::new(Connection::accepted(&mut self.work(now), &request, settings, ip_id));
        let result = connection.receive(&mut self.work(now), segment, packet);
        connection.is_accepted = false;
        if let Some(Entry::Listener(listener)) = self.sockets.entry_mut(request.listener.0) {
            listener.requests = listener.requests.saturating_sub(1);
            listener.accepted.push_back(index);
            listener.woken |= Readiness::READABLE;
        }
        self.sockets.note_ready(request.listener.0);
        self.put_back(now, index, connection);
        result
    }

    /// Forgets a request that stands in its place.
    pub(super) fn forget_request(&mut self, index: u32) {
        if let Entry::Request(request) = self.sockets.entry(index)
            && self.sockets.listener_of(request).is_some()
        {
            let (listener, _) = request.listener;
            if let Some(Entry::Listener(listener)) = self.sockets.entry_mut(listener) {
                listener.requests = listener.requests.saturating_sub(1);
            }
        }
        self.sockets.unlink(index);
        self.sockets.remove(index);
    }

    fn deliver_to_rest(
        &mut self,
        now: Instant,
        index: u32,
        mut rest: Box<TimeWait>,
        segment: &Segment,
        packet: Packet,
    ) -> Result<(), Dropped> {
        let mut left = rest.receive(&mut self.work(now), segment);
        let (ends, until) = (rest.ends, rest.until);
        if matches!(left, Left::Begins(_)) && self.sockets.listener(&ends).is_none() {
            // Nobody takes its place (Linux: `TCP_TW_SYN` goes on as `TCP_TW_ACK`).
            rest.acknowledge(&mut self.work(now));
            left = Left::Acknowledged;
        }
        self.sockets.replace(index, Entry::TimeWait(rest));
        match left {
            Left::Nothing | Left::Acknowledged => self.sockets.arm(now, index, Some(until)),
            Left::Forgotten => self.forget_rest(index),
            Left::Begins(initial) => {
                self.forget_rest(index);
                return self.deliver_to_listener(now, &ends, segment, packet, Some(initial));
            }
        }
        packet.recycle(&mut self.pool);
        Ok(())
    }

    pub(super) fn forget_rest(&mut self, index: u32) {
        self.sockets.unlink(index);
        self.sockets.remove(index);
        self.sockets.time_waits = self.sockets.time_waits.saturating_sub(1);
    }

    /// Puts a connection back into its place after something has happened to it, or what is left of it.
    pub(super) fn put_back(&mut self, now: Instant, index: u32, mut connection: Box<Connection>) {
        self.sockets.memory.settle(now, &self.around.sysctls, &mut connection);
        self.follow_routes(now, &mut connection);
        match connection.state {
            State::TimeWait => return self.begin_time_wait(now, index, connection),
            State::Closed => return self.put_closed_back(now, index, connection),
            State::Listen
            | State::SynSent
            | State::SynReceived
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck => {}
        }
        let (deadline, is_woken) = (connection.next_deadline(), !connection.woken.is_empty());
        if is_woken && connection.is_fast() {
            self.note_handshake(now, &mut connection);
        }
        if connection.is_orphan {
            connection.woken = Readiness::default();
        }
        self.sockets.replace(index, Entry::Connection(connection));
        self.sockets.arm(now, index, deadline);
        if is_woken {
            self.sockets.note_ready(index);
        }
    }

    fn put_closed_back(&mut self, now: Instant, index: u32, mut connection: Box<Connection>) {
        self.sockets.memory.settle(now, &self.around.sysctls, &mut connection);
        if connection.is_fast() {
            self.note_handshake(now, &mut connection);
            self.sockets.fast_open.conclude(now, &self.around.sysctls, &mut connection);
        }
        let (is_orphan, port) = (connection.is_orphan, connection.ends.local.port());
        self.sockets.replace(index, Entry::Connection(connection));
        self.sockets.unlink(index);
        if !is_orphan {
            return self.sockets.note_ready(index);
        }
        self.sockets.unbind(Protocol::TCP, port, index);
        if let Entry::Connection(mut connection) = self.sockets.remove(index) {
            self.sockets.memory.leave(now, &self.around.sysctls, &mut connection);
            connection.release(&mut self.pool);
        }
    }

    /// A connection has ended well. What is left of it takes its ends; whoever holds it can read what has come.
    fn begin_time_wait(&mut self, now: Instant, index: u32, mut connection: Box<Connection>) {
        let rest = Box::new(TimeWait::of(now, &connection));
        let until = rest.until;
        connection.end(&mut self.pool);
        self.put_closed_back(now, index, connection);
        // Too many are as if they had waited (Linux: `tcp_max_tw_buckets`).
        if self.sockets.time_waits >= self.around.sysctls.tcp_max_tw_buckets {
            return;
        }
        if let Some(place) = self.sockets.insert(Entry::TimeWait(rest)) {
            self.sockets.time_waits += 1;
            self.sockets.link(place);
            self.sockets.arm(now, place, Some(until));
        }
    }

    /// Does what sockets wait for.
    pub(crate) fn handle_sockets_overdue(&mut self, now: Instant) {
        for index in self.sockets.due(now) {
            match self.sockets.replace(index, Entry::Free) {
                Entry::Connection(mut connection) => {
                    connection.handle_deadlines(&mut self.work(now));
                    self.put_back(now, index, connection);
                }
                Entry::Request(request) => self.handle_request_overdue(now, index, request),
                Entry::TimeWait(rest) => {
                    let until = rest.until;
                    self.sockets.replace(index, Entry::TimeWait(rest));
                    if until <= now { self.forget_rest(index) } else { self.sockets.arm(now, index, Some(until)) }
                }
                other @ (Entry::Free | Entry::Idle(_) | Entry::Listener(_) | Entry::Datagram(_)) => {
                    self.sockets.replace(index, other);
                }
            }
            self.send_outbox(now);
        }
    }

    fn handle_request_overdue(&mut self, now: Instant, index: u32, mut request: Box<Request>) {
        let settings = self.sockets.listener_of(&request).map(|listener| listener.settings);
        let lives = match settings {
            Some(settings) if request.deadline <= now => request.handle_deadline(&mut self.work(now), settings),
            Some(_) => true,
            None => false,
        };
        let deadline = request.deadline;
        self.sockets.replace(index, Entry::Request(request));
        if lives { self.sockets.arm(now, index, Some(deadline)) } else { self.forget_request(index) }
    }

    /// Sends what sockets have put into the outbox.
    pub(super) fn send_outbox(&mut self, now: Instant) {
        if self.sockets.outbox.is_empty() {
            return;
        }
        let mut outbox: Vec<Packet> = core::mem::take(&mut self.sockets.outbox);
        for packet in outbox.drain(..) {
            self.originate(now, packet);
        }
        self.sockets.outbox = outbox;
    }

    /// Ends a user's call: what came of it sets out, and what this host has sent to itself arrives.
    pub(super) fn end_call(&mut self, now: Instant) {
        self.send_outbox(now);
        if !self.looped.is_empty() {
            self.drain_loopback(now);
        }
    }

    /// How packets go to a host, as far as a connection has to know.
    pub(super) fn way_to(&mut self, now: Instant, to: IpAddr, arrived_at: Option<DeviceId>) -> Way {
        let bound = arrived_at.filter(|_| crate::ip::route::is_of_a_link(to));
        let labels = to.is_ipv6() && self.around.sysctls.ipv6_auto_flowlabels != 0;
        let flow_label = if labels { label_of(self.sockets.random.below(1 << 20)) } else { 0 };
        Way { flow_label, ..self.unlabelled_way_to(now, to, bound) }
    }

    fn unlabelled_way_to(&self, now: Instant, to: IpAddr, bound: Option<DeviceId>) -> Way {
        let (device, metrics) = match self.routes.from_here(&self.devices, to, bound) {
            Fate::Forward(hop) => (Some(hop.device), self.routes.metrics_towards(to)),
            Fate::Local | Fate::Nowhere(_) => (None, RouteMetrics::NONE),
        };
        let PathMtu { bytes: mtu_bytes, is_locked } = self.path_mtu(now, to, bound);
        let changes = self.routes.changes();
        Way { mtu_bytes, may_be_cut: is_locked, bound, device, flow_label: 0, metrics, changes }
    }

    /// A connection that sends learns that routes have changed.
    fn follow_routes(&self, now: Instant, connection: &mut Connection) {
        if connection.way_changes() != self.routes.changes() && !self.sockets.outbox.is_empty() {
            connection.take_way(self.unlabelled_way_to(now, connection.ends.remote.ip(), connection.bound()));
        }
    }

    /// Forgets who waits to be accepted by a listener, and all requests to it.
    pub(super) fn abandon(&mut self, now: Instant, listener: &Listener) {
        for &index in &listener.accepted {
            if let Entry::Connection(mut connection) = self.sockets.replace(index, Entry::Free) {
                connection.abort(&mut self.work(now));
                self.put_back(now, index, connection);
            }
        }
    }
}
