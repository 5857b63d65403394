//! Starts the program.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

/// What the program has said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// Standard output, of a program that was content.
    pub(crate) fn fine(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{}", self.out);
        self.out
    }

    /// Standard error of a program that was asked something wrong: one line.
    pub(crate) fn wrong(self) -> String {
        assert_eq!(self.code, Some(2), "{}{}", self.out, self.err);
        assert_eq!(self.err.lines().count(), 1, "{}", self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self.err.trim_end().to_owned()
    }

    /// Standard output as JSON, an object a line.
    pub(crate) fn json(self) -> Vec<serde_json::Value> {
        self.fine().lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }
}

/// A folder with files, in which the program is started.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        for (name, text) in files {
            fs::write(folder.path().join(name), text).expect("a file can be written");
        }
        Self(folder)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs `towpath` with words separated by blanks; `@name` stands for a capture of this repository.
    pub(crate) fn towpath(&self, words: &str) -> Said {
        self.fed(words, Stdio::null())
    }

    /// The same, with a capture of this repository on standard input.
    pub(crate) fn towpath_from(&self, capture: &str, words: &str) -> Said {
        self.fed(words, File::open(captures().join(capture)).expect(capture).into())
    }

    fn fed(&self, words: &str, input: Stdio) -> Said {
        let words = words.split_whitespace().map(|word| match word.strip_prefix('@') {
            Some(capture) => captures().join(capture).into_os_string(),
            None => word.into(),
        });
        let output = Command::new(env!("CARGO_BIN_EXE_towpath"))
            .args(words)
            .current_dir(self.0.path())
            .stdin(input)
            .output()
            .expect("the program can be started");
        let text = |bytes| String::from_utf8(bytes).expect("the program writes UTF-8");
        Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// Runs `towpath` where there are no files.
pub(crate) fn towpath(words: &str) -> Said {
    Place::new(&[]).towpath(words)
}

pub(crate) fn captures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../captures")
}

/// The router at which the two-sided captures were taken, and rules for it.
pub(crate) fn router(rules: &str) -> Place {
    let config = fs::read_to_string(captures().join("rules/router.toml")).expect("the router");
    Place::new(&[("gateway.toml", &format!("{config}\n[rules]\nv4 = 'rules.v4'\n")), ("rules.v4", rules)])
}

/// Lets out what begins inside, and answers.
pub(crate) const MASQUERADE: &str = "*nat
-A POSTROUTING -o outside -j MASQUERADE
COMMIT
*filter
:FORWARD DROP [0:0]
-A FORWARD -m conntrack --ctstate INVALID -j DROP
-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A FORWARD -i inside -p tcp -m tcp --dport 21 -j ACCEPT
-A FORWARD -i inside -p icmp -j ACCEPT
COMMIT
";
