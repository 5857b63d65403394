//! Helpers that come and go while their connections live.

use std::{fs, path::Path, time::Duration};

use lab::{
    Lab, lab,
    network::{Link, Network},
};
use towpath_engine::{
    Command, CommandError, Engine, Instant,
    conntrack::{HelperId, helper::HelperMode},
    netfilter::{Loading, RuleSet, Source},
    snapshot::Restoring,
    socket::SocketOption,
};
use towpath_helpers_native::{CHECKS, Ftp, Irc};

const RULES: &str = "-t nat -A POSTROUTING -o wan -j MASQUERADE
-A FORWARD -m helper --helper ftp -j ACCEPT
-A FORWARD -i lan -j ACCEPT
-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
-P FORWARD DROP";

/// A control connection.
const OPENED: &str = r#"
    0.000  lan <  10.0.0.2:40000 > 198.51.100.7:21 S  seq 992
    0.000  wan >  203.0.113.1:40000 > 198.51.100.7:21 S  seq 992
    0.000  wan <  198.51.100.7:21 > 203.0.113.1:40000 SA seq 9000 ack 993
    0.000  lan >  198.51.100.7:21 > 10.0.0.2:40000 SA seq 9000 ack 993
    0.000  lan <  10.0.0.2:40000 > 198.51.100.7:21 PA seq 993 ack 9001 data "USER x\r\n"
    0.000  wan >  203.0.113.1:40000 > 198.51.100.7:21 PA seq 993 ack 9001 data "USER x\r\n"
"#;

/// Its client announces port 5282; the gateway's address is longer by three bytes.
const ANNOUNCED: &str = r#"
    0.000  lan <  10.0.0.2:40000 > 198.51.100.7:21 PA seq 1001 ack 9001 data "PORT 10,0,0,2,20,162\r\n"
    0.000  wan >  203.0.113.1:40000 > 198.51.100.7:21 PA seq 1001 ack 9001 data "PORT 203,0,113,1,20,162\r\n"
"#;

#[test]
fn what_a_helpers_readme_says_that_it_asks_to_be_allowed_is_what_it_asks() {
    for ((folder, _), helper) in CHECKS.iter().zip(towpath_helpers_native::all()) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins").join(folder).join("README.md");
        let readme = fs::read_to_string(&file).expect("each has one");
        let manifest = helper.manifest();
        assert_eq!(manifest.name, *folder);
        let rewriting = match manifest.rewrite_bytes_max {
            0 => "| rewriting, state | none |".to_owned(),
            bytes => format!("| rewriting | at most {bytes} bytes more or less"),
        };
        let fuel = match manifest.fuel_per_call {
            fuel if fuel % 1_000_000 == 0 => format!("{} million", fuel / 1_000_000),
            fuel => format!("{} thousand", fuel / 1000),
        };
        let memory = format!("| memory, fuel | {} KB, {fuel} instructions a call", manifest.memory_bytes_max >> 10);
        let expectations = format!(" at a time, {} s, ", manifest.classes[0].timeout.as_secs());
        for said in [rewriting, memory, expectations] {
            assert!(readme.contains(&said), "{folder}/README.md says nothing of \"{said}\"");
        }
    }
}

fn announced() -> Lab {
    let mut lab = lab(RULES).helpers();
    lab.play(OPENED).play(ANNOUNCED);
    assert_eq!(expected(&lab), ["198.51.100.7:0 > 203.0.113.1:5282 tcp"]);
    lab
}

#[test]
fn a_reply_answers_one_command_whether_it_is_pipelined_sent_again_or_seen_by_a_gateway_before_this_one() {
    let mut lab = lab(RULES).helpers();
    lab.play(OPENED).play(
        r#"
        0.000  lan <  10.0.0.2:40000 > 198.51.100.7:21 PA seq 1001 ack 9001 data "TYPE I\r\nPASV\r\nRETR a\r\n"
        0.000  wan >  203.0.113.1:40000 > 198.51.100.7:21 PA seq 1001 ack 9001 data "TYPE I\r\nPASV\r\nRETR a\r\n"
        0.010  lan <  10.0.0.2:40000 > 198.51.100.7:21 PA seq 1001 ack 9001 data "TYPE I\r\nPASV\r\nRETR a\r\n"
        0.010  wan >  203.0.113.1:40000 > 198.51.100.7:21 PA seq 1001 ack 9001 data "TYPE I\r\nPASV\r\nRETR a\r\n"
        "#,
    );
    let answers = |lab: &mut Lab, seq: u32, said: &str| {
        lab.play(&format!(
            r#"
            0.000  wan <  198.51.100.7:21 > 203.0.113.1:40000 PA seq {seq} ack 1023 data "{said}"
            0.000  lan >  198.51.100.7:21 > 10.0.0.2:40000 PA seq {seq} ack 1023 data "{said}"
            "#
        ));
    };
    lab.fail_over();
    for _again in 0..2 {
        answers(&mut lab, 9001, r"200 Ok\r\n227 Entering Passive Mode (198,51,100,7,195,80)\r\n");
        assert_eq!(expected(&lab), ["10.0.0.2:0 > 198.51.100.7:50000 tcp"]);
    }
    // The command was sent twice, and asks once.
    answers(&mut lab, 9058, r"227 Entering Passive Mode (198,51,100,7,195,81)\r\n");
    assert!(expected(&lab).is_empty());
}

#[test]
fn what_nobody_has_asked_for_is_expected_in_the_mode_kernel_alone() {
    for (mode, is_expected) in
        [(HelperMode::Guarded, false), (HelperMode::ServicePorts, false), (HelperMode::Kernel, true)]
    {
        for said in
            ["227 Entering Passive Mode (198,51,100,7,195,80)", "229 Entering Extended Passive Mode (|||50000|)"]
        {
            let mut lab = lab(RULES).helpers();
            lab.command(Command::SetHelperMode(mode));
            lab.play(OPENED).play(&format!(
                r#"
                0.000  wan <  198.51.100.7:21 > 203.0.113.1:40000 PA seq 9001 ack 1001 data "331 x\r\n"
                0.000  lan >  198.51.100.7:21 > 10.0.0.2:40000 PA seq 9001 ack 1001 data "331 x\r\n"
                0.000  wan <  198.51.100.7:21 > 203.0.113.1:40000 PA seq 9008 ack 1001 data "{said}\r\n"
                0.000  lan >  198.51.100.7:21 > 10.0.0.2:40000 PA seq 9008 ack 1001 data "{said}\r\n"
                "#
            ));
            assert_eq!(expected(&lab).len(), usize::from(is_expected), "{mode:?}: {said}");
        }
    }
}

#[test]
fn what_an_unloaded_helper_expects_is_forgotten_and_its_connections_go_on_without_one() {
    let mut lab = announced();
    let ftp = number(&lab, "ftp");
    lab.command(Command::UnloadHelper(ftp));
    assert!(expected(&lab).is_empty());
    assert_eq!(lab.engine().helpers().by_name("ftp"), None);
    // Sequence numbers move on by the three bytes; nobody reads the second command.
    lab.play(
        r#"
        0.000  wan <  198.51.100.7:20 > 203.0.113.1:5282 S seq 1
        0.000  wan >  203.0.113.1:5282 > 198.51.100.7:20 RA seq 0 ack 2
        0.000  wan x  NoSocket
        0.000  lan <  10.0.0.2:40000 > 198.51.100.7:21 PA seq 1023 ack 9001 data "PORT 10,0,0,2,20,163\r\n"
        0.000  wan >  203.0.113.1:40000 > 198.51.100.7:21 PA seq 1026 ack 9001 data "PORT 10,0,0,2,20,163\r\n"
        "#,
    );
    assert!(expected(&lab).is_empty());
}

#[test]
fn a_helper_that_takes_the_place_of_another_finds_its_connections_and_what_it_expects() {
    let mut lab = announced();
    let ftp = number(&lab, "ftp");
    lab.command(Command::LoadHelper(Box::new(Ftp::default())));
    assert_eq!(number(&lab, "ftp"), ftp);
    lab.play(
        r#"
        0.000  wan <  198.51.100.7:20 > 203.0.113.1:5282 S seq 1
        0.000  lan >  198.51.100.7:20 > 10.0.0.2:5282 S seq 1
        0.000  wan =  RELATED
        0.000  lan <  10.0.0.2:40000 > 198.51.100.7:21 PA seq 1023 ack 9001 data "PORT 10,0,0,2,20,163\r\n"
        0.000  wan >  203.0.113.1:40000 > 198.51.100.7:21 PA seq 1026 ack 9001 data "PORT 203,0,113,1,20,163\r\n"
        "#,
    );
    assert_eq!(expected(&lab), ["198.51.100.7:0 > 203.0.113.1:5283 tcp"]);
}

#[test]
fn a_connection_is_held_by_those_that_it_has_announced_and_that_are_still_there() {
    let mut lab = announced();
    lab.play(
        "
        0.000  wan <  198.51.100.7:20 > 203.0.113.1:5282 S seq 1
        0.000  lan >  198.51.100.7:20 > 10.0.0.2:5282 S seq 1
        ",
    );
    let uses = |engine: &Engine| {
        let conntrack = engine.conntrack();
        let listed: Vec<_> = conntrack.entries(engine.now()).iter().map(|entry| entry.uses).collect();
        let slots = (0..conntrack.slots()).filter_map(|slot| conntrack.in_slot(slot));
        let mut one_by_one: Vec<_> = slots.filter_map(|(id, _)| conntrack.entry(engine.now(), id)).collect();
        one_by_one.sort_by_key(|entry| entry.serial);
        assert_eq!(one_by_one.iter().map(|entry| entry.uses).collect::<Vec<_>>(), listed);
        listed
    };
    assert_eq!(uses(lab.engine()), [Some(2), Some(1)]);
    let restored = Engine::restore(&lab.engine().save(), restoring()).expect("a snapshot");
    assert_eq!(uses(&restored), [Some(2), Some(1)]);
    lab.command(Command::ForgetConnections(vec![2]));
    lab.play(
        "
        0.000  lan <  10.0.0.2:40000 > 198.51.100.7:21 A seq 1023 ack 9001
        0.000  wan >  203.0.113.1:40000 > 198.51.100.7:21 A seq 1026 ack 9001
        ",
    );
    assert_eq!(uses(lab.engine()), [Some(1)]);
}

#[test]
fn a_helper_that_a_rule_attaches_is_not_unloaded_and_the_rule_is_named() {
    let mut lab = lab("-P FORWARD ACCEPT\n-t raw -A PREROUTING -p tcp --dport 2121 -j CT --helper ftp");
    let mut engine = Engine::restore(&lab.engine().save(), restoring()).expect("a snapshot");
    let ftp = number(&lab, "ftp");
    let refused = engine.handle_command(Instant::ZERO, Command::UnloadHelper(ftp)).expect_err("it is in use");
    assert_eq!(refused.to_string(), "helper 'ftp' is attached by the rule at rules:2: take that away first");
    assert_eq!(number(&lab, "ftp"), ftp);
    lab.replace_rules("");
    lab.command(Command::UnloadHelper(ftp));
    let gone = Engine::restore(&lab.engine().save(), restoring()).expect("a snapshot");
    assert_ne!(gone.helpers().by_name("ftp"), None, "it was offered again");
}

#[test]
fn a_number_that_is_free_is_kept_free_by_a_snapshot_and_goes_to_the_next_helper() {
    let mut lab = announced();
    let (ftp, irc) = (number(&lab, "ftp"), number(&lab, "irc"));
    lab.command(Command::UnloadHelper(irc));
    let saved = lab.engine().save();
    let without_irc = || Restoring {
        helpers: towpath_helpers_native::all().into_iter().filter(|helper| helper.manifest().name != "irc").collect(),
        ..Restoring::default()
    };
    let mut restored = Engine::restore(&saved, without_irc()).expect("it needs no irc");
    assert_eq!(restored.save(), saved);
    assert_eq!(restored.helpers().by_name("ftp"), Some(ftp));
    let unload = |engine: &mut Engine, id| engine.handle_command(Instant::ZERO, Command::UnloadHelper(id));
    assert_eq!(unload(&mut restored, irc), Err(CommandError::NoHelper(irc)));
    assert_eq!(unload(&mut restored, HelperId(1000)), Err(CommandError::NoHelper(HelperId(1000))));
    restored.handle_command(Instant::ZERO, Command::LoadHelper(Box::new(Irc::default()))).expect("there is room");
    assert_eq!(restored.helpers().by_name("irc"), Some(irc));
}

#[test]
fn what_waits_behind_a_segment_of_this_host_goes_with_it_when_it_is_sent_again() {
    // A timestamp older than that of what was sent again would be dropped by its receiver.
    let mut network = Network::new(7, Link::default()).sysctl("net.ipv4.tcp_timestamps", &[0]);
    let now = network.now();
    // Behind SYN and acknowledgement, the first bytes are lost before the helper has seen them.
    let text = "-A OUTPUT -p tcp -m statistic --mode nth --every 1000 --packet 2 -j DROP";
    let rules = RuleSet::parse(&[Source { name: "rules", text }], &Loading::default()).expect("they are right");
    for command in [
        Command::LoadHelper(Box::new(Ftp::default())),
        Command::AttachHelpersByPort(true),
        Command::ReplaceRules(Box::new(rules)),
    ] {
        network.engines[0].handle_command(now, command).expect("it can be done");
    }
    let streams = network.connected(21);
    let now = network.now();
    let mut client = network.engines[0].socket(now, streams.ids[0]).expect("it is connected");
    client.set(&SocketOption::NoDelay(true)).expect("there is such an option");
    for line in [b"NOOP\r\n", b"PWD1\r\n"] {
        assert_eq!(client.send(line), Ok(6));
    }
    let until = now + Duration::from_secs(9);
    let unread = |network: &mut Network| {
        let now = network.now();
        network.engines[1].socket(now, streams.ids[1]).expect("it is connected").unread()
    };
    while unread(&mut network) == 0 && network.step(until) {}
    assert_eq!(unread(&mut network), 12, "{}", network.recent());
}

fn expected(lab: &Lab) -> Vec<String> {
    lab.engine().conntrack().expectations().iter().map(|waiting| waiting.tuple.to_string()).collect()
}

fn number(lab: &Lab, name: &str) -> HelperId {
    lab.engine().helpers().by_name(name).expect("it is loaded")
}

fn restoring() -> Restoring {
    Restoring { helpers: towpath_helpers_native::all(), ..Restoring::default() }
}
