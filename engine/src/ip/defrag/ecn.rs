//! The congestion marks of fragments (RFC 3168, section 5.3): one congested fragment makes the datagram congested.

/// The bit that stands for the mark in a fragment's type of service.
pub(super) const fn mark(tos: u8) -> u8 {
    1 << (tos & MARK)
}

/// What the fragments' marks, as [`mark`] gives them, make of the datagram's beside those of its first fragment; `None`
/// when they contradict each other: some come from a sender that understands marks and some from one that does not.
///
/// Linux v6.18: `net/ipv4/inet_fragment.c`, `ip_frag_ecn_table`.
pub(super) const fn joined(marks: u8) -> Option<u8> {
    let is_marked = marks & NOT_CAPABLE == 0;
    match (is_marked, marks & CONGESTED != 0, marks & !CONGESTED != 0) {
        (false, _, _) if marks != NOT_CAPABLE => None,
        (true, true, true) => Some(MARK),
        (true | false, _, _) => Some(0),
    }
}

/// The low two bits of the type of service.
const MARK: u8 = 3;
/// "Not ECN-capable" was seen.
const NOT_CAPABLE: u8 = 1 << 0;
/// "Congestion experienced" was seen.
const CONGESTED: u8 = 1 << 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_congested_fragment_makes_the_datagram_congested() {
        let of = |tos: &[u8]| joined(tos.iter().fold(0, |marks, tos| marks | mark(*tos)));
        assert_eq!(of(&[0, 0xb8]), Some(0));
        assert_eq!(of(&[1, 2]), Some(0));
        assert_eq!(of(&[2, 3]), Some(3));
        assert_eq!(of(&[1, 2, 3]), Some(3));
        assert_eq!(of(&[3, 3]), Some(0));
        assert_eq!(of(&[0, 2]), None);
        assert_eq!(of(&[0, 3]), None);
    }
}
