//! Snapshots in files: for their owner alone, and whole or not there at all.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::Path,
};

use tempfile::NamedTempFile;

use crate::limits::CONTROL_STATE_BYTES_MAX;

/// Writes a snapshot to a file that only its owner may read (mode 0600). It takes the place of an older one at once, when all of
/// it is on the disk.
///
/// # Errors
/// When the file's folder cannot be written.
pub fn write(path: &Path, state: &[u8]) -> io::Result<()> {
    let folder = folder_of(path);
    // Made with mode 0600.
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(state)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    // The name is safe when the folder is.
    File::open(folder)?.sync_all()
}

/// Whether a snapshot can be written to a file: a gateway finds that out when it starts, and not when it ends.
///
/// # Errors
/// When the file's folder cannot be written.
pub fn check_writable(path: &Path) -> io::Result<()> {
    NamedTempFile::new_in(folder_of(path)).map(drop)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// Reads a snapshot from a file.
///
/// # Errors
/// When the file cannot be read, or is longer than any snapshot.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut state = Vec::new();
    File::open(path)?.take(CONTROL_STATE_BYTES_MAX as u64 + 1).read_to_end(&mut state)?;
    if state.len() > CONTROL_STATE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is longer than any snapshot"));
    }
    Ok(state)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn a_snapshot_takes_the_place_of_an_older_one_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        fs::write(&path, b"old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
    }
}
