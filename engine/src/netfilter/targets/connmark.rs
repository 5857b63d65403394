//! `-j CONNMARK`: changes the connection's mark, or copies between it and the packet's (Linux v6.18:
//! `net/netfilter/xt_connmark.c`, `connmark_tg_shift()`).

use alloc::{format, string::String};

use super::{
    Next, Targeting,
    mark::{Mark, parse_change},
};
use crate::netfilter::{
    RuleId, View,
    error::Flaw,
    save::{
        options::{Given, Opt, Spec},
        values,
    },
};

/// What is done.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Connmark {
    action: Action,
    /// The connection's bits and the packet's bits that take part in a copy.
    masks: Masks,
    shift: Shift,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Action {
    Set(Mark),
    /// From the packet to the connection.
    Save,
    /// From the connection to the packet.
    Restore,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Masks {
    connection: u32,
    packet: u32,
}

/// By how many bits what is written moves, 0 to 31.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shift {
    Left(u8),
    Right(u8),
}

impl Targeting for Connmark {
    const SPEC: &'static Spec = &Spec {
        name: "CONNMARK",
        options: &[
            Opt::value(&["set-xmark"]),
            Opt::value(&["set-mark"]),
            Opt::value(&["and-mark"]),
            Opt::value(&["or-mark"]),
            Opt::value(&["xor-mark"]),
            Opt::flag(&["save-mark"]),
            Opt::flag(&["restore-mark"]),
            Opt::value(&["left-shift-mark"]),
            Opt::value(&["right-shift-mark"]),
            Opt::value(&["ctmask"]),
            Opt::value(&["nfmask"]),
            Opt::value(&["mask"]),
        ],
    };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        given.exclusive(&["ctmask", "mask"])?;
        given.exclusive(&["nfmask", "mask"])?;
        given.exclusive(&["left-shift-mark", "right-shift-mark"])?;
        let mask = |name| match given.find(name) {
            Some(item) => values::mark(item.value()).map(Some),
            None => Ok(None),
        };
        let both = mask("mask")?;
        let masks = Masks {
            connection: mask("ctmask")?.or(both).unwrap_or(u32::MAX),
            packet: mask("nfmask")?.or(both).unwrap_or(u32::MAX),
        };
        let change = parse_change(given)?.map(|change| match mask_behind_value(given, masks) {
            Some(mask) => change.with_mask(mask),
            None => change,
        });
        let action = match change {
            Some(change) => Action::Set(change),
            None if given.has("save-mark") => Action::Save,
            None if given.has("restore-mark") => Action::Restore,
            None => return Err(given.needs("an option such as `--set-mark`, `--save-mark` or `--restore-mark`")),
        };
        Ok(Self { action, masks, shift: Shift::parse(given)? })
    }

    fn print(&self, out: &mut String) {
        let Masks { connection, packet } = self.masks;
        let text = match self.action {
            Action::Set(change) => format!(" --set-xmark {:#x}/{:#x}", change.value(), change.mask()),
            Action::Save => format!(" --save-mark --nfmask {packet:#x} --ctmask {connection:#x}"),
            Action::Restore => format!(" --restore-mark --nfmask {packet:#x} --ctmask {connection:#x}"),
        };
        out.push_str(&text);
        match self.shift {
            Shift::Left(0) | Shift::Right(0) => {}
            Shift::Left(bits) => out.push_str(&format!(" --left-shift-mark {bits}")),
            Shift::Right(bits) => out.push_str(&format!(" --right-shift-mark {bits}")),
        }
    }

    fn apply(&mut self, _: RuleId, view: &mut View<'_>) -> Next {
        let id = view.packet.meta().tracking.connection();
        let Some(connection) = id.and_then(|id| view.conntrack.connection_mut(id)) else { return Next::Rule };
        let packet = &mut view.packet.meta_mut().mark;
        let Masks { connection: of_connection, packet: of_packet } = self.masks;
        match self.action {
            Action::Set(change) => connection.set_mark(self.shift.on(change.on(connection.mark))),
            Action::Save => {
                connection.set_mark((connection.mark & !of_connection) ^ self.shift.on(*packet & of_packet));
            }
            Action::Restore => *packet = (*packet & !of_packet) ^ self.shift.on(connection.mark & of_connection),
        }
        Next::Rule
    }

    fn is_repeatable(&self) -> bool {
        false
    }
}

/// The mask that replaces the one of `--set-mark` and its like: `--mask` or `--ctmask`, when it comes later.
fn mask_behind_value(given: &Given<'_>, masks: Masks) -> Option<u32> {
    let is_mask = |name: &str| matches!(name, "mask" | "ctmask");
    let last = given.items.iter().rfind(|item| is_mask(item.id()) || item.id().ends_with("-mark"))?;
    is_mask(last.id()).then_some(masks.connection)
}

impl Shift {
    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        let bits = |name| match given.find(name) {
            Some(item) => {
                values::ranged(item.value(), 0, 31, "a number of bits from 0 to 31").map(|bits| Some(bits as u8))
            }
            None => Ok(None),
        };
        Ok(match (bits("left-shift-mark")?, bits("right-shift-mark")?) {
            (_, Some(bits)) => Self::Right(bits),
            (left, None) => Self::Left(left.unwrap_or(0)),
        })
    }

    const fn on(self, mark: u32) -> u32 {
        match self {
            Self::Left(bits) => mark << bits,
            Self::Right(bits) => mark >> bits,
        }
    }
}
