//! `towpath stats`: what a running gateway has counted.

use std::io::{self, Write};

use anyhow::Result;
use clap::Args;
use towpath::control::Client;

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
        let report = Client::stats(&self.control.path())?;
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&report)?)?;
        } else {
            write!(out, "{report}")?;
        }
        Ok(Answer::Fine)
    }
}
