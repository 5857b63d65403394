//! Packets of a machine to itself, which no gateway between two networks ever sees.
//!
//! | the packet | is one where |
//! |---|---|
//! | is from and to addresses of 127.0.0.0/8, or `::1` | it was captured anywhere |
//! | has any other addresses | the capture's interface is named `lo`, and the configuration has not made it one of the gateway's |
//! | | it was captured on all devices (Linux cooked), and its sender's Ethernet address is zero, as that of `lo` is |
//! | is from an address to itself | its sender's Ethernet address is zero, or the link layer is BSD's loopback |
//!
//! With no configuration the gateway stands for the machine as well, and so does one with `[host]`: such packets are fed in as what
//! programs of the machine say to each other. Any other gateway has no part in them.

use towpath_engine::DeviceId;

use super::peek::Peek;
use crate::{
    capture::{self, CapturedPacket, LinkType},
    config::{CaptureName, Config},
    record::NotFed,
};

/// Tells packets of a machine to itself.
#[derive(Debug)]
pub(super) struct Itself {
    /// Whether the gateway has a machine of its own.
    is_heard: bool,
    /// Interfaces of the capture that stand for one of the gateway's, by the configuration's words.
    named: Vec<CaptureName>,
    /// What the capture's interfaces say; filled in as they appear.
    links: Vec<Link>,
}

/// What an interface of a capture says of who sends to whom there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// Whoever sends there sends to himself.
    Loopback,
    /// It stands for all devices of a host.
    Cooked,
    /// It has no stations: perhaps there is nobody else.
    Bare,
    /// It may be any.
    Other,
}

impl Itself {
    pub(super) fn new(config: &Config, is_heard: bool) -> Self {
        let named = config.interfaces.iter().flat_map(|interface| interface.captures.iter().cloned()).collect();
        Self { is_heard, named, links: Vec::new() }
    }

    /// Whether the gateway has a machine of its own.
    pub(super) const fn is_heard(&self) -> bool {
        self.is_heard
    }

    /// Takes note of the interfaces that the capture has described by now.
    pub(super) fn learn(&mut self, interfaces: &[capture::Interface]) {
        for (index, interface) in interfaces.iter().enumerate().skip(self.links.len()) {
            let stands_for = |name: &CaptureName| match name {
                CaptureName::Name(name) => interface.name.as_ref() == Some(name),
                CaptureName::Number(number) => usize::from(*number) == index,
                CaptureName::Ifindex(_) => false,
            };
            let is_named = self.named.iter().any(stands_for);
            let is_loopback = interface.name.as_deref().is_some_and(|name| NAMES.contains(&name));
            self.links.push(match interface.link {
                _ if is_named => Link::Other,
                _ if is_loopback => Link::Loopback,
                LinkType::LINUX_SLL | LinkType::LINUX_SLL2 => Link::Cooked,
                LinkType::NULL | LinkType::LOOP => Link::Bare,
                _ => Link::Other,
            });
        }
    }

    /// Whether a packet is one of a machine to itself.
    #[inline(always)]
    pub(super) fn holds(&self, packet: &CapturedPacket<'_>, frame: &[u8], peek: &Peek) -> bool {
        let Peek { source, destination, .. } = peek;
        if source.is_loopback() && destination.is_loopback() {
            return true;
        }
        let link = self.links.get(usize::from(packet.interface.0)).copied().unwrap_or(Link::Other);
        let is_from_zero = || frame.get(6..12) == Some(&[0; 6]);
        let says_so = match link {
            Link::Loopback => true,
            Link::Cooked => is_from_zero(),
            Link::Bare => source == destination,
            Link::Other => source == destination && is_from_zero(),
        };
        says_so && !source.is_unspecified() && !source.is_multicast()
    }

    /// Where such packets come in.
    pub(super) const fn place(&self) -> Result<DeviceId, NotFed> {
        if self.is_heard { Ok(DeviceId::LOOPBACK) } else { Err(NotFed::ToItself) }
    }
}

/// What systems call the device by which a host sends to itself: Linux, the BSDs and macOS, Windows.
const NAMES: [&str; 3] = ["lo", "lo0", r"\Device\NPF_Loopback"];

#[cfg(test)]
mod tests {
    use core::net::Ipv6Addr;

    use serde_json::Value;
    use towpath_engine::{snapshot::Restoring, wire::Protocol};

    use crate::{
        capture::Capture,
        record::{JsonRecords, PcapngRecords},
        replay::{
            Detail, Replay, Setup, craft,
            tests::{GATEWAY, json, json_of, part, setup},
        },
        write::{PacketWriter, WrittenPacket},
    };

    const ITSELF: [u8; 4] = [127, 0, 0, 1];
    const CLIENT: ([u8; 4], u16) = (ITSELF, 40_000);
    const SERVER: ([u8; 4], u16) = (ITSELF, 80);
    const LAN: [u8; 4] = [192, 168, 1, 5];
    const TUNNEL: [u8; 4] = [10, 8, 0, 5];

    #[test]
    fn a_connection_of_a_machine_to_itself_passes_output_and_input_and_is_delivered() {
        let lines = json("", "", &handshake(), Detail::Path);
        let told = [("NEW", "ORIGINAL"), ("ESTABLISHED", "REPLY"), ("ESTABLISHED", "ORIGINAL")];
        for (line, (state, direction)) in lines.iter().zip(told) {
            assert_eq!((&line["dev"], &line["verdict"]), (&"lo".into(), &"LOCAL_IN".into()), "{line}");
            assert_eq!((&line["state"], &line["dir"]), (&state.into(), &direction.into()));
            assert_eq!(hooks(line), ["OUTPUT", "POSTROUTING", "PREROUTING", "INPUT"]);
            assert_eq!((&line["out"], &line["reason"]), (&Value::Array(Vec::new()), &Value::Null));
        }
        assert_eq!(lines[2]["ct"]["state"], "ESTABLISHED", "{}", lines[2]["ct"]);
    }

    #[test]
    fn so_does_one_over_ipv6() {
        let frame = |ports: [u16; 2]| {
            let transport = [ports[0], ports[1], 12, 0].map(u16::to_be_bytes).concat();
            let whole = [&transport[..], b"data"].concat();
            craft::frame6((Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST), Protocol::UDP, 6, whole)
        };
        let lines = json("", "", &[(0, frame([4000, 53])), (1, frame([53, 4000]))], Detail::Verdicts);
        assert_eq!(brief(&lines), [("NEW", "LOCAL_IN"), ("ESTABLISHED", "LOCAL_IN")]);
    }

    #[test]
    fn nobody_but_the_capture_answers() {
        let ping = |kind| craft::icmp_echo(ITSELF, ITSELF, kind, 7);
        let lines = json("", "", &[(0, ping(8)), (1, ping(0))], Detail::Verdicts);
        assert_eq!(brief(&lines), [("NEW", "LOCAL_IN"), ("ESTABLISHED", "LOCAL_IN")]);
        let counted = [&lines[1]["ct"]["counters_orig"][0], &lines[1]["ct"]["counters_reply"][0]];
        assert_eq!(counted, [1, 1], "{}", lines[1]["ct"]);
        let refused = craft::icmp_error(ITSELF, ITSELF, 3, 3, &craft::udp(CLIENT, (ITSELF, 9), b"x")[14..]);
        let lines = json("", "", &[(0, craft::udp(CLIENT, (ITSELF, 9), b"x")), (1, refused)], Detail::Verdicts);
        assert_eq!(brief(&lines), [("NEW", "LOCAL_IN"), ("RELATED", "LOCAL_IN")]);
        assert!(lines.iter().all(|line| line["out"] == Value::Array(Vec::new())));
    }

    #[test]
    fn rules_of_output_and_input_decide_and_see_one_state_at_every_hook() {
        let states = "-A OUTPUT -o lo -m conntrack --ctstate NEW -j MARK --set-mark 7\n-A POSTROUTING -m mark --mark 7 -m conntrack ! --ctstate NEW -j DROP\n-A PREROUTING -i lo -m mark --mark 7 -m conntrack ! --ctstate NEW -j DROP\n-A INPUT -m mark ! --mark 7 -m conntrack --ctstate NEW -j DROP\n";
        let drop = |chain: &str, target: &str| {
            format!("*mangle\n{states}COMMIT\n*filter\n-A {chain} -p tcp -m tcp --dport 80 -j {target}\nCOMMIT\n")
        };
        let first = |rules: &str| json("", rules, &handshake()[..1], Detail::Path).remove(0);
        assert_eq!(first(&drop("INPUT", "ACCEPT"))["verdict"], "LOCAL_IN");
        for (target, reason) in [("DROP", "FilterRule"), ("REJECT", "FilterReject")] {
            for (chain, verdict) in [("OUTPUT", "DROPPED_BEFORE_FORWARD"), ("INPUT", "DROPPED_INPUT")] {
                let line = first(&drop(chain, target));
                assert_eq!((&line["verdict"], &line["reason"]), (&verdict.into(), &reason.into()), "{line}");
                assert_eq!((&line["rule"]["chain"], &line["state"]), (&chain.into(), &"NEW".into()));
                assert_eq!(line["out"], Value::Array(Vec::new()), "it does not leave the machine");
            }
        }
    }

    #[test]
    fn answers_come_from_the_port_to_which_a_rule_of_output_has_led_the_connection() {
        let rules = "*nat\n-A OUTPUT -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8080\nCOMMIT\n";
        let lines = json("", rules, &handshake(), Detail::Verdicts);
        assert_eq!(lines[1]["pkt"], "127.0.0.1:8080 > 127.0.0.1:40000 tcp SA seq 9000 ack 1001");
        assert_eq!(brief(&lines), [("NEW", "LOCAL_IN"), ("ESTABLISHED", "LOCAL_IN"), ("ESTABLISHED", "LOCAL_IN")]);
    }

    #[test]
    fn a_rule_of_output_can_lead_it_out_of_the_machine() {
        let rules = "*nat\n-A OUTPUT -p tcp -m tcp --dport 80 -j DNAT --to-destination 198.51.100.7\nCOMMIT\n";
        let line = json("", rules, &handshake()[..1], Detail::Verdicts).remove(0);
        assert_eq!((&line["verdict"], &line["out"][0]["dev"]), (&"FORWARDED".into(), &"outside".into()));
    }

    #[test]
    fn what_others_send_in_the_same_capture_passes_through_as_it_would_alone() {
        let other = craft::tcp([10, 0, 0, 2], 40_000, [198, 51, 100, 7], 80);
        let frames: Vec<_> = handshake().into_iter().chain([(3_000_000, other)]).collect();
        let lines = json("", "", &frames, Detail::Verdicts);
        assert_eq!((&lines[3]["dev"], &lines[3]["verdict"]), (&"inside".into(), &"FORWARDED".into()));
    }

    #[test]
    fn any_address_is_the_machines_own_on_an_interface_that_is_named_lo() {
        let frames = [craft::udp((LAN, 1), (TUNNEL, 53), b"?"), craft::udp((TUNNEL, 53), (LAN, 1), b"!")];
        let file = |name: &str| {
            let mut writer = PacketWriter::new(Vec::new(), [name]).unwrap();
            for bytes in &frames {
                let packet = WrittenPacket {
                    interface: 0,
                    time: towpath_engine::Instant::from_nanos(1),
                    bytes,
                    wire_len: 0,
                    direction: None,
                    comment: "",
                };
                writer.write(packet).unwrap();
            }
            writer.finish().unwrap()
        };
        let told = |name, config| json_of(setup(config, "", Detail::Verdicts), &file(name)).0;
        assert_eq!(brief(&told("lo", "")), [("NEW", "LOCAL_IN"), ("ESTABLISHED", "LOCAL_IN")]);
        assert_eq!(brief(&told("eth0", "")), [("NEW", "FORWARDED"), ("ESTABLISHED", "FORWARDED")]);
        let bound = "[[interface]]\nname='a'\ncapture='lo'\nnetworks=['192.168.1.0/24','10.8.0.0/24']\n[[route]]\nto='192.168.1.0/24'\ninterface='a'\n[[route]]\nto='10.8.0.0/24'\ninterface='a'\n";
        assert_eq!(told("lo", bound)[0]["dev"], "a", "the configuration has the last word");
    }

    #[test]
    fn whoever_sends_to_himself_is_a_machine_unless_an_ethernet_card_has_sent_it() {
        let forged = craft::udp((LAN, 9), (LAN, 9), b"land");
        let mut own = forged.clone();
        own[..12].fill(0);
        let lines = json("", "", &[(0, own), (1, forged)], Detail::Verdicts);
        assert_eq!((&lines[0]["dev"], &lines[0]["verdict"]), (&"lo".into(), &"LOCAL_IN".into()));
        assert_eq!(lines[1]["dev"], "inside");
    }

    #[test]
    fn a_gateway_that_is_described_hears_its_machine_only_if_it_has_one() {
        let without = json(GATEWAY, "", &handshake()[..1], Detail::Verdicts).remove(0);
        assert_eq!((&without["verdict"], &without["reason"]), (&"NOT_INJECTED".into(), &"NoHost".into()));
        let with = json(&format!("{GATEWAY}[host]\ndevice='tp0'\n"), "", &handshake(), Detail::Verdicts);
        assert_eq!(brief(&with), [("NEW", "LOCAL_IN"), ("ESTABLISHED", "LOCAL_IN"), ("ESTABLISHED", "LOCAL_IN")]);
    }

    #[test]
    fn a_datagram_in_fragments_is_delivered_with_its_last_one() {
        let whole = craft::udp(CLIENT, (ITSELF, 53), &[7; 40]);
        let (first, last) = (part(&whole, 0..24, 0x2000), part(&whole, 24..48, 3));
        let lines = json("", "", &[(0, first), (1, last)], Detail::Verdicts);
        assert_eq!([&lines[0]["verdict"], &lines[1]["verdict"]], ["HELD_FRAGMENT", "LOCAL_IN"]);
        assert_eq!(lines[1]["state"], "NEW");
    }

    #[test]
    fn a_line_of_a_helper_that_waits_for_its_rest_is_delivered_in_the_end() {
        let client = (ITSELF, 40_000);
        let server = (ITSELF, 21);
        let segment = |from, to, flags, numbers, payload: &[u8]| craft::segment(from, to, flags, numbers, &[], payload);
        let frames: Vec<(u64, Vec<u8>)> = [
            segment(client, server, 0x02, (992, 0), b""),
            segment(server, client, 0x12, (9000, 993), b""),
            segment(server, client, 0x18, (9001, 993), b"220 hello\r\n"),
            segment(client, server, 0x18, (993, 9012), b"USER x\r\n"),
            segment(client, server, 0x18, (1001, 9012), b"PORT 127,0,0,1,"),
            segment(client, server, 0x18, (1016, 9012), b"200,1\r\n"),
        ]
        .into_iter()
        .zip(0..)
        .map(|(frame, at)| (at * 1_000_000, frame))
        .collect();
        let setup = Setup { helpers: towpath_helpers_native::all(), ..setup("", "", Detail::Events) };
        let (lines, _) = json_of(setup, &craft::pcap(&frames));
        assert_eq!([&lines[4]["verdict"], &lines[5]["verdict"]], ["HELD_LINE", "LOCAL_IN"]);
        let late = &lines[5]["late"];
        assert_eq!(
            (late.as_array().map(Vec::len), &late[0]["n"], &late[0]["verdict"]),
            (Some(1), &5.into(), &"LOCAL_IN".into())
        );
        let events: Vec<_> = lines[5]["events"].as_array().unwrap().iter().map(|event| &event["event"]).collect();
        assert_eq!(events.iter().filter(|event| **event == "EXP_NEW").count(), 1, "{events:?}");
    }

    #[test]
    fn what_is_written_as_pcapng_is_replayed_as_it_was() {
        let mut replay = Replay::new(setup("", "", Detail::Verdicts)).map_err(|error| error.to_string()).unwrap();
        let mut records = PcapngRecords::new(Vec::new(), replay.engine()).unwrap();
        let other = craft::tcp([10, 0, 0, 2], 40_000, [198, 51, 100, 7], 80);
        let frames: Vec<_> = handshake().into_iter().chain([(3_000_000, other)]).collect();
        let file = craft::pcap(&frames);
        let written = |record: &crate::record::Record<'_>| records.write(record).is_ok();
        replay.run(&mut Capture::from_bytes(&file).unwrap(), written).unwrap();
        let file = records.finish().unwrap();
        let mut capture = Capture::from_bytes(&file).unwrap();
        let batch = capture.next_batch(10).unwrap();
        let names: Vec<_> = batch.interfaces().iter().filter_map(|interface| interface.name.as_deref()).collect();
        assert_eq!(names, ["inside", "outside", "not fed in", "lo"]);
        let at: Vec<_> = batch.packets().map(|packet| packet.interface.0).collect();
        assert_eq!(at, [3, 3, 3, 0, 1]);
    }

    #[test]
    fn a_gateway_that_was_saved_in_between_goes_on_hearing_its_machine() {
        let file = craft::pcap(&handshake());
        let mut replay = Replay::new(setup("", "", Detail::Verdicts)).map_err(|error| error.to_string()).unwrap();
        let mut capture = Capture::from_bytes(&file).unwrap();
        let mut json = JsonRecords::new(false);
        let mut lines: Vec<Value> = Vec::new();
        while let Some(packet) = capture.next_batch(1).unwrap().packets().next() {
            lines.push(serde_json::from_str(&json.line(&replay.handle(&packet))).unwrap());
            replay.restart(Restoring::default()).unwrap();
        }
        let state = replay.save();
        let resumed = Replay::resume(setup("", "", Detail::Verdicts), &state, false);
        let mut resumed = resumed.map_err(|error| error.to_string()).unwrap();
        resumed
            .run(&mut Capture::from_bytes(&craft::pcap(&handshake()[2..])).unwrap(), |record| {
                lines.push(serde_json::from_str(&json.line(record)).unwrap());
                true
            })
            .unwrap();
        let rest = ("ESTABLISHED", "LOCAL_IN");
        assert_eq!(brief(&lines), [("NEW", "LOCAL_IN"), rest, rest, rest]);
    }

    fn handshake() -> Vec<(u64, Vec<u8>)> {
        vec![
            (1, craft::segment(CLIENT, SERVER, 0x02, (1000, 0), &[], b"")),
            (1_000_000, craft::segment(SERVER, CLIENT, 0x12, (9000, 1001), &[], b"")),
            (2_000_000, craft::segment(CLIENT, SERVER, 0x10, (1001, 9001), &[], b"")),
        ]
    }

    fn brief(lines: &[Value]) -> Vec<(&str, &str)> {
        lines
            .iter()
            .map(|line| (line["state"].as_str().unwrap_or("-"), line["verdict"].as_str().unwrap_or("-")))
            .collect()
    }

    fn hooks(line: &Value) -> Vec<&str> {
        let steps = line["path"].as_array().expect("a path");
        steps.iter().filter(|step| step["step"] == "hook").filter_map(|step| step["hook"].as_str()).collect()
    }
}
