//! Giving up what is not needed once the sockets are open.
//!
//! A running gateway needs no capability at all: packet sockets, the ring and the control socket are open, sending and
//! receiving are not checked again. What would need one: opening a device again after it was removed and came back
//! (CAP_NET_RAW), and another user's files. Whoever wants that restarts the gateway from its supervisor. What needs one all the time is done by a
//! process of its own, which keeps that one alone ([`crate::withholder`]).

use std::{fmt, fs, io};

use rustix::{
    io::Errno,
    process::{Gid, Uid},
    thread::{
        CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, remove_capability_from_bounding_set,
        set_capabilities, set_keep_capabilities, set_no_new_privs, set_thread_groups, set_thread_res_gid,
        set_thread_res_uid,
    },
};

/// Whom to become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    name: String,
    uid: Uid,
    gid: Gid,
}

/// Privileges that could not be given up.
#[derive(Debug)]
pub enum PrivilegeError {
    /// No user of that name, or number, is in /etc/passwd.
    UnknownUser(String),
    /// Only root outside of a user namespace can become that user.
    NotRoot(String),
    /// Other threads run already, and would keep what this one gives up.
    Threads(usize),
    /// A system call failed; the text says which.
    Call(&'static str, io::Error),
}

impl User {
    /// Looks a user up by name or number.
    ///
    /// # Errors
    /// [`PrivilegeError::UnknownUser`].
    pub fn find(name: &str) -> Result<Self, PrivilegeError> {
        let unknown = || PrivilegeError::UnknownUser(name.to_owned());
        let accounts = fs::read_to_string("/etc/passwd").map_err(|_| unknown())?;
        find_account(&accounts, name).ok_or_else(unknown)
    }
}

/// Gives up all privileges: becomes `user` when one is given, drops every capability for good, and sees to it that no
/// program started from here gains any (`no_new_privs`). To be called while the process has one thread only, since Linux keeps
/// privileges by thread.
///
/// # Errors
/// [`PrivilegeError`]; the process may have given up a part then and should end.
pub fn drop_privileges(user: Option<User>) -> Result<(), PrivilegeError> {
    drop_all_but(CapabilitySet::empty(), user)
}

/// The same, but for those of some capabilities that the process has.
///
/// # Errors
/// As [`drop_privileges`].
pub fn drop_all_but(kept: CapabilitySet, user: Option<User>) -> Result<(), PrivilegeError> {
    let threads = fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads > 1 {
        return Err(PrivilegeError::Threads(threads));
    }
    let call = |what| move |error: Errno| PrivilegeError::Call(what, error.into());
    // The bounding set and user can be changed only while there are capabilities.
    for capability in CapabilitySet::all().iter() {
        // Without CAP_SETPCAP it stays, and `no_new_privs` below keeps it from mattering.
        if remove_capability_from_bounding_set(capability).is_err() {
            break;
        }
    }
    if let Some(user) = user {
        set_keep_capabilities(!kept.is_empty()).map_err(call("keeping capabilities"))?;
        become_user(&user)?;
    }
    clear_ambient_capability_set().map_err(call("dropping ambient capabilities"))?;
    let has = capabilities(None).map_err(call("looking at capabilities"))?;
    let kept = kept & has.permitted;
    set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() })
        .map_err(call("dropping capabilities"))?;
    set_no_new_privs(true).map_err(call("forbidding new privileges"))
}

fn become_user(user: &User) -> Result<(), PrivilegeError> {
    let User { name, uid, gid } = user;
    set_thread_groups(&[])
        .and_then(|()| set_thread_res_gid(*gid, *gid, *gid))
        .and_then(|()| set_thread_res_uid(*uid, *uid, *uid))
        .map_err(|error| match error {
            // EINVAL: the user namespace does not know the user.
            Errno::PERM | Errno::INVAL => PrivilegeError::NotRoot(name.clone()),
            other => PrivilegeError::Call("changing the user", other.into()),
        })
}

impl fmt::Display for PrivilegeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownUser(name) => write!(f, "user '{name}': not in /etc/passwd"),
            Self::NotRoot(name) => {
                write!(f, "user '{name}': only root outside of a user namespace can become another user; leave it out")
            }
            Self::Threads(threads) => write!(f, "privileges must be dropped before threads start, but {threads} run"),
            Self::Call(what, error) => write!(f, "{what}: {error}"),
        }
    }
}

impl std::error::Error for PrivilegeError {}

/// passwd(5): name, password, uid, gid, …
fn find_account(accounts: &str, name: &str) -> Option<User> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (account, _password, uid, gid) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        (account == name || uid == name)
            .then(|| {
                let (uid, gid) = (Uid::from_raw(uid.parse().ok()?), Gid::from_raw(gid.parse().ok()?));
                Some(User { name: account.to_owned(), uid, gid })
            })
            .flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_name_and_by_number() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65533:nobody:/:/bin/false\nbroken:x:a:b\n";
        let nobody = User { name: "nobody".to_owned(), uid: Uid::from_raw(65534), gid: Gid::from_raw(65533) };
        assert_eq!(find_account(accounts, "nobody"), Some(nobody.clone()));
        assert_eq!(find_account(accounts, "65534"), Some(nobody));
        assert_eq!(find_account(accounts, "broken"), None);
        assert_eq!(find_account(accounts, "x"), None);
    }
}
