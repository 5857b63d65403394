//! From text to [`Conversation`]: a connection and what is said over it.

use core::time::Duration;

use towpath_engine::{socket::SocketOption, tcp::congestion};

use super::{host_of, lapse, span};
use crate::{
    config::{Fault, Mistake, Table, Value},
    lab::{
        scenario::{Conversation, End, Scenario},
        words::{Rate, Size},
    },
};

pub(super) fn conversation(value: Value<'_>, scenario: &Scenario) -> Result<Conversation, Fault> {
    let table = value.table("[[connection]]", CONNECTION, &[])?;
    let (from_value, to_value) = (table.need("from")?, table.need("to")?);
    let (from, to) = (host_of(from_value, scenario)?, host_of(to_value, scenario)?);
    if from == to {
        return Err(to_value.expected("another host than 'from'"));
    }
    let number = scenario.connections.len() + 1;
    let name = table
        .find("name")
        .map_or_else(|| Ok(format!("connection {number}")), |value| value.text().map(str::to_owned))?;
    if scenario.connections.iter().any(|known| known.name == name) {
        return Err(value.fault(Mistake::Twice { what: "[[connection]]", name }));
    }
    let port = |key| table.find(key).map(|value| value.number(1..=65_535)).transpose();
    let (send, rounds) = (send(&table)?, table.find("rounds").map_or(Ok(1), |value| value.number(1..=1_000_000))?);
    if send.is_none()
        && let Some(rounds) = table.find("rounds")
    {
        return Err(rounds.fault(Mistake::Beside { key: "rounds", other: "send" }));
    }
    let mut options = [Vec::new(), Vec::new()];
    for (key, ends) in [("options", 0..2), ("from_options", 0..1), ("to_options", 1..2)] {
        if let Some(value) = table.find(key) {
            let said = socket_options(&value.table("socket options", OPTIONS, &[])?)?;
            options[ends].iter_mut().for_each(|end| end.extend_from_slice(&said));
        }
    }
    Ok(Conversation {
        name,
        ends: [from, to],
        is_v6: family(&table)?,
        port: port("port")?.unwrap_or(5001) as u16,
        local_port: port("local_port")?.map(|port| port as u16),
        at: table.find("at").map_or(Ok(Duration::ZERO), lapse)?,
        send,
        answer: table.find("answer").map_or(Ok(0), size)?,
        rounds,
        pause: table.find("pause").map_or(Ok(Duration::ZERO), lapse)?,
        stop: table.find("stop").map(lapse).transpose()?,
        deaf: table.find("deaf").map(span).transpose()?,
        closes: closes(&table)?,
        options,
    })
}

/// How much the first end says; `None` when it never stops.
fn send(table: &Table<'_>) -> Result<Option<u64>, Fault> {
    let Some(value) = table.find("send") else { return Ok(Some(0)) };
    match value.text() {
        Ok("endless") => Ok(None),
        Ok(_) | Err(_) => size(value).map(Some),
    }
}

/// A number of bytes.
pub(super) fn size(value: Value<'_>) -> Result<u64, Fault> {
    match value.integer() {
        Some(bytes) => Ok(bytes),
        None => value.word().map(|Size(bytes)| bytes),
    }
}

fn family(table: &Table<'_>) -> Result<bool, Fault> {
    let Some(value) = table.find("family") else { return Ok(false) };
    match value.text()? {
        "ipv4" => Ok(false),
        "ipv6" => Ok(true),
        _ => Err(value.expected("\"ipv4\" or \"ipv6\"")),
    }
}

fn closes(table: &Table<'_>) -> Result<Option<End>, Fault> {
    let Some(value) = table.find("close") else { return Ok(Some(End::From)) };
    match value.text()? {
        "from" => Ok(Some(End::From)),
        "to" => Ok(Some(End::To)),
        "nobody" => Ok(None),
        _ => Err(value.expected("\"from\", \"to\" or \"nobody\"")),
    }
}

fn socket_options(table: &Table<'_>) -> Result<Vec<SocketOption>, Fault> {
    let mut options = Vec::new();
    for key in OPTIONS {
        let Some(value) = table.find(key) else { continue };
        let bytes = |value: Value<'_>| size(value).map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX));
        options.push(match *key {
            "congestion" => {
                let name = value.text()?;
                if !congestion::NAMES.contains(&name) {
                    return Err(value.expected("\"cubic\", \"reno\" or \"bbr\""));
                }
                SocketOption::Congestion(name.to_owned())
            }
            "no_delay" => SocketOption::NoDelay(value.boolean()?),
            "cork" => SocketOption::Cork(value.boolean()?),
            "quick_ack" => SocketOption::QuickAck(value.boolean()?),
            "keepalive" => SocketOption::Keepalive(value.boolean()?),
            "reuse_address" => SocketOption::ReuseAddress(value.boolean()?),
            "send_buffer" => SocketOption::SendBuffer(bytes(value)?),
            "receive_buffer" => SocketOption::ReceiveBuffer(bytes(value)?),
            "not_sent_low" => SocketOption::NotSentLow(bytes(value)?),
            "max_pacing_rate" => SocketOption::MaxPacingRate(value.word::<Rate>()?.0 / 8),
            "window_clamp" => SocketOption::WindowClamp(bytes(value)?),
            "max_segment" => SocketOption::MaxSegment(value.number(88..=32_767)? as u16),
            "syn_retries" => SocketOption::SynRetries(value.number(1..=127)? as u32),
            "keepalive_idle" => SocketOption::KeepaliveIdle(seconds(value)?),
            "keepalive_interval" => SocketOption::KeepaliveInterval(seconds(value)?),
            "keepalive_probes" => SocketOption::KeepaliveProbes(value.number(1..=127)? as u32),
            "user_timeout" => SocketOption::UserTimeout(lapse(value)?),
            "linger" => SocketOption::Linger(Some(lapse(value)?)),
            key => unreachable!("{key} is in the list and not read"),
        });
    }
    Ok(options)
}

fn seconds(value: Value<'_>) -> Result<Duration, Fault> {
    let time = lapse(value)?;
    let is_right = (1..=32_767).contains(&time.as_secs());
    if is_right { Ok(time) } else { Err(value.expected("a time from 1s to 32767s")) }
}

const CONNECTION: &[&str] = &[
    "name",
    "from",
    "to",
    "family",
    "port",
    "local_port",
    "at",
    "send",
    "answer",
    "rounds",
    "pause",
    "stop",
    "deaf",
    "close",
    "options",
    "from_options",
    "to_options",
];
const OPTIONS: &[&str] = &[
    "congestion",
    "no_delay",
    "cork",
    "quick_ack",
    "keepalive",
    "reuse_address",
    "send_buffer",
    "receive_buffer",
    "not_sent_low",
    "max_pacing_rate",
    "window_clamp",
    "max_segment",
    "syn_retries",
    "keepalive_idle",
    "keepalive_interval",
    "keepalive_probes",
    "user_timeout",
    "linger",
];
