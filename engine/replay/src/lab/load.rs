//! Loads: UDP at constant rates, one rate after the other, and what each costs the host that it goes to.
//!
//! The frames are made beside the sender's engine, as Linux's pktgen does, so that sending costs nothing; they leave by its link. Where more
//! than one link leads on, or a neighbour has to be found, it is the engine that sends them.

use core::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use towpath_engine::{
    Command, CommandError, Instant,
    device::napi::{CpuCounters, QueueCounters},
    wire::checksum,
};

use super::{lane::Carried, net::Net};

/// Frames at constant rates, one rate after the other.
#[derive(Clone, Debug)]
pub struct Load {
    /// Its name.
    pub name: String,
    /// The number of the host that sends, and of the one that it sends to.
    pub ends: [usize; 2],
    /// Packets a second, one rate after the other.
    pub rates: Vec<u64>,
    /// Packets at each rate.
    pub packets: u64,
    /// Bytes of a frame, its Ethernet header counted and its check sequence not.
    pub frame_bytes: usize,
    /// Ports that they are sent from, in turn.
    pub flows: u16,
    /// When the first one is sent.
    pub at: Duration,
    /// How long nothing is sent between two rates.
    pub pause: Duration,
}

/// What became of a load.
#[derive(Clone, Debug, Default)]
pub struct LoadReport {
    /// A step for each rate that was played to its end.
    pub steps: Vec<LoadStep>,
}

/// What one rate has cost, from its first packet until one more would have been sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoadStep {
    /// Packets a second.
    pub rate: u64,
    /// How long it took.
    pub time: Duration,
    /// What the queues of the host have counted that it was sent to, all together; none: it has no hardware.
    pub queues: QueueCounters,
    /// The same of its CPUs.
    pub cpus: CpuCounters,
    /// How many CPUs it has.
    pub cpu_count: usize,
}

impl LoadStep {
    /// Packets a second that have gone on to the engine.
    #[must_use]
    pub fn delivered_rate(&self) -> u64 {
        per_second(self.queues.delivered, self.time)
    }

    /// Interrupts of devices for each packet that was sent, in thousandths.
    #[must_use]
    pub fn interrupts_per_thousand(&self) -> u64 {
        let offered = self.queues.rx_packets + self.queues.rx_missed_errors;
        (self.cpus.rounds.interrupts * 1000).checked_div(offered).unwrap_or_default()
    }

    /// Polls that found packets: those of softirqs, of the backlog too, and of processes.
    #[must_use]
    pub const fn polls(&self) -> u64 {
        self.cpus.rounds.polls + self.queues.busy_polls
    }

    /// Packets that each of them found, in thousandths. One that goes on to another CPU's backlog is found twice.
    #[must_use]
    pub fn packets_per_thousand_polls(&self) -> u64 {
        let found = self.cpus.rounds.frames + self.queues.busy_packets;
        (found * 1000).checked_div(self.polls()).unwrap_or_default()
    }

    /// How long a packet that went on took from the wire on the mean; `None`: none did.
    #[must_use]
    pub fn latency_mean(&self) -> Option<Duration> {
        let nanos = self.queues.latency_sum.as_nanos().checked_div(self.queues.delivered.into())?;
        Some(Duration::from_nanos(nanos as u64))
    }

    /// How much of all CPUs' time was not left to processes, in thousandths.
    #[must_use]
    pub fn cpu_per_thousand(&self) -> u64 {
        let all = self.time.as_nanos() * self.cpu_count as u128;
        (self.cpus.busy().as_nanos() * 1000).checked_div(all).unwrap_or_default() as u64
    }
}

fn per_second(count: u64, time: Duration) -> u64 {
    (u128::from(count) * 1_000_000_000).checked_div(time.as_nanos()).unwrap_or_default() as u64
}

/// Sends a load.
#[derive(Debug)]
pub(super) struct Generator {
    /// A frame, but for its port.
    frame: Vec<u8>,
    /// The lane that it leaves by; none: the engine finds it, if there is a way.
    lane: Option<usize>,
    /// Packets of this rate that have been sent.
    sent: u64,
    began: Instant,
    before: (QueueCounters, CpuCounters),
    pub(super) report: LoadReport,
}

impl Generator {
    pub(super) fn new(plan: &Load, net: &mut Net<'_>) -> Result<Self, CommandError> {
        net.discard(plan.ends[1], PORT)?;
        let [source, destination] = plan.ends.map(|host| net.topology.address_of(host, false));
        let frame = match (source, destination) {
            (Some(IpAddr::V4(source)), Some(IpAddr::V4(destination))) => frame(plan.frame_bytes, source, destination),
            _ => Vec::new(),
        };
        let lane = net.step_towards(plan.ends[0], plan.ends[1]).and_then(|(_, lane)| lane);
        let before = Default::default();
        Ok(Self { frame, lane, sent: 0, began: net.now, before, report: LoadReport::default() })
    }

    /// Sends what is to be sent now; tells when there is more to do.
    pub(super) fn act(&mut self, net: &mut Net<'_>, plan: &Load) -> Option<Instant> {
        let rate = *plan.rates.get(self.report.steps.len())?;
        if self.sent == 0 {
            self.began = net.now;
            self.before = counted(net, plan.ends[1]);
            if let Some(hardware) = &mut net.hardware[plan.ends[1]] {
                hardware.forget_peaks();
            }
        }
        if self.sent == plan.packets {
            self.end_step(net, plan, rate);
            return (self.report.steps.len() < plan.rates.len()).then(|| net.now + plan.pause);
        }
        if let Some(place) = self.frame.get_mut(PORT_AT..PORT_AT + 2) {
            let port = FIRST_PORT + (self.sent % u64::from(plan.flows)) as u16;
            place.copy_from_slice(&port.to_be_bytes());
        }
        match self.lane {
            Some(lane) => net.send(plan.ends[0], lane, Carried { bytes: self.frame.clone(), ..Carried::default() }),
            None => self.ask(net, plan.ends[0]),
        }
        self.sent += 1;
        let nanos = u128::from(self.sent) * 1_000_000_000 / u128::from(rate);
        Some(self.began + Duration::from_nanos(nanos as u64))
    }

    /// Lets the engine of a host send it. One that has no way drops it, and counts that.
    fn ask(&self, net: &mut Net<'_>, host: usize) {
        if let Some(packet) = self.frame.get(IP_AT..) {
            let _ = net.engines[host].handle_command(net.now, Command::SendPacket(packet.to_vec()));
            net.collect(host);
        }
    }

    fn end_step(&mut self, net: &Net<'_>, plan: &Load, rate: u64) {
        let (queues, cpus) = counted(net, plan.ends[1]);
        let cpu_count = net.hardware[plan.ends[1]].as_ref().map_or(0, |hardware| hardware.cpus(net.now).count());
        self.report.steps.push(LoadStep {
            rate,
            time: net.now.since(self.began),
            queues: queues.since(&self.before.0),
            cpus: cpus.since(&self.before.1),
            cpu_count,
        });
        self.sent = 0;
    }
}

/// What the hardware of a host has counted, all together.
fn counted(net: &Net<'_>, host: usize) -> (QueueCounters, CpuCounters) {
    let Some(hardware) = &net.hardware[host] else { return Default::default() };
    let queues = hardware.queues().fold(QueueCounters::default(), |sum, queue| sum.and(&queue));
    (queues, hardware.cpus(net.now).fold(CpuCounters::default(), |sum, cpu| sum.and(&cpu)))
}

/// A frame with a datagram for [`PORT`], without a checksum of its own (RFC 768).
fn frame(bytes: usize, source: Ipv4Addr, destination: Ipv4Addr) -> Vec<u8> {
    let len = |from: usize| ((bytes - from) as u16).to_be_bytes();
    let mut ip = [0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    ip[2..4].copy_from_slice(&len(IP_AT));
    ip[12..16].copy_from_slice(&source.octets());
    ip[16..20].copy_from_slice(&destination.octets());
    let sum = !checksum::sum(&ip);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    let mut frame = [&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0][..], &ip, &[0, 0], &PORT.to_be_bytes()].concat();
    frame.extend_from_slice(&len(PORT_AT));
    frame.resize(bytes, 0);
    frame
}

const IP_AT: usize = 14;
const PORT_AT: usize = 34;
/// Headers of Ethernet, IPv4 and UDP.
pub(super) const FRAME_BYTES_MIN: u64 = 42;
/// Where loads go to (RFC 863).
const PORT: u16 = 9;
/// The port that a load's first flow is sent from.
const FIRST_PORT: u16 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Lost, Pass, Passing, Scenario, Watch, run, table, write_json};

    /// A host, a router and a host. The router's limits to bytes are off, as these would yet be growing when a load is over.
    fn scenario(more: &str) -> Scenario {
        let text = format!(
            "until = \"10s\"\n[[host]]\nname = \"a\"\n[[host]]\nname = \"b\"\nhardware = {{ rx = 64, byte_queue_limits = false }}\n[[host]]\nname = \"c\"\nhardware = {{ cpus = 2, queues = 2 }}\n[[link]]\nbetween = [\"a\", \"b\"]\n[[link]]\nbetween = [\"b\", \"c\"]\n{more}\n"
        );
        Scenario::read("s.toml", &text).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn a_load_passes_through_a_router_whose_ring_is_what_bounds_it() {
        let load = "[[load]]\nname = \"through\"\nfrom = \"a\"\nto = \"c\"\nrates = [1000, 10_000_000]\npackets = 1000\nflows = 100\n";
        let scenario = scenario(load);
        let report = run(&scenario, None).expect("a run");
        let [slow, fast] = report.loads[0].steps[..] else { panic!("two rates: {report:?}") };
        assert_eq!((slow.rate, slow.time), (1000, Duration::from_secs(1)));
        assert_eq!((slow.queues.delivered, slow.cpus.processed, slow.delivered_rate()), (1000, 1000, 1000));
        // In 100 us the router deals with a packet each 403 ns: the rest finds its ring full.
        assert!((100..=250).contains(&fast.queues.rx_packets), "{fast:?}");
        let [of_router, of_host] = &report.hardware[..] else { panic!("two hosts have hardware: {report:?}") };
        let missed: u64 = of_router.queues.iter().map(|queue| queue.counters.rx_missed_errors).sum();
        assert!(of_router.queues.len() == 2 && missed > 500, "{of_router:?}");
        // The rest is under way when the last packet has been sent.
        let not_through = report.lanes[0].tally.arrived - report.lanes[2].tally.arrived;
        assert!((missed..=missed + 128).contains(&not_through), "{not_through}, of those {missed} missed");
        // Two queues, by the flows' hashes.
        let [first, second] = &of_host.queues[..] else { panic!("two queues: {of_host:?}") };
        assert!(first.counters.rx_packets > 200 && second.counters.rx_packets > 200, "{of_host:?}");
        let by_cpus: u64 = of_host.cpus.iter().map(|cpu| cpu.processed).sum();
        let in_rings = first.counters.rx_packets + second.counters.rx_packets - by_cpus;
        assert!(in_rings <= 128, "{in_rings} when the last packet has been sent");
        let cpu = slow.cpus.busy().as_nanos() as u64;
        assert_eq!((cpu, slow.cpu_per_thousand()), (1000 * 1600, 0), "1600 of 2,000,000 ns a packet");
        let text = table(&scenario, &report);
        assert!(text.contains("> c") && !text.contains("connection"), "{text}");
        let mut json = Vec::new();
        write_json(&mut json, &scenario, &report, false).expect("a vector takes all");
        let json = String::from_utf8(json).expect("text");
        assert_eq!(json.lines().filter(|line| line.starts_with("{\"load\":\"through\"")).count(), 2, "{json}");
        assert_eq!(json.lines().filter(|line| line.starts_with("{\"queue\":")).count(), 4, "{json}");
        assert_eq!(json.lines().filter(|line| line.starts_with("{\"cpu\":")).count(), 3, "{json}");
    }

    #[test]
    fn what_a_backlog_has_no_room_for_is_told_by_that_name_and_counted_at_its_cpu() {
        let host = "hardware = { cpus = 2, rps_cpus = [1], netdev_max_backlog = 4 }";
        let text = format!(
            "until = \"1s\"\n[[host]]\nname = \"a\"\n[[host]]\nname = \"b\"\n{host}\n[[link]]\nbetween = [\"a\", \"b\"]\n[[load]]\nname = \"l\"\nfrom = \"a\"\nto = \"b\"\nrates = [10_000_000]\npackets = 1000\n"
        );
        let scenario = Scenario::read("s.toml", &text).unwrap_or_else(|error| panic!("{error}"));
        let mut told = Told::default();
        let report = run(&scenario, Some(&mut told)).expect("a run");
        let [_, second] = &report.hardware[0].cpus[..] else { panic!("two CPUs: {report:?}") };
        assert!(second.dropped > 100, "{second:?}");
        assert_eq!(told.0, second.dropped);
        let step = report.loads[0].steps[0];
        let under_way = step.queues.rx_packets - step.cpus.processed - step.cpus.dropped;
        assert!(under_way <= 128, "{step:?}");
    }

    #[test]
    fn rates_that_are_not_over_in_time_are_told() {
        let load = "[[load]]\nname = \"l\"\nfrom = \"a\"\nto = \"c\"\nrates = [1000, 10, 100]\npackets = 500\n";
        let scenario = scenario(load);
        let report = run(&scenario, None).expect("a run");
        assert_eq!(report.loads[0].steps.len(), 1);
        assert!(table(&scenario, &report).contains("\n2 of 3 rates were not over when the scenario was\n"));
        let mut json = Vec::new();
        write_json(&mut json, &scenario, &report, false).expect("a vector takes all");
        let json = String::from_utf8(json).expect("text");
        let line = "{\"load\":\"l\",\"from\":\"a\",\"to\":\"c\",\"rates_left\":[10,100]}\n";
        assert!(json.contains(line), "{json}");
    }

    /// How many frames have found a backlog full.
    #[derive(Default)]
    struct Told(u64);

    impl Watch for Told {
        fn frame(&mut self, passing: &Passing<'_>) {
            self.0 += u64::from(matches!(passing.pass, Pass::Lost(Lost::Backlog)));
        }
    }

    #[test]
    fn a_device_merges_over_polls_as_long_as_gro_flush_timeout_says() {
        let acknowledgements = |timeout: &str| {
            let text = format!(
                "until = \"10s\"\n[[host]]\nname = \"a\"\n[[host]]\nname = \"b\"\nfeatures = {{ generic-receive-offload = true }}\nhardware = {{ gro_flush_timeout = \"{timeout}\" }}\n[[link]]\nbetween = [\"a\", \"b\"]\nrate = \"100 Mbit/s\"\n[[connection]]\nfrom = \"a\"\nto = \"b\"\nsend = \"1 MB\"\n"
            );
            let scenario = Scenario::read("s.toml", &text).unwrap_or_else(|error| panic!("{error}"));
            let report = run(&scenario, None).expect("a run");
            assert_eq!(report.connections[0].read[0], 1_000_000);
            report.lanes[1].tally.arrived
        };
        // A frame each 121 us is a poll each.
        let (alone, merged) = (acknowledgements("0s"), acknowledgements("1ms"));
        assert!(merged * 2 < alone, "{merged} of merged frames, {alone} of single ones");
    }

    #[test]
    fn a_stream_through_hosts_with_hardware_arrives_whole_and_nothing_stays_in_rings() {
        let scenario = scenario("[[connection]]\nfrom = \"a\"\nto = \"c\"\nsend = \"300 kB\"\n");
        let report = run(&scenario, None).expect("a run");
        assert_eq!((report.connections[0].read[0], report.connections[0].is_damaged), (300_000, false));
        assert!(report.connections[0].finished.is_some());
    }
}
