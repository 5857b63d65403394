//! Words of a line, as iptables-restore splits it: blanks separate, double quotes hold together, a backslash inside
//! quotes takes the next character as it is. A closing quote ends the word.

use alloc::{string::String, vec::Vec};
use core::{
    fmt::{self, Write},
    net::{IpAddr, Ipv4Addr},
};

use crate::netfilter::{
    error::{Fault, Flaw},
    header::Not,
};

/// A word and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::netfilter) struct Word {
    pub(in crate::netfilter) text: String,
    /// In characters, from 1.
    pub(in crate::netfilter) column: u32,
    /// Part of it was quoted: it is never an option or a `!`.
    pub(in crate::netfilter) quoted: bool,
}

impl Word {
    /// Whether it looks like an option (`-A`, `--dport`), not like a value.
    pub(in crate::netfilter) fn is_option(&self) -> bool {
        !self.quoted && self.text.len() > 1 && self.text.starts_with('-')
    }

    /// Whether it is the `!` that inverts what follows.
    pub(in crate::netfilter) fn is_invert(&self) -> bool {
        !self.quoted && self.text == "!"
    }

    /// That this word is not `wants`.
    pub(in crate::netfilter) fn bad(&self, wants: &'static str) -> Flaw {
        Fault::BadValue { value: self.text.clone(), wants }.at(self.column)
    }
}

/// Splits a line into words. `first` is the column of its first character.
pub(in crate::netfilter) fn words(line: &str, first: u32) -> Result<Vec<Word>, Flaw> {
    let mut words = Vec::new();
    let mut open: Option<Word> = None;
    let mut quote_at = None;
    let mut escaped = false;
    for (column, letter) in (first..).zip(line.chars()) {
        let start = || Word { text: String::new(), column, quoted: false };
        match (letter, quote_at) {
            (_, Some(_)) if escaped => {
                open.get_or_insert_with(start).text.push(letter);
                escaped = false;
            }
            ('\\', Some(_)) => escaped = true,
            ('"', Some(_)) => {
                quote_at = None;
                words.extend(open.take());
            }
            ('"', None) => {
                open.get_or_insert_with(start).quoted = true;
                quote_at = Some(column);
            }
            (' ' | '\t' | '\r', None) => words.extend(open.take()),
            (letter, _) => open.get_or_insert_with(start).text.push(letter),
        }
    }
    if let Some(column) = quote_at {
        return Err(Fault::OpenQuote.at(column));
    }
    words.extend(open);
    Ok(words)
}

/// Writes a blank and a text value, quoted where the tool quotes it (iptables 1.8.9: `xtables_save_string()`).
pub(in crate::netfilter) fn print_text(out: &mut String, text: &str) {
    out.push(' ');
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-') {
        out.push_str(text);
        return;
    }
    out.push('"');
    for letter in text.chars() {
        if matches!(letter, '"' | '\\' | '\'') {
            out.push('\\');
        }
        out.push(letter);
    }
    out.push('"');
}

/// An address as the tool writes it: the C library writes the last four bytes as IPv4 does where six words of zeros stand
/// before them.
#[derive(Clone, Copy, Debug)]
pub(in crate::netfilter) struct Written(pub(in crate::netfilter) IpAddr);

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V6(v6) if v6.segments()[..6] == [0; 6] && v6.segments()[6] != 0 => {
                write!(f, "::{}", Ipv4Addr::from_bits(v6.to_bits() as u32))
            }
            address @ (IpAddr::V4(_) | IpAddr::V6(_)) => write!(f, "{address}"),
        }
    }
}

/// Writes ` !` before an option that is inverted.
pub(in crate::netfilter) fn print_not(out: &mut String, inverted: bool) {
    if inverted {
        out.push_str(" !");
    }
}

/// Writes the option of that name with a port or a range of them.
pub(in crate::netfilter) fn print_ports(out: &mut String, name: &str, asked: Not<(u16, u16)>) {
    let Not { inverted, what: (low, high) } = asked;
    print_not(out, inverted);
    let _ = match low == high {
        true => write!(out, " --{name} {low}"),
        false => write!(out, " --{name} {low}:{high}"),
    };
}

/// Writes a blank, and a number and its mask as the tool writes marks: without a mask when all bits count.
pub(in crate::netfilter) fn print_mark(out: &mut String, value: u32, mask: u32) {
    let _ = match mask {
        u32::MAX => write!(out, " {value:#x}"),
        mask => write!(out, " {value:#x}/{mask:#x}"),
    };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(line: &str) -> Vec<String> {
        words(line, 1).expect("no open quote").into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn quotes_hold_together_and_a_closing_quote_ends_the_word() {
        assert_eq!(texts("-A  X\t\"a b\"c d\"e f\" \"\""), ["-A", "X", "a b", "c", "de f", ""]);
        assert_eq!(texts(r#""a \" \\ \'" it's \x"#), ["a \" \\ '", "it's", "\\x"]);
    }

    #[test]
    fn an_open_quote_is_refused_where_it_opens() {
        assert_eq!(words("-m comment \"a b", 1), Err(Fault::OpenQuote.at(12)));
    }

    #[test]
    fn columns_count_characters() {
        let columns: Vec<u32> = words("é  \"ü\" x", 3).expect("words").iter().map(|word| word.column).collect();
        assert_eq!(columns, [3, 6, 10]);
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(text in "[^\\n\\r]{0,20}") {
            let mut out = String::new();
            print_text(&mut out, &text);
            prop_assert_eq!(texts(&out), [text]);
        }

        #[test]
        fn any_line_is_split_or_refused(line in any::<String>()) {
            if let Ok(words) = words(&line, 1) {
                prop_assert!(words.iter().all(|word| word.quoted || !word.text.is_empty()));
            }
        }
    }
}
