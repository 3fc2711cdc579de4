//! Errors of the predictions of a [`Dynamic`](crate::Dynamic) model.

use core::fmt;

/// Error of a [`Dynamic`](crate::Dynamic) prediction: an argument does not fit the model.
///
/// ```
/// use mmoe::{Dynamic, RunError};
/// # let file: &mmoe::Aligned<[u8]> = mmoe::include_blob!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/firmware/minimal/src/edge.mmoe"));
/// let model = Dynamic::load(file).unwrap(); // 64 features, 3 outputs
/// let mut scratch = vec![0; model.scratch_words()];
/// let error = model.predict(&[0.0; 63], &mut scratch, &mut [0.0; 3]).unwrap_err();
/// assert_eq!(error, RunError::Inputs { expected: 64, found: 63 });
/// assert_eq!(error.code(), 0x50);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum RunError {
    /// The slice of features has another length than the model takes.
    Inputs {
        /// Features of the model.
        expected: u32,
        /// Features given.
        found: u32,
    },
    /// The output slice is too short.
    Outputs {
        /// Outputs of the model.
        expected: u32,
        /// Length of the slice.
        found: u32,
    },
    /// The scratch is too short.
    Scratch {
        /// Words needed.
        expected: u32,
        /// Words given.
        found: u32,
    },
    /// There is no expert or gate of this number, or it does not read the input.
    Node,
    /// Integers were given to a float model, or an operation of float models was asked of an integer
    /// model.
    Element,
    /// A field of the record is of another kind than the model takes, or it is missing and the model
    /// does not know what that means.
    Value {
        /// Which field, from 0.
        field: u32,
    },
    /// The record has another number of fields than the model takes.
    Fields {
        /// Fields of the model; 0 where it takes plain numbers.
        expected: u32,
        /// Fields given.
        found: u32,
    },
    /// The model takes a record of fields, and plain numbers were given.
    Record,
}

impl RunError {
    /// The stable number of this error (see `docs/format.md`), for logs and for C.
    #[must_use]
    pub const fn code(&self) -> u16 {
        match self {
            Self::Inputs { .. } => 0x50,
            Self::Outputs { .. } => 0x51,
            Self::Scratch { .. } => 0x52,
            Self::Node => 0x53,
            Self::Element => 0x54,
            Self::Value { .. } => 0x55,
            Self::Fields { .. } => 0x56,
            Self::Record => 0x57,
        }
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Inputs { expected, found } => {
                write!(f, "{found} features given, the model takes {expected}")
            }
            Self::Outputs { expected, found } => {
                write!(f, "room for {found} outputs, the model has {expected}")
            }
            Self::Scratch { expected, found } => {
                write!(f, "{found} words of scratch given, {expected} needed")
            }
            Self::Node => f.write_str("no such expert or gate, or it does not read the input"),
            Self::Element => f.write_str("a float model takes f32, an integer model int16"),
            Self::Value { field } => write!(
                f,
                "field {field} is of another kind than the model takes, or may not be missing"
            ),
            Self::Fields { expected, found } => {
                write!(
                    f,
                    "a record of {found} fields given, the model takes {expected}"
                )
            }
            Self::Record => {
                f.write_str("the model takes a record of fields: call `predict_record`")
            }
        }
    }
}

impl core::error::Error for RunError {}
