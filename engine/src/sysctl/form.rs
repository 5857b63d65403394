//! What values look like to people: numbers, and words that stand for numbers.

use alloc::{
    string::{String, ToString},
    vec,
    vec::Vec,
};

use super::{Sysctls, same_name};
use crate::tcp::{congestion, fastopen::key};

/// How the values of a tunable are read and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueForm {
    /// As numbers.
    Numbers,
    /// As a key of Fast Open, or two.
    Keys,
    /// As the name of a congestion control, whose number is its place in [`congestion::NAMES`].
    Algorithm,
    /// As names of congestion controls, the bits of whose numbers are set.
    Algorithms,
}

impl ValueForm {
    /// That of the tunable of that name; slashes may stand for dots.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let is = |known: &str| same_name(name, known);
        if is(Sysctls::CONGESTION_CONTROL) {
            Self::Algorithm
        } else if is(Sysctls::ALLOWED_CONGESTION_CONTROL) || is(Sysctls::AVAILABLE_CONGESTION_CONTROL) {
            Self::Algorithms
        } else if is(Sysctls::FAST_OPEN_KEY) {
            Self::Keys
        } else {
            Self::Numbers
        }
    }

    /// What a text of this form is.
    #[must_use]
    pub const fn expected(self) -> &'static str {
        match self {
            Self::Numbers => "a number from 0 on, or several with spaces between them",
            Self::Keys => "a key such as 00000000-00000000-00000000-00000000, or two with a comma between them",
            Self::Algorithm => "one of reno, bbr and cubic",
            Self::Algorithms => "some of reno, bbr and cubic, with spaces between them",
        }
    }

    /// The values that a text names; `None` when it is not of this form. No number at all is of no form; no name at all is one of
    /// [`Self::Algorithms`].
    #[must_use]
    pub fn read(self, text: &str) -> Option<Vec<u32>> {
        let words = text.split_whitespace();
        match self {
            Self::Numbers => {
                let numbers: Option<Vec<u32>> = words.map(|word| word.parse().ok()).collect();
                numbers.filter(|numbers| !numbers.is_empty())
            }
            Self::Keys => key::numbers_of(text),
            Self::Algorithm => Some(vec![number_of(text.trim())?]),
            Self::Algorithms => {
                let mut bits = words.map(|name| Some(1 << number_of(name)?));
                Some(vec![bits.try_fold(0, |all, bit: Option<u32>| Some(all | bit?))?])
            }
        }
    }

    /// Values as text, as Linux shows them.
    #[must_use]
    pub fn show(self, values: &[u32]) -> String {
        let first = values.first().copied().unwrap_or_default();
        match self {
            Self::Numbers => values.iter().map(u32::to_string).collect::<Vec<_>>().join("\t"),
            Self::Keys => key::text_of(values),
            Self::Algorithm => congestion::NAMES.get(first as usize).copied().unwrap_or_default().to_string(),
            Self::Algorithms => {
                let is_set = |name: &&str| number_of(name).is_some_and(|number| first & (1 << number) != 0);
                SHOWN.into_iter().filter(is_set).collect::<Vec<_>>().join(" ")
            }
        }
    }
}

fn number_of(name: &str) -> Option<u32> {
    congestion::NAMES.iter().position(|known| *known == name).map(|number| number as u32)
}

/// The order in which Linux shows them: that in which it comes to know them where all are built in.
const SHOWN: [&str; congestion::NAMES.len()] = ["reno", "bbr", "cubic"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_congestion_controls_stand_for_numbers() {
        let form = ValueForm::of("net/ipv4/tcp_congestion_control");
        assert_eq!(form, ValueForm::Algorithm);
        for name in SHOWN {
            assert_eq!(form.show(&form.read(name).expect("it is known")), name);
            assert!(form.expected().contains(name) && ValueForm::Algorithms.expected().contains(name));
        }
        assert_eq!(form.read(" bbr "), Some(vec![2]));
        for wrong in ["", "vegas", "reno cubic", "0"] {
            assert_eq!(form.read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn several_names_are_shown_in_the_order_of_linux_and_may_be_none() {
        let form = ValueForm::of(Sysctls::ALLOWED_CONGESTION_CONTROL);
        assert_eq!(form.show(&form.read("cubic  reno").expect("known")), "reno cubic");
        assert_eq!(form.show(&form.read("").expect("none")), "");
        assert_eq!(form.read("cubic vegas"), None);
        assert_eq!(ValueForm::of(Sysctls::AVAILABLE_CONGESTION_CONTROL).show(&[7]), "reno bbr cubic");
    }

    #[test]
    fn what_is_no_word_is_numbers() {
        let form = ValueForm::of("net.ipv4.tcp_rmem");
        assert_eq!(form.read("1 2\t3"), Some(vec![1, 2, 3]));
        assert_eq!(form.show(&[1, 2, 3]), "1\t2\t3");
        for wrong in ["", "x", "-1", "1,2"] {
            assert_eq!(form.read(wrong), None, "{wrong}");
        }
        assert_eq!(ValueForm::of(Sysctls::FAST_OPEN_KEY), ValueForm::Keys);
    }
}
