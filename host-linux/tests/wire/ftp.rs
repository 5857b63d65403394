//! Real FTP through a running gateway, with the component that the program brings along: vsftpd, asked by curl and by lftp, over
//! both families, on either side of NAT.

use std::net::{IpAddr, Ipv4Addr};

use towpath::control::{Client, Reply, Request, Topic};
use towpath_engine::Change;

use crate::{
    ftp_server::{CURL, FtpServer, LFTP},
    ipv6,
    namespace::{Namespace, in_namespace},
    needs::lacks,
    running::{CLIENT, CONFIG, Folder, Gateway, Network, SERVER},
};

/// Only control connections may be opened: data connections pass because the helper has made them RELATED.
const MASQUERADE: &str = "*raw
-A PREROUTING -i lan -p tcp --dport 21 -j CT --helper ftp
COMMIT
*nat
-A POSTROUTING -o wan -j MASQUERADE
COMMIT
*filter
:FORWARD DROP [0:0]
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i lan -o wan -p tcp --dport 21 -j ACCEPT
COMMIT
";

const PORT_FORWARDING: &str = "*nat
-A PREROUTING -i wan -d 192.0.2.1 -p tcp --dport 21 -j DNAT --to-destination 10.0.0.2
COMMIT
*filter
:FORWARD DROP [0:0]
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i wan -o lan -p tcp --dport 21 -j ACCEPT
COMMIT
";

#[test]
fn files_go_both_ways_through_masquerade() {
    in_namespace(|| {
        if lacks("ftp::files_go_both_ways_through_masquerade", &PROGRAMS) {
            return;
        }
        let network = Network::new();
        // The helper is attached by a rule alone.
        let folder = gateway("ports = []", MASQUERADE);
        let gateway = Gateway::start(&folder);
        // The server knows no way to the client: what does not come from the gateway's own address it cannot answer.
        network.server.namespace.ip("route del default");
        let server = FtpServer::start(&network.server, SERVER.into());
        exchange_all(&folder, &server, &network.client.namespace, SERVER.into());
        let listing = String::from_utf8(folder.towpath(&["conntrack", "-L"]).stdout).unwrap();
        assert_eq!(listing.matches(" helper=ftp ").count(), MODES, "{listing}");
        assert_eq!(listing.matches("src=192.0.2.2 dst=192.0.2.1 sport=21 ").count(), MODES, "{listing}");
        assert!(listing.contains(" src=192.0.2.2 dst=192.0.2.1 sport=20 "), "{listing}");
        assert_eq!(gateway.last_words(), "");
    });
}

#[test]
fn files_go_both_ways_to_a_server_inside() {
    in_namespace(|| {
        if lacks("ftp::files_go_both_ways_to_a_server_inside", &PROGRAMS) {
            return;
        }
        let network = Network::new();
        // The helper is attached to its own port.
        let folder = gateway("", PORT_FORWARDING);
        let gateway = Gateway::start(&folder);
        // Who is outside knows the gateway alone.
        network.server.namespace.ip("route del default");
        let server = FtpServer::start(&network.client, CLIENT.into());
        exchange_all(&folder, &server, &network.server.namespace, Ipv4Addr::new(192, 0, 2, 1).into());
        let listing = String::from_utf8(folder.towpath(&["conntrack", "-L"]).stdout).unwrap();
        assert_eq!(listing.matches(" src=10.0.0.2 dst=192.0.2.2 sport=21 ").count(), MODES, "{listing}");
        assert_eq!(gateway.last_words(), "");
    });
}

#[test]
fn files_go_both_ways_through_an_ipv6_masquerade() {
    in_namespace(|| {
        let test = "ftp::files_go_both_ways_through_an_ipv6_masquerade";
        let Some(network) = network_v6(test) else { return };
        let folder = gateway_v6("ports = []", MASQUERADE);
        let gateway = Gateway::start(&folder);
        network.server.namespace.ip("-6 route del default");
        let server = FtpServer::start(&network.server, ipv6::SERVER.into());
        exchange_all(&folder, &server, &network.client.namespace, ipv6::SERVER.into());
        let listing = String::from_utf8(folder.towpath(&["conntrack", "-L"]).stdout).unwrap();
        let answers = format!("src={} dst={} sport=21 ", ipv6::SERVER, ipv6::GATEWAY_WAN);
        assert_eq!(listing.matches(&answers).count(), MODES, "{listing}");
        assert_eq!(gateway.last_words(), "");
    });
}

#[test]
fn files_go_both_ways_to_an_ipv6_server_inside() {
    in_namespace(|| {
        let test = "ftp::files_go_both_ways_to_an_ipv6_server_inside";
        let Some(network) = network_v6(test) else { return };
        let rules = PORT_FORWARDING.replace("192.0.2.1", &ipv6::GATEWAY_WAN.to_string());
        let folder = gateway_v6("", &rules.replace("10.0.0.2", &ipv6::CLIENT.to_string()));
        let gateway = Gateway::start(&folder);
        network.server.namespace.ip("-6 route del default");
        let server = FtpServer::start(&network.client, ipv6::CLIENT.into());
        exchange_all(&folder, &server, &network.server.namespace, ipv6::GATEWAY_WAN.into());
        let listing = String::from_utf8(folder.towpath(&["conntrack", "-L"]).stdout).unwrap();
        let answers = format!("src={} dst={} sport=21 ", ipv6::CLIENT, ipv6::SERVER);
        assert_eq!(listing.matches(&answers).count(), MODES, "{listing}");
        assert_eq!(gateway.last_words(), "");
    });
}

#[test]
fn a_helper_that_its_operator_forbids_to_rewrite_is_held_to_it() {
    in_namespace(|| {
        if lacks("ftp::a_helper_that_its_operator_forbids_to_rewrite_is_held_to_it", &PROGRAMS) {
            return;
        }
        let network = Network::new();
        let folder = gateway("rewrite_bytes = 0", MASQUERADE);
        let gateway = Gateway::start(&folder);
        let server = FtpServer::start(&network.server, SERVER.into());
        let output = server.curl(&network.client.namespace, SERVER.into(), &["-P", "-", "--max-time", "2"]);
        assert!(!output.status.success(), "{output:?}");
        let words = gateway.last_words();
        assert!(words.contains("helper ftp: may not rewrite a payload (connection 10.0.0.2:"), "{words}");
    });
}

const PROGRAMS: [&str; 3] = ["vsftpd", "curl", "lftp"];

/// Each makes a control connection of its own.
const MODES: usize = CURL.len() + LFTP.len();

/// Downloads and uploads a file in all modes; each data connection must have been expected, and come.
fn exchange_all(folder: &Folder, server: &FtpServer, from: &Namespace, address: IpAddr) {
    let mut expectations = watch(folder);
    CURL.iter().for_each(|mode| server.exchange_with_curl(from, address, mode));
    LFTP.iter().for_each(|mode| server.exchange_with_lftp(from, address, mode));
    // A download and an upload each.
    let data = 2 * MODES;
    assert_eq!(happened(&mut expectations, 2 * data), [data, data]);
}

/// Client and server that speak IPv6; says what is missing for the test when that cannot be.
fn network_v6(test: &str) -> Option<Network> {
    if lacks(test, &PROGRAMS) {
        return None;
    }
    ipv6::network(test)
}

fn gateway_v6(helper: &str, rules: &str) -> Folder {
    let config = format!("{}\n[[helper]]\nname = \"ftp\"\n{helper}\n", ipv6::CONFIG);
    Folder::with(&config, &[("rules.v6", rules.as_bytes())])
}

fn gateway(helper: &str, rules: &str) -> Folder {
    let config = format!("{CONFIG}\n[rules]\nv4 = \"rules.v4\"\n\n[[helper]]\nname = \"ftp\"\n{helper}\n");
    Folder::with(&config, &[("rules.v4", rules.as_bytes())])
}

/// Watches expectations; who is answered now sees all that happens from here on.
fn watch(folder: &Folder) -> Client {
    let watcher = Client::ask(&folder.socket(), Request::Watch(Topic::Expectations)).unwrap();
    Client::ask(&folder.socket(), Request::Stats).unwrap().next_reply().unwrap().unwrap();
    watcher
}

/// How many of the next events are new expectations, and how many are gone ones.
fn happened(watcher: &mut Client, events: usize) -> [usize; 2] {
    let mut counts = [0, 0];
    for _ in 0..events {
        let reply = watcher.next_reply().unwrap().unwrap();
        let Reply::ExpectationEvent(_, change, _) = reply else { panic!("{reply:?}") };
        match change {
            Change::New => counts[0] += 1,
            Change::Destroy => counts[1] += 1,
            Change::Update => panic!("expectations do not change"),
        }
    }
    counts
}
