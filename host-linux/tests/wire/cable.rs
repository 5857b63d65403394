//! A cable that loses some of what passes, and notes what it was given.

use std::{
    fs::File,
    io::{BufWriter, Write},
    os::fd::AsFd,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::SystemTime,
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use towpath::af_packet::{PacketDevice, Ring};
use towpath_engine::Frame;

use crate::link::open;

/// A cable between two devices of the test's namespace. Its end is that of this value.
pub(crate) struct Cable {
    is_cut: Arc<AtomicBool>,
    carrying: Option<JoinHandle<()>>,
}

impl Cable {
    /// Carries frames both ways, but for so many of a thousand. All that it is given, lost or not, goes to a pcap file.
    pub(crate) fn between(ends: [&str; 2], lost_per_mille: u32, notes: &Path) -> Self {
        let is_cut = Arc::new(AtomicBool::new(false));
        let [mut one, mut other] = [0, 1].map(|end| open(ends[end], end as u16));
        let mut notes = Notes::new(notes);
        let mut chance = Chance(0x2545_f491);
        let carrying = thread::spawn({
            let is_cut = Arc::clone(&is_cut);
            move || {
                while !is_cut.load(Ordering::Relaxed) {
                    wait_for_either(&one, &other);
                    carry(&mut one, &mut other, &mut notes, || chance.hits(lost_per_mille));
                    carry(&mut other, &mut one, &mut notes, || chance.hits(lost_per_mille));
                }
                notes.0.flush().unwrap();
            }
        });
        Self { is_cut, carrying: Some(carrying) }
    }

    /// Cuts it; what it has noted is whole then.
    pub(crate) fn cut(mut self) {
        self.end().unwrap();
    }

    fn end(&mut self) -> thread::Result<()> {
        self.is_cut.store(true, Ordering::Relaxed);
        self.carrying.take().map_or(Ok(()), JoinHandle::join)
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        // Whoever wants to know how it went cuts it.
        let _ = self.end();
    }
}

/// Waits until one of them has frames, or for a tenth of a second.
fn wait_for_either(one: &PacketDevice, other: &PacketDevice) {
    let mut files = [one, other].map(|device| PollFd::from_borrowed_fd(device.as_fd(), PollFlags::IN));
    poll(&mut files, Some(&Timespec { tv_sec: 0, tv_nsec: 100_000_000 })).unwrap();
}

fn carry(from: &mut PacketDevice, to: &mut PacketDevice, notes: &mut Notes, mut is_lost: impl FnMut() -> bool) {
    from.receive(64, |frames| {
        frames.iter().for_each(|frame| notes.note(frame));
        let kept: Vec<Frame<'_>> = frames.iter().filter(|_| !is_lost()).copied().collect();
        to.send(&kept);
    });
}

/// A pcap file with times in nanoseconds.
struct Notes(BufWriter<File>);

impl Notes {
    fn new(path: &Path) -> Self {
        let mut file = BufWriter::new(File::create(path).unwrap());
        let head = [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, u32::from(u16::MAX), 1];
        head.iter().for_each(|word| file.write_all(&word.to_le_bytes()).unwrap());
        Self(file)
    }

    fn note(&mut self, frame: &Frame<'_>) {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
        let head = [now.as_secs() as u32, now.subsec_nanos(), frame.bytes.len() as u32, frame.wire_len];
        head.iter().for_each(|word| self.0.write_all(&word.to_le_bytes()).unwrap());
        self.0.write_all(frame.bytes).unwrap();
    }
}

/// The same draws each time (Marsaglia's xorshift).
struct Chance(u32);

impl Chance {
    fn hits(&mut self, per_mille: u32) -> bool {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 % 1000 < per_mille
    }
}
