//! What a user gets wrong: one clear line that says where, and exit code 2.

use std::{fs, process::Command, thread};

use crate::{
    program::{Place, captures, router, towpath},
    skip::skip,
};

#[test]
fn a_file_that_is_not_there_is_named() {
    let place = Place::new(&[]);
    assert_eq!(place.towpath("replay none.pcap").wrong(), "towpath: none.pcap: No such file or directory (os error 2)");
    assert_eq!(
        place.towpath("replay @ping.pcap -r none.v4").wrong(),
        "towpath: none.v4: No such file or directory (os error 2)"
    );
    assert_eq!(
        place.towpath("check -c none.toml").wrong(),
        "towpath: none.toml: No such file or directory (os error 2)"
    );
}

#[test]
fn a_folder_is_no_capture() {
    let said = Place::new(&[]).towpath("replay .").wrong();
    assert!(said.starts_with("towpath: .: ") && said.contains("Is a directory"), "{said}");
}

#[test]
fn what_is_no_capture_says_so() {
    let place =
        Place::new(&[("empty.pcap", ""), ("text.pcap", "This is a text, not a capture."), ("short.pcap", "ab")]);
    assert_eq!(place.towpath("replay empty.pcap").wrong(), "towpath: empty.pcap: the file is empty");
    assert_eq!(
        place.towpath("explain text.pcap -n 1").wrong(),
        "towpath: text.pcap: neither pcap nor pcapng: the file starts with 54 68 69 73"
    );
    assert!(place.towpath("replay short.pcap").wrong().starts_with("towpath: short.pcap: the capture is cut off"));
}

#[test]
fn a_cut_capture_is_replayed_up_to_the_cut_and_then_told() {
    let said = Place::new(&[]).towpath("replay @http-cut.pcap --show packets,counts");
    assert_eq!(said.code, Some(2));
    assert_eq!(said.out.matches("FORWARDED\n").count(), 9, "{}", said.out);
    assert!(said.out.contains("11 packets in "), "{}", said.out);
    assert!(said.err.contains("http-cut.pcap: packet 12, byte "), "{}", said.err);
    assert!(said.err.contains("the capture is cut off: the record has "), "{}", said.err);
}

#[test]
fn a_capture_that_is_cut_inside_its_header_is_told_as_that() {
    let whole = fs::read(captures().join("dns-nat.pcapng")).expect("the capture");
    let place = Place::new(&[]);
    fs::write(place.path("cut.pcapng"), &whole[..40]).expect("a file can be written");
    let said = place.towpath("replay cut.pcapng").wrong();
    assert_eq!(
        said,
        "towpath: cut.pcapng: the capture is cut off inside its header, which has 108 bytes: 40 are there"
    );
}

#[test]
fn every_cut_of_a_capture_ends_well_or_with_one_line() {
    let whole = fs::read(captures().join("dns-nat.pcapng")).expect("the capture");
    let place = Place::new(&[]);
    for length in (0..whole.len()).step_by(97) {
        fs::write(place.path("cut.pcapng"), &whole[..length]).expect("a file can be written");
        let said = place.towpath("replay cut.pcapng");
        if said.code != Some(0) {
            said.wrong();
        }
    }
}

#[test]
fn an_unknown_match_is_named_by_line_and_column_with_what_was_most_likely_meant() {
    let said = router("*filter\n-A FORWARD -m conntrak --ctstate NEW -j ACCEPT\nCOMMIT\n");
    assert_eq!(
        said.towpath("replay @ping.pcap -c gateway.toml").wrong(),
        "towpath: rules.v4:2:15: there is no match `conntrak`; did you mean `conntrack`?"
    );
}

#[test]
fn a_wrong_address_in_the_configuration_is_named_by_line_and_column() {
    let place = Place::new(&[("gateway.toml", "[[interface]]\nname = 'lan'\naddresses = ['10.0.0.300/24']\n")]);
    let said = place.towpath("check -c gateway.toml").wrong();
    assert!(said.starts_with("towpath: gateway.toml:3:14: "), "{said}");
    assert!(said.contains("10.0.0.300/24"), "{said}");
}

#[test]
fn an_address_that_linux_gives_no_interface_is_refused_where_it_stands() {
    for address in ["ff02::1/64", "::/0", "::/64", "ff00::/8"] {
        let config = format!("[[interface]]\nname = 'lan'\naddresses = ['10.0.0.1/24', '{address}']\n");
        let said = Place::new(&[("gateway.toml", &config)]).towpath("check -c gateway.toml").wrong();
        assert_eq!(
            said,
            format!(
                "towpath: gateway.toml:3:29: 'addresses' must be addresses of one host: no interface can have a multicast address of IPv6, nor ::, not \"{address}\""
            )
        );
    }
}

#[test]
fn a_rules_file_that_the_configuration_names_and_that_is_not_there_is_named_with_the_place_of_its_name() {
    let place = router("");
    fs::remove_file(place.path("rules.v4")).expect("the file is there");
    let said = place.towpath("replay @ping.pcap -c gateway.toml").wrong();
    assert!(said.starts_with("towpath: gateway.toml:") && said.contains("rules.v4: No such file"), "{said}");
}

#[test]
fn an_output_that_cannot_be_written_is_named() {
    let said = Place::new(&[]).towpath("replay @ping.pcap -w nowhere/out.pcapng").wrong();
    assert_eq!(said, "towpath: nowhere/out.pcapng: No such file or directory (os error 2)");
    let said = Place::new(&[]).towpath("replay @ping.pcap -w /dev/full").wrong();
    assert_eq!(said, "towpath: /dev/full: No space left on device (os error 28)");
}

#[test]
fn no_output_overwrites_what_is_read_nor_another_output() {
    let place = router("-P FORWARD DROP\n");
    let files = ["x.pcap", "y.pcap", "t.test.toml", "lab.toml"];
    fs::copy(captures().join("ping.pcap"), place.path("x.pcap")).expect("a copy");
    fs::hard_link(place.path("x.pcap"), place.path("y.pcap")).expect("a link");
    let tested = "gateway = 'gateway.toml'\n[[case]]\nname = 'a'\ncapture = 'x.pcap'\n[[case.expect]]\nn = 1\nverdict = 'forwarded'\n";
    fs::write(place.path("t.test.toml"), tested).expect("a file");
    fs::copy(captures().join("lab/syn-loss.toml"), place.path("lab.toml")).expect("a copy");
    let all = || files.map(|name| fs::read(place.path(name)).expect(name));
    let before = all();
    for (words, told) in [
        ("replay x.pcap -w x.pcap", "-w x.pcap would overwrite x.pcap, which is read"),
        ("replay x.pcap -w ./y.pcap", "-w ./y.pcap would overwrite x.pcap, which is read"),
        ("replay x.pcap --state-out x.pcap", "--state-out x.pcap would overwrite x.pcap, which is read"),
        ("replay x.pcap -r rules.v4 -w rules.v4", "-w rules.v4 would overwrite rules.v4, which is read"),
        ("replay x.pcap -c gateway.toml -w rules.v4", "-w rules.v4 would overwrite rules.v4, which is read"),
        (
            "replay x.pcap -c gateway.toml -w gateway.toml",
            "-w gateway.toml would overwrite gateway.toml, which is read",
        ),
        ("replay x.pcap -w o --state-out ./o", "-w o and --state-out ./o are the same file"),
        ("lab lab.toml -w lab.toml", "-w lab.toml would overwrite lab.toml, which is read"),
        ("lab lab.toml -w o --svg o", "-w o and --svg o are the same file"),
        ("test t.test.toml --junit t.test.toml", "--junit t.test.toml would overwrite t.test.toml, which is read"),
        ("test t.test.toml --junit rules.v4", "--junit rules.v4 would overwrite rules.v4, which is read"),
        ("test t.test.toml --junit y.pcap", "--junit y.pcap would overwrite x.pcap, which is read"),
        ("run -c gateway.toml --state-out rules.v4", "--state-out rules.v4 would overwrite rules.v4, which is read"),
        ("run -c gateway.toml --control o --state-out o", "--control o and --state-out o are the same file"),
    ] {
        assert_eq!(place.towpath(words).wrong(), format!("towpath: {told}"), "{words}");
    }
    assert_eq!(all(), before);
    assert!(!place.path("o").exists());
    place.towpath("replay x.pcap -w /dev/null --state-out /dev/null --show counts").fine();
    assert!(!fs::metadata("/dev/null").expect("/dev/null").is_file());
}

#[test]
fn a_capture_of_a_link_type_that_is_not_read_is_told_with_it() {
    let place = Place::new(&[]);
    let mut capture = fs::read(captures().join("ping.pcap")).expect("the capture");
    // The global header's last field: IEEE 802.11.
    capture[20..24].copy_from_slice(&105_u32.to_le_bytes());
    fs::write(place.path("wireless.pcap"), capture).expect("a file can be written");
    let why = "link type 105 (IEEE802_11) is not supported";
    let said = place.towpath("replay wireless.pcap");
    assert!(said.out.contains(&format!("12 not fed in: Unreadable (the first: {why})")), "{}", said.out);
    assert_eq!(said.wrong(), format!("towpath: wireless.pcap: none of its packets can be read: {why}"));
    let told = place.towpath("explain wireless.pcap -n 3").fine();
    assert!(told.contains(why), "{told}");
}

#[test]
fn a_configuration_without_an_interface_is_no_gateway() {
    let place = Place::new(&[("gateway.toml", "seed = 7\n")]);
    for words in ["replay @ping.pcap -c gateway.toml", "check -c gateway.toml", "run -c gateway.toml"] {
        let expected = "towpath: gateway.toml:1:1: there is no [[interface]]: describe those of the gateway";
        assert_eq!(place.towpath(words).wrong(), expected, "{words}");
    }
}

#[test]
fn what_is_no_text_is_told_with_its_line() {
    let place = Place::new(&[]);
    fs::write(place.path("rubbish"), b"# a comment\n\xff\xfe\n").expect("a file can be written");
    for words in
        ["replay @ping.pcap -r rubbish", "replay @ping.pcap -c rubbish", "check -r rubbish", "rules -L -r rubbish"]
    {
        assert_eq!(place.towpath(words).wrong(), "towpath: rubbish: line 2 is not UTF-8 text", "{words}");
    }
}

#[test]
fn a_file_without_end_is_refused_and_does_not_fill_the_memory() {
    for words in ["replay @ping.pcap -c /dev/zero", "run -c /dev/zero", "rules -L -r /dev/zero"] {
        let said = towpath(words).wrong();
        assert!(said.starts_with("towpath: /dev/zero: the file is larger than such a file may be ("), "{said}");
    }
}

#[test]
fn a_folder_is_no_file_of_any_kind() {
    for words in ["replay @ping.pcap -r .", "replay @ping.pcap -c .", "check -c .", "rules -L -r .", "run -c ."] {
        assert_eq!(towpath(words).wrong(), "towpath: .: Is a directory (os error 21)", "{words}");
    }
}

#[test]
fn a_pipe_is_read_as_a_file_is() {
    let place = router("-P FORWARD DROP\n");
    let made = Command::new("mkfifo").arg(place.path("pipe")).status().expect("mkfifo can be started");
    assert!(made.success());
    let config = fs::read(place.path("gateway.toml")).expect("the configuration");
    let pipe = place.path("pipe");
    let feeding = thread::spawn(move || fs::write(pipe, config));
    let told = place.towpath("replay @ping.pcap -c pipe --show counts").fine();
    feeding.join().expect("no panic").expect("the pipe has been read");
    assert!(told.contains("DROPPED_FORWARD"), "{told}");
}

#[test]
fn a_packet_number_is_at_least_one() {
    let said = Place::new(&[]).towpath("explain @ping.pcap -n 0");
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("packets are numbered from 1"), "{}", said.err);
}

#[test]
fn rules_that_are_only_shown_may_name_any_number_of_policies_and_helpers_that_are_not_there() {
    let lines = |form: &str| (0..300).map(|n| form.replace('#', &n.to_string()) + "\n").collect::<String>();
    let named = lines("-t raw -A PREROUTING -p udp -j CT --timeout policy#")
        + &lines("-t raw -A PREROUTING -p tcp -j CT --helper h#");
    let added = "create s hash:ip timeout 9\n".to_owned();
    let adding = lines("-A INPUT -j SET --add-set s src --timeout 1#");
    let place = Place::new(&[("named.v4", &named), ("s.ipset", &added), ("adding.v4", &adding)]);
    let saved = place.towpath("rules save -r named.v4").fine();
    assert_eq!((saved.matches("--timeout policy299\n").count(), saved.matches("--helper h299\n").count()), (1, 1));
    assert_eq!(place.towpath("rules save -r s.ipset -r adding.v4").fine().matches("--timeout 1").count(), 300);
    assert!(place.towpath("rules -L -t raw -r named.v4").fine().contains("CT timeout policy299"));
    let said = place.towpath("check -r named.v4").wrong();
    assert!(
        said.contains("named.v4:1:45: there is no timeout policy `policy0`, nor any other: ")
            && said.contains("[[timeout]]"),
        "{said}"
    );
}

#[test]
fn a_file_of_rules_whose_name_ends_in_v6_is_shown_as_what_it_is() {
    let place = Place::new(&[("rules.v6", "-A INPUT -p icmpv6 -m icmp6 --icmpv6-type 135 -j ACCEPT\n")]);
    assert!(place.towpath("rules save -r rules.v6").fine().contains("--icmpv6-type 135"));
}

#[test]
fn a_word_that_is_not_in_a_short_list_is_told_with_the_list() {
    let place = Place::new(&[
        ("state.v4", "-A INPUT -m conntrack --ctstate NEW,FOO -j ACCEPT\n"),
        ("events.v4", "-t raw -A OUTPUT -j CT --ctevents new,foo\n"),
    ]);
    let said = place.towpath("check -r state.v4").wrong();
    assert!(said.contains("there is no word `FOO`; there are: ") && said.contains("RELATED"), "{said}");
    let said = place.towpath("check -r events.v4").wrong();
    assert!(said.contains("`foo`; there are: new, related, destroy,"), "{said}");
}

#[test]
fn timeout_policies_without_a_name_and_beyond_the_last_are_told_with_their_place() {
    let config = fs::read_to_string(captures().join("rules/router.toml")).expect("the router");
    let lines = config.lines().count();
    let policy = |name: &str| format!("[[timeout]]\nname = \"{name}\"\nprotocol = \"udp\"\n");
    let many: String = (0..257).map(|n| policy(&format!("p{n}"))).collect();
    let place =
        Place::new(&[("none.toml", &(config.clone() + "\n" + &policy(""))), ("many.toml", &(config + "\n" + &many))]);
    let said = place.towpath("check -c none.toml").wrong();
    assert_eq!(said, format!("towpath: none.toml:{}:8: 'name' must be text that is not empty, not \"\"", lines + 3));
    let said = place.towpath("check -c many.toml").wrong();
    assert_eq!(said, format!("towpath: many.toml:{}:8: there can be 256 [[timeout]] at most", lines + 3 + 3 * 256));
}

#[test]
fn a_file_of_firewall_tests_that_is_taken_for_a_capture_is_told_what_it_lacks() {
    let place = Place::new(&[("office.test.toml", "[[case]]\nname = \"a\"\n")]);
    assert!(place.towpath("explain office.test.toml -n 3").wrong().contains("--case"));
}

#[test]
fn whoever_may_not_open_packet_sockets_is_told_that_and_not_where_the_control_socket_cannot_be() {
    let place = router("");
    let config = fs::read_to_string(place.path("gateway.toml")).expect("the configuration");
    fs::write(place.path("host.toml"), config + "[host]\ndevice = 'tp0'\n").expect("a file");
    let started = |capabilities: &str, words: &str| {
        let output = Command::new("setpriv")
            .args(["--bounding-set", capabilities, "--inh-caps", capabilities, env!("CARGO_BIN_EXE_towpath")])
            .args(words.split(' '))
            .current_dir(place.path(""))
            .output();
        output.map(|output| String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let Ok(told) = started("-all", "run -c gateway.toml --control none/control") else {
        return skip("wrong::whoever_may_not_open_packet_sockets", "there is no setpriv");
    };
    if told.starts_with("setpriv: ") {
        return skip("wrong::whoever_may_not_open_packet_sockets", "only root can give privileges up");
    }
    assert!(
        told.starts_with("towpath: no permission: run as root, with CAP_NET_RAW, which packet sockets need"),
        "{told}"
    );
    let told = started("-net_admin", "run -c host.toml --control none/control").expect("setpriv");
    assert!(told.starts_with("towpath: no permission: run as root, with CAP_NET_ADMIN, which the device"), "{told}");
}

#[test]
fn help_for_the_demo_needs_no_demo() {
    let place = Place::new(&[]);
    let alone = place.path("towpath");
    fs::copy(env!("CARGO_BIN_EXE_towpath"), &alone).expect("a copy");
    let said = |words: &[&str]| Command::new(&alone).args(words).output().expect("it can be started");
    for words in [&["demo", "--help"][..], &["demo", "-h"], &["help", "demo"]] {
        let output = said(words);
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && told.contains("Usage: towpath demo"), "{words:?}: {told}");
    }
    let output = said(&["demo"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("towpath-demo is missing: `cargo build"));
}

#[test]
fn a_folder_to_be_served_that_is_not_there_is_found_by_check() {
    let config = fs::read_to_string(captures().join("rules/router.toml")).expect("the router");
    let served = config.clone() + "\n[[service]]\nkind = \"http\"\nprotocol = \"tcp\"\nfolder = \"www\"\n";
    let place = Place::new(&[("gateway.toml", &served)]);
    let said = place.towpath("check -c gateway.toml").wrong();
    assert!(said.starts_with(&format!("towpath: gateway.toml:{}:10: ", config.lines().count() + 5)), "{said}");
    assert!(said.ends_with("www: No such file or directory (os error 2)"), "{said}");
    fs::create_dir(place.path("www")).expect("a folder can be made");
    assert_ne!(place.towpath("check -c gateway.toml").code, Some(2));
}

#[test]
fn the_sets_that_a_configuration_names_are_those_of_both_families_rules() {
    let config = fs::read_to_string(captures().join("rules/router.toml")).expect("the router");
    let named = |sets: &str| format!("{config}\n[rules]\nv4 = 'r.v4'\nv6 = 'r.v6'\nsets = '{sets}'\n");
    let rule = "-A FORWARD -m set --match-set blocked src -j DROP\n";
    let place = Place::new(&[
        ("right.toml", &named("blocked.ipset")),
        ("wrong.toml", &named("r.v4")),
        ("blocked.ipset", "create blocked hash:mac\n"),
        ("r.v4", rule),
        ("r.v6", rule),
    ]);
    assert_ne!(place.towpath("check -c right.toml").code, Some(2));
    let said = place.towpath("check -c wrong.toml").wrong();
    assert!(said.ends_with("r.v4: this is no text of ipset"), "{said}");
}
