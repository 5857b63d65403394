//! The lab: what its scenarios are to show, and how its TCP agrees with theory.

#[path = "scenarios/library.rs"]
mod library;
#[path = "scenarios/theory.rs"]
mod theory;
