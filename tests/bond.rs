//! Bonds: by which port packets leave and come in, and what happens when links fail.

#[path = "bond/adaptive.rs"]
mod adaptive;
#[path = "bond/beginning.rs"]
mod beginning;
#[path = "bond/failover.rs"]
mod failover;
#[path = "bond/lacp.rs"]
mod lacp;
#[path = "bond/lacp_begin.rs"]
mod lacp_begin;
#[path = "bond/lacp_told.rs"]
mod lacp_told;
#[path = "bond/modes.rs"]
mod modes;
#[path = "bond/probes.rs"]
mod probes;
#[path = "bond/text.rs"]
mod text;
