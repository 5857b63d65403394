//! `towpath conntrack`: the connections of a running gateway, in the text of conntrack(8).

use std::io::{self, Write};

use anyhow::Result;
use clap::{Args, ValueEnum};
use towpath::control::{Client, Reply, Request, Topic};
use towpath_engine::conntrack::text::{ConnectionLine, ExpectationLine};

use super::{Answer, Control};

/// Show the connections of a running gateway.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
#[group(id = "what", required = true, multiple = false)]
pub(crate) struct Conntrack {
    /// List what is in the table.
    #[arg(short = 'L', long = "dump", group = "what")]
    list: bool,
    /// Show what comes, changes and goes, until interrupted.
    #[arg(short = 'E', long = "event", group = "what")]
    event: bool,
    /// The table.
    #[arg(value_enum, default_value_t = Table::Conntrack)]
    table: Table,
    #[command(flatten)]
    control: Control,
}

/// A table of conntrack(8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Table {
    /// Connections.
    Conntrack,
    /// Connections that are expected.
    Expect,
}

impl Conntrack {
    pub(crate) fn main(self) -> Result<Answer> {
        let (topic, name) = match self.table {
            Table::Conntrack => (Topic::Connections, "flow entries"),
            Table::Expect => (Topic::Expectations, "expectations"),
        };
        let request = if self.list { Request::List(topic) } else { Request::Watch(topic) };
        let mut client = Client::ask(&self.control.path(), request)?;
        let mut out = io::stdout().lock();
        let mut shown = 0u64;
        while let Some(reply) = client.next_reply()? {
            write_line(&mut out, &reply)?;
            shown += 1;
        }
        out.flush()?;
        writeln!(io::stderr(), "towpath: {shown} {name} have been shown.")?;
        Ok(Answer::Fine)
    }
}

fn write_line(out: &mut impl Write, reply: &Reply) -> io::Result<()> {
    match reply {
        Reply::Connection(entry) => writeln!(out, "{}", ConnectionLine::listed(entry)),
        Reply::ConnectionEvent(_, change, entry) => writeln!(out, "{}", ConnectionLine::told(*change, entry)),
        Reply::Expectation(entry) => writeln!(out, "{}", ExpectationLine { entry, change: None }),
        Reply::ExpectationEvent(_, change, entry) => {
            writeln!(out, "{}", ExpectationLine { entry, change: Some(*change) })
        }
        Reply::Stats(_) | Reply::Done | Reply::Refused(_) | Reply::CutOff(_) => Ok(()),
    }
}
