//! The links of network devices, as the kernel sees them: what bonds look at.
//!
//! The kernel says when something about a device has changed (rtnetlink(7)), but not always what; the devices are asked then.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    io::Errno,
    net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, netlink, recv, socket_with},
};
use towpath_engine::{DeviceId, device::Link};

use crate::af_packet::link_of;

/// Devices whose links are watched. Its file is readable when one of them may have changed.
#[derive(Debug)]
pub struct Links {
    news: OwnedFd,
    /// Devices by their names, and what was said of each last.
    devices: Vec<(DeviceId, String, Option<Link>)>,
}

impl Links {
    /// Watches these devices of this network namespace. Each of them has news at first.
    ///
    /// # Errors
    /// What socket(2) and bind(2) say.
    pub fn watch(devices: impl IntoIterator<Item = (DeviceId, String)>) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // Protocol 0 of this family is NETLINK_ROUTE.
        let news = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        bind(&news, &netlink::SocketAddrNetlink::new(0, libc::RTMGRP_LINK as u32))?;
        let devices = devices.into_iter().map(|(device, name)| (device, name, None)).collect();
        Ok(Self { news, devices })
    }

    /// What is new of any of them. Asked without need it costs a system call each.
    pub fn take(&mut self) -> Vec<(DeviceId, Link)> {
        self.hush();
        let mut news = Vec::new();
        for (device, name, said) in &mut self.devices {
            let link = link_of(name);
            if said.replace(link) != Some(link) {
                news.push((*device, link));
            }
        }
        news
    }

    /// Takes what the kernel has said. That some of it may have been lost does not matter: all devices are asked.
    fn hush(&self) {
        let mut message = [0; 64];
        loop {
            match recv(&self.news, &mut message[..], RecvFlags::TRUNC) {
                Ok(_) | Err(Errno::NOBUFS | Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }
}

impl AsFd for Links {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.news.as_fd()
    }
}
