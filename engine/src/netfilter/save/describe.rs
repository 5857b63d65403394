//! Matches and targets as `iptables -L -n` describes them (iptables 1.8.9, legacy).
//!
//! The words of `iptables-save` hold everything; a description is the same words in another order and dress. Why not one
//! more method for each match: what differs is dress alone, and stands better side by side.

use alloc::{format, string::String, vec::Vec};
use core::fmt::Write;

use super::{
    describe_headers,
    text::{Word, words},
};

/// An option as it is saved.
pub(super) struct Item {
    pub(super) inverted: bool,
    pub(super) name: String,
    /// As they are written, with quotes.
    pub(super) values: Vec<String>,
}

/// Writes a description with a blank before it; `saved` is what `iptables-save` prints behind the name.
pub(super) fn describe(name: &str, saved: &str, out: &mut String) {
    let items = items(saved);
    let text = match name {
        "tcp" | "udp" | "sctp" | "dccp" => ports(name, &items),
        "icmp" => icmp("icmp", &items),
        "icmp6" => icmp("ipv6-icmp", &items),
        "ah" | "esp" | "frag" | "rt" | "hbh" | "dst" | "ipv6header" | "mh" | "eui64" => {
            describe_headers::describe(name, &items)
        }
        "SNPT" | "DNPT" => joined(name, &plain(&items)),
        "MARK" | "CONNMARK" => mark(name, &items),
        "time" => time(&items),
        "hashlimit" => hashlimit(&items),
        "recent" => recent(&items),
        "LOG" => log(&items),
        "comment" => format!("/* {} */", bare(saved)),
        "conntrack" | "state" | "set" | "REJECT" | "NFLOG" | "SET" => plain(&items),
        "rpfilter" | "statistic" | "CT" | "NOTRACK" => joined(name, &plain(&items)).replace(" packet 0", ""),
        "socket" => format!("socket{saved}"),
        "SNAT" | "DNAT" | "NETMAP" | "MASQUERADE" | "REDIRECT" => translation(name, &items),
        "TRACE" => String::new(),
        _ => simple(name, &items),
    };
    if !text.is_empty() {
        // One is written without a blank before it.
        out.push_str(if name == "eui64" { "" } else { " " });
        out.push_str(&text);
    }
}

/// Splits saved words into options.
fn items(saved: &str) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    let mut inverted = false;
    // What is printed has no open quotes.
    for word in words(saved, 1).unwrap_or_default() {
        match word.text.strip_prefix("--") {
            _ if word.is_invert() => inverted = true,
            Some(name) if word.is_option() => {
                items.push(Item { inverted: core::mem::take(&mut inverted), name: name.into(), values: Vec::new() });
            }
            Some(_) | None => {
                if let Some(item) = items.last_mut() {
                    item.values.push(quoted(&word));
                }
            }
        }
    }
    items
}

fn quoted(word: &Word) -> String {
    if !word.quoted {
        return word.text.clone();
    }
    let mut text = String::new();
    super::text::print_text(&mut text, &word.text);
    text.trim_start().into()
}

/// What stands between the quotes, or the word when there are none.
fn bare(saved: &str) -> String {
    let word = words(saved, 1).unwrap_or_default().pop();
    word.map(|word| word.text).unwrap_or_default()
}

impl Item {
    pub(super) fn value(&self) -> &str {
        self.values.first().map_or("", String::as_str)
    }

    /// `!` when it is inverted.
    pub(super) const fn not(&self) -> &'static str {
        if self.inverted { "!" } else { "" }
    }

    /// `! ` when it is inverted.
    const fn not_apart(&self) -> &'static str {
        if self.inverted { "! " } else { "" }
    }
}

fn find<'a>(items: &'a [Item], name: &str) -> Option<&'a Item> {
    items.iter().find(|item| item.name == name)
}

fn joined(name: &str, rest: &str) -> String {
    if rest.is_empty() { name.into() } else { format!("{name} {rest}") }
}

/// The options as they are saved, without dashes.
fn plain(items: &[Item]) -> String {
    let text = |item: &Item| {
        let mut text = format!("{}{}", item.not_apart(), item.name);
        item.values.iter().for_each(|value| {
            let _ = write!(text, " {value}");
        });
        text
    };
    items.iter().map(text).collect::<Vec<_>>().join(" ")
}

/// Descriptions that are one sentence for each option, behind one that is the same for all.
fn simple(name: &str, items: &[Item]) -> String {
    let mut text = String::from(match name {
        "multiport" => "multiport",
        "addrtype" => "ADDRTYPE match",
        "ecn" => "ECN match",
        "string" => "STRING match ",
        "connlabel" => "connlabel",
        "CLASSIFY" => "CLASSIFY set",
        "TEE" => "TEE",
        "limit" if find(items, "limit-burst").is_none() => return format!("{} burst 5", simple_limit(items)),
        _ => "",
    });
    for item in items {
        let part = sentence(name, item, items);
        if !part.is_empty() {
            text.push_str(if text.is_empty() || part.starts_with('~') { "" } else { " " });
            text.push_str(part.trim_start_matches('~'));
        }
    }
    text
}

fn simple_limit(items: &[Item]) -> String {
    format!("limit: avg {}", find(items, "limit").map_or("", Item::value))
}

/// One option's part; a `~` before it: no blank comes before it.
fn sentence(name: &str, item: &Item, items: &[Item]) -> String {
    let (not, apart, value) = (item.not(), item.not_apart(), item.value());
    match (name, item.name.as_str()) {
        ("multiport", ends) => format!("{ends} {}{value}", if item.inverted { " !" } else { "" }),
        ("iprange", "src-range") => format!("source IP range {apart}{value}"),
        ("iprange", _) => format!("destination IP range {apart}{value}"),
        ("mark", _) => format!("mark match {apart}{value}"),
        ("connmark", _) => format!("connmark match {}{value}", if item.inverted { "! " } else { " " }),
        ("limit", "limit") => format!("limit: avg {value}"),
        ("limit", _) => format!("burst {value}"),
        ("addrtype", "limit-iface-in") => "limit-in".into(),
        ("addrtype", "limit-iface-out") => "limit-out".into(),
        ("addrtype", option) => format!("{option} {not}{value}"),
        ("length", _) => format!("length {not}{value}"),
        ("ttl" | "hl", option) => hops(name, option, item),
        ("tos", _) => format!("tos match{not}{value}"),
        ("dscp", _) => format!("DSCP match {not}{value}"),
        ("mac", _) => format!("MAC {apart}{value}"),
        ("pkttype", _) => format!("PKTTYPE {}= {value}", not),
        ("helper", _) => format!("helper match {apart}\"{}\"", bare(value)),
        ("connlimit", "connlimit-mask") => connlimit(items),
        ("connlimit", _) => String::new(),
        ("connbytes", "connbytes") => format!("{apart}connbytes {value}"),
        ("connbytes", "connbytes-mode") => format!("connbytes mode {value}"),
        ("connbytes", _) => format!("connbytes direction {value}"),
        ("connlabel", "label") => format!("{apart}{}", bare(value)),
        ("ecn", "ecn-tcp-ece") => format!("{not}ECE"),
        ("ecn", "ecn-tcp-cwr") => format!("{not}CWR"),
        ("ecn", _) => format!("{not}ECT={value}"),
        ("tcpmss", _) => format!("tcpmss match {not}{value}"),
        ("u32", _) => format!("u32 {apart}\"{}\"", bare(value)),
        ("string", "string" | "hex-string") => {
            format!("~{}{}", if item.inverted { "! " } else { " " }, always_quoted(value))
        }
        ("string", "algo") => format!("ALGO name {value}"),
        ("string", "icase") => "ICASE".into(),
        ("string", option) => format!("{} {value}", option.to_ascii_uppercase()),
        _ => target_sentence(name, item),
    }
}

fn hops(name: &str, option: &str, item: &Item) -> String {
    let sign = match (option, item.inverted) {
        ("ttl-lt" | "hl-lt", _) => "<",
        ("ttl-gt" | "hl-gt", _) => ">",
        (_, true) => "!=",
        (_, false) => "==",
    };
    let name = name.to_ascii_uppercase();
    format!("{name} match {name} {sign} {}", item.value())
}

fn target_sentence(name: &str, item: &Item) -> String {
    let value = item.value();
    match (name, item.name.as_str()) {
        ("TTL" | "HL", "ttl-set" | "hl-set") => format!("{name} set to {value}"),
        ("TTL" | "HL", "ttl-dec" | "hl-dec") => format!("{name} decrement by {value}"),
        ("TTL" | "HL", _) => format!("{name} increment by {value}"),
        ("TOS", _) => format!("TOS set {value}"),
        ("DSCP", _) => format!("DSCP set {value}"),
        ("TCPMSS", "set-mss") => format!("TCPMSS set {value}"),
        ("TCPMSS", _) => "TCPMSS clamp to PMTU".into(),
        ("TEE", "gateway") => format!("gw:{value}"),
        ("TEE", _) => format!("oif={value}"),
        ("AUDIT", _) => format!("AUDIT {value}"),
        ("CHECKSUM", _) => "CHECKSUM fill".into(),
        ("CLASSIFY", _) => {
            let numbers = value.split(':').map(|number| number.trim_start_matches('0'));
            numbers.map(|number| if number.is_empty() { "0" } else { number }).collect::<Vec<_>>().join(":")
        }
        (_, option) => String::from(option),
    }
}

fn always_quoted(value: &str) -> String {
    let mut out = String::from("\"");
    for letter in bare(value).chars() {
        if matches!(letter, '"' | '\\') {
            out.push('\\');
        }
        out.push(letter);
    }
    out.push('"');
    out
}

fn connlimit(items: &[Item]) -> String {
    let prefix = find(items, "connlimit-mask").map_or("", Item::value);
    let end = if find(items, "connlimit-daddr").is_some() { "dst" } else { "src" };
    let (sign, limit) = match (find(items, "connlimit-above"), find(items, "connlimit-upto")) {
        (Some(above), _) => (">", above.value()),
        (None, upto) => ("<=", upto.map_or("", Item::value)),
    };
    format!("#conn {end}/{prefix} {sign} {limit}")
}

fn ports(name: &str, items: &[Item]) -> String {
    let mut text = String::from(name);
    for item in items {
        let (not, value) = (item.not(), item.value());
        let _ = match item.name.as_str() {
            // The tool takes all ports for none asked, but for SCTP.
            "sport" | "dport" if value == "0:65535" && !item.inverted => Ok(()),
            end @ ("sport" | "dport") => {
                let short = if end == "sport" { "spt" } else { "dpt" };
                let plural = if value.contains(':') { "s" } else { "" };
                write!(text, " {short}{plural}:{not}{value}")
            }
            "dccp-types" => write!(text, " {}{}", item.not_apart(), packet_types(value)),
            "dccp-option" => write!(text, " option={not}{value}"),
            "tcp-option" => write!(text, " option={not}{value}"),
            "tcp-flags" => {
                let bits = |index: usize| item.values.get(index).map_or(0, |names| flags(names));
                write!(text, " flags:{not}0x{:02X}/0x{:02X}", bits(0), bits(1))
            }
            "chunk-types" => {
                let kinds = item.values.get(1).map_or("", String::as_str);
                write!(text, " {}{value} {}", item.not_apart(), chunks(kinds))
            }
            _ => Ok(()),
        };
    }
    text
}

fn flags(names: &str) -> u8 {
    let bit = |name: &str| match name {
        "FIN" => 0x01,
        "SYN" => 0x02,
        "RST" => 0x04,
        "PSH" => 0x08,
        "ACK" => 0x10,
        "URG" => 0x20,
        _ => 0,
    };
    names.split(',').map(bit).sum()
}

/// Types of DCCP packets by their numbers.
fn packet_types(names: &str) -> String {
    let bits = names.split(',').map(crate::netfilter::matches::type_bits).fold(0, |all, bits| all | bits);
    let set = (0..u16::BITS).filter(|kind| bits & 1 << kind != 0);
    set.map(|kind| format!("{kind}")).collect::<Vec<_>>().join(",")
}

fn chunks(kinds: &str) -> String {
    let text = |kind: &str| {
        let (name, letters) = kind.split_once(':').map_or((kind, None), |(name, letters)| (name, Some(letters)));
        let number = crate::netfilter::matches::chunk_number(name);
        let number = number.map_or_else(|| name.into(), |number| format!("0x{number:04X}"));
        letters.map_or_else(|| number.clone(), |letters| format!("{number}:{letters}"))
    };
    kinds.split(',').map(text).collect::<Vec<_>>().join(",")
}

fn icmp(protocol: &str, items: &[Item]) -> String {
    let Some(item) = items.first() else { return protocol.into() };
    let value = item.value().replace("any", "255");
    let start = if item.inverted { " !type" } else { "type" };
    match value.split_once('/') {
        Some((kind, code)) => format!("{protocol}{start} {kind} code {code}"),
        None => format!("{protocol}{start} {value}"),
    }
}

/// `--set-xmark` and its like by the most telling name.
fn mark(name: &str, items: &[Item]) -> String {
    let number = |text: &str| u32::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or(0);
    if let Some(item) = find(items, "set-xmark") {
        let (value, mask) = item.value().split_once('/').unwrap_or((item.value(), "0xffffffff"));
        let (value, mask) = (number(value), number(mask));
        let text = match (value, mask) {
            (0, mask) => format!("{name} and {:#x}", !mask),
            (value, mask) if value == mask => format!("{name} or {value:#x}"),
            (value, 0) => format!("{name} xor {value:#x}"),
            (value, u32::MAX) => format!("{name} set {value:#x}"),
            (value, mask) => format!("{name} xset {value:#x}/{mask:#x}"),
        };
        return text + &shifts(items);
    }
    let mask = |option: &str| find(items, option).map_or(u32::MAX, |item| number(item.value()));
    let (packet, connection) = (mask("nfmask"), mask("ctmask"));
    let saves = find(items, "save-mark").is_some();
    let mut text = format!("{name} {}", if saves { "save" } else { "restore" });
    let _ = match (packet == connection, saves) {
        (true, _) if packet == u32::MAX => Ok(()),
        (true, _) => write!(text, " mask {packet:#x}"),
        (false, true) => write!(text, " nfmask {packet:#x} ctmask ~{connection:#x}"),
        (false, false) => write!(text, " ctmask {connection:#x} nfmask ~{packet:#x}"),
    };
    text + &shifts(items)
}

fn shifts(items: &[Item]) -> String {
    let shifts = items.iter().filter(|item| item.name.ends_with("shift-mark"));
    shifts.map(|item| format!(" {} {}", item.name, item.value())).collect()
}

fn time(items: &[Item]) -> String {
    let mut text = String::from("TIME");
    let value = |name: &str| find(items, name).map(Item::value);
    if let (Some(start), Some(stop)) = (value("timestart"), value("timestop")) {
        let _ = write!(text, " from {start} to {stop}");
    }
    if let Some(days) = value("weekdays") {
        let _ = write!(text, " on {days}");
    }
    if let Some(days) = value("monthdays") {
        let day = |day: &str| {
            let end = match day.bytes().last() {
                Some(b'1') => "st",
                Some(b'2') => "nd",
                Some(b'3') => "rd",
                Some(_) | None => "th",
            };
            format!("{day}{end}")
        };
        let _ = write!(text, " on {}", days.split(',').map(day).collect::<Vec<_>>().join(","));
    }
    if let Some(date) = value("datestart") {
        let _ = write!(text, " starting from {}", date.replace('T', " "));
    }
    if let Some(date) = value("datestop").filter(|date| *date != "2038-01-19T03:14:07") {
        let _ = write!(text, " until date {}", date.replace('T', " "));
    }
    if find(items, "kerneltz").is_none() {
        text.push_str(" UTC");
    }
    if find(items, "contiguous").is_some() {
        text.push_str(" contiguous");
    }
    text
}

fn hashlimit(items: &[Item]) -> String {
    let mut text = String::from("limit:");
    for item in items.iter().filter(|item| item.name != "hashlimit-name") {
        let value = item.value();
        let _ = match item.name.trim_start_matches("hashlimit-") {
            "upto" => write!(text, " up to {value}"),
            "mode" => write!(text, " mode {}", value.replace(',', "-")),
            "rate-match" => write!(text, " rate-match"),
            option => write!(text, " {option} {value}"),
        };
    }
    text
}

fn recent(items: &[Item]) -> String {
    let mut text = String::new();
    for item in items {
        let value = item.value();
        let _ = match item.name.as_str() {
            "set" => write!(text, "{}recent: SET", item.not_apart()),
            "rcheck" => write!(text, "{}recent: CHECK", item.not_apart()),
            "update" => write!(text, "{}recent: UPDATE", item.not_apart()),
            "remove" => write!(text, "{}recent: REMOVE", item.not_apart()),
            "seconds" => write!(text, " seconds: {value}"),
            "reap" => write!(text, " reap"),
            "hitcount" => write!(text, " hit_count: {value}"),
            "rttl" => write!(text, " TTL-Match"),
            "name" => {
                let side = if find(items, "rdest").is_some() { "dest" } else { "source" };
                let mask = find(items, "mask").map_or("", Item::value);
                write!(text, " name: {value} side: {side} mask: {mask}")
            }
            _ => Ok(()),
        };
    }
    text
}

fn log(items: &[Item]) -> String {
    let bit = |item: &Item| match item.name.as_str() {
        "log-tcp-sequence" => 0x01,
        "log-tcp-options" => 0x02,
        "log-ip-options" => 0x04,
        "log-uid" => 0x08,
        "log-macdecode" => 0x20,
        _ => 0,
    };
    let flags: u8 = items.iter().map(bit).sum();
    let level = find(items, "log-level").map_or("4", Item::value);
    let prefix = find(items, "log-prefix").map(|item| format!(" prefix \"{}\"", bare(item.value())));
    format!("LOG flags {flags} level {level}{}", prefix.unwrap_or_default())
}

fn translation(name: &str, items: &[Item]) -> String {
    let mut parts: Vec<String> = Vec::new();
    for item in items {
        parts.push(match (name, item.name.as_str()) {
            ("MASQUERADE", "to-ports") => format!("masq ports: {}", item.value()),
            ("REDIRECT", "to-ports") => format!("redir ports {}", item.value()),
            (_, "to-source" | "to-destination" | "to") => format!("to:{}", item.value()),
            (_, flag) => String::from(flag),
        });
    }
    parts.join(" ")
}
