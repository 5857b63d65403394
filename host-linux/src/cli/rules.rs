//! `towpath rules`: rules in the text of iptables-save(8) and iptables(8), of files and of a running gateway.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::{Result, anyhow};
use clap::{Args, Subcommand, ValueEnum};
use towpath::{
    control::{Client, Request},
    gateway::helpers_named,
    text,
    tracking::parse_protocol,
};
use towpath_engine::{
    conntrack::{Family, HelperId, TimeoutKind, TimeoutPolicies, TimeoutPolicy},
    limits::RULES_TEXT_BYTES_MAX,
    netfilter::{ListOptions, Loading, RuleSet, Source, TableName},
    sysctl::Sysctls,
    wire::Protocol,
};

use super::{Answer, Control};

/// Show the rules of a running gateway or of files, and change those of a running gateway.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, args_conflicts_with_subcommands = true)]
pub(crate) struct Rules {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the rules as iptables-save does, but for its two comment lines that hold the time.
    Save {
        #[command(flatten)]
        place: Place,
        /// With each rule's counters.
        #[arg(short = 'c', long)]
        counters: bool,
    },
    /// Put the rules of files in the place of all rules of a running gateway, at once. Connections stay. When a rule is wrong,
    /// nothing changes.
    Apply {
        /// Files of iptables-save or ipset save, in order; `-` is standard input.
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// Take the counters in the files too.
        #[arg(short = 'c', long)]
        counters: bool,
        /// Rules of ip6tables.
        #[arg(short = '6', long)]
        ipv6: bool,
        #[command(flatten)]
        control: Control,
    },
}

/// List the rules of a table as iptables -L -n does, or forget what they have counted.
#[derive(Debug, Args)]
struct List {
    /// List the rules; names of hosts and services are not looked up, so that `-n` is always on.
    #[arg(short = 'L', long = "list", required_unless_present = "zero")]
    list: bool,
    /// Forget what the rules of a running gateway have counted: those of the table, or without `-t` of all.
    #[arg(short = 'Z', long, conflicts_with_all = ["list", "rules"])]
    zero: bool,
    /// Numbers instead of names; always on.
    #[arg(short = 'n', long)]
    numeric: bool,
    /// Counters and devices too.
    #[arg(short = 'v', long)]
    verbose: bool,
    /// Counters in full.
    #[arg(short = 'x', long)]
    exact: bool,
    /// Number the rules.
    #[arg(long)]
    line_numbers: bool,
    /// The table [default: filter].
    #[arg(short = 't', long, value_enum)]
    table: Option<Table>,
    #[command(flatten)]
    place: Place,
}

/// Where rules stand, and whose packets they are for.
#[derive(Debug, Args)]
struct Place {
    /// A file of iptables-save or ipset save, instead of a running gateway; may be given more than once.
    #[arg(short = 'r', long = "rules", value_name = "FILE")]
    rules: Vec<PathBuf>,
    /// Rules of ip6tables.
    #[arg(short = '6', long)]
    ipv6: bool,
    #[command(flatten)]
    control: Control,
}

/// A table of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Table {
    Raw,
    Mangle,
    Nat,
    Filter,
}

impl Rules {
    pub(crate) fn main(self) -> Result<Answer> {
        let text = match self.action {
            Some(Action::Apply { files, counters, ipv6, control }) => {
                let texts = texts(&files)?;
                Client::apply_rules(&control.path(), family(ipv6), counters, &texts)?;
                return Ok(Answer::Fine);
            }
            Some(Action::Save { place, counters }) => match place.read()? {
                Some(rules) => rules.save(counters),
                None => place.ask(Request::SaveRules(place.family(), counters))?,
            },
            None => match self.list.main()? {
                Some(text) => text,
                None => return Ok(Answer::Fine),
            },
        };
        io::stdout().lock().write_all(text.as_bytes())?;
        Ok(Answer::Fine)
    }
}

impl List {
    /// Lists, or forgets what was counted.
    fn main(self) -> Result<Option<String>> {
        // `-n` changes nothing: it is for those who know iptables.
        let Self { list: _, zero, numeric: _, verbose, exact, line_numbers, table, place } = self;
        let named = table.map(Table::name);
        if zero {
            Client::order(&place.control.path(), Request::ZeroRules(place.family(), named))?;
            return Ok(None);
        }
        let table = named.unwrap_or(TableName::Filter);
        let options = ListOptions { verbose, exact, numbers: line_numbers };
        Ok(Some(match place.read()? {
            Some(rules) => rules.list(table, options),
            None => place.ask(Request::ListRules(place.family(), table, options))?,
        }))
    }
}

impl Table {
    const fn name(self) -> TableName {
        match self {
            Self::Raw => TableName::Raw,
            Self::Mangle => TableName::Mangle,
            Self::Nat => TableName::Nat,
            Self::Filter => TableName::Filter,
        }
    }
}

impl Place {
    const fn family(&self) -> Family {
        family(self.ipv6)
    }

    /// The rules of the files, if there are any. A file is shown whether or not there are the helpers and timeout policies that it
    /// names.
    fn read(&self) -> Result<Option<RuleSet>> {
        if self.rules.is_empty() {
            return Ok(None);
        }
        let texts = texts(&self.rules)?;
        let sources: Vec<Source<'_>> = texts.iter().map(|(name, text)| Source { name, text }).collect();
        let named = texts.iter().flat_map(|(_, text)| helpers_named(text));
        let helpers: Vec<_> = named.zip(0..).map(|(name, id)| (name, HelperId(id))).collect();
        let timeouts = timeouts_named(texts.iter().map(|(_, text)| &text[..]), self.family())?;
        let timeouts = Some(&timeouts);
        let loading = Loading { family: self.family(), counters: true, helpers: &helpers, timeouts, sets: &[] };
        Ok(Some(RuleSet::parse(&sources, &loading)?))
    }

    /// Asks a running gateway.
    fn ask(&self, request: Request) -> Result<String> {
        Ok(Client::text(&self.control.path(), request)?)
    }
}

/// Policies of the names that stand behind `--timeout`, each for the protocol of the first rule that names it.
fn timeouts_named<'a>(texts: impl Iterator<Item = &'a str>, family: Family) -> Result<TimeoutPolicies> {
    let mut policies = TimeoutPolicies::default();
    for line in texts.flat_map(str::lines) {
        let words = || line.split_ascii_whitespace();
        let behind = |options: &[&str]| words().zip(words().skip(1)).find(|(word, _)| options.contains(word));
        let (Some((_, name)), Some((_, protocol))) = (behind(&["--timeout"]), behind(&["-p", "--protocol"])) else {
            continue;
        };
        let name = name.trim_matches(['"', '\'']);
        let protocol = if protocol == "ipv6-icmp" { "icmpv6" } else { protocol };
        let kind = parse_protocol(protocol).map_or_else(|_| TimeoutKind::of(Protocol(255)), TimeoutKind::of);
        if policies.iter().all(|(_, known)| known.name != name) {
            let policy = TimeoutPolicy::new(name.to_owned(), family, kind);
            policies.set(&policy, &Sysctls::default()).map_err(|error| anyhow!("{error}"))?;
        }
    }
    Ok(policies)
}

const fn family(ipv6: bool) -> Family {
    if ipv6 { Family::Ipv6 } else { Family::Ipv4 }
}

/// The names and texts of files; `-` is standard input.
fn texts(files: &[PathBuf]) -> Result<Vec<(String, String)>> {
    let text = |file: &PathBuf| {
        let name = file.display().to_string();
        let from = if name == "-" { Path::new("/dev/stdin") } else { file };
        let text = text::read(from, RULES_TEXT_BYTES_MAX).map_err(|error| anyhow!("{name}: {error}"))?;
        Ok((name, text))
    };
    files.iter().map(text).collect()
}
