//! What a file in a bank must be before it may be live.

use crate::{OVERHEAD, Policy, Refused, signature, trailer};
use mmoe::blob::{PREAMBLE, Preamble};
use mmoe::{Blob, LoadError, SelfTestError};

/// Checks a bank's file, and returns the version of its model. Everything but whether that version is
/// one that an update may have.
pub(crate) fn check(bank: &[u8], length: u32, policy: &Policy) -> Result<u32, Refused> {
    let found = length;
    let file = file(bank, length).ok_or(Refused::Length { expected: 0, found })?;
    let Some(preamble) = file.first_chunk::<PREAMBLE>() else {
        return Err(Refused::Blob(LoadError::Truncated {
            needed: PREAMBLE as u32,
            found,
        }));
    };
    let total = Preamble::read(preamble).map_err(Refused::Blob)?.total;
    let expected = total.saturating_add(trailer::LENGTH as u32);
    if total == found {
        return Err(Refused::Unsigned);
    }
    if expected != found {
        return Err(Refused::Length { expected, found });
    }
    let opened = Blob::open(file).map_err(Refused::Blob)?;
    let (Some(rest), Some(message)) = (
        file.get(total as usize..),
        file.get(..(total as usize).saturating_add(trailer::HEAD)),
    ) else {
        return Err(Refused::Unsigned);
    };
    let signed = trailer::signature(rest, &policy.key)?;
    if !signature::holds(&policy.key, message, signed) {
        return Err(Refused::Signature);
    }
    let found = opened.id().version;
    if found < policy.minimum {
        return Err(Refused::Downgrade {
            lowest: policy.minimum,
            found,
        });
    }
    match (policy.accept)(&opened) {
        Ok(_) => Ok(found),
        Err(SelfTestError::Load(error)) => Err(Refused::Type(error)),
        Err(error) => Err(Refused::SelfTest(error)),
    }
}

/// The bytes of a bank's file.
fn file(bank: &[u8], length: u32) -> Option<&[u8]> {
    bank.get(OVERHEAD as usize..)?.get(..length as usize)
}

/// The bytes of a bank's blob, without its trailer.
pub(crate) fn blob(bank: &[u8], length: u32) -> Option<&[u8]> {
    file(bank, length.checked_sub(trailer::LENGTH as u32)?)
}
