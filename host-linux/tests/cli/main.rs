//! The program on captures, as a user starts it: what it says, where it says it, and how it ends.

mod check;
mod conntrack;
mod diff;
#[cfg(shipped_helpers)]
mod expectations;
mod explain;
mod helper;
#[cfg(shipped_helpers)]
#[path = "../wire/in_c.rs"]
mod in_c;
mod lab;
mod nat_audit;
mod program;
#[cfg(shipped_helpers)]
mod readme;
mod replay;
#[path = "../wire/skip.rs"]
mod skip;
mod test;
mod watching;
mod wrong;
