//! `towpath replay … --conntrack …`: what the gateway of a replay knows of its connections.

use std::fs;

use serde_json::Value;

use crate::program::{Place, Said, captures, towpath};

/// Asks the gateway of a replay without rules.
fn ask(capture: &str, question: &str) -> Said {
    towpath(&format!("replay @{capture} --conntrack {question}"))
}

#[test]
fn the_gateway_of_a_replay_lists_its_connections_as_conntrack_does() {
    let said = ask("http-short.pcap", "-L -p tcp --dport 80");
    assert_eq!(said.code, Some(0));
    assert!(said.out.starts_with("tcp      6 ") && said.out.contains(" dst=198.51.100.7 sport="), "{}", said.out);
    assert_eq!(said.err, "towpath: 1 flow entries have been shown.\n");
    let none = ask("http-short.pcap", "-L -p udp");
    assert_eq!((none.out.as_str(), none.err.as_str()), ("", "towpath: 0 flow entries have been shown.\n"));
    assert_eq!(ask("http-short.pcap", "-C").fine(), "1\n");
}

#[test]
fn what_happened_to_connections_is_told_in_order_with_its_time() {
    let said = ask("http-short.pcap", "-E -o timestamp");
    let states: Vec<&str> = said.out.lines().filter_map(|line| line.split_whitespace().nth(5)).collect();
    assert_eq!(states[..3], ["SYN_SENT", "SYN_RECV", "ESTABLISHED"], "{}", said.out);
    assert!(said.out.starts_with('['), "{}", said.out);
}

/// As conntrack 1.4.7 takes it: it changes nothing, and goes along with `save`.
#[test]
fn who_has_caused_an_event_may_be_asked_for() {
    for question in ["-L", "-E", "-L expect", "-E expect"] {
        let capture = "ftp-pasv-inside.pcap";
        let [asked, plain] = [" -o userspace", ""].map(|more| ask(capture, &format!("{question}{more}")));
        assert_eq!((asked.code, asked.out, asked.err), (plain.code, plain.out, plain.err), "{question}");
    }
    let saved = ask("http-short.pcap", "-L -o save").out;
    assert!(saved.starts_with("-A -t "), "{saved}");
    assert_eq!(ask("http-short.pcap", "-L -o save,userspace").out, saved);
}

/// The options are those that the real tool has printed for a connection's start, an update and its end.
#[test]
fn what_happened_is_saved_as_the_options_that_do_the_same_elsewhere() {
    let config = fs::read_to_string(captures().join("rules/router.toml")).expect("the router");
    let forgets = format!("{config}\n[sysctl]\nnet.netfilter.nf_conntrack_tcp_timeout_established = 1\n");
    let place = Place::new(&[("gateway.toml", &forgets)]);
    let said = place.towpath("replay @tcp-keepalive.pcap -c gateway.toml --conntrack -E -o save");
    let options: Vec<&str> = said.out.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(options[..5], ["-A", "-U", "-U", "-D", "-A"], "{}", said.out);
    assert!(said.err.ends_with(" flow events have been shown.\n"), "{}", said.err);
}

#[test]
fn connections_as_json_say_what_they_are_and_events_when_they_happened() {
    let objects = |said: Said| -> Vec<Value> {
        assert_eq!(said.code, Some(0), "{}", said.err);
        said.out.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    };
    let listed = objects(ask("http-short.pcap", "-L -o json"));
    assert_eq!(listed[0]["schema"], "towpath.conntrack/1");
    assert_eq!(listed[1]["orig"]["dport"], 80);
    let told = objects(ask("http-short.pcap", "-E -o json"));
    assert_eq!((&told[1]["event"], &told[1]["state"]), (&"NEW".into(), &"SYN_SENT".into()));
    assert!(told[1]["ts"].is_u64(), "{}", told[1]);
}

#[test]
fn when_connections_began_and_ended_is_known_where_that_is_asked_for() {
    let config = fs::read_to_string(captures().join("rules/router.toml")).expect("the router");
    let notes = "net.netfilter.nf_conntrack_timestamp = 1\nnet.netfilter.nf_conntrack_tcp_timeout_established = 1\n";
    let place = Place::new(&[("gateway.toml", &format!("{config}\n[sysctl]\n{notes}"))]);
    let ended = place.towpath("replay @tcp-keepalive.pcap -c gateway.toml --conntrack -E -e destroy -o ktimestamp").out;
    let first = ended.lines().next().expect("one ends");
    assert!(first.starts_with("[DESTROY] tcp") && first.contains(" delta-time=1 [start="), "{first}");
    assert!(first.ends_with("]") && first.contains("] [stop="), "{first}");
    let listed = place.towpath("replay @tcp-keepalive.pcap -c gateway.toml --conntrack -L").out;
    assert!(listed.contains(" mark=0 delta-time=") && !listed.contains("[start="), "{listed}");
    assert!(!ask("tcp-keepalive.pcap", "-L -o ktimestamp").out.contains("delta-time"));
}

#[test]
fn labels_have_the_names_that_a_file_gives_them() {
    let rules = "*filter\n-A FORWARD -p tcp -m connlabel --label 3 --set\nCOMMIT\n";
    let place = Place::new(&[("rules.v4", rules), ("names", "# labels\n3 web\n4 mail\n"), ("bad", "0 a\nweb 3\n")]);
    let ask = |question: &str| place.towpath(&format!("replay @http-short.pcap -r rules.v4 --conntrack {question}"));
    assert!(ask("-L -o labels --label-names names").out.ends_with(" use=1 labels=web\n"));
    assert_eq!(ask("-L -l web --label-names names").out.lines().count(), 1);
    assert_eq!(ask("-L -l web -l mail --label-names names").out, "");
    assert!(ask("-L -l ftp --label-names names").wrong().contains("names names no label 'ftp'"));
    assert!(ask("-L -o labels --label-names bad").wrong().contains("bad:2:1: 'web 3' is not a label's number"));
    let without = ask("-L -o labels --label-names none");
    assert_eq!((without.code, without.out.lines().count()), (Some(0), 1));
    assert!(without.out.ends_with(" use=1\n"), "{}", without.out);
    assert_eq!(
        without.err,
        "towpath: none: No such file or directory (os error 2); labels are not shown\n\
         towpath: 1 flow entries have been shown.\n"
    );
    assert!(
        ask("-L -l web --label-names none").wrong().contains("cannot read none, which says what labels are called")
    );
}

#[test]
fn the_one_connection_that_is_asked_for_is_there_or_the_answer_is_no() {
    let listed = ask("ftp-pasv-inside.pcap", "-L -p tcp --dport 21").out;
    let sport = listed.split_once(" sport=").and_then(|(_, rest)| rest.split(' ').next()).expect("a port");
    let tcp = |port: u16| {
        let question = format!("-G -p tcp -s 192.168.1.10 -d 198.51.100.7 --sport {sport} --dport {port}");
        ask("ftp-pasv-inside.pcap", &question)
    };
    assert_eq!((tcp(21).code, tcp(21).out.lines().count()), (Some(0), 1));
    let uses = |said: &str| said.trim_end().rsplit_once(" use=").and_then(|(_, uses)| uses.parse::<u32>().ok());
    assert_eq!(uses(&tcp(21).out), uses(&listed).map(|uses| uses + 1), "whoever looks it up holds it");
    assert_eq!((tcp(22).code, tcp(22).out.as_str()), (Some(1), ""));
    assert_eq!(tcp(22).err, "towpath: Operation failed: such conntrack doesn't exist\n");
    let ping =
        |rest: &str| ask("ping.pcap", &format!("-G -p icmp -s 192.168.1.10 -d 198.51.100.7 --icmp-type 8 {rest}"));
    let listed = ask("ping.pcap", "-L -p icmp -s 192.168.1.10 -d 198.51.100.7").out;
    let id = listed.split_once(" id=").and_then(|(_, rest)| rest.split(' ').next()).expect("an identifier");
    assert_eq!(ping(&format!("--icmp-code 0 --icmp-id {id}")).out.lines().count(), 1);
    assert_eq!(ping("--icmp-code 0").code, Some(1), "no identifier is 0");
}

/// Each is what conntrack 1.4.7 says of the same options, with exit code 2 too.
#[test]
fn options_that_conntrack_does_not_take_together_are_refused_in_its_words() {
    let cases = [
        ("-C -p tcp", "Illegal option `--protonum' with this command"),
        ("-C -f ipv6", "Illegal option `--family' with this command"),
        ("-C expect -o id", "Illegal option `--output' with this command"),
        ("-S -p tcp", "Illegal option `--protonum' with this command"),
        ("-L -t 5", "Illegal option `--timeout' with this command"),
        ("-L -e NEW", "Illegal option `--event-mask' with this command"),
        ("-E -u ASSURED", "Illegal option `--status' with this command"),
        ("-L -s 10.0.0.5 -f ipv6", "mismatched address family"),
        ("-L -s 10.0.0.5 -d fd00::5", "mismatched address family"),
        ("-L -s 10.0.0.1 --mask-src ffff::", "mismatched address family"),
        ("-L --mask-src 255.255.255.0", "Can't use --mask-src without --src"),
        ("-L --dport 80", "unknown option `--dport'"),
        ("-L -p icmp --dport 7", "unknown option `--dport'"),
        ("-L -p udp --state ESTABLISHED", "unknown option `--state'"),
        ("-L -p icmpv6 --icmp-type 8", "unknown option `--icmp-type'"),
        ("-L -p gre --dport 5", "unknown option `--dport'"),
        ("-L -n -j", "cannot specify `--src-nat' or `--dst-nat' with `--any-nat'"),
        ("-L -o save,id", "cannot combine save output with any other output type, use -o save only"),
        ("-G", "You need to supply the `--protonum' option for this command"),
        ("-G -p tcp -s 10.0.0.5", "you have to specify `--src' and `--dst'"),
        ("-G -p tcp -s 10.0.0.5 -d 10.0.0.6 --sport 7", "you have to specify `--sport' and `--dport'"),
        ("-G -p gre -s 10.0.0.5 -d 10.0.0.6", "you have to specify `--srckey' and `--dstkey'"),
        ("-G -p icmp -s 10.0.0.5 -d 10.0.0.6", "You need to supply the `--icmp-type' option for this command"),
        ("-G -p tcp -s 10.0.0.5 -d 10.0.0.6 --sport 7 --dport 7 -z", "Illegal option `--zero' with this command"),
        ("-G -p tcp -s 10.0.0.0/8 -d 10.0.0.6 --sport 7 --dport 7", "Illegal option `--mask-src' with this command"),
    ];
    for (question, words) in cases {
        assert_eq!(ask("http-short.pcap", question).wrong(), format!("towpath: {words}"), "{question}");
    }
    for (question, option) in [("-F -p tcp", "protonum"), ("-D -e NEW", "event-mask")] {
        let told = format!("towpath: Illegal option `--{option}' with this command");
        assert_eq!(towpath(&format!("conntrack {question}")).wrong(), told, "{question}");
    }
    // What it takes is looked for in the gateway, which is not there.
    for question in ["-F -f ipv6", "-D -t 5", "-D -p sctp --state CLOSED"] {
        let told = towpath(&format!("conntrack {question} --control /nowhere/socket")).wrong();
        assert!(told.contains("/nowhere/socket"), "{told}");
    }
    assert!(
        ask("http-short.pcap", "-L -p sctp --state CLOSE")
            .wrong()
            .contains("takes an SCTP state: NONE, CLOSED, COOKIE_WAIT")
    );
}

/// As conntrack 1.4.7 on Linux 6.18 answers.
#[test]
fn nothing_is_dying_or_unconfirmed_and_there_is_nothing_to_do_with_it_but_list_it() {
    for question in
        ["dying", "unconfirmed", "dying -p tcp --dport 5 -o id", "unconfirmed -o xml", "dying -n", "dying -z"]
    {
        let said = ask("http-short.pcap", &format!("-L {question}"));
        assert_eq!((said.code, said.out.as_str()), (Some(0), ""), "{question}");
        assert_eq!(said.err, "towpath: 0 flow entries have been shown.\n", "{question}");
    }
    for command in ["-C", "-S", "-E", "-F", "-D", "-G", "-U"] {
        assert_eq!(
            towpath(&format!("conntrack {command} dying")).wrong(),
            "towpath: Can't do that command with tables `dying' and `unconfirmed'"
        );
    }
    assert!(ask("http-short.pcap", "-L dying -e NEW").wrong().contains("Illegal option `--event-mask'"));
    assert!(towpath("conntrack -L dying --control /nowhere/socket").wrong().contains("/nowhere/socket"));
}

#[test]
fn protocols_states_and_messages_are_asked_for_as_conntrack_is() {
    let count = |capture: &str, question: &str| ask(capture, question).out.lines().count();
    assert_eq!(count("http-short.pcap", "-L -p TCP -u assured"), count("http-short.pcap", "-L -p tcp -u ASSURED"));
    for none in ["-p esp", "-p AH", "-p ipv6-icmp", "-u OFFLOAD", "-u UNREPLIED", "-p gre --srckey 5"] {
        assert_eq!(count("http-short.pcap", &format!("-L {none}")), 0, "{none}");
    }
    assert_eq!(count("ping.pcap", "-L -p icmp --icmp-type 8 --icmp-code 0"), count("ping.pcap", "-L -p icmp"));
    assert_eq!(count("ping.pcap", "-L -p icmp --icmp-type 0"), 0);
    assert!(count("ping-ipv6.pcap", "-L -p icmpv6 --icmpv6-type 128") > 0);
}

#[test]
fn what_cannot_be_asked_of_a_replay_is_refused() {
    let refused = |question| ask("http-short.pcap", question).wrong();
    assert!(refused("-D").contains("can be shown (-L, -G, -E, -C, -S), not deleted"));
    assert!(refused("-F").contains("not deleted"));
    assert!(refused("-L -o xml,json").contains("only one of xml, save and json"));
    assert!(refused("-L -z -p tcp").contains("-z counts all connections anew; it takes no filter"));
    assert!(refused("-E -z").contains("-z goes with -L only"));
    assert_eq!(ask("http-short.pcap", "-X").code, Some(2));
    assert_eq!(ask("http-short.pcap", "").code, Some(2), "a question must be asked");
}

#[test]
fn the_state_that_a_replay_writes_is_that_of_its_end_and_the_same_each_time() {
    let place = Place::new(&[]);
    let state = |file: &str| {
        place.towpath(&format!("replay @http-short.pcap --state-out {file} --show counts")).fine();
        fs::read(place.path(file)).expect("it was written")
    };
    assert_eq!(state("one"), state("two"));
    let nowhere = place.towpath("replay @http-short.pcap --state-out no/folder/state --show counts");
    assert!(nowhere.err.starts_with("towpath: no/folder/state: "), "{}", nowhere.err);
}
