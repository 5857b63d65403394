//! `towpath socket`: the sockets of a running gateway, under the options of ss(8).

use std::io;

use anyhow::Result;
use clap::Args;
use towpath::{control::Client, sockets::Shown};

use super::{Answer, Control};

/// Show the sockets of a running gateway, as ss does: its services, relays and what they are connected to.
#[derive(Debug, Args)]
pub(crate) struct Socket {
    /// Those of TCP.
    #[arg(short, long)]
    tcp: bool,
    /// Those of UDP.
    #[arg(short, long)]
    udp: bool,
    /// Those of ICMP and of whole protocols.
    #[arg(short = 'w', long)]
    raw: bool,
    /// Those that listen, too, and what is left of connections.
    #[arg(short, long)]
    all: bool,
    /// Only those that listen.
    #[arg(short, long, conflicts_with = "all")]
    listening: bool,
    /// Only IPv4.
    #[arg(short = '4', long = "ipv4")]
    only_v4: bool,
    /// Only IPv6.
    #[arg(short = '6', long = "ipv6")]
    only_v6: bool,
    /// What is known of connections.
    #[arg(short, long)]
    info: bool,
    /// Without effect: numbers are never names here.
    #[arg(short, long)]
    numeric: bool,
    /// No headings.
    #[arg(short = 'H', long)]
    no_header: bool,
    #[command(flatten)]
    control: Control,
}

impl Socket {
    pub(crate) fn main(self) -> Result<Answer> {
        let Self { tcp, udp, raw, all, listening, only_v4, only_v6, info, no_header, .. } = self;
        let shown = Shown { tcp, udp, raw, all, listening, only_v4, only_v6, info, no_header };
        let mut sockets = Vec::new();
        for socket in Client::sockets(&self.control.path())? {
            sockets.push(*socket?);
        }
        shown.write(&sockets, &mut io::stdout().lock())?;
        Ok(Answer::Fine)
    }
}
