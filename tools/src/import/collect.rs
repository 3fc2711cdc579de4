//! Turning the elements of any file into f32 tensors, within a budget of memory.

use std::collections::BTreeMap;

use half::{bf16, f16};
use indexmap::IndexMap;

use super::{Module, Reason, Tensor, Weights, names, parametrized, pickle};
use crate::text::count;

/// A reader may allocate this many times the file's size: bytes become f32 (four times), and a
/// compressed file of real weights is at worst a few times smaller than what it holds.
const EXPANSION: usize = 16;

/// The same for rows of data, which are zeros mostly where they are one-hot.
const EXPANSION_OF_DATA: usize = 64;

/// What a reader may allocate beside that, so that tiny files of many zeros still read.
const SLACK: usize = 256 * 1024;

/// The same for rows of data: deflate shrinks rows that are all alike a thousandfold.
const SLACK_OF_DATA: usize = 64 * 1024 * 1024;

/// Ranks beyond this are made up. Messages and tables print shapes whole, so they must stay
/// printable.
const HIGHEST_RANK: usize = 64;

/// What is left of the memory that one file may take.
#[derive(Debug)]
pub(super) struct Budget {
    left: usize,
}

impl Budget {
    pub(super) fn new(file_len: usize) -> Self {
        Budget {
            left: file_len.saturating_mul(EXPANSION).saturating_add(SLACK),
        }
    }

    /// For rows of data.
    pub(super) fn for_data(file_len: usize) -> Self {
        Budget {
            left: file_len
                .saturating_mul(EXPANSION_OF_DATA)
                .saturating_add(SLACK_OF_DATA),
        }
    }

    /// Books `bytes` for `what` before they are allocated.
    pub(super) fn take(&mut self, bytes: u64, what: &str) -> Result<(), Reason> {
        match usize::try_from(bytes) {
            Ok(n) if n <= self.left => {
                self.left -= n;
                Ok(())
            }
            _ => Err(Reason::TooLarge {
                what: what.to_owned(),
                claimed: bytes,
                allowed: self.left as u64,
            }),
        }
    }

    /// Gives back what was booked for something that has been freed.
    pub(super) fn give_back(&mut self, bytes: usize) {
        self.left = self.left.saturating_add(bytes);
    }

    /// Another file of this length is part of what is read.
    pub(super) fn grow(&mut self, file_len: usize) {
        self.left = self.left.saturating_add(file_len.saturating_mul(EXPANSION));
    }

    pub(super) fn left(&self) -> usize {
        self.left
    }
}

/// The element types that files hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Dtype {
    Bool,
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F16,
    Bf16,
    F32,
    F64,
}

impl Dtype {
    pub(super) fn size(self) -> usize {
        match self {
            Dtype::Bool | Dtype::U8 | Dtype::I8 => 1,
            Dtype::U16 | Dtype::I16 | Dtype::F16 | Dtype::Bf16 => 2,
            Dtype::U32 | Dtype::I32 | Dtype::F32 => 4,
            Dtype::U64 | Dtype::I64 | Dtype::F64 => 8,
        }
    }

    /// Whether its elements are whole numbers.
    pub(super) fn is_integer(self) -> bool {
        !matches!(self, Dtype::F16 | Dtype::Bf16 | Dtype::F32 | Dtype::F64)
    }

    /// The elements of an integer type, none of another.
    pub(super) fn integers(self, order: ByteOrder, bytes: &[u8]) -> Vec<i64> {
        match self {
            Dtype::Bool => each(bytes, order, |[b]| i64::from(b != 0)),
            Dtype::U8 => each(bytes, order, |[b]| i64::from(b)),
            Dtype::I8 => each(bytes, order, |b| i64::from(i8::from_le_bytes(b))),
            Dtype::U16 => each(bytes, order, |b| i64::from(u16::from_le_bytes(b))),
            Dtype::I16 => each(bytes, order, |b| i64::from(i16::from_le_bytes(b))),
            Dtype::U32 => each(bytes, order, |b| i64::from(u32::from_le_bytes(b))),
            Dtype::I32 => each(bytes, order, |b| i64::from(i32::from_le_bytes(b))),
            Dtype::U64 => each(bytes, order, |b| {
                i64::try_from(u64::from_le_bytes(b)).unwrap_or(i64::MAX)
            }),
            Dtype::I64 => each(bytes, order, i64::from_le_bytes),
            Dtype::F16 | Dtype::Bf16 | Dtype::F32 | Dtype::F64 => Vec::new(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Dtype::Bool => "bool",
            Dtype::U8 => "u8",
            Dtype::I8 => "i8",
            Dtype::U16 => "u16",
            Dtype::I16 => "i16",
            Dtype::U32 => "u32",
            Dtype::I32 => "i32",
            Dtype::U64 => "u64",
            Dtype::I64 => "i64",
            Dtype::F16 => "f16",
            Dtype::Bf16 => "bf16",
            Dtype::F32 => "f32",
            Dtype::F64 => "f64",
        }
    }
}

/// The order of the bytes of one element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

fn each<const N: usize, T>(bytes: &[u8], order: ByteOrder, of: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (elements, _) = bytes.as_chunks::<N>();
    match order {
        ByteOrder::Little => elements.iter().map(|&e| of(e)).collect(),
        ByteOrder::Big => elements
            .iter()
            .map(|&e| {
                let mut e = e;
                e.reverse();
                of(e)
            })
            .collect(),
    }
}

fn decode(dtype: Dtype, order: ByteOrder, bytes: &[u8]) -> Vec<f32> {
    match dtype {
        Dtype::Bool => each(bytes, order, |[b]| f32::from(b != 0)),
        Dtype::U8 => each(bytes, order, |[b]| f32::from(b)),
        Dtype::I8 => each(bytes, order, |b| f32::from(i8::from_le_bytes(b))),
        Dtype::U16 => each(bytes, order, |b| f32::from(u16::from_le_bytes(b))),
        Dtype::I16 => each(bytes, order, |b| f32::from(i16::from_le_bytes(b))),
        Dtype::U32 => each(bytes, order, |b| u32::from_le_bytes(b) as f32),
        Dtype::I32 => each(bytes, order, |b| i32::from_le_bytes(b) as f32),
        Dtype::U64 => each(bytes, order, |b| u64::from_le_bytes(b) as f32),
        Dtype::I64 => each(bytes, order, |b| i64::from_le_bytes(b) as f32),
        Dtype::F16 => each(bytes, order, |b| f16::from_le_bytes(b).to_f32()),
        Dtype::Bf16 => each(bytes, order, |b| bf16::from_le_bytes(b).to_f32()),
        Dtype::F32 => each(bytes, order, f32::from_le_bytes),
        Dtype::F64 => each(bytes, order, |b| f64::from_le_bytes(b) as f32),
    }
}

/// The product of a shape, if it is a number.
pub(super) fn elements(shape: &[usize]) -> Option<usize> {
    // A zero anywhere makes the product zero, however large the rest.
    if shape.contains(&0) {
        return Some(0);
    }
    shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))
}

/// Where a tensor's elements lie in a buffer of them: the first, and the step along each dimension.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strided<'a> {
    pub(super) offset: usize,
    pub(super) shape: &'a [usize],
    pub(super) strides: &'a [usize],
}

impl Strided<'_> {
    /// Whether the elements lie row-major without gaps.
    fn is_contiguous(&self) -> bool {
        let mut step = 1usize;
        for (&d, &s) in self.shape.iter().zip(self.strides).rev() {
            if d != 1 && s != step {
                return false;
            }
            step = step.saturating_mul(d);
        }
        true
    }

    /// The position after the last element, if the positions are numbers at all.
    fn end(&self) -> Option<usize> {
        let mut last = self.offset;
        for (&d, &s) in self.shape.iter().zip(self.strides) {
            last = last.checked_add(d.checked_sub(1)?.checked_mul(s)?)?;
        }
        last.checked_add(1)
    }

    /// The elements' bytes, row-major: a slice of `buffer` where they lie so, else a copy.
    /// `None` when they lie outside of `buffer`.
    pub(super) fn gather<'b>(
        &self,
        buffer: &'b [u8],
        size: usize,
    ) -> Option<std::borrow::Cow<'b, [u8]>> {
        let count = elements(self.shape)?;
        if count == 0 {
            return Some((&[][..]).into());
        }
        let end = self.end()?;
        if end > buffer.len() / size {
            return None;
        }
        if self.is_contiguous() {
            return Some(buffer[self.offset * size..end * size].into());
        }
        let mut out = Vec::with_capacity(count.checked_mul(size)?);
        let mut index = vec![0usize; self.shape.len()];
        for _ in 0..count {
            let at = self.offset
                + index
                    .iter()
                    .zip(self.strides)
                    .map(|(i, s)| i * s)
                    .sum::<usize>();
            out.extend_from_slice(&buffer[at * size..(at + 1) * size]);
            for (i, &d) in index.iter_mut().zip(self.shape).rev() {
                *i += 1;
                if *i < d {
                    break;
                }
                *i = 0;
            }
        }
        Some(out.into())
    }
}

/// One tensor as a file gives it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Raw<'a> {
    pub(super) shape: &'a [usize],
    pub(super) dtype: Dtype,
    pub(super) order: ByteOrder,
    /// The elements, row-major.
    pub(super) bytes: &'a [u8],
}

/// Gathers the tensors of one file.
#[derive(Debug)]
pub(super) struct Collector {
    format: &'static str,
    tensors: IndexMap<String, Tensor>,
    /// See [`Weights::modules`].
    pub(super) modules: IndexMap<String, Module>,
    converted: BTreeMap<Dtype, usize>,
    pub(super) notes: Vec<String>,
    pub(super) budget: Budget,
    /// Rows of data hold NaN and infinities for reasons of their own; in weights they are noted.
    pub(super) any_value: bool,
}

impl Collector {
    pub(super) fn new(format: &'static str, budget: Budget) -> Self {
        Collector {
            format,
            tensors: IndexMap::new(),
            modules: IndexMap::new(),
            converted: BTreeMap::new(),
            notes: Vec::new(),
            budget,
            any_value: false,
        }
    }

    /// Calls the file something else, now that more is known of it.
    pub(super) fn rename(&mut self, format: &'static str) {
        self.format = format;
    }

    pub(super) fn damaged(&self, reason: impl ToString) -> Reason {
        Reason::damaged(self.format, reason)
    }

    /// Books the memory of the tensor `name`, and says how many elements it has.
    pub(super) fn reserve(&mut self, name: &str, shape: &[usize]) -> Result<usize, Reason> {
        if shape.len() > HIGHEST_RANK {
            return Err(self.damaged(format_args!(
                "tensor `{name}` has {} dimensions",
                shape.len()
            )));
        }
        let count = elements(shape)
            .ok_or_else(|| self.damaged(format_args!("tensor `{name}` has the shape {shape:?}")))?;
        let bytes = (count as u64).saturating_mul(4);
        self.budget.take(bytes, &format!("tensor `{name}`"))?;
        Ok(count)
    }

    /// Converts a tensor whose memory has been booked with [`Collector::reserve`].
    pub(super) fn push(&mut self, name: &str, raw: Raw<'_>) -> Result<(), Reason> {
        let count = elements(raw.shape);
        if count.and_then(|n| n.checked_mul(raw.dtype.size())) != Some(raw.bytes.len()) {
            return Err(self.damaged(format_args!(
                "tensor `{name}` of shape {:?} and type {} has {} bytes of data",
                raw.shape,
                raw.dtype.name(),
                raw.bytes.len()
            )));
        }
        let data = decode(raw.dtype, raw.order, raw.bytes);
        if raw.dtype != Dtype::F32 {
            *self.converted.entry(raw.dtype).or_default() += 1;
        }
        let tensor = Tensor {
            shape: raw.shape.to_vec(),
            data,
        };
        if self.tensors.insert(name.to_owned(), tensor).is_some() {
            return Err(self.damaged(format_args!("there are two tensors called `{name}`")));
        }
        Ok(())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Gives a tensor a second name.
    pub(super) fn copy(&mut self, of: &str, name: &str) -> Result<(), Reason> {
        let Some(tensor) = self.tensors.get(of).cloned() else {
            return Err(self.damaged(format_args!("tensor `{of}` is missing")));
        };
        self.reserve(name, &tensor.shape)?;
        self.tensors.insert(name.to_owned(), tensor);
        Ok(())
    }

    /// Finishes tensors that have the names of a PyTorch module's: their wrappers are taken off,
    /// and parametrized weights are computed.
    pub(super) fn finish_modules(mut self) -> Result<Weights, Reason> {
        let is_flat = |name: &&String| name.rsplit('.').next() == Some("_flat_param");
        if let Some(name) = self.tensors.keys().find(is_flat) {
            return Err(Reason::Kind {
                tensor: name.clone(),
                kind: "a flat parameter of FSDP, which holds several layers in one".to_owned(),
                remedy: pickle::SHARDED.remedy,
            });
        }
        let unwrapped = names::unwrap(&mut self.tensors, &mut self.notes);
        parametrized::compute(&mut self.tensors, &mut self.notes)?;
        let modules = std::mem::take(&mut self.modules);
        let mut weights = self.finish()?;
        weights.modules = modules
            .into_iter()
            .filter_map(|(path, module)| Some((unwrapped.path(&path)?, module)))
            .collect();
        Ok(weights)
    }

    pub(super) fn finish(mut self) -> Result<Weights, Reason> {
        if self.tensors.is_empty() {
            return Err(Reason::NoTensors {
                found: format!("a {} file with 0 tensors", self.format),
            });
        }
        // Refused where it is used: a mask of -inf that only training reads does no harm.
        if !self.any_value {
            let mut wrong = self
                .tensors
                .iter()
                .filter_map(|(name, tensor)| Some((name, tensor.not_finite()?)));
            if let Some((name, (index, value))) = wrong.next() {
                let more = match wrong.count() {
                    0 => String::new(),
                    n => format!(" (and {n} more such tensors)"),
                };
                self.notes.push(format!(
                    "tensor `{name}` has {value} at element {index}{more}: a model that needs it \
                     is refused"
                ));
            }
        }
        for (dtype, n) in &self.converted {
            let tensors = count(*n, "tensor");
            self.notes
                .push(format!("{tensors} converted from {}", dtype.name()));
        }
        Ok(Weights {
            format: self.format.to_owned(),
            tensors: self.tensors,
            notes: self.notes,
            modules: self.modules,
            ..Weights::default()
        })
    }
}
