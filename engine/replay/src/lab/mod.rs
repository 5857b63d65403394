//! `towpath lab`: hosts and switches joined by links that are slow, long, full or lossy, in virtual time.
//!
//! Each host is an engine, and what they say to each other is what their TCP says. A scenario is a TOML file; [`Scenario::read`]
//! takes its text and gives plain data or one [`ConfigError`] with file, line and column, and [`run`] plays it. The same scenario
//! and seed give the same run, frame by frame. `captures/lab` has scenarios.
//!
//! # Reference
//!
//! Times are written as `"20ms"`, `"250us"`, `"1.5s"`, `"2m"`, chances as `"0.5 %"`, rates as `"10 Mbit/s"`, and numbers of bytes as
//! `"10 MB"`, `"64 KiB"` or a number.
//!
//! | key | what it says |
//! |---|---|
//! | `title` | what the scenario is to show |
//! | `seed` | number; what all chance comes from. Default: 1 |
//! | `until` | when it ends at the latest. It ends before when all connections have, and nothing is measured |
//! | `sample` | how often connections and queues are looked at. Default: 250 to 500 times, however long the run takes |
//! | `measure` | a list of two times, between which goodputs are measured. Default: from each connection's beginning to its last byte |
//!
//! `[[host]]`, 64 at most. One that has several links forwards between them; routes lead over the fewest links:
//!
//! | key | what it says |
//! |---|---|
//! | `name` | its name: 1 to 15 bytes |
//! | `sysctl` | tunables by their `/proc/sys` names: `sysctl.net.ipv4.tcp_sack = 0`; a list where a tunable has several values, text where it is named (`sysctl.net.ipv4.tcp_congestion_control = "bbr"`) |
//! | `route` | a table of what its routes say of all ways: `mtu`, `rtt`, `rttvar`, `ssthresh`, `cwnd`, `reordering`, the `_lock` of each of them, `advmss`, `initcwnd`, `initrwnd`, `rto_min`, `quickack`, `fastopen_no_cookie`, as in a gateway's `[[route]]` |
//! | `hardware` | a table of its CPUs and NICs, below. Default: none; frames cost no time, and each one is a poll |
//! | `bond` | its bonds, below. Default: none |
//! | `features` | a table of features of its devices, by the names of `ethtool -k`. Default: all false that change what goes over a link, so that links carry whole packets with their checksums, and `sg` as `tx`; else they carry what such a device gets, as a pair of virtual ones does, and each loss is one of a frame |
//!
//! `[[host.bond]]`, 32 at most: a bond over links of the host, with the keys of a gateway's `[[bond]]` ([`crate::config`]), read by
//! the same code: `name`, `ports` (names of links, in their order), `mode`, `miimon`, `updelay`, `downdelay`, `lacp_rate`,
//! `xmit_hash_policy`, `ad_select`, `primary`, `arp_interval` and all others but `addresses`, `mac`, `mtu`, `arp` and `networks`,
//! which the lab says. It is the engine's own ([`towpath_engine::device::bond`]).
//!
//! `[[switch]]`, 64 at most: a learning bridge. It has no spanning tree: switches that are linked in a ring are refused.
//!
//! | key | what it says |
//! |---|---|
//! | `name` | its name, which no host has |
//! | `ageing` | how long it remembers a station that says nothing. Default: `"300s"` |
//! | `stations` | how many it remembers; frames to others go to all ports. Default and most: 8192 |
//! | `group` | a list of tables, `[[switch.group]]`: ports that are one to it. The keys are those of a bond, whose `mode` is `"802.3ad"` or, without LACP, `"balance-xor"`: what a host's balance-rr or balance-xor needs. At the other end of active-backup, balance-tlb and balance-alb ports stay by themselves |
//!
//! `[[link]]`, 200 at most. A link between two hosts is a network of its own; so are, together, all links of a bond and all that
//! meet at a switch, and a host is in each but once. Network N, the number of its first link, from 0, is `10.0.N.0/24` and
//! `fd00:0:0:N::/64`; hosts in it have the addresses from 1 on, in the order in which `between` names them, and a bond that of its
//! first link. So of a link between two hosts the first end's address ends in 1, the second's in 2:
//!
//! | key | what it says |
//! |---|---|
//! | `between` | list of two hosts or switches |
//! | `name` | its name. Default: `FIRST-SECOND` |
//! | `mtu` | 576 to 9000 bytes. Default: 1500 |
//! | `up` | false: nothing goes over it, and the end that it leads to has no carrier, which miimon sees and a switch at once |
//! | `silent` | true: nothing goes over it, and nobody sees that but who waits for something: LACP or an ARP monitor |
//! | `rate` | of a direction; the Ethernet header counts, and nothing around it. Default: any number of frames at once; their sender then has sent what one instant's acknowledgements let out at one instant, which RACK takes for sent in order |
//! | `delay`, `jitter` | how long a frame is on its way, and by how much longer at most; frames stay in order. At least 1us without a `rate` |
//! | `loss` | a chance; or `{ every = N }`, each N-th frame; or `{ frames = [1, 2] }`, those, counted from 1; or `{ enters, leaves, good, bad }`, bursts by a chain of two states: with what chance each frame begins and ends bad times, and is lost in good (default 0 %) and bad ones (100 %) |
//! | `duplicate` | a chance that a frame comes twice |
//! | `reorder` | `{ chance, by }`: frames that come late by so much, so that others overtake them |
//! | `queue` | `{ packets = N }` or `{ bytes = "64 KiB" }`: what waits for the rate, beside the frame that is being sent, or for room on the transmit ring where the sender has `hardware` (each of its queues then has such a queue, as Linux's `mq` has it; `txqueuelen`); what finds no room is lost. Default: 1000 packets. `discipline = "codel"` with `target` (5ms) and `interval` (100ms): RFC 8289 |
//! | `back` | a table of the same keys for the direction from the second end to the first. Default: as there; `every` and `frames` are those of one direction, the first |
//!
//! `[[connection]]`, 1000 at most:
//!
//! | key | what it says |
//! |---|---|
//! | `name` | its name. Default: `connection N` |
//! | `from`, `to` | the host that connects, and the one that it connects to |
//! | `family` | `"ipv4"` (default) or `"ipv6"` |
//! | `port`, `local_port` | the port that is connected to, default 5001, and the one that is connected from, default by lot |
//! | `at` | when. Default: `"0s"` |
//! | `send` | bytes that `from` sends; `"endless"`: until `stop`, or for ever. Default: none |
//! | `answer` | bytes that `to` answers when it has read those. Default: none |
//! | `rounds`, `pause` | how often both happen, and how long `from` waits between an answer and the next round |
//! | `stop` | when `from` sends no more |
//! | `deaf` | a list of two times between which nobody reads at `to` |
//! | `close` | who closes when all is said: `"from"` (default), `"to"` or `"nobody"`; the other end follows |
//! | `options`, `from_options`, `to_options` | socket options of both ends, or of one: `congestion`, `no_delay`, `cork`, `quick_ack`, `keepalive`, `keepalive_idle`, `keepalive_interval`, `keepalive_probes`, `reuse_address`, `send_buffer`, `receive_buffer`, `not_sent_low`, `max_pacing_rate` (as `rate` of a link), `window_clamp`, `max_segment`, `syn_retries`, `user_timeout`, `linger`. Buffers of `to` are those of the first connection to its port |
//!
//! `[[load]]`, 64 at most; without one there must be a connection. UDP at constant rates, made as Linux's pktgen does, which costs the
//! sender nothing, and thrown away where it comes to:
//!
//! | key | what it says |
//! |---|---|
//! | `name` | its name. Default: `load N` |
//! | `from`, `to` | the host that sends, and the one that it sends to; that one has `hardware`. By a bond or to a switch it is the sender's engine that sends them |
//! | `rates` | a list of rates in packets a second, one after the other |
//! | `packets` | packets at each rate. Default: 5000 |
//! | `frame` | bytes of a frame without its check sequence, 42 to what its first link takes. Default: 60, the least that Ethernet has |
//! | `flows` | ports that they are sent from, in turn. Default: 1 |
//! | `at`, `pause` | when the first is sent, and how long nothing is between two rates. Default: `"0s"`, `"10ms"` |
//!
//! What each rate costs is measured from its first packet until one more would have been sent: packets that went on to the engine,
//! interrupts, polls, what rings and backlogs had no room for, CPU time, and how long packets took from the ring to the engine.
//!
//! It is what the hardware of the host has counted meanwhile, of whatever came to it: loads and connections to one host at one time
//! count each other's, and without a `pause` what waits of one rate counts for the next. Rates that are not over at `until` are
//! told as such.
//!
//! `hardware` of a host ([`towpath_engine::device::napi`] says what the model is); each of its links has such a NIC:
//!
//! | key | what it says |
//! |---|---|
//! | `mode` | who takes frames off a ring: `"napi"` (default), `"interrupt"`: each interrupt takes `interrupt_frames` (default 1), as before NAPI; `"busy-poll"`: beside softirqs a process, which polls for `busy_read` microseconds (default 50; Linux's own is 0: nobody polls) each time it waits; `"prefer-busy-poll"`: the same with `SO_PREFER_BUSY_POLL`, which keeps interrupts off where `napi_defer_hard_irqs` and `gro_flush_timeout` are set |
//! | `rx`, `tx` | frames of each queue's receive ring, and descriptors of its transmit ring (`ethtool -g`). A frame takes one; where `features` say `tx = true` or `sg = true`, one for each of the pieces that it consists of, up to 18, and as many are kept free. Default: 512 and 512 |
//! | `byte_queue_limits` | what bounds the bytes on a transmit ring (BQL): true (default), false (as with drivers that know none), or a table of `limit_min`, `limit_max` (numbers of bytes) and `hold_time`. Default: 0, 1879048192, `"1s"` |
//! | `rx_usecs`, `rx_frames` | when an interrupt comes: so long after the first frame, or when so many are there (`ethtool -c`). One of the two alone says that the other does not count: with `rx_frames` alone fewer frames wait for ever. Default: 0 and 1, at once |
//! | `tx_usecs`, `tx_frames` | the same of frames that were sent, whose places on the transmit ring are free when a poll has taken them back. With `tx_frames` alone a queue that `byte_queue_limits` stop with fewer frames waits for ever. Default: 0 and 1, at once |
//! | `adaptive_rx`, `cqe_mode_rx` | `rx_usecs` and `rx_frames` chosen by DIM; each frame that comes starts the time anew. Default: false |
//! | `napi_defer_hard_irqs`, `gro_flush_timeout` | how often, and for how long each, empty polls put off the interrupt; for as long the device also keeps what it may merge (`generic-receive-offload`), whatever the first says. At least `"1us"` where it is any. Default: 0, `"0s"` |
//! | `queues`, `cpus` | queues that receive and send (`ethtool -l`: combined) and CPUs; queue N interrupts CPU N, and around. Default: 1 and 1 |
//! | `rps_cpus` | a list of CPUs, from 0, that packets go on to by the hash of their flow. Default: none |
//! | `dev_weight`, `netdev_budget`, `netdev_budget_usecs`, `netdev_max_backlog` | as under `net.core`; `dev_weight` is that of the backlog alone, as in Linux. Default: 64, 300, 2000, 1000 |
//! | `process_slice` | how long a process keeps a CPU before ksoftirqd has its turn. Default: 0: no process wants it |
//! | `costs` | a table of times that a CPU is busy for: `interrupt` (1us), `poll` (200ns), `packet` (400ns), `enqueue` (100ns), `complete` (50ns: taking back a frame that was sent) |
//!
//! `[[event]]`, in order of time: `at`, `link`, `direction` (`"there"`, `"back"` or `"both"`, the default), and what the link does
//! from then on, in the words of `[[link]]`. What waits or is on its way when a link goes down is lost. Or `at`, `host` and `rings
//! = { rx = 256, tx = 128 }`: its NICs have rings of other sizes from then on (`ethtool -G`), one or both; what was on the old ones
//! is lost as with a link that goes down, as drivers start their NICs anew for that.
//!
//! # What failover loses, and how long it takes
//!
//! The scenarios `failover-…`, `lacp-silent-…` and `balance` of `captures/lab` show it, and `cargo test -p tests --test scenarios
//! failover` holds them to this:
//!
//! - A carrier that is lost takes with it what is on that wire. A bond whose ports are chosen by a hash or in turn passes over the
//!   port at once, so nothing else is lost; the driver asks for the carrier with each packet. So does the group at the switch.
//! - Active-backup does not ask: until miimon's next look, and `downdelay` more, the active port is sent to all the same, and what
//!   comes by the other one is dropped (`inactive`). That is `miimon + downdelay` at most, and all that is lost.
//! - balance-tlb and balance-alb ask for the carrier when they send. What comes for the address of the active port comes by another one
//!   from then on, as the switch knows no better, and is dropped until miimon has looked and that one has the address: again
//!   `miimon + downdelay` at most.
//! - A link that is silent is noticed by LACP when no LACPDU has come for 3 s (`lacp_rate fast`: one comes each second), or 90 s
//!   (`slow`: each 30 s), counted in the machines' ticks of 100 ms, the first of which comes at any time after the LACPDU; IEEE
//!   802.1AX-2020, 6.4.4, has the times. Then the receive machine has EXPIRED, the port is out of step, and neither end sends by
//!   it. By the ARP monitor it is noticed when nothing has come for more than `arp_missed_max` intervals (2) and a half. miimon
//!   never notices.
//!
//! # What an interrupt costs
//!
//! `captures/lab/interrupts.toml` sends five equal loads to five hosts that differ in `mode`, in coalescing and in what puts off
//! interrupts. With `interrupt` I, `poll` P, `packet` S and `enqueue` E, and a packet each T:
//!
//! - As long as T ≥ I + P + S both ways take one interrupt a packet, and the CPU time of both grows with the rate.
//! - NAPI: while one packet is dealt with others come, and the interrupt is masked. A poll empties the ring when n packets have
//!   been dealt with before the next one comes: I + P + n S ≤ n T. So there is one interrupt for n = (I + P) / (T - S) packets,
//!   rounded up, and none at all from T = S + P / 64 on: polls of 64 follow each other. What comes beyond 1 / (S + P / 64) is
//!   missed at the ring, which costs nothing.
//! - An interrupt for each packet takes I + E of each T, whatever becomes of the packet, and the softirq that takes packets on has
//!   the rest: at most (1 - (I + E) / T) / (S + P / 64) go on. That falls from T = I + E + S + P / 64 on, and is nothing at T = I +
//!   E: receive livelock.
//! - A process that polls (`busy-poll`) takes the whole CPU, whatever comes, and saves few interrupts: each time it has found
//!   something it polls once more, which arms the interrupt, and the next packet raises one while it polls. Packets an interrupt
//!   are as with NAPI with a P more. Where the interrupt comes to its own CPU it saves no latency either, I + P + S; coalescing
//!   that puts the interrupt off longer than a look takes saves both. Beyond what it can take it never gets to: the softirq that
//!   has woken it finds its weight each time.
//! - One that prefers to poll (`prefer-busy-poll`, with both knobs) is interrupted once, and has the least latency, S and what is
//!   left of an empty poll. Beyond what it can take softirqs leave the ring to it after ten rounds, and 1 / (S + P / 8) go on: its
//!   polls take 8.
//!
//! # What a transmit ring holds
//!
//! A host without `hardware` gives the wire each frame when its turn comes. One with hardware puts it on the ring of its queue: one
//! with N frames of L bits is N · L / rate longer than the wire, and what stands there no queueing discipline drops or puts behind
//! others: `captures/lab/transmit-ring.toml`. So Linux bounds it by bytes, too, by as many as keep the wire busy, which it finds
//! out itself (`byte_queue_limits`). A ring that is full (that has not 18 descriptors left where the NIC gathers) or beyond that
//! stops the queue; then frames wait in the queueing discipline, and what finds that full is lost there (`queue`). What was sent is
//! taken back by the poll that the interrupt brings about, by `tx_usecs` and `tx_frames`, and when a quarter of its descriptors is
//! free, but 18 at the least where the NIC gathers, the queue is woken. A ring that is taken back later than it is sent lets the
//! wire run dry.
//!
//! # Why not a crate of its own
//!
//! It reads its text with what [`crate::config`] reads a gateway with, down to the places of mistakes, and writes with
//! [`mod@crate::write`]. None of that is public: a crate would have to open a reader of tables to everybody.

mod bond;
mod codel;
mod diagram;
mod ethtool;
mod feed;
mod hardware;
mod hosts;
mod json;
mod lane;
mod load;
mod net;
mod pcapng;
mod read;
mod reception;
mod run;
mod sampling;
mod scenario;
mod segment;
mod sending;
mod series;
mod switch;
mod switching;
mod table;
mod talk;
mod topology;
mod watch;
mod words;

pub use bond::{BondReport, DropsReport};
pub use diagram::Diagram;
pub use ethtool::ethtool;
pub use hardware::{HardwareReport, QueueReport};
pub use json::write_json;
pub use lane::{Lost, Tally};
pub use load::{Load, LoadReport, LoadStep};
pub use pcapng::PcapngRun;
pub use run::{ConnectionReport, LaneReport, Measured, Report, run, run_telling};
pub use scenario::{
    Aggregate, Bound, Change, Changed, Codel, Conversation, End, Host, Link, Loss, Queue, Scenario, Switch, Way,
};
pub use segment::Segment;
pub use series::{EndReport, Point, Wait};
pub use switch::SwitchTally;
pub use table::table;
pub use watch::{Pass, Passing, Watch};
pub use words::Chance;

use crate::config::{ConfigError, located_fault};

impl Scenario {
    /// Reads a scenario from its text.
    ///
    /// # Errors
    /// The first mistake in the text.
    pub fn read(file: &str, text: &str) -> Result<Self, ConfigError> {
        read::read(file, text).map_err(|fault| located_fault(file, text, fault))
    }
}

#[cfg(test)]
mod tests;
