//! Snapshots in files: for their owner alone, and whole or not there at all.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::Path,
};

use rustix::{
    fs::{Access, OFlags, access, fcntl_setfl},
    io::Errno,
};
use tempfile::NamedTempFile;

use crate::limits::CONTROL_STATE_BYTES_MAX;

/// Writes a snapshot to a file that only its owner may read (mode 0600). It takes the place of an older one at once, when all of
/// it is on the disk. What is no regular file (a pipe, a terminal, /dev/null) is written as it is.
///
/// # Errors
/// When the file's folder, or what is no regular file, cannot be written; a pipe cannot that nobody reads.
pub fn write(path: &Path, state: &[u8]) -> io::Result<()> {
    if is_special(path) {
        // A pipe that nobody reads is told of and not waited for.
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let mut file = File::options().write(true).custom_flags(flags).open(path)?;
        fcntl_setfl(&file, OFlags::empty())?;
        return file.write_all(state);
    }
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
/// When the file's folder, or what is no regular file, cannot be written.
pub fn check_writable(path: &Path) -> io::Result<()> {
    if is_special(path) {
        // Nobody can open it.
        if fs::metadata(path)?.file_type().is_socket() {
            return Err(Errno::NXIO.into());
        }
        // Not opened: a pipe without a reader would let nobody start.
        return Ok(access(path, Access::WRITE_OK)?);
    }
    NamedTempFile::new_in(folder_of(path)).map(drop)
}

/// Whether something is there that is neither a file nor a folder, and that no file must take the place of.
fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|about| !about.is_file() && !about.is_dir())
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
    use std::os::unix::fs::PermissionsExt;

    use rustix::fs::{FileType, Mode};

    use super::*;

    #[test]
    fn a_pipe_that_nobody_reads_is_told_of_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert_eq!(write(&path, b"state").unwrap_err().raw_os_error(), Some(Errno::NXIO.raw_os_error()));
    }

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

    #[test]
    fn no_file_takes_the_place_of_what_is_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        check_writable(&path).unwrap();
        // Open both ways, it is read when it has been written.
        let mut pipe = File::options().read(true).write(true).open(&path).unwrap();
        write(&path, b"state").unwrap();
        let mut came = [0; 5];
        pipe.read_exact(&mut came).unwrap();
        assert_eq!(&came, b"state");
        assert!(!fs::metadata(&path).unwrap().is_file());
    }
}
