//! Components that answer against their manifest, through an engine: what they wish for does not come true, it costs their own
//! packet, and then themselves.

use std::{fmt::Write, net::Ipv4Addr};

use towpath_engine::{
    Command, DeviceId, DropReason, Engine, Event, Frame, Instant, Subscription,
    conntrack::{HelperEvent, calling::Refusal, helper::HelperFailure},
    device::{Device, InterfaceAddress},
    ip::{Route, RouteKind},
    limits::{HELPER_FAILING_CLIENTS_MAX, HELPER_FAILURES_MAX},
    netfilter::{Loading, RuleSet, Source},
    packet::Sketch,
    wire::MacAddr,
};

use crate::{made::Made, runtime};

#[test]
fn a_site_beyond_the_payload_breaks_the_contract() {
    for site in [(0, 100), (100, 1), (u32::MAX, 1), (1, u32::MAX)] {
        let (dropped, event, _) = answered(&Wish { site, ..Wish::default() });
        assert_eq!(dropped, Some(DropReason::HelperFailed), "{site:?}");
        assert!(matches!(event, HelperEvent::Failed { failure: HelperFailure::Contract, .. }), "{site:?}: {event:?}");
    }
}

#[test]
fn a_class_that_its_manifest_does_not_have_breaks_the_contract() {
    let (dropped, event, _) = answered(&Wish { class: 1, ..Wish::default() });
    assert_eq!(dropped, Some(DropReason::HelperFailed));
    assert!(matches!(event, HelperEvent::Failed { failure: HelperFailure::Contract, .. }), "{event:?}");
}

#[test]
fn what_its_class_does_not_allow_is_refused_and_its_packet_dropped() {
    for (wish, wanted) in [
        (Wish { protocol: 1, ..Wish::default() }, Refusal::Protocol),
        (Wish { source: [192, 0, 2, 1], ..Wish::default() }, Refusal::Opener),
        (Wish { permanent: 1, ..Wish::default() }, Refusal::Permanent),
        (Wish { rendered: 100, ..Wish::default() }, Refusal::RewriteSize(96)),
    ] {
        let (dropped, event, _) = answered(&wish);
        assert_eq!(dropped, Some(DropReason::HelperFailed), "{wanted:?}");
        assert!(matches!(event, HelperEvent::Refused { refusal, .. } if refusal == wanted), "{event:?}");
    }
}

#[test]
fn a_third_party_is_refused_and_its_packet_goes_on() {
    let (dropped, event, _) = answered(&Wish { destination: [10, 0, 0, 9], ..Wish::default() });
    assert_eq!(dropped, None);
    assert!(matches!(event, HelperEvent::Refused { refusal: Refusal::ThirdParty(_), .. }), "{event:?}");
}

#[test]
fn what_it_may_wish_for_is_expected() {
    let mut gateway = Gateway::new(&Wish::default());
    assert_eq!(gateway.say(40_000), None);
    let waiting: Vec<_> =
        gateway.engine.conntrack().expectations().iter().map(|waiting| waiting.tuple.to_string()).collect();
    assert_eq!(waiting, ["198.51.100.7:0 > 203.0.113.1:5282 tcp"], "else the tests above show nothing");
}

#[test]
fn who_fails_for_too_many_is_asked_no_more_and_everybody_goes_on_unread() {
    let (_, _, mut gateway) = answered(&Wish { class: 1, ..Wish::default() });
    for client in 1..HELPER_FAILING_CLIENTS_MAX as u8 {
        assert_eq!(
            gateway.say_from([10, 0, 0, 100 + client], 41_000 + u16::from(client)),
            Some(DropReason::HelperFailed),
            "{client}"
        );
    }
    assert!(gateway.is_unread([10, 0, 0, 200], 50_000));
    assert!(gateway.engine.helpers().iter().all(|helper| helper.is_quarantined));
}

#[test]
fn a_client_on_whom_a_helper_fails_too_often_loses_it_and_nobody_else_does() {
    let (_, _, mut gateway) = answered(&Wish { class: 1, ..Wish::default() });
    for number in 1..HELPER_FAILURES_MAX as u16 {
        assert_eq!(gateway.say(40_000 + number), Some(DropReason::HelperFailed), "{number}");
    }
    assert!(gateway.is_unread([10, 0, 0, 2], 50_000));
    assert!(gateway.engine.helpers().iter().all(|helper| !helper.is_quarantined));
    assert_eq!(gateway.say_from([10, 0, 0, 3], 42_000), Some(DropReason::HelperFailed), "it is asked for others");
    let helpers = gateway.engine.helpers();
    let barred = |at| helpers.iter().map(|helper| helpers.barred(helper.id, Instant::from_secs(at))).sum::<usize>();
    assert_eq!([1, 1000].map(barred), [1, 0], "of one, for a while");
}

/// What comes of the first packet of a connection whose helper answers every payload with that wish; nothing is expected then.
fn answered(wish: &Wish) -> (Option<DropReason>, HelperEvent, Gateway) {
    let mut gateway = Gateway::new(wish);
    let dropped = gateway.say(40_000);
    assert!(gateway.engine.conntrack().expectations().is_empty());
    let event = gateway.events.first().cloned().expect("it is told");
    (dropped, event, gateway)
}

/// What the component answers.
struct Wish {
    class: u8,
    /// 0: TCP; 1: UDP.
    protocol: u8,
    source: [u8; 4],
    destination: [u8; 4],
    permanent: u8,
    /// Offset and length.
    site: (u32, u32),
    /// How many bytes it renders.
    rendered: u32,
}

impl Default for Wish {
    fn default() -> Self {
        let (source, destination) = ([198, 51, 100, 7], [10, 0, 0, 2]);
        Self { class: 0, protocol: 0, source, destination, permanent: 0, site: (0, 4), rendered: 4 }
    }
}

impl Wish {
    /// A component that answers so.
    fn component(&self) -> Vec<u8> {
        let number = |at: usize, number: u32| (at, number.to_le_bytes().to_vec());
        let address = |octets: [u8; 4]| u32::from_be_bytes(octets).to_le_bytes().to_vec();
        // An inspection: accepted, one wish.
        let mut parts = vec![(4096, vec![1]), number(4104, WISH), number(4108, 1)];
        let wish = WISH as usize;
        parts.extend([(wish, vec![self.class, self.protocol]), (wish + 88, vec![1, self.permanent])]);
        // The opener from any port; port 5282 of the destination.
        for (at, octets) in [(8, self.source), (48, self.destination)] {
            parts.extend([(wish + at, vec![1]), (wish + at + 16, address(octets))]);
        }
        parts.push((wish + 48 + 34, vec![1, 0, 0xa2, 0x14]));
        parts.extend([(wish + 92, vec![1]), number(wish + 96, self.site.0), number(wish + 100, self.site.1)]);
        // A list of what lies at 6000.
        parts.extend([number(5000, 6000), number(5004, self.rendered), (6000, vec![b'x'; 200])]);
        let mut more = String::new();
        for (at, bytes) in parts {
            let bytes: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
            write!(more, r#"(data (i32.const {at}) "{bytes}")"#).expect("text can be written to");
        }
        let (inspect, render) = ("i32.const 4096", "i32.const 5000");
        Made { name: "evil", inspect, render, more: more.leak(), ..Made::default() }.component()
    }
}

/// Where the wish lies.
const WISH: u32 = 4352;

/// A gateway that masquerades, with that component at TCP port 21.
struct Gateway {
    engine: Engine,
    events: Vec<HelperEvent>,
}

impl Gateway {
    fn new(wish: &Wish) -> Self {
        let plugin = runtime().load_bytes(&wish.component()).expect("it is a helper");
        let mut engine = Engine::new(1);
        let mut give = |command| engine.handle_command(Instant::from_secs(1), command).expect("a right command");
        for (name, address) in [("lan", [10, 0, 0, 1]), ("wan", [203, 0, 113, 1])] {
            give(Command::AddDevice(Device {
                name: name.into(),
                mtu_bytes: 1500,
                addresses: vec![InterfaceAddress { address: address.into(), prefix: 24 }],
                any_destination: true,
                arp: false,
                ..Device::default()
            }));
        }
        let kind = RouteKind::Unicast { device: DeviceId(1), via: Some([203, 0, 113, 254].into()) };
        give(Command::AddRoute(Route::new([0; 4].into(), 0, kind)));
        give(Command::LoadHelper(Box::new(plugin)));
        give(Command::AttachHelpersByPort(true));
        give(Command::Subscribe(Subscription { helper: true, ..Subscription::default() }));
        let text = "-t nat -A POSTROUTING -o wan -j MASQUERADE";
        let rules = RuleSet::parse(&[Source { name: "rules", text }], &Loading::default()).expect("right rules");
        give(Command::ReplaceRules(Box::new(rules)));
        Self { engine, events: Vec::new() }
    }

    /// Opens a connection from that port and says something; why that was dropped, if it was.
    fn say(&mut self, local: u16) -> Option<DropReason> {
        self.say_from([10, 0, 0, 2], local)
    }

    /// Whether what a client says goes on and no helper is asked.
    fn is_unread(&mut self, client: [u8; 4], local: u16) -> bool {
        let calls = |engine: &Engine| engine.helpers().iter().map(|helper| helper.calls).sum::<u64>();
        let before = calls(&self.engine);
        self.say_from(client, local).is_none() && calls(&self.engine) == before
    }

    /// The same of another client.
    fn say_from(&mut self, client: [u8; 4], local: u16) -> Option<DropReason> {
        let out = format!("{}:{local} > 198.51.100.7:21", Ipv4Addr::from(client));
        self.feed(0, &format!("{out} S seq 100"));
        self.feed(1, &format!("198.51.100.7:21 > 203.0.113.1:{local} SA seq 500 ack 101"));
        self.feed(0, &format!("{out} A seq 101 ack 501"));
        let before = self.engine.stats();
        self.feed(0, &format!(r#"{out} PA seq 101 ack 501 data "hello, helper""#));
        let after = self.engine.stats();
        DropReason::ALL.iter().copied().find(|reason| after.drops(*reason) > before.drops(*reason))
    }

    fn feed(&mut self, device: u16, line: &str) {
        let sketch: Sketch = line.parse().expect("a right line");
        let frame = sketch.frame(MacAddr([2; 6]), MacAddr([2; 6]));
        self.engine.handle_frames(Instant::from_secs(10), &[Frame::new(DeviceId(device), &frame)]);
        while let Some(transmit) = self.engine.poll_transmit() {
            self.engine.recycle(transmit);
        }
        while let Some((_, event)) = self.engine.poll_event() {
            if let Event::Helper(event) = event {
                self.events.push(event);
            }
        }
    }
}
