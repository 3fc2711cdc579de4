//! The variables beside a SavedModel: an index, which is a LevelDB table, and files of bare numbers.

use std::collections::HashMap;
use std::path::Path;

use prost::Message as _;
use prost::encoding::decode_varint;

use super::messages::{BundleHead as Head, Entry, Shape};
use super::{FORMAT, numbers};
use crate::import::collect::Budget;
use crate::import::{LONGEST, Reason, read_bounded};
use crate::program::Array;

/// A checkpoint's tensors, by key.
pub(super) struct Bundle {
    /// Each is an [`Entry`]; that of the empty key is a [`Head`].
    entries: HashMap<Vec<u8>, Vec<u8>>,
    /// The files, in the order of their numbers.
    shards: Vec<Vec<u8>>,
}

fn damaged(what: &str) -> Reason {
    Reason::damaged(FORMAT, format!("its index of variables {what}"))
}

impl Bundle {
    /// Opens the files of `variables/`.
    pub(super) fn open(folder: &Path) -> Result<Self, Reason> {
        /// More parts than a model for small devices is stored in.
        const MOST_SHARDS: usize = 64;
        let index = read_bounded(&folder.join("variables.index"), LONGEST)?;
        let entries = table(&index).ok_or_else(|| damaged("is no table"))?;
        // The first entry, of the empty key, says how many files there are.
        let head = entries.get(&b""[..]).map(|e| Head::decode(e.as_slice()));
        let head = head.and_then(Result::ok).map_or(1, |h| h.shards);
        let count = usize::try_from(head)
            .ok()
            .filter(|c| (1..=MOST_SHARDS).contains(c));
        let count = count.ok_or_else(|| damaged("lists too many files"))?;
        let path = |shard| folder.join(format!("variables.data-{shard:05}-of-{count:05}"));
        let shards = (0..count).map(|shard| read_bounded(&path(shard), LONGEST));
        Ok(Self {
            shards: shards.collect::<Result<_, _>>()?,
            entries,
        })
    }

    /// How many bytes its files have.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(Vec::len).sum()
    }

    /// The tensor of this key.
    pub(super) fn tensor(&self, key: &[u8], budget: &mut Budget) -> Result<Array<f64>, Reason> {
        let name = || format!("variable `{}`", String::from_utf8_lossy(key));
        let missing = || damaged(&format!("lacks {}", name()));
        let entry = self.entries.get(key).ok_or_else(missing)?;
        let entry = Entry::decode(entry.as_slice()).map_err(|e| Reason::damaged(FORMAT, e))?;
        let range = || {
            let start = usize::try_from(entry.offset).ok()?;
            let end = start.checked_add(usize::try_from(entry.size).ok()?)?;
            self.shards
                .get(usize::try_from(entry.shard).ok()?)?
                .get(start..end)
        };
        let raw = range().ok_or_else(|| damaged(&format!("puts {} outside the files", name())))?;
        budget.take((raw.len() as u64).saturating_mul(8), &name())?;
        let data = numbers(raw, entry.dtype).ok_or_else(|| Reason::Dtype {
            tensor: name(),
            dtype: format!("{} of TensorFlow", entry.dtype),
        })?;
        shaped(entry.shape.as_ref(), data)
            .ok_or_else(|| damaged(&format!("says another shape of {} than it has", name())))
    }
}

/// An array of this shape, if it has as many elements.
pub(super) fn shaped(shape: Option<&Shape>, data: Vec<f64>) -> Option<Array<f64>> {
    let dims = shape.map(|s| s.dims.as_slice()).unwrap_or_default();
    let shape: Vec<usize> = dims
        .iter()
        .map(|d| usize::try_from(d.size).ok())
        .collect::<Option<_>>()?;
    let count = shape.iter().try_fold(1usize, |n, s| n.checked_mul(*s))?;
    (count == data.len()).then_some(Array { shape, data })
}

/// The entries of a LevelDB table whose blocks are not compressed, as TensorFlow writes them.
fn table(bytes: &[u8]) -> Option<HashMap<Vec<u8>, Vec<u8>>> {
    const FOOTER: usize = 48;
    let mut footer = bytes.get(bytes.len().checked_sub(FOOTER)?..)?;
    handle(&mut footer)?;
    let index = block(bytes, handle(&mut footer)?)?;
    let mut entries = HashMap::new();
    for (_, mut place) in pairs(index)? {
        for (key, value) in pairs(block(bytes, handle(&mut place)?)?)? {
            entries.insert(key, value.to_vec());
        }
    }
    Some(entries)
}

/// Where a block stands.
fn handle(at: &mut &[u8]) -> Option<(usize, usize)> {
    let start = usize::try_from(decode_varint(at).ok()?).ok()?;
    Some((start, usize::try_from(decode_varint(at).ok()?).ok()?))
}

fn block(bytes: &[u8], (start, size): (usize, usize)) -> Option<&[u8]> {
    let end = start.checked_add(size)?;
    // The byte behind a block says how it is compressed.
    (*bytes.get(end)? == 0).then_some(())?;
    bytes.get(start..end)
}

/// Keys and values of a block; each key says how much of it is the key's before.
fn pairs(block: &[u8]) -> Option<Vec<(Vec<u8>, &[u8])>> {
    let (rest, restarts) = block.split_last_chunk::<4>()?;
    let restarts = usize::try_from(u32::from_le_bytes(*restarts)).ok()?;
    let mut rest = rest.get(..rest.len().checked_sub(restarts.checked_mul(4)?)?)?;
    let (mut pairs, mut key) = (Vec::new(), Vec::new());
    while !rest.is_empty() {
        let mut number = || usize::try_from(decode_varint(&mut rest).ok()?).ok();
        let (shared, own, value) = (number()?, number()?, number()?);
        (shared <= key.len()).then(|| key.truncate(shared))?;
        key.extend(rest.get(..own)?);
        let end = own.checked_add(value)?;
        pairs.push((key.clone(), rest.get(own..end)?));
        rest = &rest[end..];
    }
    Some(pairs)
}
