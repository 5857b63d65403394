//! Which bonds are right.

use super::*;

#[test]
fn a_bond_is_right_only_with_delays_that_its_options_allow() {
    let options = Options { mode: Mode::ActiveBackup, miimon_ms: 100, updelay_ms: 300, ..Options::default() };
    let added = |port| Added { device: DeviceId(port), mac: MacAddr([2, 0, 0, 0, 0, 1]), link: Link::default() };
    let made = || {
        Bond::new(
            Instant::ZERO,
            (DeviceId(2), MacAddr([2; 6])),
            options.clone(),
            &[added(0), added(1)],
            &mut Vec::new(),
        )
    };
    assert!(made().is_right(Instant::ZERO));
    type Spoil = fn(&mut Bond);
    let cases: [(Spoil, bool); 9] = [
        (|bond| (bond.ports[0].link, bond.ports[0].delay) = (LinkState::Back, 3), true),
        (|bond| (bond.ports[0].link, bond.ports[0].delay) = (LinkState::Back, 4), false),
        (|bond| (bond.ports[0].link, bond.ports[0].delay) = (LinkState::Fail, 1), false),
        (|bond| bond.send_peer_notif = u32::MAX, false),
        (|bond| bond.active = Some(2), false),
        (|bond| bond.since = Instant::from_secs(1), false),
        (|bond| bond.miimon_due = Some(Instant::from_secs(1)), false),
        (
            |bond| {
                bond.probing =
                    Probing::new(Instant::ZERO, &Options { arp_interval_ms: 1, ..Options::default() }, &bond.ports);
            },
            false,
        ),
        (
            |bond| {
                bond.ports.iter_mut().for_each(|port| (port.link, port.delay) = (LinkState::Up, 0));
                (bond.options.miimon_ms, bond.options.updelay_ms, bond.miimon_due) = (0, 0, Some(Instant::ZERO));
            },
            false,
        ),
    ];
    for (number, (spoil, is_right)) in cases.into_iter().enumerate() {
        let mut bond = made();
        spoil(&mut bond);
        assert_eq!(bond.is_right(Instant::ZERO), is_right, "case {number}");
    }
}

#[test]
fn a_bond_that_asks_is_right_only_with_times_that_have_been() {
    let options = Options {
        mode: Mode::ActiveBackup,
        arp_interval_ms: 100,
        arp_ip_targets: Vec::from([[10, 0, 0, 9].into()]),
        ..Options::default()
    };
    let added = |port| Added { device: DeviceId(port), mac: MacAddr([2, 0, 0, 0, 0, 1]), link: Link::default() };
    let bond = (DeviceId(2), MacAddr([2; 6]));
    let start = Instant::from_secs(1);
    let made = || Bond::new(start, bond, options.clone(), &[added(0), added(1)], &mut Vec::new());
    assert!(made().is_right(start));
    type Spoil = fn(&mut Bond, &mut Probing);
    let spoils: [Spoil; 4] = [
        |bond, _| bond.options.arp_interval_ms = 0,
        |bond, _| bond.has_asked(Instant::from_secs(2), DeviceId(0)),
        |bond, _| bond.note_up(Instant::from_secs(2), 1),
        |bond, other| bond.probing = Some(Box::new(other.clone())),
    ];
    for (number, spoil) in spoils.into_iter().enumerate() {
        let (mut bond, alone) = (made(), made().ports[..1].to_vec());
        let mut other = Probing::new(start, &options, &alone).expect("it asks");
        spoil(&mut bond, &mut other);
        assert!(!bond.is_right(start), "case {number}");
    }
}
