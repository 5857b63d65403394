//! The flat form of what most rules ask for, one cache line a rule, checked without looking anywhere else.

use super::{
    classify::Field,
    facts::{Facts, Ports, StateSet, word},
    held::{Foreseen, Likely},
    interfaces::Interfaces,
};
use crate::{
    netfilter::{
        header::{Header, Network, Not},
        walk::Fingerprint,
    },
    wire::Protocol,
};

/// What a rule asks for beside matches that have to be run.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(super) struct Selector {
    source: u32,
    source_mask: u32,
    destination: u32,
    destination_mask: u32,
    source_ports: Span,
    destination_ports: Span,
    /// Numbers of device names; [`Interfaces::ANY`] asks for none.
    input: u16,
    output: u16,
    protocol: u8,
    states: StateSet,
    inverted: u8,
    asks: u8,
    /// The rule's first match, how many are asked here instead, and how many there are.
    matches: (u32, u16, u16),
    pub(super) action: Action,
    /// The bits of a fingerprint that the answer depends on.
    pub(super) looks_at: Fingerprint,
}

/// What happens when a rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// The next rule follows.
    Continue,
    Accept,
    Drop,
    /// The end of the built-in chain that stands for its policy: ACCEPT or not.
    Policy(bool),
    Return,
    /// The end of a user chain: back, and nothing is counted.
    End,
    /// To the first rule of a chain, and back behind this one.
    Jump(u32),
    /// To the first rule of a chain.
    Goto(u32),
    /// A target that has to be run.
    Run(u32),
}

/// Ports from `low` on, as many as `width` more.
#[derive(Clone, Copy, Debug)]
struct Span {
    low: u16,
    width: u16,
}

impl Span {
    const ALL: Self = Self { low: 0, width: u16::MAX };

    const fn holds(self, port: u16) -> bool {
        port.wrapping_sub(self.low) <= self.width
    }

    /// The leading bits that all of its ports have in common, and their mask. A span that goes beyond the highest port and
    /// on from 0 has none.
    fn common(self) -> (u32, u32) {
        match self.low.checked_add(self.width) {
            Some(high) => {
                let open = u16::MAX.checked_shr((self.low ^ high).leading_zeros()).unwrap_or(0);
                (u32::from(self.low & !open), u32::from(!open))
            }
            None => (0, 0),
        }
    }
}

/// The leading bits of a network and their mask; bits of the mask behind a gap are left open.
const fn prefix(network: u32, mask: u32) -> (u32, u32) {
    let mask = match mask.leading_ones() {
        0 => 0,
        length => u32::MAX << (32 - length),
    };
    (network & mask, mask)
}

/// How a packet fits a selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It does.
    Yes,
    /// It does not, for a reason that holds for its whole flow.
    Never,
    /// It does not, for a reason that bits of its fingerprint give.
    NotNow,
    /// Its header is too broken to tell; the matches have to be run one by one.
    Unsure,
    /// It is asked for its protocol, to which its headers do not lead, and is dropped for it.
    Unreached,
}

impl Selector {
    /// What a header asks for; `None` when it names more devices than there are numbers.
    pub(super) fn new(header: &Header, interfaces: &mut Interfaces) -> Option<Self> {
        let mut selector = Self {
            source: 0,
            source_mask: 0,
            destination: 0,
            destination_mask: 0,
            source_ports: Span::ALL,
            destination_ports: Span::ALL,
            input: Interfaces::ANY,
            output: Interfaces::ANY,
            protocol: 0,
            states: StateSet::ALL,
            inverted: 0,
            asks: 0,
            matches: (0, 0, 0),
            action: Action::Continue,
            looks_at: Fingerprint::NOTHING,
        };
        if let Some(field) = header.source
            && let Some((network, mask)) = narrow(field)
        {
            (selector.source, selector.source_mask) = (network, mask);
            selector.invert(SOURCE, field.inverted);
        }
        if let Some(field) = header.destination
            && let Some((network, mask)) = narrow(field)
        {
            (selector.destination, selector.destination_mask) = (network, mask);
            selector.invert(DESTINATION, field.inverted);
        }
        if let Some(field) = header.protocol {
            selector.protocol = field.what.0;
            selector.asks |= PROTOCOL;
            selector.invert(PROTOCOL, field.inverted);
        }
        if header.any_protocol {
            selector.asks |= ANY_PROTOCOL;
        }
        if let Some(field) = &header.input {
            selector.input = interfaces.intern(&field.what)?;
            selector.looks_at = selector.looks_at.or(Fingerprint::INPUT);
            selector.invert(INPUT, field.inverted);
        }
        if let Some(field) = &header.output {
            selector.output = interfaces.intern(&field.what)?;
            selector.looks_at = selector.looks_at.or(Fingerprint::OUTPUT);
            selector.invert(OUTPUT, field.inverted);
        }
        if let Some(field) = header.fragment {
            selector.asks |= FRAGMENT;
            selector.looks_at = selector.looks_at.or(Fingerprint::SHAPE);
            selector.invert(FRAGMENT, field.inverted);
        }
        Some(selector)
    }

    fn invert(&mut self, field: u8, inverted: bool) {
        if inverted {
            self.inverted |= field;
        }
    }

    /// Also asks for ports of TCP or UDP, which the header asks for already. False: it asks for ports already, and the
    /// match has to be run.
    pub(super) fn fold_ports(&mut self, source: (u16, u16), destination: (u16, u16)) -> bool {
        if self.asks & PORTS != 0 {
            return false;
        }
        let span = |(low, high): (u16, u16)| Span { low, width: high - low };
        self.source_ports = span(source);
        self.destination_ports = span(destination);
        self.asks |= PORTS;
        self.looks_at = self.looks_at.or(Fingerprint::SHAPE);
        true
    }

    /// Also asks for one of some states.
    pub(super) fn fold_states(&mut self, states: StateSet) {
        self.states.0 &= states.0;
        self.looks_at = self.looks_at.or(Fingerprint::STATE);
    }

    /// The rule's matches: the first one's index, how many are asked here instead, and how many there are.
    pub(super) const fn set_matches(&mut self, first: u32, folded: u16, count: u16) {
        self.matches = (first, folded, count);
    }

    /// The matches that are left to run.
    pub(super) const fn matches_to_run(&self) -> core::ops::Range<usize> {
        let (first, folded, count) = self.matches;
        first as usize + folded as usize..first as usize + count as usize
    }

    /// All matches of the rule.
    pub(super) const fn all_matches(&self) -> core::ops::Range<usize> {
        let (first, _, count) = self.matches;
        first as usize..first as usize + count as usize
    }

    /// The leading bits of a field that the rule fixes, and their value. A span of ports fixes what all of its ports have
    /// in common.
    pub(super) fn fixes(&self, field: Field) -> (u32, u32) {
        match field {
            Field::Source if self.inverted & SOURCE == 0 => prefix(self.source, self.source_mask),
            Field::Destination if self.inverted & DESTINATION == 0 => prefix(self.destination, self.destination_mask),
            Field::SourcePort if self.asks & PORTS != 0 => self.source_ports.common(),
            Field::DestinationPort if self.asks & PORTS != 0 => self.destination_ports.common(),
            Field::Protocol if self.asks & PROTOCOL != 0 && self.inverted & PROTOCOL == 0 => {
                (u32::from(self.protocol), u32::from(u8::MAX))
            }
            Field::Source | Field::Destination | Field::SourcePort | Field::DestinationPort | Field::Protocol => (0, 0),
        }
    }

    /// How a packet fits.
    #[inline]
    pub(super) fn fit(&self, facts: &Facts, interfaces: &Interfaces) -> Fit {
        if facts.ports == Ports::Unreached && self.asks & (PROTOCOL | ANY_PROTOCOL) != 0 {
            return self.fit_unreached(facts, interfaces);
        }
        let mut differs = self.differs_in_ends(facts);
        if self.asks & PROTOCOL != 0 && facts.protocol != Protocol(self.protocol) {
            differs |= PROTOCOL;
        }
        if differs ^ (self.inverted & (SOURCE | DESTINATION | PROTOCOL)) != 0 {
            return Fit::Never;
        }
        if facts.ports == Ports::Here {
            let holds =
                self.source_ports.holds(facts.source_port) && self.destination_ports.holds(facts.destination_port);
            if !holds {
                return Fit::Never;
            }
        }
        self.fit_now(facts, interfaces)
    }

    /// How a packet fits whose headers do not lead to the protocol that is asked for. Addresses and devices are looked at before.
    #[cold]
    fn fit_unreached(&self, facts: &Facts, interfaces: &Interfaces) -> Fit {
        if self.differs_in_ends(facts) ^ (self.inverted & (SOURCE | DESTINATION)) != 0 {
            return Fit::Never;
        }
        let differs = self.differs_in_devices(facts, interfaces);
        if differs ^ (self.inverted & (INPUT | OUTPUT)) != 0 { Fit::NotNow } else { Fit::Unreached }
    }

    /// What it says of callers of whom it is known where they go, and perhaps by which device they come.
    pub(super) fn foresee(&self, facts: &Facts, interfaces: &Interfaces, knows_input: bool) -> Foreseen {
        let mut differs = 0;
        if facts.destination & self.destination_mask != self.destination {
            differs |= DESTINATION;
        }
        if self.asks & PROTOCOL != 0 && facts.protocol != Protocol(self.protocol) {
            differs |= PROTOCOL;
        }
        if self.asks & FRAGMENT != 0 {
            differs |= FRAGMENT;
        }
        if knows_input && !interfaces.fits(facts.input, self.input) {
            differs |= INPUT;
        }
        let known = DESTINATION | PROTOCOL | FRAGMENT | if knows_input { INPUT } else { 0 };
        let fits = differs ^ (self.inverted & known) == 0
            && self.destination_ports.holds(facts.destination_port)
            && self.states.intersects(facts.state);
        let asks_who = self.source_mask != 0 || self.inverted & SOURCE != 0 || self.source_ports.width != u16::MAX;
        let is_certain = !asks_who && (knows_input || self.input == Interfaces::ANY);
        let names_port = self.asks & PORTS != 0 && self.destination_ports.width != u16::MAX;
        Foreseen { likely: Likely::of(fits, is_certain), names_port }
    }

    #[inline]
    fn differs_in_ends(&self, facts: &Facts) -> u8 {
        let mut differs = 0;
        if facts.source & self.source_mask != self.source {
            differs |= SOURCE;
        }
        if facts.destination & self.destination_mask != self.destination {
            differs |= DESTINATION;
        }
        differs
    }

    #[inline]
    fn differs_in_devices(&self, facts: &Facts, interfaces: &Interfaces) -> u8 {
        let mut differs = 0;
        if !interfaces.fits(facts.input, self.input) {
            differs |= INPUT;
        }
        if !interfaces.fits(facts.output, self.output) {
            differs |= OUTPUT;
        }
        differs
    }

    /// How a packet fits what may differ between packets of a flow.
    #[inline]
    fn fit_now(&self, facts: &Facts, interfaces: &Interfaces) -> Fit {
        let mut differs = self.differs_in_devices(facts, interfaces);
        if self.asks & FRAGMENT != 0 && facts.fragment_offset == 0 {
            differs |= FRAGMENT;
        }
        if differs ^ (self.inverted & (INPUT | OUTPUT | FRAGMENT)) != 0 {
            return Fit::NotNow;
        }
        if self.asks & PORTS != 0 && facts.ports != Ports::Here {
            return if facts.ports == Ports::Evil { Fit::Unsure } else { Fit::NotNow };
        }
        if self.states.intersects(facts.state) { Fit::Yes } else { Fit::NotNow }
    }
}

/// What a selector can look at of a network: all of IPv4's; of IPv6's one word, which rules most packets out, and of one
/// that is not to match nothing. [`Ends`] looks at the rest.
fn narrow(field: Not<Network>) -> Option<(u32, u32)> {
    match field.what.ipv6() {
        None => field.what.ipv4(),
        Some(_) if field.inverted => None,
        Some((network, mask)) => Some((word(network), word(mask))),
    }
}

/// What a rule asks of IPv6 addresses.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ends {
    source: Option<WideNetwork>,
    destination: Option<WideNetwork>,
}

#[derive(Clone, Copy, Debug)]
struct WideNetwork {
    network: u128,
    mask: u128,
    inverted: bool,
}

impl Ends {
    /// What a header asks for.
    pub(super) fn new(header: &Header) -> Self {
        let wide = |field: Option<Not<Network>>| {
            let field = field?;
            let (network, mask) = field.what.ipv6()?;
            Some(WideNetwork { network, mask, inverted: field.inverted })
        };
        Self { source: wide(header.source), destination: wide(header.destination) }
    }

    /// Whether a packet's addresses are what is asked for.
    pub(super) fn hold(&self, facts: &Facts) -> bool {
        holds(self.source, facts.wide[0]) && holds(self.destination, facts.wide[1])
    }

    /// What they say of callers of whom it is known where they go.
    pub(super) fn foresee(&self, facts: &Facts) -> Likely {
        Likely::of(holds(self.destination, facts.wide[1]), self.source.is_none())
    }
}

fn holds(asked: Option<WideNetwork>, address: u128) -> bool {
    asked.is_none_or(|asked| (address & asked.mask == asked.network) != asked.inverted)
}

const SOURCE: u8 = 1 << 0;
const DESTINATION: u8 = 1 << 1;
const PROTOCOL: u8 = 1 << 2;
const INPUT: u8 = 1 << 3;
const OUTPUT: u8 = 1 << 4;
const FRAGMENT: u8 = 1 << 5;
const PORTS: u8 = 1 << 6;
/// Of `-p all`, which all protocols are, but no packet without one.
const ANY_PROTOCOL: u8 = 1 << 7;

const _: () = assert!(size_of::<Selector>() == 64, "one cache line");
