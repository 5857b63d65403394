//! Connections that open fast: what goes with their SYN, and what its answer says (Linux v6.18: `net/ipv4/tcp_output.c`,
//! `tcp_send_syn_data()`; `net/ipv4/tcp_input.c`, `tcp_rcv_fastopen_synack()`).

use super::{Asked, Failure, FastOpen, Opening, Peer, Tried};
use crate::{
    ending::Dropped,
    packet::Packet,
    sysctl::Sysctls,
    tcp::{ResendReason, connection::Connection, open::mss_of_way, segment::Segment, states::State, work::Work},
    time::Instant,
    wire::{FastOpenOption, OptionsOut, TcpFlags},
};

impl Connection {
    /// Whether its SYN waits for the first data.
    pub(crate) fn is_deferred(&self) -> bool {
        self.fast_open.as_ref().is_some_and(|opening| opening.is_deferred)
    }

    /// Whether data that went with the SYN, or came with it, were taken.
    pub(in crate::tcp) fn has_syn_data(&self) -> bool {
        self.fast_open.as_ref().is_some_and(|opening| opening.is_data_taken)
    }

    /// The number of why not.
    pub(in crate::tcp) fn fast_open_failure(&self) -> u8 {
        self.fast_open.as_ref().map_or(0, |opening| opening.failure as u8)
    }

    /// How many bytes went with its SYN.
    pub(crate) fn beside_syn(&self) -> usize {
        self.fast_open.as_ref().map_or(0, |opening| opening.bytes)
    }

    /// Whoever has begun it waits until it stands, and writes the rest then, or does not wait.
    pub(crate) fn note_beginner(&mut self, waits: bool, has_rest: bool) {
        self.sender.has_writer = waits && has_rest;
        if let Some(opening) = &mut self.fast_open {
            opening.is_untold = !waits;
        }
    }

    /// Whether it stands and whoever has begun it hears so only now.
    pub(crate) fn tell_standing(&mut self) -> bool {
        let stands = self.state.is_synchronised();
        self.fast_open.as_mut().is_some_and(|opening| stands && core::mem::take(&mut opening.is_untold))
    }

    /// Whether it was opened fast, from here or there.
    pub(crate) const fn is_fast(&self) -> bool {
        self.fast_open.is_some()
    }

    /// Whether the user or the route says that no cookie is needed.
    const fn needs_no_cookie(&self) -> bool {
        self.settings.fast_open.needs_no_cookie || self.way.metrics.fastopen_no_cookie
    }

    /// What its SYN is to be.
    fn ask(&self, work: &mut Work<'_>) -> Asked {
        let server = work.destinations.server(work.now, &self.ends, &self.way.metrics);
        work.fast_open.ask(work.now, work.sysctls, server, self.needs_no_cookie())
    }

    /// Lets the SYN wait for the first data, which are to go with it, if they may. Tells whether it does.
    pub(in crate::tcp) fn defer(&mut self, work: &mut Work<'_>) -> bool {
        let asked = self.ask(work);
        if asked.takes_data {
            self.fast_open = Some(alloc::boxed::Box::new(Opening { is_deferred: true, ..Opening::default() }));
        }
        asked.takes_data
    }

    /// Sends the SYN with as many of these bytes as fit beside it, if the server's cookie is known, and else with the wish for one;
    /// tells how many.
    pub(crate) fn open_fast(&mut self, work: &mut Work<'_>, bytes: &[u8]) -> usize {
        let asked = self.ask(work);
        let room = if asked.takes_data { self.room_beside_syn(asked.mss_bytes) } else { 0 };
        let len = bytes.len().min(room as usize);
        let opening = Opening {
            has_option: asked.option.is_some(),
            is_experimental: asked.option.is_some_and(|option| option.is_experimental),
            has_data: len > 0,
            bytes: len,
            failure: asked.failure,
            is_on_trial: asked.is_on_trial,
            ..Opening::default()
        };
        self.fast_open = Some(alloc::boxed::Box::new(opening));
        self.send_syn(work, asked.option.as_ref(), &bytes[..len]);
        len
    }

    /// Bytes that fit beside a SYN: what the server takes as far as it is known, and the way, with room for all options that
    /// somebody on the way may add.
    fn room_beside_syn(&self, known: Option<u16>) -> u32 {
        let of_way = mss_of_way(self.way.mtu_bytes, self.ends.remote.is_ipv4());
        let mss = known.map_or(self.receiver.mss_told, u32::from);
        let mss = self.settings.mss_max.map_or(mss, |most| mss.min(u32::from(most)));
        mss.min(of_way).saturating_sub(OptionsOut::BYTES_MAX as u32)
    }

    /// The SYN is answered, and the connection stands.
    pub(in crate::tcp) fn finish_fast(
        &mut self,
        work: &mut Work<'_>,
        segment: &Segment,
        packet: Packet,
    ) -> Result<(), Dropped> {
        let Some(mut opening) = self.fast_open.take() else {
            packet.recycle(work.pool);
            return Ok(());
        };
        let cookie = FastOpenOption::find(packet.tcp_options()).filter(|_| opening.has_option);
        let was_resent = self.counters.resent > 0;
        let tried = match (cookie, opening.is_experimental) {
            (None, false) if opening.has_option && !was_resent && !opening.has_data => Tried::Usual,
            (None, true) if !was_resent && !opening.has_data => Tried::Both,
            _ => Tried::None,
        };
        let told = |server: &mut Peer| server.note(segment.offers.mss_bytes, cookie, tried);
        work.destinations.note_server(work.now, &self.ends, &self.way.metrics, told);
        let counters = &mut work.fast_open.counters;
        if opening.has_data && !self.sender.flight.is_empty() {
            opening.failure = if was_resent { Failure::Resent } else { Failure::NotAcknowledged };
            counters.active_fail = counters.active_fail.wrapping_add(1);
            self.fast_open = Some(opening);
            packet.recycle(work.pool);
            // The data take the acknowledgement along.
            self.resend_beside_syn(work);
            return Ok(());
        }
        let takes_data = opening.has_option || opening.has_data;
        if opening.has_data {
            opening.is_data_taken = true;
            counters.active = counters.active.wrapping_add(1);
            // What has gone as one segment has been counted as two.
            if self.counters.delivered > 1 {
                self.counters.delivered -= 1;
            }
        }
        self.fast_open = Some(opening);
        if takes_data && (segment.len > 0 || segment.has(TcpFlags::FIN)) {
            self.append(work, packet, 0, segment.len);
            self.receiver.last_at = work.now;
            if segment.has(TcpFlags::FIN) {
                self.take_fin(work);
                // Whoever has said all has asked something: the acknowledgement waits for the answer.
                self.sender.has_writer = true;
            }
        } else {
            packet.recycle(work.pool);
        }
        self.acknowledge_answer(work);
        Ok(())
    }

    /// What went with the SYN has not been taken: it is sent again at once, and for no fault of the network.
    fn resend_beside_syn(&mut self, work: &mut Work<'_>) {
        let una = self.sender.una;
        if let Some(first) = self.sender.flight.front_mut().filter(|first| first.seq.before(una)) {
            first.seq = una;
        }
        for at in 0..self.sender.flight.len() {
            self.recut(at);
            self.mark_lost(at);
        }
        self.resend_blameless(work, ResendReason::Handshake);
        self.push(work);
    }

    /// The way takes less than was thought: if data went with the SYN, it has not arrived.
    pub(in crate::tcp) fn resend_open(&mut self, work: &mut Work<'_>) {
        if self.fast_open.as_ref().is_some_and(|opening| opening.has_data) {
            (0..self.sender.flight.len()).for_each(|at| self.mark_lost(at));
            self.resend_blameless(work, ResendReason::TooLarge);
        }
    }

    /// Timeouts may come from boxes in the way that do not know Fast Open: the third one in a row says so, or the last one (Linux v6.18:
    /// `tcp_fastopen_active_detect_blackhole()`).
    pub(in crate::tcp) fn suspect_fast_open(&self, work: &mut Work<'_>, is_over: bool) {
        let Some(opening) = &self.fast_open else { return };
        let timeouts = self.trouble.attempts;
        let is_active = opening.has_option || opening.has_data || opening.is_data_taken;
        if is_active && (timeouts == 2 || (timeouts < 2 && is_over)) {
            work.fast_open.begin_pause(work.now, work.sysctls);
            let counters = &mut work.fast_open.counters;
            counters.active_fail = counters.active_fail.wrapping_add(1);
        }
    }

    /// A FIN has come behind data that nobody will read any more, with the acknowledgement of this end's (Linux v6.18:
    /// `tcp_rcv_state_process()`).
    pub(in crate::tcp) fn suspect_late_fin(&self, work: &mut Work<'_>, segment: &Segment) {
        let is_late = segment.has(TcpFlags::FIN) && (segment.seq + segment.len).after(self.receiver.next);
        if is_late && self.fast_open.as_ref().is_some_and(|opening| opening.has_option) {
            work.fast_open.begin_pause(work.now, work.sysctls);
        }
    }

    /// It ends; what waits before its turn is given up next.
    pub(in crate::tcp) fn note_end_of_fast(&mut self) {
        let is_lone = self.receiver.out_of_order.is_lone_fin() && self.counters.data_segments_received == 0;
        if let Some(opening) = &mut self.fast_open {
            opening.has_lone_fin |= is_lone;
        }
    }
}

impl FastOpen {
    /// A connection is over: whether it was the way's fault, or the way is well again (Linux v6.18:
    /// `tcp_fastopen_active_disable_ofo_check()`).
    pub(crate) fn conclude(&mut self, now: Instant, sysctls: &Sysctls, connection: &mut Connection) {
        let has_received = connection.counters.data_segments_received > 0;
        let is_far = !connection.ends.remote.ip().is_loopback();
        let Some(opening) = connection.fast_open.as_mut().filter(|opening| opening.has_option) else { return };
        debug_assert_eq!(connection.state, State::Closed, "only what has ended is concluded from");
        if core::mem::take(&mut opening.has_lone_fin) {
            self.begin_pause(now, sysctls);
        } else if core::mem::take(&mut opening.is_on_trial) && has_received && is_far {
            self.end_pause();
        }
    }
}
