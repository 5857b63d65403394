//! Plays: what goes into a gateway and what must come of it, in the one notation.
//!
//! ```text
//! 0.000  lan <  10.0.0.2:40000 > 198.51.100.7:80     S  seq 1000 win 64240
//! 0.000  wan >  203.0.113.1:40000 > 198.51.100.7:80  S  seq 1000 win 64240
//! 0.000  lan =  NEW ORIGINAL SYN_SENT [UNREPLIED]
//! 0.020  wan <  198.51.100.7:80 > 203.0.113.1:40000  SA seq 9000 ack 1001
//! 0.020  lan >  198.51.100.7:80 > 10.0.0.2:40000     SA seq 9000 ack 1001
//! 0.500  wan <  198.51.100.7:81 > 203.0.113.1:40000  S  seq 1
//! 0.500  wan x  FilterPolicy
//! ```
//!
//! Packets of IPv6 are written as [`towpath_engine::packet::sketch`] says: `fd00:1::10:40000 > 2001:db8:2::7:443 S`.
//!
//! | sign | what it says |
//! |---|---|
//! | `<` | the packet goes in by the device; with `-` for the device the gateway itself sends it |
//! | `>` | the packet must come out by the device, its checksums right |
//! | `x` | a packet must end for that reason; the device is that of the packet before, `-` for what waited |
//! | `=` | words that must be said of the packet before: its state and direction, how it ended (`FORWARDED`, `DELIVERED`, `HELD`, `ABSORBED`, `DROPPED`), the word of records for that ([`Verdict`](crate::record::Verdict)), the rule that decided (`rules.v4:12`, without folders) or `policy` when steps are written down, and the words of its connection's line in `conntrack -L` |
//! | `!` | the text must be in something that is told: an event as `conntrack -E` prints it, or `log: ` and a rule's line |
//! | `#` | a remark |
//!
//! What travels beside a packet's bytes stands behind a bar: `| gso 1448` makes it a super-packet of segments of so many
//! bytes, whose checksum is left to the device; `| vlan 10` is an 802.1Q tag beside its bytes and `| svlan 10` an 802.1ad one,
//! and those behind the word `in` stand between the bytes, the outermost one first: `| svlan 100 in vlan 10`. What is written
//! without a bar must come out with nothing beside it.
//!
//! Nothing may come out or end that is not written. Times are seconds from the play's start, with three decimals at most,
//! and never step back; what was due between two lines happens between them. Days cost nothing.

mod beside;
mod compare;
mod happening;
mod player;
mod script;

pub use self::{
    beside::Beside,
    compare::{Difference, Mark, Marked},
    happening::Happening,
    player::{PlayError, Player, station_mac},
    script::{Script, ScriptError, ScriptFault},
};
pub(crate) use self::{
    happening::{Shown, told},
    script::{packet, word},
};
