//! Which connection a frame says that it belongs to changes nothing, whether it is right or wrong.

mod traffic;

use std::net::Ipv4Addr;

use proptest::prelude::*;
use towpath_engine::{
    Command, DeviceId, Ending, Engine, Frame, Instant, Subscription,
    conntrack::{ConnId, Direction},
};
use traffic::{Header, LAN, WAN, frame, pass, router};

/// What the packets of a batch say of their flows.
type Said = Option<(ConnId, Direction)>;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn what_a_frame_says_of_its_flow_changes_nothing(
        packets in proptest::collection::vec((0_u8..4, any::<bool>(), flags(), said()), 1..60),
        batch in 1_usize..5,
    ) {
        let (mut told, mut untold) = (observed(), observed());
        for (step, packets) in packets.chunks(batch).enumerate() {
            // Some connections run out on the way.
            let now = Instant::from_secs(10 + 40 * step as u64);
            let said = hand_over(&mut told, now, packets.iter().map(|&(flow, is_answer, flags, said)| (flow, is_answer, flags, said)));
            let unsaid = hand_over(&mut untold, now, packets.iter().map(|&(flow, is_answer, flags, _)| (flow, is_answer, flags, None)));
            prop_assert_eq!(said, unsaid);
        }
        prop_assert_eq!(known(&told), known(&untold));
    }
}

#[test]
fn a_frame_that_tells_its_flow_is_taken_as_one_of_it() {
    let mut engine = observed();
    let now = Instant::from_secs(10);
    let header = Header { source: CLIENT, destination: SERVER, ports: (40_000, 80), flags: None, ttl: 64, tos: 0 };
    pass(&mut engine, now, LAN, &frame(LAN, &header));
    let connection = endings(&mut engine)[0].tracking.connection().expect("it is tracked");
    let (_, endings) = hand_over(&mut engine, now, [(0, true, None, Some((connection, Direction::Reply)))].into_iter());
    assert_eq!(endings[0].tracking.connection(), Some(connection));
}

fn observed() -> Engine {
    let mut engine = router("*nat\n-A POSTROUTING -o wan -j MASQUERADE\nCOMMIT\n*filter\nCOMMIT\n");
    let endings = Subscription { endings: true, ..Subscription::default() };
    engine.handle_command(Instant::ZERO, Command::Subscribe(endings)).expect("a subscription");
    engine
}

/// All that an engine knows, but for how often it has summed: where a guess was right and the packet is no usual one, it does so again.
fn known(engine: &Engine) -> String {
    let known = format!("{:#?}", engine.snapshot());
    let is_sum = |line: &&str| ["sums: ", "summed_bytes: "].iter().any(|name| line.trim_start().starts_with(name));
    assert_eq!(known.lines().filter(is_sum).count(), 2, "they stand where they are left out");
    known.lines().filter(|line| !is_sum(line)).collect::<Vec<_>>().join("\n")
}

/// Hands packets over together and gives what leaves and how they end.
fn hand_over(
    engine: &mut Engine,
    now: Instant,
    packets: impl Iterator<Item = (u8, bool, Option<u8>, Said)>,
) -> (Vec<(DeviceId, Vec<u8>)>, Vec<Ending>) {
    let frames: Vec<(DeviceId, Vec<u8>, Said)> = packets
        .map(|(flow, is_answer, flags, said)| {
            let (client, server) = ((CLIENT, 40_000 + u16::from(flow)), (SERVER, 80));
            let (device, from, to) = if is_answer { (WAN, server, (PUBLIC, client.1)) } else { (LAN, client, server) };
            let flags = flags.filter(|_| flow % 2 == 1);
            let header = Header { source: from.0, destination: to.0, ports: (from.1, to.1), flags, ttl: 64, tos: 0 };
            (device, frame(device, &header), said)
        })
        .collect();
    let frames: Vec<Frame<'_>> =
        frames.iter().map(|(device, bytes, said)| Frame { flow: *said, ..Frame::new(*device, bytes) }).collect();
    engine.handle_frames(now, &frames);
    let mut sent = Vec::new();
    while let Some(transmit) = engine.poll_transmit() {
        sent.push((transmit.device, transmit.head().to_vec()));
        engine.recycle(transmit);
    }
    (sent, endings(engine))
}

fn endings(engine: &mut Engine) -> Vec<Ending> {
    std::iter::from_fn(|| engine.poll_ending()).collect()
}

fn flags() -> impl Strategy<Value = Option<u8>> {
    prop_oneof![Just(Some(0x10_u8)), Just(Some(0x02)), Just(Some(0x12)), Just(Some(0x11)), Just(None)]
}

/// Of few slots, most of which are taken at one time or another, and of some that never are.
fn said() -> impl Strategy<Value = Said> {
    let direction = prop_oneof![Just(Direction::Original), Just(Direction::Reply)];
    let slot = prop_oneof![9 => 0_u32..4, 1 => any::<u32>()];
    let id = (slot, 0_u32..5).prop_map(|(slot, generation)| ConnId { slot, generation });
    proptest::option::weighted(0.9, (id, direction))
}

const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const SERVER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
const PUBLIC: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
