//! What the functions do with what they are given: -1 and `errno` when they fail, also of a fault of our own.
//!
//! All of them ask the same of who calls: pointers lead to what their types say, or are null; `data` is the table's.
#![expect(unsafe_code, reason = "the C interface")]

use std::{
    ffi::{c_int, c_long, c_uint, c_ulong, c_void},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use libc::{iovec, loff_t, msghdr, size_t, sockaddr, socklen_t, ssize_t, timeval};
use packet_scripts::system::{Errno, FAST_OPEN, Outcome, Progress, Sending, Unknown};

use super::{memory, preloaded};
use crate::{
    address,
    instance::{Answer, BROKEN, Instance, World, tell},
};

type Data = *mut c_void;

/// Makes a call: its result, or -1 with `errno`.
pub(super) fn answered(call: impl FnOnce() -> Answer) -> i64 {
    let answer = catch_unwind(AssertUnwindSafe(call)).unwrap_or(Err(BROKEN));
    answer.unwrap_or_else(|errno| {
        // SAFETY: the thread's own number is always there.
        unsafe { *libc::__errno_location() = errno.number };
        -1
    })
}

/// The instance that the table belongs to.
///
/// # Safety
/// `data` is null, or the table's.
pub(super) unsafe fn instance<'a>(data: Data) -> Result<&'a Instance, Errno> {
    // SAFETY: the caller says so; it lives until the table is given up.
    unsafe { memory::one(data.cast::<Instance>()) }
}

/// Defines functions of the table. Each is given the instance; pointers may be followed in its body.
macro_rules! functions {
    ($(fn $name:ident($instance:ident $(, $argument:ident: $kind:ty)*) -> $result:ty $body:block)+) => {
        $(
            pub(super) unsafe extern "C" fn $name(data: Data $(, $argument: $kind)*) -> $result {
                answered(|| {
                    // SAFETY: the caller says that pointers are what they are said to be.
                    unsafe {
                        let $instance = instance(data)?;
                        $body
                    }
                }) as $result
            }
        )+
    };
}

functions! {
    fn socket(instance, domain: c_int, kind: c_int, _protocol: c_int) -> c_int {
        instance.call(|world, _| {
            world.numbered(|world, number| world.process.socket(&mut world.host, number, domain, kind))
        })
    }

    fn bind(instance, fd: c_int, at: *const sockaddr, len: socklen_t) -> c_int {
        let local = memory::address(at, len)?;
        instance.call(|World { host, process, .. }, _| process.bind(host, fd, local))
    }

    fn listen(instance, fd: c_int, backlog: c_int) -> c_int {
        instance.call(|World { host, process, .. }, _| process.listen(host, fd, backlog))
    }

    fn accept(instance, fd: c_int, at: *mut sockaddr, len: *mut socklen_t) -> c_int {
        let accepted = instance.call(|world, _| {
            world.numbered(|world, number| world.process.accept(&mut world.host, fd, number))
        })?;
        if !at.is_null() {
            let mut world = instance.lock()?;
            let World { host, process, .. } = &mut *world;
            let peer = process.peer(host, accepted as c_int)?;
            memory::put(&address::write(peer), at.cast(), len)?;
        }
        Ok(accepted)
    }

    fn connect(instance, fd: c_int, at: *const sockaddr, len: socklen_t) -> c_int {
        if memory::is_unspecified(at, len)? {
            return instance.call(|World { host, process, .. }, _| process.disconnect(host, fd));
        }
        let remote = memory::address(at, len)?;
        instance.call(|World { host, process, .. }, progress| process.connect(host, fd, remote, progress))
    }

    fn read(instance, fd: c_int, to: *mut c_void, len: size_t) -> ssize_t {
        receive(instance, fd, to, len, 0)
    }

    fn readv(instance, fd: c_int, parts: *const iovec, count: c_int) -> ssize_t {
        receive_parts(instance, fd, parts, count as usize, 0)
    }

    fn recv(instance, fd: c_int, to: *mut c_void, len: size_t, flags: c_int) -> ssize_t {
        receive(instance, fd, to, len, flags)
    }

    fn recvfrom(
        instance, fd: c_int, to: *mut c_void, len: size_t, flags: c_int, _at: *mut sockaddr, address_len: *mut socklen_t
    ) -> ssize_t {
        let received = receive(instance, fd, to, len, flags)?;
        // A stream does not tell of each piece whence it came.
        if let Ok(address_len) = memory::one_mut(address_len) {
            *address_len = 0;
        }
        Ok(received)
    }

    fn recvmsg(instance, fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t {
        let message = memory::one_mut(message)?;
        let received = receive_parts(instance, fd, message.msg_iov, message.msg_iovlen, flags)?;
        (message.msg_namelen, message.msg_controllen, message.msg_flags) = (0, 0, 0);
        Ok(received)
    }

    fn write(instance, fd: c_int, from: *const c_void, len: size_t) -> ssize_t {
        transmit(instance, fd, from, len, Sending::default())
    }

    fn writev(instance, fd: c_int, parts: *const iovec, count: c_int) -> ssize_t {
        transmit_parts(instance, fd, parts, count as usize, Sending::default())
    }

    fn send(instance, fd: c_int, from: *const c_void, len: size_t, flags: c_int) -> ssize_t {
        transmit(instance, fd, from, len, Sending { flags, to: None })
    }

    fn sendto(
        instance, fd: c_int, from: *const c_void, len: size_t, flags: c_int, to: *const sockaddr, to_len: socklen_t
    ) -> ssize_t {
        transmit(instance, fd, from, len, sending(flags, to, to_len)?)
    }

    fn sendmsg(instance, fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t {
        let message = memory::one(message)?;
        if message.msg_controllen > 0 {
            return Err(tell(&Unknown("control messages are not known".to_owned())));
        }
        let how = sending(flags, message.msg_name.cast_const().cast(), message.msg_namelen)?;
        transmit_parts(instance, fd, message.msg_iov, message.msg_iovlen, how)
    }

    fn fcntl(instance, fd: c_int, command: c_int, argument: c_long) -> c_int {
        instance.call(|world, _| world.process.fcntl(fd, command, argument as i32))
    }

    fn ioctl(instance, fd: c_int, request: c_ulong, to: *mut c_int) -> c_int {
        let mut world = instance.lock()?;
        let World { host, process, .. } = &mut *world;
        *memory::one_mut(to)? = process.ioctl(host, fd, request & 0xffff_ffff).unwrap_or_else(|unknown| Err(tell(&unknown)))?;
        Ok(0)
    }

    fn close(instance, fd: c_int) -> c_int {
        instance.call(|world, _| {
            world.numbers.remove(&fd);
            world.process.close(&mut world.host, fd)
        })
    }

    fn shutdown(instance, fd: c_int, how: c_int) -> c_int {
        instance.call(|World { host, process, .. }, _| process.shutdown(host, fd, how))
    }

    fn getsockopt(
        instance, fd: c_int, level: c_int, name: c_int, to: *mut c_void, len: *mut socklen_t
    ) -> c_int {
        option(instance, fd, (level, name), to, len)
    }

    fn setsockopt(instance, fd: c_int, level: c_int, name: c_int, from: *const c_void, len: socklen_t) -> c_int {
        let value = memory::bytes(from, len as usize)?;
        instance.call(|World { host, process, .. }, _| process.set_option(host, fd, level, name, value))
    }

    fn netdev_send(instance, packet: *const c_void, len: size_t) -> c_int {
        instance.inject(memory::bytes(packet, len)?)
    }

    fn usleep(instance, micros: c_uint) -> c_int {
        instance.give_way()?;
        instance.go_on(Duration::from_micros(micros.into())).map(|_| 0)
    }

    // Whoever looks at the clock until it shows a time gets there.
    fn gettimeofday(instance, to: *mut timeval, _zone: *mut c_void) -> c_int {
        let world = instance.go_on(Duration::from_micros(1))?;
        let now = world.host.elapsed() + BEGINNING;
        *memory::one_mut(to)? = timeval { tv_sec: now.as_secs() as i64, tv_usec: now.subsec_micros().into() };
        Ok(0)
    }

    fn pipe(_instance, _numbers: *mut c_int) -> c_int {
        Err(NOT_THERE)
    }

    fn splice(
        _instance, _from: c_int, _from_at: *mut loff_t, _to: c_int, _to_at: *mut loff_t, _len: size_t, _flags: c_uint
    ) -> ssize_t {
        Err(NOT_THERE)
    }
}

/// The next packet that has left, and when. When none comes it is one of no bytes: the caller would try again for ever after an error.
pub(super) unsafe extern "C" fn netdev_receive(
    data: Data,
    to: *mut c_void,
    len: *mut size_t,
    micros: *mut i64,
) -> c_int {
    let received = answered(|| {
        // SAFETY: the caller says that pointers are what they are said to be.
        let (len, micros, next) = unsafe {
            (memory::one_mut(len)?, memory::one_mut(micros)?, instance(data).and_then(Instance::next_packet))
        };
        let sent = next.ok().flatten();
        let packet = sent.as_ref().map_or(&[][..], |sent| &sent.packet);
        let told = packet.len().min(*len);
        // SAFETY: as above; no more than the length that is said is used.
        unsafe { memory::bytes_mut(to, told)? }.copy_from_slice(&packet[..told]);
        *len = told;
        *micros = (sent.map_or(Duration::ZERO, |sent| sent.at) + BEGINNING).as_micros() as i64;
        Ok(0)
    });
    received as c_int
}

/// Gives the table up. Descriptors that are open stay so: packetdrill closes them itself, before.
pub(super) unsafe extern "C" fn free(data: Data) {
    answered(|| {
        preloaded::serve(None);
        if !data.is_null() {
            // SAFETY: the caller says that it is the table's, which is made of one that was let go.
            let instance = unsafe { Arc::from_raw(data.cast::<Instance>().cast_const()) };
            let numbers = std::mem::take(&mut instance.lock()?.numbers);
            numbers.into_values().for_each(std::mem::forget);
        }
        Ok(0)
    });
}

/// # Safety
/// As of the functions of the table.
pub(super) unsafe fn option(
    instance: &Instance,
    fd: c_int,
    (level, name): (c_int, c_int),
    to: *mut c_void,
    len: *mut socklen_t,
) -> Answer {
    let value = {
        let mut world = instance.lock()?;
        let World { host, process, .. } = &mut *world;
        process.option(host, fd, level, name).unwrap_or_else(|unknown| Err(tell(&unknown)))?
    };
    // SAFETY: the caller says so.
    unsafe {
        let told = memory::put(&value, to, len)?;
        *memory::one_mut(len)? = told as socklen_t;
    }
    Ok(0)
}

/// # Safety
/// As of the functions of the table.
unsafe fn receive(instance: &Instance, fd: c_int, to: *mut c_void, len: usize, flags: c_int) -> Answer {
    // SAFETY: the caller says so.
    match unsafe { memory::bytes_mut(to, len) } {
        Ok(to) => instance.call(|World { host, process, .. }, progress| process.receive(host, fd, to, flags, progress)),
        Err(_) => instance.call(|World { host, process, .. }, _| process.receive_to_nowhere(host, fd, flags)),
    }
}

/// # Safety
/// As of the functions of the table.
unsafe fn receive_parts(instance: &Instance, fd: c_int, parts: *const iovec, count: usize, flags: c_int) -> Answer {
    // SAFETY: the caller says so.
    let mut all = vec![0; unsafe { memory::room(parts, count) }?.min(BYTES_MAX)];
    let received =
        instance.call(|World { host, process, .. }, progress| process.receive(host, fd, &mut all, flags, progress))?;
    // SAFETY: as above.
    unsafe { memory::scatter(parts, count, &all[..received as usize]) }?;
    Ok(received)
}

/// # Safety
/// As of the functions of the table.
unsafe fn transmit(instance: &Instance, fd: c_int, from: *const c_void, len: usize, how: Sending) -> Answer {
    // SAFETY: the caller says so.
    match unsafe { memory::bytes(from, len) } {
        Ok(bytes) => instance.call(send_all(fd, bytes, how)),
        Err(_) => {
            instance.call(|World { host, process, .. }, progress| process.send_from_nowhere(host, fd, how, progress))
        }
    }
}

/// # Safety
/// As of the functions of the table.
unsafe fn transmit_parts(instance: &Instance, fd: c_int, parts: *const iovec, count: usize, how: Sending) -> Answer {
    // SAFETY: the caller says so.
    let all = unsafe { memory::gather(parts, count) }?;
    instance.call(send_all(fd, &all, how))
}

fn send_all(fd: c_int, bytes: &[u8], how: Sending) -> impl FnMut(&mut World, &mut Progress) -> Outcome {
    move |World { host, process, .. }, progress| process.send(host, fd, bytes, how, progress)
}

/// Where a stream goes is settled; only what begins one says so.
///
/// # Safety
/// As of the functions of the table.
unsafe fn sending(flags: c_int, to: *const sockaddr, len: socklen_t) -> Result<Sending, Errno> {
    let says_where = flags & FAST_OPEN != 0 && !to.is_null();
    // SAFETY: the caller says so.
    let to = says_where.then(|| unsafe { memory::address(to, len) }).transpose()?;
    Ok(Sending { flags, to })
}

/// What the clock shows at the host's start: not zero, so that a time that nobody has set stands out.
const BEGINNING: Duration = Duration::from_secs(1000);
/// The most that is read into several parts at once: 64 MB.
const BYTES_MAX: usize = 1 << 26;
const NOT_THERE: Errno = Errno { name: "ENOSYS", number: 38 };
