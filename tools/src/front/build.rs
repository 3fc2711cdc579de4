//! Building a front end from what a framework's files say.
//!
//! Frameworks keep one row per code, in their own order, with rows for padding and for unknown values
//! wherever they like. A [`Builder`] takes tables and vocabularies as they stand there, and makes what a
//! blob holds of them: rows in the order in which a device looks its keys up, the special ones last.

use super::record::Record;
use super::{Bounds, By, Coder, Feature, Field, FrontError, Makes, NONE, Number, Pool, Table};
use crate::graph::Input;

/// Tokens of fewer bytes than this, on average, are stored beside their hashes.
const SHORT: usize = 8;

/// From a value to the row of a framework's table. A row of `None` is zeros, and no item of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Lookup {
    /// The known values.
    pub keys: Keys,
    /// The row of a value that is not known.
    pub other: Option<usize>,
    /// The row of a value that is not there; `None`: there always is one.
    pub missing: Option<Option<usize>>,
}

/// The values that a [`Lookup`] knows, with their rows.
#[derive(Debug, Clone, PartialEq)]
pub enum Keys {
    /// Ids are rows: so many.
    Rows(usize),
    /// Ids.
    Ids(Vec<(u32, Option<usize>)>),
    /// Tokens, and how a device finds them.
    Texts(Vec<(String, Option<usize>)>, Match),
    /// Buckets of numbers or of hashes, with the row of each.
    Buckets(By, Vec<Option<usize>>),
}

/// How a device finds a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Match {
    /// Exactly where tokens are short, else by their hash.
    #[default]
    Shorter,
    /// By its bytes.
    Exact,
    /// By its hash alone.
    Hash,
    /// The caller gives an enumeration's variant.
    Named,
}

impl Keys {
    /// Tokens, found in whichever way is smaller.
    #[must_use]
    pub fn texts(texts: Vec<(String, Option<usize>)>) -> Self {
        Self::Texts(texts, Match::default())
    }

    /// Ranges of numbers: row 0 is that below the first bound.
    #[must_use]
    pub fn ranges(bounds: Bounds) -> Self {
        let rows = (0..=bounds.len()).map(Some).collect();
        Self::Buckets(By::Buckets(bounds), rows)
    }

    /// Buckets of a hash: the row of bucket 0 is `first`, and the others follow.
    #[must_use]
    pub fn hashed(by: By, first: usize) -> Self {
        let rows = first..first.saturating_add(by.buckets());
        let rows = rows.map(Some).collect();
        Self::Buckets(by, rows)
    }
}

impl Lookup {
    /// The rows that it names, each once: those of values first.
    #[must_use]
    pub fn rows(&self) -> Vec<usize> {
        let keys: Vec<Option<usize>> = match &self.keys {
            Keys::Rows(count) => (0..*count).map(Some).collect(),
            Keys::Ids(ids) => ids.iter().map(|(_, row)| *row).collect(),
            Keys::Texts(texts, _) => texts.iter().map(|(_, row)| *row).collect(),
            Keys::Buckets(_, rows) => rows.clone(),
        };
        let mut seen = std::collections::HashSet::new();
        let special = [self.missing.flatten(), self.other];
        let rows = keys.into_iter().chain(special).flatten();
        rows.filter(|row| seen.insert(*row)).collect()
    }

    /// Whether it is one.
    ///
    /// # Errors
    ///
    /// A token or an id that stands twice, or more tokens than hashes keep apart.
    pub fn check(&self) -> Result<(), FrontError> {
        self.codes(0).map(drop)
    }

    /// The coder, and the row of each of its codes: those of values first, in the order in which a
    /// device looks them up, and then those of special rows, once each. There are `most` rows, all of
    /// which stay where ids are rows.
    fn codes(&self, most: usize) -> Result<(Coder, Vec<Option<usize>>), FrontError> {
        let (mut coder, mut rows): (Coder, Vec<Option<usize>>) = match &self.keys {
            Keys::Rows(count) => {
                let entries = u32::try_from(*count).unwrap_or(NONE);
                let by = By::Direct {
                    entries,
                    other: NONE,
                };
                let rows = 0..most.max(*count);
                (Coder { by, missing: None }, rows.map(Some).collect())
            }
            Keys::Ids(ids) => {
                let keys: Vec<u32> = ids.iter().map(|(id, _)| *id).collect();
                let (coder, order) = Coder::ids(&keys, NONE)?;
                (coder, order.iter().map(|at| ids[*at].1).collect())
            }
            Keys::Texts(texts, how) => {
                let keys: Vec<String> = texts.iter().map(|(text, _)| text.clone()).collect();
                let bytes: usize = keys.iter().map(String::len).sum();
                let exact = match how {
                    Match::Shorter => bytes < SHORT * keys.len(),
                    how => *how == Match::Exact,
                };
                if *how == Match::Named {
                    let by = By::Named {
                        tokens: keys,
                        other: NONE,
                    };
                    let rows = texts.iter().map(|(_, row)| *row).collect();
                    (Coder { by, missing: None }, rows)
                } else {
                    let (coder, order) = Coder::tokens(keys, NONE, exact)?;
                    (coder, order.iter().map(|at| texts[*at].1).collect())
                }
            }
            Keys::Buckets(by, rows) => {
                let by = by.clone();
                (Coder { by, missing: None }, rows.clone())
            }
        };
        // Tokens and sorted ids have codes of their own for special rows, so that a device tells an
        // unknown value from a known one.
        let special = match self.keys {
            Keys::Rows(_) | Keys::Buckets(..) => 0,
            Keys::Ids(_) | Keys::Texts(..) => rows.len(),
        };
        let mut code = |row: Option<usize>| -> u32 {
            let Some(row) = row else { return NONE };
            let found = rows.iter().skip(special).position(|r| *r == Some(row));
            let at = found.map_or(rows.len(), |at| at + special);
            if at == rows.len() {
                rows.push(Some(row));
            }
            u32::try_from(at).unwrap_or(NONE)
        };
        // In the order of the record: what is missing, then what is unknown.
        coder.missing = self.missing.map(&mut code);
        let unknown = code(self.other);
        match &mut coder.by {
            By::Direct { other, .. }
            | By::Sorted { other, .. }
            | By::Tokens { other, .. }
            | By::Named { other, .. } => *other = unknown,
            By::Buckets(_) | By::Farm(_) | By::Sip(..) | By::Murmur(_) => {}
        }
        Ok((coder, rows))
    }
}

/// The rows of a framework's table.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rows {
    /// The tensor that they come from.
    pub name: String,
    /// Row after row.
    pub data: Vec<f32>,
    /// Numbers of a row.
    pub width: usize,
}

impl Rows {
    /// One column per code, 1 where the row is that code.
    #[must_use]
    pub fn one_hot(name: &str, columns: usize) -> Self {
        let mut data = vec![0.0; columns.saturating_mul(columns)];
        data.iter_mut().step_by(columns + 1).for_each(|v| *v = 1.0);
        Self {
            name: name.into(),
            data,
            width: columns,
        }
    }

    /// How many rows there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.data.len().checked_div(self.width).unwrap_or(0)
    }

    fn row(&self, row: Option<usize>) -> Option<&[f32]> {
        let start = row?.checked_mul(self.width)?;
        self.data.get(start..start.checked_add(self.width)?)
    }
}

/// How a number becomes elements of the vector that the framework's layers read:
/// `weight · (x − mean) / std`, one element per weight.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaling {
    /// Taken off, where the file says it.
    pub mean: Option<f64>,
    /// Divided by, where the file says it; above 0.
    pub std: Option<f64>,
    /// The smallest and the largest number to expect, where the file says them.
    pub range: Option<(f64, f64)>,
    /// What the framework multiplies it with.
    pub weights: Vec<f64>,
}

impl Default for Scaling {
    fn default() -> Self {
        Self {
            mean: None,
            std: None,
            range: None,
            weights: vec![1.0],
        }
    }
}

impl Scaling {
    /// `(x − mean) / std`.
    #[must_use]
    pub fn new(mean: f64, std: f64) -> Self {
        let told = (mean, std) != (0.0, 1.0);
        Self {
            mean: told.then_some(mean),
            std: told.then_some(std),
            ..Self::default()
        }
    }
}

/// Collects fields, tables and features in the order of the framework's vector.
#[derive(Debug, Default)]
pub struct Builder {
    record: Record,
}

impl Builder {
    /// The number of a field, which is added where no field has its name yet.
    pub fn field(&mut self, field: Field) -> usize {
        let fields = &mut self.record.front.fields;
        fields
            .iter()
            .position(|f| f.name == field.name)
            .unwrap_or_else(|| {
                fields.push(field);
                fields.len() - 1
            })
    }

    /// Says something to the person who converts.
    pub fn note(&mut self, note: String) {
        if !self.record.notes.contains(&note) {
            self.record.notes.push(note);
        }
    }

    /// Notes that a tensor became a part of it.
    pub fn reads(&mut self, tensor: &str) {
        self.record.tensors.push(tensor.into());
    }

    /// The next elements of the framework's vector: a number.
    pub fn number(&mut self, field: usize, number: Number, scaling: &Scaling) {
        let wide = self.record.wide;
        let weights = scaling.weights.iter().zip(wide..);
        let column = weights.map(|(w, at)| (at, *w)).collect();
        self.record.wide += scaling.weights.len();
        let mut input = Input::new(&self.name(field), 1);
        (input.mean, input.std) = (scaling.mean, scaling.std);
        if let Some((low, high)) = scaling.range {
            (input.min, input.max) = (Some(low), Some(high));
        }
        let makes = Makes::Number(number);
        self.record.columns.push(column);
        self.record.inputs.push(input);
        self.record.front.features.push(Feature { field, makes });
    }

    /// The next elements of the framework's vector: rows of a table, pooled.
    ///
    /// # Errors
    ///
    /// A token or an id that stands twice; a row that the table does not have.
    pub fn rows(
        &mut self,
        field: usize,
        lookup: &Lookup,
        rows: &Rows,
        pool: Pool,
    ) -> Result<(), FrontError> {
        let table = self.table(field, lookup, rows)?;
        let makes = Makes::Rows { table, pool };
        let feature = Feature { field, makes };
        let width = feature.width(&self.record.front);
        let places = self.record.wide..self.record.wide + width;
        self.record.wide += width;
        self.record.columns.extend(places.map(|at| vec![(at, 1.0)]));
        let input = Input::new(&self.name(field), width);
        self.record.inputs.push(input);
        self.record.front.features.push(feature);
        Ok(())
    }

    /// The next `columns` elements of the framework's vector: one-hot columns, of which a value's row
    /// is the one that is 1. Those of a list are 1 where one of its items is such a value.
    ///
    /// # Errors
    ///
    /// A token or an id that stands twice.
    pub fn hot(&mut self, field: usize, lookup: &Lookup, columns: usize) -> Result<(), FrontError> {
        let (coder, rows) = lookup.codes(columns)?;
        let list = self.record.front.fields.get(field).and_then(|f| f.list);
        let most = list.map_or(1, |list| list.max);
        let mut seen = std::collections::HashSet::new();
        let again = rows.iter().flatten().any(|row| !seen.insert(*row));
        if most >= rows.len() || list.is_some() && again {
            // Codes would be more than columns, or two of them one column.
            let table = Rows::one_hot(&self.name(field), columns);
            let pool = if list.is_some() { Pool::Max } else { Pool::One };
            return self.rows(field, lookup, &table, pool);
        }
        let wide = self.record.wide;
        let column = |row: &Option<usize>| row.map(|row| (wide + row, 1.0)).into_iter().collect();
        self.record.columns.extend(rows.iter().map(column));
        self.record.wide += columns;
        let makes = Makes::Slot {
            coder,
            first: 0,
            columns: u32::try_from(rows.len()).unwrap_or(NONE),
            count: false,
        };
        let mut input = Input::one_hot(&self.name(field), rows.len());
        input.codes = Some(most);
        self.record.inputs.push(input);
        self.record.front.features.push(Feature { field, makes });
        Ok(())
    }

    /// The front end, checked.
    ///
    /// # Errors
    ///
    /// As [`crate::front::Front::check`].
    pub fn finish(self) -> Result<Record, FrontError> {
        let mut record = self.record;
        let known = record.front.inputs();
        for (input, known) in record.inputs.iter_mut().zip(known) {
            if known.min.is_some() {
                (input.min, input.max) = (known.min, known.max);
            }
        }
        if record.front.fields.iter().any(|field| field.candidate) {
            // Codes stand behind all numbers, and those of the candidate behind the context's.
            record.expand();
        }
        record.order();
        record.front.check()?;
        Ok(record)
    }

    fn name(&self, field: usize) -> String {
        let field = self.record.front.fields.get(field);
        field.map_or_else(String::new, |f| f.name.clone())
    }

    /// A table with its coder; one that is there already serves twice.
    fn table(&mut self, field: usize, lookup: &Lookup, rows: &Rows) -> Result<usize, FrontError> {
        let (coder, codes) = lookup.codes(rows.count())?;
        let zeros = vec![0.0; rows.width];
        let mut data: Vec<f32> = Vec::with_capacity(codes.len() * rows.width);
        for row in codes {
            let found = match row {
                None => &zeros[..],
                Some(at) => rows.row(row).ok_or_else(|| FrontError::Field {
                    field: self.name(field),
                    what: format!("it has a code {at}"),
                    remedy: format!(
                        "`{}` has {} rows: is it the table of another field?",
                        rows.name,
                        rows.count()
                    ),
                })?,
            };
            data.extend(found);
        }
        let table = Table {
            name: rows.name.clone(),
            coder,
            rows: data,
            width: rows.width,
        };
        let tables = &mut self.record.front.tables;
        Ok(tables.iter().position(|t| *t == table).unwrap_or_else(|| {
            tables.push(table);
            tables.len() - 1
        }))
    }
}
