//! Components that would take long to compile are refused before.

use towpath::plugin::{
    Effort, Excess, Kind, Problem, effort,
    limits::{FUNCTION_LOOPS_MAX, TYPE_NESTING_MAX, TYPE_PARAMS_MAX, TYPE_RESULTS_MAX},
};

use crate::{made::Made, runtime};

/// What is found too long of a component with these items in its module.
fn found(more: String) -> Option<Effort> {
    let component = Made { more: more.leak(), ..Made::default() }.component();
    let found = effort::check(&component).err();
    if let Some(effort) = found {
        assert_eq!(refused(&component), effort);
    }
    found
}

/// What a component is refused for.
fn refused(component: &[u8]) -> Effort {
    let Err(Problem::Slow(refused)) = runtime().load_bytes(component) else { panic!("it is not refused") };
    assert!(Problem::Slow(refused).to_string().starts_with("takes too long to compile: "), "{refused}");
    refused
}

/// A component of this text that is refused before it is compiled, as what it is.
fn refused_text(text: &str) -> Effort {
    let component = wat::parse_str(format!("(component {text})")).expect("a component");
    assert_eq!(effort::check(&component), Err(refused(&component)));
    refused(&component)
}

/// So many functions of that body.
fn functions(count: usize, body: &str) -> String {
    format!("(func (param i32) (local i32) {body})").repeat(count)
}

/// A type of so many parameters and results.
fn shape(params: usize, results: usize) -> String {
    format!("(type $t (func (param {}) (result {})))", "i32 ".repeat(params), "i32 ".repeat(results))
}

#[test]
fn what_takes_long_to_compile_is_refused_by_what_it_is() {
    let add = |bytes: usize| "(local.set 1 (i32.add (local.get 1) (i32.const 1)))".repeat(bytes / 7);
    let nested = |depth: usize| format!("{}{}", "(loop ".repeat(depth), ")".repeat(depth));
    let first = |excess| Some(Effort::Function(0, excess));
    assert!(matches!(found(functions(1, &add(17_000))), Some(Effort::Function(0, Excess::Bytes(16_900..17_100)))));
    assert!(matches!(found(functions(36, &add(15_000))), Some(Effort::Code(524_289..))));
    assert_eq!(found(functions(5001, "")), Some(Effort::Many(Kind::Functions)));
    assert_eq!(found(functions(1, &nested(65))), first(Excess::Nesting(65)));
    let loops = FUNCTION_LOOPS_MAX as usize;
    assert_eq!(found(functions(1, &"(loop)".repeat(loops + 1))), first(Excess::Loops(FUNCTION_LOOPS_MAX + 1)));
    let locals = |count| format!("(func (local {}))", "i32 ".repeat(count));
    assert_eq!(found(locals(257)), first(Excess::Locals(257)));
    // What is as large as it may be is not.
    for fits in
        [functions(1, &add(16_000)), functions(1, &nested(64)), functions(1, &"(loop)".repeat(loops)), locals(256)]
    {
        assert_eq!(found(fits), None);
    }
}

#[test]
fn types_that_carry_more_values_than_any_helper_passes_are_refused() {
    assert_eq!(found(shape(900, 900)), Some(Effort::Params(0, 900)));
    assert_eq!(found(shape(TYPE_PARAMS_MAX + 1, 0)), Some(Effort::Params(0, TYPE_PARAMS_MAX + 1)));
    assert_eq!(found(shape(0, TYPE_RESULTS_MAX + 1)), Some(Effort::Results(0, TYPE_RESULTS_MAX + 1)));
    assert_eq!(found(shape(TYPE_PARAMS_MAX, TYPE_RESULTS_MAX)), None);
}

#[test]
fn each_value_that_goes_through_a_block_a_branch_or_a_call_is_work() {
    let values = (0..16).map(|number| format!("local.get {number} ")).collect::<String>();
    let all = |again: &str, times| {
        let body = format!("{values}{}", again.repeat(times));
        found(format!("{}(func $f (type $t) {values})(func (type $t) {body})", shape(16, 16)))
    };
    let table = format!("block (type $t) local.get 0 br_table {} end ", "0 ".repeat(100));
    for (again, times) in [
        ("call $f ", 1000),
        ("block (type $t) end ", 1000),
        ("local.get 0 if (type $t) else end ", 1000),
        ("block (type $t) local.get 0 br_if 0 end ", 500),
        (&table, 20),
    ] {
        let found = all(again, times);
        assert!(matches!(found, Some(Effort::Function(1, Excess::Steps(16_001..)))), "{again}: {found:?}");
        assert_eq!(all(again, times / 20), None, "{again}");
    }
}

#[test]
fn instructions_of_which_a_compiler_makes_many_are_more_work() {
    let chain = |again: &str, times| functions(1, &format!("f64.const 1 {} drop", again.repeat(times)));
    let indirect = |times| {
        let call = "(call_indirect (param i32) (local.get 0) (local.get 0))".repeat(times);
        format!("(table 1 funcref){}", functions(1, &call))
    };
    let load = |times| functions(1, &format!("local.get 0 {} drop", "i32.load ".repeat(times)));
    let convert = |times| chain("i64.trunc_f64_s f64.convert_i64_s ", times);
    for (many, few) in [(convert(1000), convert(500)), (indirect(700), indirect(500)), (load(3000), load(2000))] {
        assert!(matches!(found(many), Some(Effort::Function(0, Excess::Steps(_)))));
        assert_eq!(found(few), None);
    }
    // No function of them is too much.
    let all = functions(60, &format!("local.get 0 {} drop", "i32.load ".repeat(2000)));
    assert!(matches!(found(all), Some(Effort::Steps(655_361..))));
}

#[test]
fn what_is_set_at_the_start_stands_at_constants_and_is_little() {
    let global = "(global $g i32 (i32.const 20000))(table $table 10000 funcref)(func $f)";
    let with = |more: &str| found(format!("{global}{more}"));
    let list = "$f ".repeat(9000);
    let data = r#"(data (i32.const 20000) "a")"#;
    // The four of the manifest stand behind.
    assert_eq!(with(r#"(data (global.get $g) "a")"#), Some(Effort::DataOffset(0)));
    assert_eq!(
        with(&format!(r#"{data}(data (i32.add (i32.const 1) (i32.const 1)) "a")"#)),
        Some(Effort::DataOffset(1))
    );
    assert_eq!(with(&format!("(elem (table $table) (global.get $g) func {list})")), Some(Effort::ElementOffset(0)));
    assert_eq!(with(&data.repeat(300)), Some(Effort::Many(Kind::Started)));
    for elements in [
        format!("(elem func {list})"),
        format!("(elem (table $table) (i32.const 0) funcref {})", "(ref.func $f) ".repeat(300)),
        format!("(elem (table $table) (i32.const 9999) func {list})"),
        "(elem (i32.const 9999) func $f $f)".to_owned() + &"(elem (i32.const 0) func $f)".repeat(300),
        format!("(table 10 externref)(elem (table 1) (i32.const 0) externref {})", "(ref.null extern) ".repeat(300)),
        "(global funcref (ref.func $f))".repeat(300),
    ] {
        assert_eq!(with(&elements), Some(Effort::Many(Kind::Started)), "{}", &elements[..60]);
    }
    for fits in [data.repeat(200), format!("(elem (table $table) (i32.const 0) func {list})")] {
        assert_eq!(with(&fits), None);
    }
    assert_eq!(with(&format!("(elem (i32.const 0) func {list})").repeat(2)), Some(Effort::Many(Kind::Elements)));
}

#[test]
fn of_no_kind_of_thing_there_are_thousands() {
    let types = (0..1001).map(|_| "(type (func))").collect::<String>();
    assert_eq!(found(types), Some(Effort::Many(Kind::Types)));
    assert_eq!(found("(global i32 (i32.const 0))".repeat(1000)), Some(Effort::Many(Kind::Globals)));
    let exports: String = (0..1001).map(|number| format!("(export \"{number}\" (func 0))")).collect();
    assert_eq!(refused_text(&format!("(core module (func){exports})")), Effort::Many(Kind::Exports));
    assert_eq!(found("(table 0 funcref)".repeat(17)), Some(Effort::Many(Kind::Tables)));
    for (text, kind) in [
        ("(core module)".repeat(17), Kind::Modules),
        ("(component)".repeat(5), Kind::Components),
        ("(core module $m)".to_owned() + &"(core instance (instantiate $m))".repeat(17), Kind::Instances),
        ("(component $c)".to_owned() + &"(instance (instantiate $c))".repeat(17), Kind::Instances),
        ("(type u8)".repeat(1001), Kind::Types),
        (format!("(type (instance {}))", "(type u8)".repeat(1001)), Kind::Types),
        (format!("(type (component {}))", "(type u8)".repeat(1001)), Kind::Types),
        ("(core type (func))".repeat(1001), Kind::Types),
        (format!("(core type (module {}))", "(type (func))".repeat(1001)), Kind::Types),
    ] {
        assert_eq!(refused_text(&text), Effort::Many(kind), "{kind:?}");
    }
}

/// Whoever reads them calls itself for each, and has a stack.
#[test]
fn types_of_components_do_not_lie_deep_in_each_other() {
    for (kind, byte) in [("instance", 0x42), ("component", 0x41)] {
        for levels in [TYPE_NESTING_MAX, 1_000_000] {
            assert_eq!(refused(&nested(byte, levels)), Effort::TypeNesting, "{kind}");
        }
        assert_eq!(effort::check(&nested(byte, TYPE_NESTING_MAX - 1)), Ok(()), "{kind}");
    }
}

/// A component of a type that lies in so many others of a kind.
fn nested(kind: u8, levels: usize) -> Vec<u8> {
    let types = [&[1][..], &[kind, 1, 1].repeat(levels), &[kind, 0]].concat();
    // Their section's length, in four bytes.
    let length = [0, 7, 14, 21].map(|shift| (types.len() >> shift & 0x7f) as u8 | if shift < 21 { 0x80 } else { 0 });
    [&b"\0asm\x0d\0\x01\0\x07"[..], &length, &types].concat()
}

#[test]
fn what_webassembly_has_for_others_is_switched_off() {
    for (more, what) in [
        ("(func (drop (v128.const i64x2 0 0)))", "SIMD"),
        ("(func $f return_call $f)", "tail call"),
        ("(memory 1)", "multiple memories"),
        ("(global i32 (i32.add (i32.const 1) (i32.const 1)))", "constant expression required"),
        ("(type (struct))", "gc"),
        ("(func (param (ref func)))", "function references"),
        ("(tag)", "exceptions"),
        ("(func (drop (i32.atomic.load (i32.const 0))))", "threads"),
    ] {
        let component = Made { more, ..Made::default() }.unchecked();
        let Err(Problem::Invalid(why)) = runtime().load_bytes(&component) else { panic!("{more} is taken") };
        assert!(why.contains(what), "{more}: {why}");
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
}
