//! Texts that are taken, texts that are refused, and with which words.

use proptest::prelude::*;

use super::*;

#[test]
fn lines_outside_of_a_table_are_read_as_if_typed() {
    let rules = parse(
        "# by hand\n\n-P INPUT DROP\n-N web\n-A web -p tcp --dport 80 -j ACCEPT\n-I INPUT -j web\n\
         -t nat -A POSTROUTING -o wan -j MASQUERADE\n",
    );
    assert_eq!(
        rules.expect("rules").save(false),
        "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n\
         -A POSTROUTING -o wan -j MASQUERADE\nCOMMIT\n\
         *filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:web - [0:0]\n\
         -A INPUT -j web\n-A web -p tcp -m tcp --dport 80 -j ACCEPT\nCOMMIT\n"
    );
}

#[test]
fn a_table_in_a_later_text_replaces_the_earlier_one_and_leaves_the_others() {
    let sources = [
        Source {
            name: "a",
            text: "*filter\n:INPUT DROP [0:0]\n:x - [0:0]\n-A INPUT -j x\nCOMMIT\n-t raw -A OUTPUT -j NOTRACK",
        },
        Source { name: "b", text: "*filter\n-A OUTPUT -j ACCEPT\nCOMMIT\n" },
    ];
    let saved = RuleSet::parse(&sources, &Loading::default()).expect("rules").save(false);
    assert!(saved.contains("-A OUTPUT -j NOTRACK") && saved.contains("-A OUTPUT -j ACCEPT"), "{saved}");
    assert!(saved.contains(":INPUT DROP") && !saved.contains("x"), "policies stay, chains go: {saved}");
}

#[test]
fn counters_are_taken_only_when_asked_for() {
    let sources = [Source { name: "a", text: "*filter\n:INPUT DROP [1:2]\n[3:4] -A INPUT -j DROP\nCOMMIT" }];
    let saved = RuleSet::parse(&sources, &Loading::default()).expect("rules").save(true);
    assert!(saved.contains(":INPUT DROP [0:0]") && saved.contains("[0:0] -A INPUT"), "{saved}");
}

#[test]
fn a_rule_knows_its_file_its_line_and_its_place() {
    let rules = parse("-A FORWARD -s 1.2.3.4,5.6.7.8\n\n*mangle\n-A FORWARD -p tcp\nCOMMIT").expect("rules");
    let found: Vec<_> = rules
        .rules()
        .into_iter()
        .map(|rule| {
            format!("{}:{} {} {} {}: {}", rule.file, rule.line, rule.table.name(), rule.chain, rule.position, rule.text)
        })
        .collect();
    assert_eq!(
        found,
        [
            "rules.v4:4 mangle FORWARD 1: -A FORWARD -p tcp",
            "rules.v4:1 filter FORWARD 1: -A FORWARD -s 1.2.3.4/32",
            "rules.v4:1 filter FORWARD 2: -A FORWARD -s 5.6.7.8/32",
        ]
    );
}

#[rustfmt::skip]
#[test]
fn what_is_wrong_is_said_with_its_place_and_what_to_do() {
    for (text, error) in [
        ("-A INPUT -m tpc", "1:13: there is no match `tpc`; did you mean `tcp`?"),
        ("*filter\n\n  -A INPUT -j MASKERADE\nCOMMIT", "3:15: there is no target or chain `MASKERADE`; did you mean `MASQUERADE`?"),
        ("-A INPUT -p tcp --dprot 80", "1:17: there is no option `--dprot`; did you mean `--dport`?"),
        ("-A INPTU -j DROP", "1:4: there is no chain `INPTU`; did you mean `INPUT`?"),
        ("*fliter\nCOMMIT", "1:2: there is no table `fliter`; did you mean `filter`?"),
        ("*security\n-A INPUT -j SECMARK", "2:13: the target or chain `SECMARK` is not supported: there are no security labels here; MARK and CONNMARK mark packets and connections"),
        ("*security\n-A PREROUTING -j DROP", "2:4: there is no chain `PREROUTING`"),
        ("-A INPUT -m owner", "1:13: the match `owner` is not supported: there are no processes here; OUTPUT sees what the gateway itself sends"),
        ("-A INPUT -j NFQUEUE", "1:13: the target or chain `NFQUEUE` is not supported: no program waits for packets here; NFLOG hands out copies"),
        ("-A INPUT -j NFQUEUE --queue-num 3", "1:13: the target or chain `NFQUEUE` is not supported: no program waits for packets here; NFLOG hands out copies"),
        ("-A INPUT -p tcp -j SYNPROXY --sack-perm", "1:20: the target or chain `SYNPROXY` is not supported: nobody has built it; `hashlimit` and `connlimit` hold SYNs back"),
        ("-A INPUT -m quota --quota 5", "1:13: the match `quota` is not supported: nobody has built it; `connbytes` asks what a connection has carried, `hashlimit` how much comes in a time"),
        ("-t mangle -A FORWARD -p tcp -j TCPOPTSTRIP --strip-options 5", "1:32: the target or chain `TCPOPTSTRIP` is not supported: nobody has built it; TCPMSS changes the one option that is changed"),
        ("-A INPUT -p ipcomp --ipcompspi 5", "1:20: the match `ipcomp` is not supported: nobody has built it; `-p ipcomp` asks for the protocol, `u32` for its index"),
        ("-A INPUT --state NEW", "1:10: there is no option `--state`; did you mean `-m state --state`?"),
        ("-A INPUT -jDROP", "1:10: there is no option `-jDROP`; did you mean `-j DROP`?"),
        ("-A INPUT -p tcp -m tcp -sport 80", "1:24: there is no option `-sport`; did you mean `--sport`?"),
        ("-A INPUT -goto foo", "1:10: there is no option `-goto`; did you mean `--goto`?"),
        ("-AINPTU -j DROP", "1:3: there is no chain `INPTU`; did you mean `INPUT`?"),
        ("-A INPUT -i eth/0", "1:13: `eth/0` is not a device's name of 1 to 15 bytes, `+` at its end for all that start so"),
        ("-A INPUT -j DROP --queue-num 3", "1:18: there is no option `--queue-num`"),
        ("-D INPUT 1", "1:1: the option `-D` is not supported: a rules file says what is, not what to change or to show"),
        ("-t raw -A PREROUTING -p tcp -j CT --helper http", "1:44: there is no helper `http`; there are: ftp, tftp"),
        ("-t raw -A PREROUTING -p udp -j CT --helper ftp", "1:44: `--helper ftp` needs `-p tcp`, the protocol that it reads"),
        ("-t raw -A PREROUTING -j CT --helper ftp", "1:28: `--helper` needs `-p tcp` or `-p udp` in the same rule"),
        ("-A INPUT -s example.org", "1:13: `example.org` is not an IPv4 address, a network such as 10.0.0.0/8 or a list of them; names are not looked up"),
        ("-A INPUT -p tcp --dport 80 --dport 81", "1:28: `--dport` stands here a second time or excludes another; keep one"),
        ("-A INPUT -p tcp --dport", "1:17: `--dport` needs a value"),
        ("-A INPUT -p tcp --s 80", "1:17: `--s` could be `--source` or `--set-counters`; write it in full"),
        ("-A INPUT ! -j DROP", "1:12: `-j` cannot be inverted; remove the `!`"),
        ("-A INPUT ! -p all", "1:15: the rule can never match: no packet is of no protocol"),
        ("-A INPUT accept", "1:10: `accept` belongs to no option; remove it or quote it"),
        ("-A INPUT -m comment --comment \"x", "1:31: the quotation mark is not closed on this line"),
        ("-A INPUT -o lan", "1:1: `-o` is not allowed at INPUT, from where this rule is reached; use it at FORWARD, OUTPUT or POSTROUTING"),
        ("-t nat -A PREROUTING -j MASQUERADE", "1:25: `MASQUERADE` is not allowed at PREROUTING, from where this rule is reached; use it at POSTROUTING"),
        ("-A INPUT -j MASQUERADE", "1:13: `MASQUERADE` is not allowed in table filter; use it in nat"),
        ("-t nat -A INPUT -j DROP", "1:20: the nat table sees first packets only and must not DROP; use filter"),
        ("-N a\n-N b\n-A a -j b\n-A b -g a\n-A INPUT -j a", "4:9: chain `a` leads back to itself; remove a jump of the circle"),
        ("-N a\n-N a", "2:4: `a` is already the name of a chain or target; choose another"),
        ("-N DNAT", "1:4: `DNAT` is already the name of a chain or target; choose another"),
        ("-N -x", "1:4: `-x` cannot name a chain: 1 to 28 characters, not starting with `-` or `!`"),
        ("-N a\n-P a DROP", "2:4: cannot set the policy of `a`: it is not a built-in chain"),
        ("-X INPUT", "1:4: cannot delete `INPUT`: it is a built-in chain"),
        ("-P INPUT REJECT", "1:10: there is no policy `REJECT`"),
        ("*filter\n-A INPUT -j DROP\n", "3:1: the lines of table filter end without `COMMIT`; without it they have no effect"),
        ("*filter\n*nat\nCOMMIT", "2:1: a table is open already; write `COMMIT` before another one"),
        ("*filter\n-t nat -A INPUT\nCOMMIT", "2:1: a table is open already; write `COMMIT` before another one"),
        ("COMMIT", "1:1: this line belongs between `*table` and `COMMIT`"),
        (":INPUT DROP", "1:1: this line belongs between `*table` and `COMMIT`"),
        ("-s 1.2.3.4", "1:1: the line has no command; rules start with `-A CHAIN`"),
        ("[1:x] -A INPUT", "1:1: counters are written `[packets:bytes]`"),
        ("-I INPUT 2 -j DROP", "1:4: there is no such position; give one from 1 to 1"),
        ("-t nat -A POSTROUTING -j SNAT --to-source :80", "1:31: `--to-source` needs `-p` with tcp, udp, sctp, dccp or icmp to change ports"),
    ] {
        assert_eq!(refusal(text), format!("rules.v4:{error}"), "{text}");
    }
}

#[test]
fn a_target_in_a_user_chain_is_judged_by_the_hooks_that_reach_it() {
    let chains = "*nat\n:x - [0:0]\n-A x -j MASQUERADE\n";
    assert!(parse(&format!("{chains}COMMIT")).is_ok());
    assert!(parse(&format!("{chains}-A POSTROUTING -j x\nCOMMIT")).is_ok());
    assert!(parse(&format!("{chains}-A PREROUTING -j ACCEPT\n-A PREROUTING -j x\nCOMMIT")).is_ok(), "never reached");
    assert!(refusal(&format!("{chains}-A PREROUTING -j x\nCOMMIT")).contains("not allowed at PREROUTING"));
}

#[test]
fn rules_that_are_only_shown_name_a_helper_of_another_protocol_in_vain_where_it_is_known_what_it_reads() {
    let shown = |protocol: &str, helper: &str| {
        let text = format!("-t raw -A PREROUTING -p {protocol} -j CT --helper {helper}");
        let loading = Loading { only_shown: true, ..Loading::default() };
        RuleSet::parse(&[Source { name: "r", text: &text }], &loading).map(drop).map_err(|error| format!("{error}"))
    };
    for (helper, reads, other) in
        [("ftp", "tcp", "udp"), ("irc", "tcp", "udp"), ("tftp", "udp", "tcp"), ("netbios-ns", "udp", "sctp")]
    {
        assert_eq!(shown(reads, helper), Ok(()), "{helper}");
        let refused = shown(other, helper).expect_err("it reads something else");
        assert!(refused.ends_with(&format!("`--helper {helper}` needs `-p {reads}`, the protocol that it reads")));
    }
    assert_eq!(shown("udp", "of-my-own"), Ok(()), "nobody knows");
}

/// The rules of ip6tables in a text, where `ftp` and `irc` can be named.
fn parse_v6(text: &str) -> Result<RuleSet, String> {
    let known = |name: &str, id| KnownHelper { name: name.into(), id: HelperId(id), protocols: vec![Protocol::TCP] };
    let helpers = [known("ftp", 0), known("irc", 1)];
    let loading = Loading { family: Family::Ipv6, helpers: &helpers, ..Loading::default() };
    RuleSet::parse(&[Source { name: "r", text }], &loading).map_err(|error| format!("{error}"))
}

#[test]
fn helpers_that_read_ipv4_only_are_refused_for_ipv6() {
    let rule = |helper: &str| format!("-t raw -A PREROUTING -p tcp -j CT --helper {helper}");
    assert!(parse_v6(&rule("ftp")).is_ok());
    let refused = "r:1:44: `--helper irc` needs a rule of iptables: it reads IPv4 only";
    assert_eq!(parse_v6(&rule("irc")).map(drop), Err(refused.into()));
}

#[test]
fn prefixes_of_no_bits_are_saved_as_ip6tables_saves_them_and_kept_in_snapshots() {
    for (given, saved) in [
        ("--src-pfx ::/0 --dst-pfx fd00::/64", " --dst-pfx fd00::/64"),
        ("--src-pfx fd00::/64 --dst-pfx ::/0", " --src-pfx fd00::/64"),
        ("--src-pfx ::/0 --dst-pfx ::/0", ""),
        ("--src-pfx ::/64 --dst-pfx ::/48", " --src-pfx ::/64 --dst-pfx ::/48"),
    ] {
        let rules = parse_v6(&format!("-t mangle -A POSTROUTING -j SNPT {given}")).expect(given);
        assert!(rules.save(false).contains(&format!("-A POSTROUTING -j SNPT{saved}\n")), "{}", rules.save(false));
        let kept = rules.counted().keep(false);
        assert_eq!(parse_v6(&kept).expect(&kept).counted().keep(false), kept);
    }
}

#[test]
fn services_are_looked_up_as_the_tools_look_them_up() {
    for taken in [
        "-p tcp --dport finger",
        "-p udp --dport tftp:finger",
        "-p udp -m multiport --dports tftp,domain",
        "-p dccp --dport tftp",
        "-p sctp --dport amqp",
        "-p tcp -m conntrack --ctorigdstport tftp",
    ] {
        assert!(parse(&format!("-A INPUT {taken}")).is_ok(), "{taken}");
    }
    assert!(parse("-t nat -A PREROUTING -p tcp -j REDIRECT --to-ports tftp").is_ok());
    for refused in [
        "-p tcp --dport tftp",
        "-p tcp --sport 1:bootpc",
        "-p tcp -m multiport --dports 1,tftp",
        "-p udp -m multiport --dports finger",
        "-p udplite -m multiport --dports domain",
        "-p dccp -m multiport --dports domain",
        "-p sctp --dport domain",
    ] {
        assert!(parse(&format!("-A INPUT {refused}")).is_err(), "{refused}");
    }
    let wanted = refusal("-A INPUT -p tcp --dport tftp");
    assert!(wanted.ends_with("`tftp` is not a port, a TCP service's name or a range `low:high`"), "{wanted}");
}

proptest! {
    #[test]
    fn any_text_is_taken_or_refused(text in any::<String>()) {
        let _ = parse(&text);
    }

    #[test]
    fn any_words_are_taken_or_refused_and_what_is_taken_prints_as_itself(
        words in proptest::collection::vec(proptest::sample::select(WORDS), 0..9),
        table in proptest::sample::select(&["filter", "nat", "mangle", "raw"][..]),
        chain in proptest::sample::select(&["INPUT", "FORWARD", "OUTPUT", "PREROUTING", "POSTROUTING", "x"][..]),
    ) {
        let line = words.join(" ");
        if let Ok(rules) = parse(&format!("*{table}\n:x - [0:0]\n-A {chain} {line}\nCOMMIT\n")) {
            let saved = rules.save(true);
            let again = parse(&saved).unwrap_or_else(|error| panic!("{error}\n{saved}"));
            prop_assert_eq!(again.save(true), saved);
        }
    }
}

/// Words of rules, right and wrong, so that chance makes rules of them.
static WORDS: &[&str] = &[
    "!",
    "-s 10.0.0.0/8",
    "-d 1.2.3.4,5.6.7.8",
    "-d 10.1.2.3/255.0.255.0",
    "-i lan",
    "-o w+",
    "-p tcp",
    "-p udp",
    "-p 89",
    "-f",
    "-m tcp",
    "-m udp",
    "--dport 80",
    "--sport 1:2",
    "--dport :9",
    "--syn",
    "--tcp-flags ALL SYN,ACK",
    "--tcp-option 3",
    "-m state",
    "--state NEW,REL",
    "-m conntrack",
    "--ctstate DNAT,INVALID",
    "--ctdir REPLY",
    "--ctorigsrc 1.2.3.4/24",
    "--ctexpire 1:5",
    "--ctstatus ASSURED",
    "--ctproto 6",
    "-m comment",
    "--comment \"a \\\" b\"",
    "-j ACCEPT",
    "-j DROP",
    "-j x",
    "-g x",
    "-j RETURN",
    "-j MASQUERADE",
    "--to-ports 5-9",
    "--random",
    "-j SNAT",
    "--to-source 1.2.3.4-1.2.3.9:5",
    "-j DNAT",
    "--to-destination :80",
    "--persistent",
    "-j REDIRECT",
    "-j CT",
    "--notrack",
    "--zone 7",
    "--helper ftp",
    "-j NOTRACK",
    "-c 1 2",
    "--dport=7",
];
