//! Real FTP through a running gateway, with the component that the program brings along: vsftpd, asked by curl.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;
use towpath::control::{Client, Reply, Request, Topic};
use towpath_engine::Change;

use crate::{
    link::Station,
    namespace::in_namespace,
    needs::lacks,
    running::{CLIENT, CONFIG, Folder, Gateway, Network, SERVER},
};

/// Only control connections may be opened: data connections pass because the helper has made them RELATED.
const MASQUERADE: &str = "*raw
-A PREROUTING -i lan -p tcp --dport 21 -j CT --helper ftp
COMMIT
*nat
-A POSTROUTING -o wan -j MASQUERADE
COMMIT
*filter
:FORWARD DROP [0:0]
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i lan -o wan -p tcp --dport 21 -j ACCEPT
COMMIT
";

const PORT_FORWARDING: &str = "*nat
-A PREROUTING -i wan -d 192.0.2.1 -p tcp --dport 21 -j DNAT --to-destination 10.0.0.2
COMMIT
*filter
:FORWARD DROP [0:0]
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i wan -o lan -p tcp --dport 21 -j ACCEPT
COMMIT
";

/// What curl is told for PASV, EPSV, PORT and EPRT. The address in an answer to PASV is taken at its word.
const MODES: [&[&str]; 4] =
    [&["--disable-epsv", "--no-ftp-skip-pasv-ip"], &["--ftp-pasv"], &["-P", "-", "--disable-eprt"], &["-P", "-"]];

#[test]
fn files_come_through_masquerade_in_active_and_in_passive_mode() {
    in_namespace(|| {
        if lacks("ftp::files_come_through_masquerade_in_active_and_in_passive_mode", &["vsftpd", "curl"]) {
            return;
        }
        let network = Network::new();
        // The helper is attached by a rule alone.
        let folder = gateway("ports = []", MASQUERADE);
        let gateway = Gateway::start(&folder);
        let mut expectations = watch(&folder);
        // The server knows no way to the client: what does not come from the gateway's own address it cannot answer.
        network.server.namespace.ip("route del default");
        let server = Server::start(&network.server, SERVER);
        for mode in MODES {
            server.download(&network.client, SERVER, mode);
        }
        assert_eq!(happened(&mut expectations, 8), [4, 4], "each of four was expected and came");
        let listing = String::from_utf8(folder.towpath(&["conntrack", "-L"]).stdout).unwrap();
        assert_eq!(listing.matches(" helper=ftp ").count(), 4, "{listing}");
        assert_eq!(listing.matches("src=192.0.2.2 dst=192.0.2.1 sport=21 ").count(), 4, "{listing}");
        assert_eq!(listing.matches(" src=192.0.2.2 dst=192.0.2.1 sport=20 ").count(), 2, "{listing}");
        assert_eq!(gateway.last_words(), "");
    });
}

#[test]
fn a_server_inside_is_reached_by_dnat_in_active_and_in_passive_mode() {
    in_namespace(|| {
        if lacks("ftp::a_server_inside_is_reached_by_dnat_in_active_and_in_passive_mode", &["vsftpd", "curl"]) {
            return;
        }
        let network = Network::new();
        // The helper is attached to its own port.
        let folder = gateway("", PORT_FORWARDING);
        let gateway = Gateway::start(&folder);
        let mut expectations = watch(&folder);
        // Who is outside knows the gateway alone.
        network.server.namespace.ip("route del default");
        let server = Server::start(&network.client, CLIENT);
        for mode in MODES {
            server.download(&network.server, Ipv4Addr::new(192, 0, 2, 1), mode);
        }
        assert_eq!(happened(&mut expectations, 8), [4, 4], "each of four was expected and came");
        let listing = String::from_utf8(folder.towpath(&["conntrack", "-L"]).stdout).unwrap();
        assert_eq!(listing.matches(" src=10.0.0.2 dst=192.0.2.2 sport=21 ").count(), 4, "{listing}");
        assert_eq!(gateway.last_words(), "");
    });
}

#[test]
fn a_helper_that_its_operator_forbids_to_rewrite_is_held_to_it() {
    in_namespace(|| {
        if lacks("ftp::a_helper_that_its_operator_forbids_to_rewrite_is_held_to_it", &["vsftpd", "curl"]) {
            return;
        }
        let network = Network::new();
        let folder = gateway("rewrite_bytes = 0", MASQUERADE);
        let gateway = Gateway::start(&folder);
        let server = Server::start(&network.server, SERVER);
        let output = server.ask(&network.client, SERVER, &["-P", "-", "--max-time", "2"]);
        assert!(!output.status.success(), "{output:?}");
        let words = gateway.last_words();
        assert!(words.contains("helper ftp: may not rewrite a payload (connection 10.0.0.2:"), "{words}");
    });
}

fn gateway(helper: &str, rules: &str) -> Folder {
    let config = format!("{CONFIG}\n[rules]\nv4 = \"rules.v4\"\n\n[[helper]]\nname = \"ftp\"\n{helper}\n");
    Folder::with(&config, &[("rules.v4", rules.as_bytes())])
}

/// Watches expectations; who is answered now sees all that happens from here on.
fn watch(folder: &Folder) -> Client {
    let watcher = Client::ask(&folder.socket(), Request::Watch(Topic::Expectations)).unwrap();
    Client::ask(&folder.socket(), Request::Stats).unwrap().next_reply().unwrap().unwrap();
    watcher
}

/// How many of the next events are new expectations, and how many are gone ones.
fn happened(watcher: &mut Client, events: usize) -> [usize; 2] {
    let mut counts = [0, 0];
    for _ in 0..events {
        let reply = watcher.next_reply().unwrap().unwrap();
        let Reply::ExpectationEvent(_, change, _) = reply else { panic!("{reply:?}") };
        match change {
            Change::New => counts[0] += 1,
            Change::Destroy => counts[1] += 1,
            Change::Update => panic!("expectations do not change"),
        }
    }
    counts
}

/// An FTP server that is not ours, at a station, with one file.
struct Server {
    process: Child,
    folder: TempDir,
    file: Vec<u8>,
}

impl Server {
    fn start(station: &Station, address: Ipv4Addr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file: Vec<u8> = (0..FILE_BYTES).map(|at| (at * at % 251) as u8).collect();
        let (root, empty) = (folder.path().join("root"), folder.path().join("empty"));
        fs::create_dir(&root).unwrap();
        fs::create_dir(&empty).unwrap();
        fs::write(root.join("file.bin"), &file).unwrap();
        let config = folder.path().join("vsftpd.conf");
        fs::write(&config, configuration(&root, &empty)).unwrap();
        let mut command = Command::new("vsftpd");
        command.arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = station.namespace.within(|| command.spawn().unwrap());
        let server = Self { process, folder, file };
        let is_up = || station.namespace.within(|| TcpStream::connect(SocketAddr::from((address, 21))).is_ok());
        for _ in 0..200 {
            if is_up() {
                return server;
            }
            thread::sleep(Duration::from_millis(25));
        }
        panic!("vsftpd does not listen");
    }

    /// Has curl get the file at a station; it must be the one that was offered.
    fn download(&self, station: &Station, address: Ipv4Addr, mode: &[&str]) {
        let output = self.ask(station, address, mode);
        assert!(output.status.success(), "{mode:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout == self.file, "{mode:?}: {} bytes are not the file", output.stdout.len());
    }

    fn ask(&self, station: &Station, address: Ipv4Addr, mode: &[&str]) -> Output {
        let mut command = Command::new("curl");
        command
            .args(["--silent", "--show-error", "--max-time", "30"])
            .args(mode)
            .arg(format!("ftp://{address}/file.bin"));
        // Nobody's settings.
        command.env("HOME", self.folder.path());
        station.namespace.within(|| command.output().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const FILE_BYTES: u64 = 3_000_000;

/// For whoever is root in a user namespace and nobody else.
fn configuration(root: &Path, empty: &Path) -> String {
    format!(
        "listen=YES\nbackground=NO\nanonymous_enable=YES\nno_anon_password=YES\nftp_username=nobody\n\
         run_as_launching_user=YES\nseccomp_sandbox=NO\nisolate=NO\nisolate_network=NO\nconnect_from_port_20=YES\n\
         anon_root={}\nsecure_chroot_dir={}\n",
        root.display(),
        empty.display()
    )
}
