//! Rules text, against what iptables itself makes of it: recorded in `rules/`, and asked again where the tool can run.

use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use towpath_engine::{
    Engine, Instant,
    conntrack::{Family, HelperId, calling::KnownHelper},
    netfilter::{KnownSet, ListOptions, Loading, RuleError, RuleSet, Source, TableName},
    wire::Protocol,
};

/// Sets of rules as tools and people write them; each with what the tool saves after it has read them.
const FILES: [&str; 2] = ["gateway", "ufw"];

/// Sets of rules as tools make them: `ufw` and `fail2ban` were dumped, the others are written after what the tools'
/// documentation and sources say. A `.ipset` beside one is restored first.
const REAL: [&str; 7] = ["docker", "fail2ban", "firewalld", "istio", "kube-proxy", "libvirt", "ufw"];

/// Sets that the tool is given before each rule, by `rules/record.py` too.
const SETS: &[&str] = &["here", "there", "where", "lists"];

/// One rule, or a few lines, and what becomes of it.
#[derive(Debug)]
struct Pair {
    family: Family,
    table: String,
    lines: String,
    saved: Saved,
}

#[derive(Debug, PartialEq, Eq)]
enum Saved {
    Rules(Vec<String>),
    /// Nobody takes it.
    Refused,
    /// The tool takes it, we do not.
    RefusedHere,
}

#[test]
fn every_recorded_rule_is_printed_or_refused_as_the_tool_does() {
    let mut wrong = Vec::new();
    for pair in pairs() {
        match (parse_of(pair.family, "pair", &pair.text(), false), &pair.saved) {
            (Ok(rules), Saved::Rules(saved)) if rules_of(&rules.save(false)) == *saved => {}
            (Err(_), Saved::Refused | Saved::RefusedHere) => {}
            (Ok(rules), saved) => {
                wrong.push(format!("{}\n{:?}\nnot {saved:?}", pair.lines, rules_of(&rules.save(false))))
            }
            (Err(error), _) => wrong.push(format!("{}: {error}", pair.lines)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn whole_files_come_out_as_the_tool_saves_them_and_stay_so() {
    for name in FILES {
        let saved = read(&format!("files/{name}.saved"));
        let rules = parse(name, &read(&format!("files/{name}.v4")), true).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(rules.save(true), saved, "{name}");
        let again = parse(name, &saved, true).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(again.save(true), saved, "{name}");
    }
}

#[test]
fn what_real_tools_write_comes_out_as_iptables_saves_it() {
    for name in REAL {
        let saved = read(&format!("real/{name}.saved"));
        let rules = parse_real(name, &read(&format!("real/{name}.v4")));
        assert_eq!(rules.save(true), saved, "{name}");
        assert_eq!(parse_real(name, &saved).save(true), saved, "{name}");
    }
}

#[test]
fn every_rule_is_listed_as_the_tool_lists_it() {
    for (family, file) in [(Family::Ipv4, "listed.txt"), (Family::Ipv6, "listed6.txt")] {
        let text = read(file);
        let mut lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let (mut wrong, mut count) = (Vec::new(), 0);
        while let (Some(question), Some(answer)) = (lines.next(), lines.next()) {
            let (table, rule) = question.trim_start_matches('6').split_once(" < ").expect("a table and a rule");
            let rules = parse_of(family, "rule", &format!("*{table}\n:foo - [0:0]\n{rule}\nCOMMIT\n"), false)
                .unwrap_or_else(|error| panic!("{error}"));
            let table = *TableName::ALL.iter().find(|known| known.name() == table).expect("a table");
            let listed = rules.list(table, ListOptions { verbose: true, ..ListOptions::default() });
            let is_rule = |line: &&str| !line.starts_with("Chain") && !line.starts_with(" pkts") && !line.is_empty();
            let ours = listed.lines().find(is_rule).unwrap_or_default();
            if Some(ours) != answer.strip_prefix("= ") {
                wrong.push(format!("{rule}\n{answer}|\n  {ours}|"));
            }
            count += 1;
        }
        assert!(count > 400, "only {count} rules of {file}");
        assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    }
}

#[test]
fn whole_tables_are_listed_as_the_tool_lists_them() {
    for name in REAL {
        for options in ["-v", "-v -x", "", "--line-numbers", "-v -x --line-numbers"] {
            if !tool_runs() {
                return lab::skip("iptables-legacy-restore cannot run in a network namespace here");
            }
            let text = read(&format!("real/{name}.v4"));
            let sets = sets_of(name).map(|sets| format!("ipset restore <<'SETS'\n{sets}SETS\n")).unwrap_or_default();
            let list = format!("iptables-legacy -L -n {options}");
            let answer = in_namespace(&format!("{sets}iptables-legacy-restore -c <<'RULES'\n{text}RULES\n{list}\n"));
            let has = |word: &str| options.contains(word);
            let shown = ListOptions { verbose: has("-v"), exact: has("-x"), numbers: has("--line-numbers") };
            assert_eq!(parse_real(name, &text).list(TableName::Filter, shown), answer, "{name} {options}");
        }
    }
}

#[test]
fn the_recordings_are_what_the_tool_here_makes_of_them() {
    if !tool_runs() {
        return lab::skip("iptables-legacy-restore cannot run in a network namespace here");
    }
    for (family, tool, sets) in [(Family::Ipv4, "iptables", ""), (Family::Ipv6, "ip6tables", "family inet6")] {
        let pairs: Vec<Pair> = pairs().into_iter().filter(|pair| pair.family == family).collect();
        let mut script = format!(
            "ask() {{ {tool}-legacy -t $1 -F; {tool}-legacy-restore 2>/dev/null && {tool}-legacy-save -t $1; }}\n"
        );
        script.push_str(&format!("ipset create here hash:ip {sets}\nipset create there hash:ip,port {sets}\n"));
        script.push_str(&format!("ipset create where hash:net {sets}\nipset create lists list:set\n"));
        for pair in &pairs {
            let (table, text) = (&pair.table, pair.text());
            script.push_str(&format!("ask {table} <<'RULES' || echo refused\n{text}RULES\necho ----\n"));
        }
        let answer = in_namespace(&script);
        let answers: Vec<&str> = answer.split("----\n").collect();
        assert_eq!(answers.len(), pairs.len() + 1, "one answer a pair:\n{answer}");
        for (pair, answer) in pairs.iter().zip(answers) {
            let refused = answer.lines().last() == Some("refused");
            match &pair.saved {
                Saved::Rules(saved) => assert_eq!(rules_of(answer), *saved, "{tool} {}", pair.lines),
                Saved::Refused => assert!(refused, "{tool} {}: {answer}", pair.lines),
                Saved::RefusedHere => assert!(!refused, "{tool} {}: the tool refuses it too", pair.lines),
            }
        }
    }
}

#[test]
fn the_tool_here_saves_whole_files_as_recorded() {
    if !tool_runs() {
        return lab::skip("iptables-legacy-restore cannot run in a network namespace here");
    }
    for name in FILES {
        let text = read(&format!("files/{name}.v4"));
        let tables = ["raw", "mangle", "nat", "filter"].iter().filter(|table| text.contains(&format!("*{table}\n")));
        let save: String = tables.map(|table| format!("iptables-legacy-save -c -t {table}\n")).collect();
        let answer = in_namespace(&format!("iptables-legacy-restore -c <<'RULES'\n{text}RULES\n{save}"));
        let lines: String =
            answer.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
        assert_eq!(lines, read(&format!("files/{name}.saved")), "{name}");
    }
}

#[test]
fn the_tool_here_saves_what_real_tools_write_as_recorded() {
    if !tool_runs() {
        return lab::skip("iptables-legacy-restore cannot run in a network namespace here");
    }
    for name in REAL {
        let (text, saved) = (read(&format!("real/{name}.v4")), read(&format!("real/{name}.saved")));
        let tables = ["raw", "mangle", "nat", "filter"].iter().filter(|table| saved.contains(&format!("*{table}\n")));
        let save: String = tables.map(|table| format!("iptables-legacy-save -c -t {table}\n")).collect();
        let sets = sets_of(name).map(|sets| format!("ipset restore <<'SETS'\n{sets}SETS\n")).unwrap_or_default();
        let answer = in_namespace(&format!("{sets}iptables-legacy-restore -c <<'RULES'\n{text}RULES\n{save}"));
        let lines: String =
            answer.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
        assert_eq!(lines, saved, "{name}");
    }
}

impl Pair {
    fn text(&self) -> String {
        format!("*{}\n:foo - [0:0]\n{}\nCOMMIT\n", self.table, self.lines)
    }
}

fn pairs() -> Vec<Pair> {
    let mut pairs: Vec<Pair> = Vec::new();
    let texts = [read("pairs.txt"), read("pairs6.txt")];
    for line in texts.iter().flat_map(|text| text.lines()).filter(|line| !line.starts_with('#') && !line.is_empty()) {
        if let Some((table, lines)) = line.split_once(" < ") {
            let (family, table) = match table.strip_prefix('6') {
                Some(table) => (Family::Ipv6, table),
                None => (Family::Ipv4, table),
            };
            let (table, lines) = (table.to_owned(), lines.replace(" ; ", "\n"));
            pairs.push(Pair { family, table, lines, saved: Saved::Rules(Vec::new()) });
            continue;
        }
        let Some(pair) = pairs.last_mut() else { panic!("{line} belongs to nothing") };
        match (line, &mut pair.saved) {
            ("!", saved) => *saved = Saved::Refused,
            ("~", saved) => *saved = Saved::RefusedHere,
            (rule, Saved::Rules(rules)) => rules.extend(rule.strip_prefix("> ").map(str::to_owned)),
            (line, _) => panic!("{line} after a refusal"),
        }
    }
    let of_ipv6 = pairs.iter().filter(|pair| pair.family == Family::Ipv6).count();
    assert!(pairs.len() - of_ipv6 > 900 && of_ipv6 > 600, "only {} pairs, {of_ipv6} of IPv6", pairs.len());
    pairs
}

/// The rules among the lines that the tool or we print.
fn rules_of(saved: &str) -> Vec<String> {
    saved.lines().filter(|line| line.starts_with("-A")).map(str::to_owned).collect()
}

#[test]
fn what_sets_forget_lives_from_the_first_packet_on_however_late_it_comes() {
    let sets = "create banned hash:ip timeout 60\nadd banned 10.0.0.5 timeout 600\nadd banned 10.0.0.6\n";
    let rules = "-A FORWARD -m set --match-set banned src -j DROP\n";
    let sources = [Source { name: "sets", text: sets }, Source { name: "rules", text: rules }];
    let rules = || {
        towpath_engine::Command::ReplaceRules(Box::new(
            RuleSet::parse(&sources, &Loading::default()).expect("they are right"),
        ))
    };
    let mut engine = Engine::new(1);
    engine.handle_command(Instant::ZERO, rules()).expect("there is room");
    let lives = |engine: &Engine, secs| {
        let text = engine.sets().save(Instant::from_secs(secs));
        let lives = text.lines().filter_map(|line| line.strip_prefix("add banned ").map(str::to_owned));
        lives.collect::<Vec<_>>()
    };
    engine.handle_frames(Instant::from_secs(1_700_000_000), &[]);
    assert_eq!(lives(&engine, 1_700_000_010), ["10.0.0.5 timeout 590", "10.0.0.6 timeout 50"]);
    engine.handle_frames(Instant::from_secs(1_700_000_010), &[]);
    assert_eq!(lives(&engine, 1_700_000_010), ["10.0.0.5 timeout 590", "10.0.0.6 timeout 50"], "time begins once");
    engine.handle_command(Instant::from_secs(1_700_000_020), rules()).expect("there is room");
    assert_eq!(
        lives(&engine, 1_700_000_020),
        ["10.0.0.5 timeout 600", "10.0.0.6 timeout 60"],
        "others live from then on"
    );
}

fn parse(name: &str, text: &str, counters: bool) -> Result<RuleSet, RuleError> {
    parse_of(Family::Ipv4, name, text, counters)
}

fn parse_of(family: Family, name: &str, text: &str, counters: bool) -> Result<RuleSet, RuleError> {
    let helpers = [known("ftp", 0, Protocol::TCP), known("tftp", 1, Protocol::UDP)];
    let sets: Vec<KnownSet> = SETS.iter().map(|name| KnownSet { name: (*name).into(), family: None }).collect();
    let loading = Loading { family, counters, helpers: &helpers, sets: &sets, ..Loading::default() };
    RuleSet::parse(&[Source { name, text }], &loading)
}

fn known(name: &str, id: u16, protocol: Protocol) -> KnownHelper {
    KnownHelper { name: name.into(), id: HelperId(id), protocols: Vec::from([protocol]) }
}

/// Reads a file of `real/` with the sets that belong to it.
fn parse_real(name: &str, text: &str) -> RuleSet {
    let sets = sets_of(name);
    let sets = sets.as_deref().map(|text| Source { name: "sets", text });
    let sources: Vec<Source<'_>> = sets.into_iter().chain([Source { name, text }]).collect();
    let helpers = [known("ftp", 0, Protocol::TCP), known("tftp", 1, Protocol::UDP)];
    let loading = Loading { counters: true, helpers: &helpers, ..Loading::default() };
    RuleSet::parse(&sources, &loading).unwrap_or_else(|error| panic!("{error}"))
}

/// The sets that belong to a file of `real/`.
fn sets_of(name: &str) -> Option<String> {
    fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("rules/real/{name}.ipset"))).ok()
}

fn read(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("rules").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn tool_runs() -> bool {
    let mut tool = Command::new("unshare");
    tool.args(["-n", "iptables-legacy-save"]).stdout(Stdio::null()).stderr(Stdio::null());
    matches!(tool.status(), Ok(status) if status.success())
}

/// What a shell script prints in a network namespace of its own.
fn in_namespace(script: &str) -> String {
    let mut command = Command::new("unshare");
    let mut shell = command
        .args(["-n", "sh"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("unshare has just been run");
    let mut input = shell.stdin.take().expect("stdin is piped");
    let script = script.to_owned();
    let writer = std::thread::spawn(move || input.write_all(script.as_bytes()));
    let output = shell.wait_with_output().expect("the shell ends");
    writer.join().expect("the writer ends").expect("the script is read");
    String::from_utf8(output.stdout).expect("rules are text")
}
