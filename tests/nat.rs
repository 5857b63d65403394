//! Translation as plays.

use lab::{Lab, frame, lab};
use towpath_engine::{Command, random::Draw};

const MASQUERADE: &str = "-t nat -A POSTROUTING -o wan -j MASQUERADE";

#[test]
fn a_reply_finds_its_way_back_through_masquerade() {
    lab("-P INPUT DROP\n-t nat -A POSTROUTING -o wan -j MASQUERADE").play(
        "
        0.000  lan <  10.0.0.2:40000 > 198.51.100.7:80     S  seq 1000 win 64240
        0.000  wan >  203.0.113.1:40000 > 198.51.100.7:80  S  seq 1000 win 64240 ttl 63
        0.020  wan <  198.51.100.7:80 > 203.0.113.1:40000  SA seq 9000 ack 1001
        0.020  lan >  198.51.100.7:80 > 10.0.0.2:40000     SA seq 9000 ack 1001 ttl 63
        0.500  wan <  198.51.100.7:81 > 203.0.113.1:40000  S  seq 1
        0.500  wan x  FilterPolicy
        ",
    );
}

#[test]
fn a_port_that_is_taken_is_replaced_by_another() {
    lab(MASQUERADE).draws(&[(Draw::Port, 50_000)]).play(
        "
        0.000  lan <  10.0.0.2:40000 > 198.51.100.7:53     udp
        0.000  wan >  203.0.113.1:40000 > 198.51.100.7:53  udp
        0.100  lan <  10.0.0.3:40000 > 198.51.100.7:53     udp
        0.100  wan >  203.0.113.1:50000 > 198.51.100.7:53  udp
        0.200  wan <  198.51.100.7:53 > 203.0.113.1:50000  udp
        0.200  lan >  198.51.100.7:53 > 10.0.0.3:40000     udp
        0.200  wan <  198.51.100.7:53 > 203.0.113.1:40000  udp
        0.200  lan >  198.51.100.7:53 > 10.0.0.2:40000     udp
        ",
    );
}

#[test]
fn the_same_port_serves_two_hosts_that_talk_to_different_servers() {
    lab(MASQUERADE).play(
        "
        0.000  lan <  10.0.0.2:40000 > 198.51.100.7:53     udp
        0.000  wan >  203.0.113.1:40000 > 198.51.100.7:53  udp
        0.100  lan <  10.0.0.3:40000 > 198.51.100.8:53     udp
        0.100  wan >  203.0.113.1:40000 > 198.51.100.8:53  udp
        ",
    );
}

#[test]
fn echo_identifiers_are_translated_as_ports_are() {
    lab(MASQUERADE).draws(&[(Draw::Port, 9)]).play(
        "
        0.000  lan <  10.0.0.2 > 198.51.100.7     icmp type 8 code 0 id 7 seq 1 data \"ping\"
        0.000  wan >  203.0.113.1 > 198.51.100.7  icmp type 8 code 0 id 7 seq 1 data \"ping\"
        0.010  lan <  10.0.0.3 > 198.51.100.7     icmp type 8 code 0 id 7 seq 1
        0.010  wan >  203.0.113.1 > 198.51.100.7  icmp type 8 code 0 id 9 seq 1
        0.020  wan <  198.51.100.7 > 203.0.113.1  icmp type 0 code 0 id 9 seq 1
        0.020  lan >  198.51.100.7 > 10.0.0.3     icmp type 0 code 0 id 7 seq 1
        ",
    );
}

#[test]
fn source_nat_picks_from_its_range_of_ports() {
    lab("-t nat -A POSTROUTING -p udp -j SNAT --to-source 203.0.113.9:5000-5000").play(
        "
        0.000  lan <  10.0.0.2:40000 > 198.51.100.7:53     udp
        0.000  wan >  203.0.113.9:5000 > 198.51.100.7:53   udp
        0.000  lan =  NEW src=10.0.0.2 dst=203.0.113.9 dport=5000
        0.020  wan <  198.51.100.7:53 > 203.0.113.9:5000   udp
        0.020  lan >  198.51.100.7:53 > 10.0.0.2:40000     udp
        ",
    );
}

#[test]
fn a_range_without_a_free_port_ends_the_packet() {
    lab("-t nat -A POSTROUTING -p udp -j SNAT --to-source 203.0.113.9:5000-5000").play(
        "
        0.000  lan <  10.0.0.2:40000 > 198.51.100.7:53    udp
        0.000  wan >  203.0.113.9:5000 > 198.51.100.7:53  udp
        0.100  lan <  10.0.0.3:40000 > 198.51.100.7:53    udp
        0.100  lan x  NatExhausted
        ",
    );
}

#[test]
fn destination_nat_sends_a_visitor_to_the_server_inside() {
    lab("-t nat -A PREROUTING -i wan -p tcp --dport 80 -j DNAT --to-destination 10.0.0.80:8080").play(
        "
        0.000  wan <  198.51.100.7:40000 > 203.0.113.1:80  S  seq 1
        0.000  lan >  198.51.100.7:40000 > 10.0.0.80:8080  S  seq 1
        0.010  lan <  10.0.0.80:8080 > 198.51.100.7:40000  SA seq 5 ack 2
        0.010  wan >  203.0.113.1:80 > 198.51.100.7:40000  SA seq 5 ack 2
        ",
    );
}

#[test]
fn a_visitor_from_inside_is_sent_back_in_and_the_answer_comes_through_the_gateway() {
    lab("-t nat -A PREROUTING -d 203.0.113.1 -p tcp --dport 80 -j DNAT --to-destination 10.0.0.80\n\
         -t nat -A POSTROUTING -s 10.0.0.0/24 -d 10.0.0.80 -j MASQUERADE")
    .play(
        "
        0.000  lan <  10.0.0.2:40000 > 203.0.113.1:80  S  seq 1
        0.000  lan >  10.0.0.1:40000 > 10.0.0.80:80    S  seq 1
        0.010  lan <  10.0.0.80:80 > 10.0.0.1:40000    SA seq 5 ack 2
        0.010  lan >  203.0.113.1:80 > 10.0.0.2:40000  SA seq 5 ack 2
        ",
    );
}

#[test]
fn a_redirect_brings_the_packet_to_this_host() {
    lab("-t nat -A PREROUTING -i lan -p udp --dport 53 -j REDIRECT --to-ports 5353").echo(5353).play(
        "
        0.000  lan <  10.0.0.2:40000 > 198.51.100.7:53  udp data \"who\"
        0.000  lan >  198.51.100.7:53 > 10.0.0.2:40000  udp data \"who\"
        0.000  lan =  DELIVERED NEW ORIGINAL
        ",
    );
}

#[test]
fn an_error_about_a_translated_packet_is_translated_inside_and_out() {
    lab(MASQUERADE).play(
        "
        0.000  lan <  10.0.0.2:40000 > 198.51.100.7:9     udp
        0.000  wan >  203.0.113.1:40000 > 198.51.100.7:9  udp
        0.030  wan <  192.0.2.254 > 203.0.113.1  icmp type 3 code 3 [203.0.113.1:40000 > 198.51.100.7:9 udp]
        0.030  lan >  192.0.2.254 > 10.0.0.2     icmp type 3 code 3 [10.0.0.2:40000 > 198.51.100.7:9 udp]
        0.030  wan =  RELATED REPLY
        ",
    );
}

#[test]
fn a_width_that_a_router_outside_tells_reaches_the_sender_inside() {
    lab(MASQUERADE).play(
        "
        0.000  lan <  10.0.0.2:40000 > 198.51.100.7:80     S  seq 1000
        0.000  wan >  203.0.113.1:40000 > 198.51.100.7:80  S  seq 1000
        0.030  wan <  192.0.2.254 > 203.0.113.1  icmp type 3 code 4 mtu 1400 [203.0.113.1:40000 > 198.51.100.7:80 tcp seq 1000]
        0.030  lan >  192.0.2.254 > 10.0.0.2     icmp type 3 code 4 mtu 1400 [10.0.0.2:40000 > 198.51.100.7:80 tcp seq 1000]
        ",
    );
}

#[test]
fn an_error_from_inside_hides_the_address_of_the_server() {
    lab("-t nat -A PREROUTING -i wan -p udp --dport 53 -j DNAT --to-destination 10.0.0.80").play(
        "
        0.000  wan <  198.51.100.7:4000 > 203.0.113.1:53  udp
        0.000  lan >  198.51.100.7:4000 > 10.0.0.80:53    udp
        0.010  lan <  10.0.0.80 > 198.51.100.7    icmp type 3 code 3 [198.51.100.7:4000 > 10.0.0.80:53 udp]
        0.010  wan >  203.0.113.1 > 198.51.100.7  icmp type 3 code 3 [198.51.100.7:4000 > 203.0.113.1:53 udp]
        ",
    );
}

#[test]
fn an_error_about_nothing_we_know_is_invalid_and_not_translated() {
    lab("-t nat -A POSTROUTING -o wan -j MASQUERADE\n-A FORWARD -m conntrack --ctstate INVALID -j DROP\n-A INPUT -m conntrack --ctstate INVALID -j DROP").play(
        "
        0.000  wan <  192.0.2.254 > 203.0.113.1  icmp type 3 code 3 [203.0.113.1:40000 > 198.51.100.7:9 udp]
        0.000  wan x  FilterRule
        0.000  wan =  INVALID
        ",
    );
}

#[test]
fn this_hosts_own_packets_are_translated_too() {
    lab("-t nat -A OUTPUT -p udp --dport 53 -j DNAT --to-destination 198.51.100.53").play(
        "
        0.000  -   <  203.0.113.1:4000 > 192.0.2.1:53      udp data \"who\"
        0.000  wan >  203.0.113.1:4000 > 198.51.100.53:53  udp data \"who\"
        0.100  wan <  198.51.100.53:53 > 203.0.113.1:4000  udp data \"x\"
        0.100  wan x  NoSocket
        0.100  wan >  203.0.113.1 > 198.51.100.53  icmp type 3 code 3 [198.51.100.53:53 > 203.0.113.1:4000 udp]
        0.100  wan =  ESTABLISHED REPLY
        ",
    );
}

#[test]
fn an_established_flow_is_not_translated_by_rules_that_come_later() {
    let mut lab = lab("-t nat -P POSTROUTING ACCEPT");
    lab.play(
        "
        0.000  lan <  10.0.0.2:1 > 198.51.100.7:9  udp
        0.000  wan >  10.0.0.2:1 > 198.51.100.7:9  udp
        ",
    );
    lab.replace_rules(MASQUERADE);
    lab.play(
        "
        0.000  lan <  10.0.0.2:1 > 198.51.100.7:9     udp
        0.000  wan >  10.0.0.2:1 > 198.51.100.7:9     udp
        0.000  lan <  10.0.0.2:2 > 198.51.100.7:9     udp
        0.000  wan >  203.0.113.1:2 > 198.51.100.7:9  udp
        ",
    );
}

#[test]
fn untracked_packets_are_not_translated() {
    lab("-t raw -A PREROUTING -p udp --dport 9 -j NOTRACK\n-t nat -A POSTROUTING -o wan -j MASQUERADE").play(
        "
        0.000  lan <  10.0.0.2:1 > 198.51.100.7:9  udp
        0.000  wan >  10.0.0.2:1 > 198.51.100.7:9  udp
        0.000  lan =  UNTRACKED
        ",
    );
}

#[test]
fn the_announced_port_of_active_ftp_is_rewritten_and_its_connection_let_in() {
    lab("-P FORWARD DROP\n-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n-A FORWARD -i lan -j ACCEPT\n\
         -t nat -A POSTROUTING -o wan -j MASQUERADE")
    .helpers()
    .play(
        "
        0.000  lan <  10.0.0.2:40000 > 198.51.100.7:21     S  seq 1000
        0.000  wan >  203.0.113.1:40000 > 198.51.100.7:21  S  seq 1000
        0.010  wan <  198.51.100.7:21 > 203.0.113.1:40000  SA seq 9000 ack 1001
        0.010  lan >  198.51.100.7:21 > 10.0.0.2:40000     SA seq 9000 ack 1001
        0.020  lan <  10.0.0.2:40000 > 198.51.100.7:21     A  seq 1001 ack 9001
        0.020  wan >  203.0.113.1:40000 > 198.51.100.7:21  A  seq 1001 ack 9001
        0.025  lan <  10.0.0.2:40000 > 198.51.100.7:21     PA seq 1001 ack 9001 data \"USER x\\r\\n\"
        0.025  wan >  203.0.113.1:40000 > 198.51.100.7:21  PA seq 1001 ack 9001 data \"USER x\\r\\n\"
        # PORT, 22 bytes: the address outside is 3 longer.
        0.030  lan <  10.0.0.2:40000 > 198.51.100.7:21     PA seq 1009 ack 9001 data \"PORT 10,0,0,2,156,65\\r\\n\"
        0.030  wan >  203.0.113.1:40000 > 198.51.100.7:21  PA seq 1009 ack 9001 data \"PORT 203,0,113,1,156,65\\r\\n\"
        0.030  lan !  [NEW] 300 proto=6 src=198.51.100.7 dst=203.0.113.1
        # The answer acknowledges what the server has seen, and the client what it has sent.
        0.040  wan <  198.51.100.7:21 > 203.0.113.1:40000  A  seq 9001 ack 1034
        0.040  lan >  198.51.100.7:21 > 10.0.0.2:40000     A  seq 9001 ack 1031
        0.050  lan <  10.0.0.2:40000 > 198.51.100.7:21     PA seq 1031 ack 9001 data \"RETR x\\r\\n\"
        0.050  wan >  203.0.113.1:40000 > 198.51.100.7:21  PA seq 1034 ack 9001 data \"RETR x\\r\\n\"
        # The announced connection is let in; another one is not.
        0.060  wan <  198.51.100.7:20 > 203.0.113.1:40001  S  seq 5
        0.060  lan >  198.51.100.7:20 > 10.0.0.2:40001     S  seq 5
        0.060  wan =  RELATED ORIGINAL
        0.070  wan <  198.51.100.7:20 > 203.0.113.1:40002  S  seq 5
        0.070  wan x  NoSocket
        0.070  wan >  203.0.113.1:40002 > 198.51.100.7:20  RA seq 0 ack 6
        ",
    );
}

#[test]
fn selective_acknowledgements_move_with_the_sequence_numbers() {
    lab(MASQUERADE).helpers().play(
        "
        0.000  lan <  10.0.0.2:40000 > 198.51.100.7:21     S  seq 1000 sackok
        0.000  wan >  203.0.113.1:40000 > 198.51.100.7:21  S  seq 1000 sackok
        0.010  wan <  198.51.100.7:21 > 203.0.113.1:40000  SA seq 9000 ack 1001 sackok
        0.010  lan >  198.51.100.7:21 > 10.0.0.2:40000     SA seq 9000 ack 1001 sackok
        0.020  lan <  10.0.0.2:40000 > 198.51.100.7:21     A  seq 1001 ack 9001
        0.020  wan >  203.0.113.1:40000 > 198.51.100.7:21  A  seq 1001 ack 9001
        0.025  lan <  10.0.0.2:40000 > 198.51.100.7:21     PA seq 1001 ack 9001 data \"USER x\\r\\n\"
        0.025  wan >  203.0.113.1:40000 > 198.51.100.7:21  PA seq 1001 ack 9001 data \"USER x\\r\\n\"
        0.030  lan <  10.0.0.2:40000 > 198.51.100.7:21     PA seq 1009 ack 9001 data \"PORT 10,0,0,2,156,65\\r\\n\"
        0.030  wan >  203.0.113.1:40000 > 198.51.100.7:21  PA seq 1009 ack 9001 data \"PORT 203,0,113,1,156,65\\r\\n\"
        0.040  lan <  10.0.0.2:40000 > 198.51.100.7:21     PA seq 1031 ack 9001 data \"NOOP\\r\\n\"
        0.040  wan >  203.0.113.1:40000 > 198.51.100.7:21  PA seq 1034 ack 9001 data \"NOOP\\r\\n\"
        0.050  lan <  10.0.0.2:40000 > 198.51.100.7:21     PA seq 1037 ack 9001 data \"NOOP\\r\\n\"
        0.050  wan >  203.0.113.1:40000 > 198.51.100.7:21  PA seq 1040 ack 9001 data \"NOOP\\r\\n\"
        # The first NOOP is lost, the second one has come.
        0.060  wan <  198.51.100.7:21 > 203.0.113.1:40000  A  seq 9001 ack 1034 sack 1040-1046
        0.060  lan >  198.51.100.7:21 > 10.0.0.2:40000     A  seq 9001 ack 1031 sack 1037-1043
        ",
    );
}

#[test]
fn a_passive_server_inside_is_announced_with_the_address_outside() {
    lab("-t nat -A PREROUTING -i wan -p tcp --dport 21 -j DNAT --to-destination 10.0.0.21").helpers().play(
        "
        0.000  wan <  198.51.100.7:40000 > 203.0.113.1:21  S  seq 992
        0.000  lan >  198.51.100.7:40000 > 10.0.0.21:21    S  seq 992
        0.010  lan <  10.0.0.21:21 > 198.51.100.7:40000    SA seq 9000 ack 993
        0.010  wan >  203.0.113.1:21 > 198.51.100.7:40000  SA seq 9000 ack 993
        0.020  wan <  198.51.100.7:40000 > 203.0.113.1:21  A  seq 993 ack 9001
        0.020  lan >  198.51.100.7:40000 > 10.0.0.21:21    A  seq 993 ack 9001
        0.025  lan <  10.0.0.21:21 > 198.51.100.7:40000    PA seq 9001 ack 993 data \"220 x\\r\\n\"
        0.025  wan >  203.0.113.1:21 > 198.51.100.7:40000  PA seq 9001 ack 993 data \"220 x\\r\\n\"
        0.028  wan <  198.51.100.7:40000 > 203.0.113.1:21  PA seq 993 ack 9008 data \"USER x\\r\\n\"
        0.028  lan >  198.51.100.7:40000 > 10.0.0.21:21    PA seq 993 ack 9008 data \"USER x\\r\\n\"
        0.030  wan <  198.51.100.7:40000 > 203.0.113.1:21  PA seq 1001 ack 9008 data \"PASV\\r\\n\"
        0.030  lan >  198.51.100.7:40000 > 10.0.0.21:21    PA seq 1001 ack 9008 data \"PASV\\r\\n\"
        0.040  lan <  10.0.0.21:21 > 198.51.100.7:40000    PA seq 9008 ack 1007 data \"227 Entering Passive Mode (10,0,0,21,195,80)\\r\\n\"
        0.040  wan >  203.0.113.1:21 > 198.51.100.7:40000  PA seq 9008 ack 1007 data \"227 Entering Passive Mode (203,0,113,1,195,80)\\r\\n\"
        0.050  wan <  198.51.100.7:40001 > 203.0.113.1:50000  S seq 7
        0.050  lan >  198.51.100.7:40001 > 10.0.0.21:50000    S seq 7
        0.050  wan =  RELATED ORIGINAL
        ",
    );
}

#[test]
fn a_flushed_connection_is_forgotten_with_its_translation() {
    let mut lab = lab("-P INPUT DROP\n-t nat -A POSTROUTING -o wan -j MASQUERADE");
    lab.play(
        "
        0.000  lan <  10.0.0.2:1 > 198.51.100.7:9     udp
        0.000  wan >  203.0.113.1:1 > 198.51.100.7:9  udp
        ",
    );
    lab.command(Command::FlushConntrack);
    lab.play(
        "
        0.100  wan <  198.51.100.7:9 > 203.0.113.1:1  udp
        0.100  wan x  FilterPolicy
        ",
    );
}

#[test]
fn a_translation_that_is_not_used_runs_out() {
    lab("-P INPUT DROP\n-t nat -A POSTROUTING -o wan -j MASQUERADE").play(
        "
        0.000  lan <  10.0.0.2:1 > 198.51.100.7:9     udp
        0.000  wan >  203.0.113.1:1 > 198.51.100.7:9  udp
        29.900 wan <  198.51.100.7:9 > 203.0.113.1:1  udp
        29.900 lan >  198.51.100.7:9 > 10.0.0.2:1     udp
        61.000 wan <  198.51.100.7:9 > 203.0.113.1:1  udp
        61.000 wan x  FilterPolicy
        ",
    );
}

/// Everybody may send to a host's endpoint outside.
fn full_cone() -> Lab {
    lab("-t nat -A POSTROUTING -o wan -j MASQUERADE\n-P FORWARD DROP\n\
         -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n-A FORWARD -i lan -j ACCEPT")
    .sysctl("towpath.nat.mapping", 1)
    .sysctl("towpath.nat.filtering", 2)
}

#[test]
fn a_stranger_gets_in_while_a_mapping_lives_and_not_afterwards() {
    full_cone().play(
        "
        0.000  lan <  10.0.0.2:40000 > 198.51.100.7:53    udp
        0.000  wan >  203.0.113.1:40000 > 198.51.100.7:53  udp
        9.000  wan <  192.0.2.9:7 > 203.0.113.1:40000     udp
        9.000  wan =  RELATED src=192.0.2.9 dst=203.0.113.1 src=10.0.0.2
        9.000  lan >  192.0.2.9:7 > 10.0.0.2:40000        udp
        9.100  lan <  10.0.0.2:40000 > 192.0.2.9:7        udp
        9.100  wan >  203.0.113.1:40000 > 192.0.2.9:7     udp
        35.000 wan <  198.51.100.8:9 > 203.0.113.1:40000  udp
        35.000 lan >  198.51.100.8:9 > 10.0.0.2:40000     udp
        99.000 wan <  192.0.2.9:8 > 203.0.113.1:40000     udp
        99.000 wan x  NoSocket
        99.000 wan >  203.0.113.1 > 192.0.2.9 icmp type 3 code 3 [192.0.2.9:8 > 203.0.113.1:40000 udp]
        ",
    );
}

#[test]
fn an_endpoint_that_hosts_share_stands_for_the_oldest_flow_and_another_gateway_knows_that_too() {
    let [shared, stranger, later] = [
        "
        0.000  lan <  10.0.0.2:40000 > 198.51.100.7:53     udp
        0.000  wan >  203.0.113.1:40000 > 198.51.100.7:53  udp
        1.000  lan <  10.0.0.3:40000 > 198.51.100.8:53     udp
        1.000  wan >  203.0.113.1:40000 > 198.51.100.8:53  udp
        ",
        "
        0.000  wan <  192.0.2.9:7 > 203.0.113.1:40000      udp
        0.000  lan >  192.0.2.9:7 > 10.0.0.2:40000         udp
        29.500 lan <  10.0.0.3:40000 > 198.51.100.8:53     udp
        29.500 wan >  203.0.113.1:40000 > 198.51.100.8:53  udp
        40.000 wan <  192.0.2.9:8 > 203.0.113.1:40000      udp
        40.000 lan >  192.0.2.9:8 > 10.0.0.3:40000         udp
        ",
        "
        0.000  wan <  192.0.2.9:9 > 203.0.113.1:40000      udp
        0.000  lan >  192.0.2.9:9 > 10.0.0.3:40000         udp
        ",
    ];
    for taken_over in [false, true] {
        let mut lab = full_cone().sysctl("towpath.nat.mapping", 0);
        for part in [shared, stranger, later] {
            lab.play(part);
            if taken_over {
                lab.fail_over();
            }
        }
    }
}

#[test]
fn a_gateway_that_goes_on_with_anothers_connections_maps_as_it_was_told_itself() {
    let mut other = full_cone().sysctl("towpath.nat.mapping", 0).sysctl("towpath.nat.filtering", 0);
    other.play(
        "
        0.000  lan <  10.0.0.2:40000 > 198.51.100.7:53     udp
        0.000  wan >  203.0.113.1:40000 > 198.51.100.7:53  udp
        ",
    );
    full_cone().resuming(&other).play(
        "
        0.000  wan <  192.0.2.9:7 > 203.0.113.1:40000      udp
        0.000  lan >  192.0.2.9:7 > 10.0.0.2:40000         udp
        ",
    );
}

#[test]
fn what_this_host_listens_on_is_its_own_whoever_uses_the_port_outside() {
    let mut lab = full_cone().listening(22).echo(23);
    lab.play(
        "
        0.000  lan <  10.0.0.2:22 > 198.51.100.7:80       S seq 1
        0.000  wan >  203.0.113.1:22 > 198.51.100.7:80    S seq 1
        0.000  lan <  10.0.0.2:23 > 198.51.100.7:53       udp
        0.000  wan >  203.0.113.1:23 > 198.51.100.7:53    udp
        0.100  wan <  192.0.2.9:8 > 203.0.113.1:23        udp
        0.100  wan >  203.0.113.1:23 > 192.0.2.9:8        udp
        ",
    );
    let before = lab.engine().sockets();
    assert_eq!(lab.drops_of("wan", &frame("wan", "192.0.2.9:7 > 203.0.113.1:22 S seq 5")), []);
    assert_eq!(lab.engine().sockets(), before + 1, "the handshake is the listener's");
}

#[test]
fn a_host_does_not_get_the_endpoint_of_another_whomever_it_talks_to() {
    full_cone().draws(&[(Draw::Port, 50001)]).play(
        "
        0.000  lan <  10.0.0.2:40000 > 198.51.100.7:53     udp
        0.000  wan >  203.0.113.1:40000 > 198.51.100.7:53  udp
        0.100  lan <  10.0.0.3:40000 > 198.51.100.8:53     udp
        0.100  wan >  203.0.113.1:50001 > 198.51.100.8:53  udp
        0.200  lan <  10.0.0.3:40000 > 192.0.2.9:7         udp
        0.200  wan >  203.0.113.1:50001 > 192.0.2.9:7      udp
        ",
    );
}
