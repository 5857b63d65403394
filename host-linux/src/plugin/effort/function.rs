//! How much work a function is.
//!
//! A step is what takes the compiler some 10 µs in a function of the size that they have. Most instructions are less than one. Some are many: where bounds
//! are checked there are branches, and where a value goes on from block to block or into a call it is moved.

use wasmparser::{BlockType, FunctionBody, Operator};

use super::{Excess, module::Module, within};
use crate::plugin::limits::{
    FUNCTION_BYTES_MAX, FUNCTION_LOCALS_MAX, FUNCTION_LOOPS_MAX, FUNCTION_STEPS_MAX, NESTING_MAX,
};

/// How many values a function, or a block, takes and gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) params: u32,
    pub(super) results: u32,
}

impl Shape {
    const fn values(self) -> u32 {
        self.params + self.results
    }
}

/// A function that is being looked through.
struct Function<'a> {
    module: &'a Module,
    own: Shape,
    /// How many values a branch to each of the blocks around carries, the function's first.
    labels: Vec<u32>,
    loops: u32,
    steps: u32,
}

/// Looks through a function of that type; gives its steps.
pub(super) fn steps(body: &FunctionBody<'_>, own: Shape, module: &Module) -> Result<u32, Excess> {
    within(body.range().len(), FUNCTION_BYTES_MAX).map_err(Excess::Bytes)?;
    let steps = OF_FUNCTION + own.values();
    let mut function = Function { module, own, labels: vec![own.results], loops: 0, steps };
    let (Ok(locals), Ok(operators)) = (body.get_locals_reader(), body.get_operators_reader()) else { return Ok(steps) };
    let groups = locals.into_iter().map_while(Result::ok).map(|(count, _)| count);
    within(groups.fold(0, u32::saturating_add), FUNCTION_LOCALS_MAX).map_err(Excess::Locals)?;
    let (bytes, start) = (body.as_bytes(), body.range().start);
    for (operator, offset) in operators.into_iter_with_offsets().map_while(Result::ok) {
        let code = bytes.get(offset - start).copied().unwrap_or_default();
        let steps = of_code(code).saturating_add(function.take(&operator)?);
        function.steps = function.steps.saturating_add(steps);
        within(function.steps, FUNCTION_STEPS_MAX).map_err(Excess::Steps)?;
    }
    within(function.loops, FUNCTION_LOOPS_MAX).map_err(Excess::Loops)?;
    Ok(function.steps)
}

impl Function<'_> {
    /// Takes an instruction; gives how many values it moves.
    #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else moves values, or is switched off (`runtime.rs`)")]
    fn take(&mut self, operator: &Operator<'_>) -> Result<u32, Excess> {
        Ok(match operator {
            Operator::Block { blockty } => self.open(*blockty, |shape| shape.results)?,
            Operator::Loop { blockty } => {
                self.loops += 1;
                self.open(*blockty, |shape| shape.params)?
            }
            // Twice: its values go on by either way.
            Operator::If { blockty } => self.open(*blockty, |shape| shape.results)?.saturating_mul(2),
            Operator::End => {
                self.labels.pop();
                0
            }
            Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => self.label(*relative_depth),
            Operator::BrTable { targets } => {
                let depths = targets.targets().map_while(Result::ok).chain([targets.default()]);
                depths.fold(0, |sum: u32, depth| sum.saturating_add(1 + self.label(depth)))
            }
            Operator::Return => self.own.results,
            Operator::Call { function_index } => {
                self.module.functions.get(*function_index as usize).copied().unwrap_or_default().values()
            }
            Operator::CallIndirect { type_index, .. } => self.module.shape(*type_index).values(),
            _ => 0,
        })
    }

    /// Begins a block; gives how many values go through it.
    fn open(&mut self, block: BlockType, carried: impl Fn(Shape) -> u32) -> Result<u32, Excess> {
        let shape = match block {
            BlockType::Empty => Shape::default(),
            BlockType::Type(_) => Shape { params: 0, results: 1 },
            BlockType::FuncType(number) => self.module.shape(number),
        };
        // The function itself is one.
        let depth = u32::try_from(self.labels.len()).unwrap_or(u32::MAX);
        within(depth, NESTING_MAX).map_err(Excess::Nesting)?;
        self.labels.push(carried(shape));
        Ok(shape.values())
    }

    /// How many values a branch to the block so far outside carries.
    fn label(&self, depth: u32) -> u32 {
        let place = self.labels.len().checked_sub(depth as usize + 1);
        place.map_or(0, |place| self.labels[place])
    }
}

/// What a function takes that is empty.
const OF_FUNCTION: u32 = 25;

/// The steps of an instruction, beside those for the values that it moves, by its first byte (WebAssembly 2.0, 5.4).
#[rustfmt::skip]
const fn of_code(code: u8) -> u32 {
    match code {
        0x28..=0x3e                           => 6,   // loads and stores
        0x40                                  => 8,   // memory.grow
        0x10                                  => 2,   // call
        0x11                                  => 24,  // call_indirect
        0x25 | 0x26 | 0xd2                    => 12,  // table.get, table.set, ref.func
        0x6d..=0x70 | 0x7f..=0x82             => 3,   // division
        0x8b..=0xa6 | 0xb6 | 0xbb             => 2,   // floats: NaN is always the same one
        0xa8..=0xab | 0xae..=0xb1             => 24,  // floats to integers
        0xfc                                  => 24,  // whole pieces of memories and tables
        _                                     => 1,
    }
}
