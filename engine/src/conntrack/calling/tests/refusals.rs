//! What helpers may not have, and what failing costs them.

use super::{Announcer, *};
use crate::{
    conntrack::helper::{Opener, Wish},
    netfilter::{Loading, RuleSet, Source},
};

#[test]
fn a_third_party_is_left_alone_unless_the_class_is_loose() {
    let (mut lab, mut flow) = helped(Announcer::new());
    let said = flow.say(&mut lab, Direction::Original, b"OPEN 10.0.0.99:51210\r\n").expect("it is left alone");
    assert_eq!(payload(&said), "OPEN 10.0.0.99:51210\r\n");
    assert!(lab.conntrack.expectations().is_empty());
    let refusal = Refusal::ThirdParty(Address::v4([10, 0, 0, 99]));
    assert!(matches!(happened(&mut lab)[..], [HelperEvent::Refused { refusal: found, .. }] if found == refusal));
    let (mut lab, mut flow) = helped_without_nat(Announcer::new().with(|manifest| manifest.classes[0].loose = true));
    flow.say(&mut lab, Direction::Original, b"OPEN 10.0.0.99:51210\r\n").expect("it passes");
    assert_eq!(expected(&lab), ["198.51.100.21:0 > 10.0.0.99:51210 tcp"]);
}

#[test]
fn a_sender_that_names_its_peer_opens_none_of_its_ports() {
    for anyone in [false, true] {
        let opener = if anyone { Opener::Anyone } else { Opener::Peer };
        let (mut lab, mut flow) = helped(Announcer::new().with(|manifest| manifest.classes[0].opener = opener));
        flow.say(&mut lab, Direction::Original, b"OPEN 198.51.100.21:51210\r\n").expect("it is left alone");
        flow.say(&mut lab, Direction::Reply, b"OPEN 203.0.113.1:51210\r\n").expect("it is left alone");
        assert!(lab.conntrack.expectations().is_empty());
        let named = [[198, 51, 100, 21], [203, 0, 113, 1]].map(|host| Refusal::ThirdParty(Address::v4(host)));
        let refused = happened(&mut lab).into_iter().filter_map(|event| match event {
            HelperEvent::Refused { refusal, .. } => Some(refusal),
            HelperEvent::Failed { .. }
            | HelperEvent::Barred { .. }
            | HelperEvent::Quarantined(_)
            | HelperEvent::Detached { .. }
            | HelperEvent::GivenUp { .. } => None,
        });
        assert_eq!(refused.collect::<Vec<_>>(), named);
    }
}

/// What is different about a helper.
type Change = fn(&mut Announcer);

/// What a helper remembers after a line in the mode, and whether the line goes on.
fn remembered_after(mode: HelperMode, change: Change, line: &[u8]) -> (String, bool) {
    let mut helper = Announcer::new();
    change(&mut helper);
    let (mut lab, mut flow) = helped_in(mode, helper);
    flow.say(&mut lab, Direction::Original, b"STATE old\r\n").expect("it goes on");
    let goes_on = flow.say(&mut lab, Direction::Original, line).is_ok();
    let connection = lab.conntrack.connection(flow.id).expect("it is tracked");
    let state = connection.extension.as_ref().map_or(&[][..], |extension| &extension.helper_state);
    (String::from_utf8_lossy(state).into_owned(), goes_on)
}

/// It has read them: whatever it had waited for has come, and nothing else is it.
#[test]
#[rustfmt::skip]
fn what_goes_on_moves_a_helpers_state_even_where_its_wish_is_refused() {
    let tightened: Change = |helper| {
        helper.declared = Some(helper.manifest.clone());
        (helper.manifest.rewrite_bytes_max, helper.manifest.on_failure) = (0, FailurePolicy::Pass);
    };
    let cases: [(Change, &[u8], &str); 5] = [
        (|_| {},    b"TAKE new 10.0.0.5:51210\r\n",  "granted"),
        (|_| {},    b"TAKE new 10.0.0.99:51210\r\n", "somebody else's address"),
        (|_| {},    b"TAKE new 10.0.0.5:22\r\n",     "a service's port"),
        (tightened, b"TAKE new 10.0.0.5:51210\r\n",  "its operator allows less"),
        (|_| {},    b"TAKE new daily\r\n",           "it cannot be right"),
    ];
    for (change, line, why) in cases {
        assert_eq!(remembered_after(HelperMode::Guarded, change, line), ("new".into(), true), "{why}");
    }
}

/// It comes again, and is shown with the state as it was.
#[test]
#[rustfmt::skip]
fn what_is_dropped_leaves_a_helpers_state_as_it_was() {
    let tightened: Change = |helper| helper.manifest.rewrite_bytes_max = 0;
    let broken: Change = |helper| helper.padding = "\n".into();
    let cases: [(HelperMode, Change, &[u8], &str); 4] = [
        (HelperMode::Guarded, tightened, b"TAKE new 10.0.0.5:51210\r\n", "the helper breaks its word"),
        (HelperMode::Guarded, broken,    b"TAKE new 10.0.0.5:51210\r\n", "it renders what must not stand there"),
        (HelperMode::Guarded, |_| {},    b"STATE new\r\nTRAP\r\n",      "a line behind it fails"),
        (HelperMode::Kernel,  |_| {},    b"TAKE new daily\r\n",          "it cannot be right, and Linux drops it"),
    ];
    for (mode, change, line, why) in cases {
        assert_eq!(remembered_after(mode, change, line), ("old".into(), false), "{why}");
    }
}

type Case = (Change, &'static [u8], Refusal);

/// The refusals of a helper that is changed like that, until its failures would be too many for one client; how many were failures, and whether
/// it was barred.
fn refused((change, line, refusal): Case) -> (usize, bool) {
    let mut helper = Announcer::new().with(|manifest| manifest.on_failure = FailurePolicy::Pass);
    change(&mut helper);
    let (mut lab, mut flow) = helped(helper);
    for _ in 0..HELPER_FAILURES_MAX {
        let said = flow.say(&mut lab, Direction::Original, line).expect("it passes as it is");
        assert_eq!(said.linear_payload(), Some(line), "{refusal:?}");
    }
    assert!(lab.conntrack.expectations().is_empty(), "{refusal:?}");
    let happened = happened(&mut lab);
    assert!(
        matches!(happened[0], HelperEvent::Refused { refusal: found, .. } if found == refusal),
        "{refusal:?}: {happened:?}"
    );
    let status = lab.helpers.iter().next().expect("it is loaded");
    (status.failures as usize, matches!(happened.last(), Some(HelperEvent::Barred { .. })))
}

#[test]
#[rustfmt::skip]
fn what_a_payload_asks_too_much_or_an_operator_has_tightened_costs_no_trust() {
    let cases: [Case; 5] = [
        (|helper| helper.manifest.classes[0].ports = 2000..=65_535, b"OPEN 10.0.0.5:1999\r\n",  Refusal::Port(1999)),
        (|_| {},                                                    b"OPEN 10.0.0.5:1023\r\n",  Refusal::ServicePort(1023)),
        (|helper| { helper.declared = Some(helper.manifest.clone()); helper.manifest.rewrite_bytes_max = 0 },
                                                                    b"OPEN 10.0.0.5:51210\r\n", Refusal::Rewriting),
        (|helper| { helper.declared = Some(helper.manifest.clone()); helper.manifest.rewrite_bytes_max = 1 },
                                                                    b"OPEN 10.0.0.5:51210\r\n", Refusal::RewriteSize(3)),
        (|helper| helper.twist = |wish| if let Some(site) = &mut wish.site { site.length = 100 },
                                                                    LONG,                         Refusal::RewriteLoss(83)),
    ];
    for case in cases {
        assert_eq!(refused(case), (0, false), "{:?}", case.2);
    }
}

#[test]
#[rustfmt::skip]
fn a_helper_that_breaks_its_own_word_has_failed() {
    let line = b"OPEN 10.0.0.5:51210\r\n";
    let cases: [Case; 6] = [
        (|helper| helper.twist = |wish| wish.protocol = crate::wire::Protocol::UDP, line, Refusal::Protocol),
        (|helper| helper.manifest.classes[0].direction = Some(Direction::Original), line, Refusal::Direction),
        (|helper| helper.twist = |wish| wish.source.address = None,                 line, Refusal::Opener),
        (|helper| helper.twist = |wish| wish.permanent = true,                      line, Refusal::Permanent),
        (|helper| helper.manifest.rewrite_bytes_max = 0,                            line, Refusal::Rewriting),
        (|helper| helper.padding = "0".repeat(62),                                  line, Refusal::RewriteSize(65)),
    ];
    for case in cases {
        assert_eq!(refused(case), (HELPER_FAILURES_MAX, true), "{:?}", case.2);
    }
}

#[test]
fn ports_of_services_are_expected_where_the_operator_allows_it() {
    for mode in [HelperMode::ServicePorts, HelperMode::Kernel] {
        let (mut lab, mut flow) = helped_in(mode, Announcer::new());
        flow.say(&mut lab, Direction::Original, b"OPEN 10.0.0.5:80\r\n").expect("it passes");
        assert_eq!(expected(&lab), ["198.51.100.21:0 > 203.0.113.1:80 tcp"]);
    }
}

#[test]
fn who_makes_a_helper_fail_too_often_is_not_read_for_a_minute() {
    let (mut lab, mut flow) = helped(Announcer::new());
    for _ in 0..HELPER_FAILURES_MAX {
        assert!(flow.say(&mut lab, Direction::Original, b"TRAP\r\n").is_err());
    }
    let barred = HelperEvent::Barred { helper: HelperId(0), client: CLIENT.into() };
    assert_eq!(happened(&mut lab).last(), Some(&barred));
    flow.say(&mut lab, Direction::Original, b"OPEN 10.0.0.5:51210\r\n").expect("nobody reads it");
    assert!(lab.conntrack.expectations().is_empty() && happened(&mut lab).is_empty());
    assert!(lab.helpers.iter().all(|status| !status.is_quarantined));
    lab.now = lab.now + HELPER_FAILURES_WINDOW;
    flow.say(&mut lab, Direction::Original, b"OPEN 10.0.0.5:51211\r\n").expect("it passes");
    assert_eq!(lab.conntrack.expectations().len(), 1);
}

#[test]
fn an_answer_against_the_contract_is_a_failure() {
    for line in [
        &b"FAR\r\n"[..],
        b"CLASS\r\n",
        b"MUCH\r\n",
        b"OPEN 10.0.0.5:5001 10.0.0.5:5001\r\n",
        b"OPEN [::1]:5005\r\n",
        b"STATE mute\r\nOPEN 10.0.0.5:5001\r\n",
    ] {
        let (mut lab, mut flow) = helped(Announcer::new());
        let failed = flow.say(&mut lab, Direction::Original, line);
        assert_eq!(failed.err(), Some(DropReason::HelperFailed), "{}", line.escape_ascii());
        let happened = happened(&mut lab);
        assert!(matches!(happened[..], [HelperEvent::Failed { failure: HelperFailure::Contract, .. }]), "{happened:?}");
        assert!(lab.conntrack.expectations().is_empty());
    }
}

#[test]
fn a_site_may_hold_a_nul_which_rewriting_removes() {
    let twist: fn(&mut Wish) = |wish| {
        if let Some(site) = &mut wish.site {
            site.length += 1
        }
    };
    let (mut lab, mut flow) = helped(Announcer { twist, ..Announcer::new() });
    let said = flow.say(&mut lab, Direction::Original, b"OPEN 10.0.0.5:51210\0\r\n").expect("it goes on");
    assert_eq!(payload(&said), "OPEN 203.0.113.1:51210\r\n");
    assert_eq!(lab.conntrack.expectations().len(), 1);
    assert!(lab.helpers.iter().all(|status| status.failures == 0));
}

#[test]
fn a_text_ends_no_line_and_a_site_lies_in_its_line_behind_the_command() {
    let twists: [fn(&mut Wish); 3] = [
        |wish| {
            if let Some(site) = &mut wish.site {
                (site.offset, site.length) = (0, site.length + 5)
            }
        },
        |wish| {
            if let Some(site) = &mut wish.site {
                (site.offset, site.length) = (3, site.length + 2)
            }
        },
        |wish| {
            if let Some(site) = &mut wish.site {
                site.length += 2
            }
        },
    ];
    let twisted = twists.map(|twist| Announcer { twist, ..Announcer::new() });
    let paddings = ["DELE x\r\nPORT ", "\n", "\0", &"0".repeat(120)].map(String::from);
    let padded = paddings
        .map(|padding| Announcer { padding, ..Announcer::new() }.with(|manifest| manifest.rewrite_bytes_max = 500));
    for helper in twisted.into_iter().chain(padded) {
        let (mut lab, mut flow) = helped(helper);
        let failed = flow.say(&mut lab, Direction::Original, b"OPEN 10.0.0.5:51210\r\n");
        assert_eq!(failed.err(), Some(DropReason::HelperFailed));
        let happened = happened(&mut lab);
        assert!(matches!(happened[..], [HelperEvent::Failed { failure: HelperFailure::Contract, .. }]), "{happened:?}");
        assert!(lab.conntrack.expectations().is_empty());
    }
}

#[test]
fn an_endpoint_that_is_padded_beyond_reason_is_not_written_and_costs_no_trust() {
    let longer = |helper: &mut Announcer| {
        helper.twist = |wish| {
            if let Some(site) = &mut wish.site {
                site.length = 129
            }
        };
        helper.manifest.rewrite_bytes_max = 500;
    };
    let line = [b"OPEN 10.0.0.5:51210", &[b' '; 130][..], b"\r\n"].concat();
    assert_eq!(refused((longer, line.leak(), Refusal::SiteSize(129))), (0, false));
}

#[test]
fn a_client_that_has_its_share_of_expectations_is_told_so_and_costs_no_trust() {
    for mode in [HelperMode::Guarded, HelperMode::ServicePorts, HelperMode::Kernel] {
        let many = Announcer::new().with(|manifest| manifest.classes[0].expected_max = 9);
        let (mut lab, mut flow) = helped_in(mode, many);
        lab.around.sysctls.helper_expect_max_per_client = 2;
        for port in [b'1', b'2', b'3'] {
            let line = [b"OPEN 10.0.0.5:512", &[port][..], b"0\r\n"].concat();
            flow.say(&mut lab, Direction::Original, &line).expect("it passes");
        }
        let is_shared = mode != HelperMode::Kernel;
        assert_eq!(expected(&lab).len(), if is_shared { 2 } else { 3 }, "{mode:?}");
        match happened(&mut lab)[..] {
            [] => assert!(!is_shared, "{mode:?}"),
            ref happened => {
                assert!(matches!(happened, [HelperEvent::Refused { refusal: Refusal::Share(2), .. }]), "{happened:?}");
            }
        }
        assert_eq!(lab.helpers.iter().map(|helper| helper.failures).sum::<u32>(), 0);
    }
}

/// What is expected when 10.0.0.5 names port 51210 while these rules are in force, and what became of its words.
fn asked_under(mode: HelperMode, rules: &str) -> (Lab, String) {
    let (mut lab, mut flow) = helped_in(mode, Announcer::new());
    let text = alloc::format!("*nat\n{rules}\nCOMMIT");
    let read = RuleSet::parse(&[Source { name: "rules", text: &text }], &Loading::default());
    lab.rules.replace(read.expect("the rules are right"));
    let said = flow.say(&mut lab, Direction::Original, b"OPEN 10.0.0.5:51210\r\n").expect("it passes");
    (lab, payload(&said))
}

#[test]
fn a_port_that_is_published_for_another_host_is_not_taken_from_it() {
    let published = "-A PREROUTING -p tcp --dport 51210 -j DNAT --to-destination 10.0.0.80:443";
    let (mut lab, said) = asked_under(HelperMode::Guarded, published);
    let tuple = lab.conntrack.expectations().iter().next().expect("it is expected elsewhere").tuple;
    assert!(tuple.destination_port > 51_210, "{tuple}");
    assert_eq!(said, alloc::format!("OPEN 203.0.113.1:{}\r\n", tuple.destination_port));
    assert!(happened(&mut lab).is_empty());
    // Linux lets the expectation have it.
    let (lab, said) = asked_under(HelperMode::Kernel, published);
    assert_eq!(said, "OPEN 203.0.113.1:51210\r\n");
    assert_eq!(lab.conntrack.expectations().len(), 1);
}

#[test]
fn where_every_port_is_published_nothing_is_expected_and_that_is_told() {
    let published = "-A PREROUTING -p tcp --dport 50000:65535 -j DNAT --to-destination 10.0.0.80";
    let (mut lab, said) = asked_under(HelperMode::Guarded, published);
    assert_eq!(said, "OPEN 10.0.0.5:51210\r\n");
    assert!(lab.conntrack.expectations().is_empty());
    let happened = happened(&mut lab);
    assert!(matches!(happened[..], [HelperEvent::Refused { refusal: Refusal::Held(51_210), .. }]), "{happened:?}");
}

#[test]
fn a_failure_costs_what_the_manifest_says() {
    let (mut lab, mut flow) = helped(Announcer::new());
    assert_eq!(flow.say(&mut lab, Direction::Original, b"TRAP\r\n").err(), Some(DropReason::HelperFailed));
    let (mut lab, mut flow) = helped(Announcer::new().with(|manifest| manifest.on_failure = FailurePolicy::Pass));
    flow.say(&mut lab, Direction::Original, b"TRAP\r\n").expect("it passes");
    flow.say(&mut lab, Direction::Original, b"OPEN 10.0.0.5:51210\r\n").expect("it passes");
    assert_eq!(lab.conntrack.expectations().len(), 1);
    let (mut lab, mut flow) = helped(Announcer::new().with(|manifest| manifest.on_failure = FailurePolicy::Detach));
    let said = flow.say(&mut lab, Direction::Original, b"TRAP\r\n").expect("it passes");
    assert_eq!(lab.connection(&said).helper(), None);
    flow.say(&mut lab, Direction::Original, b"OPEN 10.0.0.5:51210\r\n").expect("nobody reads it");
    assert!(lab.conntrack.expectations().is_empty());
}

#[test]
fn a_helper_that_fails_for_too_many_clients_is_not_called_any_more_until_it_is_replaced() {
    let (mut lab, mut flow) = helped(Announcer::new());
    let loaded = lab.helpers.loaded[0].as_mut().expect("it is loaded");
    for client in 1..HELPER_FAILING_CLIENTS_MAX as u8 {
        loaded.recent_failures.note(lab.now, [10, 9, 9, client].into());
    }
    assert!(flow.say(&mut lab, Direction::Original, b"TRAP\r\n").is_err());
    assert_eq!(happened(&mut lab).last(), Some(&HelperEvent::Quarantined(HelperId(0))));
    flow.say(&mut lab, Direction::Original, b"TRAP\r\n").expect("nobody reads it");
    assert!(happened(&mut lab).is_empty());
    let id = lab.helpers.load(Announcer::new().boxed());
    assert_eq!(id, Ok(HelperId(0)));
    flow.say(&mut lab, Direction::Original, b"NOOP\r\n").expect("it shows where a line starts");
    flow.say(&mut lab, Direction::Original, b"OPEN 10.0.0.5:51210\r\n").expect("it passes");
    assert_eq!(lab.conntrack.expectations().len(), 1);
}

/// An endpoint with nothing of concern behind it.
const LONG: &[u8] = b"OPEN 10.0.0.5:51210                                                                                                        \r\n";
