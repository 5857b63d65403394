//! The rules of a running gateway: listed, saved, applied, zeroed; and what they tell.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Command, Output, Stdio},
};

use rustix::process::Signal;

use crate::{
    namespace::in_namespace,
    running::{CONFIG, Folder, Gateway, Network, SERVER, question_wrong},
};

const RULES: &str = "*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -p udp -m udp --dport 4001 -j ACCEPT
-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
COMMIT
";

fn folder() -> Folder {
    Folder::with(&format!("{CONFIG}\n[rules]\nv4 = \"rules.v4\"\n"), &[("rules.v4", RULES.as_bytes())])
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn the_rules_of_a_running_gateway_are_listed_with_what_they_have_counted_and_counted_anew() {
    in_namespace(|| {
        let (network, folder) = (Network::new(), folder());
        let gateway = Gateway::start(&folder);
        network.exchange(b"hello");
        assert_eq!(said(&folder.towpath(&["rules", "save"])), RULES);
        let listed = said(&folder.towpath(&["rules", "-L", "-v", "-n", "--line-numbers"]));
        assert!(listed.contains("\n1        1    33 ACCEPT     17   --  *      *       0.0.0.0/0 "), "{listed}");
        let saved = said(&folder.towpath(&["rules", "save", "-c"]));
        assert!(saved.contains("\n[1:33] -A FORWARD -p udp -m udp --dport 4001 -j ACCEPT\n"), "{saved}");
        said(&folder.towpath(&["rules", "-Z", "-t", "nat"]));
        assert_eq!(said(&folder.towpath(&["rules", "save", "-c"])), saved);
        said(&folder.towpath(&["rules", "-Z"]));
        let zeroed = said(&folder.towpath(&["rules", "save", "-c"]));
        assert_eq!(zeroed.matches("[0:0] -A FORWARD ").count(), 2, "{zeroed}");
        assert_eq!(said(&folder.towpath(&["rules", "save", "-6"])), "");
        gateway.stop(Signal::INT);
    });
}

#[test]
fn new_rules_are_applied_at_once_keep_connections_and_are_refused_as_a_whole() {
    in_namespace(|| {
        let (network, folder) = (Network::new(), folder());
        let gateway = Gateway::start(&folder);
        network.exchange(b"hello");
        let file = folder.path().join("new.v4");
        let name = file.to_str().unwrap();
        fs::write(&file, "*filter\n:FORWARD DROP [0:0]\n-A FORWARD -p udp -j ACCEPT\n-A FORWARD -j NOWHERE\nCOMMIT\n")
            .unwrap();
        let error = question_wrong(&folder.towpath(&["rules", "apply", name]));
        assert!(error.contains(&format!(" refused: {name}:4:15: ")), "{error}");
        assert_eq!(said(&folder.towpath(&["rules", "save"])), RULES, "nothing has changed");
        // The connection is known, and so its packets pass although nothing new does.
        fs::write(&file, "-P FORWARD DROP\n-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT\n").unwrap();
        said(&folder.towpath(&["rules", "apply", name]));
        network.exchange(b"still");
        let listing = said(&folder.towpath(&["conntrack", "-L"]));
        assert_eq!(listing.lines().count(), 1, "{listing}");
        fs::write(&file, "-A INPUT -p tcp -j DROP\n").unwrap();
        said(&folder.towpath(&["rules", "apply", "-6", name]));
        assert!(said(&folder.towpath(&["rules", "save", "-6"])).contains("\n-A INPUT -p tcp -j DROP\n"));
        assert!(said(&folder.towpath(&["rules", "save"])).contains("--ctstate ESTABLISHED"), "the other family's stay");
        let error = question_wrong(&folder.towpath(&["rules", "apply", "/nowhere/x.v4"]));
        assert_eq!(error, "towpath: /nowhere/x.v4: No such file or directory (os error 2)\n");
        gateway.stop(Signal::INT);
    });
}

#[test]
fn what_rules_remember_under_a_name_can_be_looked_at_while_they_do() {
    in_namespace(|| {
        let rules = "*filter
-A FORWARD -p udp -m udp --dport 4001 -j SET --add-set seen src --timeout 600
-A FORWARD -p udp -m udp --dport 4001 -m recent --set --name lately
COMMIT
";
        let config = format!("{CONFIG}\n[rules]\nv4 = \"rules.v4\"\nsets = \"seen.ipset\"\n");
        let set = "create seen hash:ip timeout 60 counters\n";
        let folder = Folder::with(&config, &[("rules.v4", rules.as_bytes()), ("seen.ipset", set.as_bytes())]);
        let network = Network::new();
        let gateway = Gateway::start(&folder);
        network.exchange(b"hello");
        let saved = said(&folder.towpath(&["ipset", "save", "seen"]));
        assert!(saved.starts_with("create seen hash:ip family inet hashsize 1024 maxelem 65536 timeout 60 counters bucketsize 12\nadd seen 10.0.0.2 timeout "), "{saved}");
        let listed = said(&folder.towpath(&["ipset", "list"]));
        assert!(
            listed.starts_with("Name: seen\nType: hash:ip\n")
                && listed.contains("\nReferences: 1\nNumber of entries: 1\n"),
            "{listed}"
        );
        assert_eq!(said(&folder.towpath(&["recent"])), "lately\n");
        let recent = said(&folder.towpath(&["recent", "lately"]));
        assert!(
            recent.starts_with("src=10.0.0.2 ttl: 64 last_seen: ") && recent.contains(" oldest_pkt: 1 "),
            "{recent}"
        );
        let error = question_wrong(&folder.towpath(&["ipset", "list", "none"]));
        assert!(error.contains("there is no set 'none'"), "{error}");
        let error = question_wrong(&folder.towpath(&["recent", "none"]));
        assert!(error.contains("no rule has a list 'none'"), "{error}");
        gateway.stop(Signal::INT);
    });
}

#[test]
fn tables_that_applied_files_do_not_name_stay_as_they_are() {
    in_namespace(|| {
        let (_network, folder) = (Network::new(), folder());
        let gateway = Gateway::start(&folder);
        let file = folder.path().join("new.v4");
        let apply = |text: &str| {
            fs::write(&file, text).unwrap();
            said(&folder.towpath(&["rules", "apply", file.to_str().unwrap()]));
            said(&folder.towpath(&["rules", "save"]))
        };
        assert_eq!(apply(""), RULES);
        assert_eq!(apply("# nothing\n"), RULES);
        let nat = "*nat\n:PREROUTING ACCEPT [0:0]\n-A POSTROUTING -o wan -j MASQUERADE\nCOMMIT\n";
        let both = apply(nat);
        assert!(both.contains("-j MASQUERADE\n") && both.ends_with(RULES), "{both}");
        let open = apply("*filter\nCOMMIT\n");
        assert!(open.contains("-j MASQUERADE\n") && !open.contains("--dport 4001"), "{open}");
        gateway.stop(Signal::INT);
    });
}

#[test]
fn nobody_who_does_not_read_what_rules_log_stops_a_packet() {
    in_namespace(|| {
        let rules = "*filter\n-A FORWARD -j LOG --log-prefix \"a line as long as it may be \"\nCOMMIT\n";
        let config = format!("{CONFIG}\n[rules]\nv4 = \"rules.v4\"\n");
        let folder = Folder::with(&config, &[("rules.v4", rules.as_bytes())]);
        let network = Network::new();
        let gateway = Gateway::start(&folder);
        // Standard error is a pipe of 64 KB that nobody reads.
        let client = network.client.udp(5000);
        for number in 0..3000 {
            client.send_to(b"hello", (SERVER, 5001)).unwrap();
            if number % 50 == 0 {
                network.exchange(b"still");
            }
        }
        let report = said(&folder.towpath(&["stats"]));
        assert!(report.lines().any(|line| line.starts_with("notices     ") && line.ends_with(" lost")), "{report}");
        gateway.stop(Signal::INT);
    });
}

#[test]
fn what_rules_tell_reaches_those_who_listen() {
    in_namespace(|| {
        let rules = "*filter
-A FORWARD -p udp -m udp --dport 4001 -j LOG --log-prefix \"seen \"
-A FORWARD -p udp -m udp --dport 4001 -j NFLOG --nflog-group 5 --nflog-prefix \"five \"
-A FORWARD -p udp -m udp --dport 4001 -j AUDIT --type accept
COMMIT
";
        let config = format!("{CONFIG}\n[rules]\nv4 = \"rules.v4\"\n");
        let folder = Folder::with(&config, &[("rules.v4", rules.as_bytes())]);
        let network = Network::new();
        let gateway = Gateway::start(&folder);
        let mut listener = Command::new(env!("CARGO_BIN_EXE_towpath"))
            .args(["log", "--json", "-n", "3", "--control"])
            .arg(folder.socket())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(listener.stdout.take().unwrap()).lines().map(Result::unwrap);
        // Its first line says that it listens.
        assert_eq!(lines.next().unwrap(), "{\"schema\":\"towpath.log/1\"}");
        network.exchange(b"hello");
        let told: Vec<serde_json::Value> = lines.map(|line| serde_json::from_str(&line).expect(&line)).collect();
        assert!(listener.wait().unwrap().success());
        let kinds: Vec<_> = told.iter().map(|line| line["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["log", "nflog", "audit"]);
        assert!(told[0]["line"].as_str().unwrap().starts_with("seen IN=lan OUT=wan "), "{told:?}");
        assert_eq!((&told[1]["group"], &told[1]["prefix"]), (&5.into(), &"five ".into()));
        assert_eq!(
            (&told[1]["hook"], &told[1]["dev"], &told[1]["out"]),
            (&"FORWARD".into(), &"lan".into(), &"wan".into())
        );
        assert_eq!(told[1]["pkt"], "10.0.0.2:4000 > 192.0.2.2:4001 udp");
        assert!(told[2]["record"].as_str().unwrap().contains("saddr=10.0.0.2 daddr=192.0.2.2"), "{told:?}");
        gateway.stop(Signal::INT);
    });
}
