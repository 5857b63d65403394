use std::time::Duration;

use super::*;

/// What the kernel has told of two ends of a connection, over which 50 000 bytes have gone, and ss has printed; without the words of
/// its algorithm of congestion control and `delivery_rate`, which were not written down.
const SENDER: &str = "\t bbr wscale:10,10 rto:208 rtt:5.365/10.69 mss:47616 pmtu:65535 rcvmss:536 advmss:65483 cwnd:12 bytes_sent:50000 bytes_acked:50001 segs_out:4 segs_in:3 data_segs_out:2 send 852029077bps lastsnd:328 lastrcv:328 lastack:284 pacing_rate 277241207144bps delivered:3 app_limited busy:44ms rcv_space:65495 rcv_ssthresh:65495 minrtt:0.014 snd_wnd:78848\n";
const RECEIVER: &str = "\t bbr wscale:10,10 rto:204 rtt:0.02/0.01 ato:80 mss:32768 pmtu:65535 rcvmss:32741 advmss:65483 cwnd:10 bytes_received:50000 segs_out:2 segs_in:4 data_segs_in:2 send 131072000000bps lastsnd:328 lastrcv:328 lastack:328 pacing_rate 374584320000bps delivered:1 app_limited rcv_space:65483 rcv_ssthresh:94833 minrtt:0.02 snd_wnd:65536\n";

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn us(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// A connection of which little is known.
fn nothing() -> TcpInfo {
    TcpInfo {
        state: State::Established,
        ca_state: 0,
        retransmits: 0,
        probes: 0,
        backoff: 0,
        options: 7,
        snd_wscale: 10,
        rcv_wscale: 10,
        delivery_rate_app_limited: true,
        rto: ms(204),
        ato: ms(0),
        snd_mss: 32_768,
        rcv_mss: 536,
        unacked: 0,
        sacked: 0,
        lost: 0,
        retrans: 0,
        last_data_sent: ms(328),
        last_data_recv: ms(328),
        last_ack_recv: ms(328),
        pmtu: 65_535,
        rcv_ssthresh: 65_495,
        rtt: us(20),
        rttvar: us(10),
        snd_ssthresh: 0x7fff_ffff,
        snd_cwnd: 10,
        advmss: 65_483,
        reordering: 3,
        rcv_rtt: ms(0),
        rcv_space: 65_495,
        total_retrans: 0,
        pacing_rate: 0,
        max_pacing_rate: u64::MAX,
        delivery_rate: 0,
        bytes_acked: 0,
        bytes_received: 0,
        busy_time: ms(0),
        rwnd_limited: ms(0),
        sndbuf_limited: ms(0),
        segs_out: 0,
        segs_in: 0,
        notsent_bytes: 0,
        min_rtt: us(20),
        data_segs_in: 0,
        data_segs_out: 0,
        delivered: 1,
        delivered_ce: 0,
        bytes_sent: 0,
        bytes_retrans: 0,
        dsack_dups: 0,
        reord_seen: 0,
        rcv_ooopack: 0,
        snd_wnd: 0,
        rcv_wnd: 0,
        rehash: 0,
        total_rto: 0,
        total_rto_recoveries: 0,
        total_rto_time: ms(0),
        received_ce: 0,
        received_e1_bytes: 0,
        received_e0_bytes: 0,
        received_ce_bytes: 0,
        fastopen_client_fail: 0,
    }
}

fn socket(kind: SocketKind, state: State, ends: [&str; 2]) -> SocketEntry {
    let [local, remote] = ends.map(|end| end.parse().unwrap());
    SocketEntry {
        kind,
        state,
        local,
        remote,
        is_dual: false,
        receive_queue: 0,
        send_queue: 0,
        congestion: None,
        model: None,
        window: 0,
        info: None,
    }
}

fn connection(ends: [&str; 2], info: TcpInfo) -> SocketEntry {
    let known = socket(SocketKind::Tcp, State::Established, ends);
    SocketEntry { congestion: Some("bbr".to_owned()), info: Some(Box::new(info)), ..known }
}

fn listener(local: &str, backlog: u32) -> SocketEntry {
    let nobody = if local.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" };
    let known = socket(SocketKind::Tcp, State::Listen, [local, nobody]);
    let is_dual = local.starts_with("[::]");
    SocketEntry { congestion: Some("bbr".to_owned()), window: 10, send_queue: backlog, is_dual, ..known }
}

fn some() -> Vec<SocketEntry> {
    let sender = TcpInfo {
        rto: ms(208),
        rtt: us(5365),
        rttvar: us(10_690),
        snd_mss: 47_616,
        snd_cwnd: 12,
        bytes_sent: 50_000,
        bytes_acked: 50_001,
        segs_out: 4,
        segs_in: 3,
        data_segs_out: 2,
        last_ack_recv: ms(284),
        pacing_rate: 277_241_207_144 / 8,
        delivered: 3,
        busy_time: us(44_300),
        min_rtt: us(14),
        snd_wnd: 78_848,
        ..nothing()
    };
    let receiver = TcpInfo {
        ato: ms(80),
        rcv_mss: 32_741,
        bytes_received: 50_000,
        segs_out: 2,
        segs_in: 4,
        data_segs_in: 2,
        pacing_rate: 374_584_320_000 / 8,
        rcv_space: 65_483,
        rcv_ssthresh: 94_833,
        snd_wnd: 65_536,
        ..nothing()
    };
    let unread = connection(["127.0.0.1:60881", "127.0.0.1:47834"], receiver);
    vec![
        connection(["127.0.0.1:47834", "127.0.0.1:60881"], sender),
        SocketEntry { receive_queue: 50_000, ..unread },
        listener("0.0.0.0:2024", 128),
        listener("127.0.0.1:60881", 7),
        listener("[::]:60363", 3),
        socket(SocketKind::Udp, State::Closed, ["127.0.0.1:45237", "0.0.0.0:0"]),
        socket(SocketKind::Tcp, State::TimeWait, ["[fd00::1]:80", "[fd00::2]:5"]),
    ]
}

fn printed(shown: Shown) -> String {
    let mut out = Vec::new();
    shown.write(&some(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn connections_and_what_is_known_of_them_are_printed_as_ss_does() {
    let shown = Shown { tcp: true, info: true, ..Shown::default() };
    let expected = format!(
        "State Recv-Q Send-Q Local Address:Port  Peer Address:Port
ESTAB 0      0          127.0.0.1:47834    127.0.0.1:60881
{SENDER}ESTAB 50000  0          127.0.0.1:60881    127.0.0.1:47834
{RECEIVER}"
    );
    assert_eq!(printed(shown), expected);
}

#[test]
fn a_limit_stands_behind_the_rate_and_before_what_was_delivered() {
    let paced = TcpInfo { pacing_rate: 125_000, max_pacing_rate: 250_000, delivery_rate: 1000, ..nothing() };
    let mut text = String::new();
    rates(&mut text, &paced);
    let (_, told) = text.split_once("lastack:328").unwrap();
    assert_eq!(told, " pacing_rate 1000000bps/2000000bps delivery_rate 8000bps");
}

#[test]
fn what_bbr_knows_is_printed_as_ss_does() {
    let model = BbrInfo { bandwidth: 1_247_752, least: Some(us(40_123)), pacing_gain: 739, window_gain: 512 };
    let mut text = String::new();
    tell_model(&mut text, &model);
    assert_eq!(text, " bbr:(bw:9982016bps,mrtt:40.123,pacing_gain:2.88672,cwnd_gain:2)");
}

#[test]
fn listeners_and_datagram_sockets_are_printed_as_ss_does() {
    let shown = Shown { tcp: true, udp: true, all: true, only_v4: true, ..Shown::default() };
    assert_eq!(
        printed(shown),
        "Netid State  Recv-Q Send-Q Local Address:Port  Peer Address:Port
udp   UNCONN 0      0          127.0.0.1:45237      0.0.0.0:*
tcp   LISTEN 0      128          0.0.0.0:2024       0.0.0.0:*
tcp   LISTEN 0      7          127.0.0.1:60881      0.0.0.0:*
tcp   ESTAB  0      0          127.0.0.1:47834    127.0.0.1:60881
tcp   ESTAB  50000  0          127.0.0.1:60881    127.0.0.1:47834
"
    );
    let shown = Shown { tcp: true, listening: true, info: true, ..Shown::default() };
    assert_eq!(
        printed(shown),
        "State  Recv-Q Send-Q Local Address:Port  Peer Address:Port
LISTEN 0      128          0.0.0.0:2024       0.0.0.0:*
\t bbr cwnd:10
LISTEN 0      7          127.0.0.1:60881      0.0.0.0:*
\t bbr cwnd:10
LISTEN 0      3                  *:60363            *:*
\t bbr cwnd:10
"
    );
}

#[test]
fn without_headings_columns_are_as_wide_as_what_is_in_them() {
    let shown = Shown { tcp: true, no_header: true, only_v4: true, all: true, ..Shown::default() };
    assert_eq!(
        printed(shown),
        "LISTEN 0      128      0.0.0.0:2024    0.0.0.0:*
LISTEN 0      7      127.0.0.1:60881   0.0.0.0:*
ESTAB  0      0      127.0.0.1:47834 127.0.0.1:60881
ESTAB  50000  0      127.0.0.1:60881 127.0.0.1:47834
"
    );
}

#[test]
fn times_are_printed_with_six_digits_that_count() {
    for (micros, text) in [
        (1, "0.001"),
        (20, "0.02"),
        (999, "0.999"),
        (5365, "5.365"),
        (208_000, "208"),
        (123_456, "123.456"),
        (1_234_567, "1234.57"),
        (12_345_678, "12345.7"),
        (120_000_000, "120000"),
        (123_456_789, "123457"),
    ] {
        assert_eq!(millis(micros), text);
    }
}
