//! TCP's windows as seen from the middle.

use serde::{Deserialize, Serialize};

/// What is remembered of a TCP connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpTracking {}
