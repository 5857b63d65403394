//! Why a system call failed.

use towpath_engine::socket::SocketError;

/// An error of a system call: its name in `errno.h`, and its number on x86-64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno {
    /// Its name, such as `EAGAIN`.
    pub name: &'static str,
    /// Its number.
    pub number: i32,
}

impl Errno {
    /// There is no such descriptor.
    pub const BAD_DESCRIPTOR: Self = Self { name: "EBADF", number: 9 };
    /// A pointer leads nowhere.
    pub const BAD_ADDRESS: Self = Self { name: "EFAULT", number: 14 };
    /// It is there already.
    pub const EXISTS: Self = Self { name: "EEXIST", number: 17 };
    /// It is not there.
    pub const NO_ENTRY: Self = Self { name: "ENOENT", number: 2 };
    /// Values that do not fit.
    pub const INVALID: Self = Self { name: "EINVAL", number: 22 };
    /// The descriptor is that of no socket.
    pub const NOT_SOCKET: Self = Self { name: "ENOTSOCK", number: 88 };
}

impl From<SocketError> for Errno {
    fn from(error: SocketError) -> Self {
        Self { name: error.errno(), number: error.number() }
    }
}
