//! The clock, for how long a transfer takes.

use std::time::Instant;

#[expect(clippy::disallowed_methods, reason = "the demo measures real transfers")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
