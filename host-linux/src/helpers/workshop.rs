//! Makes helpers of components, so that no packet waits for a compiler.

use std::{io, sync::Arc};

use towpath_replay::config::Config;

use crate::{
    gateway,
    plugin::{Cache, Plugin, Runtime},
    worker::{Doing, Worker},
};

/// Where helpers are made.
#[derive(Debug)]
pub struct Workshop {
    worker: Worker,
    config: Arc<Config>,
}

/// A helper behind what the configuration leaves of its manifest, or why there is none, in one line.
pub type Made = Result<Box<Plugin>, String>;

impl Workshop {
    /// For the gateway of this configuration, which says what is left of manifests.
    #[must_use]
    pub fn new(worker: Worker, config: Config) -> Self {
        Self { worker, config: Arc::new(config) }
    }

    /// Who does the work.
    #[must_use]
    pub const fn worker(&self) -> &Worker {
        &self.worker
    }

    /// Begins to make a helper. `name` is what errors call it.
    ///
    /// # Errors
    /// When there can be no further thread.
    pub fn make(&self, name: String, component: Vec<u8>) -> io::Result<Doing<Made>> {
        let config = Arc::clone(&self.config);
        self.worker.begin(move || make(&name, &component, &config))
    }
}

fn make(name: &str, component: &[u8], config: &Config) -> Made {
    // Without a cache it takes a tenth of a second more.
    let runtime = Runtime::new(Cache::of_user().ok()).map_err(|error| error.to_string())?;
    let plugin = runtime.load_bytes(component).map_err(|problem| format!("{name}: {problem}"))?;
    gateway::tightened(config, plugin).map(Box::new).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn what_is_no_helper_is_told() {
        let workshop = Workshop::new(Worker::new().unwrap(), Config::default());
        let first = workshop.make("a.wasm".to_owned(), b"\0asm".to_vec()).unwrap();
        let second = workshop.make("b.wasm".to_owned(), Vec::new()).unwrap();
        for (making, name) in [(first, "a.wasm"), (second, "b.wasm")] {
            let made = loop {
                match making.take() {
                    Some(made) => break made.expect("it is not broken"),
                    None => thread::yield_now(),
                }
            };
            let why = made.err().expect("it is no helper");
            assert!(why.starts_with(&format!("{name}: is no WebAssembly component")), "{why}");
        }
    }
}
