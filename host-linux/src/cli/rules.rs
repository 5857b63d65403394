//! `towpath rules`: rules in the text of iptables-save(8) and iptables(8), of files and of a running gateway.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::{Result, anyhow, bail};
use clap::{Args, Subcommand, ValueEnum};
use towpath::{
    control::{Client, Request},
    gateway::family_of,
    text,
};
use towpath_engine::{
    conntrack::Family,
    limits::RULES_TEXT_BYTES_MAX,
    netfilter::{ListOptions, Loading, RuleSet, Source, TableName},
};

use super::{Answer, Control, chains};

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
    /// Print the rules as iptables-save does, but for its two comment lines that hold the time. Tables come in the order in which
    /// packets come to them (raw, mangle, nat, filter, security), whatever order they were given in; iptables-legacy-save begins with
    /// the one that was made last, so that its order turns round with each restore.
    Save {
        #[command(flatten)]
        place: Place,
        /// With each rule's counters.
        #[arg(short = 'c', long)]
        counters: bool,
    },
    /// Put the tables of files in the place of those of a running gateway, all at once, and when a rule is wrong, none. As with
    /// iptables-restore, tables that no file names stay as they are, and those of the other family. Connections stay.
    Apply {
        /// Files of iptables-save or ipset save, in order; `-` is standard input.
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// Take the counters in the files too.
        #[arg(short = 'c', long)]
        counters: bool,
        /// Rules of ip6tables, as they are anyway in a file whose name ends in v6.
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
    #[arg(short = 'L', long = "list", value_name = "CHAIN", num_args = 0..=1, required_unless_present_any = ["zero", "list_rules"])]
    list: Option<Option<String>>,
    /// Print the rules of the table, or of one chain, as the options that make them.
    #[arg(short = 'S', long = "list-rules", value_name = "CHAIN", num_args = 0..=1, conflicts_with = "list")]
    list_rules: Option<Option<String>>,
    /// Forget what the rules of a running gateway have counted: those of the table, or without `-t` of all.
    #[arg(short = 'Z', long, conflicts_with_all = ["list", "list_rules", "rules"])]
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
    /// A file of iptables-save or ipset save, instead of a running gateway; may be given more than once. Helpers and timeout policies
    /// that it names need not be there, where iptables-restore asks for them: `towpath check -c` tells of those that a gateway has not.
    #[arg(short = 'r', long = "rules", value_name = "FILE")]
    rules: Vec<PathBuf>,
    /// Rules of ip6tables, as they are anyway in a file whose name ends in v6.
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
    Security,
}

impl Rules {
    pub(crate) fn main(self) -> Result<Answer> {
        let text = match self.action {
            Some(Action::Apply { files, counters, ipv6, control }) => {
                let texts = texts(&files)?;
                Client::apply_rules(&control.path(), family(ipv6, &texts)?, counters, &texts)?;
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
        let Self { list, list_rules, zero, numeric: _, verbose, exact, line_numbers, table, place } = self;
        let named = table.map(Table::name);
        if zero {
            Client::order(&place.control.path(), Request::ZeroRules(place.family(), named))?;
            return Ok(None);
        }
        let table = named.unwrap_or(TableName::Filter);
        let rules = place.read()?;
        if let Some(chain) = list_rules {
            let saved = match rules {
                Some(rules) => rules.save(true),
                None => place.ask(Request::SaveRules(place.family(), true))?,
            };
            // A table that nobody has named is not saved; its chains are there all the same.
            let named = format!("*{}\n", table.name());
            let saved = if saved.contains(&named) { saved } else { empty(&named)? };
            return chains::options(&saved, table.name(), chain.as_deref(), verbose).map(Some);
        }
        let options = ListOptions { verbose, exact, numbers: line_numbers };
        let listing = match rules {
            Some(rules) => rules.list(table, options),
            None => place.ask(Request::ListRules(place.family(), table, options))?,
        };
        match list.flatten() {
            Some(chain) => chains::one(&listing, &chain).map(Some),
            None => Ok(Some(listing)),
        }
    }
}

/// What is saved of a table without rules.
fn empty(head: &str) -> Result<String> {
    let text = format!("{head}COMMIT\n");
    Ok(RuleSet::parse(&[Source { name: "empty", text: &text }], &Loading::default())?.save(true))
}

impl Table {
    const fn name(self) -> TableName {
        match self {
            Self::Raw => TableName::Raw,
            Self::Mangle => TableName::Mangle,
            Self::Nat => TableName::Nat,
            Self::Filter => TableName::Filter,
            Self::Security => TableName::Security,
        }
    }
}

impl Place {
    /// Whose rules of a running gateway are meant.
    const fn family(&self) -> Family {
        if self.ipv6 { Family::Ipv6 } else { Family::Ipv4 }
    }

    /// The rules of the files, if there are any. A file is shown whether or not there are the helpers and timeout policies that it
    /// names.
    fn read(&self) -> Result<Option<RuleSet>> {
        if self.rules.is_empty() {
            return Ok(None);
        }
        read(&self.rules, self.ipv6).map(Some)
    }

    /// Asks a running gateway.
    fn ask(&self, request: Request) -> Result<String> {
        Ok(Client::text(&self.control.path(), request)?)
    }
}

/// The rules and sets of files, to be shown.
pub(super) fn read(files: &[PathBuf], ipv6: bool) -> Result<RuleSet> {
    let texts = texts(files)?;
    let sources: Vec<Source<'_>> = texts.iter().map(|(name, text)| Source { name, text }).collect();
    let family = family(ipv6, &texts)?;
    let loading = Loading { family, counters: true, only_shown: true, ..Loading::default() };
    Ok(RuleSet::parse(&sources, &loading)?)
}

/// Whose rules are meant: what an option says, or else the files' names. Sets are of both families.
fn family(ipv6: bool, texts: &[(String, String)]) -> Result<Family> {
    let has_rules = texts.iter().any(|(_, text)| !Source { name: "", text }.is_of_sets());
    let named =
        || texts.iter().filter(|(_, text)| !has_rules || !Source { name: "", text }.is_of_sets()).map(|(name, _)| name);
    let of = |family| named().find(move |name| family_of(Path::new(name)) == family);
    match (of(Family::Ipv4), of(Family::Ipv6)) {
        _ if ipv6 => Ok(Family::Ipv6),
        (Some(v4), Some(v6)) if has_rules => bail!(
            "{v6} holds rules of ip6tables and {v4} rules of iptables, as their names say: name those of one family at a time, or \
             say -6 if all are of ip6tables"
        ),
        (None, Some(_)) => Ok(Family::Ipv6),
        (Some(_) | None, _) => Ok(Family::Ipv4),
    }
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
