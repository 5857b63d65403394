//! Nothing stays behind, after the end, Ctrl-C, SIGTERM or a panic; after SIGKILL, which nobody hears of, one folder does.
//!
//! Namespaces and devices vanish with the last process in them, and every process that the demo starts dies with it
//! ([`tied`]). What is left to remove is one folder: by its owner at the end and in a panic, by [`Watch`] on a signal.

use std::{
    ffi::{OsStr, OsString},
    fs,
    io::{self, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{self, Command},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use anyhow::{Context, Result, anyhow};
use nix::{
    sys::{
        prctl,
        signal::{SigSet, Signal},
    },
    unistd::{Pid, getppid},
};

/// Waits for the signals that end the demo.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    folder: Arc<Mutex<Option<PathBuf>>>,
}

/// Leaves the signals that end the demo to [`Watch`], in this thread and those that it starts.
pub(crate) fn hold_signals() -> Result<()> {
    ending_signals().thread_block().context("cannot hold signals")
}

impl Watch {
    /// Starts waiting.
    pub(crate) fn start() -> Result<Self> {
        let watch = Self { folder: Arc::default() };
        let folder = Arc::clone(&watch.folder);
        let thread = thread::Builder::new().name("signals".to_owned());
        thread.spawn(move || end_on_signal(&folder)).context("cannot wait for signals")?;
        Ok(watch)
    }

    /// Has a folder removed when a signal ends the demo.
    pub(crate) fn remove(&self, folder: &Path) {
        *self.folder.lock().unwrap_or_else(PoisonError::into_inner) = Some(folder.to_owned());
    }
}

fn end_on_signal(folder: &Mutex<Option<PathBuf>>) {
    let Ok(signal) = ending_signals().wait() else { return };
    if let Some(folder) = folder.lock().unwrap_or_else(PoisonError::into_inner).take() {
        // Who cannot remove it now cannot do so later either.
        let _ = fs::remove_dir_all(folder);
    }
    let _ = writeln!(io::stderr(), "towpath demo: stopped by {signal}; nothing stays behind");
    // As a shell shows it. The gateway is tied to this process, and the namespaces to both.
    process::exit(128 + signal as i32);
}

fn ending_signals() -> SigSet {
    SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT])
}

/// A command that dies with this process, or rather with the thread that starts it.
pub(crate) fn tied_command(program: &Path) -> Result<Command> {
    let own = std::env::current_exe().context("cannot tell where this program lies")?;
    let mut command = Command::new(own);
    command.arg("tied").arg(process::id().to_string()).arg("--").arg(program);
    // Ctrl-C on a terminal is for the demo, which ends the others in order.
    command.process_group(0);
    Ok(command)
}

/// Becomes `command`, which dies when the process `parent` does. Returns only when that is not possible.
pub(crate) fn tied(parent: i32, command: &[OsString]) -> anyhow::Error {
    if let Err(error) = prctl::set_pdeathsig(Signal::SIGKILL) {
        return anyhow!(error).context("cannot be tied to another process");
    }
    if getppid() != Pid::from_raw(parent) {
        return anyhow!("the process {parent} has ended already");
    }
    // Held signals are inherited, also across what follows.
    if let Err(error) = ending_signals().thread_unblock() {
        return anyhow!(error).context("cannot release signals");
    }
    let program = command.first().map_or(OsStr::new(""), OsString::as_os_str);
    let error = Command::new(program).args(command.get(1..).unwrap_or_default()).exec();
    anyhow!("cannot run {}: {error}", Path::new(program).display())
}
