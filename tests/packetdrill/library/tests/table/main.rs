//! The library as packetdrill has it: loaded by name, and called by the table that it fills.

mod stack;

use std::{sync::mpsc, thread, time::Duration};

use libc::{
    EAGAIN, EALREADY, EBADF, ECONNRESET, EFAULT, EINPROGRESS, EINVAL, EISCONN, ENOENT, ENOSYS, ENOTSOCK, EPIPE,
};
use stack::{Stack, address, errno_of};

/// A listener on port 80, and what it has been asked for.
fn asked(flags: &str) -> (Stack, i32) {
    let stack = Stack::new(flags);
    let listener = stack.socket();
    assert_eq!(stack.bind(listener, [10, 0, 0, 1], 80), Ok(0));
    assert_eq!(stack.listen(listener, 4), Ok(0));
    stack.gets("S seq 0 win 60000 mss 1000");
    (stack, listener)
}

/// A connection that stands.
fn connected() -> (Stack, i32) {
    let (stack, listener) = asked("local=10.0.0.1,net.ipv4.tcp_timestamps=0");
    assert_eq!(stack.says().expect("it answers").0, "SA seq 0 ack 1");
    stack.gets("A seq 1 ack 1 win 60000");
    let (accepted, peer) = stack.accept(listener).expect("it waits");
    // struct sockaddr_in: the family, port and address in network order.
    assert_eq!(peer, [&2_u16.to_ne_bytes()[..], &2000_u16.to_be_bytes(), &[10, 0, 0, 2], &[0; 8]].concat());
    (stack, accepted)
}

#[test]
fn a_connection_is_made_used_and_ended() {
    let (stack, connection) = connected();
    assert_eq!(stack.write(connection, &[7; 2500]), Ok(2500));
    let said: Vec<String> = (0..3).map(|_| stack.says().unwrap().0).collect();
    assert_eq!(said, ["A seq 1 ack 1 len 1000", "A seq 1001 ack 1 len 1000", "PA seq 2001 ack 1 len 500"]);
    stack.gets("PA seq 1 ack 2501 win 60000 len 300");
    let mut to = [0; 400];
    assert_eq!(stack.ioctl_unread(connection), Ok(300));
    assert_eq!(stack.read(connection, &mut to), Ok(300));
    assert_eq!(stack.says().unwrap().0, "A seq 2501 ack 301");
    assert_eq!(stack.writev(connection, &[&[1; 10], &[], &[2; 20]]), Ok(30));
    assert_eq!(stack.says().unwrap().0, "PA seq 2501 ack 301 len 30");
    assert_eq!(stack.close(connection), Ok(0));
    assert_eq!(stack.says().unwrap().0, "FA seq 2531 ack 301");
    stack.gets("FA seq 301 ack 2532 win 60000");
    assert_eq!(stack.says().unwrap().0, "A seq 2532 ack 302");
}

#[test]
fn who_has_reset_its_connection_is_told_when_that_is_accepted() {
    let (stack, listener) = asked("local=10.0.0.1");
    assert_eq!(stack.says().expect("it answers").0, "SA seq 0 ack 1");
    stack.gets("A seq 1 ack 1 win 60000");
    stack.gets("R seq 1");
    let (accepted, peer) = stack.accept(listener).expect("it waits");
    assert_eq!(peer, address([10, 0, 0, 2], 2000));
    assert_eq!(stack.read(accepted, &mut [0; 10]), Err(ECONNRESET));
}

#[test]
fn data_go_with_a_syn_to_whom_the_call_names() {
    type Send = fn(&Stack, i32, &[u8], &[u8]) -> Result<i64, i32>;
    for send in [Stack::sendto_fast as Send, Stack::sendmsg_fast] {
        let stack = Stack::new("local=10.0.0.1,net.ipv4.tcp_timestamps=0,net.ipv4.tcp_fastopen=5");
        let socket = stack.socket();
        assert_eq!(stack.fcntl(socket, libc::F_SETFL, libc::O_NONBLOCK), Ok(0));
        assert_eq!(send(&stack, socket, &[7; 300], &[]), Err(EINVAL));
        let remote = address([10, 0, 0, 2], 2000);
        assert_eq!(send(&stack, socket, &[7; 300], &remote), Ok(300));
        assert_eq!(stack.says().expect("it begins").0, "S seq 0 len 300");
        assert_eq!(stack.connect_to(socket, &remote), Err(EALREADY));
        stack.gets("SA seq 0 ack 301 win 60000 mss 1000");
        assert_eq!(stack.says().expect("it acknowledges").0, "A seq 301 ack 1");
        assert_eq!(stack.connect_to(socket, &remote), Ok(0));
        assert_eq!(stack.connect_to(socket, &remote), Err(EISCONN));
        assert_eq!(stack.write(socket, &[7; 300]), Ok(300));
    }
}

#[test]
fn what_is_read_comes_in_parts_as_it_was_sent() {
    let (stack, connection) = connected();
    stack.gets("PA seq 1 ack 1 win 60000 len 300");
    let mut whole = [0; 300];
    assert_eq!(stack.peek(connection, &mut whole), Ok(300));
    let (mut first, mut second) = ([0; 100], [0; 400]);
    assert_eq!(stack.readv(connection, &mut [&mut first, &mut second]), Ok(300));
    assert_eq!([&first[..], &second[..200]].concat(), whole);
    stack.gets("FA seq 301 ack 1 win 60000");
    assert_eq!(stack.recvmsg(connection, &mut whole), Ok(0));
}

#[test]
fn the_structure_of_a_connection_is_laid_out_as_linux_has_it() {
    let (stack, connection) = connected();
    assert_eq!(stack.write(connection, &[0; 2500]), Ok(2500));
    let info = stack.option(connection, 6, 11, 300).unwrap();
    let word = |at: usize| u32::from_ne_bytes(info[at..at + 4].try_into().unwrap());
    assert_eq!(info.len(), 280);
    assert_eq!(info[0], 1, "the state");
    assert_eq!((word(16), word(24), word(80)), (1000, 3, 10), "segment, unacknowledged, window");
    assert_eq!(u64::from_ne_bytes(info[200..208].try_into().unwrap()), 2500, "bytes sent");
    // One that is asked for less is told less.
    assert_eq!(stack.option(connection, 6, 11, 104).unwrap(), info[..104]);
    assert_eq!(stack.option(connection, 1, 55, 36).unwrap().len(), 36);
    assert_eq!(stack.option(connection, 6, 26, 20).unwrap(), [], "CUBIC has no model");
    assert_eq!(stack.option(connection, 6, 13, 16).unwrap(), b"cubic\0\0\0\0\0\0\0\0\0\0\0");
}

#[test]
fn options_are_numbers_of_the_machines_order() {
    let (stack, connection) = connected();
    assert_eq!(stack.set_option(connection, 1, 7, &10_000_i32.to_ne_bytes()), Ok(0));
    assert_eq!(stack.option(connection, 1, 7, 4).unwrap(), 20_000_i32.to_ne_bytes());
    assert_eq!(stack.option(connection, 1, 4, 4).unwrap(), [0; 4]);
    assert_eq!(stack.set_option(connection, 0, 1, &[0x10]), Ok(0), "one byte is enough of IP");
    assert_eq!(stack.set_option(connection, 6, 1, &[1]), Err(EINVAL));
    assert_eq!(stack.set_option(connection, 6, 13, b"cubic"), Ok(0));
    assert_eq!(stack.set_option(connection, 6, 13, b"none"), Err(ENOENT));
    assert_eq!(stack.fcntl(connection, libc::F_GETFL, 0), Ok(2));
    assert_eq!(stack.fcntl(connection, libc::F_SETFL, libc::O_NONBLOCK), Ok(0));
    assert_eq!(stack.fcntl(connection, libc::F_GETFL, 0), Ok(2 | libc::O_NONBLOCK));
    assert_eq!(stack.read(connection, &mut [0; 10]), Err(EAGAIN));
}

#[test]
fn a_pointer_that_leads_nowhere_is_a_bad_address() {
    let (stack, connection) = connected();
    stack.gets("PA seq 1 ack 1 win 60000 len 300");
    let found = stack.calls_with_null(connection);
    let wrong: Vec<_> = found.iter().filter(|(_, answer)| *answer != Err(EFAULT)).collect();
    assert!(found.len() == 15 && wrong.is_empty(), "{wrong:?}");
    assert_eq!(stack.read(connection, &mut [0; 400]), Ok(300), "nothing is lost by it");
}

#[test]
fn what_is_no_descriptor_is_told_so_by_every_call() {
    let (stack, connection) = connected();
    assert_eq!(stack.close(connection), Ok(0));
    for descriptor in [connection, -1, 5000] {
        let found = stack.calls_with(descriptor);
        let wrong: Vec<_> = found.iter().filter(|(_, answer)| *answer != Err(EBADF)).collect();
        assert!(found.len() == 12 && wrong.is_empty(), "{descriptor}: {wrong:?}");
    }
    let epoll = stack.epoll_create(1).unwrap();
    assert_eq!(stack.read(epoll, &mut [0; 10]), Err(ENOTSOCK));
    assert_eq!(stack.pipe(), Err(ENOSYS));
}

#[test]
fn numbers_of_descriptors_are_those_of_open_files() {
    let (stack, connection) = connected();
    let is_open = |descriptor| errno_of(|| stack::descriptor_flags(descriptor)).is_ok();
    assert!(connection > 2 && is_open(connection));
    assert_eq!(stack.close(connection), Ok(0));
    assert!(!is_open(connection));
}

#[test]
fn a_connection_that_is_begun_without_waiting_is_told_of_once() {
    let stack = Stack::new("local=10.0.0.1,net.ipv4.tcp_timestamps=0");
    let socket = stack.socket();
    assert_eq!(stack.fcntl(socket, libc::F_SETFL, libc::O_NONBLOCK), Ok(0));
    assert_eq!(stack.connect(socket, [10, 0, 0, 2], 2000), Err(EINPROGRESS));
    assert_eq!(stack.connect(socket, [10, 0, 0, 2], 2000), Err(EALREADY));
    assert_eq!(stack.says().unwrap().0, "S seq 0");
    stack.gets("RA seq 0 ack 1 win 0");
    assert_eq!(stack.poll(socket, libc::POLLOUT, 0), Ok((1, libc::POLLOUT | libc::POLLERR | libc::POLLHUP)));
    assert_eq!(stack.connect(socket, [10, 0, 0, 2], 2000), Err(libc::ECONNREFUSED));
    assert_eq!(stack.write(socket, &[0; 10]), Err(EPIPE));
    assert_eq!(stack.connect_to(socket, &[2, 0]), Err(EINVAL));
}

#[test]
fn edges_are_told_once_and_levels_as_long_as_they_last() {
    let (stack, connection) = connected();
    let (edges, levels) = (stack.epoll_create(1).unwrap(), stack.epoll_create(1).unwrap());
    let readable = libc::EPOLLIN as u32;
    assert_eq!(stack.epoll_add(edges, connection, readable | libc::EPOLLET as u32, 77), Ok(0));
    assert_eq!(stack.epoll_add(levels, connection, readable, 88), Ok(0));
    assert_eq!(stack.epoll_add(levels, connection, readable, 88), Err(libc::EEXIST));
    assert_eq!(stack.epoll_wait(edges, 0), Ok(vec![]));
    stack.gets("PA seq 1 ack 1 win 60000 len 300");
    assert_eq!(stack.epoll_wait(edges, 0), Ok(vec![(readable, 77)]));
    assert_eq!(stack.epoll_wait(edges, 0), Ok(vec![]));
    assert_eq!(stack.epoll_wait(levels, 0), Ok(vec![(readable, 88)]));
    assert_eq!(stack.epoll_wait(levels, 0), Ok(vec![(readable, 88)]));
}

#[test]
fn time_goes_on_when_it_is_told_to_and_timers_run_in_it() {
    let (stack, _) = asked("local=10.0.0.1");
    let begun = stack.now();
    assert_eq!(stack.says().unwrap().0, "SA seq 0 ack 1");
    // The answer is sent again after a second, and what is told is when it left, not when it was looked for.
    stack.sleeps(Duration::from_millis(2500));
    let (said, at) = stack.says().unwrap();
    assert_eq!(said, "SA seq 0 ack 1");
    let a_look = Duration::from_micros(1);
    assert_eq!(at + a_look - begun, Duration::from_secs(1));
    assert_eq!(stack.now() - begun, Duration::from_millis(2500) + a_look);
    // Four more, each after twice as long; then nothing comes, which takes no real time either.
    assert_eq!((0..4).filter_map(|_| stack.says()).count(), 4);
    assert_eq!(stack.says(), None);
}

#[test]
fn a_thread_that_waits_sees_the_time_at_which_its_call_returns() {
    let (stack, connection) = connected();
    let begun = stack.now();
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            tell.send(stack::thread_id()).expect("somebody listens");
            (stack.read(connection, &mut [0; 400]), stack.now())
        });
        let poller = scope.spawn(|| {
            tell.send(stack::thread_id()).expect("somebody listens");
            (stack.poll(connection, libc::POLLRDHUP, 100), stack.now())
        });
        told.iter().take(2).for_each(stack::await_asleep);
        stack.sleeps(Duration::from_millis(300));
        stack.gets("PA seq 1 ack 1 win 60000 len 300");
        stack.sleeps(Duration::from_secs(5));
        let (read, at) = reader.join().expect("it reads");
        assert_eq!((read, (at - begun).as_millis()), (Ok(300), 300));
        let (polled, at) = poller.join().expect("it polls");
        assert_eq!((polled, (at - begun).as_millis()), (Ok((0, 0)), 100));
    });
}

#[test]
fn wrong_flags_make_calls_fail_and_nothing_worse() {
    for flags in ["local=nowhere", "mtu", "weather=fine", "net.ipv4.tcp_weather=1", "mtu=0"] {
        let stack = Stack::new(flags);
        assert_eq!(stack.try_socket(), Err(EFAULT), "{flags}");
    }
    assert!(Stack::new("").try_socket().is_ok());
}
