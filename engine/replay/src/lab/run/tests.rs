use super::{super::lane::Lost, *};

#[test]
fn what_finds_no_memory_is_lost_and_counted_whether_it_would_wait_or_be_on_its_way() {
    // With a rate frames wait, without one they are all on their way.
    for link in ["rate = \"10 Mbit/s\"", "delay = \"20ms\""] {
        let text = format!(
            "until = \"60s\"\n[[host]]\nname = \"a\"\n[[host]]\nname = \"b\"\n[[link]]\nbetween = [\"a\", \"b\"]\n{link}\n[[connection]]\nfrom = \"a\"\nto = \"b\"\nsend = \"300 kB\"\n"
        );
        let scenario = Scenario::read("s.toml", &text).unwrap_or_else(|error| panic!("{error}"));
        let mut run = Run::new(&scenario, None).expect("a run");
        run.net.held_bytes_max = 20_000;
        run.play(&mut |_| {});
        let report = run.report();
        assert_eq!(report.connections[0].read[0], 300_000, "{link}");
        let tally = report.lanes[0].tally;
        assert!(tally.lost_for(Lost::Queue) > 0, "{link}: {tally:?}");
        assert!(tally.queued_bytes_max < 20_000, "{link}: {tally:?}");
        // The last one may be on its way still.
        assert!(tally.offered - tally.arrived - tally.lost_for(Lost::Queue) <= 1, "{link}: {tally:?}");
    }
}
