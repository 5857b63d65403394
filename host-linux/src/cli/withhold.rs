//! `towpath withhold`: what `towpath run --withhold` starts.

use std::io;

use anyhow::Result;
use clap::Args;
use rustix::thread::CapabilitySet;
use towpath::{
    privileges::{User, drop_all_but},
    signals::Signals,
    withholder::withhold,
};

use super::Answer;

/// Withhold packets of devices from the machine's own network stack until standard input ends.
#[derive(Debug, Args)]
#[command(hide = true)]
pub(crate) struct Withhold {
    /// Become this user.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Names of devices.
    devices: Vec<String>,
}

impl Withhold {
    pub(crate) fn main(self) -> Result<Answer> {
        let user = self.user.as_deref().map(User::find).transpose()?;
        drop_all_but(CapabilitySet::NET_ADMIN, user)?;
        // It ends when the gateway does, and not before: what asks that to stop may be said to both.
        let _signals = Signals::listen()?;
        match withhold(&self.devices, io::stdout().lock()) {
            // The gateway has gone.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Answer::Fine),
            ended => Ok(ended.map(|()| Answer::Fine)?),
        }
    }
}
