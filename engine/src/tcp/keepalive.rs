//! Whether the other end is still there, where nothing is sent that would tell (RFC 1122, section 4.2.3.6; Linux v6.18:
//! `net/ipv4/tcp_timer.c`, `tcp_keepalive_timer()`).

use core::time::Duration;

use super::{connection::Connection, states::State, work::Work};
use crate::wire::TcpFlags;

impl Connection {
    /// A connection that has not been closed by anybody may be asked whether it lives; so may one that is still to stand, once it
    /// does (Linux v6.18: `net/ipv4/tcp_timer.c`, `tcp_set_keepalive()`; `tcp_finish_connect()`).
    pub(crate) fn arm_keepalive(&mut self, work: &Work<'_>) {
        let is_live = !matches!(self.state, State::Closed | State::Listen | State::TimeWait);
        if self.settings.keepalive && is_live {
            self.deadlines.keepalive = Some(work.now + self.keepalive_idle(work));
        } else if self.state != State::FinWait2 || !self.is_orphan {
            self.deadlines.keepalive = None;
        }
    }

    fn keepalive_idle(&self, work: &Work<'_>) -> Duration {
        self.settings.keepalive_idle.unwrap_or(Duration::from_secs(work.sysctls.tcp_keepalive_time.into()))
    }

    /// Asks the other end whether it lives, or gives it up; an orphan waits no longer for its FIN.
    pub(super) fn handle_keepalive(&mut self, work: &mut Work<'_>) {
        if self.state == State::FinWait2 && self.is_orphan {
            // The other end does not say that it has ended, and nobody is there to hear it.
            self.remember(work);
            return self.finish(work.pool);
        }
        if !self.settings.keepalive || matches!(self.state, State::Closed | State::SynSent) {
            return;
        }
        let idle = self.keepalive_idle(work);
        let interval =
            self.settings.keepalive_interval.unwrap_or(Duration::from_secs(work.sysctls.tcp_keepalive_intvl.into()));
        if self.sender.in_flight.out > 0 || self.has_unsent() {
            // What is in flight asks by itself.
            self.deadlines.keepalive = Some(work.now + idle);
            return;
        }
        let silence = work.now.since(self.receiver.heard_at.max(self.receiver.acked_at));
        let wait = if silence >= idle {
            let probes = self.settings.keepalive_probes.unwrap_or(work.sysctls.tcp_keepalive_probes);
            let is_over = match self.settings.user_timeout {
                Some(most) => silence >= most && self.trouble.probes > 0,
                None => self.trouble.probes >= probes,
            };
            if is_over {
                self.send_reset(work);
                return self.give_up(work);
            }
            self.send_bare(work, self.sender.una - 1, TcpFlags::ACK);
            (self.trouble.probes, self.counters.probes_out) = (self.trouble.probes + 1, self.counters.probes_out + 1);
            interval
        } else {
            idle - silence
        };
        self.deadlines.keepalive = Some(work.now + wait);
    }
}
