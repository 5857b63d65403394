//! A folder whose files are served.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use rustix::{
    fs::OFlags,
    process::{Resource, Rlimit, getrlimit, setrlimit},
};

use crate::limits::{CONVERSATIONS_MAX, FILES_KEPT};

/// A folder, and what lies in it.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Each file that is being served holds one, so that others have descriptors left.
    served: Arc<()>,
    served_max: usize,
}

/// A file that is served.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) file: Arc<File>,
    pub(super) len: u64,
    pub(super) kind: &'static str,
    _served: Arc<()>,
}

/// Why a file is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// There is none of that name, or it lies elsewhere, or is no file.
    NotThere,
    /// It may not be read.
    Forbidden,
    /// Too many are being served.
    TooMany,
    /// It cannot be read.
    Broken,
}

impl Missing {
    /// What HTTP calls it.
    pub(super) const fn status(self) -> &'static str {
        match self {
            Self::NotThere => "404 Not Found",
            Self::Forbidden => "403 Forbidden",
            Self::TooMany => "503 Service Unavailable",
            Self::Broken => "500 Internal Server Error",
        }
    }
}

impl From<io::Error> for Missing {
    fn from(error: io::Error) -> Self {
        use rustix::io::Errno;
        match Errno::from_io_error(&error) {
            Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG | Errno::NXIO) => Self::NotThere,
            Some(Errno::ACCESS | Errno::PERM) => Self::Forbidden,
            Some(Errno::MFILE | Errno::NFILE) => Self::TooMany,
            Some(_) | None => Self::Broken,
        }
    }
}

impl Folder {
    /// A folder that can be read; links in its own path are followed once, now. As many files of it are served at once as this
    /// process may open besides its others.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let path = path.canonicalize()?;
        std::fs::read_dir(&path)?;
        Ok(Self { path, served: Arc::default(), served_max: files_to_serve() })
    }

    /// The file that the path of a request stands for. That of a folder is its `index.html`.
    ///
    /// # Errors
    /// With the reason why it is not served.
    pub(super) fn find(&self, asked: &str) -> Result<Found, Missing> {
        let relative = relative(asked).ok_or(Missing::NotThere)?;
        // What a link leads to must lie in the folder as well.
        let mut path = self.path.join(relative).canonicalize()?;
        if path.is_dir() {
            path = path.join("index.html").canonicalize()?;
        }
        if !path.starts_with(&self.path) {
            return Err(Missing::NotThere);
        }
        if Arc::strong_count(&self.served) > self.served_max {
            return Err(Missing::TooMany);
        }
        // To open a pipe would mean to wait for its other end.
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(&path)?;
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(Missing::NotThere);
        }
        Ok(Found { file: Arc::new(file), len: about.len(), kind: kind_of(&path), _served: Arc::clone(&self.served) })
    }
}

/// The path in a folder that the path of a request stands for; `None` when it does not stay there.
fn relative(asked: &str) -> Option<PathBuf> {
    let asked = asked.split(['?', '#']).next()?;
    let path = PathBuf::from(decode(asked.strip_prefix('/')?)?);
    path.components().all(|part| matches!(part, Component::Normal(_))).then_some(path)
}

/// How many files may be open to be served. This process is let have as many as there may be conversations, if the system
/// allows it.
fn files_to_serve() -> usize {
    let wanted = CONVERSATIONS_MAX as u64 + FILES_KEPT;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let allowed = maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let is_more = current.is_some_and(|current| current < allowed);
    if is_more && setrlimit(Resource::Nofile, Rlimit { current: Some(allowed), maximum }).is_ok() {
        return usize::try_from(allowed.saturating_sub(FILES_KEPT)).unwrap_or(CONVERSATIONS_MAX).max(1);
    }
    let current = current.unwrap_or(wanted).min(wanted);
    usize::try_from(current.saturating_sub(FILES_KEPT)).unwrap_or(CONVERSATIONS_MAX).max(1)
}

/// The text that `%41` and the like stand for.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let (high, low) = (digit()?, digit()?);
            bytes.push((high << 4 | low) as u8);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

fn kind_of(path: &Path) -> &'static str {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let known = KINDS.iter().find(|(known, _)| extension.eq_ignore_ascii_case(known));
    known.map_or("application/octet-stream", |(_, kind)| kind)
}

/// Media types by what names end in.
#[rustfmt::skip]
static KINDS: [(&str, &str); 12] = [
    ("html", "text/html; charset=utf-8"), ("htm", "text/html; charset=utf-8"), ("txt", "text/plain; charset=utf-8"),
    ("css", "text/css"), ("js", "text/javascript"), ("json", "application/json"), ("wasm", "application/wasm"),
    ("svg", "image/svg+xml"), ("png", "image/png"), ("jpg", "image/jpeg"), ("gif", "image/gif"), ("pdf", "application/pdf"),
];

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_lies_in_the_folder_is_found_and_nothing_else() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "x").unwrap();
        let root = outside.path().join("root");
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::write(root.join("a b.txt"), "hello").unwrap();
        fs::write(root.join("sub/index.html"), "<p>").unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret"), root.join("link")).unwrap();
        let folder = Folder::open(&root).unwrap();
        let found = |asked: &str| folder.find(asked).map(|found| (found.len, found.kind));
        assert_eq!(found("/a%20b.txt"), Ok((5, "text/plain; charset=utf-8")));
        assert_eq!(found("/sub/?x=1"), Ok((3, "text/html; charset=utf-8")));
        for wrong in [
            "/",
            "/none",
            "/../secret",
            "/%2e%2e/secret",
            "/link",
            "/sub/../../secret",
            "a b.txt",
            "/%zz",
            "/a%+20b.txt",
            "/a%2",
            "/%00",
            "//etc/passwd",
        ] {
            assert_eq!(found(wrong), Err(Missing::NotThere), "{wrong}");
        }
    }

    #[test]
    fn a_pipe_is_no_file_and_does_not_keep_anybody_waiting() {
        let root = tempfile::tempdir().unwrap();
        let made = std::process::Command::new("mkfifo").arg(root.path().join("pipe")).status().unwrap();
        assert!(made.success());
        let folder = Folder::open(root.path()).unwrap();
        let (told, heard) = std::sync::mpsc::channel();
        std::thread::spawn(move || told.send(folder.find("/pipe").err()));
        let found = heard.recv_timeout(std::time::Duration::from_secs(10));
        assert_eq!(found, Ok(Some(Missing::NotThere)), "it waits for a writer");
    }

    #[test]
    fn more_files_than_may_be_open_are_refused_until_one_is_closed() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("file"), "x").unwrap();
        let folder = Folder { served_max: 2, ..Folder::open(root.path()).unwrap() };
        let both = [folder.find("/file").unwrap(), folder.find("/file").unwrap()];
        assert_eq!(folder.find("/file").err(), Some(Missing::TooMany));
        drop(both);
        assert!(folder.find("/file").is_ok());
    }
}
