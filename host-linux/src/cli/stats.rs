//! `towpath stats`: what a running gateway has counted.

use std::io::{self, Write};

use anyhow::Result;
use clap::Args;
use towpath::control::{Client, Reply, Request};

use super::{Answer, Control};

/// Show what a running gateway has counted.
#[derive(Debug, Args)]
pub(crate) struct Stats {
    /// One JSON object (towpath.stats/1) instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    control: Control,
}

impl Stats {
    pub(crate) fn main(self) -> Result<Answer> {
        let mut client = Client::ask(&self.control.path(), Request::Stats)?;
        let mut out = io::stdout().lock();
        while let Some(reply) = client.next_reply()? {
            match reply {
                Reply::Stats(report) if self.json => writeln!(out, "{}", serde_json::to_string(&report)?)?,
                Reply::Stats(report) => write!(out, "{report}")?,
                Reply::Connection(_)
                | Reply::ConnectionEvent(..)
                | Reply::Expectation(_)
                | Reply::ExpectationEvent(..)
                | Reply::Count(_)
                | Reply::Tracking(_)
                | Reply::State(_)
                | Reply::Text(_)
                | Reply::Helper(_)
                | Reply::Logged(..)
                | Reply::Done
                | Reply::Refused(_)
                | Reply::CutOff(_) => {}
            }
        }
        Ok(Answer::Fine)
    }
}
