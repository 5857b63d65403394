//! Node.js and npm, which bundle the page.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Result, bail};

use crate::{places, run, say};

/// The oldest versions that do: the oldest of line 20, and the oldest of the lines above it (what Vite asks for).
const OLDEST_20: (u32, u32) = (20, 19);
const OLDEST: (u32, u32) = (22, 12);

/// Programs of Node.js that are recent enough.
pub(crate) struct Node {
    npm: PathBuf,
}

impl Node {
    /// Finds them.
    ///
    /// # Errors
    /// When they are missing or too old; the message says what to install.
    pub(crate) fn find() -> Result<Self> {
        const ADVICE: &str = "the page needs Node.js 20.19, 22.12 or newer, with npm: see https://nodejs.org";
        let Some(node) = run::find("node") else { bail!("there is no node: {ADVICE}") };
        let Some(npm) = run::find("npm") else { bail!("there is no npm: {ADVICE}") };
        let version = run::output(Command::new(&node).arg("--version")).unwrap_or_default();
        if !is_recent(version.trim()) {
            bail!("node is {}: {ADVICE}", version.trim());
        }
        Ok(Self { npm })
    }

    /// `npm` in the page's folder.
    pub(crate) fn npm(&self) -> Command {
        let mut command = Command::new(&self.npm);
        command.current_dir(places::page());
        command
    }

    /// Installs what the page is built with, unless it is there.
    pub(crate) fn install(&self) -> Result<()> {
        let changed = |file: &str| fs::metadata(places::page().join(file)).and_then(|file| file.modified()).ok();
        // npm writes the former when it is done.
        if changed("node_modules/.package-lock.json") > changed("package-lock.json") {
            return Ok(());
        }
        say("installing what the page is built with (npm ci)");
        run::run(self.npm().args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]))
    }
}

/// Whether a version, such as `v20.19.2`, is recent enough.
fn is_recent(version: &str) -> bool {
    let mut numbers = version.trim_start_matches('v').split('.').map_while(|number| number.parse().ok());
    let (Some(major), Some(minor)) = (numbers.next(), numbers.next()) else { return false };
    let version: (u32, u32) = (major, minor);
    version >= OLDEST || (version.0 == OLDEST_20.0 && version >= OLDEST_20)
}

#[cfg(test)]
mod tests {
    use super::is_recent;

    #[test]
    fn only_versions_that_vite_runs_on_are_taken() {
        for version in ["v20.19.0", "v20.20.2", "v22.12.0", "v24.1.0"] {
            assert!(is_recent(version), "{version}");
        }
        for version in ["v18.20.4", "v20.18.9", "v21.7.3", "v22.11.0", "", "v20", "twenty"] {
            assert!(!is_recent(version), "{version}");
        }
    }
}
