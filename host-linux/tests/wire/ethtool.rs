//! A running gateway's devices: their features, shown and switched while packets pass, and their rings.

use rustix::process::Signal;

use crate::{
    namespace::in_namespace,
    running::{Gateway, Network, SERVER, question_wrong},
};

#[test]
fn rings_queues_and_counters_are_shown_as_ethtool_shows_them() {
    in_namespace(|| {
        let network = Network::new();
        let folder = network.folder();
        let gateway = Gateway::start(&folder);
        network.exchange(b"hello");
        let shown = |option: &str| String::from_utf8(folder.towpath(&["ethtool", option, "lan"]).stdout).unwrap();
        assert!(
            shown("-g").starts_with("Ring parameters for lan:\nPre-set maximums:\nRX:\t\t65536\n"),
            "{}",
            shown("-g")
        );
        assert!(shown("-g").contains("settings:\nRX:\t\t4096\n"), "{}", shown("-g"));
        assert!(shown("-l").starts_with("Channel parameters for lan:\n"), "{}", shown("-l"));
        let counted = shown("-S");
        let of = |name: &str| {
            let line = counted.lines().find_map(|line| line.trim_start().strip_prefix(name)?.strip_prefix(": "));
            line.unwrap_or_else(|| panic!("{counted}")).parse::<u64>().unwrap()
        };
        assert!(counted.starts_with("NIC statistics:\n"), "{counted}");
        assert!(of("rx_packets") > 0 && of("tx_packets") > 0 && of("rx_bytes") > of("rx_packets") * 14, "{counted}");
        assert_eq!((of("rx_missed_errors"), of("tx_dropped")), (0, 0), "{counted}");
        for (words, error) in [
            (["ethtool", "-c", "lan"], "lan is not interrupted itself: ask `ethtool -c`"),
            (["ethtool", "-S", "dmz"], "there is no device 'dmz'"),
        ] {
            let said = question_wrong(&folder.towpath(&words));
            assert!(said.contains(error), "{said}");
        }
        gateway.stop(Signal::INT);
    });
}

#[test]
fn features_are_switched_while_packets_pass_and_what_is_merged_arrives_as_it_was_sent() {
    in_namespace(|| {
        let network = Network::new();
        let folder = network.folder();
        let gateway = Gateway::start(&folder);
        let features = || String::from_utf8(folder.towpath(&["ethtool", "-k", "lan"]).stdout).unwrap();
        let before = features();
        assert!(before.starts_with("Features for lan:\nrx-checksumming: on\ntx-checksumming: on\n"), "{before}");
        assert!(before.contains("\ngeneric-receive-offload: off\n"), "{before}");
        let switch = ["ethtool", "-K", "lan", "gro", "on", "rx-udp-gro-forwarding", "on", "tx-udp-segmentation", "off"];
        let switched = folder.towpath(&switch);
        assert!(switched.status.success() && switched.stdout.is_empty(), "just what was asked for: {switched:?}");
        let after = features();
        for line in ["generic-receive-offload: on\n", "rx-udp-gro-forwarding: on\n", "tx-udp-segmentation: off\n"] {
            assert!(after.contains(line), "{after}");
        }
        network.exchange(b"hello");
        let (client, server) = (network.client.udp(4000), network.server.udp(4001));
        let sent: Vec<_> = (0..60_u8).map(|number| vec![number; 100]).collect();
        sent.iter().for_each(|datagram| _ = client.send_to(datagram, (SERVER, 4001)).unwrap());
        for datagram in sent {
            let mut bytes = [0; 200];
            let (len, _) = server.recv_from(&mut bytes).unwrap();
            assert_eq!(bytes[..len], datagram, "in order, each by itself");
        }
        let wrong = [
            (vec!["ethtool", "-k", "dmz"], "there is no device 'dmz'"),
            (vec!["ethtool", "-K", "lan", "gro", "off", "warp", "on"], "lan has no feature 'warp'"),
            (vec!["ethtool", "-K", "lan", "gro"], "'gro' must be followed by on or off"),
            (vec!["ethtool", "-K", "lan", "gro", "maybe"], "'gro' must be followed by on or off, not 'maybe'"),
            (vec!["ethtool", "-K", "lan", "vlan-challenged", "on"], "vlan-challenged is how a driver is made"),
            (vec!["ethtool", "-K", "lan"], "-K needs a feature and on or off"),
        ];
        for (words, error) in wrong {
            let said = question_wrong(&folder.towpath(&words));
            assert!(said.contains(error), "{said}");
        }
        assert_eq!(features(), after, "a wrong one changes nothing");
        gateway.stop(Signal::INT);
    });
}

/// As ethtool(8) does of a veth device.
#[test]
fn what_falls_with_a_feature_and_what_cannot_be_had_is_told_as_ethtool_tells_it() {
    in_namespace(|| {
        let network = Network::new();
        let folder = network.folder();
        let gateway = Gateway::start(&folder);
        let ask = |words: &[&str]| {
            let found = folder.towpath(&[&["ethtool", "-K", "lan"], words].concat());
            let text = |bytes| String::from_utf8(bytes).unwrap();
            (found.status.code(), text(found.stdout), text(found.stderr))
        };
        let refused = "Could not change any device features\n";
        #[rustfmt::skip]
        let table: [(&[&str], i32, &str, &str); 6] = [
            (&["ntuple", "on"],              1, "Actual changes:\nrx-ntuple-filter: off [requested on]\n", refused),
            (&["ufo", "off"],                1, "", refused),
            (&["tso", "off"],                0, "", ""),
            (&["tx", "off"],                 0, "Actual changes:\ntx-checksum-ip-generic: off\ntx-udp-segmentation: off [not requested]\n", ""),
            (&["tx-udp-segmentation", "on"], 1, "Actual changes:\ntx-udp-segmentation: off [requested on]\n", refused),
            (&["sg", "off"],                 0, "Actual changes:\ntx-scatter-gather: off\ntx-generic-segmentation: off [not requested]\n", ""),
        ];
        for (words, code, out, error) in table {
            assert_eq!(ask(words), (Some(code), out.to_owned(), error.to_owned()), "{words:?}");
        }
        let listed = String::from_utf8(folder.towpath(&["ethtool", "-k", "lan"]).stdout).unwrap();
        for line in ["tx-udp-segmentation: off [requested on]\n", "ntuple-filters: off [fixed]\n"] {
            assert!(listed.contains(line), "{listed}");
        }
        network.exchange(b"summed and in one piece");
        gateway.stop(Signal::INT);
    });
}
