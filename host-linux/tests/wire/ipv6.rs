//! Real IPv6 through a running gateway, between two kernels that find it, and that it finds, by neighbour discovery.

use std::{
    fs,
    io::{BufRead, BufReader, ErrorKind, Write},
    net::{IpAddr, Ipv6Addr, TcpListener},
    process::{Command, Output, Stdio},
    thread::{self, JoinHandle},
    time::Duration,
};

use towpath_engine::wire::{MacAddr, ipv6::link_local};

use crate::{
    link::Station,
    namespace::in_namespace,
    running::{Folder, Gateway, Network},
    skip::skip,
};

pub(crate) const CONFIG: &str = r#"[[interface]]
name = "lan"
device = "ga"
addresses = ["2001:db8:1::1/64"]

[[interface]]
name = "wan"
device = "gb"
addresses = ["2001:db8:2::1/64"]

[rules]
v6 = "rules.v6"
"#;

/// Neighbour discovery needs no rule: it passes INPUT and OUTPUT, whose policies accept.
const RULES: &str = "*nat
-A POSTROUTING -o wan -j MASQUERADE
COMMIT
*filter
:FORWARD DROP [0:0]
-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A FORWARD -i lan -o wan -p tcp --dport 80 -j ACCEPT
-A FORWARD -i lan -o wan -p ipv6-icmp -m icmp6 --icmpv6-type echo-request -j ACCEPT
COMMIT
";

#[test]
fn a_file_comes_through_an_ipv6_masquerade() {
    in_namespace(|| {
        let Some(network) = network_with("ipv6::a_file_comes_through_an_ipv6_masquerade", "curl") else { return };
        let folder = folder();
        let gateway = Gateway::start(&folder);
        // The server knows no way to the client: what does not come from the gateway's own address it cannot answer.
        network.server.namespace.ip("-6 route del default");
        let server = Server::start(&network.server);
        let url = format!("http://[{SERVER}]/file.bin");
        let output = run(&network.client, "curl", &["-6", "--silent", "--show-error", "--max-time", "30", &url]);
        assert!(output.status.success(), "{output:?}");
        assert!(output.stdout == file(), "{} bytes are not the file", output.stdout.len());
        assert_eq!(server.asked_by(), IpAddr::from(GATEWAY_WAN));
        let listing = folder.towpath(&["conntrack", "-L"]);
        let listing = String::from_utf8(listing.stdout).unwrap();
        let [line] = listing.lines().collect::<Vec<_>>()[..] else { panic!("one connection, not:\n{listing}") };
        assert!(line.starts_with("tcp      6 "), "{line}");
        assert!(line.contains(&format!(" src={CLIENT} dst={SERVER} sport=")), "{line}");
        assert!(line.contains(&format!(" src={SERVER} dst={GATEWAY_WAN} sport=80 ")), "{line}");
        assert_eq!(gateway.last_words(), "");
    });
}

#[test]
fn an_ipv6_gateway_is_pinged_and_pinged_through() {
    in_namespace(|| {
        let Some(network) = network_with("ipv6::an_ipv6_gateway_is_pinged_and_pinged_through", "ping") else { return };
        let folder = folder();
        let gateway = Gateway::start(&folder);
        let near = link_local(mac_of("ga"));
        let large = ["-s", "1400"].as_slice();
        for (target, more) in [
            (GATEWAY_LAN.to_string(), [].as_slice()),
            (GATEWAY_WAN.to_string(), &[]),
            (SERVER.to_string(), &[]),
            (SERVER.to_string(), large),
            (format!("{near}%e0"), &[]),
            ("ff02::2%e0".to_owned(), &[]),
        ] {
            let output = ping(&network.client, &target, more);
            assert!(output.status.success(), "{target}: {output:?}");
            assert!(String::from_utf8_lossy(&output.stdout).contains(" 2 received,"), "{target}: {output:?}");
        }
        // From outside nothing is new that may come in.
        assert!(!ping(&network.server, &CLIENT.to_string(), &["-W", "1"]).status.success());
        let listing = String::from_utf8(folder.towpath(&["conntrack", "-L"]).stdout).unwrap();
        let through = format!(" src={SERVER} dst={GATEWAY_WAN} type=129 code=0 ");
        assert_eq!(listing.matches(&through).count(), 2, "{listing}");
        assert_eq!(gateway.last_words(), "");
    });
}

#[test]
fn the_kernels_probes_of_a_gateway_are_answered() {
    in_namespace(|| {
        let Some(network) = network_with("ipv6::the_kernels_probes_of_a_gateway_are_answered", "ping") else { return };
        let gateway = Gateway::start(&folder());
        let mac = mac_of("ga");
        let near = link_local(mac);
        for address in [GATEWAY_LAN, near] {
            // Entered by hand, and at once to be proved: the kernel asks in person, of its link-local address.
            network.client.namespace.ip(&format!("-6 neigh replace {address} lladdr {mac} dev e0 nud probe"));
            wait_for_neighbour(&network.client, address, &format!("lladdr {mac} router REACHABLE"));
        }
        // And where nothing is known, everybody.
        network.client.namespace.ip(&format!("-6 neigh del {near} dev e0"));
        assert!(ping(&network.client, &format!("{near}%e0"), &[]).status.success());
        wait_for_neighbour(&network.client, near, &format!("lladdr {mac} router REACHABLE"));
        assert_eq!(gateway.last_words(), "");
    });
}

/// Client and server with IPv6; says what is missing for the test when that cannot be.
fn network_with(test: &str, program: &str) -> Option<Network> {
    if Command::new(program).arg("-V").output().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        skip(test, &format!("{program} is not installed"));
        return None;
    }
    network(test)
}

/// Client and server with IPv6, unless the kernel has none.
pub(crate) fn network(test: &str) -> Option<Network> {
    if fs::metadata("/proc/sys/net/ipv6").is_err() {
        skip(test, "the kernel has no IPv6");
        return None;
    }
    let network = Network::new();
    speak(&network.client, CLIENT, GATEWAY_LAN);
    speak(&network.server, SERVER, GATEWAY_WAN);
    Some(network)
}

/// Lets a station speak IPv6, with a link-local address that it may use at once.
fn speak(station: &Station, address: Ipv6Addr, gateway: Ipv6Addr) {
    station.namespace.within(|| {
        fs::write("/proc/sys/net/ipv6/conf/e0/accept_dad", "0").unwrap();
        for device in ["e0", "lo"] {
            fs::write(format!("/proc/sys/net/ipv6/conf/{device}/disable_ipv6"), "0").unwrap();
        }
    });
    station.namespace.ip(&format!("-6 addr add {address}/64 dev e0 nodad"));
    station.namespace.ip(&format!("-6 route add default via {gateway} dev e0"));
}

fn folder() -> Folder {
    Folder::with(CONFIG, &[("rules.v6", RULES.as_bytes())])
}

/// The Ethernet address of a device of the test's own namespace.
fn mac_of(device: &str) -> MacAddr {
    let output = Command::new("ip").args(["-brief", "link", "show", device]).output().unwrap();
    // `ga@if2  UP  02:00:00:00:00:01 <…>`
    let line = String::from_utf8(output.stdout).unwrap();
    let octets: Vec<u8> = line.split_whitespace().nth(2).unwrap().split(':').map(octet).collect();
    MacAddr(octets.try_into().unwrap())
}

fn octet(hex: &str) -> u8 {
    u8::from_str_radix(hex, 16).unwrap()
}

fn wait_for_neighbour(station: &Station, address: Ipv6Addr, wanted: &str) {
    let mut line = String::new();
    for _ in 0..200 {
        let output = run(station, "ip", &["-6", "neigh", "show", &address.to_string(), "dev", "e0"]);
        line = String::from_utf8(output.stdout).unwrap();
        if line.trim_end().ends_with(wanted) {
            return;
        }
        thread::sleep(Duration::from_millis(25));
    }
    panic!("{wanted} is not said of {address}: {line}");
}

/// Pings twice.
fn ping(station: &Station, target: &str, more: &[&str]) -> Output {
    run(station, "ping", &[&["-6", "-n", "-c", "2", "-i", "0.2", "-W", "10"], more, &[target]].concat())
}

fn run(station: &Station, program: &str, words: &[&str]) -> Output {
    let mut command = Command::new(program);
    // Nobody's settings.
    command.args(words).stdin(Stdio::null()).env("HOME", "/");
    station.namespace.within(|| command.output().unwrap())
}

/// A server that answers one request over HTTP with a file.
struct Server(JoinHandle<IpAddr>);

impl Server {
    fn start(station: &Station) -> Self {
        let listener = station.namespace.within(|| TcpListener::bind((SERVER, 80)).unwrap());
        Self(thread::spawn(move || {
            let (mut stream, peer) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            assert!(lines.map(Result::unwrap).any(|line| line.is_empty()), "a request ends with an empty line");
            let file = file();
            write!(stream, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", file.len()).unwrap();
            stream.write_all(&file).unwrap();
            peer.ip()
        }))
    }

    /// Who has asked.
    fn asked_by(self) -> IpAddr {
        self.0.join().unwrap()
    }
}

fn file() -> Vec<u8> {
    (0..3_000_000u64).map(|at| (at * at % 251) as u8).collect()
}

pub(crate) const CLIENT: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 2);
pub(crate) const SERVER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 2);
pub(crate) const GATEWAY_LAN: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1);
pub(crate) const GATEWAY_WAN: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 1);
