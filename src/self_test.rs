//! A model that tests itself: rows in the blob with the exact outputs that they must give.

use crate::blob::{Blob, section};
use crate::bytes::InPlace;
use crate::error::LoadError;
use crate::input::InputStage;
use crate::level::All;
use crate::math::Libm;
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

/// Compares outputs with stored words.
struct Compare<'a> {
    bytes: &'a [u8],
    row: u32,
    output: u32,
    error: Option<SelfTestError>,
}

impl Compare<'_> {
    fn word(&mut self, found: u32) {
        let Some((word, rest)) = self.bytes.split_first_chunk() else {
            self.error = self.error.or(Some(SelfTestError::Section));
            return;
        };
        self.bytes = rest;
        let expected = u32::from_le_bytes(*word);
        if expected != found && self.error.is_none() {
            self.error = Some(SelfTestError::Row {
                row: self.row,
                output: self.output,
                expected,
                found,
            });
        }
        self.output = self.output.wrapping_add(1);
    }
}

impl<S, L, T, A: Element, const I: usize> Model<S, L, T>
where
    Self: InPlace,
    S: InputStage<Out = [A; I]>,
    L: Trunk<Act = A, In = [A; I]>,
    T: Towers<Act = A, In = L::H, Count = L::Count>,
{
    /// Loads the blob and runs the rows that `mmoe convert --self-test N` stored in it; every
    /// output must have its stored bits. Gives the number of rows.
    ///
    /// The section: a byte with the number of rows, then for each row its inputs (f32, or int16 in
    /// integer models) and the bits of its outputs (32 bits each), little-endian.
    ///
    /// # Errors
    ///
    /// [`SelfTestError`], with the row and the output that differ.
    pub fn self_test(blob: &[u8]) -> Result<u32, SelfTestError> {
        let model = Self::load(blob)?;
        let Some(bytes) = Blob::open(blob)?.section(section::SELF_TEST) else {
            return Err(SelfTestError::Missing);
        };
        let Some((&rows, bytes)) = bytes.split_first() else {
            return Err(SelfTestError::Section);
        };
        let mut compare = Compare {
            bytes,
            row: 0,
            output: 0,
            error: None,
        };
        let mut x = <[A; I]>::new_zeroed();
        for row in 0..u32::from(rows) {
            compare.row = row;
            compare.output = 0;
            for x in &mut x {
                let Some((v, rest)) = A::read(compare.bytes) else {
                    return Err(SelfTestError::Section);
                };
                *x = v;
                compare.bytes = rest;
            }
            let mut raw = T::Out::new_zeroed();
            model.run::<Libm, All>(&x, u32::MAX, All, &mut L::Gates::new_zeroed(), &mut raw);
            T::words(&raw, &mut |word| compare.word(word));
            if let Some(error) = compare.error {
                return Err(error);
            }
        }
        Ok(u32::from(rows))
    }
}
