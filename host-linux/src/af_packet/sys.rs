//! The system calls around packet sockets for which no library has a safe face.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Opens a packet socket that receives nothing until it is bound. It never blocks and is not inherited.
///
/// # Errors
/// `EPERM` without CAP_NET_RAW in the network namespace; `EAFNOSUPPORT` on a kernel without AF_PACKET.
pub(super) fn open() -> io::Result<OwnedFd> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)?)
}

/// Sets an option of the level SOL_PACKET.
///
/// # Errors
/// What setsockopt(2) says.
pub(super) fn set_packet_option<T: IntoBytes + Immutable>(
    socket: BorrowedFd<'_>,
    option: i32,
    value: &T,
) -> io::Result<()> {
    set_option(socket, libc::SOL_PACKET, option, value.as_bytes())
}

/// Asks for `bytes` of receive or send memory (`SO_RCVBUF`, `SO_SNDBUF`), beyond the system's limit where that is
/// allowed; else as much as `net.core.rmem_max` or `wmem_max` grants.
///
/// # Errors
/// What setsockopt(2) says.
pub(super) fn set_buffer_bytes(socket: BorrowedFd<'_>, buffer: Buffer, bytes: i32) -> io::Result<()> {
    let (forced, limited) = match buffer {
        Buffer::Receive => (libc::SO_RCVBUFFORCE, libc::SO_RCVBUF),
        Buffer::Send => (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF),
    };
    set_option(socket, libc::SOL_SOCKET, forced, bytes.as_bytes())
        .or_else(|_| set_option(socket, libc::SOL_SOCKET, limited, bytes.as_bytes()))
}

/// Which of a socket's two memories.
#[derive(Clone, Copy, Debug)]
pub(super) enum Buffer {
    /// What waits to be read.
    Receive,
    /// What waits to be sent.
    Send,
}

/// Packets and drops since the last call (PACKET_STATISTICS; reading clears them).
///
/// # Errors
/// What getsockopt(2) says.
pub(super) fn take_statistics(socket: BorrowedFd<'_>) -> io::Result<Statistics> {
    let mut statistics = Statistics::default();
    let buffer = statistics.as_mut_bytes();
    let mut len = buffer.len() as libc::socklen_t;
    #[expect(unsafe_code, reason = "no library has PACKET_STATISTICS")]
    // SAFETY: `buffer` is writable for `len` bytes, and the kernel writes no more than `len`.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            buffer.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    checked(result).map(|()| statistics)
}

/// Linux v6.18: `include/uapi/linux/if_packet.h`, `struct tpacket_stats`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct Statistics {
    /// Frames that came, the dropped ones included.
    pub(super) packets: u32,
    /// Frames for which the ring had no room.
    pub(super) drops: u32,
}

/// What a socket receives.
#[derive(Clone, Copy, Debug)]
pub(super) enum Protocol {
    /// Frames of all protocols.
    All,
    /// Nothing: it only sends.
    None,
}

/// Binds to a device; from here on frames arrive that the socket receives.
///
/// # Errors
/// `ENODEV` when the device is gone.
pub(super) fn bind(socket: BorrowedFd<'_>, device_index: u32, protocol: Protocol) -> io::Result<()> {
    let protocol = match protocol {
        Protocol::All => libc::ETH_P_ALL as u16,
        Protocol::None => 0,
    };
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: protocol.to_be(),
        sll_ifindex: device_index as i32,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    #[expect(unsafe_code, reason = "no library has sockaddr_ll")]
    // SAFETY: the pointer and the length are those of `address`, which lives through the call.
    let result = unsafe {
        libc::bind(socket.as_raw_fd(), (&raw const address).cast(), size_of::<libc::sockaddr_ll>() as libc::socklen_t)
    };
    checked(result)
}

/// Makes a TUN device of that name (Linux v6.18: `Documentation/networking/tuntap.rst`): what the kernel sends by it is read from the file, a
/// packet at a time from its IP header on, and what is written there has come in by it. It goes with the file.
///
/// # Errors
/// `EPERM` without CAP_NET_ADMIN in the network namespace, `EBUSY` or `EINVAL` when there is a device of that name, be it a TUN device that stays without a file, `ENOENT` on a kernel
/// without TUN.
pub(super) fn open_tun(name: &str) -> io::Result<OwnedFd> {
    use rustix::fs::{Mode, OFlags, open};
    let file = open("/dev/net/tun", OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
    let flags = (libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_TUN_EXCL) as u16;
    request(file.as_fd(), libc::TUNSETIFF, name, &flags.to_ne_bytes()).map(|_| file)
}

/// Sets a device up, for packets of at most `mtu_bytes`.
///
/// # Errors
/// What netdevice(7) says.
pub(super) fn set_up(name: &str, mtu_bytes: u32) -> io::Result<()> {
    use rustix::net::{AddressFamily, SocketType, socket};
    let socket = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    request(socket.as_fd(), libc::SIOCSIFMTU, name, &mtu_bytes.to_ne_bytes())?;
    let flags = (libc::IFF_UP | libc::IFF_RUNNING) as u16;
    request(socket.as_fd(), libc::SIOCSIFFLAGS, name, &flags.to_ne_bytes()).map(drop)
}

/// What a network device says about itself (netdevice(7)).
#[derive(Clone, Copy, Debug)]
pub(super) enum Query {
    Flags,
    HardwareAddress,
    Mtu,
    Ipv4Address,
}

/// The answer to a [`Query`]: the first bytes of the union in `struct ifreq`.
pub(super) type Answer = [u8; 16];

/// Asks the device `name`.
///
/// # Errors
/// `ENODEV` when there is none of that name, `EADDRNOTAVAIL` when it has no address, `EINVAL` when the name is longer
/// than 15 bytes.
pub(super) fn query_device(socket: impl AsFd, name: &str, query: Query) -> io::Result<Answer> {
    let request_number = match query {
        Query::Flags => libc::SIOCGIFFLAGS,
        Query::HardwareAddress => libc::SIOCGIFHWADDR,
        Query::Mtu => libc::SIOCGIFMTU,
        Query::Ipv4Address => libc::SIOCGIFADDR,
    };
    request(socket.as_fd(), request_number, name, &[])
}

/// Speed in Mbit/s and duplex of the device `name` (ethtool(8); Linux v6.18: `include/uapi/linux/ethtool.h`, `struct ethtool_cmd`,
/// `ETHTOOL_GSET`). An unknown speed is 0 or `u32::MAX`, a duplex that is neither 0, half, nor 1, full, is unknown.
///
/// # Errors
/// `EOPNOTSUPP` when its driver has none of both, `ENODEV` when there is none of that name.
pub(super) fn link_settings(socket: impl AsFd, name: &str) -> io::Result<(u32, u8)> {
    let mut settings = [0_u32; 11];
    settings[0] = ETHTOOL_GSET;
    #[expect(unsafe_code, reason = "no library has this request")]
    // SAFETY: the command reads and writes one `struct ethtool_cmd` of 44 bytes.
    unsafe {
        ethtool(socket.as_fd(), name, &mut settings)?;
    }
    let settings = settings.as_bytes();
    // The low half of the speed, the duplex, and the high half.
    let [low, high] = [12, 28].map(|at| u32::from(u16::from_ne_bytes([settings[at], settings[at + 1]])));
    Ok((high << 16 | low, settings[14]))
}

/// The features of the device `name` with whether they are on, by their names in the kernel (Linux v6.18: `include/uapi/linux/ethtool.h`,
/// `ETHTOOL_GSSET_INFO`, `ETHTOOL_GSTRINGS`, `ETHTOOL_GFEATURES`). Anybody may ask.
///
/// # Errors
/// `ENODEV` when there is none of that name; when the kernel knows more features than there is room for.
pub(super) fn device_features(socket: impl AsFd, name: &str) -> io::Result<Vec<(String, bool)>> {
    // Command, nothing, the sets that are asked about in 64 bits, and the size of the one that was.
    let mut sizes = [ETHTOOL_GSSET_INFO, 0, 0, 0, 0];
    sizes[2..4].copy_from_slice(&halves(1 << ETH_SS_FEATURES));
    #[expect(unsafe_code, reason = "no library has this request")]
    // SAFETY: the command reads and writes one `struct ethtool_sset_info`, with one number for the one set.
    unsafe {
        ethtool(socket.as_fd(), name, &mut sizes)?;
    }
    let count = sizes[4] as usize;
    if count > FEATURES_MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    // Command, set, their number, and a name of 32 bytes each.
    let mut names = [0; 3 + FEATURES_MAX * FEATURE_NAME_BYTES / 4];
    (names[0], names[1]) = (ETHTOOL_GSTRINGS, ETH_SS_FEATURES);
    #[expect(unsafe_code, reason = "no library has this request")]
    // SAFETY: the command writes one `struct ethtool_gstrings` with as many names as the kernel knows, for which there is room.
    unsafe {
        ethtool(socket.as_fd(), name, &mut names)?;
    }
    // Command, the number of words that there is room for, and for each: what there can be, what is wanted, what is on, what never changes.
    let mut bits = [0; 2 + FEATURES_MAX / 32 * 4];
    (bits[0], bits[1]) = (ETHTOOL_GFEATURES, (FEATURES_MAX / 32) as u32);
    #[expect(unsafe_code, reason = "no library has this request")]
    // SAFETY: the command writes one `struct ethtool_gfeatures` with no more words than it is told.
    unsafe {
        ethtool(socket.as_fd(), name, &mut bits)?;
    }
    let names = names[3..].as_bytes().chunks(FEATURE_NAME_BYTES).take(count);
    let named = names.map(|name| String::from_utf8_lossy(name).trim_end_matches('\0').to_owned());
    Ok(named.enumerate().map(|(bit, name)| (name, bits[2 + bit / 32 * 4 + 2] >> (bit % 32) & 1 == 1)).collect())
}

/// The 64 bits as two words in memory.
const fn halves(bits: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = bits.to_ne_bytes();
    [u32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes([e, f, g, h])]
}

/// More features than the kernel knows (64 bits in v6.18).
const FEATURES_MAX: usize = 256;
/// `ETH_GSTRING_LEN`.
const FEATURE_NAME_BYTES: usize = 32;
const ETH_SS_FEATURES: u32 = 4;
const ETHTOOL_GSET: u32 = 0x1;
const ETHTOOL_GSTRINGS: u32 = 0x1b;
const ETHTOOL_GSSET_INFO: u32 = 0x37;
const ETHTOOL_GFEATURES: u32 = 0x3a;

/// Has a command of ethtool(8) carried out on the device `name`.
///
/// # Safety
/// The structure that the command in its first word reads and writes must fit into `command`.
#[expect(unsafe_code, reason = "no library has this request")]
unsafe fn ethtool(socket: BorrowedFd<'_>, name: &str, command: &mut [u32]) -> io::Result<()> {
    let pointer = command.as_mut_ptr().expose_provenance();
    let mut device = DeviceRequest { name: [0; 16], answer: [0; 16], rest: [0; 8] };
    let room = &mut device.name[..15];
    room.get_mut(..name.len()).ok_or(io::ErrorKind::InvalidInput)?.copy_from_slice(name.as_bytes());
    device.answer[..size_of::<usize>()].copy_from_slice(&pointer.to_ne_bytes());
    // SAFETY: the request reads one `struct ifreq`, and reads and writes where that points, as the caller has allowed; `DeviceRequest` is as
    // large, and both live through the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL, &raw mut device) };
    checked(result)
}

/// Asks about the device `name`, or sets something, which `argument` says.
fn request(file: BorrowedFd<'_>, number: libc::Ioctl, name: &str, argument: &[u8]) -> io::Result<Answer> {
    let mut device = DeviceRequest { name: [0; 16], answer: [0; 16], rest: [0; 8] };
    let room = &mut device.name[..15];
    room.get_mut(..name.len()).ok_or(io::ErrorKind::InvalidInput)?.copy_from_slice(name.as_bytes());
    device.answer[..argument.len()].copy_from_slice(argument);
    #[expect(unsafe_code, reason = "no library has these requests")]
    // SAFETY: these requests read and write one `struct ifreq`; `DeviceRequest` is as large.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), number, &raw mut device) };
    checked(result).map(|()| device.answer)
}

/// `struct ifreq`: a name and a union.
#[repr(C, align(8))]
struct DeviceRequest {
    name: [u8; 16],
    answer: Answer,
    rest: [u8; 8],
}

const _: () = assert!(size_of::<DeviceRequest>() >= size_of::<libc::ifreq>());

fn set_option(socket: BorrowedFd<'_>, level: i32, option: i32, value: &[u8]) -> io::Result<()> {
    #[expect(unsafe_code, reason = "no library has the options of packet sockets")]
    // SAFETY: the kernel reads at most `value.len()` bytes at `value`.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, option, value.as_ptr().cast(), value.len() as libc::socklen_t)
    };
    checked(result)
}

fn checked(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
