//! What a NIC may do instead of the host, done in software: so far checksums.

pub mod checksum;
