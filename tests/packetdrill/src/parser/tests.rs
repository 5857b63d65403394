use core::time::Duration;

use super::*;
use crate::script::{Body, Call, Direction, Ecn, IcmpError, Packet, Segment, TcpOption, Value};

fn read(text: &str) -> Vec<Event> {
    parse(text, &[]).unwrap_or_else(|error| panic!("{error}")).events
}

fn action(text: &str) -> Action {
    let [event] = read(text).try_into().unwrap_or_else(|events| panic!("one event, not {events:?}"));
    event.action
}

fn call(text: &str) -> Call {
    let Action::Call(call) = action(text) else { panic!("{text} is a call") };
    call
}

fn segment(text: &str) -> Segment {
    let Action::Packet(_, Packet { body: Body::Tcp(segment), .. }) = action(text) else { panic!("{text} is TCP") };
    segment
}

const MILLISECOND: Duration = Duration::from_millis(1);

#[test]
fn a_script_has_options_shell_lines_and_events_with_their_lines() {
    let script = parse(
        "--ip_version=ipv4\n--strict_segments // as sent\n`sysctl -q net.ipv4.tcp_ecn=0\nsecond`\n\n/* a listener\n */\n   0 listen(3, 1) = 0\n+0 %{ assert 1 == 1 }%\n`cleanup`",
        &[],
    )
    .unwrap();
    assert_eq!(
        script.options,
        [("ip_version".to_owned(), Some("ipv4".to_owned())), ("strict_segments".to_owned(), None)]
    );
    let lines: Vec<_> = script.events.iter().map(|event| (event.line, event.time)).collect();
    let start = Time::At(Duration::ZERO);
    assert_eq!(lines, [(3, Time::None), (8, start), (9, Time::After(Duration::ZERO)), (10, Time::None)]);
    assert_eq!(script.events[0].action, Action::Shell("sysctl -q net.ipv4.tcp_ecn=0\nsecond".to_owned()));
    assert_eq!(script.events[2].action, Action::Code("assert 1 == 1".to_owned()));
}

#[test]
fn times_are_after_the_start_or_the_event_before_and_may_be_ranges() {
    let times: Vec<Time> = ["0.1", ".5", "+.01", "+1", "0.1~0.2", "+.1~+.2", "*", "+0...0.4", "0...2"]
        .map(|time| read(&format!("{time} close(3) = 0"))[0].time)
        .into();
    let (ms, ten) = (MILLISECOND, MILLISECOND * 10);
    let wanted = [
        Time::At(ms * 100),
        Time::At(ms * 500),
        Time::After(ten),
        Time::After(ms * 1000),
        Time::Between(ms * 100, ms * 200),
        Time::Within(ms * 100, ms * 200),
        Time::Any,
        Time::After(Duration::ZERO),
        Time::At(Duration::ZERO),
    ];
    assert_eq!(times, wanted);
    assert_eq!(call("+0...0.4 read(4, ..., 1) = 1").end, Some(ms * 400));
    assert_eq!(call("0...2 read(4, ..., 1) = 1").end, Some(ms * 2000));
}

#[test]
fn segments_have_flags_numbers_and_options_in_order() {
    assert_eq!(
        segment("+0 < S. 123:123(0) ack 1 win 5840 <mss 1040,nop,nop,sackOK,nop,wscale 6,FO abcd1234,nop,nop>"),
        Segment {
            flags: "S.".to_owned(),
            start: 123,
            len: 0,
            ack: Some(1),
            window: Some(5840),
            urgent: None,
            options: Some(vec![
                TcpOption::Mss(1040),
                TcpOption::Nop,
                TcpOption::Nop,
                TcpOption::SackPermitted,
                TcpOption::Nop,
                TcpOption::WindowScale(6),
                TcpOption::FastOpen { experimental: false, cookie: vec![0xab, 0xcd, 0x12, 0x34] },
                TcpOption::Nop,
                TcpOption::Nop,
            ]),
        }
    );
    let options = |text| segment(&format!("+0 > . 1:1(0) ack 1 {text}")).options;
    assert_eq!(options(""), Some(vec![]), "none at all");
    assert_eq!(options("<...>"), None, "any");
    assert_eq!(
        options("<sack 4001:5001 6001:7001,TS val 10 ecr 20>"),
        Some(vec![TcpOption::Sack(vec![(4001, 5001), (6001, 7001)]), TcpOption::Timestamps { value: 10, echo: 20 }])
    );
    assert_eq!(segment("+0 < U. 1:101(100) ack 1 win 257 urg 100").urgent, Some(100));
    assert_eq!(segment("+0 < - 0:0(0)").flags, "");
    assert_eq!(segment("+0 > F. 4294967295:0(1) ack 1").len, 1, "numbers go round");
}

#[test]
fn packets_have_an_ecn_field_and_errors_say_what_they_are_about() {
    let Action::Packet(Direction::Out, packet) = action("+0 > [ect0] P. 1:11(10) ack 1") else { panic!("it goes out") };
    assert_eq!(packet.ecn, Some(Ecn::Ect0));
    let icmp = |text| {
        let Action::Packet(Direction::In, Packet { body: Body::Icmp(error), .. }) = action(text) else {
            panic!("{text}")
        };
        error
    };
    let error = |code: Option<&str>, mtu, about| IcmpError {
        kind: "unreachable".to_owned(),
        code: code.map(str::to_owned),
        mtu,
        about,
    };
    assert_eq!(icmp("+0 < icmp unreachable [5000:6000(1000)]"), error(None, None, Some((5000, 1000))));
    assert_eq!(icmp("+0 < icmp unreachable frag_needed mtu 800"), error(Some("frag_needed"), Some(800), None));
    let text = "+.01 < icmp unreachable frag_needed mtu 840 [0:1000(1000)]";
    assert_eq!(icmp(text), error(Some("frag_needed"), Some(840), Some((0, 1000))));
}

#[test]
fn calls_have_arguments_of_any_kind_a_result_and_an_error() {
    let words = |words: &[&str]| Value::Words(words.iter().map(|&word| word.to_owned()).collect());
    let socket = call("0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3");
    assert_eq!(socket.arguments, [Value::Any, words(&["SOCK_STREAM"]), words(&["IPPROTO_TCP"])]);
    assert_eq!(socket.result, Value::Number(3));
    let fcntl = call("+0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0");
    assert_eq!(fcntl.arguments[2], words(&["O_RDWR", "O_NONBLOCK"]));
    let connect = call("+0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)");
    assert_eq!((connect.result, connect.errno.as_deref()), (Value::Number(-1), Some("EINPROGRESS")));
    assert_eq!(call("+0 write(4, ..., 100) = -1 EPIPE(Broken Pipe)").errno.as_deref(), Some("EPIPE"));
    assert_eq!(call("+0 fcntl(3, F_GETFL) = 0x2 (flags O_RDWR)").result, Value::Number(2));
    let option = call("+0 setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0");
    assert_eq!(option.arguments[3], Value::List(vec![Value::Number(1)]));
    let address = "{sa_family = AF_INET, sin_port = htons(8080), sin_addr = inet_addr(\"192.168.0.1\")}";
    let port = Value::Applied("htons".to_owned(), vec![Value::Number(8080)]);
    let Value::Struct(fields) = &call(&format!("+0 bind(3, {address}, ...) = 0")).arguments[1] else {
        panic!("{address}")
    };
    assert_eq!(fields[1], Value::Field("sin_port".to_owned(), vec![], Box::new(port)));
    let message = call("+0 recvmsg(4, {msg_name(...)=...,\n msg_iov(1)=[{...,0}], msg_control=[]}, MSG_ERRQUEUE) = 0");
    let Value::Struct(fields) = &message.arguments[1] else { panic!("{message:?}") };
    assert_eq!(fields[0], Value::Field("msg_name".to_owned(), vec![Value::Any], Box::new(Value::Any)));
}

#[test]
fn words_stand_for_what_they_are_defined_as() {
    let definitions = [("CODE", "host_unreachable"), ("TFO_COOKIE", "abcd"), ("SIZE", "1000")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let text = "+0 < icmp unreachable CODE\n+0 > S 0:0(0) <FO TFO_COOKIE>\n+0 write(3, ..., SIZE) = SIZE";
    let events = parse(text, &definitions).unwrap().events;
    let Action::Packet(_, Packet { body: Body::Icmp(error), .. }) = &events[0].action else { panic!("{events:?}") };
    assert_eq!(error.code.as_deref(), Some("host_unreachable"));
    let Action::Packet(_, Packet { body: Body::Tcp(syn), .. }) = &events[1].action else { panic!("{events:?}") };
    assert_eq!(syn.options, Some(vec![TcpOption::FastOpen { experimental: false, cookie: vec![0xab, 0xcd] }]));
    let Action::Call(write) = &events[2].action else { panic!("{events:?}") };
    assert_eq!((&write.arguments[2], &write.result), (&Value::Number(1000), &Value::Number(1000)));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let wrong = |text: &str| parse(text, &[]).unwrap_err().to_string();
    assert_eq!(
        wrong("0 listen(3, 1) = 0\n+0 < X 0:0(0)"),
        "2:6: expected the flags of a TCP segment: of F S R P . U E W A, or - for none, not `X`"
    );
    assert_eq!(
        wrong("+0 > . 1:11(9)"),
        "1:8: expected sequence numbers that are as far apart as the length says, not `1`"
    );
    assert_eq!(wrong("+0 > . 1:1(0) <mss 70000>"), "1:20: expected a segment size of at most 65535, not `70000`");
    assert_eq!(
        wrong("+0 > . 1:1(0) <mss 1460"),
        "1:24: expected a comma or > behind a TCP option, the script ends here"
    );
    assert_eq!(wrong("close(3) = 0"), "1:1: expected a time in seconds, such as 0.01 or +.01, not `close`");
    assert_eq!(
        wrong("0 close(3"),
        "1:10: expected a comma, or the end of what the call is given, the script ends here"
    );
    assert_eq!(wrong("`never ends"), "1:12: expected `, the end of the shell's lines, the script ends here");
    assert_eq!(wrong("+0~.1 close(3) = 0"), "1:4: expected a second time of the same kind, not `.`");
    assert_eq!(
        wrong("+0 close(3) = 0 +0 é"),
        "1:20: expected a packet (< or >), a system call, `shell` or %{ assertion }%, not `é`"
    );
}
