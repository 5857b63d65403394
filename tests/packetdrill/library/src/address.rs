//! Socket addresses as bytes: `struct sockaddr_in`, `struct sockaddr_in6` (Linux v6.18: `include/uapi/linux/in.h`, `in6.h`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use packet_scripts::system::{AF_INET, AF_INET6, Errno};

/// Reads an address.
///
/// # Errors
/// `EINVAL` when it is too short, `EAFNOSUPPORT` when it is of another family.
pub(crate) fn read(bytes: &[u8]) -> Result<SocketAddr, Errno> {
    let family = bytes.first_chunk().map(|family| i32::from(u16::from_ne_bytes(*family)));
    let ip: IpAddr = match family.ok_or(Errno::INVALID)? {
        AF_INET => Ipv4Addr::from(part::<4>(bytes, 4)?).into(),
        AF_INET6 => Ipv6Addr::from(part::<16>(bytes, 8)?).into(),
        _ => return Err(WRONG_FAMILY),
    };
    Ok(SocketAddr::new(ip, u16::from_be_bytes(part(bytes, 2)?)))
}

/// Writes an address.
pub(crate) fn write(address: SocketAddr) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(28);
    match address {
        SocketAddr::V4(v4) => {
            bytes.extend_from_slice(&(AF_INET as u16).to_ne_bytes());
            bytes.extend_from_slice(&v4.port().to_be_bytes());
            bytes.extend_from_slice(&v4.ip().octets());
            bytes.resize(16, 0);
        }
        SocketAddr::V6(v6) => {
            bytes.extend_from_slice(&(AF_INET6 as u16).to_ne_bytes());
            bytes.extend_from_slice(&v6.port().to_be_bytes());
            bytes.extend_from_slice(&v6.flowinfo().to_be_bytes());
            bytes.extend_from_slice(&v6.ip().octets());
            bytes.extend_from_slice(&v6.scope_id().to_ne_bytes());
        }
    }
    bytes
}

fn part<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], Errno> {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or(Errno::INVALID)
}

const WRONG_FAMILY: Errno = Errno { name: "EAFNOSUPPORT", number: 97 };
