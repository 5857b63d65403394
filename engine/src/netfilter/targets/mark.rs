//! `-j MARK`: changes the packet's mark (Linux v6.18: `net/netfilter/xt_mark.c`, `mark_tg()`).

use alloc::{format, string::String};

use super::{Next, Targeting};
use crate::netfilter::{
    RuleId, View,
    error::Flaw,
    save::{
        options::{Given, Opt, Spec},
        values,
    },
};

/// Clears some bits and turns others over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::netfilter) struct Mark {
    value: u32,
    mask: u32,
}

impl Targeting for Mark {
    const SPEC: &'static Spec = &Spec {
        name: "MARK",
        options: &[
            Opt::value(&["set-xmark"]),
            Opt::value(&["set-mark"]),
            Opt::value(&["and-mark"]),
            Opt::value(&["or-mark"]),
            Opt::value(&["xor-mark"]),
        ],
    };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        let change = parse_change(given)?;
        change.ok_or_else(|| given.needs("`--set-mark`, `--set-xmark`, `--and-mark`, `--or-mark` or `--xor-mark`"))
    }

    fn print(&self, out: &mut String) {
        out.push_str(&format!(" --set-xmark {:#x}/{:#x}", self.value, self.mask));
    }

    fn apply(&mut self, _: RuleId, view: &mut View<'_>) -> Next {
        let meta = view.packet.meta_mut();
        meta.mark = self.on(meta.mark);
        Next::Rule
    }

    fn is_repeatable(&self) -> bool {
        false
    }
}

impl Mark {
    /// The mark that a mark becomes.
    pub(super) const fn on(self, mark: u32) -> u32 {
        (mark & !self.mask) ^ self.value
    }

    /// The same change, with other bits cleared.
    pub(super) const fn with_mask(self, mask: u32) -> Self {
        Self { mask, ..self }
    }

    /// The bits that are cleared.
    pub(super) const fn mask(self) -> u32 {
        self.mask
    }

    /// The bits that are turned over.
    pub(super) const fn value(self) -> u32 {
        self.value
    }
}

/// Reads the options that MARK and CONNMARK share; `None` when none was given.
pub(super) fn parse_change(given: &Given<'_>) -> Result<Option<Mark>, Flaw> {
    given.exclusive(&["set-xmark", "set-mark", "and-mark", "or-mark", "xor-mark", "save-mark", "restore-mark"])?;
    let masked = |name| given.find(name).map(|item| values::masked(item.value())).transpose();
    let whole = |name| given.find(name).map(|item| values::mark(item.value())).transpose();
    if let Some((value, mask)) = masked("set-xmark")? {
        return Ok(Some(Mark { value, mask }));
    }
    if let Some((value, mask)) = masked("set-mark")? {
        return Ok(Some(Mark { value, mask: value | mask }));
    }
    if let Some(bits) = whole("and-mark")? {
        return Ok(Some(Mark { value: 0, mask: !bits }));
    }
    if let Some(bits) = whole("or-mark")? {
        return Ok(Some(Mark { value: bits, mask: bits }));
    }
    Ok(whole("xor-mark")?.map(|bits| Mark { value: bits, mask: 0 }))
}
