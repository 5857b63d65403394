//! What each target does to packets.

use super::*;
use crate::{
    event::{Event, Subscription},
    netfilter::RejectWith,
    offload::checksum,
    wire::checksum::Routines,
};

const SYN: u8 = 0x02;

/// A packet after one rule of the mangle table in FORWARD, its checksums right before and after.
fn mangled(rule: &str, sample: &Sample) -> Packet {
    let mut lab = Lab::new(&format!("-t mangle -A FORWARD {rule}"));
    let mut packet = lab.packet(sample);
    checksum::fill(&mut packet, &Routines::PORTABLE);
    assert_eq!(lab.ask(TableName::Mangle, Hook::Forward, &mut packet), Verdict::Accept);
    assert_eq!(lab.matched().len(), 2, "the rule and the policy");
    assert!(checksum::is_right(&packet, &Routines::PORTABLE), "transport checksum");
    assert_eq!(crate::wire::checksum::sum(packet.network_header()), 0xffff, "header checksum");
    packet
}

#[test]
fn header_fields_change_and_checksums_are_mended() {
    let ttl = |rule| mangled(rule, &udp(53, 5)).ipv4().map(|ip| ip.ttl);
    assert_eq!(ttl("-j TTL --ttl-set 7"), Some(7));
    assert_eq!(ttl("-j TTL --ttl-dec 65"), Some(0));
    assert_eq!(ttl("-j TTL --ttl-inc 200"), Some(255));
    let mut sample = udp(53, 5);
    sample.ip.tos = 0x2b;
    let tos = |rule| mangled(rule, &sample).ipv4().map(|ip| ip.tos);
    assert_eq!(tos("-j TOS --set-tos 0x10"), Some(0x10));
    assert_eq!(tos("-j TOS --set-tos 0x10/0x1c"), Some(0x33));
    assert_eq!(tos("-j TOS --and-tos 0x0f"), Some(0x0b));
    assert_eq!(tos("-j TOS --or-tos 0x80"), Some(0xab));
    assert_eq!(tos("-j TOS --xor-tos 0xff"), Some(0xd4));
    assert_eq!(tos("-j DSCP --set-dscp-class EF"), Some(0xbb));
}

#[test]
fn marks_are_set_masked_and_turned_over() {
    let mark = |rules: &str| {
        let mut lab = Lab::new(rules);
        let mut packet = lab.packet(&udp(53, 0));
        packet.meta_mut().mark = 0xf0f0;
        lab.ask(TableName::Mangle, Hook::Forward, &mut packet);
        packet.meta().mark
    };
    assert_eq!(mark("-t mangle -A FORWARD -j MARK --set-mark 5"), 5);
    assert_eq!(mark("-t mangle -A FORWARD -j MARK --set-mark 0x5/0xf0"), 0xf005);
    assert_eq!(mark("-t mangle -A FORWARD -j MARK --set-xmark 0x5/0xf0"), 0xf005);
    assert_eq!(mark("-t mangle -A FORWARD -j MARK --and-mark 0xff"), 0xf0);
    assert_eq!(mark("-t mangle -A FORWARD -j MARK --or-mark 0x0f"), 0xf0ff);
    assert_eq!(mark("-t mangle -A FORWARD -j MARK --xor-mark 0xff"), 0xf00f);
    assert_eq!(mark("-t mangle -A FORWARD -j CONNMARK --restore-mark"), 0xf0f0, "no connection, nothing happens");
}

#[test]
fn reject_says_what_to_answer() {
    let mut lab = Lab::new("-A FORWARD -p tcp -j REJECT --reject-with tcp-reset\n-A FORWARD -j REJECT");
    let (mut web, mut dns) = (lab.packet(&tcp(80, SYN)), lab.packet(&udp(53, 0)));
    assert!(matches!(lab.forward(&mut web), Verdict::Reject(RejectWith::TcpReset, _)));
    assert!(matches!(lab.forward(&mut dns), Verdict::Reject(RejectWith::Unreachable(3), _)));
}

#[test]
fn a_syn_offers_no_more_than_it_may() {
    let syn = |options: &[u8]| {
        let mut sample = tcp(80, SYN);
        sample.transport.extend(options);
        sample.transport[12] = ((5 + options.len() / 4) << 4) as u8;
        sample
    };
    let rule = |what: &str| format!("-p tcp --syn -j TCPMSS {what}");
    let offered = |what: &str, options: &[u8]| {
        let packet = mangled(&rule(what), &syn(options));
        assert_eq!(packet.network_len(), packet.ipv4().map_or(0, |ip| usize::from(ip.total_len.get())));
        let found = packet.tcp_options().find(|option| option.kind == 2);
        found.map(|option| u16::from_be_bytes([option.data[0], option.data[1]]))
    };
    assert_eq!(offered("--set-mss 1000", &[2, 4, 0x05, 0xb4]), Some(1000));
    assert_eq!(offered("--set-mss 1460", &[2, 4, 0x05, 0x00]), Some(1280), "never more");
    assert_eq!(offered("--clamp-mss-to-pmtu", &[1, 1, 2, 4, 0x23, 0x28, 1, 1]), Some(1460));
    assert_eq!(offered("--set-mss 1000", &[3, 3, 7, 1]), Some(536), "added before the others");
    assert_eq!(offered("--set-mss 400", &[]), Some(400));
    let mut with_data = syn(&[]);
    with_data.transport.extend([1, 2, 3]);
    assert!(mangled(&rule("--set-mss 400"), &with_data).tcp_options().next().is_none());
}

#[test]
fn a_log_line_tells_the_packet_as_the_kernel_does() {
    let log = |options: &str, sample: &Sample| {
        let mut lab = Lab::new(&format!("-A FORWARD -j LOG {options}"));
        lab.around.events.subscribe(Subscription { log: true, ..Subscription::default() });
        let mut packet = lab.packet(sample);
        packet.meta_mut().mark = 0x1f;
        assert_eq!(lab.forward(&mut packet), Verdict::Accept);
        let Some((_, Event::Log { level, line })) = lab.around.events.pop() else { panic!("no line") };
        (level, line)
    };
    let mut web = tcp(80, SYN | 0x40);
    web.ip.tos = 0xb8;
    web.ip.flags_fragment.set(0x4000);
    web.transport[4..8].copy_from_slice(&1000_u32.to_be_bytes());
    web.transport[14..16].copy_from_slice(&64_240_u16.to_be_bytes());
    assert_eq!(
        log("--log-prefix \"in: \" --log-level debug --log-tcp-sequence", &web),
        (
            7,
            "in: IN=lan OUT=wan MAC= SRC=10.0.0.2 DST=198.51.100.7 LEN=40 TOS=0x18 PREC=0xA0 TTL=64 ID=7 DF PROTO=TCP \
             SPT=40000 DPT=80 SEQ=1000 ACK=0 WINDOW=64240 RES=0x00 ECE SYN URGP=0 MARK=0x1f "
                .into()
        )
    );
    assert_eq!(
        log("", &udp(53, 3).fragment(0x2000)).1,
        "IN=lan OUT=wan MAC= SRC=10.0.0.2 DST=198.51.100.7 LEN=31 TOS=0x00 PREC=0x00 TTL=64 ID=7 MF PROTO=UDP \
         SPT=40000 DPT=53 LEN=11 MARK=0x1f "
    );
    let mut error = icmp(3, 4);
    error.transport[4..8].copy_from_slice(&[0, 0, 5, 0]);
    let mut inner = vec![0x45, 0, 0, 28, 0, 9, 0, 0, 60, 17, 0, 0, 198, 51, 100, 7, 10, 0, 0, 2];
    inner.extend([0, 53, 0, 80, 0, 8, 0, 0]);
    error.transport.extend(inner);
    assert_eq!(
        log("", &error).1,
        "IN=lan OUT=wan MAC= SRC=10.0.0.2 DST=198.51.100.7 LEN=56 TOS=0x00 PREC=0x00 TTL=64 ID=7 PROTO=ICMP TYPE=3 CODE=4 \
         [SRC=198.51.100.7 DST=10.0.0.2 LEN=28 TOS=0x00 PREC=0x00 TTL=60 ID=9 PROTO=UDP SPT=53 DPT=80 LEN=8 ] MTU=1280 \
         MARK=0x1f "
    );
}

#[test]
fn nobody_formats_a_line_that_nobody_wants() {
    let mut lab = Lab::new("-A FORWARD -j LOG");
    let mut packet = lab.packet(&udp(53, 0));
    lab.forward(&mut packet);
    assert!(lab.around.events.pop().is_none());
    assert_eq!(lab.matched().len(), 2);
}
