//! The original packetdrill, driving the engine by the library in `library/`: another judge of the same scripts, which nobody here has
//! written.

use std::{
    io,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Definitions, runner::Settings, script::Script};

/// The program, and the library that it is to drive.
#[derive(Clone, Debug)]
pub struct Original {
    /// packetdrill.
    pub program: PathBuf,
    /// The library; both are wanted by their full names.
    pub library: PathBuf,
}

impl Original {
    /// Plays a script: what it says when it does not pass. No namespace is needed, nor a privilege: nothing is sent anywhere.
    ///
    /// # Errors
    /// The program cannot be run.
    pub fn play(
        &self,
        path: &Path,
        script: &Script,
        settings: &Settings,
        definitions: &Definitions,
    ) -> io::Result<Result<(), String>> {
        let settings = settings.addressed_as(script);
        let Settings { local, remote, .. } = settings;
        let (version, mtu_bytes) = (if local.is_ipv4() { "ipv4" } else { "ipv6" }, settings.mtu_bytes());
        // A program that looks at the clock of the library only may wait for ever.
        let mut command = Command::new("timeout");
        command.args(["--kill-after=1", LIMIT_SECONDS]).arg(&self.program);
        command.arg(with("--so_filename=", &self.library));
        command.arg(format!("--so_flags=local={local},mtu={mtu_bytes}"));
        command.arg(format!("--ip_version={version}"));
        command.arg(format!("--local_ip={local}")).arg(format!("--remote_ip={remote}"));
        command.arg(format!("--tolerance_usecs={}", settings.tolerance.as_micros()));
        for (name, value) in definitions {
            command.arg(format!("--define={name}={value}"));
        }
        let path = path.canonicalize()?;
        command.current_dir(path.parent().unwrap_or(Path::new("/"))).arg(&path);
        let output = command.env("LD_PRELOAD", &self.library).output()?;
        if output.status.success() {
            return Ok(Ok(()));
        }
        let said = [output.stderr, output.stdout].concat();
        let said = String::from_utf8_lossy(&said);
        let lines = said.lines().map(|line| line.replace(&format!("{}:", path.display()), "line "));
        let said = lines.collect::<Vec<_>>().join("\n");
        Ok(Err(if said.is_empty() { output.status.to_string() } else { said }))
    }
}

fn with(option: &str, file: &Path) -> std::ffi::OsString {
    let mut argument = std::ffi::OsString::from(option);
    argument.push(file);
    argument
}

/// How long, in real time, a script may take: a thousand times what it takes.
const LIMIT_SECONDS: &str = "60";
