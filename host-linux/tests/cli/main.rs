//! The program on captures, as a user starts it: what it says, where it says it, and how it ends.

mod check;
mod explain;
mod program;
mod replay;
mod wrong;
