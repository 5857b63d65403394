//! "Did you mean": the name most similar to one that is not known.

use alloc::{vec, vec::Vec};

/// The name that takes the fewest insertions, deletions and replacements of a letter to reach, if these are few for its
/// length: at most a third of the letters, at least one. Of equals the first.
pub(in crate::netfilter) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let letters = name.chars().take(LETTERS_MAX).count();
    let allowed = (letters / 3).max(1);
    known
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|&(distance, _)| distance <= allowed)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// Longer names are compared up to here.
const LETTERS_MAX: usize = 64;

/// Edit distance with neighbours swapped as one step, letters compared without case.
fn distance(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.chars().take(LETTERS_MAX).map(|letter| letter.to_ascii_lowercase()).collect();
    let other: Vec<char> = other.chars().take(LETTERS_MAX).map(|letter| letter.to_ascii_lowercase()).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, &letter) in one.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, &wanted) in other.iter().enumerate() {
            let replace = row[j] + usize::from(letter != wanted);
            let mut least = replace.min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && letter == other[j - 1] && wanted == one[i - 1] {
                least = least.min(before[j - 1] + 1);
            }
            next.push(least);
        }
        before = core::mem::replace(&mut row, next);
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_found_and_another_word_is_not() {
        let known = ["tcp", "conntrack", "MASQUERADE"];
        assert_eq!(nearest("tpc", known.into_iter()), Some("tcp"));
        assert_eq!(nearest("tcpp", known.into_iter()), Some("tcp"));
        assert_eq!(nearest("contrack", known.into_iter()), Some("conntrack"));
        assert_eq!(nearest("MASKERADE", known.into_iter()), Some("MASQUERADE"));
        assert_eq!(nearest("masquerade", known.into_iter()), Some("MASQUERADE"));
        assert_eq!(nearest("quota", known.into_iter()), None);
    }
}
