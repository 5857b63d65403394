//! Helpers in a snapshot: which ones, and what has been counted of them. Their code is not in it.

use alloc::{boxed::Box, string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use super::{
    failures::Failures,
    registry::{self, Helpers, LoadError, Loaded},
};
use crate::{
    conntrack::helper::{Helper, HelperMode, Manifest},
    limits::{COUNT_MAX, HELPERS_MAX},
    snapshot::{Part, SnapshotError},
    time::Instant,
};

/// The helpers that were loaded, by number; `None` where one was unloaded.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct HelpersRecord {
    mode: HelperMode,
    loaded: Vec<Option<HelperRecord>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct HelperRecord {
    name: String,
    component_hash: [u8; 32],
    calls: u64,
    failures: u32,
    refusals: u64,
    given_up: u64,
    recent_failures: Failures,
    is_quarantined: bool,
}

/// A helper that a restored engine will get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    manifest: Manifest,
    component_hash: [u8; 32],
}

impl Offer {
    /// A helper behind what is left of its manifest.
    pub(crate) fn of(helper: &dyn Helper, manifest: &Manifest) -> Self {
        Self { manifest: manifest.clone(), component_hash: helper.component_hash() }
    }
}

impl HelpersRecord {
    /// The names of all helpers in the order of their numbers: those of the record, and, where it has none, the others that are
    /// offered. A number without helper has the empty name, which no helper has.
    ///
    /// # Errors
    /// When one is missing or (unless `other_helpers`) another one, cannot be loaded, or the record cannot be right.
    pub(crate) fn check<'a>(
        &self,
        latest: Instant,
        offered: &'a [Offer],
        other_helpers: bool,
    ) -> Result<Vec<&'a str>, SnapshotError> {
        let mut rest: Vec<&Offer> = offered.iter().collect();
        let mut names = Vec::new();
        for saved in &self.loaded {
            let Some(saved) = saved else {
                names.push("");
                continue;
            };
            let found = rest.iter().position(|offer| offer.manifest.name == saved.name);
            let offer = rest.remove(found.ok_or_else(|| SnapshotError::HelperMissing(saved.name.clone()))?);
            let (name, given) = (saved.name.clone(), offer.component_hash);
            if given != saved.component_hash && !other_helpers {
                return Err(SnapshotError::HelperOther { name, saved: saved.component_hash, given });
            }
            let counts = [saved.calls, saved.refusals, saved.given_up];
            let counts_are_right = counts.iter().all(|count| *count < COUNT_MAX);
            Part::Helpers.check(counts_are_right && saved.recent_failures.are_right(latest))?;
            names.push(offer.manifest.name.as_str());
        }
        for offer in rest {
            match names.iter_mut().find(|name| name.is_empty()) {
                Some(free) => *free = &offer.manifest.name,
                None => names.push(&offer.manifest.name),
            }
        }
        offered.iter().try_for_each(|offer| registry::may_load(&offer.manifest)).map_err(SnapshotError::Helper)?;
        if names.len() > HELPERS_MAX {
            return Err(SnapshotError::Helper(LoadError::TooMany(HELPERS_MAX)));
        }
        Ok(names)
    }
}

impl Helpers {
    pub(crate) fn save(&self) -> HelpersRecord {
        let saved = |loaded: &Loaded| {
            let Loaded {
                helper,
                manifest,
                triggers: _,
                calls,
                failures,
                refusals,
                given_up,
                recent_failures,
                is_quarantined,
            } = loaded;
            Some(HelperRecord {
                name: manifest.name.clone(),
                component_hash: helper.component_hash(),
                calls: *calls,
                failures: *failures,
                refusals: *refusals,
                given_up: *given_up,
                recent_failures: recent_failures.clone(),
                is_quarantined: *is_quarantined,
            })
        };
        let loaded = self.loaded.iter().map(|loaded| loaded.as_ref().and_then(saved)).collect();
        HelpersRecord { mode: self.mode, loaded }
    }

    /// The helpers of a record that offered ones were held against, and then the others.
    pub(crate) fn resume(record: &HelpersRecord, mut given: Vec<Box<dyn Helper>>) -> Result<Self, LoadError> {
        let mut helpers = Self::default();
        helpers.set_mode(record.mode);
        // All numbers first, so that the ones that are free stay so until those of the record are taken.
        helpers.loaded.resize_with(record.loaded.len(), || None);
        for (saved, place) in record.loaded.iter().zip(&mut helpers.loaded) {
            let Some(saved) = saved else { continue };
            let Some(at) = given.iter().position(|helper| helper.manifest().name == saved.name) else { continue };
            let helper = given.remove(at);
            let manifest = helper.manifest().clone();
            registry::may_load(&manifest)?;
            let loaded = place.insert(Loaded::new(helper, manifest));
            (loaded.calls, loaded.failures, loaded.refusals) = (saved.calls, saved.failures, saved.refusals);
            loaded.given_up = saved.given_up;
            loaded.recent_failures = saved.recent_failures.clone();
            loaded.is_quarantined = saved.is_quarantined;
        }
        given.into_iter().try_for_each(|helper| helpers.load(helper).map(drop))?;
        helpers.note_places();
        Ok(helpers)
    }

    /// What is offered when these helpers go to another engine.
    pub(crate) fn offers(&self) -> Vec<Offer> {
        self.loaded.iter().flatten().map(|loaded| Offer::of(loaded.helper.as_ref(), &loaded.manifest)).collect()
    }

    /// The helpers themselves.
    pub(crate) fn into_boxes(self) -> Vec<Box<dyn Helper>> {
        self.loaded.into_iter().flatten().map(|loaded| loaded.helper).collect()
    }
}
