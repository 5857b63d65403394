//! What a gateway's devices carry is the gateway's, and not the machine's own.

use std::fs;

use rustix::process::Signal;
use towpath::af_packet::{Interface, Withheld};

use crate::{
    namespace::{in_namespace, ip},
    running::{Gateway, Network, SERVER},
    skip::skip,
};

#[test]
fn the_machines_own_stack_is_given_no_packets_of_a_gateway_that_runs_whatever_ends_it() {
    in_namespace(|| {
        let network = Network::new();
        if Withheld::by(&Interface::find("ga").unwrap()).is_none() {
            return skip(
                "withheld::the_machines_own_stack_is_given_no_packets_of_a_gateway_that_runs_whatever_ends_it",
                "no nf_tables in the kernel",
            );
        }
        let gateway = Gateway::start_with(&network.folder(), &["--withhold"]);
        let before = received();
        network.exchange(b"for the gateway");
        assert_eq!(received(), before);
        gateway.stop(Signal::KILL);
        let client = network.client.udp(4000);
        let is_heard = |_| {
            client.send_to(b"for nobody", (SERVER, 4001)).unwrap();
            received() > before
        };
        assert!((0..1000).any(is_heard), "nothing of it is left behind");
    });
}

#[test]
fn a_device_with_an_address_of_the_machines_own_stays_its_own_too() {
    in_namespace(|| {
        let network = Network::new();
        ip("addr add 10.0.0.1/24 dev ga");
        let gateway = Gateway::start_with(&network.folder(), &["--withhold"]);
        let before = received();
        network.exchange(b"for both");
        assert!(received() > before);
        gateway.stop(Signal::INT);
    });
}

#[test]
fn nothing_is_withheld_unless_that_is_asked_for() {
    in_namespace(|| {
        let network = Network::new();
        let gateway = Gateway::start(&network.folder());
        let before = received();
        network.exchange(b"for both");
        assert!(received() > before);
        gateway.stop(Signal::INT);
    });
}

#[test]
fn what_is_broadcast_to_a_device_of_a_gateway_stays_the_machines_own_too() {
    in_namespace(|| {
        let network = Network::new();
        let gateway = Gateway::start_with(&network.folder(), &["--withhold"]);
        network.exchange(b"for the gateway");
        let before = received();
        let client = network.client.udp(4000);
        client.set_broadcast(true).unwrap();
        let is_heard = |_| {
            client.send_to(b"for all", "10.0.0.255:4001").unwrap();
            received() > before
        };
        assert!((0..1000).any(is_heard));
        gateway.stop(Signal::INT);
    });
}

/// IPv4 packets that the kernel's own stack has been given in this namespace (proc_net_snmp: `InReceives`).
fn received() -> u64 {
    let counters = fs::read_to_string("/proc/net/snmp").unwrap();
    let mut lines = counters.lines().filter_map(|line| line.strip_prefix("Ip: "));
    let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
    let place = names.split(' ').position(|name| name == "InReceives").unwrap();
    values.split(' ').nth(place).unwrap().parse().unwrap()
}
