//! VLAN tags: beside the bytes, where devices put them, or between them. The outermost one counts first; beside the bytes
//! there is one at most.

use super::{Packet, VlanTag};
use crate::{
    ending::DropReason,
    wire::{EtherType, EthernetHeader},
};

impl Packet {
    /// The outermost tag.
    #[must_use]
    pub fn tag(&self) -> Option<VlanTag> {
        self.0.meta.vlan.or_else(|| self.inner_tag())
    }

    /// Takes the outermost tag off.
    ///
    /// # Errors
    /// [`DropReason::LinkTruncated`] when the frame ends inside it.
    ///
    /// Linux v6.18: `net/core/skbuff.c`, `skb_vlan_untag()`.
    pub(crate) fn take_tag(&mut self) -> Result<(), DropReason> {
        if self.0.meta.vlan.take().is_some() {
            return Ok(());
        }
        let block = &mut *self.0;
        let start = usize::from(block.data);
        if usize::from(block.tail) < start + EthernetHeader::LEN + TAG_BYTES {
            return Err(DropReason::LinkTruncated);
        }
        block.bytes.copy_within(start..start + ADDRESSES_BYTES, start + TAG_BYTES);
        block.start_at((start + TAG_BYTES) as u16);
        block.layers.l3 = block.data + EthernetHeader::LEN as u16;
        Ok(())
    }

    /// Puts a tag around those that are there: beside the bytes, and one that stood there before them.
    pub(crate) fn put_tag(&mut self, tag: VlanTag) {
        if let Some(inner) = self.0.meta.vlan.replace(tag) {
            self.insert_tag(inner);
        }
    }

    /// Puts a tag between the bytes, behind the Ethernet addresses.
    pub(crate) fn insert_tag(&mut self, tag: VlanTag) {
        let block = &mut *self.0;
        let start = usize::from(block.data) - TAG_BYTES;
        block.start_at(start as u16);
        block.bytes.copy_within(start + TAG_BYTES..start + TAG_BYTES + ADDRESSES_BYTES, start);
        let place = &mut block.bytes[start + ADDRESSES_BYTES..start + ADDRESSES_BYTES + TAG_BYTES];
        place[..2].copy_from_slice(&tag.tpid.to_be_bytes());
        place[2..].copy_from_slice(&tag.tci.to_be_bytes());
    }

    /// The tag behind the Ethernet addresses.
    #[inline]
    fn inner_tag(&self) -> Option<VlanTag> {
        match EtherType(self.ethernet()?.ether_type.get()) {
            EtherType::VLAN | EtherType::SERVICE_VLAN => self.tag_between(),
            _ => None,
        }
    }

    fn tag_between(&self) -> Option<VlanTag> {
        let (tag, _) = self.linear().get(ADDRESSES_BYTES..)?.split_first_chunk::<TAG_BYTES>()?;
        let [a, b, c, d] = *tag;
        Some(VlanTag { tpid: u16::from_be_bytes([a, b]), tci: u16::from_be_bytes([c, d]) })
    }
}

const TAG_BYTES: usize = 4;
const ADDRESSES_BYTES: usize = 12;
