//! Our own scripts, and what the player says of scripts that are wrong.

use std::{fs, path::Path};

use packet_scripts::{
    files, parse,
    runner::{Difference, Settings, Verdict, play},
};

fn all_pass(settings: &Settings) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let scripts = files::below(&folder).expect("the folder");
    assert!(scripts.len() > 20, "only {} scripts were found", scripts.len());
    let faults: Vec<String> = scripts
        .iter()
        .filter_map(|path| {
            let script = parse(&fs::read_to_string(path).expect("the script"), &[]);
            let script = script.unwrap_or_else(|error| panic!("{}:{error}", path.display()));
            let verdict = play(&script, settings);
            (verdict != Verdict::Strict).then(|| format!("{}: {verdict:?}", path.display()))
        })
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn all_our_scripts_pass_strictly_over_ipv4() {
    all_pass(&Settings::default());
}

#[test]
fn all_our_scripts_pass_strictly_over_ipv6() {
    all_pass(&Settings::default().with_version("ipv6").expect("a version"));
}

const BEGIN: &str = "
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 9000 <mss 1000>
+0 > S. 0:0(0) ack 1 <mss 1460>
+.1 < . 1:1(0) ack 1 win 9000
+0 accept(3, ..., ...) = 4
";

fn verdict(rest: &str) -> Verdict {
    play(&parse(&format!("{BEGIN}{rest}"), &[]).expect("a script"), &Settings::default())
}

/// What differs in a script that goes on so; the line counts from there.
fn difference(rest: &str) -> (usize, String, String) {
    let verdict = verdict(rest);
    let Verdict::Failed(Difference { line, expected, found, .. }) = verdict else { panic!("{verdict:?}") };
    (line - 8, expected, found)
}

#[test]
fn a_packet_that_is_not_as_it_is_written_is_shown_beside_what_is_written() {
    for (written, shown) in [
        ("P. 1:102(101) ack 1", "P. 1:102(101) ack 1"),
        ("F. 1:101(100) ack 1", "F. 1:101(100) ack 1"),
        ("P. 2:102(100) ack 1", "P. 2:102(100) ack 1"),
        ("P. 1:101(100) ack 2", "P. 1:101(100) ack 2"),
        ("P. 1:101(100) ack 1 <nop,nop,TS val 1 ecr 2>", "P. 1:101(100) ack 1 <nop,nop,TS val 1 ecr 2>"),
    ] {
        let found = difference(&format!("+0 write(4, ..., 100) = 100\n+0 > {written}\n"));
        assert_eq!(found, (2, shown.to_owned(), "P. 1:101(100) ack 1".to_owned()));
    }
}

#[test]
fn a_window_is_compared_when_it_is_written() {
    let (line, _, found) = difference("+0 write(4, ..., 100) = 100\n+0 > P. 1:101(100) ack 1 win 1\n");
    assert_eq!(line, 2);
    assert!(found.starts_with("P. 1:101(100) ack 1 win "), "{found}");
}

#[test]
fn a_packet_at_the_wrong_time_fails_but_one_that_is_little_off_is_relaxed() {
    let (line, expected, found) = difference("+0 write(4, ..., 100) = 100\n+.05 > P. 1:101(100) ack 1\n");
    assert_eq!((line, &*expected, &*found), (2, "0.150000 s ± 0.025000 s", "0.100000 s"));
    let relaxed = verdict("+0 write(4, ..., 100) = 100\n+.01 > P. 1:101(100) ack 1\n");
    assert!(matches!(relaxed, Verdict::Relaxed(_)), "{relaxed:?}");
}

#[test]
fn a_push_that_is_missing_is_relaxed() {
    let relaxed = verdict("+0 write(4, ..., 100) = 100\n+0 > . 1:101(100) ack 1\n");
    assert!(matches!(relaxed, Verdict::Relaxed(_)), "{relaxed:?}");
}

#[test]
fn segments_count_as_one_packet_unless_each_counts() {
    let rest = "+0 write(4, ..., 2500) = 2500\n+0 > P. 1:2501(2500) ack 1\n";
    assert_eq!(verdict(rest), Verdict::Strict);
    let script = parse(&format!("--strict_segments\n{BEGIN}{rest}"), &[]).expect("a script");
    assert!(matches!(play(&script, &Settings::default()), Verdict::Failed(_)));
}

#[test]
fn a_packet_that_never_comes_is_missed() {
    let (line, _, found) = difference("+0 > . 1:1(0) ack 1\n");
    assert_eq!((line, &*found), (1, "that nothing was sent"));
}

#[test]
fn results_errors_and_values_of_calls_are_compared() {
    let (.., found) = difference("+0 write(4, ..., 100) = 99\n");
    assert_eq!(found, "100");
    let (.., found) = difference("+0 recv(4, ..., 100, MSG_DONTWAIT) = -1 EPIPE (Broken pipe)\n");
    assert_eq!(found, "-1 EAGAIN");
    let (_, expected, found) = difference("+0 getsockopt(4, SOL_TCP, TCP_MAXSEG, [1460], [4]) = 0\n");
    assert_eq!((&*expected, &*found), ("1460", "1000"));
}

#[test]
fn a_call_that_waits_must_return_when_it_is_said_to() {
    let early = "+0...0.1 read(4, ..., 100) = 10\n+.3 < P. 1:11(10) ack 1 win 9000\n* > . 1:1(0) ack 11\n";
    assert_eq!(difference(early).2, "0.400000 s");
    let never = "+0...0.1 read(4, ..., 100) = 10\n";
    assert_eq!(difference(never).2, "that it waits");
}

#[test]
fn an_assertion_that_does_not_hold_says_what_it_found() {
    let (.., found) = difference("+0 %{ assert tcpi_snd_cwnd == 3 }%\n");
    assert!(found.ends_with("tcpi_snd_cwnd is 10"), "{found}");
}

#[test]
fn what_is_looked_for_among_what_was_counted_must_have_happened() {
    let (_, expected, found) = difference("+0 `nstat > /dev/null`\n+0 `nstat | grep TcpExtTCPFastOpenActive`\n");
    assert_eq!((&*expected, &*found), ("TcpExtTCPFastOpenActive above 0", "0"));
}

#[test]
fn what_is_not_known_is_never_passed() {
    for rest in [
        "+0 mmap(4, ...) = 0\n",
        "+0 setsockopt(4, SOL_TCP, TCP_MD5SIG, [1], 4) = 0\n",
        "+0 %{ assert tcpi_weather == 1 }%\n",
        "+0 `rm something`\n",
        "+0 `sysctl -q net.ipv4.tcp_weather=1`\n",
        "+0 `nstat | grep TcpExtWeather`\n",
        "+0 < icmp unreachable nowhere [0:0(0)]\n",
        "+0 > icmp unreachable host_unreachable [0:0(0)]\n",
    ] {
        assert!(matches!(verdict(rest), Verdict::NotSupported(_)), "{rest}");
    }
}

#[test]
fn what_a_route_cannot_say_is_told_with_its_line() {
    for said in ["rtt 5", "advmss lock 600", "mtu", "dev eth0", "initcwnd 0", "rto_min 5h"] {
        let verdict = verdict(&format!("+0 `ip route replace 192.0.2.1 {said}`\n"));
        let Verdict::NotSupported(unsupported) = verdict else { panic!("{said}: {verdict:?}") };
        assert_eq!(unsupported.line, 9);
        assert!(unsupported.reason.contains(said), "{}", unsupported.reason);
    }
    assert_eq!(verdict("+0 `ip route add 192.0.2.1 dev tun0 metric 5 rto_min 1s`\n"), Verdict::Strict);
}
