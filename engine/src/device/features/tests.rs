use alloc::{format, string::String, vec::Vec};

use super::{
    text::{FeatureList, FeatureOutcome},
    *,
};
use crate::{device::Vlan, frame::DeviceId, packet::Gso};

fn feature(name: &str) -> Feature {
    Feature::by_name(name).unwrap_or_else(|| panic!("no feature '{name}'"))
}

fn switched(features: Features, switches: &[(&str, bool)]) -> Features {
    switches.iter().fold(features, |features, (name, on)| features.with(feature(name), *on))
}

fn cuts(features: Features, kind: GsoKind, fixed_id: bool) -> bool {
    let meta = Meta { gso: Some(Gso { kind, size: 1, segments: 0, fixed_id }), ..Meta::default() };
    features.active().can_segment(&meta)
}

#[test]
fn a_device_cuts_what_it_has_the_features_for() {
    let all = Features::default();
    let tcp = switched(all, &[("tx-tcp-ecn-segmentation", false), ("tx-udp-segmentation", false)]);
    #[rustfmt::skip]
    let table = [
        // features                                               tcp4   ecn4   tcp6   ecn6   udp    fixed id
        (all,                                                    [true,  true,  true,  true,  true,  false]),
        (switched(all, &[("tx-tcp-mangleid-segmentation", true)]), [true, true, true,  true,  true,  true]),
        (tcp,                                                    [true,  false, true,  false, false, false]),
        (switched(all, &[("tso", false)]),                       [false, false, false, false, true,  false]),
        (switched(all, &[("tx-tcp6-segmentation", false)]),      [true,  true,  false, false, true,  false]),
        (switched(all, &[("tx", false)]),                        [false; 6]),
        (switched(all, &[("sg", false)]),                        [false, false, false, false, true,  false]),
    ];
    for (features, expected) in table {
        let kinds = [GsoKind::Tcp4, GsoKind::Tcp4Ecn, GsoKind::Tcp6, GsoKind::Tcp6Ecn, GsoKind::Udp];
        let found = kinds.map(|kind| cuts(features, kind, false));
        assert_eq!(found[..], expected[..5], "{features:?}");
        assert_eq!(cuts(features, GsoKind::Tcp4, true), expected[5], "{features:?}");
    }
}

/// Of Linux 6.18 with a veth device, which can more: `ethtool -K veth0 WHAT`, and what of these goes off as well.
#[test]
fn what_needs_another_feature_goes_off_with_it_and_comes_back() {
    let all = switched(Features::default(), &[("tx-tcp-mangleid-segmentation", true)]);
    let tcp =
        ["tx-tcp-segmentation", "tx-tcp-ecn-segmentation", "tx-tcp-mangleid-segmentation", "tx-tcp6-segmentation"];
    let [tcp4, ecn, mangle_id, tcp6] = tcp;
    let (gso, uso) = ("tx-generic-segmentation", "tx-udp-segmentation");
    let table: [(&[&str], &[&str]); 8] = [
        (&["tx"], &[tcp4, ecn, mangle_id, tcp6, uso]),
        (&["tx-checksum-ip-generic"], &[tcp4, ecn, mangle_id, tcp6, uso]),
        (&["sg"], &[gso, tcp4, ecn, mangle_id, tcp6]),
        (&["tx-scatter-gather"], &[gso, tcp4, ecn, mangle_id, tcp6]),
        (&[tcp4], &[mangle_id]),
        (&[tcp6], &[]),
        (&[tcp4, tcp6], &[ecn, mangle_id]),
        (&["gso", "rx", "txvlan"], &[]),
    ];
    for (off, with_it) in table {
        let off: Vec<Feature> = off.iter().map(|name| feature(name)).collect();
        let without = off.iter().fold(all, |features, off| features.with(*off, false));
        let gone = |row: &&str| all.has(feature(row)) && !without.has(feature(row));
        let expected: Vec<&str> = ROWS
            .iter()
            .map(|row| row.name)
            .filter(|name| with_it.contains(name) || off.iter().any(|off| off.covers(feature(name))))
            .filter(|name| all.has(feature(name)))
            .collect();
        let found: Vec<&str> = ROWS.iter().map(|row| row.name).filter(gone).collect();
        assert_eq!(found, expected, "{off:?}");
        assert_eq!(off.iter().fold(without, |features, on| features.with(*on, true)), all, "{off:?} comes back");
    }
}

#[test]
fn what_a_device_merges_itself_it_has_verified_and_it_merges_by_one_set_of_rules() {
    let both = switched(Features::default(), &[("rx-gro-hw", true), ("lro", true)]);
    assert!(both.has(Feature::HARDWARE_GRO) && !both.has(Feature::LARGE_RECEIVE));
    assert!(switched(both, &[("rx-gro-hw", false)]).has(Feature::LARGE_RECEIVE));
    let unverified = switched(both, &[("rx", false), ("gro", true)]);
    assert!(!unverified.has(Feature::HARDWARE_GRO) && !unverified.has(Feature::LARGE_RECEIVE));
    assert!(unverified.merge_received() && !switched(unverified, &[("gro", false)]).merge_received());
}

#[test]
fn a_device_that_does_not_sum_has_sums_filled_in() {
    let none = switched(Features::default(), &[("tx", false)]);
    let partial = |offset| Meta { checksum: Checksum::Partial { start: 0, offset }, ..Meta::default() };
    assert!(!none.active().can_sum(&partial(16)) && none.active().can_sum(&Meta::default()));
    assert!(Features::default().active().can_sum(&partial(16)));
    assert!(!Features::default().active().can_sum(&partial(SCTP_CHECKSUM.start as u16)), "nobody is told of a CRC");
    let both = Features::default().active().and(none.active());
    assert!(!both.can_sum(&partial(16)) && both.can_gather());
    assert!(!switched(Features::default(), &[("sg", false)]).active().can_gather());
}

fn listed(features: Features, kind: Kind) -> String {
    format!("{}", FeatureList::of(features.for_kind(kind), kind))
}

#[test]
fn all_that_linux_has_names_for_are_listed_in_its_order() {
    // Names as ethtool 6.1 lists them of a veth device on Linux 6.18.
    let names = "rx-checksumming tx-checksumming \ttx-checksum-ipv4 \ttx-checksum-ip-generic \ttx-checksum-ipv6 \ttx-checksum-fcoe-crc \ttx-checksum-sctp scatter-gather \ttx-scatter-gather \ttx-scatter-gather-fraglist tcp-segmentation-offload \ttx-tcp-segmentation \ttx-tcp-ecn-segmentation \ttx-tcp-mangleid-segmentation \ttx-tcp6-segmentation \ttx-tcp-accecn-segmentation generic-segmentation-offload generic-receive-offload large-receive-offload rx-vlan-offload tx-vlan-offload ntuple-filters receive-hashing highdma rx-vlan-filter vlan-challenged tx-gso-robust tx-fcoe-segmentation tx-gre-segmentation tx-gre-csum-segmentation tx-ipxip4-segmentation tx-ipxip6-segmentation tx-udp_tnl-segmentation tx-udp_tnl-csum-segmentation tx-gso-partial tx-tunnel-remcsum-segmentation tx-sctp-segmentation tx-esp-segmentation tx-udp-segmentation tx-gso-list tx-nocache-copy loopback rx-fcs rx-all tx-vlan-stag-hw-insert rx-vlan-stag-hw-parse rx-vlan-stag-filter l2-fwd-offload hw-tc-offload esp-hw-offload esp-tx-csum-hw-offload rx-udp_tunnel-port-offload tls-hw-tx-offload tls-hw-rx-offload rx-gro-hw tls-hw-record rx-gro-list macsec-hw-offload rx-udp-gro-forwarding hsr-tag-ins-offload hsr-tag-rm-offload hsr-fwd-offload hsr-dup-offload";
    let text = listed(Features::default(), Kind::Physical);
    let found: Vec<&str> = text.lines().map(|line| line.split_once(": ").expect("a name and a word").0).collect();
    assert_eq!(found, names.split(' ').collect::<Vec<_>>());
}

#[test]
fn a_list_says_what_is_fixed_and_what_is_wanted_but_off() {
    let has = |text: &str, lines: &[&str]| {
        for line in lines {
            assert!(text.lines().any(|found| found == *line), "'{line}' is not in\n{text}");
        }
    };
    let port = listed(switched(Features::default(), &[("sg", false), ("gro", true)]), Kind::Physical);
    has(&port, &["rx-checksumming: on", "tx-checksumming: on", "\ttx-checksum-ipv4: off [fixed]"]);
    has(&port, &["scatter-gather: off", "\ttx-scatter-gather: off", "\ttx-scatter-gather-fraglist: off [fixed]"]);
    has(&port, &["tcp-segmentation-offload: off", "\ttx-tcp-segmentation: off [requested on]"]);
    has(&port, &["\ttx-tcp-mangleid-segmentation: off", "generic-segmentation-offload: off [requested on]"]);
    has(&port, &["generic-receive-offload: on", "rx-vlan-offload: on [fixed]", "ntuple-filters: off [fixed]"]);
    let vlan = Kind::Vlan(Vlan { parent: DeviceId(0), tpid: EtherType::VLAN.0, id: 5 });
    let vlan = listed(Features::default().with(Feature::GRO, true), vlan);
    has(&vlan, &["\ttx-tcp-segmentation: on", "generic-receive-offload: off [fixed]", "rx-vlan-offload: off [fixed]"]);
    has(&listed(Features::default(), Kind::Bond), &["large-receive-offload: off", "receive-hashing: off [fixed]"]);
}

/// Names of features, and whether each is to be on.
type Switches<'a> = &'a [(&'a str, bool)];

/// What ethtool 6.1 printed of a veth device on Linux 6.18, without what that can and no device here.
#[test]
fn what_came_of_it_is_told_where_it_is_not_what_was_asked_for() {
    let ask = |before: Features, asked: &[(&str, bool)]| {
        let switches: Vec<_> = asked.iter().map(|(name, on)| (feature(name), *on)).collect();
        // Whatever is to be on is; what is asked for twice is on.
        let after = [false, true].iter().fold(before, |after, on| {
            switches
                .iter()
                .filter(|(_, found)| found == on)
                .fold(after, |after, (feature, on)| after.with(*feature, *on))
        });
        let outcome = FeatureOutcome::of(before, after, &switches);
        (format!("{outcome}"), outcome.is_refused(), after)
    };
    let all = Features::default();
    let told = |lines: &str| format!("Actual changes:\n{lines}");
    #[rustfmt::skip]
    let table: [(Switches<'_>, String, bool); 12] = [
        (&[("gso", false)],                   String::new(), false),
        (&[("gro", false)],                   String::new(), false),
        (&[("ntuple", true)],                 told("rx-ntuple-filter: off [requested on]\n"), true),
        (&[("ntuple", true), ("ntuple", false)], told("rx-ntuple-filter: off [requested on]\n"), true),
        (&[("ntuple", false)],                String::new(), false),
        (&[("gro", true), ("ntuple", true)],  told("rx-gro: on\nrx-ntuple-filter: off [requested on]\n"), false),
        (&[("rxvlan", false)],                told("rx-vlan-hw-parse: on [requested off]\n"), true),
        (&[("ufo", true)],                    String::new(), true),
        (&[("ufo", false)],                   String::new(), true),
        (&[("sg", false), ("tso", true)],     told("tx-scatter-gather: off\ntx-generic-segmentation: off [not requested]\ntx-tcp-segmentation: off [requested on]\ntx-tcp-ecn-segmentation: off [requested on]\ntx-tcp-mangleid-segmentation: off [requested on]\ntx-tcp6-segmentation: off [requested on]\ntx-tcp-accecn-segmentation: off [requested on]\n"), false),
        (&[("tx", true)],                     told("tx-checksum-ipv4: off [requested on]\ntx-checksum-ipv6: off [requested on]\ntx-checksum-fcoe-crc: off [requested on]\ntx-checksum-sctp: off [requested on]\n"), false),
        (&[("tx", false), ("tso", false)],    told("tx-checksum-ip-generic: off\ntx-tcp-segmentation: off\ntx-tcp-ecn-segmentation: off\ntx-tcp6-segmentation: off\ntx-udp-segmentation: off [not requested]\n"), false),
    ];
    for (asked, expected, is_refused) in table {
        let (found, refused, _) = ask(all, asked);
        assert_eq!((found, refused), (expected, is_refused), "{asked:?}");
    }
    let (text, _, without) = ask(all, &[("sg", false)]);
    assert!(text.ends_with("tx-tcp6-segmentation: off [not requested]\n"), "{text}");
    let (text, refused, _) = ask(without, &[("gso", true)]);
    assert_eq!((&*text, refused), ("Actual changes:\ntx-generic-segmentation: off [requested on]\n", true));
    let (text, refused, again) = ask(without, &[("sg", true)]);
    assert!(text.contains("tx-generic-segmentation: on [not requested]\n") && !refused, "{text}");
    assert_eq!(again, all);
}
