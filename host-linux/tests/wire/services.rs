//! What the gateway offers over TCP, and what it relays, met by Linux's own TCP: sockets of the standard library, and curl.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use rustix::process::Signal;

use crate::{
    namespace::in_namespace,
    needs::lacks,
    running::{CONFIG, Folder, Gateway, Network, SERVER},
};

const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of a large transfer: many windows, and more than any buffer holds.
const LARGE: usize = 24 << 20;

fn config() -> String {
    let service = |kind: &str, more: &str| format!("[[service]]\nkind = \"{kind}\"\nprotocol = \"tcp\"\n{more}\n");
    let services =
        [service("echo", ""), service("discard", ""), service("chargen", ""), service("http", "folder = \"files\"")];
    format!("{CONFIG}\n{}\n[[relay]]\nport = 8080\nto = \"{SERVER}:80\"\n", services.concat())
}

fn folder() -> Folder {
    let folder = Folder::with(&config(), &[]);
    fs::create_dir(folder.path().join("files")).unwrap();
    folder
}

/// Bytes that tell at which place in the stream they belong.
fn pattern(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as u8
        })
        .collect()
}

fn connect(network: &Network, port: u16) -> TcpStream {
    let stream = network
        .client
        .namespace
        .within(|| TcpStream::connect_timeout(&SocketAddr::from((GATEWAY, port)), PATIENCE))
        .unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends all of it while it reads until the other end has no more.
fn talk(stream: &TcpStream, bytes: &[u8]) -> Vec<u8> {
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut stream = stream;
            stream.write_all(bytes).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
        });
        let mut read = Vec::new();
        let mut stream = stream;
        stream.read_to_end(&mut read).unwrap();
        writer.join().unwrap();
        read
    })
}

#[test]
fn what_is_sent_comes_back_in_order_however_much_it_is() {
    in_namespace(|| {
        let network = Network::new();
        let gateway = Gateway::start(&folder());
        let sent = pattern(LARGE);
        let read = talk(&connect(&network, 7), &sent);
        assert_eq!(read.len(), sent.len());
        assert!(read == sent, "every byte is where it belongs");
        let output = gateway.stop(Signal::INT);
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    });
}

#[test]
fn files_are_fetched_over_http_by_curl_as_they_are() {
    in_namespace(|| {
        if lacks("services::files_are_fetched_over_http_by_curl_as_they_are", &["curl"]) {
            return;
        }
        let network = Network::new();
        let folder = folder();
        let (large, small) = (pattern(LARGE), b"hello\n".to_vec());
        fs::write(folder.path().join("files/large.bin"), &large).unwrap();
        fs::write(folder.path().join("files/small.txt"), &small).unwrap();
        fs::write(folder.path().join("files/empty"), "").unwrap();
        let gateway = Gateway::start(&folder);
        let curl = |words: &[&str]| {
            let words = ["--silent", "--show-error", "--max-time", "60"].iter().chain(words).copied();
            let words: Vec<String> = words.map(|word| word.replace("AT", &format!("http://{GATEWAY}"))).collect();
            network.client.namespace.within(|| Command::new("curl").args(words).stdin(Stdio::null()).output().unwrap())
        };
        assert!(curl(&["AT/large.bin"]).stdout == large, "every byte is where it belongs");
        // Four requests over one connection.
        let answers =
            curl(&["AT/small.txt", "AT/empty", "AT/small.txt", "-w", "%{num_connects} %{http_code}\n", "AT/none"]);
        assert_eq!(String::from_utf8(answers.stdout).unwrap(), "hello\n1 200\n0 200\nhello\n0 200\n0 404\n");
        let head = curl(&["--head", "AT/small.txt"]);
        let head = String::from_utf8(head.stdout).unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("Content-Length: 6\r\n"), "{head}");
        let refused = curl(&["--data", "x", "-w", "%{http_code}", "AT/"]);
        assert_eq!(String::from_utf8(refused.stdout).unwrap(), "413");
        gateway.stop(Signal::INT);
    });
}

#[test]
fn a_relay_joins_two_connections_in_both_directions() {
    in_namespace(|| {
        let network = Network::new();
        let gateway = Gateway::start(&folder());
        let listener = network.server.namespace.within(|| TcpListener::bind((SERVER, 80))).unwrap();
        let (up, down) = (pattern(LARGE), pattern(LARGE / 2));
        let server = thread::spawn({
            let down = down.clone();
            move || {
                let (stream, from) = listener.accept().unwrap();
                assert_eq!(from.ip(), Ipv4Addr::new(192, 0, 2, 1), "the gateway's own connection");
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                talk(&stream, &down)
            }
        });
        let read = talk(&connect(&network, 8080), &up);
        assert!(read == down, "every byte is where it belongs");
        assert!(server.join().unwrap() == up, "the other way, too");
        gateway.stop(Signal::INT);
    });
}

#[test]
fn a_relay_whose_other_end_refuses_resets_who_has_connected() {
    in_namespace(|| {
        let network = Network::new();
        let gateway = Gateway::start(&folder());
        // It may come so soon that the connection has not even been told of.
        let read = network.client.namespace.within(|| {
            let mut stream = TcpStream::connect_timeout(&SocketAddr::from((GATEWAY, 8080)), PATIENCE)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.read(&mut [0; 10])
        });
        assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset);
        gateway.stop(Signal::INT);
    });
}

#[test]
fn characters_come_for_as_long_as_somebody_reads_and_what_is_discarded_is_acknowledged() {
    in_namespace(|| {
        let network = Network::new();
        let gateway = Gateway::start(&folder());
        let mut chargen = connect(&network, 19);
        let mut lines = vec![0; 95 * 74 * 200];
        chargen.read_exact(&mut lines).unwrap();
        assert!(lines.starts_with(b" !\"#$%&'") && lines[..74].ends_with(b"\r\n"));
        assert!(lines.chunks(95 * 74).all(|pattern| pattern == &lines[..95 * 74]));
        // Who stops reading is not sent more than he takes, and others are served meanwhile.
        thread::sleep(Duration::from_millis(300));
        let mut discard = connect(&network, 9);
        discard.write_all(&pattern(LARGE)).unwrap();
        discard.shutdown(Shutdown::Write).unwrap();
        assert_eq!(discard.read(&mut [0; 10]).unwrap(), 0);
        drop(chargen);
        gateway.stop(Signal::INT);
    });
}

#[test]
fn a_thousand_short_connections_leave_nothing_behind() {
    in_namespace(|| {
        let network = Network::new();
        let gateway = Gateway::start(&folder());
        for number in 0..1000_u32 {
            let read = talk(&connect(&network, 7), &number.to_be_bytes());
            assert_eq!(read, number.to_be_bytes());
        }
        gateway.stop(Signal::INT);
    });
}

#[test]
fn a_folder_that_is_not_there_is_named_with_file_and_line() {
    in_namespace(|| {
        let _network = Network::new();
        let folder = Folder::with(&config(), &[]);
        let output = folder.towpath(&["run", "-c", folder.config_name()]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains("gateway.toml:26:10: ") && error.contains("/files: No such file"), "{error}");
    });
}
