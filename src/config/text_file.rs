//! A small text file of settings.

use super::ConfigError;
use std::{
    fs::{self, File},
    io::{ErrorKind, Read},
    path::Path,
};

/// Longest file that is read, in bytes.
const MAX_BYTES: u64 = 256 * 1024;

/// The file's text without a byte-order mark; empty when there is no file.
pub(super) fn read(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |cause| ConfigError::unreadable(path, &cause);
    match fs::metadata(path) {
        // Opening a pipe would wait for a writer, and some devices never end.
        Ok(found) if !found.is_file() => return Err(ConfigError::about(path, "is no plain file")),
        Ok(_) => {}
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(String::new()),
        Err(cause) => return Err(unreadable(cause)),
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(ConfigError::about(path, format!("is longer than {MAX_BYTES} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|_| ConfigError::about(path, "is not UTF-8 text"))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_plain_text_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let read_bytes = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            read(&path).map_err(|error| error.message)
        };
        assert_eq!(read_bytes(b"\xef\xbb\xbfA=1"), Ok("A=1".to_owned()));
        assert_eq!(read_bytes(b"\xff\xfe"), Err("is not UTF-8 text".to_owned()));
        assert!(read_bytes(&[b'x'; 300_000]).unwrap_err().starts_with("is longer than"));
        assert_eq!(read(&dir.path().join("none")).unwrap(), "");
        for endless in [dir.path(), Path::new("/dev/zero")] {
            assert_eq!(read(endless).unwrap_err().message, "is no plain file");
        }
    }
}
