//! Where a switch sends frames.

use towpath_engine::{Instant, device::Link, wire::MacAddr};

use super::*;

const A: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const B: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

/// A switch with four ports, between hosts `a` to `d`; `more` is said of it.
fn switch(more: &str) -> Switch {
    let hosts: String = ["a", "b", "c", "d"].map(|name| format!("[[host]]\nname = \"{name}\"\n")).concat();
    let links: String = ["a", "b", "c", "d"]
        .map(|name| format!("[[link]]\nname = \"to-{name}\"\nbetween = [\"s\", \"{name}\"]\n"))
        .concat();
    let text = format!(
        "until = \"1s\"\n{hosts}[[switch]]\nname = \"s\"\n{more}\n{links}[[connection]]\nfrom = \"a\"\nto = \"b\"\n"
    );
    let scenario = Scenario::read("s.toml", &text).unwrap_or_else(|error| panic!("{error}"));
    Switch::new(&scenario, 4, &scenario.switches[0], &[Link::default(); 4]).expect("a switch")
}

/// A frame with a datagram between two ports.
fn frame(destination: MacAddr, source: MacAddr, port: u16) -> Carried {
    let line = format!("10.0.0.1:{port} > 10.0.0.2:9 udp len 10");
    let sketch = line.parse::<towpath_engine::packet::Sketch>().unwrap_or_else(|error| panic!("{error:?}"));
    Carried { bytes: sketch.frame(source, destination), ..Carried::default() }
}

const fn at(secs: u64) -> Instant {
    Instant::from_secs(1000 + secs)
}

#[test]
fn a_frame_goes_to_all_until_its_station_has_spoken_and_then_to_where_that_is() {
    let mut switch = switch("ageing = \"100s\"");
    assert_eq!(switch.take(at(0), 0, &frame(B, A, 1)), Taken::To(vec![1, 2, 3]));
    assert_eq!(switch.take(at(1), 1, &frame(A, B, 1)), Taken::To(vec![0]));
    assert_eq!(switch.take(at(2), 0, &frame(B, A, 1)), Taken::To(vec![1]));
    assert_eq!(switch.take(at(3), 1, &frame(B, A, 1)), Taken::Kept, "it is where the frame came from, and A has moved");
    assert_eq!(switch.take(at(4), 2, &frame(A, MacAddr([2, 0, 0, 0, 0, 3]), 1)), Taken::To(vec![1]));
    assert_eq!(switch.take(at(5), 2, &frame(MacAddr::BROADCAST, A, 1)), Taken::To(vec![0, 1, 3]));
    assert_eq!(switch.take(at(200), 0, &frame(B, A, 1)), Taken::To(vec![1, 2, 3]), "B has said nothing for too long");
    let SwitchTally { forwarded, flooded, filtered, .. } = switch.tally;
    assert_eq!((forwarded, flooded, filtered), (3, 3, 1));
}

#[test]
fn a_port_that_loses_its_carrier_is_sent_to_no_more_and_who_was_there_is_looked_for() {
    let mut switch = switch("");
    switch.take(at(0), 1, &frame(A, B, 1));
    assert_eq!(switch.take(at(1), 0, &frame(B, A, 1)), Taken::To(vec![1]));
    switch.link_says(at(2), 1, Link::DOWN);
    assert_eq!(switch.take(at(3), 0, &frame(B, A, 1)), Taken::To(vec![2, 3]));
    switch.link_says(at(4), 2, Link::DOWN);
    switch.link_says(at(4), 3, Link::DOWN);
    assert_eq!(switch.take(at(5), 0, &frame(B, A, 1)), Taken::Lost(Lost::NoPort));
    switch.link_says(at(6), 1, Link::default());
    assert_eq!(switch.take(at(7), 0, &frame(B, A, 1)), Taken::To(vec![1]));
}

#[test]
fn what_is_for_the_other_end_of_a_link_goes_no_further() {
    let mut switch = switch("");
    for last in 0..16 {
        let taken = switch.take(at(0), 0, &frame(MacAddr([1, 0x80, 0xc2, 0, 0, last]), A, 1));
        assert_eq!(taken, Taken::Kept, "{last}");
    }
    assert_eq!(switch.tally.link_local, 16);
    assert!(matches!(switch.take(at(0), 0, &frame(MacAddr([1, 0x80, 0xc2, 0, 0, 16]), A, 1)), Taken::To(_)));
}

#[test]
fn a_group_without_lacp_is_one_port_whose_links_share_flows() {
    let group = "[[switch.group]]\nname = \"lag\"\nports = [\"to-a\", \"to-b\"]\nmode = \"balance-xor\"\nxmit_hash_policy = \"layer3+4\"";
    let mut switch = switch(group);
    assert_eq!(
        switch.take(at(0), 0, &frame(MacAddr::BROADCAST, A, 1)),
        Taken::To(vec![2, 3]),
        "never back by the other"
    );
    let mut count = [0; 2];
    for port in 1..=1000 {
        let Taken::To(ports) = switch.take(at(1), 2, &frame(A, B, port)) else { panic!("A is known") };
        assert_eq!(ports.len(), 1);
        count[ports[0]] += 1;
        assert_eq!(switch.take(at(1), 2, &frame(A, B, port)), Taken::To(ports), "a flow keeps its link");
    }
    assert!(count.iter().all(|count| (450..=550).contains(count)), "{count:?}");
    switch.link_says(at(2), 0, Link::DOWN);
    assert!((1..100).all(|port| switch.take(at(3), 2, &frame(A, B, port)) == Taken::To(vec![1])), "at once");
    switch.link_says(at(4), 1, Link::DOWN);
    assert_eq!(switch.take(at(5), 2, &frame(A, B, 1)), Taken::To(vec![3]), "nobody knows where A is");
}

#[test]
fn a_group_that_hears_nobody_takes_frames_by_one_port_alone() {
    let group = "[[switch.group]]\nname = \"lag\"\nports = [\"to-a\", \"to-b\"]\nmode = \"802.3ad\"";
    let mut switch = switch(group);
    let engine = &mut switch.control.engine;
    while let Some((when, _)) = engine.poll_timeout().filter(|(when, _)| *when <= at(20)) {
        engine.handle_timeout(when);
    }
    let taken = [0, 1].map(|port| switch.take(at(20), port, &frame(MacAddr::BROADCAST, A, 1)));
    assert!(taken.contains(&Taken::Lost(Lost::Blocked)) && taken.contains(&Taken::To(vec![2, 3])), "{taken:?}");
    assert_eq!(switch.tally.blocked, 1);
}
