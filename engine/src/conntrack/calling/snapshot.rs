//! Helpers in a snapshot: which ones, and what has been counted of them. Their code is not in it.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use super::registry::{Helpers, Loaded};
use crate::{
    limits::{COUNT_MAX, HELPER_FAILURES_MAX},
    snapshot::{Part, SnapshotError},
};

/// The helpers that were loaded, by number.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct HelpersRecord(Vec<HelperRecord>);

#[derive(Debug, Serialize, Deserialize)]
struct HelperRecord {
    name: String,
    component_hash: [u8; 32],
    calls: u64,
    failures: u32,
    refusals: u64,
    is_quarantined: bool,
}

impl HelpersRecord {
    /// How many there were.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Their names and their components' hashes, by number.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&str, [u8; 32])> {
        self.0.iter().map(|helper| (helper.name.as_str(), helper.component_hash))
    }
}

impl Helpers {
    pub(crate) fn save(&self) -> HelpersRecord {
        let saved = |loaded: &Loaded| {
            let Loaded { helper, manifest, triggers: _, calls, failures, refusals, is_quarantined } = loaded;
            HelperRecord {
                name: manifest.name.clone(),
                component_hash: helper.component_hash(),
                calls: *calls,
                failures: *failures,
                refusals: *refusals,
                is_quarantined: *is_quarantined,
            }
        };
        HelpersRecord(self.loaded.iter().map(saved).collect())
    }

    /// Goes on counting where a snapshot stopped. Its helpers have been loaded in its order.
    ///
    /// # Errors
    /// When the record names one twice, or counts more than can be.
    pub(crate) fn resume(&mut self, record: &HelpersRecord) -> Result<(), SnapshotError> {
        Part::Helpers.check(self.loaded.len() == record.len())?;
        for (loaded, saved) in self.loaded.iter_mut().zip(&record.0) {
            let counts_are_right = saved.calls < COUNT_MAX && saved.refusals < COUNT_MAX;
            Part::Helpers.check(counts_are_right && saved.failures <= HELPER_FAILURES_MAX)?;
            (loaded.calls, loaded.failures, loaded.refusals) = (saved.calls, saved.failures, saved.refusals);
            loaded.is_quarantined = saved.is_quarantined;
        }
        Ok(())
    }
}
