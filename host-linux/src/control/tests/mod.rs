mod helpers;
mod memory;
mod numbers;
mod rules;
mod turns;
mod watching;

use std::{
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, ThreadId},
    time::Duration,
};

use tempfile::TempDir;
use towpath_engine::{
    Change, Condemned, Instant,
    conntrack::{Entry, Family, Revision, Status, Tuple, Zone},
    netfilter::{KnownSet, ListOptions, RuleSet, SetListing, TableName},
};

use numbers::{Numbers, OF_ANOTHER_GATEWAY, connection};

use super::{codec, *};
use crate::{
    helpers::{Loaded, Made},
    limits::{
        COMPILERS, CONTROL_ASKING_MAX, CONTROL_OUTBOX_BYTES_MAX, CONTROL_PAUSE_MAX, CONTROL_REQUEST_BYTES_MAX,
        CONTROL_SILENCE_MAX, CONTROL_WATCHERS_MAX,
    },
    plugin::Plugin,
    stats::{ControlReport, Report},
    tracking::Counted,
    worker::Worker,
};

#[test]
fn a_listing_comes_page_by_page_and_ends() {
    let mut gateway = Gateway::new(1000);
    let mut client = gateway.client(Request::List(Topic::Connections));
    let mut lines = Vec::new();
    // One page of ten lines a turn.
    for turn in 1..=100 {
        gateway.serve();
        assert_eq!(gateway.answers.pages, turn);
        lines.extend((0..10).map(|_| client.next_reply().unwrap()));
    }
    assert_eq!(lines, (0..1000).map(|number| Some(connection(number))).collect::<Vec<_>>());
    gateway.serve();
    assert_eq!(client.next_reply().unwrap(), None);
}

#[test]
fn a_client_that_does_not_read_its_listing_holds_up_nobody_and_is_cut_off() {
    let mut gateway = Gateway::new(1_000_000);
    let _slow = gateway.client(Request::List(Topic::Connections));
    for _ in 0..10_000 {
        gateway.serve();
    }
    assert!(gateway.answers.pages < 2000, "{} pages were made for nobody", gateway.answers.pages);
    let mut other = gateway.client(Request::Stats);
    gateway.serve();
    assert!(matches!(other.next_reply().unwrap(), Some(Reply::Stats(_))));
    gateway.now = gateway.now + CONTROL_SILENCE_MAX;
    gateway.serve();
    assert_eq!(gateway.server.counters().clients_cut_off, 1);
}

#[test]
fn statistics_are_what_the_gateway_reports() {
    let mut gateway = Gateway::new(0);
    let mut client = gateway.client(Request::Stats);
    gateway.serve();
    let control = ControlReport { clients: 1, ..ControlReport::default() };
    let report = Report { control, ..gateway.answers.report() };
    assert_eq!(client.next_reply().unwrap(), Some(Reply::Stats(Box::new(report))));
    assert_eq!(client.next_reply().unwrap(), None);
}

#[test]
fn a_client_that_says_no_more_is_answered_all_the_same() {
    let mut gateway = Gateway::new(25);
    for (request, replies) in [(Request::Stats, 2), (Request::List(Topic::Connections), 26)] {
        let mut stream = UnixStream::connect(&gateway.path).unwrap();
        stream.write_all(&hello(request)).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        (0..9).for_each(|_| gateway.serve());
        let mut read = Vec::new();
        stream.read_to_end(&mut read).unwrap();
        let (mut rest, mut count) = (&read[..], 0);
        while let Some(message) = codec::first(rest, usize::MAX).unwrap() {
            rest = &rest[codec::LENGTH_BYTES + message.len()..];
            count += 1;
        }
        assert_eq!((count, rest), (replies, &[][..]));
    }
    assert_eq!(gateway.server.counters().clients_cut_off, 0);
}

#[test]
fn numbers_are_answered_and_connections_forgotten() {
    let mut gateway = Gateway::new(10);
    let ask = |gateway: &mut Gateway, request| {
        let mut client = gateway.client(request);
        (0..9).for_each(|_| gateway.serve());
        let reply = client.next_reply().unwrap();
        assert_eq!(client.next_reply().unwrap(), None);
        reply
    };
    assert_eq!(ask(&mut gateway, Request::Count(Topic::Connections)), Some(Reply::Count(10)));
    let counted = Counted { created: 3, ..Counted::default() };
    assert_eq!(ask(&mut gateway, Request::Tracking), Some(Reply::Tracking(counted)));
    assert_eq!(ask(&mut gateway, Request::Forget(Topic::Connections, vec![4, 3, 99])), Some(Reply::Count(2)));
    assert_eq!(ask(&mut gateway, Request::Flush(Topic::Connections)), Some(Reply::Count(8)));
}

#[test]
fn connections_are_changed_page_by_page_by_their_numbers() {
    let mut gateway = Gateway::new(25);
    let revision = Revision { mark: Some((7, u32::MAX)), timeout_secs: Some(60), ..Revision::default() };
    let mut client = gateway.client(Request::Revise(revision, vec![21, 3, 99, 12]));
    (0..9).for_each(|_| gateway.serve());
    assert_eq!(client.next_reply().unwrap(), Some(Reply::Count(3)));
    assert_eq!(client.next_reply().unwrap(), None);
    assert_eq!(gateway.answers.revised, [3, 12, 21].map(|number| (number, revision)));
}

#[test]
fn all_connections_are_forgotten_page_by_page_while_others_are_served() {
    let mut gateway = Gateway::new(1000);
    let mut client = gateway.client(Request::Flush(Topic::Connections));
    for page in 1..100 {
        assert_eq!(gateway.answers.count(Topic::Connections), 1000 - 10 * page);
        let mut other = Client::ask(&gateway.path, Request::Count(Topic::Connections)).unwrap();
        gateway.serve();
        assert!(matches!(other.next_reply().unwrap(), Some(Reply::Count(_))));
    }
    // However long that takes, whoever waits for it is not cut off.
    assert_eq!(gateway.server.deadline(), None);
    gateway.serve();
    assert_eq!(client.next_reply().unwrap(), Some(Reply::Count(1000)));
}

#[test]
fn a_state_comes_out_as_it_went_in_however_long_it_is() {
    let mut gateway = Gateway::new(0);
    let (path, state) = (gateway.path.clone(), gateway.answers.state.clone());
    let saving = thread::spawn(move || Client::save_state(&path));
    serve_until(&mut gateway, || saving.is_finished());
    assert!(saving.join().unwrap().unwrap() == state);
    let other: Vec<u8> = state.iter().rev().copied().collect();
    let (path, sent) = (gateway.path.clone(), other.clone());
    let loading = thread::spawn(move || Client::load_state(&path, &sent));
    serve_until(&mut gateway, || loading.is_finished());
    loading.join().unwrap().unwrap();
    assert!(gateway.answers.state == other);
}

#[test]
fn a_state_that_is_refused_when_it_was_read_is_dropped_beside_the_path() {
    let mut gateway = Gateway::new(0);
    let (dropped_by, dropping) = channel();
    gateway.answers.dropped_by = dropped_by;
    let path = gateway.path.clone();
    let loading = thread::spawn(move || Client::load_state(&path, OF_ANOTHER_GATEWAY));
    serve_until(&mut gateway, || loading.is_finished());
    let error = loading.join().unwrap().unwrap_err().to_string();
    assert!(error.ends_with("refused: it is of another gateway"), "{error}");
    assert_ne!(dropping.recv().unwrap(), thread::current().id());
}

#[test]
fn a_state_that_the_gateway_does_not_take_is_refused_with_its_reason() {
    let mut gateway = Gateway::new(0);
    let (path, state) = (gateway.path.clone(), gateway.answers.state.clone());
    let loading = thread::spawn(move || Client::load_state(&path, b"nonsense"));
    serve_until(&mut gateway, || loading.is_finished());
    let error = loading.join().unwrap().unwrap_err().to_string();
    assert!(error.ends_with("refused: this is no snapshot"), "{error}");
    assert!(gateway.answers.state == state);
    let mut client = gateway.client(Request::LoadState(1 << 40));
    let error = client.next_reply().unwrap_err().to_string();
    assert!(error.contains("a snapshot has at most"), "{error}");
}

#[test]
fn a_client_that_does_not_send_the_state_it_promised_is_cut_off() {
    let mut gateway = Gateway::new(0);
    let _silent = gateway.client(Request::LoadState(100));
    gateway.now = gateway.now + CONTROL_SILENCE_MAX;
    gateway.serve();
    assert_eq!(gateway.server.counters().clients_cut_off, 1);
}

fn serve_until(gateway: &mut Gateway, done: impl Fn() -> bool) {
    while !done() {
        gateway.serve();
        thread::yield_now();
    }
}

#[test]
fn a_client_of_another_version_is_told_so() {
    let mut gateway = Gateway::new(0);
    let other = VERSION + 1;
    let error = gateway.say(format!(r#"{{"version":{other},"request":{{"something":"new"}}}}"#).as_bytes());
    assert!(error.contains(&format!("speaks version {VERSION} of the control messages, not {other}")), "{error}");
}

#[test]
fn what_is_no_request_is_refused_with_a_reason() {
    let mut gateway = Gateway::new(0);
    let bare = format!(r#"{{"version":{VERSION}}}"#);
    let unknown = format!(r#"{{"version":{VERSION},"request":"make-coffee"}}"#);
    for message in [b"hello", &b"{}"[..], bare.as_bytes(), unknown.as_bytes(), b"\xff"] {
        let error = gateway.say(message);
        assert!(error.contains("not understood"), "{error}");
    }
}

#[test]
fn a_request_longer_than_the_bound_is_refused_before_it_is_read() {
    let mut gateway = Gateway::new(0);
    let mut stream = UnixStream::connect(&gateway.path).unwrap();
    let too_long = CONTROL_REQUEST_BYTES_MAX as u32 + 1;
    stream.write_all(&too_long.to_le_bytes()).unwrap();
    gateway.serve();
    assert!(refusal(&mut stream).contains("longer than 65536"));
}

#[test]
fn a_client_that_says_nothing_is_cut_off() {
    let mut gateway = Gateway::new(0);
    let mut stream = UnixStream::connect(&gateway.path).unwrap();
    stream.write_all(&[10, 0]).unwrap();
    gateway.serve();
    assert_eq!(gateway.server.deadline(), Some(gateway.now + CONTROL_SILENCE_MAX));
    gateway.now = gateway.now + CONTROL_SILENCE_MAX;
    gateway.serve();
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
    assert_eq!(gateway.server.counters().clients_cut_off, 1);
}

#[test]
fn more_clients_than_there_is_room_for_are_turned_away_with_a_reason() {
    let mut gateway = Gateway::new(0);
    let _served: Vec<_> = (0..CONTROL_ASKING_MAX).map(|_| gateway.client(Request::LoadState(1))).collect();
    let mut late = gateway.client(Request::Stats);
    let error = late.next_reply().unwrap_err().to_string();
    assert!(error.contains("16 clients are being served"), "{error}");
    assert_eq!(gateway.server.counters().clients_refused, 1);
}

#[test]
fn a_gateway_that_stops_is_not_mistaken_for_the_end_of_a_listing() {
    let mut gateway = Gateway::new(1000);
    let mut client = gateway.client(Request::List(Topic::Connections));
    gateway.serve();
    drop(gateway);
    let error = std::iter::repeat_with(|| client.next_reply()).find_map(Result::err).unwrap();
    assert!(error.to_string().contains("stopped"), "{error}");
}

#[test]
fn without_a_gateway_the_client_says_how_to_start_one() {
    let folder = tempfile::tempdir().unwrap();
    let error = Client::ask(&folder.path().join("control"), Request::Stats).unwrap_err();
    assert!(error.to_string().contains("towpath run"), "{error}");
}

/// A gateway without packets: a server and what it answers, at a time of our choice.
struct Gateway {
    path: PathBuf,
    server: Server<u32, Vec<u8>>,
    worker: Worker,
    answers: Numbers,
    now: Instant,
    _folder: TempDir,
}

impl Gateway {
    fn new(count: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control");
        let worker = Worker::new().unwrap();
        let server = Server::new(Listener::bind(&path).unwrap(), worker.clone());
        Self { path, server, worker, answers: Numbers::new(count), now: Instant::from_secs(1000), _folder: folder }
    }

    fn serve(&mut self) {
        self.server.serve(self.now, &mut self.answers);
    }

    /// A client that is taken in, but for a listing, which starts with the first page.
    fn client(&mut self, request: Request) -> Client {
        let is_listing = request == Request::List(Topic::Connections);
        let client = Client::ask(&self.path, request).unwrap();
        if !is_listing {
            self.serve();
        }
        client
    }

    /// A client that has said its request and may say more.
    fn announce(&mut self, request: Request) -> UnixStream {
        let mut stream = UnixStream::connect(&self.path).unwrap();
        stream.write_all(&hello(request)).unwrap();
        self.serve();
        stream
    }

    /// Says something and returns why it was refused.
    fn say(&mut self, message: &[u8]) -> String {
        let mut stream = UnixStream::connect(&self.path).unwrap();
        stream.write_all(&(message.len() as u32).to_le_bytes()).unwrap();
        stream.write_all(message).unwrap();
        self.serve();
        refusal(&mut stream)
    }
}

fn hello(request: Request) -> Vec<u8> {
    let mut message = Vec::new();
    codec::append(&mut message, &Hello { version: VERSION, request }).unwrap();
    message
}

fn refusal(stream: &mut UnixStream) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let reply = codec::decode(codec::first(&bytes, CONTROL_OUTBOX_BYTES_MAX).unwrap().unwrap()).unwrap();
    let Reply::Refused(why) = reply else { panic!("not refused: {reply:?}") };
    why
}
