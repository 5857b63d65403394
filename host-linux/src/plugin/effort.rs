//! What compiling a component may take, known before it begins.
//!
//! A compiler cannot be stopped half way, and what it takes is not told by a component's size: some shapes of code take a hundred times
//! as long as others of as many bytes (thousands of loops in one function, hundreds of blocks in each other, very long functions). So a
//! component is looked through first, which takes a millisecond, and what no helper needs is refused by name.
//!
//! | what | takes | so a component may have |
//! |---|---|---|
//! | code of helpers as they are | 2 to 8 µs a byte | [`CODE_BYTES_MAX`] of it |
//! | a long function of loads and stores | 11 µs a byte at 5 KB, 20 at 16 KB, 43 at 55 KB | [`FUNCTION_BYTES_MAX`] in each function |
//! | loops behind each other | 0.33 µs times the square of their number | [`FUNCTION_LOOPS_MAX`] in each function |
//! | loops in each other | 8 µs a byte at 100, 217 at 1000 | [`NESTING_MAX`] |
//! | locals | 37 µs a byte for 400 of them and 2000 loops | [`FUNCTION_LOCALS_MAX`] in each function |
//! | a function that is empty | 0.25 ms | [`FUNCTIONS_MAX`] |
//!
//! Why not a process of its own that is killed when its time is over: what is refused would depend on how busy the machine is.

use std::fmt;

use wasmparser::{CanonicalFunction, FunctionBody, Operator, Parser, Payload};

use super::limits::{
    CODE_BYTES_MAX, FUNCTION_BYTES_MAX, FUNCTION_LOCALS_MAX, FUNCTION_LOOPS_MAX, FUNCTIONS_MAX, NESTING_MAX, PARTS_MAX,
};

/// What would take too long to compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// So many bytes of code.
    Code(usize),
    /// A function of so many bytes.
    Function(usize),
    /// So many functions, or more.
    Functions(usize),
    /// A function with so many locals.
    Locals(u32),
    /// A function with so many loops.
    Loops(u32),
    /// Blocks in each other, so deep or deeper.
    Nesting(u32),
    /// So many modules, or more.
    Modules(usize),
    /// Parts that call each other.
    Parts,
}

/// What there is so far.
#[derive(Debug, Default)]
struct Sums {
    code_bytes: usize,
    functions: usize,
    modules: usize,
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
    let mut sums = Sums::default();
    for payload in Parser::new(0).parse_all(component) {
        let Ok(payload) = payload else { return Ok(()) };
        sums.take(&payload)?;
    }
    Ok(())
}

impl Sums {
    #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else is compiled")]
    fn take(&mut self, payload: &Payload<'_>) -> Result<(), Effort> {
        match payload {
            Payload::CodeSectionEntry(body) => {
                self.functions += 1;
                within(self.functions, FUNCTIONS_MAX).map_err(Effort::Functions)?;
                self.code_bytes += body.range().len();
                within(self.code_bytes, CODE_BYTES_MAX).map_err(Effort::Code)?;
                function(body)
            }
            Payload::ModuleSection { .. } => {
                self.modules += 1;
                within(self.modules, PARTS_MAX).map_err(Effort::Modules)
            }
            // What is between the two is compiled, and is as long as the types of what they pass are large.
            Payload::ComponentCanonicalSection(functions) => {
                let lowers = |function| matches!(function, Ok(CanonicalFunction::Lower { .. }));
                if functions.clone().into_iter().any(lowers) { Err(Effort::Parts) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }
}

/// Looks through a function.
fn function(body: &FunctionBody<'_>) -> Result<(), Effort> {
    within(body.range().len(), FUNCTION_BYTES_MAX).map_err(Effort::Function)?;
    let (Ok(locals), Ok(operators)) = (body.get_locals_reader(), body.get_operators_reader()) else { return Ok(()) };
    let groups = locals.into_iter().map_while(Result::ok).map(|(count, _)| count);
    within(groups.fold(0, u32::saturating_add), FUNCTION_LOCALS_MAX).map_err(Effort::Locals)?;
    let (mut loops, mut depth) = (0, 0_u32);
    for operator in operators.into_iter().map_while(Result::ok) {
        loops += u32::from(matches!(operator, Operator::Loop { .. }));
        if opens(&operator) {
            depth += 1;
            within(depth, NESTING_MAX).map_err(Effort::Nesting)?;
        } else if matches!(operator, Operator::End) {
            depth = depth.saturating_sub(1);
        }
    }
    within(loops, FUNCTION_LOOPS_MAX).map_err(Effort::Loops)
}

/// Whether a block begins.
const fn opens(operator: &Operator<'_>) -> bool {
    matches!(operator, Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } | Operator::TryTable { .. })
}

fn within<T: PartialOrd>(found: T, most: T) -> Result<(), T> {
    if found <= most { Ok(()) } else { Err(found) }
}

/// The end of a sentence that says what takes too long.
impl fmt::Display for Effort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(bytes) => write!(f, "it has more than {bytes} bytes of code, and may have {CODE_BYTES_MAX}"),
            Self::Function(bytes) => {
                write!(f, "a function of it has {bytes} bytes, and may have {FUNCTION_BYTES_MAX}: cut it")
            }
            Self::Functions(_) => write!(f, "it has more than {FUNCTIONS_MAX} functions"),
            Self::Locals(count) => {
                write!(f, "a function of it has {count} locals, and may have {FUNCTION_LOCALS_MAX}")
            }
            Self::Loops(count) => write!(f, "a function of it has {count} loops, and may have {FUNCTION_LOOPS_MAX}"),
            Self::Nesting(_) => write!(f, "blocks of a function of it lie in each other more than {NESTING_MAX} deep"),
            Self::Modules(_) => write!(f, "it has more than {PARTS_MAX} modules"),
            Self::Parts => f.write_str("parts of it call each other by the component model: make it of one module"),
        }
    }
}
