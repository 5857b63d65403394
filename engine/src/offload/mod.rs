//! What a NIC, or the host before its protocols, may do with packets, in software: checksums, cutting super-packets into
//! segments, and merging segments into super-packets.

pub mod checksum;
pub mod gro;
pub mod gso;
