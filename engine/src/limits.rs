//! Every bound of the engine, with its arithmetic.

use core::time::Duration;

/// Bytes of a packet block: 128 of headroom and 1920 of linear data, so that block and bookkeeping fill few pages.
pub const BLOCK_BYTES: usize = 2048;

/// Room kept free before the first byte for headers pushed later (Linux: `LL_MAX_HEADER`).
pub const HEADROOM_BYTES: usize = 128;

/// Linear bytes a fresh packet can hold: an Ethernet frame of MTU 1500 with two tags fits with room to grow.
pub const LINEAR_BYTES_MAX: usize = BLOCK_BYTES - HEADROOM_BYTES;

/// Linear bytes of a packet whose payload goes to fragments: Ethernet, two tags, IP and TCP with all options fit.
pub const HEADER_BYTES_MAX: usize = 256;

/// The largest frame taken: an IPv4 datagram of 64 KB and its link header.
pub const FRAME_BYTES_MAX: usize = 65_535 + 18;

/// Packet blocks kept for reuse. 4096 · 2 KB = 8 MB; more are in flight only while a batch is handled.
pub const POOL_BLOCKS_MAX: usize = 4096;

/// What a packet block counts as where memory is bounded: its bytes, and what is known of them. Here and below it is a number and
/// not the size of a struct, which is another one where pointers are shorter: what finds no room must be the same everywhere.
pub const BLOCK_MEMORY_BYTES: usize = BLOCK_BYTES + 256;

/// The same of a datagram that is being put together, without its fragments.
pub const DATAGRAM_MEMORY_BYTES: usize = 128;

/// The same of an event that waits, and of what it holds: a connection, an expectation, or a packet without its bytes.
pub const EVENT_MEMORY_BYTES: usize = 96;
/// A connection in an event.
pub const ENTRY_MEMORY_BYTES: usize = 352;
/// An expectation in an event.
pub const EXPECTATION_MEMORY_BYTES: usize = 160;
/// A packet in an event, without its bytes.
pub const LOGGED_MEMORY_BYTES: usize = 96;

/// Sizes of fragment buffers. A packet takes the least that is enough, so that it holds at most half more than its bytes: what a
/// socket has room for, and so the window that it tells, is counted in what packets hold.
#[rustfmt::skip]
pub const FRAGMENT_BYTES: [usize; 11] =
    [2048, 3072, 4096, 6144, 8192, 12_288, 16_384, 24_576, 32_768, 49_152, 65_536];

/// Parts of memory of others that a packet refers to behind its linear bytes (Linux: `MAX_SKB_FRAGS`); what follows them when frames are
/// merged is copied, into one more part, which is its own: it has 18 at most.
pub const FRAGMENTS_MAX: usize = 17;

/// Fragment buffers of each size kept for reuse: 64 · 220 KB = 14 MB, when frames of all sizes come.
pub const POOL_FRAGMENTS_MAX: usize = 64;

/// Frames parsed before the first of them goes its way: as many as a NAPI poll takes (Linux: `NAPI_POLL_WEIGHT`).
pub const BATCH_FRAMES_MAX: usize = 64;

/// Batches and dropped frames that a model of a host's hardware keeps for whoever does not ask for them.
pub const HARDWARE_OUT_MAX: usize = 65_536;

/// Parts by which what a receive queue holds to be merged is sorted (Linux: `GRO_HASH_BUCKETS`).
pub const GRO_BUCKETS: usize = 8;

/// Packets held in one of them; a further one lets the oldest go on (Linux: `MAX_GRO_SKBS`).
pub const GRO_BUCKET_PACKETS_MAX: usize = 8;

/// A merged packet has fewer bytes than this, link header not counted (Linux: `GRO_LEGACY_MAX_SIZE`).
pub const GRO_BYTES_MAX: usize = 65_536;

/// Datagrams of one merged packet (Linux: `UDP_GRO_CNT_MAX`).
pub const GRO_DATAGRAMS_MAX: u16 = 64;

/// Packets that all receive queues together hold to be merged, 16 full ones: up to 1024 · 66 KB = 68 MB. Beyond it frames go
/// on unmerged.
pub const GRO_HELD_MAX: usize = 1024;

/// Receive queues of one device; frames of others count as those of a queue before them.
pub const RECEIVE_QUEUES_MAX: u16 = 64;

/// Devices of one engine.
pub const DEVICES_MAX: usize = 256;

/// Bonds of one engine, each of which wants to be looked at when its time comes.
pub const BONDS_MAX: usize = 64;

/// Ports of one bond. 802.3ad looks at each one's aggregator for each other one when one moves: 32 · 32 are a thousand.
pub const BOND_PORTS_MAX: usize = 32;

/// Stations of each family that a bond asks whether its links carry (Linux: `BOND_MAX_ARP_TARGETS`): each question of each of 32 ports is
/// 1024 frames an interval at most.
pub const BOND_TARGETS_MAX: usize = 16;

/// VLANs that lie over each other (Linux: `MAX_NEST_DEV`): eight tags of 4 bytes fit the headroom.
pub const VLAN_DEPTH_MAX: usize = 8;

/// Addresses of one device.
pub const ADDRESSES_MAX: usize = 64;

/// Routes of one engine.
pub const ROUTES_MAX: usize = 65_536;

/// Hosts of which it is remembered how small packets to them have to be: 2048 of about 60 bytes are 120 KB (Linux has as many
/// buckets: `FNHE_HASH_SIZE`). Of a further one, the oldest is forgotten.
pub const PATH_MTUS_MAX: usize = 2048;

/// Neighbours remembered (Linux: `net.ipv4.neigh.default.gc_thresh3`).
pub const NEIGHBOURS_MAX: usize = 1024;

/// Memory of the packets that wait for one neighbour's address (Linux: `unres_qlen_bytes`): 90 packets that fill their block,
/// or three super-packets. A further one takes the place of the oldest ones, which end with `NeighbourQueueFull`.
pub const NEIGHBOUR_QUEUE_BYTES_MAX: usize = 212_992;

/// Memory of the packets that pass through and wait for neighbours, 78 full queues: with 1024 neighbours it would else be
/// 208 MB. A further packet ends with `NeighbourQueueFull`.
pub const NEIGHBOUR_QUEUES_BYTES_MAX: usize = 16 << 20;

/// The same of this host's own packets, 19 full queues. It is apart from what passes through, so that who floods networks
/// with packets for nobody takes nothing from this host.
pub const NEIGHBOUR_OWN_BYTES_MAX: usize = 4 << 20;

/// Frames that wait for [`crate::Engine::poll_transmit`] to leave by one port; a further one is dropped with
/// `TransmitQueueFull`.
pub const TRANSMIT_QUEUE_MAX: usize = 8192;

/// Bytes of the frames that wait to leave by one port: 256 super-packets, four batches, or 8192 frames of 2 KB. A further frame
/// is dropped with `TransmitQueueFull`.
pub const TRANSMIT_QUEUE_BYTES_MAX: usize = 16 << 20;

/// Packets that this host has sent to itself and not taken yet (Linux: `net.core.netdev_max_backlog`).
pub const LOOPBACK_QUEUE_MAX: usize = 1000;

/// Memory of those packets: 1000 of a block each, or 60 of 64 KB. A further one is dropped with `LoopbackQueueFull`.
pub const LOOPBACK_QUEUE_BYTES_MAX: usize = 4 << 20;

/// Packets to itself that one input may cause, one after the other: services that answer each other would never stop.
pub const LOOPBACK_ROUNDS_MAX: usize = 1000;

/// Events that wait for [`crate::Engine::poll_event`]; a further one is lost and counted.
pub const EVENT_QUEUE_MAX: usize = 65_536;

/// Memory of the events that wait: 65 536 of connections, or 1000 packets of 64 KB for NFLOG. A further event is lost and
/// counted.
pub const EVENT_QUEUE_BYTES_MAX: usize = 64 << 20;

/// Lines of the kernel log that packets cause and that are told in [`WARNINGS_TIME`] (Linux: `net_ratelimit_state`,
/// `net.core.message_burst`).
pub const WARNINGS_MAX: u32 = 10;

/// See [`WARNINGS_MAX`] (Linux: `net.core.message_cost`).
pub const WARNINGS_TIME: Duration = Duration::from_secs(5);

/// Tracked connections by default (`net.netfilter.nf_conntrack_max` on a machine with 4 GB or more).
pub const CONNECTIONS_MAX: u32 = 262_144;

/// Tracked connections whatever `nf_conntrack_max` says: 2^24 · 256 bytes = 4 GB.
pub const CONNECTIONS_BOUND: u32 = 1 << 24;

/// Buckets searched for a connection that can be dropped early (Linux: `NF_CT_EVICTION_RANGE`).
pub const EVICTION_BUCKETS: usize = 8;

/// Expectations of one engine by default (`net.netfilter.nf_conntrack_expect_max`).
pub const EXPECTATIONS_MAX: u32 = 4096;

/// Expectations of one engine, whatever the tunable says: 65 536 of about 400 bytes are 26 MB.
pub const EXPECTATIONS_BOUND: u32 = 65_536;

/// Expectations of one class that may wait for one master (Linux: `NF_CT_EXPECT_MAX_CNT`).
pub const EXPECTATIONS_PER_MASTER_MAX: u16 = 255;

/// Timers looked at in one go, so that many that run out together hold nobody up; the rest follows at once.
pub const TIMER_MOVES_MAX: usize = 8192;

/// Timers that are looked at to find out which runs out first; where more may be it, all of a millisecond run out together.
pub const TIMER_LOOKS_MAX: usize = 16;

/// Rules of one rule set, all tables together.
pub const RULES_MAX: usize = 1_000_000;

/// Chains of one table. A packet is inside of each at most once, since circles are refused.
pub const CHAINS_MAX: usize = 65_536;

/// With how many rules before it a rule is compared when rules are reviewed: 10,000 rules take 40 million comparisons,
/// about a second.
pub const REVIEW_RULES_BACK_MAX: usize = 4096;

/// Places of the connection table that are looked at in one go, for connections to be forgotten or left by their helper: about 0.1 ms.
pub const FORGET_PLACES_MAX: u32 = 4096;

/// Connections that are forgotten in one go, about a microsecond each with its event.
pub const FORGET_CONNECTIONS_MAX: usize = 64;

/// Recorded walks of one rule set: flows of a gateway share few; each holds at most 256 bytes, 16 MB in all.
pub const WALKS_MAX: usize = 65_536;

/// Recorded courses of one rule set: an input device with a route each. Packets on others take the long way.
pub const COURSES_MAX: usize = 256;

/// Rules that are looked at to find out whether they hold an endpoint already; where more would have to be, they do. A helper's
/// announcement asks so [`HELD_DRAWS_MAX`] times at most: half a million of them take some milliseconds.
pub const HELD_RULES_MAX: usize = 65_536;

/// Rules of PREROUTING that are looked at, each once for each way to it, to find out where DNAT leads; those behind them lead nowhere.
/// Bounds what many jumps to the same chains cost, once for a configuration: some milliseconds.
pub const LEADS_MAX: usize = 65_536;

/// Ports that are drawn for what a helper announces while rules or sockets hold those before.
pub const HELD_DRAWS_MAX: u32 = 8;

/// Rules and policies that a recorded walk may have counted.
pub const WALK_RULES_MAX: usize = 30;

/// Bytes of rules text taken.
pub const RULES_TEXT_BYTES_MAX: usize = 256 << 20;

/// Timeout policies (`-j CT --timeout`) that can be there at once.
pub const TIMEOUT_POLICIES_MAX: usize = 256;

/// Helpers loaded at once.
pub const HELPERS_MAX: usize = 64;

/// Bytes of a helper's name, and of a class's (Linux: `NF_CT_HELPER_NAME_LEN`, 16 with the NUL).
pub const HELPER_NAME_BYTES_MAX: usize = 15;

/// Places a helper may be attached to.
pub const HELPER_ATTACH_POINTS_MAX: usize = 16;

/// Triggers of one helper.
pub const HELPER_TRIGGERS_MAX: usize = 32;

/// Bytes of one trigger.
pub const HELPER_TRIGGER_BYTES_MAX: usize = 16;

/// Beginnings of first lines that one helper knows.
pub const HELPER_OPENINGS_MAX: usize = 96;

/// How long a helper's expectation may wait, in seconds: a day.
pub const HELPER_EXPECT_SECONDS_MAX: u32 = 86_400;

/// Classes of expectations of one helper (Linux: `NF_CT_MAX_EXPECT_CLASSES` is 4; there is no need to be that tight).
pub const HELPER_CLASSES_MAX: usize = 8;

/// Connections a helper may announce for one payload.
pub const HELPER_WISHES_MAX: usize = 16;

/// Bytes of a site, and of the text that takes its place: more than twice the longest endpoint, an IPv6 address with an IPv4 tail,
/// a port and what FTP puts around them.
pub const HELPER_SITE_BYTES_MAX: usize = 128;

/// Lines of one packet on which a helper answers anything; others go on unread, which is told.
pub const HELPER_LINES_MAX: usize = 16;

/// Lines of one packet that a helper is shown, most of which may be of no concern to it after all: one without triggers is shown each line, and
/// one whose triggers are common words many, of up to 64 KB that receive offload has put together. The helpers that come along would do with
/// [`HELPER_LINES_MAX`]. Being asked in vain costs a twentieth of an answer, so that these cost no more than those.
pub const HELPER_LINES_ASKED_MAX: usize = 16 * HELPER_LINES_MAX;

/// Bytes of one direction of a connection that wait for the rest of a helper's line, and of a line that a helper is shown; further
/// ones, and longer lines, go on as they are. Twice the longest command of FTP or IRC that anybody has seen would do.
pub const LINE_BYTES_HELD_MAX: usize = 4096;

/// Segments of one direction of a connection that wait; each holds a block of 2 KB, however short it is.
pub const LINE_SEGMENTS_HELD_MAX: usize = 32;

/// Memory of all segments that wait for lines: 4096 blocks, of 128 connections that hold all they may. A further one goes on
/// as it is.
pub const LINES_HELD_BYTES_MAX: usize = 8 << 20;

/// A client's share of it, as much as two connections may hold: when all is taken, whoever holds most and more than this makes room for
/// others. 64 clients that hold their shares take all of it.
pub const LINES_HELD_SHARE_BYTES: usize = LINES_HELD_BYTES_MAX / 64;

/// How long a segment waits for the rest of its line: two retransmissions of a sender whose timeout is the least of 200 ms,
/// and less than people wait for.
pub const LINE_HELD_TIME: Duration = Duration::from_millis(500);

/// How far behind bytes that are missing a stream may go on unread before nobody waits for those any more: more than a sender has in
/// flight before anything is acknowledged (RFC 6928: ten segments).
pub const LATE_BYTES_MAX: usize = 64 << 10;

/// Stretches of a stream, with missing bytes between them, that may have gone on unread: so many losses within
/// [`LATE_BYTES_MAX`] have no link on which anybody would work.
pub const STRETCHES_AHEAD_MAX: usize = 16;

/// Texts that are remembered of one direction of a connection, to be written again when their bytes are sent again: as many
/// as one packet's lines can hold.
pub const REWRITES_KEPT_MAX: usize = HELPER_LINES_MAX;

/// Bytes of those texts: all that they can have.
pub const REWRITTEN_BYTES_KEPT_MAX: usize = REWRITES_KEPT_MAX * HELPER_SITE_BYTES_MAX;

/// What a text counts as where memory is bounded, without its bytes: two places in a queue, which may be half empty.
pub const REWRITE_MEMORY_BYTES: usize = 96;

/// All that is remembered of connections for their helpers: beginnings of lines that have gone on, texts that were written,
/// helpers' states. Without it 262 144 connections could hold 2 · (4 + 2) KB and 1 KB each, 3.5 GB. These are 3800 beginnings as
/// long as they may be, or the texts of 45 000 connections with one PORT each. What is forgotten is the oldest of whoever has most and more
/// than a share, else the oldest of all.
pub const REMEMBERED_BYTES_MAX: usize = 16 << 20;

/// A client's share of it, the texts of some 700 connections with one PORT each: when all is taken, it is the client who holds most and
/// more than this of whom the oldest is forgotten. 64 clients that hold their shares take all of it.
pub const REMEMBERED_SHARE_BYTES: usize = REMEMBERED_BYTES_MAX / 64;

/// What a connection takes beside its place in the table when a helper reads it (or a rule has given it labels, events or timeouts of
/// its own): 262 144 of them take 64 MB. What helpers make it remember is in [`REMEMBERED_BYTES_MAX`].
pub const HELPED_BYTES_MAX: usize = 256;

/// What the books about something that is remembered count as: places in five maps, by what it is, when it was written, and whose.
pub const REMEMBERED_MEMORY_BYTES: usize = 256;

/// State bytes a helper may keep per connection, whatever its manifest says.
pub const HELPER_STATE_BYTES_MAX: u16 = 1024;

/// Failed calls within [`HELPER_FAILURES_WINDOW`] on what one client's connections say, after which a helper is shown no more of them
/// until the window is over.
pub const HELPER_FAILURES_MAX: usize = 16;

/// Clients on whose connections a helper has failed within [`HELPER_FAILURES_WINDOW`], after which it is quarantined.
pub const HELPER_FAILING_CLIENTS_MAX: usize = 16;

/// How long failed calls of a helper count, from a client's first one on: one that fails on a rare payload goes on reading others for
/// years, one that fails for everybody is stopped within it.
pub const HELPER_FAILURES_WINDOW: Duration = Duration::from_secs(60);

/// Steps one packet's trace may have.
pub const TRACE_STEPS_MAX: usize = 4096;

/// Addresses of one list of `-m recent` (Linux: `xt_recent.ip_list_tot`).
pub const RECENT_ENTRIES_MAX: usize = 100;

/// Sightings of one address that a list of `-m recent` keeps (Linux: `XT_RECENT_MAX_NSTAMPS`), as far as they have been and a rule
/// asks for so many: 100 · 65536 · 8 bytes are 50 MB a list.
pub const RECENT_STAMPS_MAX: u32 = 65_536;

/// Groups of packets of one `-m hashlimit` table, whatever its rule says: 65 536 of about 150 bytes are 10 MB.
pub const HASHLIMIT_ENTRIES_MAX: u32 = 65_536;

/// Connections that one `-m connlimit` rule remembers: as many as there are by default ([`CONNECTIONS_MAX`]), so that some of them are
/// gone, and found to be, before there is no room. Each of its own address, they take 50 MB. A packet that would be one more is dropped.
pub const CONNLIMIT_CONNECTIONS_MAX: usize = CONNECTIONS_MAX as usize;

/// Connections of one address that a packet looks up for `-m connlimit`; of more it looks up a part. 256 of 50 ns are 13 µs.
pub const CONNLIMIT_CHECKED_MAX: usize = 256;

/// Sets (Linux: `CONFIG_IP_SET_MAX`).
pub const SETS_MAX: usize = 256;

/// Elements of one set, whatever its `maxelem` says: 1 048 576 of about 250 bytes are 250 MB, and with timeouts
/// 400 MB.
pub const SET_ELEMENTS_MAX: u32 = 1 << 20;

/// Elements whose time is over that a full set forgets for one packet: more than the one that comes, so that room is made faster than
/// it is taken, and no packet waits for thousands.
pub const SET_EXPIRED_MAX: usize = 16;

/// Elements that one line of a sets text may stand for.
pub const SET_EXPANSION_MAX: usize = 65_536;

/// Elements that all lines of a sets text may stand for, beside the first of each: four full sets. They are 4 194 304 of about a
/// microsecond, which is seconds; without a bound a text of 256 MB could ask for days.
pub const SET_TEXT_ELEMENTS_MAX: usize = 4 * SET_ELEMENTS_MAX as usize;

/// Bytes of a comment on an element (Linux: `IPSET_MAX_COMMENT_SIZE`).
pub const COMMENT_BYTES_MAX: usize = 255;

/// Copies that one packet's walk through a table may make (`-j TEE`).
pub const COPIES_MAX: usize = 16;

/// Bytes of a snapshot: 2^24 connections of about 120 bytes. It fits the addresses of wasm.
pub const SNAPSHOT_BYTES_MAX: usize = 2_147_483_647;

/// Slots of the connection table beyond `nf_conntrack_max` that a snapshot may name: those of connections that were still
/// read when new ones came.
pub const SNAPSHOT_SPARE_SLOTS: u32 = 8192;

/// A number that no counter reaches: 2^62 packets are a thousand years at 100 million a second. A snapshot that says
/// more is wrong.
pub const COUNT_MAX: u64 = 1 << 62;

/// Sockets, requests for connections and what is left of connections, all together: 2^20 of about 1 KB are 1 GB. What streams hold of
/// bytes that are not read or not acknowledged is bounded by `net.ipv4.tcp_mem` for all of them together, 384 MB by default, and
/// by what each gets in any case: `tcp_wmem[0]`, 4 KB to send, and one segment to read, of 64 KB at most where segments are merged.
pub const SOCKETS_MAX: usize = 1 << 20;

/// Destinations that are remembered when connections to them have ended, of about 250 bytes each: 2 MB. A further one takes the place of
/// the one that was written longest ago. Linux has as many hashes of them, on small machines.
pub const DESTINATIONS_MAX: usize = 8192;

/// Connections of one listener that may be in use before their handshakes are done, whatever it and `net.core.somaxconn` say; and places
/// of such that were reset, of 8 bytes each: 512 KB.
pub const FAST_OPEN_QUEUE_MAX: u32 = 65_536;

/// Memory of the datagrams that nobody has read yet, of all sockets together: 300 full receive buffers. A further one is dropped
/// with `SocketMemory`.
pub const DATAGRAM_QUEUES_BYTES_MAX: usize = 64 << 20;

/// Bytes of one buffer of a socket, whatever tunables and users say: half of what sequence numbers can tell apart, with as much
/// again for a write that begins just below it.
pub const BUFFER_BYTES_MAX: u32 = 1 << 30;

/// CPUs of a host's [model](crate::device::napi): as many as `rps_cpus` has bits here.
pub const CPUS_MAX: u16 = 64;

/// NICs of a host's model.
pub const NICS_MAX: usize = 256;

/// Frames of one receive ring in a host's model, as the largest of today's NICs have. A further frame is missed, and counted.
pub const RECEIVE_RING_MAX: u16 = 16_384;

/// Descriptors of one transmit ring in a host's model. What finds no room waits in the queueing discipline.
pub const TRANSMIT_RING_MAX: u16 = 16_384;

/// Packets of one CPU's backlog in a host's model, whatever `net.core.netdev_max_backlog` says. A further packet is dropped, and counted.
pub const BACKLOG_MAX: usize = 65_536;
