//! What a router and a host do about options of the IPv4 header: who is on the way writes down his address and the time, and what
//! answers a packet records its way back in the same options.
//!
//! ```text
//!  routed ─► read ─┬─► FORWARD ─► stamp        the address that it leaves by is known now
//!                  └─► INPUT ─► an answer: echo ─► finish
//! ```
//!
//! Sources: RFC 791, section 3.1; RFC 1812, section 4.2.2.6; RFC 1122, section 3.2.1.8; Linux v6.18: `net/ipv4/ip_options.c`,
//! `net/ipv4/ip_input.c`, `ip_rcv_options()`. Nobody's source route is followed, as by default in Linux
//! (`net.ipv4.conf.all.accept_source_route`); nor does an error go back along a route that is used up, as it does in Linux when a fault
//! stands behind that route. A SYN's options are not sent back with its answer.

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use crate::{
    ending::DropReason,
    time::Instant,
    wire::ipv4_options::{Found, Ipv4Option, Ipv4Options},
};

/// What is known of a packet's options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Read(u8);

/// They have been read.
const READ: u8 = 1;
/// Bytes have changed since the header's checksum was right. It is mended where a packet passes through only: who quotes one that goes
/// no further quotes it as it is.
const CHANGED: u8 = 1 << 1;
/// An address has been written down as one's own, by guess.
const RECORDS_ADDRESS: u8 = 1 << 2;
/// The same beside a time.
const STAMPS_ADDRESS: u8 = 1 << 3;
/// A time has been written down.
const STAMPS_TIME: u8 = 1 << 4;
/// There is a record of the way, of times, a label. What is wrong may stand behind it.
const RECORD: u8 = 1 << 5;
const TIMES: u8 = 1 << 6;
const LABEL: u8 = 1 << 7;

impl Read {
    const fn has(self, what: u8) -> bool {
        self.0 & what != 0
    }

    /// Whether there are any that have been read.
    #[must_use]
    pub const fn is_any(self) -> bool {
        self.0 != 0
    }
}

/// What is wrong with options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objection {
    /// They cannot be right; what is wrong is at that byte of the header.
    Malformed(u8),
    /// They say the way.
    SourceRoute,
}

impl Objection {
    /// Why the packet goes no further.
    #[must_use]
    pub const fn reason(self) -> DropReason {
        match self {
            Self::Malformed(_) => DropReason::IpOptionsMalformed,
            Self::SourceRoute => DropReason::IpSourceRoute,
        }
    }
}

/// Who reads.
pub struct Reader<'r> {
    /// When.
    pub now: Instant,
    /// The address that its host calls itself by towards the sender.
    pub own: Ipv4Addr,
    /// Whether an address is anything but another host's: the reader's, everybody's or a group's.
    pub is_own: &'r dyn Fn(Ipv4Addr) -> bool,
}

impl Reader<'_> {
    /// Reads the options of a header, writes down in them what is asked for, and notes in `read` what there is.
    ///
    /// # Errors
    /// What is wrong with them; those before it have been written to, and are noted.
    pub fn read(&self, header: &mut [u8], read: &mut Read) -> Result<(), Objection> {
        *read = Read(READ);
        let mut has_route = false;
        let wrong = |at: usize| Objection::Malformed(at as u8);
        let options: Vec<_> = Ipv4Options::of(header).collect();
        for found in options {
            let found = found.map_err(wrong)?;
            let noted = match found.kind {
                Ipv4Option::RECORD_ROUTE => RECORD,
                Ipv4Option::TIMESTAMP => TIMES,
                _ => 0,
            };
            if read.has(noted) {
                return Err(wrong(found.at));
            }
            let option = &mut header[found.at..found.at + found.len];
            let fault = match found.kind {
                Ipv4Option::END => {
                    let rest = &mut header[found.at..];
                    if rest.iter().any(|byte| *byte != 0) {
                        read.0 |= CHANGED;
                    }
                    rest.fill(0);
                    None
                }
                Ipv4Option::RECORD_ROUTE => self.record(option, read),
                Ipv4Option::TIMESTAMP => self.stamp(option, read),
                Ipv4Option::LOOSE_SOURCE_ROUTE | Ipv4Option::STRICT_SOURCE_ROUTE => {
                    let is_second = core::mem::replace(&mut has_route, true);
                    fault_of_route(option).or(is_second.then_some(0))
                }
                Ipv4Option::ROUTER_ALERT => (found.len < 4).then_some(1),
                Ipv4Option::CIPSO => {
                    read.0 |= LABEL;
                    Some(fault_of_label(option))
                }
                _ => None,
            };
            if let Some(fault) = fault {
                return Err(wrong(found.at + fault));
            }
            read.0 |= noted;
        }
        if has_route { Err(Objection::SourceRoute) } else { Ok(()) }
    }

    /// Takes the next place of a record of the way; or where in the option something is wrong.
    fn record(&self, option: &mut [u8], read: &mut Read) -> Option<usize> {
        let next = match next_place(option, 4, 4)? {
            Ok(next) => next,
            Err(fault) => return Some(fault),
        };
        option[next..next + 4].copy_from_slice(&self.own.octets());
        option[2] += 4;
        read.0 |= RECORDS_ADDRESS | CHANGED;
        None
    }

    /// The same of a record of times.
    fn stamp(&self, option: &mut [u8], read: &mut Read) -> Option<usize> {
        if option.len() < 4 {
            return Some(1);
        }
        let kind = option[3] & 0x0f;
        let needed = if matches!(kind, WITH_ADDRESS | ASKED_FOR) { 8 } else { 4 };
        let next = match next_place(option, 5, needed) {
            Some(Ok(next)) => next,
            Some(Err(fault)) => return Some(fault),
            None if kind == ASKED_FOR => return None,
            // There is no room any more: who finds none is counted.
            None if option[3] >> 4 == 15 => return Some(3),
            None => {
                option[3] += 0x10;
                read.0 |= CHANGED;
                return None;
            }
        };
        let time = match kind {
            TIME_ONLY => next,
            WITH_ADDRESS => {
                option[next..next + 4].copy_from_slice(&self.own.octets());
                read.0 |= STAMPS_ADDRESS;
                next + 4
            }
            ASKED_FOR if !(self.is_own)(address_at(option, next)) => return None,
            ASKED_FOR => next + 4,
            _ => return None,
        };
        option[time..time + 4].copy_from_slice(&since_midnight(self.now));
        option[2] += needed as u8;
        read.0 |= STAMPS_TIME | CHANGED;
        None
    }

    /// The options for an answer to a packet with this header: its records go on, with room taken for who answers. Of a packet whose
    /// options were not read, none; `None`: an answer would have no room to write down what it has to, and is not sent.
    #[must_use]
    pub fn echo(&self, header: &[u8], read: Read) -> Option<Echo> {
        let mut echo = Echo::default();
        let find = |noted, kind| {
            let first = Ipv4Options::of(header).flatten().find(|found| found.kind == kind).filter(|_| read.has(noted));
            first.map(|Found { at, len, .. }| header[at..at + len].to_vec())
        };
        if let Some(mut option) = find(RECORD, Ipv4Option::RECORD_ROUTE) {
            echo.note(RECORD);
            if read.has(RECORDS_ADDRESS) && usize::from(option[2]) <= option.len() {
                option[2] = after(&option, usize::from(option[2]), 4)? as u8;
                echo.note(RECORDS_ADDRESS);
                echo.record = Some(echo.bytes.len());
            }
            echo.bytes.extend(option);
        }
        if let Some(mut option) = find(TIMES, Ipv4Option::TIMESTAMP) {
            echo.note(TIMES);
            self.echo_times(&mut option, read, &mut echo)?;
            echo.bytes.extend(option);
        }
        if let Some(option) = find(LABEL, Ipv4Option::CIPSO) {
            echo.note(LABEL);
            echo.bytes.extend(option);
        }
        echo.bytes.resize(echo.bytes.len().next_multiple_of(4), Ipv4Option::END.0);
        Some(echo)
    }

    fn echo_times(&self, option: &mut [u8], read: Read, echo: &mut Echo) -> Option<()> {
        let mut next = usize::from(option[2]);
        if next > option.len() {
            return Some(());
        }
        if read.has(STAMPS_ADDRESS) {
            next = after(option, next, 4)?;
            echo.note(STAMPS_ADDRESS);
            echo.stamp_address = Some(echo.bytes.len());
        }
        if read.has(STAMPS_TIME) {
            after(option, next, 4)?;
            if option[3] & 0x0f != ASKED_FOR {
                next += 4;
                echo.stamp_time = Some(echo.bytes.len());
            } else if next + 7 <= option.len() && (self.is_own)(address_at(option, next - 1)) {
                next += 8;
                echo.stamp_time = Some(echo.bytes.len());
            }
        }
        if echo.stamp_time.is_some() {
            echo.note(STAMPS_TIME);
        }
        option[2] = next as u8;
        Some(())
    }
}

impl Read {
    /// Finishes the header of a packet that passes through: the address that it leaves by is that of `source`.
    pub fn stamp(self, header: &mut [u8], source: Ipv4Addr) {
        let record = Ipv4Options::of(header).flatten().find(|found| found.kind == Ipv4Option::RECORD_ROUTE);
        if let Some(found) = record.filter(|_| self.has(RECORDS_ADDRESS)) {
            write_last_address(&mut header[found.at..found.at + found.len], source, 4);
        }
    }

    /// Whether the header's checksum has to be made anew where the packet passes through.
    #[must_use]
    pub const fn has_changed(self) -> bool {
        self.has(CHANGED)
    }
}

/// The options of an answer, and which of its records have a place for who answers: where those begin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Echo {
    bytes: Vec<u8>,
    /// What there is to know of them: who tells that the answer was refused carries them back once more.
    noted: Read,
    record: Option<usize>,
    stamp_address: Option<usize>,
    stamp_time: Option<usize>,
}

impl Echo {
    const fn note(&mut self, what: u8) {
        self.noted.0 |= READ | what;
    }

    /// Their bytes, a multiple of four and at most 40, with address and time of who answers; and what there is to know of them.
    #[must_use]
    pub fn finish(mut self, source: Ipv4Addr, now: Instant) -> (Vec<u8>, Read) {
        if let Some(at) = self.record {
            write_last_address(&mut self.bytes[at..], source, 4);
        }
        if let Some(at) = self.stamp_address {
            write_last_address(&mut self.bytes[at..], source, 8);
        }
        if let Some(option) = self.stamp_time.map(|at| &mut self.bytes[at..]) {
            let end = usize::from(option[2]) - 1;
            option[end - 4..end].copy_from_slice(&since_midnight(now));
        }
        (self.bytes, self.noted)
    }
}

/// Writes an address so many bytes before the next free place.
fn write_last_address(option: &mut [u8], address: Ipv4Addr, before: usize) {
    let at = usize::from(option[2]) - 1 - before;
    option[at..at + 4].copy_from_slice(&address.octets());
}

/// Where in an option the next place of `needed` bytes begins, if there is any left; or where something is wrong. Pointers count from
/// 1, and begin at `first`.
fn next_place(option: &[u8], first: u8, needed: usize) -> Option<Result<usize, usize>> {
    let Some(&pointer) = option.get(2) else { return Some(Err(1)) };
    if pointer < first {
        return Some(Err(2));
    }
    let next = usize::from(pointer);
    if next > option.len() {
        return None;
    }
    let has_room = next + needed - 1 <= option.len();
    Some(if has_room { Ok(next - 1) } else { Err(2) })
}

/// The pointer behind a place of `needed` bytes at `next`, if there is room for that.
fn after(option: &[u8], next: usize, needed: usize) -> Option<usize> {
    (next + needed - 1 <= option.len()).then_some(next + needed)
}

/// Where in a source route something is wrong.
fn fault_of_route(option: &[u8]) -> Option<usize> {
    match option.get(2) {
        None => Some(1),
        Some(pointer) => (*pointer < 4).then_some(2),
    }
}

/// Where in a label something is wrong: no domain is known here (Linux v6.18: `net/ipv4/cipso_ipv4.c`, `cipso_v4_validate()`).
const fn fault_of_label(option: &[u8]) -> usize {
    if option.len() < 8 { 1 } else { 2 }
}

fn address_at(option: &[u8], at: usize) -> Ipv4Addr {
    let octets = option.get(at..at + 4).and_then(|octets| octets.first_chunk::<4>());
    octets.map_or(Ipv4Addr::UNSPECIFIED, |octets| Ipv4Addr::from_octets(*octets))
}

/// Milliseconds since midnight, UTC (RFC 791; Linux: `inet_current_timestamp()`).
pub(super) fn since_midnight(now: Instant) -> [u8; 4] {
    let millis = now.as_nanos() / 1_000_000 % 86_400_000;
    (millis as u32).to_be_bytes()
}

/// Kinds of times: alone, each behind its address, and of those whose addresses are there already.
const TIME_ONLY: u8 = 0;
const WITH_ADDRESS: u8 = 1;
const ASKED_FOR: u8 = 3;

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    /// Ten past midnight.
    const NOW: Instant = Instant::from_secs(86_400 + 600);
    const TIME: [u8; 4] = 600_000_u32.to_be_bytes();

    fn reader() -> Reader<'static> {
        Reader { now: NOW, own: OWN, is_own: &|address| address == OWN }
    }

    fn header(options: &[u8]) -> Vec<u8> {
        [[0; 20].as_slice(), options].concat()
    }

    /// The options after they have been read.
    fn read(options: &[u8]) -> Result<(Vec<u8>, Read), Objection> {
        let (mut header, mut read) = (header(options), Read::default());
        reader().read(&mut header, &mut read)?;
        Ok((header.split_off(20), read))
    }

    #[test]
    fn the_next_free_place_of_a_record_gets_ones_own_address_and_that_of_the_way_out() {
        let (options, noted) = read(&[7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
        assert_eq!(options, [7, 11, 8, 10, 0, 0, 1, 0, 0, 0, 0, 0]);
        let mut header = header(&options);
        noted.stamp(&mut header, Ipv4Addr::new(203, 0, 113, 1));
        assert_eq!(header[20..], [7, 11, 8, 203, 0, 113, 1, 0, 0, 0, 0, 0]);
        assert!(noted.has_changed());
        let full = [7, 7, 8, 1, 2, 3, 4, 0];
        let (options, noted) = read(&full).unwrap();
        assert_eq!((options.as_slice(), noted.has_changed()), (full.as_slice(), false));
    }

    #[test]
    fn times_are_written_alone_behind_ones_address_or_where_they_are_asked_for() {
        let [a, b, c, d] = TIME;
        assert_eq!(read(&[68, 8, 5, 0, 0, 0, 0, 0]).unwrap().0, [68, 8, 9, 0, a, b, c, d]);
        let with_address = [68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(read(&with_address).unwrap().0, [68, 12, 13, 1, 10, 0, 0, 1, a, b, c, d]);
        let asked = [68, 12, 5, 3, 10, 0, 0, 1, 0, 0, 0, 0];
        assert_eq!(read(&asked).unwrap().0, [68, 12, 13, 3, 10, 0, 0, 1, a, b, c, d]);
        let asked_of_another = [68, 12, 5, 3, 10, 0, 0, 2, 0, 0, 0, 0];
        assert_eq!(read(&asked_of_another).unwrap().0, asked_of_another);
    }

    #[test]
    fn who_finds_no_room_for_a_time_is_counted_up_to_fifteen() {
        assert_eq!(read(&[68, 8, 9, 0x20, 1, 2, 3, 4]).unwrap().0, [68, 8, 9, 0x30, 1, 2, 3, 4]);
        assert_eq!(read(&[68, 8, 9, 0xf0, 1, 2, 3, 4]), Err(Objection::Malformed(23)));
        assert_eq!(read(&[68, 8, 9, 0xf3, 1, 2, 3, 4]).unwrap().0, [68, 8, 9, 0xf3, 1, 2, 3, 4]);
    }

    #[test]
    fn what_cannot_be_is_pointed_to() {
        for (options, fault) in [
            (vec![7, 2, 1, 1], 21),
            (vec![7, 3, 3, 0], 22),
            (vec![7, 6, 4, 0, 0, 0, 0, 0], 22),
            (vec![7, 3, 4, 7, 3, 4, 0, 0], 23),
            (vec![68, 3, 5, 0], 21),
            (vec![68, 8, 4, 0, 0, 0, 0, 0], 22),
            (vec![68, 11, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0], 22),
            (vec![131, 2, 1, 1], 21),
            (vec![131, 7, 3, 1, 2, 3, 4, 0], 22),
            (vec![131, 7, 4, 1, 2, 3, 4, 137, 7, 4, 1, 2, 3, 4, 0, 0], 27),
            (vec![148, 3, 0, 0], 21),
            (vec![134, 7, 0, 0, 0, 1, 1, 0], 21),
            (vec![134, 8, 0, 0, 0, 1, 1, 2], 22),
            (vec![99, 9, 0, 0], 20),
        ] {
            assert_eq!(read(&options), Err(Objection::Malformed(fault)), "{options:?}");
        }
        assert_eq!(read(&[131, 7, 4, 1, 2, 3, 4, 0]), Err(Objection::SourceRoute));
        for fine in [vec![148, 4, 0, 0], vec![99, 4, 1, 2], vec![1, 1, 1, 0]] {
            assert_eq!(read(&fine).unwrap().0, fine);
        }
    }

    #[test]
    fn what_stands_behind_the_end_is_wiped() {
        let (options, noted) = read(&[1, 0, 9, 9]).unwrap();
        assert_eq!((options.as_slice(), noted.has_changed()), ([1, 0, 0, 0].as_slice(), true));
    }

    #[test]
    fn an_answer_records_its_way_behind_that_of_the_question() {
        let asked = [7, 15, 8, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 148, 4, 0, 0, 0];
        let (options, noted) = read(&asked).unwrap();
        let echo = reader().echo(&header(&options), noted).unwrap();
        let answer = echo.finish(OWN, NOW).0;
        assert_eq!(answer, [7, 15, 16, 1, 1, 1, 1, 10, 0, 0, 1, 10, 0, 0, 1, 0]);
        let [a, b, c, d] = TIME;
        let (options, noted) = read(&[68, 20, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
        let answer = reader().echo(&header(&options), noted).unwrap().finish(OWN, NOW).0;
        assert_eq!(answer, [68, 20, 21, 1, 10, 0, 0, 1, a, b, c, d, 10, 0, 0, 1, a, b, c, d]);
        let unread = reader().echo(&header(&asked), Read::default()).unwrap();
        assert!(unread.finish(OWN, NOW).0.is_empty());
    }

    #[test]
    fn what_points_to_a_fault_carries_what_stands_before_it() {
        let (mut header, mut read) = (header(&[7, 3, 4, 7, 3, 4, 0, 0]), Read::default());
        assert_eq!(reader().read(&mut header, &mut read), Err(Objection::Malformed(23)));
        assert_eq!(reader().echo(&header, read).unwrap().finish(OWN, NOW).0, [7, 3, 4, 0]);
        header[22] = 3;
        assert_eq!(reader().read(&mut header, &mut read), Err(Objection::Malformed(22)));
        assert!(reader().echo(&header, read).unwrap().finish(OWN, NOW).0.is_empty());
    }

    #[test]
    fn an_answer_that_has_too_little_room_for_its_time_is_none() {
        let (options, noted) = read(&[68, 17, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
        assert_eq!(reader().echo(&header(&options), noted), None);
    }
}
