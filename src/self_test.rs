//! A model that tests itself: rows in the blob with the exact outputs that they must give.

use crate::blob::{Blob, section};
use crate::bytes::InPlace;
use crate::dynamic::RunError;
use crate::error::LoadError;
use crate::input::InputStage;
use crate::model::Model;
use crate::number::Element;
use crate::tower::Towers;
use crate::trunk::Trunk;
use core::fmt;
use zerocopy::FromZeros;

/// What a self-test found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum SelfTestError {
    /// The blob is not accepted.
    Load(LoadError),
    /// The blob has no self-test rows: `mmoe convert --self-test 4` stores some.
    Missing,
    /// The self-test section does not hold rows of this model.
    Section,
    /// A buffer that [`Dynamic::self_test`](crate::Dynamic::self_test) was given does not fit the
    /// model.
    Run(RunError),
    /// An output is not what it must be: the program, the memory or the core is at fault.
    Row {
        /// Which row, from 0.
        row: u32,
        /// Which number of its outputs, from 0.
        output: u32,
        /// Its stored bits.
        expected: u32,
        /// Its bits now.
        found: u32,
    },
}

impl From<LoadError> for SelfTestError {
    fn from(e: LoadError) -> Self {
        Self::Load(e)
    }
}

impl From<RunError> for SelfTestError {
    fn from(e: RunError) -> Self {
        Self::Run(e)
    }
}

impl fmt::Display for SelfTestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Load(e) => e.fmt(f),
            Self::Run(e) => e.fmt(f),
            Self::Missing => {
                f.write_str("the blob has no self-test rows: convert with `--self-test 4`")
            }
            Self::Section => f.write_str("the self-test section does not hold rows of this model"),
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
        }
    }
}

impl core::error::Error for SelfTestError {}

/// The rows that a blob stores, and the comparison of outputs with their words.
///
/// The section: a byte with the number of rows, then for each row its inputs (f32, or int16 in
/// integer models) and the bits of its outputs (32 bits each), little-endian.
pub(crate) struct Rows<'a> {
    bytes: &'a [u8],
    count: u32,
    /// The number of rows begun.
    begun: u32,
    output: u32,
    error: Option<SelfTestError>,
}

impl<'a> Rows<'a> {
    /// The rows of a blob.
    pub(crate) fn open(blob: &Blob<'a>) -> Result<Self, SelfTestError> {
        let section = blob.section(section::SELF_TEST);
        let (count, bytes) = section
            .ok_or(SelfTestError::Missing)?
            .split_first()
            .ok_or(SelfTestError::Section)?;
        Ok(Self {
            bytes,
            count: u32::from(*count),
            begun: 0,
            output: 0,
            error: None,
        })
    }

    /// Begins the next row; `false` after the last.
    pub(crate) fn next(&mut self) -> bool {
        let more = self.begun < self.count;
        self.begun = self.begun.wrapping_add(1);
        self.output = 0;
        more
    }

    /// Reads the row's inputs.
    pub(crate) fn inputs<A: Element>(&mut self, x: &mut [A]) -> Result<(), SelfTestError> {
        for x in x {
            let (v, rest) = A::read(self.bytes).ok_or(SelfTestError::Section)?;
            *x = v;
            self.bytes = rest;
        }
        Ok(())
    }

    /// Compares the row's next output. The first difference sticks, so that an output can be
    /// compared where no error can be returned.
    pub(crate) fn word(&mut self, found: u32) {
        let Some((word, rest)) = self.bytes.split_first_chunk() else {
            self.error = self.error.or(Some(SelfTestError::Section));
            return;
        };
        self.bytes = rest;
        let expected = u32::from_le_bytes(*word);
        if expected != found && self.error.is_none() {
            self.error = Some(SelfTestError::Row {
                row: self.begun.wrapping_sub(1),
                output: self.output,
                expected,
                found,
            });
        }
        self.output = self.output.wrapping_add(1);
    }

    /// The first difference, if there was one.
    pub(crate) fn check(&self) -> Result<(), SelfTestError> {
        self.error.map_or(Ok(()), Err)
    }

    /// The number of rows.
    pub(crate) const fn count(&self) -> u32 {
        self.count
    }
}

impl<S, L, T, A: Element, const I: usize> Model<S, L, T>
where
    Self: InPlace,
    S: InputStage<Out = [A; I]>,
    L: Trunk<Act = A, In = [A; I]>,
    T: Towers<Act = A, In = L::Stream, Count = L::Count>,
{
    /// Runs the rows that `mmoe convert --self-test N` stored in the model's blob; every output
    /// must have its stored bits. Returns the number of rows.
    ///
    /// # Errors
    ///
    /// [`SelfTestError`], with the row and the output that differ.
    pub fn self_test(&self, blob: &Blob<'_>) -> Result<u32, SelfTestError> {
        let mut rows = Rows::open(blob)?;
        let mut x = <[A; I]>::new_zeroed();
        while rows.next() {
            rows.inputs(&mut x)?;
            T::words(&self.predict_q(&x), &mut |word| rows.word(word));
            rows.check()?;
        }
        Ok(rows.count())
    }
}
