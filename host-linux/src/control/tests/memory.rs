//! What waits at the socket, bounded for all clients together.

use super::*;
use crate::limits::{
    CONTROL_LONG_BYTES_MAX, CONTROL_SHORT_BYTES_MAX, CONTROL_STATE_BYTES_MAX, CONTROL_WATCHED_BYTES_MAX,
};

#[test]
fn clients_that_do_not_read_hold_no_more_than_the_bound_says() {
    let mut gateway = Gateway::new(1_000_000);
    let watch = Request::Watch(Topic::Connections);
    let _watchers: Vec<_> = (0..CONTROL_WATCHERS_MAX).map(|_| gateway.client(watch.clone())).collect();
    while gateway.server.counters().replies_lost < 1000 {
        gateway.server.tell(Topic::Connections, &connection(1));
        gateway.serve();
    }
    let request = Request::List(Topic::Connections);
    let _clients: Vec<_> = (0..CONTROL_ASKING_MAX).map(|_| gateway.client(request.clone())).collect();
    (0..3000).for_each(|_| gateway.serve());
    let [short, long] = gateway.server.memory_bytes();
    let full = CONTROL_ASKING_MAX * CONTROL_OUTBOX_BYTES_MAX + CONTROL_WATCHERS_MAX * CONTROL_WATCHED_BYTES_MAX;
    assert!(short > full / 10 * 9, "{short} bytes: they do not fill their queues");
    assert!(short <= CONTROL_SHORT_BYTES_MAX && long == 0, "{short} and {long} bytes");
}

#[test]
fn requests_that_are_not_all_there_hold_no_more_than_the_bound_says() {
    let mut gateway = Gateway::new(0);
    let mut message = (CONTROL_REQUEST_BYTES_MAX as u32).to_le_bytes().to_vec();
    message.resize(CONTROL_REQUEST_BYTES_MAX, b' ');
    let mut clients = Vec::new();
    for _ in 0..CONTROL_ASKING_MAX {
        let mut stream = UnixStream::connect(&gateway.path).unwrap();
        stream.write_all(&message).unwrap();
        clients.push(stream);
    }
    (0..9).for_each(|_| gateway.serve());
    let [short, _] = gateway.server.memory_bytes();
    let expected = CONTROL_ASKING_MAX * CONTROL_REQUEST_BYTES_MAX..=CONTROL_SHORT_BYTES_MAX;
    assert!(expected.contains(&short), "{short} bytes");
}

#[test]
fn what_is_announced_and_does_not_fit_beside_what_others_send_is_refused_until_they_are_done() {
    let mut gateway = Gateway::new(0);
    let first = gateway.client(Request::LoadState(CONTROL_STATE_BYTES_MAX as u64));
    assert_eq!(gateway.server.memory_bytes()[1], CONTROL_LONG_BYTES_MAX);
    let texts = vec![("a".to_owned(), 1)];
    let rules = Request::ApplyRules(NewRules { family: Family::Ipv4, counters: false, texts });
    for request in [rules, Request::LoadState(1)] {
        let error = gateway.client(request).next_reply().unwrap_err().to_string();
        assert!(error.contains("there is no room for"), "{error}");
    }
    drop(first);
    gateway.serve();
    wait_for_room(&gateway);
    let path = gateway.path.clone();
    let asking = thread::spawn(move || Client::load_state(&path, b"other"));
    serve_until(&mut gateway, || asking.is_finished());
    asking.join().unwrap().unwrap();
    assert_eq!(gateway.answers.state, b"other");
}

#[test]
fn a_text_that_fits_nowhere_is_refused_and_what_was_long_is_free_again() {
    let mut gateway = Gateway::new(0);
    let len = gateway.answers.state.len();
    let first = gateway.client(Request::LoadState((CONTROL_STATE_BYTES_MAX - len + 1) as u64));
    let save = |gateway: &mut Gateway| {
        let path = gateway.path.clone();
        let asking = thread::spawn(move || Client::save_state(&path).map_err(|error| error.to_string()));
        serve_until(gateway, || asking.is_finished());
        asking.join().unwrap()
    };
    let error = save(&mut gateway).unwrap_err();
    assert!(
        error.ends_with(&format!("there is no room for {len} bytes beside what other clients send and get; try again"))
    );
    drop(first);
    gateway.serve();
    wait_for_room(&gateway);
    assert_eq!(save(&mut gateway).map(|state| state.len()), Ok(len));
    while gateway.server.memory_bytes()[1] > 0 {
        gateway.serve();
    }
}

#[test]
fn texts_that_are_short_are_told_however_much_others_send() {
    let mut gateway = Gateway::new(0);
    let _first = gateway.client(Request::LoadState(CONTROL_STATE_BYTES_MAX as u64));
    for request in [Request::Features("lan".to_owned()), Request::Tunables, Request::Bonds(None)] {
        gateway.answers.features = "on".to_owned();
        let mut client = gateway.client(request);
        assert!(matches!(client.next_reply().unwrap(), Some(Reply::Text(_))));
    }
}

#[test]
fn who_sends_what_it_announced_byte_by_byte_is_cut_off() {
    let mut gateway = Gateway::new(0);
    let mut stream = gateway.announce(Request::LoadState(CONTROL_STATE_BYTES_MAX as u64));
    for _ in 0..2 {
        gateway.now = gateway.now + CONTROL_SILENCE_MAX - Duration::from_secs(1);
        stream.write_all(b"x").unwrap();
        gateway.serve();
    }
    assert_eq!(gateway.server.counters().clients_cut_off, 1);
    wait_for_room(&gateway);
}

#[test]
fn who_sends_steadily_what_it_announced_is_not_cut_off_however_long_that_takes() {
    let mut gateway = Gateway::new(0);
    let len = 64 << 20;
    let mut stream = gateway.announce(Request::LoadState(len));
    let piece = vec![7; 60_000];
    let mut sent = 0;
    while sent < len - piece.len() as u64 {
        stream.write_all(&piece).unwrap();
        gateway.now = gateway.now + Duration::from_millis(200);
        gateway.serve();
        sent += piece.len() as u64;
    }
    assert_eq!(gateway.server.counters().clients_cut_off, 0);
    assert_eq!(gateway.server.memory_bytes()[1], len as usize, "it goes on");
}

#[test]
fn what_a_refused_client_has_sent_is_paid_for_until_the_worker_has_dropped_it() {
    let mut gateway = Gateway::new(0);
    let (go, stay) = channel::<()>();
    let _busy = gateway.worker.begin(move || stay.recv()).unwrap();
    let mut stream = gateway.announce(Request::LoadState(5));
    stream.write_all(b"123456").unwrap();
    gateway.serve();
    assert!(refusal(&mut stream).contains("something follows"));
    assert_eq!(gateway.server.memory_bytes()[1], 5, "the worker has something else to do");
    drop(go);
    wait_for_room(&gateway);
}

#[test]
fn what_has_come_is_paid_for_until_it_has_been_read() {
    let mut gateway = Gateway::new(0);
    let (go, stay) = channel::<()>();
    let _busy = gateway.worker.begin(move || stay.recv()).unwrap();
    let mut stream = gateway.announce(Request::LoadState(5));
    stream.write_all(b"12345").unwrap();
    gateway.serve();
    assert_eq!(gateway.server.memory_bytes()[1], 5, "it waits for the worker");
    drop(go);
    wait_for_room(&gateway);
}

/// Waits for the worker to drop what clients have left.
fn wait_for_room(gateway: &Gateway) {
    while gateway.server.memory_bytes()[1] > 0 {
        thread::yield_now();
    }
}
