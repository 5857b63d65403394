//! Sets as ipset(8) shows them (7.17).

use alloc::string::String;
use core::fmt::Write;

use serde::{Deserialize, Serialize};

use super::{
    Sets,
    elements::Elements,
    key::Key,
    kind::Storage,
    set::{Element, Set},
};
use crate::time::Instant;

/// How sets are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SetListing {
    /// As `ipset -sorted save` does: what makes them anew.
    Save,
    /// As `ipset -sorted list` does.
    Full,
    /// As `ipset list -terse` does: without their members.
    Terse,
    /// Names only, as `ipset list -name` does.
    Names,
}

impl Sets {
    /// Shows the set of that name, or all, lists of sets last. `uses` says how often rules name a set; a list that holds one uses it
    /// as well. `None`: there is no such set.
    ///
    /// Why the size in memory is not that of Linux: it is what the set takes here.
    #[must_use]
    pub fn show(
        &self,
        now: Instant,
        name: Option<&str>,
        how: SetListing,
        uses: &dyn Fn(&str) -> usize,
    ) -> Option<String> {
        if name.is_some_and(|name| self.0.find(name).is_none()) {
            return None;
        }
        let mut out = String::new();
        for lists in [false, true] {
            let wanted = |known: &str, set: &Set| {
                (set.kind.storage() == Storage::List) == lists && name.is_none_or(|name| name == known)
            };
            for (known, set) in self.0.iter().filter(|(known, set)| wanted(known, set)) {
                match how {
                    SetListing::Save => set.print(known, now, &mut out),
                    SetListing::Names => {
                        let _ = writeln!(out, "{known}");
                    }
                    SetListing::Full | SetListing::Terse => {
                        let in_lists =
                            self.0.iter().flat_map(|(_, set)| &set.members).filter(|(member, _)| member == known);
                        if !out.is_empty() {
                            out.push('\n');
                        }
                        set.describe(known, now, uses(known) + in_lists.count(), &mut out);
                        if how == SetListing::Full {
                            out.push_str("Members:\n");
                            set.print_elements("", now, &mut out);
                        }
                    }
                }
            }
        }
        Some(out)
    }
}

impl Set {
    fn describe(&self, name: &str, now: Instant, references: usize, out: &mut String) {
        let living =
            self.elements.iter().map(|(_, element)| element).chain(self.members.iter().map(|(_, element)| element));
        let entries = living.filter(|element| element.is_alive(now)).count();
        let _ = write!(out, "Name: {name}\nType: {}\nRevision: {}\nHeader:", self.kind.name(), self.kind.revision());
        self.print_options(out);
        let _ =
            writeln!(out, "\nSize in memory: {}\nReferences: {references}\nNumber of entries: {entries}", self.bytes());
    }

    /// Bytes that it takes, as far as its elements are all of one size.
    fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.elements.len()
                * (size_of::<(Key, Element)>()
                    + Elements::BYTES_OF_EXPIRY * usize::from(self.options.timeout.is_some()))
            + self.members.len() * size_of::<(String, Element)>()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::read::{Budget, take_line},
        *,
    };

    /// What ipset 7.17 prints of the same sets, but for `initval`, sizes and lives that have lost a moment.
    #[test]
    fn sets_are_listed_as_the_tool_lists_them() {
        let mut sets = Sets::default();
        let text = "create j list:set timeout 100\ncreate e hash:ip comment timeout 100\nadd e 1.2.3.6\nadd e 1.2.3.4 comment \"x y\" timeout 9\n\
            create f hash:ip bitmask 255.255.0.255 bucketsize 4 forceadd\nadd f 1.1.1.1\ncreate i bitmap:port range 0-1000\n\
            add j f timeout 0\nadd j e\n";
        text.lines().for_each(|line| take_line(&mut sets, &mut Budget::default(), line).unwrap());
        let uses = |name: &str| usize::from(name == "e") * 2;
        let shown = |name, how| sets.show(Instant::from_secs(1), name, how, &uses);
        let sizes_aside = |text: String| -> String {
            let lines = text.lines().filter(|line| !line.starts_with("Size in memory: "));
            lines.flat_map(|line| [line, "\n"]).collect()
        };
        let list =
            "Name: j\nType: list:set\nRevision: 3\nHeader: size 8 timeout 100\nReferences: 0\nNumber of entries: 2\n";
        assert_eq!(shown(Some("j"), SetListing::Terse).map(sizes_aside).as_deref(), Some(list));
        let members = alloc::format!("{list}Members:\nf timeout 0\ne timeout 99\n");
        assert_eq!(shown(Some("j"), SetListing::Full).map(sizes_aside), Some(members));
        let of_e = "Name: e\nType: hash:ip\nRevision: 6\nHeader: family inet hashsize 1024 maxelem 65536 timeout 100 comment bucketsize 12\n\
            References: 3\nNumber of entries: 2\nMembers:\n1.2.3.4 timeout 8 comment \"x y\"\n1.2.3.6 timeout 99\n";
        assert_eq!(shown(Some("e"), SetListing::Full).map(sizes_aside).as_deref(), Some(of_e));
        assert_eq!(shown(None, SetListing::Names).as_deref(), Some("e\nf\ni\nj\n"));
        let all = shown(None, SetListing::Full).unwrap();
        assert!(all.starts_with(&shown(Some("e"), SetListing::Full).unwrap()) && all.contains("\n\nName: f\n"));
        let saved = shown(Some("f"), SetListing::Save).unwrap();
        assert!(saved.ends_with(" bitmask 255.255.0.255 forceadd bucketsize 4\nadd f 1.1.0.1\n"), "{saved}");
        assert_eq!(shown(Some("none"), SetListing::Save), None);
    }
}
