//! Receiving a model into the bank that is not live.

use crate::check::check;
use crate::record::{ERASED, PLACE, Record, write};
use crate::{Bank, FlashError, OVERHEAD, Policy, Refused, UpdateError};

/// Receives models into the bank that is not live.
#[derive(Debug)]
pub struct Update<'s, B> {
    spare: &'s mut B,
    policy: &'s Policy,
    /// The count of the next switch.
    sequence: u32,
    /// The lowest version that may be installed.
    lowest: u32,
    /// The live model's version.
    live: Option<u32>,
    switched: bool,
}

/// A model that was installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Accepted {
    /// Its version.
    pub version: u32,
}

impl<'s, B: Bank> Update<'s, B> {
    pub(crate) fn new(
        spare: &'s mut B,
        policy: &'s Policy,
        sequence: u32,
        lowest: u32,
        live: Option<u32>,
    ) -> Self {
        Self {
            spare,
            policy,
            sequence,
            lowest,
            live,
            switched: false,
        }
    }

    /// Returns how long a file may be: what a bank holds beside its records.
    pub fn room(&self) -> u32 {
        u32::try_from(self.spare.bytes().len())
            .unwrap_or(u32::MAX)
            .saturating_sub(OVERHEAD)
    }

    /// Erases as much of the bank as a file of `length` bytes needs, trailer included. What an earlier
    /// update left there is gone then.
    ///
    /// # Errors
    ///
    /// [`UpdateError::Room`] before anything is erased; [`UpdateError::Switched`] where an update was
    /// finished and the store not opened since; [`UpdateError::Flash`].
    pub fn begin(&mut self, length: u32) -> Result<Incoming<'_, B>, UpdateError<B::Error>> {
        const { assert!(B::ERASE_SIZE > 0, "an erase block has bytes") };
        if self.switched {
            return Err(UpdateError::Switched);
        }
        let room = self.room();
        if length > room {
            return Err(UpdateError::Room { length, room });
        }
        let end = OVERHEAD.saturating_add(length);
        let mut from = 0;
        // The block with the records goes first: what is erased in part is no one's model any more.
        while from < end {
            let to = u32::saturating_add(from, B::ERASE_SIZE as u32);
            self.spare.erase(from, to).map_err(FlashError::Driver)?;
            let block = self.spare.bytes().get(from as usize..to as usize);
            if !block.is_some_and(|block| block.iter().all(|b| *b == ERASED)) {
                return Err(FlashError::Erased { offset: from }.into());
            }
            from = to;
        }
        Ok(Incoming {
            spare: self.spare,
            policy: self.policy,
            switched: &mut self.switched,
            record: Record {
                sequence: self.sequence,
                length,
                highest: self.lowest,
            },
            live: self.live,
            written: 0,
            pending: [ERASED; PLACE as usize],
            fill: 0,
            broken: false,
        })
    }
}

/// A file that is being received. Dropping it gives the update up, and changes nothing.
#[derive(Debug)]
pub struct Incoming<'u, B> {
    spare: &'u mut B,
    policy: &'u Policy,
    switched: &'u mut bool,
    /// What the record will say.
    record: Record,
    live: Option<u32>,
    /// Bytes of the file that are in flash.
    written: u32,
    /// Bytes that are not yet, since flash is written in larger steps than a file may come in.
    pending: [u8; PLACE as usize],
    fill: usize,
    broken: bool,
}

impl<B: Bank> Incoming<'_, B> {
    /// Takes the next bytes of the file, as many as there are.
    ///
    /// # Errors
    ///
    /// [`UpdateError::Excess`], [`UpdateError::Flash`]. After an error nothing more is taken: begin
    /// again.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), UpdateError<B::Error>> {
        let left = (self.record.length - self.written) as usize - self.fill;
        if self.broken || piece.len() > left {
            self.broken = true;
            return Err(UpdateError::Excess);
        }
        for byte in piece {
            if let Some(place) = self.pending.get_mut(self.fill) {
                *place = *byte;
                self.fill += 1;
            }
            if self.fill == self.pending.len() {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Writes what is pending, filled up with what erased flash reads as.
    fn flush(&mut self) -> Result<(), FlashError<B::Error>> {
        let offset = OVERHEAD + self.written;
        // Broken unless it goes well: no word of flash is ever written twice.
        self.broken = true;
        let used = self.fill.next_multiple_of(const { B::WRITE_SIZE });
        let bytes = self.pending.get(..used).unwrap_or_default();
        write(self.spare, offset, bytes)?;
        self.broken = false;
        self.written += self.fill as u32;
        self.fill = 0;
        self.pending = [ERASED; PLACE as usize];
        Ok(())
    }

    /// Checks all that was received, where it lies, and makes it the live model by one write. It is
    /// live when the store is opened again.
    ///
    /// # Errors
    ///
    /// [`UpdateError::Refused`], [`UpdateError::Flash`], [`UpdateError::Excess`] after an earlier
    /// error. The live model stays; after an error of flash in the last write, the new one may be live
    /// when the store is opened again, and has then passed every check.
    pub fn finish(mut self) -> Result<Accepted, UpdateError<B::Error>> {
        if self.broken {
            return Err(UpdateError::Excess);
        }
        if self.fill > 0 {
            self.flush()?;
        }
        let expected = self.record.length;
        if self.written != expected {
            let found = self.written;
            return Err(Refused::Truncated { expected, found }.into());
        }
        let version = check(self.spare.bytes(), expected, self.policy)?;
        let lowest = self.record.highest;
        if version < lowest {
            let found = version;
            return Err(Refused::Downgrade { lowest, found }.into());
        }
        if self.live == Some(version) {
            return Err(Refused::Replay { version }.into());
        }
        self.record.highest = version;
        *self.switched = true;
        self.record.write(self.spare, false)?;
        Ok(Accepted { version })
    }
}
