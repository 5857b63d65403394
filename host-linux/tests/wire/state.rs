//! A gateway's state: saved while it runs, at its end, and gone on with.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    time::Duration,
};

use rustix::process::Signal;

use crate::{
    namespace::in_namespace,
    running::{CONFIG, Folder, Gateway, Network, SERVER, question_wrong},
};

/// Connections start with a SYN from inside, and only what belongs to one passes.
const RULES: &str = "*nat
-A POSTROUTING -o wan -j MASQUERADE
COMMIT
*filter
:FORWARD DROP [0:0]
-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A FORWARD -i lan -p tcp --syn -j ACCEPT
COMMIT
";

fn folder() -> Folder {
    let config =
        format!("{CONFIG}\n[rules]\nv4 = \"rules.v4\"\n\n[sysctl]\nnet.netfilter.nf_conntrack_tcp_loose = 0\n");
    Folder::with(&config, &[("rules.v4", RULES.as_bytes())])
}

/// A TCP connection through the gateway.
struct Connection {
    client: TcpStream,
    server: TcpStream,
}

impl Connection {
    fn open(network: &Network) -> Self {
        // The server knows no way to the client: only what comes from the gateway's own address can it answer.
        network.server.namespace.ip("route del default");
        let listener = network.server.namespace.within(|| TcpListener::bind((SERVER, 4001)).unwrap());
        let client = network.client.namespace.within(|| TcpStream::connect((SERVER, 4001)).unwrap());
        let (server, from) = listener.accept().unwrap();
        assert_eq!(from.ip(), Ipv4Addr::new(192, 0, 2, 1), "it is masqueraded");
        Self { client, server }
    }

    /// Sends something each way; says whether both have arrived in this time.
    fn talk(&mut self, patience: Duration) -> bool {
        let mut bytes = [0; 5];
        let mut passes = |from: &mut TcpStream, to: &mut TcpStream| {
            to.set_read_timeout(Some(patience)).unwrap();
            from.write_all(b"hello").unwrap();
            to.read_exact(&mut bytes).is_ok()
        };
        passes(&mut self.client, &mut self.server) && passes(&mut self.server, &mut self.client)
    }
}

const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn a_gateway_that_has_never_been_stopped_has_no_state_yet_and_starts() {
    in_namespace(|| {
        let (network, folder) = (Network::new(), folder());
        let name = folder.path().join("state").to_str().unwrap().to_owned();
        let mut gateway = Gateway::start_with(&folder, &["--state", &name, "--state-out", &name]);
        gateway.wait_for(&format!("warning: {name} is not there yet"));
        drop(network);
        assert!(gateway.stop(Signal::INT).status.success() && fs::exists(&name).unwrap());
    });
}

#[test]
fn a_place_where_no_state_can_be_saved_is_refused_at_the_start() {
    in_namespace(|| {
        let _network = Network::new();
        let folder = folder();
        let words = ["run", "-c", folder.config_name(), "--state-out", "/proc/nowhere"];
        let error = question_wrong(&folder.towpath(&words));
        assert!(error.starts_with("towpath: /proc/nowhere: "), "{error}");
    });
}

#[test]
fn a_connection_through_nat_outlives_a_restart_of_the_gateway_with_its_state() {
    in_namespace(|| {
        let network = Network::new();
        let folder = folder();
        let state = folder.path().join("state");
        let name = state.to_str().unwrap();
        let gateway = Gateway::start_with(&folder, &["--state-out", name]);
        let mut connection = Connection::open(&network);
        assert!(connection.talk(PATIENCE));
        let output = gateway.stop(Signal::TERM);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(fs::metadata(&state).unwrap().permissions().mode() & 0o777, 0o600);
        let gateway = Gateway::start_with(&folder, &["--state", name]);
        assert!(connection.talk(PATIENCE), "the gateway knows the connection");
        let listing = String::from_utf8(folder.towpath(&["conntrack", "-L"]).stdout).unwrap();
        assert_eq!(listing.lines().count(), 1, "{listing}");
        assert!(listing.contains(" ESTABLISHED src=10.0.0.2 dst=192.0.2.2 "), "{listing}");
        gateway.stop(Signal::INT);
        let gateway = Gateway::start(&folder);
        assert!(!connection.talk(Duration::from_secs(2)), "without its state the gateway knows nothing of it");
        gateway.stop(Signal::INT);
    });
}

#[test]
fn a_running_gateway_saves_its_state_and_goes_on_from_it() {
    in_namespace(|| {
        let network = Network::new();
        let folder = folder();
        let state = folder.path().join("state");
        let name = state.to_str().unwrap();
        let gateway = Gateway::start(&folder);
        let mut connection = Connection::open(&network);
        assert!(connection.talk(PATIENCE));
        let saved = folder.towpath(&["state", "save", name]);
        assert!(saved.status.success(), "{saved:?}");
        assert_eq!(fs::metadata(&state).unwrap().permissions().mode() & 0o777, 0o600);
        gateway.stop(Signal::KILL);
        let gateway = Gateway::start(&folder);
        let loaded = folder.towpath(&["state", "load", name]);
        assert!(loaded.status.success(), "{loaded:?}");
        assert!(connection.talk(PATIENCE), "the gateway knows the connection");
        gateway.stop(Signal::INT);
    });
}

#[test]
fn what_is_no_state_of_this_gateway_is_refused_and_the_gateway_runs_on() {
    in_namespace(|| {
        let network = Network::new();
        let folder = Folder::new();
        let gateway = Gateway::start(&folder);
        let file = folder.path().join("state");
        let name = file.to_str().unwrap();
        assert!(folder.towpath(&["state", "save", name]).status.success());
        let whole = fs::read(&file).unwrap();
        fs::write(&file, &whole[..whole.len() - 1]).unwrap();
        let error = question_wrong(&folder.towpath(&["state", "load", name]));
        assert!(error.contains("refused: the snapshot is cut: it should have "), "{error}");
        let error = question_wrong(&folder.towpath(&["run", "-c", folder.config_name(), "--state", name]));
        assert!(error.starts_with(&format!("towpath: {name}: the snapshot is cut: ")), "{error}");
        fs::write(&file, "nonsense").unwrap();
        let error = question_wrong(&folder.towpath(&["state", "load", name]));
        assert!(error.ends_with("refused: this is no snapshot of a gateway\n"), "{error}");
        let error = question_wrong(&folder.towpath(&["state", "load", "/nowhere/state"]));
        assert!(error.starts_with("towpath: /nowhere/state: "), "{error}");
        let error = question_wrong(&folder.towpath(&["state", "save", "/nowhere/state"]));
        assert!(error.starts_with("towpath: /nowhere/state: "), "{error}");
        network.exchange(b"still there");
        gateway.stop(Signal::INT);
    });
}
