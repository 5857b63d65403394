//! `towpath rules`: rules in the text of iptables-save(8) and iptables(8).

use std::{
    io::{self, Write},
    path::PathBuf,
};

use anyhow::{Result, anyhow};
use clap::{Args, Subcommand, ValueEnum};
use towpath::text;
use towpath_engine::{
    conntrack::HelperId,
    limits::RULES_TEXT_BYTES_MAX,
    netfilter::{ListOptions, Loading, RuleSet, Source, TableName},
};

use super::Answer;

/// Read rules files and show what they say.
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
        files: Files,
        /// With each rule's counters.
        #[arg(short = 'c', long)]
        counters: bool,
    },
}

/// List the rules of a table as iptables -L -n does.
#[derive(Debug, Args)]
struct List {
    /// List the rules; names of hosts and services are not looked up, so that `-n` is always on.
    #[arg(short = 'L', long = "list", required = true)]
    list: bool,
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
    /// The table.
    #[arg(short = 't', long, value_enum, default_value_t = Table::Filter)]
    table: Table,
    #[command(flatten)]
    files: Files,
}

/// Where rules stand.
#[derive(Debug, Args)]
struct Files {
    /// A file of iptables-save or ipset save; may be given more than once.
    #[arg(short = 'r', long = "rules", value_name = "FILE", required = true)]
    rules: Vec<PathBuf>,
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
            Some(Action::Save { files, counters }) => files.read()?.save(counters),
            None => {
                // `-L` has to be there, and `-n` changes nothing: both are for those who know iptables.
                let List { list: _, numeric: _, verbose, exact, line_numbers, table, files } = self.list;
                let table = match table {
                    Table::Raw => TableName::Raw,
                    Table::Mangle => TableName::Mangle,
                    Table::Nat => TableName::Nat,
                    Table::Filter => TableName::Filter,
                };
                files.read()?.list(table, ListOptions { verbose, exact, numbers: line_numbers })
            }
        };
        io::stdout().lock().write_all(text.as_bytes())?;
        Ok(Answer::Fine)
    }
}

impl Files {
    /// Reads them with the helpers that this project has.
    fn read(&self) -> Result<RuleSet> {
        let mut texts = Vec::with_capacity(self.rules.len());
        for path in &self.rules {
            let name = path.display().to_string();
            let text = text::read(path, RULES_TEXT_BYTES_MAX).map_err(|error| anyhow!("{name}: {error}"))?;
            texts.push((name, text));
        }
        let sources: Vec<Source<'_>> = texts.iter().map(|(name, text)| Source { name, text }).collect();
        let helpers: Vec<_> = HELPERS.iter().zip(0..).map(|(name, id)| (*name, HelperId(id))).collect();
        let loading = Loading { counters: true, helpers: &helpers, ..Loading::default() };
        Ok(RuleSet::parse(&sources, &loading)?)
    }
}

/// Names that `-j CT --helper` may use: a file is shown whether or not its helpers are loaded.
const HELPERS: [&str; 4] = ["ftp", "tftp", "irc", "netbios-ns"];
