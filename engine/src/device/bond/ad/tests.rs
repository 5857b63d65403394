//! What a snapshot may say of LACP.

use alloc::vec::Vec;

use super::Ad;
use crate::{
    device::{
        Link,
        bond::{Added, Bond, Mode, Options},
    },
    frame::DeviceId,
    time::Instant,
    wire::MacAddr,
};

#[test]
fn a_bond_with_lacp_is_right_only_with_keys_timers_and_aggregators_that_can_be() {
    let options = Options { mode: Mode::Ieee8023ad, miimon_ms: 100, ..Options::default() };
    let added = |port| Added { device: DeviceId(port), mac: MacAddr([2, 0, 0, 0, 0, 1]), link: Link::default() };
    let ports = [added(0), added(1)];
    let bond = (DeviceId(2), MacAddr([2; 6]));
    let made = || Bond::new(Instant::ZERO, bond, options.clone(), &ports, &mut Vec::new());
    assert!(made().is_right(Instant::ZERO));
    let spoils: [fn(&mut Ad); 14] = [
        |ad| ad.ports[1].number = 7,
        |ad| ad.ports[0].key = 3,
        |ad| ad.ports[0].key |= 1 << 6,
        |ad| ad.ports[0].timers.tx = 4,
        |ad| ad.ports[0].timers.churn[1] = 601,
        |ad| ad.ports[0].set_aggregator(None),
        |ad| ad.aggregators[1].members.push(0),
        |ad| ad.aggregators[0].members.clear(),
        |ad| ad.aggregators[1].is_active = true,
        |ad| ad.agg_select_timer = 2,
        |ad| ad.ticked = Instant::from_secs(1),
        |ad| ad.due = None,
        |ad| ad.due = Some(Instant::from_secs(91)),
        |ad| ad.system = MacAddr([4; 6]),
    ];
    for (number, spoil) in spoils.into_iter().enumerate() {
        let mut bond = made();
        spoil(bond.ad.as_mut().expect("it has LACP"));
        assert!(!bond.is_right(Instant::ZERO), "case {number}");
    }
    let mut bond = made();
    bond.ad = None;
    assert!(!bond.is_right(Instant::ZERO), "the mode cannot be without");
}
