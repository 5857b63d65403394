//! Reads the text that `ipset save` writes and `ipset restore` takes.

use alloc::{string::String, vec::Vec};
use core::time::Duration;

use super::{
    Sets, create, key,
    kind::{Kind, Part, Storage},
    set::{Element, Set},
};
use crate::{
    netfilter::{
        error::{Fault, Flaw, Noun},
        save::{
            text::{Word, words},
            values,
        },
    },
    time::Instant,
};

/// Whether a text is about sets: its first line that is not a comment is a command of ipset. Of those that begin with a dash, as
/// commands of iptables do, it is one that makes a set of a kind that there is.
pub(in crate::netfilter) fn is_sets(text: &str) -> bool {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    let words = first.into_iter().flat_map(str::split_whitespace).filter(|word| !GENERAL.contains(word));
    let words: Vec<&str> = words.take(3).collect();
    let makes = |kind: &&str| Kind::find(kind).is_some();
    match words.first().and_then(|word| command(word)) {
        Some("create") if words[0].starts_with('-') => words.get(2).is_some_and(makes),
        Some(_) => !words[0].starts_with('-'),
        None => false,
    }
}

/// The command that a word stands for: the first that it is the beginning of, behind two dashes or none.
fn command(word: &str) -> Option<&'static str> {
    let beginning = word.strip_prefix("--").unwrap_or(word);
    let is = |names: &&&[&str]| names.iter().any(|name| name.starts_with(beginning));
    COMMANDS.iter().filter(|_| !["", "-"].contains(&beginning)).find(is).map(|names| names[0])
}

/// An option's name, which two dashes may stand before.
pub(super) fn option_name(word: &Word) -> &str {
    word.text.strip_prefix("--").unwrap_or(&word.text)
}

/// Whether a text is read back as one word when it stands without quotes: no blanks, no quotes, nothing that cannot be seen.
pub(super) fn is_one_word(text: &str) -> bool {
    !text.contains(|letter: char| letter.is_whitespace() || letter.is_control() || letter == '"')
}

/// Does what one line says.
pub(in crate::netfilter) fn take_line(sets: &mut Sets, line: &str) -> Result<(), Flaw> {
    let line = line.trim_end();
    if line.trim_start().is_empty() || line.trim_start().starts_with('#') {
        return Ok(());
    }
    let mut words = words(line, 1)?;
    let exist = take_general(&mut words);
    let mut reader = Reader { words: &words, next: 0, exist };
    let Some(first) = reader.word() else { return Ok(()) };
    // The last line of a restore.
    if first.text == "COMMIT" {
        return reader.end();
    }
    match command(&first.text) {
        Some("create") => create::create(sets, &mut reader, first),
        Some("add") => add(sets, &mut reader, first),
        Some("del") => delete(sets, &mut reader, first),
        Some("flush") => flush(sets, &mut reader),
        Some("destroy") => destroy(sets, &mut reader),
        Some("quit") => reader.end(),
        _ => Err(Fault::unknown(Noun::Option, &first.text, TAKEN.into_iter()).at(first.column)),
    }
}

/// Takes out the options that may stand anywhere in a line, which the first word behind `comment` is not; true: what is there may be
/// there, and what is not may be missing.
fn take_general(words: &mut Vec<Word>) -> bool {
    let (mut exist, mut is_text) = (false, false);
    words.retain(|word| {
        let text = word.text.as_str();
        let was_text = is_text;
        is_text = text == "comment" && !was_text;
        let is_general = !was_text && GENERAL.contains(&text);
        exist |= is_general && ["-exist", "-!"].contains(&text);
        !is_general
    });
    exist
}

fn add(sets: &mut Sets, reader: &mut Reader<'_>, command: &Word) -> Result<(), Flaw> {
    let name = reader.need(command)?;
    let element_word = reader.need(command)?;
    if named(sets, name)?.kind.storage() == Storage::List {
        return add_member(sets, reader, name, element_word);
    }
    let set = named(sets, name)?;
    let element = element_options(set, reader)?;
    for key in element_keys(set, element_word)? {
        if !set.add(Instant::ZERO, key, element.clone(), reader.exist) {
            return Err(element_word.bad("a new element that the set has room for (`-exist` takes an old one)"));
        }
    }
    Ok(())
}

/// `add LIST SET [before|after SET]`
fn add_member(sets: &mut Sets, reader: &mut Reader<'_>, list: &Word, member: &Word) -> Result<(), Flaw> {
    let is_list = named(sets, member)?.kind.storage() == Storage::List;
    if is_list {
        return Err(member.bad("a set that is not a list itself"));
    }
    let place = match reader.words.get(reader.next).map(|word| word.text.as_str()) {
        Some(word @ ("before" | "after")) => {
            let after = word == "after";
            let command = reader.word();
            Some((reader.need(command.unwrap_or(member))?, after))
        }
        Some(_) | None => None,
    };
    let set = named(sets, list)?;
    let element = element_options(set, reader)?;
    let known = set.members.iter().any(|(known, _)| *known == member.text);
    if known {
        return if reader.exist { Ok(()) } else { Err(Fault::Twice { option: member.text.clone() }.at(member.column)) };
    }
    let index = match place {
        Some((neighbour, after)) => {
            let found = set.members.iter().position(|(known, _)| *known == neighbour.text);
            found.map(|index| index + usize::from(after)).ok_or_else(|| neighbour.bad("a set of the list"))?
        }
        None => set.members.len(),
    };
    set.members.insert(index, (member.text.clone(), element));
    Ok(())
}

/// `del SET ELEMENT`: all of a range go, even if one of it is not there.
fn delete(sets: &mut Sets, reader: &mut Reader<'_>, command: &Word) -> Result<(), Flaw> {
    let set = named(sets, reader.need(command)?)?;
    let element = reader.need(command)?;
    let is_there = if set.kind.storage() == Storage::List {
        let before = set.members.len();
        set.members.retain(|(member, _)| *member != element.text);
        set.members.len() < before
    } else {
        element_keys(set, element)?.into_iter().filter(|key| !set.remove(key.clone())).count() == 0
    };
    if is_there || reader.exist { reader.end() } else { Err(element.bad("an element of the set")) }
}

/// `flush [SET]`
fn flush(sets: &mut Sets, reader: &mut Reader<'_>) -> Result<(), Flaw> {
    match reader.word() {
        Some(name) => named(sets, name)?.clear(),
        None => sets.0.values_mut().for_each(Set::clear),
    }
    reader.end()
}

/// `destroy [SET]`: what a list holds stays.
fn destroy(sets: &mut Sets, reader: &mut Reader<'_>) -> Result<(), Flaw> {
    let Some(name) = reader.word() else {
        let held = sets.names().find(|name| sets.is_held(name)).map(String::from);
        if let Some(set) = held {
            let wants = "a set that can go: a list holds it";
            return Err(Fault::BadValue { value: set, wants }.at(1));
        }
        sets.0.retain(|_| false);
        return Ok(());
    };
    named(sets, name)?;
    if sets.is_held(&name.text) {
        return Err(name.bad("a set that can go: a list holds it"));
    }
    sets.0.retain(|known| known != name.text);
    reader.end()
}

/// Reads what follows an element.
fn element_options(set: &Set, reader: &mut Reader<'_>) -> Result<Element, Flaw> {
    let mut element = Element { expires: set.expiry(Instant::ZERO, None), ..Element::default() };
    while let Some(word) = reader.word() {
        match option_name(word) {
            "timeout" if set.options.timeout.is_some() => {
                let seconds = reader.number(word, 0, TIMEOUT_MAX)?;
                let life = Duration::from_secs(u64::from(seconds));
                element.expires = (seconds > 0).then(|| Instant::ZERO + life);
            }
            "packets" if set.options.counters => element.packets = reader.count(word)?,
            "bytes" if set.options.counters => element.bytes = reader.count(word)?,
            "comment" if set.options.comment => element.comment = Some(reader.need(word)?.text.clone()),
            "nomatch" if set.kind.has(Part::Network) => element.no_match = true,
            "wildcard" if set.kind.has(Part::Interface) => element.wildcard = true,
            "timeout" | "packets" | "bytes" | "comment" => {
                let needed = "a set that was created with timeouts, counters or comments";
                return Err(Fault::Needs { what: word.text.clone(), needed }.at(word.column));
            }
            other => return Err(Fault::unknown(Noun::Option, other, ADD_OPTIONS.into_iter()).at(word.column)),
        }
    }
    Ok(element)
}

fn element_keys(set: &Set, word: &Word) -> Result<Vec<key::Key>, Flaw> {
    key::parse(set.kind, set.options.family, &word.text)
        .ok_or_else(|| {
            word.bad("an element of the set's kind and family, or a range of at most 65536 of them; /0 is no network of most kinds")
        })
}

fn named<'a>(sets: &'a mut Sets, name: &Word) -> Result<&'a mut Set, Flaw> {
    let names: Vec<String> = sets.names().map(String::from).collect();
    sets.0
        .find_mut(&name.text, &mut 0)
        .ok_or_else(|| Fault::unknown(Noun::Set, &name.text, names.iter().map(String::as_str)).at(name.column))
}

pub(super) struct Reader<'a> {
    words: &'a [Word],
    next: usize,
    /// What is there may be there, and what is not may be missing.
    pub(super) exist: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn word(&mut self) -> Option<&'a Word> {
        let word = self.words.get(self.next)?;
        self.next += 1;
        Some(word)
    }

    /// The next word, which `after` asks for.
    pub(super) fn need(&mut self, after: &Word) -> Result<&'a Word, Flaw> {
        self.word().ok_or_else(|| Fault::MissingValue { option: after.text.clone(), count: 1 }.at(after.column))
    }

    pub(super) fn number(&mut self, after: &Word, min: u32, max: u32) -> Result<u32, Flaw> {
        let wants = "a number in the option's range";
        Ok(values::ranged(self.need(after)?, u64::from(min), u64::from(max), wants)? as u32)
    }

    fn count(&mut self, after: &Word) -> Result<u64, Flaw> {
        values::ranged(self.need(after)?, 0, u64::MAX, "a number of 64 bits")
    }

    fn end(&mut self) -> Result<(), Flaw> {
        match self.word() {
            Some(word) => Err(Fault::StrayWord { word: word.text.clone() }.at(word.column)),
            None => Ok(()),
        }
    }
}

/// Linux: `IPSET_MAX_TIMEOUT`.
pub(super) const TIMEOUT_MAX: u32 = u32::MAX / 1000 / 2;

/// Options that may stand before a command, or behind.
static GENERAL: [&str; 4] = ["-exist", "-!", "-quiet", "-q"];

/// The tool's commands with their other names, in its order (ipset 7.17: `lib/ipset.c`, `ipset_commands`).
static COMMANDS: [&[&str]; 14] = [
    &["create", "new", "-N"],
    &["add", "-A"],
    &["del", "-D"],
    &["test", "-T"],
    &["destroy", "x", "-X"],
    &["list", "-L"],
    &["save", "-S"],
    &["restore", "-R"],
    &["flush", "-F"],
    &["rename", "e", "-E"],
    &["swap", "w", "-W"],
    &["help", "-h", "-H"],
    &["version", "-v", "-V"],
    &["quit"],
];

/// Those that a text may have here.
static TAKEN: [&str; 6] = ["create", "add", "del", "flush", "destroy", "quit"];

static ADD_OPTIONS: [&str; 8] = ["timeout", "packets", "bytes", "comment", "nomatch", "wildcard", "before", "after"];

#[cfg(test)]
mod tests {
    use alloc::format;

    use proptest::prelude::*;

    use super::*;

    /// What a text makes, printed; the line and the fault when it is refused.
    fn read(text: &str) -> Result<String, (usize, Fault)> {
        let mut sets = Sets::default();
        for (index, line) in text.lines().enumerate() {
            take_line(&mut sets, line).map_err(|flaw| (index + 1, flaw.fault))?;
        }
        Ok(sets.save(Instant::ZERO))
    }

    /// What `ipset -sorted save` (7.17) printed for the same commands, without `initval`.
    #[test]
    fn sets_of_all_kinds_come_out_as_ipset_saves_them() {
        let text = "create a hash:ip\nadd a 10.0.1.1-10.0.1.2\nadd a 1.2.3.4\n\
            create b hash:net timeout 300 counters comment\n\
            add b 10.0.0.0/8 timeout 100 packets 5 bytes 6 comment \"my net\"\nadd b 10.1.0.0/16 nomatch\n\
            create g hash:net,iface\nadd g 0.0.0.0/0,eth1\nadd g 1.2.3.0/24,physdev:eth2\nadd g 1.2.3.0/24,ppp wildcard\n\
            create h bitmap:ip range 10.0.0.0/24\nadd h 10.0.0.8/31\n\
            create i bitmap:port range 0-1000\nadd i 90-91\n\
            create k hash:ip netmask 24 maxelem 100 hashsize 64\nadd k 1.2.3.4\n\
            create m hash:net family inet6\nadd m 2001:db8::1/32\n\
            create s hash:ip timeout 3\nadd s 9.9.9.9 timeout 0\n\
            create j list:set\nadd j a\nadd j b\nadd j k before b\n";
        let saved = "create a hash:ip family inet hashsize 1024 maxelem 65536 bucketsize 12\n\
            add a 1.2.3.4\nadd a 10.0.1.1\nadd a 10.0.1.2\n\
            create b hash:net family inet hashsize 1024 maxelem 65536 timeout 300 counters comment bucketsize 12\n\
            add b 10.0.0.0/8 timeout 100 packets 5 bytes 6 comment \"my net\"\n\
            add b 10.1.0.0/16 timeout 300 nomatch packets 0 bytes 0\n\
            create g hash:net,iface family inet hashsize 1024 maxelem 65536 bucketsize 12\n\
            add g 0.0.0.0/0,eth1\nadd g 1.2.3.0/24,physdev:eth2\nadd g 1.2.3.0/24,ppp wildcard\n\
            create h bitmap:ip range 10.0.0.0-10.0.0.255\nadd h 10.0.0.8\nadd h 10.0.0.9\n\
            create i bitmap:port range 0-1000\nadd i 90\nadd i 91\n\
            create k hash:ip family inet hashsize 64 maxelem 100 netmask 24 bucketsize 12\nadd k 1.2.3.0\n\
            create m hash:net family inet6 hashsize 1024 maxelem 65536 bucketsize 12\nadd m 2001:db8::/32\n\
            create s hash:ip family inet hashsize 1024 maxelem 65536 timeout 3 bucketsize 12\nadd s 9.9.9.9 timeout 0\n\
            create j list:set size 8\nadd j a\nadd j k\nadd j b\n";
        assert_eq!(read(text), Ok(saved.into()));
        assert_eq!(read(saved), Ok(saved.into()));
    }

    #[test]
    fn what_a_set_cannot_hold_is_refused_at_its_line() {
        let refused = |line: &str| {
            read(&format!("create a hash:ip maxelem 1\ncreate l list:set\n{line}")).map_err(|(line, _)| line)
        };
        for line in [
            "add a 1.2.3.4,80",
            "add a 10.0.0.0/7",
            "add a 2001:db8::1",
            "add a 1.2.3.4 timeout 5",
            "add a 1.2.3.4 nomatch",
            "add b 1.2.3.4",
            "add l l",
            "del a 1.2.3.4",
            "create a hash:ip",
            "create c hash:ipp",
            "create c bitmap:ip,mac range 10.0.0.0/24",
            "create c bitmap:ip",
            "create c bitmap:ip range 10.0.0.0/8",
            "create c bitmap:ip from 10.0.0.0",
            "create c macipmap range 10.0.0.0/24",
            "create c hash:ip family inet6 netmask 129",
            "create c hash:ip netmask 33",
            "create c hash:ip bucketsize 256",
            "destroy c",
            "-n c hash:ip",
            "s c",
            "-",
            "create c hash:ip skbinfo",
            "create c hash:ip netmask 24 bitmask 255.0.0.0",
            "create c hash:ip bitmask 0.0.0.0",
            "create c hash:ip,port,ip netmask 24",
            "create c hash:ip,mark bitmask 255.0.0.0",
            "add a 0.0.0.0",
            "swap a l",
        ] {
            assert_eq!(refused(line), Err(3), "{line}");
        }
        assert_eq!(refused("add a 1.2.3.4\nadd a 1.2.3.5"), Err(4), "there is no room");
        assert_eq!(refused("add a 1.2.3.4\nadd a 1.2.3.4"), Err(4), "it is there");
        assert_eq!(refused("add l a\ndestroy a"), Err(4), "a list holds it");
        assert_eq!(refused("add l a\ndestroy"), Err(4), "a list holds one");
        assert_eq!(refused("create c hash:ip maxelem 0\nadd c 1.1.1.1"), Err(4), "there never is room");
        assert_eq!(refused("create c hash:ip,port netmask 24\nadd c 0.0.0.1,80"), Err(4), "nobody is no element");
        assert!(refused("add a 1.2.3.4\nadd a 1.2.3.4 -exist").is_ok());
    }

    /// As ipset 7.17 takes and prints them.
    #[test]
    fn general_options_stand_anywhere_and_masks_keep_parts_of_addresses() {
        let text = "-! create a hash:ip\n-exist add a 1.2.3.4\n-! add a 1.2.3.4\nadd -! a 1.2.3.4\nadd a -exist 1.2.3.4\n-q add a 1.2.3.5\n\
            -! del a 9.9.9.9\n-! create a hash:ip\ncreate c hash:ip comment\nadd c 1.1.1.1 comment -exist\n\
            create b hash:ip bitmask 255.255.0.255\nadd b 1.2.3.4\ncreate n hash:ip,port netmask 24\nadd n 1.2.3.4,80\n\
            create m hash:ip,port bitmask 255.255.0.255\nadd m 1.2.3.4,80\n\
            create s hash:ip family inet6 bitmask ffff::ffff\nadd s 2001:db8::9:1\n";
        let saved = "create a hash:ip family inet hashsize 1024 maxelem 65536 bucketsize 12\nadd a 1.2.3.4\nadd a 1.2.3.5\n\
            create c hash:ip family inet hashsize 1024 maxelem 65536 comment bucketsize 12\nadd c 1.1.1.1 comment \"-exist\"\n\
            create b hash:ip family inet hashsize 1024 maxelem 65536 bitmask 255.255.0.255 bucketsize 12\nadd b 1.2.0.4\n\
            create n hash:ip,port family inet hashsize 1024 maxelem 65536 bucketsize 12 netmask 24\nadd n 1.2.3.0,tcp:80\n\
            create m hash:ip,port family inet hashsize 1024 maxelem 65536 bucketsize 12 bitmask 255.255.0.255\nadd m 1.2.0.4,tcp:80\n\
            create s hash:ip family inet6 hashsize 1024 maxelem 65536 bitmask ffff::ffff bucketsize 12\nadd s 2001::1\n";
        assert_eq!(read(text), Ok(saved.into()));
        assert!(is_sets("# saved\n-! create a hash:ip"));
    }

    /// As ipset 7.17 takes and prints them.
    #[test]
    fn commands_kinds_and_options_have_other_names_and_options_any_order() {
        let text = "n a iphash --timeout 5\n-A a 1.1.1.1 --timeout 3\na a 2.2.2.2\n-D a 2.2.2.2\n--create b nethash\n--add b 1.0.0.0/8\nf b\n\
            c c hash:ip netmask 64 family inet6\nadd c 2001:db8::1\nnew l setlist --size 3\na l b\na l c\nd l b\nx b\n\
            n m ipmap --network 10.0.0.0/24\nn o ipmap --from 10.0.0.9 --to 10.0.0.2\nn p portmap from 1 to 9\n\
            n q bitmap:ip range 10.0.0.0-10.1.0.0 netmask 24\nn r bitmap:ip netmask 32 range 10.0.0.0-10.0.0.1\n\
            n s iphash hashsize 65 bucketsize 3\nn t iphash hashsize 0 bucketsize 14\nn u iphash maxelem 0 bucketsize 0 initval 7 netmask 32\n\
            n v ipporthash bitmask 255.255.255.255\n";
        let saved = "create a hash:ip family inet hashsize 1024 maxelem 65536 timeout 5 bucketsize 12\nadd a 1.1.1.1 timeout 3\n\
            create c hash:ip family inet6 hashsize 1024 maxelem 65536 netmask 64 bucketsize 12\nadd c 2001:db8::\n\
            create m bitmap:ip range 10.0.0.0-10.0.0.255\ncreate o bitmap:ip range 10.0.0.2-10.0.0.9\ncreate p bitmap:port range 1-9\n\
            create q bitmap:ip range 10.0.0.0-10.1.0.255 netmask 24\ncreate r bitmap:ip range 10.0.0.0-10.0.0.1\n\
            create s hash:ip family inet hashsize 128 maxelem 65536 bucketsize 4\n\
            create t hash:ip family inet hashsize 64 maxelem 65536 bucketsize 12\n\
            create u hash:ip family inet hashsize 1024 maxelem 0 bucketsize 2 initval 0x00000007\n\
            create v hash:ip,port family inet hashsize 1024 maxelem 65536 bucketsize 12\n\
            create l list:set size 4\nadd l c\n";
        assert_eq!(read(text), Ok(saved.into()));
        assert_eq!(read(saved), Ok(saved.into()));
        assert_eq!(read(&format!("{saved}d l c\nf\nx\n")), Ok(String::new()));
    }

    #[test]
    fn a_text_of_iptables_is_none_of_ipset() {
        for text in ["n a iphash", "c a hash:ip", "-N a hash:ip", "--create a nethash", "-! -N a hash:ip", "flush a"] {
            assert!(is_sets(text), "{text}");
        }
        for text in [
            "-N a",
            "-N a b",
            "-A INPUT -j DROP",
            "--flush a",
            "-F",
            "-X",
            "-D INPUT 1",
            "*filter",
            ":a - [0:0]",
            "[0:0] -A a",
            "--",
            "-",
            "",
        ] {
            assert!(!is_sets(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_taken_or_refused(
            words in proptest::collection::vec(
                prop_oneof![
                    "create|add|del|flush|a|b|hash:ip|hash:net|hash:net,iface|bitmap:port|list:set|range|timeout|nomatch",
                    "[0-9./,:-]{0,20}",
                    any::<String>(),
                ],
                0..7,
            ),
        ) {
            let mut sets = Sets::default();
            let _ = take_line(&mut sets, "create a hash:ip,port,net");
            let _ = take_line(&mut sets, "create b bitmap:ip range 10.0.0.0/8 timeout 3");
            let _ = take_line(&mut sets, &words.join(" "));
            prop_assert!(sets.save(Instant::ZERO).starts_with("create"));
        }
    }
}
