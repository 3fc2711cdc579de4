//! Why an update was refused, and what flash did wrong.

use core::fmt;
use mmoe::{LoadError, SelfTestError};

/// Why a file is no model for this device. The live model stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Refused {
    /// Fewer bytes were pushed than were announced.
    Truncated {
        /// Bytes announced.
        expected: u32,
        /// Bytes that came.
        found: u32,
    },
    /// The blob says another length than the file has; 0 where the file does not lie in its bank.
    Length {
        /// The blob's length and its trailer's.
        expected: u32,
        /// The file's.
        found: u32,
    },
    /// There is no blob, or it is damaged.
    Blob(LoadError),
    /// There is no signature behind the blob.
    Unsigned,
    /// The trailer is one that this version of the crate does not know.
    Trailer {
        /// The trailer's version.
        version: u16,
        /// The number of its algorithm.
        algorithm: u16,
    },
    /// The model is signed with another key than this product's.
    Key {
        /// The first bytes of that public key.
        found: [u8; 8],
    },
    /// The signature is not one of these bytes by this product's key.
    Signature,
    /// The model's version is below the lowest that may be installed.
    Downgrade {
        /// The lowest that may be.
        lowest: u32,
        /// The model's.
        found: u32,
    },
    /// The model has the version of the live one: it was installed before.
    Replay {
        /// Both versions.
        version: u32,
    },
    /// The blob is no model of the firmware's type.
    Type(LoadError),
    /// The model is of the firmware's type, but does not compute what it must, or cannot be tested.
    SelfTest(SelfTestError),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated { expected, found } => {
                write!(f, "the transfer is cut: {found} bytes came of {expected}")
            }
            Self::Length { expected, found } => write!(
                f,
                "the file has {found} bytes, and the blob and its trailer have {expected}"
            ),
            Self::Blob(error) => error.fmt(f),
            Self::Unsigned => {
                f.write_str("the model is not signed: sign it with `mmoe sign --key`")
            }
            Self::Trailer { version, algorithm } => write!(
                f,
                "the trailer has version {version} and algorithm {algorithm}, this reader knows \
                 version {} and algorithm {}",
                crate::trailer::VERSION,
                crate::trailer::ED25519
            ),
            Self::Key { found } => write!(
                f,
                "signed with another key, {:016x}…: this product does not take its models",
                u64::from_be_bytes(found)
            ),
            Self::Signature => {
                f.write_str("the signature does not hold: these are not the bytes that were signed")
            }
            Self::Downgrade { lowest, found } => write!(
                f,
                "version {found} is below {lowest}, the lowest that may be installed"
            ),
            Self::Replay { version } => write!(f, "version {version} is live already"),
            Self::Type(error) => write!(f, "no model of this firmware: {error}"),
            Self::SelfTest(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for Refused {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Blob(error) | Self::Type(error) => Some(error),
            Self::SelfTest(error) => Some(error),
            _ => None,
        }
    }
}

/// What flash did wrong. Flash that wears out or fails shows here first, and nothing is switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum FlashError<E> {
    /// The driver reports this.
    Driver(E),
    /// A block reads other than erased after it was erased, and the driver said nothing.
    Erased {
        /// Where the block starts in its bank.
        offset: u32,
    },
    /// Bytes read other than what was written there, and the driver said nothing.
    Written {
        /// Where they start in their bank.
        offset: u32,
    },
}

impl<E: fmt::Debug> fmt::Display for FlashError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Driver(error) => write!(f, "the flash driver reports {error:?}"),
            Self::Erased { offset } => write!(f, "flash at {offset:#x} does not erase: it is worn"),
            Self::Written { offset } => {
                write!(
                    f,
                    "flash at {offset:#x} does not keep what is written: it is worn"
                )
            }
        }
    }
}

impl<E: fmt::Debug> core::error::Error for FlashError<E> {}

/// Why an update did not go on. The live model stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum UpdateError<E> {
    /// The file is no model for this device.
    Refused(Refused),
    /// Flash failed.
    Flash(FlashError<E>),
    /// The file is longer than a bank.
    Room {
        /// Its length.
        length: u32,
        /// The most that there is room for.
        room: u32,
    },
    /// More bytes were pushed than were announced, or one more after an error.
    Excess,
    /// An update was finished already: open the store again, and what was received is live.
    Switched,
}

impl<E> From<FlashError<E>> for UpdateError<E> {
    fn from(error: FlashError<E>) -> Self {
        Self::Flash(error)
    }
}

impl<E> From<Refused> for UpdateError<E> {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl<E: fmt::Debug> fmt::Display for UpdateError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => refused.fmt(f),
            Self::Flash(error) => error.fmt(f),
            Self::Room { length, room } => {
                write!(f, "the file has {length} bytes, a bank has room for {room}")
            }
            Self::Excess => f.write_str("more bytes came than were announced, or after an error"),
            Self::Switched => f.write_str("an update was installed: open the store again"),
        }
    }
}

impl<E: fmt::Debug> core::error::Error for UpdateError<E> {}
