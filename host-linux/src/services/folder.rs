//! A folder whose files are served.

use std::{
    fs::File,
    io,
    path::{Component, Path, PathBuf},
};

/// A folder, and what lies in it.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

/// A file that is served.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) file: File,
    pub(super) len: u64,
    pub(super) kind: &'static str,
}

impl Folder {
    /// A folder that can be read; links in its own path are followed once, now.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let path = path.canonicalize()?;
        std::fs::read_dir(&path)?;
        Ok(Self { path })
    }

    /// The file that the path of a request stands for; `None` when there is none, or it lies elsewhere. That of a folder is its
    /// `index.html`.
    pub(super) fn find(&self, asked: &str) -> Option<Found> {
        let asked = asked.split(['?', '#']).next()?;
        let decoded = decode(asked.strip_prefix('/')?)?;
        let relative = Path::new(&decoded);
        if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
            return None;
        }
        // What a link leads to must lie in the folder as well.
        let mut path = self.path.join(relative).canonicalize().ok()?;
        if path.is_dir() {
            path = path.join("index.html").canonicalize().ok()?;
        }
        let file = path.starts_with(&self.path).then(|| File::open(&path).ok())??;
        let about = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
        Some(Found { file, len: about.len(), kind: kind_of(&path) })
    }
}

/// The text that `%41` and the like stand for.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            let digits = std::str::from_utf8(&digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
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
        assert_eq!(found("/a%20b.txt"), Some((5, "text/plain; charset=utf-8")));
        assert_eq!(found("/sub/?x=1"), Some((3, "text/html; charset=utf-8")));
        for wrong in [
            "/",
            "/none",
            "/../secret",
            "/%2e%2e/secret",
            "/link",
            "/sub/../../secret",
            "a b.txt",
            "/%zz",
            "/%00",
            "//etc/passwd",
        ] {
            assert_eq!(found(wrong), None, "{wrong}");
        }
    }
}
