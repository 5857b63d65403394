//! The machine's own programs behind a gateway: what they send is its own, and what nobody else takes is theirs.

use lab::{Lab, lab, lab_with_arp};
use towpath_engine::ip::RouteKind;

const RULES: &str = "-P INPUT DROP
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp --dport 22 -j ACCEPT
-A INPUT -p icmp --icmp-type echo-request -j ACCEPT
-A OUTPUT -p tcp --dport 25 -j DROP";

fn serving() -> Lab {
    lab(RULES).serving_host()
}

#[test]
fn a_program_sends_and_its_answer_comes_back_to_it() {
    serving().play(
        "
        0.000  lo  <  203.0.113.1:40000 > 198.51.100.7:53  udp
        0.000  wan >  203.0.113.1:40000 > 198.51.100.7:53  udp
        0.010  wan <  198.51.100.7:53 > 203.0.113.1:40000  udp
        0.010  lo  >  198.51.100.7:53 > 203.0.113.1:40000  udp
        0.020  lo  <  203.0.113.1 > 198.51.100.7           icmp type 8 code 0 id 7 seq 1
        0.020  wan >  203.0.113.1 > 198.51.100.7           icmp type 8 code 0 id 7 seq 1
        0.030  wan <  198.51.100.7 > 203.0.113.1           icmp type 0 code 0 id 7 seq 1
        0.030  lo  >  198.51.100.7 > 203.0.113.1           icmp type 0 code 0 id 7 seq 1
    ",
    );
}

#[test]
fn a_program_is_told_that_nobody_is_there_or_that_no_way_leads_there() {
    // A neighbour is asked three times, a second each (`mcast_solicit`, `retrans_time_ms`).
    lab_with_arp("-P INPUT DROP").serving_host().route("192.88.99.0/24", RouteKind::Unreachable, None).play(
        "
        0.000  lo  <  203.0.113.1:40000 > 203.0.113.99:80  S seq 100
        0.000  wan >  arp who-has 203.0.113.99 tell 203.0.113.1
        1.000  wan >  arp who-has 203.0.113.99 tell 203.0.113.1
        2.000  wan >  arp who-has 203.0.113.99 tell 203.0.113.1
        3.000  -   x  NeighbourFailed
        3.000  lo  >  203.0.113.1 > 203.0.113.1            icmp type 3 code 1 [203.0.113.1:40000 > 203.0.113.99:80 S seq 100]
        4.000  lo  <  203.0.113.1:40001 > 192.88.99.1:80   S seq 100
        4.000  lo  x  RouteUnreachable
        4.000  lo  >  203.0.113.1 > 203.0.113.1            icmp type 3 code 1 [203.0.113.1:40001 > 192.88.99.1:80 S seq 100]
    ",
    );
}

#[test]
fn what_is_handed_to_the_machine_is_delivered_once() {
    let mut lab = serving();
    lab.play(
        "
        0.020  lo  <  203.0.113.1 > 198.51.100.7           icmp type 8 code 0 id 7 seq 1
        0.020  wan >  203.0.113.1 > 198.51.100.7           icmp type 8 code 0 id 7 seq 1
        0.030  wan <  198.51.100.7 > 203.0.113.1           icmp type 0 code 0 id 7 seq 1
        0.030  lo  >  198.51.100.7 > 203.0.113.1           icmp type 0 code 0 id 7 seq 1
    ",
    );
    assert_eq!(lab.engine().stats().delivered, 1);
}

#[test]
fn what_input_lets_in_is_the_machines_and_nothing_else_is() {
    serving().play(
        "
        0.000  wan <  198.51.100.7:50000 > 203.0.113.1:22  S seq 100
        0.000  lo  >  198.51.100.7:50000 > 203.0.113.1:22  S seq 100
        0.001  lo  <  203.0.113.1:22 > 198.51.100.7:50000  SA seq 500 ack 101
        0.001  wan >  203.0.113.1:22 > 198.51.100.7:50000  SA seq 500 ack 101
        0.002  wan <  198.51.100.7:50001 > 203.0.113.1:23  S seq 100
        0.002  wan x  FilterPolicy
    ",
    );
}

#[test]
fn what_output_forbids_the_machine_does_not_send() {
    serving().play(
        "
        0.000  lo  <  203.0.113.1:40000 > 198.51.100.7:25  S seq 100
        0.000  lo  x  FilterRule
    ",
    );
}

#[test]
fn pings_and_services_are_the_gateways_own_all_the_same() {
    lab("").serving_host().echo(7).play(
        "
        0.000  wan <  198.51.100.7 > 203.0.113.1           icmp type 8 code 0 id 7 seq 1
        0.000  wan >  203.0.113.1 > 198.51.100.7           icmp type 0 code 0 id 7 seq 1
        0.001  wan <  198.51.100.7:50000 > 203.0.113.1:7   udp
        0.001  wan >  203.0.113.1:7 > 198.51.100.7:50000   udp
    ",
    );
}

#[test]
fn an_error_about_what_a_program_has_sent_comes_to_it() {
    serving().play(
        "
        0.000  lo  <  203.0.113.1:40000 > 198.51.100.7:53  udp
        0.000  wan >  203.0.113.1:40000 > 198.51.100.7:53  udp
        0.010  wan <  198.51.100.7 > 203.0.113.1           icmp type 3 code 3 [203.0.113.1:40000 > 198.51.100.7:53 udp]
        0.010  lo  >  198.51.100.7 > 203.0.113.1           icmp type 3 code 3 [203.0.113.1:40000 > 198.51.100.7:53 udp]
    ",
    );
}

#[test]
fn without_being_asked_to_nobody_is_served_by_lo() {
    lab("").play(
        "
        0.000  lo  <  203.0.113.1:40000 > 198.51.100.7:53  udp
        0.000  lo  x  DeviceDown
    ",
    );
}
