//! Reads a postcard message in place, part by part, without copying.

use super::LoadError;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// A header that does not parse.
pub(super) struct Malformed;

impl From<Malformed> for LoadError {
    fn from(_: Malformed) -> Self {
        Self::Header
    }
}

/// What is left of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Reader<'a> {
    #[inline(never)]
    pub(super) fn varint(&mut self) -> Result<u32, Malformed> {
        let (v, rest) = postcard::take_from_bytes::<u32>(self.rest).map_err(|_| Malformed)?;
        self.rest = rest;
        Ok(v)
    }

    #[inline(never)]
    pub(super) fn take(&mut self, n: usize) -> Result<&'a [u8], Malformed> {
        let (a, b) = self.rest.split_at_checked(n).ok_or(Malformed)?;
        self.rest = b;
        Ok(a)
    }

    #[inline(never)]
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let (v, rest) = postcard::take_from_bytes::<&[u8]>(self.rest).map_err(|_| Malformed)?;
        self.rest = rest;
        Ok(v)
    }

    /// Reads a count and returns that many records, in place.
    #[inline(always)]
    pub(super) fn records<T: FromBytes + Immutable + KnownLayout + Unaligned>(
        &mut self,
    ) -> Result<&'a [T], Malformed> {
        let n = self.varint()?;
        if n > 0xffff {
            return Err(Malformed);
        }
        let bytes = self.take(n as usize * size_of::<T>())?;
        <[T]>::ref_from_bytes(bytes).map_err(|_| Malformed)
    }

    /// Skips a list of strings, and returns how many there were.
    #[inline(never)]
    pub(super) fn skip_names(&mut self) -> Result<u32, Malformed> {
        let count = self.varint()?;
        for _ in 0..count {
            self.bytes()?;
        }
        Ok(count)
    }
}

/// A list of names in the header, as bytes. Loading does not check that they are text, which
/// [`str::from_utf8`] does.
#[derive(Clone, Debug)]
pub struct Names<'a> {
    pub(super) count: u32,
    pub(super) rest: Reader<'a>,
}

impl<'a> Iterator for Names<'a> {
    type Item = &'a [u8];
    fn next(&mut self) -> Option<&'a [u8]> {
        self.count = self.count.checked_sub(1)?;
        self.rest.bytes().ok()
    }
}
