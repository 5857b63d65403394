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
    /// Shows expectations as they come and go.
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
        watcher.args(["conntrack", "-E", "expect", "--control"]).arg(folder.path().join(CONTROL));
        let watcher = watcher.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut watcher = Tied(watcher.context("cannot watch the gateway's events")?);
        let events = lines(watcher.0.stdout.take())?;
        let gateway = Self { program: program.to_owned(), process, _watcher: watcher, events, says, prints, folder };
        gateway.await_watcher()?;
        Ok(gateway)
    }

    /// Waits until the watcher is connected, so that it misses nothing.
    fn await_watcher(&self) -> Result<()> {
        // Each question is a client too.
        for asked in 1..=WATCHER_QUESTIONS {
            let clients = self.report()?["control"]["clients"].as_u64();
            if clients.is_some_and(|clients| clients > asked) {
                return Ok(());
            }
            thread::sleep(WATCHER_PAUSE);
        }
        bail!("towpath conntrack -E does not reach the gateway")
    }

    /// The connection table, as `towpath conntrack -L` shows it.
    pub(crate) fn connections(&self) -> Result<String> {
        self.ask(&["conntrack", "-L"])
    }

    /// What it has counted.
    pub(crate) fn counts(&self) -> Result<Counts> {
        let report = self.report()?;
        let engine = &report["engine"];
        let forwarded = engine["forwarded_packets"].as_u64().context("the statistics lack forwarded_packets")?;
        let drops = engine["drops"].as_object().context("the statistics lack drops")?;
        Ok(Counts { forwarded, dropped: drops.values().filter_map(Value::as_u64).sum() })
    }

    fn report(&self) -> Result<Value> {
        let text = self.ask(&["stats", "--json"])?;
        serde_json::from_str(&text).context("the gateway's statistics are not JSON")
    }

    /// What happened to the expectation of the data connection that has just been opened, as `towpath conntrack -E
    /// expect` shows it: it came, and went when the connection did come.
    pub(crate) fn expectations(&self) -> Result<Vec<String>> {
        let mut events = Vec::new();
        loop {
            let event = self.events.recv_timeout(EVENT).context("the helper has not expected the data connection")?;
            let is_last = event.contains(GONE);
            events.push(event);
            if is_last {
                return Ok(events);
            }
        }
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
         [[helper]]\nname = \"ftp\"\nports = []\n\n\
         [sysctl]\nnet.netfilter.nf_conntrack_acct = 1\n"
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

/// How often it is asked whether the watcher is there, and how long it is left alone between.
const WATCHER_QUESTIONS: u64 = 200;
const WATCHER_PAUSE: Duration = Duration::from_millis(25);
/// How long an event may take to be shown.
const EVENT: Duration = Duration::from_secs(5);
/// How the line of an expectation that is gone starts (conntrack(8)).
const GONE: &str = "[DESTROY]";
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
