//! The demo as its users see it: real namespaces, a real gateway, a real FTP client and server.

#![expect(clippy::unwrap_used, reason = "in a test, also in its helpers")]

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, Uid},
};
use tempfile::TempDir;

#[test]
fn files_go_through_in_all_modes_and_come_out_as_they_went_in() {
    let play = Play::new();
    // Half of it is more than socket buffers hold, so that a data connection is not closing yet when it is looked at.
    let Some(output) = shown(play.demo(&["--size", "60"])) else { return };
    for act in [
        "download, passive (PASV)",
        "download, active (PORT)",
        "upload, extended passive (EPSV)",
        "upload, active (PORT)",
    ] {
        assert!(output.contains(act), "{act} is missing in:\n{output}");
    }
    assert_eq!(output.matches("on both sides").count(), 4, "{output}");
    // Each data connection was expected, and those of the downloads were seen alive beside their control connections.
    assert_eq!(output.matches("[NEW] 300 proto=6").count(), 4, "{output}");
    assert!(output.matches("dport=21 ").count() >= 4, "{output}");
    assert!(output.contains("ESTABLISHED src=203.0.113.2 dst=203.0.113.1"), "no active data connection in:\n{output}");
    play.assert_nothing_is_left();
}

#[test]
fn whoever_is_not_root_uses_a_user_namespace() {
    let play = Play::new();
    if !Uid::effective().is_root() {
        lab::skip("needs root, to become somebody else");
        return;
    }
    let mut demo = play.demo(&["--size", "1"]);
    demo.uid(NOBODY).gid(NOBODY);
    let Some(output) = shown(demo) else { return };
    assert!(output.contains("in a user namespace"), "{output}");
    play.assert_nothing_is_left();
}

#[test]
fn ctrl_c_and_a_kill_leave_no_process_behind() {
    for (signal, code) in [(Signal::SIGINT, Some(130)), (Signal::SIGTERM, Some(143)), (Signal::SIGKILL, None)] {
        let play = Play::new();
        let mut child = play.demo(&["--size", "300"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let Some(()) = has_begun(&mut child) else { return };
        kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), code, "{signal}: {}", String::from_utf8_lossy(&output.stderr));
        play.assert_no_process_is_left();
        if signal != Signal::SIGKILL {
            play.assert_nothing_is_left();
        }
    }
}

#[test]
fn a_missing_program_is_named_in_one_line() {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_towpath-demo"));
    let output = demo.args(["--program", "/no/such/towpath"]).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    if let Some(reason) = no_namespaces(&error) {
        lab::skip(reason);
        return;
    }
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.contains("/no/such/towpath"), "{error}");
}

/// The programs, and a folder for temporary files, where everybody can reach them.
struct Play {
    programs: TempDir,
    temporary: TempDir,
}

const NOBODY: u32 = 65534;

impl Play {
    fn new() -> Self {
        let (programs, temporary) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let demo = Path::new(env!("CARGO_BIN_EXE_towpath-demo"));
        for program in [demo.to_owned(), demo.with_file_name("towpath")] {
            assert!(program.exists(), "{} is missing: cargo build -p towpath", program.display());
            // Copied by another process: a test beside this one that starts a program would inherit a copy that is open for
            // writing, and nobody can run such a file.
            assert!(Command::new("cp").arg(&program).arg(programs.path()).status().unwrap().success());
        }
        fs::set_permissions(programs.path(), PermissionsExt::from_mode(0o755)).unwrap();
        fs::set_permissions(temporary.path(), PermissionsExt::from_mode(0o777)).unwrap();
        Self { programs, temporary }
    }

    fn demo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.programs.path().join("towpath"));
        command.arg("demo").args(arguments).env("TMPDIR", self.temporary.path()).env("HOME", "/").current_dir("/");
        command
    }

    fn assert_nothing_is_left(&self) {
        let left: Vec<_> = fs::read_dir(self.temporary.path()).unwrap().map(|file| file.unwrap().path()).collect();
        assert_eq!(left, Vec::<PathBuf>::new());
        self.assert_no_process_is_left();
    }

    /// A tied process dies with the demo, but not in the same instant.
    fn assert_no_process_is_left(&self) {
        const TRIES: u32 = 200;
        let left = || processes(self.programs.path());
        for _ in 0..TRIES {
            if left().is_empty() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("these processes are left: {:?}", left());
    }
}

/// Processes that run a program in a folder.
fn processes(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let programs = entries.filter_map(|entry| fs::read_link(entry.path().join("exe")).ok());
    programs.filter(|program| program.starts_with(folder)).collect()
}

/// What a demo shows; `None` when none can be given here.
fn shown(mut demo: Command) -> Option<String> {
    let Output { status, stdout, stderr } = demo.output().unwrap();
    let (output, error) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    if let Some(reason) = no_namespaces(&error) {
        lab::skip(reason);
        return None;
    }
    assert!(status.success(), "{status}: {error}\n{output}");
    Some(output)
}

/// Waits until a transfer begins; `None` when no demo can be given here.
fn has_begun(child: &mut Child) -> Option<()> {
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    if lines.map_while(Result::ok).any(|line| line.starts_with("== download")) {
        return Some(());
    }
    let mut error = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut error).unwrap();
    let reason = no_namespaces(&error).unwrap_or_else(|| panic!("{error}"));
    lab::skip(reason);
    None
}

fn no_namespaces(error: &str) -> Option<&str> {
    error.contains("namespace: ").then(|| error.trim())
}
