//! Real TFTP through a running gateway, with the component that the program brings along: in.tftpd, asked by two clients that are
//! not ours.

use std::{
    fs,
    net::Ipv4Addr,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    link::Station,
    namespace::in_namespace_of_root,
    needs::lacks,
    running::{CLIENT, CONFIG, Folder, Gateway, Network, SERVER, masquerade, port_forwarding},
};

/// Only requests may come: the server's answers, which come from a port of its choice, pass because the helper has made them RELATED.
const OPENED: (&str, u16) = ("udp", 69);

const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

#[test]
fn files_go_both_ways_through_masquerade() {
    in_namespace_of_root("in.tftpd gives its groups up", || {
        if lacks("tftp::files_go_both_ways_through_masquerade", &PROGRAMS) {
            return;
        }
        let network = Network::new();
        let gateway = Gateway::start(&folder(&masquerade(OPENED)));
        // The server knows no way to the client: what does not come from the gateway's own address it cannot answer.
        network.server.namespace.ip("route del default");
        let server = Server::start(&network.server, SERVER);
        CLIENTS.iter().for_each(|client| server.exchange(&network.client, SERVER, client));
        assert_eq!(gateway.last_words(), "");
    });
}

#[test]
fn files_go_both_ways_to_a_server_inside() {
    in_namespace_of_root("in.tftpd gives its groups up", || {
        if lacks("tftp::files_go_both_ways_to_a_server_inside", &PROGRAMS) {
            return;
        }
        let network = Network::new();
        let gateway = Gateway::start(&folder(&port_forwarding(OPENED)));
        // Who is outside knows the gateway alone.
        network.server.namespace.ip("route del default");
        let server = Server::start(&network.client, CLIENT);
        CLIENTS.iter().for_each(|client| server.exchange(&network.server, GATEWAY, client));
        assert_eq!(gateway.last_words(), "");
    });
}

const PROGRAMS: [&str; 3] = ["in.tftpd", "tftp", "atftp"];

/// A client: its program, and what it is told to get a file, and to put one.
struct Client {
    program: &'static str,
    get: &'static [&'static str],
    put: &'static [&'static str],
}

/// `HOST`, `FROM` and `TO` stand for the server and the two names of a file.
static CLIENTS: [Client; 2] = [
    Client {
        program: "tftp",
        get: &["HOST", "-m", "binary", "-c", "get", "FROM", "TO"],
        put: &["HOST", "-m", "binary", "-c", "put", "FROM", "TO"],
    },
    Client {
        program: "atftp",
        get: &["--get", "-r", "FROM", "-l", "TO", "HOST", "69"],
        put: &["--put", "-l", "FROM", "-r", "TO", "HOST", "69"],
    },
];

fn folder(rules: &str) -> Folder {
    let config = format!("{CONFIG}\n[rules]\nv4 = \"rules.v4\"\n\n[[helper]]\nname = \"tftp\"\n");
    Folder::with(&config, &[("rules.v4", rules.as_bytes())])
}

/// A TFTP server that is not ours, at a station, with one file.
struct Server {
    process: Child,
    root: TempDir,
    file: Vec<u8>,
}

impl Server {
    fn start(station: &Station, address: Ipv4Addr) -> Self {
        let root = tempfile::tempdir().unwrap();
        let file: Vec<u8> = (0..FILE_BYTES).map(|at| (at * at % 251) as u8).collect();
        fs::write(root.path().join("file.bin"), &file).unwrap();
        let mut command = Command::new("in.tftpd");
        command.args(["--foreground", "--create", "--permissive", "--user", "root", "--secure", "--address"]);
        command.arg(format!("{address}:69")).arg(root.path());
        let process = station.namespace.within(|| command.stdin(Stdio::null()).spawn().unwrap());
        let sockets = format!("/proc/{}/net/udp", process.id());
        // Port 69, as the kernel lists it.
        let is_up = || fs::read_to_string(&sockets).is_ok_and(|sockets| sockets.contains(":0045 "));
        let up = (0..200).any(|_| {
            thread::sleep(Duration::from_millis(25));
            is_up()
        });
        assert!(up, "in.tftpd does not listen");
        Self { process, root, file }
    }

    /// A client gets the file and puts it back under another name; both copies must be the one that was offered.
    fn exchange(&self, station: &Station, host: Ipv4Addr, client: &Client) {
        let folder = tempfile::tempdir().unwrap();
        let (got, stored) = (folder.path().join("got.bin"), format!("{}.bin", client.program));
        run(station, client.program, client.get, host, Path::new("file.bin"), &got);
        assert!(fs::read(&got).unwrap() == self.file, "{} has got something else", client.program);
        run(station, client.program, client.put, host, &got, Path::new(&stored));
        let path = self.root.path().join(&stored);
        // The last acknowledgement is sent before the file is closed.
        let is_whole = |_| {
            thread::sleep(Duration::from_millis(25));
            fs::read(&path).is_ok_and(|bytes| bytes == self.file)
        };
        assert!((0..80).any(is_whole), "{} has put something else", client.program);
    }
}

fn run(station: &Station, program: &str, words: &[&str], host: Ipv4Addr, from: &Path, to: &Path) {
    let mut command = Command::new(program);
    for word in words {
        match *word {
            "HOST" => command.arg(host.to_string()),
            "FROM" => command.arg(from),
            "TO" => command.arg(to),
            word => command.arg(word),
        };
    }
    let output = station.namespace.within(|| command.stdin(Stdio::null()).output().unwrap());
    assert!(output.status.success(), "{program}: {output:?}");
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Some hundred blocks of 512 bytes, and a last one that is shorter.
const FILE_BYTES: u64 = 100_001;
