//! The front end of a model: how a record of raw fields becomes the vector that its trunk reads.
//!
//! ```text
//! record ── field ──▶ coder ──▶ code ──▶ row of a table, rows pooled ──▶┐
//!                       │                                              ├──▶ the vector (value 0)
//!                       └──────────────▶ slot: the code itself ────────▶┤
//!           number ──▶ logarithm, missing ──▶ the number ──────────────▶┘
//! ```
//!
//! A [`Front`] is what a [`Graph`](crate::graph::Graph) has where its blob takes records. Its order is
//! that of the blob: features in the order of the vector, tokens and keys in the order in which the
//! device looks them up. Whoever makes one from a framework's files calls [`Coder::tokens`] and
//! [`Coder::ids`], which sort and say how the rows of the table have to follow.
//!
//! A code without a row makes zeros, and counts as no item in a pool: that is what padding is.
//!
//! ```
//! use mmoe_tools::front::{Coder, Feature, Field, Front, Given, Makes, Number, Pool, Table, Value};
//!
//! // Two countries with an embedding of two numbers each; what is neither has a row of zeros.
//! let (coder, order) = Coder::tokens(vec!["DE".into(), "FR".into()], 2, true)?;
//! let trained = [[1.0, 2.0], [3.0, 4.0]];
//! let front = Front {
//!     fields: vec![Field::new("country", Given::Text), Field::new("age", Given::F32)],
//!     tables: vec![Table {
//!         name: "country.weight".into(),
//!         coder,
//!         rows: order.iter().flat_map(|row| trained[*row]).collect(),
//!         width: 2,
//!     }],
//!     features: vec![
//!         Feature { field: 0, makes: Makes::Rows { table: 0, pool: Pool::One } },
//!         Feature { field: 1, makes: Makes::Number(Number::default()) },
//!     ],
//! };
//! front.check()?;
//! assert_eq!(front.width(), 3);
//! let record = [Value::Text("FR".into()), Value::Number(34.0)];
//! assert_eq!(front.vector(&record)?, [3.0, 4.0, 34.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod build;
mod check;
mod coder;
pub mod record;
mod tally;
mod value;

pub use check::FrontError;
pub use coder::{Bounds, By, Coder, FNV_SEED, token_hash};
pub use tally::{FieldTally, Tally};
pub use value::{Item, RecordError, Value};

use crate::graph::Input;

/// The code that has neither a row nor a column, whatever the table: it makes zeros.
pub const NONE: u32 = u32::MAX;

/// How a record becomes the vector.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Front {
    /// The raw fields, in the order of the record.
    pub fields: Vec<Field>,
    /// The embedding tables, in the order in which features first read them.
    pub tables: Vec<Table>,
    /// What the vector is made of, in its order. The first features that read a field stand in the
    /// order of the fields, and those of the candidate stand last.
    pub features: Vec<Feature>,
}

/// A raw field of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its name; unique.
    pub name: String,
    /// What the caller gives, or each item of a list of it.
    pub given: Given,
    /// How long a list may be; `None`: one value.
    pub list: Option<List>,
    /// Whether it belongs to the candidate when many are ranked, and not to what they share.
    pub candidate: bool,
    /// How files of data write it.
    pub text: Written,
}

/// What a field is given as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Given {
    /// A number.
    F32,
    /// A whole number with a sign, such as the reading of a converter.
    I32,
    /// An id, or the index of an enumeration.
    Id,
    /// Text, compared byte by byte.
    Text,
}

impl Given {
    /// Its name in a spec.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::I32 => "i32",
            Self::Id => "id",
            Self::Text => "text",
        }
    }
}

/// A list: what bounds the time that it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct List {
    /// The most items that count, 1 to 255.
    pub max: usize,
    /// Whether a longer list keeps its last items, and not its first.
    pub keep_last: bool,
}

/// How files of data write a field. A device knows nothing of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Stands between the items of a list in a cell of CSV.
    pub separator: String,
    /// An item that is none: it fills a list up in an array, and is left out.
    pub padding: Option<String>,
    /// Cells that mean that the value is missing, besides the empty one.
    pub missing: Vec<String>,
}

impl Default for Written {
    fn default() -> Self {
        Self {
            separator: "|".into(),
            padding: None,
            missing: Vec::new(),
        }
    }
}

/// A coder and the rows that its codes stand for.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The tensor that it came from, for messages.
    pub name: String,
    /// From a value to a row.
    pub coder: Coder,
    /// Row after row, in the order of the codes.
    pub rows: Vec<f32>,
    /// Numbers of a row.
    pub width: usize,
}

impl Table {
    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len().checked_div(self.width).unwrap_or(0)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The row of a code; `None` if it has none.
    #[must_use]
    pub fn row(&self, code: u32) -> Option<&[f32]> {
        let start = (code as usize).checked_mul(self.width)?;
        self.rows.get(start..start.checked_add(self.width)?)
    }
}

/// A piece of the vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    /// The number of the field that it reads.
    pub field: usize,
    /// What it makes of it.
    pub makes: Makes,
}

/// What a feature makes of its field.
#[derive(Debug, Clone, PartialEq)]
pub enum Makes {
    /// The number. Its mean and deviation stand in the graph's [`Input`] of this feature.
    Number(Number),
    /// One column per code, 1 where it is the value's or one of a list's. A blob holds the numbers of
    /// the columns that are 1 in their place, `first` and the code, one for each item that a list may
    /// have.
    Slot {
        /// From the value to a code.
        coder: Coder,
        /// The column of code 0, among the hot ones.
        first: u32,
        /// How many columns belong to it.
        columns: u32,
        /// Of a list: whether every item counts, also one whose code an earlier one has.
        count: bool,
    },
    /// Rows of a table.
    Rows {
        /// Which table.
        table: usize,
        /// How the rows of a list become one.
        pool: Pool,
    },
}

/// What happens to a number before it is standardized.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number {
    /// What a missing number counts as; NaN where the model knows none.
    pub missing: f32,
    /// The bounds at which a number is cut off, before the logarithm.
    pub clip: Option<(f32, f32)>,
    /// A logarithm.
    pub transform: Transform,
}

impl Default for Number {
    fn default() -> Self {
        Self {
            missing: f32::NAN,
            clip: None,
            transform: Transform::Identity,
        }
    }
}

/// The function that a number passes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Transform {
    /// The number as it is.
    Identity,
    /// `ln(1 + x)`.
    Log1p,
    /// `log10(x)` above the threshold.
    Log10 {
        /// Numbers up to here have no logarithm.
        threshold: f32,
        /// What they become.
        below: f32,
    },
}

/// How the rows of a list become elements of the vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    /// There is one value and one row.
    One,
    /// Their sum.
    Sum,
    /// Their mean; zeros where there are none.
    Mean,
    /// The largest of each element; zeros where there are none.
    Max,
    /// Side by side, zeros behind the last.
    Concat,
}

impl Pool {
    /// Its name in a spec.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::Max => "max",
            Self::Concat => "concat",
        }
    }
}

impl Field {
    /// A field of one value, of the context.
    #[must_use]
    pub fn new(name: &str, given: Given) -> Self {
        Self {
            name: name.into(),
            given,
            list: None,
            candidate: false,
            text: Written::default(),
        }
    }

    /// The items of a list that count; all where it is short enough.
    #[must_use]
    pub fn kept<'v, T>(&self, items: &'v [T]) -> &'v [T] {
        let Some(list) = self.list else { return items };
        let cut = items.len().saturating_sub(list.max);
        if list.keep_last {
            items.get(cut..).unwrap_or_default()
        } else {
            items.get(..items.len() - cut).unwrap_or_default()
        }
    }
}

impl Feature {
    /// The coder that it uses, if it is no number.
    #[must_use]
    pub fn coder<'f>(&'f self, front: &'f Front) -> Option<&'f Coder> {
        match &self.makes {
            Makes::Number(_) => None,
            Makes::Slot { coder, .. } => Some(coder),
            Makes::Rows { table, .. } => front.tables.get(*table).map(|t| &t.coder),
        }
    }

    /// How many elements of the vector a blob has of it: codes in place of columns, else as many as its
    /// [`width`](Self::width).
    #[must_use]
    pub fn elements(&self, front: &Front) -> usize {
        let list = front.fields.get(self.field).and_then(|f| f.list);
        match &self.makes {
            Makes::Slot { .. } => list.map_or(1, |list| list.max),
            _ => self.width(front),
        }
    }

    /// How many elements of the vector it makes, as the model was trained on them.
    #[must_use]
    pub fn width(&self, front: &Front) -> usize {
        let most = front.fields.get(self.field).and_then(|f| f.list);
        let most = most.map_or(1, |list| list.max);
        match &self.makes {
            Makes::Number(_) => 1,
            Makes::Slot { columns, .. } => *columns as usize,
            Makes::Rows { table, pool } => {
                let width = front.tables.get(*table).map_or(0, |t| t.width);
                if *pool == Pool::Concat {
                    width.saturating_mul(most)
                } else {
                    width
                }
            }
        }
    }
}

impl Front {
    /// The width of the vector.
    #[must_use]
    pub fn width(&self) -> usize {
        self.features.iter().map(|f| f.width(self)).sum()
    }

    /// Where each feature's elements lie in the vector.
    #[must_use]
    pub fn places(&self) -> Vec<std::ops::Range<usize>> {
        let mut at = 0;
        let place = |f: &Feature| {
            let start = at;
            at += f.width(self);
            start..at
        };
        self.features.iter().map(place).collect()
    }

    /// One input per feature, as [`Graph::inputs`](crate::graph::Graph::inputs) has them. The range of
    /// what tables make is known; means, deviations and ranges of numbers are the maker's to add.
    #[must_use]
    pub fn inputs(&self) -> Vec<Input> {
        let input = |f: &Feature| {
            let field = self.fields.get(f.field);
            let mut input = Input::new(field.map_or("", |f| f.name.as_str()), f.width(self));
            if let Makes::Slot { .. } = f.makes {
                input.codes = Some(f.elements(self));
            }
            let Makes::Rows { table, pool } = f.makes else {
                return input;
            };
            let rows = self.tables.get(table).map_or(&[][..], |t| &t.rows);
            let most = field.and_then(|f| f.list).map_or(1, |list| list.max);
            #[expect(clippy::cast_precision_loss, reason = "at most 255 items")]
            let times = if pool == Pool::Sum { most as f64 } else { 1.0 };
            // A code without a row makes zeros.
            let (low, high) = rows.iter().fold((0.0f64, 0.0f64), |(low, high), v| {
                (low.min(f64::from(*v)), high.max(f64::from(*v)))
            });
            Input {
                min: Some(low * times),
                max: Some(high * times),
                ..input
            }
        };
        self.features.iter().map(input).collect()
    }

    /// Whether a record may leave this field out.
    #[must_use]
    pub fn may_be_missing(&self, field: usize) -> bool {
        let mut reads = self.features.iter().filter(|f| f.field == field);
        reads.all(|f| match &f.makes {
            Makes::Number(number) => !number.missing.is_nan(),
            _ => f.coder(self).is_some_and(|c| c.missing.is_some()),
        })
    }

    /// The vector that a record makes, in f64, as the layers read it but for the standardization
    /// of its numbers ([`Graph::standardized`](crate::graph::Graph::standardized)).
    ///
    /// # Errors
    ///
    /// A record of another length, or a value of another kind than its field's.
    pub fn vector(&self, record: &[Value]) -> Result<Vec<f64>, RecordError> {
        if record.len() != self.fields.len() {
            return Err(RecordError::Length {
                expected: self.fields.len(),
                found: record.len(),
            });
        }
        let mut vector = Vec::with_capacity(self.width());
        for feature in &self.features {
            let wrong = || RecordError::Kind {
                field: feature.field,
                name: self
                    .fields
                    .get(feature.field)
                    .map_or_else(String::new, |f| f.name.clone()),
            };
            let value = record.get(feature.field).ok_or_else(wrong)?;
            let part = self.elements(feature, value).ok_or_else(wrong)?;
            vector.extend(part);
        }
        Ok(vector)
    }

    /// What one feature makes of its value; `None` for a value of the wrong kind.
    fn elements(&self, feature: &Feature, value: &Value) -> Option<Vec<f64>> {
        if let Makes::Number(number) = &feature.makes {
            return Some(vec![number.of(value)?]);
        }
        let codes = self.codes(feature, value)?;
        let width = feature.width(self);
        match &feature.makes {
            Makes::Number(_) => None,
            Makes::Slot { count, .. } => {
                let mut columns = vec![0.0; width];
                for code in codes {
                    if let Some(column) = columns.get_mut(code as usize) {
                        *column = if *count { *column + 1.0 } else { 1.0 };
                    }
                }
                Some(columns)
            }
            Makes::Rows { table, pool } => {
                let table = self.tables.get(*table)?;
                let rows: Vec<Option<&[f32]>> = codes.iter().map(|c| table.row(*c)).collect();
                Some(pooled(*pool, &rows, width))
            }
        }
    }

    /// The codes of a value's items, those that count; `None` for a value of the wrong kind.
    #[must_use]
    pub fn codes(&self, feature: &Feature, value: &Value) -> Option<Vec<u32>> {
        let (field, coder) = (self.fields.get(feature.field)?, feature.coder(self)?);
        if field.list.is_none() {
            return Some(vec![match value {
                Value::Missing => coder.missing?,
                value => coder.code(value.item()?)?,
            }]);
        }
        match value {
            Value::Missing => Some(Vec::new()),
            Value::Ids(ids) => {
                let kept = field.kept(ids).iter();
                kept.map(|id| coder.code(Item::Id(*id))).collect()
            }
            Value::Texts(texts) => {
                let kept = field.kept(texts).iter();
                kept.map(|text| coder.code(Item::Text(text))).collect()
            }
            _ => None,
        }
    }
}

impl Number {
    /// What a value counts as; `None` for one that is no number.
    fn of(&self, value: &Value) -> Option<f64> {
        let x = match value {
            Value::Missing => self.missing,
            Value::Number(x) if x.is_nan() => self.missing,
            Value::Number(x) => *x,
            #[expect(clippy::cast_precision_loss, reason = "the engine rounds here as well")]
            Value::Int(x) => *x as f32,
            _ => return None,
        };
        let x = match self.clip {
            Some((low, high)) if x < low => low.min(high),
            Some((_, high)) if x > high => high,
            _ => x,
        };
        let x = f64::from(x);
        Some(match self.transform {
            Transform::Identity => x,
            Transform::Log1p => x.ln_1p(),
            Transform::Log10 { threshold, .. } if x > f64::from(threshold) => x.log10(),
            Transform::Log10 { below, .. } => f64::from(below),
        })
    }
}

/// Rows as one; `None` stands for an item without a row.
fn pooled(pool: Pool, rows: &[Option<&[f32]>], width: usize) -> Vec<f64> {
    if pool == Pool::Concat || pool == Pool::One {
        let each = width.checked_div(rows.len().max(1)).unwrap_or(0);
        let mut side: Vec<f64> = Vec::with_capacity(width);
        for row in rows {
            match row {
                Some(row) => side.extend(row.iter().map(|v| f64::from(*v))),
                None => side.extend(std::iter::repeat_n(0.0, each)),
            }
        }
        side.resize(width, 0.0);
        return side;
    }
    let found: Vec<&[f32]> = rows.iter().flatten().copied().collect();
    let column = |i: usize| found.iter().map(move |row| f64::from(row[i]));
    #[expect(clippy::cast_precision_loss, reason = "at most 255 items")]
    let n = found.len().max(1) as f64;
    (0..width)
        .map(|i| match pool {
            Pool::Mean => column(i).sum::<f64>() / n,
            Pool::Max if !found.is_empty() => column(i).fold(f64::NEG_INFINITY, f64::max),
            Pool::Max => 0.0,
            _ => column(i).sum(),
        })
        .collect()
}

#[cfg(test)]
mod tests;
