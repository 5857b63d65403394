//! A helper whose manifest the operator has tightened.

use core::ops::RangeInclusive;

use towpath_engine::conntrack::helper::{
    AttachPoint, Helper, HelperContext, HelperEndpoint, HelperFailure, Inspection, Manifest, Site,
};

use super::{Config, ConfigError, HelperConfig, Located, Mistake};

/// A helper behind a manifest that is its own, tightened.
struct Tightened {
    inner: Box<dyn Helper>,
    manifest: Manifest,
}

impl Helper for Tightened {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn declared(&self) -> &Manifest {
        self.inner.declared()
    }

    fn component_hash(&self) -> [u8; 32] {
        self.inner.component_hash()
    }

    fn inspect(&mut self, context: &HelperContext, state: &[u8], payload: &[u8]) -> Result<Inspection, HelperFailure> {
        self.inner.inspect(context, state, payload)
    }

    fn render(
        &mut self,
        context: &HelperContext,
        state: &[u8],
        site: Site,
        translated: HelperEndpoint,
    ) -> Result<Vec<u8>, HelperFailure> {
        self.inner.render(context, state, site, translated)
    }
}

impl Config {
    /// Puts a helper behind its manifest as `wanted` tightens it. The runtime of a component has to hold it to
    /// [`Config::tighten`]'s fuel and memory itself.
    ///
    /// # Errors
    /// When the configuration asks for more than the manifest allows.
    pub fn tightened(&self, wanted: &HelperConfig, inner: Box<dyn Helper>) -> Result<Box<dyn Helper>, ConfigError> {
        let manifest = self.tighten(wanted, inner.manifest())?;
        Ok(Box::new(Tightened { inner, manifest }))
    }

    /// What remains of a manifest.
    ///
    /// # Errors
    /// When the configuration asks for more than the manifest allows.
    pub fn tighten(&self, wanted: &HelperConfig, own: &Manifest) -> Result<Manifest, ConfigError> {
        let mut manifest = own.clone();
        if let Some(ports) = &wanted.ports {
            manifest.attach = attach(own, ports);
        }
        if let Some(ports) = &wanted.expect_ports {
            let (first, last) = (*ports.value.start(), *ports.value.end());
            for class in &mut manifest.classes {
                self.at_least("expect_ports", ports, first.into(), (*class.ports.start()).into())?;
                self.at_most("expect_ports", ports, last.into(), (*class.ports.end()).into())?;
                class.ports = first..=last;
            }
        }
        for class in &mut manifest.classes {
            if let Some(count) = &wanted.expectations {
                let own = own.classes.iter().map(|class| class.expected_max).max().unwrap_or_default();
                self.at_most("expectations", count, count.value.into(), own.into())?;
                class.expected_max = class.expected_max.min(count.value);
            }
            if let Some(timeout) = &wanted.timeout {
                let own = own.classes.iter().map(|class| class.timeout).max().unwrap_or_default();
                self.at_most("timeout", timeout, timeout.value.as_secs(), own.as_secs())?;
                class.timeout = class.timeout.min(timeout.value);
            }
        }
        if let Some(bytes) = &wanted.rewrite_bytes {
            self.at_most("rewrite_bytes", bytes, bytes.value.into(), own.rewrite_bytes_max.into())?;
            manifest.rewrite_bytes_max = bytes.value;
        }
        if let Some(fuel) = &wanted.fuel {
            self.at_most("fuel", fuel, fuel.value, own.fuel_per_call)?;
            manifest.fuel_per_call = fuel.value;
        }
        if let Some(bytes) = &wanted.memory_bytes {
            self.at_most("memory_bytes", bytes, bytes.value.into(), own.memory_bytes_max.into())?;
            manifest.memory_bytes_max = bytes.value;
        }
        if let Some(loose) = &wanted.loose {
            let is_loose = own.classes.iter().any(|class| class.loose);
            self.at_most("loose", loose, loose.value.into(), is_loose.into())?;
            manifest.classes.iter_mut().for_each(|class| class.loose &= loose.value);
        }
        manifest.on_failure = wanted.on_failure.unwrap_or(own.on_failure);
        Ok(manifest)
    }

    fn at_most<T>(&self, key: &'static str, place: &Located<T>, value: u64, own: u64) -> Result<(), ConfigError> {
        if value > own { Err(self.mistake_at(place, Mistake::Looser { key, own })) } else { Ok(()) }
    }

    fn at_least<T>(&self, key: &'static str, place: &Located<T>, value: u64, own: u64) -> Result<(), ConfigError> {
        if value < own { Err(self.mistake_at(place, Mistake::Looser { key, own })) } else { Ok(()) }
    }
}

/// The operator's ports, for each protocol that the manifest names.
fn attach(own: &Manifest, ports: &[RangeInclusive<u16>]) -> Vec<AttachPoint> {
    let mut points: Vec<AttachPoint> = Vec::new();
    for known in &own.attach {
        for ports in ports {
            let point = AttachPoint { protocol: known.protocol, ports: ports.clone() };
            if !points.contains(&point) {
                points.push(point);
            }
        }
    }
    points
}
