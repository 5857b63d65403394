//! How often the payload of a packet is copied and summed between the ring that it comes from and the ring that it leaves by.

use lab::frame;
use towpath_engine::{
    Checksum, Command, DeviceId, Engine, Frame, Gso, GsoKind, Instant, Transmit,
    device::{Device, Feature, InterfaceAddress},
    netfilter::{Loading, RuleSet, Source},
    packet::Touched,
};

const NOT_AT_ALL: Touched = Touched { copies: 0, copied_bytes: 0, sums: 0, summed_bytes: 0 };

const PASSES: &str = "-A FORWARD -m conntrack --ctstate INVALID -j DROP";

const MASQUERADES: &str = "-A FORWARD -m conntrack --ctstate INVALID -j DROP\n-t nat -A POSTROUTING -o wan -j MASQUERADE\n\
    -t mangle -A FORWARD -p tcp -j TOS --set-tos 0x10";

#[test]
fn a_frame_whose_device_has_verified_it_is_forwarded_without_a_look_at_its_payload() {
    for rules in [PASSES, MASQUERADES] {
        let mut router = router(rules);
        for len in [1, 100, 1400] {
            let bytes = frame("lan", &format!("10.0.0.2:4000 > 198.51.100.7:80 A seq 1 ack 1 len {len}"));
            let sent = router.forward(Frame { checksum: Checksum::Unnecessary, ..Frame::new(DeviceId(0), &bytes) });
            assert_eq!(sent.packet.touched(), NOT_AT_ALL, "{len} bytes, by {rules}");
            router.0.recycle(sent);
        }
        assert_eq!(router.0.stats().touched, NOT_AT_ALL);
    }
}

#[test]
fn a_super_packet_is_forwarded_without_a_look_at_its_payload_whatever_is_left_to_devices() {
    for rules in [PASSES, MASQUERADES] {
        let mut router = router(rules);
        let sent = router.forward_super_packet();
        assert_eq!((sent.packet.touched(), sent.len()), (NOT_AT_ALL, 54 + 60_000));
        router.0.recycle(sent);
        assert_eq!(router.0.stats().touched, NOT_AT_ALL);
    }
}

#[test]
fn what_no_device_has_verified_is_summed_once_by_connection_tracking_and_not_where_that_is_off() {
    let bytes = frame("lan", "10.0.0.2:4000 > 198.51.100.7:80 A seq 1 ack 1 len 1000");
    for (verifies, sums) in [(1, 1), (0, 0)] {
        let mut router = router(MASQUERADES);
        router
            .0
            .handle_command(Instant::ZERO, sysctl("net.netfilter.nf_conntrack_checksum", verifies))
            .expect("a tunable");
        let sent = router.forward(Frame::new(DeviceId(0), &bytes));
        let touched = sent.packet.touched();
        assert_eq!((touched.copies, touched.sums), (0, sums));
        // Along with the addresses of the pseudo-header, which are not counted.
        assert!(touched.summed_bytes == sums * 1020 || touched.summed_bytes == sums * 1028, "{touched:?}");
    }
}

#[test]
fn a_device_that_does_not_sum_costs_one_pass_and_one_that_does_not_cut_the_copy_of_what_lay_beside_the_headers() {
    let mut router = router(PASSES);
    router.feature("tso", false);
    let mut sent = vec![router.forward_super_packet()];
    sent.extend(core::iter::from_fn(|| router.0.poll_transmit()));
    assert_eq!(sent.len(), 60);
    let copied: u64 = sent.iter().map(|part| part.packet.touched().copied_bytes).sum();
    // Of long frames 256 bytes lie with the headers; all others are shared.
    assert_eq!(copied, 256 - 54);
    assert!(sent.iter().all(|part| part.packet.touched().sums == 0));
    router.feature("tx", false);
    let sent = router.forward_super_packet();
    assert_eq!((sent.packet.touched().sums, sent.packet.touched().summed_bytes), (1, 1020));
}

#[test]
fn a_device_that_does_not_gather_costs_the_copy_of_all_that_lies_apart_from_the_headers() {
    let mut router = router(PASSES);
    router.feature("tso", false);
    let sent = |router: &mut Router| {
        let first = router.forward_super_packet();
        let mut all = vec![first];
        all.extend(core::iter::from_fn(|| router.0.poll_transmit()));
        all
    };
    let whole = |part: &Transmit| [part.head()].into_iter().chain(part.fragments()).collect::<Vec<_>>().concat();
    let gathered = sent(&mut router);
    router.feature("sg", false);
    let joined = sent(&mut router);
    assert!(gathered.iter().all(|part| part.fragments().count() > 0));
    assert!(joined.iter().all(|part| part.fragments().count() == 0));
    assert!(joined.iter().map(whole).eq(gathered.iter().map(whole)));
    let copied: u64 = joined.iter().map(|part| part.packet.touched().copied_bytes).sum();
    assert_eq!((joined.len(), copied), (60, 60_000));
}

#[test]
fn what_a_device_says_of_checksums_counts_while_it_is_to_verify_them() {
    let mut bytes = frame("lan", "10.0.0.2:4000 > 198.51.100.7:80 A seq 1 ack 1 len 100");
    *bytes.last_mut().expect("a payload") ^= 1;
    let said = |checksum| Frame { checksum, ..Frame::new(DeviceId(0), &bytes) };
    let mut router = router(PASSES);
    let mut passes = |verifies, checksum| {
        let verify = Command::SetFeature(DeviceId(0), Feature::RECEIVE_CHECKSUMMING, verifies);
        router.0.handle_command(Instant::ZERO, verify).expect("a feature");
        router.0.handle_frames(Instant::ZERO, &[said(checksum)]);
        router.0.poll_transmit().is_some()
    };
    assert!(passes(true, Checksum::Unnecessary));
    assert!(!passes(false, Checksum::Unnecessary), "it is wrong");
    assert!(!passes(true, Checksum::None));
    assert!(passes(false, Checksum::Partial { start: 34, offset: 16 }), "nobody has filled it in");
    assert!(passes(true, Checksum::Unnecessary));
}

#[test]
fn what_is_merged_is_verified_once_for_each_frame_and_copied_by_none() {
    let mut router = router(PASSES);
    router.0.handle_command(Instant::ZERO, Command::SetFeature(DeviceId(0), Feature::GRO, true)).expect("a feature");
    let (segments, len) = (45, 1400);
    let frames: Vec<_> = (0..segments)
        .map(|id| (id, 1 + id * len))
        .map(|(id, seq)| format!("10.0.0.2:4000 > 198.51.100.7:80 A seq {seq} ack 1 len {len} ipid {id} df"))
        .map(|line| frame("lan", &line))
        .collect();
    let frames: Vec<_> = frames.iter().map(|bytes| Frame::new(DeviceId(0), bytes)).collect();
    router.0.handle_frames(Instant::ZERO, &frames);
    let sent = router.0.poll_transmit().expect("one packet");
    assert_eq!((sent.len() as u64, router.0.poll_transmit().is_none()), (54 + segments * len, true));
    let summed = Touched { sums: segments, summed_bytes: segments * (20 + len), ..NOT_AT_ALL };
    assert_eq!(router.0.stats().touched, summed, "by merging; connection tracking trusts it");
    assert_eq!(sent.packet.touched(), NOT_AT_ALL);
}

#[test]
fn what_a_sender_shares_is_the_same_memory_behind_the_next_router() {
    let (mut first, mut second) = (router(PASSES), router(MASQUERADES));
    let sent = first.forward_super_packet();
    let passed = second.forward(sent.as_frame(DeviceId(0)));
    let places = |transmit: &Transmit| transmit.fragments().map(<[u8]>::as_ptr_range).collect::<Vec<_>>();
    assert_eq!((places(&passed), passed.len()), (places(&sent), sent.len()));
    assert_ne!(passed.head(), sent.head(), "its own headers are translated");
    assert_eq!(passed.packet.touched(), NOT_AT_ALL);
}

#[test]
fn a_packet_that_ends_here_is_counted_with_what_was_done_to_it() {
    let mut router = router("-P FORWARD DROP");
    let bytes = frame("lan", "10.0.0.2:4000 > 198.51.100.7:80 A seq 1 ack 1 len 1000");
    router.0.handle_frames(Instant::ZERO, &[Frame::new(DeviceId(0), &bytes)]);
    assert_eq!((router.0.stats().touched.sums, router.0.stats().touched.copies), (1, 0));
    // The answer to an echo request is the request, summed anew, if anybody has to look whether it was right.
    let bytes = frame("lan", "10.0.0.2 > 10.0.0.1 icmp type 8 code 0 id 7 seq 1 len 500");
    router.0.handle_frames(Instant::ZERO, &[Frame::new(DeviceId(0), &bytes)]);
    let answer = router.0.poll_transmit().expect("an answer");
    assert!(answer.packet.touched().sums >= 2 && answer.packet.touched().copies == 0, "{:?}", answer.packet.touched());
    assert_eq!(router.0.stats().touched.sums, 1 + answer.packet.touched().sums);
}

/// A router between two devices.
struct Router(Engine);

fn router(rules: &str) -> Router {
    let mut engine = Engine::new(1);
    for (name, address) in [("lan", [10, 0, 0, 1]), ("wan", [198, 51, 100, 1])] {
        let addresses = vec![InterfaceAddress { address: address.into(), prefix: 24 }];
        let any = Device { any_destination: true, arp: false, ..Device::default() };
        let device = Device { name: name.into(), mtu_bytes: 1500, addresses, ..any };
        engine.handle_command(Instant::ZERO, Command::AddDevice(device)).expect("a device");
    }
    let rules = RuleSet::parse(&[Source { name: "rules", text: rules }], &Loading::default()).expect("rules");
    engine.handle_command(Instant::ZERO, Command::ReplaceRules(Box::new(rules))).expect("rules");
    Router(engine)
}

impl Router {
    fn forward(&mut self, frame: Frame<'_>) -> Transmit {
        self.0.handle_frames(Instant::ZERO, &[frame]);
        self.0.poll_transmit().expect("it is forwarded")
    }

    /// 60 segments of 1000 bytes, whose checksum is left to who sends them.
    fn forward_super_packet(&mut self) -> Transmit {
        let bytes = frame("lan", "10.0.0.2:4000 > 198.51.100.7:80 A seq 1 ack 1 len 60000 df");
        let gso = Some(Gso { kind: GsoKind::Tcp4, size: 1000, segments: 60, fixed_id: false });
        let checksum = Checksum::Partial { start: 34, offset: 16 };
        self.forward(Frame { checksum, gso, ..Frame::new(DeviceId(0), &bytes) })
    }

    fn feature(&mut self, name: &str, on: bool) {
        let feature = Feature::by_name(name).expect("a feature");
        self.0.handle_command(Instant::ZERO, Command::SetFeature(DeviceId(1), feature, on)).expect("a feature");
    }
}

fn sysctl(name: &str, value: u32) -> Command {
    Command::SetSysctl(name.into(), value)
}
