//! `towpath conntrack`: the connections of a running gateway, in the text of conntrack(8).

use std::io::{self, Write};

use anyhow::Result;
use clap::Args;
use towpath::control::{Client, Reply, Request};

use super::{Answer, Control};

/// Show the connections of a running gateway.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
#[group(id = "what", required = true, multiple = false)]
pub(crate) struct Conntrack {
    /// List all connections.
    #[arg(short = 'L', long = "dump", group = "what")]
    list: bool,
    /// Show connections as they come, change and go, until interrupted.
    #[arg(short = 'E', long = "event", group = "what")]
    event: bool,
    #[command(flatten)]
    control: Control,
}

impl Conntrack {
    pub(crate) fn main(self) -> Result<Answer> {
        let request = if self.list { Request::ConntrackList } else { Request::ConntrackWatch };
        let mut client = Client::ask(&self.control.path(), request)?;
        let mut out = io::stdout().lock();
        while let Some(reply) = client.next_reply()? {
            match reply {
                Reply::Line(line) => writeln!(out, "{line}")?,
                Reply::Stats(_) | Reply::Done | Reply::Refused(_) | Reply::CutOff(_) => {}
            }
            if self.event {
                out.flush()?;
            }
        }
        Ok(Answer::Fine)
    }
}
