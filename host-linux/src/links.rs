//! The links of network devices, as the kernel sees them: what bonds look at, and what the engine has to know of its devices.
//!
//! The kernel says when something about a device has changed: its carrier, its MTU, its features
//! (Linux v6.18: `net/core/rtnetlink.c`, `rtnetlink_event()`), that it has gone or is there. The devices are asked then. A device that is made
//! anew under the name of one that has gone takes its place, a renamed one stays what it is.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
};

use towpath_engine::DeviceId;

use crate::{af_packet::Condition, news::News};

/// Devices whose links are watched. Its file is readable when one of them may have changed.
#[derive(Debug)]
pub struct Links {
    news: News,
    devices: Vec<Watched>,
}

/// A device to be watched.
#[derive(Debug)]
pub struct Watched {
    /// The engine's number of it.
    pub device: DeviceId,
    /// Its name when the gateway started.
    pub name: String,
    /// Its number in the kernel.
    pub index: u32,
    /// The largest packet that it is to send, whatever it could.
    pub mtu_bytes_max: Option<u32>,
    /// What was said of it last.
    pub said: Option<Condition>,
}

impl Links {
    /// Watches these devices of this network namespace. Each of them that has not been told of has news at first.
    ///
    /// # Errors
    /// What socket(2) and bind(2) say.
    pub fn watch(devices: Vec<Watched>) -> io::Result<Self> {
        Ok(Self { news: News::of_links()?, devices })
    }

    /// What is new of any of them: how it was, if it has been told of, and how it is. Asked without need it costs some system calls each.
    pub fn take(&mut self) -> Vec<(&Watched, Option<Condition>, Condition)> {
        self.news.hush();
        let mut news = Vec::new();
        for watched in &mut self.devices {
            let is = Condition::of(watched.index, &watched.name);
            let was = watched.said.replace(is);
            watched.index = is.index.unwrap_or(watched.index);
            if was != Some(is) {
                news.push((&*watched, was, is));
            }
        }
        news
    }
}

impl AsFd for Links {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.news.as_fd()
    }
}
