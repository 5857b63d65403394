//! A gateway's claim to a device: two of them on one device would send everything twice.

use std::{fs, os::fd::OwnedFd};

use rustix::{
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with, sockopt},
    process::{geteuid, getpid},
};

/// Says, as long as it lives, that a gateway is on a device of this network namespace.
///
/// It is a socket with a name in the abstract namespace (unix(7)), which each network namespace has of its own, and which goes with its
/// process, whatever ends that.
#[derive(Debug)]
pub struct Claim {
    _socket: OwnedFd,
}

impl Claim {
    /// Claims the device of that name.
    ///
    /// # Errors
    /// Who has claimed it, in words.
    pub fn to(device: &str) -> Result<Option<Self>, String> {
        let Ok(address) = SocketAddrUnix::new_abstract_name(format!("towpath/device/{device}").as_bytes()) else {
            return Ok(None);
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = |family| socket_with(family, SocketType::STREAM, flags, None);
        // Where there can be no such socket, nobody can be told of.
        let Ok(own) = socket(AddressFamily::UNIX) else { return Ok(None) };
        match bind(&own, &address) {
            Ok(()) => {
                // Who asks learns by it which process this is.
                let _ = listen(&own, 1);
                Ok(Some(Self { _socket: own }))
            }
            Err(Errno::ADDRINUSE) => match socket(AddressFamily::UNIX).map(|asking| holder(&asking, &address)) {
                Ok(Some(holder)) => Err(holder),
                Ok(None) | Err(_) => Ok(None),
            },
            Err(_) => Ok(None),
        }
    }
}

/// Who holds a name. Somebody who could not run a gateway keeps nobody from running one.
fn holder(asking: &OwnedFd, address: &SocketAddrUnix) -> Option<String> {
    match connect(asking, address) {
        Ok(()) => {}
        // Its queue is full of others that ask.
        Err(Errno::AGAIN) => return Some("another gateway is on it".to_owned()),
        Err(_) => return None,
    }
    let peer = sockopt::socket_peercred(asking).ok()?;
    if !peer.uid.is_root() && peer.uid != geteuid() {
        return None;
    }
    if peer.pid == getpid() {
        return Some("another interface of this gateway is on it".to_owned());
    }
    let process = peer.pid.as_raw_nonzero();
    let words = fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default();
    let words = words.trim_end_matches('\0').replace('\0', " ");
    let words = if words.is_empty() { words } else { format!(" (`{words}`)") };
    Some(format!("another gateway is on it, process {process}{words}; each would send every packet once more"))
}
