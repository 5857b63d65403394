//! A helper whose answers are any bytes: whatever it says, nothing breaks, and nothing is expected beyond its manifest.

use std::{cell::RefCell, net::IpAddr, time::Duration};

use towpath_engine::{
    Command, DeviceId, Engine, Instant,
    conntrack::{
        Address, Direction,
        helper::{
            AttachPoint, ExpectClass, FailurePolicy, Framing, Helper, HelperContext, HelperEndpoint, HelperFailure,
            HelperVerdict, Inspection, Manifest, Opener, Pattern, Site, Wish,
        },
    },
    limits::{HELPER_LINES_MAX, HELPER_SITE_BYTES_MAX, HELPER_WISHES_MAX},
    packet::Sketch,
    wire::{MacAddr, Protocol},
};

use super::{feed, gateway};

/// Leads a conversation through a gateway whose helper answers with these bytes.
///
/// A gateway is dear and serves many such helpers, one after the other, before it is made anew: each finds no connection and
/// nothing expected.
///
/// # Panics
/// When something is expected that the manifest does not allow.
pub fn boundary(data: &[u8]) {
    STAGE.with_borrow_mut(|stage| {
        let mut ready = stage.take().filter(|stage| stage.served < SERVED_MAX).unwrap_or_else(Stage::new);
        ready.play(Evil::new(data));
        // Left out when it has panicked.
        *stage = Some(ready);
    });
}

thread_local! {
    static STAGE: RefCell<Option<Stage>> = const { RefCell::new(None) };
}

/// Helpers that a gateway serves.
const SERVED_MAX: u32 = 1000;

/// A gateway, and what goes through it.
struct Stage {
    engine: Engine,
    frames: Vec<(u16, Vec<u8>)>,
    served: u32,
}

impl Stage {
    fn new() -> Self {
        let mut engine = gateway();
        let router = [203, 0, 113, 254].into();
        let known = Command::AddNeighbour { device: DeviceId(1), address: router, mac: MacAddr([2; 6]) };
        engine.handle_command(NOW, known).unwrap_or_else(|error| panic!("{error}"));
        Self { engine, frames: conversation(), served: 0 }
    }

    fn play(&mut self, evil: Evil) {
        self.served += 1;
        let manifest = evil.manifest.clone();
        for command in [Command::FlushConntrack, Command::LoadHelper(Box::new(evil))] {
            self.engine.handle_command(NOW, command).unwrap_or_else(|error| panic!("{error}"));
        }
        assert!(self.engine.conntrack().expectations().is_empty(), "nothing is left of the one before");
        for (device, frame) in &self.frames {
            let out = feed(&mut self.engine, NOW, *device, frame);
            keeps_to(&self.engine, &manifest);
            writes_endpoints(&manifest, frame, &out);
        }
    }
}

const NOW: Instant = Instant::from_secs(1);
const OUT: &str = "10.0.0.2:40000 > 198.51.100.7:2121";
const BACK: &str = "198.51.100.7:2121 > 203.0.113.1:40000";

/// A TCP connection to the helper's port, with lines from both sides.
fn conversation() -> Vec<(u16, Vec<u8>)> {
    let mut frames = vec![
        (0, frame(&format!("{OUT} S seq 100"))),
        (1, frame(&format!("{BACK} SA seq 500 ack 101"))),
        (0, frame(&format!("{OUT} A seq 101 ack 501"))),
    ];
    let mut sent = [101, 501];
    for (number, line) in LINES.iter().enumerate() {
        let side = number % 2;
        let [mine, theirs] = if side == 0 { sent } else { [sent[1], sent[0]] };
        let ends = if side == 0 { OUT } else { BACK };
        frames.push((side as u16, frame(&format!("{ends} PA seq {mine} ack {theirs} data \"{line}\""))));
        // Each escape is two letters for one byte.
        sent[side] += line.len() - line.matches('\\').count();
    }
    frames
}

/// Lines of several lengths; the numbers in the middle are where sites may lie.
const LINES: [&str; 6] = [
    r"OPEN 10.0.0.2:5282 and 10.0.0.2:5283\r\n",
    r"227 (198,51,100,7,20,162)\r\n",
    r"A\r\nB\r\nC 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18\r\n",
    r"\r\n",
    r"OPEN 10.0.0.2:22\r\nOPEN 10.0.0.9:5284\r\n",
    r"the end of it\r\n",
];

fn frame(line: &str) -> Vec<u8> {
    let sketch: Sketch = line.parse().unwrap_or_else(|error| panic!("{line}: {error}"));
    sketch.frame(MacAddr([2; 6]), MacAddr::BROADCAST)
}

/// Holds all that is expected against the manifest.
fn keeps_to(engine: &Engine, manifest: &Manifest) {
    let ends: [Address; 3] = [[10, 0, 0, 2], [203, 0, 113, 1], [198, 51, 100, 7]].map(|end| IpAddr::from(end).into());
    let waiting: Vec<_> = engine.conntrack().expectations().iter().collect();
    for (number, class) in manifest.classes.iter().enumerate() {
        let of_class = || waiting.iter().filter(|waiting| usize::from(waiting.class) == number);
        assert!(of_class().count() <= usize::from(class.expected_max), "{waiting:?}");
        for one in of_class() {
            let announced = one.nat.map_or(one.tuple.destination_port, |nat| nat.port);
            let is_own = [40_000, 2121].contains(&announced);
            assert!(class.ports.contains(&announced) && (announced >= 1024 || is_own), "{one:?}");
            assert!(class.loose || ends.contains(&one.tuple.destination), "{one:?}");
            assert_eq!(one.tuple.protocol(), class.protocol, "{one:?}");
            assert!(class.permanent || !one.permanent, "{one:?}");
            let is_open = one.mask.address != Address::v4([255; 4]);
            assert!(class.opener == Opener::Anyone || !is_open, "{one:?}");
        }
    }
    let classes = manifest.classes.len();
    assert!(waiting.iter().all(|waiting| usize::from(waiting.class) < classes), "{waiting:?}");
}

/// Holds what goes out in place of a frame against the manifest: no line has come or gone, and no more was written than may be.
fn writes_endpoints(manifest: &Manifest, frame: &[u8], out: &[Vec<u8>]) {
    let before = payload(frame);
    for after in out.iter().map(|frame| payload(frame)) {
        if manifest.rewrite_bytes_max == 0 {
            assert_eq!(after, before, "nothing may be written");
        }
        if manifest.framing != Framing::Packet {
            let ends = |bytes: &[u8]| {
                bytes.iter().copied().filter(|byte| matches!(byte, b'\r' | b'\n' | 0)).collect::<Vec<u8>>()
            };
            assert_eq!(ends(after), ends(before), "\"{}\"", after.escape_ascii());
        }
        let texts = HELPER_LINES_MAX * HELPER_WISHES_MAX;
        let grown = after.len().abs_diff(before.len());
        assert!(grown <= texts * HELPER_SITE_BYTES_MAX.min(manifest.rewrite_bytes_max.into()), "{grown} bytes");
    }
}

/// The payload of a TCP segment over IPv4, in an Ethernet frame without tags.
fn payload(frame: &[u8]) -> &[u8] {
    let ip = &frame[14..];
    let (header, total) = (usize::from(ip[0] & 15) * 4, usize::from(u16::from_be_bytes([ip[2], ip[3]])));
    let tcp = &ip[header..total];
    &tcp[usize::from(tcp[12] >> 4) * 4..]
}

/// A helper that answers with bytes, one after the other; zeros when there are no more.
struct Evil {
    manifest: Manifest,
    answers: Vec<u8>,
    at: usize,
}

impl Evil {
    fn new(data: &[u8]) -> Self {
        let (head, answers) = data.split_at(data.len().min(8));
        let byte = |at: usize| head.get(at).copied().unwrap_or_default();
        let class = |name: &str, bits: u8| ExpectClass {
            name: name.into(),
            protocol: if bits & 1 == 0 { Protocol::TCP } else { Protocol::UDP },
            direction: [None, Some(Direction::Original), Some(Direction::Reply), None][usize::from(bits >> 1 & 3)],
            opener: if bits & 8 == 0 { Opener::Peer } else { Opener::Anyone },
            ports: if bits & 16 == 0 { 0..=u16::MAX } else { 5000..=6000 },
            loose: bits & 32 != 0,
            permanent: bits & 64 != 0,
            ends_master: bits & 128 != 0,
            expected_max: 1 + u16::from(bits >> 5),
            timeout: Duration::from_secs(60),
        };
        let pick = |at: usize| usize::from(byte(at) % 3);
        let manifest = Manifest {
            name: "evil".into(),
            attach: vec![AttachPoint { protocol: Protocol::TCP, ports: 2121..=2121 }],
            framing: [Framing::Packet, Framing::Lines, Framing::LooseLines][pick(0)],
            triggers: Vec::new(),
            openings: Vec::new(),
            classes: vec![class("one", byte(1)), class("other", byte(2))],
            rewrite_bytes_max: [0, 8, u16::MAX][pick(3)],
            state_bytes_max: [0, 8, 1024][pick(4)],
            fuel_per_call: 0,
            memory_bytes_max: 0,
            on_failure: [FailurePolicy::Pass, FailurePolicy::Drop, FailurePolicy::Detach][pick(5)],
        };
        Self { manifest, answers: answers.to_vec(), at: 0 }
    }

    fn byte(&mut self) -> u8 {
        self.at += 1;
        self.answers.get(self.at - 1).copied().unwrap_or_default()
    }

    fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// Bytes of a length that is mostly small.
    fn bytes(&mut self) -> Vec<u8> {
        let len = match self.byte() {
            255 => 70_000,
            254 => 1025,
            len => usize::from(len),
        };
        vec![self.byte(); len]
    }

    fn failure(&mut self) -> Option<HelperFailure> {
        match self.byte() {
            252 => Some(HelperFailure::Trap),
            253 => Some(HelperFailure::Fuel),
            254 => Some(HelperFailure::Memory),
            255 => Some(HelperFailure::Contract),
            _ => None,
        }
    }

    fn address(&mut self) -> Option<IpAddr> {
        match self.byte() % 8 {
            0 => None,
            1 => Some([10, 0, 0, 2].into()),
            2 => Some([198, 51, 100, 7].into()),
            3 => Some([203, 0, 113, 1].into()),
            4 => Some([0; 16].into()),
            5 => Some([0; 4].into()),
            6 => Some([255; 4].into()),
            _ => Some([10, 0, 0, self.byte()].into()),
        }
    }

    fn pattern(&mut self) -> Pattern {
        let address = self.address();
        let (prefix, port) = (self.byte(), self.byte());
        Pattern {
            address,
            prefix: (prefix > 200).then(|| self.byte()),
            port: match port % 4 {
                0 => None,
                1 => Some(40_000),
                2 => Some(5000 + u16::from(self.byte())),
                _ => Some(self.word()),
            },
        }
    }

    fn wish(&mut self) -> Wish {
        let what = self.byte();
        Wish {
            class: what & 3,
            protocol: if what & 4 == 0 { Protocol::TCP } else { Protocol(self.byte()) },
            source: self.pattern(),
            destination: self.pattern(),
            direction: if what & 8 == 0 { Direction::Reply } else { Direction::Original },
            permanent: what & 16 != 0,
            site: (what & 32 == 0).then(|| {
                let (offset, length) = (self.byte(), self.byte());
                let wide = |small: u8| if small == 255 { u32::MAX } else { small.into() };
                Site { offset: wide(offset), length: wide(length), token: self.byte().into() }
            }),
        }
    }
}

impl Helper for Evil {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn component_hash(&self) -> [u8; 32] {
        [0; 32]
    }

    fn inspect(&mut self, _: &HelperContext, _: &[u8], _: &[u8]) -> Result<Inspection, HelperFailure> {
        if let Some(failure) = self.failure() {
            return Err(failure);
        }
        let verdicts =
            [HelperVerdict::Accept, HelperVerdict::Incomplete, HelperVerdict::Malformed, HelperVerdict::Foreign];
        let how = self.byte();
        let verdict = if how < 200 { verdicts[0] } else { verdicts[usize::from(how % 4)] };
        let wishes = (0..self.byte() % 20).map(|_| self.wish()).collect();
        let state = (how % 2 == 1).then(|| self.bytes());
        Ok(Inspection { verdict, wishes, state })
    }

    fn render(&mut self, _: &HelperContext, _: &[u8], _: Site, _: HelperEndpoint) -> Result<Vec<u8>, HelperFailure> {
        match self.failure() {
            Some(failure) => Err(failure),
            None => Ok(self.bytes()),
        }
    }
}
