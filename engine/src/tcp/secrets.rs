//! What nobody outside may guess: initial sequence numbers (RFC 6528), timestamp offsets (RFC 7323, section 5.4), and where
//! the search for a port begins (RFC 6056). Keyed hashes of the ends, so that nothing is remembered.

use core::net::{IpAddr, SocketAddr};

use super::{fastopen::FastOpenKeys, segment::Ends, way::label_of};
use crate::{random::Random, sip::Sip24, time::Instant, wire::SeqNum};

/// The keys of this engine's connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Secrets {
    keys: [u64; 2],
}

impl Secrets {
    pub(crate) const fn new(random: &mut Random) -> Self {
        Self { keys: [random.next_u64(), random.next_u64()] }
    }

    pub(crate) const fn keys(&self) -> [u64; 2] {
        self.keys
    }

    pub(crate) const fn with_keys(keys: [u64; 2]) -> Self {
        Self { keys }
    }

    /// By what a connection is found.
    pub(crate) fn hash(&self, ends: &Ends) -> u64 {
        self.of(PURPOSE_TABLE, ends.local, ends.remote)
    }

    /// The first sequence number of a connection that begins now: it grows by one each 64 ns, so that one of the same ends
    /// later begins beyond it (Linux v6.18: `net/core/secure_seq.c`, `seq_scale()`).
    pub(super) fn initial(&self, now: Instant, ends: &Ends) -> SeqNum {
        SeqNum((self.of(PURPOSE_INITIAL, ends.local, ends.remote) as u32).wrapping_add((now.as_nanos() >> 6) as u32))
    }

    /// What is added to the clock in timestamps to a host: all connections between two hosts have one clock, so that one in
    /// TIME_WAIT can be told from the next.
    pub(super) fn timestamp_offset(&self, ends: &Ends) -> u32 {
        let host = |end: SocketAddr| SocketAddr::new(end.ip(), 0);
        self.of(PURPOSE_TIMESTAMP, host(ends.local), host(ends.remote)) as u32
    }

    /// Where the search for a port towards a peer begins (RFC 6056, section 3.3.3).
    pub(crate) fn port_offset(&self, local: IpAddr, remote: SocketAddr) -> u32 {
        self.of(PURPOSE_PORT, SocketAddr::new(local, 0), remote) as u32
    }

    /// A part of a SYN cookie: one of the ends, and one of the ends and a number.
    pub(super) fn cookie(&self, ends: &Ends, number: u64) -> u32 {
        (self.of(PURPOSE_COOKIE.wrapping_add(number << 8), ends.local, ends.remote) >> 32) as u32
    }

    /// The keys of Fast Open's cookies while the operator has set none.
    pub(super) fn fast_open_keys(&self) -> FastOpenKeys {
        let nobody = SocketAddr::new(IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED), 0);
        let half = |number: u64| self.of(PURPOSE_FAST_OPEN.wrapping_add(number << 8), nobody, nobody);
        FastOpenKeys::new([half(0), half(1)])
    }

    /// The keyed hash of the listener's choice among several with one address.
    pub(crate) fn choice(&self, ends: &Ends) -> u32 {
        (self.of(PURPOSE_CHOICE, ends.local, ends.remote) >> 32) as u32
    }

    /// Another label for the packets of a connection, by how many it has had; see [`label_of`].
    pub(super) fn flow_label(&self, ends: &Ends, number: u32) -> u32 {
        label_of((self.of(PURPOSE_LABEL.wrapping_add(u64::from(number) << 8), ends.local, ends.remote) >> 44) as u32)
    }

    /// What an algorithm of congestion control draws by chance begins with it.
    pub(super) fn chance(&self, now: Instant, ends: &Ends) -> u64 {
        self.of(PURPOSE_CHANCE.wrapping_add(now.as_nanos() << 8), ends.local, ends.remote)
    }

    fn of(&self, purpose: u64, one: SocketAddr, other: SocketAddr) -> u64 {
        let mut sip = Sip24::new(self.keys);
        for end in [one, other] {
            match end.ip() {
                IpAddr::V4(v4) => sip.word(u64::from(v4.to_bits()) << 16 | u64::from(end.port())),
                IpAddr::V6(v6) => {
                    sip.word(v6.to_bits() as u64);
                    sip.word((v6.to_bits() >> 64) as u64);
                    sip.word(u64::from(end.port()));
                }
            }
        }
        sip.word(purpose);
        sip.finish()
    }
}

const PURPOSE_TABLE: u64 = 0;
const PURPOSE_INITIAL: u64 = 1;
const PURPOSE_TIMESTAMP: u64 = 2;
const PURPOSE_PORT: u64 = 3;
const PURPOSE_CHOICE: u64 = 4;
const PURPOSE_COOKIE: u64 = 5;
const PURPOSE_CHANCE: u64 = 6;
const PURPOSE_FAST_OPEN: u64 = 7;
const PURPOSE_LABEL: u64 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(port: u16) -> Ends {
        Ends { local: SocketAddr::from(([10, 0, 0, 1], port)), remote: SocketAddr::from(([10, 0, 0, 2], 80)) }
    }

    #[test]
    fn sequence_numbers_of_the_same_ends_grow_with_time_and_those_of_others_are_unlike() {
        let secrets = Secrets::new(&mut Random::new(1));
        let first = secrets.initial(Instant::from_secs(1), &ends(1));
        let later = secrets.initial(Instant::from_secs(1) + core::time::Duration::from_micros(64), &ends(1));
        assert_eq!(later - first, 1000);
        assert_ne!(secrets.initial(Instant::from_secs(1), &ends(2)), first);
        assert_ne!(Secrets::new(&mut Random::new(2)).initial(Instant::from_secs(1), &ends(1)), first);
    }

    /// Inverts SplitMix64, whose every output is a number that is one step away from the next, mixed in a way that can be undone.
    fn unmixed(mut z: u64) -> u64 {
        let undone = |z: u64, by: u32| (0..64 / by).fold(z, |found, _| z ^ (found >> by));
        z = undone(z, 31).wrapping_mul(0x3196_42b2_d24d_8ec3);
        z = undone(z, 27).wrapping_mul(0x96de_1b17_3f11_9089);
        undone(z, 30)
    }

    #[test]
    fn what_is_drawn_in_sight_tells_nothing_of_the_keys() {
        let mut random = Random::new(42);
        let secrets = Secrets::new(&mut random);
        let seen = unmixed(random.next_u64());
        let back = |steps: u64| {
            let state = seen.wrapping_sub(steps.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        let keys = secrets.keys();
        assert!((0..16).all(|steps| !keys.contains(&back(steps))), "an attacker would have {keys:x?}");
    }

    #[test]
    fn all_connections_between_two_hosts_have_one_clock() {
        let secrets = Secrets::new(&mut Random::new(1));
        assert_eq!(secrets.timestamp_offset(&ends(1)), secrets.timestamp_offset(&ends(2)));
    }
}
