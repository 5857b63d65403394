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
            // The real tool reads and writes their bytes in the order of its machine, which is little-endian.
            let [original, reply] = sctp.tags.map(u32::swap_bytes);
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

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::conntrack::{Address, Family, SctpEntry, SctpState, Zone};

    /// The line is the real tool's, for an INIT whose tag is 5.
    #[test]
    fn tags_of_sctp_are_saved_as_the_real_tool_reads_them() {
        let original = Tuple {
            source: Address::v4([192, 168, 1, 10]),
            destination: Address::v4([198, 51, 100, 7]),
            source_port: 5,
            destination_port: 6,
            protocol: Protocol::SCTP.0,
            family: Family::Ipv4,
        };
        let entry = Entry {
            serial: 1,
            original,
            reply: original.inverted().expect("it has answers"),
            status: Status::CONFIRMED,
            zone: Zone::DEFAULT,
            timeout_secs: Some(9),
            tcp: None,
            sctp: Some(SctpEntry { state: SctpState::Closed, tags: [0, 5] }),
            helper: None,
            policy: None,
            mark: Some(0),
            master: None,
            adjustments: None,
            counters: None,
            life: None,
            labels: None,
            uses: Some(1),
        };
        assert_eq!(
            ConnectionSave { entry: &entry, change: None }.to_string(),
            "-A -t 9 -u UNSET -s 192.168.1.10 -d 198.51.100.7 -r 198.51.100.7 -q 192.168.1.10 -p sctp --sport 5 --dport 6 \
             --reply-port-src 6 --reply-port-dst 5 --state CLOSED --orig-vtag 0 --reply-vtag 83886080"
        );
    }
}
