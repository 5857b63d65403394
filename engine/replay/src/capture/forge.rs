//! Captures made up byte by byte, for tests.

use super::order::Order;

impl Order {
    fn bytes16(self, value: u16) -> [u8; 2] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    fn bytes32(self, value: u32) -> [u8; 4] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }
}

/// A capture file that is being put together.
pub(crate) struct Forge {
    pub(crate) bytes: Vec<u8>,
    order: Order,
}

impl Forge {
    /// A classic capture with this magic, version 2.`minor`, snap length 65535.
    pub(crate) fn pcap(order: Order, magic: u32, minor: u16, link: u32) -> Self {
        let mut forge = Self { bytes: Vec::new(), order };
        forge.words(&[magic]).shorts(&[2, minor]).words(&[0, 0, 65_535, link]);
        forge
    }

    /// A pcapng section header, version 1.0, of unknown length.
    pub(crate) fn pcapng(order: Order) -> Self {
        let mut forge = Self { bytes: Vec::new(), order };
        forge.section(order);
        forge
    }

    pub(crate) fn section(&mut self, order: Order) -> &mut Self {
        self.order = order;
        let body: Vec<u8> =
            [&order.bytes32(0x1a2b_3c4d)[..], &order.bytes16(1), &order.bytes16(0), &[0xff; 8]].concat();
        self.block(0x0a0d_0d0a, &body)
    }

    /// A classic record.
    pub(crate) fn record(&mut self, seconds: u32, fraction: u32, original: u32, data: &[u8]) -> &mut Self {
        self.words(&[seconds, fraction, data.len() as u32, original]).raw(data)
    }

    /// Any pcapng block; the body is padded.
    pub(crate) fn block(&mut self, kind: u32, body: &[u8]) -> &mut Self {
        let length = 12 + body.len().next_multiple_of(4);
        self.words(&[kind, length as u32]).raw(body).pad();
        self.words(&[length as u32])
    }

    /// An interface description with options.
    pub(crate) fn interface(&mut self, link: u16, snap_len: u32, options: &[(u16, &[u8])]) -> &mut Self {
        let mut body = Self { bytes: Vec::new(), order: self.order };
        body.shorts(&[link, 0]).words(&[snap_len]).options(options);
        self.block(1, &body.bytes)
    }

    /// An enhanced packet with options.
    pub(crate) fn packet(
        &mut self,
        interface: u32,
        stamp: u64,
        original: u32,
        data: &[u8],
        options: &[(u16, &[u8])],
    ) -> &mut Self {
        let mut body = Self { bytes: Vec::new(), order: self.order };
        body.words(&[interface, (stamp >> 32) as u32, stamp as u32, data.len() as u32, original]);
        body.raw(data).pad().options(options);
        self.block(6, &body.bytes)
    }

    fn options(&mut self, options: &[(u16, &[u8])]) -> &mut Self {
        for (code, value) in options {
            self.shorts(&[*code, value.len() as u16]).raw(value).pad();
        }
        if options.is_empty() { self } else { self.shorts(&[0, 0]) }
    }

    pub(crate) fn words(&mut self, words: &[u32]) -> &mut Self {
        for word in words {
            let bytes = self.order.bytes32(*word);
            self.bytes.extend_from_slice(&bytes);
        }
        self
    }

    pub(crate) fn shorts(&mut self, shorts: &[u16]) -> &mut Self {
        for short in shorts {
            let bytes = self.order.bytes16(*short);
            self.bytes.extend_from_slice(&bytes);
        }
        self
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    fn pad(&mut self) -> &mut Self {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }
}
