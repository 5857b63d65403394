//! Real IRC through a running gateway, with the component that the program brings along: two people meet at ngircd, and one sends
//! the other a file by DCC. Once they are the test's own, which looks at each word, and once they use irssi.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream},
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    link::{PATIENCE, Station},
    namespace::in_namespace_of_root,
    needs::lacks,
    running::{CLIENT, CONFIG, Folder, Gateway, Network, SERVER, masquerade, port_forwarding},
};

/// Only IRC itself may be opened: who is sent a file calls the sender, which passes because the helper has made that RELATED.
const OPENED: (&str, u16) = ("tcp", 6667);

const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

#[test]
fn who_is_behind_masquerade_sends_a_file_to_somebody_outside() {
    in_namespace_of_root("ngircd becomes another user", || {
        if lacks("dcc::who_is_behind_masquerade_sends_a_file_to_somebody_outside", &["ngircd"]) {
            return;
        }
        let network = Network::new();
        let gateway = Gateway::start(&folder(&masquerade(OPENED)));
        network.server.namespace.ip("route del default");
        let _server = Server::start(&network.server, SERVER);
        let mut alice = Person::join(&network.client, SERVER, "alice");
        let mut bob = Person::join(&network.server, SERVER, "bob");
        // Bob is told the gateway's address, and what calls there comes to Alice.
        assert_eq!(send_file(&network.client, &mut alice, CLIENT, &network.server, &mut bob), GATEWAY);
        assert_eq!(gateway.last_words(), "");
    });
}

#[test]
fn who_is_outside_sends_a_file_to_somebody_at_a_server_inside() {
    in_namespace_of_root("ngircd becomes another user", || {
        if lacks("dcc::who_is_outside_sends_a_file_to_somebody_at_a_server_inside", &["ngircd"]) {
            return;
        }
        let network = Network::new();
        let gateway = Gateway::start(&folder(&port_forwarding(OPENED)));
        let _server = Server::start(&network.client, CLIENT);
        let mut alice = Person::join(&network.server, GATEWAY, "alice");
        let mut bob = Person::join(&network.client, CLIENT, "bob");
        // Nobody inside may open anything, but to whom they were called.
        assert_eq!(send_file(&network.server, &mut alice, SERVER, &network.client, &mut bob), SERVER);
        assert_eq!(gateway.last_words(), "");
    });
}

#[test]
fn irssi_behind_masquerade_sends_a_file_to_irssi_outside() {
    in_namespace_of_root("ngircd becomes another user", || {
        if lacks("dcc::irssi_behind_masquerade_sends_a_file_to_irssi_outside", &["ngircd", "irssi", "script"]) {
            return;
        }
        let network = Network::new();
        let gateway = Gateway::start(&folder(&masquerade(OPENED)));
        network.server.namespace.ip("route del default");
        let _server = Server::start(&network.server, SERVER);
        let mut carol = Person::join(&network.server, SERVER, "carol");
        let alice = Irssi::join(&network.client, SERVER, "alice");
        let bob = Irssi::join(&network.server, SERVER, "bob");
        exchange(alice, &bob, &mut carol);
        assert_eq!(gateway.last_words(), "");
    });
}

#[test]
fn irssi_outside_sends_a_file_to_irssi_at_a_server_inside() {
    in_namespace_of_root("ngircd becomes another user", || {
        if lacks("dcc::irssi_outside_sends_a_file_to_irssi_at_a_server_inside", &["ngircd", "irssi", "script"]) {
            return;
        }
        let network = Network::new();
        let gateway = Gateway::start(&folder(&port_forwarding(OPENED)));
        let _server = Server::start(&network.client, CLIENT);
        let mut carol = Person::join(&network.client, CLIENT, "carol");
        let alice = Irssi::join(&network.server, GATEWAY, "alice");
        let bob = Irssi::join(&network.client, CLIENT, "bob");
        exchange(alice, &bob, &mut carol);
        assert_eq!(gateway.last_words(), "");
    });
}

fn folder(rules: &str) -> Folder {
    let config = format!("{CONFIG}\n[rules]\nv4 = \"rules.v4\"\n\n[[helper]]\nname = \"irc\"\n");
    Folder::with(&config, &[("rules.v4", rules.as_bytes())])
}

/// Alice, who has `address`, offers bob a file; he fetches it where he was told to. The address that he was told.
fn send_file(at: &Station, alice: &mut Person, address: Ipv4Addr, to: &Station, bob: &mut Person) -> Ipv4Addr {
    let file = content();
    let listener = at.namespace.within(|| TcpListener::bind((address, 0)).unwrap());
    let port = listener.local_addr().unwrap().port();
    let offer = format!("\x01DCC SEND file.bin {} {port} {}\x01", address.to_bits(), file.len());
    alice.says(&format!("PRIVMSG bob :{offer}"));
    let heard = bob.hears("PRIVMSG bob :\x01DCC SEND file.bin ");
    let mut words = heard.split("DCC SEND file.bin ").nth(1).unwrap().split([' ', '\x01']);
    let told = Ipv4Addr::from_bits(words.next().unwrap().parse().unwrap());
    let port: u16 = words.next().unwrap().parse().unwrap();
    let sent = file.clone();
    let sending = thread::spawn(move || {
        let (mut receiver, _) = listener.accept().unwrap();
        receiver.write_all(&sent).unwrap();
    });
    let target = SocketAddrV4::new(told, port).into();
    let mut sender = to.namespace.within(|| TcpStream::connect_timeout(&target, PATIENCE).unwrap());
    sender.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut received = Vec::new();
    sender.read_to_end(&mut received).unwrap();
    sending.join().unwrap();
    assert!(received == file, "{} bytes are not the file", received.len());
    told
}

/// Somebody at an IRC server.
struct Person {
    out: TcpStream,
    heard: BufReader<TcpStream>,
}

impl Person {
    fn join(station: &Station, server: Ipv4Addr, name: &str) -> Self {
        let stream = station.namespace.within(|| TcpStream::connect((server, 6667)).unwrap());
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut person = Self { out: stream.try_clone().unwrap(), heard: BufReader::new(stream) };
        person.says(&format!("NICK {name}\r\nUSER {name} 0 * :{name}"));
        person.hears(&format!(" 001 {name} "));
        person
    }

    fn says(&mut self, line: &str) {
        self.out.write_all(format!("{line}\r\n").as_bytes()).unwrap();
    }

    /// Reads on until there is a line with this in it.
    fn hears(&mut self, part: &str) -> String {
        self.hears_until(|line| line.contains(part))
    }

    /// Reads on until a line is the one; answers pings.
    fn hears_until(&mut self, mut is_it: impl FnMut(&str) -> bool) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.heard.read_line(&mut line).unwrap(), 0, "the server has hung up");
            if let Some(ping) = line.strip_prefix("PING ") {
                self.says(&format!("PONG {}", ping.trim_end()));
            }
            if is_it(&line) {
                return line;
            }
        }
    }
}

/// Alice sends bob a file, when both have told carol that they are there.
fn exchange(mut alice: Irssi, bob: &Irssi, carol: &mut Person) {
    let file = content();
    let path = alice.home.path().join("file.bin");
    fs::write(&path, &file).unwrap();
    // The server knows alice before her irssi knows that it does, which refuses what she types until then.
    let mut missing = vec!["alice", "bob"];
    wait_until("alice and bob are there", || {
        carol.says("PING carol");
        carol.hears_until(|line| {
            missing.retain(|name| !(line.starts_with(&format!(":{name}!")) && line.contains("PRIVMSG carol :here")));
            line.contains(" PONG ")
        });
        missing.is_empty()
    });
    alice.types(&format!("/DCC SEND bob {}", path.display()));
    let got = bob.home.path().join("got/file.bin");
    wait_until("bob has the file", || fs::metadata(&got).is_ok_and(|got| got.len() >= file.len() as u64));
    assert!(fs::read(&got).unwrap() == file, "what bob got is not the file");
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    // irssi takes some seconds to begin.
    let is_in_time = (0..1200).any(|_| {
        thread::sleep(Duration::from_millis(25));
        is_so()
    });
    assert!(is_in_time, "it takes too long until {what}");
}

fn content() -> Vec<u8> {
    (0..FILE_BYTES).map(|at| (at * at % 251) as u8).collect()
}

/// Somebody who uses irssi, on a terminal of its own: tells carol when it is connected; takes what is sent, into `got`.
struct Irssi {
    process: Child,
    keyboard: ChildStdin,
    home: TempDir,
}

impl Irssi {
    fn join(station: &Station, server: Ipv4Addr, name: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let got = home.path().join("got");
        fs::create_dir(&got).unwrap();
        let config = format!(
            "servers = ( {{ address = \"{server}\"; port = \"6667\"; chatnet = \"here\"; autoconnect = \"yes\"; }} );\n\
             chatnets = {{ here = {{ type = \"IRC\"; nick = \"{name}\"; username = \"{name}\"; realname = \"{name}\"; \
             autosendcmd = \"/msg carol here\"; }}; }};\n\
             settings = {{ \"irc/dcc\" = {{ dcc_autoget = \"yes\"; dcc_download_path = \"{}\"; }}; }};\n",
            got.display()
        );
        fs::write(home.path().join("config"), config).unwrap();
        let mut command = Command::new("script");
        command.args(["-qfec", &format!("exec irssi --home={}", home.path().display()), "/dev/null"]);
        command.env("TERM", "xterm").env("HOME", home.path());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = station.namespace.within(|| command.spawn().unwrap());
        let keyboard = process.stdin.take().unwrap();
        Self { process, keyboard, home }
    }

    fn types(&mut self, line: &str) {
        self.keyboard.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

impl Drop for Irssi {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An IRC server that is not ours, at a station.
struct Server {
    process: Child,
    _folder: TempDir,
}

impl Server {
    fn start(station: &Station, address: Ipv4Addr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("ngircd.conf");
        let text = format!(
            "[Global]\nName = irc.example\nInfo = test\nListen = {address}\nPorts = 6667\nServerUID = nobody\n\
             ServerGID = nogroup\n[Options]\nDNS = no\nIdent = no\nPAM = no\nChrootDir =\n"
        );
        fs::write(&config, text).unwrap();
        let mut command = Command::new("ngircd");
        command.arg("--nodaemon").arg("--config").arg(&config);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = station.namespace.within(|| command.spawn().unwrap());
        let server = Self { process, _folder: folder };
        let is_up = |_| {
            thread::sleep(Duration::from_millis(25));
            station.namespace.within(|| TcpStream::connect((address, 6667)).is_ok())
        };
        assert!((0..200).any(is_up), "ngircd does not listen");
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const FILE_BYTES: u64 = 300_001;
