//! The front end of a blob, read from its records and bytes alone.

use super::super::features::{LIST, MAYBE, RECORD, Record, flag};
use super::super::message::Header;
use super::super::vocabulary::{self, FieldText};
use super::{Bytes, ReadError, split};
use crate::front::{
    Bounds, By, Coder, Feature, Field, Front, Given, List, Makes, Number, Pool, Table, Transform,
};
use crate::graph::rules::MAX_WIDTH;

/// A blob's front end, and what it stores besides.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The front end. Rows of integers are `q << shift`, in steps of the columns that they fill.
    pub front: Front,
    /// The offset and the scale of each feature of an integer model that is an f32 number.
    pub scales: Vec<Option<(f32, f32)>>,
}

/// Returns the front end of a blob whose preamble was checked already; `None` if it takes a vector.
///
/// # Errors
///
/// [`ReadError::Format`].
pub fn front(file: &[u8]) -> Result<Option<Stored>, ReadError> {
    let (header, weights) = split(file)?;
    let integer = header.layers.first().is_some_and(|l| l.precision > 1);
    of(&header, integer, &mut Bytes(weights))
}

/// Reads the front end off the weights.
pub(super) fn of(
    header: &Header,
    integer: bool,
    bytes: &mut Bytes<'_>,
) -> Result<Option<Stored>, ReadError> {
    if header.inputs.first().is_none_or(|i| i.kind != 1) {
        return Ok(None);
    }
    let section = |tag: u8| {
        header
            .sections
            .iter()
            .find(|(t, _)| *t == tag)
            .map(|(_, c)| c)
    };
    let records = section(1).ok_or(ReadError::Format("no section of features"))?;
    let (records, rest) = records.as_chunks::<RECORD>();
    if !rest.is_empty() {
        return Err(ReadError::Format("features"));
    }
    let mut made = Stored {
        front: Front::default(),
        scales: Vec::new(),
    };
    let mut owners: Vec<Option<usize>> = Vec::new();
    for (at, record) in records.iter().enumerate() {
        let record = Record::of(record);
        let mut owner = None;
        let feature = feature(at, &record, integer, &owners, &mut made, &mut owner, bytes)?;
        made.front.features.push(feature);
        owners.push(owner);
    }
    for (field, name) in made.front.fields.iter_mut().zip(&header.feature_names) {
        field.name.clone_from(name);
    }
    if let Some(section) = section(14) {
        let texts: Vec<FieldText> = postcard::from_bytes(section)
            .map_err(|_| ReadError::Format("section of the vocabulary"))?;
        vocabulary::apply(&texts, &mut made.front);
    }
    Ok(Some(made))
}

/// One feature; its field and its table are added where they are new. `owner` becomes the number of
/// its table, of a feature with one.
fn feature(
    at: usize,
    record: &Record,
    integer: bool,
    owners: &[Option<usize>],
    made: &mut Stored,
    owner: &mut Option<usize>,
    bytes: &mut Bytes<'_>,
) -> Result<Feature, ReadError> {
    let wrong = || ReadError::Format("a feature's record");
    let given = match record.given & !LIST {
        0 => Given::F32,
        1 => Given::I32,
        2 => Given::Id,
        3 => Given::Text,
        _ => return Err(wrong()),
    };
    let field = usize::from(record.field);
    let front = &mut made.front;
    if field == front.fields.len() {
        front.fields.push(Field {
            list: (record.given & LIST != 0).then(|| List {
                max: record.items.into(),
                keep_last: record.flags & flag::KEEP_LAST != 0,
            }),
            candidate: record.flags & flag::CANDIDATE != 0,
            ..Field::new(&format!("field{field}"), given)
        });
    }
    if field >= front.fields.len() {
        return Err(wrong());
    }
    let maybe = record.coder & MAYBE != 0;
    made.scales.push(None);
    let makes = match record.makes {
        0 => {
            let (number, scale) = number(record, given, maybe, integer, bytes)?;
            if let Some(last) = made.scales.last_mut() {
                *last = scale;
            }
            Makes::Number(number)
        }
        1 => {
            let first = bytes.u32()?;
            let coder = coder(record, given, bytes)?;
            let columns = columns(&coder, first);
            Makes::Slot {
                coder,
                first,
                columns,
                count: record.flags & flag::COUNT != 0,
            }
        }
        pool => {
            let pool = match pool {
                2 => Pool::One,
                3 => Pool::Sum,
                4 => Pool::Mean,
                5 => Pool::Max,
                6 => Pool::Concat,
                _ => return Err(wrong()),
            };
            let table = if usize::from(record.table) == at {
                let coder = coder(record, given, bytes)?;
                let width = usize::from(record.width);
                let width = if pool == Pool::Concat {
                    width.checked_div(record.items.into()).ok_or_else(wrong)?
                } else {
                    width
                };
                let rows = rows(record, width, bytes)?;
                front.tables.push(Table {
                    name: String::new(),
                    coder,
                    rows,
                    width,
                });
                front.tables.len() - 1
            } else {
                let earlier = owners.get(usize::from(record.table)).copied().flatten();
                earlier.ok_or_else(wrong)?
            };
            *owner = Some(table);
            Makes::Rows { table, pool }
        }
    };
    Ok(Feature { field, makes })
}

/// How many columns the codes of a slot reach: as many as a vector may have at most.
fn columns(coder: &Coder, first: u32) -> u32 {
    let entries = match &coder.by {
        By::Direct { entries, .. } => *entries,
        By::Sorted { keys, .. } => keys.len() as u32,
        By::Tokens { hashes, .. } => hashes.len() as u32,
        By::Named { tokens, .. } => tokens.len() as u32,
        By::Buckets(bounds) => bounds.len() as u32 + 1,
        By::Farm(n) | By::Sip(n, _) | By::Murmur(n) => *n,
    };
    let other = match coder.by {
        By::Direct { other, .. }
        | By::Sorted { other, .. }
        | By::Named { other, .. }
        | By::Tokens { other, .. } => Some(other),
        _ => None,
    };
    // A code so far off that adding the first column to it saturates has no column.
    let special = coder.missing.into_iter().chain(other);
    let special = special.filter(|code| code.checked_add(first).is_some_and(|c| c < 1 << 24));
    let reached = special.fold(entries, |n, code| n.max(code + 1));
    reached.clamp(1, MAX_WIDTH as u32)
}

fn number(
    record: &Record,
    given: Given,
    maybe: bool,
    integer: bool,
    bytes: &mut Bytes<'_>,
) -> Result<(Number, Option<(f32, f32)>), ReadError> {
    if given == Given::I32 {
        let missing = if maybe {
            bytes.u32()?.cast_signed() as f32
        } else {
            f32::NAN
        };
        if integer {
            bytes.take(8)?;
        }
        let number = Number {
            missing,
            ..Number::default()
        };
        return Ok((number, None));
    }
    let mut pair = |there: bool| -> Result<Option<(f32, f32)>, ReadError> {
        if !there {
            return Ok(None);
        }
        let both = bytes.f32s(2)?;
        Ok(Some((both[0], both[1])))
    };
    let clip = pair(record.flags & flag::CLIP != 0)?;
    let log10 = pair(record.flags & flag::LOG10 != 0)?;
    let missing = bytes.f32s(1)?[0];
    let scale = if integer {
        let both = bytes.f32s(2)?;
        Some((both[0], both[1]))
    } else {
        None
    };
    let transform = match log10 {
        Some((threshold, below)) => Transform::Log10 { threshold, below },
        None if record.flags & flag::LOG1P != 0 => Transform::Log1p,
        None => Transform::Identity,
    };
    let number = Number {
        missing,
        clip,
        transform,
    };
    Ok((number, scale))
}

fn coder(record: &Record, given: Given, bytes: &mut Bytes<'_>) -> Result<Coder, ReadError> {
    let missing = if record.coder & MAYBE == 0 {
        None
    } else {
        Some(bytes.u32()?)
    };
    let entries = record.entries as usize;
    let by = match record.coder & !MAYBE {
        1 => By::Direct {
            entries: record.entries,
            other: bytes.u32()?,
        },
        2 => {
            let other = bytes.u32()?;
            By::Sorted {
                keys: bytes.u32s(entries)?,
                other,
            }
        }
        kind @ (3 | 4) => {
            let (other, seed) = (bytes.u32()?, bytes.u32()?);
            let hashes = bytes.u32s(entries)?;
            let tokens = if kind == 4 {
                tokens(record, bytes)?
            } else {
                Vec::new()
            };
            By::Tokens {
                seed,
                hashes,
                tokens,
                other,
                exact: kind == 4,
            }
        }
        5 if given == Given::I32 => {
            let bounds = bytes.u32s(entries)?.into_iter().map(u32::cast_signed);
            By::Buckets(Bounds::I32(bounds.collect()))
        }
        5 => By::Buckets(Bounds::F32(bytes.f32s(entries)?)),
        6 => By::Farm(record.entries),
        7 => {
            let halves = bytes.u32s(4)?;
            let half = |i: usize| u64::from(halves[i]) | u64::from(halves[i + 1]) << 32;
            By::Sip(record.entries, [half(0), half(2)])
        }
        8 => By::Murmur(record.entries),
        _ => return Err(ReadError::Format("unknown coder")),
    };
    Ok(Coder { by, missing })
}

/// The tokens of a coder that stores them: where each ends, and then the bytes.
fn tokens(record: &Record, bytes: &mut Bytes<'_>) -> Result<Vec<String>, ReadError> {
    let wrong = || ReadError::Format("tokens");
    let (ends, text) = (2 * record.entries as usize, record.text as usize);
    let stored = bytes.take((ends + text).next_multiple_of(4))?;
    let (ends, stored) = stored.split_at(ends);
    let mut start = 0;
    let mut tokens = Vec::new();
    for end in ends.as_chunks::<2>().0 {
        let end = usize::from(u16::from_le_bytes(*end));
        let token = stored.get(start..end).ok_or_else(wrong)?;
        tokens.push(String::from_utf8(token.to_vec()).map_err(|_| wrong())?);
        start = end;
    }
    Ok(tokens)
}

fn rows(record: &Record, width: usize, bytes: &mut Bytes<'_>) -> Result<Vec<f32>, ReadError> {
    let cells = (record.rows as usize)
        .checked_mul(width)
        .ok_or(ReadError::Format("a table's size"))?;
    let int8 = |bytes: &mut Bytes<'_>| -> Result<Vec<f32>, ReadError> {
        let stored = bytes.take(cells.next_multiple_of(4))?;
        Ok(stored[..cells]
            .iter()
            .map(|b| f32::from(b.cast_signed()))
            .collect())
    };
    match record.precision {
        0 => bytes.f32s(cells),
        1 => {
            let scale = bytes.f32s(1)?[0];
            Ok(int8(bytes)?.into_iter().map(|q| q * scale).collect())
        }
        2 => {
            let shift = bytes.u32()? & 7;
            let steps = (1u32 << shift) as f32;
            Ok(int8(bytes)?.into_iter().map(|q| q * steps).collect())
        }
        3 => {
            let stored = bytes.take((2 * cells).next_multiple_of(4))?;
            let (pairs, _) = stored[..2 * cells].as_chunks::<2>();
            Ok(pairs
                .iter()
                .map(|p| f32::from(i16::from_le_bytes(*p)))
                .collect())
        }
        _ => Err(ReadError::Format("a table's precision")),
    }
}
