//! Sets as texts make them and as they are written again.

use alloc::{format, string::String, vec::Vec};

use proptest::prelude::*;

use super::{
    Selected, Sets, key,
    kind::Kind,
    read::{Budget, is_sets, take_line},
    set::{Demand, Element},
};
use crate::{
    conntrack::Family,
    limits::{COMMENT_BYTES_MAX, COUNT_MAX, SET_TEXT_ELEMENTS_MAX},
    netfilter::{error::Fault, save::text::words},
    time::Instant,
};

/// What a text makes, printed; the line and the fault when it is refused.
fn read(text: &str) -> Result<String, (usize, Fault)> {
    let (mut sets, mut budget) = (Sets::default(), Budget::default());
    for (index, line) in text.lines().enumerate() {
        take_line(&mut sets, &mut budget, line).map_err(|flaw| (index + 1, flaw.fault))?;
    }
    Ok(sets.save(Instant::ZERO))
}

/// What `ipset -sorted save` (7.17) printed for the same commands, without `initval`.
#[test]
fn sets_of_all_kinds_come_out_as_ipset_saves_them() {
    let text = "create a hash:ip\nadd a 10.0.1.1-10.0.1.2\nadd a 1.2.3.4\n\
        create b hash:net timeout 300 counters comment\n\
        add b 10.0.0.0/8 timeout 100 packets 5 bytes 6 comment \"my net\"\nadd b 10.1.0.0/16 nomatch\n\
        create g hash:net,iface\nadd g 0.0.0.0/0,eth1\nadd g 1.2.3.0/24,physdev:eth2\nadd g 1.2.3.0/24,ppp wildcard\n\
        create h bitmap:ip range 10.0.0.0/24\nadd h 10.0.0.8/31\n\
        create i bitmap:port range 0-1000\nadd i 90-91\n\
        create k hash:ip netmask 24 maxelem 100 hashsize 64\nadd k 1.2.3.4\n\
        add k 10.0.1.0/24\nadd k 10.0.4.0-10.0.7.255\ndel k 10.0.4.0/23\n\
        create m hash:net family inet6\nadd m 2001:db8::1/32\n\
        create s hash:ip timeout 3\nadd s 9.9.9.9 timeout 0\n\
        create j list:set\nadd j a\nadd j b\nadd j k before b\n";
    let saved = "create a hash:ip family inet hashsize 1024 maxelem 65536 bucketsize 12\n\
        add a 1.2.3.4\nadd a 10.0.1.1\nadd a 10.0.1.2\n\
        create b hash:net family inet hashsize 1024 maxelem 65536 timeout 300 counters comment bucketsize 12\n\
        add b 10.0.0.0/8 timeout 100 packets 5 bytes 6 comment \"my net\"\n\
        add b 10.1.0.0/16 timeout 300 nomatch packets 0 bytes 0\n\
        create g hash:net,iface family inet hashsize 1024 maxelem 65536 bucketsize 12\n\
        add g 0.0.0.0/0,eth1\nadd g 1.2.3.0/24,physdev:eth2\nadd g 1.2.3.0/24,ppp wildcard\n\
        create h bitmap:ip range 10.0.0.0-10.0.0.255\nadd h 10.0.0.8\nadd h 10.0.0.9\n\
        create i bitmap:port range 0-1000\nadd i 90\nadd i 91\n\
        create k hash:ip family inet hashsize 64 maxelem 100 netmask 24 bucketsize 12\nadd k 1.2.3.0\nadd k 10.0.1.0\nadd k 10.0.6.0\nadd k 10.0.7.0\n\
        create m hash:net family inet6 hashsize 1024 maxelem 65536 bucketsize 12\nadd m 2001:db8::/32\n\
        create s hash:ip family inet hashsize 1024 maxelem 65536 timeout 3 bucketsize 12\nadd s 9.9.9.9 timeout 0\n\
        create j list:set size 8\nadd j a\nadd j k\nadd j b\n";
    assert_eq!(read(text), Ok(saved.into()));
    assert_eq!(read(saved), Ok(saved.into()));
}

#[test]
fn what_a_set_cannot_hold_is_refused_at_its_line() {
    let refused =
        |line: &str| read(&format!("create a hash:ip maxelem 1\ncreate l list:set\n{line}")).map_err(|(line, _)| line);
    for line in [
        "add a 1.2.3.4,80",
        "add a 10.0.0.0/7",
        "add a 2001:db8::1",
        "add a 1.2.3.4 timeout 5",
        "add a 1.2.3.4 nomatch",
        "add b 1.2.3.4",
        "add l l",
        "del a 1.2.3.4",
        "create a hash:ip",
        "create c hash:ipp",
        "create c bitmap:ip,mac range 10.0.0.0/24",
        "create c bitmap:ip",
        "create c bitmap:ip range 10.0.0.0/8",
        "create c bitmap:ip from 10.0.0.0",
        "create c macipmap range 10.0.0.0/24",
        "create c hash:ip family inet6 netmask 129",
        "create c hash:ip netmask 33",
        "create c hash:ip bucketsize 256",
        "destroy c",
        "destroy a b -exist",
        "destroy c d -exist",
        "flush c -exist",
        "add c 1.1.1.1 -exist",
        "---exist destroy c",
        "create c hash:ip comment exist",
        "create \"c d\" hash:ip",
        "create \"c\td\" hash:ip",
        "create \"c\\\"d\" hash:ip",
        "create c\u{7}d hash:ip",
        "create c\u{a0}d hash:ip",
        "create \"\" hash:ip",
        "create c bitmap:ip range 10.0.0.0/24 from 10.0.0.0 to 10.0.0.9",
        "create c bitmap:ip from 10.0.0.0 to 10.0.0.9 range 10.0.0.0/24",
        "create c bitmap:ip range 10.0.0.0/24 --range 10.0.1.0/24",
        "create c bitmap:ip range 10.0.0.0/24 network 10.0.0.0/24",
        "create c bitmap:ip from 10.0.0.0 from 10.0.0.1 to 10.0.0.9",
        "create c bitmap:port from 1 to 9 to 9",
        "create c hash:ip timeout 3 timeout 3",
        "create c hash:ip netmask 24 netmask 24",
        "-n c hash:ip",
        "s c",
        "-",
        "create c hash:ip skbinfo",
        "create c hash:ip netmask 24 bitmask 255.0.0.0",
        "create c hash:ip bitmask 0.0.0.0",
        "create c hash:ip,port,ip netmask 24",
        "create c hash:ip,mark bitmask 255.0.0.0",
        "add a 0.0.0.0",
        "swap a l",
    ] {
        assert_eq!(refused(line), Err(3), "{line}");
    }
    assert_eq!(refused("add a 1.2.3.4\nadd a 1.2.3.5"), Err(4), "there is no room");
    assert_eq!(refused("add a 1.2.3.4\nadd a 1.2.3.4"), Err(4), "it is there");
    assert_eq!(refused("add l a\ndestroy a"), Err(4), "a list holds it");
    assert_eq!(refused("add l a\ndestroy"), Err(4), "a list holds one");
    assert_eq!(refused("create c hash:ip maxelem 0\nadd c 1.1.1.1"), Err(4), "there never is room");
    assert_eq!(refused("create c hash:ip,port netmask 24\nadd c 0.0.0.1,80"), Err(4), "nobody is no element");
    assert_eq!(refused("create c hash:ip comment\nadd c 1.1.1.1 comment \"\""), Err(4), "a comment of nothing is none");
    assert!(refused("add a 1.2.3.4\nadd a 1.2.3.4 -exist").is_ok());
}

#[test]
fn of_a_range_each_network_and_port_counts_once() {
    let saved = read("create n hash:ip,port netmask 24\nadd n 10.1.1.5-10.1.2.7,80-81\n").expect("ipset takes it");
    let added: Vec<&str> = saved.lines().filter(|line| line.starts_with("add")).collect();
    let all = ["10.1.1.0,tcp:80", "10.1.1.0,tcp:81", "10.1.2.0,tcp:80", "10.1.2.0,tcp:81"];
    assert_eq!(added, all.map(|element| format!("add n {element}")));
    let saved =
        read("create n hash:ip,port bitmask 255.255.0.255\nadd n 10.1.1.9-10.1.1.10,80\n").expect("ipset takes it");
    assert!(saved.ends_with("add n 10.1.0.9,tcp:80\nadd n 10.1.0.10,tcp:80\n"), "{saved}");
}

#[test]
fn nothing_in_quotes_is_no_word() {
    let saved = read("create c hash:ip comment\nadd c 1.1.1.1 \"\" comment \"\" x\n").expect("ipset takes it");
    assert!(saved.ends_with("add c 1.1.1.1 comment \"x\"\n"), "{saved}");
}

/// As ipset 7.17 takes and prints them.
#[test]
fn general_options_stand_anywhere_and_masks_keep_parts_of_addresses() {
    let text = "-! create a hash:ip\n-exist add a 1.2.3.4\n-! add a 1.2.3.4\nadd -! a 1.2.3.4\nadd a -exist 1.2.3.4\n-q add a 1.2.3.5\n\
        -! del a 9.9.9.9\n-! create a hash:ip\ncreate c hash:ip comment -exist\nadd c --exist 1.1.1.1 --comment x\nadd c 1.1.1.1 comment comment --! --q\n\
        --quiet --exist add c 1.1.1.1 \"-exist\" comment x\ndestroy foo -exist\n--! destroy foo\n\
        create b hash:ip bitmask 255.255.0.255\nadd b 1.2.3.4\ncreate n hash:ip,port netmask 24\nadd n 1.2.3.4,80\n\
        create m hash:ip,port bitmask 255.255.0.255\nadd m 1.2.3.4,80\n\
        create s hash:ip family inet6 bitmask ffff::ffff\nadd s 2001:db8::9:1\n";
    let saved = "create a hash:ip family inet hashsize 1024 maxelem 65536 bucketsize 12\nadd a 1.2.3.4\nadd a 1.2.3.5\n\
        create c hash:ip family inet hashsize 1024 maxelem 65536 comment bucketsize 12\nadd c 1.1.1.1 comment \"x\"\n\
        create b hash:ip family inet hashsize 1024 maxelem 65536 bitmask 255.255.0.255 bucketsize 12\nadd b 1.2.0.4\n\
        create n hash:ip,port family inet hashsize 1024 maxelem 65536 bucketsize 12 netmask 24\nadd n 1.2.3.0,tcp:80\n\
        create m hash:ip,port family inet hashsize 1024 maxelem 65536 bucketsize 12 bitmask 255.255.0.255\nadd m 1.2.0.4,tcp:80\n\
        create s hash:ip family inet6 hashsize 1024 maxelem 65536 bitmask ffff::ffff bucketsize 12\nadd s 2001::1\n";
    assert_eq!(read(text), Ok(saved.into()));
    for text in ["# saved\n-! create a hash:ip", "--exist create a hash:ip", "--! -q add a 1.1.1.1"] {
        assert!(is_sets(text), "{text}");
    }
}

/// As ipset 7.17 takes and prints them.
#[test]
fn commands_kinds_and_options_have_other_names_and_options_any_order() {
    let text = "n a iphash --timeout 5\n-A a 1.1.1.1 --timeout 3\na a 2.2.2.2\n-D a 2.2.2.2\n--create b nethash\n--add b 1.0.0.0/8\nf b\n\
        c c hash:ip netmask 64 family inet6\nadd c 2001:db8::1\nnew l setlist --size 3\na l b\na l c\nd l b\nx b\n\
        n m ipmap --network 10.0.0.0/24\nn o ipmap --from 10.0.0.9 --to 10.0.0.2\nn p portmap from 1 to 9\n\
        n q bitmap:ip range 10.0.0.0-10.1.0.0 netmask 24\nn r bitmap:ip netmask 32 range 10.0.0.0-10.0.0.1\n\
        n s iphash hashsize 65 bucketsize 3\nn t iphash hashsize 0 bucketsize 14\nn u iphash maxelem 0 bucketsize 0 initval 7 netmask 32\n\
        n v ipporthash bitmask 255.255.255.255\n";
    let saved = "create a hash:ip family inet hashsize 1024 maxelem 65536 timeout 5 bucketsize 12\nadd a 1.1.1.1 timeout 3\n\
        create c hash:ip family inet6 hashsize 1024 maxelem 65536 netmask 64 bucketsize 12\nadd c 2001:db8::\n\
        create m bitmap:ip range 10.0.0.0-10.0.0.255\ncreate o bitmap:ip range 10.0.0.2-10.0.0.9\ncreate p bitmap:port range 1-9\n\
        create q bitmap:ip range 10.0.0.0-10.1.0.255 netmask 24\ncreate r bitmap:ip range 10.0.0.0-10.0.0.1\n\
        create s hash:ip family inet hashsize 128 maxelem 65536 bucketsize 4\n\
        create t hash:ip family inet hashsize 64 maxelem 65536 bucketsize 12\n\
        create u hash:ip family inet hashsize 1024 maxelem 0 bucketsize 2 initval 0x00000007\n\
        create v hash:ip,port family inet hashsize 1024 maxelem 65536 bucketsize 12\n\
        create l list:set size 4\nadd l c\n";
    assert_eq!(read(text), Ok(saved.into()));
    assert_eq!(read(saved), Ok(saved.into()));
    assert_eq!(read(&format!("{saved}d l c\nf\nx\n")), Ok(String::new()));
}

/// As ipset 7.17 takes, prints and refuses them.
#[test]
fn sets_change_names_and_places_where_they_are_alike() {
    let made = "create z hash:ip\ncreate a hash:ip timeout 60\nadd a 1.1.1.1 timeout 0\ncreate b bitmap:ip range 10.0.0.0/24\n\
        create n hash:net\ncreate s hash:ip family inet6\ncreate l list:set\ncreate m list:set\nadd l a\n";
    let text = format!("{made}swap a z\nw a b\n--swap l m\nswap a a\nrename z y\ne -exist n o\n-E m k\n");
    let saved = "create y hash:ip family inet hashsize 1024 maxelem 65536 timeout 60 bucketsize 12\nadd y 1.1.1.1 timeout 0\n\
        create a bitmap:ip range 10.0.0.0-10.0.0.255\n\
        create b hash:ip family inet hashsize 1024 maxelem 65536 bucketsize 12\n\
        create o hash:net family inet hashsize 1024 maxelem 65536 bucketsize 12\n\
        create s hash:ip family inet6 hashsize 1024 maxelem 65536 bucketsize 12\n\
        create l list:set size 8\ncreate k list:set size 8\nadd k a\n";
    assert_eq!(read(&text), Ok(saved.into()));
    let wrong = [
        "swap a n",
        "swap a s",
        "swap l a",
        "swap a c",
        "swap c a",
        "swap a",
        "swap a b c",
        "rename z a",
        "rename z z",
        "rename a c",
        "rename c d",
        "rename z",
        "rename z c d",
        "rename z 01234567890123456789012345678901",
        "rename z \"c d\"",
    ];
    for line in wrong {
        assert_eq!(read(&format!("{made}{line}")).map_err(|(line, _)| line), Err(10), "{line}");
    }
}

#[test]
fn a_text_of_iptables_is_none_of_ipset() {
    for text in ["n a iphash", "c a hash:ip", "-N a hash:ip", "--create a nethash", "-! -N a hash:ip", "flush a"] {
        assert!(is_sets(text), "{text}");
    }
    for text in [
        "-N a",
        "-N a b",
        "-A INPUT -j DROP",
        "--flush a",
        "-F",
        "-X",
        "-D INPUT 1",
        "*filter",
        ":a - [0:0]",
        "[0:0] -A a",
        "--",
        "-",
        "",
    ] {
        assert!(!is_sets(text), "{text}");
    }
}

/// As ipset 7.17 and Linux 6.18 take and refuse them; of a set whose kept bits are all, the family is not asked for.
#[test]
fn a_set_that_is_there_may_be_created_again_as_it_is() {
    let again = |first: &str, second: &str| read(&format!("create z {first}\ncreate z {second} -exist"));
    for (first, second) in [
        ("hash:ip", "iphash hashsize 64 bucketsize 4 initval 7 forceadd"),
        ("hash:ip", "hash:ip netmask 32"),
        ("hash:ip", "hash:ip family inet6"),
        ("hash:ip netmask 24", "hash:ip bitmask 255.255.255.0"),
        ("hash:ip,mark", "hash:ip,mark markmask 0xffffffff"),
        ("hash:ip counters counters", "hash:ip counters"),
        ("list:set", "list:set size 8"),
        ("bitmap:ip range 10.0.0.0/24", "bitmap:ip range 10.0.0.0-10.0.0.255"),
        ("bitmap:port range 1-5", "bitmap:port range 5-1"),
    ] {
        assert!(again(first, second).is_ok(), "{first} and {second}");
    }
    for (first, second) in [
        ("hash:ip", "hash:net"),
        ("hash:ip", "hash:ip timeout 0"),
        ("hash:ip timeout 3", "hash:ip timeout 4"),
        ("hash:ip", "hash:ip counters"),
        ("hash:ip", "hash:ip comment"),
        ("hash:ip", "hash:ip maxelem 3"),
        ("hash:ip netmask 24", "hash:ip netmask 25"),
        ("hash:ip netmask 24", "hash:ip netmask 24 family inet6"),
        ("hash:ip,mark", "hash:ip,mark markmask 0xff"),
        ("list:set", "list:set size 9"),
        ("bitmap:ip range 10.0.0.0/24", "bitmap:ip range 10.0.0.0/25"),
        ("bitmap:ip range 10.0.0.0/24", "bitmap:ip range 10.0.0.0/24 netmask 25"),
        ("bitmap:port range 1-5", "bitmap:port range 1-6"),
    ] {
        let wants = "a new name, or that of a set of this kind with these options";
        assert_eq!(
            again(first, second),
            Err((2, Fault::BadValue { value: "z".into(), wants })),
            "{first} and {second}"
        );
    }
}

#[test]
fn comments_and_counts_have_bounds_that_snapshots_keep() {
    let with = |options: &str| read(&format!("create c hash:ip counters comment\nadd c 10.0.0.0/24 {options}"));
    let (longest, longer) = ("x".repeat(COMMENT_BYTES_MAX), "x".repeat(COMMENT_BYTES_MAX + 1));
    assert!(with(&format!("comment {longest}")).is_ok());
    assert!(matches!(with(&format!("comment {longer}")), Err((2, Fault::BadValue { .. }))));
    assert!(matches!(with("comment -exist"), Err((2, Fault::MissingValue { .. }))), "as ipset 7.17 refuses it");
    for (count, is_taken) in [(COUNT_MAX - 1, true), (COUNT_MAX, false), (u64::MAX, false)] {
        for option in ["packets", "bytes"] {
            assert_eq!(with(&format!("{option} {count}")).is_ok(), is_taken, "{option} {count}");
        }
    }
    let mut sets = Sets::default();
    let text = format!("create c hash:ip counters comment\nadd c 1.1.1.1 packets {} comment {longest}", COUNT_MAX - 1);
    for line in text.lines() {
        take_line(&mut sets, &mut Budget::default(), line).expect("a good line");
    }
    assert!(sets.is_sound());
    let demand = Demand { count: true, ..Demand::default() };
    let count = |element: &mut Element| element.holds(Instant::ZERO, true, 1500, &demand);
    let lengthen = |element: &mut Element| element.comment = Some(longer.clone());
    let key = key::parse(Kind::find("hash:ip").expect("known"), Family::Ipv4, "1.1.1.1").expect("an element").remove(0);
    sets.0.values_mut().for_each(|set| assert_eq!(set.elements.ask(&key, count), Some(true)));
    assert!(sets.is_sound(), "one packet more is counted no further");
    sets.0.values_mut().for_each(|set| set.elements.ask(&key, lengthen).expect("it is there"));
    assert!(!sets.is_sound());
}

#[test]
fn the_ranges_of_a_text_stand_for_a_bounded_number_of_elements() {
    let mut sets = Sets::default();
    let mut budget = Budget::of(255);
    let mut take = |line: &str| take_line(&mut sets, &mut budget, line).map_err(|flaw| (flaw.column, flaw.fault));
    assert_eq!(take("create a hash:ip"), Ok(()));
    assert_eq!(take("add a 10.0.0.0/25"), Ok(()), "127 beside the first");
    assert_eq!(take("-! add a 10.0.0.0/25"), Ok(()), "and again");
    assert_eq!(take("del a 10.0.0.0/31"), Ok(()), "and one");
    let fault = Fault::TooMany { what: "elements in the ranges of a text", max: SET_TEXT_ELEMENTS_MAX };
    assert_eq!(take("add a 10.0.1.0/31"), Err((7, fault)));
    assert_eq!(take("add a 10.0.1.0"), Ok(()), "one a line costs nothing");
}

#[test]
fn a_rule_names_a_set_so_that_it_is_read_again() {
    for name in ["a", "-b", "--c", "!"] {
        let selected = Selected { name: name.into(), from_source: alloc::vec![true, false], hint: 0 };
        let words = words(&format!("{selected}"), 1).expect("whole quotes");
        assert_eq!(words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>(), [name, "src,dst"]);
        assert!(!words[0].is_option() && !words[0].is_invert(), "{name} is a value");
    }
}

fn any_word() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "create|add|del|flush|destroy|-exist|--exist|a|b|c|d|l|x|hash:ip|hash:net|hash:net,iface|bitmap:port|list:set|range|timeout|nomatch",
        1 => "[0-9./,:-]{0,20}",
        1 => any::<String>(),
        1 => any::<String>().prop_map(|text| format!("\"{text}\"")),
    ]
}

fn any_line() -> impl Strategy<Value = String> {
    let word = "[a-c '\"\\\\\t\u{a0}-]{1,5}";
    let quoted =
        move || word.prop_map(|text: String| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")));
    prop_oneof![
        proptest::collection::vec(any_word(), 0..7).prop_map(|words| words.join(" ")),
        quoted().prop_map(|name| format!("create {name} hash:ip")),
        quoted().prop_map(|comment| format!("add c 10.0.0.0/30,eth0 comment {comment}")),
        word.prop_map(|name: String| format!("add c \"10.0.0.0/8,{}\" packets 1", name.replace(['"', '\\'], ""))),
        quoted().prop_map(|name| format!("add l {name}")),
        (0..5_u32, 24..40_u8).prop_map(|(tail, prefix)| format!("add d 1.2.3.{tail}/{prefix} timeout {tail}")),
    ]
}

proptest! {
    #[test]
    fn any_line_is_taken_or_refused_and_what_is_saved_is_read_again(lines in proptest::collection::vec(any_line(), 0..9)) {
        let mut sets = Sets::default();
        for line in [
            "create a hash:ip,port,net",
            "create b bitmap:ip range 10.0.0.0/16 timeout 3",
            "create c hash:net,iface counters comment",
            "create d hash:ip timeout 9",
            "create l list:set",
        ] {
            prop_assert!(take_line(&mut sets, &mut Budget::default(), line).is_ok());
        }
        for line in lines.iter().flat_map(|line| line.lines()) {
            let _ = take_line(&mut sets, &mut Budget::default(), line);
        }
        let saved = sets.save(Instant::ZERO);
        prop_assert_eq!(read(&saved), Ok(saved));
        prop_assert!(sets.is_sound());
    }
}
