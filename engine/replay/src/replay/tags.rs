//! Takes VLAN tags off a frame.

use towpath_engine::wire::EtherType;

/// Copies `frame` without its 802.1Q and 802.1ad tags to `into`, when it has any, and says how many bytes they took.
pub(super) fn strip(frame: &[u8], into: &mut Vec<u8>) -> Option<u32> {
    let (addresses, mut rest) = frame.split_at_checked(ADDRESSES)?;
    while let [a, b, _, _, inner @ ..] = rest
        && is_tag(u16::from_be_bytes([*a, *b]))
    {
        rest = inner;
    }
    let tags = frame.len() - addresses.len() - rest.len();
    if tags == 0 {
        return None;
    }
    into.clear();
    into.extend_from_slice(addresses);
    into.extend_from_slice(rest);
    Some(tags as u32)
}

fn is_tag(ether_type: u16) -> bool {
    ether_type == EtherType::VLAN.0 || ether_type == EtherType::SERVICE_VLAN.0 || ether_type == OLD_DOUBLE_TAG
}

/// Both Ethernet addresses.
const ADDRESSES: usize = 12;
/// What stood before outer tags until 802.1ad.
const OLD_DOUBLE_TAG: u16 = 0x9100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_tags_are_taken_off_and_nothing_else() {
        let plain = [&[7; 12][..], &[8, 0], b"packet"].concat();
        let mut into = Vec::new();
        assert_eq!(strip(&plain, &mut into), None);
        let double = [&[7; 12][..], &[0x88, 0xa8, 0, 1, 0x81, 0, 0, 2, 8, 0], b"packet"].concat();
        assert_eq!(strip(&double, &mut into), Some(8));
        assert_eq!(into, plain);
    }

    #[test]
    fn a_frame_that_ends_in_a_tag_is_short_and_not_damaged() {
        let mut into = Vec::new();
        assert_eq!(strip(&[[7; 12].as_slice(), &[0x81, 0, 0]].concat(), &mut into), None);
        assert_eq!(strip(&[[7; 12].as_slice(), &[0x81, 0, 0, 1]].concat(), &mut into), Some(4));
        assert_eq!(strip(&[7; 5], &mut into), None);
    }
}
