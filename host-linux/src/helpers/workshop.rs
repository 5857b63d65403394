//! Makes helpers of components, so that no packet waits for a compiler.

use std::sync::Arc;

use towpath_replay::config::Config;

use crate::{
    control::Reading,
    gateway,
    plugin::{Cache, Plugin, Runtime},
};

/// Where helpers are made.
#[derive(Debug)]
pub struct Workshop {
    config: Arc<Config>,
}

/// A helper behind what the configuration leaves of its manifest, or why there is none, in one line.
pub type Made = Result<Box<Plugin>, String>;

impl Workshop {
    /// For the gateway of this configuration, which says what is left of manifests.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config: Arc::new(config) }
    }

    /// What makes a helper of a component, wherever that is done. `name` is what errors call it.
    #[must_use]
    pub fn maker(&self, name: &str) -> Reading<Made> {
        let (name, config) = (name.to_owned(), Arc::clone(&self.config));
        Box::new(move |component| make(&name, component, &config))
    }
}

fn make(name: &str, component: &[u8], config: &Config) -> Made {
    // Without a cache it takes a tenth of a second more.
    let runtime = Runtime::new(Cache::of_user_if_any()).map_err(|error| error.to_string())?;
    let plugin = runtime.load_bytes(component).map_err(|problem| format!("{name}: {problem}"))?;
    gateway::tightened(config, plugin).map(Box::new).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_helper_is_told() {
        let workshop = Workshop::new(Config::default());
        for (component, name) in [(&b"\0asm"[..], "a.wasm"), (b"", "b.wasm")] {
            let why = workshop.maker(name)(component).err().expect("it is no helper");
            assert!(why.starts_with(&format!("{name}: is no WebAssembly component")), "{why}");
        }
    }
}
