//! Every bound of this crate, with its arithmetic.

/// Captured bytes of one packet. Linux's largest super-packet is 512 KiB (v6.18: `include/linux/netdevice.h`,
/// `GSO_MAX_SIZE`: 8 × 65535), and Wireshark writes up to 256 KiB; more than this is a damaged length field.
pub const CAPTURED_BYTES_MAX: u32 = 1 << 20;

/// A pcapng block: a packet, its options (64 KiB each at most), and what other programs keep in blocks of their own.
/// Wireshark's bound is the same 16 MiB.
pub const BLOCK_BYTES_MAX: u32 = 16 << 20;

/// Times between two packets at which bonds do what they do for ever: LACP's ticks, questions to targets, learning packets. They count from
/// when no link's delay runs any more. Between two packets there may be years; when they are used up, the rest of the gap goes by at once. Of
/// LACP, which ticks ten times a second at most, they last a quarter of an hour, and hours when LACPDUs are asked for slowly; of questions
/// 9000 times `arp_interval`.
pub const BOND_BEATS_MAX: u32 = 9000;

/// The same before the first packet. Where no other bond does anything more often than LACP ticks, it is as if the gateway had been there
/// for ten seconds, and for the delays of its links before.
pub const BOND_BEATS_BEFORE_MAX: u32 = 100;

/// Frames that leave between two packets before the rest of the gap goes by at once, with the delays of links that still run: a record holds
/// them, each of 2 KB, and those of one time more, at most what waits for a port
/// ([`TRANSMIT_QUEUE_MAX`](towpath_engine::limits::TRANSMIT_QUEUE_MAX)) for each. 16,384 are 32 MB, and nine minutes of 32 ports that send an
/// LACPDU a second.
pub const BOND_FRAMES_MAX: usize = 1 << 14;

/// What is tried of what a packet may have called that was captured behind a DNAT: each costs a walk through the rules. More rules than that
/// lead to one host, from different addresses or ports, for hardly anybody.
pub const INNER_TRIES_MAX: usize = 16;

/// Different interfaces in one capture, over all its sections. Each costs about 200 bytes and its names.
pub const INTERFACES_MAX: usize = 1024;

/// Bytes of an interface's name or description that are kept.
pub const INTERFACE_TEXT_BYTES_MAX: usize = 1024;

/// How much of a capture stream is held at once; one larger record makes it grow, up to [`BLOCK_BYTES_MAX`].
pub const WINDOW_BYTES: usize = 256 << 10;

/// Windows of a capture that is read in the background, read ahead or looked at. They are 3 MB with the room in front of each, which
/// caches that processors share can hold.
pub const CHUNKS_AHEAD: usize = 8;

/// Packets that are read at once. Few enough for their first cache lines to stay in the first-level cache
/// (64 × 3 lines × 64 bytes = 12 KiB), many enough to overlap the misses.
pub const BATCH_PACKETS: usize = 64;

/// Datagrams in fragments of which is remembered what the first fragment was given: 4096 of about 250 bytes are 1 MB, and as many as
/// Linux puts together at once (`ipfrag_high_thresh`, 4 MB).
pub const DATAGRAMS_MAX: usize = 4096;

/// Connections, and expectations, that a listing for people holds. About 400 bytes each.
pub const FLOWS_LISTED_MAX: usize = 10_000;

/// Changes that are proposed for a packet that did not pass; trying each takes a replay up to that packet.
pub const PROPOSALS_MAX: usize = 12;

/// Flows of one capture that are told apart when two gateways are compared; packets of further ones are compared and counted, but
/// not their flows. About 150 bytes each: 150 MB.
pub const FLOWS_COMPARED_MAX: usize = 1 << 20;

/// Hosts of a scenario: each is an engine of a few megabytes.
pub const LAB_HOSTS_MAX: usize = 64;

/// Switches of a scenario: each has an engine, which runs its LACP.
pub const LAB_SWITCHES_MAX: usize = 64;

/// Bonds of a host, or groups of a switch.
pub const LAB_BONDS_MAX: usize = 32;

/// Stations that a switch remembers at most: as many as small ones do. About 50 bytes each.
pub const LAB_STATIONS_MAX: u64 = 8192;

/// Changes of the ports that a bond uses, and as many lines of its log, that a report holds. About 100 bytes each: 1 MB a bond.
pub const LAB_BOND_LINES_MAX: usize = 10_000;

/// Links of a scenario. Their networks are numbered in one byte of an address.
pub const LAB_LINKS_MAX: usize = 200;

/// Connections of a scenario.
pub const LAB_CONNECTIONS_MAX: usize = 1000;

/// Loads of a scenario.
pub const LAB_LOADS_MAX: usize = 64;

/// Rates of a load, each of which makes a line of the report.
pub const LAB_RATES_MAX: usize = 100;

/// Packets of a load at one rate: a million take some seconds.
pub const LAB_LOAD_PACKETS_MAX: u64 = 1_000_000;

/// Packets of all loads of a scenario at all their rates: some minutes.
pub const LAB_ALL_PACKETS_MAX: u64 = 20_000_000;

/// Events of a scenario.
pub const LAB_EVENTS_MAX: usize = 10_000;

/// Frames that a loss may name, with each event that changes it: 10 000 events take 160 MB, as each changes both directions unless it names one.
pub const LAB_LOSSES_NAMED_MAX: usize = 1000;

/// Bytes that may wait at a link that says so. At 10 Gbit/s they take 0.8 seconds.
pub const LAB_QUEUE_BYTES_MAX: u64 = 1 << 30;

/// Bytes of all frames of a scenario that are on their way or wait, on all links together; further ones find no room. A round trip of
/// 100 ms at 100 Gbit/s. Where each frame is repeated it is twice as much.
pub const LAB_BYTES_MAX: u64 = 1 << 30;

/// What a frame takes beside its bytes: its places in a queue and in the order of times.
pub const LAB_FRAME_OVERHEAD_BYTES: u64 = 128;

/// What is taken down over time: each sample of each end of a connection, and of each direction of a link. About 100 bytes each: 500 MB.
pub const LAB_POINTS_MAX: u64 = 5_000_000;
