//! What the hardware of a host has counted in a run, queue by queue and CPU by CPU.

use towpath_engine::device::napi::{CpuCounters, Hardware, QueueCounters};

use super::{net::Net, reception::Arrival, scenario::Scenario};

/// What the hardware of a host has counted from the first moment to the last.
#[derive(Clone, Debug)]
pub struct HardwareReport {
    /// The host's number.
    pub host: usize,
    /// The sizes of the rings of each NIC's queues, of what comes and of what is sent, as they were at the end.
    pub rings: Vec<(u16, u16)>,
    /// The queues of its NICs, in the order of its links.
    pub queues: Vec<QueueReport>,
    /// Its CPUs.
    pub cpus: Vec<CpuCounters>,
}

/// What a receive queue has counted.
#[derive(Clone, Copy, Debug)]
pub struct QueueReport {
    /// The number of the link that its NIC is at.
    pub link: usize,
    /// Its number among those of the NIC.
    pub number: usize,
    /// What it has counted.
    pub counters: QueueCounters,
}

/// What all hosts that have hardware have counted so far.
pub(super) fn counted(net: &Net<'_>, scenario: &Scenario) -> Vec<HardwareReport> {
    let of_host = |(host, hardware): (usize, &Option<Hardware<Arrival>>)| {
        let hardware = hardware.as_ref()?;
        let links = scenario.links.iter().enumerate().filter(|(_, plan)| plan.ends.contains(&host));
        let queues = links.enumerate().flat_map(|(nic, (link, _))| {
            let counters = hardware.queues_of(nic).enumerate();
            counters.map(move |(number, counters)| QueueReport { link, number, counters })
        });
        let rings = (0..).map_while(|nic| hardware.rings_of(nic)).collect();
        Some(HardwareReport { host, rings, queues: queues.collect(), cpus: hardware.cpus(net.now).collect() })
    };
    net.hardware.iter().enumerate().filter_map(of_host).collect()
}
