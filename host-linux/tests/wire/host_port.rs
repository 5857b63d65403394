//! The machine that a gateway runs on, reached through it and reaching out through it: a TUN device that `[host]` names.

use std::{
    fs,
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    link::Station,
    namespace::{Namespace, in_namespace, in_namespace_of_root, ip},
    needs::lacks,
    running::{CLIENT, CONFIG, Folder, Gateway, Network, SERVER, question_wrong},
};

/// Outside, the machine has the gateway's address.
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// Who is outside may open SSH; whom the machine asks may answer.
const RULES: &str = "*raw
-A OUTPUT -p udp --dport 137 -j CT --helper netbios-ns
COMMIT
*filter
:INPUT DROP [0:0]
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -i wan -p tcp --dport 22 -j ACCEPT
COMMIT
";

#[test]
fn programs_of_the_machine_reach_out_and_are_reached_as_rules_allow() {
    in_namespace(|| {
        let network = Network::new();
        let gateway = Gateway::start(&folder(RULES));
        let machine = machine();
        let file: Vec<u8> = (0..1_000_000_u64).map(|at| (at * at % 251) as u8).collect();
        // Out, to both sides, and back.
        for (station, address) in [(&network.server, SERVER), (&network.client, CLIENT)] {
            let listener = station.namespace.within(|| TcpListener::bind((address, 7000)).unwrap());
            let called = || machine.within(|| connect(address, 7000).unwrap());
            assert!(passes(listener, called, &file), "{address}");
        }
        // In, where INPUT lets it.
        let listener = machine.within(|| TcpListener::bind((OUTSIDE, 22)).unwrap());
        let called = || network.server.namespace.within(|| connect(OUTSIDE, 22).unwrap());
        assert!(passes(listener, called, &file));
        let _closed = machine.within(|| TcpListener::bind((OUTSIDE, 23)).unwrap());
        let tried = network.server.namespace.within(|| connect(OUTSIDE, 23).is_ok());
        assert!(!tried, "no rule lets anybody in there");
        assert_eq!(gateway.last_words(), "");
    });
}

#[test]
fn the_machine_asks_for_a_name_by_broadcast_and_samba_answers() {
    in_namespace_of_root("nmbd keeps its files as root", || {
        if lacks("host_port::the_machine_asks_for_a_name_by_broadcast_and_samba_answers", &["nmbd", "nmblookup"]) {
            return;
        }
        assert!(asks_for_a_name(RULES, 20));
    });
}

#[test]
fn without_the_helper_the_answer_to_a_broadcast_is_nobodys() {
    in_namespace_of_root("nmbd keeps its files as root", || {
        if lacks("host_port::without_the_helper_the_answer_to_a_broadcast_is_nobodys", &["nmbd", "nmblookup"]) {
            return;
        }
        assert!(!asks_for_a_name(&RULES.replace("137", "138"), 2));
    });
}

/// Whether the machine finds a name by asking everybody on the network outside, and its gateway has heard the answer.
fn asks_for_a_name(rules: &str, tries: u32) -> bool {
    let network = Network::new();
    let folder = folder(rules);
    let gateway = Gateway::start(&folder);
    let machine = machine();
    network.server.namespace.ip("route del default");
    let samba = Samba::start(&network.server);
    let output = machine.within(|| samba.look_up(tries));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let is_found = said.contains(&format!("{SERVER} TOWPATH<00>"));
    let listing = String::from_utf8(folder.towpath(&["conntrack", "-L", "-p", "udp"]).stdout).unwrap();
    // What nothing announced is dropped by INPUT, and is no connection then.
    assert_eq!(listing.contains(&format!("src={SERVER} dst={OUTSIDE} sport=137 ")), is_found, "{listing}");
    assert_eq!(gateway.last_words(), "");
    is_found
}

#[test]
fn a_device_that_is_there_already_is_refused() {
    in_namespace(|| {
        let _network = Network::new();
        ip("link add tp0 type veth peer name tp1");
        let folder = folder(RULES);
        let error = question_wrong(&folder.towpath(&["run", "-c", folder.config_name()]));
        assert!(error.contains("gateway.toml:12:10: device tp0: there is one of that name"), "{error}");
    });
}

#[test]
fn a_tun_device_that_somebody_has_made_is_refused_and_left_as_it_is() {
    in_namespace(|| {
        let _network = Network::new();
        ip("tuntap add tp0 mode tun");
        ip("link set tp0 mtu 1400");
        let folder = folder(RULES);
        let error = question_wrong(&folder.towpath(&["run", "-c", folder.config_name()]));
        assert!(error.contains("gateway.toml:12:10: device tp0: there is one of that name"), "{error}");
        let shown = Command::new("ip").args(["link", "show", "tp0"]).output().unwrap();
        assert!(String::from_utf8_lossy(&shown.stdout).contains(" mtu 1400 "), "{shown:?}");
    });
}

#[test]
fn a_device_that_is_removed_is_told_once_by_its_name_and_costs_nothing_more() {
    in_namespace(|| {
        let network = Network::new();
        let gateway = Gateway::start(&folder(RULES));
        ip("link del tp0");
        network.exchange(b"the others go on");
        let before = gateway.processor_time();
        thread::sleep(Duration::from_secs(1));
        let spent = gateway.processor_time() - before;
        assert!(spent < Duration::from_millis(200), "{spent:?} in a second in which nothing happens");
        assert_eq!(gateway.last_words(), "towpath: device tp0: No such device (os error 19)\n");
    });
}

fn folder(rules: &str) -> Folder {
    let helpers = "[[helper]]\nname = \"netbios-ns\"\nports = []\n";
    let config = format!("{CONFIG}\n[host]\ndevice = \"tp0\"\n\n[rules]\nv4 = \"rules.v4\"\n\n{helpers}");
    Folder::with(&config, &[("rules.v4", rules.as_bytes())])
}

/// The machine itself: its port moves into a namespace beside the devices', or its kernel would take frames of theirs for its own.
fn machine() -> Namespace {
    let machine = Namespace::new();
    ip(&format!("link set tp0 netns {}", machine.pid()));
    for words in ["link set lo up", "link set tp0 up", &format!("addr add {OUTSIDE}/24 brd + dev tp0")] {
        machine.ip(words);
    }
    machine.ip("route add default dev tp0");
    machine
}

fn connect(address: Ipv4Addr, port: u16) -> io::Result<TcpStream> {
    TcpStream::connect_timeout(&(address, port).into(), Duration::from_secs(3))
}

/// Whether a file comes through a connection.
fn passes(listener: TcpListener, connect: impl FnOnce() -> TcpStream, file: &[u8]) -> bool {
    thread::scope(|scope| {
        let sent = scope.spawn(move || listener.accept().unwrap().0.write_all(file).unwrap());
        let mut got = Vec::new();
        connect().read_to_end(&mut got).unwrap();
        sent.join().unwrap();
        got == file
    })
}

/// Samba's name server.
struct Samba {
    process: Child,
    folder: TempDir,
}

impl Samba {
    /// One that has the name TOWPATH.
    fn start(station: &Station) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("smb.conf");
        fs::write(&config, configuration(folder.path())).unwrap();
        let mut command = Command::new("nmbd");
        command.args(["--foreground", "--no-process-group", "--debug-stdout", "-s"]).arg(&config);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = station.namespace.within(|| command.spawn().unwrap());
        let samba = Self { process, folder };
        // It has its names when it answers at home.
        for _ in 0..200 {
            let output = station.namespace.within(|| samba.ask(&["-U", "127.0.0.1"]));
            if String::from_utf8_lossy(&output.stdout).contains("TOWPATH<00>") {
                return samba;
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("nmbd does not answer");
    }

    /// Asks everybody on the network outside, as often as that until somebody answers.
    fn look_up(&self, tries: u32) -> Output {
        for _ in 1..tries {
            let output = self.ask(&["-B", "192.0.2.255"]);
            if output.status.success() {
                return output;
            }
        }
        self.ask(&["-B", "192.0.2.255"])
    }

    fn ask(&self, how: &[&str]) -> Output {
        let mut command = Command::new("nmblookup");
        command.arg("-s").arg(self.folder.path().join("smb.conf")).args(how).arg("TOWPATH");
        command.output().unwrap()
    }
}

impl Drop for Samba {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn configuration(folder: &Path) -> String {
    let keys = ["lock", "state", "cache", "pid", "private"];
    let places: String = keys.iter().map(|key| format!("{key} directory = {}\n", folder.display())).collect();
    format!(
        "[global]\nnetbios name = TOWPATH\nworkgroup = CANAL\nserver role = standalone server\nlocal master = no\n{places}\
         nmbd bind explicit broadcast = no\nlog file = /dev/null\n"
    )
}
