//! A bond over real devices: carriers come and go, and packets find their way.

use std::{net::Ipv4Addr, thread::sleep, time::Duration};

use rustix::process::Signal;
use towpath::af_packet::Ring;
use towpath_engine::{
    DeviceId, Frame,
    wire::{
        MacAddr,
        lacp::{Lacpdu, PortInfo, PortState, SLOW_PROTOCOLS},
    },
};

use crate::{
    link::{PATIENCE, Station, next_frame},
    namespace::{in_namespace, ip, quieten},
    running::{CLIENT, Folder, Gateway, question_wrong},
};

/// A gateway whose way to the client is a bond over `ga` and `gb`.
const CONFIG: &str = r#"[[interface]]
name = "p0"
device = "ga"

[[interface]]
name = "p1"
device = "gb"

[[bond]]
name = "bond0"
ports = ["p0", "p1"]
mode = "active-backup"
miimon = 20
num_grat_arp = 2
addresses = ["10.0.0.1/24"]

[[service]]
kind = "echo"
protocol = "udp"
"#;

#[test]
fn packets_go_by_the_other_device_when_the_active_one_loses_its_carrier() {
    in_namespace(|| {
        quieten();
        let client = Station::new("ga", CLIENT);
        ip(&format!("link add gb type veth peer name e1 netns {}", client.namespace.pid()));
        ip("link set gb up");
        client.namespace.ip("link set e1 up");
        let folder = Folder::with(CONFIG, &[]);
        let gateway = Gateway::start(&folder);
        let bond = || String::from_utf8(folder.towpath(&["bond", "bond0"]).stdout).unwrap();
        // The kernel tells of carriers when it comes to it.
        wait_for(bond, "Currently Active Slave: p0\nMII Status: up\n");
        wait_for(bond, "Slave Interface: p1\nMII Status: up\nSpeed: 10000 Mbps\nDuplex: full\n");
        let text = bond();
        assert!(text.starts_with("Ethernet Channel Bonding Driver: v"), "{text}");
        assert!(text.contains("Bonding Mode: fault-tolerance (active-backup)\n"), "{text}");
        echo(&client);

        let mut other = client.namespace.within(|| crate::link::open("e1", 9));
        client.namespace.ip("link set e0 down");
        wait_for(bond, "Currently Active Slave: p1\n");
        let told = next_frame(&mut other, |seen| seen.bytes[12..14] == [8, 6]);
        assert_eq!(
            (&told.bytes[..6], &told.bytes[28..32]),
            (&[0xff; 6][..], &[10, 0, 0, 1][..]),
            "neighbours are told"
        );
        drop(other);
        client.namespace.ip(&format!("addr del {CLIENT}/24 dev e0"));
        client.namespace.ip(&format!("addr add {CLIENT}/24 dev e1"));
        echo(&client);
        let text = bond();
        assert!(text.contains("Slave Interface: p0\nMII Status: down\n"), "{text}");
        assert!(text.contains("Link Failure Count: 1\n"), "{text}");

        client.namespace.ip("link set e1 down");
        wait_for(bond, "Currently Active Slave: None\nMII Status: down\n");
        client.namespace.ip("link set e1 up");
        wait_for(bond, "Currently Active Slave: p1\nMII Status: up\n");
        echo(&client);
        let error = question_wrong(&folder.towpath(&["bond", "bond1"]));
        assert!(error.contains("there is no bond 'bond1'"), "{error}");
        let said = gateway.last_words();
        assert!(said.contains("bond0: (slave p1): making interface the new active one"), "{said}");
    });
}

#[test]
fn a_device_without_a_carrier_is_none_from_the_start() {
    in_namespace(|| {
        quieten();
        let client = Station::new("ga", CLIENT);
        ip(&format!("link add gb type veth peer name e1 netns {}", client.namespace.pid()));
        ip("link set gb up");
        let config = CONFIG.replace(r#"["p0", "p1"]"#, r#"["p1", "p0"]"#);
        let folder = Folder::with(&config, &[]);
        let gateway = Gateway::start(&folder);
        let bond = || String::from_utf8(folder.towpath(&["bond"]).stdout).unwrap();
        // The kernel tells of the other one's carrier when it comes to it.
        wait_for(bond, "Currently Active Slave: p0\n");
        let text = bond();
        assert!(text.contains("Slave Interface: p1\nMII Status: down\n"), "{text}");
        assert!(!text.contains("Link Failure Count: 1"), "it has not failed: {text}");
        echo(&client);
        gateway.stop(Signal::INT);
    });
}

#[test]
fn lacpdus_leave_by_a_device_that_is_used_though_nobody_answers_them() {
    in_namespace(|| {
        quieten();
        let client = Station::new("ga", CLIENT);
        ip(&format!("link add gb type veth peer name e1 netns {}", client.namespace.pid()));
        ip("link set gb up");
        let config = CONFIG.replace("active-backup", "802.3ad").replace(r#"["p0", "p1"]"#, r#""p0""#);
        let folder = Folder::with(&config, &[]);
        let mut wire = client.namespace.within(|| crate::link::open("e0", 9));
        let gateway = Gateway::start(&folder);
        let seen = next_frame(&mut wire, |seen| seen.bytes[..6] == [1, 0x80, 0xc2, 0, 0, 2]);
        assert_eq!((seen.bytes.len(), &seen.bytes[12..16]), (124, &[0x88, 9, 1, 1][..]));
        drop(wire);
        let bond = || String::from_utf8(folder.towpath(&["bond", "bond0"]).stdout).unwrap();
        wait_for(bond, "\tNumber of ports: 1\n");
        assert!(bond().contains("\tPartner Mac Address: 00:00:00:00:00:00\n"), "{}", bond());
        echo(&client);
        gateway.stop(Signal::INT);
    });
}

#[test]
fn a_peer_that_speaks_lacp_comes_to_terms_with_the_gateway() {
    in_namespace(|| {
        quieten();
        let client = Station::new("ga", CLIENT);
        let config = CONFIG.replace("active-backup", "802.3ad").replace(r#"["p0", "p1"]"#, r#""p0""#);
        let config = config
            .replace("[[interface]]\nname = \"p1\"\ndevice = \"gb\"\n\n", "")
            .replace("num_grat_arp = 2", "lacp_rate = \"fast\"");
        let folder = Folder::with(&config, &[]);
        let mut wire = client.namespace.within(|| crate::link::open("e0", 9));
        let gateway = Gateway::start(&folder);
        let bond = || String::from_utf8(folder.towpath(&["bond", "bond0"]).stdout).unwrap();
        let peer = MacAddr([0x02, 0, 0, 0, 0x0a, 0xc9]);
        // It says of the gateway what that has said of itself, and that it passes everything.
        let (mut said, mut passes) = (0, false);
        while said < 100 && !passes {
            let seen =
                next_frame(&mut wire, |seen| seen.bytes.starts_with(&SLOW_PROTOCOLS.0) && seen.bytes[6..12] != peer.0);
            let heard = Lacpdu::parse(&seen.bytes[14..]).expect("an LACPDU");
            passes = heard.actor.state.has(PortState::DISTRIBUTING) && heard.partner.system == peer;
            let state = PortState::ACTIVITY
                | PortState::TIMEOUT
                | PortState::AGGREGATION
                | PortState::SYNCHRONIZATION
                | PortState::COLLECTING
                | PortState::DISTRIBUTING;
            let own = PortInfo {
                system_priority: 1.into(),
                system: peer,
                key: 77.into(),
                port_priority: 2.into(),
                port: 3.into(),
                state,
            };
            // Switches give frames of their own a priority, and so a tag.
            let head = [&SLOW_PROTOCOLS.0[..], &peer.0, &[0x81, 0, 0xe0, 0, 0x88, 9]].concat();
            let lacpdu = Lacpdu::new(own, heard.actor).emit();
            let frame = [&head[..], &lacpdu].concat();
            assert_eq!(wire.send(&[Frame::new(DeviceId(9), &frame)]), 1);
            said += 1;
        }
        assert!(passes, "{}", bond());
        let text = bond();
        for part in [
            "\tPartner Mac Address: 02:00:00:00:0a:c9\n",
            "\tPartner Key: 77\n",
            "    system priority: 1\n",
            "    port state: 63\n",
            "MII Status: up\n",
        ] {
            assert!(text.contains(part), "no '{part}' in {text}");
        }
        drop(wire);
        echo(&client);
        gateway.stop(Signal::INT);
    });
}

/// Something goes to the gateway and comes back.
fn echo(client: &Station) {
    let socket = client.udp(4000);
    socket.send_to(b"hello", (Ipv4Addr::new(10, 0, 0, 1), 7)).unwrap();
    let mut bytes = [0; 100];
    let (len, _) = socket.recv_from(&mut bytes).unwrap_or_else(|error| panic!("within {PATIENCE:?}: {error}"));
    assert_eq!(bytes[..len], *b"hello");
}

/// Waits until a text holds a part.
fn wait_for(text: impl Fn() -> String, part: &str) {
    let look = Duration::from_millis(20);
    for _ in 0..PATIENCE.as_millis() / look.as_millis() {
        if text().contains(part) {
            return;
        }
        sleep(look);
    }
    panic!("no '{part}' in:\n{}", text());
}
