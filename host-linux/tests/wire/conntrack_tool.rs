//! The real conntrack(8) as referee: it reads what a replay's gateway saves of its connections into a kernel, and lists them
//! as the gateway does.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{namespace::in_namespace, skip::skip};

/// Captures whose connections are compared, and whether the example's gateway translates them: TCP in several states, UDP, ICMP
/// and ICMPv6.
const CAPTURES: [(&str, bool); 8] = [
    ("dns.pcap", false),
    ("ping.pcap", true),
    ("ping-ipv6.pcap", false),
    ("http-abort.pcap", true),
    ("tcp-half-close.pcap", false),
    ("ftp-pasv-inside.pcap", true),
    ("ftp-ipv6.pcap", false),
    ("closed-ports.pcap", false),
];

/// What both are asked. Connections are listed in no particular order, so that the lines are compared sorted.
const QUESTIONS: [&str; 27] = [
    "-L",
    "-L -o extended",
    "-L -o xml",
    "-L -o save",
    "-L -o userspace",
    "-L -o userspace,save",
    "-L -p tcp",
    "-L -p 17",
    "-L -p icmpv6 -o extended",
    "-L -f ipv6",
    "-L -s 192.168.1.10",
    "-L -s 192.168.1.0/24",
    "-L -d 198.51.100.7",
    "-L -s 192.168.1.77 --mask-src 255.255.255.0",
    "-L -s 192.168.1.0/24 --mask-src 255.0.255.255",
    "-L -d 198.51.9.7 --mask-dst 255.255.0.255",
    "-L -d fd00:1::99 --mask-dst ffff:ffff::",
    "-L -z",
    "-L -r 198.51.100.7",
    "-L -q 203.0.113.1",
    "-L -n",
    "-L -n 203.0.113.1",
    "-L -g",
    "-L -j",
    "-L -u ASSURED",
    "-L -p tcp --dport 80",
    "-C",
];

#[test]
fn the_real_tool_reads_what_is_saved_and_lists_it_as_the_gateway_does() {
    in_namespace(|| {
        const NAME: &str = "the_real_tool_reads_what_is_saved_and_lists_it_as_the_gateway_does";
        match Command::new("conntrack").arg("-C").output() {
            Ok(output) if output.status.success() => {}
            Ok(_) | Err(_) => return skip(NAME, "conntrack(8) is missing, or the kernel has no connection tracking"),
        }
        for (capture, translated) in CAPTURES {
            let ours = |question| ours(capture, translated, question);
            assert!(run("conntrack", &["-F"], None).is_some());
            let saved = ours("-L -o save");
            assert!(!saved.is_empty(), "{capture} has connections");
            // That a connection was expected cannot be told the kernel.
            run("conntrack", &["-R", "-"], Some(&saved.replace("EXPECTED,", "")))
                .unwrap_or_else(|| panic!("{capture}: the real tool does not read\n{saved}"));
            for question in QUESTIONS {
                let words: Vec<&str> = question.split(' ').collect();
                let theirs = run("conntrack", &words, None).unwrap_or_else(|| panic!("conntrack {question}"));
                assert_eq!(comparable(&ours(question)), comparable(&theirs), "{capture}: {question}");
            }
        }
    });
}

/// What the gateway of a replay answers.
fn ours(capture: &str, translated: bool, question: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let capture: PathBuf = folder.join("../captures").join(capture);
    let config = folder.join("examples/gateway.toml");
    let gateway = ["-c", config.to_str().unwrap()];
    let words = ["replay", capture.to_str().unwrap()].into_iter().chain(gateway.into_iter().filter(|_| translated));
    let words: Vec<&str> = words.chain(["--conntrack"]).chain(question.split(' ')).collect();
    run(env!("CARGO_BIN_EXE_towpath"), &words, None).unwrap_or_else(|| panic!("towpath {words:?}"))
}

/// Standard output of a program that was content.
fn run(program: &str, words: &[&str], input: Option<&str>) -> Option<String> {
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.unwrap_or_default().as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

/// The lines, sorted, without what cannot agree: times that go by, the numbers of connections, and what is not saved (counters,
/// helpers, who holds a connection, that it was expected).
fn comparable(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(comparable_line).collect();
    lines.sort_unstable();
    lines
}

fn comparable_line(line: &str) -> String {
    let mut line = line.replace("EXPECTED,", "");
    for (start, end) in [("<timeout>", "</timeout>"), ("<use>", "</use>"), ("<id>", "</id>"), ("<helper>", "</helper>")]
    {
        cut(&mut line, start, end);
    }
    while cut(&mut line, "<counters>", "</counters>") {}
    let mut words: Vec<&str> = line.split(' ').collect();
    words.retain(|word| !["packets=", "bytes=", "helper=", "use="].iter().any(|start| word.starts_with(start)));
    // Behind the protocol's number, or behind -t.
    let number = words.iter().position(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()));
    match (words.first(), number) {
        (Some(&"-A"), Some(timeout)) => words[timeout] = "TIME",
        (Some(&"ipv4" | &"ipv6"), Some(family)) => {
            let protocol = words[family + 1..].iter().position(|word| word.parse::<u8>().is_ok()).unwrap();
            words[family + 1 + protocol + 1] = "TIME";
        }
        (Some(_), Some(protocol)) if words.len() > 1 => words[protocol + 1] = "TIME",
        _ => {}
    }
    words.join(" ")
}

fn cut(line: &mut String, start: &str, end: &str) -> bool {
    let Some(from) = line.find(start) else { return false };
    let Some(len) = line[from..].find(end) else { return false };
    line.replace_range(from..from + len + end.len(), "");
    true
}
