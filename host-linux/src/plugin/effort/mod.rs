//! What compiling a component may take, known before it begins.
//!
//! A compiler cannot be stopped half way, and what it takes is not told by a component's size: some shapes of code take a hundred times
//! as long as others of as many bytes (thousands of loops in one function, hundreds of blocks in each other, very long functions). So a
//! component is looked through first, which takes a millisecond, and what no helper needs is refused by name.
//!
//! | what | takes | so a component may have |
//! |---|---|---|
//! | code of helpers as they are | 2 to 8 µs a byte | [`CODE_BYTES_MAX`] of it |
//! | instructions, each by what the compiler makes of it (`function`) | 10 to 20 µs a step | [`CODE_STEPS_MAX`], and [`FUNCTION_STEPS_MAX`] in each function |
//! | a long function of loads and stores | 11 µs a byte at 5 KB, 20 at 16 KB, 43 at 55 KB | [`FUNCTION_BYTES_MAX`] in each function |
//! | 7500 conversions from float to integer in one function | 5.5 s | the same, since they are many steps each |
//! | 1000 blocks or calls of 900 parameters and 900 results | 9.8 GB of memory | [`TYPE_PARAMS_MAX`], [`TYPE_RESULTS_MAX`], and each value is a step |
//! | loops behind each other | 0.33 µs times the square of their number | [`FUNCTION_LOOPS_MAX`] in each function |
//! | loops in each other | 8 µs a byte at 100, 217 at 1000 | [`NESTING_MAX`] |
//! | locals | 37 µs a byte for 400 of them and 2000 loops | [`FUNCTION_LOCALS_MAX`] in each function |
//! | a function that is empty | 0.25 ms | [`FUNCTIONS_MAX`] |
//! | what is set each time it is started (`module`): one function that nobody has written | 14 s for 9000 elements, more than 60 s for 5000 segments | [`STARTED_MAX`], at offsets that are constants |
//! | types of components in each other | the stack, 1 KB each | [`TYPE_NESTING_MAX`] |
//! | whatever else there can be many of | | [`DECLARATIONS_MAX`] of each kind |
//!
//! Why not a process of its own that is killed when its time is over: what is refused would depend on how busy the machine is.
//!
//! [`CODE_BYTES_MAX`]: super::limits::CODE_BYTES_MAX
//! [`CODE_STEPS_MAX`]: super::limits::CODE_STEPS_MAX
//! [`FUNCTION_STEPS_MAX`]: super::limits::FUNCTION_STEPS_MAX
//! [`FUNCTION_BYTES_MAX`]: super::limits::FUNCTION_BYTES_MAX
//! [`TYPE_PARAMS_MAX`]: super::limits::TYPE_PARAMS_MAX
//! [`TYPE_RESULTS_MAX`]: super::limits::TYPE_RESULTS_MAX
//! [`FUNCTION_LOOPS_MAX`]: super::limits::FUNCTION_LOOPS_MAX
//! [`NESTING_MAX`]: super::limits::NESTING_MAX
//! [`FUNCTION_LOCALS_MAX`]: super::limits::FUNCTION_LOCALS_MAX
//! [`FUNCTIONS_MAX`]: super::limits::FUNCTIONS_MAX
//! [`STARTED_MAX`]: super::limits::STARTED_MAX
//! [`TYPE_NESTING_MAX`]: super::limits::TYPE_NESTING_MAX
//! [`DECLARATIONS_MAX`]: super::limits::DECLARATIONS_MAX

mod function;
mod module;
mod words;

use wasmparser::{CanonicalFunction, ComponentType, CoreType, Encoding, Parser, Payload};

use super::limits::{CODE_BYTES_MAX, CODE_STEPS_MAX, TYPE_NESTING_MAX};
use module::Module;
pub use words::Kind;

/// What would take too long to compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// So many bytes of code.
    Code(usize),
    /// All functions together take so many steps, or more.
    Steps(u32),
    /// A function, by its number in its module, that is too much by itself.
    Function(u32, Excess),
    /// A type, by its number in its module, that has so many parameters.
    Params(u32, usize),
    /// The same, with so many results.
    Results(u32, usize),
    /// More of these than there may be.
    Many(Kind),
    /// A data segment, by its number in its module, whose offset is no constant.
    DataOffset(u32),
    /// The same of elements.
    ElementOffset(u32),
    /// Types of components that are declared in each other too deep, as far as their first bytes tell.
    TypeNesting,
    /// Parts that call each other.
    Parts,
}

/// What a function has too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// So many bytes.
    Bytes(usize),
    /// So many steps, or more.
    Steps(u32),
    /// So many locals.
    Locals(u32),
    /// So many loops.
    Loops(u32),
    /// Blocks in each other, so deep or deeper.
    Nesting(u32),
}

/// What there is so far.
#[derive(Debug)]
struct Sums<'a> {
    component: &'a [u8],
    code_bytes: usize,
    code_steps: u32,
    counts: [usize; Kind::ALL.len()],
    /// The module that is being looked through.
    module: Module,
}

/// What a component imports first, though helpers import nothing: what calls out takes its time to compile, too, and has another name.
#[must_use]
pub fn import(component: &[u8]) -> Option<String> {
    // Its parts may import from each other.
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(component).map_while(Result::ok) {
        #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else is an import, or lies in something")]
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(imports) if depth == 0 => {
                return imports.into_iter().map_while(Result::ok).next().map(|import| import.name.name.to_owned());
            }
            _ => {}
        }
    }
    None
}

/// Looks through a component. What cannot be read is left for the compiler to refuse, who says why.
///
/// # Errors
/// With the first thing that would take too long.
pub fn check(component: &[u8]) -> Result<(), Effort> {
    let (counts, module) = ([0; Kind::ALL.len()], Module::default());
    let mut sums = Sums { component, code_bytes: 0, code_steps: 0, counts, module };
    for payload in Parser::new(0).parse_all(component) {
        let Ok(payload) = payload else { return Ok(()) };
        sums.take(&payload)?;
    }
    Ok(())
}

impl Sums<'_> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else is compiled, or there can be one of it")]
    fn take(&mut self, payload: &Payload<'_>) -> Result<(), Effort> {
        match payload {
            Payload::Version { encoding: Encoding::Module, .. } => self.module = Module::default(),
            Payload::TypeSection(types) => {
                self.count(Kind::Types, types.count())?;
                self.module.take_types(types)?;
            }
            Payload::ImportSection(imports) => {
                let count = self.module.take_imports(imports);
                self.count(Kind::Imports, count)?;
            }
            Payload::FunctionSection(functions) => {
                self.count(Kind::Functions, functions.count())?;
                self.module.take_functions(functions);
            }
            Payload::TableSection(tables) => {
                self.count(Kind::Tables, tables.count())?;
                self.module.take_tables(tables);
            }
            Payload::GlobalSection(globals) => {
                self.count(Kind::Globals, globals.count())?;
                self.count(Kind::Started, module::computed(globals))?;
            }
            Payload::ExportSection(exports) => self.count(Kind::Exports, exports.count())?,
            Payload::ElementSection(segments) => {
                let (all, started) = self.module.take_elements(segments)?;
                self.count(Kind::Elements, all)?;
                self.count(Kind::Started, started)?;
            }
            Payload::DataSection(segments) => {
                module::check_offsets(segments)?;
                self.count(Kind::Started, segments.count())?;
            }
            Payload::CodeSectionEntry(body) => {
                self.code_bytes += body.range().len();
                within(self.code_bytes, CODE_BYTES_MAX).map_err(Effort::Code)?;
                self.code_steps = self.code_steps.saturating_add(self.module.take_body(body)?);
                within(self.code_steps, CODE_STEPS_MAX).map_err(Effort::Steps)?;
            }
            _ => return self.take_part(payload),
        }
        Ok(())
    }

    /// What lies around modules.
    #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else is compiled, or there can be one of it")]
    fn take_part(&mut self, payload: &Payload<'_>) -> Result<(), Effort> {
        match payload {
            Payload::ModuleSection { .. } => self.count(Kind::Modules, 1),
            Payload::ComponentSection { .. } => self.count(Kind::Components, 1),
            Payload::InstanceSection(instances) => self.count(Kind::Instances, instances.count()),
            Payload::ComponentInstanceSection(instances) => self.count(Kind::Instances, instances.count()),
            Payload::ComponentAliasSection(aliases) => self.count(Kind::Aliases, aliases.count()),
            Payload::ComponentImportSection(imports) => self.count(Kind::Imports, imports.count()),
            Payload::ComponentExportSection(exports) => self.count(Kind::Exports, exports.count()),
            Payload::ComponentTypeSection(types) => {
                let bytes = self.component.get(types.range()).unwrap_or_default();
                within(nested_at_most(bytes), TYPE_NESTING_MAX).map_err(|_| Effort::TypeNesting)?;
                let declared = types.clone().into_iter().map_while(Result::ok).map(|found| declarations(&found));
                self.count(Kind::Types, declared.sum())
            }
            Payload::CoreTypeSection(types) => {
                let declared = types.clone().into_iter().map_while(Result::ok).map(|found| core_declarations(&found));
                self.count(Kind::Types, declared.sum())
            }
            // What is between the two is compiled, and is as long as the types of what they pass are large.
            Payload::ComponentCanonicalSection(functions) => {
                let lowers = |function| matches!(function, Ok(CanonicalFunction::Lower { .. }));
                if functions.clone().into_iter().any(lowers) {
                    return Err(Effort::Parts);
                }
                self.count(Kind::Lifted, functions.count())
            }
            _ => Ok(()),
        }
    }

    /// So many more of these.
    fn count(&mut self, kind: Kind, more: u32) -> Result<(), Effort> {
        let count = &mut self.counts[kind as usize];
        *count = count.saturating_add(usize::try_from(more).unwrap_or(usize::MAX));
        within(*count, kind.most()).map_err(|_| Effort::Many(kind))
    }
}

/// How deep types of components and instances lie in each other at most. Each but the outermost is a declaration of the kind 1 and begins with 0x41 or
/// 0x42 (Component model, Binary.md), which seldom follow each other otherwise. They cannot be read to be counted: whoever reads
/// them, wasmtime among others, calls itself for each.
fn nested_at_most(types: &[u8]) -> usize {
    types.windows(2).filter(|pair| matches!(pair, [1, 0x41 | 0x42])).count()
}

/// A type, and those that are declared in it.
fn declarations(found: &ComponentType<'_>) -> u32 {
    use wasmparser::{ComponentTypeDeclaration as OfComponent, InstanceTypeDeclaration as OfInstance};
    match found {
        ComponentType::Defined(_) | ComponentType::Func(_) | ComponentType::Resource { .. } => 1,
        ComponentType::Component(all) => all.iter().fold(1, |sum: u32, each| {
            sum.saturating_add(match each {
                OfComponent::CoreType(core) => core_declarations(core),
                OfComponent::Type(nested) => declarations(nested),
                OfComponent::Alias(_) | OfComponent::Export { .. } | OfComponent::Import(_) => 1,
            })
        }),
        ComponentType::Instance(all) => all.iter().fold(1, |sum: u32, each| {
            sum.saturating_add(match each {
                OfInstance::CoreType(core) => core_declarations(core),
                OfInstance::Type(nested) => declarations(nested),
                OfInstance::Alias(_) | OfInstance::Export { .. } => 1,
            })
        }),
    }
}

/// The same of types of modules.
fn core_declarations(found: &CoreType<'_>) -> u32 {
    let count = match found {
        CoreType::Rec(group) => group.types().len(),
        CoreType::Module(all) => all.len() + 1,
    };
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn within<T: PartialOrd>(found: T, most: T) -> Result<(), T> {
    if found <= most { Ok(()) } else { Err(found) }
}
