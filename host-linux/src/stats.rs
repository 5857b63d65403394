//! What a running gateway has counted, as `towpath stats` and the end of `towpath run` show it.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use towpath_engine::{
    DropReason,
    device::napi::POLL_SIZES,
    stats::Stats,
    tcp::{FastOpenCounters, TcpMemory, TcpMemoryCounters},
};

use crate::{af_packet, control, napi::PollCounters, services};

/// Everything that a gateway has counted since it started. `towpath.stats/1`: fields are added, never changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// How long it has been running, in nanoseconds.
    pub uptime_ns: u64,
    /// The packet path.
    pub engine: EngineReport,
    /// The poll loop.
    pub poll: PollReport,
    /// The devices, by the engine's numbers.
    pub devices: Vec<DeviceReport>,
    /// Frames that the engine handed out for devices that are bound to none here, by reason.
    pub strays: DropCounts,
    /// What the stream sockets hold.
    pub tcp: TcpReport,
    /// What came of Fast Open, as `/proc/net/netstat` counts it.
    #[serde(default)]
    pub fast_open: FastOpenCounters,
    /// The services over TCP, and relays.
    pub services: ServicesReport,
    /// The control socket.
    pub control: ControlReport,
    /// Lines for standard error that were lost because nobody read those before them.
    pub notices_lost: u64,
}

/// Counts by the names of drop reasons.
pub type DropCounts = BTreeMap<String, u64>;

/// What the packet path has counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EngineReport {
    /// Frames taken.
    pub received_frames: u64,
    /// Frames handed out.
    pub transmitted_frames: u64,
    /// Frames whose bytes have joined the packet of an earlier one (`generic-receive-offload`).
    pub merged_frames: u64,
    /// Packets between devices.
    pub forwarded_packets: u64,
    /// Packets for the gateway itself.
    pub delivered_packets: u64,
    /// Packets the gateway made.
    pub originated_packets: u64,
    /// Events that nobody fetched in time.
    pub events_lost: u64,
    /// Copies of payload, beside the one by which a frame comes in and the one by which it leaves.
    pub payload_copies: u64,
    /// Bytes that they took.
    pub payload_copied_bytes: u64,
    /// Passes of transport checksums.
    pub checksum_passes: u64,
    /// Bytes that they took.
    pub checksummed_bytes: u64,
    /// Dropped packets by reason.
    pub drops: DropCounts,
}

/// What the poll loop has counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PollReport {
    /// Times a ring woke the gateway.
    pub interrupts: u64,
    /// Polls that found frames.
    pub polls: u64,
    /// Frames found by them.
    pub frames: u64,
    /// Rounds that ended because the budget of frames was spent.
    pub budget_spent: u64,
    /// Rounds that ended because the time was spent.
    pub time_spent: u64,
    /// Polls that found 1, 2, 4, 8, 16, 32 and 64 frames or more, but fewer than the next.
    pub poll_sizes: [u64; POLL_SIZES.len() - 1],
}

/// What one device has counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceReport {
    /// The engine's number.
    pub device: u16,
    /// Its name in the engine.
    pub name: String,
    /// Frames handed to the engine.
    pub received_frames: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// Frames that left.
    pub sent_frames: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Frames that came and did not reach the engine, by reason.
    pub receive_drops: DropCounts,
    /// Frames that the engine handed out and that did not leave, by reason.
    pub send_drops: DropCounts,
}

/// What the stream sockets hold together, and what has come of it; counters as in `/proc/net/netstat`, of which only those are here
/// that are about memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TcpReport {
    /// Connections, those included that nobody holds any more.
    pub connections: u64,
    /// Connections that nobody holds any more.
    pub orphans: u64,
    /// What they all hold.
    pub memory_bytes: u64,
    /// Whether growth is stopped, because it is much (`net.ipv4.tcp_mem`).
    pub is_under_pressure: bool,
    /// `TCPMemoryPressures`.
    pub memory_pressures: u64,
    /// `TCPMemoryPressuresChrono`.
    pub memory_pressures_ms: u64,
    /// `TCPAbortOnMemory`.
    pub abort_on_memory: u64,
    /// `PruneCalled`.
    pub prune_called: u64,
    /// `RcvPruned`.
    pub rcv_pruned: u64,
    /// `OfoPruned`.
    pub ofo_pruned: u64,
    /// `TCPRcvQDrop`.
    pub rcvq_drop: u64,
    /// `TCPOFODrop`.
    pub ofo_drop: u64,
}

/// What the services over TCP have counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServicesReport {
    /// Conversations that there are.
    pub conversations: usize,
    /// Conversations that there have been, those included.
    pub begun: u64,
    /// Who was reset because there was no place for him, or no way to whom he was to be relayed.
    pub refused: u64,
    /// Who was reset because he was silent for too long.
    pub silent: u64,
}

/// What the control socket has counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ControlReport {
    /// Clients that connected.
    pub clients: u64,
    /// Clients sent away because there were too many.
    pub clients_refused: u64,
    /// Clients cut off because they did not read what they asked for, or did not say what they want.
    pub clients_cut_off: u64,
    /// Replies that watchers lost because they did not read.
    pub replies_lost: u64,
}

impl From<&Stats> for EngineReport {
    fn from(stats: &Stats) -> Self {
        Self {
            received_frames: stats.received,
            transmitted_frames: stats.transmitted,
            merged_frames: stats.gro_joined,
            forwarded_packets: stats.forwarded,
            delivered_packets: stats.delivered,
            originated_packets: stats.originated,
            events_lost: stats.events_lost,
            payload_copies: stats.touched.copies,
            payload_copied_bytes: stats.touched.copied_bytes,
            checksum_passes: stats.touched.sums,
            checksummed_bytes: stats.touched.summed_bytes,
            drops: by_name(stats.all_drops()),
        }
    }
}

impl From<PollCounters> for PollReport {
    fn from(counters: PollCounters) -> Self {
        let PollCounters { interrupts, polls, frames, budget_spent, time_spent, sizes } = counters;
        // Polls that find nothing are not counted on a wire.
        let [_, poll_sizes @ ..] = sizes.0;
        Self { interrupts, polls, frames, budget_spent, time_spent, poll_sizes }
    }
}

impl DeviceReport {
    /// The report of one device.
    #[must_use]
    pub fn new(device: u16, name: String, counters: &af_packet::Counters) -> Self {
        Self {
            device,
            name,
            received_frames: counters.received_frames,
            received_bytes: counters.received_bytes,
            sent_frames: counters.sent_frames,
            sent_bytes: counters.sent_bytes,
            receive_drops: by_name(counters.receive_drops.iter()),
            send_drops: by_name(counters.send_drops.iter()),
        }
    }
}

impl From<TcpMemory> for TcpReport {
    fn from(memory: TcpMemory) -> Self {
        let TcpMemory { bytes, connections, orphans, is_under_pressure, counters } = memory;
        let TcpMemoryCounters {
            pressures,
            pressure_millis,
            aborts,
            prunes,
            receive_pruned,
            out_of_order_pruned,
            receive_drops,
            out_of_order_drops,
        } = counters;
        Self {
            connections,
            orphans,
            memory_bytes: bytes,
            is_under_pressure,
            memory_pressures: pressures,
            memory_pressures_ms: pressure_millis,
            abort_on_memory: aborts,
            prune_called: prunes,
            rcv_pruned: receive_pruned,
            ofo_pruned: out_of_order_pruned,
            rcvq_drop: receive_drops,
            ofo_drop: out_of_order_drops,
        }
    }
}

impl TcpReport {
    /// Its lines: one while there are connections, one when memory was short.
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections, orphans, memory_bytes, memory_pressures, abort_on_memory, prune_called, .. } = self;
        if *connections > 0 {
            let pressure = if self.is_under_pressure { ", under pressure" } else { "" };
            writeln!(f, "tcp         {connections} connections, {orphans} orphans, {memory_bytes} bytes{pressure}")?;
        }
        if *memory_pressures + *abort_on_memory + *prune_called > 0 {
            writeln!(
                f,
                "tcp memory  {memory_pressures} times under pressure, {prune_called} times pruned, {abort_on_memory} orphans reset"
            )?;
        }
        Ok(())
    }
}

/// A line when anything was opened fast, or could not be.
fn write_fast_open(f: &mut fmt::Formatter<'_>, counters: &FastOpenCounters) -> fmt::Result {
    if counters.named().iter().all(|(_, count)| *count == 0) {
        return Ok(());
    }
    let FastOpenCounters { active, active_fail, passive, passive_fail, listen_overflow, cookie_reqd, .. } = counters;
    writeln!(
        f,
        "fast open   {active} from here, {active_fail} in vain, {passive} from there, {passive_fail} refused, {listen_overflow} too many, \
         {cookie_reqd} cookies asked for"
    )
}

impl From<services::Counters> for ServicesReport {
    fn from(counters: services::Counters) -> Self {
        let services::Counters { conversations, begun, refused, silent } = counters;
        Self { conversations, begun, refused, silent }
    }
}

impl From<&control::Counters> for ControlReport {
    fn from(counters: &control::Counters) -> Self {
        Self {
            clients: counters.clients,
            clients_refused: counters.clients_refused,
            clients_cut_off: counters.clients_cut_off,
            replies_lost: counters.replies_lost,
        }
    }
}

/// Text for people: one fact a line, zero counts of rare things left out.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { uptime_ns, engine, poll, devices, strays, tcp, fast_open, services, control, notices_lost } = self;
        writeln!(f, "up          {}.{:03} s", uptime_ns / 1_000_000_000, uptime_ns / 1_000_000 % 1000)?;
        writeln!(
            f,
            "packets     {} received, {} forwarded, {} delivered, {} originated, {} transmitted",
            engine.received_frames,
            engine.forwarded_packets,
            engine.delivered_packets,
            engine.originated_packets,
            engine.transmitted_frames
        )?;
        write_touched(f, engine)?;
        write_drops(f, "dropped", &engine.drops)?;
        if engine.events_lost > 0 {
            writeln!(f, "events      {} lost", engine.events_lost)?;
        }
        let tenths = (poll.frames * 10).checked_div(poll.polls).unwrap_or(0);
        writeln!(
            f,
            "polling     {} interrupts, {} polls, {}.{} frames a poll, budget spent {} times, time spent {} times",
            poll.interrupts,
            poll.polls,
            tenths / 10,
            tenths % 10,
            poll.budget_spent,
            poll.time_spent
        )?;
        write_poll_sizes(f, poll)?;
        for device in devices {
            writeln!(
                f,
                "device      {}: in {} frames, {} bytes; out {} frames, {} bytes",
                device.name, device.received_frames, device.received_bytes, device.sent_frames, device.sent_bytes
            )?;
            write_drops(f, "  lost in", &device.receive_drops)?;
            write_drops(f, "  lost out", &device.send_drops)?;
        }
        write_drops(f, "astray", strays)?;
        if *notices_lost > 0 {
            writeln!(f, "notices     {notices_lost} lost")?;
        }
        tcp.write(f)?;
        write_fast_open(f, fast_open)?;
        let ServicesReport { conversations, begun, refused, silent } = services;
        if *begun + *refused > 0 {
            writeln!(
                f,
                "services    {conversations} conversations of {begun}, {refused} refused, {silent} silent for too long"
            )?;
        }
        let ControlReport { clients, clients_refused, clients_cut_off, replies_lost } = control;
        if *clients + *clients_refused > 0 {
            writeln!(
                f,
                "control     {clients} clients, {clients_refused} refused, {clients_cut_off} cut off, {replies_lost} replies lost"
            )?;
        }
        Ok(())
    }
}

/// What was done to payload between the rings; nothing when it was left alone.
fn write_touched(f: &mut fmt::Formatter<'_>, engine: &EngineReport) -> fmt::Result {
    let EngineReport { payload_copies, payload_copied_bytes, checksum_passes, checksummed_bytes, .. } = engine;
    if *payload_copies + *checksum_passes == 0 {
        return Ok(());
    }
    writeln!(
        f,
        "payload     {payload_copies} copies of {payload_copied_bytes} bytes, {checksum_passes} checksum passes over {checksummed_bytes} bytes"
    )
}

/// `  polls of     1: 20, 2-3: 4, 64: 1`; nothing when there were none.
fn write_poll_sizes(f: &mut fmt::Formatter<'_>, poll: &PollReport) -> fmt::Result {
    let mut before = "  polls of    ";
    for (place, polls) in poll.poll_sizes.into_iter().enumerate().filter(|(_, polls)| *polls > 0) {
        let (least, next) = (POLL_SIZES[place + 1], POLL_SIZES.get(place + 2));
        match next.filter(|next| **next > least + 1) {
            Some(next) => write!(f, "{before}{least}-{}: {polls}", next - 1)?,
            None => write!(f, "{before}{least}: {polls}")?,
        }
        before = ", ";
    }
    if poll.poll_sizes.iter().any(|polls| *polls > 0) { writeln!(f) } else { Ok(()) }
}

fn write_drops(f: &mut fmt::Formatter<'_>, label: &str, drops: &DropCounts) -> fmt::Result {
    drops.iter().try_for_each(|(reason, frames)| writeln!(f, "{label:<11} {frames} {reason}"))
}

pub(crate) fn by_name(drops: impl Iterator<Item = (DropReason, u64)>) -> DropCounts {
    drops.map(|(reason, frames)| (reason.name().to_owned(), frames)).collect()
}
