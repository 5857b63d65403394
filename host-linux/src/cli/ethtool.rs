//! `towpath ethtool`: the devices of a running gateway, under the options of ethtool(8).

use std::io::{self, Write};

use anyhow::{Result, bail};
use clap::Args;
use towpath::control::{Client, Facts, Request, Switched};

use super::{Answer, Control};

/// Show a device of a running gateway, or change what it does for it, as ethtool does.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("action").required(true))]
pub(crate) struct Ethtool {
    /// List the device's features.
    #[arg(short = 'k', long, value_name = "DEVICE", group = "action")]
    show_features: Option<String>,
    /// Show the device's rings: of what comes in the mapped one; what leaves the machine queues.
    #[arg(short = 'g', long, value_name = "DEVICE", group = "action")]
    show_ring: Option<String>,
    /// Show when interrupts tell of frames: the machine's device is asked, and this says so.
    #[arg(short = 'c', long, value_name = "DEVICE", group = "action")]
    show_coalesce: Option<String>,
    /// Show the device's queues.
    #[arg(short = 'l', long, value_name = "DEVICE", group = "action")]
    show_channels: Option<String>,
    /// Show what the device has counted.
    #[arg(short = 'S', long, value_name = "DEVICE", group = "action")]
    statistics: Option<String>,
    /// Switch features of the device: `-K lan gro on tso off`. Tells what has changed beside, and what could not be had; when none of
    /// them could, the exit code is 1. When a name is wrong, none is switched.
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
        let shown = [
            self.show_features.map(Request::Features),
            self.show_ring.map(|device| Request::Hardware(Facts::Rings, device)),
            self.show_coalesce.map(|device| Request::Hardware(Facts::Coalescing, device)),
            self.show_channels.map(|device| Request::Hardware(Facts::Channels, device)),
            self.statistics.map(|device| Request::Hardware(Facts::Statistics, device)),
        ];
        // At most one of them is asked.
        for request in shown.into_iter().flatten() {
            let text = Client::text(&path, request)?;
            io::stdout().lock().write_all(text.as_bytes())?;
        }
        if let Some(device) = self.features {
            let Switched { text, is_refused } = Client::switch(&path, device, switches(&self.switches)?)?;
            io::stdout().lock().write_all(text.as_bytes())?;
            if is_refused {
                writeln!(io::stderr(), "Could not change any device features")?;
                return Ok(Answer::No);
            }
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
