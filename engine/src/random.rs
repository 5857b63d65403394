//! The seeded generator: the engine's only source of chance.

use alloc::{collections::VecDeque, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::sip::Sip24;

/// What a number is drawn for. A script names the kinds it holds values of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Draw {
    /// A translated port or ICMP identifier.
    Port,
    /// The identification of an IPv4 packet made here.
    IpId,
    /// The flow label of an IPv6 packet made here.
    FlowLabel,
    /// The identification of an IPv6 packet that is cut here.
    FragmentId,
}

/// A keyed hash of how much was drawn before, with an optional script: values that somebody else drew, taken in order where the
/// engine would draw.
///
/// Many draws go out on a wire: ports, identifications, flow labels. Who sees some of them learns neither the key, nor what is drawn
/// next, nor other keys that were drawn here (RFC 4086, section 6.3; RFC 6056; RFC 7739), which generators made for simulations let
/// him compute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Random {
    keys: [u64; 2],
    drawn: u64,
    script: Option<Script>,
}

/// What somebody else drew, and what was asked of it in vain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Script {
    values: VecDeque<(Draw, u32)>,
    missing: Vec<Draw>,
}

impl Random {
    /// A generator that gives the same numbers for the same seed. Its key is a hash of the seed, so that seeds which are near to each
    /// other, or made from one, have nothing in common.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        let by_seed = [seed, KEYS_OF_SEEDS];
        Self { keys: [hash_of(by_seed, 0), hash_of(by_seed, 1)], drawn: 0, script: None }
    }

    /// The next 64 bits.
    pub const fn next_u64(&mut self) -> u64 {
        self.drawn = self.drawn.wrapping_add(1);
        hash_of(self.keys, self.drawn)
    }

    /// A number below `bound`, or 0 when `bound` is 0. The bias is below `bound` / 2^32.
    pub const fn below(&mut self, bound: u32) -> u32 {
        let high = self.next_u64() >> 32;
        ((high * bound as u64) >> 32) as u32
    }

    /// Where a search among `candidates` values from `first` on starts, for `draw`. With a script it is the script's next
    /// value that `admits`; when there is none, [`Self::missing`] says so and the generator decides.
    pub fn draw(&mut self, draw: Draw, first: u32, candidates: u32, admits: impl Fn(u32) -> bool) -> u32 {
        if let Some(script) = &mut self.script {
            let range = first..=first.saturating_add(candidates.saturating_sub(1));
            let found =
                script.values.iter().position(|&(kind, value)| kind == draw && range.contains(&value) && admits(value));
            if let Some((_, value)) = found.and_then(|index| script.values.remove(index)) {
                return value;
            }
            script.missing.push(draw);
        }
        first.saturating_add(self.below(candidates))
    }

    /// The identification of an IPv4 packet made here. It is drawn, so that nobody learns from it how much is sent
    /// (RFC 7739, section 5.3 says so of IPv6; Linux v6.18: `net/ipv4/route.c`, `__ip_select_ident()`).
    pub fn ip_id(&mut self) -> u16 {
        self.draw(Draw::IpId, 0, 1 << 16, |_| true) as u16
    }

    /// The same for a packet that this host sends to itself. Nobody else sees it unless NAT leads it elsewhere, so that a script
    /// holds no value for it; it has the one of the next packet then.
    pub fn ip_id_to_self(&mut self) -> u16 {
        self.peek(Draw::IpId).unwrap_or_else(|| self.below(1 << 16)) as u16
    }

    /// The script's next value of a kind, which stays there.
    fn peek(&self, draw: Draw) -> Option<u32> {
        let values = self.script.iter().flat_map(|script| &script.values);
        values.into_iter().find(|(kind, _)| *kind == draw).map(|(_, value)| *value)
    }

    /// The flow label of an IPv6 packet made here (RFC 6437, section 3; Linux v6.18: `include/net/ipv6.h`,
    /// `ip6_make_flowlabel()`, which hashes the flow with a secret that changes with each boot).
    pub fn flow_label(&mut self) -> u32 {
        self.draw(Draw::FlowLabel, 0, 1 << 20, |_| true)
    }

    /// The same for a packet that this host sends to itself, as [`Self::ip_id_to_self`].
    pub fn flow_label_to_self(&mut self) -> u32 {
        self.peek(Draw::FlowLabel).unwrap_or_else(|| self.below(1 << 20))
    }

    /// The identification that fragments of an IPv6 packet share; not zero (RFC 7739; Linux v6.18:
    /// `net/ipv6/output_core.c`, `ipv6_select_ident()`).
    pub fn fragment_id(&mut self) -> u32 {
        self.draw(Draw::FragmentId, 1, u32::MAX, |_| true)
    }

    /// Takes these values from now on where the engine would draw; `None` ends it. What was missing is forgotten.
    pub fn set_script(&mut self, values: Option<Vec<(Draw, u32)>>) {
        self.script = values.map(|values| Script { values: values.into(), missing: Vec::new() });
    }

    /// Draws since [`Self::set_script`] for which the script held no admissible value.
    #[must_use]
    pub fn missing(&self) -> &[Draw] {
        self.script.as_ref().map_or(&[], |script| &script.missing)
    }
}

const fn hash_of(keys: [u64; 2], number: u64) -> u64 {
    let mut sip = Sip24::new(keys);
    sip.word(number);
    sip.finish()
}

/// Sets the hash that makes keys of seeds apart from those of other purposes.
const KEYS_OF_SEEDS: u64 = 0x746f_7770_6174_6821;

#[cfg(test)]
mod tests {
    use alloc::vec;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_script_gives_the_next_admissible_value_of_its_kind() {
        let mut random = Random::new(1);
        random.set_script(Some(vec![(Draw::IpId, 7), (Draw::Port, 80), (Draw::Port, 5000), (Draw::Port, 5001)]));
        assert_eq!(random.draw(Draw::Port, 1024, 64_512, |port| port != 5000), 5001);
        assert_eq!(random.draw(Draw::IpId, 0, 65_536, |_| true), 7);
        assert!(random.missing().is_empty());
        random.draw(Draw::IpId, 0, 65_536, |_| true);
        assert_eq!(random.missing(), [Draw::IpId]);
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_one_next_to_it_gives_others() {
        let drawn = |seed| {
            let mut random = Random::new(seed);
            [random.next_u64(), random.next_u64(), random.next_u64()]
        };
        assert_eq!(drawn(1), drawn(1));
        assert!(drawn(1).iter().all(|number| !drawn(2).contains(number)));
    }

    proptest! {
        #[test]
        fn a_draw_lies_in_its_range(seed: u64, first in 0_u32..65_536, candidates in 1_u32..65_536) {
            let value = Random::new(seed).draw(Draw::Port, first, candidates, |_| true);
            prop_assert!((first..first + candidates).contains(&value));
        }
    }
}
