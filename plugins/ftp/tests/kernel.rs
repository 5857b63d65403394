//! The parser and the writer against the kernel's own answers, which `record.py` has written to `kernel.txt`.

use std::net::IpAddr;

use towpath_helper_ftp::{Outcome, Sender, inspect, render};

static RECORDED: &str = include_str!("kernel.txt");

#[test]
fn every_recorded_payload_gets_the_kernels_answer() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in RECORDED.lines().filter(|line| !line.starts_with('#')) {
        let ours = answer(line);
        let kernels = line.splitn(3, '\t').nth(2).unwrap();
        if ours != kernels {
            wrong.push(format!("{line}\n  ours: {ours}"));
        }
        count += 1;
    }
    assert!(count > 1000, "kernel.txt is cut: {count} payloads");
    assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Our answer in the columns of `kernel.txt`.
fn answer(line: &str) -> String {
    let columns: Vec<&str> = line.split('\t').collect();
    let (sender, source, router) = who(columns[0]);
    let payload = unescaped(columns[1]);
    match inspect(sender, source, &payload) {
        Outcome::Nothing => "pass".to_owned(),
        Outcome::Incomplete | Outcome::Malformed => "drop".to_owned(),
        // The engine leaves third parties alone, as Linux does.
        Outcome::Announced(found) if found.address != source => "pass".to_owned(),
        Outcome::Announced(found) if found.port == 0 => "expect\t0\t0\t".to_owned(),
        Outcome::Announced(found) => {
            // The engine picks the translated port; here it is what the kernel picked.
            let translated: u16 = columns.get(4).and_then(|port| port.parse().ok()).unwrap_or(found.port);
            let mut out = payload[..found.offset].to_vec();
            out.extend(render(found.notation, router, translated).bytes());
            out.extend(&payload[found.offset + found.length..]);
            format!("expect\t{}\t{translated}\t{}", found.port, escaped(&out))
        }
    }
}

/// Who writes, the writer's own address, and the one it is translated to.
fn who(kind: &str) -> (Sender, IpAddr, IpAddr) {
    let (sender, source, router) = match kind {
        "client4" => (Sender::Client, "10.0.0.5", "203.0.113.1"),
        "server4" => (Sender::Server, "10.0.0.21", "203.0.113.1"),
        "client6" => (Sender::Client, "2001:db8:1::5", "3fff:ff::1"),
        "server6" => (Sender::Server, "2001:db8:1::21", "3fff:ff::1"),
        _ => panic!("no such kind: {kind}"),
    };
    (sender, source.parse().expect("an address"), router.parse().expect("an address"))
}

/// Python's escapes: `\\ \n \r \t \xNN`.
fn escaped(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|&byte| match byte {
            b'\\' => "\\\\".to_owned(),
            b'\n' => "\\n".to_owned(),
            b'\r' => "\\r".to_owned(),
            b'\t' => "\\t".to_owned(),
            b' '..=b'~' => char::from(byte).to_string(),
            _ => format!("\\x{byte:02x}"),
        })
        .collect()
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let (kind, tail) = rest.split_first().expect("an escape is cut");
        rest = tail;
        bytes.push(match kind {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'\\' => b'\\',
            b'x' => {
                let (digits, tail) = rest.split_at(2);
                rest = tail;
                u8::from_str_radix(&String::from_utf8_lossy(digits), 16).expect("two hexadecimal digits")
            }
            _ => panic!("unknown escape in {text}"),
        });
    }
    bytes
}
