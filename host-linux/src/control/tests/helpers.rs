//! Helpers that clients bring.

use rustix::event::{PollFd, Timespec, poll};

use super::{numbers::SHIPPED, *};

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

/// Who gets the helper that is being made, and how long its component is once it is begun.
type Making = Option<(Sender<Made>, Receiver<usize>)>;

/// A client that has given a component and waits; and who gets the helper.
fn waiting(gateway: &mut Gateway, component: &[u8]) -> (UnixStream, Making) {
    let helper = NewHelper { name: "a".to_owned(), bytes: component.len() as u64, replaces: false, by_ports: false };
    let mut stream = UnixStream::connect(&gateway.path).unwrap();
    let mut message = hello(Request::LoadHelper(helper));
    message.extend(component);
    stream.write_all(&message).unwrap();
    gateway.serve();
    (stream, gateway.answers.made.take())
}

#[test]
fn what_the_program_brings_along_waits_for_no_strangers_component() {
    let mut gateway = Gateway::new(0);
    let strangers: Vec<_> = (0..4).map(|_| waiting(&mut gateway, b"strange")).collect();
    let (_stream, made) = waiting(&mut gateway, SHIPPED);
    let (_, len) = made.unwrap();
    assert_eq!(len.recv(), Ok(SHIPPED.len()), "it is being made");
    drop(strangers);
}

#[test]
fn what_the_program_brings_along_is_refused_before_it_is_made_when_it_cannot_be_loaded() {
    let mut gateway = Gateway::new(0);
    let helper = NewHelper { name: "a".to_owned(), bytes: SHIPPED.len() as u64, replaces: true, by_ports: false };
    let mut stream = gateway.announce(Request::LoadHelper(helper));
    stream.write_all(SHIPPED).unwrap();
    gateway.serve();
    assert_eq!(refusal(&mut stream), "it is not loaded");
    assert!(gateway.answers.made.is_none());
}

#[test]
fn who_leaves_before_his_component_has_its_turn_leaves_nothing_to_do() {
    let mut gateway = Gateway::new(0);
    let compiled: Vec<_> = (0..COMPILERS).map(|_| waiting(&mut gateway, b"strange")).collect();
    for (_, made) in &compiled {
        assert_eq!(made.as_ref().unwrap().1.recv(), Ok(7));
    }
    let leaving = (COMPILERS..CONTROL_ASKING_MAX).map(|_| waiting(&mut gateway, b"strange"));
    let (streams, made): (Vec<_>, Vec<_>) = leaving.unzip();
    drop(streams);
    gateway.serve();
    let (_stream, last) = waiting(&mut gateway, b"strange");
    assert_eq!(gateway.server.counters().clients_refused, 0, "their places are free");
    for (_, compiled) in compiled {
        compiled.unwrap().0.send(Err("it is none".to_owned())).unwrap();
    }
    assert_eq!(last.unwrap().1.recv(), Ok(7), "it has its turn");
    for (sender, len) in made.into_iter().flatten() {
        // Whoever would make it would wait for this.
        drop(sender);
        assert!(len.recv().is_err(), "nobody makes it");
    }
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
