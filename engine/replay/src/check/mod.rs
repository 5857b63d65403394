//! What a careful reader would say about a gateway before it runs.
//!
//! Rules are reviewed by the engine ([`towpath_engine::netfilter::review`]); here it is put together with the rest of the
//! gateway and said in words.
//!
//! # As JSON
//!
//! `towpath check --json` writes a line with one object about the gateway, then one a finding.
//!
//! | field | what it is |
//! |---|---|
//! | `schema` | `"towpath.check/1"`, in the first line, with `interfaces`, `rules` and `helpers` counted |
//! | `level` | `warning`: most likely wrong; `note`: worth knowing |
//! | `kind` | a word of [`LINTS`] |
//! | `file`, `line` | where; `line` is null when it is about the whole file |
//! | `rule` | the rule as `iptables-save` prints it; null: it is about none |
//! | `text` | the finding in a sentence |
//! | `change` | what to change, in general |

mod addresses;
mod lints;

use core::fmt;

use serde::Serialize;
use towpath_engine::{
    Engine,
    conntrack::{Family, helper::AttachPoint},
    netfilter::{Hook, Remark, RuleInfo, SetUsage, SetUse},
    wire::Protocol,
};

pub use self::lints::{LINTS, Lint, lint_of};
use crate::config::Config;

/// Something that a reader would say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What it is, in a word.
    pub kind: &'static str,
    /// The file that it is about.
    pub file: String,
    /// The line in it, from 1.
    pub line: Option<u32>,
    /// The rule that it is about.
    pub rule: Option<String>,
    /// A sentence.
    pub text: String,
    /// What to change, in general.
    pub change: &'static str,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Worth knowing.
    Note,
    /// Most likely wrong.
    Warning,
}

impl Level {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
        }
    }
}

/// `rules.v4:7: warning: ...`, then the rule on a line of its own.
impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:", self.file)?;
        if let Some(line) = self.line {
            write!(out, "{line}:")?;
        }
        write!(out, " {}: {}", self.level.name(), self.text)?;
        match &self.rule {
            Some(rule) => write!(out, "\n    {rule}"),
            None => Ok(()),
        }
    }
}

/// What there is to say about a gateway that has been set up, by its files and lines. `config` is its configuration,
/// if it has one.
#[must_use]
pub fn check(engine: &Engine, config: Option<&Config>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for family in [Family::Ipv4, Family::Ipv6] {
        findings.extend(of_family(engine, config, family));
    }
    findings.extend(of_sets(engine, config));
    findings.extend(config.into_iter().flat_map(|config| of_helpers(engine, config)));
    findings.extend(config.into_iter().flat_map(addresses::unusable));
    findings.extend(config.into_iter().flat_map(addresses::without_effect));
    findings.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    findings
}

fn of_family(engine: &Engine, config: Option<&Config>, family: Family) -> Vec<Finding> {
    let review = engine.rules().of(family).review(engine.devices());
    // Chains and policies stand where their table's rules do.
    let rules = engine.rules().of(family).rules();
    let default_file = match (rules.first(), config) {
        (Some(rule), _) => rule.file.as_str(),
        (None, Some(config)) => config.file.as_str(),
        (None, None) => "the rules",
    };
    // What the gateway sends by itself is translated, too.
    let sends = config.is_some_and(|config| config.host.is_some() || !config.stream_services.is_empty());
    let remarks = review.remarks.iter().filter(|remark| !(sends && matches!(remark, Remark::NothingForwarded { .. })));
    let mut findings: Vec<Finding> = remarks.map(|remark| of_remark(remark, default_file)).collect();
    let (forwards, switch) = match family {
        Family::Ipv4 => (engine.sysctls().ip_forward, "net.ipv4.ip_forward"),
        Family::Ipv6 => (engine.sysctls().ipv6_forwarding, "net.ipv6.conf.all.forwarding"),
    };
    if let Some(rule) = review.translation.as_ref().filter(|_| forwards == 0) {
        let text = format!("it translates, but {switch} is 0: nothing is forwarded");
        findings.push(Finding::about(rule, "not-forwarding", text));
    }
    if let (Some(rule), None) = (&review.related, &review.helper)
        && config.is_some_and(|config| config.helpers.is_empty())
    {
        let text = "no helper is attached, so only ICMP errors are RELATED; active FTP and its like need a [[helper]] or `-j CT --helper`";
        findings.push(Finding::about(rule, "related-without-helper", text.to_owned()));
    }
    findings
}

/// Helpers of a configuration that are attached where another one is already.
fn of_helpers(engine: &Engine, config: &Config) -> Vec<Finding> {
    let helpers: Vec<_> = engine.helpers().iter().collect();
    let mut findings = Vec::new();
    for (index, helper) in helpers.iter().enumerate() {
        let before =
            helpers[..index].iter().flat_map(|other| other.manifest.attach.iter().map(move |place| (other, place)));
        for (other, taken) in before {
            let meets = |place: &&AttachPoint| {
                let (first, last) =
                    (place.ports.start().max(taken.ports.start()), place.ports.end().min(taken.ports.end()));
                place.protocol == taken.protocol && first <= last
            };
            let Some(place) = helper.manifest.attach.iter().find(meets) else { continue };
            let protocol = if place.protocol == Protocol::TCP { "TCP" } else { "UDP" };
            let port = place.ports.start().max(taken.ports.start());
            let (name, first) = (&helper.manifest.name, &other.manifest.name);
            let text = format!(
                "helper '{name}' is not attached to {protocol} port {port}: '{first}', which comes before it, is"
            );
            let line = config.helpers.iter().find(|listed| listed.name.value == *name).map(|listed| listed.name.line);
            findings.push(Finding { line, ..Finding::new("helper-behind-helper", &config.file, text) });
        }
    }
    findings
}

/// Sets that rules of either family ask about in vain, or do not ask about at all.
fn of_sets(engine: &Engine, config: Option<&Config>) -> Vec<Finding> {
    let sets = engine.sets();
    let families = [Family::Ipv4, Family::Ipv6];
    let uses: Vec<SetUse> = families.into_iter().flat_map(|family| engine.rules().of(family).set_uses()).collect();
    // What is put into a list, goes into one of its sets.
    let is_filled = |name: &str| {
        let added = uses.iter().filter(|by| by.how == SetUsage::Adds).map(|by| by.set.as_str());
        let mut into = added.flat_map(|set| [set].into_iter().chain(sets.members(set)));
        into.any(|set| set == name || sets.members(name).any(|member| member == set))
    };
    let asked_in_vain =
        uses.iter().filter(|by| by.how == SetUsage::Asks && sets.is_empty(&by.set) && !is_filled(&by.set));
    let empty = asked_in_vain.map(|SetUse { set, rule, .. }| {
        let text =
            format!("set {set} is empty, and no rule puts anything into it: this matches nothing until somebody does");
        Finding::about(rule, "empty-set", text)
    });
    let is_named = |name: &str| {
        let mut named = uses.iter().flat_map(|by| [by.set.as_str()].into_iter().chain(sets.members(&by.set)));
        named.any(|set| set == name)
    };
    let file = config.and_then(|config| config.sets.as_ref()).map_or("the sets", |sets| sets.value.as_str());
    let unused = sets.names().filter(|name| !is_named(name));
    let unused = unused.map(|name| Finding::new("unused-set", file, format!("no rule names set {name}")));
    empty.chain(unused).collect()
}

impl Finding {
    fn new(kind: &'static str, file: &str, text: String) -> Self {
        let (level, change) = lint_of(kind).map_or((Level::Warning, ""), |lint| (lint.level, lint.change));
        Self { level, kind, file: file.to_owned(), line: None, rule: None, text, change }
    }

    fn about(rule: &RuleInfo, kind: &'static str, text: String) -> Self {
        Self { line: Some(rule.line), rule: Some(rule.text.clone()), ..Self::new(kind, &rule.file, text) }
    }

    /// About a rule, or about a chain's policy, which has no line.
    fn about_either(rule: Option<&RuleInfo>, file: &str, kind: &'static str, text: String) -> Self {
        match rule {
            Some(rule) => Self::about(rule, kind, text),
            None => Self::new(kind, file, text),
        }
    }
}

fn of_remark(remark: &Remark, file: &str) -> Finding {
    match remark {
        Remark::Shadowed { rule, by } => {
            let text = format!("no packet matches: {} takes all that it asks for (`{}`)", place(by), by.text);
            Finding::about(rule, "shadowed", text)
        }
        Remark::Unreachable { rule, count, by } => {
            let what = nobody_gets_here(*count);
            let text = format!("{what}: {} takes every packet (`{}`)", place(by), by.text);
            Finding::about(rule, "unreachable", text)
        }
        Remark::NothingLeft { rule, count, by } => nothing_left(rule, *count, by),
        Remark::NothingForwarded { translation } => {
            let text = "it translates what is forwarded, and FORWARD accepts no packet that begins a connection";
            Finding::about(translation, "nat-not-forwarded", text.to_owned())
        }
        Remark::Unused { table, chain, rule } => {
            let text = format!("no built-in chain of table {} leads to chain {chain}", table.name());
            Finding::about_either(rule.as_ref(), file, "unused-chain", text)
        }
        Remark::NoDevice { rule, device } => {
            let text = format!("the gateway has no interface '{device}', so this never matches");
            Finding::about(rule, "no-interface", text)
        }
        Remark::Unanswered { rule, hook, answers } => {
            Finding::about_either(rule.as_ref(), file, "answers-dropped", unanswered(rule.is_some(), *hook, *answers))
        }
        Remark::Untranslated { rule, translation } => {
            let what = if rule.is_some() { "this rule" } else { "the policy of FORWARD" };
            let text = format!(
                "{what} forwards INVALID packets too, and those leave untranslated past {} (`{}`); drop them before, with `-m conntrack --ctstate INVALID`",
                place(translation),
                translation.text
            );
            Finding::about_either(rule.as_ref(), file, "invalid-untranslated", text)
        }
        Remark::MasqueradesEverywhere { rule } => {
            let text = "this translates whatever leaves, also what goes back inside; name the way out with `-o`";
            Finding::about(rule, "masquerade-everywhere", text.to_owned())
        }
        Remark::LimitWithoutDrop { rule } => {
            let text = "what exceeds this limit is accepted all the same: nothing behind it in the chain drops";
            Finding::about(rule, "limit-without-drop", text.to_owned())
        }
        Remark::StateBeforeTracking { rule, takes_all } => {
            let text = match takes_all {
                true => "in raw no packet has a connection yet: each of them is INVALID here, and this takes them all",
                false => "in raw no packet has a connection yet: none is in this state here, and this takes none",
            };
            Finding::about(rule, "state-before-tracking", format!("{text}; ask in mangle or filter"))
        }
        Remark::NoNeighbours { hook } => {
            let chain = hook.chain();
            let text = format!(
                "{chain} drops messages of neighbours (RFC 4861): accept `-p ipv6-icmp -m icmp6 --icmpv6-type neighbour-solicitation` and `neighbour-advertisement` there"
            );
            Finding::about_either(None, file, "no-neighbours", text)
        }
        Remark::FallingRange { rule } => Finding::about(rule, "falling-range", FALLS.to_owned()),
        Remark::ForeignSource { rule, address } => {
            let text =
                format!("{address} is no address of this gateway: answers come here only where they are routed here");
            Finding::about(rule, "foreign-source", text)
        }
        Remark::NotForwarded { rule, address } => {
            let text = format!("connections are sent to {address}, but no rule of FORWARD lets them through to it");
            Finding::about(rule, "dnat-not-forwarded", text)
        }
    }
}

fn nothing_left(rule: &RuleInfo, count: usize, [first, second]: &[RuleInfo; 2]) -> Finding {
    let what = nobody_gets_here(count);
    let (at, then) = (place(first), place(second));
    let text = format!("{what}: {at} (`{}`) and {then} (`{}`) together take every packet", first.text, second.text);
    Finding::about(rule, "unreachable", text)
}

fn nobody_gets_here(count: usize) -> String {
    match count {
        1 => "no packet gets here".to_owned(),
        _ => format!("no packet gets to this rule and the {} behind it", count - 1),
    }
}

fn unanswered(is_rule: bool, hook: Hook, answers: Hook) -> String {
    let what = if is_rule {
        "this lets connections begin".to_owned()
    } else {
        format!("{} lets connections begin", hook.chain())
    };
    let chain = answers.chain();
    format!("{what}, but {chain} drops their answers; accept `-m conntrack --ctstate ESTABLISHED,RELATED` there")
}

const FALLS: &str = "this range falls: Linux takes it for all addresses but those between its ends";

fn place(rule: &RuleInfo) -> String {
    format!("{}:{}", rule.file, rule.line)
}

#[cfg(test)]
mod tests {
    use towpath_engine::netfilter::Source;

    use super::*;
    use crate::replay::{Replay, Setup};

    const GATEWAY: &str = "[[interface]]\nname='lan'\n[[interface]]\nname='wan'\n";

    fn findings(config: &str, rules: &str) -> Vec<String> {
        let config = Config::read("gateway.toml", config).unwrap();
        let rules = vec![Source { name: "rules.v4", text: rules }];
        let setup = Setup { config: Some(config.clone()), rules, ..Setup::default() };
        let replay = Replay::new(setup).map_err(|error| error.to_string()).unwrap();
        check(replay.engine(), Some(&config)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_finding_says_where_what_and_by_which_rule() {
        let rules = "-P FORWARD DROP\n-A FORWARD -m state --state ESTABLISHED -j ACCEPT\n-A FORWARD -p tcp -j ACCEPT\n-A FORWARD -p tcp --dport 22 -j DROP\n";
        assert_eq!(
            findings(GATEWAY, rules),
            [
                "rules.v4:4: warning: no packet matches: rules.v4:3 takes all that it asks for (`-A FORWARD -p tcp -j ACCEPT`)\n    -A FORWARD -p tcp -m tcp --dport 22 -j DROP"
            ]
        );
    }

    #[test]
    fn translating_without_forwarding_is_found() {
        let rules = "*nat\n-A PREROUTING -p tcp --dport 80 -j REDIRECT\nCOMMIT\n";
        assert_eq!(findings(GATEWAY, rules), [""; 0]);
        let off = format!("{GATEWAY}[sysctl]\nnet.ipv4.ip_forward = 0\n");
        let found = findings(&off, rules);
        assert!(found[0].starts_with("rules.v4:2: warning: it translates, but net.ipv4.ip_forward is 0"), "{found:?}");
    }

    #[test]
    fn related_without_a_helper_is_only_a_note() {
        let rules = "-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n";
        assert!(findings(GATEWAY, rules)[0].starts_with("rules.v4:1: note: no helper is attached"));
        let with = format!("{GATEWAY}[[helper]]\nname='ftp'\n");
        assert_eq!(findings(&with, rules), [""; 0]);
    }

    #[test]
    fn a_source_that_no_interface_has_is_noted() {
        let gateway = "[[interface]]\nname='lan'\naddresses=['10.0.0.1/24']\n[[interface]]\nname='wan'\naddresses=['203.0.113.1/24']\n";
        let rules = |address: &str| {
            format!(
                "-A FORWARD -m conntrack --ctstate INVALID -j DROP\n-t nat -A POSTROUTING -o wan -j SNAT --to-source {address}\n"
            )
        };
        assert_eq!(findings(gateway, &rules("203.0.113.1-203.0.113.9")), [""; 0]);
        let found = findings(gateway, &rules("203.0.113.2"));
        assert!(found[0].starts_with("rules.v4:2: note: 203.0.113.2 is no address of this gateway"), "{found:?}");
    }

    #[test]
    fn sets_that_are_asked_in_vain_or_not_at_all_are_noted() {
        let found = |sets: &str, rules: &str| {
            let config = Config::read("gateway.toml", GATEWAY).unwrap();
            let rules = vec![Source { name: "some.ipset", text: sets }, Source { name: "rules.v4", text: rules }];
            let setup = Setup { config: Some(config.clone()), rules, ..Setup::default() };
            let replay = Replay::new(setup).map_err(|error| error.to_string()).unwrap();
            check(replay.engine(), Some(&config)).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let (set, list) = ("create bad hash:ip\n", "create bad hash:ip\ncreate all list:set\nadd all bad\n");
        let asks = "-A INPUT -m set --match-set bad src -j DROP\n";
        let vain = "rules.v4:1: note: set bad is empty, and no rule puts anything into it: this matches nothing until somebody does\n    -A INPUT -m set --match-set bad src -j DROP";
        assert_eq!(found(set, asks), [vain]);
        assert_eq!(found(list, asks), [vain, "the sets: note: no rule names set all"]);
        assert_eq!(found("create bad hash:ip\nadd bad 10.0.0.9\n", asks), [""; 0]);
        assert_eq!(found(set, &asks.replace("--match", "! --match")), [""; 0]);
        assert_eq!(found(set, &format!("{asks}-A INPUT -p udp -j SET --add-set bad src\n")), [""; 0]);
        let asks_list = asks.replace("bad", "all");
        assert_eq!(found(list, &asks_list).len(), 1, "the list holds nothing");
        assert_eq!(found(list, &format!("{asks_list}-A INPUT -p udp -j SET --add-set bad src\n")), [""; 0]);
        assert_eq!(found(list, &format!("{asks}-A INPUT -p udp -j SET --add-set all src\n")), [""; 0]);
        assert_eq!(found(set, ""), ["the sets: note: no rule names set bad"]);
    }

    #[test]
    fn every_finding_is_of_the_table_and_the_table_is_in_order() {
        assert!(LINTS.windows(2).all(|pair| pair[0].id < pair[1].id));
        let found = {
            let config = Config::read("gateway.toml", GATEWAY).unwrap();
            let rules = "-P FORWARD DROP\n-A INPUT -m limit --limit 1/s -j ACCEPT\n-t nat -A POSTROUTING -j MASQUERADE\n-t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.9.9.9\n";
            let rules = vec![Source { name: "rules.v4", text: rules }];
            let setup = Setup { config: Some(config.clone()), rules, ..Setup::default() };
            let replay = Replay::new(setup).map_err(|error| error.to_string()).unwrap();
            check(replay.engine(), Some(&config))
        };
        let kinds: Vec<_> = found.iter().map(|finding| (finding.line, finding.kind)).collect();
        let expected = [
            (2, "limit-without-drop"),
            (3, "nat-not-forwarded"),
            (3, "masquerade-everywhere"),
            (4, "dnat-not-forwarded"),
        ];
        assert_eq!(kinds, expected.map(|(line, kind)| (Some(line), kind)));
        assert!(found.iter().all(|finding| lint_of(finding.kind).is_some_and(|lint| lint.change == finding.change)));
    }

    #[test]
    fn addresses_that_no_host_should_have_are_found_where_they_stand() {
        let found = |address: &str| {
            findings(&format!("[[interface]]\nname='lan'\naddresses=['10.9.9.9/30',\n '{address}']\n"), "")
        };
        for (address, what) in [
            ("224.0.0.1/24", "is a multicast address"),
            ("255.255.255.255/32", "is the address of everybody on the link"),
            ("0.0.0.0/0", "names no host"),
            ("10.0.0.255/24", "is the broadcast address of its network"),
            ("10.0.0.0/24", "is the address of its network itself"),
            ("2001:db8::/64", "is the one that all routers of its network share"),
        ] {
            let told = format!("gateway.toml:4: warning: {address} {what}, not one of a host in it");
            assert_eq!(found(address), [told]);
        }
        for fine in ["10.0.0.1/24", "10.0.0.0/31", "10.0.0.1/31", "10.0.0.0/32", "2001:db8::/128", "2001:db8::/127"] {
            assert_eq!(found(fine), [""; 0], "{fine}");
        }
    }

    #[test]
    fn two_rules_that_together_take_all_leave_nothing_behind_them() {
        let rules = "-A INPUT -i lan -j DROP\n-A INPUT -p udp -j ACCEPT\n-A INPUT ! -i lan -j DROP\n-A INPUT -p tcp -j ACCEPT\n";
        assert_eq!(
            findings(GATEWAY, rules),
            [
                "rules.v4:4: warning: no packet gets here: rules.v4:1 (`-A INPUT -i lan -j DROP`) and rules.v4:3 (`-A INPUT ! -i lan -j DROP`) together take every packet\n    -A INPUT -p tcp -j ACCEPT"
            ]
        );
        for fine in [
            rules.replace("! -i lan", "! -i wan"),
            rules.replace("! -i lan", "! -i lan -p tcp"),
            rules.replace("! -i lan", "! -i lan -m mark --mark 1"),
            rules.replacen("DROP", "LOG", 1),
        ] {
            assert_eq!(findings(GATEWAY, &fine), [""; 0], "{fine}");
        }
    }

    #[test]
    fn translation_of_what_nothing_forwards_is_found() {
        let found = |forward: &str| {
            findings(GATEWAY, &format!("*nat\n-A POSTROUTING -o wan -j MASQUERADE\nCOMMIT\n*filter\n{forward}COMMIT\n"))
        };
        let told = "rules.v4:2: warning: it translates what is forwarded, and FORWARD accepts no packet that begins a connection\n    -A POSTROUTING -o wan -j MASQUERADE";
        assert_eq!(found(":FORWARD DROP [0:0]\n"), [told]);
        assert_eq!(found("-A FORWARD -j REJECT\n"), [told]);
        assert_eq!(found(":FORWARD DROP [0:0]\n-A FORWARD -m state --state ESTABLISHED -j ACCEPT\n"), [told]);
        let accepts =
            "-A FORWARD -m state --state INVALID -j DROP\n-A FORWARD -m state --state ESTABLISHED -j ACCEPT\n";
        assert_eq!(
            found(&format!(":FORWARD DROP [0:0]\n:out - [0:0]\n{accepts}-A FORWARD -j out\n-A out -i lan -j ACCEPT\n")),
            [""; 0]
        );
    }

    #[test]
    fn what_is_about_a_policy_names_the_file_only() {
        let found = findings(GATEWAY, "*nat\n-A POSTROUTING -o wan -j MASQUERADE\nCOMMIT\n");
        assert!(found[0].starts_with("rules.v4: warning: the policy of FORWARD forwards INVALID packets"), "{found:?}");
    }
}
