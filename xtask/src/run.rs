//! Starts other programs.

use std::{
    env,
    ffi::OsStr,
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};

/// A command without what the cargo and the rustup around us have put into the environment, so that another compiler
/// can be run. What tells cargo about registries and the network stays.
pub(crate) fn clean(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_of_the_outer_build) {
            command.env_remove(name);
        }
    }
    command
}

fn is_of_the_outer_build(name: &str) -> bool {
    const KEPT: [&str; 7] = ["HOME", "HTTP_", "NET_", "REGISTRIES_", "REGISTRY_", "SOURCE_", "TERM_"];
    const DROPPED: [&str; 8] = [
        "CARGO",
        "LD_LIBRARY_PATH",
        "RUSTC",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "RUSTDOCFLAGS",
        "RUSTFLAGS",
        "RUSTUP_TOOLCHAIN",
    ];
    match name.strip_prefix("CARGO_") {
        Some(setting) => !KEPT.iter().any(|kept| setting.starts_with(kept)),
        None => DROPPED.contains(&name),
    }
}

/// Runs a command to its end, with its output shown.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("cannot run {}", shown(command)))?;
    if !status.success() {
        bail!("{} failed ({status})", shown(command));
    }
    Ok(())
}

/// Becomes a command, so that it alone answers Ctrl-C. Returns only when that is not possible.
pub(crate) fn become_command(command: &mut Command) -> anyhow::Error {
    anyhow::anyhow!("cannot run {}: {}", shown(command), command.exec())
}

/// Runs a command and gives what it printed, or `None` when it cannot be run or fails.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command silently: whether it succeeds.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null());
    output(command).is_some()
}

/// Runs a command and stops it after about `seconds`: whether it succeeded.
pub(crate) fn succeeds_within(command: &mut Command, seconds: u32) -> bool {
    const POLLS_PER_SECOND: u32 = 5;
    let Ok(mut child) = command.stdin(Stdio::null()).spawn() else { return false };
    for _ in 0..seconds * POLLS_PER_SECOND {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) => thread::sleep(Duration::from_secs(1) / POLLS_PER_SECOND),
            Err(_) => break,
        }
    }
    // It has ended by itself, or it is stopped here; either way it did not succeed in time.
    child.kill().and_then(|()| child.wait()).is_ok_and(|status| status.success())
}

/// Where the shell would find a program.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| is_program(file))
}

/// Whether a file is there and may be executed by somebody.
pub(crate) fn is_program(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

fn shown(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args().take(4) {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{find, is_of_the_outer_build, output, run, succeeds_within};

    #[test]
    fn the_outer_builds_settings_are_dropped_and_the_networks_stay() {
        for name in ["RUSTUP_TOOLCHAIN", "CARGO", "CARGO_MANIFEST_DIR", "CARGO_TARGET_DIR", "CARGO_ENCODED_RUSTFLAGS"] {
            assert!(is_of_the_outer_build(name), "{name}");
        }
        for name in ["CARGO_HOME", "CARGO_NET_OFFLINE", "CARGO_HTTP_PROXY", "CARGO_REGISTRIES_MINE_TOKEN", "PATH"] {
            assert!(!is_of_the_outer_build(name), "{name}");
        }
    }

    #[test]
    fn a_failing_command_is_an_error_that_names_it() {
        let error = run(Command::new("sh").args(["-c", "exit 3"])).unwrap_err();
        assert_eq!(error.to_string(), "sh -c exit 3 failed (exit status: 3)");
        assert_eq!(output(&mut Command::new("no-such-program")), None);
        assert_eq!(find("no-such-program"), None);
        assert!(find("sh").is_some());
    }

    #[test]
    fn a_command_that_takes_too_long_is_stopped() {
        assert!(succeeds_within(&mut Command::new("true"), 60));
        assert!(!succeeds_within(Command::new("sleep").arg("1000"), 0));
    }
}
