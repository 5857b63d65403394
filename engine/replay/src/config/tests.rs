//! Whole configurations, and what is said about wrong ones.

use core::net::IpAddr;
use proptest::prelude::*;

use towpath_engine::{
    Command, Engine, Instant,
    conntrack::helper::{AttachPoint, ExpectClass, Framing, HelperMode, Manifest, Opener},
    device::{Kind, bond},
    ip::RouteKind,
    socket::ServiceAnswer,
};

use super::*;

const WHOLE: &str = include_str!("../../../../host-linux/examples/gateway.toml");

#[test]
fn the_example_is_read_in_full_and_an_engine_takes_it() {
    let config = Config::read("gateway.toml", WHOLE).unwrap();
    assert_eq!(config.seed, None, "a seed in print would be the secret of every gateway that is made of it");
    let names: Vec<_> = config.interfaces.iter().map(|interface| interface.name.as_str()).collect();
    assert_eq!(names, ["lan", "wan"]);
    assert_eq!(config.interfaces[0].device.value, "eth0");
    assert_eq!(config.interfaces[0].captures, [CaptureName::Name("eth0".into()), CaptureName::Number(0)]);
    assert_eq!(config.interfaces[0].networks, [Network { address: [10, 0, 0, 0].into(), prefix: 8 }]);
    let via = Some([203, 0, 113, 254].into());
    assert_eq!(config.routes[0].kind, RouteKind::Unicast { device: DeviceId(1), via });
    assert_eq!(config.rules_v4.as_ref().map(|rules| rules.value.as_str()), Some("rules.v4"));
    assert_eq!(config.helpers[0].ports, Some(vec![21..=21, 2121..=2121]));
    let sysctls = [("net.netfilter.nf_conntrack_acct".into(), 1), ("net.netfilter.nf_conntrack_tcp_loose".into(), 0)];
    assert_eq!(config.sysctls, sysctls);
    assert_eq!(config.taken_at, Some(TakenAt::Elsewhere));

    let mut engine = Engine::new(0);
    for command in config.commands(|device, _| Hardware::in_replay(device)) {
        engine.handle_command(Instant::ZERO, command).unwrap();
    }
    assert_eq!(engine.devices().by_name("lan.10"), Some(DeviceId(2)));
    assert_eq!(engine.sysctls().find("net.netfilter.nf_conntrack_tcp_loose"), Some(0));
}

#[test]
fn what_the_configuration_says_of_an_interface_goes_before_what_its_device_says() {
    let config =
        Config::read("f", "[[interface]]\nname='a'\nmac='02:00:00:00:00:99'\n[[interface]]\nname='b'").unwrap();
    let commands = config.commands(|device, _| Hardware::in_replay(device));
    let devices: Vec<_> = commands
        .into_iter()
        .filter_map(|command| if let Command::AddDevice(device) = command { Some(device) } else { None })
        .collect();
    assert_eq!((devices[0].mac.0[5], devices[0].any_destination), (0x99, false));
    assert_eq!((devices[1].mac.0[5], devices[1].any_destination), (0x11, true));
}

#[test]
fn a_feature_of_several_that_are_switched_together_can_be_told_otherwise() {
    let text =
        "[[interface]]\nname='a'\nfeatures = { tx-tcp6-segmentation = true, tso = false }\n[[interface]]\nname='b'";
    let mut engine = Engine::new(0);
    for command in Config::read("f", text).unwrap().commands(|device, _| Hardware::in_replay(device)) {
        engine.handle_command(Instant::ZERO, command).unwrap();
    }
    let features: Vec<_> = engine.devices().iter().map(|(_, device)| device.features).collect();
    let has = |device: usize, name| features[device].has(Feature::by_name(name).unwrap());
    assert!(has(0, "tx-tcp6-segmentation") && !has(0, "tx-tcp-segmentation") && has(0, "tx-udp-segmentation"));
    assert!(has(1, "tx-tcp-segmentation"));
}

#[test]
fn vlans_are_devices_behind_the_interfaces_and_as_their_parents_where_nothing_is_said() {
    let text = "[[interface]]\nname='lan'\nmtu=1400\nmac='02:00:00:00:00:99'\n[[vlan]]\nparent='lan'\nid=10\nprotocol='802.1ad'\n\
                addresses=['10.1.0.1/24']\n[[vlan]]\nparent='lan.10'\nid=5\nname='inner'\nmtu=1300\n\
                [[route]]\nto='default'\nvia='10.1.0.254'\n[[route]]\nto='10.9.0.0/16'\ninterface='inner'";
    let config = Config::read("f", text).unwrap();
    let mut engine = Engine::new(0);
    for command in config.commands(|device, _| Hardware::in_replay(device)) {
        engine.handle_command(Instant::ZERO, command).unwrap();
    }
    let devices: Vec<_> = engine.devices().iter().map(|(_, device)| device).collect();
    assert_eq!(devices.iter().map(|device| &device.name[..]).collect::<Vec<_>>(), ["lan", "lan.10", "inner"]);
    assert_eq!(devices.iter().map(|device| device.mtu_bytes).collect::<Vec<_>>(), [1400, 1400, 1300]);
    assert!(devices.iter().all(|device| device.mac == devices[0].mac));
    assert_eq!(devices[1].kind, Kind::Vlan(Vlan { parent: DeviceId(0), tpid: 0x88a8, id: 10 }));
    assert_eq!(devices[2].kind, Kind::Vlan(Vlan { parent: DeviceId(1), tpid: 0x8100, id: 5 }));
    assert!(config.ports_of(DeviceId(2)).eq([DeviceId(0)]));
    let out: Vec<_> = config.routes.iter().filter_map(Route::device).collect();
    assert_eq!(out, [DeviceId(1), DeviceId(2)]);
}

#[test]
fn bonds_are_devices_between_interfaces_and_vlans_with_linuxs_options() {
    let text = "[[interface]]\nname='e0'\nmtu=1600\n[[interface]]\nname='e1'\nmtu=1500\n[[interface]]\nname='wan'\n\
                [[bond]]\nname='bond0'\nports=['e1','e0']\nmode='active-backup'\nmiimon=100\nupdelay=200\ndowndelay=300\n\
                primary='e0'\nprimary_reselect='better'\nfail_over_mac='follow'\nnum_unsol_na=4\npeer_notif_delay=500\n\
                xmit_hash_policy='vlan+srcmac'\npackets_per_slave=1\nall_slaves_active=true\naddresses=['10.0.0.1/24','fd00::1/64']\n\
                [[vlan]]\nparent='bond0'\nid=7\n[[route]]\nto='default'\nvia='10.0.0.254'";
    let config = Config::read("f", text).unwrap();
    let expected = bond::Options {
        mode: bond::Mode::ActiveBackup,
        xmit_hash_policy: bond::HashPolicy::VlanSourceMac,
        miimon_ms: 100,
        updelay_ms: 200,
        downdelay_ms: 300,
        primary: Some(DeviceId(0)),
        primary_reselect: bond::PrimaryReselect::Better,
        fail_over_mac: bond::FailOverMac::Follow,
        num_peer_notif: 4,
        peer_notif_delay_ms: 500,
        packets_per_port: 1,
        all_slaves_active: true,
        ..bond::Options::default()
    };
    assert_eq!(config.bonds[0].options, expected);
    let mut engine = Engine::new(0);
    for command in config.commands(|device, _| Hardware::in_replay(device)) {
        engine.handle_command(Instant::ZERO, command).unwrap();
    }
    let devices: Vec<_> = engine.devices().iter().map(|(_, device)| (&device.name[..], device.mtu_bytes)).collect();
    assert_eq!(devices, [("e0", 1600), ("e1", 1500), ("wan", 1500), ("bond0", 1500), ("bond0.7", 1500)]);
    let found = engine.devices().bond(DeviceId(3)).unwrap();
    assert!(found.ports().eq([DeviceId(1), DeviceId(0)]));
    assert_eq!((found.options(), found.active()), (&expected, None), "its ports wait for updelay");
    let bond = engine.devices().find(DeviceId(3)).unwrap();
    assert_eq!((bond.mac, bond.addresses.len()), (MacAddr([2, 0, 0, 0, 0, 0x11]), 3), "with a link-local one");
    assert_eq!(config.routes[0].device(), Some(DeviceId(3)));
    assert!(config.ports_of(DeviceId(4)).eq([DeviceId(1), DeviceId(0)]));
    let least = "[[interface]]\nname='e0'\n[[bond]]\nname='b'\nports='e0'";
    assert_eq!(Config::read("f", least).unwrap().bonds[0].options, bond::Options::default());
}

#[test]
fn a_bond_with_lacp_looks_at_links_unless_it_is_told_how_often() {
    let text = "[[interface]]\nname='a'\n[[bond]]\nname='x'\nports=['a']\nmode='802.3ad'\n";
    let read = |more: &str| Config::read("f", &format!("{text}{more}")).map(|config| config.bonds[0].options.clone());
    let default = bond::Options { mode: bond::Mode::Ieee8023ad, miimon_ms: 100, ..bond::Options::default() };
    assert_eq!(read("").unwrap(), default);
    let more = "lacp_rate='fast'\nactor_port_prio=[7]\nlacp_active=false\nad_select='actor_port_prio'\nmin_links=2\nad_actor_sys_prio=7\n\
                ad_actor_system='02:00:00:00:00:77'\nad_user_port_key=1023\nmiimon=50";
    let expected = bond::Options {
        lacp_fast: true,
        lacp_active: false,
        ad_select: bond::ad::AdSelect::ActorPortPrio,
        actor_port_prios: vec![7],
        min_links: 2,
        ad_actor_sys_prio: 7,
        ad_actor_system: Some(MacAddr([2, 0, 0, 0, 0, 0x77])),
        ad_user_port_key: 1023,
        miimon_ms: 50,
        ..default
    };
    assert_eq!(read(more).unwrap(), expected);
    assert_eq!(
        read("miimon=0").unwrap_err().to_string(),
        "f:3:1: this [[bond]] cannot be: mode \"802.3ad\" needs 'miimon'"
    );
    let wrong = "'ad_user_port_key' must be a number from 0 to 1023, not 1024";
    assert_eq!(read("ad_user_port_key=1024").unwrap_err().to_string(), format!("f:7:18: {wrong}"));
}

#[test]
fn a_bond_that_balances_adaptively_looks_at_links_and_deals_flows_unless_it_is_told_otherwise() {
    let text = "[[interface]]\nname='a'\n[[bond]]\nname='x'\nports=['a']\nmode='balance-alb'\n";
    let read = |more: &str| Config::read("f", &format!("{text}{more}")).map(|config| config.bonds[0].options.clone());
    let default = bond::Options { mode: bond::Mode::Alb, miimon_ms: 100, ..bond::Options::default() };
    assert_eq!(read("").unwrap(), default);
    let other = bond::Options { tlb_dynamic_lb: false, primary: Some(DeviceId(0)), lp_interval_secs: 9, ..default };
    assert_eq!(read("tlb_dynamic_lb=false\nprimary='a'\nlp_interval=9").unwrap(), other);
}

#[test]
fn a_bond_asks_stations_where_anybody_would_answer() {
    let text = "[[interface]]\nname='a'\n[[bond]]\nname='x'\nports=['a']\nmode='active-backup'\narp_interval=250\n\
                arp_ip_target=['10.0.0.9','10.0.0.8']\nns_ip6_target='fd00::9'\narp_validate='filter_backup'\n\
                arp_all_targets='all'\narp_missed_max=7\n";
    let expected = bond::Options {
        mode: bond::Mode::ActiveBackup,
        arp_interval_ms: 250,
        arp_ip_targets: vec![[10, 0, 0, 9].into(), [10, 0, 0, 8].into()],
        ns_ip6_targets: vec!["fd00::9".parse().unwrap()],
        arp_validate: bond::ArpValidate::FilterBackup,
        arp_all_targets: true,
        arp_missed_max: 7,
        ..bond::Options::default()
    };
    for (arp, asks) in [("", false), ("arp=true", true)] {
        let config = Config::read("f", &format!("{text}{arp}")).unwrap();
        assert_eq!(config.bonds[0].options, expected);
        let mut engine = Engine::new(0);
        for command in config.commands(|device, _| Hardware::in_replay(device)) {
            engine.handle_command(Instant::ZERO, command).unwrap();
        }
        let made = engine.devices().bond(DeviceId(1)).unwrap().options();
        assert_eq!((made.arp_interval_ms > 0, made == &expected), (asks, asks), "{arp}");
    }
}

#[test]
fn what_a_bond_cannot_be_is_told_with_its_place() {
    let start = "[[interface]]\nname='a'\n[[interface]]\nname='b'\n[[interface]]\nname='c'\naddresses=['10.0.0.1/24']\n[[bond]]\n";
    #[rustfmt::skip]
    let cases = [
        ("ports=['a']", "8:1: [[bond]] needs 'name'"),
        ("name='x'", "8:1: [[bond]] needs 'ports'"),
        ("name='a'\nports=['a']", "9:6: [[interface]] or [[bond]] 'a' is there already"),
        ("name='x'\nports=[]", "10:7: 'ports' must be a list of 1 to 32 [[interface]]s without addresses, each in one [[bond]] only, not a list"),
        ("name='x'\nports=['a','a']", "10:12: 'ports' must be a list of 1 to 32 [[interface]]s without addresses, each in one [[bond]] only, not \"a\""),
        ("name='x'\nports=['c']", "10:8: 'ports' must be a list of 1 to 32 [[interface]]s without addresses, each in one [[bond]] only, not \"c\""),
        ("name='x'\nports=['d']", "10:8: there is no [[interface]], [[bond]] or [[vlan]] named 'd'"),
        ("name='x'\nports=['a']\n[[bond]]\nname='y'\nports=['x']", "13:8: 'ports' must be a list of 1 to 32 [[interface]]s without addresses, each in one [[bond]] only, not \"x\""),
        ("name='x'\nports=['a']\nmode='balance-slb'", "11:6: 'mode' must be \"balance-rr\", \"active-backup\", \"balance-xor\", \"broadcast\", \"802.3ad\", \"balance-tlb\" or \"balance-alb\", not \"balance-slb\""),
        ("name='x'\nports=['a']\nmode=1", "11:6: 'mode' must be \"balance-rr\", \"active-backup\", \"balance-xor\", \"broadcast\", \"802.3ad\", \"balance-tlb\" or \"balance-alb\", not 1"),
        ("name='x'\nports=['a']\nmode='balance-tlb'\narp_interval=100", "8:1: this [[bond]] cannot be: 'arp_interval' is not for mode \"balance-tlb\""),
        ("name='x'\nports=['a']\nmode='balance-alb'\narp_missed_max=3", "8:1: this [[bond]] cannot be: 'arp_missed_max' is not for mode \"balance-alb\""),
        ("name='x'\nports=['a']\nmode='balance-alb'\nmiimon=0", "8:1: this [[bond]] cannot be: mode \"balance-alb\" needs 'miimon'"),
        ("name='x'\nports=['a']\ntlb_dynamic_lb=false", "8:1: this [[bond]] cannot be: 'tlb_dynamic_lb' is for modes \"balance-tlb\" and \"balance-alb\" only"),
        ("name='x'\nports=['a']\nlp_interval=0", "11:13: 'lp_interval' must be a number from 1 to 3600, not 0"),
        ("name='x'\nports=['a']\nmiimon=3600001", "11:8: 'miimon' must be a number from 0 to 3600000, not 3600001"),
        ("name='x'\nports=['a']\nupdelay=1", "8:1: this [[bond]] cannot be: 'updelay' needs 'miimon', of which it is a multiple"),
        ("name='x'\nports=['a']\nprimary='a'", "8:1: this [[bond]] cannot be: 'primary' is for modes \"active-backup\", \"balance-tlb\" and \"balance-alb\" only"),
        ("name='x'\nports=['a']\nmode='broadcast'\npackets_per_slave=2", "8:1: this [[bond]] cannot be: 'packets_per_slave' is for mode \"balance-rr\" only"),
        ("name='x'\nports=['a']\nmode='active-backup'\nprimary='b'", "8:1: this [[bond]] cannot be: 'primary' must be one of the bond's ports"),
        ("name='x'\nports=['a']\nnum_grat_arp=1\nnum_unsol_na=1", "12:14: 'num_unsol_na' must be left out where 'num_grat_arp' stands, which is the same, not 1"),
        ("name='x'\nports=['a']\nxmit_hash_policy='layer3'", "11:18: 'xmit_hash_policy' must be \"layer2\", \"layer2+3\", \"layer3+4\", \"encap2+3\", \"encap3+4\" or \"vlan+srcmac\", not \"layer3\""),
        ("name='x'\nports=['a']\nresend_igmp=1", "11:1: 'resend_igmp' is not supported by this version"),
        ("name='x'\nports=['a']\nmode='802.3ad'\narp_interval=100\narp_ip_target='10.0.0.9'", "8:1: this [[bond]] cannot be: 'arp_interval' is not for mode \"802.3ad\""),
        ("name='x'\nports=['a']\nmode='802.3ad'\narp_validate='all'", "8:1: this [[bond]] cannot be: 'arp_validate' is not for mode \"802.3ad\""),
        ("name='x'\nports=['a']\nmiimon=100\narp_interval=100\narp_ip_target='10.0.0.9'", "8:1: this [[bond]] cannot be: 'arp_interval' and 'miimon' exclude each other"),
        ("name='x'\nports=['a']\nmiimon=100\narp_validate='all'", "8:1: this [[bond]] cannot be: 'arp_validate' and 'miimon' exclude each other"),
        ("name='x'\nports=['a']\narp_validate='filter'", "8:1: this [[bond]] cannot be: 'arp_validate' needs 'arp_interval'"),
        ("name='x'\nports=['a']\narp_interval=100", "8:1: this [[bond]] cannot be: 'arp_interval' needs 'arp_ip_target' or 'ns_ip6_target'"),
        ("name='x'\nports=['a']\narp_ip_target=['10.0.0.9','10.0.0.9']", "8:1: this [[bond]] cannot be: target 10.0.0.9 must be the address of one other station, and be there only once"),
        ("name='x'\nports=['a']\narp_ip_target='0.0.0.9'", "8:1: this [[bond]] cannot be: target 0.0.0.9 must be the address of one other station, and be there only once"),
        ("name='x'\nports=['a']\nns_ip6_target='ff02::1'", "8:1: this [[bond]] cannot be: target ff02::1 must be the address of one other station, and be there only once"),
        ("name='x'\nports=['a']\nns_ip6_target='10.0.0.9'", "11:15: 'ns_ip6_target' must be an IPv6 address, not \"10.0.0.9\""),
        ("name='x'\nports=['a']\narp_ip_target=['fd00::9']", "11:16: 'arp_ip_target' must be an IPv4 address, not \"fd00::9\""),
        ("name='x'\nports=['a']\narp_ip_target=['1.0.0.1','1.0.0.2','1.0.0.3','1.0.0.4','1.0.0.5','1.0.0.6','1.0.0.7','1.0.0.8','1.0.0.9','1.0.0.10','1.0.0.11','1.0.0.12','1.0.0.13','1.0.0.14','1.0.0.15','1.0.0.16','1.0.0.17']", "8:1: this [[bond]] cannot be: 'arp_ip_target' must have 16 addresses at most"),
        ("name='x'\nports=['a']\narp_missed_max=0", "11:16: 'arp_missed_max' must be a number from 1 to 255, not 0"),
        ("name='x'\nports=['a']\n[[vlan]]\nparent='a'\nid=1", "12:8: its frames are those of 'x', whose port it is: name that"),
    ];
    for (text, expected) in cases {
        let error = Config::read("f", &format!("{start}{text}")).expect_err(text);
        assert_eq!(error.to_string(), format!("f:{expected}"));
    }
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let start = "[[interface]]\nname = 'lan'\naddresses = ['10.0.0.1/24']\n";
    #[rustfmt::skip]
    let cases = [
        ("mtu 1500", "1:5: key with no value, expected `=`"),
        ("[[interface]]\nname = 'lan'\nadresses = []", "3:1: [[interface]] has no key 'adresses'; did you mean 'addresses'?"),
        ("nonsense = 1", "1:1: the configuration has no key 'nonsense'; it has seed, interface, bond, vlan, route, neighbour, rules, host, helper, helper_mode, timeout, service, relay, nat, sysctl, capture"),
        ("[[bridge]]\nname = 'b'", "1:3: 'bridge' is not supported by this version"),
        ("[nat]\nfiltering = 'open'", "2:13: 'filtering' must be \"endpoint-independent\", \"address-dependent\" or \"linux\", not \"open\""),
        ("[[interface]]\nname = 'lan'\n[host]\ndevice = 'lan'", "4:10: device of an interface or of [host] 'lan' is there already"),
        ("[host]", "1:1: [host] needs 'device'"),
        ("[[interface]]\nname = 'lan'\n[sysctl]\nnet.ipv4.conf.wan.bc_forwarding = 1", "4:35: there is no [[interface]], [[bond]] or [[vlan]] named 'wan'"),
        ("[rules]\nv5 = 'x'", "2:1: [rules] has no key 'v5'; did you mean 'v4'?"),
        ("[[interface]]\nmtu = 1500", "1:1: [[interface]] needs 'name'"),
        ("[[interface]]\nname = 'far too long a name'", "2:8: 'name' must be a device's name: 1 to 15 bytes without spaces or '/', not \"far too long a name\""),
        ("[[interface]]\nname = 'é'\naddresses = ['10.0.0.1/24', '10.0.0.300/24']", "3:29: 'addresses' must be an address with its prefix length, such as \"10.0.0.1/24\" or \"2001:db8::1/64\", not \"10.0.0.300/24\""),
        ("[[interface]]\nname = 'a'\nmtu = 60", "3:7: 'mtu' must be a number from 68 to 65535, not 60"),
        ("[[interface]]\nname = 'a'\nmtu = '1500'", "3:7: 'mtu' must be a number from 68 to 65535, not \"1500\""),
        ("[[interface]]\nname = 'a'\nmac = '01:00:5e:00:00:01'", "3:7: 'mac' must be an Ethernet address of one station, such as \"02:00:00:00:00:01\", not \"01:00:5e:00:00:01\""),
        ("[[interface]]\nname = 'a'\n[[interface]]\nname = 'a'", "4:8: [[interface]] 'a' is there already"),
        ("[[interface]]\nname = 'a'\narp = 1", "3:7: 'arp' must be true or false, not 1"),
        ("[[interface]]\nname = 'a'\nfeatures = { tso = 0 }", "3:20: 'features' must be true or false, not 0"),
        ("[[interface]]\nname = 'a'\ngro_flush_timeout = -1", "3:21: 'gro_flush_timeout' must be a number from 0 to 2147483647, not -1"),
        ("[[interface]]\nname = 'a'\nfeatures = true", "3:12: 'features' must be a table, such as { tso = false }, not true"),
        ("[[interface]]\nname = 'a'\nfeatures = { lru = true }", "3:20: there is no feature 'lru'; there are rx-checksumming, tx-checksumming, scatter-gather, tcp-segmentation-offload, generic-segmentation-offload, generic-receive-offload, large-receive-offload, tx-vlan-offload, receive-hashing, tx-scatter-gather, tx-checksum-ip-generic, tx-vlan-hw-insert, tx-generic-segmentation, rx-gro, rx-lro, tx-tcp-segmentation, tx-tcp-ecn-segmentation, tx-tcp-mangleid-segmentation, tx-tcp6-segmentation, tx-udp-segmentation, rx-hashing, rx-checksum, tx-vlan-stag-hw-insert, rx-gro-hw, rx-gro-list, rx-udp-gro-forwarding"),
        ("[[interface]]\nname = 'a'\ncapture = 'ifindex:0'", "3:11: 'capture' must be an interface of the capture: its name, its number from 0, or \"ifindex:N\", not \"ifindex:0\""),
        ("[[vlan]]\nid = 1", "1:1: [[vlan]] needs 'parent'"),
        ("[[vlan]]\nparent = 'wan'\nid = 1", "2:10: there is no [[interface]], [[bond]] or [[vlan]] named 'wan'"),
        ("[[interface]]\nname = 'a'\n[[vlan]]\nparent = 'a'\nid = 4095", "5:6: 'id' must be a number from 0 to 4094, not 4095"),
        ("[[interface]]\nname = 'a'\n[[vlan]]\nparent = 'a'\nid = 1\nprotocol = 'QinQ'", "6:12: 'protocol' must be \"802.1Q\" or \"802.1ad\", not \"QinQ\""),
        ("[[interface]]\nname = 'a'\n[[vlan]]\nparent = 'a'\nid = 1\n[[vlan]]\nparent = 'a'\nid = 1\nname = 'b'", "9:8: [[vlan]] 'b' is there already"),
        ("[[interface]]\nname = 'fourteen_bytes'\n[[vlan]]\nparent = 'fourteen_bytes'\nid = 1", "3:1: 'fourteen_bytes.1' is too long for a device's name; say another with 'name'"),
        ("interface = 3", "1:13: 'interface' must be a table, not 3"),
        ("[[route]]\nto = '10.0.0.1/8'\nvia = '10.0.0.2'", "2:6: 'to' must be a network, such as \"10.0.0.0/8\" or \"2001:db8::/32\", an address or \"default\", not \"10.0.0.1/8\""),
        ("[[route]]\nto = 'default'", "1:1: [[route]] needs 'via'"),
        ("[[route]]\nto = 'default'\nvia = '192.0.2.1'", "3:7: 192.0.2.1 lies in no interface's network; say which one with 'interface'"),
        ("[[route]]\nto = 'default'\ninterface = 'wan'", "3:13: there is no [[interface]], [[bond]] or [[vlan]] named 'wan'"),
        ("[[route]]\nto = 'default'\nkind = 'black'", "3:8: 'kind' must be \"blackhole\", \"unreachable\" or \"prohibit\", not \"black\""),
        ("[[route]]\nto = 'default'\nkind = 'prohibit'\nvia = '10.0.0.1'", "3:8: 'kind' must be left out where there is 'via' or 'interface', not \"prohibit\""),
        ("[[route]]\nto = 'default'\nkind = 'prohibit'\n[[route]]\nto = 'default'\nkind = 'prohibit'", "4:1: a [[route]] of that metric to '0.0.0.0/0' is there already"),
        ("[[helper]]\nname = 'ftp'\nports = [0]", "3:10: 'ports' must be a port from 1 to 65535 or a range, such as \"2000-2010\", not 0"),
        ("[[helper]]\nname = 'ftp'\ntimeout = 300", "3:11: 'timeout' must be a time from 1 ms to 24 days, such as \"300s\", \"500ms\" or \"5d\", not 300"),
        ("[[helper]]\nname = 'ftp'\n[[helper]]\nname = 'ftp'", "3:1: [[helper]] 'ftp' is there already"),
        ("[[timeout]]\nname = 'a'", "1:1: [[timeout]] needs 'protocol'"),
        ("[[timeout]]\nname = 'a b'\nprotocol = 'tcp'", "2:8: 'name' must be a name of 1 to 31 bytes without blanks, not \"a b\""),
        ("[[timeout]]\nname = 'a'\nprotocol = 'udp'\nestablished = '1h'", "4:15: udp has no state 'established'; it has unreplied, replied"),
        ("[[timeout]]\nname = 'a'\nprotocol = 'udp'\nreplied = '1500ms'", "4:11: 'replied' must be a time in whole seconds, such as \"300s\" or \"5d\", not \"1500ms\""),
        ("[[timeout]]\nname = 'a'\nprotocol = 'udp'\n[[timeout]]\nname = 'a'\nprotocol = 'tcp'", "5:8: [[timeout]] 'a' is there already"),
        ("[sysctl]\nnet.netfilter.nf_conntrack_tcp_lose = 0", "2:39: there is no sysctl 'net.netfilter.nf_conntrack_tcp_lose'"),
        ("[sysctl]\nnet.netfilter.nf_conntrack_tcp_loose = 2", "2:40: 'net.netfilter.nf_conntrack_tcp_loose' must be a number from 0 to 1, not 2"),
        ("[sysctl]\n'net.netfilter.nf_conntrack_max' = true", "2:36: 'net.netfilter.nf_conntrack_max' must be a number from 0 to 4294967295, not true"),
        ("[capture]\ntaken_at = 'here'", "2:12: 'taken_at' must be \"gateway\" or \"elsewhere\", not \"here\""),
        ("a = 1\nname = 2\na = 1", "3:1: duplicate key"),
    ];
    for (text, message) in cases {
        let error = Config::read("g.toml", text).unwrap_err();
        assert_eq!(error.to_string(), format!("g.toml:{message}"), "{text}");
    }
    let twice = format!("{start}[[interface]]\nname = 'b'\naddresses = ['10.0.0.1/16']");
    let error = Config::read("g.toml", &twice).unwrap_err();
    assert_eq!(error.to_string(), "g.toml:6:14: the address '10.0.0.1' is there already");
}

#[test]
fn every_mistake_in_what_is_offered_is_told_with_its_place() {
    #[rustfmt::skip]
    let cases = [
        ("[[service]]\nprotocol = 'udp'", "1:1: [[service]] needs 'kind'"),
        ("[[service]]\nkind = 'echo'", "1:1: [[service]] needs 'protocol'"),
        ("[[service]]\nkind = 'ecko'\nprotocol = 'udp'", "2:8: 'kind' must be \"echo\", \"discard\", \"chargen\", \"text\" or \"http\", not \"ecko\""),
        ("[[service]]\nkind = 'echo'\nprotocol = 'sctp'", "3:12: 'protocol' must be \"udp\" or \"tcp\", not \"sctp\""),
        ("[[service]]\nkind = 'text'\nprotocol = 'tcp'\nport = 1\ntext = 'x'", "3:12: 'protocol' must be \"udp\" where 'kind' is \"text\", not \"tcp\""),
        ("[[service]]\nkind = 'http'\nprotocol = 'udp'", "3:12: 'protocol' must be \"tcp\" where 'kind' is \"http\", not \"udp\""),
        ("[[service]]\nkind = 'http'\nprotocol = 'tcp'", "1:1: [[service]] needs 'folder'"),
        ("[[service]]\nkind = 'echo'\nprotocol = 'tcp'\nfolder = 'x'", "4:10: 'folder' must be left out where 'kind' is not \"http\", not \"x\""),
        ("[[relay]]\nport = 80\nto = '192.0.2.1'", "3:6: 'to' must be an address and a port, such as \"192.0.2.1:80\" or \"[2001:db8::1]:80\", not \"192.0.2.1\""),
        ("[[service]]\nkind = 'echo'\nprotocol = 'tcp'\n[[relay]]\nport = 7\nto = '192.0.2.1:7'", "5:8: a [[service]] or [[relay]] on the TCP port '7' is there already"),
        ("[[service]]\nkind = 'echo'\nprotocol = 'udp'\nport = 65536", "4:8: 'port' must be a number from 1 to 65535, not 65536"),
        ("[[service]]\nkind = 'text'\nprotocol = 'udp'\ntext = 'hello'", "1:1: [[service]] needs 'port'"),
        ("[[service]]\nkind = 'text'\nprotocol = 'udp'\nport = 13", "1:1: [[service]] needs 'text'"),
        ("[[service]]\nkind = 'echo'\nprotocol = 'udp'\ntext = 'hello'", "4:8: 'text' must be left out where 'kind' is not \"text\", not \"hello\""),
        ("[[service]]\nkind = 'echo'\nprotocol = 'udp'\n[[service]]\nkind = 'discard'\nprotocol = 'udp'\nport = 7", "7:8: a [[service]] on the UDP port '7' is there already"),
    ];
    for (text, message) in cases {
        let error = Config::read("g.toml", text).unwrap_err();
        assert_eq!(error.to_string(), format!("g.toml:{message}"), "{text}");
    }
}

#[test]
fn services_have_ports_and_answers() {
    let text = "[[service]]\nkind='echo'\nprotocol='udp'\n[[service]]\nkind='discard'\nprotocol='udp'\nport=4000\n\
                [[service]]\nkind='text'\nprotocol='udp'\nport=13\ntext='noon'";
    let services = Config::read("f", text).unwrap().services;
    let expected =
        [(7, ServiceAnswer::Echo), (4000, ServiceAnswer::Discard), (13, ServiceAnswer::Text(b"noon".into()))];
    assert_eq!(services, expected.map(|(port, answer)| UdpService { port, answer }));
    let long = format!("[[service]]\nkind='text'\nprotocol='udp'\nport=13\ntext='{}'", "x".repeat(1453));
    let error = Config::read("f", &long).unwrap_err().to_string();
    assert!(error.starts_with("f:5:6: 'text' must be a text of at most 1452 bytes, not \"xxx"), "{error}");
}

#[test]
fn a_long_value_is_shown_short() {
    let text = format!("[[interface]]\nname = '{}'", "x".repeat(5_000));
    assert!(Config::read("f", &text).unwrap_err().to_string().len() < 250);
}

#[test]
fn a_configuration_tightens_a_manifest_and_cannot_loosen_it() {
    let read = |line: &str| Config::read("f", &format!("[[helper]]\nname = 'ftp'\n{line}")).unwrap();
    let tighten = |line: &str| {
        let config = read(line);
        config.tighten(&config.helpers[0], &manifest()).map_err(|error| error.to_string())
    };
    assert_eq!(tighten(""), Ok(manifest()));
    let ports = tighten("ports = [21, '2000-2010']").unwrap().attach;
    assert_eq!(ports.iter().map(|point| point.ports.clone()).collect::<Vec<_>>(), [21..=21, 2000..=2010]);
    assert_eq!(tighten("ports = []").unwrap().attach, []);
    assert_eq!(tighten("timeout = '10s'").unwrap().classes[0].timeout, Duration::from_secs(10));
    assert_eq!(tighten("expect_ports = '2000-3000'").unwrap().classes[0].ports, 2000..=3000);
    assert_eq!(tighten("on_failure = 'detach'").unwrap().on_failure, FailurePolicy::Detach);

    let looser = |key: &str, own: u64| {
        Err(format!(
            "f:3:{}: '{key}' can only tighten what the plugin's manifest says, and that is {own}",
            key.len() + 4
        ))
    };
    assert_eq!(tighten("expectations = 2"), looser("expectations", 1));
    assert_eq!(tighten("timeout = '301s'"), looser("timeout", 300));
    assert_eq!(tighten("expect_ports = '80-3000'"), looser("expect_ports", 1024));
    assert_eq!(tighten("rewrite_bytes = 33"), looser("rewrite_bytes", 32));
    assert_eq!(tighten("fuel = 100001"), looser("fuel", 100_000));
    assert_eq!(tighten("memory_bytes = 1048577"), looser("memory_bytes", 1_048_576));
    let loose = "f:3:9: 'loose' can only be false: the plugin's manifest says so, which can only be tightened";
    assert_eq!(tighten("loose = true"), Err(loose.to_owned()));
}

#[test]
fn how_strictly_helpers_are_taken_is_the_operators_choice() {
    let read = |text| Config::read("f", text).map(|config| config.helper_mode).map_err(|error| error.to_string());
    assert_eq!(read(""), Ok(None));
    assert_eq!(read("helper_mode = 'guarded'"), Ok(Some(HelperMode::Guarded)));
    assert_eq!(read("helper_mode = 'service-ports'"), Ok(Some(HelperMode::ServicePorts)));
    assert_eq!(read("helper_mode = 'kernel'"), Ok(Some(HelperMode::Kernel)));
    let error = "f:1:15: 'helper_mode' must be \"guarded\", \"service-ports\" or \"kernel\", not \"lax\"";
    assert_eq!(read("helper_mode = 'lax'"), Err(error.to_owned()));
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text: String) {
        let _ = Config::read("f", &text);
    }

    #[test]
    fn a_cut_or_changed_example_is_read_or_refused_with_a_place_in_it(at in 0..WHOLE.len(), with: char) {
        let changed: String = WHOLE.char_indices().map(|(index, old)| if index == at { with } else { old }).collect();
        let cut: String = WHOLE.chars().take(at).collect();
        for text in [changed, cut] {
            if let Err(error) = Config::read("f", &text) {
                prop_assert!(error.line as usize <= text.matches('\n').count() + 1, "{error}");
            }
        }
    }
}

fn manifest() -> Manifest {
    Manifest {
        name: "ftp".into(),
        attach: vec![AttachPoint { protocol: towpath_engine::wire::Protocol::TCP, ports: 21..=21 }],
        framing: Framing::Lines,
        triggers: Vec::new(),
        openings: Vec::new(),
        classes: vec![ExpectClass {
            name: "data".into(),
            protocol: towpath_engine::wire::Protocol::TCP,
            direction: None,
            opener: Opener::Peer,
            ports: 1024..=65_535,
            loose: false,
            permanent: false,
            ends_master: false,
            expected_max: 1,
            timeout: Duration::from_secs(300),
        }],
        rewrite_bytes_max: 32,
        state_bytes_max: 16,
        fuel_per_call: 100_000,
        memory_bytes_max: 1_048_576,
        on_failure: FailurePolicy::Drop,
    }
}

#[test]
fn a_gateway_may_speak_ipv6() {
    let text = "
        [[interface]]
        name = 'wan'
        mac = '02:00:00:00:01:01'
        addresses = ['192.0.2.1/24', '2001:db8:1::1/64']
        [[route]]
        to = 'default'
        via = '2001:db8:1::fe'
        [[neighbour]]
        interface = 'wan'
        address = '2001:db8:1::fe'
        mac = '02:00:00:00:01:fe'
        [rules]
        v6 = 'rules.v6'
    ";
    let config = Config::read("f", text).unwrap();
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    assert_eq!((config.routes[0].destination, config.routes[0].prefix), (ip("::"), 0));
    assert_eq!(config.rules_v6.as_ref().map(|rules| rules.value.as_str()), Some("rules.v6"));
    let mut engine = Engine::new(0);
    for command in config.commands(|device, _| Hardware::in_replay(device)) {
        engine.handle_command(Instant::ZERO, command).unwrap();
    }
    // Its neighbours know it by an address of the link, too.
    assert!(engine.devices().has_address(ip("fe80::ff:fe00:101")));
    let mixed =
        "[[interface]]\nname = 'a'\naddresses = ['10.0.0.1/24']\n[[route]]\nto = '2001:db8::/32'\nvia = '10.0.0.9'";
    assert!(Config::read("f", mixed).is_err());
}

#[test]
fn how_translation_depends_on_peers_is_said_in_words() {
    let config =
        Config::read("f", "[nat]\nmapping = 'endpoint-independent'\nfiltering = 'address-dependent'\n").unwrap();
    assert_eq!(config.sysctls, [("towpath.nat.mapping".into(), 1), ("towpath.nat.filtering".into(), 1)]);
}

#[test]
fn a_port_to_the_machine_itself_is_served() {
    let config = Config::read("g.toml", "[host]\ndevice = 'tp0'").expect("right");
    assert_eq!(config.host.as_ref().map(|device| device.value.as_str()), Some("tp0"));
    let commands = config.commands(|device, _| Hardware::in_replay(device));
    assert!(commands.iter().any(|command| matches!(command, Command::ServeHost(true))));
}

#[test]
fn a_tunable_of_an_interface_is_set_when_that_is_there() {
    let text = "[[interface]]\nname = 'lan'\n[sysctl]\nnet.ipv4.conf.lan.bc_forwarding = 1";
    let (mut engine, tunable) = (Engine::new(1), towpath_engine::sysctl::InterfaceSysctl::BcForwarding);
    for command in Config::read("g.toml", text).expect("right").commands(|device, _| Hardware::in_replay(device)) {
        engine.handle_command(Instant::ZERO, command).expect("in this order");
    }
    assert!(engine.devices().iter().all(|(_, lan)| lan.tunables.own(tunable, engine.sysctls()) == 1));
}
