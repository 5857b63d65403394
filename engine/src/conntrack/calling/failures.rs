//! Failed calls of late, client by client.
//!
//! A helper that fails on whatever it is shown must not be called for ever. But what it is shown, others have written, and one of them
//! may have found what it fails on: he must not be able to take it from everybody. So a helper that has failed too often on what
//! one client's connections say is shown no more of them for a while, and only one that fails for many clients is quarantined.
//!
//! A client is the address that has opened the master connection; of IPv6 its first 64 bits, all of which one host can have.

use alloc::vec::Vec;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{
    conntrack::client::client_of,
    limits::{HELPER_FAILING_CLIENTS_MAX, HELPER_FAILURES_MAX, HELPER_FAILURES_WINDOW},
    time::Instant,
};

/// A helper's failures within [`HELPER_FAILURES_WINDOW`], at most [`HELPER_FAILING_CLIENTS_MAX`] clients', by their first one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failures(Vec<OfClient>);

/// Those on what one client's connections say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct OfClient {
    client: IpAddr,
    first: Instant,
    count: u32,
}

/// What one more failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noted {
    /// No more than that.
    One,
    /// It is the one too many of its client, of whom no more is shown.
    OfClient(IpAddr),
    /// It is the one too many altogether.
    OfAll,
}

impl Failures {
    /// Counts one.
    pub(super) fn note(&mut self, now: Instant, client: IpAddr) -> Noted {
        self.0.retain(|of| !of.is_over(now));
        let client = client_of(client);
        let place = self.0.iter().position(|of| of.client == client).unwrap_or_else(|| {
            self.0.push(OfClient { client, first: now, count: 0 });
            self.0.len() - 1
        });
        let of = &mut self.0[place];
        of.count = of.count.saturating_add(1);
        match of.count as usize {
            _ if self.0.len() >= HELPER_FAILING_CLIENTS_MAX => Noted::OfAll,
            HELPER_FAILURES_MAX => Noted::OfClient(client),
            _ => Noted::One,
        }
    }

    /// Whether it has failed too often on what a client says.
    pub(super) fn bars(&self, now: Instant, client: IpAddr) -> bool {
        !self.0.is_empty() && self.0.iter().any(|of| of.client == client_of(client) && of.is_barred(now))
    }

    /// Of how many clients that is so.
    pub(super) fn barred(&self, now: Instant) -> usize {
        self.0.iter().filter(|of| of.is_barred(now)).count()
    }

    /// Whether there can have been such ones by then.
    pub(super) fn are_right(&self, latest: Instant) -> bool {
        let is_right = |of: &OfClient| of.first <= latest && of.count > 0 && of.client == client_of(of.client);
        self.0.len() <= HELPER_FAILING_CLIENTS_MAX
            && self.0.is_sorted_by_key(|of| of.first)
            && self.0.iter().all(is_right)
    }
}

impl OfClient {
    fn is_barred(&self, now: Instant) -> bool {
        self.count as usize >= HELPER_FAILURES_MAX && !self.is_over(now)
    }

    fn is_over(&self, now: Instant) -> bool {
        now.since(self.first) >= HELPER_FAILURES_WINDOW
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv6Addr;

    use super::*;

    const NOW: Instant = Instant::from_secs(100);

    fn client(number: usize) -> IpAddr {
        [10, 0, 0, number as u8].into()
    }

    #[test]
    fn who_makes_it_fail_too_often_is_barred_and_nobody_else() {
        let mut failures = Failures::default();
        for _ in 1..HELPER_FAILURES_MAX {
            assert_eq!(failures.note(NOW, client(1)), Noted::One);
            assert!(!failures.bars(NOW, client(1)));
        }
        assert_eq!(failures.note(NOW, client(1)), Noted::OfClient(client(1)));
        assert_eq!(failures.note(NOW, client(1)), Noted::One, "it is told once");
        assert!(failures.bars(NOW, client(1)) && !failures.bars(NOW, client(2)));
        assert_eq!([NOW, NOW + HELPER_FAILURES_WINDOW].map(|now| failures.barred(now)), [1, 0]);
        assert!(failures.are_right(NOW));
    }

    #[test]
    fn whoever_is_barred_is_heard_again_when_his_first_failure_is_long_ago() {
        let mut failures = Failures::default();
        (0..HELPER_FAILURES_MAX).for_each(|_| {
            failures.note(NOW, client(1));
        });
        let later = NOW + HELPER_FAILURES_WINDOW;
        assert!(!failures.bars(later, client(1)));
        assert_eq!(failures.note(later, client(1)), Noted::One);
        assert!(failures.are_right(later) && !failures.are_right(NOW));
    }

    #[test]
    fn one_that_fails_for_many_is_quarantined() {
        let mut failures = Failures::default();
        for number in 1..HELPER_FAILING_CLIENTS_MAX {
            assert_eq!(failures.note(NOW, client(number)), Noted::One, "{number}");
        }
        assert_eq!(failures.note(NOW, client(1)), Noted::One);
        assert_eq!(failures.note(NOW, client(200)), Noted::OfAll);
        assert!(failures.are_right(NOW));
    }

    #[test]
    fn all_addresses_that_one_host_can_have_are_one_client() {
        let mut failures = Failures::default();
        let address = |network: u16, host: u16| Ipv6Addr::new(0x2001, 0xdb8, 0, network, 0, 0, 0, host).into();
        (0..HELPER_FAILURES_MAX).for_each(|host| {
            failures.note(NOW, address(1, host as u16));
        });
        assert!(failures.bars(NOW, address(1, 999)) && !failures.bars(NOW, address(2, 1)));
    }
}
