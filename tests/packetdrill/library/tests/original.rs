//! The original packetdrill plays our own scripts on the engine, and judges each as our player does. The suite is there when
//! `PACKETDRILL` names that program: `PACKETDRILL=/path/of/packetdrill cargo test -p towpath-packetdrill`.
#![cfg(packetdrill)]

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use packet_scripts::{
    files,
    original::Original,
    parse,
    runner::{Settings, Verdict, play},
};

fn original() -> Original {
    let program = PathBuf::from(env!("PACKETDRILL"));
    let test = env::current_exe().expect("this test has a name");
    let program = program.canonicalize().unwrap_or_else(|error| panic!("PACKETDRILL={}: {error}", program.display()));
    Original { program, library: test.with_file_name("libtowpath_packetdrill.so") }
}

/// What is wrong with how a script is judged, if something is.
fn fault(original: &Original, path: &Path, settings: &Settings) -> Option<String> {
    let script = parse(&fs::read_to_string(path).expect("the script"), &[]).expect("it can be read");
    let own = play(&script, settings);
    let said = original.play(path, &script, settings, &[]).expect("packetdrill can be run");
    let agree = said.is_ok() && own == Verdict::Strict;
    (!agree).then(|| format!("{}: here {own:?}, packetdrill {said:?}", path.display()))
}

fn all_agree(settings: &Settings) {
    let scripts = files::below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts")).expect("the folder");
    assert!(scripts.len() > 50, "only {} scripts were found", scripts.len());
    let original = original();
    let faults: Vec<String> = scripts.iter().filter_map(|path| fault(&original, path, settings)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn packetdrill_passes_all_our_scripts_over_ipv4() {
    all_agree(&Settings::default());
}

#[test]
fn packetdrill_passes_all_our_scripts_over_ipv6() {
    all_agree(&Settings::default().with_version("ipv6").expect("a version"));
}

#[test]
fn what_is_not_as_it_is_written_fails_there_as_it_does_here() {
    let begin = "
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 9000 <mss 1000>
+0 > S. 0:0(0) ack 1 <mss 1460>
+.1 < . 1:1(0) ack 1 win 9000
+0 accept(3, ..., ...) = 4
";
    let path = env::temp_dir().join(format!("towpath-{}.pkt", std::process::id()));
    for rest in [
        "+0 write(4, ..., 100) = 99\n",
        "+0 write(4, ..., 100) = 100\n+0 > P. 1:102(101) ack 1\n",
        "+0 write(4, ..., 100) = 100\n+.05 > P. 1:101(100) ack 1\n",
        "+0 > . 1:1(0) ack 1\n",
        "+0 recv(4, ..., 100, MSG_DONTWAIT) = -1 EPIPE (Broken pipe)\n",
        "+0 getsockopt(4, SOL_TCP, TCP_MAXSEG, [1460], [4]) = 0\n",
        "+0...0.1 read(4, ..., 100) = 10\n+.3 < P. 1:11(10) ack 1 win 9000\n* > . 1:1(0) ack 11\n",
        "+0 %{ assert tcpi_snd_cwnd == 3 }%\n",
        "+0 `sysctl -q net.ipv4.tcp_weather=1`\n",
    ] {
        let text = format!("{begin}{rest}");
        fs::write(&path, &text).expect("there is room");
        let script = parse(&text, &[]).expect("it can be read");
        assert_ne!(play(&script, &Settings::default()), Verdict::Strict, "{rest}");
        let said = original().play(&path, &script, &Settings::default(), &[]).expect("packetdrill can be run");
        assert!(said.is_err(), "{rest}");
    }
    fs::remove_file(&path).expect("it is there");
}
