//! Device names in rules, turned into bits: whether a device fits a name is one bit test per packet and rule.

use alloc::{vec, vec::Vec};

use crate::{device::Devices, frame::DeviceId, netfilter::header::Interface};

/// The device names of all rules, and which devices fit which.
#[derive(Clone, Debug)]
pub(in crate::netfilter) struct Interfaces {
    /// Number 0 stands for "any" and has no name: pattern `n` is `patterns[n - 1]`.
    patterns: Vec<Interface>,
    /// 64-bit words a row.
    words: usize,
    /// One row for "no device", one for `lo`, then one a device.
    rows: Vec<u64>,
    /// Which devices the rows were made for.
    version: Option<u32>,
}

/// A row of bits: how one device fits the rules' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::netfilter) struct Row(usize);

impl Default for Interfaces {
    fn default() -> Self {
        Self { patterns: Vec::new(), words: 1, rows: vec![1], version: None }
    }
}

impl Interfaces {
    /// Fits any device, also none.
    pub(super) const ANY: u16 = 0;

    /// The number of a name; `None` when there are too many.
    pub(super) fn intern(&mut self, interface: &Interface) -> Option<u16> {
        let index = match self.patterns.iter().position(|known| known == interface) {
            Some(index) => index,
            None => {
                self.patterns.push(interface.clone());
                self.version = None;
                self.patterns.len() - 1
            }
        };
        u16::try_from(index + 1).ok()
    }

    /// Makes the rows for these devices. True: they are not the devices of the last time.
    pub(super) fn bind(&mut self, devices: &Devices) -> bool {
        if self.version == Some(devices.version()) {
            return false;
        }
        self.version = Some(devices.version());
        self.words = self.patterns.len() / 64 + 1;
        self.rows = vec![0; self.words * (devices.len() + 2)];
        let loopback = devices.find(DeviceId::LOOPBACK).map(|device| device.name.as_str());
        let names = [None, loopback].into_iter().chain(devices.iter().map(|(_, device)| Some(device.name.as_str())));
        for (row, name) in self.rows.chunks_exact_mut(self.words).zip(names) {
            row[0] = 1;
            for (index, pattern) in (1..).zip(&self.patterns) {
                let fits = name.is_some_and(|name| pattern.matches(name));
                row[index / 64] |= u64::from(fits) << (index % 64);
            }
        }
        true
    }

    /// The row of a device, or of none.
    pub(super) fn row(&self, device: Option<DeviceId>) -> Row {
        let row = match device {
            None => 0,
            Some(DeviceId::LOOPBACK) => 1,
            Some(id) => usize::from(id.0) + 2,
        };
        Row(row * self.words)
    }

    /// Whether the device of a row fits name number `pattern`.
    pub(super) fn fits(&self, row: Row, pattern: u16) -> bool {
        let pattern = usize::from(pattern);
        self.rows.get(row.0 + pattern / 64).is_some_and(|bits| bits >> (pattern % 64) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;
    use crate::{device::Device, netfilter::save::text::Word, wire::MacAddr};

    fn device(name: &str) -> Device {
        Device {
            name: name.into(),
            mac: MacAddr([2; 6]),
            mtu_bytes: 1500,
            addresses: Vec::new(),
            any_destination: false,
            arp: true,
            ..Device::default()
        }
    }

    fn interface(text: &str) -> Interface {
        let word = Word { text: text.into(), column: 1, quoted: false };
        Interface::parse(&word).expect("a name").expect("not any")
    }

    #[test]
    fn names_and_prefixes_fit_devices_and_nothing_fits_none() {
        let mut devices = Devices::default();
        let (lan, wan) = (devices.add(device("lan0")), devices.add(device("wan")));
        let mut interfaces = Interfaces::default();
        let prefix = interfaces.intern(&interface("lan+")).expect("few names");
        let whole = interfaces.intern(&interface("wan")).expect("few names");
        assert!(interfaces.bind(&devices));
        assert!(!interfaces.bind(&devices));
        let fits = |device, pattern| interfaces.fits(interfaces.row(device), pattern);
        assert_eq!([fits(Some(lan), prefix), fits(Some(wan), prefix), fits(None, prefix)], [true, false, false]);
        assert_eq!([fits(Some(lan), whole), fits(Some(wan), whole), fits(None, whole)], [false, true, false]);
        assert_eq!([fits(Some(lan), 0), fits(Some(wan), 0), fits(None, 0)], [true; 3]);
    }

    #[test]
    fn more_than_64_names_take_more_words() {
        let mut devices = Devices::default();
        let ids: Vec<DeviceId> = (0..70).map(|n| devices.add(device(&format!("d{n}")))).collect();
        let mut interfaces = Interfaces::default();
        let patterns: Vec<u16> =
            (0..70).map(|n| interfaces.intern(&interface(&format!("d{n}"))).expect("few")).collect();
        interfaces.bind(&devices);
        for (n, &id) in ids.iter().enumerate() {
            for (m, &pattern) in patterns.iter().enumerate() {
                assert_eq!(interfaces.fits(interfaces.row(Some(id)), pattern), n == m);
            }
        }
    }
}
