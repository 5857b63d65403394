//! Frames of devices that merge, from the device to the path: which go their way at once, which wait, and what both do to the
//! endings of frames (`offload/gro` says which are merged).
//!
//! A frame whose packet is still held when the poll is done has an ending that says so, and a second one when it goes on. One
//! whose bytes go on in the packet of an earlier frame ends as joined, at once: what becomes of them is that frame's ending.

use alloc::{string::ToString, vec::Vec};

use crate::{
    device::Feature,
    ending::{Dropped, End, Holder, Outcome},
    engine::Engine,
    frame::{DeviceId, Frame},
    noted::Noted,
    offload::gro::{Arrived, Leaving},
    packet::{Packet, Summary},
    time::Instant,
    trace::Step,
};

impl Engine {
    /// Takes the frames of a batch, and leads those packets their way that go on now.
    #[inline(never)]
    pub(crate) fn merge_frames(&mut self, now: Instant, frames: &[Frame<'_>]) {
        let (mut told, mut leaving) = (Told { before: self.frames, joined: 0 }, Leaving::new());
        for frame in frames {
            self.stats.received += 1;
            self.stats.received_bytes += u64::from(frame.wire_len);
            self.frames += 1;
            if let Arrived::Joined(into) = self.take_merging(now, frame, &mut leaving) {
                told.joined = into;
            }
        }
        let Self { devices, receivers, .. } = self;
        receivers.complete(now, |id| devices.find(id), &mut leaving);
        for number in self.receivers.held_since(told.before) {
            self.around.trace.push(|| Step::HeldToMerge);
            self.note_ending_of(&numbered(number), Outcome::Ended(End::Held(Holder::Gro)));
        }
        self.lead_merged(now, leaving, told);
    }

    /// Takes one of them.
    fn take_merging(&mut self, now: Instant, frame: &Frame<'_>, leaving: &mut Leaving) -> Arrived {
        let number = self.frames;
        let device = self.devices.find(frame.device);
        let unverified;
        let frame = match device {
            Some(device) if !device.features.has(Feature::RECEIVE_CHECKSUMMING) => {
                unverified = frame.unverified();
                &unverified
            }
            Some(_) | None => frame,
        };
        let Some(device) = device.filter(|device| device.features.merge_received()) else {
            let mut taken = Packet::take(&mut self.pool, frame);
            match &mut taken {
                Ok(packet) | Err(Dropped { packet, .. }) => packet.meta_mut().frame = number,
            }
            leaving.push(taken);
            return Arrived::Passed;
        };
        let tools = (&mut self.pool, &self.around.routines);
        let is_heard = |ends: &_| self.sockets.find(ends).is_some();
        let arrived = self.receivers.take(now, (frame, number), (device, is_heard), tools, leaving);
        if let Arrived::Joined(_) = arrived {
            self.stats.gro_joined += 1;
            self.around.trace.push(|| Step::Joined);
            self.note_ending_of(&numbered(number), Outcome::Ended(End::Joined));
        }
        arrived
    }

    /// Lets packets go on whose time to be continued is over.
    pub(crate) fn handle_merged_overdue(&mut self, now: Instant) {
        if self.receivers.next_timeout().is_some_and(|when| when <= now) {
            let mut leaving = Leaving::new();
            self.receivers.handle_timeout(now, &mut leaving);
            self.lead_merged(now, leaving, Told { before: self.frames, joined: 0 });
        }
    }

    /// Lets packets go on that a device holds which merges no more, or otherwise from now on.
    fn let_merged_go(&mut self, now: Instant, device: DeviceId) {
        let mut leaving = Leaving::new();
        self.receivers.flush(now, device, &mut leaving);
        self.lead_merged(now, leaving, Told { before: self.frames, joined: 0 });
    }

    /// Whether packets are forwarded, of IPv4 and of IPv6.
    pub(crate) const fn forwards(&self) -> [bool; 2] {
        [self.around.sysctls.ip_forward != 0, self.around.sysctls.ipv6_forwarding != 0]
    }

    /// Where they are, and were not before, no device merges them so that they cannot be.
    pub(crate) fn heed_forwarding(&mut self, now: Instant, before: [bool; 2]) {
        if before.iter().zip(self.forwards()).any(|(before, now)| !before && now) {
            let all = (0..self.devices.len()).map(|id| DeviceId(id as u16));
            let changed: Vec<DeviceId> = all.flat_map(|id| self.devices.disable_large_receive(id)).collect();
            self.merge_otherwise(now, &changed);
        }
    }

    /// There is a new device.
    pub(crate) fn merge_beside(&mut self, now: Instant, new: DeviceId) {
        let mut changed = self.devices.settle_large_receive(new);
        if self.forwards() != [false; 2] {
            changed.extend(self.devices.disable_large_receive(new));
        }
        self.merge_otherwise(now, &changed);
    }

    /// Devices may merge otherwise from now on, or no more: lets go on what they hold, which nothing would continue, and which the
    /// next frame of its flow would overtake.
    pub(crate) fn merge_otherwise(&mut self, now: Instant, changed: &[DeviceId]) {
        self.receivers.adapt(self.devices.iter().map(|(_, device)| device));
        changed.iter().for_each(|id| self.let_merged_go(now, *id));
    }

    /// Leads packets their way: lets their devices decide about them, and finds their layers first.
    fn lead_merged(&mut self, now: Instant, leaving: Leaving, told: Told) {
        for taken in leaving {
            let taken = taken.and_then(|packet| self.accept(packet));
            self.lead_one(now, taken, told);
        }
    }

    /// Leads one of them its way, under the number that its frame has.
    ///
    /// A walk numbers the packets that it leads as they come. So it is told that this one comes in its frame's place.
    fn lead_one(&mut self, now: Instant, packet: Result<Packet, Dropped>, told: Told) {
        let (Ok(whole) | Err(Dropped { packet: whole, .. })) = &packet;
        let number = whole.meta().frame;
        if !told.is_at_hand(number) {
            self.around.trace.push(|| Step::Released(Summary(whole).to_string()));
            self.around.trace.mute(true);
        }
        let frames = core::mem::replace(&mut self.frames, number - 1);
        self.walk_alone(now, packet);
        self.frames = frames;
        self.around.trace.mute(false);
    }
}

/// Which packets of a batch belong to what is at hand. Of others, that have come before, it is written down that they go on, but
/// not where: that is another frame's path.
#[derive(Clone, Copy, Debug)]
struct Told {
    /// Those of frames up to this one have come before.
    before: u64,
    /// But the last frame of the batch has joined the packet of this one, whose path is its own as well.
    joined: u64,
}

impl Told {
    const fn is_at_hand(self, number: u64) -> bool {
        number > self.before || number == self.joined
    }
}

/// What is noted of a frame whose packet is not at hand.
fn numbered(frame: u64) -> Noted {
    Noted { frame, ..Noted::default() }
}
