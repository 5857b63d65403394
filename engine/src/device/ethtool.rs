//! What ethtool(8) shows of a device's hardware, letter by letter: `-g`, `-c`, `-l` and `-S`. Its `-k` is a [`super::FeatureList`].
//!
//! What a device does not have is `n/a`, as there. The texts are those of ethtool 6.1: later versions show more that a driver may have,
//! and nothing of what is here otherwise.

use alloc::{format, string::String, vec::Vec};
use core::fmt::{Display, Write};

use super::napi::{Coalescing, NicOptions, QueueCounters};
use crate::limits::{RECEIVE_QUEUES_MAX, RECEIVE_RING_MAX, TRANSMIT_RING_MAX};

/// A number that can be set, and how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The most it can be ("Pre-set maximums").
    pub max: u32,
    /// What it is ("Current hardware settings").
    pub now: u32,
}

/// `ethtool -g`: frames of the receive ring of each queue, and descriptors of its transmit ring; `None`: there is no such ring.
#[must_use]
pub fn rings(device: &str, rx: Option<Setting>, tx: Option<Setting>) -> String {
    let mut out = format!("Ring parameters for {device}:\n");
    for (title, of) in SETTINGS {
        let (rx, tx) = (shown(rx.map(of)), shown(tx.map(of)));
        _ = write!(out, "{title}:\nRX:\t\t{rx}\nRX Mini:\tn/a\nRX Jumbo:\tn/a\nTX:\t\t{tx}\n");
    }
    out + "RX Buf Len:\t\tn/a\nCQE Size:\t\tn/a\nTX Push:\toff\nTCP data split:\tn/a\n"
}

/// `ethtool -l`: queues, each of which receives and sends.
#[must_use]
pub fn channels(device: &str, combined: Setting) -> String {
    let mut out = format!("Channel parameters for {device}:\n");
    for (title, of) in SETTINGS {
        _ = write!(out, "{title}:\nRX:\t\tn/a\nTX:\t\tn/a\nOther:\t\tn/a\nCombined:\t{}\n", of(combined));
    }
    out
}

/// `ethtool -c`: when interrupts tell of frames.
#[must_use]
pub fn coalescing(device: &str, known: &Coalescing) -> String {
    let flag = |is_on: bool| if is_on { "on" } else { "off" };
    let mut out = format!("Coalesce parameters for {device}:\nAdaptive RX: {}  TX: n/a\n", flag(known.adaptive_rx));
    for name in COALESCING {
        let number = match name {
            "" => {
                out.push('\n');
                continue;
            }
            "rx-usecs" => Some(known.rx_usecs),
            "rx-frames" => Some(known.rx_frames),
            "tx-usecs" => Some(known.tx_usecs),
            "tx-frames" => Some(known.tx_frames),
            _ => None,
        };
        _ = writeln!(out, "{name}: {}", shown(number));
    }
    _ = write!(out, "CQE mode RX: {}  TX: n/a\n\n", flag(known.cqe_mode_rx));
    out
}

/// `ethtool -S`: what has been counted, by name.
#[must_use]
pub fn statistics(counted: impl IntoIterator<Item = (String, u64)>) -> String {
    let mut out = String::from("NIC statistics:\n");
    for (name, count) in counted {
        _ = writeln!(out, "     {name}: {count}");
    }
    out
}

/// All four of a NIC of a host's model, each followed by an empty line; `queues`: what its queues have counted.
///
/// Names of what a driver may name as it likes are those of drivers that have it: of queues igb's, `tx_busy` is ixgbe's, `limited` (by the limit to a ring's bytes) is ours, `stopped` and
/// those of interrupts and polls are mlx5's (Linux v6.18: `drivers/net/ethernet/intel/igb/igb_ethtool.c`, `igb_get_strings()`;
/// `ixgbe/ixgbe_ethtool.c`, `ixgbe_gstrings_stats`; `mellanox/mlx5/core/en_stats.c`, `sq_stats_desc`, `ch_stats_desc`).
#[must_use]
pub fn nic(device: &str, options: &NicOptions, queues: &[QueueCounters]) -> String {
    let ring = |max: u16, now: u16| Some(Setting { max: max.into(), now: now.into() });
    let combined = Setting { max: RECEIVE_QUEUES_MAX.into(), now: options.queues.into() };
    let texts = [
        rings(device, ring(RECEIVE_RING_MAX, options.rx_ring), ring(TRANSMIT_RING_MAX, options.tx_ring)),
        // Its own text ends so.
        String::from(coalescing(device, &options.coalescing).trim_end_matches('\n')) + "\n",
        channels(device, combined),
        statistics(counted(queues)),
    ];
    texts.into_iter().flat_map(|text| [text, String::from("\n")]).collect()
}

fn counted(queues: &[QueueCounters]) -> Vec<(String, u64)> {
    let all = queues.iter().fold(QueueCounters::default(), |sum, queue| sum.and(queue));
    let mut out: Vec<(String, u64)> = Vec::from([
        ("rx_packets".into(), all.rx_packets),
        ("tx_packets".into(), all.tx_packets),
        ("rx_bytes".into(), all.rx_bytes),
        ("tx_bytes".into(), all.tx_bytes),
        ("rx_missed_errors".into(), all.rx_missed_errors),
        ("tx_busy".into(), all.tx_busy),
    ]);
    for (number, queue) in queues.iter().enumerate() {
        out.extend([
            (format!("tx_queue_{number}_packets"), queue.tx_packets),
            (format!("tx_queue_{number}_bytes"), queue.tx_bytes),
            (format!("tx_queue_{number}_stopped"), queue.tx_stopped),
            (format!("tx_queue_{number}_limited"), queue.tx_limited),
            (format!("tx_queue_{number}_restart"), queue.tx_restart),
            (format!("rx_queue_{number}_packets"), queue.rx_packets),
            (format!("rx_queue_{number}_bytes"), queue.rx_bytes),
            (format!("rx_queue_{number}_drops"), queue.rx_missed_errors),
            (format!("ch{number}_events"), queue.interrupts),
            (format!("ch{number}_poll"), queue.polls + queue.busy_polls),
        ]);
    }
    out
}

fn shown(number: Option<u32>) -> impl Display {
    number.map_or_else(|| String::from("n/a"), |number| format!("{number}"))
}

/// What a half of a text shows of a setting.
type Of = fn(Setting) -> u32;

/// Both halves of a text about settings, in order.
const SETTINGS: [(&str, Of); 2] =
    [("Pre-set maximums", |setting| setting.max), ("Current hardware settings", |setting| setting.now)];

/// What `ethtool -c` shows between its first and last line, in order (Linux v6.18: `include/uapi/linux/ethtool_netlink_generated.h`,
/// `ETHTOOL_A_COALESCE_*`); an empty name is an empty line.
#[rustfmt::skip]
const COALESCING: [&str; 25] = [
    "stats-block-usecs", "sample-interval", "pkt-rate-low", "pkt-rate-high", "",
    "rx-usecs", "rx-frames", "rx-usecs-irq", "rx-frames-irq", "",
    "tx-usecs", "tx-frames", "tx-usecs-irq", "tx-frames-irq", "",
    "rx-usecs-low", "rx-frame-low", "tx-usecs-low", "tx-frame-low", "",
    "rx-usecs-high", "rx-frame-high", "tx-usecs-high", "tx-frame-high", "",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_and_channels_are_shown_as_ethtool_shows_those_of_a_virtio_device() {
        // What ethtool 6.1 printed of such a device on Linux 6.18, but for what its driver has.
        let (rx, tx) = (Some(Setting { max: 256, now: 128 }), Some(Setting { max: 256, now: 256 }));
        let expected = "Ring parameters for eth0:\nPre-set maximums:\nRX:\t\t256\nRX Mini:\tn/a\nRX Jumbo:\tn/a\nTX:\t\t256\nCurrent hardware settings:\nRX:\t\t128\nRX Mini:\tn/a\nRX Jumbo:\tn/a\nTX:\t\t256\nRX Buf Len:\t\tn/a\nCQE Size:\t\tn/a\nTX Push:\toff\nTCP data split:\tn/a\n";
        assert_eq!(rings("eth0", rx, tx), expected);
        assert_eq!(rings("eth0", rx, None), expected.replace("TX:\t\t256", "TX:\t\tn/a"));
        let expected = "Channel parameters for eth0:\nPre-set maximums:\nRX:\t\tn/a\nTX:\t\tn/a\nOther:\t\tn/a\nCombined:\t2\nCurrent hardware settings:\nRX:\t\tn/a\nTX:\t\tn/a\nOther:\t\tn/a\nCombined:\t1\n";
        assert_eq!(channels("eth0", Setting { max: 2, now: 1 }), expected);
    }

    #[test]
    fn coalescing_is_shown_with_all_that_a_driver_might_have() {
        let known = Coalescing {
            rx_usecs: 20,
            rx_frames: 32,
            tx_usecs: 50,
            tx_frames: 0,
            adaptive_rx: true,
            cqe_mode_rx: false,
        };
        let text = coalescing("eth0", &known);
        let first = "Coalesce parameters for eth0:\nAdaptive RX: on  TX: n/a\nstats-block-usecs: n/a\nsample-interval: n/a\npkt-rate-low: n/a\npkt-rate-high: n/a\n\nrx-usecs: 20\nrx-frames: 32\nrx-usecs-irq: n/a\nrx-frames-irq: n/a\n\n";
        assert!(text.starts_with(first), "{text}");
        assert!(text.contains("\ntx-usecs: 50\ntx-frames: 0\ntx-usecs-irq: n/a\n"), "{text}");
        assert!(text.ends_with("tx-frame-high: n/a\n\nCQE mode RX: off  TX: n/a\n\n"), "{text}");
        assert_eq!(text.lines().count(), 2 + COALESCING.len() + 2);
    }

    #[test]
    fn statistics_of_queues_add_up() {
        let queue = QueueCounters {
            rx_packets: 3,
            rx_bytes: 180,
            rx_missed_errors: 1,
            tx_packets: 4,
            ..QueueCounters::default()
        };
        let text = nic("eth0", &NicOptions::default(), &[queue, queue]);
        let expected = "\n\nNIC statistics:\n     rx_packets: 6\n     tx_packets: 8\n     rx_bytes: 360\n     tx_bytes: 0\n     rx_missed_errors: 2\n     tx_busy: 0\n     tx_queue_0_packets: 4\n";
        assert!(text.contains(expected), "{text}");
        assert_eq!(text.matches("\n\n").count(), 5 + 4, "{text}");
    }
}
