mod helpers;
mod memory;
mod rules;
mod watching;

use std::{
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};

use tempfile::TempDir;
use towpath_engine::{
    Condemned, Instant,
    conntrack::{Entry, Family, Statistics, Status, Tuple, Zone},
    netfilter::{ListOptions, RuleSet, TableName},
};

use super::{codec, *};
use crate::{
    helpers::{Loaded, Made},
    limits::{CONTROL_CLIENTS_MAX, CONTROL_OUTBOX_BYTES_MAX, CONTROL_REQUEST_BYTES_MAX, CONTROL_SILENCE_MAX},
    plugin::Plugin,
    stats::{ControlReport, Report},
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
        let mut message = Vec::new();
        codec::append(&mut message, &Hello { version: VERSION, request }).unwrap();
        stream.write_all(&message).unwrap();
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
    let statistics = Statistics { found: 3, ..Statistics::default() };
    assert_eq!(ask(&mut gateway, Request::Tracking), Some(Reply::Tracking(statistics)));
    assert_eq!(ask(&mut gateway, Request::Forget(Topic::Connections, vec![4, 3, 99])), Some(Reply::Count(2)));
    assert_eq!(ask(&mut gateway, Request::Flush(Topic::Connections)), Some(Reply::Count(8)));
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
    let _served: Vec<_> =
        (0..CONTROL_CLIENTS_MAX).map(|_| gateway.client(Request::Watch(Topic::Connections))).collect();
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
    answers: Numbers,
    now: Instant,
    _folder: TempDir,
}

/// Lists numbers.
struct Numbers {
    count: u32,
    pages: u32,
    state: Vec<u8>,
    /// Those that were forgotten.
    forgotten: Vec<u64>,
    rules: String,
    /// What a device was told.
    features: String,
    tunables: String,
    /// Who gets the helper that is being made, and how long its component is.
    made: Option<(Sender<Made>, Receiver<usize>)>,
    sets: Vec<String>,
    /// How often it was asked what rules may name.
    named: u32,
}

impl Gateway {
    fn new(count: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control");
        let server = Server::new(Listener::bind(&path).unwrap(), Worker::new().unwrap());
        Self {
            path,
            server,
            answers: Numbers {
                count,
                pages: 0,
                state: (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect(),
                forgotten: Vec::new(),
                rules: String::new(),
                features: String::new(),
                tunables: String::new(),
                made: None,
                sets: Vec::new(),
                named: 0,
            },
            now: Instant::from_secs(1000),
            _folder: folder,
        }
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

    /// Says something and returns why it was refused.
    fn say(&mut self, message: &[u8]) -> String {
        let mut stream = UnixStream::connect(&self.path).unwrap();
        stream.write_all(&(message.len() as u32).to_le_bytes()).unwrap();
        stream.write_all(message).unwrap();
        self.serve();
        refusal(&mut stream)
    }
}

impl Answers for Numbers {
    type Cursor = u32;
    type Successor = Vec<u8>;

    fn report(&mut self) -> Report {
        Report { uptime_ns: Duration::from_secs(7).as_nanos() as u64, ..Report::default() }
    }

    fn count(&mut self, topic: Topic) -> u64 {
        assert_eq!(topic, Topic::Connections);
        u64::from(self.count) - self.forgotten.len() as u64
    }

    fn tracking(&mut self) -> Statistics {
        Statistics { found: 3, ..Statistics::default() }
    }

    fn newest(&mut self, _: Topic) -> u64 {
        self.count.into()
    }

    fn forget(&mut self, _: Topic, condemned: &Condemned, after: Option<u32>) -> Forgotten<u32> {
        let from = after.map_or(0, |last| last + 1);
        let to = self.count.min(from + 10);
        let before = self.forgotten.len();
        let is_there = |number: &u64| condemned.holds(*number) && !self.forgotten.contains(number);
        let gone: Vec<u64> = (u64::from(from)..u64::from(to)).filter(is_there).collect();
        self.forgotten.extend(gone);
        ((self.forgotten.len() - before) as u64, (to < self.count).then(|| to - 1))
    }

    fn save(&mut self) -> Writing {
        let state = self.state.clone();
        Box::new(move || state)
    }

    fn reader(&mut self) -> Reading<Result<Vec<u8>, String>> {
        Box::new(|bytes| match bytes {
            b"nonsense" => Err("this is no snapshot".to_owned()),
            state => Ok(state.to_vec()),
        })
    }

    fn load(&mut self, successor: Vec<u8>) -> Result<Waste, String> {
        Ok(Box::new(std::mem::replace(&mut self.state, successor)))
    }

    fn save_rules(&mut self, family: Family, counters: bool) -> Writing {
        let text = format!("{family:?} {counters} {}", self.rules);
        Box::new(move || text.into_bytes())
    }

    fn list_rules(&mut self, family: Family, table: TableName, options: ListOptions) -> Writing {
        Box::new(move || format!("{family:?} {table:?} {options:?}").into_bytes())
    }

    fn names(&mut self) -> Names {
        self.named += 1;
        Names { sets: self.sets.clone(), ..Names::default() }
    }

    fn replace_rules(&mut self, rules: RuleSet) -> Waste {
        self.rules = rules.save(false);
        Box::new(rules)
    }

    fn zero_rules(&mut self, _: Family, _: Option<TableName>) {
        self.rules.clear();
    }

    fn tunables(&mut self) -> String {
        self.tunables.clone()
    }

    fn set_tunable(&mut self, name: &str, values: &[u32]) -> Result<(), String> {
        if name.is_empty() {
            return Err("there is no such tunable".to_owned());
        }
        self.tunables = format!("{name} = {values:?}");
        Ok(())
    }

    fn features(&mut self, device: &str) -> Result<String, String> {
        if device == "lan" { Ok(self.features.clone()) } else { Err(format!("there is no device '{device}'")) }
    }

    fn bonds(&mut self, name: Option<&str>) -> Result<String, String> {
        name.is_none_or(|name| name == "bond0").then(|| "bond0\n".into()).ok_or("there is no bond".into())
    }

    fn set_features(&mut self, device: &str, features: &[(String, bool)]) -> Result<(), String> {
        self.features = format!("{device} {features:?}");
        Ok(())
    }

    fn helpers(&mut self) -> Vec<Loaded> {
        Vec::new()
    }

    fn maker(&mut self, _: &str) -> Reading<Made> {
        let ((made, making), (tell, len)) = (channel(), channel());
        self.made = Some((made, len));
        Box::new(move |component| {
            tell.send(component.len()).unwrap();
            making.recv().unwrap_or_else(|_| Err("nobody makes it".to_owned()))
        })
    }

    fn load_helper(&mut self, helper: &NewHelper, _: Plugin) -> Result<Loaded, String> {
        Err(format!("{} is never made here", helper.name))
    }

    fn unload_helper(&mut self, name: &str) -> Result<u64, String> {
        if name == "ftp" { Ok(3) } else { Err(format!("no helper '{name}' is loaded")) }
    }

    fn page(&mut self, listing: Listing, after: Option<u32>, tell: &mut dyn FnMut(&Reply)) -> Option<u32> {
        assert_eq!(listing, Listing::of(Topic::Connections));
        let from = after.map_or(0, |last| last + 1);
        if from == self.count {
            return None;
        }
        self.pages += 1;
        let to = self.count.min(from + 10);
        (from..to).for_each(|number| tell(&connection(number)));
        Some(to - 1)
    }
}

/// A connection with that number.
fn connection(number: u32) -> Reply {
    Reply::Connection(Box::new(Entry {
        serial: number.into(),
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
        uses: None,
    }))
}

fn refusal(stream: &mut UnixStream) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let reply = codec::decode(codec::first(&bytes, CONTROL_OUTBOX_BYTES_MAX).unwrap().unwrap()).unwrap();
    let Reply::Refused(why) = reply else { panic!("not refused: {reply:?}") };
    why
}
