//! Network namespaces without root.

use std::{
    any, env,
    fs::{self, File},
    io::{Read, Write},
    os::fd::AsFd,
    process::{Child, Command, Stdio},
    thread,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::skip::skip;

/// Runs `test`, which must be the whole of a test, in a process of its own with a user and a network namespace of its
/// own. Where the machine does not allow that, the test is skipped.
pub(crate) fn in_namespace<F: FnOnce()>(test: F) {
    in_one_of(
        &WAYS_IN,
        "no network namespaces: unshare(1) or ip(8) is missing, or user namespaces are forbidden",
        test,
    );
}

/// The same for a test with programs that need a machine's root, and why: they become other users, which are not there in a user
/// namespace.
pub(crate) fn in_namespace_of_root<F: FnOnce()>(why: &str, test: F) {
    in_one_of(&WAYS_IN[1..], &format!("needs root: {why}"), test);
}

fn in_one_of<F: FnOnce()>(ways: &[&[&str]], why_not: &str, test: F) {
    if env::var_os(MARK).is_some() {
        return test();
    }
    // `wire::room::name_of_the_test::{{closure}}`
    let name = any::type_name::<F>();
    let name = name.strip_prefix("wire::").and_then(|name| name.strip_suffix("::{{closure}}")).unwrap();
    let Some(unshare) = ways.iter().find(|way| way_works(way)) else { return skip(name, why_not) };
    let output = Command::new("unshare")
        .args(*unshare)
        .arg(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(MARK, "1")
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && report.contains("1 passed"), "in its namespace {name} said:\n{report}");
}

/// A further network namespace beside the test's own. It goes with this value.
pub(crate) struct Namespace {
    keeper: Child,
    file: File,
}

impl Namespace {
    pub(crate) fn new() -> Self {
        // An echo shows that the keeper is in its namespace; it ends with its standard input.
        let mut keeper = Command::new("unshare")
            .args(["--net", "cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        keeper.stdin.as_mut().unwrap().write_all(b"?").unwrap();
        keeper.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let file = File::open(format!("/proc/{}/ns/net", keeper.id())).unwrap();
        let namespace = Self { keeper, file };
        namespace.within(quieten);
        namespace
    }

    /// Does something inside. Sockets and processes made there stay there.
    pub(crate) fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
                work()
            });
            inside.join().unwrap()
        })
    }

    /// Runs `ip` inside, with words separated by spaces.
    pub(crate) fn ip(&self, words: &str) {
        self.within(|| ip(words));
    }

    /// As `ip link … netns` names it.
    pub(crate) fn pid(&self) -> u32 {
        self.keeper.id()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Runs `ip` in the test's own namespace, with words separated by spaces.
pub(crate) fn ip(words: &str) {
    let status = Command::new("ip").args(words.split_whitespace()).status().unwrap();
    assert!(status.success(), "ip {words}");
}

/// Keeps the kernel from speaking IPv6 by itself, so that only what a test sends is seen.
pub(crate) fn quieten() {
    for scope in ["all", "default"] {
        // Without IPv6 in the kernel there is nothing to quieten.
        let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{scope}/disable_ipv6"), "1");
    }
}

/// Set in the process that runs the test itself.
const MARK: &str = "TOWPATH_TEST_NAMESPACE";

/// What `unshare` is told, the best way first: root in a container may be forbidden a user namespace.
const WAYS_IN: [&[&str]; 2] = [&["--user", "--map-root-user", "--net"], &["--net"]];

fn way_works(way: &[&str]) -> bool {
    let mut probe = Command::new("unshare");
    probe.args(way).args(["ip", "link", "add", "type", "veth"]).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}
