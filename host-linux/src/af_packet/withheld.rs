//! Packets of a gateway's device, withheld from the machine's own network stack.
//!
//! A packet socket sees frames beside the kernel's stack, not in its place. That looks for a way for every packet of which it has no address, and
//! finds none, which takes it as long as it takes a gateway to forward the packet. So rules of the device's own are made for netfilter's ingress
//! hook, behind packet sockets for all protocols and before all else, that drop what would come to that: untagged IP packets to the device's own
//! Ethernet address. VLANs, broadcasts, other Ethernet addresses, and all of a device that is a port of a bridge or a bond, stay as they are. Others
//! that share the device's address hear nothing: ipvlan and macvtap over it, packet sockets for IP alone, addresses that it gets later. So
//! whoever runs the gateway says whether this is to be.
//!
//! The rules' table is owned by a socket, and the kernel takes both away together, whatever ends the process (Linux v5.12 and later:
//! `net/netfilter/nf_tables_api.c`, `nft_rcv_nl_event()`). What goes over the socket is that of `include/uapi/linux/netfilter/nf_tables.h`.

use std::{io, os::fd::OwnedFd};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with};
use zerocopy::{Immutable, IntoBytes};

use super::interface::{Interface, Intrusion, is_port};

/// Withholds a device's packets from the machine's own network stack as long as it lives.
#[derive(Debug)]
pub struct Withheld {
    _owner: OwnedFd,
}

impl Withheld {
    /// Withholds the packets of IP versions in which the kernel has no address on the device and does not forward.
    ///
    /// `None`: there is nothing to withhold, or no way to do it: CAP_NET_ADMIN in the user namespace that owns the network namespace, or nf_tables,
    /// or its owned tables are not there. The gateway is slower then, and works as well.
    #[must_use]
    pub fn by(interface: &Interface) -> Option<Self> {
        let Interface { name, index, intrusions, .. } = interface;
        let versions = [(Intrusion::Ipv4Address, libc::ETH_P_IP), (Intrusion::Ipv6Address, libc::ETH_P_IPV6)];
        let withheld = versions.into_iter().filter(|(address, _)| !intrusions.contains(address));
        let protocols: Vec<u16> = withheld.map(|(_, protocol)| protocol as u16).collect();
        if protocols.is_empty() || intrusions.contains(&Intrusion::Forwarding) || is_port(*index) {
            return None;
        }
        make(&table(name, &protocols)).ok().map(|owner| Self { _owner: owner })
    }
}

/// Hands messages to nf_tables, all of which it follows or none, and keeps the socket.
fn make(messages: &[u8]) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(netlink::NETFILTER))?;
    send(&socket, messages, SendFlags::empty())?;
    // It has answered before the call returns: with the first error, or an error of 0 for the message that has asked for that.
    let mut answer = [0; 256];
    let (len, _) = recv(&socket, &mut answer[..], RecvFlags::empty())?;
    match answer[..len].get(HEADER_BYTES..HEADER_BYTES + 4) {
        Some([0, 0, 0, 0]) => Ok(socket),
        Some(_) | None => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// The messages that make a table with a chain at the device's ingress, which drops packets of these protocols.
fn table(device: &str, protocols: &[u16]) -> Vec<u8> {
    let (table, device) = (text(&format!("towpath-{device}")), text(device));
    let mut messages = Vec::new();
    message(&mut messages, BATCH_BEGIN, 0, &[]);
    let owned = attribute(2, &TABLE_OWNER.to_be_bytes());
    message(&mut messages, NEW_TABLE, CREATE, &[attribute(1, &table), owned]);
    let hook = [
        attribute(1, &INGRESS.to_be_bytes()),
        // Behind what others have there.
        attribute(2, &i32::MAX.to_be_bytes()),
        attribute(3, &device),
    ];
    let chain = text("ingress");
    let new_chain = [attribute(1, &table), attribute(3, &chain), nested(4, &hook), attribute(7, &text("filter"))];
    message(&mut messages, NEW_CHAIN, CREATE, &new_chain);
    for (number, protocol) in protocols.iter().enumerate() {
        let is_last = number + 1 == protocols.len();
        let flags = CREATE | APPEND | if is_last { ACKNOWLEDGE } else { 0 };
        let rule = [attribute(1, &table), attribute(2, &chain), nested(4, &drops(*protocol))];
        message(&mut messages, NEW_RULE, flags, &rule);
    }
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
// `NFNL_MSG_BATCH_BEGIN` and `_END`, `NFT_MSG_NEWTABLE`, `NFT_MSG_NEWCHAIN`, `NFT_MSG_NEWRULE`.
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
const NEW_TABLE: u16 = SUBSYSTEM << 8;
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
    fn a_table_is_a_batch_of_whole_messages_of_which_the_last_rule_is_answered() {
        let messages = table("eth0", &[0x0800, 0x86dd]);
        let (mut at, mut kinds) = (0, Vec::new());
        while at < messages.len() {
            let half = |offset: usize| u16::from_ne_bytes([messages[at + offset], messages[at + offset + 1]]);
            kinds.push((half(4), half(6) & ACKNOWLEDGE != 0));
            at += usize::from(half(0));
        }
        assert_eq!(at, messages.len());
        let expected = [BATCH_BEGIN, NEW_TABLE, NEW_CHAIN, NEW_RULE, NEW_RULE, BATCH_END];
        assert_eq!(kinds, expected.into_iter().zip([false, false, false, false, true, false]).collect::<Vec<_>>());
    }

    #[test]
    fn an_attribute_is_filled_up_to_four_bytes_and_says_how_long_it_is_without() {
        assert_eq!(
            attribute(3, &text("lan0")),
            [&9_u16.to_ne_bytes()[..], &3_u16.to_ne_bytes(), b"lan0\0\0\0\0"].concat()
        );
    }
}
