//! Makes the splits of a chain.

use alloc::{vec, vec::Vec};

use super::{Classifier, EMPTY, Field, LISTS_MAX, Long, Node, Slot, Split};
use crate::netfilter::program::selector::Selector;

/// Leading bits of a field.
#[derive(Clone, Copy, Debug)]
struct Question {
    field: Field,
    mask: u32,
}

impl Question {
    /// The value that a rule fixes; `None` when it leaves bits open.
    fn value(self, selector: &Selector) -> Option<u32> {
        let (value, mask) = selector.fixes(self.field);
        (mask & self.mask == self.mask).then_some(value & self.mask)
    }
}

impl Classifier {
    /// Adds a long chain whose rules begin at `first` of all.
    pub(in crate::netfilter::program) fn add(&mut self, first: u32, rules: &[Selector]) {
        let end = first + rules.len() as u32;
        let root = Builder { classifier: self, first, selectors: rules }.node((first..end).collect(), LISTS_MAX);
        self.chains.push(Long { first, end, root });
    }
}

struct Builder<'a> {
    classifier: &'a mut Classifier,
    first: u32,
    selectors: &'a [Selector],
}

impl Builder<'_> {
    fn selector(&self, rule: u32) -> &Selector {
        &self.selectors[(rule - self.first) as usize]
    }

    /// The node for some rules, in order, under which a packet meets at most so many lists.
    fn node(&mut self, rules: Vec<u32>, lists: usize) -> u32 {
        if rules.len() > LIST_RULES
            && lists > 1
            && let Some(question) = self.best_question(&rules)
        {
            let parted = self.part(&rules, question);
            if is_worthwhile(parted.largest(), parted.rest.len(), rules.len()) {
                return self.split(question, parted, lists);
            }
        }
        let start = self.classifier.rules.len() as u32;
        self.classifier.rules.extend_from_slice(&rules);
        self.push(Node::List { start, end: self.classifier.rules.len() as u32 })
    }

    fn push(&mut self, node: Node) -> u32 {
        self.classifier.nodes.push(node);
        self.classifier.nodes.len() as u32 - 1
    }

    fn split(&mut self, question: Question, parted: Parted, lists: usize) -> u32 {
        let for_rest = match parted.rest.len() {
            0 => 0,
            1..=LIST_RULES => 1,
            _ => lists / 2,
        };
        let groups: Vec<(u32, u32)> =
            parted.groups.into_iter().map(|(value, group)| (value, self.node(group, lists - for_rest))).collect();
        let rest = self.node(parted.rest, for_rest.max(1));
        // At most half full, and two slots at least, so that a search ends.
        let size = (groups.len() * 2).next_power_of_two();
        let start = self.classifier.slots.len();
        let split = Split {
            field: question.field,
            mask: question.mask,
            start: start as u32,
            shift: 32 - size.trailing_zeros() as u8,
            rest,
        };
        let mut slots = vec![Slot { value: 0, node: EMPTY }; size];
        for (value, node) in groups {
            let mut at = split.home(value) as usize;
            while slots[at].node != EMPTY {
                at = (at + 1) % size;
            }
            slots[at] = Slot { value, node };
        }
        self.classifier.slots.extend(slots);
        self.push(Node::Split(split))
    }

    fn part(&self, rules: &[u32], question: Question) -> Parted {
        let (mut fixed, mut rest) = (Vec::new(), Vec::new());
        for &rule in rules {
            match question.value(self.selector(rule)) {
                Some(value) => fixed.push((value, rule)),
                None => rest.push(rule),
            }
        }
        fixed.sort_unstable();
        let groups = fixed.chunk_by(|one, other| one.0 == other.0);
        let groups = groups.map(|group| (group[0].0, group.iter().map(|&(_, rule)| rule).collect())).collect();
        Parted { groups, rest }
    }

    /// The question that leaves the fewest rules to ask, judged by a sample of the rules.
    fn best_question(&self, rules: &[u32]) -> Option<Question> {
        let step = rules.len().div_ceil(SAMPLE_RULES);
        let sample: Vec<&Selector> = rules.iter().step_by(step).map(|&rule| self.selector(rule)).collect();
        let mut best: Option<(usize, Question)> = None;
        let mut values = Vec::with_capacity(sample.len());
        for field in Field::ALL {
            for mask in masks(field, &sample) {
                let question = Question { field, mask };
                values.clear();
                values.extend(sample.iter().filter_map(|selector| question.value(selector)));
                values.sort_unstable();
                let largest = values.chunk_by(|one, other| one == other).map(<[u32]>::len).max().unwrap_or(0);
                let left = largest + sample.len() - values.len();
                if best.is_none_or(|(least, _)| left < least) {
                    best = Some((left, question));
                }
            }
        }
        best.map(|(_, question)| question)
    }
}

/// Rules by the value that they fix, and those that leave it open.
struct Parted {
    groups: Vec<(u32, Vec<u32>)>,
    rest: Vec<u32>,
}

impl Parted {
    fn largest(&self) -> usize {
        self.groups.iter().map(|(_, group)| group.len()).max().unwrap_or(0)
    }
}

/// Whether a packet is spared at least an eighth of the rules.
const fn is_worthwhile(largest: usize, rest: usize, all: usize) -> bool {
    (largest + rest) * 8 <= all * 7
}

/// The leading bits of a field that rules fix, each number of them once, longest first.
fn masks(field: Field, sample: &[&Selector]) -> impl Iterator<Item = u32> {
    let fixed = sample.iter().fold(0_u64, |lengths, selector| {
        let (_, mask) = selector.fixes(field);
        lengths | 1 << mask.count_ones()
    });
    (1..=field.bits()).rev().filter(move |length| fixed >> length & 1 == 1).map(move |length| field.leading(length))
}

/// Rules that are asked one after the other.
const LIST_RULES: usize = 4;

/// Rules of a sample, so that choosing takes as long for a million rules as for a thousand.
const SAMPLE_RULES: usize = 1024;
