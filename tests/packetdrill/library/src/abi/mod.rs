//! The table of functions, as packetdrill calls them.
//!
//! | file | what |
//! |---|---|
//! | `table` | the order of the functions |
//! | `calls`, `readiness` | what they do with what they are given |
//! | `memory` | pointers that become slices |
//! | `preloaded` | what packetdrill asks of libc instead |

mod calls;
mod memory;
mod preloaded;
mod readiness;
mod table;
