//! What Towpath's suites share.

pub mod kernel;
mod skip;

pub use self::skip::skip;
