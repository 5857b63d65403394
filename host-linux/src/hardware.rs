//! What `towpath ethtool` shows of the rings of a running gateway's devices.
//!
//! A device's ring is the mapped one of its AF_PACKET socket: one queue for all CPUs. What the gateway sends the machine queues, and its
//! interrupts are the machine's: of these ethtool(8) tells there, by the name of the device that the interface is bound to.

use towpath_engine::{
    DropReason,
    device::ethtool::{self, Setting},
};

use crate::{af_packet::Counters, control::Facts, limits::RING_SLOTS_MAX};

/// What ethtool shows of a device with a ring of so many slots, as text.
///
/// # Errors
/// When it has nothing of the kind.
pub(crate) fn text(facts: Facts, device: &str, slots: u32, counters: &Counters) -> Result<String, String> {
    match facts {
        Facts::Rings => Ok(ethtool::rings(device, Some(Setting { max: RING_SLOTS_MAX, now: slots }), None)),
        Facts::Channels => Ok(ethtool::channels(device, Setting { max: 1, now: 1 })),
        Facts::Statistics => Ok(ethtool::statistics(counted(counters))),
        Facts::Coalescing => Err(format!(
            "{device} is not interrupted itself: ask `ethtool -c` of the device of the machine that it is bound to"
        )),
    }
}

/// Under the names of `/sys/class/net/DEVICE/statistics`.
fn counted(counters: &Counters) -> [(String, u64); 7] {
    let drops = &counters.receive_drops;
    let missed: u64 =
        drops.iter().filter(|(why, _)| *why == DropReason::ReceiveRingFull).map(|(_, frames)| frames).sum();
    [
        ("rx_packets", counters.received_frames),
        ("rx_bytes", counters.received_bytes),
        ("rx_missed_errors", missed),
        ("rx_dropped", drops.total() - missed),
        ("tx_packets", counters.sent_frames),
        ("tx_bytes", counters.sent_bytes),
        ("tx_dropped", counters.send_drops.total()),
    ]
    .map(|(name, count)| (name.to_owned(), count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_the_ring_full_is_told_apart_from_what_is_dropped_for_other_reasons() {
        let mut counters = Counters { received_frames: 9, sent_frames: 4, ..Counters::default() };
        counters.receive_drops.add(DropReason::ReceiveRingFull, 5);
        counters.receive_drops.add(DropReason::NoProtocol, 2);
        counters.send_drops.add(DropReason::TransmitQueueFull, 3);
        let text = |facts| text(facts, "lan", 4096, &counters);
        assert_eq!(
            text(Facts::Statistics).unwrap(),
            "NIC statistics:\n     rx_packets: 9\n     rx_bytes: 0\n     rx_missed_errors: 5\n     rx_dropped: 2\n     tx_packets: 4\n     tx_bytes: 0\n     tx_dropped: 3\n"
        );
        let rings = text(Facts::Rings).unwrap();
        assert!(rings.contains("maximums:\nRX:\t\t65536\n") && rings.contains("settings:\nRX:\t\t4096\n"), "{rings}");
        assert_eq!(rings.matches("\nTX:\t\tn/a\n").count(), 2, "{rings}");
        assert!(text(Facts::Channels).unwrap().ends_with("Combined:\t1\n"));
        assert!(text(Facts::Coalescing).unwrap_err().starts_with("lan is not interrupted itself"));
    }
}
