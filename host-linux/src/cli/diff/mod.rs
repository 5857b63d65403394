//! `towpath diff`: what another gateway would do otherwise.

mod json;
mod text;

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::{Result, anyhow};
use clap::Args;
use towpath::gateway::Gateway;
use towpath_replay::{
    capture::Capture,
    diff::{Diff as Comparison, Group},
    replay::{Detail, Replay, Setup},
};

use super::{Answer, capture::missing_interfaces, shell::quoted};

/// Say which flows two gateways treat in different ways: captures are led through both.
///
/// Flows that differ for the same reason are put together, with the rule that decides before and after and one packet
/// as an example. Exit code 0: nothing differs; 1: something does; 2: a file cannot be used.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The gateway as it is: a gateway.toml, or a rules file (one whose name does not end in .toml).
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The gateway as it might be.
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// A capture, or a folder with captures. May be given more than once.
    #[arg(long, value_name = "DIR", required = true)]
    captures: Vec<PathBuf>,
    /// The gateway whose rules OLD and NEW are, when they are rules files.
    #[arg(short, long, value_name = "gateway.toml")]
    config: Option<PathBuf>,
    /// JSON, one object a line (towpath.diff/1), instead of text.
    #[arg(long)]
    json: bool,
}

impl Diff {
    pub(crate) fn main(self) -> Result<Answer> {
        let files = self.files()?;
        let mut comparison = Comparison::default();
        for file in &files {
            let name = file.display().to_string();
            let at = |error: &dyn core::fmt::Display| anyhow!("{name}: {error}");
            let (mut old, mut new) = (self.replay(&self.old)?, self.replay(&self.new)?);
            let opened = File::open(file).map_err(|error| at(&error))?;
            let mut capture = Capture::in_background(opened).map_err(|error| at(&error))?;
            if let Err(error) = comparison.capture(&name, [&mut old, &mut new], &mut capture) {
                // What comes before the damage has been compared, and other captures may be whole.
                writeln!(io::stderr(), "towpath: warning: {name}: {error}; compared up to there")?;
            }
        }
        let mut out = io::stdout().lock();
        if self.json {
            json::write(&mut out, &comparison, &self)?;
        } else {
            text::write(&mut out, &comparison, &self)?;
        }
        out.flush()?;
        Ok(if comparison.groups().is_empty() { Answer::Fine } else { Answer::No })
    }

    /// The command line that tells an example's whole path through one of the gateways.
    fn explaining(&self, group: &Group, gateway: &Path) -> String {
        let (config, rules) = self.parts(gateway);
        let mut words = format!("towpath explain {}", quoted(&group.example.capture));
        for (option, file) in [("-c", config), ("-r", rules)] {
            if let Some(file) = file {
                words += &format!(" {option} {}", quoted(&file.display().to_string()));
            }
        }
        words + &format!(" -n {}", group.example.packet)
    }

    /// The configuration and the rules of a gateway that is named.
    fn parts<'a>(&'a self, gateway: &'a Path) -> (Option<&'a Path>, Option<&'a Path>) {
        if gateway.extension().is_some_and(|ending| ending == "toml") {
            (Some(gateway), None)
        } else {
            (self.config.as_deref(), Some(gateway))
        }
    }

    fn replay(&self, gateway: &Path) -> Result<Replay> {
        let (config, rules) = self.parts(gateway);
        let mut gateway = Gateway::read(config, rules.as_slice())?;
        let replay = Replay::new(Setup { detail: Detail::Path, ..gateway.setup() })?;
        // Such rules match nothing on either side, so that "nothing differs" would say nothing of them.
        if config.is_none()
            && let Some(missing) = missing_interfaces(replay.engine()).next()
        {
            return Err(anyhow!(missing));
        }
        Ok(replay)
    }

    /// The captures that are named, and those in the folders that are named.
    fn files(&self) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for path in &self.captures {
            if !path.is_dir() {
                files.push(path.clone());
                continue;
            }
            let at = |error| anyhow!("{}: {error}", path.display());
            let mut found = Vec::new();
            for entry in fs::read_dir(path).map_err(at)? {
                found.push(entry.map_err(at)?.path());
            }
            found.retain(|file| file.is_file() && is_capture(file));
            found.sort();
            if found.is_empty() {
                return Err(anyhow!(
                    "{}: no file in it has a name that ends in {}",
                    path.display(),
                    ENDINGS.join(", ")
                ));
            }
            files.extend(found);
        }
        Ok(files)
    }
}

fn is_capture(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// How the names of captures end, inside gzip too.
const ENDINGS: [&str; 3] = [".pcap", ".pcapng", ".cap"];
