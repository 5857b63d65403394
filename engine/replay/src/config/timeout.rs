//! `[[timeout]]`: a timeout policy that rules give to connections.

use core::time::Duration;

use towpath_engine::{
    conntrack::{Family, TimeoutKind, TimeoutPolicy},
    limits::TIMEOUT_POLICIES_MAX,
};

use super::{
    Mistake,
    reader::{Fault, Table, Value, Word},
};

/// The keys of the table: the states are those of all protocols.
const TIMEOUT: &[&str] = &[
    "name",
    "family",
    "protocol",
    "syn_sent",
    "syn_recv",
    "established",
    "fin_wait",
    "close_wait",
    "last_ack",
    "time_wait",
    "close",
    "syn_sent2",
    "retrans",
    "unacknowledged",
    "unreplied",
    "replied",
    "closed",
    "cookie_wait",
    "cookie_echoed",
    "shutdown_sent",
    "shutdown_recd",
    "shutdown_ack_sent",
    "heartbeat_sent",
    "timeout",
];

impl Word for Family {
    const EXPECTED: &'static str = "\"ipv4\" or \"ipv6\"";

    fn read(text: &str) -> Option<Self> {
        match text {
            "ipv4" => Some(Self::Ipv4),
            "ipv6" => Some(Self::Ipv6),
            _ => None,
        }
    }
}

impl Word for &'static TimeoutKind {
    const EXPECTED: &'static str =
        "\"tcp\", \"udp\", \"udplite\", \"sctp\", \"icmp\", \"icmpv6\", \"gre\" or \"generic\"";

    fn read(text: &str) -> Option<Self> {
        TimeoutKind::by_name(text)
    }
}

/// Reads all of them.
pub(super) fn timeouts(values: Vec<Value<'_>>) -> Result<Vec<TimeoutPolicy>, Fault> {
    let mut policies = Vec::new();
    for value in values {
        let policy = timeout(value.table("[[timeout]]", TIMEOUT, &[])?, &policies)?;
        policies.push(policy);
    }
    Ok(policies)
}

/// Reads one; `before` are those above it.
fn timeout(table: Table<'_>, before: &[TimeoutPolicy]) -> Result<TimeoutPolicy, Fault> {
    let name_value = table.need("name")?;
    let name = name_value.text()?;
    if !TimeoutPolicy::is_name(name) {
        return Err(name_value.expected("a name of 1 to 31 bytes without blanks"));
    }
    if before.len() >= TIMEOUT_POLICIES_MAX {
        return Err(name_value.fault(Mistake::TooMany { what: "[[timeout]]", max: TIMEOUT_POLICIES_MAX }));
    }
    if before.iter().any(|known| known.name == name) {
        return Err(name_value.fault(Mistake::Twice { what: "[[timeout]]", name: name.to_owned() }));
    }
    let family = table.find("family").map_or(Ok(Family::Ipv4), Value::word)?;
    let kind: &'static TimeoutKind = table.need("protocol")?.word()?;
    let mut policy = TimeoutPolicy::new(name.to_owned(), family, kind);
    for value in TIMEOUT[STATES_AT..].iter().filter_map(|state| table.find(state)) {
        let lasts: Duration = value.word()?;
        if lasts.subsec_nanos() != 0 {
            return Err(value.expected("a time in whole seconds, such as \"300s\" or \"5d\""));
        }
        if !policy.set(value.key, lasts.as_secs() as u32) {
            let known: Vec<&str> = kind.states().collect();
            let mistake = Mistake::NoState { protocol: kind.name, state: value.key, known };
            return Err(value.fault(mistake));
        }
    }
    Ok(policy)
}

/// Where the states begin among the keys.
const STATES_AT: usize = 3;

#[cfg(test)]
mod tests {
    use towpath_engine::conntrack::TimeoutKind;

    use super::{STATES_AT, TIMEOUT};

    #[test]
    fn every_state_of_every_protocol_is_a_key() {
        let states = || TimeoutKind::ALL.iter().flat_map(TimeoutKind::states);
        states().for_each(|state| assert!(TIMEOUT[STATES_AT..].contains(&state), "{state}"));
        TIMEOUT[STATES_AT..].iter().for_each(|key| assert!(states().any(|state| state == *key), "{key}"));
    }
}
