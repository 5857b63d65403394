use std::{
    cell::Cell,
    fs::File,
    io,
    os::fd::{AsFd, BorrowedFd},
    rc::Rc,
    sync::{Arc, Mutex},
};

use towpath_engine::{
    Frame,
    device::{Device, Link},
};

use super::*;
use crate::{
    af_packet::{Counters, OFFLOADS, Outgoing, Received},
    napi::Budget,
};

const LAN: DeviceId = DeviceId(0);

#[test]
fn a_new_device_that_cannot_be_gone_on_with_at_once_is_tried_again_and_both_are_told_once() {
    let mut gateway = Gateway::new();
    gateway.failures.set(3);
    gateway.becomes(Some(2), Some(3));
    assert_eq!(gateway.follower.deadline(), Some(gateway.now + REBIND_TIME));
    for tries in 2..=3 {
        gateway.now = gateway.now + REBIND_TIME;
        gateway.try_again();
        assert_eq!((gateway.tries.get(), gateway.follower.deadline()), (tries, Some(gateway.now + REBIND_TIME)));
    }
    gateway.now = gateway.now + REBIND_TIME;
    gateway.try_again();
    assert_eq!(gateway.follower.deadline(), None);
    gateway.try_again();
    assert_eq!((gateway.tries.get(), gateway.bound.get()), (4, 3), "once it is done nothing more is tried");
    let told = gateway.told();
    let [first, second] = &told[..] else { panic!("{told:?}") };
    assert!(first.starts_with("towpath: device lan: going on with a new device of its name: "), "{first}");
    assert!(first.ends_with("; that is tried again"), "{first}");
    assert_eq!(second, "towpath: device lan: there is a new device of its name, which it goes on with");
}

#[test]
fn a_new_device_that_goes_again_is_not_tried_any_more() {
    let mut gateway = Gateway::new();
    gateway.failures.set(1);
    gateway.becomes(Some(2), Some(3));
    gateway.becomes(Some(3), None);
    assert_eq!(gateway.follower.deadline(), None);
    gateway.try_again();
    assert_eq!(gateway.tries.get(), 1);
    gateway.becomes(None, Some(4));
    assert_eq!((gateway.tries.get(), gateway.bound.get()), (2, 4));
}

#[test]
fn a_devices_way_out_learns_what_it_carries_and_what_one_does_that_takes_its_place() {
    let mut gateway = Gateway::new();
    for (was, is, mtu_bytes) in [(2, 2, 1400), (2, 3, 1300), (3, 3, 9000)] {
        gateway.mtu_bytes = mtu_bytes;
        gateway.becomes(Some(was), Some(is));
        assert_eq!(gateway.carried.get(), mtu_bytes);
    }
    assert_eq!(gateway.tries.get(), 1);
}

/// A gateway with one device, which refuses as often as it is told to.
struct Gateway {
    engine: Engine,
    napi: Napi<Refusing>,
    follower: Follower,
    notices: Notices,
    written: Written,
    now: Instant,
    failures: Rc<Cell<u32>>,
    tries: Rc<Cell<u32>>,
    bound: Rc<Cell<u32>>,
    /// What the device carries, and what its way out knows of that.
    mtu_bytes: u32,
    carried: Rc<Cell<u32>>,
}

impl Gateway {
    fn new() -> Self {
        let mut engine = Engine::new(1);
        let now = Instant::from_secs(1);
        let device = Device { name: "lan".to_owned(), mtu_bytes: 1500, ..Device::default() };
        engine.handle_command(now, Command::AddDevice(device)).unwrap();
        let (failures, tries, bound, carried) = Default::default();
        let ring = Refusing {
            failures: Rc::clone(&failures),
            tries: Rc::clone(&tries),
            bound: Rc::clone(&bound),
            carried: Rc::clone(&carried),
            file: File::open("/dev/null").unwrap(),
            counters: Counters::default(),
        };
        let written = Written::default();
        let notices = Notices::to(written.clone()).unwrap();
        let (napi, follower) = (Napi::new([ring], Budget::default()), Follower::default());
        let mtu_bytes = 1500;
        Self { engine, napi, follower, notices, written, now, failures, tries, bound, mtu_bytes, carried }
    }

    /// The kernel's number of the device was one, and is another.
    fn becomes(&mut self, was: Option<u32>, is: Option<u32>) {
        let condition = |index| Condition {
            index,
            is_up: true,
            link: Link::default(),
            carrier_losses: None,
            mtu_bytes: Some(self.mtu_bytes),
            mac: None,
            offloads: [true; OFFLOADS.len()],
        };
        let index = is.or(was).unwrap();
        let watched = Watched { device: LAN, name: "ga".to_owned(), index, mtu_bytes_max: None, said: None };
        let news = (&watched, Some(condition(was)), condition(is));
        self.follower.follow(self.now, &mut self.engine, &mut self.napi, news, &mut self.notices);
    }

    fn try_again(&mut self) {
        self.follower.try_again(self.now, &self.engine, &mut self.napi, &mut self.notices);
    }

    /// What the operator has been told.
    fn told(self) -> Vec<String> {
        self.notices.finish(&self.engine, self.now);
        let text = String::from_utf8(self.written.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

/// What was written.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A device that cannot be gone on with as often as it still has to fail.
struct Refusing {
    failures: Rc<Cell<u32>>,
    tries: Rc<Cell<u32>>,
    bound: Rc<Cell<u32>>,
    carried: Rc<Cell<u32>>,
    file: File,
    counters: Counters,
}

impl AsFd for Refusing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Ring for Refusing {
    fn device(&self) -> DeviceId {
        LAN
    }

    fn receive(&mut self, _: usize, _: impl FnOnce(&[Frame<'_>])) -> Received {
        Received { frames: 0, is_drained: true }
    }

    fn send<T: Outgoing>(&mut self, frames: &[T]) -> usize {
        frames.len()
    }

    fn take_error(&mut self) -> Option<io::Error> {
        None
    }

    fn rebind(&mut self, index: u32, _: bool) -> io::Result<()> {
        self.tries.set(self.tries.get() + 1);
        if let Some(left) = self.failures.get().checked_sub(1) {
            self.failures.set(left);
            return Err(io::ErrorKind::NotFound.into());
        }
        self.bound.set(index);
        Ok(())
    }

    fn set_mtu(&mut self, mtu_bytes: u32) {
        self.carried.set(mtu_bytes);
    }

    fn counters(&mut self) -> &Counters {
        &self.counters
    }
}
