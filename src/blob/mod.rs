//! The blob: preamble, checksum, one postcard message whose records are used in place.
//! `docs/format.md` describes it.

mod check;
mod crc32;
mod record;

pub(crate) use check::compare;
pub use check::{Check, NodeInfo};
pub use crc32::crc32;
pub use record::{
    InputRecord, LayerRecord, NodeRecord, TaskRecord, activation, input, kind, op, output, packing,
    precision, section,
};

use crate::LoadError;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// The first four bytes of every blob, as a little-endian number.
pub const MAGIC: u32 = u32::from_le_bytes(*b"MMOE");
/// The version of the format that this crate reads.
pub const VERSION: u16 = 1;
/// Bytes before the postcard message: magic, version, total length, checksum.
pub const PREAMBLE: usize = 14;
/// The weights start at a multiple of this many bytes from the start of the blob.
pub const WEIGHTS_ALIGN: usize = 64;
/// A gate sees at most this many experts.
pub const MAX_SEEN: usize = 32;
/// A model has at most this many tasks.
pub const MAX_TASKS: usize = 32;

/// A header that does not parse.
pub(crate) struct Malformed;

impl From<Malformed> for LoadError {
    fn from(_: Malformed) -> Self {
        Self::Header
    }
}

/// Steps over a postcard message without copying.
#[derive(Clone, Copy, Debug)]
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    #[inline(never)]
    fn varint(&mut self) -> Result<u32, Malformed> {
        let (v, rest) = postcard::take_from_bytes::<u32>(self.rest).map_err(|_| Malformed)?;
        self.rest = rest;
        Ok(v)
    }

    #[inline(never)]
    fn take(&mut self, n: usize) -> Result<&'a [u8], Malformed> {
        let (a, b) = self.rest.split_at_checked(n).ok_or(Malformed)?;
        self.rest = b;
        Ok(a)
    }

    #[inline(never)]
    fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let (v, rest) = postcard::take_from_bytes::<&[u8]>(self.rest).map_err(|_| Malformed)?;
        self.rest = rest;
        Ok(v)
    }

    /// A count and then that many records, in place.
    #[inline(always)]
    fn records<T: FromBytes + Immutable + KnownLayout + Unaligned>(
        &mut self,
    ) -> Result<&'a [T], Malformed> {
        let n = self.varint()?;
        if n > 0xffff {
            return Err(Malformed);
        }
        let bytes = self.take(n as usize * size_of::<T>())?;
        <[T]>::ref_from_bytes(bytes).map_err(|_| Malformed)
    }

    /// Steps over a list of strings; gives its length.
    #[inline(never)]
    fn skip_names(&mut self) -> Result<u32, Malformed> {
        let count = self.varint()?;
        for _ in 0..count {
            self.bytes()?;
        }
        Ok(count)
    }
}

/// A list of names in the header, as bytes (nobody checked that they are text: [`str::from_utf8`]
/// does).
#[derive(Clone, Debug)]
pub struct Names<'a> {
    count: u32,
    rest: Reader<'a>,
}

impl<'a> Iterator for Names<'a> {
    type Item = &'a [u8];
    fn next(&mut self) -> Option<&'a [u8]> {
        self.count = self.count.checked_sub(1)?;
        self.rest.bytes().ok()
    }
}

/// Who a model is, for logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id<'a> {
    /// The model's name; empty where none was given.
    pub name: &'a str,
    /// The model's version; 0 where none was given.
    pub version: u32,
    /// The blob's checksum: tells two trainings of one model apart.
    pub checksum: u32,
}

/// A blob whose checksum holds and whose header parses. Nothing is copied.
///
/// This says nothing yet about the records' values: a typed model compares them with its type,
/// [`Dynamic`](crate::Dynamic) checks them.
#[derive(Clone, Copy, Debug)]
pub struct Blob<'a> {
    /// The inputs.
    pub inputs: &'a [InputRecord],
    /// The wiring, in the order of the weights.
    pub nodes: &'a [NodeRecord],
    /// All layers, in the order of the weights.
    pub layers: &'a [LayerRecord],
    /// The outputs.
    pub tasks: &'a [TaskRecord],
    /// The input stage's parameters and then every layer's weights, in the order of the nodes.
    pub weights: &'a [u8],
    /// From the task names on; walked again when one is asked for.
    tail: Reader<'a>,
    checksum: u32,
}

impl<'a> Blob<'a> {
    /// Checks magic, version, length and checksum, and finds the parts of the header. Bytes after
    /// the blob's total length are ignored.
    ///
    /// # Errors
    ///
    /// [`LoadError::Truncated`], [`Magic`](LoadError::Magic), [`Version`](LoadError::Version),
    /// [`Checksum`](LoadError::Checksum), [`Header`](LoadError::Header),
    /// [`Section`](LoadError::Section).
    #[inline(never)]
    pub fn open(file: &'a [u8]) -> Result<Self, LoadError> {
        let Some((preamble, rest)) = file.split_first_chunk::<PREAMBLE>() else {
            return Err(LoadError::Truncated {
                needed: PREAMBLE as u32,
                found: file.len() as u32,
            });
        };
        let [m0, m1, m2, m3, v0, v1, l0, l1, l2, l3, c0, c1, c2, c3] = *preamble;
        let magic = u32::from_le_bytes([m0, m1, m2, m3]);
        if magic != MAGIC {
            return Err(LoadError::Magic { found: magic });
        }
        let version = u16::from_le_bytes([v0, v1]);
        if version != VERSION {
            return Err(LoadError::Version {
                found: u32::from(version),
            });
        }
        let total = u32::from_le_bytes([l0, l1, l2, l3]);
        let Some(message) = (total as usize)
            .checked_sub(PREAMBLE)
            .and_then(|n| rest.get(..n))
        else {
            return Err(LoadError::Truncated {
                needed: total,
                found: file.len() as u32,
            });
        };
        let stored = u32::from_le_bytes([c0, c1, c2, c3]);
        let computed = crc32(message);
        if stored != computed {
            return Err(LoadError::Checksum { stored, computed });
        }
        Self::parse(message, stored)
    }

    #[inline(never)]
    fn parse(message: &'a [u8], checksum: u32) -> Result<Self, LoadError> {
        let mut r = Reader { rest: message };
        let inputs = r.records()?;
        let nodes = r.records()?;
        let layers = r.records()?;
        let tasks: &[TaskRecord] = r.records()?;
        let tail = r;
        let names = r.skip_names()?;
        r.skip_names()?;
        let sections = r.varint()?;
        for _ in 0..sections {
            let [tag, ..] = *r.take(1)? else {
                return Err(LoadError::Header);
            };
            r.bytes()?;
            if tag & 1 != 0 {
                return Err(LoadError::Section {
                    tag: u32::from(tag),
                });
            }
        }
        r.bytes()?;
        let weights = r.bytes()?;
        if !r.rest.is_empty() || names as usize != tasks.len() {
            return Err(LoadError::Header);
        }
        Ok(Self {
            inputs,
            nodes,
            layers,
            tasks,
            weights,
            tail,
            checksum,
        })
    }

    /// How many features the model takes; 0 where its inputs are of a kind that this reader does
    /// not know.
    #[must_use]
    pub fn input_count(&self) -> u32 {
        match self.inputs {
            [i] if i.kind == input::RAW && i.flags == 0 && i.reserved.get() == 0 => i.count.get(),
            _ => 0,
        }
    }

    /// The tasks' names, in order.
    #[must_use]
    pub fn task_names(&self) -> Names<'a> {
        let mut rest = self.tail;
        Names {
            count: rest.varint().unwrap_or(0),
            rest,
        }
    }

    /// The features' names, in order; empty where the blob stores none.
    #[must_use]
    pub fn feature_names(&self) -> Names<'a> {
        let mut rest = self.tail;
        let count = match rest.skip_names() {
            Ok(_) => rest.varint().unwrap_or(0),
            Err(Malformed) => 0,
        };
        Names { count, rest }
    }

    /// The contents of the first section with this [tag](section).
    #[must_use]
    pub fn section(&self, wanted: u8) -> Option<&'a [u8]> {
        let mut r = self.tail;
        r.skip_names().ok()?;
        r.skip_names().ok()?;
        for _ in 0..r.varint().ok()? {
            let tag = r.take(1).ok()?;
            let bytes = r.bytes().ok()?;
            if tag == [wanted] {
                return Some(bytes);
            }
        }
        None
    }

    /// Name, version and checksum.
    #[must_use]
    pub fn id(&self) -> Id<'a> {
        let (name, version) = self
            .section(section::IDENTITY)
            .and_then(|b| postcard::from_bytes(b).ok())
            .unwrap_or(("", 0));
        Id {
            name,
            version,
            checksum: self.checksum,
        }
    }
}
