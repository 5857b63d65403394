//! The table's functions as a program in C calls them, by their places in it.
#![expect(unsafe_code, reason = "the C interface")]

use std::{
    env,
    ffi::{CString, c_char, c_int, c_uint, c_ulong, c_void},
    fs, io,
    mem::transmute,
    ptr::{null, null_mut},
    sync::atomic::{AtomicU16, AtomicU32, Ordering},
    thread,
    time::Duration,
};

use towpath_engine::{
    DeviceId, Frame, Packet,
    packet::{Pool, Sketch},
    wire::MacAddr,
};

/// A result, or `errno`.
pub(crate) type Answer = Result<i64, i32>;

type F = unsafe extern "C" fn();

/// A table, and what is known of the connection that it is used for.
pub(crate) struct Stack {
    table: Table,
    /// The engine's first sequence number, and its port.
    initial: AtomicU32,
    port: AtomicU16,
}

/// A pointer, and the functions in their order.
#[repr(C)]
struct Table {
    data: *mut c_void,
    functions: [Option<F>; 32],
}

// SAFETY: the functions may be called by any thread; that is what is tested.
unsafe impl Sync for Stack {}

/// Calls by name with their place and their types.
macro_rules! called {
    ($stack:expr, $place:literal, $result:ty $(, $argument:expr => $kind:ty)*) => {{
        let function = $stack.table.functions[$place].expect("every pointer is filled");
        // SAFETY: the interface says so of that place.
        let function: unsafe extern "C" fn(*mut c_void $(, $kind)*) -> $result = unsafe { transmute(function) };
        // SAFETY: pointers lead to what is long enough, or nowhere, which is asked about.
        errno_of(|| i64::from(unsafe { function($stack.table.data $(, $argument)*) }))
    }};
}

/// What a call gives, or its error.
pub(crate) fn errno_of(call: impl FnOnce() -> i64) -> Answer {
    match call() {
        -1 => Err(io::Error::last_os_error().raw_os_error().unwrap_or(0)),
        value => Ok(value),
    }
}

/// What a call gives by its bytes.
type Told = Result<Vec<u8>, i32>;

/// The number of this thread.
pub(crate) fn thread_id() -> i32 {
    // SAFETY: it asks for nothing.
    unsafe { libc::gettid() }
}

/// Waits until a thread of this process sleeps, as packetdrill does.
pub(crate) fn await_asleep(thread: i32) {
    let path = format!("/proc/self/task/{thread}/stat");
    while !fs::read_to_string(&path).expect("it is there").contains(") S ") {
        thread::yield_now();
    }
}

/// The flags of a descriptor of this very process.
pub(crate) fn descriptor_flags(descriptor: i32) -> i64 {
    // SAFETY: nothing is changed by it.
    i64::from(unsafe { libc::fcntl(descriptor, libc::F_GETFD) })
}

impl Stack {
    /// The library, loaded, with a host as the flags say.
    pub(crate) fn new(flags: &str) -> Self {
        let test = env::current_exe().expect("this test has a name");
        let library = test.with_file_name("libtowpath_packetdrill.so");
        let name = CString::new(library.to_str().expect("a name in UTF-8")).expect("no zero in it");
        let flags = CString::new(flags).expect("no zero in it");
        let table = Table { data: null_mut(), functions: [None; 32] };
        let mut stack = Self { table, initial: AtomicU32::new(0), port: AtomicU16::new(80) };
        // SAFETY: what is loaded is the library, and its one function has this form.
        unsafe {
            let handle = libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL | libc::RTLD_NODELETE);
            assert!(!handle.is_null(), "{} cannot be loaded", library.display());
            let init = libc::dlsym(handle, c"packetdrill_interface_init".as_ptr());
            assert!(!init.is_null(), "the library has no beginning");
            let init: unsafe extern "C" fn(*const c_char, *mut Table) = transmute(init);
            init(flags.as_ptr(), &raw mut stack.table);
        }
        assert!(stack.table.functions.iter().all(Option::is_some), "every pointer is filled");
        stack
    }

    /// A segment comes in; `ack` counts from the engine's SYN.
    pub(crate) fn gets(&self, segment: &str) {
        let mut words: Vec<String> = segment.split_whitespace().map(str::to_owned).collect();
        if let Some(at) = words.iter().position(|word| word == "ack") {
            let ack: u32 = words[at + 1].parse().expect("a number");
            words[at + 1] = ack.wrapping_add(self.initial.load(Ordering::Relaxed)).to_string();
        }
        let line = format!("10.0.0.2:2000 > 10.0.0.1:{} {}", self.port.load(Ordering::Relaxed), words.join(" "));
        let sketch: Sketch = line.parse().expect("a packet");
        let bytes = sketch.frame(MacAddr([2; 6]), MacAddr([4; 6]));
        let packet = &bytes[ETHERNET_BYTES..];
        let taken = called!(self, 23, c_int, packet.as_ptr().cast() => *const c_void, packet.len() => usize);
        assert_eq!(taken, Ok(0));
    }

    /// The next segment that leaves, and when; `None` when none does.
    pub(crate) fn says(&self) -> Option<(String, Duration)> {
        let mut packet = [0_u8; 2000];
        let (mut len, mut micros) = (packet.len(), 0_i64);
        let given = called!(
            self, 24, c_int, packet.as_mut_ptr().cast() => *mut c_void, &raw mut len => *mut usize,
            &raw mut micros => *mut i64
        );
        assert_eq!(given, Ok(0));
        if len == 0 {
            return None;
        }
        let bytes = [&[4; 6][..], &[2; 6], &[8, 0], &packet[..len]].concat();
        let packet = Packet::parse(&mut Pool::new(), &Frame::new(DeviceId(0), &bytes)).expect("what is sent is right");
        let tcp = packet.tcp().expect("all is TCP");
        let flags = tcp.flags.to_string();
        if flags.contains('S') {
            self.initial.store(tcp.seq.get(), Ordering::Relaxed);
            self.port.store(tcp.source_port.get(), Ordering::Relaxed);
        }
        let mut line = format!("{flags} seq {}", tcp.seq.get().wrapping_sub(self.initial.load(Ordering::Relaxed)));
        if flags.contains('A') {
            line += &format!(" ack {}", tcp.ack.get());
        }
        if packet.payload_len() > 0 {
            line += &format!(" len {}", packet.payload_len());
        }
        Some((line, Duration::from_micros(micros as u64)))
    }

    pub(crate) fn sleeps(&self, time: Duration) {
        assert_eq!(called!(self, 25, c_int, time.as_micros() as c_uint => c_uint), Ok(0));
    }

    pub(crate) fn now(&self) -> Duration {
        let mut time = libc::timeval { tv_sec: 0, tv_usec: 0 };
        let told = called!(self, 26, c_int, &raw mut time => *mut libc::timeval, null_mut() => *mut c_void);
        assert_eq!(told, Ok(0));
        Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000)
    }

    pub(crate) fn try_socket(&self) -> Answer {
        called!(self, 1, c_int, libc::AF_INET => c_int, libc::SOCK_STREAM => c_int, libc::IPPROTO_TCP => c_int)
    }

    pub(crate) fn socket(&self) -> i32 {
        self.try_socket().expect("there is room") as i32
    }

    pub(crate) fn bind(&self, descriptor: i32, ip: [u8; 4], port: u16) -> Answer {
        let address = address(ip, port);
        called!(self, 2, c_int, descriptor => c_int, address.as_ptr().cast() => *const c_void, 16 => c_uint)
    }

    pub(crate) fn listen(&self, descriptor: i32, backlog: i32) -> Answer {
        called!(self, 3, c_int, descriptor => c_int, backlog => c_int)
    }

    /// The descriptor of the connection, and the other end's address.
    pub(crate) fn accept(&self, descriptor: i32) -> Result<(i32, Vec<u8>), i32> {
        let mut address = [0_u8; 28];
        let mut len: c_uint = 28;
        let accepted = called!(
            self, 4, c_int, descriptor => c_int, address.as_mut_ptr().cast() => *mut c_void, &raw mut len => *mut c_uint
        )?;
        Ok((accepted as i32, address[..len as usize].to_vec()))
    }

    pub(crate) fn connect(&self, descriptor: i32, ip: [u8; 4], port: u16) -> Answer {
        self.connect_to(descriptor, &address(ip, port))
    }

    pub(crate) fn connect_to(&self, descriptor: i32, address: &[u8]) -> Answer {
        let at = address.as_ptr().cast();
        called!(self, 5, c_int, descriptor => c_int, at => *const c_void, address.len() as c_uint => c_uint)
    }

    pub(crate) fn read(&self, descriptor: i32, to: &mut [u8]) -> Answer {
        called!(self, 6, i64, descriptor => c_int, to.as_mut_ptr().cast() => *mut c_void, to.len() => usize)
    }

    pub(crate) fn readv(&self, descriptor: i32, to: &mut [&mut [u8]]) -> Answer {
        let parts: Vec<libc::iovec> =
            to.iter_mut().map(|to| libc::iovec { iov_base: to.as_mut_ptr().cast(), iov_len: to.len() }).collect();
        called!(self, 7, i64, descriptor => c_int, parts.as_ptr() => *const libc::iovec, parts.len() as c_int => c_int)
    }

    pub(crate) fn peek(&self, descriptor: i32, to: &mut [u8]) -> Answer {
        let at = to.as_mut_ptr().cast();
        called!(self, 8, i64, descriptor => c_int, at => *mut c_void, to.len() => usize, libc::MSG_PEEK => c_int)
    }

    pub(crate) fn recvmsg(&self, descriptor: i32, to: &mut [u8]) -> Answer {
        let mut part = libc::iovec { iov_base: to.as_mut_ptr().cast(), iov_len: to.len() };
        let mut message = message(&raw mut part);
        called!(self, 10, i64, descriptor => c_int, &raw mut message => *mut libc::msghdr, 0 => c_int)
    }

    pub(crate) fn write(&self, descriptor: i32, from: &[u8]) -> Answer {
        called!(self, 11, i64, descriptor => c_int, from.as_ptr().cast() => *const c_void, from.len() => usize)
    }

    pub(crate) fn writev(&self, descriptor: i32, from: &[&[u8]]) -> Answer {
        let part = |from: &&[u8]| libc::iovec { iov_base: from.as_ptr().cast_mut().cast(), iov_len: from.len() };
        let parts: Vec<libc::iovec> = from.iter().map(part).collect();
        called!(self, 12, i64, descriptor => c_int, parts.as_ptr() => *const libc::iovec, parts.len() as c_int => c_int)
    }

    /// Begins a connection with these bytes, to the address if there is one.
    pub(crate) fn sendto_fast(&self, descriptor: i32, from: &[u8], address: &[u8]) -> Answer {
        let at = if address.is_empty() { null() } else { address.as_ptr().cast() };
        called!(
            self, 14, i64, descriptor => c_int, from.as_ptr().cast() => *const c_void, from.len() => usize,
            libc::MSG_FASTOPEN => c_int, at => *const c_void, address.len() as c_uint => c_uint
        )
    }

    pub(crate) fn sendmsg_fast(&self, descriptor: i32, from: &[u8], address: &[u8]) -> Answer {
        let mut part = libc::iovec { iov_base: from.as_ptr().cast_mut().cast(), iov_len: from.len() };
        let mut message = message(&raw mut part);
        (message.msg_name, message.msg_namelen) = (address.as_ptr().cast_mut().cast(), address.len() as c_uint);
        let flags = libc::MSG_FASTOPEN;
        called!(self, 15, i64, descriptor => c_int, &raw const message => *const libc::msghdr, flags => c_int)
    }

    pub(crate) fn fcntl(&self, descriptor: i32, command: i32, argument: i32) -> Result<i32, i32> {
        let told = called!(self, 16, c_int, descriptor => c_int, command => c_int, argument => c_int)?;
        Ok(told as i32)
    }

    pub(crate) fn ioctl_unread(&self, descriptor: i32) -> Answer {
        let mut bytes: c_int = 0;
        called!(self, 17, c_int, descriptor => c_int, 0x541b => c_ulong, &raw mut bytes => *mut c_int)?;
        Ok(bytes.into())
    }

    pub(crate) fn close(&self, descriptor: i32) -> Answer {
        called!(self, 18, c_int, descriptor => c_int)
    }

    pub(crate) fn option(&self, descriptor: i32, level: i32, name: i32, room: usize) -> Told {
        let mut to = vec![0xaa; room];
        let mut len = room as c_uint;
        called!(
            self, 20, c_int, descriptor => c_int, level => c_int, name => c_int, to.as_mut_ptr().cast() => *mut c_void,
            &raw mut len => *mut c_uint
        )?;
        to.truncate(len as usize);
        Ok(to)
    }

    pub(crate) fn set_option(&self, descriptor: i32, level: i32, name: i32, value: &[u8]) -> Answer {
        let at = value.as_ptr().cast();
        called!(
            self, 21, c_int, descriptor => c_int, level => c_int, name => c_int, at => *const c_void,
            value.len() as c_uint => c_uint
        )
    }

    /// How many are ready, and for what the one is.
    pub(crate) fn poll(&self, descriptor: i32, events: i16, wait: i32) -> Result<(i64, i16), i32> {
        let mut asked = libc::pollfd { fd: descriptor, events, revents: 0 };
        let count = called!(self, 22, c_int, &raw mut asked => *mut libc::pollfd, 1 => c_ulong, wait => c_int)?;
        Ok((count, asked.revents))
    }

    pub(crate) fn epoll_create(&self, size: i32) -> Result<i32, i32> {
        called!(self, 27, c_int, size => c_int).map(|descriptor| descriptor as i32)
    }

    pub(crate) fn epoll_add(&self, own: i32, descriptor: i32, events: u32, data: u64) -> Answer {
        let mut event = libc::epoll_event { events, u64: data };
        let at = &raw mut event;
        called!(
            self, 28, c_int, own => c_int, libc::EPOLL_CTL_ADD => c_int, descriptor => c_int,
            at => *mut libc::epoll_event
        )
    }

    pub(crate) fn epoll_wait(&self, own: i32, wait: i32) -> Result<Vec<(u32, u64)>, i32> {
        let mut told = [libc::epoll_event { events: 0, u64: 0 }; 4];
        let at = told.as_mut_ptr();
        let count = called!(self, 29, c_int, own => c_int, at => *mut libc::epoll_event, 4 => c_int, wait => c_int)?;
        Ok(told[..count as usize].iter().map(|event| (event.events, event.u64)).collect())
    }

    pub(crate) fn pipe(&self) -> Answer {
        let mut ends: [c_int; 2] = [0; 2];
        called!(self, 30, c_int, ends.as_mut_ptr() => *mut c_int)
    }

    /// Calls that are given a pointer which leads nowhere, for a connection that has something to read.
    pub(crate) fn calls_with_null(&self, descriptor: i32) -> Vec<(&'static str, Answer)> {
        let (out, into) = (null::<c_void>(), null_mut::<c_void>());
        let part = libc::iovec { iov_base: null_mut(), iov_len: 100 };
        vec![
            ("bind", called!(self, 2, c_int, descriptor => c_int, out => *const c_void, 16 => c_uint)),
            ("connect", called!(self, 5, c_int, descriptor => c_int, out => *const c_void, 16 => c_uint)),
            ("read", called!(self, 6, i64, descriptor => c_int, into => *mut c_void, 100 => usize)),
            ("readv", called!(self, 7, i64, descriptor => c_int, out => *const c_void, 1 => c_int)),
            ("recv", called!(self, 8, i64, descriptor => c_int, into => *mut c_void, 100 => usize, 0 => c_int)),
            ("recvmsg", called!(self, 10, i64, descriptor => c_int, into => *mut c_void, 0 => c_int)),
            ("write", called!(self, 11, i64, descriptor => c_int, out => *const c_void, 100 => usize)),
            ("writev", called!(self, 12, i64, descriptor => c_int, &raw const part => *const libc::iovec, 1 => c_int)),
            ("send", called!(self, 13, i64, descriptor => c_int, out => *const c_void, 100 => usize, 0 => c_int)),
            ("sendmsg", called!(self, 15, i64, descriptor => c_int, out => *const c_void, 0 => c_int)),
            ("ioctl", called!(self, 17, c_int, descriptor => c_int, 0x541b => c_ulong, into => *mut c_void)),
            ("getsockopt", {
                let len = null_mut::<c_uint>();
                called!(self, 20, c_int, descriptor => c_int, 1 => c_int, 4 => c_int, into => *mut c_void, len => *mut c_uint)
            }),
            ("setsockopt", {
                called!(self, 21, c_int, descriptor => c_int, 1 => c_int, 2 => c_int, out => *const c_void, 4 => c_uint)
            }),
            ("poll", called!(self, 22, c_int, into => *mut c_void, 1 => c_ulong, 0 => c_int)),
            ("gettimeofday", called!(self, 26, c_int, into => *mut c_void, into => *mut c_void)),
        ]
    }

    /// Calls about a descriptor.
    pub(crate) fn calls_with(&self, descriptor: i32) -> Vec<(&'static str, Answer)> {
        vec![
            ("bind", self.bind(descriptor, [10, 0, 0, 1], 81)),
            ("listen", self.listen(descriptor, 4)),
            ("accept", self.accept(descriptor).map(|(accepted, _)| accepted.into())),
            ("connect", self.connect(descriptor, [10, 0, 0, 2], 81)),
            ("read", self.read(descriptor, &mut [0; 10])),
            ("write", self.write(descriptor, &[0; 10])),
            ("fcntl", self.fcntl(descriptor, libc::F_GETFL, 0).map(i64::from)),
            ("ioctl", self.ioctl_unread(descriptor)),
            ("close", self.close(descriptor)),
            ("shutdown", called!(self, 19, c_int, descriptor => c_int, 1 => c_int)),
            ("getsockopt", self.option(descriptor, 1, 4, 4).map(|value| value.len() as i64)),
            ("setsockopt", self.set_option(descriptor, 1, 2, &[0; 4])),
        ]
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: nobody uses the table any more.
        unsafe {
            let free = self.table.functions[0].expect("every pointer is filled");
            let free: unsafe extern "C" fn(*mut c_void) = transmute(free);
            free(self.table.data);
        }
    }
}

/// `struct sockaddr_in`.
pub(crate) fn address(ip: [u8; 4], port: u16) -> Vec<u8> {
    [&2_u16.to_ne_bytes()[..], &port.to_be_bytes(), &ip, &[0; 8]].concat()
}

fn message(part: *mut libc::iovec) -> libc::msghdr {
    libc::msghdr {
        msg_name: null_mut(),
        msg_namelen: 0,
        msg_iov: part,
        msg_iovlen: 1,
        msg_control: null_mut(),
        msg_controllen: 0,
        msg_flags: 0,
    }
}

const ETHERNET_BYTES: usize = 14;
