//! Whatever a review calls shadowed matches no packet that the earlier rule lets by.

use alloc::{format, string::String, vec::Vec};

use proptest::prelude::*;

use super::{Lab, Sample, Verdict, tcp};
use crate::{netfilter::review::Remark, wire::Protocol};

/// Numbers that lie close to each other, so that ranges touch and overlap.
fn number() -> impl Strategy<Value = u8> {
    prop_oneof![0_u8..9, Just(0x20), Just(0x24), Just(0xff)]
}

fn range() -> impl Strategy<Value = String> {
    (number(), number()).prop_map(|(a, b)| if a == b { format!("{a}") } else { format!("{}:{}", a.min(b), a.max(b)) })
}

fn masked() -> impl Strategy<Value = String> {
    (number(), number()).prop_map(|(value, mask)| format!("{:#x}/{mask:#x}", value & mask))
}

fn not() -> impl Strategy<Value = &'static str> {
    prop_oneof![3 => Just(""), 2 => Just("! ")]
}

/// What a rule asks of packets of a protocol, in one match.
fn asked(protocol: Protocol) -> BoxedStrategy<String> {
    let common = prop_oneof![
        (not(), masked()).prop_map(|(not, bits)| format!("-m tos {not}--tos {bits}")),
        (not(), 0_u8..10).prop_map(|(not, point)| format!("-m dscp {not}--dscp {point}")),
        (not(), masked()).prop_map(|(not, bits)| format!("-m mark {not}--mark {bits}")),
        (not(), range()).prop_map(|(not, sizes)| format!("-m length {not}--length {sizes}")),
    ];
    let ports = |name: &'static str| {
        (not(), range(), any::<bool>()).prop_map(move |(not, ports, is_source)| {
            format!("-m {name} {not}--{}port {ports}", if is_source { "s" } else { "d" })
        })
    };
    let multiport = (not(), prop_oneof![Just("sports"), Just("dports"), Just("ports")], range(), range())
        .prop_map(|(not, end, one, other)| format!("-m multiport {not}--{end} {one},{other}"));
    let flags = (not(), 0_u8..8, 0_u8..8).prop_map(|(not, mask, value)| {
        let names = |bits: u8| {
            let names = ["FIN", "SYN", "ACK"].into_iter().enumerate().filter(|(at, _)| bits & 1 << at != 0);
            let names: Vec<&str> = names.map(|(_, name)| name).collect();
            if names.is_empty() { "NONE".into() } else { names.join(",") }
        };
        format!("-m tcp {not}--tcp-flags {} {}", names(mask), names(value & mask))
    });
    let sizes = (not(), range()).prop_map(|(not, sizes)| format!("-m tcpmss {not}--mss {sizes}"));
    let types = (not(), prop_oneof![Just("DATA"), Just("ACK"), Just("DATA,ACK"), Just("REQUEST,INVALID")])
        .prop_map(|(not, types)| format!("-m dccp {not}--dccp-types {types}"));
    let chunks = (not(), prop_oneof![Just("any DATA"), Just("all DATA"), Just("only INIT")])
        .prop_map(|(not, chunks)| format!("-m sctp {not}--chunk-types {chunks}"));
    let indexes = |name: &'static str, option: &'static str| {
        (not(), range()).prop_map(move |(not, range)| format!("-m {name} {not}--{option} {range}"))
    };
    match protocol {
        Protocol::TCP => prop_oneof![common, ports("tcp"), multiport, flags, sizes].boxed(),
        Protocol::UDP => prop_oneof![common, ports("udp"), multiport].boxed(),
        Protocol::DCCP => prop_oneof![common, ports("dccp"), multiport, types].boxed(),
        Protocol::SCTP => prop_oneof![common, ports("sctp"), multiport, chunks].boxed(),
        Protocol::AH => prop_oneof![common, indexes("ah", "ahspi")].boxed(),
        _ => prop_oneof![common, indexes("esp", "espspi")].boxed(),
    }
}

/// Two rules of one protocol, and packets of it that are broken in all ways.
fn rules_and_packets() -> impl Strategy<Value = ([String; 2], Vec<(Sample, u32)>)> {
    let protocols = [
        (Protocol::TCP, "tcp"),
        (Protocol::UDP, "udp"),
        (Protocol::DCCP, "dccp"),
        (Protocol::SCTP, "sctp"),
        (Protocol::AH, "ah"),
        (Protocol::ESP, "esp"),
    ];
    prop::sample::select(protocols.to_vec()).prop_flat_map(|(protocol, name)| {
        let rule = prop::collection::vec(asked(protocol), 1..3)
            .prop_map(move |asked| format!("-p {name} {}", asked.join(" ")));
        let packet = (prop::collection::vec(number(), 40), 0_usize..41, number(), number(), 0_u16..3);
        let packet = packet.prop_map(move |(bytes, len, tos, mark, offset)| {
            let mut sample = tcp(1, 0);
            (sample.ip.protocol, sample.ip.tos) = (protocol.0, tos);
            sample.ip.flags_fragment = offset.saturating_sub(1).into();
            sample.transport = bytes;
            // Mostly small ports, kinds of DCCP that are known, and an option of a segment's size.
            sample.transport[0] = 0;
            sample.transport[2] = 0;
            if protocol == Protocol::TCP && len > 24 {
                sample.transport[12] = 0x60;
                sample.transport[20..23].copy_from_slice(&[2, 4, 0]);
            }
            sample.transport.truncate(len);
            (sample, u32::from(mark))
        });
        ([rule.clone(), rule], prop::collection::vec(packet, 60))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    #[test]
    fn no_packet_matches_a_rule_that_is_called_shadowed((rules, packets) in rules_and_packets()) {
        let [earlier, later] = rules;
        let both = Lab::new(&format!("-A FORWARD {earlier} -j DROP\n-A FORWARD {later} -j ACCEPT\n"));
        let remarks = both.rules.review(&both.devices).remarks;
        if remarks.iter().any(|remark| matches!(remark, Remark::Shadowed { .. })) {
            let mut first = Lab::new(&format!("-A FORWARD {earlier} -j DROP\n"));
            let mut second = Lab::new(&format!("-P FORWARD DROP\n-A FORWARD {later} -j ACCEPT\n"));
            for (sample, mark) in packets {
                let mut packet = first.packet(&sample);
                packet.meta_mut().mark = mark;
                let is_let_by = first.forward(&mut packet) == Verdict::Accept;
                let is_taken = second.forward(&mut packet) == Verdict::Accept;
                prop_assert!(!(is_let_by && is_taken), "{} / {}: {:?} {}", earlier, later, sample, mark);
            }
        }
    }
}
