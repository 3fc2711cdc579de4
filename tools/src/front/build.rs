//! Building a front end from what a framework's files say.
//!
//! Frameworks keep one row per code, in their own order, with rows for padding and for unknown values
//! wherever they like. A [`Builder`] takes tables and vocabularies as they stand there, and makes what a
//! blob holds of them: rows in the order in which a device looks its keys up, the special ones last.

use super::{
    Bounds, By, Coder, Feature, Field, Front, FrontError, Makes, NONE, Number, Pool, Table,
};
use crate::error::ModelError;
use crate::graph::{Dense, Graph, Input, Layer};

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
    /// Tokens.
    Texts(Vec<(String, Option<usize>)>),
    /// A bucket is a row: the first one is below the first bound.
    Buckets(Bounds),
    /// The hash of a text, or of a number's decimals.
    Hashed {
        /// How, and into how many buckets.
        by: By,
        /// The row of bucket 0; the others follow it.
        first: usize,
    },
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
    /// Taken off.
    pub mean: f64,
    /// Divided by; above 0.
    pub std: f64,
    /// The smallest and the largest number to expect, where the file says them.
    pub range: Option<(f64, f64)>,
    /// What the framework multiplies it with.
    pub weights: Vec<f64>,
}

impl Default for Scaling {
    fn default() -> Self {
        Self {
            mean: 0.0,
            std: 1.0,
            range: None,
            weights: vec![1.0],
        }
    }
}

/// A front end, and what its features have to do with the vector of the framework's layers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Record {
    /// The front end.
    pub front: Front,
    /// What is known about each feature, as [`Graph::inputs`] has it.
    pub inputs: Vec<Input>,
    /// What a person should know about it, a line each.
    pub notes: Vec<String>,
    /// The tensors that it is made of, where they are not the names of its tables.
    pub tensors: Vec<String>,
    /// Whether the file of the weights says it, and no other.
    pub of_weights: bool,
    /// Per element of the front end's vector: the elements of the framework's that it stands for, and
    /// their weights.
    columns: Vec<Vec<(usize, f64)>>,
}

/// Collects fields, tables and features in the order of the framework's vector.
#[derive(Debug, Default)]
pub struct Builder {
    record: Record,
    /// How wide the framework's vector is so far.
    wide: usize,
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
        let weights = scaling.weights.iter().zip(self.wide..);
        let column = weights.map(|(w, at)| (at, *w)).collect();
        self.wide += scaling.weights.len();
        let mut input = Input::new(&self.name(field), 1);
        if (scaling.mean, scaling.std) != (0.0, 1.0) {
            (input.mean, input.std) = (Some(scaling.mean), Some(scaling.std));
        }
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
        let width = rows.width;
        let places = self.wide..self.wide + width;
        self.wide += width;
        self.record.columns.extend(places.map(|at| vec![(at, 1.0)]));
        self.record
            .inputs
            .push(Input::new(&self.name(field), width));
        let makes = Makes::Rows { table, pool };
        self.record.front.features.push(Feature { field, makes });
        Ok(())
    }

    /// The front end, checked.
    ///
    /// # Errors
    ///
    /// As [`Front::check`].
    pub fn finish(self) -> Result<Record, FrontError> {
        let mut record = self.record;
        record.order(|field| field.candidate);
        record.front.check()?;
        Ok(record)
    }

    fn name(&self, field: usize) -> String {
        let field = self.record.front.fields.get(field);
        field.map_or_else(String::new, |f| f.name.clone())
    }

    /// A table with its coder; one that is there already serves twice.
    fn table(&mut self, field: usize, lookup: &Lookup, rows: &Rows) -> Result<usize, FrontError> {
        let wrong = |what: String| FrontError::Field {
            field: self.name(field),
            what,
            remedy: format!(
                "`{}` has {} rows: is it the table of another field?",
                rows.name,
                rows.count()
            ),
        };
        let mut data: Vec<f32> = Vec::new();
        let zeros = vec![0.0; rows.width];
        let push = |data: &mut Vec<f32>, row: Option<usize>| -> Result<(), FrontError> {
            let found = match row {
                None => &zeros[..],
                Some(at) => rows
                    .row(row)
                    .ok_or_else(|| wrong(format!("it has a code {at}")))?,
            };
            data.extend(found);
            Ok(())
        };
        // Special rows stand behind those of the keys, once each, except where codes are rows.
        let mut special: Vec<usize> = Vec::new();
        let mut code_of = |row: Option<usize>, keys: usize| -> u32 {
            let Some(row) = row else { return NONE };
            let place = special.iter().position(|r| *r == row);
            let place = place.unwrap_or_else(|| {
                special.push(row);
                special.len() - 1
            });
            u32::try_from(keys + place).unwrap_or(NONE)
        };
        let direct = |row: Option<usize>| row.and_then(|r| u32::try_from(r).ok()).unwrap_or(NONE);
        let coder = match &lookup.keys {
            Keys::Rows(count) => {
                (0..*count.max(&rows.count())).try_for_each(|at| push(&mut data, Some(at)))?;
                Coder {
                    by: By::Direct {
                        entries: u32::try_from(*count).unwrap_or(NONE),
                        other: direct(lookup.other),
                    },
                    missing: lookup.missing.map(direct),
                }
            }
            Keys::Ids(ids) => {
                let keys: Vec<u32> = ids.iter().map(|(id, _)| *id).collect();
                let other = code_of(lookup.other, keys.len());
                let (mut coder, order) = Coder::ids(&keys, other)?;
                coder.missing = lookup.missing.map(|row| code_of(row, keys.len()));
                order
                    .iter()
                    .try_for_each(|at| push(&mut data, ids[*at].1))?;
                coder
            }
            Keys::Texts(texts) => {
                let keys: Vec<String> = texts.iter().map(|(text, _)| text.clone()).collect();
                let bytes: usize = keys.iter().map(String::len).sum();
                let exact = bytes < SHORT * keys.len();
                let other = code_of(lookup.other, keys.len());
                let (mut coder, order) = Coder::tokens(keys, other, exact)?;
                coder.missing = lookup.missing.map(|row| code_of(row, texts.len()));
                order
                    .iter()
                    .try_for_each(|at| push(&mut data, texts[*at].1))?;
                coder
            }
            Keys::Buckets(bounds) => {
                let keys = bounds.len() + 1;
                (0..keys).try_for_each(|at| push(&mut data, Some(at)))?;
                let known = |row: Option<usize>| row.filter(|r| *r < keys).map(Some);
                let missing = lookup.missing.map(|row| match known(row) {
                    Some(row) => direct(row),
                    None => code_of(row, keys),
                });
                let by = By::Buckets(bounds.clone());
                Coder { by, missing }
            }
            Keys::Hashed { by, first } => {
                let keys = match by {
                    By::Farm(n) | By::Sip(n, _) | By::Murmur(n) => *n as usize,
                    _ => 0,
                };
                (*first..first + keys).try_for_each(|at| push(&mut data, Some(at)))?;
                let missing = lookup.missing.map(|row| match row {
                    Some(row) if (*first..first + keys).contains(&row) => direct(Some(row - first)),
                    row => code_of(row, keys),
                });
                let by = by.clone();
                Coder { by, missing }
            }
        };
        special
            .iter()
            .try_for_each(|row| push(&mut data, Some(*row)))?;
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

impl Record {
    /// Puts the features into the order of this key of their fields, and the fields into that of the
    /// features; what has one key stays in order.
    fn order<K: Ord>(&mut self, key: impl Fn(&Field) -> K) {
        let front = &self.front;
        let mut order: Vec<usize> = (0..front.features.len()).collect();
        order.sort_by_key(|f| front.fields.get(front.features[*f].field).map(&key));
        let places = front.places();
        let columns = order.iter().flat_map(|f| places[*f].clone());
        self.columns = columns.map(|at| self.columns[at].clone()).collect();
        self.inputs = order.iter().map(|f| self.inputs[*f].clone()).collect();
        let mut read: Vec<usize> = Vec::new();
        let mut features = Vec::with_capacity(order.len());
        for at in order {
            let mut feature = front.features[at].clone();
            let place = read.iter().position(|f| *f == feature.field);
            feature.field = place.unwrap_or_else(|| {
                read.push(self.front.features[at].field);
                read.len() - 1
            });
            features.push(feature);
        }
        let fields = read.iter().filter_map(|f| front.fields.get(*f).cloned());
        self.front.fields = fields.collect();
        self.front.features = features;
    }

    /// How many elements the framework's vector has.
    #[must_use]
    pub fn wide(&self) -> usize {
        let columns = self.columns.iter().flatten();
        columns.map(|(at, _)| at + 1).max().unwrap_or(0)
    }

    /// Puts the front end before a graph whose layers read the framework's vector. With `fold` the
    /// numbers' means and deviations become part of those layers.
    ///
    /// # Errors
    ///
    /// A graph whose input has another width; a layer that reads the vector and is no dense one where
    /// elements of the vector are not the framework's own.
    pub fn put_before(&self, graph: &mut Graph, fold: bool) -> Result<(), ModelError> {
        let width: usize = graph.inputs.iter().map(|i| i.count).sum();
        if width != self.wide() {
            return Err(ModelError::Invalid {
                place: "the record".into(),
                what: format!(
                    "its fields make {} elements and the layers read {width}",
                    self.wide()
                ),
                remedy: "every field of the model must be there, in the order of its vector".into(),
            });
        }
        let mut inputs = self.inputs.clone();
        let mut scalings = Vec::with_capacity(self.columns.len());
        for input in &mut inputs {
            let scaled = fold && !input.folded && input.mean.is_some();
            let scaling = if scaled { input.scaling() } else { (0.0, 1.0) };
            input.folded |= scaled;
            scalings.extend(std::iter::repeat_n(scaling, input.count));
        }
        let own = (0..).zip(&self.columns).all(|(at, c)| *c == [(at, 1.0)]);
        if !own || scalings.iter().any(|s| *s != (0.0, 1.0)) {
            for node in graph.nodes.iter_mut().filter(|n| n.src == 0) {
                match node.layers.first_mut() {
                    Some(Layer::Constant { .. }) => {}
                    Some(Layer::Dense(dense)) if node.start == 0 && dense.inputs == width => {
                        rewire(dense, &self.columns, &scalings);
                    }
                    _ => {
                        return Err(ModelError::Unsupported {
                            place: "the record".into(),
                            what:
                                "numbers that are scaled in front of a part of the vector, or of \
                                   a norm,"
                                    .into(),
                            remedy: "every expert and gate must read the whole vector through a \
                                     dense layer"
                                .into(),
                        });
                    }
                }
                node.inputs = self.columns.len();
            }
        }
        graph.feature_names = self.front.fields.iter().map(|f| f.name.clone()).collect();
        graph.inputs = inputs;
        graph.front = Some(self.front.clone());
        Ok(())
    }
}

/// A dense layer on the front end's vector instead of the framework's.
#[expect(clippy::cast_possible_truncation, reason = "weights are f32 again")]
fn rewire(dense: &mut Dense, columns: &[Vec<(usize, f64)>], scalings: &[(f64, f64)]) {
    let mut weight = Vec::with_capacity(dense.outputs * columns.len());
    let rows = dense.weight.chunks_exact(dense.inputs.max(1));
    for (row, bias) in rows.zip(&mut dense.bias) {
        let mut shift = f64::from(*bias);
        for (column, (mean, std)) in columns.iter().zip(scalings) {
            let parts = column.iter();
            let sum: f64 = parts
                .map(|(at, w)| f64::from(row.get(*at).copied().unwrap_or(0.0)) * w)
                .sum();
            let scaled = sum / std;
            shift -= scaled * mean;
            weight.push(scaled as f32);
        }
        *bias = shift as f32;
    }
    dense.weight = weight;
    dense.inputs = columns.len();
}
