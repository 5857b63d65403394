//! What packetdrill asks of libc, and finds here when the library is preloaded.
#![expect(unsafe_code, reason = "the C interface")]

use std::{
    ffi::{CStr, c_char, c_int, c_long, c_void},
    os::unix::process::ExitStatusExt,
    process::Command,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use libc::socklen_t;
use packet_scripts::system::shell::{self, Failure};

use super::calls::{answered, option};
use crate::instance::{Instance, World, tell};

/// The instance that is asked: the one made last.
static SERVED: Mutex<Option<Arc<Instance>>> = Mutex::new(None);

/// Lets it be asked.
pub(super) fn serve(instance: Option<Arc<Instance>>) {
    *SERVED.lock().unwrap_or_else(PoisonError::into_inner) = instance;
}

fn served() -> Option<Arc<Instance>> {
    SERVED.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Assertions are about what libc's `getsockopt` tells. Of what is no socket of ours the kernel is asked.
#[unsafe(no_mangle)]
unsafe extern "C" fn getsockopt(fd: c_int, level: c_int, name: c_int, to: *mut c_void, len: *mut socklen_t) -> c_int {
    let is_ours = |instance: &Arc<Instance>| instance.lock().is_ok_and(|world| world.process.has(fd));
    let Some(instance) = served().filter(is_ours) else {
        // SAFETY: what is asked is the caller's, as it is.
        return unsafe { libc::syscall(libc::SYS_getsockopt, fd, level, name, to, len) } as c_int;
    };
    // SAFETY: the caller says that pointers are what they are said to be.
    answered(|| unsafe { option(&instance, fd, (level, name), to, len) }) as c_int
}

/// A script's shell lines are about the host under test, and must not change the one that packetdrill runs on. Only the program that
/// evaluates assertions is run.
#[unsafe(no_mangle)]
unsafe extern "C" fn system(line: *const c_char) -> c_int {
    if line.is_null() {
        return 1;
    }
    // SAFETY: the caller says that it is a string.
    let line = unsafe { CStr::from_ptr(line) }.to_string_lossy().into_owned();
    let status = answered(|| {
        let instance = served().filter(|_| !line.starts_with(EVALUATOR));
        let Some(instance) = instance else { return Ok(run(&line).into()) };
        let mut world = instance.lock()?;
        let World { host, process, .. } = &mut *world;
        Ok(match shell::run(&line, process, host) {
            Ok(()) => 0,
            Err(Failure::Unknown(unknown)) => {
                tell(&unknown);
                // As a shell says of a command that it does not find.
                127 << 8
            }
            // As grep says of a word that is not there.
            Err(Failure::NotCounted(..)) => 1 << 8,
        })
    });
    status as c_int
}

/// What waiting for a shell that is given the line would tell.
fn run(line: &str) -> c_int {
    let done = Command::new("sh").arg("-c").arg(line).env_remove("LD_PRELOAD").status();
    done.map_or(127 << 8, ExitStatusExt::into_raw)
}

/// Nothing is late where time is virtual: memory need not be locked.
#[unsafe(no_mangle)]
extern "C" fn mlockall(_flags: c_int) -> c_int {
    0
}

/// Nor is anybody more urgent than others.
#[unsafe(no_mangle)]
extern "C" fn sched_setscheduler(_process: c_int, _policy: c_int, _parameters: *const c_void) -> c_int {
    0
}

/// packetdrill waits for ten ticks of the real clock before it begins; each look is one.
#[unsafe(no_mangle)]
extern "C" fn times(_to: *mut c_void) -> c_long {
    static TICKS: AtomicI64 = AtomicI64::new(1);
    TICKS.fetch_add(1, Ordering::Relaxed)
}

/// What packetdrill evaluates assertions with.
const EVALUATOR: &str = "python3 ";
