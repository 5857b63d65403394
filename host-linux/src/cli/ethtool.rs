//! `towpath ethtool`: what the devices of a running gateway do for it, under the options of ethtool(8).

use std::io::{self, Write};

use anyhow::{Result, bail};
use clap::Args;
use towpath::control::{Client, Request};

use super::{Answer, Control};

/// Show what a device of a running gateway does for it, or change that, as ethtool does.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("action").required(true))]
pub(crate) struct Ethtool {
    /// List the device's features.
    #[arg(short = 'k', long, value_name = "DEVICE", group = "action")]
    show_features: Option<String>,
    /// Switch features of the device: `-K lan gro on tso off`. All of them, or when one is wrong none.
    #[arg(short = 'K', long, value_name = "DEVICE", group = "action")]
    features: Option<String>,
    /// Names of features, each followed by `on` or `off`.
    #[arg(value_name = "FEATURE on|off", requires = "features")]
    switches: Vec<String>,
    #[command(flatten)]
    control: Control,
}

impl Ethtool {
    pub(crate) fn main(self) -> Result<Answer> {
        let path = self.control.path();
        if let Some(device) = self.show_features {
            let text = Client::text(&path, Request::Features(device))?;
            io::stdout().lock().write_all(text.as_bytes())?;
        }
        if let Some(device) = self.features {
            let mut client = Client::ask(&path, Request::SetFeatures(device, switches(&self.switches)?))?;
            while client.next_reply()?.is_some() {}
        }
        Ok(Answer::Fine)
    }
}

/// Features and whether they are to be on.
fn switches(words: &[String]) -> Result<Vec<(String, bool)>> {
    let (pairs, rest) = words.as_chunks::<2>();
    if let [name] = rest {
        bail!("'{name}' must be followed by on or off");
    }
    if pairs.is_empty() {
        bail!("-K needs a feature and on or off, such as `gro on`");
    }
    let switch = |[name, on]: &[String; 2]| match on.as_str() {
        "on" => Ok((name.clone(), true)),
        "off" => Ok((name.clone(), false)),
        _ => bail!("'{name}' must be followed by on or off, not '{on}'"),
    };
    pairs.iter().map(switch).collect()
}
