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
use towpath::limits::CONVERSATIONS_OF_PEER_MAX;

use crate::{
    namespace::in_namespace,
    needs::lacks,
    running::{CONFIG, Folder, Gateway, Network, SERVER},
};

pub(crate) const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of a large transfer: many windows, and more than any buffer holds.
const LARGE: usize = 24 << 20;

pub(crate) fn config() -> String {
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
pub(crate) fn pattern(len: usize) -> Vec<u8> {
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

pub(crate) fn connect(network: &Network, port: u16) -> TcpStream {
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
pub(crate) fn talk(stream: &TcpStream, bytes: &[u8]) -> Vec<u8> {
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
        assert_eq!(String::from_utf8(refused.stdout).unwrap(), "405");
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
fn a_hundred_thousand_short_connections_leave_nothing_behind() {
    in_namespace(|| {
        let network = Network::new();
        let folder = folder();
        fs::write(folder.path().join("files/file"), "here").unwrap();
        let gateway = Gateway::start(&folder);
        // What is over has a second, and few may wait for late segments.
        for tunable in [
            "netfilter.nf_conntrack_tcp_timeout_time_wait=1",
            "netfilter.nf_conntrack_tcp_timeout_close=1",
            "ipv4.tcp_max_tw_buckets=100",
        ] {
            assert!(folder.towpath(&["sysctl", "-w", &format!("net.{tunable}")]).status.success(), "{tunable}");
        }
        let half = || {
            network.client.namespace.within(|| {
                // A port may be used again a second after its last connection has ended, and there are more than a second takes.
                fs::write("/proc/sys/net/ipv4/tcp_tw_reuse", "1").unwrap();
                fs::write("/proc/sys/net/ipv4/ip_local_port_range", "1024 65535").unwrap();
                for number in 0..25_000_u32 {
                    assert_eq!(ended_by_us(number), number.to_be_bytes(), "connection {number}");
                    assert!(ended_by_gateway().ends_with(b"\r\n\r\nhere"), "connection {number}");
                }
            });
            gateway.resident_bytes()
        };
        let (at_half, at_end) = (half(), half());
        let asked = |words: &[&str]| String::from_utf8(folder.towpath(words).stdout).unwrap();
        let is_over = || {
            let stats = asked(&["stats"]);
            stats.contains("services    0 conversations of 100000, 0 refused, 0 silent")
                && asked(&["conntrack", "-C"]) == "0\n"
        };
        assert!((0..2000).any(|_| is_over()), "{}{}", asked(&["stats"]), asked(&["conntrack", "-L"]));
        let sockets = asked(&["socket", "-tanH"]);
        let is_known = |line: &str| line.starts_with("LISTEN") || line.starts_with("TIME-WAIT");
        assert!(sockets.lines().count() <= 5 + 100 && sockets.lines().all(is_known), "{sockets}");
        assert!(at_end < at_half + (4 << 20), "{at_half} bytes, then {at_end}");
        gateway.stop(Signal::INT);
    });
}

/// What an echo sends back; the client has no more first.
fn ended_by_us(number: u32) -> Vec<u8> {
    let mut stream = TcpStream::connect((GATEWAY, 7)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&number.to_be_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut read = Vec::new();
    stream.read_to_end(&mut read).unwrap();
    read
}

/// What an HTTP server says that has no more first.
fn ended_by_gateway() -> Vec<u8> {
    let mut stream = TcpStream::connect((GATEWAY, 80)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET /file HTTP/1.0\r\n\r\n").unwrap();
    let mut read = Vec::new();
    stream.read_to_end(&mut read).unwrap();
    read
}

#[test]
fn services_and_conversations_go_on_when_a_state_is_loaded() {
    in_namespace(|| {
        let network = Network::new();
        let folder = folder();
        let gateway = Gateway::start(&folder);
        let mut before = connect(&network, 7);
        let echoes = |stream: &mut TcpStream, word: &[u8; 5]| {
            let mut read = [0; 5];
            stream.write_all(word).unwrap();
            stream.read_exact(&mut read).unwrap();
            assert_eq!(&read, word);
        };
        echoes(&mut before, b"hello");
        let state = folder.path().join("state");
        for word in ["save", "load"] {
            let output = folder.towpath(&["state", word, state.to_str().unwrap()]);
            assert!(output.status.success(), "{output:?}");
        }
        echoes(&mut before, b"still");
        echoes(&mut connect(&network, 7), b"again");
        gateway.stop(Signal::INT);
    });
}

#[test]
fn sockets_and_tunables_of_a_running_gateway_are_shown_as_ss_and_sysctl_show_them() {
    in_namespace(|| {
        let network = Network::new();
        let folder = folder();
        let gateway = Gateway::start(&folder);
        let mut stream = connect(&network, 7);
        let own = stream.local_addr().unwrap();
        stream.write_all(b"hello").unwrap();
        stream.read_exact(&mut [0; 5]).unwrap();
        let asked = |words: &[&str]| {
            let output = folder.towpath(words);
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        // What the client's kernel acknowledges may come in behind the question.
        let mut answers = (0..100).map(|_| asked(&["socket", "-tin"]));
        let shown = answers.find(|shown| shown.contains("ESTAB 0      0 ")).expect("all is acknowledged");
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 3, "{shown}");
        assert!(lines[0].starts_with("State Recv-Q Send-Q Local Address:Port"), "{shown}");
        let words: Vec<&str> = lines[1].split_whitespace().collect();
        assert_eq!(words, ["ESTAB", "0", "0", "10.0.0.1:7", &own.to_string()]);
        for word in [" cubic wscale:", " mss:1448 ", " bytes_sent:5 ", " bytes_received:5 ", " cwnd:10 "] {
            assert!(lines[2].starts_with('\t') && lines[2].contains(word), "{word} in {shown}");
        }
        let listening = asked(&["socket", "-tlnH"]);
        assert_eq!(
            listening.lines().filter(|line| line.starts_with("LISTEN 0      512    ")).count(),
            5,
            "{listening}"
        );
        assert_eq!(asked(&["sysctl", "net.ipv4.tcp_rmem"]), "net.ipv4.tcp_rmem = 4096\t131072\t33554432\n");
        assert_eq!(asked(&["sysctl", "-w", "net/ipv4/tcp_rmem=4096 8192"]), "net.ipv4.tcp_rmem = 4096\t8192\n");
        assert!(asked(&["sysctl", "-a"]).contains("\nnet.ipv4.tcp_rmem = 4096\t8192\t33554432\n"));
        let refused = folder.towpath(&["sysctl", "net.ipv4.tcp_sack=7"]);
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        gateway.stop(Signal::INT);
    });
}

#[test]
fn what_a_connection_has_left_of_its_way_is_shown_as_ip_shows_it_and_forgotten() {
    in_namespace(|| {
        let network = Network::new();
        let folder = folder();
        let gateway = Gateway::start(&folder);
        let mut stream = connect(&network, 7);
        let own = stream.local_addr().unwrap().ip();
        stream.write_all(b"hello").unwrap();
        stream.read_exact(&mut [0; 5]).unwrap();
        let asked = |words: &[&str]| {
            let output = folder.towpath(words);
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(asked(&["tcp_metrics"]), "", "it has not ended");
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(stream.read(&mut [0; 5]).unwrap(), 0);
        drop(stream);
        // Its last acknowledgement may come in behind the question.
        let shown = (0..100).map(|_| asked(&["tcp_metrics"])).find(|shown| !shown.is_empty()).expect("it has ended");
        let words: Vec<&str> = shown.split_whitespace().collect();
        let [address, "age", _, "cwnd", "10", "rtt", rtt, "rttvar", _, "source", "10.0.0.1"] = words[..] else {
            panic!("{shown}")
        };
        assert!(address == own.to_string() && rtt.ends_with("us"), "{shown}");
        assert_eq!(asked(&["tcp_metrics", "show", "192.0.2.0/24"]), "");
        assert!(asked(&["sysctl", "-a"]).contains("\nnet.ipv4.tcp_no_metrics_save = 0\n"));
        asked(&["tcp_metrics", "delete", address]);
        assert_eq!(asked(&["tcp_metrics"]), "");
        let again = folder.towpath(&["tcp_metrics", "delete", address]);
        assert_eq!(again.status.code(), Some(1), "{again:?}");
        asked(&["tcp_metrics", "flush"]);
        gateway.stop(Signal::INT);
    });
}

#[test]
fn who_sends_what_is_not_taken_reads_why_all_the_same() {
    in_namespace(|| {
        let network = Network::new();
        let gateway = Gateway::start(&folder());
        let mut stream = connect(&network, 80);
        write!(stream, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n").unwrap();
        stream.write_all(&vec![b'x'; 1_000_000]).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"), "{answer}");
        gateway.stop(Signal::INT);
    });
}

#[test]
fn who_takes_all_the_places_he_may_have_keeps_nobody_else_out() {
    in_namespace(|| {
        let network = Network::new();
        let folder = folder();
        fs::write(folder.path().join("files/file"), "here").unwrap();
        let gateway = Gateway::start(&folder);
        let silent: Vec<TcpStream> = (0..CONVERSATIONS_OF_PEER_MAX).map(|_| connect(&network, 7)).collect();
        // The reset may come before he has seen that he is connected.
        let connected = network.client.namespace.within(|| TcpStream::connect((GATEWAY, 7)));
        let refused = connected.and_then(|mut stream| stream.read(&mut [0; 10]));
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionReset);
        let other = network.server.namespace.within(|| TcpStream::connect((Ipv4Addr::new(192, 0, 2, 1), 80))).unwrap();
        other.set_read_timeout(Some(PATIENCE)).unwrap();
        let answer = talk(&other, b"GET /file HTTP/1.0\r\n\r\n");
        assert!(answer.ends_with(b"\r\n\r\nhere"), "{}", answer.escape_ascii());
        drop(silent);
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
