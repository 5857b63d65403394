//! VLAN tags between a frame's bytes.

use towpath_engine::{Checksum, Frame, VlanTag, wire::EtherType};

/// Copies `frame` without its 802.1Q and 802.1ad tags to `into`, when it has any, and says how many bytes they took.
#[inline]
pub(crate) fn strip(frame: &[u8], into: &mut Vec<u8>) -> Option<u32> {
    let kind = frame.get(ADDRESSES..)?.first_chunk()?;
    if is_tag(u16::from_be_bytes(*kind)) { strip_tagged(frame, into) } else { None }
}

#[inline(never)]
fn strip_tagged(frame: &[u8], into: &mut Vec<u8>) -> Option<u32> {
    let tags = all(frame).len() * BYTES;
    if tags == 0 {
        return None;
    }
    into.clear();
    into.extend_from_slice(frame.get(..ADDRESSES)?);
    into.extend_from_slice(frame.get(ADDRESSES + tags..)?);
    Some(tags as u32)
}

/// The tags between the bytes, the outermost one first.
pub(crate) fn all(frame: &[u8]) -> Vec<VlanTag> {
    let mut tags = Vec::new();
    let mut rest = frame.get(ADDRESSES..).unwrap_or_default();
    while let [a, b, c, d, inner @ ..] = rest
        && is_tag(u16::from_be_bytes([*a, *b]))
    {
        tags.push(VlanTag { tpid: u16::from_be_bytes([*a, *b]), tci: u16::from_be_bytes([*c, *d]) });
        rest = inner;
    }
    tags
}

/// Puts a tag before those that are there; a frame that is too short for it stays as it is.
pub(crate) fn insert(frame: &mut Vec<u8>, tag: VlanTag) {
    if frame.len() >= ADDRESSES {
        let [a, b] = tag.tpid.to_be_bytes();
        let [c, d] = tag.tci.to_be_bytes();
        frame.splice(ADDRESSES..ADDRESSES, [a, b, c, d]);
    }
}

/// Gives an untagged frame to `take` with the tags that it had as it was captured: the outermost one beside the bytes, where
/// devices put it, the others between them.
pub(crate) fn with_tags(captured: &[u8], plain: &Frame<'_>, take: impl FnOnce(&Frame<'_>)) {
    let mut tags = all(captured).into_iter();
    let vlan = tags.next();
    let mut bytes = plain.bytes.to_vec();
    let inner = tags.len() * BYTES;
    for tag in tags.rev() {
        insert(&mut bytes, tag);
    }
    let checksum = match plain.checksum {
        Checksum::Partial { start, offset } => Checksum::Partial { start: start.saturating_add(inner as u16), offset },
        known @ (Checksum::None | Checksum::Unnecessary | Checksum::Complete(_)) => known,
    };
    take(&Frame { bytes: &bytes, wire_len: plain.wire_len.saturating_add(inner as u32), checksum, vlan, ..*plain });
}

fn is_tag(ether_type: u16) -> bool {
    ether_type == EtherType::VLAN.0 || ether_type == EtherType::SERVICE_VLAN.0 || ether_type == OLD_DOUBLE_TAG
}

/// Bytes of a tag.
pub(crate) const BYTES: usize = 4;
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
        for tag in all(&double).into_iter().rev() {
            insert(&mut into, tag);
        }
        assert_eq!(into, double);
    }

    #[test]
    fn a_frame_that_ends_in_a_tag_is_short_and_not_damaged() {
        let mut into = Vec::new();
        assert_eq!(strip(&[[7; 12].as_slice(), &[0x81, 0, 0]].concat(), &mut into), None);
        assert_eq!(strip(&[[7; 12].as_slice(), &[0x81, 0, 0, 1]].concat(), &mut into), Some(4));
        assert_eq!(strip(&[7; 5], &mut into), None);
    }
}
