//! Components that would take long to compile are refused before.

use towpath::plugin::{Effort, Problem, effort, limits::FUNCTION_LOOPS_MAX};

use crate::{made::Made, runtime};

/// What is found too long of a component with these items in its module.
fn found(more: String) -> Option<Effort> {
    let component = Made { more: more.leak(), ..Made::default() }.component();
    let found = effort::check(&component).err();
    if let Some(effort) = found {
        let Err(Problem::Slow(refused)) = runtime().load_bytes(&component) else { panic!("{effort:?} is not refused") };
        assert_eq!(refused, effort);
        assert!(Problem::Slow(refused).to_string().starts_with("takes too long to compile: "), "{refused}");
    }
    found
}

/// So many functions of that body.
fn functions(count: usize, body: &str) -> String {
    format!("(func (param i32) (local i32) {body})").repeat(count)
}

#[test]
fn what_takes_long_to_compile_is_refused_by_what_it_is() {
    let add = |bytes: usize| "(local.set 1 (i32.add (local.get 1) (i32.const 1)))".repeat(bytes / 7);
    let nested = |depth: usize| format!("{}{}", "(loop ".repeat(depth), ")".repeat(depth));
    assert!(matches!(found(functions(1, &add(17_000))), Some(Effort::Function(16_900..17_100))));
    assert!(matches!(found(functions(36, &add(15_000))), Some(Effort::Code(524_289..))));
    assert_eq!(found(functions(5001, "")), Some(Effort::Functions(5001)));
    assert_eq!(found(functions(1, &nested(65))), Some(Effort::Nesting(65)));
    let loops = FUNCTION_LOOPS_MAX as usize;
    assert_eq!(found(functions(1, &"(loop)".repeat(loops + 1))), Some(Effort::Loops(FUNCTION_LOOPS_MAX + 1)));
    let locals = |count| format!("(func (local {}))", "i32 ".repeat(count));
    assert_eq!(found(locals(257)), Some(Effort::Locals(257)));
    // What is as large as it may be is not.
    for fits in
        [functions(1, &add(16_000)), functions(1, &nested(64)), functions(1, &"(loop)".repeat(loops)), locals(256)]
    {
        assert_eq!(found(fits), None);
    }
}

#[test]
fn parts_that_call_each_other_are_refused() {
    let component = wat::parse_str(
        "(component
            (core module $m (func (export \"f\")))
            (core instance $i (instantiate $m))
            (func $lifted (canon lift (core func $i \"f\")))
            (core func (canon lower (func $lifted))))",
    );
    assert_eq!(effort::check(&component.expect("a component")), Err(Effort::Parts));
    let modules = "(core module)".repeat(17);
    let component = wat::parse_str(format!("(component {modules})")).expect("a component");
    assert_eq!(effort::check(&component), Err(Effort::Modules(17)));
}
