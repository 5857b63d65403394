//! Parts of what a rule set prints, as iptables(8) shows them: one chain of a listing (`-L CHAIN`), and rules as the options that
//! make them (`-S`).

use anyhow::{Context, Result};

/// iptables' own words.
const NO_CHAIN: &str = "No chain/target/match by that name.";

/// One chain of what `iptables -L` lists.
///
/// # Errors
/// When there is no such chain.
pub(super) fn one(listing: &str, chain: &str) -> Result<String> {
    let head = format!("Chain {chain} ");
    let found = listing.split("\n\n").find(|part| part.starts_with(&head)).context(NO_CHAIN)?;
    Ok(format!("{}\n", found.trim_end_matches('\n')))
}

/// What `iptables -S` prints of a table, of one chain if that is named. `saved` is what iptables-save prints with counters.
///
/// # Errors
/// When there is no such chain.
pub(super) fn options(saved: &str, table: &str, chain: Option<&str>, counters: bool) -> Result<String> {
    let head = format!("*{table}");
    let lines = saved.lines().skip_while(|line| *line != head).skip(1).take_while(|line| *line != "COMMIT");
    let (mut chains, mut rules) = (String::new(), String::new());
    for line in lines {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match (words.as_slice(), line.strip_prefix(':')) {
            (&[_, policy, counted, ..], Some(rest)) => {
                let name = rest.split(' ').next().unwrap_or_default();
                if chain.is_some_and(|chain| chain != name) {
                    continue;
                }
                chains.push_str(&match policy {
                    "-" => format!("-N {name}\n"),
                    policy if counters => format!("-P {name} {policy}{}\n", counter(counted)),
                    policy => format!("-P {name} {policy}\n"),
                });
            }
            (&[counted, "-A", name, ..], None) if chain.is_none_or(|chain| chain == name) => {
                let rule = &line[counted.len() + 1..];
                let (matches, target) = rule.split_at(target_at(rule));
                let counter = if counters { counter(counted) } else { String::new() };
                rules.push_str(&format!("{matches}{counter}{target}\n"));
            }
            _ => {}
        }
    }
    if chains.is_empty() && chain.is_some() {
        return Err(anyhow::anyhow!(NO_CHAIN));
    }
    Ok(chains + &rules)
}

/// Counters as an option: `[1:2]` is ` -c 1 2`.
fn counter(saved: &str) -> String {
    format!(" -c {}", saved.trim_matches(['[', ']']).replace(':', " "))
}

/// Where the target of a rule starts, with the blank before it; at its end when it has none.
fn target_at(rule: &str) -> usize {
    let mut is_quoted = false;
    let mut before = '"';
    for (at, letter) in rule.char_indices() {
        match letter {
            '"' if before != '\\' => is_quoted = !is_quoted,
            ' ' if !is_quoted && (rule[at..].starts_with(" -j ") || rule[at..].starts_with(" -g ")) => return at,
            _ => {}
        }
        before = if before == '\\' { ' ' } else { letter };
    }
    rule.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAVED: &str = "*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n*filter\n:INPUT DROP [7:8]\n:foo - [0:0]\n\
                         [1:2] -A INPUT -m comment --comment \"a \\\" -j b\" -j foo\n[3:4] -A foo -p tcp\nCOMMIT\n";

    /// As iptables-legacy 1.8.9 has printed them.
    #[test]
    fn rules_are_the_options_that_make_them() {
        assert_eq!(
            options(SAVED, "filter", None, false).unwrap(),
            "-P INPUT DROP\n-N foo\n-A INPUT -m comment --comment \"a \\\" -j b\" -j foo\n-A foo -p tcp\n"
        );
        assert_eq!(
            options(SAVED, "filter", Some("INPUT"), true).unwrap(),
            "-P INPUT DROP -c 7 8\n-A INPUT -m comment --comment \"a \\\" -j b\" -c 1 2 -j foo\n"
        );
        assert_eq!(options(SAVED, "filter", Some("foo"), true).unwrap(), "-N foo\n-A foo -p tcp -c 3 4\n");
        assert_eq!(options(SAVED, "filter", Some("bar"), false).unwrap_err().to_string(), NO_CHAIN);
        assert_eq!(options(SAVED, "nat", None, false).unwrap(), "-P PREROUTING ACCEPT\n");
    }

    #[test]
    fn one_chain_is_listed_with_its_rules() {
        let listing = "Chain INPUT (policy ACCEPT)\ntarget\nDROP\n\nChain foo (1 references)\ntarget\n";
        assert_eq!(one(listing, "INPUT").unwrap(), "Chain INPUT (policy ACCEPT)\ntarget\nDROP\n");
        assert_eq!(one(listing, "foo").unwrap(), "Chain foo (1 references)\ntarget\n");
        assert!(one(listing, "fo").is_err());
    }
}
