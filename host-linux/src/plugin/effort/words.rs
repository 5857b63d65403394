//! What takes too long, in words.

use std::fmt;

use super::{Effort, Excess};
use crate::plugin::limits::{
    CODE_BYTES_MAX, CODE_STEPS_MAX, COMPONENTS_MAX, DECLARATIONS_MAX, FUNCTION_BYTES_MAX, FUNCTION_LOCALS_MAX,
    FUNCTION_LOOPS_MAX, FUNCTION_STEPS_MAX, FUNCTIONS_MAX, NESTING_MAX, PARTS_MAX, STARTED_MAX, TABLE_ELEMENTS_MAX,
    TYPE_NESTING_MAX, TYPE_PARAMS_MAX, TYPE_RESULTS_MAX,
};

/// What there can be many of, in all modules together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Functions.
    Functions,
    /// Types of modules and of components, with those in each other.
    Types,
    /// What parts import from each other.
    Imports,
    /// What modules and components export.
    Exports,
    /// Globals.
    Globals,
    /// Tables.
    Tables,
    /// Elements of tables.
    Elements,
    /// What is set each time it is started: data segments, and elements and globals that are no constants.
    Started,
    /// Modules.
    Modules,
    /// Components in it.
    Components,
    /// Instances of either.
    Instances,
    /// Other names of something.
    Aliases,
    /// Functions by the component model's types.
    Lifted,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Functions,
        Self::Types,
        Self::Imports,
        Self::Exports,
        Self::Globals,
        Self::Tables,
        Self::Elements,
        Self::Started,
        Self::Modules,
        Self::Components,
        Self::Instances,
        Self::Aliases,
        Self::Lifted,
    ];

    /// How many there may be.
    #[must_use]
    pub const fn most(self) -> usize {
        match self {
            Self::Functions => FUNCTIONS_MAX,
            Self::Types | Self::Imports | Self::Exports | Self::Globals | Self::Aliases | Self::Lifted => {
                DECLARATIONS_MAX
            }
            Self::Elements => TABLE_ELEMENTS_MAX,
            Self::Started => STARTED_MAX,
            Self::Components => COMPONENTS_MAX,
            Self::Tables | Self::Modules | Self::Instances => PARTS_MAX,
        }
    }

    /// What they are.
    const fn words(self) -> &'static str {
        match self {
            Self::Functions => "functions",
            Self::Types => "types",
            Self::Imports => "imports of its parts from each other",
            Self::Exports => "exports",
            Self::Globals => "globals",
            Self::Tables => "tables",
            Self::Elements => "elements of tables",
            Self::Started => {
                "things to set each time it is started (data segments; elements and globals that are no constants)"
            }
            Self::Modules => "modules",
            Self::Components => "components in it",
            Self::Instances => "instances of its parts",
            Self::Aliases => "aliases",
            Self::Lifted => "functions of components",
        }
    }
}

/// The end of a sentence that says what takes too long.
impl fmt::Display for Effort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(bytes) => write!(f, "it has more than {bytes} bytes of code, and may have {CODE_BYTES_MAX}"),
            Self::Steps(_) => write!(
                f,
                "its functions are more than {CODE_STEPS_MAX} steps of work for a compiler: they load, store, call, and move values \
                 from block to block too often"
            ),
            Self::Function(number, excess) => write!(f, "function {number} of it {excess}"),
            Self::Params(number, count) => {
                write!(f, "type {number} of it has {count} parameters, and may have {TYPE_PARAMS_MAX}")
            }
            Self::Results(number, count) => {
                write!(f, "type {number} of it has {count} results, and may have {TYPE_RESULTS_MAX}")
            }
            Self::Many(kind) => write!(f, "it has more than {} {}", kind.most(), kind.words()),
            Self::DataOffset(number) => write!(f, "the offset of data segment {number} of it is no constant"),
            Self::ElementOffset(number) => write!(f, "the offset of element segment {number} of it is no constant"),
            Self::TypeNesting => {
                write!(f, "types of components in it are declared in each other, more than {TYPE_NESTING_MAX} deep")
            }
            Self::Parts => f.write_str("parts of it call each other by the component model: make it of one module"),
        }
    }
}

/// The end of a sentence that a function begins.
impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "has {bytes} bytes, and may have {FUNCTION_BYTES_MAX}: cut it"),
            Self::Steps(_) => write!(
                f,
                "is more than {FUNCTION_STEPS_MAX} steps of work for a compiler: it loads, stores, calls, and moves values from block \
                 to block too often, so cut it"
            ),
            Self::Locals(count) => write!(f, "has {count} locals, and may have {FUNCTION_LOCALS_MAX}"),
            Self::Loops(count) => write!(f, "has {count} loops, and may have {FUNCTION_LOOPS_MAX}"),
            Self::Nesting(_) => write!(f, "has blocks in each other, more than {NESTING_MAX} deep"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_place() {
        for (place, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place, "{kind:?}");
        }
    }
}
