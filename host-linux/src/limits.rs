//! Every bound of the host, with its arithmetic.

use std::time::Duration;

pub use towpath_engine::limits::BATCH_FRAMES_MAX;

/// Frames of one batch that are longer than a slot. 16 · 64 KB = 1 MB a device, which still fits a second-level cache.
pub const LONG_FRAMES_MAX: usize = 16;

/// The longest frame, without its link header, that a slot is made for; longer ones take the way of super-packets.
pub const SLOT_FRAME_BYTES_MAX: u32 = 9216;

/// Slots of a receive ring, unless asked otherwise: 4096 · 1600 bytes = 6.25 MB of 8 MB that the kernel takes, 2.5 ms of 60-byte frames at 1.6 M/s.
pub const RING_SLOTS_DEFAULT: u32 = 4096;

/// The fewest slots of a receive ring: two batches.
pub const RING_SLOTS_MIN: u32 = 128;

/// The most slots of a receive ring: 65 536 · 1600 bytes = 100 MB of 128 MB of memory that cannot be swapped.
pub const RING_SLOTS_MAX: u32 = 65_536;

/// Slots of a transmit ring: 512 KB of memory at an MTU of 1500, and 4 MB at one of 9000. A slot is taken until the device has sent its frame; what finds none free is
/// sent by a system call of its own.
pub const TRANSMIT_SLOTS: u32 = 256;

/// Receive and send memory asked for a device's socket, in bytes; the kernel doubles it for its own bookkeeping. About 200
/// super-packets of 64 KB wait in it. The kernel grants no more than `net.core.rmem_max` and `wmem_max` without CAP_NET_ADMIN.
pub const SOCKET_MEMORY_BYTES: i32 = 8 << 20;

/// Frames that wait for a device to take more (Linux: `txqueuelen` 1000); a further one is dropped with
/// `TransmitQueueFull`.
pub const SEND_QUEUE_FRAMES_MAX: usize = 1000;

/// Bytes of those frames, 256 super-packets of 64 KB: a device that takes nothing holds no more of them.
pub const SEND_QUEUE_BYTES_MAX: usize = 16 << 20;

/// How long it takes until going on with a device that was made anew is tried again, when it has failed and nothing is new of links: two
/// or three system calls.
pub const REBIND_TIME: Duration = Duration::from_secs(1);

/// The longest `gateway.toml`: tens of thousands of routes.
pub const CONFIG_BYTES_MAX: usize = 4 << 20;

/// Components that are compiled at once for clients of the control socket; each takes 10 s at most (`plugin/limits.rs`) and 100 MB.
pub const COMPILERS: usize = 2;

/// Clients of the control socket that ask for something, at once; a further one is sent away unless one of them is done.
pub const CONTROL_ASKING_MAX: usize = 16;

/// Clients of the control socket that watch, at once; a further one is refused, unless one of them has long stopped reading
/// ([`CONTROL_PAUSE_MAX`]). They leave those who ask their room.
pub const CONTROL_WATCHERS_MAX: usize = 16;

/// All of them.
pub const CONTROL_CLIENTS_MAX: usize = CONTROL_ASKING_MAX + CONTROL_WATCHERS_MAX;

/// How long clients of the control socket wait when this process can open no more files, before it is tried again.
pub const CONTROL_DEAF_TIME: Duration = Duration::from_millis(100);

/// The longest request at the control socket.
pub const CONTROL_REQUEST_BYTES_MAX: usize = 64 << 10;

/// Bytes that are taken from a client, and given to it, before the path has its turn again: with 32 clients 4 MB, which is 1 ms.
pub const CONTROL_TURN_BYTES_MAX: usize = 64 << 10;

/// Memory of what is short and waits at the control socket, of all clients together: requests, and replies but for what is long. A
/// request has 64 KB, and with it come 64 KB; replies have 256 KB, a page of a listing 64 KB beyond that; a watcher has 1 MB. Queues that
/// grow may be half empty: 16 · 2 · 448 KB + 16 · 2 · 1 MB = 46 MB.
pub const CONTROL_SHORT_BYTES_MAX: usize = 46 << 20;

/// What is long and waits at the control socket, of all clients together: rules, components and snapshots that come, until they have
/// been read, and texts and snapshots that go. Whoever asks for more is refused. It is one snapshot as long as any, or eight texts of
/// rules. What comes is kept in memory that grows by doubling, and may take twice as much. One more thing is gathered or being written,
/// at most, before it is known how long it is: others wait for their turn before anything is gathered for them. What is made of them
/// counts elsewhere: a rule set has about 500 bytes a rule, and a gateway that goes on from a snapshot is there twice until it has read
/// it.
pub const CONTROL_LONG_BYTES_MAX: usize = CONTROL_STATE_BYTES_MAX;

/// The longest snapshot at the control socket: the engine's longest with its header.
pub const CONTROL_STATE_BYTES_MAX: usize = towpath_engine::limits::SNAPSHOT_BYTES_MAX;

/// The longest text of tunables, features or bonds that counts as short, like a page of a listing; a longer one is long.
pub const CONTROL_TEXT_BYTES_MAX: usize = 64 << 10;

/// The longest reply that a client of the control socket takes.
pub const CONTROL_REPLY_BYTES_MAX: usize = 16 << 20;

/// What waits for a client that does not read: some hundred connections.
pub const CONTROL_OUTBOX_BYTES_MAX: usize = 256 << 10;

/// What waits for a watcher that does not read, beside what the kernel's buffers hold: one to two thousand events. What happens beyond
/// that is lost to it, and counted.
pub const CONTROL_WATCHED_BYTES_MAX: usize = 1 << 20;

/// Places of the connection table that are looked at for one page of a listing, before the path has its turn again: about
/// 0.1 ms.
pub const CONTROL_PAGE_PLACES: u64 = 64;

/// Notices that wait for whoever reads standard error; a further one is lost and counted. Lines of LOG are the longest, of some
/// 400 bytes: 400 KB.
pub const NOTICES_QUEUED_MAX: usize = 1024;

/// Notices of one helper and kind that are told in [`NOTICES_OF_A_KIND_TIME`] (Linux: `DEFAULT_RATELIMIT_BURST`).
pub const NOTICES_OF_A_KIND_MAX: u32 = 10;

/// See [`NOTICES_OF_A_KIND_MAX`] (Linux: `DEFAULT_RATELIMIT_INTERVAL`).
pub const NOTICES_OF_A_KIND_TIME: Duration = Duration::from_secs(5);

/// How long a client may keep the gateway waiting, for its request or for room to send, before it is cut off.
pub const CONTROL_SILENCE_MAX: Duration = Duration::from_secs(10);

/// How long a watcher that loses what happens may read nothing where all places of watchers are taken, before it is cut off.
pub const CONTROL_PAUSE_MAX: Duration = Duration::from_secs(60);

/// How much later a client is cut off for each byte that comes of what it announced, though not later than after
/// [`CONTROL_SILENCE_MAX`]: a quarter of a megabyte a second has to come, so that nobody holds room for long with a byte now and then.
/// The bytes of a turn are worth a quarter of a second, many times what a turn of the path takes.
pub const CONTROL_BYTE_TIME_MAX: Duration = Duration::from_micros(4);

/// Conversations with the services over TCP at once; a further one is reset. Each has 64 KB of its own here, a relay twice that:
/// 4096 · 128 KB = 512 MB. What its sockets hold in the engine is bounded one by one (`net.ipv4.tcp_rmem`, `net.ipv4.tcp_wmem`) and
/// all together (`net.ipv4.tcp_mem`).
pub const CONVERSATIONS_MAX: usize = 4096;

/// Those of them with one service: half, so that the others have places when one of them has too much to do.
pub const CONVERSATIONS_OF_SERVICE_MAX: usize = CONVERSATIONS_MAX / 2;

/// Those of them with one peer: many hosts behind one address are served, and four peers must agree to fill a service.
pub const CONVERSATIONS_OF_PEER_MAX: usize = CONVERSATIONS_OF_SERVICE_MAX / 4;

/// Connections that may wait to be accepted, by one service.
pub const BACKLOG: u32 = 512;

/// Connections that are accepted in one turn of a service.
pub const ACCEPTS_OF_TURN_MAX: usize = 64;

/// How long services may go on before the devices have their turn: as long as these have themselves (Linux:
/// `net.core.netdev_budget_usecs`).
pub const SERVE_TIME: Duration = Duration::from_millis(2);

/// Turns of conversations before what they have sent is handed to the devices. One of a relay writes a megabyte at most, so that
/// 8 MB wait, of 16 MB that may ([`towpath_engine::limits::TRANSMIT_QUEUE_BYTES_MAX`]).
pub const TURNS_BETWEEN_DRAINS_MAX: usize = 8;

/// How long a conversation may be silent, in both directions, before it is reset.
pub const SERVICE_SILENCE_MAX: Duration = Duration::from_secs(120);

/// The same of a relay, whose ends may have nothing to say to each other for hours (RFC 5382, REQ-5: 2 hours and 4 minutes).
pub const RELAY_SILENCE_MAX: Duration = Duration::from_secs(2 * 3600 + 4 * 60);

/// Bytes that are passed on at once, by an echo or one side of a relay.
pub const PIPE_BYTES_MAX: usize = 65_536;

/// Reads and writes of one turn of those: half a megabyte, a fifth of a millisecond.
pub const PIPE_ROUNDS_OF_TURN_MAX: usize = 8;

/// Reads of one turn, of 16 KB, by who forgets what he reads: half a megabyte.
pub const DISCARDS_OF_TURN_MAX: usize = 32;

/// Writes of one turn of the character generator, of 16 KB: an eighth of a megabyte.
pub const CHARGEN_ROUNDS_OF_TURN_MAX: usize = 8;

/// Bytes of a file that are read at once.
pub const HTTP_CHUNK_BYTES: usize = 65_536;

/// Steps of one turn of HTTP: half a megabyte of a file, each part of which is read and written.
pub const HTTP_ROUNDS_OF_TURN_MAX: usize = 16;

/// How long a client of the HTTP service may take for a request, and may do nothing between two of them.
pub const HTTP_REQUEST_TIME_MAX: Duration = Duration::from_secs(30);

/// How long is listened to a client whose connection is to be closed, so that he reads the answer before he hears of that.
pub const HTTP_LINGER_TIME: Duration = Duration::from_secs(5);

/// Bytes of an HTTP request, without a body.
pub const HTTP_REQUEST_BYTES_MAX: usize = 16_384;

/// Header lines of an HTTP request.
pub const HTTP_HEADERS_MAX: usize = 64;

/// Open files that the HTTP service leaves to others: devices, the control socket and its clients.
pub const FILES_KEPT: u64 = 512;
