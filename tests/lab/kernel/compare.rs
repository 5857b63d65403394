//! How far an answer agrees with the kernel's: what `tests/kernel/oracle/compare.py` compares, in Rust.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use towpath_engine::wire::checksum;

const CONNECTION: &[&str] =
    &["orig", "reply", "status", "flags", "state", "timeout", "helper", "mark", "zone", "seqadj_orig", "seqadj_reply"];
const EXPECTATION: &[&str] = &["tuple", "mask", "flags", "class", "helper"];

/// Every difference between the kernel's answer and ours, one line each.
#[must_use]
pub fn differences(kernel: &Value, ours: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let (mut kernel_ids, mut our_ids) = (Ids::default(), Ids::default());
    let frames: BTreeMap<u64, &Value> = list(&ours["frames"]).filter_map(|f| Some((f["n"].as_u64()?, f))).collect();
    for frame in list(&kernel["frames"]) {
        let n = frame["n"].as_u64().unwrap_or(u64::MAX);
        let Some(our) = frames.get(&n) else {
            found.push(format!("frame {n} is missing"));
            continue;
        };
        let (want, have) = (facts(frame, &mut kernel_ids), facts(our, &mut our_ids));
        for (field, want) in &want {
            if have.get(field) != Some(want) {
                let have = have.get(field).unwrap_or(&Value::Null);
                found.push(format!("frame {n} {}: {field}: kernel {want}, ours {have}", frame["pkt"]));
            }
        }
    }
    if frames.len() != list(&kernel["frames"]).count() {
        found.push(format!("we have {} frames", frames.len()));
    }
    for (field, names) in [("conntrack", CONNECTION), ("expectations", EXPECTATION)] {
        let table = |answer: &Value| {
            let mut rows: Vec<String> =
                list(&answer["final"][field]).map(|row| entry(row, names).to_string()).collect();
            rows.sort();
            rows
        };
        let (want, have) = (table(kernel), table(ours));
        if want != have {
            found.push(format!("final {field}: kernel {want:?}, ours {have:?}"));
        }
    }
    if out(&kernel["after"]) != out(&ours["after"]) {
        found.push(String::from("after the last frame other frames came out"));
    }
    found
}

/// Identifiers by order of first appearance.
#[derive(Default)]
struct Ids(BTreeMap<(bool, u64), usize>);

impl Ids {
    fn of(&mut self, is_expectation: bool, id: u64) -> usize {
        let next = self.0.len();
        *self.0.entry((is_expectation, id)).or_insert(next)
    }
}

/// What is compared of a frame, by name.
fn facts(frame: &Value, ids: &mut Ids) -> BTreeMap<&'static str, Value> {
    let events: Vec<Value> = list(&frame["events"]).map(|record| event(record, ids)).collect();
    let ct = if frame["ct"].is_null() { Value::Null } else { entry(&frame["ct"], CONNECTION) };
    BTreeMap::from([
        ("state", json!([frame["state"], frame["dir"]])),
        ("verdict", frame["verdict"].clone()),
        ("out", out(frame)),
        ("events", Value::Array(events)),
        ("ct", ct),
    ])
}

fn out(record: &Value) -> Value {
    let passes_through = record["in_hex"].as_str().and_then(bytes).is_some_and(|frame| time_at(&frame).is_some());
    let shown = |hex: &Value| if passes_through { hex.clone() } else { timeless(hex) };
    list(&record["out"]).map(|out| json!([out["side"], shown(&out["hex"])])).collect()
}

/// The bytes of a frame that came out. The time that the router itself says in a reply to a time stamp request is its clock's: it is
/// wiped, and so is the checksum that it is part of. A reply that is not right stays.
fn timeless(hex: &Value) -> Value {
    let Some(mut frame) = hex.as_str().and_then(bytes) else { return hex.clone() };
    let Some((sum_at, time_at)) = time_at(&frame) else { return hex.clone() };
    frame[sum_at..sum_at + 2].fill(0);
    frame[time_at..].fill(0);
    json!(text(&frame))
}

/// Where in a frame with a right reply to a time stamp request its checksum is, and where the times of its sender begin.
fn time_at(frame: &[u8]) -> Option<(usize, usize)> {
    let (ethernet, ip) = frame.split_at_checked(14)?;
    let [0x08, 0x00] = ethernet[12..] else { return None };
    let icmp = usize::from(ip.first()? & 15) * 4;
    let is_whole = *ip.get(9)? == 1 && [ip[6] & 0x1f, ip[7]] == [0, 0];
    let message: [u8; 20] = ip.get(icmp..)?.try_into().ok()?;
    let is_right = message[0] == 14 && message[12..16] == message[16..] && checksum::sum(&message) == 0xffff;
    (is_whole && is_right).then_some((14 + icmp + 2, 14 + icmp + 12))
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect()
}

fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn event(record: &Value, ids: &mut Ids) -> Value {
    let kind = record["event"].as_str().unwrap_or_default();
    let is_expectation = kind.starts_with("EXP_");
    let mut kept = entry(record, if is_expectation { EXPECTATION } else { CONNECTION });
    kept["event"] = json!(kind);
    kept["id"] = json!(ids.of(is_expectation, record["id"].as_u64().unwrap_or_default()));
    kept
}

/// The named fields; lists of words in the alphabet's order.
fn entry(record: &Value, names: &[&str]) -> Value {
    let mut kept = json!({});
    for name in names {
        let mut value = record[*name].clone();
        if let ("status" | "flags", Some(words)) = (*name, value.as_array_mut()) {
            words.sort_by(|one, other| one.as_str().cmp(&other.as_str()));
        }
        kept[*name] = value;
    }
    kept
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Rules and policies whose counters differ.
#[must_use]
pub fn counters(kernel: &Value, ours: &Value) -> Vec<String> {
    let (theirs, ours) = (counted(kernel), counted(ours));
    let unequal = theirs.iter().zip(&ours).filter(|(one, other)| one != other);
    let mut found: Vec<String> = unequal.map(|(one, other)| format!("rule: kernel {one}, ours {other}")).collect();
    if theirs.len() != ours.len() {
        found.push(format!("rules: kernel {} lines, ours {}", theirs.len(), ours.len()));
    }
    found
}

/// The lines with counters, each with its table's name, by table.
fn counted(answer: &Value) -> Vec<String> {
    let mut table = "";
    let mut lines = Vec::new();
    let saved = ["iptables_save", "ip6tables_save"].map(|name| answer["final"][name].as_array());
    for line in saved.into_iter().flatten().flatten().filter_map(Value::as_str) {
        match line.as_bytes().first() {
            Some(b'*') => table = line,
            Some(b'[' | b':') => lines.push(format!("{table} {line}")),
            Some(_) | None => {}
        }
    }
    // The tool names the tables in an order of its own.
    lines.sort_by(|one, other| one.split(' ').next().cmp(&other.split(' ').next()));
    lines
}
