//! `towpath ipset`: sets in the text of ipset(8), of files and of a running gateway; `towpath recent`: what `-m recent` has seen.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use towpath::{
    control::{Client, Request},
    sets,
};
use towpath_engine::{Instant, netfilter::SetListing};

use super::{Answer, Control, rules};

/// Show the sets of a running gateway or of files, as ipset does: in order, and with the memory that they take here.
#[derive(Debug, Args)]
pub(crate) struct Ipset {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print what sets are and what is in them, with counters and the seconds that are left.
    List {
        #[command(flatten)]
        place: Place,
        /// Leave out what is in them.
        #[arg(short, long)]
        terse: bool,
        /// Print their names only.
        #[arg(short, long, conflicts_with = "terse")]
        name: bool,
    },
    /// Print what makes them anew: `ipset restore` takes it, and so do rules files.
    Save {
        #[command(flatten)]
        place: Place,
    },
}

/// Which sets are meant.
#[derive(Debug, Args)]
struct Place {
    /// The set; all, if none is named.
    set: Option<String>,
    /// A file of ipset save, instead of a running gateway; may be given more than once, and with files of iptables-save.
    #[arg(short = 'r', long = "rules", value_name = "FILE")]
    rules: Vec<PathBuf>,
    /// Rules of ip6tables, as they are anyway in a file whose name ends in v6.
    #[arg(short = '6', long, requires = "rules")]
    ipv6: bool,
    #[command(flatten)]
    control: Control,
}

impl Ipset {
    pub(crate) fn main(self) -> Result<Answer> {
        let (place, how) = match self.action {
            Action::List { place, name: true, .. } => (place, SetListing::Names),
            Action::List { place, terse: true, .. } => (place, SetListing::Terse),
            Action::List { place, .. } => (place, SetListing::Full),
            Action::Save { place } => (place, SetListing::Save),
        };
        let text = place.show(how)?;
        io::stdout().lock().write_all(text.as_bytes())?;
        Ok(Answer::Fine)
    }
}

impl Place {
    fn show(&self, how: SetListing) -> Result<String> {
        if self.rules.is_empty() {
            return Ok(Client::text(&self.control.path(), Request::ShowSets(self.set.clone(), how))?);
        }
        let rules = rules::read(&self.rules, self.ipv6)?;
        let uses = sets::uses([&rules]);
        let uses = |set: &str| uses.get(set).copied().unwrap_or_default();
        // Lives in a file begin when it is read.
        let shown = rules.sets().show(Instant::ZERO, self.set.as_deref(), how, &uses);
        shown.with_context(|| format!("there is no set '{}'", self.set.as_deref().unwrap_or_default()))
    }
}

/// Show what `-m recent` rules of a running gateway have seen, as /proc/net/xt_recent does; times are in ticks of 4 ms.
#[derive(Debug, Args)]
pub(crate) struct Recent {
    /// The list. Without it, the names of all lists.
    list: Option<String>,
    #[command(flatten)]
    control: Control,
}

impl Recent {
    pub(crate) fn main(self) -> Result<Answer> {
        let text = Client::text(&self.control.path(), Request::ShowRecent(self.list))?;
        io::stdout().lock().write_all(text.as_bytes())?;
        Ok(Answer::Fine)
    }
}
