//! Network namespaces, and the right to make them.

use std::{fs, fs::File};

use anyhow::{Context, Result, anyhow};
use nix::{
    errno::Errno,
    sched::{CloneFlags, setns, unshare},
    unistd::{getegid, geteuid},
};

/// By what right namespaces are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rights {
    /// This user may make them (root).
    Own,
    /// In a user namespace whose root this user is.
    UserNamespace,
}

/// A network namespace. It is gone when nobody is in it and nobody holds one of its sockets or this handle.
#[derive(Debug)]
pub(crate) struct Namespace {
    handle: File,
}

/// Sees to it that this process may make network namespaces. It must have one thread only.
pub(crate) fn gain_rights() -> Result<Rights> {
    match unshare(CloneFlags::CLONE_NEWNET) {
        Ok(()) => return Ok(Rights::Own),
        Err(Errno::EPERM) => {}
        Err(error) => return Err(no_namespace("network", error)),
    }
    let (user, group) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER).map_err(|error| no_namespace("user", error))?;
    // Without this, an unprivileged process may not map its group (user_namespaces(7)).
    let mapped = fs::write("/proc/self/setgroups", "deny")
        .and_then(|()| fs::write("/proc/self/uid_map", format!("0 {user} 1")))
        .and_then(|()| fs::write("/proc/self/gid_map", format!("0 {group} 1")));
    mapped.map_err(|_| no_namespace("user", Errno::EPERM))?;
    unshare(CloneFlags::CLONE_NEWNET).map_err(|error| no_namespace("network", error))?;
    Ok(Rights::UserNamespace)
}

impl Namespace {
    /// Makes a namespace and moves the calling thread into it.
    pub(crate) fn make() -> Result<Self> {
        unshare(CloneFlags::CLONE_NEWNET).map_err(|error| no_namespace("network", error))?;
        let handle = File::open("/proc/thread-self/ns/net").context("cannot open a network namespace")?;
        Ok(Self { handle })
    }

    /// Moves the calling thread into it.
    pub(crate) fn enter(&self) -> Result<()> {
        setns(&self.handle, CloneFlags::CLONE_NEWNET).context("cannot enter a network namespace")
    }

    pub(crate) fn handle(&self) -> &File {
        &self.handle
    }
}

/// Why there is no namespace of a kind, in one line that says what to do.
fn no_namespace(kind: &str, error: Errno) -> anyhow::Error {
    let forbidden = FORBIDDING.iter().find(|(name, value, _)| sysctl(name).is_some_and(|found| found == *value));
    let advice = match (error, forbidden) {
        (_, Some((name, value, instead))) => format!("{name} = {value} forbids it; run as root or set it to {instead}"),
        (Errno::ENOSPC, None) => format!("as many exist as user.max_{}_namespaces allows", short(kind)),
        (Errno::EINVAL, None) => format!("the kernel has none (CONFIG_{}_NS)", short(kind).to_uppercase()),
        _ => "this system or container forbids it; run as root".to_owned(),
    };
    anyhow!("cannot make a {kind} namespace: {}: {advice}", error.desc())
}

fn short(kind: &str) -> &str {
    if kind == "network" { "net" } else { kind }
}

fn sysctl(name: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/sys/{}", name.replace('.', "/"))).ok()?;
    Some(text.trim().to_owned())
}

/// Tunables that forbid user namespaces, the values that do, and what to set instead.
const FORBIDDING: [(&str, &str, &str); 4] = [
    ("user.max_user_namespaces", "0", "10000"),
    ("user.max_net_namespaces", "0", "10000"),
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
];
