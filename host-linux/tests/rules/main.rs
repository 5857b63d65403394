//! `towpath rules` on files: what it prints, and what it refuses.

use std::{
    path::PathBuf,
    process::{Command, Output},
};

/// A file of those that real tools have written.
fn real(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/rules/real").join(name)
}

fn towpath(words: &[&str], files: &[&str]) -> Output {
    told("rules", words, files)
}

fn told(command: &str, words: &[&str], files: &[&str]) -> Output {
    let mut words_of = vec![command];
    words_of.extend(words);
    let mut command = Command::new(env!("CARGO_BIN_EXE_towpath"));
    command.args(words_of);
    for file in files {
        command.arg("-r").arg(real(file));
    }
    command.output().expect("the program starts")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

#[test]
fn rules_are_saved_as_iptables_saves_them_with_their_sets() {
    let saved = towpath(&["save", "-c"], &["fail2ban.ipset", "fail2ban.v4"]);
    assert_eq!(text(&saved.stdout), std::fs::read_to_string(real("fail2ban.saved")).expect("recorded"));
    assert_eq!(saved.status.code(), Some(0));
}

#[test]
fn tables_are_saved_in_the_order_in_which_packets_come_to_them_whatever_order_they_were_given_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rules.v4");
    let mut tables = ["security", "filter", "nat", "mangle", "raw"];
    for _ in 0..tables.len() {
        tables.rotate_left(1);
        let given: String = tables.iter().map(|table| format!("*{table}\n-A OUTPUT -j ACCEPT\nCOMMIT\n")).collect();
        std::fs::write(&file, given).expect("written");
        let saved = towpath(&["save"], &[&file.display().to_string()]);
        let order: Vec<&str> = text(&saved.stdout).lines().filter_map(|line| line.strip_prefix('*')).collect();
        assert_eq!(order, ["raw", "mangle", "nat", "filter", "security"], "given as {tables:?}");
    }
    let options = |words: &[&str]| text(&towpath(words, &[&file.display().to_string()]).stdout).to_owned();
    let filter = "-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n-A OUTPUT -j ACCEPT\n";
    assert_eq!(options(&["-S"]), filter, "one table alone, as iptables -S does");
    assert_eq!(options(&["-S", "-t", "security"]), filter);
}

#[test]
fn a_table_is_listed_with_chains_and_their_references() {
    let listed = towpath(&["-L", "-v", "-n", "-t", "nat"], &["libvirt.v4"]);
    assert!(
        text(&listed.stdout).starts_with("Chain PREROUTING (policy ACCEPT 0 packets, 0 bytes)\n pkts bytes target ")
    );
    assert!(text(&listed.stdout).contains("\nChain LIBVIRT_PRT (1 references)\n"));
    assert_eq!(listed.status.code(), Some(0));
}

#[test]
fn rules_are_shown_whoever_is_the_helper_that_they_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("own.v4");
    let rule = "-A PREROUTING -p tcp -m tcp --dport 5060 -j CT --helper my-own\n";
    std::fs::write(&file, format!("*raw\n:PREROUTING ACCEPT [0:0]\n{rule}COMMIT\n")).expect("written");
    let saved = towpath(&["save"], &[&file.display().to_string()]);
    assert!(text(&saved.stdout).contains(rule), "{saved:?}");
    assert_eq!(saved.status.code(), Some(0));
}

#[test]
fn rules_of_both_families_are_not_taken_for_those_of_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).expect("written");
        file.display().to_string()
    };
    let (v4, v6) = (file("rules.v4", "-A FORWARD -j DROP\n"), file("rules.v6", "-A FORWARD -p ipv6-icmp -j DROP\n"));
    let wrong = format!(
        "towpath: {v6} holds rules of ip6tables and {v4} rules of iptables, as their names say: name those of one family at a \
         time, or say -6 if all are of ip6tables\n"
    );
    let saved = towpath(&["save"], &[&v4, &v6]);
    assert_eq!((saved.status.code(), text(&saved.stderr)), (Some(2), wrong.as_str()));
    let applied = towpath(&["apply", &v6, &v4], &[]);
    assert_eq!((applied.status.code(), text(&applied.stderr)), (Some(2), wrong.as_str()));
    let sets = file("sets.save", "create a hash:ip family inet6\n");
    assert_eq!(towpath(&["save"], &[&sets, &v6]).status.code(), Some(0), "sets are of both");
    assert_eq!(towpath(&["save", "-6"], &[&v4, &v6]).status.code(), Some(0), "as is said");
}

#[test]
fn rules_that_name_a_set_that_is_not_there_are_refused_with_their_place() {
    let refused = towpath(&["save"], &["fail2ban.v4"]);
    assert!(text(&refused.stderr).ends_with("fail2ban.v4:8:71: there is no set `f2b-ipset-web`\n"));
    assert_eq!((refused.status.code(), text(&refused.stdout)), (Some(2), ""));
}

#[test]
fn sets_of_files_are_shown_as_ipset_shows_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("some.ipset").display().to_string();
    let sets = "-! create banned hash:ip timeout 600 counters\n-! add banned 10.0.0.5\ncreate nets hash:net\nadd nets 10.1.0.0/16\n";
    std::fs::write(&file, sets).expect("written");
    let rules = folder.path().join("some.v4").display().to_string();
    std::fs::write(&rules, "-A INPUT -m set --match-set banned src -j SET --exist --add-set banned src\n")
        .expect("written");
    let saved = told("ipset", &["save"], &[&file]);
    let banned = "create banned hash:ip family inet hashsize 1024 maxelem 65536 timeout 600 counters bucketsize 12\n\
        add banned 10.0.0.5 timeout 600 packets 0 bytes 0\n";
    let nets = "create nets hash:net family inet hashsize 1024 maxelem 65536 bucketsize 12\nadd nets 10.1.0.0/16\n";
    assert_eq!(text_of(&saved), format!("{banned}{nets}"));
    assert_eq!(text_of(&told("ipset", &["save", "nets"], &[&file])), nets);
    assert_eq!(text_of(&told("ipset", &["list", "--name"], &[&file])), "banned\nnets\n");
    let listed = told("ipset", &["list", "banned"], &[&file, &rules]);
    let lines: Vec<&str> = text(&listed.stdout).lines().filter(|line| !line.starts_with("Size in memory: ")).collect();
    let header = "Header: family inet hashsize 1024 maxelem 65536 timeout 600 counters bucketsize 12";
    let member = "10.0.0.5 timeout 600 packets 0 bytes 0";
    assert_eq!(
        lines,
        [
            "Name: banned",
            "Type: hash:ip",
            "Revision: 6",
            header,
            "References: 2",
            "Number of entries: 1",
            "Members:",
            member
        ]
    );
    let wrong = told("ipset", &["list", "none"], &[&file]);
    assert_eq!((text(&wrong.stderr), wrong.status.code()), ("towpath: there is no set 'none'\n", Some(2)));
}

fn text_of(output: &Output) -> &str {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    text(&output.stdout)
}
