//! Between a connection and an algorithm of congestion control that has a model of the way ([`super::congestion::Bbr`]): what it
//! looks at, and what it sets.

use super::{
    congestion::{BbrInfo, Flow},
    connection::Connection,
    delivery::Sample,
    states::State,
    work::Work,
};
use crate::time::Instant;

impl Connection {
    /// How it stands.
    pub(super) fn flow(&self, now: Instant) -> Flow {
        Flow {
            now,
            mss_bytes: self.sender.mss_bytes,
            smoothed: self.rtt.smoothed(),
            least: self.rtt.least(),
            delivered: self.counters.delivered,
            delivered_at: self.delivery.delivered_at,
            lost: self.counters.lost,
            in_flight: self.sender.in_flight.pipe(),
            departs: self.pacing.departs,
            trouble: self.trouble.now,
            pacing_rate_max: self.pacing.rate_max,
            pacing_rate: self.pacing.rate,
            app_limited_until: self.delivery.app_limited_until,
        }
    }

    fn take_flow(&mut self, flow: &Flow) {
        self.pacing.set(flow.pacing_rate);
        self.delivery.app_limited_until = flow.app_limited_until;
    }

    /// The connection stands, or has another algorithm than before.
    pub(super) fn begin_control(&mut self, work: &Work<'_>) {
        // What another one has reduced is not taken back (Linux v6.18: `tcp_init_congestion_control()`).
        self.trouble.prior_threshold = 0;
        let mut flow = self.flow(work.now);
        let seed = work.secrets.chance(work.now, &self.ends);
        self.congestion.begin(&mut flow, &mut self.window, seed);
        self.take_flow(&flow);
        self.pacing.is_on |= self.congestion.is_model();
    }

    /// An acknowledgement has come. Before the connection stands there is no model.
    pub(super) fn control(&mut self, work: &Work<'_>, sample: &Sample) {
        if matches!(self.state, State::SynSent | State::SynReceived) {
            return;
        }
        let mut flow = self.flow(work.now);
        self.congestion.control(&mut flow, &mut self.window, sample);
        self.take_flow(&flow);
    }

    /// Sending begins anew after a while of silence.
    pub(super) fn restart_control(&mut self, work: &Work<'_>) {
        let mut flow = self.flow(work.now);
        let silence = work.now.since(self.sender.last_at);
        self.congestion.restart(&mut flow, &mut self.window, silence);
        self.take_flow(&flow);
    }

    /// What is known of its model (`TCP_CC_INFO`).
    pub(crate) fn model_info(&self) -> Option<BbrInfo> {
        self.congestion.info(self.sender.mss_bytes)
    }
}
