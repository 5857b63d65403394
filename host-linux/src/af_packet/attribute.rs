//! A number that the kernel has of a network device (rtnetlink(7)).

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// What an attribute of the device of that number says; `None`: there is no such device, or it has no such attribute.
pub(super) fn number_of(index: u32, attribute: u16) -> Option<u32> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    // Protocol 0 of this family is NETLINK_ROUTE.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None).ok()?;
    send(&socket, Request::about(index).as_bytes(), SendFlags::empty()).ok()?;
    // Without statistics and virtual functions an answer takes some 1500 bytes.
    let mut answer = [0; 16 << 10];
    let (len, _) = recv(&socket, &mut answer[..], RecvFlags::empty()).ok()?;
    number_in(&answer[..len], attribute)
}

/// A question about one device (rtnetlink(7), netlink(7)): `struct nlmsghdr`, `struct ifinfomsg`, and an attribute.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct Request {
    len: u32,
    kind: u16,
    flags: u16,
    sequence: u32,
    port: u32,
    family: u16,
    device_kind: u16,
    index: u32,
    device_flags: u32,
    changed: u32,
    attribute: Attribute,
    mask: u32,
}

/// What stands before each attribute: `struct rtattr`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Attribute {
    /// With these four bytes.
    len: u16,
    kind: u16,
}

impl Request {
    const fn about(index: u32) -> Self {
        Self {
            len: size_of::<Self>() as u32,
            kind: libc::RTM_GETLINK,
            flags: libc::NLM_F_REQUEST as u16,
            sequence: 0,
            port: 0,
            family: libc::AF_UNSPEC as u16,
            device_kind: 0,
            index,
            device_flags: 0,
            changed: 0,
            attribute: Attribute { len: 8, kind: libc::IFLA_EXT_MASK },
            mask: libc::RTEXT_FILTER_SKIP_STATS as u32,
        }
    }
}

/// The number in a kernel's answer; `None`: it is none about a device, or has no such number.
fn number_in(answer: &[u8], attribute: u16) -> Option<u32> {
    let about = answer.get(4..6)?;
    if about != libc::RTM_NEWLINK.to_ne_bytes() {
        return None;
    }
    let mut left = answer.get(ANSWER_HEADERS_BYTES..)?;
    loop {
        let (Attribute { len, kind }, _) = Attribute::read_from_prefix(left).ok()?;
        let value = left.get(size_of::<Attribute>()..len.into())?;
        if kind == attribute {
            return Some(u32::from_ne_bytes(value.try_into().ok()?));
        }
        left = left.get(usize::from(len).next_multiple_of(ATTRIBUTE_ALIGNMENT)..)?;
    }
}

/// `struct nlmsghdr` and `struct ifinfomsg`.
const ANSWER_HEADERS_BYTES: usize = 32;

/// `RTA_ALIGNTO`.
const ATTRIBUTE_ALIGNMENT: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn losses_in(answer: &[u8]) -> Option<u32> {
        number_in(answer, libc::IFLA_CARRIER_DOWN_COUNT)
    }

    fn answer(kind: u16, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; ANSWER_HEADERS_BYTES];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        for &(kind, value) in attributes {
            bytes.extend_from_slice(Attribute { len: 4 + value.len() as u16, kind }.as_bytes());
            bytes.extend_from_slice(value);
            bytes.resize(bytes.len().next_multiple_of(ATTRIBUTE_ALIGNMENT), 0);
        }
        bytes
    }

    #[test]
    fn the_number_is_found_behind_attributes_of_any_length() {
        let count = &7_u32.to_ne_bytes()[..];
        let named =
            answer(libc::RTM_NEWLINK, &[(libc::IFLA_IFNAME, b"wan0\0"), (libc::IFLA_CARRIER_DOWN_COUNT, count)]);
        assert_eq!(losses_in(&named), Some(7));
        assert_eq!(losses_in(&answer(libc::RTM_NEWLINK, &[(libc::IFLA_CARRIER_UP_COUNT, count)])), None);
        assert_eq!(losses_in(&answer(libc::NLMSG_ERROR as u16, &[(libc::IFLA_CARRIER_DOWN_COUNT, count)])), None);
    }

    #[test]
    fn an_answer_that_is_cut_or_names_no_length_has_no_number() {
        let whole = answer(libc::RTM_NEWLINK, &[(libc::IFLA_IFNAME, b"w\0"), (libc::IFLA_CARRIER_DOWN_COUNT, &[1; 4])]);
        assert!((0..whole.len()).all(|len| losses_in(&whole[..len]).is_none()));
        let mut endless = whole;
        endless[ANSWER_HEADERS_BYTES..][..2].fill(0);
        assert_eq!(losses_in(&endless), None);
    }

    #[test]
    fn a_device_that_is_there_says_how_often_and_one_that_is_not_does_not() {
        let losses = |index| number_of(index, libc::IFLA_CARRIER_DOWN_COUNT);
        assert!(losses(1).is_some(), "the loopback device");
        assert_eq!(losses(i32::MAX as u32), None);
    }
}
