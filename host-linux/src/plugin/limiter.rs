//! The bound of a helper's memory.
//!
//! A growth beyond it ends the call. WebAssembly would have it answered with -1, and helpers that go on then are asked
//! nothing that they could answer rightly: Rust's allocator ends them, too. One that tries again and again would take a hundred times as long as its
//! fuel says.

use std::{error, fmt};

use wasmtime::ResourceLimiter;

use super::limits::{PARTS_MAX, TABLE_ELEMENTS_MAX};

/// Counts what an instance's memories and tables take together, and notes when more was asked for than allowed, which is what the call
/// has failed by.
#[derive(Debug)]
pub struct Limiter {
    memory_bytes_max: usize,
    memory_bytes: usize,
    table_elements: usize,
    denied: bool,
}

impl Limiter {
    /// A limiter for an instance that has nothing yet.
    #[must_use]
    pub fn new(memory_bytes_max: u32) -> Self {
        let memory_bytes_max = usize::try_from(memory_bytes_max).unwrap_or(usize::MAX);
        Self { memory_bytes_max, memory_bytes: 0, table_elements: 0, denied: false }
    }

    /// Forgets what was denied before; called before each call.
    pub const fn forget_denials(&mut self) {
        self.denied = false;
    }

    /// Whether anything was denied.
    #[must_use]
    pub const fn has_denied(&self) -> bool {
        self.denied
    }

    /// What the memories take, in bytes.
    #[must_use]
    pub const fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Takes `desired` instead of `current` into the sum if it stays within `max`.
    fn grow(sum: &mut usize, denied: &mut bool, current: usize, desired: usize, max: usize) -> wasmtime::Result<bool> {
        let grown = (*sum - current).saturating_add(desired);
        if grown > max {
            *denied = true;
            return Err(Denied.into());
        }
        *sum = grown;
        Ok(true)
    }
}

/// More was asked for than allowed.
#[derive(Clone, Copy, Debug)]
struct Denied;

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a memory or a table would grow beyond its bound")
    }
}

impl error::Error for Denied {}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Self::grow(&mut self.memory_bytes, &mut self.denied, current, desired, self.memory_bytes_max)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Self::grow(&mut self.table_elements, &mut self.denied, current, desired, TABLE_ELEMENTS_MAX)
    }

    /// It has a bound of its own, or the machine has no memory left.
    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.denied = true;
        Err(error)
    }

    /// The same.
    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.denied = true;
        Err(error)
    }

    fn instances(&self) -> usize {
        PARTS_MAX
    }

    fn tables(&self) -> usize {
        PARTS_MAX
    }

    /// One: parts with a memory each could pass strings to each other, which are copied without fuel.
    fn memories(&self) -> usize {
        1
    }
}

#[cfg(test)]
mod tests {
    use wasmtime::ResourceLimiter;

    use super::Limiter;

    #[test]
    fn all_memories_together_stay_within_the_bound() {
        let mut limiter = Limiter::new(300);
        assert!(limiter.memory_growing(0, 100, None).unwrap());
        assert!(limiter.memory_growing(0, 100, None).unwrap());
        assert!(limiter.memory_growing(100, 200, None).unwrap());
        assert!(!limiter.has_denied());
        assert!(limiter.memory_growing(200, 201, None).is_err(), "the call ends");
        assert!(limiter.has_denied());
        assert_eq!(limiter.memory_bytes(), 300);
    }
}
