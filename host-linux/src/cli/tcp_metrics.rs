//! `towpath tcp_metrics`: what a running gateway's own connections have left of their ways, under the words of ip-tcp_metrics(8).

use std::{
    io::{self, Write},
    net::IpAddr,
};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use towpath::{
    control::{Client, Request},
    destinations,
};

use super::{Answer, Control};

/// Show what a running gateway remembers of the hosts that its own connections went to, as `ip tcp_metrics` does, or let it forget.
#[derive(Debug, Args)]
pub(crate) struct TcpMetrics {
    /// What is done.
    #[arg(value_enum, default_value_t = What::Show)]
    what: What,
    /// With hosts in that network, such as 10.0.0.0/8 or an address [default: all].
    #[arg(value_name = "PREFIX", value_parser = destinations::parse)]
    network: Option<(IpAddr, u8)>,
    #[command(flatten)]
    control: Control,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// A line for each.
    Show,
    /// They are forgotten.
    Flush,
    /// The same, of an address that has to be told; where nothing is remembered of it, exit code 1.
    Delete,
}

impl TcpMetrics {
    pub(crate) fn main(self) -> Result<Answer> {
        let Self { what, network, control } = self;
        if what == What::Delete && network.is_none() {
            bail!("'delete' needs an address; `towpath tcp_metrics flush` forgets all");
        }
        if what == What::Show {
            let text = Client::text(&control.path(), Request::Destinations(network))?;
            io::stdout().lock().write_all(text.as_bytes())?;
            return Ok(Answer::Fine);
        }
        let count = Client::count(&control.path(), Request::ForgetDestinations(network))?;
        Ok(if what == What::Delete && count == 0 { Answer::No } else { Answer::Fine })
    }
}
