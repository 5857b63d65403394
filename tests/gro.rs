//! Merging, as plays and as the kernel does it: `kernel/oracle/gro_oracle.py` has asked it what it makes of the same frames in one
//! poll, and how they leave when they are forwarded.

use std::time::Duration;

use lab::lab;
use serde_json::Value;
use towpath_engine::{
    Checksum, Command, DeviceId, DropReason, Engine, Frame, GsoKind, Instant, Packet,
    device::{Device, Feature, Kind, Vlan},
    ip::{Route, RouteKind},
    offload::gro::{self, Arrival, Gro},
    packet::{Pool, Sketch},
    snapshot::Restoring,
    wire::{MacAddr, checksum::Routines},
};

#[test]
fn segments_that_continue_each_other_pass_as_one_and_each_frame_is_told_of() {
    lab("-A FORWARD -m length --length 2000:65535 -p tcp --dport 81 -j DROP").merging("lan", WAIT).play(
        "
        0.000  lan <  10.0.0.2:4000 > 198.51.100.7:80  A seq 1 ack 1 len 1000 df ipid 1
        0.000  lan =  HELD HELD_GRO
        0.001  lan <  10.0.0.2:4000 > 198.51.100.7:80  A seq 1001 ack 1 len 1000 df ipid 2
        0.001  lan =  JOINED
        0.002  lan <  10.0.0.2:4000 > 198.51.100.7:80  PA seq 2001 ack 1 len 500 df ipid 3
        0.002  wan >  10.0.0.2:4000 > 198.51.100.7:80  PA seq 1 ack 1 len 2500 df ipid 1 | gso 1000
        0.002  lan =  JOINED
        0.003  lan <  10.0.0.2:4000 > 198.51.100.7:81  A seq 1 ack 1 len 1000 df ipid 4
        0.003  lan <  10.0.0.2:4000 > 198.51.100.7:81  PA seq 1001 ack 1 len 1000 df ipid 5
        0.003  lan x  FilterRule
        ",
    );
}

#[test]
fn what_nothing_continues_goes_on_when_its_time_is_over() {
    lab("").merging("lan", WAIT).play(
        "
        0.000  lan <  10.0.0.2:4000 > 198.51.100.7:80  A seq 1 ack 1 len 1000 df ipid 1
        0.001  lan <  10.0.0.2:4000 > 198.51.100.7:80  A seq 1001 ack 1 len 1000 df ipid 2
        0.001  lan =  JOINED
        0.011  wan >  10.0.0.2:4000 > 198.51.100.7:80  A seq 1 ack 1 len 2000 df ipid 1 | gso 1000
        0.020  lan <  10.0.0.2:4000 > 198.51.100.7:80  A seq 2001 ack 1 len 1000 df ipid 3
        0.021  lan <  10.0.0.2:4000 > 198.51.100.7:80  A seq 9001 ack 1 len 1000 df ipid 9
        0.021  wan >  10.0.0.2:4000 > 198.51.100.7:80  A seq 2001 ack 1 len 1000 df ipid 3
        0.031  wan >  10.0.0.2:4000 > 198.51.100.7:80  A seq 9001 ack 1 len 1000 df ipid 9
        ",
    );
}

#[test]
fn polls_that_follow_each_other_keep_what_has_come_in_the_same_clock_tick_only() {
    lab("").merging("lan", 3 * WAIT).play(
        "
        0.003  lan <  10.0.0.2:4000 > 198.51.100.7:80  A seq 1 ack 1 len 1000 df ipid 1
        0.004  lan <  10.0.0.2:4001 > 198.51.100.7:80  A seq 1 ack 1 len 1000 df ipid 1
        0.004  wan >  10.0.0.2:4000 > 198.51.100.7:80  A seq 1 ack 1 len 1000 df ipid 1
        0.034  wan >  10.0.0.2:4001 > 198.51.100.7:80  A seq 1 ack 1 len 1000 df ipid 1
        ",
    );
}

#[test]
fn a_device_that_does_not_cut_gets_back_the_segments_that_were_merged() {
    lab("-t nat -A POSTROUTING -o wan -j MASQUERADE").merging("lan", WAIT).feature("wan", "tso", false).play(
        "
        0.000  lan <  10.0.0.2:4000 > 198.51.100.7:80  A seq 1 ack 1 len 1000 df ipid 7
        0.001  lan <  10.0.0.2:4000 > 198.51.100.7:80  A seq 1001 ack 1 len 1000 df ipid 8
        0.002  lan <  10.0.0.2:4000 > 198.51.100.7:80  PA seq 2001 ack 1 len 10 df ipid 9
        0.002  wan >  203.0.113.1:4000 > 198.51.100.7:80  A seq 1 ack 1 len 1000 df ipid 7
        0.002  wan >  203.0.113.1:4000 > 198.51.100.7:80  A seq 1001 ack 1 len 1000 df ipid 8
        0.002  wan >  203.0.113.1:4000 > 198.51.100.7:80  PA seq 2001 ack 1 len 10 df ipid 9
        ",
    );
}

#[test]
fn segments_of_a_vlan_are_merged_before_its_tag_is_off() {
    lab("").vlan("lan", 0x8100, 10, [10, 1, 0, 1]).merging("lan", WAIT).play(
        "
        0.000  lan <  10.1.0.2:4000 > 198.51.100.7:80  A seq 1 ack 1 len 1000 df ipid 1 | vlan 10
        0.001  lan <  10.1.0.2:4000 > 198.51.100.7:80  PA seq 1001 ack 1 len 1000 df ipid 2 | vlan 10
        0.001  wan >  10.1.0.2:4000 > 198.51.100.7:80  PA seq 1 ack 1 len 2000 df ipid 1 | gso 1000
        0.002  lan <  10.1.0.2:4000 > 198.51.100.7:80  A seq 2001 ack 1 len 1000 df ipid 3 | in vlan 10
        0.002  lan <  10.1.0.2:4000 > 198.51.100.7:80  PA seq 3001 ack 1 len 1000 df ipid 4 | in vlan 10
        0.002  wan >  10.1.0.2:4000 > 198.51.100.7:80  PA seq 2001 ack 1 len 2000 df ipid 3 | gso 1000
        ",
    );
}

#[test]
fn datagrams_are_merged_where_that_is_asked_for() {
    lab("").merging("lan", WAIT).play(
        "
        0.000  lan <  10.0.0.2:4000 > 198.51.100.7:443  udp len 100 ipid 1
        0.000  wan >  10.0.0.2:4000 > 198.51.100.7:443  udp len 100 ipid 1
        ",
    );
    lab("").merging("lan", WAIT).feature("lan", "rx-udp-gro-forwarding", true).play(
        "
        0.000  lan <  10.0.0.2:4000 > 198.51.100.7:443  udp len 100 ipid 1
        0.001  lan <  10.0.0.2:4000 > 198.51.100.7:443  udp len 100 ipid 2
        0.002  lan <  10.0.0.2:4000 > 198.51.100.7:443  udp len 50 ipid 3
        0.002  wan >  10.0.0.2:4000 > 198.51.100.7:443  udp len 250 ipid 1 | gso 100
        ",
    );
}

#[test]
fn merged_datagrams_for_this_host_are_taken_one_by_one() {
    lab("").echo(7).merging("lan", WAIT).feature("lan", "rx-udp-gro-forwarding", true).play(
        "
        0.000  lan <  10.0.0.2:4000 > 10.0.0.1:7  udp len 100 ipid 1
        0.001  lan <  10.0.0.2:4000 > 10.0.0.1:7  udp len 50 ipid 2
        0.001  lan >  10.0.0.1:7 > 10.0.0.2:4000  udp len 100
        0.001  lan >  10.0.0.1:7 > 10.0.0.2:4000  udp len 50
        ",
    );
}

#[test]
fn a_helper_reads_what_was_merged_as_one() {
    lab("-t nat -A POSTROUTING -o wan -j MASQUERADE").helpers().merging("lan", WAIT).play(
        "
        0.000   lan <  10.0.0.2:4000 > 198.51.100.7:21  S seq 992 win 64240 ipid 1 df
        0.000   wan >  203.0.113.1:4000 > 198.51.100.7:21  S seq 992 win 64240 ipid 1 df
        0.000   wan <  198.51.100.7:21 > 203.0.113.1:4000  SA seq 0 ack 993 win 64240
        0.000   lan >  198.51.100.7:21 > 10.0.0.2:4000  SA seq 0 ack 993 win 64240
        0.000   lan <  10.0.0.2:4000 > 198.51.100.7:21  PA seq 993 ack 1 win 64240 ipid 2 df data \"USER x\\r\\n\"
        0.000   wan >  203.0.113.1:4000 > 198.51.100.7:21  PA seq 993 ack 1 win 64240 ipid 2 df data \"USER x\\r\\n\"
        0.000   lan <  10.0.0.2:4000 > 198.51.100.7:21  A seq 1001 ack 1 win 64240 ipid 3 df data \"PORT 10,0,0,2,\"
        0.000   lan <  10.0.0.2:4000 > 198.51.100.7:21  PA seq 1015 ack 1 win 64240 ipid 4 df data \"19,136\\r\\n\"
        0.000   wan >  203.0.113.1:4000 > 198.51.100.7:21  PA seq 1001 ack 1 win 64240 ipid 3 df data \"PORT 203,0,113,1,19,136\\r\\n\" | gso 14
        ",
    );
}

#[test]
fn what_a_device_has_merged_by_itself_is_for_this_host_and_goes_no_further() {
    let rules = "-A INPUT -p tcp -m length --length 1640 -j DROP\n-A INPUT -p tcp --dport 81 -j DROP";
    lab(rules).merging("lan", WAIT).feature("lan", "lro", true).play(
        "
        0.000  lan <  10.0.0.2:4000 > 10.0.0.1:80  A seq 1 ack 1 win 500 len 1000 ipid 1
        0.000  lan <  10.0.0.2:4000 > 10.0.0.1:80  A seq 1001 ack 9 win 600 len 500 ipid 5
        0.000  lan =  JOINED
        0.001  lan <  10.0.0.2:4000 > 10.0.0.1:80  PA seq 1501 ack 9 win 600 len 100 ipid 6
        0.001  lan x  FilterRule
        0.100  lan <  10.0.0.2:4000 > 198.51.100.7:80  A seq 1 ack 1 win 500 len 1000 ipid 1
        0.100  lan <  10.0.0.2:4000 > 198.51.100.7:80  PA seq 1001 ack 9 win 600 len 500 ipid 5
        0.100  lan x  LroForwarded
        0.150  lan <  10.0.0.2:4001 > 198.51.100.7:80  A seq 1 ack 1 win 500 len 1000 ttl 1
        0.150  lan <  10.0.0.2:4001 > 198.51.100.7:80  PA seq 1001 ack 1 win 500 len 1000 ttl 1
        0.150  lan x  LroForwarded
        0.200  lan <  10.0.0.2:4000 > 198.51.100.7:80  PA seq 1501 ack 9 win 600 len 500 ipid 6
        0.200  wan >  10.0.0.2:4000 > 198.51.100.7:80  PA seq 1501 ack 9 win 600 len 500 ipid 6
        ",
    );
}

#[test]
fn a_flow_that_has_passed_before_is_dropped_all_the_same_once_its_device_merges_it() {
    lab("").merging("lan", WAIT).feature("lan", "lro", true).play(
        "
        0.000  lan <  10.0.0.2:4000 > 198.51.100.7:80  S seq 0 win 500
        0.000  wan >  10.0.0.2:4000 > 198.51.100.7:80  S seq 0 win 500
        0.001  wan <  198.51.100.7:80 > 10.0.0.2:4000  SA seq 0 ack 1 win 64000
        0.001  lan >  198.51.100.7:80 > 10.0.0.2:4000  SA seq 0 ack 1 win 64000
        0.002  lan <  10.0.0.2:4000 > 198.51.100.7:80  PA seq 1 ack 1 win 500 len 10
        0.002  wan >  10.0.0.2:4000 > 198.51.100.7:80  PA seq 1 ack 1 win 500 len 10
        0.003  lan <  10.0.0.2:4000 > 198.51.100.7:80  PA seq 11 ack 1 win 500 len 10
        0.003  wan >  10.0.0.2:4000 > 198.51.100.7:80  PA seq 11 ack 1 win 500 len 10
        0.004  lan <  10.0.0.2:4000 > 198.51.100.7:80  A seq 21 ack 1 win 500 len 10
        0.004  lan <  10.0.0.2:4000 > 198.51.100.7:80  PA seq 31 ack 1 win 500 len 10
        0.004  lan x  LroForwarded
        ",
    );
}

#[test]
fn what_a_device_holds_goes_on_when_others_see_to_it_that_it_does_not_merge_by_itself() {
    let vlan = Kind::Vlan(Vlan { parent: DeviceId(0), tpid: 0x8100, id: 7 });
    let forward = |on| Command::SetSysctl("net.ipv4.ip_forward".into(), on);
    let ipv6 = || Command::SetSysctl("net.ipv6.conf.all.forwarding".into(), 0);
    let over = Command::AddDevice(Device { name: "lan.7".into(), kind: vlan, ..Device::default() });
    for off in [over, forward(1)] {
        let mut lab = lab("-A INPUT -p tcp -j DROP").merging("lan", WAIT).feature("lan", "gro", false);
        lab.command(forward(0)).command(ipv6());
        lab.command(Command::SetFeature(DeviceId(0), Feature::LARGE_RECEIVE, true));
        lab.play("0.000  lan <  10.0.0.2:4000 > 10.0.0.1:80  A seq 1 ack 1 win 500 len 1000");
        let dropped = |engine: &Engine| engine.stats().drops(DropReason::FilterRule);
        assert_eq!(dropped(lab.engine()), 0, "it is held");
        lab.command(off);
        assert_eq!(dropped(lab.engine()), 1);
    }
}

#[test]
fn programs_of_the_machine_take_what_a_device_has_merged_by_itself_in_segments() {
    lab("").serving_host().merging("lan", WAIT).feature("lan", "lro", true).play(
        "
        0.000  lan <  10.0.0.2:4000 > 10.0.0.1:80  A seq 1 ack 1 win 500 len 1000 ipid 1
        0.000  lan <  10.0.0.2:4000 > 10.0.0.1:80  PA seq 1001 ack 9 win 600 len 500 ipid 5
        0.000  lo  >  10.0.0.2:4000 > 10.0.0.1:80  A seq 1 ack 9 win 600 len 1000 ipid 1
        0.000  lo  >  10.0.0.2:4000 > 10.0.0.1:80  PA seq 1001 ack 9 win 600 len 500 ipid 2
        ",
    );
}

#[test]
fn what_hardware_merges_by_the_same_rules_passes_with_nothing_else_on() {
    let mut lab = lab("").merging("lan", WAIT).feature("lan", "gro", false).feature("lan", "lro", true);
    lab.command(Command::SetFeature(DeviceId(0), Feature::HARDWARE_GRO, true)).play(
        "
        0.000  lan <  10.0.0.2:4000 > 198.51.100.7:80  A seq 1 ack 1 len 1000 df ipid 1
        0.000  lan <  10.0.0.2:4000 > 198.51.100.7:80  PA seq 1001 ack 1 len 500 df ipid 2
        0.000  wan >  10.0.0.2:4000 > 198.51.100.7:80  PA seq 1 ack 1 len 1500 df ipid 1 | gso 1000
        ",
    );
}

const WAIT: Duration = Duration::from_millis(10);

#[test]
fn frames_of_one_poll_are_merged_as_the_kernel_merges_them() {
    let (merged, count) = merge_as_in(include_str!("kernel/gro/answers.jsonl"));
    assert!(count >= 400 && merged >= 300, "{merged} packets of {count} cases were merged");
}

#[test]
fn frames_of_one_poll_are_kept_in_lists_as_the_kernel_keeps_them() {
    let (merged, count) = merge_as_in(include_str!("kernel/gro/lists.jsonl"));
    assert!(count >= 180 && merged >= 100, "{merged} packets of {count} cases were merged");
}

fn merge_as_in(answers: &str) -> (usize, usize) {
    let cases = answers.lines().skip(1).map(|line| serde_json::from_str::<Value>(line).expect("a case is JSON"));
    let (mut merged, mut count) = (0, 0);
    for (number, case) in cases.enumerate() {
        let features = texts(&case["features"]);
        let frames = texts(&case["frames"]);
        let expected = texts(&case["out"]);
        let found = merge(&frames, &features);
        let first = found.iter().zip(&expected).find(|(found, expected)| found != *expected);
        assert_eq!(found, expected, "case {number}: differs first: {first:#?} of {frames:#?}");
        merged += expected.iter().filter(|out| !out.contains("/0/0 ")).count();
        count += 1;
    }
    (merged, count)
}

#[test]
fn what_was_merged_leaves_as_the_kernel_cuts_it_again() {
    let merged = forward_as_in(include_str!("kernel/gro/forwarded.jsonl"));
    assert!(merged >= 400, "{merged} frames were merged");
}

#[test]
fn frames_that_were_kept_in_a_list_leave_as_the_kernel_lets_them_leave() {
    let merged = forward_as_in(include_str!("kernel/gro/lists-forwarded.jsonl"));
    assert!(merged >= 100, "{merged} frames were merged");
}

fn forward_as_in(answers: &str) -> u64 {
    let cases = answers.lines().skip(1).map(|line| serde_json::from_str::<Value>(line).expect("a case is JSON"));
    let mut merged = 0;
    for (number, case) in cases.enumerate() {
        let (features, frames) = (texts(&case["features"]), texts(&case["frames"]));
        let mut engine = forwarding(&features);
        let bytes: Vec<_> =
            frames.iter().map(|text| (bytes(text.trim_start_matches('p')), text.starts_with('p'))).collect();
        let frame = |(bytes, is_left): &(Vec<u8>, bool)| {
            (bytes.clone(), if *is_left { left_to_device(bytes) } else { Checksum::None })
        };
        let bytes: Vec<_> = bytes.iter().map(frame).collect();
        let batch: Vec<_> = bytes
            .iter()
            .map(|(bytes, checksum)| Frame { checksum: *checksum, ..Frame::new(DeviceId(0), bytes) })
            .collect();
        engine.handle_frames(Instant::from_secs(1), &batch);
        let mut found = Vec::new();
        while let Some(transmit) = engine.poll_transmit() {
            assert_eq!((transmit.device, transmit.gso()), (DeviceId(1), None));
            found.push(zeros_apart(&[transmit.head(), &transmit.fragments().collect::<Vec<_>>().concat()].concat()));
        }
        let expected = texts(&case["out"]);
        let first = found.iter().zip(&expected).find(|(found, expected)| found != *expected);
        assert_eq!(found, expected, "case {number}: differs first: {first:#?} of {frames:#?}");
        merged += engine.stats().gro_joined;
    }
    merged
}

/// A router whose two devices merge, and what leaves it at a time, as ports of the senders and first sequence numbers.
struct Merging(Engine);

impl Merging {
    fn new() -> Self {
        let mut engine = forwarding(&[]);
        let gro = Feature::by_name("gro").expect("it is known");
        engine.handle_command(Instant::ZERO, Command::SetFeature(DeviceId(1), gro, true)).expect("it can");
        Self(engine)
    }

    /// Lets segments come in one poll: by which device, from which port, and what else they say.
    fn polls(&mut self, now: Instant, segments: &[(u16, u16, &str)]) {
        let frames: Vec<_> = segments
            .iter()
            .map(|(device, port, rest)| {
                let sketch: Sketch =
                    format!("10.0.0.8:{port} > 10.0.0.9:80 {rest} len 100 df").parse().expect("a sketch");
                sketch.frame(MacAddr([2, 0, 0, 0, 0, 8]), MacAddr([2, 0, 0, 0, 1 + *device as u8, 1]))
            })
            .collect();
        let frames: Vec<_> =
            segments.iter().zip(&frames).map(|((device, ..), bytes)| Frame::new(DeviceId(*device), bytes)).collect();
        self.0.handle_frames(now, &frames);
    }

    fn leaving(&mut self) -> Vec<(u16, u32)> {
        let mut left = Vec::new();
        while let Some(transmit) = self.0.poll_transmit() {
            let mut bytes = transmit.head().to_vec();
            transmit.fragments().for_each(|part| bytes.extend_from_slice(part));
            let frame = Frame { checksum: transmit.checksum(), gso: transmit.gso(), ..Frame::new(DeviceId(0), &bytes) };
            let packet = Packet::parse(&mut Pool::new(), &frame).expect("it is right");
            left.extend(packet.tcp().map(|tcp| (tcp.source_port.get(), tcp.seq.get())));
        }
        left
    }
}

#[test]
fn a_restored_engine_lets_packets_of_several_devices_go_in_the_same_order() {
    let mut first = Merging::new();
    first.polls(Instant::from_secs(1), &[(1, 1000, "A seq 1 ack 1")]);
    assert_eq!(first.leaving(), [(1000, 1)]);
    let twin = Engine::restore(&first.0.save(), Restoring::default()).expect("a right snapshot");
    for mut engine in [first, Merging(twin)] {
        engine.polls(Instant::from_secs(2), &[(0, 2000, "A seq 1 ack 1"), (1, 3000, "A seq 1 ack 1")]);
        assert_eq!(engine.leaving(), [(2000, 1), (3000, 1)]);
    }
}

#[test]
fn no_segment_overtakes_its_flow_when_features_are_switched() {
    for (feature, before) in [("rxhash", false), ("rxhash", true), ("rx-udp-gro-forwarding", false), ("gro", true)] {
        let (mut router, now) = (Merging::new(), Instant::from_secs(1));
        let feature = Feature::by_name(feature).expect("it is known");
        let set = |router: &mut Merging, on| {
            router.0.handle_command(now, Command::SetFeature(DeviceId(0), feature, on)).expect("it can be switched");
        };
        set(&mut router, before);
        let wait = Command::SetGroFlushTimeout(DeviceId(0), Duration::from_millis(10));
        router.0.handle_command(now, wait).expect("it can be set");
        router.polls(now, &[(0, 1000, "A seq 1 ack 1")]);
        assert_eq!(router.leaving(), [], "it waits");
        set(&mut router, !before);
        router.polls(now, &[(0, 1000, "PA seq 101 ack 1")]);
        router.0.handle_timeout(now + Duration::from_secs(1));
        assert_eq!(router.leaving(), [(1000, 1), (1000, 101)], "{feature:?} from {before}");
    }
}

/// A router between two devices, of which the first one merges and the second one cuts and sums nothing.
fn forwarding(merging: &[&str]) -> Engine {
    let mut engine = Engine::new(1);
    let mut give = |command: Command| {
        let told = format!("{command:?}");
        engine.handle_command(Instant::ZERO, command).unwrap_or_else(|error| panic!("{told}: {error}"))
    };
    for (name, last) in [("vb", 1), ("vc", 2)] {
        let device = Device { name: name.into(), mac: MacAddr([2, 0, 0, 0, last, 1]), arp: false, ..Device::default() };
        give(Command::AddDevice(device));
    }
    let feature = |name| Feature::by_name(name).expect("it is known");
    let features = [(0, "gro", true), (0, "rxhash", false), (1, "tx", false)];
    for (device, name, on) in merging.iter().map(|name| (0, *name, true)).chain(features) {
        give(Command::SetFeature(DeviceId(device), feature(name), on));
    }
    for (address, prefix) in [("10.0.0.9", 32), ("fd00::9", 128)] {
        let destination = address.parse().expect("an address");
        let kind = RouteKind::Unicast { device: DeviceId(1), via: None };
        give(Command::AddRoute(Route::new(destination, prefix, kind)));
        give(Command::AddNeighbour { device: DeviceId(1), address: destination, mac: MacAddr([2, 0, 0, 0, 0, 2]) });
    }
    engine
}

/// What goes on of frames that one poll finds, in the notation of the answers.
fn merge(frames: &[&str], features: &[&str]) -> Vec<String> {
    let [merges_udp, lists] = ["rx-udp-gro-forwarding", "rx-gro-list"].map(|name| features.contains(&name));
    let (mut gro, mut pool, mut leaving) = (Gro::default(), Pool::new(), Vec::new());
    let now = Instant::from_secs(1);
    for (number, text) in (1..).zip(frames) {
        let bytes = bytes(text.trim_start_matches('p'));
        let checksum = if text.starts_with('p') { left_to_device(&bytes) } else { Checksum::None };
        let frame = Frame { checksum, ..Frame::new(DeviceId(0), &bytes) };
        let arrival = Arrival {
            frame: &frame,
            number,
            hash: 0,
            merging: gro::Merging { udp: merges_udp, lists, ..gro::Merging::GRO },
            may_wait: true,
        };
        gro.receive(now, &arrival, &mut pool, &Routines::PORTABLE, &mut leaving);
    }
    gro.flush(now, false, &mut leaving);
    assert!(gro.is_empty());
    leaving.into_iter().map(|packet| written(&packet.expect("it has a link header"))).collect()
}

fn written(packet: &Packet) -> String {
    let flags = match packet.meta().checksum {
        Checksum::None | Checksum::Complete(_) => 0,
        Checksum::Partial { .. } => 1,
        Checksum::Unnecessary => 2,
    };
    let (kind, size) = match packet.meta().gso {
        None => (0, 0),
        Some(gso) => {
            let kind = match gso.kind {
                GsoKind::Tcp4 => 1,
                GsoKind::Tcp6 => 4,
                GsoKind::Udp => 5,
                GsoKind::Tcp4Ecn => 0x81,
                GsoKind::Tcp6Ecn => 0x84,
                GsoKind::Lro => 0,
            };
            (kind, gso.size)
        }
    };
    let mut all = packet.linear().to_vec();
    packet.fragments().for_each(|part| all.extend_from_slice(part));
    format!("{flags}/{kind}/{size} {}", zeros_apart(&all))
}

/// Bytes in hex, many zeros at their end as a number.
fn zeros_apart(all: &[u8]) -> String {
    let zeros = all.iter().rev().take_while(|byte| **byte == 0).count();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    if zeros < 8 { hex(all) } else { format!("{}+{zeros}", hex(&all[..all.len() - zeros])) }
}

/// Where a sender's device would fill the checksum in.
fn left_to_device(frame: &[u8]) -> Checksum {
    let packet = Packet::parse(&mut Pool::new(), &Frame::new(DeviceId(0), frame)).expect("it is right");
    let start = frame.len() - packet.transport_len();
    Checksum::Partial { start: start as u16, offset: if packet.udp().is_some() { 6 } else { 16 } }
}

fn bytes(text: &str) -> Vec<u8> {
    let (hex, zeros) = text.split_once('+').unwrap_or((text, "0"));
    let digits = hex.as_bytes().chunks(2);
    let digits = digits.map(|pair| u8::from_str_radix(str::from_utf8(pair).expect("text"), 16).expect("hex"));
    let mut bytes = digits.collect::<Vec<_>>();
    bytes.resize(bytes.len() + zeros.parse::<usize>().expect("a number"), 0);
    bytes
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().map(|text| text.as_str().expect("a text")).collect()
}
