//! What each match says of packets.

use core::time::Duration;

use super::*;
use crate::{conntrack::Tracking, packet::Addressed};

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

/// Whether a packet fits one rule's conditions in FORWARD, from `lan` to `wan`.
fn fits(conditions: &str, sample: &Sample) -> bool {
    let mut lab = Lab::new(&format!("-A FORWARD {conditions} -j DROP"));
    let mut packet = lab.packet(sample);
    let verdict = lab.forward(&mut packet);
    assert!(matches!(verdict, Verdict::Accept | Verdict::Drop(_) | Verdict::Unreadable(_)));
    let matched = lab.matched();
    (verdict != Verdict::Accept) && matched.len() == 1
}

/// Checks conditions against packets: those that fit and those that do not.
fn check(conditions: &str, fitting: &[&Sample], others: &[&Sample]) {
    for sample in fitting {
        assert!(fits(conditions, sample), "{conditions}: {sample:?}");
    }
    for sample in others {
        assert!(!fits(conditions, sample), "{conditions}: {sample:?}");
    }
}

#[test]
fn addresses_protocols_devices_and_fragments_are_told_apart() {
    let (web, dns) = (tcp(80, SYN), udp(53, 4));
    let elsewhere = tcp(80, SYN).from([192, 0, 2, 1]).to([10, 0, 0, 9]);
    check("-s 10.0.0.0/8", &[&web, &dns], &[&elsewhere]);
    check("! -s 10.0.0.0/8", &[&elsewhere], &[&web, &dns]);
    check("-d 198.51.100.7", &[&web], &[&elsewhere]);
    check("-s 10.0.0.2/255.0.0.255", &[&web], &[&elsewhere]);
    check("-p tcp", &[&web, &elsewhere], &[&dns]);
    check("! -p tcp", &[&dns], &[&web]);
    check("-i lan -o wan", &[&web], &[]);
    check("-i la+ ! -o lan", &[&web], &[]);
    check("! -i l+", &[], &[&web]);
    check("-f", &[&tcp(80, SYN).fragment(3)], &[&web, &tcp(80, SYN).fragment(0x2000)]);
    check("! -f", &[&web], &[&tcp(80, SYN).fragment(3)]);
}

#[test]
fn tcp_asks_for_ports_flags_and_options() {
    let (web, ssh) = (tcp(80, SYN), tcp(22, ACK));
    check("-p tcp --dport 80", &[&web], &[&ssh]);
    check("-p tcp ! --dport 80", &[&ssh], &[&web]);
    check("-p tcp --sport 40000: --dport :79", &[&ssh], &[&web]);
    check("-p tcp --syn", &[&web], &[&ssh]);
    check("-p tcp ! --syn", &[&ssh], &[&web]);
    check("-p tcp --tcp-flags ALL ACK", &[&ssh], &[&web, &tcp(22, ACK | 0x08)]);
    check("-p tcp --tcp-flags SYN,ACK NONE", &[&tcp(1, 0x01)], &[&web, &ssh]);
    let mut with_mss = tcp(80, SYN);
    with_mss.transport.extend([1, 2, 4, 5, 0xb4, 0, 0, 0]);
    with_mss.transport[12] = 0x70;
    check("-p tcp --tcp-option 2", &[&with_mss], &[&web]);
    check("-p tcp ! --tcp-option 2", &[&web], &[&with_mss]);
}

#[test]
fn udp_icmp_and_multiport_ask_for_what_follows_the_network_header() {
    let (dns, ntp) = (udp(53, 4), udp(123, 4));
    check("-p udp --dport 53", &[&dns], &[&ntp, &tcp(53, SYN)]);
    let (ping, unreachable) = (icmp(8, 0), icmp(3, 4));
    check("-p icmp --icmp-type ping", &[&ping], &[&unreachable]);
    check("-p icmp --icmp-type 3", &[&unreachable], &[&ping]);
    check("-p icmp --icmp-type 3/1", &[], &[&unreachable]);
    check("-p icmp ! --icmp-type 3/4", &[&ping], &[&unreachable]);
    check("-p icmp --icmp-type any", &[&ping, &unreachable], &[&dns, &icmp(8, 0).fragment(2)]);
    check("-p udp -m multiport --dports 1,50:60", &[&dns], &[&ntp]);
    check("-p udp -m multiport --ports 40000", &[&dns, &ntp], &[]);
    check("-p udp -m multiport ! --sports 40000", &[], &[&dns, &ntp]);
    check("-p sctp -m multiport --dports 80", &[], &[&tcp(80, SYN)]);
}

#[test]
fn fields_of_the_network_header_are_told_apart() {
    let plain = udp(53, 12);
    let (mut marked, mut late) = (udp(53, 12), udp(53, 12));
    marked.ip.tos = 0xb8 | 0x01;
    late.ip.ttl = 1;
    check("-m length --length 40", &[&plain], &[&udp(53, 13)]);
    check("-m length ! --length 0:40", &[&udp(53, 13)], &[&plain]);
    check("-m ttl --ttl-lt 2", &[&late], &[&plain]);
    check("-m ttl --ttl-gt 1", &[&plain], &[&late]);
    check("-m ttl ! --ttl-eq 1", &[&plain], &[&late]);
    check("-m dscp --dscp-class EF", &[&marked], &[&plain]);
    check("-m tos --tos 0x01/0x03", &[&marked], &[&plain]);
    check("-m iprange --src-range 10.0.0.2-10.0.0.5", &[&plain], &[&udp(53, 0).from([10, 0, 0, 6])]);
    check("-m iprange ! --dst-range 198.51.100.0-198.51.100.255", &[], &[&plain]);
}

#[test]
fn an_address_is_what_it_is_to_this_host() {
    let to = |address| udp(53, 0).to(address);
    let (own, far, all, net) = (to([10, 0, 0, 1]), to([198, 51, 100, 7]), to([255; 4]), to([203, 0, 113, 255]));
    let (group, loopback, zero) = (to([224, 0, 0, 1]), to([127, 9, 9, 9]), to([0, 0, 0, 9]));
    check("-m addrtype --dst-type LOCAL", &[&own, &loopback], &[&far, &all, &net, &group]);
    check("-m addrtype --dst-type BROADCAST", &[&all, &net, &zero], &[&far, &own, &group]);
    check("-m addrtype --dst-type UNICAST", &[&far], &[&own, &all, &net, &group]);
    check("-m addrtype ! --dst-type LOCAL,UNICAST", &[&group, &all], &[&own, &far]);
    check("-m addrtype --dst-type LOCAL --limit-iface-out", &[], &[&own, &loopback]);
    check("-m addrtype --dst-type LOCAL --limit-iface-in", &[&own], &[&loopback]);
    check("-m addrtype --src-type UNICAST --dst-type MULTICAST", &[&group], &[&far]);
}

#[test]
fn facts_beside_the_bytes_are_told_apart() {
    let mut lab = Lab::new(
        "-A FORWARD -m mark --mark 0x10/0xf0\n-A FORWARD -m mark ! --mark 1\n-A FORWARD -m pkttype --pkt-type multicast\n\
         -A FORWARD -m mac --mac-source 02:00:00:00:00:01\n-A FORWARD -m connmark ! --mark 5\n-A FORWARD -m state --state UNTRACKED\n\
         -A FORWARD -m conntrack --ctstate INVALID,DNAT\n-A FORWARD -m conntrack --ctproto 6\n-A FORWARD -m helper ! --helper ftp",
    );
    let mut packet = lab.packet(&tcp(80, SYN));
    packet.meta_mut().mark = 0x1f;
    packet.meta_mut().addressed = Addressed::Multicast;
    packet.meta_mut().tracking = Tracking::Untracked;
    lab.forward(&mut packet);
    assert_eq!(
        lab.matched(),
        [
            "-A FORWARD -m mark --mark 0x10/0xf0",
            "-A FORWARD -m mark ! --mark 0x1",
            "-A FORWARD -m pkttype --pkt-type multicast",
            "-A FORWARD -m state --state UNTRACKED",
            "-A FORWARD -m helper ! --helper ftp",
            "policy"
        ]
    );
}

#[test]
fn limits_count_time_and_every_nth_counts_packets() {
    let mut lab = Lab::new(
        "-A FORWARD -m limit --limit 1/sec --limit-burst 2\n-A FORWARD -m statistic --mode nth --every 3 --packet 1\n\
         -A FORWARD -m statistic --mode random --probability 1\n-A FORWARD -m statistic --mode random --probability 0",
    );
    let mut seen = Vec::new();
    for step in 0..6 {
        lab.now = lab.now + Duration::from_millis(if step == 4 { 1000 } else { 0 });
        let mut packet = lab.packet(&udp(53, 0));
        lab.forward(&mut packet);
        let matched = lab.matched();
        let has = |word: &str| matched.iter().any(|rule| rule.contains(word));
        assert!(has("probability 1.0") && !has("probability 0.0"), "{matched:?}");
        seen.push((has("limit"), has("nth")));
    }
    let (limit, nth): (Vec<bool>, Vec<bool>) = seen.into_iter().unzip();
    assert_eq!(limit, [true, true, false, false, true, false]);
    assert_eq!(nth, [false, true, false, false, true, false]);
}

#[test]
fn a_match_that_counts_is_not_asked_when_one_before_it_says_no() {
    let mut lab = Lab::new(
        "-A FORWARD -m limit --limit 1/day --limit-burst 1 -p udp --dport 53 -j DROP\n\
         -A FORWARD -p udp -m udp --dport 53 -m limit --limit 1/day --limit-burst 1 -j DROP",
    );
    let mut other = lab.packet(&udp(99, 0));
    let mut asked = lab.packet(&udp(53, 0));
    lab.forward(&mut other);
    let verdict = lab.forward(&mut asked);
    let Verdict::Drop(rule) = verdict else { panic!("{verdict:?}") };
    assert!(lab.text(rule).contains("-m udp --dport 53 -m limit"), "the first limit was spent on the other packet");
}
