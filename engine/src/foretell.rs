//! What the gateway would do with a packet that has not come.

use alloc::vec::Vec;

use crate::{
    conntrack::{State, Tuple, Zone},
    engine::Engine,
    frame::Frame,
    nat,
    netfilter::{Hook, TableName, Verdict, View, Walk},
    packet::{Packet, Pool},
    time::Instant,
};

impl Engine {
    /// Where rules would lead the first packet of a connection if it came in: the connection's tuple behind the nat table of PREROUTING.
    /// Nothing comes of it: nothing is counted, written down, remembered or told, and the path's tables beyond are not asked.
    ///
    /// `None` where that is not certain (it depends on what rules remember, on marks, on lots that are drawn), where the packet would begin
    /// no connection or not get so far, where it would belong to a connection that is there, and where somebody else has those answers.
    #[must_use]
    pub fn foretell(&mut self, now: Instant, frame: &Frame<'_>) -> Option<Tuple> {
        let now = now.max(self.latest);
        let mut pool = Pool::new();
        let mut packet = Packet::parse(&mut pool, frame).ok()?;
        let (family, tuple) = (packet.family()?, Tuple::of(&packet)?);
        let is_free = |tuple: &Tuple| self.conntrack.find(now, Zone::DEFAULT, tuple).is_none();
        // Who is let in to an endpoint that stands for a host inside asks no rules.
        let may_be_let_in = self.around.sysctls.nat_filtering != 0
            && self.conntrack.inside_of_destination(Zone::DEFAULT.id, &tuple).is_some();
        // A part of a datagram is judged when all of it has come.
        let may_begin = packet.is_fragment() || self.conntrack.may_begin(now, &packet, &tuple, &self.around);
        if may_be_let_in || !is_free(&tuple) || !may_begin {
            return None;
        }
        let input = self.devices.find(frame.device)?.master.unwrap_or(frame.device);
        let mut view = View {
            now,
            hook: Hook::Prerouting,
            packet: &mut packet,
            input: Some(input),
            output: None,
            devices: &self.devices,
            routes: &self.routes,
            sockets: &self.sockets,
            conntrack: &mut self.conntrack,
            lists: &mut self.lists,
            pool: &mut pool,
            copies: &mut Vec::new(),
            around: &mut self.around,
            walk: &mut Walk::new(),
        };
        let rules = self.rules.of_mut(family);
        for (table, state) in [(TableName::Raw, None), (TableName::Mangle, Some(State::New))] {
            if rules.foretell(table, state, &mut view)? != Verdict::Accept {
                return None;
            }
        }
        let Verdict::Translate(range, _) = rules.foretell(TableName::Nat, Some(State::New), &mut view)? else {
            return None;
        };
        let led = nat::foretold::destination(&tuple, &range)?;
        let answers = led.inverted()?;
        self.conntrack.find(now, Zone::DEFAULT, &answers).is_none().then_some(led)
    }
}
