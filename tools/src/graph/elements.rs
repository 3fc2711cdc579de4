//! One-hot columns as codes: what a blob reads in place of a vector that has such columns.
//!
//! A graph's input is the vector that the model was trained on. Where some of its runs are one-hot
//! ([`Input::codes`]), the blob's input is shorter: first the numbers, in the order of the vector, and
//! then the codes, of which each names one of the one-hot columns. The first layers of the blob have
//! their columns in that order too. Everything between, such as the evaluation and the quantizer, works
//! on the vector.

use super::{Graph, Input, Layer, Node};
use crate::data::Rows;
use std::ops::Range;

/// The number of a code that names no column.
pub const NO_CODE: f32 = -1.0;

/// How a vector becomes numbers and codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elements {
    /// The columns of the vector that are numbers, ascending.
    pub numbers: Vec<usize>,
    /// The runs that are one-hot, in the order of the vector.
    pub fields: Vec<HotField>,
}

/// A run of one-hot columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HotField {
    /// For people.
    pub name: String,
    /// Its columns in the vector.
    pub columns: Range<usize>,
    /// The code of the first of them.
    pub first: usize,
    /// How many of them may be 1 at a time: so many codes it has.
    pub codes: usize,
}

/// What a node reads of the elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reads {
    /// The first element.
    pub start: usize,
    /// How many.
    pub inputs: usize,
    /// How many of them are numbers, where there are codes among them.
    pub numbers: Option<usize>,
    /// For each column of the blob's layer the graph's.
    pub columns: Vec<usize>,
}

/// A row that is no vector of the model: a one-hot run is not one-hot.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NotOneHot {
    /// A value other than 0 and 1.
    #[error(
        "column {column} (the first is 0) of the one-hot field `{field}` is {value}; such columns are 0 or 1"
    )]
    Value {
        /// The field.
        field: String,
        /// The column of the vector.
        column: usize,
        /// What it holds.
        value: f32,
    },
    /// More columns are 1 than the field has codes.
    #[error("{found} columns of the one-hot field `{field}` are 1; at most {codes} may be")]
    Many {
        /// The field.
        field: String,
        /// How many are.
        found: usize,
        /// How many may be.
        codes: usize,
    },
}

impl Graph {
    /// How the blob reads the graph's vector, where some of its columns are one-hot.
    #[must_use]
    pub fn elements(&self) -> Option<Elements> {
        let runs = self
            .inputs
            .iter()
            .map(|i| (i.name.as_str(), i.count, i.codes));
        Elements::of(runs)
    }

    /// What node `node` reads of the blob's elements; `None` where it is what the graph says, because
    /// no column is one-hot or the node reads another value.
    ///
    /// # Errors
    ///
    /// Why codes cannot take the place of what it reads.
    pub fn element_reads(&self, node: &Node) -> Result<Option<Reads>, &'static str> {
        let Some(elements) = self.elements().filter(|_| node.src == 0) else {
            return Ok(None);
        };
        if let Some(Layer::Constant { .. }) = node.layers.first() {
            // It looks at nothing.
            return Ok(Some(Reads {
                start: 0,
                inputs: elements.len(),
                numbers: None,
                columns: Vec::new(),
            }));
        }
        let reads = elements.reads(node.start..node.start + node.inputs);
        let reads = reads.ok_or(
            "it reads a part of the input that numbers and codes cannot stand for: numbers alone, or \
             whole one-hot fields from the first on with the numbers before them",
        )?;
        match node.layers.first() {
            Some(Layer::Dense(_)) => Ok(Some(reads)),
            _ if reads.numbers.is_none() => Ok(Some(reads)),
            _ => Err("it does not begin with a dense layer, and only those read codes"),
        }
    }

    /// Where the one-hot runs lie that node `node` reads, among its own columns. At most one column
    /// of each run is 1, or as many as it has codes, which stand behind it.
    #[must_use]
    pub fn hot_runs(&self, node: &Node) -> Vec<(Range<usize>, usize)> {
        let Some(elements) = self.elements().filter(|_| node.src == 0) else {
            return Vec::new();
        };
        let end = node.start + node.inputs;
        let inside = |f: &&HotField| f.columns.start >= node.start && f.columns.end <= end;
        let own = |f: &HotField| {
            let columns = f.columns.start - node.start..f.columns.end - node.start;
            (columns, f.codes)
        };
        elements.fields.iter().filter(inside).map(own).collect()
    }
}

impl Elements {
    /// Of runs of columns with a name, a length, and a number of codes where they are one-hot. `None`
    /// where no run is.
    #[must_use]
    pub fn of<'n>(runs: impl Iterator<Item = (&'n str, usize, Option<usize>)>) -> Option<Self> {
        let (mut at, mut first) = (0, 0);
        let (mut numbers, mut fields) = (Vec::new(), Vec::new());
        for (name, count, codes) in runs {
            let columns = at..at + count;
            at += count;
            let Some(codes) = codes else {
                numbers.extend(columns);
                continue;
            };
            fields.push(HotField {
                name: name.into(),
                columns,
                first,
                codes,
            });
            first += count;
        }
        (!fields.is_empty()).then_some(Self { numbers, fields })
    }

    /// Of what a blob's section holds: lengths and numbers of codes, 0 for numbers. `names` are those
    /// of the elements, or empty.
    #[must_use]
    pub fn of_section(content: &[u8], names: &[String]) -> Option<Self> {
        let runs: Vec<(u32, u32)> = postcard::from_bytes(content).ok()?;
        let runs = runs.iter().map(|(count, codes)| {
            let codes = (*codes > 0).then_some(*codes as usize);
            ("", *count as usize, codes)
        });
        let total: usize = runs.clone().map(|r| r.1).sum();
        if total > super::rules::MAX_WIDTH {
            return None;
        }
        let mut elements = Self::of(runs)?;
        let mut at = elements.numbers.len();
        for (n, field) in elements.fields.iter_mut().enumerate() {
            field.name = names
                .get(at)
                .cloned()
                .unwrap_or_else(|| format!("field {n}"));
            at += field.codes;
        }
        Some(elements)
    }

    /// What [`of_section`](Self::of_section) reads.
    #[must_use]
    pub fn section(&self) -> Vec<u8> {
        let mut runs: Vec<(u32, u32)> = Vec::new();
        let mut at = 0;
        for field in &self.fields {
            if field.columns.start > at {
                runs.push(((field.columns.start - at) as u32, 0));
            }
            runs.push((field.columns.len() as u32, field.codes as u32));
            at = field.columns.end;
        }
        if self.width() > at {
            runs.push(((self.width() - at) as u32, 0));
        }
        postcard::to_stdvec(&runs).unwrap_or_default()
    }

    /// How wide the vector is.
    #[must_use]
    pub fn width(&self) -> usize {
        self.numbers.len() + self.hot()
    }

    /// How many columns of the vector are one-hot.
    #[must_use]
    pub fn hot(&self) -> usize {
        self.fields.iter().map(|f| f.columns.len()).sum()
    }

    /// How many elements there are: numbers and codes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.numbers.len() + self.codes()
    }

    /// Never.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn codes(&self) -> usize {
        self.fields.iter().map(|f| f.codes).sum()
    }

    /// The columns of the vector in the blob's order: numbers, then one-hot ones.
    pub fn order(&self) -> impl Iterator<Item = usize> {
        let hot = self.fields.iter().flat_map(|f| f.columns.clone());
        self.numbers.iter().copied().chain(hot)
    }

    /// The names of the elements, of one for every column of the vector; none of none.
    #[must_use]
    pub fn names(&self, of_columns: &[String]) -> Vec<String> {
        if of_columns.is_empty() {
            return Vec::new();
        }
        let numbers = self
            .numbers
            .iter()
            .filter_map(|c| of_columns.get(*c))
            .cloned();
        let codes = self.fields.iter().flat_map(|f| {
            (0..f.codes).map(|i| match f.codes {
                1 => f.name.clone(),
                _ => format!("{}_{i}", f.name),
            })
        });
        numbers.chain(codes).collect()
    }

    /// What stands for a vector: its numbers, and the columns that are 1 as codes.
    ///
    /// # Errors
    ///
    /// [`NotOneHot`].
    pub fn row(&self, x: &[f32]) -> Result<Vec<f32>, NotOneHot> {
        let mut row: Vec<f32> = self.numbers.iter().map(|c| x[*c]).collect();
        for field in &self.fields {
            let from = row.len();
            for (code, column) in (field.first..).zip(field.columns.clone()) {
                match x[column] {
                    0.0 => {}
                    1.0 => row.push(code as f32),
                    value => {
                        let field = field.name.clone();
                        return Err(NotOneHot::Value {
                            field,
                            column,
                            value,
                        });
                    }
                }
            }
            let found = row.len() - from;
            if found > field.codes {
                return Err(NotOneHot::Many {
                    field: field.name.clone(),
                    found,
                    codes: field.codes,
                });
            }
            row.resize(from + field.codes, NO_CODE);
        }
        Ok(row)
    }

    /// The vector that numbers and codes stand for.
    #[must_use]
    pub fn vector(&self, row: &[f32]) -> Vec<f32> {
        let mut x = vec![0.0; self.width()];
        let (numbers, codes) = row.split_at(self.numbers.len());
        for (c, v) in self.numbers.iter().zip(numbers) {
            x[*c] = *v;
        }
        let hot: Vec<usize> = self.order().skip(self.numbers.len()).collect();
        for code in codes.iter().filter(|c| **c >= 0.0 && c.fract() == 0.0) {
            if let Some(c) = hot.get(*code as usize) {
                x[*c] += 1.0;
            }
        }
        x
    }

    /// Rows of vectors as rows of elements.
    ///
    /// # Errors
    ///
    /// The row, and what is wrong with it.
    pub fn rows(&self, vectors: &Rows) -> Result<Rows, (usize, NotOneHot)> {
        let mut data = Vec::with_capacity(vectors.len() * self.len());
        for (n, x) in vectors.iter().enumerate() {
            data.extend(self.row(x).map_err(|e| (n, e))?);
        }
        Ok(Rows {
            data,
            width: self.len(),
        })
    }

    /// Makes a vector of any numbers one that occurs: in each field the columns become 0, but for one
    /// that `pick` chooses among so many.
    pub fn make_one_hot<T: Copy + From<u8>>(
        &self,
        x: &mut [T],
        mut pick: impl FnMut(usize) -> usize,
    ) {
        for field in &self.fields {
            let columns = &mut x[field.columns.clone()];
            columns.fill(T::from(0));
            let chosen = pick(columns.len());
            if let Some(x) = columns.get_mut(chosen) {
                *x = T::from(1);
            }
        }
    }

    /// What a node that reads these columns of the vector reads of the elements. `None` where it reads
    /// a part that has no place there: a part of a field, codes without the numbers that stand right
    /// before them, or fields without the first one.
    #[must_use]
    pub fn reads(&self, columns: Range<usize>) -> Option<Reads> {
        let inside = |c: &usize| columns.contains(c);
        let start = self
            .numbers
            .iter()
            .take_while(|c| **c < columns.start)
            .count();
        let numbers = self.numbers.iter().filter(|c| inside(c)).count();
        let touched =
            |f: &&HotField| f.columns.start < columns.end && f.columns.end > columns.start;
        let fields: Vec<&HotField> = self.fields.iter().filter(touched).collect();
        let part = |f: &&HotField| f.columns.start < columns.start || f.columns.end > columns.end;
        if fields.iter().any(part) {
            return None;
        }
        let own = (self.numbers.iter().copied().filter(inside))
            .chain(fields.iter().flat_map(|f| f.columns.clone()));
        let own: Vec<usize> = own.map(|c| c - columns.start).collect();
        let Some(first) = fields.first() else {
            return Some(Reads {
                start,
                inputs: numbers,
                numbers: None,
                columns: own,
            });
        };
        let whole = first.first == 0 && start + numbers == self.numbers.len();
        whole.then(|| Reads {
            start,
            inputs: numbers + fields.iter().map(|f| f.codes).sum::<usize>(),
            numbers: Some(numbers),
            columns: own,
        })
    }
}

impl Input {
    /// A run of `count` one-hot columns, of which at most one is 1.
    #[must_use]
    pub fn one_hot(name: &str, count: usize) -> Self {
        Self {
            codes: Some(1),
            ..Self::new(name, count)
        }
    }
}
