//! The helpers that are loaded.

use alloc::{boxed::Box, collections::VecDeque, string::String, vec::Vec};
use core::{fmt, ops::RangeInclusive};

use super::{failures::Failures, trigger::Triggers};
use crate::{
    conntrack::{
        HelperId,
        helper::{Anchor, Framing, Helper, HelperMode, Manifest, Trigger},
    },
    limits::{
        EXPECTATIONS_PER_MASTER_MAX, HELPER_ATTACH_POINTS_MAX, HELPER_CLASSES_MAX, HELPER_EXPECT_SECONDS_MAX,
        HELPER_NAME_BYTES_MAX, HELPER_OPENINGS_MAX, HELPER_STATE_BYTES_MAX, HELPER_TRIGGER_BYTES_MAX,
        HELPER_TRIGGERS_MAX, HELPERS_MAX,
    },
    packet::Packet,
    time::Instant,
    wire::Protocol,
};

/// The helpers that are loaded, by number. A number whose helper was unloaded, and has left its connections, is free for the next one.
#[derive(Debug, Default)]
pub struct Helpers {
    pub(super) loaded: Vec<Option<Loaded>>,
    /// Those that were unloaded, and up to which slot they have left their connections.
    pub(super) leaving: VecDeque<(HelperId, u32)>,
    pub(super) mode: HelperMode,
    /// Where they are attached, in the order of their numbers. All that comes is held against these, so they lie side by side.
    places: Vec<Place>,
}

/// A place where a helper is attached.
#[derive(Clone, Debug)]
struct Place {
    helper: HelperId,
    protocol: Protocol,
    ports: RangeInclusive<u16>,
}

impl Helpers {
    /// Loads a helper behind its manifest, which the host may have tightened. One of the same name is replaced: its number, its
    /// connections and what it remembers of them stay, its failures are forgotten.
    ///
    /// # Errors
    /// When its manifest cannot be right, or there is no room for another.
    pub fn load(&mut self, helper: Box<dyn Helper>) -> Result<HelperId, LoadError> {
        let manifest = helper.manifest().clone();
        may_load(&manifest)?;
        let is_same = |other: &Option<Loaded>| other.as_ref().is_some_and(|other| other.manifest.name == manifest.name);
        let same = self.loaded.iter().position(is_same);
        let is_leaving = |number: usize| self.leaving.iter().any(|(leaving, _)| usize::from(leaving.0) == number);
        let free = || (0..self.loaded.len()).find(|&number| self.loaded[number].is_none() && !is_leaving(number));
        let number = same.or_else(free).unwrap_or(self.loaded.len());
        let loaded = Some(Loaded::new(helper, manifest));
        match self.loaded.get_mut(number) {
            Some(place) => *place = loaded,
            None if number < HELPERS_MAX => self.loaded.push(loaded),
            None => return Err(LoadError::TooMany(HELPERS_MAX)),
        }
        self.note_places();
        Ok(HelperId(number as u16))
    }

    /// Takes a helper out; `None` when there is none of that number. Whoever does it sees to its expectations,
    /// and to its connections as [`Self::leaving`] says.
    pub(crate) fn unload(&mut self, id: HelperId) -> Option<Box<dyn Helper>> {
        let loaded = self.loaded.get_mut(usize::from(id.0))?.take()?;
        self.leaving.push_back((id, 0));
        self.note_places();
        Some(loaded.helper)
    }

    /// Notes where they are attached; whoever changes which there are calls it.
    pub(super) fn note_places(&mut self) {
        let numbered = self.loaded.iter().enumerate();
        let all = numbered.flat_map(|(number, loaded)| {
            let points = loaded.iter().flat_map(|loaded| &loaded.manifest.attach);
            points.map(move |point| Place {
                helper: HelperId(number as u16),
                protocol: point.protocol,
                ports: point.ports.clone(),
            })
        });
        self.places = all.collect();
    }

    /// One that was unloaded and has connections to leave, perhaps, from that slot on.
    pub(crate) fn leaving(&self) -> Option<(HelperId, u32)> {
        self.leaving.front().copied()
    }

    /// Says up to which slot it has left them; `None`: all.
    pub(crate) fn has_left(&mut self, id: HelperId, next: Option<u32>) {
        match (self.leaving.front_mut(), next) {
            (Some((leaving, from)), Some(next)) if *leaving == id => *from = next,
            (Some((leaving, _)), None) if *leaving == id => drop(self.leaving.pop_front()),
            (Some(_) | None, _) => {}
        }
    }

    /// How strictly payloads and wishes are taken.
    #[must_use]
    pub const fn mode(&self) -> HelperMode {
        self.mode
    }

    /// Takes payloads and wishes that strictly from now on.
    pub const fn set_mode(&mut self, mode: HelperMode) {
        self.mode = mode;
    }

    /// The helper of that name.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<HelperId> {
        self.iter().find(|helper| helper.manifest.name == name).map(|helper| helper.id)
    }

    /// All of them, as rules may name them.
    #[must_use]
    pub fn known(&self) -> Vec<KnownHelper> {
        let known = |loaded: HelperStatus<'_>, declared: &Manifest| KnownHelper {
            name: loaded.manifest.name.clone(),
            id: loaded.id,
            protocols: declared.attach.iter().map(|point| point.protocol).collect(),
        };
        let declared = self.loaded.iter().flatten().map(|loaded| loaded.helper.declared());
        self.iter().zip(declared).map(|(loaded, declared)| known(loaded, declared)).collect()
    }

    /// A helper's name.
    #[must_use]
    pub fn name(&self, id: HelperId) -> Option<&str> {
        self.loaded.get(usize::from(id.0))?.as_ref().map(|loaded| loaded.manifest.name.as_str())
    }

    /// The helper whose manifest names the port that a first packet is sent to.
    #[must_use]
    pub fn attached_to(&self, packet: &Packet) -> Option<HelperId> {
        let (protocol, port) = match (packet.tcp(), packet.udp()) {
            (Some(tcp), _) => (Protocol::TCP, tcp.destination_port.get()),
            (None, Some(udp)) => (Protocol::UDP, udp.destination_port.get()),
            (None, None) => return None,
        };
        let is_there = |place: &&Place| place.protocol == protocol && place.ports.contains(&port);
        self.places.iter().find(is_there).map(|place| place.helper)
    }

    /// All of them, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = HelperStatus<'_>> {
        let numbered = self.loaded.iter().enumerate();
        numbered.filter_map(|(number, loaded)| Some((number, loaded.as_ref()?))).map(|(number, loaded)| HelperStatus {
            id: HelperId(number as u16),
            manifest: &loaded.manifest,
            component_hash: loaded.helper.component_hash(),
            calls: loaded.calls,
            failures: loaded.failures,
            refusals: loaded.refusals,
            given_up: loaded.given_up,
            is_quarantined: loaded.is_quarantined,
        })
    }

    /// Of how many clients a helper is shown no more at the moment, since it has failed too often on what they say.
    #[must_use]
    pub fn barred(&self, id: HelperId, now: Instant) -> usize {
        let loaded = self.loaded.get(usize::from(id.0)).and_then(Option::as_ref);
        loaded.map_or(0, |loaded| loaded.recent_failures.barred(now))
    }

    /// One that may be called.
    pub(super) fn callable(&mut self, id: HelperId) -> Option<&mut Loaded> {
        self.loaded.get_mut(usize::from(id.0))?.as_mut().filter(|loaded| !loaded.is_quarantined)
    }

    /// What one waits for that may be called and reads streams.
    pub(super) fn reader(&self, id: HelperId) -> Option<&Triggers> {
        let loaded = self.loaded.get(usize::from(id.0))?.as_ref()?;
        (!loaded.is_quarantined && loaded.manifest.framing != Framing::Packet).then_some(&loaded.triggers)
    }
}

/// A helper as rules name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownHelper {
    /// Its name.
    pub name: String,
    /// Its number.
    pub id: HelperId,
    /// The protocols of connections that it reads: those of all places where it lets itself be attached, whatever its operator has left.
    pub protocols: Vec<Protocol>,
}

/// A helper as listings show it.
#[derive(Clone, Debug)]
pub struct HelperStatus<'a> {
    /// Its number.
    pub id: HelperId,
    /// What it may do.
    pub manifest: &'a Manifest,
    /// SHA-256 of its component.
    pub component_hash: [u8; 32],
    /// How often it was shown a payload or asked to write.
    pub calls: u64,
    /// How often that failed.
    pub failures: u32,
    /// How often it wished for what it may not have.
    pub refusals: u64,
    /// How often segments have waited in vain for the rest of a line of its.
    pub given_up: u64,
    /// Whether it failed for too many clients and is not called any more.
    pub is_quarantined: bool,
}

/// Why a helper was not loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// There can be so many at most.
    TooMany(usize),
    /// The manifest of the helper of that name cannot be right.
    Manifest(String, ManifestFlaw),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany(most) => {
                write!(f, "there can be {most} helpers at most, with those that still leave their connections")
            }
            Self::Manifest(name, flaw) => write!(f, "helper '{name}': its manifest is wrong: {} {flaw}", flaw.field()),
        }
    }
}

impl core::error::Error for LoadError {}

/// What is wrong with a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManifestFlaw {
    /// The name.
    Name,
    /// How many places there are to attach it to.
    Attach,
    /// The protocol or the ports of one of them.
    AttachPorts,
    /// That it reads lines, which a protocol has none of that it may be attached to.
    LinesOfDatagrams,
    /// How many triggers there are.
    Triggers,
    /// The length of one.
    TriggerBytes,
    /// That one stands at the start of a line and reaches beyond its end.
    TriggerLines,
    /// How many openings there are.
    Openings,
    /// The length of one, or that it is no word.
    OpeningBytes,
    /// That there are some where payloads are no lines.
    OpeningsOfPackets,
    /// How many classes there are.
    Classes,
    /// The name of one.
    ClassName,
    /// The protocol or the ports of one.
    ClassPorts,
    /// How many connections of a class may be expected.
    Expected,
    /// How long they may be.
    ExpectSeconds,
    /// The bound of its state.
    State,
}

impl ManifestFlaw {
    /// The field that it is in, as `wit/helper.wit` calls it.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Attach => "attach",
            Self::AttachPorts => "attach.ports",
            Self::Triggers => "triggers",
            Self::LinesOfDatagrams => "framing",
            Self::TriggerBytes | Self::TriggerLines => "triggers.bytes",
            Self::Openings | Self::OpeningBytes | Self::OpeningsOfPackets => "openings",
            Self::Classes => "classes",
            Self::ClassName => "classes.name",
            Self::ClassPorts => "classes.ports",
            Self::Expected => "classes.expected-max",
            Self::ExpectSeconds => "classes.timeout-seconds",
            Self::State => "state-bytes-max",
        }
    }
}

/// What the field must be instead.
impl fmt::Display for ManifestFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name | Self::ClassName => {
                write!(f, "must be 1 to {HELPER_NAME_BYTES_MAX} characters out of a-z, 0-9, '-' and '_'")
            }
            Self::Attach => write!(f, "must name at most {HELPER_ATTACH_POINTS_MAX} places"),
            Self::AttachPorts | Self::ClassPorts => {
                f.write_str("must be of the protocol TCP or UDP, and have no first port above the last")
            }
            Self::Triggers => write!(f, "must be at most {HELPER_TRIGGERS_MAX} of them"),
            Self::Openings => write!(f, "must be at most {HELPER_OPENINGS_MAX} of them"),
            Self::TriggerBytes => write!(f, "must be 1 to {HELPER_TRIGGER_BYTES_MAX} bytes"),
            Self::OpeningBytes => write!(f, "must be words of 1 to {HELPER_TRIGGER_BYTES_MAX} bytes, without a blank"),
            Self::LinesOfDatagrams => {
                f.write_str("must be packet where it may be attached to UDP: only streams have lines")
            }
            Self::TriggerLines => f.write_str("must hold no newline where they stand at the start of a line"),
            Self::OpeningsOfPackets => f.write_str("must be none of them where packets stand for themselves"),
            Self::Classes => write!(f, "must be 1 to {HELPER_CLASSES_MAX} of them"),
            Self::Expected => write!(f, "must be 1 to {EXPECTATIONS_PER_MASTER_MAX}"),
            Self::ExpectSeconds => write!(f, "must be 1 to {HELPER_EXPECT_SECONDS_MAX}"),
            Self::State => write!(f, "must be at most {HELPER_STATE_BYTES_MAX}"),
        }
    }
}

/// Refuses a manifest that cannot be right.
pub(super) fn may_load(manifest: &Manifest) -> Result<(), LoadError> {
    check(manifest).map_err(|flaw| LoadError::Manifest(manifest.name.clone(), flaw))
}

/// Holds a manifest against every bound but those of fuel and memory, which only who runs it knows.
///
/// # Errors
/// The first field that breaks its bound.
pub fn check(manifest: &Manifest) -> Result<(), ManifestFlaw> {
    let Manifest { name, attach, framing, triggers, openings, classes, state_bytes_max, .. } = manifest;
    let has_right_length = |bytes: &[u8]| (1..=HELPER_TRIGGER_BYTES_MAX).contains(&bytes.len());
    let is_word = |bytes: &[u8]| !bytes.iter().any(|byte| matches!(byte, b' ' | b'\r' | b'\n'));
    let is_line = |trigger: &Trigger| trigger.anchor == Anchor::Anywhere || !trigger.bytes.contains(&b'\n');
    let has_datagrams = attach.iter().any(|point| point.protocol == Protocol::UDP);
    let ports_are_right = |protocol, ports: &RangeInclusive<u16>| is_transport(protocol) && !ports.is_empty();
    let checks = [
        (is_name(name), ManifestFlaw::Name),
        (attach.len() <= HELPER_ATTACH_POINTS_MAX, ManifestFlaw::Attach),
        (attach.iter().all(|point| ports_are_right(point.protocol, &point.ports)), ManifestFlaw::AttachPorts),
        (!has_datagrams || *framing == Framing::Packet, ManifestFlaw::LinesOfDatagrams),
        (triggers.len() <= HELPER_TRIGGERS_MAX, ManifestFlaw::Triggers),
        (triggers.iter().all(|trigger| has_right_length(&trigger.bytes)), ManifestFlaw::TriggerBytes),
        (triggers.iter().all(is_line), ManifestFlaw::TriggerLines),
        (openings.len() <= HELPER_OPENINGS_MAX, ManifestFlaw::Openings),
        (openings.iter().all(|opening| has_right_length(opening) && is_word(opening)), ManifestFlaw::OpeningBytes),
        (openings.is_empty() || *framing != Framing::Packet, ManifestFlaw::OpeningsOfPackets),
        ((1..=HELPER_CLASSES_MAX).contains(&classes.len()), ManifestFlaw::Classes),
        (classes.iter().all(|class| is_name(&class.name)), ManifestFlaw::ClassName),
        (classes.iter().all(|class| ports_are_right(class.protocol, &class.ports)), ManifestFlaw::ClassPorts),
        (
            classes.iter().all(|class| (1..=EXPECTATIONS_PER_MASTER_MAX).contains(&class.expected_max)),
            ManifestFlaw::Expected,
        ),
        (
            classes.iter().all(|class| (1..=HELPER_EXPECT_SECONDS_MAX.into()).contains(&class.timeout.as_secs())),
            ManifestFlaw::ExpectSeconds,
        ),
        (*state_bytes_max <= HELPER_STATE_BYTES_MAX, ManifestFlaw::State),
    ];
    checks.into_iter().find(|(is_right, _)| !is_right).map_or(Ok(()), |(_, flaw)| Err(flaw))
}

/// Whether it can be a helper's name, or a class's.
fn is_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    (1..=HELPER_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(letter)
}

/// Whether a helper can read it.
pub(super) fn is_transport(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::TCP | Protocol::UDP)
}

/// A helper that is loaded.
pub(super) struct Loaded {
    pub(super) helper: Box<dyn Helper>,
    pub(super) manifest: Manifest,
    pub(super) triggers: Triggers,
    pub(super) calls: u64,
    pub(super) failures: u32,
    pub(super) refusals: u64,
    pub(super) given_up: u64,
    pub(super) recent_failures: Failures,
    pub(super) is_quarantined: bool,
}

impl Loaded {
    pub(super) fn new(helper: Box<dyn Helper>, manifest: Manifest) -> Self {
        let triggers = Triggers::new(&manifest.triggers);
        Self {
            helper,
            manifest,
            triggers,
            calls: 0,
            failures: 0,
            refusals: 0,
            given_up: 0,
            recent_failures: Failures::default(),
            is_quarantined: false,
        }
    }

    /// Whether it reads connections of a protocol, wherever its operator has it attached.
    pub(super) fn reads(&self, protocol: Protocol) -> bool {
        self.helper.declared().attach.iter().any(|point| point.protocol == protocol)
    }
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded").field("manifest", &self.manifest).finish_non_exhaustive()
    }
}
