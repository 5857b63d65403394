//! That something has become of the network, as the kernel tells it (rtnetlink(7)). It does not always say what; so that is asked then.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    io::Errno,
    net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, netlink, recv, socket_with},
};

/// Its file is readable when there is news.
#[derive(Debug)]
pub(crate) struct News(OwnedFd);

impl News {
    /// News of devices in this network namespace, for [`crate::links`].
    ///
    /// # Errors
    /// What socket(2) and bind(2) say.
    pub(crate) fn of_links() -> io::Result<Self> {
        Self::of(libc::RTMGRP_LINK as u32)
    }

    /// News of devices, of the machine's addresses, and of whether it forwards.
    ///
    /// # Errors
    /// What socket(2) and bind(2) say.
    pub(crate) fn of_links_and_addresses() -> io::Result<Self> {
        let addresses = libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR;
        let forwarding = 1 << (libc::RTNLGRP_IPV4_NETCONF - 1) | 1 << (libc::RTNLGRP_IPV6_NETCONF - 1);
        Self::of((libc::RTMGRP_LINK | addresses) as u32 | forwarding)
    }

    fn of(groups: u32) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // Protocol 0 of this family is NETLINK_ROUTE.
        let file = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        bind(&file, &netlink::SocketAddrNetlink::new(0, groups))?;
        Ok(Self(file))
    }

    /// Takes what the kernel has said. That some of it may have been lost does not matter, since all is asked.
    pub(crate) fn hush(&self) {
        let mut message = [0; 64];
        loop {
            match recv(&self.0, &mut message[..], RecvFlags::TRUNC) {
                Ok(_) | Err(Errno::NOBUFS | Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }
}

impl AsFd for News {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
