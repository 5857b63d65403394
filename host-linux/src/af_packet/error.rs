//! Why a device cannot be opened, in one line that says what to do.

use std::{fmt, io};

/// A device that cannot be opened.
#[derive(Debug)]
pub struct DeviceError {
    /// The name it was asked for by.
    pub device: String,
    /// Why.
    pub cause: DeviceErrorCause,
}

/// Why a device cannot be opened.
#[derive(Debug)]
pub enum DeviceErrorCause {
    /// No device of that name is in this network namespace.
    Missing,
    /// Packet sockets need CAP_NET_RAW in the network namespace's user namespace.
    NotPermitted,
    /// The kernel has no packet sockets.
    Unsupported,
    /// Making a TUN device needs CAP_NET_ADMIN in the network namespace.
    MayNotMake,
    /// A TUN device is to be made, and there is a device of that name.
    Taken,
    /// The kernel has no TUN devices, or `/dev/net/tun` is missing.
    NoTun,
    /// Its frames are no Ethernet frames; the number is its ARPHRD_* type.
    NotEthernet(u16),
    /// The kernel did not grant the ring's memory.
    RingMemory(io::Error),
    /// A system call failed in a way that none of the above explains; the text says which.
    Call(&'static str, io::Error),
}

impl DeviceError {
    pub(super) fn new(device: &str, cause: DeviceErrorCause) -> Self {
        Self { device: device.to_owned(), cause }
    }
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let device = &self.device;
        match &self.cause {
            DeviceErrorCause::Missing => {
                write!(
                    f,
                    "device {device}: there is none of that name; `ip link` lists those of this network namespace"
                )
            }
            DeviceErrorCause::NotPermitted => write!(
                f,
                "device {device}: no permission to open a packet socket; run as root, with CAP_NET_RAW, or in a \
                 namespace of your own (`unshare -Urn`)"
            ),
            DeviceErrorCause::Unsupported => {
                write!(f, "device {device}: this kernel has no packet sockets (CONFIG_PACKET); load af_packet")
            }
            DeviceErrorCause::MayNotMake => write!(
                f,
                "device {device}: no permission to make it; run as root, with CAP_NET_ADMIN, or in a namespace of your own \
                 (`unshare -Urn`)"
            ),
            DeviceErrorCause::Taken => {
                write!(f, "device {device}: there is one of that name; name one that is to be made for this host")
            }
            DeviceErrorCause::NoTun => {
                write!(f, "device {device}: this kernel has no TUN devices (/dev/net/tun); load tun")
            }
            DeviceErrorCause::NotEthernet(kind) => {
                write!(
                    f,
                    "device {device}: its frames are no Ethernet frames (ARPHRD type {kind}); name an Ethernet device"
                )
            }
            DeviceErrorCause::RingMemory(error) => {
                write!(f, "device {device}: the kernel grants no memory for the ring ({error}); ask for fewer slots")
            }
            DeviceErrorCause::Call(call, error) => write!(f, "device {device}: {call}: {error}"),
        }
    }
}

impl std::error::Error for DeviceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            DeviceErrorCause::RingMemory(error) | DeviceErrorCause::Call(_, error) => Some(error),
            DeviceErrorCause::Missing
            | DeviceErrorCause::NotPermitted
            | DeviceErrorCause::Unsupported
            | DeviceErrorCause::MayNotMake
            | DeviceErrorCause::Taken
            | DeviceErrorCause::NoTun
            | DeviceErrorCause::NotEthernet(_) => None,
        }
    }
}
