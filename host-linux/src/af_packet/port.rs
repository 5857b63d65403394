//! A port of a gateway, of either kind.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
};

use towpath_engine::{DeviceId, Frame};

use super::{Counters, HostPort, Outgoing, PacketDevice, Received, Ring};

/// A port of a gateway.
#[derive(Debug)]
pub enum Port {
    /// A network device.
    Device(PacketDevice),
    /// The machine itself.
    Host(HostPort),
}

impl AsFd for Port {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Device(device) => device.as_fd(),
            Self::Host(host) => host.as_fd(),
        }
    }
}

impl Ring for Port {
    fn device(&self) -> DeviceId {
        match self {
            Self::Device(device) => device.device(),
            Self::Host(host) => host.device(),
        }
    }

    fn receive(&mut self, weight: usize, handle: impl FnOnce(&[Frame<'_>])) -> Received {
        match self {
            Self::Device(device) => device.receive(weight, handle),
            Self::Host(host) => host.receive(weight, handle),
        }
    }

    fn send<T: Outgoing>(&mut self, frames: &[T]) -> usize {
        match self {
            Self::Device(device) => device.send(frames),
            Self::Host(host) => host.send(frames),
        }
    }

    fn take_error(&mut self) -> Option<io::Error> {
        match self {
            Self::Device(device) => device.take_error(),
            Self::Host(host) => host.take_error(),
        }
    }

    fn rebind(&mut self, index: u32, promiscuous: bool) -> io::Result<()> {
        match self {
            Self::Device(device) => device.rebind(index, promiscuous),
            Self::Host(host) => host.rebind(index, promiscuous),
        }
    }

    fn set_mtu(&mut self, mtu_bytes: u32) {
        match self {
            Self::Device(device) => device.set_mtu(mtu_bytes),
            Self::Host(host) => host.set_mtu(mtu_bytes),
        }
    }

    fn is_gone(&self) -> bool {
        match self {
            Self::Device(device) => device.is_gone(),
            Self::Host(host) => host.is_gone(),
        }
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Device(device) => Ring::name(device),
            Self::Host(host) => Ring::name(host),
        }
    }

    fn slots(&self) -> Option<u32> {
        match self {
            Self::Device(device) => device.slots(),
            Self::Host(host) => host.slots(),
        }
    }

    fn counters(&mut self) -> &Counters {
        match self {
            Self::Device(device) => device.counters(),
            Self::Host(host) => host.counters(),
        }
    }
}
