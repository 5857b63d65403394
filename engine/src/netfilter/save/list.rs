//! Writes a table as `iptables -L -n` and `ip6tables -L -n` do (iptables 1.8.9, legacy).

use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
};
use core::fmt::Write;

use super::{Tables, describe::describe};
use crate::{
    conntrack::{Counter, Family},
    netfilter::{
        TableName,
        header::{Header, Interface, Network, Not},
        program::Place,
        rule::{Jump, Rule},
        table::{Chain, Table},
    },
};

/// What a listing shows beside targets, protocols, addresses and matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ListOptions {
    /// `-v`: counters and devices.
    pub verbose: bool,
    /// `-x`: counters in full, not in thousands and millions.
    pub exact: bool,
    /// `--line-numbers`.
    pub numbers: bool,
}

/// Writes all chains of a table. One that was never named has empty chains that accept.
pub(in crate::netfilter) fn list(
    tables: &Tables,
    name: TableName,
    options: ListOptions,
    count: impl Fn(Place) -> Counter,
) -> String {
    let empty = Table::new(name);
    let table = tables.tables[name as usize].as_ref().unwrap_or(&empty);
    let mut references = BTreeMap::new();
    for chain in table.chains.iter().flat_map(|chain| &chain.rules).filter_map(|rule| rule.jump.chain()) {
        *references.entry(chain).or_default() += 1;
    }
    let mut out = String::new();
    for (index, chain) in table.chains.iter().enumerate() {
        let at = |rule: usize| Place { table: name, chain: index as u32, rule: rule as u32 };
        if index > 0 {
            out.push('\n');
        }
        let referred = references.get(chain.name.as_str()).copied().unwrap_or_default();
        write_head(&mut out, chain, referred, options, count(at(chain.rules.len())));
        for (number, rule) in chain.rules.iter().enumerate() {
            write_rule(&mut out, tables.family, rule, options, (number + 1, count(at(number))));
        }
    }
    out
}

fn write_head(out: &mut String, chain: &Chain, references: usize, options: ListOptions, counter: Counter) {
    // Writing to a String cannot fail.
    let _ = match chain.policy {
        Some(policy) => {
            let word = if policy.accept { "ACCEPT" } else { "DROP" };
            let counts = options.verbose.then(|| {
                let text = |number| number_text(number, options.exact, 0);
                format!(" {} packets, {} bytes", text(counter.packets), text(counter.bytes))
            });
            writeln!(out, "Chain {} (policy {word}{})", chain.name, counts.unwrap_or_default())
        }
        None => writeln!(out, "Chain {} ({references} references)", chain.name),
    };
    if options.numbers {
        out.push_str("num  ");
    }
    if options.verbose {
        // With full counters the tool's heading is wider than what stands below it.
        out.push_str(if options.exact { "    pkts      bytes " } else { " pkts bytes " });
    }
    out.push_str("target     prot opt");
    if options.verbose {
        out.push_str(" in     out    ");
    }
    let _ = writeln!(out, " {:<19}  {:<19} ", "source", "destination");
}

fn write_rule(
    out: &mut String,
    family: Family,
    rule: &Rule,
    options: ListOptions,
    (number, counter): (usize, Counter),
) {
    let header = &rule.header;
    if options.numbers {
        let _ = write!(out, "{number:<4} ");
    }
    if options.verbose {
        let width = count_width(options.exact);
        for count in [counter.packets, counter.bytes] {
            let _ = write!(out, "{} ", number_text(count, options.exact, width));
        }
    }
    let _ = write!(out, "{:<9} ", target(&rule.jump));
    let protocol = header.protocol.map_or(0, |protocol| protocol.what.0);
    let sign = if header.protocol.is_some_and(|protocol| protocol.inverted) { '!' } else { ' ' };
    let _ = write!(out, "{sign}{protocol:<4} ");
    out.push_str(match header.fragment {
        None => "-- ",
        Some(Not { inverted: false, .. }) => "-f ",
        Some(Not { inverted: true, .. }) => "!f ",
    });
    if options.verbose {
        let _ = write!(out, " {:<6} {:<6} ", device(&header.input), device(&header.output));
    }
    write_addresses(out, family, header);
    if matches!(rule.jump, Jump::Goto(_)) {
        out.push_str("[goto] ");
    }
    for condition in &rule.matches {
        let mut words = String::new();
        condition.print_listed(&mut words);
        describe(condition.name(), &words, out);
    }
    if let Jump::Target(target) = &rule.jump {
        let mut words = String::new();
        target.print(&mut words);
        describe(target.name(), &words, out);
    }
    out.push('\n');
}

fn target(jump: &Jump) -> &str {
    match jump {
        Jump::Nothing => "",
        Jump::Accept => "ACCEPT",
        Jump::Drop => "DROP",
        Jump::Return => "RETURN",
        Jump::Chain(name) | Jump::Goto(name) => name,
        // The tool lists it by the name of what the kernel makes of it.
        Jump::Target(target) if target.name() == "NOTRACK" => "CT",
        Jump::Target(target) => target.name(),
    }
}

fn write_addresses(out: &mut String, family: Family, header: &Header) {
    for network in [header.source, header.destination] {
        let sign = if network.is_some_and(|network| network.inverted) { '!' } else { ' ' };
        let _ = write!(out, "{sign}{:<19} ", address(family, network.map(|network| network.what)));
    }
}

/// An address without a mask that says nothing.
fn address(family: Family, network: Option<Network>) -> String {
    let mut text = String::new();
    match (network, family) {
        (Some(network), _) => network.print_short(&mut text),
        (None, Family::Ipv4) => text.push_str("0.0.0.0/0"),
        (None, Family::Ipv6) => text.push_str("::/0"),
    }
    text
}

fn device(device: &Option<Not<Interface>>) -> String {
    match device {
        None => "*".into(),
        Some(Not { inverted, what }) => {
            let mut text = String::from(if *inverted { "!" } else { "" });
            what.print(&mut text);
            text
        }
    }
}

const fn count_width(exact: bool) -> usize {
    if exact { 8 } else { 5 }
}

/// A count in full, or from 100 000 on in thousands, millions, milliards or billions.
fn number_text(number: u64, exact: bool, width: usize) -> String {
    if exact || number <= 99_999 {
        return format!("{number:>width$}");
    }
    let mut number = number;
    let mut unit = 'K';
    for next in ['K', 'M', 'G', 'T'] {
        // The tool's own arithmetic goes round, too.
        number = number.wrapping_add(500) / 1000;
        unit = next;
        if number <= 9999 {
            break;
        }
    }
    let text = number.to_string();
    format!("{text:>width$}{unit}", width = width.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn a_count_is_shortened_as_the_tool_shortens_it_to_the_last_one_there_is() {
        for (number, exact, text) in [
            (99_999,                     false, "99999"),
            (100_000,                    false, "100K"),
            (9_999_499,                  false, "9999K"),
            (9_999_500,                  false, "10M"),
            (18_446_744_073_709_551_115, false, "18446744T"),
            (u64::MAX,                   false, "0K"),
            (u64::MAX,                   true,  "18446744073709551615"),
        ] {
            assert_eq!(number_text(number, exact, 0), text);
        }
    }
}
