//! The lab: what its scenarios are to show, and how its TCP and its hardware agree with theory.

#[path = "scenarios/bbr.rs"]
mod bbr;
#[path = "scenarios/failover.rs"]
mod failover;
#[path = "scenarios/interrupts.rs"]
mod interrupts;
#[path = "scenarios/library.rs"]
mod library;
#[path = "scenarios/theory.rs"]
mod theory;
