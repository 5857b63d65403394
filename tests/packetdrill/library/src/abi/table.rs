//! The order of the functions, which is the interface, and how the table is filled.
#![expect(unsafe_code, reason = "the C interface")]

use std::{
    ffi::{CStr, c_char, c_int, c_long, c_uint, c_ulong, c_void},
    sync::Arc,
};

use libc::{epoll_event, iovec, loff_t, msghdr, nfds_t, pollfd, size_t, sockaddr, socklen_t, ssize_t, timeval};

use super::{calls, preloaded, readiness};
use crate::{flags, instance::Instance};

type Data = *mut c_void;

/// `struct packetdrill_interface`: a pointer that each function is given first, and the functions.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Interface {
    userdata: Data,
    free: unsafe extern "C" fn(Data),
    socket: unsafe extern "C" fn(Data, c_int, c_int, c_int) -> c_int,
    bind: unsafe extern "C" fn(Data, c_int, *const sockaddr, socklen_t) -> c_int,
    listen: unsafe extern "C" fn(Data, c_int, c_int) -> c_int,
    accept: unsafe extern "C" fn(Data, c_int, *mut sockaddr, *mut socklen_t) -> c_int,
    connect: unsafe extern "C" fn(Data, c_int, *const sockaddr, socklen_t) -> c_int,
    read: unsafe extern "C" fn(Data, c_int, *mut c_void, size_t) -> ssize_t,
    readv: unsafe extern "C" fn(Data, c_int, *const iovec, c_int) -> ssize_t,
    recv: unsafe extern "C" fn(Data, c_int, *mut c_void, size_t, c_int) -> ssize_t,
    recvfrom: unsafe extern "C" fn(Data, c_int, *mut c_void, size_t, c_int, *mut sockaddr, *mut socklen_t) -> ssize_t,
    recvmsg: unsafe extern "C" fn(Data, c_int, *mut msghdr, c_int) -> ssize_t,
    write: unsafe extern "C" fn(Data, c_int, *const c_void, size_t) -> ssize_t,
    writev: unsafe extern "C" fn(Data, c_int, *const iovec, c_int) -> ssize_t,
    send: unsafe extern "C" fn(Data, c_int, *const c_void, size_t, c_int) -> ssize_t,
    sendto: unsafe extern "C" fn(Data, c_int, *const c_void, size_t, c_int, *const sockaddr, socklen_t) -> ssize_t,
    sendmsg: unsafe extern "C" fn(Data, c_int, *const msghdr, c_int) -> ssize_t,
    // The last argument of these two is one of `...` there; whoever leaves it out leaves a register as it is.
    fcntl: unsafe extern "C" fn(Data, c_int, c_int, c_long) -> c_int,
    ioctl: unsafe extern "C" fn(Data, c_int, c_ulong, *mut c_int) -> c_int,
    close: unsafe extern "C" fn(Data, c_int) -> c_int,
    shutdown: unsafe extern "C" fn(Data, c_int, c_int) -> c_int,
    getsockopt: unsafe extern "C" fn(Data, c_int, c_int, c_int, *mut c_void, *mut socklen_t) -> c_int,
    setsockopt: unsafe extern "C" fn(Data, c_int, c_int, c_int, *const c_void, socklen_t) -> c_int,
    poll: unsafe extern "C" fn(Data, *mut pollfd, nfds_t, c_int) -> c_int,
    netdev_send: unsafe extern "C" fn(Data, *const c_void, size_t) -> c_int,
    netdev_receive: unsafe extern "C" fn(Data, *mut c_void, *mut size_t, *mut i64) -> c_int,
    usleep: unsafe extern "C" fn(Data, c_uint) -> c_int,
    gettimeofday: unsafe extern "C" fn(Data, *mut timeval, *mut c_void) -> c_int,
    epoll_create: unsafe extern "C" fn(Data, c_int) -> c_int,
    epoll_ctl: unsafe extern "C" fn(Data, c_int, c_int, c_int, *mut epoll_event) -> c_int,
    epoll_wait: unsafe extern "C" fn(Data, c_int, *mut epoll_event, c_int, c_int) -> c_int,
    pipe: unsafe extern "C" fn(Data, *mut c_int) -> c_int,
    splice: unsafe extern "C" fn(Data, c_int, *mut loff_t, c_int, *mut loff_t, size_t, c_uint) -> ssize_t,
}

const _: () = assert!(size_of::<Interface>() == 33 * size_of::<usize>());

/// Makes a host as the flags say and fills the table. When they are wrong that is told, and all calls fail with `EFAULT`.
///
/// # Safety
/// `flags` is a string that ends with a zero, or null; `interface` is where a table may be written, or null.
#[unsafe(no_mangle)]
unsafe extern "C" fn packetdrill_interface_init(flags: *const c_char, interface: *mut Interface) {
    let flags = if flags.is_null() {
        String::new()
    } else {
        // SAFETY: the caller says that it is a string.
        unsafe { CStr::from_ptr(flags) }.to_string_lossy().into_owned()
    };
    let made = std::panic::catch_unwind(|| flags::host(&flags)).unwrap_or_else(|_| Err("no host".to_owned()));
    let userdata = match made {
        Ok((host, process)) => {
            let instance = Arc::new(Instance::new(host, process));
            preloaded::serve(Some(Arc::clone(&instance)));
            Arc::into_raw(instance) as Data
        }
        Err(wrong) => {
            say(&wrong);
            std::ptr::null_mut()
        }
    };
    if !interface.is_null() {
        // SAFETY: the caller says that a table may be written there.
        unsafe { interface.write(table(userdata)) };
    }
}

#[expect(clippy::print_stderr, reason = "the table has no other way to tell")]
fn say(wrong: &str) {
    eprintln!("towpath: --so_flags: {wrong}");
}

fn table(userdata: Data) -> Interface {
    Interface {
        userdata,
        free: calls::free,
        socket: calls::socket,
        bind: calls::bind,
        listen: calls::listen,
        accept: calls::accept,
        connect: calls::connect,
        read: calls::read,
        readv: calls::readv,
        recv: calls::recv,
        recvfrom: calls::recvfrom,
        recvmsg: calls::recvmsg,
        write: calls::write,
        writev: calls::writev,
        send: calls::send,
        sendto: calls::sendto,
        sendmsg: calls::sendmsg,
        fcntl: calls::fcntl,
        ioctl: calls::ioctl,
        close: calls::close,
        shutdown: calls::shutdown,
        getsockopt: calls::getsockopt,
        setsockopt: calls::setsockopt,
        poll: readiness::poll,
        netdev_send: calls::netdev_send,
        netdev_receive: calls::netdev_receive,
        usleep: calls::usleep,
        gettimeofday: calls::gettimeofday,
        epoll_create: readiness::epoll_create,
        epoll_ctl: readiness::epoll_ctl,
        epoll_wait: readiness::epoll_wait,
        pipe: calls::pipe,
        splice: calls::splice,
    }
}
