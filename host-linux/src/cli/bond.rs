//! `towpath bond`: the bonds of a running gateway, as `/proc/net/bonding` shows them.

use std::io::{self, Write};

use anyhow::Result;
use clap::Args;
use towpath::control::{Client, Request};

use super::{Answer, Control};

/// Show the bonds of a running gateway, as /proc/net/bonding shows them. Those behind a capture: `towpath replay --show bonds`.
#[derive(Debug, Args)]
pub(crate) struct Bond {
    /// Which one [default: all].
    #[arg(value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    control: Control,
}

impl Bond {
    pub(crate) fn main(self) -> Result<Answer> {
        let text = Client::text(&self.control.path(), Request::Bonds(self.name))?;
        io::stdout().lock().write_all(text.as_bytes())?;
        Ok(Answer::Fine)
    }
}
