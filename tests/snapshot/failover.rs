//! An FTP session that is cut in two: one gateway has its first half, another one its second.

use lab::{Lab, lab};

/// Nobody gets in who was not announced.
const GUARDED: &str = "-P FORWARD DROP\n-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n-A FORWARD -i lan -j ACCEPT\n\
                       -t nat -A POSTROUTING -o wan -j MASQUERADE";

/// A session that has been greeted.
fn session() -> Lab {
    let mut lab = lab(GUARDED).helpers();
    lab.play(
        "
        0.000  lan <  10.0.0.2:40000 > 198.51.100.7:21     S  seq 992
        0.000  wan >  203.0.113.1:40000 > 198.51.100.7:21  S  seq 992
        0.010  wan <  198.51.100.7:21 > 203.0.113.1:40000  SA seq 9000 ack 993
        0.010  lan >  198.51.100.7:21 > 10.0.0.2:40000     SA seq 9000 ack 993
        0.020  wan <  198.51.100.7:21 > 203.0.113.1:40000  PA seq 9001 ack 993 data \"220 hello\\r\\n\"
        0.020  lan >  198.51.100.7:21 > 10.0.0.2:40000     PA seq 9001 ack 993 data \"220 hello\\r\\n\"
        0.025  lan <  10.0.0.2:40000 > 198.51.100.7:21     PA seq 993 ack 9012 data \"USER x\\r\\n\"
        0.025  wan >  203.0.113.1:40000 > 198.51.100.7:21  PA seq 993 ack 9012 data \"USER x\\r\\n\"
        ",
    );
    lab
}

const PORT_SAID: &str = "
    0.030  lan <  10.0.0.2:40000 > 198.51.100.7:21     PA seq 1001 ack 9012 data \"PORT 10,0,0,2,156,65\\r\\n\"
    0.030  wan >  203.0.113.1:40000 > 198.51.100.7:21  PA seq 1001 ack 9012 data \"PORT 203,0,113,1,156,65\\r\\n\"
    0.030  lan !  [NEW] 300 proto=6 src=198.51.100.7 dst=203.0.113.1
    ";

const DATA_COMES: &str = "
    0.060  wan <  198.51.100.7:20 > 203.0.113.1:40001  S  seq 5
    0.060  lan >  198.51.100.7:20 > 10.0.0.2:40001     S  seq 5
    0.060  wan =  RELATED ORIGINAL
    0.061  lan <  10.0.0.2:40001 > 198.51.100.7:20     SA seq 7 ack 6
    0.061  wan >  203.0.113.1:40001 > 198.51.100.7:20  SA seq 7 ack 6
    0.070  wan <  198.51.100.7:20 > 203.0.113.1:40002  S  seq 5
    0.070  wan x  NoSocket
    0.070  wan >  203.0.113.1:40002 > 198.51.100.7:20  RA seq 0 ack 6
    ";

#[test]
fn a_data_connection_that_one_gateway_expects_is_let_in_by_another() {
    let mut lab = session();
    lab.fail_over().play(PORT_SAID).fail_over().play(DATA_COMES);
}

#[test]
fn what_was_written_into_the_stream_is_known_to_another_gateway() {
    session().play(PORT_SAID).fail_over().play(
        "
        # The server has seen it; to the client that is three bytes less.
        0.040  wan <  198.51.100.7:21 > 203.0.113.1:40000  A  seq 9012 ack 1026
        0.040  lan >  198.51.100.7:21 > 10.0.0.2:40000     A  seq 9012 ack 1023
        # It has not, and the command is sent again, together with the next one.
        0.240  lan <  10.0.0.2:40000 > 198.51.100.7:21     PA seq 1001 ack 9012 data \"PORT 10,0,0,2,156,65\\r\\nLIST\\r\\n\"
        0.240  wan >  203.0.113.1:40000 > 198.51.100.7:21  PA seq 1001 ack 9012 data \"PORT 203,0,113,1,156,65\\r\\nLIST\\r\\n\"
        0.250  lan <  10.0.0.2:40000 > 198.51.100.7:21     PA seq 1029 ack 9012 data \"QUIT\\r\\n\"
        0.250  wan >  203.0.113.1:40000 > 198.51.100.7:21  PA seq 1032 ack 9012 data \"QUIT\\r\\n\"
        ",
    );
}

#[test]
fn a_line_that_was_cut_by_the_failover_is_sent_again_and_read_whole() {
    let mut lab = session();
    lab.play(
        "
        0.030  lan <  10.0.0.2:40000 > 198.51.100.7:21     PA seq 1001 ack 9012 data \"PORT 10,0,\"
        0.030  lan =  HELD HELD_LINE
        ",
    );
    assert_eq!(lab.engine().waiting_packets(), 1, "no snapshot holds it");
    lab.fail_over().play(
        "
        # Its rest comes first, and is all that the other gateway has seen of the line.
        0.040  lan <  10.0.0.2:40000 > 198.51.100.7:21     PA seq 1011 ack 9012 data \"0,2,156,65\\r\\n\"
        0.040  lan =  HELD
        0.230  lan <  10.0.0.2:40000 > 198.51.100.7:21     PA seq 1001 ack 9012 data \"PORT 10,0,\"
        0.230  wan >  203.0.113.1:40000 > 198.51.100.7:21  PA seq 1001 ack 9012 data \"PORT 203,0,113,1,156,65\"
        0.230  wan >  203.0.113.1:40000 > 198.51.100.7:21  PA seq 1024 ack 9012 data \"\\r\\n\"
        0.230  lan !  [NEW] 300 proto=6 src=198.51.100.7 dst=203.0.113.1
        ",
    );
    lab.fail_over().play(DATA_COMES);
}

#[test]
fn a_line_whose_beginning_has_gone_on_is_read_whole_by_another_gateway() {
    let mut lab = session();
    lab.play(
        "
        0.030  lan <  10.0.0.2:40000 > 198.51.100.7:21     PA seq 1001 ack 9012 data \"PORT \"
        0.030  lan =  HELD
        0.530  wan >  203.0.113.1:40000 > 198.51.100.7:21  PA seq 1001 ack 9012 data \"PORT \"
        ",
    );
    lab.fail_over().play(
        "
        0.540  lan <  10.0.0.2:40000 > 198.51.100.7:21     PA seq 1006 ack 9012 data \"10,0,0,2,156,65\\r\\n\"
        0.540  wan >  203.0.113.1:40000 > 198.51.100.7:21  PA seq 1006 ack 9012 data \"203,0,113,1,156,65\\r\\n\"
        0.540  lan !  [NEW] 300 proto=6 src=198.51.100.7 dst=203.0.113.1
        ",
    );
    lab.fail_over().play(DATA_COMES);
}
