//! Files that are to be written: none of them may be one that is read, nor another one of them.

use std::{
    fmt, fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use anyhow::{Result, anyhow};
use towpath_replay::config::Config;

/// A file that is to be written.
#[derive(Clone, Copy)]
pub(crate) struct Output<'p> {
    /// How the command line calls it.
    option: &'static str,
    path: &'p Path,
}

/// Those of the options that were given.
pub(crate) fn outputs<'p, const N: usize>(options: [(&'static str, Option<&'p PathBuf>); N]) -> Vec<Output<'p>> {
    let given = options.into_iter().filter_map(|(option, path)| path.map(|path| Output { option, path }));
    given.collect()
}

/// Refuses outputs that would overwrite a file that is read, or one another, whatever names lead to it. To be asked before the first
/// of them is opened. What is no regular file (a pipe, a terminal, /dev/null) holds nothing that could be lost.
///
/// # Errors
/// The first of them, with both names.
pub(crate) fn overwrite_nothing<'f>(
    outputs: &[Output<'_>],
    inputs: impl IntoIterator<Item = &'f PathBuf>,
) -> Result<()> {
    let inputs: Vec<(&Path, Identity)> = inputs.into_iter().filter_map(|path| input(path)).collect();
    for (index, output) in outputs.iter().enumerate() {
        let Some(identity) = Identity::of_output(output.path) else { continue };
        if let Some((name, _)) = inputs.iter().find(|(_, known)| *known == identity) {
            return Err(anyhow!("{output} would overwrite {}, which is read", name.display()));
        }
        let same = |earlier: &&Output<'_>| Identity::of_output(earlier.path).as_ref() == Some(&identity);
        if let Some(earlier) = outputs[..index].iter().find(same) {
            return Err(anyhow!("{earlier} and {output} are the same file"));
        }
    }
    Ok(())
}

/// The files that a configuration in `file` names, and that file.
pub(crate) fn files_of(file: &Path, config: &Config) -> Vec<PathBuf> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let rules = [&config.rules_v4, &config.sets, &config.rules_v6].into_iter().flatten();
    let components = config.helpers.iter().filter_map(|helper| helper.component.as_ref());
    let named = rules.chain(components).map(|named| folder.join(&named.value));
    named.chain([file.to_owned()]).collect()
}

impl fmt::Display for Output<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.option, self.path.display())
    }
}

/// Which file a name leads to.
#[derive(PartialEq, Eq)]
enum Identity {
    /// One that is there: its device and inode.
    There(u64, u64),
    /// One that would be made: the folder's device and inode, and the name in it.
    New(u64, u64, PathBuf),
}

impl Identity {
    /// Of a regular file.
    fn there(path: &Path) -> Option<Self> {
        let about = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        Some(Self::There(about.dev(), about.ino()))
    }

    /// Of a regular file, or one that would be made. None: of no such file; or opening it tells what is wrong with it.
    fn of_output(path: &Path) -> Option<Self> {
        if fs::metadata(path).is_ok() {
            return Self::there(path);
        }
        let mut path = path.to_owned();
        // A link to what is not there yet. Linux follows as many.
        for _ in 0..LINKS_MAX {
            let Ok(target) = fs::read_link(&path) else { break };
            path = folder_of(&path).join(target);
        }
        let folder = fs::metadata(folder_of(&path)).ok()?;
        Some(Self::New(folder.dev(), folder.ino(), path.file_name()?.into()))
    }
}

fn input(path: &Path) -> Option<(&Path, Identity)> {
    let (name, path) =
        if path == Path::new("-") { ("standard input".as_ref(), "/dev/stdin".as_ref()) } else { (path, path) };
    Some((name, Identity::there(path)?))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Symbolic links that a name may lead over.
const LINKS_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// What is said of writing `-w` and `--state-out` in a folder where `read` is read.
    fn told(write: &str, state: Option<&str>) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("sub")).unwrap();
        ["read", "other"].into_iter().for_each(|name| fs::write(at(name), name).unwrap());
        fs::hard_link(at("read"), at("hard")).unwrap();
        symlink("read", at("soft")).unwrap();
        symlink("../soft", at("sub/twice")).unwrap();
        symlink("new", at("dangling")).unwrap();
        symlink("circle", at("circle")).unwrap();
        let (read, write, state) = (at("read"), at(write), state.map(at));
        let options = outputs([("-w", Some(&write)), ("--state-out", state.as_ref())]);
        let error = overwrite_nothing(&options, [&read]).err()?;
        Some(error.to_string().replace(&format!("{}/", folder.path().display()), ""))
    }

    #[test]
    fn what_is_read_is_not_overwritten_by_whatever_name_it_is_called() {
        for name in ["read", "./read", "sub/../read", "hard", "soft", "sub/twice"] {
            assert_eq!(told(name, None), Some(format!("-w {name} would overwrite read, which is read")));
            assert_eq!(
                told("new", Some(name)),
                Some(format!("--state-out {name} would overwrite read, which is read"))
            );
        }
    }

    #[test]
    fn two_outputs_are_two_files() {
        for (write, state) in [("new", "new"), ("new", "sub/../new"), ("dangling", "new"), ("other", "./other")] {
            assert_eq!(told(write, Some(state)), Some(format!("-w {write} and --state-out {state} are the same file")));
        }
        assert_eq!(told("new", Some("sub/new")), None);
    }

    #[test]
    fn other_files_and_what_is_no_file_are_written() {
        for name in ["new", "other", "sub", "none/new", "circle", "/dev/null", "/dev/full"] {
            assert_eq!(told(name, None), None, "{name}");
        }
        assert_eq!(told("/dev/null", Some("/dev/null")), None);
    }
}
