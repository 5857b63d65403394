//! Services and relays met by Linux's own TCP over cables that lose frames: nothing is missing, and what is seen on the cable is TCP as
//! tshark knows it.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::{
    cable::Cable,
    link::Station,
    namespace::{Namespace, in_namespace, ip, quieten},
    needs::lacks_programs,
    running::{CLIENT, Folder, Gateway, Network, SERVER},
    services::{GATEWAY, PATIENCE, config, connect, pattern, talk},
};

/// How many frames of a thousand are lost.
const LOSSES: [u32; 3] = [0, 10, 50];
const PROGRAMS: &[&str] = &["ethtool", "tshark", "iperf3", "curl"];
/// Bytes of a transfer: some hundred segments, of which some are lost.
const BYTES: usize = 1 << 20;

#[test]
fn what_a_relay_passes_on_arrives_whole_both_ways_whatever_is_lost() {
    in_namespace(|| {
        over_cables("loss::what_a_relay_passes_on_arrives_whole_both_ways_whatever_is_lost", |network, _| {
            let listener = network.server.namespace.within(|| TcpListener::bind((SERVER, 80))).unwrap();
            let (up, down) = (pattern(BYTES), pattern(BYTES / 2));
            thread::scope(|scope| {
                let server = scope.spawn(|| {
                    let stream = listener.accept().unwrap().0;
                    stream.set_read_timeout(Some(PATIENCE)).unwrap();
                    talk(&stream, &down)
                });
                assert!(talk(&connect(network, 8080), &up) == down, "every byte is where it belongs");
                assert!(server.join().unwrap() == up, "the other way, too");
            });
        });
    });
}

#[test]
fn a_chat_goes_on_whatever_is_lost() {
    in_namespace(|| {
        over_cables("loss::a_chat_goes_on_whatever_is_lost", |network, _| {
            let mut stream = connect(network, 7);
            for number in 0..60_u32 {
                let said = pattern(1 + number as usize * 7);
                let mut heard = vec![0; said.len()];
                stream.write_all(&said).unwrap();
                stream.read_exact(&mut heard).unwrap();
                assert!(said == heard, "sentence {number}");
            }
        });
    });
}

#[test]
fn a_file_comes_by_http_as_it_is_whatever_is_lost() {
    in_namespace(|| {
        over_cables("loss::a_file_comes_by_http_as_it_is_whatever_is_lost", |network, folder| {
            let file = pattern(BYTES);
            fs::write(folder.path().join("files/file"), &file).unwrap();
            let words = ["--silent", "--show-error", "--max-time", "60", &format!("http://{GATEWAY}/file")];
            let output = run(&network.client.namespace, "curl", &words);
            assert!(output.stdout == file, "every byte is where it belongs: {}", text(&output.stderr));
        });
    });
}

#[test]
fn iperf3_measures_through_a_relay_both_ways_whatever_is_lost() {
    in_namespace(|| {
        over_cables("loss::iperf3_measures_through_a_relay_both_ways_whatever_is_lost", |network, _| {
            for direction in [&[][..], &["--reverse"]] {
                let _server = IperfServer::start(&network.server.namespace);
                let asked = ["--client", &GATEWAY.to_string(), "--bytes", &BYTES.to_string(), "--json"];
                let output = run(&network.client.namespace, "iperf3", &[&asked, direction].concat());
                let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
                let bytes = |of: &str| report["end"][of]["bytes"].as_u64().unwrap_or_default();
                // The test ends with what the sender has sent, whatever of it has yet to arrive.
                let all_is_sent = bytes("sum_sent") >= BYTES as u64 && bytes("sum_received") > 0;
                assert!(output.status.success() && all_is_sent, "{}", report["end"]);
            }
        });
    });
}

/// An iperf3 that serves one client. It goes with this value.
struct IperfServer(Child);

impl IperfServer {
    /// Starts it, and waits until it listens.
    fn start(inside: &Namespace) -> Self {
        let mut process = inside.within(|| {
            let mut command = Command::new("iperf3");
            command.args(["--server", "--one-off", "--forceflush"]).stdout(Stdio::piped()).spawn().unwrap()
        });
        let said = BufReader::new(process.stdout.take().unwrap());
        let mut listening = said.lines().map_while(Result::ok).filter(|line| line.contains("listening"));
        assert!(listening.next().is_some(), "it listens");
        Self(process)
    }
}

impl Drop for IperfServer {
    fn drop(&mut self) {
        // It has ended already, or ends now.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Does something once for each of [`LOSSES`], with a gateway whose cables on both sides lose so much; then has tshark look at what has
/// passed on the client's.
fn over_cables(name: &str, mut work: impl FnMut(&Network, &Folder)) {
    if lacks_programs(name, PROGRAMS) {
        return;
    }
    for lost in LOSSES {
        let notes = TempDir::new().unwrap();
        let noted = |name: &str| notes.path().join(name);
        quieten();
        let network = Network::of(Station::new("xa", CLIENT), Station::new("xb", SERVER));
        for end in ["a", "b"] {
            ip(&format!("link add g{end} type veth peer name y{end}"));
            for device in [format!("g{end}"), format!("y{end}")] {
                ip(&format!("link set {device} up"));
                // Frames are what a cable loses, not what a card makes of them, and have their checksums.
                as_on_a_cable(&device);
            }
            as_on_a_cable(&format!("x{end}"));
        }
        for station in [&network.client, &network.server] {
            station.namespace.within(|| as_on_a_cable("e0"));
        }
        let cables = [("xa", "ya"), ("xb", "yb")].map(|(one, other)| Cable::between([one, other], lost, &noted(one)));
        let config = format!("{}\n[[relay]]\nport = 5201\nto = \"{SERVER}:5201\"\n", config());
        let folder = Folder::with(&config, &[]);
        fs::create_dir(folder.path().join("files")).unwrap();
        let gateway = Gateway::start(&folder);
        work(&network, &folder);
        gateway.stop(Signal::INT);
        cables.into_iter().for_each(Cable::cut);
        for side in ["xa", "xb"] {
            assert_eq!(violations(&noted(side)), "", "with {lost} of 1000 lost");
        }
        // Those of the stations would go with their namespaces, but later.
        for device in ["xa", "ga", "xb", "gb"] {
            ip(&format!("link del {device}"));
        }
    }
}

/// Switches off what joins segments, cuts them and leaves sums to others.
fn as_on_a_cable(device: &str) {
    let words = ["-K", device, "tso", "off", "gso", "off", "gro", "off", "tx", "off"];
    let output = Command::new("ethtool").args(words).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// Frames of which tshark says that they break TCP's rules: damaged ones, wrong checksums, acknowledgements of what nobody has sent. It
/// looks at nothing above TCP, where random bytes are no protocol's. For a checksum of 0 there is 0xffff where software fills it in, as in
/// Linux (v6.18: `net/core/dev.c`, `skb_checksum_help()`), which tshark finds odd.
fn violations(capture: &Path) -> String {
    let wrong = "!tcp.checksum.ffff && (_ws.malformed || _ws.expert.severity == error || tcp.checksum.status == 0 \
                 || ip.checksum.status == 0 || tcp.analysis.ack_lost_segment)";
    let mut command = Command::new("tshark");
    command.args([
        "-n",
        "-o",
        "tcp.check_checksum:TRUE",
        "-o",
        "ip.check_checksum:TRUE",
        "-d",
        "tcp.port==1-65535,data",
    ]);
    let output = command.args(["-Y", wrong, "-r"]).arg(capture).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

fn run(inside: &Namespace, program: &str, words: &[&str]) -> Output {
    inside.within(|| Command::new(program).args(words).stdin(Stdio::null()).output().unwrap())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
