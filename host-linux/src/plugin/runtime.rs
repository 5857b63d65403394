//! Compiles components and checks what they are.

use std::{
    fmt::Write as _,
    fs,
    hash::{Hash, Hasher},
    io::{self, Read},
    path::Path,
};

use sha2::{Digest, Sha256};
use wasmparser::WasmFeatures;
use wasmtime::{
    Config, Engine, OperatorCost,
    component::{Component, Linker, types::ComponentItem},
};

use super::{
    cache::Cache,
    contract::{ConntrackHelperPre, FUNCTIONS, INTERFACE},
    effort::{self, Effort},
    error::{PluginError, Problem},
    instance::Plugin,
    limiter::Limiter,
    limits::{COMPONENT_BYTES_MAX, GROWTH_BYTES, GROWTH_FUEL, STACK_BYTES},
    shipped,
};

/// What runs components: wasmtime with our settings, and the cache.
pub struct Runtime {
    engine: Engine,
    cache: Option<Cache>,
}

impl Runtime {
    /// A runtime; without a cache each component is compiled anew, which takes about a tenth of a second.
    ///
    /// # Errors
    /// When wasmtime does not work on this machine.
    pub fn new(cache: Option<Cache>) -> Result<Self, PluginError> {
        let engine = Engine::new(&settings()).map_err(|error| PluginError {
            component: "helper plugins".to_owned(),
            problem: Problem::NoRuntime(format!("{error:#}")),
        })?;
        Ok(Self { engine, cache })
    }

    /// Loads the component in a file.
    ///
    /// # Errors
    /// When the file cannot be read, or what is in it is no helper: the error names the file and says why.
    pub fn load_file(&self, file: &Path) -> Result<Plugin, PluginError> {
        let error = |problem| PluginError { component: file.display().to_string(), problem };
        let component = read(file).map_err(|problem| error(Problem::Unreadable(problem)))?;
        self.load_bytes(&component).map_err(error)
    }

    /// Loads a component that this program brings along.
    ///
    /// # Errors
    /// When it was built without that one.
    pub fn load_shipped(&self, name: &str) -> Result<Plugin, PluginError> {
        let found =
            shipped::COMPONENTS.iter().find(|shipped| shipped.name == name).ok_or_else(|| Problem::of_missing(name));
        found
            .and_then(|shipped| self.load_bytes(shipped.component))
            .map_err(|problem| PluginError { component: name.to_owned(), problem })
    }

    /// Looks at what there is, whether or not it is a helper.
    ///
    /// # Errors
    /// When it is larger than a component may be.
    pub fn look_at(&self, component: &[u8]) -> Result<Look, Problem> {
        if component.len() > COMPONENT_BYTES_MAX {
            // Of what was not read to its end, neither length nor hash can be told.
            return Err(Problem::TooLarge);
        }
        let hash = Sha256::digest(component).into();
        let mut look = Look {
            bytes: component.len(),
            hash,
            imports: Vec::new(),
            exports: Vec::new(),
            helper: self.load_bytes(component),
        };
        // Of what is no component at all, there is nothing more to say.
        if check_start(component).is_ok()
            && let Ok(component) = self.compiled(component, hash)
        {
            let shape = component.component_type();
            look.imports = shape.imports(&self.engine).map(|(name, _)| name.to_owned()).collect();
            look.exports = shape.exports(&self.engine).map(|(name, _)| name.to_owned()).collect();
        }
        Ok(look)
    }

    /// Loads a component.
    ///
    /// # Errors
    /// When it is no helper.
    pub fn load_bytes(&self, component: &[u8]) -> Result<Plugin, Problem> {
        check_start(component)?;
        let hash = Sha256::digest(component).into();
        let component = self.compiled(component, hash)?;
        check_contract(&self.engine, &component)?;
        let linked = Linker::<Limiter>::new(&self.engine)
            .instantiate_pre(&component)
            .and_then(ConntrackHelperPre::new)
            .map_err(|error| {
                Problem::memory_short(&error).unwrap_or_else(|| Problem::WrongType(format!("{error:#}")))
            })?;
        Plugin::start(linked, hash)
    }

    /// The compiled component, from the cache if it is there.
    fn compiled(&self, component: &[u8], hash: [u8; 32]) -> Result<Component, Problem> {
        let key = self.key(hash);
        if let Some(compiled) = self.cache.as_ref().and_then(|cache| cache.load(&self.engine, &key)) {
            return Ok(compiled);
        }
        effort::check(component).map_err(|effort| match effort::import(component) {
            // Whoever calls out to others has parts that call, too.
            Some(name) if effort == Effort::Parts => Problem::ExtraImport(name),
            _ => Problem::Slow(effort),
        })?;
        let compiled = Component::from_binary(&self.engine, component)
            .map_err(|error| Problem::memory_short(&error).unwrap_or_else(|| Problem::Invalid(format!("{error:#}"))))?;
        if let Some(cache) = &self.cache {
            // A full disk costs the next start a tenth of a second, and nothing now.
            let _ = cache.store(&key, &compiled);
        }
        Ok(compiled)
    }

    /// Component, and all that its machine code depends on: wasmtime's version, its settings, the processor.
    fn key(&self, hash: [u8; 32]) -> String {
        let mut settings = Digesting(Sha256::new());
        self.engine.precompile_compatibility_hash().hash(&mut settings);
        let mut key = hex(&hash);
        key.push('-');
        key.push_str(&hex(&settings.0.finalize()[..16]));
        key
    }
}

/// What is in a file.
pub struct Look {
    /// How many bytes it has.
    pub bytes: usize,
    /// Their SHA-256.
    pub hash: [u8; 32],
    /// What it asks for from outside, by name.
    pub imports: Vec<String>,
    /// What it gives, by name: among others the world's interface with its version.
    pub exports: Vec<String>,
    /// The helper, or why it is none.
    pub helper: Result<Plugin, Problem>,
}

/// Reads a component, up to a byte more than it may have.
///
/// # Errors
/// When the file cannot be read.
pub fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut component = Vec::new();
    fs::File::open(file)?.take(COMPONENT_BYTES_MAX as u64 + 1).read_to_end(&mut component)?;
    Ok(component)
}

/// What a component may use of WebAssembly: what Rust, C and Zig make use of unless they are told otherwise. All else (vectors, garbage
/// collection, exceptions, threads, tail calls, several memories, constants that are computed) is a compiler's work that no helper needs
/// and that `effort` does not know.
const FEATURES: WasmFeatures = WasmFeatures::WASM1
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::BULK_MEMORY_OPT)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::CALL_INDIRECT_OVERLONG)
    .union(WasmFeatures::COMPONENT_MODEL);

/// Deterministic (one NaN, no threads), metered, without what helpers have no use for.
fn settings() -> Config {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .operator_cost(OperatorCost { MemoryGrow: GROWTH_FUEL, TableGrow: GROWTH_FUEL, ..OperatorCost::new() })
        .max_wasm_stack(STACK_BYTES)
        .cranelift_nan_canonicalization(true)
        .wasm_features(FEATURES.complement(), false)
        // Memory from the allocator instead of mapped pages: it is there again at once when an instance is made anew, and
        // takes no addresses beyond it from those who run under `ulimit -v`. Accesses are then checked one by one.
        .signals_based_traps(false)
        .memory_init_cow(false)
        .memory_reservation(0)
        .memory_reservation_for_growth(GROWTH_BYTES)
        .memory_guard_size(0)
        .concurrency_support(false)
        .generate_address_map(false)
        .native_unwind_info(false);
    config
}

/// Whether the first bytes are a component's (Component model, Binary.md: magic, version 13, layer 1).
fn check_start(component: &[u8]) -> Result<(), Problem> {
    if component.len() > COMPONENT_BYTES_MAX {
        return Err(Problem::TooLarge);
    }
    match component.split_at_checked(8) {
        Some((b"\0asm\x01\0\0\0", _)) => Err(Problem::CoreModule),
        Some(([0, b'a', b's', b'm', ..], _)) => Ok(()),
        Some(_) | None => Err(Problem::NotWebAssembly),
    }
}

/// Whether it imports nothing and exports the interface with its functions. Their types are checked when it is linked.
fn check_contract(engine: &Engine, component: &Component) -> Result<(), Problem> {
    let shape = component.component_type();
    if let Some((name, _)) = shape.imports(engine).next() {
        return Err(Problem::ExtraImport(name.to_owned()));
    }
    if let Some(count) = component.resources_required().map(|needed| needed.num_memories).filter(|count| *count > 1) {
        return Err(Problem::SeveralMemories(count));
    }
    // Asked by index, because that look-up also takes a compatible version.
    let Some(interface) = component.get_export_index(None, INTERFACE) else {
        let package = INTERFACE.split_once('@').map_or(INTERFACE, |(name, _)| name);
        let other = shape.exports(engine).find(|(name, _)| name.split('@').next() == Some(package));
        return Err(match other {
            Some((name, _)) => Problem::OtherVersion(name.to_owned()),
            None => Problem::MissingExport(INTERFACE.to_owned()),
        });
    };
    for function in FUNCTIONS {
        match component.get_export(Some(&interface), function) {
            Some((ComponentItem::ComponentFunc(_), _)) => {}
            Some(_) => return Err(Problem::WrongType(format!("`{function}` is no function"))),
            None => return Err(Problem::MissingExport(format!("{INTERFACE}#{function}"))),
        }
    }
    Ok(())
}

/// Hashes with SHA-256, which is the same on every run.
struct Digesting(Sha256);

impl Hasher for Digesting {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        digest.iter().take(8).fold(0, |bits, &byte| bits << 8 | u64::from(byte))
    }
}

/// Bytes as hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
