//! A running program with its network around it, and the questions that it is asked.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::{Ipv4Addr, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Output, Stdio},
    time::Duration,
};

use rustix::{
    net::sockopt::{Timeout, set_socket_timeout},
    process::{Pid, Signal, kill_process},
};
use tempfile::TempDir;

use crate::{
    link::{PATIENCE, Station},
    namespace::quieten,
};

pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

/// A client and a server, each at a device of the gateway.
pub(crate) struct Network {
    pub(crate) client: Station,
    pub(crate) server: Station,
}

impl Network {
    pub(crate) fn new() -> Self {
        quieten();
        Self::of(Station::new("ga", CLIENT), Station::new("gb", SERVER))
    }

    /// One with a client and a server that are there already.
    pub(crate) fn of(client: Station, server: Station) -> Self {
        client.namespace.ip("route add default via 10.0.0.1");
        server.namespace.ip("route add default via 192.0.2.1");
        Self { client, server }
    }

    pub(crate) fn folder(&self) -> Folder {
        Folder::new()
    }

    /// Sends a datagram to the server and back; both must arrive.
    pub(crate) fn exchange(&self, payload: &[u8]) {
        let (client, server) = (self.client.udp(4000), self.server.udp(4001));
        client.send_to(payload, (SERVER, 4001)).unwrap();
        let receive = |socket: &UdpSocket| {
            let mut bytes = [0; 100];
            let (len, from) =
                socket.recv_from(&mut bytes).unwrap_or_else(|error| panic!("within {PATIENCE:?}: {error}"));
            assert_eq!(&bytes[..len], payload);
            from
        };
        let from = receive(&server);
        server.send_to(payload, from).unwrap();
        receive(&client);
    }

    /// The same over a link that is coming up: what is sent before the kernel has made it ready is lost, so it is sent until it arrives.
    pub(crate) fn exchange_soon(&self, payload: &[u8]) {
        let (client, server) = (self.client.udp(4000), self.server.udp(4001));
        set_socket_timeout(&server, Timeout::Recv, Some(Duration::from_millis(100))).unwrap();
        let mut bytes = [0; 100];
        let arrived = (0..100).find_map(|_| {
            client.send_to(payload, (SERVER, 4001)).unwrap();
            server.recv_from(&mut bytes).ok()
        });
        let arrived = arrived.expect("something arrives within ten seconds");
        assert_eq!(&bytes[..arrived.0], payload);
        server.send_to(payload, arrived.1).unwrap();
        let len = client.recv(&mut bytes).unwrap_or_else(|error| panic!("within {PATIENCE:?}: {error}"));
        assert_eq!(&bytes[..len], payload);
    }
}

/// Rules of a gateway that hides its client, which may open connections to that port and to no other.
pub(crate) fn masquerade((protocol, port): (&str, u16)) -> String {
    format!(
        "*nat
-A POSTROUTING -o wan -j MASQUERADE
COMMIT
*filter
:FORWARD DROP [0:0]
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i lan -o wan -p {protocol} --dport {port} -j ACCEPT
COMMIT
"
    )
}

/// Rules of a gateway whose client serves that port to those outside.
pub(crate) fn port_forwarding((protocol, port): (&str, u16)) -> String {
    format!(
        "*nat
-A PREROUTING -i wan -d 192.0.2.1 -p {protocol} --dport {port} -j DNAT --to-destination {CLIENT}
COMMIT
*filter
:FORWARD DROP [0:0]
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i wan -o lan -p {protocol} --dport {port} -j ACCEPT
COMMIT
"
    )
}

/// Where a gateway has its configuration and its control socket.
pub(crate) struct Folder(TempDir, String);

impl Folder {
    /// One with a gateway that routes between its two devices.
    pub(crate) fn new() -> Self {
        Self::with(CONFIG, &[])
    }

    /// One with this configuration, and with the files that it names.
    pub(crate) fn with(config: &str, files: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in [("gateway.toml", config.as_bytes())].iter().chain(files) {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        let config = folder.path().join("gateway.toml");
        Self(folder, config.to_str().unwrap().to_owned())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.0.path().join("control")
    }

    pub(crate) fn config_name(&self) -> &str {
        &self.1
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_towpath"));
        command.args(words).arg("--control").arg(self.socket());
        command
    }

    pub(crate) fn towpath(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }
}

/// A gateway that routes between its two devices.
pub(crate) const CONFIG: &str = r#"[[interface]]
name = "lan"
device = "ga"
addresses = ["10.0.0.1/24"]

[[interface]]
name = "wan"
device = "gb"
addresses = ["192.0.2.1/24"]
"#;

/// A running gateway.
pub(crate) struct Gateway {
    pub(crate) process: Child,
    stderr: BufReader<ChildStderr>,
    /// What it has warned of before it ran.
    pub(crate) warnings: Vec<String>,
}

impl Gateway {
    /// Starts it and waits until it says that it runs.
    pub(crate) fn start(folder: &Folder) -> Self {
        Self::start_with(folder, &[])
    }

    /// The same, with further words.
    pub(crate) fn start_with(folder: &Folder, words: &[&str]) -> Self {
        let mut command = folder.command(&["run", "-c", folder.config_name()]);
        command.args(words);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(process.stderr.take().unwrap());
        let (mut line, mut warnings) = (String::new(), Vec::new());
        stderr.read_line(&mut line).unwrap();
        while line.starts_with("towpath: warning: ") {
            warnings.push(core::mem::take(&mut line));
            stderr.read_line(&mut line).unwrap();
        }
        assert!(line.starts_with("towpath: running on "), "{line}");
        Self { process, stderr, warnings }
    }

    /// Reads what it says until it says that.
    pub(crate) fn wait_for(&mut self, words: &str) {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            assert!(self.stderr.read_line(&mut line).unwrap() > 0, "it has ended without saying {words}");
        }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    /// Processor time that it has taken so far, of all its threads.
    pub(crate) fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
        // Behind the name, which may hold anything: proc_pid_stat(5), fields 14 and 15, in ticks of 10 ms.
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    }

    /// Memory that it has now (proc_pid_statm(5), in pages of 4 KB).
    pub(crate) fn resident_bytes(&self) -> u64 {
        let statm = fs::read_to_string(format!("/proc/{}/statm", self.process.id())).unwrap();
        statm.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
    }

    pub(crate) fn stop(mut self, signal: Signal) -> Output {
        kill_process(self.pid(), signal).unwrap();
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        self.process.stdout.take().unwrap().read_to_end(&mut stdout).unwrap();
        self.stderr.read_to_end(&mut stderr).unwrap();
        Output { status: self.process.wait().unwrap(), stdout, stderr }
    }

    /// Interrupts it; gives what it has said since it was running.
    pub(crate) fn last_words(mut self) -> String {
        kill_process(self.pid(), Signal::INT).unwrap();
        let mut words = String::new();
        self.stderr.read_to_string(&mut words).unwrap();
        self.process.wait().unwrap();
        words
    }
}

/// Also when a test fails, no gateway stays behind.
impl Drop for Gateway {
    fn drop(&mut self) {
        // It has ended already, or ends now.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The one line that says why a question was wrong.
pub(crate) fn question_wrong(output: &Output) -> String {
    let error = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(output.stdout.is_empty());
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}
