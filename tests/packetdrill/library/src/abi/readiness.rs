//! `poll` and `epoll` of the table.
#![expect(unsafe_code, reason = "the C interface")]

use std::ffi::{c_int, c_void};

use libc::{epoll_event, nfds_t, pollfd};
use packet_scripts::system::{EpollEvent, Errno, Polled};

use super::{
    calls::{answered, instance},
    memory,
};
use crate::instance::World;

type Data = *mut c_void;

pub(super) unsafe extern "C" fn poll(data: Data, asked: *mut pollfd, count: nfds_t, wait: c_int) -> c_int {
    let told = answered(|| {
        // SAFETY: the caller says that pointers are what they are said to be.
        let (instance, asked) = unsafe { (instance(data)?, memory::several(asked, count as usize)?) };
        let mut polled: Vec<Polled> =
            asked.iter().map(|one| Polled { descriptor: one.fd, events: one.events, happened: 0 }).collect();
        let count =
            instance.call(|World { host, process, .. }, progress| process.poll(host, &mut polled, wait, progress))?;
        asked.iter_mut().zip(polled).for_each(|(one, polled)| one.revents = polled.happened);
        Ok(count)
    });
    told as c_int
}

pub(super) unsafe extern "C" fn epoll_create(data: Data, size: c_int) -> c_int {
    let made = answered(|| {
        // SAFETY: as above.
        let instance = unsafe { instance(data) }?;
        if size <= 0 {
            return Err(Errno::INVALID);
        }
        instance.call(|world, _| world.numbered(|world, number| world.process.epoll_create(number)))
    });
    made as c_int
}

pub(super) unsafe extern "C" fn epoll_ctl(
    data: Data,
    own: c_int,
    operation: c_int,
    fd: c_int,
    event: *mut epoll_event,
) -> c_int {
    let done = answered(|| {
        // SAFETY: as above; the structure is read as a whole, as it is packed.
        let (instance, asked) =
            unsafe { (instance(data)?, if event.is_null() { None } else { Some(event.read_unaligned()) }) };
        let asked = asked.map(|event| EpollEvent { events: event.events, data: event.u64 });
        instance.call(|world, _| world.process.epoll_ctl(own, operation, fd, asked))
    });
    done as c_int
}

pub(super) unsafe extern "C" fn epoll_wait(
    data: Data,
    own: c_int,
    to: *mut epoll_event,
    most: c_int,
    wait: c_int,
) -> c_int {
    let told = answered(|| {
        let most = usize::try_from(most).ok().filter(|most| *most > 0).ok_or(Errno::INVALID)?;
        // SAFETY: as above.
        let (instance, to) = unsafe { (instance(data)?, memory::several(to, most)?) };
        let mut told = Vec::new();
        let count = instance.call(|World { host, process, .. }, progress| {
            process.epoll_wait(host, own, most, wait, (&mut told, progress))
        })?;
        to.iter_mut().zip(told).for_each(|(to, told)| *to = epoll_event { events: told.events, u64: told.data });
        Ok(count)
    });
    told as c_int
}
