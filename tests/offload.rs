//! Super-packets as plays: what leaves by devices that cut them, by devices that do not, and by links that are too narrow.

use lab::{frame, lab};
use towpath_engine::{
    Checksum, Command, DeviceId, Engine, Frame, Instant,
    device::{Device, InterfaceAddress},
    ip::RouteKind,
    netfilter::{Loading, RuleSet, Source},
    wire::{crc32c::crc32c, sctp::SCTP_CHECKSUM},
};

const WAN: RouteKind = RouteKind::Unicast { device: DeviceId(1), via: None };

#[test]
fn a_super_packet_goes_through_as_one() {
    lab("-t nat -A POSTROUTING -o wan -j MASQUERADE").play(
        "
        0.000  lan <  10.0.0.2:4000 > 198.51.100.7:80  A seq 1 ack 1 len 5000 df | gso 1448
        0.000  wan >  203.0.113.1:4000 > 198.51.100.7:80  A seq 1 ack 1 len 5000 df ttl 63 | gso 1448
        0.000  lan <  10.0.0.2:4001 > 198.51.100.7:443  udp len 5000 | gso 1200
        0.000  wan >  203.0.113.1:4001 > 198.51.100.7:443  udp len 5000 | gso 1200
        ",
    );
}

#[test]
fn a_device_that_does_not_cut_gets_segments() {
    lab("").feature("wan", "tso", false).play(
        "
        0.000  lan <  10.0.0.2:4000 > 198.51.100.7:80  FPAUEC seq 4294966296 ack 1 len 3000 ipid 65535 df ts 7/8 | gso 1400
        0.000  wan >  10.0.0.2:4000 > 198.51.100.7:80  AUEC seq 4294966296 ack 1 len 1400 ipid 65535 df ts 7/8
        0.000  wan >  10.0.0.2:4000 > 198.51.100.7:80  AUE seq 400 ack 1 len 1400 ipid 0 df ts 7/8
        0.000  wan >  10.0.0.2:4000 > 198.51.100.7:80  FPAUE seq 1800 ack 1 len 200 ipid 1 df ts 7/8
        0.000  lan =  FORWARDED
        0.000  lan <  10.0.0.2:4001 > 198.51.100.7:443  udp len 3000 | gso 1400
        0.000  wan >  10.0.0.2:4001 > 198.51.100.7:443  udp len 3000 | gso 1400
        ",
    );
}

#[test]
fn datagrams_of_one_super_packet_leave_one_by_one() {
    lab("").feature("wan", "tx-udp-segmentation", false).play(
        "
        0.000  lan <  10.0.0.2:4001 > 198.51.100.7:443  udp len 3000 ipid 7 | gso 1400
        0.000  wan >  10.0.0.2:4001 > 198.51.100.7:443  udp len 1400 ipid 7
        0.000  wan >  10.0.0.2:4001 > 198.51.100.7:443  udp len 1400 ipid 8
        0.000  wan >  10.0.0.2:4001 > 198.51.100.7:443  udp len 200 ipid 9
        ",
    );
}

#[test]
fn a_device_that_does_not_sum_gets_packets_that_are_whole() {
    let mut lab = lab("").feature("wan", "tx-checksumming", false);
    lab.play(
        "
        0.000  lan <  10.0.0.2:4000 > 198.51.100.7:80  A seq 1 ack 1 len 2001 df | gso 1448
        0.000  wan >  10.0.0.2:4000 > 198.51.100.7:80  A seq 1 ack 1 len 1448 df
        0.000  wan >  10.0.0.2:4000 > 198.51.100.7:80  A seq 1449 ack 1 len 553 df
        ",
    );
}

#[test]
fn the_sender_of_a_super_packet_whose_segments_do_not_fit_is_told_once() {
    lab("").route("198.51.100.0/24", WAN, Some(1000)).play(
        "
        0.000  lan <  10.0.0.2:4000 > 198.51.100.7:80  A seq 1 ack 1 len 5000 df | gso 1448
        0.000  lan x  PacketTooBig
        0.000  lan >  10.0.0.1 > 10.0.0.2  icmp type 3 code 4 mtu 1000 [10.0.0.2:4000 > 198.51.100.7:80 tcp seq 1]
        0.000  lan <  10.0.0.2:4000 > 198.51.100.7:80  A seq 1 ack 1 len 5000 df | gso 960
        0.000  wan >  10.0.0.2:4000 > 198.51.100.7:80  A seq 1 ack 1 len 5000 df | gso 960
        ",
    );
}

#[test]
fn segments_that_do_not_fit_and_may_be_cut_leave_in_fragments() {
    lab("").route("198.51.100.0/24", WAN, Some(700)).play(
        "
        0.000  lan <  10.0.0.2:4000 > 198.51.100.7:80  A seq 1 ack 1 len 2000 ipid 9 | gso 1000
        0.000  wan >  10.0.0.2 > 198.51.100.7  tcp fragment 0 more len 680 ipid 9
        0.000  wan >  10.0.0.2 > 198.51.100.7  tcp fragment 680 len 340 ipid 9
        0.000  wan >  10.0.0.2 > 198.51.100.7  tcp fragment 0 more len 680 ipid 10
        0.000  wan >  10.0.0.2 > 198.51.100.7  tcp fragment 680 len 340 ipid 10
        0.000  lan =  FORWARDED
        ",
    );
}

#[test]
fn an_association_whose_checksum_is_left_to_the_device_is_valid_and_leaves_with_its_crc() {
    let mut engine = Engine::new(1);
    let now = Instant::from_secs(1);
    for (name, address) in [("lan", [10, 0, 0, 1]), ("wan", [198, 51, 100, 1])] {
        let addresses = vec![InterfaceAddress { address: address.into(), prefix: 24 }];
        let device = Device {
            name: name.into(),
            mtu_bytes: 1500,
            addresses,
            any_destination: true,
            arp: false,
            ..Device::default()
        };
        engine.handle_command(now, Command::AddDevice(device)).expect("a device");
    }
    let text = "-A FORWARD -m conntrack --ctstate INVALID -j DROP";
    let rules = RuleSet::parse(&[Source { name: "rules", text }], &Loading::default()).expect("a rule");
    engine.handle_command(now, Command::ReplaceRules(Box::new(rules))).expect("rules");
    let mut bytes = frame("lan", "10.0.0.2 > 198.51.100.7 sctp len 32");
    // Ports, no tag, nothing filled in; INIT with a tag, a window, a stream each way and a first number.
    let init =
        [0x13, 0x88, 0, 53, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 20, 0, 0, 0, 7, 0, 0, 32, 0, 0, 1, 0, 1, 0, 0, 0, 1];
    bytes[34..].copy_from_slice(&init);
    let checksum = Checksum::Partial { start: 34, offset: 8 };
    engine.handle_frames(now, &[Frame { checksum, ..Frame::new(DeviceId(0), &bytes) }]);
    let sent = engine.poll_transmit().expect("it passes");
    let transport = &sent.head()[34..];
    let mut zeroed = transport.to_vec();
    zeroed[SCTP_CHECKSUM].fill(0);
    assert_eq!(sent.checksum(), Checksum::None, "no device knows this sum");
    assert_eq!(transport[SCTP_CHECKSUM], crc32c([&zeroed[..]]).to_le_bytes());
}
