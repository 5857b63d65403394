//! The process that withholds devices' packets from the machine's own network stack ([`Withheld`]) as long as a gateway runs.
//!
//! ```text
//!   gateway, no capability ── standard input: nothing; its end is the gateway's ──► withholder, CAP_NET_ADMIN ──► nf_tables
//!      └─► operator         ◄── standard output: what of a device is withheld ────      ▲ links, addresses, forwarding
//! ```
//!
//! What is withheld follows the devices and the machine's addresses, of which the kernel tells (rtnetlink(7)).
//!
//! Why not in the gateway: it takes CAP_NET_ADMIN whenever a table is made anew, and who reads packets of strangers and runs plugins keeps no
//! capability. This process reads nothing but what the kernel says.

use std::{
    env,
    io::{self, Read, Write},
    os::fd::{AsFd, BorrowedFd},
    process::{Child, ChildStdout, Command, Stdio},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::{Errno, ioctl_fionbio},
};
use towpath_engine::DeviceId;

use crate::{
    af_packet::{Extent, Withheld},
    news::News,
};

/// The process, as a gateway sees it. Its file is readable when it has told something, or has ended. It ends with this value, and nothing is
/// withheld then, as when the process ends that has started it, whatever ends that.
#[derive(Debug)]
pub struct Withholder {
    process: Child,
    told: ChildStdout,
}

/// The process has ended: nothing is withheld any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended;

impl Withholder {
    /// Starts it for the devices of these names, which the engine counts from 0; it becomes that user. Gives what of each is withheld from now on.
    ///
    /// # Errors
    /// When it cannot be started, or ends at once; then it has said why on standard error.
    pub fn start(devices: &[String], user: Option<&str>) -> io::Result<(Self, Vec<Extent>)> {
        let mut command = Command::new(env::current_exe()?);
        command.arg("withhold").args(user.map(|user| format!("--user={user}"))).arg("--").args(devices);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let told = process.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut withholder = Self { process, told };
        let mut first = vec![Report::default(); devices.len()];
        withholder.told.read_exact(first.as_flattened_mut())?;
        ioctl_fionbio(&withholder.told, true)?;
        Ok((withholder, first.into_iter().filter_map(read).map(|(_, extent)| extent).collect()))
    }

    /// What of some devices is withheld now, of which something else has been told before.
    ///
    /// # Errors
    /// [`Ended`].
    pub fn take(&mut self) -> Result<Vec<(DeviceId, Extent)>, Ended> {
        let mut reports = [Report::default(); 64];
        match self.told.read(reports.as_flattened_mut()) {
            Ok(0) => Err(Ended),
            // Each was written in one piece.
            Ok(len) => Ok(reports.into_iter().take(len / REPORT_BYTES).filter_map(read).collect()),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Ok(Vec::new())
            }
            Err(_) => Err(Ended),
        }
    }
}

impl AsFd for Withholder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.told.as_fd()
    }
}

impl Drop for Withholder {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// What the process does: withholds packets of devices until its standard input ends, and tells what of each, first of all of them in their order.
///
/// # Errors
/// When the kernel does not say what becomes of devices, or nobody reads what is told.
pub fn withhold(devices: &[String], mut told: impl Write) -> io::Result<()> {
    let news = News::of_links_and_addresses()?;
    let input = io::stdin();
    let mut devices: Vec<_> = devices.iter().map(|name| (Withheld::of(name), None)).collect();
    loop {
        for (number, (withheld, said)) in devices.iter_mut().enumerate() {
            let extent = withheld.look();
            if said.replace(extent) != Some(extent) {
                told.write_all(&report(number as u16, extent))?;
                told.flush()?;
            }
        }
        let mut files = [PollFd::new(&input, PollFlags::IN), PollFd::new(&news, PollFlags::IN)];
        match poll(&mut files, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if !files[0].revents().is_empty() {
            return Ok(());
        }
        news.hush();
    }
}

/// A device's number and what of it is withheld.
type Report = [u8; REPORT_BYTES];

fn report(device: u16, extent: Extent) -> Report {
    let [low, high] = device.to_le_bytes();
    [low, high, extent as u8]
}

fn read([low, high, extent]: Report) -> Option<(DeviceId, Extent)> {
    Some((DeviceId(u16::from_le_bytes([low, high])), *Extent::ALL.get(usize::from(extent))?))
}

const REPORT_BYTES: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_a_device_is_read_as_it_was_meant() {
        for (extent, device) in Extent::ALL.into_iter().zip([0, 1, 255, 256, 1000, u16::MAX, 7]) {
            assert_eq!(read(report(device, extent)), Some((DeviceId(device), extent)));
        }
        assert_eq!(read([0, 0, Extent::ALL.len() as u8]), None);
    }
}
