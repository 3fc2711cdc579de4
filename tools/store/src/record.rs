//! The record of a bank: that its file is complete, and which of two banks is the newer one.
//!
//! A bank begins with four places for its record. The first is written by the switch; copies follow,
//! one each time that the store is opened, so that a record whose writing was cut is not relied on
//! alone. Each place is written once after it was erased.

use crate::{Bank, FlashError, OVERHEAD};
use mmoe::blob::crc32;

/// The first four bytes of a record, as a little-endian number.
const MAGIC: u32 = u32::from_le_bytes(*b"MMRC");
/// Bytes of a place: a multiple of every size that flash is written in.
pub(crate) const PLACE: u32 = 64;
/// Places of a bank.
pub(crate) const PLACES: u32 = 4;
/// What erased flash reads as.
pub(crate) const ERASED: u8 = 0xff;

/// What a bank says of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Counts switches.
    pub(crate) sequence: u32,
    /// Bytes of the file, its trailer included.
    pub(crate) length: u32,
    /// The highest version of a model that was ever installed.
    pub(crate) highest: u32,
}

impl Record {
    /// Finds the first valid record of a bank.
    pub(crate) fn find(bank: &[u8]) -> Option<Self> {
        let (places, _) = bank.as_chunks::<{ PLACE as usize }>();
        places
            .iter()
            .take(PLACES as usize)
            .find_map(|place| Self::read(place))
    }

    fn read(place: &[u8]) -> Option<Self> {
        let (&[magic, sequence, length, highest, sum], _) =
            place.as_chunks::<4>().0.split_first_chunk()?;
        let found = Self {
            sequence: u32::from_le_bytes(sequence),
            length: u32::from_le_bytes(length),
            highest: u32::from_le_bytes(highest),
        };
        let known = u32::from_le_bytes(magic) == MAGIC && u32::from_le_bytes(sum) == found.sum();
        known.then_some(found)
    }

    fn words(&self) -> [[u8; 4]; 4] {
        [MAGIC, self.sequence, self.length, self.highest].map(u32::to_le_bytes)
    }

    fn sum(&self) -> u32 {
        crc32(self.words().as_flattened())
    }

    /// Returns whether this record was written after `other`. Counts go round.
    pub(crate) fn is_newer_than(&self, other: &Self) -> bool {
        (1..1 << 31).contains(&self.sequence.wrapping_sub(other.sequence))
    }

    /// Writes the record into the first place that reads as erased, if there is one, and reads it back.
    /// Where that fails a copy may go to the next place, and the failure is told all the same: a place
    /// whose writing was cut may read as erased and still not take another word.
    pub(crate) fn write<B: Bank>(
        &self,
        bank: &mut B,
        copy: bool,
    ) -> Result<(), FlashError<B::Error>> {
        const {
            assert!(
                B::WRITE_SIZE > 0 && (PLACE as usize).is_multiple_of(B::WRITE_SIZE),
                "a write size that divides 64"
            );
        }
        let mut bytes = [ERASED; PLACE as usize];
        let sum = self.sum().to_le_bytes();
        let record = self.words().into_iter().chain([sum]).flatten();
        bytes.iter_mut().zip(record).for_each(|(to, b)| *to = b);
        // As few words of flash as the record needs.
        let used = const { 20usize.next_multiple_of(B::WRITE_SIZE) };
        let bytes = bytes.get(..used).unwrap_or_default();
        let mut told = Ok(());
        for offset in (0..OVERHEAD).step_by(PLACE as usize) {
            let place = bank.bytes().get(offset as usize..).unwrap_or_default();
            if !place.iter().take(PLACE as usize).all(|b| *b == ERASED) {
                continue;
            }
            let done = write(bank, offset, bytes);
            let stop = done.is_ok() || !copy;
            told = told.and(done);
            if stop {
                break;
            }
        }
        told
    }
}

/// Writes to a bank, and reads back what was written.
pub(crate) fn write<B: Bank>(
    bank: &mut B,
    offset: u32,
    bytes: &[u8],
) -> Result<(), FlashError<B::Error>> {
    bank.write(offset, bytes).map_err(FlashError::Driver)?;
    let read = bank.bytes().get(offset as usize..).unwrap_or_default();
    if read.get(..bytes.len()) == Some(bytes) {
        Ok(())
    } else {
        Err(FlashError::Written { offset })
    }
}
