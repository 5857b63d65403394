//! What Towpath's suites share.

pub mod kernel;
