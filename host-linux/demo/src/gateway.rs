//! The gateway: `towpath run` in its namespace, and what it answers at its control socket.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    ending::{Watch, tied_command},
    network::{GATEWAY_LAN, GATEWAY_WAN, PREFIX},
    server,
};

/// A running gateway. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Gateway {
    program: PathBuf,
    process: Tied,
    /// Shows connections and expectations as they come and go.
    _watcher: Tied,
    /// What it shows.
    events: Receiver<String>,
    /// Its standard error.
    says: Receiver<String>,
    /// Its standard output.
    prints: Receiver<String>,
    /// Holds the configuration and the control socket. Last: it is removed when nobody uses it any more.
    folder: TempDir,
}

/// What a gateway has counted so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    pub(crate) forwarded: u64,
    pub(crate) dropped: u64,
}

impl Gateway {
    /// Starts the gateway in the namespace that the calling thread is in, and waits until it runs. The thread must
    /// live as long as the gateway.
    pub(crate) fn start(program: &Path, watch: &Watch) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("towpath-demo-").tempdir().context("cannot make a folder")?;
        watch.remove(folder.path());
        for (name, text) in [(CONFIG, configuration()), (RULES, rules())] {
            fs::write(folder.path().join(name), text).with_context(|| format!("cannot write {name}"))?;
        }
        let mut run = tied_command(program)?;
        run.arg("run").arg("-c").arg(folder.path().join(CONFIG)).arg("--control").arg(folder.path().join(CONTROL));
        let mut process = run
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let (says, prints) = (lines(process.stderr.take())?, lines(process.stdout.take())?);
        let process = Tied(process);
        await_running(&says)?;
        let mut watcher = tied_command(program)?;
        watcher.args(["conntrack", "-E", "--control"]).arg(folder.path().join(CONTROL));
        let watcher = watcher.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut watcher = Tied(watcher.context("cannot watch the gateway's events")?);
        let events = lines(watcher.0.stdout.take())?;
        Ok(Self { program: program.to_owned(), process, _watcher: watcher, events, says, prints, folder })
    }

    /// The connection table, as `towpath conntrack -L` shows it.
    pub(crate) fn connections(&self) -> Result<String> {
        self.ask(&["conntrack", "-L"])
    }

    /// What it has counted.
    pub(crate) fn counts(&self) -> Result<Counts> {
        let text = self.ask(&["stats", "--json"])?;
        let report: Value = serde_json::from_str(&text).context("the gateway's statistics are not JSON")?;
        let engine = &report["engine"];
        let forwarded = engine["forwarded_packets"].as_u64().context("the statistics lack forwarded_packets")?;
        let drops = engine["drops"].as_object().context("the statistics lack drops")?;
        Ok(Counts { forwarded, dropped: drops.values().filter_map(Value::as_u64).sum() })
    }

    /// What happened to expectations since this was asked last, as `towpath conntrack -E` shows it.
    pub(crate) fn expectations(&self) -> Vec<String> {
        self.events.try_iter().filter(|event| is_expectation(event)).collect()
    }

    /// Stops it as Ctrl-C does, and gives the statistics that it prints.
    pub(crate) fn stop(mut self) -> Result<Vec<String>> {
        let pid = i32::try_from(self.process.0.id()).context("the gateway has no process number")?;
        kill(Pid::from_raw(pid), Signal::SIGINT).context("cannot stop the gateway")?;
        let mut statistics = Vec::new();
        loop {
            match self.prints.recv_timeout(STOP) {
                Ok(line) => statistics.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => bail!("the gateway does not stop"),
            }
        }
        let status = self.process.0.wait().context("cannot wait for the gateway")?;
        if !status.success() {
            bail!("the gateway ended with {status}{}", self.complaint());
        }
        Ok(statistics)
    }

    /// What the gateway said last, for the message about a failure.
    pub(crate) fn complaint(&mut self) -> String {
        let end = match self.process.0.try_wait() {
            Ok(Some(status)) => format!("; the gateway has ended ({status})"),
            Ok(None) | Err(_) => String::new(),
        };
        let last = self.says.try_iter().last();
        end + &last.map_or_else(String::new, |line| format!("; the gateway's last words: {line}"))
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn ask(&self, question: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.program);
        command.args(question).arg("--control").arg(self.folder.path().join(CONTROL));
        let answer = command.stdin(Stdio::null()).output().context("cannot ask the gateway")?;
        if !answer.status.success() {
            let why = String::from_utf8_lossy(&answer.stderr);
            bail!("towpath {}: {}", question.join(" "), why.trim());
        }
        Ok(String::from_utf8_lossy(&answer.stdout).into_owned())
    }
}

/// A process that is ended when its owner lets go of it.
#[derive(Debug)]
struct Tied(Child);

impl Drop for Tied {
    fn drop(&mut self) {
        // It has ended already, or ends now.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const CONFIG: &str = "gateway.toml";
const RULES: &str = "rules.v4";
const CONTROL: &str = "control.sock";

fn configuration() -> String {
    format!(
        "[[interface]]\nname = \"lan\"\naddresses = [\"{GATEWAY_LAN}/{PREFIX}\"]\n\n\
         [[interface]]\nname = \"wan\"\naddresses = [\"{GATEWAY_WAN}/{PREFIX}\"]\n\n\
         [rules]\nv4 = \"{RULES}\"\n\n\
         [[helper]]\nname = \"ftp\"\nports = []\n"
    )
}

/// Only the control connection may be opened: data connections pass because the helper has made them RELATED.
pub(crate) fn rules() -> String {
    let port = server::PORT;
    format!(
        "*raw\n\
         -A PREROUTING -i lan -p tcp --dport {port} -j CT --helper ftp\n\
         COMMIT\n\
         *nat\n\
         -A POSTROUTING -o wan -j MASQUERADE\n\
         COMMIT\n\
         *filter\n\
         :FORWARD DROP [0:0]\n\
         -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
         -A FORWARD -i lan -o wan -p tcp --dport {port} -j ACCEPT\n\
         COMMIT\n"
    )
}

/// What the gateway writes when its devices and its socket are open.
const RUNNING: &str = "running on";
/// How long it may take to start, and to stop; compiling a helper takes most of it.
const START: Duration = Duration::from_secs(20);
const STOP: Duration = Duration::from_secs(5);

fn await_running(says: &Receiver<String>) -> Result<()> {
    let mut last = String::new();
    loop {
        match says.recv_timeout(START) {
            Ok(line) if line.contains(RUNNING) => return Ok(()),
            Ok(line) => last = line,
            Err(RecvTimeoutError::Timeout) => bail!("the gateway does not start: {last}"),
            Err(RecvTimeoutError::Disconnected) => return Err(anyhow!("the gateway cannot run: {last}")),
        }
    }
}

/// The lines of a pipe, read by a thread, so that the writer never waits.
fn lines(pipe: Option<impl Read + Send + 'static>) -> Result<Receiver<String>> {
    let pipe = pipe.context("a pipe is missing")?;
    let (sender, receiver) = mpsc::channel();
    let read = move || BufReader::new(pipe).lines().map_while(Result::ok).try_for_each(|line| sender.send(line));
    thread::Builder::new().name("lines".to_owned()).spawn(read).context("cannot read a pipe")?;
    Ok(receiver)
}

fn is_expectation(event: &str) -> bool {
    event.contains("mask-src=")
}
