//! Connection tracking as plays.

use lab::{Lab, lab};
use towpath_engine::DropReason;

const OPEN: &str = "
    0.000  lan <  10.0.0.2:40000 > 198.51.100.7:80  S  seq 1000 win 64240 wscale 7
    0.000  wan >  10.0.0.2:40000 > 198.51.100.7:80  S  seq 1000
    0.010  wan <  198.51.100.7:80 > 10.0.0.2:40000  SA seq 9000 ack 1001 win 65160 wscale 7
    0.010  lan >  198.51.100.7:80 > 10.0.0.2:40000  SA seq 9000 ack 1001
    0.020  lan <  10.0.0.2:40000 > 198.51.100.7:80  A  seq 1001 ack 9001 win 502
    0.020  wan >  10.0.0.2:40000 > 198.51.100.7:80  A  seq 1001 ack 9001
";
/// Lets nothing through that is INVALID.
const STRICT: &str = "-A FORWARD -m conntrack --ctstate INVALID -j DROP";

/// A gateway with an open connection through it.
fn opened(rules: &str) -> Lab {
    let mut lab = lab(rules);
    lab.play(OPEN);
    lab
}

#[test]
fn a_connection_opens_state_by_state() {
    lab("").play(
        "
        0.000  lan <  10.0.0.2:40000 > 198.51.100.7:80  S  seq 1000
        0.000  wan >  10.0.0.2:40000 > 198.51.100.7:80  S  seq 1000
        0.000  lan =  NEW ORIGINAL SYN_SENT [UNREPLIED] 120
        0.010  wan <  198.51.100.7:80 > 10.0.0.2:40000  SA seq 9000 ack 1001
        0.010  lan >  198.51.100.7:80 > 10.0.0.2:40000  SA seq 9000 ack 1001
        0.010  wan =  ESTABLISHED REPLY SYN_RECV 60
        0.020  lan <  10.0.0.2:40000 > 198.51.100.7:80  A  seq 1001 ack 9001
        0.020  wan >  10.0.0.2:40000 > 198.51.100.7:80  A  seq 1001 ack 9001
        0.020  lan =  ESTABLISHED ORIGINAL 432000 [ASSURED]
        ",
    );
}

#[test]
fn a_connection_closes_state_by_state() {
    opened("").play(
        "
        1.000  lan <  10.0.0.2:40000 > 198.51.100.7:80  FA seq 1001 ack 9001 win 502
        1.000  wan >  10.0.0.2:40000 > 198.51.100.7:80  FA seq 1001 ack 9001
        1.000  lan =  FIN_WAIT 120
        1.010  wan <  198.51.100.7:80 > 10.0.0.2:40000  A  seq 9001 ack 1002 win 502
        1.010  lan >  198.51.100.7:80 > 10.0.0.2:40000  A  seq 9001 ack 1002
        1.010  wan =  CLOSE_WAIT 60
        1.020  wan <  198.51.100.7:80 > 10.0.0.2:40000  FA seq 9001 ack 1002 win 502
        1.020  lan >  198.51.100.7:80 > 10.0.0.2:40000  FA seq 9001 ack 1002
        1.020  wan =  LAST_ACK 30
        1.030  lan <  10.0.0.2:40000 > 198.51.100.7:80  A  seq 1002 ack 9002 win 502
        1.030  wan >  10.0.0.2:40000 > 198.51.100.7:80  A  seq 1002 ack 9002
        1.030  lan =  TIME_WAIT 120
        ",
    );
}

#[test]
fn a_reset_closes_at_once_and_ten_seconds_later_the_connection_is_gone() {
    opened(STRICT).play(
        "
        1.000  lan <  10.0.0.2:40000 > 198.51.100.7:80  R  seq 1001
        1.000  wan >  10.0.0.2:40000 > 198.51.100.7:80  R  seq 1001
        1.000  lan =  ESTABLISHED CLOSE 10
        12.000 wan <  198.51.100.7:80 > 10.0.0.2:40000  A  seq 9001 ack 1002
        12.000 lan >  198.51.100.7:80 > 10.0.0.2:40000  A  seq 9001 ack 1002
        12.000 wan =  NEW ORIGINAL
        ",
    );
}

#[test]
fn a_reset_outside_the_window_is_invalid() {
    opened(STRICT).play(
        "
        1.000  wan <  198.51.100.7:80 > 10.0.0.2:40000  R  seq 5000
        1.000  wan x  FilterRule
        1.000  wan =  INVALID
        1.100  lan <  10.0.0.2:40000 > 198.51.100.7:80  A  seq 1001 ack 9001 win 502
        1.100  wan >  10.0.0.2:40000 > 198.51.100.7:80  A  seq 1001 ack 9001
        1.100  lan =  ESTABLISHED
        ",
    );
}

#[test]
fn data_beyond_the_receivers_window_is_invalid() {
    opened(STRICT).play(
        "
        1.000  lan <  10.0.0.2:40000 > 198.51.100.7:80  PA seq 1001 ack 9001 win 502 len 1000
        1.000  wan >  10.0.0.2:40000 > 198.51.100.7:80  PA seq 1001 ack 9001 len 1000
        1.000  lan =  ESTABLISHED
        1.100  lan <  10.0.0.2:40000 > 198.51.100.7:80  PA seq 10001001 ack 9001 win 502 len 1000
        1.100  lan x  FilterRule
        1.100  lan =  INVALID
        ",
    );
}

#[test]
fn an_acknowledgement_of_what_was_never_sent_is_invalid() {
    opened(STRICT).play(
        "
        1.000  lan <  10.0.0.2:40000 > 198.51.100.7:80  A seq 1001 ack 90010 win 502
        1.000  lan x  FilterRule
        1.000  lan =  INVALID
        ",
    );
}

#[test]
fn a_liberal_tracker_takes_data_outside_the_window() {
    lab(STRICT).sysctl("net.netfilter.nf_conntrack_tcp_be_liberal", 1).play(OPEN).play(
        "
        1.000  lan <  10.0.0.2:40000 > 198.51.100.7:80  PA seq 10001001 ack 9001 win 502 len 10
        1.000  wan >  10.0.0.2:40000 > 198.51.100.7:80  PA seq 10001001 ack 9001 len 10
        1.000  lan =  ESTABLISHED
        ",
    );
}

#[test]
fn a_connection_is_picked_up_in_the_middle_when_that_is_allowed() {
    lab(STRICT).play(
        "
        0.000  lan <  10.0.0.2:40000 > 198.51.100.7:80  PA seq 77 ack 99 len 10
        0.000  wan >  10.0.0.2:40000 > 198.51.100.7:80  PA seq 77 ack 99 len 10
        0.000  lan =  NEW ORIGINAL [UNREPLIED]
        ",
    );
    lab(STRICT).sysctl("net.netfilter.nf_conntrack_tcp_loose", 0).play(
        "
        0.000  lan <  10.0.0.2:40000 > 198.51.100.7:80  PA seq 77 ack 99 len 10
        0.000  lan x  FilterRule
        0.000  lan =  INVALID
        ",
    );
}

#[test]
fn flags_that_nobody_sets_together_are_invalid() {
    lab(STRICT).play(
        "
        0.000  lan <  10.0.0.2:1 > 198.51.100.7:80  SF seq 1
        0.000  lan x  FilterRule
        0.000  lan <  10.0.0.2:2 > 198.51.100.7:80  FPU seq 1
        0.000  lan x  FilterRule
        0.000  lan <  10.0.0.2:3 > 198.51.100.7:80  tcp seq 1
        0.000  lan x  FilterRule
        0.000  lan <  10.0.0.2:4 > 198.51.100.7:80  SR seq 1
        0.000  lan x  FilterRule
        ",
    );
}

#[test]
fn an_answer_to_no_question_is_invalid() {
    lab(STRICT).play(
        "
        0.000  wan <  198.51.100.7:80 > 10.0.0.2:40000  SA seq 9000 ack 1001
        0.000  wan x  FilterRule
        0.000  wan =  INVALID
        0.000  wan <  198.51.100.7 > 10.0.0.2  icmp type 0 code 0 id 7
        0.000  wan x  FilterRule
        0.000  wan =  INVALID
        ",
    );
}

#[test]
fn both_ends_may_open_at_once() {
    lab(STRICT).play(
        "
        0.000  lan <  10.0.0.2:40000 > 198.51.100.7:80  S  seq 1000
        0.000  wan >  10.0.0.2:40000 > 198.51.100.7:80  S  seq 1000
        0.005  wan <  198.51.100.7:80 > 10.0.0.2:40000  S  seq 9000
        0.005  lan >  198.51.100.7:80 > 10.0.0.2:40000  S  seq 9000
        0.005  wan =  ESTABLISHED REPLY SYN_SENT2
        0.010  lan <  10.0.0.2:40000 > 198.51.100.7:80  SA seq 1000 ack 9001
        0.010  wan >  10.0.0.2:40000 > 198.51.100.7:80  SA seq 1000 ack 9001
        0.010  lan =  SYN_RECV
        ",
    );
}

#[test]
fn a_connection_may_be_opened_again_after_it_was_closed() {
    opened(STRICT).play(
        "
        1.000  lan <  10.0.0.2:40000 > 198.51.100.7:80  R  seq 1001
        1.000  wan >  10.0.0.2:40000 > 198.51.100.7:80  R  seq 1001
        2.000  lan <  10.0.0.2:40000 > 198.51.100.7:80  S  seq 5000
        2.000  wan >  10.0.0.2:40000 > 198.51.100.7:80  S  seq 5000
        2.000  lan =  NEW ORIGINAL SYN_SENT
        ",
    );
}

#[test]
fn a_syn_that_is_sent_again_does_not_prolong_the_connection() {
    lab("").play(
        "
        0.000  lan <  10.0.0.2:40000 > 198.51.100.7:80  S  seq 1000
        0.000  wan >  10.0.0.2:40000 > 198.51.100.7:80  S  seq 1000
        1.000  lan <  10.0.0.2:40000 > 198.51.100.7:80  S  seq 1000
        1.000  wan >  10.0.0.2:40000 > 198.51.100.7:80  S  seq 1000
        1.000  lan =  NEW ORIGINAL SYN_SENT [UNREPLIED] 119
        ",
    );
}

#[test]
fn a_datagram_flow_is_a_stream_once_it_has_lasted_two_seconds() {
    lab("").play(
        "
        0.000  lan <  10.0.0.2:5000 > 198.51.100.7:53  udp
        0.000  wan >  10.0.0.2:5000 > 198.51.100.7:53  udp
        0.000  lan =  NEW ORIGINAL [UNREPLIED] 30
        0.010  wan <  198.51.100.7:53 > 10.0.0.2:5000  udp
        0.010  lan >  198.51.100.7:53 > 10.0.0.2:5000  udp
        0.010  wan =  ESTABLISHED REPLY 30
        3.000  lan <  10.0.0.2:5000 > 198.51.100.7:53  udp
        3.000  wan >  10.0.0.2:5000 > 198.51.100.7:53  udp
        3.000  lan =  ESTABLISHED ORIGINAL 120
        4.000  lan <  10.0.0.2:5000 > 198.51.100.7:53  udp
        4.000  wan >  10.0.0.2:5000 > 198.51.100.7:53  udp
        4.000  lan =  [ASSURED] 120
        ",
    );
}

#[test]
fn a_datagram_flow_that_is_silent_for_half_a_minute_is_new_again() {
    lab("").play(
        "
        0.000  lan <  10.0.0.2:5000 > 198.51.100.7:53  udp
        0.000  wan >  10.0.0.2:5000 > 198.51.100.7:53  udp
        31.000 wan <  198.51.100.7:53 > 10.0.0.2:5000  udp
        31.000 lan >  198.51.100.7:53 > 10.0.0.2:5000  udp
        31.000 wan =  NEW ORIGINAL
        ",
    );
}

#[test]
fn echo_and_reply_are_one_flow() {
    lab("").play(
        "
        0.000  lan <  10.0.0.2 > 198.51.100.7  icmp type 8 code 0 id 7 seq 1
        0.000  wan >  10.0.0.2 > 198.51.100.7  icmp type 8 code 0 id 7 seq 1
        0.000  lan =  NEW ORIGINAL type=8 id=7 30
        0.010  wan <  198.51.100.7 > 10.0.0.2  icmp type 0 code 0 id 7 seq 1
        0.010  lan >  198.51.100.7 > 10.0.0.2  icmp type 0 code 0 id 7 seq 1
        0.010  wan =  ESTABLISHED REPLY
        ",
    );
}

#[test]
fn an_error_about_a_flow_is_related_to_it() {
    lab("").play(
        "
        0.000  lan <  10.0.0.2:5000 > 198.51.100.7:53  udp
        0.000  wan >  10.0.0.2:5000 > 198.51.100.7:53  udp
        0.010  wan <  198.51.100.7 > 10.0.0.2  icmp type 3 code 3 [10.0.0.2:5000 > 198.51.100.7:53 udp]
        0.010  lan >  198.51.100.7 > 10.0.0.2  icmp type 3 code 3 [10.0.0.2:5000 > 198.51.100.7:53 udp]
        0.010  wan =  RELATED REPLY
        ",
    );
}

#[test]
fn marks_of_connections_are_saved_and_restored() {
    lab("-t mangle -A PREROUTING -j CONNMARK --restore-mark\n\
         -t mangle -A PREROUTING -m mark --mark 0 -p udp --dport 53 -j MARK --set-mark 7\n\
         -t mangle -A POSTROUTING -j CONNMARK --save-mark\n\
         -A FORWARD -i wan -m mark ! --mark 7 -j DROP")
    .play(
        "
        0.000  lan <  10.0.0.2:5000 > 198.51.100.7:53  udp
        0.000  wan >  10.0.0.2:5000 > 198.51.100.7:53  udp
        0.000  lan =  NEW mark=7
        0.010  wan <  198.51.100.7:53 > 10.0.0.2:5000  udp
        0.010  lan >  198.51.100.7:53 > 10.0.0.2:5000  udp
        0.020  wan <  198.51.100.7:54 > 10.0.0.2:5000  udp
        0.020  wan x  FilterRule
        ",
    );
}

#[test]
fn a_rule_can_ask_for_the_mark_of_a_connection() {
    lab("-t mangle -A FORWARD -p udp --dport 53 -j CONNMARK --set-mark 0x10\n-A FORWARD -m connmark --mark 0x10/0xf0 -j DROP").play(
        "
        0.000  lan <  10.0.0.2:5000 > 198.51.100.7:53  udp
        0.000  lan x  FilterRule
        0.000  lan <  10.0.0.2:5000 > 198.51.100.7:54  udp
        0.000  wan >  10.0.0.2:5000 > 198.51.100.7:54  udp
        ",
    );
}

#[test]
fn only_connections_that_start_inside_are_let_in() {
    lab(
        "-P FORWARD DROP\n-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n-A FORWARD -i lan -j ACCEPT",
    )
    .play(
        "
        0.000  wan <  198.51.100.7:53 > 10.0.0.2:5000  udp
        0.000  wan x  FilterPolicy
        0.010  lan <  10.0.0.2:5000 > 198.51.100.7:53  udp
        0.010  wan >  10.0.0.2:5000 > 198.51.100.7:53  udp
        0.020  wan <  198.51.100.7:53 > 10.0.0.2:5000  udp
        0.020  lan >  198.51.100.7:53 > 10.0.0.2:5000  udp
        ",
    );
}

#[test]
fn a_dropped_packet_leaves_no_connection_behind() {
    let mut lab = lab("-A FORWARD -j DROP");
    lab.play(
        "
        0.000  lan <  10.0.0.2:5000 > 198.51.100.7:53  udp
        0.000  lan x  FilterRule
        ",
    );
    assert_eq!(lab.engine().conntrack().entries(lab.engine().now()).len(), 0);
}

#[test]
fn a_full_table_takes_no_new_connection_and_says_so() {
    lab("").sysctl("net.netfilter.nf_conntrack_max", 1).play(OPEN).play(
        "
        1.000  lan <  10.0.0.3:5000 > 198.51.100.7:53  udp
        1.000  lan !  log: nf_conntrack: nf_conntrack: table full, dropping packet
        1.000  lan x  ConntrackFull
        ",
    );
}

#[test]
fn zones_keep_the_same_tuple_apart() {
    lab("-t raw -A PREROUTING -i lan -j CT --zone 1\n-t raw -A PREROUTING -i wan -j CT --zone 2").play(
        "
        0.000  lan <  10.0.0.2:5000 > 198.51.100.7:53  udp
        0.000  wan >  10.0.0.2:5000 > 198.51.100.7:53  udp
        0.000  lan =  NEW zone=1
        0.010  wan <  198.51.100.7:53 > 10.0.0.2:5000  udp
        0.010  lan >  198.51.100.7:53 > 10.0.0.2:5000  udp
        0.010  wan =  NEW zone=2
        ",
    );
}

#[test]
fn events_tell_of_new_changed_and_forgotten_connections() {
    lab("").play(
        "
        0.000  lan <  10.0.0.2:5000 > 198.51.100.7:53  udp
        0.000  lan !  [NEW] udp      17 30 src=10.0.0.2 dst=198.51.100.7 sport=5000 dport=53 [UNREPLIED]
        0.000  wan >  10.0.0.2:5000 > 198.51.100.7:53  udp
        0.010  wan <  198.51.100.7:53 > 10.0.0.2:5000  udp
        0.010  wan !  [UPDATE] udp      17 30 src=10.0.0.2
        0.010  lan >  198.51.100.7:53 > 10.0.0.2:5000  udp
        30.010 -   !  [DESTROY] udp      17 src=10.0.0.2
        40.000 wan <  198.51.100.7:53 > 10.0.0.2:5000  udp
        40.000 lan >  198.51.100.7:53 > 10.0.0.2:5000  udp
        40.000 wan =  NEW ORIGINAL
        ",
    );
}

#[test]
fn packets_and_bytes_of_both_directions_are_counted_where_that_is_asked_for() {
    lab("").sysctl("net.netfilter.nf_conntrack_acct", 1).play(
        "
        0.000  lan <  10.0.0.2:5000 > 198.51.100.7:53  udp len 72
        0.000  wan >  10.0.0.2:5000 > 198.51.100.7:53  udp len 72
        0.010  wan <  198.51.100.7:53 > 10.0.0.2:5000  udp len 172
        0.010  lan >  198.51.100.7:53 > 10.0.0.2:5000  udp len 172
        0.010  wan =  packets=1 bytes=100 bytes=200
        ",
    );
}

#[test]
fn a_wrong_checksum_is_invalid_and_can_be_overlooked() {
    let mut frame = lab::frame("lan", "10.0.0.2:5000 > 198.51.100.7:53 udp");
    frame[40] ^= 1;
    assert_eq!(lab(STRICT).drops_of("lan", &frame), [DropReason::FilterRule]);
    let overlooking = lab(STRICT).sysctl("net.netfilter.nf_conntrack_checksum", 0).drops_of("lan", &frame);
    assert_eq!(overlooking, []);
}

#[test]
fn an_expected_connection_that_does_not_come_is_forgotten_after_five_minutes() {
    let mut lab = lab("").helpers();
    lab.play(
        "
        0.000  lan <  10.0.0.2:40000 > 198.51.100.7:21  S  seq 1000
        0.000  wan >  10.0.0.2:40000 > 198.51.100.7:21  S  seq 1000
        0.000  lan =  NEW helper=ftp
        0.010  wan <  198.51.100.7:21 > 10.0.0.2:40000  SA seq 9000 ack 1001
        0.010  lan >  198.51.100.7:21 > 10.0.0.2:40000  SA seq 9000 ack 1001
        0.020  lan <  10.0.0.2:40000 > 198.51.100.7:21  A  seq 1001 ack 9001
        0.020  wan >  10.0.0.2:40000 > 198.51.100.7:21  A  seq 1001 ack 9001
        0.025  lan <  10.0.0.2:40000 > 198.51.100.7:21  PA seq 1001 ack 9001 data \"USER x\\r\\n\"
        0.025  wan >  10.0.0.2:40000 > 198.51.100.7:21  PA seq 1001 ack 9001 data \"USER x\\r\\n\"
        0.030  lan <  10.0.0.2:40000 > 198.51.100.7:21  PA seq 1009 ack 9001 data \"EPRT |1|10.0.0.2|5282|\\r\\n\"
        0.030  wan >  10.0.0.2:40000 > 198.51.100.7:21  PA seq 1009 ack 9001 data \"EPRT |1|10.0.0.2|5282|\\r\\n\"
        0.030  lan !  [NEW] 300 proto=6 src=198.51.100.7 dst=10.0.0.2 sport=0 dport=5282
        301.000 wan <  198.51.100.7:20 > 10.0.0.2:5282  S seq 1
        301.000 lan >  198.51.100.7:20 > 10.0.0.2:5282  S seq 1
        301.000 wan =  NEW ORIGINAL
        ",
    );
}

#[test]
fn without_a_helper_nothing_is_expected() {
    lab("").play(
        "
        0.000  lan <  10.0.0.2:40000 > 198.51.100.7:21  S  seq 1000
        0.000  wan >  10.0.0.2:40000 > 198.51.100.7:21  S  seq 1000
        0.010  wan <  198.51.100.7:21 > 10.0.0.2:40000  SA seq 9000 ack 1001
        0.010  lan >  198.51.100.7:21 > 10.0.0.2:40000  SA seq 9000 ack 1001
        0.030  lan <  10.0.0.2:40000 > 198.51.100.7:21  PA seq 1001 ack 9001 data \"EPRT |1|10.0.0.2|5282|\\r\\n\"
        0.030  wan >  10.0.0.2:40000 > 198.51.100.7:21  PA seq 1001 ack 9001 data \"EPRT |1|10.0.0.2|5282|\\r\\n\"
        0.040  wan <  198.51.100.7:20 > 10.0.0.2:5282   S  seq 1
        0.040  lan >  198.51.100.7:20 > 10.0.0.2:5282   S  seq 1
        0.040  wan =  NEW ORIGINAL
        ",
    );
}

#[test]
fn a_rule_attaches_the_helper_to_a_port_of_its_own() {
    lab("-t raw -A PREROUTING -p tcp --dport 2121 -j CT --helper ftp\n-P FORWARD DROP\n-A FORWARD -i lan -j ACCEPT\n\
         -A FORWARD -m helper --helper ftp -m conntrack --ctstate RELATED -j ACCEPT\n-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT")
    .play(
        "
        0.000  lan <  10.0.0.2:40000 > 198.51.100.7:2121  S  seq 1000
        0.000  wan >  10.0.0.2:40000 > 198.51.100.7:2121  S  seq 1000
        0.000  lan =  helper=ftp
        0.010  wan <  198.51.100.7:2121 > 10.0.0.2:40000  SA seq 9000 ack 1001
        0.010  lan >  198.51.100.7:2121 > 10.0.0.2:40000  SA seq 9000 ack 1001
        0.020  lan <  10.0.0.2:40000 > 198.51.100.7:2121  A  seq 1001 ack 9001
        0.020  wan >  10.0.0.2:40000 > 198.51.100.7:2121  A  seq 1001 ack 9001
        0.025  lan <  10.0.0.2:40000 > 198.51.100.7:2121  PA seq 1001 ack 9001 data \"USER x\\r\\n\"
        0.025  wan >  10.0.0.2:40000 > 198.51.100.7:2121  PA seq 1001 ack 9001 data \"USER x\\r\\n\"
        0.030  lan <  10.0.0.2:40000 > 198.51.100.7:2121  PA seq 1009 ack 9001 data \"PORT 10,0,0,2,20,162\\r\\n\"
        0.030  wan >  10.0.0.2:40000 > 198.51.100.7:2121  PA seq 1009 ack 9001 data \"PORT 10,0,0,2,20,162\\r\\n\"
        0.040  wan <  198.51.100.7:20 > 10.0.0.2:5282     S  seq 1
        0.040  lan >  198.51.100.7:20 > 10.0.0.2:5282     S  seq 1
        0.040  wan =  RELATED ORIGINAL
        0.050  wan <  198.51.100.7:20 > 10.0.0.2:5283     S  seq 1
        0.050  wan x  FilterPolicy
        ",
    );
}
