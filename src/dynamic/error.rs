//! What a prediction of the shape-erased view can be given wrongly.

use core::fmt;

/// Error of a [`Dynamic`](crate::Dynamic) prediction: an argument does not fit the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum RunError {
    /// Not as many features as the model takes.
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
        /// Room given.
        found: u32,
    },
    /// The scratch is too short.
    Scratch {
        /// Words needed.
        expected: u32,
        /// Words given.
        found: u32,
    },
    /// There is no such expert or gate, or it does not read the input.
    Node,
    /// Integers given to a float model, or the other way round.
    Element,
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
                write!(f, "room for {found} outputs, the model gives {expected}")
            }
            Self::Scratch { expected, found } => {
                write!(f, "{found} words of scratch given, {expected} needed")
            }
            Self::Node => f.write_str("no such expert or gate, or it does not read the input"),
            Self::Element => f.write_str("a float model takes f32, an integer model int16"),
        }
    }
}

impl core::error::Error for RunError {}
