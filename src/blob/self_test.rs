//! The rows of a blob's self-test section: what they are, and how outputs are compared with them.

use super::{Blob, LoadError, SectionTag};
use core::fmt;

/// Why a self-test failed, or could not be run.
///
/// [`Row`](Self::Row) means that this device computes something else than the host did that wrote
/// the blob; do not use its predictions. All other cases mean that the rows could not be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum SelfTestError {
    /// The blob is not accepted. A function that opens, loads and tests a blob can so return this one
    /// error with `?`.
    Load(LoadError),
    /// The blob has no self-test rows. `mmoe convert --self-test 4` stores some.
    Missing,
    /// The self-test section does not hold rows of this model.
    Section,
    /// The bits of an output are not the stored ones. The program, the memory or the core is at fault.
    Row {
        /// The number of the row, from 0.
        row: u32,
        /// The number of the output in the row, from 0.
        output: u32,
        /// The stored bits.
        expected: u32,
        /// The bits that this device computed.
        found: u32,
    },
    /// The scratch of a [`Dynamic`](crate::Dynamic) model is too short.
    Scratch {
        /// Words needed.
        expected: u32,
        /// Words given.
        found: u32,
    },
}

impl SelfTestError {
    /// Returns the stable number of this error; where the blob was not accepted, the number of that
    /// [`LoadError`].
    #[must_use]
    pub const fn code(&self) -> u16 {
        match self {
            Self::Load(e) => e.code(),
            Self::Missing => 0x40,
            Self::Section => 0x41,
            Self::Row { .. } => 0x42,
            Self::Scratch { .. } => 0x43,
        }
    }
}

impl From<LoadError> for SelfTestError {
    fn from(e: LoadError) -> Self {
        Self::Load(e)
    }
}

impl fmt::Display for SelfTestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Load(e) => e.fmt(f),
            Self::Missing => {
                f.write_str("the blob has no self-test rows: convert with `--self-test 4`")
            }
            Self::Section => f.write_str("the self-test section does not hold rows of this model"),
            Self::Row {
                row,
                output,
                expected,
                found,
            } if expected == found => {
                write!(
                    f,
                    "self-test row {row}, output {output}: stored is {found:#010x}, which is no \
                     number: the blob's rows were not made by `mmoe convert`"
                )
            }
            Self::Row {
                row,
                output,
                expected,
                found,
            } => {
                write!(
                    f,
                    "self-test row {row}, output {output}: {found:#010x}, must be \
                     {expected:#010x}: kernels, memory or core are at fault"
                )
            }
            Self::Scratch { expected, found } => {
                write!(f, "{found} words of scratch given, {expected} needed")
            }
        }
    }
}

impl core::error::Error for SelfTestError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Load(e) => Some(e),
            _ => None,
        }
    }
}

/// One row of a blob's self-test section: features, and the outputs that they must give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelfTestRow<'a> {
    /// The number of the row, from 0.
    pub row: u32,
    /// The activations of every feature, little-endian: f32, or int16 in integer models.
    pub activations: &'a [u8],
    /// The bits that every raw output must have, task after task, a little-endian word each.
    pub outputs: &'a [u8],
    /// Whether the outputs are f32, of which NaN and infinities pass no test, stored or not.
    pub floats: bool,
}

impl SelfTestRow<'_> {
    /// Compares the bits of all raw outputs with the stored ones.
    ///
    /// # Errors
    ///
    /// [`SelfTestError::Row`] for the first that differs; [`SelfTestError::Section`] where there
    /// are more or fewer.
    pub fn compare(&self, found: impl IntoIterator<Item = u32>) -> Result<(), SelfTestError> {
        let mut compare = Compare::new(self);
        found.into_iter().for_each(|word| compare.word(word));
        compare.finish()
    }
}

/// Compares outputs with stored words, one at a time.
#[derive(Debug)]
pub(crate) struct Compare<'a> {
    outputs: &'a [u8],
    floats: bool,
    row: u32,
    output: u32,
    error: Option<SelfTestError>,
}

impl<'a> Compare<'a> {
    pub(crate) fn new(row: &SelfTestRow<'a>) -> Self {
        Self {
            outputs: row.outputs,
            floats: row.floats,
            row: row.row,
            output: 0,
            error: None,
        }
    }

    pub(crate) fn word(&mut self, found: u32) {
        // More outputs than stored words: the section belongs to another model.
        let Some((word, rest)) = self.outputs.split_first_chunk() else {
            self.error = self.error.or(Some(SelfTestError::Section));
            return;
        };
        self.outputs = rest;
        let expected = u32::from_le_bytes(*word);
        let passes = expected == found && (!self.floats || f32::from_bits(found).is_finite());
        if !passes && self.error.is_none() {
            self.error = Some(SelfTestError::Row {
                row: self.row,
                output: self.output,
                expected,
                found,
            });
        }
        self.output = self.output.wrapping_add(1);
    }

    pub(crate) fn finish(self) -> Result<(), SelfTestError> {
        match self.error {
            Some(error) => Err(error),
            None if !self.outputs.is_empty() => Err(SelfTestError::Section),
            None => Ok(()),
        }
    }
}

/// The rows that `mmoe convert --self-test` stored: see [`Blob::self_test`].
#[derive(Clone, Debug)]
pub struct SelfTest<'a> {
    rows: u32,
    row: u32,
    /// Bytes of a row's activations, and of its outputs.
    activations: usize,
    outputs: usize,
    floats: bool,
    rest: &'a [u8],
}

impl<'a> SelfTest<'a> {
    /// Returns how many rows there are in all.
    #[must_use]
    pub const fn rows(&self) -> u32 {
        self.rows
    }
}

impl<'a> Iterator for SelfTest<'a> {
    type Item = SelfTestRow<'a>;

    fn next(&mut self) -> Option<SelfTestRow<'a>> {
        let (activations, rest) = self.rest.split_at_checked(self.activations)?;
        let (outputs, rest) = rest.split_at_checked(self.outputs)?;
        let row = self.row;
        if row >= self.rows {
            return None;
        }
        self.row = row.wrapping_add(1);
        self.rest = rest;
        Some(SelfTestRow {
            row,
            activations,
            outputs,
            floats: self.floats,
        })
    }
}

impl<'a> Blob<'a> {
    /// Returns the blob's self-test rows, for a test of your own. [`Model::self_test`](crate::Model::self_test) and
    /// [`Dynamic::self_test`](crate::Dynamic::self_test) run and compare them.
    ///
    /// # Errors
    ///
    /// [`SelfTestError::Missing`], and [`SelfTestError::Section`] where the section's length is not
    /// that of its rows.
    pub fn self_test(&self) -> Result<SelfTest<'a>, SelfTestError> {
        let section = self.section(SectionTag::SelfTest);
        let section = section.ok_or(SelfTestError::Missing)?;
        let (&rows, rest) = section.split_first().ok_or(SelfTestError::Section)?;
        let activation = if self.is_integer() { 2 } else { 4 };
        let activations = (self.input_count() as usize).saturating_mul(activation);
        let outputs = self.output_count().saturating_mul(4);
        let row = activations.saturating_add(outputs);
        // The length must be exact, so that the iterator needs no further checks.
        if row == 0 || row.checked_mul(rows as usize) != Some(rest.len()) {
            return Err(SelfTestError::Section);
        }
        Ok(SelfTest {
            rows: u32::from(rows),
            row: 0,
            activations,
            outputs,
            floats: !self.is_integer(),
            rest,
        })
    }
}
