//! Texts from files: all of it, within a bound, and in UTF-8.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// Reads a file's text, also from a pipe.
///
/// # Errors
/// When the file cannot be read, is longer than `bytes_max`, or is not UTF-8 text: then the first line that is not is named.
pub fn read(file: &Path, bytes_max: usize) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(file)?.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > bytes_max {
        return Err(io::Error::other(format!("the file is larger than such a file may be ({bytes_max} bytes)")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        io::Error::other(format!("line {line} is not UTF-8 text"))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_text_is_read_up_to_its_bound_and_its_first_bad_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("text");
        let told = |bytes: &[u8]| {
            fs::write(&file, bytes).unwrap();
            read(&file, 6).map_err(|error| error.to_string())
        };
        assert_eq!(told(b"\xc3\xa9\nabc"), Ok("é\nabc".to_owned()));
        assert_eq!(told(b"1234567"), Err("the file is larger than such a file may be (6 bytes)".to_owned()));
        assert_eq!(told(b"a\n\nb\xff\n"), Err("line 3 is not UTF-8 text".to_owned()));
    }

    #[test]
    fn a_file_without_end_is_read_no_further_than_the_bound() {
        assert!(read(Path::new("/dev/zero"), 1 << 20).is_err());
    }
}
