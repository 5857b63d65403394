//! What becomes of devices while the gateway runs, taken over into the engine and told to the operator.

use std::fmt::Write;

use towpath_engine::{
    Command, DeviceId, Engine, Instant,
    device::{Feature, Link},
};

use super::view::device_name;
use crate::{
    af_packet::{Condition, Ring},
    limits::REBIND_TIME,
    links::Watched,
    napi::Napi,
    notice::Notice,
    notices::Notices,
    withholder::{Ended, Withholder},
};

/// Follows devices.
#[derive(Debug, Default)]
pub(super) struct Follower {
    /// Features that were wanted and switched off because a device does not have them.
    withheld: Vec<(DeviceId, Feature)>,
    /// Devices whose new ones could not be gone on with so far; one entry each.
    waiting: Vec<Waiting>,
}

/// A device that is to be gone on with.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    device: DeviceId,
    /// Its number in the kernel.
    index: u32,
    promiscuous: bool,
    /// When it is tried again at the latest.
    due: Instant,
}

impl Follower {
    /// Takes over how a device is, and tells what has become of it if it has been looked at before.
    pub(super) fn follow<R: Ring>(
        &mut self,
        now: Instant,
        engine: &mut Engine,
        napi: &mut Napi<R>,
        (watched, was, is): (&Watched, Option<Condition>, Condition),
        notices: &mut Notices,
    ) {
        let device = watched.device;
        if was.is_some_and(|was| is.has_flickered_since(&was)) {
            give(engine, now, Command::SetLink(device, Link { carrier: false, ..is.link }));
        }
        give(engine, now, Command::SetLink(device, is.link));
        take_up(now, engine, device, was, is);
        let switched = self.take_features(now, engine, device, &is);
        let mtu_bytes = take_mtu(now, engine, watched, &is);
        if let Some(carried) = is.mtu_bytes {
            napi.set_mtu(device, carried);
        }
        let Some(was) = was else { return };
        if (was.index, was.mac) != (is.index, is.mac) {
            self.waiting.retain(|waiting| waiting.device != device);
        }
        let name = device_name(engine, device);
        let mut tell = |text| notices.tell(Notice::Changed(name.clone(), text));
        if is.index.is_none() {
            let kernels = &watched.name;
            return tell(format!("there is no device {kernels} any more; packets are lost until there is one again"));
        }
        if was.is_up != is.is_up {
            let words = if is.is_up { "is up again" } else { "is down: its routes do not count until it is up again" };
            tell(words.to_owned());
        }
        if (was.index, was.mac) != (is.index, is.mac) {
            let own = engine.devices().find(device).map(|device| device.mac);
            let promiscuous = is.mac != own;
            match napi.rebind(device, watched.index, promiscuous) {
                Ok(()) if was.index != is.index => tell(GOES_ON.to_owned()),
                Ok(()) => {}
                Err(error) => {
                    tell(format!("going on with a new device of its name: {error}; that is tried again"));
                    let due = now + REBIND_TIME;
                    self.waiting.push(Waiting { device, index: watched.index, promiscuous, due });
                }
            }
            if let (Some(mac), Some(own)) = (is.mac.filter(|mac| Some(*mac) != own), own) {
                tell(format!("its device has the Ethernet address {mac}; the gateway goes on with {own}"));
            }
        }
        if let Some(mtu_bytes) = mtu_bytes {
            tell(format!("sends packets of up to {mtu_bytes} bytes from now on, as its device"));
        }
        if !switched.is_empty() {
            tell(format!("as its device has it: {switched}"));
        }
    }

    /// When [`Self::try_again`] has something to do even if nothing is new of links.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting.iter().map(|waiting| waiting.due).min()
    }

    /// Tries again to go on with the devices that could not be gone on with. It was told that this fails; that it does not any more is told, too.
    pub(super) fn try_again<R: Ring>(
        &mut self,
        now: Instant,
        engine: &Engine,
        napi: &mut Napi<R>,
        notices: &mut Notices,
    ) {
        self.waiting.retain_mut(|waiting| {
            waiting.due = now + REBIND_TIME;
            let has_failed = napi.rebind(waiting.device, waiting.index, waiting.promiscuous).is_err();
            if !has_failed {
                notices.tell(Notice::Changed(device_name(engine, waiting.device), GOES_ON.to_owned()));
            }
            has_failed
        });
    }

    /// Has the engine do what the device does not. Gives what has changed, in words.
    fn take_features(&mut self, now: Instant, engine: &mut Engine, device: DeviceId, is: &Condition) -> String {
        let mut switched = String::new();
        for (feature, can) in is.features() {
            let has = engine.devices().find(device).is_some_and(|device| device.features.has(feature));
            let withheld = self.withheld.iter().position(|known| *known == (device, feature));
            match (can, withheld) {
                (false, None) if has => self.withheld.push((device, feature)),
                (true, Some(place)) => drop(self.withheld.swap_remove(place)),
                (false, _) | (true, None) => continue,
            }
            give(engine, now, Command::SetFeature(device, feature, can));
            let comma = if switched.is_empty() { "" } else { ", " };
            // Writing to a string does not fail.
            let _ = write!(switched, "{comma}{} {}", feature.name, if can { "on" } else { "off" });
        }
        switched
    }
}

/// Has the engine send no larger packets than the device does. Gives their size, if that is another one.
fn take_mtu(now: Instant, engine: &mut Engine, watched: &Watched, is: &Condition) -> Option<u32> {
    // The loopback device has one more than fits into a packet's length field; IPv4 has no link with less.
    let most = watched.mtu_bytes_max.unwrap_or(u32::MAX).min(u16::MAX.into());
    let mtu_bytes = is.mtu_bytes?.min(most).max(MTU_BYTES_MIN);
    let known = engine.devices().find(watched.device)?;
    if known.mtu_bytes == mtu_bytes {
        return None;
    }
    give(engine, now, Command::SetMtu(watched.device, mtu_bytes));
    Some(mtu_bytes)
}

/// Tells what of devices is withheld from the machine by now.
pub(super) fn follow_withholder(engine: &Engine, withholder: &mut Option<Withholder>, notices: &mut Notices) {
    match withholder.as_mut().map(Withholder::take) {
        Some(Ok(news)) => {
            for (device, extent) in news {
                notices.tell(Notice::Changed(device_name(engine, device), extent.to_string()));
            }
        }
        Some(Err(Ended)) => {
            *withholder = None;
            notices.tell(Notice::Unwithheld);
        }
        None => {}
    }
}

/// What is told when a device has taken the place of a former one.
const GOES_ON: &str = "there is a new device of its name, which it goes on with";

/// RFC 791, 3.2.
const MTU_BYTES_MIN: u32 = 68;

fn give(engine: &mut Engine, now: Instant, command: Command) {
    let answer = engine.handle_command(now, command);
    debug_assert!(answer.is_ok(), "{answer:?}");
}

/// Tells the engine whether the device is up. One that was made anew was down in between, whatever there was time to see of that.
fn take_up(now: Instant, engine: &mut Engine, device: DeviceId, was: Option<Condition>, is: Condition) {
    let was_up = was.is_none_or(|was| was.is_up);
    if was.is_some_and(|was| was.index != is.index) && was_up && is.is_up {
        give(engine, now, Command::SetUp(device, false));
        give(engine, now, Command::SetUp(device, true));
    } else if was_up != is.is_up {
        give(engine, now, Command::SetUp(device, is.is_up));
    }
}

#[cfg(test)]
mod tests;
