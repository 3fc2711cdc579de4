//! A file in memory that can be read only so often.

use std::sync::atomic::{AtomicU64, Ordering};

use hdf5_pure::{FormatError, Source};

/// How often a file may be read over. A real file is read twice at most, its headers for a listing
/// and for their content.
const OVER: u64 = 8;

/// What may be read beside that, so that tiny files read.
const SLACK: u64 = 256 * 1024;

/// The bytes of a file, and how many of them may still be read.
///
/// Many references in an HDF5 file may lead to one long string, each of them a copy of it in
/// memory. Metering the reads bounds such copies, and the time that they take.
#[derive(Debug)]
pub(super) struct Metered {
    bytes: Vec<u8>,
    left: AtomicU64,
}

impl Metered {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        let left = AtomicU64::new(bytes.len() as u64 * OVER + SLACK);
        Metered { bytes, left }
    }
}

impl Source for Metered {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), FormatError> {
        let wanted = buf.len() as u64;
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(wanted)
            })
            .map_err(|_| {
                FormatError::Source("too many references lead to the same data".to_owned())
            })?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(buf.len());
        let found = self
            .bytes
            .get(start..end)
            .ok_or(FormatError::UnexpectedEof {
                expected: end,
                available: self.bytes.len(),
            })?;
        buf.copy_from_slice(found);
        Ok(())
    }
}
