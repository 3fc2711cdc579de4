//! A front end as a blob has it: a record per feature, and bytes before the first layer.

use zerocopy::IntoBytes;

use crate::front::{Bounds, By, Coder, Feature, Front, Given, Makes, Pool, Transform};
use mmoe::blob::PrecisionKind;
use mmoe::kernel::InputScale;

/// One feature's record, field by field as `docs/format.md` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Record {
    /// What the caller gives; 128 more for a list.
    pub given: u8,
    /// How it becomes a code; 64 more where it may be missing.
    pub coder: u8,
    /// What is made of the code.
    pub makes: u8,
    /// Of the rows, or of the number.
    pub precision: u8,
    /// Elements.
    pub width: u16,
    /// Most items of a list.
    pub items: u8,
    /// See [`flag`].
    pub flags: u8,
    /// The field that is read.
    pub field: u8,
    /// The feature whose coder and rows are read.
    pub table: u8,
    /// Of the coder.
    pub entries: u32,
    /// Of the table.
    pub rows: u32,
    /// Bytes of all tokens.
    pub text: u32,
}

/// Bytes of a record.
pub const RECORD: usize = 24;
/// Added to `given` for a list.
pub const LIST: u8 = 128;
/// Added to `coder` where the field may be missing.
pub const MAYBE: u8 = 64;

/// The bits of a record's flags.
pub mod flag {
    /// The field belongs to the candidate.
    pub const CANDIDATE: u8 = 1;
    /// A list keeps its last items.
    pub const KEEP_LAST: u8 = 2;
    /// `ln(1 + x)`.
    pub const LOG1P: u8 = 4;
    /// `log10(x)`.
    pub const LOG10: u8 = 8;
    /// The number is clipped first.
    pub const CLIP: u8 = 16;
    /// Every item of a list counts.
    pub const COUNT: u8 = 32;
}

impl Record {
    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> [u8; RECORD] {
        let mut to = [0; RECORD];
        to[..4].copy_from_slice(&[self.given, self.coder, self.makes, self.precision]);
        to[4..6].copy_from_slice(&self.width.to_le_bytes());
        to[6..10].copy_from_slice(&[self.items, self.flags, self.field, self.table]);
        to[12..16].copy_from_slice(&self.entries.to_le_bytes());
        to[16..20].copy_from_slice(&self.rows.to_le_bytes());
        to[20..].copy_from_slice(&self.text.to_le_bytes());
        to
    }

    /// The record of these bytes.
    #[must_use]
    pub fn of(from: &[u8; RECORD]) -> Self {
        let [
            given,
            coder,
            makes,
            precision,
            w0,
            w1,
            items,
            flags,
            field,
            table,
            ..,
        ] = *from;
        let word =
            |at: usize| u32::from_le_bytes([from[at], from[at + 1], from[at + 2], from[at + 3]]);
        Self {
            given,
            coder,
            makes,
            precision,
            width: u16::from_le_bytes([w0, w1]),
            items,
            flags,
            field,
            table,
            entries: word(12),
            rows: word(16),
            text: word(20),
        }
    }
}

/// The rows of a table as integers: `q << shift` steps of the columns that they fill.
#[derive(Debug, Clone, PartialEq)]
pub struct QTable {
    /// Row after row.
    pub rows: Vec<i8>,
    /// The real value of one `q`.
    pub scale: f64,
    /// 0 to 7.
    pub shift: u32,
}

/// From a whole number to an activation: `((x − offset)·mult + half) >> shift`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntScale {
    /// Taken off first; what is left is cut off at ±65535.
    pub offset: i32,
    /// Factor.
    pub mult: i16,
    /// 1 to 17.
    pub shift: u8,
}

/// How the numbers of a front end are stored.
#[derive(Debug, Clone, Copy)]
pub enum Stored<'a> {
    /// As they are.
    F32,
    /// Rows as int8 with a scale per table.
    W8,
    /// As integers.
    Integer {
        /// One per table.
        tables: &'a [QTable],
        /// One per element of the vector; those of f32 numbers count.
        input: &'a [InputScale],
        /// One per feature that is an i32 number.
        ints: &'a [Option<IntScale>],
    },
}

/// Rows as int8 with one scale, `max |v| / 127`.
#[must_use]
pub fn int8_table(rows: &[f32]) -> (Vec<i8>, f32) {
    let scale = rows.iter().fold(0.0f32, |m, v| m.max(v.abs())) / 127.0;
    let one = f64::from(scale);
    let round = |v: &f32| {
        if scale > 0.0 {
            (f64::from(*v) / one).round().clamp(-127.0, 127.0) as i8
        } else {
            0
        }
    };
    (rows.iter().map(round).collect(), scale)
}

/// The records and the bytes of a front end that passes [`Front::check`].
#[must_use]
pub fn encode(front: &Front, stored: Stored<'_>) -> (Vec<u8>, Vec<u8>) {
    let (mut records, mut bytes) = (Vec::new(), Vec::new());
    let integer = matches!(stored, Stored::Integer { .. });
    // The feature that stores each table: the first that reads it.
    let mut owner: Vec<Option<usize>> = vec![None; front.tables.len()];
    let mut at = 0;
    for (f, feature) in front.features.iter().enumerate() {
        let field = &front.fields[feature.field];
        let width = feature.width(front);
        let mut record = Record {
            given: given(front, feature, field.given) + if field.list.is_some() { LIST } else { 0 },
            precision: if integer {
                PrecisionKind::I16
            } else {
                PrecisionKind::F32
            }
            .code(),
            width: feature.elements(front) as u16,
            items: field.list.map_or(1, |l| l.max as u8),
            field: feature.field as u8,
            table: f as u8,
            ..Record::default()
        };
        if field.candidate {
            record.flags |= flag::CANDIDATE;
        }
        if field.list.is_some_and(|l| l.keep_last) {
            record.flags |= flag::KEEP_LAST;
        }
        match &feature.makes {
            Makes::Number(number) => {
                let missing = number.missing;
                if field.given == Given::I32 {
                    if !missing.is_nan() {
                        record.coder |= MAYBE;
                        bytes.extend((missing as i32).to_le_bytes());
                    }
                    if let Stored::Integer { ints, .. } = stored
                        && let Some(Some(scale)) = ints.get(f)
                    {
                        bytes.extend(scale.offset.to_le_bytes());
                        bytes.extend(scale.mult.to_le_bytes());
                        bytes.extend([scale.shift, 0]);
                    }
                } else {
                    let mut put = |v: f32| bytes.extend(v.to_le_bytes());
                    if let Some((low, high)) = number.clip {
                        record.flags |= flag::CLIP;
                        put(low);
                        put(high);
                    }
                    match number.transform {
                        Transform::Identity => {}
                        Transform::Log1p => record.flags |= flag::LOG1P,
                        Transform::Log10 { threshold, below } => {
                            record.flags |= flag::LOG10;
                            put(threshold);
                            put(below);
                        }
                    }
                    put(missing);
                    if let Stored::Integer { input, .. } = stored {
                        let scale = input.get(at).copied().unwrap_or_default();
                        put(scale.offset);
                        put(scale.scale);
                    }
                }
            }
            Makes::Slot {
                coder,
                first,
                count,
                ..
            } => {
                record.makes = 1;
                if *count {
                    record.flags |= flag::COUNT;
                }
                bytes.extend(first.to_le_bytes());
                code(coder, &mut record, Some(&mut bytes));
            }
            Makes::Rows { table, pool } => {
                record.makes = match pool {
                    Pool::One => 2,
                    Pool::Sum => 3,
                    Pool::Mean => 4,
                    Pool::Max => 5,
                    Pool::Concat => 6,
                };
                let own = owner[*table].is_none();
                record.table = *owner[*table].get_or_insert(f) as u8;
                let held = &front.tables[*table];
                record.rows = held.len() as u32;
                record.precision = match stored {
                    Stored::F32 => PrecisionKind::F32,
                    Stored::W8 => PrecisionKind::W8,
                    Stored::Integer { .. } => PrecisionKind::I8,
                }
                .code();
                code(&held.coder, &mut record, own.then_some(&mut bytes));
                if own {
                    match stored {
                        Stored::F32 => bytes.extend_from_slice(held.rows.as_bytes()),
                        Stored::W8 => {
                            let (rows, scale) = int8_table(&held.rows);
                            bytes.extend(scale.to_le_bytes());
                            bytes.extend_from_slice(rows.as_bytes());
                        }
                        Stored::Integer { tables, .. } => {
                            bytes.extend(tables[*table].shift.to_le_bytes());
                            bytes.extend_from_slice(tables[*table].rows.as_bytes());
                        }
                    }
                }
            }
        }
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        records.extend(record.bytes());
        at += width;
    }
    (records, bytes)
}

/// The code of what a field is given as. Of an enumeration that is the number of a variant.
fn given(front: &Front, feature: &Feature, given: Given) -> u8 {
    let named = matches!(
        feature.coder(front),
        Some(Coder {
            by: By::Named { .. },
            ..
        })
    );
    match given {
        Given::F32 => 0,
        Given::I32 => 1,
        Given::Text if named => 2,
        Given::Id => 2,
        Given::Text => 3,
    }
}

/// Writes a coder into its record, and its numbers where they belong to this feature.
fn code(coder: &Coder, record: &mut Record, bytes: Option<&mut Vec<u8>>) {
    let mut own = Vec::new();
    if let Some(missing) = coder.missing {
        record.coder |= MAYBE;
        own.extend(missing.to_le_bytes());
    }
    let (kind, entries) = match &coder.by {
        By::Direct { entries, other } => {
            own.extend(other.to_le_bytes());
            (1, *entries)
        }
        By::Named { tokens, other } => {
            own.extend(other.to_le_bytes());
            (1, tokens.len() as u32)
        }
        By::Sorted { keys, other } => {
            own.extend(other.to_le_bytes());
            own.extend_from_slice(keys.as_bytes());
            (2, keys.len() as u32)
        }
        By::Tokens {
            seed,
            hashes,
            tokens,
            other,
            exact,
        } => {
            own.extend(other.to_le_bytes());
            own.extend(seed.to_le_bytes());
            own.extend_from_slice(hashes.as_bytes());
            if *exact {
                let mut end = 0u16;
                for token in tokens {
                    end = end.wrapping_add(token.len() as u16);
                    own.extend(end.to_le_bytes());
                }
                tokens
                    .iter()
                    .for_each(|t| own.extend_from_slice(t.as_bytes()));
                record.text = tokens.iter().map(String::len).sum::<usize>() as u32;
            }
            (if *exact { 4 } else { 3 }, hashes.len() as u32)
        }
        By::Buckets(Bounds::F32(bounds)) => {
            own.extend_from_slice(bounds.as_bytes());
            (5, bounds.len() as u32)
        }
        By::Buckets(Bounds::I32(bounds)) => {
            own.extend_from_slice(bounds.as_bytes());
            (5, bounds.len() as u32)
        }
        By::Farm(n) => (6, *n),
        By::Sip(n, key) => {
            key.iter().for_each(|half| own.extend(half.to_le_bytes()));
            (7, *n)
        }
        By::Murmur(n) => (8, *n),
    };
    record.coder |= kind;
    record.entries = entries;
    own.resize(own.len().next_multiple_of(4), 0);
    if let Some(bytes) = bytes {
        bytes.extend(own);
    }
}
