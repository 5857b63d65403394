//! Every bound of components, with its arithmetic; what a manifest may hold beside fuel and memory has its bounds in
//! [`towpath_engine::limits`]. `wit/helper.wit` tells authors the same figures, and `plugins/README.md` those of code.

use std::ops::RangeInclusive;

/// The largest component taken. A helper is 30 to 100 KB, most of it code.
pub const COMPONENT_BYTES_MAX: usize = 4 << 20;

/// Code that a component may have, in bytes: as much as twenty of our helpers. It is compiled in about 10 s if it is as slow to compile as
/// the bounds below let it be, and in 1 to 4 s if it is like theirs.
pub const CODE_BYTES_MAX: usize = 512 << 10;

/// Functions that a component may have. Those of Rust have 40 to 80.
pub const FUNCTIONS_MAX: usize = 5000;

/// What compiling all functions together may take, in steps (`effort/function.rs`): 10 s at worst. [`CODE_BYTES_MAX`] of code like our helpers',
/// which have 0.84 steps a byte, would be two thirds of it.
pub const CODE_STEPS_MAX: u32 = 640 << 10;

/// What compiling one function may take, in steps. The one of our helpers' that takes the most, a memory allocator's, has 3620 in 5 KB.
pub const FUNCTION_STEPS_MAX: u32 = 16_000;

/// Parameters of the type of a function or a block. Those of our helpers have 16, as many as the canonical ABI passes at most.
pub const TYPE_PARAMS_MAX: usize = 32;

/// Results of one. What goes through LLVM, as Rust and C do, has one at most.
pub const TYPE_RESULTS_MAX: usize = 16;

/// What is set each time a component is started: segments of data, and elements of tables and globals that are no constants. Ours have one.
pub const STARTED_MAX: usize = 256;

/// Types of a component, and as many each of imports of its parts from each other, exports, globals, aliases and lifted functions. Ours have
/// 125 types, most of them the contract's, twice, and fewer of all else.
pub const DECLARATIONS_MAX: usize = 1000;

/// Types of components and instances that are declared in each other. Ours have none.
pub const TYPE_NESTING_MAX: usize = 64;

/// Components in a component; ours have one, for the interface that they export. Few, since each may hold several instances of the one
/// before it, which are then made as often as all of that multiplied.
pub const COMPONENTS_MAX: usize = 4;

/// Bytes of one function: what compiling takes grows faster than its length. The longest of our helpers', a memory allocator's, has 5 KB.
pub const FUNCTION_BYTES_MAX: usize = 16 << 10;

/// Locals of one function beside its parameters. Those of ours have 25 at most.
pub const FUNCTION_LOCALS_MAX: u32 = 256;

/// Loops in one function.
pub const FUNCTION_LOOPS_MAX: u32 = 256;

/// Blocks, loops and conditions in each other.
pub const NESTING_MAX: u32 = 64;

/// The largest compiled component taken from the cache: machine code is 4 to 8 times the size of WebAssembly.
pub const COMPILED_BYTES_MAX: u64 = 64 << 20;

/// Compiled components kept on disk; the oldest goes when there are more.
pub const CACHED_COMPONENTS_MAX: usize = 32;

/// Fuel for the first instance, and for asking its manifest.
pub const START_FUEL: u64 = 10_000_000;

/// Fuel that making an instance may take: one is made for each payload of concern, whatever its operator leaves a call. Those of
/// Rust take none, since they have no start function.
pub const INSTANCE_FUEL_MAX: u64 = 100_000;

/// Each how many times a long-lived instance says that a payload is of no concern, another one that has seen nothing is asked the
/// same. It costs 4 µs, 16 ns a call.
pub const CONCERNS_CHECKED_EVERY: u32 = 256;

/// Fuel that a manifest may ask for a call. 100 million instructions are about 0.1 s.
pub const FUEL_PER_CALL: RangeInclusive<u64> = 1000..=100_000_000;

/// Fuel for an instruction that lets a memory or a table grow, be it by nothing: it leaves WebAssembly, which takes as long as a hundred others.
pub const GROWTH_FUEL: u8 = 100;

/// Memory that a manifest may ask for, in bytes: one page of WebAssembly to 16 MB.
pub const MEMORY_BYTES: RangeInclusive<u32> = 64 << 10..=16 << 20;

/// Room that is taken behind a linear memory, so that it need not move when it grows by a page.
pub const GROWTH_BYTES: u64 = 64 << 10;

/// Tables and core instances that a component may be made of. One module and its adapters need fewer. Linear memories it has one at
/// most: what parts with a memory each pass to each other is copied by the runtime, and no fuel counts that.
pub const PARTS_MAX: usize = 16;

/// Elements of all tables of a component: function pointers, for the most part.
pub const TABLE_ELEMENTS_MAX: usize = 10_000;

/// Native stack that WebAssembly may use.
pub const STACK_BYTES: usize = 256 << 10;
