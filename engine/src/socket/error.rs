//! Why a call on a socket did not do what it should.

use core::fmt;

macro_rules! socket_errors {
    ($($(#[doc = $doc:literal])+ $name:ident = $errno:literal, $number:literal;)+) => {
        /// Why a call on a socket did not do what it should, with the number that Linux would have given.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum SocketError {
            $($(#[doc = $doc])+ $name,)+
        }

        impl SocketError {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// Its name in `errno.h`.
            #[must_use]
            pub const fn errno(self) -> &'static str {
                match self { $(Self::$name => $errno,)+ }
            }

            /// Its number on x86-64.
            #[must_use]
            pub const fn number(self) -> i32 {
                match self { $(Self::$name => $number,)+ }
            }

            /// One sentence on what it means.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc,)+).trim_ascii(),)+ }
            }
        }
    };
}

socket_errors! {
    /// There is no such socket: it was never opened, or has been closed.
    NoSocket = "EBADF", 9;
    /// It would have to wait: nothing has come, or there is no room.
    WouldBlock = "EAGAIN", 11;
    /// The connection is being made.
    InProgress = "EINPROGRESS", 115;
    /// The connection is being made already.
    Already = "EALREADY", 114;
    /// The socket is connected already.
    IsConnected = "EISCONN", 106;
    /// The socket is not connected.
    NotConnected = "ENOTCONN", 107;
    /// The call or its values do not fit the socket or its state.
    Invalid = "EINVAL", 22;
    /// This kind of socket does not do that.
    NotSupported = "EOPNOTSUPP", 95;
    /// There is no option of that kind, or not for this socket.
    NoOption = "ENOPROTOOPT", 92;
    /// There is no algorithm of that name.
    NoEntry = "ENOENT", 2;
    /// The address is in use.
    AddressInUse = "EADDRINUSE", 98;
    /// The address is none of this host's, or no port is left.
    AddressNotAvailable = "EADDRNOTAVAIL", 99;
    /// The address is of another family than the socket.
    WrongFamily = "EAFNOSUPPORT", 97;
    /// Nobody listens there.
    ConnectionRefused = "ECONNREFUSED", 111;
    /// The other end has reset the connection.
    ConnectionReset = "ECONNRESET", 104;
    /// The connection was given up before it stood.
    ConnectionAborted = "ECONNABORTED", 103;
    /// The other end has not answered for too long.
    TimedOut = "ETIMEDOUT", 110;
    /// Nothing more can be sent.
    BrokenPipe = "EPIPE", 32;
    /// No route leads to the network.
    NetworkUnreachable = "ENETUNREACH", 101;
    /// The host cannot be reached.
    HostUnreachable = "EHOSTUNREACH", 113;
    /// The host is not known where it should be.
    HostDown = "EHOSTDOWN", 112;
    /// The host is cut off from its network.
    NotOnNetwork = "ENONET", 64;
    /// The message is longer than the way or the protocol takes.
    MessageTooLong = "EMSGSIZE", 90;
    /// A destination is needed.
    NoDestination = "EDESTADDRREQ", 89;
    /// There are too many sockets.
    TooMany = "ENFILE", 23;
    /// There is no memory for it.
    NoMemory = "ENOBUFS", 105;
    /// The protocol is not spoken at the other end.
    ProtocolUnreachable = "ENOPROTOOPT", 92;
    /// The other end, or the way to it, does not understand what is sent.
    Protocol = "EPROTO", 71;
    /// It is not allowed to sockets (`net.ipv4.tcp_allowed_congestion_control`).
    NotPermitted = "EPERM", 1;
    /// Only the superuser may do that, or the way is prohibited.
    NotAllowed = "EACCES", 13;
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.errno(), self.meaning())
    }
}

impl core::error::Error for SocketError {}
