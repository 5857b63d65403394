//! BBR does what its authors promise (Cardwell and others: "BBR: congestion-based congestion control", ACM Queue 14(5), 2016): the way
//! is full and the queue before it is not, losses by lot cost nothing, and the least round-trip time is looked for each ten seconds.

use towpath_replay::lab::{End, Report, Scenario, run};

use super::library::{FROM, mean_rtt_millis, play, read};

/// One flow over a link of 40 ms there and back, with a queue of four bandwidth-delay products.
fn alone(congestion: &str, loss: &str) -> Report {
    let text = format!(
        "until = \"35s\"\nsample = \"10ms\"\nmeasure = [\"5s\", \"35s\"]\n[[host]]\nname = \"a\"\n[[host]]\nname = \"b\"\n[[link]]\nbetween = [\"a\", \"b\"]\nrate = \"50 Mbit/s\"\ndelay = \"20ms\"\nqueue = {{ packets = 660 }}\nloss = \"{loss}\"\nback = {{ loss = \"0 %\" }}\n[[connection]]\nfrom = \"a\"\nto = \"b\"\nsend = \"endless\"\noptions = {{ congestion = \"{congestion}\" }}\n",
    );
    let scenario = Scenario::read("alone", &text).unwrap_or_else(|error| panic!("{error}"));
    let report = run(&scenario, None).unwrap_or_else(|error| panic!("{error}"));
    assert!(!report.connections[0].is_damaged);
    report
}

#[test]
fn the_way_is_full_and_its_queue_is_about_one_bandwidth_delay_product_at_most() {
    let report = alone("bbr", "0 %");
    let rate = report.connections[0].goodput_bps(End::From);
    assert!(rate >= 45_000_000, "{rate} bit/s of 50 Mbit/s");
    // After Startup: a queue of one product adds 40 ms at most, and 20 ms more in a probe.
    let later = report.connections[0].ends[FROM].points.iter().filter(|point| point.ts > 5_000_000_000);
    let longest = later.map(|point| point.rtt).max().expect("round trips were measured");
    assert!(longest < 82_000, "{longest} µs");
    let mean = mean_rtt_millis(&report.connections[0], FROM);
    assert!(mean < 60.0, "{mean} ms");
}

#[test]
fn losses_by_lot_cost_bbr_next_to_nothing_and_reno_nearly_all() {
    let [bbr, reno] = ["bbr", "reno"].map(|name| alone(name, "1 %").connections[0].goodput_bps(End::From));
    assert!(bbr >= 45_000_000, "BBR has {bbr} bit/s of 50 Mbit/s");
    assert!(reno < 10_000_000, "Reno has {reno} bit/s");
}

#[test]
fn each_ten_seconds_four_segments_in_flight_show_how_long_the_way_is() {
    let report = alone("bbr", "0 %");
    let points = &report.connections[0].ends[FROM].points;
    let mut probes: Vec<(u64, u64)> = Vec::new();
    for point in points.iter().filter(|point| point.snd_cwnd == 4) {
        let millis = point.ts / 1_000_000;
        match probes.last_mut() {
            Some((_, last)) if millis - *last < 1000 => *last = millis,
            Some(_) | None => probes.push((millis, millis)),
        }
    }
    assert!((2..=3).contains(&probes.len()), "{probes:?}");
    for pair in probes.windows(2) {
        let apart = pair[1].0 - pair[0].1;
        assert!((9_900..10_300).contains(&apart), "{probes:?}");
    }
    assert!(probes.iter().all(|(from, to)| (190..400).contains(&(to - from))), "{probes:?}");
}

#[test]
fn what_bloats_a_buffer_otherwise_does_not_with_bbr() {
    let [bloated, bbr] = ["bufferbloat.toml", "bufferbloat-bbr.toml"].map(|name| play(&read(name)));
    let [long, short] = [&bloated, &bbr].map(|report| mean_rtt_millis(&report.connections[0], FROM));
    assert!(long > 500.0 && short < 80.0, "{long} ms and {short} ms");
    let rate = bbr.connections[0].goodput_bps(End::From);
    assert!(rate > 8_900_000, "of 10 Mbit/s {rate} bit/s are used");
}

#[test]
fn bbr_takes_more_than_reno_and_cubic_of_a_short_queue_and_together_they_fill_it() {
    let report = play(&read("reno-cubic-bbr.toml"));
    let [reno, cubic, bbr] = [0, 1, 2].map(|at| report.connections[at].goodput_bps(End::From));
    assert!(bbr > reno && bbr > cubic, "Reno {reno} bit/s, CUBIC {cubic}, BBR {bbr}");
    assert!(reno + cubic + bbr > 43_000_000, "together {} of 50 Mbit/s", reno + cubic + bbr);
}
