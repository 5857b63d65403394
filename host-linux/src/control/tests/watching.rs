//! Clients that watch.

use super::*;

#[test]
fn what_rules_tell_is_watched_and_kept_nowhere() {
    let mut gateway = Gateway::new(0);
    let mut client = gateway.client(Request::Watch(Topic::Log));
    gateway.serve();
    assert!(!gateway.server.has_watchers(), "nobody watches connections");
    let logged = Logged::Log { level: 4, line: "IN=lan OUT=wan".to_owned() };
    let reply = Reply::Logged(Instant::from_secs(1), Box::new(logged));
    gateway.server.tell(Topic::Connections, &connection(1));
    gateway.server.tell(Topic::Log, &reply);
    gateway.serve();
    assert_eq!(client.next_reply().unwrap(), Some(reply));
    for request in [Request::List(Topic::Log), Request::Count(Topic::Log), Request::Flush(Topic::Log)] {
        let mut client = gateway.client(request);
        gateway.serve();
        assert!(client.next_reply().unwrap_err().to_string().contains("what rules tell"));
    }
}

#[test]
fn watchers_are_told_what_happens_after_they_came_and_others_are_not() {
    let mut gateway = Gateway::new(0);
    assert!(!gateway.server.has_watchers());
    gateway.server.tell(Topic::Connections, &connection(1));
    let mut watchers =
        [gateway.client(Request::Watch(Topic::Connections)), gateway.client(Request::Watch(Topic::Connections))];
    gateway.serve();
    assert!(gateway.server.has_watchers());
    gateway.server.tell(Topic::Connections, &connection(2));
    gateway.server.tell(Topic::Connections, &connection(3));
    gateway.serve();
    for watcher in &mut watchers {
        assert_eq!(watcher.next_reply().unwrap(), Some(connection(2)));
        assert_eq!(watcher.next_reply().unwrap(), Some(connection(3)));
    }
    assert_eq!(gateway.server.deadline(), None, "a watcher may be silent for ever");
    gateway.server.tell(Topic::Expectations, &connection(4));
    gateway.server.tell(Topic::Connections, &connection(5));
    gateway.serve();
    for watcher in &mut watchers {
        assert_eq!(watcher.next_reply().unwrap(), Some(connection(5)), "not what others watch");
    }
    drop(watchers);
    gateway.serve();
    assert!(!gateway.server.has_watchers());
}

#[test]
fn a_watcher_that_reads_too_slowly_stays_and_is_told_how_much_it_lost_between_what_came_before_and_after() {
    let mut gateway = Gateway::new(0);
    let mut watcher = gateway.client(Request::Watch(Topic::Connections));
    let fits = fill(&mut gateway, 7);
    assert_eq!(gateway.server.counters().clients_cut_off, 0);
    for number in 0..fits {
        // What the socket does not hold is written while the client reads.
        gateway.serve();
        assert_eq!(watcher.next_reply().unwrap(), Some(connection(number)));
    }
    // Nothing else has to happen.
    gateway.serve();
    assert_eq!(watcher.next_reply().unwrap(), Some(Reply::Lost(7)));
    gateway.server.tell(Topic::Connections, &connection(1));
    gateway.serve();
    assert_eq!(watcher.next_reply().unwrap(), Some(connection(1)));
    assert_eq!(gateway.server.counters().replies_lost, 7);
}

#[test]
fn a_watcher_that_reads_too_slowly_for_long_is_told_of_few_gaps_and_all_is_there_or_counted() {
    let mut gateway = Gateway::new(0);
    let mut watcher = gateway.client(Request::Watch(Topic::Connections));
    let count = 20_000;
    let (mut gaps, mut lost, mut next) = (0, 0, 0);
    let mut read = || {
        match watcher.next_reply().unwrap() {
            Some(Reply::Lost(more)) => (gaps, lost, next) = (gaps + 1, lost + more, next + more as u32),
            reply => {
                assert_eq!(reply, Some(connection(next)));
                next += 1;
            }
        }
        next
    };
    for number in 0..count {
        gateway.server.tell(Topic::Connections, &connection(number));
        gateway.serve();
        if number % 3 == 0 {
            read();
        }
    }
    while read() < count {
        gateway.serve();
    }
    assert_eq!(gateway.server.counters().replies_lost, lost);
    assert!(lost > 0 && gaps < 20, "{lost} in {gaps} gaps");
}

#[test]
fn a_watcher_that_does_not_read_holds_up_no_other_and_is_not_cut_off_however_long_it_pauses() {
    let mut gateway = Gateway::new(0);
    let mut slow = gateway.client(Request::Watch(Topic::Connections));
    fill(&mut gateway, 1);
    gateway.now = gateway.now + CONTROL_SILENCE_MAX * 1000;
    gateway.serve();
    assert_eq!(gateway.server.deadline(), None);
    let mut other = gateway.client(Request::Watch(Topic::Connections));
    gateway.server.tell(Topic::Connections, &connection(5));
    gateway.serve();
    assert_eq!(other.next_reply().unwrap(), Some(connection(5)));
    assert_eq!(slow.next_reply().unwrap(), Some(connection(0)));
    assert!(gateway.server.has_watchers());
    assert_eq!(gateway.server.counters().clients_cut_off, 0);
}

#[test]
fn who_watches_leaves_those_who_ask_their_room_and_one_too_many_is_refused() {
    let mut gateway = Gateway::new(0);
    let mut watchers: Vec<_> =
        (0..CONTROL_WATCHERS_MAX).map(|_| gateway.client(Request::Watch(Topic::Connections))).collect();
    let mut late = gateway.client(Request::Watch(Topic::Log));
    let error = late.next_reply().unwrap_err().to_string();
    assert!(error.ends_with(" refused: 16 watchers are being told what happens; end one of them first"), "{error}");
    for _ in 0..100 {
        let mut client = gateway.client(Request::Stats);
        assert!(matches!(client.next_reply().unwrap(), Some(Reply::Stats(_))));
    }
    gateway.server.tell(Topic::Connections, &connection(3));
    gateway.serve();
    assert!(watchers.iter_mut().all(|watcher| watcher.next_reply().unwrap() == Some(connection(3))));
    // Whoever comes as one leaves takes his place.
    watchers.remove(0);
    let mut next = gateway.client(Request::Watch(Topic::Connections));
    gateway.server.tell(Topic::Connections, &connection(4));
    gateway.serve();
    assert_eq!(next.next_reply().unwrap(), Some(connection(4)));
}

#[test]
fn who_has_stopped_reading_makes_room_where_all_places_are_taken() {
    let mut gateway = Gateway::new(0);
    let mut watchers: Vec<_> =
        (0..CONTROL_WATCHERS_MAX).map(|_| gateway.client(Request::Watch(Topic::Connections))).collect();
    let slow = watchers.remove(0);
    while gateway.server.counters().replies_lost == 0 {
        gateway.server.tell(Topic::Connections, &connection(3));
        gateway.serve();
        watchers.iter_mut().for_each(|watcher| drop(watcher.next_reply().unwrap()));
    }
    gateway.serve();
    let limit = gateway.server.deadline().expect("it is in the way");
    assert_eq!(limit, gateway.now + CONTROL_PAUSE_MAX);
    gateway.now = limit;
    gateway.serve();
    assert_eq!((gateway.server.counters().clients_cut_off, gateway.server.deadline()), (1, None));
    let mut next = gateway.client(Request::Watch(Topic::Connections));
    gateway.server.tell(Topic::Connections, &connection(4));
    gateway.serve();
    assert_eq!(next.next_reply().unwrap(), Some(connection(4)));
    drop(slow);
}

#[test]
fn watchers_that_come_all_at_once_are_all_taken_in() {
    let mut gateway = Gateway::new(0);
    let ask = |request: Request| Client::ask(&gateway.path, request).unwrap();
    let mut watchers: Vec<_> = (0..CONTROL_WATCHERS_MAX).map(|_| ask(Request::Watch(Topic::Connections))).collect();
    let mut asking: Vec<_> = (0..CONTROL_ASKING_MAX).map(|_| ask(Request::Stats)).collect();
    (0..3).for_each(|_| gateway.serve());
    gateway.server.tell(Topic::Connections, &connection(3));
    gateway.serve();
    assert!(watchers.iter_mut().all(|watcher| watcher.next_reply().unwrap() == Some(connection(3))));
    assert!(asking.iter_mut().all(|client| matches!(client.next_reply().unwrap(), Some(Reply::Stats(_)))));
    assert_eq!(gateway.server.counters().clients_refused, 0);
}

#[test]
fn a_client_hears_what_is_lost_and_knows_whether_more_is_there_already() {
    let mut gateway = Gateway::new(0);
    let mut watched = Client::watch_connections(&gateway.path).unwrap();
    gateway.serve();
    assert!(!watched.has_next());
    let Reply::Connection(entry) = connection(1) else { unreachable!() };
    let event = Reply::ConnectionEvent(gateway.now, Change::New, entry.clone());
    for reply in [&event, &Reply::Lost(3), &event] {
        gateway.server.tell(Topic::Connections, reply);
    }
    gateway.serve();
    let told = Heard::Told(Happened { when: gateway.now, change: Change::New, entry });
    for (heard, has_next) in [(told.clone(), true), (Heard::Lost(3), true), (told, false)] {
        assert_eq!((watched.next().unwrap().unwrap(), watched.has_next()), (heard, has_next));
    }
}

#[test]
fn sockets_are_not_watched_and_not_forgotten() {
    let mut gateway = Gateway::new(0);
    for request in
        [Request::Watch(Topic::Sockets), Request::Forget(Topic::Sockets, Vec::new()), Request::Flush(Topic::Sockets)]
    {
        let mut client = gateway.client(request);
        gateway.serve();
        let error = client.next_reply().unwrap_err().to_string();
        assert!(error.contains("sockets can be listed and counted"), "{error}");
    }
}

/// Tells a watcher that does not read of connections 0, 1, … until so many are lost. Gives how many are not.
fn fill(gateway: &mut Gateway, lost: u64) -> u32 {
    let before = gateway.server.counters().replies_lost;
    let mut told = 0;
    while gateway.server.counters().replies_lost < before + lost {
        gateway.server.tell(Topic::Connections, &connection(told));
        gateway.serve();
        told += 1;
        assert!(told < 1_000_000, "memory has no bound");
    }
    told - lost as u32
}
