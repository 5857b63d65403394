//! `towpath sysctl`: the tunables of a running gateway, under the options of sysctl(8).

use std::io::{self, Write};

use anyhow::{Result, anyhow, bail};
use clap::Args;
use towpath::{
    control::{Client, Request},
    sysctl,
};
use towpath_engine::sysctl::ValueForm;

use super::{Answer, Control};

/// Show tunables of a running gateway, or set them, as sysctl does. They last until it is stopped.
#[derive(Debug, Args)]
pub(crate) struct Sysctl {
    /// Show all of them.
    #[arg(short, long)]
    all: bool,
    /// NAME=VALUE instead of NAME: set it.
    #[arg(short, long)]
    write: bool,
    /// Names, such as net.ipv4.tcp_rmem; or settings: -w 'net.ipv4.tcp_rmem=4096 131072 6291456'.
    #[arg(value_name = "NAME[=VALUE]", required_unless_present = "all")]
    names: Vec<String>,
    #[command(flatten)]
    control: Control,
}

impl Sysctl {
    pub(crate) fn main(self) -> Result<Answer> {
        let path = self.control.path();
        let mut out = io::stdout().lock();
        if self.all {
            out.write_all(Client::text(&path, Request::Tunables)?.as_bytes())?;
        }
        for word in &self.names {
            if self.write || word.contains('=') {
                let (name, values) = sysctl::parse(word).map_err(|wrong| anyhow!(wrong))?;
                let told = ValueForm::of(&name).show(&values);
                Client::order(&path, Request::SetTunable(name.clone(), values))?;
                writeln!(out, "{name} = {told}")?;
            } else {
                let (text, name) = (Client::text(&path, Request::Tunables)?, word.replace('/', "."));
                let line = text.lines().find(|line| line.split(" = ").next() == Some(&name));
                let Some(line) = line else { bail!("there is no tunable '{name}'; `towpath sysctl -a` lists all") };
                writeln!(out, "{line}")?;
            }
        }
        Ok(Answer::Fine)
    }
}
