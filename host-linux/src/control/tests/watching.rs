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
fn a_watcher_that_does_not_read_is_cut_off_and_told_how_much_it_lost() {
    let mut gateway = Gateway::new(0);
    let mut client = gateway.client(Request::Watch(Topic::Connections));
    gateway.serve();
    let mut told = 0;
    while gateway.server.counters().replies_lost < 7 {
        gateway.server.tell(Topic::Connections, &connection(told));
        gateway.serve();
        told += 1;
        assert!(told < 1_000_000, "memory has no bound");
    }
    assert!(!gateway.server.has_watchers());
    assert_eq!(gateway.server.counters().clients_cut_off, 1);
    for number in 0..told - 7 {
        // What the socket does not hold is written while the client reads.
        gateway.serve();
        assert_eq!(client.next_reply().unwrap(), Some(connection(number)));
    }
    gateway.serve();
    let error = client.next_reply().unwrap_err().to_string();
    assert!(error.contains("7 replies were lost"), "{error}");
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
