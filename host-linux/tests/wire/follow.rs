//! What becomes of a running gateway's devices: another MTU, other features, a new one of the same name; and another gateway.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    thread,
    time::Duration,
};

use rustix::{
    net::sockopt::{Timeout, set_socket_timeout},
    process::{Signal, kill_process},
};

use crate::{
    link::PATIENCE,
    namespace::{in_namespace, ip},
    running::{CLIENT, CONFIG, Folder, Gateway, Network, SERVER, question_wrong},
    skip::skip,
};

#[test]
fn a_sender_learns_that_a_link_of_a_running_gateway_takes_smaller_packets_than_before() {
    in_namespace(|| {
        let network = Network::new();
        let mut gateway = Gateway::start(&network.folder());
        network.exchange(b"before");
        ip("link set gb mtu 1000");
        gateway.wait_for("device wan: sends packets of up to 1000 bytes from now on");
        let (client, server) = (network.client.udp(5000), network.server.udp(5001));
        set_socket_timeout(&server, Timeout::Recv, Some(Duration::from_millis(100))).unwrap();
        let arrives = |_| {
            // The kernel says so in place of sending, once it knows.
            let _ = client.send_to(&[7; 1300], (SERVER, 5001));
            server.recv_from(&mut [0; 1400]).is_ok_and(|(len, _)| len == 1300)
        };
        assert!((0..50).any(arrives), "cut by the sender, who has been told");
        gateway.stop(Signal::INT);
    });
}

#[test]
fn who_asks_for_larger_packets_than_the_device_carries_is_told() {
    in_namespace(|| {
        let _network = Network::new();
        let asked = CONFIG.replacen("device = \"gb\"", "device = \"gb\"\nmtu = 9000", 1);
        let gateway = Gateway::start(&Folder::with(&asked, &[]));
        let [warning] = &gateway.warnings[..] else { panic!("{:?}", gateway.warnings) };
        assert!(
            warning.contains("gateway.toml:8: mtu = 9000 is more than device gb carries, so it is 1500"),
            "{warning}"
        );
        gateway.stop(Signal::INT);
    });
}

#[test]
fn a_gateway_goes_on_with_a_device_that_is_made_anew_under_its_name() {
    in_namespace(|| {
        let network = Network::new();
        let server = &network.server.namespace;
        let mut gateway = Gateway::start(&network.folder());
        network.exchange(b"before");
        ip("link del gb");
        gateway.wait_for("device wan: there is no device gb any more");
        ip(&format!("link add gb type veth peer name e0 netns {}", server.pid()));
        ip("link set gb up");
        server.ip("addr add 192.0.2.2/24 dev e0");
        server.ip("link set e0 up");
        server.ip("route add default via 192.0.2.1");
        gateway.wait_for("device wan: there is a new device of its name");
        network.exchange_soon(b"after");
        gateway.stop(Signal::INT);
    });
}

#[test]
fn a_neighbour_is_asked_anew_when_its_link_comes_back() {
    in_namespace(|| {
        let network = Network::new();
        let gateway = Gateway::start(&network.folder());
        network.exchange(b"before");
        another_server(&network);
        network.exchange_soon(b"after");
        gateway.stop(Signal::INT);
    });
}

#[test]
fn a_neighbour_is_asked_anew_when_its_link_has_been_away_with_nobody_looking() {
    in_namespace(|| {
        let network = Network::new();
        let gateway = Gateway::start(&network.folder());
        network.exchange(b"before");
        kill_process(gateway.pid(), Signal::STOP).unwrap();
        another_server(&network);
        kill_process(gateway.pid(), Signal::CONT).unwrap();
        network.exchange_soon(b"after");
        gateway.stop(Signal::INT);
    });
}

/// Another machine with the server's IP address takes its place at the cable.
fn another_server(network: &Network) {
    let server = &network.server.namespace;
    server.ip("link set e0 down");
    server.ip("link set e0 address 02:00:00:00:00:22");
    server.ip("link set e0 up");
    server.ip("route add default via 192.0.2.1");
}

#[test]
fn a_device_that_cuts_no_segments_any_more_loses_none() {
    in_namespace(|| {
        let switch = |on: &str| Command::new("ethtool").args(["-K", "ga", "tso", on]).output();
        if !switch("on").is_ok_and(|_| Command::new("ethtool").arg("--version").output().is_ok()) {
            return skip("follow::a_device_that_cuts_no_segments_any_more_loses_none", "ethtool is not installed");
        }
        let network = Network::new();
        let folder = network.folder();
        let mut gateway = Gateway::start(&folder);
        let features = || String::from_utf8(folder.towpath(&["ethtool", "-k", "lan"]).stdout).unwrap();
        assert!(features().contains("tcp-segmentation-offload: on\n"));
        assert!(switch("off").unwrap().status.success());
        gateway.wait_for("device lan: as its device has it: tx-tcp-segmentation off, ");
        assert!(features().contains("tcp-segmentation-offload: off\n"), "{}", features());
        download(&network);
        // Even when the gateway is made to believe otherwise.
        assert!(folder.towpath(&["ethtool", "-K", "lan", "tso", "on"]).status.success());
        download(&network);
        assert!(switch("on").unwrap().status.success());
        gateway.wait_for("device lan: as its device has it: tx-tcp-segmentation on, ");
        download(&network);
        let report = String::from_utf8(gateway.stop(Signal::INT).stdout).unwrap();
        assert!(!report.contains("TransmitQueueFull"), "{report}");
    });
}

/// The client reads some megabytes from the server; what is lost costs a fifth of a second or more.
fn download(network: &Network) {
    const BYTES: usize = 4 << 20;
    let listener = network.server.namespace.within(|| TcpListener::bind((SERVER, 80)).unwrap());
    let serving = thread::spawn(move || listener.accept().unwrap().0.write_all(&vec![7; BYTES]));
    let mut stream = network.client.namespace.within(|| TcpStream::connect((SERVER, 80)).unwrap());
    assert_eq!(stream.local_addr().unwrap().ip(), CLIENT);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let (mut got, mut bytes) = (0, vec![0; 1 << 16]);
    while got < BYTES {
        got += stream.read(&mut bytes).unwrap_or_else(|error| panic!("after {got} bytes: {error}"));
    }
    serving.join().unwrap().unwrap();
}

#[test]
fn a_second_gateway_on_a_device_is_refused_and_told_who_is_there() {
    in_namespace(|| {
        let network = Network::new();
        let gateway = Gateway::start(&network.folder());
        let other = Folder::new();
        let said = question_wrong(&other.towpath(&["run", "-c", other.config_name()]));
        let there = format!(":3:10: device ga: another gateway is on it, process {} (`", gateway.process.id());
        assert!(said.contains(&there), "{said}");
        network.exchange(b"only once");
        gateway.stop(Signal::INT);
        Gateway::start(&other).stop(Signal::INT);
    });
}
