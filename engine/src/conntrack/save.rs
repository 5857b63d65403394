//! Connections as `conntrack -o save` prints them, for `conntrack -R` to read (conntrack-tools 1.4.7).

use core::fmt;

use super::{
    conn::Status,
    entry::Entry,
    text::protocol_by_name,
    text::protocol_name,
    tuple::{Direction, Tuple},
};
use crate::{event::Change, wire::Protocol};

/// A connection as the options that make one like it, or what happened to it as those that do the same elsewhere. As with
/// the real tool, marks, helpers and counters are not among them; and `conntrack -R` of that version forgets the ports of a
/// translation that also changes an address.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionSave<'a> {
    /// The connection.
    pub entry: &'a Entry,
    /// What happened to it; `None` when it is listed.
    pub change: Option<Change>,
}

impl fmt::Display for ConnectionSave<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = self.entry;
        let (original, reply) = (&entry.original, &entry.reply);
        f.write_str(match self.change {
            None | Some(Change::New) => "-A",
            Some(Change::Update) => "-U",
            Some(Change::Destroy) => "-D",
        })?;
        if let Some(secs) = entry.timeout_secs {
            write!(f, " -t {secs}")?;
        }
        write!(f, " -u {}", Bits(entry.status))?;
        let zones = [
            (" -w", entry.zone.shared()),
            (" --orig-zone", entry.zone.only_of(Direction::Original)),
            (" --reply-zone", entry.zone.only_of(Direction::Reply)),
        ];
        for (option, zone) in zones {
            zone.map_or(Ok(()), |zone| write!(f, "{option} {zone}"))?;
        }
        write!(f, " -s {} -d {}", original.source_ip(), original.destination_ip())?;
        let is_destination_moved = reply.source_ip() != original.destination_ip();
        write!(f, " {} {}", if is_destination_moved { "-g" } else { "-r" }, reply.source_ip())?;
        let is_source_moved = reply.destination_ip() != original.source_ip();
        write!(f, " {} {}", if is_source_moved { "-n" } else { "-q" }, reply.destination_ip())?;
        write_protocol(f, original, reply)?;
        if let Some(tcp) = entry.tcp {
            write!(f, " --state {}", tcp.state)?;
        }
        if let Some(sctp) = entry.sctp {
            let [original, reply] = sctp.tags;
            write!(f, " --state {} --orig-vtag {original} --reply-vtag {reply}", sctp.state.name())?;
        }
        Ok(())
    }
}

fn write_protocol(f: &mut fmt::Formatter<'_>, original: &Tuple, reply: &Tuple) -> fmt::Result {
    let name = protocol_name(original.protocol());
    match protocol_by_name(name) {
        Some(_) => write!(f, " -p {name}")?,
        None => write!(f, " -p {}", original.protocol)?,
    }
    if let Some((kind, code)) = original.icmp_type_code() {
        return write!(f, " --{name}-type {kind} --{name}-code {code} --{name}-id {}", original.source_port);
    }
    let words = match original.protocol() {
        Protocol::TCP | Protocol::UDP | Protocol::UDPLITE | Protocol::SCTP => {
            ["sport", "dport", "reply-port-src", "reply-port-dst"]
        }
        Protocol::GRE => ["srckey", "dstkey", "reply-key-src", "reply-key-dst"],
        _ => return Ok(()),
    };
    let values = [original.source_port, original.destination_port, reply.source_port, reply.destination_port];
    words.iter().zip(values).try_for_each(|(word, value)| write!(f, " --{word} {value}"))
}

/// What `-u` takes.
struct Bits(Status);

impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = SAVED_BITS.iter().filter(|(bit, _)| self.0.contains(*bit)).map(|(_, word)| *word);
        f.write_str(words.next().unwrap_or("UNSET"))?;
        words.try_for_each(|word| write!(f, ",{word}"))
    }
}

#[rustfmt::skip]
static SAVED_BITS: [(Status, &str); 4] = [
    (Status::EXPECTED,      "EXPECTED"),
    (Status::SEEN_REPLY,    "SEEN_REPLY"),
    (Status::ASSURED,       "ASSURED"),
    (Status::FIXED_TIMEOUT, "FIXED_TIMEOUT"),
];
