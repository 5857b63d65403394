//! What is gathered for clients: one thing at a time, whatever they say.

use towpath_engine::netfilter::{ListOptions, SetListing, TableName};

use super::*;

/// What has to be gathered on the packet path.
fn gathered() -> [Request; 4] {
    [
        Request::SaveState,
        Request::SaveRules(Family::Ipv4, true),
        Request::ListRules(Family::Ipv6, TableName::Filter, ListOptions::default()),
        Request::ShowSets(None, SetListing::Full),
    ]
}

#[test]
fn a_request_that_something_follows_is_refused_before_anything_is_gathered() {
    let mut gateway = Gateway::new(0);
    for request in gathered() {
        let mut stream = UnixStream::connect(&gateway.path).unwrap();
        let mut message = hello(request);
        message.push(b'x');
        stream.write_all(&message).unwrap();
        gateway.serve();
        assert!(refusal(&mut stream).contains("only one request a connection"));
    }
    assert_eq!(gateway.answers.gathered, 0);
}

#[test]
fn clients_that_say_more_while_something_is_gathered_for_them_have_it_gathered_once() {
    let mut gateway = Gateway::new(0);
    let pen = Arc::clone(&gateway.answers.pen);
    let held = pen.lock().unwrap();
    let mut first = None;
    for _ in 0..1000 {
        let mut stream = gateway.announce(Request::SaveState);
        stream.write_all(b"x").unwrap();
        gateway.serve();
        assert_eq!(gateway.answers.gathered, 1, "what nobody waits for is not written down yet");
        first.get_or_insert(stream);
    }
    drop(held);
    let mut first = first.unwrap();
    first.set_nonblocking(true).unwrap();
    let is_told = |stream: &UnixStream| {
        let mut byte = [0; 1];
        rustix::net::recv(stream, &mut byte[..], rustix::net::RecvFlags::PEEK).is_ok()
    };
    serve_until(&mut gateway, || is_told(&first));
    first.set_nonblocking(false).unwrap();
    assert!(refusal(&mut first).contains("only one request a connection"));
    assert_eq!(gateway.answers.gathered, 1);
}

#[test]
fn a_client_that_says_more_keeps_its_place_until_what_it_began_is_done() {
    let mut gateway = Gateway::new(0);
    let (go, stay) = channel::<()>();
    let _busy = gateway.worker.begin(move || stay.recv()).unwrap();
    let mut streams = Vec::new();
    for _ in 0..CONTROL_ASKING_MAX {
        let mut stream = gateway.announce(Request::LoadState(1));
        for bytes in [b"1", b"2", b"3"] {
            stream.write_all(bytes).unwrap();
            gateway.serve();
        }
        streams.push(stream);
    }
    assert_eq!(gateway.server.memory_bytes()[1], CONTROL_ASKING_MAX);
    let late = gateway.client(Request::Stats).next_reply().unwrap_err().to_string();
    assert!(late.contains("16 clients are being served"), "{late}");
    gateway.now = gateway.now + CONTROL_SILENCE_MAX;
    gateway.serve();
    assert_eq!(gateway.server.counters().clients_cut_off, 0);
    let before = gateway.answers.state.clone();
    drop(go);
    while gateway.server.memory_bytes()[1] > 0 {
        gateway.serve();
    }
    (0..99).for_each(|_| gateway.serve());
    assert!(gateway.answers.state == before, "who is refused changes nothing");
}

#[test]
fn of_clients_that_want_something_gathered_each_waits_for_its_turn() {
    let mut gateway = Gateway::new(0);
    gateway.answers.state = b"small".to_vec();
    let pen = Arc::clone(&gateway.answers.pen);
    let held = pen.lock().unwrap();
    let requests = gathered().into_iter().cycle().take(CONTROL_ASKING_MAX);
    let mut clients: Vec<_> = requests.map(|request| Client::ask(&gateway.path, request).unwrap()).collect();
    (0..9).for_each(|_| gateway.serve());
    assert_eq!(gateway.answers.gathered, 1);
    gateway.now = gateway.now + CONTROL_SILENCE_MAX;
    gateway.serve();
    assert_eq!((gateway.answers.gathered, gateway.server.counters().clients_cut_off), (1, 0), "nobody is cut off");
    drop(held);
    while gateway.answers.gathered < CONTROL_ASKING_MAX as u32 || gateway.server.memory_bytes()[1] > 0 {
        let before = gateway.answers.gathered;
        gateway.serve();
        assert!(gateway.answers.gathered <= before + 1, "packets pass between two of them");
    }
    (0..99).for_each(|_| gateway.serve());
    for client in &mut clients {
        assert!(matches!(client.next_reply().unwrap(), Some(Reply::State(_) | Reply::Text(_))));
    }
}
