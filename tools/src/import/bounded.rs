//! Reading files whose bytes may have no end.

use std::fs::{self, File, FileType};
use std::io::{self, Read};
use std::path::Path;

use super::Reason;

/// The bytes of a file or pipe, at most `most` of them.
///
/// # Errors
///
/// When the file is a device, is longer than that, or cannot be read.
pub fn read_bounded(path: &Path, most: u64) -> Result<Vec<u8>, Reason> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() && !metadata.is_dir() && !is_pipe(metadata.file_type()) {
        return Err(Reason::NotAFile);
    }
    let too_long = |length| Err(Reason::TooLong { length, most });
    // What a pipe will give is not known before.
    if metadata.len() > most {
        return too_long(metadata.len());
    }
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(metadata.len() as usize)
        .map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    File::open(path)?
        .take(most.saturating_add(1))
        .read_to_end(&mut bytes)?;
    match bytes.len() as u64 {
        length if length > most => too_long(length),
        _ => Ok(bytes),
    }
}

#[cfg(unix)]
fn is_pipe(kind: FileType) -> bool {
    use std::os::unix::fs::FileTypeExt;
    kind.is_fifo() || kind.is_socket()
}

#[cfg(not(unix))]
fn is_pipe(_: FileType) -> bool {
    false
}
