//! Helpers that clients bring.

use rustix::event::{PollFd, Timespec, poll};

use super::*;

#[test]
fn who_waits_for_a_helper_holds_up_nobody_and_is_not_cut_off() {
    let mut gateway = Gateway::new(0);
    let load = |gateway: &Gateway, component: &'static [u8]| {
        let path = gateway.path.clone();
        thread::spawn(move || {
            let helper = NewHelper {
                name: "a.wasm".to_owned(),
                bytes: component.len() as u64,
                replaces: false,
                by_ports: false,
            };
            Client::load_helper(&path, helper, component).unwrap_err().to_string()
        })
    };
    let waiting = load(&gateway, b"sixteen bytes...");
    while gateway.answers.made.is_none() {
        gateway.serve();
        thread::yield_now();
    }
    gateway.now = gateway.now + CONTROL_SILENCE_MAX * 2;
    let mut other = gateway.client(Request::Stats);
    gateway.serve();
    assert!(matches!(other.next_reply().unwrap(), Some(Reply::Stats(_))));
    assert!(!waiting.is_finished());
    let rules = gateway.path.clone();
    let rules = thread::spawn(move || Client::text(&rules, Request::SaveRules(Family::Ipv4, false)));
    serve_until(&mut gateway, || rules.is_finished());
    assert_eq!(rules.join().unwrap().unwrap(), "Ipv4 false ", "nothing waits for a compiler");
    let (made, len) = gateway.answers.made.take().unwrap();
    made.send(Err(format!("{} bytes are no helper", len.recv().unwrap()))).unwrap();
    serve_until(&mut gateway, || waiting.is_finished());
    let error = waiting.join().unwrap();
    assert!(error.ends_with(" refused: 16 bytes are no helper"), "{error}");
    assert_eq!(gateway.server.counters().clients_cut_off, 0);
}

#[test]
fn who_leaves_while_a_helper_is_made_wakes_nobody_up() {
    let mut gateway = Gateway::new(0);
    let helper = NewHelper { name: "a.wasm".to_owned(), bytes: 5, replaces: false, by_ports: false };
    let mut stream = UnixStream::connect(&gateway.path).unwrap();
    let mut message = Vec::new();
    codec::append(&mut message, &Hello { version: VERSION, request: Request::LoadHelper(helper) }).unwrap();
    message.extend(b"bytes");
    stream.write_all(&message).unwrap();
    gateway.serve();
    let (made, len) = gateway.answers.made.take().unwrap();
    assert_eq!(len.recv(), Ok(5));
    drop(stream);
    gateway.serve();
    let mut files: Vec<PollFd<'_>> =
        gateway.server.files().map(|(file, events)| PollFd::from_borrowed_fd(file, events)).collect();
    assert_eq!(poll(&mut files, Some(&Timespec::default())).unwrap(), 0, "{files:?}");
    drop(made);
}

#[test]
fn a_component_that_is_too_long_is_refused_before_it_comes() {
    let mut gateway = Gateway::new(0);
    let helper = NewHelper { name: "a.wasm".to_owned(), bytes: u64::MAX, replaces: false, by_ports: false };
    let mut client = gateway.client(Request::LoadHelper(helper));
    let error = client.next_reply().unwrap_err().to_string();
    assert!(error.ends_with(" refused: a.wasm: is larger than a component may be (4194304 bytes)"), "{error}");
}

#[test]
fn an_unloaded_helper_is_answered_with_what_it_expected() {
    let mut gateway = Gateway::new(0);
    let mut client = gateway.client(Request::UnloadHelper("ftp".to_owned()));
    assert_eq!(client.next_reply().unwrap(), Some(Reply::Count(3)));
    let mut client = gateway.client(Request::UnloadHelper("gopher".to_owned()));
    assert!(client.next_reply().unwrap_err().to_string().ends_with(" refused: no helper 'gopher' is loaded"));
}
