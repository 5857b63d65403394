//! Helpers that are loaded into, replaced in and taken out of a running gateway, while their connections live.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
};

use crate::{
    link::PATIENCE,
    namespace::in_namespace,
    needs::lacks,
    running::{CONFIG, Folder, Gateway, Network, SERVER, question_wrong},
};

const MASQUERADE: &str = "*nat\n-A POSTROUTING -o wan -j MASQUERADE\nCOMMIT\n";

/// The control connection of an FTP client; the server is not one, but hears what the client says.
struct Session {
    client: TcpStream,
    server: BufReader<TcpStream>,
}

impl Session {
    fn open(network: &Network) -> Self {
        let listener = network.server.namespace.within(|| TcpListener::bind((SERVER, 21)).unwrap());
        let client = network.client.namespace.within(|| TcpStream::connect((SERVER, 21)).unwrap());
        let (server, _) = listener.accept().unwrap();
        server.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut session = Self { client, server: BufReader::new(server) };
        assert_eq!(session.says("USER x\r\n"), "USER x\r\n");
        session
    }

    /// The client says a line; what the server hears of it.
    fn says(&mut self, line: &str) -> String {
        self.client.write_all(line.as_bytes()).unwrap();
        let mut heard = String::new();
        self.server.read_line(&mut heard).unwrap();
        heard
    }
}

#[test]
fn a_helper_is_replaced_and_unloaded_while_its_connection_lives() {
    in_namespace(|| {
        if lacks("helper::a_helper_is_replaced_and_unloaded_while_its_connection_lives", &[]) {
            return;
        }
        let network = Network::new();
        let config = format!("{CONFIG}\n[rules]\nv4 = \"rules.v4\"\n\n[[helper]]\nname = \"ftp\"\ntimeout = \"77s\"\n");
        let folder = Folder::with(&config, &[("rules.v4", MASQUERADE.as_bytes())]);
        let gateway = Gateway::start(&folder);
        let mut session = Session::open(&network);
        assert_eq!(session.says("PORT 10,0,0,2,20,161\r\n"), "PORT 192,0,2,1,20,161\r\n");
        assert!(expected(&folder).contains("dport=5281"));
        let listed = listed(&folder);
        assert!(listed[1].starts_with("ftp ") && listed[1].contains(" tcp 21 "), "{listed:?}");
        let columns: Vec<_> = listed[1].split_whitespace().collect();
        assert_eq!(columns[3..8], ["2", "0", "0", "0", "1"], "an inspection and a rendering; one is expected");
        let told = folder.towpath(&["helper", "reload", "ftp"]);
        let said = String::from_utf8(told.stderr).unwrap();
        assert!(said.starts_with("towpath: helper ftp has been reloaded, attached tcp 21; component "), "{said}");
        assert!(expected(&folder).contains("dport=5281"), "what was expected is expected still");
        // Longer by the gateway's address, and so at other sequence numbers than the client's.
        assert_eq!(session.says("PORT 10,0,0,2,20,162\r\n"), "PORT 192,0,2,1,20,162\r\n");
        let waiting = expected(&folder);
        let seconds: u32 = waiting.split_whitespace().next().unwrap().parse().unwrap();
        assert!(waiting.contains("dport=5282") && (70..=77).contains(&seconds), "as gateway.toml has it: {waiting}");
        let told = folder.towpath(&["helper", "unload", "ftp"]);
        let said = String::from_utf8(told.stderr).unwrap();
        assert_eq!(said, "towpath: helper ftp has been unloaded; 1 expectations are forgotten.\n");
        assert_eq!(expected(&folder), "");
        assert_eq!(session.says("PORT 10,0,0,2,20,163\r\n"), "PORT 10,0,0,2,20,163\r\n");
        assert_eq!(listed_json(&folder).len(), 1, "no helper behind the head");
        let loaded = folder.towpath(&["helper", "load", "ftp", "--by-ports"]);
        assert!(loaded.status.success(), "{loaded:?}");
        assert_eq!(session.says("PORT 10,0,0,2,20,164\r\n"), "PORT 10,0,0,2,20,164\r\n", "it has no helper");
        drop(session);
        assert_eq!(Session::open(&network).says("PORT 10,0,0,2,20,165\r\n"), "PORT 192,0,2,1,20,165\r\n");
        assert_eq!(gateway.last_words(), "");
    });
}

/// But for the answer to `-D`, in conntrack's words.
#[test]
fn what_a_running_gateway_expects_is_found_counted_and_deleted() {
    in_namespace(|| {
        if lacks("helper::what_a_running_gateway_expects_is_found_counted_and_deleted", &[]) {
            return;
        }
        let network = Network::new();
        let config = format!("{CONFIG}\n[rules]\nv4 = \"rules.v4\"\n\n[[helper]]\nname = \"ftp\"\n");
        let folder = Folder::with(&config, &[("rules.v4", MASQUERADE.as_bytes())]);
        let gateway = Gateway::start(&folder);
        let mut session = Session::open(&network);
        // The latter takes the place of the former.
        for port in [161, 162] {
            let said = format!("PORT 192,0,2,1,20,{port}\r\n");
            assert_eq!(session.says(&said.replace("192,0,2,1", "10,0,0,2")), said);
        }
        let ask = |question: &str| {
            let output = folder.towpath(&question.split(' ').collect::<Vec<_>>());
            let text = |bytes| String::from_utf8(bytes).unwrap();
            (output.status.code(), text(output.stdout), text(output.stderr))
        };
        let said = |question: &str| ask(&format!("conntrack {question}")).1;
        assert_eq!(said("-C expect"), "1\n");
        assert_eq!(said("-S expect"), "cpu=0   \texpect_new=0 expect_create=2 expect_delete=1 \n");
        let xml = said("-L expect -o xml");
        assert!(xml.starts_with("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<expect>\n<flow><layer3 "), "{xml}");
        assert!(xml.ends_with("</flow>\n</expect>\n") && xml.contains("<dport>5282</dport>"), "{xml}");
        assert_eq!((said("-L expect -f ipv6"), said("-L dying")), (String::new(), String::new()));
        let packet = |port| {
            format!("-p tcp -s 192.0.2.2 -d 192.0.2.1 --sport 7 --dport {port} --reply-port-src 1 --reply-port-dst 1")
        };
        let found = said(&format!("-G expect {}", packet(5282)));
        assert!(found.contains(" src=192.0.2.2 dst=192.0.2.1 sport=0 dport=5282 mask-src="), "{found}");
        let nothing = (Some(1), String::new(), "towpath: Operation failed: No such file or directory\n".to_owned());
        for command in ["-G", "-D"] {
            assert_eq!(ask(&format!("conntrack {command} expect {}", packet(5281))), nothing, "{command}");
        }
        let deleted = (Some(0), String::new(), "towpath: 1 expectations have been deleted.\n".to_owned());
        assert_eq!(ask(&format!("conntrack -D expect {}", packet(5282))), deleted);
        assert_eq!(expected(&folder), "");
        assert_eq!(gateway.last_words(), "");
    });
}

#[test]
fn what_cannot_become_a_helper_is_refused_in_one_line_and_the_gateway_runs_on() {
    in_namespace(|| {
        if lacks("helper::what_cannot_become_a_helper_is_refused_in_one_line_and_the_gateway_runs_on", &[]) {
            return;
        }
        let network = Network::new();
        let rules = "*raw\n-A PREROUTING -p tcp --dport 21 -j CT --helper ftp\nCOMMIT\n";
        let config = format!("{CONFIG}\n[rules]\nv4 = \"rules.v4\"\n");
        let folder = Folder::with(&config, &[("rules.v4", rules.as_bytes()), ("no.wasm", b"no component")]);
        let gateway = Gateway::start(&folder);
        let file = folder.path().join("no.wasm");
        let wrong = |words: &[&str]| question_wrong(&folder.towpath(&[&["helper"], words].concat()));
        let name = file.to_str().unwrap();
        let why = "is no WebAssembly component (it does not start with \\0asm)";
        for words in [["load", name], ["reload", name]] {
            let error = wrong(&words);
            assert!(error.ends_with(&format!(" refused: {name}: {why}\n")), "{error}");
        }
        let error = wrong(&["load", "ftp"]);
        assert!(error.ends_with(" refused: ftp: a helper 'ftp' is loaded already; reload replaces it\n"), "{error}");
        let error = wrong(&["reload", "tftp"]);
        assert!(error.ends_with(" refused: tftp: no helper 'tftp' is loaded that it could replace\n"), "{error}");
        let error = wrong(&["unload", "ftp"]);
        assert!(error.contains(" refused: helper 'ftp' is attached by the rule at "), "{error}");
        assert!(error.ends_with("rules.v4:2: take that away first\n"), "{error}");
        let error = wrong(&["unload", "gopher"]);
        assert!(error.ends_with(" refused: no helper 'gopher' is loaded\n"), "{error}");
        assert!(listed(&folder)[1].contains(" by rules alone "), "{:?}", listed(&folder));
        assert!(folder.towpath(&["helper", "load", "tftp"]).status.success());
        assert!(listed(&folder)[2].starts_with("tftp "), "{:?}", listed(&folder));
        network.exchange(b"still there");
        assert_eq!(gateway.last_words(), "");
    });
}

fn output(folder: &Folder, words: &[&str]) -> String {
    let output = folder.towpath(words);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn expected(folder: &Folder) -> String {
    output(folder, &["conntrack", "-L", "expect"])
}

fn listed(folder: &Folder) -> Vec<String> {
    output(folder, &["helper", "list"]).lines().map(str::to_owned).collect()
}

fn listed_json(folder: &Folder) -> Vec<serde_json::Value> {
    let text = output(folder, &["helper", "list", "--json"]);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
