//! What happens in a running gateway, as those who watch see it: what comes is shown at once, and what is lost is said where it is missing.

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;
use towpath::control::{Logged, Reply};
use towpath_engine::{
    Change, Instant,
    conntrack::{Entry, Status, Tuple, Zone},
};

#[test]
fn who_watches_goes_on_when_events_are_lost_and_is_told_how_many() {
    let mut gateway = Watched::by("conntrack -E");
    let [first, second] = gateway.told([&happened(1), &Reply::Lost(7), &happened(2)]);
    assert!(first.contains("[NEW]") && second.contains("[NEW]"), "{first}\n{second}");
    assert_eq!(gateway.warned(), "towpath: warning: 7 events are lost here: they were not read in time\n");
    let [third] = gateway.told([&happened(3)]);
    assert!(third.contains("[NEW]"), "{third}");
    let (code, said) = gateway.stop();
    assert!(code == Some(2) && said.ends_with(" stopped\n"), "{said}");
}

#[test]
fn where_events_are_lost_json_has_a_line_that_says_so() {
    let mut gateway = Watched::by("conntrack -E -o json");
    let [schema, lost, event] = gateway.told([&Reply::Lost(7), &happened(1)]);
    assert_eq!((schema.as_str(), lost.as_str()), ("{\"schema\":\"towpath.conntrack/1\"}\n", "{\"lost\":7}\n"));
    assert!(event.contains("\"event\":\"NEW\""), "{event}");
    let mut gateway = Watched::by("log --json");
    let logged = Reply::Logged(Instant::ZERO, Box::new(Logged::Audit { record: "mark=0x0".to_owned() }));
    let [schema, lost, event] = gateway.told([&Reply::Lost(7), &logged]);
    assert_eq!(schema, "{\"schema\":\"towpath.log/1\"}\n");
    assert_eq!(lost, "{\"kind\":\"lost\",\"lost\":7}\n");
    assert_eq!(event, "{\"ts\":0,\"kind\":\"audit\",\"record\":\"mark=0x0\"}\n");
    assert!(gateway.warned().contains("7 events are lost here"));
}

/// A gateway that says what it is made to say, and who watches it.
struct Watched {
    stream: UnixStream,
    watcher: Child,
    out: BufReader<std::process::ChildStdout>,
    err: BufReader<std::process::ChildStderr>,
    _folder: TempDir,
}

impl Watched {
    /// Starts `towpath` with these words, and takes its request.
    fn by(words: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("control");
        let listener = UnixListener::bind(&path).expect("a socket can be made");
        let mut watcher = Command::new(env!("CARGO_BIN_EXE_towpath"))
            .args(words.split_whitespace())
            .arg("--control")
            .arg(&path)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        let (mut stream, _) = listener.accept().expect("it connects");
        let mut length = [0; 4];
        stream.read_exact(&mut length).expect("it asks");
        let mut request = vec![0; u32::from_le_bytes(length) as usize];
        stream.read_exact(&mut request).expect("it asks");
        let out = BufReader::new(watcher.stdout.take().expect("a pipe"));
        let err = BufReader::new(watcher.stderr.take().expect("a pipe"));
        Self { stream, watcher, out, err, _folder: folder }
    }

    /// Says this at once, and reads so many lines that are shown for it.
    fn told<'r, const LINES: usize>(&mut self, replies: impl IntoIterator<Item = &'r Reply>) -> [String; LINES] {
        let mut bytes = Vec::new();
        for reply in replies {
            let message = serde_json::to_vec(reply).expect("JSON");
            bytes.extend((message.len() as u32).to_le_bytes());
            bytes.extend(message);
        }
        self.stream.write_all(&bytes).expect("it listens");
        std::array::from_fn(|_| line(&mut self.out))
    }

    /// The next line of standard error.
    fn warned(&mut self) -> String {
        line(&mut self.err)
    }

    /// Ends the gateway; gives how the watcher ends, and what it says of that.
    fn stop(self) -> (Option<i32>, String) {
        let Self { stream, mut watcher, mut err, .. } = self;
        drop(stream);
        let mut said = String::new();
        err.read_to_string(&mut said).expect("text");
        (watcher.wait().expect("it ends").code(), said)
    }
}

fn line(from: &mut impl BufRead) -> String {
    let mut line = String::new();
    from.read_line(&mut line).expect("text");
    line
}

/// A connection has come.
fn happened(serial: u64) -> Reply {
    let entry = Entry {
        serial,
        original: Tuple::default(),
        reply: Tuple::default(),
        status: Status::default(),
        zone: Zone::DEFAULT,
        timeout_secs: Some(30),
        tcp: None,
        sctp: None,
        helper: None,
        policy: None,
        mark: None,
        master: None,
        adjustments: None,
        counters: None,
        life: None,
        labels: None,
        uses: None,
    };
    Reply::ConnectionEvent(Instant::ZERO, Change::New, Box::new(entry))
}
