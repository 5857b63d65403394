//! The path as plays: routing, time to live, neighbours, fragments, this host, rejects and policies.

use lab::{lab, lab_with_arp};
use towpath_engine::ip::RouteKind;

#[test]
fn a_packet_for_a_group_is_for_this_host_only_when_it_is_in_the_group() {
    lab("-A INPUT -d 224.0.0.0/4 -j DROP").play(
        "
        0.000  lan <  10.0.0.2:1 > 224.0.0.1:9  udp
        0.000  lan x  FilterRule
        0.000  lan <  10.0.0.2:1 > 224.0.0.5:9  udp
        0.000  lan x  IpGroupUnknown
        0.000  lan <  10.0.0.2:1 > 239.1.2.3:9  udp
        0.000  lan x  IpGroupUnknown
        ",
    );
}

#[test]
fn a_packet_of_this_host_for_a_group_asks_nobody_where_that_is() {
    lab_with_arp("").play(
        "
        0.000  - <  203.0.113.1:1 > 239.129.2.3:9  udp
        0.000  wan >  203.0.113.1:1 > 239.129.2.3:9  udp
        ",
    );
}

#[test]
fn a_packet_is_forwarded_with_one_hop_less() {
    lab("").play(
        "
        0.000  lan <  10.0.0.2:40000 > 198.51.100.7:80  S seq 1 ttl 64 tos 0x10 ipid 7 df
        0.000  wan >  10.0.0.2:40000 > 198.51.100.7:80  S seq 1 ttl 63 tos 0x10 ipid 7 df
        0.000  lan =  FORWARDED NEW ORIGINAL
        ",
    );
}

#[test]
fn a_packet_whose_last_hop_is_here_is_answered_with_time_exceeded() {
    lab("").play(
        "
        0.000  lan <  10.0.0.2:40000 > 198.51.100.7:33434  udp ttl 1
        0.000  lan >  10.0.0.1 > 10.0.0.2  icmp type 11 code 0 [10.0.0.2:40000 > 198.51.100.7:33434 udp ttl 1]
        0.000  lan x  TtlExpired
        ",
    );
}

#[test]
fn a_packet_for_this_host_may_use_its_last_hop() {
    lab("").play(
        "
        0.000  lan <  10.0.0.2 > 10.0.0.1  icmp type 8 code 0 id 7 seq 1 ttl 1 data \"hello\"
        0.000  lan >  10.0.0.1 > 10.0.0.2  icmp type 0 code 0 id 7 seq 1 ttl 64 data \"hello\"
        0.000  lan =  DELIVERED
        ",
    );
}

#[test]
fn the_longest_prefix_decides_where_a_packet_goes() {
    lab("").unicast("198.51.100.0/24", "lan", Some([10, 0, 0, 9].into())).unicast("198.51.100.7/32", "wan", None).play(
        "
        0.000  lan <  10.0.0.2:1 > 198.51.100.7:9  udp
        0.000  wan >  10.0.0.2:1 > 198.51.100.7:9  udp
        0.000  lan <  10.0.0.2:1 > 198.51.100.8:9  udp
        0.000  lan >  10.0.0.2:1 > 198.51.100.8:9  udp
        ",
    );
}

#[test]
fn a_network_that_no_route_leads_to_is_said_to_be_unreachable() {
    let mut lab = lab("").route("198.51.100.0/24", RouteKind::Unreachable, None);
    lab.play(
        "
        0.000  lan <  10.0.0.2:1 > 198.51.100.7:9  udp
        0.000  lan >  10.0.0.1 > 10.0.0.2  icmp type 3 code 1 [10.0.0.2:1 > 198.51.100.7:9 udp]
        0.000  lan x  RouteUnreachable
        ",
    );
}

#[test]
fn a_prohibiting_route_says_so_and_a_black_hole_says_nothing() {
    lab("").route("198.51.100.0/24", RouteKind::Prohibit, None).route("192.0.2.0/24", RouteKind::Blackhole, None).play(
        "
        0.000  lan <  10.0.0.2:1 > 198.51.100.7:9  udp
        0.000  lan >  10.0.0.1 > 10.0.0.2  icmp type 3 code 13 [10.0.0.2:1 > 198.51.100.7:9 udp]
        0.000  lan x  RouteProhibits
        0.100  lan <  10.0.0.2:1 > 192.0.2.7:9  udp
        0.100  lan x  RouteIgnores
        ",
    );
}

#[test]
fn a_host_that_does_not_forward_drops_what_is_not_for_it_without_a_word() {
    lab("").sysctl("net.ipv4.ip_forward", 0).play(
        "
        0.000  lan <  10.0.0.2:1 > 198.51.100.7:9  udp
        0.000  lan x  ForwardingOff
        ",
    );
}

#[test]
fn who_could_not_be_answered_the_way_he_came_is_dropped_without_a_word_where_that_is_asked_for() {
    lab("").sysctl("net.ipv4.conf.all.rp_filter", 1).play(
        "
        0.000  lan <  198.51.100.8:1 > 198.51.100.7:9  udp
        0.000  lan x  IpReversePath
        0.100  wan <  10.0.0.2:1 > 10.0.0.1:9  udp
        0.100  wan x  IpReversePath
        0.200  lan <  10.0.0.1:1 > 198.51.100.7:9  udp
        0.200  lan x  IpSourceLocal
        ",
    );
    lab("").sysctl("net.ipv4.conf.wan.rp_filter", 2).play(
        "
        0.000  wan <  10.0.0.2:1 > 198.51.100.7:9  udp
        0.000  wan >  10.0.0.2:1 > 198.51.100.7:9  udp
        ",
    );
}

#[test]
fn a_packet_from_nobody_or_to_nobody_is_dropped_without_a_word() {
    lab("").play(
        "
        0.000  lan <  127.0.0.1:1 > 198.51.100.7:9  udp
        0.000  lan x  IpSourceInvalid
        0.000  lan <  224.0.0.1:1 > 198.51.100.7:9  udp
        0.000  lan x  IpSourceInvalid
        0.000  lan <  10.0.0.2:1 > 127.0.0.1:9  udp
        0.000  lan x  IpDestinationInvalid
        0.000  lan <  10.0.0.2:1 > 0.0.0.0:9  udp
        0.000  lan x  IpDestinationInvalid
        ",
    );
}

#[test]
fn a_packet_for_the_wire_behind_is_sent_back_the_way_it_came() {
    lab("").play(
        "
        0.000  lan <  10.0.0.2:1 > 10.0.0.3:9  udp
        0.000  lan >  10.0.0.2:1 > 10.0.0.3:9  udp ttl 63
        ",
    );
}

#[test]
fn a_datagram_too_long_for_the_next_link_is_cut_into_fragments() {
    lab("")
        .route("198.51.100.0/24", RouteKind::Unicast { device: towpath_engine::DeviceId(1), via: None }, Some(700))
        .play(
            "
        0.000  lan <  10.0.0.2:1 > 198.51.100.7:9  udp ipid 5 len 1400
        0.000  wan >  10.0.0.2 > 198.51.100.7  udp fragment 0 more len 680 ipid 5
        0.000  wan >  10.0.0.2 > 198.51.100.7  udp fragment 680 more len 680 ipid 5
        0.000  wan >  10.0.0.2 > 198.51.100.7  udp fragment 1360 len 48 ipid 5
        ",
        );
}

#[test]
fn a_packet_that_must_not_be_cut_is_answered_with_the_width_that_fits() {
    lab("")
        .route("198.51.100.0/24", RouteKind::Unicast { device: towpath_engine::DeviceId(1), via: None }, Some(700))
        .play(
            "
        0.000  lan <  10.0.0.2:1 > 198.51.100.7:9  udp df len 1400
        0.000  lan x  PacketTooBig
        0.000  lan >  10.0.0.1 > 10.0.0.2  icmp type 3 code 4 mtu 700 [10.0.0.2:1 > 198.51.100.7:9 udp df]
        0.000  lan <  10.0.0.2:1 > 198.51.100.7:9  udp df len 672
        0.000  wan >  10.0.0.2:1 > 198.51.100.7:9  udp df len 672
        ",
        );
}

#[test]
fn a_station_is_asked_for_its_address_and_the_packet_waits_for_the_answer() {
    lab_with_arp("").play(
        "
        0.000  lan <  10.0.0.2:1 > 198.51.100.7:9  udp
        0.000  lan =  HELD
        0.000  wan >  arp who-has 203.0.113.254 tell 203.0.113.1
        0.500  lan <  10.0.0.2:1 > 198.51.100.7:9  udp data \"second\"
        0.700  wan <  arp 203.0.113.254 is-at 02:00:00:00:02:02
        0.700  wan >  10.0.0.2:1 > 198.51.100.7:9  udp
        0.700  wan >  10.0.0.2:1 > 198.51.100.7:9  udp data \"second\"
        0.800  lan <  10.0.0.2:1 > 198.51.100.7:9  udp data \"third\"
        0.800  wan >  10.0.0.2:1 > 198.51.100.7:9  udp data \"third\"
        ",
    );
}

#[test]
fn a_station_that_does_not_answer_three_questions_cannot_be_reached() {
    lab_with_arp("").play(
        "
        0.000  lan <  arp who-has 10.0.0.1 tell 10.0.0.2
        0.000  lan >  arp 10.0.0.1 is-at 02:00:00:00:01:01
        0.000  lan <  10.0.0.2:1 > 198.51.100.7:9  udp
        0.000  wan >  arp who-has 203.0.113.254 tell 203.0.113.1
        1.000  wan >  arp who-has 203.0.113.254 tell 203.0.113.1
        2.000  wan >  arp who-has 203.0.113.254 tell 203.0.113.1
        3.000  -   x  NeighbourFailed
        3.000  lan >  10.0.0.1 > 10.0.0.2  icmp type 3 code 1 [10.0.0.2:1 > 198.51.100.7:9 udp]
        ",
    );
}

#[test]
fn questions_for_this_hosts_address_are_answered_and_others_are_not() {
    lab_with_arp("").play(
        "
        0.000  lan <  arp who-has 10.0.0.1 tell 10.0.0.2
        0.000  lan >  arp 10.0.0.1 is-at 02:00:00:00:01:01
        0.000  lan =  ABSORBED UNSEEN
        0.000  lan <  arp who-has 10.0.0.3 tell 10.0.0.2
        0.000  lan =  ABSORBED
        ",
    );
}

#[test]
fn whoever_asks_for_this_host_is_known_from_then_on() {
    lab_with_arp("").play(
        "
        0.000  wan <  arp who-has 203.0.113.1 tell 203.0.113.254
        0.000  wan >  arp 203.0.113.1 is-at 02:00:00:00:02:01
        0.100  lan <  10.0.0.2:1 > 198.51.100.7:9  udp
        0.100  wan >  10.0.0.2:1 > 198.51.100.7:9  udp
        ",
    );
}

#[test]
fn a_datagram_to_a_port_where_nobody_listens_is_answered_with_port_unreachable() {
    lab("").play(
        "
        0.000  lan <  10.0.0.2:1 > 10.0.0.1:9  udp data \"x\"
        0.000  lan x  NoSocket
        0.000  lan >  10.0.0.1 > 10.0.0.2  icmp type 3 code 3 [10.0.0.2:1 > 10.0.0.1:9 udp]
        ",
    );
}

#[test]
fn a_syn_to_a_port_where_nobody_listens_is_reset() {
    lab("").play(
        "
        0.000  lan <  10.0.0.2:1 > 10.0.0.1:9  S seq 1000
        0.000  lan x  NoSocket
        0.000  lan >  10.0.0.1:9 > 10.0.0.2:1  RA seq 0 ack 1001 win 0 df
        0.100  lan <  10.0.0.2:2 > 10.0.0.1:9  A seq 5 ack 77
        0.100  lan x  NoSocket
        0.100  lan >  10.0.0.1:9 > 10.0.0.2:2  R seq 77 win 0
        ",
    );
}

#[test]
fn a_protocol_that_nobody_speaks_here_is_said_to_be_unreachable() {
    lab("").play(
        "
        0.000  lan <  10.0.0.2 > 10.0.0.1  gre len 8
        0.000  lan x  NoProtocol
        0.000  lan >  10.0.0.1 > 10.0.0.2  icmp type 3 code 2 [10.0.0.2 > 10.0.0.1 gre]
        ",
    );
}

#[test]
fn an_echo_service_sends_datagrams_back() {
    lab("").echo(7).play(
        "
        0.000  lan <  10.0.0.2:5000 > 10.0.0.1:7  udp data \"hello\"
        0.000  lan >  10.0.0.1:7 > 10.0.0.2:5000  udp data \"hello\"
        0.000  lan =  DELIVERED NEW ORIGINAL
        0.100  lan <  10.0.0.2:5000 > 10.0.0.1:7  udp data \"again\"
        0.100  lan >  10.0.0.1:7 > 10.0.0.2:5000  udp data \"again\"
        0.100  lan =  DELIVERED ESTABLISHED ORIGINAL
        ",
    );
}

#[test]
fn errors_are_never_answered_with_errors() {
    lab("").play(
        "
        0.000  lan <  10.0.0.2 > 198.51.100.7  icmp type 3 code 3 [198.51.100.7:9 > 10.0.0.2:1 udp] ttl 1
        0.000  lan x  TtlExpired
        ",
    );
}

#[test]
fn what_was_sent_to_everybody_is_not_answered() {
    lab("").play(
        "
        0.000  lan <  10.0.0.2:1 > 10.0.0.255:9  udp
        0.000  lan x  NoSocket
        0.000  lan <  10.0.0.2:1 > 10.0.0.255:9  S
        0.000  lan x  IpLinkBroadcast
        0.000  lan <  10.0.0.2 > 10.0.0.255  icmp type 8 code 0
        0.000  lan =  DELIVERED
        ",
    );
}

#[test]
fn a_policy_decides_where_no_rule_does() {
    lab("-P FORWARD DROP\n-A FORWARD -p tcp --dport 80 -j ACCEPT").play(
        "
        0.000  lan <  10.0.0.2:1 > 198.51.100.7:80  S
        0.000  wan >  10.0.0.2:1 > 198.51.100.7:80  S
        0.000  lan <  10.0.0.2:1 > 198.51.100.7:81  S
        0.000  lan x  FilterPolicy
        ",
    );
}

#[test]
fn the_input_policy_does_not_concern_forwarded_packets() {
    lab("-P INPUT DROP").play(
        "
        0.000  lan <  10.0.0.2:1 > 198.51.100.7:80  S
        0.000  wan >  10.0.0.2:1 > 198.51.100.7:80  S
        0.000  lan <  10.0.0.2 > 10.0.0.1  icmp type 8 code 0
        0.000  lan x  FilterPolicy
        ",
    );
}

#[test]
fn the_output_policy_keeps_this_hosts_answers_back() {
    lab("-P OUTPUT DROP").play(
        "
        0.000  lan <  10.0.0.2 > 10.0.0.1  icmp type 8 code 0
        0.000  lan x  FilterPolicy
        0.000  lan =  DELIVERED
        ",
    );
}

#[test]
fn the_first_rule_that_matches_decides() {
    lab("-A FORWARD -s 10.0.0.2 -j DROP\n-A FORWARD -j ACCEPT").play(
        "
        0.000  lan <  10.0.0.2:1 > 198.51.100.7:80  S
        0.000  lan x  FilterRule
        0.000  lan <  10.0.0.3:1 > 198.51.100.7:80  S
        0.000  wan >  10.0.0.3:1 > 198.51.100.7:80  S
        ",
    );
}

#[test]
fn a_user_chain_returns_to_where_it_was_called_from() {
    lab("-N web\n-A web -p tcp --dport 80 -j ACCEPT\n-A web -p tcp --dport 25 -j RETURN\n-A FORWARD -j web\n-A FORWARD -j DROP").play(
        "
        0.000  lan <  10.0.0.2:1 > 198.51.100.7:80  S
        0.000  wan >  10.0.0.2:1 > 198.51.100.7:80  S
        0.000  lan <  10.0.0.2:1 > 198.51.100.7:25  S
        0.000  lan x  FilterRule
        ",
    );
}

#[test]
fn a_reject_answers_with_port_unreachable_unless_told_otherwise() {
    lab("-A FORWARD -p udp -j REJECT\n-A FORWARD -j REJECT --reject-with icmp-admin-prohibited").play(
        "
        0.000  lan <  10.0.0.2:1 > 198.51.100.7:80  udp
        0.000  lan x  FilterReject
        0.000  lan >  10.0.0.1 > 10.0.0.2  icmp type 3 code 3 [10.0.0.2:1 > 198.51.100.7:80 udp ttl 63]
        2.000  lan <  10.0.0.2:1 > 198.51.100.7:80  S
        2.000  lan x  FilterReject
        2.000  lan >  10.0.0.1 > 10.0.0.2  icmp type 3 code 13 [10.0.0.2:1 > 198.51.100.7:80 tcp]
        ",
    );
}

#[test]
fn a_reject_with_reset_answers_in_the_name_of_the_server() {
    lab("-A FORWARD -p tcp -j REJECT --reject-with tcp-reset").play(
        "
        0.000  lan <  10.0.0.2:1 > 198.51.100.7:80  S seq 1000
        0.000  lan x  FilterReject
        0.000  lan >  198.51.100.7:80 > 10.0.0.2:1  RA seq 0 ack 1001
        0.100  lan <  10.0.0.2:2 > 198.51.100.7:80  R seq 1000
        0.100  lan x  FilterReject
        ",
    );
}

#[test]
fn six_errors_may_go_to_one_host_at_once_and_then_one_a_second() {
    let refused = |time: &str, answered: bool| {
        let answer =
            format!("{time} lan > 10.0.0.1 > 10.0.0.2 icmp type 3 code 3 [10.0.0.2:1 > 198.51.100.7:80 udp]\n");
        format!(
            "{time} lan < 10.0.0.2:1 > 198.51.100.7:80 udp\n{time} lan x FilterReject\n{}",
            if answered { &answer } else { "" }
        )
    };
    let mut play = refused("0.000", true).repeat(6);
    play += &refused("0.500", false);
    play += &refused("1.000", true);
    play += &refused("1.900", false);
    lab("-A FORWARD -j REJECT").play(&play);
}

#[test]
fn a_logged_packet_goes_on_and_its_line_is_the_kernels() {
    lab("-A FORWARD -j LOG --log-prefix \"fwd: \"").play(
        "
        0.000  lan <  10.0.0.2:40000 > 198.51.100.7:80  udp ipid 7 len 4
        0.000  lan !  log: fwd: IN=lan OUT=wan MAC=02:00:00:00:01:01:02:00:00:00:01:02:08:00 SRC=10.0.0.2 DST=198.51.100.7 LEN=32
        0.000  lan !  TTL=63 ID=7 PROTO=UDP SPT=40000 DPT=80 LEN=12
        0.000  wan >  10.0.0.2:40000 > 198.51.100.7:80  udp len 4
        ",
    );
}

#[test]
fn the_mangle_table_rewrites_type_of_service_ttl_and_segment_size() {
    lab("-t mangle -A PREROUTING -j TOS --set-tos 0x10\n-t mangle -A FORWARD -j TTL --ttl-set 9\n\
         -t mangle -A POSTROUTING -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1200")
    .play(
        "
        0.000  lan <  10.0.0.2:1 > 198.51.100.7:80  S seq 1 mss 1460 tos 0x00 ttl 64
        0.000  wan >  10.0.0.2:1 > 198.51.100.7:80  S seq 1 mss 1200 tos 0x10 ttl 9
        ",
    );
}

#[test]
fn rules_that_are_replaced_leave_connections_as_they_are() {
    let mut lab = lab("-P FORWARD ACCEPT");
    lab.play(
        "
        0.000  lan <  10.0.0.2:1 > 198.51.100.7:80  udp
        0.000  wan >  10.0.0.2:1 > 198.51.100.7:80  udp
        ",
    );
    lab.replace_rules("-P FORWARD DROP\n-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT");
    lab.play(
        "
        1.000  wan <  198.51.100.7:80 > 10.0.0.2:1  udp
        1.000  lan >  198.51.100.7:80 > 10.0.0.2:1  udp
        1.000  lan <  10.0.0.2:2 > 198.51.100.7:80  udp
        1.000  lan x  FilterPolicy
        ",
    );
}
