//! The components inside this program.
//!
//! `build.rs` takes in what `cargo xtask plugins` has put into `target/wasm/plugins`, so that an installed program
//! finds its helpers without any configuration. A program that was built without them says so when one is asked for.

use strsim::levenshtein as distance;

/// A component that this program brings along.
#[derive(Clone, Copy, Debug)]
pub struct Shipped {
    /// Its helper's name.
    pub name: &'static str,
    /// The component.
    pub component: &'static [u8],
}

/// The names of those that the program can be built with.
pub const NAMES: [&str; 4] = ["ftp", "irc", "netbios-ns", "tftp"];

/// Those names, the most similar to `name` first.
#[must_use]
pub fn names_like(name: &str) -> [&'static str; 4] {
    let mut names = NAMES;
    names.sort_by_key(|known| distance(name, known));
    names
}

/// The name of the one whose bytes these are.
#[must_use]
pub fn name_of(component: &[u8]) -> Option<&'static str> {
    COMPONENTS.iter().find(|shipped| shipped.component == component).map(|shipped| shipped.name)
}

/// All of them, by name; empty when the program was built before they were.
pub static COMPONENTS: &[Shipped] = include!(concat!(env!("OUT_DIR"), "/shipped.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_that_was_most_likely_meant_comes_first() {
        for (asked, meant) in [("ftpp", "ftp"), ("tfpt", "tftp"), ("netbios", "netbios-ns"), ("ircd", "irc")] {
            assert_eq!(names_like(asked)[0], meant, "{asked}");
        }
        assert_eq!([distance("", "irc"), distance("irc", "irc"), distance("ftp", "tftp")], [3, 0, 1]);
    }

    #[test]
    fn only_what_has_a_known_name_is_built_in() {
        assert!(COMPONENTS.iter().all(|shipped| NAMES.contains(&shipped.name)));
    }
}
