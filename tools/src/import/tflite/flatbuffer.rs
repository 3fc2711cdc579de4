//! Reading FlatBuffers without trusting them.
//!
//! The `flatbuffers` crate needs generated code, which is unsafe and needs a compiler of schemas.
//! What TensorFlow Lite files need of the format is this much: tables whose fields are found
//! through a list of offsets, and vectors. Every access is checked, so there is nothing to verify
//! beforehand; what lies outside the file reads as missing.

/// A table: fields by number, each of which may be missing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A vector of elements of a fixed size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Vector<'a> {
    bytes: &'a [u8],
    first: usize,
    len: usize,
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    array(bytes, at).map(|b| u32::from_le_bytes(b) as usize)
}

/// Where an offset at `at` leads.
fn follow(bytes: &[u8], at: usize) -> Option<usize> {
    u32_at(bytes, at)?.checked_add(at)
}

impl<'a> Table<'a> {
    /// The table that a file begins with.
    pub(super) fn root(bytes: &'a [u8]) -> Option<Self> {
        Some(Self {
            bytes,
            at: follow(bytes, 0)?,
        })
    }

    /// Where a field stands.
    fn field(self, number: usize) -> Option<usize> {
        let back = i32::from_le_bytes(array(self.bytes, self.at)?);
        let offsets = i64::try_from(self.at).ok()? - i64::from(back);
        let offsets = usize::try_from(offsets).ok()?;
        let u16_at = |at: usize| array(self.bytes, at).map(|b| usize::from(u16::from_le_bytes(b)));
        let place = 4 + 2 * number;
        if place + 2 > u16_at(offsets)? {
            return None;
        }
        match u16_at(offsets.checked_add(place)?)? {
            0 => None,
            offset => self.at.checked_add(offset),
        }
    }

    pub(super) fn byte(self, number: usize) -> Option<i8> {
        array(self.bytes, self.field(number)?).map(i8::from_le_bytes)
    }

    pub(super) fn flag(self, number: usize) -> bool {
        self.byte(number).is_some_and(|b| b != 0)
    }

    pub(super) fn int(self, number: usize) -> Option<i32> {
        array(self.bytes, self.field(number)?).map(i32::from_le_bytes)
    }

    pub(super) fn long(self, number: usize) -> Option<u64> {
        array(self.bytes, self.field(number)?).map(u64::from_le_bytes)
    }

    pub(super) fn float(self, number: usize) -> Option<f32> {
        array(self.bytes, self.field(number)?).map(f32::from_le_bytes)
    }

    pub(super) fn table(self, number: usize) -> Option<Self> {
        let at = follow(self.bytes, self.field(number)?)?;
        Some(Self { at, ..self })
    }

    /// A vector; empty where it is missing.
    pub(super) fn vector(self, number: usize) -> Vector<'a> {
        let found = self.field(number).and_then(|field| {
            let at = follow(self.bytes, field)?;
            let (len, first) = (u32_at(self.bytes, at)?, at.checked_add(4)?);
            // An element takes a byte at least.
            (len <= self.bytes.len().checked_sub(first)?).then_some((first, len))
        });
        let (first, len) = found.unwrap_or((0, 0));
        Vector {
            bytes: self.bytes,
            first,
            len,
        }
    }

    pub(super) fn string(self, number: usize) -> String {
        String::from_utf8_lossy(self.vector(number).raw()).into_owned()
    }
}

impl<'a> Vector<'a> {
    pub(super) fn len(self) -> usize {
        self.len
    }

    /// The elements of a vector of bytes.
    pub(super) fn raw(self) -> &'a [u8] {
        self.bytes
            .get(self.first..self.first + self.len)
            .unwrap_or_default()
    }

    fn each<const N: usize>(self) -> impl Iterator<Item = [u8; N]> + use<'a, N> {
        let rest = self.bytes.get(self.first..).unwrap_or_default();
        rest.as_chunks::<N>().0.iter().copied().take(self.len)
    }

    pub(super) fn ints(self) -> impl Iterator<Item = i32> + use<'a> {
        self.each().map(i32::from_le_bytes)
    }

    pub(super) fn longs(self) -> impl Iterator<Item = i64> + use<'a> {
        self.each().map(i64::from_le_bytes)
    }

    pub(super) fn floats(self) -> impl Iterator<Item = f32> + use<'a> {
        self.each().map(f32::from_le_bytes)
    }

    pub(super) fn tables(self) -> impl Iterator<Item = Table<'a>> + use<'a> {
        let (bytes, first) = (self.bytes, self.first);
        (0..self.len).map_while(move |i| {
            let at = follow(bytes, i.checked_mul(4)?.checked_add(first)?)?;
            Some(Table { bytes, at })
        })
    }

    pub(super) fn table(self, index: usize) -> Option<Table<'a>> {
        if index >= self.len {
            return None;
        }
        let at = follow(self.bytes, index.checked_mul(4)?.checked_add(self.first)?)?;
        Some(Table {
            bytes: self.bytes,
            at,
        })
    }
}
