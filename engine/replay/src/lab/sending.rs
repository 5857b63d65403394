//! Frames of hosts that have hardware, on their way from queueing disciplines over transmit rings to the wire.

use towpath_engine::device::napi::{Footprint, Hardware};

use super::{
    lane::{Carried, Lost, Outcome},
    net::{Net, START},
};

impl Net<'_> {
    /// A frame waits for a ring of the sender's NIC, and goes there if that has room.
    pub(super) fn offer(&mut self, lane: usize, frame: Carried, out: &mut Vec<Outcome>) {
        let (host, nic) = self.sender(lane);
        let Some(hardware) = self.hardware.get(host).and_then(Option::as_ref) else {
            return self.lanes[lane].offer(self.now, frame, out);
        };
        let queue = hardware.transmit_queue(nic, self.toeplitz.hash_of(&frame.bytes));
        let has_room = hardware.can_transmit(nic, queue);
        self.lanes[lane].enqueue(self.now, queue.into(), frame, (has_room, &mut *out));
        self.feed((host, nic, queue), out);
    }

    /// Puts on a ring what waits for it, as long as there is room.
    fn feed(&mut self, (host, nic, queue): (usize, usize, u16), out: &mut Vec<Outcome>) {
        let lane = self.lanes_of[host][nic];
        let (Some(hardware), lane) = (&mut self.hardware[host], &mut self.lanes[lane]) else { return };
        while hardware.can_transmit(nic, queue)
            && let Some(frame) = lane.dequeue(self.now, queue.into(), out)
        {
            let footprint = Footprint { bytes: frame.bytes.len(), descriptors: 1 + frame.more_descriptors };
            let has_room = hardware.handle_transmit(self.now, (nic, queue), footprint);
            assert!(has_room, "a queue that is not stopped has room");
            lane.put(queue.into(), frame);
        }
        lane.start(self.now, out);
    }

    /// A wire has sent what it was given, and is given what comes next.
    pub(super) fn handle_sent(&mut self, lane: usize) {
        let mut outcomes = core::mem::take(&mut self.outcomes);
        let ring = self.lanes[lane].handle_sent(self.now, &mut outcomes);
        self.settle(lane, outcomes);
        self.note_sent(lane, ring);
    }

    /// A NIC is done with frames of these rings.
    pub(super) fn note_sent(&mut self, lane: usize, rings: impl IntoIterator<Item = usize>) {
        let (host, nic) = self.sender(lane);
        let Some(hardware) = self.hardware.get_mut(host).and_then(Option::as_mut) else { return };
        for ring in rings {
            hardware.handle_sent(self.now, (nic, ring as u16));
        }
    }

    /// Queues of a host that were stopped take frames again.
    pub(super) fn feed_woken(&mut self, host: usize) {
        while let Some((nic, queue)) = self.hardware[host].as_mut().and_then(Hardware::poll_woken) {
            let mut outcomes = core::mem::take(&mut self.outcomes);
            self.feed((host, nic, queue), &mut outcomes);
            self.settle(self.lanes_of[host][nic], outcomes);
        }
    }

    /// A host's NICs have rings of other sizes from now on.
    pub(super) fn resize_rings(&mut self, host: usize, sizes: (u16, u16), name: &str) {
        let mut is_new = false;
        for nic in 0..self.lanes_of[host].len() {
            let Some(hardware) = &mut self.hardware[host] else { return };
            if hardware.rings_of(nic).is_none_or(|now| now == sizes) {
                continue;
            }
            is_new = true;
            let resized = hardware.resize_rings(self.now, nic, sizes);
            let lost = resized.unwrap_or_else(|error| unreachable!("sizes that were read cannot be: {error}"));
            if let Some(eye) = &mut self.eye {
                let now = self.now.since(START);
                lost.iter().for_each(|arrival| eye.loses(now, arrival.lane, &arrival.frame.bytes, Lost::Down));
            }
            let (lane, mut outcomes) = (self.lanes_of[host][nic], core::mem::take(&mut self.outcomes));
            self.lanes[lane].empty_rings(&mut outcomes);
            self.settle(lane, outcomes);
        }
        if let Some(eye) = self.eye.as_mut().filter(|_| is_new) {
            eye.happens(self.now.since(START), &format!("rings of {name}: rx {}, tx {}", sizes.0, sizes.1));
        }
        self.take_batches(host);
        self.feed_woken(host);
    }

    /// How many transmit rings each NIC of a host or switch has.
    pub(super) fn rings_of(&self, node: usize) -> usize {
        self.hardware.get(node).and_then(Option::as_ref).map_or(0, |hardware| hardware.queues_of(0).count())
    }

    /// Who sends by a lane, and by which device or port.
    fn sender(&self, lane: usize) -> (usize, usize) {
        let (node, device) = self.leads_to[lane ^ 1];
        (node, device.0.into())
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use crate::lab::{Lost, Passing, Report, Scenario, Watch, run};

    /// Bursts of frames of 1000 bytes over a link that sends one each millisecond, by a ring of four and a queue of three.
    fn played(hardware: &str, more: &str) -> Report {
        let text = format!(
            "until = \"1s\"\nmeasure = [\"0s\", \"1s\"]\n[[host]]\nname = \"a\"\nhardware = {hardware}\n[[host]]\nname = \"b\"\nhardware = {{}}\n[[link]]\nbetween = [\"a\", \"b\"]\nrate = \"8 Mbit/s\"\nqueue = {{ packets = 3 }}\n[[load]]\nfrom = \"a\"\nto = \"b\"\nrates = [1_000_000]\npackets = 20\nframe = 1000\nflows = 100\n{more}"
        );
        let scenario = Scenario::read("s.toml", &text).unwrap_or_else(|error| panic!("{error}"));
        run(&scenario, None).expect("a run")
    }

    #[test]
    fn beyond_the_ring_frames_wait_in_the_queue_and_beyond_that_they_are_lost_there() {
        let report = played("{ byte_queue_limits = false, tx = 4 }", "");
        let tally = &report.lanes[0].tally;
        assert_eq!((tally.offered, tally.arrived, tally.lost_for(Lost::Queue)), (20, 4 + 3, 13));
        assert_eq!(tally.queued_bytes_max, 3000);
        // The fifth has waited until the first was sent and taken back, the seventh until the third was.
        let waited = tally.waited_max.as_nanos() as u64;
        assert!((2_990_000..3_010_000).contains(&waited), "{waited} ns");
        let queue = report.hardware[0].queues[0].counters;
        assert_eq!((queue.tx_packets, queue.tx_bytes), (7, 7000));
        assert_eq!((queue.tx_stopped, queue.tx_restart), (4, 4), "each frame that is taken back lets one in");
        assert_eq!(queue.interrupts, 7);
    }

    #[test]
    fn what_is_taken_back_late_lets_the_wire_run_dry() {
        let ended = |hardware| {
            let report = played(hardware, "");
            let queue = report.hardware[0].queues[0].counters;
            (report.lanes[0].tally.waited_max.as_millis(), queue.interrupts)
        };
        assert_eq!(
            ended("{ byte_queue_limits = false, tx = 4, tx_usecs = 10000 }"),
            (10, 2),
            "four are sent by 4 ms, and nobody knows until 11 ms"
        );
        assert_eq!(ended("{ byte_queue_limits = false, tx = 4, tx_frames = 2 }"), (3, 3));
    }

    #[test]
    fn a_link_that_goes_down_takes_what_is_on_the_ring_and_its_places_are_free_again() {
        let again =
            "[[load]]\nfrom = \"a\"\nto = \"b\"\nrates = [1_000_000]\npackets = 4\nframe = 1000\nat = \"20ms\"\n";
        let events = "[[event]]\nat = \"2500us\"\nlink = \"a-b\"\nup = false\n[[event]]\nat = \"10ms\"\nlink = \"a-b\"\nup = true\n";
        let report = played("{ byte_queue_limits = false, tx = 4 }", &format!("{again}{events}"));
        let tally = &report.lanes[0].tally;
        assert_eq!((tally.arrived, tally.lost_for(Lost::Queue), tally.lost_for(Lost::Down)), (2 + 4, 13, 5));
        // What was waiting in the queue was never on the ring.
        assert_eq!(report.hardware[0].queues[0].counters.tx_packets, 2 + 4 + 4);
    }

    #[test]
    fn rings_that_are_made_anew_lose_what_was_on_them_and_are_filled_from_the_queue() {
        let event = "[[event]]\nat = \"2500us\"\nhost = \"a\"\nrings = { tx = 2 }\n";
        let report = played("{ byte_queue_limits = false, tx = 4 }", event);
        let tally = &report.lanes[0].tally;
        // Two were sent, and the third was being sent; the seventh has waited in the queue.
        assert_eq!((tally.arrived, tally.lost_for(Lost::Queue), tally.lost_for(Lost::Down)), (3 + 1, 13, 3));
        assert_eq!(report.hardware[0].rings, [(512, 2)]);
        assert_eq!(report.hardware[1].rings, [(512, 512)], "the other host has others");
        assert_eq!(report.hardware[0].queues[0].counters.tx_packets, 2 + 1, "nobody counts what was lost");
    }

    #[test]
    fn rings_that_have_their_sizes_already_are_not_told_of() {
        struct Told(Vec<String>);
        impl Watch for Told {
            fn frame(&mut self, _: &Passing<'_>) {}
            fn happens(&mut self, _: Duration, what: &str) {
                self.0.push(what.into());
            }
        }
        let event = |at| format!("[[event]]\nat = \"{at}\"\nhost = \"a\"\nrings = {{ tx = 2 }}\n");
        let text = format!(
            "until = \"1s\"\n[[host]]\nname = \"a\"\nhardware = {{}}\n[[host]]\nname = \"b\"\nhardware = {{}}\n[[link]]\nbetween = [\"a\", \"b\"]\nrate = \"8 Mbit/s\"\n[[load]]\nfrom = \"a\"\nto = \"b\"\nrates = [1]\n{}{}",
            event("1ms"),
            event("2ms")
        );
        let mut told = Told(Vec::new());
        let scenario = Scenario::read("s.toml", &text).unwrap_or_else(|error| panic!("{error}"));
        run(&scenario, Some(&mut told)).expect("a run");
        assert_eq!(told.0, ["rings of a: rx 512, tx 2"], "the second time they stay as they are");
    }

    #[test]
    fn a_host_that_sums_hands_its_nic_frames_in_pieces() {
        let stopped = |features: &str| {
            let text = format!(
                "until = \"10s\"\n[[host]]\nname = \"a\"\nhardware = {{ byte_queue_limits = false, tx = 48 }}\nfeatures = {{ {features} }}\n[[host]]\nname = \"b\"\n[[link]]\nbetween = [\"a\", \"b\"]\nrate = \"1 Gbit/s\"\n[[connection]]\nfrom = \"a\"\nto = \"b\"\nsend = \"40000 B\"\n"
            );
            let report = run(&Scenario::read("s.toml", &text).unwrap_or_else(|error| panic!("{error}")), None);
            let report = report.expect("a run");
            assert_eq!(report.connections[0].read[0], 40_000);
            report.hardware[0].queues[0].counters.tx_stopped
        };
        assert_eq!(stopped("tx = false"), 0, "there is room for all frames");
        assert!(stopped("tx = true") > 0, "and not for a descriptor for each of their pieces");
    }

    #[test]
    fn flows_are_spread_over_rings_each_behind_a_queue_of_its_own_and_rings_send_in_turn() {
        let report = played("{ byte_queue_limits = false, tx = 4, queues = 2, cpus = 2 }", "");
        let tally = &report.lanes[0].tally;
        let [first, second] = &report.hardware[0].queues[..] else { panic!("two queues: {report:?}") };
        assert_eq!((tally.arrived, tally.lost_for(Lost::Queue)), (14, 6));
        assert_eq!((first.counters.tx_packets, second.counters.tx_packets), (7, 7));
    }

    #[test]
    fn a_limit_to_its_bytes_leaves_in_the_queue_what_a_ring_has_room_for() {
        let report = played("{ byte_queue_limits = { limit_max = 1500 } }", "");
        let (tally, queue) = (&report.lanes[0].tally, report.hardware[0].queues[0].counters);
        // The second frame is beyond the limit, and stops the queue; the first one of all is, too, as the limit is not known yet.
        assert_eq!((tally.arrived, tally.lost_for(Lost::Queue)), (1 + 3, 16));
        assert_eq!((queue.tx_stopped, queue.tx_limit_max), (0, 1500));
        assert_eq!((queue.tx_limited, queue.tx_restart), (3, 3), "{queue:?}");
    }
}
