//! What can be wrong with a component.

use std::{error, fmt, io};

use rustix::io::Errno;
use towpath_engine::conntrack::{calling::ManifestFlaw, helper::HelperFailure};

use super::{
    effort::Effort,
    limits::{COMPONENT_BYTES_MAX, FUEL_PER_CALL, INSTANCE_FUEL_MAX, MEMORY_BYTES},
    shipped,
};

/// A component that cannot be loaded: which, and why.
#[derive(Debug)]
pub struct PluginError {
    /// The file, or the name of one that this program brings along.
    pub component: String,
    /// What is wrong.
    pub problem: Problem,
}

/// Why a component cannot be loaded.
#[derive(Debug)]
pub enum Problem {
    /// The file cannot be read.
    Unreadable(io::Error),
    /// It is larger than [`COMPONENT_BYTES_MAX`].
    TooLarge,
    /// It does not start as WebAssembly does.
    NotWebAssembly,
    /// It is a core module.
    CoreModule,
    /// It starts as a component, but is damaged or uses what is not enabled. What the compiler says.
    Invalid(String),
    /// Compiling it would take too long.
    Slow(Effort),
    /// It asks for something from outside, by this name.
    ExtraImport(String),
    /// It has so many linear memories, and may have one.
    SeveralMemories(u32),
    /// Making an instance of it takes so much fuel, more than [`INSTANCE_FUEL_MAX`].
    StartsSlowly(u64),
    /// It exports the interface in another version.
    OtherVersion(String),
    /// It does not export this interface or function.
    MissingExport(String),
    /// It exports something else under the name of a function of the contract. What differs.
    WrongType(String),
    /// It fails when it is started, or when its manifest is asked.
    DoesNotStart(HelperFailure),
    /// It does not start in so many bytes of memory, which its operator leaves it.
    TightMemory(u32),
    /// Its manifest breaks a bound.
    BadManifest(BadManifest),
    /// This program was built without the component.
    NotShipped,
    /// This program never has such a component; those it can have, the most similar name first.
    Unknown([&'static str; 4]),
    /// WebAssembly cannot be run on this machine. What wasmtime says.
    NoRuntime(String),
    /// The kernel gives this process no more memory. What wasmtime says.
    MemoryShort(String),
}

impl Problem {
    /// That memory is short, if that is what wasmtime's error comes from.
    pub(super) fn memory_short(error: &wasmtime::Error) -> Option<Self> {
        let is_short = |cause: &(dyn error::Error + 'static)| {
            let by_kernel = cause.downcast_ref::<Errno>() == Some(&Errno::NOMEM);
            by_kernel
                || cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::OutOfMemory)
        };
        error.chain().any(is_short).then(|| Self::MemoryShort(format!("{error:#}")))
    }
}

/// What is wrong with a component's manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadManifest {
    /// It names no place to attach the helper to.
    NoPlace,
    /// The fuel of a call is out of its bounds.
    Fuel,
    /// The memory is.
    Memory,
    /// What the engine refuses.
    Flaw(ManifestFlaw),
}

impl BadManifest {
    /// The field that it is in, as `wit/helper.wit` calls it.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::NoPlace => ManifestFlaw::Attach.field(),
            Self::Fuel => "fuel-per-call",
            Self::Memory => "memory-bytes-max",
            Self::Flaw(flaw) => flaw.field(),
        }
    }
}

/// The field and what it must be.
impl fmt::Display for BadManifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.field())?;
        match self {
            Self::NoPlace => f.write_str("must name a place"),
            Self::Fuel => write!(f, "must be {} to {}", FUEL_PER_CALL.start(), FUEL_PER_CALL.end()),
            Self::Memory => write!(f, "must be {} to {}", MEMORY_BYTES.start(), MEMORY_BYTES.end()),
            Self::Flaw(flaw) => flaw.fmt(f),
        }
    }
}

impl fmt::Display for PluginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.component, self.problem)
    }
}

impl error::Error for PluginError {}

impl Problem {
    /// Why a component of that name is not in this program.
    pub(super) fn of_missing(name: &str) -> Self {
        if shipped::NAMES.contains(&name) { Self::NotShipped } else { Self::Unknown(shipped::names_like(name)) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "cannot be read: {error}"),
            Self::TooLarge => write!(f, "is larger than a component may be ({COMPONENT_BYTES_MAX} bytes)"),
            Self::NotWebAssembly => f.write_str("is no WebAssembly component (it does not start with \\0asm)"),
            Self::CoreModule => {
                f.write_str("is a core WebAssembly module, not a component; `wasm-tools component new` makes one of it")
            }
            Self::Invalid(why) => write!(f, "is no valid component: {why}"),
            Self::Slow(effort) => write!(f, "takes too long to compile: {effort}"),
            Self::ExtraImport(name) => {
                write!(f, "imports `{name}`, but a helper may import nothing (wit/helper.wit)")
            }
            Self::SeveralMemories(count) => {
                write!(f, "has {count} linear memories, and may have one: make it of one module")
            }
            Self::StartsSlowly(fuel) => {
                write!(f, "takes {fuel} fuel each time it is started, and may take {INSTANCE_FUEL_MAX}")
            }
            Self::OtherVersion(name) => {
                write!(
                    f,
                    "was made for `{name}`, and this program runs those for `{}`: build it again for this version of \
                     wit/helper.wit (`cargo xtask plugins` builds those of this repository)",
                    super::contract::INTERFACE
                )
            }
            Self::MissingExport(name) => write!(f, "does not export `{name}`, which a helper must (wit/helper.wit)"),
            Self::WrongType(why) => write!(f, "exports something else than wit/helper.wit says: {why}"),
            Self::DoesNotStart(HelperFailure::Trap) => {
                f.write_str("traps when it is started or asked for its manifest")
            }
            Self::DoesNotStart(HelperFailure::Fuel) => f.write_str("does not come to an end when it is started"),
            Self::DoesNotStart(HelperFailure::Memory) => {
                f.write_str("wants more memory when it is started than its manifest asks for, or more than 16 MB")
            }
            Self::DoesNotStart(HelperFailure::Contract) => f.write_str("answers nonsense when asked for its manifest"),
            Self::TightMemory(bytes) => {
                write!(f, "does not start in the {bytes} bytes of memory that the configuration leaves it")
            }
            Self::BadManifest(bad) => write!(f, "has a wrong manifest: {bad}"),
            Self::NotShipped => f.write_str(
                "is a helper that this program was built without: build with `cargo xtask plugins` first, \
                 or name a component's file",
            ),
            Self::Unknown(known) => write!(
                f,
                "is no helper that this program brings along; there are {}; any other needs its component's file",
                known.join(", ")
            ),
            Self::NoRuntime(why) => write!(f, "cannot be run here, nor can any other WebAssembly: {why}"),
            Self::MemoryShort(why) => write!(f, "cannot be run: there is not enough memory (see `ulimit -v`): {why}"),
        }
    }
}
