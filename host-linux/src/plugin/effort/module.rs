//! What of a module stands outside its functions.
//!
//! What a module's memory, tables and globals hold at first is set by a function that the compiler makes, and that runs each time one is
//! started: some instructions for each segment of data; for each element, unless it is a function of a segment at a constant offset
//! in a table of the module's own; and for each global that is no constant. In one function as long as it takes to say all that, the time
//! grows with the square of their number.

use wasmparser::{
    CompositeInnerType, ConstExpr, Data, DataKind, Element, ElementItems, ElementKind, FunctionBody, Global, Import,
    Imports, Operator, RecGroup, SectionLimited, Table, TypeRef,
};

use super::{
    Effort,
    function::{self, Shape},
    within,
};
use crate::plugin::limits::{TYPE_PARAMS_MAX, TYPE_RESULTS_MAX};

/// What is known of a module.
#[derive(Debug, Default)]
pub(super) struct Module {
    /// Its types, by number; of what is no function's, nothing.
    pub(super) types: Vec<Shape>,
    /// The types of its functions, imported ones first.
    pub(super) functions: Vec<Shape>,
    imported: usize,
    /// How many functions' bodies have come.
    bodies: usize,
    /// How many functions its tables have room for; those that hold none, or are another module's, for none.
    tables: Vec<u64>,
    /// Whether an element was set by instructions; then all behind it are.
    sets_elements: bool,
}

impl Module {
    /// Takes its types.
    pub(super) fn take_types(&mut self, types: &SectionLimited<'_, RecGroup>) -> Result<(), Effort> {
        for group in types.clone().into_iter().map_while(Result::ok) {
            for found in group.types() {
                let shape = match &found.composite_type.inner {
                    CompositeInnerType::Func(function) => {
                        let (params, results) = (function.params().len(), function.results().len());
                        let number = u32::try_from(self.types.len()).unwrap_or(u32::MAX);
                        within(params, TYPE_PARAMS_MAX).map_err(|params| Effort::Params(number, params))?;
                        within(results, TYPE_RESULTS_MAX).map_err(|results| Effort::Results(number, results))?;
                        Shape { params: params as u32, results: results as u32 }
                    }
                    CompositeInnerType::Array(_) | CompositeInnerType::Struct(_) | CompositeInnerType::Cont(_) => {
                        Shape::default()
                    }
                };
                self.types.push(shape);
            }
        }
        Ok(())
    }

    /// Takes what it imports; gives how much that is.
    #[expect(clippy::wildcard_enum_match_arm, reason = "of the others nothing is needed")]
    pub(super) fn take_imports(&mut self, imports: &SectionLimited<'_, Imports<'_>>) -> u32 {
        let mut count = 0_u32;
        for Import { ty, .. } in imports.clone().into_imports().map_while(Result::ok) {
            count = count.saturating_add(1);
            match ty {
                TypeRef::Func(number) | TypeRef::FuncExact(number) => {
                    let shape = self.shape(number);
                    self.functions.push(shape);
                    self.imported += 1;
                }
                TypeRef::Table(_) => self.tables.push(0),
                _ => {}
            }
        }
        count
    }

    /// Takes the types of its functions.
    pub(super) fn take_functions(&mut self, functions: &SectionLimited<'_, u32>) {
        for number in functions.clone().into_iter().map_while(Result::ok) {
            let shape = self.shape(number);
            self.functions.push(shape);
        }
    }

    /// Takes its tables.
    pub(super) fn take_tables(&mut self, tables: &SectionLimited<'_, Table<'_>>) {
        let room = |table: Table<'_>| if table.ty.element_type.is_func_ref() { table.ty.initial } else { 0 };
        self.tables.extend(tables.clone().into_iter().map_while(Result::ok).map(room));
    }

    /// Takes the elements of its tables. Gives how many there are, and how many of them are set each time it is started.
    pub(super) fn take_elements(&mut self, segments: &SectionLimited<'_, Element<'_>>) -> Result<(u32, u32), Effort> {
        let (mut all, mut started) = (0_u32, 0_u32);
        for (number, Element { kind, items, .. }) in (0..).zip(segments.clone().into_iter().map_while(Result::ok)) {
            let (count, are_functions) = match items {
                ElementItems::Functions(functions) => (functions.count(), true),
                ElementItems::Expressions(_, expressions) => (expressions.count(), false),
            };
            // A segment may be empty, and takes its time.
            let count = count.max(1);
            all = all.saturating_add(count);
            match kind {
                ElementKind::Declared => {}
                ElementKind::Passive => started = started.saturating_add(count),
                ElementKind::Active { table_index, offset_expr } => {
                    let offset = constant(&offset_expr).ok_or(Effort::ElementOffset(number))?;
                    let room = self.tables.get(table_index.unwrap_or_default() as usize).copied().unwrap_or_default();
                    self.sets_elements |= !are_functions || u64::from(offset) + u64::from(count) > room;
                    started = started.saturating_add(if self.sets_elements { count } else { 0 });
                }
            }
        }
        Ok((all, started))
    }

    /// Looks through the next function; gives its steps.
    pub(super) fn take_body(&mut self, body: &FunctionBody<'_>) -> Result<u32, Effort> {
        let number = self.imported + self.bodies;
        self.bodies += 1;
        let own = self.functions.get(number).copied().unwrap_or_default();
        function::steps(body, own, self)
            .map_err(|excess| Effort::Function(u32::try_from(number).unwrap_or(u32::MAX), excess))
    }

    /// The type of that number.
    pub(super) fn shape(&self, number: u32) -> Shape {
        self.types.get(number as usize).copied().unwrap_or_default()
    }
}

/// How many globals are no constants.
pub(super) fn computed(globals: &SectionLimited<'_, Global<'_>>) -> u32 {
    let is_computed = |global: &Global<'_>| !is_constant(&global.init_expr);
    let count = globals.clone().into_iter().map_while(Result::ok).filter(is_computed).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Refuses data whose place is no constant.
pub(super) fn check_offsets(segments: &SectionLimited<'_, Data<'_>>) -> Result<(), Effort> {
    let has_constant = |data: &Data<'_>| match &data.kind {
        DataKind::Passive => true,
        DataKind::Active { offset_expr, .. } => constant(offset_expr).is_some(),
    };
    let mut numbered = (0..).zip(segments.clone().into_iter().map_while(Result::ok));
    numbered.find(|(_, data)| !has_constant(data)).map_or(Ok(()), |(number, _)| Err(Effort::DataOffset(number)))
}

/// The number that an expression is, if it is one.
fn constant(expression: &ConstExpr<'_>) -> Option<u32> {
    let mut operators = expression.get_operators_reader().into_iter();
    match (operators.next(), operators.next()) {
        (Some(Ok(Operator::I32Const { value })), Some(Ok(Operator::End))) => Some(value.cast_unsigned()),
        _ => None,
    }
}

/// Whether it is one of any type.
fn is_constant(expression: &ConstExpr<'_>) -> bool {
    let mut operators = expression.get_operators_reader().into_iter();
    let first = matches!(
        operators.next(),
        Some(Ok(Operator::I32Const { .. }
            | Operator::I64Const { .. }
            | Operator::F32Const { .. }
            | Operator::F64Const { .. }))
    );
    first && matches!(operators.next(), Some(Ok(Operator::End)))
}
