//! Reads the text that `ipset save` writes and `ipset restore` takes.

use alloc::{string::String, vec::Vec};
use core::time::Duration;

use super::{
    Sets, key,
    kind::{self, Kind, Part, Storage},
    set::{Element, Options, Set},
};
use crate::{
    conntrack::{Address, Family},
    limits::{SET_ELEMENTS_MAX, SETS_MAX},
    netfilter::{
        error::{Fault, Flaw, Noun},
        save::{
            text::{Word, words},
            values,
        },
    },
    time::Instant,
};

/// Whether a text is about sets: its first word that is not in a comment is a command of ipset.
pub(in crate::netfilter) fn is_sets(text: &str) -> bool {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    let is_general = |word: &&str| GENERAL.contains(word);
    first
        .and_then(|line| line.split_whitespace().find(|word| !is_general(word)))
        .is_some_and(|word| COMMANDS.contains(&word))
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
    let Some(command) = reader.word() else { return Ok(()) };
    match command.text.as_str() {
        "create" => create(sets, &mut reader, command),
        "add" => add(sets, &mut reader, command),
        "del" => {
            let set = named(sets, reader.need(command)?)?;
            let element = reader.need(command)?;
            let keys = element_keys(set, element)?;
            // All of a range go, even if one of it was not there.
            let missing = keys.into_iter().filter(|key| !set.remove(key.clone())).count();
            if missing == 0 || reader.exist { reader.end() } else { Err(element.bad("an element of the set")) }
        }
        "flush" => {
            named(sets, reader.need(command)?)?.clear();
            reader.end()
        }
        "destroy" => {
            let name = reader.need(command)?;
            named(sets, name)?;
            sets.0.retain(|known| known != name.text);
            reader.end()
        }
        // The last line of a restore.
        "quit" | "COMMIT" => reader.end(),
        other => Err(Fault::unknown(Noun::Option, other, COMMANDS.into_iter()).at(command.column)),
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

fn create(sets: &mut Sets, reader: &mut Reader<'_>, command: &Word) -> Result<(), Flaw> {
    let (name, kind_word) = (reader.need(command)?, reader.need(command)?);
    let kind = Kind::find(&kind_word.text).filter(|kind| !kind.name().is_empty()).ok_or_else(|| unknown(kind_word))?;
    if !(1..=NAME_BYTES_MAX).contains(&name.text.len()) {
        return Err(name.bad("a name of 1 to 31 bytes"));
    }
    let mut options = Options {
        family: Family::Ipv4,
        netmask: None,
        bitmask: None,
        timeout: None,
        counters: false,
        comment: false,
        force_add: false,
        hash_size: 1024,
        elements_max: 65_536,
        mark_mask: None,
        range: None,
        size: 8,
        bucket_size: None,
        seed: None,
    };
    while let Some(word) = reader.word() {
        take_option(&mut options, kind, reader, word)?;
    }
    if kind.storage() == Storage::Bitmap && options.range.is_none() {
        return Err(Fault::Needs { what: kind.name().into(), needed: "`range FIRST-LAST`" }.at(kind_word.column));
    }
    if sets.0.find(&name.text).is_some() {
        return if reader.exist { Ok(()) } else { Err(Fault::Twice { option: name.text.clone() }.at(name.column)) };
    }
    if sets.0.iter().count() >= SETS_MAX {
        return Err(Fault::TooMany { what: "sets", max: SETS_MAX }.at(name.column));
    }
    sets.0.push(name.text.clone(), Set::new(kind, options));
    Ok(())
}

fn unknown(word: &Word) -> Flaw {
    match kind::UNSUPPORTED.iter().find(|(name, _)| *name == word.text) {
        Some((name, why)) => Fault::Unsupported { noun: Noun::Set, name: (*name).into(), why },
        None => Fault::unknown(Noun::Set, &word.text, Kind::names().filter(|name| !name.is_empty())),
    }
    .at(word.column)
}

/// Takes one option of `create`.
fn take_option(options: &mut Options, kind: Kind, reader: &mut Reader<'_>, word: &Word) -> Result<(), Flaw> {
    let hash = kind.storage() == Storage::Hash;
    match word.text.as_str() {
        "family" if hash => {
            let value = reader.need(word)?;
            options.family = match value.text.as_str() {
                "inet" | "ipv4" => Family::Ipv4,
                "inet6" | "ipv6" => Family::Ipv6,
                _ => return Err(value.bad("`inet` or `inet6`")),
            };
        }
        "hashsize" if hash => options.hash_size = reader.number(word, 1, u32::MAX)?,
        "maxelem" if hash => options.elements_max = reader.number(word, 1, SET_ELEMENTS_MAX)?,
        "bucketsize" if hash => options.bucket_size = Some(reader.number(word, 0, 255)?),
        "initval" if hash => options.seed = Some(reader.number(word, 0, u32::MAX)?),
        "markmask" if kind.has(Part::Mark) => options.mark_mask = Some(reader.number(word, 1, u32::MAX)?),
        "netmask" | "bitmask" if options.netmask.is_some() || options.bitmask.is_some() => {
            return Err(word.bad("one of `netmask` and `bitmask`, once"));
        }
        "bitmask" if MASKED_KINDS.contains(&kind.name()) => {
            let value = reader.need(word)?;
            let mask = values::address(&value.text, options.family).filter(|mask| !mask.is_unspecified());
            let mask = mask.ok_or_else(|| value.bad("a mask of the set's family such as 255.255.0.255"))?;
            options.bitmask = Some(Address::from(mask));
        }
        "netmask" if kind.name() == "bitmap:ip" || MASKED_KINDS.contains(&kind.name()) => {
            options.netmask = Some(reader.number(word, 1, u32::from(key::bits(options.family)))? as u8);
        }
        "forceadd" if hash => options.force_add = true,
        "timeout" => options.timeout = Some(reader.number(word, 0, TIMEOUT_MAX)?),
        "counters" => options.counters = true,
        "comment" => options.comment = true,
        "size" if kind.storage() == Storage::List => options.size = reader.number(word, 1, 65_536)?,
        "range" if kind.storage() == Storage::Bitmap => {
            let value = reader.need(word)?;
            let wants = "a range `FIRST-LAST` of at most 65536 addresses or ports";
            options.range = Some(range(kind, &value.text).ok_or_else(|| value.bad(wants))?);
        }
        "skbinfo" => {
            let why = "marks, classes and queues are not kept with the elements of sets here";
            return Err(Fault::Unsupported { noun: Noun::Option, name: word.text.clone(), why }.at(word.column));
        }
        other => return Err(Fault::unknown(Noun::Option, other, CREATE_OPTIONS.into_iter()).at(word.column)),
    }
    Ok(())
}

fn range(kind: Kind, text: &str) -> Option<(u32, u32)> {
    let (first, last) = if kind.has(Part::Address) {
        match text.split_once('/') {
            Some((address, mask)) => {
                let mask = values::ipv4_prefix(mask)?;
                let first = values::ipv4(address)?.to_bits() & mask;
                (first, first | !mask)
            }
            None => {
                let (first, last) = text.split_once('-')?;
                (values::ipv4(first)?.to_bits(), values::ipv4(last)?.to_bits())
            }
        }
    } else {
        let (first, last) = text.split_once('-')?;
        (u32::from(values::port(first)?), u32::from(values::port(last)?))
    };
    // With a netmask the range may be greater; a bitmap here costs nothing for what is not in it.
    (first <= last).then_some((first, last))
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
    if set.members.len() >= set.options.size.max(8) as usize {
        return Err(Fault::TooMany { what: "sets in a list", max: set.options.size as usize }.at(member.column));
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

/// Reads what follows an element.
fn element_options(set: &Set, reader: &mut Reader<'_>) -> Result<Element, Flaw> {
    let mut element = Element { expires: set.expiry(Instant::ZERO, None), ..Element::default() };
    while let Some(word) = reader.word() {
        match word.text.as_str() {
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
        .ok_or_else(|| word.bad("an element of the set's kind and family, or a range of at most 65536 of them"))
}

fn named<'a>(sets: &'a mut Sets, name: &Word) -> Result<&'a mut Set, Flaw> {
    let names: Vec<String> = sets.names().map(String::from).collect();
    sets.0
        .find_mut(&name.text, &mut 0)
        .ok_or_else(|| Fault::unknown(Noun::Set, &name.text, names.iter().map(String::as_str)).at(name.column))
}

struct Reader<'a> {
    words: &'a [Word],
    next: usize,
    /// What is there may be there, and what is not may be missing.
    exist: bool,
}

impl<'a> Reader<'a> {
    fn word(&mut self) -> Option<&'a Word> {
        let word = self.words.get(self.next)?;
        self.next += 1;
        Some(word)
    }

    /// The next word, which `after` asks for.
    fn need(&mut self, after: &Word) -> Result<&'a Word, Flaw> {
        self.word().ok_or_else(|| Fault::MissingValue { option: after.text.clone(), count: 1 }.at(after.column))
    }

    fn number(&mut self, after: &Word, min: u32, max: u32) -> Result<u32, Flaw> {
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

/// Linux: `IPSET_MAXNAMELEN` less its final zero.
const NAME_BYTES_MAX: usize = 31;
/// Linux: `IPSET_MAX_TIMEOUT`.
const TIMEOUT_MAX: u32 = u32::MAX / 1000 / 2;

/// Options that may stand before a command, or behind.
static GENERAL: [&str; 4] = ["-exist", "-!", "-quiet", "-q"];

static COMMANDS: [&str; 6] = ["create", "add", "del", "flush", "destroy", "quit"];

/// Kinds whose addresses may be kept in part (Linux v6.18: `IP_SET_HASH_WITH_NETMASK`, `IP_SET_HASH_WITH_BITMASK`).
static MASKED_KINDS: [&str; 2] = ["hash:ip", "hash:ip,port"];

static CREATE_OPTIONS: [&str; 14] = [
    "family",
    "hashsize",
    "maxelem",
    "bucketsize",
    "initval",
    "markmask",
    "netmask",
    "bitmask",
    "forceadd",
    "timeout",
    "counters",
    "comment",
    "size",
    "range",
];

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
        let saved = "create a hash:ip family inet hashsize 1024 maxelem 65536\n\
            add a 1.2.3.4\nadd a 10.0.1.1\nadd a 10.0.1.2\n\
            create b hash:net family inet hashsize 1024 maxelem 65536 timeout 300 counters comment\n\
            add b 10.0.0.0/8 timeout 100 packets 5 bytes 6 comment \"my net\"\n\
            add b 10.1.0.0/16 timeout 300 nomatch packets 0 bytes 0\n\
            create g hash:net,iface family inet hashsize 1024 maxelem 65536\n\
            add g 0.0.0.0/0,eth1\nadd g 1.2.3.0/24,physdev:eth2\nadd g 1.2.3.0/24,ppp wildcard\n\
            create h bitmap:ip range 10.0.0.0-10.0.0.255\nadd h 10.0.0.8\nadd h 10.0.0.9\n\
            create i bitmap:port range 0-1000\nadd i 90\nadd i 91\n\
            create k hash:ip family inet hashsize 64 maxelem 100 netmask 24\nadd k 1.2.3.0\n\
            create m hash:net family inet6 hashsize 1024 maxelem 65536\nadd m 2001:db8::/32\n\
            create s hash:ip family inet hashsize 1024 maxelem 65536 timeout 3\nadd s 9.9.9.9 timeout 0\n\
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
        let saved = "create a hash:ip family inet hashsize 1024 maxelem 65536\nadd a 1.2.3.4\nadd a 1.2.3.5\n\
            create c hash:ip family inet hashsize 1024 maxelem 65536 comment\nadd c 1.1.1.1 comment \"-exist\"\n\
            create b hash:ip family inet hashsize 1024 maxelem 65536 bitmask 255.255.0.255\nadd b 1.2.0.4\n\
            create n hash:ip,port family inet hashsize 1024 maxelem 65536\nadd n 1.2.3.0,tcp:80\n\
            create m hash:ip,port family inet hashsize 1024 maxelem 65536\nadd m 1.2.0.4,tcp:80\n\
            create s hash:ip family inet6 hashsize 1024 maxelem 65536 bitmask ffff::ffff\nadd s 2001::1\n";
        assert_eq!(read(text), Ok(saved.into()));
        assert!(is_sets("# saved\n-! create a hash:ip"));
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
