//! The table of nf_tables by which packets are withheld, as messages of `include/uapi/linux/netfilter/nf_tables.h`.

use std::{io, os::fd::OwnedFd};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with};
use zerocopy::{Immutable, IntoBytes};

/// A table of the netdev family that goes with this value.
#[derive(Debug)]
pub(super) struct Table {
    name: String,
    owner: OwnedFd,
}

impl Table {
    /// One that is not there yet.
    ///
    /// # Errors
    /// What socket(2) says: the kernel has no netfilter.
    pub(super) fn new(name: String) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let owner = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(netlink::NETFILTER))?;
        Ok(Self { name, owner })
    }

    /// With a chain at the device's ingress that drops packets of these protocols, at least one, in the place of what was there before, in one step.
    ///
    /// # Errors
    /// When the kernel does not do that.
    pub(super) fn put(self, device: &str, protocols: &[u16]) -> io::Result<Self> {
        send(&self.owner, &messages(&self.name, device, protocols), SendFlags::empty())?;
        // It has answered before the call returns: with an error for each message that it refuses, or an error of 0 for the one that asks for that.
        let first = self.answer()?;
        while self.answer().is_ok() {}
        if first == Some([0; 4]) { Ok(self) } else { Err(io::ErrorKind::Unsupported.into()) }
    }

    /// The next answer's error.
    fn answer(&self) -> io::Result<Option<[u8; 4]>> {
        let mut answer = [0; HEADER_BYTES + 4];
        let (len, _) = recv(&self.owner, &mut answer[..], RecvFlags::empty())?;
        Ok(answer[..len].last_chunk().copied().filter(|_| len == answer.len()))
    }
}

/// A batch, all of which nf_tables follows or none; its last message asks for an answer. What is to be deleted is made first, so that it is there.
fn messages(table: &str, device: &str, protocols: &[u16]) -> Vec<u8> {
    let (table, device, chain) = (text(table), text(device), text("ingress"));
    let hook = [
        attribute(1, &INGRESS.to_be_bytes()),
        // Behind what others have there.
        attribute(2, &i32::MAX.to_be_bytes()),
        attribute(3, &device),
    ];
    let named = [attribute(1, &table)];
    let new_table = (NEW_TABLE, CREATE, [&named[..], &[attribute(2, &TABLE_OWNER.to_be_bytes())]].concat());
    let new_chain = [attribute(1, &table), attribute(3, &chain), nested(4, &hook), attribute(7, &text("filter"))];
    let mut batch =
        vec![new_table.clone(), (DELETE_TABLE, 0, named.to_vec()), new_table, (NEW_CHAIN, CREATE, new_chain.to_vec())];
    batch.extend(protocols.iter().map(|protocol| {
        let rule = vec![attribute(1, &table), attribute(2, &chain), nested(4, &drops(*protocol))];
        (NEW_RULE, CREATE | APPEND, rule)
    }));
    if let Some((_, flags, _)) = batch.last_mut() {
        *flags |= ACKNOWLEDGE;
    }
    let mut messages = Vec::new();
    message(&mut messages, BATCH_BEGIN, 0, &[]);
    batch.iter().for_each(|(kind, flags, attributes)| message(&mut messages, *kind, *flags, attributes));
    message(&mut messages, BATCH_END, 0, &[]);
    messages
}

/// `meta pkttype host ether type PROTOCOL drop`. Of a tagged frame the Ethernet type is that of the tag.
fn drops(protocol: u16) -> [Vec<u8>; 5] {
    let number = |kind, value: u32| attribute(kind, &value.to_be_bytes());
    let expression = |name: &str, data: &[Vec<u8>]| nested(1, &[attribute(1, &text(name)), nested(2, data)]);
    let equals =
        |value: &[u8]| expression("cmp", &[number(1, REGISTER), number(2, 0), nested(3, &[attribute(1, value)])]);
    let drop = nested(2, &[nested(2, &[number(1, DROP)])]);
    [
        expression("meta", &[number(1, REGISTER), number(2, META_PACKET_TYPE)]),
        equals(&[PACKET_HOST]),
        expression("payload", &[number(1, REGISTER), number(2, LINK_HEADER), number(3, 12), number(4, 2)]),
        equals(&protocol.to_be_bytes()),
        expression("immediate", &[number(1, VERDICT_REGISTER), drop]),
    ]
}

/// `struct nlmsghdr` and `struct nfgenmsg`.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct Header {
    len: u32,
    kind: u16,
    flags: u16,
    sequence: u32,
    port: u32,
    family: u8,
    version: u8,
    resource: [u8; 2],
}

fn message(messages: &mut Vec<u8>, kind: u16, flags: u16, attributes: &[Vec<u8>]) {
    let is_batch = matches!(kind, BATCH_BEGIN | BATCH_END);
    let header = Header {
        len: (size_of::<Header>() + attributes.iter().map(Vec::len).sum::<usize>()) as u32,
        kind,
        flags: libc::NLM_F_REQUEST as u16 | flags,
        sequence: 0,
        port: 0,
        family: if is_batch { libc::AF_UNSPEC as u8 } else { FAMILY_DEVICE },
        version: 0,
        resource: if is_batch { SUBSYSTEM.to_be_bytes() } else { [0; 2] },
    };
    messages.extend_from_slice(header.as_bytes());
    attributes.iter().for_each(|attribute| messages.extend_from_slice(attribute));
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::from((4 + value.len() as u16).to_ne_bytes());
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn nested(kind: u16, attributes: &[Vec<u8>]) -> Vec<u8> {
    attribute(kind | libc::NLA_F_NESTED as u16, &attributes.concat())
}

/// As the kernel wants text: with a byte of 0 behind it.
fn text(words: &str) -> Vec<u8> {
    [words.as_bytes(), &[0]].concat()
}

/// `struct nlmsghdr`, behind which an error's number stands.
const HEADER_BYTES: usize = 16;

/// `NFNL_SUBSYS_NFTABLES`.
const SUBSYSTEM: u16 = 10;
// `NFNL_MSG_BATCH_BEGIN` and `_END`, `NFT_MSG_NEWTABLE`, `NFT_MSG_DELTABLE`, `NFT_MSG_NEWCHAIN`, `NFT_MSG_NEWRULE`.
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
const NEW_TABLE: u16 = SUBSYSTEM << 8;
const DELETE_TABLE: u16 = SUBSYSTEM << 8 | 2;
const NEW_CHAIN: u16 = SUBSYSTEM << 8 | 3;
const NEW_RULE: u16 = SUBSYSTEM << 8 | 6;
// `NLM_F_CREATE`, `NLM_F_APPEND`, `NLM_F_ACK`.
const CREATE: u16 = libc::NLM_F_CREATE as u16;
const APPEND: u16 = libc::NLM_F_APPEND as u16;
const ACKNOWLEDGE: u16 = libc::NLM_F_ACK as u16;
/// `NFPROTO_NETDEV`.
const FAMILY_DEVICE: u8 = 5;
/// `NFT_TABLE_F_OWNER`.
const TABLE_OWNER: u32 = 2;
/// `NF_NETDEV_INGRESS`.
const INGRESS: u32 = 0;
/// `NFT_REG_1`.
const REGISTER: u32 = 1;
/// `NFT_REG_VERDICT`.
const VERDICT_REGISTER: u32 = 0;
/// `NFT_META_PKTTYPE`.
const META_PACKET_TYPE: u32 = 19;
const PACKET_HOST: u8 = libc::PACKET_HOST;
/// `NFT_PAYLOAD_LL_HEADER`.
const LINK_HEADER: u32 = 0;
/// `NF_DROP`.
const DROP: u32 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_takes_the_place_of_another_in_one_batch_of_whole_messages_with_one_answer() {
        for (protocols, rules) in [(&[0x0800, 0x86dd][..], &[NEW_RULE, NEW_RULE][..]), (&[0x86dd], &[NEW_RULE])] {
            let messages = messages("towpath-eth0", "eth0", protocols);
            let (mut at, mut kinds) = (0, Vec::new());
            while at < messages.len() {
                let half = |offset: usize| u16::from_ne_bytes([messages[at + offset], messages[at + offset + 1]]);
                kinds.push((half(4), half(6) & ACKNOWLEDGE != 0));
                at += usize::from(half(0));
            }
            assert_eq!(at, messages.len());
            let expected =
                [&[BATCH_BEGIN, NEW_TABLE, DELETE_TABLE, NEW_TABLE, NEW_CHAIN], rules, &[BATCH_END]].concat();
            let answered = expected.len() - 2;
            assert_eq!(
                kinds,
                expected.into_iter().enumerate().map(|(at, kind)| (kind, at == answered)).collect::<Vec<_>>()
            );
        }
    }

    #[test]
    fn an_attribute_is_filled_up_to_four_bytes_and_says_how_long_it_is_without() {
        assert_eq!(
            attribute(3, &text("lan0")),
            [&9_u16.to_ne_bytes()[..], &3_u16.to_ne_bytes(), b"lan0\0\0\0\0"].concat()
        );
    }
}
