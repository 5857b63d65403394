//! The program on a wire: `towpath run` and those who ask it.

use std::{fs, os::unix::fs::PermissionsExt, process::Command, thread, time::Duration};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use towpath::{
    control::{Client, Reply, Request, Topic},
    stats::{DeviceReport, Report},
};
use towpath_engine::Change;

use crate::{
    namespace::in_namespace,
    running::{Folder, Gateway, Network, question_wrong},
    skip::skip,
};

#[test]
fn a_gateway_forwards_between_its_devices_and_says_what_it_did_when_it_is_interrupted() {
    in_namespace(|| {
        let network = Network::new();
        let gateway = Gateway::start(&network.folder());
        network.exchange(b"ping");
        let output = gateway.stop(Signal::INT);
        assert!(output.status.success(), "{output:?}");
        let report = String::from_utf8(output.stdout).unwrap();
        assert!(report.contains(" 2 forwarded,"), "{report}");
        assert!(report.contains("device      lan: in "), "{report}");
    });
}

#[test]
fn a_gateway_stops_cleanly_when_it_is_terminated_and_leaves_nothing_behind() {
    in_namespace(|| {
        let network = Network::new();
        let folder = network.folder();
        let gateway = Gateway::start(&folder);
        assert!(folder.socket().exists());
        let output = gateway.stop(Signal::TERM);
        assert!(output.status.success(), "{output:?}");
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["gateway.toml"]);
    });
}

#[test]
fn a_gateway_outlives_the_terminal_it_was_started_from() {
    in_namespace(|| {
        let network = Network::new();
        let gateway = Gateway::start(&network.folder());
        kill_process(gateway.pid(), Signal::HUP).unwrap();
        network.exchange(b"still there");
        assert!(gateway.stop(Signal::INT).status.success());
    });
}

#[test]
fn a_running_gateway_has_no_privileges_left() {
    in_namespace(|| {
        let network = Network::new();
        let gateway = Gateway::start(&network.folder());
        let status = fs::read_to_string(format!("/proc/{}/status", gateway.process.id())).unwrap();
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert!(status.contains(&format!("{set}:\t0000000000000000\n")), "{set}: {status}");
        }
        assert!(status.contains("NoNewPrivs:\t1\n"), "{status}");
        network.exchange(b"without privileges");
        gateway.stop(Signal::INT);
    });
}

#[test]
fn a_running_gateway_tells_its_statistics_as_text_and_as_json() {
    in_namespace(|| {
        let network = Network::new();
        let folder = network.folder();
        let gateway = Gateway::start(&folder);
        network.exchange(b"count me");
        let text = folder.towpath(&["stats"]);
        assert!(String::from_utf8(text.stdout).unwrap().contains(" 2 forwarded,"));
        let json = folder.towpath(&["stats", "--json"]);
        let report: Report = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!(report.engine.forwarded_packets, 2);
        let [lan, wan] = &report.devices[..] else { panic!("{report:?}") };
        assert_eq!((lan.name.as_str(), wan.name.as_str()), ("lan", "wan"));
        let DeviceReport { received_frames, sent_frames, .. } = lan;
        assert!(*received_frames >= 1 && *sent_frames >= 1, "{report:?}");
        assert!(report.poll.polls >= 2 && report.poll.interrupts >= 2, "{report:?}");
        assert_eq!(report.control.clients, 2);
        gateway.stop(Signal::INT);
    });
}

#[test]
fn connections_of_a_running_gateway_are_listed_as_conntrack_lists_them() {
    in_namespace(|| {
        let network = Network::new();
        let folder = network.folder();
        let gateway = Gateway::start(&folder);
        network.exchange(b"track me");
        let output = folder.towpath(&["conntrack", "-L"]);
        assert!(output.status.success(), "{output:?}");
        let listing = String::from_utf8(output.stdout).unwrap();
        let [line] = listing.lines().collect::<Vec<_>>()[..] else { panic!("one connection, not:\n{listing}") };
        let (start, rest) = line.split_once(" src=").unwrap();
        assert!(matches!(start, "udp      17 29" | "udp      17 30"), "{line}");
        let tuples = "10.0.0.2 dst=192.0.2.2 sport=4000 dport=4001 src=192.0.2.2 dst=10.0.0.2 sport=4001 dport=4000";
        assert_eq!(without_counters(rest), format!("{tuples} mark=0 use=1"));
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "towpath: 1 flow entries have been shown.\n");
        gateway.stop(Signal::INT);
    });
}

#[test]
fn what_connections_have_carried_is_counted_anew_once_it_is_listed_so() {
    in_namespace(|| {
        let network = Network::new();
        let folder = network.folder();
        let gateway = Gateway::start(&folder);
        let ask = |words: &[&str]| String::from_utf8(folder.towpath(words).stdout).unwrap();
        ask(&["sysctl", "-w", "net.netfilter.nf_conntrack_acct=1"]);
        network.exchange(b"count me");
        for carried in ["packets=1 bytes=36", "packets=0 bytes=0"] {
            let listing = ask(&["conntrack", "-L", "-z"]);
            assert_eq!(listing.matches(carried).count(), 2, "{carried}: {listing}");
        }
        let refused = folder.towpath(&["conntrack", "-L", "-z", "-p", "udp"]);
        assert_eq!(
            (refused.status.code(), String::from_utf8(refused.stderr).unwrap().as_str()),
            (Some(2), "towpath: -z counts all connections anew; it takes no filter\n")
        );
        gateway.stop(Signal::INT);
    });
}

/// What the kernel has answered to conntrack(8), but that the use count is not that of its own answer.
#[test]
fn connections_of_a_running_gateway_are_changed_as_conntrack_changes_them() {
    in_namespace(|| {
        let network = Network::new();
        let folder = network.folder();
        let gateway = Gateway::start(&folder);
        network.exchange(b"change me");
        let mut watcher = Client::ask(&folder.socket(), Request::Watch(Topic::Connections)).unwrap();
        Client::ask(&folder.socket(), Request::Stats).unwrap().next_reply().unwrap().unwrap();
        let ask = |words: &str| {
            let words: Vec<&str> = words.split(' ').collect();
            let output = folder.towpath(&words);
            let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
            (output.status.code(), out, err)
        };
        for (question, shown) in [
            ("-p udp -m 7", Some(" mark=7 use=1\n")),
            ("-p udp -m 7", None),
            ("-m 0x70/0xf0", Some(" mark=119 use=1\n")),
            ("-p tcp -m 8", None),
            ("-s 10.0.0.2 -t 1000 -u ASSURED,FIXED_TIMEOUT", Some(" [ASSURED] mark=119 use=1\n")),
            ("-t 50 -m 9", None),
            ("-u ASSURED", None),
            ("-m 0", Some(" mark=0 use=1\n")),
        ] {
            let (code, out, err) = ask(&format!("conntrack -U {question}"));
            let count = u32::from(shown.is_some());
            assert_eq!(err, format!("towpath: {count} flow entries have been updated.\n"), "{question}");
            assert_eq!(code, Some(if shown.is_some() { 0 } else { 1 }), "{question}");
            assert!(shown.map_or(out.is_empty(), |end| out.ends_with(end)), "{question}: {out}");
        }
        let (_, listing, _) = ask("conntrack -L");
        assert!(listing.starts_with("udp      17 1000 ") || listing.starts_with("udp      17 999 "), "{listing}");
        let marks: Vec<Option<u32>> = (0..4)
            .map(|_| match watcher.next_reply().unwrap() {
                Some(Reply::ConnectionEvent(_, Change::Update, entry)) => entry.mark,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(marks, [Some(7), Some(119), Some(119), Some(0)], "and it is told");
        for wrong in ["expect -m 3", "-u EXPECTED", "-w 1 -m 3", "-p tcp --state CLOSE -m 3"] {
            assert_eq!(ask(&format!("conntrack -U {wrong}")).0, Some(2), "{wrong}");
        }
        gateway.stop(Signal::INT);
    });
}

#[test]
fn who_watches_sees_a_connection_come_and_change() {
    in_namespace(|| {
        let network = Network::new();
        let folder = network.folder();
        let gateway = Gateway::start(&folder);
        let mut watcher = Client::ask(&folder.socket(), Request::Watch(Topic::Connections)).unwrap();
        // Requests are served in the order in which they came: with this answer the watcher is there.
        Client::ask(&folder.socket(), Request::Stats).unwrap().next_reply().unwrap().unwrap();
        network.exchange(b"watch me");
        let mut next = || {
            let reply = watcher.next_reply().unwrap().unwrap();
            let Reply::ConnectionEvent(_, change, entry) = reply else { panic!("{reply:?}") };
            (change, entry.original.to_string())
        };
        let tuple = "10.0.0.2:4000 > 192.0.2.2:4001 udp".to_owned();
        assert_eq!(next(), (Change::New, tuple.clone()));
        assert_eq!(next(), (Change::Update, tuple));
        gateway.stop(Signal::INT);
        assert!(watcher.next_reply().unwrap_err().to_string().contains("stopped"));
    });
}

#[test]
fn the_control_socket_of_a_gateway_is_for_its_owner_alone() {
    in_namespace(|| {
        let network = Network::new();
        let folder = network.folder();
        let gateway = Gateway::start(&folder);
        assert_eq!(fs::metadata(folder.socket()).unwrap().permissions().mode() & 0o7777, 0o600);
        gateway.stop(Signal::INT);
    });
}

#[test]
fn a_second_gateway_on_the_same_control_socket_is_refused() {
    in_namespace(|| {
        let network = Network::new();
        let folder = network.folder();
        let gateway = Gateway::start(&folder);
        let error = question_wrong(&folder.towpath(&["run", "-c", folder.config_name()]));
        assert!(error.contains("another gateway is listening there"), "{error}");
        network.exchange(b"the first one is not disturbed");
        gateway.stop(Signal::INT);
    });
}

#[test]
fn a_device_that_does_not_exist_is_named_with_file_and_line() {
    in_namespace(|| {
        let folder = Folder::new();
        let error = question_wrong(&folder.towpath(&["run", "-c", folder.config_name()]));
        assert!(error.contains("gateway.toml:3:10: device ga: there is none of that name"), "{error}");
    });
}

#[test]
fn without_permission_a_gateway_says_what_it_needs() {
    in_namespace(|| {
        let network = Network::new();
        let folder = network.folder();
        // A user namespace of its own gives no rights in the network namespace it stays in.
        let mut command = Command::new("unshare");
        command.args(["--user", env!("CARGO_BIN_EXE_towpath"), "run", "-c", folder.config_name(), "--control"]);
        let output = command.arg(folder.socket()).output().unwrap();
        if String::from_utf8_lossy(&output.stderr).starts_with("unshare:") {
            return skip("gateway::without_permission_a_gateway_says_what_it_needs", "user namespaces are forbidden");
        }
        let error = question_wrong(&output);
        assert!(
            error.contains("no permission: run as root, with CAP_NET_RAW") && error.contains("unshare -Urn"),
            "{error}"
        );
        drop(network);
    });
}

#[test]
fn a_user_that_cannot_be_become_is_an_error() {
    in_namespace(|| {
        let network = Network::new();
        let folder = network.folder();
        let run = |user| question_wrong(&folder.towpath(&["run", "-c", folder.config_name(), "--user", user]));
        assert!(run("no-such-user").contains("not in /etc/passwd"));
        let users = fs::read_to_string("/proc/self/uid_map").unwrap();
        if users.contains("4294967295") {
            return skip("gateway::a_user_that_cannot_be_become_is_an_error", "this root can become anybody");
        }
        assert!(run("nobody").contains("only root outside of a user namespace"));
    });
}

#[test]
fn without_a_gateway_those_who_ask_it_say_so() {
    let folder = Folder::new();
    for question in [&["stats"][..], &["conntrack", "-L"], &["conntrack", "-E"]] {
        let error = question_wrong(&folder.towpath(question));
        assert!(error.contains("no gateway listens at"), "{error}");
    }
}

/// The line without packet and byte counts.
fn without_counters(line: &str) -> String {
    let words = line.split(' ').filter(|word| !word.starts_with("packets=") && !word.starts_with("bytes="));
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_gateway_that_can_open_no_more_files_sleeps_until_it_can_and_answers_then() {
    in_namespace(|| {
        let network = Network::new();
        let folder = network.folder();
        let gateway = Gateway::start(&folder);
        let pid = gateway.process.id();
        // Once it answers it has all files open that it needs; that of the answer is closed soon.
        assert!(folder.towpath(&["stats"]).status.success());
        thread::sleep(Duration::from_millis(200));
        let is_open = |file: &u64| fs::symlink_metadata(format!("/proc/{pid}/fd/{file}")).is_ok();
        let open = (0..).take_while(is_open).count() as u64;
        let process = Pid::from_child(&gateway.process);
        let before =
            prlimit(Some(process), Resource::Nofile, Rlimit { current: Some(open), ..getrlimit(Resource::Nofile) });
        let before = before.unwrap();
        thread::scope(|scope| {
            let asked = scope.spawn(|| folder.towpath(&["stats"]));
            thread::sleep(Duration::from_millis(200));
            let start = processor_ticks(pid);
            thread::sleep(Duration::from_secs(1));
            let spent = processor_ticks(pid) - start;
            let is_answered = asked.is_finished();
            prlimit(Some(process), Resource::Nofile, before).unwrap();
            let answer = asked.join().unwrap();
            assert!(!is_answered && answer.status.success(), "{open} files: {answer:?}");
            assert!(spent < 30, "{spent} hundredths of a second were spent on waiting");
        });
        gateway.stop(Signal::INT);
    });
}

/// Hundredths of a second that a process has spent.
fn processor_ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields = stat.rsplit_once(") ").unwrap().1.split(' ');
    fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}
