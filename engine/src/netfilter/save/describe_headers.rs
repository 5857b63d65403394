//! Matches of extension headers as `ip6tables -L -n` describes them, and `iptables -L -n` those that IPv4 has too.

use alloc::{format, string::String};

use super::describe::Item;

/// The description of a match, of its options.
pub(super) fn describe(name: &str, items: &[Item]) -> String {
    // Some end in a blank, which the first number then needs not.
    let mut text = String::from(match name {
        "ah" => "ah ",
        "frag" => "frag ",
        "eui64" => "eui64 ",
        other => other,
    });
    for item in items {
        text.push_str(&part(item));
    }
    text
}

fn part(item: &Item) -> String {
    let (not, value) = (item.not(), item.value());
    match item.name.as_str() {
        "ahspi" => numbers("spi", item),
        "espspi" => format!(" {}", numbers("spi", item)),
        "ahlen" => format!("length:{not}{value}"),
        "fragid" => numbers("id", item),
        "rt-segsleft" => format!(" {}", numbers("segsleft", item)),
        "fraglen" | "rt-len" | "hbh-len" | "dst-len" => format!(" length:{not}{value}"),
        "ahres" | "fragres" | "rt-0-res" => " reserved".into(),
        "fragfirst" => " first".into(),
        "fragmore" => " more".into(),
        "fraglast" => " last".into(),
        // The tool takes a number without a sign and shows it with one.
        "rt-type" => format!(" type:{not}{}", value.parse::<u32>().unwrap_or_default().cast_signed()),
        "rt-0-addrs" => format!(" 0-addrs {value}"),
        "rt-0-not-strict" => " 0-not-strict".into(),
        "hbh-opts" | "dst-opts" => format!(" opts {value}"),
        "header" => format!(" flags:{not}0x{:02X}", crate::netfilter::matches::header_bits(value)),
        "mh-type" => format!(" {not}{value}"),
        flag => format!(" {flag}"),
    }
}

fn numbers(name: &str, item: &Item) -> String {
    let plural = if item.value().contains(':') { "s" } else { "" };
    format!("{name}{plural}:{}{}", item.not(), item.value())
}
