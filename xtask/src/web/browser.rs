//! A browser for the tests.

use std::{env, path::PathBuf};

use crate::run;

/// Names of Chromium and its kin, the plain one first.
const NAMES: [&str; 6] =
    ["chromium", "chromium-browser", "chromium-headless-shell", "google-chrome", "google-chrome-stable", "chrome"];

/// The browser that `TOWPATH_BROWSER` names, or one of the search path.
pub(crate) fn find() -> Option<PathBuf> {
    match env::var_os("TOWPATH_BROWSER") {
        Some(file) => Some(PathBuf::from(file)).filter(|file| run::is_program(file)),
        None => NAMES.iter().find_map(|name| run::find(name)),
    }
}
