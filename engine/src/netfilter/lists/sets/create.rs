//! Reads `create`: what kind of set it is, and its options in any order.

use alloc::vec::Vec;

use super::{
    Sets,
    kind::{self, Kind, Part, Storage},
    read::{Reader, TIMEOUT_MAX, is_one_word, option_name},
    set::{Options, Set},
};
use crate::{
    conntrack::{Address, Family},
    limits::{SET_ELEMENTS_MAX, SETS_MAX},
    netfilter::{
        ends::{address_bits, prefix_mask},
        error::{Fault, Flaw, Noun},
        save::{text::Word, values},
    },
    wire::Protocol,
};

/// What options have said so far, and what of it waits for the others.
struct Draft<'a> {
    options: Options,
    /// `netmask` or `bitmask` with its value, which has to be of the family.
    mask: Option<(&'a Word, &'a Word)>,
    /// `range` or `network`.
    range: Option<&'a Word>,
    /// `from` and `to`.
    ends: [Option<&'a Word>; 2],
    /// Options with values that have been there.
    said: Vec<&'a str>,
}

/// `create NAME KIND [OPTION…]`
pub(super) fn create(sets: &mut Sets, reader: &mut Reader<'_>, command: &Word) -> Result<(), Flaw> {
    let (name, kind_word) = (reader.need(command)?, reader.need(command)?);
    let kind = Kind::find(&kind_word.text).ok_or_else(|| unknown(kind_word))?;
    check_name(name)?;
    let mut draft = Draft { options: Options::of(kind), mask: None, range: None, ends: [None; 2], said: Vec::new() };
    while let Some(word) = reader.word() {
        draft.say(word)?;
        draft.take(kind, reader, word)?;
    }
    let options = draft.finish(kind, kind_word)?;
    if let Some(known) = sets.0.find(&name.text) {
        return match reader.exist {
            true if known.is_as(kind, &options) => Ok(()),
            true => Err(name.bad("a new name, or that of a set of this kind with these options")),
            false => Err(Fault::Twice { option: name.text.clone() }.at(name.column)),
        };
    }
    if sets.0.iter().count() >= SETS_MAX {
        return Err(Fault::TooMany { what: "sets", max: SETS_MAX }.at(name.column));
    }
    sets.0.push(name.text.clone(), Set::new(kind, options));
    Ok(())
}

/// The tool takes names with blanks too, and what it saves of them it does not read again.
pub(super) fn check_name(name: &Word) -> Result<(), Flaw> {
    match (1..=NAME_BYTES_MAX).contains(&name.text.len()) && is_one_word(&name.text) {
        true => Ok(()),
        false => Err(name.bad("a name of 1 to 31 bytes without blanks, double quotes and control characters")),
    }
}

fn unknown(word: &Word) -> Flaw {
    match kind::UNSUPPORTED.iter().find(|(name, _)| *name == word.text) {
        Some((name, why)) => Fault::Unsupported { noun: Noun::Set, name: (*name).into(), why },
        None => Fault::unknown(Noun::Set, &word.text, Kind::names().filter(|name| !name.is_empty())),
    }
    .at(word.column)
}

impl<'a> Draft<'a> {
    /// Refuses an option with a value that stands twice, or beside one that says the same (ipset 7.17: "already specified").
    fn say(&mut self, word: &'a Word) -> Result<(), Flaw> {
        let name = option_name(word);
        let excluded: &[&str] = match name {
            "counters" | "comment" | "forceadd" => return Ok(()),
            "range" | "network" => &["range", "network", "from", "to"],
            "from" => &["from", "range", "network"],
            "to" => &["to", "range", "network"],
            name => &[name],
        };
        if self.said.iter().any(|said| excluded.contains(said)) {
            return Err(Fault::Twice { option: name.into() }.at(word.column));
        }
        self.said.push(name);
        Ok(())
    }

    /// Takes one option.
    fn take(&mut self, kind: Kind, reader: &mut Reader<'a>, word: &'a Word) -> Result<(), Flaw> {
        let (hash, bitmap) = (kind.storage() == Storage::Hash, kind.storage() == Storage::Bitmap);
        let options = &mut self.options;
        match option_name(word) {
            "family" if hash => {
                let value = reader.need(word)?;
                options.family = match value.text.as_str() {
                    "inet" | "ipv4" => Family::Ipv4,
                    "inet6" | "ipv6" => Family::Ipv6,
                    _ => return Err(value.bad("`inet` or `inet6`")),
                };
            }
            "hashsize" if hash => {
                let size = reader.number(word, 0, HASH_SIZE_MAX)?;
                options.hash_size = size.max(HASH_SIZE_MIN).next_power_of_two();
            }
            "maxelem" if hash => options.elements_max = reader.number(word, 0, SET_ELEMENTS_MAX)?,
            "bucketsize" if hash => {
                let size = reader.number(word, 0, 255)?.clamp(BUCKET_SIZE_MIN, BUCKET_SIZE_MAX);
                options.bucket_size = Some(size.next_multiple_of(2));
            }
            "initval" if hash => options.seed = Some(reader.number(word, 0, u32::MAX)?),
            "markmask" if kind.has(Part::Mark) => options.mark_mask = Some(reader.number(word, 1, u32::MAX)?),
            name @ ("netmask" | "bitmask")
                if MASKED_KINDS.contains(&kind.name()) || (name, kind.name()) == ("netmask", "bitmap:ip") =>
            {
                if self.mask.replace((word, reader.need(word)?)).is_some() {
                    return Err(word.bad("one of `netmask` and `bitmask`, once"));
                }
            }
            "forceadd" if hash => options.force_add = true,
            "timeout" => options.timeout = Some(reader.number(word, 0, TIMEOUT_MAX)?),
            "counters" => options.counters = true,
            "comment" => options.comment = true,
            "size" if kind.storage() == Storage::List => {
                options.size = reader.number(word, 0, 65_536)?.max(LIST_SIZE_MIN);
            }
            "range" if bitmap => self.range = Some(reader.need(word)?),
            "network" if bitmap && kind.has(Part::Address) => self.range = Some(reader.need(word)?),
            "from" if bitmap => self.ends[0] = Some(reader.need(word)?),
            "to" if bitmap => self.ends[1] = Some(reader.need(word)?),
            "skbinfo" => {
                let why = "marks, classes and queues are not kept with the elements of sets here";
                return Err(Fault::Unsupported { noun: Noun::Option, name: word.text.clone(), why }.at(word.column));
            }
            other => return Err(Fault::unknown(Noun::Option, other, OPTIONS.into_iter()).at(word.column)),
        }
        Ok(())
    }

    /// What all of them make; a mask that leaves all bits is none.
    fn finish(self, kind: Kind, kind_word: &Word) -> Result<Options, Flaw> {
        let Self { mut options, mask, range, ends, said: _ } = self;
        let bits = address_bits(options.family);
        match mask {
            Some((option, value)) if option_name(option) == "bitmask" => {
                let mask = values::address(&value.text, options.family).filter(|mask| !mask.is_unspecified());
                let mask = mask.ok_or_else(|| value.bad("a mask of the set's family such as 255.255.0.255"))?;
                options.bitmask = Some(Address::from(mask)).filter(|mask| *mask != prefix_mask(bits));
            }
            Some((_, value)) => {
                let prefix = values::ranged(value, 1, u64::from(bits), "a prefix length of the set's family")? as u8;
                options.netmask = Some(prefix).filter(|prefix| *prefix < bits);
            }
            None => {}
        }
        if kind.storage() == Storage::Bitmap {
            let (word, found) = match (range, ends) {
                (Some(word), _) => (word, range_of(kind, &word.text)),
                (None, [Some(first), Some(last)]) => (last, number(kind, &first.text).zip(number(kind, &last.text))),
                (None, _) => {
                    let needed = "`range FIRST-LAST`";
                    return Err(Fault::Needs { what: kind.name().into(), needed }.at(kind_word.column));
                }
            };
            let fits = found.and_then(|(one, other)| fitted((one.min(other), one.max(other)), options.netmask));
            let wants = "a range `FIRST-LAST` of at most 65536 addresses, ports or networks, and of whole networks";
            options.range = Some(fits.ok_or_else(|| word.bad(wants))?);
        }
        Ok(options)
    }
}

fn range_of(kind: Kind, text: &str) -> Option<(u32, u32)> {
    if let Some((address, mask)) = text.split_once('/').filter(|_| kind.has(Part::Address)) {
        let mask = values::ipv4_prefix(mask)?;
        let first = values::ipv4(address)?.to_bits() & mask;
        return Some((first, first | !mask));
    }
    let (first, last) = text.split_once('-')?;
    Some((number(kind, first)?, number(kind, last)?))
}

fn number(kind: Kind, text: &str) -> Option<u32> {
    match kind.has(Part::Address) {
        true => values::ipv4(text).map(core::net::Ipv4Addr::to_bits),
        false => values::port(text, Some(Protocol::TCP)).map(u32::from),
    }
}

/// The range as the set has it, with a netmask of whole networks; `None`: there is no such bitmap (Linux v6.18:
/// `net/netfilter/ipset/ip_set_bitmap_ip.c`, `bitmap_ip_create()`).
fn fitted((first, last): (u32, u32), netmask: Option<u8>) -> Option<(u32, u32)> {
    let Some(netmask) = netmask.map(u32::from) else {
        return (last - first < BITMAP_MAX).then_some((first, last));
    };
    let mask = |prefix: u32| u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
    let (first, last) = (first & mask(netmask), last | !mask(netmask));
    // The longest prefix under which the range's end is its beginning.
    let own = (0..32).rev().find(|prefix| last & mask(*prefix) == first)?;
    let is_whole = own > 0 || last == u32::MAX;
    (is_whole && netmask > own && netmask - own <= BITMAP_MAX.ilog2()).then_some((first, last))
}

/// Linux: `IPSET_MAXNAMELEN` less its final zero.
const NAME_BYTES_MAX: usize = 31;
/// Linux: `IPSET_MIMINAL_HASHSIZE`, and the greatest that a table may have.
const HASH_SIZE_MIN: u32 = 64;
const HASH_SIZE_MAX: u32 = 1 << 31;
/// Linux: `AHASH_INIT_SIZE` and `AHASH_MAX_SIZE`.
const BUCKET_SIZE_MIN: u32 = 2;
pub(super) const BUCKET_SIZE_MAX: u32 = 12;
/// Linux: `IP_SET_LIST_MIN_SIZE`.
const LIST_SIZE_MIN: u32 = 4;
/// Linux: `IPSET_BITMAP_MAX_RANGE`, and one.
const BITMAP_MAX: u32 = 65_536;

/// Kinds whose addresses may be kept in part (Linux v6.18: `IP_SET_HASH_WITH_NETMASK`, `IP_SET_HASH_WITH_BITMASK`).
static MASKED_KINDS: [&str; 2] = ["hash:ip", "hash:ip,port"];

static OPTIONS: [&str; 17] = [
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
    "network",
    "from",
    "to",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bitmap_holds_as_many_networks_as_its_mask_makes_of_a_whole_one() {
        let (ten, most) = (0x0a00_0000, 0x0aff_ffff);
        for (range, netmask, expected) in [
            ((ten, ten | 0xffff), None, Some((ten, ten | 0xffff))),
            ((ten, ten + 0x1_0000), None, None),
            ((ten, most), None, None),
            ((ten, most), Some(24), Some((ten, most))),
            ((ten, most), Some(16), Some((ten, most))),
            ((ten, most), Some(25), None),
            ((ten, ten + 0x1_0000), Some(24), Some((ten, ten + 0x1_00ff))),
            ((ten + 5, ten + 99), Some(24), None),
            ((ten, ten + 255), Some(24), None),
            ((0, u32::MAX), Some(16), Some((0, u32::MAX))),
            ((0, u32::MAX), Some(17), None),
        ] {
            assert_eq!(fitted(range, netmask), expected, "{range:x?} netmask {netmask:?}");
        }
    }
}
