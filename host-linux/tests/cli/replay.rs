use std::{
    fs,
    io::Read,
    process::{Command, Stdio},
};

use crate::{
    program::{MASQUERADE, Place, captures, router, towpath},
    skip::skip,
};

#[test]
fn without_a_gateway_connections_are_listed_and_counted() {
    let told = towpath("replay @http-short.pcap").fine();
    assert!(told.contains("192.168.1.10:"), "{told}");
    assert!(told.contains("> 198.51.100.7:80 tcp"), "{told}");
    assert!(told.contains("18 packets in "), "{told}");
    assert!(!told.contains("tcp S seq"), "no line a packet:\n{told}");
}

#[cfg(shipped_helpers)]
#[test]
fn helpers_run_where_a_process_may_have_a_gigabyte_of_addresses() {
    let place = Place::new(&[]);
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -v 1000000 && exec \"$0\" replay \"$1\"", env!("CARGO_BIN_EXE_towpath")]);
    let said = shell.arg(captures().join("ping.pcap")).env("XDG_CACHE_HOME", place.path("cache")).output();
    let said = said.expect("there is a shell");
    assert_eq!(said.status.code(), Some(0), "{}", String::from_utf8_lossy(&said.stderr));
}

#[cfg(shipped_helpers)]
#[test]
fn without_a_gateway_it_is_told_what_helpers_would_have_expected() {
    let told = towpath("replay @ftp-port-inside.pcap").fine();
    assert!(told.contains("helper ftp"), "{told}");
    assert!(told.contains("ftp expects 198.51.100.7:any > 192.168.1.10:"), "{told}");
    assert!(told.contains("announced by 192.168.1.10:"), "{told}");
}

#[test]
fn with_a_gateway_each_packet_has_a_line_with_what_became_of_it_and_why() {
    let told = router(MASQUERADE).towpath("replay @http-nat.pcapng -c gateway.toml").fine();
    let first = told.lines().find(|line| line.contains(" tcp S ")).expect(&told);
    assert!(first.ends_with("NEW  DROPPED_FORWARD FilterPolicy"), "{first}");
}

#[test]
fn bonds_are_shown_as_they_are_at_the_end_of_a_capture() {
    let config = "[[interface]]\nname='p0'\n[[interface]]\nname='p1'\n[[bond]]\nname='bond0'\nports=['p0','p1']\n\
                  mode='balance-xor'\nxmit_hash_policy='layer3+4'\nmiimon=100\naddresses=['192.168.1.1/24']\n";
    let place = Place::new(&[("gateway.toml", config)]);
    let told = place.towpath("replay @ping.pcap -c gateway.toml --show bonds").fine();
    let expected = "Bonding Mode: load balancing (xor)\nTransmit Hash Policy: layer3+4 (1)\nMII Status: up\n";
    assert!(told.starts_with("Ethernet Channel Bonding Driver: v") && told.contains(expected), "{told}");
    assert_eq!(told.matches("\nSlave Interface: p").count(), 2, "{told}");
    assert!(!told.contains(" packets in "), "only what is asked for: {told}");
}

#[test]
fn links_of_a_bond_with_lacp_have_waited_for_their_delay_before_a_capture_begins() {
    let config = "[[interface]]\nname='p0'\n[[interface]]\nname='p1'\n[[bond]]\nname='bond0'\nports=['p0','p1']\n\
                  mode='802.3ad'\nupdelay=60000\naddresses=['192.168.1.1/24']\n";
    let place = Place::new(&[("gateway.toml", config)]);
    let told = place.towpath("replay @ping.pcap -c gateway.toml --show bonds").fine();
    assert!(told.contains("Up Delay (ms): 60000\n"), "{told}");
    for port in ["p0", "p1"] {
        assert!(told.contains(&format!("\nSlave Interface: {port}\nMII Status: up\n")), "{told}");
    }
    assert!(told.contains("\tNumber of ports: 1\n"), "nobody has answered: {told}");
}

#[test]
fn rules_on_the_command_line_stand_in_place_of_those_of_the_configuration() {
    let place = router("-P FORWARD DROP\n");
    fs::write(place.path("open.v4"), "-P FORWARD ACCEPT\n").expect("a file can be written");
    let count = |words: &str| place.towpath(words).fine().matches(" FORWARDED\n").count();
    assert_eq!(count("replay @ping.pcap -c gateway.toml"), 0);
    assert!(count("replay @ping.pcap -c gateway.toml -r open.v4") > 5);
}

#[test]
fn rules_without_a_configuration_that_name_other_interfaces_are_told() {
    let place = Place::new(&[("rules.v4", "-A FORWARD -i eth0 -j ACCEPT\n-A FORWARD -i inside -j ACCEPT\n")]);
    let said = place.towpath("replay @ping.pcap -r rules.v4 --show counts");
    assert_eq!(said.code, Some(0));
    assert!(
        said.err.starts_with("towpath: warning: rules.v4:1: there is no interface 'eth0', only inside"),
        "{}",
        said.err
    );
    assert_eq!(said.err.lines().count(), 1, "{}", said.err);
}

#[test]
fn json_is_a_head_and_then_an_object_a_packet() {
    let lines = router(MASQUERADE).towpath("replay @ping-nat.pcapng -c gateway.toml --json").json();
    assert_eq!(lines[0]["schema"], "towpath.record/1");
    assert_eq!(lines.len(), 17);
    assert_eq!(lines[16]["n"], 16);
    assert!(lines[1..].iter().any(|line| line["verdict"] == "FORWARDED" && line["out"][0]["dev"] == "outside"));
    assert!(lines[1]["out"].as_array().expect("out").iter().all(|out| out.get("hex").is_none()));
}

#[test]
fn a_capture_on_standard_input_gives_the_same() {
    let place = router(MASQUERADE);
    let from_file = place.towpath("replay @ftp-pasv-nat.pcapng -c gateway.toml --json").fine();
    let from_pipe = place.towpath_from("ftp-pasv-nat.pcapng", "replay - -c gateway.toml --json").fine();
    assert_eq!(from_file, from_pipe);
}

#[test]
fn a_replay_stops_after_the_packet_that_is_named() {
    let lines = towpath("replay @http-short.pcap --json --until 5").json();
    assert_eq!(lines.len(), 6);
    assert_eq!(lines[5]["n"], 5);
}

#[test]
fn only_what_is_asked_for_is_shown() {
    let counts = towpath("replay @http-short.pcap --show counts").fine();
    assert!(counts.starts_with("18 packets in "), "{counts}");
    let packets = towpath("replay @http-short.pcap --show packets").fine();
    assert_eq!(packets.lines().count(), 18);
}

#[test]
fn checksums_that_a_card_had_yet_to_fill_in_are_wrong_only_when_they_are_verified() {
    let invalid = |how: &str| {
        let told = towpath(&format!("replay @offload-sender.pcap --show packets --checksums {how}")).fine();
        told.matches("  INVALID  ").count()
    };
    assert_eq!((invalid("auto"), invalid("trust")), (0, 0));
    assert!(invalid("verify") > 0);
}

#[test]
fn what_was_written_shows_verdicts_in_tshark_and_replays_to_the_same_verdicts() {
    let place = router(MASQUERADE);
    let told = place.towpath("replay @unasked.pcapng -c gateway.toml -w out.pcapng --show packets").fine();
    let output = Command::new("tshark")
        .args(["-r", "out.pcapng", "-T", "fields", "-e", "frame.interface_name", "-e", "frame.comment"])
        .current_dir(place.path(""))
        .output();
    let Ok(output) = output else {
        return skip(
            "replay::what_was_written_shows_verdicts_in_tshark_and_replays_to_the_same_verdicts",
            "there is no tshark",
        );
    };
    let shown = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(shown.contains("outside\tpacket 3: DROPPED_FORWARD FilterPolicy, NEW\n"), "{shown}\n{told}");
    let again = place.towpath("replay out.pcapng -c gateway.toml --show counts").fine();
    let dropped = |text: &str| text.matches("DROPPED_FORWARD").count();
    assert!(dropped(&told) > 0 && again.contains("DROPPED_FORWARD"), "{again}");
}

#[test]
fn nobody_is_blamed_when_a_reader_has_read_enough() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_towpath"))
        .args(["replay", "--json", "--hex"])
        .arg(captures().join("ftp-dnat.pcapng"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program can be started");
    let mut start = [0; 10];
    child.stdout.take().expect("standard output").read_exact(&mut start).expect("some output");
    let ended = child.wait_with_output().expect("the program ends");
    assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn there_is_no_colour_where_no_terminal_is() {
    assert!(!router(MASQUERADE).towpath("replay @unasked.pcapng -c gateway.toml").fine().contains('\x1b'));
}

#[test]
fn every_capture_of_this_repository_is_replayed_to_its_end() {
    for entry in fs::read_dir(captures()).expect("the folder") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name of our own");
        if name.contains(".pcap") && name != "http-cut.pcap" {
            towpath(&format!("replay @{name}")).fine();
        }
    }
}
