//! Rules that are shown, applied and counted anew.

use std::{io::Write, os::unix::net::UnixStream, thread};

use towpath_engine::conntrack::Family;

use super::*;

#[test]
fn rules_are_applied_asked_for_and_zeroed_and_wrong_ones_are_refused_with_their_place() {
    let mut gateway = Gateway::new(0);
    let path = gateway.path.clone();
    let ask = |gateway: &mut Gateway, texts: Vec<(String, String)>| {
        let path = path.clone();
        let asking = thread::spawn(move || {
            let applied = Client::apply_rules(&path, Family::Ipv4, false, &texts).map_err(|error| error.to_string());
            (applied, Client::text(&path, Request::SaveRules(Family::Ipv4, true)).unwrap())
        });
        serve_until(gateway, || asking.is_finished());
        asking.join().unwrap()
    };
    let text = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let (applied, saved) = ask(&mut gateway, vec![text("a", "-N x\n"), text("b", "-A FORWARD -j x\n")]);
    assert_eq!(applied, Ok(()));
    assert!(saved.starts_with("Ipv4 true *filter\n") && saved.contains("\n-A FORWARD -j x\n"), "{saved}");
    let (applied, after) = ask(&mut gateway, vec![text("a", ""), text("b", "-A FORWARD -j nowhere\n")]);
    let error = applied.unwrap_err();
    assert!(error.contains(" refused: b:1:15: "), "{error}");
    assert_eq!(after, saved, "nothing has changed");
    let mut client = gateway.client(Request::ZeroRules(Family::Ipv4, None));
    gateway.serve();
    assert_eq!(client.next_reply().unwrap(), None);
    assert!(gateway.answers.rules.is_empty());
    let texts = vec![("a".to_owned(), u64::MAX), ("b".to_owned(), 1)];
    let mut client = gateway.client(Request::ApplyRules(NewRules { family: Family::Ipv4, counters: false, texts }));
    gateway.serve();
    assert!(client.next_reply().unwrap_err().to_string().contains("rules have at most"));
}

#[test]
fn rules_of_several_clients_are_read_in_turn_while_others_are_served() {
    let mut gateway = Gateway::new(0);
    let path = gateway.path.clone();
    let long: String = (0..3000).map(|number| format!("-A FORWARD -p udp --dport {number} -j ACCEPT\n")).collect();
    let mut asking = Vec::new();
    for chain in ["a", "b", "c"] {
        let (path, texts) = (path.clone(), vec![(chain.to_owned(), format!("-N {chain}\n{long}"))]);
        asking.push(thread::spawn(move || Client::apply_rules(&path, Family::Ipv4, false, &texts)));
    }
    while !asking.iter().all(thread::JoinHandle::is_finished) {
        let mut other = gateway.client(Request::Count(Topic::Connections));
        assert_eq!(other.next_reply().unwrap(), Some(Reply::Count(0)), "nobody waits for rules that are read");
        thread::yield_now();
    }
    asking.into_iter().for_each(|asked| asked.join().unwrap().unwrap());
    assert_eq!(gateway.answers.rules.matches("--dport").count(), 3000, "each took the place of the ones before");
    assert_eq!(gateway.answers.named, 6, "before and after the reading");
}

#[test]
fn rules_that_name_what_has_changed_meanwhile_are_not_applied() {
    let mut gateway = Gateway::new(0);
    let path = gateway.path.clone();
    let texts = vec![("a".to_owned(), "-N x\n".to_owned())];
    let asking = thread::spawn(move || Client::apply_rules(&path, Family::Ipv4, false, &texts));
    while gateway.answers.named == 0 {
        gateway.serve();
    }
    gateway.answers.sets.push(KnownSet { name: "blocked".to_owned(), family: None });
    serve_until(&mut gateway, || asking.is_finished());
    let error = asking.join().unwrap().unwrap_err().to_string();
    assert!(error.contains("try again"), "{error}");
    assert_eq!(gateway.answers.rules, "");
}

#[test]
fn the_rules_of_a_client_who_has_left_are_in_nobodys_way() {
    let mut gateway = Gateway::new(0);
    let text = "-N gone\n";
    let texts = vec![("a".to_owned(), text.len() as u64)];
    let request = Request::ApplyRules(NewRules { family: Family::Ipv4, counters: false, texts });
    let mut stream = UnixStream::connect(&gateway.path).unwrap();
    let mut message = Vec::new();
    codec::append(&mut message, &Hello { version: VERSION, request }).unwrap();
    message.extend(text.as_bytes());
    stream.write_all(&message).unwrap();
    gateway.serve();
    drop(stream);
    let path = gateway.path.clone();
    let texts = vec![("b".to_owned(), "-N there\n".to_owned())];
    let asking = thread::spawn(move || Client::apply_rules(&path, Family::Ipv4, false, &texts));
    serve_until(&mut gateway, || asking.is_finished());
    asking.join().unwrap().unwrap();
    assert!(gateway.answers.rules.contains(":there "), "{}", gateway.answers.rules);
}

#[test]
fn bonds_are_told_as_text_and_one_that_is_not_there_is_refused() {
    let mut gateway = Gateway::new(0);
    for name in [None, Some("bond0".to_owned())] {
        let mut client = gateway.client(Request::Bonds(name));
        gateway.serve();
        assert_eq!(client.next_reply().unwrap(), Some(Reply::Text(6)));
    }
    let mut client = gateway.client(Request::Bonds(Some("bond1".into())));
    gateway.serve();
    assert!(client.next_reply().unwrap_err().to_string().ends_with("refused: there is no bond"));
}

#[test]
fn what_is_remembered_of_destinations_is_told_as_text_and_forgotten() {
    let mut gateway = Gateway::new(0);
    let network = Some((std::net::IpAddr::from([10, 0, 0, 0]), 8));
    for (request, expected) in [
        (Request::Destinations(None), Reply::Text(5)),
        (Request::Destinations(network), Reply::Text(20)),
        (Request::ForgetDestinations(None), Reply::Count(100)),
        (Request::ForgetDestinations(network), Reply::Count(8)),
    ] {
        let mut client = gateway.client(request);
        gateway.serve();
        assert_eq!(client.next_reply().unwrap(), Some(expected));
    }
}

#[test]
fn what_ethtool_shows_of_hardware_is_told_of_a_device_that_is_there() {
    let mut gateway = Gateway::new(0);
    for (facts, text) in [(Facts::Rings, "Rings\n"), (Facts::Statistics, "Statistics\n")] {
        let mut client = gateway.client(Request::Hardware(facts, "lan".into()));
        gateway.serve();
        assert_eq!(client.next_reply().unwrap(), Some(Reply::Text(text.len() as u64)));
    }
    let mut client = gateway.client(Request::Hardware(Facts::Channels, "dmz".into()));
    gateway.serve();
    assert!(client.next_reply().unwrap_err().to_string().ends_with("refused: there is no device 'dmz'"));
}

#[test]
fn features_are_switched_and_told_and_a_device_that_is_not_there_is_refused() {
    let mut gateway = Gateway::new(0);
    let mut client = gateway.client(Request::SetFeatures("lan".into(), vec![("gro".into(), true)]));
    gateway.serve();
    let switched = Switched { text: "Actual changes:\n".to_owned(), is_refused: true };
    assert_eq!(client.next_reply().unwrap(), Some(Reply::Switched(switched)));
    let mut client = gateway.client(Request::Features("lan".into()));
    gateway.serve();
    let expected = "lan [(\"gro\", true)]".len() as u64;
    assert_eq!(client.next_reply().unwrap(), Some(Reply::Text(expected)));
    let mut client = gateway.client(Request::Features("dmz".into()));
    gateway.serve();
    assert!(client.next_reply().unwrap_err().to_string().ends_with("refused: there is no device 'dmz'"));
}
