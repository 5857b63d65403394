//! What a gateway's devices carry is the gateway's, and not the machine's own.

use std::{
    fs,
    net::{Ipv6Addr, UdpSocket},
    process::Command,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open},
};
use towpath::af_packet::{Extent, Withheld};

use crate::{
    ipv6,
    link::{PATIENCE, Station},
    namespace::{in_namespace, ip},
    running::{CLIENT, Folder, Gateway, Network, SERVER},
    skip::skip,
};

#[test]
fn the_machines_own_stack_is_given_no_packets_of_a_gateway_that_runs_whatever_ends_it() {
    in_namespace(|| {
        let Some(network) =
            network("the_machines_own_stack_is_given_no_packets_of_a_gateway_that_runs_whatever_ends_it")
        else {
            return;
        };
        for end in [Signal::INT, Signal::TERM, Signal::ABORT, Signal::KILL] {
            let gateway = withholding(&network.folder());
            assert!(!hears(&network, Version::Ipv4));
            let withholder = pidfd_open(withholder_of(&gateway), PidfdFlags::empty()).unwrap();
            gateway.stop(end);
            let patience = Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
            let ended = poll(&mut [PollFd::new(&withholder, PollFlags::IN)], Some(&patience)).unwrap();
            assert_eq!(ended, 1, "it ends with the gateway");
            assert!(is_heard(&network), "nothing of it is left behind");
        }
    });
}

#[test]
fn nothing_is_withheld_unless_that_is_asked_for() {
    in_namespace(|| {
        let network = Network::new();
        let gateway = Gateway::start(&network.folder());
        assert!(hears(&network, Version::Ipv4));
        gateway.stop(Signal::INT);
    });
}

#[test]
fn packets_of_ipv6_are_withheld_as_those_of_ipv4() {
    in_namespace(|| {
        let name = "withheld::packets_of_ipv6_are_withheld_as_those_of_ipv4";
        let Some(network) = can_withhold(name).then(|| ipv6::network(name)).flatten() else { return };
        let folder = Folder::with(&ipv6::CONFIG.replace("[rules]\nv6 = \"rules.v6\"\n", ""), &[]);
        let gateway = withholding(&folder);
        assert!(!hears(&network, Version::Ipv6));
        gateway.stop(Signal::INT);
        let gateway = Gateway::start(&folder);
        assert!(hears(&network, Version::Ipv6));
        gateway.stop(Signal::INT);
    });
}

#[test]
fn a_device_is_the_machines_own_too_as_long_as_that_has_an_address_on_it() {
    in_namespace(|| {
        let Some(network) = network("a_device_is_the_machines_own_too_as_long_as_that_has_an_address_on_it") else {
            return;
        };
        ip("addr add 10.0.0.1/24 dev ga");
        let mut gateway = Gateway::start_with(&network.folder(), &["--withhold"]);
        assert!(
            gateway.warnings.iter().any(|warning| warning.contains("device ga: its IPv4 packets are not withheld"))
        );
        assert!(hears(&network, Version::Ipv4));
        ip("addr del 10.0.0.1/24 dev ga");
        gateway.wait_for("device lan: its packets are withheld");
        assert!(!hears(&network, Version::Ipv4));
        ip("addr add 10.0.0.1/24 dev ga");
        gateway.wait_for("device lan: its IPv4 packets are not withheld: the machine has addresses on it");
        assert!(hears(&network, Version::Ipv4));
        gateway.stop(Signal::INT);
    });
}

#[test]
fn an_ipv6_address_of_the_machines_makes_its_own_no_packets_of_ipv4() {
    in_namespace(|| {
        let Some(network) = network("an_ipv6_address_of_the_machines_makes_its_own_no_packets_of_ipv4") else { return };
        ip("link set ga addrgenmode none");
        if fs::write("/proc/sys/net/ipv6/conf/ga/disable_ipv6", "0").is_err() {
            return skip("withheld::an_ipv6_address_of_the_machines_makes_its_own_no_packets_of_ipv4", "no IPv6");
        }
        let mut gateway = withholding(&network.folder());
        ip("addr add 2001:db8::1/64 dev ga nodad");
        gateway.wait_for("device lan: its IPv6 packets are not withheld: the machine has addresses on it");
        assert!(!hears(&network, Version::Ipv4));
        gateway.stop(Signal::INT);
    });
}

#[test]
fn a_device_is_the_machines_own_too_as_long_as_that_forwards() {
    in_namespace(|| {
        let Some(network) = network("a_device_is_the_machines_own_too_as_long_as_that_forwards") else { return };
        let mut gateway = withholding(&network.folder());
        fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
        gateway.wait_for("device lan: its IPv4 packets are not withheld: the machine has addresses on it, or forwards");
        assert!(hears(&network, Version::Ipv4));
        fs::write("/proc/sys/net/ipv4/ip_forward", "0").unwrap();
        gateway.wait_for("device lan: its packets are withheld");
        assert!(!hears(&network, Version::Ipv4));
        gateway.stop(Signal::INT);
    });
}

#[test]
fn a_device_is_the_machines_own_too_as_long_as_it_is_a_port() {
    in_namespace(|| {
        let name = "a_device_is_the_machines_own_too_as_long_as_it_is_a_port";
        let Some(network) = network(name) else { return };
        if !is_made("br0 type bridge") {
            return skip(&format!("withheld::{name}"), "the kernel has no bridges");
        }
        ip("link set br0 up");
        let mut gateway = withholding(&network.folder());
        ip("link set ga master br0");
        gateway.wait_for("device lan: its packets are not withheld: it is a port");
        wait_until(|| hears(&network, Version::Ipv4), "the bridge hears");
        ip("link set ga nomaster");
        gateway.wait_for("device lan: its packets are withheld");
        assert!(!hears(&network, Version::Ipv4));
        gateway.stop(Signal::INT);
    });
}

#[test]
fn ports_of_a_gateways_own_bond_are_withheld() {
    in_namespace(|| {
        let Some(network) = network("ports_of_a_gateways_own_bond_are_withheld") else { return };
        let gateway = withholding(&Folder::with(BONDED, &[]));
        network.exchange_soon(b"once the bond has seen the carrier");
        assert!(!hears(&network, Version::Ipv4));
        gateway.stop(Signal::INT);
    });
}

#[test]
fn a_device_that_is_made_anew_or_called_otherwise_is_withheld_again() {
    in_namespace(|| {
        let Some(network) = network("a_device_that_is_made_anew_or_called_otherwise_is_withheld_again") else { return };
        // Else what is sent to the former one's address is nothing to the machine.
        let same = || ip("link set ga address 02:00:00:00:00:0a");
        same();
        let mut gateway = withholding(&network.folder());
        ip("link del ga");
        gateway.wait_for("device lan: its packets are not withheld: there is none of its name");
        let Network { server, .. } = network;
        let client = Station::new("ga", CLIENT);
        same();
        client.namespace.ip("route add default via 10.0.0.1");
        let network = Network { client, server };
        gateway.wait_for("device lan: its packets are withheld");
        network.exchange_soon(b"once the link is up");
        assert!(!hears(&network, Version::Ipv4));
        for words in ["down", "name gc", "up"] {
            ip(&format!("link set {} {words}", if words == "up" { "gc" } else { "ga" }));
        }
        network.exchange_soon(b"once the link is up");
        wait_until(|| !hears(&network, Version::Ipv4), "under its new name, too");
        gateway.stop(Signal::INT);
        assert!(is_heard(&network), "it would have been all the time");
    });
}

#[test]
fn what_is_broadcast_to_a_device_of_a_gateway_stays_the_machines_own_too() {
    in_namespace(|| {
        let network = Network::new();
        let gateway = Gateway::start_with(&network.folder(), &["--withhold"]);
        network.exchange(b"for the gateway");
        let before = received(Version::Ipv4);
        let client = network.client.udp(4000);
        client.set_broadcast(true).unwrap();
        wait_until(
            || {
                client.send_to(b"for all", "10.0.0.255:4001").unwrap();
                received(Version::Ipv4) > before
            },
            "what is for all is for the machine, too",
        );
        gateway.stop(Signal::INT);
    });
}

#[test]
fn who_withholds_packets_has_no_other_capability_and_a_gateway_outlives_it() {
    in_namespace(|| {
        let Some(network) = network("who_withholds_packets_has_no_other_capability_and_a_gateway_outlives_it") else {
            return;
        };
        let mut gateway = withholding(&network.folder());
        let withholder = withholder_of(&gateway);
        let capabilities = |process: Pid| {
            let status = fs::read_to_string(format!("/proc/{}/status", process.as_raw_nonzero())).unwrap();
            let sets = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];
            sets.map(|set| status.lines().find_map(|line| line.strip_prefix(set)).unwrap()[2..].to_owned())
        };
        let [none, net_admin] = [0_u64, 1 << 12].map(|set| format!("{set:016x}"));
        let expected = [&none, &net_admin, &net_admin, &none, &none];
        assert_eq!(capabilities(withholder).each_ref(), expected);
        assert_eq!(capabilities(gateway.pid()).each_ref(), [&none; 5]);
        kill_process(withholder, Signal::KILL).unwrap();
        gateway.wait_for("packets are not withheld from the machine's own network stack any more");
        assert!(hears(&network, Version::Ipv4));
        assert!(gateway.stop(Signal::INT).status.success());
    });
}

/// A gateway whose way to the client is a bond of one port.
const BONDED: &str = r#"[[interface]]
name = "lan"
device = "ga"

[[interface]]
name = "wan"
device = "gb"
addresses = ["192.0.2.1/24"]

[[bond]]
name = "bond0"
ports = "lan"
mode = "active-backup"
miimon = 20
addresses = ["10.0.0.1/24"]
"#;

/// Client and server, if there is a way to withhold packets.
fn network(test: &str) -> Option<Network> {
    can_withhold(&format!("withheld::{test}")).then(Network::new)
}

/// Whether there is a way to withhold packets; says that there is none. The loopback device of a new namespace has no addresses.
fn can_withhold(test: &str) -> bool {
    match Withheld::of("lo").look() {
        Extent::Both => true,
        Extent::Refused => {
            skip(test, "no nf_tables in the kernel");
            false
        }
        other @ (Extent::Ipv4 | Extent::Ipv6 | Extent::Neither | Extent::Port | Extent::Gone) => panic!("{other}"),
    }
}

/// A gateway that withholds all packets of its devices.
fn withholding(folder: &Folder) -> Gateway {
    let gateway = Gateway::start_with(folder, &["--withhold"]);
    assert_eq!(gateway.warnings, [""; 0]);
    gateway
}

/// The only process that it has started.
fn withholder_of(gateway: &Gateway) -> Pid {
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", gateway.process.id())).unwrap();
    Pid::from_raw(children.trim().parse().unwrap()).unwrap()
}

/// Whether there is such a device now.
fn is_made(words: &str) -> bool {
    Command::new("ip").args(["link", "add"]).args(words.split(' ')).output().is_ok_and(|output| output.status.success())
}

/// A version of IP.
#[derive(Clone, Copy)]
enum Version {
    Ipv4,
    Ipv6,
}

/// Whether the machine's own stack is given what goes through the gateway. Now and then a kernel says something to all on its link, which is for the
/// machine as well: it takes more than that.
fn hears(network: &Network, version: Version) -> bool {
    const DATAGRAMS: u64 = 100;
    let udp = |station: &Station, address: Ipv6Addr, port| match version {
        Version::Ipv4 => station.udp(port),
        Version::Ipv6 => station.namespace.within(|| UdpSocket::bind((address, port)).unwrap()),
    };
    let (client, server) = (udp(&network.client, ipv6::CLIENT, 4000), udp(&network.server, ipv6::SERVER, 4001));
    let to = server.local_addr().unwrap();
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    let before = received(version);
    for number in 0..DATAGRAMS {
        client.send_to(&number.to_be_bytes(), to).unwrap();
        let mut bytes = [0; 8];
        server.recv(&mut bytes).unwrap_or_else(|error| panic!("within {PATIENCE:?}: {error}"));
        assert_eq!(u64::from_be_bytes(bytes), number);
    }
    received(version) >= before + DATAGRAMS / 2
}

/// Whether the machine's own stack is given what is sent to a gateway that is there no more.
fn is_heard(network: &Network) -> bool {
    let (before, client) = (received(Version::Ipv4), network.client.udp(4000));
    let hears = |_| {
        client.send_to(b"for nobody", (SERVER, 4001)).unwrap();
        received(Version::Ipv4) > before
    };
    (0..1000).any(hears)
}

/// Packets that the kernel's own stack has been given in this namespace (proc_net_snmp: `InReceives`).
fn received(version: Version) -> u64 {
    match version {
        Version::Ipv4 => {
            let counters = fs::read_to_string("/proc/net/snmp").unwrap();
            let mut lines = counters.lines().filter_map(|line| line.strip_prefix("Ip: "));
            let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
            let place = names.split(' ').position(|name| name == "InReceives").unwrap();
            values.split(' ').nth(place).unwrap().parse().unwrap()
        }
        Version::Ipv6 => {
            let counters = fs::read_to_string("/proc/net/snmp6").unwrap();
            let count = counters.lines().find_map(|line| line.strip_prefix("Ip6InReceives")).unwrap();
            count.trim().parse().unwrap()
        }
    }
}

fn wait_until(holds: impl Fn() -> bool, what: &str) {
    assert!((0..1000).any(|_| holds()), "{what}");
}
