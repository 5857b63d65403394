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
