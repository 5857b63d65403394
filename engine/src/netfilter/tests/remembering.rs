//! Matches that remember: what they find depends on the packets before.

use alloc::{format, vec::Vec};
use core::time::Duration;

use super::{Lab, tcp, udp};
use crate::netfilter::{Lists, Verdict};

impl Lab {
    /// Whether a new TCP connection to a port gets through FORWARD, some milliseconds after the last question.
    fn passes(&mut self, millis: u64, source: [u8; 4], port: u16) -> bool {
        self.now = self.now + Duration::from_millis(millis);
        let mut packet = self.packet(&tcp(port, 0x02).from(source));
        self.forward(&mut packet) == Verdict::Accept
    }
}

const ONE: [u8; 4] = [10, 0, 0, 2];
const OTHER: [u8; 4] = [10, 0, 0, 3];

#[test]
fn recent_lets_three_connections_a_minute_pass_for_each_source() {
    let mut lab = Lab::new(
        "-A FORWARD -p tcp --dport 22 -m recent --name ssh --update --seconds 60 --hitcount 4 -j DROP\n\
         -A FORWARD -p tcp --dport 22 -m recent --name ssh --set -j ACCEPT",
    );
    let passed: Vec<bool> = (0..5).map(|_| lab.passes(1000, ONE, 22)).collect();
    assert_eq!(passed, [true, true, true, true, false]);
    assert!(lab.passes(0, OTHER, 22), "each source has a count of its own");
    // Each attempt renews the ban.
    assert!(!lab.passes(50_000, ONE, 22));
    assert!(lab.passes(61_000, ONE, 22));
}

#[test]
fn recent_forgets_whom_it_is_told_to_and_checks_without_noting() {
    let mut lab = Lab::new(
        "-A FORWARD -p tcp --dport 1 -m recent --set -j ACCEPT\n\
         -A FORWARD -p tcp --dport 2 -m recent --rcheck --seconds 10 -j ACCEPT\n\
         -A FORWARD -p tcp --dport 3 -m recent --remove -j ACCEPT\n\
         -A FORWARD -j DROP",
    );
    assert!(!lab.passes(0, ONE, 2));
    assert!(lab.passes(0, ONE, 1));
    assert!(lab.passes(9_000, ONE, 2));
    assert!(!lab.passes(2_000, ONE, 2));
    assert!(lab.passes(0, ONE, 3));
    assert!(!lab.passes(0, ONE, 3));
}

#[test]
fn recent_masks_addresses_and_can_ask_for_all_others() {
    let mut lab = Lab::new(
        "-A FORWARD -p tcp --dport 1 -m recent --mask 255.255.255.0 --set -j ACCEPT\n\
         -A FORWARD -m recent --mask 255.255.255.0 ! --rcheck -j DROP",
    );
    assert!(!lab.passes(0, OTHER, 2));
    assert!(lab.passes(0, ONE, 1));
    assert!(lab.passes(0, OTHER, 2));
    assert!(!lab.passes(0, [10, 0, 1, 2], 2));
}

#[test]
fn hashlimit_gives_each_group_its_own_rate() {
    let mut lab = Lab::new(
        "-A FORWARD -m hashlimit --hashlimit-above 1/sec --hashlimit-burst 2 --hashlimit-mode srcip,dstport \
         --hashlimit-name x -j DROP",
    );
    assert_eq!([0, 0, 0].map(|millis| lab.passes(millis, ONE, 80)), [true, true, false]);
    assert!(lab.passes(0, ONE, 443));
    assert!(lab.passes(0, OTHER, 80));
    assert!(lab.passes(1000, ONE, 80));
}

#[test]
fn rules_that_name_the_same_table_share_it() {
    let rule = "-m hashlimit --hashlimit-upto 1/sec --hashlimit-burst 1 --hashlimit-name x -j ACCEPT";
    let mut lab = Lab::new(&format!("-A FORWARD -p udp {rule}\n-A FORWARD -p tcp {rule}\n-A FORWARD -j DROP"));
    assert!(lab.passes(0, ONE, 80));
    let mut datagram = lab.packet(&udp(53, 10));
    assert_ne!(lab.forward(&mut datagram), Verdict::Accept);
}

#[test]
fn what_is_remembered_outlives_rules_that_name_it_again() {
    let mut lab = Lab::new("-A FORWARD -m recent --name a --set\n-A FORWARD -m recent --name b --set");
    assert!(lab.passes(0, ONE, 80));
    let mut next = super::parse("-A FORWARD -m recent --name b --rcheck -j DROP").expect("rules");
    super::claim(lab.now, &mut next, &mut lab.lists);
    lab.rules.replace(next);
    assert!(lab.lists.recent.find("a").is_none());
    assert!(!lab.passes(0, ONE, 80));
    let mut none = super::parse("-A FORWARD -j ACCEPT").expect("rules");
    super::claim(lab.now, &mut none, &mut lab.lists);
    assert_eq!(lab.lists, Lists::default());
}
