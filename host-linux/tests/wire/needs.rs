//! What a test takes beside the program itself.

use std::process::{Command, Stdio};

use towpath::plugin::shipped::COMPONENTS;

use crate::skip::skip;

/// Whether the program's helpers or one of these programs are missing; notes it.
pub(crate) fn lacks(test: &str, programs: &[&str]) -> bool {
    if COMPONENTS.is_empty() {
        skip(test, "the program is built without its helpers: `cargo xtask plugins`");
        return true;
    }
    lacks_programs(test, programs)
}

/// Whether one of these programs is missing; notes it.
pub(crate) fn lacks_programs(test: &str, programs: &[&str]) -> bool {
    let is_missing = |program: &&&str| {
        let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).stdout(Stdio::null()).status();
        !found.is_ok_and(|status| status.success())
    };
    let missing = programs.iter().find(is_missing);
    if let Some(program) = missing {
        skip(test, &format!("{program} is not installed"));
    }
    missing.is_some()
}
