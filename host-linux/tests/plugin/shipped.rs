//! The components that are shipped answer as their crates do.

use towpath::plugin::Plugin;
use towpath_engine::conntrack::{
    helper::{Helper, HelperContext, HelperEndpoint, Site},
    tuple::Direction,
};
use towpath_helper_ftp::manifest::{ASKED_MAX, FUEL_PER_CALL};
use towpath_helpers_native::Ftp;

use crate::{address, context, runtime};

/// Payloads with the kernel's answers; here only the payloads count.
static CORPUS: &str = include_str!("../../../plugins/ftp/tests/kernel.txt");

#[test]
#[cfg_attr(not(shipped_helpers), ignore = "needs `cargo xtask plugins`")]
fn every_helper_is_shipped_with_its_crates_manifest() {
    for native in towpath_helpers_native::all() {
        let plugin = runtime().load_shipped(&native.manifest().name).unwrap();
        assert_eq!(plugin.manifest(), native.manifest());
        assert_ne!(plugin.component_hash(), [0; 32]);
    }
}

#[test]
#[cfg_attr(not(shipped_helpers), ignore = "needs `cargo xtask plugins`")]
fn ftp_as_a_component_answers_as_its_crate_does() {
    let (mut component, mut native) = (ftp(), Ftp::default());
    let (mut payloads, mut rendered) = (0, 0);
    for line in CORPUS.lines().filter(|line| !line.starts_with('#')) {
        let mut columns = line.split('\t');
        let context = who(columns.next().unwrap());
        let payload = columns.next().unwrap().replace("\\r", "\r").replace("\\n", "\n");
        // Nothing is asked for, PASV and EPSV, and as much as is remembered.
        for state in [&[][..], &[1, 3], &[3; ASKED_MAX]] {
            let answer = component.inspect(&context, state, payload.as_bytes());
            assert_eq!(answer, native.inspect(&context, state, payload.as_bytes()), "{line}, asked {state:?}");
            for site in answer.unwrap().wishes.iter().filter_map(|wish| wish.site) {
                for translated in ["203.0.113.1", "2001:db8:ff::1"] {
                    let translated = HelperEndpoint { address: address(translated), port: 61000 };
                    let bytes = component.render(&context, state, site, translated).unwrap();
                    assert_eq!(Ok(&bytes), native.render(&context, state, site, translated).as_ref(), "{line}");
                    rendered += 1;
                }
            }
        }
        payloads += 1;
    }
    assert!(payloads > 1000 && rendered > 600, "{payloads} payloads, {rendered} rendered");
}

#[test]
#[cfg_attr(not(shipped_helpers), ignore = "needs `cargo xtask plugins`")]
fn ftp_renders_nothing_for_a_token_that_is_not_its_own() {
    let (mut component, mut native) = (ftp(), Ftp::default());
    let context = who("client4");
    let site = Site { offset: 5, length: 10, token: 99 };
    let translated = HelperEndpoint { address: address("203.0.113.1"), port: 1 };
    assert_eq!(component.render(&context, &[], site, translated), Ok(Vec::new()));
    assert_eq!(native.render(&context, &[], site, translated), Ok(Vec::new()));
}

#[test]
#[cfg_attr(not(shipped_helpers), ignore = "needs `cargo xtask plugins`")]
fn ftp_reads_the_longest_payloads_with_less_than_half_its_fuel() {
    let mut component = ftp();
    let zeros = "0".repeat(65_000);
    let mut worst = 0;
    for (kind, payload) in [
        ("client4", format!("PORT 10,0,0,5,{zeros}200,10\r\n")),
        ("client4", format!("PORT{zeros}")),
        ("client4", format!("EPRT |1|{zeros}10.0.0.5|51210|\r\n")),
        ("client4", format!("EPRT |1|10.0.0.5|{zeros}51210|\r\n")),
        ("client6", format!("EPRT |2|2001:db8:1::{zeros}5|51210|\r\n")),
        ("client6", format!("EPRT |2|2001:db8:1::{half}0.0.0.{half}5|51210|\r\n", half = &zeros[..32_000])),
        ("server4", format!("227 {}(10,0,0,21,195,80)\r\n", "-".repeat(65_000))),
        ("server4", format!("227 {}", "-".repeat(65_000))),
        ("server4", format!("229 {}(|||50000|)\r\n", "-".repeat(65_000))),
        ("server4", format!("229 (|||{zeros}50000|)\r\n")),
    ] {
        component.inspect(&who(kind), &[], payload.as_bytes()).unwrap_or_else(|failure| {
            panic!("{failure:?}: {}…", &payload[..30]);
        });
        worst = worst.max(component.fuel_spent());
    }
    assert!(worst < FUEL_PER_CALL / 2, "{worst}");
    assert!(worst > FUEL_PER_CALL / 20, "{worst}: the bound is far too loose");
}

#[test]
#[cfg_attr(not(shipped_helpers), ignore = "needs `cargo xtask plugins`")]
fn the_other_helpers_read_the_longest_payloads_with_less_than_half_their_fuel() {
    let (zeros, blanks) = ("0".repeat(65_000), " ".repeat(65_000));
    let offer = "PRIVMSG bob :\x01DCC SEND";
    let irc = [
        format!("{blanks}PRIVMSG"),
        format!("PRIVMSG {zeros}"),
        format!("{offer} {zeros}"),
        format!("{offer} f {zeros}\n"),
        format!("{offer} f 167772165{blanks}\n"),
        format!("{offer} f 167772165 {zeros}\n"),
        format!("{offer} f 167772165 {zeros}8080\x01\n"),
    ];
    for (name, payloads) in
        [("irc", &irc[..]), ("tftp", &[format!("\0\x01{zeros}")]), ("netbios-ns", std::slice::from_ref(&zeros))]
    {
        let mut component = runtime().load_shipped(name).expect("it is shipped");
        let mut worst = 0;
        for payload in payloads {
            let told = HelperContext { broadcast_prefix: Some(24), ..who("client4") };
            component.inspect(&told, &[], payload.as_bytes()).unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
            worst = worst.max(component.fuel_spent());
        }
        let bound = component.manifest().fuel_per_call;
        assert!(worst < bound / 2, "{name}: {worst} of {bound}");
        assert!(worst > bound / 40, "{name}: {worst} of {bound}, which is far too loose");
    }
}

fn ftp() -> Plugin {
    runtime().load_shipped("ftp").expect("it is shipped")
}

/// The contexts of the corpus.
fn who(kind: &str) -> HelperContext {
    match kind {
        "client4" => context(Direction::Original, "10.0.0.5", "198.18.0.1"),
        "server4" => context(Direction::Reply, "10.0.0.21", "198.18.0.1"),
        "client6" => context(Direction::Original, "2001:db8:1::5", "2001:db8:2::1"),
        "server6" => context(Direction::Reply, "2001:db8:1::21", "2001:db8:2::1"),
        _ => panic!("no such kind: {kind}"),
    }
}
