//! What a NIC may do instead of the host, done in software: checksums, and cutting super-packets into segments.

pub mod checksum;
pub mod gso;
