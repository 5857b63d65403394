//! No bytes make the reader of snapshots panic, hang or take them for what they are not.

use std::sync::OnceLock;

use lab::kernel::{Input, Material};
use proptest::{prelude::*, sample::Index};
use towpath_engine::{
    Engine,
    digest::Digest,
    snapshot::{Restoring, SnapshotError, VERSION},
};

use crate::going_on::{Deed, Life, START, deeds, restoring, scenarios};

/// A snapshot with connections of all kinds, translations, expectations and rules with states, and frames for it.
fn rich() -> &'static (Vec<u8>, Vec<Input>) {
    static RICH: OnceLock<(Vec<u8>, Vec<Input>)> = OnceLock::new();
    RICH.get_or_init(|| {
        let material = |name: &str| {
            let folder = scenarios().iter().find(|folder| folder.ends_with(name)).expect("it is there");
            Material::read(folder, START).expect("the scenario can be read")
        };
        let Material { engine, mut inputs } = material("05-ftp-client-inside");
        for name in ["04-icmp", "03-udp-nat", "nat-source"] {
            inputs.extend(material(name).inputs);
        }
        let mut life = Life::new(engine, inputs.clone(), START);
        for (which, inputs) in [4, 3].into_iter().zip(inputs.chunks(inputs.len() / 2 + 1)) {
            life.replace_rules(which);
            inputs.iter().for_each(|input| life.feed(input));
        }
        // The first rules once more, so that what they remember under a name is there as well.
        life.replace_rules(4);
        inputs.iter().take(30).for_each(|input| life.feed(input));
        assert!(life.engine.conntrack().len() > 10, "{} connections", life.engine.conntrack().len());
        (life.engine.save(), inputs)
    })
}

/// Makes the checksum fit again, as somebody would who writes snapshots by hand.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = Digest::of(&bytes[HEADER_BYTES..]).to_le_bytes();
    let len = ((bytes.len() - HEADER_BYTES) as u64).to_le_bytes();
    bytes[12..20].copy_from_slice(&len);
    bytes[20..28].copy_from_slice(&checksum);
    bytes
}

const HEADER_BYTES: usize = 28;

fn refused(bytes: &[u8]) -> SnapshotError {
    Engine::restore(bytes, restoring()).expect_err("it is no snapshot")
}

#[test]
fn a_snapshot_that_was_cut_is_refused_wherever_it_was_cut() {
    let (bytes, _) = rich();
    for len in 0..bytes.len() {
        let error = refused(&bytes[..len]);
        let is_told = (error == SnapshotError::NoSnapshot && len < 8)
            || matches!(error, SnapshotError::Length { found, .. } if found == len as u64);
        assert!(is_told, "{len} of {} bytes: {error:?}", bytes.len());
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(refused(&longer), SnapshotError::Length { .. }));
}

#[test]
fn every_single_wrong_bit_is_noticed() {
    let (bytes, _) = rich();
    let mut bytes = bytes.clone();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            // All bits of the header, one of each byte behind it.
            if at < HEADER_BYTES || bit == at % 8 {
                bytes[at] ^= 1 << bit;
                refused(&bytes);
                bytes[at] ^= 1 << bit;
            }
        }
    }
}

#[test]
fn another_version_is_refused_by_its_number() {
    let (bytes, _) = rich();
    for version in [0, VERSION - 1, VERSION + 1, u32::MAX] {
        let mut other = bytes.clone();
        other[8..12].copy_from_slice(&version.to_le_bytes());
        let error = refused(&other);
        assert_eq!(error, SnapshotError::Version(version));
        let age = if version > VERSION { "newer" } else { "older" };
        assert!(error.to_string().contains(age), "{error}");
    }
}

#[test]
fn a_snapshot_says_which_helper_it_needs() {
    let (bytes, _) = rich();
    let error = Engine::restore(bytes, Restoring::default()).expect_err("it needs helpers");
    assert!(matches!(error, SnapshotError::HelperMissing(_)), "{error:?}");
    assert!(error.to_string().contains("needs the helper '"), "{error}");
}

/// A change to the bytes of a snapshot.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Remove(Index),
    Insert(Index, u8),
    Copy(Index, Index, u8),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let odd = prop_oneof![Just(0), Just(1), Just(0x7f), Just(0xff), Just(251), Just(252), Just(253), any::<u8>()];
    let change = prop_oneof![
        6 => (any::<Index>(), odd.clone()).prop_map(|(at, value)| Change::Set(at, value)),
        1 => any::<Index>().prop_map(Change::Remove),
        1 => (any::<Index>(), odd).prop_map(|(at, value)| Change::Insert(at, value)),
        2 => (any::<Index>(), any::<Index>(), 1..40_u8).prop_map(|(from, to, len)| Change::Copy(from, to, len)),
    ];
    prop::collection::vec(change, 1..4)
}

fn changed(bytes: &[u8], changes: &[Change]) -> Vec<u8> {
    let (header, content) = bytes.split_at(HEADER_BYTES);
    let mut content = content.to_vec();
    for change in changes {
        match change {
            Change::Set(at, value) => {
                let at = at.index(content.len());
                content[at] = *value;
            }
            Change::Remove(at) => {
                content.remove(at.index(content.len()));
            }
            Change::Insert(at, value) => content.insert(at.index(content.len()), *value),
            Change::Copy(from, to, len) => {
                let len = usize::from(*len).min(content.len());
                let (from, to) = (from.index(content.len() - len + 1), to.index(content.len() - len + 1));
                content.copy_within(from..from + len, to);
            }
        }
    }
    sealed([header, &content].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn a_forged_snapshot_is_refused_or_makes_an_engine_that_works(changes in changes(), deeds in deeds(20)) {
        let (bytes, inputs) = rich();
        if let Ok(engine) = Engine::restore(&changed(bytes, &changes), restoring()) {
            let now = engine.now().max(START);
            let saved = engine.save();
            let again = Engine::restore(&saved, restoring()).expect("what was taken is saved well");
            prop_assert!(again.save() == saved);
            let mut life = Life::new(engine, inputs.clone(), now);
            deeds.iter().for_each(|deed| life.happen(deed));
            life.happen(&Deed::Pass(1 << 60));
        }
    }

    #[test]
    fn no_bytes_at_all_make_the_reader_panic(bytes: Vec<u8>) {
        let _ = Engine::restore(&bytes, restoring());
        let (rich, _) = rich();
        let forged = sealed([&rich[..HEADER_BYTES], &bytes].concat());
        let _ = Engine::restore(&forged, restoring());
    }
}
