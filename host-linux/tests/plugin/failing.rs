//! Calls that fail: of what kind, and that the next one works.

use towpath::plugin::Plugin;
use towpath_engine::conntrack::{
    helper::{Helper, HelperEndpoint, HelperFailure, HelperVerdict, Inspection, Manifest, Site},
    tuple::Direction,
};

use crate::{address, context, made::Made, runtime};

/// Is concerned by all but what begins with `q`; counts what it is asked, and cannot bear an `A` when it has been asked before.
static CONCERNED: &str = r#"
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (if (i32.and (i32.eq (i32.load8_u (local.get $payload)) (i32.const 0x41)) (i32.gt_u (global.get $calls) (i32.const 1)))
      (then unreachable))
    (i32.ne (i32.load8_u (local.get $payload)) (i32.const 0x71))"#;

/// Answers by the payload's first letter.
static MOODY: &str = r#"
    (local $mood i32)
    (local.set $mood (i32.load8_u (local.get $payload)))
    (if (i32.eq (local.get $mood) (i32.const 0x4c)) (then (loop $forever (br $forever))))              ;; L
    (if (i32.eq (local.get $mood) (i32.const 0x54)) (then unreachable))                                ;; T
    (if (i32.eq (local.get $mood) (i32.const 0x53)) (then (call $deeper)))                             ;; S
    (if (i32.eq (local.get $mood) (i32.const 0x58)) (then (drop (i32.load (i32.const 0x7fffffff)))))   ;; X
    (if (i32.eq (local.get $mood) (i32.const 0x4d)) (then                                              ;; M
      (if (i32.eq (memory.grow (i32.const 1000)) (i32.const -1)) (then unreachable))))
    (if (i32.eq (local.get $mood) (i32.const 0x44)) (then                                              ;; D
      (i32.store8 (i32.const 4096) (i32.const 1)) (i32.store8 (i32.const 4100) (i32.const 99))
      (return (i32.const 4096))))
    (if (i32.eq (local.get $mood) (i32.const 0x4f)) (then                                              ;; O
      (i32.store8 (i32.const 4096) (i32.const 1)) (i32.store8 (i32.const 4100) (i32.const 0))
      (i32.store (i32.const 4104) (i32.const 4096)) (i32.store (i32.const 4108) (i32.const 0x7fffff))
      (return (i32.const 4096))))
    (if (i32.eq (local.get $mood) (i32.const 0x50)) (then (return (i32.const -8))))                    ;; P
    (if (i32.eq (local.get $mood) (i32.const 0x43)) (then                                              ;; C
      (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
      (i32.store8 (i32.const 4096) (i32.const 1)) (i32.store8 (i32.const 4100) (i32.const 0))
      (i32.store (i32.const 4104) (i32.const 0)) (i32.store (i32.const 4108) (i32.const 0))
      (i32.store8 (i32.const 4112) (i32.const 1))
      (i32.store (i32.const 4116) (i32.const 4128)) (i32.store (i32.const 4120) (i32.const 1))
      (i32.store8 (i32.const 4128) (global.get $calls))
      (return (i32.const 4096))))
    i32.const 512"#;

/// One byte: how many calls this instance has counted.
static COUNT: &str = r#"
    (i32.store (i32.const 4096) (i32.const 4128)) (i32.store (i32.const 4100) (i32.const 1))
    (i32.store8 (i32.const 4128) (global.get $calls))
    i32.const 4096"#;

static MORE: &str = "(global $calls (mut i32) (i32.const 0)) (func $deeper (call $deeper) (call $deeper))";

#[test]
fn an_endless_loop_spends_its_fuel() {
    fails_and_recovers(b"L", HelperFailure::Fuel);
}

/// It takes fuel by the byte: were a fill one instruction, this would last for an hour.
#[test]
fn who_fills_memory_for_ever_spends_fuel() {
    let concerns = "(loop $forever
        (memory.fill (i32.const 16384) (i32.const 0) (i32.const 1000000)) (br $forever)) i32.const 0";
    let made = Made { concerns, pages: 16, ..Made::default() };
    let plugin = runtime().load_bytes(&made.component()).expect("it keeps to the contract");
    let manifest = Manifest { fuel_per_call: 100_000_000, ..plugin.manifest().clone() };
    let mut plugin = plugin.held_to(manifest).expect("it may have more");
    assert_eq!(inspect(&mut plugin, b"anything"), Err(HelperFailure::Fuel));
}

#[test]
fn a_memory_bomb_is_denied_and_says_so() {
    fails_and_recovers(b"M", HelperFailure::Memory);
}

/// A loop of growths that are denied would take a hundred times as long as its fuel says.
#[test]
fn a_growth_that_is_denied_ends_the_call_whatever_the_helper_makes_of_the_answer() {
    for grow in [
        "(drop (memory.grow (i32.const 1000)))",
        "(drop (table.grow $table (ref.null func) (i32.const 5000)))",
        "(drop (table.grow $bounded (ref.null func) (i32.const 1)))",
    ] {
        let answer = format!("{grow} i32.const 512");
        let more = "(table $table 6000 funcref) (table $bounded 1 1 funcref)";
        let made = Made { inspect: answer.leak(), more, ..Made::default() };
        let mut plugin = runtime().load_bytes(&made.component()).expect("it keeps to the contract");
        assert_eq!(inspect(&mut plugin, b"anything"), Err(HelperFailure::Memory), "{grow}");
    }
}

/// It leaves WebAssembly each time.
#[test]
fn who_grows_by_nothing_for_ever_spends_fuel_as_for_a_hundred_instructions() {
    let concerns = "(loop (drop (memory.grow (i32.const 0)))) i32.const 0";
    let mut plugin = runtime().load_bytes(&Made { concerns, ..Made::default() }.component()).expect("it is right");
    inspect(&mut plugin, b"anything").expect("it answers");
    assert!((100..1000).contains(&plugin.fuel_spent()), "{}", plugin.fuel_spent());
}

#[test]
fn a_trap_is_a_trap() {
    fails_and_recovers(b"T", HelperFailure::Trap);
    fails_and_recovers(b"X", HelperFailure::Trap);
}

#[test]
fn an_endless_recursion_is_stopped_by_fuel_or_stack() {
    let failure = inspect(&mut moody(), b"S").unwrap_err();
    assert!(matches!(failure, HelperFailure::Fuel | HelperFailure::Trap), "{failure:?}");
    fails_and_recovers(b"S", failure);
}

#[test]
fn an_answer_that_is_none_breaks_the_contract() {
    fails_and_recovers(b"D", HelperFailure::Contract);
    fails_and_recovers(b"O", HelperFailure::Contract);
    fails_and_recovers(b"P", HelperFailure::Contract);
}

#[test]
fn what_an_instance_has_seen_before_shows_in_no_answer() {
    let mut plugin = moody();
    for _ in 0..3 {
        assert_eq!(counted(&mut plugin), 1);
        assert_eq!(inspect(&mut plugin, b"quiet"), Ok(Inspection::default()));
        assert_eq!(plugin.memory_bytes(), 2 << 16, "the instance stays");
    }
    assert_eq!(inspect(&mut plugin, b"T"), Err(HelperFailure::Trap));
    assert_eq!(plugin.memory_bytes(), 0);
    assert_eq!(counted(&mut plugin), 1);
    assert_eq!(plugin.memory_bytes(), 2 << 16);
}

#[test]
fn what_fails_for_what_came_before_is_asked_anew() {
    let mut plugin = moody();
    assert_eq!(inspect(&mut plugin, b"quiet"), Ok(Inspection::default()));
    assert_eq!(inspect(&mut plugin, b"A"), Ok(Inspection::default()));
}

#[test]
fn what_is_rendered_comes_from_an_instance_that_has_seen_nothing_else() {
    let mut plugin = moody();
    let site = Site { offset: 0, length: 1, token: 0 };
    let translated = HelperEndpoint { address: address("203.0.113.1"), port: 1 };
    let told = context(Direction::Original, "10.0.0.5", "198.51.100.21");
    for _ in 0..3 {
        assert_eq!(counted(&mut plugin), 1);
        assert_eq!(plugin.render(&told, &[], site, translated), Ok(vec![1]), "as it was inspected");
        assert_eq!(inspect(&mut plugin, b"quiet"), Ok(Inspection::default()));
        assert_eq!(plugin.render(&told, &[], site, translated), Ok(vec![0]));
    }
}

#[test]
fn the_same_payload_takes_the_same_fuel() {
    let spent: Vec<_> = (0..2)
        .map(|_| {
            let mut plugin = moody();
            inspect(&mut plugin, b"quiet").unwrap();
            plugin.fuel_spent()
        })
        .collect();
    assert!(spent[0] > 0 && spent[0] == spent[1], "{spent:?}");
}

#[test]
fn a_helper_that_cannot_say_whether_a_payload_concerns_it_has_failed() {
    let made = Made { concerns: "(loop $forever (br $forever)) i32.const 0", ..Made::default() };
    let mut plugin = runtime().load_bytes(&made.component()).expect("it keeps to the contract");
    for _ in 0..3 {
        assert_eq!(inspect(&mut plugin, b"anything"), Err(HelperFailure::Fuel));
    }
}

#[test]
fn a_helper_that_lets_what_it_has_read_decide_what_concerns_it_is_found_out() {
    // It is concerned by the first payload that it is asked about, unless that begins with `q`, and by no other.
    let concerns = "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
        (i32.and (i32.eq (global.get $calls) (i32.const 1)) (i32.ne (i32.load8_u (local.get $payload)) (i32.const 0x71)))";
    let made = Made { concerns, more: MORE, ..Made::default() };
    let mut plugin = runtime().load_bytes(&made.component()).expect("it keeps to the contract");
    assert_eq!(inspect(&mut plugin, b"quiet"), Ok(Inspection::default()));
    let failed = (0..1000).position(|_| inspect(&mut plugin, b"anything") == Err(HelperFailure::Contract));
    assert_eq!(failed, Some(254), "one in 256 is asked of another instance");
}

#[test]
fn failing_a_thousand_times_leaks_nothing_that_stops_the_next() {
    let mut plugin = moody();
    for _ in 0..1000 {
        assert_eq!(inspect(&mut plugin, b"T"), Err(HelperFailure::Trap));
    }
    assert_eq!(counted(&mut plugin), 1);
}

fn moody() -> Plugin {
    let made =
        Made { name: "moody", concerns: CONCERNED, inspect: MOODY, render: COUNT, more: MORE, ..Made::default() };
    runtime().load_bytes(&made.component()).expect("it keeps to the contract")
}

fn inspect(plugin: &mut Plugin, payload: &[u8]) -> Result<Inspection, HelperFailure> {
    plugin.inspect(&context(Direction::Original, "10.0.0.5", "198.51.100.21"), &[], payload)
}

fn fails_and_recovers(payload: &[u8], failure: HelperFailure) {
    let mut plugin = moody();
    for _ in 0..2 {
        assert_eq!(inspect(&mut plugin, payload), Err(failure), "{}", String::from_utf8_lossy(payload));
        assert_eq!(inspect(&mut plugin, b"quiet"), Ok(Inspection::default()));
    }
}

/// How many calls this instance has counted.
fn counted(plugin: &mut Plugin) -> u8 {
    let answer = inspect(plugin, b"C").expect("counting does not fail");
    assert_eq!((answer.verdict, answer.wishes.len()), (HelperVerdict::Accept, 0));
    answer.state.expect("the count")[0]
}
