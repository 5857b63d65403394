use super::lab;

const PING: &str = "0.000 lan < 10.0.0.2 > 10.0.0.1 icmp type 8 code 0 id 7\n";
const PONG: &str = "0.000 lan > 10.0.0.1 > 10.0.0.2 icmp type 0 code 0 id 7\n";

/// What a play complains about, if about anything.
fn complaint(rules: &str, play: &str) -> Option<String> {
    let (rules, play) = (rules.to_owned(), play.to_owned());
    let played = std::panic::catch_unwind(move || {
        lab(&rules).play(&play);
    });
    played.err().map(|panic| *panic.downcast::<String>().expect("a panic says something"))
}

#[test]
fn a_play_that_goes_as_written_is_fine() {
    assert_eq!(complaint("", &format!("{PING}{PONG}")), None);
}

#[test]
fn what_is_written_and_does_not_happen_is_told() {
    let told = complaint("-P INPUT DROP", &format!("{PING}{PONG}")).expect("no answer comes");
    assert!(told.contains("  -   0.000  lan >  10.0.0.1 > 10.0.0.2 icmp type 0 code 0 id 7 seq 0\n"), "{told}");
    assert!(told.contains("  +   0.000  lan x  FilterPolicy\n"), "{told}");
}

#[test]
fn what_happens_and_is_not_written_is_told() {
    let told = complaint("", PING).expect("an answer comes");
    assert!(told.contains("  +   0.000  lan >  10.0.0.1 > 10.0.0.2 icmp type 0 code 0 id 7 seq 0\n"), "{told}");
}

#[test]
fn what_happens_later_or_elsewhere_is_another_thing() {
    assert!(complaint("", &format!("{PING}{}", PONG.replace("0.000", "0.001"))).is_some());
    assert!(complaint("", &format!("{PING}{}", PONG.replace("lan", "wan"))).is_some());
    assert!(complaint("", &format!("{PONG}{PING}")).is_some());
}

#[test]
fn the_fact_that_differs_is_shown() {
    let told = complaint("", &format!("{PING}{}", PONG.replace("id 7", "id 7 ttl 9"))).expect("the TTL differs");
    assert!(told.contains("  +   0.000  lan >  10.0.0.1 > 10.0.0.2 icmp type 0 code 0 id 7 seq 0 ttl 64\n"), "{told}");
}

#[test]
fn words_and_events_that_are_not_so_are_told() {
    for line in ["0.000 lan = ESTABLISHED\n", "0.000 lan ! [DESTROY]\n", "0.000 lan x FilterRule\n"] {
        assert!(complaint("", &format!("{PING}{PONG}{line}")).is_some(), "{line}");
    }
    assert_eq!(complaint("", &format!("{PING}{PONG}0.000 lan = DELIVERED NEW\n0.000 lan ! [NEW] icmp\n")), None);
}

#[test]
fn a_line_that_cannot_be_read_is_told_with_its_number() {
    #[rustfmt::skip]
    let wrong = [
        ("# fine\n0.000 lan < 10.0.0.2", "line 2 of the play: the packet's column 9: the line ends where > should stand\n"),
        ("x lan < a", "line 1 of the play: 'x' is no time in seconds\n"),
        ("0.000 dmz = NEW", "line 1 of the play: 'dmz' is none of the gateway's interfaces: lan, wan, lo, or -\n"),
        ("0.000 lan ? a", "line 1 of the play: '?' is none of the signs < > x = !\n"),
        ("0.000 lan x Boredom", "line 1 of the play: 'Boredom' is no drop reason\n"),
        ("0.002 lan = NEW\n0.001 lan = NEW", "line 2 of the play: the time steps back\n"),
    ];
    for (play, message) in wrong {
        let told = complaint("", play).expect(play);
        assert!(told.starts_with(message), "{told}");
    }
}
