//! `towpath conntrack`: the connections of a gateway, as conntrack(8) shows and deletes them.
//!
//! | file | what |
//! |---|---|
//! | `wanted` | which connections are meant |
//! | `legal` | which options go together |
//! | `running` | a running gateway is asked |
//! | `replayed` | the gateway of a replay is asked (`towpath replay --conntrack`) |

mod legal;
mod replayed;
mod running;
mod wanted;

use std::io::{self, Write};

use anyhow::Result;
use clap::{Args, ValueEnum};
use towpath::{
    control::{Client, Request, Topic},
    tracking::{Counted, Expected, Filter, Format, Style, write_expectation_statistics, write_statistics},
};
use towpath_engine::conntrack::{Family, Revision};

pub(crate) use self::replayed::Replayed;
use self::{running::Running, wanted::Wanted};
use super::{Answer, Control};

/// Show, count, change or delete the connections of a running gateway.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct Conntrack {
    #[command(flatten)]
    question: Question,
    #[command(flatten)]
    control: Control,
}

/// What conntrack(8) can be asked.
#[derive(Debug, Args)]
#[group(id = "what", required = true, multiple = false)]
struct Question {
    /// List what is in the table.
    #[arg(short = 'L', long = "dump", group = "what")]
    list: bool,
    /// Show the one connection with this protocol and these ends, or the expectation that such a packet would fulfil. It is "no" (exit
    /// code 1) when there is none.
    #[arg(short = 'G', long, group = "what")]
    get: bool,
    /// Show what comes, changes and goes, until interrupted.
    #[arg(short = 'E', long = "event", group = "what")]
    event: bool,
    /// Say how many there are.
    #[arg(short = 'C', long, group = "what")]
    count: bool,
    /// Show what connection tracking has counted.
    #[arg(short = 'S', long, group = "what")]
    stats: bool,
    /// Delete what the options describe, and show it; an expectation is not shown, but counted, where conntrack 1.4.7 says of each that
    /// it has deleted that 0 have been shown, and "no". It is "no" (exit code 1) when there is nothing.
    #[arg(short = 'D', long, group = "what")]
    delete: bool,
    /// Change the mark (-m), the timeout (-t) or the status (-u) of what the other options describe, and show it. It is "no" (exit code
    /// 1) when nothing changes. Those whose timeout is fixed stay as they are where -t is given.
    #[arg(short = 'U', long, group = "what")]
    update: bool,
    /// Empty the table.
    #[arg(short = 'F', long, group = "what")]
    flush: bool,
    /// The table.
    #[arg(value_enum, default_value_t = Table::Conntrack)]
    table: Table,
    #[command(flatten)]
    wanted: Wanted,
    /// With -U: in how many seconds they are forgotten unless something refreshes them.
    #[arg(short, long, value_name = "SECONDS")]
    timeout: Option<u32>,
    /// Count what connections have carried anew, once they are listed.
    #[arg(short, long)]
    zero: bool,
    /// How connections are shown.
    #[arg(short = 'o', long, value_enum, value_delimiter = ',')]
    output: Vec<Output>,
}

/// A table of conntrack(8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Table {
    /// Connections.
    Conntrack,
    /// Connections that are expected.
    Expect,
    /// Connections whose end nobody could be told of. There are none, as in Linux without reliable events.
    Dying,
    /// Connections of packets that are still under way. None are told of, as by Linux from 6.0 on.
    Unconfirmed,
}

impl Table {
    /// What its things are to a gateway.
    const fn topic(self) -> Topic {
        match self {
            Self::Expect => Topic::Expectations,
            Self::Conntrack | Self::Dying | Self::Unconfirmed => Topic::Connections,
        }
    }

    /// Whether nothing is ever in it.
    const fn is_empty(self) -> bool {
        matches!(self, Self::Dying | Self::Unconfirmed)
    }
}

/// A way to show connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// As XML.
    Xml,
    /// As the options that make them, for `conntrack -R`; expectations are lines all the same.
    Save,
    /// One JSON object a line (towpath.conntrack/1).
    Json,
    /// With the family before each.
    Extended,
    /// With its number behind each; it is the gateway's own, from 1 on.
    Id,
    /// With its time before each event, and before each expectation.
    Timestamp,
    /// With the times when each began and ended, where they are known (`net.netfilter.nf_conntrack_timestamp`), in UTC.
    Ktimestamp,
    /// With who has caused each event from outside. conntrack 1.4.7 tells that whether it is asked for or not; here it is nobody, since
    /// programs have no netlink port to be known by.
    Userspace,
    /// With the names of its labels, as the file of `--label-names` has them; without that file, without them.
    Labels,
}

impl Question {
    fn format(&self) -> Result<Format> {
        let is_save_alone = self.output.iter().all(|output| matches!(output, Output::Save | Output::Userspace));
        anyhow::ensure!(
            is_save_alone || !self.output.contains(&Output::Save),
            "cannot combine save output with any other output type, use -o save only"
        );
        let has = |output| self.output.contains(&output);
        let styles = [(Output::Xml, Style::Xml), (Output::Save, Style::Save), (Output::Json, Style::Json)];
        let mut chosen = styles.iter().filter(|(output, _)| has(*output)).map(|(_, style)| *style);
        let style = chosen.next().unwrap_or_default();
        anyhow::ensure!(chosen.next().is_none(), "-o takes only one of xml, save and json");
        Ok(Format {
            style,
            extended: has(Output::Extended),
            id: has(Output::Id),
            timestamp: has(Output::Timestamp),
            times: has(Output::Ktimestamp),
            looked_up: self.get,
            labels: if has(Output::Labels) { self.wanted.shown_names()? } else { None },
        })
    }

    /// What is meant.
    fn filter(&self) -> Result<Filter> {
        let mut filter = if self.update { self.wanted.to_change()? } else { self.wanted.filter()? };
        // Asked for one ping, conntrack(8) takes an identifier that is not given for 0.
        if self.get && filter.kind.is_some() {
            filter.original.source_port.get_or_insert(0);
        }
        anyhow::ensure!(!self.zero || self.list, "-z goes with -L only");
        anyhow::ensure!(
            !self.zero || filter == Filter::default(),
            "-z counts all connections anew; it takes no filter"
        );
        Ok(filter)
    }

    /// Which expectations are meant.
    fn expected(&self) -> Expected {
        let wanted = self.wanted.expected();
        match (self.list || self.count, self.names_expectation()) {
            // conntrack(8) lists and counts those of one family.
            (true, _) => Expected { family: wanted.family.or(Some(Family::Ipv4)), ..wanted },
            (false, true) => Expected { packet: self.wanted.packet(), ..wanted },
            (false, false) => wanted,
        }
    }

    /// What is to be changed.
    fn revision(&self) -> Result<Revision> {
        Ok(Revision { timeout_secs: self.timeout, ..self.wanted.revision()? })
    }

    /// What is shown of the table, when it is counted.
    const fn things(&self) -> &'static str {
        match (self.table, self.event) {
            (Table::Expect, false) => "expectations",
            (Table::Expect, true) => "expectation events",
            (Table::Conntrack | Table::Dying | Table::Unconfirmed, false) => "flow entries",
            (Table::Conntrack | Table::Dying | Table::Unconfirmed, true) => "flow events",
        }
    }

    /// Says on standard error how many were shown or deleted; it is "no" when there had to be some and are none.
    fn conclude(&self, count: u64) -> Result<Answer> {
        let done = match (self.delete, self.update) {
            (true, _) => "deleted",
            (false, true) => "updated",
            (false, false) => "shown",
        };
        let is_named = self.get || self.names_expectation();
        if is_named && count == 0 {
            let why = match self.table.topic() == Topic::Expectations {
                true => "No such file or directory",
                false => "such conntrack doesn't exist",
            };
            writeln!(io::stderr(), "towpath: Operation failed: {why}")?;
            return Ok(Answer::No);
        }
        if self.get && self.table == Table::Expect {
            return Ok(Answer::Fine);
        }
        writeln!(io::stderr(), "towpath: {count} {} have been {done}.", self.things())?;
        Ok(if (self.delete || self.update) && count == 0 { Answer::No } else { Answer::Fine })
    }

    /// Writes what has been counted.
    fn write_statistics(&self, out: &mut impl Write, counted: &Counted) -> io::Result<()> {
        match self.table {
            Table::Expect => write_expectation_statistics(out, counted),
            Table::Conntrack | Table::Dying | Table::Unconfirmed => write_statistics(out, &counted.connections),
        }
    }
}

impl Conntrack {
    pub(crate) fn main(self) -> Result<Answer> {
        let (path, question) = (self.control.path(), self.question);
        question.check()?;
        let (table, format) = (question.table, question.format()?);
        let (filter, expected) = (question.filter()?, question.expected());
        let asking = Running { path: &path, table, filter, expected, format, zeroes: question.zero };
        let mut out = io::stdout().lock();
        if question.count {
            writeln!(out, "{}", asking.count()?)?;
            return Ok(Answer::Fine);
        }
        if question.stats {
            question.write_statistics(&mut out, &Client::tracking(&path)?)?;
            return Ok(Answer::Fine);
        }
        if question.flush {
            Client::count(&path, Request::Flush(table.topic()))?;
            let table = if table == Table::Expect { "expectation" } else { "connection tracking" };
            writeln!(io::stderr(), "towpath: {table} table has been emptied.")?;
            return Ok(Answer::Fine);
        }
        let count = match (question.delete, question.update) {
            (true, _) => asking.delete(&mut out)?,
            (false, true) => asking.update(&question.revision()?, &mut out)?,
            (false, false) => asking.show(question.event, &mut out)?,
        };
        out.flush()?;
        question.conclude(count)
    }
}
